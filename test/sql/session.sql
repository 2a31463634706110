-- Files that a client sends in a session instead of their lying on the server (SPEC 2.6).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset footer off
\pset tuples_only on
SET client_min_messages = warning;
CREATE TABLE t.session (name text PRIMARY KEY, id uuid);
-- Opens a session that is called so in what follows.
CREATE FUNCTION t.open(name text, connector text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO t.session SELECT name, syncup_open_session(connector) ON CONFLICT ON CONSTRAINT session_pkey DO UPDATE SET id = excluded.id
$$;
CREATE FUNCTION t.s(name text) RETURNS uuid STABLE LANGUAGE sql AS 'SELECT s.id FROM t.session s WHERE s.name = $1';
-- Sends a text in parts of so many bytes, the last one first.
CREATE FUNCTION t.send(name text, file text, content bytea, bytes int DEFAULT 7) RETURNS void LANGUAGE sql AS $$
	SELECT syncup_upload(t.s(name), file, p, substr(content, (p - 1) * bytes + 1, bytes), parts)
	FROM (SELECT ceil(octet_length(content)::float8 / bytes)::int AS parts) n, generate_series(parts, 1, -1) p
$$;
CREATE FUNCTION t.send(name text, file text, content text, bytes int DEFAULT 7) RETURNS void LANGUAGE sql AS
	$$SELECT t.send(name, file, convert_to(content, 'UTF8'), bytes)$$;
CREATE FUNCTION t.prepare(name text, mode text DEFAULT 'complete', connector text DEFAULT 'S', options jsonb DEFAULT '{}') RETURNS uuid LANGUAGE sql AS
	$$SELECT syncup_prepare(connector, mode, options || jsonb_build_object('session', t.s(name)))$$;
CREATE FUNCTION t.gz(content text) RETURNS bytea LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('plain', content);
	CALL t.shell('gzip -nc plain > plain.gz');
	RETURN pg_read_binary_file(t.dir() || '/plain.gz');
END
$$;

-- ---------- mapping what only clients send ----------

CREATE TABLE target.person (id int PRIMARY KEY, name text, boss int);
CREATE TABLE target.tag (person int REFERENCES target.person, tag int, PRIMARY KEY (person, tag));
SELECT syncup_create_connector('S');
SELECT t.error($$SELECT syncup_map_entity_type('S', 'person', 'target.person', 'p.csv', 'id')$$);
SET client_min_messages = notice;
ALTER FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) RESET client_min_messages;
SELECT syncup_map_entity_type('S', 'person', 'target.person', 'p.csv', 'id', '{"id": "id", "name": "name"}', options => '{"where": "name <> ''gone''"}');
SET client_min_messages = warning;
SELECT t.error($$SELECT syncup_prepare('S', 'complete')$$);
SELECT * FROM syncup_source_files('S');

-- ---------- sending ----------

SELECT t.error($$SELECT syncup_open_session('none')$$);
SELECT t.error($$SELECT syncup_open_session(NULL)$$);
SELECT syncup_deactivate('S');
SELECT t.refused($$SELECT syncup_open_session('S')$$);
SELECT syncup_activate('S');
SELECT t.open('a', 'S');
SELECT connector, opened_by = current_user, now() - opened_at < '1 min', files, bytes, sent_at, batch, mode, status FROM syncup.session;
SELECT t.error(format('SELECT syncup_upload(%L, %L, 1, %L)', gen_random_uuid(), 'p.csv', ''));
SELECT t.refused(format('SELECT syncup_upload(%s, %s, %s, %s, %s)', s, f, p, c, n))
FROM (VALUES ('NULL', '''p''', '1', '''''', 'NULL'), ('t.s(''a'')', 'NULL', '1', '''''', 'NULL'), ('t.s(''a'')', '''p''', 'NULL', '''''', 'NULL'),
	('t.s(''a'')', '''p''', '1', 'NULL', 'NULL'), ('t.s(''a'')', '''p''', '0', '''''', 'NULL'), ('t.s(''a'')', '''p''', '-1', '''''', '2'),
	('t.s(''a'')', '''p''', '1', '''''', '0'), ('t.s(''a'')', '''p''', '3', '''''', '2'), ('t.s(''a'')', '''''', '1', '''''', 'NULL'),
	('t.s(''a'')', 'repeat(''x'', 1025)', '1', '''''', 'NULL')) v (s, f, p, c, n);
