-- What people decide about a batch (SPEC 2.2, 5): resume, discard, undo, and what
-- is kept for it: syncup.keep_changes_for and syncup_purge.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_review;
RESET client_min_messages;
SET check_function_bodies = off;
CREATE TABLE target.t (id int PRIMARY KEY, v text, w text, note text DEFAULT 'new');
-- Target and previous, in a line each.
CREATE FUNCTION t.both(target regclass DEFAULT 'target.t') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT 'target ' || array_to_string(t.rows(target), ' ') UNION ALL SELECT 'previous ' || array_to_string(t.rows('syncup_previous.c_m'), ' ')
$$;
CREATE FUNCTION t.rows_kept() RETURNS text LANGUAGE sql AS $$
	SELECT format('%s changes, %s delta rows', (SELECT count(*) FROM syncup_changes.c_m), (SELECT count(*) FROM syncup_delta.c_m))
$$;
-- A refusal that names several rows, those in order.
CREATE FUNCTION t.ordered(statement text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT CASE WHEN line ~ '^DETAIL: Keys: ' THEN 'DETAIL: Keys: ' || (SELECT string_agg(key, ', ' ORDER BY key) FROM regexp_split_to_table(substring(line, 'Keys: (.*)\.$'), ', ') key) || '.' ELSE line END
	FROM t.refused(statement) line
$$;

-- Resume. One row per case: done already, changed since, and open, for each command.
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v", "w": "w"}');
SELECT * FROM t.go('initial', E'id,v,w\n1,a,a\n2,a,a\n3,a,a\n4,a,a\n5,a,a\n');
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1, "maximum_updated_lines": 1, "maximum_inserted_lines": 1}');
SELECT * FROM t.go('complete', E'id,v,w\n1,b,a\n2,b,a\n3,a,b\n6,x,x\n7,x,x\n', keep_changes => false);
SELECT * FROM t.both();
-- Looking at it changes nothing; nor does a second synchronize.
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
SELECT status FROM syncup_synchronize('C');
SELECT t.rows_kept();
-- Done already: an update, a deletion, an insertion. A column that is not mapped, and one
-- that the change does not write, are not its business.
UPDATE target.t SET v = 'b', note = 'mine' WHERE id = 1;
UPDATE target.t SET w = 'other', note = 'mine' WHERE id = 2;
DELETE FROM target.t WHERE id = 4;
INSERT INTO target.t VALUES (6, 'x', 'x', 'mine');
SELECT batch = t.last() AS batch, connector, mode, status, inserted, updated, deleted, links_inserted, links_deleted, orphans, elapsed >= interval '0' AS elapsed FROM syncup_resume(t.last());
SELECT * FROM t.both();
SELECT note FROM target.t ORDER BY id;
SELECT * FROM t.batches;
SELECT t.rows_kept();
-- The counters tell what resume has applied.
SELECT inserted, updated, deleted FROM syncup.batch_counter WHERE batch = t.last();
-- Resumed once is all.
SELECT t.refused(format('SELECT syncup_resume(%L)', t.last()));
SELECT t.refused(format('SELECT syncup_resume(%L, true)', t.last()));
SELECT t.unlimited();
SELECT * FROM t.go('complete', E'id,v,w\n1,a,a\n2,a,a\n3,a,a\n4,a,a\n5,a,a\n');
-- Changed since, in every way there is: refused, naming the rows, in the detail only.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('complete', E'id,v,w\n1,b,a\n2,b,b\n3,b,a\n6,x,x\n7,x,x\n');
UPDATE target.t SET v = 'since' WHERE id = 1;
DELETE FROM target.t WHERE id = 2;
UPDATE target.t SET w = 'since' WHERE id = 4;
INSERT INTO target.t VALUES (6, 'x', 'since');
SELECT t.ordered(format('SELECT syncup_resume(%L)', t.last()));
SELECT * FROM t.batches OFFSET 3;
-- One half is done already, the other not yet: neither somebody else's doing.
UPDATE target.t SET v = 'a' WHERE id = 1;
INSERT INTO target.t VALUES (2, 'b', 'a');
UPDATE target.t SET w = 'a' WHERE id = 4;
DELETE FROM target.t WHERE id = 6;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
SELECT * FROM t.both();
-- More rows than are named.
SELECT t.unlimited();
SELECT * FROM t.go('complete', (SELECT E'id,v,w\n' || string_agg(i || E',a,a\n', '') FROM generate_series(1, 30) i));
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('complete', (SELECT E'id,v,w\n' || string_agg(i || E',b,a\n', '') FROM generate_series(1, 30) i));
UPDATE target.t SET v = 'since' WHERE id > 10;
SELECT regexp_replace(line, '^DETAIL: Keys: (\d+, ){10}\.\.\.\.$', 'DETAIL: Keys: ten, ....') FROM t.refused(format('SELECT syncup_resume(%L)', t.last())) line;
-- Forced: what was reviewed is to be, whatever the rows are; rows that are gone come back,
-- and what is as it should be is left alone.
DELETE FROM target.t WHERE id = 1;
UPDATE target.t SET v = 'b' WHERE id = 2;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last(), force => true);
SELECT v, count(*) FROM target.t GROUP BY 1;
SELECT t.rows('target.t') = ARRAY(SELECT format('(%s,b,a,new)', id) FROM target.t ORDER BY id::text COLLATE "C") AS same;
-- Not forced where the key is somebody else's: see the test "scope".
-- Resume that fails: recorded, nothing applied, tried again by the next synchronize, with the limits.
ALTER TABLE target.t ADD CONSTRAINT no_c CHECK (v <> 'c');
SELECT * FROM t.go('complete', (SELECT E'id,v,w\n' || string_agg(i || E',c,a\n', '') FROM generate_series(1, 30) i));
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
SELECT status, sqlstate, error ~ 'no_c' AS names_constraint, error ~ 'mapping "m"' AS names_mapping, decision FROM syncup.batch WHERE batch = t.last();
SELECT count(*) FROM target.t WHERE v = 'c';
SELECT t.refused(format('SELECT syncup_resume(%L)', t.last()));
ALTER TABLE target.t DROP CONSTRAINT no_c;
SELECT t.apply();
SELECT * FROM t.batches OFFSET 6;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
SELECT count(*) FROM target.t WHERE v = 'c';
SELECT syncup_drop_connector('C');

