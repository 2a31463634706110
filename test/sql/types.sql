-- Targets of every kind: any type of column through a whole life (inserted, the same
-- again, spelled otherwise, updated, deleted, each taken back), and tables that are
-- more than rows: generated and identity columns, partitions, triggers, row-level
-- security, constraints that wait, names that need quotes or are ours.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_types;
RESET client_min_messages;

-- A value's whole life in a column of a type. Row 1 goes from one value to another,
-- row 2 from null to a value, row 3 from a value to null; all go away; everything is
-- taken back, and must then be exactly as it was, target and previous.
CREATE FUNCTION t.life(type text, one text, two text, alike text DEFAULT NULL)
RETURNS TABLE (inserted text, again text, alike_is text, updated text, twice text, old_value text, new_value text, undone boolean, found_again text, deleted text, restored boolean)
LANGUAGE plpgsql AS $$
DECLARE
	rows_before text[];
	previous_before text[];
	first text := format(E'id,v\n1,%s\n2,\n3,%s\n', t.field(one), t.field(one));
	second text := format(E'id,v\n1,%s\n2,%s\n3,\n', t.field(two), t.field(one));
BEGIN
	EXECUTE format('CREATE TABLE target.life (id int PRIMARY KEY, v %s, other text DEFAULT ''mine'')', type);
	PERFORM t.map('target.life', 'id', '{"id": "id", "v": "v"}');
	inserted := t.go('complete', first);
	again := t.go('complete', first);
	IF alike IS NOT NULL THEN
		alike_is := t.go('complete', format(E'id,v\n1,%s\n2,\n3,%s\n', t.field(alike), t.field(alike)));
		PERFORM t.go('complete', first);
	END IF;
	rows_before := t.rows('target.life');
	previous_before := t.rows('syncup_previous.c_m');
	updated := t.go('complete', second);
	SELECT c.old_value, c.new_value INTO old_value, new_value FROM syncup_changes(t.last()) c WHERE key = '1';
	PERFORM syncup_undo(t.last());
	undone := t.rows('target.life') = rows_before AND t.rows('syncup_previous.c_m') = previous_before;
	found_again := t.go('incremental', second);
	twice := t.go('complete', second);
	rows_before := t.rows('target.life');
	previous_before := t.rows('syncup_previous.c_m');
	deleted := t.go('complete', E'id,v\n');
	IF EXISTS (SELECT FROM target.life) THEN
		RAISE 'rows remain';
	END IF;
	PERFORM syncup_undo(t.last());
	restored := t.rows('target.life') = rows_before AND t.rows('syncup_previous.c_m') = previous_before;
	PERFORM syncup_drop_connector('C');
	DROP TABLE target.life;
	RETURN NEXT;
END
$$;
-- A life in which all counts are as they must be is told short.
CREATE FUNCTION t.lives(type text, one text, two text, alike text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT CASE WHEN l.inserted = 'applied 3/0/0' AND l.again = 'applied 0/0/0' AND coalesce(l.alike_is, 'applied 0/0/0') = 'applied 0/0/0'
			AND l.updated = 'applied 0/3/0' AND l.twice = 'applied 0/0/0' AND l.undone AND l.found_again = 'applied 0/3/0'
			AND l.deleted = 'applied 0/0/3' AND l.restored
		THEN format('%s -> %s', l.old_value, l.new_value) ELSE l::text END
	FROM t.life(type, one, two, alike) l);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END
$$;
SELECT * FROM t.life('int', '1', '2', '01') \gx
CREATE TYPE t.mood AS ENUM ('sad', 'ok', 'happy');
CREATE TYPE t.pair AS (a int, b text);
CREATE TYPE t.odd AS (a int, p point);
CREATE DOMAIN t.positive AS int CONSTRAINT positive CHECK (value > 0);
CREATE DOMAIN t.code AS varchar(4) CHECK (value = upper(value));
CREATE DOMAIN t.pairs AS t.pair[];
-- citext is a contrib module: where it is not there, a domain takes its place.
DO $$
BEGIN
	CREATE EXTENSION citext SCHEMA t;
EXCEPTION WHEN undefined_file OR feature_not_supported THEN
	CREATE COLLATION t.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
	CREATE DOMAIN t.citext AS text COLLATE t.nocase;
