-- What people look at and decide (SPEC 2.2, 2.3, 5).

CREATE FUNCTION syncup.batch_named(name text)
RETURNS uuid
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	digits text := lower(translate(name, '{}-', ''));
	is_uuid boolean := digits ~ '^[0-9a-f]{32}$';
	found uuid;
	last record;
BEGIN
	IF name IS NULL THEN
		RAISE 'argument "batch" must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF is_uuid THEN
		SELECT b.batch INTO found FROM syncup.batch b WHERE b.batch = digits::uuid;
	END IF;
	IF found IS NULL THEN
		-- The queue goes no further than a batch that is blocked: there is one at most.
		SELECT b.batch INTO found FROM syncup.batch b
		WHERE b.connector = name AND b.status = 'blocked' AND b.prepared_at IS NOT NULL;
	END IF;
	IF found IS NOT NULL THEN
		RETURN found;
	ELSIF EXISTS (SELECT FROM syncup.connector c WHERE c.connector = name) THEN
		SELECT b.batch, b.status INTO last FROM syncup.batch b WHERE b.connector = name ORDER BY b.seq DESC LIMIT 1;
		RAISE 'connector "%" has no blocked batch', name USING ERRCODE = 'object_not_in_prerequisite_state',
			HINT = CASE WHEN last IS NULL THEN 'It has no batch at all.'
				ELSE format('Its last batch is %s, which is %s.', last.batch, last.status) END;
	ELSIF is_uuid THEN
		RAISE 'batch % does not exist', name USING ERRCODE = 'undefined_object', HINT = 'See the table syncup.batch.';
	END IF;
	RAISE 'connector "%" does not exist', name USING ERRCODE = 'undefined_object',
		HINT = syncup.connectors_hint(name);
END
$$;
COMMENT ON FUNCTION syncup.batch_named(text) IS
'The batch that a text means: a batch''s uuid, else a connector''s one blocked batch.';

CREATE FUNCTION syncup_resume(batch uuid, force boolean DEFAULT false)
RETURNS SETOF syncup.result
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_resume(uuid, boolean) IS
'Applies the stored, reviewed changes of a blocked batch, thresholds waived for it alone, then goes on with the queue.';

CREATE FUNCTION syncup_resume(batch text, force boolean DEFAULT false)
RETURNS SETOF syncup.result
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_resume(text, boolean) IS
'The same of a batch''s uuid as text, or of the one blocked batch of a connector.';

