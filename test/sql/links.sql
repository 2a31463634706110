-- Links from pairs of values (SPEC 4.1, 5.3, 6.2): what is found, what becomes of
-- it when values move, what an orphan is, what a batch holds and undoes.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
-- Notices name batches and files.
SET client_min_messages = warning;
CREATE TABLE target.usr (guid text PRIMARY KEY, manager text REFERENCES target.usr);
CREATE TABLE target.grp (gid int PRIMARY KEY, id int UNIQUE NOT NULL GENERATED ALWAYS AS IDENTITY (START 100));
CREATE TABLE target.member (grp int REFERENCES target.grp, usr text REFERENCES target.usr, note text DEFAULT 'n', PRIMARY KEY (grp, usr));
CREATE TABLE target.part (grp int NOT NULL REFERENCES target.grp (id), t int, s text, e1 text, part int NOT NULL REFERENCES target.grp (id) DEFERRABLE);
CREATE FUNCTION t.unlimited(connector text) RETURNS void
LANGUAGE sql AS $$
	SELECT syncup_set_thresholds(connector, (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit))
$$;
SELECT syncup_create_connector('AD', t.dir());
SELECT t.unlimited('AD');
SELECT syncup_map_entity_type('AD', 'user', 'target.usr', 'user.csv', 'guid', '{"guid": "guid"}', '{dn}');
SELECT syncup_map_entity_type('AD', 'group', 'target.grp', 'group.csv', 'gid', '{"gid": "gid"}', '{dn}');
SELECT syncup_map_association('AD', 'manager', 'user.csv', 'guid', 'user.guid', 'manager', 'user.dn', 'target.usr', target_column2 => 'manager');
SELECT syncup_map_association('AD', 'member', 'member.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.member', 'grp', 'usr');
SELECT syncup_map_association('AD', 'part', 'part.csv', 'group', 'group.dn', 'parts', 'group.dn', 'target.part', 'grp', 'part', '{"split": "\n", "store1": "id", "store2": "id"}');
-- A run of files given as text, in a line: what changed, and the links there are now.
CREATE PROCEDURE t.files(users text DEFAULT NULL, groups text DEFAULT NULL, members text DEFAULT NULL, parts text DEFAULT NULL)
LANGUAGE plpgsql AS $$
BEGIN
	IF users IS NOT NULL THEN CALL t.write('user.csv', 'guid,dn,manager' || E'\n' || replace(users, ' ', E'\n') || E'\n'); END IF;
	IF groups IS NOT NULL THEN CALL t.write('group.csv', 'gid,dn' || E'\n' || replace(groups, ' ', E'\n') || E'\n'); END IF;
	IF members IS NOT NULL THEN CALL t.write('member.csv', 'group,member' || E'\n' || replace(members, ' ', E'\n') || E'\n'); END IF;
	IF parts IS NOT NULL THEN CALL t.write('part.csv', 'group,parts' || E'\n' || parts || E'\n'); END IF;
END
$$;
CREATE FUNCTION t.links() RETURNS TABLE (managers text, memberships text, nesting text, orphans text)
LANGUAGE sql AS $$
	SELECT (SELECT string_agg(guid || '>' || manager, ' ' ORDER BY guid, manager) FROM target.usr),
		(SELECT string_agg(grp || '>' || usr, ' ' ORDER BY grp, usr) FROM target.member),
		(SELECT string_agg(a.gid || '>' || b.gid, ' ' ORDER BY a.gid, b.gid) FROM target.part p JOIN target.grp a ON a.id = p.grp JOIN target.grp b ON b.id = p.part),
		(SELECT string_agg(mapping || ' ' || value1 || '>' || value2, ', ' ORDER BY mapping, value1, value2) FROM syncup.orphan)
$$;
CREATE FUNCTION t.result(force boolean DEFAULT false, keep boolean DEFAULT true, connector text DEFAULT 'AD') RETURNS TABLE (result text, managers text, memberships text, nesting text, orphans text)
LANGUAGE plpgsql AS $$
DECLARE
	said text;
