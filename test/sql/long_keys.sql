-- Keys and unique keys that are too long for an index: bad rows with a name.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
SET client_min_messages = warning;
\pset tuples_only on
\pset format unaligned

CREATE TABLE target.note (id text PRIMARY KEY, code text UNIQUE, body text);
CREATE TABLE target.link (a text, b text, PRIMARY KEY (a, b));
CREATE PROCEDURE t.file(name text, content text)
LANGUAGE sql AS $$ CALL t.write(name || '.csv', convert_to(content, 'UTF8')) $$;
-- Of so many bytes, which no compression makes much shorter.
CREATE FUNCTION t.long(n int) RETURNS text
LANGUAGE sql AS $$ SELECT left(string_agg(md5(i::text), '' ORDER BY i), n) FROM generate_series(1, n / 32 + 1) i $$;
CREATE FUNCTION t.quarantine() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT concat_ws(' ', mapping, 'line', line, reason, left(key, 4), message) FROM syncup.quarantine
	WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY mapping, line
$$;
CALL t.file('note', format(E'id,code,body\nk1,c1,b\n%s,c2,b\n%s,c3,b\nk4,%s,b\nk5,%s,b\nk6,c6,%s\n',
	t.long(2600), repeat('x', 2601), t.long(2601), t.long(2600), t.long(9000)));
CALL t.file('link', format(E'a,b\nk1,k1\nk1,%s\n%s,k1\n', t.long(1300), t.long(1301)));
SELECT syncup_create_connector('L', t.dir());
SELECT syncup_map_entity_type('L', 'note', 'target.note', 'note.csv', 'id', unique_keys => ARRAY['code']);
SELECT syncup_map_association('L', 'links', 'link.csv', 'a', 'note.id', 'b', 'note.id', 'target.link', 'a', 'b');

-- Under "stop" an error of the prepare, which names the place.
DO $$
DECLARE
	context text;
BEGIN
	PERFORM syncup_prepare('L', 'complete');
EXCEPTION WHEN string_data_right_truncation THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT;
	RAISE WARNING '%, %', SQLERRM, substring(context FROM 'note.csv", line [0-9]*, column "[^"]*"');
END
$$;

-- Under "quarantine" a row that is set aside: up to the limit they are stored.
SELECT syncup_prepare('L', 'complete', '{"on_error": "quarantine"}') IS NOT NULL;
SELECT t.quarantine();
SELECT status FROM syncup_synchronize('L', force => true);
SELECT left(id, 4), length(id), length(code), length(body) FROM target.note ORDER BY id COLLATE "C";
-- In a row that is bad anyhow, such a key is none that can be read.
BEGIN;
CALL t.file('note', format(E'id,code,body\nk1,c1,b\n%s,c2,b,x\n', t.long(2601)));
CALL t.file('link', format(E'a,b\nk1,k1\n%s,%s,x\n', t.long(1301), t.long(1301)));
SELECT syncup_prepare('L', 'complete', '{"on_error": "quarantine"}') IS NOT NULL;
SELECT t.quarantine();
SELECT mapping, rejected, delta_deleted, deletions_suspended FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY 1;
ROLLBACK;

-- In a file of changes.
SELECT syncup_map_entity_type('L', 'note', 'target.note', 'note.csv', 'id', options => '{"command_column": "cmd"}');
CALL t.file('note', format(E'cmd,id,code,body\nupdate,k1,%s,b\ninsert,%s,c8,b\ninsert,k9,c9,b\n', repeat('x', 2601), t.long(2601)));
SELECT syncup_prepare('L', 'incremental', '{"on_error": "quarantine"}') IS NOT NULL;
SELECT t.quarantine();
SELECT status FROM syncup_synchronize('L', force => true);
SELECT left(id, 4), length(id), length(code), length(body) FROM target.note ORDER BY id COLLATE "C";
\set end :srcdir '/include/end.sql'
\i :end
