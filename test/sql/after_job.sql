-- What jobs do after synchronization (JOBS 4, 6): kinds of steps, and the reference jobs.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\set runs :srcdir '/include/runs.sql'
\i :begin
\i :runs
CREATE TABLE target.person (id int PRIMARY KEY, name text, login text);
SELECT t.map('target.person', 'id', '{"id": "id", "name": "name"}');
CREATE VIEW t.steps AS
SELECT job, ordinal, step, level, parents, start_when, options FROM syncup.job_step ORDER BY job, level, ordinal;
CREATE VIEW t.last AS
SELECT step, state, did_something AS did, counters - 'elapsed' AS counters, reason FROM syncup.job_step_run
WHERE run = (SELECT max(run) FROM syncup.job_run) ORDER BY ordinal;

-- Without a rule there is nothing to do afterwards.
SELECT * FROM syncup_create_jobs('C');
SELECT * FROM t.steps;
SELECT syncup_define_expression('target.person', 'login', $$syncup_format(r.name, 'simplify')$$);
SELECT * FROM syncup_create_jobs('C');
SELECT * FROM t.steps WHERE step ~ '_';

-- A complete run computes everything; an incremental one what is flagged, if anything is.
CALL t.write('m.csv', E'id,name\n1,Ada\n2,Bob\n');
CALL syncup_run_job('C_initial');
SELECT * FROM t.last;
TABLE target.person ORDER BY id;
CALL t.write('m.csv', E'id,name\n1,Ada\n2,Böb\n');
CALL syncup_run_job('C_incremental');
SELECT * FROM t.last;
-- What the expressions wrote themselves.
CALL t.write('m.csv', E'id,name\n1,Ada\n2,Böb\n');
CALL syncup_run_job('C_incremental');
SELECT * FROM t.last;
SELECT syncup_flag('target.person', '1');
UPDATE target.person SET login = 'x';
CALL syncup_run_job('C_incremental', '{set_recently_modified_flag,update_expressions}');
SELECT * FROM t.last;
CALL syncup_run_job('C_complete', '{update_expressions}');
SELECT * FROM t.last;
TABLE target.person ORDER BY id;
-- Restricted.
SELECT syncup_add_step('C_complete', 'some', 'update_expressions', options => '{"targets": ["target.person"], "dirty": true}');
CALL syncup_run_job('C_complete', '{some}');
SELECT * FROM t.last;
SELECT t.error($$SELECT syncup_add_step('C_complete', 'some', 'update_expressions', options => '{"target": ["target.person"]}')$$);
\set end :srcdir '/include/end.sql'
\i :end
