-- Runs of jobs: what starts, what does not and why, what became of it (JOBS 3).

CREATE TABLE syncup.run_record (
	run bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	job text NOT NULL,
	job_id int NOT NULL,
	state text NOT NULL CHECK (state IN ('running', 'success', 'warning', 'error', 'blocked', 'cancelled', 'interrupted', 'not started')),
	owner regrole NOT NULL,
	incremental boolean NOT NULL,
	options jsonb NOT NULL,
	forced boolean NOT NULL,
	launched_by name NOT NULL,
	launched_how text NOT NULL CHECK (launched_how IN ('manual', 'cron', 'resume')),
	pid int,
	started_at timestamptz NOT NULL,
	ended_at timestamptz,
	resumed_from bigint,
	cancel_requested boolean NOT NULL DEFAULT false,
	message text
)
WITH (autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0.02);
CREATE INDEX run_of_job ON syncup.run_record (job, run);
CREATE INDEX run_under_way ON syncup.run_record (job_id) WHERE state = 'running';
COMMENT ON TABLE syncup.run_record IS 'One row per run of a job; look at the view syncup.job_run. Written by runs only.';
ALTER TABLE syncup.run_record ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('syncup.run_record', '');
SELECT pg_catalog.pg_extension_config_dump('syncup.run_record_run_seq', '');

CREATE TABLE syncup.step_record (
	run bigint NOT NULL,
	ordinal int NOT NULL,
	round int NOT NULL,
	step text NOT NULL,
	kind text NOT NULL,
	connector text,
	level int NOT NULL,
	parents text[] NOT NULL,
	start_when text NOT NULL,
	continue_on_error boolean NOT NULL,
	options jsonb NOT NULL,
	state text NOT NULL CHECK (state IN ('waiting', 'running', 'success', 'warning', 'error', 'blocked', 'cancelled', 'interrupted', 'not started', 'left out')),
	decided boolean NOT NULL DEFAULT false,
	reason text,
	did_something boolean,
	counters jsonb,
	batch uuid,
	started_at timestamptz,
	ended_at timestamptz,
	sqlstate text,
	error text,
	PRIMARY KEY (run, ordinal)
);
COMMENT ON TABLE syncup.step_record IS 'The steps of each run as they were defined then, and what became of them; look at the view syncup.job_step_run. Written by runs only.';
COMMENT ON COLUMN syncup.step_record.decided IS 'its level was reached, and it is to be started';
ALTER TABLE syncup.step_record ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('syncup.step_record', '');

-- ---------- what is looked at ----------

-- Who runs a job holds a lock, of which the view tells without a function: those
-- in a view need rights of whoever looks. A standby cannot see locks.
CREATE VIEW syncup.job_at_work AS
SELECT l.objid::bigint AS job_id, l.pid
FROM pg_catalog.pg_locks l
WHERE l.locktype = 'object' AND l.classid = 'syncup.run_record'::regclass AND l.objsubid = 0 AND l.granted AND l.pid IS NOT NULL
	AND l.database = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database());
COMMENT ON VIEW syncup.job_at_work IS 'The processes that run a job now.';

CREATE VIEW syncup.every_run AS
SELECT r.run, r.job, r.job_id,
	CASE WHEN r.state = 'running' AND NOT pg_is_in_recovery()
		AND (r.job_id::bigint, r.pid) NOT IN (SELECT w.job_id, w.pid FROM syncup.job_at_work w) THEN 'interrupted' ELSE r.state END AS state,
	r.launched_by, r.launched_how, r.started_at, r.ended_at,
	coalesce(r.ended_at, CASE WHEN r.state = 'running' THEN clock_timestamp() END) - r.started_at AS duration,
	r.resumed_from, r.message, r.forced, r.incremental, r.owner, r.pid
FROM syncup.run_record r;
COMMENT ON VIEW syncup.every_run IS 'Runs of all jobs as they are now: what other views are made of.';

CREATE VIEW syncup.job_run AS
SELECT r.run, r.job, r.state, r.launched_by, r.launched_how, r.started_at, r.ended_at, r.duration, r.resumed_from, r.message, r.forced, r.incremental, r.owner, r.pid
FROM syncup.every_run r
WHERE pg_has_role(r.owner, 'MEMBER');
COMMENT ON VIEW syncup.job_run IS 'Runs of jobs, also of those that were dropped. A run whose process has ended without recording it is interrupted, at once.';
COMMENT ON COLUMN syncup.job_run.resumed_from IS 'the run that this one goes on with';
COMMENT ON COLUMN syncup.job_run.message IS 'what happened, in a sentence';

CREATE VIEW syncup.job_step_run AS
SELECT s.run, s.step, s.ordinal, s.level, s.kind, s.connector,
	CASE WHEN s.state = 'running' AND r.state <> 'running' THEN 'interrupted' ELSE s.state END AS state,
	s.reason, s.did_something, s.counters, s.batch, s.started_at, s.ended_at, s.sqlstate, s.error, r.job, s.round
FROM syncup.step_record s JOIN syncup.job_run r USING (run);
COMMENT ON VIEW syncup.job_step_run IS 'The steps of each run: what became of them, and why one was not started.';
COMMENT ON COLUMN syncup.job_step_run.reason IS 'why it was not started or left out, or what it says itself';
COMMENT ON COLUMN syncup.job_step_run.did_something IS 'what decides whether its children start';

