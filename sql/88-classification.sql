-- What accounts without an owner are, and what owners may do in the application
-- itself (AFTER 6): rules of kinds "classification" and "profile".

CREATE TABLE syncup.classification (
	account regclass NOT NULL,
	account_key text NOT NULL,
	resource_type text,
	confidence int,
	rule text,
	state text NOT NULL CHECK (state IN ('classified', 'suggested', 'decided', 'none', 'rule error')),
	message text,
	since timestamptz NOT NULL DEFAULT now(),
	decided_by name,
	PRIMARY KEY (account, account_key)
);
COMMENT ON TABLE syncup.classification IS 'Which resource type each account is of that has no owner.';
COMMENT ON COLUMN syncup.classification.resource_type IS 'of the rule with the highest confidence; null: no rule holds';
COMMENT ON COLUMN syncup.classification.state IS 'classified; suggested: the confidence is below 100, or as high for another resource type; decided: by a person; none; rule error: the rule that has a message raised it';
SELECT pg_catalog.pg_extension_config_dump('syncup.classification', '');

CREATE TABLE syncup.profile_assignment (
	profile text NOT NULL,
	owner_key text NOT NULL,
	scope jsonb,
	rule text NOT NULL,
	login text,
	message text,
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (profile, owner_key)
);
CREATE INDEX profile_assignment_login ON syncup.profile_assignment (login) WHERE login IS NOT NULL;
COMMENT ON TABLE syncup.profile_assignment IS 'Who has which profile, for row level security of the application. Kept up to date by syncup_set_internal_user_profiles().';
COMMENT ON COLUMN syncup.profile_assignment.scope IS 'what the option "scope" gives of the owner';
COMMENT ON COLUMN syncup.profile_assignment.login IS 'the database role of the owner, where the profile is a role that is granted to it';
COMMENT ON COLUMN syncup.profile_assignment.message IS 'why the owner has not what the rule gives: the error that the rule raised, or why nothing was granted';
SELECT pg_catalog.pg_extension_config_dump('syncup.profile_assignment', '');

-- Roles are the server's, not the database's: a dump of this table would claim grants
-- that another server never gave. What is missing here counts as granted by hand.
CREATE TABLE syncup.profile_grant (
	profile text NOT NULL,
	login name NOT NULL,
	grantor regrole NOT NULL,
	granted_at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (profile, login)
);
COMMENT ON TABLE syncup.profile_grant IS 'The memberships that profiles have granted: these alone are revoked.';

-- ---------- classification ----------

CREATE FUNCTION syncup.define_classification(caller regrole, resource_type text, condition text, confidence int)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.own_resource_type(caller, resource_type);
	definition jsonb := jsonb_build_object('condition', condition);
	rule text := syncup.free_rule_name('classification ' || t.resource_type, definition);
	reads regclass[];
BEGIN
	IF condition IS NULL THEN
		RAISE 'argument "condition" must not be null' USING ERRCODE = 'null_value_not_allowed';
	ELSIF confidence IS NULL OR confidence NOT BETWEEN 0 AND 150 THEN
		RAISE 'a confidence is a whole number from 0 to 150' USING ERRCODE = 'invalid_parameter_value',
			HINT = '100 to 150 decide, 0 to 99 suggest; the highest wins.';
	END IF;
	reads := syncup.check_query(caller, rule, format('SELECT %s, %s IS TRUE FROM %s a', syncup.key_of(t.account, 'a'), syncup.rule_text(rule, 'condition', condition), t.account));
	PERFORM syncup.check_scope(caller, rule, syncup.rule_text(rule, 'condition', condition), format('%s a', t.account));
	PERFORM syncup.put_rule(caller, rule, 'classification', t.account, t.resource_type, definition || jsonb_build_object('confidence', confidence), reads);
	PERFORM syncup.reset_classification(t.account);
	RETURN rule;
END
$$;
COMMENT ON FUNCTION syncup.define_classification(regrole, text, text, int) IS 'What syncup_define_classification() does.';

