-- Rules at their edges, each of which once was broken and no test had seen it.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
CREATE TABLE target.a (id int PRIMARY KEY, v text);
CREATE TABLE target.b (id int PRIMARY KEY, v text);
CALL t.write('a.csv', E'id,v\n');
CALL t.write('b.csv', E'id,v\n');

-- A target's code cannot work on the connector that calls it, not even from a run of
-- another connector that it has begun.
SELECT syncup_create_connector('A', t.dir()), syncup_create_connector('B', t.dir());
SELECT syncup_map_entity_type('A', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_map_entity_type('B', 'b', 'target.b', 'b.csv', 'id', '{"id": "id", "v": "v"}');
SELECT t.unlimited('A'), t.unlimited('B');
CREATE TABLE t.said (n serial, said text);
CREATE FUNCTION t.runs_b() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.syncup_prepare('B', 'complete');
	INSERT INTO t.said (said) SELECT 'B ' || status FROM public.syncup_synchronize('B');
	RETURN NULL;
END
$$;
CREATE FUNCTION t.runs_a() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.syncup_prepare('A', 'complete');
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	INSERT INTO t.said (said) VALUES (SQLSTATE || ' ' || SQLERRM);
	RETURN NULL;
END
$$;
CREATE TRIGGER runs_b AFTER INSERT ON target.a FOR EACH ROW EXECUTE FUNCTION t.runs_b();
CREATE TRIGGER runs_a AFTER INSERT ON target.b FOR EACH ROW EXECUTE FUNCTION t.runs_a();
CALL t.write('a.csv', E'id,v\n1,a\n');
CALL t.write('b.csv', E'id,v\n1,b\n');
SELECT syncup_prepare('A', 'complete') IS NULL AS prepared;
SELECT status FROM syncup_synchronize('A');
SELECT said FROM t.said ORDER BY n;
SELECT syncup_drop_connector('A'), syncup_drop_connector('B');
DROP TRIGGER runs_b ON target.a;
DROP TRIGGER runs_a ON target.b;
TRUNCATE target.a, target.b;

-- A file is written as it is, whatever lengths its fields have beside the buffer's (64 kB).
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT t.unlimited();
CREATE FUNCTION t.value(i int) RETURNS text
LANGUAGE sql AS $$ SELECT repeat(chr(97 + i % 26), CASE WHEN i <= 20 THEN 65526 + i ELSE 997 END) $$;
CREATE FUNCTION t.values() RETURNS text
LANGUAGE sql AS $$ SELECT E'id,v\n' || string_agg(i || ',' || t.value(i) || E'\n', '' ORDER BY i) FROM generate_series(1, 2000) i $$;
CALL t.write('a.csv', t.values());
SELECT syncup_prepare('C', 'complete') AS batch \gset
SELECT syncup_export(:'batch', t.dir());
SELECT count(*), bool_and(v = t.value(id)) AS same FROM syncup_read_csv(t.dir() || '/a.sorted.csv') AS r (id int, v text);
SELECT syncup_drop_connector('C');

-- What is lost by a discard is the changes of all the batches that go, not of the last.
SELECT syncup_create_connector('C', t.dir(), '{"pattern": true}');
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a*.csv', 'id', '{"id": "id", "v": "v"}', options => '{"incremental_file": "changes*.csv", "command_column": "op"}');
SELECT t.unlimited();
CALL t.write('a.csv', E'id,v\n1,a\n');
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
CALL t.write('changes1.csv', E'op,id,v\nupdate,1,b\n');
SELECT syncup_prepare('C', 'incremental') AS batch \gset
SET client_min_messages = warning;
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
RESET client_min_messages;
SELECT source_changes FROM syncup.batch WHERE status = 'prepared' ORDER BY seq;
SELECT syncup_discard(:'batch');
SELECT needs_complete FROM syncup.connector;
SELECT syncup_drop_connector('C');

-- A complete run ends the need of one only if it was prepared after that arose. No call
-- makes both the same batch: mapping calls are refused while a complete one waits, and
-- what comes behind it has a higher number. So the need is written by hand.
TRUNCATE target.a;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT t.unlimited();
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
UPDATE syncup.connector SET needs_complete = true, complete_after = (SELECT max(seq) FROM syncup.batch);
SELECT t.apply();
SELECT needs_complete FROM syncup.connector;
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT needs_complete FROM syncup.connector;
SELECT syncup_drop_connector('C');

-- An undo forgets what links were looked up with in another connector: the next run
-- looks them up again.
TRUNCATE target.a, target.b;
CREATE TABLE target.l (a int, b int, PRIMARY KEY (a, b));
SELECT syncup_create_connector('HR', t.dir()), syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('HR', 'b', 'target.b', 'b.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_map_association('C', 'l', 'l.csv', 'a', 'a.id', 'b', 'HR.b.id', 'target.l', 'a', 'b');
SELECT syncup_set_thresholds(connector, (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit)) FROM syncup.connector;
CALL t.write('a.csv', E'id,v\n1,a\n');
CALL t.write('b.csv', E'id,v\n');
CALL t.write('l.csv', E'a,b\n1,7\n');
SELECT syncup_prepare('HR', 'complete') IS NULL AS prepared;
SELECT status FROM syncup_synchronize('HR');
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT status, links_inserted, orphans FROM syncup_synchronize('C');
CALL t.write('b.csv', E'id,v\n7,b\n');
SELECT syncup_prepare('HR', 'incremental') IS NULL AS prepared;
SELECT status FROM syncup_synchronize('HR');
SELECT syncup_prepare('C', 'incremental') AS batch \gset
SELECT status, links_inserted, orphans FROM syncup_synchronize('C', keep_changes => true);
SELECT syncup_undo(:'batch') IS NULL AS undone;
SELECT count(*) FROM target.l;
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT status, links_inserted, orphans FROM syncup_synchronize('C');
TABLE target.l;

\set end :srcdir '/include/end.sql'
\i :end
