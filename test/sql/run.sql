-- CALL syncup_run: prepare, commit, synchronize, commit (SPEC 2.2).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
CREATE VIEW t.batches AS
SELECT mode, status, prepared_at IS NOT NULL AS prepared, sqlstate, t.mask(error) AS error, forced, changes_kept AS kept FROM syncup.batch ORDER BY seq;
CREATE TABLE target.person (id int PRIMARY KEY, name text CONSTRAINT good CHECK (name <> 'SECRET'));
SELECT syncup_create_connector('AD', t.dir());
SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}');
CALL t.write('person.csv', E'id,name\n1,Ada\n2,Bob\n');

-- Applied; nothing changed; blocked; with force; what is kept.
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'initial')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')"
CALL t.write('person.csv', E'id,name\n1,Ada!\n3,Cy\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run(connector => 'AD', mode => 'complete')"
SELECT count(*) FROM target.person WHERE name = 'Bob';
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete', true, true)"
TABLE t.batches;
TABLE target.person;
SELECT command, id FROM syncup_changes.ad_person ORDER BY id;
SELECT syncup_set_thresholds('AD', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');

-- A prepare that fails is recorded, then raised; it is not in anybody's way.
CALL t.write('person.csv', E'id,name\n1,Ada\nx,Cy\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'initial')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'total')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('SAP', 'complete')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run(NULL, 'complete')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', NULL)"
SELECT * FROM t.batches WHERE mode <> 'total' OFFSET 4;
SELECT last_status, queue_length, blocked, age IS NOT NULL AS age FROM syncup.status;
-- A batch that fails is recorded, then raised without its values.
CALL t.write('person.csv', E'id,name\n1,Ada\n3,SECRET\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')"
SELECT status, error FROM t.batches WHERE prepared AND status = 'failed';
TABLE target.person;
-- The next one takes its place, if it is complete.
CALL t.write('person.csv', E'id,name\n1,Ada\n3,Cy\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')"
SELECT mode, status FROM t.batches OFFSET (SELECT count(*) - 2 FROM t.batches);

-- It commits: so not in a transaction block, nor in a function; in a DO block it may.
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')" -c "BEGIN"
CREATE FUNCTION t.in_function() RETURNS void LANGUAGE plpgsql AS $$ BEGIN CALL syncup_run('AD', 'complete'); END $$;
SELECT t.refused('SELECT t.in_function()');
SELECT t.refused($$CALL syncup_run('AD', 'complete')$$);
\! sh $PG_ABS_SRCDIR/include/psql "DO 'BEGIN CALL syncup_run(''AD'', ''complete''); END'"
-- The session's settings are as they were, after a run and after a failure.
\! sh $PG_ABS_SRCDIR/include/psql "SHOW DateStyle" -c "SET search_path = target, public" -c "SET DateStyle = 'German'" -c "SET TimeZone = 'Asia/Tokyo'" -c "CALL syncup_run('AD', 'complete')" -c "SHOW search_path" -c "SHOW TimeZone"
CALL t.shell('rm person.csv');
\! sh $PG_ABS_SRCDIR/include/psql "SHOW DateStyle" -c "SET search_path = target, public" -c "SET DateStyle = 'German'" -c "SET TimeZone = 'Asia/Tokyo'" -c "CALL syncup_run('AD', 'complete')" -c "SHOW search_path" -c "SHOW TimeZone"

\set end :srcdir '/include/end.sql'
\i :end
