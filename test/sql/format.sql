-- Formats of mapped values: what each takes, gives and refuses.
CREATE EXTENSION syncup;
SET client_encoding = 'UTF8';
SET DateStyle = 'ISO, YMD';

-- Values with what becomes of them, refusals with their SQLSTATE and reason.
-- No line may show the value in an error: errors reach the server log.
CREATE FUNCTION pg_temp.try(format text, VARIADIC vals text[])
RETURNS TABLE (value text, result text)
LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
BEGIN
	FOREACH value IN ARRAY vals LOOP
		BEGIN
			result := coalesce(quote_literal(syncup_format(value, format)), 'null');
		EXCEPTION WHEN data_exception THEN
			GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL;
			IF message <> format('value does not match format "%s"', format) THEN
				detail := message || ': ' || detail;
			END IF;
			result := 'refused ' || SQLSTATE || ': ' || detail;
		END;
		RETURN NEXT;
	END LOOP;
END
$$;

-- Specifications.
SELECT syncup_format('x', 'nosuch');
SELECT syncup_format('x', '');
SELECT syncup_format('x', 'GUID');
SELECT syncup_format('x', 'guid:');
SELECT syncup_format('x', 'guid:text');
SELECT syncup_format('x', 'hex:2');
SELECT syncup_format('x', 'bit');
-- A wrong format is an error for an empty value too.
SELECT syncup_format('', 'concat');
\set VERBOSITY terse
\set SHOW_CONTEXT never
SELECT syncup_format('x', 'datetime');
SELECT syncup_format('x', 'bool:');
SELECT syncup_format('x', 'number:');
\set VERBOSITY default

-- Null and empty values are null.
SELECT f AS format, syncup_format(NULL, f) IS NULL AS null_is_null,
	syncup_format('', f) IS NULL AS empty_is_null
FROM unnest('{base64,bit:1,bool,bool:a/b,"concat:;",datetime:YYYY,filetime,generalizedtime,
	guid,guid:base64,guid:hex,hex,multivaluedtext,multivaluedtext:|,"number:,.",rdn,sid}'::text[]) AS f;

-- An error as a user sees it.
SELECT syncup_format('31/02/2024', 'datetime:DD/MM/YYYY');
SELECT syncup_format('secret', 'filetime');

-- datetime
SELECT * FROM pg_temp.try('datetime:DD/MM/YYYY', '31/01/2024', '1/2/2024', '29/02/2024', '29/02/2023',
	'31-01-2024', '31/01/24', '31/01/20245', '31/01/2024 ', ' 31/01/2024', '31/01/2024 10:00', '31/13/2024', '32/01/2024',
	'31/01', '', '//', '31/Jan/2024', '00/01/2024', '01/01/0000', '01/01/0001', '31/12/9999', '-1/01/2024');
SELECT * FROM pg_temp.try('datetime:YYYYMMDD', '20240131', '2024131', '202401310', '20240230', '20240000');
SELECT * FROM pg_temp.try('datetime:YYYYMMDDHH24MISS', '20240131235959', '2024013123595', '20240131240000', '20240131236000', '20240131235960');
SELECT * FROM pg_temp.try('datetime:YYYY-MM-DD HH24:MI:SS.US', '2024-01-31 01:02:03.000004', '2024-01-31 01:02:03.5',
	'2024-01-31 1:2:3.5', '2024-01-31  01:02:03.5', '2024-01-31 01:02:03', '2024-01-31 01:02:03.', '2024-01-31 01:02:03.0000001', '2024-01-31T01:02:03.5');
