-- A long history makes nothing slow: what is read of it is found by an index. Told by
-- plans and by the rows that were touched, not by time.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

CREATE TABLE target.t (id int PRIMARY KEY, v text);
CREATE TABLE target.other (id int PRIMARY KEY, v text);
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v"}');
SELECT t.map('target.other', 'id', '{"id": "id", "v": "v"}', connector => 'D');
SELECT * FROM t.go('initial', E'id,v\n1,a\n2,b\n');
SELECT * FROM t.go('initial', E'id,v\n1,a\n2,b\n', connector => 'D');
-- 20,000 batches of another connector, then 20,000 of this one: applied, discarded, failed.
INSERT INTO syncup.batch (connector, mode, status, prepared_at, prepared_by, synchronized_at, synchronized_by, limits)
SELECT 'D', 'incremental', 'applied', now(), current_user, now(), current_user, '[]' FROM generate_series(1, 20000);
INSERT INTO syncup.batch (connector, mode, status, prepared_at, prepared_by, synchronized_at, synchronized_by, limits)
SELECT 'C', 'incremental', CASE i % 10 WHEN 8 THEN 'discarded' WHEN 9 THEN 'undone' ELSE 'applied' END, now(), current_user, now(), current_user, '[]' FROM generate_series(1, 20000) i;
INSERT INTO syncup.batch_counter (batch, mapping, kind, file_modified, inserted, updated, deleted, orphans, stored_before)
SELECT batch, 'm', 'entity type', now(), 0, 0, 0, 0, 2 FROM syncup.batch WHERE limits = '[]';
ANALYZE syncup.batch;
ANALYZE syncup.batch_counter;

-- Tables of history that a plan reads from end to end.
CREATE FUNCTION t.scans(statement text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT JSON) ' || statement INTO plan;
	RETURN QUERY
	WITH RECURSIVE node (n) AS (
		SELECT plan -> 0 -> 'Plan' UNION ALL SELECT child FROM node, json_array_elements(n -> 'Plans') AS child
	)
	SELECT format('%s on %s', n ->> 'Node Type', n ->> 'Relation Name') FROM node
	WHERE n ->> 'Node Type' = 'Seq Scan' AND n ->> 'Relation Name' IN ('batch', 'batch_counter', 'quarantine');
END
$$;
SELECT t.scans('SELECT * FROM syncup.status');
SELECT t.scans($$SELECT * FROM syncup.status WHERE connector = 'C'$$);
SELECT t.scans(format('SELECT * FROM syncup.threshold_check WHERE batch = %L', t.last()));
SELECT t.scans('SELECT * FROM syncup.batch WHERE reason IS NULL') AS it_sees;
SELECT t.scans(format('SELECT * FROM syncup.quarantine WHERE batch = %L', t.last()));

-- Rows of history that a statement touches.
CREATE FUNCTION t.touched(statement text, few bigint DEFAULT 5000) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	before bigint;
	after bigint;
BEGIN
	SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) INTO before FROM pg_stat_xact_user_tables WHERE schemaname = 'syncup' AND relname IN ('batch', 'batch_counter', 'quarantine');
	EXECUTE statement;
	SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) INTO after FROM pg_stat_xact_user_tables WHERE schemaname = 'syncup' AND relname IN ('batch', 'batch_counter', 'quarantine');
	RETURN CASE WHEN after - before < few THEN 'few' ELSE 'many' END;
END
$$;
SELECT t.touched('SELECT count(*) FROM syncup.batch WHERE reason IS NULL') <> 'few' AS it_counts;
SELECT t.touched('SELECT count(*) FROM (TABLE syncup.status) AS s');
SELECT t.touched(format('SELECT syncup.what_exceeds(%L)', t.last()));
SELECT t.touched(format('SELECT count(*) FROM (SELECT * FROM syncup.threshold_check WHERE batch = %L) AS c', t.last()));
CALL t.write('m.csv', E'id,v\n1,a\n2,B\n');
SELECT t.touched($$SELECT syncup_prepare('C', 'incremental')$$) AS prepare;
SELECT t.touched($$SELECT syncup_synchronize('C', keep_changes => true)$$) AS synchronize;
SELECT t.touched(format('SELECT count(*) FROM syncup_changes(%L)', t.last())) AS changes;
SELECT t.touched(format('SELECT syncup_undo(%L)', t.last())) AS undo;
SELECT t.touched($$SELECT syncup_prepare('C', 'complete')$$) AS prepare;
SELECT syncup_set_thresholds('C', '{"max_percentage_updated_lines": 1}');
SELECT t.touched($$SELECT syncup_synchronize('C')$$) AS synchronize;
SELECT t.touched(format('SELECT syncup_resume(%L)', t.last())) AS resume;
CALL t.write('m.csv', E'id,v\n1,a\n2,C\n');
SELECT t.touched($$SELECT * FROM syncup_preview('C', 'incremental')$$) AS preview;
SELECT t.touched($$SELECT syncup_prepare('C', 'incremental')$$) AS prepare;
SELECT t.touched(format('SELECT syncup_discard(%L)', t.last())) AS discard;
-- With changes kept for a time, which looks for old ones each time.
SET syncup.keep_changes_for = '1d';
SELECT t.touched($$SELECT syncup_prepare('C', 'incremental')$$) AS prepare;
SELECT t.touched($$SELECT syncup_synchronize('C', force => true)$$) AS synchronize;
RESET syncup.keep_changes_for;
-- The results are those of a short history.
SELECT n, mode, status, kept FROM t.batches ORDER BY n DESC LIMIT 5;
SELECT connector, last_status, queue_length FROM syncup.status ORDER BY connector;
-- A connector whose last success is long ago: 20,000 failed ones since.
INSERT INTO syncup.batch (connector, mode, status, synchronized_at, synchronized_by, sqlstate, error)
SELECT 'C', 'incremental', 'failed', now(), current_user, '58P01', 'file is missing' FROM generate_series(1, 20000);
ANALYZE syncup.batch;
SELECT t.touched('SELECT count(*) FROM (TABLE syncup.status) AS s');
SELECT t.touched($$SELECT syncup_prepare('C', 'incremental')$$) AS prepare;
SELECT t.touched($$SELECT syncup_synchronize('C', force => true)$$) AS synchronize;

-- What looks at the whole history goes through it some times, not once for every batch or
-- connector: 40,000 batches and as many counters.
SELECT t.touched('SELECT count(percentile_99) FROM syncup.threshold_check', 500000) AS checks;
SELECT t.touched($$SELECT syncup_purge('100 years')$$, 200000) AS nothing_old;
SELECT t.touched($$SELECT syncup_purge('0')$$, 2000000) AS purged;
SELECT count(*) < 10 AS forgotten FROM syncup.batch;

\set end :srcdir '/include/end.sql'
\i :end
