-- Jobs: definitions, what starts and why not, runs, resume, rights (JOBS).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set VERBOSITY terse
CREATE FUNCTION t.steps(of bigint) RETURNS TABLE (step text, state text, did boolean, reason text, sqlstate text, error text)
LANGUAGE sql AS $$
	SELECT s.step, s.state, s.did_something, t.mask(s.reason), s.sqlstate, t.mask(s.error)
	FROM syncup.job_step_run s WHERE s.run = of ORDER BY s.ordinal
$$;
CREATE VIEW t.runs AS SELECT run, job, state, launched_how, resumed_from, t.mask(message) AS message FROM syncup.job_run ORDER BY run;

-- ---------- what starts: the table of the contract ----------

CREATE TABLE t.parent (name text, outcome syncup.parent_outcome);
INSERT INTO t.parent VALUES
	('did', ('d', 'success', true)), ('nothing', ('n', 'success', false)), ('warning', ('w', 'warning', false)),
	('warned, did', ('v', 'warning', true)), ('not started', ('s', 'not started', NULL)), ('left out', ('l', 'left out', NULL));
-- one parent
SELECT p.name, w, (syncup.decide_start(w, ARRAY[p.outcome])).*
FROM t.parent p CROSS JOIN unnest(ARRAY['all did', 'any did', 'any started', 'always']) WITH ORDINALITY w (w, n) ORDER BY p.name COLLATE "C", n;
-- beside one that did something
SELECT p.name, w, (syncup.decide_start(w, ARRAY[(SELECT outcome FROM t.parent WHERE name = 'did'), p.outcome])).*
FROM t.parent p CROSS JOIN unnest(ARRAY['all did', 'any did', 'any started', 'always']) WITH ORDINALITY w (w, n) WHERE p.name <> 'did' ORDER BY p.name COLLATE "C", n;
-- beside one that did nothing
SELECT p.name, w, (syncup.decide_start(w, ARRAY[p.outcome, (SELECT outcome FROM t.parent WHERE name = 'nothing')])).*
FROM t.parent p CROSS JOIN unnest(ARRAY['all did', 'any did', 'any started', 'always']) WITH ORDINALITY w (w, n) WHERE p.name NOT IN ('did', 'nothing') ORDER BY p.name COLLATE "C", n;
-- none
SELECT w, (syncup.decide_start(w, '{}')).* FROM unnest(ARRAY['all did', 'any did', 'any started', 'always']) w;

-- ---------- definitions that are refused ----------

SELECT t.error($$SELECT syncup_create_job('')$$);
SELECT t.error($$SELECT syncup_create_job('J', options => '{"repeats": 3}')$$);
SELECT t.error($$SELECT syncup_create_job('J', options => '{"repeat": "3"}')$$);
SELECT t.error($$SELECT syncup_create_job('J', options => '{"repeat": 0}')$$);
SELECT t.error($$SELECT syncup_create_job('J', options => '{"keep_runs": 1.5}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql')$$);
SELECT syncup_create_job('J', options => '{"comment": "a job"}');
SELECT t.error($$CALL syncup_run_job('J')$$);
SELECT t.error($$SELECT syncup_add_step('J', '', 'sql')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sqll')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', options => '{"statment": "SELECT 1"}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', options => '{"statement": true}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', options => '{"timeout": "soon"}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', options => '[]')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'prepare')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'prepare', 'XX')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'maintain', 'XX')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', start_when => 'some did')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', level => 0)$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', parents => '{b}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'program', options => '{"timeout": "1 s"}')$$);
SELECT syncup_add_step('J', 'a', 'sql', options => '{"statement": "SELECT true"}');
SELECT syncup_add_step('J', 'b', 'sql', parents => '{a}', options => '{"statement": "SELECT true"}');
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', parents => '{b}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', parents => '{a}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'b', 'sql', parents => '{a}', level => 1)$$);
SELECT t.error($$SELECT syncup_add_step('J', 'a', 'sql', level => 2)$$);
SELECT t.error($$SELECT syncup_add_step('J', 'z', 'sql', options => '{"statement": " "}')$$);
SELECT t.error($$SELECT syncup_add_step('J', 'z', 'program', options => '{"command": ""}')$$);
SELECT t.error($$SELECT syncup_drop_step('J', 'a')$$);
SELECT t.error($$SELECT syncup_drop_step('J', 'z')$$);
SELECT t.error($$SELECT syncup_drop_job('Z')$$);
SELECT t.error($$SELECT syncup_plan('J', '{c%}')$$);
SELECT t.error($$SELECT syncup_plan('J', from_step => 'c')$$);
SELECT t.error($$SELECT syncup_plan('J', from_step => 'b', to_step => 'a')$$);
SELECT t.error($$SELECT syncup_cancel_job(99)$$);
-- levels: one above the parents', else one above the last step's
SELECT syncup_add_step('J', 'c', 'sql', options => '{"statement": "SELECT true"}');
SELECT syncup_add_step('J', 'd', 'sql', parents => '{a}', options => '{"statement": "SELECT true"}');
SELECT job, ordinal, step, level, parents, start_when, options FROM syncup.job_step ORDER BY ordinal;