SELECT * FROM pg_temp.try('datetime:YYYY-MM-DD"T"HH24:MI:SS.MS', '2024-01-31T01:02:03.04', '2024-01-31T01:02:03.045', '2024-01-31 01:02:03.045');
SELECT * FROM pg_temp.try('datetime:FXYYYY-MM-DD HH24:MI', '2024-01-31 01:02', '2024-1-31 01:02', '2024-01-31  01:02');
SELECT * FROM pg_temp.try('datetime:MM/DD/YYYY HH12:MI:SS AM', '01/31/2024 12:00:00 AM', '01/31/2024 12:00:00 pm',
	'1/31/2024 1:02:03 PM', '01/31/2024 13:00:00 PM', '01/31/2024 00:00:00 AM', '01/31/2024 01:00:00', '01/31/2024 01:00:00 XM');
SELECT * FROM pg_temp.try('datetime:DD.MM.YYYY HH:MI a.m.', '31.01.2024 01:02 p.m.', '31.01.2024 01:02 pm');
SELECT * FROM pg_temp.try('datetime:DD Month YYYY', '31 January 2024', '1 may 2024', '01 May       2024', '31 Jan 2024', '31 janvier 2024');
SELECT * FROM pg_temp.try('datetime:DD-MON-YY', '31-JAN-24', '31-jan-99', '31-January-24', '31-JAN-2024', '31-JAN-70', '31-JAN-69');
SELECT * FROM pg_temp.try('datetime:FMDay, FMMonth FMDDth, YYYY', 'Wednesday, January 31st, 2024', 'wednesday, january 31TH, 2024',
	'Thursday, January 31st, 2024', 'Wednesday, January 31, 2024', 'Mittwoch, January 31st, 2024');
SELECT * FROM pg_temp.try('datetime:Dy Mon DD HH24:MI:SS YYYY', 'Wed Jan 31 01:02:03 2024', 'Thu Feb  1 01:02:03 2024', 'Fri Feb 1 01:02:03 2024');
SELECT * FROM pg_temp.try('datetime:DD-RM-YYYY', '31-I-2024', '31-viii-2024', '30-XII-2024', '31-XIII-2024');
SELECT * FROM pg_temp.try('datetime:YYYY-DDD', '2024-366', '2024-1', '2023-366', '2024-0', '2024-367');
SELECT * FROM pg_temp.try('datetime:IYYY-"W"IW-ID', '2024-W05-3', '2020-W53-7', '2024-W05-8', '2024-W54-1', '2023-W53-1', '2024-W00-1', '2024-W05-0');
SELECT * FROM pg_temp.try('datetime:YYYY-WW', '2024-05', '2024-53', '2024-54');
SELECT * FROM pg_temp.try('datetime:IYYY-IDDD', '2024-364', '2024-365', '2020-371', '2020-372');
SELECT * FROM pg_temp.try('datetime:J', '2460341', '0', '9999999', '-1', 'x');
SELECT * FROM pg_temp.try('datetime:DD/MM/YYYY BC', '15/03/0044 BC', '15/03/0044 ad', '15/03/0044');
SELECT * FROM pg_temp.try('datetime:YYYY-MM-DD SSSSS', '2024-01-31 86399', '2024-01-31 86400', '2024-01-31 0');
SELECT * FROM pg_temp.try('datetime:YYYY"year"MM"\"m"', '2024year01"m', '2024YEAR01"m');
SELECT * FROM pg_temp.try('datetime:"é" YYYY', 'é 2024', 'è 2024');
-- Zones: the time keeps the zone it names.
SELECT * FROM pg_temp.try('datetime:YYYY-MM-DD"T"HH24:MI:SSTZH:TZM', '2024-01-31T00:30:00+05:30', '2024-01-31T00:30:00-05:30', '2024-01-31T00:30:00-00:30',
	'2024-01-31T00:30:00Z', '2024-01-31T00:30:00z', '2024-01-31T00:30:00', '2024-01-31T00:30:00+05', '2024-01-31T00:30:00+0530', '2024-01-31T00:30:00+5:30',
	'2024-01-31T00:30:00+15:59', '2024-01-31T00:30:00+16:00', '2024-01-31T00:30:00+05:60', '2024-01-31T00:30:00ZZ', '2024-01-31T00:30:00CET');
