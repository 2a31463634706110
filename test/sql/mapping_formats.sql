-- Formats in mappings (docs/formats.md): from the notations of an export to values
-- of the target, whatever the session's settings. What each format takes and
-- refuses is tested in format.sql.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
SET client_min_messages = warning;
\pset null '(null)'
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';

CREATE PROCEDURE t.connector(options jsonb DEFAULT '{}')
LANGUAGE sql AS $$
	SELECT syncup_create_connector('AD', t.dir(), options);
	SELECT syncup_set_thresholds('AD', '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0,
		"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "max_percentage_set_aside_lines": 0}');
$$;
CREATE VIEW t.quarantine AS
SELECT line, reason, key, message, raw FROM syncup.quarantine
WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY line;
CREATE VIEW t.counters AS
SELECT rows_read AS read, rows_kept AS kept, rejected AS bad, delta_inserted AS ins, delta_updated AS upd, delta_deleted AS del
FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1);

-- Every format, into columns that are made for it, and into text.
CREATE TABLE target.account (
	id uuid PRIMARY KEY,
	born date, seen timestamptz, seen_local timestamp, zoned timestamptz, day_of_year date,
	created timestamptz, created_text text, expires timestamptz, expires_text text,
	braces uuid, octets uuid, octets_text text, sid text, rdn text,
	flag boolean, word boolean, disabled boolean,
	lines text, addresses text[], groups text[],
	photo bytea, hash bytea,
	amount numeric, amount2 numeric(10,2), whole int, ratio double precision);
