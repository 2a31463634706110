-- The role model: what rules wish, what is, and what follows (AFTER 4).

CREATE TABLE syncup.assignment (
	assignment bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	resource_type text,
	owner_key text COLLATE "C",
	account_key text COLLATE "C",
	kind text NOT NULL CHECK (kind IN ('account', 'scalar', 'navigation', 'role')),
	property text,
	expected text,
	current text,
	provisioning_state text NOT NULL CHECK (provisioning_state IN ('none', 'pending', 'transmitted', 'errored', 'verified',
		'awaiting approval', 'inactive', 'rule error', 'executed')),
	workflow_state text CHECK (workflow_state IN ('non-conforming', 'approved', 'declined')),
	origin text NOT NULL CHECK (origin IN ('rule', 'granted', 'found')),
	rule text,
	since timestamptz NOT NULL DEFAULT now(),
	approved_by name,
	approved_at timestamptz,
	comment text,
	message text,
	verified_at timestamptz,
	verified_expected text,
	verified_current text,
	state_at timestamptz NOT NULL DEFAULT now(),
	before_error text,
	written text,
	written_at timestamptz,
	changed_at timestamptz NOT NULL DEFAULT now(),
	is_open boolean GENERATED ALWAYS AS (provisioning_state <> 'verified' OR workflow_state IS NOT NULL OR account_key IS NULL AND resource_type IS NOT NULL) STORED
) WITH (fillfactor = 50);
-- None has a state, nor what depends on it, and pages have room for all of their rows once
-- more: when orders are carried out states change in place, without another entry in each
-- index. is_open stays.
CREATE INDEX assignment_owner ON syncup.assignment (resource_type, owner_key);
CREATE INDEX assignment_account ON syncup.assignment (resource_type, owner_key) WHERE kind = 'account';
CREATE INDEX assignment_open ON syncup.assignment (resource_type, owner_key) WHERE is_open;
COMMENT ON TABLE syncup.assignment IS 'Who has, and should have, which account with which values, links and roles, and why. Written by syncup_compute_role_model(), by decisions of people, and by what executes orders.';
COMMENT ON COLUMN syncup.assignment.resource_type IS 'null: of a role';
COMMENT ON COLUMN syncup.assignment.account_key IS 'null: the account is to be created';
COMMENT ON COLUMN syncup.assignment.property IS 'of a scalar the column, of a navigation the association, of a role its name';
COMMENT ON COLUMN syncup.assignment.expected IS 'what rules wish: of an account its owner, of a navigation the key of the other side; null: that it is not';
COMMENT ON COLUMN syncup.assignment.current IS 'what was read: of an account its key';
COMMENT ON COLUMN syncup.assignment.since IS 'since when this is wished, or found';
COMMENT ON COLUMN syncup.assignment.approved_by IS 'the person who approved, or declined';
COMMENT ON COLUMN syncup.assignment.verified_at IS 'when what rules wished was found last; null: never';
COMMENT ON COLUMN syncup.assignment.verified_expected IS 'what rules wished then; or what an order made of it since that was executed';
COMMENT ON COLUMN syncup.assignment.verified_current IS 'and what was read';
COMMENT ON COLUMN syncup.assignment.state_at IS 'since when it is in its provisioning state';
COMMENT ON COLUMN syncup.assignment.before_error IS 'of a rule error, the provisioning state before: what was approved or is in flight stays so, if the same is wished afterwards';
COMMENT ON COLUMN syncup.assignment.written IS 'what the last order made of it that was executed, as long as something else was read last: of an account its owner; null: it was removed';
COMMENT ON COLUMN syncup.assignment.written_at IS 'when that was recorded; null: there is no such order';
COMMENT ON COLUMN syncup.assignment.changed_at IS 'the run of the role model, or decision, that wrote it last';
COMMENT ON COLUMN syncup.assignment.is_open IS 'it is not as rules wish, or somebody decided about it: what orders, runs and reviews look through';
SELECT pg_catalog.pg_extension_config_dump('syncup.assignment', '');
SELECT pg_catalog.pg_extension_config_dump('syncup.assignment_assignment_seq', '');

CREATE TABLE syncup.evaluated (
	resource_type text NOT NULL,
	owner_key text COLLATE "C" NOT NULL,
	account_key text COLLATE "C",
	digest bigint NOT NULL
);
CREATE INDEX evaluated_owner ON syncup.evaluated (resource_type, owner_key);
COMMENT ON TABLE syncup.evaluated IS 'Of each owner and account a digest of all that rules wish and that is there: where it is the same, nothing is to be decided anew.';
COMMENT ON COLUMN syncup.evaluated.account_key IS 'null: the account is to be created';

CREATE VIEW syncup.role_model AS
SELECT x.resource_type, x.kind, x.provisioning_state, x.workflow_state, count(*) AS count
FROM syncup.assignment x GROUP BY x.resource_type, x.kind, x.provisioning_state, x.workflow_state;
COMMENT ON VIEW syncup.role_model IS 'How many assignments are in which state.';

-- ---------- what follows from wish and fact ----------

CREATE FUNCTION syncup.same_value(compare text, a text, b text)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE compare
		WHEN 'case' THEN lower(a) = lower(b)
		WHEN 'trim' THEN btrim(a) = btrim(b)
		WHEN 'diacritics' THEN @extschema@.syncup_format(a, 'ascii') = @extschema@.syncup_format(b, 'ascii')
		WHEN 'simplified' THEN @extschema@.syncup_format(a, 'simplify') = @extschema@.syncup_format(b, 'simplify')
		-- however they are escaped; a first part of other letters is another name
		WHEN 'dn' THEN CASE WHEN syncup.dn_normal_form(a) = syncup.dn_normal_form(b) AND a !~ '^[^=]*=#' AND b !~ '^[^=]*=#'
			THEN @extschema@.syncup_format(a, 'rdn') = @extschema@.syncup_format(b, 'rdn') ELSE a = b END
		ELSE a = b END
$$;
COMMENT ON FUNCTION syncup.same_value(text, text, text) IS 'Whether two values are the same by the option "compare" of a scalar rule.';