-- ---------- what a step does ----------

CREATE TABLE target.work (n int);
-- What is not named stays, whether it is incremental too.
SELECT syncup_create_job('kind', true);
SELECT syncup_create_job('kind', options => '{"repeat": 2}');
SELECT incremental, options FROM syncup.job WHERE job = 'kind';
SELECT syncup_create_job('kind', false);
SELECT incremental, options FROM syncup.job WHERE job = 'kind';
SELECT syncup_drop_job('kind');

SELECT syncup_create_job('did');
CREATE FUNCTION t.answer(run bigint, step text) RETURNS TABLE (did_something boolean, message text)
LANGUAGE sql AS $$ SELECT false, format('%s in run %s', step, run) $$;
CREATE FUNCTION t.slices(run bigint, step text) RETURNS TABLE (more boolean, did_something boolean, counters jsonb)
LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO target.work VALUES (1);
	RETURN QUERY SELECT (SELECT count(*) FROM target.work) < 3, true, '{"slices": 1}'::jsonb;
END
$$;
SELECT syncup_add_step('did', v.name, 'sql', level => 1, options => jsonb_build_object('statement', v.statement)) FROM (VALUES
	('no row', 'SELECT 1 WHERE false'), ('true', 'SELECT true'), ('false', 'SELECT false'), ('zero', 'SELECT 0'), ('five', 'SELECT 5'),
	('null', 'SELECT NULL::boolean'), ('rows', 'SELECT * FROM generate_series(1, 3)'), ('insert', 'INSERT INTO target.work SELECT 0 WHERE false'),
	('ddl', 'CREATE TEMP TABLE made ()'), ('speaks', 'SELECT * FROM t.answer($1, $2)'), ('slices', 'SELECT * FROM t.slices($1, $2)'),
	('void', 'SELECT pg_sleep(0)')) AS v (name, statement) \g (format=unaligned tuples_only)
SELECT syncup_add_step('did', 'program', 'program', level => 1, options => '{"command": "true"}');
CALL syncup_run_job('did');
SELECT step, state, did, reason FROM t.steps(1);
SELECT counters FROM syncup.job_step_run WHERE run = 1 AND step = 'slices';
SELECT count(*) FROM target.work;

-- errors of a step
SELECT syncup_create_job('errs');
SELECT syncup_add_step('errs', v.name, 'sql', level => 1, continue_on_error => true, options => jsonb_build_object('statement', v.statement)) FROM (VALUES
	('division', 'SELECT 1/0'), ('two', 'SELECT 1; SELECT 2'), ('syntax', 'SELEKT'), ('state', 'SELECT ''odd'' AS state'),
	('says error', 'SELECT ''error'' AS state, ''it is Sunday'' AS message'), ('commit', 'COMMIT'),
	('nested', 'CALL public.syncup_run_job(''errs'')')) AS v (name, statement) \g (format=unaligned tuples_only)
SELECT syncup_add_step('errs', 'slow', 'sql', level => 1, continue_on_error => true, options => '{"statement": "SELECT pg_sleep(60)", "timeout": "50 ms"}');
SELECT syncup_add_step('errs', 'deferred', 'sql', level => 1, continue_on_error => true, options => '{"statement": "INSERT INTO target.child VALUES (1)"}');
SELECT syncup_add_step('errs', 'program', 'program', level => 1, continue_on_error => true, options => '{"command": "exit 3"}');
SELECT syncup_add_step('errs', 'slow program', 'program', level => 1, continue_on_error => true, options => '{"command": "sleep 60", "timeout": "1 s"}');
CREATE TABLE target.parent (id int PRIMARY KEY);
CREATE TABLE target.child (id int REFERENCES target.parent DEFERRABLE INITIALLY DEFERRED);
CALL syncup_run_job('errs');
SELECT step, state, sqlstate, error FROM t.steps(2);
SELECT state, message FROM syncup.job_run WHERE run = 2;

