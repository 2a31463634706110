-- Option "where": which rows of a file count (SPEC 2.7), in every mode, for entity
-- types and links, with bad rows, review, undo and mapping again.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
CREATE VIEW t.counters AS
SELECT mapping AS m, rows_read AS read, rows_kept AS kept, null_keys AS nulls, duplicates AS dup, rejected AS bad, empty_links AS empty, filtered, set_aside,
	concat_ws('/', delta_inserted, delta_updated, delta_deleted) AS delta, deletions_suspended AS suspended
FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY mapping;
CREATE VIEW t.quarantine AS
SELECT line, reason, key, message FROM syncup.quarantine WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY line;

-- The status is not mapped: previous keeps it all the same.
CREATE TABLE target.usr (id int PRIMARY KEY, login text);
SELECT t.map('target.usr', 'user_id', '{"user_id": "id", "login": "login"}', '{"where": "status <> ''deleted''"}');
SELECT * FROM t.go('initial', E'user_id,login,Status\n1,ada,active\n2,bo,active\n3,cy,suspended\n4,di,deleted\n5,ed,\n');
TABLE t.counters;
TABLE target.usr ORDER BY id;
SELECT user_id, login, to_jsonb(p) ->> 'Status' AS status FROM syncup_previous.c_m p ORDER BY 1;
SELECT source, stored, target FROM syncup.mapping_column ORDER BY ordinal;
-- Null is no. A row that stops counting is deleted, one that counts again comes back; a row that
-- does not count is neither null key, duplicate nor bad, whatever else it is.
SELECT * FROM t.go('complete', E'user_id,login,Status\n1,ada,deleted\n2,bo,active\n2,other,deleted\n3,cy,active\nx,no,deleted\n,nobody,deleted\n9,old,deleted\n');
TABLE t.counters;
TABLE t.quarantine;
SELECT command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
TABLE target.usr ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE target.usr ORDER BY id;
SELECT * FROM t.go('incremental', E'user_id,login,Status\n1,ada,active\n3,cy,deleted\n2,bo,active\n');
TABLE t.counters;
TABLE target.usr ORDER BY id;
-- The same extract again gives nothing.
SELECT * FROM t.go('complete', E'user_id,login,Status\n1,ada,active\n3,cy,deleted\n2,bo,active\n');
-- Drift and review: a blocked batch is resumed as it was reviewed.
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');
UPDATE target.usr SET login = 'drift' WHERE id = 2;
SELECT * FROM t.go('complete', E'user_id,login,Status\n1,ada,deleted\n3,cy,active\n2,bo,deleted\n');
SELECT count(*) FROM syncup.threshold_check WHERE batch = t.last() AND exceeded;
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line LIKE '%not count%';
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
TABLE target.usr ORDER BY id;
SELECT t.unlimited();
SELECT counter, count FROM syncup_preview('C', 'complete') WHERE mapping = 'm' AND counter LIKE '%_lines' AND count > 0;

-- Bad rows: those that do not count are none, and do not protect.
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'user_id', options => '{"on_error": "quarantine"}');
SELECT needs_complete FROM syncup.connector;
SELECT * FROM t.go('complete', E'user_id,login,Status\n1,ada,active\n2,bo,active\n3,cy,active\n');
SELECT * FROM t.go('complete', E'user_id,login,Status\n1,ada,active\nzwei,bo,deleted\n2,bo,deleted,x\n');
TABLE t.counters;
TABLE t.quarantine;
TABLE target.usr ORDER BY id;

-- Given twice with different contents: only rows that count.
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'user_id', options => '{"duplicates": "reject"}');
SELECT * FROM t.go('complete', E'user_id,login,Status\n1,ada,active\n1,eve,deleted\n2,bo,active\n2,ben,active\n');
TABLE t.counters;
SELECT syncup_drop_connector('C');

-- One that raises for a row: stops, or sets the row aside.
DELETE FROM target.usr;
CALL t.write('m.csv', E'id,login,grade\n1,ada,4\n2,bo,secret\n');
SELECT t.map('target.usr', 'id', '{"id": "id", "login": "login"}', '{"where": "(grade::int) > 3"}');
SELECT t.refused('SELECT syncup_prepare(''C'', ''initial'')');
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'id', options => '{"on_error": "quarantine"}');
SELECT * FROM t.go('initial', E'id,login,grade\n1,ada,4\n2,bo,5\n3,cy,7\n');
SET client_min_messages = warning;
-- The row of a known key stays, though nobody knows whether it counts; an empty key is none.
SELECT * FROM t.go('complete', E'id,login,grade\n1,ada,2\n2,bo,secret\n8,new,secret\n,nobody,secret\n');
TABLE t.counters;
TABLE t.quarantine;
TABLE target.usr ORDER BY id;
-- A key that cannot be read either: nothing is deleted.
SELECT * FROM t.go('complete', E'id,login,grade\n1,ada,4\nx,bo,secret\n');
TABLE t.counters;
RESET client_min_messages;
SELECT syncup_drop_connector('C');

