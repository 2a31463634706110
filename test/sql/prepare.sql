-- From files to a queued batch (SPEC 4): modes initial and complete.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

CREATE VIEW t.quarantine AS
SELECT q.connector, q.mapping, replace(q.file, t.dir(), '<dir>') AS file, q.line, q.reason, q.key, q.message, q.raw
FROM syncup.quarantine q JOIN syncup.batch b USING (batch) ORDER BY b.seq, q.mapping, q.line;
-- The quarantine of the batch that waits.
CREATE VIEW t.waiting AS
SELECT q.line, q.reason, q.key, q.message, q.raw
FROM syncup.quarantine q JOIN syncup.batch b USING (batch) WHERE b.status = 'prepared' ORDER BY q.line;
-- What the last batch counted; the rows read must be accounted for.
CREATE VIEW t.last AS
SELECT b.mode, b.status, c.mapping, rows_read AS read, rows_kept AS kept, null_keys AS nulls, duplicates AS dup, rejected AS bad,
	delta_inserted AS ins, delta_updated AS upd, delta_deleted AS del, deletions_suspended AS suspended,
	rows_read = rows_kept + null_keys + duplicates + rejected + empty_links AS adds_up
FROM syncup.batch b JOIN syncup.batch_counter c USING (batch)
WHERE seq = (SELECT max(seq) FROM syncup.batch) ORDER BY c.mapping;
CREATE FUNCTION t.prepare(mode text, connector text DEFAULT 'HR', options jsonb DEFAULT '{}') RETURNS SETOF t.last
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare(connector, mode, options);
	RETURN QUERY SELECT * FROM t.last;
END
$$;

CREATE TABLE target.person (id int PRIMARY KEY, name text, born date, badge text);
SELECT syncup_create_connector('HR', t.dir());
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'ID', '{"ID": "id", "name": "name", "born": "born"}', '{mail}');
SELECT syncup_set_thresholds('HR', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "max_percentage_set_aside_lines": 0}');

-- A first load. Null keys and repeated ones are set aside; columns that nobody
-- maps are not looked at; the header may be written in another case.
SELECT convert_to(E'Mail,NAME,id,born,notes\r\na@x,Ada,7,1815-12-10,"two\r\nlines"\r\nb@x,Bob,10,,\r\nn@x,Nobody,,,\r\nc@x,"Cy, the 2nd",9,,\r\nb2@x,Bob again,10,not a date,\r\nb@x,Bob,10,,\r\nm@x,Nobody,"",,\r\n', 'UTF8') AS content \gset
CALL t.write('person.csv', :'content'::bytea);
CREATE TEMP TABLE before AS SELECT * FROM t.snapshot();
SELECT * FROM t.prepare('initial');
SELECT name FROM (SELECT * FROM t.snapshot() EXCEPT TABLE before) AS changed ORDER BY name;
SELECT connector, mode, status, prepared_at <= clock_timestamp() AS prepared, prepared_by = current_user AS by_me, synchronized_at, error FROM syncup.batch;
SELECT replace(file, t.dir(), '<dir>') AS file, file_modified > now() - interval '10 min' AS modified, inserted, stored_before FROM syncup.batch_counter;
SELECT * FROM t.quarantine;
-- The delta: kept rows as text.
SELECT command, "ID", name, born, mail, "ID" COLLATE "C" AS c FROM syncup_delta.hr_person ORDER BY "ID";
-- A second initial must wait for the first; a complete takes its place.
SELECT t.refused($$SELECT syncup_prepare('HR', 'initial')$$);
SELECT * FROM t.prepare('complete');
SELECT mode, status, (SELECT count(*) FROM syncup_delta.hr_person d WHERE d.batch = b.batch) AS delta, (SELECT count(*) FROM syncup.quarantine q WHERE q.batch = b.batch) AS quarantine FROM syncup.batch b ORDER BY seq;
SELECT * FROM t.synchronize('HR');
SELECT "ID", born, name, mail FROM syncup_previous.hr_person ORDER BY "ID";
TABLE target.person;