BEGIN
	SELECT format('%s %s/%s/%s links +%s -%s orphans %s', r.status, r.inserted, r.updated, r.deleted, r.links_inserted, r.links_deleted, r.orphans)
	INTO said FROM syncup_synchronize(connector, force, keep) r;
	RETURN QUERY SELECT said, l.* FROM t.links() l;
END
$$;
CREATE FUNCTION t.go(mode text, users text DEFAULT NULL, groups text DEFAULT NULL, members text DEFAULT NULL, parts text DEFAULT NULL, keep boolean DEFAULT true) RETURNS TABLE (result text, managers text, memberships text, nesting text, orphans text)
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.files(users, groups, members, parts);
	PERFORM syncup_prepare('AD', mode);
	RETURN QUERY SELECT * FROM t.result(false, keep);
END
$$;
CREATE FUNCTION t.last() RETURNS uuid
LANGUAGE sql AS $$ SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1 $$;
CREATE FUNCTION t.changes() RETURNS TABLE (mapping text, command text, key text, column_name name, old_value text, new_value text)
LANGUAGE sql AS $$ SELECT * FROM syncup_changes(t.last()) $$;
CREATE FUNCTION t.counters() RETURNS TABLE (mapping text, read bigint, kept bigint, duplicates bigint, rejected bigint, empty bigint, delta text, links text, orphans bigint, before bigint)
LANGUAGE sql AS $$
	SELECT mapping, rows_read, rows_kept, duplicates, rejected, empty_links, concat_ws('/', delta_inserted, delta_updated, delta_deleted), concat_ws('/', inserted, updated, deleted), orphans, stored_before
	FROM syncup.batch_counter WHERE batch = t.last() AND kind = 'association' ORDER BY mapping
$$;
CREATE VIEW t.set_aside AS
SELECT mapping, line, reason, key, message, raw FROM syncup.quarantine WHERE batch = t.last();

-- The first load. A pair twice, an empty side, an end that is not there, a manager who comes later in the file, one's own manager; lists on lines of all kinds.
SELECT * FROM t.go('initial', 'a,A, b,B,A c,C,D d,D,D e,E,X', '1,G1 2,G2 3,G3', 'G1,A G1,B G2,Nobody G1,A G2, ,A Nothing,Nobody G2,C', E'G1,"G2\nG3\r\nG1\r\rG2\n"\nG2,\nG3,"\n\r\n"\nG2,G3\nG2,G9');
SELECT * FROM t.counters();
SELECT * FROM t.set_aside ORDER BY mapping, reason, line, key;
SELECT connector, orphans FROM syncup.status;
SELECT connector, mapping, value1, value2, batch = t.last() AS found_now FROM syncup.orphan ORDER BY mapping, value1;
-- The same once more: nothing, in either mode.
SELECT * FROM t.go('incremental');
SELECT * FROM t.counters();
SELECT * FROM t.go('complete');
SELECT * FROM t.counters();
SELECT count(*) AS set_aside FROM t.set_aside WHERE reason = 'orphan';

-- A name that changes, in its pairs as well, rewrites nothing; but where the pairs keep the old name, they have lost their end.
CREATE TABLE t.versions AS SELECT ctid AS version, * FROM target.member;
SELECT * FROM t.go('incremental', 'a,A2, b,B,A2 c,C,D d,D,D e,E,X', NULL, 'G1,A2 G1,B G2,Nobody Nothing,Nobody G2,C');
SELECT count(*) AS same_versions FROM t.versions v JOIN target.member m ON m.ctid = v.version AND m = ROW(v.grp, v.usr, v.note)::target.member;
SELECT * FROM t.go('incremental', 'a,A2, b,B2,A2 c,C,D d,D,D e,E,X');
SELECT * FROM t.go('incremental', 'a,A2, b,B,A2 c,C,D d,D,D e,E,X');
-- A freed name that another row takes: its links are the new one's.
SELECT * FROM t.go('incremental', 'a,A, b,A2,A2 c,C,D d,D,D e,E,X');
SELECT * FROM t.changes();
-- Two names swapped.
SELECT * FROM t.go('incremental', 'a,A2, b,A,A2 c,C,D d,D,D e,E,X');
-- A row that goes takes its links with it, and comes back with them, under any key.
SELECT * FROM t.go('incremental', 'a,A2, b,A,A2 d,D,D e,E,X');
SELECT * FROM t.changes();
SELECT * FROM t.go('incremental', 'a,A2, b,A,A2 f,C,D d,D,D e,E,X', '1,G1 2,G2 4,G3');
SELECT * FROM t.go('incremental', 'b,A,C f,C,A');
-- A name that two rows have is nobody's, until one of them lets go.
SELECT * FROM t.go('incremental', 'b,A,C f,C,A g,A,');
SELECT key, message FROM t.set_aside WHERE reason = 'orphan';
SELECT * FROM t.go('incremental', 'b,B,C f,C,A g,A,');
-- The end that comes late, and pairs that go.
SELECT * FROM t.go('incremental', 'b,B,C f,C,A g,A, n,Nobody,', '1,G1 2,G2 4,G3 9,Nothing', 'G2,Nobody Nothing,Nobody');

