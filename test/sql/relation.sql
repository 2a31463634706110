-- A relation as source instead of a file: tables, views, foreign tables; every mode
-- (SPEC 2.6).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset footer off
SET client_min_messages = warning;
CREATE SCHEMA src;

-- ---------- mapping ----------

CREATE TABLE src.staff (id int, name text, "Born On" date, at timestamptz, tags text[], active boolean, amount numeric, note text);
CREATE TABLE target.staff (id int PRIMARY KEY, name text, born date, at timestamptz, tags text[], active boolean, amount numeric, note text);
CREATE SEQUENCE src.no_source;
SELECT syncup_create_connector('R', t.dir(), '{"delimiter": ";", "quoted_empty": "null", "null": "NULL", "skip_lines": 3, "header": false, "pattern": true}');
SELECT t.error($$SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id')$$);
SELECT t.error($$SELECT syncup_map_entity_type('R', 'staff', 'target.staff', 'staff.csv', 'id', options => '{"source": "src.staff"}')$$);
SELECT t.error(format('SELECT syncup_map_entity_type(%L, %L, %L, NULL, %L, options => %L)', 'R', 'staff', 'target.staff', 'id', o))
FROM unnest(ARRAY['{"source": "staff"}', '{"source": "src.stuff"}', '{"source": "src.no_source"}', '{"source": ""}', '{"source": 7}', '{"source": "a.b.c.d"}', '{"source": "src.\"staff"}',
	'{"source": "src.staff", "delimiter": ";"}', '{"source": "src.staff", "pattern": true}', '{"source": "src.staff", "incremental_file": "x"}']) o;
SELECT t.error($$SELECT syncup_create_connector('R', options => '{"source": "src.staff"}')$$);
SELECT t.error($$SELECT * FROM syncup_read_csv('x', '{"source": "src.staff"}') AS r (id int)$$);
SET client_min_messages = notice;
ALTER FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) RESET client_min_messages;
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', options => '{"source": "src.staff"}');
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', '{"id": "id", "name": "name", "Born On": "born", "at": "at", "tags": "tags", "active": "active", "amount": "amount", "note": "note"}');
SET client_min_messages = warning;
ALTER FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) SET client_min_messages = warning;
SELECT file, options FROM syncup.mapping;
-- without a schema it is what the caller's own statements find
SET search_path = src, public;
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', options => '{"source": "staff"}');
RESET search_path;
SELECT file, options FROM syncup.mapping;

-- ---------- values, whatever the session's settings ----------

SET datestyle = 'SQL, DMY';
SET timezone = 'Asia/Tokyo';
SET intervalstyle = 'iso_8601';
INSERT INTO src.staff VALUES
	(1, 'Ada', '2001-02-03', '2026-01-02 03:04:05+09', '{a,"b c","d,e",NULL}', true, 1.50, ''),
	(2, E'say "hi", you\nthere', NULL, NULL, '{}', false, NULL, NULL),
	(3, 'NULL', '1999-12-31', '2026-07-01 00:00:00Z', NULL, NULL, 'NaN', '  blank  '),
	(4, E'\r', NULL, NULL, NULL, NULL, NULL, ',');
SELECT syncup_prepare('R', 'initial') IS NOT NULL AS prepared;
SELECT status, inserted FROM syncup_synchronize('R');
SELECT count(*) AS differ FROM (TABLE src.staff EXCEPT ALL TABLE target.staff) d;
SELECT id, name, "Born On", at, tags, active, amount, note FROM syncup_previous.r_staff ORDER BY id;
SELECT rows_read, rows_kept, file, file_modified IS NOT NULL AS dated, file_size > 0 AS sized FROM syncup.batch_counter;
RESET datestyle;
RESET timezone;
RESET intervalstyle;

-- ---------- runs ----------

CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.go(mode text, force boolean DEFAULT true) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('R', mode);
	PERFORM syncup_synchronize('R', force, true);
	RETURN QUERY
	SELECT format('%s %s %s: %s read %s kept %s dup %s null %s bad%s; delta %s/%s/%s; target %s/%s/%s', c.mapping, b.mode, b.status, c.rows_read, c.rows_kept, c.duplicates, c.null_keys, c.rejected,
		CASE WHEN c.deletions_suspended THEN ' suspended' END, c.delta_inserted, c.delta_updated, c.delta_deleted, c.inserted, c.updated, c.deleted)
	FROM syncup.batch b JOIN syncup.batch_counter c USING (batch) WHERE b.batch = t.last() ORDER BY c.mapping;
	RETURN QUERY SELECT '  ' || concat_ws(' ', line, reason, key, message, raw) FROM syncup.quarantine WHERE batch = t.last() ORDER BY mapping, line;
END
$$;
SELECT t.go('incremental');
UPDATE src.staff SET name = 'Ada A.' WHERE id = 1;
DELETE FROM src.staff WHERE id = 4;
INSERT INTO src.staff (id, name) VALUES (5, 'Eve');
SELECT t.go('incremental');
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
UPDATE target.staff SET name = 'drifted' WHERE id = 2;
SELECT t.go('complete');
-- Blocked, undone, exported as any other.
SELECT syncup_set_thresholds('R', '{"maximum_deleted_lines": 1}');
DELETE FROM src.staff WHERE id IN (1, 2);
SELECT t.go('incremental', false);
SELECT regexp_replace(line, 'written .*', 'written ...') FROM regexp_split_to_table(syncup_report(t.last()), E'\n') line WHERE line ~ 'src.staff|staff .*csv|Files';
SELECT status, deleted FROM syncup_resume(t.last());
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, name FROM target.staff ORDER BY id;
SELECT counter, count FROM syncup_preview('R', 'complete') WHERE mapping = 'staff' AND count > 0;
SELECT syncup_export(t.last(), t.dir());
SELECT t.read('staff.sorted.csv');

-- ---------- bad rows; line is the number of the row ----------

CREATE TABLE src.loose (id text, name text, born text);
INSERT INTO src.loose VALUES ('1', E'two\nlines', '2026-01-01'), (NULL, 'nobody', NULL), ('x', 'no number', NULL), ('2', 'no date', '2026-02-30'), ('3', 'three', NULL), ('03', 'three', NULL), ('3', 'other', NULL);
SELECT syncup_drop_mapping('R', 'staff');
DELETE FROM target.staff;
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', '{"id": "id", "name": "name", "born": "born"}', options => '{"source": "src.loose", "where": "name IS DISTINCT FROM ''nobody at all''"}');
SELECT t.error($$SELECT syncup_prepare('R', 'complete')$$);
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', options => '{"on_error": "quarantine"}');
SELECT t.go('complete');
-- A column is gone, the rights are, the relation is: each says so, and nothing happens.
ALTER TABLE src.loose RENAME born TO birthday;
SELECT t.error($$SELECT syncup_prepare('R', 'complete')$$);
ALTER TABLE src.loose RENAME birthday TO born;
ALTER TABLE src.loose RENAME TO moved;
SELECT t.error($$SELECT syncup_prepare('R', 'complete')$$);
ALTER TABLE src.moved RENAME TO loose;
ALTER TABLE src.loose DROP born;
SELECT t.error($$SELECT syncup_prepare('R', 'complete')$$);
ALTER TABLE src.loose ADD born text;
UPDATE src.loose SET born = '2026-01-01' WHERE id = '1';
-- Of another type: its texts count; those that the target cannot take are set aside.
ALTER TABLE src.loose ALTER born TYPE date USING born::date;
SELECT t.go('complete');
ALTER TABLE src.loose ALTER born TYPE timestamp, ALTER name TYPE name;
SELECT t.go('complete');
ALTER TABLE src.loose ALTER born TYPE boolean USING true;
DELETE FROM src.loose WHERE id = 'x' OR id IS NULL;
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', options => '{"on_error": null}');
SELECT t.error($$SELECT syncup_prepare('R', 'complete')$$);
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', options => '{"on_error": "quarantine"}');
SELECT id, name, born FROM target.staff ORDER BY id;
ALTER TABLE src.loose ALTER born TYPE text USING NULL, ALTER name TYPE text;
-- An empty relation: everything is gone, and limits guard it.
TRUNCATE src.loose;
SELECT t.go('complete', false);
SELECT syncup_discard(t.last());

