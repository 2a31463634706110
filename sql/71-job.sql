-- Jobs: what is to be done, in levels of steps (JOBS 1, 2, 4). Row security hides
-- definitions and records from all but the owner, whatever is granted: views show
-- them to members of the job's owner.

CREATE TABLE syncup.step_kind (
	kind text PRIMARY KEY,
	function text NOT NULL,
	resume_function text,
	connector text NOT NULL DEFAULT 'none' CHECK (connector IN ('required', 'optional', 'none')),
	reads_source boolean NOT NULL DEFAULT false,
	repeated boolean NOT NULL DEFAULT true,
	options jsonb NOT NULL DEFAULT '{}',
	description text,
	own boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE syncup.step_kind IS 'What a step can be: a row and a function (run bigint, step text) that returns state, did_something, more, message, counters, batch. Add kinds of your own with INSERT.';
COMMENT ON COLUMN syncup.step_kind.function IS 'its function as SQL names it, with its schema; called with the rights of the job''s owner';
COMMENT ON COLUMN syncup.step_kind.resume_function IS 'one of the same arguments, called first where a run is resumed that this step had blocked';
COMMENT ON COLUMN syncup.step_kind.connector IS 'whether such a step has a connector';
COMMENT ON COLUMN syncup.step_kind.reads_source IS 'export, prepare, synchronize: left out where the connector is deactivated, and in incremental jobs where it is blocked or needs a complete run';
COMMENT ON COLUMN syncup.step_kind.repeated IS 'whether later rounds of a job with "repeat" do it again';
COMMENT ON COLUMN syncup.step_kind.options IS 'names of its options, with "text", "boolean", "number", "interval", "array" or a list of the texts that are allowed';
COMMENT ON COLUMN syncup.step_kind.own IS 'false: it came with the extension';
SELECT pg_catalog.pg_extension_config_dump('syncup.step_kind', 'WHERE own');

CREATE TABLE syncup.job_definition (
	id int GENERATED ALWAYS AS IDENTITY,
	job text PRIMARY KEY,
	owner regrole NOT NULL,
	incremental boolean NOT NULL,
	options jsonb NOT NULL DEFAULT '{}',
	schedule text,
	scheduled_at timestamptz,
	in_pg_cron boolean NOT NULL DEFAULT false,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE syncup.job_definition IS 'Jobs as they are defined; look at the view syncup.job. Written by syncup_create_job() and its kin only.';
COMMENT ON COLUMN syncup.job_definition.owner IS 'the role whose rights its steps have';
COMMENT ON COLUMN syncup.job_definition.in_pg_cron IS 'syncup_schedule() has found pg_cron in this database';
ALTER TABLE syncup.job_definition ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('syncup.job_definition', '');
SELECT pg_catalog.pg_extension_config_dump('syncup.job_definition_id_seq', '');

CREATE TABLE syncup.step_definition (
	job text NOT NULL,
	step text NOT NULL,
	ordinal int NOT NULL,
	kind text NOT NULL,
	connector text,
	level int NOT NULL,
	parents text[] NOT NULL,
	start_when text NOT NULL,
	continue_on_error boolean NOT NULL,
	options jsonb NOT NULL,
	PRIMARY KEY (job, step)
);
COMMENT ON TABLE syncup.step_definition IS 'Steps of jobs as they are defined; look at the view syncup.job_step. Written by syncup_add_step() and its kin only.';
ALTER TABLE syncup.step_definition ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('syncup.step_definition', '');

-- ---------- what is looked at ----------

CREATE VIEW syncup.job AS
SELECT d.job, d.owner, d.incremental, d.options, d.schedule, d.created_at
FROM syncup.job_definition d
WHERE pg_has_role(d.owner, 'MEMBER');
COMMENT ON VIEW syncup.job IS 'The jobs whose owner the current role is, or is a member of.';
COMMENT ON COLUMN syncup.job.schedule IS 'as five fields of cron, where syncup_schedule() has set it';

CREATE VIEW syncup.job_step AS
SELECT s.job, s.ordinal, s.step, s.kind, s.connector, s.level, s.parents, s.start_when, s.continue_on_error, s.options
FROM syncup.step_definition s JOIN syncup.job j USING (job);
COMMENT ON VIEW syncup.job_step IS 'The steps of those jobs, in the order of definition within a level.';

-- ---------- checks ----------

CREATE FUNCTION syncup.check_options(what text, allowed jsonb, options jsonb)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	o record;
	wanted jsonb;
	type text;
BEGIN
	IF jsonb_typeof(options) <> 'object' THEN
		RAISE '% takes its options as a JSON object', what
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR o IN SELECT * FROM jsonb_each(options) LOOP
		wanted := allowed -> o.key;
		IF wanted IS NULL THEN
			RAISE 'unknown option "%" of %', o.key, what
				USING ERRCODE = 'invalid_parameter_value',
				HINT = CASE WHEN allowed = '{}' THEN 'It has no options.' ELSE syncup.did_you_mean(o.key, ARRAY(SELECT k FROM jsonb_object_keys(allowed) k ORDER BY k)) || 'Its options are '
					|| (SELECT string_agg(format('"%s"', k), ', ' ORDER BY k) FROM jsonb_object_keys(allowed) k) || '.' END;
		END IF;
		CONTINUE WHEN o.value = 'null';
		type := CASE WHEN wanted IN ('"text"', '"interval"') THEN 'string' ELSE wanted #>> '{}' END;
		IF jsonb_typeof(wanted) = 'array' THEN
			IF jsonb_typeof(o.value) <> 'string' OR NOT wanted @> o.value THEN
				RAISE 'option "%" of % cannot be %', o.key, what, o.value
					USING ERRCODE = 'invalid_parameter_value',
					HINT = syncup.names_hint(o.value #>> '{}', ARRAY(SELECT w FROM jsonb_array_elements_text(wanted) w), 'It is one of %s.', NULL);
			END IF;
		ELSIF jsonb_typeof(o.value) <> type THEN
			RAISE 'option "%" of % takes %', o.key, what,
				CASE wanted #>> '{}' WHEN 'text' THEN 'a text' WHEN 'interval' THEN 'an interval, as text'
					WHEN 'boolean' THEN 'true or false' WHEN 'number' THEN 'a number' WHEN 'object' THEN 'an object' ELSE 'a list' END
				USING ERRCODE = 'invalid_parameter_value';
		ELSIF wanted = '"interval"' THEN
			BEGIN
				IF (o.value #>> '{}')::interval < '0' THEN
					RAISE invalid_parameter_value;
				END IF;
			EXCEPTION WHEN data_exception THEN
				RAISE 'option "%" of % is no interval: %', o.key, what, o.value
					USING ERRCODE = 'invalid_parameter_value', HINT = 'Write for example "10 min" or "90 days".';
			END;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.check_options(text, jsonb, jsonb) IS
'Errors with 22023, naming the option, unless every option is allowed and of its type (see syncup.step_kind.options).';

CREATE FUNCTION syncup.check_job_owner(caller regrole, job text)
RETURNS syncup.job_definition
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_job syncup.job_definition;
BEGIN
	SELECT d.* INTO found_job FROM syncup.job_definition d WHERE d.job = check_job_owner.job;
	-- who may not see it is told the same as if it were not there
	IF found_job.job IS NULL OR NOT pg_has_role(caller, found_job.owner, 'MEMBER') THEN
		RAISE 'job "%" does not exist', job
			USING ERRCODE = 'undefined_object',
			HINT = syncup.names_hint(job, ARRAY(SELECT d.job FROM syncup.job_definition d WHERE pg_has_role(caller, d.owner, 'MEMBER') ORDER BY d.job COLLATE "C"),
				'Jobs are %s.', 'There is no job of yours; see syncup_create_jobs() and syncup_create_job().');
	END IF;
	RETURN found_job;
END
$$;
COMMENT ON FUNCTION syncup.check_job_owner(regrole, text) IS
'A job, or an error unless the role is a member of its owner.';

-- Only the owner, or a member, defines; and one at a time.
CREATE FUNCTION syncup.lock_job(caller regrole, job text)
RETURNS syncup.job_definition
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_job syncup.job_definition;
BEGIN
	LOCK TABLE syncup.job_definition IN SHARE ROW EXCLUSIVE MODE;
	RETURN syncup.check_job_owner(caller, job);
END
$$;
COMMENT ON FUNCTION syncup.lock_job(regrole, text) IS
'A job that is about to be changed: the same as syncup.check_job_owner(), and nobody else changes one until the end of the transaction.';

-- ---------- definition ----------

CREATE FUNCTION syncup.job_options()
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT '{"repeat": "number", "keep_runs": "number", "manual_start": "boolean", "comment": "text"}'::jsonb $$;
COMMENT ON FUNCTION syncup.job_options() IS 'The options of a job, and their types.';

CREATE FUNCTION syncup.create_job(caller regrole, job text, incremental boolean, options jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n text;
BEGIN
	IF job IS NULL OR job = '' OR length(job) > 100 THEN
		RAISE 'a job needs a name of 1 to 100 characters' USING ERRCODE = 'invalid_name';
	END IF;
	PERFORM syncup.check_options('a job', syncup.job_options(), coalesce(options, '{}'));
	FOREACH n IN ARRAY ARRAY['repeat', 'keep_runs'] LOOP
		IF (options ->> n)::numeric NOT BETWEEN 1 AND 1000000 OR (options ->> n)::numeric % 1 <> 0 THEN
			RAISE 'option "%" of a job is a whole number from 1', n USING ERRCODE = 'invalid_parameter_value';
		END IF;
	END LOOP;
	LOCK TABLE syncup.job_definition IN SHARE ROW EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM syncup.job_definition d WHERE d.job = create_job.job) THEN
		PERFORM syncup.check_job_owner(caller, job);
		UPDATE syncup.job_definition d
		SET incremental = coalesce(create_job.incremental, d.incremental),
			options = jsonb_strip_nulls(d.options || coalesce(create_job.options, '{}'))
		WHERE d.job = create_job.job;
	ELSE
		INSERT INTO syncup.job_definition (job, owner, incremental, options)
		VALUES (create_job.job, caller, coalesce(create_job.incremental, false), jsonb_strip_nulls(coalesce(create_job.options, '{}')));
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.create_job(regrole, text, boolean, jsonb) IS 'What syncup_create_job() does.';

CREATE FUNCTION syncup_create_job(job text, incremental boolean DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_create_job(text, boolean, jsonb) IS
'Creates a job of the current role, or changes one: what is not named stays; a new one is not incremental unless it says so. Options: repeat (rounds at most, 1), keep_runs (100), manual_start (true), comment.';

-- Every ancestor of a step that has these parents.
CREATE FUNCTION syncup.step_ancestors(job text, parents text[])
RETURNS SETOF text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE above (step) AS (
		SELECT unnest(parents)
		UNION
		SELECT unnest(s.parents) FROM above a JOIN syncup.step_definition s ON s.job = $1 AND s.step = a.step
	)
	SELECT step FROM above
$$;
COMMENT ON FUNCTION syncup.step_ancestors(text, text[]) IS 'Those steps, their parents, and so on.';

CREATE FUNCTION syncup.steps_hint(job text, wanted text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	RETURN syncup.names_hint(wanted, ARRAY(SELECT s.step FROM syncup.step_definition s WHERE s.job = job ORDER BY s.level, s.ordinal), 'Its steps are %s.', 'It has none.');
END
$$;
COMMENT ON FUNCTION syncup.steps_hint(text, text) IS 'A hint about a step that a job does not have.';

CREATE FUNCTION syncup.check_step(job text, step text, kind text, connector text, parents text[], level int, start_when text, options jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	k syncup.step_kind;
	p record;
	needed text;
BEGIN
	IF step IS NULL OR step = '' OR length(step) > 100 THEN
		RAISE 'a step needs a name of 1 to 100 characters' USING ERRCODE = 'invalid_name';
	END IF;
	SELECT s.* INTO k FROM syncup.step_kind s WHERE s.kind = kind;
	IF k.kind IS NULL THEN
		RAISE 'step "%" of job "%": unknown kind "%"', step, job, kind
			USING ERRCODE = 'undefined_object', HINT = syncup.names_hint(kind, ARRAY(SELECT s.kind FROM syncup.step_kind s ORDER BY s.kind COLLATE "C"), 'Kinds are %s.', NULL);
	END IF;
	IF k.connector = 'required' AND connector IS NULL THEN
		RAISE 'step "%" of job "%": a step of kind "%" needs a connector', step, job, kind
			USING ERRCODE = 'invalid_parameter_value';
	ELSIF k.connector = 'none' AND connector IS NOT NULL THEN
		RAISE 'step "%" of job "%": a step of kind "%" has no connector', step, job, kind
			USING ERRCODE = 'invalid_parameter_value';
	ELSIF connector IS NOT NULL AND NOT EXISTS (SELECT FROM syncup.connector c WHERE c.connector = connector) THEN
		RAISE 'step "%" of job "%": connector "%" does not exist', step, job, connector
			USING ERRCODE = 'undefined_object', HINT = syncup.connectors_hint(connector);
	END IF;
	IF start_when NOT IN ('all did', 'any did', 'any started', 'always') THEN
		RAISE 'step "%" of job "%": start_when cannot be "%"', step, job, start_when
			USING ERRCODE = 'invalid_parameter_value', HINT = 'It is "all did", "any did", "any started" or "always".';
	END IF;
	PERFORM syncup.check_options(format('step "%s" of job "%s"', step, job), k.options, options);
	IF level NOT BETWEEN 1 AND 10000 THEN
		RAISE 'step "%" of job "%": level % is not possible', step, job, level
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Levels are whole numbers from 1.';
	END IF;
	IF step = ANY (SELECT a FROM syncup.step_ancestors(job, parents) a) THEN
		RAISE 'step "%" of job "%" would be its own ancestor: parents make a circle', step, job
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	FOR p IN SELECT u.name, s.level FROM unnest(parents) u (name) LEFT JOIN syncup.step_definition s ON s.job = job AND s.step = u.name LOOP
		IF p.level IS NULL THEN
			RAISE 'step "%" of job "%": there is no step "%" to be its parent', step, job, coalesce(p.name, 'null')
				USING ERRCODE = 'undefined_object', HINT = 'Parents are steps of the same job, added before.';
		ELSIF p.level >= level THEN
			RAISE 'step "%" of job "%" has level %, but its parent "%" has level %', step, job, level, p.name, p.level
				USING ERRCODE = 'invalid_parameter_value', HINT = 'Parents are of a lower level. Without a level, it is one above its parents''.';
		END IF;
	END LOOP;
	FOR p IN SELECT s.step AS name, s.level FROM syncup.step_definition s WHERE s.job = job AND step = ANY (s.parents) AND s.level <= level LOOP
		RAISE 'step "%" of job "%" has level %, but it is a parent of "%" with level %', step, job, level, p.name, p.level
			USING ERRCODE = 'invalid_parameter_value';
	END LOOP;
	needed := CASE kind WHEN 'sql' THEN 'statement' WHEN 'program' THEN 'command' END;
	IF needed IS NOT NULL AND options ->> needed IS NULL THEN
		RAISE 'step "%" of job "%": a step of kind "%" needs the option "%"', step, job, kind, needed
			USING ERRCODE = 'invalid_parameter_value';
	ELSIF kind = 'export' AND options ->> 'timeout' IS NOT NULL AND coalesce(options ->> 'statement', options ->> 'command') IS NULL THEN
		RAISE 'step "%" of job "%": option "timeout" goes with "statement" or "command"', step, job
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Without them an export step waits for nothing.';
	END IF;
	SELECT o.key INTO needed FROM jsonb_each_text(options) o WHERE o.key IN ('statement', 'command') AND btrim(o.value, E' \t\r\n') = '' ORDER BY o.key LIMIT 1;
	IF FOUND THEN
		RAISE 'step "%" of job "%": option "%" is empty', step, job, needed
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_step(text, text, text, text, text[], int, text, jsonb) IS
'Errors, naming the word, unless a job can have such a step.';

CREATE FUNCTION syncup.add_step(caller regrole, job text, step text, kind text, connector text, parents text[], level int, start_when text, continue_on_error boolean, options jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	name text := (syncup.lock_job(caller, job)).job;
	old syncup.step_definition;
BEGIN
	SELECT s.* INTO old FROM syncup.step_definition s WHERE s.job = name AND s.step = step;
	parents := coalesce(parents, '{}');
	-- one above its parents, else where it is, else one above the last step
	level := coalesce(level,
		(SELECT max(s.level) + 1 FROM syncup.step_definition s WHERE s.job = name AND s.step = ANY (parents)),
		old.level,
		(SELECT s.level + 1 FROM syncup.step_definition s WHERE s.job = name ORDER BY s.ordinal DESC LIMIT 1),
		1);
	start_when := coalesce(start_when, 'all did');
	options := coalesce(options, '{}');
	PERFORM syncup.check_step(name, step, kind, connector, parents, level, start_when, options);
	INSERT INTO syncup.step_definition AS s
	VALUES (name, step, (SELECT coalesce(max(x.ordinal), 0) + 1 FROM syncup.step_definition x WHERE x.job = name),
		kind, connector, level, parents, start_when, coalesce(continue_on_error, false), jsonb_strip_nulls(options))
	ON CONFLICT ON CONSTRAINT step_definition_pkey DO UPDATE SET kind = excluded.kind, connector = excluded.connector, level = excluded.level,
		parents = excluded.parents, start_when = excluded.start_when, continue_on_error = excluded.continue_on_error, options = excluded.options;
END
$$;
COMMENT ON FUNCTION syncup.add_step(regrole, text, text, text, text, text[], int, text, boolean, jsonb) IS 'What syncup_add_step() does.';

CREATE FUNCTION syncup_add_step(job text, step text, kind text, connector text DEFAULT NULL, parents text[] DEFAULT '{}', level int DEFAULT NULL, start_when text DEFAULT 'all did', continue_on_error boolean DEFAULT false, options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_add_step(text, text, text, text, text[], int, text, boolean, jsonb) IS
'Adds a step to a job, or changes one: its kind, the connector of kinds that have one, the steps it follows, and when it starts (all did, any did, any started, always). Without a level it is one above its parents, else one above the last step.';

CREATE FUNCTION syncup.drop_step(caller regrole, job text, step text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	name text := (syncup.lock_job(caller, job)).job;
	children text;
BEGIN
	SELECT string_agg(format('"%s"', s.step), ', ' ORDER BY s.ordinal) INTO children
	FROM syncup.step_definition s WHERE s.job = name AND step = ANY (s.parents);
	IF children IS NOT NULL THEN
		RAISE 'step "%" of job "%" is a parent of %', step, name, children
			USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Give those other parents, or drop them first.';
	END IF;
	DELETE FROM syncup.step_definition s WHERE s.job = name AND s.step = step;
	IF NOT FOUND THEN
		RAISE 'job "%" has no step "%"', name, step USING ERRCODE = 'undefined_object', HINT = syncup.steps_hint(name, step);
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.drop_step(regrole, text, text) IS 'What syncup_drop_step() does.';

CREATE FUNCTION syncup_drop_step(job text, step text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_drop_step(text, text) IS
'Takes a step out of a job; refused while another step follows it.';

CREATE FUNCTION syncup.drop_job(caller regrole, job text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	name text := (syncup.lock_job(caller, job)).job;
BEGIN
	DELETE FROM syncup.step_definition s WHERE s.job = name;
	DELETE FROM syncup.job_definition d WHERE d.job = name;
END
$$;
COMMENT ON FUNCTION syncup.drop_job(regrole, text) IS 'What syncup_drop_job() does.';

CREATE FUNCTION syncup_drop_job(job text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_drop_job(text) IS
'Drops a job and its steps; the history of its runs stays. Take it off its schedule first, with syncup_unschedule().';
