-- Limits, one by one (SPEC 6).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

-- A connector has all limits from the start, a mapping none.
SELECT syncup_create_connector('C', t.dir());
SELECT * FROM syncup.threshold ORDER BY counter COLLATE "C";
SELECT * FROM syncup.threshold_limit ORDER BY name COLLATE "C";
CREATE TABLE target.a (id int PRIMARY KEY, v text);
CREATE TABLE target.b (id int PRIMARY KEY, v text);
CALL t.write('a.csv', E'id,v\n');
CALL t.write('b.csv', E'id,v\n');
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_map_entity_type('C', 'b', 'target.b', 'b.csv', 'id', '{"id": "id", "v": "v"}');
SELECT connector, mapping, maximum, max_percentage FROM syncup.threshold WHERE mapping IS NOT NULL AND (maximum, max_percentage) <> (0, 0);
-- Only those named change.
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 7, "max_percentage_updated_lines": 2.5}');
SELECT syncup_set_thresholds('C', '{"max_percentage_deleted_lines": 1.25}', 'a');
SELECT * FROM syncup.threshold WHERE counter NOT LIKE 'link%' AND (mapping IS NULL OR (maximum, max_percentage) <> (0, 0)) ORDER BY mapping NULLS FIRST, counter COLLATE "C";
-- What is no limit is refused, with nothing changed.
SELECT l, t.refused(format('SELECT syncup_set_thresholds(%L, %L)', 'C', l)) FROM unnest(ARRAY['{"maximum_deleted_lines": 1, "maximum_lines": 1}', '{"maximum_deleted_lines": -1}', '{"maximum_deleted_lines": 1.5}', '{"maximum_deleted_lines": "x"}', '{"maximum_deleted_lines": null}',
	'{"maximum_deleted_lines": true}', '{"maximum_deleted_lines": [1]}', '{"max_percentage_deleted_lines": -0.1}', '{"max_percentage_deleted_lines": "NaN"}', '{"maximum_deleted_lines": 1e30}', '{"MAXIMUM_deleted_lines": 1}', '[]', '1']::jsonb[]) l;
SELECT t.refused($$SELECT syncup_set_thresholds('C', NULL)$$);
SELECT t.refused($$SELECT syncup_set_thresholds('X', '{"maximum_deleted_lines": 1}')$$);
SELECT t.refused($$SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}', 'x')$$);
-- An entity type has no limits for links, and no mapping one for rows set aside.
SELECT t.refused(format('SELECT syncup_set_thresholds(%L, %L, %L)', 'C', jsonb_build_object(name, 1), 'a')) FROM syncup.threshold_limit WHERE links OR NOT of_mappings ORDER BY name COLLATE "C";
SELECT syncup_drop_connector('C');
SELECT count(*) FROM syncup.threshold;

-- Two tables of 40 and 160 rows. One file each: rows first to last, new where id <= changed.
CREATE FUNCTION t.file(first int, last int, changed int DEFAULT 0) RETURNS text
LANGUAGE sql AS $$ SELECT E'id,v\n' || coalesce(string_agg(i || CASE WHEN i <= changed THEN E',new\n' ELSE E',old\n' END, '' ORDER BY i), '') FROM generate_series(first, last) i $$;
CREATE PROCEDURE t.both(a text, b text) LANGUAGE sql AS $$
	CALL t.write('a.csv', a);
	CALL t.write('b.csv', b);
$$;
CREATE FUNCTION t.start() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE target.a, target.b;
	PERFORM syncup_create_connector('C', t.dir());
	PERFORM syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
	PERFORM syncup_map_entity_type('C', 'b', 'target.b', 'b.csv', 'id', '{"id": "id", "v": "v"}');
	CALL t.both(t.file(1, 40), t.file(1, 160));
	PERFORM syncup_prepare('C', 'initial');
	PERFORM syncup_synchronize('C');
	PERFORM t.unlimited();
