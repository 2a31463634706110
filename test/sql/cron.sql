-- With pg_cron: a scheduled run is done, and so is a job; one that blocks has failed.
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
CREATE TABLE target.thing (id int PRIMARY KEY, name text);
CALL t.write('thing.csv', E'id,name\n1,a\n2,b\n');
SET client_min_messages = warning;
SELECT syncup_create_connector('X', t.dir());
SELECT syncup_map_entity_type('X', 'thing', 'target.thing', 'thing.csv', 'id');
SELECT syncup_create_jobs('X');
CALL syncup_run_job('X_initial');
CALL t.write('thing.csv', E'id,name\n1,c\n2,d\n');
SELECT syncup_create_job('by schedule', options => '{"manual_start": false}');
SELECT syncup_add_step('by schedule', 'one', 'sql', options => '{"statement": "SELECT true"}');
RESET client_min_messages;
\set VERBOSITY terse
CALL syncup_run_job('by schedule');
SELECT regexp_replace(syncup_schedule(job, '* * * * *'), '\d+', 'n') FROM unnest(ARRAY['X_incremental', 'by schedule']) AS job;
DO $$
BEGIN
	FOR i IN 1..260 LOOP
		PERFORM pg_sleep(0.5);
		EXIT WHEN EXISTS (SELECT FROM syncup.batch WHERE connector = 'AD' AND mode = 'complete' AND status = 'applied')
			AND EXISTS (SELECT FROM syncup.job_run WHERE job = 'X_incremental' AND state = 'blocked')
			AND EXISTS (SELECT FROM syncup.job_run WHERE job = 'by schedule' AND state = 'success');
		COMMIT;
	END LOOP;
END
$$;
SELECT cron.unschedule('AD');
SELECT syncup_unschedule('by schedule');
-- somebody takes the other one away by hand
SELECT what FROM syncup.alarm WHERE job = 'X_incremental' ORDER BY 1;
SELECT cron.unschedule('syncup X_incremental');
SELECT what, call FROM syncup.alarm WHERE job = 'X_incremental' AND what <> 'blocked';
SELECT syncup_unschedule('X_incremental');
SELECT what FROM syncup.alarm WHERE job = 'X_incremental' ORDER BY 1;
SELECT DISTINCT ON (job) job, state, launched_how, launched_by = current_user AS by_me FROM syncup.job_run ORDER BY job, run;
SELECT mode, status, inserted, updated, deleted, prepared_by = current_user AS by_me
FROM syncup.batch JOIN syncup.batch_counter USING (batch) WHERE connector = 'AD' ORDER BY seq LIMIT 2;
SELECT * FROM target.person ORDER BY id;
-- What pg_cron took them for.
DO $$
BEGIN
	FOR i IN 1..50 LOOP
		EXIT WHEN (SELECT count(DISTINCT command) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')) = 3;
		COMMIT;
		PERFORM pg_sleep(0.2);
	END LOOP;
END
$$;
SELECT DISTINCT ON (command) command, status, regexp_replace(substring(return_message FROM 'job "[^,]*, step "[^"]*"'), 'run \d+', 'run n') AS error
FROM cron.job_run_details WHERE status <> 'running' ORDER BY command, runid;
SET client_min_messages = warning;
DROP EXTENSION pg_cron;
\set end :srcdir '/include/end.sql'
\i :end
