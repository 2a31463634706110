-- What stands out in a batch (SPEC 6.3): what syncup.detector looks for, measured.
--
-- A finding is proved by counts: of the file, of keys that go and come, of links,
-- and of columns (one scan of the change rows of updates for all columns of a
-- mapping). What is worth counting exactly there is first looked for in some 600
-- rows, chosen by a hash of their key. A batch without change rows (prepared, or
-- applied without keep_changes) has only findings of its file.

CREATE FUNCTION syncup.shorten(value text, width int)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
			WHEN char_length(v.line) <= width THEN v.line
			-- chr(8230) by itself would be computed, and refused, whatever the encoding
			WHEN getdatabaseencoding() = 'UTF8' THEN left(v.line, width - 1) || chr(CASE getdatabaseencoding() WHEN 'UTF8' THEN 8230 END)
			ELSE left(v.line, width - 3) || '...'
		END
	FROM (SELECT regexp_replace(value COLLATE "default", '[[:cntrl:]]+', ' ', 'g')) AS v (line)
$$;
COMMENT ON FUNCTION syncup.shorten(text, int) IS
'A value in one line of at most so many characters.';

CREATE FUNCTION syncup.way_in_words(way text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN way = '' THEN ''
		WHEN jsonb_typeof(way::jsonb) = 'array' THEN (SELECT string_agg('"' || syncup.shorten(v, 40) || '"', ' or ') FROM jsonb_array_elements_text(way::jsonb) AS v)
		ELSE (SELECT string_agg(format('"%s" -> "%s"', syncup.shorten(v.key, 20), syncup.shorten(v.value, 20)), ', ' ORDER BY v.key) FILTER (WHERE v.place <= 3)
				|| CASE WHEN count(*) > 3 THEN format(' and %s more', count(*) - 3) ELSE '' END
			FROM (SELECT e.key COLLATE "C" AS key, e.value, row_number() OVER (ORDER BY e.key COLLATE "C") AS place FROM jsonb_each_text(way::jsonb) AS e) AS v)
	END;
END
$$;
COMMENT ON FUNCTION syncup.way_in_words(text) IS
'What a detector of columns has found, an array or an object, in words.';

CREATE FUNCTION syncup.examples_in_words(examples jsonb)
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format(CASE WHEN e.new IS NULL AND e.old IS NULL THEN '"%s"' WHEN e.key = e.old AND e.new IS NULL THEN '"%s"' WHEN e.key = e.old THEN '"%s" as "%3$s"'
				WHEN NOT x.value ? 'new' THEN '%s: "%2$s"' WHEN NOT x.value ? 'old' THEN '%s: "%3$s"' ELSE '%s: %4$s -> %5$s' END,
			syncup.shorten(e.key, 36), syncup.shorten(e.old, 40), syncup.shorten(e.new, 40),
			coalesce('"' || syncup.shorten(e.old, 40) || '"', 'null'), coalesce('"' || syncup.shorten(e.new, 40) || '"', 'null')),
		', ' ORDER BY x.ordinality)
	FROM jsonb_array_elements(examples) WITH ORDINALITY AS x
	CROSS JOIN LATERAL jsonb_to_record(x.value) AS e (key text, old text, new text)
$$;
COMMENT ON FUNCTION syncup.examples_in_words(jsonb) IS
'The examples of a finding in words.';

/* ---------- updates, column by column ---------- */

CREATE FUNCTION syncup.column_findings(batch uuid, mapping text)
RETURNS TABLE (finding text, ordinal int, column_name name, rows bigint, message text, counter text, explains bigint, examples jsonb, rank int)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
-- The planner does not know yet how much was written, and by itself would not share it out.
SET min_parallel_table_scan_size = 0
SET parallel_setup_cost = 0
SET parallel_tuple_cost = 0
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
	sampled CONSTANT bigint := 600;
	sampled_bytes CONSTANT int := 32 * 1024 * 1024;
	m record;
	columns text;		-- SQL: the columns of a change c
	cells text;			-- SQL: (ordinal, changed, old value, new value) of those of a sample s
	sample jsonb;		-- some changes: key, old, and new by the columns' ordinals
	asked text;			-- SQL: what each detector says of a cell
	asked_other text;
	asked_column text;
	held text;			-- SQL: whether what it says of a column is so of a cell
	candidates jsonb;	-- what some cells of a column have in common: ordinal, rank, way
	counted text;		-- SQL: how often what was found is so
	ways text[];		-- in what way, which may be a value: a text of a statement may come into the log
	counts bigint[];
