-- The reference jobs: complete, incremental and initial (JOBS 6).

CREATE TABLE syncup.reference_step (
	job text NOT NULL CHECK (job IN ('complete', 'incremental', 'initial')),
	kind text NOT NULL,
	level int NOT NULL,
	parents text[] NOT NULL DEFAULT '{}',
	start_when text NOT NULL DEFAULT 'all did',
	continue_on_error boolean NOT NULL DEFAULT false,
	options jsonb NOT NULL DEFAULT '{}',
	part text NOT NULL CHECK (part IN ('synchronization', 'provisioning')),
	needed text,
	own boolean NOT NULL DEFAULT true,
	PRIMARY KEY (job, kind)
);
COMMENT ON TABLE syncup.reference_step IS 'The steps of the jobs that syncup_create_jobs() makes. Add rows for kinds of your own with INSERT.';
COMMENT ON COLUMN syncup.reference_step.parents IS 'kinds of the steps that it follows: of kinds with a connector those of the same one';
COMMENT ON COLUMN syncup.reference_step.needed IS 'a function (connector text) that says whether there is anything to do; null: always. One that did not come with syncup has the rights of whoever calls syncup_create_jobs()';
COMMENT ON COLUMN syncup.reference_step.own IS 'false: it came with the extension';
SELECT pg_catalog.pg_extension_config_dump('syncup.reference_step', 'WHERE own');

