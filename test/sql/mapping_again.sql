-- Mapping again what is mapped (SPEC 2.1): what is not named stays, what would make
-- stored rows wrong is refused or rebuilt, and each call says what it has mapped.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
ALTER FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) RESET client_min_messages;
ALTER FUNCTION syncup_map_association(text, text, text, text, text, text, text, regclass, name, name, jsonb) RESET client_min_messages;
CREATE VIEW t.mapped AS
SELECT mapping, source, stored, target, format FROM syncup.mapping_column ORDER BY connector, mapping, ordinal;
CREATE FUNCTION t.run(how text) RETURNS TABLE (mode text, status text, inserted bigint, updated bigint, deleted bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('P', how);
	RETURN QUERY SELECT * FROM t.synchronize('P', force => true, keep_changes => true);
END
$$;

-- Each call says what is mapped, what only the file has, and what only the table.
SELECT syncup_create_connector('P', t.dir());
CREATE TABLE target.p (id int PRIMARY KEY, nr int NOT NULL UNIQUE DEFAULT 0, name text, dept text, "Mail" text);
CALL t.write('p.csv', E'id,nr,name,Abteilung,mail,fax\n1,11,Ada,Finance,a@x,\n2,12,Bob,Sales,,\n');
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id", "name": {"column": "name", "format": "rdn"}, "Abteilung": "dept"}', '{mail}');
-- One misspelt name, and a file that is not there yet.
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id", "nane": "name"}', '{}');
SELECT replace(e, t.dir(), '<dir>') FROM t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id", "name": "nmae"}')$$) e;
\set VERBOSITY terse
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'nothing.csv', 'id', '{"id": "id"}');
\set VERBOSITY default
-- Wide files are cut short.
CREATE TABLE target.wide (id int PRIMARY KEY);
SELECT string_agg('a_long_name_of_a_column_' || i, ',') AS names FROM generate_series(1, 900) i \gset
CALL t.write('wide.csv', 'id,' || :'names' || E'\n');
SELECT syncup_map_entity_type('P', 'wide', 'target.wide', 'wide.csv', 'id');
SELECT syncup_drop_mapping('P', 'wide');
-- No name in common: what was read as a header is shown.
CALL t.write('wide.csv', E'ID;Name\n');
SELECT t.error($$SELECT syncup_map_entity_type('P', 'w', 'target.wide', 'wide.csv', 'id', '{}')$$);
-- Misspelt: key, unique key, option, property.
SELECT t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'idd', '{"id": "id"}')$$);
SELECT t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id"}', '{}', '{"delimeter": ";"}')$$);
SELECT t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id"}', '{}', '{"delimeter": null}')$$);
SELECT t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id"}', '{}', '{"deleted_column": "nmae"}')$$);

-- Without columns and unique keys those of the mapping stay; single options, too.
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id", "name": {"column": "name", "format": "rdn"}, "Abteilung": "dept"}', '{mail}', '{"trim": " ", "on_error": "quarantine"}');
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"reject_limit": 5, "trim": null}');
SELECT * FROM t.mapped;
SELECT key, unique_keys, options FROM syncup.mapping;
-- '{}' is no unique key, and columns settled anew from the header.
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{}', '{}');
SELECT * FROM t.mapped;
SELECT key, unique_keys, options FROM syncup.mapping;
-- So it is with connectors.
SELECT syncup_create_connector('P', options => '{"delimiter": ";", "skip_lines": 1}');
SELECT syncup_create_connector('P', t.dir(), '{"skip_lines": null}');
SELECT syncup_create_connector('P', options => '{"delimiter": null}');
SELECT directory = t.dir() AS kept, options FROM syncup.connector;
SELECT t.error($$SELECT syncup_create_connector('P', options => '{"skiplines": null}')$$);
SELECT t.error($$SELECT syncup_create_connector('P', options => '[]')$$);
\set VERBOSITY terse

-- Another key before anything was applied: previous is built for it.
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'nr', '{"id": "id", "nr": "nr", "name": "name"}');
CALL t.write('p.csv', E'id,nr,name\n1,1,Ada\n1,2,Bob\n');
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id');
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'nr');
CALL t.write('p.csv', E'id,nr,name\n1,1,Ada\n2,2,Bob\n');
SELECT * FROM t.run('initial');
SELECT id, nr, name FROM target.p ORDER BY nr;
SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conrelid = 'syncup_previous.p_p'::regclass AND contype = 'p';
-- Applied: refused, for the source's key, the target's, and the target itself.
CREATE TABLE target.q (LIKE target.p INCLUDING ALL);
SELECT t.refused($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'nr', '{"id": "nr", "nr": "id"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr')$$);
-- Everything gone, with changes kept: previous is empty, but the changes are of
-- the old target, and are not written into the new one.
CALL t.write('p.csv', E'id,nr,name\n');
SELECT * FROM t.run('complete');
SELECT changes_kept FROM syncup.batch ORDER BY seq;
SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr');
SELECT changes_kept FROM syncup.batch ORDER BY seq;
SELECT t.refused(format('SELECT syncup_undo(%L)', batch)) FROM syncup.batch ORDER BY seq DESC LIMIT 1;
SELECT id, nr FROM target.q;
-- The same for a scope: what was done to other rows is not undone.
SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr', options => '{"scope": null}');
CALL t.write('p.csv', E'id,nr,name\n1,1,Ada\n');
SELECT * FROM t.run('complete');
SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr');
SELECT changes_kept FROM syncup.batch ORDER BY seq DESC LIMIT 1;
SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr', options => '{"scope": "nr > 0"}');
SELECT changes_kept FROM syncup.batch ORDER BY seq DESC LIMIT 1;
SELECT needs_complete FROM syncup.connector;
SELECT * FROM t.run('complete');

