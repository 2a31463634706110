-- What a job must not hide: an empty batch that blocks, a lock that was not had in
-- time, links of which only the columns change (JOBS 3.5, 4).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set VERBOSITY terse
CREATE FUNCTION t.steps() RETURNS TABLE (step text, state text, did boolean, sqlstate text, error text)
LANGUAGE sql AS $$
	SELECT s.step, s.state, s.did_something, s.sqlstate, t.mask(s.error)
	FROM syncup.job_step_run s WHERE s.run = (SELECT max(run) FROM syncup.job_run) ORDER BY s.ordinal
$$;
CREATE VIEW t.run AS SELECT state, t.mask(message) AS message FROM syncup.job_run ORDER BY run DESC LIMIT 1;

-- Nothing changes, as most rows are set aside: that blocks, and is said.
CREATE TABLE target.person (id int PRIMARY KEY, born date);
CALL t.write('person.csv', E'id,born\n1,2001-01-01\n2,2002-01-01\n3,2003-01-01\n');
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'person.csv', 'id', options => '{"on_error": "quarantine"}');
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT syncup_create_job('J', true), syncup_add_step('J', 'prepare', 'prepare', 'C'), syncup_add_step('J', 'synchronize', 'synchronize', 'C', parents => '{prepare}');
CALL t.write('person.csv', E'id,born\n1,01.X.2001\n2,01.X.2002\n3,2003-01-01\n');
\set VERBOSITY sqlstate
CALL syncup_run_job('J');
\set VERBOSITY terse
SELECT * FROM t.run;
SELECT * FROM t.steps();
SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1;
-- resumed it is applied, and goes on
SELECT max(run) AS run FROM syncup.job_run \gset
CALL syncup_resume_job(:run);
SELECT state FROM t.run;
SELECT step, state, did FROM t.steps();
SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1;
SELECT * FROM target.person ORDER BY id;
-- without a look: by force
CALL syncup_run_job('J', force => true);
SELECT state FROM t.run;
SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1;

-- A lock that a statement does not get is an error; only the connector's own is "not started".
CREATE TABLE t.locked ();
CREATE FUNCTION t.refuse() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'canceling statement due to lock timeout' USING ERRCODE = 'lock_not_available'; END $$;
SELECT syncup_create_job('L'), syncup_add_step('L', 'export', 'export', 'C', options => '{"statement": "SELECT t.refuse()"}');
\set VERBOSITY sqlstate
CALL syncup_run_job('L');
\set VERBOSITY terse
SELECT state FROM t.run;
SELECT * FROM t.steps();

-- Links of which only the columns change are something.
CREATE TABLE target.team (id int PRIMARY KEY);
CREATE TABLE target.member (person int, team int, role text, PRIMARY KEY (person, team));
CALL t.write('person.csv', E'id,born\n1,2001-01-01\n2,2002-01-01\n3,2003-01-01\n');
CALL t.write('team.csv', E'id\n1\n');
CALL t.write('member.csv', E'person,team,role\n1,1,lead\n2,1,guest\n3,1,guest\n');
SELECT syncup_map_entity_type('C', 'team', 'target.team', 'team.csv', 'id');
SELECT syncup_map_association('C', 'member', 'member.csv', 'person', 'person.id', 'team', 'team.id', 'target.member', 'person', 'team', '{"columns": {"role": "role"}}');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete', force => true)"
CALL t.write('member.csv', E'person,team,role\n1,1,guest\n2,1,guest\n3,1,guest\n');
SELECT syncup_add_step('J', 'then', 'sql', parents => '{synchronize}', start_when => 'any did', options => '{"statement": "SELECT 1"}');
SELECT syncup_set_thresholds('C', '{"max_link_percentage_updated_lines": 0}');
CALL syncup_run_job('J');
SELECT step, state, did FROM t.steps();
CALL t.write('member.csv', E'person,team,role\n1,1,lead\n2,1,guest\n3,1,guest\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT * FROM target.member ORDER BY person;

\set end :srcdir '/include/end.sql'
\i :end
