-- Files of changes that a pattern names: all that were not read yet, known by name
-- and bytes, in C order of their names; one delta of all of them (SPEC 4.4).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

CREATE TABLE target.p (id text PRIMARY KEY, name text);
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS $$ SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1 $$;
CREATE FUNCTION t.map(options jsonb DEFAULT '{"incremental_file": "chg_*.csv", "pattern": true, "command_column": "op"}') RETURNS void
LANGUAGE sql AS $$ SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', '{"id": "id", "name": "name"}', options => options) $$;
-- Runs, and says what was read and what is there now.
CREATE PROCEDURE t.changes(n text, content text) LANGUAGE sql AS $$ CALL t.write('chg_' || n || '.csv', E'op,id,name\n' || content) $$;
CREATE FUNCTION t.run(options jsonb DEFAULT '{}', mode text DEFAULT 'incremental') RETURNS SETOF text
LANGUAGE plpgsql SET client_min_messages = warning AS $$
BEGIN
	PERFORM syncup_prepare('P', mode, options);
	PERFORM syncup_synchronize('P', force => true);
	RETURN NEXT (SELECT status FROM syncup.batch WHERE batch = t.last());
	RETURN QUERY SELECT concat_ws(' ', replace(file, t.dir() || '/', ''), rows_read, 'of', (SELECT c.rows_read FROM syncup.batch_counter c WHERE c.batch = f.batch AND c.mapping = f.mapping), file_size > 0)
		FROM syncup.batch_file f WHERE batch = t.last() ORDER BY file COLLATE "C";
	RETURN NEXT (SELECT string_agg(id || '=' || name, ' ' ORDER BY id) FROM target.p);
END
$$;
SELECT syncup_create_connector('P', t.dir());
SELECT t.map();
CALL t.write('p.csv', E'id,name\na,Ada\nb,Bob\n');
SELECT t.run(mode => 'initial');