-- in any order, the same again replaces it
SELECT syncup_upload(t.s('a'), 'p.csv', 3, 'XXXX');
SELECT syncup_upload(t.s('a'), 'p.csv', 1, E'id,name\n1,Ada\n');
SELECT files, bytes, status FROM syncup.session;
SELECT t.refused($$SELECT t.prepare('a')$$);
SELECT syncup_upload(t.s('a'), 'p.csv', 3, E'3,Cy\n');
SELECT syncup_upload(t.s('a'), 'p.csv', 9, E'9,Z\n');
SELECT t.refused($$SELECT t.prepare('a')$$);
SELECT t.refused($$SELECT syncup_upload(t.s('a'), 'p.csv', 2, '', 4)$$);
SELECT syncup_upload(t.s('a'), 'p.csv', 2, E'2,"Bob\n', 10);
SELECT t.refused($$SELECT syncup_upload(t.s('a'), 'p.csv', 2, '', 4)$$);
SELECT t.refused($$SELECT syncup_upload(t.s('a'), 'p.csv', 11, '')$$);
SELECT t.refused($$SELECT t.prepare('a')$$);
-- a character, a quote and a line may lie in two parts
SELECT t.open('a', 'S');
SELECT t.send('a', 'p.csv', E'id,name,boss\n1,Ada,\n2,"Bö\n""b""",1\n3,gone,1\n4,Cy,2', 1);
SELECT files, bytes FROM syncup.session WHERE session = t.s('a');
SELECT t.prepare('a') IS NOT NULL;
SELECT status, (SELECT count(*) FROM syncup.upload_part p WHERE p.session = s.session) > 0 AS kept FROM syncup.session s WHERE session = t.s('a');
SELECT * FROM t.synchronize('S', true);
SELECT * FROM target.person ORDER BY id;
SELECT status, (SELECT count(*) FROM syncup.upload_part p WHERE p.session = s.session) > 0 AS kept, files, bytes FROM syncup.session s WHERE session = t.s('a');
SELECT file, file_size, rows_read, filtered FROM syncup.batch_counter;
-- pieces of parts: the same rows as of the file on the server
SELECT t.open('big', 'S');
SELECT t.send('big', 'p.csv', string_agg(format(E'%s,%s\n', CASE WHEN n = 0 THEN 'id' ELSE n::text END, CASE WHEN n = 0 THEN 'name' ELSE md5(n::text) END), '' ORDER BY n), 1100000)
FROM generate_series(0, 30000) n;
SELECT max(octet_length(content)), count(*) FROM syncup.upload_part WHERE session = t.s('big');
SELECT t.prepare('big') IS NOT NULL;
SELECT rows_read, delta_inserted, delta_updated, delta_deleted FROM syncup.batch_counter JOIN syncup.session USING (batch) WHERE session = t.s('big');
SELECT * FROM t.synchronize('S', true);
SELECT count(*), bool_and(name = md5(id::text)) FROM target.person;

-- ---------- a session is prepared once ----------

