-- Mapping pairs of a file to links (SPEC 2.1): what is mapped, what is refused,
-- what an update does.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
SELECT syncup_create_connector('AD', t.dir());
SELECT syncup_create_connector('H.R', t.dir());
CREATE TABLE target.person (id int PRIMARY KEY, name text, sn bigint GENERATED ALWAYS AS IDENTITY UNIQUE, boss int, half int UNIQUE, must int NOT NULL DEFAULT 1, made int GENERATED ALWAYS AS (id) STORED);
CREATE TABLE target.team (code text PRIMARY KEY, title text, lead int, old_lead bigint);
CREATE TABLE target.member (team text, person int, since date, PRIMARY KEY (team, person));
CREATE TABLE target.unit (code text PRIMARY KEY);
SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'ID', '{"ID": "id", "name": "name"}', '{dn,name}');
SELECT syncup_map_entity_type('AD', 'team', 'target.team', 'team.csv', 'code', '{"code": "code", "title": "title"}', '{dn}');
SELECT syncup_map_entity_type('H.R', 'org.unit', 'target.unit', 'unit.csv', 'code', '{"code": "code"}');
CREATE VIEW t.ends AS
SELECT mapping, side, entity_connector, entity, property, store, target_column, change_column, seen FROM syncup.association ORDER BY connector, mapping, side;
CREATE FUNCTION t.columns(relation regclass) RETURNS TABLE (attname name, type text)
LANGUAGE sql AS $$
	SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum
$$;

-- A link table, and a column that holds the links.
SELECT syncup_map_association('AD', 'Members', 'member.csv', 'team', 'team.dn', 'person', 'person.dn', 'target.member', 'team', 'person');
SELECT syncup_map_association('AD', 'boss', 'person.csv', 'ID', 'person.id', 'boss', 'person.dn', 'target.person', target_column2 => 'boss');
SELECT mapping, kind, ordinal, target, file, key, unique_keys, options, table_name FROM syncup.mapping WHERE kind = 'association' ORDER BY mapping;
SELECT mapping, ordinal, source, stored, target FROM syncup.mapping_column WHERE mapping IN ('Members', 'boss') ORDER BY 1, 2;
SELECT * FROM t.ends;
SELECT * FROM t.columns('syncup_previous.ad_members');
SELECT * FROM t.columns('syncup_delta.ad_boss');
SELECT * FROM t.columns('syncup_changes.ad_members');
SELECT * FROM t.columns('syncup_changes.ad_boss');
SELECT indexdef FROM pg_indexes WHERE schemaname = 'syncup_previous' AND tablename IN ('ad_members', 'ad_boss', 'ad_person', 'ad_team') ORDER BY indexdef COLLATE "C";
-- The other side holds the link; another column than the key is stored; ends of another connector, whose names hold dots.
SELECT syncup_map_association('AD', 'lead', 'lead.csv', 'leader', 'person.name', 'team', 'team.code', 'target.team', target_column1 => 'old_lead', options => '{"store1": "sn"}');
CREATE TABLE target.place (who bigint, at text, UNIQUE (who, at));
SELECT syncup_map_association('AD', 'place', 'place.csv', 'x', 'person.ID', 'x', 'H.R.org.unit.CODE', 'target.place', 'who', 'at', '{"store1": "sn"}');
SELECT * FROM t.ends WHERE mapping IN ('lead', 'place');
SELECT mapping, source, stored FROM syncup.mapping_column WHERE mapping = 'place' ORDER BY ordinal;
-- Columns named as ours are.
CREATE TABLE target.batch (batch text, key1 int, old int);
SELECT syncup_map_association('AD', 'batch', 'b.csv', 'batch', 'team.dn', 'command', 'person.dn', 'target.batch', 'batch', 'key1');
SELECT * FROM t.columns('syncup_delta.ad_batch');
SELECT * FROM t.columns('syncup_changes.ad_batch');
SELECT syncup_drop_mapping('AD', 'batch');

