-- Rows that cannot be used: stop or set aside, and what they must never do (SPEC
-- 4.1, 4.3, 2.5: on_error, reject_limit, duplicates, quoting).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

CREATE TABLE target.person (id int PRIMARY KEY, name text, age int);
CREATE PROCEDURE t.connector(name text, options jsonb DEFAULT '{}')
LANGUAGE sql AS $$
	SELECT syncup_create_connector(name, t.dir(), options);
	SELECT syncup_set_thresholds(name, '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0,
		"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "max_percentage_set_aside_lines": 0}');
$$;
CALL t.connector('HR');
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name", "age": "age"}');
-- Of the batch prepared last.
CREATE VIEW t.counters AS
SELECT mapping, rows_read AS read, rows_kept AS kept, null_keys AS nulls, duplicates AS dup, rejected AS bad,
	delta_inserted AS ins, delta_updated AS upd, delta_deleted AS del, deletions_suspended AS suspended,
	rows_read = rows_kept + null_keys + duplicates + rejected + empty_links AS adds_up
FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY mapping;
CREATE VIEW t.quarantine AS
SELECT mapping, line, reason, key, message, raw FROM syncup.quarantine
WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY mapping, line;
CREATE FUNCTION t.rows(relation regclass) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	result text;
BEGIN
	EXECUTE format('SELECT string_agg(id || %L || coalesce(name, %L), %L ORDER BY id::int) FROM %s', '=', '-', ' ', relation) INTO result;
	RETURN result;
END
$$;
-- What a run of this file does, leaving no trace: its counters, what is set aside,
-- and what target and previous are then.
CREATE FUNCTION t.try(mode text, content bytea, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
	lines text[];
BEGIN
	CALL t.write('person.csv', content);
	BEGIN
		PERFORM syncup_prepare('HR', mode, '{"on_error": "quarantine"}' || options);
		lines := ARRAY(SELECT format('line %s: %s, key %s, %s', line, reason, coalesce(key, '(null)'), message) FROM t.quarantine)
			|| ARRAY(SELECT format('%s read: %s kept, %s null, %s dup, %s bad; delta %s %s %s%s%s', read, kept, nulls, dup, bad, ins, upd, del,
				CASE WHEN suspended THEN ', nothing deleted' END, CASE WHEN NOT adds_up THEN ', DOES NOT ADD UP' END) FROM t.counters);
		IF (SELECT bool_or(status <> 'applied') FROM syncup_synchronize('HR')) THEN
			lines := lines || (SELECT 'NOT APPLIED: ' || error FROM syncup.batch WHERE status = 'failed');
		END IF;
		lines := lines || ARRAY['target:   ' || t.rows('target.person'), 'previous: ' || t.rows('syncup_previous.hr_person')];
		RAISE SQLSTATE 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	END;
	RETURN QUERY SELECT line FROM unnest(lines) line;
END
$$;
CREATE FUNCTION t.try(mode text, content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.try(mode, convert_to(content, 'UTF8'), options) $$;
-- The same in both modes; shown once where they agree, as they should.
CREATE FUNCTION t.both(content bytea, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	complete text[] := ARRAY(SELECT t.try('complete', content, options));
	incremental text[] := ARRAY(SELECT t.try('incremental', content, options));
BEGIN
	RETURN QUERY SELECT line FROM unnest(complete) line;
	IF complete <> incremental THEN
		RETURN QUERY SELECT 'BUT INCREMENTAL ' || line FROM unnest(incremental) line;
	END IF;
END
$$;
CREATE FUNCTION t.both(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.both(convert_to(content, 'UTF8'), options) $$;
CREATE FUNCTION t.bad(content bytea, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('person.csv', content);
	RETURN QUERY SELECT t.refused(format('SELECT syncup_prepare(%L, %L, %L)', 'HR', 'complete', options));
END
$$;
CREATE FUNCTION t.bad(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.bad(convert_to(content, 'UTF8'), options) $$;

CALL t.write('person.csv', E'id,name,age\n1,One,1\n2,Two,2\n3,Three,3\n4,Four,4\n5,Five,5\n');
SELECT syncup_prepare('HR', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');

-- on_error stop, the default: the first bad row is an error with its place; lines
-- are those of the file, also behind rows of several lines.
SELECT t.bad(E'id,name,age\n1,"On\n\ne",1\r\n\r\n2,Two\n3,Three,x\n');
SELECT t.bad(E'id,name,age\n1,"On\ne",1\n2,Two,x\n3,Three\n', '{"on_error": "stop"}');
SELECT t.bad(convert_to(E'id,name,age\r1,One,1\r2,T', 'UTF8') || '\xe9' || convert_to(E'o,2\r3,Three\r', 'UTF8'));
-- Null keys and duplicates stop nothing.
SELECT t.try('complete', E'id,name,age\n1,One,1\n,x,\n1,Uno,1\n2,Two,2\n3,Three,3\n4,Four,4\n5,Five,5\n', '{"on_error": "stop"}');

-- Every reason, with line, key, message and the row as it stood in the file: its
-- quotes, its line breaks; invalid bytes are shown by their values.
CALL t.write('person.csv', convert_to(E'id,name,age\n1,One\n2,"Two, the ""2nd""",2,extra\n3,Th', 'UTF8') || '\xff' || convert_to('ree,3', 'UTF8') || '\x0d0a' ||
	convert_to(E'4,Fo"ur,4\n5,"Fi\nve",five\n6,"six"x,6\n', 'UTF8') || '\x372c' || '\x00' || convert_to(E',7\n8,Eïght,9999999999\n,"no\nkey",\n9,Nine,9\n9,"Nine",9\n9,Neuf,\n"",,\nzehn,Ten,10\n11,"Elf', 'UTF8') || '\xc3' || convert_to(E'",11\n12,Twelve,', 'UTF8'));
SET client_min_messages = warning;
SELECT syncup_prepare('HR', 'complete', '{"on_error": "quarantine"}') IS NOT NULL AS prepared;
RESET client_min_messages;
SELECT line, reason, key, message, replace(raw, E'\r', '<CR>') AS raw FROM t.quarantine;
SELECT * FROM t.counters;
SELECT DISTINCT connector, mapping, replace(file, t.dir(), '<dir>') AS file FROM syncup.quarantine;
-- It is history: it stays when the batch is applied.
SELECT * FROM t.synchronize('HR');
SELECT * FROM target.person ORDER BY id;
SELECT reason, count(*) FROM t.quarantine GROUP BY reason ORDER BY reason;
CALL t.write('person.csv', E'id,name,age\n1,One,1\n2,Two,2\n3,Three,3\n4,Four,4\n5,Five,5\n');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
-- In other encodings: text where the row is valid; bytes where it is not.
CALL t.write('person.csv', E'id,name,age\n1,Oné\n2,Zwö,x\n', 'WIN1252');
BEGIN;
SELECT syncup_prepare('HR', 'complete', '{"on_error": "quarantine", "encoding": "WIN1252"}') IS NOT NULL AS prepared;
SELECT line, reason, key, raw FROM t.quarantine;
ROLLBACK;
CALL t.write('person.csv', '\x69642c6e616d652c6167650a312c8f8101'::bytea || '\x2c310a'::bytea);
BEGIN;
SELECT syncup_prepare('HR', 'complete', '{"on_error": "quarantine", "encoding": "EUC_JP"}') IS NOT NULL AS prepared;
SELECT line, reason, key, message, raw FROM t.quarantine;
ROLLBACK;
SELECT '\xfffe'::bytea || string_agg(set_byte('\x0000', 0, ascii(c)), '' ORDER BY n) AS content FROM regexp_split_to_table(E'id,name,age\n1,One\n2,Two,x\n', '') WITH ORDINALITY AS s (c, n) \gset
CALL t.write('person.csv', :'content'::bytea);
BEGIN;
SELECT syncup_prepare('HR', 'complete', '{"on_error": "quarantine"}') IS NOT NULL AS prepared;
SELECT line, reason, key, message, raw FROM t.quarantine;
ROLLBACK;

-- reject_limit: as many bad rows as it says, not one more. 0 is a limit.
SELECT t.try('complete', E'id,name,age\n1,One\n2,Two,x\n3,"Thr"ee,3\n,a,\n4,Four,4\n4,Four,4\n5,Five,5\n,b,\n', '{"reject_limit": {"rejected": 3}}');
SELECT t.bad(E'id,name,age\n1,One\n2,Two,x\n3,"Thr"ee,3\n,a,\n4,Four,4\n4,Four,4\n5,Five,5\n,b,\n', '{"on_error": "quarantine", "reject_limit": {"rejected": 2}}');
SELECT t.bad(E'id,name,age\n1,One\n2,Two,x\n3,Three,x\n', '{"on_error": "quarantine", "reject_limit": {"rejected": 2}}');
SELECT t.try('complete', E'id,name,age\n1,One,1\n2,Two,2\n,,\n2,Two,2\n', '{"reject_limit": {"rejected": 0}}');
SELECT t.bad(E'id,name,age\n1,One,1\n2,Two\n', '{"on_error": "quarantine", "reject_limit": {"rejected": 0}}');
-- Without on_error, the first bad row is one too many.
SELECT t.bad(E'id,name,age\n1,One,1\n2,Two\n', '{"reject_limit": {"rejected": 9}}') LIMIT 1;
-- With rejected duplicates the file is read twice, its bad rows counted once.
SELECT t.try('complete', E'id,name,age\n1,One\n2,Two,x\n2,Zwei,x\n3,a,\n3,b,\n', '{"reject_limit": {"rejected": 1}, "duplicates": "reject"}');

-- A bad row never deletes anything, in no mode. Where its key can be read, the old
-- version stays: that of 1 (too few fields), 2 (too many), 3 (a value), 4 (a byte);
-- 5 is not in the file and goes.
SELECT t.both(convert_to(E'id,name,age\n1,Uno\n2,Due,2,2\n3,Tre,x\n4,Qua', 'UTF8') || '\xff' || convert_to(E'tro,4\n', 'UTF8'));
-- A quote behind the key. After one that went astray no key is certain until a row
-- is well-formed again: so that of 2 is, that of 4 is not.
SELECT t.both(E'id,name,age\n1,"U"no,1\n3,Three,3\n2,Du"e,2\n');
SELECT t.both(E'id,name,age\n1,"U"no,1\n4,Qua"tro,4\n2,Two,2\n');
SELECT t.both(E'age,id,name\n1,1,"U"no\n2,2,Due\n3,3,T"re\n');
-- A key that nobody has: neither inserted nor in anybody's way.
SELECT t.both(E'id,name,age\n7,Seven,x\n1,One,1\n2,Two,2\n3,Three,3\n4,Four,4\n');
-- Bad and good rows of one key, in either order.
SELECT t.both(E'id,name,age\n1,Uno\n1,Une,1\n2,Due,2\n2,Deux\n3,x,x\n3,Drei,3\n4,Vier,4\n4,x,x\n');
SELECT t.both(E'id,name,age\n1,Uno\n1,Une\n2,x,x\n2,Deux\n');
-- A bad row that is unchanged in what can be read, and a conversion that nobody
-- tries because the row is as it was.
SELECT t.both(E'id,name,age\n1,One,1\n2,Two,2\n3,Three,3\n4,Four,4\n5,Five\n');
-- A null key is no bad row, and protects nothing; nor does a duplicate.
SELECT t.both(E'id,name,age\n,One,1\n2,Two,2\n2,Two,2\n3,Three,3\n');

-- Where it cannot be read, nothing is deleted at all; what is new or changed
-- arrives. In the key itself: a byte, a quote; in another column than the first:
-- a field too few or too many.
SELECT t.both(E'id,name,age\n"1"x,One,1\n2,Due,2\n6,Six,6\n');
SELECT t.both('\x'::bytea || convert_to(E'id,name,age\n', 'UTF8') || '\xff' || convert_to(E',One,1\n2,Due,2\n6,Six,6\n', 'UTF8'));
SELECT t.both(E'name,id,age\nOne,1\nDue,2,2\nSix,6,6\n');
SELECT t.both(E'name,id,age\nUno,eins,1,1\nDue,2,2\nSix,6,6\n');
SELECT t.both(E'id,name,age\n1\n2,Due,2\n6,Six,6\n');
-- An empty key in a bad row is no key that can be read.
SELECT t.both(E'id,name,age\n,Uno\n2,Due,2\n6,Six,6\n');
-- A conversion that fails in the key: that is a key, of nobody.
SELECT t.both(E'id,name,age\neins,Uno,1\n2,Due,2\n3,Three,3\n4,Four,4\n5,Five,5\n');
-- It is said, and recorded; a file that is right again deletes. Previous then has
-- what the target has. No complete run is needed for that.
CALL t.write('person.csv', E'id,name,age\n2,Two,2\n"x"y,?,\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('HR', 'incremental', '{\"on_error\": \"quarantine\"}')"
SELECT * FROM t.counters;
SELECT * FROM t.synchronize('HR');
SELECT needs_complete FROM syncup.status;
SELECT t.rows('target.person'), t.rows('syncup_previous.hr_person') AS previous;
SELECT t.both(E'id,name,age\n2,Two,2\n');
-- In complete runs this holds for rows that only the target has, too; rows whose old
-- version stays are repaired where they drifted from it.
INSERT INTO target.person VALUES (8, 'drift'), (9, 'drift');
UPDATE target.person SET name = 'drift' WHERE id = 1;
DELETE FROM target.person WHERE id = 2;
SELECT t.try('complete', E'id,name,age\n1,Uno\n2,Due\n3,Three,3\n4,Four,4\n5,Five,5\n8,Acht\n');
SELECT t.try('complete', E'id,name,age\n1,Uno\n"x"y,?,\n3,Three,3\n4,Four,4\n5,Five,5\n');
DELETE FROM target.person WHERE id IN (8, 9);
UPDATE target.person SET name = 'One' WHERE id = 1;
INSERT INTO target.person VALUES (2, 'Two', 2);
-- Behind a batch that waits: the version that stays is that of the queue.
CALL t.write('person.csv', E'id,name,age\n1,Uno,1\n3,Three,3\n4,Four,4\n5,Five,5\n6,Six,6\n');
BEGIN;
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT t.try('incremental', E'id,name,age\n1,one\n2,two\n3,Three,3\n6,six\n');
ROLLBACK;

-- duplicates: the first stays; or, where they differ, none and the old version.
-- What differs is what is mapped.
\set repeated 'E\'id,name,age,note\\n1,Uno,1,\\n1,Uno,1,other\\n2,Due,2,\\n2,Deux,2,\\n2,Due,2,\\n3,Three,3,\\n3,Tre,3,\\n6,a,,\\n6,b,,\\n7,Seven,7,\\n7,Seven,7,\\n\''
SELECT t.both(:repeated, '{"duplicates": "first"}');
SELECT t.both(:repeated, '{"duplicates": "reject"}');
SELECT t.both(:repeated) = t.both(:repeated, '{"duplicates": "first"}') AS first_is_the_default LIMIT 1;
-- A null and an empty string differ, where they are told apart.
SELECT t.both(E'id,name,age\n1,,1\n1,"",1\n', '{"duplicates": "reject"}');
SELECT t.both(E'id,name,age\n1,,1\n1,"",1\n', '{"duplicates": "reject", "quoted_empty": "empty"}');
-- With bad rows among them: those tell nothing of the contents.
SELECT t.both(E'id,name,age\n1,Uno,1\n1,Uno\n2,Due,2\n2,Deux\n2,Deux,2\n3,x,x\n3,x,x\n4,Four,4\n4,x,x\n', '{"duplicates": "reject"}');
-- Keys that differ bytewise are no duplicates.
SELECT t.both(E'id,name,age\n1,One,1\n01,Uno,1\n', '{"duplicates": "reject"}') LIMIT 1;
-- An option of the mapping.
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name", "age": "age"}', options => '{"duplicates": "reject", "on_error": "quarantine", "reject_limit": {"rejected": 1}}');
SELECT t.try('complete', E'id,name,age\n1,a,1\n1,b,1\n2,Two\n');
SELECT t.bad(E'id,name,age\n1,a\n2,Two\n') LIMIT 1;
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'id', options => t.anew('{}', 'HR', 'person'));
CALL t.write('person.csv', E'id,name,age\n1,One,1\n2,Two,2\n3,Three,3\n4,Four,4\n5,Five,5\n');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');

-- One bad quote never swallows the rest. A quote in the middle of a value; one that
-- is not closed: only its line is given up.
SELECT t.both(E'id,name,age\n1,5" pipe,1\n2,Two,2\n3,Three,3\n4,Four,4\n5,Five,5\n6,Six,6\n');
SELECT t.both(E'id,name,age\n1,"One,1\n2,Due,2\n3,Three,3\n4,"Four",4\n5,Five,5\n6,Six,6\n');
SELECT t.both(E'id,name,age\n1,"One,1\n2,Due,2\n3,"Three",3\n4,"Fo\nur",4\n5,Five,5\n6,Six,6\n');
SELECT t.both(E'id,name,age\n1,One,1\n2,"Two"2,2\n3,Three,3\n4,Four,4\n5,Five,5\n6,Six,6\n');
SELECT t.both(E'id,name,age\n1,One,1\n2,"Two""\n3,Three,3\n4,Four,4\n"5","Five","5"\n6,Six,6\n');
-- Line ends do not matter.
SELECT t.both(E'id,name,age\r\n1,"One,1\r\n2,Due,2\r\n3,"Three",3\r\n4,Four,4\r\n5,Five,5\r\n6,Six,6\r\n');
SELECT t.both(E'id,name,age\r1,"One,1\r2,Due,2\r3,"Three",3\r4,Four,4\r5,Five,5\r6,Six,6');
-- Two in a row, each on its own.
SELECT t.both(E'id,name,age\n1,"One,1\n2,"Two,2\n3,"Three",3\n4,Four,4\n5,Five,5\n6,Six,6\n');
-- None is left to close it, but the lines that follow are rows.
SELECT t.both(E'id,name,age\n1,One,1\n2,"Two,2\n3,Drei,3\n');
SELECT t.both(E'id,name,age\n1,One,1\n2,"Two,2\n3,Drei,3\n', '{"quoting": "lenient"}');
-- What is open at the end of the file is an error in any case: the file was cut.
SELECT t.bad(E'id,name,age\n1,One,1\n2,"Two,2\n3,Three\n', '{"on_error": "quarantine"}');
SELECT t.bad(E'id,name,age\n1,One,1\n2,"Two', '{"on_error": "quarantine", "reject_limit": {"rejected": 10}}') LIMIT 1;
SELECT t.bad(E'id,name,age\n1,One,1\n2,Two,"', '{"on_error": "quarantine"}') LIMIT 1;
SELECT t.bad(E'id,name,age\n1,One,1\n2,"Two', '{"on_error": "quarantine", "quoting": "lenient"}') LIMIT 1;
SELECT t.bad(E'id,name,age\n1,One,1\n2,"Two', '{"on_error": "stop"}') LIMIT 2;
-- Lenient: what is plain is taken; what is not is set aside all the same.
SELECT t.both(E'id,name,age\n1,5" pipe,1\n2,"Tw"o,2\n3,"Three,3\n4,Four,4\n5,"Five",5\n6,Six,6\n', '{"quoting": "lenient"}');
-- In a large file, far from its ends: 20,000 rows, of which every thousandth has a
-- quote too many or too few; all others arrive.
SELECT E'id,name,age\n' || string_agg(format('%s,%s,%s', i, CASE i % 2000 WHEN 0 THEN '"open' WHEN 1000 THEN '"a"b' ELSE format('"n%s"', i % 7) END, i % 90), E'\n') AS content FROM generate_series(1, 20001) i \gset
CALL t.write('person.csv', :'content');
BEGIN;
SELECT syncup_prepare('HR', 'complete', '{"on_error": "quarantine"}') IS NOT NULL AS prepared;
SELECT read, kept, bad, ins, upd, del, suspended, adds_up FROM t.counters;
SELECT count(*), count(*) FILTER (WHERE line = key::int + 1 AND key::int % 1000 = 0) AS right FROM t.quarantine;
SELECT status FROM t.synchronize('HR');
SELECT count(*) FROM target.person p FULL JOIN generate_series(1, 20001) i ON p.id = i WHERE i % 1000 <> 0 AND (p.name, p.age) IS DISTINCT FROM ('n' || i % 7, i % 90);
SELECT count(*) FROM target.person WHERE id % 1000 = 0;
ROLLBACK;

-- Two mappings of one file: each sets aside for itself what it cannot use, and only
-- one of them suspends its deletions.
CREATE TABLE target.badge (number int PRIMARY KEY, owner text);
SELECT syncup_drop_connector('HR');
TRUNCATE target.person;
CALL t.connector('TWO', '{"on_error": "quarantine"}');
SELECT syncup_map_entity_type('TWO', 'badge', 'target.badge', 'both.csv', 'number', '{"number": "number", "id": "owner"}');
SELECT syncup_map_entity_type('TWO', 'person', 'target.person', 'both.csv', 'id', '{"id": "id", "name": "name"}');
CALL t.write('both.csv', E'number,id,name\n10,1,One\n20,2,Two\n30,3,Three\n40,4,Four\n50,5,Five\n');
SELECT syncup_prepare('TWO', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('TWO');
CALL t.write('both.csv', E'number,id,name\nx,1,Uno\n20,,Due\n30,3\n40,4,Vier\n40,4,Quatre\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('TWO', 'complete')"
SELECT * FROM t.counters;
SELECT * FROM t.quarantine;
SELECT * FROM t.synchronize('TWO');
SELECT * FROM target.badge ORDER BY number;
SELECT * FROM target.person ORDER BY id;
-- The limit is that of each mapping.
CALL t.write('both.csv', E'number,id,name\n10,x,\n20,y,\nz,3,\n');
SELECT t.refused($$SELECT syncup_prepare('TWO', 'complete', '{"reject_limit": {"rejected": 1}}')$$);
CALL t.write('both.csv', E'number,id,name\n10,1,\n20,y,\nz,3,\n');
SET client_min_messages = warning;
SELECT syncup_prepare('TWO', 'complete', '{"reject_limit": {"rejected": 1}}') IS NOT NULL AS prepared;
RESET client_min_messages;
SELECT mapping, read, kept, bad, adds_up FROM t.counters;

\set end :srcdir '/include/end.sql'
\i :end
