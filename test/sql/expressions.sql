-- Property expressions (AFTER 2): what may be defined, what is computed, dirty as
-- complete, whose rights, rows that raise errors.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\set runs :srcdir '/include/runs.sql'
\i :begin
\i :runs
SET client_min_messages = warning;
CREATE TABLE target.org (code text PRIMARY KEY, name text, head int, label text);
CREATE TABLE target.person (id int PRIMARY KEY, first_name text, last_name text, org text, boss int, hired date, kind text, gone timestamptz,
	login text, mail varchar(14), org_name text, place text, n int, big int GENERATED ALWAYS AS (id) STORED);
CREATE FUNCTION t.files(org text, person text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('org.csv', org);
	CALL t.write('person.csv', person);
	PERFORM syncup_prepare('C', CASE WHEN EXISTS (SELECT FROM target.person) THEN 'complete' ELSE 'initial' END);
	RETURN (SELECT status FROM syncup_synchronize('C', keep_changes => true));
END
$$;
CREATE FUNCTION t.go(dirty boolean DEFAULT true) RETURNS SETOF text
LANGUAGE sql AS $$ SELECT format('%s.%s %s', target, property, rows) FROM syncup_update_expressions(dirty => dirty) WHERE rows > 0 $$;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'org', 'target.org', 'org.csv', 'code', '{"code": "code", "name": "name"}');
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "fn": "first_name", "ln": "last_name"}',
	options => '{"constants": {"kind": "person"}, "deleted_column": "gone"}');
SELECT syncup_map_association('C', 'organization', 'person.csv', 'id', 'person.id', 'org', 'org.code', 'target.person', target_column2 => 'org');
SELECT syncup_map_association('C', 'manager', 'person.csv', 'id', 'person.id', 'boss', 'person.id', 'target.person', target_column2 => 'boss');
SELECT syncup_map_association('C', 'head of', 'org.csv', 'code', 'org.code', 'head', 'person.id', 'target.org', target_column2 => 'head');
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
RESET client_min_messages;
SELECT t.files(E'code,name,head\nA,Alpha,1\nB,Beta,2\n', E'id,fn,ln,org,boss\n1,Ada,Löv,A,\n2,Bob,Bär,B,1\n3,Cy,,B,2\n4,Dan,D,,2\n');

