-- Rules: SQL that a role has written and that runs with its rights (AFTER). Row
-- security hides definitions from all but the owner, whatever is granted; the view
-- shows them to members of the rule's owner.

CREATE TABLE syncup.rule_kind (
	kind text PRIMARY KEY,
	dropped text
);
COMMENT ON TABLE syncup.rule_kind IS 'What a rule can be.';
COMMENT ON COLUMN syncup.rule_kind.dropped IS 'a function (rule text) that is called before such a rule is dropped; null: none is';
INSERT INTO syncup.rule_kind (kind) VALUES ('expression'), ('correlation'), ('role'), ('type'), ('scalar'), ('navigation'), ('classification'), ('profile');

CREATE TABLE syncup.rule_definition (
	rule text PRIMARY KEY,
	seq bigint GENERATED ALWAYS AS IDENTITY,
	kind text NOT NULL,
	relation regclass NOT NULL,
	resource_type text,
	definition jsonb NOT NULL,
	owner regrole NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE syncup.rule_definition IS 'Rules as they are defined; look at the view syncup.rule. Written by the functions that define rules only.';
COMMENT ON COLUMN syncup.rule_definition.seq IS 'the order in which they were defined first';
COMMENT ON COLUMN syncup.rule_definition.relation IS 'whose rows it is about';
COMMENT ON COLUMN syncup.rule_definition.owner IS 'the role that defined it, whose rights it has';
ALTER TABLE syncup.rule_definition ENABLE ROW LEVEL SECURITY;
SELECT pg_catalog.pg_extension_config_dump('syncup.rule_definition', '');
SELECT pg_catalog.pg_extension_config_dump('syncup.rule_definition_seq_seq', '');

CREATE TABLE syncup.rule_relation (
	rule text NOT NULL,
	relation regclass NOT NULL,
	PRIMARY KEY (rule, relation)
);
COMMENT ON TABLE syncup.rule_relation IS 'The relations that each rule reads.';
SELECT pg_catalog.pg_extension_config_dump('syncup.rule_relation', '');

CREATE VIEW syncup.rule AS
SELECT d.rule, d.kind, coalesce('resource type ' || d.resource_type, d.relation::text) AS is_on, d.definition, d.owner, d.created_at
FROM syncup.rule_definition d
WHERE pg_has_role(d.owner, 'MEMBER');
COMMENT ON VIEW syncup.rule IS 'The rules whose owner the current role is, or is a member of.';
COMMENT ON COLUMN syncup.rule.is_on IS 'the resource type or relation that it is about';

-- ---------- what rules are made of ----------

CREATE FUNCTION syncup.query_as(role regrole, query text, given text DEFAULT NULL)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'syncup_query_as' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.query_as(regrole, text, text) IS
'The rows of a query that runs with the role''s rights, on the search path of PostgreSQL''s own, and can write nothing. It sees the rows of the query "given", which runs with the caller''s, as a relation of that name.';

CREATE FUNCTION syncup.write_as(role regrole, statement text, given text, rule text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'syncup_write_as' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.write_as(regrole, text, text, text) IS
'What a statement returns that writes with the role''s rights; else the same. An error names the rule.';

CREATE FUNCTION syncup.did_you_mean(wanted text, names text[])
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_did_you_mean' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.did_you_mean(text, text[]) IS
'For a hint: the name that a wrong one is most like, as a question and a blank; else nothing.';

CREATE FUNCTION syncup.names_hint(wanted text, names text[], list text, otherwise text)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN cardinality(names) = 0 THEN otherwise
		ELSE coalesce(syncup.did_you_mean(wanted, names), '') || format(list, (SELECT string_agg(format('"%s"', u.name), ', ' ORDER BY u.n) FROM unnest(names[:50]) WITH ORDINALITY u (name, n))
			|| CASE WHEN cardinality(names) > 50 THEN format(', and %s more', cardinality(names) - 50) ELSE '' END) END
$$;
COMMENT ON FUNCTION syncup.names_hint(text, text[], text, text) IS
'A hint about a name that is none: the one that it is most like, and in the text "list", for %s, those there are; else the other text.';

CREATE FUNCTION syncup.connectors_hint(wanted text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.names_hint(wanted, ARRAY(SELECT c.connector FROM syncup.connector c ORDER BY c.connector COLLATE "C"), 'Existing connectors: %s.', 'Create one with syncup_create_connector().')
$$;
COMMENT ON FUNCTION syncup.connectors_hint(text) IS 'A hint about a connector that does not exist; names what the caller may read in syncup.connector.';

CREATE FUNCTION syncup.check_query(role regrole, rule text, query text)
RETURNS regclass[]
AS 'MODULE_PATHNAME', 'syncup_check_query' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.check_query(regrole, text, text) IS
'The relations that a rule''s query reads; errors unless the role may run it, it only reads, and calls no volatile function.';

CREATE FUNCTION syncup.explain_as(role regrole, query text)
RETURNS json
AS 'MODULE_PATHNAME', 'syncup_explain_as' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.explain_as(regrole, text) IS 'The plan of a query, made with the role''s rights; it is not run.';

CREATE FUNCTION syncup.rule_text(rule text, part text, expression text, query boolean DEFAULT false, own_schema text DEFAULT '@extschema@')
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_rule_text' LANGUAGE C STABLE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.rule_text(text, text, text, boolean, text) IS
'The text of a rule between parentheses, to be put into a query; errors, naming part and rule, unless it is just one expression, or one query.';

CREATE FUNCTION syncup.find_key(target regclass)
RETURNS name[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- plpgsql keeps the plan: it is asked all the time
	RETURN coalesce(
		(SELECT array_agg(c.target ORDER BY c.key_part) FROM syncup.mapping_column c
		WHERE c.key_part IS NOT NULL AND (c.connector, c.mapping) = (
			SELECT m.connector, m.mapping FROM syncup.mapping m
			WHERE m.target = $1 AND m.kind = 'entity type' ORDER BY m.connector COLLATE "C", m.ordinal LIMIT 1)),
		(SELECT array_agg(a.attname ORDER BY u.n)
		FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS u (attnum, n)
		JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = u.attnum
		WHERE i.indrelid = $1 AND i.indisprimary AND u.n <= i.indnkeyatts));
END
$$;
COMMENT ON FUNCTION syncup.find_key(regclass) IS
'The columns that tell the rows of a table apart: those of the key of its mapping, else its primary key; null: there are none.';

CREATE FUNCTION syncup.key_columns(target regclass)
RETURNS name[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result name[] := syncup.find_key(target);
BEGIN
	IF result IS NULL THEN
		RAISE '% has no key', target
			USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = 'Its rows are told apart by the key of its mapping, or by its primary key.';
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.key_columns(regclass) IS
'The same, or an error where there are none.';

CREATE FUNCTION syncup.key_of(target regclass, alias text DEFAULT 'r')
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- concat() takes the type's output function: a cast to text may be anybody's code
	SELECT CASE WHEN cardinality(k) = 1 THEN format('concat(%I.%I)', alias, k[1])
		ELSE format('concat(ROW(%s))', (SELECT string_agg(format('%I.%I', alias, c), ', ' ORDER BY n) FROM unnest(k) WITH ORDINALITY u (c, n))) END
	FROM syncup.key_columns(target) k
$$;
COMMENT ON FUNCTION syncup.key_of(regclass, text) IS
'SQL for the key of a row of a table, as text; of several columns as a row, (a,b).';

CREATE FUNCTION syncup.key_parts(target regclass, key text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(CASE WHEN cardinality(syncup.key_columns(target)) = 1 THEN 'ARRAY[%s]'
		ELSE 'ARRAY(SELECT pg_catalog.jsonb_array_elements_text(syncup.key_values(%s)))' END, key)
$$;
COMMENT ON FUNCTION syncup.key_parts(regclass, text) IS
'SQL for the values of a key, given as SQL, as an array of texts: what syncup.key_is() looks a row up by.';

CREATE FUNCTION syncup.key_is(target regclass, alias text, parts text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('%I.%I = CAST(%s[%s] AS %s)', alias, a.attname, parts, u.n, format_type(a.atttypid, -1)), ' AND ' ORDER BY u.n)
	FROM unnest(syncup.key_columns(target)) WITH ORDINALITY AS u (name, n)
	JOIN pg_attribute a ON a.attrelid = target AND a.attname = u.name
$$;
COMMENT ON FUNCTION syncup.key_is(regclass, text, text) IS
'SQL for whether a row of a table has the key whose values are in an array of texts; an index serves it.';

-- ---------- running rules, row by row where they raise ----------

CREATE TYPE syncup.rule_row AS (a text, b text, part int, vals text[], more text[], message text);
COMMENT ON TYPE syncup.rule_row IS
'What rules say of a row, or of a pair of owner and account: their keys, the rule if it is one alone, what the query gave, or the error that it raised.';

CREATE FUNCTION syncup.rule_given(owner regclass, account regclass, source text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT s.*, %s AS ak, %s AS bk FROM (%s) s', syncup.key_parts(owner, 's.a'),
		CASE WHEN account IS NULL THEN 'NULL::text[]' ELSE syncup.key_parts(account, 's.b') END, source)
$$;
COMMENT ON FUNCTION syncup.rule_given(regclass, regclass, text) IS
'The query of what a rule''s query sees as "given", from one of keys a and b, roles, and what else is known of the row: with the values of the keys, ak and bk.';

CREATE FUNCTION syncup.check_scope(caller regrole, rule text, expression text, source text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- twice: a name that means a column of "given" is ambiguous, too
	PERFORM syncup.check_query(caller, rule, format('WITH given (a, b, roles, syncup_known, ak, bk) AS (SELECT NULL::text, NULL::text, NULL::text[], NULL::text, NULL::text[], NULL::text[])'
		' SELECT %s FROM given "syncup 1" CROSS JOIN given "syncup 2" CROSS JOIN %s', expression, source));
END
$$;
COMMENT ON FUNCTION syncup.check_scope(regrole, text, text, text) IS
'Errors where a name in a rule would be ambiguous beside "given", or mean a column of it, and whatever else stands beside it when it runs.';

CREATE FUNCTION syncup.is_of_a_row(sqlstate text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT left(sqlstate, 2) NOT IN ('08', '0A', '25', '40', '42', '53', '54', '55', '57', '58', 'F0', 'XX') $$;
COMMENT ON FUNCTION syncup.is_of_a_row(text) IS
'Whether an error of a rule may be about one row: not a missing right or table, a conflict, a cancel, the lack of memory.';

CREATE FUNCTION syncup.rule_chunk(role regrole, queries text[], owner regclass, account regclass, a text[], b text[], roles text[], known text[])
RETURNS SETOF syncup.rule_row
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	given text := syncup.rule_given(owner, account, format('SELECT u.a, u.b, u.roles::text[], u.syncup_known FROM unnest(%L::text[], %L::text[], %L::text[], %L::text[]) AS u (a, b, roles, syncup_known)', a, b, roles, known));
	half int := cardinality(a) / 2;
	message text;
BEGIN
	IF cardinality(a) = 0 THEN
		RETURN;
	END IF;
	BEGIN
		RETURN QUERY SELECT q.a, q.b, NULL::int, q.vals, q.more, NULL::text
		FROM syncup.query_as(role, queries[1], given) AS q (a text, b text, vals text[], more text[]);
		RETURN;
	EXCEPTION WHEN OTHERS THEN
		IF NOT syncup.is_of_a_row(SQLSTATE) THEN
			RAISE;
		END IF;
		message := SQLERRM;
	END;
	IF half > 0 THEN
		RETURN QUERY SELECT * FROM syncup.rule_chunk(role, queries, owner, account, a[:half], b[:half], roles[:half], known[:half]);
		RETURN QUERY SELECT * FROM syncup.rule_chunk(role, queries, owner, account, a[half + 1:], b[half + 1:], roles[half + 1:], known[half + 1:]);
	ELSIF cardinality(queries) = 1 THEN
		RETURN NEXT (a[1], b[1], NULL, NULL, NULL, message)::syncup.rule_row;
	ELSE
		FOR i IN 2 .. cardinality(queries) LOOP
			BEGIN
				RETURN QUERY SELECT q.a, q.b, i - 1, q.vals, q.more, NULL::text
				FROM syncup.query_as(role, queries[i], given) AS q (a text, b text, vals text[], more text[]);
			EXCEPTION WHEN OTHERS THEN
				IF NOT syncup.is_of_a_row(SQLSTATE) THEN
					RAISE;
				END IF;
				RETURN NEXT (a[1], b[1], i - 1, NULL, NULL, SQLERRM)::syncup.rule_row;
			END;
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.rule_chunk(regrole, text[], regclass, regclass, text[], text[], text[], text[]) IS
'What the first query says of these rows; where it raises, of each half; and of one row each of the others, which ask one rule each.';

CREATE FUNCTION syncup.rule_rows(role regrole, queries text[], owner regclass, account regclass, source text)
RETURNS SETOF syncup.rule_row
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	g record;
	n int := 0;
	a text[] := '{}';
	b text[] := '{}';
	roles text[] := '{}';
	known text[] := '{}';
BEGIN
	FOR g IN EXECUTE source LOOP
		n := n + 1;
		a[n] := g.a;
		b[n] := g.b;
		roles[n] := g.roles::text;
		known[n] := g.syncup_known;
		IF n = 2000 THEN
			RETURN QUERY SELECT * FROM syncup.rule_chunk(role, queries, owner, account, a, b, roles, known);
			n := 0;
			a := '{}';
			b := '{}';
			roles := '{}';
			known := '{}';
		END IF;
	END LOOP;
	RETURN QUERY SELECT * FROM syncup.rule_chunk(role, queries, owner, account, a, b, roles, known);
END
$$;
COMMENT ON FUNCTION syncup.rule_rows(regrole, text[], regclass, regclass, text) IS
'What rules say of many rows, some of which make them raise an error: those rows get its message, the others what they would get alone.';

CREATE FUNCTION syncup.rule_query(role regrole, query text, given text DEFAULT NULL)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('(SELECT q.a, q.b, NULL::int AS part, q.vals, q.more, NULL::text AS message FROM syncup.query_as(%L::regrole, %L, %L) AS q (a text, b text, vals text[], more text[]))',
		role, query, given)
$$;
COMMENT ON FUNCTION syncup.rule_query(regrole, text, text) IS 'SQL for what one query of rules says, to be read in FROM.';

CREATE FUNCTION syncup.name_culprit(role regrole, rules text[], sqlstate text, message text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	rule text;
BEGIN
	IF left(sqlstate, 2) NOT IN ('25', '42') THEN
		RETURN message;
	END IF;
	FOREACH rule IN ARRAY rules LOOP
		BEGIN
			IF cardinality(rules) > 1 THEN
				PERFORM FROM syncup.rule_check(role, rule);
				PERFORM syncup.check_query(role, rule, format('SELECT pg_catalog.concat(%s) FROM %s o LEFT JOIN %s a ON true',
					syncup.rule_text(rule, 'expression', d.definition ->> 'expression'), t.owner, t.account))
				FROM syncup.rule_definition d JOIN syncup.resource_type t USING (resource_type) WHERE d.rule = rule AND d.kind = 'scalar';
				CONTINUE;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			CONTINUE WHEN SQLSTATE <> sqlstate;
		END;
		RETURN format('rule "%s": %s', rule, message);
	END LOOP;
	RETURN message;
END
$$;
COMMENT ON FUNCTION syncup.name_culprit(regrole, text[], text, text) IS
'A message of an error that is about no row, with the one of these rules that raises it alone: a right, table or function is missing, or it tries to write.';

CREATE FUNCTION syncup.run_rules(statement text, role regrole, queries text[], owner regclass, account regclass, source text, whole text DEFAULT NULL, rules text[] DEFAULT '{}')
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	rows text := coalesce(whole, syncup.rule_query(role, queries[1], syncup.rule_given(owner, account, source)));
	row_by_row boolean := false;
	result jsonb;
BEGIN
	LOOP
		BEGIN
			EXECUTE replace(statement, '$rules', rows) INTO result;
			RETURN result;
		EXCEPTION WHEN OTHERS THEN
			IF row_by_row OR NOT syncup.is_of_a_row(SQLSTATE) THEN
				-- the statement, which may hold keys, is nobody's to read
				RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = syncup.name_culprit(role, rules, SQLSTATE, SQLERRM);
			END IF;
			row_by_row := true;
			rows := format('syncup.rule_rows(%L::regrole, %L::text[], %L::regclass, %L::regclass, %L)', role, queries, owner, account, source);
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.run_rules(text, regrole, text[], regclass, regclass, text, text, text[]) IS
'Runs a statement that returns one jsonb and reads $rules: what the first query says of the rows of source; whole, if it is given, says the same at once. Where that raises an error it is looked at row by row: an error of one row harms that row alone.';

CREATE FUNCTION syncup.analyze_written(written bigint, tables regclass[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t regclass;
BEGIN
	-- the statements that follow are planned by what is there now
	IF written >= 5000 THEN
		FOREACH t IN ARRAY tables LOOP
			EXECUTE format('ANALYZE %s', t);
		END LOOP;
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.analyze_written(bigint, regclass[]) IS 'Analyzes tables of ours that many rows were written to.';

CREATE FUNCTION syncup.all_keys(role regrole, target regclass)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT k.a, NULL::text AS b, NULL::text[] AS roles, NULL::text AS syncup_known FROM syncup.query_as(%L::regrole, %L) AS k (a text)',
		role, format('SELECT %s FROM %s r', syncup.key_of(target), target))
$$;
COMMENT ON FUNCTION syncup.all_keys(regrole, regclass) IS 'A source of rules: the keys of all rows of a table.';

CREATE FUNCTION syncup.these_keys(keys text[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('SELECT k.a, NULL::text AS b, NULL::text[] AS roles, NULL::text AS syncup_known FROM unnest(%L::text[]) AS k (a)', keys) $$;
COMMENT ON FUNCTION syncup.these_keys(text[]) IS 'A source of rules: these keys.';

-- ---------- definition ----------

CREATE FUNCTION syncup.check_rule_owner(caller regrole, rule text)
RETURNS syncup.rule_definition
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	found_rule syncup.rule_definition;
BEGIN
	SELECT d.* INTO found_rule FROM syncup.rule_definition d WHERE d.rule = check_rule_owner.rule;
	-- who may not see it is told the same as if it were not there
	IF found_rule.rule IS NULL OR NOT pg_has_role(caller, found_rule.owner, 'MEMBER') THEN
		RAISE 'rule "%" does not exist', rule
			USING ERRCODE = 'undefined_object', HINT = syncup.names_hint(rule, ARRAY(SELECT d.rule FROM syncup.rule_definition d WHERE pg_has_role(caller, d.owner, 'MEMBER') ORDER BY d.seq),
				'Rules are %s.', 'There is none of yours; see syncup.rule.');
	END IF;
	RETURN found_rule;
END
$$;
COMMENT ON FUNCTION syncup.check_rule_owner(regrole, text) IS
'A rule, or an error unless the role is a member of its owner.';

CREATE FUNCTION syncup.free_rule_name(name text, is_same jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- the rule that says the same of the same place, else the first number that is free
	SELECT coalesce(
		(SELECT d.rule FROM syncup.rule_definition d
			WHERE (d.rule = name OR left(d.rule, length(name) + 1) = name || ' ' AND substr(d.rule, length(name) + 2) ~ '^\d+$')
				AND d.definition @> is_same ORDER BY d.seq LIMIT 1),
		(SELECT c.rule FROM generate_series(1, (SELECT count(*) + 1 FROM syncup.rule_definition)) n
			CROSS JOIN LATERAL (SELECT CASE n WHEN 1 THEN name ELSE name || ' ' || n END) AS c (rule)
			WHERE NOT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.rule = c.rule) ORDER BY n LIMIT 1))
$$;
COMMENT ON FUNCTION syncup.free_rule_name(text, jsonb) IS
'The name of the rule of a place whose definition contains this; else the name of the place with the first number that is free: "scalar AD.mail", "scalar AD.mail 2".';

CREATE FUNCTION syncup.put_rule(caller regrole, rule text, kind text, relation regclass, resource_type text, definition jsonb, reads regclass[] DEFAULT '{}')
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	LOCK TABLE syncup.rule_definition IN SHARE ROW EXCLUSIVE MODE;
	IF EXISTS (SELECT FROM syncup.rule_definition d WHERE d.rule = rule) THEN
		PERFORM syncup.check_rule_owner(caller, rule);
		IF NOT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.rule = rule AND d.kind = kind) THEN
			RAISE 'rule "%" is of another kind', rule USING ERRCODE = 'duplicate_object', HINT = 'Give it another name, or drop that one with syncup_drop_rule().';
		END IF;
		UPDATE syncup.rule_definition d
		SET relation = relation, resource_type = resource_type, definition = definition, owner = caller
		WHERE d.rule = rule AND (d.relation, d.definition, d.owner) IS DISTINCT FROM (relation, definition, caller);
	ELSE
		INSERT INTO syncup.rule_definition (rule, kind, relation, resource_type, definition, owner)
		VALUES (rule, kind, relation, resource_type, definition, caller);
	END IF;
	DELETE FROM syncup.rule_relation r WHERE r.rule = rule;
	INSERT INTO syncup.rule_relation SELECT DISTINCT rule, u FROM unnest(reads || relation) u;
END
$$;
COMMENT ON FUNCTION syncup.put_rule(regrole, text, text, regclass, text, jsonb, regclass[]) IS
'Writes a rule of the caller''s, which has been checked, and the relations that it reads. One that is there may be changed by members of its owner; it runs with the rights of who changed it last.';

CREATE FUNCTION syncup.drop_rule(caller regrole, rule text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	found_rule syncup.rule_definition;
	dropped text;
BEGIN
	LOCK TABLE syncup.rule_definition IN SHARE ROW EXCLUSIVE MODE;
	found_rule := syncup.check_rule_owner(caller, rule);
	SELECT k.dropped INTO dropped FROM syncup.rule_kind k WHERE k.kind = found_rule.kind;
	IF dropped IS NOT NULL THEN
		EXECUTE format('SELECT %s($1)', dropped) USING rule;
	END IF;
	DELETE FROM syncup.rule_relation r WHERE r.rule = rule;
	DELETE FROM syncup.rule_definition d WHERE d.rule = rule;
END
$$;
COMMENT ON FUNCTION syncup.drop_rule(regrole, text) IS 'What syncup_drop_rule() does.';

CREATE FUNCTION syncup_drop_rule(rule text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_drop_rule(text) IS
'Drops a rule of any kind. What it gave is taken back by the next run, as if it had never been wished.';
