-- Who may do what (SPEC 3).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_nobody, regress_syncup_configure, regress_syncup_operate, regress_syncup_look, regress_syncup_reader;
RESET client_min_messages;
CREATE ROLE regress_syncup_nobody;
CREATE ROLE regress_syncup_configure;
CREATE ROLE regress_syncup_operate;
CREATE ROLE regress_syncup_look;
CREATE ROLE regress_syncup_reader;
GRANT USAGE ON SCHEMA t TO PUBLIC;

-- Every object of the extension, and what PUBLIC may do with it.
CREATE VIEW t.objects AS
SELECT d.classid::regclass AS class, d.objid
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE e.extname = 'syncup' AND d.deptype IN ('e', 'a');
CREATE TABLE target.person (id int PRIMARY KEY, name text, badge text);
SELECT syncup_create_connector('SU', t.dir());
SELECT syncup_map_entity_type('SU', 'person', 'target.person', 'person.csv', 'id', '{"id": "id"}');
-- (What detectors ask of a value reads nothing but its arguments.)
SELECT objid::regprocedure AS public_may FROM t.objects WHERE class = 'pg_proc'::regclass AND has_function_privilege('public', objid, 'EXECUTE') AND objid::regprocedure::text !~ '^syncup\.detect_' ORDER BY objid::regprocedure::text COLLATE "C";
SELECT count(*) > 15 AS functions FROM t.objects WHERE class = 'pg_proc'::regclass;
SELECT objid::regclass AS public_may, privilege FROM t.objects, unnest('{SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER}'::text[]) privilege
WHERE class = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = objid) IN ('r', 'v', 'p', 'm', 'f') AND (has_table_privilege('public', objid, privilege) OR has_any_column_privilege('public', objid, 'SELECT'))
ORDER BY objid::regclass::text COLLATE "C", privilege;
SELECT objid::regclass AS public_may FROM t.objects
WHERE class = 'pg_class'::regclass AND CASE WHEN (SELECT relkind FROM pg_class WHERE oid = objid) = 'S' THEN has_sequence_privilege('public', objid, 'USAGE, SELECT, UPDATE') END ORDER BY 1;
SELECT objid::regnamespace AS public_may FROM t.objects WHERE class = 'pg_namespace'::regclass AND (has_schema_privilege('public', objid, 'USAGE') OR has_schema_privilege('public', objid, 'CREATE')) ORDER BY 1;
SELECT count(*) AS tables FROM t.objects WHERE class = 'pg_class'::regclass AND objid::regclass::text ~ 'su_person$';
-- The search path is pinned in every function; only a procedure that commits cannot have it, and
-- those that are called for every row, and look nothing up, do without.
SELECT p.oid::regprocedure AS not_pinned FROM pg_proc p JOIN t.objects ON class = 'pg_proc'::regclass AND objid = p.oid
WHERE NOT coalesce(p.proconfig, '{}') && '{"search_path=pg_catalog, pg_temp","search_path=\"pg_catalog, pg_temp\""}'::text[] AND p.prosqlbody IS NULL ORDER BY p.oid::regprocedure::text COLLATE "C";
SELECT p.oid::regprocedure AS definer FROM pg_proc p JOIN t.objects ON class = 'pg_proc'::regclass AND objid = p.oid WHERE p.prosecdef ORDER BY p.oid::regprocedure::text COLLATE "C";
-- Every object is described.
SELECT pg_describe_object(class, objid, 0) AS not_described FROM t.objects
WHERE class IN ('pg_proc'::regclass, 'pg_namespace'::regclass) AND obj_description(objid, class::name) IS NULL
	OR class = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = objid) IN ('r', 'v') AND obj_description(objid, 'pg_class') IS NULL AND objid::regclass::text !~ '^syncup_(previous|delta)' ORDER BY 1;