-- ---------- a view and a file, one instead of the other ----------

CREATE VIEW src.people AS SELECT n AS id, 'name ' || n AS name, NULL::text AS born FROM generate_series(1, 3) n;
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id', options => '{"source": "src.people"}');
SELECT t.go('complete');
CALL t.write('people.csv', E'id,name,born\n1,name 1,\n2,name 2,\n3,name 3,\n');
SELECT syncup_create_connector('R', options => '{"delimiter": null, "quoted_empty": null, "null": null, "skip_lines": null, "header": null, "pattern": null}');
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', 'people.csv', 'id');
SELECT file, options ? 'source' AS has_source FROM syncup.mapping;
SELECT t.go('incremental');
SELECT syncup_map_entity_type('R', 'staff', 'target.staff', NULL, 'id');
SELECT file, options ? 'source' AS has_source FROM syncup.mapping;
-- A view that answers otherwise each time is read once for all the mappings of a run.
CREATE TABLE target.odd (id int PRIMARY KEY, v text);
CREATE TABLE target.odder (id int PRIMARY KEY, v text);
CREATE VIEW src.odd AS SELECT 1 AS id, random()::text AS v;
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', options => '{"source": "src.odd"}');
SELECT syncup_map_entity_type('R', 'odder', 'target.odder', NULL, 'id', options => '{"source": "src.odd"}');
SELECT syncup_prepare('R', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R', true);
SELECT count(*) AS same FROM target.odd JOIN target.odder USING (id, v);

-- ---------- changes, links, a single column, keys of several ----------

SELECT syncup_drop_connector('R');
CREATE TABLE src.change (cmd text, trip text, seq int, stop text);
CREATE TABLE target.stop (trip text, seq int, stop text, PRIMARY KEY (trip, seq));
CREATE TABLE target.trip (trip text PRIMARY KEY);
CREATE TABLE target.next (a text, b text, PRIMARY KEY (a, b));
CREATE VIEW src.trip AS SELECT DISTINCT trip FROM src.change ORDER BY trip;
CREATE VIEW src.next AS SELECT * FROM (VALUES ('T1', 'T2'), ('T2', 'T9'), (NULL, 'T1')) AS v (a, b);
SELECT syncup_create_connector('R', t.dir());
SELECT syncup_map_entity_type('R', 'stop', 'target.stop', NULL, ARRAY['trip', 'seq'], options => '{"source": "src.change", "command_column": "cmd"}');
SELECT syncup_map_entity_type('R', 'trip', 'target.trip', NULL, 'trip', options => '{"source": "src.trip"}');
SELECT syncup_map_association('R', 'next', NULL, 'a', 'trip.trip', 'b', 'trip.trip', 'target.next', 'a', 'b', '{"source": "src.next"}');
SELECT syncup_set_thresholds('R', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
INSERT INTO src.change VALUES ('', 'T1', 1, 'A'), ('', 'T2', 1, 'B'), (NULL, NULL, NULL, NULL);
SELECT t.go('complete');
TABLE target.next;
TRUNCATE src.change;
INSERT INTO src.change VALUES ('merge', 'T1', 2, 'C'), ('delete', 'T2', 1, NULL), ('update', 'T1', 1, 'NULL_NULL');
SELECT t.go('incremental');
SELECT * FROM target.stop ORDER BY 1, 2;
-- The same changes once more are none.
SELECT t.go('incremental');
SELECT mapping, file, size FROM syncup_source_files('R');

-- ---------- foreign tables ----------

CREATE EXTENSION file_fdw SCHEMA t;
CREATE SERVER programs FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE src.printed (id int, v text) SERVER programs OPTIONS (program 'printf "1,one\\n2,two\\n"', format 'csv');
CREATE FOREIGN TABLE src.broken (id int, v text) SERVER programs OPTIONS (program 'printf "1,one\\n"; exit 3', format 'csv');
SELECT syncup_drop_connector('R');
SELECT syncup_create_connector('R');
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', options => '{"source": "src.printed"}');
SELECT t.go('complete');
SELECT * FROM target.odd ORDER BY id;
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', options => '{"source": "src.broken"}');
SELECT left(e, 30) FROM t.error($$SELECT syncup_prepare('R', 'complete')$$) e WHERE e !~ 'DETAIL';
CREATE EXTENSION postgres_fdw SCHEMA t;
DO $$
BEGIN
	EXECUTE format('CREATE SERVER here FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host %L, port %L, dbname %L)',
		split_part(current_setting('unix_socket_directories'), ',', 1), current_setting('port'), current_database());
	EXECUTE format('CREATE USER MAPPING FOR %I SERVER here', current_user);
END
$$;
CREATE TABLE src.remote (id int, v text);
INSERT INTO src.remote SELECT n, 'v' || n FROM generate_series(1, 1000) n;
CREATE FOREIGN TABLE src.there (id int, v text) SERVER here OPTIONS (schema_name 'src', table_name 'remote');
CREATE MATERIALIZED VIEW src.kept AS SELECT * FROM src.there;
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', options => '{"source": "src.there"}');
SELECT t.go('complete');
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', options => '{"source": "src.kept"}');
SELECT t.go('complete');
DROP TABLE src.remote;
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', '{"id": "id", "v": "v"}', options => '{"source": "src.there"}');
SELECT t.error($$SELECT syncup_prepare('R', 'complete')$$);

-- ---------- rights ----------

CREATE ROLE regress_syncup_reader;
GRANT USAGE ON SCHEMA src, target, t TO regress_syncup_reader;
GRANT EXECUTE ON FUNCTION syncup_prepare, syncup_synchronize, syncup_create_connector TO regress_syncup_reader;
GRANT EXECUTE ON FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) TO regress_syncup_reader;
GRANT ALL ON ALL TABLES IN SCHEMA target TO regress_syncup_reader;
SET ROLE regress_syncup_reader;
SELECT t.error($$SELECT syncup_prepare('R', 'complete')$$);
SELECT t.error($$SELECT syncup_map_entity_type('R', 'more', 'target.odd', NULL, 'id', options => '{"source": "src.odd"}')$$);
RESET ROLE;
-- rights that were there, on some of its columns, on the view but not of its owner
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', options => '{"source": "src.people"}');
CREATE FUNCTION t.as_reader() RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
	failure text;
BEGIN
	SET LOCAL ROLE regress_syncup_reader;
	BEGIN
		PERFORM syncup_prepare('R', 'complete');
	EXCEPTION WHEN OTHERS THEN
		failure := SQLSTATE || ': ' || SQLERRM;
	END;
	RESET ROLE;
	RETURN NEXT coalesce(failure, 'prepared');
END
$$;
GRANT SELECT ON src.people TO regress_syncup_reader;
SELECT syncup_map_entity_type('R', 'odd', 'target.odd', NULL, 'id', '{"id": "id", "name": "v"}');
SELECT t.as_reader();
REVOKE SELECT ON src.people FROM regress_syncup_reader;
SELECT t.as_reader();
GRANT SELECT (id) ON src.people TO regress_syncup_reader;
SELECT t.as_reader();
GRANT SELECT (id, name) ON src.people TO regress_syncup_reader;
SELECT t.as_reader();
CREATE ROLE regress_syncup_owner;
GRANT USAGE, CREATE ON SCHEMA src TO regress_syncup_owner;
CREATE TABLE src.below (id int, name text, born text);
GRANT SELECT ON src.below TO regress_syncup_owner;
CREATE OR REPLACE VIEW src.people AS SELECT id, name, born FROM src.below;
ALTER VIEW src.people OWNER TO regress_syncup_owner;
GRANT SELECT ON src.people TO regress_syncup_reader;
SELECT t.as_reader();
REVOKE SELECT ON src.below FROM regress_syncup_owner;
SELECT t.as_reader();
SELECT count(*) FROM syncup.batch WHERE connector = 'R' AND status = 'prepared';
DROP OWNED BY regress_syncup_owner CASCADE;
DROP ROLE regress_syncup_owner;
DROP OWNED BY regress_syncup_reader;
DROP ROLE regress_syncup_reader;