CALL t.connector();
CREATE FUNCTION t.map(options jsonb DEFAULT '{}', born text DEFAULT 'datetime:DD/MM/YYYY') RETURNS void
LANGUAGE sql AS $$
	SELECT syncup_map_entity_type('AD', 'account', 'target.account', 'account.csv', 'id', format('{
		"id": {"column": "id", "format": "guid:base64"},
		"born": {"column": "born", "format": %s},
		"seen": {"column": "seen", "format": "datetime:DD.MM.YYYY HH24:MI"},
		"seen_local": {"column": "seen_local", "format": "datetime:MON DD, YYYY HH12:MI AM"},
		"zoned": {"column": "zoned", "format": "datetime:YYYY-MM-DD\"T\"HH24:MI:SSOF"},
		"day_of_year": {"column": "day_of_year", "format": "datetime:YYYYDDD"},
		"created": {"column": "created", "format": "generalizedtime"},
		"created_text": {"column": "created_text", "format": "generalizedtime"},
		"expires": {"column": "expires", "format": "filetime"},
		"expires_text": {"column": "expires_text", "format": "filetime"},
		"braces": {"column": "braces", "format": "guid"},
		"octets": {"column": "octets", "format": "guid:hex"},
		"octets_text": {"column": "octets_text", "format": "guid:hex"},
		"sid": {"column": "sid", "format": "sid"},
		"rdn": {"column": "rdn", "format": "rdn"},
		"flag": {"column": "flag", "format": "bool"},
		"word": {"column": "word", "format": "bool:actif|A/inactif|I"},
		"disabled": {"column": "disabled", "format": "bit:1"},
		"lines": {"column": "lines", "format": "concat:; "},
		"addresses": {"column": "addresses", "format": "multivaluedtext"},
		"groups": {"column": "groups", "format": "multivaluedtext:|"},
		"photo": {"column": "photo", "format": "base64"},
		"hash": {"column": "hash", "format": "hex"},
		"amount": {"column": "amount", "format": "number:,."},
		"amount2": {"column": "amount2", "format": "number:, "},
		"whole": {"column": "whole", "format": "number:.''"},
		"ratio": {"column": "ratio", "format": "number:,"}}', to_json(born))::jsonb, options => options)
$$;
SELECT t.map();
-- A file of the columns given, which are as many values as the table has columns;
-- the names in the header are the table's.
CREATE FUNCTION t.file(VARIADIC cells text[]) RETURNS text
LANGUAGE sql AS $$
	SELECT (SELECT string_agg(attname, ',' ORDER BY attnum) FROM pg_attribute WHERE attrelid = 'target.account'::regclass AND attnum > 0) || E'\n' ||
		string_agg(line, E'\n' ORDER BY n)
	FROM (SELECT (i - 1) / 27 AS n, string_agg('"' || replace(cell, '"', '""') || '"', ',' ORDER BY i) AS line
		FROM unnest(cells) WITH ORDINALITY AS c (cell, i) GROUP BY 1) AS lines
$$;
-- A row of values, one without any, and one of values that stand for none.
SELECT t.file('/xmWb4aLEdC0LQDPT8lk/w==', '1/2/2024', '31.01.2024 12:00', 'Jan 31, 2024 11:59 PM', '2024-07-01T12:00:00+02', '2024060',
	'20240131235959.5-0500', '20240131235959.5-0500', '133512191991234567', '133512191991234567',
	'{6F9619FF-8B86-D011-B42D-00CF4FC964FF}', 'ff19966f868b11d0b42d00cf4fc964ff', 'ff19966f868b11d0b42d00cf4fc964ff', 'AQEAAAAAAAUSAAAA', 'CN=Doe\, Jane,OU=People',
	'Oui', 'inactif', '514', E'a\nb', E'x@x\r\n\r\n"y", z@x', 'a|b c||d', 'AAEC/v8=', '0x00FF', '1.234.567,89', '1 234,50', '12''345', '-0,5',
	'AAAAAAAAAAAAAAAAAAAAAA==', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '', '',
	'AQAAAAAAAAAAAAAAAAAAAA==', '', '', '', '', '', '', '', '0', '9223372036854775807', '', '', '', '', 'CN=,O=x', 'no', 'A', '512', E'\n\n', E'\r', '|', '', '0x', '0', '-1', '-0', '1000') AS content \gset
CALL t.write('account.csv', :'content');
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.quarantine;
SELECT * FROM t.synchronize('AD');
CREATE FUNCTION t.cells(key uuid) RETURNS TABLE (column_name text, value text)
LANGUAGE sql AS $$
	SELECT attname, to_jsonb(a) ->> attname FROM target.account a, pg_attribute
	WHERE a.id = key AND attrelid = 'target.account'::regclass AND attnum > 1 ORDER BY attnum
$$;
SELECT * FROM t.cells('6f9619ff-8b86-d011-b42d-00cf4fc964ff');
SELECT count(*) AS without_values FROM t.cells('00000000-0000-0000-0000-000000000000') WHERE value IS NULL;
SELECT * FROM t.cells('00000001-0000-0000-0000-000000000000') WHERE value IS NOT NULL;
-- What is stored and compared with the next file is the source's text.
SELECT id, born, expires, amount, "lines" FROM syncup_previous.ad_account ORDER BY id;

-- The session's settings change nothing: neither what is read ...
CREATE TABLE t.saved AS TABLE target.account;
SET DateStyle = 'German, DMY';
SET TimeZone = 'Asia/Tokyo';
SET bytea_output = 'escape';
SET IntervalStyle = 'sql_standard';
SET extra_float_digits = -5;
SET standard_conforming_strings = off;
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.counters;
SELECT * FROM t.synchronize('AD');
-- ... nor what is written.
TRUNCATE target.account;
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('AD');
SELECT count(*) FROM (TABLE target.account EXCEPT TABLE t.saved) AS different;
SHOW DateStyle;
SHOW TimeZone;
RESET standard_conforming_strings;
RESET extra_float_digits;
RESET IntervalStyle;
RESET bytea_output;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
-- The same values in other notations are a change of the source, not of the target.
SELECT t.file('/xmWb4aLEdC0LQDPT8lk/w==', '01/02/2024', '31.01.2024 12:00', 'JAN 31, 2024 11:59 pm', '2024-07-01T10:00:00Z', '2024060',
	'20240201045959,5Z', '20240131235959.5-0500', '133512191991234560', '133512191991234560',
	'6f9619ff8b86d011b42d00cf4fc964ff', '0xFF19966F868B11D0B42D00CF4FC964FF', '\xff19966f868b11d0b42d00cf4fc964ff', 'S-1-5-18', 'CN = "Doe, Jane" ; OU=People',
	'T', 'I', '0x202', E'a\r\nb\r\n', E'x@x\r"y", z@x', 'a|b c|d|', 'AAEC/v8=', '\x00ff', '1234567,890', '1234,5', '12345', '-,50') AS content \gset
CALL t.write('account.csv', :'content');
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.counters;
SELECT * FROM t.synchronize('AD');
SELECT count(*) FROM (TABLE target.account EXCEPT TABLE t.saved) AS different;

-- What a format refuses is a bad value: an error that does not show it, or the
-- reason "conversion". Column by column, one bad row beside a good one.
CREATE FUNCTION t.refusal(name text, value text) RETURNS TABLE (column_name text, error text, quarantine text)
LANGUAGE plpgsql AS $$
DECLARE
	names text[] := ARRAY(SELECT attname FROM pg_attribute WHERE attrelid = 'target.account'::regclass AND attnum > 0 ORDER BY attnum);
	cells text[] := ARRAY(SELECT CASE n WHEN 'id' THEN 'AgAAAAAAAAAAAAAAAAAAAA==' WHEN name THEN value ELSE '' END FROM unnest(names) n);
BEGIN
	IF name = 'id' THEN
		cells[1] := value;
	END IF;
	CALL t.write('account.csv', t.file(VARIADIC ARRAY['/xmWb4aLEdC0LQDPT8lk/w=='] || array_fill(''::text, ARRAY[26]) || cells));
	column_name := name;
	error := (SELECT string_agg(e, ' | ') FROM t.refused($s$SELECT syncup_prepare('AD', 'complete')$s$) e WHERE e NOT LIKE 'CONTEXT: connector%');
	BEGIN
		PERFORM syncup_prepare('AD', 'complete', '{"on_error": "quarantine"}');
		quarantine := (SELECT concat_ws(', ', q.reason, q.key, q.message) FROM t.quarantine q);
		RAISE SQLSTATE 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	END;
	RETURN NEXT;
END
$$;
\pset format unaligned
SELECT r.* FROM (VALUES ('id', 'SECRET'), ('born', '2024-02-01'), ('born', '30/02/2024'), ('seen', '31.01.2024'), ('seen_local', 'Janvier 31, 2024 11:59 PM'), ('zoned', '2024-07-01T12:00:00'), ('day_of_year', '2023366'),
	('created', '20240131'), ('expires', '-1'), ('braces', '{6F9619FF-8B86}'), ('octets', 'ff19'), ('sid', 'S-1-5-18x'), ('rdn', 'Jane Doe'), ('flag', 'peut-etre'), ('word', 'Aktiv'), ('disabled', '1.5'),
	('photo', 'AAEC/v8'), ('hash', '0x0'), ('amount', '1,234.5'), ('amount', '12.34,5'), ('amount2', '123456789,0'), ('whole', '1.5'), ('ratio', '1e5')) AS v (name, value), t.refusal(name, value) r;
\pset format aligned
-- A key that its format makes null is none.
CALL t.connector();
CREATE TABLE target.tick (at timestamptz PRIMARY KEY, v text);
SELECT syncup_map_entity_type('AD', 'tick', 'target.tick', 'tick.csv', 'at', '{"at": {"column": "at", "format": "filetime"}, "v": "v"}');
SELECT syncup_drop_mapping('AD', 'account');
CALL t.write('tick.csv', E'at,v\n133512191991234567,a\n0,b\n');
SELECT t.refused($$SELECT syncup_prepare('AD', 'complete')$$);
SELECT syncup_prepare('AD', 'complete', '{"on_error": "quarantine"}') IS NOT NULL AS prepared;
SELECT * FROM t.quarantine;
SELECT * FROM t.synchronize('AD');
SELECT * FROM target.tick;
-- Keys that are different texts and one value: the batch fails, naming the column.
CALL t.write('tick.csv', E'at,v\n133512191991234567,a\n0133512191991234567,b\n133512191991234560,c\n');
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('AD');
SELECT sqlstate, error FROM syncup.batch WHERE status = 'failed';
SELECT * FROM target.tick;
SELECT syncup_drop_connector('AD');

-- Without a format: a date is ISO, year first, whatever DateStyle says; another one
-- is refused, not guessed.
CREATE TABLE target.day (id int PRIMARY KEY, day date, at timestamptz, plain timestamp, n numeric, d double precision);
CALL t.connector('{"on_error": "quarantine"}');
SELECT syncup_map_entity_type('AD', 'day', 'target.day', 'day.csv', 'id', '{"id": "id", "day": "day", "at": "at", "plain": "plain", "n": "n", "d": "d"}');
CALL t.write('day.csv', E'id,day,at,plain,n,d\n1,2024-02-01,2024-02-01 12:00,2024-02-01 12:00,1.5,1.5\n2,01/02/2024,,,,\n3,13/02/2024,,,,\n4,20240201,20240201T120000,,,\n5,1.2.2024,,,,\n6,,2024-07-01 12:00+02,2024-07-01 12:00+02,,\n7,,,,"1,5",\n8,,,,,"1,5"\n9,,01/02/2024 12:00,,,\n10,Feb 1 2024,,,1e3,-.5\n');
SET DateStyle = 'SQL, DMY';
SET TimeZone = 'Asia/Tokyo';
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT line, reason, key, message FROM t.quarantine;
SELECT * FROM t.synchronize('AD');
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
SELECT * FROM target.day ORDER BY id;

-- The option timezone: of times that name no zone, with a format and without; in
-- summer and winter. Those that name one keep it.
SELECT syncup_drop_connector('AD');
CREATE TABLE target.meeting (id int PRIMARY KEY, plain timestamptz, formatted timestamptz, zoned timestamptz, created timestamptz, expires timestamptz, local timestamp, day date);
CALL t.connector();
CREATE FUNCTION t.map_meeting(options jsonb DEFAULT '{}') RETURNS void
LANGUAGE sql AS $$
	SELECT syncup_map_entity_type('AD', 'meeting', 'target.meeting', 'meeting.csv', 'id', '{"id": "id", "plain": "plain", "formatted": {"column": "formatted", "format": "datetime:DD/MM/YYYY HH24:MI"},
		"zoned": {"column": "zoned", "format": "datetime:DD/MM/YYYY HH24:MIOF"}, "created": {"column": "created", "format": "generalizedtime"}, "expires": {"column": "expires", "format": "filetime"},
		"local": {"column": "local", "format": "datetime:DD/MM/YYYY HH24:MI"}, "day": {"column": "day", "format": "datetime:DD/MM/YYYY HH24:MI"}}', options => options)
$$;
SELECT t.map_meeting();
CALL t.write('meeting.csv', E'id,plain,formatted,zoned,created,expires,local,day\n'
	'1,2026-01-15 12:00,15/01/2026 12:00,15/01/2026 12:00+00,20260115120000Z,134129376000000000,15/01/2026 23:30,15/01/2026 23:30\n'
	'2,2026-07-15 12:00,15/07/2026 12:00,15/07/2026 12:00-05,20260715120000+0200,134285760000000000,15/07/2026 23:30,15/07/2026 00:30\n'
	'3,2026-07-15 12:00+05,,,,,,\n');
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('AD');
\x
SELECT * FROM target.meeting ORDER BY id;
\x
-- It changes what the same text means: so a mapping that changes it needs a
-- complete run, which repairs the values, though the source is as it was.
SELECT t.map_meeting('{"timezone": "Europe/Paris"}');
SELECT t.refused($$SELECT syncup_prepare('AD', 'incremental')$$);
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.counters;
SELECT * FROM t.synchronize('AD');
\x
SELECT * FROM target.meeting ORDER BY id;
\x
SELECT needs_complete FROM syncup.status;
SELECT syncup_prepare('AD', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('AD');
-- A zone that does not exist.
SELECT t.refused($$SELECT t.map_meeting('{"timezone": "Europe/Nowhere"}')$$);
SELECT syncup_drop_connector('AD');

-- Only the format of a mapping changes: the stored text is as it was, and its
-- meaning is not. Incremental runs are refused until a complete one has repaired the
-- values; it counts as updates, and the limits hold.
CREATE TABLE target.event (id int PRIMARY KEY, day date, amount numeric);
CALL t.connector();
CREATE FUNCTION t.map_event(day text, amount text) RETURNS void
LANGUAGE sql AS $$
	SELECT syncup_map_entity_type('AD', 'event', 'target.event', 'event.csv', 'id', jsonb_build_object('id', 'id', 'day', jsonb_build_object('column', 'day', 'format', day), 'amount', jsonb_build_object('column', 'amount', 'format', amount)))
$$;
SELECT t.map_event('datetime:MM/DD/YYYY', 'number:.,');
CALL t.write('event.csv', E'id,day,amount\n1,01/02/2026,"1.500"\n2,03/03/2026,7\n3,,\n4,12/11/2026,2.25\n');
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('AD');
SELECT * FROM target.event ORDER BY id;
SELECT t.map_event('datetime:MM/DD/YYYY', 'number:.,');
SELECT needs_complete FROM syncup.status;
SELECT t.map_event('datetime:DD/MM/YYYY', 'number:.,');
SELECT t.refused($$SELECT syncup_prepare('AD', 'incremental')$$);
SELECT * FROM target.event ORDER BY id;
SELECT syncup_set_thresholds('AD', '{"maximum_updated_lines": 1}');
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.counters;
SELECT * FROM t.synchronize('AD');
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes((SELECT batch FROM syncup.batch WHERE status = 'blocked'));
SELECT status, updated FROM syncup_resume((SELECT batch FROM syncup.batch WHERE status = 'blocked'));
SELECT * FROM target.event ORDER BY id;
SELECT id, day FROM syncup_previous.ad_event ORDER BY id;
SELECT syncup_prepare('AD', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('AD');
-- A format that no longer takes what is stored, in rows that have not changed: the
-- complete run that it asks for finds them, and says where. With on_error quarantine
-- such a row is set aside, and what the target has stays.
SELECT t.map_event('datetime:DD/MM/YYYY', 'number:,.');
SELECT t.refused($$SELECT syncup_prepare('AD', 'complete')$$);
SELECT syncup_prepare('AD', 'complete', '{"on_error": "quarantine"}') IS NOT NULL AS prepared;
SELECT line, q.reason, key, message FROM syncup.quarantine q JOIN syncup.batch b USING (batch) WHERE b.status = 'prepared' ORDER BY line;
SELECT * FROM t.synchronize('AD');
SELECT * FROM target.event ORDER BY id;
-- Previous has let go of that row, so later runs are not held up by its old text.
SELECT id, amount FROM syncup_previous.ad_event ORDER BY id;
SELECT syncup_prepare('AD', mode, '{"on_error": "quarantine"}') IS NOT NULL AS prepared FROM unnest('{complete,incremental}'::text[]) AS mode;
SELECT * FROM t.synchronize('AD');
SELECT * FROM target.event ORDER BY id;

\set end :srcdir '/include/end.sql'
\i :end