END
$$;
-- Tries files with limits, of the connector and of mapping a, and takes all of it back.
CREATE FUNCTION t.try(a text, b text, limits jsonb, mapping_limits jsonb DEFAULT '{}', mode text DEFAULT 'complete') RETURNS TABLE (status text, exceeds text)
LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM syncup_set_thresholds('C', limits);
		PERFORM syncup_set_thresholds('C', mapping_limits, 'a');
		CALL t.both(a, b);
		PERFORM syncup_prepare('C', mode);
		SELECT s.status INTO status FROM syncup_synchronize('C') s;
		exceeds := syncup.what_exceeds(t.last());
		RAISE 'back';
	EXCEPTION WHEN raise_exception THEN
	END;
	RETURN NEXT;
END
$$;
SELECT t.start();
-- Each limit exactly reached and one above, in both modes: of the connector (rows 200,
-- changed in both tables), then of the mapping (rows 40).
CREATE TABLE t.case (n serial, counter text, at_a text, at_b text, above_a text, above_b text);
INSERT INTO t.case (counter, at_a, at_b, above_a, above_b) VALUES
	('inserted', t.file(1, 44), t.file(1, 166), t.file(1, 45), t.file(1, 166)),
	('updated', t.file(1, 40, 4), t.file(1, 160, 6), t.file(1, 40, 5), t.file(1, 160, 6)),
	('deleted', t.file(5, 40), t.file(7, 160), t.file(6, 40), t.file(7, 160));
SELECT mode, l.name, r.* FROM t.case c, unnest('{complete,incremental}'::text[]) mode,
	LATERAL (VALUES (format('maximum_%s_lines', counter), 10), (format('max_percentage_%s_lines', counter), 5)) l (name, value),
	LATERAL (SELECT 'at' AS which, t.* FROM t.try(at_a, at_b, jsonb_build_object(l.name, l.value), mode => mode) t
		UNION ALL SELECT 'above', t.* FROM t.try(above_a, above_b, jsonb_build_object(l.name, l.value), mode => mode) t) r
ORDER BY mode, n, l.name COLLATE "C", which DESC;
SELECT mode, l.name, r.* FROM t.case c, unnest('{complete,incremental}'::text[]) mode,
	LATERAL (VALUES (format('maximum_%s_lines', counter), 4), (format('max_percentage_%s_lines', counter), 10)) l (name, value),
	LATERAL (SELECT 'at' AS which, t.* FROM t.try(at_a, at_b, '{}', jsonb_build_object(l.name, l.value), mode => mode) t
		UNION ALL SELECT 'above', t.* FROM t.try(above_a, above_b, '{}', jsonb_build_object(l.name, l.value), mode => mode) t) r