-- a kind of one's own, whose function then goes
CREATE FUNCTION t.greet(run bigint, step text) RETURNS syncup.step_result
LANGUAGE sql AS $$
	SELECT ('success', true, false, 'hello from ' || (public.syncup_step_at_hand(run, step) ->> 'job'), NULL, NULL)::syncup.step_result
$$;
INSERT INTO syncup.step_kind (kind, function, options, description) VALUES ('greet', 't.greet', '{"whom": "text"}', 'says hello');
SELECT syncup_create_job('own');
SELECT syncup_add_step('own', 'g', 'greet', options => '{"whom": "you"}');
CALL syncup_run_job('own');
DROP FUNCTION t.greet;
CALL syncup_run_job('own');
SELECT run, (t.steps(run)).* FROM syncup.job_run WHERE job = 'own' ORDER BY run;

-- ---------- levels, errors, selection ----------

SELECT syncup_create_job('L', options => '{"keep_runs": 3}');
SELECT syncup_add_step('L', 'one', 'sql', options => '{"statement": "SELECT true"}');
SELECT syncup_add_step('L', 'bad', 'sql', level => 2, options => '{"statement": "SELECT 1/0"}');
SELECT syncup_add_step('L', 'beside', 'sql', level => 2, options => '{"statement": "SELECT true"}');
SELECT syncup_add_step('L', 'after', 'sql', parents => '{beside}', options => '{"statement": "SELECT true"}');
SELECT syncup_add_step('L', 'in any case', 'sql', level => 4, start_when => 'always', options => '{"statement": "SELECT false"}');
SELECT * FROM syncup_plan('L');
CALL syncup_run_job('L');
SELECT * FROM t.steps(5);
-- with continue_on_error it is a warning, and the job goes on
SELECT syncup_add_step('L', 'bad', 'sql', level => 2, continue_on_error => true, options => '{"statement": "SELECT 1/0"}');
CALL syncup_resume_job(5);
SELECT * FROM t.steps(6);
CALL syncup_resume_job(5);
CALL syncup_run_job('L', '{after,in%}');
SELECT * FROM t.steps(7);
CALL syncup_run_job('L', from_step => 'beside', to_step => 'after');
SELECT * FROM t.steps(8);
CALL syncup_resume_job(8);
-- three runs are kept
SELECT run, state, resumed_from, message FROM t.runs WHERE job = 'L';
SELECT count(*) FROM syncup.step_record WHERE run = 5;

-- rounds, while something is done
SELECT syncup_create_job('R', options => '{"repeat": 5}');
CREATE TABLE target.round (n int);
SELECT syncup_add_step('R', 'grow', 'sql', options => '{"statement": "INSERT INTO target.round SELECT 1 WHERE (SELECT count(*) FROM target.round) < 2"}');
SELECT syncup_add_step('R', 'follow', 'sql', parents => '{grow}', options => '{"statement": "SELECT false"}');
SELECT syncup_add_step('R', 'once', 'maintain');
CALL syncup_run_job('R');
SELECT round, step, state, did_something, reason FROM syncup.job_step_run WHERE job = 'R' ORDER BY ordinal;

-- by its schedule only
SELECT syncup_create_job('cron only', options => '{"manual_start": false}');
SELECT syncup_add_step('cron only', 'a', 'sql', options => '{"statement": "SELECT 1"}');
CALL syncup_run_job('cron only');

-- ---------- connectors ----------

