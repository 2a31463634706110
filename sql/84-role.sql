-- Roles, and the rules of the role model: who should have what (AFTER 4).

CREATE TABLE syncup.role_grant (
	role text NOT NULL,
	owner_key text COLLATE "C" NOT NULL,
	valid_from timestamptz NOT NULL DEFAULT now(),
	valid_until timestamptz,
	reason text,
	granted_by name NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (role, owner_key),
	CHECK (valid_until > valid_from)
);
COMMENT ON TABLE syncup.role_grant IS 'Roles given by hand, and for how long. Written by syncup_grant_role() and syncup_revoke_role().';
COMMENT ON COLUMN syncup.role_grant.valid_until IS 'null: until it is revoked';
SELECT pg_catalog.pg_extension_config_dump('syncup.role_grant', '');

-- ---------- roles ----------

CREATE FUNCTION syncup.forget_role(rule text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	other text;
BEGIN
	SELECT d.rule INTO other FROM syncup.rule_definition d
	WHERE d.definition ->> 'parent' = rule AND d.kind = 'role' OR d.definition ->> 'role' = rule ORDER BY d.seq LIMIT 1;
	IF other IS NOT NULL THEN
		RAISE 'role "%" is named by rule "%"', rule, other USING ERRCODE = 'dependent_objects_still_exist', HINT = 'Drop that one first.';
	END IF;
	DELETE FROM syncup.role_grant g WHERE g.role = rule;
	DELETE FROM syncup.assignment x WHERE x.kind = 'role' AND x.property = rule;
END
$$;
COMMENT ON FUNCTION syncup.forget_role(text) IS 'Removes who has a role that is dropped.';
UPDATE syncup.rule_kind SET dropped = 'syncup.forget_role' WHERE kind = 'role';

CREATE FUNCTION syncup.mark_stale(rule text)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	DELETE FROM syncup.consumer c USING syncup.rule_definition d
	WHERE d.rule = $1 AND (c.consumer = 'compute_role_model ' || d.resource_type
		OR d.kind = 'role' AND (starts_with(c.consumer, format('compute_role_model roles of %s for ', d.relation))
			OR c.consumer IN (SELECT 'compute_role_model ' || t.resource_type FROM syncup.resource_type t WHERE t.owner = d.relation)))
$$;
COMMENT ON FUNCTION syncup.mark_stale(text) IS 'What a rule is on is looked at whole by the next run of the role model.';
UPDATE syncup.rule_kind SET dropped = 'syncup.mark_stale' WHERE kind IN ('type', 'scalar', 'navigation');

CREATE FUNCTION syncup.check_role(role text, owner regclass, what text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
BEGIN
	IF role IS NOT NULL AND NOT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.rule = role AND d.kind = 'role' AND d.relation = owner) THEN
		RAISE '%: there is no role "%" of %', what, role, owner
			USING ERRCODE = 'undefined_object', HINT = syncup.names_hint(role, ARRAY(SELECT d.rule FROM syncup.rule_definition d WHERE d.kind = 'role' AND d.relation = owner ORDER BY d.seq),
				'Roles are %s.', 'There is none; see syncup_define_role().');
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_role(text, regclass, text) IS 'Errors unless there is such a role of these owners; null: none is named.';

CREATE FUNCTION syncup.define_role(caller regrole, role text, owner regclass, condition text, parent text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	reads regclass[] := '{}';
BEGIN
	IF role IS NULL OR role = '' OR length(role) > 100 THEN
		RAISE 'a role needs a name of 1 to 100 characters' USING ERRCODE = 'invalid_name';
	ELSIF owner IS NULL THEN
		RAISE 'argument "owner" must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM syncup.check_role(parent, owner, format('role "%s"', role));
	IF EXISTS (
		WITH RECURSIVE above (name) AS (
			SELECT parent
			UNION
			SELECT d.definition ->> 'parent' FROM above a JOIN syncup.rule_definition d ON d.rule = a.name AND d.kind = 'role'
		)
		SELECT FROM above a WHERE a.name = role)
	THEN
		RAISE 'role "%" would be its own parent', role USING ERRCODE = 'invalid_parameter_value';
	ELSIF EXISTS (SELECT FROM syncup.rule_definition d WHERE d.rule = role AND d.kind = 'role' AND d.relation <> owner) THEN
		RAISE 'role "%" is of other owners', role USING ERRCODE = 'duplicate_object', HINT = 'Give it another name, or drop that one with syncup_drop_rule().';
	END IF;
	reads := syncup.check_query(caller, role, format('SELECT %s FROM %s o WHERE %s', syncup.key_of(owner, 'o'), owner,
		syncup.rule_text(role, 'condition', coalesce(condition, 'false'))));
	PERFORM syncup.check_scope(caller, role, syncup.rule_text(role, 'condition', coalesce(condition, 'false')), format('%s o', owner));
	PERFORM syncup.put_rule(caller, role, 'role', owner, NULL, jsonb_strip_nulls(jsonb_build_object('condition', condition, 'parent', parent)), reads);
	PERFORM syncup.mark_stale(role);
	RETURN role;
END
$$;
COMMENT ON FUNCTION syncup.define_role(regrole, text, regclass, text, text) IS 'What syncup_define_role() does.';

CREATE FUNCTION syncup_define_role(role text, owner regclass, condition text, parent text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_role(text, regclass, text, text) IS
'Who has a role: owners, o, for whom the condition holds, and all who have its parent; a condition null: who is granted it. Again: changes it.';

CREATE FUNCTION syncup.role_to_grant(caller regrole, role text)
RETURNS syncup.rule_definition
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	d syncup.rule_definition;
BEGIN
	SELECT r.* INTO d FROM syncup.rule_definition r WHERE r.rule = role AND r.kind = 'role' AND pg_has_role(caller, r.owner, 'MEMBER');
	IF d.rule IS NULL THEN
		RAISE 'role "%" does not exist', role USING ERRCODE = 'undefined_object',
			HINT = syncup.names_hint(role, ARRAY(SELECT r.rule FROM syncup.rule_definition r WHERE r.kind = 'role' AND pg_has_role(caller, r.owner, 'MEMBER') ORDER BY r.seq), 'Roles are %s.', 'There is none of yours; see syncup_define_role().');
	END IF;
	RETURN d;
END
$$;
COMMENT ON FUNCTION syncup.role_to_grant(regrole, text) IS 'A role, or an error unless the caller is a member of its rule''s owner.';

CREATE FUNCTION syncup.grant_role(caller regrole, role text, owner_key text, "from" timestamptz, until timestamptz, reason text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	d syncup.rule_definition := syncup.role_to_grant(caller, role);
BEGIN
	IF owner_key IS NULL OR NOT syncup.has_row(d.owner, d.relation, owner_key) THEN
		RAISE 'role "%": there is no such owner in %', role, d.relation USING ERRCODE = 'no_data_found';
	ELSIF until <= coalesce("from", now()) THEN
		RAISE 'role "%": "until" must be later than "from"', role USING ERRCODE = 'invalid_parameter_value';
	END IF;
	INSERT INTO syncup.role_grant (role, owner_key, valid_from, valid_until, reason, granted_by)
	VALUES (role, owner_key, coalesce("from", now()), until, reason, pg_get_userbyid(caller))
	ON CONFLICT ON CONSTRAINT role_grant_pkey DO UPDATE
	SET valid_from = excluded.valid_from, valid_until = excluded.valid_until, reason = excluded.reason, granted_by = excluded.granted_by, granted_at = now();
	PERFORM syncup.write_flags(d.relation, ARRAY[owner_key], 'manual');
END
$$;
COMMENT ON FUNCTION syncup.grant_role(regrole, text, text, timestamptz, timestamptz, text) IS 'What syncup_grant_role() does.';

CREATE FUNCTION syncup_grant_role(role text, owner_key text, "from" timestamptz DEFAULT NULL, until timestamptz DEFAULT NULL, reason text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_grant_role(text, text, timestamptz, timestamptz, text) IS
'Gives an owner a role by hand, from now or a time on, until a time or until it is revoked. Again: changes it.';

CREATE FUNCTION syncup.revoke_role(caller regrole, role text, owner_key text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	d syncup.rule_definition := syncup.role_to_grant(caller, role);
BEGIN
	DELETE FROM syncup.role_grant g WHERE g.role = role AND g.owner_key = owner_key;
	IF NOT FOUND THEN
		RETURN false;
	END IF;
	PERFORM syncup.write_flags(d.relation, ARRAY[owner_key], 'manual');
	RETURN true;
END
$$;
COMMENT ON FUNCTION syncup.revoke_role(regrole, text, text) IS 'What syncup_revoke_role() does.';

CREATE FUNCTION syncup_revoke_role(role text, owner_key text)
RETURNS boolean
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_revoke_role(text, text) IS
'Takes back a role that was given by hand; false: it was not. What a rule gives it leaves.';

-- ---------- type rules ----------

CREATE FUNCTION syncup.owner_and_account(t syncup.resource_type)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('%s o CROSS JOIN (SELECT (NULL::%s).*) a', t.owner, t.account) $$;
COMMENT ON FUNCTION syncup.owner_and_account(syncup.resource_type) IS 'SQL of owners, o, and the names of an account''s columns beside.';

CREATE FUNCTION syncup.check_condition(caller regrole, rule text, t syncup.resource_type, condition text)
RETURNS regclass[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	expression text := syncup.rule_text(rule, 'condition', condition) || ' IS TRUE';
	reads regclass[] := syncup.check_query(caller, rule, format('SELECT %s FROM %s o', expression, t.owner));
BEGIN
	PERFORM syncup.check_scope(caller, rule, expression, syncup.owner_and_account(t));
	RETURN reads;
END
$$;
COMMENT ON FUNCTION syncup.check_condition(regrole, text, syncup.resource_type, text) IS
'The relations that a condition over owners, o, reads; errors unless it can be one.';

CREATE FUNCTION syncup.define_type_rule(caller regrole, resource_type text, condition text, role text, denied boolean)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.own_resource_type(caller, resource_type);
	definition jsonb := jsonb_build_object('condition', coalesce(condition, 'true'), 'role', role, 'denied', coalesce(denied, false));
	rule text := syncup.free_rule_name(concat_ws(' ', 'type', t.resource_type, 'of ' || role), definition);
BEGIN
	PERFORM syncup.check_role(role, t.owner, format('rule "%s"', rule));
	PERFORM syncup.put_rule(caller, rule, 'type', t.owner, t.resource_type, definition,
		syncup.check_condition(caller, rule, t, definition ->> 'condition'));
	PERFORM syncup.mark_stale(rule);
	RETURN rule;
END
$$;
COMMENT ON FUNCTION syncup.define_type_rule(regrole, text, text, text, boolean) IS 'What syncup_define_type_rule() does.';

CREATE FUNCTION syncup_define_type_rule(resource_type text, condition text DEFAULT 'true', role text DEFAULT NULL, denied boolean DEFAULT false)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_type_rule(text, text, text, boolean) IS
'Who should have an account: owners, o, for whom the condition holds and who have the role, if one is named. Several rules: or; denied wins. Returns the name of the rule.';

-- ---------- scalar rules ----------

CREATE FUNCTION syncup.value_type(target regclass, property name)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	result text;
BEGIN
	-- a cast to a shorter text would cut it off silently: such a value is to be refused instead
	SELECT format_type(a.atttypid, CASE WHEN t.typcategory IN ('S', 'V') THEN -1 ELSE a.atttypmod END) INTO result
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
	WHERE a.attrelid = target AND a.attname = property AND a.attnum > 0 AND NOT a.attisdropped;
	IF result IS NULL THEN
		RAISE 'column "%" of table % does not exist', property, target USING ERRCODE = 'undefined_column';
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.value_type(regclass, name) IS 'The type that values for a column are brought to before they are compared.';

CREATE FUNCTION syncup.define_scalar_rule(caller regrole, resource_type text, property name, expression text, options jsonb)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.own_resource_type(caller, resource_type);
	place text := format('scalar %s.%s', t.resource_type, property);
	given jsonb := jsonb_strip_nulls(coalesce(options, '{}'));
	rule text;
	reads regclass[];
BEGIN
	PERFORM syncup.check_options(format('rule "%s"', place),
		'{"mapped": "boolean", "compare": ["exact", "case", "diacritics", "simplified", "trim", "dn"], "condition": "text", "role": "text"}', given);
	IF property IS NULL OR expression IS NULL THEN
		RAISE 'a scalar rule needs a property and an expression' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	rule := syncup.free_rule_name(concat_ws(' ', place, 'of ' || (given ->> 'role')),
		jsonb_build_object('condition', coalesce(given ->> 'condition', 'true'), 'role', given ->> 'role'));
	PERFORM syncup.check_role(given ->> 'role', t.owner, format('rule "%s"', rule));
	PERFORM syncup.check_column(format('rule "%s"', rule), t.account, property);
	reads := syncup.check_query(caller, rule, format('SELECT pg_catalog.concat(CAST(%s AS %s)), %s IS TRUE, pg_catalog.concat(a.%I) FROM %s o LEFT JOIN %s a ON true',
		syncup.rule_text(rule, 'expression', expression), syncup.value_type(t.account, property),
		syncup.rule_text(rule, 'option "condition"', coalesce(given ->> 'condition', 'true')), property, t.owner, t.account));
	PERFORM syncup.check_scope(caller, rule, format('%s, %s', syncup.rule_text(rule, 'expression', expression),
		syncup.rule_text(rule, 'option "condition"', coalesce(given ->> 'condition', 'true'))), format('%s o CROSS JOIN %s a', t.owner, t.account));
	PERFORM syncup.put_rule(caller, rule, 'scalar', t.account, t.resource_type,
		jsonb_build_object('property', property, 'expression', expression, 'condition', coalesce(given ->> 'condition', 'true'), 'role', given ->> 'role',
			'mapped', coalesce((given ->> 'mapped')::boolean, true), 'compare', coalesce(given ->> 'compare', 'exact')), reads);
	PERFORM syncup.mark_stale(rule);
	RETURN rule;
END
$$;
COMMENT ON FUNCTION syncup.define_scalar_rule(regrole, text, name, text, jsonb) IS 'What syncup_define_scalar_rule() does.';

CREATE FUNCTION syncup_define_scalar_rule(resource_type text, property name, expression text, options jsonb DEFAULT '{}')
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_scalar_rule(text, name, text, jsonb) IS
'The value of a column of accounts, by SQL over the owner o and the account a (null before it exists). Options: mapped (false: at creation only), compare (exact, case, diacritics, simplified, trim, dn), condition, role. Of several rules of a column the first that applies counts.';

-- ---------- navigation rules ----------

CREATE FUNCTION syncup.association_of(account regclass, association text)
RETURNS TABLE (connector text, mapping text, side int, link regclass, own_column name, own_store name, other regclass, other_column name, other_store name, single boolean)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	-- where both ends are accounts, ours is the one that holds the link, else the first
	RETURN QUERY
	SELECT m.connector, m.mapping, s.side, m.target, s.target_column, s.store, oe.target, x.target_column, x.store, s.target_column IS NULL
	FROM syncup.mapping m
	JOIN syncup.association s ON s.connector = m.connector AND s.mapping = m.mapping
	JOIN syncup.association x ON x.connector = m.connector AND x.mapping = m.mapping AND x.side <> s.side
	JOIN syncup.mapping e ON e.connector = s.entity_connector AND e.mapping = s.entity
	JOIN syncup.mapping oe ON oe.connector = x.entity_connector AND oe.mapping = x.entity
	WHERE m.kind = 'association' AND e.target = association_of.account AND association_of.association IN (m.mapping, m.connector || '.' || m.mapping)
	ORDER BY s.target_column IS NULL DESC, s.side LIMIT 1;
	IF NOT FOUND THEN
		RAISE 'accounts in % have no association "%"', association_of.account, association_of.association
			USING ERRCODE = 'undefined_object', HINT = syncup.names_hint(association_of.association, ARRAY(
				SELECT DISTINCT concat_ws('.', s.connector, s.mapping) COLLATE "C"
				FROM syncup.association s JOIN syncup.mapping e ON e.connector = s.entity_connector AND e.mapping = s.entity
				WHERE e.target = association_of.account ORDER BY 1), 'Associations are %s.', 'None is mapped; see syncup_map_association().');
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.association_of(regclass, text) IS
'How accounts are linked in an association, mapping or connector.mapping: the table of links, both ends'' columns in it and what they store, and whether an account has one link at most. An end without a column is the row itself.';

CREATE FUNCTION syncup.link_query(account regclass, association text, rows text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	l record;
	other text;
	looked_up boolean := false;
BEGIN
	SELECT * INTO l FROM syncup.association_of(account, association);
	-- what is stored is the key of the other side, or stands in the row that has it
	IF l.other_column IS NULL THEN
		other := syncup.key_of(l.other, 'l');
	ELSIF l.other_store IS NULL OR ARRAY[l.other_store] = syncup.key_columns(l.other) THEN
		other := format('pg_catalog.concat(%s.%I)', CASE WHEN l.single THEN 'a' ELSE 'l' END, l.other_column);
	ELSE
		looked_up := true;
		other := syncup.key_of(l.other, 'x');
	END IF;
	RETURN concat(rows,
		CASE WHEN NOT l.single THEN format(' JOIN %s l ON l.%I = a.%I', l.link, l.own_column, coalesce(l.own_store, (syncup.key_columns(account))[1])) END,
		CASE WHEN looked_up THEN format(' JOIN %s x ON x.%I = %s.%I', l.other, l.other_store, CASE WHEN l.single THEN 'a' ELSE 'l' END, l.other_column) END,
		format(' CROSS JOIN LATERAL (SELECT %s AS key) AS h WHERE h.key <> %L', other, ''));
END
$$;
COMMENT ON FUNCTION syncup.link_query(regclass, text, text) IS
'SQL behind FROM: rows, which have the account as a, joined with its links; h.key is the key of the other side.';

CREATE FUNCTION syncup.is_query(resource text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT resource ~* '^\s*(select|with|values|table)\M' $$;
COMMENT ON FUNCTION syncup.is_query(text) IS 'Whether the resource of a navigation rule is a query, not an expression.';

CREATE FUNCTION syncup.define_navigation_rule(caller regrole, resource_type text, association text, resource text, condition text, role text, denied boolean)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.own_resource_type(caller, resource_type);
	l record;
	definition jsonb;
	rule text;
	reads regclass[];
BEGIN
	IF association IS NULL OR resource IS NULL THEN
		RAISE 'a navigation rule needs an association and a resource' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	SELECT * INTO l FROM syncup.association_of(t.account, association);
	definition := jsonb_build_object('association', l.mapping, 'connector', l.connector, 'resource', resource, 'condition', coalesce(condition, 'true'),
		'role', role, 'denied', coalesce(denied, false));
	rule := syncup.free_rule_name(concat_ws(' ', format('navigation %s.%s', t.resource_type, l.mapping), 'of ' || role), definition);
	PERFORM syncup.check_role(role, t.owner, format('rule "%s"', rule));
	reads := syncup.check_condition(caller, rule, t, definition ->> 'condition')
		|| syncup.check_query(caller, rule, format('SELECT %s FROM %s o', CASE WHEN syncup.is_query(resource)
			THEN format('ARRAY%s', syncup.rule_text(rule, 'resource', resource, true)) ELSE format('pg_catalog.concat(%s)', syncup.rule_text(rule, 'resource', resource)) END, t.owner))
		|| syncup.check_query(caller, rule, 'SELECT h.key FROM ' || syncup.link_query(t.account, l.connector || '.' || l.mapping, format('%s a', t.account)));
	IF NOT syncup.is_query(resource) THEN
		PERFORM syncup.check_scope(caller, rule, syncup.rule_text(rule, 'resource', resource), syncup.owner_and_account(t));
	END IF;
	PERFORM syncup.put_rule(caller, rule, 'navigation', t.account, t.resource_type, definition, reads);
	PERFORM syncup.mark_stale(rule);
	RETURN rule;
END
$$;
COMMENT ON FUNCTION syncup.define_navigation_rule(regrole, text, text, text, text, text, boolean) IS 'What syncup_define_navigation_rule() does.';

CREATE FUNCTION syncup_define_navigation_rule(resource_type text, association text, resource text, condition text DEFAULT 'true', role text DEFAULT NULL, denied boolean DEFAULT false)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_navigation_rule(text, text, text, text, text, boolean) IS
'The links of accounts in an association: resource is an expression over the owner o, or a query, that gives keys of the other side. Several rules: all of them; denied wins. Returns the name of the rule.';
