-- Mapping files to tables (SPEC 2.1): what is mapped, what is refused, what an
-- update of a mapping does.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
SELECT syncup_create_connector('AD', t.dir());
CREATE VIEW t.mapped AS
SELECT mapping, source, stored, target, target_type, change_column, format
FROM syncup.mapping_column ORDER BY connector, mapping, ordinal;
CREATE FUNCTION t.columns(relation regclass) RETURNS TABLE (attname name, type text)
LANGUAGE sql AS $$
	SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
	WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped ORDER BY attnum
$$;

-- Columns named, with formats and an unmapped unique key; the tables made.
CREATE TABLE target.person (id int PRIMARY KEY, name varchar(40) NOT NULL, at timestamptz, badge text DEFAULT 'b');
SELECT syncup_map_entity_type('AD', 'Person', 'target.person', 'person.csv', key => 'ID',
	columns => '{"ID": "id", "displayName": "name", "whenChanged": {"column": "at", "format": "generalizedtime"}}', unique_keys => '{dn,displayname}');
SELECT mapping, kind, target, file, key, unique_keys, options, table_name FROM syncup.mapping;
SELECT * FROM t.mapped;
SELECT * FROM t.columns('syncup_previous.ad_person');
SELECT * FROM t.columns('syncup_delta.ad_person');
SELECT * FROM t.columns('syncup_changes.ad_person');
-- Without columns: those of the same name, exactly, else ignoring case; the
-- header as it lies there now. Generated columns are no candidates.
CREATE TABLE target.common (id uuid PRIMARY KEY, "Name" text, name text, "Mail" text, twice text GENERATED ALWAYS AS ("Mail" || "Mail") STORED, other int);
CALL t.write('common.csv', E'ID,name,Name,MAIL,twice,unknown\n');
SELECT syncup_map_entity_type('AD', 'common', 'target.common', 'common.csv', 'id');
SELECT source, target FROM t.mapped WHERE mapping = 'common';
SELECT syncup_drop_mapping('AD', 'common');
-- The options of the connector, and the mapping's own, read that header.
CALL t.write('common.csv', E'# export\nid;mail\n');
SELECT syncup_map_entity_type('AD', 'common', 'target.common', 'common.csv', 'id', options => '{"delimiter": ";", "skip_lines": 1}');
SELECT source, target FROM t.mapped WHERE mapping = 'common';
SELECT syncup_drop_mapping('AD', 'common');
CALL t.write('common.csv', E'a,b\n');
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'common', 'target.common', 'common.csv', 'id')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'common', 'target.common', 'nothing.csv', 'id')$$);
CALL t.write('common.csv', E'id,Mail,Mail\n');
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'common', 'target.common', 'common.csv', 'id')$$);
-- A mapping whose columns are named needs no file yet.
SELECT syncup_map_entity_type('AD', 'common', 'target.common', 'nothing.csv', 'id', '{"id": "id"}');
SELECT syncup_drop_mapping('AD', 'common');

-- The function that refusals are tried with.
CREATE FUNCTION t.map(target text, columns text, key text DEFAULT 'id', more text DEFAULT '') RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT t.refused(format('SELECT syncup_map_entity_type(''AD'', ''x'', %L, ''x.csv'', %L, %L %s)', target, key, columns, more))
$$;
-- Target columns that are not there, generated, of the system, mapped twice.
SELECT t.map('target.common', '{"id": "id", "nam": "nam"}');
SELECT t.map('target.common', '{"id": "ID"}');
SELECT t.map('target.common', '{"id": "id", "x": "ctid"}');
SELECT t.map('target.common', '{"id": "id", "x": "twice"}');
SELECT t.map('target.common', '{"id": "id", "x": "name", "y": "name"}');
ALTER TABLE target.common DROP COLUMN other;
SELECT t.map('target.common', '{"id": "id", "x": "other"}');
-- The key: not mapped, not unique, nullable, unique together with another or in part only.
SELECT t.map('target.common', '{"id": "id", "x": "name"}', 'dn');
SELECT t.map('target.common', '{"id": "id", "x": "name"}', 'dn', $$, '{dn}'$$);
SELECT t.map('target.common', '{"id": "id", "x": "name"}', 'x');
CREATE TABLE target.keys (a int NOT NULL, b int UNIQUE, c int NOT NULL UNIQUE, d int NOT NULL, e int NOT NULL, f int NOT NULL UNIQUE DEFERRABLE, g int DEFAULT 1, PRIMARY KEY (a, d));
CREATE UNIQUE INDEX ON target.keys (e) WHERE e > 0;
CREATE UNIQUE INDEX ON target.keys ((d + 1));
CREATE UNIQUE INDEX ON target.keys (a) INCLUDE (g);
SELECT c AS column, e AS error FROM unnest('{a,b,c,d,e,f}'::text[]) c,
	LATERAL t.map('target.keys', '{"a": "a", "b": "b", "c": "c", "d": "d", "e": "e", "f": "f"}', c) e;
