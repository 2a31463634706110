-- What steps do: a row and a function per kind (JOBS 4). The functions run with
-- the rights of the job's owner, and use what everybody may use.

CREATE TYPE syncup.step_result AS (state text, did_something boolean, more boolean, message text, counters jsonb, batch uuid);
COMMENT ON TYPE syncup.step_result IS
'What a step''s function returns: state success, blocked, warning or error (null: success; error keeps what was done, an exception does not); whether it did something; whether it is to be called again; what it says; counters; the batch that it speaks of.';

CREATE FUNCTION syncup.step_at_hand(caller regrole, run bigint, step text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r syncup.run_record;
	s syncup.step_record;
BEGIN
	SELECT x.* INTO r FROM syncup.run_record x WHERE x.run = run;
	SELECT x.* INTO s FROM syncup.step_record x WHERE x.run = run AND x.step = step ORDER BY x.ordinal DESC LIMIT 1;
	IF s.run IS NULL OR NOT pg_has_role(caller, r.owner, 'MEMBER') THEN
		RAISE 'run % has no step "%"', run, step USING ERRCODE = 'undefined_object';
	END IF;
	RETURN jsonb_build_object('job', r.job, 'run', run, 'step', step, 'kind', s.kind, 'connector', s.connector,
		'mode', CASE WHEN r.incremental THEN 'incremental' ELSE 'complete' END, 'force', r.forced,
		'options', s.options, 'batch', s.batch,
		'ignore_cookie', EXISTS (SELECT FROM syncup.step_record x WHERE x.run = run AND x.kind = 'export' AND x.connector = s.connector
			AND x.state = 'success' AND (x.options ->> 'ignore_cookie')::boolean));
END
$$;
COMMENT ON FUNCTION syncup.step_at_hand(regrole, bigint, text) IS 'What syncup_step_at_hand() does.';

CREATE FUNCTION syncup_step_at_hand(run bigint, step text)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_step_at_hand(bigint, text) IS
'What a step''s function has to know: {"job", "run", "step", "kind", "connector", "mode" (incremental or complete), "force", "options", "batch", "ignore_cookie" (an export step of the run said so)}.';

CREATE FUNCTION syncup.batch_totals(caller regrole, batch uuid)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_strip_nulls(jsonb_build_object(
		'rows_read', sum(c.rows_read), 'rows_kept', sum(c.rows_kept),
		'delta', sum(c.delta_inserted + c.delta_updated + c.delta_deleted),
		'rejected', sum(c.rejected), 'duplicates', sum(c.duplicates), 'null_keys', sum(c.null_keys)))
	FROM syncup.batch_counter c WHERE c.batch = $2
$$;
COMMENT ON FUNCTION syncup.batch_totals(regrole, uuid) IS 'What syncup_batch_totals() does.';

CREATE FUNCTION syncup_batch_totals(batch uuid)
RETURNS jsonb
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_batch_totals(uuid) IS
'What the prepare of a batch counted, over all its mappings: numbers only.';

CREATE FUNCTION syncup.must_synchronize(caller regrole, batch uuid)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM syncup.batch_counter c WHERE c.batch = b.batch
			AND c.delta_inserted + c.delta_updated + c.delta_deleted > 0)
		OR EXISTS (SELECT FROM syncup.batch q WHERE q.connector = b.connector AND q.batch <> b.batch
			AND q.status IN ('prepared', 'blocked', 'failed') AND q.prepared_at IS NOT NULL)
		OR EXISTS (SELECT FROM syncup.orphan o WHERE o.connector = b.connector)
		OR EXISTS (SELECT FROM syncup.association a WHERE a.connector = b.connector AND a.entity_connector <> b.connector)
	FROM syncup.batch b WHERE b.batch = $2
$$;
COMMENT ON FUNCTION syncup.must_synchronize(regrole, uuid) IS 'What syncup_must_synchronize() does.';

CREATE FUNCTION syncup_must_synchronize(batch uuid)
RETURNS boolean
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_must_synchronize(uuid) IS
'Whether synchronizing a queued batch could write anything: its delta is not empty, others wait before it, or links may be found that were not.';