ORDER BY mode, n, l.name COLLATE "C", which DESC;
-- A limit of mapping a has nothing to say about b.
SELECT * FROM t.try(t.file(1, 40), t.file(161, 300, 300), '{}', '{"maximum_inserted_lines": 1, "maximum_updated_lines": 1, "maximum_deleted_lines": 1, "max_percentage_inserted_lines": 1, "max_percentage_updated_lines": 1, "max_percentage_deleted_lines": 1}');
-- Percentages are not rounded, and may have decimals.
SELECT * FROM t.try(t.file(2, 40), t.file(1, 160), '{"max_percentage_deleted_lines": 0.5}');
SELECT * FROM t.try(t.file(2, 40), t.file(1, 160), '{"max_percentage_deleted_lines": 0.4999999999}');
SELECT * FROM t.try(t.file(1, 40, 1), t.file(1, 160), '{}', '{"max_percentage_updated_lines": 2.49}');
SELECT * FROM t.try(t.file(1, 40, 1), t.file(1, 160), '{}', '{"max_percentage_updated_lines": 2.5}');
-- More than all: 100 % of what is there is not exceeded by all of it.
SELECT * FROM t.try(t.file(1, 0), t.file(1, 0), '{"max_percentage_deleted_lines": 100}');
SELECT * FROM t.try(t.file(1, 41), t.file(1, 320), '{"max_percentage_inserted_lines": 80}');
-- 0 is off, whatever happens.
SELECT * FROM t.try(t.file(1, 0), t.file(200, 900), '{}');
-- Kinds are not added together, neither for a connector nor for a mapping.
SELECT * FROM t.try(t.file(5, 44, 8), t.file(7, 166, 12), '{"maximum_inserted_lines": 10, "maximum_updated_lines": 10, "maximum_deleted_lines": 10, "max_percentage_inserted_lines": 5, "max_percentage_updated_lines": 5, "max_percentage_deleted_lines": 5}', '{"maximum_inserted_lines": 4, "maximum_updated_lines": 4, "maximum_deleted_lines": 4}');
-- All that is exceeded is shown, in one sentence: the connector's first, deletions before the rest.
SELECT * FROM t.try(t.file(6, 45, 10), t.file(7, 166, 12), '{"maximum_inserted_lines": 10, "maximum_updated_lines": 10, "maximum_deleted_lines": 10, "max_percentage_inserted_lines": 5, "max_percentage_updated_lines": 5, "max_percentage_deleted_lines": 5}', '{"maximum_inserted_lines": 4, "maximum_updated_lines": 5, "maximum_deleted_lines": 1, "max_percentage_deleted_lines": 3.5}');
-- A mapping's limit cannot raise its connector's, whether set before or after.
SELECT * FROM t.try(t.file(6, 40), t.file(1, 160), '{"maximum_deleted_lines": 4}', '{"maximum_deleted_lines": 1000, "max_percentage_deleted_lines": 100}');
SELECT * FROM t.try(t.file(6, 40), t.file(1, 160), '{"maximum_deleted_lines": 4}', '{"maximum_deleted_lines": 0}');
-- One: singular.
SELECT * FROM t.try(t.file(1, 40), t.file(1, 161), '{"max_percentage_inserted_lines": 0.1}');
SELECT * FROM t.try(t.file(2, 40, 2), t.file(1, 160), '{}', '{"max_percentage_deleted_lines": 1, "max_percentage_updated_lines": 1}');
-- Nothing exceeded, nothing said; no batch, neither.
SELECT syncup.what_exceeds(t.last()), syncup.what_exceeds('00000000-0000-0000-0000-000000000000');

-- The view: a row per mapping and counter, and the connector's sums; null where off.
CALL t.both(t.file(3, 41, 5), t.file(1, 160));
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 2, "max_percentage_updated_lines": 1.4}');
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 50}', 'a');
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT count(*) FROM syncup.threshold_check WHERE batch = t.last();
SELECT t.apply();
SELECT mapping, counter, count, maximum, base, percent, max_percentage, exceeded FROM syncup.threshold_check WHERE batch = t.last() ORDER BY mapping NULLS FIRST, counter COLLATE "C";
-- History is what it was: the limits that it was checked against stay with the batch.
CREATE TABLE t.history AS SELECT * FROM syncup.threshold_check WHERE batch = t.last();
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1, "maximum_updated_lines": 1, "max_percentage_updated_lines": 0}');
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 0}', 'a');
SELECT count(*) AS different FROM (SELECT * FROM t.history EXCEPT SELECT * FROM syncup.threshold_check) AS d;
SELECT t.unlimited();
-- A batch that is blocked stays so when limits are raised, and is not blocked by lower
-- ones when it is resumed.
SELECT status FROM syncup_synchronize('C');
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1, "maximum_updated_lines": 1, "maximum_inserted_lines": 0}');
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
SELECT count(*) AS different FROM (SELECT batch, mapping, counter, count, maximum, base, max_percentage, exceeded FROM t.history EXCEPT SELECT batch, mapping, counter, count, maximum, base, max_percentage, exceeded FROM syncup.threshold_check) AS d;

