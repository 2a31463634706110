-- What stands out in a batch (SPEC 6.3), and its review in one page (SPEC 2.3).
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

/* ---------- the page ---------- */

CREATE FUNCTION syncup.wrap(value text, indent int)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	width CONSTANT int := 100;
	page text := repeat(' ', indent);
	line int := indent;		-- characters of the present one
	word text;
BEGIN
	-- A percent sign stays with its number.
	FOREACH word IN ARRAY regexp_split_to_array(syncup.shorten(value, 600), ' (?!%)') LOOP
		IF line > indent AND line + 1 + char_length(word) > width THEN
			page := page || E'\n' || repeat(' ', indent + 2);
			line := indent + 2;
		ELSIF line > indent THEN
			page := page || ' ';
			line := line + 1;
		END IF;
		-- What fits no line is cut into pieces.
		WHILE line + char_length(word) > width LOOP
			page := page || left(word, width - line) || E'\n' || repeat(' ', indent + 2);
			word := substr(word, width - line + 1);
			line := indent + 2;
		END LOOP;
		page := page || word;
		line := line + char_length(word);
	END LOOP;
	RETURN page;
END
$$;
COMMENT ON FUNCTION syncup.wrap(text, int) IS
'A text in lines of at most 100 characters, indented by so many, and by two more from the second on.';

CREATE FUNCTION syncup.sample_changes(batch uuid, mapping text, count int)
RETURNS TABLE (place bigint, command text, key text, cells text)
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
	-- the columns of change c in words; they are given as rows of number, name and new value
	told CONSTANT text := $sql$
			(SELECT string_agg(
					CASE c.command
						WHEN 'update' THEN format('%%s: %%s -> %%s', v.name,
							coalesce('"' || syncup.shorten(c.old ->> v.name, 30) || '"', 'null'),
							coalesce('"' || syncup.shorten(v.new, 30) || '"', 'null'))
						ELSE format('%%s "%%s"', v.name, syncup.shorten(CASE c.command WHEN 'insert' THEN v.new ELSE c.old ->> v.name END, 30))
					END, ', ' ORDER BY v.ordinal)
				FROM (VALUES %s) AS v (ordinal, name, new)
				WHERE CASE c.command
					WHEN 'update' THEN v.name = ANY (c.changed)
					WHEN 'insert' THEN v.new IS NOT NULL
					ELSE c.old ->> v.name IS NOT NULL END)$sql$;
	m record;
	cells text;
BEGIN
	SELECT p.connector, p.mapping, p.kind, p.target, p.table_name, k.changed_key
	INTO m
	FROM syncup.batch b
	JOIN syncup.mapping p USING (connector)
	LEFT JOIN syncup.mapping_key k ON k.connector = p.connector AND k.mapping = p.mapping
	WHERE b.batch = sample_changes.batch AND p.mapping = sample_changes.mapping;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	IF m.kind = 'association' THEN
		-- The two keys; of a mono-valued link that moves also the one it leaves; then the link's columns.
		SELECT coalesce(string_agg(format('(%s, %L::name, CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%3$I) COLLATE "default" END)',
				k.ordinal, k.target, k.change_column), ', '), '(NULL::int, NULL::name, NULL::text)')
		INTO cells
		FROM syncup.mapping_column k
		WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL;
		RETURN QUERY EXECUTE format($sql$
			SELECT row_number() OVER (PARTITION BY c.command ORDER BY c.key1 COLLATE "C", c.key2 COLLATE "C"), c.command,
				c.key1, format('"%%s"', syncup.shorten(c.key2, 36)) || coalesce(', before "' || syncup.shorten(c.old_key, 36) || '"', '')
					|| coalesce(', ' || %2$s, '')
			FROM (VALUES ('insert'), ('update'), ('delete')) AS command (command)
			CROSS JOIN LATERAL (
				SELECT c.* FROM syncup_changes.%1$I c
				WHERE c.batch = $1 AND c.command = command.command
				ORDER BY c.key1 COLLATE "C", c.key2 COLLATE "C"
				LIMIT $2
			) AS c
			$sql$, m.table_name, format(told, cells))
		USING sample_changes.batch, sample_changes.count;
		RETURN;
	END IF;
	SELECT coalesce(string_agg(format($sql$(%s, %L::name, CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%3$I) COLLATE "default" END)$sql$,
			coalesce(a.attnum, k.ordinal), k.target, k.change_column), ', '), '(NULL::int, NULL::name, NULL::text)')
	INTO cells
	FROM syncup.mapping_column k
	LEFT JOIN pg_attribute a ON a.attrelid = m.target AND a.attname = k.target
	WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL AND k.key_part IS NULL;

	RETURN QUERY EXECUTE format($sql$
		SELECT row_number() OVER (PARTITION BY c.command ORDER BY c.key COLLATE "C"), c.command, c.key,
			%3$s
		FROM (VALUES ('insert'), ('update'), ('delete')) AS command (command)
		CROSS JOIN LATERAL (
			SELECT %1$s COLLATE "default" AS key, c.*
			FROM syncup_changes.%2$I c
			WHERE c.batch = $1 AND c.command = command.command
			ORDER BY %1$s COLLATE "C"
			LIMIT $2
		) AS c
		$sql$, m.changed_key, m.table_name, format(told, cells))
	USING sample_changes.batch, sample_changes.count;