SELECT * FROM pg_temp.try('datetime:YYYY-MM-DD HH24:MI:SS TZHTZM', '2024-01-31 00:30:00 -0800', '2024-01-31 00:30:00 Z', '2024-01-31 00:30:00 -08');
SELECT * FROM pg_temp.try('datetime:YYYY-MM-DD HH24:MI:SSTZH', '2024-01-31 00:30:00-08', '2024-01-31 00:30:00-08:00');
SELECT * FROM pg_temp.try('datetime:YYYY-MM-DD HH24:MI:SSOF', '2024-01-31 00:30:00-08', '2024-01-31 00:30:00+05:30', '2024-01-31 00:30:00+0530', '2024-01-31 00:30:00Z', '2024-01-31 00:30:00+05:3');
SELECT * FROM pg_temp.try('datetime:Dy DD Mon YYYY HH24:MI:SS OF', 'Wed 31 Jan 2024 00:30:00 +0900', 'Tue 30 Jan 2024 00:30:00 -0900', 'Tue 31 Jan 2024 00:30:00 +0900');
-- Times without a zone are in TimeZone, which a mapping sets in the place of UTC.
BEGIN;
ALTER FUNCTION syncup_format(text, text) SET TimeZone = 'Europe/Paris';
SELECT * FROM pg_temp.try('datetime:DD/MM/YYYY HH24:MI', '31/01/2024 12:00', '31/07/2024 12:00', '31/03/2024 02:30', '27/10/2024 02:30');
SELECT * FROM pg_temp.try('datetime:Dy DD/MM/YYYY HH24:MI OF', 'Wed 31/07/2024 00:30 Z', 'Wed 31/07/2024 00:30 -09');
SELECT * FROM pg_temp.try('generalizedtime', '20240731120000Z');
SELECT * FROM pg_temp.try('filetime', '133512191991234567');
ROLLBACK;
-- A date, and a timestamp of each kind, takes them.
SELECT v::date, v::timestamp, v::timestamptz AT TIME ZONE 'UTC' AS utc
FROM (VALUES (syncup_format('31/01/2024', 'datetime:DD/MM/YYYY')),
	(syncup_format('2024-01-31 00:30+0200', 'datetime:YYYY-MM-DD HH24:MIOF'))) AS x (v);
-- Patterns that are refused.
\set SHOW_CONTEXT never
DO $$
DECLARE
	p text;
	detail text;
BEGIN
	FOREACH p IN ARRAY ARRAY['MM-DD', 'HH24:MI', 'YYYY-MM-DD HH:MI', 'YYYY-MM-DD HH24:MI AM', 'YYYY-MM-DDTHH24:MI', 'YYYY-MM-DD TZ',
		'TMMonth YYYY', 'YYYY Q', 'Y,YYY', 'YYYY-MM-MM', 'YYYY-IW', 'YYYY MS US', 'YYYY TZM', 'TZM YYYY', ':TZM YYYY', 'YYYY TZH MI:TZM', 'YYYY "x', 'YYYY DDSP', 'YYYY é x', '"YYYY"', ' '] LOOP
		BEGIN
			PERFORM syncup_format('x', 'datetime:' || p);
			RAISE NOTICE '%: taken', p;
		EXCEPTION WHEN invalid_parameter_value THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			RAISE NOTICE '%: % (%)', p, SQLERRM, detail;
		WHEN data_exception THEN
			RAISE NOTICE '%: taken', p;
		END;
	END LOOP;
END
$$;
-- The server's to_timestamp is the oracle: what to_char writes is read back as that.
SET timezone = 'UTC';
SELECT count(*) AS compared,
	count(*) FILTER (WHERE syncup_format(to_char(t, p), 'datetime:' || p)::timestamptz
		IS DISTINCT FROM to_timestamp(to_char(t, p), p)) AS different