-- force: waived, and still recorded; for this call only.
SELECT t.unlimited();
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');
CALL t.both(t.file(3, 41, 5), t.file(11, 160));
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply(force => true);
SELECT forced, syncup.what_exceeds(batch) FROM syncup.batch WHERE batch = t.last();
CALL t.both(t.file(3, 41, 5), t.file(21, 160));
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT forced, syncup.what_exceeds(batch) FROM syncup.batch WHERE batch = t.last();
-- It does not apply what is blocked already.
SELECT t.apply(force => true);
SELECT syncup_discard(t.last());
SELECT t.unlimited();
SELECT syncup_drop_connector('C');

-- The base of an incremental run is carried forward from the last that was applied,
-- whatever happened to the target; a complete run counts it.
SELECT t.start();
DELETE FROM target.a WHERE id > 10;
CALL t.both(t.file(1, 40), t.file(1, 158));
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT t.apply();
SELECT mapping, inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping;
CALL t.both(t.file(1, 43), t.file(1, 158));
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT t.apply();
SELECT mapping, inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping;
-- A batch in between that was not applied does not count.
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');
CALL t.both(t.file(1, 20), t.file(1, 158));
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT t.apply();
SELECT syncup_discard(t.last());
CALL t.both(t.file(1, 42), t.file(1, 158));
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT t.apply();
SELECT mapping, inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT mapping, inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping;
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT t.apply();
SELECT mapping, inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping;
SELECT count(*) FROM target.a;
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT mapping, inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping;
SELECT syncup_drop_connector('C');

-- The first complete run into an empty target blocks, by design: with the defaults, a
-- single row does.
TRUNCATE target.a, target.b;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
CALL t.write('a.csv', t.file(1, 1));
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT syncup.what_exceeds(t.last());
SELECT counter, count, base, percent, exceeded FROM syncup.threshold_check WHERE batch = t.last() AND mapping IS NULL ORDER BY counter;
-- An empty file into it does not; and an initial run is not checked.
CALL t.write('a.csv', t.file(1, 0));
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT syncup_drop_connector('C');
SELECT t.start();
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 1, "max_percentage_inserted_lines": 1}');
SELECT limits, syncup.what_exceeds(batch) FROM syncup.batch;
SELECT syncup_drop_connector('C');
-- Limits of the connector that the defaults set: 100 rows, or 5 %.
TRUNCATE target.a;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
CALL t.write('a.csv', t.file(1, 2100));
SELECT syncup_prepare('C', 'initial') IS NULL AS prepared;
SELECT t.apply();
CREATE FUNCTION t.defaults(content text) RETURNS TABLE (status text, exceeds text) LANGUAGE sql AS $$
	SELECT * FROM t.try(content, 'id', '{}')
$$;
SELECT * FROM t.defaults(t.file(101, 2200, 200));
SELECT * FROM t.defaults(t.file(102, 2100));
SELECT * FROM t.defaults(t.file(1, 2201));
SELECT * FROM t.defaults(t.file(1, 2100, 101));
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0}');
SELECT * FROM t.defaults(t.file(106, 2205, 210));
SELECT * FROM t.defaults(t.file(107, 2100));
SELECT * FROM t.defaults(t.file(1, 2206));
SELECT * FROM t.defaults(t.file(1, 2100, 106));
SELECT syncup_drop_connector('C');

-- percentile_99: of the counts of the last 100 applied runs, per counter, of the mapping
-- and of the connector; initial runs, undone, discarded and blocked ones do not count.
SELECT t.start();
DO $$
BEGIN
	FOR i IN 1..110 LOOP
		CALL t.both(t.file(1, 40, CASE WHEN i % 2 = 0 THEN 0 ELSE CASE WHEN i <= 10 THEN 30 WHEN i = 11 THEN 9 ELSE 3 END END), t.file(1, 160, CASE WHEN i % 2 = 0 THEN 0 ELSE 1 END));
		PERFORM syncup_prepare('C', 'incremental');
		PERFORM syncup_synchronize('C');
	END LOOP;
