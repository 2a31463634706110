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
