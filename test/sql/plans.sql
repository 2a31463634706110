-- Few rows are looked up by an index, whatever the planner believes (plans.c):
-- where 100 of 20,000 rows change nothing reads the target or the stored copy as a
-- whole, except the one look at all of both that a complete run is.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
SET work_mem = '256MB';
SET random_page_cost = 1000;
SET enable_indexscan = off;
SET enable_nestloop = off;

CREATE TABLE target.one (id int PRIMARY KEY, name text, boss int);
CREATE TABLE target.parted (id int PRIMARY KEY, name text, boss int) PARTITION BY RANGE (id);
CREATE TABLE target.parted1 PARTITION OF target.parted FOR VALUES FROM (1) TO (10000);
CREATE TABLE target.parted2 PARTITION OF target.parted DEFAULT;
CREATE TABLE target.link (a int, b int, PRIMARY KEY (a, b));
CREATE INDEX ON target.link (b);	-- by which links are found whose end goes
ALTER TABLE target.one SET (autovacuum_enabled = off);
ALTER TABLE target.parted1 SET (autovacuum_enabled = off);
ALTER TABLE target.parted2 SET (autovacuum_enabled = off);
ALTER TABLE target.link SET (autovacuum_enabled = off);
SELECT syncup_create_connector('C', t.dir());
-- Rows 101 to 200 are changed, 201 to 250 have gone, as many are new.
CREATE PROCEDURE t.export(changed boolean) LANGUAGE plpgsql AS $$
DECLARE
	content text;
BEGIN
	content := (SELECT E'id,name,boss\n' || string_agg(format(E'%s,name %s%s,%s\n', i, i,
		CASE WHEN changed AND i BETWEEN 101 AND 200 THEN ' changed' END, CASE WHEN changed AND i BETWEEN 101 AND 150 THEN 2 ELSE 1 END), '' ORDER BY i)
		FROM generate_series(1, CASE WHEN changed THEN 20050 ELSE 20000 END) i WHERE NOT (changed AND i BETWEEN 201 AND 250));
	CALL t.write('rows.csv', content);
END
$$;
CALL t.export(false);
SELECT syncup_map_entity_type('C', 'one', 'target.one', 'rows.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_entity_type('C', 'parted', 'target.parted', 'rows.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_association('C', 'boss', 'rows.csv', 'id', 'one.id', 'boss', 'one.id', 'target.one', target_column2 => 'boss');
SELECT syncup_map_association('C', 'link', 'rows.csv', 'id', 'one.id', 'boss', 'one.id', 'target.link', 'a', 'b');

-- How often each table was read as a whole since this was asked last.
CREATE TABLE t.seen (r regclass PRIMARY KEY, n bigint);
CREATE FUNCTION t.scans() RETURNS TABLE (relation text, scans bigint) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_stat_clear_snapshot();
	RETURN QUERY WITH now AS (
		SELECT relid::regclass AS r, pg_stat_get_numscans(relid) AS n FROM pg_stat_user_tables
		WHERE schemaname = 'target' OR relid = 'syncup_previous.c_parted'::regclass
	), noted AS (
		INSERT INTO t.seen SELECT r, n FROM now ON CONFLICT (r) DO UPDATE SET n = excluded.n
	)
	SELECT now.r::text, now.n - coalesce(s.n, 0) FROM now LEFT JOIN t.seen s USING (r) WHERE now.n > coalesce(s.n, 0) ORDER BY 1;
END
$$;
CREATE FUNCTION t.run(forced boolean DEFAULT false) RETURNS TABLE (status text, inserted bigint, updated bigint, deleted bigint, links_inserted bigint, links_deleted bigint)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_stat_force_next_flush();
	RETURN QUERY SELECT s.status, s.inserted, s.updated, s.deleted, s.links_inserted, s.links_deleted FROM syncup_synchronize('C', forced, keep_changes => true) s;
END
$$;
-- Code of a target sees the caller's settings all the same.
CREATE TABLE t.settings (hash_join text, nested_loop text, index_scan text, random_page_cost text, UNIQUE (hash_join, nested_loop, index_scan, random_page_cost));
CREATE FUNCTION t.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t.settings VALUES (current_setting('enable_hashjoin'), current_setting('enable_nestloop'),
		current_setting('enable_indexscan'), current_setting('random_page_cost')) ON CONFLICT DO NOTHING;
	RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON target.one EXECUTE FUNCTION t.note();
-- No statistics are there: nothing was ever analyzed.
SELECT syncup_prepare('C', 'initial') IS NULL AS nothing;
SELECT * FROM t.run();
SELECT count(*) FROM t.scans();
-- Built, looked at, applied.
CALL t.export(true);
SELECT syncup_prepare('C', 'incremental') IS NULL AS nothing, pg_stat_force_next_flush();
SELECT count(*) FROM t.scans();
SELECT * FROM t.run();
SELECT * FROM t.scans();
SELECT batch AS blocked FROM syncup.batch WHERE status = 'blocked' \gset
SELECT status, inserted, updated, deleted, links_inserted, links_deleted, pg_stat_force_next_flush() FROM syncup_resume(:'blocked');
SELECT * FROM t.scans();
-- In one go, by a complete run: one look at each, and at "one" two more for the links in its column, which are compared and counted.
CALL t.export(false);
SELECT syncup_prepare('C', 'complete') IS NULL AS nothing, pg_stat_force_next_flush();
SELECT count(*) FROM t.scans();
SELECT * FROM t.run(true);
SELECT * FROM t.scans();
-- Undone.
SELECT batch AS last FROM syncup.batch ORDER BY seq DESC LIMIT 1 \gset
SELECT syncup_undo(:'last') IS NULL AS nothing, pg_stat_force_next_flush();
SELECT * FROM t.scans() WHERE relation LIKE 'target.%';
SELECT * FROM t.settings;
SELECT current_setting('enable_hashjoin'), current_setting('enable_nestloop'), current_setting('random_page_cost');
-- Where many rows change, the planner decides: it reads the whole.
RESET enable_indexscan;
RESET enable_nestloop;
UPDATE target.parted SET name = 'theirs';
SELECT syncup_prepare('C', 'complete') IS NULL AS nothing, pg_stat_force_next_flush();
SELECT count(*) > 0 FROM t.scans();
SELECT * FROM t.run(true);
SELECT scans > 1 AS more FROM t.scans() WHERE relation = 'target.parted1';

RESET work_mem;
RESET random_page_cost;
\set end :srcdir '/include/end.sql'
\i :end