-- A role without rights can call nothing, and look at nothing.
GRANT SELECT ON t.objects TO PUBLIC;
SET ROLE regress_syncup_nobody;
SELECT objid::oid::regproc AS may_execute FROM t.objects WHERE class = 'pg_proc'::regclass AND has_function_privilege(objid, 'EXECUTE') AND objid::regprocedure::text !~ '^syncup\.detect_' ORDER BY objid::regprocedure::text COLLATE "C";
SELECT syncup_create_connector('X');
SELECT syncup_synchronize('SU');
CALL syncup_run('SU', 'complete');
SELECT * FROM syncup_csv_header('/etc/passwd');
SELECT * FROM syncup.batch;
SELECT * FROM syncup_previous.su_person;
RESET ROLE;

-- Files: the reading functions alone do not let anybody read.
CALL t.shell('mkdir -p in in2 in/sub out && chmod 755 . && ln -s ../out in/link && ln -s ../out/secret.csv in/secret && ln -s sub in/inner && printf "a\n1\n" | tee in/a.csv in2/a.csv in/sub/a.csv out/secret.csv >&2');
GRANT EXECUTE ON FUNCTION syncup_read_csv, syncup_csv_header, syncup_read_delta TO regress_syncup_reader;
SHOW syncup.directories;
CREATE FUNCTION t.may_read(path text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM * FROM syncup_read_csv(t.dir() || path) AS (a int);
	RETURN 'yes';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || replace(SQLERRM, t.dir(), '<dir>');
END
$$;
-- The error of reading, without what was asked for.
CREATE FUNCTION t.told(path text, options jsonb DEFAULT '{}') RETURNS text
LANGUAGE sql AS $$
	SELECT regexp_replace(string_agg(line, ' '), 'secr[a-z*.]*|noth[a-z*.]*', '...', 'g') FROM t.error(format('SELECT * FROM syncup_csv_header(%L, %L)', t.dir() || path, options)) line
$$;
SET ROLE regress_syncup_reader;
SELECT t.may_read('/in/a.csv');
SELECT t.error($$SELECT * FROM syncup_csv_header(t.dir() || '/in/a.csv')$$);
SELECT t.error($$SELECT * FROM syncup_csv_header('/etc/passwd')$$);
-- The setting is the superuser's alone; it cannot even be read.
SET syncup.directories = '/';
SELECT t.sqlstate('SHOW syncup.directories');
RESET ROLE;
SELECT set_config('syncup.directories', format('%s, "%s/in"', '/nonexistent', t.dir()), false) <> '' AS set;
SET ROLE regress_syncup_reader;
SET syncup.directories = '/';
SELECT path, t.may_read(path) FROM unnest('{/in/a.csv,/in//a.csv,/in/./a.csv,/in/sub/a.csv,/in/inner/a.csv,/in/sub/../a.csv,/in/../in/a.csv,/out/../in/a.csv,
	/out/secret.csv,/in/../out/secret.csv,/in/sub/../../out/secret.csv,/in/link/secret.csv,/in/secret,/in2/a.csv,/in,/in/nothing.csv,/in/nothing/nothing.csv,/out/nothing.csv,/nothing/nothing.csv,/in/link/nothing.csv,/in2}'::text[]) WITH ORDINALITY AS p (path, n) ORDER BY n;
-- A file outside is refused alike, there or not; also by header, delta, pattern and done_suffix.
SELECT t.told('/out/secret.csv') = t.told('/out/nothing.csv') AS same;
SELECT t.error($$SELECT * FROM syncup_csv_header(t.dir() || '/out/secret.csv')$$);
SELECT t.error($$SELECT * FROM syncup_read_delta(t.dir() || '/out/secret.csv') AS (command text)$$);
SELECT t.error($$SELECT * FROM syncup_csv_header(t.dir() || '/out/sec*', '{"pattern": true}')$$);
SELECT t.error($$SELECT * FROM syncup_csv_header(t.dir() || '/ou[t]/sec*', '{"pattern": true}')$$);
SELECT t.told('/in/lin[k]/sec*', '{"pattern": true}') ~ '^(42501|58P01):' AS refused;
SELECT t.error($$SELECT * FROM syncup_csv_header(t.dir() || '/in/{a,/../out/secret}.csv', '{"pattern": true}')$$);
SELECT t.told('/in/secre[t]', '{"pattern": true}') ~ '^(42501|58P01):' AS refused;
SELECT * FROM syncup_csv_header(t.dir() || '/in/*.csv', '{"pattern": true}');
SELECT t.told('/in/a.csv', '{"done_suffix": "/../../out/secret.csv"}') = t.told('/in/a.csv', '{"done_suffix": "/../../out/nothing.csv"}') AS same;
SELECT t.told('/in/sub', '{"done_suffix": "/../../out/secret.csv"}') = t.told('/in/sub', '{"done_suffix": "/../../out/nothing.csv"}') AS same;
SELECT t.told('/in/l', '{"done_suffix": "ink/secret.csv"}') = t.told('/in/l', '{"done_suffix": "ink/nothing.csv"}') AS same;
SELECT p AS pattern, t.told(p || 'secr*', '{"pattern": true}') = t.told(p || 'noth*', '{"pattern": true}') AS same
FROM unnest('{/out/,/in/../out/,/in/[s]ub/../../out/,/in/sub/../../ou[t]/,/in/lin[k]/}'::text[]) AS p;
-- Nor does the planner tell the size of a file.
EXPLAIN SELECT * FROM syncup_read_csv('/etc/passwd') AS (a int);
RESET ROLE;
-- A member of pg_read_server_files may read all.
GRANT pg_read_server_files TO regress_syncup_reader;
SET ROLE regress_syncup_reader;
SELECT t.may_read('/out/secret.csv');
RESET ROLE;
REVOKE pg_read_server_files FROM regress_syncup_reader;
-- In a session that has not loaded the library yet, a value set beforehand does not count.
\! sh $PG_ABS_SRCDIR/include/psql "SELECT t.may_read('/out/secret.csv')" -c "SET SESSION AUTHORIZATION regress_syncup_reader" -c "SET syncup.directories = '/'"
\! sh $PG_ABS_SRCDIR/include/psql "SELECT t.may_read('/out/secret.csv')" -c "SET SESSION AUTHORIZATION regress_syncup_reader" -c "SELECT set_config('syncup.directories', '/', false)"
\! sh $PG_ABS_SRCDIR/include/psql "SELECT t.may_read('/in/a.csv')" -c "SET syncup.directories = '$SYNCUP_TEST_DIR/in'" -c "SET ROLE regress_syncup_reader" 
\! sh $PG_ABS_SRCDIR/include/psql "ALTER ROLE regress_syncup_reader SET syncup.directories = '/'" -c "SET SESSION AUTHORIZATION regress_syncup_reader"
\! sh $PG_ABS_SRCDIR/include/psql "SET syncup.no_such_setting = '/'" -c "LOAD 'syncup'"

-- The three roles of the manual, with nothing but plain GRANTs, without superuser.
GRANT EXECUTE ON FUNCTION syncup_create_connector, syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb), syncup_set_thresholds, syncup_drop_connector, syncup_drop_mapping, syncup_activate, syncup_deactivate TO regress_syncup_configure;
GRANT EXECUTE ON FUNCTION syncup_prepare, syncup_synchronize, syncup_resume(uuid, boolean), syncup_resume(text, boolean), syncup_discard(uuid, text), syncup_discard(text, text) TO regress_syncup_operate;
GRANT EXECUTE ON PROCEDURE syncup_run TO regress_syncup_operate;
GRANT EXECUTE ON FUNCTION syncup_changes TO regress_syncup_look;
GRANT USAGE ON SCHEMA syncup, syncup_changes TO regress_syncup_look;
GRANT SELECT ON ALL TABLES IN SCHEMA syncup, syncup_changes TO regress_syncup_look;
ALTER DEFAULT PRIVILEGES IN SCHEMA syncup_changes GRANT SELECT ON TABLES TO regress_syncup_look;
GRANT USAGE ON SCHEMA target TO regress_syncup_configure, regress_syncup_operate;
-- Configure: a directory and a table that one may use oneself.
CALL t.write('in/person.csv', E'id,name\n1,Ada\n2,Bob\n');
CALL t.shell('chmod 644 in/person.csv');
SET ROLE regress_syncup_configure;
SELECT t.error($$SELECT syncup_create_connector('AD', t.dir() || '/out')$$);
SELECT t.error($$SELECT syncup_create_connector('AD', t.dir() || '/in2')$$);
SELECT syncup_create_connector('AD', t.dir() || '/in');
SELECT t.error($$SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}')$$);
RESET ROLE;
SELECT syncup_drop_connector('SU');
SET ROLE regress_syncup_configure;
SELECT t.error($$SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}')$$);
RESET ROLE;
-- Each right is needed, on the mapped columns only.
CREATE FUNCTION t.try_map() RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	SET LOCAL ROLE regress_syncup_configure;
	RETURN QUERY SELECT t.error($q$SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}')$q$);
	RESET ROLE;
