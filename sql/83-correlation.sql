-- Correlation: whose account is this? (AFTER 3). Resource types, keys on both sides
-- that are to be equal, and what was decided.

CREATE TABLE syncup.resource_type (
	resource_type text PRIMARY KEY,
	owner regclass NOT NULL,
	account regclass NOT NULL,
	options jsonb NOT NULL DEFAULT '{}',
	role regrole NOT NULL,
	unmatched boolean NOT NULL DEFAULT true,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE syncup.resource_type IS 'Rows of which table are accounts of rows of which. Written by syncup_create_resource_type() and its kin only.';
COMMENT ON COLUMN syncup.resource_type.owner IS 'the table of people, usually';
COMMENT ON COLUMN syncup.resource_type.account IS 'the table of accounts: usually the target of a mapping';
COMMENT ON COLUMN syncup.resource_type.role IS 'the role that defined it, whose rights it is read with';
COMMENT ON COLUMN syncup.resource_type.unmatched IS 'keys or decisions have changed since accounts were matched with owners';
SELECT pg_catalog.pg_extension_config_dump('syncup.resource_type', '');

CREATE TABLE syncup.correlation_key (
	rule text NOT NULL,
	side text NOT NULL CHECK (side IN ('owner', 'account')),
	key text COLLATE "C" NOT NULL,
	value text COLLATE "C",
	message text,
	PRIMARY KEY (rule, side, key)
);
CREATE INDEX correlation_key_value ON syncup.correlation_key (rule, side, value) WHERE value IS NOT NULL;
COMMENT ON TABLE syncup.correlation_key IS 'What each correlation rule makes of each owner and account; equal values match. Kept up to date by syncup_compute_correlation_keys().';
COMMENT ON COLUMN syncup.correlation_key.key IS 'the key of the owner or account';
COMMENT ON COLUMN syncup.correlation_key.value IS 'null: the rule gives nothing, or an empty or blank text, which never match';
COMMENT ON COLUMN syncup.correlation_key.message IS 'the error that the rule raised for this row';
SELECT pg_catalog.pg_extension_config_dump('syncup.correlation_key', '');

CREATE TABLE syncup.ownership (
	resource_type text NOT NULL,
	account_key text COLLATE "C" NOT NULL,
	owner_key text COLLATE "C",
	confidence int,
	rule text,
	state text NOT NULL CHECK (state IN ('correlated', 'suggested', 'ambiguous', 'decided', 'rejected')),
	candidates text[] NOT NULL DEFAULT '{}',
	rejected text[] NOT NULL DEFAULT '{}',
	present boolean NOT NULL DEFAULT true,
	since timestamptz NOT NULL DEFAULT now(),
	decided_by name,
	PRIMARY KEY (resource_type, account_key)
);
CREATE INDEX ownership_owner ON syncup.ownership (resource_type, owner_key);
CREATE INDEX ownership_open ON syncup.ownership (resource_type) WHERE state IN ('suggested', 'ambiguous');
COMMENT ON TABLE syncup.ownership IS 'Whose each account is. What is correlated or decided stands; what is suggested or ambiguous waits for a person.';
COMMENT ON COLUMN syncup.ownership.owner_key IS 'the key of its owner; of an account that is ambiguous, or decided to be nobody''s: null';
COMMENT ON COLUMN syncup.ownership.rule IS 'the correlation rule that matched';
COMMENT ON COLUMN syncup.ownership.candidates IS 'the owners that match, where a person is to choose';
COMMENT ON COLUMN syncup.ownership.rejected IS 'the owners that a person said it is not of: they are not suggested again';
COMMENT ON COLUMN syncup.ownership.present IS 'false: the account is gone, and what was decided about it is kept';
COMMENT ON COLUMN syncup.ownership.decided_by IS 'the person who decided';
SELECT pg_catalog.pg_extension_config_dump('syncup.ownership', '');

-- ---------- resource types ----------

CREATE FUNCTION syncup.resource_type_options()
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '{"allow_add": "boolean", "allow_update": "boolean", "allow_remove": "boolean", "remove_orphans": "boolean", "review": "boolean",
		"correlate_multiple": "boolean", "suggest_all": "boolean", "depends_on": "text", "owner_required": "text", "active": "text",
		"limits": "object", "transmitted_validity": "interval", "fulfill": "object"}'::jsonb
$$;
COMMENT ON FUNCTION syncup.resource_type_options() IS 'The options of a resource type, and their types.';

CREATE FUNCTION syncup.check_resource_type(caller regrole, resource_type text)
RETURNS syncup.resource_type
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t syncup.resource_type;
BEGIN
	SELECT r.* INTO t FROM syncup.resource_type r WHERE r.resource_type = check_resource_type.resource_type;
	IF t.resource_type IS NULL THEN
		RAISE 'resource type "%" does not exist', check_resource_type.resource_type
			USING ERRCODE = 'undefined_object',
			HINT = syncup.names_hint(check_resource_type.resource_type, ARRAY(SELECT r.resource_type FROM syncup.resource_type r ORDER BY r.resource_type COLLATE "C"),
				'Resource types are %s.', 'There is none; see syncup_create_resource_type().');
	ELSIF NOT pg_has_role(caller, t.role, 'MEMBER') THEN
		RAISE 'permission denied for resource type "%"', t.resource_type
			USING ERRCODE = 'insufficient_privilege', HINT = format('It belongs to role %s, and is read with that role''s rights: members may work with it.', t.role);
	END IF;
	RETURN t;
