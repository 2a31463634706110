-- Checks of one's own, as SQL (SPEC 6.4): a query over the changes of a batch, which
-- runs with the rights of the role that has added it; if it returns rows, or raises,
-- the batch is blocked. And resources that lose many of their links.

CREATE TABLE syncup.check_definition (
	connector text NOT NULL,
	name text NOT NULL,
	mapping text,
	query text NOT NULL,
	owner regrole NOT NULL,
	PRIMARY KEY (connector, name)
);
COMMENT ON TABLE syncup.check_definition IS 'Checks of connectors, as SQL. Written by syncup_add_check() and syncup_drop_check().';
COMMENT ON COLUMN syncup.check_definition.mapping IS 'the mapping that it is about: asked of batches that change it, and dropped with it; null: of every batch';
COMMENT ON COLUMN syncup.check_definition.owner IS 'the role that has added it, whose rights it has';
SELECT pg_catalog.pg_extension_config_dump('syncup.check_definition', '');

CREATE TABLE syncup.check_result (
	batch uuid NOT NULL,
	name text NOT NULL,
	mapping text,
	rows bigint,
	first_rows jsonb,
	sqlstate text,
	error text,
	PRIMARY KEY (batch, name)
);
COMMENT ON TABLE syncup.check_result IS 'What each check has said of a batch: how many rows it returned, none being right.';
COMMENT ON COLUMN syncup.check_result.rows IS 'null: it raised an error';
COMMENT ON COLUMN syncup.check_result.first_rows IS 'the first 100 of them, as an array';
SELECT pg_catalog.pg_extension_config_dump('syncup.check_result', '');

CREATE TABLE syncup.batch_resource (
	batch uuid NOT NULL,
	mapping text NOT NULL,
	resource text NOT NULL,
	deleted bigint NOT NULL,
	stored bigint NOT NULL,
	exceeds boolean NOT NULL,
	PRIMARY KEY (batch, mapping, resource)
);
COMMENT ON TABLE syncup.batch_resource IS 'Resources of side 1 of link tables that lose half of their links or more, or more than their limit: the 1000 that lose most. Those with fewer links than minimum_links_per_resource are not counted.';
COMMENT ON COLUMN syncup.batch_resource.stored IS 'its links before the batch';
COMMENT ON COLUMN syncup.batch_resource.exceeds IS 'it loses more than max_link_percentage_deleted_per_resource of them';
SELECT pg_catalog.pg_extension_config_dump('syncup.batch_resource', '');