CREATE TABLE target.person (id int PRIMARY KEY, name text);
CREATE TABLE target.thing (id int PRIMARY KEY);
CALL t.write('person.csv', E'id,name\n1,Ada\n2,Bo\n3,Cy\n');
CALL t.write('thing.csv', E'id\n1\n');
SET client_min_messages = warning;
SELECT syncup_create_connector('AD', t.dir());
SELECT t.error($$SELECT syncup_add_step('J', 'z', 'export', 'AD', options => '{"timeout": "1 s"}')$$);
SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id');
SELECT syncup_create_connector('X', t.dir());
SELECT syncup_map_entity_type('X', 'thing', 'target.thing', 'thing.csv', 'id');
RESET client_min_messages;
SELECT t.error($$SELECT syncup_create_jobs('ADD')$$);
SELECT t.error($$SELECT syncup_create_jobs('AD', '{"provision": true}')$$);
SELECT * FROM syncup_create_jobs('AD');
SELECT * FROM syncup_create_jobs();
SELECT job, ordinal, step, kind, connector, level, parents, start_when, continue_on_error, options FROM syncup.job_step WHERE job NOT IN ('J', 'L', 'R', 'did', 'errs', 'own', 'cron only') ORDER BY job, ordinal;
-- again: what somebody changed or dropped stays so
SELECT syncup_drop_step('AD_complete', 'maintain');
SELECT syncup_add_step('AD_complete', 'synchronize AD', 'synchronize', 'AD', '{prepare AD}', options => '{"keep_changes": true}');
SELECT * FROM syncup_create_jobs('AD');
SELECT step, options FROM syncup.job_step WHERE job = 'AD_complete' ORDER BY ordinal;
-- a step of one's own is needed as its function says, which has the caller's rights
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_needed;
CREATE ROLE regress_syncup_needed;
RESET client_min_messages;
GRANT USAGE ON SCHEMA t TO regress_syncup_needed;
GRANT EXECUTE ON FUNCTION syncup_create_jobs TO regress_syncup_needed;
CREATE FUNCTION t.needed(connector text) RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT current_user = 'regress_syncup_needed' AND connector = 'X' $$;
INSERT INTO syncup.reference_step (job, kind, level, part, options, needed) VALUES ('initial', 'sql', 9, 'synchronization', '{"statement": "SELECT 1"}', 't.needed');
SET ROLE regress_syncup_needed;
SELECT syncup_create_jobs('X') OFFSET 2;
RESET ROLE;
SELECT step FROM syncup.job_step WHERE job IN ('X_initial') ORDER BY ordinal;
DROP FUNCTION t.needed;
SELECT t.error($$SELECT syncup_create_jobs('X')$$);
DELETE FROM syncup.reference_step WHERE own;
SELECT count(syncup_drop_job(job)) FROM unnest(ARRAY['X_complete', 'X_incremental', 'X_initial']) AS job;
DROP OWNED BY regress_syncup_needed;
DROP ROLE regress_syncup_needed;

