-- What needs a person now: syncup.alarm, and what history and syncup.status tell.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
CREATE TABLE target.p (id int PRIMARY KEY, name text CHECK (name <> 'SECRET'));
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS $$ SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1 $$;
CREATE FUNCTION t.alarms() RETURNS TABLE (what text, since boolean, of text, detail text, call text)
LANGUAGE sql AS $$
	SELECT what, a.since <= clock_timestamp(), b.mode || ' ' || b.status, detail, t.mask(call)
	FROM syncup.alarm a LEFT JOIN syncup.batch b USING (batch) WHERE a.connector = 'C' ORDER BY what
$$;
SELECT syncup_create_connector('C', t.dir(), '{"on_error": "quarantine"}');
SELECT syncup_map_entity_type('C', 'p', 'target.p', 'p.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_set_thresholds('C', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "maximum_deleted_lines": 2}');
CALL t.write('p.csv', E'id,name\n1,a\n2,b\n3,c\n4,d\n5,e\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'initial')"
SELECT * FROM t.alarms();
SELECT last_complete = last_success AS complete, set_aside FROM syncup.status;

-- Blocked; refusals until it is decided are no alarms of their own.
CALL t.write('p.csv', E'id,name\n1,a\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT * FROM t.alarms();
-- Failed at the head of the queue; history keeps why, also once it is declined.
CALL t.write('p.csv', E'id,name\n1,SECRET\n2,b\n3,c\n4,d\n5,e\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
SELECT * FROM t.alarms();
SELECT batch FROM syncup.batch WHERE status = 'failed' AND prepared_at IS NOT NULL \gset
SELECT syncup_discard(:'batch', 'no');
SELECT status, sqlstate, error FROM syncup.batch WHERE batch = :'batch';
SELECT * FROM t.alarms();
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
SELECT batch FROM syncup.batch WHERE status = 'failed' AND prepared_at IS NOT NULL \gset
-- superseded; and one that succeeds in the end has no error
CALL t.write('p.csv', E'id,name\n1,SECRET\n2,b\n3,c\n4,d\n5,f\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
SELECT status, sqlstate, error IS NOT NULL AS error FROM syncup.batch WHERE batch = :'batch';
ALTER TABLE target.p DROP CONSTRAINT p_name_check;
SELECT status FROM syncup_synchronize('C');
SELECT status, sqlstate, error FROM syncup.batch WHERE batch = t.last();
SELECT * FROM t.alarms();

-- A prepare that failed after the last success: the newest, since the first; a
-- later success ends it. Of a failed complete run behind a good one it does not.
CALL t.write('p.csv', '');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
SELECT * FROM t.alarms();
SELECT since < b.synchronized_at AS since_the_first FROM syncup.alarm a JOIN syncup.batch b USING (batch);
CALL t.write('p.csv', E'id,name\n1,a\n2,b\n3,c\n4,d\n5,e\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT * FROM t.alarms();
SELECT last_status, last_complete < last_success AS complete_before FROM syncup.status;
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
SELECT * FROM t.alarms();

-- Rows set aside beyond the usual; deletions suspended. The notice, the result, the
-- status and the report say it.
CALL t.write('p.csv', E'id,name\n1,a\n2,b\n3,c\n4,d\n"5"x,e\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT * FROM t.alarms();
SELECT set_aside FROM syncup.status;
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line ~ 'stands out|suspended|set aside';
CALL t.write('p.csv', E'id,name\n1,A\n2,b\n3,c\n4,d\n5,e\n5,f\n,g\n');
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;
SELECT status, updated, links_updated, set_aside FROM syncup_synchronize('C');
SELECT what, detail FROM t.alarms();
CALL t.write('p.csv', E'id,name\n1,A\n2,B\n3,c\n4,d\n5,e\n5,f\n,g\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT what FROM t.alarms();
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line ~ 'stands out|suspended|set aside';
CALL t.write('p.csv', E'id,name\n1,A\n2,B\n3,c\n4,d\n5,e\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT what FROM t.alarms();
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line ~ 'stands out|suspended|set aside';

-- Data or last complete run too old.
SELECT t.error(format($$SELECT syncup_create_connector('C', options => %L)$$, o)) FROM (VALUES ('{"max_age": "soon"}'), ('{"max_age": "0"}'), ('{"max_age_complete": "-1 day"}'), ('{"max_age": 5}')) v (o);
SELECT t.error($$SELECT syncup_map_entity_type('C', 'p', 'target.p', 'p.csv', 'id', options => '{"max_age": "1 day"}')$$) LIMIT 1;
SELECT t.error($$SELECT syncup_prepare('C', 'complete', '{"max_age": "1 day"}')$$) LIMIT 1;
SELECT syncup_create_connector('C', options => '{"max_age": "1 hour", "max_age_complete": "1 week"}');
SELECT what FROM t.alarms();
CALL t.shell('touch -d ''3 hours ago'' p.csv');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
UPDATE syncup.batch SET synchronized_at = synchronized_at - interval '8 days' WHERE mode IN ('initial', 'complete');
SELECT * FROM t.alarms();
SELECT since < now() - interval '110 min' AND since > now() - interval '130 min' AS since FROM syncup.alarm WHERE what = 'data too old';
SELECT syncup_create_connector('C', options => '{"max_age": "1 day", "max_age_complete": null}');
SELECT * FROM t.alarms();
-- One that never ran is measured from its making.
SELECT syncup_create_connector('NEW', t.dir(), '{"max_age": "1 hour", "max_age_complete": "1 hour"}');
UPDATE syncup.connector SET created_at = now() - interval '2 hours' WHERE connector = 'NEW';
SELECT connector, what, batch FROM syncup.alarm ORDER BY 1, 2;
SELECT syncup_drop_connector('NEW');

-- A need of a complete run; undoing is no success of the data's.
SELECT syncup_create_connector('C', options => '{"timezone": "Asia/Tokyo"}');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT * FROM t.alarms();
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
SELECT * FROM t.alarms();

-- What is committed may fail in the end: nothing is said of it before.
CREATE FUNCTION t.late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.status = 'applied' THEN RAISE 'too late'; END IF; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON syncup.batch DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION t.late();
CALL t.write('p.csv', E'id,name\n1,A\n2,B\n3,c\n4,d\n5,E\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT name FROM target.p WHERE id = 5;
DROP TRIGGER late ON syncup.batch;

-- Few rows set aside of many stand out in the report of an applied batch all the same.
SELECT E'id,name\n,none\n' || string_agg(i || E',x\n', '') AS content FROM generate_series(1, 300) i \gset
CALL t.write('p.csv', :'content');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status, inserted, set_aside FROM syncup_synchronize('C', force => true);
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status, inserted, set_aside FROM syncup_synchronize('C', force => true, keep_changes => true);
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') WITH ORDINALITY AS l (line, n) WHERE n > 8 AND line ~ 'tands out|suspended|set aside';

\set end :srcdir '/include/end.sql'
\i :end