-- Files of changes: asked of the row that results.
DELETE FROM target.usr;
CALL t.shell('rm m.csv');
SELECT t.map('target.usr', 'id', '{"id": "id", "login": "login"}',
	'{"where": "status = ''active'' AND coalesce(kind, ''user'') = ''user''", "command_column": "op", "on_error": "quarantine"}');
SELECT * FROM t.go('complete', E'op,id,login,status,kind\n,1,ada,active,\n,2,bo,active,user\n,3,cy,active,user\n,4,di,gone,user\n');
SELECT * FROM t.go('incremental', E'op,id,login,status,kind\nupdate,1,,gone,\nupdate,2,ben,,\nmerge,3,,,robot\ninsert,5,ed,active,\ninsert,6,flo,gone,\nmerge,7,gil,active,\nupdate,8,,gone,\nupdate,9,,active,\nupdate,10,ivo,,\ndelete,3,,,\n');
TABLE t.counters;
TABLE t.quarantine;
TABLE target.usr ORDER BY id;
SELECT id, login, status, kind FROM syncup_previous.c_m ORDER BY id;
-- Several commands of one key: each result is asked; at last it counts, or not.
SELECT * FROM t.go('incremental', E'op,id,login,status,kind\nupdate,2,,gone,\nmerge,2,bob,active,user\nupdate,5,eddy,,\nupdate,5,,gone,\n');
TABLE t.counters;
TABLE target.usr ORDER BY id;
-- What cannot be used but does not count is no bad row; a file of nothing else is read.
SELECT * FROM t.go('incremental', E'op,id,login,status,kind\nfrob,2,,gone,\ninsert,,x,gone,\nmerge,zwei,x,gone,\n');
TABLE t.counters;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'id', options => '{"on_error": null}');
SELECT * FROM t.go('complete', E'op,id,login,status,kind\n,2,bob,active,\n');
SELECT * FROM t.go('incremental', E'op,id,login,status,kind\nfrob,2,,gone,\nmerge,zwei,x,gone,\n');
CALL t.write('m.csv', E'op,id,login,status,kind\nfrob,2,,active,\n');
SELECT t.error('SELECT syncup_prepare(''C'', ''incremental'')');
CALL t.write('m.csv', E'op,id,login,status,kind\nmerge,zwei,,active,\n');
SELECT t.error('SELECT syncup_prepare(''C'', ''incremental'')');
SELECT syncup_drop_connector('C');

-- Links: in both kinds of file, multi-valued and mono-valued.
DELETE FROM target.usr;
CREATE TABLE target.grp (id int PRIMARY KEY, owner int);
CREATE TABLE target.member (grp int REFERENCES target.grp, usr int REFERENCES target.usr, PRIMARY KEY (grp, usr));
SELECT syncup_create_connector('C', t.dir());
SELECT t.unlimited();
SELECT syncup_set_thresholds('C', '{"maximum_link_inserted_lines": 0, "maximum_link_updated_lines": 0, "maximum_link_deleted_lines": 0,
	"max_link_percentage_inserted_lines": 0, "max_link_percentage_updated_lines": 0, "max_link_percentage_deleted_lines": 0}');