-- ---------- synchronization ----------

CREATE FUNCTION syncup.step_prepare(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	mode text := coalesce(me #>> '{options,mode}', me ->> 'mode');
	result syncup.step_result;
	applied syncup.step_result;
BEGIN
	result.batch := @extschema@.syncup_prepare(me ->> 'connector', mode, jsonb_build_object('ignore_cookie', me -> 'ignore_cookie'));
	result.counters := @extschema@.syncup_batch_totals(result.batch);
	result.did_something := mode <> 'incremental' OR @extschema@.syncup_must_synchronize(result.batch);
	-- Nobody will synchronize a batch that holds nothing: it must not wait for ever.
	IF NOT result.did_something THEN
		applied := syncup.synchronized(ARRAY(SELECT r FROM @extschema@.syncup_synchronize(me ->> 'connector', force => (me ->> 'force')::boolean) r));
		-- rows set aside, or a check, can block what changes nothing
		result.state := applied.state;
		result.message := applied.message;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_prepare(bigint, text) IS
'Step kind prepare: did something unless an incremental delta is empty, and nothing else waits; then the empty batch is applied at once.';

-- What a synchronize or a resume returned, as the result of a step.
CREATE FUNCTION syncup.synchronized(results syncup.result[])
RETURNS syncup.step_result
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (CASE WHEN bool_or(r.status = 'failed') THEN 'error' WHEN bool_or(r.status = 'blocked') THEN 'blocked' ELSE 'success' END,
		coalesce(sum(r.inserted + r.updated + r.deleted + r.links_inserted + r.links_deleted + r.links_updated) FILTER (WHERE r.status = 'applied'), 0) > 0,
		false,
		(array_agg(CASE r.status WHEN 'failed' THEN format('batch %s failed; the reason is in syncup.batch', r.batch)
			WHEN 'blocked' THEN format('batch %s is blocked', r.batch) END ORDER BY r.status = 'applied', r.ordinality))[1],
		jsonb_build_object('batches', count(r.batch),
			'inserted', coalesce(sum(r.inserted), 0), 'updated', coalesce(sum(r.updated), 0), 'deleted', coalesce(sum(r.deleted), 0),
			'links_inserted', coalesce(sum(r.links_inserted), 0), 'links_deleted', coalesce(sum(r.links_deleted), 0)),
		(array_agg(r.batch ORDER BY r.status = 'applied', r.ordinality))[1])::syncup.step_result
	FROM unnest(results) WITH ORDINALITY r
$$;
COMMENT ON FUNCTION syncup.synchronized(syncup.result[]) IS
'Batches applied, blocked or failed as the result of a step: counters added up; the batch that stopped it, else the first.';

CREATE FUNCTION syncup.step_synchronize(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
BEGIN
	RETURN syncup.synchronized(ARRAY(SELECT r FROM @extschema@.syncup_synchronize(me ->> 'connector',
		force => (me ->> 'force')::boolean OR coalesce((me #>> '{options,force}')::boolean, false),
		keep_changes => coalesce((me #>> '{options,keep_changes}')::boolean, false),
		orphans => me #>> '{options,orphans}') r));
END
$$;
COMMENT ON FUNCTION syncup.step_synchronize(bigint, text) IS
'Step kind synchronize: the connector''s whole queue; did something if a row or link was written.';

CREATE FUNCTION syncup.batch_status(caller regrole, batch uuid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT b.status FROM syncup.batch b WHERE b.batch = $2 $$;
COMMENT ON FUNCTION syncup.batch_status(regrole, uuid) IS 'What syncup_batch_status() does.';

CREATE FUNCTION syncup_batch_status(batch uuid)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_batch_status(uuid) IS 'The status of a batch; null: there is none.';

CREATE FUNCTION syncup.resume_synchronize(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	batch uuid := me ->> 'batch';
	status text := @extschema@.syncup_batch_status(batch);
	result syncup.step_result;
BEGIN
	IF status = 'blocked' THEN
		RETURN syncup.synchronized(ARRAY(SELECT r FROM @extschema@.syncup_resume(batch, (me ->> 'force')::boolean) r));
	END IF;
	-- somebody has decided meanwhile: that stands, and the queue behind it goes on
	result := syncup.synchronized(ARRAY(SELECT r FROM @extschema@.syncup_synchronize(me ->> 'connector') r));
	result.did_something := result.did_something OR status IS NOT DISTINCT FROM 'applied';
	result.message := coalesce(result.message, CASE status
		WHEN 'applied' THEN format('batch %s was resumed meanwhile', batch)
		WHEN 'cancelled' THEN format('batch %s was superseded by a complete run meanwhile', batch)
		WHEN 'discarded' THEN format('batch %s was discarded meanwhile', batch)
		ELSE format('batch %s is %s', batch, coalesce(status, 'gone')) END);
	result.batch := batch;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.resume_synchronize(bigint, text) IS
'Where a run is resumed that a batch had blocked: applies it as it was reviewed, unless somebody has decided meanwhile.';

-- ---------- statements and programs ----------

CREATE FUNCTION syncup_execute(statement text, run bigint DEFAULT NULL, step text DEFAULT NULL, timeout interval DEFAULT NULL)
RETURNS jsonb
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_execute(text, bigint, text, interval) IS
'Runs one statement with the rights of the caller, $1 being the run and $2 the step: {"command", "rows", "row": the first, if it returns any}. Longer than timeout: cancelled, with 57014.';

CREATE FUNCTION syncup.step_sql(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	done jsonb;
	answer jsonb;
	result syncup.step_result;
BEGIN
	done := @extschema@.syncup_execute(me #>> '{options,statement}', run, step, (me #>> '{options,timeout}')::interval);
	answer := coalesce(done -> 'row', '{}');
	result.counters := jsonb_build_object('rows', done -> 'rows');
	IF answer ?| ARRAY['did_something', 'state', 'more'] THEN
		-- it speaks as a kind's function does
		result := jsonb_populate_record(result, answer);
	ELSIF done ->> 'command' = 'SELECT' AND (SELECT count(*) FROM jsonb_object_keys(answer)) = 1 AND (done ->> 'rows')::bigint = 1 THEN
		SELECT CASE jsonb_typeof(a.value) WHEN 'boolean' THEN (a.value #>> '{}')::boolean WHEN 'number' THEN (a.value #>> '{}')::numeric > 0 WHEN 'null' THEN false ELSE true END
		INTO result.did_something FROM jsonb_each(answer) a;
	ELSE
		result.did_something := done ->> 'command' = 'UTILITY' OR (done ->> 'rows')::bigint > 0;
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_sql(bigint, text) IS
'Step kind sql: one statement. It did something if rows were affected; a SELECT of one value if that is true, or more than 0; one with a column did_something, state or more speaks for itself.';

CREATE FUNCTION syncup.run_program(command text, timeout interval)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('COPY (SELECT WHERE false) TO PROGRAM %L', CASE WHEN timeout IS NULL THEN command
		ELSE format('exec timeout -k 5 %s sh -c ''%s''', extract(epoch FROM timeout), replace(command, '''', '''\''''')) END);
END
$$;
COMMENT ON FUNCTION syncup.run_program(text, interval) IS
'Runs a command of the operating system, with the rights of the caller: a member of pg_execute_server_program.';

CREATE FUNCTION syncup.step_program(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	result syncup.step_result;
BEGIN
	PERFORM syncup.run_program(me #>> '{options,command}', (me #>> '{options,timeout}')::interval);
	result.did_something := true;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_program(bigint, text) IS
'Step kind program: a command of the operating system; did something if it succeeded.';

CREATE FUNCTION syncup_source_files(connector text)
RETURNS TABLE (mapping text, file text, size bigint, modified timestamptz)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_source_files(text) IS
'The files that the mappings of a connector read, as they lie there now; size null: it is not there, or not ready; file null: the mapping reads a relation.';

CREATE FUNCTION syncup.step_export(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	before text[] := ARRAY(SELECT f::text FROM @extschema@.syncup_source_files(me ->> 'connector') f);
	changed bigint;
	result syncup.step_result;
BEGIN
	IF me #>> '{options,command}' IS NOT NULL THEN
		PERFORM syncup.run_program(me #>> '{options,command}', (me #>> '{options,timeout}')::interval);
	END IF;
	IF me #>> '{options,statement}' IS NOT NULL THEN
		PERFORM @extschema@.syncup_execute(me #>> '{options,statement}', run, step, (me #>> '{options,timeout}')::interval);
	END IF;
	SELECT count(*) INTO changed FROM @extschema@.syncup_source_files(me ->> 'connector') f
	WHERE f.size IS NOT NULL AND f::text <> ALL (before) OR f.file IS NULL;
	result.did_something := changed > 0;
	result.counters := jsonb_build_object('files', changed);
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_export(bigint, text) IS
'Step kind export: a statement or a command that brings the files; did something if one is newer or of another size than before, or the mappings read relations.';

-- ---------- housekeeping ----------

CREATE FUNCTION syncup.analyze_own(caller regrole)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t record;
	due bigint := 0;
BEGIN
	FOR t IN
		SELECT s.relid::regclass AS name, s.n_dead_tup > 10000 AND s.n_dead_tup > s.n_live_tup AS vacuum_due
		FROM pg_stat_user_tables s
		WHERE s.schemaname IN ('syncup', 'syncup_previous', 'syncup_delta', 'syncup_changes')
			AND (s.n_mod_since_analyze > 0 OR s.n_dead_tup > 10000)
	LOOP
		EXECUTE format('ANALYZE %s', t.name);
		due := due + t.vacuum_due::int;
	END LOOP;
	RETURN due;
END
$$;
COMMENT ON FUNCTION syncup.analyze_own(regrole) IS 'What syncup_analyze_own() does.';

CREATE FUNCTION syncup_analyze_own()
RETURNS bigint
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_analyze_own() IS
'Analyzes syncup''s own tables where they changed; how many of them are due for VACUUM, which autovacuum does.';

CREATE FUNCTION syncup.step_maintain(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	result syncup.step_result;
	purged bigint;
	due bigint := @extschema@.syncup_analyze_own();
BEGIN
	IF has_function_privilege('@extschema@.syncup_purge(interval)', 'EXECUTE') THEN
		purged := @extschema@.syncup_purge(coalesce((me #>> '{options,keep}')::interval, '1 year'));
	ELSE
		result.message := 'no batch was forgotten: permission denied for function syncup_purge';
	END IF;
	result.counters := jsonb_build_object('batches_purged', purged, 'tables_to_vacuum', due);
	result.did_something := true;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_maintain(bigint, text) IS
'Step kind maintain: forgets batches older than "keep" (1 year) if the job''s owner may, and analyzes syncup''s own tables.';

INSERT INTO syncup.step_kind (kind, function, resume_function, connector, reads_source, repeated, options, description, own) VALUES
	('export', 'syncup.step_export', NULL, 'required', true, false, '{"statement": "text", "command": "text", "timeout": "interval", "ignore_cookie": "boolean"}', 'brings the files that are prepared next', false),
	('prepare', 'syncup.step_prepare', 'syncup.resume_synchronize', 'required', true, false, '{"mode": ["initial", "complete", "incremental"]}', 'reads the files of a connector and queues a batch', false),
	('synchronize', 'syncup.step_synchronize', 'syncup.resume_synchronize', 'required', true, false, '{"force": "boolean", "keep_changes": "boolean", "orphans": "text"}', 'applies the queue of a connector', false),
	('sql', 'syncup.step_sql', NULL, 'optional', false, true, '{"statement": "text", "timeout": "interval"}', 'runs a statement', false),
	('program', 'syncup.step_program', NULL, 'optional', false, true, '{"command": "text", "timeout": "interval"}', 'runs a command of the operating system', false),
	('maintain', 'syncup.step_maintain', NULL, 'none', false, false, '{"keep": "interval"}', 'forgets what is old, and keeps statistics true', false);