END
$$;
GRANT SELECT (id, name) ON target.person TO regress_syncup_configure;
SELECT t.try_map();
GRANT INSERT (id, name) ON target.person TO regress_syncup_configure;
SELECT t.try_map();
GRANT UPDATE (id, name) ON target.person TO regress_syncup_configure;
SELECT t.try_map();
GRANT DELETE ON target.person TO regress_syncup_configure;
SELECT t.try_map();
-- A file elsewhere is refused, whatever way it is named.
SET ROLE regress_syncup_configure;
SELECT f AS file, e AS error FROM unnest(ARRAY['../out/secret.csv', t.dir() || '/out/secret.csv', 'link/secret.csv', 'secret', '../in2/a.csv', '/etc/passwd']) f,
	LATERAL t.error(format($$SELECT syncup_map_entity_type('AD', 'person', 'target.person', %L, 'id', '{"id": "id", "name": "name"}')$$, f)) e WHERE e !~ 'HINT' AND f !~ 'syncup_test' ORDER BY f COLLATE "C", e COLLATE "C";
SELECT t.error($$SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}', options => '{"incremental_file": "../out/secret.csv"}')$$);
SELECT syncup_set_thresholds('AD', '{"max_percentage_inserted_lines": 60, "max_percentage_updated_lines": 60, "max_percentage_deleted_lines": 10}');
SELECT t.error($$SELECT syncup_prepare('AD', 'initial')$$);
SELECT t.error($$SELECT * FROM syncup.connector$$);
RESET ROLE;
-- Operate: reads files and writes targets with one's own rights only.
SET ROLE regress_syncup_operate;
SELECT t.error($$SELECT syncup_prepare('AD', 'initial')$$);
RESET ROLE;
GRANT SELECT ON target.person TO regress_syncup_operate;
SET ROLE regress_syncup_operate;
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT status, inserted FROM syncup_synchronize('AD');
RESET ROLE;
SELECT status, error, sqlstate, prepared_by, synchronized_by FROM syncup.batch;
SELECT count(*) FROM target.person;
GRANT INSERT (id, name), UPDATE (id, name), DELETE ON target.person TO regress_syncup_operate;
SET ROLE regress_syncup_operate;
SELECT status, inserted FROM syncup_synchronize('AD');
RESET ROLE;
CALL t.write('in/person.csv', E'id,name\n1,Ada!\n3,Cy\n');
CALL t.shell('chmod 644 in/person.csv');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')" -c "SET syncup.directories = '$SYNCUP_TEST_DIR/in'" -c "SET ROLE regress_syncup_operate"
SELECT batch FROM syncup.batch WHERE status = 'blocked' \gset
-- Without the directory, nothing is read.
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')" -c "SET ROLE regress_syncup_operate"
SELECT status, error ~ 'permission denied for file' AS permission FROM syncup.batch WHERE prepared_at IS NULL;
-- Look: sees what is blocked, and can do nothing.
SET ROLE regress_syncup_look;
SELECT mapping, counter, count FROM syncup.threshold_check WHERE exceeded ORDER BY 1, 2;
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(:'batch');
SELECT connector, last_status, queue_length, blocked IS NOT NULL AS blocked FROM syncup.status;
SELECT command, id, name FROM syncup_changes.ad_person ORDER BY id;
SELECT t.error(format('SELECT syncup_resume(%L)', :'batch'));
SELECT t.error(format('SELECT syncup_discard(%L)', :'batch'));
SELECT t.error('SELECT * FROM syncup_previous.ad_person');
SELECT t.error('SELECT * FROM target.person');
RESET ROLE;
SET ROLE regress_syncup_operate;
SELECT status, inserted, updated, deleted FROM syncup_resume(:'batch');
RESET ROLE;
SELECT * FROM target.person ORDER BY id;
SELECT decision, decided_by FROM syncup.batch WHERE batch = :'batch';
-- None of them can write our tables.
SELECT rolname, objid::regclass AS may_write FROM t.objects, pg_roles
WHERE rolname ~ '^regress_syncup' AND class = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = objid) IN ('r', 'v')
AND (has_table_privilege(rolname, objid, 'INSERT') OR has_table_privilege(rolname, objid, 'UPDATE') OR has_table_privilege(rolname, objid, 'DELETE') OR has_table_privilege(rolname, objid, 'TRUNCATE'))
ORDER BY rolname, objid::regclass::text COLLATE "C";
SET ROLE regress_syncup_configure;
SELECT t.error($$UPDATE syncup.connector SET directory = '/'$$);
SELECT t.error($$INSERT INTO syncup_delta.ad_person (batch, command, id) VALUES ('00000000-0000-0000-0000-000000000000', 'insert', '9')$$);
RESET ROLE;
-- Row-level security of the target holds: what one may not see is not changed,
-- what one may not write fails the batch.
ALTER TABLE target.person ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON target.person TO regress_syncup_operate USING (id < 100) WITH CHECK (name <> 'Nobody');
INSERT INTO target.person VALUES (100, 'hidden');
CALL t.write('in/person.csv', E'id,name\n1,Ada!\n3,Cy\n');
SET ROLE regress_syncup_operate;
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT status, inserted, updated, deleted FROM syncup_synchronize('AD', true);
RESET ROLE;
SELECT id FROM target.person ORDER BY id;
CALL t.write('in/person.csv', E'id,name\n1,Nobody\n3,Cy\n');
SET ROLE regress_syncup_operate;
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('AD', true);
RESET ROLE;
SELECT error, sqlstate FROM syncup.batch WHERE status = 'failed' AND prepared_at IS NOT NULL;

