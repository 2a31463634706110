-- Reading CSV files: syncup_read_csv, syncup_csv_header, syncup_read_delta and
-- every option of SPEC 2.5 that says how.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

-- Columns are found by name, exactly or else ignoring case, in any order, and
-- converted by their types.
CALL t.write('people.csv', E'id,Name,born,SCORE,unused\n7,Ada,1815-12-10,1.50,x\n8,,,,\n');
SELECT * FROM syncup_read_csv(t.dir() || '/people.csv') AS (born date, id int, name text, score numeric);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/people.csv') AS ("Name" varchar(2))$$);
SELECT * FROM syncup_csv_header(t.dir() || '/people.csv');
-- Exactly wins over ignoring case.
SELECT t.csv(E'a,A\n1,2\n');
CALL t.write('cases.csv', E'a,A,B,b\n1,2,3,4\n');
SELECT * FROM syncup_read_csv(t.dir() || '/cases.csv') AS (a int, "A" int, "B" int, b int);
CALL t.write('umlaut.csv', E'ÄRGER\n1\n');
SELECT * FROM syncup_read_csv(t.dir() || '/umlaut.csv') AS ("ärger" int);
-- A column that is missing; one that stands there twice, which only matters
-- when it is asked for.
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/people.csv') AS (id int, nme text)$$);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/umlaut.csv', '{"encoding": "WIN1252"}') AS ("Ärger" int)$$);
CALL t.write('twice.csv', E'id,x,x,Y,y\n1,2,3,4,5\n');
SELECT * FROM syncup_csv_header(t.dir() || '/twice.csv');
SELECT * FROM syncup_read_csv(t.dir() || '/twice.csv') AS (id int);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/twice.csv') AS (x int)$$);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/twice.csv') AS ("X" int)$$);
SELECT * FROM syncup_read_csv(t.dir() || '/twice.csv') AS ("Y" int, y int);
-- No definition list, a null path, a relative one.
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/people.csv')$$);
SELECT count(*) FROM syncup_read_csv(NULL) AS (id int);
SELECT t.error($$SELECT * FROM syncup_read_csv('people.csv') AS (id int)$$);
SELECT t.error($$SELECT * FROM syncup_csv_header('people.csv')$$);

-- Values are read the same whatever the session's settings.
CALL t.write('values.csv', E'd,ts,tz,n,i\n2024-02-01,2024-02-01 10:00,2024-02-01 10:00,1234.5,1 day\n');
BEGIN;
SET LOCAL DateStyle = 'German, DMY';
SET LOCAL TimeZone = 'Asia/Tokyo';
SET LOCAL IntervalStyle = 'iso_8601';
CREATE TEMP TABLE read AS
SELECT * FROM syncup_read_csv(t.dir() || '/values.csv') AS (d date, ts timestamp, tz timestamptz, n float8, i interval);
SHOW DateStyle;
SHOW TimeZone;
COMMIT;
SELECT * FROM read;
SELECT * FROM syncup_read_csv(t.dir() || '/values.csv', '{"timezone": "Europe/Paris"}') AS (tz timestamptz);
CALL t.write('settings.csv', E'a,at,x\n"{1,NULL}",2024-02-01 10:00 IST,0.1\n');
BEGIN;
SET LOCAL array_nulls = off;
SET LOCAL timezone_abbreviations = 'India';
SET LOCAL extra_float_digits = -15;
CREATE TEMP TABLE read2 AS
SELECT * FROM syncup_read_csv(t.dir() || '/settings.csv') AS (a text[], at timestamptz, x float8);
COMMIT;
SELECT a, a[2] IS NULL AS a_null, at AT TIME ZONE 'UTC' AS utc, x FROM read2;
-- An ambiguous date is year, month, day or nothing, also where the session would take it.
SET DateStyle = 'ISO, DMY';
CALL t.write('ambiguous.csv', E'd\n01/02/2024\n');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/ambiguous.csv') AS (d date)$$);
RESET DateStyle;

