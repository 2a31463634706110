-- What jobs do after synchronization: kinds of steps, and where the reference jobs
-- have them (JOBS 4, 6). The functions run with the rights of the job's owner.

-- ---------- flags and expressions ----------

CREATE FUNCTION syncup.step_set_recently_modified_flag(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result syncup.step_result;
	flagged bigint := @extschema@.syncup_set_recently_modified_flag();
BEGIN
	result.did_something := flagged > 0;
	result.counters := jsonb_build_object('rows_flagged', flagged);
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_set_recently_modified_flag(bigint, text) IS
'Step kind set_recently_modified_flag: did something if a row is flagged that some rule has not looked at.';

CREATE FUNCTION syncup.step_update_expressions(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	targets regclass[] := ARRAY(SELECT t::regclass FROM jsonb_array_elements_text(coalesce(me #> '{options,targets}', '[]')) t);
	result syncup.step_result;
	written bigint;
BEGIN
	SELECT coalesce(sum(u.rows), 0) INTO written
	FROM @extschema@.syncup_update_expressions(nullif(targets, '{}'), coalesce((me #>> '{options,dirty}')::boolean, false)) u;
	result.did_something := written > 0;
	result.counters := jsonb_build_object('values_written', written);
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_update_expressions(bigint, text) IS
'Step kind update_expressions: did something if a value was written.';

CREATE FUNCTION syncup.needs_flags(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM syncup.rule_definition) $$;
COMMENT ON FUNCTION syncup.needs_flags(text) IS 'Whether any rule reads flags.';

CREATE FUNCTION syncup.needs_expressions(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'expression') $$;
COMMENT ON FUNCTION syncup.needs_expressions(text) IS 'Whether there is an expression.';

INSERT INTO syncup.step_kind (kind, function, connector, options, description, own) VALUES
	('set_recently_modified_flag', 'syncup.step_set_recently_modified_flag', 'none', '{}', 'counts the rows that have changed since rules have looked at them', false),
	('update_expressions', 'syncup.step_update_expressions', 'none', '{"dirty": "boolean", "targets": "array"}', 'computes columns', false);
INSERT INTO syncup.reference_step (job, kind, level, parents, start_when, options, part, needed, own) VALUES
	('complete', 'update_expressions', 5, '{}', 'always', '{}', 'synchronization', 'syncup.needs_expressions', false),
	('incremental', 'set_recently_modified_flag', 4, '{synchronize}', 'any did', '{}', 'synchronization', 'syncup.needs_flags', false),
	('incremental', 'update_expressions', 5, '{set_recently_modified_flag}', 'any started', '{"dirty": true}', 'synchronization', 'syncup.needs_expressions', false),
	('initial', 'update_expressions', 5, '{}', 'always', '{}', 'synchronization', 'syncup.needs_expressions', false);

-- ---------- classification and profiles ----------

CREATE FUNCTION syncup.step_update_classification(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	accounts regclass[] := ARRAY(SELECT t::regclass FROM jsonb_array_elements_text(coalesce(me #> '{options,accounts}', '[]')) t);
	result syncup.step_result;
	written bigint;
BEGIN
	SELECT coalesce(sum(u.count), 0) INTO written
	FROM @extschema@.syncup_update_classification(nullif(accounts, '{}'), coalesce((me #>> '{options,dirty}')::boolean, false)) u;
	result.did_something := written > 0;
	result.counters := jsonb_build_object('accounts_classified', written);
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_update_classification(bigint, text) IS
'Step kind update_classification: did something if what an account is was written.';

CREATE FUNCTION syncup.step_set_internal_user_profiles(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	result syncup.step_result;
BEGIN
	SELECT coalesce(sum(u.given + u.taken), 0) > 0, jsonb_build_object('profiles_given', coalesce(sum(u.given), 0), 'profiles_taken', coalesce(sum(u.taken), 0))
	INTO result.did_something, result.counters
	FROM @extschema@.syncup_set_internal_user_profiles(coalesce((me #>> '{options,dirty}')::boolean, false)) u;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_set_internal_user_profiles(bigint, text) IS
'Step kind set_internal_user_profiles: did something if a profile was given or taken.';

CREATE FUNCTION syncup.needs_classification(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'classification') $$;
COMMENT ON FUNCTION syncup.needs_classification(text) IS 'Whether there is a classification.';

CREATE FUNCTION syncup.needs_profiles(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'profile') $$;
COMMENT ON FUNCTION syncup.needs_profiles(text) IS 'Whether there is a profile.';

INSERT INTO syncup.step_kind (kind, function, connector, options, description, own) VALUES
	('update_classification', 'syncup.step_update_classification', 'none', '{"dirty": "boolean", "accounts": "array"}', 'tells what accounts without owner are', false),
	('set_internal_user_profiles', 'syncup.step_set_internal_user_profiles', 'none', '{"dirty": "boolean"}', 'gives and takes profiles of the application', false);
INSERT INTO syncup.reference_step (job, kind, level, parents, start_when, options, part, needed, own) VALUES
	('complete', 'update_classification', 10, '{}', 'always', '{}', 'provisioning', 'syncup.needs_classification', false),
	('incremental', 'update_classification', 10, '{set_recently_modified_flag}', 'any started', '{"dirty": true}', 'provisioning', 'syncup.needs_classification', false),
	('complete', 'set_internal_user_profiles', 11, '{fulfill}', 'all did', '{}', 'provisioning', 'syncup.needs_profiles', false);

-- ---------- correlation and role model ----------

CREATE FUNCTION syncup.step_compute_correlation_keys(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	types text[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(me #> '{options,resource_types}', '[]')));
	result syncup.step_result;
	written bigint;
BEGIN
	SELECT coalesce(sum(k.written), 0) INTO written
	FROM @extschema@.syncup_compute_correlation_keys(nullif(types, '{}'), coalesce((me #>> '{options,dirty}')::boolean, false)) k;
	result.did_something := written > 0;
	result.counters := jsonb_build_object('keys_written', written);
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_compute_correlation_keys(bigint, text) IS
'Step kind compute_correlation_keys: did something if a key was written.';

CREATE FUNCTION syncup.step_compute_role_model(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	types text[] := ARRAY(SELECT jsonb_array_elements_text(coalesce(me #> '{options,resource_types}', '[]')));
	result syncup.step_result;
BEGIN
	SELECT coalesce(jsonb_object_agg(s.state, s.n), '{}') INTO result.counters
	FROM (
		SELECT coalesce(m.provisioning_state, 'removed') AS state, sum(m.count) AS n
		FROM @extschema@.syncup_compute_role_model(nullif(types, '{}'), coalesce((me #>> '{options,dirty}')::boolean, false)) m GROUP BY 1
	) AS s;
	result.did_something := result.counters <> '{}';
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_compute_role_model(bigint, text) IS
'Step kind compute_role_model: did something if an assignment was written; its counters are the states that they got into.';

CREATE FUNCTION syncup.needs_correlation(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'correlation') $$;
COMMENT ON FUNCTION syncup.needs_correlation(text) IS 'Whether there is a correlation rule.';

CREATE FUNCTION syncup.needs_role_model(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM syncup.resource_type) OR EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'role') $$;
COMMENT ON FUNCTION syncup.needs_role_model(text) IS 'Whether there is a resource type or a role.';

INSERT INTO syncup.step_kind (kind, function, connector, options, description, own) VALUES
	('compute_correlation_keys', 'syncup.step_compute_correlation_keys', 'none', '{"dirty": "boolean", "resource_types": "array"}', 'computes what accounts are matched with owners by', false),
	('compute_role_model', 'syncup.step_compute_role_model', 'none', '{"dirty": "boolean", "resource_types": "array"}', 'compares who should have what with who has it', false);
INSERT INTO syncup.reference_step (job, kind, level, parents, start_when, options, part, needed, own)
SELECT j.job, k.kind, k.level, j.parents, j.start_when, j.options, 'provisioning', k.needed, false
FROM (VALUES ('complete', '{}'::text[], 'always', '{}'::jsonb), ('incremental', '{set_recently_modified_flag}', 'any started', '{"dirty": true}'), ('initial', '{}', 'always', '{}')) AS j (job, parents, start_when, options)
CROSS JOIN (VALUES ('compute_correlation_keys', 6, 'syncup.needs_correlation'), ('compute_role_model', 7, 'syncup.needs_role_model')) AS k (kind, level, needed);

-- ---------- orders ----------

CREATE FUNCTION syncup.step_resource_types(me jsonb)
RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT nullif(ARRAY(SELECT jsonb_array_elements_text(coalesce(me #> '{options,resource_types}', '[]'))), '{}') $$;
COMMENT ON FUNCTION syncup.step_resource_types(jsonb) IS 'What the option "resource_types" of a step restricts it to; null: all.';

-- The generation stands where other kinds have their batch: resuming releases just it.
CREATE FUNCTION syncup.step_generate_provisioning_orders(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	result syncup.step_result;
	generated bigint;
	blocked bigint;
BEGIN
	SELECT count(*), count(*) FILTER (WHERE o.state = 'blocked'), (array_agg(o.generation))[1] INTO generated, blocked, result.batch
	FROM @extschema@.syncup_generate_provisioning_orders(syncup.step_resource_types(me),
		(me ->> 'force')::boolean OR coalesce((me #>> '{options,force}')::boolean, false)) o;
	result.state := CASE WHEN blocked > 0 THEN 'blocked' ELSE 'success' END;
	-- those that are to be tried again are to be fulfilled as well
	result.did_something := generated > 0 OR @extschema@.syncup_orders_due(syncup.step_resource_types(me));
	result.counters := jsonb_build_object('orders', generated, 'blocked', blocked);
	result.message := CASE WHEN blocked > 0 THEN format('%s orders are blocked: generation %s', blocked, result.batch) END;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_generate_provisioning_orders(bigint, text) IS
'Step kind generate_provisioning_orders: did something if an order was generated, or an older one is due; blocked if limits are exceeded.';

CREATE FUNCTION syncup.resume_provisioning_orders(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	result syncup.step_result;
	released bigint := 0;
BEGIN
	result.batch := me ->> 'batch';
	BEGIN
		released := @extschema@.syncup_release_orders(result.batch);
	EXCEPTION WHEN undefined_object THEN
		result.message := format('the orders of generation %s were released, declined or superseded meanwhile', result.batch);
	END;
	result.did_something := released > 0;
	result.counters := jsonb_build_object('orders', released);
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.resume_provisioning_orders(bigint, text) IS
'Where a run is resumed that orders had blocked: releases exactly these, unless somebody has decided meanwhile.';

CREATE FUNCTION syncup.step_fulfill(run bigint, step text)
RETURNS syncup.step_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	me jsonb := @extschema@.syncup_step_at_hand(run, step);
	result syncup.step_result;
	slice record;
BEGIN
	SELECT * INTO slice FROM @extschema@.syncup_fulfill_slice(syncup.step_resource_types(me), format('run %s %s', run, step));
	result.more := slice.more;
	result.did_something := slice.processed > 0;
	result.message := slice.message;
	result.counters := jsonb_build_object('processed', slice.processed, 'executed', slice.executed, 'errored', slice.errored);
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.step_fulfill(bigint, text) IS 'Step kind fulfill: did something if an order was processed; commits between slices.';

CREATE FUNCTION syncup.needs_orders(connector text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT EXISTS (SELECT FROM syncup.resource_type) $$;
COMMENT ON FUNCTION syncup.needs_orders(text) IS 'Whether there is a resource type.';

INSERT INTO syncup.step_kind (kind, function, resume_function, connector, options, description, own) VALUES
	('generate_provisioning_orders', 'syncup.step_generate_provisioning_orders', 'syncup.resume_provisioning_orders', 'none', '{"resource_types": "array", "force": "boolean"}', 'makes orders of what should be and is not', false),
	('fulfill', 'syncup.step_fulfill', NULL, 'none', '{"resource_types": "array"}', 'executes orders', false);
INSERT INTO syncup.reference_step (job, kind, level, parents, start_when, continue_on_error, options, part, needed, own) VALUES
	('complete', 'generate_provisioning_orders', 8, '{}', 'always', false, '{}', 'provisioning', 'syncup.needs_orders', false),
	('complete', 'fulfill', 9, '{generate_provisioning_orders}', 'all did', true, '{}', 'provisioning', 'syncup.needs_orders', false),
	('incremental', 'generate_provisioning_orders', 8, '{}', 'always', false, '{}', 'provisioning', 'syncup.needs_orders', false),
	('incremental', 'fulfill', 9, '{generate_provisioning_orders}', 'all did', true, '{}', 'provisioning', 'syncup.needs_orders', false),
	('initial', 'generate_provisioning_orders', 8, '{}', 'always', false, '{"force": true}', 'provisioning', 'syncup.needs_orders', false),
	('initial', 'fulfill', 9, '{generate_provisioning_orders}', 'all did', true, '{}', 'provisioning', 'syncup.needs_orders', false);

-- ---------- what waits for a person (AFTER 7) ----------

CREATE VIEW syncup.to_review AS
SELECT 'blocked batch' AS what, b.connector AS of, min(b.prepared_at) AS since, count(*) AS count,
	format('SELECT syncup_report(%L)', (array_agg(b.batch ORDER BY b.seq))[1]) AS shown_by,
	format('SELECT * FROM syncup_resume(%L)', (array_agg(b.batch ORDER BY b.seq))[1]) AS decided_by
FROM syncup.batch b WHERE b.status = 'blocked' GROUP BY b.connector
UNION ALL
SELECT o.state || ' owner', o.resource_type, min(o.since), count(*),
	format('SELECT * FROM syncup.ownership WHERE resource_type = %L AND state = %L', o.resource_type, o.state),
	format('SELECT syncup_decide_owner(%L, account_key, owner_key)', o.resource_type)
FROM syncup.ownership o WHERE o.state IN ('suggested', 'ambiguous') GROUP BY o.resource_type, o.state
UNION ALL
SELECT x.state, x.resource_type, min(x.since), count(*),
	format('SELECT * FROM syncup.assignment WHERE resource_type = %L AND %s = %L', x.resource_type,
		CASE x.state WHEN 'non-conforming' THEN 'workflow_state' ELSE 'provisioning_state' END, x.state),
	CASE x.state WHEN 'rule error' THEN 'mend the data, or the rule: SELECT * FROM syncup.rule' WHEN 'errored' THEN 'SELECT syncup_approve(assignments): it is tried again'
		ELSE 'SELECT syncup_approve(assignments), SELECT syncup_decline(assignments)' END
FROM (
	-- a suggested account is counted as such
	SELECT CASE WHEN a.workflow_state = 'non-conforming' THEN 'non-conforming' ELSE a.provisioning_state END AS state, a.resource_type, a.state_at AS since
	FROM syncup.assignment a
	WHERE (a.provisioning_state IN ('awaiting approval', 'rule error', 'errored') OR a.workflow_state = 'non-conforming')
		AND a.is_open
		AND NOT (a.provisioning_state = 'awaiting approval' AND a.kind = 'account' AND EXISTS (SELECT FROM syncup.ownership o
			WHERE o.resource_type = a.resource_type AND o.account_key = a.account_key AND o.state = 'suggested'))
) AS x GROUP BY x.resource_type, x.state
UNION ALL
SELECT 'rule error', d.resource_type, NULL, count(*),
	format('SELECT * FROM syncup.correlation_key WHERE message IS NOT NULL AND rule = %L', k.rule), 'mend the data, or the rule: SELECT * FROM syncup.rule'
FROM syncup.correlation_key k JOIN syncup.rule_definition d USING (rule) WHERE k.message IS NOT NULL GROUP BY d.resource_type, k.rule
UNION ALL
SELECT 'blocked orders', min(o.resource_type), min(o.created_at), count(*), format('SELECT * FROM syncup.provisioning_order WHERE generation = %L', o.generation),
	format('SELECT syncup_release_orders(%L), SELECT syncup_decline_orders(%1$L)', o.generation)
FROM syncup.provisioning_order o WHERE o.state = 'blocked' GROUP BY o.generation
UNION ALL
SELECT CASE o.state WHEN 'transmitted' THEN 'manual order' ELSE o.state || ' order' END, o.resource_type, min(coalesce(o.transmitted_at, o.created_at)), count(*),
	format('SELECT * FROM syncup.provisioning_order WHERE resource_type = %L AND state = %L', o.resource_type, o.state), 'SELECT syncup_report_order(order_id, error)'
FROM syncup.provisioning_order o JOIN syncup.resource_type t USING (resource_type)
WHERE o.state IN ('errored', 'unknown') OR o.state = 'transmitted' AND t.options #>> '{fulfill,kind}' = 'manual' GROUP BY o.resource_type, o.state
UNION ALL
SELECT 'rule error', d.relation::text, min(e.since), count(*), format('SELECT * FROM syncup.expression_error WHERE rule = %L', e.rule), 'mend the data, or the rule: SELECT * FROM syncup.rule'
FROM syncup.expression_error e JOIN syncup.rule_definition d USING (rule) GROUP BY d.relation, e.rule
UNION ALL
SELECT CASE c.state WHEN 'suggested' THEN 'suggested classification' ELSE 'rule error' END, coalesce(c.resource_type, c.account::text), min(c.since), count(*),
	format('SELECT * FROM syncup.classification WHERE account = %L::regclass AND state = %L', c.account, c.state), 'SELECT syncup_classify(resource_type, account_key)'
FROM syncup.classification c WHERE c.state IN ('suggested', 'rule error') GROUP BY c.account, c.resource_type, c.state
UNION ALL
SELECT 'profile not given', p.profile, min(p.since), count(*), format('SELECT * FROM syncup.profile_assignment WHERE profile = %L AND message IS NOT NULL', p.profile), 'mend the data, or the rule: SELECT * FROM syncup.rule'
FROM syncup.profile_assignment p WHERE p.message IS NOT NULL GROUP BY p.profile;
COMMENT ON VIEW syncup.to_review IS 'Everything that waits for a person: what, of which connector or resource type, since when, how many, the call that shows it, and the one that decides.';
