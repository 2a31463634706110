-- Who owns a target gains nothing by it: code of theirs runs with the rights of whoever
-- runs the connector, never as the owner of the extension nor as who only looks, and
-- cannot write our tables or lead a run astray (docs/security.md).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_mallory, regress_syncup_operate;
RESET client_min_messages;
CREATE ROLE regress_syncup_mallory;
CREATE ROLE regress_syncup_operate;
GRANT USAGE ON SCHEMA t TO PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_syncup_operate;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO regress_syncup_operate;
GRANT pg_read_server_files, pg_write_server_files, pg_execute_server_program TO regress_syncup_operate;
CREATE SCHEMA mallory AUTHORIZATION regress_syncup_mallory;
GRANT USAGE ON SCHEMA mallory TO regress_syncup_operate;
-- Who ran code of Mallory's; anybody may write it, and what it is about does not count.
CREATE TABLE t.ran (who name, what text);
GRANT INSERT ON t.ran TO PUBLIC;
CREATE VIEW t.who_ran AS SELECT what, string_agg(DISTINCT who, ' ' ORDER BY who) AS who FROM t.ran GROUP BY 1 ORDER BY 1;

-- Every kind of code that a table can have, and operators, functions and casts to be
-- found by who looks along a search path that one of these functions sets.
SET ROLE regress_syncup_mallory;
CREATE FUNCTION mallory.note(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t.ran VALUES (current_user, what);
	PERFORM pg_catalog.set_config('search_path', 'mallory, pg_catalog, public', false);
	RETURN true;
END
$$;
-- The same, declared to be what it is not.
CREATE FUNCTION mallory.quiet(what text, answer text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mallory.note(what);
	RETURN answer;
END
$$;
DO $$
DECLARE
	type text;
	operator text;
	name text;
BEGIN
	FOREACH type IN ARRAY '{text,uuid,int4,int8,name,bool,oid,jsonb,timestamptz,tid}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION mallory.op(pg_catalog.%1$s, pg_catalog.%1$s) RETURNS boolean LANGUAGE plpgsql AS ''BEGIN RETURN mallory.note(''''operator %1$s''''); END''', type);
		FOREACH operator IN ARRAY '{=,<>,<,>,||,+,-}'::text[] LOOP
			EXECUTE format('CREATE OPERATOR mallory.%s (FUNCTION = mallory.op, LEFTARG = pg_catalog.%s, RIGHTARG = pg_catalog.%s)', operator, type, type);
		END LOOP;
	END LOOP;
	FOREACH name IN ARRAY '{clock_timestamp,now}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION mallory.%I() RETURNS timestamptz LANGUAGE plpgsql AS ''BEGIN PERFORM mallory.note(''''function %1$s''''); RETURN pg_catalog.%1$s(); END''', name);
	END LOOP;
	FOREACH name IN ARRAY '{count,max,min,sum,coalesce,concat_ws,jsonb_agg,string_agg,format}'::text[] LOOP
		EXECUTE format('CREATE FUNCTION mallory.%I(VARIADIC pg_catalog.text[]) RETURNS text LANGUAGE plpgsql AS ''BEGIN PERFORM mallory.note(''''function %1$s''''); RETURN NULL; END''', name);
	END LOOP;