-- Resume goes on with the queue, under the limits.
TRUNCATE target.t;
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v", "w": "w"}');
SELECT * FROM t.go('initial', E'id,v,w\n1,a,a\n2,a,a\n3,a,a\n4,a,a\n');
SELECT t.prepare('complete', E'id,v,w\n1,b,a\n2,b,a\n3,b,a\n4,a,a\n') IS NULL AS prepared;
SELECT t.prepare('incremental', E'id,v,w\n1,b,a\n2,b,a\n3,b,a\n4,c,a\n') IS NULL AS prepared;
SELECT t.prepare('incremental', E'id,v,w\n1,d,a\n2,d,a\n3,d,a\n4,c,a\n') IS NULL AS prepared;
SELECT t.prepare('incremental', E'id,v,w\n1,e,a\n2,d,a\n3,d,a\n4,c,a\n') IS NULL AS prepared;
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 2}');
SELECT t.apply();
SELECT last_status, queue_length, blocked = t.batch(2) AS blocked FROM syncup.status;
-- Only the blocked one can be resumed, and nothing overtakes it.
SELECT t.refused(format('SELECT syncup_resume(%L)', t.batch(3)));
SELECT t.refused(format('SELECT syncup_resume(%L)', t.batch(1)));
SELECT t.apply();
SELECT status, inserted, updated, deleted FROM syncup_resume(t.batch(2));
SELECT * FROM t.batches;
SELECT * FROM t.both();
-- The second block: it can be declined, and what stands behind it with it.
SELECT syncup_discard(t.batch(4), 'wrong');
SELECT * FROM t.batches;
SELECT * FROM t.both();
SELECT t.rows_kept();
SELECT t.refused(format('SELECT syncup_discard(%L)', t.batch(4)));
SELECT t.refused(format('SELECT syncup_discard(%L)', t.batch(1)));
-- The correct difference afterwards.
SELECT * FROM t.go('incremental', E'id,v,w\n1,b,a\n2,b,a\n3,b,a\n4,d,a\n');
-- From the middle of a queue on: what stands before stays.
SELECT t.prepare('incremental', E'id,v,w\n1,1,a\n2,b,a\n3,b,a\n4,d,a\n') IS NULL AS prepared;
SELECT t.prepare('incremental', E'id,v,w\n1,2,a\n2,b,a\n3,b,a\n4,d,a\n') IS NULL AS prepared;
SELECT t.prepare('incremental', E'id,v,w\n1,3,a\n2,b,a\n3,b,a\n4,d,a\n') IS NULL AS prepared;
SELECT syncup_discard(t.batch(8));
SELECT * FROM t.batches OFFSET 6;
SELECT t.apply();
SELECT * FROM t.both();
-- A complete prepare takes the place of a blocked batch, and of all that wait; undone with
-- the transaction if it fails.
SELECT * FROM t.go('incremental', E'id,v,w\n1,x,a\n2,x,a\n3,x,a\n4,d,a\n');
SELECT t.refused($$SELECT t.prepare('incremental', E'id,v,w\n')$$);
SELECT t.refused($$SELECT t.prepare('complete', E'id,v\n')$$);
SELECT last_status FROM syncup.status;
SELECT * FROM t.go('complete', E'id,v,w\n1,1,a\n2,x,a\n3,b,a\n4,d,a\n');
SELECT * FROM t.batches OFFSET 9;
SELECT t.rows_kept();
SELECT t.refused(format('SELECT syncup_resume(%L)', t.batch(10)));
SELECT syncup_drop_connector('C');