-- A complete run repairs what others wrote, an incremental one leaves it.
INSERT INTO target.member VALUES (1, 'n');
DELETE FROM target.member WHERE grp = 9;
UPDATE target.usr SET manager = CASE guid WHEN 'f' THEN 'f' WHEN 'g' THEN 'b' END;
DELETE FROM target.part;
SELECT * FROM t.go('incremental');
SELECT * FROM t.go('complete');
SELECT * FROM t.changes();
-- Duplicate rows of a table without unique constraint are links, and go together.
INSERT INTO target.part SELECT * FROM target.part;
SELECT * FROM t.go('complete');
SELECT * FROM t.go('complete', parts => 'G2,G3');
SELECT count(*) FROM target.part;
-- Rows with a null are no links.
ALTER TABLE target.part ALTER part DROP NOT NULL;
INSERT INTO target.part (grp) SELECT id FROM target.grp WHERE gid = 1;
SELECT * FROM t.go('complete');
SELECT count(*) FROM target.part;
DELETE FROM target.part WHERE part IS NULL;

-- Moves are counted as an update, a deletion and an insertion; limits hold them all; nothing is written.
SELECT syncup_set_thresholds('AD', '{"maximum_link_updated_lines": 1}', 'manager');
SELECT * FROM t.go('incremental', 'b,B,A f,C,B g,A, n,Nobody,A', members => 'G1,A G1,B G1,C');
SELECT mapping, counter, count, maximum, base, exceeded FROM syncup.threshold_check WHERE batch = t.last() AND count > 0 ORDER BY mapping, counter;
SELECT * FROM t.counters();
SELECT * FROM t.changes();
SELECT command, changed, old, key1, key2, old_key, manager FROM syncup_changes.ad_manager WHERE batch = t.last() ORDER BY key1;
SELECT command, changed, old, key1, key2, old_key, grp, usr FROM syncup_changes.ad_member WHERE batch = t.last() ORDER BY key1, key2;
-- The report has them.
SELECT t.mask(line) FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line ~ 'manager|member|link' AND line !~ 'written';
-- Somebody does one of the changes, and undoes another: done is done, and what is overtaken is refused.
UPDATE target.usr SET manager = 'g' WHERE guid = 'b';
INSERT INTO target.member VALUES (1, 'g');
DELETE FROM target.member WHERE usr = 'n' AND grp = 2;
UPDATE target.usr SET manager = 'n' WHERE guid = 'f';
SELECT t.error(format('SELECT syncup_resume(%L)', t.last()));
UPDATE target.usr SET manager = CASE guid WHEN 'f' THEN 'g' ELSE 'b' END WHERE guid IN ('f', 'n');
SELECT t.error(format('SELECT syncup_resume(%L)', t.last()));
UPDATE target.usr SET manager = NULL WHERE guid = 'n';
BEGIN;
SELECT status, links_inserted, links_deleted FROM syncup_resume(t.last());
SELECT * FROM t.links();
ROLLBACK;
UPDATE target.usr SET manager = 'n' WHERE guid = 'f';
SELECT status, links_inserted, links_deleted FROM syncup_resume(t.last(), force => true);
SELECT * FROM t.links();
SELECT syncup_set_thresholds('AD', '{"maximum_link_updated_lines": 0}', 'manager');