CREATE FUNCTION syncup_discard(batch uuid, reason text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_discard(uuid, text) IS
'Declines a waiting batch and those queued behind it. Changes computed by the source are lost with it: the connector then needs a complete run.';

CREATE FUNCTION syncup_discard(batch text, reason text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_discard(text, text) IS
'The same of a batch''s uuid as text, or of the one blocked batch of a connector.';

CREATE FUNCTION syncup_undo(batch uuid)
RETURNS uuid
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_undo(uuid) IS
'Takes an applied batch back whose changes were kept, targets and previous, as a batch of its own; refused, naming rows, where one was changed since.';

CREATE FUNCTION syncup_purge(older_than interval)
RETURNS bigint
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_purge(interval) IS
'Forgets batches that ended longer ago, with counters, quarantine and kept changes, and provisioning orders likewise. Waiting ones, and those that later runs build on, stay. Returns how many batches went.';

CREATE PROCEDURE syncup_run_purge(older_than interval)
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE syncup_run_purge(interval) IS
'Forgets what syncup_purge() forgets, and commits after each connector, so that none is held until all are done.';

CREATE FUNCTION syncup_changes(batch uuid)
RETURNS TABLE (mapping text, command text, key text, column_name name, old_value text, new_value text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
DECLARE
	m record;
BEGIN
	IF NOT EXISTS (SELECT FROM syncup.batch b WHERE b.batch = syncup_changes.batch) THEN
		RAISE EXCEPTION 'batch % does not exist', batch
			USING ERRCODE = 'undefined_object', HINT = 'See the table syncup.batch.';
	END IF;
	FOR m IN
		SELECT p.mapping, p.table_name, p.kind, k.changed_key,
			e.column_name, e.holder, v.cells, a.apart
		FROM syncup.batch b
		JOIN syncup.mapping p USING (connector)
		JOIN syncup.mapping_cells v ON v.connector = p.connector AND v.mapping = p.mapping
		CROSS JOIN LATERAL (
			-- what tells links of the same pair apart
			SELECT string_agg(format('concat(c.%I)', mc.change_column), ', ' ORDER BY mc.key_part) AS apart
			FROM syncup.mapping_column mc
			WHERE mc.connector = p.connector AND mc.mapping = p.mapping AND mc.target IS NOT NULL AND mc.key_part IS NOT NULL
		) AS a
		LEFT JOIN syncup.mapping_key k ON k.connector = p.connector AND k.mapping = p.mapping
		LEFT JOIN LATERAL (
			-- side 2 is the value; a mono-valued link has one column only
			SELECT (array_agg(a.target_column ORDER BY a.side DESC) FILTER (WHERE a.target_column IS NOT NULL))[1] AS column_name,
				CASE WHEN count(a.target_column) = 1 THEN max(a.side) FILTER (WHERE a.target_column IS NULL) END AS holder
			FROM syncup.association a
			WHERE a.connector = p.connector AND a.mapping = p.mapping
		) AS e ON true
		WHERE b.batch = syncup_changes.batch
		ORDER BY p.ordinal
	LOOP
		IF m.kind = 'association' THEN
			-- Where side 2 holds the link, one that moves leaves one row of side 1 and comes to another.
			RETURN QUERY EXECUTE format(
				'SELECT %L::text, c.command, v.key, %L::name, v.old_value, v.new_value'
				' FROM syncup_changes.%I c CROSS JOIN LATERAL (VALUES'
				'  (c.command <> ''update'' OR %4$L = ''1'', c.key1, CASE c.command WHEN ''delete'' THEN c.key2 WHEN ''update'' THEN c.old_key END,'
				'   CASE WHEN c.command <> ''delete'' THEN c.key2 END),'
				'  (c.command = ''update'' AND %4$L = ''2'', c.old_key, c.key2, NULL),'
				'  (c.command = ''update'' AND %4$L = ''2'', c.key1, NULL, c.key2)) AS v (shown, key, old_value, new_value)'
				' WHERE c.batch = $1 AND v.shown'
				' ORDER BY c.command, v.key COLLATE "C", coalesce(v.old_value, v.new_value) COLLATE "C"',
				m.mapping, m.column_name, m.table_name, m.holder)
			USING syncup_changes.batch;
			-- What else belongs to a link: named by both ends and what tells it from others.
			RETURN QUERY EXECUTE format(
				'SELECT %L::text, c.command, v.key, v.name, CASE WHEN c.command <> ''insert'' THEN c.old ->> v.name::text END,'
				' CASE WHEN c.command <> ''delete'' THEN v.value END'
				' FROM syncup_changes.%I c CROSS JOIN LATERAL (SELECT concat(c.key1, '' -> '', c.key2%s) AS key, x.*'
				'  FROM (VALUES %s) AS x (ordinal, name, value, key_part)) AS v'
				' WHERE c.batch = $1 AND CASE c.command WHEN ''update'' THEN v.name = ANY (c.changed)'
				'  WHEN ''insert'' THEN v.value IS NOT NULL ELSE c.old ->> v.name::text IS NOT NULL END'
				' ORDER BY c.command, v.key COLLATE "C", v.ordinal',
				m.mapping, m.table_name, ', '' ('', concat_ws('','', ' || m.apart || '), '')''', m.cells)
			USING syncup_changes.batch;
			CONTINUE;
		END IF;
		-- Every mapped column; the key itself is shown of rows without another value.
		RETURN QUERY EXECUTE format(
			'SELECT %L::text, c.command, %s, v.name, c.old ->> v.name::text, v.new_value'
			' FROM syncup_changes.%I c CROSS JOIN LATERAL ('
			'  SELECT x.*, CASE WHEN c.command <> ''delete'' THEN x.value END AS new_value,'
			'   count(CASE c.command WHEN ''delete'' THEN c.old ->> x.name::text ELSE x.value END)'
			'    FILTER (WHERE x.key_part IS NULL) OVER () AS filled'
			'  FROM (VALUES %s) AS x (ordinal, name, value, key_part)) AS v'
			' WHERE c.batch = $1 AND CASE'
			'  WHEN c.command = ''update'' THEN v.name = ANY (c.changed)'
			'  WHEN v.key_part IS NOT NULL THEN v.filled = 0'
			'  WHEN c.command = ''insert'' THEN v.value IS NOT NULL'
			'  ELSE c.old ->> v.name::text IS NOT NULL END'
			' ORDER BY c.command, %s COLLATE "C", v.ordinal',
			m.mapping, m.changed_key, m.table_name, m.cells, m.changed_key)
		USING syncup_changes.batch;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup_changes(uuid) IS
'The stored changes of a batch, a row per changed cell. Of links: key = that of side 1, new or old value = that of side 2.';