SELECT mapping, key FROM syncup.mapping WHERE mapping = 'x';
SELECT syncup_drop_mapping('AD', 'x');
-- A column that an insert could not fill.
SELECT t.map('target.person', '{"id": "id"}');
CREATE TABLE target.fill (id int PRIMARY KEY, a text NOT NULL DEFAULT 'x', b bigint NOT NULL GENERATED ALWAYS AS IDENTITY, c int NOT NULL GENERATED ALWAYS AS (id + 1) STORED, d text, e text NOT NULL);
SELECT t.map('target.fill', '{"id": "id"}');
SELECT t.map('target.fill', '{"id": "id"}', 'id', $$, options => '{"constants": {"e": "x"}}'$$);
SELECT syncup_drop_mapping('AD', 'x');
-- What is no target: views, temporary tables, catalogs, our own, foreign tables, sequences.
CREATE VIEW target.view AS SELECT 1 AS id;
CREATE MATERIALIZED VIEW target.matview AS SELECT 1 AS id;
CREATE TEMP TABLE temporary (id int PRIMARY KEY);
CREATE SEQUENCE target.sequence;
SELECT x AS target, e AS error FROM unnest('{target.view,target.matview,pg_temp.temporary,pg_class,syncup.connector,syncup_previous.ad_person,target.sequence}'::text[]) x,
	LATERAL t.map(x, '{"id": "id"}') e;
SELECT left(e, 5) AS index FROM t.map('target.person_pkey', '{"id": "id"}') e LIMIT 1;
SELECT t.map('target.nothing', '{"id": "id"}');
CREATE UNLOGGED TABLE target.unlogged (id int PRIMARY KEY);
SELECT t.map('target.unlogged', '{"id": "id"}');
SELECT syncup_drop_mapping('AD', 'x');
-- Two mappings on one target.
SELECT t.map('target.person', '{"id": "id", "n": "name"}');
SELECT syncup_create_connector('HR', t.dir());
SELECT t.refused($$SELECT syncup_map_entity_type('HR', 'y', 'target.person', 'x.csv', 'id', '{"id": "id", "n": "name"}')$$);
-- Documents that are not what they should be.
SELECT c AS columns, e AS error FROM unnest(ARRAY['[]', '"id"', '{}', '{"id": 1}', '{"id": null}', '{"id": {"target": "id"}}', '{"id": {"format": "guid"}}', '{"id": [["id"]]}', '{"": "id"}',
	'{"id": "id", "x": {"column": "name", "format": 5}}']) c,
	LATERAL t.map('target.common', c) e;
