-- Targets with as many columns as can be compared work in every mode; one more is
-- refused when it is mapped, or before a batch is prepared.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
SELECT syncup_create_connector('C', t.dir());
CREATE PROCEDURE t.make(columns int) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE (SELECT format('CREATE TABLE target.w%s (id int PRIMARY KEY, %s)', columns, string_agg(format('c%s int', i), ', ' ORDER BY i))
		FROM generate_series(2, columns) i);
END
$$;
-- Rows of so many columns, those of the others times ten.
CREATE PROCEDURE t.export(columns int, ids int[], others int[] DEFAULT '{}') LANGUAGE plpgsql AS $$
DECLARE
	content text := (SELECT string_agg(line, '' ORDER BY id) FROM (
		SELECT 0 AS id, 'id,' || string_agg('c' || i, ',' ORDER BY i) || E'\n' AS line FROM generate_series(2, columns) i
		UNION ALL SELECT id, id || ',' || string_agg((i * CASE WHEN id = ANY (others) THEN 10 ELSE 1 END)::text, ',' ORDER BY i) || E'\n'
		FROM unnest(ids) id, generate_series(2, columns) i GROUP BY id) lines);
BEGIN
	CALL t.write('w.csv', content);
END
$$;
CREATE FUNCTION t.run(how text) RETURNS TABLE (status text, inserted bigint, updated bigint, deleted bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('C', how);
	RETURN QUERY SELECT s.status, s.inserted, s.updated, s.deleted FROM syncup_synchronize('C', keep_changes => true) s;
END
$$;
CALL t.make(553);
CALL t.make(554);
CALL t.export(554, '{1,2,3}');
SELECT syncup_map_entity_type('C', 'm', 'target.w554', 'w.csv', 'id');
SELECT syncup_map_entity_type('C', 'm', 'target.w554', 'w.csv', 'id', (SELECT jsonb_object_agg(c, c) FROM (SELECT 'id' AS c UNION ALL SELECT 'c' || i FROM generate_series(2, 553) i) n));
SELECT syncup_map_entity_type('C', 'm', 'target.w553', 'w.csv', 'id');
SELECT count(*) FROM syncup.mapping_column WHERE target IS NOT NULL;
SELECT syncup_set_thresholds('C', '{"max_percentage_deleted_lines": 0, "max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0}');
SELECT * FROM t.run('initial');
-- Drift, and a change of everything.
UPDATE target.w553 SET c7 = 0 WHERE id = 1;
CALL t.export(554, '{1,2,4}', '{2}');
SELECT * FROM t.run('complete');
SELECT id, c2, c7, c553 FROM target.w553 ORDER BY id;
-- Blocked, resumed, undone.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
CALL t.export(554, '{1,2,5}', '{1}');
SELECT * FROM t.run('incremental');
SELECT batch AS blocked FROM syncup.batch WHERE status = 'blocked' \gset
SELECT count(*) FROM syncup_changes(:'blocked');
SELECT status, inserted, updated, deleted FROM syncup_resume(:'blocked');
SELECT id, c2, c7, c553 FROM target.w553 ORDER BY id;
SELECT syncup_undo(:'blocked') IS NULL AS nothing;
SELECT id, c2, c7, c553 FROM target.w553 ORDER BY id;
-- The table has become wider since.
ALTER TABLE target.w553 ADD one_more int;
SELECT syncup_prepare('C', 'complete');
ALTER TABLE target.w553 DROP one_more, ADD generated int GENERATED ALWAYS AS (id + 1) STORED;
SELECT syncup_prepare('C', 'complete') IS NULL AS nothing;

\set end :srcdir '/include/end.sql'
\i :end
