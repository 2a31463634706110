-- One key in several spellings is one key: in a file, against previous and the
-- queue, in files of changes, for bad rows, in review and undo (SPEC 4.1).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION citext SCHEMA t;
CREATE COLLATION t.ignore_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);

-- A connector K with one mapping k of (id, n), whose rows are "one", "two".
CREATE PROCEDURE t.fresh(type text, options jsonb DEFAULT '{}', format text DEFAULT NULL)
LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM syncup.connector) THEN
		PERFORM syncup_drop_connector('K');
		DROP TABLE target.k;
	END IF;
	EXECUTE format('CREATE TABLE target.k (id %s PRIMARY KEY, n text, extra text)', type);
	PERFORM syncup_create_connector('K', t.dir(), options);
	PERFORM syncup_map_entity_type('K', 'k', 'target.k', 'k.csv', 'id',
		jsonb_build_object('id', CASE WHEN format IS NULL THEN '"id"'::jsonb ELSE jsonb_build_object('column', 'id', 'format', format) END, 'n', 'n'));
	PERFORM syncup_set_thresholds('K', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
END
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
-- What the last batch counted: of the file, of the delta, of the target.
CREATE FUNCTION t.counted() RETURNS text
LANGUAGE sql AS $$
	SELECT format('%s %s: %s read %s kept %s dup %s bad%s; delta %s/%s/%s; target %s/%s/%s', b.mode, b.status, c.rows_read, c.rows_kept, c.duplicates, c.rejected,
		CASE WHEN c.deletions_suspended THEN ' suspended' END, c.delta_inserted, c.delta_updated, c.delta_deleted, c.inserted, c.updated, c.deleted)
	FROM syncup.batch b JOIN syncup.batch_counter c USING (batch) WHERE b.batch = t.last()
$$;
CREATE FUNCTION t.state() RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT t.counted()
	UNION ALL SELECT 'target   ' || coalesce(string_agg(id || '=' || n || coalesce('+' || extra, ''), ' ' ORDER BY id::text COLLATE "C"), '') FROM target.k
	UNION ALL SELECT 'previous ' || coalesce(string_agg(id || '=' || n, ' ' ORDER BY id), '') FROM syncup_previous.k_k
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
END
$$;

-- ---------- every kind of type ----------

-- The first spelling is stored, the second one comes instead, beside, alone with a
-- bad value, and goes again: the row is always the same one.
CREATE FUNCTION t.life(type text, one text, other text, options jsonb DEFAULT '{"on_error": "quarantine"}', format text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	mode text;
	batch uuid;
BEGIN
	FOREACH mode IN ARRAY ARRAY['incremental', 'complete'] LOOP
		CALL t.fresh(type, options, format);
		PERFORM t.go('initial', format(E'id,n\n"%s",one\n', one));
		UPDATE target.k SET extra = 'mine';
		RETURN NEXT format('%s %s: respelled %s', type, mode, (SELECT string_agg(s, ' | ') FROM t.go(mode, format(E'id,n\n"%s",one\n', other)) s));
		RETURN NEXT '  undone ' || (SELECT string_agg(s, ' | ') FROM (SELECT syncup_undo(t.last())) u, LATERAL (SELECT s FROM t.state() s WHERE s !~ ':') x);
		RETURN NEXT '  both, other first ' || (SELECT string_agg(s, ' | ') FROM t.go(mode, format(E'id,n\n"%s",two\n"%s",one\n', other, one)) s);
		RETURN NEXT '  both, one first ' || (SELECT string_agg(s, ' | ') FROM t.go(mode, format(E'id,n\n"%s",one\n"%s",two\n', one, other)) s);
		RETURN NEXT '  both alike ' || (SELECT string_agg(s, ' | ') FROM t.go(mode, format(E'id,n\n"%s",one\n"%s",one\n', one, other)) s);
		RETURN NEXT '  a bad row ' || (SELECT string_agg(s, ' | ') FROM t.go(mode, format(E'id,n\n"%s",one,x\n', other)) s);
		RETURN NEXT '  gone ' || (SELECT string_agg(s, ' | ') FROM t.go(mode, E'id,n\n') s);
	END LOOP;
END
$$;
SELECT t.life('int', '1', '01');
SELECT t.life('uuid', 'aaaaaaaa-0000-4000-8000-000000000001', 'AAAAAAAA-0000-4000-8000-000000000001');
SELECT t.life('numeric', '1.0', '1.00');
SELECT t.life('t.citext', 'Ada', 'ADA');
SELECT t.life('text COLLATE t.ignore_case', 'Ada', 'ADA');
SELECT t.life('char(4)', 'ab', 'ab  ');
SELECT t.life('date', '2026-01-02', '20260102');
SELECT t.life('int', '1,000', '1000', format => 'number:.,');
-- in text the bytes count
SELECT t.life('text', 'Ada', 'ADA');

-- ---------- the queue ----------

CALL t.fresh('int');
SELECT t.go('initial', E'id,n\n1,one\n2,two\n03,three\n');
CALL t.write('k.csv', E'id,n\n01,one\n2,zwei\n3,three\n');
SELECT syncup_prepare('K', 'incremental') IS NOT NULL AS first;
SELECT command, id, n, old_key, key_hash IS NOT NULL AS hashed FROM syncup_delta.k_k ORDER BY id;
CALL t.write('k.csv', E'id,n\n001,one\n02,zwei\n3,drei\n');
SELECT syncup_prepare('K', 'incremental') IS NOT NULL AS second;
SELECT command, id, n, old_key, key_hash IS NOT NULL AS hashed FROM syncup_delta.k_k WHERE batch = t.last() ORDER BY id;
-- bad rows in other spellings, against the queue
SELECT syncup_create_connector('K', options => '{"on_error": "quarantine"}');
CALL t.write('k.csv', E'id,n\n0001,one,x\n0002,zwei,x\n');
SELECT syncup_prepare('K', 'incremental') IS NOT NULL AS third;
SELECT command, id, n, old_key FROM syncup_delta.k_k WHERE batch = t.last() ORDER BY id;
SELECT syncup_synchronize('K', keep_changes => true) IS NOT NULL AS applied;
SELECT t.state();
-- taken back, the last one first
SELECT syncup_undo(batch) IS NOT NULL AS undone FROM (SELECT batch FROM syncup.batch WHERE status = 'applied' AND mode = 'incremental' ORDER BY seq DESC) b;
SELECT s FROM t.state() s WHERE s !~ ':';

-- ---------- files of changes ----------

CALL t.fresh('int', '{"on_error": "quarantine", "command_column": "op", "incremental_file": "c.csv"}');
SELECT t.go('initial', E'id,n\n1,one\n02,two\n3,three\n4,four\n');
CREATE FUNCTION t.changes(content text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('c.csv', content);
	PERFORM syncup_prepare('K', 'incremental');
	PERFORM syncup_synchronize('K', keep_changes => true);
	RETURN QUERY SELECT t.state();
END
$$;
SELECT t.changes(E'op,id,n\nupdate,01,eins\ndelete,2,\nmerge,03,drei\ninsert,004,vier\nupdate,4,quatre\n');
SELECT t.changes(E'op,id,n\ndelete,1,\ninsert,001,uno\nupdate,0009,unknown\ninsert,5,five\ndelete,05,\n');
-- a bad row is a sign of life whatever its spelling; one without a readable key keeps all
SELECT t.changes(E'op,id,n\ndelete,3,\nmerge,003,x,y\n');
SELECT t.changes(E'op,id,n\ndelete,3,\nmerge,abc,x\n');
SELECT command, id, n, old_key FROM syncup_delta.k_k JOIN syncup.batch USING (batch) ORDER BY seq, id, command;

-- ---------- a key that its type refuses ----------

CALL t.fresh('int', '{"on_error": "quarantine"}');
SELECT t.go('initial', E'id,n\n1,one\n2,two\n');
SELECT t.go('incremental', E'id,n\n1,one\nabc,x\n');
SELECT t.go('complete', E'id,n\nabc,x\nabc,y\n');
SELECT t.go('incremental', E'id,n\n1,one\nabc,x,y\n');
SELECT t.go('incremental', E'id,n\n1,one\n');
CALL t.fresh('varchar(3)', '{"on_error": "quarantine"}');
SELECT t.go('initial', E'id,n\na,one\nb,two\n');
SELECT t.go('incremental', E'id,n\na,one\nlong key,x\n');
-- with on_error stop it is an error
CALL t.fresh('int');
SELECT t.go('initial', E'id,n\n1,one\n');
CALL t.write('k.csv', E'id,n\n1,one\n01x,two\n');
SELECT t.error($$SELECT syncup_prepare('K', 'incremental')$$);

-- ---------- duplicates: reject ----------

CALL t.fresh('int', '{"on_error": "quarantine", "duplicates": "reject"}');
SELECT t.go('initial', E'id,n\n1,one\n2,two\n');
SELECT t.go('incremental', E'id,n\n1,other\n01,another\n02,two\n2,two\n');
SELECT t.go('complete', E'id,n\n1,one\n01,one\n02,x\n2,y\n');

-- ---------- review ----------

CALL t.fresh('int');
SELECT t.go('initial', E'id,n\n1,one\n2,two\n3,three\n');
SELECT syncup_set_thresholds('K', '{"maximum_deleted_lines": 1}');
SELECT t.go('incremental', E'id,n\n01,eins\n');
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last()) ORDER BY key;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
SELECT t.state();

-- ---------- little memory: several passes ----------

SET maintenance_work_mem = '1MB';
CALL t.fresh('int');
CALL t.shell('{ echo id,n; seq 1 60000 | sed "s/$/,x/"; } > k.csv');
SELECT syncup_prepare('K', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('K');
-- every second key in another spelling, and some twice
CALL t.shell('{ echo id,n; seq 1 60000 | awk "{ print (\$1 % 2 ? \"0\" : \"\") \$1 \",x\" } \$1 % 1000 == 0 { print \"00\" \$1 \",y\" }"; } > k.csv');
SELECT syncup_prepare('K', 'incremental') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('K');
SELECT t.counted();
SELECT reason, count(*), count(*) FILTER (WHERE message = format('key was already given on line %s', line - 1)) AS named FROM syncup.quarantine WHERE batch = t.last() GROUP BY 1;
SELECT count(*), count(*) FILTER (WHERE id LIKE '0%') AS respelled, count(key_hash) AS hashed FROM syncup_previous.k_k;
SELECT count(*), count(DISTINCT n) FROM target.k;
-- one that cannot be read, wherever it is met: nothing goes
SELECT syncup_create_connector('K', options => '{"on_error": "quarantine"}');
CREATE PROCEDURE t.lose(bad int)
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.shell(format('{ echo id,n; echo bad%s,x; seq 101 60000 | sed "s/$/,x/"; } > k.csv', bad));
	PERFORM syncup_prepare('K', 'complete');
END
$$;
SET client_min_messages = warning;
SELECT format('CALL t.lose(%s)', g) FROM generate_series(1, 8) g \gexec
RESET client_min_messages;
SELECT delta_deleted, deletions_suspended, count(*) FROM syncup.batch_counter WHERE rejected > 0 GROUP BY 1, 2;
SELECT status FROM syncup_synchronize('K', force => true);
SELECT count(*) FROM target.k;
RESET maintenance_work_mem;

-- ---------- hashes that are not there, or of another meaning ----------

CALL t.fresh('int');
SELECT t.go('initial', E'id,n\n01,one\n2,two\n');
UPDATE syncup_previous.k_k SET key_hash = NULL;
DELETE FROM syncup.digest_epoch;
SELECT t.go('incremental', E'id,n\n1,one\n2,two\n');

-- ---------- a batch of 0.1: a key goes in one spelling and comes in another ----------

CREATE TABLE target.gone_and_come (id int PRIMARY KEY, v text, own text);
CALL t.write('gone_and_come.csv', E'id,v\n1,one\n3,three\n');
SELECT syncup_create_connector('G', t.dir());
SELECT syncup_map_entity_type('G', 'g', 'target.gone_and_come', 'gone_and_come.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_prepare('G', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('G');
UPDATE target.gone_and_come SET own = 'kept';
CALL t.write('gone_and_come.csv', E'id,v\n2,two\n3,three\n');
SELECT syncup_prepare('G', 'incremental') IS NOT NULL AS prepared;
UPDATE syncup_delta.g_g SET id = '01' WHERE id = '2';
SELECT status, inserted, updated, deleted FROM syncup_synchronize('G', force => true);
SELECT * FROM target.gone_and_come ORDER BY id;

\set end :srcdir '/include/end.sql'
\i :end
