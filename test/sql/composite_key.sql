-- A key of several columns: mapped, compared, respelled, reviewed, undone, exported
-- (SPEC 2.7). In messages and changes it is written as a row, (T1,1).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset footer off
SET client_min_messages = warning;

-- ---------- mapping ----------

CREATE TABLE target.ok (trip text, seq int, stop text, PRIMARY KEY (trip, seq));
CREATE TABLE target.wider (trip text NOT NULL, seq int NOT NULL, stop text NOT NULL, UNIQUE (trip, seq, stop));
CREATE TABLE target.narrower (trip text NOT NULL, seq int PRIMARY KEY, stop text);
CREATE TABLE target.nulls (trip text NOT NULL, seq int, stop text, UNIQUE (trip, seq));
CREATE TABLE target.partial (trip text NOT NULL, seq int NOT NULL, stop text);
CREATE UNIQUE INDEX ON target.partial (trip, seq) WHERE seq > 0;
CREATE TABLE target.deferrable (trip text NOT NULL, seq int NOT NULL, stop text, UNIQUE (trip, seq) DEFERRABLE);
CREATE TABLE target.turned (trip text NOT NULL, seq int NOT NULL, stop text, UNIQUE (seq, trip));
CREATE TABLE target.unhashed (trip money, seq int, stop text, PRIMARY KEY (trip, seq));
CALL t.write('m.csv', E'trip,Seq,stop\nT1,1,A\n');
SELECT syncup_create_connector('M', t.dir());
CREATE FUNCTION t.map(target text, key text[], columns jsonb DEFAULT NULL, name text DEFAULT 'm') RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	detail text;
	hint text;
BEGIN
	PERFORM syncup_map_entity_type('M', name, ('target.' || target)::regclass, 'm.csv', key, columns);
	RETURN QUERY SELECT format('%s: key %s, columns %s', m.target, m.key,
		string_agg(concat_ws('/', c.source, c.stored, c.target, c.key_part), ' ' ORDER BY c.ordinal))
	FROM syncup.mapping m JOIN syncup.mapping_column c USING (connector, mapping)
	WHERE m.connector = 'M' AND m.mapping = name GROUP BY m.target, m.key;
	PERFORM syncup_drop_mapping('M', name);
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
	RETURN NEXT format('%s: %s', SQLSTATE, SQLERRM);
	RETURN QUERY SELECT '  HINT: ' || hint WHERE hint <> '';
END
$$;
SELECT t.map('ok', '{trip,seq}');
SELECT t.map('turned', '{trip,seq}');
SELECT t.map('ok', '{seq,trip}');
SELECT t.map(target, '{trip,seq}') FROM unnest('{wider,narrower,nulls,partial,deferrable}'::text[]) target;
SELECT t.map('narrower', '{seq}');
SELECT t.map('ok', '{trip}');
SELECT t.map('ok', '{trip,trip}');
SELECT t.map('ok', '{trip,TRIP}');
SELECT t.map('ok', '{trip,sep}');
SELECT t.map('ok', '{}');
SELECT t.map('ok', '{trip,NULL}');
SELECT t.map('ok', '{trip,""}');
SELECT t.map('ok', NULL);
SELECT t.map('ok', '{trip,seq}', '{"trip": "trip", "stop": "stop"}');
-- One column is the key of several targets: the first is its part.
SELECT t.map('ok', '{trip,Seq}', '{"trip": ["trip", "stop"], "Seq": "seq"}');
-- A key written as a text of an array is told what is meant.
SELECT t.error($$SELECT syncup_map_entity_type('M', 'm', 'target.ok', 'm.csv', '{trip,seq}')$$);
-- An array of one column is that column.
SELECT syncup_map_entity_type('M', 'one', 'target.narrower', 'm.csv', ARRAY['seq']);
SELECT syncup_map_entity_type('M', 'one', 'target.narrower', 'm.csv', 'seq');
SELECT key FROM syncup.mapping WHERE mapping = 'one';
SELECT syncup_drop_connector('M');

-- ---------- a life ----------