-- Undone: links, previous and orphans; with other columns of link rows.
UPDATE target.member SET note = 'kept' WHERE usr = 'g';
CREATE TABLE t.before AS SELECT * FROM t.links();
CREATE TABLE t.members AS TABLE target.member;
SELECT * FROM t.go('complete', 'b,B,C f,C,B n,Nobody,A h,H,B', '1,G1 2,G2 5,G3', 'G1,C G3,H Nobody,H');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT count(*) AS same FROM t.before b JOIN t.links() l ON b = l;
TABLE t.members EXCEPT TABLE target.member;
SELECT inserted, updated, deleted, orphans FROM syncup.batch_counter WHERE batch = t.last() AND mapping = 'manager';
SELECT * FROM t.go('incremental');
UPDATE target.usr SET manager = 'h' WHERE guid = 'h';
DELETE FROM target.member WHERE usr = 'h';
SELECT t.error(format('SELECT syncup_undo(%L)', t.last()));
UPDATE target.usr SET manager = 'b' WHERE guid = 'h';
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;

-- A pair's bad row deletes nothing: its pair stays, or where it cannot be read every pair.
SELECT syncup_map_association('AD', 'member', 'member.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.member', 'grp', 'usr', '{"on_error": "quarantine"}');
SELECT * FROM t.go('complete', 'b,B,C f,C,B n,Nobody,A', '1,G1 2,G2', E'G1,B G1,C G2,Nobody');
SELECT * FROM t.go('incremental', members => E'G1,B G1,C,more');
SELECT * FROM t.set_aside ORDER BY mapping, line;
SELECT * FROM t.counters() WHERE mapping = 'member';
SELECT * FROM t.go('complete', members => E'G1,B "G1"x,C');
SELECT * FROM t.go('complete', members => E'G1,B');
INSERT INTO target.member VALUES (2, 'n');
CALL t.write('member.csv', convert_to(E'group,member,x\nG1,B,\nG2,Nobody,', 'UTF8') || '\xff0a');
SELECT * FROM t.go('complete');
SELECT reason, key FROM t.set_aside WHERE reason <> 'orphan';
SELECT * FROM t.go('complete', members => 'G1,B');

-- Nor does the bad row of one of its ends: in a complete run, what is linked to it stays.
SELECT syncup_map_entity_type('AD', 'group', 'target.grp', 'group.csv', 'gid', '{"gid": "gid"}', '{dn}', '{"on_error": "quarantine"}');
CALL t.write('group.csv', convert_to(E'gid,dn\n1,G1\n2,', 'UTF8') || '\xff0a'::bytea);
DELETE FROM syncup_previous.ad_group WHERE gid = '2';
INSERT INTO target.member VALUES (2, 'b');
SELECT * FROM t.go('complete');
SELECT * FROM t.go('complete', groups => '1,G1 2,G2');

-- A mono-valued side given twice: the first stays, or with duplicates "reject" the old link.
ALTER TABLE target.grp ADD head text UNIQUE REFERENCES target.usr;
SELECT syncup_map_association('AD', 'head', 'head.csv', 'head', 'user.dn', 'group', 'group.gid', 'target.grp', target_column1 => 'head');
CREATE FUNCTION t.heads(content text, mode text DEFAULT 'incremental') RETURNS TABLE (result text, heads text)
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('head.csv', 'head,group' || E'\n' || replace(content, ' ', E'\n') || E'\n');
	PERFORM syncup_prepare('AD', mode);
	SELECT r.result INTO result FROM t.result() r;
	RETURN QUERY SELECT result, (SELECT string_agg(gid || '>' || head, ' ' ORDER BY gid) FROM target.grp);
END
$$;
SELECT * FROM t.heads('B,1 C,1 B,1 C,2');
SELECT line, reason, key, message FROM t.set_aside WHERE mapping = 'head';
SELECT * FROM t.counters() WHERE mapping = 'head';
-- Values of a unique column change hands.
SELECT * FROM t.heads('C,1 B,2');
SELECT * FROM t.changes();
SELECT * FROM t.heads('C,2 Nobody,1');
SELECT syncup_map_association('AD', 'head', 'head.csv', 'head', 'user.dn', 'group', 'group.gid', 'target.grp', target_column1 => 'head', options => '{"duplicates": "reject"}');
SELECT * FROM t.heads('B,1 C,1 C,2 C,2', 'complete');
SELECT line, reason, key, message FROM t.set_aside WHERE mapping = 'head';
-- A value that goes and one that comes, by one batch; nobody has both.
SELECT * FROM t.go('incremental', 'b,B,C f,C,B m,M,');
SELECT * FROM t.heads('M,1 C,2');

