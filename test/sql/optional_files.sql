-- Files that may be missing (SPEC 2.7): the mapping takes no part in the run, for
-- entity types and links, in every mode.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
-- Prepares and tells what each mapping read.
CREATE FUNCTION t.run(mode text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('C', mode);
	RETURN QUERY SELECT format('%s: %s read %s, delta %s/%s/%s', mapping, CASE WHEN file IS NULL THEN 'no file,' ELSE regexp_replace(file, '.*/', '') END, rows_read, delta_inserted, delta_updated, delta_deleted)
		FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping COLLATE "C";
	RETURN QUERY SELECT format('%s %s/%s/%s links %s/%s', status, inserted, updated, deleted, links_inserted, links_deleted) FROM syncup_synchronize('C', keep_changes => true);
END
$$;

CREATE TABLE target.person (id int PRIMARY KEY, name text);
CREATE TABLE target.grp (id int PRIMARY KEY);
CREATE TABLE target.member (grp int, person int, PRIMARY KEY (grp, person));
SELECT syncup_create_connector('C', t.dir());
SELECT t.unlimited();
SELECT syncup_set_thresholds('C', '{"maximum_link_inserted_lines": 0, "maximum_link_updated_lines": 0, "maximum_link_deleted_lines": 0,
	"max_link_percentage_inserted_lines": 0, "max_link_percentage_updated_lines": 0, "max_link_percentage_deleted_lines": 0}');
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'p.csv', 'id', '{"id": "id", "name": "name"}', options => '{"optional": true}');
SELECT syncup_map_entity_type('C', 'grp', 'target.grp', 'g.csv', 'id', '{"id": "id"}');
SELECT syncup_map_association('C', 'member', 'm.csv', 'g', 'grp.id', 'p', 'person.id', 'target.member', 'grp', 'person', '{"optional": true}');
CALL t.write('p.csv', E'id,name\n1,Ada\n2,Bo\n');
CALL t.write('g.csv', E'id\n10\n20\n');
-- A first run without one of the files; it comes with the next.
SET client_min_messages = warning;
SELECT * FROM t.run('initial');
CALL t.write('m.csv', E'g,p\n10,1\n20,2\n');
SELECT * FROM t.run('incremental');
-- Without the files nothing is deleted, and their drift is left alone; the others go on.
CALL t.shell('rm p.csv m.csv');
UPDATE target.person SET name = 'drift' WHERE id = 1;
INSERT INTO target.member VALUES (10, 2);
CALL t.write('g.csv', E'id\n10\n20\n30\n');
SELECT * FROM t.run('complete');
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line LIKE '%took no part%';
TABLE target.person ORDER BY id;
TABLE target.member ORDER BY 1, 2;
SELECT id, name FROM syncup_previous.c_person ORDER BY id;
SELECT * FROM t.run('incremental');
-- An export has what previous has; a preview, an undo.
SELECT counter, count, base FROM syncup_preview('C', 'complete') WHERE mapping IS NULL AND count > 0;
SELECT syncup_export(t.last(), t.dir());
SELECT pg_read_file(t.dir() || '/person.sorted.csv');
SELECT syncup_undo((SELECT batch FROM syncup.batch WHERE mode = 'complete' ORDER BY seq DESC LIMIT 1)) IS NOT NULL AS undone;
TABLE target.grp ORDER BY 1;
-- When they are there again, they count, whole.
CALL t.write('p.csv', E'id,name\n1,Ada\n2,Bo\n');
CALL t.write('m.csv', E'g,p\n10,1\n20,2\n');
SELECT * FROM t.run('complete');
TABLE target.person ORDER BY id;
TABLE target.member ORDER BY 1, 2;
-- A row of an end goes, and its links, though the file of the links is missing.
CALL t.shell('rm m.csv');
CALL t.write('p.csv', E'id,name\n2,Bo\n');
SELECT * FROM t.run('incremental');
TABLE target.member ORDER BY 1, 2;
-- A complete run that is needed is one with all files.
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'p.csv', 'id', '{"id": "id"}');
CALL t.shell('mv p.csv p.old');
SELECT * FROM t.run('complete');
SELECT needs_complete FROM syncup.connector;
CALL t.shell('mv p.old p.csv');
CALL t.write('m.csv', E'g,p\n20,2\n');
SELECT * FROM t.run('complete');
SELECT needs_complete FROM syncup.connector;
-- Patterns: no file that matches; files of changes.
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'p[0-9].csv', 'id', options => '{"pattern": true, "command_column": "op"}');
CALL t.shell('rm p.csv');
SELECT * FROM t.run('incremental');
CALL t.write('p1.csv', E'op,id\ninsert,3\n');
SELECT * FROM t.run('incremental');
-- Changes that wait are not lost by a complete run without the file.
CALL t.write('p2.csv', E'op,id\ninsert,4\n');
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;
CALL t.shell('rm p1.csv p2.csv');
SELECT t.error('SELECT syncup_prepare(''C'', ''complete'')');
SELECT status, inserted FROM syncup_synchronize('C');
SELECT * FROM t.run('complete');
TABLE target.person ORDER BY id;
-- One that is not optional is an error as ever.
CALL t.shell('rm g.csv');
SELECT t.error('SELECT syncup_prepare(''C'', ''incremental'')');
-- Every file missing: a run of nothing.
SELECT syncup_map_entity_type('C', 'grp', 'target.grp', 'g.csv', 'id', options => '{"optional": true}');
CALL t.shell('rm m.csv');
SELECT * FROM t.run('complete');
RESET client_min_messages;
SELECT t.error('SELECT syncup_map_entity_type(''C'', ''grp'', ''target.grp'', ''g.csv'', ''id'', options => ''{"optional": "yes"}'')');
SELECT t.error('SELECT syncup_create_connector(''D'', options => ''{"optional": true}'')');

\set end :srcdir '/include/end.sql'
\i :end