END
$$;
COMMENT ON FUNCTION syncup.check_resource_type(regrole, text) IS
'A resource type, or an error unless the role is a member of the one that defined it.';

CREATE FUNCTION syncup.own_resource_type(caller regrole, resource_type text)
RETURNS syncup.resource_type
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t syncup.resource_type := syncup.check_resource_type(caller, resource_type);
BEGIN
	IF t.role <> caller THEN
		RAISE 'rules of resource type "%" are defined by its role %', t.resource_type, t.role
			USING ERRCODE = 'insufficient_privilege', HINT = format('SET ROLE %s; then call it again: rules run with the rights of who defines them.', t.role);
	END IF;
	RETURN t;
END
$$;
COMMENT ON FUNCTION syncup.own_resource_type(regrole, text) IS
'A resource type of the role itself, for rules on it: all of a resource type have the same rights.';

CREATE FUNCTION syncup.resource_types(caller regrole, resource_types text[])
RETURNS SETOF syncup.resource_type
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	-- named ones must be there, and the caller's; without names, all of the caller's
	PERFORM syncup.check_resource_type(caller, u) FROM unnest(resource_types) u;
	PERFORM FROM syncup.resource_type t
	WHERE t.resource_type = ANY (resource_types) OR resource_types IS NULL AND pg_has_role(caller, t.role, 'MEMBER')
	ORDER BY t.resource_type FOR NO KEY UPDATE;
	RETURN QUERY
	WITH RECURSIVE depth (name, level) AS (
		SELECT t.resource_type, 0 FROM syncup.resource_type t WHERE t.options ->> 'depends_on' IS NULL
		UNION ALL
		SELECT t.resource_type, d.level + 1 FROM depth d JOIN syncup.resource_type t ON t.options ->> 'depends_on' = d.name
	)
	SELECT t.* FROM syncup.resource_type t JOIN depth d ON d.name = t.resource_type
	WHERE t.resource_type = ANY (resource_types) OR resource_types IS NULL AND pg_has_role(caller, t.role, 'MEMBER')
	ORDER BY d.level, t.resource_type;
END
$$;
COMMENT ON FUNCTION syncup.resource_types(regrole, text[]) IS
'The resource types to work on, those first that others depend on; nobody else works on them until the transaction ends.';