FROM unnest(ARRAY['YYYY-MM-DD HH24:MI:SS.US', 'DD/MM/YYYY HH12:MI:SS PM', 'YYYYMMDDHH24MISSMS', 'FMDD FMMonth YYYY', 'DD Month YYYY', 'Dy, DD Mon YY HH24:MI',
	'IYYY-IW-ID', 'YYYYDDD SSSSS', 'J', 'FMDDth-FMRM-YYYY', 'YYYY-WW', 'CC YY MM', 'YYYY.MM.DD HH24:MI:SS.FF3', 'IYYYIDDD', 'YYY-MM']) AS p,
	LATERAL (SELECT timestamptz '1583-01-01' + n * interval '4321 hours 17 minutes 29.123456 seconds' AS t FROM generate_series(0, 899) AS n) AS times
WHERE p !~ '(^|[^Y])Y{2,3}($|[^Y])' OR t BETWEEN '1970-01-01' AND '2069-12-31';
RESET timezone;

-- generalizedtime
SELECT * FROM pg_temp.try('generalizedtime', '199412161032Z', '199412160532-0500', '20240131235959Z', '20240131235959.0Z', '20240131235959,123456Z',
	'20240131235959.1234564Z', '20240131235959.9999999Z', '2024013123Z', '2024013123.5Z', '202401312359.25Z', '2024013100.000000001Z', '2024013100.0000000001388888888889Z',
	'20240131235959+02', '20240131235959-0330', '20240101003000+0200', '20241231235960Z', '20241231235960.5Z', '00010101000000Z', '99991231235959Z', '16010101000000.0Z', '20240229000000Z', '19000228000000Z',
	'20240131235959+1559', '20240131235959-1559');
SELECT * FROM pg_temp.try('generalizedtime', '20240131235959', '20240131Z', '202401312Z', '2024013123595Z', '20240131235959.Z', '20240131235959z', '20240131235959Z ', ' 20240131235959Z',
	'20230229000000Z', '19000229000000Z', '20241301000000Z', '20240001000000Z', '20240100000000Z', '00000101000000Z', '20240131240000Z', '20240131236000Z', '20240131235961Z',
	'20240131235959+', '20240131235959+2', '20240131235959+020', '20240131235959+02000', '20240131235959+0260', '20240131235959+1600', '20240131235959+2359', '2024-01-31T23:59:59Z', '20240131235959.12345x', '2024013123595900Z', 'never');
SELECT v::date, v::timestamptz AT TIME ZONE 'UTC' AS utc
FROM (VALUES (syncup_format('20240101003000+0200', 'generalizedtime'))) AS x (v);

-- filetime
SELECT * FROM pg_temp.try('filetime', '0', '9223372036854775807', '00', '1', '9', '10', '9223372036854775806', '116444736000000000', '133512191991234567', '133500960000000000',
	'9223372036854775808', '99999999999999999999', '-1', '+1', '1.0', ' 1', '0x1', '2024-01-31');

-- guid
SELECT * FROM pg_temp.try('guid', '6F9619FF-8B86-D011-B42D-00CF4FC964FF', '{6f9619ff-8b86-d011-b42d-00cf4fc964ff}', '6F9619FF8B86D011B42D00CF4FC964FF', '{6F9619FF8B86D011B42D00CF4FC964FF}', '/xmWb4aLEdC0LQDPT8lk/w==',
	'6F9619FF-8B86-D011-B42D-00CF4FC964F', '6F9619FF-8B86-D011-B42D-00CF4FC964FFF', '{6F9619FF-8B86-D011-B42D-00CF4FC964FF', '6F9619FF-8B86-D011-B42D-00CF4FC964FF}', '6F9619FF-8B86D011-B42D-00CF-4FC964FF', '6F9619FG-8B86-D011-B42D-00CF4FC964FF',
	'/xmWb4aLEdC0LQDPT8lk/x==', '/xmWb4aLEdC0LQDPT8lk/wAA', '/xmWb4aLEdC0LQDPT8lk/w=', '(6F9619FF-8B86-D011-B42D-00CF4FC964FF)', '{}');