END
$$;
CREATE TYPE mallory.mood AS ENUM ('good', 'bad', 'fair');
CREATE FUNCTION mallory.mood_text(mallory.mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.note('cast'); RETURN pg_catalog.enum_out($1); END $$;
CREATE CAST (mallory.mood AS text) WITH FUNCTION mallory.mood_text(mallory.mood) AS ASSIGNMENT;
CREATE FUNCTION mallory.text_mood(text) RETURNS mallory.mood LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.note('cast from text'); RETURN pg_catalog.enum_in($1::cstring, 'mallory.mood'::regtype); END $$;
CREATE CAST (text AS mallory.mood) WITH FUNCTION mallory.text_mood(text) AS ASSIGNMENT;
CREATE DOMAIN mallory.checked AS text CHECK (mallory.note('domain'));
CREATE TABLE mallory.target (
	id mallory.mood PRIMARY KEY,
	v mallory.checked CHECK (mallory.note('check')),
	w text,
	told boolean DEFAULT mallory.note('default'),
	made text GENERATED ALWAYS AS (mallory.quiet('generated', w)) STORED
);
CREATE INDEX ON mallory.target (mallory.quiet('index', w)) WHERE mallory.quiet('predicate', 'x') = 'x';
CREATE FUNCTION mallory.trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM mallory.note('trigger');
	RETURN COALESCE(NEW, OLD);
END
$$;
CREATE TRIGGER before_row BEFORE INSERT OR UPDATE OR DELETE ON mallory.target FOR EACH ROW EXECUTE FUNCTION mallory.trigger();
CREATE TRIGGER after_statement AFTER INSERT OR UPDATE OR DELETE ON mallory.target FOR EACH STATEMENT EXECUTE FUNCTION mallory.trigger();
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT OR UPDATE OR DELETE ON mallory.target DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION mallory.trigger();
CREATE TABLE mallory.side (x int);
CREATE FUNCTION mallory.of_rule() RETURNS int LANGUAGE plpgsql AS $$ BEGIN PERFORM mallory.note('rule'); RETURN 1; END $$;
CREATE RULE also AS ON INSERT TO mallory.target DO ALSO INSERT INTO mallory.side VALUES (mallory.of_rule());
ALTER TABLE mallory.target ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON mallory.target USING (mallory.note('policy') AND mallory.note('policy')) WITH CHECK (mallory.note('policy'));
GRANT SELECT, INSERT, UPDATE, DELETE ON mallory.target TO regress_syncup_operate;
RESET ROLE;

-- Mapped and run in every way by an operator, who is no superuser.
CALL t.shell('chmod 777 .');
CALL t.write('m.csv', E'id,v,w\ngood,a,a\nbad,b,b\n');
SET ROLE regress_syncup_operate;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'm', 'mallory.target', 'm.csv', 'id', '{"id": "id", "v": "v", "w": "w"}', options => '{"scope": "mallory.quiet(''scope'', w) IS NOT NULL"}');
SELECT syncup_set_thresholds('C', '{"max_percentage_inserted_lines": 0, "max_percentage_deleted_lines": 0}');
SELECT syncup_prepare('C', 'initial') IS NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
RESET ROLE;
RESET search_path;
CALL t.write('m.csv', E'id,v,w\ngood,c,c\nfair,d,d\n');
SET ROLE regress_syncup_operate;
SELECT counter FROM syncup_preview('C', 'complete') WHERE exceeded AND mapping IS NULL;
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT status FROM syncup_synchronize('C', keep_changes => true);
RESET ROLE;
RESET search_path;
SELECT status, error FROM syncup.batch ORDER BY seq;
SELECT batch AS blocked FROM syncup.batch WHERE status = 'blocked' \gset
SELECT * FROM t.who_ran;
-- Who only looks, be it a superuser, runs none of it.
TRUNCATE t.ran;
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(:'blocked');
SELECT syncup_report(:'blocked') <> '' AS report;
SELECT count(*) >= 0 AS findings FROM syncup_findings(:'blocked');
SELECT queue_length FROM syncup.status;
SELECT count(*) FROM syncup.threshold_check WHERE batch = :'blocked' AND exceeded;
SELECT * FROM t.who_ran;
-- Nor who exports, purges and configures other things.
SELECT syncup_export(:'blocked', t.dir());
SELECT syncup_purge('1 day');
SELECT syncup_deactivate('C'), syncup_activate('C'), syncup_set_thresholds('C', '{"maximum_deleted_lines": 9}');
SELECT * FROM t.who_ran;
-- Resumed, undone and dropped by the operator.
SET ROLE regress_syncup_operate;
SELECT status FROM syncup_resume(:'blocked');
SELECT id, v, w FROM mallory.target ORDER BY id;
SELECT syncup_undo(:'blocked') IS NOT NULL AS undone;
SELECT id, v, w FROM mallory.target ORDER BY id;
RESET ROLE;
RESET search_path;
SELECT * FROM t.who_ran;
TRUNCATE t.ran;

-- In one procedure that commits, where no function can have a search path of its own.
SET client_min_messages = warning;
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete', true)" -c "SET ROLE regress_syncup_operate"
RESET client_min_messages;
SELECT * FROM t.who_ran;

