-- syncup_doctor: every row of it provoked once.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
SET client_min_messages = warning;
SET statement_timeout = 0;
CREATE FUNCTION t.doctor(connector text DEFAULT NULL) RETURNS TABLE (severity text, object text, problem text, remedy text) LANGUAGE sql AS
$$ SELECT d.severity, d.object, replace(d.problem, t.dir(), '<dir>'), regexp_replace(d.remedy, '''[0-9a-f-]{36}''', '<batch>') FROM syncup_doctor(connector) d WHERE d.object !~ '^setting' $$;
-- nothing there, nothing wrong but the settings of a test's server
SELECT * FROM t.doctor();
CREATE TABLE target.usr (id int, name text, PRIMARY KEY (id));
CREATE TABLE target.team (id text PRIMARY KEY);
CREATE TABLE target.member (team text, usr int, UNIQUE (team, usr));
CREATE TABLE target.badge (n int PRIMARY KEY, usr int REFERENCES target.usr ON DELETE CASCADE);
CALL t.shell($$printf 'id,name\n1,a\n' >usr.csv; printf 'id\nt\n' >team.csv; printf 'team,usr\nt,1\n' >member.csv$$);
SELECT syncup_create_connector('E');
SELECT syncup_create_connector('A', t.dir());
SELECT syncup_map_entity_type('A', 'usr', 'target.usr', 'usr.csv', 'id'), syncup_map_entity_type('A', 'team', 'target.team', 'team.csv', 'id'),
	syncup_map_association('A', 'member', 'member.csv', 'team', 'team.id', 'usr', 'usr.id', 'target.member', 'team', 'usr');
-- indexes, jobs, a connector without mappings
SELECT * FROM t.doctor();
-- each remedy takes its row away
SELECT remedy AS statement FROM t.doctor('A') WHERE severity = 'warning' \gexec
SELECT syncup_create_jobs('A');
SELECT syncup_drop_connector('E');
SELECT * FROM t.doctor();
-- files: gone, old; limits off; deactivated; a run that blocks
CALL t.shell('rm team.csv; touch -d "9 days ago" usr.csv');
SELECT syncup_set_thresholds('A', '{"maximum_deleted_lines": 0, "max_percentage_deleted_lines": 0, "maximum_link_deleted_lines": 0, "max_link_percentage_deleted_lines": 0}');
SELECT * FROM t.doctor('A');
CALL t.shell('printf "id\nt\n" >team.csv; touch usr.csv');
SELECT remedy AS statement FROM t.doctor('A') WHERE severity = 'warning' \gexec
CALL syncup_run('A', 'complete');
SELECT * FROM t.doctor('A');
SELECT count(*) FROM syncup_resume('A');
SELECT syncup_deactivate('A');
SELECT * FROM t.doctor('A');
SELECT syncup_activate('A');
-- a limit that guards nothing: a hundred runs of nothing
DO $$ BEGIN FOR i IN 1 .. 101 LOOP PERFORM syncup_prepare('A', 'incremental'); PERFORM FROM syncup_synchronize('A'); END LOOP; END $$;
SELECT syncup_set_thresholds('A', '{"maximum_updated_lines": 5000}');
SELECT * FROM t.doctor('A');
-- a small mapping beside a large one, whose limits do not see it emptied; its remedy does
CREATE TABLE target.large (id int PRIMARY KEY);
CREATE TABLE target.small (id int PRIMARY KEY);
CALL t.shell($$(echo id; seq 1000) >large.csv; (echo id; seq 40) >small.csv$$);
SELECT syncup_create_connector('B', t.dir());
SELECT syncup_map_entity_type('B', 'large', 'target.large', 'large.csv', 'id'), syncup_map_entity_type('B', 'small', 'target.small', 'small.csv', 'id');
CALL syncup_run('B', 'initial');
SELECT * FROM t.doctor('B') WHERE severity = 'warning';
CALL t.shell('echo id >small.csv');
SELECT counter, count FROM syncup_preview('B', 'complete') WHERE exceeded;
SELECT remedy AS statement FROM t.doctor('B') WHERE severity = 'warning' \gexec
SELECT mapping, counter, count FROM syncup_preview('B', 'complete') WHERE exceeded;
SELECT * FROM t.doctor('B') WHERE severity = 'warning';
-- history of years, dead rows
UPDATE syncup.batch SET prepared_at = now() - interval '2 years';
SELECT * FROM t.doctor() WHERE problem ~ 'older';
-- the key of links is no column of their file
CREATE TABLE target.part (team text, usr int, role text, PRIMARY KEY (team, usr, role));
CREATE INDEX ON target.part (usr);
CALL t.shell($$printf 'team,usr,role\nt,1,x\n' >part.csv$$);
SELECT syncup_create_connector('K', t.dir());
SELECT syncup_map_association('K', 'part', 'part.csv', 'team', 'A.team.id', 'usr', 'A.usr.id', 'target.part', 'team', 'usr', '{"columns": {"role": "role"}, "link_key": ["role"]}');
SELECT * FROM t.doctor('K');
-- and a file that may be missing is nothing wrong
SELECT syncup_map_association('K', 'part', 'part.csv', 'team', 'A.team.id', 'usr', 'A.usr.id', 'target.part', 'team', 'usr', '{"columns": {"role": "role"}, "link_key": ["role"], "optional": true}');
CALL t.shell('rm part.csv');
SELECT * FROM t.doctor('K');
SELECT syncup_drop_connector('K');
DROP TABLE target.part;
-- relations that are read: empty, without a column, failing, gone; a view that calls a volatile function, or reads one that does, is not read
CREATE TABLE target.src (id int, "Name" text, boss int);
CREATE FUNCTION t.asked() RETURNS boolean LANGUAGE sql VOLATILE AS 'SELECT false';
CREATE VIEW target.asks AS SELECT id, name FROM target.usr WHERE t.asked();
CREATE VIEW target.fails AS SELECT id, name FROM target.usr WHERE 1 / (id - 1) > 0;
CREATE TABLE target.copy (id int PRIMARY KEY, name text);
CREATE FUNCTION t.reads(source text) RETURNS void LANGUAGE sql AS $$
	SELECT syncup_map_entity_type('R', 'r', 'target.copy', NULL, 'ID', '{"ID": "id", "name": "name"}', options => jsonb_build_object('source', source)) $$;