-- Delimiter.
SELECT t.csv(E'a;b\n1,5;2\n', '{"delimiter": ";"}');
SELECT t.csv(E'a\tb\n1\t2\n', '{"delimiter": "\t"}');
SELECT t.csv(E'a\tb\n1\t2\n', '{"delimiter": "\\t"}');
SELECT t.csv(E'a|b\n"1|1"|2\n', '{"delimiter": "|"}');
-- Quote and escape.
SELECT t.csv(E'a,b\n"1,1","2 ""two"""\n"",""""\n');
SELECT t.csv(E'a,b\n\'1,1\',"2"\n', $${"quote": "'"}$$);
SELECT t.csv(E'a,b\n"1\\"1","2\\\\"\n"\\n","C:\\\\x"\n', '{"escape": "\\"}');
SELECT t.csv(E'a,b\n"1",""\n5" pipe,x\n', '{"quote": ""}');
-- Quoted and empty: null unless said otherwise. Unquoted and empty: always null.
SELECT t.csv(E'a,b,c\n,"",x\n');
SELECT t.csv(E'a,b,c\n,"",x\n', '{"quoted_empty": "empty"}');
SELECT t.csv(E'a,b,c\n,"",x\n', '{"quoted_empty": "null"}');
CALL t.write('quoted.csv', E'a,b\n,\n"",""\n');
SELECT a IS NULL AS unquoted, b = '' AS b FROM syncup_read_csv(t.dir() || '/quoted.csv', '{"quoted_empty": "empty"}') AS (a text, b text);
-- Trim: headers and values, quoted or not; nothing is trimmed unasked.
SELECT t.csv(E' a , b\n 1 ,"  2"\n');
SELECT * FROM syncup_csv_header(t.dir() || '/csv');
SELECT t.csv(E' a , b\n 1 1 ,"  2"\n', '{"trim": " "}');
SELECT * FROM syncup_csv_header(t.dir() || '/csv', '{"trim": " "}');
SELECT t.csv(E'_a*,b\n*_1_*,\u00a0\t2\u00a0\n', E'{"trim": "_*\u00a0\\t"}');
SELECT t.csv(E'a,b\n  ,"  "\n', '{"trim": " "}');
SELECT t.csv(E'a,b\n  ,"  "\n', '{"trim": " ", "quoted_empty": "empty"}');

-- Without a header.
SELECT t.csv(E'1,x\n2,y\n', '{"header": false}');
SELECT * FROM syncup_csv_header(t.dir() || '/csv', '{"header": false}');
SELECT * FROM syncup_read_csv(t.dir() || '/csv', '{"header": false}') AS (column2 text, "COLUMN1" int);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/csv', '{"header": false}') AS (column3 text)$$);
-- Lines before the header: physical ones, even with quotes or blank.
SELECT t.csv(E'Report of "today\n\na,b\n1,2\n', '{"skip_lines": 2}');
SELECT t.csv(E'x\r\r\na,b\r1,2\r', '{"skip_lines": 2}');
SELECT t.csv(E'x\n1,2\n', '{"skip_lines": 1, "header": false}');
SELECT t.csv_error(E'x\na,b\n1,2\n', '{"skip_lines": 3}');
SELECT t.csv_error(E'x\na\n1\nzz,9\n', '{"skip_lines": 1}');