-- What a run writes: all that rules wish of some owners and accounts (wish), beside
-- all that is written of them (old). Somebody's edit is shown and never fought over:
-- only a wish that has changed since it was fulfilled is one again.
CREATE FUNCTION syncup.assignment_statement(resource_type text, kind text, wish text, old text, several text[], at timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
	WITH %1$s, old AS (
		SELECT x.*, CASE WHEN x.property = ANY (%5$L::text[]) THEN coalesce(x.expected, x.current, x.written, x.verified_current, '') ELSE '' END AS item
		FROM syncup.assignment x WHERE x.resource_type = %2$L AND x.kind = %3$L AND %4$s
	), beside AS (
		SELECT x.assignment, x.owner_key AS x_owner, x.account_key AS x_account, x.property AS x_property, x.expected AS x_expected, x.current AS x_current,
			x.provisioning_state AS x_state, x.workflow_state AS x_workflow, x.origin AS x_origin, x.rule AS x_rule, x.since AS x_since,
			x.approved_by AS x_approved_by, x.approved_at AS x_approved_at, x.comment AS x_comment, x.message AS x_message,
			x.verified_at AS x_verified_at, x.verified_expected AS x_verified_expected, x.verified_current AS x_verified_current, x.state_at AS x_state_at,
			x.before_error AS x_before, coalesce(x.before_error, x.provisioning_state) AS x_standing,
			-- an order may have made the account, and nobody has read it yet
			x.kind = 'account' AND x.current IS NULL AND coalesce(x.before_error, x.provisioning_state) IN ('pending', 'transmitted', 'executed', 'errored') AS x_unread,
			x.written AS x_written, x.written_at AS x_written_at,
			-- an order has made it another one since it was read
			x.written_at IS NOT NULL AND x.current IS NOT DISTINCT FROM w.current
				AND CASE x.kind WHEN 'account' THEN (x.written IS NULL) <> (x.current IS NULL) ELSE x.written IS DISTINCT FROM x.current END AS x_ahead,
			-- what rules gave it last
			CASE WHEN x.written_at IS NOT NULL THEN x.written ELSE x.verified_expected END AS x_given,
			w.*, w.item IS NOT NULL AS is_asked, CASE WHEN w.wished THEN w.expected END AS wish
		FROM wish w FULL JOIN old x ON coalesce(x.owner_key, '') = coalesce(w.owner_key, '') AND coalesce(x.account_key, '') = coalesce(w.account_key, '')
			AND coalesce(x.property, '') = coalesce(w.property, '') AND x.item = w.item
	), judged AS MATERIALIZED (
		SELECT b.*, CASE
			WHEN NOT b.is_asked THEN CASE WHEN b.x_unread AND b.x_account IS NULL AND syncup.is_made(b.assignment)
				OR b.x_current IS NULL AND b.x_property IN (SELECT d.definition ->> 'association' FROM syncup.rules_of(%2$L, 'navigation') d) AND (b.x_ahead OR syncup.is_made(b.assignment)) THEN 'recall' ELSE 'gone' END
			WHEN b.message IS NOT NULL THEN 'error'
			WHEN b.created THEN CASE WHEN b.assignment IS NULL THEN 'gone' ELSE 'same' END
			-- (an account that an order has removed, and that is still read, is made again when it is gone)
			WHEN b.wished AND b.same AND (%3$L = 'account' OR NOT b.x_ahead OR b.x_written IS NOT DISTINCT FROM b.expected) THEN 'same'
			WHEN b.x_ahead AND b.x_written IS NOT DISTINCT FROM b.wish AND (b.x_standing IN ('executed', 'verified') OR NOT b.wished AND NOT syncup.is_made(b.assignment)) THEN 'told'
			WHEN NOT b.wished AND NOT b.had THEN CASE WHEN %3$L <> 'account' AND b.x_ahead OR CASE %3$L WHEN 'account' THEN b.x_unread ELSE coalesce(b.x_standing, 'verified') <> 'verified' END AND syncup.is_made(b.assignment) THEN 'recall' ELSE 'gone' END
			WHEN b.x_unread AND b.wished AND b.x_expected IS NULL AND syncup.is_made(b.assignment) THEN 'keep'
			WHEN b.x_unread AND NOT b.wished THEN CASE WHEN NOT syncup.is_made_as(b.assignment, b.account_key) THEN 'found' WHEN NOT b.allowed THEN 'barred' WHEN b.waits THEN 'wait' ELSE 'go' END
			WHEN b.x_expected IS NOT DISTINCT FROM b.wish AND (b.x_standing = 'errored' OR b.x_standing IN ('transmitted', 'executed') AND (b.wished OR b.x_written IS NULL)
				OR b.x_standing = 'pending' AND b.x_approved_at IS NOT NULL OR b.x_standing = 'none' AND b.x_workflow IN ('approved', 'declined')) THEN 'keep'
			WHEN b.wished AND b.x_verified_at IS NOT NULL AND b.x_given IS NOT DISTINCT FROM b.expected AND NOT b.x_ahead THEN 'edited'
			WHEN b.wished AND b.inactive THEN 'inactive'
			WHEN NOT b.wished AND %3$L <> 'account' AND (b.x_ahead OR b.x_expected IS NOT NULL AND b.x_standing <> 'verified' AND (b.x_verified_at IS NULL OR b.x_verified_current IS DISTINCT FROM b.current) AND syncup.is_made(b.assignment)) THEN 'recall'
			WHEN b.wished OR b.x_verified_at IS NOT NULL AND (b.soft OR b.x_verified_current IS NOT DISTINCT FROM b.current)
					OR NOT b.x_ahead AND CASE %3$L WHEN 'account' THEN b.x_written IS NOT NULL AND syncup.is_made_as(b.assignment, b.account_key) ELSE b.x_written = b.current END
				THEN CASE WHEN NOT b.allowed THEN 'barred' WHEN b.waits THEN 'wait' ELSE 'go' END
			WHEN b.orphan THEN CASE WHEN b.allowed THEN 'wait' ELSE 'barred' END
			WHEN b.soft THEN 'found'
			ELSE 'gone' END AS verdict
		FROM beside b
	), decided AS MATERIALIZED (
		SELECT j.*,
			CASE WHEN j.verdict = 'error' OR j.created THEN j.x_expected WHEN j.wished THEN j.expected END AS n_expected,
			CASE WHEN j.verdict = 'error' THEN j.x_current ELSE j.current END AS n_current,
			CASE j.verdict WHEN 'error' THEN 'rule error' WHEN 'same' THEN 'verified' WHEN 'keep' THEN j.x_standing WHEN 'told' THEN 'executed' WHEN 'inactive' THEN 'inactive'
				WHEN 'recall' THEN CASE WHEN j.x_unread OR j.x_expected IS NULL AND j.x_standing <> 'transmitted' THEN j.x_standing WHEN j.x_ahead THEN 'executed' ELSE 'transmitted' END
				WHEN 'edited' THEN CASE WHEN NOT j.soft THEN 'verified' WHEN j.allowed THEN 'awaiting approval' ELSE 'none' END
				WHEN 'wait' THEN 'awaiting approval' WHEN 'go' THEN 'pending' ELSE 'none' END AS n_state,
			CASE j.verdict WHEN 'error' THEN j.x_workflow WHEN 'keep' THEN j.x_workflow
				WHEN 'edited' THEN CASE WHEN NOT j.soft AND j.x_workflow = 'approved' AND j.x_current IS NOT DISTINCT FROM j.current THEN 'approved' ELSE 'non-conforming' END
				WHEN 'barred' THEN 'non-conforming' WHEN 'found' THEN 'non-conforming' END AS n_workflow,
			CASE WHEN j.wished THEN 'rule' WHEN j.verdict = 'error' THEN coalesce(j.x_origin, 'rule') ELSE coalesce(j.x_origin, 'found') END AS n_origin,
			CASE WHEN j.wished THEN j.rule ELSE coalesce(j.rule, j.x_rule) END AS n_rule,
			CASE j.verdict WHEN 'error' THEN j.message WHEN 'keep' THEN CASE WHEN j.x_before IS NULL AND NOT (j.x_unread AND j.x_expected IS NULL) THEN j.x_message END
				WHEN 'recall' THEN 'ordered, and not wished any more: it is removed when it is read' WHEN 'same' THEN NULL ELSE j.note END AS n_message,
			CASE j.verdict WHEN 'error' THEN CASE WHEN j.x_state = 'rule error' THEN j.x_before ELSE j.x_state END END AS n_before,
			-- what we made is there: a rule gave it
			j.verdict = 'same' OR (j.x_unread OR %3$L = 'account' AND j.x_written IS NOT NULL) AND NOT j.wished AND j.verdict IN ('go', 'wait', 'barred') AS n_verified,
			j.x_written_at IS NOT NULL AND (j.verdict = 'error' OR j.x_ahead AND NOT (j.verdict = 'same' AND j.x_written IS NOT DISTINCT FROM j.expected)) AS n_ahead
		FROM judged j
	), outcome AS (
		SELECT d.*, d.assignment IS NOT NULL AND d.n_expected IS NOT DISTINCT FROM d.x_expected AS same_wish,
			d.n_verified OR %3$L <> 'account' AND d.x_written = d.current AND NOT d.n_ahead AS n_found,
			CASE WHEN d.n_ahead THEN d.x_written END AS n_written, CASE WHEN d.n_ahead THEN d.x_written_at END AS n_written_at,
			CASE WHEN d.n_verified THEN d.n_expected WHEN d.n_ahead THEN d.x_verified_expected ELSE d.x_given END AS n_verified_expected,
			-- of a link that is to be removed when it is read, which
			CASE WHEN d.n_verified THEN d.current WHEN d.verdict = 'recall' AND d.x_property = ANY (%5$L::text[]) THEN coalesce(d.x_expected, d.x_written, d.x_verified_current) WHEN d.n_ahead OR d.x_written_at IS NULL OR %3$L = 'account' THEN d.x_verified_current ELSE d.x_written END AS n_verified_current
		FROM decided d
	), changed AS MATERIALIZED (
		SELECT * FROM outcome o
		WHERE CASE WHEN o.verdict = 'gone' THEN o.assignment IS NOT NULL
			ELSE o.assignment IS NULL OR (o.n_expected, o.n_current, o.n_state, o.n_workflow, o.n_origin, o.n_rule, o.n_message, o.n_verified_expected, o.n_verified_current, o.n_written_at)
				IS DISTINCT FROM (o.x_expected, o.x_current, o.x_state, o.x_workflow, o.x_origin, o.x_rule, o.x_message, o.x_verified_expected, o.x_verified_current, o.x_written_at)
				OR o.n_found AND o.x_verified_at IS NULL END
	), removed AS (
		DELETE FROM syncup.assignment x USING changed c WHERE c.verdict = 'gone' AND x.assignment = c.assignment
	), added AS (
		INSERT INTO syncup.assignment (resource_type, owner_key, account_key, kind, property, expected, current, provisioning_state, workflow_state,
			origin, rule, since, message, verified_at, verified_expected, verified_current, state_at, changed_at)
		SELECT %2$L, c.owner_key, c.account_key, %3$L, c.property, c.n_expected, c.n_current, c.n_state, c.n_workflow,
			c.n_origin, c.n_rule, now(), c.n_message, CASE WHEN c.n_found THEN now() END, c.n_verified_expected, c.n_verified_current, now(), %6$L
		FROM changed c WHERE c.verdict <> 'gone' AND c.assignment IS NULL
	), rewritten AS (
		UPDATE syncup.assignment x
		SET expected = c.n_expected, current = c.n_current, provisioning_state = c.n_state, workflow_state = c.n_workflow, origin = c.n_origin, rule = c.n_rule,
			since = CASE WHEN c.same_wish AND c.n_origin = c.x_origin THEN c.x_since ELSE now() END,
			approved_by = CASE WHEN c.same_wish THEN c.x_approved_by END, approved_at = CASE WHEN c.same_wish THEN c.x_approved_at END,
			comment = CASE WHEN c.same_wish THEN c.x_comment END, message = c.n_message,
			verified_at = CASE WHEN c.n_found THEN now() ELSE c.x_verified_at END,
			verified_expected = c.n_verified_expected, verified_current = c.n_verified_current, written = c.n_written, written_at = c.n_written_at,
			state_at = CASE WHEN c.n_state = c.x_state THEN c.x_state_at ELSE now() END, before_error = c.n_before, changed_at = %6$L
		FROM changed c WHERE c.verdict <> 'gone' AND x.assignment = c.assignment
	)
	SELECT jsonb_object_agg(s.state, s.n) FROM (
		SELECT CASE WHEN c.verdict = 'gone' THEN 'removed' ELSE c.n_state END AS state, count(*) AS n FROM changed c GROUP BY 1) AS s
	$sql$, wish, resource_type, kind, old, several, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'))
$$;
COMMENT ON FUNCTION syncup.assignment_statement(text, text, text, text, text[], timestamptz) IS
'The statement that brings assignments of one kind up to date, and returns how many got into which state: wish are CTEs, the last of them "wish"; old says which rows x it is beside; several are associations of which an account may have several links.';

-- ---------- what rules ask ----------

CREATE FUNCTION syncup.rules_of(resource_type text, kind text)
RETURNS TABLE (n int, rule text, definition jsonb)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT row_number() OVER (ORDER BY d.seq)::int, d.rule, d.definition
	FROM syncup.rule_definition d WHERE d.resource_type = $1 AND d.kind = $2 ORDER BY d.seq
$$;
COMMENT ON FUNCTION syncup.rules_of(text, text) IS 'The rules of a resource type, in the order of their definition, numbered.';

CREATE FUNCTION syncup.condition_sql(rule text, definition jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN definition ->> 'role' IS NULL AND definition ->> 'condition' = 'true' THEN 'true'
		ELSE format('(%s%s) IS TRUE', CASE WHEN definition ->> 'role' IS NOT NULL THEN format('%L = ANY (g.roles) AND ', definition ->> 'role') END,
			syncup.rule_text(rule, 'condition', definition ->> 'condition')) END
$$;
COMMENT ON FUNCTION syncup.condition_sql(text, jsonb) IS 'SQL for whether a rule applies to owner o, who has the roles g.roles.';

CREATE FUNCTION syncup.signature(t syncup.resource_type)
RETURNS bigint
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT hashtextextended(t.options::text || coalesce((
		SELECT string_agg(d.rule || d.definition::text, ' ' ORDER BY d.seq) FROM syncup.rule_definition d WHERE d.resource_type = t.resource_type), ''), 0)
$$;
COMMENT ON FUNCTION syncup.signature(syncup.resource_type) IS 'A digest of all that is defined of a resource type.';

CREATE FUNCTION syncup.keys_sql(keys text[], expression text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN keys IS NULL THEN 'true' ELSE format('%s = ANY (%L::text[])', expression, keys) END $$;
COMMENT ON FUNCTION syncup.keys_sql(text[], text) IS 'SQL for whether an expression is one of these keys; null: of all.';

CREATE FUNCTION syncup.roles_named(t syncup.resource_type)
RETURNS text[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT ARRAY(SELECT DISTINCT d.definition ->> 'role' FROM syncup.rule_definition d WHERE d.resource_type = t.resource_type AND d.definition ->> 'role' IS NOT NULL ORDER BY 1) $$;
COMMENT ON FUNCTION syncup.roles_named(syncup.resource_type) IS 'The roles that rules of a resource type name.';

CREATE FUNCTION syncup.holders(t syncup.resource_type, keys text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT x.owner_key, array_agg(x.property ORDER BY x.property) AS roles FROM syncup.assignment x '
		'WHERE x.resource_type IS NULL AND x.kind = ''role'' AND x.property = ANY (%L) AND x.expected IS NOT NULL AND %s GROUP BY x.owner_key',
		syncup.roles_named(t), syncup.keys_sql(keys, 'x.owner_key'))
$$;
COMMENT ON FUNCTION syncup.holders(syncup.resource_type, text[]) IS 'SQL for which owners have which of the roles that rules of the resource type name; of all owners, or of some.';

CREATE FUNCTION syncup.with_roles(t syncup.resource_type, source text, keys text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('SELECT k.a, k.b, h.roles, k.syncup_known FROM (%s) k LEFT JOIN (%s) h ON h.owner_key = k.a', source, syncup.holders(t, keys)) $$;
COMMENT ON FUNCTION syncup.with_roles(syncup.resource_type, text, text[]) IS 'A source of rules with the roles that its owners have, of those that rules of the resource type name.';

-- ---------- roles ----------

CREATE FUNCTION syncup.role_levels(owner regclass, caller regrole)
RETURNS TABLE (level int, definer regrole, roles text[], parents text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE depth (role, parent, definer, seq, level) AS (
		SELECT d.rule, NULL::text, d.owner, d.seq, 0
		FROM syncup.rule_definition d WHERE d.kind = 'role' AND d.relation = $1 AND d.definition ->> 'parent' IS NULL
		UNION ALL
		SELECT d.rule, p.role, d.owner, d.seq, p.level + 1
		FROM depth p JOIN syncup.rule_definition d ON d.kind = 'role' AND d.definition ->> 'parent' = p.role
	)
	SELECT r.level, r.definer, array_agg(r.role ORDER BY r.seq), array_agg(r.parent ORDER BY r.seq)
	FROM depth r WHERE pg_has_role($2, r.definer, 'MEMBER')
	GROUP BY r.level, r.definer ORDER BY r.level, r.definer::text
$$;
COMMENT ON FUNCTION syncup.role_levels(regclass, regrole) IS 'The roles of owners that are the caller''s to compute, parents first, those of one role''s together.';

CREATE FUNCTION syncup.compute_role_level(owner regclass, definer regrole, roles text[], parents text[], keys text[], at timestamptz)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	source text := CASE WHEN keys IS NULL THEN syncup.all_keys(definer, owner) ELSE syncup.these_keys(keys) END;
	holds text[] := ARRAY(SELECT format('CASE WHEN %s THEN %L END', syncup.rule_text(d.rule, 'condition', coalesce(d.definition ->> 'condition', 'false')), u.n)
		FROM unnest(roles) WITH ORDINALITY u (role, n) JOIN syncup.rule_definition d ON d.rule = u.role ORDER BY u.n);
	rows text := format(']::text[], NULL::text[] FROM given g JOIN %s o ON %s', owner, syncup.key_is(owner, 'o', 'g.ak'));
BEGIN
	RETURN syncup.run_rules(format($sql$
		WITH asked AS MATERIALIZED (
			SELECT r.a, r.part, r.vals, r.message FROM $rules r
		), role AS MATERIALIZED (
			SELECT u.role, u.parent, u.n::int AS n FROM unnest(%1$L::text[], %2$L::text[]) WITH ORDINALITY u (role, parent, n)
		), present AS MATERIALIZED (
			SELECT DISTINCT s.a FROM asked s
		), holder AS (
			SELECT s.a AS owner_key, r.role, 1 AS rank, 'rule' AS origin, r.role AS rule, NULL AS by, NULL::timestamptz AS given_at, NULL AS comment, NULL AS message
			FROM asked s CROSS JOIN unnest(s.vals) AS v (n) JOIN role r ON r.n = v.n::int
			UNION ALL
			SELECT p.a, r.role, 2, 'rule', x.rule, NULL, NULL, NULL, NULL
			FROM role r JOIN syncup.assignment x ON x.resource_type IS NULL AND x.kind = 'role' AND x.property = r.parent AND x.expected IS NOT NULL
			JOIN present p ON p.a = x.owner_key
			UNION ALL
			SELECT p.a, r.role, 3, 'granted', NULL, g.granted_by, g.granted_at, g.reason, NULL
			FROM role r JOIN syncup.role_grant g ON g.role = r.role AND g.valid_from <= now() AND (g.valid_until IS NULL OR g.valid_until > now())
			JOIN present p ON p.a = g.owner_key
			UNION ALL
			SELECT s.a, r.role, 4, 'rule', r.role, NULL, NULL, NULL, s.message
			FROM asked s JOIN role r ON s.part IS NULL OR s.part = r.n WHERE s.message IS NOT NULL
		), wish AS (
			SELECT DISTINCT ON (h.owner_key, h.role) h.* FROM holder h ORDER BY h.owner_key, h.role, h.rank
		), old AS (
			SELECT x.* FROM syncup.assignment x WHERE x.resource_type IS NULL AND x.kind = 'role' AND x.property = ANY (%1$L::text[]) AND %3$s
		), changed AS MATERIALIZED (
			SELECT w.*, x.assignment, x.expected AS x_expected, x.owner_key AS x_owner FROM wish w FULL JOIN old x ON x.owner_key = w.owner_key AND x.property = w.role
			WHERE w.owner_key IS NULL OR x.assignment IS NULL
				OR (CASE WHEN w.message IS NULL THEN w.role ELSE x.expected END, w.origin, w.rule, w.comment, w.message)
					IS DISTINCT FROM (x.expected, x.origin, x.rule, x.comment, x.message)
		), removed AS (
			DELETE FROM syncup.assignment x USING changed c WHERE c.owner_key IS NULL AND x.assignment = c.assignment
		), added AS (
			INSERT INTO syncup.assignment (owner_key, kind, property, expected, current, provisioning_state, origin, rule, approved_by, approved_at, comment, message, verified_at, changed_at)
			SELECT c.owner_key, 'role', c.role, v.role, v.role, CASE WHEN c.message IS NULL THEN 'verified' ELSE 'rule error' END,
				c.origin, c.rule, c.by, c.given_at, c.comment, c.message, CASE WHEN c.message IS NULL THEN now() END, %4$L
			FROM changed c CROSS JOIN LATERAL (SELECT CASE WHEN c.message IS NULL THEN c.role END AS role) AS v
			WHERE c.assignment IS NULL
		), rewritten AS (
			UPDATE syncup.assignment x
			SET expected = v.role, current = v.role, provisioning_state = CASE WHEN c.message IS NULL THEN 'verified' ELSE 'rule error' END,
				origin = c.origin, rule = c.rule, approved_by = c.by, approved_at = c.given_at, comment = c.comment, message = c.message,
				since = CASE WHEN c.origin = x.origin AND x.expected IS NOT NULL THEN x.since ELSE now() END, state_at = now(), changed_at = %4$L
			FROM changed c CROSS JOIN LATERAL (SELECT CASE WHEN c.message IS NULL THEN c.role ELSE c.x_expected END AS role) AS v
			WHERE c.owner_key IS NOT NULL AND x.assignment = c.assignment
		), flagged AS (
			INSERT INTO syncup.flag (target, key, reason)
			SELECT f.relation, k.key, 'manual'
			FROM unnest(syncup.readers(%5$L::regclass)) AS f (relation) CROSS JOIN (SELECT DISTINCT coalesce(c.owner_key, c.x_owner) FROM changed c) AS k (key)
		)
		SELECT jsonb_object_agg(s.state, s.n) FROM (
			SELECT CASE WHEN c.owner_key IS NULL THEN 'removed' WHEN c.message IS NULL THEN 'verified' ELSE 'rule error' END AS state, count(*) AS n
			FROM changed c GROUP BY 1) AS s
		$sql$, roles, parents, syncup.keys_sql(keys, 'x.owner_key'), to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US+00'), owner),
		definer,
		ARRAY(SELECT 'SELECT g.a, NULL::text, ARRAY[' || u.hold || rows
			FROM unnest(array_to_string(holds, ', ') || holds) WITH ORDINALITY u (hold, n) ORDER BY u.n),
		owner, NULL, source, rules => roles);
END
$$;
COMMENT ON FUNCTION syncup.compute_role_level(regclass, regrole, text[], text[], text[], timestamptz) IS
'Who has these roles, of all owners or of some: by their conditions, by their parents, which are computed before, or by hand. Whoever changed is flagged.';

CREATE FUNCTION syncup.compute_roles(owner regclass, caller regrole, dirty boolean, at timestamptz)
RETURNS TABLE (provisioning_state text, count bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	consumer text := format('compute_role_model roles of %s for %s', owner, caller);
	known boolean;
	keys text[];
	l record;
BEGIN
	IF NOT EXISTS (SELECT FROM syncup.role_levels(owner, caller)) THEN
		RETURN;
	END IF;
	PERFORM syncup.lock_flags(owner, false);
	known := syncup.begin_seeing(consumer, ARRAY[owner]) AND dirty;
	IF known THEN
		keys := ARRAY(SELECT u.key FROM syncup.unseen(consumer, owner) u UNION SELECT g.owner_key FROM syncup.role_grant g);
	END IF;
	FOR l IN SELECT * FROM syncup.role_levels(owner, caller) LOOP
		RETURN QUERY SELECT nullif(e.key, 'removed'), e.value::bigint
		FROM jsonb_each_text(syncup.compute_role_level(owner, l.definer, l.roles, l.parents, keys, at)) e;
	END LOOP;
	PERFORM syncup.mark_seen(consumer);
END
$$;
COMMENT ON FUNCTION syncup.compute_roles(regclass, regrole, boolean, timestamptz) IS 'Brings who has which role up to date.';

-- ---------- accounts ----------

CREATE FUNCTION syncup.move_assignments(t syncup.resource_type, keys text[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- an account that was to be created is there
	EXECUTE format($sql$
		WITH there AS MATERIALIZED (
			SELECT DISTINCT x.owner_key, o.account_key
			FROM syncup.assignment x
			CROSS JOIN LATERAL (SELECT min(o.account_key) AS account_key FROM syncup.ownership o
				WHERE o.resource_type = x.resource_type AND o.owner_key = x.owner_key AND o.present AND o.state IN ('correlated', 'decided')
					AND NOT EXISTS (SELECT FROM syncup.assignment y WHERE y.resource_type = x.resource_type AND y.owner_key = o.owner_key AND y.kind = 'account' AND y.account_key = o.account_key)) AS o
			WHERE x.resource_type = $1 AND x.is_open AND x.account_key IS NULL AND x.kind = 'account' AND o.account_key IS NOT NULL AND %1$s
		)
		UPDATE syncup.assignment x SET account_key = h.account_key
		FROM there h WHERE x.resource_type = $1 AND x.owner_key = h.owner_key AND x.is_open AND x.account_key IS NULL
		$sql$, syncup.keys_sql(keys, 'x.owner_key')) USING t.resource_type;
	-- one that was there is gone, and its owner has no other: of several, one is to be created
	EXECUTE format($sql$
		WITH gone AS MATERIALIZED (
			SELECT DISTINCT ON (x.owner_key) x.assignment FROM syncup.assignment x
			WHERE x.resource_type = $1 AND x.kind = 'account' AND x.account_key IS NOT NULL AND x.expected IS NOT NULL AND %1$s
				AND NOT EXISTS (SELECT FROM syncup.ownership o WHERE o.resource_type = $1 AND o.owner_key = x.owner_key AND o.present AND o.state IN ('correlated', 'decided', 'suggested'))
				AND NOT EXISTS (SELECT FROM syncup.assignment y WHERE y.resource_type = $1 AND y.kind = 'account' AND y.owner_key = x.owner_key AND y.account_key IS NULL)
			ORDER BY x.owner_key, x.verified_at IS NULL, x.account_key
		)
		UPDATE syncup.assignment x SET account_key = NULL, current = NULL FROM gone g WHERE x.assignment = g.assignment
		$sql$, syncup.keys_sql(keys, 'x.owner_key')) USING t.resource_type;
END
$$;
COMMENT ON FUNCTION syncup.move_assignments(syncup.resource_type, text[]) IS
'Assignments follow their account: from nothing to the one that has been created, and back where it is gone.';

CREATE FUNCTION syncup.forget_kind(t syncup.resource_type, kind text)
RETURNS jsonb
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	WITH removed AS (
		DELETE FROM syncup.assignment x WHERE x.resource_type = t.resource_type AND x.kind = $2 RETURNING 1
	)
	SELECT jsonb_build_object('removed', count(*)) FROM removed HAVING count(*) > 0
$$;
COMMENT ON FUNCTION syncup.forget_kind(syncup.resource_type, text) IS 'Where a resource type has no rule of a kind, nothing is said of what is there.';

CREATE FUNCTION syncup.wanted_sql(t syncup.resource_type)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN r.gives IS NULL THEN 'NULL::text' ELSE format('CASE WHEN %s IS TRUE AND NOT (%s) THEN CASE%s END END',
		syncup.rule_text(t.resource_type, 'option "active"', coalesce(t.options ->> 'active', 'true')), coalesce(r.denies, 'false'), r.gives) END
	FROM (
		SELECT string_agg(format(' WHEN %s THEN %L', syncup.condition_sql(r.rule, r.definition), r.n), '' ORDER BY r.n) FILTER (WHERE NOT (r.definition ->> 'denied')::boolean) AS gives,
			string_agg(syncup.condition_sql(r.rule, r.definition), ' OR ' ORDER BY r.n) FILTER (WHERE (r.definition ->> 'denied')::boolean) AS denies
		FROM syncup.rules_of(t.resource_type, 'type') r
	) AS r
$$;
COMMENT ON FUNCTION syncup.wanted_sql(syncup.resource_type) IS 'SQL for the number of the rule by which owner o should have an account; null: none says so, or one denies it.';

CREATE FUNCTION syncup.is_there(owner regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('o.%I IS NOT NULL', (syncup.key_columns(owner))[1]) $$;
COMMENT ON FUNCTION syncup.is_there(regclass) IS 'SQL for whether there is a row o of an outer join.';

CREATE FUNCTION syncup.wanted_lateral(t syncup.resource_type)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('CROSS JOIN LATERAL (SELECT CASE WHEN %s THEN %s END AS syncup_wanted OFFSET 0) w', syncup.is_there(t.owner), syncup.wanted_sql(t)) $$;
COMMENT ON FUNCTION syncup.wanted_lateral(syncup.resource_type) IS
'SQL behind FROM: the same once, for what is asked only of owners who should have an account: of others it might raise errors.';

CREATE FUNCTION syncup.empty_sql(t syncup.resource_type)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN t.options ? 'owner_required'
		THEN format('CASE WHEN pg_catalog.concat(o.%I) = %L THEN %L END', t.options ->> 'owner_required', '', t.options ->> 'owner_required') ELSE 'NULL' END
$$;
COMMENT ON FUNCTION syncup.empty_sql(syncup.resource_type) IS 'SQL for the column of owner o that must be filled, and is not.';

CREATE FUNCTION syncup.compute_accounts(t syncup.resource_type, keys text[], at timestamptz)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	o jsonb := '{"allow_add": true, "allow_remove": true, "remove_orphans": false, "review": true, "correlate_multiple": false}'::jsonb || t.options;
	source text := syncup.with_roles(t, CASE WHEN keys IS NULL THEN syncup.all_keys(t.role, t.owner) ELSE syncup.these_keys(keys) END, keys);
	rules text[] := ARRAY(SELECT r.rule FROM syncup.rules_of(t.resource_type, 'type') r ORDER BY r.n);
BEGIN
	IF rules = '{}' THEN
		RETURN syncup.forget_kind(t, 'account');
	END IF;
	RETURN syncup.run_rules(syncup.assignment_statement(t.resource_type, 'account', format($sql$
		asked AS MATERIALIZED (
			SELECT r.a, r.vals[1] AS n, r.more[1] AS empty, r.message FROM $rules r
		), owned AS MATERIALIZED (
			SELECT o.owner_key, o.account_key, o.state = 'suggested' AS suggested, o.rule, o.confidence
			FROM syncup.ownership o
			WHERE o.resource_type = %1$L AND o.owner_key IS NOT NULL AND o.present AND o.state IN ('correlated', 'decided', 'suggested') AND %2$s
		), candidate AS MATERIALIZED (
			SELECT DISTINCT u.owner_key FROM syncup.ownership o CROSS JOIN unnest(o.candidates) AS u (owner_key)
			WHERE o.resource_type = %1$L AND o.state = 'ambiguous'
		), wish AS (
			SELECT coalesce(s.a, h.owner_key) AS owner_key, h.account_key, NULL::text AS property, '' AS item,
				CASE WHEN s.n IS NOT NULL THEN s.a END AS expected, s.n IS NOT NULL AS wished,
				h.account_key AS current, h.account_key IS NOT NULL AND NOT h.suggested AS had, h.account_key IS NOT NULL AND NOT h.suggested AS same,
				(%3$L::text[])[s.n::int] AS rule, s.message,
				CASE WHEN s.n IS NOT NULL THEN %4$L::boolean ELSE %5$L::boolean AND (s.a IS NOT NULL OR %6$L::boolean) END AS allowed,
				%7$L::boolean OR coalesce(h.suggested, false) AS waits,
				h.account_key IS NULL AND (s.empty IS NOT NULL OR c.owner_key IS NOT NULL) AS inactive,
				s.a IS NULL AND %6$L::boolean AS orphan, false AS created, true AS soft,
				CASE WHEN h.suggested THEN pg_catalog.format('suggested by rule "%%s" with confidence %%s', h.rule, h.confidence)
					WHEN h.account_key IS NOT NULL THEN NULL
					WHEN c.owner_key IS NOT NULL THEN 'an account waits for somebody to say whether it is this owner''s'
					WHEN s.empty IS NOT NULL THEN 'column "' || s.empty || '" of the owner is empty' END AS note
			FROM asked s FULL JOIN (
				SELECT d.* FROM owned d WHERE NOT d.suggested OR %8$L::boolean
					OR NOT EXISTS (SELECT FROM owned e WHERE e.owner_key = d.owner_key AND NOT e.suggested)
			) AS h ON h.owner_key = s.a LEFT JOIN candidate c ON c.owner_key = s.a
			WHERE s.n IS NOT NULL OR s.message IS NOT NULL OR NOT h.suggested
			UNION ALL
			SELECT NULL, k.account_key, NULL, '', NULL, false, k.account_key, true, false, NULL, NULL, %5$L::boolean, true, false, true, false, true, 'nobody owns this account'
			FROM (SELECT DISTINCT c.key AS account_key FROM syncup.correlation_key c JOIN syncup.rule_definition d USING (rule)
				WHERE d.resource_type = %1$L AND d.kind = 'correlation' AND c.side = 'account') AS k
			WHERE %6$L::boolean AND NOT EXISTS (SELECT FROM syncup.ownership o WHERE o.resource_type = %1$L AND o.account_key = k.account_key AND o.state <> 'rejected')
		)$sql$, t.resource_type, syncup.keys_sql(keys, 'o.owner_key'), rules, o ->> 'allow_add', o ->> 'allow_remove', o ->> 'remove_orphans', o ->> 'review', o ->> 'correlate_multiple'),
		CASE WHEN keys IS NULL THEN 'true' ELSE format('(%s OR x.owner_key IS NULL)', syncup.keys_sql(keys, 'x.owner_key')) END, '{}', at),
		t.role,
		ARRAY[format('SELECT g.a, NULL::text, ARRAY[%s]::text[], ARRAY[%s]::text[] FROM given g JOIN %s o ON %s',
			syncup.wanted_sql(t), syncup.empty_sql(t), t.owner, syncup.key_is(t.owner, 'o', 'g.ak'))],
		t.owner, NULL, source, rules => rules);
END
$$;
COMMENT ON FUNCTION syncup.compute_accounts(syncup.resource_type, text[], timestamptz) IS
'Who should have an account, beside who has one; of all owners, or of some.';

-- ---------- values and links of accounts ----------

CREATE FUNCTION syncup.at_work_sql()
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $sql$x.kind = 'account' AND x.expected IS NOT NULL AND CASE WHEN x.account_key IS NULL
			THEN x.provisioning_state IN ('pending', 'awaiting approval', 'transmitted', 'executed', 'errored', 'inactive')
			ELSE x.provisioning_state = 'verified' END$sql$
$$;
COMMENT ON FUNCTION syncup.at_work_sql() IS 'SQL for whether values and links are computed of the account of assignment x: it is there and its owner''s, or to be created.';

CREATE FUNCTION syncup.pairs_at_work(t syncup.resource_type, keys text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.with_roles(t, format($sql$
		SELECT x.owner_key AS a, x.account_key AS b, NULL::text[] AS roles, NULL::text AS syncup_known FROM syncup.assignment x
		WHERE x.resource_type = %L AND %s AND %s$sql$, t.resource_type, syncup.keys_sql(keys, 'x.owner_key'), syncup.at_work_sql()), keys)
$$;
COMMENT ON FUNCTION syncup.pairs_at_work(syncup.resource_type, text[]) IS 'A source of rules: owners and their accounts, which are there or to be created.';

CREATE FUNCTION syncup.forget_pairs(t syncup.resource_type, keys text[])
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	result jsonb;
BEGIN
	EXECUTE format($sql$
		WITH removed AS (
			DELETE FROM syncup.assignment v
			WHERE v.resource_type = $1 AND v.kind IN ('scalar', 'navigation') AND %1$s AND NOT EXISTS (
				SELECT FROM syncup.assignment x
				WHERE x.resource_type = $1 AND x.kind = 'account' AND x.owner_key = v.owner_key AND coalesce(x.account_key, '') = coalesce(v.account_key, '')
					AND (x.provisioning_state = 'rule error' OR %2$s))
			RETURNING v.kind
		)
		SELECT coalesce(jsonb_agg(jsonb_build_object('kind', r.kind, 'counts', jsonb_build_object('removed', r.n))), '[]')
		FROM (SELECT d.kind, count(*) AS n FROM removed d GROUP BY d.kind) AS r
		$sql$, syncup.keys_sql(keys, 'v.owner_key'), syncup.at_work_sql()) INTO result USING t.resource_type;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.forget_pairs(syncup.resource_type, text[]) IS
'Removes values and links of accounts that are not at work any more; how many of each kind.';

CREATE FUNCTION syncup.in_pairs(keys text[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format($sql$EXISTS (SELECT FROM pair p WHERE p.a = x.owner_key AND coalesce(p.b, '') = coalesce(x.account_key, '')) AND %s$sql$, syncup.keys_sql(keys, 'x.owner_key')) $$;
COMMENT ON FUNCTION syncup.in_pairs(text[]) IS 'SQL for whether an assignment x is of an owner and account that rules were asked about, of all owners, or of some.';

CREATE FUNCTION syncup.alone(expressions text[], i int)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT string_agg(CASE WHEN i IN (0, u.n) THEN u.e ELSE 'NULL' END, ', ' ORDER BY u.n) FROM unnest(expressions) WITH ORDINALITY u (e, n) $$;
COMMENT ON FUNCTION syncup.alone(text[], int) IS 'SQL for a list of these expressions; of the i-th alone, with nulls for the others, if that is not 0.';

CREATE FUNCTION syncup.scalar_values(t syncup.resource_type, OUT properties text[], OUT mapped boolean[], OUT vals text[], OUT currents text[], OUT numbers text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_agg(p.property ORDER BY p.first), array_agg(p.mapped ORDER BY p.first),
		array_agg(CASE WHEN p.mapped THEN p.val ELSE format('CASE WHEN g.b IS NULL THEN %s END', p.val) END ORDER BY p.first),
		array_agg(format(CASE WHEN p.is_text THEN 'a.%I::text COLLATE "C"' ELSE 'pg_catalog.concat(a.%I) COLLATE "C"' END, p.property) ORDER BY p.first), array_agg(p.number ORDER BY p.first)
	FROM (
		SELECT c.property, min(c.n) AS first, bool_and(c.mapped) AS mapped, bool_and(c.is_text) AS is_text,
			CASE WHEN (array_agg(c.condition ORDER BY c.n))[1] = 'true' THEN (array_agg(c.val ORDER BY c.n))[1]
				ELSE format('CASE%s END', string_agg(format(' WHEN %s THEN %s', c.condition, c.val), '' ORDER BY c.n)) END AS val,
			CASE WHEN (array_agg(c.condition ORDER BY c.n))[1] = 'true' THEN format('%L', min(c.n))
				ELSE format('CASE%s END', string_agg(format(' WHEN %s THEN %L', c.condition, c.n), '' ORDER BY c.n)) END AS number
		FROM (
			SELECT r.n, r.definition ->> 'property' AS property, (r.definition ->> 'mapped')::boolean AS mapped, syncup.condition_sql(r.rule, r.definition) AS condition, v.is_text,
				-- concat() takes the type's output function; a text is one
				format(CASE WHEN v.is_text THEN 'CAST(%s AS %s)::text COLLATE "C"' ELSE 'pg_catalog.concat(CAST(%s AS %s)) COLLATE "C"' END,
					syncup.rule_text(r.rule, 'expression', r.definition ->> 'expression'), v.type) AS val
			FROM syncup.rules_of(t.resource_type, 'scalar') r
			CROSS JOIN LATERAL (SELECT y.type, y.type IN ('text', 'character varying') AS is_text FROM syncup.value_type(t.account, (r.definition ->> 'property')::name) AS y (type)) AS v
		) AS c GROUP BY c.property
	) AS p
$$;
COMMENT ON FUNCTION syncup.scalar_values(syncup.resource_type) IS
'The columns that scalar rules are on, whether they are compared, and SQL for each: what is wished, what is there, and the number of the rule that wishes it.';

CREATE FUNCTION syncup.compute_scalars(t syncup.resource_type, keys text[], at timestamptz)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	rules text[] := ARRAY(SELECT r.rule FROM syncup.rules_of(t.resource_type, 'scalar') r ORDER BY r.n);
	-- a directory writes names as it likes
	compares text[] := ARRAY(SELECT CASE WHEN r.definition ->> 'compare' = 'exact' AND t.options #>> '{fulfill,kind}' = 'ldap' AND r.definition ->> 'property' = coalesce(t.options #>> '{fulfill,dn}', 'dn')
		THEN 'dn' ELSE r.definition ->> 'compare' END FROM syncup.rules_of(t.resource_type, 'scalar') r ORDER BY r.n);
	queries text[] := '{}';
	properties text[];
	mapped boolean[];
	vals text[];
	currents text[];
	numbers text[];
	rows text := format(' FROM given g JOIN %s o ON %s LEFT JOIN %s a ON %s',
		t.owner, syncup.key_is(t.owner, 'o', 'g.ak'), t.account, syncup.key_is(t.account, 'a', 'g.bk'));
BEGIN
	IF rules = '{}' THEN
		RETURN syncup.forget_kind(t, 'scalar');
	END IF;
	SELECT v.properties, v.mapped, v.vals, v.currents, v.numbers INTO properties, mapped, vals, currents, numbers FROM syncup.scalar_values(t) v;
	-- all of them, and each alone
	FOR i IN 0 .. cardinality(properties) LOOP
		queries[i + 1] := format('SELECT g.a, g.b, ARRAY[%s]::text[], ARRAY[%s, %s]::text[]', syncup.alone(vals, i), syncup.alone(currents, i), syncup.alone(numbers, i)) || rows;
	END LOOP;
	RETURN syncup.run_rules(syncup.assignment_statement(t.resource_type, 'scalar',
		format($sql$pair AS MATERIALIZED (
			SELECT r.a, r.b, r.part, r.vals, r.more, r.message FROM $rules r
		), wish AS (
			SELECT p.a AS owner_key, p.b AS account_key, u.property, '' AS item, v.expected, v.wished, v.current, v.current IS NOT NULL AS had,
				CASE (%3$L::text[])[v.n] WHEN 'exact' THEN v.expected IS NOT DISTINCT FROM v.current
					ELSE v.expected IS NOT DISTINCT FROM v.current OR coalesce(syncup.same_value((%3$L::text[])[v.n], v.expected, v.current), false) END AND p.b IS NOT NULL AS same,
				(%2$L::text[])[v.n] AS rule, p.message, %4$L::boolean OR p.b IS NULL AS allowed, %5$L::boolean AND p.b IS NOT NULL AS waits, false AS inactive,
				false AS orphan, NOT u.mapped AND p.b IS NOT NULL AS created, false AS soft, NULL AS note
			FROM pair p JOIN unnest(%1$L::text[], %6$L::boolean[]) WITH ORDINALITY u (property, mapped, i) ON p.part IS NULL OR p.part = u.i
			CROSS JOIN LATERAL (SELECT nullif(p.vals[u.i], '') AS expected, nullif(p.more[u.i], '') AS current,
				p.more[%7$s + u.i] IS NOT NULL AND (p.b IS NOT NULL OR coalesce(p.vals[u.i], '') <> '') AS wished, p.more[%7$s + u.i]::int AS n) AS v
		)$sql$, properties, rules, compares, coalesce((t.options ->> 'allow_update')::boolean, true), coalesce((t.options ->> 'review')::boolean, true), mapped, cardinality(properties)),
		syncup.in_pairs(keys), '{}', at),
		t.role, queries, t.owner, t.account, syncup.pairs_at_work(t, keys), rules => rules);
END
$$;
COMMENT ON FUNCTION syncup.compute_scalars(syncup.resource_type, text[], timestamptz) IS
'The values that accounts should have, beside those that they have; of all owners, or of some.';

CREATE FUNCTION syncup.link_queries(t syncup.resource_type, OUT associations text[], OUT single boolean[], OUT queries text[])
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	owners text := format('given g JOIN %s o ON %s', t.owner, syncup.key_is(t.owner, 'o', 'g.ak'));
	accounts text := format('given g JOIN %s a ON %s', t.account, syncup.key_is(t.account, 'a', 'g.bk'));
	-- one row of each owner and account, whatever follows
	base text := format('SELECT g.a, g.b, ARRAY[''0'', ''0'', ''''], NULL::text[] FROM %s', owners);
BEGIN
	WITH asked AS (
		SELECT r.definition ->> 'association' AS association, r.definition ->> 'connector' AS connector, r.n, r.rule, r.definition ->> 'resource' AS resource,
			dense_rank() OVER (ORDER BY r.definition ->> 'association', r.definition ->> 'connector') AS i, syncup.condition_sql(r.rule, r.definition) AS condition
		FROM syncup.rules_of(t.resource_type, 'navigation') r
	), part AS (
		-- expressions are asked in one pass; a query is joined with the owners
		SELECT a.i, a.association, a.connector,
			string_agg(format('(%L, %L, CASE WHEN %s THEN pg_catalog.concat(%s) COLLATE "C" END)', a.i, a.n, a.condition, syncup.rule_text(a.rule, 'resource', a.resource)), ', ' ORDER BY a.n)
				FILTER (WHERE NOT syncup.is_query(a.resource)) AS expressions,
			-- its condition is not to be looked at for owners that are not given: it might raise an error
			string_agg(format(' UNION ALL SELECT g.a, g.b, ARRAY[%L, %L, pg_catalog.concat(k.key)], NULL FROM %s CROSS JOIN LATERAL %s AS k (key) WHERE CASE WHEN g.a IS NOT NULL THEN %s END AND pg_catalog.concat(k.key) <> %L',
				a.i, a.n, owners, syncup.rule_text(a.rule, 'resource', a.resource, true), a.condition, ''), '' ORDER BY a.n) FILTER (WHERE syncup.is_query(a.resource)) AS joined
		FROM asked a GROUP BY a.i, a.association, a.connector
	), alone AS (
		SELECT p.i, p.association, p.expressions, (SELECT l.single FROM syncup.association_of(t.account, p.connector || '.' || p.association) l) AS single,
			concat(p.joined, format(' UNION ALL SELECT g.a, g.b, ARRAY[%L, ''0'', h.key], NULL FROM %s', p.i,
				syncup.link_query(t.account, p.connector || '.' || p.association, accounts))) AS rest
		FROM part p
	), every AS (
		SELECT 0 AS i, string_agg(a.expressions, ', ' ORDER BY a.i) AS expressions, string_agg(a.rest, '' ORDER BY a.i) AS rest FROM alone a
		UNION ALL
		SELECT a.i, a.expressions, a.rest FROM alone a
	)
	SELECT (SELECT array_agg(a.association ORDER BY a.i) FROM alone a), (SELECT array_agg(a.single ORDER BY a.i) FROM alone a),
		(SELECT array_agg(concat(base, format(' UNION ALL SELECT g.a, g.b, ARRAY[v.i, v.n, v.key], NULL FROM %s CROSS JOIN LATERAL (VALUES ', owners)
			|| e.expressions || ') AS v (i, n, key) WHERE v.key <> ''''', e.rest) ORDER BY e.i) FROM every e)
	INTO associations, single, queries;
END
$$;
COMMENT ON FUNCTION syncup.link_queries(syncup.resource_type) IS
'The associations that navigation rules are on, whether an account has one link at most in each, and what is asked: of all associations, and of each alone. Rows of three values: the association, the rule (0: the link is there), the key of the other side.';

CREATE FUNCTION syncup.compute_links(t syncup.resource_type, keys text[], at timestamptz)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	rules text[] := ARRAY(SELECT r.rule FROM syncup.rules_of(t.resource_type, 'navigation') r ORDER BY r.n);
	denied boolean[] := ARRAY(SELECT (r.definition ->> 'denied')::boolean FROM syncup.rules_of(t.resource_type, 'navigation') r ORDER BY r.n);
	associations text[];
	single boolean[];
	queries text[];
BEGIN
	IF rules = '{}' THEN
		RETURN syncup.forget_kind(t, 'navigation');
	END IF;
	SELECT q.associations, q.single, q.queries INTO associations, single, queries FROM syncup.link_queries(t) q;
	RETURN syncup.run_rules(syncup.assignment_statement(t.resource_type, 'navigation',
		format($sql$asked AS MATERIALIZED (
			SELECT r.a, r.b, coalesce(r.vals[1]::int, r.part) AS i, r.vals[2]::int AS n, r.vals[3] AS key, r.message FROM $rules r
		), pair AS MATERIALIZED (
			SELECT DISTINCT s.a, s.b FROM asked s
		), failed AS MATERIALIZED (
			SELECT s.a, s.b, s.i, s.message FROM asked s WHERE s.message IS NOT NULL
		), item AS MATERIALIZED (
			SELECT s.a, s.b, s.i, s.key, min(s.n) FILTER (WHERE s.n > 0) AS n,
				coalesce(bool_or((%3$L::boolean[])[s.n]), false) AS denied, bool_or(s.n = 0) AS had
			FROM asked s WHERE s.i > 0 AND s.message IS NULL
			GROUP BY s.a, s.b, s.i, s.key
		), wish AS (
			SELECT v.a AS owner_key, v.b AS account_key, (%1$L::text[])[v.i] AS property, v.item, v.expected, v.n IS NOT NULL AS wished, v.current, v.current IS NOT NULL AS had,
				v.expected IS NOT DISTINCT FROM v.current AND v.b IS NOT NULL AS same, (%2$L::text[])[v.n] AS rule, v.message,
				%5$L::boolean OR v.b IS NULL AS allowed, %6$L::boolean AND v.b IS NOT NULL AS waits, false AS inactive, false AS orphan, false AS created, NOT v.single AS soft, NULL AS note
			FROM (
				SELECT i.a, i.b, i.i, i.key AS item, CASE WHEN NOT i.denied AND i.n IS NOT NULL THEN i.key END AS expected,
					CASE WHEN NOT i.denied THEN i.n END AS n, CASE WHEN i.had THEN i.key END AS current, NULL AS message, false AS single
				FROM item i WHERE NOT (%4$L::boolean[])[i.i]
				UNION ALL
				SELECT i.a, i.b, i.i, '', (array_agg(i.key ORDER BY i.n, i.key) FILTER (WHERE NOT i.denied AND i.n IS NOT NULL))[1],
					min(i.n) FILTER (WHERE NOT i.denied), min(i.key) FILTER (WHERE i.had), NULL, true
				FROM item i WHERE (%4$L::boolean[])[i.i] GROUP BY i.a, i.b, i.i
				UNION ALL
				SELECT f.a, f.b, f.i, '', NULL, NULL, NULL, f.message, (%4$L::boolean[])[f.i] FROM failed f
			) AS v
		)$sql$, associations, rules, denied, single, coalesce((t.options ->> 'allow_update')::boolean, true), coalesce((t.options ->> 'review')::boolean, true)),
		-- where a rule raised an error, what is written of its links stays
		format('%s AND NOT EXISTS (SELECT FROM failed f WHERE f.a = x.owner_key AND coalesce(f.b, %L) = coalesce(x.account_key, %L) AND (%L::text[])[f.i] = x.property AND NOT (%L::boolean[])[f.i] AND x.provisioning_state <> %L)',
			syncup.in_pairs(keys), '', '', associations, single, 'rule error'),
		ARRAY(SELECT u.association FROM unnest(associations, single) u (association, single) WHERE NOT u.single), at),
		t.role, queries, t.owner, t.account, syncup.pairs_at_work(t, keys), rules => rules);
END
$$;
COMMENT ON FUNCTION syncup.compute_links(syncup.resource_type, text[], timestamptz) IS
'The links that accounts should have, beside those that they have; of all owners, or of some.';

-- ---------- what has changed ----------

-- A complete run looks at every owner, but decides about those only for whom the
-- digest of all that rules wish and that is there is another one than last time.

CREATE FUNCTION syncup.standing_pairs(t syncup.resource_type, keys text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($sql$
		SELECT o.owner_key, o.account_key, NULL::text AS syncup_known FROM syncup.ownership o
		WHERE o.resource_type = %1$L AND o.owner_key IS NOT NULL AND o.present AND o.state IN ('correlated', 'decided') AND %2$s
		UNION ALL
		SELECT u.owner_key, NULL, sum(u.h)::text FROM (
			SELECT o.owner_key, hashtextextended(concat_ws(' ', o.account_key, o.confidence, o.rule), 0) AS h FROM syncup.ownership o
			WHERE o.resource_type = %1$L AND o.present AND o.state = 'suggested'
			UNION ALL
			SELECT c.owner_key, 1 FROM syncup.ownership o CROSS JOIN unnest(o.candidates) AS c (owner_key)
			WHERE o.resource_type = %1$L AND o.state = 'ambiguous'
		) AS u WHERE %3$s GROUP BY u.owner_key$sql$, t.resource_type, syncup.keys_sql(keys, 'o.owner_key'), syncup.keys_sql(keys, 'u.owner_key'))
$$;
COMMENT ON FUNCTION syncup.standing_pairs(syncup.resource_type, text[]) IS
'SQL for owners and their accounts; without an account, owners with suggested ones, or who are candidates, and a digest of these.';

CREATE FUNCTION syncup.forget_evaluated(t syncup.resource_type, keys text[])
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	owners text[];
BEGIN
	EXECUTE format($sql$
		WITH pair AS MATERIALIZED (%1$s), gone AS (
			DELETE FROM syncup.evaluated e
			WHERE e.resource_type = $1 AND %2$s
				AND NOT EXISTS (SELECT FROM pair p WHERE p.owner_key = e.owner_key AND coalesce(p.account_key, '') = coalesce(e.account_key, ''))
				-- an account that is to be created is nobody's yet
				AND (e.account_key IS NOT NULL OR EXISTS (SELECT FROM pair p WHERE p.owner_key = e.owner_key))
			RETURNING e.owner_key
		)
		SELECT ARRAY(SELECT DISTINCT g.owner_key FROM gone g)
		$sql$, syncup.standing_pairs(t, keys), syncup.keys_sql(keys, 'e.owner_key')) INTO owners USING t.resource_type;
	RETURN owners;
END
$$;
COMMENT ON FUNCTION syncup.forget_evaluated(syncup.resource_type, text[]) IS
'Removes the digests of accounts that are their owner''s no more; the owners.';

CREATE FUNCTION syncup.link_digests(t syncup.resource_type, whole boolean)
RETURNS TABLE (item text, joined text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	-- an owner can be given with several accounts
	owners text := CASE WHEN whole AND syncup.roles_named(t) = '{}' THEN format('%s o', t.owner)
		ELSE format('(SELECT DISTINCT ON (g.a) g.* FROM given g) g %s JOIN %s o ON %s', CASE WHEN whole THEN 'FULL' END, t.owner, syncup.key_is(t.owner, 'o', 'g.ak')) END;
	-- not of those that are not given: for them it might raise an error
	asked text := concat_ws(' AND ', syncup.is_there(t.owner), CASE WHEN NOT whole THEN 'g.a IS NOT NULL' END);
	accounts text := CASE WHEN whole THEN format('%s a', t.account) ELSE format('given g JOIN %s a ON %s', t.account, syncup.key_is(t.account, 'a', 'g.bk')) END;
	place int := 0;
	r record;
BEGIN
	FOR r IN
		SELECT 'o' AS alias, syncup.key_columns(t.owner) AS joined_by, syncup.key_columns(t.owner) AS columns,
			format('SELECT o.*, k.key AS syncup_key FROM %s CROSS JOIN LATERAL %s AS k (key) WHERE CASE WHEN %s THEN (%s) IS NOT NULL AND %s END',
				owners, syncup.rule_text(d.rule, 'resource', d.definition ->> 'resource', true), asked, syncup.wanted_sql(t), syncup.condition_sql(d.rule, d.definition)) AS rows
		FROM syncup.rules_of(t.resource_type, 'navigation') d WHERE syncup.is_query(d.definition ->> 'resource')
		UNION ALL
		SELECT 'a', q.joined_by, q.columns, q.rows
		FROM (SELECT DISTINCT concat_ws('.', d.definition ->> 'connector', d.definition ->> 'association') AS association FROM syncup.rules_of(t.resource_type, 'navigation') d) AS l
		CROSS JOIN LATERAL syncup.association_of(t.account, l.association) AS x
		-- of all accounts, their links can do without them
		CROSS JOIN LATERAL (
			SELECT ARRAY[coalesce(x.own_store, (syncup.key_columns(t.account))[1])], ARRAY[x.own_column], format('SELECT l.%I, l.%I AS syncup_key FROM %s l', x.own_column, x.other_column, x.link)
			WHERE whole AND NOT x.single AND x.other_column IS NOT NULL AND (x.other_store IS NULL OR ARRAY[x.other_store] = syncup.key_columns(x.other))
			UNION ALL
			SELECT syncup.key_columns(t.account), syncup.key_columns(t.account), format('SELECT a.*, h.key AS syncup_key FROM %s', syncup.link_query(t.account, l.association, accounts))
			LIMIT 1
		) AS q (joined_by, columns, rows)
		ORDER BY 1, 4
	LOOP
		place := place + 1;
		item := format('link_%s.syncup_digest::text', place);
		-- a sum, as the same link can be wished twice: exclusive or would forget both; and no column that a rule could mean
		joined := (SELECT format(' LEFT JOIN (SELECT %s, pg_catalog.sum(pg_catalog.hashtextextended(pg_catalog.concat(k.syncup_key) COLLATE "C", 0)) AS syncup_digest FROM (%s) k WHERE pg_catalog.concat(k.syncup_key) <> %L GROUP BY %s) link_%s ON %s',
				string_agg(format('k.%I AS syncup_key_%s', c.name, c.n), ', '), r.rows, '', string_agg(format('k.%I', c.name), ', '), place,
				string_agg(format('link_%s.syncup_key_%s = %s.%I', place, c.n, r.alias, c.own), ' AND '))
			FROM unnest(r.columns, r.joined_by) WITH ORDINALITY c (name, own, n));
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.link_digests(syncup.resource_type, boolean) IS
'For a digest of what is asked of owners o and their accounts a: of each query of a navigation rule, and of each association, SQL for a digest of its links, and the join that it needs.';

CREATE FUNCTION syncup.digest_query(t syncup.resource_type, whole boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	items text;
	joined text;
BEGIN
	SELECT string_agg(u.item, ', ') INTO items FROM syncup.scalar_values(t) v
	CROSS JOIN LATERAL unnest(v.vals || v.currents || v.numbers) AS u (item) WHERE u.item !~ '^''\d+''$';
	SELECT concat_ws(', ', nullif(items, ''), string_agg(format('CASE WHEN %s THEN pg_catalog.concat(%s) COLLATE "C" END', syncup.condition_sql(d.rule, d.definition), syncup.rule_text(d.rule, 'resource', d.definition ->> 'resource')), ', ' ORDER BY d.n)) INTO items
	FROM syncup.rules_of(t.resource_type, 'navigation') d WHERE NOT syncup.is_query(d.definition ->> 'resource');
	SELECT concat_ws(', ', nullif(items, ''), string_agg(d.item, ', ')), string_agg(d.joined, '') INTO items, joined FROM syncup.link_digests(t, whole) d;
	RETURN format($sql$
		SELECT d.a, d.b, ARRAY[d.digest::text], NULL::text[] FROM (
			SELECT %1$s AS a, g.b, %2$s AS was, pg_catalog.hash_array_extended(CASE
				WHEN w.syncup_wanted IS NOT NULL THEN ARRAY[w.syncup_wanted COLLATE "C", g.syncup_known COLLATE "C", %3$s%4$s]
				WHEN g.b IS NOT NULL THEN ARRAY[(%5$s)::text COLLATE "C"] END, %6$s) AS digest
			FROM given g %7$s JOIN %8$s o ON %9$s LEFT JOIN %10$s a ON %11$s%12$s %13$s
			WHERE g.a IS NOT NULL OR w.syncup_wanted IS NOT NULL
		) AS d%14$s$sql$,
		CASE WHEN whole THEN format('coalesce(g.a, %s)', syncup.key_of(t.owner, 'o')) ELSE 'g.a' END, CASE WHEN whole THEN 'g.syncup_was' ELSE 'NULL::bigint' END,
		syncup.empty_sql(t), ', ' || nullif(items, ''), syncup.is_there(t.owner), syncup.signature(t),
		CASE WHEN whole THEN 'FULL' ELSE 'LEFT' END, t.owner, syncup.key_is(t.owner, 'o', 'g.ak'), t.account, syncup.key_is(t.account, 'a', 'g.bk'), joined, syncup.wanted_lateral(t),
		CASE WHEN whole THEN ' WHERE d.digest IS DISTINCT FROM d.was' END);
END
$$;
COMMENT ON FUNCTION syncup.digest_query(syncup.resource_type, boolean) IS
'What is asked of rules for the digests of owners and their accounts; null: the owner neither has nor should have one. Whole: of all owners, whether they are given or not, those whose digest was another one.';

CREATE FUNCTION syncup.note_digests(t syncup.resource_type, keys text[], most int)
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	-- owners whose row is gone are among those that are known
	list text := CASE WHEN keys IS NOT NULL THEN syncup.these_keys(keys) ELSE format(
		'SELECT u.a FROM (%s) u UNION SELECT o.owner_key FROM syncup.ownership o WHERE o.resource_type = %L AND o.owner_key IS NOT NULL UNION SELECT e.owner_key FROM syncup.evaluated e WHERE e.resource_type = %2$L',
		syncup.all_keys(t.role, t.owner), t.resource_type) END;
	pairs text := syncup.standing_pairs(t, keys);
BEGIN
	RETURN ARRAY(SELECT jsonb_array_elements_text(syncup.run_rules(format($sql$
		WITH looked AS MATERIALIZED (
			SELECT r.a, r.b, r.vals[1]::bigint AS digest, r.message FROM $rules r
		), differs AS MATERIALIZED (
			SELECT l.* FROM looked l
			LEFT JOIN syncup.evaluated e ON e.resource_type = %1$L AND e.owner_key = l.a AND coalesce(e.account_key, '') = coalesce(l.b, '')
			WHERE l.message IS NOT NULL OR e.digest IS DISTINCT FROM l.digest
		), unnoted AS (
			DELETE FROM syncup.evaluated e USING differs d
			WHERE e.resource_type = %1$L AND e.owner_key = d.a AND coalesce(e.account_key, '') = coalesce(d.b, '')
		), noted AS (
			INSERT INTO syncup.evaluated (resource_type, owner_key, account_key, digest)
			SELECT %1$L, d.a, d.b, d.digest FROM differs d WHERE d.digest IS NOT NULL
		)
		SELECT to_jsonb(ARRAY(SELECT DISTINCT d.a FROM differs d LIMIT %2$s))
		$sql$, t.resource_type, most),
		t.role, ARRAY[syncup.digest_query(t, false)], t.owner, t.account,
		syncup.with_roles(t, format('SELECT k.a, p.account_key AS b, p.syncup_known FROM (%s) k LEFT JOIN (%s) p ON p.owner_key = k.a', list, pairs), keys),
		CASE WHEN keys IS NULL THEN syncup.rule_query(t.role, syncup.digest_query(t, true), syncup.rule_given(t.owner, t.account, format($sql$
			SELECT coalesce(p.owner_key, e.owner_key, h.owner_key) AS a, p.account_key AS b, h.roles, p.syncup_known, e.digest AS syncup_was
			FROM (%s) p
			FULL JOIN (SELECT e.* FROM syncup.evaluated e WHERE e.resource_type = %L) e ON e.owner_key = p.owner_key AND coalesce(e.account_key, '') = coalesce(p.account_key, '')
			FULL JOIN (%s) h ON h.owner_key = coalesce(p.owner_key, e.owner_key)$sql$, pairs, t.resource_type, syncup.holders(t, NULL)))) END,
		ARRAY(SELECT d.rule FROM syncup.rule_definition d WHERE d.resource_type = t.resource_type AND d.kind IN ('type', 'scalar', 'navigation') ORDER BY d.seq))));
END
$$;
COMMENT ON FUNCTION syncup.note_digests(syncup.resource_type, text[], int) IS
'Notes the digests of all owners, or of some; those, this many at most, for whom it was another one, or rules raise an error.';

-- ---------- the run ----------

CREATE FUNCTION syncup.owners_to_look_at(t syncup.resource_type, consumer text, more text[])
RETURNS text[]
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(
		SELECT u.key FROM syncup.unseen(consumer, t.owner) u
		UNION
		SELECT o.owner_key FROM syncup.unseen(consumer, t.account) u JOIN syncup.ownership o ON o.resource_type = t.resource_type AND o.account_key = u.key
		WHERE o.owner_key IS NOT NULL
		UNION
		SELECT unnest(more))
$$;
COMMENT ON FUNCTION syncup.owners_to_look_at(syncup.resource_type, text, text[]) IS
'The owners that are flagged, those whose account is, and more.';

CREATE FUNCTION syncup.owners_to_decide(t syncup.resource_type, consumer text, matched text[])
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	most int := 10000;
	known bigint := (SELECT count(*) FROM syncup.evaluated e WHERE e.resource_type = t.resource_type);
	-- whose accounts are is the same as long as nothing is matched
	keys text[] := CASE WHEN t.unmatched OR matched <> '{}' THEN syncup.forget_evaluated(t, NULL) END;
BEGIN
	keys := syncup.owners_to_look_at(t, consumer, matched || keys || syncup.note_digests(t, NULL, most + 1)
		|| ARRAY(SELECT x.owner_key FROM syncup.assignment x WHERE x.resource_type = t.resource_type AND x.is_open AND x.provisioning_state = 'rule error' LIMIT most));
	IF known = 0 OR cardinality(keys) > most OR cardinality(keys) > greatest(100, known / 5) THEN
		RETURN NULL;
	END IF;
	RETURN keys;
END
$$;
COMMENT ON FUNCTION syncup.owners_to_decide(syncup.resource_type, text, text[]) IS
'Of all owners those for whom something has changed; null: they are so many that all are best decided about.';

CREATE FUNCTION syncup.compute_resource_type(t syncup.resource_type, dirty boolean, at timestamptz)
RETURNS TABLE (kind text, provisioning_state text, count bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	consumer text := 'compute_role_model ' || t.resource_type;
	known boolean := syncup.begin_seeing(consumer, ARRAY[t.owner, t.account]) AND dirty;
	matched text[] := syncup.match_accounts(t, NOT known);
	keys text[];
	counts jsonb := '[]';
	e record;
BEGIN
	IF known THEN
		keys := syncup.owners_to_look_at(t, consumer, matched);
		PERFORM syncup.forget_evaluated(t, keys), syncup.note_digests(t, keys, 0);
	ELSE
		keys := syncup.owners_to_decide(t, consumer, matched);
	END IF;
	IF keys IS NULL OR keys <> '{}' OR (t.options ->> 'remove_orphans')::boolean THEN
		PERFORM syncup.move_assignments(t, keys);
		-- one after the other: each reads what the one before wrote
		counts := counts || jsonb_build_object('kind', 'account', 'counts', syncup.compute_accounts(t, keys, at));
		PERFORM syncup.analyze_written((SELECT sum(c.value::bigint)::bigint FROM jsonb_each_text(nullif(counts #> '{0,counts}', 'null')) c), '{syncup.assignment}');
		counts := counts || syncup.forget_pairs(t, keys)
			|| jsonb_build_object('kind', 'scalar', 'counts', syncup.compute_scalars(t, keys, at))
			|| jsonb_build_object('kind', 'navigation', 'counts', syncup.compute_links(t, keys, at));
		PERFORM syncup.analyze_written((SELECT sum(c.value::bigint)::bigint FROM jsonb_array_elements(counts) k CROSS JOIN LATERAL jsonb_each_text(nullif(k.value -> 'counts', 'null')) c), '{syncup.assignment,syncup.evaluated}');
	END IF;
	FOR e IN SELECT x.key, x.value FROM jsonb_each(syncup.expire_transmitted(t, at)) x LOOP
		counts := counts || jsonb_build_object('kind', e.key, 'counts', jsonb_build_object('errored', e.value));
	END LOOP;
	PERFORM syncup.settle_orders(t);
	PERFORM syncup.mark_seen(consumer);
	RETURN QUERY
	SELECT c ->> 'kind', nullif(s.key, 'removed'), sum(s.value::bigint)::bigint
	FROM jsonb_array_elements(counts) c CROSS JOIN LATERAL jsonb_each_text(nullif(c -> 'counts', 'null')) s
	WHERE s.value <> '0' GROUP BY 1, 2 ORDER BY 1, 2;
END
$$;
COMMENT ON FUNCTION syncup.compute_resource_type(syncup.resource_type, boolean, timestamptz) IS
'The role model of one resource type: whose accounts are, who should have one, its values, its links.';

CREATE FUNCTION syncup.compute_model(caller regrole, resource_types text[], dirty boolean, at timestamptz)
RETURNS TABLE (resource_type text, kind text, provisioning_state text, count bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	types syncup.resource_type[] := ARRAY(SELECT t FROM syncup.resource_types(caller, resource_types) t);
	t syncup.resource_type;
	owner regclass;
BEGIN
	FOR owner IN
		SELECT u.owner FROM unnest(types) u
		UNION
		SELECT d.relation FROM syncup.rule_definition d WHERE d.kind = 'role' AND resource_types IS NULL AND pg_has_role(caller, d.owner, 'MEMBER')
		ORDER BY 1
	LOOP
		RETURN QUERY SELECT NULL::text, 'role', r.provisioning_state, sum(r.count)::bigint
		FROM syncup.compute_roles(owner, caller, dirty, at) r GROUP BY r.provisioning_state ORDER BY 3;
	END LOOP;
	FOREACH t IN ARRAY types LOOP
		RETURN QUERY SELECT t.resource_type, r.kind, r.provisioning_state, r.count FROM syncup.compute_resource_type(t, dirty, at) r;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.compute_model(regrole, text[], boolean, timestamptz) IS
'The role model of resource types; what is written is marked with the time "at".';

CREATE FUNCTION syncup.compute_role_model(caller regrole, resource_types text[], dirty boolean)
RETURNS TABLE (resource_type text, kind text, provisioning_state text, count bigint)
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM syncup.compute_model(caller, resource_types, coalesce(dirty, false), clock_timestamp()) $$;
COMMENT ON FUNCTION syncup.compute_role_model(regrole, text[], boolean) IS 'What syncup_compute_role_model() does.';

CREATE FUNCTION syncup_compute_role_model(resource_types text[] DEFAULT NULL, dirty boolean DEFAULT false)
RETURNS TABLE (resource_type text, kind text, provisioning_state text, count bigint)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_compute_role_model(text[], boolean) IS
'Brings syncup.ownership and syncup.assignment up to date: of all owners, or of those that are flagged. Returns how many assignments got into which state; null: they were removed.';

CREATE FUNCTION syncup.preview_role_model(caller regrole, resource_types text[], dirty boolean)
RETURNS SETOF syncup.assignment
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	at timestamptz := clock_timestamp();
	found_rows syncup.assignment[];
BEGIN
	BEGIN
		PERFORM FROM syncup.compute_model(caller, resource_types, coalesce(dirty, false), at);
		found_rows := ARRAY(SELECT x FROM syncup.assignment x WHERE x.changed_at = at ORDER BY x.resource_type, x.owner_key, x.account_key, x.kind, x.property, x.assignment);
		RAISE SQLSTATE 'SU009';
	EXCEPTION WHEN SQLSTATE 'SU009' THEN
		NULL;
	END;
	RETURN QUERY SELECT * FROM unnest(found_rows);
END
$$;
COMMENT ON FUNCTION syncup.preview_role_model(regrole, text[], boolean) IS 'What syncup_preview_role_model() does.';

CREATE FUNCTION syncup_preview_role_model(resource_types text[] DEFAULT NULL, dirty boolean DEFAULT false)
RETURNS SETOF syncup.assignment
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_preview_role_model(text[], boolean) IS
'The assignments that syncup_compute_role_model() would write, as it would write them; nothing is written.';

-- ---------- decisions ----------

CREATE FUNCTION syncup.decidable(caller regrole, assignments bigint[])
RETURNS SETOF syncup.assignment
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	missing bigint;
BEGIN
	SELECT u INTO missing FROM unnest(assignments) u WHERE NOT EXISTS (
		SELECT FROM syncup.assignment x JOIN syncup.resource_type t ON t.resource_type = x.resource_type
		WHERE x.assignment = u AND pg_has_role(caller, t.role, 'MEMBER')) LIMIT 1;
	IF missing IS NOT NULL THEN
		RAISE 'assignment % does not exist', missing USING ERRCODE = 'undefined_object',
			HINT = 'See syncup.assignment: those of resource types whose role you are a member of are yours to decide.';
	END IF;
	-- not while the role model is computed
	PERFORM FROM syncup.resource_type t WHERE t.resource_type IN (SELECT x.resource_type FROM syncup.assignment x WHERE x.assignment = ANY (assignments))
	ORDER BY t.resource_type FOR NO KEY UPDATE;
	RETURN QUERY SELECT x.* FROM syncup.assignment x WHERE x.assignment = ANY (assignments) ORDER BY x.assignment;
END
$$;
COMMENT ON FUNCTION syncup.decidable(regrole, bigint[]) IS 'Assignments that the caller may decide on, while no role model is computed; an error names another one.';

CREATE FUNCTION syncup.decide(caller regrole, x syncup.assignment, state text, workflow text, comment text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	UPDATE syncup.assignment a
	SET provisioning_state = state, workflow_state = workflow, comment = comment, approved_by = pg_get_userbyid(caller), approved_at = now(), message = NULL,
		state_at = CASE WHEN a.provisioning_state = state THEN a.state_at ELSE now() END, changed_at = clock_timestamp()
	WHERE a.assignment = x.assignment;
	-- whether an account is to be says whether its values and links are looked at
	IF x.kind = 'account' AND x.owner_key IS NOT NULL THEN
		PERFORM syncup.write_flags(t.owner, ARRAY[x.owner_key], 'manual') FROM syncup.resource_type t WHERE t.resource_type = x.resource_type;
	END IF;
	RETURN 1;
END
$$;
COMMENT ON FUNCTION syncup.decide(regrole, syncup.assignment, text, text, text) IS 'Writes what a person decided about an assignment.';

CREATE FUNCTION syncup.is_suggested(x syncup.assignment)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT x.kind = 'account' AND EXISTS (SELECT FROM syncup.ownership o
		WHERE o.resource_type = x.resource_type AND o.account_key = x.account_key AND o.owner_key = x.owner_key AND o.state = 'suggested')
$$;
COMMENT ON FUNCTION syncup.is_suggested(syncup.assignment) IS 'Whether it is yet to be said that the account is the owner''s.';

CREATE FUNCTION syncup.approve(caller regrole, assignments bigint[], comment text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	x syncup.assignment;
	decided bigint := 0;
BEGIN
	FOR x IN SELECT * FROM syncup.decidable(caller, assignments) LOOP
		IF syncup.is_suggested(x) THEN
			PERFORM syncup.decide_owner(caller, x.resource_type, x.account_key, x.owner_key);
			decided := decided + syncup.decide(caller, x, 'verified', NULL, comment);
		ELSIF x.provisioning_state IN ('awaiting approval', 'errored') OR x.workflow_state = 'declined' AND x.provisioning_state = 'none' THEN
			decided := decided + syncup.decide(caller, x, 'pending', 'approved', comment);
		ELSIF x.workflow_state = 'non-conforming' THEN
			-- it is right as it is
			decided := decided + syncup.decide(caller, x, x.provisioning_state, 'approved', comment);
		END IF;
	END LOOP;
	RETURN decided;
END
$$;
COMMENT ON FUNCTION syncup.approve(regrole, bigint[], text) IS 'What syncup_approve() does.';

CREATE FUNCTION syncup_approve(assignments bigint[], comment text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_approve(bigint[], text) IS
'Approves what awaits it, says that a suggested account is the owner''s, accepts what is non-conforming as it is, and lets what errored be tried again. How many were decided.';

CREATE FUNCTION syncup.reject_owner(caller regrole, x syncup.assignment)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	UPDATE syncup.ownership o
	SET state = 'rejected', rejected = o.rejected || x.owner_key, owner_key = NULL, rule = NULL, confidence = NULL, since = now(), decided_by = pg_get_userbyid(caller)
	WHERE o.resource_type = x.resource_type AND o.account_key = x.account_key;
	DELETE FROM syncup.assignment a WHERE a.assignment = x.assignment;
	UPDATE syncup.resource_type t SET unmatched = true WHERE t.resource_type = x.resource_type;
	PERFORM syncup.write_flags(t.owner, ARRAY[x.owner_key], 'manual') FROM syncup.resource_type t WHERE t.resource_type = x.resource_type;
END
$$;
COMMENT ON FUNCTION syncup.reject_owner(regrole, syncup.assignment) IS 'A suggested account is not the owner''s, and is not suggested again.';

CREATE FUNCTION syncup.decline(caller regrole, assignments bigint[], comment text)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	x syncup.assignment;
	decided bigint := 0;
BEGIN
	FOR x IN SELECT * FROM syncup.decidable(caller, assignments) LOOP
		IF syncup.is_suggested(x) THEN
			PERFORM syncup.reject_owner(caller, x);
			decided := decided + 1;
		ELSIF x.provisioning_state IN ('awaiting approval', 'pending', 'errored') THEN
			decided := decided + syncup.decide(caller, x, 'none', 'declined', comment);
		ELSIF x.workflow_state IN ('non-conforming', 'approved') AND x.provisioning_state IN ('verified', 'none') THEN
			-- it is wrong as it is
			decided := decided + syncup.decide(caller, x, 'pending', 'declined', comment);
		END IF;
	END LOOP;
	RETURN decided;
END
$$;
COMMENT ON FUNCTION syncup.decline(regrole, bigint[], text) IS 'What syncup_decline() does.';

CREATE FUNCTION syncup_decline(assignments bigint[], comment text DEFAULT NULL)
RETURNS bigint
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_decline(bigint[], text) IS
'Declines what awaits approval, says that a suggested account is not the owner''s, and orders that what is non-conforming becomes as rules wish it. How many were decided.';

-- ---------- looking at a rule ----------

CREATE FUNCTION syncup.plan_in_words(node jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE part (node, path) AS (
		SELECT node, ARRAY[0]::bigint[]
		UNION ALL
		SELECT c.value, p.path || c.n FROM part p CROSS JOIN LATERAL jsonb_array_elements(p.node -> 'Plans') WITH ORDINALITY c (value, n)
	)
	SELECT coalesce(string_agg(format(CASE WHEN p.node ? 'Index Name' THEN 'looks up %1$s by %2$s' ELSE 'reads all of %1$s (%3$s rows)' END,
			p.node ->> 'Relation Name', p.node ->> 'Index Name', p.node ->> 'Plan Rows')
		|| CASE WHEN p.node ->> 'Parent Relationship' = 'SubPlan' THEN ' for each row' ELSE '' END, '; ' ORDER BY p.path), 'reads nothing')
	FROM part p WHERE p.node ? 'Relation Name'
$$;
COMMENT ON FUNCTION syncup.plan_in_words(jsonb) IS 'What a plan, as EXPLAIN gives it, reads, and how.';

CREATE FUNCTION syncup.rule_check(caller regrole, rule text)
RETURNS TABLE (hits bigint, rows bigint, example text, cost text, followed_by text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	d syncup.rule_definition := syncup.check_rule_owner(caller, rule);
	t syncup.resource_type;
	target regclass;
	alias text := 'o';
	condition text := coalesce(d.definition ->> 'condition', CASE d.kind WHEN 'role' THEN 'false' ELSE 'true' END);
	value text := '';
	query text;
	further text;
BEGIN
	SELECT r.* INTO t FROM syncup.resource_type r WHERE r.resource_type = d.resource_type;
	target := coalesce(t.owner, d.relation);
	IF d.kind IN ('expression', 'classification') THEN
		target := d.relation;
		alias := CASE d.kind WHEN 'expression' THEN 'r' ELSE 'a' END;
	ELSIF d.kind = 'correlation' THEN
		value := syncup.rule_text(rule, 'owner_expression', d.definition ->> 'owner');
		condition := format('pg_catalog.concat(%s) ~ %L', value, '\S');
	ELSIF d.kind = 'navigation' THEN
		value := CASE WHEN syncup.is_query(d.definition ->> 'resource') THEN format('ARRAY%s', syncup.rule_text(rule, 'resource', d.definition ->> 'resource', true))
			ELSE syncup.rule_text(rule, 'resource', d.definition ->> 'resource') END;
	END IF;
	query := format('SELECT pg_catalog.count(*), pg_catalog.min(%s) FROM %s %s WHERE %s', syncup.key_of(target, alias), target, alias, syncup.rule_text(rule, 'condition', condition));
	EXECUTE format('SELECT q.hits, q.example FROM syncup.query_as(%L::regrole, %L) AS q (hits bigint, example text)', d.owner, query) INTO hits, example;
	EXECUTE format('SELECT q.n FROM syncup.query_as(%L::regrole, %L) AS q (n bigint)', d.owner, format('SELECT pg_catalog.count(*) FROM %s r', target)) INTO rows;
	IF value <> '' AND example IS NOT NULL THEN
		EXECUTE format('SELECT %L || q.v FROM syncup.query_as(%L::regrole, %L) AS q (v text)', example || ': ', d.owner,
			format('SELECT pg_catalog.concat(%s) FROM %s %s WHERE %s = %L', value, target, alias, syncup.key_of(target, alias), example)) INTO example;
	END IF;
	cost := syncup.plan_in_words(syncup.explain_as(d.owner, CASE WHEN value = '' THEN query
		ELSE format('SELECT pg_catalog.concat(%s) FROM %s %s WHERE %s', value, target, alias, syncup.rule_text(rule, 'condition', condition)) END)::jsonb -> 0 -> 'Plan');
	SELECT string_agg(r.relation::text, ', ' ORDER BY r.relation::text) INTO further
	FROM syncup.rule_relation r
	WHERE r.rule = rule AND r.relation NOT IN (d.relation, coalesce(t.owner, d.relation), coalesce(t.account, d.relation))
		-- a link flags both its ends
		AND NOT (d.kind = 'navigation' AND EXISTS (
			SELECT FROM syncup.association_of(t.account, (d.definition ->> 'connector') || '.' || (d.definition ->> 'association')) l
			WHERE r.relation = l.link OR r.relation = l.other AND NOT syncup.is_query(d.definition ->> 'resource')));
	followed_by := CASE WHEN further IS NULL THEN 'complete and dirty runs' ELSE format('complete runs only, where %s changes', further) END;
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION syncup.rule_check(regrole, text) IS 'What syncup_rule_check() does.';

CREATE FUNCTION syncup_rule_check(rule text)
RETURNS TABLE (hits bigint, rows bigint, example text, cost text, followed_by text)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_rule_check(text) IS
'How many rows a rule applies to, of how many; one of them; what it reads, and how; and whether dirty runs follow it, or complete ones only because it reads other tables.';