CREATE FUNCTION t.ails_source() RETURNS TABLE (severity text, problem text, remedy text) LANGUAGE sql AS $$
	SELECT d.severity, d.problem, d.remedy FROM t.doctor('R') d WHERE d.object = 'mapping "R.r"' $$;
SELECT syncup_create_connector('R');
SELECT t.reads('target.src');
SELECT * FROM t.ails_source();
INSERT INTO target.src VALUES (1);
SELECT * FROM t.ails_source();
ALTER TABLE target.src DROP COLUMN "Name";
SELECT * FROM t.ails_source();
SELECT t.reads('target.asks');
SELECT * FROM t.ails_source();
CREATE VIEW target.asks_again AS SELECT * FROM target.asks;
SELECT t.reads('target.asks_again');
SELECT * FROM t.ails_source();
DROP VIEW target.asks_again, target.asks;
SELECT t.reads('target.fails');
SELECT * FROM t.ails_source();
DROP VIEW target.fails;
SELECT * FROM t.ails_source();
ALTER TABLE target.src ADD name text;
SELECT t.reads('target.src');
-- rights of another role
DROP ROLE IF EXISTS regress_syncup_sick;
CREATE ROLE regress_syncup_sick;
GRANT USAGE ON SCHEMA syncup, target, t TO regress_syncup_sick;
GRANT SELECT ON ALL TABLES IN SCHEMA syncup TO regress_syncup_sick;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA syncup, public TO regress_syncup_sick;
GRANT pg_read_server_files TO regress_syncup_sick;
GRANT SELECT, INSERT (id, name), UPDATE (name) ON target.usr TO regress_syncup_sick;
SET ROLE regress_syncup_sick;
SELECT severity, object, problem, remedy FROM syncup_doctor('A') WHERE severity = 'error';
RESET ROLE;
REVOKE pg_read_server_files FROM regress_syncup_sick;
SET ROLE regress_syncup_sick;
SELECT * FROM t.ails_source();
RESET ROLE;
REVOKE USAGE ON SCHEMA target FROM regress_syncup_sick;
SET ROLE regress_syncup_sick;
SELECT * FROM t.ails_source();
RESET ROLE;
SELECT syncup_drop_connector('R');
GRANT USAGE ON SCHEMA target TO regress_syncup_sick;
SET ROLE regress_syncup_sick;
SELECT regexp_replace(problem, '".*"', '<file>') AS problem, remedy FROM syncup_doctor('A') WHERE problem ~ 'for file';
RESET ROLE;
-- columns, keys and targets that are gone
ALTER TABLE target.usr DROP COLUMN name, DROP CONSTRAINT usr_pkey CASCADE;
DROP TABLE target.member;
SELECT * FROM t.doctor('A') WHERE severity = 'error';
-- settings
BEGIN;
SET LOCAL maintenance_work_mem = '1MB';
SET LOCAL statement_timeout = '5s';
SELECT severity, object, problem FROM syncup_doctor() WHERE object IN ('setting maintenance_work_mem', 'setting statement_timeout', 'setting syncup.keep_changes_for') ORDER BY 2;
COMMIT;
SELECT t.error($$SELECT * FROM syncup_doctor('X')$$);
DROP OWNED BY regress_syncup_sick;
DROP ROLE regress_syncup_sick;
\set end :srcdir '/include/end.sql'
\i :end