-- A trigger of the target runs with the rights of the caller, not as our owner.
CREATE TABLE t.who (who name, definer name);
GRANT INSERT ON t.who TO PUBLIC;
ALTER TABLE target.person DISABLE ROW LEVEL SECURITY;
CREATE FUNCTION t.who() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t.who VALUES (current_user, session_user); RETURN NEW; END $$;
CREATE TRIGGER who BEFORE INSERT OR UPDATE OR DELETE ON target.person FOR EACH STATEMENT EXECUTE FUNCTION t.who();
SET ROLE regress_syncup_operate;
SELECT status FROM syncup_synchronize('AD', true);
SELECT current_user;
RESET ROLE;
SELECT DISTINCT who FROM t.who;
DROP TRIGGER who ON target.person;
-- So does an input function's, a domain's or an index's code; after an error the caller is the caller.
SET ROLE regress_syncup_operate;
SELECT t.error($$SELECT syncup_prepare('AD', 'nonsense')$$) LIMIT 1;
SELECT current_user;
RESET ROLE;

-- Somebody else's operators, functions, types and tables in front of ours.
CREATE SCHEMA hostile;
CREATE FUNCTION hostile.bang() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'hostile'; END $$;
DO $$
DECLARE
	type text;
	operator text;
	name text;
BEGIN
	FOREACH type IN ARRAY '{text,uuid,int4,int8,numeric,bool,name,jsonb,timestamptz,oid,"char"}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION hostile.op(pg_catalog.%1$s, pg_catalog.%1$s) RETURNS boolean LANGUAGE sql AS ''SELECT hostile.bang()''', type);
		FOREACH operator IN ARRAY '{=,<>,<,>,<=,>=,||,+,-,*}'::text[] LOOP
			EXECUTE format('CREATE OPERATOR hostile.%s (FUNCTION = hostile.op, LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s)', operator, type, type);
		END LOOP;
	END LOOP;
	FOREACH name IN ARRAY '{lower,upper,format,quote_ident,quote_literal,max,min,sum,length,round,now,clock_timestamp,to_regclass,unnest,jsonb_each}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION hostile.%I(VARIADIC pg_catalog.text[]) RETURNS boolean LANGUAGE sql AS ''SELECT hostile.bang()''', name);
		EXECUTE format('CREATE FUNCTION hostile.%I(pg_catalog.text) RETURNS boolean LANGUAGE sql AS ''SELECT hostile.bang()''', name);
	END LOOP;
	FOREACH name IN ARRAY '{text,uuid,jsonb,int4,int8,bool,regclass}'::text[] LOOP
		EXECUTE format('CREATE DOMAIN hostile.%I AS pg_catalog.text CHECK (hostile.bang())', name);
	END LOOP;
	FOREACH name IN ARRAY '{connector,batch,mapping,pg_class,pg_proc,syncup_source,syncup_change}'::text[] LOOP
		EXECUTE format('CREATE TABLE hostile.%I (x pg_catalog.int4)', name);
	END LOOP;