CREATE FUNCTION syncup.check_resource_type_options(caller regrole, resource_type text, owner regclass, options jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	what text := format('resource type "%s"', resource_type);
	n record;
BEGIN
	PERFORM syncup.check_options(what, syncup.resource_type_options(), options);
	IF options ? 'depends_on' AND (options ->> 'depends_on' = resource_type
		OR NOT EXISTS (SELECT FROM syncup.resource_type t WHERE t.resource_type = options ->> 'depends_on'))
	THEN
		RAISE 'option "depends_on" of % names no other resource type: "%"', what, options ->> 'depends_on' USING ERRCODE = 'undefined_object',
			HINT = syncup.names_hint(options ->> 'depends_on', ARRAY(SELECT t.resource_type FROM syncup.resource_type t WHERE t.resource_type <> resource_type ORDER BY t.resource_type COLLATE "C"), 'Others are %s.', 'There is none.');
	ELSIF EXISTS (
		WITH RECURSIVE above (name) AS (
			SELECT options ->> 'depends_on'
			UNION
			SELECT t.options ->> 'depends_on' FROM above a JOIN syncup.resource_type t ON t.resource_type = a.name
		)
		SELECT FROM above a WHERE a.name = resource_type)
	THEN
		RAISE '% would depend on itself', what USING ERRCODE = 'invalid_parameter_value';
	END IF;
	IF options ? 'owner_required' THEN
		PERFORM syncup.check_column(format('option "owner_required" of %s', what), owner, options ->> 'owner_required');
	END IF;
	FOR n IN
		SELECT e.key, e.value, l.name IS NOT NULL AS is_there, l.percentage
		FROM jsonb_each(options -> 'limits') e
		LEFT JOIN syncup.threshold_limit l ON l.name = e.key AND l.counter IN ('inserted_lines', 'updated_lines', 'deleted_lines')
	LOOP
		IF NOT n.is_there THEN
			RAISE 'option "limits" of %: there is no limit "%"', what, n.key
				USING ERRCODE = 'invalid_parameter_value', HINT = syncup.names_hint(n.key,
					ARRAY(SELECT l.name FROM syncup.threshold_limit l WHERE l.counter IN ('inserted_lines', 'updated_lines', 'deleted_lines') ORDER BY l.name COLLATE "C"), 'Limits are %s.', NULL);
		ELSIF jsonb_typeof(n.value) <> 'number' OR (n.value #>> '{}')::numeric < 0 THEN
			RAISE 'option "limits" of %: limit "%" takes a number from 0', what, n.key
				USING ERRCODE = 'invalid_parameter_value', HINT = '0 is off.';
		ELSIF NOT n.percentage AND (n.value #>> '{}')::numeric % 1 <> 0 THEN
			RAISE 'option "limits" of %: limit "%" takes a whole number', what, n.key
				USING ERRCODE = 'invalid_parameter_value', HINT = 'A number of accounts; 0 is off.';
		END IF;
	END LOOP;
	IF options ? 'fulfill' THEN
		PERFORM syncup.check_fulfill(resource_type, options -> 'fulfill');
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_resource_type_options(regrole, text, regclass, jsonb) IS
'Errors, naming the option, unless a resource type can have these.';

CREATE FUNCTION syncup.create_resource_type(caller regrole, resource_type text, owner regclass, account regclass, options jsonb)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	old syncup.resource_type;
	what text := format('resource type "%s"', resource_type);
BEGIN
	IF resource_type IS NULL OR resource_type = '' OR length(resource_type) > 100 THEN
		RAISE 'a resource type needs a name of 1 to 100 characters' USING ERRCODE = 'invalid_name';
	ELSIF owner IS NULL OR account IS NULL THEN
		RAISE 'argument "%" must not be null', CASE WHEN owner IS NULL THEN 'owner' ELSE 'account' END USING ERRCODE = 'null_value_not_allowed';
	END IF;
	LOCK TABLE syncup.resource_type IN SHARE ROW EXCLUSIVE MODE;
	SELECT t.* INTO old FROM syncup.resource_type t WHERE t.resource_type = resource_type;
	IF old.resource_type IS NOT NULL THEN
		PERFORM syncup.own_resource_type(caller, resource_type);
		IF (old.owner, old.account) <> (owner, account) THEN
			RAISE '% is of owners in % and accounts in %', what, old.owner, old.account
				USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Drop it with syncup_drop_resource_type() to make another of that name.';
		END IF;
	END IF;
	options := jsonb_strip_nulls(coalesce(old.options, '{}') || coalesce(options, '{}'));
	PERFORM syncup.check_resource_type_options(caller, resource_type, owner, options);
	PERFORM syncup.check_query(caller, 'resource type ' || resource_type, format('SELECT %s FROM %s o', syncup.key_of(owner, 'o'), owner)),
		syncup.check_query(caller, 'resource type ' || resource_type, format('SELECT %s FROM %s a', syncup.key_of(account, 'a'), account));
	IF options ? 'active' THEN
		PERFORM syncup.check_query(caller, 'resource type ' || resource_type, format('SELECT %s IS TRUE FROM %s o', syncup.rule_text('resource type ' || resource_type, 'option "active"', options ->> 'active'), owner));
	END IF;
	IF options ? 'owner_required' THEN
		PERFORM syncup.check_query(caller, 'resource type ' || resource_type, format('SELECT o.%I FROM %s o', options ->> 'owner_required', owner));
	END IF;
	INSERT INTO syncup.resource_type AS t (resource_type, owner, account, options, role)
	VALUES (resource_type, owner, account, options, caller)
	ON CONFLICT ON CONSTRAINT resource_type_pkey DO UPDATE SET options = excluded.options, unmatched = true
	WHERE t.options <> excluded.options;
	-- the next run looks at every owner
	DELETE FROM syncup.consumer c WHERE c.consumer = 'compute_role_model ' || resource_type;
END
$$;
COMMENT ON FUNCTION syncup.create_resource_type(regrole, text, regclass, regclass, jsonb) IS 'What syncup_create_resource_type() does.';

CREATE FUNCTION syncup_create_resource_type(resource_type text, owner regclass, account regclass, options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_create_resource_type(text, regclass, regclass, jsonb) IS
'Says that rows of a table are accounts of rows of another, or changes the options of a resource type; null takes one away.';

CREATE FUNCTION syncup.drop_resource_type(caller regrole, resource_type text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.own_resource_type(caller, resource_type);
	other text;
BEGIN
	SELECT r.resource_type INTO other FROM syncup.resource_type r WHERE r.options ->> 'depends_on' = t.resource_type;
	IF other IS NOT NULL THEN
		RAISE 'resource type "%" depends on "%"', other, t.resource_type USING ERRCODE = 'dependent_objects_still_exist';
	END IF;
	PERFORM syncup.drop_rule(caller, d.rule) FROM syncup.rule_definition d WHERE d.resource_type = t.resource_type;
	DELETE FROM syncup.ownership o WHERE o.resource_type = t.resource_type;
	DELETE FROM syncup.assignment x WHERE x.resource_type = t.resource_type;
	DELETE FROM syncup.evaluated e WHERE e.resource_type = t.resource_type;
	DELETE FROM syncup.provisioning_order o WHERE o.resource_type = t.resource_type;
	DELETE FROM syncup.order_limit o WHERE o.resource_type = t.resource_type;
	DELETE FROM syncup.consumer c WHERE c.consumer IN ('compute_correlation_keys ' || t.resource_type, 'compute_role_model ' || t.resource_type);
	DELETE FROM syncup.resource_type r WHERE r.resource_type = t.resource_type;
END
$$;
COMMENT ON FUNCTION syncup.drop_resource_type(regrole, text) IS 'What syncup_drop_resource_type() does.';

CREATE FUNCTION syncup_drop_resource_type(resource_type text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_drop_resource_type(text) IS
'Drops a resource type with its rules, and forgets who owns which account. Owners and accounts are not touched.';

-- ---------- rules ----------

CREATE FUNCTION syncup.forget_correlation(rule text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM syncup.correlation_key c WHERE c.rule = $1;
	UPDATE syncup.resource_type t SET unmatched = true FROM syncup.rule_definition d WHERE d.rule = $1 AND t.resource_type = d.resource_type;
$$;
COMMENT ON FUNCTION syncup.forget_correlation(text) IS 'Removes the keys of a correlation rule that is dropped.';
UPDATE syncup.rule_kind SET dropped = 'syncup.forget_correlation' WHERE kind = 'correlation';

CREATE FUNCTION syncup.correlation_query(side text, target regclass, expression text, rule text, whole boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT %s, NULL::text, ARRAY[pg_catalog.concat(%s)], NULL::text[] FROM %s', CASE WHEN whole THEN syncup.key_of(target, left(side, 1)) ELSE 'g.a' END,
		syncup.rule_text(rule, side || '_expression', expression), CASE WHEN whole THEN format('%s %s', target, left(side, 1))
			ELSE format('given g JOIN %s %s ON %s', target, left(side, 1), syncup.key_is(target, left(side, 1), 'g.ak')) END)
$$;
COMMENT ON FUNCTION syncup.correlation_query(text, regclass, text, text, boolean) IS
'What a correlation rule asks of owners, o, or accounts, a; whole: of all of them.';

CREATE FUNCTION syncup.define_correlation(caller regrole, resource_type text, owner_expression text, account_expression text, confidence int)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.own_resource_type(caller, resource_type);
	definition jsonb := jsonb_build_object('owner', owner_expression, 'account', account_expression);
	rule text := syncup.free_rule_name('correlation ' || t.resource_type, definition);
	reads regclass[];
BEGIN
	IF owner_expression IS NULL OR account_expression IS NULL THEN
		RAISE 'a correlation rule needs an expression for both sides' USING ERRCODE = 'null_value_not_allowed';
	ELSIF confidence IS NULL OR confidence NOT BETWEEN 0 AND 150 THEN
		RAISE 'a confidence is a whole number from 0 to 150' USING ERRCODE = 'invalid_parameter_value',
			HINT = '100 to 150 decide, 0 to 99 suggest; the highest wins.';
	END IF;
	reads := syncup.check_query(caller, rule, format('SELECT pg_catalog.concat(%s) FROM %s o', syncup.rule_text(rule, 'owner_expression', owner_expression), t.owner))
		|| syncup.check_query(caller, rule, format('SELECT pg_catalog.concat(%s) FROM %s a', syncup.rule_text(rule, 'account_expression', account_expression), t.account));
	PERFORM syncup.check_scope(caller, rule, syncup.rule_text(rule, 'owner_expression', owner_expression), format('%s o', t.owner));
	PERFORM syncup.check_scope(caller, rule, syncup.rule_text(rule, 'account_expression', account_expression), format('%s a', t.account));
	PERFORM syncup.put_rule(caller, rule, 'correlation', t.account, t.resource_type, definition || jsonb_build_object('confidence', confidence), reads);
	UPDATE syncup.resource_type r SET unmatched = true WHERE r.resource_type = t.resource_type;
	RETURN rule;
END
$$;
COMMENT ON FUNCTION syncup.define_correlation(regrole, text, text, text, int) IS 'What syncup_define_correlation() does.';

CREATE FUNCTION syncup_define_correlation(resource_type text, owner_expression text, account_expression text, confidence int DEFAULT 100)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_correlation(text, text, text, int) IS
'An account is that owner''s whose expression gives an equal value; null, empty and blank ones never match. Confidence 100 to 150 decides, 0 to 99 suggests, the highest wins. Returns the name of the rule; the same expressions again change its confidence.';

-- ---------- keys ----------

CREATE FUNCTION syncup.correlation_value(value text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	-- blanks of every kind, and what is not seen at all; what no index would take is told by its digest
	SELECT CASE WHEN value ~ '^[\s\u00A0\u00AD\u1680\u180E\u2000-\u200F\u2028-\u202F\u205F-\u2064\u3000\uFEFF]*$' THEN NULL
		WHEN octet_length(value) > 1000 THEN left(value, 100) || ' ' || encode(sha256(convert_to(value, getdatabaseencoding()::name)), 'hex') ELSE value END
$$;
COMMENT ON FUNCTION syncup.correlation_value(text) IS
'A value as it is compared: null if it is empty or blank.';

CREATE FUNCTION syncup.compute_keys(t syncup.resource_type, d syncup.rule_definition, side text, source text, whole boolean)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	target regclass := CASE side WHEN 'owner' THEN t.owner ELSE t.account END;
BEGIN
	RETURN syncup.run_rules(format($sql$
		WITH differs AS MATERIALIZED (
			SELECT f.key, f.value, f.message, c.key AS old_key
			FROM (
				-- nearly all begin with a visible letter
				SELECT r.a AS key, CASE WHEN ascii(r.vals[1]) BETWEEN 33 AND 126 AND octet_length(r.vals[1]) <= 1000 THEN r.vals[1]
					ELSE syncup.correlation_value(r.vals[1]) END AS value, r.message
				FROM $rules r
			) AS f
			FULL JOIN (SELECT c.* FROM syncup.correlation_key c WHERE c.rule = %1$L AND c.side = %2$L AND %3$s) AS c ON c.key = f.key
			WHERE f.key IS NULL OR c.key IS NULL OR c.value IS DISTINCT FROM f.value OR c.message IS DISTINCT FROM f.message
		), removed AS (
			DELETE FROM syncup.correlation_key c USING differs s WHERE c.rule = %1$L AND c.side = %2$L AND s.key IS NULL AND c.key = s.old_key
		), written AS (
			INSERT INTO syncup.correlation_key (rule, side, key, value, message)
			SELECT %1$L, %2$L, s.key, s.value, s.message FROM differs s WHERE s.key IS NOT NULL
			ON CONFLICT (rule, side, key) DO UPDATE SET value = excluded.value, message = excluded.message
		)
		SELECT to_jsonb((SELECT count(*) FROM differs))
		$sql$, d.rule, side, CASE WHEN whole THEN 'true' ELSE format('c.key IN (SELECT s.a FROM (%s) s)', source) END),
		d.owner, ARRAY[syncup.correlation_query(side, target, d.definition ->> side, d.rule, false)], target, NULL, source,
		CASE WHEN whole THEN syncup.rule_query(d.owner, syncup.correlation_query(side, target, d.definition ->> side, d.rule, true)) END, ARRAY[d.rule])::bigint;
END
$$;
COMMENT ON FUNCTION syncup.compute_keys(syncup.resource_type, syncup.rule_definition, text, text, boolean) IS
'Brings the keys of one side of a correlation rule up to date, of all rows or of those of source; how many were written.';

CREATE FUNCTION syncup.compute_correlation_keys(caller regrole, resource_types text[], dirty boolean)
RETURNS TABLE (resource_type text, rule text, side text, written bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	t syncup.resource_type;
	d syncup.rule_definition;
	consumer text;
	known boolean;
	whole boolean;
	s record;
	result bigint;
BEGIN
	FOR t IN SELECT * FROM syncup.resource_types(caller, $2) LOOP
		consumer := 'compute_correlation_keys ' || t.resource_type;
		known := syncup.begin_seeing(consumer, ARRAY[t.owner, t.account]) AND coalesce(dirty, false);
		FOR d IN SELECT * FROM syncup.rule_definition r WHERE r.resource_type = t.resource_type AND r.kind = 'correlation' ORDER BY r.seq LOOP
			FOR s IN SELECT * FROM (VALUES ('owner', t.owner), ('account', t.account)) AS v (side, target) LOOP
				-- a new rule looks at all
				whole := NOT known OR NOT EXISTS (SELECT FROM syncup.correlation_key c WHERE c.rule = d.rule AND c.side = s.side);
				result := syncup.compute_keys(t, d, s.side,
					CASE WHEN whole THEN syncup.all_keys(d.owner, s.target)
						ELSE syncup.these_keys(ARRAY(SELECT u.key FROM syncup.unseen(consumer, s.target) u)) END, whole);
				PERFORM syncup.analyze_written(result, '{syncup.correlation_key}');
				IF result > 0 THEN
					UPDATE syncup.resource_type r SET unmatched = true WHERE r.resource_type = t.resource_type AND NOT r.unmatched;
				END IF;
				RETURN QUERY SELECT t.resource_type, d.rule, s.side, result;
			END LOOP;
		END LOOP;
		PERFORM syncup.mark_seen(consumer);
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.compute_correlation_keys(regrole, text[], boolean) IS 'What syncup_compute_correlation_keys() does.';

CREATE FUNCTION syncup_compute_correlation_keys(resource_types text[] DEFAULT NULL, dirty boolean DEFAULT false)
RETURNS TABLE (resource_type text, rule text, side text, written bigint)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_compute_correlation_keys(text[], boolean) IS
'Brings syncup.correlation_key up to date: of all owners and accounts, or of those that are flagged. How many keys were written, by rule and side.';

-- ---------- the match ----------

-- Nothing is known of how many rows the parts of these statements have: a nested loop
-- of two of them would take for ever.

CREATE FUNCTION syncup.forget_absent(t syncup.resource_type)
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
DECLARE
	owners text[];
BEGIN
	-- what has no key may be gone: then the account's own table says so
	WITH suspect AS MATERIALIZED (
		SELECT o.account_key FROM syncup.ownership o
		-- what was matched had a key, and that one's loss is a change of keys, as long as there is a rule
		WHERE o.resource_type = t.resource_type AND (t.unmatched OR o.state = 'decided'
			OR NOT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.resource_type = t.resource_type AND d.kind = 'correlation'))
		AND NOT EXISTS (
			SELECT FROM syncup.correlation_key c JOIN syncup.rule_definition d USING (rule)
			WHERE d.resource_type = t.resource_type AND c.side = 'account' AND c.key = o.account_key)
	), there AS MATERIALIZED (
		SELECT q.a FROM syncup.query_as(t.role, format('SELECT g.a FROM given g JOIN %s a ON %s', t.account, syncup.key_is(t.account, 'a', 'g.ak')),
			syncup.rule_given(t.account, NULL, syncup.these_keys(ARRAY(SELECT s.account_key FROM suspect s)))) AS q (a text)
	), removed AS (
		DELETE FROM syncup.ownership o USING suspect s
		WHERE o.resource_type = t.resource_type AND o.account_key = s.account_key AND o.state <> 'decided'
			AND s.account_key NOT IN (SELECT x.a FROM there x)
		RETURNING o.owner_key
	), marked AS (
		UPDATE syncup.ownership o SET present = NOT o.present
		WHERE o.resource_type = t.resource_type AND o.state = 'decided'
			AND o.present = (o.account_key IN (SELECT s.account_key FROM suspect s WHERE s.account_key NOT IN (SELECT x.a FROM there x)))
		RETURNING o.owner_key
	)
	SELECT array_agg(DISTINCT r.owner_key) INTO owners FROM (SELECT * FROM removed UNION ALL SELECT * FROM marked) r WHERE r.owner_key IS NOT NULL;
	RETURN coalesce(owners, '{}');
END
$$;
COMMENT ON FUNCTION syncup.forget_absent(syncup.resource_type) IS
'Forgets whose the accounts were that are gone; of decided ones it is only marked. The owners concerned.';

CREATE FUNCTION syncup.match_once(t syncup.resource_type)
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off
SET jit = off
AS $$
DECLARE
	multiple boolean := coalesce((t.options ->> 'correlate_multiple')::boolean, false);
	suggest_all boolean := coalesce((t.options ->> 'suggest_all')::boolean, false);
	owners text[];
BEGIN
	WITH rules AS MATERIALIZED (
		SELECT d.rule, d.seq, (d.definition ->> 'confidence')::int AS confidence
		FROM syncup.rule_definition d WHERE d.resource_type = t.resource_type AND d.kind = 'correlation'
	), standing AS MATERIALIZED (
		SELECT o.account_key, o.owner_key, o.present FROM syncup.ownership o
		WHERE o.resource_type = t.resource_type AND o.state IN ('correlated', 'decided')
	), free AS MATERIALIZED (
		SELECT c.rule, c.key, c.value FROM syncup.correlation_key c JOIN rules r USING (rule)
		WHERE c.side = 'account' AND c.value IS NOT NULL AND NOT EXISTS (SELECT FROM standing s WHERE s.account_key = c.key)
	), taken AS MATERIALIZED (
		SELECT DISTINCT s.owner_key FROM standing s WHERE s.present AND s.owner_key IS NOT NULL AND NOT multiple
	), owner_keys AS MATERIALIZED (
		-- more than 20 owners of one value are no candidates to choose from
		SELECT k.* FROM (
			SELECT c.rule, c.key, c.value, x.owner_key IS NOT NULL AS taken,
				row_number() OVER (PARTITION BY c.rule, c.value ORDER BY x.owner_key IS NOT NULL, c.key) AS n
			FROM syncup.correlation_key c JOIN (SELECT DISTINCT f.rule, f.value FROM free f) AS f USING (rule, value)
			LEFT JOIN taken x ON x.owner_key = c.key
			WHERE c.side = 'owner' AND (x.owner_key IS NULL OR suggest_all)
		) AS k WHERE k.n <= 21
	), pairs AS MATERIALIZED (
		SELECT f.key AS account_key, o.key AS owner_key, bool_or(o.taken) AS taken, max(r.confidence) AS confidence,
			(array_agg(r.rule ORDER BY r.confidence DESC, r.seq))[1] AS rule
		FROM free f JOIN owner_keys o USING (rule, value) JOIN rules r USING (rule)
		LEFT JOIN syncup.ownership x ON x.resource_type = t.resource_type AND x.account_key = f.key
		WHERE o.key <> ALL (coalesce(x.rejected, '{}'))
		GROUP BY f.key, o.key
	), ranked AS (
		SELECT p.*, max(p.confidence) OVER (PARTITION BY p.account_key) AS account_best,
			max(p.confidence) FILTER (WHERE NOT p.taken) OVER (PARTITION BY p.owner_key) AS owner_best
		FROM pairs p
	), counted AS (
		SELECT r.*, count(*) FILTER (WHERE NOT r.taken AND r.confidence = r.owner_best) OVER (PARTITION BY r.owner_key) AS rivals
		FROM ranked r
	), best AS MATERIALIZED (
		SELECT c.account_key, c.confidence, min(c.rule) AS rule, count(*) AS candidates, array_agg(c.owner_key ORDER BY c.owner_key) AS owners,
			bool_and(NOT c.taken AND (multiple OR c.confidence = c.owner_best AND c.rivals = 1)) AS alone,
			bool_and(NOT c.taken AND c.confidence = c.owner_best) AS first
		FROM counted c WHERE c.confidence = c.account_best
		GROUP BY c.account_key, c.confidence
	), found AS MATERIALIZED (
		SELECT b.account_key, b.confidence, b.rule, s.state,
			CASE WHEN s.state <> 'ambiguous' THEN b.owners[1] END AS owner_key,
			CASE WHEN s.state = 'ambiguous' THEN b.owners ELSE '{}' END AS candidates
		FROM best b CROSS JOIN LATERAL (
			SELECT CASE WHEN b.candidates > 1 THEN 'ambiguous'
				WHEN b.alone AND b.confidence >= 100 THEN 'correlated'
				WHEN b.alone THEN 'suggested'
				WHEN b.first THEN 'ambiguous'
				WHEN suggest_all THEN 'suggested' END AS state
		) AS s WHERE s.state IS NOT NULL
	), removed AS (
		DELETE FROM syncup.ownership o
		WHERE o.resource_type = t.resource_type AND (o.state IN ('suggested', 'ambiguous'))
			AND cardinality(o.rejected) = 0 AND NOT EXISTS (SELECT FROM found f WHERE f.account_key = o.account_key)
		RETURNING ARRAY[o.owner_key] || o.candidates AS owners
	), back AS (
		-- nobody is left but those whom a person has ruled out
		UPDATE syncup.ownership o SET state = 'rejected', owner_key = NULL, candidates = '{}', rule = NULL, confidence = NULL, since = now()
		WHERE o.resource_type = t.resource_type AND o.state IN ('suggested', 'ambiguous')
			AND cardinality(o.rejected) > 0 AND NOT EXISTS (SELECT FROM found f WHERE f.account_key = o.account_key)
		RETURNING o.candidates AS owners
	), written AS (
		INSERT INTO syncup.ownership AS o (resource_type, account_key, owner_key, confidence, rule, state, candidates)
		SELECT t.resource_type, f.account_key, f.owner_key, f.confidence, f.rule, f.state, f.candidates
		FROM found f LEFT JOIN syncup.ownership x ON x.resource_type = t.resource_type AND x.account_key = f.account_key
		WHERE x.account_key IS NULL OR (x.owner_key, x.confidence, x.rule, x.state, x.candidates) IS DISTINCT FROM (f.owner_key, f.confidence, f.rule, f.state, f.candidates)
		ON CONFLICT ON CONSTRAINT ownership_pkey DO UPDATE SET owner_key = excluded.owner_key, confidence = excluded.confidence, rule = excluded.rule,
			state = excluded.state, candidates = excluded.candidates, since = now()
		RETURNING ARRAY[o.owner_key] || o.candidates AS owners
	)
	SELECT array_agg(DISTINCT u.owner) INTO owners
	FROM (SELECT * FROM removed UNION ALL SELECT * FROM back UNION ALL SELECT * FROM written
		UNION ALL SELECT ARRAY[x.owner_key] || x.candidates FROM found f JOIN syncup.ownership x ON x.resource_type = t.resource_type AND x.account_key = f.account_key
			WHERE (x.owner_key, x.state, x.candidates) IS DISTINCT FROM (f.owner_key, f.state, f.candidates)) AS c
	CROSS JOIN LATERAL unnest(c.owners) AS u (owner)
	WHERE u.owner IS NOT NULL;
	RETURN coalesce(owners, '{}');
END
$$;
COMMENT ON FUNCTION syncup.match_once(syncup.resource_type) IS
'Matches the accounts for which nothing stands with owners; the owners for whom something changed. Somebody who gets an account leaves others without a rival: see syncup.match_accounts().';

CREATE FUNCTION syncup.match_accounts(t syncup.resource_type, whole boolean)
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owners text[] := '{}';
	more text[];
BEGIN
	IF NOT (t.unmatched OR whole) THEN
		RETURN owners;
	END IF;
	owners := syncup.forget_absent(t);
	-- the same keys and decisions match the same again
	IF NOT t.unmatched AND owners = '{}' THEN
		RETURN owners;
	END IF;
	LOOP
		more := syncup.match_once(t);
		PERFORM syncup.analyze_written(cardinality(more), '{syncup.ownership}');
		EXIT WHEN more = '{}';
		owners := owners || more;
	END LOOP;
	UPDATE syncup.resource_type r SET unmatched = false WHERE r.resource_type = t.resource_type AND r.unmatched;
	RETURN ARRAY(SELECT DISTINCT u FROM unnest(owners) u);
END
$$;
COMMENT ON FUNCTION syncup.match_accounts(syncup.resource_type, boolean) IS
'Matches accounts with owners, if keys or decisions have changed or all is looked at, until nothing more follows; the owners for whom something changed.';

-- ---------- decisions ----------

CREATE FUNCTION syncup.has_row(role regrole, target regclass, key text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN EXISTS (SELECT FROM syncup.query_as(role, format('SELECT g.a FROM given g JOIN %s r ON %s', target, syncup.key_is(target, 'r', 'g.ak')),
		syncup.rule_given(target, NULL, syncup.these_keys(ARRAY[key]))) AS q (a text));
EXCEPTION WHEN data_exception THEN
	RETURN false;
END
$$;
COMMENT ON FUNCTION syncup.has_row(regrole, regclass, text) IS 'Whether a table has a row of this key, as a role sees it.';

CREATE FUNCTION syncup.decide_owner(caller regrole, resource_type text, account_key text, owner_key text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.check_resource_type(caller, resource_type);
	old syncup.ownership;
BEGIN
	PERFORM FROM syncup.resource_type r WHERE r.resource_type = t.resource_type FOR NO KEY UPDATE;
	SELECT o.* INTO old FROM syncup.ownership o WHERE o.resource_type = t.resource_type AND o.account_key = account_key;
	IF account_key IS NULL OR NOT syncup.has_row(t.role, t.account, account_key) THEN
		RAISE 'resource type "%": there is no such account in %', t.resource_type, t.account USING ERRCODE = 'no_data_found';
	ELSIF owner_key IS NOT NULL AND NOT syncup.has_row(t.role, t.owner, owner_key) THEN
		RAISE 'resource type "%": there is no such owner in %', t.resource_type, t.owner USING ERRCODE = 'no_data_found';
	ELSIF NOT coalesce((t.options ->> 'correlate_multiple')::boolean, false) AND EXISTS (
		SELECT FROM syncup.ownership o WHERE o.resource_type = t.resource_type AND o.owner_key = owner_key AND o.account_key <> account_key
			AND o.state IN ('correlated', 'decided') AND o.present)
	THEN
		RAISE 'resource type "%": this owner has another account', t.resource_type
			USING ERRCODE = 'unique_violation', HINT = 'Decide whose that one is first, or set the option "correlate_multiple".';
	END IF;
	INSERT INTO syncup.ownership AS o (resource_type, account_key, owner_key, state, decided_by)
	VALUES (t.resource_type, account_key, owner_key, 'decided', pg_get_userbyid(caller))
	ON CONFLICT ON CONSTRAINT ownership_pkey DO UPDATE
	SET owner_key = excluded.owner_key, confidence = NULL, rule = NULL, state = 'decided', candidates = '{}', present = true, since = now(), decided_by = excluded.decided_by;
	UPDATE syncup.resource_type r SET unmatched = true WHERE r.resource_type = t.resource_type;
	PERFORM syncup.write_flags(t.owner, ARRAY(SELECT DISTINCT u FROM unnest(ARRAY[owner_key, old.owner_key] || old.candidates) u WHERE u IS NOT NULL), 'manual'),
		syncup.write_flags(t.account, ARRAY[account_key], 'manual');
END
$$;
COMMENT ON FUNCTION syncup.decide_owner(regrole, text, text, text) IS 'What syncup_decide_owner() does.';

CREATE FUNCTION syncup_decide_owner(resource_type text, account_key text, owner_key text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_decide_owner(text, text, text) IS
'Says whose an account is; null: nobody''s. What a person decided is never recomputed.';

CREATE VIEW syncup.correlation AS
SELECT d.resource_type, d.rule, (d.definition ->> 'confidence')::int AS confidence,
	k.owner_keys, k.owner_null_keys, k.owner_collisions, k.account_keys, k.account_null_keys, k.account_collisions, k.errors,
	n.accounts_without_owner, n.owners_without_account
FROM syncup.rule_definition d
CROSS JOIN LATERAL (
	SELECT coalesce(sum(v.rows) FILTER (WHERE v.side = 'owner' AND v.value IS NOT NULL), 0) AS owner_keys,
		coalesce(sum(v.rows) FILTER (WHERE v.side = 'owner' AND v.value IS NULL), 0) AS owner_null_keys,
		count(*) FILTER (WHERE v.side = 'owner' AND v.value IS NOT NULL AND v.rows > 1) AS owner_collisions,
		coalesce(sum(v.rows) FILTER (WHERE v.side = 'account' AND v.value IS NOT NULL), 0) AS account_keys,
		coalesce(sum(v.rows) FILTER (WHERE v.side = 'account' AND v.value IS NULL), 0) AS account_null_keys,
		count(*) FILTER (WHERE v.side = 'account' AND v.value IS NOT NULL AND v.rows > 1) AS account_collisions,
		coalesce(sum(v.errors), 0) AS errors
	FROM (
		SELECT c.side, c.value, count(*) AS rows, count(c.message) AS errors
		FROM syncup.correlation_key c WHERE c.rule = d.rule GROUP BY c.side, c.value
	) AS v
) AS k
CROSS JOIN LATERAL (
	SELECT count(*) FILTER (WHERE c.side = 'account' AND NOT EXISTS (
			SELECT FROM syncup.ownership o WHERE o.resource_type = d.resource_type AND o.account_key = c.key AND o.state IN ('correlated', 'decided') AND o.owner_key IS NOT NULL)) AS accounts_without_owner,
		count(*) FILTER (WHERE c.side = 'owner' AND NOT EXISTS (
			SELECT FROM syncup.ownership o WHERE o.resource_type = d.resource_type AND o.owner_key = c.key AND o.state IN ('correlated', 'decided') AND o.present)) AS owners_without_account
	FROM syncup.correlation_key c WHERE c.rule = d.rule
) AS n
WHERE d.kind = 'correlation';
COMMENT ON VIEW syncup.correlation IS 'Each correlation rule: how many owners and accounts it gives a key, to how many none, how many keys are several rows'' (collisions), and who is without the other.';
COMMENT ON COLUMN syncup.correlation.errors IS 'rows for which the rule raises an error: syncup.correlation_key has it';
