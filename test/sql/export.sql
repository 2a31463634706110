-- Batches as files, and back (SPEC 2.4).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_export;
DROP DATABASE IF EXISTS regress_syncup_latin1;
RESET client_min_messages;
CREATE ROLE regress_syncup_export;
GRANT USAGE ON SCHEMA t TO PUBLIC;

-- The n-th batch, and its files.
CREATE FUNCTION t.batch(n int) RETURNS uuid LANGUAGE sql SECURITY DEFINER AS $$
	SELECT batch FROM syncup.batch ORDER BY seq OFFSET n - 1 LIMIT 1
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql SECURITY DEFINER AS $$
	SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1
$$;
CREATE FUNCTION t.export(folder text DEFAULT 'exp') RETURNS void LANGUAGE sql AS $$
	SELECT syncup_export(t.last(), t.dir() || '/' || folder)
$$;
CREATE FUNCTION t.export(n int, folder text) RETURNS void LANGUAGE sql AS $$
	SELECT syncup_export(t.batch(n), t.dir() || '/' || folder)
$$;
-- A file's lines; psql shows the carriage returns.
CREATE FUNCTION t.show(name text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT string_to_table(regexp_replace(pg_read_file(t.dir() || '/' || name), E'\n$', ''), E'\n')
$$;
CREATE FUNCTION t.files(folder text DEFAULT 'exp') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT f FROM pg_ls_dir(t.dir() || '/' || folder) f ORDER BY f COLLATE "C"
$$;
CREATE FUNCTION t.bytes(folder text DEFAULT 'exp', ending text DEFAULT '') RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(f || ' ' || encode(sha256(pg_read_binary_file(t.dir() || '/' || folder || '/' || f)), 'hex'), E'\n' ORDER BY f COLLATE "C"), '')
	FROM t.files(folder) f WHERE f LIKE '%' || ending
$$;
CALL t.shell('mkdir exp exp2 exp3 other');

