-- Complete runs find what differs by digests kept beside previous (drift.c):
-- whatever is wrong with a digest, the result is that of comparing every value.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

-- Types of every kind of storage, and values that are equal without being the same.
CREATE TYPE t.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE t.pair AS (a int, b text);
CREATE TABLE target.thing (id uuid PRIMARY KEY, n numeric, mood t.mood, tags text[], doc jsonb, pair t.pair,
	flag boolean, small smallint, code char(3), at timestamptz, long text, note text DEFAULT 'theirs');
SELECT t.map('target.thing', 'id', '{"id": "id", "n": "n", "mood": "mood", "tags": "tags", "doc": "doc", "pair": "pair",
	"flag": "flag", "small": "small", "code": "code", "at": "at", "long": "long"}');
CREATE FUNCTION t.things(n int DEFAULT 5) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(line, E'\n' ORDER BY i) || E'\n' FROM (
		SELECT 0 AS i, 'id,n,mood,tags,doc,pair,flag,small,code,at,long' AS line
		UNION ALL SELECT i, format('00000000-0000-0000-0000-00000000000%s,%s.50,%s,"{a%s}","{""k"": %s}","(%s,x)",t,%s,A%s,2026-01-0%s 12:00,%s',
			to_hex(9 + i), i, (enum_range(NULL::t.mood))[1 + i % 3], i, i, i, -i, i, i, repeat(md5(i::text), CASE i WHEN 4 THEN 400 ELSE 1 END))
		FROM generate_series(1, n) i) lines
$$;
SELECT * FROM t.go('initial', t.things());
SELECT * FROM t.go('complete', t.things());
-- Digests of the present epoch beside every row.
CREATE FUNCTION t.digests() RETURNS TABLE (rows bigint, current bigint) LANGUAGE sql AS $$
	SELECT count(*), count(*) FILTER (WHERE e.connector IS NOT NULL AND substr(p.digest, 25) <> decode(repeat('00', 16), 'hex'))
	FROM syncup_previous.c_m p LEFT JOIN syncup.digest_epoch e
		ON e.connector = 'C' AND e.epoch = (SELECT ('x' || string_agg(lpad(to_hex(get_byte(p.digest, 7 - i)), 2, '0'), '' ORDER BY i))::bit(64)::bigint FROM generate_series(0, 7) i)
$$;
SELECT * FROM t.digests();

-- Each column changed by somebody, alone, is found and repaired; so are rows added and taken away.
CREATE PROCEDURE t.drift(statement text) LANGUAGE plpgsql AS $$
DECLARE
	good text[] := t.rows('target.thing');
	result text;
BEGIN
	EXECUTE statement;
	IF t.rows('target.thing') = good THEN
		RAISE 'nothing drifted: %', statement;
	END IF;
	result := t.go('complete', t.things());
	RAISE NOTICE '%: %, %', statement, result, CASE WHEN t.rows('target.thing') = good THEN 'as it was' ELSE 'not as it was' END;
