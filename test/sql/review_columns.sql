-- What nobody reviewed is not written by a forced resume, and what somebody has written
-- since into columns that are not mapped is not deleted by undo.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

CREATE TABLE target.t (id int PRIMARY KEY, a text, b text, c numeric, note text DEFAULT 'new', at timestamptz DEFAULT clock_timestamp(), twice text GENERATED ALWAYS AS (a || a) STORED);
SELECT t.map('target.t', 'id', '{"id": "id", "a": "a", "b": "b", "c": "c"}');
SELECT * FROM t.go('initial', E'id,a,b,c\n1,a,b,1\n2,a,b,1\n3,a,b,1\n');
-- Reviewed: a of 1 and 2, b of 2, 3 goes, 4 comes. Somebody writes beside it, and in it.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('complete', E'id,a,b,c\n1,A,b,1\n2,A,B,1\n4,a,b,1\n');
UPDATE target.t SET b = 'beside', c = 7 WHERE id = 1;
UPDATE target.t SET a = 'in it', c = 7 WHERE id = 2;
UPDATE target.t SET b = 'beside' WHERE id = 3;
INSERT INTO target.t VALUES (4, 'theirs', 'theirs', 7);
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last(), force => true);
SELECT id, a, b, c FROM target.t ORDER BY id;
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
-- The next complete run finds the rest. A row that is gone comes back whole.
SELECT * FROM t.go('complete', E'id,a,b,c\n1,A,b,1\n2,A,B,1\n4,a,b,1\n');
UPDATE target.t SET c = 9 WHERE id = 4;
DELETE FROM target.t WHERE id = 2;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last(), force => true);
SELECT id, a, b, c FROM target.t ORDER BY id;
SELECT t.unlimited();

-- Undo of an insertion: what the defaults, or a trigger, gave is not somebody's writing.
CREATE FUNCTION t.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'by trigger'; RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE INSERT ON target.t FOR EACH ROW EXECUTE FUNCTION t.stamp();
SELECT * FROM t.go('complete', E'id,a,b,c\n1,A,b,1\n2,A,B,1\n4,a,b,1\n5,a,b,1\n6,a,b,1\n');
SELECT * FROM t.go('complete', E'id,a,b,c\n1,A,b,1\n2,A,B,1\n4,a,b,1\n5,a,b,1\n6,a,b,1\n7,a,b,1\n8,a,b,1\n');
UPDATE target.t SET note = 'mine' WHERE id = 7;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.t SET note = NULL WHERE id = 7;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.t SET note = 'by trigger' WHERE id = 7;
UPDATE target.t SET at = '2020-01-01' WHERE id = 8;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.t SET at = (SELECT (old ->> 'at')::timestamptz FROM syncup_changes.c_m c WHERE c.id = 8 AND c.command = 'insert' AND c.batch = t.last()) WHERE id = 8;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, a, note FROM target.t ORDER BY id;
-- In a batch that was blocked; deletions of the same batch come back with theirs.
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 1}');
UPDATE target.t SET note = 'kept' WHERE id = 6;
SELECT * FROM t.go('incremental', E'id,a,b,c\n1,A,b,1\n2,A,B,1\n4,a,b,1\n5,a,b,1\n9,a,b,1\n10,a,b,1\n');
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
UPDATE target.t SET note = 'mine' WHERE id = 10;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.t SET note = 'by trigger' WHERE id = 10;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, a, note FROM target.t ORDER BY id;
SELECT syncup_drop_connector('C');

-- Columns that hold links are the association's; retired rows that came back are no insertions.
CREATE TABLE target.person (id int PRIMARY KEY, boss int REFERENCES target.person, gone timestamptz, note text);
CALL t.write('boss.csv', E'id,boss\n2,1\n');
SELECT t.map('target.person', 'id', '{"id": "id"}', '{"deleted_column": "gone"}');
SELECT syncup_map_association('C', 'boss', 'boss.csv', 'id', 'm.id', 'boss', 'm.id', 'target.person', target_column2 => 'boss');
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SELECT * FROM t.go('complete', E'id\n1\n2\n');
UPDATE target.person SET note = 'mine' WHERE id = 2;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.person SET note = NULL WHERE id = 2;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE target.person;
SELECT * FROM t.go('complete', E'id\n1\n2\n');
SELECT * FROM t.go('complete', E'id\n1\n');
SELECT * FROM t.go('complete', E'id\n1\n2\n3\n');
UPDATE target.person SET note = 'mine' WHERE id = 2;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, gone IS NOT NULL AS gone, note FROM target.person ORDER BY id;

\set end :srcdir '/include/end.sql'
\i :end