SELECT t.map('target.common', '{"id": "id", "x": {"column": "name", "format": "gui"}}') LIMIT 1;
SELECT t.map('target.common', '{"id": "id"}', 'id', $$, '{a,b,c,d}'$$);
SELECT t.map('target.common', '{"id": "id"}', 'id', $$, '{NULL}'$$);
SELECT t.map('target.common', '{"id": "id"}', 'id', $$, '{""}'$$);
SELECT t.map('target.common', '{"id": "id"}', 'id', $$, options => '{"delimeter": ";"}'$$);
SELECT t.map('target.common', '{"id": "id"}', 'id', $$, options => '{"store1": "x"}'$$);
SELECT t.refused($$SELECT syncup_map_entity_type('SAP', 'x', 'target.common', 'x.csv', 'id', '{"id": "id"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('AD', '', 'target.common', 'x.csv', 'id', '{"id": "id"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'x', NULL, 'x.csv', 'id', '{"id": "id"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'x', 'target.common', NULL, 'id', '{"id": "id"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('AD', 'x', 'target.common', 'x.csv', NULL, '{"id": "id"}')$$);
SELECT syncup_create_connector('nowhere');
SELECT t.refused($$SELECT syncup_map_entity_type('nowhere', 'x', 'target.common', 'x.csv', 'id')$$);
-- Names of tables that collide, and that are too long.
CREATE TABLE target.a (id int PRIMARY KEY);
SELECT syncup_create_connector('A', t.dir());
SELECT syncup_create_connector('a_b', t.dir());
SELECT syncup_map_entity_type('A', 'B_c', 'target.a', 'x.csv', 'id', '{"id": "id"}');
SELECT t.refused($$SELECT syncup_map_entity_type('a_b', 'C', 'target.common', 'x.csv', 'id', '{"id": "id"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('A', 'b_C', 'target.common', 'x.csv', 'id', '{"id": "id"}')$$);
SELECT t.refused(format($$SELECT syncup_map_entity_type('AD', %L, 'target.common', 'x.csv', 'id', '{"id": "id"}')$$, repeat('x', 61)));
SELECT syncup_map_entity_type('AD', repeat('x', 60), 'target.common', 'x.csv', 'id', '{"id": "id"}');
SELECT length(table_name) FROM syncup.mapping WHERE mapping ~ 'xxx';
SELECT syncup_drop_mapping('AD', repeat('x', 60));

-- Columns that are called as ours are, that need quotes, or that are too long;
-- and a whole run with them.
CREATE TABLE target."Odd ""Table""" (batch int PRIMARY KEY, command text, changed text, old text, "Mixed ""Case""" text, "a'b" text);
SELECT format($${"batch": "batch", "command": "command", "changed": "changed", "old": "old", "command_": "Mixed \"Case\"", %s: "a'b"}$$, to_json(repeat('ä', 40) || '1')) AS columns \gset
SELECT syncup_map_entity_type('AD', 'Odd "Mapping"', 'target."Odd ""Table"""', 'odd "file''.csv', 'batch', :'columns', ARRAY[repeat('ä', 40) || '2']);
SELECT table_name, target FROM syncup.mapping WHERE mapping ~ 'Odd';
SELECT left(source, 10) AS source, length(source), left(stored, 10) AS stored, length(stored), octet_length(stored), target, change_column FROM t.mapped WHERE mapping ~ 'Odd';
SELECT convert_to(format(E'batch,command,changed,old,command_,%1$s1,%1$s2\n1,a,b,c,d,e,f\n2,,,,,,\n', repeat('ä', 40)), 'UTF8') AS content \gset
CALL t.write('odd.csv', :'content'::bytea);
CALL t.shell($$mv odd.csv "odd \"file'.csv"; printf 'ID,displayName,whenChanged,dn\n' > person.csv$$);
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('AD');
SELECT * FROM target."Odd ""Table""" ORDER BY batch;
CALL t.shell($$sed -i 's/^1,a,b,c,d,e,f$/1,A,b,C,D,E,F/; s/^2/3/' "odd \"file'.csv"$$);
SELECT syncup_prepare('AD', 'complete') AS batch \gset
SELECT * FROM t.synchronize('AD', false, true);
SELECT command, changed, old, batch_, command_, changed_, old_, "Mixed ""Case""", "a'b" FROM syncup_changes."ad_odd ""mapping""" ORDER BY command;
SELECT * FROM syncup_changes(:'batch');
SELECT status, inserted, updated, deleted FROM syncup_resume(:'batch');
SELECT * FROM target."Odd ""Table""" ORDER BY batch;
SELECT batch_ AS batch, command__ AS command, changed, old, command_, (SELECT count(*) FROM t.columns('syncup_previous."ad_odd ""mapping"""')) AS columns FROM syncup_previous."ad_odd ""mapping""" ORDER BY batch;

-- Updates of a mapping. With nothing applied, everything may change, the key too.
CREATE TABLE target.emp (id int PRIMARY KEY DEFAULT 0, no text NOT NULL UNIQUE DEFAULT gen_random_uuid(), name text, born date);
SELECT syncup_create_connector('UP', t.dir());
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp.csv', 'no', '{"no": "no", "name": "name"}');
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp2.csv', 'id', '{"id": "id", "name": "name"}');
SELECT key, file FROM syncup.mapping WHERE connector = 'UP';
SELECT * FROM t.columns('syncup_previous.up_emp');
CALL t.write('emp2.csv', E'id,no,name,born,dn\n1,x1,Ada,1815-12-10,a\n2,x2,Bob,31/12/1990,b\n');
SELECT syncup_prepare('UP', 'initial') AS batch \gset
-- While a batch waits nothing may change.
SELECT t.refused($$SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp2.csv', 'id', '{"id": "id", "name": "name", "no": "no"}')$$);
SELECT t.refused($$SELECT syncup_drop_mapping('UP', 'emp')$$);
SELECT * FROM t.synchronize('UP');
-- With rows applied: not the key, not the target.
SELECT t.refused($$SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp2.csv', 'no', '{"id": "id", "no": "no"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('UP', 'emp', 'target.common', 'emp2.csv', 'id', '{"id": "id"}')$$);
-- The same again changes nothing.
CREATE TEMP TABLE before AS SELECT * FROM t.snapshot();
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp2.csv', 'id', '{"id": "id", "name": "name"}');
TABLE before EXCEPT SELECT * FROM t.snapshot();
SELECT needs_complete FROM syncup.connector WHERE connector = 'UP';
-- Another file: no stored row becomes wrong.
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp.csv', 'id', '{"id": "id", "name": "name"}');
SELECT needs_complete FROM syncup.connector WHERE connector = 'UP';
-- A column more: previous does not have it yet; a complete run repairs that.
CALL t.shell('mv emp2.csv emp.csv');
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp.csv', 'id', '{"id": "id", "no": "no", "name": "name"}', '{dn}');
SELECT needs_complete FROM syncup.connector WHERE connector = 'UP';
SELECT id, name, no, dn FROM syncup_previous.up_emp ORDER BY id;
SELECT t.refused($$SELECT syncup_prepare('UP', 'incremental')$$);
SELECT syncup_set_thresholds('UP', '{"max_percentage_updated_lines": 0}');
SELECT syncup_prepare('UP', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('UP');
SELECT id, no, name FROM target.emp ORDER BY id;
SELECT id, no, name, dn FROM syncup_previous.up_emp ORDER BY id;
SELECT needs_complete FROM syncup.connector WHERE connector = 'UP';
-- Another format: the same text, other values.
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp.csv', 'id', '{"id": "id", "born": {"column": "born", "format": "datetime:YYYY-MM-DD"}}');
SELECT needs_complete FROM syncup.connector WHERE connector = 'UP';
SELECT t.refused($$SELECT syncup_prepare('UP', 'complete')$$);
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp.csv', 'id', '{"id": "id", "born": "born"}', options => '{"on_error": "quarantine"}');
SELECT needs_complete FROM syncup.connector WHERE connector = 'UP';
SELECT * FROM t.columns('syncup_previous.up_emp');
SELECT * FROM t.columns('syncup_changes.up_emp');
-- A target's column that changes its type, or goes: refused until it is mapped again.
ALTER TABLE target.emp ALTER born TYPE timestamp;
SELECT t.refused($$SELECT syncup_prepare('UP', 'complete')$$);
SELECT syncup_map_entity_type('UP', 'emp', 'target.emp', 'emp.csv', 'id', '{"id": "id", "born": "born"}');
ALTER TABLE target.emp RENAME born TO birth;
SELECT t.refused($$SELECT syncup_prepare('UP', 'complete')$$);
-- A target that is renamed or moved is still the target; one that is dropped is gone.
ALTER TABLE target.emp RENAME birth TO born;
ALTER TABLE target.emp RENAME TO employee;
SELECT target FROM syncup.mapping WHERE connector = 'UP';
DROP TABLE target.employee;
SELECT t.refused($$SELECT syncup_prepare('UP', 'complete')$$);
SELECT syncup_drop_mapping('UP', 'emp');
SELECT t.refused($$SELECT syncup_prepare('UP', 'complete')$$);
-- Dropped and mapped anew, previous begins empty; thresholds of the mapping go with it.
SELECT syncup_set_thresholds('AD', '{"maximum_deleted_lines": 1}', 'Person');
SELECT syncup_drop_mapping('AD', 'Person');
SELECT count(*) FROM syncup.threshold WHERE mapping = 'Person';
SELECT to_regclass('syncup_previous.ad_person'), to_regclass('syncup_delta.ad_person'), to_regclass('syncup_changes.ad_person'), to_regclass('target.person');

\set end :srcdir '/include/end.sql'
\i :end
