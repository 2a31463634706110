-- One source column that feeds several target columns (SPEC 2.1): stored once, written
-- everywhere, each with a format of its own.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
CREATE FUNCTION t.run(how text) RETURNS TABLE (mode text, status text, inserted bigint, updated bigint, deleted bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('P', how);
	RETURN QUERY SELECT * FROM t.synchronize('P', force => true, keep_changes => true);
END
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';

SELECT syncup_create_connector('P', t.dir());
CREATE TABLE target.p (id int PRIMARY KEY, code text, name text NOT NULL, ou text, mail text, login varchar(5), flag boolean);
ALTER FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) RESET client_min_messages;
CALL t.write('p.csv', E'id,dn,mail,flags\n1,"CN=Ada,OU=Math",ada,2\n2,"CN=Bob,OU=Art",bob,0\n3,"CN=Cy,OU=Art",,2\n');
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id',
	'{"id": ["id", "code"], "dn": [{"column": "name", "format": "rdn"}, "ou"], "mail": ["mail", {"column": "login"}], "flags": {"column": "flag", "format": "bit:2"}}', '{dn}');
ALTER FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) SET client_min_messages = warning;
SELECT ordinal, source, stored, target, change_column, format, repeated FROM syncup.mapping_column ORDER BY ordinal;
SELECT attname FROM pg_attribute WHERE attrelid = 'syncup_previous.p_p'::regclass AND attnum > 0 ORDER BY attnum;
SELECT attname FROM pg_attribute WHERE attrelid = 'syncup_delta.p_p'::regclass AND attnum > 0 ORDER BY attnum;
SELECT * FROM t.run('initial');
SELECT * FROM target.p ORDER BY id;
SELECT id, dn, mail, flags FROM syncup_previous.p_p ORDER BY id;
-- Nothing new: nothing to do, whichever way.
SELECT * FROM t.run('incremental');
SELECT * FROM t.run('complete');
-- Incremental changes, deletions and insertions, and what they look like.
CALL t.write('p.csv', E'id,dn,mail,flags\n1,"CN=Ada,OU=Maths",ada2,2\n2,"CN=Bob,OU=Art",,0\n4,"CN=Di,OU=Art",di,2\n');
SELECT * FROM t.run('incremental');
SELECT * FROM target.p ORDER BY id;
SELECT id, dn, mail, flags FROM syncup_previous.p_p ORDER BY id;
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
SELECT line FROM syncup_report(t.last()) AS r, string_to_table(r, E'\n') AS line WHERE line ~ '->|mail|di$';
SELECT * FROM t.run('incremental');
-- Drift of one of the columns is repaired in it alone.
UPDATE target.p SET login = 'mine' WHERE id = 1;
UPDATE target.p SET code = 'x' WHERE id = 2;
SELECT * FROM t.run('complete');
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, code, mail, login FROM target.p ORDER BY id;
SELECT * FROM t.run('complete');
SELECT * FROM t.run('complete');
-- Undone, a deletion brings all of them back.
CALL t.write('p.csv', E'id,dn,mail,flags\n2,"CN=Bob,OU=Art",bo,0\n');
SELECT * FROM t.run('incremental');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM target.p ORDER BY id;
SELECT id, dn, mail, flags FROM syncup_previous.p_p ORDER BY id;
-- Exported files are sources: each source column once.
SELECT syncup_export(syncup_prepare('P', 'incremental'), t.dir());
SELECT * FROM t.read('p.sorted.csv');
SELECT * FROM t.read('p.sorted.delta');
SELECT * FROM t.synchronize('P', force => true);
CALL t.shell('mv p.sorted.csv p.csv');
SELECT * FROM t.run('complete');
-- A value that only one of the types refuses sets the row aside.
CALL t.write('p.csv', E'id,dn,mail,flags\n2,"CN=Bob,OU=Art",toolong,0\n');
SELECT t.error($$SELECT syncup_prepare('P', 'complete')$$);
-- Its row stays, also one that only the target has.
INSERT INTO target.p VALUES (9, '9', 'Nine');
CALL t.write('p.csv', E'id,dn,mail,flags\n2,"CN=Bob,OU=Art",toolong,0\n9,"CN=X",toolong,0\n');
SELECT syncup_prepare('P', 'complete', '{"on_error": "quarantine"}') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('P', force => true);
SELECT id, code, name, mail FROM target.p ORDER BY id;
DELETE FROM target.p WHERE id = 9;
-- A file of changes.
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"command_column": "op", "incremental_file": "c.csv"}');
CALL t.write('c.csv', E'op,id,dn,mail,flags\nupdate,2,,bob,\ninsert,5,"CN=Ed,OU=Art",ed,0\nmerge,6,"CN=Flo,OU=Art",flo,0\n');
SELECT * FROM t.run('incremental');
CALL t.write('c.csv', E'op,id,dn,mail,flags\nupdate,2,,NULL_NULL,\ndelete,5,,,\nmerge,6,"CN=Flo,OU=Math",,\nupdate,6,,f,\n');
SELECT * FROM t.run('incremental');
SELECT * FROM target.p ORDER BY id;
SELECT id, dn, mail, flags FROM syncup_previous.p_p ORDER BY id;
-- A target more, one less, another first: stored columns stay.
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": ["id", "code"], "dn": "name", "mail": ["login", "mail", "ou"]}', '{}', '{"command_column": null, "incremental_file": null}');
SELECT ordinal, source, stored, target, repeated FROM syncup.mapping_column ORDER BY ordinal;
CALL t.write('p.csv', E'id,dn,mail\n2,Bob,b\n3,Cy,\n6,Flo,f\n');
SELECT * FROM t.run('complete');
SELECT * FROM target.p ORDER BY id;
SELECT id, dn, mail FROM syncup_previous.p_p ORDER BY id;
-- Links by a column that feeds several.
CREATE TABLE target.boss (a int, b int, PRIMARY KEY (a, b));
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', NULL, '{mail}');
SELECT syncup_map_association('P', 'boss', 'boss.csv', 'a', 'p.mail', 'b', 'p.id', 'target.boss', 'a', 'b');
CALL t.write('boss.csv', E'a,b\nb,6\nf,6\n');
SELECT * FROM t.run('complete');
SELECT * FROM target.boss ORDER BY a;
-- What is no list of targets.
CREATE FUNCTION t.map(columns jsonb) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT t.refused(format('SELECT syncup_map_entity_type(''P'', ''x'', ''target.x'', ''x.csv'', ''id'', %L)', columns))
$$;
CREATE TABLE target.x (id int PRIMARY KEY, a text, b text);
SELECT c AS columns, e AS error FROM unnest(ARRAY['{"id": []}', '{"id": [["id"]]}', '{"id": ["id", 1]}', '{"id": "id", "n": ["a", "a"]}', '{"id": "id", "n": "a", "m": ["b", "a"]}', '{"id": "id", "n": [{"column": "a", "form": "rdn"}]}']::jsonb[]) c,
	LATERAL t.map(c) e;

\set end :srcdir '/include/end.sql'
\i :end
