-- What constraints do by themselves: ON DELETE CASCADE, SET NULL, SET DEFAULT.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
CREATE VIEW t.taken AS
SELECT x.relation, x.mapping, x.kind, x.deleted, x.updated FROM syncup.batch_cascade x
WHERE x.batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1)
ORDER BY x.relation COLLATE "C", x.mapping COLLATE "C";
CREATE VIEW t.checked AS
SELECT t.mapping, t.counter, t.count, t.base, t.exceeded FROM syncup.threshold_check t
WHERE t.batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) AND t.count > 0
ORDER BY t.mapping COLLATE "C" NULLS FIRST, t.counter COLLATE "C";

-- One run with files that are written already.
CREATE FUNCTION t.go_on(connector text, mode text, force boolean DEFAULT false, keep_changes boolean DEFAULT false) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare(connector, mode);
	RETURN QUERY SELECT t.apply(keep_changes, force, connector);
END
$$;

-- A department goes: staff (mapped) goes with it, their cards (not mapped) with them,
-- and the cars that were theirs have nobody.
CREATE TABLE target.dept (id int PRIMARY KEY, name text);
CREATE TABLE target.staff (id int PRIMARY KEY, dept int REFERENCES target.dept ON DELETE CASCADE, boss int REFERENCES target.staff ON DELETE CASCADE);
CREATE TABLE target.card (a int, b int, staff int REFERENCES target.staff ON DELETE CASCADE, PRIMARY KEY (a, b));
CREATE TABLE target.stamp (a int, b int, n int, FOREIGN KEY (a, b) REFERENCES target.card ON DELETE CASCADE) PARTITION BY LIST (n);
CREATE TABLE target.stamp_1 PARTITION OF target.stamp FOR VALUES IN (1);
CREATE TABLE target.stamp_2 PARTITION OF target.stamp DEFAULT;
CREATE TABLE target.car (id int PRIMARY KEY, driver int REFERENCES target.staff ON DELETE SET NULL,
	owner int DEFAULT 1 REFERENCES target.staff ON DELETE SET DEFAULT);
