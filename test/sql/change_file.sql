-- Incremental runs of files that carry changes (SPEC 4.4, option command_column).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

-- mail is stored only, for links to refer by.
CREATE TABLE target.person (id text PRIMARY KEY, name text, age int, city text);
CREATE PROCEDURE t.connector(name text)
LANGUAGE sql AS $$
	SELECT syncup_create_connector(name, t.dir());
	SELECT syncup_set_thresholds(name, '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0,
		"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');
$$;
CREATE FUNCTION t.map(options jsonb DEFAULT '{"command_column": "op", "incremental_file": "changes.csv"}') RETURNS void
LANGUAGE sql AS $$ SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name", "age": "age", "city": "city"}', '{mail}', t.anew(options, 'HR', 'person')) $$;
CALL t.connector('HR');
SELECT t.map();
-- Of the batch prepared last: what it counted, its delta, its quarantine.
CREATE FUNCTION t.counters() RETURNS TABLE (mapping text, read bigint, kept bigint, nulls bigint, bad bigint, ins bigint, upd bigint, del bigint, suspended boolean, adds_up boolean)
LANGUAGE sql AS $$
	SELECT mapping, rows_read, rows_kept, null_keys, rejected, delta_inserted, delta_updated, delta_deleted, deletions_suspended,
		rows_read = rows_kept + null_keys + duplicates + rejected + empty_links AND duplicates + empty_links = 0
	FROM syncup.batch b JOIN syncup.batch_counter c USING (batch) WHERE seq = (SELECT max(seq) FROM syncup.batch) ORDER BY mapping
$$;
CREATE FUNCTION t.delta() RETURNS TABLE (command text, id text, name text, age text, city text, mail text)
LANGUAGE sql AS $$
	SELECT command, id, name, age, city, mail FROM syncup_delta.hr_person JOIN syncup.batch b USING (batch)
	WHERE seq = (SELECT max(seq) FROM syncup.batch) ORDER BY id COLLATE "C"
$$;
CREATE FUNCTION t.quarantine() RETURNS TABLE (mapping text, file text, line bigint, reason text, key text, message text, raw text)
LANGUAGE sql AS $$
	SELECT q.mapping, replace(file, t.dir() || '/', ''), line, q.reason, key, message, raw FROM syncup.quarantine q JOIN syncup.batch b USING (batch)
	WHERE seq = (SELECT max(seq) FROM syncup.batch) ORDER BY q.mapping, line
$$;
-- What becomes of these lines of changes, leaving no trace: delta, quarantine, and
-- in the end rows read, kept, null keys, bad.
CREATE FUNCTION t.net(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql SET client_min_messages = warning AS $$
DECLARE
	lines text[];
BEGIN
	CALL t.write('changes.csv', E'op,id,name,age,city,mail\n' || content);
	BEGIN
		PERFORM syncup_prepare('HR', 'incremental', options);
		lines := ARRAY(SELECT d::text FROM t.delta() d)
			|| ARRAY(SELECT concat_ws(' ', 'line', line || ':', reason || ',', 'key', key || ':', message) FROM t.quarantine())
			|| ARRAY(SELECT format('%s read: %s kept, %s null, %s bad%s', read, kept, nulls, bad, CASE WHEN suspended THEN ', nothing deleted' END) FROM t.counters());
		IF (SELECT NOT adds_up OR (ins, upd, del) <> (SELECT count(*) FILTER (WHERE command = 'insert'), count(*) FILTER (WHERE command = 'update'), count(*) FILTER (WHERE command = 'delete') FROM t.delta()) FROM t.counters()) THEN
			lines := lines || 'COUNTERS ARE WRONG'::text;
		END IF;
		RAISE SQLSTATE 'UNDO0';
	EXCEPTION WHEN SQLSTATE 'UNDO0' THEN
	END;
	RETURN QUERY SELECT line FROM unnest(lines) line;
END
$$;

-- Initial and complete runs read the full extract and do not look at commands:
-- there need be none, and where there is one it is a column like any other.
CALL t.write('person.csv', E'id,name,age,city,mail\na,Ada,36,London,a@x\nb,Bob,,Paris,\nc,Cy,40,,c@x\n');
CALL t.write('changes.csv', E'op,id,name,age,city,mail\n');
SELECT syncup_prepare('HR', 'initial') IS NOT NULL AS prepared;
SELECT source_changes FROM syncup.batch;
SELECT * FROM t.synchronize('HR');
CALL t.write('person.csv', E'op,id,name,age,city,mail\ndelete,a,Ada,36,London,a@x\n,b,Bob,,Paris,\nnonsense,c,Cy,40,NULL_NULL,c@x\n');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.delta();
SELECT * FROM t.synchronize('HR');
CALL t.write('person.csv', E'id,name,age,city,mail\na,Ada,36,London,a@x\nb,Bob,,Paris,\nc,Cy,40,,c@x\n');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT * FROM target.person ORDER BY id;
-- Nothing but a header: no changes.
SELECT * FROM t.net('');

-- The four commands and their other names, in any case, of known keys ...
SELECT * FROM t.net(E'insert,a,Alan,,,\nAdd,b,Rob,1,Pau,r@x\n');
SELECT * FROM t.net(E'update,a,Alan,,,\nMODIFY,b,,7,,\n');
SELECT * FROM t.net(E'dElEtE,a,,,,\ndelete,b,other,values,do,not matter\n');
SELECT * FROM t.net(E'merge,a,,37,,\nMerge,b,,,Pau,\n');
-- ... and of unknown ones.
SELECT * FROM t.net(E'INSERT,x,Xi,1,,x@x\nadd,y,,,,\n');
SELECT * FROM t.net(E'Update,x,Xi,1,,x@x\nmodify,y,,,,\n');
SELECT * FROM t.net(E'DELETE,x,,,,\n');
SELECT * FROM t.net(E'MERGE,x,Xi,,,x@x\nmerge,y,,,,\n');
-- What makes no difference is no change.
SELECT * FROM t.net(E'insert,a,Ada,36,London,a@x\nupdate,b,,,,\nmerge,c,Cy,40,,\n');
-- A column that is stored only counts, too.
SELECT * FROM t.net(E'update,a,,,,ada@x\n');

-- Empty: unchanged, quoted or not. NULL_NULL: null; only exactly that.
SELECT * FROM t.net(E'update,a,NULL_NULL,NULL_NULL,"",\nmerge,c,"NULL_NULL",,null_null,NULL_NULL\n');
SELECT * FROM t.net(E'update,a,xNULL_NULL,,NULL_NULL ,\n');
SELECT * FROM t.net(E'merge,x,NULL_NULL,,y,NULL_NULL\n');
-- In an insert it is a value, and a key is never emptied.
SELECT * FROM t.net(E'insert,x,NULL_NULL,,,\nadd,a,Ada,36,NULL_NULL,a@x\n');
SELECT * FROM t.net(E'insert,NULL_NULL,x,,,\nmerge,NULL_NULL,,1,,\nupdate,NULL_NULL,NULL_NULL,,y,\n');
-- With quoted_empty, "" is the empty string: a value.
SELECT * FROM t.net(E'update,a,"",,,""\nmerge,b,,,"",\ninsert,x,"",,,\n', '{"quoted_empty": "empty"}');
SELECT * FROM t.net(E'update,a,"",,,""\nmerge,b,,,"",\ninsert,x,"",,,\n', '{"quoted_empty": "null"}');
SELECT * FROM t.net(E'update,a,,"",,\n', '{"quoted_empty": "empty", "on_error": "quarantine"}');

-- The order of the file, and the net effect on each key. New and gone: nothing.
SELECT * FROM t.net(E'insert,x,Xi,,,\ndelete,x,,,,\n');
SELECT * FROM t.net(E'insert,x,Xi,,,\ndelete,x,,,,\nadd,x,Xu,5,,\n');
SELECT * FROM t.net(E'delete,x,,,,\ninsert,x,Xi,,,\n');
-- Gone and back: an update, or nothing if it is the same; what a merge does not
-- give is null then.
SELECT * FROM t.net(E'delete,a,,,,\ninsert,a,Alan,,,\n');
SELECT * FROM t.net(E'delete,a,,,,\ninsert,a,Ada,36,London,a@x\n');
SELECT * FROM t.net(E'delete,a,,,,\nmerge,a,Alan,,,\n');
SELECT * FROM t.net(E'insert,a,Alan,,,\ndelete,a,,,,\n');
SELECT * FROM t.net(E'update,a,Alan,,,\ndelete,a,,,,\ndelete,a,,,,\n');
-- Twice, of different columns and of one; and back to what it was.
SELECT * FROM t.net(E'update,a,Alan,,,\nupdate,a,,37,,\nupdate,b,x,,,\nupdate,b,y,,,\nupdate,c,Si,,,\nupdate,c,Cy,,,\n');
SELECT * FROM t.net(E'update,a,NULL_NULL,,,\nmerge,a,,37,,\nupdate,b,,1,,\nupdate,b,,NULL_NULL,,\n');
SELECT * FROM t.net(E'insert,x,Xi,1,Ulm,\nupdate,x,,2,,\nmerge,x,NULL_NULL,,,x@x\n');
SELECT * FROM t.net(E'merge,x,Xi,,,\nupdate,x,,1,,\ninsert,x,,,Ulm,\n');
-- Keys in between do not disturb.
SELECT * FROM t.net(E'delete,c,,,,\nupdate,a,1,,,\ninsert,x,1,,,\nupdate,a,,1,,\ninsert,c,1,,,\nupdate,x,,1,,\ndelete,b,,,,\n');
-- After a delete a key is unknown; until it is inserted again. What was set aside
-- speaks of a key that is there: its old version stays.
SELECT * FROM t.net(E'delete,a,,,,\nupdate,a,Alan,,,\n');
SELECT * FROM t.net(E'update,x,Xi,,,\ninsert,x,Xu,,,\nupdate,x,,1,,\n');
-- More lines than digits: line 10 comes after line 9.
SELECT * FROM t.net((SELECT string_agg(format('update,a,%s,,,', i), E'\n') FROM generate_series(1, 12) i));

-- Bad rows (SPEC 4.3): one whose key is known keeps what an earlier line deleted,
-- at most until a later one deletes it.
\set quarantine '\'{"on_error": "quarantine"}\''
SELECT * FROM t.net(E'delete,a,,,,\nupdate,a,"A"lan,,,\ndelete,b,,,,\n', :quarantine);
SELECT * FROM t.net(E'update,a,"A"lan,,,\ndelete,a,,,,\n', :quarantine);
SELECT * FROM t.net(E'delete,a,,,,\ninsert,a,Alan,never,,\n', :quarantine);
SELECT * FROM t.net(E'delete,a,,,,\nerase,a,,,,\n', :quarantine);
SELECT * FROM t.net(E'delete,a,,,,\nerase,a,,,,\ndelete,a,,,,\n', :quarantine);
SELECT * FROM t.net(E'delete,a,,,,\ninsert,a,Alan,never,,\ninsert,a,Alan,38,,\n', :quarantine);
-- A bad change leaves those before and after it.
SELECT * FROM t.net(E'update,a,Alan,,,\nupdate,a,,never,Ulm,\nupdate,a,,,,al@x\nmerge,x,,never,,\ninsert,y,Yo,99999999999,,\n', :quarantine);
SELECT * FROM t.net(E'insert,x,,never,,\nupdate,x,Xi,,,\n', :quarantine);
-- A row without a key.
SELECT * FROM t.net(E'update,,Alan,,,\ndelete,"",,,,\nerase,,,,,\ninsert,"",x,,,\nupdate,b,,,,\n', '{"quoted_empty": "empty"}');
-- Unknown and empty commands: an error, or set aside.
CREATE FUNCTION t.bad(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('changes.csv', content);
	RETURN QUERY SELECT t.refused(format('SELECT syncup_prepare(%L, %L, %L)', 'HR', 'incremental', options));
END
$$;
SELECT t.bad(E'op,id,name,age,city,mail\nupdate,a,x,,,\nerase,a,SECRET,,,\n');
SELECT t.bad(E'op,id,name,age,city,mail\n,a,,,,\n');
SELECT t.bad(E'op,id,name,age,city,mail\nupdates,a,,,,\n') LIMIT 1;
SELECT t.bad(E'op,id,name,age,city,mail\n update,a,,,,\n') LIMIT 1;
SELECT * FROM t.net(E' update ,a,Alan,,,\n', '{"trim": " "}');
SELECT * FROM t.net(E'update,a,x,,,\nerase,a,y,,,\n,b,,,,\n"",c,,,,\nupsert,x,1,,,\n', :quarantine);
-- Other errors, with their place: a value, a short row, a column that is missing,
-- the one with the commands, too; that one twice.
SELECT t.bad(E'op,id,name,age,city,mail\nupdate,b,x,,,\nupdate,a,,36,,\nupdate,a,,SECRET,,\n');
SELECT t.bad(E'op,id,name,age,city,mail\nupdate,b,x\n');
SELECT t.bad(E'op,id,name,age,mail\nupdate,b,x,,\n');
SELECT t.bad(E'command,id,name,age,city,mail\nupdate,b,x,,,\n');
SELECT t.bad(E'op,id,name,age,city,mail,op\nupdate,b,x,,,,\n');
SELECT t.bad(E'');
-- Its name is found ignoring case, like that of any column.
CALL t.write('changes.csv', E'MAIL,AGE,OP,ID,CITY,NAME\n,37,update,a,,\n');
BEGIN;
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.delta();
ROLLBACK;
-- The limit of bad rows: just as many, one more. Null keys are none.
SELECT * FROM t.net(E'erase,a,,,,\nupdate,b\ndelete,,,,,\nupdate,c,,x,,\n', '{"on_error": "quarantine", "reject_limit": {"rejected": 3}}');
SELECT t.bad(E'op,id,name,age,city,mail\nerase,a,,,,\nupdate,b\ndelete,,,,,\nupdate,c,,x,,\n', '{"on_error": "quarantine", "reject_limit": {"rejected": 2}}');
SELECT t.bad(E'op,id,name,age,city,mail\nerase,a,,,,\nupdate,b\n', '{"on_error": "quarantine", "reject_limit": {"rejected": 1}}');
-- All of the quarantine's columns; raw bytes as they stood.
CALL t.write('changes.csv', convert_to(E'op,id,name,age,city,mail\nupdate,nobody,"x ""y""",,,\nupdate,a,', 'UTF8') || '\xff' || convert_to(E',,,\nerase,b,"1\n2",,,\nupdate,,,,,\n', 'UTF8'));
BEGIN;
SELECT syncup_prepare('HR', 'incremental', :quarantine) IS NOT NULL AS prepared;
SELECT * FROM t.quarantine();
SELECT * FROM t.counters();
ROLLBACK;

-- Two files of changes, one queued behind the other: the second is understood on
-- top of the first.
CALL t.write('changes.csv', E'op,id,name,age,city,mail\ninsert,x,Xi,1,,\ninsert,y,Yo,,,\ndelete,a,,,,\nupdate,b,Rob,,,\ndelete,c,,,,\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.delta();
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,x,,2,Ulm,\ndelete,y,,,,\nupdate,a,Alan,,,\nupdate,b,,,Pau,\nmerge,c,Si,,,\ndelete,z,,,,\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.delta();
SELECT line, reason, key FROM t.quarantine();
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,c,Cy,40,,c@x\ninsert,a,Ada,36,London,a@x\ninsert,y,Yo,,,\nupdate,b,,,,b@x\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.delta();
SELECT * FROM target.person ORDER BY id;
SELECT * FROM t.synchronize('HR');
SELECT * FROM target.person ORDER BY id;
SELECT id, name, age, city, mail FROM syncup_previous.hr_person ORDER BY id;
-- The very file once more is left alone, also where the same bytes are written again;
-- other bytes are read, and change nothing.
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('HR', 'incremental')"
SELECT * FROM t.counters();
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,c,Cy,40,,c@x\ninsert,a,Ada,36,London,a@x\ninsert,y,Yo,,,\nupdate,b,,,,b@x\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('HR', 'incremental')"
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,c,Cy,40,,c@x\ninsert,a,Ada,36,London,a@x\ninsert,y,Yo,,,\nmerge,b,,,,b@x\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.counters();
SELECT * FROM t.synchronize('HR');
-- Drift of the target: an update of a row that is gone inserts it, the row as the
-- source has it; a delete of one that is gone does nothing.
DELETE FROM target.person WHERE id IN ('a', 'b');
UPDATE target.person SET city = 'drift';
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,a,,37,,\ndelete,b,,,,\nupdate,x,Xu,,,\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT * FROM target.person ORDER BY id;

-- Changes that are declined are lost, so a complete run is needed; also where such a
-- batch stands behind the one that is declined.
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,a,lost,,,\n');
SELECT syncup_prepare('HR', 'incremental') AS batch \gset
SELECT source_changes FROM syncup.batch WHERE batch = :'batch';
SELECT syncup_discard(:'batch');
SELECT needs_complete FROM syncup.status;
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$) LIMIT 1;
SELECT * FROM t.synchronize('HR');
SELECT needs_complete FROM syncup.status;
CALL t.write('full.csv', E'id,name,age,city,mail\na,Ada,36,London,a@x\nb,Bob,,Paris,\nc,Cy,40,,c@x\n');
SELECT t.map('{"incremental_file": "full.csv"}');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT syncup_prepare('HR', 'incremental') AS batch \gset
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,a,lost too,,,\n');
SELECT syncup_prepare('HR', 'incremental', '{"incremental_file": "changes.csv", "command_column": "op"}') IS NOT NULL AS prepared;
SELECT source_changes, (SELECT count(*) FROM syncup_delta.hr_person d WHERE d.batch = b.batch) AS delta FROM syncup.batch b WHERE status = 'prepared' ORDER BY seq;
BEGIN;
SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'prepared' AND source_changes;
SELECT needs_complete, queue_length FROM syncup.status;
ROLLBACK;
SELECT syncup_discard(:'batch');
SELECT needs_complete, queue_length FROM syncup.status;
SELECT t.map();
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT needs_complete FROM syncup.status;
-- Declined extracts alone are not lost.
SELECT syncup_prepare('HR', 'incremental', '{"incremental_file": "full.csv", "command_column": ""}') AS batch \gset
SELECT syncup_discard(:'batch');
SELECT needs_complete FROM syncup.status;

-- A complete run takes the place of changes that wait; declined itself, it leaves
-- them lost.
CALL t.write('changes.csv', E'op,id,name,age,city,mail\nupdate,a,lost,,,\ndelete,c,,,,\n');
BEGIN;
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT syncup_prepare('HR', 'complete') AS batch \gset
SELECT syncup_discard(:'batch');
SELECT needs_complete FROM syncup.status;
ROLLBACK;
-- A complete run that was prepared before changes were lost does not make up for
-- them: one that comes after them is needed.
BEGIN;
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT syncup_prepare('HR', 'incremental') AS batch \gset
SELECT syncup_discard(:'batch');
SELECT needs_complete FROM syncup.status;
SELECT * FROM t.synchronize('HR');
SELECT needs_complete FROM syncup.status;
ROLLBACK;

-- A bad row whose key cannot be read: nothing is deleted in this mapping, which is
-- said; what is inserted and updated is. As those deletions will not come again, a
-- complete run is needed.
CALL t.write('changes.csv', E'op,id,name,age,city,mail\ndelete,a,,,,\nupdate,b,Rob,,,\ninsert,x,Xi,,,\ndelete,c,,,,\ninsert,c,Si,,,\n"up"date,a,,,,\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT syncup_prepare('HR', 'incremental', '{\"on_error\": \"quarantine\"}')"
SELECT * FROM t.counters();
SELECT * FROM t.delta();
SELECT line, reason, key, message, raw FROM t.quarantine();
SELECT needs_complete FROM syncup.status;
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$) LIMIT 1;
SELECT * FROM t.synchronize('HR');
SELECT * FROM target.person ORDER BY id;
SELECT needs_complete FROM syncup.status;
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT needs_complete FROM syncup.status;
SELECT * FROM target.person ORDER BY id;
-- The same behind a complete run that was prepared before it.
CALL t.write('changes.csv', E'op,id,name,age,city,mail\ndelete,a,,,,\nupdate,b,Rob,,,\ninsert,x,Xu,,,\ndelete,c,,,,\ninsert,c,Si,,,\n"up"date,a,,,,\n');
BEGIN;
SET LOCAL client_min_messages = warning;
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT syncup_prepare('HR', 'incremental', :quarantine) IS NOT NULL AS prepared;
SELECT needs_complete FROM syncup.status;
SELECT * FROM t.synchronize('HR');
SELECT needs_complete FROM syncup.status;
ROLLBACK;
-- An invalid byte in the key; a row that is too short where the key is not first.
CALL t.write('changes.csv', convert_to(E'op,id,name,age,city,mail\ndelete,a,,,,\nupdate,', 'UTF8') || '\xff' || convert_to(E',x,,,\n', 'UTF8'));
\! sh $PG_ABS_SRCDIR/include/psql "BEGIN; SELECT syncup_prepare('HR', 'incremental', '{\"on_error\": \"quarantine\"}'); SELECT * FROM t.counters(); SELECT needs_complete FROM syncup.status; ROLLBACK"
CALL t.write('changes.csv', E'op,id,name,age,city,mail\ndelete,a,,,,\ndelete,b\n');
\! sh $PG_ABS_SRCDIR/include/psql "BEGIN; SELECT syncup_prepare('HR', 'incremental', '{\"on_error\": \"quarantine\"}'); SELECT * FROM t.counters(); SELECT needs_complete FROM syncup.status; ROLLBACK"
-- A key in the first column is certain in a short row.
CALL t.write('changes.csv', E'id,op,name,age,city,mail\na,delete,,,,\nb,delete,,,,\nb,update\n');
BEGIN;
SELECT syncup_prepare('HR', 'incremental', :quarantine) IS NOT NULL AS prepared;
SELECT * FROM t.delta();
SELECT line, reason, key, message, raw FROM t.quarantine();
ROLLBACK;
SELECT needs_complete FROM syncup.status;

-- Both kinds side by side: units as a full extract; people, and their cards out of
-- the same file of changes.
CREATE TABLE target.unit (code text PRIMARY KEY, title text);
CREATE TABLE target.card (number int PRIMARY KEY, owner text);
CALL t.connector('MIX');
SELECT syncup_map_entity_type('MIX', 'unit', 'target.unit', 'unit.csv', 'code', '{"code": "code", "title": "title"}');
SELECT syncup_map_entity_type('MIX', 'card', 'target.card', 'people.csv', 'card', '{"card": "number", "id": "owner"}', options => '{"command_column": "op", "incremental_file": "changes.csv"}');
TRUNCATE target.person;
SELECT syncup_drop_connector('HR');
SELECT syncup_map_entity_type('MIX', 'person', 'target.person', 'people.csv', 'id', '{"id": "id", "name": "name"}', options => '{"command_column": "op", "incremental_file": "changes.csv"}');
CALL t.write('unit.csv', E'code,title\nu,Unit\nv,Vault\n');
CALL t.write('people.csv', E'id,name,card\na,Ada,1\nb,Bob,2\n');
SELECT syncup_prepare('MIX', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('MIX');
CALL t.write('unit.csv', E'code,title\nu,Union\nw,Wing\n');
CALL t.write('changes.csv', E'op,id,name,card\nupdate,a,Alan,1\ndelete,b,,2\ninsert,x,Xi,3\nupdate,y,,4\n');
SELECT syncup_prepare('MIX', 'incremental') IS NOT NULL AS prepared;
SELECT source_changes FROM syncup.batch WHERE status = 'prepared';
SELECT * FROM t.counters();
SELECT mapping, line, reason, key, message FROM t.quarantine();
SELECT * FROM t.synchronize('MIX');
TABLE target.unit;
SELECT * FROM target.person ORDER BY id;
SELECT * FROM target.card ORDER BY number;
-- One bad file fails both.
CALL t.write('unit.csv', E'code,title\nu\n');
CALL t.write('changes.csv', E'op,id,name,card\nupdate,a,Ada,1\n');
SELECT t.refused($$SELECT syncup_prepare('MIX', 'incremental')$$);
-- Declined: the changes of one mapping are lost, so a complete run is needed of all.
CALL t.write('unit.csv', E'code,title\nu,Union\n');
SELECT syncup_prepare('MIX', 'incremental') AS batch \gset
SELECT syncup_discard(:'batch');
SELECT needs_complete FROM syncup.status;
SELECT syncup_drop_connector('MIX');
TRUNCATE target.person;

-- How a file is understood, without a connector.
CALL t.write('changes.csv', E'op,id,name\nADD,a,Ada\nmodify,b,NULL_NULL\nDelete,c,\nMERGE,d,""\n');
SELECT * FROM syncup_read_delta(t.dir() || '/changes.csv', '{"command_column": "op"}') AS (id text, command text, name text);
SELECT * FROM syncup_read_delta(t.dir() || '/changes.csv', '{"command_column": "op", "quoted_empty": "empty"}') AS (name text);

-- 20,000 changes of 50,000 rows against plain SQL: row by row, in the order of the
-- file; in little memory and in much.
CREATE TABLE target.many (id text PRIMARY KEY, a int, b text);
CALL t.connector('M');
SELECT syncup_map_entity_type('M', 'many', 'target.many', 'many.csv', 'id', '{"id": "id", "a": "a", "b": "b"}', options => '{"command_column": "command", "incremental_file": "changes.csv", "on_error": "quarantine"}');
SELECT E'id,a,b\n' || string_agg(format('k%s,%s,%s', i * 7919::bigint % 50021, i % 10, repeat('x', i % 20)), E'\n') AS content FROM generate_series(1, 50000) i \gset
CALL t.write('many.csv', :'content');
SELECT syncup_prepare('M', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('M');
SELECT setseed(0.75);
-- Keys from a small range, so that most have several commands; some of keys that
-- were never there, some commands nobody knows, some values that are none.
CREATE TABLE t.change AS
SELECT i AS n, (ARRAY['insert', 'Add', 'update', 'MODIFY', 'delete', 'delete', 'delete', 'merge', 'erase'])[ceil(random() * 9)] AS command,
	'k' || (random() * 10000)::int + CASE WHEN random() < 0.2 THEN 60000 ELSE 0 END AS id,
	(ARRAY['1', '2', '3', 'NULL_NULL', 'never', NULL])[ceil(random() * 6)] AS a,
	(ARRAY['x', 'y', 'NULL_NULL', NULL])[ceil(random() * 4)] AS b
FROM generate_series(1, 20000) i;
SELECT E'command,id,a,b\n' || string_agg(concat_ws(',', command, id, coalesce(a, ''), coalesce(b, '')), E'\n' ORDER BY n) AS content FROM t.change \gset
CALL t.write('changes.csv', :'content');
CREATE TABLE t.model (id text PRIMARY KEY, a int, b text, UNIQUE (id));
INSERT INTO t.model TABLE target.many;
CREATE TABLE t.alive (id text PRIMARY KEY);
CREATE TABLE t.aside (n int, reason text);
DO $$
DECLARE
	c record;
	done boolean;
	no_a boolean;
	no_b boolean;
BEGIN
	FOR c IN SELECT * FROM t.change ORDER BY n LOOP
		done := true;
		c.command := lower(c.command);
		no_a := c.a = 'NULL_NULL';
		no_b := c.b = 'NULL_NULL';
		-- in an insert it is a value, which column a does not take
		IF c.command NOT IN ('insert', 'add') THEN
			c.a := nullif(c.a, 'NULL_NULL');
			c.b := nullif(c.b, 'NULL_NULL');
		ELSIF no_a THEN
			c.a := 'never';
		END IF;
		IF c.command = 'erase' THEN
			INSERT INTO t.aside VALUES (c.n, 'malformed');
			done := false;
		ELSIF c.command = 'delete' THEN
			DELETE FROM t.model WHERE id = c.id;
		ELSIF c.command IN ('update', 'modify') AND NOT EXISTS (SELECT FROM t.model WHERE id = c.id) THEN
			INSERT INTO t.aside VALUES (c.n, 'unknown key');
			done := false;
		ELSIF c.a = 'never' THEN
			INSERT INTO t.aside VALUES (c.n, 'conversion');
			done := false;
		ELSIF c.command IN ('insert', 'add') THEN
			INSERT INTO t.model VALUES (c.id, c.a::int, c.b) ON CONFLICT (id) DO UPDATE SET a = excluded.a, b = excluded.b;
		ELSE
			INSERT INTO t.model AS m VALUES (c.id, c.a::int, c.b)
			ON CONFLICT (id) DO UPDATE SET a = CASE WHEN no_a THEN NULL ELSE coalesce(excluded.a, m.a) END, b = CASE WHEN no_b THEN NULL ELSE coalesce(excluded.b, m.b) END;
		END IF;
		IF done THEN
			DELETE FROM t.alive WHERE id = c.id;
		ELSE
			INSERT INTO t.alive VALUES (c.id) ON CONFLICT DO NOTHING;
		END IF;
	END LOOP;
	INSERT INTO t.model SELECT * FROM target.many WHERE id IN (SELECT id FROM t.alive) ON CONFLICT DO NOTHING;
END
$$;
CREATE TABLE t.difference AS
SELECT CASE WHEN old.id IS NULL THEN 'insert' WHEN new.id IS NULL THEN 'delete' ELSE 'update' END AS command, id,
	CASE WHEN new.id IS NULL THEN old.a ELSE new.a END::text AS a, CASE WHEN new.id IS NULL THEN old.b ELSE new.b END AS b
FROM target.many old FULL JOIN t.model new USING (id) WHERE (old.id, old.a, old.b) IS DISTINCT FROM (new.id, new.a, new.b);
SELECT command, count(*) > 300 AS many FROM t.difference GROUP BY command ORDER BY command;
SELECT reason, count(*) > 300 AS many FROM t.aside GROUP BY reason ORDER BY reason;
SET maintenance_work_mem = '1MB';
BEGIN;
SELECT syncup_prepare('M', 'incremental') IS NOT NULL AS prepared;
(SELECT command, id, a, b FROM syncup_delta.m_many EXCEPT ALL TABLE t.difference) UNION ALL (TABLE t.difference EXCEPT ALL SELECT command, id, a, b FROM syncup_delta.m_many) LIMIT 5;
ROLLBACK;
RESET maintenance_work_mem;
SELECT syncup_prepare('M', 'incremental') IS NOT NULL AS prepared;
SELECT read, kept + bad AS kept_or_bad, bad = (SELECT count(*) FROM t.aside) AS bad, suspended, adds_up,
	(ins, upd, del) = (SELECT count(*) FILTER (WHERE command = 'insert'), count(*) FILTER (WHERE command = 'update'), count(*) FILTER (WHERE command = 'delete') FROM t.difference) AS as_sql FROM t.counters();
(SELECT command, id, a, b FROM syncup_delta.m_many EXCEPT ALL TABLE t.difference) UNION ALL (TABLE t.difference EXCEPT ALL SELECT command, id, a, b FROM syncup_delta.m_many) LIMIT 5;
(SELECT (line - 1)::int, reason FROM t.quarantine() EXCEPT ALL TABLE t.aside) UNION ALL (TABLE t.aside EXCEPT ALL SELECT (line - 1)::int, reason FROM t.quarantine()) LIMIT 5;
SELECT status FROM t.synchronize('M');
(TABLE target.many EXCEPT ALL TABLE t.model) UNION ALL (TABLE t.model EXCEPT ALL TABLE target.many) LIMIT 5;
(SELECT id, a::int, b FROM syncup_previous.m_many EXCEPT ALL TABLE t.model) UNION ALL (TABLE t.model EXCEPT ALL SELECT id, a::int, b FROM syncup_previous.m_many) LIMIT 5;

\set end :srcdir '/include/end.sql'
\i :end