END
$$;
COMMENT ON FUNCTION syncup.sample_changes(uuid, text, int) IS
'The first changes of each command of a mapping, by key, a line each.';

CREATE FUNCTION syncup_report(batch uuid)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	-- so that it stays one page
	max_mappings CONSTANT int := 8;
	max_limits CONSTANT int := 6;
	max_findings CONSTANT int := 8;
	max_changes CONSTANT int := 10;
	-- records: a row type would be looked up, and refused, before anything could be said
	b record;
	behind record;
	refused text;
	page text[];
	part text[];
	changes bigint;
	queued bigint;
	clock CONSTANT text := 'YYYY-MM-DD HH24:MI:SS "UTC"';
BEGIN
	IF syncup_report.batch IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'argument "batch" must not be null';
	END IF;
	-- Whoever lacks a right is told which, and not shown the statement that needs it.
	SELECT o.kind || ' ' || o.name INTO refused
	FROM pg_namespace n
	CROSS JOIN LATERAL (
		SELECT 1, 'schema', n.nspname WHERE NOT has_schema_privilege(n.oid, 'USAGE')
		UNION ALL
		SELECT 2, 'table', c.relname FROM pg_class c
		WHERE c.relnamespace = n.oid AND NOT has_table_privilege(c.oid, 'SELECT') AND c.relname IN ('batch', 'batch_counter', 'batch_cascade', 'connector',
			'mapping', 'mapping_column', 'association', 'quarantine', 'threshold_check', 'threshold_limit', 'finding_limit', 'mapping_key')
		UNION ALL
		SELECT 3, 'function', p.proname FROM pg_proc p
		WHERE p.pronamespace = n.oid AND NOT has_function_privilege(p.oid, 'EXECUTE') AND p.proname IN ('findings', 'file_findings', 'key_findings', 'column_findings',
			'sample_changes', 'format_difference', 'bare_key', 'without_blanks', 'shorten', 'wrap', 'what_cascades', 'count_in_words', 'counter_rank')
	) AS o (rank, kind, name)
	WHERE n.nspname = 'syncup'
	ORDER BY o.rank, o.name LIMIT 1;
	IF refused IS NOT NULL THEN
		RAISE 'permission denied for %', refused USING ERRCODE = 'insufficient_privilege',
			HINT = 'Reports need USAGE on schema syncup, SELECT on its tables and EXECUTE on the functions that they are made of.';
	END IF;
	SELECT * INTO b FROM syncup.batch t WHERE t.batch = syncup_report.batch;
	IF NOT FOUND THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = format('batch %s does not exist', syncup_report.batch),
			HINT = 'See the table syncup.batch.';
	END IF;

	-- Which batch.
	page := ARRAY[syncup.wrap(format('Batch %s of connector "%s" is %s', b.batch, b.connector, upper(b.status)), 0)]
		|| array_remove(ARRAY[
			syncup.wrap(format('%s run, ', b.mode)
				|| coalesce('prepared ' || to_char(b.prepared_at, clock) || ' by ' || b.prepared_by, 'its prepare failed'), 2),
			syncup.wrap(CASE b.status WHEN 'applied' THEN 'applied ' WHEN 'undone' THEN 'applied ' WHEN 'blocked' THEN 'blocked ' ELSE 'last tried ' END
				|| to_char(b.synchronized_at, clock) || ' by ' || b.synchronized_by
				|| CASE WHEN b.forced THEN ', limits waived by force' ELSE '' END, 2),
			syncup.wrap(coalesce(b.decision || ' decided ' || to_char(b.decided_at, clock) || ' by ' || b.decided_by
				|| coalesce(': ' || b.reason, ''), b.reason), 2)], NULL);
	IF b.error IS NOT NULL THEN
		page := page || ARRAY['', 'Error', syncup.wrap(concat_ws(': ', b.sqlstate, b.error), 2)];
	END IF;

	-- Its files and rows, as deltas as long as changes were not built.
	SELECT array_agg(syncup.wrap(format('%s (%s), written %s', f.file, f.mappings, to_char(f.written, clock)), 2) ORDER BY f.ordinal)
	INTO part
	FROM (
		SELECT c.file, min(m.ordinal) AS ordinal, max(c.file_modified) AS written,
			string_agg(c.mapping, ', ' ORDER BY m.ordinal, c.mapping) AS mappings
		FROM syncup.batch_counter c
		LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
		WHERE c.batch = b.batch AND c.file IS NOT NULL
		GROUP BY c.file ORDER BY 2 LIMIT max_mappings
	) AS f;
	IF part IS NOT NULL THEN
		page := page || ARRAY['', 'Files'] || part;
	END IF;

	SELECT array_agg(format('  %-24s %9s %9s %9s   %9s %9s %9s %9s', syncup.shorten(r.mapping, 24),
			r.rows_read, r.rows_kept, r.set_aside,
			coalesce(r.stored_before::text, '-'),
			coalesce(r.inserted, r.delta_inserted), coalesce(r.updated, r.delta_updated),
			coalesce(r.deleted, r.delta_deleted)) ORDER BY r.place)
		FILTER (WHERE r.place <= max_mappings)
		|| ('  and ' || nullif(greatest(count(*) - max_mappings, 0), 0) || ' more: see syncup.batch_counter')
	INTO part
	FROM (
		SELECT c.*, row_number() OVER (ORDER BY m.ordinal, c.mapping) AS place
		FROM syncup.batch_counter c
		LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
		WHERE c.batch = b.batch
	) AS r;
	part := nullif(array_remove(part, NULL), '{}');
	IF part IS NOT NULL THEN
		page := page || ARRAY['',
			format('%-26s %9s %9s %9s   %9s %9s %9s %9s', 'Rows', 'read', 'kept', 'set aside',
				'stored', 'inserted', 'updated', 'deleted')] || part;
		IF EXISTS (SELECT FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.inserted IS NULL) THEN
			page := page || '  (inserted, updated, deleted since the last applied files; targets were not yet compared)'::text;
		END IF;
		page := page || ARRAY(
			SELECT syncup.wrap(format('Mapping "%s" took no part: its file was missing, and is optional.', c.mapping), 2)
			FROM syncup.batch_counter c
			LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
			WHERE c.batch = b.batch AND c.file IS NULL AND b.mode <> 'undo'
			ORDER BY m.ordinal, c.mapping LIMIT max_mappings);
		page := page || ARRAY(
			SELECT syncup.wrap(format(CASE c.filtered WHEN 1 THEN '%s row of mapping "%s" does not count: its option "where" says so.'
				ELSE '%s rows of mapping "%s" do not count: its option "where" says so.' END, c.filtered, c.mapping), 2)
			FROM syncup.batch_counter c
			LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
			WHERE c.batch = b.batch AND c.filtered > 0
			ORDER BY m.ordinal, c.mapping LIMIT max_mappings);
		page := page || ARRAY(
			SELECT syncup.wrap(format('A bad row of mapping "%s" has no readable key: nothing is deleted there.', c.mapping), 2)
			FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.deletions_suspended
			ORDER BY c.mapping LIMIT max_mappings);
		page := page || ARRAY(
			SELECT syncup.wrap(format(CASE c.orphans WHEN 1 THEN '%s pair of mapping "%s" has' ELSE '%s pairs of mapping "%s" have' END
				|| ' an end that is not found: see syncup.orphan.', c.orphans, c.mapping), 2)
			FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.orphans > 0
			ORDER BY c.mapping LIMIT max_mappings);
	END IF;

	page := page || array_remove(ARRAY[syncup.wrap('Constraints of the tables (ON DELETE) take along: '
		|| syncup.what_cascades(b.batch) || '.', 2)], NULL);

	-- What exceeds its limits, and by how much.
	SELECT array_agg(syncup.wrap(e.line, 2) ORDER BY e.place) FILTER (WHERE e.place <= max_limits)
		|| ('  and ' || nullif(greatest(count(*) - max_limits, 0), 0) || ' more: see syncup.threshold_check')
	INTO part
	FROM (
		SELECT format('%s%s, %s: %s', syncup.count_in_words(t.count, t.counter),
				coalesce(' of mapping "' || t.mapping || '"', ''),
				coalesce(t.percent || ' % of ' || t.base || ' rows', 'of no rows'),
				concat_ws('; ',
					CASE WHEN t.count > t.maximum THEN
						format('%s more than maximum_%s (%s)', t.count - t.maximum, t.counter, t.maximum) END,
					CASE WHEN t.count * 100 > t.max_percentage * t.base AND NOT t.spared THEN
						format('%s more than %s (%s %% = %s)', t.count - floor(t.max_percentage * t.base / 100),
							l.name, t.max_percentage, floor(t.max_percentage * t.base / 100)) END)) AS line,
			row_number() OVER (ORDER BY t.mapping NULLS FIRST, syncup.counter_rank(t.counter)) AS place
		FROM syncup.threshold_check t
		LEFT JOIN syncup.threshold_limit l ON l.counter = t.counter AND l.percentage
		WHERE t.batch = b.batch AND t.exceeded
	) AS e;
	part := nullif(array_remove(part, NULL), '{}');
	IF part IS NOT NULL THEN
		page := page || ARRAY['', 'Limits exceeded'] || part;
	ELSIF b.limits IS NOT NULL THEN
		page := page || ARRAY['', 'No limit is exceeded.'];
	END IF;
	page := page || ARRAY(
		SELECT syncup.wrap(format('%s%s, %s %% of %s rows: fewer than minimum_lines_for_percentage, so not held to %s (%s %%).', syncup.count_in_words(t.count, t.counter),
			' of mapping "' || t.mapping || '"', t.percent, t.base, l.name, t.max_percentage), 2)
		FROM syncup.threshold_check t
		JOIN syncup.threshold_limit l ON l.counter = t.counter AND l.percentage
		WHERE t.batch = b.batch AND t.spared AND NOT t.exceeded
		ORDER BY t.mapping NULLS FIRST, syncup.counter_rank(t.counter) LIMIT max_limits);

	-- What stands out.
	SELECT array_agg(syncup.wrap(format('%s: %s: %s', f.mapping, f.finding, f.message), 2) ORDER BY f.place)
			FILTER (WHERE f.place <= max_findings)
		|| ('  and ' || nullif(greatest(count(*) - max_findings, 0), 0) || ' more: see syncup_findings()')
	INTO part
	FROM syncup.findings(b.batch) WITH ORDINALITY AS f (mapping, finding, column_name, rows, message, place);
	part := nullif(array_remove(part, NULL), '{}');
	IF part IS NULL THEN
		SELECT array_agg(syncup.wrap(a.detail, 2) ORDER BY a.what) INTO part FROM (
			SELECT 'deletions suspended' AS what, format('%s: deletions were suspended: a bad row has no readable key', string_agg(c.mapping, ', ' ORDER BY c.mapping)) AS detail
			FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.deletions_suspended HAVING count(*) > 0
			UNION ALL
			SELECT 'rows set aside', format(CASE sum(c.set_aside) WHEN 1 THEN '%s row was set aside: see syncup.quarantine' ELSE '%s rows were set aside: see syncup.quarantine' END,
				sum(c.set_aside))
			FROM syncup.batch_counter c WHERE c.batch = b.batch HAVING sum(c.set_aside) > 0
		) AS a
		WHERE b.status = 'applied';
	END IF;
	page := page || CASE
		WHEN part IS NOT NULL THEN ARRAY['', 'What stands out'] || part
		WHEN b.status IN ('blocked', 'prepared', 'failed') OR b.status = 'applied' AND b.changes_kept THEN ARRAY['', 'Nothing stands out.']
		ELSE ARRAY['', 'Nothing stands out; its changes were not kept.'] END;

	-- Some changes, of every command and mapping.
	SELECT array_agg(syncup.shorten(s.line, 100) ORDER BY s.ordinal, s.command, s.key COLLATE "C")
	INTO part
	FROM (
		SELECT format('  %s %s %s%s', c.command, c.mapping, syncup.shorten(c.key, 36), ': ' || c.cells) AS line,
			c.ordinal, c.command, c.key
		FROM (
			SELECT m.ordinal, m.mapping, c.*
			FROM syncup.mapping m
			CROSS JOIN LATERAL syncup.sample_changes(b.batch, m.mapping, max_changes) AS c
			WHERE m.connector = b.connector
			ORDER BY c.place, m.ordinal, c.command LIMIT max_changes
		) AS c
	) AS s;
	IF part IS NOT NULL THEN
		-- A link in one column that moves was counted three times.
		SELECT sum(c.inserted + CASE WHEN EXISTS (SELECT FROM syncup.association a WHERE a.connector = b.connector AND a.mapping = c.mapping AND a.target_column IS NULL)
			THEN -c.updated ELSE c.updated END + c.deleted) INTO changes FROM syncup.batch_counter c WHERE c.batch = b.batch;
		page := page || ARRAY['', format('Changes (%s of %s)', cardinality(part), changes)] || part;
	END IF;

	-- What to do.
	SELECT * INTO behind FROM syncup.batch o
	WHERE o.connector = b.connector AND o.seq < b.seq AND o.prepared_at IS NOT NULL
		AND o.status IN ('prepared', 'blocked', 'failed')
	ORDER BY o.seq LIMIT 1;
	page := page || ARRAY['', 'What to do'];
	CASE
		WHEN b.status IN ('prepared', 'failed') AND b.prepared_at IS NOT NULL AND behind.batch IS NOT NULL THEN
			page := page || ARRAY[
				format('  It waits behind batch %s, which is %s:', behind.batch, behind.status),
				format('    SELECT syncup_report(%L);', behind.batch)];
		WHEN b.status = 'prepared' THEN
			page := page || ARRAY[
				'  Apply it, if it exceeds no limit:',
				format('    SELECT * FROM syncup_synchronize(%L);', b.connector)];
		WHEN b.status = 'blocked' THEN
			page := page || ARRAY[
				'  Nothing was written to the targets. A complete run would cancel this batch; to hold it:',
				format('    SELECT syncup_deactivate(%L);', b.connector),
				'  Look at every change:',
				format('    SELECT * FROM syncup_changes(%L);', b.batch),
				'  If they are right, apply them:',
				format('    SELECT * FROM syncup_resume(%L);', b.batch)];
		WHEN b.status = 'failed' AND b.prepared_at IS NULL THEN
			page := page || ARRAY[
				'  Nothing was queued, nothing changed. Correct the cause, then run again:',
				format('    CALL syncup_run(%L, %L);', b.connector, b.mode)];
		WHEN b.status = 'failed' THEN
			page := page || ARRAY[
				'  Nothing was written to the targets. Correct the cause, then try it again:',
				format('    SELECT * FROM syncup_synchronize(%L);', b.connector)];
		WHEN b.status = 'applied' AND b.changes_kept THEN
			page := page || ARRAY[
				'  It is applied, and its changes were kept. To look at them, or to reverse them:',
				format('    SELECT * FROM syncup_changes(%L);', b.batch),
				format('    SELECT syncup_undo(%L);', b.batch)];
		WHEN b.status = 'applied' THEN
			page := page || '  Nothing: it is applied. Its changes were not kept, so it cannot be undone.'::text;
		WHEN b.status = 'cancelled' THEN
			page := page || '  Nothing: a later complete run took its place.'::text;
		WHEN b.status = 'undone' THEN
			page := page || '  Nothing: it was applied and reversed.'::text;
		WHEN (SELECT c.needs_complete FROM syncup.connector c WHERE c.connector = b.connector) THEN
			page := page || ARRAY[
				'  It was declined, and with it changes that the source will not send again. Run:',
				format('    CALL syncup_run(%L, ''complete'');', b.connector)];
		ELSE
			page := page || '  Nothing: it was declined. The next run compares with what was applied before.'::text;
	END CASE;
	IF b.status IN ('prepared', 'blocked', 'failed') AND b.prepared_at IS NOT NULL THEN
		SELECT count(*) INTO queued FROM syncup.batch o
		WHERE o.connector = b.connector AND o.seq > b.seq AND o.prepared_at IS NOT NULL
			AND o.status IN ('prepared', 'blocked', 'failed');
		page := page || ARRAY[
			syncup.wrap(CASE b.status WHEN 'blocked' THEN 'If they are wrong, decline them' ELSE 'Or decline it' END
				|| CASE WHEN queued > 0 THEN format(' and the %s queued behind', queued) ELSE '' END
				|| CASE WHEN b.source_changes THEN '; a complete run must then follow:'
					ELSE '; a corrected file then gives the right changes:' END, 2),
			format('    SELECT syncup_discard(%L, ''reason'');', b.batch)];
	END IF;
	RETURN array_to_string(page, E'\n');
END
$$;
COMMENT ON FUNCTION syncup_report(uuid) IS
'The review of a batch in one page of text: its rows, the limits it exceeds, what stands out, some changes, and what to call next. Times are UTC.';

CREATE FUNCTION syncup_report(batch text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT has_schema_privilege('syncup', 'USAGE') THEN
		RAISE 'permission denied for schema syncup' USING ERRCODE = 'insufficient_privilege';
	END IF;
	RETURN @extschema@.syncup_report(syncup.batch_named(batch));
END
$$;
COMMENT ON FUNCTION syncup_report(text) IS
'The same of a batch''s uuid as text, or of the one blocked batch of a connector.';