CREATE FUNCTION syncup_define_classification(resource_type text, condition text, confidence int DEFAULT 100)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_classification(text, text, int) IS
'Accounts, a, without an owner for which the condition holds are of that resource type; the highest confidence wins, below 100 it is suggested. Returns the name of the rule; the same condition again changes its confidence.';

CREATE FUNCTION syncup.classifier(account regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('update_classification of %s', account) $$;
COMMENT ON FUNCTION syncup.classifier(regclass) IS 'The consumer of flags that classifies the accounts of a table.';

CREATE FUNCTION syncup.reset_classification(account regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	DELETE FROM syncup.consumer c WHERE c.consumer = syncup.classifier(account);
	PERFORM syncup.begin_seeing(syncup.classifier(account), ARRAY[account]);
END
$$;
COMMENT ON FUNCTION syncup.reset_classification(regclass) IS 'The next run classifies every account of a table, and flags are written from now on.';

CREATE FUNCTION syncup.forget_classification(rule text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	account regclass := (SELECT d.relation FROM syncup.rule_definition d WHERE d.rule = rule);
BEGIN
	DELETE FROM syncup.classification c WHERE c.rule = rule AND c.state <> 'decided';
	IF EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'classification' AND d.relation = account AND d.rule <> rule) THEN
		PERFORM syncup.reset_classification(account);
	ELSE
		DELETE FROM syncup.consumer c WHERE c.consumer = syncup.classifier(account);
		DELETE FROM syncup.classification c WHERE c.account = account AND c.state <> 'decided';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.forget_classification(text) IS 'Forgets what a rule that is dropped has classified.';
UPDATE syncup.rule_kind SET dropped = 'syncup.forget_classification' WHERE kind = 'classification';

CREATE FUNCTION syncup.has_owner(account regclass, account_key text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM syncup.ownership o JOIN syncup.resource_type t USING (resource_type)
		WHERE t.account = $1 AND o.account_key = $2 AND o.owner_key IS NOT NULL AND o.state IN ('correlated', 'decided'))
$$;
COMMENT ON FUNCTION syncup.has_owner(regclass, text) IS 'Whether an account is somebody''s.';

CREATE FUNCTION syncup.classify(caller regrole, resource_type text, account_key text, is_of_it boolean)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	t syncup.resource_type := syncup.check_resource_type(caller, resource_type);
BEGIN
	IF account_key IS NULL OR NOT syncup.has_row(t.role, t.account, account_key) THEN
		RAISE 'resource type "%": there is no such account in %', t.resource_type, t.account USING ERRCODE = 'no_data_found';
	END IF;
	INSERT INTO syncup.classification AS c (account, account_key, resource_type, state, decided_by)
	VALUES (t.account, account_key, CASE WHEN coalesce(is_of_it, true) THEN t.resource_type END, 'decided', pg_get_userbyid(caller))
	ON CONFLICT ON CONSTRAINT classification_pkey DO UPDATE
	SET resource_type = excluded.resource_type, confidence = NULL, rule = NULL, state = 'decided', message = NULL, since = now(), decided_by = excluded.decided_by;
END
$$;
COMMENT ON FUNCTION syncup.classify(regrole, text, text, boolean) IS 'What syncup_classify() does.';

CREATE FUNCTION syncup_classify(resource_type text, account_key text, is_of_it boolean DEFAULT true)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_classify(text, text, boolean) IS
'A person decides that an account is of a resource type, or, false, of none: no rule changes that.';

-- What rules say of accounts, {"rule": {"hits": [key, ...], "errors": {key: message}}, ...}.
CREATE FUNCTION syncup.ask_classification(account regclass, keys text[])
RETURNS TABLE (rule text, resource_type text, confidence int, seq bigint, account_key text, message text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	d record;
	said jsonb;
BEGIN
	FOR d IN SELECT r.* FROM syncup.rule_definition r WHERE r.kind = 'classification' AND r.relation = $1 ORDER BY r.seq LOOP
		said := syncup.run_rules('SELECT coalesce(jsonb_agg(jsonb_build_array(r.a, r.message)) FILTER (WHERE r.vals[1] OR r.message IS NOT NULL), ''[]'')'
			' FROM (SELECT x.a, ARRAY[x.vals[1]::boolean] AS vals, x.message FROM $rules x) r',
			d.owner, ARRAY[format('SELECT g.a, NULL::text, ARRAY[(%s IS TRUE)::text], NULL::text[] FROM given g JOIN %s a ON %s',
				syncup.rule_text(d.rule, 'condition', d.definition ->> 'condition'), account, syncup.key_is(account, 'a', 'g.ak'))],
			account, NULL, syncup.these_keys(keys));
		RETURN QUERY SELECT d.rule, d.resource_type, (d.definition ->> 'confidence')::int, d.seq, x ->> 0, x ->> 1 FROM jsonb_array_elements(said) x;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.ask_classification(regclass, text[]) IS
'For which of these accounts each rule holds, or raises an error.';

CREATE FUNCTION syncup.classify_accounts(account regclass, role regrole, known boolean)
RETURNS TABLE (resource_type text, state text, count bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	all_keys text[];
	keys text[];
BEGIN
	EXECUTE format('SELECT coalesce(array_agg(s.a), ''{}'') FROM (%s) s', syncup.all_keys(role, $1)) INTO all_keys;
	DELETE FROM syncup.classification c
	WHERE c.account = $1 AND (c.account_key <> ALL (all_keys) OR c.state <> 'decided' AND syncup.has_owner(c.account, c.account_key));
	-- those that have no owner, and were not reviewed; of known ones, what is new
	SELECT coalesce(array_agg(k.key), '{}') INTO keys
	FROM unnest(all_keys) AS k (key)
	LEFT JOIN syncup.classification c ON c.account = $1 AND c.account_key = k.key
	LEFT JOIN syncup.unseen(syncup.classifier($1), $1) u ON u.key = k.key
	WHERE c.state IS DISTINCT FROM 'decided' AND NOT syncup.has_owner($1, k.key) AND (NOT known OR c.account_key IS NULL OR u.key IS NOT NULL OR c.state = 'rule error');
	RETURN QUERY
	WITH said AS MATERIALIZED (
		SELECT s.*, bool_or(s.message IS NOT NULL) OVER w AS is_error, s.confidence = max(s.confidence) OVER w AS is_best
		FROM syncup.ask_classification($1, keys) s WINDOW w AS (PARTITION BY s.account_key)
	), best AS (
		SELECT DISTINCT ON (s.account_key) s.account_key, s.message, s.rule,
			CASE WHEN NOT s.is_error THEN s.resource_type END AS resource_type,
			CASE WHEN NOT s.is_error THEN s.confidence END AS confidence,
			CASE WHEN s.is_error THEN 'rule error'
				WHEN s.confidence < 100 OR EXISTS (SELECT FROM said o WHERE o.account_key = s.account_key AND o.is_best AND o.resource_type <> s.resource_type) THEN 'suggested'
				ELSE 'classified' END AS state
		FROM said s ORDER BY s.account_key, s.message IS NULL, s.confidence DESC, s.seq
	), written AS (
		INSERT INTO syncup.classification AS c (account, account_key, resource_type, confidence, rule, state, message)
		SELECT $1, k.key, b.resource_type, b.confidence, b.rule, coalesce(b.state, 'none'), b.message
		FROM unnest(keys) AS k (key) LEFT JOIN best b ON b.account_key = k.key
		ON CONFLICT ON CONSTRAINT classification_pkey DO UPDATE
		SET resource_type = excluded.resource_type, confidence = excluded.confidence, rule = excluded.rule, state = excluded.state, message = excluded.message,
			since = CASE WHEN (c.resource_type, c.state) IS DISTINCT FROM (excluded.resource_type, excluded.state) THEN now() ELSE c.since END
		WHERE (c.resource_type, c.confidence, c.rule, c.state, c.message)
			IS DISTINCT FROM (excluded.resource_type, excluded.confidence, excluded.rule, excluded.state, excluded.message)
		RETURNING c.resource_type, c.state
	)
	SELECT w.resource_type, w.state, count(*) FROM written w GROUP BY 1, 2 ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION syncup.classify_accounts(regclass, regrole, boolean) IS
'Classifies the accounts of a table, all or what is new; how many rows were written, by what they say.';

CREATE FUNCTION syncup.update_classification(caller regrole, accounts regclass[], dirty boolean)
RETURNS TABLE (account regclass, resource_type text, state text, count bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	a record;
	n regclass;
	known boolean;
BEGIN
	FOREACH n IN ARRAY coalesce(accounts, '{}') LOOP
		IF NOT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'classification' AND d.relation = n AND pg_has_role(caller, d.owner, 'MEMBER')) THEN
			RAISE 'there is no classification of %', n USING ERRCODE = 'undefined_object', HINT = 'See syncup.rule.';
		END IF;
	END LOOP;
	-- one table has one classification: whoever computes it may have to be a member of several roles
	FOR a IN
		SELECT d.relation, min(d.owner::oid)::regrole AS role, string_agg(DISTINCT d.owner::text, ', ') FILTER (WHERE NOT pg_has_role(caller, d.owner, 'MEMBER')) AS others
		FROM syncup.rule_definition d
		WHERE d.kind = 'classification' AND (accounts IS NULL OR d.relation = ANY (accounts))
		GROUP BY d.relation HAVING bool_or(pg_has_role(caller, d.owner, 'MEMBER'))
		ORDER BY d.relation::text
	LOOP
		IF a.others IS NOT NULL THEN
			RAISE 'accounts of % are classified by rules of others, too', a.relation
				USING ERRCODE = 'insufficient_privilege', DETAIL = format('Roles: %s.', a.others), HINT = 'Callers are members of the roles that have defined the rules.';
		END IF;
		known := syncup.begin_seeing(syncup.classifier(a.relation), ARRAY[a.relation]) AND coalesce(dirty, false);
		RETURN QUERY SELECT a.relation, c.* FROM syncup.classify_accounts(a.relation, a.role, known) c;
		PERFORM syncup.mark_seen(syncup.classifier(a.relation));
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.update_classification(regrole, regclass[], boolean) IS 'What syncup_update_classification() does.';

CREATE FUNCTION syncup_update_classification(accounts regclass[] DEFAULT NULL, dirty boolean DEFAULT false)
RETURNS TABLE (account regclass, resource_type text, state text, count bigint)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_update_classification(regclass[], boolean) IS
'Gives the accounts of these tables, or of all, that have no owner the resource type of the best rule; what a person decided stays. Dirty: of those alone that have changed, or have lost their owner. Returns how many rows of syncup.classification were written.';

-- ---------- profiles ----------

CREATE FUNCTION syncup.check_profile_role(definer regrole, profile text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	reason text;
BEGIN
	SELECT CASE WHEN r.oid IS NULL THEN 'there is no such role'
		WHEN starts_with(r.rolname, 'pg_') THEN 'it is one of PostgreSQL''s own'
		WHEN EXISTS (SELECT FROM pg_roles s WHERE s.rolsuper AND pg_has_role(r.oid, s.oid, 'MEMBER')) THEN 'it is a superuser, or can become one'
		WHEN NOT pg_has_role(definer, r.oid, 'MEMBER WITH ADMIN OPTION') THEN format('role %s may not grant it', definer) END
	INTO reason FROM (SELECT) AS once LEFT JOIN pg_roles r ON r.rolname = profile;
	IF reason IS NOT NULL THEN
		RAISE 'profile "%" cannot be granted: %', profile, reason
			USING ERRCODE = 'invalid_grant_operation', HINT = 'With the option "login" a profile is a role of the database, which the role that defines it has WITH ADMIN OPTION.';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_profile_role(regrole, text) IS
'Errors unless a profile is a role that its definer may grant, and that is neither a superuser nor one of PostgreSQL''s own.';

CREATE FUNCTION syncup.profile_query(d syncup.rule_definition)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- scope and login are asked of those alone who have the profile
	SELECT format('SELECT g.a, NULL::text, CASE WHEN %s THEN ARRAY[%s, %s] END, NULL::text[] FROM given g JOIN %s o ON %s',
		syncup.rule_text(d.rule, 'condition', d.definition ->> 'condition'),
		CASE WHEN d.definition ? 'scope' THEN format('to_jsonb(%s)::text', syncup.rule_text(d.rule, 'option "scope"', d.definition ->> 'scope')) ELSE 'NULL::text' END,
		CASE WHEN d.definition ? 'login' THEN format('%s::text', syncup.rule_text(d.rule, 'option "login"', d.definition ->> 'login')) ELSE 'NULL::text' END,
		d.relation, syncup.key_is(d.relation, 'o', 'g.ak'))
$$;
COMMENT ON FUNCTION syncup.profile_query(syncup.rule_definition) IS 'What the rule of a profile asks of owners, o.';

CREATE FUNCTION syncup.profile_reader(profile text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT 'set_internal_user_profiles ' || profile $$;
COMMENT ON FUNCTION syncup.profile_reader(text) IS 'The consumer of flags that computes who has a profile.';

CREATE FUNCTION syncup.define_profile(caller regrole, profile text, owner regclass, condition text, options jsonb)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	d syncup.rule_definition;
	reads regclass[];
BEGIN
	IF profile IS NULL OR profile = '' OR length(profile) > 100 THEN
		RAISE 'a profile needs a name of 1 to 100 characters' USING ERRCODE = 'invalid_name';
	ELSIF owner IS NULL OR condition IS NULL THEN
		RAISE 'argument "%" must not be null', CASE WHEN owner IS NULL THEN 'owner' ELSE 'condition' END USING ERRCODE = 'null_value_not_allowed';
	END IF;
	options := coalesce(options, '{}');
	PERFORM syncup.check_options(format('profile "%s"', profile), '{"scope": "text", "login": "text"}', options);
	IF EXISTS (SELECT FROM syncup.rule_definition r WHERE r.rule = profile AND r.kind = 'profile' AND r.relation <> owner) THEN
		RAISE 'profile "%" is of other owners', profile USING ERRCODE = 'duplicate_object', HINT = 'Give it another name, or drop that one with syncup_drop_rule().';
	END IF;
	d.rule := profile;
	d.relation := owner;
	d.definition := jsonb_build_object('condition', condition) || jsonb_strip_nulls(options);
	IF d.definition ? 'login' THEN
		PERFORM syncup.check_profile_role(caller, profile);
	END IF;
	-- as it will be asked, of no row
	reads := syncup.check_query(caller, profile, format('WITH given (a, ak) AS (SELECT NULL::text, NULL::text[] WHERE false) %s', syncup.profile_query(d)))
		|| syncup.check_query(caller, profile, format('SELECT %s FROM %s o', syncup.key_of(owner, 'o'), owner));
	PERFORM syncup.put_rule(caller, profile, 'profile', owner, NULL, d.definition, reads);
	DELETE FROM syncup.consumer c WHERE c.consumer = syncup.profile_reader(profile);
	PERFORM syncup.begin_seeing(syncup.profile_reader(profile), ARRAY[owner]);
	RETURN profile;
END
$$;
COMMENT ON FUNCTION syncup.define_profile(regrole, text, regclass, text, jsonb) IS 'What syncup_define_profile() does.';

CREATE FUNCTION syncup_define_profile(profile text, owner regclass, condition text, options jsonb DEFAULT '{}')
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_profile(text, regclass, text, jsonb) IS
'Owners, o, for whom the condition holds have a profile. Options, SQL over o: scope, a value for the application; login, the database role of the owner: then the profile is a role, which is granted to it and revoked.';

CREATE FUNCTION syncup.forget_profile(rule text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	DELETE FROM syncup.profile_assignment p WHERE p.profile = rule;
	PERFORM syncup.grant_profile(d) FROM syncup.rule_definition d WHERE d.rule = rule;
	DELETE FROM syncup.consumer c WHERE c.consumer = syncup.profile_reader(rule);
END
$$;
COMMENT ON FUNCTION syncup.forget_profile(text) IS 'Takes a profile that is dropped from everybody who has it by its rule.';
UPDATE syncup.rule_kind SET dropped = 'syncup.forget_profile' WHERE kind = 'profile';

CREATE FUNCTION syncup.is_member(profile text, login text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.roleid JOIN pg_roles l ON l.oid = m.member
		WHERE r.rolname = profile AND l.rolname = login)
$$;
COMMENT ON FUNCTION syncup.is_member(text, text) IS 'Whether a role was granted to another, by whomever.';

-- Grants the role that a profile is to whom it is missing, and revokes it from whom it
-- was granted to, as the role that has granted it. What somebody has granted by hand
-- is not noted, and so never revoked.
CREATE FUNCTION syncup.grant_profile(d syncup.rule_definition)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	reason text;
BEGIN
	FOR p IN
		SELECT g.* FROM syncup.profile_grant g
		WHERE g.profile = d.rule AND NOT EXISTS (SELECT FROM syncup.profile_assignment a WHERE a.profile = g.profile AND a.login = g.login)
	LOOP
		IF syncup.is_member(p.profile, p.login) THEN
			PERFORM FROM syncup.write_as(p.grantor, format('REVOKE %I FROM %I', p.profile, p.login), NULL, d.rule) AS (nothing text);
		END IF;
		DELETE FROM syncup.profile_grant g WHERE g.profile = p.profile AND g.login = p.login;
	END LOOP;
	IF NOT d.definition ? 'login' THEN
		RETURN;
	END IF;
	FOR p IN
		SELECT a.login, min(l.oid) AS oid, bool_or(l.rolsuper) AS is_super FROM syncup.profile_assignment a LEFT JOIN pg_roles l ON l.rolname = a.login
		WHERE a.profile = d.rule AND a.login IS NOT NULL GROUP BY a.login ORDER BY a.login
	LOOP
		reason := CASE WHEN p.oid IS NULL THEN 'there is no such role' WHEN p.is_super THEN 'it is a superuser' WHEN starts_with(p.login, 'pg_') THEN 'it is one of PostgreSQL''s own' END;
		IF reason IS NULL AND NOT syncup.is_member(d.rule, p.login) THEN
			BEGIN
				PERFORM syncup.check_profile_role(d.owner, d.rule);
				PERFORM FROM syncup.write_as(d.owner, format('GRANT %I TO %I', d.rule, p.login), NULL, d.rule) AS (nothing text);
				INSERT INTO syncup.profile_grant AS g (profile, login, grantor) VALUES (d.rule, p.login, d.owner)
				ON CONFLICT ON CONSTRAINT profile_grant_pkey DO UPDATE SET grantor = excluded.grantor, granted_at = now();
			EXCEPTION WHEN insufficient_privilege OR invalid_grant_operation OR undefined_object THEN
				reason := SQLERRM;
			END;
		END IF;
		UPDATE syncup.profile_assignment a SET message = 'login: ' || reason
		WHERE a.profile = d.rule AND a.login = p.login AND a.message IS DISTINCT FROM 'login: ' || reason;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.grant_profile(syncup.rule_definition) IS
'Brings memberships in the role that a profile is up to date with its assignments.';

CREATE FUNCTION syncup.set_profile(d syncup.rule_definition, known boolean)
RETURNS TABLE (given bigint, taken bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	keys text[];
	source text;
	said jsonb;
BEGIN
	IF known THEN
		keys := ARRAY(SELECT u.key FROM syncup.unseen(syncup.profile_reader(d.rule), d.relation) u
			UNION SELECT a.owner_key FROM syncup.profile_assignment a WHERE a.profile = d.rule AND a.message IS NOT NULL);
		source := syncup.these_keys(keys);
	ELSE
		source := syncup.all_keys(d.owner, d.relation);
	END IF;
	said := syncup.run_rules('SELECT coalesce(jsonb_agg(jsonb_build_array(r.a, r.vals[1], r.vals[2], r.message)) FILTER (WHERE r.vals IS NOT NULL OR r.message IS NOT NULL), ''[]'') FROM $rules r',
		d.owner, ARRAY[syncup.profile_query(d)], d.relation, NULL, source);
	RETURN QUERY
	WITH said AS MATERIALIZED (
		SELECT x ->> 0 AS key, (x ->> 1)::jsonb AS scope, nullif(btrim(x ->> 2), '') AS login, x ->> 3 AS message FROM jsonb_array_elements(said) x
	), removed AS (
		DELETE FROM syncup.profile_assignment a
		WHERE a.profile = d.rule AND (NOT known OR a.owner_key = ANY (keys)) AND NOT EXISTS (SELECT FROM said s WHERE s.key = a.owner_key)
		RETURNING a.message IS NULL AS had
	), written AS (
		INSERT INTO syncup.profile_assignment AS a (profile, owner_key, scope, rule, login, message)
		SELECT d.rule, s.key, s.scope, d.rule, s.login, CASE WHEN s.message IS NULL AND s.login IS NULL AND d.definition ? 'login' THEN 'login: it is empty' ELSE s.message END FROM said s
		ON CONFLICT ON CONSTRAINT profile_assignment_pkey DO UPDATE
		SET scope = excluded.scope, login = excluded.login, message = excluded.message
		WHERE (a.scope, a.login, CASE WHEN a.message LIKE 'login: %' THEN NULL ELSE a.message END) IS DISTINCT FROM (excluded.scope, excluded.login, excluded.message)
		RETURNING a.xmax = 0 AND a.message IS NULL AS got
	)
	SELECT (SELECT count(*) FILTER (WHERE w.got) FROM written w), (SELECT count(*) FILTER (WHERE r.had) FROM removed r);
END
$$;
COMMENT ON FUNCTION syncup.set_profile(syncup.rule_definition, boolean) IS
'Brings who has a profile up to date, of all owners or of what is new; to how many it was given, and from how many taken.';

CREATE FUNCTION syncup.set_internal_user_profiles(caller regrole, dirty boolean)
RETURNS TABLE (profile text, given bigint, taken bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	d syncup.rule_definition;
	known boolean;
BEGIN
	FOR d IN SELECT r.* FROM syncup.rule_definition r WHERE r.kind = 'profile' AND pg_has_role(caller, r.owner, 'MEMBER') ORDER BY r.seq LOOP
		known := syncup.begin_seeing(syncup.profile_reader(d.rule), ARRAY[d.relation]) AND coalesce(dirty, false);
		RETURN QUERY SELECT d.rule, s.given, s.taken FROM syncup.set_profile(d, known) s;
		PERFORM syncup.grant_profile(d);
		PERFORM syncup.mark_seen(syncup.profile_reader(d.rule));
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.set_internal_user_profiles(regrole, boolean) IS 'What syncup_set_internal_user_profiles() does.';

CREATE FUNCTION syncup_set_internal_user_profiles(dirty boolean DEFAULT false)
RETURNS TABLE (profile text, given bigint, taken bigint)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_set_internal_user_profiles(boolean) IS
'Brings syncup.profile_assignment up to date, and the memberships of profiles that are roles; dirty: of owners alone that have changed.';