END
$$;
CALL t.drift($$UPDATE target.thing SET n = 7 WHERE small = -1$$);
CALL t.drift($$UPDATE target.thing SET mood = 'happy' WHERE small = -3$$);
CALL t.drift($$UPDATE target.thing SET tags = '{a1,a2}' WHERE small = -1$$);
CALL t.drift($$UPDATE target.thing SET doc = '{"k": 9}' WHERE small = -1$$);
CALL t.drift($$UPDATE target.thing SET pair = '(1,y)' WHERE small = -1$$);
CALL t.drift($$UPDATE target.thing SET flag = false$$);
CALL t.drift($$UPDATE target.thing SET flag = NULL WHERE small = -2$$);
CALL t.drift($$UPDATE target.thing SET small = 300 WHERE small = -2$$);
CALL t.drift($$UPDATE target.thing SET code = 'B' WHERE small = -2$$);
CALL t.drift($$UPDATE target.thing SET at = at + interval '1 microsecond' WHERE small = -2$$);
CALL t.drift($$UPDATE target.thing SET long = long || '.' WHERE small = -4$$);
CALL t.drift($$UPDATE target.thing SET long = '' WHERE small = -4$$);
CALL t.drift($$DELETE FROM target.thing WHERE small = -5$$);
CALL t.drift($$INSERT INTO target.thing (id, n) VALUES ('00000000-0000-0000-0000-0000000000ff', 1)$$);
CALL t.drift($$UPDATE target.thing SET id = '00000000-0000-0000-0000-0000000000fe', note = 'theirs' WHERE small = -5$$);
CALL t.drift($$UPDATE target.thing a SET long = b.long FROM target.thing b WHERE a.small = -1 AND b.small = -2 OR a.small = -2 AND b.small = -1$$);
CALL t.drift($$DELETE FROM target.thing$$);
-- What is not mapped is nobody's business, and what is equal is no change.
UPDATE target.thing SET note = 'mine', n = 1.5 WHERE small = -1;
SELECT * FROM t.go('complete', t.things());
SELECT n, note FROM target.thing WHERE small = -1;
-- Changes of the source and drift in one run.
UPDATE target.thing SET flag = false WHERE small = -1;
DELETE FROM target.thing WHERE small = -2;
INSERT INTO target.thing (id, small) VALUES ('00000000-0000-0000-0000-0000000000ff', 1);
SELECT * FROM t.go('complete', replace(replace(t.things(6), ',3.50,', ',4.5,'), '00000000000d,', '00000000001d,'));
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last()) WHERE column_name IN ('n', 'flag', 'small') ORDER BY key, column_name, command;
SELECT * FROM t.go('complete', t.things());

-- A key that is written in another way is the same row, and two at once are a mistake.
SELECT * FROM t.go('complete', replace(t.things(), '00000000000a,', '00000000000A,'));
SELECT * FROM t.go('complete', replace(t.things(), '00000000000a,', '00000000000A,') || E'00000000-0000-0000-0000-00000000000a,1,sad,{},{},"(1,x)",t,1,A,2026-01-01,x\n');
SELECT * FROM t.go('complete', t.things());
-- The like of rows that do not change otherwise.
SELECT * FROM t.go('complete', t.things() || E'00000000-0000-0000-0000-00000000000D,1,sad,{},{},"(1,x)",t,1,A,2026-01-01,x\n');

-- Digests lost: all is compared by value once, and they are there again.
DELETE FROM syncup.digest_epoch;
SELECT * FROM t.digests();
UPDATE target.thing SET mood = 'sad' WHERE small = -2;
SELECT * FROM t.go('complete', t.things());
SELECT * FROM t.digests();
UPDATE syncup_previous.c_m SET digest = NULL WHERE small = '-3';
SELECT * FROM t.go('incremental', replace(t.things(), ',5.50,', ',5.25,'));
SELECT * FROM t.digests();
SELECT * FROM t.go('complete', replace(t.things(), ',5.50,', ',5.25,'));
SELECT * FROM t.digests();
-- A digest that is wrong only makes its row compared (what n = 5.50 is again counts, too).
UPDATE syncup_previous.c_m SET digest = substr(digest, 1, 24) || decode(repeat('ab', 16), 'hex') WHERE small = '-3';
SELECT * FROM t.go('complete', t.things());
-- Undo brings rows back without a digest; the next complete run mends that.
SELECT * FROM t.go('incremental', t.things(4));
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.digests();
SELECT * FROM t.go('complete', t.things());
SELECT * FROM t.digests();
-- A time zone of one call is not the mapping's: values prepared with it are looked at.
SELECT syncup_prepare('C', 'complete', '{"timezone": "America/New_York"}') IS NOT NULL AS prepared;
SELECT * FROM t.apply();
CALL t.write('m.csv', replace(t.things(), '2026-01-05 12:00', '2026-01-06 12:00'));
SELECT syncup_prepare('C', 'incremental', '{"timezone": "America/New_York"}') IS NOT NULL AS prepared;
SELECT * FROM t.apply();
SELECT * FROM t.digests();
SELECT * FROM t.go('complete', replace(t.things(), '2026-01-05 12:00', '2026-01-06 12:00'));
SELECT * FROM t.digests();
-- The connector's own: every time means another one.
SELECT syncup_create_connector('C', t.dir(), '{"timezone": "Europe/Paris"}');
SELECT * FROM t.go('complete', t.things());
SELECT small, at AT TIME ZONE 'UTC' AS at FROM target.thing ORDER BY small DESC;
SELECT * FROM t.go('complete', t.things());
-- A format of a column: texts mean other values.
SELECT t.map('target.thing', 'id', '{"id": "id", "n": "n", "mood": "mood", "tags": "tags", "doc": "doc", "pair": "pair",
	"flag": {"column": "flag", "format": "bool:f/t"}, "small": "small", "code": "code", "at": "at", "long": "long"}');