-- A connector K with one mapping k of (trip, seq) to stop.
CREATE PROCEDURE t.fresh(trip text, seq text, options jsonb DEFAULT '{}', columns jsonb DEFAULT '{"trip": "trip", "seq": "seq", "stop": "stop"}')
LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM syncup.connector) THEN
		PERFORM syncup_drop_connector('K');
		DROP TABLE target.k CASCADE;
	END IF;
	EXECUTE format('CREATE TABLE target.k (stop text, seq %s, extra text, trip %s, PRIMARY KEY (trip, seq))', seq, trip);
	PERFORM syncup_create_connector('K', t.dir(), options);
	PERFORM syncup_map_entity_type('K', 'k', 'target.k', 'k.csv', '{trip,seq}'::text[], columns);
	PERFORM syncup_set_thresholds('K', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
END
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.counted() RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s %s: %s read %s kept %s null %s dup %s bad%s; delta %s/%s/%s; target %s/%s/%s', b.mode, b.status, c.rows_read, c.rows_kept, c.null_keys, c.duplicates, c.rejected,
		CASE WHEN c.deletions_suspended THEN ' suspended' END, c.delta_inserted, c.delta_updated, c.delta_deleted, c.inserted, c.updated, c.deleted)
	FROM syncup.batch b JOIN syncup.batch_counter c USING (batch) WHERE b.batch = t.last()
$$;
CREATE FUNCTION t.state() RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT t.counted()
	UNION ALL SELECT 'target   ' || coalesce(string_agg(concat(ROW(trip, seq)) || '=' || stop || coalesce('+' || extra, ''), ' ' ORDER BY trip, seq), '') FROM target.k
	UNION ALL SELECT 'previous ' || coalesce(string_agg("(trip,seq)" || '=' || concat_ws('/', trip, seq, stop), ' ' ORDER BY "(trip,seq)"), '') FROM syncup_previous.k_k
	UNION ALL SELECT 'aside    ' || concat_ws(' ', line, reason, key, message) FROM syncup.quarantine WHERE batch = t.last();