SELECT t.open('b', 'S');
SELECT t.send('b', 'p.csv', E'id,name\n1,Ada\n');
SELECT t.prepare('b') = t.prepare('b');
SELECT t.refused($$SELECT t.prepare('b', 'incremental')$$);
SELECT t.refused($$SELECT syncup_upload(t.s('b'), 'p.csv', 1, '')$$);
SELECT t.refused($$SELECT syncup_upload(t.s('b'), 'q.csv', 0::oid)$$);
SELECT status FROM t.synchronize('S');
SELECT status, (SELECT count(*) FROM syncup.upload_part p WHERE p.session = s.session) > 0 AS kept FROM syncup.session s WHERE session = t.s('b');
-- opening cancels nothing, preparing does
SELECT t.open('c', 'S');
SELECT t.send('c', 'p.csv', E'id,name\n1,Ada\n2,Bob\n');
SELECT status FROM syncup.session WHERE session = t.s('b');
SELECT t.prepare('c') IS NOT NULL;
SELECT status, (SELECT count(*) FROM syncup.upload_part p WHERE p.session = s.session) > 0 AS kept FROM syncup.session s WHERE session = t.s('b');
SELECT status FROM t.synchronize('S');
SELECT syncup_discard(t.prepare('c'));
SELECT status, (SELECT count(*) FROM syncup.upload_part p WHERE p.session = s.session) > 0 AS kept FROM syncup.session s WHERE session = t.s('c');
SELECT status FROM syncup.session WHERE batch = t.prepare('c');
-- one that fails can be mended
SELECT t.open('d', 'S');
SELECT t.send('d', 'p.csv', E'id,name\n1,Ada\nx,Bob\n', 100);
SELECT t.refused($$SELECT t.prepare('d')$$);
SELECT syncup_upload(t.s('d'), 'p.csv', 1, E'id,name\n1,Ada\n2,Bob\n');
SELECT t.prepare('d') IS NOT NULL;
SELECT t.error(format('SELECT syncup_prepare(%L, %L, %L)', c, 'complete', o))
FROM (VALUES ('S', '{"session": "x"}'), ('S', '{"session": 7}'), ('S', '{"session": "00000000-0000-0000-0000-000000000000"}'), ('S', '{"sessions": "x"}')) v (c, o);
SELECT t.error($$SELECT syncup_create_connector('S', options => '{"session": "00000000-0000-0000-0000-000000000000"}')$$);
SELECT syncup_create_connector('T', t.dir());
SELECT t.error($$SELECT t.prepare('d', 'complete', 'T')$$);

SELECT syncup_discard(t.prepare('d'));

-- ---------- which file stands for which ----------

