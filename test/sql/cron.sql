-- With pg_cron: a scheduled run is done.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
CREATE EXTENSION pg_cron;
CREATE TABLE target.person (id int PRIMARY KEY, name text);
SELECT syncup_create_connector('AD', t.dir());
SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}');
CALL t.write('person.csv', E'id,name\n1,Ada\n2,Bob\n');
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('AD');
CALL t.write('person.csv', E'id,name\n1,Ada L.\n2,Bob\n');
SELECT syncup_set_thresholds('AD', '{"max_percentage_updated_lines": 0}');
-- pg_cron counts in minutes.
SELECT cron.schedule('AD', '* * * * *', $$CALL syncup_run('AD', 'complete')$$) > 0 AS scheduled;
DO $$
BEGIN
	FOR i IN 1..260 LOOP
		PERFORM pg_sleep(0.5);
		EXIT WHEN EXISTS (SELECT FROM syncup.batch WHERE mode = 'complete' AND status = 'applied');
		COMMIT;
	END LOOP;
END
$$;
SELECT cron.unschedule('AD');
SELECT mode, status, inserted, updated, deleted, prepared_by = current_user AS by_me
FROM syncup.batch JOIN syncup.batch_counter USING (batch) ORDER BY seq LIMIT 2;
SELECT * FROM target.person ORDER BY id;
-- pg_cron took it for a success, too.
DO $$
BEGIN
	FOR i IN 1..50 LOOP
		EXIT WHEN EXISTS (SELECT FROM cron.job_run_details WHERE status IN ('succeeded', 'failed'));
		COMMIT;
		PERFORM pg_sleep(0.2);
	END LOOP;
END
$$;
SELECT DISTINCT status FROM cron.job_run_details WHERE command LIKE '%syncup_run%' AND status <> 'running';
SET client_min_messages = warning;
DROP EXTENSION pg_cron;
\set end :srcdir '/include/end.sql'
\i :end
