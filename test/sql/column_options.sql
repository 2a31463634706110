-- What "columns" may say of a column beside its name and format (SPEC 2.7): written at
-- insertion only, through every mode, drift, review, undo and mapping again.
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
-- Undone by nothing: the insertion is, with what people have written since.
UPDATE target.p SET phone = 'mine' WHERE id = 5;
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
	('{"id": {"column": "id", "write": "insert"}, "phone": "phone"}')) AS v (columns),
	t.error(format('SELECT syncup_map_entity_type(''C'', ''m'', ''target.p'', ''m.csv'', ''id'', %L)', columns)) AS e;

\set end :srcdir '/include/end.sql'
\i :end