SELECT syncup_map_association('S', 'tag', 'tags.csv', 'person', 'person.id', 'tag', 'person.id', 'target.tag', 'person', 'tag', '{"optional": true}');
SELECT syncup_map_association('S', 'boss', 'p.csv', 'id', 'person.id', 'boss', 'person.id', 'target.person', NULL, 'boss');
SELECT t.open('e', 'S');
SELECT t.error($$SELECT t.prepare('e')$$);
SELECT t.send('e', 'person.csv', E'id,name\n');
SELECT t.error($$SELECT t.prepare('e')$$);
-- an optional file need not be sent; one that nobody reads is told
SELECT t.send('e', 'p.csv.gz', t.gz(E'id,name,boss\n1,Ada,\n2,Bob,1\n3,,1\n,Nobody,1\n'));
SET client_min_messages = notice;
SELECT t.prepare('e') IS NOT NULL;
SET client_min_messages = warning;
SELECT mapping, file, rows_read, null_keys FROM syncup.batch_counter JOIN syncup.session USING (batch) WHERE session = t.s('e') ORDER BY mapping;
SELECT mapping, file, line, reason, raw FROM syncup.quarantine JOIN syncup.session USING (batch) WHERE session = t.s('e') ORDER BY 1, 3;
SELECT * FROM syncup_synchronize('S', true) \g /dev/null
SELECT * FROM target.person ORDER BY id;
-- encodings, errors with their line
SELECT t.open('f', 'S');
SELECT t.send('f', 'p.csv', '\xfeff'::bytea || (SELECT string_agg(decode(lpad(to_hex(ascii(c)), 4, '0'), 'hex'), '' ORDER BY n) FROM string_to_table(E'id,name,boss\n1,\u00c9va,\n', NULL) WITH ORDINALITY AS s (c, n)));
SELECT t.send('f', 'tags.csv', E'person,tag\n1,1\n');
SELECT t.prepare('f') IS NOT NULL;
SELECT * FROM syncup_synchronize('S', true) \g /dev/null
SELECT * FROM target.person, target.tag;
SELECT t.open('f', 'S');
SELECT t.send('f', 'p.csv', E'id,name,boss\n1,Ada\n');
SELECT t.error($$SELECT t.prepare('f')$$);
SELECT t.send('f', 'p.csv.gz', t.gz(E'id,name,boss\n1,Ada,\n'));
SELECT t.error($$SELECT t.prepare('f')$$);
SELECT t.open('f', 'S');
SELECT t.send('f', 'p.csv.gz', substr(t.gz(E'id,name,boss\n1,Ada,\n'), 1, 30));
SELECT t.error($$SELECT t.prepare('f')$$);
SELECT t.open('f', 'S');
SELECT syncup_upload(t.s('f'), 'p.csv', 1, '');
SELECT t.error($$SELECT t.prepare('f')$$);
-- a checksum that is wrong, something behind the end, two members, a member in two parts
SELECT t.open('f', 'S');
SELECT t.send('f', 'p.csv.gz', set_byte(t.gz(E'id,name,boss\n1,Ada,\n'), octet_length(t.gz(E'id,name,boss\n1,Ada,\n')) - 6, 0));
SELECT t.error($$SELECT t.prepare('f')$$);
SELECT t.open('f', 'S');
SELECT t.send('f', 'p.csv.gz', t.gz(E'id,name,boss\n1,Ada,\n') || convert_to(E'2,Bob,\n', 'UTF8'));
SELECT t.error($$SELECT t.prepare('f')$$);
SELECT t.open('f', 'S');
SELECT t.send('f', 'p.csv.gz', t.gz(E'id,name,boss\n1,Ada,\n') || t.gz('2,Bö') || t.gz(E'b,1\n'));
SELECT t.prepare('f') IS NOT NULL;
SELECT status FROM t.synchronize('S', true);
SELECT * FROM target.person ORDER BY id;
-- empty parts, a part that comes compressed out of a table and has several pieces, a number as high as can be
CREATE TABLE t.compressed (content bytea);
INSERT INTO t.compressed SELECT convert_to(string_agg(format(E'%s,%s,\n', n, repeat('y', 1000)), ''), 'UTF8') FROM generate_series(1, 2500) n;
SET plan_cache_mode = force_generic_plan;
SELECT t.open('f', 'S');
SELECT syncup_upload(t.s('f'), 'p.csv', 1, '');
SELECT syncup_upload(t.s('f'), 'p.csv', 2, E'id,name,boss\n');
SELECT syncup_upload(t.s('f'), 'p.csv', 3, '');
SELECT syncup_upload(t.s('f'), 'p.csv', 4, content) FROM t.compressed;
SELECT syncup_upload(t.s('f'), 'p.csv', 5, '', 5);
RESET plan_cache_mode;
SELECT part, octet_length(content), pg_column_compression(content) FROM syncup.upload_part WHERE session = t.s('f') ORDER BY part;
SELECT t.prepare('f') IS NOT NULL;
SELECT status FROM t.synchronize('S', true);
SELECT count(*), min(length(name)), max(id) FROM target.person;
SELECT t.open('f', 'S');
SELECT syncup_upload(t.s('f'), 'p.csv', 2147483647, 'x', 2147483647);
SELECT t.refused($$SELECT t.prepare('f')$$);
-- names that mean something elsewhere are names here, and read nothing that lies on the server
CALL t.write('p.csv', E'id,name,boss\n1,server,\n');
SELECT t.open('f', 'S');
SELECT t.send('f', n, E'id,name,boss\n1,sent,\n') FROM unnest(ARRAY['../p.csv', E'p.csv\n', 'p.csv/', t.dir() || '/p.csv', '<b>p.csv</b>', 'P.csv', 'p.csv.gz.gz', 'p*']) n;
SELECT replace(e, t.dir(), '<dir>') FROM t.refused($$SELECT t.prepare('f')$$) e;
-- beside files on the server, and instead of them
CREATE TABLE target.a (id int PRIMARY KEY, v text);
CREATE TABLE target.b (id int PRIMARY KEY, v text);
CALL t.write('a.csv', E'id,v\n1,server\n');
CALL t.write('b.csv', E'id,v\n1,server\n');
SELECT syncup_map_entity_type('T', 'a', 'target.a', 'a.csv', 'id');
SELECT syncup_map_entity_type('T', 'b', 'target.b', t.dir() || '/b.csv', 'id');
SELECT t.open('g', 'T');
SELECT t.send('g', 'a.csv', E'id,v\n1,sent\n');
SELECT t.prepare('g', 'complete', 'T') IS NOT NULL;
SELECT status FROM t.synchronize('T', true);
SELECT 'a', * FROM target.a UNION ALL SELECT 'b', * FROM target.b ORDER BY 1;
SELECT t.open('g', 'T');
SELECT t.send('g', t.dir() || '/b.csv', E'id,v\n1,sent\n');
SELECT t.prepare('g', 'complete', 'T') IS NOT NULL;
SELECT status FROM t.synchronize('T', true);
SELECT 'a', * FROM target.a UNION ALL SELECT 'b', * FROM target.b ORDER BY 1;
SELECT syncup_drop_mapping('T', 'a');
SELECT syncup_drop_mapping('T', 'b');