-- Line ends: LF, CRLF, CR, mixed; a last line without one; blank lines count as
-- lines but give no row; a line with only quotes is a row.
SELECT t.csv(E'a,b\n1,2\n3,4\n');
SELECT t.csv(E'a,b\r\n1,2\r\n3,4\r\n');
SELECT t.csv(E'a,b\r1,2\r3,4\r');
SELECT t.csv(E'a,b\r\n1,2\n3,4\r5,6\n\r7,8');
SELECT t.csv(E'a,b\n1,2\n3,4');
SELECT t.csv(E'a,b\n1,2\n3,');
SELECT t.csv(E'a,b\n1,2\n3,"4"');
SELECT t.csv(E'\n\na\n1\n\n\r\n""\n2\n\n');
SELECT t.csv(E'a,b\n1,"x\ny\r\nz\rw"\n2,"""\n"\n');
-- Line numbers, right after newlines in quotes too.
SELECT t.csv_error(E'a,b\n1,"x\ny\r\nz\rw"\n2,2\n3,3,3\n');
SELECT t.csv_error(E'a,b\r1,2\r\r\n1\r');
SELECT t.csv_error(E'"a\nb",c\n1,2,3\n');
-- What COPY takes for its end.
SELECT t.csv(E'a,b\n1,2\n\\.\n', '{"delimiter": ";"}');
SELECT t.csv(E'a\n1\n\\.\n2\n');
SELECT t.csv(E'a,b\n\\N,\\t\n');

-- Rows that are not right: too few and too many fields,
SELECT t.csv_error(E'a,b,c\n1,2,3\n4,5\n6,7,8\n');
SELECT t.csv_error(E'a,b,c\n1,2,3\n4,5,6,7\n');
SELECT t.csv_error(E'a,b,c\n1,2,3,\n');
-- stray quotes, after and inside of a value,
SELECT t.csv_error(E'a,b\n1,2\n"3"x,4\n');
SELECT t.csv_error(E'a,b\n1,2\n3,5" pipe\n');
SELECT t.csv_error(E'a,b\n1,2\n3, "4"\n');
-- quotes that are never closed, in the middle and at the end,
SELECT t.csv_error(E'a,b\n1,"2\n3,4\n5,6\n');
SELECT t.csv_error(E'a,b\n1,2\n3,"4\n');
SELECT t.csv_error(E'a,"b\n1,2\n');
-- bytes that are not valid, NUL.
SELECT t.csv_error('\x612c620a312cff0a'::bytea);
SELECT t.csv_error('\x612c620a312c320aff2c320a'::bytea);
SELECT t.csv_error('\x612c620a31002c320a'::bytea);
SELECT t.csv_error('\x61ff2c620a312c320a'::bytea);
-- An overlong form, a surrogate, beyond Unicode.
SELECT t.csv_error('\x610ac0af0a'::bytea);
SELECT t.csv_error('\x610aeda0800a'::bytea);
SELECT t.csv_error('\x610af48080800af49080800a'::bytea);
-- A row with an invalid byte is refused also where nobody asks for that column.
CALL t.write('byte.csv', '\x612c620a312cff0a'::bytea);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/byte.csv') AS (a int)$$);
-- A value that the type refuses: line and column are named, the value is not.
CALL t.write('bad.csv', E'id,born\n1,1815-12-10\n2,"SECRET\nSECRET"\n');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/bad.csv') AS (id int, born date)$$);
CALL t.write('bad.csv', E'id,Code\n1,12\n2,SECRET\n');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/bad.csv') AS (id int, code int)$$);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/bad.csv') AS (code varchar(3))$$);
CREATE DOMAIN t.code AS text NOT NULL CONSTRAINT short CHECK (length(value) < 4);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/bad.csv') AS (code t.code)$$);
CALL t.write('bad.csv', E'id,Code\n1,12\n2,\n');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/bad.csv') AS (id int, code t.code)$$);

-- Lenient: stray quotes are data.
SELECT t.csv(E'a,b\n5" pipe,2\n"say "hi" now",4\n5"",x\n', '{"quoting": "lenient"}');
SELECT t.csv_error(E'a,b\n"3"x,5\n', '{"quoting": "lenient"}');
SELECT t.csv(E'a,b\n"x\ny",2\n', '{"quoting": "lenient"}');
SELECT t.csv_error(E'a,b\n1,2\n"3,4\n5,6\n', '{"quoting": "lenient"}');

