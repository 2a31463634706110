-- The configuration as a document (SPEC 2.1).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
\pset format unaligned
SET client_min_messages = warning;
CREATE TABLE target.usr (id int PRIMARY KEY, name text, login text, created timestamptz, boss int);
CREATE TABLE target.grp (a int, b int, label text, PRIMARY KEY (a, b));
CREATE TABLE target.team (id text PRIMARY KEY);
CREATE TABLE target.member (team text, usr int, role text, PRIMARY KEY (team, usr, role));
CREATE TABLE target.account (login text PRIMARY KEY, mail text);
CALL t.shell($$printf 'id,name,when,boss,dn\n1,a,20240101000000Z,,x\n' >usr.csv; printf 'a,b,label\n1,2,x\n' >grp.csv; printf 'id\nt\n' >team.csv; printf 'team,usr,role\nt,1,o\n' >member.csv$$);
CREATE FUNCTION t.configure() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector('A', t.dir(), '{"on_error": "quarantine", "reject_limit": {"rejected": 5}}');
	PERFORM syncup_map_entity_type('A', 'usr', 'target.usr', 'usr.csv', 'id', '{"id": "id", "name": [{"column": "name", "write": "insert"}, "login"], "when": {"column": "created", "format": "generalizedtime"}}', '{dn}', '{"scope": "id > 0", "trim": " \t"}');
	PERFORM syncup_map_entity_type('A', 'grp', 'target.grp', 'grp.csv', ARRAY['a', 'b'], '{"a": "a", "b": "b", "label": {"column": "label", "empty": "keep"}}');
	PERFORM syncup_map_association('A', 'boss', 'usr.csv', 'id', 'usr.id', 'boss', 'usr.id', 'target.usr', target_column2 => 'boss');
	PERFORM syncup_set_thresholds('A', '{"maximum_deleted_lines": 7, "max_percentage_updated_lines": 2.5}');
	PERFORM syncup_set_thresholds('A', '{"maximum_inserted_lines": 3}', 'usr');
	PERFORM syncup_add_check('A', 'names', 'SELECT 1 FROM usr WHERE name = ''''', 'usr'), syncup_add_check('A', 'any', 'SELECT 1 FROM link_changes WHERE false');
	PERFORM syncup_create_connector('B', t.dir());
	PERFORM syncup_map_entity_type('B', 'team', 'target.team', 'team.csv', 'id');
	PERFORM syncup_map_association('B', 'member', 'member.csv', 'team', 'team.id', 'usr', 'A.usr.id', 'target.member', 'team', 'usr', '{"columns": {"role": "role"}, "link_key": ["role"]}');
	PERFORM syncup_deactivate('B');
	PERFORM syncup_create_jobs('A');
	PERFORM syncup_create_job('both', false, '{"comment": "it''s"}'), syncup_add_step('both', 'one', 'sql', options => '{"statement": "SELECT 1"}'), syncup_add_step('both', 'two', 'sql', parents => '{one}', options => '{"statement": "SELECT ''x''"}');
	PERFORM syncup_define_expression('target.usr', 'login', $q$lower(r.name) || '@' || v$q$, 1, 'boss.name');
EXCEPTION WHEN OTHERS THEN RAISE;
END $$;
SELECT t.error('SELECT t.configure()');
-- the login is mapped: no expression may write it
CREATE OR REPLACE FUNCTION t.rules() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	ALTER TABLE target.usr ADD mail text;
	PERFORM syncup_define_expression('target.usr', 'mail', $q$lower(r.name) || '@' || v$q$, 1, 'boss.name');
	PERFORM syncup_create_resource_type('R', 'target.usr', 'target.account', '{"review": false, "fulfill": {"kind": "internal"}}');
	PERFORM syncup_define_correlation('R', 'o.name', 'a.login', 110);
	PERFORM syncup_define_role('boss', 'target.usr', 'o.boss IS NULL'), syncup_define_role('any', 'target.usr', 'true', 'boss');
	PERFORM syncup_define_type_rule('R', 'o.id > 1', 'boss'), syncup_define_scalar_rule('R', 'mail', 'o.mail', '{"mapped": false, "compare": "case"}'), syncup_define_scalar_rule('R', 'login', 'o.name');
	PERFORM syncup_define_classification('R', 'a.mail IS NULL', 90), syncup_define_profile('reader', 'target.usr', 'o.id = 1');
END $$;
DO $do$ BEGIN EXECUTE replace(pg_get_functiondef('t.configure()'::regprocedure), 'PERFORM syncup_define_expression(''target.usr'', ''login'', $q$lower(r.name) || ''@'' || v$q$, 1, ''boss.name'');', 'PERFORM t.rules();'); END $do$;
SELECT t.configure();
SELECT replace(jsonb_pretty(syncup_export_configuration('A')), t.dir(), '<dir>');
SELECT replace(jsonb_pretty(syncup_export_configuration() - 'connectors' - 'entity_types' - 'steps'), t.dir(), '<dir>');
-- what is there is not touched
SELECT * FROM syncup_import_configuration(syncup_export_configuration());
CREATE TABLE t.document AS SELECT syncup_export_configuration() AS d;
-- into an empty place: the same comes out
DROP EXTENSION syncup CASCADE;
CREATE EXTENSION syncup;
SELECT * FROM syncup_import_configuration((SELECT d FROM t.document), true);
SELECT syncup_export_configuration() - 'syncup';
SELECT count(*), count(DISTINCT change) FROM syncup_import_configuration((SELECT d FROM t.document));
SELECT syncup_export_configuration() = d FROM t.document;
SELECT * FROM syncup_import_configuration((SELECT d FROM t.document));
-- a limit that was loosened comes back, what a document does not say stays, what it says wrongly is refused
SELECT syncup_set_thresholds('A', '{"max_percentage_deleted_lines": 100}');
SELECT * FROM syncup_import_configuration((SELECT d FROM t.document));
SELECT syncup_export_configuration() = d FROM t.document;
SELECT * FROM syncup_import_configuration('{"syncup": "0.2.0", "connectors": [{"name": "A", "connector": "A"}], "limits": [{"name": "A", "connector": "A", "limits": {"maximum_deleted_lines": 7}}]}');
SELECT * FROM syncup_import_configuration('{"syncup": "0.2.0", "connectors": [{"name": "N", "connector": "N"}]}');
SELECT active FROM syncup.connector WHERE connector = 'N';
SELECT syncup_drop_connector('N');
SELECT t.error($$SELECT * FROM syncup_import_configuration('{"syncup": "0.2.0", "connectors": [{"name": "A", "connector": "A", "direcotry": "/tmp"}]}')$$);
SELECT t.error($$SELECT * FROM syncup_import_configuration('{"syncup": "0.2.0", "connectors": [{"name": "N", "connector": "M"}]}')$$);
SELECT syncup_export_configuration() = d FROM t.document;
-- what differs is told, changed, and nothing else; an option that is gone goes back to its default
SELECT i.* FROM t.document, syncup_import_configuration(jsonb_set(jsonb_set(d, '{connectors,0,options}', '{"quoting": "lenient"}'), '{limits,0,limits,maximum_deleted_lines}', '9'), true) i;
SELECT i.* FROM t.document, syncup_import_configuration(jsonb_set(jsonb_set(d, '{connectors,0,options}', '{"quoting": "lenient"}'), '{limits,0,limits,maximum_deleted_lines}', '9')) i;
SELECT options FROM syncup.connector WHERE connector = 'A';
SELECT i.* FROM t.document, syncup_import_configuration(d) i;
SELECT syncup_export_configuration() = d FROM t.document;
-- all or nothing
SELECT t.error($$SELECT i.* FROM t.document, syncup_import_configuration(jsonb_set(jsonb_set(d, '{connectors,0,directory}', '"/elsewhere"'), '{entity_types,0,options,scope}', '"no_such_column > 0"')) i$$);
SELECT syncup_export_configuration() = d FROM t.document;
-- said at more length it is the same
SELECT i.* FROM t.document, syncup_import_configuration(jsonb_set(jsonb_set(jsonb_set(d, '{entity_types,0,columns,id}', '[{"column": "id", "format": null}]'), '{connectors,0,options,trim}', 'null'), '{connectors,0,nothing}', 'null')) i;
-- an error says where in the document
CREATE TABLE t.wrong AS SELECT row_number() OVER () AS n, w.* FROM (VALUES ('{connectors,0,options,quoting}', '"lenent"'), ('{connectors,0,options}', '7'), ('{connectors,0,options}', '{"qoting": "lenient"}'), ('{connectors,0,active}', '"perhaps"'),
	('{entity_types,0,columns,when,format}', '"genralizedtime"'), ('{entity_types,0,columns,when,column}', '"creatd"'), ('{entity_types,1,target}', '"target.grup"'), ('{entity_types,0,unique_keys}', '"dn"'), ('{entity_types,0,columns}', '[]'),
	('{entity_types,1,key}', '["a", "c"]'), ('{entity_types,0,options,scope}', '"idd > 0"'), ('{associations,1,property2}', '"A.usr.nope"'), ('{limits,0,limits,maximum_deleted_lines}', '"many"'), ('{limits,0,limits,maximum_deletd_lines}', '3'),
	('{checks,0,query}', '"SELECT 1 FROM nowhere"'), ('{resource_types,0,account}', '"target.acount"'), ('{rules,0,kind}', '"wish"'), ('{jobs,0,incremental}', '"perhaps"'), ('{steps,1,parents}', '["oen"]'), ('{steps,0,kind}', '"sqll"'), ('{steps,0,start_when}', '"never"'),
	('{steps,1,step}', '"other"'), ('{entity_types,0,file}', '7'), ('{rules,1,condition}', 'null'), ('{entity_types,0,nothing}', 'null'), ('{steps,1,name}', '"both.one"'), ('{rules,1}', '3'), ('{rules,1,name}', 'null'), ('{senders}', '{}')) w (path, value);
SELECT n, path, value, string_to_table(t.error(format($$SELECT i.* FROM t.document, syncup_import_configuration(jsonb_set(d, %L, %L)) i$$, path, value)), E'\n') FROM t.wrong;
SELECT syncup_export_configuration() = d FROM t.document;
-- what is no document
SELECT t.error($$SELECT * FROM syncup_import_configuration('[]')$$);
SELECT t.error($$SELECT * FROM syncup_import_configuration('{"connectors": []}')$$);
SELECT t.error($$SELECT * FROM syncup_import_configuration('{"syncup": "1", "conectors": []}')$$);
SELECT t.error($$SELECT * FROM syncup_import_configuration('{"syncup": "1", "connectors": [{"connector": "X"}]}')$$);
SELECT t.error($$SELECT * FROM syncup_import_configuration('{"syncup": "1", "rules": [{"name": "x", "kind": "wish"}]}')$$);
SELECT t.error($$SELECT syncup_export_configuration('X')$$);
-- names in which dots stand are other names
SELECT syncup_create_connector('x', t.dir()), syncup_create_connector('x.y', t.dir()), syncup_create_connector('"x"', t.dir());
CREATE TABLE target.other (id text PRIMARY KEY);
SELECT syncup_map_entity_type('x', 'y', 'target.other', 'team.csv', 'id');
SELECT syncup_set_thresholds('x', '{"maximum_deleted_lines": 7}', 'y');
SELECT t ->> 'name' AS name FROM jsonb_array_elements(syncup_export_configuration() -> 'limits') AS t WHERE t ->> 'connector' ~ 'x';
SELECT * FROM syncup_import_configuration(syncup_export_configuration());

\set end :srcdir '/include/end.sql'
\i :end