-- The function that refusals are tried with.
CREATE TABLE target.link (a text, b int, c text);
CREATE FUNCTION t.map(property1 text DEFAULT 'team.dn', property2 text DEFAULT 'person.dn', target text DEFAULT 'target.link', column1 text DEFAULT 'a', column2 text DEFAULT 'b', options text DEFAULT '{}', name text DEFAULT 'x') RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT t.refused(format('SELECT syncup_map_association(''AD'', %L, ''x.csv'', ''v'', %L, ''w'', %L, %L, %L, %L, %L)', name, property1, property2, target, column1, column2, options))
$$;
-- Properties: unknown, not unique, of no entity type, of another connector's.
SELECT t.map('nothing.dn');
SELECT t.map('team');
SELECT t.map('team.title');
SELECT t.map('team.nothing');
SELECT t.map('HR.unit.code');
SELECT t.map('H.R.org.unit.name');
SELECT t.map('Members.team');
-- Target columns: none, not there, generated, of another type, twice.
SELECT t.map(column1 => NULL, column2 => NULL);
SELECT t.map(column1 => 'nothing');
SELECT t.map(column1 => 'ctid');
SELECT t.map(column1 => 'b', column2 => 'c');
SELECT t.map(column1 => 'b');
SELECT t.map('person.dn', 'person.dn', column1 => 'b', column2 => 'b');
SELECT t.map('person.dn', 'person.dn', 'target.person', 'made', 'boss');
-- One column: the target is that of the other side's entity type, and takes nulls.
SELECT t.map(column1 => NULL);
SELECT t.map('person.dn', 'team.dn', 'target.person', 'id', NULL);
SELECT t.map('team.dn', 'person.dn', 'target.person', NULL, 'boss');
SELECT t.map('person.dn', 'person.dn', 'target.person', NULL, 'must');
-- What it would hold of the side whose rows hold it; limits of resources that have links in a table.
SELECT t.error($$SELECT syncup_map_association('AD', 'lead', NULL, 'leader', 'person.name', 'team', 'team.code', 'target.team', target_column1 => 'old_lead', options => '{"store2": "code"}')$$);
SELECT line FROM t.error($$SELECT syncup_set_thresholds('AD', '{"minimum_links_per_resource": 5}', 'lead')$$) AS line LIMIT 1;
-- Columns that something else writes.
SELECT t.map('person.dn', 'person.dn', 'target.person', NULL, 'boss');
SELECT t.map('person.dn', 'team.dn', 'target.member', 'person', 'team');
SELECT t.map('team.dn', 'person.dn', 'target.member', 'team', 'person', '{"scope": "true"}');
SELECT t.map('team.dn', 'team.dn', 'target.team', NULL, 'title');
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'ID', '{"ID": "id", "boss": "boss"}', '{dn,name}')$$);
-- What is stored must be there, unique and not null.
SELECT t.map(options => '{"store2": "nothing"}');
SELECT t.map(options => '{"store2": "name"}');
SELECT t.map(options => '{"store2": "half"}');
SELECT t.map(options => '{"store2": "sn"}');
-- A link table's other columns.
ALTER TABLE target.link ADD d int NOT NULL;
SELECT t.map();
ALTER TABLE target.link ALTER d SET DEFAULT 0;
-- Options, names, targets, nulls.
SELECT t.map('person.id', 'person.dn', 'target.person', NULL, 'boss', '{"scope": "true"}', 'boss');
SELECT t.map(options => '{"split": 1, "splits": 2}');
SELECT t.map(name => 'person');
SELECT t.map(name => '');
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'boss', 'target.person', 'person.csv', 'ID', '{"ID": "id"}')$$);
SELECT t.map(name => 'MEMBERS');
SELECT t.refused($$SELECT syncup_map_association('AD', 'x', 'x.csv', 'v', 'team.dn', 'w', 'person.dn', NULL, 'a', 'b')$$);
SELECT t.refused($$SELECT syncup_map_association('AD', 'x', 'x.csv', NULL, 'team.dn', 'w', 'person.dn', 'target.link', 'a', 'b')$$);
SELECT t.refused($$SELECT syncup_map_association('AD', 'x', 'x.csv', '', 'team.dn', 'w', 'person.dn', 'target.link', 'a', 'b')$$);
SELECT t.refused($$SELECT syncup_map_association('XX', 'x', 'x.csv', 'v', 'team.dn', 'w', 'person.dn', 'target.link', 'a', 'b')$$);
CREATE VIEW target.view AS TABLE target.link;
SELECT t.map(target => 'target.view');
DROP VIEW target.view;

-- Rights: those on the targets and on the keys are the caller's own.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_linker;
RESET client_min_messages;
CREATE ROLE regress_syncup_linker IN ROLE pg_read_server_files;
GRANT USAGE ON SCHEMA t, target TO regress_syncup_linker;
GRANT EXECUTE ON FUNCTION syncup_map_association TO regress_syncup_linker;
CREATE FUNCTION t.try() RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(line, ' ') FROM t.error($s$SELECT syncup_map_association('AD', 'x', 'x.csv', 'v', 'team.dn', 'w', 'person.dn', 'target.link', 'a', 'b', '{"store1": "title"}')$s$) AS line
$$;
ALTER TABLE target.team ALTER title SET NOT NULL, ADD UNIQUE (title);
SET ROLE regress_syncup_linker;
SELECT t.try();
RESET ROLE;
GRANT SELECT (code) ON target.team TO regress_syncup_linker;
SET ROLE regress_syncup_linker;
SELECT t.try();
RESET ROLE;
GRANT SELECT (title) ON target.team TO regress_syncup_linker;
SET ROLE regress_syncup_linker;
SELECT t.try();
RESET ROLE;
GRANT SELECT (id) ON target.person TO regress_syncup_linker;
SET ROLE regress_syncup_linker;
SELECT t.try();
RESET ROLE;
GRANT SELECT (a, b) ON target.link TO regress_syncup_linker;
SET ROLE regress_syncup_linker;
SELECT t.try();
RESET ROLE;
GRANT INSERT (a, b) ON target.link TO regress_syncup_linker;
SET ROLE regress_syncup_linker;
SELECT t.try();
RESET ROLE;
GRANT DELETE ON target.link TO regress_syncup_linker;
SET ROLE regress_syncup_linker;
SELECT t.try();
RESET ROLE;
SELECT count(*) FROM syncup.mapping WHERE mapping = 'x';
SELECT syncup_drop_mapping('AD', 'x');
SET ROLE regress_syncup_linker;
SELECT t.error($$SELECT syncup_map_association('AD', 'x', 'x.csv', 'v', 'team.code', 'w', 'person.dn', 'target.team', target_column2 => 'lead')$$);
RESET ROLE;