-- Files that are not there, empty, without header, with a header only.
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/nothing.csv') AS (a int)$$);
SELECT t.error($$SELECT * FROM syncup_csv_header(t.dir())$$);
SELECT t.csv_error('');
SELECT t.csv_error(E'\n\r\n');
SELECT t.csv_error('\xefbbbf'::bytea);
SELECT t.csv_error(E'\n', '{"header": false}');
SELECT count(*) FROM t.csv(E'a,b\n');
SELECT count(*) FROM t.csv('a,b');
CALL t.write('csv', E'a,,b\n1,2,3\n');
SELECT * FROM syncup_csv_header(t.dir() || '/csv');
SELECT * FROM syncup_read_csv(t.dir() || '/csv') AS (a int, b int);
CALL t.shell('mkfifo pipe');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/pipe') AS (a int)$$);
SELECT t.error($$SELECT * FROM syncup_read_csv('/dev/null') AS (a int)$$);

-- Encodings. A byte order mark decides, and is no data.
SELECT t.csv('\xefbbbf' || convert_to(E'a,b\nä,€\n', 'UTF8'));
SELECT t.csv('\xefbbbf' || convert_to(E'a,b\nä,€\n', 'UTF8'), '{"encoding": "LATIN1"}');
SELECT t.csv('\xefbbbf' || convert_to(E'"a",b\nä,€\n', 'UTF8'));
SELECT t.csv(convert_to(E'a,b\nä,€\n', 'WIN1252'), '{"encoding": "WIN1252"}');
SELECT t.csv(convert_to(E'ä,b\ná,ÿ\n', 'LATIN1'), '{"encoding": "LATIN1"}');
SELECT t.csv(convert_to(E'ä,b\ná,"ÿ,"\n', 'LATIN1'), '{"encoding": "LATIN1", "trim": "á"}');
SELECT t.csv(convert_to(E'a,b\n\u00a0x\u00a0,\u00a0\n', 'WIN1252'), E'{"encoding": "windows-1252", "trim": "\u00a0"}');
SELECT t.csv(convert_to(E'a,b\nÃ¤x,Ã¤\n', 'LATIN1'), '{"encoding": "LATIN1", "trim": "ä"}');
SELECT t.csv_error(convert_to(E'a,b\nä,2\n', 'LATIN1'));
-- 0x81 is no character of WIN1252.
SELECT t.csv_error('\x612c620a31810a'::bytea, '{"encoding": "WIN1252", "header": false}');
SELECT t.csv_error('\x612c620a312c810a'::bytea, '{"encoding": "WIN1252"}');
-- UTF-16, little and big end first, with a mark and without; beyond the first plane.
CREATE FUNCTION t.utf16(content text, big boolean) RETURNS bytea
LANGUAGE sql AS $$
	SELECT string_agg(decode(CASE WHEN big THEN lpad(to_hex(u), 4, '0')
		ELSE lpad(to_hex(u & 255), 2, '0') || lpad(to_hex(u >> 8), 2, '0') END, 'hex'), '' ORDER BY n, half)
	FROM (
		SELECT n, 0 AS half, CASE WHEN c < 65536 THEN c ELSE 55296 + ((c - 65536) >> 10) END AS u
		FROM (SELECT n, ascii(c) AS c FROM string_to_table(content, NULL) WITH ORDINALITY AS s (c, n)) AS s
		UNION ALL
		SELECT n, 1, 56320 + ((c - 65536) & 1023)
		FROM (SELECT n, ascii(c) AS c FROM string_to_table(content, NULL) WITH ORDINALITY AS s (c, n)) AS s
		WHERE c >= 65536) AS units