CALL syncup_run_job('initial');
SELECT max(run) AS run FROM syncup.job_run \gset
SELECT * FROM t.steps(:run);
SELECT * FROM target.person ORDER BY id;
-- nothing new: synchronize is not started, and no batch waits
CALL syncup_run_job('AD_incremental');
SELECT * FROM t.steps((SELECT max(run) FROM syncup.job_run));
SELECT status, count(*) FROM syncup.batch GROUP BY 1;
-- a block of one connector; the other one goes on, what comes later does not
CALL t.write('person.csv', E'id,name\n1,Ada\n');
CALL t.write('thing.csv', E'id\n1\n2\n');
SET client_min_messages = warning;
SELECT syncup_set_thresholds('X', '{"max_percentage_inserted_lines": 0}');
SELECT syncup_add_step('incremental', 'then', 'sql', level => 4, start_when => 'always', options => '{"statement": "SELECT true"}');
RESET client_min_messages;
\set VERBOSITY sqlstate
CALL syncup_run_job('incremental');
\set VERBOSITY terse
SELECT max(run) AS blocked FROM syncup.job_run \gset
SELECT * FROM t.steps(:blocked);
-- meanwhile its steps are left out
CALL syncup_run_job('incremental');
SELECT * FROM t.steps((SELECT max(run) FROM syncup.job_run));
SELECT ordinal, step, will, t.mask(reason) AS reason FROM syncup_plan('incremental');
SELECT last_state, open_run = :blocked AS open, open_state, t.mask(regexp_replace(what_to_call, '\(\d+\)', '(n)')) AS what_to_call FROM syncup.job_status WHERE job = 'incremental';
CREATE VIEW t.alarms AS SELECT connector, job, what, regexp_replace(t.mask(detail), 'run \d+', 'run n') AS detail, regexp_replace(t.mask(call), '\d+(\)|;)', 'n\1', 'g') AS call, since IS NOT NULL AS since FROM syncup.alarm;
SELECT * FROM t.alarms ORDER BY 1, 2;
-- the resume applies what was reviewed, and goes on
CALL syncup_resume_job(:blocked);
SELECT regexp_replace(step, '\d+', 'n') AS step, state, did, regexp_replace(reason, '\d+', 'n') AS reason, sqlstate, error FROM t.steps((SELECT max(run) FROM syncup.job_run));
SELECT * FROM target.person ORDER BY id;
SELECT open_run, what_to_call FROM syncup.job_status WHERE job = 'incremental';
SELECT * FROM t.alarms WHERE job = 'incremental';
-- what blocks may be no batch: orders, or something of one's own
CREATE FUNCTION t.stuck(run bigint, step text) RETURNS syncup.step_result LANGUAGE sql AS $$ SELECT ('blocked', true, false, 'it waits', NULL, '00000000-0000-0000-0000-000000000001')::syncup.step_result $$;
INSERT INTO syncup.step_kind (kind, function) VALUES ('stuck', 't.stuck');
SELECT syncup_create_job('stuck'), syncup_add_step('stuck', 'wait', 'stuck');
CALL syncup_run_job('stuck');
SELECT * FROM t.alarms WHERE job = 'stuck';
-- of a batch that is gone nobody decides any more
UPDATE syncup.step_record SET kind = 'prepare' WHERE kind = 'stuck';
SELECT count(*) FROM t.alarms WHERE job = 'stuck';
SELECT syncup_drop_job('stuck');
DELETE FROM syncup.step_kind WHERE kind = 'stuck';
-- somebody else has decided meanwhile: that stands
CALL t.write('person.csv', E'id,name\n1,Ada\n4,Di\n5,Ed\n');
\set VERBOSITY sqlstate
CALL syncup_run_job('AD_incremental');
\set VERBOSITY terse
SELECT max(run) AS blocked FROM syncup.job_run \gset
SELECT syncup_discard(batch, 'no') FROM syncup.batch WHERE status = 'blocked';
CALL syncup_resume_job(:blocked);
SELECT step, state, did, regexp_replace(reason, '\d+$', 'n') AS reason FROM t.steps((SELECT max(run) FROM syncup.job_run));
\set VERBOSITY sqlstate
CALL syncup_run_job('AD_incremental');
\set VERBOSITY terse
SELECT max(run) AS blocked FROM syncup.job_run \gset
CALL syncup_run_job('AD_complete', force => true);
SELECT forced FROM syncup.job_run ORDER BY run DESC LIMIT 1;
CALL syncup_resume_job(:blocked);
SELECT step, state, did, regexp_replace(reason, '\d+$', 'n') AS reason FROM t.steps((SELECT max(run) FROM syncup.job_run));
SELECT * FROM target.person ORDER BY id;
-- deactivated; needs a complete run; a connector that is gone
SELECT syncup_deactivate('X');
SELECT syncup_create_connector('AD', t.dir(), '{"trim": " "}');
SELECT step, will, reason FROM syncup_plan('incremental');
SELECT step, will, reason FROM syncup_plan('complete');
SET client_min_messages = warning;
SELECT syncup_drop_connector('X');
RESET client_min_messages;
CALL syncup_run_job('complete', '{%X}');
SELECT * FROM t.steps((SELECT max(run) FROM syncup.job_run));
-- export: did something if a file is another one than before
SELECT syncup_create_job('E', true);
SELECT syncup_add_step('E', 'nothing', 'export', 'AD', level => 1, options => '{"command": "true"}');
SELECT syncup_add_step('E', 'writes', 'export', 'AD', level => 1, options => jsonb_build_object('command', format('printf "id,name\n1,Ada\n9,New\n" > %s/person.csv', t.dir()), 'timeout', '10 s'));
SELECT syncup_add_step('E', 'says', 'export', 'AD', level => 1, options => jsonb_build_object('statement', 'SELECT 1'));
CALL syncup_run_job('E');
SELECT * FROM t.steps((SELECT max(run) FROM syncup.job_run));

-- ---------- schedule ----------