CREATE TABLE target.person (id text PRIMARY KEY, name text, note text);
SELECT syncup_create_connector('HR', t.dir(), '{"quoted_empty": "empty"}');
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'ID', '{"ID": "id", "Full name": "name", "Note, or not": "note"}', '{mail}');
SELECT syncup_set_thresholds('HR', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');

-- A batch that waits. Keys in the order of their bytes; quotes only where they must be.
CALL t.write('person.csv', E'mail,ID,Full name,"Note, or not"\n'
	',ä,Ä umlaut,\n'
	'b@x,b,Bob,"a,b"\n'
	'B@x,B,"say ""hi""","two\r\nlines\nand\rmore"\n'
	'a@x,a,Ada," leading"\n'
	'"",A,"","trailing\t"\n'
	'10@x,10,"\tten",semi;colon ''apostrophe'' | pipe\n'
	'9@x,9,nine,\\.\n'
	'"9, 1@x"," 9",NULL_NULL,in ner\n'
	'bom@x,\uFEFFbom,\uFEFFx,x\uFEFF\n'
	'a2@x,a,Ada again,\n'
	'n2@x,,"Nobody, 2",\n'
	'n1@x,"",Nobody,"x\ny"\n'
	'b2@x,b,Bob again,"c,\nd"\n'
	'a2@x,a,Ada,"third"\n');
SELECT syncup_prepare('HR', 'initial') IS NULL AS prepared;
SELECT t.export();
SELECT t.files();
SELECT t.show('exp/person.sorted.csv');
SELECT t.show('exp/person.sorted.delta');
SELECT t.show('exp/person.duplicates.csv');
SELECT t.show('exp/person.nullpk.csv');
-- The very bytes: no byte order mark, CRLF to the end.
SELECT encode(substr(pg_read_binary_file(t.dir() || '/exp/person.sorted.csv'), 1, 12), 'escape') AS head, right(encode(pg_read_binary_file(t.dir() || '/exp/person.sorted.csv'), 'hex'), 12) AS tail;
-- Others may read what was written, as with COPY TO; nobody else may write it.
CALL t.shell('stat -c %A exp/* | sort -u >modes');
SELECT t.show('modes');
-- The same content gives the same bytes: again, in place, and from a file in another order.
SELECT t.export(1, 'exp2');
SELECT t.bytes('exp') = t.bytes('exp2') AS same;
SELECT t.export(1, 'exp2');
SELECT t.bytes('exp') = t.bytes('exp2') AS same;
CALL t.write('person.csv', E'"Note, or not",id,FULL NAME,MAIL\r\n'
	'"x\uFEFF","\uFEFFbom","\uFEFFx",bom@x\r\n'
	'in ner," 9","NULL_NULL","9, 1@x"\r'
	'"\\.",9,"nine",9@x\r\n'
	'semi;colon ''apostrophe'' | pipe,10,\tten,10@x\n'
	'trailing\t,A,"",""\n'
	' leading,a,Ada,a@x\n'
	'"two\r\nlines\nand\rmore",B,"say ""hi""",B@x\n'
	'"a,b",b,Bob,b@x\n'
	',ä,Ä umlaut,');
SELECT syncup_prepare('HR', 'complete') IS NULL AS prepared;
SELECT t.export('exp2');
SELECT t.bytes('exp', '.sorted.csv') = t.bytes('exp2', '.sorted.csv') AS same, t.bytes('exp', '.sorted.delta') = t.bytes('exp2', '.sorted.delta') AS same_delta;
SELECT t.show('exp2/person.duplicates.csv');

-- Applied: the rows are those of previous. The delta was not kept, and that of an earlier export does not stay.
SELECT * FROM t.synchronize('HR');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT t.export('exp2')"
SELECT t.files('exp2');
SELECT t.bytes('exp', '.sorted.csv') = t.bytes('exp2', '.sorted.csv') AS same;

-- Batches in a queue: each as it will be after those ahead of it.
CREATE PROCEDURE t.queue(content text) LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('person.csv', E'ID,Full name,"Note, or not",mail\n' || content);
	PERFORM syncup_prepare('HR', 'incremental');
END
$$;
CALL t.queue(E'stays,Sam,,\nchanges,Cy,1,c@x\ngoes,Gil,"",\nä,,,');
CALL t.queue(E'stays,Sam,,\nchanges,Cy,,"NULL_NULL"\ncomes,"Co, me",NULL_NULL,\nä,,"",');
CALL t.queue(E'goes,back,again,\nchanges,,"",\ncomes,,NULL_NULL,c@x');
SELECT t.export(3, 'exp');
SELECT t.show('exp/person.sorted.csv');
SELECT t.show('exp/person.sorted.delta');
-- In an update an empty cell would mean "unchanged": null is NULL_NULL. The word itself as a value needs an insert.
SELECT t.export(4, 'exp2');
SELECT t.show('exp2/person.sorted.csv');
SELECT t.show('exp2/person.sorted.delta');
SELECT t.export(5, 'exp3');
SELECT t.show('exp3/person.sorted.csv');
SELECT t.show('exp3/person.sorted.delta');
CREATE TEMP TABLE third AS SELECT t.bytes('exp3') AS bytes;
-- They are read by the functions for files.
SELECT * FROM syncup_read_csv(t.dir() || '/exp3/person.sorted.csv', '{"quoted_empty": "empty"}') AS ("ID" text, "Full name" text, "Note, or not" text, mail text);
SELECT * FROM syncup_read_delta(t.dir() || '/exp3/person.sorted.delta', '{"quoted_empty": "empty"}') AS (command text, "ID" text, "Full name" text, "Note, or not" text, mail text);
SELECT ordinal, name FROM syncup_csv_header(t.dir() || '/exp3/person.sorted.delta');
SELECT * FROM syncup_read_csv(t.dir() || '/exp3/person.nullpk.csv') AS (line bigint, reason text, key text, message text, raw text);
-- One that blocks, with those behind it, and one that failed, wait as well.
SELECT syncup_set_thresholds('HR', '{"maximum_deleted_lines": 1}');
SELECT * FROM t.synchronize('HR');
SELECT t.export(5, 'other');
SELECT t.bytes('other') = bytes AS same FROM third;
ALTER TABLE target.person ADD CONSTRAINT never CHECK (id <> 'stays');
SELECT syncup_set_thresholds('HR', '{"maximum_deleted_lines": 0}');
SELECT status FROM syncup_resume(t.batch(3));
SELECT t.export(5, 'other');
SELECT t.bytes('other') = bytes AS same FROM third;
ALTER TABLE target.person DROP CONSTRAINT never;
-- Applied with its changes kept: the last one as it was, with its delta.
SELECT * FROM t.synchronize('HR', keep_changes => true);
SELECT t.export(5, 'other');
SELECT t.bytes('other') = bytes AS same FROM third;
-- Not so those before it.
SELECT t.error($$SELECT t.export(4, 'other')$$);
SELECT t.error($$SELECT t.export(1, 'other')$$);
-- Discarded, cancelled, failed to prepare: nothing is there.
CALL t.queue('x,,,');
SELECT syncup_discard(t.last());
SELECT t.error($$SELECT t.export('other')$$);
CALL t.shell('rm person.csv');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('HR', 'incremental')"
SELECT t.error($$SELECT t.export('other')$$);
SELECT t.bytes('other') = bytes AS same FROM third;

-- Round trip: the rows as the source of another connector give the same previous.
CREATE TABLE target.copy (LIKE target.person INCLUDING ALL);
SELECT syncup_create_connector('COPY', t.dir(), '{"quoted_empty": "empty"}');
SELECT syncup_map_entity_type('COPY', 'person', 'target.copy', 'source.csv', 'ID', '{"ID": "id", "Full name": "name", "Note, or not": "note"}', '{mail}', '{"command_column": "command", "incremental_file": "source.delta"}');
CALL t.shell('cp exp/person.sorted.csv source.csv');
SELECT syncup_prepare('COPY', 'initial') IS NULL AS prepared;
SELECT * FROM t.synchronize('COPY');
CALL t.shell('mkdir exp4');
SET client_min_messages = warning;
SELECT t.export('exp4');
RESET client_min_messages;
SELECT t.bytes('exp4', '.sorted.csv') = t.bytes('exp', '.sorted.csv') AS same;
CALL t.shell('cp exp3/person.sorted.csv source.csv');
SELECT syncup_prepare('COPY', 'complete') IS NULL AS prepared;
SELECT * FROM t.synchronize('COPY', true, true);
(SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.copy_person EXCEPT ALL SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.hr_person) UNION ALL (SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.hr_person EXCEPT ALL SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.copy_person);
(TABLE target.copy EXCEPT ALL TABLE target.person) UNION ALL (TABLE target.person EXCEPT ALL TABLE target.copy);
-- And the delta as a change file: the same delta, the same previous.
CALL t.queue(E'goes,,"",\nchanges,"a,b",," x "\nnew,,,n@x\nä,"say ""hi""","",');
SELECT t.export('exp4');
CALL t.shell('cp exp4/person.sorted.delta source.delta');
SELECT t.show('source.delta');
SELECT syncup_prepare('COPY', 'incremental') IS NULL AS prepared;
CALL t.shell('mkdir exp5');
SELECT t.export('exp5');
SELECT t.bytes('exp5') = t.bytes('exp4') AS same;
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.synchronize('COPY', true);
(SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.copy_person EXCEPT ALL SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.hr_person) UNION ALL (SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.hr_person EXCEPT ALL SELECT "ID", "Full name", "Note, or not", mail FROM syncup_previous.copy_person);
(TABLE target.copy EXCEPT ALL TABLE target.person) UNION ALL (TABLE target.person EXCEPT ALL TABLE target.copy);
SELECT syncup_drop_connector('COPY');

-- Every combination of a few characters, in every place, comes back.
CREATE TABLE target.odd (id text PRIMARY KEY, a text, b text);
SELECT syncup_create_connector('ODD', t.dir(), '{"quoted_empty": "empty"}');
CALL t.write('odd.csv', E'id,a,b\n');
SELECT syncup_map_entity_type('ODD', 'odd', 'target.odd', 'odd.csv', 'id');
SELECT syncup_prepare('ODD', 'initial') IS NULL AS prepared;
WITH c AS (SELECT unnest(ARRAY['', ',', '"', E'\r', E'\n', ' ', E'\t', 'x', '\', 'é']) AS c),
	w AS (SELECT x.c || y.c || z.c AS w FROM c x, c y, c z UNION SELECT NULL)
INSERT INTO syncup_delta.odd_odd (batch, command, id, a, b)
SELECT t.last(), 'insert', row_number() OVER () || coalesce(w, ''), w, reverse(w) FROM w;
-- ... and fields that fill buffers.
INSERT INTO syncup_delta.odd_odd (batch, command, id, a, b)
SELECT t.last(), 'insert', n, repeat('x', n), repeat('"', n) FROM generate_series(65520, 65545, 5) n;
CALL t.shell('mkdir odd odd2');
SELECT t.export('odd');
CALL t.shell('cp odd/odd.sorted.csv odd.csv');
CREATE TEMP TABLE odd AS SELECT id, a, b FROM syncup_delta.odd_odd;
SELECT count(*), count(DISTINCT a) FROM odd;
SELECT syncup_prepare('ODD', 'complete') IS NULL AS prepared;
SELECT count(*) FROM (TABLE odd EXCEPT ALL SELECT id, a, b FROM syncup_delta.odd_odd) AS lost;
SELECT t.export('odd2');
SELECT t.bytes('odd2') = t.bytes('odd') AS same;
SELECT syncup_drop_connector('ODD');

-- Names of mappings are no paths. A mapping that came after the batch is left out.
CREATE TABLE target.one (id text PRIMARY KEY, command text);
CREATE TABLE target.two (LIKE target.one INCLUDING ALL);
CREATE TABLE target.three (LIKE target.one INCLUDING ALL);
CREATE TABLE target.four (LIKE target.one INCLUDING ALL);
CALL t.write('names.csv', E'id,command\n1,x\n');
SELECT syncup_create_connector('N', t.dir());
SELECT syncup_map_entity_type('N', '../other/a', 'target.one', 'names.csv', 'id');
SELECT syncup_map_entity_type('N', '..%2Fother%2Fa', 'target.two', 'names.csv', 'id');
SELECT syncup_map_entity_type('N', '..', 'target.three', 'names.csv', 'id');
SELECT syncup_prepare('N', 'initial') IS NULL AS prepared;
SELECT syncup_map_entity_type('N', 'late', 'target.four', 'names.csv', 'id');
CALL t.shell('rm -rf exp* other && mkdir exp other');
SELECT t.export();
SELECT t.files();
SELECT t.files('other');
-- A source column may be called command itself.
SELECT t.show('exp/...sorted.delta');
SELECT syncup_drop_connector('N');

-- What is refused, with nothing written.
CALL t.write('person.csv', E'ID,Full name,"Note, or not",mail\n1,One,,\n1,Uno,,\n');
SELECT syncup_prepare('HR', 'complete') IS NULL AS prepared;
CALL t.shell('rm -rf exp other && mkdir exp other && echo old >other/file');
SELECT t.error($$SELECT syncup_export(NULL, t.dir())$$);
SELECT t.error($$SELECT syncup_export(t.last(), NULL)$$);
SELECT t.error($$SELECT syncup_export('00000000-0000-0000-0000-000000000000', t.dir() || '/exp')$$);
SELECT t.error($$SELECT syncup_export(t.last(), 'exp')$$);
SELECT t.error($$SELECT syncup_export(t.last(), '')$$);
SELECT t.error($$SELECT t.export('nothing')$$);
SELECT t.error($$SELECT t.export('other/file')$$);
CALL t.shell('chmod 555 exp');
SELECT t.error($$SELECT t.export()$$);
CALL t.shell('chmod 755 exp');
-- A run of the connector that is under way.
BEGIN;
SELECT syncup_discard(t.last());
\! sh $PG_ABS_SRCDIR/include/psql "SELECT t.export()" | sed 's/process [0-9]*/process <pid>/'
ROLLBACK;
SELECT t.files();
-- An error half way leaves what was there, and no temporary file.
CALL t.shell('mkdir exp/person.nullpk.csv && echo old >exp/person.sorted.csv');
SELECT t.error($$SELECT t.export()$$);
SELECT t.files();
CALL t.shell('rm -r exp/* && mkdir exp/person.orphans.csv && echo old >exp/person.sorted.csv');
SELECT t.error($$SELECT t.export()$$);
SELECT t.files();
CALL t.shell('rm -r exp/* && echo old >exp/person.sorted.csv');
BEGIN;
DROP TABLE syncup_delta.hr_person;
SELECT t.error($$SELECT t.export()$$);
ROLLBACK;
SELECT t.files();
SELECT t.show('exp/person.sorted.csv');
-- Symbolic links are replaced, not followed; files of the name as well, and orphans of old.
CALL t.shell('ln -sf ../other/file exp/person.sorted.csv && ln -s ../other/new exp/person.sorted.delta && echo old >exp/person.nullpk.csv && ln -s ../other/file exp/person.orphans.csv');
SELECT t.export();
SELECT t.files();
SELECT t.files('other');
SELECT t.show('other/file');
CALL t.shell('find exp -type l >links');
SELECT pg_read_file(t.dir() || '/links') AS links;
SELECT t.show('exp/person.nullpk.csv');
-- Orphans have a file where there are some; a conflict is with the duplicates.
INSERT INTO syncup.quarantine (batch, connector, mapping, file, line, reason, key, message, raw)
SELECT t.last(), 'HR', 'person', 'f', line, reason, key, 'told', raw
FROM (VALUES (7, 'orphan', 'b', 'b,x'), (12, 'orphan', 'B', 'B,x'), (3, 'conflict', '0', '0'), (4, 'malformed', '1', '"')) AS q (line, reason, key, raw);
SELECT t.export();
SELECT t.files();
SELECT t.show('exp/person.orphans.csv');
SELECT t.show('exp/person.duplicates.csv');

-- Who may: the function, and files there; nothing else is needed.
CALL t.shell('rm -rf exp other && mkdir exp exp/sub other && ln -s ../other exp/link && ln -s sub exp/inner && ln -s exp way');
CREATE FUNCTION t.may_export(folder text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.export(folder);
	RETURN 'yes';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || replace(SQLERRM, t.dir(), '<dir>');
END
$$;
SET ROLE regress_syncup_export;
SELECT t.may_export('exp');
RESET ROLE;
GRANT EXECUTE ON FUNCTION syncup_export TO regress_syncup_export;
GRANT pg_read_server_files TO regress_syncup_export;
SET ROLE regress_syncup_export;
SELECT t.error($$SELECT t.export()$$);
SELECT t.may_export('nothing');
RESET ROLE;
SELECT set_config('syncup.directories', t.dir() || '/exp', false) <> '' AS set;
SET ROLE regress_syncup_export;
SELECT folder, t.may_export(folder) FROM unnest('{exp,exp/,exp/sub,exp/inner,exp/../exp,way,exp/nothing,exp/link,exp/../other,other,nothing,.}'::text[]) WITH ORDINALITY AS f (folder, n) ORDER BY n;
SELECT t.error($$SELECT syncup_export(t.last(), '/tmp/')$$);
SELECT count(*) FROM syncup.batch;
RESET ROLE;
SELECT t.files('other');
SELECT t.bytes('exp/sub') <> '' AS written;
RESET syncup.directories;
GRANT pg_write_server_files TO regress_syncup_export;
SET ROLE regress_syncup_export;
SELECT t.may_export('other');
RESET ROLE;
SELECT t.files('other');

-- A database in another encoding writes UTF-8 too.
CREATE DATABASE regress_syncup_latin1 TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C';
CALL t.shell('rm -rf exp/*');
CALL t.write('latin1.csv', E'key,näme\nä,"é ""x"""\nz,\n');
\setenv PGDATABASE regress_syncup_latin1
\! sh $PG_ABS_SRCDIR/include/psql "SELECT encode(convert_to(key, 'LATIN1'), 'hex') FROM syncup_delta.l_p ORDER BY key" -c "CREATE EXTENSION syncup" -c "CREATE TABLE person (id text PRIMARY KEY, name text)" -c "SELECT syncup_create_connector('L', '$SYNCUP_TEST_DIR')" -c "SET client_encoding = 'UTF8'; SET client_min_messages = warning" -c "SELECT syncup_map_entity_type('L', 'p', 'person', 'latin1.csv', 'key', '{\"key\": \"id\", \"näme\": \"name\"}')" -c "SELECT syncup_export(syncup_prepare('L', 'initial'), '$SYNCUP_TEST_DIR/exp')"
\setenv PGDATABASE :DBNAME
SELECT t.show('exp/p.sorted.csv');
SELECT t.bytes('exp', 'p.sorted.csv') ~ encode(sha256(convert_to(E'key,näme\r\nz,\r\nä,"é ""x"""\r\n', 'UTF8')), 'hex') AS utf8;
DROP DATABASE regress_syncup_latin1;

REVOKE ALL ON FUNCTION syncup_export FROM regress_syncup_export;
REVOKE pg_read_server_files, pg_write_server_files FROM regress_syncup_export;
REVOKE USAGE ON SCHEMA t FROM PUBLIC;
DROP ROLE regress_syncup_export;
\set end :srcdir '/include/end.sql'
\i :end
