-- Recently modified flags (AFTER 1): who reads, what is flagged, who has seen it.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\set runs :srcdir '/include/runs.sql'
\i :begin
\i :runs
CREATE TABLE target.org (code text PRIMARY KEY, name text);
CREATE TABLE target.person (id int PRIMARY KEY, name text, org text REFERENCES target.org ON DELETE SET NULL, boss int);
CREATE TABLE target.team (a text, b date, title text, no int GENERATED ALWAYS AS IDENTITY UNIQUE, PRIMARY KEY (a, b));
CREATE TABLE target.member (person int, team int, PRIMARY KEY (person, team));
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'org', 'target.org', 'org.csv', 'code', '{"code": "code", "name": "name"}');
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_association('C', 'boss', 'person.csv', 'id', 'person.id', 'boss', 'person.id', 'target.person', target_column2 => 'boss');
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
CREATE VIEW t.flags AS
SELECT target, key, reason, deleted FROM syncup.flag ORDER BY target::text, key, deleted;
CREATE FUNCTION t.files(org text, person text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('org.csv', org);
	CALL t.write('person.csv', person);
END
$$;
-- One run of a consumer: what it is told.
CREATE FUNCTION t.look(consumer text, VARIADIC targets regclass[]) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	IF syncup.begin_seeing(consumer, targets) THEN
		RETURN QUERY SELECT format('%s %s%s', t, u.key, CASE WHEN u.deleted THEN ' deleted' END)
		FROM unnest(targets) t, syncup.unseen(consumer, t) u ORDER BY t::text, u.key;
	ELSE
		RETURN NEXT 'everything';
	END IF;
	PERFORM syncup.mark_seen(consumer);
END
$$;
SELECT t.files(E'code,name\nA,alpha\nB,beta\n', E'id,name,boss\n1,one,\n2,two,1\n3,three,1\n4,four,2\n');

-- Nobody reads: nothing is written, by no way.
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT mode, status FROM t.synchronize('C');
SELECT syncup_flag('target.person', '1');
SELECT count(*) FROM syncup.flag;
SELECT syncup_set_recently_modified_flag();

-- Who is not known looks at everything, once; then at what is flagged.
SELECT t.look('p', 'target.person', 'target.org');
SELECT t.look('p', 'target.person', 'target.org');
SELECT t.files(E'code,name\nA,alpha\nB,better\nC,gamma\n', E'id,name,boss\n1,one,\n2,zwei,1\n3,three,4\n5,five,\n');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C', keep_changes => true);
-- 2 was changed; 3 has another boss, who is 4 and goes (so it has none); 1 was 3's boss; 5 is new.
SELECT * FROM t.flags;
SELECT syncup_set_recently_modified_flag();
SELECT t.look('p', 'target.person', 'target.org');
-- All have seen it: it is forgotten.
SELECT count(*) FROM syncup.flag;
SELECT syncup_set_recently_modified_flag();
-- A second consumer: flags stay until both have seen them.
SELECT t.look('q', 'target.person');
SELECT syncup_flag('target.person', '3');
SELECT syncup_flag('target.org', 'B');
SELECT t.look('p', 'target.person', 'target.org');
SELECT * FROM t.flags;
SELECT t.look('q', 'target.person');
SELECT * FROM t.flags;
-- Twice flagged is told once, as it was last.
SELECT syncup_flag('target.org', 'B');
SELECT syncup_flag('target.org', 'B');
SELECT t.look('p', 'target.person', 'target.org');

-- Undo, under its own batch.
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM t.flags;
SELECT count(*) FROM syncup.flag WHERE batch = (SELECT batch FROM syncup.batch WHERE mode = 'undo');
SELECT t.look('p', 'target.person', 'target.org');
SELECT t.look('q', 'target.person');

-- A blocked batch flags when it is resumed, and nothing before.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT t.files(E'code,name\nA,a\nB,b\n', E'id,name,boss\n1,one,\n2,two,1\n3,three,1\n4,four,2\n');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT * FROM t.flags;
SELECT status FROM syncup_resume('C');
SELECT * FROM t.flags;
SELECT t.look('p', 'target.person', 'target.org');
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
-- Discarded: never.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT t.files(E'code,name\nA,x\nB,y\n', E'id,name,boss\n1,one,\n2,two,1\n3,three,1\n4,four,2\n');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT syncup_discard('C');
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SELECT * FROM t.flags;

-- What a foreign key takes along is flagged: the batch does not write it.
UPDATE target.person SET org = 'B' WHERE id IN (1, 4);
SELECT t.files(E'code,name\nA,a\n', E'id,name,boss\n1,one,\n2,two,1\n3,three,1\n4,four,2\n');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT * FROM t.flags;
SELECT t.look('p', 'target.person', 'target.org');
SELECT t.look('q', 'target.person');

-- Keys of several columns, links in a table of their own, whatever the session's DateStyle.
CALL t.write('team.csv', E'a,b,title,code\nx y,2026-01-31,X,x\n"q""q",2026-02-01,Q,q\n');
SET client_min_messages = warning;
SELECT syncup_map_entity_type('C', 'team', 'target.team', 'team.csv', '{a,b}'::text[], '{"a": "a", "b": "b", "title": "title"}', '{code}');
SELECT syncup_map_association('C', 'member', 'member.csv', 'p', 'person.id', 'team', 'team.code', 'target.member', 'person', 'team', '{"store2": "no"}');
RESET client_min_messages;
SELECT t.look('t', 'target.team', 'target.person');
CALL t.write('member.csv', E'p,team\n1,x\n');
SET datestyle = 'German';
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT * FROM t.flags;
SELECT t.look('t', 'target.team', 'target.person');
-- Only a link comes, then only a link goes.
CALL t.write('member.csv', E'p,team\n1,x\n2,x\n');
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT t.look('t', 'target.team', 'target.person');
CALL t.write('member.csv', E'p,team\n2,x\n');
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT t.look('t', 'target.team', 'target.person');
RESET datestyle;

-- An account that goes flags its owner, an owner its accounts.
CREATE TABLE target.account (dn text PRIMARY KEY);
SELECT syncup_create_connector('A', t.dir());
SELECT syncup_map_entity_type('A', 'account', 'target.account', 'account.csv', 'dn', '{"dn": "dn"}');
SELECT syncup_set_thresholds('A', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account');
INSERT INTO syncup.ownership (resource_type, account_key, owner_key, state) VALUES ('AD', 'a1', '1', 'decided'), ('AD', 'a2', '2', 'correlated'), ('AD', 'a3', NULL, 'ambiguous');
CALL t.write('account.csv', E'dn\na1\na2\na3\n');
SELECT syncup_prepare('A', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('A');
SELECT t.look('o', 'target.person', 'target.account');
CALL t.write('account.csv', E'dn\na2\n');
SELECT syncup_prepare('A', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('A');
SELECT t.look('o', 'target.person', 'target.account');
CALL t.write('person.csv', E'id,name,boss\n1,one,\n3,three,1\n4,four,\n');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('C');
SELECT t.look('o', 'target.person', 'target.account');

-- A key that changes: both are flagged, and whoever may have a link to the row.
CREATE TABLE target.thing (id int PRIMARY KEY, sn text, part_of int);
SELECT syncup_create_connector('R', t.dir());
SELECT syncup_map_entity_type('R', 'thing', 'target.thing', 'thing.csv', 'id', '{"id": "id", "sn": "sn"}', '{sn}', '{"stable_key": "sn"}');
SELECT syncup_map_association('R', 'whole', 'thing.csv', 'id', 'thing.id', 'whole', 'thing.id', 'target.thing', target_column2 => 'part_of');
SELECT syncup_set_thresholds('R', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
CALL t.write('thing.csv', E'id,sn,whole\n1,a,\n2,b,1\n');
SELECT syncup_prepare('R', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R');
SELECT t.look('r', 'target.thing');
CALL t.write('thing.csv', E'id,sn,whole\n7,a,\n2,b,7\n');
SELECT syncup_prepare('R', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R');
SELECT * FROM t.flags WHERE target = 'target.thing'::regclass;
SELECT t.look('r', 'target.thing');

-- A retired row is still there; one that comes back, too.
CREATE TABLE target.soft (id int PRIMARY KEY, gone timestamptz);
SELECT syncup_map_entity_type('R', 'soft', 'target.soft', 'soft.csv', 'id', '{"id": "id"}', options => '{"deleted_column": "gone"}');
SELECT t.look('s', 'target.soft');
CALL t.write('soft.csv', E'id\n1\n2\n');
SELECT syncup_prepare('R', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R');
SELECT t.look('s', 'target.soft');
CALL t.write('soft.csv', E'id\n1\n');
SELECT syncup_prepare('R', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R');
SELECT t.look('s', 'target.soft');

-- Rows of a partition are read as the whole table's as well.
CREATE TABLE target.whole (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE target.low PARTITION OF target.whole FOR VALUES FROM (0) TO (10);
SELECT syncup_map_entity_type('R', 'low', 'target.low', 'low.csv', 'id', '{"id": "id", "v": "v"}');
SELECT t.look('w', 'target.whole');
CALL t.write('low.csv', E'id,v\n1,a\n');
SELECT syncup_prepare('R', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R');
SELECT t.look('w', 'target.whole');

-- Two mappings that know the rows of a table by other keys: what the second does is told of all rows.
CREATE TABLE target.two (id int PRIMARY KEY, code text UNIQUE NOT NULL DEFAULT '', kind text);
SELECT syncup_map_entity_type('R', 'by_id', 'target.two', 'two.csv', 'id', '{"id": "id"}', options => '{"scope": "kind = ''i''", "constants": {"kind": "i", "code": "i"}}');
SELECT syncup_map_entity_type('R', 'by_code', 'target.two', 'two_code.csv', 'code', '{"code": "code"}', options => '{"scope": "kind = ''c''", "constants": {"kind": "c", "id": 5}}');
SELECT t.look('z', 'target.two');
CALL t.write('two.csv', E'id\n1\n');
CALL t.write('two_code.csv', E'code\n');
SELECT syncup_prepare('R', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R');
SELECT t.look('z', 'target.two');
CALL t.write('two_code.csv', E'code\nc\n');
SELECT syncup_prepare('R', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('R');
SELECT t.look('z', 'target.two');
SELECT syncup.find_key('target.two'), syncup.find_key('target.whole'), syncup.find_key('target.team'), syncup.find_key('t.flags');

-- What is refused.
SELECT t.error($$SELECT syncup_flag(NULL, '1')$$);
SELECT t.error($$SELECT syncup_flag('target.person', NULL)$$);
SELECT t.error($$SELECT syncup.mark_seen('p')$$);
SELECT t.error($$SELECT syncup_flag('target.nothing', '1')$$);
CREATE ROLE regress_flag;
GRANT USAGE ON SCHEMA syncup, target TO regress_flag;
GRANT EXECUTE ON FUNCTION syncup_flag TO regress_flag;
GRANT SELECT ON target.person TO regress_flag;
GRANT USAGE ON SCHEMA t TO regress_flag;
SET ROLE regress_flag;
SELECT t.error($$SELECT syncup_flag('target.person', '1')$$);
RESET ROLE;
GRANT UPDATE (name) ON target.person TO regress_flag;
SET ROLE regress_flag;
SELECT syncup_flag('target.person', '1');
SELECT syncup.flag('regress_flag', 'target.person', '1');
RESET ROLE;
SELECT t.look('p', 'target.person', 'target.org');

-- Too many that nobody looks at become one.
SELECT t.look('p', 'target.person', 'target.org');
SELECT syncup_flag('target.person', k::text) FROM generate_series(1, 5) k \g /dev/null
SELECT syncup.bound_flags('target.person', 1000);
SELECT t.look('p', 'target.person', 'target.org');
SELECT syncup_flag('target.person', k::text) FROM generate_series(1, 6) k \g /dev/null
SELECT syncup.bound_flags('target.person', 5);
SELECT count(*), count(key) FROM syncup.flag WHERE target = 'target.person'::regclass;
SELECT t.look('p', 'target.person', 'target.org');
-- also where nothing is synchronized, but rules and orders flag
INSERT INTO syncup.flag (target, key, reason) SELECT 'target.person', n::text, 'expression' FROM generate_series(1, 100001) n;
SELECT syncup_set_recently_modified_flag();
SELECT count(*), count(key) FROM syncup.flag WHERE target = 'target.person'::regclass;
SELECT t.look('p', 'target.person', 'target.org');

-- A table that is gone takes its flags and readers along.
SELECT syncup_flag('target.soft', '1');
SELECT syncup_drop_mapping('R', 'soft');
DROP TABLE target.soft;
SELECT syncup_set_recently_modified_flag();
SELECT consumer, target FROM syncup.consumer ORDER BY consumer, target::text;
DROP OWNED BY regress_flag;
DROP ROLE regress_flag;
\set end :srcdir '/include/end.sql'
\i :end