BEGIN
	SELECT p.connector, p.mapping, p.table_name, k.changed_key, c.updated, c.stored_before,
		(SELECT e.count FROM syncup.explained(b.batch, c.mapping) AS e WHERE e.counter = 'updated_lines' AND e.exceeded) AS exceeding
	INTO m
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	JOIN syncup.mapping p ON p.connector = b.connector AND p.mapping = c.mapping
	JOIN syncup.mapping_key k ON k.connector = p.connector AND k.mapping = p.mapping
	WHERE b.batch = column_findings.batch AND c.mapping = column_findings.mapping
		AND p.kind = 'entity type' AND c.updated > 0;
	IF NOT FOUND THEN
		RETURN;
	END IF;

	-- concat() gives a value as its type writes it, as "old" has it; a cast of
	-- boolean or inet would not. The key, which never changes, is a column that
	-- values can come from.
	SELECT string_agg(format('%L, CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%2$I) END', k.ordinal, k.change_column), ', '),
		string_agg(format('(%s, s.old ? %L, s.old ->> %2$L, s.new ->> %1$L)', k.ordinal, k.target), ', ')
	INTO columns, cells
	FROM syncup.mapping_column k
	WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL;
	-- fewer where they are large: JSON has room for 256 MB
	EXECUTE format($sql$
		SELECT jsonb_agg(s.change)
		FROM (
			SELECT v.change, sum(v.bytes) OVER (ORDER BY k.hash, k.key COLLATE "C") AS bytes
			FROM syncup_changes.%2$I c
			CROSS JOIN LATERAL (SELECT %1$s COLLATE "default" AS key, hashtextextended(%1$s COLLATE "default", 0) AS hash) AS k
			CROSS JOIN LATERAL (
				SELECT o.change, octet_length(o.change::text) AS bytes
				FROM (SELECT jsonb_build_object('key', k.key, 'old', c.old, 'new', jsonb_build_object(%3$s)) AS change OFFSET 0) AS o) AS v
			WHERE c.batch = $1 AND c.command = 'update' AND k.hash %% $2 = 0 AND v.bytes <= $3 / 8
		) AS s
		WHERE s.bytes <= $3
		$sql$, m.changed_key, m.table_name, columns)
	INTO sample USING column_findings.batch, greatest(m.updated / sampled, 1), sampled_bytes;

	SELECT string_agg(format('(%s, %s(a.old, a.new))', d.rank, d.function), ', ') FILTER (WHERE d.looks_at = 'value'),
		string_agg(format('(%s, %s(o.old, a.new))', d.rank, d.function), ', ') FILTER (WHERE d.looks_at = 'other column'),
		string_agg(format('(%s, %s(g.old, g.new))', d.rank, d.function), ', ') FILTER (WHERE d.looks_at = 'column'),
		string_agg(format('WHEN %s THEN %s(a.old, a.new, d.way)', d.rank, d.holds), ' ') FILTER (WHERE d.looks_at = 'column')
	INTO asked, asked_other, asked_column, held
	FROM syncup.detector d;
	EXECUTE format($sql$
		WITH cell AS MATERIALIZED (
			SELECT s.key, v.ordinal, v.changed, CASE WHEN v.changed THEN v.old ELSE v.new END COLLATE "default" AS old, v.new COLLATE "default" AS new
			FROM jsonb_to_recordset($1) AS s (key text, old jsonb, new jsonb)
			CROSS JOIN LATERAL (VALUES %s) AS v (ordinal, changed, old, new)
		), asked AS MATERIALIZED (
			SELECT a.*, jsonb_build_object('key', a.key, 'old', a.old, 'new', a.new) AS example
			FROM (SELECT c.*, row_number() OVER (PARTITION BY c.ordinal ORDER BY hashtext(c.key)) AS place FROM cell c WHERE c.changed) AS a
			WHERE a.place <= 200
		), seen AS (
			SELECT a.ordinal, d.rank, d.way, count(*) AS rows, NULL::bigint AS others, array_agg(a.example ORDER BY a.key COLLATE "C") AS examples
			FROM asked a CROSS JOIN LATERAL (VALUES %s) AS d (rank, way)
			WHERE d.way IS NOT NULL
			GROUP BY a.ordinal, d.rank, d.way
			UNION ALL
			SELECT a.ordinal, d.rank, o.ordinal::text, count(*), count(*) FILTER (WHERE o.changed), array_agg(a.example ORDER BY a.key COLLATE "C")
			FROM asked a
			JOIN cell o ON o.key = a.key AND o.ordinal <> a.ordinal
			CROSS JOIN LATERAL (VALUES %s) AS d (rank, way)
			WHERE d.way IS NOT NULL
			GROUP BY a.ordinal, d.rank, o.ordinal
			HAVING count(DISTINCT a.new) > 1
			UNION ALL
			SELECT d.ordinal, d.rank, d.way, count(*), NULL, array_agg(a.example ORDER BY a.key COLLATE "C")
			FROM (
				SELECT g.ordinal, d.rank, d.way
				FROM (SELECT a.ordinal, array_agg(a.old ORDER BY a.place) AS old, array_agg(a.new ORDER BY a.place) AS new FROM asked a GROUP BY a.ordinal) AS g
				CROSS JOIN LATERAL (VALUES %s) AS d (rank, way)
				WHERE d.way IS NOT NULL
				OFFSET 0		-- once, not for each of these rows
			) AS d
			JOIN asked a ON a.ordinal = d.ordinal AND CASE d.rank %s END
			GROUP BY d.ordinal, d.rank, d.way
		)
		-- Of each column, in the order of telling, up to the first that is so of nearly all.
		SELECT jsonb_agg(jsonb_build_object('ordinal', b.ordinal, 'rank', b.rank, 'way', b.way, 'examples', b.examples))
		FROM (
			SELECT b.*, count(*) FILTER (WHERE b.share >= 0.9) OVER (PARTITION BY b.ordinal ORDER BY b.rank ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS better
			FROM (
				SELECT DISTINCT ON (s.ordinal, s.rank) s.ordinal, s.rank, s.way, s.examples[1:2] AS examples, s.rows / whole.rows::float8 AS share
				FROM seen s
				JOIN (SELECT a.ordinal, count(*) AS rows FROM asked a GROUP BY a.ordinal) AS whole USING (ordinal)
				WHERE s.rows * 2 > whole.rows
				ORDER BY s.ordinal, s.rank, s.rows DESC, s.others DESC, s.way COLLATE "C"
			) AS b
		) AS b
		WHERE b.better = 0
		$sql$, cells, asked, asked_other, asked_column, held)
	INTO candidates USING sample;
	IF candidates IS NULL THEN
		RETURN;
	END IF;

	-- Then all rows, with all columns side by side: a change stays one row. Of each
	-- column (rank 0) how often it changes, and how often each of these is so.
	WITH cell AS (
		SELECT k.ordinal, k.target, format('c.old ? %L', k.target) AS changed, format('o.%I', k.target) AS old,
			format(CASE k.target_type WHEN 'text' THEN 'c.%1$I COLLATE "default"' ELSE '(CASE WHEN c.%1$I IS DISTINCT FROM NULL THEN concat(c.%1$I) COLLATE "default" END)' END, k.change_column) AS new
		FROM syncup.mapping_column k
		WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL
	)
	SELECT string_agg(format('count(*) FILTER (WHERE %s%s)', k.changed,
			CASE d.looks_at
				WHEN 'value' THEN format(' AND %s(%s, %s) = ($2)[%s]', d.function, k.old, k.new, s.place)
				WHEN 'other column' THEN format(' AND %s(CASE WHEN %s THEN %s ELSE %s END, %s) IS NOT NULL', d.function, other.changed, other.old, other.new, k.new)
				WHEN 'column' THEN format(' AND %s(%s, %s, ($2)[%s])', d.holds, k.old, k.new, s.place) END), ', ' ORDER BY s.place),
		(SELECT string_agg(format('%I text', k.target), ', ') FROM cell k), array_agg(s.way ORDER BY s.place)
	INTO counted, columns, ways
	FROM (
		SELECT s.*, row_number() OVER (ORDER BY s.ordinal, s.rank) AS place
		FROM (
			SELECT s.ordinal, s.rank, s.way FROM jsonb_to_recordset(candidates) AS s (ordinal int, rank int, way text)
			UNION ALL
			SELECT DISTINCT s.ordinal, 0, NULL FROM jsonb_to_recordset(candidates) AS s (ordinal int)
		) AS s
	) AS s
	JOIN cell k USING (ordinal)
	LEFT JOIN syncup.detector d USING (rank)
	LEFT JOIN cell other ON d.looks_at = 'other column' AND other.ordinal::text = s.way;
	EXECUTE format('SELECT ARRAY[%s] FROM syncup_changes.%I c CROSS JOIN LATERAL jsonb_to_record(c.old) AS o (%s) WHERE c.batch = $1 AND c.command = ''update''',
		counted, m.table_name, columns)
	INTO counts USING column_findings.batch, ways;

	RETURN QUERY
	WITH candidate AS (
		SELECT s.ordinal, s.rank, s.way, s.examples, counts[row_number() OVER (ORDER BY s.ordinal, s.rank)] AS rows
		FROM (
			SELECT s.ordinal, s.rank, s.way, s.examples FROM jsonb_to_recordset(candidates) AS s (ordinal int, rank int, way text, examples jsonb)
			UNION ALL
			SELECT DISTINCT s.ordinal, 0, NULL, NULL::jsonb FROM jsonb_to_recordset(candidates) AS s (ordinal int)
		) AS s
	), found AS (
		SELECT s.*, changed.rows AS changed, k.target AS name, other.target AS other_name, d.finding, d.looks_at, d.told
		FROM candidate s
		JOIN candidate changed ON changed.ordinal = s.ordinal AND changed.rank = 0
		JOIN syncup.detector d ON d.rank = s.rank
		JOIN syncup.mapping_column k ON k.connector = m.connector AND k.mapping = m.mapping AND k.ordinal = s.ordinal AND k.key_part IS NULL
		LEFT JOIN syncup.mapping_column other ON d.looks_at = 'other column' AND other.connector = m.connector AND other.mapping = m.mapping AND other.ordinal::text = s.way
		WHERE s.rows * 100 >= d.percent * changed.rows
			AND (s.rows >= d.rows OR s.rows >= d.few_rows AND s.rows * 100 >= d.few_percent * m.stored_before)
			AND (s.rows * 100 >= coalesce(d.stored_percent, 0) * m.stored_before OR d.stored_percent <= 1 AND s.rows * 100 >= 80 * m.exceeding)
	), told AS (
		-- Of each column the most telling.
		SELECT DISTINCT ON (f.ordinal) f.*, back.ordinal AS back_ordinal, back.rows AS back_rows
		FROM found f
		LEFT JOIN found back ON back.rank = f.rank AND back.ordinal::text = f.way AND back.way = f.ordinal::text AND f.looks_at = 'other column'
		ORDER BY f.ordinal, f.rank
	)
	SELECT CASE WHEN t.back_ordinal IS NOT NULL THEN 'columns swapped' ELSE t.finding END, t.ordinal, t.name, t.rows,
		format('"%s" %s in %s of %s changed rows%s%s', t.name,
			format(t.told, CASE t.looks_at WHEN 'column' THEN syncup.way_in_words(t.way) WHEN 'other column' THEN t.other_name ELSE t.way END),
			t.rows, t.changed,
			CASE WHEN m.stored_before > 0 THEN format(' (%s %% of the %s stored)', round(t.rows * 100.0 / m.stored_before, 1), m.stored_before) END,
			CASE WHEN t.back_ordinal IS NOT NULL THEN format(', and "%s" what "%s" held in %s', t.other_name, t.name, t.back_rows) END),
		'updated_lines', t.rows, t.examples, t.rank
	FROM told t
	WHERE t.back_ordinal IS NULL OR t.back_ordinal > t.ordinal;
END
$$;
COMMENT ON FUNCTION syncup.column_findings(uuid, text) IS
'What stands out in the columns of a mapping''s updates. See syncup_findings().';

/* ---------- keys and files ---------- */

CREATE FUNCTION syncup.find_keys_respelled(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET min_parallel_table_scan_size = 0
SET parallel_setup_cost = 0
SET parallel_tuple_cost = 0
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
AS $$
#variable_conflict use_column
DECLARE
	-- forms that the spellings of a key share, the narrowest first; the last is what
	-- is left without the beginning and the end that most keys of a side share
	words CONSTANT text[] := ARRAY['case, blanks, or the braces and dashes of GUIDs', 'leading zeros', 'signs between letters and digits', 'a domain', 'a beginning or an end'];
	forms CONSTANT text[] := ARRAY['k.bare', 'ltrim(k.bare, ''0'')', 'regexp_replace(k.bare, ''[^[:alnum:]]'', '''', ''g'')', 'lower(split_part(split_part(k.key, ''\'', -1), ''@'', 1))',
		'substr(left(k.key, char_length(k.key) - k.same_end), k.same_beginning + 1)'];
	m record;
	keys text;			-- SQL: command, key, and what is left of it without blanks, of every so many
	every int;
	likely record;		-- the form, and what keys of each side have in common
	pair record;
BEGIN
	SELECT p.table_name, k.changed_key, c.deleted, c.inserted
	INTO m
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	JOIN syncup.mapping p ON p.connector = b.connector AND p.mapping = c.mapping
	JOIN syncup.mapping_key k ON k.connector = p.connector AND k.mapping = p.mapping
	WHERE b.batch = find_keys_respelled.batch AND c.mapping = find_keys_respelled.mapping
		AND p.kind = 'entity type' AND c.inserted > 0 AND c.deleted > 0;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	keys := format($sql$
		SELECT c.command, c.key, %s AS bare
		FROM (SELECT c.command, %s COLLATE "default" AS key FROM syncup_changes.%I c WHERE c.batch = $1 AND c.command IN ('delete', 'insert')) AS c
		$sql$, 'syncup.bare_key(c.key)', m.changed_key, m.table_name);

	-- First in so many of both sides that twenty pairs are among them if 1 % of the keys
	-- come back: all forms, and which of them is the narrowest that most share.
	every := greatest(sqrt(greatest(m.deleted, m.inserted) / 2000), 1);
	EXECUTE format($sql$
		WITH key AS MATERIALIZED (
			SELECT k.* FROM (%s) AS k WHERE $2 = 1 OR hashtextextended(k.key, 0) %% $2 = 0
		), side AS MATERIALIZED (
			SELECT k.command,
				syncup.common_prefix(percentile_disc(0.1) WITHIN GROUP (ORDER BY k.key COLLATE "C"),
					percentile_disc(0.9) WITHIN GROUP (ORDER BY k.key COLLATE "C")) AS same_beginning,
				syncup.common_prefix(percentile_disc(0.1) WITHIN GROUP (ORDER BY reverse(k.key) COLLATE "C"),
					percentile_disc(0.9) WITHIN GROUP (ORDER BY reverse(k.key) COLLATE "C")) AS same_end
			FROM key k GROUP BY k.command
		), form AS (
			SELECT f.ordinal, count(*) FILTER (WHERE k.command = 'delete') AS gone
			FROM (SELECT * FROM key JOIN side USING (command)) AS k
			CROSS JOIN LATERAL unnest(ARRAY[%s]) WITH ORDINALITY AS f (form, ordinal)
			WHERE f.form <> ''
			GROUP BY f.ordinal, f.form
			HAVING min(k.key COLLATE "C") FILTER (WHERE k.command = 'delete') <> min(k.key COLLATE "C") FILTER (WHERE k.command = 'insert')
		), pair AS (
			SELECT f.ordinal, sum(f.gone) * $2 * $2 AS count FROM form f GROUP BY f.ordinal
		)
		SELECT p.ordinal, (SELECT jsonb_object_agg(s.command, to_jsonb(s)) FROM side s) AS sides
		FROM pair p
		-- What is left of a key may be another's by chance: then it must be so of most.
		WHERE p.ordinal < 5 OR p.count * 2 >= $3
		ORDER BY least(p.count, $3 * 0.9) DESC, p.ordinal LIMIT 1
		$sql$, keys, array_to_string(forms, ', '))
	INTO likely USING find_keys_respelled.batch, every, m.deleted;
	IF likely IS NULL THEN
		RETURN;
	END IF;
	EXECUTE format($sql$
		WITH pair AS MATERIALIZED (
			SELECT min(k.key COLLATE "C") FILTER (WHERE k.command = 'delete') AS key, min(k.key COLLATE "C") FILTER (WHERE k.command = 'insert') AS came,
				count(*) FILTER (WHERE k.command = 'delete') AS gone
			FROM (
				SELECT k.command, k.key, %2$s AS form
				FROM (
					SELECT k.*, s.same_beginning, s.same_end
					FROM (%1$s) AS k JOIN jsonb_each($2) AS j ON j.key = k.command CROSS JOIN LATERAL jsonb_to_record(j.value) AS s (same_beginning int, same_end int)
				) AS k
			) AS k
			WHERE k.form <> ''
			GROUP BY k.form
			HAVING min(k.key COLLATE "C") FILTER (WHERE k.command = 'delete') <> min(k.key COLLATE "C") FILTER (WHERE k.command = 'insert')
		)
		SELECT (SELECT sum(p.gone)::bigint FROM pair p) AS count,
			(SELECT jsonb_agg(jsonb_build_object('key', p.key, 'old', p.key, 'new', p.came)) FROM (SELECT * FROM pair p ORDER BY p.key LIMIT 2) AS p) AS examples
		$sql$, keys, forms[likely.ordinal])
	INTO pair USING find_keys_respelled.batch, likely.sides;
	IF pair.count > 0 AND (likely.ordinal < 5 OR pair.count >= 10 AND pair.count * 4 >= greatest(m.deleted, m.inserted) * 3) THEN
		RETURN NEXT ROW(NULL, NULL, pair.count,
			format('deleted keys that come back among the inserted ones, other only in %s: %s of %s', words[likely.ordinal], pair.count, m.deleted),
			'deleted_lines', pair.count, pair.examples)::syncup.found;
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.find_keys_respelled(uuid, text) IS
'Deletions that are none: keys that come back in another spelling. See syncup_findings().';

CREATE FUNCTION syncup.file_of(batch uuid, mapping text)
RETURNS TABLE (name text, full_extract boolean, rows_read bigint, rows_kept bigint, stored bigint, kind text, table_name name, key name, comparable boolean, applied boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT regexp_replace(c.file, '^.*/', ''),
		b.mode = 'complete' OR b.mode = 'incremental' AND (k.options || m.options) ->> 'command_column' IS NULL,
		c.rows_read, c.rows_kept,
		-- Before the changes are built: what prepare compared with.
		coalesce(c.stored_before, c.rows_kept - c.delta_inserted + c.delta_deleted),
		m.kind, m.table_name, key.stored,
		key.stored IS NOT NULL AND CASE WHEN has_schema_privilege('syncup_previous', 'USAGE') AND has_schema_privilege('syncup_delta', 'USAGE')
				THEN has_table_privilege(format('syncup_previous.%I', m.table_name), 'SELECT') AND has_table_privilege(format('syncup_delta.%I', m.table_name), 'SELECT') END
			AND NOT EXISTS (
				SELECT FROM syncup.batch o
				WHERE o.connector = b.connector AND o.prepared_at IS NOT NULL
				AND CASE WHEN o.seq > b.seq THEN o.status IN ('applied', 'undone')
					WHEN o.seq < b.seq THEN o.status IN ('prepared', 'blocked', 'failed') END),
		b.status = 'applied'
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	JOIN syncup.connector k ON k.connector = b.connector
	JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
	LEFT JOIN syncup.mapping_key key ON key.connector = m.connector AND key.mapping = m.mapping
	WHERE b.batch = file_of.batch AND c.mapping = file_of.mapping AND c.file IS NOT NULL
$$;
COMMENT ON FUNCTION syncup.file_of(uuid, text) IS
'The file of a mapping in a batch. full_extract: rows that it lacks are deleted; comparable: previous is what it was compared with, and the caller may see it.';

CREATE FUNCTION syncup.find_file_almost_empty(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT NULL, NULL::name, f.stored - f.rows_kept,
		format('rows to use in %s: %s (%s read), %s %% of the %s stored before; %s missing',
			f.name, f.rows_kept, f.rows_read, round(f.rows_kept * 100.0 / f.stored, 1), f.stored, f.stored - f.rows_kept),
		CASE WHEN f.kind = 'entity type' THEN 'deleted_lines' ELSE 'link_deleted_lines' END, c.deleted, NULL::jsonb
	FROM syncup.file_of(find_file_almost_empty.batch, find_file_almost_empty.mapping) AS f
	JOIN syncup.batch_counter c ON c.batch = find_file_almost_empty.batch AND c.mapping = find_file_almost_empty.mapping
	JOIN syncup.detector d ON d.detector = 'file almost empty'
	WHERE f.full_extract AND f.stored >= d.rows AND f.rows_kept * 100 <= d.percent * f.stored
$$;
COMMENT ON FUNCTION syncup.find_file_almost_empty(uuid, text) IS
'A file that gives next to nothing. See syncup_findings().';

CREATE FUNCTION syncup.rows_of(side text, table_name name, key name, applied boolean, every bigint)
RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(CASE
			WHEN side = 'gone' AND applied THEN '(SELECT p.* FROM syncup_delta.%1$I p JOIN syncup_delta.%1$I d ON d.batch = p.batch AND d.command = ''delete'' AND d.%2$I = p.%2$I WHERE p.batch = $1 AND p.command = ''before''%3$s)'
			WHEN side = 'gone' THEN '(SELECT p.* FROM syncup_previous.%1$I p JOIN syncup_delta.%1$I d ON d.batch = $1 AND d.command = ''delete'' AND d.%2$I = p.%2$I WHERE true%3$s)'
			WHEN side = 'came' THEN '(SELECT p.* FROM syncup_delta.%1$I p WHERE p.batch = $1 AND p.command = ''insert''%3$s)'
			WHEN side = 'updated' THEN '(SELECT p.* FROM syncup_delta.%1$I p WHERE p.batch = $1 AND p.command = ''update''%3$s)'
			WHEN side = 'stayed' THEN '(SELECT p.* FROM syncup_previous.%1$I p WHERE NOT EXISTS (SELECT FROM syncup_delta.%1$I d WHERE d.batch = $1 AND d.command IN (''delete'', ''insert'') AND d.%2$I = p.%2$I)%3$s)'
			ELSE '(SELECT p.* FROM syncup_previous.%1$I p WHERE NOT EXISTS (SELECT FROM syncup_delta.%1$I d WHERE d.batch = $1 AND d.command IN (''delete'', ''insert'', ''update'') AND d.%2$I = p.%2$I)%3$s)'
		END, table_name, key, CASE WHEN every > 1 THEN format(' AND hashtextextended(p.%I, 0) %% %s = 0', key, every) END)
$$;
COMMENT ON FUNCTION syncup.rows_of(text, name, name, boolean, bigint) IS
'SQL: of the rows that a batch ($1) deletes (gone), inserts (came) or updates, as they come, or of all others of previous, with (stayed) or without (same) those that it updates: one in so many, by a hash of the key.';

CREATE FUNCTION syncup.file_cut(batch uuid, mapping text, by_key boolean)
RETURNS SETOF syncup.found
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	f record;
	d syncup.detector;
	deleted bigint;
	orders jsonb;		-- in which order: number, column, SQL of the value
	sampled bigint;
	cut record;
BEGIN
	SELECT * INTO f FROM syncup.file_of(file_cut.batch, file_cut.mapping);
	SELECT * INTO d FROM syncup.detector t WHERE t.detector = 'file cut';
	SELECT c.delta_deleted INTO deleted FROM syncup.batch_counter c WHERE c.batch = file_cut.batch AND c.mapping = file_cut.mapping;
	IF NOT coalesce(f.full_extract AND f.comparable, false) OR deleted < d.rows THEN
		RETURN;
	END IF;
	SELECT jsonb_agg(o)
	INTO orders
	FROM (
		SELECT row_number() OVER (ORDER BY o.kind, k.ordinal) AS number, CASE WHEN k.stored <> f.key THEN k.source END AS "column", format(o.value || ' COLLATE "C"', k.stored) AS value
		FROM syncup.mapping_column k
		CROSS JOIN (VALUES
			(1, 'g.%I', true),
			-- digits of one length are in the order of their numbers
			(2, '(CASE WHEN length(g.%1$I) <= 100 AND g.%1$I ~ ''^[0-9]+$'' THEN lpad(g.%1$I, 100, ''0'') END)', true),
			(3, 'lower(g.%I COLLATE "default")', true),
			(4, 'lower(g.%I COLLATE "default")', false)) AS o (kind, value, of_key)
		WHERE k.connector = (SELECT b.connector FROM syncup.batch b WHERE b.batch = file_cut.batch) AND k.mapping = file_cut.mapping
			AND NOT k.repeated AND k.source <> '' AND (k.stored = f.key) = o.of_key AND o.of_key = by_key
	) AS o;
	-- of a key alone there is no other order
	IF orders IS NULL THEN
		RETURN;
	END IF;

	-- Between two of the deleted values, which leave some of them out at both ends, lie
	-- most others of a run, and no row that stayed. First in some rows, of every order;
	-- then in all rows, of the one that it may be.
	FOREACH sampled IN ARRAY ARRAY[greatest(least(f.stored, deleted) / 1000, 1), 1] LOOP
		EXECUTE format($sql$
			WITH gone AS MATERIALIZED (
				SELECT v.number, g.%3$I AS key, v.value FROM %1$s AS g CROSS JOIN LATERAL (VALUES %2$s) AS v (number, value)
			), edge AS MATERIALIZED (
				SELECT v.number, t.trim, percentile_disc(t.trim) WITHIN GROUP (ORDER BY v.value COLLATE "C") COLLATE "C" AS first,
					percentile_disc(1 - t.trim) WITHIN GROUP (ORDER BY v.value COLLATE "C") COLLATE "C" AS last
				FROM gone v CROSS JOIN (VALUES (0.02::float8), (0.12)) AS t (trim)
				GROUP BY v.number, t.trim
				HAVING count(v.value) * 100 >= 98 * count(*)
			), apart AS (
				SELECT e.number, e.trim, count(*) FILTER (WHERE v.value BETWEEN e.first AND e.last) AS inside,
					max(v.value) FILTER (WHERE v.value < e.first) COLLATE "C" AS before, count(*) FILTER (WHERE v.value < e.first) AS below,
					min(v.value) FILTER (WHERE v.value > e.last) COLLATE "C" AS after, count(*) FILTER (WHERE v.value > e.last) AS above
				FROM %4$s AS g
				CROSS JOIN LATERAL (VALUES %2$s) AS v (number, value)
				JOIN edge e ON e.number = v.number
				WHERE e.first < e.last
				GROUP BY e.number, e.trim
			)
			SELECT a.number, a.before, a.after, a.below + a.above + a.inside AS stayed, v.gone, v.examples,
				CASE WHEN a.above * 50 <= a.below THEN 'tail' WHEN a.below * 50 <= a.above THEN 'head' ELSE 'middle' END AS part
			FROM apart a
			CROSS JOIN LATERAL (
				SELECT count(*) AS gone, (
					SELECT jsonb_agg(jsonb_build_object('key', e.key, 'old', e.key, 'new', NULL))
					FROM (SELECT v.key FROM gone v WHERE v.number = a.number AND v.value BETWEEN coalesce(a.before, v.value) AND coalesce(a.after, v.value) ORDER BY v.value COLLATE "C" LIMIT 2) AS e) AS examples
				FROM gone v
				WHERE v.number = a.number AND (v.value > a.before) IS NOT FALSE AND (v.value < a.after) IS NOT FALSE
			) AS v
			WHERE a.inside * $2 * 50 <= $3 AND (a.below + a.above) * $2 >= 5 AND a.inside <= a.below + a.above
			ORDER BY v.gone * $2 * 10 / $3 DESC, a.number, v.gone DESC LIMIT 1
			$sql$, syncup.rows_of('gone', f.table_name, f.key, f.applied, sampled),
			(SELECT string_agg(format('(%s, %s)', o.number, o.value), ', ') FROM jsonb_to_recordset(orders) AS o (number int, value text)), f.key,
			syncup.rows_of('stayed', f.table_name, f.key, f.applied, sampled))
		INTO cut USING file_cut.batch, sampled, deleted;
		EXIT WHEN cut.number IS NULL OR sampled = 1;
		SELECT jsonb_agg(o) INTO orders FROM jsonb_array_elements(orders) AS o WHERE (o ->> 'number')::int = cut.number;
	END LOOP;
	IF cut.gone >= d.rows AND cut.gone * 100 >= d.percent * deleted AND (by_key OR NOT EXISTS (SELECT FROM syncup.file_cut(file_cut.batch, file_cut.mapping, true))) THEN
		RETURN QUERY
		SELECT NULL::text, NULL::name, cut.gone,
			format(CASE cut.part
					WHEN 'tail' THEN '%1$s has lost its tail: %2$s of %3$s deleted keys come after "%4$s", the last of the %5$s that stayed'
					WHEN 'head' THEN '%1$s has lost its head: %2$s of %3$s deleted keys come before "%6$s", the first of the %5$s that stayed'
					ELSE '%1$s has lost a part of its middle: %2$s of %3$s deleted keys lie between "%4$s" and "%6$s", two of the %5$s that stayed'
				END, f.name, cut.gone, deleted, syncup.shorten(ltrim(cut.before, CASE WHEN length(cut.before) = 100 THEN '0' ELSE '' END), 40), cut.stayed,
				syncup.shorten(ltrim(cut.after, CASE WHEN length(cut.after) = 100 THEN '0' ELSE '' END), 40))
			|| CASE WHEN o."column" IS NULL THEN '' ELSE format(', in the order of "%s"', o."column") END,
			'deleted_lines', cut.gone, cut.examples
		FROM jsonb_to_recordset(orders) AS o (number int, "column" text)
		WHERE o.number = cut.number;
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.file_cut(uuid, text, boolean) IS
'A file that has lost a part: the deleted keys, or, if they are none, the values of another column in these rows, are a run of all.';

CREATE FUNCTION syncup.find_file_cut(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM syncup.file_cut($1, $2, true) $$;
COMMENT ON FUNCTION syncup.find_file_cut(uuid, text) IS
'A file that has lost a part, in the order of its keys. See syncup_findings().';

CREATE FUNCTION syncup.find_file_cut_otherwise(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT * FROM syncup.file_cut($1, $2, false) $$;
COMMENT ON FUNCTION syncup.find_file_cut_otherwise(uuid, text) IS
'A file that has lost a part, in the order of another column. See syncup_findings().';

CREATE FUNCTION syncup.traits(value text)
RETURNS TABLE (kind text, trait text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'is', value
	UNION ALL
	SELECT 'ends with', substr(value, p.place::int)
	FROM generate_series(2, least(char_length(value), 300)) AS p (place)
	WHERE substr(value, p.place::int, 1) IN ('@', ',')
	UNION ALL
	SELECT 'begins with', left(value, p.place::int)
	FROM generate_series(2, least(char_length(value) - 1, 300)) AS p (place)
	WHERE substr(value, p.place::int, 1) IN ('/', '\')
$$;
COMMENT ON FUNCTION syncup.traits(text) IS
'What values may have in common: the whole, the ends of a name or address, the beginnings of a path.';

CREATE FUNCTION syncup.find_rows_in_common(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	f record;
	c syncup.batch_counter;
	d syncup.detector;
	of record;
	cells jsonb;		-- SQL by the columns' ordinals: (ordinal, value)
	others bigint;		-- how many rows stay
	holds CONSTANT text := 't.ordinal = g.ordinal AND CASE t.kind WHEN ''is'' THEN g.value = t.trait WHEN ''ends with'' THEN right(g.value, t.length) = t.trait ELSE starts_with(g.value, t.trait) END';
	traits jsonb;
	trait record;
BEGIN
	SELECT * INTO f FROM syncup.file_of(find_rows_in_common.batch, find_rows_in_common.mapping);
	SELECT * INTO d FROM syncup.detector t WHERE t.detector = 'rows in common';
	SELECT * INTO c FROM syncup.batch_counter t WHERE t.batch = find_rows_in_common.batch AND t.mapping = find_rows_in_common.mapping;
	IF NOT coalesce(f.comparable, false) THEN
		RETURN;
	END IF;
	SELECT jsonb_object_agg(k.ordinal, format('(%s, g.%I)', k.ordinal, k.stored))
	INTO cells
	FROM syncup.mapping_column k
	WHERE k.connector = (SELECT b.connector FROM syncup.batch b WHERE b.batch = find_rows_in_common.batch) AND k.mapping = find_rows_in_common.mapping
		AND NOT k.repeated AND k.source <> '' AND k.stored <> f.key;
	IF cells IS NULL THEN
		RETURN;
	END IF;

	-- Where next to none stays, all have everything in common.
	others := f.stored - c.delta_deleted;
	IF others < d.rows THEN
		RETURN;
	END IF;

	FOR of IN
		SELECT * FROM (VALUES ('gone', 'deleted', 'deleted_lines', 'old', c.delta_deleted), ('came', 'inserted', 'inserted_lines', 'new', c.delta_inserted))
			AS s (side, word, counter, place, rows)
		WHERE s.rows >= d.rows
	LOOP
		-- What most of some have in common, and few of some others.
		EXECUTE format($sql$
			WITH ours AS MATERIALIZED (
				SELECT g.* FROM %1$s AS g
			), trait AS MATERIALIZED (
				SELECT v.ordinal, t.kind, t.trait COLLATE "C" AS trait, char_length(t.trait) AS length, count(*) AS rows
				FROM ours g
				CROSS JOIN LATERAL (VALUES %2$s) AS v (ordinal, value)
				CROSS JOIN LATERAL syncup.traits(v.value) AS t
				WHERE v.value <> '' AND char_length(t.trait) <= 300
				GROUP BY v.ordinal, t.kind, t.trait
				HAVING count(*) * 2 > (SELECT count(*) FROM ours)
			), other AS MATERIALIZED (
				SELECT g.* FROM %3$s AS g
			), common AS (
				SELECT t.ordinal, t.kind, t.trait
				FROM (SELECT v.* FROM other g CROSS JOIN LATERAL (VALUES %2$s) AS v (ordinal, value)) AS g
				JOIN trait t ON %4$s
				GROUP BY t.ordinal, t.kind, t.trait
				HAVING count(*) * 10 > (SELECT count(*) FROM other)
			)
			SELECT jsonb_agg(t)
			FROM (SELECT t.* FROM trait t LEFT JOIN common c USING (ordinal, kind, trait) WHERE c.ordinal IS NULL ORDER BY t.rows DESC, t.length DESC LIMIT 20) AS t
			$sql$, syncup.rows_of(of.side, f.table_name, f.key, f.applied, of.rows / 300),
			(SELECT string_agg(c.value, ', ') FROM jsonb_each_text(cells) AS c), syncup.rows_of('stayed', f.table_name, f.key, f.applied, others / 300), holds)
		INTO traits USING find_rows_in_common.batch;
		CONTINUE WHEN traits IS NULL;
		-- Then how many have it, and how many others as the file has them now: one that has
		-- just left a department that is lost is not in it.
		EXECUTE format($sql$
			WITH trait AS MATERIALIZED (
				SELECT t.* FROM jsonb_to_recordset($2) AS t (ordinal int, kind text, trait text COLLATE "C", length int)
			), has AS (
				SELECT t.ordinal, t.kind, t.trait, t.length, sum(g.ours) AS ours, sum(g.others) AS others
				FROM (
					SELECT v.*, 1 AS ours, 0 AS others FROM %1$s AS g CROSS JOIN LATERAL (VALUES %4$s) AS v (ordinal, value)
					UNION ALL
					SELECT v.*, 0, 1 FROM %2$s AS g CROSS JOIN LATERAL (VALUES %4$s) AS v (ordinal, value)
					UNION ALL
					SELECT v.*, 0, 1 FROM %3$s AS g CROSS JOIN LATERAL (VALUES %4$s) AS v (ordinal, value)
				) AS g
				JOIN trait t ON %5$s
				GROUP BY t.ordinal, t.kind, t.trait, t.length
			)
			SELECT t.*, (
					SELECT jsonb_agg(jsonb_build_object('key', e.key, %7$L, e.value))
					FROM (
						SELECT g.key, g.value
						FROM (SELECT g.%6$I AS key, v.* FROM %1$s AS g CROSS JOIN LATERAL (VALUES %4$s) AS v (ordinal, value)) AS g
						WHERE %5$s
						ORDER BY g.key COLLATE "C" LIMIT 2
					) AS e) AS examples
			FROM (
				SELECT * FROM has h WHERE h.ours * 100 >= $4 * $3 AND h.others * 20 <= least(h.ours, $5)
				ORDER BY h.ours - h.others DESC, h.length DESC, h.ordinal LIMIT 1
			) AS t
			$sql$, syncup.rows_of(of.side, f.table_name, f.key, f.applied, 1), syncup.rows_of('same', f.table_name, f.key, f.applied, 1),
			syncup.rows_of('updated', f.table_name, f.key, f.applied, 1),
			(SELECT string_agg(c.value, ', ') FROM jsonb_each_text(cells) AS c WHERE EXISTS (SELECT FROM jsonb_array_elements(traits) AS t WHERE t ->> 'ordinal' = c.key)),
			holds, f.key, of.place)
		INTO trait USING find_rows_in_common.batch, traits, of.rows, d.percent, others;
		IF trait.ours >= d.rows THEN
			RETURN QUERY
			SELECT NULL::text, k.source::name, trait.ours,
				format('%s of %s %s rows have a "%s" that %s "%s", and %s of the others', trait.ours, of.rows, of.word, k.source, trait.kind,
					syncup.shorten(trait.trait, 60), CASE trait.others WHEN 0 THEN 'none' ELSE trait.others::text END),
				of.counter, trait.ours, trait.examples
			FROM syncup.mapping_column k
			WHERE k.connector = (SELECT b.connector FROM syncup.batch b WHERE b.batch = find_rows_in_common.batch) AND k.mapping = find_rows_in_common.mapping
				AND k.ordinal = trait.ordinal;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.find_rows_in_common(uuid, text) IS
'A value that nearly all deleted, or inserted, rows have and nearly no other row. See syncup_findings().';

/* ---------- links and rows set aside ---------- */

CREATE FUNCTION syncup.find_links_lost(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT NULL, NULL::name, count(*),
		format(CASE count(*) WHEN 1 THEN '%s resource loses' ELSE '%s resources lose' END || CASE WHEN bool_or(r.exceeds) THEN ' more than the limit of its links: ' ELSE ' nearly all links: ' END, count(*))
			|| string_agg(format('"%s" %s of %s', syncup.shorten(r.resource, 40), r.deleted, r.stored), ', ' ORDER BY r.place) FILTER (WHERE r.place <= 3)
			|| CASE WHEN count(*) > 3 THEN format(', and %s more', count(*) - 3) ELSE '' END,
		'link_deleted_lines', sum(r.deleted)::bigint,
		jsonb_agg(jsonb_build_object('key', r.resource) ORDER BY r.place) FILTER (WHERE r.place <= 2)
	FROM (
		SELECT t.*, row_number() OVER (ORDER BY t.deleted DESC, t.resource COLLATE "C") AS place
		FROM syncup.batch_resource t
		JOIN syncup.detector d ON d.detector = 'links lost'
		WHERE t.batch = find_links_lost.batch AND t.mapping = find_links_lost.mapping AND (t.exceeds OR t.deleted * 100 >= d.percent * t.stored)
	) AS r
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION syncup.find_links_lost(uuid, text) IS
'Resources that lose nearly all of their links, or more than their limit. See syncup_findings().';

CREATE FUNCTION syncup.find_ends_not_found(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH lost AS MATERIALIZED (
		SELECT q.key, q.message FROM syncup.quarantine q
		WHERE q.batch = find_ends_not_found.batch AND q.mapping = find_ends_not_found.mapping AND q.reason = 'orphan'
	)
	SELECT NULL, NULL::name, n.count,
		format('pairs with an end that is not found: %s of %s read: %s', n.count, c.rows_read, n.reasons)
			|| CASE WHEN t.count IS NULL THEN '' ELSE format('; %s of them have one that %s "%s"', t.count, t.kind, syncup.shorten(t.trait, 60)) END,
		'link_deleted_lines', least(n.count, c.deleted), n.examples
	FROM syncup.batch_counter c
	JOIN syncup.detector d ON d.detector = 'ends not found'
	CROSS JOIN LATERAL (
		SELECT sum(r.count)::bigint AS count, string_agg(format('%s %s', r.count, r.message), ', ' ORDER BY r.count DESC, r.message) AS reasons,
			(SELECT jsonb_agg(jsonb_build_object('key', e.key)) FROM (SELECT l.key FROM lost l ORDER BY l.key COLLATE "C" LIMIT 2) AS e) AS examples
		FROM (SELECT l.message, count(*) FROM lost l GROUP BY l.message) AS r
	) AS n
	-- What most of some have in common, and then how many have it.
	LEFT JOIN LATERAL (
		SELECT t.kind, t.trait, (
			SELECT count(*) FROM lost l
			WHERE EXISTS (
				SELECT FROM unnest(string_to_array(l.key, ' -> ')) AS v
				WHERE CASE t.kind WHEN 'is' THEN v = t.trait WHEN 'ends with' THEN right(v, char_length(t.trait)) = t.trait ELSE starts_with(v, t.trait) END)) AS count
		FROM (
			SELECT t.kind, t.trait
			FROM (SELECT * FROM lost l WHERE hashtextextended(l.key, 0) % greatest(n.count / 1000, 1) = 0) AS l
			CROSS JOIN LATERAL unnest(string_to_array(l.key, ' -> ')) AS v CROSS JOIN LATERAL syncup.traits(v) AS t
			GROUP BY t.kind, t.trait
			ORDER BY count(DISTINCT l.key) DESC, char_length(t.trait) DESC, t.trait COLLATE "C" LIMIT 1
		) AS t
	) AS t ON t.count * 100 >= 75 * n.count
	WHERE c.batch = find_ends_not_found.batch AND c.mapping = find_ends_not_found.mapping
		AND n.count >= d.rows AND n.count * 100 > d.percent * c.rows_read
$$;
COMMENT ON FUNCTION syncup.find_ends_not_found(uuid, text) IS
'Links that are none for want of an end, and what those have in common. See syncup_findings().';

CREATE FUNCTION syncup.find_rows_set_aside(batch uuid, mapping text)
RETURNS SETOF syncup.found
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT NULL, NULL::name, now.count,
		format('%s of %s rows of %s (%s %%) cannot be used: %s', now.count, c.rows_read, regexp_replace(c.file, '^.*/', ''),
			round(now.count * 100.0 / nullif(c.rows_read, 0), 2), now.reasons)
			|| coalesce('; ' || before.count || ' in the last applied batch', ''),
		'set_aside_lines', c.set_aside, NULL::jsonb
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	JOIN syncup.detector d ON d.detector = 'rows set aside'
	CROSS JOIN LATERAL (
		SELECT sum(q.count)::bigint AS count,
			string_agg(format('%s %s', q.count, q.reason), ', ' ORDER BY q.count DESC, q.reason) AS reasons
		FROM (
			SELECT t.reason, count(*) FROM syncup.quarantine t
			WHERE t.batch = b.batch AND t.mapping = c.mapping AND t.reason <> 'orphan' GROUP BY t.reason
		) AS q
	) AS now
	LEFT JOIN LATERAL (
		SELECT (SELECT count(*) FROM syncup.quarantine t WHERE t.batch = o.batch AND t.mapping = c.mapping AND t.reason <> 'orphan')
		FROM syncup.batch o JOIN syncup.batch_counter t USING (batch)
		WHERE o.connector = b.connector AND o.seq < b.seq AND o.status = 'applied'
		AND t.mapping = c.mapping AND t.file IS NOT NULL
		ORDER BY o.seq DESC LIMIT 1
	) AS before ON true
	WHERE b.batch = find_rows_set_aside.batch AND c.mapping = find_rows_set_aside.mapping AND c.file IS NOT NULL
		AND (now.count * 100 > d.percent * c.rows_read OR now.count > d.rows * greatest(before.count, 1))
$$;
COMMENT ON FUNCTION syncup.find_rows_set_aside(uuid, text) IS
'Rows set aside beyond the usual. See syncup_findings().';

/* ---------- all together ---------- */

-- What counts is the counter that exceeds a limit: the mapping's, else that of all.
CREATE FUNCTION syncup.explained(batch uuid, mapping text)
RETURNS TABLE (counter text, count bigint, exceeded boolean)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT DISTINCT ON (t.counter) t.counter, t.count, t.exceeded
	FROM syncup.threshold_check t
	WHERE t.batch = explained.batch AND (t.mapping IS NULL OR t.mapping = explained.mapping)
	ORDER BY t.counter, t.exceeded DESC, t.mapping NULLS LAST
$$;
COMMENT ON FUNCTION syncup.explained(uuid, text) IS
'Of each counter what a finding of a mapping is to explain, and whether that exceeds a limit.';

-- The page calls this: it cannot know the schema of syncup_findings().
CREATE FUNCTION syncup.findings(batch uuid)
RETURNS TABLE (mapping text, finding text, column_name name, rows bigint, message text, counter text, explains bigint, "of" bigint, examples jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off
AS $$
#variable_conflict use_column
DECLARE
	calls text;
BEGIN
	SELECT string_agg(format($sql$
			UNION ALL
			SELECT m.mapping, m.ordinal, %s, coalesce(f.finding, %L), NULL, f.column_name, f.rows, f.message, f.counter, f.explains, f.examples
			FROM mapping m CROSS JOIN LATERAL %s($1, m.mapping) AS f
			LEFT JOIN explained e ON e.mapping = m.mapping AND e.counter = f.counter
			WHERE f.rows * 100 >= %s * m.stored OR e.exceeded AND f.explains * 100 >= 80 * e.count
			$sql$, d.rank, d.finding, d.function, coalesce(d.stored_percent, 0)), '' ORDER BY d.rank)
	INTO calls
	FROM syncup.detector d WHERE d.looks_at = 'mapping';
	RETURN QUERY EXECUTE format($sql$
		WITH mapping AS MATERIALIZED (
			-- before the changes are built, what prepare compared with
			SELECT c.mapping, m.ordinal, coalesce(c.stored_before, c.rows_kept - c.delta_inserted + c.delta_deleted) AS stored
			FROM syncup.batch b
			JOIN syncup.batch_counter c USING (batch)
			JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
			WHERE b.batch = $1
		), explained AS MATERIALIZED (
			SELECT m.mapping, e.* FROM mapping m CROSS JOIN LATERAL syncup.explained($1, m.mapping) AS e
		), found (mapping, ordinal, rank, finding, "column", column_name, rows, message, counter, explains, examples) AS (
			SELECT m.mapping, m.ordinal, f.rank, f.finding, f.ordinal, f.column_name, f.rows, f.message, f.counter, f.explains, f.examples
			FROM mapping m CROSS JOIN LATERAL syncup.column_findings($1, m.mapping) AS f
			%s
		)
		SELECT f.mapping, f.finding, f.column_name, f.rows,
			f.message || CASE WHEN e.count > 0 AND f.explains > 0 THEN format('; explains %%s of %%s', f.explains, syncup.count_in_words(e.count, f.counter)) ELSE '' END,
			f.counter, f.explains, e.count, f.examples
		FROM found f
		LEFT JOIN explained e ON e.mapping = f.mapping AND e.counter = f.counter
		ORDER BY e.exceeded DESC NULLS LAST, round(f.explains * 10.0 / nullif(e.count, 0)) DESC NULLS LAST, f.rank, f.explains DESC, f.ordinal, f."column"
		$sql$, calls)
	USING findings.batch;
END
$$;
COMMENT ON FUNCTION syncup.findings(uuid) IS
'See syncup_findings().';

CREATE FUNCTION syncup_findings(batch uuid)
RETURNS TABLE (mapping text, finding text, column_name name, rows bigint, message text, counter text, explains bigint, "of" bigint, examples jsonb)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
	IF syncup_findings.batch IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'argument "batch" must not be null';
	ELSIF NOT EXISTS (SELECT FROM syncup.batch b WHERE b.batch = syncup_findings.batch) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('batch %s does not exist', syncup_findings.batch),
			HINT = 'See the table syncup.batch.';
	END IF;
	RETURN QUERY SELECT * FROM syncup.findings(syncup_findings.batch);
END
$$;
COMMENT ON FUNCTION syncup_findings(uuid) IS
'What stands out in a batch, what explains most first: per mapping the finding, its column, the number of rows that show it, a sentence with the figures, how many of how many of a counter that explains, and examples (SPEC 6.3). What is looked for: syncup.detector.';