-- Who decided, and when: the role that acts, not the session's.
CREATE ROLE regress_syncup_review;
GRANT USAGE ON SCHEMA target TO regress_syncup_review;
GRANT SELECT, INSERT, UPDATE, DELETE ON target.t TO regress_syncup_review;
GRANT EXECUTE ON FUNCTION syncup_resume(uuid, boolean), syncup_resume(text, boolean), syncup_discard(uuid, text), syncup_discard(text, text), syncup_undo, syncup_synchronize TO regress_syncup_review;
GRANT USAGE ON SCHEMA t TO regress_syncup_review;
TRUNCATE target.t;
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v", "w": "w"}');
SELECT * FROM t.go('initial', E'id,v,w\n1,a,a\n2,a,a\n');
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT clock_timestamp() AS since \gset
SELECT * FROM t.go('complete', E'id,v,w\n1,b,a\n2,b,a\n');
SELECT t.last() AS batch \gset
SET ROLE regress_syncup_review;
SELECT status, updated FROM syncup_resume(:'batch');
RESET ROLE;
SELECT * FROM t.go('complete', E'id,v,w\n1,c,a\n2,c,a\n');
SELECT t.last() AS second \gset
SET ROLE regress_syncup_review;
SELECT syncup_discard(:'second', 'not that');
RESET ROLE;
SET ROLE regress_syncup_review;
SELECT syncup_undo(:'batch') IS NOT NULL AS undone;
RESET ROLE;
SELECT mode, status, decision, t.mask(reason) AS reason, prepared_by = current_user AS prepared_by_me, synchronized_by, decided_by, decided_at BETWEEN :'since' AND clock_timestamp() AS decided_at, synchronized_at BETWEEN :'since' AND clock_timestamp() AS synchronized_at
FROM syncup.batch WHERE mode <> 'initial' ORDER BY seq;
-- Without rights on the target nothing is written: a failure like others.
REVOKE UPDATE ON target.t FROM regress_syncup_review;
SELECT * FROM t.go('complete', E'id,v,w\n1,c,a\n2,c,a\n');
SELECT t.last() AS batch \gset
SET ROLE regress_syncup_review;
SELECT status FROM syncup_resume(:'batch');
RESET ROLE;
SELECT t.failure();
SELECT syncup_discard(:'batch');
SELECT * FROM t.both();
SELECT syncup_drop_connector('C');
DROP OWNED BY regress_syncup_review;
DROP ROLE regress_syncup_review;

