-- How ends of links compare: options match1 and match2 (SPEC 2.7).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;

-- Distinguished names: each line has equal ones, no two lines have.
CREATE TABLE t.dn (line int, dn text);
INSERT INTO t.dn VALUES
	(1, 'uid=ada,ou=People,dc=example'), (1, 'UID=Ada,OU=people,DC=Example'), (1, ' uid = ada , ou = People ;dc=example '),
	(1, '0.9.2342.19200300.100.1.1=ada,2.5.4.11=People,domainComponent=example'), (1, 'OID.0.9.2342.19200300.100.1.1=ada,ou=People,dc=example'),
	(1, 'uid="ada",ou="People",dc=example'), (1, 'uid=\61\64a,ou=People,dc=example'),
	(2, 'cn=Doe\, Jane,o=x'), (2, 'cn=doe\2C jane,o=x'), (2, 'cn="Doe, Jane",o=x'), (2, 'CN=Doe\2c\20Jane,O=X'),
	(3, 'cn=Doe,Jane=,o=x'), (4, 'cn=Doe\, Jane\, o\=x'),
	(5, 'cn=a+sn=b,o=x'), (5, 'SN=B + CN=A,o=x'), (5, 'sn="b"+cn=a,o=x'),
	(6, 'cn=a\+sn\=b,o=x'), (6, 'cn="a+sn=b",o=x'),
	(7, 'cn=a\ ,o=x'), (7, 'cn="a ",o=x'), (8, 'cn=a,o=x'), (9, 'cn=a  b,o=x'), (10, 'cn=a b,o=x'),
	(11, 'cn=Müller'), (11, 'CN=MÜLLER'), (11, 'cn=M\C3\BCller'), (11, 'cn=M\c3\9cller'),
	(12, '1.3.6.1.4.1.1466.0=#04024869'), (13, '1.3.6.1.4.1.1466.0=\#04024869'), (13, '1.3.6.1.4.1.1466.0="#04024869"'), (14, 'cn=#1 of all'),
	(15, 'cn=a\\b'), (15, 'cn=A\5cB'), (16, 'cn=a\"b'), (16, 'cn=a\22b'), (17, 'cn='), (18, '');
-- what is equal and should not be, and the other way round; none
SELECT DISTINCT a.dn, b.dn FROM t.dn a, t.dn b
WHERE a.ctid < b.ctid AND (syncup.dn_normal_form(a.dn) IS NOT DISTINCT FROM syncup.dn_normal_form(b.dn)) <> (a.line = b.line);
SELECT string_agg(DISTINCT syncup.dn_normal_form(dn), ' | ') FROM t.dn WHERE line IN (1, 2, 5, 6, 12, 13);
-- what is none
SELECT dn FROM unnest('{ada,"cn=a,","cn=a,,o=x","=a","cn=a\\","cn=\"a","cn=\"a\"b","cn=a\\00b","cn=a\\C3","cn=a+","cn=a+b","c n=a"}'::text[]) dn WHERE syncup.dn_normal_form(dn) IS NOT NULL;