CREATE FUNCTION syncup.check_relations(connector text, query text, batch uuid)
RETURNS TABLE (given text, relations text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	-- Only those that the query names; a name can be hidden in escapes.
	RETURN QUERY
	WITH m AS (
		SELECT p.mapping, p.kind, p.table_name, row_number() OVER (ORDER BY p.ordinal) AS n
		FROM syncup.mapping p
		WHERE p.connector = connector AND (position('"' IN query) > 0
			OR position(CASE p.kind WHEN 'association' THEN 'link_changes' ELSE lower(p.mapping) END IN lower(query)) > 0)
	), c AS (
		SELECT m.n,
			string_agg(format(CASE WHEN batch IS NULL THEN ', CAST(NULL AS %3$s) AS %2$I' ELSE ', (g.%1$I).%2$I' END, 'r' || m.n, k.change_column, k.target_type), '' ORDER BY k.ordinal) AS columns
		FROM m JOIN syncup.mapping_column k ON k.connector = connector AND k.mapping = m.mapping AND k.change_column IS NOT NULL
		GROUP BY m.n
	), made AS (
		SELECT m.n, m.kind, m.table_name, format(CASE
				WHEN batch IS NULL AND m.kind = 'association' THEN 'SELECT %L::text AS mapping, NULL::text AS command, NULL::text AS key1, NULL::text AS key2, NULL::text AS old_key WHERE false'
				WHEN batch IS NULL THEN 'SELECT NULL::text AS command, NULL::name[] AS changed, NULL::jsonb AS old%4$s WHERE false'
				WHEN m.kind = 'association' THEN 'SELECT %L::text AS mapping, (g.%2$I).command, (g.%2$I).key1, (g.%2$I).key2, (g.%2$I).old_key FROM given g WHERE g.n = %3$s'
				ELSE 'SELECT (g.%2$I).command, (g.%2$I).changed, (g.%2$I).old%4$s FROM given g WHERE g.n = %3$s' END,
			m.mapping, 'r' || m.n, m.n, c.columns) AS sql, m.mapping
		FROM m LEFT JOIN c USING (n)
	)
	SELECT coalesce((SELECT string_agg(format('SELECT %s AS n%s FROM syncup_changes.%I c WHERE c.batch = %L', a.n,
				(SELECT string_agg(CASE b.n WHEN a.n THEN ', c' ELSE format(', NULL::syncup_changes.%I', b.table_name) END || ' AS r' || b.n, '' ORDER BY b.n) FROM made b),
				a.table_name, batch), ' UNION ALL ' ORDER BY a.n) FROM made a), 'SELECT 0 AS n'),
		concat_ws(', ',
			(SELECT string_agg(format('%I AS (%s)', a.mapping, a.sql), ', ' ORDER BY a.n) FROM made a WHERE a.kind = 'entity type'),
			'link_changes AS (' || coalesce((SELECT string_agg(a.sql, ' UNION ALL ' ORDER BY a.n) FROM made a WHERE a.kind = 'association'),
				'SELECT NULL::text AS mapping, NULL::text AS command, NULL::text AS key1, NULL::text AS key2, NULL::text AS old_key WHERE false') || ')');
END
$$;
COMMENT ON FUNCTION syncup.check_relations(text, text, uuid) IS
'SQL: what a check''s query sees of a batch: "given", and of it a relation for each mapping, and link_changes; of no batch: empty ones, by themselves.';

CREATE FUNCTION syncup.add_check(caller regrole, connector text, name text, query text, mapping text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	text_of_query text;
	former regrole;
BEGIN
	IF connector IS NULL OR name IS NULL OR query IS NULL THEN
		RAISE 'argument "%" must not be null', CASE WHEN connector IS NULL THEN 'connector' WHEN name IS NULL THEN 'name' ELSE 'query' END
			USING ERRCODE = 'null_value_not_allowed';
	ELSIF name = '' OR name ~ '[[:cntrl:]]' OR octet_length(name) > 63 THEN
		RAISE 'the name of a check must have 1 to 63 bytes and no control characters' USING ERRCODE = 'invalid_name';
	END IF;
	-- Held, so that neither goes meanwhile.
	PERFORM syncup.check_connector(connector);
	PERFORM FROM syncup.mapping m WHERE m.connector = connector AND m.mapping = mapping FOR KEY SHARE;
	IF mapping IS NOT NULL AND NOT FOUND THEN
		RAISE 'connector "%" has no mapping "%"', connector, mapping USING ERRCODE = 'undefined_object',
			HINT = syncup.names_hint(mapping, ARRAY(SELECT m.mapping FROM syncup.mapping m WHERE m.connector = connector ORDER BY m.ordinal), 'Its mappings: %s.', 'It has none.');
	END IF;
	SELECT d.owner INTO former FROM syncup.check_definition d WHERE d.connector = connector AND d.name = name FOR UPDATE;
	IF FOUND AND NOT pg_has_role(caller, former, 'MEMBER') THEN
		RAISE 'check "%" of connector "%" belongs to role "%"', name, connector, former USING ERRCODE = 'insufficient_privilege';
	END IF;
	text_of_query := syncup.rule_text(name, 'query', query, true);
	PERFORM syncup.check_query(caller, name, format('WITH %s SELECT * FROM %s q', (SELECT r.relations FROM syncup.check_relations(connector, query, NULL) AS r), text_of_query));
	INSERT INTO syncup.check_definition AS d (connector, name, mapping, query, owner)
	VALUES (connector, name, mapping, query, caller)
	ON CONFLICT ON CONSTRAINT check_definition_pkey DO UPDATE SET mapping = excluded.mapping, query = excluded.query, owner = excluded.owner;
END
$$;
COMMENT ON FUNCTION syncup.add_check(regrole, text, text, text, text) IS 'What syncup_add_check() does.';

CREATE FUNCTION syncup_add_check(connector text, name text, query text, mapping text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_add_check(text, text, text, text) IS
'Adds a check of the batches of a connector: a query that sees their changes as relations named after the mappings (command, changed, old, the new values) and link_changes. If it returns rows or raises an error, the batch is blocked. It runs with the rights of whoever adds it.';

CREATE FUNCTION syncup.drop_check(caller regrole, connector text, name text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	former regrole;
BEGIN
	SELECT d.owner INTO former FROM syncup.check_definition d WHERE d.connector = connector AND d.name = name FOR UPDATE;
	IF NOT FOUND THEN
		RAISE 'connector "%" has no check "%"', connector, name USING ERRCODE = 'undefined_object',
			HINT = syncup.names_hint(name, ARRAY(SELECT d.name FROM syncup.check_definition d WHERE d.connector = connector ORDER BY d.name COLLATE "C"), 'It has %s.', 'It has none.');
	ELSIF EXISTS (SELECT FROM pg_roles r WHERE r.oid = former) AND NOT pg_has_role(caller, former, 'MEMBER') THEN
		RAISE 'check "%" of connector "%" belongs to role "%"', name, connector, former USING ERRCODE = 'insufficient_privilege';
	END IF;
	DELETE FROM syncup.check_definition d WHERE d.connector = connector AND d.name = name;
END
$$;
COMMENT ON FUNCTION syncup.drop_check(regrole, text, text) IS 'What syncup_drop_check() does.';

CREATE FUNCTION syncup_drop_check(connector text, name text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_drop_check(text, text) IS
'Drops a check. What it said of former batches stays.';

CREATE FUNCTION syncup.run_checks(batch uuid)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	d record;
	said record;
	made record;
BEGIN
	FOR d IN
		SELECT t.*
		FROM syncup.batch b JOIN syncup.check_definition t USING (connector)
		WHERE b.batch = batch AND (t.mapping IS NULL OR EXISTS (
			SELECT FROM syncup.batch_counter c WHERE c.batch = batch AND c.mapping = t.mapping AND c.inserted + c.updated + c.deleted > 0))
		ORDER BY t.name COLLATE "C"
	LOOP
		BEGIN
			IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.oid = d.owner) THEN
				RAISE 'the role that has added it does not exist any more' USING ERRCODE = 'undefined_object';
			END IF;
			SELECT * INTO made FROM syncup.check_relations(d.connector, d.query, batch);
			SELECT coalesce(max(q.rows), 0) AS rows, jsonb_agg(q.found) AS found INTO said
			FROM syncup.query_as(d.owner, format('WITH %s SELECT to_jsonb(q.*), count(*) OVER () FROM %s q LIMIT 100', made.relations, syncup.rule_text(d.name, 'query', d.query, true)),
				made.given) AS q (found jsonb, rows bigint);
			INSERT INTO syncup.check_result (batch, name, mapping, rows, first_rows) VALUES (batch, d.name, d.mapping, said.rows, said.found);
		EXCEPTION WHEN OTHERS THEN
			INSERT INTO syncup.check_result (batch, name, mapping, sqlstate, error) VALUES (batch, d.name, d.mapping, SQLSTATE, SQLERRM);
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.run_checks(uuid) IS
'Asks the checks of a connector of a batch, whose changes are stored, and writes down what they say.';

CREATE FUNCTION syncup.what_checks_say(batch uuid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('check "%s" ', r.name) || CASE WHEN r.error IS NOT NULL THEN 'fails' WHEN r.rows = 1 THEN 'returns 1 row' ELSE format('returns %s rows', r.rows) END,
		'; ' ORDER BY r.name COLLATE "C")
	FROM syncup.check_result r
	WHERE r.batch = what_checks_say.batch AND (r.rows > 0 OR r.error IS NOT NULL)
$$;
COMMENT ON FUNCTION syncup.what_checks_say(uuid) IS
'The checks that block a batch, in words and without values.';