-- Undo: every command, with the columns that are not mapped; previous as well, so that the
-- next incremental run finds the same difference again.
CREATE TABLE target.u (id int PRIMARY KEY, v text, note text DEFAULT 'new', at timestamptz DEFAULT '2026-01-01Z');
SELECT t.map('target.u', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('initial', E'id,v\n1,a\n2,b\n3,c\n4,\n');
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.u SET note = 'mine', at = NULL WHERE id IN (1, 2);
CREATE TABLE t.saved AS TABLE target.u;
CREATE TABLE t.saved_previous AS SELECT id, v FROM syncup_previous.c_m;
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,c\n4,d\n5,e\n');
SELECT t.rows_kept();
SELECT t.last() AS batch \gset
SELECT syncup_undo(:'batch') AS undo \gset
SELECT count(*) AS different FROM ((TABLE target.u EXCEPT TABLE t.saved) UNION ALL (TABLE t.saved EXCEPT TABLE target.u)) AS d;
SELECT count(*) AS different FROM ((SELECT id, v FROM syncup_previous.c_m EXCEPT TABLE t.saved_previous) UNION ALL (TABLE t.saved_previous EXCEPT SELECT id, v FROM syncup_previous.c_m)) AS d;
SELECT t.rows_kept();
-- It is a batch of its own.
SELECT :'undo' = t.last()::text AS last, * FROM t.batches;
SELECT batch = :'batch' AS undone, mapping, inserted, updated, deleted, stored_before FROM syncup.batch_counter c JOIN syncup.batch USING (batch) WHERE mode <> 'initial' ORDER BY seq;
SELECT last_status, queue_length, last_batch = :'undo' AS last FROM syncup.status;
-- Neither it nor what it undid can be undone.
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
SELECT t.refused(format('SELECT syncup_undo(%L)', :'undo'));
SELECT * FROM t.go('incremental', E'id,v\n1,A\n3,c\n4,d\n5,e\n');
SELECT * FROM t.both('target.u');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT count(*) AS different FROM ((TABLE target.u EXCEPT TABLE t.saved) UNION ALL (TABLE t.saved EXCEPT TABLE target.u)) AS d;
-- Undone where the batch was forced, or blocked and resumed.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,C\n4,d\n5,e\n', force => true);
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,C\n4,d\n5,e\n');
SELECT status FROM syncup_resume(t.last());
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT count(*) AS different FROM ((TABLE target.u EXCEPT TABLE t.saved) UNION ALL (TABLE t.saved EXCEPT TABLE target.u)) AS d;
SELECT t.unlimited();
-- Refused: not kept; not applied; not there; with batches waiting.
SELECT * FROM t.go('complete', E'id,v\n1,A\n2,b\n3,c\n4,d\n', keep_changes => false);
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
SELECT * FROM t.go('complete', E'id,v\n1,AA\n2,b\n3,c\n4,d\n');
SELECT t.last() AS batch \gset
SELECT t.prepare('incremental', E'id,v\n1,AAA\n2,b\n3,c\n4,d\n') IS NULL AS prepared;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
SELECT t.refused($$SELECT syncup_undo('00000000-0000-0000-0000-000000000000')$$);
SELECT syncup_undo(NULL) IS NULL AS nothing;
-- A later batch changed the same row: that one first.
SELECT t.apply();
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT syncup_undo(:'batch') IS NOT NULL AS undone;
SELECT * FROM t.both('target.u');
-- A later batch that changed other rows does not matter.
SELECT * FROM t.go('complete', E'id,v\n1,AA\n2,b\n3,c\n4,d\n');
SELECT t.last() AS batch \gset
SELECT * FROM t.go('incremental', E'id,v\n1,AA\n2,B\n3,c\n4,d\n5,e\n');
SELECT syncup_undo(:'batch') IS NOT NULL AS undone;
SELECT * FROM t.both('target.u');
-- Later deleted, later inserted again.
SELECT * FROM t.go('complete', E'id,v\n1,A\n2,B\n3,c\n4,d\n5,e\n6,f\n');
SELECT t.last() AS batch \gset
SELECT * FROM t.go('complete', E'id,v\n1,A\n2,B\n3,c\n4,d\n5,e\n');
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
SELECT t.last() AS second \gset
SELECT * FROM t.go('complete', E'id,v\n1,A\n2,B\n3,c\n4,d\n5,e\n6,f\n');
SELECT t.refused(format('SELECT syncup_undo(%L)', :'second'));
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT syncup_undo(:'second') IS NOT NULL AS undone;
SELECT syncup_undo(:'batch') IS NOT NULL AS undone;
SELECT * FROM t.both('target.u');
-- A row changed since by somebody: refused, in each way, naming it, with nothing changed.
SELECT * FROM t.go('complete', E'id,v\n1,1\n3,c\n4,d\n5,e\n7,g\n');
SELECT t.last() AS batch \gset
UPDATE target.u SET v = 'since' WHERE id = 1;
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
UPDATE target.u SET v = '1' WHERE id = 1;
UPDATE target.u SET v = 'since' WHERE id = 7;
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
UPDATE target.u SET v = 'g' WHERE id = 7;
INSERT INTO target.u VALUES (2, 'since');
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
DELETE FROM target.u WHERE id IN (1, 2);
SELECT t.refused(format('SELECT syncup_undo(%L)', :'batch'));
-- What somebody took back already is done.
INSERT INTO target.u VALUES (1, 'A'), (2, 'B');
DELETE FROM target.u WHERE id = 7;
SELECT syncup_undo(:'batch') IS NOT NULL AS undone;
SELECT * FROM t.both('target.u');
-- A constraint in the way: refused as it says, nothing changed.
CREATE TABLE target.refers (id int PRIMARY KEY REFERENCES target.u);
SELECT * FROM t.go('complete', E'id,v\n1,A\n2,B\n3,c\n4,d\n5,e\n8,h\n');
INSERT INTO target.refers VALUES (8);
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
DROP TABLE target.refers;
-- A batch that changed nothing is undone too.
SELECT * FROM t.go('complete', E'id,v\n1,A\n2,B\n3,c\n4,d\n5,e\n8,h\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT syncup_drop_connector('C');
-- A batch that repaired drift: previous stays, the drift comes back.
TRUNCATE target.u;
SELECT t.map('target.u', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('initial', E'id,v\n1,a\n2,b\n');
UPDATE target.u SET v = 'drift' WHERE id = 1;
DELETE FROM target.u WHERE id = 2;
INSERT INTO target.u VALUES (3, 'drift', 'mine');
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.both('target.u');
-- Keys only, and several mappings, of which one refers to the other.
SELECT syncup_drop_connector('C');
CREATE TABLE target.dept (id int PRIMARY KEY);
CREATE TABLE target.emp (id int PRIMARY KEY, dept int NOT NULL REFERENCES target.dept);
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'dept', 'target.dept', 'dept.csv', 'id', '{"id": "id"}');
SELECT syncup_map_entity_type('C', 'emp', 'target.emp', 'm.csv', 'id', '{"id": "id", "dept": "dept"}');
SELECT t.unlimited();
CALL t.write('dept.csv', E'id\n1\n2\n');
SELECT * FROM t.go('initial', E'id,dept\n10,1\n20,2\n');
CALL t.write('dept.csv', E'id\n1\n3\n');
SELECT * FROM t.go('complete', E'id,dept\n10,3\n30,3\n');
TABLE target.emp ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE target.dept ORDER BY id;
TABLE target.emp ORDER BY id;
SELECT syncup_drop_connector('C');

-- A batch of changes that the source computed: undone or discarded, the connector needs a complete run.
TRUNCATE target.u;
SELECT t.map('target.u', 'id', '{"id": "id", "v": "v"}', '{"command_column": "cmd"}');
SELECT * FROM t.go('complete', E'cmd,id,v\n,1,a\n,2,b\n');
SELECT * FROM t.go('incremental', E'cmd,id,v\nupdate,1,A\ndelete,2,\ninsert,3,c\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.both('target.u');
SELECT needs_complete FROM syncup.status;
SELECT * FROM t.go('complete', E'cmd,id,v\n,1,a\n,2,b\n');
SELECT needs_complete FROM syncup.status;
SELECT t.prepare('incremental', E'cmd,id,v\nupdate,1,A\n') IS NULL AS prepared;
SELECT syncup_discard(t.last(), 'lost');
SELECT needs_complete FROM syncup.status;
SELECT t.refused($$SELECT t.prepare('incremental', E'cmd,id,v\n')$$);
SELECT syncup_drop_connector('C');

-- syncup.keep_changes_for: kept without asking, for that long, by what is applied while it is set.
TRUNCATE target.u;
SELECT t.map('target.u', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('initial', E'id,v\n1,a\n', false);
SET syncup.keep_changes_for = '1h';
SELECT * FROM t.go('complete', E'id,v\n1,b\n', false);
SELECT * FROM t.go('complete', E'id,v\n1,c\n', false);
SELECT * FROM t.batches;
SELECT t.rows_kept();
SET syncup.keep_changes_for = 0;
SELECT * FROM t.go('complete', E'id,v\n1,d\n', false);
SELECT kept FROM t.batches ORDER BY n;
SET syncup.keep_changes_for = '1s';
SELECT pg_sleep(1.1);
SELECT * FROM t.go('complete', E'id,v\n1,e\n', false);
SELECT n, kept FROM t.batches;
SELECT t.rows_kept();
SELECT t.refused(format('SELECT syncup_undo(%L)', t.batch(3)));
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
-- A blocked batch is kept whatever its age, and so are its changes once it is resumed.
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 1}');
SELECT * FROM t.go('complete', E'id,v\n1,d\n2,x\n3,x\n', false);
SELECT pg_sleep(1.1);
SELECT t.apply(false);
SELECT t.rows_kept();
SELECT status FROM syncup_resume(t.last());
SELECT t.rows_kept();
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
RESET syncup.keep_changes_for;
SELECT t.sqlstate($$SET syncup.keep_changes_for = -1$$);
SELECT syncup_drop_connector('C');

-- syncup_purge: forgets what ended longer ago, and nothing that is still needed.
TRUNCATE target.u;
SELECT t.map('target.u', 'id', '{"id": "id", "v": "v"}', '{"on_error": "quarantine"}');
SELECT t.refused($$SELECT syncup_purge('-1 second')$$);
SELECT syncup_purge(NULL) IS NULL AS nothing;
SELECT syncup_purge('0');
SELECT * FROM t.go('initial', E'id,v\n1,a\n');
SELECT * FROM t.go('complete', E'id,v\n1,b\n2,b\n,x\n');
SELECT * FROM t.go('incremental', E'id,v\n1,c\n2,c\n,x\n');
SELECT * FROM t.go('incremental', E'id,v\n1,d\n2,d\n3,d\n,x\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.go('incremental', E'id,v\n1,e\n2,e\n,x\n');
SELECT t.prepare('incremental', E'id,v\n1,f\n2,f\n,x\n') IS NULL AS prepared;
SELECT syncup_discard(t.last());
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('incremental', E'id,v\n1,f\n2,f\n,x\n');
SELECT t.prepare('complete', E'id,v\n1,f\n2,f\n,x\n') IS NULL AS prepared;
SELECT t.apply();
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'initial')"
SELECT * FROM t.batches;
SELECT t.rows_kept(), (SELECT count(*) FROM syncup.quarantine) AS quarantine, (SELECT count(*) FROM syncup.batch_counter) AS counters;
-- Nothing is that old.
SELECT syncup_purge('1 hour');
SELECT count(*) FROM syncup.batch;
-- All that can go goes; the waiting batch, the last applied one and the base of incremental runs stay.
SELECT syncup_purge('0');
SELECT * FROM t.batches;
SELECT t.rows_kept(), (SELECT count(*) FROM syncup.quarantine) AS quarantine, (SELECT count(*) FROM syncup.batch_counter) AS counters;
SELECT last_mode, last_status, queue_length, last_success IS NOT NULL AS success, age IS NOT NULL AS age FROM syncup.status;
SELECT syncup_purge('0');
SELECT status, inserted, updated, deleted FROM syncup_resume(t.waiting());
SELECT t.unlimited();
SELECT * FROM t.go('incremental', E'id,v\n1,g\n2,f\n,x\n');
SELECT stored_before FROM syncup.batch_counter WHERE batch = t.last();
-- Also where the last complete run was undone.
SELECT * FROM t.go('complete', E'id,v\n1,h\n2,f\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT syncup_purge('0');
SELECT * FROM t.batches;
SELECT * FROM t.go('incremental', E'id,v\n1,h\n2,f\n3,x\n');
SELECT stored_before FROM syncup.batch_counter WHERE batch = t.last();
SELECT syncup_purge('0');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.both('target.u');
SELECT syncup_drop_connector('C');

-- Decided by the query, the loop or beside the cursor that reads the changes; there are
-- so many of them that the tables would be emptied at once.
TRUNCATE target.t;
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('initial', E'id,v\n1,a\n');
CREATE PROCEDURE t.block(value text) LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_set_thresholds('C', '{"maximum_inserted_lines": 1, "maximum_updated_lines": 1}');
	PERFORM t.go('complete', E'id,v\n' || (SELECT string_agg(format(E'%s,%s\n', n, value || repeat('x', 40)), '') FROM generate_series(1, 3000) n), keep_changes => false);
END
$$;
CALL t.block('b');
SELECT pg_relation_size('syncup_changes.c_m') > 128 * 1024 AS much;
SELECT r.status, r.inserted, r.updated FROM (SELECT DISTINCT batch FROM syncup_changes.c_m) c, LATERAL syncup_resume(c.batch) r;
CALL t.block('c');
DO $$
DECLARE
	found record;
BEGIN
	FOR found IN SELECT batch FROM syncup_changes.c_m LOOP
		PERFORM syncup_discard(found.batch);
		EXIT;
	END LOOP;
END
$$;
CALL t.block('d');
BEGIN;
DECLARE reading CURSOR FOR SELECT count(*) OVER (), batch = t.last() AS batch FROM syncup_changes.c_m;
FETCH 1 FROM reading;
SELECT status, inserted, updated FROM syncup_resume(t.last(), true);
FETCH 1 FROM reading;
COMMIT;
SELECT t.rows_kept(), count(*), count(*) FILTER (WHERE v LIKE 'd%') AS written FROM target.t;
SELECT syncup_drop_connector('C');

\set end :srcdir '/include/end.sql'
\i :end