SELECT * FROM pg_temp.try('guid:base64', '/xmWb4aLEdC0LQDPT8lk/w==', '/xmWb4aLEdC0LQDPT8lk_w==', '6F9619FF8B86D011B42D00CF4FC964FF');
SELECT * FROM pg_temp.try('guid:hex', 'ff19966f868b11d0b42d00cf4fc964ff', 'FF19966F868B11D0B42D00CF4FC964FF', '\xff19966f868b11d0b42d00cf4fc964ff', '0xff19966f868b11d0b42d00cf4fc964ff', 'X''ff19966f868b11d0b42d00cf4fc964ff''',
	'6f9619ff-8b86-d011-b42d-00cf4fc964ff', 'ff19966f868b11d0b42d00cf4fc964', 'fg19966f868b11d0b42d00cf4fc964ff', '/xmWb4aLEdC0LQDPT8lk/w==');

-- sid
SELECT * FROM pg_temp.try('sid', 'S-1-5-21-3623811015-3361044348-30300820-1013', 's-1-5-18', 'S-1-1-0', '0101000000000005120000' || '00', '\x010100000000000512000000', 'X''010100000000000512000000''', '0x010100000000000512000000',
	'AQEAAAAAAAUSAAAA', 'AQUAAAAAAAUVAAAAx9rj1/xHVMhUWc4B9QMAAA==', 'S-1-0x0123456789aB-4294967295', '01010123456789abffffffff', '0101000000000005ffffffff', '010100000000ffff00000000', '010100010000000000000000',
	'010f000000000005' || repeat('01000000', 15));
SELECT * FROM pg_temp.try('sid', 'S-1-5', 'S-1-', 'S-2-5-18', 'S-1-5-', 'S-1-5-4294967296', 'S-1-4294967296-1', 'S-1-5-18x', 'S-1-5--18', 'S-1-5-1-2-3-4-5-6-7-8-9-10-11-12-13-14-15-16', 'S-1-0x12-1',
	'0201000000000005120000' || '00', '010200000000000512000000', '0100000000000005', '01', '0101', '0110000000000005' || repeat('01000000', 16), '01010000000000051200000', '01010000000000051200000g', 'AQEAAAAAAAUSAAA', 'AQE=', 'AQEAAAAAAAUSAAAA====',
	'AQ' || repeat('A', 100), 'Administrator', 'S', 'A', 'X''');

-- bool
SELECT * FROM pg_temp.try('bool', 'yes', 'No', '1', '0', 'TRUE', 'false', 't', 'F', 'y', 'N', 'on', 'OFF', 'Oui', 'NON', ' yes', 'yes ', '2', 'o', 'vrai', 'é');
SELECT * FROM pg_temp.try('bool:actif|A/inactif|I', 'Actif', 'a', 'INACTIF', 'i', 'yes', 'act', 'actif|a');
SELECT * FROM pg_temp.try('bool:é|x/è', 'é', 'è', 'X', 'e');
SELECT * FROM pg_temp.try('bool:a', 'a');
SELECT * FROM pg_temp.try('bool:a/b/c', 'a');
SELECT * FROM pg_temp.try('bool:/b', 'b');
SELECT * FROM pg_temp.try('bool:a/', 'a');
SELECT * FROM pg_temp.try('bool:a|/b', 'a');
SELECT * FROM pg_temp.try('bool:a||c/b', 'a');
SELECT * FROM pg_temp.try('bool:a|x/X', 'a');

