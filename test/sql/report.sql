-- What stands out in a batch (SPEC 6.3), and the review in one page (SPEC 2.3).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

-- One mapping: key, four texts, a number, a day, a flag. The first n rows are
-- loaded, then those of a query come as the next file. Limits are as by default.
CREATE TABLE target.row (id text PRIMARY KEY, a text, b text, c text, d text, n numeric, day date, flag boolean);
CREATE FUNCTION t.source(count int)
RETURNS TABLE (id text, a text, b text, c text, d text, n text, day text, flag text)
LANGUAGE sql AS $$
	SELECT format('k%s', lpad(i::text, greatest(3, length(i::text)), '0')), 'Name ' || i, 'mail' || i || '@x', 'C-' || i, NULL,
		(i * 1.25)::text, to_char(date '2024-01-01' + i % 12, 'YYYY-MM-DD'), 't'
	FROM generate_series(1, count) AS i
$$;
CREATE PROCEDURE t.put(query text)
LANGUAGE plpgsql AS $$
DECLARE
	content text;
BEGIN
	EXECUTE format('SELECT string_agg(concat_ws('','', id, coalesce(a, ''''), coalesce(b, ''''), coalesce(c, ''''), coalesce(d, ''''), coalesce(n, ''''), coalesce(day, ''''), coalesce(flag, '''')) || chr(10), '''' ORDER BY id COLLATE "C") FROM (%s) AS q (id, a, b, c, d, n, day, flag)', query)
	INTO content;
	CALL t.write('rows.csv', E'id,a,b,c,d,n,day,flag\n' || coalesce(content, ''));
END
$$;
CREATE FUNCTION t.last() RETURNS uuid
LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
-- Findings of loading a query after count rows; x is the row's number.
CREATE FUNCTION t.findings(count int, columns text, condition text DEFAULT 'true', more text DEFAULT '', mode text DEFAULT 'complete')
RETURNS TABLE (finding text, column_name name, rows bigint, message text)
LANGUAGE plpgsql AS $$
BEGIN
	TRUNCATE target.row;
	IF EXISTS (SELECT FROM syncup.connector) THEN
		PERFORM syncup_drop_connector('C');
	END IF;
	PERFORM syncup_create_connector('C', t.dir());
	CALL t.put(format('SELECT * FROM t.source(%s)', count));
	PERFORM syncup_map_entity_type('C', 'row', 'target.row', 'rows.csv', 'id');
	PERFORM syncup_prepare('C', 'initial');
	PERFORM syncup_synchronize('C');
	CALL t.put(format('SELECT %s FROM (SELECT *, substr(id, 2)::int AS x FROM t.source(%s)) AS s WHERE %s %s', columns, count, condition, more));
	PERFORM syncup_prepare('C', mode);
	PERFORM syncup_synchronize('C', keep_changes => true);
	RETURN QUERY SELECT f.finding, f.column_name, f.rows, t.mask(f.message) FROM syncup_findings(t.last()) AS f;
