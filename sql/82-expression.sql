-- Values of columns that no mapping writes, computed from the row and from what it
-- is linked to (AFTER 2). An expression is a rule (80-rule): its definition has
-- property, expression, priority and binding.

UPDATE syncup.rule_kind SET dropped = 'syncup.forget_expression' WHERE kind = 'expression';

CREATE TABLE syncup.expression_error (
	rule text NOT NULL,
	key text NOT NULL,
	message text NOT NULL,
	since timestamptz NOT NULL DEFAULT now(),
	tried_again boolean NOT NULL DEFAULT false,
	PRIMARY KEY (rule, key)
);
COMMENT ON TABLE syncup.expression_error IS 'Rows that an expression raises an error for: they keep their value, and are tried again by every run.';
COMMENT ON COLUMN syncup.expression_error.key IS 'of the row';
COMMENT ON COLUMN syncup.expression_error.tried_again IS 'the run at hand is trying it: if it succeeds the error is gone';
SELECT pg_catalog.pg_extension_config_dump('syncup.expression_error', '');

-- ---------- what is bound ----------

-- {"steps": [{"relation": oid, "link": column, "stored": column}, ...], "column": name}
CREATE FUNCTION syncup.resolve_binding(rule text, target regclass, binding text)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	written text[] := ARRAY(SELECT m[1] FROM regexp_matches(binding, '("(?:[^"]|"")+"|[^."]+)', 'g') m);
	names text[] := ARRAY(SELECT CASE WHEN w ~ '^"' THEN replace(substr(w, 2, length(w) - 2), '""', '"') ELSE w END FROM unnest(written) w);
	at regclass := target;
	steps jsonb := '[]';
	here text[];
	found_one record;
BEGIN
	IF array_to_string(written, '.') <> binding OR cardinality(names) < 2 THEN
		RAISE 'binding "%" of % is no path', binding, rule
			USING ERRCODE = 'invalid_parameter_value', HINT = 'It names associations, and at their end a column: "manager.organization.name".';
	END IF;
	FOR i IN 1 .. cardinality(names) - 1 LOOP
		SELECT count(DISTINCT (e.target, o.target_column, coalesce(o.store, k.target))) AS ways,
			min(e.target::oid) AS relation, min(o.target_column) AS link, min(coalesce(o.store, k.target)) AS stored
		INTO found_one
		FROM syncup.mapping m
		JOIN syncup.association h USING (connector, mapping)
		JOIN syncup.association o ON (o.connector, o.mapping, o.side) = (h.connector, h.mapping, 3 - h.side)
		JOIN syncup.mapping e ON (e.connector, e.mapping) = (o.entity_connector, o.entity)
		JOIN syncup.mapping_column k ON (k.connector, k.mapping) = (e.connector, e.mapping) AND k.key_part = 1
		WHERE m.target = at AND h.target_column IS NULL AND m.mapping = names[i];
		IF found_one.ways = 0 THEN
			here := ARRAY(SELECT DISTINCT m.mapping FROM syncup.mapping m JOIN syncup.association h USING (connector, mapping)
				WHERE m.target = at AND h.target_column IS NULL ORDER BY 1);
			RAISE 'binding "%" of %: % has no association "%" that leads to one row', binding, rule, at, names[i]
				USING ERRCODE = 'undefined_object', HINT = CASE WHEN here = '{}' THEN 'No column of it holds links of an association.'
					ELSE syncup.did_you_mean(names[i], here) || format('Its associations are %s.', (SELECT string_agg(format('"%s"', n), ', ') FROM unnest(here) n)) END;
		ELSIF found_one.ways > 1 THEN
			RAISE 'binding "%" of %: several associations "%" of % lead to different rows', binding, rule, names[i], at
				USING ERRCODE = 'ambiguous_alias';
		END IF;
		at := found_one.relation;
		steps := steps || jsonb_build_object('relation', found_one.relation, 'link', found_one.link, 'stored', found_one.stored);
	END LOOP;
	PERFORM syncup.check_column(format('binding "%s" of %s', binding, rule), at, names[cardinality(names)]);
	RETURN jsonb_build_object('steps', steps, 'column', names[cardinality(names)]);
END
$$;
COMMENT ON FUNCTION syncup.resolve_binding(text, regclass, text) IS
'The tables and columns that a path over mono-valued associations leads along; errors, naming what is near, where it leads nowhere.';