CALL t.write('u.csv', E'id,login\n1,a\n2,b\n3,c\n');
CALL t.write('g.csv', E'id\n10\n20\n');
CALL t.write('m.csv', E'g,u,role,op\n10,1,member,\n10,2,guest,\n10,3,member,\n20,,guest,\n20,,member,\n20,1;2,member,\n');
CALL t.write('o.csv', E'g,u,kind\n10,1,owner\n10,2,deputy\n20,3,owner\n');
SELECT syncup_map_entity_type('C', 'u', 'target.usr', 'u.csv', 'id', '{"id": "id", "login": "login"}');
SELECT syncup_map_entity_type('C', 'g', 'target.grp', 'g.csv', 'id', '{"id": "id"}');
SELECT syncup_map_association('C', 'm', 'm.csv', 'g', 'g.id', 'u', 'u.id', 'target.member', 'grp', 'usr', '{"where": "role = ''member''", "split": ";", "command_column": "op"}');
SELECT syncup_map_association('C', 'o', 'o.csv', 'g', 'g.id', 'u', 'u.id', 'target.grp', NULL, 'owner', '{"where": "kind = ''owner''"}');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
TABLE t.counters;
SELECT status, links_inserted, links_deleted FROM syncup_synchronize('C');
TABLE target.member ORDER BY 1, 2;
TABLE target.grp ORDER BY 1;
CALL t.write('m.csv', E'g,u,role,op\n10,1,guest,merge\n10,2,member,insert\n20,1,,delete\n20,3,guest,insert\n,3,guest,insert\n');
CALL t.write('o.csv', E'g,u,kind\n10,1,deputy\n10,2,owner\n20,3,deputy\n');
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;
TABLE t.counters;
SELECT status, links_inserted, links_deleted, links_updated FROM syncup_synchronize('C', keep_changes => true);
TABLE target.member ORDER BY 1, 2;
TABLE target.grp ORDER BY 1;
-- Another condition needs a complete run.
SELECT syncup_map_association('C', 'o', 'o.csv', 'g', 'g.id', 'u', 'u.id', 'target.grp', NULL, 'owner');
SELECT needs_complete FROM syncup.connector;
SELECT syncup_map_association('C', 'o', 'o.csv', 'g', 'g.id', 'u', 'u.id', 'target.grp', NULL, 'owner', '{"where": "kind = ''deputy''"}');
SELECT needs_complete FROM syncup.connector;
SELECT e FROM t.error($$SELECT syncup_map_association('C', 'o', 'o.csv', 'g', 'g.id', 'u', 'u.id', 'target.grp', NULL, 'owner', '{"where": "sort = ''deputy''"}')$$) e;
SELECT syncup_drop_connector('C');

-- Mapping again: what is not named stays, null takes it away; either change needs a complete run.
DELETE FROM target.member; DELETE FROM target.grp; DELETE FROM target.usr;
CALL t.write('m.csv', E'id,login,status\n');
SELECT t.map('target.usr', 'id', '{"id": "id", "login": "login"}', '{"where": "status = ''a''"}');
SELECT * FROM t.go('initial', E'id,login,status\n1,ada,a\n2,bo,b\n');
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'id');
SELECT needs_complete FROM syncup.connector;
-- Where the file is not there, names are those that are known.
CALL t.shell('rm m.csv');
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'id', options => '{"where": "STATUS IN (''a'', ''b'') AND since >= ''2026-01-01''"}');
SELECT source, target FROM syncup.mapping_column ORDER BY ordinal;
SELECT needs_complete FROM syncup.connector;
SELECT t.error($$SELECT t.go('incremental', E'id,login,status,since\n1,ada,a,2026-02-01\n2,bo,b,2025-12-31\n')$$);
SELECT * FROM t.go('complete', E'id,login,status,since\n1,ada,a,2026-02-01\n2,bo,b,2025-12-31\n');
TABLE target.usr;
CALL t.write('m.csv', E'id,login,status\n1,ada,a\n');
SELECT t.error('SELECT syncup_prepare(''C'', ''complete'')');
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'id', options => '{"where": null}');
SELECT source, target FROM syncup.mapping_column ORDER BY ordinal;
SELECT * FROM t.go('complete', E'id,login\n1,ada\n2,bo\n');