-- ---------- what starts ----------

-- A parent as a child sees it.
CREATE TYPE syncup.parent_outcome AS (step text, state text, did_something boolean);
COMMENT ON TYPE syncup.parent_outcome IS 'What became of a parent: success, warning, not started, left out; and whether it did something.';

CREATE FUNCTION syncup.decide_start(start_when text, parents syncup.parent_outcome[], OUT verdict text, OUT reason text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH parent AS (
		SELECT p.ordinality, p.step,
			-- a parent left out counts for nothing, but where all must have done something
			CASE WHEN p.state = 'left out' THEN 'left out'
				WHEN p.state IN ('success', 'warning') THEN p.state
				ELSE 'not started' END AS state,
			coalesce(p.did_something, false) AS did
		FROM unnest(parents) WITH ORDINALITY p
	), seen AS (
		SELECT count(*) AS parents,
			count(*) FILTER (WHERE state = 'left out') AS left_out,
			count(*) FILTER (WHERE state = 'success' AND did) AS did,
			count(*) FILTER (WHERE state = 'success') AS started,
			(SELECT format(CASE p.state WHEN 'not started' THEN 'parent "%s" was not started'
					WHEN 'warning' THEN 'parent "%s" ended in warning' ELSE 'parent "%s" changed nothing' END, p.step)
				FROM parent p WHERE p.state <> 'left out' AND NOT (p.state = 'success' AND (p.did OR start_when = 'any started'))
				ORDER BY p.ordinality LIMIT 1) AS first_reason,
			(SELECT p.step FROM parent p WHERE p.state = 'left out' ORDER BY p.ordinality LIMIT 1) AS first_left_out
		FROM parent
	)
	SELECT v.verdict,
		CASE v.verdict
			WHEN 'left out' THEN format('parent "%s" is left out', first_left_out)
			WHEN 'not started' THEN CASE WHEN start_when = 'all did' OR parents = 1 OR parents - left_out = 1 THEN first_reason
				WHEN start_when = 'any did' THEN 'no parent changed anything' ELSE 'no parent was started with success' END
		END
	FROM seen, LATERAL (SELECT CASE
		WHEN parents = 0 OR start_when = 'always' THEN 'start'
		WHEN parents = left_out OR (start_when = 'all did' AND left_out > 0) THEN 'left out'
		WHEN start_when = 'all did' AND did = parents OR start_when = 'any did' AND did > 0 OR start_when = 'any started' AND started > 0 THEN 'start'
		ELSE 'not started' END) AS v (verdict)
$$;
COMMENT ON FUNCTION syncup.decide_start(text, syncup.parent_outcome[]) IS
'Whether a step starts (start, not started, left out) and why not, by what became of its parents (JOBS 3).';

CREATE FUNCTION syncup.why_left_out(kind text, connector text, incremental boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN NOT c.active THEN format('connector "%s" is deactivated', c.connector)
		WHEN NOT $3 THEN NULL
		WHEN b.batch IS NOT NULL THEN format('connector "%s" is blocked by batch %s', c.connector, b.batch)
		WHEN c.needs_complete THEN format('connector "%s" needs a complete run', c.connector)
	END
	FROM syncup.step_kind k
	JOIN syncup.connector c ON c.connector = $2
	LEFT JOIN LATERAL (
		SELECT q.batch FROM syncup.batch q
		WHERE q.connector = c.connector AND q.status = 'blocked' AND q.prepared_at IS NOT NULL ORDER BY q.seq LIMIT 1
	) AS b ON true
	WHERE k.kind = $1 AND k.reads_source
$$;
COMMENT ON FUNCTION syncup.why_left_out(text, text, boolean) IS
'Why a step is left out whatever its parents did; null: it is not.';

-- The steps that a run takes, of those that the job has.
CREATE FUNCTION syncup.selected_steps(job text, only_steps text[], from_step text, to_step text)
RETURNS SETOF syncup.step_definition
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	pattern text;
	edge text;
	place record;
	first_place record;
	last_place record;
BEGIN
	FOREACH edge IN ARRAY ARRAY[from_step, to_step] LOOP
		CONTINUE WHEN edge IS NULL OR EXISTS (SELECT FROM syncup.step_definition s WHERE s.job = job AND s.step = edge);
		RAISE 'job "%" has no step "%"', job, edge USING ERRCODE = 'undefined_object', HINT = syncup.steps_hint(job, edge);
	END LOOP;
	FOREACH pattern IN ARRAY coalesce(only_steps, '{}') LOOP
		CONTINUE WHEN EXISTS (SELECT FROM syncup.step_definition s WHERE s.job = job AND (s.step = pattern OR s.step LIKE pattern));
		RAISE 'job "%" has no step "%"', job, pattern USING ERRCODE = 'undefined_object', HINT = syncup.steps_hint(job, pattern) || ' "%" stands for any characters.';
	END LOOP;
	RETURN QUERY
	SELECT s.* FROM syncup.step_definition s
	WHERE s.job = job
		AND (only_steps IS NULL OR EXISTS (SELECT FROM unnest(only_steps) o (pattern) WHERE s.step = o.pattern OR s.step LIKE o.pattern))
		AND (from_step IS NULL OR (s.level, s.ordinal) >= (SELECT f.level, f.ordinal FROM syncup.step_definition f WHERE f.job = job AND f.step = from_step))
		AND (to_step IS NULL OR (s.level, s.ordinal) <= (SELECT f.level, f.ordinal FROM syncup.step_definition f WHERE f.job = job AND f.step = to_step))
	ORDER BY s.level, s.ordinal;
	IF NOT FOUND THEN
		RAISE 'job "%" has no step to run%', job, CASE WHEN only_steps IS NULL AND from_step IS NULL AND to_step IS NULL THEN '' ELSE ' in this selection' END
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Add steps with syncup_add_step().';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.selected_steps(text, text[], text, text) IS 'The steps of a job that a run takes, in the order in which it takes them.';

CREATE FUNCTION syncup.plan(caller regrole, job text, only_steps text[], from_step text, to_step text)
RETURNS TABLE (ordinal int, level int, step text, kind text, connector text, will text, reason text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	defined syncup.job_definition := syncup.check_job_owner(caller, job);
	s syncup.step_definition;
	-- what became of the steps before, in the best case and in the worst
	best jsonb := '{}';
	worst jsonb := '{}';
	best_verdict text;
	worst_verdict text;
	why text;
	worst_why text;
BEGIN
	ordinal := 0;
	FOR s IN SELECT * FROM syncup.selected_steps(defined.job, only_steps, from_step, to_step) LOOP
		ordinal := ordinal + 1;
		level := s.level;
		step := s.step;
		kind := s.kind;
		connector := s.connector;
		SELECT d.verdict, d.reason INTO best_verdict, why FROM syncup.decide_start(s.start_when, syncup.planned_parents(s.parents, best, true)) d;
		SELECT d.verdict, d.reason INTO worst_verdict, worst_why FROM syncup.decide_start(s.start_when, syncup.planned_parents(s.parents, worst, false)) d;
		IF syncup.why_left_out(s.kind, s.connector, defined.incremental) IS NOT NULL THEN
			will := 'left out';
			reason := syncup.why_left_out(s.kind, s.connector, defined.incremental);
		ELSIF best_verdict <> 'start' THEN
			will := best_verdict;
			reason := why;
		ELSIF worst_verdict <> 'start' THEN
			will := 'depends';
			reason := CASE s.start_when
				WHEN 'all did' THEN 'if all of its parents do something'
				WHEN 'any did' THEN 'if one of its parents does something'
				ELSE 'if one of its parents is started' END;
		ELSE
			will := 'start';
			reason := NULL;
		END IF;
		best := best || jsonb_build_object(s.step, CASE WHEN will IN ('left out', 'not started') THEN will ELSE 'success' END);
		worst := worst || jsonb_build_object(s.step, CASE will WHEN 'start' THEN 'success' WHEN 'depends' THEN 'not started' ELSE will END);
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.plan(regrole, text, text[], text, text) IS 'What syncup_plan() does.';

CREATE FUNCTION syncup.planned_parents(parents text[], outcomes jsonb, did boolean)
RETURNS syncup.parent_outcome[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg((p.step, outcomes ->> p.step, did)::syncup.parent_outcome ORDER BY p.ordinality), '{}')
	FROM unnest(parents) WITH ORDINALITY p (step, ordinality) WHERE outcomes ? p.step
$$;
COMMENT ON FUNCTION syncup.planned_parents(text[], jsonb, boolean) IS
'Parents as a plan thinks of them: those in the selection, each of which does something, or does nothing.';

CREATE FUNCTION syncup_plan(job text, "only" text[] DEFAULT NULL, from_step text DEFAULT NULL, to_step text DEFAULT NULL)
RETURNS TABLE (ordinal int, level int, step text, kind text, connector text, will text, reason text)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_plan(text, text[], text, text) IS
'What a run of the job would start now, what it would leave out, and why. will: start, depends (on what its parents do), not started, left out.';

-- ---------- a run: its beginning ----------

CREATE FUNCTION syncup.launched_how()
RETURNS text
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN EXISTS (
		SELECT FROM pg_stat_activity a
		WHERE a.pid = pg_backend_pid() AND (a.application_name ILIKE 'pg_cron%' OR a.backend_type ILIKE '%cron%')
	) THEN 'cron' ELSE 'manual' END
$$;
COMMENT ON FUNCTION syncup.launched_how() IS 'Whether pg_cron or somebody else has called.';

CREATE FUNCTION syncup.check_owner_exists(job text, owner regrole)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = owner) THEN
		RAISE 'the owner of job "%" was dropped', job
			USING ERRCODE = 'undefined_object', HINT = 'Drop the job and create it again, as a role that is there.';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_owner_exists(text, regrole) IS 'Errors where nobody is left whose rights a job could have.';

-- Finds the job, whose lock is then taken; errors unless the run is possible.
CREATE FUNCTION syncup.job_to_run(caller regrole, job text, only_steps text[], from_step text, to_step text)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	defined syncup.job_definition := syncup.check_job_owner(caller, job);
BEGIN
	IF defined.options ->> 'manual_start' = 'false' AND syncup.launched_how() <> 'cron' THEN
		RAISE 'job "%" is started by its schedule only', defined.job
			USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = format('SELECT syncup_create_job(%L, %L, ''{"manual_start": true}'') allows it.', defined.job, defined.incremental);
	END IF;
	PERFORM syncup.check_owner_exists(defined.job, defined.owner);
	PERFORM FROM syncup.selected_steps(defined.job, only_steps, from_step, to_step);
	RETURN defined.id;
END
$$;
COMMENT ON FUNCTION syncup.job_to_run(regrole, text, text[], text, text) IS 'The number of a job that the caller may run.';

-- Former runs that ended without a word.
CREATE FUNCTION syncup.record_interrupted(job_id int)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH ended AS (
		UPDATE syncup.run_record r SET state = 'interrupted', message = 'its process ended before the run did', ended_at = coalesce((
			SELECT max(coalesce(s.ended_at, s.started_at)) FROM syncup.step_record s WHERE s.run = r.run), r.started_at)
		WHERE r.job_id = $1 AND r.state = 'running'
		RETURNING r.run
	)
	UPDATE syncup.step_record s SET state = 'interrupted' FROM ended e WHERE s.run = e.run AND s.state = 'running'
$$;
COMMENT ON FUNCTION syncup.record_interrupted(int) IS
'Records runs of a job as interrupted; whoever calls this has the job''s lock.';

CREATE FUNCTION syncup.begin_run(caller regrole, job text, only_steps text[], from_step text, to_step text, force boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	defined syncup.job_definition := syncup.check_job_owner(caller, job);
	number bigint;
BEGIN
	PERFORM syncup.record_interrupted(defined.id);
	INSERT INTO syncup.run_record (job, job_id, state, owner, incremental, options, forced, launched_by, launched_how, pid, started_at)
	VALUES (defined.job, defined.id, 'running', defined.owner, defined.incremental, defined.options, force, caller::name, syncup.launched_how(), pg_backend_pid(), clock_timestamp())
	RETURNING run INTO number;
	INSERT INTO syncup.step_record (run, ordinal, round, step, kind, connector, level, parents, start_when, continue_on_error, options, state)
	SELECT number, row_number() OVER (ORDER BY s.level, s.ordinal), 1, s.step, s.kind, s.connector, s.level, s.parents, s.start_when, s.continue_on_error, s.options, 'waiting'
	FROM syncup.selected_steps(defined.job, only_steps, from_step, to_step) s;
	RETURN number;
END
$$;
COMMENT ON FUNCTION syncup.begin_run(regrole, text, text[], text, text, boolean) IS 'Records a run with its definition; its number.';

CREATE FUNCTION syncup.run_not_started(caller regrole, job text, busy_pid int)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	defined syncup.job_definition := syncup.check_job_owner(caller, job);
	said text := format('job "%s" was not started: it is being run by process %s', defined.job, busy_pid);
	number bigint;
BEGIN
	INSERT INTO syncup.run_record (job, job_id, state, owner, incremental, options, forced, launched_by, launched_how, started_at, ended_at, message)
	VALUES (defined.job, defined.id, 'not started', defined.owner, defined.incremental, defined.options, false, caller::name, syncup.launched_how(), clock_timestamp(), clock_timestamp(), said)
	RETURNING run INTO number;
	PERFORM syncup.announce_run(number, defined.job, 'not started');
	PERFORM syncup.forget_runs(defined.job, defined.options);
	RETURN said;
END
$$;
COMMENT ON FUNCTION syncup.run_not_started(regrole, text, int) IS 'Records that a job was busy; what is to be said.';

CREATE FUNCTION syncup.announce_run(run bigint, job text, state text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT pg_notify('syncup', jsonb_build_object('event', 'job', 'run', run, 'job', job, 'state', state)::text)
	WHERE state <> 'success'
$$;
COMMENT ON FUNCTION syncup.announce_run(bigint, text, text) IS 'Tells who listens on channel syncup of a run that was no success.';

CREATE FUNCTION syncup.forget_runs(job text, options jsonb)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH old AS (
		DELETE FROM syncup.run_record r
		WHERE r.job = $1 AND r.state <> 'running'
			AND r.run <= (SELECT k.run FROM syncup.run_record k WHERE k.job = $1 ORDER BY k.run DESC OFFSET coalesce(($2 ->> 'keep_runs')::int, 100) LIMIT 1)
		RETURNING r.run
	)
	DELETE FROM syncup.step_record s USING old WHERE s.run = old.run
$$;
COMMENT ON FUNCTION syncup.forget_runs(text, jsonb) IS 'Forgets the runs of a job beyond its option keep_runs (100).';

-- ---------- a run: its steps ----------

-- Decides at once for all steps of a level that was reached.
CREATE FUNCTION syncup.decide_level(run bigint, round int, level int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	in_incremental boolean := (SELECT r.incremental FROM syncup.run_record r WHERE r.run = run);
BEGIN
	UPDATE syncup.step_record t
	SET decided = true,
		state = CASE WHEN v.verdict = 'start' THEN 'waiting' ELSE v.verdict END,
		reason = v.reason,
		ended_at = CASE WHEN v.verdict <> 'start' THEN clock_timestamp() END
	FROM (
		SELECT s.ordinal, CASE WHEN l.why IS NOT NULL THEN 'left out' ELSE d.verdict END AS verdict, coalesce(l.why, d.reason) AS reason
		FROM syncup.step_record s
		CROSS JOIN LATERAL (SELECT syncup.why_left_out(s.kind, s.connector, in_incremental)) AS l (why)
		CROSS JOIN LATERAL syncup.decide_start(s.start_when, (
			-- a parent that this round does not do again counts as it last was
			SELECT coalesce(array_agg((p.step, p.state, p.did_something)::syncup.parent_outcome ORDER BY array_position(s.parents, p.step)), '{}')
			FROM (
				SELECT DISTINCT ON (x.step) x.step, x.state, x.did_something
				FROM syncup.step_record x WHERE x.run = run AND x.step = ANY (s.parents) AND x.kind <> 'validate'
				ORDER BY x.step, x.round DESC
			) AS p
		)) AS d
		WHERE s.run = run AND s.round = round AND s.level = level AND s.state = 'waiting' AND NOT s.decided
	) AS v
	WHERE t.run = run AND t.ordinal = v.ordinal;
END
$$;
COMMENT ON FUNCTION syncup.decide_level(bigint, int, int) IS 'Decides which steps of a level start; once, when the level is reached.';

-- Lets the steps be done once more, if that is asked for and one did something.
CREATE FUNCTION syncup.begin_round(run bigint, round int)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	rounds int := (SELECT coalesce((r.options ->> 'repeat')::int, 1) FROM syncup.run_record r WHERE r.run = run);
BEGIN
	IF round >= rounds OR NOT EXISTS (
		SELECT FROM syncup.step_record s JOIN syncup.step_kind k USING (kind)
		WHERE s.run = run AND s.round = round AND k.repeated AND s.did_something)
	THEN
		RETURN false;
	END IF;
	INSERT INTO syncup.step_record (run, ordinal, round, step, kind, connector, level, parents, start_when, continue_on_error, options, state)
	SELECT run, (SELECT max(x.ordinal) FROM syncup.step_record x WHERE x.run = run) + row_number() OVER (ORDER BY s.ordinal),
		round + 1, s.step, s.kind, s.connector, s.level, s.parents, s.start_when, s.continue_on_error, s.options, 'waiting'
	FROM syncup.step_record s JOIN syncup.step_kind k USING (kind)
	WHERE s.run = run AND s.round = round AND k.repeated;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION syncup.begin_round(bigint, int) IS 'Adds another round of the steps to a run; false: there is none.';

CREATE FUNCTION syncup.next_step(run bigint)
RETURNS TABLE (ordinal int, step text, function text, owner oid)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r syncup.run_record;
	s syncup.step_record;
	last_round int;
BEGIN
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	IF r.cancel_requested OR EXISTS (SELECT FROM syncup.step_record x WHERE x.run = run AND x.state = 'cancelled') THEN
		RETURN;
	END IF;
	LOOP
		SELECT max(x.round) INTO last_round FROM syncup.step_record x WHERE x.run = run;
		SELECT x.* INTO s FROM syncup.step_record x WHERE x.run = run AND x.state = 'waiting'
		ORDER BY x.round, x.level, x.ordinal LIMIT 1;
		IF s.run IS NULL THEN
			EXIT WHEN EXISTS (SELECT FROM syncup.step_record x WHERE x.run = run AND x.state IN ('error', 'blocked'))
				OR NOT syncup.begin_round(run, last_round);
		ELSIF EXISTS (SELECT FROM syncup.step_record x WHERE x.run = run AND x.state IN ('error', 'blocked')
				AND (x.round, x.level) < (s.round, s.level)) THEN
			EXIT;				-- after that level the job stops
		ELSIF NOT s.decided THEN
			PERFORM syncup.decide_level(run, s.round, s.level);
		ELSE
			UPDATE syncup.step_record x SET state = 'running', started_at = clock_timestamp()
			WHERE x.run = run AND x.ordinal = s.ordinal;
			RETURN QUERY SELECT s.ordinal, s.step, syncup.step_function(run, s.ordinal), r.owner::oid;
			EXIT;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.next_step(bigint) IS 'Marks the step of a run that is to be done now as running; no row: there is none.';

CREATE FUNCTION syncup.step_function(run bigint, ordinal int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- of a step that stands for a resume: of the kind that had blocked
	SELECT p.oid::regproc::text
	FROM syncup.step_record s
	LEFT JOIN syncup.step_record blocked ON s.kind = 'validate' AND blocked.run = s.run AND blocked.step = s.options ->> 'step' AND blocked.kind <> 'validate'
	JOIN syncup.step_kind k ON k.kind = coalesce(blocked.kind, s.kind)
	JOIN pg_proc p ON p.oid = to_regprocedure(CASE WHEN s.kind = 'validate' THEN k.resume_function ELSE k.function END || '(bigint, text)')
	WHERE s.run = $1 AND s.ordinal = $2
	LIMIT 1
$$;
COMMENT ON FUNCTION syncup.step_function(bigint, int) IS 'The function of a step, as SQL names it; null: it is gone.';

CREATE FUNCTION syncup.finish_step(run bigint, ordinal int, result jsonb, sqlstate text, error text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	s syncup.step_record;
	r syncup.run_record;
	new_state text;
	more boolean := coalesce((result ->> 'more')::boolean, false);
	did boolean := coalesce((result ->> 'did_something')::boolean, false);
BEGIN
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	SELECT x.* INTO s FROM syncup.step_record x WHERE x.run = run AND x.ordinal = ordinal;
	new_state := CASE
		WHEN sqlstate = '57014' THEN 'cancelled'
		-- a lock that was not had in time is an error; that of the connector, of which it says so, is none
		WHEN sqlstate = '55P03' AND starts_with(error, format('connector "%s" is busy', s.connector)) THEN 'not started'
		WHEN sqlstate IS NOT NULL THEN 'error'
		WHEN coalesce(result ->> 'state', 'success') IN ('success', 'blocked', 'warning', 'error') THEN coalesce(result ->> 'state', 'success')
		ELSE 'error' END;
	IF new_state = 'error' AND sqlstate IS NULL THEN
		error := CASE WHEN coalesce(result ->> 'state', 'error') = 'error' THEN coalesce(result ->> 'message', 'the step says that it failed')
			ELSE format('the function of kind "%s" returned the unknown state "%s"', s.kind, result ->> 'state') END;
		sqlstate := coalesce(result ->> 'sqlstate', 'SU001');
	END IF;
	IF new_state = 'error' AND s.continue_on_error THEN
		new_state := 'warning';
	END IF;
	IF new_state <> 'success' OR r.cancel_requested OR (SELECT x.cancel_requested FROM syncup.run_record x WHERE x.run = run) THEN
		-- what is left to do is not done in this run
		IF more AND new_state = 'success' THEN
			new_state := 'cancelled';
		END IF;
		more := false;
	END IF;
	UPDATE syncup.step_record x
	SET state = CASE WHEN more THEN 'running' ELSE new_state END,
		did_something = coalesce(x.did_something, false) OR did,
		reason = CASE WHEN new_state = 'not started' THEN error ELSE coalesce(result ->> 'message', x.reason) END,
		counters = coalesce(syncup.add_counters(x.counters, result -> 'counters'), x.counters),
		batch = coalesce((result ->> 'batch')::uuid, x.batch),
		sqlstate = CASE WHEN new_state <> 'not started' THEN finish_step.sqlstate END,
		error = CASE WHEN new_state <> 'not started' THEN finish_step.error END,
		ended_at = CASE WHEN NOT more THEN clock_timestamp() END
	WHERE x.run = run AND x.ordinal = ordinal;
	-- A resumed batch stands for the step that it had blocked.
	IF s.kind = 'validate' AND NOT more THEN
		UPDATE syncup.step_record x
		SET state = CASE WHEN new_state IN ('success', 'warning') THEN 'success' ELSE 'not started' END,
			did_something = did, reason = format('see step "%s"', s.step), batch = coalesce((result ->> 'batch')::uuid, x.batch),
			ended_at = clock_timestamp(), decided = true
		WHERE x.run = run AND x.step = s.options ->> 'step' AND x.kind <> 'validate' AND x.state = 'waiting';
	END IF;
	RETURN more;
END
$$;
COMMENT ON FUNCTION syncup.finish_step(bigint, int, jsonb, text, text) IS
'Records what a call of a step''s function gave, or its error; whether it is to be called again.';

CREATE FUNCTION syncup.add_counters(a jsonb, b jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN a IS NULL OR b IS NULL OR jsonb_typeof(a) <> 'object' OR jsonb_typeof(b) <> 'object' THEN coalesce(b, a)
		ELSE (SELECT jsonb_object_agg(key, CASE WHEN jsonb_typeof(x.value) = 'number' AND jsonb_typeof(y.value) = 'number'
				THEN to_jsonb((x.value #>> '{}')::numeric + (y.value #>> '{}')::numeric) ELSE coalesce(y.value, x.value) END)
			FROM jsonb_each(a) x FULL JOIN jsonb_each(b) y USING (key)) END
$$;
COMMENT ON FUNCTION syncup.add_counters(jsonb, jsonb) IS 'Counters of two calls of a step, added.';

CREATE FUNCTION syncup.end_run(run bigint, OUT state text, OUT message text, OUT detail text, OUT hint text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r syncup.run_record;
	first_bad syncup.step_record;
BEGIN
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	SELECT x.* INTO first_bad FROM syncup.step_record x WHERE x.run = run AND x.state IN ('error', 'blocked', 'cancelled', 'warning')
	ORDER BY array_position(ARRAY['cancelled', 'error', 'blocked', 'warning'], x.state), x.ordinal LIMIT 1;
	state := CASE WHEN first_bad.state IN ('cancelled', 'error', 'blocked') THEN first_bad.state
		WHEN r.cancel_requested THEN 'cancelled' ELSE coalesce(first_bad.state, 'success') END;
	message := CASE state
		WHEN 'success' THEN NULL
		WHEN 'blocked' THEN format('job "%s" is blocked: run %s, step "%s"%s', r.job, run, first_bad.step, ', batch ' || (SELECT b.batch FROM syncup.batch b WHERE b.batch = first_bad.batch))
		WHEN 'error' THEN format('job "%s" failed: run %s, step "%s" ended in error', r.job, run, first_bad.step)
		WHEN 'warning' THEN format('job "%s" ended with a warning: run %s, step "%s"', r.job, run, first_bad.step)
		ELSE format('job "%s" was cancelled: run %s', r.job, run) END;
	detail := CASE first_bad.state
		WHEN 'blocked' THEN syncup.what_exceeds(first_bad.batch) || '.'
		ELSE first_bad.error || coalesce((SELECT ': ' || b.error FROM syncup.batch b
			WHERE b.connector = first_bad.connector AND b.status = 'failed' AND first_bad.error LIKE format('batch %s failed%%', b.batch)), '') END;
	hint := CASE state
		WHEN 'blocked' THEN format('Look at SELECT syncup_report(''%s''); then CALL syncup_resume_job(%s), or SELECT syncup_discard(''%s'').', first_bad.batch, run, first_bad.batch)
		WHEN 'success' THEN NULL
		ELSE format('See SELECT * FROM syncup.job_step_run WHERE run = %s; then CALL syncup_resume_job(%s).', run, run) END;
	IF state = 'blocked' AND NOT EXISTS (SELECT FROM syncup.batch b WHERE b.batch = first_bad.batch) THEN
		hint := format('See SELECT * FROM syncup.job_step_run WHERE run = %s; then CALL syncup_resume_job(%s).', run, run);
	END IF;
	UPDATE syncup.step_record x
	SET state = 'not started', decided = true, ended_at = clock_timestamp(),
		reason = CASE WHEN state IN ('error', 'blocked') THEN format('the job stopped after level %s: step "%s" %s', first_bad.level, first_bad.step,
			CASE state WHEN 'error' THEN 'ended in error' ELSE 'is blocked' END) ELSE 'the run was cancelled' END
	WHERE x.run = run AND x.state = 'waiting';
	UPDATE syncup.run_record x SET state = end_run.state, message = end_run.message, ended_at = clock_timestamp() WHERE x.run = end_run.run;
	PERFORM syncup.announce_run(run, r.job, state);
	PERFORM syncup.forget_runs(r.job, r.options);
END
$$;
COMMENT ON FUNCTION syncup.end_run(bigint) IS 'Records the end of a run; what is to be said of it.';

-- ---------- what a session has, and must not be left with by a step ----------

CREATE FUNCTION syncup.session_state()
RETURNS text[]
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(undo), '{}') FROM (
		SELECT format('UNLISTEN %I', c) FROM pg_listening_channels() c
		UNION ALL
		SELECT format('CLOSE %I', c.name) FROM pg_cursors c WHERE c.is_holdable
		UNION ALL
		SELECT format('DEALLOCATE %I', p.name) FROM pg_prepared_statements p WHERE p.from_sql
		UNION ALL
		SELECT format('SELECT pg_catalog.pg_advisory_unlock%s(%s)', CASE WHEN l.mode = 'ShareLock' THEN '_shared' END,
			CASE l.objsubid WHEN 1 THEN ((l.classid::bigint << 32) | l.objid::bigint)::text
				ELSE format('%s, %s', l.classid::bigint::bit(32)::int, l.objid::bigint::bit(32)::int) END)
		FROM pg_locks l WHERE l.locktype = 'advisory' AND l.pid = pg_backend_pid() AND l.granted
	) AS x (undo)
$$;
COMMENT ON FUNCTION syncup.session_state() IS
'Channels, cursors, prepared statements and advisory locks of the session, as the statements that end them.';

CREATE FUNCTION syncup.restore_session(before text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	undo text;
BEGIN
	-- a lock may have been taken more than once
	FOR i IN 1..1000 LOOP
		EXIT WHEN NOT EXISTS (SELECT unnest(syncup.session_state()) EXCEPT SELECT unnest(before));
		FOR undo IN SELECT unnest(syncup.session_state()) EXCEPT SELECT unnest(before) LOOP
			EXECUTE undo;
		END LOOP;
		EXIT WHEN NOT EXISTS (SELECT FROM unnest(syncup.session_state()) u WHERE u LIKE 'SELECT %');
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.restore_session(text[]) IS
'Ends what a step has left behind in the session that was not there before.';

-- ---------- calls ----------

CREATE PROCEDURE syncup_run_job(job text, "only" text[] DEFAULT NULL, from_step text DEFAULT NULL, to_step text DEFAULT NULL, force boolean DEFAULT false)
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE syncup_run_job(text, text[], text, text, boolean) IS
'Runs a job with the rights of its owner, a transaction per step. Raises SU001 where it ends in error and SU002 where it blocks, after all is recorded.';

CREATE PROCEDURE syncup_resume_job(run bigint, force boolean DEFAULT false)
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE syncup_resume_job(bigint, boolean) IS
'Goes on with what a run has not done, as a new run; a blocked batch is applied first, as it was reviewed.';

CREATE FUNCTION syncup.cancel_job(caller regrole, run bigint)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r syncup.run_record;
BEGIN
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	IF r.run IS NULL OR NOT pg_has_role(caller, r.owner, 'MEMBER') THEN
		RAISE 'run % does not exist', run USING ERRCODE = 'undefined_object', HINT = 'See syncup.job_run.';
	ELSIF NOT EXISTS (SELECT FROM syncup.job_run x WHERE x.run = run AND x.state = 'running') THEN
		RAISE 'run % of job "%" is not running any more', run, r.job USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
	UPDATE syncup.run_record x SET cancel_requested = true WHERE x.run = run;
END
$$;
COMMENT ON FUNCTION syncup.cancel_job(regrole, bigint) IS 'What syncup_cancel_job() does.';

CREATE FUNCTION syncup_cancel_job(run bigint)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_cancel_job(bigint) IS
'Ends a run after the step that it is at; pg_cancel_backend() ends that step, too.';

-- ---------- going on with a run ----------

CREATE FUNCTION syncup.job_to_resume(caller regrole, run bigint)
RETURNS int
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r syncup.run_record;
	later bigint;
BEGIN
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	IF r.run IS NULL OR NOT pg_has_role(caller, r.owner, 'MEMBER') THEN
		RAISE 'run % does not exist', run USING ERRCODE = 'undefined_object', HINT = 'See syncup.job_run.';
	END IF;
	SELECT max(x.run) INTO later FROM syncup.run_record x WHERE x.resumed_from = run AND x.state <> 'not started';
	IF later IS NOT NULL THEN
		RAISE 'run % of job "%" was resumed by run % already', run, r.job, later
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('See SELECT * FROM syncup.job_run WHERE run = %s.', later);
	ELSIF r.state IN ('success', 'not started') THEN
		RAISE 'run % of job "%" cannot be resumed: it is in state "%"', run, r.job, r.state
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('CALL syncup_run_job(%L).', r.job);
	END IF;
	PERFORM syncup.check_owner_exists(r.job, r.owner);
	RETURN r.job_id;
END
$$;
COMMENT ON FUNCTION syncup.job_to_resume(regrole, bigint) IS 'The number of the job of a run that the caller may resume.';

CREATE FUNCTION syncup.resume_not_started(caller regrole, run bigint, busy_pid int)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r syncup.run_record;
	said text;
	number bigint;
BEGIN
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	said := format('job "%s" was not started: it is being run by process %s', r.job, busy_pid);
	INSERT INTO syncup.run_record (job, job_id, state, owner, incremental, options, forced, launched_by, launched_how, started_at, ended_at, resumed_from, message)
	VALUES (r.job, r.job_id, 'not started', r.owner, r.incremental, r.options, false, caller::name, 'resume', clock_timestamp(), clock_timestamp(), run, said)
	RETURNING syncup.run_record.run INTO number;
	PERFORM syncup.announce_run(number, r.job, 'not started');
	RETURN said;
END
$$;
COMMENT ON FUNCTION syncup.resume_not_started(regrole, bigint, int) IS 'Records that a job was busy; what is to be said.';

CREATE FUNCTION syncup.begin_resume(caller regrole, run bigint, force boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r syncup.run_record;
	number bigint;
BEGIN
	PERFORM syncup.job_to_resume(caller, run);	-- once more, now that the lock is ours
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	PERFORM syncup.record_interrupted(r.job_id);
	INSERT INTO syncup.run_record (job, job_id, state, owner, incremental, options, forced, launched_by, launched_how, pid, started_at, resumed_from)
	VALUES (r.job, r.job_id, 'running', r.owner, r.incremental, r.options, force, caller::name, 'resume', pg_backend_pid(), clock_timestamp(), run)
	RETURNING syncup.run_record.run INTO number;
	-- what is done stays done; what blocked is preceded by its resume
	INSERT INTO syncup.step_record (run, ordinal, round, step, kind, connector, level, parents, start_when, continue_on_error, options, state, decided, reason, did_something, counters, batch, started_at, ended_at)
	SELECT number, row_number() OVER (ORDER BY s.round, s.level, s.kind <> 'validate', s.ordinal), s.round, s.step, s.kind, s.connector, s.level, s.parents, s.start_when, s.continue_on_error, s.options, s.state, s.decided, s.reason, s.did_something, s.counters, s.batch, s.started_at, s.ended_at
	FROM (
		-- what is still to be done is done as it is defined now
		SELECT o.ordinal, o.round, o.step, coalesce(d.kind, o.kind) AS kind, CASE WHEN d.step IS NULL THEN o.connector ELSE d.connector END AS connector,
			o.level, o.parents, coalesce(d.start_when, o.start_when) AS start_when, coalesce(d.continue_on_error, o.continue_on_error) AS continue_on_error,
			coalesce(d.options, o.options) AS options,
			CASE WHEN o.state = 'success' THEN o.state ELSE 'waiting' END AS state,
			o.state = 'success' OR o.kind = 'validate' AS decided,
			CASE WHEN o.state = 'success' THEN format('done in run %s', run) END AS reason,
			CASE WHEN o.state = 'success' THEN o.did_something END AS did_something,
			CASE WHEN o.state = 'success' THEN o.counters END AS counters,
			CASE WHEN o.state IN ('success', 'blocked') OR o.kind = 'validate' THEN o.batch END AS batch,
			CASE WHEN o.state = 'success' THEN o.started_at END AS started_at,
			CASE WHEN o.state = 'success' THEN o.ended_at END AS ended_at
		FROM syncup.step_record o
		LEFT JOIN syncup.step_definition d ON d.job = r.job AND d.step = o.step AND o.state <> 'success' AND o.kind <> 'validate'
		WHERE o.run = run AND (o.kind <> 'validate' OR o.state <> 'success')
		UNION ALL
		SELECT o.ordinal, o.round, format('validate %s', o.step), 'validate', o.connector, o.level, '{}', 'always', false,
			jsonb_build_object('step', o.step, 'batch', o.batch), 'waiting', true, NULL, NULL, NULL, o.batch, NULL, NULL
		FROM syncup.step_record o JOIN syncup.step_kind k USING (kind)
		WHERE o.run = run AND o.state = 'blocked' AND k.resume_function IS NOT NULL
	) AS s;
	RETURN number;
END
$$;
COMMENT ON FUNCTION syncup.begin_resume(regrole, bigint, boolean) IS 'Records a run that goes on with another one; its number.';