-- ---------- files of changes ----------

CREATE TABLE target.c (id int PRIMARY KEY, v text);
CALL t.write('c.csv', E'cmd,id,v\ninsert,1,server\n');
SELECT syncup_map_entity_type('T', 'c', 'target.c', 'c.csv', 'id', '{"id": "id", "v": "v"}', options => '{"command_column": "cmd"}');

CREATE FUNCTION t.changes(name text) RETURNS TABLE (a text) LANGUAGE plpgsql AS $$
DECLARE
	given uuid := t.prepare(name, 'incremental', 'T');
BEGIN
	PERFORM syncup_synchronize('T', true);
	RETURN QUERY SELECT format('%s rows of %s', rows_read, regexp_replace(file, '.*/', '')) FROM syncup.batch_counter WHERE batch = given;
	RETURN QUERY SELECT format('%s rows of %s', rows_read, regexp_replace(file, '.*/', '')) FROM syncup.batch_file WHERE batch = given ORDER BY file;
	RETURN QUERY SELECT c::text FROM target.c c ORDER BY id;
END
$$;
CALL syncup_run('T', 'complete', force => true);
CALL syncup_run('T', 'incremental');
-- its bytes were read on the server: compressed to be sent, they are the same
SELECT t.open('h', 'T');
SELECT t.send('h', 'c.csv.gz', t.gz(E'cmd,id,v\ninsert,1,server\n'));
SELECT t.changes('h');
SELECT t.open('h', 'T');
SELECT t.send('h', 'c.csv.gz', t.gz(E'cmd,id,v\nupdate,1,sent\ninsert,2,two\n'));
SELECT t.changes('h');
SELECT t.open('h', 'T');
SELECT t.send('h', 'c.csv', E'cmd,id,v\nupdate,1,sent\ninsert,2,two\n');
SELECT t.changes('h');
-- a pattern: all that are new, in order of their names; none of them needs to be waited for
SELECT syncup_map_entity_type('T', 'c', 'target.c', 'c-*.csv', 'id', options => '{"pattern": true, "done_suffix": ".done", "min_age": 3600}');
SELECT t.open('i', 'T');
SELECT t.send('i', 'c-2.csv.gz', t.gz(E'cmd,id,v\nupdate,1,2\n'));
SELECT t.send('i', 'c-1.csv', E'cmd,id,v\nupdate,1,1\ninsert,3,three\n');
SELECT t.send('i', 'c-1.csv.done', 'x');
SELECT t.send('i', 'd-3.csv', E'cmd,id,v\nupdate,1,3\n');
SELECT t.changes('i');
SELECT t.open('i', 'T');
SELECT t.send('i', 'c-2.csv', E'cmd,id,v\nupdate,1,2\n');
SELECT t.send('i', 'c-3.csv', E'cmd,id,v\ndelete,3,\n');
SELECT t.changes('i');
SELECT file, length(digest) FROM syncup.change_file_read WHERE connector = 'T' ORDER BY file;
-- of full extracts the one that was sent last
SELECT t.open('j', 'T');
SELECT t.send('j', 'c-2.csv', E'id,v\n2,last but one\n');
SELECT t.send('j', 'c-1.csv', E'id,v\n1,last\n');
SELECT t.prepare('j', 'complete', 'T') IS NOT NULL;
SELECT * FROM t.synchronize('T', true);
SELECT * FROM target.c;
SELECT t.open('j', 'T');
SELECT t.error($$SELECT t.prepare('j', 'complete', 'T')$$);

