-- Keys given up to three times in a file (SPEC 4.1), with every sequence of
-- contents, against every kind of baseline: what is kept, what is set aside and
-- why, and the delta. What is right is said by SQL.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

CREATE TABLE target.thing (k text PRIMARY KEY, v text, other text);
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'thing', 'target.thing', 'thing.csv', 'k', '{"k": "k", "v": "v"}', options => '{"on_error": "quarantine"}');
SELECT syncup_map_association('C', 'other', 'thing.csv', 'k', 'thing.k', 'v', 'thing.k', 'target.thing', target_column2 => 'other', options => '{"on_error": "quarantine"}');
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0, "max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');

-- What a row of a key says: a value, nothing, or that the row is bad.
CREATE TABLE t.word AS SELECT unnest(ARRAY['a', 'b', 'c', 'bad', NULL]) AS v;
-- The baseline of a key: what is stored, and what each of two queued batches makes
-- of it. In the end it is a, or nothing.
CREATE TABLE t.kind AS SELECT * FROM (VALUES ('stored', 'a', 'a', 'a'), ('becomes', 'b', 'c', 'a'), ('goes', 'a', 'b', NULL), ('comes', NULL, 'b', 'a'),
	('returns', 'a', NULL, 'a'), ('came', NULL, 'a', NULL), ('new', NULL, NULL, NULL)) AS k (kind, before, first, queued);
CREATE TABLE t.key AS
SELECT concat_ws('-', kind, x.v, y.v, z.v, row_number() OVER ()) AS k, before, first, queued, ARRAY[x.v, y.v, z.v] AS words
FROM t.kind, t.word x, t.word y, t.word z;
CREATE PROCEDURE t.write_column(name text)
LANGUAGE plpgsql AS $$
DECLARE
	content text;
BEGIN
	EXECUTE format('SELECT E''k,v\na,a\nb,a\nc,a\n'' || string_agg(k || '','' || %1$I, E''\n'' ORDER BY k) FROM t.key WHERE %1$I IS NOT NULL', name) INTO content;
	CALL t.write('thing.csv', content);
END
$$;
CALL t.write_column('before');
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
CALL t.write_column('first');
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;
CALL t.write_column('queued');
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;

-- The file: all that come first, then all that come second, then the others.
CREATE TABLE t.line AS
SELECT row_number() OVER (ORDER BY round, k) + 4 AS line, round, k, words[round] AS v
FROM t.key, generate_series(1, 3) AS round WHERE words[round] IS NOT NULL;
SELECT E'k,v\na,a\nb,a\nc,a\n' || string_agg(k || ',' || v || CASE v WHEN 'bad' THEN ',x' ELSE '' END, E'\n' ORDER BY line) AS content FROM t.line \gset
CALL t.write('thing.csv', :'content');
SELECT syncup_prepare('C', 'incremental') AS batch \gset

CREATE TABLE t.first AS SELECT DISTINCT ON (k) * FROM t.line WHERE v <> 'bad' ORDER BY k, line;
-- A bad row keeps the key; what the baseline has of it stays.
CREATE TABLE t.wanted AS
SELECT CASE WHEN queued IS NULL THEN 'insert' WHEN f.k IS NULL THEN 'delete' ELSE 'update' END AS command, k, coalesce(f.v, queued) AS v
FROM t.key LEFT JOIN t.first f USING (k)
WHERE f.v IS DISTINCT FROM queued AND (f.k IS NOT NULL OR NOT 'bad' = ANY (array_remove(words, NULL)));
SELECT command, count(*) FROM t.wanted GROUP BY 1 ORDER BY 1;
(SELECT command, k, v FROM syncup_delta.c_thing WHERE batch = :'batch' EXCEPT ALL TABLE t.wanted)
UNION ALL (TABLE t.wanted EXCEPT ALL SELECT command, k, v FROM syncup_delta.c_thing WHERE batch = :'batch');
(SELECT command, k, v FROM syncup_delta.c_other WHERE batch = :'batch' EXCEPT ALL TABLE t.wanted)
UNION ALL (TABLE t.wanted EXCEPT ALL SELECT command, k, v FROM syncup_delta.c_other WHERE batch = :'batch');

CREATE TABLE t.aside AS
SELECT mapping, l.line, l.k, CASE WHEN l.v = 'bad' THEN 'malformed' WHEN mapping = 'other' AND l.v <> f.v THEN 'conflict' ELSE 'duplicate' END AS reason,
	CASE WHEN l.v <> 'bad' THEN f.line END AS first
FROM (VALUES ('thing'), ('other')) AS m (mapping), t.line l LEFT JOIN t.first f USING (k)
WHERE l.v = 'bad' OR l.line > f.line AND l.v <> f.v;	-- what says the same is only counted
SELECT mapping, reason, count(*) FROM t.aside GROUP BY 1, 2 ORDER BY 1, 2;
CREATE VIEW t.found AS
SELECT mapping, line, split_part(key, ' -> ', 1) AS k, reason, substring(message FROM 'given .*on line (\d+)$')::bigint AS first
FROM syncup.quarantine WHERE batch = :'batch';
(TABLE t.aside EXCEPT ALL TABLE t.found) UNION ALL (TABLE t.found EXCEPT ALL TABLE t.aside) ORDER BY 1, 2 LIMIT 10;
SELECT mapping, rows_read = rows_kept + null_keys + duplicates + rejected + empty_links + filtered AS adds_up,
	set_aside = (SELECT count(*) FROM t.found f WHERE f.mapping = c.mapping) AS all_there, deletions_suspended FROM syncup.batch_counter c WHERE batch = :'batch' ORDER BY 1;

\set end :srcdir '/include/end.sql'
\i :end