SELECT syncup_create_connector('HR', t.dir());
CALL t.write('dept.csv', E'id,name\n10,Finance\n20,Sales\n30,Old\n');
CALL t.write('staff.csv', E'id,dept\n1,10\n2,20\n3,30\n4,30\n5,30\n');
SELECT syncup_map_entity_type('HR', 'dept', 'target.dept', 'dept.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_entity_type('HR', 'staff', 'target.staff', 'staff.csv', 'id', '{"id": "id", "dept": "dept"}');
SELECT t.go_on('HR', 'initial');
UPDATE target.staff SET boss = 3 WHERE id = 2;
UPDATE target.staff SET boss = 4 WHERE id = 1;
INSERT INTO target.card SELECT s, c, s FROM generate_series(1, 5) s, generate_series(1, 2) c;
INSERT INTO target.stamp SELECT a, b, n FROM target.card, generate_series(1, 3) n;
INSERT INTO target.car VALUES (1, 3, 3), (2, 4, 4), (3, 5, 1), (4, 1, 1);

-- Of the three of department 30, 4 moves to another in the same batch and 5 goes by
-- itself: constraints take 3 along, and 2, whose boss is 3. 1, whose boss is 4, stays.
SELECT syncup_set_thresholds('HR', '{"maximum_deleted_lines": 2, "max_percentage_deleted_lines": 0, "maximum_updated_lines": 1, "max_percentage_updated_lines": 0}');
SELECT syncup_set_thresholds('HR', '{"maximum_deleted_lines": 2}', 'staff');
CALL t.write('dept.csv', E'id,name\n10,Finance\n20,Sales\n');
CALL t.write('staff.csv', E'id,dept\n1,10\n2,20\n3,30\n4,20\n');
SELECT mapping, counter, count, base, exceeded FROM syncup_preview('HR', 'complete') WHERE count > 0 ORDER BY mapping COLLATE "C" NULLS FIRST, counter COLLATE "C";
SELECT t.go_on('HR', 'incremental');
SELECT * FROM t.taken;
SELECT * FROM t.checked;
SELECT mapping, deleted, updated, cascaded FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY 1;
SELECT line FROM regexp_split_to_table(syncup_report((SELECT batch FROM syncup.batch WHERE status = 'blocked')), '\n') AS line
WHERE line ~ 'Constraints|rows? of|updated\.$';
SELECT count(*) FROM target.staff;

-- Between review and resume somebody else came to refer to a row that goes.
INSERT INTO target.card VALUES (9, 9, 3);
SELECT t.error(format('SELECT syncup_resume(%L)', t.waiting()));
DELETE FROM target.card WHERE a = 9;
SELECT status FROM syncup_resume(t.waiting());
-- What was counted is what happened.
TABLE target.staff ORDER BY id;
SELECT (SELECT count(*) FROM target.card) AS cards, (SELECT count(*) FROM target.stamp) AS stamps;
TABLE target.car ORDER BY id;
-- The base of the next incremental run.
CALL t.write('staff.csv', E'id,dept\n1,10\n4,20\n6,10\n');
SELECT mapping, counter, count, base FROM syncup_preview('HR', 'incremental') WHERE mapping = 'staff' AND counter = 'inserted_lines';

-- A batch whose cascades are not in its changes says so when they are kept, and
-- cannot be undone.
CALL t.write('dept.csv', E'id,name\n10,Finance\n');
UPDATE target.staff SET boss = NULL;
SELECT t.go_on('HR', 'complete', true, true);
SELECT * FROM t.taken;
SELECT t.error(format('SELECT syncup_undo(%L)', t.last('HR')));
-- Nor one whose inserted rows others refer to by now.
DELETE FROM target.card;
DELETE FROM target.car;
CALL t.write('dept.csv', E'id,name\n10,Finance\n40,New\n');
CALL t.write('staff.csv', E'id,dept\n1,10\n6,10\n');
SELECT t.go_on('HR', 'complete', true, true);
INSERT INTO target.staff VALUES (99, 40);
SELECT t.error(format('SELECT syncup_undo(%L)', t.last('HR')));
DELETE FROM target.staff WHERE id = 99;
SELECT syncup_undo(t.last('HR')) IS NOT NULL;

-- A link table's rows count once: as deletions of links.
CREATE TABLE target.grp (id int PRIMARY KEY);
CREATE TABLE target.member (grp int NOT NULL REFERENCES target.grp ON DELETE CASCADE, staff int NOT NULL REFERENCES target.staff ON DELETE CASCADE, PRIMARY KEY (grp, staff));
CALL t.write('grp.csv', E'id\n1\n2\n');
CALL t.write('member.csv', E'grp,staff\n1,1\n2,1\n2,6\n');
SELECT syncup_create_connector('G', t.dir());
SELECT syncup_map_entity_type('G', 'grp', 'target.grp', 'grp.csv', 'id', '{"id": "id"}');
CREATE TABLE target.user (id int PRIMARY KEY);
ALTER TABLE target.member DROP CONSTRAINT member_staff_fkey;
CALL t.write('user.csv', E'id\n1\n6\n');
SELECT syncup_map_entity_type('G', 'user', 'target.user', 'user.csv', 'id', '{"id": "id"}');
SELECT syncup_map_association('G', 'member', 'member.csv', 'grp', 'grp.id', 'staff', 'user.id', 'target.member', 'grp', 'staff');
SELECT t.go_on('G', 'initial');
CALL t.write('grp.csv', E'id\n1\n');
SELECT t.go_on('G', 'complete', true);
SELECT * FROM t.taken;
SELECT mapping, deleted, cascaded FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY 1;
TABLE target.member;

-- A link written by hand goes with its end in an incremental run as well, whichever
-- end it is, and once where both go: counted and reviewed, plain foreign keys.
CREATE TABLE target.role (id int PRIMARY KEY, login text UNIQUE NOT NULL);
CREATE TABLE target.holds (who text NOT NULL REFERENCES target.role (login), grp int NOT NULL REFERENCES target.grp, note text, PRIMARY KEY (who, grp));
CALL t.write('role.csv', E'id,login\n1,one\n2,two\n3,three\n');
CALL t.write('grp2.csv', E'id\n1\n2\n3\n');
CALL t.write('holds.csv', E'who,grp\n1,1\n2,2\n');
SELECT syncup_drop_connector('G');
TRUNCATE target.grp CASCADE;
SELECT syncup_create_connector('R', t.dir());
SELECT syncup_map_entity_type('R', 'role', 'target.role', 'role.csv', 'id', '{"id": "id", "login": "login"}');
SELECT syncup_map_entity_type('R', 'grp', 'target.grp', 'grp2.csv', 'id', '{"id": "id"}');
SELECT syncup_map_association('R', 'holds', 'holds.csv', 'who', 'role.id', 'grp', 'grp.id', 'target.holds', 'who', 'grp', '{"store1": "login"}');
SELECT t.go_on('R', 'initial');
INSERT INTO target.holds VALUES ('two', 1, 'by hand'), ('one', 3, 'by hand'), ('two', 3, 'by hand'), ('three', 1, 'by hand');
CALL t.write('role.csv', E'id,login\n1,one\n3,three\n');
CALL t.write('grp2.csv', E'id\n1\n2\n');
CALL t.write('holds.csv', E'who,grp\n1,1\n');
SELECT syncup_prepare('R', 'incremental') IS NOT NULL;
SELECT status, deleted, links_deleted FROM syncup_synchronize('R');
SELECT mapping, command, key, column_name, old_value FROM syncup_changes(t.waiting()) WHERE mapping = 'holds' ORDER BY key, old_value;
SELECT status, deleted, links_deleted FROM syncup_resume(t.waiting());
TABLE target.holds ORDER BY who, grp;

-- deleted_column: the row stays, and so does what refers to it.
CREATE TABLE target.soft (id int PRIMARY KEY, gone timestamptz);
CREATE TABLE target.soft_child (id int PRIMARY KEY, soft int REFERENCES target.soft ON DELETE CASCADE);
CALL t.write('soft.csv', E'id\n1\n2\n');
SELECT syncup_create_connector('S', t.dir());
SELECT syncup_map_entity_type('S', 'soft', 'target.soft', 'soft.csv', 'id', '{"id": "id"}', options => '{"deleted_column": "gone"}');
SELECT t.go_on('S', 'initial');
INSERT INTO target.soft_child VALUES (1, 2);
CALL t.write('soft.csv', E'id\n1\n');
SELECT t.go_on('S', 'complete', true);
SELECT * FROM t.taken;
SELECT * FROM t.checked;
TABLE target.soft_child;

-- Who may not read the referring table: it is counted by the extension's owner.
CREATE ROLE regress_cascades;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_cascades;
GRANT EXECUTE ON ALL PROCEDURES IN SCHEMA public TO regress_cascades;
GRANT pg_read_server_files TO regress_cascades;
GRANT USAGE ON SCHEMA target TO regress_cascades;
GRANT SELECT, INSERT, UPDATE, DELETE ON target.dept TO regress_cascades;
CREATE TABLE target.secret (dept int REFERENCES target.dept ON DELETE CASCADE);
INSERT INTO target.secret VALUES (10), (10);
CALL t.write('dept.csv', E'id,name\n40,New\n');
CALL t.write('staff.csv', E'id,dept\n');
GRANT USAGE ON SCHEMA t TO regress_cascades;
GRANT SELECT, INSERT, UPDATE, DELETE ON target.staff TO regress_cascades;
SET ROLE regress_cascades;
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT status, deleted FROM syncup_synchronize('HR', force => true);
RESET ROLE;
SELECT * FROM t.taken;
TABLE target.secret;
DROP OWNED BY regress_cascades;
DROP ROLE regress_cascades;

-- Tables that inherit: a parent is no target, nor does one become it; a child is one.
CREATE TABLE target.parent (id int PRIMARY KEY);
CREATE TABLE target.child (PRIMARY KEY (id)) INHERITS (target.parent);
SELECT syncup_create_connector('I', t.dir());
CALL t.write('child.csv', E'id\n1\n');
SELECT t.error($$SELECT syncup_map_entity_type('I', 'parent', 'target.parent', 'child.csv', 'id', '{"id": "id"}')$$);
SELECT syncup_map_entity_type('I', 'child', 'target.child', 'child.csv', 'id', '{"id": "id"}');
SELECT t.go_on('I', 'initial');
CREATE TABLE target.grandchild () INHERITS (target.child);
SELECT t.error($$SELECT syncup_prepare('I', 'complete')$$);
DROP TABLE target.grandchild;
SELECT t.go_on('I', 'complete');

-- A row goes and those that refer to it move, to one that is there and to one that
-- comes; a new row is referred to by one that was there: plain constraints, undone too.
CREATE TABLE target.unit (id int PRIMARY KEY, code text UNIQUE, head int, over int REFERENCES target.unit);
CREATE TABLE target.person (id int PRIMARY KEY, unit int NOT NULL REFERENCES target.unit ON DELETE RESTRICT);
ALTER TABLE target.unit ADD FOREIGN KEY (head) REFERENCES target.person ON DELETE SET NULL;
CALL t.write('unit.csv', E'id,code,head,over\n10,A,1,\n40,B,2,10\n');
CALL t.write('person.csv', E'id,unit\n1,10\n2,40\n3,40\n');
SELECT syncup_create_connector('U', t.dir());
SELECT syncup_map_entity_type('U', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "unit": "unit"}');
SELECT syncup_map_entity_type('U', 'unit', 'target.unit', 'unit.csv', 'id', '{"id": "id", "code": "code", "head": "head", "over": "over"}');
SELECT t.go_on('U', 'initial');
CALL t.write('unit.csv', E'id,code,head,over\n10,A,4,50\n50,B,3,\n');
CALL t.write('person.csv', E'id,unit\n1,50\n3,10\n4,50\n');
SELECT t.go_on('U', 'incremental', true, true);
TABLE target.unit ORDER BY id;
TABLE target.person ORDER BY id;
SELECT * FROM t.taken;
SELECT syncup_undo(t.last('U')) IS NOT NULL;
TABLE target.unit ORDER BY id;
TABLE target.person ORDER BY id;

-- A row that the batch brings under one that goes by it is refused, not lost.
CREATE TABLE target.area (id int PRIMARY KEY);
CREATE TABLE target.spot (id int PRIMARY KEY, area int REFERENCES target.area ON DELETE CASCADE, near int REFERENCES target.spot ON DELETE SET NULL);
CALL t.write('area.csv', E'id\n1\n2\n3\n');
CALL t.write('spot.csv', E'id,area,near\n1,1,\n2,2,\n3,3,\n');
SELECT syncup_create_connector('A', t.dir());
SELECT syncup_map_entity_type('A', 'area', 'target.area', 'area.csv', 'id', '{"id": "id"}');
SELECT syncup_map_entity_type('A', 'spot', 'target.spot', 'spot.csv', 'id', '{"id": "id", "area": "area", "near": "near"}');
SELECT t.go_on('A', 'initial');
CALL t.write('area.csv', E'id\n1\n3\n');
CALL t.write('spot.csv', E'id,area,near\n1,1,\n3,3,\n4,2,\n');
SELECT syncup_prepare('A', 'incremental') IS NOT NULL;
SELECT status FROM syncup_synchronize('A', force => true);
SELECT error FROM syncup.batch ORDER BY seq DESC LIMIT 1;
TABLE target.spot ORDER BY id;
-- So is one that moves there, and one whose reference would be emptied.
CALL t.write('spot.csv', E'id,area,near\n1,2,\n3,3,\n');
SELECT syncup_prepare('A', 'complete') IS NOT NULL;
SELECT status FROM syncup_synchronize('A', force => true);
SELECT error FROM syncup.batch ORDER BY seq DESC LIMIT 1;
CALL t.write('spot.csv', E'id,area,near\n1,1,2\n3,3,\n');
SELECT syncup_prepare('A', 'complete') IS NOT NULL;
SELECT status FROM syncup_synchronize('A', force => true);
SELECT error FROM syncup.batch ORDER BY seq DESC LIMIT 1;
CALL t.write('spot.csv', E'id,area,near\n1,1,3\n3,3,\n4,1,\n');
SELECT syncup_prepare('A', 'complete') IS NOT NULL;
SELECT status, inserted, updated, deleted FROM syncup_synchronize('A', force => true);
TABLE target.spot ORDER BY id;

-- Whatever fills the foreign key of the row that comes: a constant, a default, a
-- generated column, a trigger; also where the batch maps no column of it.
CREATE TABLE target.place (id int PRIMARY KEY);
CREATE TABLE target.thing (id int PRIMARY KEY, v text, place int DEFAULT 2 REFERENCES target.place ON DELETE CASCADE);
CALL t.write('place.csv', E'id\n1\n2\n');
CALL t.write('thing.csv', E'id,v\n1,a\n');
CREATE FUNCTION t.things(columns jsonb, options jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector('T', t.dir());
	PERFORM syncup_map_entity_type('T', 'place', 'target.place', 'place.csv', 'id', '{"id": "id"}');
	PERFORM syncup_map_entity_type('T', 'thing', 'target.thing', 'thing.csv', 'id', columns, options => options);
END
$$;
CREATE FUNCTION t.two_goes_and_a_thing_comes() RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM target.thing;
	DELETE FROM target.place;
	CALL t.write('place.csv', E'id\n1\n2\n');
	CALL t.write('thing.csv', E'id,v\n');
	PERFORM t.go_on('T', 'complete', true);
	CALL t.write('place.csv', E'id\n1\n');
	CALL t.write('thing.csv', E'id,v\n4,a\n');
	PERFORM syncup_prepare('T', 'incremental');
	RETURN QUERY SELECT s.status FROM syncup_synchronize('T', force => true) s;
	RETURN QUERY SELECT error FROM syncup.batch ORDER BY seq DESC LIMIT 1;
	RETURN QUERY SELECT format('%s things', count(*)) FROM target.thing;
	PERFORM syncup_discard(b) FROM t.waiting() b WHERE b IS NOT NULL;
END
$$;
SELECT t.things('{"id": "id", "v": "v"}');
SELECT t.two_goes_and_a_thing_comes();
SELECT t.things('{"id": "id", "v": "v"}', '{"constants": {"place": 2}}');
ALTER TABLE target.thing ALTER place DROP DEFAULT;
SELECT t.two_goes_and_a_thing_comes();
ALTER TABLE target.thing DROP CONSTRAINT thing_place_fkey, ADD FOREIGN KEY (place) REFERENCES target.place ON DELETE SET NULL;
SELECT t.two_goes_and_a_thing_comes();
-- Another constant refers to a row that stays.
SELECT t.things('{"id": "id", "v": "v"}', '{"constants": {"place": 1}}');
SELECT t.two_goes_and_a_thing_comes();
SELECT t.things('{"id": "id", "v": "v"}', '{"constants": null}');
ALTER TABLE target.thing DROP place;
ALTER TABLE target.thing ADD place int GENERATED ALWAYS AS (length(v) + 1) STORED REFERENCES target.place ON DELETE CASCADE;
SELECT t.two_goes_and_a_thing_comes();
ALTER TABLE target.thing DROP place;
ALTER TABLE target.thing ADD place int REFERENCES target.place ON DELETE CASCADE;
CREATE FUNCTION t.to_place() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.place := 2; RETURN NEW; END $$;
CREATE TRIGGER to_place BEFORE INSERT ON target.thing FOR EACH ROW EXECUTE FUNCTION t.to_place();
SELECT t.two_goes_and_a_thing_comes();

\set end :srcdir '/include/end.sql'
\i :end
