-- The check of a batch against its limits (SPEC 6.2), in plain SQL.

CREATE VIEW syncup.threshold_check AS
SELECT checked.batch, checked.mapping, checked.counter, checked.count,
	nullif(l.maximum, 0) AS maximum,
	checked.base,
	round(checked.count * 100.0 / nullif(checked.base, 0), 2) AS percent,
	nullif(l.max_percentage, 0) AS max_percentage,
	coalesce(l.maximum > 0 AND checked.count > l.maximum, false)
		OR coalesce(l.max_percentage > 0 AND checked.count * 100 > l.max_percentage * checked.base, false) AS exceeded
FROM (
	-- of each mapping
	SELECT b.batch, b.connector, b.limits, c.mapping, v.counter, v.count, c.stored_before AS base
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	CROSS JOIN LATERAL (VALUES
		('inserted_lines', 'entity type', c.inserted),
		('updated_lines', 'entity type', c.updated),
		('deleted_lines', 'entity type', c.deleted),
		('link_inserted_lines', 'association', c.inserted),
		('link_updated_lines', 'association', c.updated),
		('link_deleted_lines', 'association', c.deleted)) AS v (counter, kind, count)
	WHERE v.kind = c.kind AND c.inserted IS NOT NULL
	UNION ALL
	-- of the connector: the sums over its mappings
	SELECT b.batch, b.connector, b.limits, NULL, v.counter, sum(v.count)::bigint, sum(c.stored_before)::bigint
	FROM syncup.batch b
	JOIN syncup.batch_counter c USING (batch)
	CROSS JOIN LATERAL (VALUES
		('inserted_lines', 'entity type', c.inserted),
		('updated_lines', 'entity type', c.updated),
		('deleted_lines', 'entity type', c.deleted),
		('link_inserted_lines', 'association', c.inserted),
		('link_updated_lines', 'association', c.updated),
		('link_deleted_lines', 'association', c.deleted)) AS v (counter, kind, count)
	WHERE v.kind = c.kind AND c.inserted IS NOT NULL
	GROUP BY b.batch, v.counter
) AS checked
-- the limits that the batch was checked against
LEFT JOIN LATERAL jsonb_to_recordset(checked.limits) AS l (mapping text, counter text, maximum bigint, max_percentage numeric)
	ON l.counter = checked.counter AND l.mapping IS NOT DISTINCT FROM checked.mapping;
COMMENT ON VIEW syncup.threshold_check IS
'Per batch, mapping (null: the connector) and counter: what was counted, against which limits (null: off). Exceeded: count > maximum, or count * 100 > max_percentage * base.';
COMMENT ON COLUMN syncup.threshold_check.base IS 'rows stored before: of the mapping, or of all mappings of the connector';
COMMENT ON COLUMN syncup.threshold_check.percent IS 'count as a percentage of base; null where base is 0';

CREATE FUNCTION syncup.what_exceeds(batch uuid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(
		format('%s%s exceed %s', e.count,
			CASE e.counter
				WHEN 'inserted_lines' THEN ' insertions'
				WHEN 'updated_lines' THEN ' updates'
				WHEN 'deleted_lines' THEN ' deletions'
				WHEN 'link_inserted_lines' THEN ' link insertions'
				WHEN 'link_updated_lines' THEN ' link updates'
				WHEN 'link_deleted_lines' THEN ' link deletions'
			END || coalesce(' of mapping "' || e.mapping || '"', ''),
			concat_ws(' and ',
				CASE WHEN e.count > e.maximum THEN format('maximum_%s (%s)', e.counter, e.maximum) END,
				CASE WHEN e.count * 100 > e.max_percentage * e.base THEN format('%s (%s %%)',
					(SELECT l.name FROM syncup.threshold_limit l WHERE l.counter = e.counter AND l.percentage),
					e.max_percentage) END)),
		'; ' ORDER BY e.mapping NULLS FIRST, e.counter)
	FROM syncup.threshold_check e
	WHERE e.batch = what_exceeds.batch AND e.exceeded
$$;
COMMENT ON FUNCTION syncup.what_exceeds(uuid) IS
'The limits that a batch exceeds, in a sentence.';