END
$$;
CALL t.write('in/person.csv', E'id,name,at\n1,Ada,\n3,Cy,2020-01-01\n4,New,\n4,Twice,\n,Null,\n');
ALTER TABLE target.person ADD at date;
SET search_path = hostile, pg_catalog, public;
SET DateStyle = 'German, DMY';
SET TimeZone = 'Asia/Tokyo';
SET bytea_output = 'escape';
SET extra_float_digits = -10;
SET standard_conforming_strings = off;
SET quote_all_identifiers = on;
SET enable_seqscan = off;
SELECT public.syncup_create_connector('H', '/tmp');
SELECT public.syncup_set_thresholds('H', '{"maximum_deleted_lines": 1}');
SELECT public.syncup_drop_connector('H');
SELECT public.syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name", "at": "at"}');
SELECT public.syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT status, inserted, updated, deleted FROM public.syncup_synchronize('AD');
SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1 \gset
SELECT * FROM public.syncup_changes(:'batch');
SELECT mapping, counter, count FROM syncup.threshold_check WHERE batch OPERATOR(pg_catalog.=) :'batch'::pg_catalog.uuid AND exceeded ORDER BY 1, 2;
SELECT status, inserted, updated, deleted FROM public.syncup_resume(:'batch');
SELECT public.syncup_prepare('AD', 'complete') AS batch \gset
SELECT public.syncup_discard(:'batch');
SELECT public.syncup_deactivate('AD');
SELECT public.syncup_activate('AD');
CALL public.syncup_run('AD', 'initial');
SHOW search_path;
SHOW DateStyle;
RESET ALL;
\! sh $PG_ABS_SRCDIR/include/psql "CALL public.syncup_run('AD', 'complete')" -c "SET search_path = hostile, pg_catalog, public"
SELECT id, name, at FROM target.person ORDER BY id;

SET client_min_messages = warning;
DROP SCHEMA hostile CASCADE;
SELECT syncup_drop_connector('AD');
DROP OWNED BY regress_syncup_nobody, regress_syncup_configure, regress_syncup_operate, regress_syncup_look, regress_syncup_reader;
DROP ROLE regress_syncup_nobody, regress_syncup_configure, regress_syncup_operate, regress_syncup_look, regress_syncup_reader;
RESET client_min_messages;
\set end :srcdir '/include/end.sql'
\i :end