$$;
SELECT t.csv(t.utf16(E'\uFEFFa,b\r\nä,"€\n,😀"\r\n', false));
SELECT t.csv(t.utf16(E'\uFEFFa,b\r\nä,"€\n,😀"\r\n', true));
SELECT t.csv(t.utf16(E'a,b\r\nä,"€\n,😀"\r\n', false), '{"encoding": "UTF-16LE"}');
SELECT t.csv(t.utf16(E'a,b\r\nä,"€\n,😀"\r\n', true), '{"encoding": "UTF16BE"}');
SELECT t.csv(t.utf16(E'\uFEFFa,b\r\nä,"€\n,😀"\r\n', true), '{"encoding": "UTF16LE"}');
-- U+0A2C and U+2C0A hold the bytes of a comma and a line end.
SELECT t.csv(t.utf16(E'\uFEFFa,b\n\u0A2C,\u2C0A\n', false));
-- Half a character, half a pair, pairs in the wrong order.
SELECT t.csv_error(t.utf16(E'\uFEFFa,b\n1,2\n3,4', false) || '\x61');
SELECT t.csv_error(t.utf16(E'\uFEFFa,b\n1,', false) || '\x3dd8' || t.utf16(E'2\n', false));
SELECT t.csv_error(t.utf16(E'\uFEFFa,b\n1,', false) || '\x00de3dd8' || t.utf16(E'2\n', false));
SELECT t.csv_error(t.utf16(E'\uFEFFa,b\n1,', false) || '\x0000' || t.utf16(E'2\n', false));
-- Encodings of which the second byte may look like a backslash or a bar: SJIS
-- 0x955C (表), GBK 0x9F7C, BIG5 0xA55C (功).
SELECT t.csv('\x612c620a22955c222c2282a0220a'::bytea, '{"encoding": "SJIS"}');
SELECT t.csv('\x612c620a22955c222c2282a0220a'::bytea, '{"encoding": "SJIS", "escape": "\\"}');
SELECT t.csv('\x617c620a9f7c7c320a'::bytea, '{"encoding": "GBK", "delimiter": "|"}');
SELECT t.csv('\x612c620a22a55c222c320a'::bytea, '{"encoding": "BIG5", "escape": "\\"}');
SELECT t.csv_error('\x612c620a822c320a'::bytea, '{"encoding": "SJIS"}');
SELECT t.csv_error('\x612c620a31ff2c320a'::bytea, '{"encoding": "SJIS"}');
SELECT t.csv_error('\x612c620a31002c320a'::bytea, '{"encoding": "SJIS"}');
-- Files longer than any buffer.
SELECT E'k,a\n' || (SELECT string_agg(i || ',' || repeat('表€', 20), E'\n') FROM generate_series(1, 4000) i) AS content \gset
CALL t.write('long.csv', :'content', 'UTF8');
CALL t.shell('iconv -f UTF-8 -t UTF-16 long.csv > long16.csv');
SELECT count(*), count(DISTINCT a), min(length(a)), md5(string_agg(k || a, ',')) = (SELECT md5(string_agg(i || repeat('表€', 20), ',')) FROM generate_series(1, 4000) i) AS same
FROM syncup_read_csv(t.dir() || '/long16.csv') AS (k text, a text);
CALL t.shell('iconv -f UTF-8 -t UTF-16BE long.csv > long16.csv');
SELECT count(*), md5(string_agg(k || a, ',')) = (SELECT md5(string_agg(i || repeat('表€', 20), ',')) FROM generate_series(1, 4000) i) AS same
FROM syncup_read_csv(t.dir() || '/long16.csv', '{"encoding": "UTF-16BE"}') AS (k text, a text);
SELECT E'k,a\n' || (SELECT string_agg(i || ',' || left('xx', i % 3) || repeat('表', 20), E'\n') FROM generate_series(1, 8000) i) AS content \gset
CALL t.write('long.csv', :'content', 'SJIS');
SELECT count(*), md5(string_agg(k || a, ',')) = (SELECT md5(string_agg(i || left('xx', i % 3) || repeat('表', 20), ',')) FROM generate_series(1, 8000) i) AS same
FROM syncup_read_csv(t.dir() || '/long.csv', '{"encoding": "SJIS"}') AS (k text, a text);