-- While a batch waits nothing that it was prepared for changes: prepared, failed, blocked.
CALL t.write('p.csv', E'id,nr,name\n1,1,Eve\n3,3,Cy\n');
SELECT 1 AS prepared FROM syncup_prepare('P', 'complete');
SELECT t.refused($$SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr', '{"id": "id", "nr": "nr"}')$$);
SELECT t.refused($$SELECT syncup_create_connector('P', options => '{"timezone": "Europe/Paris"}')$$);
-- A complete batch would empty the target of a mapping that it does not know.
INSERT INTO target.wide VALUES (1);
SELECT t.refused($$SELECT syncup_map_entity_type('P', 'wide', 'target.wide', 'wide.csv', 'id', '{"id": "id"}')$$);
ALTER TABLE target.q ADD CHECK (name <> 'Eve') NOT VALID;
SELECT * FROM t.synchronize('P', force => true);
SELECT t.refused($$SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr', '{"id": "id", "nr": "nr"}')$$);
SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'failed';
SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr', '{"id": "id", "nr": "nr"}');
SELECT 1 AS prepared FROM syncup_prepare('P', 'complete');
SELECT * FROM t.synchronize('P');
SELECT t.refused($$SELECT syncup_map_entity_type('P', 'p', 'target.q', 'p.csv', 'nr', '{"id": "id", "nr": "nr", "name": "name"}')$$);
SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'blocked';

-- An incremental one is not in the way of a new mapping.
SELECT * FROM t.run('complete');
SELECT 1 AS prepared FROM syncup_prepare('P', 'incremental');
SELECT syncup_map_entity_type('P', 'wide', 'target.wide', 'wide.csv', 'id', '{"id": "id"}');
SELECT * FROM t.synchronize('P');
SELECT id FROM target.wide;

-- Associations hold the key, the target and the properties of what they link.
SELECT syncup_create_connector('A', t.dir());
CREATE TABLE target.g (id int PRIMARY KEY, name text);
CREATE TABLE target.m (g int, p int, PRIMARY KEY (g, p));
SELECT syncup_map_entity_type('A', 'g', 'target.g', 'g.csv', 'id', '{"id": "id", "name": "name"}', '{dn,name}');
SELECT syncup_map_association('A', 'm', 'm.csv', 'g', 'g.dn', 'p', 'g.id', 'target.m', 'g', 'p');
SELECT t.refused($$SELECT syncup_map_association('A', 'n', 'm.csv', 'g', 'g.nd', 'p', 'P.p.nr', 'target.m', 'g', 'p')$$);
SELECT t.refused($$SELECT syncup_map_association('A', 'n', 'm.csv', 'g', 'h.dn', 'p', 'P.p.nr', 'target.m', 'g', 'p')$$);
SELECT t.refused($$SELECT syncup_map_association('A', 'm', 'm.csv', 'g', 'g.dn', 'p', 'g.id', 'target.m', 'gg', 'p')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('A', 'g', 'target.g', 'g.csv', 'id', NULL, '{}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('A', 'g', 'target.g', 'g.csv', 'id', NULL, '{name}')$$);
SELECT syncup_map_association('A', 'm', 'm.csv', 'g', 'g.name', 'p', 'g.id', 'target.m', 'g', 'p');
SELECT t.refused($$SELECT syncup_map_entity_type('A', 'g', 'target.g', 'g.csv', 'id', NULL, '{}')$$);
SELECT syncup_map_entity_type('A', 'g', 'target.g', 'g.csv', 'id', NULL, '{name}');
SELECT syncup_map_association('A', 'm', 'm.csv', 'g', 'g.id', 'p', 'g.name', 'target.m', 'p', 'g', '{"split": ";"}');
-- Options stay; kept changes go with the tables that hold them.
CALL t.write('g.csv', E'id,name\n1,a\n2,b\n');
CALL t.write('m.csv', E'g,p\n1,b\n');
SELECT 1 AS prepared FROM syncup_prepare('A', 'initial');
SELECT status, links_inserted FROM syncup_synchronize('A');
CALL t.write('m.csv', E'g,p\n');
SELECT 1 AS prepared FROM syncup_prepare('A', 'incremental');
SELECT status, links_deleted FROM syncup_synchronize('A', true, true);
SELECT syncup_map_association('A', 'm', 'm.csv', 'g', 'g.id', 'p', 'g.name', 'target.m', 'p', 'g');
SELECT options FROM syncup.mapping WHERE mapping = 'm';
SELECT changes_kept FROM syncup.batch WHERE connector = 'A' ORDER BY seq;
SELECT t.refused(format('SELECT syncup_undo(%L)', batch)) FROM syncup.batch WHERE connector = 'A' ORDER BY seq DESC LIMIT 1;

\set end :srcdir '/include/end.sql'
\i :end