SELECT * FROM t.go('complete', t.things());
SELECT small, flag FROM target.thing ORDER BY small DESC;
SELECT * FROM t.go('complete', t.things());
SELECT * FROM t.digests();
-- A batch that changes nothing but drift can be undone, too.
UPDATE target.thing SET flag = true WHERE small = -1;
SELECT * FROM t.go('complete', t.things());
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT small, flag FROM target.thing ORDER BY small DESC;


-- More rows than digests have room for, in classes; drift everywhere, and the source changes too.
SELECT syncup_drop_connector('C');
CREATE TABLE target.many (k text PRIMARY KEY, a int, b text);
SELECT t.map('target.many', 'k', '{"k": "k", "a": "a", "b": "b"}');
CREATE FUNCTION t.many(change int DEFAULT 0) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT 'k,a,b' UNION ALL
	SELECT format('key %s,%s,%s', i, CASE WHEN change > 0 AND i % 1000 = 1 THEN i + change ELSE i END, md5(i::text))
	FROM generate_series(1, 150000) i WHERE change = 0 OR i % 1000 <> 2
$$;
CREATE PROCEDURE t.write_many(change int DEFAULT 0) LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT t.many(%s)) TO PROGRAM %L', change, format('cat > %s/m.csv', t.dir()));
END
$$;
CALL t.write_many();
SET maintenance_work_mem = '1MB';
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.apply(false);
UPDATE target.many SET a = -a WHERE a % 1000 IN (3, 4);
DELETE FROM target.many WHERE a % 1000 = 5;
INSERT INTO target.many SELECT 'more ' || i, i, 'x' FROM generate_series(1, 77) i;
CALL t.write_many(1);
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.apply(false);
CREATE TABLE t.wanted AS SELECT f[1] AS k, f[2]::int AS a, f[3] AS b FROM (SELECT string_to_array(l, ',') AS f FROM t.many(1) l OFFSET 1) x;
SELECT count(*) FROM ((TABLE target.many EXCEPT ALL TABLE t.wanted) UNION ALL (TABLE t.wanted EXCEPT ALL TABLE target.many)) AS d;
-- The same without digests to begin with.
DELETE FROM syncup.digest_epoch;
UPDATE target.many SET b = 'x' WHERE a % 1000 = 7;
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.apply(false);
SELECT count(*) FROM ((TABLE target.many EXCEPT ALL TABLE t.wanted) UNION ALL (TABLE t.wanted EXCEPT ALL TABLE target.many)) AS d;
SELECT * FROM t.digests();
-- And with a batch that changes every row.
CALL t.shell($$ sed -i 's/,\([0-9]*\),/,1\1,/' m.csv $$);
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.apply(false);
SELECT count(*) FROM target.many m JOIN t.wanted w USING (k) WHERE m.a = ('1' || w.a)::int AND m.b = w.b;
RESET maintenance_work_mem;