END
$$;
CREATE FUNCTION t.go(mode text, content text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('k.csv', content);
	PERFORM syncup_prepare('K', mode);
	PERFORM syncup_synchronize('K', keep_changes => true);
	RETURN QUERY SELECT t.state();
	RETURN QUERY SELECT '! ' || error FROM syncup.batch WHERE status = 'failed';
END
$$;

CALL t.fresh('text', 'int', '{"on_error": "quarantine"}');
SELECT t.go('initial', E'trip,seq,stop\nT1,1,A\nT1,2,B\nT2,1,C\n');
UPDATE target.k SET extra = 'kept' WHERE trip = 'T1' AND seq = 2;
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,A\nT1,2,B2\nT2,2,D\n');
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
-- The same again; then with every spelling of the number and an equal and another row.
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,A\nT1,2,B2\nT2,2,D\n');
SELECT t.go('incremental', E'trip,seq,stop\nT1,01,A\nT1,+2,B3\nT2,2,D\nT2,02,D\nT2,002,E\n');
SELECT t.go('complete', E'trip,seq,stop\nT1,1,A\nT1,2,B3\nT2,2,D\n');
-- Bad rows: a part is empty, or no number; a part is empty in a malformed row.
SELECT t.go('complete', E'trip,seq,stop\nT1,,A\n,2,B3\n,,\n');
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,A\nT1,two,B3\nT2,2,D\n');
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,A\nT1,2\nT2,2,D\n');
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,A\nT1\nT2,2,D\n');
-- Without quarantine the error names the part.
SELECT syncup_create_connector('K', options => '{"on_error": null}');
CALL t.write('k.csv', E'trip,seq,stop\nT1,1,A\nT1,two,B3\n');
SELECT t.error($$SELECT syncup_prepare('K', 'incremental')$$);
-- Drift: a row is changed, one taken away, one added, one moved to another key.
SELECT t.go('complete', E'trip,seq,stop\nT1,1,A\nT1,2,B3\nT2,2,D\nT3,1,E\nT3,2,F\n');
UPDATE target.k SET stop = 'Z' WHERE trip = 'T1' AND seq = 1;
DELETE FROM target.k WHERE trip = 'T2';
INSERT INTO target.k (trip, seq, stop) VALUES ('T9', 9, 'X');
UPDATE target.k SET seq = 7 WHERE trip = 'T3' AND seq = 1;
SELECT t.go('complete', E'trip,seq,stop\nT1,1,A\nT1,2,B3\nT2,2,D\nT3,1,E\nT3,2,F\n');

-- ---------- parts that need quotes ----------

CALL t.fresh('text', 'text');
SELECT t.go('initial', E'trip,seq,stop\n"a,b",c,1\na,"b,c",2\n"a""b","(c)",3\n"a b","c\\d",4\n"\\","""",5\n"(a","b)",6\n');
SELECT t.go('incremental', E'trip,seq,stop\n"a,b",c,1\na,"b,c",22\n"a""b","(c)",3\n"a b","c\\d",44\n"\\","""",55\n"(a","b)",6\n');
SELECT t.go('complete', E'trip,seq,stop\n"a,b",c,1\n"(a","b)",6\n');
-- In C order of the columns, not of their texts together: a blank and a bang sort before a comma.
SELECT t.go('complete', E'trip,seq,stop\na!,1,1\na,2,2\na ,1,3\na,10,4\n');
SELECT syncup_export(t.last(), t.dir());
SELECT t.read('k.sorted.csv');
SELECT t.read('k.sorted.delta');
-- What is exported is a source of the same.
SELECT t.go('complete', pg_read_file(t.dir() || '/k.sorted.csv'));

-- ---------- types that hold several spellings equal ----------

CREATE EXTENSION citext SCHEMA t;
CALL t.fresh('uuid', 'numeric');
SELECT t.go('initial', E'trip,seq,stop\n0000000a-0000-0000-0000-000000000000,1,A\n0000000b-0000-0000-0000-000000000000,1.0,B\n');
SELECT t.go('incremental', E'trip,seq,stop\n{0000000A-0000-0000-0000-000000000000},1.00,A\n0000000B-0000-0000-0000-000000000000,1,B2\n');
SELECT t.go('incremental', E'trip,seq,stop\n0000000a-0000-0000-0000-000000000000,1,A\n');
CALL t.fresh('t.citext', 'date', columns => '{"trip": "trip", "seq": {"column": "seq", "format": "datetime:DD.MM.YYYY"}, "stop": "stop"}');
SELECT t.go('initial', E'trip,seq,stop\nAda,01.02.2026,A\nBo,01.02.2026,B\n');
SELECT t.go('incremental', E'trip,seq,stop\nADA,1.2.2026,A\nbo,01.02.2026,B2\nBo,02.02.2026,C\n');
SELECT t.go('complete', E'trip,seq,stop\nada,01.02.2026,A\nBo,02.02.2026,C\n');

-- ---------- files of changes ----------

CALL t.fresh('text', 'int', '{"on_error": "quarantine", "command_column": "cmd"}');
SELECT t.go('complete', E'cmd,trip,seq,stop\n,T1,1,A\n,T1,2,B\n,T2,1,C\n');
SELECT t.go('incremental', E'cmd,trip,seq,stop\nupdate,T1,01,\nmerge,T1,2,B2\nmerge,T3,1,D\ndelete,T2,1,\nupdate,T9,9,X\nmerge,,1,Z\n');
SELECT t.go('incremental', E'cmd,trip,seq,stop\ndelete,T1,+1,\ninsert,T1,1,AA\nmerge,T1,001,NULL_NULL\n');
SELECT t.go('incremental', E'cmd,trip,seq,stop\nmerge,T1,1,A4\ninsert,T4,x,Y\ndelete,T3,1,\n');

-- ---------- blocked, resumed, undone ----------

CALL t.fresh('text', 'int');
SELECT t.go('initial', E'trip,seq,stop\nT1,1,A\nT1,2,B\nT2,1,C\n');
SELECT syncup_set_thresholds('K', '{"maximum_deleted_lines": 1, "maximum_updated_lines": 1}');
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,AA\nT1,2,BB\nT5,1,E\n');
SELECT regexp_replace(line, '\m[0-9a-f]{8}-[0-9a-f-]+', 'UUID') FROM regexp_split_to_table(syncup_report(t.last()), E'\n') line WHERE line ~ 'T[0-9]|explain|updated|deleted';
UPDATE target.k SET stop = 'somebody' WHERE trip = 'T1' AND seq = 2;
SELECT t.error('SELECT * FROM syncup_resume(t.last())');
UPDATE target.k SET stop = 'B' WHERE trip = 'T1' AND seq = 2;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
SELECT t.state();
SELECT syncup_set_thresholds('K', '{"maximum_deleted_lines": 0, "maximum_updated_lines": 0}');
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,AA\nT1,2,B3\nT6,1,F\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT t.state();
SELECT t.go('incremental', E'trip,seq,stop\nT1,1,AA\nT1,2,B3\nT6,1,F\n');
UPDATE target.k SET stop = 'somebody' WHERE trip = 'T6';
SELECT t.error('SELECT syncup_undo(t.last())');
SELECT counter, count FROM syncup_preview('K', 'complete') WHERE mapping = 'k' AND count > 0 ORDER BY 1;

-- ---------- partitions, scopes, a table that refers to it ----------

SELECT syncup_drop_connector('K');
DROP TABLE target.k;
CREATE TABLE target.k (trip text, seq int, stop text, extra text, PRIMARY KEY (trip, seq)) PARTITION BY HASH (trip);
CREATE TABLE target.k0 PARTITION OF target.k FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE target.k1 PARTITION OF target.k FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE target.note (id int PRIMARY KEY, trip text, seq int, FOREIGN KEY (trip, seq) REFERENCES target.k ON DELETE CASCADE);
SELECT syncup_create_connector('K', t.dir());
SELECT syncup_map_entity_type('K', 'k', 'target.k', 'k.csv', ARRAY['trip', 'seq'], '{"trip": "trip", "seq": "seq", "stop": "stop"}',
	options => '{"scope": "extra IS NOT DISTINCT FROM ''ours''", "constants": {"extra": "ours"}}');
SELECT syncup_set_thresholds('K', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
INSERT INTO target.k VALUES ('T9', 9, 'theirs', 'theirs');
SELECT t.go('complete', E'trip,seq,stop\nT1,1,A\nT1,2,B\nT2,1,C\n');
INSERT INTO target.note VALUES (1, 'T1', 1), (2, 'T1', 2), (3, 'T1', 1);
SELECT t.go('complete', E'trip,seq,stop\nT1,2,B\nT2,1,C2\n');
SELECT relation, deleted FROM syncup.batch_cascade WHERE batch = t.last();
SELECT t.go('incremental', E'trip,seq,stop\nT1,2,B\nT2,1,C2\nT9,9,ours\n');

-- ---------- mapped again ----------

SELECT syncup_discard(t.last());
SELECT t.error($$SELECT syncup_map_entity_type('K', 'k', 'target.k', 'k.csv', ARRAY['trip', 'seq'])$$);
SELECT t.error($$SELECT syncup_map_entity_type('K', 'k', 'target.k', 'k.csv', ARRAY['seq', 'trip'])$$);
SELECT t.error($$SELECT syncup_map_entity_type('K', 'k', 'target.k', 'k.csv', 'trip')$$);
SELECT t.error($$SELECT syncup_map_entity_type('K', 'k', 'target.k', 'k.csv', ARRAY['trip', 'seq'], '{"trip": "stop", "seq": "seq", "stop": "trip"}')$$);
-- A part whose type, or the constraint, is gone when a run comes.
ALTER TABLE target.note DROP CONSTRAINT note_trip_seq_fkey;
ALTER TABLE target.k DROP CONSTRAINT k_pkey;
SELECT t.error($$SELECT syncup_prepare('K', 'complete')$$);