SELECT t.error(format('SELECT syncup_schedule(''J'', %L)', c)) FROM unnest(ARRAY['* * * *', '0 0 $ * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * * foo *', '* * * * 8', '*/0 * * * *', '5-1 * * * *', '@never', E'\t* * * *']) c;
SELECT syncup_schedule('J', '5 4 * * mon-fri');
SELECT syncup_schedule('AD_incremental');
-- a name that a shell would take for something else
SELECT syncup_create_job('50% of $HOME `id` "x"\ ''y''');
SELECT syncup_schedule('50% of $HOME `id` "x"\ ''y''', '@daily');
SELECT syncup_drop_job('50% of $HOME `id` "x"\ ''y''');
SELECT job, schedule FROM syncup.job WHERE schedule IS NOT NULL ORDER BY 1;
SELECT next_run = syncup.next_cron('5 4 * * mon-fri', now()) AS due FROM syncup.job_status WHERE job = 'J';
-- in the zone of pg_cron, if it is loaded, else of the machine
SELECT coalesce(nullif(current_setting('cron.timezone', true), ''), current_setting('log_timezone')) AS zone \gset
SELECT c, syncup.next_cron(c, timestamp '2026-11-27 10:15' AT TIME ZONE :'zone') AT TIME ZONE :'zone' AS next
FROM unnest(ARRAY['*/15 * * * *', '15 10 * * *', '0 0 29 2 *', '0 0 1 * mon', '30 6 * * 0', '0 12 31 * *', '@daily', '10,20 2-3 * jan *']) c;
-- due, and not started: from when it was scheduled, or last ran
SELECT * FROM t.alarms WHERE job IN ('J', 'AD_incremental');
UPDATE syncup.job_definition SET scheduled_at = now() - interval '8 days' WHERE job = 'J';
SELECT * FROM t.alarms WHERE job = 'J';
SET client_min_messages = warning;
CALL syncup_run_job('J', '{d}');
RESET client_min_messages;
SELECT * FROM t.alarms WHERE job = 'J';
-- for systemd: where both days are restricted, either
SELECT syncup.systemd_calendar(c) FROM unnest(ARRAY['0 1 1 * 1', '0 1 1 * *', '5 4 * 2 mon-fri', '*/30 * * * *']) c;
-- by trying every minute
SELECT c, syncup.next_cron(c, timestamp '2026-11-27 10:15' AT TIME ZONE :'zone') AT TIME ZONE :'zone' = (
	SELECT min(m) FROM generate_series(timestamp '2026-11-27 10:16', '2027-03-01', '1 min') m, syncup.cron_fields(c) f
	WHERE extract(minute FROM m) = ANY (f.minutes) AND extract(hour FROM m) = ANY (f.hours)
		AND extract(month FROM m) = ANY (f.months) AND extract(day FROM m) = ANY (f.days)
		AND extract(dow FROM m) = ANY (f.weekdays)) AS right
FROM unnest(ARRAY['7 */5 * * *', '59 23 * * *', '0 0 * 1 *', '0 9 * * 1-5', '*/40 1 15-20/2 * *']) c;
SELECT syncup_unschedule('J');
SELECT syncup_unschedule('J');
SELECT t.error($$SELECT syncup_unschedule('Z')$$);

-- ---------- rights ----------

CREATE ROLE syncup_job_owner;
CREATE ROLE syncup_job_other;
GRANT USAGE ON SCHEMA syncup, t, target TO syncup_job_owner, syncup_job_other;
GRANT SELECT ON syncup.job, syncup.job_step, syncup.job_run, syncup.job_step_run, syncup.job_status TO syncup_job_owner, syncup_job_other;
DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN SELECT oid FROM pg_proc WHERE proname ~ '^(syncup_|step_)' AND (pronamespace = 'syncup'::regnamespace OR proname ~ '^syncup_') LOOP
		EXECUTE format('GRANT EXECUTE ON ROUTINE %s TO syncup_job_owner, syncup_job_other', f);
	END LOOP;
