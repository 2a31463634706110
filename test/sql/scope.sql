-- The options of a mapping that say which rows are ours: scope, constants and
-- deleted_column (SPEC 2.1), through prepare, thresholds, review and undo.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

-- Two systems fill one table, each its own rows, and some are nobody's.
CREATE TABLE target.account (id int PRIMARY KEY, name text, source text, note text DEFAULT 'new');
INSERT INTO target.account VALUES (1, 'root', NULL, 'nobody''s'), (2, 'local', 'local', 'nobody''s');
CREATE FUNCTION t.scoped(connector text, source text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector(connector, t.dir());
	PERFORM syncup_map_entity_type(connector, 'm', 'target.account', 'm.csv', 'id', '{"id": "id", "name": "name"}',
		options => jsonb_build_object('scope', format('source = %L', source), 'constants', jsonb_build_object('source', source)));
	PERFORM t.unlimited(connector);
END
$$;
SELECT t.scoped('C', 'AD');
SELECT t.scoped('D', 'HR');
-- Initial: what is outside does not count as a row of the target.
SELECT * FROM t.go('initial', E'id,name\n10,Ada\n11,Bob\n12,Cy\n');
SELECT * FROM t.go('complete', E'id,name\n20,Ed\n21,Flo\n', connector => 'D');
TABLE target.account ORDER BY id;
SELECT b.connector, c.inserted, c.stored_before FROM syncup.batch b JOIN syncup.batch_counter c USING (batch) ORDER BY seq;
-- Updates, deletions and drift stay inside, and so does the base of percentages.
UPDATE target.account SET name = 'drift' WHERE id IN (1, 11, 21);
SELECT * FROM t.go('complete', E'id,name\n10,Ada L.\n11,Bob\n');
SELECT inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last();
TABLE target.account ORDER BY id;
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
-- Everything of the one gone: the other's rows and nobody's stay, in both modes.
SELECT t.last() AS batch \gset
SELECT * FROM t.go('incremental', E'id,name\n');
TABLE target.account ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT syncup_undo(:'batch') IS NOT NULL AS undone;
SELECT * FROM target.account WHERE source = 'AD' ORDER BY id;
SELECT * FROM t.go('complete', E'id,name\n');
TABLE target.account ORDER BY id;
SELECT * FROM t.go('complete', E'id,name\n10,Ada\n11,Bob\n');
-- A key of the source that is another's row: a failed batch, in each mode, nothing written.
SELECT * FROM t.go('complete', E'id,name\n10,Ada\n21,Mine\n30,x\n');
SELECT t.failure();
SELECT * FROM t.go('complete', E'id,name\n10,Ada\n1,root\n');
SELECT t.failure();
SELECT syncup_discard(t.last());
SELECT * FROM t.go('incremental', E'id,name\n10,Ada\n11,Bob\n2,local\n');
SELECT t.failure();
TABLE target.account ORDER BY id;
SELECT id, name FROM syncup_previous.c_m ORDER BY id;
-- Also where both contents are alike: the row is not ours.
SELECT * FROM t.go('complete', E'id,name\n10,Ada\n11,Bob\n20,Ed\n');
SELECT t.failure();
-- It is tried again, and right as soon as the row is ours.
UPDATE target.account SET source = 'AD' WHERE id = 20;
SELECT * FROM t.apply();
-- A row taken out of the scope by hand is not deleted when it is gone from the source.
UPDATE target.account SET source = 'left' WHERE id = 20;
SELECT * FROM t.go('complete', E'id,name\n10,Ada\n11,Bob\n');
SELECT * FROM target.account WHERE id = 20;
-- An initial run that meets a key outside.
SELECT syncup_drop_connector('D');
SELECT t.scoped('D', 'SAP');
SELECT * FROM t.go('initial', E'id,name\n1,x\n', connector => 'D');
SELECT t.failure('D');
SELECT syncup_discard(t.last('D'));
-- A second mapping without a scope, or the first one's taken away: refused, either way.
SELECT t.refused($$SELECT syncup_map_entity_type('D', 'n', 'target.account', 'm.csv', 'id', '{"id": "id"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('D', 'm', 'target.account', 'm.csv', 'id', '{"id": "id", "name": "name"}', options => '{"scope": null}')$$);
SELECT syncup_drop_connector('C');
SELECT syncup_drop_connector('D');
SELECT t.map('target.account', 'id', '{"id": "id"}');
SELECT t.refused($$SELECT t.scoped('D', 'HR')$$);
SELECT syncup_drop_connector('C');

-- Rows that the mapping itself would write out of its scope: failed, not orphaned.
SELECT t.map('target.account', 'id', '{"id": "id", "name": "name", "source": "source"}', '{"scope": "source IN (''X'', ''Y'')"}');
SELECT * FROM t.go('complete', E'id,name,source\n50,a,X\n51,b,Z\n');
SELECT t.failure();
SELECT * FROM t.go('complete', E'id,name,source\n50,a,X\n51,b,Y\n');
SELECT * FROM t.go('complete', E'id,name,source\n50,a,Y\n51,b,Z\n');
SELECT t.failure() ~ '^failed' AS failed;
SELECT * FROM t.go('complete', E'id,name,source\n50,a,Y\n51,b,\n');
SELECT t.failure() ~ '^failed' AS failed;
SELECT id, name, source FROM target.account WHERE id > 49 ORDER BY id;
SELECT syncup_drop_connector('C');
DELETE FROM target.account WHERE id > 49;
SELECT t.map('target.account', 'id', '{"id": "id", "name": "name", "source": "source"}', '{"scope": "source IN (''X'', ''Y'')"}');
SELECT * FROM t.go('initial', E'id,name,source\n50,a,X\n51,b,Z\n');
SELECT t.failure();
SELECT count(*) FROM target.account WHERE id > 49;
SELECT syncup_drop_connector('C');

-- A scope is one condition over the table's columns, and nothing else.
CREATE FUNCTION t.scope(scope text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(replace(line, scope, '<scope>'), ' ') FROM t.refused(format('SELECT t.map(%L, %L, %L, %L)', 'target.account', 'id', '{"id": "id"}', jsonb_build_object('scope', scope))) line
$$;
SELECT scope, t.scope(scope) FROM unnest(ARRAY['true) OR (true', 'true); DELETE FROM target.account; SELECT (true', 'true; SELECT 1', 'true /*', E'true\n) OR (true', 'true, true', 'true AS x', 'true FROM target.account', 'true WHERE true',
	'true UNION SELECT true', 'true LIMIT 1', 'true ORDER BY 1', 'true GROUP BY 1', 'DISTINCT true', 'true FOR UPDATE', 'true INTO TEMP x', '*', 'nothing', 'source', '1', 'count(*) > 0', 'rank() OVER () = 1', 'generate_series(1, 2) = 1', 'source = $1',
	'nothing(source)', 'target.account.source = ''X''', 'syncup_retired IS NULL', 't.id = 1', 's.id = 1']) WITH ORDINALITY AS u (scope, n) ORDER BY n;
-- Nor are nothing, queries, and what is not the same each time or runs statements of its own
-- with the rights of whoever runs the connector.
SELECT scope, t.accepted(format('SELECT t.map(%L, %L, %L, %L)', 'target.account', 'id', '{"id": "id"}', jsonb_build_object('scope', scope))) FROM unnest(ARRAY['', ' ',
	'(SELECT true)', 'EXISTS (SELECT FROM pg_class)', 'id IN (SELECT 1)', 'query_to_xml(''SELECT 1'', false, false, '''') IS NOT NULL', 'random() < 0.5', 'source = ''AD''']) WITH ORDINALITY AS u (scope, n) ORDER BY n;
SELECT count(*) FROM target.account;
-- What is harmless is taken, and does what it says.
CREATE FUNCTION t.in_scope(scope text, content text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.map('target.account', 'id', '{"id": "id", "name": "name"}', jsonb_build_object('scope', scope));
	RETURN QUERY SELECT * FROM t.go('complete', content);
	RETURN QUERY SELECT format('base %s', stored_before) FROM syncup.batch_counter WHERE batch = t.last() AND stored_before IS NOT NULL;
	PERFORM syncup_drop_connector('C');
END
$$;
SELECT t.in_scope('source = ''local'' --', E'id,name\n2,Local\n');
SELECT t.in_scope('source = ''local'' OR id < 0 -- ) OR (true', E'id,name\n2,local\n');
SELECT t.in_scope('source = ''local'' /* only */', E'id,name\n2,Local\n');
-- OR does not reach out of it.
SELECT t.in_scope('source = ''local'' OR source = ''HR''', E'id,name\n2,local\n21,Flo\n');
SELECT t.in_scope('source IS NULL', E'id,name\n1,Root\n');
SELECT t.in_scope('(source, id) = (''local'', 2)', E'id,name\n2,Local\n');
TABLE target.account ORDER BY id;
-- Columns that are named like our own in the statements.
CREATE TABLE target.ours (r int PRIMARY KEY, t text, s text);
INSERT INTO target.ours VALUES (1, 'in', 'x'), (2, 'out', 'x');
SELECT t.map('target.ours', 'r', '{"r": "r", "s": "s"}', '{"scope": "t = ''in''", "constants": {"t": "in"}}');
SELECT * FROM t.go('complete', E'r,s\n1,y\n3,z\n');
TABLE target.ours ORDER BY r;
SELECT syncup_drop_connector('C');

-- Constants: for inserted rows only, in the types of their columns.
CREATE TABLE target.const (id int PRIMARY KEY, v text, t text, n numeric(5,2), b boolean, d date, at timestamptz, a int[], e text NOT NULL, g text GENERATED ALWAYS AS (t) STORED, i int GENERATED ALWAYS AS IDENTITY);
CREATE FUNCTION t.constants(constants jsonb) RETURNS void LANGUAGE sql AS $$
	SELECT t.map('target.const', 'id', '{"id": "id", "v": "v"}', jsonb_build_object('constants', '{"e": ""}'::jsonb || constants))
$$;
SELECT c, t.refused(format('SELECT t.constants(%L)', c)) FROM unnest(ARRAY['{"n": "x"}', '{"n": 1000}', '{"b": "maybe"}', '{"d": "2026-02-30"}', '{"a": "1"}', '{"a": [1]}', '{"t": {"x": 1}}', '{"nothing": 1}', '{"id": 5}', '{"v": "x"}', '{"g": "x"}', '{"at": "now now"}']) c;
SELECT c, t.accepted(format('SELECT t.constants(%L)', c)) FROM unnest(ARRAY['{"i": 5}', '{"e": null}', '{"t": null}']) c;
SELECT c, t.refused(format('SELECT t.map(%L, %L, %L, %L)', 'target.const', 'id', '{"id": "id", "v": "v"}', jsonb_build_object('constants', c))) FROM unnest(ARRAY['[]', '"x"', '1', 'null', 'true']::jsonb[]) c;
SELECT t.constants('{"t": "it''s \\ \"so\"", "n": 1.255, "b": true, "d": "2026-02-03", "at": "2026-01-01 12:00", "a": "{1,NULL}"}');
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n');
SELECT id, v, t, n, b, d, at AT TIME ZONE 'UTC' AS at, a, e, g, i FROM target.const ORDER BY id;
-- They are read like the values of the source, whatever the session's settings.
SET timezone = 'Asia/Tokyo';
SET datestyle = 'SQL, DMY';
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
RESET timezone;
RESET datestyle;
SELECT d, at AT TIME ZONE 'UTC' AS at FROM target.const WHERE id = 3;
-- Updates do not write them; drift in them is nobody's business; undo brings the row's own value back.
UPDATE target.const SET t = 'changed', e = 'changed' WHERE id IN (1, 2);
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,c\n');
SELECT id, v, t, e FROM target.const ORDER BY id;
SELECT column_name FROM syncup_changes(t.last()) ORDER BY 1;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, v, t, e FROM target.const ORDER BY id;
-- A row that was deleted by somebody and comes again is a new one.
DELETE FROM target.const WHERE id = 1;
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
SELECT id, v, t, e FROM target.const ORDER BY id;
-- Changed constants are for rows inserted from then on.
SELECT t.constants('{"t": "second"}');
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,c\n4,d\n');
SELECT id, t, n FROM target.const ORDER BY id;
-- A constant that was valid once fails the batch that writes it.
ALTER TABLE target.const ADD CONSTRAINT no_second CHECK (t <> 'second') NOT VALID;
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,c\n4,d\n5,e\n');
SELECT t.failure() ~ 'no_second' AS failed;
SELECT syncup_drop_connector('C');
-- A constant may be null, and fill what has a default.
CREATE TABLE target.null (id int PRIMARY KEY, t text DEFAULT 'd', u text DEFAULT 'd');
SELECT t.map('target.null', 'id', '{"id": "id"}', '{"constants": {"t": null}}');
SELECT * FROM t.go('initial', E'id\n1\n');
TABLE target.null;
SELECT syncup_drop_connector('C');

-- deleted_column: rows that are gone are retired.
CREATE TABLE target.member (id int PRIMARY KEY, v text, gone timestamptz, note text DEFAULT 'new', bad date, never timestamptz NOT NULL DEFAULT '2026-01-01Z', stamp timestamp);
SELECT c, t.refused(format('SELECT t.map(%L, %L, %L, %L)', 'target.member', 'id', '{"id": "id", "v": "v"}', jsonb_build_object('deleted_column', c))) FROM unnest(ARRAY['bad', 'never', 'stamp', 'nothing', 'v', 'id', 'Gone']) c;
SELECT t.refused($$SELECT t.map('target.member', 'id', '{"id": "id", "gone": "gone"}', '{"deleted_column": "gone"}')$$);
SELECT t.map('target.member', 'id', '{"id": "id", "v": "v"}', '{"deleted_column": "gone"}');
CREATE VIEW t.member AS SELECT id, v, CASE WHEN gone = now() THEN 'now' WHEN gone > now() - interval '1 min' THEN 'just' WHEN gone IS NOT NULL THEN gone::date::text END AS gone, note FROM target.member ORDER BY id;
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,c\n4,d\n');
UPDATE target.member SET note = 'mine' WHERE id IN (2, 3);
-- Gone: the time of it, counted as a deletion, everything else stays. A change beside it is one.
SELECT * FROM t.go('complete', E'id,v\n1,a\n3,C\n4,d\n');
TABLE t.member;
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
SELECT inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last();
SELECT v, id FROM syncup_previous.c_m ORDER BY id;
-- Retired rows are not in the base, and are not retired again: their time stays.
UPDATE target.member SET gone = '2025-05-05 12:00Z' WHERE id = 2;
SELECT * FROM t.go('complete', E'id,v\n1,a\n3,C\n4,d\n');
SELECT inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last();
TABLE t.member;
-- Drift of a retired row is nobody's business.
UPDATE target.member SET v = 'drift' WHERE id = 2;
SELECT * FROM t.go('complete', E'id,v\n1,a\n3,C\n4,d\n');
-- It comes back: an insertion, null again, with the values of the source, its other columns as they were.
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,back\n3,C\n4,d\n');
TABLE t.member;
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
SELECT inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last();
-- Undo: retired again, at the time that it had.
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE t.member;
SELECT inserted, updated, deleted, stored_before FROM syncup.batch_counter WHERE batch = t.last();
-- The next run finds the same again; with the same values, too.
SELECT * FROM t.go('incremental', E'id,v\n1,a\n2,drift\n3,C\n4,d\n');
TABLE t.member;
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
-- Retired in an incremental run, and undone: as it was.
SELECT * FROM t.go('incremental', E'id,v\n2,drift\n3,C\n4,d\n5,e\n');
TABLE t.member;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE t.member;
SELECT * FROM t.go('incremental', E'id,v\n2,drift\n3,C\n4,d\n5,e\n');
TABLE t.member;
-- Refused where somebody changed the row, or brought it back, since.
UPDATE target.member SET v = 'x' WHERE id = 1;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.member SET v = 'a', gone = NULL WHERE id = 1;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE t.member;
-- A row that was really deleted is gone already.
DELETE FROM target.member WHERE id = 4;
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,drift\n3,C\n');
TABLE t.member;
-- Through the thresholds: deletions count, against the rows that are not retired.
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1, "max_percentage_inserted_lines": 33}');
SELECT * FROM t.go('complete', E'id,v\n3,C\n');
SELECT syncup.what_exceeds(t.last());
SELECT counter, count, base, percent, exceeded FROM syncup.threshold_check WHERE batch = t.last() AND mapping IS NULL AND count > 0;
-- Review: one is retired by hand, one is really deleted: both done. Then resumed.
UPDATE target.member SET gone = '2025-06-06 12:00Z' WHERE id = 1;
DELETE FROM target.member WHERE id = 2;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
TABLE t.member;
-- One that was changed since is refused, unless forced.
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,C\n', force => true);
SELECT * FROM t.go('complete', E'id,v\n3,C\n');
UPDATE target.member SET v = 'since' WHERE id = 1;
SELECT t.refused(format('SELECT syncup_resume(%L)', t.last()));
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last(), force => true);
TABLE t.member;
-- Rows coming back, reviewed and resumed.
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,C\n');
SELECT syncup.what_exceeds(t.last());
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
TABLE t.member;
SELECT syncup_drop_connector('C');
-- An initial run into a table of retired rows only is not one: they hold keys.
UPDATE target.member SET gone = '2025-07-07 12:00Z';
SELECT t.map('target.member', 'id', '{"id": "id", "v": "v"}', '{"deleted_column": "gone"}');
SELECT t.refused($$SELECT t.prepare('initial', E'id,v\n1,a\n')$$);
SELECT syncup_drop_connector('C');

-- All three together: rows that come back get no constants, and a scope over the
-- retired ones holds.
CREATE TABLE target.all (id int PRIMARY KEY, v text, gone timestamptz, source text, note text);
INSERT INTO target.all VALUES (90, 'other', NULL, 'HR', 'not ours'), (91, 'other', '2025-01-01Z', 'HR', 'not ours');
SELECT t.map('target.all', 'id', '{"id": "id", "v": "v"}', '{"scope": "source = ''AD''", "constants": {"source": "AD", "note": "new"}, "deleted_column": "gone"}');
SELECT * FROM t.go('initial', E'id,v\n1,a\n2,b\n');
UPDATE target.all SET note = 'mine' WHERE id = 1;
SELECT * FROM t.go('complete', E'id,v\n2,b\n3,c\n');
SELECT stored_before FROM syncup.batch_counter WHERE batch = t.last();
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
SELECT id, v, gone IS NULL AS here, source, note FROM target.all ORDER BY id;
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n3,c\n91,x\n');
SELECT t.failure();
SELECT syncup_drop_connector('C');

\set end :srcdir '/include/end.sql'
\i :end