-- Initial is for empty targets only, and for an empty previous.
SELECT t.refused($$SELECT syncup_prepare('HR', 'initial')$$);
CREATE TABLE t.saved AS TABLE target.person;
TRUNCATE target.person;
SELECT t.refused($$SELECT syncup_prepare('HR', 'initial')$$);
INSERT INTO target.person TABLE t.saved;
CREATE TABLE target.other (id int PRIMARY KEY);
SELECT syncup_create_connector('X', t.dir());
SELECT syncup_map_entity_type('X', 'other', 'target.other', 'other.csv', 'id', '{"id": "id"}');
CALL t.write('other.csv', E'id\n1\n');
INSERT INTO target.other VALUES (5);
SELECT t.refused($$SELECT syncup_prepare('X', 'initial')$$);
-- An incremental needs an applied initial or complete.
SELECT t.refused($$SELECT syncup_prepare('X', 'incremental')$$);
DELETE FROM target.other;
SELECT status FROM t.prepare('initial', 'X');
SELECT t.refused($$SELECT syncup_prepare('X', 'incremental')$$);
SELECT syncup_drop_connector('X');

-- The same extract again: nothing, and no error; nor when it is written otherwise.
SELECT * FROM t.prepare('complete');
SELECT count(*) FROM syncup_delta.hr_person;
CALL t.write('person.csv', E'id;name;born;mail\n9;Cy, the 2nd;;c@x\n10;"Bob";;"b@x"\n7;Ada;1815-12-10;a@x');
SELECT * FROM t.prepare('complete', options => '{"delimiter": ";"}');
SELECT mode, status FROM syncup.batch ORDER BY seq;
-- What is new, changed, gone. Of a key that only looks different both are told:
-- keys compare bytewise. Columns that are not mapped to the target count too.
CALL t.write('person.csv', E'id,name,born,mail\n7,Ada,1815-12-10,ada@x\n10,Bob,1990-01-01,b@x\n09,"Cy, the 2nd",,c@x\n11,New,,\n');
SELECT * FROM t.prepare('complete');
SELECT command, "ID", name, born, mail FROM syncup_delta.hr_person ORDER BY command, "ID";
SELECT * FROM t.synchronize('HR');
SELECT "ID", born, name, mail FROM syncup_previous.hr_person ORDER BY "ID";
SELECT * FROM target.person ORDER BY id;
SELECT count(*) FROM syncup_delta.hr_person;
-- Null and the empty string are told apart where the options say so.
CALL t.write('person.csv', E'id,name,born,mail\n7,Ada,1815-12-10,ada@x\n10,Bob,1990-01-01,b@x\n09,"Cy, the 2nd",,c@x\n11,New,,""\n');
SELECT * FROM t.prepare('complete', options => '{"quoted_empty": "empty"}');
SELECT command, "ID", name, born, mail FROM syncup_delta.hr_person ORDER BY command, "ID";
-- An empty key is null, quoted or not, also where empty strings are values.
CALL t.write('person.csv', E'id,name,born,mail\n"",x,,\n,y,,\n');
SELECT * FROM t.prepare('complete', options => '{"quoted_empty": "empty"}');
-- A header without rows is valid: everything is gone.
CALL t.write('person.csv', E'id,name,born,mail\n');
SELECT * FROM t.prepare('complete');

