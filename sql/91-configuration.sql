-- The configuration as a document, and back (SPEC 2.1). A part of it is a row: a query
-- for what there is, and a function that says the call which makes it so.

CREATE TABLE syncup.configuration_part (
	part text PRIMARY KEY,
	place int NOT NULL,
	there text NOT NULL,
	call text NOT NULL
);
COMMENT ON TABLE syncup.configuration_part IS 'What a document of the configuration holds, in the order of import.';
COMMENT ON COLUMN syncup.configuration_part.there IS 'a function (connector text) returns setof syncup.configured: what there is, of a connector or of all';
COMMENT ON COLUMN syncup.configuration_part.call IS 'a function (name text, definition jsonb) returns setof text: the statements that make it so';

CREATE TYPE syncup.configured AS (place text, name text, definition jsonb);
COMMENT ON TYPE syncup.configured IS 'One thing that is configured: where it comes among its like, its name, and what it is.';

CREATE FUNCTION syncup.thing_name(VARIADIC parts text[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT string_agg(CASE WHEN p ~ '[.]|^"' THEN format('"%s"', replace(p, '"', '""')) ELSE p END, '.' ORDER BY n) FROM unnest(parts) WITH ORDINALITY AS u (p, n) $$;
COMMENT ON FUNCTION syncup.thing_name(text[]) IS 'A name made of those, without nulls, of which none is another one''s.';

-- ---------- arguments of a call ----------

CREATE FUNCTION syncup.argument(value jsonb, type text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN value IS NULL OR value = 'null' THEN 'NULL'
		WHEN type = 'jsonb' THEN quote_literal(value::text) || '::jsonb'
		WHEN type LIKE '%[]' AND jsonb_typeof(value) = 'array' THEN format('ARRAY[%s]::%s', (SELECT string_agg(quote_literal(e), ', ' ORDER BY n) FROM jsonb_array_elements_text(value) WITH ORDINALITY AS u (e, n)), type)
		ELSE format('%L::%s', value #>> '{}', type) END
$$;
COMMENT ON FUNCTION syncup.argument(jsonb, text) IS 'A value of a document as an argument of a type.';

CREATE FUNCTION syncup.call_of(function text, definition jsonb, VARIADIC arguments text[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT @extschema@.%I(%s)', function, string_agg(format('%I => %s', split_part(a, ' ', 1), syncup.argument(definition -> split_part(a, ' ', 1), split_part(a, ' ', 2))), ', ' ORDER BY n))
	FROM unnest(arguments) WITH ORDINALITY AS u (a, n)
$$;
COMMENT ON FUNCTION syncup.call_of(text, jsonb, text[]) IS 'A statement that calls a function of ours; arguments are "name type", their values members of the document of that name.';

-- ---------- connectors, mappings, limits, senders, checks ----------

CREATE FUNCTION syncup.connectors_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.connector, c.connector, jsonb_build_object('connector', c.connector, 'directory', c.directory, 'options', c.options, 'active', c.active)
	FROM syncup.connector c WHERE $1 IS NULL OR c.connector = $1
$$;
COMMENT ON FUNCTION syncup.connectors_there(text) IS 'The connectors.';

CREATE FUNCTION syncup.connector_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.call_of('syncup_create_connector', definition, 'connector text', 'directory text', 'options jsonb')
	UNION ALL
	SELECT syncup.call_of(CASE WHEN coalesce((definition ->> 'active')::boolean, true) THEN 'syncup_activate' ELSE 'syncup_deactivate' END, definition, 'connector text')
$$;
COMMENT ON FUNCTION syncup.connector_call(text, jsonb) IS 'What makes a connector.';

-- A source column that feeds several has a list of them.
CREATE FUNCTION syncup.mapped_columns(connector text, mapping text)
RETURNS jsonb
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(jsonb_object_agg(s.source, CASE WHEN jsonb_array_length(s.targets) = 1 THEN s.targets -> 0 ELSE s.targets END), '{}')
	FROM (
		SELECT k.source, jsonb_agg(CASE WHEN coalesce(k.format, k.write, k.empty, k.optional) IS NULL THEN to_jsonb(k.target)
			ELSE jsonb_strip_nulls(jsonb_build_object('column', k.target, 'format', k.format, 'write', k.write, 'empty', k.empty, 'optional', k.optional)) END ORDER BY k.ordinal) AS targets
		FROM syncup.mapping_column k WHERE k.connector = $1 AND k.mapping = $2 AND k.target IS NOT NULL GROUP BY k.source) AS s
$$;
COMMENT ON FUNCTION syncup.mapped_columns(text, text) IS 'The columns of a mapping, as the mapping call takes them.';

CREATE FUNCTION syncup.entity_types_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT lpad(m.ordinal::text, 10, '0'), syncup.thing_name(m.connector, m.mapping),
		jsonb_build_object('connector', m.connector, 'entity_type', m.mapping, 'target', m.target::text, 'file', m.file,
			'key', (SELECT CASE WHEN count(*) = 1 THEN to_jsonb(min(k.source)) ELSE jsonb_agg(k.source ORDER BY k.key_part) END
				FROM syncup.mapping_column k WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.key_part IS NOT NULL),
			'columns', syncup.mapped_columns(m.connector, m.mapping), 'unique_keys', to_jsonb(m.unique_keys), 'options', m.options)
	FROM syncup.mapping m WHERE m.kind = 'entity type' AND ($1 IS NULL OR m.connector = $1)
$$;
COMMENT ON FUNCTION syncup.entity_types_there(text) IS 'The entity type mappings.';

CREATE FUNCTION syncup.entity_type_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.call_of('syncup_map_entity_type', definition, 'connector text', 'entity_type text', 'target regclass', 'file text',
		CASE jsonb_typeof(definition -> 'key') WHEN 'array' THEN 'key text[]' ELSE 'key text' END, 'columns jsonb', 'unique_keys text[]', 'options jsonb')
$$;
COMMENT ON FUNCTION syncup.entity_type_call(text, jsonb) IS 'What maps an entity type.';

CREATE FUNCTION syncup.associations_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT lpad(m.ordinal::text, 10, '0'), syncup.thing_name(m.connector, m.mapping),
		jsonb_build_object('connector', m.connector, 'association', m.mapping, 'file', m.file, 'target', m.target::text, 'options', m.options)
			|| (SELECT jsonb_object_agg(p.name, p.value) FROM syncup.association a
				JOIN syncup.mapping_column k ON k.connector = a.connector AND k.mapping = a.mapping AND k.ordinal = a.side
				CROSS JOIN LATERAL (VALUES ('column' || a.side, k.source), ('property' || a.side, concat_ws('.', nullif(a.entity_connector, a.connector), a.entity, a.property)),
					('target_column' || a.side, a.target_column::text)) AS p (name, value)
				WHERE a.connector = m.connector AND a.mapping = m.mapping)
	FROM syncup.mapping m WHERE m.kind = 'association' AND ($1 IS NULL OR m.connector = $1)
$$;
COMMENT ON FUNCTION syncup.associations_there(text) IS 'The association mappings.';

CREATE FUNCTION syncup.association_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.call_of('syncup_map_association', definition, 'connector text', 'association text', 'file text', 'column1 text', 'property1 text', 'column2 text', 'property2 text',
		'target regclass', 'target_column1 name', 'target_column2 name', 'options jsonb')
$$;
COMMENT ON FUNCTION syncup.association_call(text, jsonb) IS 'What maps an association.';

CREATE FUNCTION syncup.limits_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '', syncup.thing_name(t.connector, t.mapping), jsonb_build_object('connector', t.connector, 'mapping', t.mapping,
		'limits', jsonb_object_agg(l.name, CASE WHEN l.percentage THEN t.max_percentage ELSE t.maximum END))
	FROM syncup.threshold t JOIN syncup.threshold_limit l USING (counter)
	-- of a connector all, also those that are as they come: what was loosened elsewhere is brought back
	WHERE ($1 IS NULL OR t.connector = $1) AND (t.mapping IS NULL OR CASE WHEN l.percentage THEN t.max_percentage ELSE t.maximum END <> 0)
	GROUP BY t.connector, t.mapping
$$;
COMMENT ON FUNCTION syncup.limits_there(text) IS 'All limits of connectors, and those that mappings have of their own.';

CREATE FUNCTION syncup.limits_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT syncup.call_of('syncup_set_thresholds', definition, 'connector text', 'limits jsonb', 'mapping text') $$;
COMMENT ON FUNCTION syncup.limits_call(text, jsonb) IS 'What sets limits.';

CREATE FUNCTION syncup.senders_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '', s.connector || ' ' || s.role, jsonb_build_object('connector', s.connector, 'role', s.role::text)
	FROM syncup.sender s WHERE $1 IS NULL OR s.connector = $1
$$;
COMMENT ON FUNCTION syncup.senders_there(text) IS 'Who may send files.';

CREATE FUNCTION syncup.sender_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT syncup.call_of('syncup_grant_sender', definition, 'connector text', 'role name') $$;
COMMENT ON FUNCTION syncup.sender_call(text, jsonb) IS 'What lets a role send files.';

CREATE FUNCTION syncup.checks_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '', syncup.thing_name(d.connector, d.name), jsonb_build_object('connector', d.connector, 'check', d.name, 'query', d.query, 'mapping', d.mapping)
	FROM syncup.check_definition d WHERE ($1 IS NULL OR d.connector = $1) AND pg_has_role(d.owner, 'MEMBER')
$$;
COMMENT ON FUNCTION syncup.checks_there(text) IS 'The checks of roles that the current one is a member of.';

CREATE FUNCTION syncup.check_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT syncup.call_of('syncup_add_check', definition || jsonb_build_object('name', definition -> 'check'), 'connector text', 'name text', 'query text', 'mapping text') $$;
COMMENT ON FUNCTION syncup.check_call(text, jsonb) IS 'What adds a check.';

-- ---------- resource types, rules ----------

CREATE FUNCTION syncup.resource_types_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- those first that others depend on
	WITH RECURSIVE depth (name, level) AS (
		SELECT t.resource_type, 0 FROM syncup.resource_type t WHERE t.options ->> 'depends_on' IS NULL
		UNION ALL
		SELECT t.resource_type, d.level + 1 FROM depth d JOIN syncup.resource_type t ON t.options ->> 'depends_on' = d.name
	)
	SELECT lpad(d.level::text, 10, '0'), t.resource_type,
		jsonb_build_object('resource_type', t.resource_type, 'owner', t.owner::text, 'account', t.account::text, 'options', t.options)
	FROM syncup.resource_type t JOIN depth d ON d.name = t.resource_type WHERE $1 IS NULL AND pg_has_role(t.role, 'MEMBER')
$$;
COMMENT ON FUNCTION syncup.resource_types_there(text) IS 'The resource types of roles that the current one is a member of.';

CREATE FUNCTION syncup.resource_type_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT syncup.call_of('syncup_create_resource_type', definition, 'resource_type text', 'owner regclass', 'account regclass', 'options jsonb') $$;
COMMENT ON FUNCTION syncup.resource_type_call(text, jsonb) IS 'What makes a resource type.';

CREATE FUNCTION syncup.rules_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- roles first, parents before their children: other rules name them
	WITH RECURSIVE depth (role, level) AS (
		SELECT r.rule, 0 FROM syncup.rule r WHERE r.kind = 'role' AND r.definition ->> 'parent' IS NULL
		UNION ALL
		SELECT r.rule, d.level + 1 FROM depth d JOIN syncup.rule r ON r.kind = 'role' AND r.definition ->> 'parent' = d.role
	)
	-- what is found out about a binding is no part of its definition
	SELECT array_position(ARRAY['role', 'expression', 'correlation', 'type', 'scalar', 'navigation', 'classification', 'profile'], r.kind) || lpad(coalesce(d.level, 0)::text, 10, '0'), r.rule, jsonb_build_object('kind', r.kind, 'is_on', regexp_replace(r.is_on, '^resource type ', ''))
		|| CASE r.kind WHEN 'navigation' THEN (r.definition - 'connector') || jsonb_build_object('association', concat_ws('.', r.definition ->> 'connector', r.definition ->> 'association'))
			ELSE r.definition - 'path' END
	FROM syncup.rule r LEFT JOIN depth d ON d.role = r.rule AND r.kind = 'role' WHERE $1 IS NULL
$$;
COMMENT ON FUNCTION syncup.rules_there(text) IS 'The rules whose owner the current role is a member of.';

CREATE FUNCTION syncup.rule_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE d.kind
		WHEN 'expression' THEN syncup.call_of('syncup_define_expression', d.d || jsonb_build_object('target', d.is_on), 'target regclass', 'property name', 'expression text', 'priority int', 'binding text')
		WHEN 'correlation' THEN syncup.call_of('syncup_define_correlation', d.d || jsonb_build_object('resource_type', d.is_on, 'owner_expression', d.d -> 'owner', 'account_expression', d.d -> 'account'),
			'resource_type text', 'owner_expression text', 'account_expression text', 'confidence int')
		WHEN 'role' THEN syncup.call_of('syncup_define_role', d.d || jsonb_build_object('role', $1, 'owner', d.is_on), 'role text', 'owner regclass', 'condition text', 'parent text')
		WHEN 'type' THEN syncup.call_of('syncup_define_type_rule', d.d || jsonb_build_object('resource_type', d.is_on), 'resource_type text', 'condition text', 'role text', 'denied boolean')
		WHEN 'scalar' THEN syncup.call_of('syncup_define_scalar_rule', d.d || jsonb_build_object('resource_type', d.is_on, 'options', jsonb_strip_nulls(d.d - 'kind' - 'is_on' - 'property' - 'expression')),
			'resource_type text', 'property name', 'expression text', 'options jsonb')
		WHEN 'navigation' THEN syncup.call_of('syncup_define_navigation_rule', d.d || jsonb_build_object('resource_type', d.is_on),
			'resource_type text', 'association text', 'resource text', 'condition text', 'role text', 'denied boolean')
		WHEN 'classification' THEN syncup.call_of('syncup_define_classification', d.d || jsonb_build_object('resource_type', d.is_on), 'resource_type text', 'condition text', 'confidence int')
		WHEN 'profile' THEN syncup.call_of('syncup_define_profile', d.d || jsonb_build_object('profile', $1, 'owner', d.is_on, 'options', jsonb_strip_nulls(d.d - 'kind' - 'is_on' - 'condition')),
			'profile text', 'owner regclass', 'condition text', 'options jsonb') END
	FROM (SELECT definition AS d, definition ->> 'kind' AS kind, definition ->> 'is_on' AS is_on) AS d
$$;
COMMENT ON FUNCTION syncup.rule_call(text, jsonb) IS 'What defines a rule.';

-- ---------- jobs ----------

CREATE FUNCTION syncup.jobs_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT j.job, j.job, jsonb_build_object('job', j.job, 'incremental', j.incremental, 'options', j.options - 'made')
	FROM syncup.job j
	WHERE $1 IS NULL OR EXISTS (SELECT FROM syncup.job_step s WHERE s.job = j.job AND s.connector = $1)
		AND NOT EXISTS (SELECT FROM syncup.job_step s WHERE s.job = j.job AND s.connector <> $1)
$$;
COMMENT ON FUNCTION syncup.jobs_there(text) IS 'The jobs whose owner the current role is a member of; of a connector those that are about it alone.';

CREATE FUNCTION syncup.job_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT syncup.call_of('syncup_create_job', definition, 'job text', 'incremental boolean', 'options jsonb') $$;
COMMENT ON FUNCTION syncup.job_call(text, jsonb) IS 'What makes a job.';

CREATE FUNCTION syncup.steps_there(connector text)
RETURNS SETOF syncup.configured
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT lpad(s.level::text, 10, '0') || lpad(s.ordinal::text, 10, '0'), syncup.thing_name(s.job, s.step),
		jsonb_build_object('job', s.job, 'step', s.step, 'kind', s.kind, 'connector', s.connector, 'parents', to_jsonb(s.parents), 'level', s.level, 'start_when', s.start_when,
			'continue_on_error', s.continue_on_error, 'options', s.options)
	FROM syncup.job_step s WHERE s.job IN (SELECT j.name FROM syncup.jobs_there($1) j)
$$;
COMMENT ON FUNCTION syncup.steps_there(text) IS 'The steps of those jobs.';

CREATE FUNCTION syncup.step_call(name text, definition jsonb)
RETURNS SETOF text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.call_of('syncup_add_step', definition, 'job text', 'step text', 'kind text', 'connector text', 'parents text[]', 'level int', 'start_when text', 'continue_on_error boolean', 'options jsonb')
$$;
COMMENT ON FUNCTION syncup.step_call(text, jsonb) IS 'What adds a step.';

INSERT INTO syncup.configuration_part (part, place, there, call) VALUES
	('connectors', 1, 'syncup.connectors_there', 'syncup.connector_call'),
	('entity_types', 2, 'syncup.entity_types_there', 'syncup.entity_type_call'),
	('associations', 3, 'syncup.associations_there', 'syncup.association_call'),
	('limits', 4, 'syncup.limits_there', 'syncup.limits_call'),
	('senders', 5, 'syncup.senders_there', 'syncup.sender_call'),
	('checks', 6, 'syncup.checks_there', 'syncup.check_call'),
	('resource_types', 7, 'syncup.resource_types_there', 'syncup.resource_type_call'),
	('rules', 8, 'syncup.rules_there', 'syncup.rule_call'),
	('jobs', 9, 'syncup.jobs_there', 'syncup.job_call'),
	('steps', 10, 'syncup.steps_there', 'syncup.step_call');

-- ---------- the document ----------

CREATE FUNCTION syncup.configuration_there(connector text)
RETURNS TABLE (part text, part_place int, place text, name text, definition jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p syncup.configuration_part;
BEGIN
	FOR p IN SELECT * FROM syncup.configuration_part c ORDER BY c.place LOOP
		RETURN QUERY EXECUTE format('SELECT %L, %s, t.place, t.name, t.definition FROM %s($1) t', p.part, p.place, p.there) USING connector;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.configuration_there(text) IS 'All that is configured, of a connector or of all.';

CREATE FUNCTION syncup_export_configuration(connector text DEFAULT NULL)
RETURNS jsonb
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF connector IS NOT NULL AND NOT EXISTS (SELECT FROM syncup.connector c WHERE c.connector = connector) THEN
		RAISE 'connector "%" does not exist', connector USING ERRCODE = 'undefined_object',
			HINT = syncup.connectors_hint(connector);
	END IF;
	RETURN jsonb_build_object('syncup', (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'syncup'))
		|| coalesce((SELECT jsonb_object_agg(p.part, p.things) FROM (
			SELECT t.part, jsonb_agg(jsonb_build_object('name', t.name) || t.definition ORDER BY t.place COLLATE "C", t.name COLLATE "C") AS things
			FROM syncup.configuration_there(connector) t GROUP BY t.part) p), '{}');
END
$$;
COMMENT ON FUNCTION syncup_export_configuration(text) IS
'The configuration of a connector, or of all with rules and jobs, as a document that syncup_import_configuration() takes: always in the same order, without secrets, owners and states.';

CREATE FUNCTION syncup.things_there(p syncup.configuration_part, things jsonb)
RETURNS TABLE (n bigint, thing jsonb, definition jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT e.n, e.value, t.definition FROM jsonb_array_elements($1) WITH ORDINALITY AS e (value, n) LEFT JOIN %s(NULL) t ON t.name = e.value ->> ''name'' ORDER BY e.n', p.there)
	USING things;
END
$$;
COMMENT ON FUNCTION syncup.things_there(syncup.configuration_part, jsonb) IS 'The things of a part of a document, in their order, each beside what is there by that name.';

-- ---------- where an error is ----------

CREATE FUNCTION syncup.path_step(member text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT '.' || CASE WHEN member ~ '^[[:alpha:]_][[:alnum:]_]*$' THEN member ELSE to_json(member)::text END $$;
COMMENT ON FUNCTION syncup.path_step(text) IS 'A member as the end of a path.';

CREATE FUNCTION syncup.path_told(thing jsonb, told text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE member (path, depth, key, value) AS (
		SELECT '', 0, NULL::text, thing - 'name'
		UNION ALL
		SELECT m.path || c.step, m.depth + 1, c.key, c.value
		FROM member m CROSS JOIN LATERAL (
			SELECT syncup.path_step(e.key), e.key, e.value FROM jsonb_each(CASE jsonb_typeof(m.value) WHEN 'object' THEN m.value ELSE '{}' END) e
			UNION ALL
			SELECT format('[%s]', a.n - 1), NULL, a.value FROM jsonb_array_elements(CASE jsonb_typeof(m.value) WHEN 'array' THEN m.value ELSE '[]' END) WITH ORDINALITY a (value, n)) AS c (step, key, value)
	), named AS (
		SELECT m.path, m.depth, position(format('"%s"', m.key) IN told) > 0 AS by_key,
			position(format('"%s"', m.value #>> '{}') IN told) > 0 AS by_value,
			-- whose it is is said of every error
			m.depth = 1 AND position(m.value #>> '{}' IN thing ->> 'name') > 0 AS is_name,
			m.depth = 1 AND position(format(' %s ', m.key) IN format(' %s ', told)) > 0 AS as_word,
			(SELECT count(*) FROM regexp_matches(told, '"([^"]+)"', 'g') q WHERE jsonb_typeof(m.value) = 'string' AND position(q[1] IN m.value #>> '{}') > 0) AS parts
		FROM member m WHERE m.depth > 0
	)
	SELECT n.path FROM named n WHERE n.by_key OR n.by_value OR n.as_word OR n.parts > 0
	ORDER BY coalesce(n.is_name, false), coalesce(n.by_key OR n.by_value, false) DESC, n.parts DESC, n.depth DESC, n.path COLLATE "C" LIMIT 1
$$;
COMMENT ON FUNCTION syncup.path_told(jsonb, text) IS 'The member of a thing that a message speaks of, as a path; null: of none.';

CREATE FUNCTION syncup.check_imported(p syncup.configuration_part, things jsonb, places bigint[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
	thing jsonb;
	definition jsonb;
	unknown text[];
	other text;
	became jsonb;
BEGIN
	FOR n, thing, definition IN SELECT b.n, b.thing, b.definition FROM syncup.things_there(p, things) b LOOP
		IF definition IS NULL THEN
			RAISE '% "%" of the document has a name that its members do not give', p.part, thing ->> 'name' USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It stands at %s[%s].name.', p.part, places[n] - 1), HINT = 'Names are those that syncup_export_configuration() gives: of a mapping "connector.mapping".';
		END IF;
		SELECT array_agg(m.key ORDER BY m.key) INTO unknown FROM jsonb_each(thing - 'name') m WHERE m.value <> 'null' AND NOT definition ? m.key;
		IF unknown IS NOT NULL THEN
			RAISE '% "%" of the document has unknown members: %', p.part, thing ->> 'name', (SELECT string_agg(format('"%s"', u), ', ') FROM unnest(unknown) u) USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('The first stands at %s[%s]%s.', p.part, places[n] - 1, syncup.path_step(unknown[1])),
				HINT = syncup.names_hint(unknown[1], ARRAY(SELECT k FROM jsonb_object_keys(definition) k ORDER BY k COLLATE "C"), 'Members are %s.', NULL);
		END IF;
		SELECT m.key, coalesce(definition -> m.key, 'null') INTO other, became FROM jsonb_each(thing - 'name') m
		WHERE CASE WHEN jsonb_typeof(m.value) = 'object' THEN jsonb_typeof(definition -> m.key) <> 'object'
			ELSE m.value NOT IN (coalesce(definition -> m.key, 'null'), jsonb_build_array(definition -> m.key)) END ORDER BY 1 LIMIT 1;
		IF other IS NOT NULL THEN
			RAISE '% "%" of the document: "%" is %, which was taken as %', p.part, thing ->> 'name', other, thing -> other, became USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('It stands at %s[%s]%s.', p.part, places[n] - 1, syncup.path_step(other)), HINT = 'Say what it is, or leave it out.';
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.check_imported(syncup.configuration_part, jsonb, bigint[]) IS 'Errors if a document says of these things of a part what was not taken, or calls one otherwise; places are those in the document.';

CREATE FUNCTION syncup.given_options(options jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE jsonb_typeof(options) WHEN 'null' THEN '{}' WHEN 'object' THEN (SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') FROM jsonb_each(options) o WHERE o.value <> 'null') ELSE options END
$$;
COMMENT ON FUNCTION syncup.given_options(jsonb) IS 'Options without those that are null.';

-- As syncup.mapped_columns() says it.
CREATE FUNCTION syncup.plain_columns(columns jsonb)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN jsonb_typeof(columns) <> 'object' THEN columns ELSE coalesce(jsonb_object_agg(c.source, CASE WHEN c.n = 1 THEN c.targets -> 0 ELSE c.targets END), '{}') END
	FROM (
		SELECT s.key AS source, jsonb_array_length(t.list) AS n, (
				SELECT coalesce(jsonb_agg(CASE WHEN p.target = jsonb_build_object('column', p.target -> 'column') THEN p.target -> 'column' ELSE p.target END ORDER BY u.n), '[]')
				FROM jsonb_array_elements(t.list) WITH ORDINALITY u (target, n)
				CROSS JOIN LATERAL (SELECT CASE WHEN jsonb_typeof(u.target) = 'object' THEN jsonb_strip_nulls(u.target) ELSE u.target END) AS p (target)) AS targets
		FROM jsonb_each(CASE WHEN jsonb_typeof(columns) = 'object' THEN columns ELSE '{}' END) s
		CROSS JOIN LATERAL (SELECT CASE WHEN jsonb_typeof(s.value) = 'array' THEN s.value ELSE jsonb_build_array(s.value) END) AS t (list)) AS c
$$;
COMMENT ON FUNCTION syncup.plain_columns(jsonb) IS 'The argument "columns" without what need not be said: objects that hold a column alone, lists of one.';

CREATE FUNCTION syncup.import_part(p syncup.configuration_part, document jsonb)
RETURNS TABLE (object text, change text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	n bigint;
	thing jsonb;
	is_there jsonb;
	statement text;
	taken jsonb := '[]';
	places bigint[] := '{}';
	problem text;
	detail text;
	hint text;
BEGIN
	-- in their order: what comes later may build on it
	FOR n, thing, is_there IN SELECT b.n, b.thing, b.definition FROM syncup.things_there(p, coalesce(document -> p.part, '[]')) b LOOP
		object := format('%s %s', p.part, thing ->> 'name');
		-- what it does not say of what is there stays
		IF jsonb_typeof(thing -> 'limits') = 'object' THEN
			thing := jsonb_set(thing, '{limits}', coalesce(is_there -> 'limits', '{}') || (thing -> 'limits'));
		END IF;
		-- null is no option, and nothing where nothing is
		thing := coalesce(is_there, '{}') || (SELECT jsonb_object_agg(m.key, CASE m.key WHEN 'options' THEN syncup.given_options(m.value) WHEN 'columns' THEN syncup.plain_columns(m.value) ELSE m.value END) FROM jsonb_each(thing) m WHERE m.value <> 'null' OR m.key = 'options' OR is_there ? m.key);
		change := CASE WHEN is_there IS NULL THEN 'created' WHEN is_there <> thing - 'name' THEN 'changed' END;
		CONTINUE WHEN change IS NULL;
		-- an option that the document does not have goes back to its default
		IF is_there -> 'options' <> '{}' AND jsonb_typeof(coalesce(thing -> 'options', '{}')) = 'object' THEN
			thing := jsonb_set(thing, '{options}', (SELECT jsonb_object_agg(k, NULL) FROM jsonb_object_keys(is_there -> 'options') k) || coalesce(thing -> 'options', '{}'));
		END IF;
		BEGIN
			FOR statement IN EXECUTE format('SELECT s FROM %s($1, $2) s', p.call) USING thing ->> 'name', thing - 'name' LOOP
				IF statement IS NULL THEN
					RAISE 'the document does not say what % is: unknown kind "%"', object, thing ->> 'kind' USING ERRCODE = 'invalid_parameter_value';
				END IF;
				EXECUTE statement;
			END LOOP;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS problem = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
			detail := concat_ws(E'\n', nullif(detail, ''), format('In the document: %s[%s]%s ("%s").', p.part, n - 1, syncup.path_told(document -> p.part -> (n - 1)::int, problem), thing ->> 'name'));
			IF hint = '' THEN
				RAISE '%', problem USING ERRCODE = SQLSTATE, DETAIL = detail;
			END IF;
			RAISE '%', problem USING ERRCODE = SQLSTATE, DETAIL = detail, HINT = hint;
		END;
		taken := taken || jsonb_build_array(thing);
		places := places || n;
		RETURN NEXT;
	END LOOP;
	PERFORM syncup.check_imported(p, taken, places);
END
$$;
COMMENT ON FUNCTION syncup.import_part(syncup.configuration_part, jsonb) IS 'Makes what a part of a document says, where it is not so already.';

CREATE FUNCTION syncup.check_document(document jsonb)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	wrong text;
	place text;
BEGIN
	IF document IS NULL OR jsonb_typeof(document) <> 'object' OR coalesce(jsonb_typeof(document -> 'syncup'), '') <> 'string' THEN
		RAISE 'this is no document of a configuration' USING ERRCODE = 'invalid_parameter_value', HINT = 'syncup_export_configuration() makes one.';
	END IF;
	SELECT k INTO wrong FROM jsonb_object_keys(document) k WHERE k <> 'syncup' AND NOT EXISTS (SELECT FROM syncup.configuration_part p WHERE p.part = k) ORDER BY k LIMIT 1;
	IF wrong IS NOT NULL THEN
		RAISE 'the document has an unknown part "%"', wrong USING ERRCODE = 'invalid_parameter_value',
			HINT = syncup.names_hint(wrong, ARRAY(SELECT p.part FROM syncup.configuration_part p ORDER BY p.place), 'Parts are %s.', NULL);
	END IF;
	SELECT e.key, e.key || CASE WHEN jsonb_typeof(e.value) = 'array' THEN format('[%s]%s', t.n - 1, CASE WHEN jsonb_typeof(t.value) = 'object' THEN '.name' END) ELSE '' END INTO wrong, place
	FROM jsonb_each(document) e LEFT JOIN LATERAL jsonb_array_elements(CASE WHEN jsonb_typeof(e.value) = 'array' THEN e.value ELSE '[]' END) WITH ORDINALITY t (value, n) ON true
	WHERE e.key <> 'syncup' AND (jsonb_typeof(e.value) <> 'array' OR jsonb_typeof(t.value) <> 'object' OR t.n IS NOT NULL AND coalesce(jsonb_typeof(t.value -> 'name'), '') <> 'string')
	ORDER BY e.key, t.n LIMIT 1;
	IF wrong IS NOT NULL THEN
		RAISE 'part "%" of the document is no list of objects with a "name"', wrong USING ERRCODE = 'invalid_parameter_value', DETAIL = format('Not so is %s.', place);
	END IF;
	SELECT format('%s "%s"', e.key, t.value ->> 'name'), string_agg(format('%s[%s]', e.key, t.n - 1), ' and ' ORDER BY t.n) INTO wrong, place
	FROM jsonb_each(document - 'syncup') e, jsonb_array_elements(e.value) WITH ORDINALITY t (value, n) GROUP BY 1 HAVING count(*) > 1 ORDER BY 1 LIMIT 1;
	IF wrong IS NOT NULL THEN
		RAISE 'the document has % twice', wrong USING ERRCODE = 'invalid_parameter_value', DETAIL = format('It stands at %s.', place);
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_document(jsonb) IS 'Errors unless it is a document of a configuration.';

CREATE FUNCTION syncup_import_configuration(document jsonb, dry_run boolean DEFAULT false)
RETURNS TABLE (object text, change text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET client_min_messages = warning
AS $$
DECLARE
	done jsonb := '[]';
	p syncup.configuration_part;
BEGIN
	PERFORM syncup.check_document(document);
	BEGIN
		FOR p IN SELECT * FROM syncup.configuration_part c ORDER BY c.place LOOP
			done := done || coalesce((SELECT jsonb_agg(to_jsonb(i)) FROM syncup.import_part(p, document) i), '[]');
		END LOOP;
		IF coalesce(dry_run, false) THEN
			RAISE SQLSTATE 'SU009';
		END IF;
	EXCEPTION WHEN SQLSTATE 'SU009' THEN
		NULL;
	END;
	RETURN QUERY SELECT d ->> 'object', d ->> 'change' FROM jsonb_array_elements(done) WITH ORDINALITY AS e (d, n) ORDER BY e.n;
END
$$;
COMMENT ON FUNCTION syncup_import_configuration(jsonb, boolean) IS
'Makes the configuration what a document says, with the rights of the caller, and tells what was created or changed; what the document does not name stays. All or nothing; dry_run only tells.';