-- What is refused, with what was meant.
SELECT t.error($$SELECT syncup_define_expression(NULL, 'login', '1')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'login', NULL)$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'logn', 'r.id')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'ctid', 'r.id')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'last_name', 'r.id')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'boss', 'r.id')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'kind', 'r.id')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'gone', 'now()')$$);
SELECT t.error($$SELECT syncup_define_expression('t.folder', 'path', '1')$$);
SELECT t.error($$SELECT syncup_define_expression('t.batches', 'reason', '1')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'org_name', NULL, 0, 'manger.organization.name')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'org_name', NULL, 0, 'manager.organisation.name')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'org_name', NULL, 0, 'organization.nam')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'org_name', NULL, 0, 'organization')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'org_name', NULL, 0, 'organization..name')$$);
SELECT t.error($$SELECT syncup_define_expression('target.org', 'label', NULL, 0, '"head of".organization.manager.name')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', '''x''')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'mail', '''longer than fourteen''')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', 'r.id) OR (true')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', 'r.id; SELECT 1')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', 'r.id, 1')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', 'v')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', 'random()')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', 'r.xmin::text::int')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'n', '(SELECT max(id) FROM target.person FOR UPDATE)')$$);
SELECT t.sqlstate($$SELECT syncup_define_expression('target.person', 'big', 'r.id')$$);
SELECT t.sqlstate($$SELECT syncup_define_expression('target.person', 'n', 'r.nothing')$$);
SELECT t.sqlstate($$SELECT syncup_define_expression('target.person', 'n', 'count(*)')$$);
SELECT rule FROM syncup.rule;

-- Defined, changed by defining again; a comment ends where the text does.
SELECT syncup_define_expression('target.person', 'login', $$syncup_format(left(r.first_name, 1) || r.last_name, 'simplify') -- so$$);
SELECT syncup_define_expression('target.person', 'mail', $$login || '@x.org'$$, 0);
-- What reads another has the higher priority; or, of one priority, gets what was there before.
SELECT syncup_define_expression('target.person', 'mail', $$login || '@x.org'$$, 1);
SELECT syncup_define_expression('target.person', 'org_name', 'upper(v)', binding => 'manager.organization.name');
SELECT syncup_define_expression('target.person', 'place', NULL, 1, 'manager.login');
SELECT syncup_define_expression('target.org', 'label', $$concat(r.code, ': ', v)$$, 2, '"head of".mail');
-- No circle among equals; a row may keep what it has.
SELECT t.error($$SELECT syncup_define_expression('target.person', 'login', 'r.place', 1)$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'place', 'coalesce(v, r.first_name)', 1, 'manager.place')$$);
SELECT t.error($$SELECT syncup_define_expression('target.person', 'mail', 'v', 2, 'organization.label')$$);
SELECT syncup_define_expression('target.person', 'n', 'coalesce(r.n, r.id * 10)');
SELECT rule, kind, is_on, definition FROM syncup.rule ORDER BY rule COLLATE "C";
SELECT r.rule, r.relation FROM syncup.rule_relation r ORDER BY 1, 2::text COLLATE "C";

-- Everything, once; then nothing. A null gives null.
SELECT * FROM syncup_update_expressions(dirty => true);
SELECT id, login, mail, org_name, place, n FROM target.person ORDER BY id;
SELECT code, label FROM target.org ORDER BY code;
-- What it wrote is flagged, and looked at once more, in vain.
SELECT target, key, reason, batch FROM syncup.flag ORDER BY 1::text, 2, seq;
SELECT * FROM syncup_update_expressions(dirty => true);
SELECT count(*) FROM syncup.flag;
SELECT t.go(false);

-- The organization of 2's manager, who is 1, gets another name: 2 is reached.
SELECT t.files(E'code,name,head\nA,Able,1\nB,Beta,2\n', E'id,fn,ln,org,boss\n1,Ada,Löv,A,\n2,Bob,Bär,B,1\n3,Cy,,B,2\n4,Dan,D,,2\n');
SELECT t.go();
SELECT t.go(false);
-- A name changes: login, mail, the place of whom 1 manages, the label of which 1 is head.
SELECT t.files(E'code,name,head\nA,Able,1\nB,Beta,2\n', E'id,fn,ln,org,boss\n1,Ada,Zeh,A,\n2,Bob,Bär,B,1\n3,Cy,,B,2\n4,Dan,D,,2\n');
SELECT t.go();
SELECT t.go(false);
-- A link moves, another goes.
SELECT t.files(E'code,name,head\nA,Able,1\nB,Beta,\n', E'id,fn,ln,org,boss\n1,Ada,Zeh,A,\n2,Bob,Bär,B,4\n3,Cy,,B,1\n4,Dan,D,,2\n');
SELECT t.go();
SELECT t.go(false);
-- Taken back.
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT t.go();
SELECT t.go(false);
-- By hand: with a flag, and without one.
UPDATE target.person SET first_name = 'Eve' WHERE id = 2;
SELECT t.go();
SELECT syncup_flag('target.person', '2');
SELECT t.go();
SELECT t.go(false);
UPDATE target.person SET login = 'mine' WHERE id = 2;
SELECT t.go();
SELECT t.go(false);
-- A row is deleted that nobody has told the rows linked to it of.
DELETE FROM target.org WHERE code = 'A';
INSERT INTO syncup.flag (target, key, reason, deleted) VALUES ('target.org', 'A', 'manual', true);
SELECT t.go();
SELECT t.go(false);
SELECT id, login, mail, org_name, place, n FROM target.person ORDER BY id;
-- A flag of a key that cannot be one is refused, or is as the type writes it.
SELECT t.error($$SELECT syncup_flag('target.person', 'one')$$);
SELECT syncup_flag('target.person', ' 007 ');
SELECT key FROM syncup.flag WHERE key = '7';
SELECT t.go();

-- Some targets only; none.
SELECT * FROM syncup_update_expressions('{target.org}');
SELECT t.error($$SELECT * FROM syncup_update_expressions('{t.folder}')$$);

-- A row that raises an error keeps its value, is noted, and harms no other, nor its own other values.
SELECT syncup_define_expression('target.person', 'n', '100 / (r.id - 2)');
SELECT syncup_define_expression('target.person', 'mail', $$r.login || repeat('x', r.id * r.id)$$);
SELECT * FROM syncup_update_expressions(dirty => true) WHERE rows > 0;
SELECT rule, key, message, tried_again FROM syncup.expression_error ORDER BY 1, 2;
SELECT what, of, count, shown_by FROM syncup.to_review ORDER BY shown_by;
SELECT id, login, mail, n FROM target.person ORDER BY id;
-- They are tried again, whether flagged or not.
UPDATE target.person SET login = '' WHERE id = 4;
SELECT * FROM syncup_update_expressions(dirty => true) WHERE rows > 0;
SELECT rule, key FROM syncup.expression_error ORDER BY 1, 2;
SELECT syncup_define_expression('target.person', 'n', '100 / (r.id + 2)');
SELECT syncup_drop_rule('expression person.mail');
SELECT * FROM syncup_update_expressions(dirty => true) WHERE rows > 0;
SELECT * FROM syncup.expression_error;
-- Two of one unique value: one has it.
UPDATE target.person SET place = NULL;
CREATE UNIQUE INDEX ON target.person (place);
SELECT syncup_define_expression('target.person', 'place', '(r.id / 2)::text');
SELECT * FROM syncup_update_expressions() WHERE rows > 0;
SELECT rule, key, message FROM syncup.expression_error;
SELECT count(DISTINCT place), count(place) FROM target.person;
-- What all rows raise is still noted row by row.
SELECT syncup_define_expression('target.person', 'n', '1 / (r.id - r.id)');
SELECT * FROM syncup_update_expressions() WHERE rows > 0;
SELECT rule, count(*) FROM syncup.expression_error GROUP BY rule ORDER BY rule;
SELECT syncup_drop_rule('expression person.n');
SELECT syncup_drop_rule('expression person.place');
SELECT rule, count(*) FROM syncup.expression_error GROUP BY rule;

-- Mapped after it was defined: it does not fight.
SELECT syncup_define_expression('target.person', 'n', 'r.id');
SET client_min_messages = warning;
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "fn": "first_name", "ln": "last_name", "n": {"column": "n", "optional": "keep"}}');
RESET client_min_messages;
SELECT t.error($$SELECT * FROM syncup_update_expressions()$$);
SELECT syncup_drop_rule('expression person.n');
SELECT t.go(false);

-- Values as the column has them: once written there is nothing to write.
CREATE TYPE target.mood AS ENUM ('good', 'bad');
CREATE DOMAIN target.short AS text CHECK (length(value) < 3);
CREATE TABLE target.typed (a int, b date, num numeric(5,2), c char(4), j json, m target.mood, s target.short, ar int[], ts timestamptz(0), bits bit(3), jb jsonb, PRIMARY KEY (a, b));
INSERT INTO target.typed VALUES (1, '2026-01-31'), (2, '2026-02-01');
SELECT syncup_define_expression('target.typed', p, e) FROM (VALUES ('num', 'r.a / 3.0'), ('c', $$'x'$$), ('j', $$json_build_object('a', r.a)$$), ('m', $$CASE r.a WHEN 1 THEN 'good' ELSE 'bad' END$$),
	('s', 'repeat(r.a::text, r.a)'), ('ar', 'ARRAY[r.a]'), ('ts', 'r.b + interval ''0.4 s'''), ('bits', $$B'101'$$), ('jb', 'to_jsonb(r.a)')) AS x (p, e);