-- Updated where nothing was applied: as if made anew.
SELECT t.map();
SELECT t.map('team.code', 'person.name', column1 => 'c');
SELECT * FROM t.ends WHERE mapping = 'x';
SELECT * FROM t.columns('syncup_changes.ad_x');
-- Once pairs are stored, ends and target stay; the file and options may change.
CALL t.write('person.csv', E'ID,name,dn,boss\n1,Ada,p1,\n');
CALL t.write('team.csv', E'code,title,dn\nA,Team A,t1\n');
CALL t.write('member.csv', E'team,person\nt1,p1\n');
CALL t.write('lead.csv', E'leader,team\nAda,A\n');
CALL t.write('place.csv', E'x\n1\n');
CALL t.write('x.csv', E'v,w\nA,Ada\n');
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT t.map('team.code', 'person.name', column1 => 'c', options => '{"split": ";"}');
SELECT status, inserted, links_inserted, orphans FROM syncup_synchronize('AD');
TABLE target.link;
SELECT t.map('team.code', 'person.dn', column1 => 'c');
SELECT t.map('team.code', 'person.name', column1 => 'a');
SELECT t.map('team.code', 'person.name', column1 => 'c', options => '{"store2": "id"}');
SELECT t.map('team.code', 'person.name', column1 => 'c');
SELECT needs_complete FROM syncup.connector WHERE connector = 'AD';
SELECT t.map('team.code', 'person.name', column1 => 'c', options => '{"split": ";"}');
SELECT needs_complete FROM syncup.connector WHERE connector = 'AD';

-- What an association ends in stays, as far as it needs it.
SELECT t.refused($$SELECT syncup_drop_mapping('AD', 'person')$$);
SELECT t.refused($$SELECT syncup_drop_mapping('H.R', 'org.unit')$$);
SELECT t.refused($$SELECT syncup_drop_connector('H.R')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'ID', '{"ID": "id", "name": "name"}', '{name}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('H.R', 'org.unit', 'target.unit', 'unit.csv', 'id', '{"id": "code"}')$$);
CREATE TABLE target.other_unit (code text PRIMARY KEY);
SELECT t.refused($$SELECT syncup_map_entity_type('H.R', 'org.unit', 'target.other_unit', 'unit.csv', 'code', '{"code": "code"}')$$);
-- Other changes are taken, and the indexes stay.
ALTER TABLE target.team ALTER title DROP NOT NULL;
SELECT syncup_map_entity_type('AD', 'team', 'target.team', 'team2.csv', 'code', '{"code": "code"}', '{dn}');
SELECT count(*) FROM pg_indexes WHERE schemaname = 'syncup_previous' AND tablename = 'ad_team';
-- A column that changed its type, or is gone, is seen at the next run.
ALTER TABLE target.link ALTER b TYPE bigint;
SELECT t.refused($$SELECT syncup_prepare('AD', 'complete')$$);
ALTER TABLE target.link DROP b;
SELECT t.refused($$SELECT syncup_prepare('AD', 'complete')$$);
-- Dropped with all that is theirs, orphans too.
SELECT count(*) AS orphans FROM syncup.orphan;
SELECT syncup_drop_mapping('AD', 'x');
SELECT syncup_drop_mapping('AD', 'place');
SELECT syncup_drop_connector('H.R');
SELECT count(*) AS orphans FROM syncup.orphan;
SELECT syncup_drop_connector('AD');
SELECT count(*) AS ends FROM syncup.association;
SELECT count(*) AS tables FROM pg_class WHERE relkind = 'r' AND relnamespace IN ('syncup_previous'::regnamespace, 'syncup_delta'::regnamespace, 'syncup_changes'::regnamespace);
DROP OWNED BY regress_syncup_linker;
DROP ROLE regress_syncup_linker;
\set end :srcdir '/include/end.sql'
\i :end
