-- Fulfilment: orders are executed, by the kind that their resource type names, and
-- what became of each is recorded (AFTER 5).
--
-- An order is marked transmitted, and that is committed; then it is executed, and
-- that is committed. What a crash leaves between the two is known by its executor:
-- a session that is gone. Kinds that bring the same to pass however often they do it
-- begin anew; of others the outcome is unknown, and a person has to look.

CREATE TABLE syncup.fulfill_kind (
	kind text PRIMARY KEY,
	function text NOT NULL,
	slice int NOT NULL,
	part int,
	at_once boolean NOT NULL DEFAULT false,
	idempotent boolean NOT NULL DEFAULT false,
	options jsonb NOT NULL DEFAULT '{}',
	needed text[] NOT NULL DEFAULT '{}',
	description text
);
COMMENT ON TABLE syncup.fulfill_kind IS 'How orders are executed: a row and a function (t syncup.resource_type, orders uuid[]) that returns a row per order: order_id, state (executed, errored, unknown, transmitted: somebody will report, pending: it was not told), error; and one without an order, and why, if none can be executed now.';
COMMENT ON COLUMN syncup.fulfill_kind.slice IS 'so many orders are marked as transmitted, and handed to the function, in a transaction';
COMMENT ON COLUMN syncup.fulfill_kind.part IS 'so many at a time, and at last none: what became of them the function says with those that come later, when all are done with none. null: all at once';
COMMENT ON COLUMN syncup.fulfill_kind.at_once IS 'what it does is in the transaction that records it: there is nothing to be marked beforehand';
COMMENT ON COLUMN syncup.fulfill_kind.idempotent IS 'an order may be executed again after a crash; the option "idempotent" of the resource type says otherwise';
COMMENT ON COLUMN syncup.fulfill_kind.options IS 'names of its options, and their types; retries, retry_delay and idempotent are everybody''s';
COMMENT ON COLUMN syncup.fulfill_kind.needed IS 'options that must be given';

CREATE TYPE syncup.order_result AS (order_id uuid, state text, error text);
COMMENT ON TYPE syncup.order_result IS 'What became of an order.';

CREATE FUNCTION syncup.check_fulfill(resource_type text, fulfill jsonb)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	k syncup.fulfill_kind;
	what text := format('option "fulfill" of resource type "%s"', resource_type);
	missing text;
BEGIN
	SELECT x.* INTO k FROM syncup.fulfill_kind x WHERE x.kind = fulfill ->> 'kind';
	IF k.kind IS NULL THEN
		RAISE '%: kind "%" is not possible', what, coalesce(fulfill ->> 'kind', '') USING ERRCODE = 'invalid_parameter_value',
			HINT = 'It is an object whose "kind" is ' || (SELECT string_agg(format('"%s"', x.kind), ', ' ORDER BY x.kind) FROM syncup.fulfill_kind x) || '.';
	END IF;
	PERFORM syncup.check_options(what, k.options || '{"kind": "text", "retries": "number", "retry_delay": "interval", "idempotent": "boolean"}', fulfill);
	SELECT string_agg(format('"%s"', n), ', ') INTO missing FROM unnest(k.needed) n WHERE fulfill ->> n IS NULL;
	IF missing IS NOT NULL THEN
		RAISE '% needs %', what, missing USING ERRCODE = 'invalid_parameter_value', HINT = format('Kind "%s": %s.', k.kind, k.description);
	END IF;
	SELECT string_agg(format('"%s" must be a whole number, at least %s', n.name, n.least), ', ') INTO missing FROM (VALUES ('max_in_flight', 1), ('orders_per_file', 1), ('retries', 0)) AS n (name, least)
	WHERE (fulfill ->> n.name)::numeric NOT BETWEEN n.least AND 1000000000 OR (fulfill ->> n.name)::numeric <> trunc((fulfill ->> n.name)::numeric);
	IF missing IS NOT NULL THEN
		RAISE '%: %', what, missing USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_fulfill(text, jsonb) IS 'Errors, naming the option, unless a resource type can be fulfilled so.';