-- Code of a target cannot write our tables, nor work on the connector that calls it.
SET ROLE regress_syncup_mallory;
CREATE TABLE mallory.tried (what text, answer text);
GRANT INSERT ON mallory.tried TO PUBLIC;
CREATE FUNCTION mallory.try(statement text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE statement;
	INSERT INTO mallory.tried VALUES (statement, 'done');
EXCEPTION WHEN OTHERS THEN
	INSERT INTO mallory.tried VALUES (statement, SQLSTATE || ' ' || SQLERRM);
END
$$;
CREATE OR REPLACE FUNCTION mallory.trigger() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_catalog.set_config('search_path', 'pg_catalog', false);
	PERFORM mallory.try('UPDATE syncup.batch SET status = ''applied''');
	PERFORM mallory.try('DELETE FROM syncup.threshold');
	PERFORM mallory.try('SELECT * FROM syncup_previous.c_m');
	PERFORM mallory.try('INSERT INTO syncup_delta.c_m VALUES (NULL)');
	PERFORM mallory.try('SELECT * FROM syncup_source');
	PERFORM mallory.try('SELECT * FROM syncup_change');
	PERFORM mallory.try('SET ROLE regress_syncup_mallory');
	PERFORM mallory.try('RESET ROLE');
	PERFORM mallory.try('SET SESSION AUTHORIZATION regress_syncup_mallory');
	PERFORM mallory.try('RESET SESSION AUTHORIZATION');
	PERFORM mallory.try('SET syncup.directories = ''/''');
	PERFORM mallory.try('SELECT public.syncup_prepare(''C'', ''complete'')');
	PERFORM mallory.try('SELECT public.syncup_synchronize(''C'', true)');
	PERFORM mallory.try('SELECT public.syncup_discard(batch) FROM (SELECT mallory.waiting() AS batch) b');
	PERFORM mallory.try('SELECT public.syncup_resume(mallory.waiting())');
	PERFORM mallory.try('SELECT public.syncup_undo(mallory.waiting())');
	PERFORM mallory.try('SELECT public.syncup_preview(''C'', ''complete'')');
	PERFORM mallory.try('SELECT public.syncup_drop_mapping(''C'', ''m'')');
	PERFORM mallory.try('SELECT public.syncup_drop_connector(''C'')');
	PERFORM mallory.try('SELECT public.syncup_deactivate(''C'')');
	PERFORM mallory.try('SELECT public.syncup_export(mallory.waiting(), ''/tmp'')');
	PERFORM mallory.try('SELECT public.syncup_purge(''0'')');
	PERFORM mallory.try('CALL public.syncup_run(''C'', ''complete'')');
	RETURN NULL;
END
$$;
DROP TRIGGER before_row ON mallory.target;
DROP TRIGGER deferred ON mallory.target;
RESET ROLE;
CREATE FUNCTION mallory.waiting() RETURNS uuid SECURITY DEFINER LANGUAGE sql AS $$ SELECT batch FROM syncup.batch WHERE status = 'prepared' $$;
CALL t.write('m.csv', E'id,v,w\ngood,e,e\nfair,d,d\n');
SET ROLE regress_syncup_operate;
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status, inserted, updated, deleted FROM syncup_synchronize('C', true);
RESET ROLE;
RESET search_path;
SELECT DISTINCT what, t.mask(answer) AS answer FROM mallory.tried ORDER BY 1;
SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1;
-- A domain's check, called by a prepare, neither.
TRUNCATE mallory.tried;
SET ROLE regress_syncup_mallory;
DROP TRIGGER after_statement ON mallory.target;
CREATE OR REPLACE FUNCTION mallory.note(what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
	IF what = 'domain' THEN
		PERFORM mallory.try('SELECT public.syncup_prepare(''C'', ''complete'')');
		PERFORM mallory.try('SELECT public.syncup_drop_mapping(''C'', ''m'')');
		PERFORM mallory.try('RESET ROLE');
	END IF;
	RETURN true;
END
$$;
RESET ROLE;
CALL t.write('m.csv', E'id,v,w\ngood,f,f\nfair,d,d\n');
SET ROLE regress_syncup_operate;
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
RESET ROLE;
SELECT DISTINCT what, t.mask(answer) AS answer FROM mallory.tried ORDER BY 1;

-- A target that becomes a view, with whatever rules and triggers, is none any more.
SET ROLE regress_syncup_mallory;
CREATE TABLE mallory.victim (id int PRIMARY KEY, v text);
GRANT SELECT, INSERT, UPDATE, DELETE ON mallory.victim TO regress_syncup_operate;
RESET ROLE;
CALL t.write('m.csv', E'id,v\n1,a\n');
SET ROLE regress_syncup_operate;
SELECT syncup_create_connector('V', t.dir());
SELECT syncup_map_entity_type('V', 'm', 'mallory.victim', 'm.csv', 'id');
SELECT syncup_prepare('V', 'initial') IS NOT NULL AS prepared;
RESET ROLE;
SET ROLE regress_syncup_mallory;
ALTER TABLE mallory.victim RENAME TO gone;
CREATE VIEW mallory.victim AS SELECT 1 AS id, 'x'::text AS v WHERE mallory.of_rule() = 1;
GRANT SELECT, INSERT, UPDATE, DELETE ON mallory.victim TO regress_syncup_operate;
RESET ROLE;
SET ROLE regress_syncup_operate;
-- The mapping is that of the table, whatever its name; a view cannot be mapped.
SELECT status, inserted FROM syncup_synchronize('V');
SELECT t.error($$SELECT syncup_map_entity_type('V', 'n', 'mallory.victim', 'm.csv', 'id')$$);
RESET ROLE;
SELECT * FROM mallory.gone;

SET client_min_messages = warning;
SELECT syncup_drop_connector('V');
SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'prepared';
SELECT syncup_drop_connector('C');
DROP SCHEMA mallory CASCADE;
DROP OWNED BY regress_syncup_mallory, regress_syncup_operate;
DROP ROLE regress_syncup_mallory, regress_syncup_operate;
RESET client_min_messages;
\set end :srcdir '/include/end.sql'
\i :end