SELECT * FROM syncup_update_expressions('{target.typed}', true);
SELECT a, b, num, c, j, m, s, ar, ts AT TIME ZONE 'UTC' AS ts, bits, jb FROM target.typed ORDER BY a;
SELECT * FROM syncup_update_expressions('{target.typed}') WHERE rows > 0;
-- Keys of several columns are found as well, whatever the DateStyle.
SET datestyle = 'German';
SELECT * FROM syncup_update_expressions('{target.typed}', true) WHERE rows > 0;
UPDATE target.typed SET num = 9;
SELECT syncup_flag('target.typed', '(2,2026-02-01)');
SELECT * FROM syncup_update_expressions('{target.typed}', true) WHERE rows > 0;
RESET datestyle;
SELECT a, num FROM target.typed ORDER BY a;
-- A value that is too long is an error, and nothing is cut.
SELECT syncup_define_expression('target.typed', 'c', $$repeat('x', r.a * 3)$$);
SELECT * FROM syncup_update_expressions('{target.typed}', true) WHERE rows > 0;
SELECT key, message FROM syncup.expression_error;

-- A partitioned table.
CREATE TABLE target.part (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
CREATE TABLE target.part1 PARTITION OF target.part FOR VALUES FROM (0) TO (10);
CREATE TABLE target.part2 PARTITION OF target.part FOR VALUES FROM (10) TO (20);
INSERT INTO target.part VALUES (1), (11);
SELECT syncup_define_expression('target.part', 'v', 'r.id::text');
SELECT * FROM syncup_update_expressions('{target.part}', true);
UPDATE target.part SET v = NULL;
SELECT syncup_flag('target.part2', '11');
SELECT * FROM syncup_update_expressions('{target.part}', true);
TABLE target.part;

-- Whose rights: the owner's, whoever calls; callers are members.
CREATE ROLE regress_rule;
CREATE ROLE regress_other;
GRANT USAGE ON SCHEMA syncup, target, t TO regress_rule, regress_other;
GRANT EXECUTE ON FUNCTION syncup_define_expression, syncup_update_expressions, syncup_drop_rule TO regress_rule, regress_other;
GRANT SELECT ON syncup.rule TO regress_rule, regress_other;
CREATE TABLE target.secret (id int PRIMARY KEY, v text);
INSERT INTO target.secret VALUES (1, 'secret');
CREATE TABLE target.own (id int PRIMARY KEY, v text, w text, x text);
INSERT INTO target.own VALUES (1), (2);
GRANT SELECT (id, v), UPDATE (v) ON target.own TO regress_rule;
SET ROLE regress_rule;
SELECT t.error($$SELECT syncup_define_expression('target.own', 'w', '''a''')$$);
SELECT t.error($$SELECT syncup_define_expression('target.own', 'v', 'r.w')$$);
SELECT t.error($$SELECT syncup_define_expression('target.own', 'v', '(SELECT v FROM target.secret)')$$);
SELECT syncup_define_expression('target.own', 'v', 'current_user || r.id');
SET ROLE regress_other;
SELECT * FROM syncup.rule;
SELECT t.error($$SELECT * FROM syncup_update_expressions('{target.own}')$$);
SELECT * FROM syncup_update_expressions();
SELECT t.error($$SELECT syncup_drop_rule('expression own.v')$$);
RESET ROLE;
GRANT ALL ON target.own TO regress_other;
SET ROLE regress_other;
SELECT t.error($$SELECT syncup_define_expression('target.own', 'v', '''mine''')$$);
SELECT syncup_define_expression('target.own', 'w', 'r.v');
RESET ROLE;
SELECT * FROM syncup_update_expressions('{target.own}', true);
TABLE target.own;
-- A trigger of the table has them too, and can put nothing off until it has others.
CREATE TABLE target.seen (who text, at text);
GRANT INSERT ON target.seen TO regress_rule;
CREATE FUNCTION target.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO target.seen VALUES (current_user, TG_ARGV[0]); RETURN NULL; END $$;
CREATE TRIGGER now AFTER UPDATE ON target.own FOR EACH ROW EXECUTE FUNCTION target.see('now');
CREATE CONSTRAINT TRIGGER later AFTER UPDATE ON target.own DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION target.see('later');
UPDATE target.own SET v = NULL WHERE id = 1;
TRUNCATE target.seen;
SELECT syncup_drop_rule('expression own.w');
SELECT * FROM syncup_update_expressions('{target.own}');
SELECT * FROM target.seen ORDER BY at;
-- It cannot become somebody else.
UPDATE target.own SET v = NULL WHERE id = 1;
CREATE OR REPLACE FUNCTION target.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN SET ROLE regress_other; RETURN NULL; END $$;
SELECT t.error($$SELECT * FROM syncup_update_expressions('{target.own}')$$);
-- Rights that are gone stop the run, and the rule is named.
DROP TRIGGER now ON target.own;
DROP TRIGGER later ON target.own;
REVOKE UPDATE (v) ON target.own FROM regress_rule;
DO $$
DECLARE
	context text;
BEGIN
	PERFORM syncup_update_expressions('{target.own}');
EXCEPTION WHEN insufficient_privilege THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE NOTICE '%: %', SQLERRM, (SELECT l FROM string_to_table(context, E'\n') l WHERE l ~ '^rule');
END
$$;
GRANT UPDATE (v) ON target.own TO regress_rule;
-- Row security is the owner's.
ALTER TABLE target.own ENABLE ROW LEVEL SECURITY;
CREATE POLICY one ON target.own TO regress_rule USING (id = 1);
UPDATE target.own SET v = NULL;
SELECT * FROM syncup_update_expressions('{target.own}');
TABLE target.own;

SELECT syncup_drop_rule(rule) FROM syncup.rule WHERE rule <> 'expression own.v';
DROP OWNED BY regress_rule, regress_other;
DROP ROLE regress_rule, regress_other;
SELECT t.error($$SELECT * FROM syncup_update_expressions()$$);
SELECT syncup_drop_rule(rule) FROM syncup.rule;
SELECT count(*) AS consumers FROM syncup.consumer;
\set end :srcdir '/include/end.sql'
\i :end