-- Parallel workers may take part in reading the target: their sums are those of one process, and what is found is the same.
CALL t.write_many(2);
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
CREATE FUNCTION t.sums() RETURNS bytea LANGUAGE sql AS $$ SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 256, k, a, b) FROM target.many $$;
EXPLAIN (COSTS OFF) SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 256, k, a, b) FROM target.many;
CREATE TABLE t.parallel AS SELECT t.sums() AS sums;
SET max_parallel_workers_per_gather = 0;
SELECT t.sums() = sums AS same, length(sums) / 16 AS number, sums <> decode(repeat('00', 4096), 'hex') AS some FROM t.parallel;
UPDATE target.many SET b = 'x' WHERE a = 17;
SELECT t.sums() = sums AS same FROM t.parallel;
RESET max_parallel_workers_per_gather;
-- Workers that find no row have no sums: of few rows, and of none.
SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 256, k) IS NULL AS nothing FROM target.many WHERE a = -77;
SELECT count(*) FROM generate_series(1, 5) AS i, LATERAL (SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 256, k) AS sums FROM target.many WHERE k = format('key %s', 100 + i)) s WHERE s.sums IS NOT NULL;
UPDATE target.many SET b = NULL WHERE a % 10000 = 9;
DELETE FROM target.many WHERE a % 10000 = 8;
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.apply(false);
-- So does a caller find it who may not look into our schema; what he may not read is not asked for.
CREATE ROLE regress_syncup_outside;
GRANT USAGE ON SCHEMA target, public TO regress_syncup_outside;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_syncup_outside;
GRANT pg_read_server_files TO regress_syncup_outside;
ALTER TABLE target.many ADD theirs text;
GRANT SELECT (k, a, b), INSERT (k, a, b), UPDATE (k, a, b), DELETE ON target.many TO regress_syncup_outside;
UPDATE target.many SET b = 'by hand' WHERE a = 18;
SET ROLE regress_syncup_outside;
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status, updated FROM syncup_synchronize('C');
RESET ROLE;
UPDATE target.many SET b = 'by hand' WHERE a = 19;
GRANT USAGE ON SCHEMA syncup TO regress_syncup_outside;
SET ROLE regress_syncup_outside;
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status, updated FROM syncup_synchronize('C');
RESET ROLE;
DROP OWNED BY regress_syncup_outside;
DROP ROLE regress_syncup_outside;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
SELECT count(*) FROM target.many m FULL JOIN (SELECT f[1] AS k, f[2]::int AS a, f[3] AS b FROM (SELECT string_to_array(l, ',') AS f FROM t.many(2) l OFFSET 1) x) w USING (k)
WHERE (m.a, m.b) IS DISTINCT FROM (w.a, w.b);
-- Arguments of the aggregate.
SELECT syncup.row_sums(NULL, 256, 1);
SELECT syncup.row_sums('key', 256, 1);
SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 0, 1);
SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 100, 1);
SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 1 << 25, 1);
SELECT syncup.row_sums(decode(repeat('ab', 16), 'hex'), 256, 1) FROM target.many WHERE false;

-- A target wider than an aggregate can be.
DO $$
BEGIN
	EXECUTE format('CREATE TABLE target.wide (id int PRIMARY KEY, %s)', (SELECT string_agg(format('c%s int', i), ', ') FROM generate_series(1, 120) i));
END
$$;
SELECT syncup_drop_mapping('C', 'm');
SELECT t.map('target.wide', 'id', (SELECT jsonb_object_agg(c, c) FROM (SELECT 'id' AS c UNION ALL SELECT 'c' || i FROM generate_series(1, 120) i) x));
CREATE FUNCTION t.wide() RETURNS text LANGUAGE sql AS $$
	SELECT 'id' || string_agg(',c' || i, '' ORDER BY i) || E'\n1' || string_agg(',' || i, '' ORDER BY i) || E'\n2' || string_agg(',' || i, '' ORDER BY i) || E'\n' FROM generate_series(1, 120) i
$$;
SELECT * FROM t.go('initial', t.wide());
SELECT * FROM t.go('complete', t.wide());
UPDATE target.wide SET c120 = 0 WHERE id = 2;
SELECT * FROM t.go('complete', t.wide());
SELECT c120 FROM target.wide ORDER BY id;

\set end :srcdir '/include/end.sql'
\i :end
