-- A key that leaves one scoped mapping of a table and comes in another with the same
-- batch: the row changes hands (SPEC 2.1).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

CREATE TABLE target.person (id int PRIMARY KEY, name text, source text, note text DEFAULT 'new', gone timestamptz, boss int REFERENCES target.person);
CREATE TABLE target.card (id int PRIMARY KEY, person int NOT NULL REFERENCES target.person ON DELETE CASCADE);
CREATE VIEW t.person AS SELECT id, name, source, note, gone IS NOT NULL AS gone, boss FROM target.person ORDER BY id;
CREATE FUNCTION t.hands(staff text, extern text, mode text DEFAULT 'complete') RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('staff.csv', E'id,name\n' || staff);
	CALL t.write('extern.csv', E'id,name\n' || extern);
	PERFORM syncup_prepare('C', mode);
	RETURN QUERY SELECT t.apply();
END
$$;
CREATE FUNCTION t.maps(staff jsonb DEFAULT '{}', extern jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector('C', t.dir());
	PERFORM syncup_map_entity_type('C', 'staff', 'target.person', 'staff.csv', 'id', '{"id": "id", "name": "name"}', options => '{"scope": "source = ''HR''", "constants": {"source": "HR"}}' || staff);
	PERFORM syncup_map_entity_type('C', 'extern', 'target.person', 'extern.csv', 'id', '{"id": "id", "name": "name"}', options => '{"scope": "source = ''EXT''", "constants": {"source": "EXT"}}' || extern);
	PERFORM t.unlimited();
END
$$;
CREATE VIEW t.counted AS SELECT mapping, inserted, updated, deleted, cascaded, stored_before FROM syncup.batch_counter
WHERE batch = t.last() AND kind = 'entity type' ORDER BY mapping COLLATE "C";

CALL t.write('staff.csv', E'id,name\n');
CALL t.write('extern.csv', E'id,name\n');
SELECT t.maps();
SELECT t.hands(E'1,Ada\n7,Eve\n', E'20,Tom\n');
UPDATE target.person SET note = 'mine' WHERE id IN (7, 20);
INSERT INTO target.card VALUES (70, 7), (200, 20);
-- One goes from the first mapping to the second, one the other way: each with and
-- without another value. Nothing is cascaded, and what is not mapped stays.
SELECT t.hands(E'1,Ada\n20,Tom T.\n', E'7,Eve\n');
TABLE t.person;
TABLE target.card;
TABLE t.counted;
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
SELECT 'staff' AS mapping, command, id, changed FROM syncup_changes.c_staff UNION ALL SELECT 'extern', command, id, changed FROM syncup_changes.c_extern ORDER BY 1, 2;
SELECT id, name FROM syncup_previous.c_staff ORDER BY id;
SELECT id, name FROM syncup_previous.c_extern ORDER BY id;
-- Nothing to do the second time; then the way back, by undo and by an incremental run.
SELECT t.hands(E'1,Ada\n20,Tom T.\n', E'7,Eve\n');
SELECT syncup_undo(b.batch) IS NOT NULL AS undone FROM (SELECT batch FROM syncup.batch WHERE changes_kept ORDER BY seq DESC LIMIT 2) b;
TABLE t.person;
TABLE target.card;
SELECT t.hands(E'1,Ada\n20,Tom\n', E'7,Eve\n', 'incremental');
TABLE t.person;
SELECT t.hands(E'1,Ada\n7,Eve E.\n', E'20,Tom\n', 'incremental');
TABLE t.person;
TABLE t.counted;

-- Blocked, looked at, resumed.
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');
CALL t.write('staff.csv', E'id,name\n1,Ada\n');
CALL t.write('extern.csv', E'id,name\n7,Eve F.\n');
SELECT mapping, counter, count, exceeded FROM syncup_preview('C', 'complete') WHERE count > 0 ORDER BY mapping COLLATE "C" NULLS FIRST, counter COLLATE "C";
SELECT t.hands(E'1,Ada\n', E'7,Eve F.\n');
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.waiting());
SELECT line FROM regexp_split_to_table(syncup_report(t.waiting()), '\n') AS line WHERE line ~ '^ +(staff|extern) |Constraints|Eve';
-- Not where somebody has changed, taken or deleted the row since.
UPDATE target.person SET name = 'changed' WHERE id = 7;
SELECT t.refused(format('SELECT syncup_resume(%L)', t.waiting()));
UPDATE target.person SET name = 'Eve E.', source = 'other' WHERE id = 7;
SELECT t.refused(format('SELECT syncup_resume(%L)', t.waiting()));
UPDATE target.person SET source = 'HR' WHERE id = 7;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.waiting());
TABLE t.person;
TABLE target.card;
-- What was taken by hand already is done; by force the reviewed value is written.
SELECT t.hands(E'1,Ada\n', E'7,Eve F.\n20,Tom\n30,Zoe\n');
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 0, "maximum_inserted_lines": 1}');
SELECT t.hands(E'1,Ada\n7,Eve F.\n30,Zoe\n', E'20,Tom\n');
UPDATE target.person SET source = 'HR' WHERE id = 7;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.waiting());
TABLE t.counted;
SELECT t.hands(E'1,Ada\n', E'20,Tom\n30,Zoe\n7,Eve G.\n');
UPDATE target.person SET name = 'changed' WHERE id = 7;
SELECT status, inserted, updated, deleted FROM syncup_resume(t.waiting(), true);
TABLE t.person;
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 0}');
-- Undo is refused where the row was changed, or went on, since.
SELECT t.hands(E'1,Ada\n7,Eve G.\n', E'20,Tom\n30,Zoe\n');
UPDATE target.person SET source = 'other' WHERE id = 7;
SELECT t.refused(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.person SET source = 'HR' WHERE id = 7;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.person WHERE id = 7;

-- Nobody lets the row go; the receiver's scope; each fails, and nothing is written.
SELECT t.hands(E'1,Ada\n', E'20,Tom\n30,Zoe\n7,Eve G.\n1,Ada\n');
SELECT t.failure();
SELECT syncup_discard(t.waiting());
SELECT t.maps('{}', '{"constants": {"source": "E"}}');
SELECT t.hands(E'7,x\n', E'20,Tom\n30,Zoe\n1,Ada\n');
SELECT t.failure();
SELECT syncup_discard(t.waiting());
SELECT t.maps('{}', '{"constants": {"source": "EXT"}}');
-- A third mapping by another key; two that want the same row.
ALTER TABLE target.person ADD login text UNIQUE;
UPDATE target.person SET login = 'p' || id;
ALTER TABLE target.person ALTER login SET NOT NULL, ALTER login SET DEFAULT 'new', ALTER id SET DEFAULT 99;
CALL t.write('guest.csv', E'login,name\n');
CALL t.write('staff.csv', E'id,name\n1,Ada\n');
CALL t.write('extern.csv', E'id,name\n7,Eve G.\n20,Tom\n30,Zoe\n');
SELECT syncup_map_entity_type('C', 'guest', 'target.person', 'guest.csv', 'login', '{"login": "login", "name": "name"}', options => '{"scope": "source = ''G''", "constants": {"source": "G"}}');
SELECT t.hands(E'1,Ada\n', E'7,Eve G.\n20,Tom\n30,Zoe\n');
CALL t.write('guest.csv', E'login,name\np20,Tom the guest\n');
SELECT t.hands(E'1,Ada\n', E'7,Eve G.\n30,Zoe\n');
SELECT id, name, source, note, login FROM target.person ORDER BY id;
CALL t.write('guest.csv', E'login,name\np20,Tom\np7,Eve\n');
SELECT t.hands(E'1,Ada\n7,Eve\n', E'30,Zoe\n');
SELECT t.failure();
SELECT syncup_discard(t.waiting());
CALL t.write('guest.csv', E'login,name\n');
SELECT t.hands(E'1,Ada\n', E'7,Eve G.\n20,Tom\n30,Zoe\n');
SELECT id, name, source, note, login FROM target.person ORDER BY id;
SELECT syncup_drop_mapping('C', 'guest');
ALTER TABLE target.person DROP login;

-- deleted_column of the one that lets go, of the one that takes, of both.
CREATE FUNCTION t.retired(staff jsonb, extern jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.maps(staff, extern);
	RETURN QUERY SELECT t.hands(E'1,Ada\n7,Eve\n', E'20,Tom\n30,Zoe\n');
	RETURN QUERY SELECT t.hands(E'1,Ada\n20,Tom\n', E'7,Eve\n30,Zoe\n');
	RETURN QUERY SELECT p::text FROM t.person p WHERE id IN (7, 20);
	PERFORM syncup_undo(t.last());
	RETURN QUERY SELECT p::text FROM t.person p WHERE id IN (7, 20);
END
$$;
SELECT t.retired('{"deleted_column": "gone"}', '{}');
SELECT t.retired('{}', '{"deleted_column": "gone"}');
SELECT t.retired('{"deleted_column": "gone"}', '{"deleted_column": "gone"}');
-- A retired row comes back in the other, at another time, and is retired there.
SELECT t.hands(E'1,Ada\n', E'20,Tom\n30,Zoe\n', 'incremental');
SELECT * FROM t.person WHERE id = 7;
SELECT t.hands(E'1,Ada\n', E'7,Eve\n20,Tom\n30,Zoe\n', 'incremental');
SELECT * FROM t.person WHERE id = 7;
TABLE t.counted;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.person WHERE id = 7;
SELECT t.hands(E'1,Ada\n', E'7,Eve\n20,Tom\n30,Zoe\n');
SELECT t.hands(E'1,Ada\n', E'20,Tom\n30,Zoe\n');
SELECT * FROM t.person WHERE id = 7;
-- In both at once it is one row too many.
SELECT t.hands(E'1,Ada\n7,Eve\n', E'7,Eve\n20,Tom\n30,Zoe\n');
SELECT t.failure();
SELECT t.hands(E'1,Ada\n7,Eve\n', E'20,Tom\n30,Zoe\n');
SELECT t.maps('{"deleted_column": null}', '{"deleted_column": null}');

-- Files of changes.
SELECT t.maps('{"command_column": "command", "incremental_file": "staff_changes.csv"}', '{"command_column": "command", "incremental_file": "extern_changes.csv"}');
SELECT t.hands(E'1,Ada\n7,Eve\n', E'20,Tom\n30,Zoe\n');
CALL t.write('staff_changes.csv', E'command,id,name\ndelete,7,\ninsert,20,Tom\n');
CALL t.write('extern_changes.csv', E'command,id,name\nmerge,7,\ndelete,20,\n');
SELECT t.hands(E'1,Ada\n', E'20,Tom\n30,Zoe\n', 'incremental');
TABLE t.person;
SELECT t.maps('{"command_column": null, "incremental_file": null}', '{"command_column": null, "incremental_file": null}');

-- Links: a holder that changes hands keeps its link, and gets the one it is given where
-- it comes.
CALL t.write('boss.csv', E'id,boss\n2,1\n3,1\n');
SELECT syncup_map_association('C', 'boss', 'boss.csv', 'id', 'staff.id', 'boss', 'staff.id', 'target.person', target_column2 => 'boss');
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
DELETE FROM target.card;
SELECT t.hands(E'1,Ada\n2,Bo\n3,Cy\n5,Eli\n', E'4,Di\n30,Zoe\n');
CALL t.write('boss.csv', E'id,boss\n4,5\n');
SELECT t.hands(E'1,Ada\n4,Di\n5,Eli\n', E'2,Bo\n3,Cy\n30,Zoe\n', 'incremental');
TABLE t.person;
SELECT mapping, inserted, updated, deleted FROM syncup.batch_counter WHERE batch = t.last() AND kind = 'association' ORDER BY 1;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE t.person;
CALL t.write('boss.csv', E'id,boss\n4,5\n');
SELECT t.hands(E'1,Ada\n4,Di\n5,Eli\n', E'2,Bo\n3,Cy\n30,Zoe\n', 'complete');
TABLE t.person;
CALL t.write('boss.csv', E'id,boss\n4,5\n3,1\n2,5\n');
SELECT t.hands(E'1,Ada\n2,Bo\n3,Cy\n4,Di\n5,Eli\n', E'30,Zoe\n', 'complete');
TABLE t.person;

-- The constant of who takes the row refers to a row that goes.
CREATE TABLE target.origin (name text PRIMARY KEY);
CALL t.write('origin.csv', E'name\nHR\nEXT\n');
SELECT syncup_map_entity_type('C', 'origin', 'target.origin', 'origin.csv', 'name', '{"name": "name"}');
SELECT t.hands(E'1,Ada\n2,Bo\n3,Cy\n4,Di\n5,Eli\n', E'30,Zoe\n');
ALTER TABLE target.person ADD FOREIGN KEY (source) REFERENCES target.origin ON DELETE CASCADE;
CALL t.write('origin.csv', E'name\nHR\n');
SELECT t.hands(E'1,Ada\n2,Bo\n3,Cy\n4,Di\n', E'5,Eli\n30,Zoe\n');
SELECT t.failure();

-- A row of a link table by hand stays with the row; one of the source goes.
SELECT syncup_drop_connector('C');
CREATE TABLE target.user (id int PRIMARY KEY, name text, source text);
CREATE TABLE target.grp (id int PRIMARY KEY);
CREATE TABLE target.member (grp int NOT NULL REFERENCES target.grp, person int NOT NULL REFERENCES target.user, PRIMARY KEY (grp, person));
CALL t.write('staff.csv', E'id,name\n1,Ada\n2,Bo\n');
CALL t.write('extern.csv', E'id,name\n');
CALL t.write('grp.csv', E'id\n1\n2\n');
CALL t.write('member.csv', E'grp,id\n1,1\n2,2\n');
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'staff', 'target.user', 'staff.csv', 'id', '{"id": "id", "name": "name"}', options => '{"scope": "source = ''HR''", "constants": {"source": "HR"}}');
SELECT syncup_map_entity_type('C', 'extern', 'target.user', 'extern.csv', 'id', '{"id": "id", "name": "name"}', options => '{"scope": "source = ''EXT''", "constants": {"source": "EXT"}}');
SELECT syncup_map_entity_type('C', 'grp', 'target.grp', 'grp.csv', 'id', '{"id": "id"}');
SELECT syncup_map_association('C', 'member', 'member.csv', 'grp', 'grp.id', 'id', 'staff.id', 'target.member', 'grp', 'person');
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SELECT syncup_prepare('C', 'initial') IS NOT NULL;
SELECT t.apply();
INSERT INTO target.member VALUES (1, 2);
SELECT t.hands(E'1,Ada\n', E'2,Bo\n', 'incremental');
TABLE target.user ORDER BY id;
TABLE target.member ORDER BY 1, 2;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE target.user ORDER BY id;
TABLE target.member ORDER BY 1, 2;

-- Keys of several columns.
CREATE TABLE target.stop (trip text, n int, name text, source text, note text, PRIMARY KEY (trip, n));
CALL t.write('bus.csv', E'trip,n,name\nA,1,x\nA,2,y\n');
CALL t.write('tram.csv', E'trip,n,name\nB,1,z\n');
SELECT syncup_create_connector('K', t.dir());
SELECT syncup_map_entity_type('K', 'bus', 'target.stop', 'bus.csv', ARRAY['trip', 'n'], '{"trip": "trip", "n": "n", "name": "name"}', options => '{"scope": "source = ''bus''", "constants": {"source": "bus"}}');
SELECT syncup_map_entity_type('K', 'tram', 'target.stop', 'tram.csv', ARRAY['trip', 'n'], '{"trip": "trip", "n": "n", "name": "name"}', options => '{"scope": "source = ''tram''", "constants": {"source": "tram"}}');
SELECT t.unlimited('K');
SELECT syncup_prepare('K', 'initial') IS NOT NULL;
SELECT t.apply(connector => 'K');
UPDATE target.stop SET note = 'mine';
CALL t.write('bus.csv', E'trip,n,name\nA,2,y\nB,01,z\n');
CALL t.write('tram.csv', E'trip,n,name\nA,1,xx\n');
SELECT syncup_prepare('K', 'incremental') IS NOT NULL;
SELECT t.apply(connector => 'K');
TABLE target.stop ORDER BY 1, 2;
SELECT syncup_undo(t.last('K')) IS NOT NULL AS undone;
TABLE target.stop ORDER BY 1, 2;
CALL t.write('tram.csv', E'trip,n,name\nA,2,xx\n');
SELECT syncup_prepare('K', 'complete') IS NOT NULL;
SELECT t.apply(connector => 'K');
SELECT t.failure('K');

-- A unique value passes between rows of two scopes that stay, either way round, and to
-- one that comes; not both ways at once.
CREATE TABLE target.login (id int PRIMARY KEY, login text UNIQUE NOT NULL, source text);
CALL t.write('a.csv', E'id,login\n1,x\n2,y\n');
CALL t.write('b.csv', E'id,login\n11,p\n12,q\n');
SELECT syncup_create_connector('U', t.dir());
SELECT syncup_map_entity_type('U', 'a', 'target.login', 'a.csv', 'id', '{"id": "id", "login": "login"}', options => '{"scope": "source = ''A''", "constants": {"source": "A"}}');
SELECT syncup_map_entity_type('U', 'b', 'target.login', 'b.csv', 'id', '{"id": "id", "login": "login"}', options => '{"scope": "source = ''B''", "constants": {"source": "B"}}');
SELECT t.unlimited('U');
SELECT syncup_prepare('U', 'initial') IS NOT NULL;
SELECT t.apply(connector => 'U');
CREATE FUNCTION t.logins(a text, b text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('a.csv', E'id,login\n' || a);
	CALL t.write('b.csv', E'id,login\n' || b);
	PERFORM syncup_prepare('U', 'complete');
	RETURN QUERY SELECT t.apply(connector => 'U');
	RETURN QUERY SELECT t.failure('U') WHERE EXISTS (SELECT FROM syncup.batch b WHERE b.batch = t.last('U') AND status = 'failed');
	RETURN QUERY SELECT string_agg(format('%s=%s', id, login), ' ' ORDER BY id) FROM target.login;
	IF EXISTS (SELECT FROM syncup.batch b WHERE b.batch = t.last('U') AND status = 'applied') THEN
		PERFORM syncup_undo(t.last('U'));
		RETURN QUERY SELECT string_agg(format('%s=%s', id, login), ' ' ORDER BY id) FROM target.login;
	END IF;
END
$$;
SELECT t.logins(E'1,p\n2,y\n', E'11,z\n12,q\n');
SELECT t.logins(E'1,z\n2,y\n', E'11,x\n12,q\n');
SELECT t.logins(E'1,x\n2,y\n3,p\n', E'11,z\n12,q\n');
SELECT t.logins(E'1,z\n2,y\n', E'11,p\n12,q\n13,x\n');
SELECT t.logins(E'1,p\n2,y\n', E'11,x\n12,q\n');

-- The row that would take it is bad: it stays whose it was, until that one is good.
CREATE FUNCTION t.stops(mode text, bus text, tram text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('bus.csv', E'trip,n,name\n' || bus);
	CALL t.write('tram.csv', E'trip,n,name\n' || tram);
	PERFORM syncup_prepare('K', mode);
	RETURN QUERY SELECT t.apply(connector => 'K');
	RETURN QUERY SELECT string_agg(format('%s%s %s %s', trip, n, name, source), ', ' ORDER BY trip, n) FROM target.stop;
END
$$;
SELECT syncup_discard(t.last('K'));
ALTER TABLE target.stop ALTER name TYPE varchar(4);
SELECT syncup_create_connector('K', options => '{"on_error": "quarantine"}');
SELECT syncup_map_entity_type('K', 'bus', 'target.stop', 'bus.csv', ARRAY['trip', 'n']);
SELECT syncup_map_entity_type('K', 'tram', 'target.stop', 'tram.csv', ARRAY['trip', 'n']);
SELECT t.stops('complete', E'A,1,x\nA,2,y\n', E'B,1,z\n');
SELECT t.stops('incremental', E'A,2,y\n', E'B,1,z\nA,01,too long\n');
SELECT mapping, delta_inserted, delta_deleted, rejected FROM syncup.batch_counter WHERE batch = t.last('K') ORDER BY mapping COLLATE "C";
SELECT t.stops('complete', E'A,2,y\n', E'B,1,z\nA,1,too long\n');
SELECT t.stops('incremental', E'A,2,y\n', E'B,1,z\nA,1,xx\n');

-- In files of changes: neither deletion nor insertion is told again, so that a complete run is needed.
SELECT syncup_map_entity_type('K', 'bus', 'target.stop', 'bus.csv', ARRAY['trip', 'n'], options => '{"incremental_file": "bus_changes.csv", "command_column": "op"}');
CALL t.write('bus_changes.csv', E'op,trip,n,name\ndelete,A,2,\n');
SELECT t.stops('complete', E'A,2,y\n', E'B,1,z\nA,1,xx\n');
SET client_min_messages = warning;
SELECT t.stops('incremental', '', E'B,1,z\nA,1,xx\nA,02,too long\n');
SELECT needs_complete FROM syncup.status WHERE connector = 'K';
SELECT t.stops('complete', E'A,2,y\n', E'B,1,z\nA,1,xx\n');
SELECT syncup_map_entity_type('K', 'bus', 'target.stop', 'bus.csv', ARRAY['trip', 'n'], options => '{"incremental_file": null, "command_column": null}');
SELECT syncup_map_entity_type('K', 'tram', 'target.stop', 'tram.csv', ARRAY['trip', 'n'], options => '{"incremental_file": "tram_changes.csv", "command_column": "op"}');
SELECT t.stops('complete', E'A,2,y\n', E'B,1,z\nA,1,xx\n');
CALL t.write('tram_changes.csv', E'op,trip,n,name\ninsert,A,02,too long\n');
SELECT t.stops('incremental', E'C,1,new\n', '');
SELECT needs_complete FROM syncup.status WHERE connector = 'K';
-- A complete run with that row does not end it: the next one would read nothing of it.
SELECT t.stops('complete', E'C,1,new\n', E'B,1,z\nA,1,xx\nA,2,too long\n');
SELECT needs_complete FROM syncup.status WHERE connector = 'K';
SELECT t.stops('complete', E'C,1,new\n', E'B,1,z\nA,1,xx\nA,2,zz\n');
SELECT needs_complete FROM syncup.status WHERE connector = 'K';

\set end :srcdir '/include/end.sql'
\i :end