-- Files of changes: pairs come and go; of a mono-valued link an empty cell says nothing, NULL_NULL takes it away.
SELECT syncup_map_association('AD', 'member', 'member.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.member', 'grp', 'usr', '{"command_column": "do", "incremental_file": "member.delta", "on_error": "quarantine"}');
SELECT syncup_map_association('AD', 'head', 'head.csv', 'head', 'user.dn', 'group', 'group.gid', 'target.grp', target_column1 => 'head', options => '{"command_column": "do", "incremental_file": "head.delta", "on_error": "quarantine"}');
SELECT * FROM t.heads('M,1 C,2', 'complete');
CALL t.write('member.delta', E'do,group,member\nadd,G1,C\ndelete,G1,B\ninsert,G2,M\ndelete,G2,M\ninsert,G2,C\nupdate,G2,B\nmerge,G1,Zed\nadd,,B\nnonsense,G1,M\ndelete,G1,Nobody\n');
CALL t.write('head.delta', E'do,head,group\nupdate,,1\nmerge,NULL_NULL,2\ninsert,B,3\n');
SELECT * FROM t.go('incremental', groups => '1,G1 2,G2 3,G3');
SELECT gid, head FROM target.grp ORDER BY 1;
SELECT * FROM t.counters();
SELECT mapping, line, reason, key, message, raw FROM t.set_aside ORDER BY 1, 2;
CALL t.write('member.delta', E'do,group,member\n');
CALL t.write('head.delta', E'do,head,group\nupdate,C,2\ninsert,,1\ndelete,anything,3\n');
SELECT * FROM t.go('incremental');
SELECT gid, head FROM target.grp ORDER BY 1;
SELECT * FROM t.counters() WHERE mapping = 'head';

-- Batches that wait are built upon; a discarded one is as if it had not been.
CALL t.write('member.delta', E'do,group,member\nadd,G3,C\n');
SELECT syncup_prepare('AD', 'incremental') IS NOT NULL AS prepared;
CALL t.write('member.delta', E'do,group,member\ndelete,G3,C\nadd,G3,B\n');
SELECT syncup_prepare('AD', 'incremental') IS NOT NULL AS prepared;
SELECT delta_inserted, delta_updated, delta_deleted FROM syncup.batch_counter WHERE batch = t.last() AND mapping = 'member';
SELECT syncup_discard(t.last());
SELECT needs_complete FROM syncup.connector;
SELECT * FROM t.result();
SELECT * FROM t.go('complete', members => 'G1,C G3,B');

-- A preview tells what a run would do, and leaves nothing; no orphan either.
CALL t.files(members => 'G1,C G3,B G3,C G3,Unheard');
CREATE TABLE t.shot AS SELECT * FROM t.snapshot();
SELECT mapping, counter, count, base FROM syncup_preview('AD', 'complete') WHERE count > 0 AND mapping IS NOT NULL;
SELECT count(*) AS changed FROM t.shot JOIN t.snapshot() n USING (name) WHERE n.digest <> shot.digest;

-- The files of an export are sources again; orphans are given in one of their own.
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
CALL t.shell('mkdir out && chmod 777 out');
SELECT syncup_export(t.last(), t.dir() || '/out');
SELECT t.read('out/member.sorted.csv');
SELECT t.read('out/member.sorted.delta');
SELECT status, orphans FROM syncup_synchronize('AD', keep_changes => true, orphans => t.dir() || '/out/all.csv');
SELECT t.read('out/all.csv');
SELECT syncup_export(t.last(), t.dir() || '/out');
SELECT t.read('out/member.orphans.csv');
SELECT t.read('out/manager.sorted.csv');
SELECT t.error($$SELECT syncup_synchronize('AD', orphans => 'all.csv')$$);
SELECT t.error($$SELECT syncup_synchronize('AD', orphans => t.dir() || '/nothing/all.csv')$$);