-- bit: numbers from 0, the lowest; bit 1 has the value 2, ACCOUNTDISABLE.
SELECT * FROM pg_temp.try('bit:1', '512', '514', '2', '0', '-1', '-2', '-3', '0x202', '0X200', '066050', '', '0x', '-', '+2', ' 2', '2.0', '0xg', '-0x2', 'x', '18446744073709551615', '18446744073709551616', '-9223372036854775809', '0x10000000000000002', '0x00000000000000002');
SELECT * FROM pg_temp.try('bit:0', '1', '2');
SELECT * FROM pg_temp.try('bit:31', '-2147483646', '2147483648', '2147483647', '0x80000000', '-1', '0x7fffffff');
SELECT * FROM pg_temp.try('bit:63', '-9223372036854775808', '9223372036854775807', '9223372036854775808', '18446744073709551615', '0x8000000000000000', '-1', '1');
SELECT * FROM pg_temp.try('bit:64', '1');
SELECT * FROM pg_temp.try('bit:-1', '1');
SELECT * FROM pg_temp.try('bit:x', '1');
SELECT * FROM pg_temp.try('bit:001', '1');

-- rdn
SELECT * FROM pg_temp.try('rdn', 'CN=Jane Doe,OU=People,DC=example,DC=com', 'cn=jane', 'CN=Doe\, Jane,OU=x', 'CN=Doe\2C Jane,OU=x', 'CN=Lu\C4\8Di\C4\87', 'CN=\E2\82\AC\F0\9F\98\80,O=x', 'CN=\ a \ ,O=x', 'CN=a  b ,O=x', 'CN = a , O = x', 'OU=Sales+CN=J. Smith,O=x', 'CN=a\+b+SN=c', 'CN="Doe, Jane",OU=x', 'CN="a\"b" ,O=x',
	'1.3.6.1.4.1.1466.0=#04024869,O=x', 'CN=\#a,O=x', 'CN=a#b=c,O=x', 'CN=a\0ADEL:1b2c,O=x', 'CN=\\,O=x', 'CN=\"\<\>\;\=,O=x', 'CN=a;O=x', 'CN=,O=x', 'CN=a,O=', 'CN=é,O=x');
