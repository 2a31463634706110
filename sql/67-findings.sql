-- What stands out in a batch (SPEC 6.3).
--
-- A finding is proved by counts: of the file (what prepare counted, and where
-- in previous the deleted keys lie), of keys that go and come, and of columns
-- (the change rows of updates, one scan for all columns of a mapping). What is
-- worth checking exactly in that scan - which other column the values of a
-- column came from, which one value it got, how its format differs - is first
-- looked for in some 2000 rows, chosen by a hash of their key. A batch without
-- change rows (prepared, or applied without keep_changes) has only findings of
-- its file.

/* ---------- limits ---------- */

CREATE VIEW syncup.finding_limit AS
SELECT l.*
FROM (VALUES
	(1, 'file almost empty', 10, 10, NULL, NULL,
		'a full extract gives at most "percent" of the rows stored before, where "rows" were stored'),
	(2, 'file cut', NULL, 10, NULL, NULL,
		'at least "rows" deleted keys, all beyond one end of the keys that stayed (5 or more)'),
	(3, 'keys differ only by case or blanks', NULL, 1, NULL, NULL,
		'at least "rows" deleted keys come back among the inserted ones in another spelling'),
	(4, 'columns swapped', 90, 10, 3, 50,
		'as "columns shifted", in both directions'),
	(5, 'columns shifted', 90, 10, 3, 50,
		'in "percent" of its changed rows the column holds what another column held, not always the same value; rows where both are null do not count'),
	(6, 'column emptied', 90, 20, 3, 50,
		'in "percent" of its changed rows the column had a value and has none any more'),
	(7, 'format changed', 90, 10, 3, 50,
		'in "percent" of its changed rows old and new value are the same but for one kind of spelling'),
	(8, 'constant value', 90, 20, NULL, NULL,
		'in "percent" of its changed rows the column gets one and the same value'),
	(9, 'column changed everywhere', 90, 10, NULL, NULL,
		'the column changes in "percent" of the rows stored before'),
	(10, 'rows set aside', 1, 10, NULL, NULL,
		'more than "percent" of the rows read, or more than "rows" times as many as in the last applied batch')
) AS l (rank, finding, percent, rows, few_rows, few_percent, meaning);
COMMENT ON VIEW syncup.finding_limit IS
'From where on something stands out in a batch; rank: the most telling finding first. At least "rows" rows; or at least few_rows, where those are few_percent of the rows stored before.';

/* ---------- values ---------- */

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