-- Ends of another connector: what it holds is looked up, in every mode, and again when it has changed.
CREATE TABLE target.person (number int PRIMARY KEY);
CREATE TABLE target.account (person int, usr text REFERENCES target.usr, PRIMARY KEY (person, usr));
SELECT syncup_create_connector('HR', t.dir());
SELECT t.unlimited('HR');
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'number', '{"number": "number"}', '{login}');
SELECT syncup_map_association('AD', 'account', 'account.csv', 'login', 'HR.person.login', 'user', 'user.dn', 'target.account', 'person', 'usr');
CALL t.write('account.csv', E'login,user\nb,B\nf,C\nx,Later\n');
CREATE FUNCTION t.accounts() RETURNS TABLE (links text, orphans text, seen boolean)
LANGUAGE sql AS $$
	SELECT (SELECT string_agg(person || '>' || usr, ' ' ORDER BY person) FROM target.account),
		(SELECT string_agg(value1 || '>' || value2, ' ' ORDER BY value1) FROM syncup.orphan WHERE mapping = 'account'),
		(SELECT seen = (SELECT coalesce(max(seq), 0) FROM syncup.batch WHERE connector = 'HR' AND status = 'applied') FROM syncup.association WHERE mapping = 'account' AND side = 1)
$$;
CREATE FUNCTION t.person(content text, mode text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('person.csv', 'number,login' || E'\n' || replace(content, ' ', E'\n') || E'\n');
	PERFORM syncup_prepare('HR', mode);
	RETURN (SELECT status FROM syncup_synchronize('HR'));
END
$$;
CALL t.write('member.delta', E'do,group,member\n');
CALL t.write('head.delta', E'do,head,group\n');
SELECT * FROM t.go('incremental');
SELECT * FROM t.accounts();
SELECT t.person('1,b 2,f', 'initial');
SELECT * FROM t.accounts();
SELECT result FROM t.go('incremental');
SELECT * FROM t.accounts();
-- Logins swap, a person goes: seen with the next run.
SELECT t.person('1,f 2,b 3,x', 'incremental');
SELECT result FROM t.go('incremental');
SELECT * FROM t.accounts();
SELECT t.person('2,b 3,x', 'complete');
SELECT result FROM t.go('incremental', 'b,B,C f,C,B m,M, l,Later,');
SELECT * FROM t.accounts();

-- An orphan's end that is a constraint of the target's: the batch fails, names it, and leaves all.
ALTER TABLE target.member ADD CHECK (usr <> 'l');
CALL t.write('member.delta', E'do,group,member\nadd,G1,Later\nadd,G1,Unknown\n');
SELECT * FROM t.go('incremental');
SELECT status, sqlstate, t.mask(error) AS error FROM syncup.batch WHERE batch = t.last();
SELECT count(*) AS set_aside FROM t.set_aside;
ALTER TABLE target.member DROP CONSTRAINT member_usr_check;
SELECT * FROM t.result();

-- A deleted row that is only marked so has no links either, and undo gives them back.
SELECT syncup_create_connector('M', t.dir());
SELECT t.unlimited('M');
CREATE TABLE target.soft (id int PRIMARY KEY, gone timestamptz, boss int REFERENCES target.soft, src text DEFAULT 'M');
SELECT syncup_map_entity_type('M', 'soft', 'target.soft', 'soft.csv', 'id', '{"id": "id"}', options => '{"deleted_column": "gone", "scope": "src = ''M''"}');
SELECT syncup_map_association('M', 'boss', 'soft.csv', 'id', 'soft.id', 'boss', 'soft.id', 'target.soft', target_column2 => 'boss');
INSERT INTO target.soft VALUES (99, NULL, 99, 'other');
CALL t.write('soft.csv', E'id,boss\n1,2\n2,1\n3,1\n');
CREATE FUNCTION t.soft(mode text) RETURNS TABLE (result text, rows text)
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('M', mode);
	SELECT r.result INTO result FROM t.result(connector => 'M') r;
	RETURN QUERY SELECT result, (SELECT string_agg(concat(id, CASE WHEN gone IS NOT NULL THEN '-' END, '>' || boss), ' ' ORDER BY id) FROM target.soft);
END
$$;
SELECT * FROM t.soft('complete');
CALL t.write('soft.csv', E'id,boss\n1,1\n3,1\n');
SELECT * FROM t.soft('incremental');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, gone IS NOT NULL AS gone, boss FROM target.soft ORDER BY id;
SELECT * FROM t.soft('complete');
CALL t.write('soft.csv', E'id,boss\n1,2\n2,\n3,1\n');
SELECT * FROM t.soft('incremental');

-- What is stored of a row that the same batch inserts is known only then; an undo makes a pair an orphan again, and takes the numbers back.
SELECT syncup_create_connector('S', t.dir());
SELECT t.unlimited('S');
CREATE TABLE target.staff (code text PRIMARY KEY, sn int NOT NULL UNIQUE GENERATED ALWAYS AS IDENTITY);
CREATE TABLE target.desk (no int PRIMARY KEY, holder int REFERENCES target.staff (sn));
SELECT syncup_map_entity_type('S', 'staff', 'target.staff', 'staff.csv', 'code', '{"code": "code"}');
SELECT syncup_map_entity_type('S', 'desk', 'target.desk', 'desk.csv', 'no', '{"no": "no"}');
SELECT syncup_map_association('S', 'holder', 'desk.csv', 'no', 'desk.no', 'who', 'staff.code', 'target.desk', target_column2 => 'holder', options => '{"store2": "sn"}');
CREATE FUNCTION t.desks(mode text, staff text, desk text) RETURNS TABLE (result text, desks text)
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('staff.csv', 'code' || E'\n' || replace(staff, ' ', E'\n') || E'\n');
	CALL t.write('desk.csv', 'no,who' || E'\n' || replace(desk, ' ', E'\n') || E'\n');
	PERFORM syncup_prepare('S', mode);
	SELECT r.result INTO result FROM t.result(connector => 'S') r;
	RETURN QUERY SELECT result, (SELECT string_agg(concat(no, '>' || code, ' (' || sn || ')'), ' ' ORDER BY no) FROM target.desk LEFT JOIN target.staff ON sn = holder);
END
$$;
SELECT * FROM t.desks('initial', 'ann bob', '1,ann 2,cid 3,');
SELECT * FROM t.desks('incremental', 'ann bob cid', '1,ann 2,cid 3,bob');
SELECT * FROM t.changes();
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT mapping, value1, value2 FROM syncup.orphan WHERE connector = 'S';
SELECT orphans FROM syncup.batch_counter WHERE batch = t.last() AND mapping = 'holder';
SELECT * FROM t.desks('complete', 'ann bob cid dan', '1,cid 2,dan 3,bob');
SELECT * FROM t.desks('complete', 'ann eve', '1,ann 2,eve 3,');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT no, code, sn FROM target.desk LEFT JOIN target.staff ON sn = holder ORDER BY no;
SELECT * FROM t.desks('incremental', 'ann bob cid dan', '1,cid 2,dan 3,bob');
-- The row of an end is bad, and calls itself otherwise than before: links that are told
-- by its new name are those of the row as it is.
SELECT syncup_drop_connector('AD');
CREATE TABLE target.human (id int PRIMARY KEY, age int, boss int);
CREATE TABLE target.team (id text PRIMARY KEY);
CREATE TABLE target.plays (team text, person int, note text, PRIMARY KEY (team, person));
CREATE FUNCTION t.say(mode text, person text, plays text, OUT links text, OUT bosses text, OUT changes bigint, OUT orphans bigint) LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('person.csv', E'id,dn,age,boss\n' || person);
	CALL t.write('plays.csv', E'team,person\n' || plays);
	PERFORM syncup_prepare('P', mode);
	PERFORM syncup_synchronize('P', force => true, keep_changes => true);
	links := (SELECT string_agg(p.team || p.person || coalesce(p.note, ''), ' ' ORDER BY p.team, p.person) FROM target.plays p);
	bosses := (SELECT string_agg(format('%s<%s', id, boss), ' ' ORDER BY id) FROM target.human);
	SELECT sum(c.inserted + c.updated + c.deleted), sum(c.orphans) INTO changes, orphans
	FROM syncup.batch_counter c WHERE kind = 'association' AND c.batch = (SELECT b.batch FROM syncup.batch b ORDER BY seq DESC LIMIT 1);
END
$$;
CALL t.write('person.csv', E'id,dn,age,boss\n');
CALL t.write('plays.csv', E'team,person\n');
CALL t.write('team.csv', E'id\nx\ny\n');
SET client_min_messages = warning;
SELECT syncup_create_connector('P', t.dir(), '{"on_error": "quarantine"}');
SELECT syncup_map_entity_type('P', 'person', 'target.human', 'person.csv', 'id', '{"id": "id", "age": "age"}', '{dn}');
SELECT syncup_map_entity_type('P', 'team', 'target.team', 'team.csv', 'id');
SELECT syncup_map_association('P', 'plays', 'plays.csv', 'team', 'team.id', 'person', 'person.dn', 'target.plays', 'team', 'person', '{"match2": "ignore_case"}');
SELECT syncup_map_association('P', 'boss', 'person.csv', 'id', 'person.id', 'boss', 'person.dn', 'target.human', target_column2 => 'boss');
SELECT * FROM t.say('initial', E'1,a,1,\n2,z,2,a\n3,y,3,\n', E'x,a\nx,z\ny,a\n');
UPDATE target.plays SET note = '!';
SELECT * FROM t.say('incremental', E'01,b,old,\n2,z,2,b\n3,y,3,\n', E'x,B\nx,z\n');
SELECT * FROM t.say('incremental', E'1,b,old,\n2,z,2,b\n3,y,3,\n', E'x,B\nx,z\n');
SELECT * FROM t.say('complete', E'1,b,old,\n2,z,2,b\n3,y,3,b\n', E'x,b\nx,z\ny,b\n');
SELECT * FROM t.say('incremental', E'1,b,old,\n2,z,2,b\n3,y,3,b\n', E'x,b\nx,z\n');
SELECT * FROM t.say('incremental', E'1,b,7,\n2,z,2,b\n3,y,3,b\n', E'x,b\nx,z\n');
SELECT * FROM t.say('complete', E'1,b,7,\n2,z,2,b\n3,y,3,b\n', E'x,b\nx,z\n');
-- Two bad rows of one name are none.
SELECT * FROM t.say('incremental', E'1,c,old,\n2,z,2,\n3,c,old,\n', E'x,b\nx,c\n');
-- By a key that changes, and in files of changes.
SELECT syncup_map_entity_type('P', 'person', 'target.human', 'person.csv', 'id', options => '{"stable_key": "dn"}');
SELECT syncup_drop_mapping('P', 'plays');
SELECT syncup_map_association('P', 'plays', 'plays.csv', 'team', 'team.id', 'person', 'person.id', 'target.plays', 'team', 'person');
SELECT * FROM t.say('complete', E'1,a,1,\n2,z,2,a\n3,y,3,\n', E'x,1\nx,3\n');
UPDATE target.plays SET note = '!';
SELECT * FROM t.say('incremental', E'11,a,old,\n2,z,2,a\n3,y,3,\n', E'x,11\nx,3\n');
SELECT * FROM t.say('complete', E'11,a,old,\n2,z,2,a\n3,y,3,\n', E'x,11\nx,3\n');
SELECT * FROM t.say('incremental', E'11,a,1,\n2,z,2,a\n3,y,3,\n', E'x,11\nx,3\n');
SELECT syncup_map_entity_type('P', 'person', 'target.human', 'person.csv', 'id', options => '{"incremental_file": "person_changes.csv", "command_column": "op"}');
CALL t.write('person_changes.csv', E'op,id,dn,age\nupdate,011,q,old\n');
SELECT * FROM t.say('complete', E'11,a,1,\n2,z,2,a\n3,y,3,\n', E'x,11\nx,3\n');
SELECT * FROM t.say('incremental', E'11,q,old,\n2,z,2,q\n3,y,3,\n', E'x,11\nx,3\n');

\set end :srcdir '/include/end.sql'
\i :end
