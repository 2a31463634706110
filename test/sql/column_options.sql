-- What "columns" may say of a column beside its name and format (SPEC 2.7): written at
-- insertion only, empty cells that keep, columns that may be missing; through every
-- mode, drift, review, undo and mapping again.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

-- Written at insertion only.
CREATE TABLE target.p (id int PRIMARY KEY, name text, phone text, gone timestamptz);
SELECT t.map('target.p', 'id', '{"id": "id", "name": "name", "phone": {"column": "phone", "write": "insert"}}');
SELECT * FROM t.go('initial', E'id,name,phone\n1,Ada,100\n2,Bo,100\n4,Di,100\n');
-- What people write is neither drift nor written over, whatever the source says, and the source is stored.
UPDATE target.p SET phone = '555' WHERE id = 1;
SELECT * FROM t.go('complete', E'id,name,phone\n1,Ada Abbott,100\n2,Bo,101\n3,Cy,100\n4,Di,100\n');
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last()) ORDER BY key;
SELECT changed, phone FROM syncup_changes.c_m WHERE batch = t.last() ORDER BY id;
SELECT * FROM target.p ORDER BY id;
SELECT id, phone FROM syncup_previous.c_m ORDER BY id;
-- Nothing to do, and nothing to look at, in a complete run after that.
SELECT * FROM t.go('complete', E'id,name,phone\n1,Ada Abbott,100\n2,Bo,101\n3,Cy,100\n4,Di,100\n');
SELECT * FROM t.go('incremental', E'id,name,phone\n1,Ada Abbott,102\n2,Bo B,\n3,Cy,100\n4,Di,100\n5,Ed,7\n');
SELECT * FROM target.p ORDER BY id;
-- An undo of the insertion would lose what people have written since; of an update it leaves it alone.
UPDATE target.p SET phone = 'mine' WHERE id IN (2, 5);
SELECT t.error(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.p SET phone = '7' WHERE id = 5;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM target.p ORDER BY id;
-- A row that goes takes it along, and undo brings it back as it was.
SELECT * FROM t.go('complete', E'id,name,phone\n2,Bo B,101\n3,Cy,100\n4,Di,100\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM target.p ORDER BY id;
-- A review: who writes the column meanwhile changes nothing that is reviewed.
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');
SELECT * FROM t.go('complete', E'id,name,phone\n2,Bo C,103\n6,Flo,8\n');
UPDATE target.p SET phone = phone || '!';
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
SELECT * FROM target.p ORDER BY id;
SELECT t.unlimited();
-- Drift: a row that somebody deleted is inserted anew, with the source's value.
DELETE FROM target.p WHERE id = 2;
SELECT * FROM t.go('complete', E'id,name,phone\n2,Bo C,103\n6,Flo,8\n');
SELECT * FROM target.p ORDER BY id;
-- A file of changes; a value that the type refuses is refused as ever.
SELECT syncup_map_entity_type('C', 'm', 'target.p', 'm.csv', 'id', options => '{"command_column": "op"}');
SELECT * FROM t.go('complete', E'id,name,phone\n2,Bo C,103\n6,Flo,8\n');
SELECT * FROM t.go('incremental', E'op,id,name,phone\nupdate,2,,999\nmerge,6,Flora,9\nmerge,7,Gil,10\ninsert,2,Bo D,998\n');
SELECT * FROM target.p ORDER BY id;
SELECT id, phone FROM syncup_previous.c_m ORDER BY id;
-- With deleted_column a row that comes back was there: what people wrote stays.
SELECT syncup_map_entity_type('C', 'm', 'target.p', 'm.csv', 'id', options => '{"command_column": null, "deleted_column": "gone"}');
SELECT * FROM t.go('complete', E'id,name,phone\n2,Bo D,998\n6,Flora,9\n');
UPDATE target.p SET phone = 'kept' WHERE id = 7;
SELECT * FROM t.go('incremental', E'id,name,phone\n2,Bo D,998\n6,Flora,9\n7,Gilles,11\n');
SELECT id, name, phone, gone FROM target.p ORDER BY id;

-- Mapping again: what the call does not name stays; a list without it is the end of it, and what differs then is drift.
SELECT syncup_map_entity_type('C', 'm', 'target.p', 'm.csv', 'id');
SELECT source, target, write FROM syncup.mapping_column ORDER BY ordinal;
SELECT needs_complete FROM syncup.connector;
SELECT syncup_map_entity_type('C', 'm', 'target.p', 'm.csv', 'id', '{"id": "id", "name": "name", "phone": "phone"}');
SELECT source, target, write FROM syncup.mapping_column ORDER BY ordinal;
SELECT needs_complete FROM syncup.connector;
SELECT * FROM t.go('complete', E'id,name,phone\n2,Bo D,998\n6,Flora,9\n7,Gilles,11\n');
SELECT id, name, phone, gone FROM target.p ORDER BY id;

-- What is refused.
SELECT e.* FROM (VALUES
	('{"id": "id", "phone": {"column": "phone", "write": "update"}}'),
	('{"id": "id", "phone": {"column": "phone", "write": true}}'),
	('{"id": "id", "phone": {"column": "phone", "writes": "insert"}}'),
	('{"id": "id", "phone": {"write": "insert"}}'),
	('{"id": {"column": "id", "write": "insert"}, "phone": "phone"}'),
	('{"id": {"column": "id", "empty": "keep"}, "phone": "phone"}'),
	('{"id": {"column": "id", "optional": "null"}, "phone": "phone"}'),
	('{"id": "id", "phone": {"column": "phone", "empty": "null"}}'),
	('{"id": "id", "phone": {"column": "phone", "optional": true}}'),
	('{"id": "id", "phone": {"column": "phone", "empty": "keep", "write": "insert"}}'),
	('{"id": "id", "phone": [{"column": "phone", "empty": "keep"}, "name"]}')) AS v (columns),
	t.error(format('SELECT syncup_map_entity_type(''C'', ''m'', ''target.p'', ''m.csv'', ''id'', %L)', columns)) AS e;
SELECT syncup_drop_connector('C');

-- An empty cell keeps what the target has, and what previous has.
CREATE TABLE target.k (id int PRIMARY KEY, name text, mail text, n int, gone timestamptz);
SELECT t.map('target.k', 'id', '{"id": "id", "name": "name", "mail": {"column": "mail", "empty": "keep"}, "n": {"column": "n", "empty": "keep"}}', '{"null": "-"}');
SELECT * FROM t.go('initial', E'id,name,mail,n\n1,Ada,a@x,1\n2,Bo,,2\n3,Cy,c@x,\n4,Di,-,\n');
SELECT id, mail, n, kept FROM syncup_previous.c_m ORDER BY id;
SELECT source, stored, target, empty FROM syncup.mapping_column ORDER BY ordinal;
-- What people fill in stays: in complete runs, and where another column changes.
UPDATE target.k SET mail = 'bo@own', n = 22 WHERE id = 2;
UPDATE target.k SET n = 33 WHERE id = 3;
UPDATE target.k SET mail = 'di@own', n = 44 WHERE id = 4;
SELECT * FROM t.go('complete', E'id,name,mail,n\n1,Ada,,\n2,Bo B,,\n3,Cy,c@x,\n4,Di,-,\n');
SELECT key, column_name, old_value, new_value FROM syncup_changes(t.last()) ORDER BY 1, 2;
SELECT * FROM target.k ORDER BY id;
SELECT id, name, mail, n, kept FROM syncup_previous.c_m ORDER BY id;
-- The same again gives nothing; so does the same in an incremental run.
SELECT * FROM t.go('complete', E'id,name,mail,n\n1,Ada,,\n2,Bo B,,\n3,Cy,c@x,\n4,Di,-,\n');
SELECT * FROM t.go('incremental', E'id,name,mail,n\n1,Ada,,\n2,Bo B,,\n3,Cy,c@x,\n4,Di,-,\n');
SELECT delta_inserted, delta_updated, delta_deleted FROM syncup.batch_counter WHERE batch = t.last();
-- What was kept is nobody's drift, what is given is.
UPDATE target.k SET mail = 'hand' WHERE id IN (1, 3);
SELECT * FROM t.go('complete', E'id,name,mail,n\n1,Ada,,\n2,Bo B,,\n3,Cy,c@x,\n4,Di,-,\n');
SELECT id, mail FROM target.k ORDER BY id;
-- A word for no value empties; a value is written over what was kept. Taken back, all is as it was.
SELECT * FROM t.go('incremental', E'id,name,mail,n\n1,Ada,-,5\n2,Bo B,b@x,\n3,Cy,,\n4,Di,,\n5,Ed,,\n');
SELECT key, column_name, old_value, new_value FROM syncup_changes(t.last()) ORDER BY 1, 2;
SELECT * FROM target.k ORDER BY id;
SELECT id, mail, n, kept FROM syncup_previous.c_m ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM target.k ORDER BY id;
SELECT id, mail, n, kept FROM syncup_previous.c_m ORDER BY id;
-- A row that is gone from the target comes with what previous has.
DELETE FROM target.k WHERE id = 1;
SELECT * FROM t.go('complete', E'id,name,mail,n\n1,Ada,,\n2,Bo B,,\n3,Cy,c@x,\n4,Di,-,\n');
SELECT * FROM target.k WHERE id = 1;
-- Batches that wait are part of what there is; and an export is a valid source of the same.
SELECT t.prepare('incremental', E'id,name,mail,n\n1,Ada,new@x,\n2,Bo B,,\n3,Cy,c@x,\n4,Di,-,\n') IS NOT NULL;
SELECT * FROM t.go('incremental', E'id,name,mail,n\n1,Ada L.,,\n2,Bo B,,\n3,Cy,c@x,\n4,Di,-,\n');
SELECT id, name, mail, kept FROM syncup_previous.c_m ORDER BY id;
SELECT syncup_export(t.last(), t.dir());
SELECT pg_read_file(t.dir() || '/m.sorted.csv');
-- Review: what people write meanwhile into what is kept is not in its way.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('complete', E'id,name,mail,n\n1,Ada M.,,\n2,Bo C,,\n3,Cy,c@x,7\n4,Di,-,\n');
UPDATE target.k SET mail = 'late';
SELECT status, updated FROM syncup_resume(t.last());
SELECT * FROM target.k ORDER BY id;
SELECT t.unlimited();
-- In files of changes an empty cell of an update keeps anyway, that of an insert does so here.
SELECT syncup_map_entity_type('C', 'm', 'target.k', 'm.csv', 'id', options => '{"command_column": "op", "deleted_column": "gone"}');
SELECT * FROM t.go('complete', E'op,id,name,mail,n\n,1,Ada,a@x,1\n,2,Bo,b@x,2\n,3,Cy,,\n,4,Di,d@x,4\n');
SELECT * FROM t.go('incremental', E'op,id,name,mail,n\ninsert,1,Ada N.,,\nupdate,2,,NULL_NULL,\nmerge,3,,,33\nmerge,6,Flo,,\ninsert,4,Di,-,\ndelete,4,,,\n');
SELECT * FROM target.k WHERE gone IS NULL ORDER BY id;
SELECT id, name, mail, n, kept FROM syncup_previous.c_m ORDER BY id;
UPDATE target.k SET mail = 'own' WHERE id IN (3, 6);
SELECT * FROM t.go('complete', E'op,id,name,mail,n\n,1,Ada N.,,\n,2,Bo,-,\n,3,Cy,,\n,6,Flo,,\n,4,Dina,,\n');
SELECT id, name, mail, n, gone IS NULL AS there FROM target.k ORDER BY id;
-- Bad rows, repeated keys.
SELECT syncup_map_entity_type('C', 'm', 'target.k', 'm.csv', 'id', options => '{"command_column": null, "deleted_column": null, "on_error": "quarantine", "duplicates": "reject"}');
SELECT * FROM t.go('complete', E'id,name,mail,n\n1,Ada N.,,x\n2,Bo,-,\n3,Cy,,\n3,Cy,,\n6,Flo,f@x,\n6,Flo,,\n4,Dina,,\n');
SELECT line, reason, key FROM syncup.quarantine WHERE batch = t.last() ORDER BY line;
SELECT id, name, mail, n FROM target.k ORDER BY id;
SELECT syncup_drop_connector('C');

-- Columns that a file may lack: its values stay, or are null.
TRUNCATE target.k;
SELECT t.map('target.k', 'id', '{"id": "id", "name": "name", "mail": {"column": "mail", "optional": "keep"}, "n": {"column": "n", "optional": "null"}}');
SELECT * FROM t.go('initial', E'id,name,mail,n\n1,Ada,a@x,1\n2,Bo,,2\n');
SELECT * FROM t.go('incremental', E'id,name,n\n1,Ada,1\n2,Bo,3\n3,Cy,3\n');
SELECT delta_inserted, delta_updated, delta_deleted FROM syncup.batch_counter WHERE batch = t.last();
SELECT * FROM target.k ORDER BY id;
UPDATE target.k SET mail = 'own' WHERE id = 3;
SELECT * FROM t.go('complete', E'id,name,n\n1,Ada,1\n2,Bo,3\n3,Cy,3\n');
SELECT * FROM t.go('complete', E'id,name\n1,Ada\n2,Bo\n3,Cy\n');
SELECT * FROM target.k ORDER BY id;
SELECT id, mail, n, kept FROM syncup_previous.c_m ORDER BY id;
SELECT * FROM t.go('complete', E'id,name,mail,n\n1,Ada,,1\n2,Bo,b@x,3\n3,Cy,,3\n');
SELECT * FROM target.k ORDER BY id;
SELECT t.error($$SELECT t.prepare('complete', E'id,mail,n\n1,a,1\n')$$);
-- In a file of changes.
SELECT syncup_map_entity_type('C', 'm', 'target.k', 'm.csv', 'id', options => '{"command_column": "op"}');
SELECT * FROM t.go('incremental', E'op,id,name\ninsert,1,Ada L.\nmerge,2,Bob\ninsert,4,Di\n');
SELECT * FROM target.k ORDER BY id;
SELECT id, mail, n, kept FROM syncup_previous.c_m ORDER BY id;
-- Mapping again keeps what is said of the columns.
SELECT syncup_map_entity_type('C', 'm', 'target.k', 'm.csv', 'id');
SELECT source, stored, empty, optional FROM syncup.mapping_column ORDER BY ordinal;
SELECT needs_complete FROM syncup.connector;

-- A column whose empty cells keep, and which is null where the file lacks it: that a cell of it was
-- empty before is not known of it any more, whatever other cells keep.
CREATE TABLE target.r (id int PRIMARY KEY, a text, b text);
SELECT t.map('target.r', 'id', '{"id": "id", "a": {"column": "a", "empty": "keep", "optional": "null"}, "b": {"column": "b", "empty": "keep"}}', connector => 'R');
SELECT t.go('initial', E'id,a,b\n1,x,y\n2,x,y\n', connector => 'R');
SELECT t.go('incremental', E'id,a,b\n1,,\n2,,y\n', connector => 'R');
TABLE target.r ORDER BY id;
SELECT t.go('incremental', E'id,b\n1,\n2,z\n', connector => 'R');
TABLE target.r ORDER BY id;
SELECT id, a, b, kept FROM syncup_previous.r_m ORDER BY id;
SELECT syncup_drop_connector('R');

-- A row that is inserted without a value that keeps gets the column's default, in the first run too; what was kept is
-- left from then on. A word for no value is a value. Taken back and done again.
CREATE TABLE target.d (id int PRIMARY KEY, name text, room int NOT NULL DEFAULT 99, place text DEFAULT lower('HERE'), key uuid DEFAULT gen_random_uuid());
SELECT t.map('target.d', 'id', '{"id": "id", "name": "name", "room": {"column": "room", "optional": "keep"}, "place": {"column": "place", "empty": "keep"}, "key": {"column": "key", "optional": "keep"}}', '{"null": "-"}', connector => 'D');
SELECT * FROM t.go('initial', E'id,name,place\n1,Ada,\n2,Bo,there\n3,Cy,-\n', connector => 'D');
SELECT id, name, room, place, key IS NOT NULL AS has_key FROM target.d ORDER BY id;
UPDATE target.d SET room = 5 WHERE id = 1;
SELECT * FROM t.go('incremental', E'id,name,place\n1,Ada L.,\n2,Bo,there\n3,Cy,\n4,Di,\n', connector => 'D');
SELECT * FROM t.go('complete', E'id,name,place\n1,Ada L.,\n2,Bo,there\n3,Cy,\n4,Di,\n5,Ed,\n', connector => 'D');
SELECT id, name, room, place, key IS NOT NULL AS has_key FROM target.d ORDER BY id;
SELECT key, column_name, new_value FROM syncup_changes(t.last('D')) WHERE column_name <> 'key' ORDER BY 1, 2;
SELECT syncup_undo(t.last('D')) IS NOT NULL AS undone;
SELECT syncup_set_thresholds('D', '{"maximum_inserted_lines": 1}');
SELECT * FROM t.go('complete', E'id,name,room,place\n1,Ada L.,6,\n2,Bo,7,there\n3,Cy,8,\n4,Di,9,\n5,Ed,10,\n6,Flo,11,\n', connector => 'D');
SELECT status, inserted, updated FROM syncup_resume(t.last('D'));
SELECT id, name, room, place, key IS NOT NULL AS has_key FROM target.d ORDER BY id;
SELECT syncup_drop_connector('D');

\set end :srcdir '/include/end.sql'
\i :end