-- Three are there; the later one wins, a row of one is changed by the next.
CALL t.changes('2', E'update,a,two\nadd,x,Xi\ndelete,b,\n');
CALL t.changes('10', E'update,a,ten\nadd,y,Yo\n');
CALL t.changes('3', E'update,a,three\nupdate,x,Xu\nmerge,b,Rob\nupdate,nobody,\n');
SELECT t.run('{"on_error": "quarantine"}');
SELECT replace(file, t.dir(), '<dir>') AS file, line, reason, key FROM syncup.quarantine WHERE batch = t.last();
SELECT replace(file, t.dir(), '<dir>') AS file, rows_read, rows_kept, rejected, delta_inserted, delta_updated, delta_deleted FROM syncup.batch_counter WHERE batch = t.last();
-- Again: nothing is new, be it written again or lying elsewhere; what is purged stays read.
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('P', 'incremental')"
SELECT status FROM syncup_synchronize('P');
UPDATE target.p SET name = 'drift' WHERE id = 'a';
CALL t.changes('3', E'update,a,three\nupdate,x,Xu\nmerge,b,Rob\nupdate,nobody,\n');
SELECT t.run();
SELECT t.run(mode => 'complete');
SELECT syncup_purge('0') > 0 AS purged;
CALL t.shell('mkdir moved && mv *.csv moved');
SELECT syncup_create_connector('P', t.dir() || '/moved');
SELECT t.run();
CALL t.shell('mv moved/*.csv .');
SELECT syncup_create_connector('P', t.dir());
-- Other bytes under a name that was read count; those from before do not count again.
CALL t.changes('3', E'update,a,other\n');
SELECT t.run();
CALL t.changes('3', E'update,a,three\nupdate,x,Xu\nmerge,b,Rob\nupdate,nobody,\n');
SELECT t.run();
-- A new one that comes before others by name counts, which is said.
CALL t.changes('1', E'update,a,late\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('P', 'incremental')"
SELECT status FROM syncup_synchronize('P', force => true);
SELECT name FROM target.p WHERE id = 'a';
-- What a batch read that is declined stays read: a complete run makes good for it.
CALL t.changes('4', E'update,a,declined\n');
SELECT syncup_prepare('P', 'incremental') AS batch \gset
SELECT syncup_discard(:'batch');
SELECT t.run(mode => 'complete');
SELECT t.run();
-- A prepare that fails has read nothing.
CALL t.changes('5', E'update,a,five\n');
CALL t.changes('6', E'update,a\n');
SELECT t.refused($$SELECT syncup_prepare('P', 'incremental')$$);
CALL t.changes('6', E'merge,b,six\n');
SELECT t.run();
SELECT count(*) FROM syncup.change_file_read;

-- done_suffix and min_age: those at the end that are not ready wait for the next run;
-- companions are no files of changes. One that is ready behind one that is not is an error.
SELECT t.map('{"incremental_file": "chg_*", "pattern": true, "command_column": "op", "done_suffix": ".done"}');
CALL t.changes('7', E'update,a,seven\n');
CALL t.changes('8', '');
CALL t.write('chg_8.csv', '');
CALL t.write('chg_7.csv.done', '');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('P', 'incremental')"
SELECT status FROM syncup_synchronize('P', force => true);
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('P', 'incremental')"
SELECT status FROM syncup_synchronize('P', force => true);
CALL t.changes('9', E'update,a,nine\n');
CALL t.write('chg_9.csv.done', '');
SELECT t.refused($$SELECT syncup_prepare('P', 'incremental')$$);
CALL t.changes('8', E'update,a,eight\nupdate,b,eight\n');
CALL t.write('chg_8.csv.done', '');
SELECT t.run();
SELECT t.map('{"incremental_file": "chg_*.csv", "pattern": true, "command_column": "op", "done_suffix": null, "min_age": 1000}');
CALL t.shell('touch -d ''2020-01-01'' chg_*.csv');
CALL t.changes('90', E'update,a,ninety\n');
SELECT t.run();
CALL t.shell('touch -d ''2020-01-01'' chg_*.csv');
SELECT t.run();

-- Compressed, without rows, in another encoding by its byte order mark.
SELECT t.map('{"incremental_file": "chg_*", "pattern": true, "command_column": "op", "min_age": null}');
CALL t.shell('rm *.done');
CALL t.changes('91', E'update,a,gz\n');
CALL t.shell('gzip -n chg_91.csv');
CALL t.changes('92', '');
CALL t.write('chg_93.csv', '\xff fe 6f00 7000 2c00 6900 6400 2c00 6e00 6100 6d00 6500 0a00 6d00 6500 7200 6700 6500 2c00 6200 2c00 e900 0a00'::bytea);
SELECT t.run();

-- A name alone: once while its bytes are those last read under it.
SELECT t.map('{"incremental_file": "fix.csv", "command_column": "op", "pattern": false}');
CALL t.write('fix.csv', E'op,id,name\nupdate,a,A\n');
SELECT t.run();
CALL t.write('fix.csv', E'op,id,name\nupdate,a,B\n');
SELECT t.run();
CALL t.shell('touch -d ''2020-01-01'' fix.csv');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('P', 'incremental')"
CALL t.write('fix.csv', E'op,id,name\nupdate,a,A\n');
SELECT t.run();
SELECT count(*) FROM syncup.change_file_read WHERE file = 'fix.csv';
-- Read by version 0.1.0: known by time and size.
UPDATE syncup.change_file_read SET digest = '' WHERE file = 'fix.csv';
SELECT t.run('{"incremental_file": "fix.csv"}');
CALL t.write('fix.csv', E'op,id,name\nupdate,a,C\n');
SELECT t.run();
SELECT length(digest) FROM syncup.change_file_read WHERE file = 'fix.csv';

-- Each mapping remembers by itself: one that comes later has read none of them.
CREATE TABLE target.q (id text PRIMARY KEY, name text);
SELECT t.map('{"incremental_file": "two_*.csv", "command_column": "op", "pattern": true}');
CALL t.write('two_1.csv', E'op,id,name\nupdate,a,two\n');
SELECT t.run();
SELECT syncup_map_entity_type('P', 'q', 'target.q', 'p.csv', 'id', '{"id": "id", "name": "name"}', options => '{"incremental_file": "two_*.csv", "command_column": "op", "pattern": true}');
SELECT t.run(mode => 'complete');
CALL t.write('two_2.csv', E'op,id,name\nupdate,b,two\n');
SELECT t.run();
SELECT mapping, replace(file, t.dir(), '<dir>') AS file, rows_read FROM syncup.batch_file WHERE batch = t.last() ORDER BY 1, 2;
SELECT * FROM target.q ORDER BY id;
SELECT syncup_drop_mapping('P', 'q');
SELECT mapping, count(*) FROM syncup.batch_file WHERE batch = t.last() GROUP BY 1;
SELECT count(*) FROM syncup.change_file_read WHERE mapping = 'q';

-- A file of which no row says anything fails the prepare instead of counting as read;
-- a key that is not known is no fault of the file's.
SELECT t.map('{"incremental_file": "bad.csv", "command_column": "op", "pattern": false, "on_error": "quarantine"}');
CALL t.write('bad.csv', E'op,id,name\nactive,a,x\n,b,x\nupdate,,x\nupdate,b\n');
SELECT t.refused($$SELECT syncup_prepare('P', 'incremental')$$);
CALL t.write('bad.csv', E'op,id,name\nactive,a,x\nupdate,nobody,x\n');
SELECT t.run();
SELECT line, reason FROM syncup.quarantine WHERE batch = t.last() ORDER BY line;
CALL t.write('bad.csv', E'op,id,name\n');
SELECT t.run();

\set end :srcdir '/include/end.sql'
\i :end