-- Connector M: users (id, dn, mail, name), groups (id, dn), a link table by dn, an owner by mail.
CREATE TABLE target.usr (id text PRIMARY KEY, name text);
CREATE TABLE target.grp (id text PRIMARY KEY, owner text);
CREATE TABLE target.member (grp text, usr text, PRIMARY KEY (grp, usr));
CREATE PROCEDURE t.fresh()
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('usr.csv', E'id;dn;mail;name\n');
	CALL t.write('grp.csv', E'id;dn\ng1;cn=staff,o=x\ng2;cn=all,o=x\n');
	CALL t.write('member.csv', E'grp;usr\n');
	CALL t.write('owner.csv', E'grp;owner\n');
	IF EXISTS (SELECT FROM syncup.connector) THEN
		PERFORM syncup_drop_connector('M');
		DELETE FROM target.member; DELETE FROM target.usr; DELETE FROM target.grp;
	END IF;
	PERFORM syncup_create_connector('M', t.dir(), '{"delimiter": ";"}');
	PERFORM syncup_set_thresholds('M', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
	PERFORM syncup_map_entity_type('M', 'user', 'target.usr', 'usr.csv', 'id', '{"id": "id", "name": "name"}', '{dn,mail}');
	PERFORM syncup_map_entity_type('M', 'group', 'target.grp', 'grp.csv', 'id', '{"id": "id"}', '{dn}');
	PERFORM syncup_map_association('M', 'member', 'member.csv', 'grp', 'group.dn', 'usr', 'user.dn', 'target.member', 'grp', 'usr', '{"match1": "dn", "match2": "dn"}');
	PERFORM syncup_map_association('M', 'owner', 'owner.csv', 'grp', 'group.dn', 'owner', 'user.mail', 'target.grp', target_column2 => 'owner', options => '{"match1": "dn", "match2": "ignore_case"}');
END
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.state() RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT '  ' || string_agg(format('%s %s/%s/%s orphans %s', c.mapping, c.inserted, c.updated, c.deleted, c.orphans), ', ' ORDER BY c.mapping)
		FROM syncup.batch_counter c WHERE c.batch = t.last() AND c.kind = 'association'
	UNION ALL SELECT '  members ' || coalesce(string_agg(grp || '-' || usr, ' ' ORDER BY grp, usr), '') FROM target.member
	UNION ALL SELECT '  owners ' || coalesce(string_agg(id || '>' || owner, ' ' ORDER BY id), '') FROM target.grp WHERE owner IS NOT NULL
	UNION ALL (SELECT '  orphan ' || concat_ws(' ', q.mapping, q.key, q.message) FROM syncup.quarantine q WHERE q.batch = t.last() AND reason = 'orphan' ORDER BY q.mapping, q.key COLLATE "C");
END
$$;
CREATE FUNCTION t.go(mode text, usr text DEFAULT NULL, member text DEFAULT NULL, owner text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	IF usr IS NOT NULL THEN CALL t.write('usr.csv', E'id;dn;mail;name\n' || usr); END IF;
	IF member IS NOT NULL THEN CALL t.write('member.csv', E'grp;usr\n' || member); END IF;
	IF owner IS NOT NULL THEN CALL t.write('owner.csv', E'grp;owner\n' || owner); END IF;
	PERFORM syncup_prepare('M', mode);
	RETURN QUERY SELECT concat_ws(' ', '  NOT APPLIED', status, (SELECT error FROM syncup.batch b WHERE b.batch = s.batch))
		FROM syncup_synchronize('M', keep_changes => true) s WHERE status <> 'applied';
	RETURN QUERY SELECT t.state();
END
$$;
-- The life of such links: no step changes one, but those that say so.
CREATE FUNCTION t.life() RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	mode text;
	ada text := E'u1;uid=ada,o=x;Ada@x.org;Ada\n';
	bob text := E'u2;uid=bob,o=x;bob@x.org;Bob\n';
	pairs text := E'CN=Staff, O=X;uid=ADA,o=x\ncn=all,o=x;uid=bob,o=x\n';
BEGIN
	FOREACH mode IN ARRAY ARRAY['incremental', 'complete'] LOOP
		RETURN NEXT mode;
		CALL t.fresh();
		RETURN QUERY SELECT t.go('initial', ada || bob, pairs, E'CN=STAFF,o=x;ada@X.org\n');
		RETURN NEXT ' the user is respelled';
		RETURN QUERY SELECT t.go(mode, E'u1;UID=Ada,O=X;ADA@x.org;Ada\n' || bob);
		RETURN NEXT ' the pairs are respelled';
		RETURN QUERY SELECT t.go(mode, NULL, E'cn=staff,o=x;uid=ada,o=x\ncn=all,o=x;uid=BOB,o=x\n', E'cn=staff,o=x;ada@x.org\n');
		RETURN NEXT ' undone, and again';
		PERFORM syncup_undo(t.last());
		RETURN QUERY SELECT s FROM t.state() s WHERE s !~ 'orphans';
		RETURN QUERY SELECT t.go(mode);
		RETURN NEXT ' the user goes: orphans; and comes back in another spelling';
		RETURN QUERY SELECT t.go(mode, bob);
		RETURN QUERY SELECT t.go(mode, E'u1;uid=AdA,o=x;aDa@x.org;Ada\n' || bob);
		RETURN NEXT ' a second one like it: ambiguous';
		RETURN QUERY SELECT t.go(mode, E'u1;uid=AdA,o=x;aDa@x.org;Ada\nu3;uid=ADa,o=x;adA@x.org;Ada 3\n' || bob);
		RETURN NEXT ' an exact match wins';
		RETURN QUERY SELECT t.go(mode, E'u1;uid=AdA,o=x;aDa@x.org;Ada\nu3;uid=ada,o=x;ada@x.org;Ada 3\n' || bob);
		RETURN NEXT ' it goes: the first one is it';
		RETURN QUERY SELECT t.go(mode, E'u1;uid=AdA,o=x;aDa@x.org;Ada\n' || bob);
		RETURN NEXT ' two spellings of both ends are one link; one of them goes, then the other';
		RETURN QUERY SELECT t.go(mode, NULL, E'CN=Staff,O=x;uid=ada,o=x\ncn=staff,o=x;UID=ada,o=x\n', E'cn=staff,o=x;ada@x.org\nCN=Staff,o=x;ada@x.org\n');
		RETURN QUERY SELECT t.go(mode, NULL, E'CN=Staff,O=x;uid=ada,o=x\n', E'CN=Staff,o=x;ada@x.org\n');
		RETURN QUERY SELECT t.go(mode, NULL, '', '');
	END LOOP;
END
$$;
SELECT t.life();

-- Drift, found by digests: what nobody gave goes, what is missing comes back.
CALL t.fresh();
SELECT count(*) FROM t.go('initial', E'u1;uid=ada,o=x;ada@x.org;Ada\nu2;uid=bob,o=x;bob@x.org;Bob\n', E'CN=Staff,O=X;UID=ada,o=x\ncn=STAFF,o=x;uid=Bob,o=x\ncn=staff,O=x;UID=bob,o=x\n', E'CN=staff,o=x;BOB@x.org\n');
DELETE FROM target.member WHERE usr = 'u2';
INSERT INTO target.member VALUES ('g2', 'u1');
UPDATE target.grp SET owner = 'u1';
SELECT t.go('complete');

-- Review: blocked, resumed; what somebody did meanwhile is told.
SELECT syncup_set_thresholds('M', '{"maximum_link_deleted_lines": 1}');
CALL t.write('member.csv', E'grp;usr\ncn=All,o=x;uid=Ada,o=x\n');
SELECT syncup_prepare('M', 'complete') IS NOT NULL;
SELECT status, links_inserted, links_deleted FROM syncup_synchronize('M');
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last());
SELECT status, links_inserted, links_deleted FROM syncup_resume(t.last());
SELECT t.state();
SELECT syncup_set_thresholds('M', '{"maximum_link_deleted_lines": 0}');

-- Files of changes name a pair by any spelling; in the order of the file, whatever the spelling.
SELECT syncup_map_association('M', 'member', 'member.csv', 'grp', 'group.dn', 'usr', 'user.dn', 'target.member', 'grp', 'usr', '{"command_column": "do"}');
SELECT syncup_map_association('M', 'owner', 'owner.csv', 'grp', 'group.dn', 'owner', 'user.mail', 'target.grp', target_column2 => 'owner', options => '{"command_column": "do"}');
CREATE FUNCTION t.changes(member text, owner text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('member.csv', E'do;grp;usr\n' || member);
	CALL t.write('owner.csv', E'do;grp;owner\n' || owner);
	RETURN QUERY SELECT t.go('incremental');
END
$$;
SELECT t.changes(E'insert;CN=ALL,o=x;uid=ada,o=x\ninsert;cn=staff,O=x;uid=BOB,o=x\n', E'merge;CN=Staff,o=x;ADA@x.org\n');
SELECT t.changes(E'delete;CN=ALL,o=x;uid=ada,o=x\n', E'merge;CN=Staff,o=x;bob@x.org\n');
SELECT t.changes(E'insert;CN=all,O=x;uid=bob,o=x\ninsert;cn=all,o=x;uid=BOB,o=x\ndelete;cn=ALL,o=x;uid=Bob,o=x\n', E'delete;CN=STAFF,o=x;\nmerge;cn=all,o=x;ada@x.org\n');
SELECT t.changes(E'delete;cn=staff,o=x;uid=bob,o=x\ninsert;CN=ALL,o=X;uid=ada,o=x\n', E'delete;CN=ALL,o=x;\nmerge;CN=All,o=x;bob@x.org\n');
-- queued behind one another
CALL t.write('member.csv', E'do;grp;usr\ninsert;CN=staff,o=x;uid=ADA,o=x\n');
SELECT syncup_prepare('M', 'incremental') IS NOT NULL;
CALL t.write('member.csv', E'do;grp;usr\ndelete;cn=STAFF,o=x;uid=ada,o=x\n');
SELECT t.go('incremental');

-- Another way to compare takes a complete run.
SELECT syncup_map_association('M', 'member', 'member.csv', 'grp', 'group.dn', 'usr', 'user.dn', 'target.member', 'grp', 'usr', '{"command_column": null, "match1": "exact", "match2": null}');
SELECT needs_complete FROM syncup.connector;
CALL t.write('owner.csv', E'grp;owner\n');
SELECT t.go('complete', NULL, E'cn=staff,o=x;UID=ada,o=x\nCN=staff,o=x;uid=bob,o=x\ncn=staff,o=x;uid=bob,o=x\n');

-- What a type holds equal may be told apart.
CREATE TABLE target.num (id int PRIMARY KEY, boss int);
CALL t.write('num.csv', E'id;boss\n1;02\n2;1\n3;x\n');
SELECT syncup_map_entity_type('M', 'num', 'target.num', 'num.csv', 'id', '{"id": "id"}');
SELECT syncup_map_association('M', 'boss', 'num.csv', 'id', 'num.id', 'boss', 'num.id', 'target.num', target_column2 => 'boss', options => '{"match2": "exact"}');
SELECT t.go('complete');
SELECT * FROM target.num ORDER BY 1;

-- Misuse
SELECT t.error($$SELECT syncup_map_association('M', 'member', 'member.csv', 'grp', 'group.dn', 'usr', 'user.dn', 'target.member', 'grp', 'usr', '{"match1": "nocase"}')$$);
SELECT t.error($$SELECT syncup_map_association('M', 'member', 'member.csv', 'grp', 'group.dn', 'usr', 'user.dn', 'target.member', 'grp', 'usr', '{"match2": ["dn"]}')$$);
SELECT t.error($$SELECT syncup_map_entity_type('M', 'user', 'target.usr', 'usr.csv', 'id', options => '{"match1": "dn"}')$$) LIMIT 1;

\set end :srcdir '/include/end.sql'
\i :end