-- What is refused when it is mapped.
CREATE FUNCTION t.stable(text) RETURNS boolean LANGUAGE sql STABLE AS 'SELECT true';
CREATE FUNCTION t.fixed(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1 = ''1''; END';
SELECT v.n, e FROM (VALUES
	(1, 'status = ''x'''), (2, 'login'), (3, 'login = ''a''; DROP TABLE target.usr'), (4, 'login IS NOT NULL LIMIT 1'), (5, '*'),
	(6, 'login = (SELECT ''a'')'), (7, 'count(login) > 1'), (8, 'now() > ''2026-01-01'''), (9, 'login::date > ''2026-01-01'''), (10, 't.stable(login)'),
	(11, 'r.login = ''a'''), (12, 'login = $1'), (13, ' '), (14, 'random() > 0.5'), (15, '1/0 = 1'), (16, 'lower(login) LIKE ''a%'' OR')) AS v (n, condition),
	t.error(format('SELECT syncup_map_entity_type(''C'', ''m'', ''target.usr'', ''m.csv'', ''id'', options => %L)', jsonb_build_object('where', condition))) AS e ORDER BY v.n;
SELECT t.error('SELECT syncup_create_connector(''C'', options => ''{"where": "true"}'')');
SELECT t.error('SELECT syncup_prepare(''C'', ''complete'', ''{"where": "true"}'')');
-- A function of one's own, of the row alone.
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'id', options => '{"where": "t.fixed(id) AND login ~ ''^a'' AND \"id\" < ''9''"}');
SELECT * FROM t.go('complete', E'id,login\n1,ada\n2,al\n3,bo\n');
TABLE target.usr;
SELECT syncup_drop_connector('C');
-- It is asked once of what was asked before: a null, an empty text and a text with the bytes of
-- two are others. Where it raises an error it is asked again.
DELETE FROM target.usr;
CREATE SEQUENCE t.asked;
CALL t.shell('rm m.csv');
CREATE FUNCTION t.staff(kind text, grade text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE
AS 'BEGIN PERFORM nextval(''t.asked''); RETURN kind IS NULL OR kind = ''ab'' OR grade::int > 3; END';
SELECT t.map('target.usr', 'id', '{"id": "id", "login": "login"}', '{"where": "t.staff(kind, grade)", "on_error": "quarantine", "quoted_empty": "empty"}');
SELECT * FROM t.go('initial', E'id,login,kind,grade\n1,a,x,4\n2,b,x,2\n3,c,x,4\n4,d,,1\n5,e,"",1\n6,f,,1\n7,g,x,none\n8,h,"",1\n9,i,x,none\n10,j,ab,1\n11,k,a,1\n12,l,ab,1\n13,m,x,2\n');
TABLE t.counters;
TABLE t.quarantine;
SELECT string_agg(login, '' ORDER BY id) FROM target.usr;
SELECT last_value AS asked FROM t.asked;
-- More values than are remembered.
CREATE FUNCTION t.is_even(text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS 'BEGIN RETURN $1::int % 2 = 0; END';
SELECT syncup_map_entity_type('C', 'm', 'target.usr', 'm.csv', 'id', options => '{"where": "t.is_even(id)"}');
SELECT t.go('complete', 'id,login,kind,grade' || string_agg(format(E'\n%s,x,,', i % 10000), '' ORDER BY i)) FROM generate_series(1, 20000) i;
SELECT rows_read, rows_kept, duplicates, filtered FROM syncup.batch_counter WHERE batch = t.last();
SELECT count(*), bool_and(id % 2 = 0) FROM target.usr;
SELECT syncup_drop_connector('C');

-- Rows of a relation.
CREATE TABLE target.hr (id int, login text, left_on date);
INSERT INTO target.hr VALUES (1, 'ada', NULL), (2, 'bo', '2026-01-31'), (3, 'cy', '2026-12-31');
DELETE FROM target.usr;
SELECT syncup_create_connector('C', NULL);
SELECT t.unlimited();
SELECT syncup_map_entity_type('C', 'm', 'target.usr', NULL, 'id', '{"id": "id", "login": "login"}', options => '{"source": "target.hr", "where": "left_on IS NULL OR left_on >= ''2026-06-01''"}');
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
TABLE t.counters;
SELECT status, inserted FROM syncup_synchronize('C');
TABLE target.usr ORDER BY id;
UPDATE target.hr SET left_on = '2026-05-01' WHERE id = 3;
SELECT syncup_prepare('C', 'incremental') IS NOT NULL AS prepared;
SELECT status, deleted FROM syncup_synchronize('C');
SELECT t.error($$SELECT syncup_map_entity_type('C', 'm', 'target.usr', NULL, 'id', options => '{"where": "gone_on IS NULL"}')$$);
SELECT t.error($$SELECT syncup_map_entity_type('C', 'm', 'target.usr', NULL, 'id', options => '{"optional": true}')$$);

-- A backslash is one, whatever a session has set: in "where" and "scope", when they are given and when
-- they are asked, and in functions of syncup's own.
SELECT syncup_drop_connector('C');
DELETE FROM target.usr;
INSERT INTO target.usr VALUES (8, 'x y');
INSERT INTO target.hr VALUES (4, 'di4'), (5, 'ddd');
SELECT syncup_create_connector('C');
SELECT t.unlimited();
SELECT syncup_map_entity_type('C', 'm', 'target.usr', NULL, 'id', '{"id": "id", "login": "login"}',
	options => '{"source": "target.hr", "where": "login ~ ''\\d$''", "scope": "login !~ ''\\s''"}');
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SELECT syncup_map_entity_type('C', 'm', 'target.usr', NULL, 'id', options => jsonb_build_object('where', $$login ~ '\d$'$$, 'scope', $$login !~ '\s'$$));
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT status, inserted, deleted FROM syncup_synchronize('C');
SELECT syncup_prepare('C', 'complete') IS NOT NULL AS prepared;
SELECT status, inserted, deleted FROM syncup_synchronize('C');
TABLE target.usr ORDER BY id;
SELECT syncup.correlation_value(chr(160)) IS NULL AS blank, syncup.is_query('  select 1') AS query;
SHOW standard_conforming_strings;
RESET standard_conforming_strings;
RESET escape_string_warning;

\set end :srcdir '/include/end.sql'
\i :end