-- ---------- whole files ----------

SELECT t.open('k', 'S');
SELECT lo_from_bytea(0, convert_to(E'id,name,boss\n' || string_agg(format(E'%s,%s,\n', n, repeat('x', 1000)), ''), 'UTF8')) AS lo, lo_from_bytea(0, '') AS nothing FROM generate_series(1, 1500) n \gset
SELECT syncup_upload(t.s('k'), 'p.csv', 7, 'replaced', 9);
SELECT syncup_upload(t.s('k'), 'p.csv', :lo);
SELECT parts, bytes, (SELECT array_agg(part) FROM syncup.upload_part p WHERE p.session = f.session) FROM syncup.upload_file f WHERE session = t.s('k');
SELECT t.prepare('k') IS NOT NULL;
SELECT * FROM t.synchronize('S', true);
SELECT count(*), min(length(name)) FROM target.person;
SELECT t.open('k', 'S');
SELECT regexp_replace(e, 'object \d+', 'object <oid>') FROM t.refused(format('SELECT syncup_upload(t.s(%L), %L, %s::oid)', 'k', 'p.csv', :nothing)) e;
SELECT t.sqlstate($$SELECT syncup_upload(t.s('k'), 'p.csv', 0::oid)$$);
SELECT t.error($$SELECT syncup_upload(t.s('k'), 'p.csv', NULL::oid)$$);
-- COPY, as syncup-send does
CALL t.write('rows', format(E'%s\tp.csv\t2\t2\t1,Ada,\\n\n%s\tp.csv\t1\t2\tid,name,boss\\n\n', t.s('k'), t.s('k')));
SELECT format('COPY syncup.upload (session, file, part, parts, content) FROM %L', t.dir() || '/rows') AS copy \gset
:copy;
SELECT files, bytes FROM syncup.session WHERE session = t.s('k');
SELECT * FROM syncup.upload;
SELECT t.prepare('k') IS NOT NULL;
SELECT t.error(:'copy');

-- ---------- how much ----------

SET syncup.max_session_size = '1MB';
SELECT t.open('l', 'S');
SELECT syncup_upload(t.s('l'), 'p.csv', 1, convert_to(repeat('x', 1048576), 'UTF8'));
SELECT t.refused($$SELECT syncup_upload(t.s('l'), 'q.csv', 1, 'x')$$);
SELECT t.refused($$SELECT syncup_upload(t.s('l'), 'p.csv', 2, 'x')$$);
SELECT syncup_upload(t.s('l'), 'p.csv', 1, 'x');
SELECT syncup_upload(t.s('l'), 'q.csv', 1, 'x');
RESET syncup.max_session_size;
SELECT t.refused($$SELECT syncup_upload(t.s('l'), 'p.csv', 1, convert_to(repeat('x', 64 * 1024 * 1024 + 1), 'UTF8'))$$);