-- Compressed files; several members; cut, empty, damaged, and what follows.
CALL t.write('x.csv', E'a,b\n1,2\n');
CALL t.write('y.csv', E'3,4\n5,6\n');
CALL t.shell('gzip -c x.csv > x.csv.gz; gzip -c y.csv | cat x.csv.gz - > xy.csv.GZ');
SELECT t.read('x.csv.gz');
SELECT t.read('xy.csv.GZ');
CALL t.shell('head -c -9 x.csv.gz > cut.csv.gz; head -c 5 x.csv.gz > head.csv.gz; cp x.csv plain.csv.gz; : | gzip -c > empty.csv.gz; { cat x.csv.gz; echo junk; } > junk.csv.gz');
SELECT t.error($$SELECT t.read('cut.csv.gz')$$);
SELECT t.error($$SELECT t.read('head.csv.gz')$$);
SELECT t.error($$SELECT t.read('plain.csv.gz')$$);
SELECT t.error($$SELECT t.read('empty.csv.gz')$$);
SELECT t.error($$SELECT t.read('junk.csv.gz')$$);
SELECT E'k,a\n' || (SELECT string_agg(i || ',' || md5(i::text), E'\n') FROM generate_series(1, 20000) i) AS content \gset
CALL t.write('long.csv', :'content');
CALL t.shell('gzip long.csv');
SELECT count(*), bool_and(a = md5(k::text)) FROM syncup_read_csv(t.dir() || '/long.csv.gz') AS (k int, a text);