SELECT * FROM pg_temp.try('rdn', 'Jane Doe', 'CN', '=a', 'CN=a,', 'CN=a,b', 'CN=a,,O=x', 'CN=a+', 'CN=a+b,O=x', 'CN=a\', 'CN=a\x,O=x', 'CN=a\2,O=x', 'CN=a"b,O=x', 'CN="a,O=x', 'CN="a"b,O=x', 'CN=<a>,O=x', 'CN=#,O=x', 'CN=#0,O=x', 'CN=#0g,O=x', 'CN=\C4,O=x', 'CN=\C4a,O=x', 'CN=\C4\41,O=x', 'CN=\FF,O=x', 'CN=\00,O=x', 'CN=\C0\80,O=x', 'CN=\ED\A0\80,O=x',
	'1=a', '1.=a', '1..2=a', '.1=a', 'C_N=a', 'CN=a,O=x\', 'CN=a,O=b>c', ' ');

-- concat
SELECT * FROM pg_temp.try('concat:, ', E'a\nb\nc', E'a\r\nb', E'a\rb', E'\na\n\nb\n', 'a', 'a, b', E'\n', E' \nb');
SELECT * FROM pg_temp.try('concat:|', E'a\nb');
SELECT * FROM pg_temp.try('concat::', E'a\nb');
SELECT * FROM pg_temp.try('concat:', 'a');

-- multivaluedtext
SELECT * FROM pg_temp.try('multivaluedtext', E'a\nb\r\nc', 'a', E'NULL\n\n', E'\r\n', E'a"b\nc\\d\n{e,f}\n g \n''', 'a;b', 'é');
SELECT * FROM pg_temp.try('multivaluedtext:;', 'a;b;;c;', ';', 'a b', E'a\nb;c');
SELECT * FROM pg_temp.try('multivaluedtext:||', 'a||b|c', 'a|||b');
SELECT * FROM pg_temp.try('multivaluedtext:', 'a');
SELECT syncup_format(E'a"b\nc\\d\n{e,f}\nNULL\n g \n,\n''', 'multivaluedtext')::text[] = ARRAY['a"b', E'c\\d', '{e,f}', 'NULL', ' g ', ',', ''''] AS same;

-- base64
SELECT * FROM pg_temp.try('base64', 'AAEC/v8=', 'YQ==', 'YWI=', 'YWJj', E'YW\r\nJj\n', E'\n', 'YQ', 'YQ=', 'YQ===', 'YQ==YQ==', '=', '====', 'Y', 'YR==', 'YWJ=', 'YW-_', 'YW Jj', 'YQ=a', 'é');
SELECT count(*) AS compared, count(*) FILTER (WHERE syncup_format(encode(b, 'base64'), 'base64')::bytea IS DISTINCT FROM nullif(b, '')) AS different,
	count(*) FILTER (WHERE syncup_format(encode(b, 'hex'), 'hex')::bytea IS DISTINCT FROM nullif(b, '')) AS different_hex
FROM (SELECT substr(decode(string_agg(md5(n::text || m::text), ''), 'hex'), 1, n) AS b FROM generate_series(0, 300) AS n, generate_series(0, 20) AS m GROUP BY n) AS x;

-- hex
SELECT * FROM pg_temp.try('hex', '00fF', '0x00FF', '\x00ff', '0X00ff', 'X''00ff''', '0x', '0', '0x0', '0g', '00 ff', 'X''00', '00ff''', 'é');

-- number
SELECT * FROM pg_temp.try('number:,.', '1.234.567,89', '1234567,89', '1.234', '123', '-1,5', '+1,5', '0', ',5', '-,5', '1.234.567', '007', '1,', ',', '-', '+', '--1', '1.23', '1234.567', '12.34.567', '1.2345', '.123', '1..234', '1.234.', '1,234.567', '1,2,3', '1 234', '1e5', '1,5-', '(1,5)', ' 1', '1 ', '1,5€', 'NaN', '1.234,');
SELECT * FROM pg_temp.try('number:, ', '1 234 567,89', '1' || U&'\00A0' || '234,5', '1' || U&'\202F' || '234,5', '1 234' || U&'\00A0' || '567', '1  234', '1.234', '1234', ' 234', U&'1\2009' || '234');
SELECT * FROM pg_temp.try('number:,' || U&'\00A0', '1 234,5', '1' || U&'\202F' || '234,5');
SELECT * FROM pg_temp.try('number:.''', '1''234.5', '1' || U&'\2019' || '234.5');
SELECT * FROM pg_temp.try('number:.' || U&'\2019', '1' || U&'\2019' || '234.5', '1''234.5');
SELECT * FROM pg_temp.try('number:,', '1234,5', '1.234,5', '1 234', '1234');
SELECT * FROM pg_temp.try('number:' || U&'\066B', '12' || U&'\066B' || '5');
SELECT * FROM pg_temp.try('number:,,', '1');
SELECT * FROM pg_temp.try('number:,.x', '1');
SELECT * FROM pg_temp.try('number:1.', '1');
SELECT * FROM pg_temp.try('number:,-', '1', '1,5-', '1.234,5-');
SELECT * FROM pg_temp.try('number:,.-', '1.234,50-', '1.234,50 ', '1.234,50', '1,5+', '-1,5', ',5-', '0-', '-1,5-', '1,5--', '1,5 -', '1,5- ', '1,5  ', '-', ' -', ' ');
SELECT * FROM pg_temp.try('number:,.--', '1');
SELECT * FROM pg_temp.try('number:,-.', '1');
SELECT * FROM pg_temp.try('number:-', '1');
SELECT syncup_format('1.234.567,89-', 'number:,.-')::numeric;
SELECT * FROM pg_temp.try('number:e', '1');
SELECT syncup_format('-1.234.567,89', 'number:,.')::numeric;

-- The session's settings change nothing.
CREATE TEMP TABLE sample (format text, value text);
INSERT INTO sample VALUES ('datetime:DD/MM/YYYY HH24:MI', '01/02/2024 12:30'), ('datetime:YYYY-MM-DD HH24:MIOF', '2024-07-01 12:30-03'),
	('datetime:DD Mon YYYY', '01 Feb 2024'), ('generalizedtime', '20240701120000+0200'), ('filetime', '133512191991234567'), ('number:,.', '1.234,5'), ('base64', 'AAEC');
CREATE TEMP TABLE before AS SELECT format, value, syncup_format(value, format) AS result FROM sample;
SET timezone = 'Asia/Tokyo';
SET DateStyle = 'SQL, DMY';
SET bytea_output = 'escape';
SET IntervalStyle = 'sql_standard';
SELECT s.format, syncup_format(s.value, s.format) AS result, syncup_format(s.value, s.format) = b.result AS same
FROM sample AS s JOIN before AS b USING (format, value) ORDER BY s.format COLLATE "C";
RESET timezone;
RESET DateStyle;
RESET bytea_output;
RESET IntervalStyle;

-- Formats change from row to row.
SELECT n, syncup_format('2', CASE n % 3 WHEN 0 THEN 'bit:1' WHEN 1 THEN 'number:,' ELSE 'bit:0' END) FROM generate_series(1, 6) AS n ORDER BY n;

-- Names.
SELECT f, t.result FROM unnest('{upper,lower,title,first_name,ascii,simplify,dn}'::text[]) f, pg_temp.try(f, 'jean-pierre  MARIE', ' Ada', '  ') t;
SELECT * FROM pg_temp.try('ascii', 'Ärger ÄRGER Äx Ä', 'Straße STRAẞE', 'Ørsted Łódź Ægir ÆGIR Þór œuvre Ångström', U&'Mu\0308ller', 'Ｆｕｌｌ ½ …’–“',
	'Иван', 'Иван I', 'ﬁn', 'İstanbul ı', E'a\tb', 'Đặng Thị Hồng', '日本');
SELECT * FROM pg_temp.try('simplify', 'Müller-Lüdenscheidt', 'O''Neil 2', '-', '№ 5');
SELECT * FROM pg_temp.try('dn', 'Doe, Jane', '#1', ' a ', ' ', 'a=b', '"<>;+\', 'Ä#', '1#2');
-- Read again it is what it was.
SELECT v, syncup_format('CN=' || syncup_format(v, 'dn') || ',DC=x', 'rdn') = v AS same FROM unnest(ARRAY['Doe, Jane', '#1', ' a ', 'a=b', '"<>;+\', 'Ä#']) v;
-- How a name sounds is told by an extension, whatever else has that name.
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS fuzzystrmatch;
RESET client_min_messages;
SELECT syncup_format('Schmidt', 'soundex');
CREATE SCHEMA fuzzy CREATE VIEW nothing AS SELECT 1 AS n;
CREATE FUNCTION fuzzy.soundex(varchar) RETURNS text LANGUAGE sql AS 'SELECT ''not this one''';
SELECT syncup_format('Schmidt', 'metaphone');
CREATE EXTENSION fuzzystrmatch SCHEMA fuzzy;
SELECT * FROM pg_temp.try('soundex', 'Schmidt', 'Smith', 'Müller', 'Ångström', '123', 'Иван');
SELECT * FROM pg_temp.try('metaphone', 'Schmidt', 'Thomas', 'Müller', '123', 'Иван');
SELECT length(syncup_format(repeat('täx', 200), 'metaphone')) > 100 AS long;
SELECT syncup_format('Schmidt', 'soundex:4');
DROP SCHEMA fuzzy CASCADE;

-- Anybody may call it.
SELECT has_function_privilege('public', 'syncup_format(text, text)', 'EXECUTE') AS public_may;

DROP FUNCTION pg_temp.try;
DROP EXTENSION syncup CASCADE;