END
$$;
SELECT mapping, counter, count, percentile_99 FROM syncup.threshold_check WHERE batch = t.last() ORDER BY mapping NULLS FIRST, counter COLLATE "C";
-- Two runs that change more take the place of the oldest; one that is undone counts no more.
CALL t.both(t.file(1, 40, 20), t.file(1, 160));
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT t.apply(keep_changes => false);
CALL t.both(t.file(1, 40), t.file(1, 160));
SELECT syncup_prepare('C', 'incremental') IS NULL AS prepared;
SELECT t.apply(keep_changes => true);
SELECT mapping, count, percentile_99 FROM syncup.threshold_check WHERE batch = t.last() AND counter = 'updated_lines' ORDER BY mapping NULLS FIRST;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT mapping, count, percentile_99 FROM syncup.threshold_check WHERE batch = t.last() AND counter = 'updated_lines' ORDER BY mapping NULLS FIRST;
SELECT syncup_drop_connector('C');

-- A preview checks alike, and records nothing.
SELECT t.start();
CALL t.both(t.file(6, 40), t.file(1, 160));
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 4}');
SELECT batch, mapping, counter, count, maximum, base, exceeded FROM syncup_preview('C', 'complete') WHERE count > 0 ORDER BY mapping NULLS FIRST;
SELECT count(*) FROM syncup.batch;
SELECT syncup_drop_connector('C');

-- minimum_lines_for_percentage: fewer lines than this exceed no percentage, unless they
-- are half of the rows or more. Of the connector for its percentages, of a mapping for
-- its own. 200 rows, of which mapping a has 40.
SELECT t.start();
SELECT least, n, r.status, r.exceeds FROM unnest('{0,3,4}'::int[]) least, unnest('{2,3,4}'::int[]) n,
	LATERAL t.try(t.file(n + 1, 40), t.file(1, 160), jsonb_build_object('max_percentage_deleted_lines', 0.5, 'minimum_lines_for_percentage', least)) r;
SELECT least, r.status, r.exceeds FROM unnest('{0,3,4}'::int[]) least,
	LATERAL t.try(t.file(1, 40, 3), t.file(1, 160), '{}', jsonb_build_object('max_percentage_updated_lines', 5, 'minimum_lines_for_percentage', least)) r;
-- That of the one does not hold for the other, and none for a maximum.
SELECT * FROM t.try(t.file(1, 40, 3), t.file(1, 160), '{"max_percentage_updated_lines": 1}', '{"minimum_lines_for_percentage": 100}');
SELECT * FROM t.try(t.file(1, 40, 3), t.file(1, 160), '{"minimum_lines_for_percentage": 100}', '{"max_percentage_updated_lines": 1}');
SELECT * FROM t.try(t.file(1, 40, 3), t.file(1, 160), '{"minimum_lines_for_percentage": 100, "maximum_updated_lines": 2, "max_percentage_updated_lines": 1}', '{"maximum_updated_lines": 1}');
-- Half of the rows: 20 of 40 exceed, 19 do not; so does all that comes into an empty table.
SELECT n, r.status, r.exceeds FROM unnest('{19,20}'::int[]) n,
	LATERAL t.try(t.file(n + 1, 40), t.file(1, 160), '{}', '{"max_percentage_deleted_lines": 5, "minimum_lines_for_percentage": 100}') r;