-- Pattern: the newest match is read.
CALL t.write('export-1.csv', E'a\nfirst\n');
CALL t.write('export-2.csv', E'a\nsecond\n');
CALL t.shell('mkdir export-3.csv && touch -d "2024-01-01 10:00:01" export-1.csv && touch -d "2024-01-01 10:00:00" export-2.csv');
SELECT * FROM syncup_read_csv(t.dir() || '/export-*.csv', '{"pattern": true}') AS (a text);
CALL t.shell('touch -d "2024-01-01 10:00:00.5" export-1.csv && touch -d "2024-01-01 10:00:00.25" export-2.csv');
SELECT * FROM syncup_read_csv(t.dir() || '/export-[12].csv', '{"pattern": true}') AS (a text);
CALL t.shell('touch -d "2024-01-01 10:00:00.75" export-2.csv');
SELECT * FROM syncup_read_csv(t.dir() || '/export-?.csv', '{"pattern": true}') AS (a text);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/nothing-*.csv', '{"pattern": true}') AS (a text)$$);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/export-*.csv') AS (a text)$$);
-- A companion file that says that the export is done.
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/export-2.csv', '{"done_suffix": ".done"}') AS (a text)$$);
CALL t.shell('touch export-2.csv.done');
SELECT * FROM syncup_read_csv(t.dir() || '/export-2.csv', '{"done_suffix": ".done"}') AS (a text);
SELECT * FROM syncup_read_csv(t.dir() || '/export-?.csv', '{"done_suffix": ".done", "pattern": true}') AS (a text);
-- Time since it was written.
SELECT * FROM syncup_read_csv(t.dir() || '/export-2.csv', '{"min_age": 3600}') AS (a text);
CALL t.shell('touch export-2.csv');
SELECT regexp_replace(t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/export-2.csv', '{"min_age": 3600}') AS (a text)$$), '\d+ seconds', 'N seconds');
SELECT * FROM syncup_read_csv(t.dir() || '/export-2.csv', '{"min_age": 0}') AS (a text);

-- Bad rows left out: how many is said.
CALL t.write('rows.csv', convert_to(E'a,b\n1,2\n3\n4,x\n5,"6"7\n8,9\n10,', 'UTF8') || '\xff0a' || convert_to(E'11,12\n', 'UTF8'));
\! sh $PG_ABS_SRCDIR/include/psql "SELECT * FROM syncup_read_csv('$SYNCUP_TEST_DIR/rows.csv', '{\"on_error\": \"quarantine\"}') AS (a int, b int)"
\! sh $PG_ABS_SRCDIR/include/psql "SELECT * FROM syncup_read_csv('$SYNCUP_TEST_DIR/rows.csv', '{\"on_error\": \"quarantine\", \"reject_limit\": 4}') AS (a int, b text)"
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/rows.csv', '{"on_error": "quarantine", "reject_limit": 3}') AS (a int, b int)$$);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/rows.csv', '{"on_error": "quarantine", "reject_limit": 0}') AS (a int, b int)$$);
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/rows.csv', '{"on_error": "stop", "reject_limit": 9}') AS (a int, b int)$$);
-- None: no notice.
\! sh $PG_ABS_SRCDIR/include/psql "SELECT * FROM syncup_read_csv('$SYNCUP_TEST_DIR/x.csv', '{\"on_error\": \"quarantine\"}') AS (a int, b int)"
-- A quote that swallows what follows gives up only what it must.
CALL t.write('rows.csv', E'a,b\n1,2\n3,"4\n5,6\n7,8\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT * FROM syncup_read_csv('$SYNCUP_TEST_DIR/rows.csv', '{\"on_error\": \"quarantine\"}') AS (a int, b int)"
-- A cut file is refused all the same.
CALL t.write('rows.csv', E'a,b\n1,2\n3,"4\n');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/rows.csv', '{"on_error": "quarantine"}') AS (a int, b text)$$);

-- Options that are not known, or not what they should be.
SELECT t.error($$SELECT t.csv(E'a\n1\n', '{"delimeter": ";"}')$$);
SELECT t.error($$SELECT t.csv(E'a\n1\n', '{"Delimiter": ";"}')$$);
SELECT t.error($$SELECT t.csv(E'a\n1\n', '{"scope": "true"}')$$);
SELECT o AS options, e AS error FROM unnest(ARRAY[
	'[]', '";"', '{"delimiter": ""}', '{"delimiter": ";;;;;;;;;"}', '{"delimiter": "ääääa"}', '{"delimiter": "\n"}', '{"delimiter": null}',
	'{"delimiter": ["x"]}', '{"delimiter": "\""}', '{"quote": "x", "delimiter": "x"}', '{"escape": ","}', '{"quote": "''''"}',
	'{"encoding": "UTF9"}', '{"header": "false"}', '{"header": 0}', '{"trim": true}', '{"delimiter": 9}', '{"quote": false}', '{"escape": 1}', '{"encoding": 1252}', '{"timezone": 1}', '{"done_suffix": true}', '{"command_column": 1}', '{"on_error": true}', '{"quoting": false}', '{"quoted_empty": {}}', '{"min_age": true}', '{"skip_lines": -1}', '{"skip_lines": 1.5}', '{"skip_lines": "many"}',
	'{"quoted_empty": "nul"}', '{"quoting": "loose"}', '{"on_error": "ignore"}', '{"reject_limit": -1}', '{"reject_limit": "x"}',
	'{"pattern": "maybe"}', '{"min_age": "soon"}', '{"min_age": -1}', '{"timezone": "Mars/Olympus"}']) AS o,
	LATERAL t.error(format('SELECT t.csv(%L, %L)', E'a\n1\n', o)) AS e;
-- Texts for numbers and booleans are taken.
SELECT t.csv(E'x\n1,2\n', '{"skip_lines": "1", "header": false}');

-- A file with a command column.
CALL t.write('delta.csv', E'command,id,name\ninsert,1,a\nADD,2,b\nupdate,3,\nModify,4,NULL_NULL\nDELETE,5,\nmerge,6,f\n');
SELECT * FROM syncup_read_delta(t.dir() || '/delta.csv') AS (command text, id int, name text);
CALL t.write('delta2.csv', E'id,op\n1,Insert\n2,upsert\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT * FROM syncup_read_delta('$SYNCUP_TEST_DIR/delta2.csv', '{\"command_column\": \"op\", \"on_error\": \"quarantine\"}') AS (id int, command varchar)"
SELECT t.error($$SELECT * FROM syncup_read_delta(t.dir() || '/delta2.csv', '{"command_column": "op"}') AS (id int, command text)$$);
SELECT t.error($$SELECT * FROM syncup_read_delta(t.dir() || '/delta2.csv') AS (id int, command text)$$);
CALL t.write('delta2.csv', E'id,op\n1,\n');
SELECT t.error($$SELECT * FROM syncup_read_delta(t.dir() || '/delta2.csv', '{"command_column": "op"}') AS (id int, command text)$$);

-- Estimates come from the file's size and lines.
CREATE FUNCTION t.estimate(call text) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
	plan json;
BEGIN
	EXECUTE 'EXPLAIN (FORMAT json) SELECT * FROM ' || call INTO plan;
	RETURN plan -> 0 -> 'Plan' ->> 'Plan Rows';
END
$$;
SELECT E'a,b\n' || (SELECT string_agg(i || ',' || repeat('x', 20), E'\n') FROM generate_series(100001, 150000) i) AS content \gset
CALL t.write('many.csv', :'content');
SELECT t.estimate(format('syncup_read_csv(%L) AS (a int)', t.dir() || '/many.csv')) BETWEEN 45000 AND 55000 AS about_50000;
SELECT t.estimate(format('syncup_read_delta(%L) AS (a int)', t.dir() || '/many.csv')) BETWEEN 45000 AND 55000 AS about_50000;
SELECT t.estimate(format('syncup_read_csv(%L) AS (a int)', t.dir() || '/x.csv')) BETWEEN 1 AND 3 AS few;
SELECT t.estimate(format('syncup_read_csv(%L) AS (a int)', t.dir() || '/nothing.csv'));
SELECT t.estimate('syncup_read_csv(''nothing.csv'') AS (a int)');
SELECT t.estimate(format('syncup_read_csv(%L) AS (a int)', t.dir() || '/pipe'));

-- In FROM twice, in a join, rewound, and in a function that stops early.
SELECT count(*) FROM syncup_read_csv(t.dir() || '/many.csv') AS a (a int, b text)
JOIN syncup_read_csv(t.dir() || '/many.csv') AS b (a int) USING (a);
SELECT x.n, y.a FROM generate_series(1, 2) x (n) LEFT JOIN syncup_read_csv(t.dir() || '/x.csv') AS y (a int) ON true;
SELECT * FROM syncup_read_csv(t.dir() || '/many.csv') AS (a int) LIMIT 1;

-- Beside a table that would be read in parallel, bad rows are set aside as ever.
CREATE TABLE t.large AS SELECT n FROM generate_series(1, 2000) n;
ANALYZE t.large;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SET max_parallel_workers_per_gather = 2;
CALL t.write('bad.csv', E'a\n1\nx\n2\n');
SET client_min_messages = error;
SELECT (SELECT count(*) FROM t.large), count(*) FROM syncup_read_csv(:'dir' || '/bad.csv', '{"on_error": "quarantine"}') AS x (a int);
RESET client_min_messages;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;
RESET max_parallel_workers_per_gather;

-- A field larger than the buffers, and a row larger than maintenance_work_mem.
CALL t.write('big.csv', E'a,b\n1,"' || repeat('x"",y', 200000) || E'"\n2,z\n');
SELECT a, length(b) FROM syncup_read_csv(t.dir() || '/big.csv') AS (a int, b text);
SET maintenance_work_mem = '1MB';
CALL t.write('big.csv', E'a,b\n1,"' || repeat('x', 1100000) || E'"\n2,z\n');
SELECT t.error($$SELECT * FROM syncup_read_csv(t.dir() || '/big.csv') AS (a int, b text)$$);
\! sh $PG_ABS_SRCDIR/include/psql "SET maintenance_work_mem = '1MB'; SELECT * FROM syncup_read_csv('$SYNCUP_TEST_DIR/big.csv', '{\"on_error\": \"quarantine\"}') AS (a int, b text)"
RESET maintenance_work_mem;

\set end :srcdir '/include/end.sql'
\i :end