-- ---------- who may ----------

DROP ROLE IF EXISTS regress_syncup_agent, regress_syncup_agents, regress_syncup_other, regress_syncup_operator;
CREATE ROLE regress_syncup_agents;
CREATE ROLE regress_syncup_agent IN ROLE regress_syncup_agents;
CREATE ROLE regress_syncup_other;
CREATE ROLE regress_syncup_operator;
GRANT USAGE ON SCHEMA syncup, t TO regress_syncup_agents, regress_syncup_other, regress_syncup_operator;
GRANT SELECT ON syncup.session TO regress_syncup_agents, regress_syncup_other;
GRANT INSERT ON syncup.upload TO regress_syncup_agents;
GRANT EXECUTE ON FUNCTION syncup_open_session, syncup_upload(uuid, text, int, bytea, int), syncup_upload(uuid, text, oid), syncup_prepare TO regress_syncup_agents, regress_syncup_other, regress_syncup_operator;
GRANT EXECUTE ON FUNCTION syncup_synchronize TO regress_syncup_operator;
GRANT ALL ON t.session TO PUBLIC;
GRANT pg_read_server_files TO regress_syncup_other, regress_syncup_agents;
SELECT t.error($$SELECT syncup_grant_sender('none', 'regress_syncup_agents')$$);
SELECT t.error($$SELECT syncup_grant_sender('S', 'none')$$);
SELECT t.error($$SELECT syncup_grant_sender(NULL, 'regress_syncup_agents')$$);
SELECT t.error($$SELECT syncup_revoke_sender('S', 'regress_syncup_agents')$$);
SELECT syncup_grant_sender('S', 'regress_syncup_agents');
SELECT syncup_grant_sender('S', 'regress_syncup_agents');
SELECT * FROM syncup.sender;
SELECT t.error($$SELECT syncup_revoke_sender('S', 'regress_syncup_other')$$);
SET ROLE regress_syncup_other;
SELECT t.error($$SELECT t.open('other', 'S')$$);
SELECT t.error($$SELECT syncup_prepare('S', 'complete')$$);
SELECT t.error($$SELECT syncup_upload(t.s('l'), 'p.csv', 1, '')$$);
SELECT count(*) FROM syncup.session;
SET ROLE regress_syncup_agent;
SELECT t.error($$SELECT t.open('agent', 'T')$$);
SELECT t.open('agent', 'S');
SELECT t.send('agent', 'p.csv', E'id,name,boss\n1,Ada,\n2,Bob,1\n');
SELECT connector, opened_by, files, status FROM syncup.session;
SELECT t.error($$SELECT syncup_upload(t.s('l'), 'p.csv', 1, '')$$);
SELECT t.error(format('SELECT syncup_upload(t.s(%L), %L, %s::oid)', 'l', 'p.csv', :lo));
SELECT regexp_replace(e, 'object \d+', 'object <oid>') FROM t.error(format('SELECT syncup_upload(t.s(%L), %L, %s::oid)', 'agent', 'tags.csv', :lo)) e;
SELECT t.error($$SELECT t.prepare('l')$$);
SELECT t.error($$SELECT syncup_prepare('S', 'complete')$$);
SELECT t.error($$SELECT syncup_prepare('T', 'complete')$$);
SELECT t.error($$SELECT t.prepare('agent', 'complete', 'T')$$);
SELECT t.error($$SELECT t.prepare('agent', 'complete', 'S', '{"reject_limit": 1000}')$$);
SELECT t.sqlstate(s) FROM unnest(ARRAY['CALL syncup_run(''S'', ''complete'')', 'SELECT syncup_synchronize(''S'')', 'SELECT * FROM syncup.upload_part', 'SELECT * FROM syncup.batch', 'SELECT * FROM target.person',
	'SELECT syncup.store_part(t.s(''l''), ''p'', 1, '''')', 'SELECT syncup_grant_sender(''T'', ''regress_syncup_agent'')', 'INSERT INTO syncup.sender VALUES (''T'', ''regress_syncup_agent'')']) s;
-- no right on the target is needed to prepare
SELECT t.prepare('agent') IS NOT NULL;
SELECT connector, opened_by, files, mode, status FROM syncup.session;
-- what lies on the server is not its to read
RESET ROLE;
CALL t.write('x.csv', E'id,v\n1,server\n');
SELECT syncup_map_entity_type('T', 'c', 'target.c', 'x.csv', 'id', options => '{"pattern": null}');
SELECT syncup_map_entity_type('T', 'y', 'target.a', t.dir() || '/x.csv', 'id', options => '{"optional": true}');
SELECT syncup_grant_sender('T', 'regress_syncup_agents');
SET ROLE regress_syncup_agent;
SELECT t.open('path', 'T');
SELECT t.error($$SELECT t.prepare('path', 'complete', 'T')$$);
SELECT t.send('path', 'x.csv', E'id,v\n1,agent\n');
SELECT t.prepare('path', 'complete', 'T') IS NOT NULL;
RESET ROLE;
SELECT mapping, file FROM syncup.batch_counter JOIN syncup.session USING (batch) WHERE session = t.s('path') ORDER BY 1;
SELECT status FROM syncup_synchronize('T', true);
SELECT * FROM target.c;
-- whoever may synchronize may prepare any
SELECT t.open('operator', 'S');
SELECT t.send('operator', 'p.csv', E'id,name,boss\n1,Ada,\n');
SET ROLE regress_syncup_operator;
SELECT t.prepare('operator') IS NOT NULL;
RESET ROLE;
-- what is revoked ends with it
SET ROLE regress_syncup_agent;
SELECT t.open('late', 'S');
RESET ROLE;
SELECT syncup_revoke_sender('S', 'regress_syncup_agents');
SET ROLE regress_syncup_agent;
SELECT t.error($$SELECT syncup_upload(t.s('late'), 'p.csv', 1, '')$$);
SELECT t.error($$SELECT t.prepare('late')$$);
SELECT t.error($$SELECT syncup_prepare('S', 'complete')$$);
RESET ROLE;

-- ---------- what goes ----------

SELECT syncup_discard(t.prepare('operator'));
UPDATE syncup.upload_session SET opened_at = opened_at - interval '40 days' WHERE session IN (t.s('l'), t.s('late'));
SELECT t.open('m', 'S');
SELECT syncup_purge('30 days');
SELECT name, status FROM t.session JOIN syncup.session ON session = id WHERE name IN ('l', 'late', 'm') ORDER BY name;
UPDATE syncup.upload_file SET sent_at = sent_at - interval '40 days' WHERE session = t.s('l');
SELECT syncup_purge('30 days');
SELECT name, status FROM t.session JOIN syncup.session ON session = id WHERE name IN ('l', 'late', 'm') ORDER BY name;
SELECT t.error($$SELECT syncup_upload(t.s('l'), 'p.csv', 1, '')$$);
SELECT t.send('m', 'p.csv', 'x');
SELECT syncup_drop_connector('S');
SELECT t.error($$SELECT syncup_upload(t.s('m'), 'p.csv', 1, '')$$);
SELECT syncup_drop_connector('T');
SELECT (SELECT count(*) FROM syncup.upload_session), (SELECT count(*) FROM syncup.upload_file), (SELECT count(*) FROM syncup.upload_part), (SELECT count(*) FROM syncup.sender);

SELECT lo_unlink(:lo), lo_unlink(:nothing) \g /dev/null
DROP OWNED BY regress_syncup_agent, regress_syncup_agents, regress_syncup_other, regress_syncup_operator;
DROP ROLE regress_syncup_agent, regress_syncup_agents, regress_syncup_other, regress_syncup_operator;
\set end :srcdir '/include/end.sql'
\i :end