END
$$;
CREATE FUNCTION t.run(connector text, mode text, force boolean DEFAULT false, keep_changes boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare(connector, mode);
	RETURN (SELECT string_agg(s.status, ', ') FROM syncup_synchronize(connector, force, keep_changes) AS s);
END
$$;
\pset format unaligned
\pset footer off

-- The limits, and what they mean.
SELECT rank, detector, finding, looks_at, percent, rows, few_rows, few_percent, stored_percent FROM syncup.detector ORDER BY rank;
SELECT detector FROM syncup.detector WHERE meaning = '' OR (looks_at <> 'mapping') <> (told <> '');
SELECT attname, format_type(t, NULL) FROM pg_proc, unnest(proallargtypes, proargnames) AS a (t, attname) WHERE proname = 'syncup_findings';

-- Nothing: the same rows; one row of each command.
SELECT * FROM t.findings(20, 'id, a, b, c, d, n, day, flag');
SELECT * FROM t.findings(20, $$id, CASE x WHEN 2 THEN 'new' ELSE a END, b, c, d, n, day, flag$$, 'x <> 5', $$UNION ALL SELECT 'k099', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f'$$);

-- A file almost empty: at most 10 %, of 10 rows or more. Keys k007 and k014 stay.
SELECT * FROM t.findings(20, 'id, a, b, c, d, n, day, flag', 'x IN (7, 14)');
SELECT * FROM t.findings(20, 'id, a, b, c, d, n, day, flag', 'x IN (7, 14, 17)');
SELECT * FROM t.findings(20, 'id, a, b, c, d, n, day, flag', 'false');
SELECT * FROM t.findings(9, 'id, a, b, c, d, n, day, flag', 'false');

-- A file cut: its tail, its head; fewer than 10 rows, one row of the others, the middle, fewer than 5 that stay.
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag', 'x <= 30');
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag', 'x > 10');
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag', 'x <= 31');
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag', 'x <= 28 OR x = 35');
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag', 'x NOT BETWEEN 11 AND 30');
SELECT * FROM t.findings(13, 'id, a, b, c, d, n, day, flag', 'x <= 3');
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag', 'x <= 30', mode => 'incremental');
-- New rows do not count as rows that stayed.
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag', 'x <= 30', $$UNION ALL SELECT 'z', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f'$$);
-- Numbers are in their own order too: 9 is before 10.
SELECT * FROM t.findings(40, 'id, a, b, c, d, n, day, flag');
CALL t.put('SELECT (substr(id, 2)::int)::text AS id, a, b, c, d, n, day, flag FROM t.source(40)');
SELECT t.run('C', 'complete', force => true);
CALL t.put('SELECT (substr(id, 2)::int)::text AS id, a, b, c, d, n, day, flag FROM t.source(15)');
SELECT t.run('C', 'complete');
SELECT finding, rows, message FROM syncup_findings(t.last());

-- A column emptied: in 90 % of its changed rows, 20 of them, or 3 that are half of all.
SELECT * FROM t.findings(100, $$id, a, CASE WHEN x > 20 THEN b WHEN x > 18 THEN 'new' END, c, d, n, day, flag$$);
SELECT * FROM t.findings(100, $$id, a, CASE WHEN x > 20 THEN b END, c, d, n, day, flag$$);
SELECT * FROM t.findings(100, $$id, a, CASE WHEN x > 23 THEN b WHEN x > 20 THEN 'new' || x END, c, d, n, day, flag$$);
SELECT * FROM t.findings(100, $$id, a, CASE WHEN x > 19 THEN b END, c, d, n, day, flag$$);
SELECT * FROM t.findings(6, $$id, a, CASE WHEN x > 3 THEN b END, c, d, n, day, flag$$);
SELECT * FROM t.findings(7, $$id, a, CASE WHEN x > 3 THEN b END, c, d, n, day, flag$$);
SELECT * FROM t.findings(4, $$id, a, CASE WHEN x > 2 THEN b END, c, d, n, day, flag$$);

-- A column changed everywhere: in 90 % of the stored rows, 10 of them.
SELECT * FROM t.findings(20, $$id, CASE WHEN x > 2 THEN a || '!' ELSE a END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(20, $$id, CASE WHEN x > 3 THEN a || '!' ELSE a END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(10, $$id, a || '!', b, c, d, (n::numeric + 1)::text, day, flag$$);
SELECT * FROM t.findings(9, $$id, a || '!', b, c, d, n, day, flag$$);
-- What explains a counter that exceeds a limit comes first, and what explains most of it.
SELECT * FROM t.findings(400, 'id, upper(a), b, c, d, n, day, flag', 'x <= 385');

-- Columns swapped: text with number, and in 9 of 10 rows; columns shifted in a round.
SELECT * FROM t.findings(20, 'id, b, a, c, d, n, day, flag');
SELECT * FROM t.findings(20, $$id, CASE WHEN x > 2 THEN b ELSE 'other' || x END, a, c, d, n, day, flag$$);
SELECT * FROM t.findings(20, $$id, CASE WHEN x > 3 THEN b ELSE 'other' || x END, a, c, d, n, day, flag$$);
SELECT * FROM t.findings(20, 'id, b, c, a, d, n, day, flag');
SELECT * FROM t.findings(20, $$id, a, b, n, d, (x * 2)::text, day, flag$$);
-- A column that is now the key's; one that was empty, and is as well as another.
SELECT * FROM t.findings(20, 'id, id, b, c, d, n, day, flag');
SELECT * FROM t.findings(20, 'id, a, b, c, c, n, day, flag');
-- Enough rows: 10, or 3 that are half of all. Always the same value proves nothing.
SELECT * FROM t.findings(40, 'id, CASE WHEN x <= 10 THEN b ELSE a END, b, c, d, n, day, flag');
SELECT * FROM t.findings(40, 'id, CASE WHEN x <= 9 THEN b ELSE a END, b, c, d, n, day, flag');
SELECT * FROM t.findings(6, 'id, CASE WHEN x <= 3 THEN b ELSE a END, b, c, d, n, day, flag');
SELECT * FROM t.findings(7, 'id, CASE WHEN x <= 3 THEN b ELSE a END, b, c, d, n, day, flag');
SELECT * FROM t.findings(19, 'id, a, b, c, flag, n, day, flag');

-- Values that take the place of one another: a few flags that flip are no recoding, a fifth of them is.
SELECT count(*) >= 0 AS loaded FROM t.findings(300, $$id, a, b, c, d, n, day, CASE WHEN x % 2 = 0 THEN 't' ELSE 'f' END$$);
SELECT count(*) FROM syncup_resume('C', force => true);
CREATE FUNCTION t.flip(many int) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	status text;
BEGIN
	CALL t.put(format($q$SELECT id, a, b, c, d, n, day, CASE WHEN (substr(id, 2)::int %% 2 = 0) <> (substr(id, 2)::int <= %s) THEN 't' ELSE 'f' END FROM t.source(300)$q$, many));
	status := t.run('C', 'complete', force => true, keep_changes => true);
	RETURN status || coalesce((SELECT ': ' || f.message FROM syncup_findings(t.last()) AS f), '');
END
$$;
SELECT t.flip(30);
SELECT t.flip(0);
SELECT t.flip(59);
SELECT t.flip(0);
SELECT t.flip(60);
SELECT t.flip(300);

-- A format changed.
SELECT * FROM t.findings(20, 'id, upper(a), b, c, d, n, day, flag');
SELECT * FROM t.findings(20, $$id, a || ' ', b, c, d, n, day, flag$$);
SELECT * FROM t.findings(20, $$id, CASE WHEN x > 2 THEN upper(a) ELSE 'other' || x END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(20, $$id, CASE WHEN x > 3 THEN upper(a) ELSE 'other' || x END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(40, $$id, CASE WHEN x <= 10 THEN upper(a) ELSE a END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(40, $$id, CASE WHEN x <= 9 THEN upper(a) ELSE a END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(20, $$id, a, b, c, d, replace(n, '.', ''), to_char(day::date, 'YYYY-DD-MM'), flag$$);
CREATE TABLE t.pair (old text, new text);
INSERT INTO t.pair VALUES ('Ada', 'ADA'), ('Ada L', ' Ada  L '), ('Ada', 'Ida'), ('', ' '), ('x', 'x'), (NULL, 'x'), ('x', NULL),
	('007', '7'), ('0', '000'), ('10', '1'), ('12.50', '12.5'), ('+5', '5'), ('-5', '5'), ('1.25', '125'), ('1.234,56', '1234.56'), ('1,5', '1.5'), ('1,5', '1.6'),
	('2024-02-01', '2024-01-02'), ('01.02.2024', '2024-02-01'), ('20240201', '2024-02-01'), ('01/02/2024', '01.02.2024'), ('1.2.24', '2024-02-01'), ('2024-02-01', '2024-03-01'),
	('2024-02-01', '2024-02-01 00:00:00+00'), ('2024-02-01 10:00:00', '2024-01-02T10:00:00'), ('2024-02-01 10:00:00', '2024-02-01 11:00:00'), ('2024-02-01 10:00:00', '2024-01-02 11:00:00'), ('1/2/2024', '2024-01-02'), ('01.02.2024', '2024-02-02'),
	('{6F9619FF-8B86-D011-B42D-00CF4FC964FF}', '6f9619ff8b86d011b42d00cf4fc964ff'), ('A-1', 'A1'),
	('1234567', '1.23E+06'), ('1234567', '1,23E6'), ('1234567', '2.34E+06'), ('3.1416', '3.14'), ('3.15', '3.1'), ('3.16', '3.3'), ('3', '3.0000001'), ('2024-01-01', '2024-01-02'), ('2024-01-01 10:00', '2024-01-01 11:30'), ('2024-02-31', '2024-03-01'), ('0000-01-01', '0000-01-02'), ('2024-01-01 99:99', '2024-01-01 10:00'),
	('R&D', 'R&amp;D'), ('R&amp;D', 'R&amp;amp;D'), ('"a"', '&quot;a&quot;'), ('O''Brien', 'O''''Brien'), ('a\b', 'a\\b'), (U&'M\00FCller', U&'M\00C3\00BCller'), (U&'M\00FCller', 'M?ller'), (U&'M\00FCller', 'Mueller'), ('Anna Schmidt', 'Anna Sc'), ('a@x.org', 'a@y.org'), ('7', 'E7'), (U&'\00FCa', U&'\00FCb');
SELECT syncup.date_parts(v), syncup.date_second(v), v FROM unnest('{2024-02-01,01.02.2024,20240201,31122024,1.2.24,2024-02-01 00:00:00+00,2024-02-01T10:00:00,02/01/2024 10:00,1.234.567,123456,abc,"",2024-01-02 11:00:00.25,2024-01-02 11,2024-1-2-3,2024-01.02}'::text[]) AS v;
-- Which detectors of a value see a pair, and what they say of it: first those that say it of the pair the other way round as well.
CREATE FUNCTION t.seen(old text, new text) RETURNS TABLE (detector text, way text)
LANGUAGE plpgsql AS $$
DECLARE
	d record;
BEGIN
	FOR d IN SELECT t.* FROM syncup.detector t WHERE t.looks_at = 'value' ORDER BY t.rank LOOP
		detector := d.detector;
		EXECUTE format('SELECT %s($1, $2)', d.function) INTO way USING old, new;
		IF way IS NOT NULL THEN
			RETURN NEXT;
		END IF;
	END LOOP;
END
$$;
SELECT p.old, p.new, string_agg(concat_ws(' ', s.detector, nullif(s.way, '')), ', ' ORDER BY s.detector COLLATE "C", s.way COLLATE "C") FILTER (WHERE b.detector IS NOT NULL) AS both_ways,
	string_agg(concat_ws(' ', s.detector, nullif(s.way, '')), ', ' ORDER BY s.detector COLLATE "C", s.way COLLATE "C") FILTER (WHERE b.detector IS NULL) AS this_way
FROM t.pair p LEFT JOIN LATERAL t.seen(p.old, p.new) AS s ON true LEFT JOIN LATERAL t.seen(p.new, p.old) AS b ON b.detector = s.detector AND b.way = s.way
GROUP BY p.old, p.new ORDER BY p.old COLLATE "C", p.new COLLATE "C";

-- A constant value: in 90 % of the changed rows, 20 of them; flags as their type writes them.
SELECT * FROM t.findings(100, $$id, CASE WHEN x <= 20 THEN 'Same' WHEN x <= 22 THEN 'other' || x ELSE a END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(100, $$id, CASE WHEN x <= 20 THEN 'Same' WHEN x <= 23 THEN 'other' || x ELSE a END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(100, $$id, CASE WHEN x <= 19 THEN 'Same' ELSE a END, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(100, $$id, a, b, c, d, n, day, CASE WHEN x <= 20 THEN 'f' ELSE 't' END$$);

-- Keys that differ only by case or blanks, or as GUIDs are written.
SELECT * FROM t.findings(20, $$CASE x WHEN 5 THEN 'K005' WHEN 6 THEN 'k 006 ' ELSE id END, a, b, c, d, n, day, flag$$);
SELECT * FROM t.findings(20, $$CASE x WHEN 5 THEN 'L005' WHEN 6 THEN 'k-006 ' ELSE id END, a, b, c, d, n, day, flag$$);
SELECT syncup.bare_key(key) FROM unnest(ARRAY['A 1', '{6F9619FF-8B86-D011-B42D-00CF4FC964FF}', '6f9619ff8b86d011b42d00cf4fc964ff', '(6F9619FF-8B86-D011-B42D-00CF4FC964F)', U&'a\00A01\FEFF']) AS key;
SELECT * FROM t.findings(20, 'id, a, b, c, d, n, day, flag', 'true', $$UNION ALL SELECT '{6F9619FF-8B86-D011-B42D-00CF4FC964FF}', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f'$$);
CALL t.put($$SELECT * FROM t.source(20) UNION ALL SELECT '6f9619ff8b86d011b42d00cf4fc964ff', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f'$$);
SELECT syncup_set_thresholds('C', '{"max_percentage_inserted_lines": 1}');
SELECT t.run('C', 'complete');
SELECT finding, rows, message FROM syncup_findings(t.last());

-- Rows set aside: more than 1 % of those read, or ten times as many as before.
SELECT * FROM t.findings(99, 'id, a, b, c, d, n, day, flag', 'true', $$UNION ALL SELECT 'k001', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f'$$);
SELECT * FROM t.findings(98, 'id, a, b, c, d, n, day, flag', 'true', $$UNION ALL SELECT 'k001', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f'$$);
SELECT * FROM t.findings(97, 'id, a, b, c, d, n, day, flag', 'true', $$UNION ALL SELECT x, 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f' FROM unnest('{k001,"","",k002}'::text[]) AS x$$);
SELECT count(*) FROM t.findings(999, 'id, a, b, c, d, n, day, flag', 'true', $$UNION ALL SELECT 'k001', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f' FROM generate_series(1, 10)$$);
SELECT * FROM t.findings(1200, 'id, a, b, c, d, n, day, flag', 'true', $$UNION ALL SELECT 'k001', 'a', 'b', 'c', 'd', '1', '2024-01-01', 'f' FROM generate_series(1, 11)$$);

-- More rows than are looked at for candidates.
SELECT * FROM t.findings(5000, 'id, b, a, upper(c), d, n, day, flag');

-- Names and values that need quoting; types whose collation or cast is not text's.
CREATE COLLATION t.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE TYPE t.two AS (x int, y int);
CREATE TABLE target."odd ""name""" ("the 'key'" text COLLATE t.nocase PRIMARY KEY, "batch" inet, "old" boolean, "command %s" char(4), "new""" t.two, a text COLLATE t.nocase);
SELECT E'"the \'key\'",batch,old,command %s,"new""",a\n' || string_agg(format(E'"x,%s\'",10.0.0.%1$s,%s,c%1$s,"(%1$s,)",a%1$s\n', i, i % 2 = 0), '') AS content FROM generate_series(1, 20) i \gset
CALL t.write('odd.csv', :'content');
SELECT syncup_create_connector($$It's$$, t.dir());
SELECT syncup_map_entity_type($$It's$$, 'odd"one', 'target."odd ""name"""', 'odd.csv', $$the 'key'$$);
SELECT t.run($$It's$$, 'initial');
SELECT E'"the \'key\'",batch,old,command %s,"new""",a\n' || string_agg(format(E'"x,%s\'",10.0.1.%1$s,%s,d%1$s,"(,%1$s)",c%1$s\n', i, i % 2 = 1), '') AS content FROM generate_series(1, 20) i \gset
CALL t.write('odd.csv', :'content');
SELECT t.run($$It's$$, 'complete');
SELECT * FROM syncup_findings(t.last());

-- The page. Times, the folder and the batch vary.
CREATE FUNCTION t.report(batch uuid) RETURNS text
LANGUAGE sql AS $$
	SELECT regexp_replace(replace(t.mask(syncup_report(batch)), ' by ' || current_user, ' by <me>'), '\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC', '<time>', 'g')
$$;
CREATE FUNCTION t.too_long(batch uuid) RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT line FROM string_to_table(syncup_report(batch), E'\n') AS line WHERE char_length(line) > 100
$$;
CREATE FUNCTION t.deletions(count int) RETURNS text
LANGUAGE sql AS $$ SELECT string_agg(format(E'delete,%s,,,,,,,\n', id), '') FROM t.source(count) $$;
\pset tuples_only on
SELECT t.report(t.last());
SELECT syncup_drop_connector($$It's$$);

-- Prepared, blocked, discarded.
SELECT count(*) FROM t.findings(60, $$id, CASE WHEN x > 50 THEN NULL ELSE a END, b, c, d, n, day, flag$$, 'x > 20', $$UNION ALL SELECT * FROM (VALUES ('new', repeat('long ', 30), E'two\\nlines', NULL, NULL, '1', '2024-01-01', 'f'), ('K001', 'a', NULL, NULL, NULL, NULL, NULL, NULL)) AS v$$);
SELECT t.report(t.last());
SELECT t.too_long(t.last());
SELECT count(*) FROM syncup_prepare('C', 'complete');
SELECT t.report(t.last());
SELECT syncup_discard(t.last(), 'export was cut');
SELECT t.report(t.last());
-- Cancelled by a complete run.
SELECT t.report(batch) FROM syncup.batch WHERE status = 'cancelled' ORDER BY seq DESC LIMIT 1;
-- A mapping's limits, and many of them; batches queued behind.
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 1, "maximum_updated_lines": 1, "maximum_deleted_lines": 1}');
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 1, "maximum_updated_lines": 1, "maximum_deleted_lines": 1, "max_percentage_deleted_lines": 0.5}', 'row');
CALL t.put($$SELECT CASE WHEN id < 'k004' THEN 'new ' || id ELSE id END, upper(a), b, c, d, n, day, flag FROM t.source(58)$$);
SELECT t.run('C', 'complete');
INSERT INTO syncup.batch (connector, mode, status, prepared_at) VALUES ('C', 'incremental', 'prepared', now()), ('C', 'incremental', 'prepared', now());
SELECT t.report(batch) FROM syncup.batch WHERE status = 'blocked';
DELETE FROM syncup.batch WHERE prepared_by IS NULL;
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0, "max_percentage_deleted_lines": 0}', 'row');
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 100, "maximum_updated_lines": 100, "maximum_deleted_lines": 100}');
-- Applied, with and without its changes; with limits waived; an initial run.
CALL t.put('SELECT * FROM t.source(61)');
SELECT t.run('C', 'complete', keep_changes => true);
SELECT t.report(t.last());
SELECT count(syncup_undo(t.last()));
SELECT t.report(t.last());
SELECT t.report(batch) FROM syncup.batch WHERE status = 'undone';
CALL t.put('SELECT * FROM t.source(61)');
SELECT t.run('C', 'complete');
CALL t.put('SELECT * FROM t.source(100)');
SELECT t.run('C', 'complete', force => true);
SELECT t.report(t.last());
SELECT t.report(batch) FROM syncup.batch ORDER BY seq LIMIT 1;
-- A file of changes is neither empty nor cut; declining it needs a complete run.
SELECT syncup_create_connector('C', t.dir(), '{"command_column": "command"}');
CALL t.write('rows.csv', (E'command,id,a,b,c,d,n,day,flag\n' || t.deletions(20)));
SELECT t.run('C', 'incremental');
SELECT t.report(t.last());
SELECT syncup_discard(t.last());
SELECT t.report(t.last());
SELECT syncup_create_connector('C', options => '{"command_column": null}');
CALL t.put('SELECT * FROM t.source(100)');
SELECT t.run('C', 'complete');
-- Failed: by a constraint; and a batch behind it.
ALTER TABLE target.row ADD CONSTRAINT small CHECK (n < 1000);
CALL t.put($$SELECT id, a, b, c, d, CASE id WHEN 'k007' THEN '1000' ELSE n END AS n, day, flag FROM t.source(100)$$);
SELECT t.run('C', 'incremental');
SELECT t.report(t.last());
SELECT count(*) FROM syncup_prepare('C', 'incremental');
SELECT t.report(t.last());
-- Failed: the prepare.
CALL t.write('rows.csv', E'id,a\n1,"');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')" >/dev/null
SELECT t.report(t.last());

-- Refused.
\pset tuples_only off
SELECT t.error('SELECT syncup_report(''00000000-0000-0000-0000-000000000000'')');
SELECT t.error('SELECT syncup_findings(''00000000-0000-0000-0000-000000000000'')');
SELECT t.error('SELECT syncup_report(NULL)');
SELECT t.error('SELECT syncup_findings(NULL)');
SELECT syncup_drop_connector('C');

-- A number is what PostgreSQL takes for one: blanks of Unicode are none of its own.
SELECT value, syncup.detect_number(value) FROM unnest(ARRAY['1', ' -01.50 ', '+2', '.5', '1e3', '', U&'\20031', U&'1\00A0']) AS value;

-- The accident of the demo: users cut to a tenth; HR without departments, names and cost centers exchanged.
CREATE TABLE target.ad_user (guid uuid PRIMARY KEY, login text NOT NULL, name text, mail text, department text, title text);
CREATE TABLE target.hr_person (number int PRIMARY KEY, first_name text, last_name text, department text, org_code text, job text, hired date, "left" date, weekly_hours numeric);
CREATE TABLE target.hr_organization (org_code text PRIMARY KEY, name text NOT NULL, parent_org_code text, cost_center text);
\set demo :srcdir '/data/demo'
CREATE FUNCTION t.demo(folder text, file text) RETURNS bytea LANGUAGE sql AS $$ SELECT pg_read_binary_file(folder || '/' || file) $$;
CREATE PROCEDURE t.arrive(folder text)
LANGUAGE plpgsql AS $$
DECLARE
	file text;
BEGIN
	FOREACH file IN ARRAY '{AD_users.csv,HR_persons.csv,HR_organizations.csv}'::text[] LOOP
		CALL t.write(file, t.demo(folder, file));
	END LOOP;
END
$$;
\set folder :demo '/2-changes'
CALL t.arrive(:'folder');
SELECT syncup_create_connector('AD', t.dir());
SELECT syncup_map_entity_type('AD', 'user', 'target.ad_user', 'AD_users.csv', 'objectGUID', '{"objectGUID": "guid", "sAMAccountName": "login", "displayName": "name", "mail": "mail", "department": "department", "title": "title"}', '{dn}');
SELECT syncup_create_connector('HR', t.dir(), '{"delimiter": ";"}');
SELECT syncup_map_entity_type('HR', 'organization', 'target.hr_organization', 'HR_organizations.csv', 'org_code');
SELECT syncup_map_entity_type('HR', 'person', 'target.hr_person', 'HR_persons.csv', 'employee_number',
	'{"employee_number": "number", "first_name": "first_name", "last_name": "last_name", "department": "department", "org_code": "org_code", "job": "job", "hired": "hired", "left": "left", "weekly_hours": "weekly_hours"}');
SELECT t.run('AD', 'initial');
SELECT t.run('HR', 'initial');
\set folder :demo '/3-accident'
CALL t.arrive(:'folder');
SELECT t.run('AD', 'complete');
\pset tuples_only on
SELECT t.report(t.last());
SELECT t.run('HR', 'complete');
SELECT t.report(t.last());
SELECT t.too_long(t.last());
\pset tuples_only off

-- Who may only look at changes gets all but what previous tells.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_report;
RESET client_min_messages;
CREATE ROLE regress_syncup_report;
GRANT USAGE ON SCHEMA syncup, syncup_changes, t TO regress_syncup_report;
GRANT SELECT ON ALL TABLES IN SCHEMA syncup, syncup_changes TO regress_syncup_report;
GRANT EXECUTE ON FUNCTION syncup_report(uuid, text, jsonb), syncup_findings, syncup.findings, syncup.column_findings, syncup.find_file_almost_empty, syncup.find_keys_respelled, syncup.find_file_cut, syncup.find_file_cut_otherwise, syncup.file_cut,
	syncup.find_rows_in_common, syncup.find_ends_not_found, syncup.find_links_lost, syncup.find_rows_set_aside, syncup.file_of, syncup.rows_of, syncup.traits, syncup.explained, syncup.way_in_words, syncup.examples_in_words,
	syncup.sample_changes, syncup.shorten, syncup.wrap, syncup.what_cascades, syncup.count_in_words, syncup.counter_rank, syncup.exceeded_limits, syncup.next_steps, syncup.report_as_text TO regress_syncup_report;
SET ROLE regress_syncup_report;
SELECT finding, column_name, rows FROM syncup_findings(t.last());
SELECT length(syncup_report(t.last())) > 1000 AS reported;
RESET ROLE;
DROP OWNED BY regress_syncup_report;
DROP ROLE regress_syncup_report;

\set end :srcdir '/include/end.sql'
\i :end