END
$$;
CREATE TABLE t.fired (as_role text, n int);
GRANT INSERT ON t.fired TO syncup_job_owner;
GRANT CREATE ON SCHEMA target TO syncup_job_owner;
SET ROLE syncup_job_owner;
CREATE TABLE target.own (n int);
-- puts itself off again and again
CREATE FUNCTION target.own_fires() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t.fired VALUES (current_user, new.n);
	IF new.n = 13 THEN
		RAISE 'thirteen';
	ELSIF new.n NOT IN (4, 14) THEN
		SET CONSTRAINTS ALL DEFERRED;
		INSERT INTO target.own VALUES (new.n + 1);
	END IF;
	RETURN NULL;
END
$$;
CREATE CONSTRAINT TRIGGER own_fires AFTER INSERT ON target.own DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION target.own_fires();
SELECT syncup_create_job('owned');
SELECT syncup_add_step('owned', v.name, 'sql', level => 1, continue_on_error => true, options => jsonb_build_object('statement', v.statement)) FROM (VALUES
	('reset', 'RESET ROLE'), ('session', 'SET SESSION AUTHORIZATION DEFAULT'), ('role', 'SET ROLE postgres'), ('setting', 'SET work_mem = ''77MB'''),
	('listen', 'LISTEN zork'), ('lock', 'SELECT pg_advisory_lock(4711), pg_advisory_lock(4711)'), ('shared', 'SELECT pg_advisory_lock_shared(-1, 2)'),
	('cursor', 'DECLARE left_behind CURSOR WITH HOLD FOR SELECT 1'), ('prepared', 'PREPARE left_behind AS SELECT 1'),
	('table', 'SELECT * FROM target.person'), ('ours', 'DELETE FROM syncup.run_record'), ('trigger', 'INSERT INTO target.own VALUES (1)'), ('trigger that fails', 'INSERT INTO target.own VALUES (11)'),
	('who', 'SELECT current_user = ''syncup_job_owner''')) AS v (name, statement) \g (format=unaligned tuples_only)
SELECT syncup_add_step('owned', 'program', 'program', level => 1, continue_on_error => true, options => '{"command": "true"}');
RESET ROLE;
LISTEN mine;
SELECT pg_advisory_lock(1);
CALL syncup_run_job('owned');
SELECT step, state, did, sqlstate FROM t.steps((SELECT max(run) FROM syncup.job_run));
SELECT * FROM t.fired ORDER BY n;
-- what the step left is gone, what was there is not
SELECT current_setting('work_mem') = '77MB' AS work_mem, current_user = session_user AS myself,
	ARRAY(SELECT pg_listening_channels()) AS listening,
	(SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()) AS locks,
	(SELECT count(*) FROM pg_cursors WHERE is_holdable) AS cursors, (SELECT count(*) FROM pg_prepared_statements WHERE from_sql) AS prepared;
UNLISTEN *;
SELECT pg_advisory_unlock_all();
-- no member of the owner
SET ROLE syncup_job_other;
SELECT count(*) FROM syncup.job;
SELECT count(*) FROM syncup.job_step;
SELECT count(*) FROM syncup.job_run;
SELECT count(*) FROM syncup.job_step_run;
SELECT count(*) FROM syncup.job_status;
CALL syncup_run_job('owned');
SELECT syncup_add_step('owned', 'x', 'sql');
SELECT syncup_create_job('owned');
SELECT syncup_drop_step('owned', 'who');
SELECT syncup_drop_job('owned');
SELECT * FROM syncup_plan('owned');
SELECT syncup_schedule('owned');
SELECT syncup_step_at_hand(1, 'true');
SELECT syncup.create_job('syncup_job_owner', 'forged', false, '{}');
RESET ROLE;
-- a member may run it, but not schedule it as somebody else
GRANT syncup_job_owner TO syncup_job_other;
SET ROLE syncup_job_other;
CALL syncup_run_job('owned', '{who}');
SELECT step, state, did FROM t.steps((SELECT max(run) FROM syncup.job_run));
SELECT syncup_schedule('owned');
RESET ROLE;

-- the owner is gone
DROP OWNED BY syncup_job_owner, syncup_job_other CASCADE;
DROP ROLE syncup_job_owner, syncup_job_other;
CALL syncup_run_job('owned');
SELECT max(run) AS run FROM syncup.job_run WHERE state = 'warning' AND job = 'owned' \gset
\set VERBOSITY sqlstate
CALL syncup_resume_job(:run);
\set VERBOSITY terse
SELECT syncup_drop_job('owned');
\set end :srcdir '/include/end.sql'
\i :end