CREATE FUNCTION syncup.needs_export(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE read (relation) AS (
		SELECT to_regclass(m.options ->> 'source')::oid FROM syncup.mapping m WHERE m.connector = $1
		UNION
		SELECT d.refobjid
		FROM read r JOIN pg_rewrite w ON w.ev_class = r.relation
		JOIN pg_depend d ON (d.classid, d.objid, d.refclassid) = ('pg_rewrite'::regclass, w.oid, 'pg_class'::regclass)
	)
	SELECT EXISTS (
		SELECT FROM read r JOIN pg_rewrite w ON w.ev_class = r.relation
		JOIN pg_depend d ON (d.classid, d.objid, d.refclassid) = ('pg_rewrite'::regclass, w.oid, 'pg_proc'::regclass)
		WHERE d.refobjid = '@extschema@.syncup_read_ldap_changes(text, text, text, text[], jsonb)'::regprocedure)
$$;
COMMENT ON FUNCTION syncup.needs_export(text) IS
'Whether a prepare of the connector depends on what an export step says: it reads changes of a directory, where that says whether the cookie counts. Files are brought by a step that you add.';

CREATE FUNCTION syncup.needs_prepare(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT count(*) = 0 OR bool_or(c.directory IS NOT NULL OR m.options ? 'source' OR starts_with(m.file, '/'))
	FROM syncup.mapping m JOIN syncup.connector c USING (connector)
	WHERE m.connector = $1
$$;
COMMENT ON FUNCTION syncup.needs_prepare(text) IS
'Whether a job can prepare a connector: not where its files can only be sent by clients, who prepare them.';

INSERT INTO syncup.reference_step (job, kind, level, parents, start_when, continue_on_error, options, part, needed, own) VALUES
	('complete', 'export', 1, '{}', 'all did', true, '{"ignore_cookie": true}', 'synchronization', 'syncup.needs_export', false),
	('complete', 'prepare', 2, '{export}', 'all did', false, '{"mode": "complete"}', 'synchronization', 'syncup.needs_prepare', false),
	('complete', 'synchronize', 3, '{prepare}', 'all did', false, '{}', 'synchronization', NULL, false),
	('complete', 'maintain', 12, '{}', 'all did', false, '{}', 'synchronization', NULL, false),
	('incremental', 'export', 1, '{}', 'all did', true, '{}', 'synchronization', 'syncup.needs_export', false),
	('incremental', 'prepare', 2, '{export}', 'all did', false, '{"mode": "incremental"}', 'synchronization', 'syncup.needs_prepare', false),
	('incremental', 'synchronize', 3, '{prepare}', 'all did', false, '{}', 'synchronization', NULL, false),
	('initial', 'export', 1, '{}', 'all did', true, '{"ignore_cookie": true}', 'synchronization', 'syncup.needs_export', false),
	('initial', 'prepare', 2, '{export}', 'all did', false, '{"mode": "initial"}', 'synchronization', 'syncup.needs_prepare', false),
	('initial', 'synchronize', 3, '{prepare}', 'all did', false, '{}', 'synchronization', NULL, false);

-- Rows of one's own name functions of one's own: those have the caller's rights.
CREATE FUNCTION syncup.is_needed(caller regrole, needed text, connector text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	function regprocedure := to_regprocedure(needed || '(text)');
	query text := format('SELECT %s(%L)', function::oid::regproc, connector);
	answer boolean;
BEGIN
	IF needed IS NULL THEN
		RETURN true;
	ELSIF function IS NULL THEN
		RAISE 'function %(text) does not exist', needed USING ERRCODE = 'undefined_function',
			HINT = 'A row of syncup.reference_step needs it.';
	ELSIF EXISTS (SELECT FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'syncup'
		WHERE (d.classid, d.objid, d.refclassid, d.deptype) = ('pg_proc'::regclass, function::oid, 'pg_extension'::regclass, 'e'))
	THEN
		EXECUTE query INTO answer;
	ELSE
		SELECT q.answer INTO answer FROM syncup.query_as(caller, query) AS q (answer boolean);
	END IF;
	RETURN coalesce(answer, false);
END
$$;
COMMENT ON FUNCTION syncup.is_needed(regrole, text, text) IS 'Whether a reference step has anything to do.';

-- The steps that a reference job is to have: a row of a kind with a connector
-- counts for each of them.
CREATE FUNCTION syncup.reference_steps(caller regrole, job_type text, connectors text[], parts text[])
RETURNS TABLE (step text, kind text, connector text, level int, parents text[], start_when text, continue_on_error boolean, options jsonb)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH wanted AS (
		SELECT r.*, c.connector, concat_ws(' ', r.kind, c.connector) AS step
		FROM syncup.reference_step r JOIN syncup.step_kind k USING (kind)
		JOIN LATERAL (
			SELECT u.connector FROM unnest(connectors) u (connector) WHERE k.connector <> 'none'
			UNION ALL
			SELECT NULL WHERE k.connector = 'none'
		) AS c ON true
		WHERE r.job = job_type AND r.part = ANY (parts) AND syncup.is_needed(caller, r.needed, c.connector)
	)
	SELECT w.step, w.kind, w.connector, w.level,
		ARRAY(SELECT p.step FROM wanted p WHERE p.kind = ANY (w.parents) AND (w.connector IS NULL OR p.connector IS NULL OR p.connector = w.connector)
			ORDER BY p.level, p.connector COLLATE "C"),
		w.start_when, w.continue_on_error, w.options
	FROM wanted w ORDER BY w.level, w.connector COLLATE "C", w.kind
$$;
COMMENT ON FUNCTION syncup.reference_steps(regrole, text, text[], text[]) IS 'The steps that a reference job is to have.';

CREATE FUNCTION syncup.create_jobs(caller regrole, connector text, options jsonb)
RETURNS SETOF text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	connectors text[];
	parts text[];
	type text;
	name text;
	s record;
	made text[];
	cron text;
BEGIN
	PERFORM syncup.check_options('syncup_create_jobs()',
		'{"synchronization": "boolean", "provisioning": "boolean", "cron_complete": "text", "cron_incremental": "text"}', coalesce(options, '{}'));
	IF connector IS NOT NULL AND NOT EXISTS (SELECT FROM syncup.connector c WHERE c.connector = connector) THEN
		RAISE 'connector "%" does not exist', connector USING ERRCODE = 'undefined_object',
			HINT = syncup.connectors_hint(connector);
	END IF;
	connectors := ARRAY(SELECT c.connector FROM syncup.connector c WHERE CASE WHEN connector IS NULL THEN c.active ELSE c.connector = connector END ORDER BY 1);
	IF connectors = '{}' THEN
		RAISE 'there is no active connector' USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Create one with syncup_create_connector().';
	END IF;
	parts := array_remove(ARRAY[CASE WHEN coalesce((options ->> 'synchronization')::boolean, true) THEN 'synchronization' END,
		CASE WHEN coalesce((options ->> 'provisioning')::boolean, true) THEN 'provisioning' END], NULL);
	FOREACH type IN ARRAY ARRAY['complete', 'incremental', 'initial'] LOOP
		name := concat_ws('_', connector, type);
		IF NOT EXISTS (SELECT FROM syncup.job_definition d WHERE d.job = name) THEN
			PERFORM syncup.create_job(caller, name, type = 'incremental', CASE type WHEN 'initial' THEN '{"repeat": 3}' ELSE '{}' END::jsonb);
		END IF;
		SELECT ARRAY(SELECT jsonb_array_elements_text(d.options -> 'made')) INTO made
		FROM syncup.lock_job(caller, name) d;
		-- what was made before and changed, or dropped, stays so
		FOR s IN SELECT * FROM syncup.reference_steps(caller, type, connectors, parts) r WHERE r.step <> ALL (made) LOOP
			IF NOT EXISTS (SELECT FROM syncup.step_definition d WHERE d.job = name AND d.step = s.step) THEN
				PERFORM syncup.add_step(caller, name, s.step, s.kind, s.connector,
					ARRAY(SELECT p FROM unnest(s.parents) p WHERE EXISTS (SELECT FROM syncup.step_definition d WHERE d.job = name AND d.step = p)),
					s.level, s.start_when, s.continue_on_error, s.options);
			END IF;
			made := made || s.step;
		END LOOP;
		UPDATE syncup.job_definition d SET options = d.options || jsonb_build_object('made', made) WHERE d.job = name;
		cron := options ->> ('cron_' || type);
		IF cron IS NOT NULL THEN
			PERFORM syncup.check_cron(cron);
			UPDATE syncup.job_definition d SET options = d.options || jsonb_build_object('cron', cron) WHERE d.job = name;
		END IF;
		RETURN NEXT name;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.create_jobs(regrole, text, jsonb) IS 'What syncup_create_jobs() does.';

CREATE FUNCTION syncup_create_jobs(connector text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS SETOF text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_create_jobs(text, jsonb) IS
'Makes the reference jobs of a connector (AD_complete, AD_incremental, AD_initial), or of all active ones together (complete, incremental, initial). Again: adds what is new and leaves what somebody changed. Options: synchronization, provisioning (true), cron_complete, cron_incremental: when syncup_schedule() schedules them.';
