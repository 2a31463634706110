-- The check of a batch against its limits (SPEC 6.2), in plain SQL.

CREATE VIEW syncup.threshold_check AS
SELECT checked.batch, checked.mapping, checked.counter, checked.count,
	nullif(l.maximum, 0) AS maximum,
	checked.base,
	round(checked.count * 100.0 / nullif(checked.base, 0), 2) AS percent,
	nullif(l.max_percentage, 0) AS max_percentage,
	coalesce(l.maximum > 0 AND checked.count > l.maximum, false) OR above.percentage AND NOT above.few AS exceeded,
	usual.percentile_99,
	above.percentage AND above.few AS spared
FROM (
	-- of each mapping
	SELECT c.batch, c.mapping, CASE c.counter WHEN 'set_aside_lines' THEN '' ELSE c.mapping END AS limits_of, c.counter, c.count, c.base
	FROM syncup.counted c
	WHERE c.mapping IS NOT NULL
	UNION ALL
	-- of the connector: the sums over its mappings, and what constraints do to other tables.
	-- Rows set aside are checked in each mapping, against the connector's limit.
	SELECT c.batch, NULL, '', c.counter, sum(c.count)::bigint, sum(c.base)::bigint
	FROM syncup.counted c
	WHERE c.counter <> 'set_aside_lines'
	GROUP BY c.batch, c.counter
	UNION ALL
	-- of each link table the resource that loses the largest part of its links
	(SELECT DISTINCT ON (r.batch, r.mapping) r.batch, r.mapping, CASE WHEN o.limits #> ARRAY[r.mapping, 'link_deleted_lines_per_resource'] IS NULL THEN '' ELSE r.mapping END,
		'link_deleted_lines_per_resource', r.deleted, r.stored
	FROM syncup.batch_resource r
	JOIN syncup.batch o USING (batch)
	ORDER BY r.batch, r.mapping, r.deleted::float8 / r.stored DESC, r.stored DESC)
) AS checked
JOIN syncup.batch b ON b.batch = checked.batch
-- the limits that the batch was checked against
CROSS JOIN LATERAL (
	SELECT (b.limits #>> ARRAY[checked.limits_of, checked.counter, '0'])::bigint AS maximum,
		(b.limits #>> ARRAY[checked.limits_of, checked.counter, '1'])::numeric AS max_percentage,
		CASE WHEN checked.counter NOT IN ('set_aside_lines', 'link_deleted_lines_per_resource') THEN (b.limits #>> ARRAY[checked.limits_of, 'lines_for_percentage', '0'])::bigint END AS minimum
) AS l
CROSS JOIN LATERAL (
	SELECT coalesce(l.max_percentage > 0 AND checked.count * 100 > l.max_percentage * checked.base, false) AS percentage,
		coalesce(checked.count < l.minimum AND checked.count * 2 < checked.base, false) AS few
) AS above
-- Once for each connector, and, grouped as it is, left out where nobody asks for it.
LEFT JOIN (
	SELECT k.connector, u.mapping, u.counter, max(u.percentile_99) AS percentile_99
	FROM syncup.connector k
	CROSS JOIN LATERAL (
		SELECT run.mapping, run.counter, percentile_disc(0.99) WITHIN GROUP (ORDER BY run.count) AS percentile_99
		FROM (
			SELECT coalesce(c.mapping, '') AS mapping, v.counter, sum(v.count) AS count
			FROM (
				SELECT p.batch FROM syncup.batch p
				WHERE p.connector = k.connector AND p.status = 'applied' AND p.mode IN ('complete', 'incremental')
				ORDER BY p.seq DESC LIMIT 100
			) AS past
			JOIN syncup.batch_counter c USING (batch)
			CROSS JOIN LATERAL (SELECT CASE c.kind WHEN 'association' THEN 'link_' ELSE '' END) AS of (kind)
			CROSS JOIN LATERAL (VALUES (of.kind || 'inserted_lines', c.inserted), (of.kind || 'updated_lines', c.updated),
				(of.kind || 'deleted_lines', c.deleted), ('set_aside_lines', c.set_aside)) AS v (counter, count)
			GROUP BY GROUPING SETS ((past.batch, v.counter, c.mapping), (past.batch, v.counter))
		) AS run
		GROUP BY run.mapping, run.counter
	) AS u
	GROUP BY k.connector, u.mapping, u.counter
) AS usual ON usual.connector = b.connector AND usual.mapping = coalesce(checked.mapping, '') AND usual.counter = checked.counter
UNION ALL
SELECT r.batch, r.mapping, 'check ' || r.name, coalesce(r.rows, 0), NULL, NULL, NULL, NULL, r.rows > 0 OR r.error IS NOT NULL, NULL, false
FROM syncup.check_result r;
COMMENT ON VIEW syncup.threshold_check IS
'Per batch, mapping (null: the connector) and counter: what was counted, against which limits (null: off). Exceeded: count > maximum, or count * 100 > max_percentage * base and not spared. A check is a counter, too: "check" and its name, with the rows that it returned; exceeded also where it failed.';
COMMENT ON COLUMN syncup.threshold_check.spared IS 'count * 100 > max_percentage * base, and it does not exceed: fewer lines than minimum_lines_for_percentage, and less than half of base';
COMMENT ON COLUMN syncup.threshold_check.base IS 'rows stored before: of the mapping, or of all mappings of the connector; of set_aside_lines the rows read that count';
COMMENT ON COLUMN syncup.threshold_check.percentile_99 IS 'of the count in the last 100 applied complete and incremental runs: what limits can be set from';
COMMENT ON COLUMN syncup.threshold_check.percent IS 'count as a percentage of base; null where base is 0';

CREATE FUNCTION syncup.count_in_words(count bigint, counter text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(CASE
		WHEN counter = 'set_aside_lines' THEN '%1$s row%2$s set aside'
		WHEN counter LIKE '%per_resource' THEN '%1$s link %3$s%2$s of one resource'
		WHEN counter LIKE 'link%' THEN '%1$s link %3$s%2$s'
		ELSE '%1$s %3$s%2$s'
	END, count, CASE WHEN count <> 1 THEN 's' END, CASE
		WHEN counter LIKE '%inserted_lines' THEN 'insertion'
		WHEN counter LIKE '%updated_lines' THEN 'update'
		ELSE 'deletion'
	END)
$$;
COMMENT ON FUNCTION syncup.count_in_words(bigint, text) IS
'A count of syncup.threshold_check in words: "3 link deletions".';

CREATE FUNCTION syncup.counter_rank(counter text)
RETURNS int
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_position(ARRAY['deleted_lines', 'updated_lines', 'inserted_lines', 'link_deleted_lines', 'link_updated_lines', 'link_inserted_lines', 'link_deleted_lines_per_resource', 'set_aside_lines'], counter)
$$;
COMMENT ON FUNCTION syncup.counter_rank(text) IS
'The order in which counters are told, those that hurt most first.';

CREATE FUNCTION syncup.exceeded_limits(batch uuid)
RETURNS TABLE (place bigint, mapping text, counter text, count bigint, base bigint, percent numeric, name text, maximum text, allowed bigint)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT dense_rank() OVER (ORDER BY t.mapping NULLS FIRST, syncup.counter_rank(t.counter)),
		t.mapping, t.counter, t.count, t.base, t.percent, l.name,
		CASE WHEN l.percentage THEN t.max_percentage || ' %' ELSE t.maximum::text END, floor(l.lines)::bigint
	FROM syncup.threshold_check t
	CROSS JOIN LATERAL (
		SELECT n.name, n.percentage, CASE WHEN n.percentage THEN t.max_percentage * t.base / 100 ELSE t.maximum END AS lines
		FROM syncup.threshold_limit n WHERE n.counter = t.counter
	) AS l
	WHERE t.batch = exceeded_limits.batch AND t.exceeded AND t.count > l.lines AND NOT (l.percentage AND t.spared)
	ORDER BY 1, l.percentage
$$;
COMMENT ON FUNCTION syncup.exceeded_limits(uuid) IS
'The limits that a batch exceeds, a row each, those that hurt most first; place: of the counter; allowed: how many lines the limit lets pass.';

CREATE FUNCTION syncup.what_exceeds(batch uuid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT nullif(concat_ws('; ', string_agg(e.line, '; ' ORDER BY e.place), syncup.what_checks_say(what_exceeds.batch)), '')
	FROM (
		SELECT l.place, format('%s %s%s %s', syncup.count_in_words(l.count, l.counter), 'of mapping "' || l.mapping || '" ',
			CASE l.count WHEN 1 THEN 'exceeds' ELSE 'exceed' END, string_agg(format('%s (%s)', l.name, l.maximum), ' and ' ORDER BY l.ordinal)) AS line
		FROM syncup.exceeded_limits(what_exceeds.batch) WITH ORDINALITY AS l (place, mapping, counter, count, base, percent, name, maximum, allowed, ordinal)
		GROUP BY l.place, l.mapping, l.counter, l.count
	) AS e
$$;
COMMENT ON FUNCTION syncup.what_exceeds(uuid) IS
'The limits that a batch exceeds, and the checks that block it, in a sentence.';