CREATE FUNCTION syncup.check_column(what text, relation regclass, name text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	columns text[] := ARRAY(SELECT a.attname::text FROM pg_attribute a WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum);
BEGIN
	IF name IS NULL OR name <> ALL (columns) THEN
		RAISE '%: % has no column "%"', what, relation, coalesce(name, 'null')
			USING ERRCODE = 'undefined_column',
			HINT = syncup.did_you_mean(name, columns) || format('Its columns are %s.', (SELECT string_agg(format('"%s"', c), ', ') FROM unnest(columns) c));
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_column(text, regclass, text) IS 'Errors, naming what is near, unless a relation has the column.';

-- ---------- SQL around an expression ----------

-- Those that are asked all the time are plpgsql, which keeps their plans.

CREATE FUNCTION syncup.equal_sql(type oid, a text, b text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	-- of a type of somebody else's the equality of its own operator class, wherever that lies
	RETURN (SELECT format('%s OPERATOR(%s) %s', a, coalesce(
		CASE WHEN t.typnamespace <> 'pg_catalog'::regnamespace AND t.typtype NOT IN ('e', 'd') AND t.typelem = 0 THEN
			(SELECT format('%I.%s', n.nspname, o.oprname)
			FROM pg_opclass c JOIN pg_am m ON m.oid = c.opcmethod AND m.amname = 'btree'
			JOIN pg_amop p ON p.amopfamily = c.opcfamily AND p.amoplefttype = c.opcintype AND p.amoprighttype = c.opcintype AND p.amopstrategy = 3
			JOIN pg_operator o ON o.oid = p.amopopr JOIN pg_namespace n ON n.oid = o.oprnamespace
			WHERE c.opcintype = t.oid AND c.opcdefault) END, 'pg_catalog.='), b)
	FROM pg_type d JOIN pg_type t ON t.oid = CASE WHEN d.typtype = 'd' THEN d.typbasetype ELSE d.oid END
	WHERE d.oid = type);
END
$$;
COMMENT ON FUNCTION syncup.equal_sql(oid, text, text) IS 'SQL: whether two values of a type are equal.';

CREATE FUNCTION syncup.is_given(relation regclass, alias text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	-- of one column the value itself is looked for: there is an index
	RETURN (SELECT CASE WHEN cardinality(k) > 1 OR NOT t.typnamespace = 'pg_catalog'::regnamespace THEN
		format('%s IN (SELECT g.key COLLATE "default" FROM given g WHERE g.relation = %s)', syncup.key_of(relation, alias), relation::oid)
		ELSE format('%I.%I IN (SELECT g.key::%s%s FROM given g WHERE g.relation = %s)', alias, k[1], format_type(a.atttypid, -1),
			CASE WHEN a.attcollation <> 0 THEN (SELECT format(' COLLATE %I.%I', n.nspname, c.collname)
				FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation) ELSE '' END, relation::oid) END
	FROM syncup.key_columns(relation) k
	JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k[1] JOIN pg_type t ON t.oid = a.atttypid);
END
$$;
COMMENT ON FUNCTION syncup.is_given(regclass, text) IS
'SQL: whether the key of a row is among those of its table in the relation "given" (relation, key, deleted).';

CREATE FUNCTION syncup.equal_columns(relation regclass, name text, a text, b text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	RETURN (SELECT syncup.equal_sql(c.atttypid, a, b) FROM pg_attribute c WHERE c.attrelid = relation AND c.attname = name);
END
$$;
COMMENT ON FUNCTION syncup.equal_columns(regclass, text, text, text) IS 'The same for values of a column.';

-- A row is found again by its key: where it lies may be read only by who may read all of it.
CREATE FUNCTION syncup.key_as(target regclass, alias text, named text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	RETURN (SELECT string_agg(format('%I.%I AS "%s%s"', alias, u.name, named, u.n), ', ' ORDER BY u.n)
	FROM unnest(syncup.key_columns(target)) WITH ORDINALITY AS u (name, n));
END
$$;
COMMENT ON FUNCTION syncup.key_as(regclass, text, text) IS 'SQL: the key of a row, column by column, under numbered names.';

CREATE FUNCTION syncup.has_key_as(target regclass, alias text, named text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	RETURN (SELECT string_agg(syncup.equal_columns(target, u.name, format('%I.%I', alias, u.name), format('"%s%s"', named, u.n)), ' AND ' ORDER BY u.n)
	FROM unnest(syncup.key_columns(target)) WITH ORDINALITY AS u (name, n));
END
$$;
COMMENT ON FUNCTION syncup.has_key_as(regclass, text, text) IS 'SQL: whether a row has the key under these names.';

-- What an expression sees is the row "r" and the value "v", and no other name: what
-- leads there has names with a blank.
CREATE FUNCTION syncup.binding_joins(number bigint, steps jsonb, last text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format(' LEFT JOIN (SELECT x.%1$I AS "syncup k%2$s.%3$s", x.%4$I AS "syncup v%2$s.%3$s" FROM %5$s AS x) AS "syncup b%2$s.%3$s" ON %6$s',
			s.step ->> 'stored', number, s.n, coalesce(steps -> s.n::int ->> 'link', last), r.relation,
			syncup.equal_columns(r.relation, s.step ->> 'stored',
				CASE WHEN s.n = 1 THEN format('r.%I', s.step ->> 'link') ELSE format('"syncup v%s.%s"', number, s.n - 1) END,
				format('"syncup k%s.%s"', number, s.n))), '' ORDER BY s.n)
	FROM jsonb_array_elements(steps) WITH ORDINALITY AS s (step, n)
	CROSS JOIN LATERAL (SELECT (s.step ->> 'relation')::oid::regclass) AS r (relation)
$$;
COMMENT ON FUNCTION syncup.binding_joins(bigint, jsonb, text) IS 'SQL: the joins that lead from row "r" to the value of a binding.';

CREATE FUNCTION syncup.dirty_way(target regclass, steps jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH step AS (
		SELECT s.n, r.relation, s.n = jsonb_array_length(steps) AS is_last, format('b%s.%I', s.n, s.step ->> 'stored') AS stored, l.link,
			format('JOIN %s AS b%s ON %s', r.relation, s.n, syncup.equal_columns(r.relation, s.step ->> 'stored', l.link, format('b%s.%I', s.n, s.step ->> 'stored'))) AS joined
		FROM jsonb_array_elements(steps) WITH ORDINALITY AS s (step, n)
		CROSS JOIN LATERAL (SELECT (s.step ->> 'relation')::oid::regclass) AS r (relation)
		CROSS JOIN LATERAL (SELECT format('%s.%I', CASE WHEN s.n = 1 THEN 'r' ELSE 'b' || s.n - 1 END, s.step ->> 'link')) AS l (link)
	), way AS (
		SELECT string_agg(' ' || joined, '' ORDER BY n) FILTER (WHERE NOT is_last) AS before, max(joined) FILTER (WHERE is_last) AS joined,
			max(stored) FILTER (WHERE is_last) AS stored, max(link) FILTER (WHERE is_last) AS link, (max(relation::oid) FILTER (WHERE is_last))::regclass AS relation, max(n) AS n
		FROM step
	)
	SELECT format('SELECT %8$s FROM %1$s AS r%2$s %3$s WHERE %4$s'
		' UNION SELECT %8$s FROM %1$s AS r%2$s LEFT %3$s WHERE %5$s IS NOT NULL AND %6$s IS NULL'
		' AND EXISTS (SELECT FROM given g WHERE g.relation = %7$s)',
		target, before, joined, syncup.is_given(relation, 'b' || n), link, stored, relation::oid, syncup.key_as(target, 'r', 'syncup dirty'))
	FROM way
$$;
COMMENT ON FUNCTION syncup.dirty_way(regclass, jsonb) IS
'SQL: the keys of the rows that lead over these steps to a row in "given", or, where there is one, to no row: it may have been deleted.';

CREATE FUNCTION syncup.dirty_rows(target regclass, rules jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws(' UNION ',
		format('SELECT %s FROM %s AS r WHERE %s', syncup.key_as(target, 'r', 'syncup dirty'), target, syncup.is_given(target, 'r')),
		string_agg(syncup.dirty_way(target, w.steps), ' UNION ' ORDER BY w.steps))
	FROM (
		SELECT DISTINCT (SELECT jsonb_agg(p.step ORDER BY p.n) FROM jsonb_array_elements(u.rule -> 'steps') WITH ORDINALITY AS p (step, n) WHERE p.n <= s.n) AS steps
		FROM jsonb_array_elements(rules) AS u (rule)
		CROSS JOIN LATERAL jsonb_array_elements(CASE WHEN u.rule -> 'steps' <> 'null' THEN u.rule -> 'steps' ELSE '[]' END) WITH ORDINALITY AS s (step, n)) AS w
$$;
COMMENT ON FUNCTION syncup.dirty_rows(regclass, jsonb) IS
'SQL: the keys of the rows of a table whose expressions have to be looked at, by what is in the relation "given" (relation, key, deleted).';

CREATE FUNCTION syncup.expression_values(rules jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('r.%I AS "syncup o%s", %s AS "syncup n%2$s"', u.rule ->> 'property', u.n,
		CASE WHEN u.rule -> 'steps' = 'null' THEN format('%s::%s', u.rule ->> 'text', u.rule ->> 'type')
		WHEN u.rule ->> 'text' IS NULL THEN format('"syncup v%s.%s"::%s', u.n, jsonb_array_length(u.rule -> 'steps'), u.rule ->> 'type')
		ELSE format('(SELECT %s::%s FROM (SELECT "syncup v%s.%s" AS v) AS bound)', u.rule ->> 'text', u.rule ->> 'type', u.n, jsonb_array_length(u.rule -> 'steps')) END), ', ' ORDER BY u.n)
	FROM jsonb_array_elements(rules) WITH ORDINALITY AS u (rule, n)
$$;
COMMENT ON FUNCTION syncup.expression_values(jsonb) IS 'SQL: of row "r" the values of several expressions, old and new.';

CREATE FUNCTION syncup.expression_rows(target regclass, rules jsonb, dirty boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- OFFSET 0: each expression is evaluated once
	SELECT format('%s AS r%s%s OFFSET 0', target,
		CASE WHEN dirty THEN format(' JOIN (%s) AS "syncup dirty" ON %s', syncup.dirty_rows(target, rules), syncup.has_key_as(target, 'r', 'syncup dirty')) END,
		string_agg(CASE WHEN u.rule -> 'steps' <> 'null' THEN syncup.binding_joins(u.n, u.rule -> 'steps', u.rule ->> 'column') END, '' ORDER BY u.n))
	FROM jsonb_array_elements(rules) WITH ORDINALITY AS u (rule, n)
$$;
COMMENT ON FUNCTION syncup.expression_rows(regclass, jsonb, boolean) IS
'SQL: the rows "r" of a table, all or those that are dirty, with what leads to the values of bindings.';

CREATE FUNCTION syncup.expression_statement(target regclass, rules jsonb, dirty boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('UPDATE %s AS t SET %s FROM (SELECT q.*%s FROM (SELECT %s, %s FROM %s) AS q) AS n'
		' WHERE %s AND (%s) RETURNING %s, ARRAY[%s]',
		target,
		string_agg(format('%1$I = CASE WHEN n."syncup d%2$s" THEN n."syncup n%2$s" ELSE t.%1$I END', u.rule ->> 'property', u.n), ', ' ORDER BY u.n),
		string_agg(format(', q."syncup o%1$s"%2$s IS DISTINCT FROM q."syncup n%1$s"%2$s AS "syncup d%1$s"', u.n,
			CASE WHEN (u.rule ->> 'by_text')::boolean THEN '::pg_catalog.text' END), '' ORDER BY u.n),
		syncup.key_as(target, 'r', 'syncup key'), syncup.expression_values(rules), syncup.expression_rows(target, rules, dirty),
		syncup.has_key_as(target, 't', 'syncup key'),
		string_agg(format('n."syncup d%s"', u.n), ' OR ' ORDER BY u.n),
		syncup.key_of(target, 't'),
		string_agg(format('n."syncup d%s"', u.n), ', ' ORDER BY u.n))
	FROM jsonb_array_elements(rules) WITH ORDINALITY AS u (rule, n)
$$;
COMMENT ON FUNCTION syncup.expression_statement(regclass, jsonb, boolean) IS
'SQL: writes what differs of several expressions of a table; returns the key of each row written, and which expressions it was written for.';

-- ---------- definition ----------

CREATE FUNCTION syncup.expression_of(rule text, target regclass, definition jsonb)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result jsonb := jsonb_build_object('rule', rule, 'property', definition -> 'property', 'steps', NULL, 'type', syncup.value_type(target, (definition ->> 'property')::name));
	by_text boolean := false;
BEGIN
	IF definition ->> 'expression' IS NOT NULL THEN
		result := result || jsonb_build_object('text', syncup.rule_text(rule, 'the expression', definition ->> 'expression'));
	END IF;
	IF definition ->> 'binding' IS NOT NULL THEN
		result := result || syncup.resolve_binding(format('rule "%s"', rule), target, definition ->> 'binding');
	END IF;
	BEGIN
		EXECUTE format('SELECT NULL::%s IS DISTINCT FROM NULL::%1$s', result ->> 'type');
	EXCEPTION WHEN undefined_function THEN
		by_text := true;
	END;
	RETURN result || jsonb_build_object('by_text', by_text);
END
$$;
COMMENT ON FUNCTION syncup.expression_of(text, regclass, jsonb) IS
'What the statements around an expression are made of: its text, its type, the way that its binding leads now.';

CREATE FUNCTION syncup.check_property(rule text, target regclass, property name)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	writer text;
BEGIN
	PERFORM syncup.check_column(format('rule "%s"', rule), target, property);
	SELECT format('mapping "%s" of connector "%s"', m.mapping, m.connector) INTO writer
	FROM syncup.mapping m
	WHERE (m.target = target OR m.target IN (SELECT relid FROM pg_partition_tree(target)) OR m.target IN (SELECT relid FROM pg_partition_ancestors(target)))
		AND (EXISTS (SELECT FROM syncup.mapping_column c WHERE (c.connector, c.mapping, c.target) = (m.connector, m.mapping, property))
			OR EXISTS (SELECT FROM syncup.association a WHERE (a.connector, a.mapping, a.target_column) = (m.connector, m.mapping, property))
			OR m.options -> 'constants' ? property::text OR m.options ->> 'deleted_column' = property)
	ORDER BY m.connector, m.ordinal LIMIT 1;
	IF writer IS NOT NULL THEN
		RAISE 'rule "%" cannot compute column "%" of %: % writes it', rule, property, target, writer
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'A column is either synchronized or computed. A format may do, or a column of its own.';
	ELSIF property::text = ANY (syncup.key_columns(target)::text[]) THEN
		RAISE 'rule "%" cannot compute column "%" of %: it is of the key', rule, property, target
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A row is known by its key.';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_property(text, regclass, name) IS
'Errors unless an expression may write the column: it is there, no mapping writes it, and it is not of the key.';

CREATE FUNCTION syncup.reads_column(role regrole, rule jsonb, target regclass, name text)
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF rule ->> 'text' IS NULL THEN
		RETURN false;
	END IF;
	-- does it do without?
	PERFORM syncup.check_query(role, rule ->> 'rule', format('SELECT %s FROM (SELECT %s FROM %s AS x) AS r%s', rule ->> 'text',
		(SELECT string_agg(format('x.%I', a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
		WHERE a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped AND a.attname <> name
			AND has_column_privilege(role, target, a.attnum, 'SELECT')),
		target, CASE WHEN rule -> 'steps' <> 'null' THEN format(' CROSS JOIN (SELECT x.%I AS v FROM %s AS x) AS bound',
			rule ->> 'column', (rule #>> '{steps,-1,relation}')::oid::regclass) END));
	RETURN false;
EXCEPTION WHEN undefined_column THEN
	RETURN true;
END
$$;
COMMENT ON FUNCTION syncup.reads_column(regrole, jsonb, regclass, text) IS 'Whether an expression reads a column of its row.';

-- An expression reads columns of its row and the end of its binding. That it reads
-- its own column, to keep what is there, is no circle; by a binding it is.
CREATE FUNCTION syncup.check_circles(role regrole, rule jsonb, target regclass, priority int)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	circle text;
BEGIN
	WITH RECURSIVE known AS (
		SELECT d.rule, d.relation, d.definition ->> 'property' AS property, d.owner, syncup.expression_of(d.rule, d.relation, d.definition) AS made
		FROM syncup.rule_definition d
		WHERE d.kind = 'expression' AND d.rule <> rule ->> 'rule' AND (d.definition ->> 'priority')::int = priority
		UNION ALL
		SELECT rule ->> 'rule', target, rule ->> 'property', role, rule
	), edge AS MATERIALIZED (
		SELECT k.rule, o.rule AS other FROM known k JOIN known o
			ON CASE WHEN (k.made #>> '{steps,-1,relation}')::oid = o.relation AND k.made ->> 'column' = o.property THEN true
				WHEN o.relation = k.relation AND o.rule <> k.rule THEN syncup.reads_column(k.owner, k.made, k.relation, o.property)
				ELSE false END
	), way AS (
		SELECT e.other AS at, ARRAY[e.rule, e.other] AS path FROM edge e WHERE e.rule = rule ->> 'rule'
		UNION ALL
		SELECT e.other, w.path || e.other FROM way w JOIN edge e ON e.rule = w.at WHERE w.at <> rule ->> 'rule' AND e.other <> ALL (w.path[2:])
	)
	SELECT string_agg(format('"%s"', p.name), ' reads ' ORDER BY p.n) INTO circle
	FROM (SELECT w.path FROM way w WHERE w.at = rule ->> 'rule' ORDER BY cardinality(w.path) LIMIT 1) c,
		unnest(c.path) WITH ORDINALITY AS p (name, n);
	IF circle IS NOT NULL THEN
		RAISE 'expressions of priority % read one another in a circle', priority
			USING ERRCODE = 'invalid_parameter_value', DETAIL = circle || '.',
			HINT = 'All of one priority are computed at once, from what was there before. Give one that reads another the higher priority.';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_circles(regrole, jsonb, regclass, int) IS
'Errors if an expression, as it is about to be, would read itself by way of others of the same priority.';

CREATE FUNCTION syncup.expression_reader(target regclass, owner regrole)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('expressions of %s by %s', target, owner) $$;
COMMENT ON FUNCTION syncup.expression_reader(regclass, regrole) IS 'The consumer of flags that computes the expressions of a table that one role owns.';

CREATE FUNCTION syncup.expression_relations(rule text)
RETURNS TABLE (relation regclass)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT d.relation FROM syncup.rule_definition d WHERE d.rule = $1
	UNION
	SELECT (s ->> 'relation')::oid::regclass FROM syncup.rule_definition d
	CROSS JOIN LATERAL jsonb_array_elements(syncup.resolve_binding(format('rule "%s"', d.rule), d.relation, d.definition ->> 'binding') -> 'steps') s
	WHERE d.rule = $1 AND d.definition ->> 'binding' IS NOT NULL
$$;
COMMENT ON FUNCTION syncup.expression_relations(text) IS 'The tables whose rows an expression follows: its own, and those that its binding leads over.';

CREATE FUNCTION syncup.reset_expressions(target regclass)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	o record;
BEGIN
	DELETE FROM syncup.consumer c WHERE starts_with(c.consumer, format('expressions of %s by ', target));
	FOR o IN SELECT d.owner, array_agg(DISTINCT r.relation) AS relations
		FROM syncup.rule_definition d CROSS JOIN LATERAL syncup.expression_relations(d.rule) r
		WHERE d.kind = 'expression' AND d.relation = target GROUP BY d.owner
	LOOP
		PERFORM syncup.begin_seeing(syncup.expression_reader(target, o.owner), o.relations);
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.reset_expressions(regclass) IS 'The next run of the expressions of a table looks at every row, and flags are written from now on.';

CREATE FUNCTION syncup.define_expression(caller regrole, target regclass, property name, expression text, priority int, binding text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	name text;
	definition jsonb;
	made jsonb;
	reads regclass[];
BEGIN
	IF target IS NULL OR property IS NULL OR expression IS NULL AND binding IS NULL THEN
		RAISE 'an expression needs a target, a property, and a text or a binding' USING ERRCODE = 'null_value_not_allowed';
	ELSIF (SELECT c.relkind FROM pg_class c WHERE c.oid = target) NOT IN ('r', 'p') THEN
		RAISE '% is no table', target USING ERRCODE = 'wrong_object_type';
	END IF;
	priority := coalesce(priority, 0);
	LOCK TABLE syncup.rule_definition IN SHARE ROW EXCLUSIVE MODE;
	definition := jsonb_strip_nulls(jsonb_build_object('property', property, 'expression', expression, 'priority', priority, 'binding', binding));
	SELECT d.rule INTO name FROM syncup.rule_definition d
	WHERE d.kind = 'expression' AND d.relation = target AND d.definition ->> 'property' = property;
	name := coalesce(name, syncup.free_rule_name(format('expression %s.%s', (SELECT c.relname FROM pg_class c WHERE c.oid = target), property), '{"is": "new"}'));
	PERFORM syncup.check_property(name, target, property);
	made := syncup.expression_of(name, target, definition);
	reads := syncup.check_query(caller, name, format('SELECT %s FROM %s', syncup.expression_values(jsonb_build_array(made)), syncup.expression_rows(target, jsonb_build_array(made), false)));
	-- what may not be read or written, and what the column does not take, is an error now
	PERFORM FROM syncup.write_as(caller, 'EXPLAIN ' || syncup.expression_statement(target, jsonb_build_array(made), true),
		syncup.given_keys(target, '{}'), name) AS (plan text);
	IF expression IS NOT NULL THEN
		BEGIN
			PERFORM FROM syncup.write_as(caller, format('EXPLAIN UPDATE %s AS r SET %I = %s', target, property, made ->> 'text'), NULL, name) AS (plan text);
		EXCEPTION WHEN undefined_column OR datatype_mismatch THEN
			-- it has a binding, or a cast does it
			NULL;
		END;
	END IF;
	PERFORM syncup.check_circles(caller, made, target, priority);
	PERFORM syncup.put_rule(caller, name, 'expression', target, NULL, definition, reads);
	PERFORM syncup.reset_expressions(target);
	RETURN name;
END
$$;
COMMENT ON FUNCTION syncup.define_expression(regrole, regclass, name, text, int, text) IS 'What syncup_define_expression() does.';

CREATE FUNCTION syncup_define_expression(target regclass, property name, expression text, priority int DEFAULT 0, binding text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_define_expression(regclass, name, text, int, text) IS
'Defines the value of a column that no mapping writes: SQL over the row r and, with a binding such as manager.organization.name, the value v at its end, which without an expression is the result. Returns the name of the rule.';

CREATE FUNCTION syncup.forget_expression(rule text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	DELETE FROM syncup.expression_error e WHERE e.rule = rule;
	DELETE FROM syncup.consumer c USING syncup.rule_definition d
	WHERE d.rule = rule AND starts_with(c.consumer, format('expressions of %s by ', d.relation)) AND NOT EXISTS (
		SELECT FROM syncup.rule_definition o
		WHERE o.kind = 'expression' AND o.relation = d.relation AND o.rule <> rule AND c.consumer = syncup.expression_reader(o.relation, o.owner));
END
$$;
COMMENT ON FUNCTION syncup.forget_expression(text) IS 'Forgets the errors of an expression that is dropped, and who reads flags for it. The values that it gave stay.';

-- ---------- computing ----------

-- A query of the keys that are to be looked at, as the relation "given".
CREATE FUNCTION syncup.given_keys(target regclass, keys text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('SELECT %s::oid AS relation, k AS key, false AS deleted FROM unnest(%L::text[]) k', target::oid, keys) $$;
COMMENT ON FUNCTION syncup.given_keys(regclass, text[]) IS 'A query for "given": these keys of a table.';

CREATE FUNCTION syncup.given_dirty(target regclass, owner regrole)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat_ws(' UNION ALL ', string_agg(format('SELECT %s::oid AS relation, u.key, u.deleted FROM syncup.unseen(%L, %s) u', c.target::oid, c.consumer, c.target::oid), ' UNION ALL '),
		format('SELECT %s::oid, e.key, false FROM syncup.expression_error e JOIN syncup.rule_definition d USING (rule) WHERE d.relation = %1$s AND d.owner = %s', $1::oid, owner::oid))
	FROM syncup.consumer c WHERE c.consumer = syncup.expression_reader($1, owner)
$$;
COMMENT ON FUNCTION syncup.given_dirty(regclass, regrole) IS
'A query for "given": what has changed since the expressions of a table were computed, and the rows that raised errors then.';

-- Constraint triggers that the table has put off fire with the role's rights, too.
CREATE FUNCTION syncup.deferrable_constraints(target regclass, deferred boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('%I.%I', n.nspname, c.conname), ', ') FROM pg_constraint c JOIN pg_namespace n ON n.oid = c.connamespace
	WHERE c.conrelid = target AND c.condeferrable AND (c.condeferred OR NOT deferred)
$$;
COMMENT ON FUNCTION syncup.deferrable_constraints(regclass, boolean) IS 'The constraints of a table that can be deferred, or that are at first.';

CREATE FUNCTION syncup.write_expressions(target regclass, owner regrole, rules jsonb, statement text, given text)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	result bigint[];
BEGIN
	IF syncup.deferrable_constraints(target, false) IS NOT NULL THEN
		EXECUTE format('SET CONSTRAINTS %s IMMEDIATE', syncup.deferrable_constraints(target, false));
	END IF;
	WITH written AS MATERIALIZED (
		SELECT w.key, w.changed FROM syncup.write_as(owner, statement, given,
			(SELECT string_agg(r ->> 'rule', '", "') FROM jsonb_array_elements(rules) r)) AS w (key text, changed boolean[])
	), many AS MATERIALIZED (
		-- to look at all of the table is cheaper then
		SELECT count(*) > 10000 AS are FROM written
	), flagged AS (
		INSERT INTO syncup.flag (target, key, reason) SELECT r.relation, k.key, 'expression'
		FROM unnest(syncup.readers(target)) AS r (relation)
		CROSS JOIN (SELECT w.key FROM written w WHERE NOT (SELECT m.are FROM many m) UNION ALL SELECT NULL FROM many m WHERE m.are) AS k
	)
	SELECT array_agg((SELECT count(*) FROM written w WHERE w.changed[n]) ORDER BY n) INTO result
	FROM generate_series(1, jsonb_array_length(rules)) n;
	IF syncup.deferrable_constraints(target, true) IS NOT NULL THEN
		EXECUTE format('SET CONSTRAINTS %s DEFERRED', syncup.deferrable_constraints(target, true));
	END IF;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.write_expressions(regclass, regrole, jsonb, text, text) IS
'Runs the statement of expressions of one table and owner, and flags what it writes; how many rows each has written.';

CREATE FUNCTION syncup.write_apart(target regclass, owner regrole, rules jsonb, statement text, keys text[])
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	half int := cardinality(keys) / 2;
	a bigint[] := '{}';
	b bigint[];
BEGIN
	BEGIN
		RETURN syncup.write_expressions(target, owner, rules, statement, syncup.given_keys(target, keys));
	EXCEPTION WHEN OTHERS THEN
		IF NOT syncup.is_of_a_row(SQLSTATE) THEN
			-- the statements on the way may hold keys
			RAISE EXCEPTION USING ERRCODE = SQLSTATE, MESSAGE = SQLERRM;
		ELSIF cardinality(keys) = 1 AND jsonb_array_length(rules) = 1 THEN
			INSERT INTO syncup.expression_error AS e (rule, key, message) VALUES (rules -> 0 ->> 'rule', keys[1], SQLERRM)
			ON CONFLICT ON CONSTRAINT expression_error_pkey DO UPDATE SET message = excluded.message, tried_again = false;
			RETURN ARRAY[0];
		END IF;
	END;
	IF cardinality(keys) = 1 THEN
		FOR i IN 0 .. jsonb_array_length(rules) - 1 LOOP
			a := a || syncup.write_apart(target, owner, jsonb_build_array(rules -> i), syncup.expression_statement(target, jsonb_build_array(rules -> i), true), keys);
		END LOOP;
		RETURN a;
	END IF;
	a := syncup.write_apart(target, owner, rules, statement, keys[:half]);
	b := syncup.write_apart(target, owner, rules, statement, keys[half + 1:]);
	RETURN ARRAY(SELECT x + y FROM unnest(a, b) AS u (x, y));
END
$$;
COMMENT ON FUNCTION syncup.write_apart(regclass, regrole, jsonb, text, text[]) IS
'The same of rows among which one raises an error: half by half, until it is alone. It keeps its value, and is noted in syncup.expression_error.';

CREATE FUNCTION syncup.update_group(target regclass, owner regrole, rules jsonb, given text)
RETURNS bigint[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	keys text[];
BEGIN
	BEGIN
		RETURN syncup.write_expressions(target, owner, rules, syncup.expression_statement(target, rules, given IS NOT NULL), given);
	EXCEPTION WHEN OTHERS THEN
		IF NOT syncup.is_of_a_row(SQLSTATE) THEN
			RAISE;
		END IF;
	END;
	SELECT array_agg(q.key) INTO keys
	FROM syncup.query_as(owner, format('SELECT %s FROM %s AS r%s', syncup.key_of(target, 'r'), target,
		CASE WHEN given IS NOT NULL THEN format(' JOIN (%s) AS d ON %s', syncup.dirty_rows(target, rules), syncup.has_key_as(target, 'r', 'syncup dirty')) END), given) AS q (key text);
	RETURN syncup.write_apart(target, owner, rules, syncup.expression_statement(target, rules, true), keys);
END
$$;
COMMENT ON FUNCTION syncup.update_group(regclass, regrole, jsonb, text) IS
'The same, whether a row raises an error or not.';

CREATE FUNCTION syncup.update_expressions(caller regrole, targets regclass[], dirty boolean)
RETURNS TABLE (target regclass, property name, rows bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	t regclass;
	g record;
	written bigint[];
	given text;
	readers text[] := '{}';
	whole text[] := '{}';
BEGIN
	FOREACH t IN ARRAY coalesce(targets, '{}') LOOP
		IF NOT EXISTS (SELECT FROM syncup.rule_definition d WHERE d.kind = 'expression' AND d.relation = t AND pg_has_role(caller, d.owner, 'MEMBER')) THEN
			RAISE 'there is no expression on %', t USING ERRCODE = 'undefined_object', HINT = 'See syncup.rule.';
		END IF;
	END LOOP;
	-- First of all: what is flagged from now on is for the next run.
	FOR g IN
		SELECT syncup.expression_reader(d.relation, d.owner) AS reader, array_agg(DISTINCT r.relation) AS relations
		FROM syncup.rule_definition d CROSS JOIN LATERAL syncup.expression_relations(d.rule) r
		WHERE d.kind = 'expression' AND (targets IS NULL OR d.relation = ANY (targets)) AND pg_has_role(caller, d.owner, 'MEMBER')
		GROUP BY 1 ORDER BY 1
	LOOP
		readers := readers || g.reader;
		IF NOT syncup.begin_seeing(g.reader, g.relations) OR NOT coalesce(dirty, false) THEN
			whole := whole || g.reader;
		END IF;
	END LOOP;
	UPDATE syncup.expression_error e SET tried_again = true
	FROM syncup.rule_definition d WHERE d.rule = e.rule AND syncup.expression_reader(d.relation, d.owner) = ANY (readers);
	FOR g IN
		SELECT d.relation, d.owner, (d.definition ->> 'priority')::int AS priority,
			jsonb_agg(syncup.expression_of(d.rule, d.relation, d.definition) ORDER BY d.seq) AS rules
		FROM syncup.rule_definition d
		WHERE d.kind = 'expression' AND syncup.expression_reader(d.relation, d.owner) = ANY (readers)
		GROUP BY d.relation, d.owner, 3
		ORDER BY 3, d.relation::text, d.owner::text
	LOOP
		PERFORM syncup.check_property(r ->> 'rule', g.relation, (r ->> 'property')::name) FROM jsonb_array_elements(g.rules) r;
		given := CASE WHEN syncup.expression_reader(g.relation, g.owner) <> ALL (whole) THEN syncup.given_dirty(g.relation, g.owner) END;
		written := syncup.update_group(g.relation, g.owner, g.rules, given);
		RETURN QUERY SELECT g.relation, (r.rule ->> 'property')::name, written[r.n] FROM jsonb_array_elements(g.rules) WITH ORDINALITY AS r (rule, n);
	END LOOP;
	DELETE FROM syncup.expression_error e USING syncup.rule_definition d
	WHERE d.rule = e.rule AND e.tried_again AND syncup.expression_reader(d.relation, d.owner) = ANY (readers);
	FOR g IN
		SELECT e.rule, count(*) AS errors FROM syncup.expression_error e JOIN syncup.rule_definition d USING (rule)
		WHERE syncup.expression_reader(d.relation, d.owner) = ANY (readers) GROUP BY e.rule ORDER BY e.rule
	LOOP
		RAISE NOTICE 'rule "%" raises errors', g.rule
			USING DETAIL = format('Rows that keep their value: %s.', g.errors), HINT = 'See syncup.expression_error.';
	END LOOP;
	PERFORM syncup.mark_seen(r) FROM unnest(readers) r;
END
$$;
COMMENT ON FUNCTION syncup.update_expressions(regrole, regclass[], boolean) IS 'What syncup_update_expressions() does.';

CREATE FUNCTION syncup_update_expressions(targets regclass[] DEFAULT NULL, dirty boolean DEFAULT false)
RETURNS TABLE (target regclass, property name, rows bigint)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_update_expressions(regclass[], boolean) IS
'Computes the expressions of these tables, or of all, by ascending priority, and writes what differs; dirty: of the rows alone that flags tell of. A row that raises an error keeps its value, and is noted in syncup.expression_error.';
