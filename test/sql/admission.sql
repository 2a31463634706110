-- What fails a prepare (SPEC 4.2), each with nothing changed, and what does not:
-- beyond the cases of prepare.sql. t.refused() adds a line for every table of ours
-- or of the targets that is not as it was.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

CREATE TYPE target.mood AS ENUM ('good', 'bad');
CREATE DOMAIN target.even AS int CHECK (value % 2 = 0);
CREATE TABLE target.person (id int PRIMARY KEY, name varchar(5), score numeric(3,1), mood target.mood, n target.even, at timestamptz);
SELECT syncup_create_connector('HR', t.dir());
CREATE FUNCTION t.map(file text DEFAULT 'person.csv', options jsonb DEFAULT '{}') RETURNS void
LANGUAGE sql AS $$ SELECT syncup_map_entity_type('HR', 'person', 'target.person', file, 'id', '{"id": "id", "name": "name", "score": "score", "mood": "mood", "n": "n", "at": {"column": "at", "format": "filetime"}}', '{mail}', t.anew(options, 'HR', 'person')) $$;
SELECT t.map();
CALL t.write('person.csv', E'id,name,score,mood,n,at,mail,notes\n1,Ada,1,good,2,,a@x,\n2,Bob,2,bad,4,,b@x,\n');
CALL t.shell('cp person.csv good.csv');
SELECT syncup_prepare('HR', 'initial') IS NOT NULL AS prepared;
SELECT status FROM t.synchronize('HR');
-- A batch that waits, of which nothing may change either.
CALL t.write('person.csv', E'id,name,score,mood,n,at,mail,notes\n1,Ada,1,good,2,,a@x,\n2,Bob,3,bad,4,,b@x,\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;

-- The error in both modes, which is the same; of a file of this content, if given.
CREATE FUNCTION t.bad(content bytea DEFAULT NULL, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
	complete text[];
	incremental text[];
BEGIN
	IF content IS NOT NULL THEN
		CALL t.write('person.csv', content);
	END IF;
	complete := ARRAY(SELECT t.refused(format('SELECT syncup_prepare(%L, %L, %L)', 'HR', 'complete', options)));
	incremental := ARRAY(SELECT t.refused(format('SELECT syncup_prepare(%L, %L, %L)', 'HR', 'incremental', options)));
	RETURN QUERY SELECT line FROM unnest(complete) line WHERE line NOT LIKE 'CONTEXT: connector%';
	IF complete <> incremental THEN
		RETURN QUERY SELECT 'BUT INCREMENTAL ' || line FROM unnest(incremental) line;
	END IF;
END
$$;
CREATE FUNCTION t.bad(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.bad(convert_to(content, 'UTF8'), options) $$;
-- The same of rows under the usual header, of id, name and what is as it was.
CREATE FUNCTION t.bad_rows(content bytea, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.bad(convert_to(E'id,name,score,mood,n,at,mail,notes\n1,Ada,1,good,2,,a@x,\n', 'UTF8') || content, options) $$;
CREATE FUNCTION t.bad_rows(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.bad_rows(convert_to(content, 'UTF8'), options) $$;
CREATE PROCEDURE t.complete()
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('HR', 'complete');
	IF (SELECT status FROM syncup_synchronize('HR', force => true)) <> 'applied' THEN
		RAISE 'not applied: %', (SELECT error FROM syncup.batch WHERE status = 'failed');
	END IF;
END
$$;
-- What a prepare that is possible does, leaving no trace.
CREATE FUNCTION t.good(options jsonb DEFAULT '{}') RETURNS TABLE (file text, read bigint, ins bigint, upd bigint, del bigint)
LANGUAGE plpgsql AS $$
BEGIN
	BEGIN
		PERFORM syncup_prepare('HR', 'complete', options);
		SELECT replace(c.file, t.dir(), '<dir>'), rows_read, delta_inserted, delta_updated, delta_deleted INTO file, read, ins, upd, del
		FROM syncup.batch_counter c JOIN syncup.batch USING (batch) ORDER BY seq DESC LIMIT 1;
		RAISE SQLSTATE 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	END;
	RETURN NEXT;
END
$$;

-- Not a file: nothing is waited for, nor read without end.
CALL t.shell('rm person.csv');
SELECT t.bad();
CALL t.shell('mkdir person.csv');
SELECT t.bad();
CALL t.shell('rmdir person.csv; mkfifo person.csv');
SELECT t.bad();
CALL t.shell('rm person.csv; ln -s /dev/zero person.csv');
SELECT t.bad();
CALL t.shell('rm person.csv; ln -s /dev/null person.csv');
SELECT t.bad();
CALL t.shell('rm person.csv; cp good.csv person.csv; chmod 0 person.csv');
SELECT t.bad();
CALL t.shell('chmod 600 person.csv');
SELECT * FROM t.good();
CALL t.shell('mv person.csv real.csv; ln -s real.csv person.csv');
SELECT * FROM t.good();
CALL t.shell('rm person.csv');

-- Nothing in it: zero bytes, only a byte order mark, only empty lines.
SELECT t.bad('');
SELECT t.bad('\xefbbbf'::bytea);
SELECT t.bad('\xfffe'::bytea);
SELECT t.bad(E'\n\r\n\r');
SELECT t.bad(E'# comment\n', '{"skip_lines": 1}');
SELECT t.bad(E'# comment\n', '{"skip_lines": 2}') LIMIT 1;

-- Columns: missing (mapped, the key, a unique key); two of one name where mapped,
-- also by case; not where nobody uses them.
SELECT t.bad(E'id,name,score,mood,n,mail\n');
SELECT t.bad(E'name,score,mood,n,at,mail\n') LIMIT 1;
SELECT t.bad(E'id,name,score,mood,n,at\n') LIMIT 1;
SELECT t.bad(E'id;name;score;mood;n;at;mail\n') LIMIT 1;
SELECT t.bad(E'id,name,score,mood,n,at,mail,name\n1,Ada,1,good,2,,a@x,\n');
SELECT t.bad(E'id,NAME,score,mood,n,at,mail,Name\n1,Ada,1,good,2,,a@x,\n');
SELECT t.bad(E'1,Ada,1,good,2,,a@x,\n', '{"header": false}') LIMIT 1;
CALL t.write('person.csv', E'notes,id,NAME,score,mood,n,at,mail,name,notes,,\n,1,x,1,good,2,,a@x,Ada,,,\n');
SELECT * FROM t.good();

-- Rows: too few fields, too many, blanks that are a row.
SELECT t.bad_rows(E'2,Bob,2,bad,4,,b@x\n');
SELECT t.bad_rows(E'2,Bob,2,bad,4,,b@x,,\n');
SELECT t.bad_rows(E'\n\n \n');
SELECT t.bad_rows(E'2,Bob,2,bad,4,,b@x,\n\n"');
SELECT t.bad_rows(E'2,Bob,2,bad,4,,b@x,"\n3,Cy,,,,,,\n4,Di,,,,,,"\n5\n');
-- Quotes, and the end of the file in one.
SELECT t.bad_rows(E'2,B"o"b,2,bad,4,,b@x,\n');
SELECT t.bad_rows(E'2,"Bob,2,bad,4,,b@x,\n3,Cy,,,,,,\n');
SELECT t.bad_rows(E'2,Bob,2,bad,4,,b@x,"and\nno end');
SELECT t.bad(E'"id,name\n');
-- Bytes: NUL anywhere, and what is no UTF-8: alone, cut, overlong, a surrogate,
-- beyond Unicode; also in columns that nobody maps, and in the header.
SELECT t.bad_rows('\x'::bytea || 'x,' || '\x00' || E',,,,,,\n');
SELECT t.bad_rows('\x'::bytea || E'2,Bob,2,bad,4,,b@x,"' || '\x00' || E'"\n') LIMIT 1;
SELECT bytes, line FROM unnest('{"\\xff", "\\xc3", "\\xc0af", "\\xeda080", "\\xf4908080", "\\x80"}'::bytea[]) bytes, LATERAL t.bad_rows('\x'::bytea || E'2,Bob,2,bad,4,,b@x,' || bytes || E'\n') WITH ORDINALITY AS t (line, n) WHERE n <> 2;
SELECT t.bad_rows(convert_to(E'2,Bob,2,bad,4,,b@x,é', 'UTF8') || '\xc3');
SELECT t.bad(convert_to(E'id,name,score,mood,n,at,mail,no', 'UTF8') || '\xe9' || E'\n');
SELECT t.bad(convert_to(E'id,name,score,mood,n,at,mail,no', 'UTF8') || '\x00' || E'\n') LIMIT 1;
SELECT t.bad('\xfffe69006400'::bytea || '\x00') LIMIT 2;
SELECT t.bad('\xfffe69006400d8'::bytea) LIMIT 2;
SELECT t.bad_rows(E'2,"日本語",2,bad,4,,b@x,\n', '{"encoding": "LATIN9"}') LIMIT 1;
SELECT t.bad_rows('\x'::bytea || '3,' || '\x81' || E',,,,,,\n', '{"encoding": "WIN1252"}');

-- Values that their column or its format refuses; never the value itself.
SELECT t.bad_rows(E'2.0,Bob,2,bad,4,,b@x,\n');
SELECT t.bad_rows(E'2,Bobby!,2,bad,4,,b@x,\n');
SELECT t.bad_rows(E'2,Bob,222.2,bad,4,,b@x,\n');
SELECT t.bad_rows(E'2,Bob,"2,5",bad,4,,b@x,\n');
SELECT t.bad_rows(E'2,Bob,2,angry,4,,b@x,\n');
SELECT t.bad_rows(E'2,Bob,2,bad,5,,b@x,\n');
SELECT t.bad_rows(E'2,Bob,2,bad,4,2026-01-01,b@x,\n');
SELECT t.bad_rows(E'1,SECRET,2,bad,4,,b@x,\n2,SECRET,2,bad,4,,b@x,\n');

-- Compressed: what is cut, at any place; what is not compressed at all, or only at
-- first; nothing. What is whole is read, in several members too.
SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'prepared';
SELECT t.map('person.csv.gz');
SELECT E'id,name,score,mood,n,at,mail,notes\n' || string_agg(i || ',' || i % 7 || ',,,,,' || md5(i::text) || ',', E'\n') || E'\n' AS content FROM generate_series(1, 5000) i \gset
CALL t.write('all.csv', :'content');
CALL t.shell('gzip <all.csv >all.gz');
CALL t.shell('cp all.gz person.csv.gz');
SELECT * FROM t.good();
CALL t.complete();
CREATE FUNCTION t.bad_file(command text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.shell(command);
	-- which line it was depends on the size of blocks
	RETURN QUERY SELECT t.bad() LIMIT 1;
END
$$;
SELECT t.bad_file('head -c -1 all.gz >person.csv.gz');
SELECT t.bad_file('head -c -8 all.gz >person.csv.gz');
SELECT t.bad_file('head -c 20000 all.gz >person.csv.gz');
SELECT t.bad_file('head -c 5 all.gz >person.csv.gz');
SELECT t.bad_file('head -c 20000 all.gz >person.csv.gz; head -c 100 /dev/zero >>person.csv.gz');
SELECT t.bad_file('cp all.csv person.csv.gz');
SELECT t.bad_file(': >person.csv.gz');
SELECT t.bad_file('gzip </dev/null >person.csv.gz');
SELECT t.bad_file('{ head -n 100 all.csv | gzip; tail -n +101 all.csv; } >person.csv.gz');
CALL t.shell('{ head -n 100 all.csv | gzip; tail -n +101 all.csv | gzip -9; } >person.csv.gz');
SELECT * FROM t.good();
-- Bad rows are set aside; a file that is cut is not taken all the same.
SELECT t.bad_file('{ head -n 100 all.csv; echo 1,2,3; tail -n +101 all.csv; } | gzip >person.csv.gz');
SELECT * FROM t.good('{"on_error": "quarantine"}');
CALL t.shell('head -c 20000 all.gz >person.csv.gz');
SELECT t.bad(NULL::bytea, '{"on_error": "quarantine"}');
CALL t.shell('cp good.csv person.csv; cp all.gz person.csv.gz');

-- done_suffix: not without its companion, which may be anything.
SELECT t.map('person.csv', '{"done_suffix": ".done"}');
CALL t.shell(': >person.csv.done');
CALL t.complete();
CALL t.shell('rm person.csv.done');
SELECT t.bad();
CALL t.shell(': >person.done; : >done; : >.done');
SELECT t.bad() LIMIT 1;
CALL t.shell(': >person.csv.done');
SELECT * FROM t.good();
CALL t.shell('rm person.csv.done; mkdir person.csv.done');
SELECT * FROM t.good();
CALL t.shell('rmdir person.csv.done');
SELECT t.bad() LIMIT 1;
SELECT * FROM t.good('{"done_suffix": ""}');
-- min_age: seconds since it was written, as its file system says.
SELECT regexp_replace(t.bad(NULL::bytea, '{"min_age": 600, "done_suffix": ""}'), '\m\d+ seconds', 'N seconds') LIMIT 2;
CALL t.shell('touch -d "9 minutes ago" person.csv');
SELECT regexp_replace(t.bad(NULL::bytea, '{"min_age": 600, "done_suffix": ""}'), '\m5[3-9]\d seconds', '540 seconds') LIMIT 1;
CALL t.shell('touch -d "11 minutes ago" person.csv');
SELECT * FROM t.good('{"min_age": 600, "done_suffix": ""}');
-- A time in the future is not old enough.
CALL t.shell('touch -d "11 minutes" person.csv');
SELECT regexp_replace(t.bad(NULL::bytea, '{"min_age": 600, "done_suffix": ""}'), '-\d+ seconds', '-N seconds') LIMIT 1;
CALL t.shell('touch person.csv');
SELECT * FROM t.good('{"min_age": 0, "done_suffix": ""}');

-- pattern: of the regular files that match, the one written last; of equal times
-- the last by name. Which it was is recorded.
SELECT t.map('[hp]*_????.csv', '{"pattern": true}');
CALL t.shell('cp good.csv p_2024.csv');
CALL t.complete();
CALL t.shell('rm p_2024.csv');
SELECT t.bad();
CALL t.shell('cp good.csv p_2024.csv; cp good.csv p_2026.csv; cp good.csv p_2025.csv; cp good.csv x_2027.csv; cp good.csv p_20281.csv; mkdir p_2029.csv; mkfifo p_2030.csv; ln -s nowhere p_2031.csv');
CALL t.shell('touch -d 2026-01-01 p_2024.csv p_2026.csv p_2025.csv');
SELECT * FROM t.good();
CALL t.shell('touch -d 2026-01-02 p_2024.csv');
SELECT * FROM t.good();
-- The newest is the one, though it is not good.
CALL t.shell('printf "id,name\n" >p_2025.csv; touch -d 2026-01-03 p_2025.csv');
SELECT t.bad() LIMIT 1;
CALL t.shell('touch -d 2026-01-01 p_2025.csv');
-- With a companion: that of the one that matches. The age is that of it, too.
SELECT t.bad(NULL::bytea, '{"done_suffix": ".done"}');
CALL t.shell(': >p_2024.csv.done');
SELECT * FROM t.good('{"done_suffix": ".done", "min_age": 3600}');
-- Without the option, a star is a star.
SELECT t.bad(NULL::bytea, '{"pattern": false}') LIMIT 1;
CALL t.shell('cp good.csv "[hp]*_????.csv"');
SELECT file FROM t.good('{"pattern": false}');

-- The target: a column dropped or of another type; the whole table.
SELECT t.map();
CALL t.shell('cp good.csv person.csv');
CALL t.complete();
CREATE FUNCTION t.with(change text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	lines text[];
BEGIN
	BEGIN
		EXECUTE change;
		lines := ARRAY(SELECT t.bad());
		RAISE SQLSTATE 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	END;
	RETURN QUERY SELECT line FROM unnest(lines) line;
END
$$;
SELECT t.with('ALTER TABLE target.person DROP COLUMN score');
SELECT t.with('ALTER TABLE target.person DROP COLUMN id');
SELECT t.with('ALTER TABLE target.person ALTER score TYPE double precision');
SELECT t.with('ALTER TABLE target.person ALTER name TYPE varchar(9)');
SELECT t.with('DROP TABLE target.person');
-- It is the table that was mapped, whatever it is called; what nobody mapped may change.
BEGIN;
ALTER TABLE target.person ADD other text, ALTER name SET DEFAULT 'x';
ALTER TABLE target.person RENAME TO people;
CREATE TABLE target.person (id int PRIMARY KEY);
SELECT * FROM t.good();
ROLLBACK;
-- The connector: deactivated, without mappings, unknown; the mode.
SELECT syncup_deactivate('HR');
SELECT t.bad();
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'complete')$$);
SELECT syncup_activate('HR');
SELECT * FROM t.good();
SELECT syncup_create_connector('NONE', t.dir());
SELECT t.refused($$SELECT syncup_prepare('NONE', 'complete')$$);
SELECT t.refused($$SELECT syncup_prepare('OTHER', 'complete')$$);
SELECT t.refused($$SELECT syncup_prepare('HR', 'full')$$);

-- A header without rows is valid, with a line end or without: everything is gone.
-- The limits guard it.
SELECT count(*) FROM target.person;
CALL t.write('person.csv', E'id,name,score,mood,n,at,mail,notes');
SELECT * FROM t.good();
CALL t.write('person.csv', E'\ufeffid,name,score,mood,n,at,mail,notes\r\n\r\n');
SELECT * FROM t.good();
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT count(*) FROM target.person;
SELECT counter, count, maximum, base, percent, max_percentage, exceeded FROM syncup.threshold_check JOIN syncup.batch USING (batch) WHERE status = 'blocked' AND mapping IS NULL ORDER BY counter;
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT count(*) FROM target.person;
SELECT mode, status, deleted FROM syncup_resume((SELECT batch FROM syncup.batch WHERE status = 'blocked'));
SELECT count(*) FROM target.person;

\set end :srcdir '/include/end.sql'
\i :end