-- What fails a prepare (SPEC 4.2), with nothing changed: first the good file.
CALL t.write('person.csv', E'id,name,born,mail\n7,Ada,1815-12-10,ada@x\n');
SELECT * FROM t.prepare('complete');
CREATE FUNCTION t.bad(content bytea, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('person.csv', content);
	RETURN QUERY SELECT t.refused(format('SELECT syncup_prepare(%L, %L, %L)', 'HR', 'complete', options));
END
$$;
CREATE FUNCTION t.bad(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.bad(convert_to(content, 'UTF8'), options) $$;
SELECT t.bad('');
SELECT t.bad(E'\n\n');
SELECT t.bad(E'id,name,mail\n1,x,y\n');
SELECT t.bad(E'id,Name,NAME,born,mail\n1,x,y,,\n');
SELECT t.bad(E'id,name,born,mail,x,x\n1,x,,,,\n,,,,,\n1,x,,,\n');
SELECT t.bad(E'id,name,born,mail\n1,x,,\n2,"y,,\n');
SELECT t.bad(E'id,name,born,mail\n1,x,,\n2,"y,,\n3,z,,\n');
SELECT t.bad(E'id,name,born,mail\n1,x,,\n2,y\n');
SELECT t.bad(E'id,name,born,mail\n1,x,,\n2,y,,,\n');
SELECT t.bad(E'id,name,born,mail\n1,x"y,,\n');
SELECT t.bad('\x69642c6e616d652c626f726e2c6d61696c0a312c78ff2c2c0a'::bytea);
SELECT t.bad('\x69642c6e616d652c626f726e2c6d61696c0a312c78002c2c0a'::bytea);
SELECT t.bad(E'id,name,born,mail\n1,x,1990-02-30,\n');
SELECT t.bad(E'id,name,born,mail\n1,x,01/02/1990,\n');
SELECT t.bad(E'id,name,born,mail\n1,x,,\nSECRET,y,,\n');
SELECT t.bad(E'id,name,born,mail\n99999999999,y,,\n');
CALL t.shell('rm person.csv');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
CALL t.shell('mkdir person.csv');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
CALL t.shell('rmdir person.csv');
CALL t.shell('ln -s nowhere person.csv');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
CALL t.shell('rm person.csv');
CALL t.write('person.csv', E'id,name,born,mail\n7,Ada,1815-12-10,ada@x\n');
CALL t.shell('chmod 0 person.csv');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
CALL t.shell('chmod 600 person.csv');
SELECT t.refused($$SELECT syncup_prepare('HR', 'total')$$);
SELECT t.refused($$SELECT syncup_prepare('HR', 'Complete')$$);
SELECT t.refused($$SELECT syncup_prepare('HR', NULL)$$);
SELECT t.refused($$SELECT syncup_prepare(NULL, 'complete')$$);
SELECT t.refused($$SELECT syncup_prepare('hr', 'complete')$$);
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete', '{"delimeter": ";"}')$$) LIMIT 1;
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete', '{"scope": "true"}')$$) LIMIT 1;
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete', '{"done_suffix": ".done"}')$$);
SELECT regexp_replace(t.refused($$SELECT syncup_prepare('HR', 'complete', '{"min_age": 3600}')$$), '\d+ seconds', 'N seconds');
SELECT syncup_deactivate('HR');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
SELECT syncup_activate('HR');
ALTER TABLE target.person RENAME born TO birth;
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
ALTER TABLE target.person RENAME birth TO born;
-- The batch that waited waits still.
SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1;
-- A value that nobody reads because its row is unchanged was good when it came.
SELECT * FROM t.synchronize('HR');

-- Bad rows set aside. One of which the key is known counts as present: the old
-- version stays.
CALL t.write('person.csv', E'id,name,born,mail\n1,One,,\n2,Two,,\n3,Three,,\n4,Four,,\n5,Five,,\n6,Six,,\n');
SELECT status FROM t.prepare('complete');
SELECT * FROM t.synchronize('HR');
CALL t.write('person.csv', convert_to(E'id,name,born,mail\n1,One,,too,many\n2,two,2000-01-01,\n3,"Thr"ee,,\n4,F', 'UTF8') || '\xff' || convert_to(E'ur,,\n,nobody,,\n5,Five!,,\n7,new,never,\n2,again,,\n', 'UTF8'));
SELECT * FROM t.prepare('complete', options => '{"on_error": "quarantine"}');
TABLE t.waiting;
SELECT command, "ID", name FROM syncup_delta.hr_person ORDER BY command, "ID";
SELECT * FROM t.synchronize('HR');
SELECT id, name FROM target.person ORDER BY id;
-- A bad row of which the key cannot be read: nothing is deleted, and that is said.
CALL t.write('person.csv', E'id,name,born,mail\n5,Five,,\n"x"y,?,,\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT read, bad, ins, upd, del, suspended FROM t.prepare('complete', options => '{\"on_error\": \"quarantine\"}')"
SELECT count(*) FROM syncup_delta.hr_person;
SELECT * FROM t.synchronize('HR');
SELECT count(*) FROM target.person;
-- A first field is certain only where a delimiter follows it.
CALL t.write('person.csv', E'id,name,born,mail\n5\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT read, bad, ins, upd, del, suspended FROM t.prepare('complete', options => '{\"on_error\": \"quarantine\"}')"
-- A key that is not in the first column of a row that is too long is not certain.
CALL t.write('person.csv', E'name,id,born,mail\nFive,5,,\nOne,Uno,1,,\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT read, bad, ins, upd, del, suspended FROM t.prepare('complete', options => '{\"on_error\": \"quarantine\"}')"
-- A bad row, then a good one of the same key: the good one is an update, no insert.
CALL t.write('person.csv', E'id,name,born,mail\n1,One,,\n2,Two,\n2,Two!,,\n3,Three,,\n4,Four,,\n5,Five!,,\n');
SELECT * FROM t.prepare('complete', options => '{"on_error": "quarantine"}');
SELECT command, "ID", name FROM syncup_delta.hr_person ORDER BY command, "ID";
SELECT * FROM t.synchronize('HR');
SELECT error FROM syncup.batch WHERE status = 'failed';
SELECT id, name FROM target.person ORDER BY id;
-- The same with an unchanged one, and the other way round.
CALL t.write('person.csv', E'id,name,born,mail\n1,One,,\n2,Two,\n2,Two!,,\n3,Three,,\n3,Three\n4,Four,,\n5,Five!,,\n');
SELECT * FROM t.prepare('complete', options => '{"on_error": "quarantine"}');
SELECT command, "ID", name FROM syncup_delta.hr_person ORDER BY command, "ID";
-- More bad rows than reject_limit; just as many.
CALL t.write('person.csv', E'id,name,born,mail\n1,One\n2,Two\n3,Three,,\n,,,\n3,Three,,\n4,x,y,\n');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete', '{"on_error": "quarantine", "reject_limit": {"rejected": 2}}')$$);
SELECT read, bad FROM t.prepare('complete', options => '{"on_error": "quarantine", "reject_limit": {"rejected": 3}}');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete', '{"on_error": "quarantine", "reject_limit": {"rejected": 0}}')$$);
-- An option of the mapping, of the connector, of the call: the nearest wins.
SELECT syncup_discard(batch) FROM syncup.batch WHERE status IN ('prepared', 'failed') AND prepared_at IS NOT NULL ORDER BY seq LIMIT 1;
SELECT syncup_create_connector('HR', t.dir(), '{"on_error": "quarantine", "reject_limit": {"rejected": 1}}');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'ID', '{"ID": "id", "name": "name", "born": "born"}', '{mail}', '{"reject_limit": {"rejected": 2}}');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete')$$);
SELECT read, bad FROM t.prepare('complete', options => '{"reject_limit": {"rejected": 3}}');
SELECT t.refused($$SELECT syncup_prepare('HR', 'complete', '{"on_error": "stop"}')$$);
SELECT syncup_create_connector('HR', t.dir());
-- All rows of a key that is given twice with different contents are set aside.
CALL t.write('person.csv', E'id,name,born,mail\n1,One,,\n2,Two?,,\n4,Four,,\n4,Four,,\n2,Two!,,\n3,Three,,\n3,Three,,x\n5,Five!,,\n8,a,,\n8,b,,\n8,a,,\n');
SELECT * FROM t.prepare('complete', options => '{"duplicates": "reject"}');
SELECT line, reason, key, message FROM t.waiting;
SELECT command, "ID", name FROM syncup_delta.hr_person ORDER BY command, "ID";

-- A bad row deletes nothing from a target that previous does not know yet either:
-- not the row of its key, and where that cannot be read, no row at all.
CREATE TABLE target.filled (id int PRIMARY KEY, v text);
INSERT INTO target.filled VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd'), (5, 'e');
SELECT syncup_create_connector('F', t.dir(), '{"on_error": "quarantine", "duplicates": "reject"}');
SELECT syncup_map_entity_type('F', 'f', 'target.filled', 'f.csv', 'id', '{"id": "id", "v": "v"}');
CALL t.write('f.csv', E'id,v\n1,A\n2,too,many\n3,x\n3,y\n');
SELECT read, kept, dup, bad, ins, suspended FROM t.prepare('complete', 'F');
SELECT * FROM t.synchronize('F', true);
SELECT * FROM target.filled ORDER BY id;
INSERT INTO target.filled VALUES (6, 'f');
CALL t.write('f.csv', E'id,v\n1,A\n"x"y,?\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT read, kept, dup, bad, ins, suspended FROM t.prepare('complete', 'F')"
SELECT * FROM t.synchronize('F', true);
SELECT * FROM target.filled ORDER BY id;
SELECT syncup_drop_connector('F');

-- Files that are read more than once, of every kind: compressed, UTF-16, without
-- header and with lines before it; for two mappings of which one asks for it.
CREATE TABLE target.again (id int PRIMARY KEY, v text);
SELECT syncup_create_connector('R', t.dir(), '{"header": false, "skip_lines": 2, "encoding": "UTF16LE", "delimiter": ";"}');
SELECT syncup_map_entity_type('R', 'a', 'target.again', 'r.csv.gz', 'column1', '{"column1": "id", "column2": "v"}', options => '{"duplicates": "reject"}');
SELECT syncup_map_entity_type('R', 'b', 'target.other', 'r.csv.gz', 'column1', '{"column1": "id"}');
CALL t.write('r.txt', E'report\n"\n1;ä\n2;€\n2;x\n3;😀\n1;ä');
CALL t.shell('iconv -f UTF-8 -t UTF-16LE r.txt | gzip -c > r.csv.gz');
SELECT mapping, read, kept, dup, ins FROM t.prepare('initial', 'R');
SELECT mapping, line, message FROM t.quarantine WHERE connector = 'R' ORDER BY mapping, line;
SELECT * FROM t.synchronize('R');
SELECT * FROM target.again ORDER BY id;
SELECT * FROM target.other ORDER BY id;
SELECT syncup_drop_connector('R');
TRUNCATE target.other;

-- A file that changes while it is read; the type of a column changes it. One that
-- is replaced as a whole is read to its end.
CREATE FUNCTION t.disturb(value text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF value LIKE '!%' THEN
		CALL t.shell(substr(value, 2));
	END IF;
	RETURN true;
END
$$;
CREATE DOMAIN t.disturbing AS text CHECK (t.disturb(value));
CREATE TABLE target.disturbed (id int PRIMARY KEY, v t.disturbing);
SELECT syncup_create_connector('D', t.dir());
SELECT syncup_map_entity_type('D', 'd', 'target.disturbed', 'd.csv', 'id', '{"id": "id", "v": "v"}');
CALL t.write('d.csv', E'id,v\n1,!echo 3,c >>d.csv\n2,b\n');
SELECT t.refused($$SELECT syncup_prepare('D', 'initial')$$);
CALL t.write('d.csv', E'id,v\n1,!echo >d.csv\n2,b\n');
SELECT t.refused($$SELECT syncup_prepare('D', 'initial')$$);
CALL t.write('d.csv', E'id,v\n1,!touch d.csv\n2,b\n');
SELECT t.refused($$SELECT syncup_prepare('D', 'initial')$$);
CALL t.write('d.csv', E'id,v\n1,!touch d.csv\n2,b\n');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/d.csv') AS (id int, v t.disturbing)$$);
CALL t.write('d.csv', E'id,v\n1,!printf x >new; mv new d.csv\n2,b\n');
SELECT mapping, ins FROM t.prepare('initial', 'D');
SELECT syncup_drop_connector('D');

-- Two mappings of two files: one bad file fails both.
CREATE TABLE target.unit (code text PRIMARY KEY, title text);
SELECT syncup_create_connector('TWO', t.dir());
SELECT syncup_map_entity_type('TWO', 'unit', 'target.unit', 'unit.csv', 'code', '{"code": "code", "title": "title"}');
SELECT syncup_map_entity_type('TWO', 'other', 'target.other', 'other.csv', 'id', '{"id": "id"}');
CALL t.write('unit.csv', E'code,title\nA,a\nB,b\n');
CALL t.write('other.csv', E'id\n1\nx\n');
SELECT t.refused($$SELECT syncup_prepare('TWO', 'initial')$$);
CALL t.shell('rm other.csv');
SELECT t.refused($$SELECT syncup_prepare('TWO', 'initial')$$);
CALL t.write('other.csv', E'id\n1\n');
SELECT mapping, read, ins FROM t.prepare('initial', 'TWO');
SELECT syncup_drop_connector('TWO');
-- Two mappings of one file: read once, each with its own counters.
SELECT E'code,title,id\n,,1\nA,a,\nA,b,1\n' || string_agg(i || ',' || repeat('x', 50) || ',' || i, E'\n') AS content FROM generate_series(2, 60000) i \gset
CALL t.write('both.csv', :'content');
SELECT syncup_create_connector('ONE', t.dir());
SELECT syncup_map_entity_type('ONE', 'unit', 'target.unit', 'both.csv', 'code', '{"code": "code", "title": "title"}');
SELECT syncup_map_entity_type('ONE', 'other', 'target.other', t.dir() || '/./both.csv', 'id', '{"id": "id"}');
CREATE FUNCTION t.bytes_read() RETURNS bigint
LANGUAGE sql AS $$ SELECT substring(pg_read_file('/proc/self/io') FROM 'rchar: (\d+)')::bigint $$;
SELECT t.bytes_read() AS before \gset
SELECT mapping, read, kept, nulls, dup, ins FROM t.prepare('initial', 'ONE');
SELECT (t.bytes_read() - :before) / (pg_stat_file(t.dir() || '/both.csv')).size AS times_read;
SELECT mapping, line, reason, key, message FROM t.quarantine WHERE connector = 'ONE';
SELECT * FROM t.synchronize('ONE');
SELECT (SELECT count(*) FROM target.unit) AS units, (SELECT count(*) FROM target.other) AS others;
SELECT syncup_drop_connector('ONE');
TRUNCATE target.unit, target.other;

-- More keys than fit into memory: the same result, in several passes over file
-- and previous; compared with what SQL makes of the same files.
CREATE TABLE target.many (k text PRIMARY KEY, a text, b text);
SELECT syncup_create_connector('M', t.dir());
SELECT syncup_set_thresholds('M', '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0, "max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "max_percentage_set_aside_lines": 0}');
SELECT syncup_map_entity_type('M', 'many', 'target.many', 'many.csv', 'k', '{"k": "k", "a": "a", "b": "b"}');
-- k is not in order, every hundredth is null, every fiftieth doubled, and every 700th row is short.
CREATE FUNCTION t.many(seed int, OUT n int, OUT k text, OUT a text, OUT b text) RETURNS SETOF record
LANGUAGE sql AS $$
	SELECT i, CASE WHEN i % 100 = 0 THEN '' ELSE 'k' || (CASE WHEN i % 50 = 1 THEN i - 40 ELSE i END * 7919::bigint % 60013 + CASE WHEN seed > 1 AND i % 13 = 0 THEN 70000 ELSE 0 END) END,
		'a' || CASE WHEN i % 9 = 0 THEN seed ELSE 0 END, repeat('b', i % 30)
	FROM generate_series(1, 60000) i
$$;
CREATE TABLE t.v1 AS SELECT * FROM t.many(1);
CREATE TABLE t.v2 AS SELECT * FROM t.many(2);
-- What SQL keeps of a file: not the null keys, and the first row of each key.
CREATE FUNCTION t.kept(version regclass) RETURNS TABLE (k text, a text, b text)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format('SELECT DISTINCT ON (k) k, a, nullif(b, '''') FROM %s WHERE k <> '''' ORDER BY k, n', version);
END
$$;
SELECT E'k,a,b\n' || string_agg(concat_ws(',', k, a, b), E'\n' ORDER BY n) AS v1 FROM t.v1 \gset
SELECT E'k,a,b\n' || string_agg(concat_ws(',', k, a, b), E'\n' ORDER BY n) AS v2 FROM t.v2 \gset
CALL t.write('many.csv', :'v1');
SET maintenance_work_mem = '1MB';
SELECT t.bytes_read() AS before \gset
SELECT read, kept, nulls, dup, bad, ins, adds_up FROM t.prepare('initial', 'M');
SELECT (t.bytes_read() - :before)::numeric / (pg_stat_file(t.dir() || '/many.csv')).size > 1.5 AS several_passes;
SELECT count(*) FILTER (WHERE k = '') AS nulls, count(*) - count(*) FILTER (WHERE k = '') - count(DISTINCT k) FILTER (WHERE k <> '') AS dup FROM t.v1;
SELECT count(*), count(DISTINCT "line") AS lines FROM syncup.quarantine WHERE connector = 'M';
-- The first row of each repeated key stays, and the others are those set aside.
SELECT 'k' || substr(key, 2) AS key, line, message FROM syncup.quarantine WHERE connector = 'M' AND reason = 'duplicate'
EXCEPT
SELECT k, n + 1, 'key was already given on line ' || first + 1 FROM (SELECT *, min(n) OVER (PARTITION BY k) AS first FROM t.v1) v WHERE k <> '' AND n > first;
SELECT n + 1 AS line FROM t.v1 WHERE k = '' EXCEPT SELECT line FROM syncup.quarantine WHERE connector = 'M' AND reason = 'null key';
SELECT * FROM t.synchronize('M');
(TABLE target.many EXCEPT ALL SELECT * FROM t.kept('t.v1')) UNION ALL (SELECT * FROM t.kept('t.v1') EXCEPT ALL TABLE target.many);
(SELECT k, a, b FROM syncup_previous.m_many EXCEPT ALL TABLE target.many) UNION ALL (TABLE target.many EXCEPT ALL SELECT k, a, b FROM syncup_previous.m_many);
-- The difference to a second version, in little memory and in much.
CALL t.write('many.csv', :'v2');
SELECT t.bytes_read() AS before \gset
SELECT * FROM t.prepare('complete', 'M');
SELECT (t.bytes_read() - :before)::numeric / (pg_stat_file(t.dir() || '/many.csv')).size > 1.5 AS several_passes;
CREATE TABLE t.little AS SELECT command, k, a, b FROM syncup_delta.m_many;
CREATE FUNCTION t.difference(old regclass, new regclass) RETURNS TABLE (command text, k text, a text, b text)
LANGUAGE sql AS $$
	SELECT CASE WHEN old.k IS NULL THEN 'insert' WHEN new.k IS NULL THEN 'delete' ELSE 'update' END AS command,
		coalesce(new.k, old.k) AS k, CASE WHEN new.k IS NULL THEN old.a ELSE new.a END AS a, CASE WHEN new.k IS NULL THEN old.b ELSE new.b END AS b
	FROM t.kept(old) old FULL JOIN t.kept(new) new USING (k)
	WHERE (old.a, old.b) IS DISTINCT FROM (new.a, new.b)
$$;
CREATE TABLE t.difference AS SELECT * FROM t.difference('t.v1', 't.v2');
(TABLE t.little EXCEPT ALL TABLE t.difference) UNION ALL (TABLE t.difference EXCEPT ALL TABLE t.little);
RESET maintenance_work_mem;
SELECT * FROM t.prepare('complete', 'M');
(SELECT command, k, a, b FROM syncup_delta.m_many EXCEPT ALL TABLE t.difference) UNION ALL (TABLE t.difference EXCEPT ALL SELECT command, k, a, b FROM syncup_delta.m_many);
SELECT * FROM t.synchronize('M');
(TABLE target.many EXCEPT ALL SELECT * FROM t.kept('t.v2')) UNION ALL (SELECT * FROM t.kept('t.v2') EXCEPT ALL TABLE target.many);
-- A batch that changes nearly everything: what is known of keys grows while the file
-- is read. And one more behind it, so that the baseline is mostly the first one's.
CREATE TABLE t.v3 AS SELECT n, k, CASE WHEN n % 10 = 3 THEN a ELSE a || 'x' END AS a, b FROM t.v2 WHERE n % 11 > 0;
SELECT E'k,a,b\n' || string_agg(concat_ws(',', k, a, b), E'\n' ORDER BY n) AS v3 FROM t.v3 \gset
CREATE FUNCTION t.delta(id uuid) RETURNS TABLE (command text, k text, a text, b text)
LANGUAGE sql AS $$ SELECT command, k, a, b FROM syncup_delta.m_many WHERE batch = id $$;
-- The lines set aside as duplicates, with the lines that their messages name; and what they should be.
CREATE FUNCTION t.duplicates(id uuid) RETURNS TABLE (line bigint, first bigint)
LANGUAGE sql AS $$ SELECT line, substring(message FROM 'on line (\d+)$')::bigint FROM syncup.quarantine WHERE batch = id AND reason = 'duplicate' $$;
CREATE FUNCTION t.repeated(version regclass) RETURNS TABLE (line bigint, first bigint)
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY EXECUTE format($sql$
		SELECT line, first FROM (SELECT line, k, min(line) OVER (PARTITION BY k) AS first FROM (SELECT k, row_number() OVER (ORDER BY n) + 1 AS line FROM %s) AS l) AS f
		WHERE k <> '' AND first < line $sql$, version);
END
$$;
SET maintenance_work_mem = '1MB';
CALL t.write('many.csv', :'v3');
SELECT t.bytes_read() AS before \gset
SELECT syncup_prepare('M', 'incremental') AS third \gset
SELECT (t.bytes_read() - :before)::numeric / (pg_stat_file(t.dir() || '/many.csv')).size > 1.5 AS several_passes;
CALL t.write('many.csv', :'v1');
SELECT t.bytes_read() AS before \gset
SELECT syncup_prepare('M', 'incremental') AS fourth \gset
SELECT (t.bytes_read() - :before)::numeric / (pg_stat_file(t.dir() || '/many.csv')).size > 1.5 AS several_passes;
(SELECT * FROM t.delta(:'third') EXCEPT ALL SELECT * FROM t.difference('t.v2', 't.v3'))
UNION ALL (SELECT * FROM t.difference('t.v2', 't.v3') EXCEPT ALL SELECT * FROM t.delta(:'third'));
(SELECT * FROM t.delta(:'fourth') EXCEPT ALL SELECT * FROM t.difference('t.v3', 't.v1'))
UNION ALL (SELECT * FROM t.difference('t.v3', 't.v1') EXCEPT ALL SELECT * FROM t.delta(:'fourth'));
(SELECT * FROM t.duplicates(:'third') EXCEPT ALL SELECT * FROM t.repeated('t.v3'))
UNION ALL (SELECT * FROM t.repeated('t.v3') EXCEPT ALL SELECT * FROM t.duplicates(:'third'));
(SELECT * FROM t.duplicates(:'fourth') EXCEPT ALL SELECT * FROM t.repeated('t.v1'))
UNION ALL (SELECT * FROM t.repeated('t.v1') EXCEPT ALL SELECT * FROM t.duplicates(:'fourth'));
SELECT batch = :'third' AS third, batch = :'fourth' AS fourth, status FROM syncup_synchronize('M');
(TABLE target.many EXCEPT ALL SELECT * FROM t.kept('t.v1')) UNION ALL (SELECT * FROM t.kept('t.v1') EXCEPT ALL TABLE target.many);
RESET maintenance_work_mem;
CALL t.write('many.csv', :'v2');
SELECT status FROM t.prepare('complete', 'M');
SELECT * FROM t.synchronize('M');
-- Bad rows and rejected duplicates in several passes: as in one.
SELECT E'k,a,b\n' || string_agg(concat_ws(',', k, a, b) || CASE WHEN n % 700 = 0 THEN ',too,many' ELSE '' END, E'\n' ORDER BY n) AS v1 FROM t.v1 \gset
CALL t.write('many.csv', :'v1');
\! sh $PG_ABS_SRCDIR/include/psql "SET maintenance_work_mem = '1MB'; SELECT * FROM t.prepare('complete', 'M', '{\"on_error\": \"quarantine\", \"duplicates\": \"reject\"}')"
CREATE TABLE t.little2 AS SELECT command, k, a, b FROM syncup_delta.m_many;
\! sh $PG_ABS_SRCDIR/include/psql "SET maintenance_work_mem = '64MB'; SELECT * FROM t.prepare('complete', 'M', '{\"on_error\": \"quarantine\", \"duplicates\": \"reject\"}')"
(SELECT command, k, a, b FROM syncup_delta.m_many EXCEPT ALL TABLE t.little2) UNION ALL (TABLE t.little2 EXCEPT ALL SELECT command, k, a, b FROM syncup_delta.m_many);

\set end :srcdir '/include/end.sql'
\i :end