SELECT syncup_drop_connector('C');
TRUNCATE target.a;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_set_thresholds('C', '{"minimum_lines_for_percentage": 100}');
CALL t.write('a.csv', t.file(1, 3));
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT syncup.what_exceeds(t.last());
SELECT status FROM syncup_resume('C');
-- Three rows of which one goes and one changes: what is spared stands in the check, in the
-- batch's limits and in the report, also once the limits are others.
CALL t.write('a.csv', t.file(2, 3, 2));
SELECT mapping, counter, count, percent, max_percentage, exceeded, spared FROM syncup_preview('C', 'complete') WHERE mapping IS NULL ORDER BY counter COLLATE "C";
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT syncup_set_thresholds('C', '{"minimum_lines_for_percentage": 0}');
SELECT mapping, counter, count, percent, max_percentage, exceeded FROM syncup.threshold_check WHERE batch = t.last() AND spared ORDER BY counter COLLATE "C";
SELECT limits #> '{"",lines_for_percentage}' AS recorded FROM syncup.batch WHERE batch = t.last();
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line ~ 'limit|minimum|held';
-- Without it the same would block.
CALL t.write('a.csv', t.file(2, 3, 3));
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT syncup.what_exceeds(t.last());
SELECT syncup_drop_connector('C');

-- max_percentage_set_aside_lines: of each mapping by itself, against the connector's
-- limit; by default half of the rows read. A row without an id has no key.
CREATE FUNCTION t.bad(bad int, rows int) RETURNS text
LANGUAGE sql AS $$ SELECT E'id,v\n' || string_agg(CASE WHEN i > bad THEN i::text ELSE '' END || E',old\n', '' ORDER BY i) FROM generate_series(1, rows) i $$;
SELECT t.start();
SELECT t.unlimited();
SELECT syncup_set_thresholds('C', '{"max_percentage_set_aside_lines": 50}');
SELECT bad, r.* FROM unnest('{20,21}'::int[]) bad, LATERAL t.try(t.bad(bad, 40), t.file(1, 160), '{}') r;
SELECT bad, r.* FROM unnest('{80,81}'::int[]) bad, LATERAL t.try(t.file(1, 40), t.bad(bad, 160), '{}') r;
SELECT bad, r.* FROM unnest('{1,2}'::int[]) bad, LATERAL t.try(t.bad(bad, 40), t.file(1, 160), '{"max_percentage_set_aside_lines": 2.5}', mode => 'incremental') r;
-- The sum of the mappings is not checked; the minimum for percentages is none for it.
SELECT * FROM t.try(t.bad(20, 40), t.bad(80, 160), '{"minimum_lines_for_percentage": 1000}');
SELECT * FROM t.try(t.bad(21, 40), t.bad(81, 160), '{"minimum_lines_for_percentage": 1000}');
SELECT * FROM t.try(t.bad(40, 40), t.bad(160, 160), '{"max_percentage_set_aside_lines": 0}');
-- Equal duplicates are not set aside.
SELECT * FROM t.try(E'id,v\n1,old\n1,old\n1,old\n1,old\n', t.file(1, 160), '{}');
SELECT * FROM t.try(E'id,v\n1,old\n1,b\n1,c\n1,d\n', t.file(1, 160), '{}');
-- What blocks, and its report.
CALL t.both(t.bad(30, 40), t.file(1, 160));
SELECT counter, count, base, percent, max_percentage, exceeded FROM syncup_preview('C', 'complete') WHERE mapping = 'a' ORDER BY counter COLLATE "C";
SELECT syncup_prepare('C', 'complete') IS NULL AS prepared;
SELECT t.apply();
SELECT mapping, counter, count, maximum, base, percent, max_percentage, exceeded FROM syncup.threshold_check WHERE batch = t.last() AND counter = 'set_aside_lines' ORDER BY mapping;
SELECT line FROM string_to_table(syncup_report('C'), E'\n') AS line WHERE line ~ 'set_aside_lines';
SELECT count(*) FROM target.a;
SELECT status, deleted FROM syncup_resume('C');
SELECT count(*) FROM target.a;
SELECT syncup_drop_connector('C');
-- Not in initial runs.
TRUNCATE target.a;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'a', 'target.a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
CALL t.write('a.csv', t.bad(9, 10));
SELECT syncup_prepare('C', 'initial') IS NULL AS prepared;
SELECT t.apply();
SELECT syncup_drop_connector('C');

\set end :srcdir '/include/end.sql'
\i :end