CREATE FUNCTION syncup.is_of_the_server(sqlstate text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT left(sqlstate, 2) IN ('40', '57') OR sqlstate IN ('53200', '53300') $$;
COMMENT ON FUNCTION syncup.is_of_the_server(text) IS 'Whether an error is no order''s: a cancel, a shutdown, a conflict, the lack of memory. It ends the call, which can be made again.';

-- ---------- what kinds read of orders ----------

CREATE FUNCTION syncup.orders_given(t syncup.resource_type, orders uuid[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT o.order_id, o.change_type, o.document, syncup.scalar_changes(o.document) AS changes, nullif(o.document -> ''Resource'', ''null'') AS resource, (SELECT jsonb_agg(syncup.scalar_changes(e.document)) FROM syncup.order_before e WHERE e.order_id = o.order_id) AS told, o.account_key AS b, %s AS bk FROM syncup.provisioning_order o WHERE o.order_id = ANY (%L::uuid[])',
		syncup.key_parts(t.account, 'o.account_key'), orders)
$$;
COMMENT ON FUNCTION syncup.orders_given(syncup.resource_type, uuid[]) IS 'The query of what statements on an account''s table see of orders, as "given": changes without associations, as one may be called like a column; told: those of earlier orders that no synchronization had found.';

CREATE FUNCTION syncup.scalars_of(t syncup.resource_type, changes jsonb)
RETURNS name[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(a.attname ORDER BY a.attnum), '{}') FROM jsonb_each(changes) k
	JOIN pg_attribute a ON a.attrelid = t.account AND a.attname = k.key AND a.attnum > 0 AND NOT a.attisdropped
	WHERE NOT syncup.are_links(k.value)
$$;
COMMENT ON FUNCTION syncup.scalars_of(syncup.resource_type, jsonb) IS 'The columns of the account that a document changes.';

CREATE FUNCTION syncup.links_of(t syncup.resource_type, changes jsonb)
RETURNS TABLE (association text, added text[], removed text[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT e.key, ARRAY(SELECT x ->> 'key' FROM jsonb_array_elements(e.value -> 'Added') x), ARRAY(SELECT x ->> 'key' FROM jsonb_array_elements(e.value -> 'Removed') x)
	FROM jsonb_each(changes) e
	WHERE syncup.are_links(e.value)
$$;
COMMENT ON FUNCTION syncup.links_of(syncup.resource_type, jsonb) IS 'The associations that a document changes, with the keys of the other sides that come and go.';

-- ---------- internal: the account's own table ----------

CREATE FUNCTION syncup.written_columns(t syncup.resource_type)
RETURNS name[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.account AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum) $$;
COMMENT ON FUNCTION syncup.written_columns(syncup.resource_type) IS 'The columns of an account that somebody can write.';

CREATE FUNCTION syncup.is_told_sql(t syncup.resource_type, property name)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('(g.told IS NOT NULL AND EXISTS (SELECT FROM pg_catalog.jsonb_array_elements(g.told) AS e (changes) CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%s, e.changes) AS b WHERE e.changes ? %L AND b.%3$I::text IS NOT DISTINCT FROM a.%3$I::text))',
		t.account, property, property)
$$;
COMMENT ON FUNCTION syncup.is_told_sql(syncup.resource_type, name) IS 'SQL for whether an account a has a value that an earlier order has told, beside what is given of an order, g.';

-- What is there is compared with what was read when the order was made, and with what our
-- own orders have told since: it may be as ordered already, or somebody has changed it since.
CREATE FUNCTION syncup.compare_orders(t syncup.resource_type, orders uuid[])
RETURNS TABLE (order_id uuid, verdict text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- typed values are compared as their texts
	RETURN QUERY EXECUTE format('SELECT q.order_id, q.verdict FROM syncup.query_as(%L::regrole, %L, %L) AS q (order_id uuid, verdict text)', t.role,
		format($q$
			SELECT g.order_id, CASE WHEN a.syncup_found IS NULL THEN CASE g.change_type WHEN 'Deleted' THEN 'done' ELSE 'the account is not there' END
				ELSE (SELECT CASE WHEN count(*) FILTER (WHERE d.differs) = 0 THEN 'go'
						ELSE string_agg(pg_catalog.format('%%s has changed since: it was %%s, it is %%s%%s', d.name, coalesce(d.read, 'null'), coalesce(d.now, 'null'),
							CASE WHEN g.change_type = 'Deleted' THEN '' ELSE ', it is to be ' || coalesce(d.ordered, 'null') END), '; ')
							FILTER (WHERE d.differs) END
					FROM (VALUES %s) AS d (name, now, read, ordered, differs)) END
			FROM given g
			LEFT JOIN LATERAL (SELECT a.*, true AS syncup_found FROM %s a WHERE %s) AS a ON true
			CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%2$s, g.resource) AS r
			CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%2$s, g.changes) AS c$q$,
			(SELECT string_agg(format('(%1$L, a.%1$I::text, r.%1$I::text, c.%1$I::text, a.%1$I::text IS DISTINCT FROM r.%1$I::text AND CASE WHEN g.change_type = ''Deleted'' THEN true ELSE g.changes ? %1$L AND a.%1$I::text IS DISTINCT FROM c.%1$I::text END AND NOT %2$s)',
				u, syncup.is_told_sql(t, u)), ', ') FROM unnest(syncup.written_columns(t)) u),
			t.account, syncup.key_is(t.account, 'a', 'g.bk')),
		syncup.orders_given(t, orders));
END
$$;
COMMENT ON FUNCTION syncup.compare_orders(syncup.resource_type, uuid[]) IS
'Of orders that modify or delete accounts: go; done: there is nothing to do; else what has changed since they were made.';

CREATE FUNCTION syncup.write_accounts(t syncup.resource_type, change_type text, columns name[], orders uuid[])
RETURNS TABLE (order_id uuid, key text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	names text := (SELECT string_agg(quote_ident(c), ', ') FROM unnest(columns) c);
	vals text := (SELECT string_agg(format('v.%I', c), ', ') FROM unnest(columns) c);
	-- accounts that are there, as they were read, told or are to be: asked of the row that is written, whoever changes it at this moment
	found text := format('given g CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, g.changes) AS v CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, g.resource) AS r WHERE %2$s',
		t.account, concat_ws(' AND ', syncup.key_is(t.account, 'a', 'g.bk'),
			CASE WHEN change_type = 'Deleted' THEN (SELECT string_agg(format('(a.%1$I::text IS NOT DISTINCT FROM r.%1$I::text OR %2$s)', c, syncup.is_told_sql(t, c)), ' AND ') FROM unnest(syncup.written_columns(t)) c)
				ELSE (SELECT string_agg(format('(a.%1$I::text IS NOT DISTINCT FROM r.%1$I::text OR a.%1$I::text IS NOT DISTINCT FROM v.%1$I::text OR %2$s)', c, syncup.is_told_sql(t, c)), ' AND ') FROM unnest(columns) c) END));
	statement text;
BEGIN
	IF change_type = 'Added' THEN
		statement := CASE WHEN columns = '{}' THEN format('INSERT INTO %s AS a DEFAULT VALUES RETURNING %s', t.account, syncup.key_of(t.account, 'a'))
			ELSE format('INSERT INTO %s AS a (%s) SELECT %s FROM given g CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, g.changes) AS v RETURNING %4$s',
				t.account, names, vals, syncup.key_of(t.account, 'a')) END;
	ELSIF change_type = 'Deleted' THEN
		statement := format('DELETE FROM %s a USING %s RETURNING g.b', t.account, found);
	ELSE
		statement := format('UPDATE %s a SET (%s) = ROW(%s) FROM %s RETURNING %s', t.account, names, vals, found, syncup.key_of(t.account, 'a'));
	END IF;
	-- which order a new row is of is asked only where there is one
	RETURN QUERY EXECUTE format('SELECT CASE WHEN cardinality($1) = 1 THEN $1[1] END, w.key FROM syncup.write_as(%L::regrole, %L, %L, %L) AS w (key text)',
		t.role, statement, syncup.orders_given(t, orders), format('fulfil %s', t.resource_type))
	USING orders;
END
$$;
COMMENT ON FUNCTION syncup.write_accounts(syncup.resource_type, text, name[], uuid[]) IS
'Executes orders of one kind, which change the same columns, on the account''s table with the rights of the resource type''s role; the keys that the rows have then. Rows that somebody changes at this moment are left out, as compare_orders() would say of them.';

CREATE FUNCTION syncup.links_now(t syncup.resource_type, association text, key text)
RETURNS text[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	keys text[];
BEGIN
	EXECUTE format('SELECT array_agg(q.key) FROM syncup.query_as(%L::regrole, %L, %L) AS q (key text)', t.role,
		format('SELECT h.key FROM given g JOIN %s a ON %s', t.account, syncup.key_is(t.account, 'a', 'g.bk')) || syncup.link_query(t.account, association, ''),
		format('SELECT %s AS bk FROM (SELECT %L::text AS b) AS k', syncup.key_parts(t.account, 'k.b'), key))
	INTO keys;
	RETURN coalesce(keys, '{}');
END
$$;
COMMENT ON FUNCTION syncup.links_now(syncup.resource_type, text, text) IS 'The keys of the other sides that an account is linked with in an association.';

CREATE FUNCTION syncup.write_links(t syncup.resource_type, key text, o syncup.provisioning_order)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	c record;
	l record;
	own text;
	other text;
	given text;
	statement text;
	keys text[];
	told text[];
BEGIN
	FOR c IN SELECT * FROM syncup.links_of(t, o.document -> 'Changes') LOOP
		SELECT * INTO l FROM syncup.association_of(t.account, c.association);
		told := ARRAY(SELECT b.added[1] FROM syncup.order_before e CROSS JOIN LATERAL syncup.links_of(t, e.document -> 'Changes') b WHERE l.single AND e.order_id = o.order_id AND b.association = c.association);
		own := coalesce(l.own_store, (syncup.key_columns(t.account))[1]);
		other := coalesce(l.other_store, (syncup.key_columns(l.other))[1]);
		given := format('SELECT %s AS ak, %s AS bk, k.added, %L::jsonb AS resource FROM (SELECT %L::text AS a, u.b, u.added FROM (SELECT unnest(%L::text[]) AS b, true AS added UNION ALL SELECT unnest(%L::text[]), false UNION ALL SELECT unnest(%L::text[]), NULL) AS u) AS k',
			syncup.key_parts(t.account, 'k.a'), syncup.key_parts(l.other, 'k.b'), nullif(o.document -> 'Resource', 'null'), key, c.added, c.removed, told);
		-- what somebody else has linked since is asked of the row that is written, whoever changes it at this moment
		IF l.single THEN
			statement := format('UPDATE %1$s a SET %2$I = n.value
				FROM (SELECT g.ak, r.%2$I AS read, g.resource IS NULL AS is_new, (SELECT x.%3$I FROM given h JOIN %4$s x ON %5$s WHERE h.added LIMIT 1) AS value, EXISTS (SELECT FROM given h WHERE h.added) AS is_linked
					FROM given g CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%1$s, g.resource) AS r LIMIT 1) AS n
				WHERE %6$s AND n.is_linked = (n.value IS NOT NULL) AND (n.is_new OR a.%2$I::text IS NOT DISTINCT FROM n.read::text OR a.%2$I IS NOT DISTINCT FROM n.value
					OR EXISTS (SELECT FROM given h LEFT JOIN %4$s x ON %5$s WHERE h.added IS NULL AND a.%2$I IS NOT DISTINCT FROM x.%3$I)) RETURNING 1',
				t.account, l.other_column, other, l.other, syncup.key_is(l.other, 'x', 'h.bk'), syncup.key_is(t.account, 'a', 'n.ak'));
		ELSIF l.other_column IS NULL THEN
			statement := format('UPDATE %1$s l SET %2$I = CASE WHEN g.added THEN a.%3$I END FROM given g, %4$s a WHERE %5$s AND %6$s AND CASE WHEN g.added THEN l.%2$I IS NULL ELSE l.%2$I = a.%3$I END RETURNING 1',
				l.link, l.own_column, own, t.account, syncup.key_is(t.account, 'a', 'g.ak'), syncup.key_is(l.other, 'l', 'g.bk'));
		ELSE
			statement := format('WITH gone AS (DELETE FROM %1$s l USING given g, %2$s a, %3$s x WHERE NOT g.added AND %4$s AND %5$s AND l.%6$I = a.%7$I AND l.%8$I = x.%9$I RETURNING 1)
				INSERT INTO %1$s (%6$I, %8$I) SELECT a.%7$I, x.%9$I FROM given g JOIN %2$s a ON %4$s JOIN %3$s x ON %5$s
				WHERE g.added AND NOT EXISTS (SELECT FROM %1$s l WHERE l.%6$I = a.%7$I AND l.%8$I = x.%9$I) ON CONFLICT DO NOTHING RETURNING 1',
				l.link, t.account, l.other, syncup.key_is(t.account, 'a', 'g.ak'), syncup.key_is(l.other, 'x', 'g.bk'), l.own_column, own, l.other_column, other);
		END IF;
		EXECUTE format('SELECT count(*) FROM syncup.write_as(%L::regrole, %L, %L, %L) AS w (n int)', t.role, statement, given, format('fulfil %s', t.resource_type));
		keys := syncup.links_now(t, c.association, key);
		IF l.single AND keys NOT IN (c.added, c.removed) THEN
			RAISE '% has changed since: it was %, it is %, it is to be %', c.association, coalesce(c.removed[1], 'null'), coalesce(keys[1], 'null'), coalesce(c.added[1], 'null');
		ELSIF NOT keys @> c.added OR keys && c.removed THEN
			RAISE 'association "%" was not written: the other side is not there, or is another one''s, or a trigger, or row security, left it out', c.association;
		END IF;
		PERFORM syncup.write_flags(l.other, c.added || c.removed, 'fulfill');
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.write_links(syncup.resource_type, text, syncup.provisioning_order) IS
'Writes the links of an account that an order adds and removes, where the association has them; an error says what was changed meanwhile.';

CREATE FUNCTION syncup.fulfill_one(t syncup.resource_type, o syncup.provisioning_order)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	columns name[] := syncup.scalars_of(t, o.document -> 'Changes');
	key text := o.account_key;
	verdict text;
BEGIN
	IF o.change_type <> 'Modified' OR columns <> '{}' THEN
		SELECT w.key INTO key FROM syncup.write_accounts(t, o.change_type, columns, ARRAY[o.order_id]) w;
		IF key IS NULL THEN
			-- somebody was faster, or it cannot be seen why not
			SELECT v.verdict INTO verdict FROM syncup.compare_orders(t, ARRAY[o.order_id]) v;
			RETURN CASE WHEN o.change_type = 'Added' OR coalesce(verdict, 'go') = 'go' THEN 'the account was not written: a trigger, or row security, left it out'
				ELSE nullif(verdict, 'done') END;
		END IF;
	END IF;
	IF o.change_type <> 'Deleted' THEN
		PERFORM syncup.write_links(t, key, o);
	END IF;
	PERFORM syncup.write_flags(t.account, ARRAY(SELECT key UNION SELECT o.account_key WHERE o.account_key IS NOT NULL), 'fulfill');
	RETURN NULL;
EXCEPTION WHEN OTHERS THEN
	IF syncup.is_of_the_server(SQLSTATE) THEN
		RAISE;
	END IF;
	RETURN SQLERRM;
END
$$;
COMMENT ON FUNCTION syncup.fulfill_one(syncup.resource_type, syncup.provisioning_order) IS 'Executes one order on the account''s table; null, or why it could not.';

CREATE FUNCTION syncup.fulfill_internal(t syncup.resource_type, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	ready uuid[] := '{}';
	c record;
	g record;
	o syncup.provisioning_order;
	columns name[];
	keys text[];
	error text;
BEGIN
	FOR c IN
		SELECT x.order_id, coalesce(v.verdict, 'go') AS verdict FROM syncup.provisioning_order x
		LEFT JOIN syncup.compare_orders(t, ARRAY(SELECT y.order_id FROM syncup.provisioning_order y WHERE y.order_id = ANY (orders) AND y.change_type <> 'Added')) v USING (order_id)
		WHERE x.order_id = ANY (orders) ORDER BY x.seq
	LOOP
		IF c.verdict = 'go' THEN
			ready := ready || c.order_id;
		ELSE
			RETURN NEXT (c.order_id, CASE c.verdict WHEN 'done' THEN 'executed' ELSE 'errored' END, nullif(c.verdict, 'done'))::syncup.order_result;
		END IF;
	END LOOP;
	-- together where they change the same columns and no links; where that fails, one by one
	FOR g IN
		SELECT x.change_type, ARRAY(SELECT jsonb_object_keys(x.document -> 'Changes')) AS names, NOT x.document @? '$.Changes.* ? (@.type() == "object")' AS alike,
			array_agg(x.order_id ORDER BY x.seq) AS orders, (array_agg(x.document -> 'Changes'))[1] AS changes
		FROM syncup.provisioning_order x WHERE x.order_id = ANY (ready) GROUP BY 1, 2, 3 ORDER BY min(x.seq)
	LOOP
		keys := NULL;
		columns := syncup.scalars_of(t, g.changes);
		IF g.alike AND cardinality(g.orders) > 1 AND (g.change_type = 'Deleted' OR columns <> '{}') THEN
			BEGIN
				keys := ARRAY(SELECT w.key FROM syncup.write_accounts(t, g.change_type, columns, g.orders) w);
				IF cardinality(keys) <> cardinality(g.orders) THEN
					RAISE SQLSTATE 'SU009';
				END IF;
				PERFORM syncup.write_flags(t.account, ARRAY(SELECT unnest(keys) UNION SELECT x.account_key FROM syncup.provisioning_order x WHERE x.order_id = ANY (g.orders) AND x.account_key IS NOT NULL), 'fulfill');
			EXCEPTION WHEN OTHERS THEN
				IF syncup.is_of_the_server(SQLSTATE) THEN
					RAISE;
				END IF;
				keys := NULL;
			END;
		END IF;
		FOR o IN SELECT x.* FROM syncup.provisioning_order x WHERE x.order_id = ANY (g.orders) ORDER BY x.seq LOOP
			error := CASE WHEN keys IS NULL THEN syncup.fulfill_one(t, o) END;
			RETURN NEXT (o.order_id, CASE WHEN error IS NULL THEN 'executed' ELSE 'errored' END, error)::syncup.order_result;
		END LOOP;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.fulfill_internal(syncup.resource_type, uuid[]) IS 'Kind internal: writes the account''s own table, and flags it.';

-- ---------- sql: a function of the user's ----------

CREATE FUNCTION syncup.fulfill_sql(t syncup.resource_type, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	o uuid;
	rows bigint;
	error text;
BEGIN
	FOREACH o IN ARRAY orders LOOP
		BEGIN
			EXECUTE format('SELECT count(*), min(w.error) FROM syncup.write_as(%L::regrole, %L, %L, %L) AS w (error text)', t.role,
				format('SELECT %s(g.document)::text FROM given g', t.options #>> '{fulfill,function}'), syncup.orders_given(t, ARRAY[o]), format('fulfil %s', t.resource_type))
			INTO rows, error;
			-- what it did is taken back, as where it raises an error
			IF rows <> 1 THEN
				RAISE 'function % returned %, not null or an error', t.options #>> '{fulfill,function}', CASE rows WHEN 0 THEN 'no row' ELSE rows || ' rows' END;
			END IF;
		EXCEPTION WHEN OTHERS THEN
			IF syncup.is_of_the_server(SQLSTATE) THEN
				RAISE;
			END IF;
			error := SQLERRM;
		END;
		RETURN NEXT (o, CASE WHEN coalesce(error, '') = '' THEN 'executed' ELSE 'errored' END, nullif(error, ''))::syncup.order_result;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.fulfill_sql(syncup.resource_type, uuid[]) IS 'Kind sql: calls a function (document jsonb) that returns null, or the error, as text.';

-- ---------- csv: a file of changes ----------

CREATE FUNCTION syncup.append_lines(role regrole, path text, header text, lines text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_append_lines' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.append_lines(regrole, text, text, text) IS
'Adds lines to a file on the server, all or none, with the role''s right to write there; a new file begins with the header, one with another header is refused.';

CREATE FUNCTION syncup.write_file(role regrole, path text, content text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_write_file' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.write_file(regrole, text, text) IS
'Writes a file on the server, whole or not at all, with the role''s right to write there.';

CREATE FUNCTION syncup.csv_line(cells text[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- an empty cell is null, a quoted one the empty text: RFC 4180
	SELECT string_agg(CASE WHEN c IS NULL THEN '' WHEN c = '' OR c ~ '[",\r\n]' OR c ~ '^\s|\s$' THEN '"' || replace(c, '"', '""') || '"' ELSE c END, ',' ORDER BY n) || E'\r\n'
	FROM unnest(cells) WITH ORDINALITY u (c, n)
$$;
COMMENT ON FUNCTION syncup.csv_line(text[]) IS 'A line of CSV.';

-- Keys first, then what rules give; in a file of links the keys of both sides.
CREATE FUNCTION syncup.csv_columns_of(t syncup.resource_type)
RETURNS name[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT k.keys || ARRAY(SELECT DISTINCT (r.definition ->> 'property')::name COLLATE "C" FROM syncup.rules_of(t.resource_type, 'scalar') r
		WHERE (r.definition ->> 'property')::name <> ALL (k.keys) ORDER BY 1)
	FROM syncup.key_columns(t.account) AS k (keys)
$$;
COMMENT ON FUNCTION syncup.csv_columns_of(syncup.resource_type) IS 'The columns of the file of changes of a resource type.';

CREATE FUNCTION syncup.csv_lines(t syncup.resource_type, orders uuid[], columns name[])
RETURNS TABLE (order_id uuid, line text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT q.order_id, syncup.csv_line(q.cells) FROM syncup.query_as(%L::regrole, %L, %L) AS q (order_id uuid, cells text[])', t.role,
		format($q$
			SELECT g.order_id, ARRAY[CASE g.change_type WHEN 'Added' THEN 'insert' WHEN 'Deleted' THEN 'delete' ELSE 'update' END, %s]::text[]
			FROM given g
			CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%s, g.resource) AS r
			CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%2$s, g.changes) AS c$q$,
			(SELECT string_agg(CASE WHEN u.c = ANY (syncup.key_columns(t.account)) THEN format('coalesce(r.%I, c.%I)::text', u.c, u.c)
				-- in an update an empty cell means unchanged
				ELSE format('CASE WHEN g.changes ? %L THEN CASE WHEN g.change_type = ''Modified'' THEN coalesce(c.%I::text, ''NULL_NULL'') ELSE c.%I::text END END', u.c, u.c, u.c) END, ', ' ORDER BY u.n)
				FROM unnest(columns) WITH ORDINALITY u (c, n)),
			t.account),
		syncup.orders_given(t, orders));
END
$$;
COMMENT ON FUNCTION syncup.csv_lines(syncup.resource_type, uuid[], name[]) IS 'Orders as lines of a file of changes.';

CREATE FUNCTION syncup.fulfill_csv(t syncup.resource_type, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	f jsonb := t.options -> 'fulfill';
	command text := coalesce(f ->> 'command_column', 'command');
	columns name[] := syncup.csv_columns_of(t);
	stamp text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISSUS');
	lines text;
	l record;
	o syncup.provisioning_order;
	error text;
BEGIN
	FOR o IN SELECT x.* FROM syncup.provisioning_order x WHERE x.order_id = ANY (orders) ORDER BY x.seq LOOP
		error := CASE WHEN o.change_type = 'Modified' AND syncup.scalars_of(t, o.document -> 'Changes') && syncup.key_columns(t.account) THEN 'another key cannot be written: a file of changes has one per row'
			WHEN f ->> 'link_file' IS NULL AND EXISTS (SELECT FROM syncup.links_of(t, o.document -> 'Changes'))
				THEN 'links cannot be written: the resource type has no option "link_file" in "fulfill"'
			WHEN f ->> 'link_file' IS NOT NULL AND o.change_type = 'Added' AND EXISTS (SELECT FROM syncup.links_of(t, o.document -> 'Changes'))
				AND NOT (o.document -> 'Changes') ?& syncup.key_columns(t.account)::text[] THEN 'links of an account without a key cannot be written: no rule gives its key' END;
		IF error IS NOT NULL THEN
			orders := array_remove(orders, o.order_id);
			RETURN NEXT (o.order_id, 'errored', error)::syncup.order_result;
		END IF;
	END LOOP;
	SELECT string_agg(c.line, '' ORDER BY x.seq) INTO lines FROM syncup.csv_lines(t, orders, columns) c JOIN syncup.provisioning_order x USING (order_id)
	WHERE x.change_type <> 'Modified' OR syncup.scalars_of(t, x.document -> 'Changes') <> '{}';
	IF lines IS NOT NULL THEN
		PERFORM syncup.append_lines(t.role, replace(f ->> 'file', '{time}', stamp), syncup.csv_line(command || columns::text[]), lines);
	END IF;
	FOR l IN
		SELECT k.association, string_agg(syncup.csv_line(ARRAY[k.command, coalesce(x.account_key, x.document #>> ARRAY['Changes', (syncup.key_columns(t.account))[1]]), k.key]), '' ORDER BY x.seq, k.command DESC, k.key) AS lines
		FROM syncup.provisioning_order x
		CROSS JOIN LATERAL (
			SELECT a.association, 'insert' AS command, unnest(a.added) AS key FROM syncup.links_of(t, x.document -> 'Changes') a
			UNION ALL
			SELECT a.association, 'delete', unnest(a.removed) FROM syncup.links_of(t, x.document -> 'Changes') a) k
		WHERE x.order_id = ANY (orders) GROUP BY k.association ORDER BY 1
	LOOP
		PERFORM syncup.append_lines(t.role, replace(replace(f ->> 'link_file', '{time}', stamp), '{association}', l.association),
			syncup.csv_line(ARRAY[command, 'account', 'resource']), l.lines);
	END LOOP;
	RETURN QUERY SELECT u, 'executed', NULL::text FROM unnest(orders) u;
END
$$;
COMMENT ON FUNCTION syncup.fulfill_csv(syncup.resource_type, uuid[]) IS
'Kind csv: appends to a file of changes (file), and to one of links per association (link_file, with {association} in its name); {time} in a name: another file each time.';

-- ---------- json, manual: somebody reports ----------

CREATE FUNCTION syncup.orders_document(orders uuid[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(E'{"ProvisioningOrdersList": [\n%s\n]}\n', string_agg(o.document::text, E',\n' ORDER BY o.seq))
	FROM syncup.provisioning_order o WHERE o.order_id = ANY (orders)
$$;
COMMENT ON FUNCTION syncup.orders_document(uuid[]) IS 'Orders as a file that scripts read.';

CREATE FUNCTION syncup.write_order_files(role regrole, directory text, told uuid[], orders_per_file int)
RETURNS TABLE (file text, orders bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	stamp text := to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISSUS');
	part uuid[];
BEGIN
	FOR i IN 0 .. (cardinality(told) + orders_per_file - 1) / orders_per_file - 1 LOOP
		part := told[i * orders_per_file + 1 : (i + 1) * orders_per_file];
		file := format('%s/orders_%s_%s.json', rtrim(directory, '/'), stamp, i + 1);
		orders := cardinality(part);
		PERFORM syncup.write_file(role, file, syncup.orders_document(part));
		RETURN NEXT;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.write_order_files(regrole, text, uuid[], int) IS 'Writes orders to files, so many to each: the files.';

CREATE FUNCTION syncup.fulfill_json(t syncup.resource_type, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM syncup.write_order_files(t.role, t.options #>> '{fulfill,directory}', orders, coalesce((t.options #>> '{fulfill,orders_per_file}')::int, 100));
	RETURN QUERY SELECT u, 'transmitted', NULL::text FROM unnest(orders) u;
END
$$;
COMMENT ON FUNCTION syncup.fulfill_json(syncup.resource_type, uuid[]) IS 'Kind json: files of orders, for an agent that reports with syncup_report_order().';

CREATE FUNCTION syncup.fulfill_manual(t syncup.resource_type, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$ SELECT u, 'transmitted', NULL::text FROM unnest(orders) u $$;
COMMENT ON FUNCTION syncup.fulfill_manual(syncup.resource_type, uuid[]) IS 'Kind manual: waits for a person, who reports with syncup_report_order().';

-- ---------- program ----------

CREATE FUNCTION syncup.run_orders(role regrole, command text, ids uuid[], documents text[], max_in_flight int, timeout_ms int, executor text)
RETURNS TABLE (order_id uuid, sent boolean, answer text, failure text)
AS 'MODULE_PATHNAME', 'syncup_run_orders' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.run_orders(regrole, text, uuid[], text[], int, int, text) IS
'Runs a program of the operating system that is told documents, a line each, of which so many at most are not answered yet, and answers a line each that names the order. It goes on running, and is told what the same executor has for it next. failure: why it was given up. The role is a member of pg_execute_server_program.';

CREATE FUNCTION syncup.end_program()
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_end_program' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.end_program() IS 'Ends the program that syncup.run_orders() has left running, if there is one.';

CREATE FUNCTION syncup.max_in_flight(t syncup.resource_type)
RETURNS int
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce((t.options #>> '{fulfill,max_in_flight}')::int, 1) $$;
COMMENT ON FUNCTION syncup.max_in_flight(syncup.resource_type) IS 'How many orders a program is told that it has not answered yet.';

CREATE FUNCTION syncup.answer_of(order_id uuid, answer text)
RETURNS syncup.order_result
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	said jsonb;
BEGIN
	said := answer::jsonb;
	IF jsonb_typeof(said) = 'object' AND (said ->> 'OrderId')::uuid = order_id AND coalesce(jsonb_typeof(said -> 'Error'), 'null') IN ('null', 'string') THEN
		RETURN (order_id, CASE WHEN coalesce(said ->> 'Error', '') = '' THEN 'executed' ELSE 'errored' END, nullif(said ->> 'Error', ''))::syncup.order_result;
	END IF;
	RETURN (order_id, 'unknown', 'the program''s answer is none: ' || left(answer, 200))::syncup.order_result;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
	RETURN (order_id, 'unknown', 'the program''s answer is none: ' || left(answer, 200))::syncup.order_result;
END
$$;
COMMENT ON FUNCTION syncup.answer_of(uuid, text) IS 'What the line {"OrderId", "Error"} of a program says of an order.';

CREATE FUNCTION syncup.fulfill_program(t syncup.resource_type, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	f jsonb := t.options -> 'fulfill';
	documents text[] := ARRAY(SELECT o.document::text FROM unnest(orders) WITH ORDINALITY u (id, n) JOIN syncup.provisioning_order o ON o.order_id = u.id ORDER BY u.n);
	r record;
	failure text;
BEGIN
	FOR r IN SELECT * FROM syncup.run_orders(t.role, f ->> 'command', orders, documents, syncup.max_in_flight(t),
		least(1000 * coalesce(extract(epoch FROM (f ->> 'timeout')::interval), 60), 2000000000)::int,
		(SELECT o.executor FROM syncup.provisioning_order o WHERE o.order_id = orders[1]))
	LOOP
		failure := r.failure;
		RETURN NEXT CASE WHEN r.answer IS NOT NULL THEN syncup.answer_of(r.order_id, r.answer)
			WHEN r.sent THEN (r.order_id, 'unknown', r.failure)::syncup.order_result
			ELSE (r.order_id, 'pending', 'not told: ' || r.failure)::syncup.order_result END;
	END LOOP;
	IF failure IS NOT NULL THEN
		RETURN NEXT (NULL, NULL, failure)::syncup.order_result;
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.fulfill_program(syncup.resource_type, uuid[]) IS 'Kind program: one process for many orders, a line of JSON each; what it does not answer has an unknown outcome.';

-- ---------- ldap ----------

CREATE FUNCTION syncup.ldap_orders(role regrole, server text, timeout float8, orders jsonb[])
RETURNS TABLE (order_id uuid, error text)
AS 'MODULE_PATHNAME', 'syncup_ldap_orders' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.ldap_orders(regrole, text, float8, jsonb[]) IS
'Carries orders out in a directory, with the role''s rights on the foreign server: {id, change, dn, new_dn, set: {attribute: [values]}, was, told: [{attribute: [values]}], key, links: [{dn or name, attribute, add}]} each. Returns which are done, among them such of earlier calls in the transaction: null, or why one could not be. Some are under way still when it returns; without orders none is.';

-- Values of a document as those of an attribute: texts, or octets of a bytea.
CREATE FUNCTION syncup.ldap_value(value jsonb, is_bytea boolean)
RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN is_bytea THEN jsonb_build_object('hex', substr(value #>> '{}', 3)) WHEN jsonb_typeof(value) = 'boolean' THEN to_jsonb(upper(value #>> '{}')) ELSE to_jsonb(value #>> '{}') END;
COMMENT ON FUNCTION syncup.ldap_value(jsonb, boolean) IS 'A value of a document, none of a list, as a value of an attribute.';

CREATE FUNCTION syncup.ldap_list(list jsonb, is_bytea boolean)
RETURNS jsonb
LANGUAGE sql STABLE
RETURN (SELECT coalesce(jsonb_agg(syncup.ldap_value(e.j, is_bytea) ORDER BY e.n), '[]') FROM jsonb_array_elements(list) WITH ORDINALITY AS e (j, n) WHERE e.j #>> '{}' <> '');
COMMENT ON FUNCTION syncup.ldap_list(jsonb, boolean) IS 'A list of a document as a list of an attribute''s values.';

-- without a query of its own, and as volatile as jsonb_build_array() is, it becomes part
-- of the queries that call it
CREATE FUNCTION syncup.ldap_values(value jsonb, is_bytea boolean)
RETURNS jsonb
LANGUAGE sql STABLE
RETURN CASE WHEN jsonb_typeof(value) = 'array' THEN syncup.ldap_list(value, is_bytea)
	WHEN value #>> '{}' <> '' THEN jsonb_build_array(CASE WHEN jsonb_typeof(value) = 'string' AND NOT is_bytea THEN value ELSE syncup.ldap_value(value, is_bytea) END) ELSE '[]' END;
COMMENT ON FUNCTION syncup.ldap_values(jsonb, boolean) IS 'A value of a document as a list of an attribute''s values.';

CREATE FUNCTION syncup.ldap_columns(t syncup.resource_type)
RETURNS TABLE (name text, attribute text, is_bytea boolean, is_given boolean, is_key boolean, is_text boolean)
LANGUAGE plpgsql STABLE ROWS 20
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	f jsonb := t.options -> 'fulfill';
	keys name[] := syncup.key_columns(t.account);
	given text[] := ARRAY(SELECT r.definition ->> 'property' FROM syncup.rules_of(t.resource_type, 'scalar') r);
BEGIN
	RETURN QUERY
	SELECT a.attname::text, n.attribute, a.atttypid = 'bytea'::regtype, a.attname::text = ANY (given), a.attname = ANY (keys),
		a.atttypid <> 'bytea'::regtype AND lower(n.attribute) NOT IN ('objectguid', 'objectsid')
	FROM pg_attribute a
	CROSS JOIN LATERAL (SELECT CASE WHEN f -> 'attributes' ? a.attname::text THEN f #>> ARRAY['attributes', a.attname] ELSE a.attname::text END AS attribute) AS n
	WHERE a.attrelid = t.account AND a.attnum > 0 AND NOT a.attisdropped AND n.attribute IS NOT NULL AND a.attname <> coalesce(f ->> 'dn', 'dn');
END
$$;
COMMENT ON FUNCTION syncup.ldap_columns(syncup.resource_type) IS
'Columns of an account as attributes of its entry, whether a rule gives them, whether they are its key, and whether the directory has the same text; without the name, and without those that "attributes" gives no name.';

-- The names of entries on the other side of links.
CREATE FUNCTION syncup.ldap_names(t syncup.resource_type, association text, keys text[])
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	l record;
	names jsonb;
BEGIN
	SELECT * INTO l FROM syncup.association_of(t.account, association);
	EXECUTE format('SELECT jsonb_object_agg(q.key, q.dn) FROM syncup.query_as(%L::regrole, %L, %L) AS q (key text, dn text)', t.role,
		format('SELECT g.key, x.%1$I::pg_catalog.text FROM given g JOIN %2$s x ON %3$s WHERE x.%1$I::pg_catalog.text <> ''''',
			coalesce(t.options #>> ARRAY['fulfill', 'links', association, 'dn'], 'dn'), l.other, syncup.key_is(l.other, 'x', 'g.ak')),
		format('SELECT k.key, %s AS ak FROM unnest(%L::text[]) AS k (key)', syncup.key_parts(l.other, 'k.key'), keys))
	INTO names;
	RETURN coalesce(names, '{}');
END
$$;
COMMENT ON FUNCTION syncup.ldap_names(syncup.resource_type, text, text[]) IS 'The names of the entries that keys of the other side of an association stand for.';

CREATE FUNCTION syncup.ldap_memberships(t syncup.resource_type, key text)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	l record;
	names jsonb;
	result jsonb := '[]';
BEGIN
	FOR l IN SELECT e.key AS association, e.value ->> 'attribute' AS attribute FROM jsonb_each(coalesce(t.options #> '{fulfill,links}', '{}')) e WHERE e.value ->> 'on' = 'resource' LOOP
		names := syncup.ldap_names(t, l.association, syncup.links_now(t, l.association, key));
		result := result || coalesce((SELECT jsonb_agg(jsonb_build_object('dn', n.value, 'attribute', l.attribute, 'add', false) ORDER BY n.key) FROM jsonb_each(names) n), '[]');
	END LOOP;
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.ldap_memberships(syncup.resource_type, text) IS 'The links that entries of others, such as groups, hold to an account that goes: they are taken away with it.';

-- What is compared before anything is done: what changes, and which entry it is; of one
-- that goes all that rules give. The entry has the name, and may have the values, that our
-- own orders gave it since it was read. Orders are looked up by their keys, whatever was
-- believed of the table when this was planned.
CREATE FUNCTION syncup.ldap_entries(t syncup.resource_type, orders uuid[])
RETURNS TABLE (o syncup.provisioning_order, entry jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off
AS $$
#variable_conflict use_column
BEGIN
	RETURN QUERY
	WITH attribute AS MATERIALIZED (SELECT c.* FROM syncup.ldap_columns(t) c)
	SELECT o, jsonb_build_object('id', o.order_id, 'change', o.change_type, 'dn', coalesce(e.dn, d.resource ->> n.column, d.changes ->> n.column),
			'new_dn', CASE WHEN o.change_type = 'Modified' THEN nullif(d.changes ->> n.column, coalesce(e.dn, d.resource ->> n.column)) END,
			'set', coalesce(c.set, '{}') || CASE o.change_type WHEN 'Added' THEN jsonb_build_object('objectClass', t.options #> '{fulfill,object_class}') ELSE '{}' END,
			'was', coalesce(r.was, '{}'), 'told', e.told, 'key', coalesce(r.key, '{}'), 'links', '[]'::jsonb)
	FROM syncup.provisioning_order o
	CROSS JOIN (SELECT coalesce(t.options #>> '{fulfill,dn}', 'dn')) AS n ("column")
	CROSS JOIN LATERAL (SELECT CASE WHEN o.change_type <> 'Deleted' THEN o.document -> 'Changes' END AS changes, nullif(o.document -> 'Resource', 'null') AS resource OFFSET 0) AS d
	CROSS JOIN LATERAL (
		SELECT jsonb_object_agg(x.attribute, syncup.ldap_values(e.value, x.is_bytea)) AS set, array_agg(x.name) AS names
		FROM jsonb_each(d.changes) e JOIN attribute x ON x.name = e.key WHERE NOT syncup.are_links(e.value)) AS c
	CROSS JOIN LATERAL (
		SELECT jsonb_object_agg(x.attribute, syncup.ldap_values(e.value, x.is_bytea)) FILTER (WHERE x.is_given) AS was,
			jsonb_object_agg(x.attribute, syncup.ldap_values(e.value, x.is_bytea)) FILTER (WHERE NOT x.is_given) AS key
		FROM jsonb_each(d.resource) e JOIN attribute x ON x.name = e.key
		WHERE CASE WHEN x.is_given THEN x.name = ANY (c.names) OR x.is_key OR o.change_type = 'Deleted' ELSE x.is_key AND x.is_text END) AS r
	CROSS JOIN LATERAL (
		SELECT jsonb_agg((SELECT jsonb_object_agg(x.attribute, syncup.ldap_values(v.value, x.is_bytea)) FROM jsonb_each(syncup.scalar_changes(b.document)) v JOIN attribute x ON x.name = v.key)) AS told,
			(array_agg(b.document -> 'Changes' ->> n.column ORDER BY b.seq DESC) FILTER (WHERE b.executed AND b.document -> 'Changes' ->> n.column <> ''))[1] AS dn
		FROM syncup.order_before b WHERE b.order_id = o.order_id) AS e
	WHERE o.order_id = ANY (orders) ORDER BY o.seq;
END
$$;
COMMENT ON FUNCTION syncup.ldap_entries(syncup.resource_type, uuid[]) IS 'Orders as syncup.ldap_orders() takes them, but for links and passwords.';

CREATE FUNCTION syncup.ldap_order(t syncup.resource_type, o syncup.provisioning_order, entry jsonb)
RETURNS jsonb
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	f jsonb := t.options -> 'fulfill';
	own jsonb := entry -> 'set';
	others jsonb := '[]';
	c record;
	names jsonb;
	password text;
	attribute text;
BEGIN
	IF o.change_type = 'Added' AND f ? 'password' THEN
		EXECUTE format('SELECT w.p FROM syncup.write_as(%L::regrole, %L, %L, %L) AS w (p text)', t.role, format('SELECT %s(g.document)::text FROM given g', f ->> 'password'),
			syncup.orders_given(t, ARRAY[o.order_id]), format('fulfil %s', t.resource_type)) INTO password;
		own := own || CASE WHEN password <> '' THEN jsonb_build_object('userPassword', jsonb_build_array(password)) ELSE '{}' END;
	ELSIF o.change_type = 'Deleted' THEN
		others := syncup.ldap_memberships(t, o.account_key);
		entry := entry || jsonb_build_object('new_dn', CASE WHEN f ? 'move_to' THEN concat((regexp_match(entry ->> 'dn', '^(?:[^,\\]|\\.)*'))[1], ',', f ->> 'move_to') END);
	END IF;
	FOR c IN SELECT * FROM syncup.links_of(t, o.document -> 'Changes') LOOP
		attribute := f #>> ARRAY['links', c.association, 'attribute'];
		IF attribute IS NULL THEN
			RAISE 'option "links" of "fulfill" does not say what attribute association "%" is', c.association USING ERRCODE = 'invalid_parameter_value';
		END IF;
		names := syncup.ldap_names(t, c.association, c.added || c.removed);
		IF NOT names ?& c.added THEN
			RAISE 'the directory''s name of what association "%" is to link is not known', c.association USING ERRCODE = 'object_not_in_prerequisite_state';
		END IF;
		IF f #>> ARRAY['links', c.association, 'on'] = 'resource' THEN
			others := others || coalesce((SELECT jsonb_agg(jsonb_build_object('dn', names ->> k, 'attribute', attribute, 'add', k = ANY (c.added)) ORDER BY k)
				FROM unnest(c.added || c.removed) k WHERE names ? k), '[]');
		ELSIF (SELECT l.single FROM syncup.association_of(t.account, c.association) l) THEN
			own := own || jsonb_build_object(attribute, coalesce((SELECT jsonb_agg(names -> k ORDER BY k) FROM unnest(c.added) k WHERE names ? k), '[]'));
		ELSE
			-- of many values those alone that come and go
			others := others || coalesce((SELECT jsonb_agg(jsonb_build_object('name', names ->> k, 'attribute', attribute, 'add', k = ANY (c.added)) ORDER BY k)
				FROM unnest(c.added || c.removed) k WHERE names ? k), '[]');
		END IF;
	END LOOP;
	RETURN entry || jsonb_build_object('set', own, 'links', others);
END
$$;
COMMENT ON FUNCTION syncup.ldap_order(syncup.resource_type, syncup.provisioning_order, jsonb) IS 'An order as syncup.ldap_orders() takes it: its links, its password, and where it goes are added to the entry.';

CREATE FUNCTION syncup.fulfill_ldap(t syncup.resource_type, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	e record;
	documents jsonb[] := '{}';
BEGIN
	FOR e IN SELECT x.o, x.entry FROM syncup.ldap_entries(t, orders) x LOOP
		-- most have neither links nor a password
		IF (e.o).change_type = 'Deleted' OR (e.o).change_type = 'Added' AND t.options -> 'fulfill' ? 'password' OR (e.o).document @? '$.Changes.* ? (@.type() == "object")' THEN
			BEGIN
				documents := documents || syncup.ldap_order(t, e.o, e.entry);
			EXCEPTION WHEN OTHERS THEN
				IF syncup.is_of_the_server(SQLSTATE) THEN
					RAISE;
				END IF;
				RETURN NEXT ((e.o).order_id, 'errored', SQLERRM)::syncup.order_result;
			END;
		ELSE
			documents := documents || e.entry;
		END IF;
	END LOOP;
	RETURN QUERY
	SELECT r.order_id, CASE WHEN r.error IS NULL THEN 'executed' ELSE 'errored' END, r.error
	FROM syncup.ldap_orders(t.role, t.options #>> '{fulfill,server}', coalesce(extract(epoch FROM (t.options #>> '{fulfill,timeout}')::interval), 60), documents) r;
END
$$;
COMMENT ON FUNCTION syncup.fulfill_ldap(syncup.resource_type, uuid[]) IS
'Kind ldap: adds, modifies, renames and deletes (or moves) entries of a directory, each by the smallest difference from what it is. What is done by now of what it was given; without orders all.';

INSERT INTO syncup.fulfill_kind (kind, function, slice, part, at_once, idempotent, options, needed, description) VALUES
	('internal', 'syncup.fulfill_internal', 1000, NULL, true, true, '{}', '{}', 'writes the account''s own table'),
	('sql', 'syncup.fulfill_sql', 1, NULL, false, false, '{"function": "text"}', '{function}', 'calls "function", which takes a document (jsonb) and returns null or an error (text)'),
	('csv', 'syncup.fulfill_csv', 1000, NULL, false, true, '{"file": "text", "link_file": "text", "command_column": "text"}', '{file}', 'appends to "file", a file of changes'),
	('json', 'syncup.fulfill_json', 10000, NULL, false, true, '{"directory": "text", "orders_per_file": "number"}', '{directory}', 'writes files of orders to "directory" for an agent that reports back'),
	('program', 'syncup.fulfill_program', 100, NULL, false, false, '{"command": "text", "max_in_flight": "number", "timeout": "interval"}', '{command}', 'runs "command", which reads orders and writes answers, a line of JSON each'),
	('ldap', 'syncup.fulfill_ldap', 1000, 100, false, true, '{"server": "text", "object_class": "array", "dn": "text", "attributes": "object", "links": "object", "move_to": "text", "password": "text", "timeout": "interval"}', '{server,object_class}', 'writes entries of the directory "server", of "object_class"; column "dn" is their name'),
	('manual', 'syncup.fulfill_manual', 1000, NULL, true, true, '{}', '{}', 'waits for a person');

-- ---------- one slice after the other ----------

CREATE FUNCTION syncup.note_written(t syncup.resource_type, r syncup.order_result)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
#variable_conflict use_column
DECLARE
	owners text[];
BEGIN
	WITH written AS (
		UPDATE syncup.assignment x
		SET written = CASE r.state WHEN 'executed' THEN w.wish END, written_at = CASE r.state WHEN 'executed' THEN now() END
		FROM syncup.provisioning_order o CROSS JOIN LATERAL unnest(o.assignments, o.wishes) AS w (assignment, wish)
		-- of the values of one that was made, and was read meanwhile, or is another one now, the reading is newer
		WHERE o.order_id = r.order_id AND x.assignment = w.assignment AND (x.kind = 'account' OR x.account_key IS NOT DISTINCT FROM o.account_key)
			-- it is said to have failed after all
			AND (r.state = 'executed' OR x.written_at IS NOT NULL AND x.written IS NOT DISTINCT FROM w.wish)
			AND NOT EXISTS (SELECT FROM syncup.provisioning_order n WHERE n.resource_type = o.resource_type AND n.owner_key = o.owner_key
				AND n.seq > o.seq AND n.executed_at IS NOT NULL AND n.assignments @> ARRAY[w.assignment])
			-- as in own_assignments()
			AND NOT (o.owner_key IS NULL AND EXISTS (SELECT FROM syncup.provisioning_order n WHERE n.resource_type = o.resource_type AND n.owner_key IS NULL
				AND n.account_key = o.account_key AND n.seq > o.seq AND n.executed_at IS NOT NULL AND n.assignments @> ARRAY[w.assignment]))
		RETURNING o.owner_key, x.expected IS DISTINCT FROM w.wish AS is_news
	)
	SELECT array_agg(DISTINCT w.owner_key) INTO owners FROM written w WHERE w.is_news AND w.owner_key IS NOT NULL;
	-- something else is wished by now: it follows from what is there
	IF owners IS NOT NULL THEN
		PERFORM syncup.write_flags(t.owner, owners, 'fulfill');
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.note_written(syncup.resource_type, syncup.order_result) IS
'What a report of an order says of the assignments that it was for, whatever is wished of them by now.';

CREATE FUNCTION syncup.record_result(t syncup.resource_type, r syncup.order_result, reporter name DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	f jsonb := coalesce(t.options -> 'fulfill', '{}');
	delay interval := coalesce((f ->> 'retry_delay')::interval, '1 minute');
BEGIN
	UPDATE syncup.provisioning_order o
	SET state = r.state, error = r.error, executor = NULL, reported_by = coalesce(reporter, o.reported_by),
		attempts = o.attempts + CASE WHEN r.state IN ('executed', 'errored', 'unknown') THEN 1 ELSE 0 END,
		transmitted_at = CASE WHEN r.state = 'transmitted' THEN now() ELSE o.transmitted_at END,
		executed_at = CASE WHEN r.state = 'executed' THEN now() ELSE o.executed_at END,
		-- twice as long each time, a day at most
		next_attempt = CASE WHEN r.state = 'errored' AND o.attempts < coalesce((f ->> 'retries')::int, 5) THEN now() + least(delay * power(2, least(o.attempts, 30)), greatest(delay, '1 day')) END
	WHERE o.order_id = r.order_id;
	PERFORM syncup.mark_assignments(ARRAY[r.order_id], CASE r.state WHEN 'unknown' THEN 'errored' ELSE r.state END,
		CASE r.state WHEN 'unknown' THEN 'outcome unknown: ' || coalesce(r.error, '') ELSE r.error END);
	PERFORM syncup.note_written(t, r);
END
$$;
COMMENT ON FUNCTION syncup.record_result(syncup.resource_type, syncup.order_result, name) IS
'Records what became of an order; one that errored is tried again after a growing delay, "retries" times (5).';

CREATE FUNCTION syncup.record_executed(orders uuid[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
	-- as in mark_assignments(); withdraw_orders() has seen that all assignments are theirs
	WITH done AS (
		UPDATE syncup.provisioning_order o SET state = 'executed', error = NULL, executor = NULL, attempts = o.attempts + 1, executed_at = now(), next_attempt = NULL,
			transmitted_at = coalesce(o.transmitted_at, now())
		WHERE o.order_id = ANY (orders)
		RETURNING o.assignments, o.wishes
	)
	UPDATE syncup.assignment x
	SET provisioning_state = 'executed', message = NULL, state_at = now(), changed_at = clock_timestamp(), written = w.wish, written_at = now()
	FROM done d CROSS JOIN LATERAL unnest(d.assignments, d.wishes) AS w (assignment, wish)
	WHERE x.assignment = w.assignment AND x.expected IS NOT DISTINCT FROM w.wish AND x.provisioning_state IN ('pending', 'transmitted', 'errored');
END
$$;
COMMENT ON FUNCTION syncup.record_executed(uuid[]) IS 'Records that orders were executed which say what is wished.';

CREATE FUNCTION syncup.is_running(executor text)
RETURNS boolean
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM pg_stat_activity a
		WHERE a.pid = split_part(executor, ' ', 1)::int AND a.pid <> pg_backend_pid()
			-- what cannot be seen of it, or is not tracked, may be that one, and at it
			AND coalesce(extract(epoch FROM a.backend_start)::text = split_part(executor, ' ', 2), true)
			AND coalesce(a.state NOT IN ('idle', 'idle in transaction (aborted)'), true))
$$;
COMMENT ON FUNCTION syncup.is_running(text) IS 'Whether a session that executes orders is still at it.';

CREATE FUNCTION syncup.is_idempotent(t syncup.resource_type, k syncup.fulfill_kind)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT coalesce((t.options #>> '{fulfill,idempotent}')::boolean, k.idempotent) $$;
COMMENT ON FUNCTION syncup.is_idempotent(syncup.resource_type, syncup.fulfill_kind) IS 'Whether orders of a resource type may be executed again where their outcome is not known.';

-- What a session that is gone was about to do, or did.
CREATE FUNCTION syncup.recover_orders(t syncup.resource_type, k syncup.fulfill_kind, executor text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	o syncup.provisioning_order;
BEGIN
	FOR o IN
		SELECT x.* FROM syncup.provisioning_order x
		WHERE x.resource_type = t.resource_type AND x.state = 'transmitted' AND x.executor IS NOT NULL AND x.executor <> executor AND NOT syncup.is_running(x.executor)
		ORDER BY x.seq
	LOOP
		IF syncup.is_idempotent(t, k) THEN
			UPDATE syncup.provisioning_order x SET state = 'pending', executor = NULL WHERE x.order_id = o.order_id;
			PERFORM syncup.mark_assignments(ARRAY[o.order_id], 'pending', NULL);
		ELSE
			PERFORM syncup.record_result(t, (o.order_id, 'unknown', 'the session ended while it was executed')::syncup.order_result);
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.recover_orders(syncup.resource_type, syncup.fulfill_kind, text) IS
'Orders whose executor is gone: to be done again where that does no harm, else of unknown outcome.';

CREATE FUNCTION syncup.slice_size(t syncup.resource_type, k syncup.fulfill_kind)
RETURNS int
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN k.kind = 'program' AND NOT syncup.is_idempotent(t, k) THEN least(k.slice, syncup.max_in_flight(t)) ELSE k.slice END $$;
COMMENT ON FUNCTION syncup.slice_size(syncup.resource_type, syncup.fulfill_kind) IS
'How many orders are handed to the function of a kind at once: not more than may be of unknown outcome after a crash.';

CREATE FUNCTION syncup.unknown_assignments(resource_types text[])
RETURNS bigint[]
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT ARRAY(SELECT unnest(o.assignments) FROM syncup.provisioning_order o WHERE o.resource_type = ANY (resource_types) AND o.state = 'unknown') $$;
COMMENT ON FUNCTION syncup.unknown_assignments(text[]) IS 'What orders whose outcome nobody knows are for: nothing newer is told of it, but that an account goes, before a person reports, or a synchronization finds it.';

CREATE FUNCTION syncup.due_orders(t syncup.resource_type, k syncup.fulfill_kind, executor text)
RETURNS uuid[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	size int := syncup.slice_size(t, k);
	-- of whose outcome nobody knows
	unknown bigint[] := CASE WHEN NOT syncup.is_idempotent(t, k) THEN syncup.unknown_assignments(ARRAY[t.resource_type]) ELSE '{}' END;
BEGIN
	RETURN ARRAY(
		WITH in_flight AS MATERIALIZED (
			SELECT ARRAY[p.owner_key, p.account_key] AS account FROM syncup.provisioning_order p WHERE p.resource_type = t.resource_type AND p.state = 'transmitted'
		), due AS (
			(SELECT o.order_id, o.seq, o.owner_key, o.account_key FROM syncup.provisioning_order o
				WHERE o.resource_type = t.resource_type AND o.state = 'pending' AND o.executor IS DISTINCT FROM $3
					AND (o.change_type = 'Deleted' OR NOT o.assignments && unknown)
					-- not before what the same account was told has come to its end (nulls of arrays are equal; this is hashed, whatever is believed of the table)
					AND ARRAY[o.owner_key, o.account_key] NOT IN (SELECT f.account FROM in_flight f)
				ORDER BY o.seq LIMIT size)
			UNION ALL
			SELECT o.order_id, o.seq, o.owner_key, o.account_key FROM syncup.provisioning_order o
			WHERE o.resource_type = t.resource_type AND o.state = 'errored' AND o.next_attempt <= clock_timestamp() AND o.executor IS DISTINCT FROM $3
				AND ARRAY[o.owner_key, o.account_key] NOT IN (SELECT f.account FROM in_flight f)
		)
		-- an account has one that is pending, and may have others that are tried again
		SELECT d.order_id FROM (SELECT d.*, row_number() OVER (PARTITION BY d.owner_key, d.account_key ORDER BY d.seq) AS n FROM due d) d WHERE d.n = 1 ORDER BY d.seq LIMIT size);
END
$$;
COMMENT ON FUNCTION syncup.due_orders(syncup.resource_type, syncup.fulfill_kind, text) IS 'The next orders of a resource type that are to be executed; none that this executor has tried already.';

CREATE FUNCTION syncup.take_orders(t syncup.resource_type, k syncup.fulfill_kind, executor text)
RETURNS uuid[]
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	due uuid[] := syncup.due_orders(t, k, executor);
BEGIN
	-- none that is superseded, or reported on, at this moment
	RETURN ARRAY(SELECT o.order_id FROM syncup.provisioning_order o WHERE o.order_id = ANY (due) AND o.state IN ('pending', 'errored') ORDER BY o.seq FOR UPDATE);
END
$$;
COMMENT ON FUNCTION syncup.take_orders(syncup.resource_type, syncup.fulfill_kind, text) IS 'The orders that are due, locked.';

CREATE FUNCTION syncup.orders_due(caller regrole, resource_types text[])
RETURNS boolean
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (SELECT FROM syncup.resource_types(caller, resource_types) t JOIN syncup.fulfill_kind k ON k.kind = t.options #>> '{fulfill,kind}'
		WHERE syncup.due_orders(t, k, '') <> '{}')
$$;
COMMENT ON FUNCTION syncup.orders_due(regrole, text[]) IS 'What syncup_orders_due() does.';

CREATE FUNCTION syncup_orders_due(resource_types text[])
RETURNS boolean
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_orders_due(text[]) IS 'Whether an order waits to be executed now, or again.';

CREATE FUNCTION syncup.record_results(t syncup.resource_type, results syncup.order_result[])
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	r syncup.order_result;
BEGIN
	PERFORM syncup.record_executed(ARRAY(SELECT u.order_id FROM unnest(results) u WHERE u.state = 'executed'));
	FOR r IN SELECT * FROM unnest(results) u WHERE u.order_id IS NOT NULL AND u.state <> 'executed' LOOP
		PERFORM syncup.record_result(t, r);
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.record_results(syncup.resource_type, syncup.order_result[]) IS 'Records what became of orders.';

CREATE FUNCTION syncup.execute_orders(t syncup.resource_type, k syncup.fulfill_kind, orders uuid[])
RETURNS SETOF syncup.order_result
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	unknown text := CASE WHEN syncup.is_idempotent(t, k) THEN 'errored' ELSE 'unknown' END;
	size int := coalesce(k.part, cardinality(orders));
	told int := 0;
	part uuid[];
	results syncup.order_result[];
	answered uuid[] := '{}';
	failure text;
BEGIN
	WHILE failure IS NULL AND (told < cardinality(orders) OR part <> '{}' AND k.part IS NOT NULL) LOOP
		part := orders[told + 1 : told + size];
		told := told + cardinality(part);
		BEGIN
			EXECUTE format('SELECT array_agg(ROW(r.order_id, CASE r.state WHEN ''unknown'' THEN $3 ELSE r.state END, r.error)::syncup.order_result) FROM %s($1, $2) r', k.function)
			INTO results USING t, part, unknown;
		EXCEPTION WHEN OTHERS THEN
			IF syncup.is_of_the_server(SQLSTATE) THEN
				RAISE;
			END IF;
			-- what the kind did before it failed is not known, but where it was not allowed
			failure := SQLERRM;
			unknown := CASE WHEN left(SQLSTATE, 2) = '42' THEN 'errored' ELSE unknown END;
			results := '{}';
		END;
		PERFORM syncup.record_results(t, results);
		answered := answered || ARRAY(SELECT u.order_id FROM unnest(results) u);
		RETURN QUERY SELECT * FROM unnest(results);
	END LOOP;
	-- one that nothing is said of would be executed again and again
	results := ARRAY(SELECT (u.order_id, unknown, coalesce(failure, 'nothing is said of it'))::syncup.order_result FROM (SELECT unnest(orders) EXCEPT SELECT unnest(answered)) AS u (order_id));
	PERFORM syncup.record_results(t, results);
	RETURN QUERY SELECT * FROM unnest(results);
END
$$;
COMMENT ON FUNCTION syncup.execute_orders(syncup.resource_type, syncup.fulfill_kind, uuid[]) IS 'Executes orders by the function of their kind, and records what became of them: of one part while the next is under way.';

CREATE FUNCTION syncup.fulfill_slice(caller regrole, resource_types text[], token text, OUT more boolean, OUT processed bigint, OUT executed bigint, OUT errored bigint, OUT message text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_variable
DECLARE
	types syncup.resource_type[] := ARRAY(SELECT t FROM syncup.resource_types(caller, resource_types) t);
	executor text := (SELECT format('%s %s %s', a.pid, extract(epoch FROM a.backend_start), token) FROM pg_stat_activity a WHERE a.pid = pg_backend_pid());
	t syncup.resource_type;
	k syncup.fulfill_kind;
	orders uuid[];
	due uuid[];
	again uuid[];
	busy text;
	failure text;
	waiting text;
BEGIN
	more := false;
	processed := 0;
	executed := 0;
	errored := 0;
	FOREACH t IN ARRAY types LOOP
		SELECT x.* INTO k FROM syncup.fulfill_kind x WHERE x.kind = t.options #>> '{fulfill,kind}';
		CONTINUE WHEN k.kind IS NULL;
		SELECT min(x.executor) INTO busy FROM syncup.provisioning_order x
		WHERE x.resource_type = t.resource_type AND x.state = 'transmitted' AND x.executor IS NOT NULL AND x.executor <> executor AND syncup.is_running(x.executor);
		IF busy IS NOT NULL THEN
			waiting := concat_ws('; ', waiting, format('orders of resource type "%s" are executed by process %s', t.resource_type, split_part(busy, ' ', 1)));
			CONTINUE;
		END IF;
		PERFORM syncup.recover_orders(t, k, executor);
		orders := CASE WHEN k.at_once THEN syncup.take_orders(t, k, executor)
			ELSE ARRAY(SELECT x.order_id FROM syncup.provisioning_order x WHERE x.resource_type = t.resource_type AND x.state = 'transmitted' AND x.executor = executor ORDER BY x.seq) END;
		more := orders <> '{}';
		IF more THEN
			IF syncup.withdraw_orders(orders) > 0 THEN
				RETURN;
			END IF;
			SELECT count(r.order_id), count(*) FILTER (WHERE r.state = 'executed'), count(*) FILTER (WHERE r.state IN ('errored', 'unknown')), string_agg(r.error, '; ') FILTER (WHERE r.order_id IS NULL)
			INTO processed, executed, errored, failure
			FROM syncup.execute_orders(t, k, orders) r;
			-- this call does not try again what has erred, nor the others where nothing can be done now
			IF errored > 0 THEN
				UPDATE syncup.provisioning_order x SET executor = executor WHERE x.order_id = ANY (orders) AND x.state = 'errored';
			END IF;
			IF failure IS NOT NULL THEN
				UPDATE syncup.provisioning_order x SET executor = executor WHERE x.resource_type = t.resource_type AND x.state IN ('pending', 'errored');
				message := format('orders of resource type "%s" wait: %s', t.resource_type, failure);
			END IF;
		END IF;
		IF NOT k.at_once THEN
			due := syncup.due_orders(t, k, executor);
			WITH told AS (
				UPDATE syncup.provisioning_order x SET state = 'transmitted', transmitted_at = clock_timestamp(), executor = executor, next_attempt = NULL
				WHERE x.order_id = ANY (due) AND x.state IN ('pending', 'errored')
				RETURNING x.order_id, x.attempts
			)
			SELECT count(*) > 0 OR more, array_agg(d.order_id) FILTER (WHERE d.attempts > 0) INTO more, again FROM told d;
			-- those of what is tried again have errored; the others are pending, and in_flight()
			IF again IS NOT NULL THEN
				PERFORM syncup.mark_assignments(again, 'pending', NULL);
			END IF;
		END IF;
		IF more THEN
			RETURN;
		END IF;
	END LOOP;
	message := waiting;
	PERFORM syncup.end_program();
END
$$;
COMMENT ON FUNCTION syncup.fulfill_slice(regrole, text[], text) IS 'What syncup_fulfill_slice() does.';

CREATE FUNCTION syncup_fulfill_slice(resource_types text[], token text)
RETURNS TABLE (more boolean, processed bigint, executed bigint, errored bigint, message text)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_fulfill_slice(text[], text) IS
'The next piece of what syncup_fulfill() does, to be committed before the next: executes the orders that the call before it, with the same token, has marked as transmitted, and marks the next. more: there is more to do.';

CREATE PROCEDURE syncup_fulfill(resource_types text[] DEFAULT NULL)
LANGUAGE plpgsql
AS $$
DECLARE
	token pg_catalog.text := pg_catalog.gen_random_uuid()::pg_catalog.text;
	slice record;
BEGIN
	LOOP
		SELECT * INTO slice FROM @extschema@.syncup_fulfill_slice(resource_types, token);
		COMMIT;
		IF slice.message IS NOT NULL THEN
			RAISE NOTICE '%', slice.message;
		END IF;
		EXIT WHEN NOT slice.more;
	END LOOP;
END
$$;
COMMENT ON PROCEDURE syncup_fulfill(text[]) IS
'Executes the orders that are due, of resource types or of all, each by the kind that its resource type names (option "fulfill"). Commits as it goes.';

-- ---------- reports ----------

CREATE FUNCTION syncup.report_order(caller regrole, order_id uuid, error text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	o syncup.provisioning_order;
	t syncup.resource_type;
BEGIN
	SELECT x.* INTO o FROM syncup.provisioning_order x WHERE x.order_id = order_id FOR UPDATE;
	SELECT x.* INTO t FROM syncup.resource_type x WHERE x.resource_type = o.resource_type;
	IF t.resource_type IS NULL OR NOT pg_has_role(caller, t.role, 'MEMBER') THEN
		RAISE 'order % does not exist', order_id USING ERRCODE = 'undefined_object', HINT = 'See syncup.provisioning_order: those of resource types whose role you are a member of are yours to report on.';
	ELSIF o.state = 'transmitted' AND o.executor IS NOT NULL AND syncup.is_running(o.executor) THEN
		RAISE 'order % is being executed by process %', order_id, split_part(o.executor, ' ', 1) USING ERRCODE = 'lock_not_available';
	ELSIF o.state NOT IN ('transmitted', 'unknown', 'errored', 'executed') THEN
		RAISE 'order % is %', order_id, o.state USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'What was transmitted can be reported on.';
	END IF;
	PERFORM syncup.record_result(t, (order_id, CASE WHEN coalesce(error, '') = '' THEN 'executed' ELSE 'errored' END, nullif(error, ''))::syncup.order_result, caller::text::name);
END
$$;
COMMENT ON FUNCTION syncup.report_order(regrole, uuid, text) IS 'What syncup_report_order() does.';

CREATE FUNCTION syncup_report_order(order_id uuid, error text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_report_order(uuid, text) IS
'Says what became of an order that an agent or a person executes: done, or the error. Of one whose outcome was unknown it settles that.';

CREATE FUNCTION syncup.write_orders(caller regrole, directory text, orders_per_file int)
RETURNS TABLE (file text, orders bigint)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	types text[] := ARRAY(SELECT t.resource_type FROM syncup.resource_types(caller, NULL) t);
	told uuid[];
BEGIN
	IF coalesce(orders_per_file, 0) < 1 THEN
		RAISE 'orders_per_file must be at least 1' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	told := ARRAY(SELECT o.order_id FROM syncup.provisioning_order o WHERE o.resource_type = ANY (types) AND o.state = 'pending'
		-- as in due_orders()
		AND (o.change_type = 'Deleted' OR NOT o.assignments && syncup.unknown_assignments(types))
		AND ARRAY[o.resource_type, o.owner_key, o.account_key] NOT IN (SELECT ARRAY[p.resource_type, p.owner_key, p.account_key] FROM syncup.provisioning_order p WHERE p.resource_type = ANY (types) AND p.state = 'transmitted')
		ORDER BY o.seq FOR UPDATE);
	PERFORM syncup.withdraw_orders(told);
	told := ARRAY(SELECT o.order_id FROM syncup.provisioning_order o WHERE o.order_id = ANY (told) AND o.state = 'pending' ORDER BY o.seq);
	RETURN QUERY SELECT * FROM syncup.write_order_files(caller, directory, told, orders_per_file);
	UPDATE syncup.provisioning_order o SET state = 'transmitted', transmitted_at = now() WHERE o.order_id = ANY (told);
	PERFORM syncup.mark_assignments(told, 'transmitted', NULL);
END
$$;
COMMENT ON FUNCTION syncup.write_orders(regrole, text, int) IS 'What syncup_write_orders() does.';

CREATE FUNCTION syncup_write_orders(directory text, orders_per_file int DEFAULT 100)
RETURNS TABLE (file text, orders bigint)
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_write_orders(text, int) IS
'Writes all pending orders to files of a directory on the server, {"ProvisioningOrdersList": [...]}, as transmitted: whoever executes them reports with syncup_report_order().';
