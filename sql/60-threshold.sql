-- The check of a batch against its limits (SPEC 6.2), in plain SQL.

CREATE VIEW syncup.threshold_check AS
SELECT checked.batch, checked.mapping, checked.counter, checked.count,
	nullif(l.maximum, 0) AS maximum,
	checked.base,
	round(checked.count * 100.0 / nullif(checked.base, 0), 2) AS percent,
	nullif(l.max_percentage, 0) AS max_percentage,
	coalesce(l.maximum > 0 AND checked.count > l.maximum, false)
		OR coalesce(l.max_percentage > 0 AND checked.count * 100 > l.max_percentage * checked.base, false) AS exceeded,
	(
		SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY run.count)
		FROM (
			SELECT sum(CASE WHEN checked.counter IN ('inserted_lines', 'link_inserted_lines') THEN k.inserted
					WHEN checked.counter IN ('updated_lines', 'link_updated_lines') THEN k.updated
					ELSE k.deleted END) AS count
			FROM (
				SELECT p.batch FROM syncup.batch p
				WHERE p.connector = checked.connector AND p.status = 'applied' AND p.mode IN ('complete', 'incremental')
				ORDER BY p.seq DESC LIMIT 100
			) AS past
			JOIN syncup.batch_counter k USING (batch)
			WHERE k.kind = checked.kind AND (checked.mapping IS NULL OR k.mapping = checked.mapping)
			GROUP BY k.batch
		) AS run
	) AS percentile_99
FROM (
	-- of each mapping
	SELECT b.batch, b.connector, b.limits, c.mapping, v.counter, v.kind, v.count, c.stored_before AS base
	FROM syncup.batch b
	JOIN syncup.counted c USING (batch)
	CROSS JOIN LATERAL (VALUES
		('inserted_lines', 'entity type', c.inserted),
		('updated_lines', 'entity type', c.updated),
		('deleted_lines', 'entity type', c.deleted),
		('link_inserted_lines', 'association', c.inserted),
		('link_updated_lines', 'association', c.updated),
		('link_deleted_lines', 'association', c.deleted)) AS v (counter, kind, count)
	WHERE v.kind = c.kind AND c.inserted IS NOT NULL AND c.mapping IS NOT NULL
	UNION ALL
	-- of the connector: the sums over its mappings, and what constraints do to other tables
	SELECT b.batch, b.connector, b.limits, NULL, v.counter, v.kind, sum(v.count)::bigint, sum(c.stored_before)::bigint
	FROM syncup.batch b
	JOIN syncup.counted c USING (batch)
	CROSS JOIN LATERAL (VALUES
		('inserted_lines', 'entity type', c.inserted),
		('updated_lines', 'entity type', c.updated),
		('deleted_lines', 'entity type', c.deleted),
		('link_inserted_lines', 'association', c.inserted),
		('link_updated_lines', 'association', c.updated),
		('link_deleted_lines', 'association', c.deleted)) AS v (counter, kind, count)
	WHERE v.kind = c.kind AND c.inserted IS NOT NULL
	GROUP BY b.batch, v.counter, v.kind
) AS checked
-- the limits that the batch was checked against
CROSS JOIN LATERAL (
	SELECT (pair ->> 0)::bigint AS maximum, (pair ->> 1)::numeric AS max_percentage
	FROM (SELECT checked.limits #> ARRAY[coalesce(checked.mapping, ''), checked.counter]) AS recorded (pair)
) AS l;
COMMENT ON VIEW syncup.threshold_check IS
'Per batch, mapping (null: the connector) and counter: what was counted, against which limits (null: off). Exceeded: count > maximum, or count * 100 > max_percentage * base.';
COMMENT ON COLUMN syncup.threshold_check.base IS 'rows stored before: of the mapping, or of all mappings of the connector';
COMMENT ON COLUMN syncup.threshold_check.percentile_99 IS 'of the count in the last 100 applied complete and incremental runs: what limits can be set from';
COMMENT ON COLUMN syncup.threshold_check.percent IS 'count as a percentage of base; null where base is 0';

CREATE FUNCTION syncup.what_exceeds(batch uuid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(
		format('%s %s%s%s %s%s %s', e.count,
			CASE WHEN e.counter LIKE 'link%' THEN 'link ' END,
			CASE
				WHEN e.counter LIKE '%inserted_lines' THEN 'insertion'
				WHEN e.counter LIKE '%updated_lines' THEN 'update'
				ELSE 'deletion'
			END,
			CASE WHEN e.count <> 1 THEN 's' END,
			'of mapping "' || e.mapping || '" ',
			CASE WHEN e.count <> 1 THEN 'exceed' ELSE 'exceeds' END,
			concat_ws(' and ',
				CASE WHEN e.count > e.maximum THEN format('maximum_%s (%s)', e.counter, e.maximum) END,
				CASE WHEN e.count * 100 > e.max_percentage * e.base THEN format('%s (%s %%)',
					(SELECT l.name FROM syncup.threshold_limit l WHERE l.counter = e.counter AND l.percentage),
					e.max_percentage) END)),
		'; ' ORDER BY e.mapping NULLS FIRST,
			array_position(ARRAY['deleted_lines', 'updated_lines', 'inserted_lines', 'link_deleted_lines', 'link_updated_lines', 'link_inserted_lines'], e.counter))
	FROM syncup.threshold_check e
	WHERE e.batch = what_exceeds.batch AND e.exceeded
$$;
COMMENT ON FUNCTION syncup.what_exceeds(uuid) IS
'The limits that a batch exceeds, in a sentence.';