END
$$;
CREATE TABLE t.type (n serial, type text, one text, two text, alike text);
INSERT INTO t.type (type, one, two, alike) VALUES
	('smallint', '-1', '7', ' -1 '),
	('bigint', '9223372036854775807', '-9223372036854775808', '+9223372036854775807'),
	('numeric(7,2)', '1.5', '99999.99', '1.501'),
	('numeric', '0.1', '123456789012345678901234567890.123456789', '1e-1'),
	('numeric', 'NaN', 'Infinity', 'nan'),
	('float8', '0.1', '1.7976931348623157e+308', '0.1000000000000000055'),
	('float8', '0.30000000000000004', '0.3', NULL),
	('float8', 'NaN', '-Infinity', 'nan'),
	('float4', '0.1', '16777216', '1e-1'),
	('boolean', 't', 'no', 'TRUE'),
	('timestamptz', '2026-01-01 12:00+02', '294276-12-31 23:59:59.999999Z', '2026-01-01T10:00:00Z'),
	('timestamptz(0)', '2026-01-01 12:00:00.4', 'infinity', '2026-01-01 12:00'),
	('timestamp', '2026-01-01', '2026-01-01 00:00:00.000001', '2026-01-01 00:00'),
	('date', '2026-02-03', '-infinity', '20260203'),
	('time', '12:00', '23:59:59.999999', '12:00:00.000'),
	('timetz', '12:00+02', '12:00+03', '12:00:00+02:00'),
	('interval', '1 day 02:00', '-1 mon +3 days', '26 hours'),
	('uuid', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000b', '{0000000000000000000000000000000A}'),
	('text', E'a "quoted", line\r\nand 1 \\N \\. ', E' \u00e4\U0001F600\t''', NULL),
	('text', 'NULL', 'null', NULL),
	('name', 'a', 'A', NULL),
	('"char"', 'a', 'b', NULL),
	('varchar(3)', 'abc', 'ab', 'abc  '),
	('char(3)', 'a', 'abc', 'a  '),
	('text[]', '{"a,b",NULL,"c\"d",""}', '{}', '{"a,b",null,c\"d,""}'),
	('int[]', '{1,2}', '[0:1]={1,2}', '{ 1, 2 }'),
	('int[]', '{{1,2},{3,4}}', '{{1,2,3,4}}', NULL),
	('point[]', '{"(1,2)","(3,4)"}', '{"(1,2)"}', '{"(1.0,2)","(3,4)"}'),
	('json', '{"a":1}', '{"a": 1}', NULL),
	('jsonb', '{"a":1,"b":[null,"x"]}', 'null', '{"b": [null, "x"], "a": 1.0}'),
	('jsonpath', '$.a', '$.b', '$."a"'),
	('t.mood', 'sad', 'happy', NULL),
	('t.mood[]', '{sad,ok}', '{ok}', '{"sad", ok}'),
	('t.positive', '1', '2', '01'),
	('t.code', 'AB', 'ABCD', NULL),
	('t.pair', '(1,"x, y")', '(,)', '( 1,"x, y")'),
	('t.odd', '(1,"(1,2)")', '(2,"(1,2)")', '(1,"(1.0,2)")'),
	('t.pairs', '{"(1,x)"}', '{"(1,x)","(2,y)"}', NULL),
	('t.citext', 'Name', 'NAMES', NULL),
	('bytea', '\xdeadbeef', '\x00', '\xDEADBEEF'),
	('inet', '10.0.0.1/8', '::1', '10.0.0.1/8'),
	('cidr', '10.0.0.0/8', '10.0.0.0/9', '10/8'),
	('macaddr', '08:00:2b:01:02:03', '08:00:2b:01:02:04', '0800.2B01.0203'),
	('bit(3)', '101', '111', 'B101'),
	('varbit', '1', '10', NULL),
	('int4range', '[1,3)', 'empty', '[1,2]'),
	('tstzrange', '[2026-01-01,)', '[2026-01-01,2026-01-02]', '["2026-01-01 02:00+02",)'),
	('int4multirange', '{[1,3)}', '{}', '{[1,2),[2,3)}'),
	('point', '(1,2)', '(1,2.0000000000000004)', '1.0,2'),
	('box', '(1,1),(0,0)', '(2,1),(0,0)', '(0,0),(1,1)'),
	('polygon', '((0,0),(1,0),(1,1))', '((0,0),(1,0),(2,1))', NULL),
	('circle', '<(1,2),3>', '<(1,2),4>', '((1,2),3)'),
	('tsvector', '''a'':1 ''b''', '''b''', 'b a:1'),
	('oid', '1', '4294967295', NULL),
	('regclass', 'pg_class', 'pg_catalog.pg_type', 'pg_catalog.pg_class'),
	('pg_lsn', '0/1', '16/B374D848', '0/01'),
	('money', '1.50', '-2', '$1.50'),
	('xid', '1', '2', NULL);
SELECT type, t.lives(type, one, two, alike) FROM t.type ORDER BY n;

-- What a type refuses is refused when it is prepared: nothing is cut off or rounded
-- into a range, and blanks are all that varchar(n) drops.
CREATE FUNCTION t.refusal(type text, value text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	EXECUTE format('CREATE TABLE target.refusal (id int PRIMARY KEY, v %s)', type);
	PERFORM t.map('target.refusal', 'id', '{"id": "id", "v": "v"}');
	SELECT string_agg(line, ' ') INTO said FROM t.refused(format('SELECT t.prepare(%L, %L)', 'complete', format(E'id,v\n1,\n2,%s\n', t.field(value)))) line;
	PERFORM syncup_drop_connector('C');
	DROP TABLE target.refusal;
	RETURN said;
END
$$;
SELECT type, t.refusal(type, value) FROM (VALUES
	('varchar(3)', 'abcd'), ('char(3)', 'abcd'), ('varchar(3)', 'ab  d'), ('varchar(3)[]', '{abcd}'), ('numeric(5,2)', '1000'), ('numeric(5,2)', '999.995'), ('smallint', '32768'), ('smallint', '1.5'),
	('bit(3)', '10'), ('bit(3)', '1010'), ('t.mood', 'Sad'), ('t.positive', '0'), ('t.code', 'ab'), ('t.code', 'ABCDE'), ('date', '2026-02-29'), ('date', '01/02/2024'), ('int[]', '{1,x}'),
	('t.pair', '(1)'), ('cidr', '10.0.0.1/8'), ('json', '{a}'), ('uuid', '1'), ('boolean', 'maybe'), ('int4range', '[3,1]'), ('time', '25:00'), ('float4', '1e39')) AS v (type, value);
-- A domain that takes no null.
CREATE DOMAIN t.given AS text NOT NULL;
CREATE TABLE target.given (id int PRIMARY KEY, v t.given);
SELECT t.map('target.given', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n');
SELECT t.refused($$SELECT t.prepare('complete', E'id,v\n1,a\n2,\n')$$);
SELECT syncup_drop_connector('C');
-- Every type compares by its own equality also as the key: another spelling is the same row.
CREATE FUNCTION t.key_life(type text, one text, two text, alike text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	said text;
	rows_before text[];
BEGIN
	EXECUTE format('CREATE TABLE target.life (k %s PRIMARY KEY, v text)', type);
	PERFORM t.map('target.life', 'k', '{"k": "k", "v": "v"}');
	said := t.go('complete', format(E'k,v\n%s,a\n%s,b\n', t.field(one), t.field(two)));
	said := said || ', ' || t.go('complete', format(E'k,v\n%s,b\n%s,a\n', t.field(two), t.field(alike)));
	rows_before := t.rows('target.life');
	said := said || ', ' || t.go('complete', format(E'k,v\n%s,c\n', t.field(alike)));
	PERFORM syncup_undo(t.last());
	said := said || ', ' || CASE WHEN t.rows('target.life') = rows_before THEN 'undone' ELSE t.rows('target.life')::text END;
	said := said || ', ' || t.go('incremental', format(E'k,v\n%s,c\n', t.field(one)));
	PERFORM syncup_drop_connector('C');
	DROP TABLE target.life;
	RETURN said;
END
$$;
SELECT type, t.key_life(type, one, two, alike) FROM (VALUES
	('int', '1', '2', '01'), ('numeric', '1', '2', '1.0'), ('uuid', '00000000-0000-0000-0000-00000000000a', '00000000-0000-0000-0000-00000000000b', '0000000000000000000000000000000A'),
	('text', 'a', 'A', 'a'), ('char(3)', 'a', 'b', 'a '), ('t.citext', 'a', 'b', 'A'), ('date', '2026-01-01', '2026-01-02', '20260101'), ('timestamptz', '2026-01-01', '2026-01-02', '2026-01-01 02:00+02'),
	('t.mood', 'sad', 'ok', 'sad'), ('t.positive', '1', '2', '01'), ('bytea', '\x0a', '\x0b', '\x0A'), ('inet', '10.0.0.1', '10.0.0.2', '10.0.0.1/32'), ('int[]', '{1}', '{2}', '{ 1 }'),
	('t.pair', '(1,x)', '(2,x)', '( 1,x)'), ('int4range', '[1,2]', '[4,5]', '[1,3)'), ('jsonb', '{"a":1}', '{"a":2}', '{"a": 1.0}'), ('boolean', 't', 'f', 'yes')) AS v (type, one, two, alike);

-- A type whose equal values nothing leads to cannot be a key.
CREATE TABLE target.bits (k bit(3) PRIMARY KEY, v text);
SELECT t.error($$SELECT t.map('target.bits', 'k', '{"k": "k", "v": "v"}')$$);

-- Columns beside the mapped ones: generated, identity, serial, defaults. An update
-- leaves them alone; a deletion taken back brings them back as they were.
CREATE TABLE target.beside (g text GENERATED ALWAYS AS (v || '!') STORED, n bigint GENERATED ALWAYS AS IDENTITY, id int PRIMARY KEY, m int GENERATED BY DEFAULT AS IDENTITY, v text, s serial, d date DEFAULT '2026-01-01', "Note" text DEFAULT 'new', gone text, tags text[] DEFAULT '{x,NULL}', at timestamptz(3));
ALTER TABLE target.beside DROP gone;
SELECT t.map('target.beside', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('initial', E'id,v\n1,a\n2,b\n3,c\n');
UPDATE target.beside SET "Note" = 'mine', d = NULL, at = '2026-05-05 05:05:05.123Z' WHERE id = 2;
CREATE TABLE t.before AS TABLE target.beside;
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,c\n4,d\n');
SELECT g, n, id, m, v, s, d, "Note", tags FROM target.beside ORDER BY id;
SELECT * FROM syncup_changes(t.last());
SELECT old ?& '{n,m,s,d,Note,tags,at}' AS others, old ? 'g' AS generated FROM syncup_changes.c_m WHERE command = 'delete';
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT count(*) AS different FROM (TABLE target.beside EXCEPT TABLE t.before) AS d;
SELECT count(*) FROM target.beside;
-- The next row goes on counting: what was restored took no number.
SELECT * FROM t.go('incremental', E'id,v\n1,A\n3,c\n4,d\n');
SELECT n, id, m, s FROM target.beside WHERE id = 4;
SELECT syncup_drop_connector('C');
-- Identity columns that are mapped: as the key, and beside it.
CREATE TABLE target.always (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, v text, n int GENERATED ALWAYS AS IDENTITY);
SELECT t.map('target.always', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('complete', E'id,v\n10,a\n20,b\n');
SELECT * FROM t.go('complete', E'id,v\n10,A\n30,c\n');
TABLE target.always ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE target.always ORDER BY id;
SELECT syncup_drop_connector('C');
CREATE TABLE target.numbered (id int PRIMARY KEY, v text, a int GENERATED ALWAYS AS IDENTITY, b int GENERATED BY DEFAULT AS IDENTITY);
SELECT t.map('target.numbered', 'id', '{"id": "id", "v": "v", "a": "a", "b": "b"}');
SELECT * FROM t.go('complete', E'id,v,a,b\n1,x,10,100\n2,y,20,200\n');
-- The number stays, another column changes.
SELECT * FROM t.go('complete', E'id,v,a,b\n1,X,10,101\n2,y,20,200\n');
SELECT t.failure();
TABLE target.numbered ORDER BY id;
-- A number that is always the table's own cannot be written over: failed, and said why.
SELECT * FROM t.go('complete', E'id,v,a,b\n1,X,11,101\n2,y,20,200\n');
SELECT t.failure();
TABLE target.numbered ORDER BY id;
SELECT syncup_drop_connector('C');

-- Names: quoted ones, those that our own tables and statements use, and other schemas.
CREATE SCHEMA "Other schema";
CREATE TABLE "Other schema"."Table ""x""" ("Key" int PRIMARY KEY, "Mixed Case" text, "select" text, "ümlaut" text, "per%cent" text, "quo'te" text, "back\slash" text, "dot.ted" text, "dou""ble" text);
SELECT t.map('"Other schema"."Table ""x"""', 'Key', '{"Key": "Key", "a": "Mixed Case", "b": "select", "c": "ümlaut", "d": "per%cent", "e": "quo''te", "f": "back\\slash", "g": "dot.ted", "h": "dou\"ble"}');
SELECT * FROM t.go('complete', E'Key,a,b,c,d,e,f,g,h\n1,a,b,c,d,e,f,g,h\n2,z,,,,,,,\n');
SELECT * FROM t.go('complete', E'Key,a,b,c,d,e,f,g,h\n1,A,B,C,D,E,F,G,H\n3,z,,,,,,,\n');
SELECT * FROM syncup_changes(t.last());
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE "Other schema"."Table ""x""" ORDER BY 1;
SELECT syncup_drop_connector('C');
SET client_min_messages = warning;
DROP SCHEMA "Other schema" CASCADE;
RESET client_min_messages;
-- Source columns with odd names.
CREATE TABLE target.odd (id int PRIMARY KEY, v text, w text);
SELECT t.map('target.odd', 'k "x"', '{"k \"x\"": "id", "two\nlines": "v", " ''; DROP": "w"}');
SELECT * FROM t.go('complete', E'"k ""x""","two\nlines"," ''; DROP"\n1,a,b\n');
TABLE target.odd;
SELECT syncup_drop_connector('C');
-- Every name that is special to us, mapped and not mapped.
CREATE FUNCTION t.ours(names text[], mapped boolean) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	columns jsonb := '{"id": "id", "v": "v"}';
	rows_before text[];
	file text := E'id,v' || CASE WHEN mapped THEN ',' || array_to_string(names, ',') ELSE '' END || E'\n';
	given text := CASE WHEN mapped THEN repeat(',x', cardinality(names)) ELSE '' END;
BEGIN
	EXECUTE format('CREATE TABLE target.ours (id int PRIMARY KEY, v text, %s)', (SELECT string_agg(format('%I text DEFAULT %L', n, 'mine'), ', ') FROM unnest(names) n));
	IF mapped THEN
		columns := columns || (SELECT jsonb_object_agg(n, n) FROM unnest(names) n);
	END IF;
	PERFORM t.map('target.ours', 'id', columns);
	RETURN QUERY SELECT t.go('complete', file || E'1,a' || given || E'\n2,b' || given || E'\n');
	rows_before := t.rows('target.ours');
	RETURN QUERY SELECT t.go('complete', file || E'1,A' || replace(given, 'x', 'y') || E'\n3,c' || given || E'\n');
	RETURN QUERY SELECT format('%s cells changed', count(*)) FROM syncup_changes(t.last());
	PERFORM syncup_undo(t.last());
	RETURN QUERY SELECT CASE WHEN t.rows('target.ours') = rows_before THEN 'undone' ELSE 'not undone' END;
	PERFORM syncup_drop_connector('C');
	DROP TABLE target.ours;
END
$$;
SELECT t.ours('{batch,command,changed,old,c1,c2,deleted,action,place,retired,h1,o1,x1,h2,o2,x2,s,r,t,d,p,name,value,ordinal,key,mapping,column_name,old_value,new_value,state,other,syncup_source,syncup_change,ctid_,batch_,command_}', true);
SELECT t.ours('{batch,command,changed,old,c1,c2,deleted,action,place,retired,h1,o1,x1,h2,o2,x2,s,r,t,d,p,name,value,ordinal,key,mapping,column_name,old_value,new_value,state,other,syncup_source,syncup_change,ctid_,batch_,command_}', false);
-- Even those of our own queries.
SELECT t.ours('{syncup_outside,syncup_retired}', true);
SELECT t.ours('{syncup_outside,syncup_retired}', false);

-- Partitions: rows go where they belong; the key must be unique in all of them
-- together, so a table partitioned by another column is refused (and no update of
-- another column moves a row to another partition).
CREATE TABLE target.parted (v text, id int PRIMARY KEY, other text DEFAULT 'mine') PARTITION BY RANGE (id);
CREATE TABLE target.parted_low PARTITION OF target.parted FOR VALUES FROM (0) TO (100);
CREATE TABLE target.parted_high (other text DEFAULT 'high', gone int, id int NOT NULL, v text);
ALTER TABLE target.parted_high DROP gone;
ALTER TABLE target.parted ATTACH PARTITION target.parted_high FOR VALUES FROM (100) TO (200);
SELECT t.map('target.parted', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n101,c\n102,d\n');
UPDATE target.parted SET other = 'own' WHERE id IN (2, 102);
SELECT * FROM t.go('complete', E'id,v\n1,A\n101,C\n103,e\n');
SELECT tableoid::regclass, id, v, other FROM target.parted ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT tableoid::regclass, id, v, other FROM target.parted ORDER BY id;
-- No partition for it: failed, nothing is written.
SELECT * FROM t.go('incremental', E'id,v\n1,A\n200,x\n');
SELECT t.failure();
SELECT count(*), bool_or(v = 'A') FROM target.parted;
SELECT syncup_drop_connector('C');
CREATE TABLE target.region (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
CREATE TABLE target.region_a PARTITION OF target.region (UNIQUE (id)) FOR VALUES IN ('a');
SELECT t.refused($$SELECT t.map('target.region', 'id', '{"id": "id", "region": "region"}')$$);
-- A partition by itself is a table like another: an update out of it is refused by it.
SELECT t.map('target.region_a', 'id', '{"id": "id", "region": "region", "v": "v"}');
SELECT * FROM t.go('complete', E'id,region,v\n1,a,x\n');
SELECT * FROM t.go('complete', E'id,region,v\n1,b,x\n');
SELECT t.failure();
SELECT syncup_drop_connector('C');

-- Inheritance: a child is a table of its own, and the parent sees what was written.
CREATE TABLE target.parent (id int PRIMARY KEY, v text, p text DEFAULT 'parent''s');
CREATE TABLE target.child (PRIMARY KEY (id), extra text DEFAULT 'mine') INHERITS (target.parent);
INSERT INTO target.parent VALUES (1, 'in the parent');
SELECT t.map('target.child', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n');
SELECT * FROM t.go('complete', E'id,v\n2,B\n3,c\n');
SELECT tableoid::regclass, * FROM target.parent ORDER BY id, 1;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT tableoid::regclass, * FROM target.parent ORDER BY id, 1;
SELECT syncup_drop_connector('C');

-- Triggers fire, before and after, per row and per statement.
CREATE TABLE target.fires (id int PRIMARY KEY, v text, w text DEFAULT 'w');
CREATE TABLE t.fired (n serial, what text);
CREATE FUNCTION t.fire() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO t.fired (what) VALUES (concat_ws(' ', TG_WHEN, TG_OP, TG_LEVEL, CASE WHEN TG_LEVEL = 'ROW' THEN CASE WHEN TG_OP <> 'INSERT' THEN OLD::text END END, CASE WHEN TG_LEVEL = 'ROW' AND TG_OP <> 'DELETE' THEN '-> ' || NEW::text END));
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER a BEFORE INSERT OR UPDATE OR DELETE ON target.fires FOR EACH ROW EXECUTE FUNCTION t.fire();
CREATE TRIGGER b AFTER INSERT OR UPDATE OR DELETE ON target.fires FOR EACH ROW EXECUTE FUNCTION t.fire();
CREATE TRIGGER c AFTER INSERT OR UPDATE OR DELETE ON target.fires FOR EACH STATEMENT EXECUTE FUNCTION t.fire();
SELECT t.map('target.fires', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.go('complete', E'id,v\n1,a\n2,b\n');
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,c\n');
SELECT what FROM t.fired ORDER BY n;
-- A run without changes fires nothing, nor does a blocked one, nor a preview.
TRUNCATE t.fired;
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,c\n');
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');
SELECT * FROM t.go('complete', E'id,v\n');
SELECT count(*) FROM syncup_preview('C', 'complete') WHERE exceeded;
SELECT count(*) FROM t.fired;
SELECT syncup_discard(t.last());
SELECT t.unlimited();
-- One that keeps a row back: failed, with a message that says so, whatever was to be done with it.
CREATE FUNCTION t.keep() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP = 'DELETE' AND OLD.id = 1 OR TG_OP = 'UPDATE' AND NEW.v = 'keep' OR TG_OP = 'INSERT' AND NEW.v = 'keep' THEN
		RETURN NULL;
	END IF;
	RETURN CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
END
$$;
CREATE TRIGGER keep BEFORE INSERT OR UPDATE OR DELETE ON target.fires FOR EACH ROW EXECUTE FUNCTION t.keep();
SELECT * FROM t.go('complete', E'id,v\n3,C\n');
SELECT t.failure();
SELECT * FROM t.go('complete', E'id,v\n1,keep\n3,C\n');
SELECT t.failure();
SELECT * FROM t.go('complete', E'id,v\n1,A\n3,C\n4,keep\n5,e\n');
SELECT t.failure();
TABLE target.fires ORDER BY id;
SELECT v, id FROM syncup_previous.c_m ORDER BY id;
DROP TRIGGER keep ON target.fires;
-- The message says what may keep rows back.
SELECT error ~ 'trigger' AS says_why FROM syncup.batch WHERE batch = t.last();
SELECT * FROM t.apply();
TABLE target.fires ORDER BY id;
-- One that changes another column, and one that writes the mapped column itself:
-- the complete run after it repairs that again, since it is not what the source says.
CREATE FUNCTION t.stamp() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.w := 'stamped'; IF NEW.v = 'e' THEN NEW.v := 'E'; END IF; RETURN NEW; END $$;
CREATE TRIGGER stamp BEFORE INSERT OR UPDATE ON target.fires FOR EACH ROW EXECUTE FUNCTION t.stamp();
SELECT * FROM t.go('complete', E'id,v\n1,A\n4,x\n5,f\n');
TABLE target.fires ORDER BY id;
SELECT * FROM t.go('complete', E'id,v\n1,A\n4,x\n5,e\n');
SELECT * FROM t.go('complete', E'id,v\n1,A\n4,x\n5,e\n');
SELECT syncup_drop_connector('C');

-- Row-level security holds for whoever runs it: rows that a policy hides are not there.
CREATE ROLE regress_syncup_types;
GRANT EXECUTE ON FUNCTION syncup_prepare, syncup_synchronize, syncup_undo, syncup_resume(uuid, boolean), syncup_resume(text, boolean) TO regress_syncup_types;
GRANT pg_read_server_files TO regress_syncup_types;
CREATE TABLE target.secured (id int PRIMARY KEY, v text, mine boolean DEFAULT true);
INSERT INTO target.secured VALUES (1, 'old', true), (2, 'hidden', false), (3, 'old', true);
ALTER TABLE target.secured ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON target.secured USING (mine) WITH CHECK (mine AND v <> 'refused');
GRANT USAGE ON SCHEMA target TO regress_syncup_types;
GRANT SELECT, INSERT, UPDATE, DELETE ON target.secured TO regress_syncup_types;
SELECT t.map('target.secured', 'id', '{"id": "id", "v": "v"}');
CREATE FUNCTION t.as_role(content text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	CALL t.write('m.csv', content);
	SET LOCAL ROLE regress_syncup_types;
	PERFORM syncup_prepare('C', 'complete');
	SELECT format('%s %s/%s/%s', status, inserted, updated, deleted) INTO said FROM syncup_synchronize('C', keep_changes => true);
	RESET ROLE;
	RETURN said;
END
$$;
SELECT t.as_role(E'id,v\n1,new\n4,new\n');
SELECT stored_before FROM syncup.batch_counter WHERE batch = t.last();
SELECT t.last() AS batch \gset
TABLE target.secured ORDER BY id;
SELECT t.as_role(E'id,v\n1,new\n4,refused\n');
SELECT t.failure();
SELECT t.as_role(E'id,v\n1,new\n4,new\n5,refused\n');
SELECT t.failure();
SELECT t.as_role(E'id,v\n1,new\n2,new\n4,new\n');
SELECT t.failure();
-- A policy that keeps a row from being deleted.
CREATE POLICY undeletable ON target.secured AS RESTRICTIVE FOR DELETE USING (id <> 1);
SELECT t.as_role(E'id,v\n4,new\n');
SELECT t.failure();
DROP POLICY undeletable ON target.secured;
TABLE target.secured ORDER BY id;
SELECT v, id FROM syncup_previous.c_m ORDER BY id;
SELECT syncup_discard(t.last());
SET ROLE regress_syncup_types;
SELECT syncup_undo(:'batch') IS NOT NULL AS undone;
RESET ROLE;
TABLE target.secured ORDER BY id;
SELECT syncup_drop_connector('C');
-- Without the right to a column, the run fails and says so.
REVOKE UPDATE ON target.secured FROM regress_syncup_types;
SELECT t.map('target.secured', 'id', '{"id": "id", "v": "v"}');
SELECT t.as_role(E'id,v\n1,newer\n3,old\n');
SELECT t.failure();
SELECT syncup_drop_connector('C');
DROP OWNED BY regress_syncup_types;
DROP ROLE regress_syncup_types;

-- Constraints that wait and such that do not. In each direction of a run: parents and
-- children come, go and change places in one batch.
CREATE TABLE target.waits (id int PRIMARY KEY, parent int REFERENCES target.waits DEFERRABLE INITIALLY DEFERRED, u text UNIQUE DEFERRABLE INITIALLY DEFERRED);
SELECT t.map('target.waits', 'id', '{"id": "id", "parent": "parent", "u": "u"}');
SELECT * FROM t.go('complete', E'id,parent,u\n1,2,a\n2,3,b\n3,,c\n');
SELECT * FROM t.go('complete', E'id,parent,u\n1,4,b\n2,1,a\n4,,c\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE target.waits ORDER BY id;
SELECT * FROM t.go('incremental', E'id,parent,u\n1,4,b\n2,1,a\n4,,c\n');
-- Two batches of one call: they wait in each.
SELECT t.prepare('complete', E'id,parent,u\n1,4,b\n2,1,a\n4,5,c\n5,,d\n') IS NOT NULL AS prepared;
SELECT t.prepare('incremental', E'id,parent,u\n1,4,a\n2,6,b\n4,5,c\n5,,d\n6,7,e\n7,,f\n') IS NOT NULL AS prepared;
SELECT * FROM t.apply();
SELECT t.failure();
SELECT syncup_drop_connector('C');
-- And what waits in the caller's own transaction goes on waiting.
CREATE TABLE target.second (id int PRIMARY KEY);
SELECT t.map('target.second', 'id', '{"id": "id"}');
BEGIN;
SELECT * FROM t.go('complete', E'id\n1\n');
INSERT INTO target.waits VALUES (101, 109, 'y'), (109, NULL, 'z');
UPDATE target.waits SET parent = 110 WHERE id = 101;
INSERT INTO target.waits VALUES (110, NULL, 'zz');
COMMIT;
SELECT * FROM target.waits WHERE id > 99 ORDER BY id;
BEGIN;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
UPDATE target.waits SET parent = 111 WHERE id = 101;
INSERT INTO target.waits VALUES (111, NULL, 'zzz');
COMMIT;
SELECT syncup_drop_connector('C');
-- What does not wait: see the test "passing".
CREATE TABLE target.plain (id int PRIMARY KEY, u text CONSTRAINT plain_u UNIQUE, parent int CONSTRAINT plain_parent REFERENCES target.plain);
SELECT t.map('target.plain', 'id', '{"id": "id", "u": "u", "parent": "parent"}');
SELECT * FROM t.go('complete', E'id,u,parent\n1,a,\n2,b,\n3,c,2\n');
-- A value that one row leaves and another takes is free in time if its row goes.
SELECT * FROM t.go('complete', E'id,u,parent\n1,a,2\n2,b,\n4,c,2\n');
SELECT * FROM t.go('complete', E'id,u,parent\n1,b,2\n2,a,\n4,c,2\n');
SELECT t.failure();
-- A row goes while the one that refers to it comes to refer to another.
SELECT * FROM t.go('complete', E'id,u,parent\n1,a,4\n4,c,\n');
SELECT t.failure();
TABLE target.plain ORDER BY id;
SELECT syncup_drop_connector('C');

-- A column that nobody fills is refused when the table is mapped.
CREATE TABLE target.unfilled (id int PRIMARY KEY, v text, must text NOT NULL);
SELECT t.refused($$SELECT t.map('target.unfilled', 'id', '{"id": "id", "v": "v"}')$$);
SELECT t.accepted($$SELECT t.map('target.unfilled', 'id', '{"id": "id", "v": "v"}', '{"constants": {"must": null}}')$$);
SELECT t.map('target.unfilled', 'id', '{"id": "id", "v": "v"}', '{"constants": {"must": "x"}}');
SELECT syncup_drop_connector('C');
ALTER TABLE target.unfilled ALTER must SET DEFAULT 'd';
SELECT t.map('target.unfilled', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_drop_connector('C');
-- So is a domain that takes no null, and has no default.
CREATE TABLE target.unfilled_domain (id int PRIMARY KEY, v text, must t.given);
SELECT t.accepted($$SELECT t.map('target.unfilled_domain', 'id', '{"id": "id", "v": "v"}')$$);
-- Views, foreign and temporary tables, and generated columns are refused too.
CREATE VIEW target.view AS SELECT * FROM target.unfilled;
SELECT t.refused($$SELECT t.map('target.view', 'id', '{"id": "id"}')$$);
SELECT t.refused($$SELECT t.map('target.beside', 'id', '{"id": "id", "v": "g"}')$$);

\set end :srcdir '/include/end.sql'
\i :end