CREATE FUNCTION syncup.without_blanks(value text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	-- In Unicode also no-break and zero-width spaces and a stray byte order mark.
	RETURN regexp_replace(value COLLATE "default",
		CASE WHEN getdatabaseencoding() = 'UTF8' THEN '[\s\u00a0\u200b\u202f\ufeff]+' ELSE '\s+' END, '', 'g');
END
$$;
COMMENT ON FUNCTION syncup.without_blanks(text) IS
'A value without any blanks.';

CREATE FUNCTION syncup.bare_key(key text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	bare text COLLATE "default" := lower(syncup.without_blanks(key) COLLATE "default");
BEGIN
	IF bare ~ '^[{(]?[0-9a-f]{8}-?([0-9a-f]{4}-?){3}[0-9a-f]{12}[)}]?$' THEN
		bare := translate(bare, '{}()-', '');
	END IF;
	RETURN bare;
END
$$;
COMMENT ON FUNCTION syncup.bare_key(text) IS
'A key in lower case and without blanks; a GUID also without braces and dashes.';

CREATE FUNCTION syncup.format_difference(old text, new text)
RETURNS text
LANGUAGE plpgsql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- as in without_blanks(), which is not called for speed
	blanks CONSTANT text := CASE WHEN getdatabaseencoding() = 'UTF8' THEN '[\s\u00a0\u200b\u202f\ufeff]+' ELSE '\s+' END;
	a text COLLATE "default" := regexp_replace(old COLLATE "default", blanks, '', 'g');
	b text COLLATE "default" := regexp_replace(new COLLATE "default", blanks, '', 'g');
	number CONSTANT text := '^[-+]?[0-9]{1,60}(\.[0-9]{1,60})?$';
	grouped CONSTANT text := '^[-+]?[0-9][0-9.,'']{0,60}$';
	date CONSTANT text := '^([0-9]{4}[-./]?[0-9]{1,2}[-./]?[0-9]{1,2}|[0-9]{1,2}[-./]?[0-9]{1,2}[-./]?[0-9]{4}|[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{2})(T[0-9]{1,2}:.*)?$';
	midnight CONSTANT text := 'T00:00(:00([.,]0+)?)?(Z|[-+]00(:?00)?)?$';
	parts CONSTANT text := '^([0-9]{4}|[0-9]{1,2})[-./]?([0-9]{1,2})[-./]?([0-9]{4}|[0-9]{1,2})(.*)$';
	day_a text COLLATE "default";
	day_b text COLLATE "default";
	part_a text[];
	part_b text[];
	a1 int; a2 int; a3 int;
	b1 int; b2 int; b3 int;
BEGIN
	IF a = '' OR b = '' OR old = new THEN
		RETURN NULL;
	ELSIF a = b THEN
		RETURN 'blanks';
	ELSIF lower(a) = lower(b) THEN
		RETURN 'upper and lower case';
	END IF;

	day_a := regexp_replace(btrim(old COLLATE "default"), '\s+', 'T');
	day_b := regexp_replace(btrim(new COLLATE "default"), '\s+', 'T');
	IF day_a ~ date AND day_b ~ date THEN
		day_a := regexp_replace(day_a, midnight, '');
		day_b := regexp_replace(day_b, midnight, '');
		IF day_a = day_b THEN
			RETURN 'a midnight after dates';
		ELSIF translate(day_a, '-./', '') = translate(day_b, '-./', '') THEN
			RETURN 'separators of dates';
		END IF;
		-- Day, month and year without its century in another order, at the same
		-- time: three numbers of equal least, greatest and sum are the same ones.
		part_a := regexp_match(day_a, parts);
		part_b := regexp_match(day_b, parts);
		a1 := right(part_a[1], 2); a2 := part_a[2]; a3 := right(part_a[3], 2);
		b1 := right(part_b[1], 2); b2 := part_b[2]; b3 := right(part_b[3], 2);
		IF part_a[4] = part_b[4] AND a1 + a2 + a3 = b1 + b2 + b3
			AND least(a1, a2, a3) = least(b1, b2, b3) AND greatest(a1, a2, a3) = greatest(b1, b2, b3)
		THEN
			RETURN 'the order of day, month and year';
		END IF;
	END IF;

	-- Numbers, and keys that look like them.
	IF ltrim(a, '0') = ltrim(b, '0') THEN
		RETURN 'leading zeros';
	ELSIF a ~ number AND b ~ number AND a::numeric = b::numeric THEN
		RETURN 'zeros or signs of numbers';
	ELSIF a ~ grouped AND b ~ grouped AND translate(a, '.,''+', '') = translate(b, '.,''+', '') THEN
		RETURN 'decimal or group separators of numbers';
	ELSIF syncup.bare_key(a) = syncup.bare_key(b) THEN
		RETURN 'braces or dashes of GUIDs';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION syncup.format_difference(text, text) IS
'By which one kind of spelling two values differ; null if they differ by more, or not at all.';

/* ---------- findings ---------- */

CREATE FUNCTION syncup.file_findings(batch uuid, mapping text)
RETURNS TABLE (finding text, ordinal int, column_name name, rows bigint, message text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	b syncup.batch;
	m syncup.mapping;
	c syncup.batch_counter;
	least syncup.finding_limit;
	name text;
	full_extract boolean;
	stored bigint;
	key name;
	cut record;
BEGIN
	SELECT * INTO b FROM syncup.batch t WHERE t.batch = file_findings.batch;
	SELECT * INTO m FROM syncup.mapping t WHERE t.connector = b.connector AND t.mapping = file_findings.mapping;
	SELECT * INTO c FROM syncup.batch_counter t WHERE t.batch = b.batch AND t.mapping = m.mapping;
	IF c.file IS NULL THEN
		RETURN;
	END IF;
	name := regexp_replace(c.file, '^.*/', '');
	full_extract := b.mode = 'complete' OR b.mode = 'incremental' AND NOT EXISTS (
		SELECT FROM syncup.connector t
		WHERE t.connector = b.connector AND (t.options || m.options) ->> 'command_column' IS NOT NULL);
	-- Before the changes are built: what prepare compared with.
	stored := coalesce(c.stored_before, c.rows_kept - c.delta_inserted + c.delta_deleted);

	SELECT * INTO least FROM syncup.finding_limit l WHERE l.finding = 'file almost empty';
	IF full_extract AND stored >= least.rows AND c.rows_kept * 100 <= least.percent * stored THEN
		finding := least.finding;
		rows := stored - c.rows_kept;
		message := format('rows to use in %s: %s (%s read), %s %% of the %s stored before; %s missing',
			name, c.rows_kept, c.rows_read, round(c.rows_kept * 100.0 / stored, 1), stored, rows);
		RETURN NEXT;
	END IF;

	-- Previous must be what the batch was compared with, and the caller may see it.
	SELECT * INTO least FROM syncup.finding_limit l WHERE l.finding = 'file cut';
	IF full_extract AND m.kind = 'entity type' AND c.delta_deleted >= least.rows
		AND has_schema_privilege('syncup_previous', 'USAGE') AND has_schema_privilege('syncup_delta', 'USAGE')
		AND NOT EXISTS (
			SELECT FROM syncup.batch o
			WHERE o.connector = b.connector AND o.prepared_at IS NOT NULL
			AND CASE WHEN o.seq > b.seq THEN o.status IN ('applied', 'undone')
				WHEN o.seq < b.seq THEN o.status IN ('prepared', 'blocked', 'failed') END)
	THEN
		SELECT k.stored INTO key
		FROM syncup.mapping_key k
		WHERE k.connector = m.connector AND k.mapping = m.mapping;
		IF has_table_privilege(format('syncup_previous.%I', m.table_name), 'SELECT')
			AND has_table_privilege(format('syncup_delta.%I', m.table_name), 'SELECT')
		THEN
			-- In the order of the keys' bytes; where all are numbers, also by number.
			EXECUTE format($sql$
				WITH gone AS (
					SELECT count(*) AS count, min(d.key) AS first, max(d.key) AS last,
						bool_and(d.key ~ '^[0-9]{1,100}$') AS numbers,
						min(CASE WHEN d.key ~ '^[0-9]{1,100}$' THEN d.key::numeric END) AS first_number,
						max(CASE WHEN d.key ~ '^[0-9]{1,100}$' THEN d.key::numeric END) AS last_number
					FROM (SELECT %1$I COLLATE "C" AS key FROM syncup_delta.%2$I WHERE batch = $1 AND command = 'delete') AS d
				), stayed AS (
					SELECT count(*) AS count, min(p.key) AS first, max(p.key) AS last,
						bool_and(p.key ~ '^[0-9]{1,100}$') AS numbers,
						min(CASE WHEN p.key ~ '^[0-9]{1,100}$' THEN p.key::numeric END) AS first_number,
						max(CASE WHEN p.key ~ '^[0-9]{1,100}$' THEN p.key::numeric END) AS last_number
					FROM (SELECT %1$I COLLATE "C" AS key FROM syncup_previous.%2$I) AS p
					WHERE NOT EXISTS (
						SELECT FROM syncup_delta.%2$I d
						WHERE d.batch = $1 AND d.command IN ('delete', 'insert') AND d.%1$I = p.key)
				)
				SELECT gone.count AS gone, stayed.count AS stayed, end_of.part, end_of.edge
				FROM gone, stayed, LATERAL (VALUES
					(1, 'tail', stayed.last, gone.first > stayed.last),
					(2, 'head', stayed.first, gone.last < stayed.first),
					(3, 'tail', stayed.last_number::text, gone.numbers AND stayed.numbers AND gone.first_number > stayed.last_number),
					(4, 'head', stayed.first_number::text, gone.numbers AND stayed.numbers AND gone.last_number < stayed.first_number)
				) AS end_of (ordinal, part, edge, beyond)
				WHERE end_of.beyond AND stayed.count >= 5
				ORDER BY end_of.ordinal LIMIT 1
				$sql$, key, m.table_name)
			INTO cut USING b.batch;
			IF cut.gone >= least.rows THEN
				finding := least.finding;
				rows := cut.gone;
				message := format(CASE cut.part
						WHEN 'tail' THEN '%s has lost its tail: all %s deleted keys come after "%s", the last of the %s that stayed'
						ELSE '%s has lost its head: all %s deleted keys come before "%s", the first of the %s that stayed'
					END, name, cut.gone, syncup.shorten(cut.edge, 40), cut.stayed);
				RETURN NEXT;
			END IF;
		END IF;
	END IF;

	SELECT * INTO least FROM syncup.finding_limit l WHERE l.finding = 'rows set aside';
	RETURN QUERY
	SELECT least.finding, NULL::int, NULL::name, now.count,
		format('set aside: %s of %s rows of %s (%s %%): %s', now.count, c.rows_read, name,
			round(now.count * 100.0 / nullif(c.rows_read, 0), 2), now.reasons)
			|| coalesce('; ' || before.count || ' in the last applied batch', '')
	FROM (
		SELECT sum(q.count)::bigint AS count,
			string_agg(format('%s %s', q.count, q.reason), ', ' ORDER BY q.count DESC, q.reason) AS reasons
		FROM (
			SELECT t.reason, count(*) FROM syncup.quarantine t
			WHERE t.batch = b.batch AND t.mapping = m.mapping GROUP BY t.reason
		) AS q
	) AS now
	LEFT JOIN LATERAL (
		SELECT (SELECT count(*) FROM syncup.quarantine t WHERE t.batch = o.batch AND t.mapping = m.mapping)
		FROM syncup.batch o JOIN syncup.batch_counter t USING (batch)
		WHERE o.connector = b.connector AND o.seq < b.seq AND o.status = 'applied'
		AND t.mapping = m.mapping AND t.file IS NOT NULL
		ORDER BY o.seq DESC LIMIT 1
	) AS before ON true
	WHERE now.count * 100 > least.percent * c.rows_read
		OR now.count > least.rows * greatest(before.count, 1);
END
$$;
COMMENT ON FUNCTION syncup.file_findings(uuid, text) IS
'What stands out in the file of a mapping: almost empty, cut, many rows set aside. See syncup_findings().';

CREATE FUNCTION syncup.key_findings(batch uuid, mapping text)
RETURNS TABLE (finding text, ordinal int, column_name name, rows bigint, message text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
AS $$
#variable_conflict use_column
DECLARE
	least syncup.finding_limit;
	m record;
	pair record;
BEGIN
	SELECT p.table_name, k.changed_key, c.deleted
	INTO m
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	JOIN syncup.mapping p ON p.connector = b.connector AND p.mapping = c.mapping
	JOIN syncup.mapping_key k ON k.connector = p.connector AND k.mapping = p.mapping
	WHERE b.batch = key_findings.batch AND c.mapping = key_findings.mapping
		AND p.kind = 'entity type' AND c.inserted > 0 AND c.deleted > 0;
	IF NOT FOUND THEN
		RETURN;
	END IF;

	EXECUTE format($sql$
		WITH keys AS (
			SELECT c.command, %1$s COLLATE "default" AS key, syncup.bare_key(%1$s) AS bare
			FROM syncup_changes.%2$I c
			WHERE c.batch = $1 AND c.command IN ('delete', 'insert')
		)
		SELECT count(DISTINCT gone.key) AS count,
			min(format('"%%s" as "%%s"', syncup.shorten(gone.key, 40), syncup.shorten(came.key, 40)) COLLATE "C") AS example,
			bool_or(lower(syncup.without_blanks(gone.key)) <> lower(syncup.without_blanks(came.key))) AS guids
		FROM keys gone JOIN keys came USING (bare)
		WHERE gone.command = 'delete' AND came.command = 'insert' AND bare <> ''
		$sql$, m.changed_key, m.table_name)
	INTO pair USING key_findings.batch;

	SELECT * INTO least FROM syncup.finding_limit l WHERE l.finding = 'keys differ only by case or blanks';
	IF pair.count >= least.rows THEN
		finding := least.finding;
		column_name := NULL;
		rows := pair.count;
		message := format('deleted keys that come back among the inserted ones, other only in %s: %s of %s, for example %s',
			CASE WHEN pair.guids THEN 'case, blanks or the braces and dashes of GUIDs' ELSE 'case or blanks' END,
			pair.count, m.deleted, pair.example);
		RETURN NEXT;
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.key_findings(uuid, text) IS
'Deletions that are none: keys that come back in another spelling. See syncup_findings().';

CREATE FUNCTION syncup.column_findings(batch uuid, mapping text)
RETURNS TABLE (finding text, ordinal int, column_name name, rows bigint, message text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
	sampled CONSTANT bigint := 2000;
	m record;
	cells text;			-- SQL: (ordinal, name, new value, old value) of the columns of a change c
	candidates jsonb;	-- by column, from the sample: partner, constant, kind
	counts jsonb;		-- by column that changes, exactly
BEGIN
	SELECT p.connector, p.mapping, p.table_name, k.changed_key,
		c.updated, c.stored_before
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
	SELECT string_agg(format($sql$(%s, %L::name, CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%3$I) COLLATE "default" END, c.old ->> %2$L)$sql$,
			k.ordinal, k.target, k.change_column), ', ' ORDER BY k.ordinal)
	INTO cells
	FROM syncup.mapping_column k
	WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL;

	EXECUTE format($sql$
		WITH sample AS MATERIALIZED (
			SELECT %1$s COLLATE "default" AS key, v.ordinal, v.name, v.name = ANY (c.changed) AS changed, v.new,
				CASE WHEN v.name = ANY (c.changed) THEN v.old ELSE v.new END AS old
			FROM syncup_changes.%2$I c CROSS JOIN LATERAL (VALUES %3$s) AS v (ordinal, name, new, old)
			WHERE c.batch = $1 AND c.command = 'update'
			AND hashtextextended(%1$s COLLATE "default", 0) %% $2 = 0
		), partners AS (
			SELECT DISTINCT ON (a.name) a.name, b.name AS partner
			FROM sample a JOIN sample b ON b.key = a.key AND b.old = a.new AND b.name <> a.name
			WHERE a.changed
			GROUP BY a.name, b.name, b.ordinal
			ORDER BY a.name, count(*) DESC, count(*) FILTER (WHERE b.changed) DESC, b.ordinal
		), constants AS (
			SELECT DISTINCT ON (s.name) s.name, s.new AS constant
			FROM sample s
			WHERE s.changed AND s.new <> ''
			GROUP BY s.name, s.new
			ORDER BY s.name, count(*) DESC, s.new COLLATE "C"
		), kinds AS (
			SELECT k.name, k.kind
			FROM (
				SELECT s.name, syncup.format_difference(s.old, s.new) AS kind, count(*),
					sum(count(*)) OVER (PARTITION BY s.name) AS changed
				FROM sample s WHERE s.changed GROUP BY 1, 2
			) AS k
			WHERE k.kind IS NOT NULL AND k.count * 2 > k.changed
		)
		SELECT jsonb_agg(found)
		FROM (SELECT name, partner, constant, kind FROM partners FULL JOIN constants USING (name) FULL JOIN kinds USING (name)) AS found
		$sql$, m.changed_key, m.table_name, cells)
	INTO candidates USING column_findings.batch, greatest(m.updated / sampled, 1);

	-- As before, with what to look for in each column.
	SELECT string_agg(format(
			$sql$(%s, %L::name, CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%3$I) COLLATE "default" END, c.old ->> %2$L, %4$s, %5$L::text, %6$L::text)$sql$,
			k.ordinal, k.target, k.change_column,
			CASE WHEN p.target IS NULL THEN 'NULL'
				ELSE format('CASE WHEN c.old ? %L THEN c.old ->> %1$L WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%2$I) COLLATE "default" END',
					p.target, p.change_column) END,
			s.constant, s.kind), ', ' ORDER BY k.ordinal)
	INTO cells
	FROM syncup.mapping_column k
	LEFT JOIN jsonb_to_recordset(candidates) AS s (name name, partner name, constant text, kind text) ON s.name = k.target
	LEFT JOIN syncup.mapping_column p ON p.connector = k.connector AND p.mapping = k.mapping AND p.target = s.partner
	WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL AND k.key_part IS NULL;

	EXECUTE format($sql$
		SELECT jsonb_agg(counted)
		FROM (
			SELECT v.ordinal,
				count(*) AS changed,
				count(*) FILTER (WHERE v.old <> '' AND coalesce(v.new, '') = '') AS emptied,
				count(*) FILTER (WHERE v.moved) AS moved,
				count(*) FILTER (WHERE v.moved_nothing) AS moved_nothing,
				min(v.new) FILTER (WHERE v.moved) <> max(v.new) FILTER (WHERE v.moved) AS moved_varied,
				count(*) FILTER (WHERE v.same) AS same,
				CASE WHEN min(v.old) = max(v.old) AND count(v.old) = count(*) THEN min(v.old) END AS same_before,
				count(*) FILTER (WHERE v.reformatted) AS reformatted,
				min(format('"%%s" -> "%%s"', left(v.old, 40), left(v.new, 40)) COLLATE "C")
					FILTER (WHERE v.reformatted) AS example
			FROM (
				-- Little is carried into the sort that groups millions of cells.
				SELECT v.ordinal, v.old COLLATE "C" AS old, v.new COLLATE "C" AS new,
					v.new = v.partner_old AS moved,
					v.new IS NULL AND v.partner_old IS NULL AS moved_nothing,
					v.new = v.constant AS same,
					CASE WHEN v.kind IS NOT NULL THEN syncup.format_difference(v.old, v.new) = v.kind END AS reformatted
				FROM syncup_changes.%I c
				CROSS JOIN LATERAL (VALUES %s) AS v (ordinal, name, new, old, partner_old, constant, kind)
				WHERE c.batch = $1 AND c.command = 'update' AND v.name = ANY (c.changed)
				OFFSET 0
			) AS v
			GROUP BY v.ordinal
		) AS counted
		$sql$, m.table_name, cells)
	INTO counts USING column_findings.batch;

	RETURN QUERY
	WITH counted AS (
		SELECT s.*, CASE WHEN m.stored_before > 0 THEN
				format(' (%s %% of the %s stored)', round(s.changed * 100.0 / m.stored_before, 1), m.stored_before) END AS share
		FROM (
			SELECT n.*, k.target AS name, c.partner, c.constant, c.kind
			FROM jsonb_to_recordset(counts) AS n (ordinal int, changed bigint, emptied bigint,
				moved bigint, moved_nothing bigint, moved_varied boolean,
				same bigint, same_before text, reformatted bigint, example text)
			JOIN syncup.mapping_column k ON k.connector = m.connector AND k.mapping = m.mapping AND k.ordinal = n.ordinal
			LEFT JOIN jsonb_to_recordset(candidates) AS c (name name, partner name, constant text, kind text) ON c.name = k.target
		) AS s
	), found AS (
		SELECT s.*, f.finding, f.rows, l.rank
		FROM counted s
		CROSS JOIN LATERAL (VALUES
			-- finding, rows that show it, of so many
			('columns shifted', CASE WHEN s.moved_varied THEN s.moved END, s.changed - s.moved_nothing),
			('column emptied', s.emptied, s.changed),
			('format changed', s.reformatted, s.changed),
			('constant value', s.same, s.changed),
			('column changed everywhere', s.changed, m.stored_before)
		) AS f (finding, rows, whole)
		JOIN syncup.finding_limit l USING (finding)
		WHERE f.rows * 100 >= l.percent * f.whole
		AND (f.rows >= l.rows OR (f.rows >= l.few_rows AND f.rows * 100 >= l.few_percent * m.stored_before))
	), told AS (
		-- Of each column the most telling.
		SELECT DISTINCT ON (f.ordinal) f.*,
			other.name IS NOT NULL AS swapped, other.ordinal AS other_ordinal, other.rows AS other_rows
		FROM found f
		LEFT JOIN found other ON f.finding = 'columns shifted' AND other.finding = f.finding
			AND other.name = f.partner AND other.partner = f.name
		ORDER BY f.ordinal, f.rank
	)
	SELECT CASE WHEN t.swapped THEN 'columns swapped' ELSE t.finding END, t.ordinal, t.name, t.rows,
		CASE
			WHEN t.swapped THEN format('"%s" gets what "%s" held in %s of %s changed rows%s, and "%2$s" what "%1$s" held in %6$s',
				t.name, t.partner, t.rows, t.changed, t.share, t.other_rows)
			WHEN t.finding = 'columns shifted' THEN format('"%s" gets what "%s" held in %s of %s changed rows%s',
				t.name, t.partner, t.rows, t.changed, t.share)
			WHEN t.finding = 'column emptied' THEN format('"%s" loses its value in %s of %s changed rows%s',
				t.name, t.rows, t.changed, t.share)
			WHEN t.finding = 'format changed' THEN format('"%s" differs only in %s in %s of %s changed rows%s: %s',
				t.name, t.kind, t.rows, t.changed, t.share, syncup.shorten(t.example, 88))
			WHEN t.finding = 'constant value' THEN format('"%s" becomes "%s" in %s of %s changed rows%s; before: %s',
				t.name, syncup.shorten(t.constant, 40), t.rows, t.changed, t.share,
				coalesce('always "' || syncup.shorten(t.same_before, 40) || '"', 'different values'))
			ELSE format('"%s" changes in %s of the %s rows stored before (%s %%)',
				t.name, t.rows, m.stored_before, round(t.rows * 100.0 / m.stored_before, 1))
		END
	FROM told t
	WHERE NOT (t.swapped AND t.other_ordinal < t.ordinal);
END
$$;
COMMENT ON FUNCTION syncup.column_findings(uuid, text) IS
'What stands out in the columns of a mapping''s updates. See syncup_findings().';

-- The page calls this: it cannot know the schema of syncup_findings().
CREATE FUNCTION syncup.findings(batch uuid)
RETURNS TABLE (mapping text, finding text, column_name name, rows bigint, message text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT c.mapping, f.finding, f.column_name, f.rows, f.message
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
	CROSS JOIN LATERAL (
		SELECT * FROM syncup.file_findings(b.batch, c.mapping)
		UNION ALL
		SELECT * FROM syncup.key_findings(b.batch, c.mapping)
		UNION ALL
		SELECT * FROM syncup.column_findings(b.batch, c.mapping)
	) AS f
	JOIN syncup.finding_limit l USING (finding)
	WHERE b.batch = findings.batch
	ORDER BY l.rank, m.ordinal, f.ordinal
$$;
COMMENT ON FUNCTION syncup.findings(uuid) IS
'See syncup_findings().';

CREATE FUNCTION syncup_findings(batch uuid)
RETURNS TABLE (mapping text, finding text, column_name name, rows bigint, message text)
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
'What stands out in a batch, the most telling first: per mapping the finding, its column, the number of rows that show it, and a sentence with the figures (SPEC 6.3). The limits: syncup.finding_limit.';
