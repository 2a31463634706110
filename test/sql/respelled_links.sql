-- Ends of links in another spelling than the property they mean: compared as the
-- type of its target column compares (SPEC 2.7).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE EXTENSION citext SCHEMA t;

-- Connector K: users (id, its code, a name), groups (name), a link table by code and
-- name, and a boss by id.
CREATE PROCEDURE t.fresh(id text, code text)
LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM syncup.connector) THEN
		PERFORM syncup_drop_connector('K');
		DROP TABLE target.member, target.usr, target.grp;
	END IF;
	EXECUTE format('CREATE TABLE target.usr (id %s PRIMARY KEY, code %s UNIQUE, name text, boss %s)', id, code, id);
	CREATE TABLE target.grp (name text PRIMARY KEY);
	EXECUTE format('CREATE TABLE target.member (id %s, name text, PRIMARY KEY (id, name))', id);
	PERFORM syncup_create_connector('K', t.dir());
	PERFORM syncup_set_thresholds('K', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
	PERFORM syncup_map_entity_type('K', 'usr', 'target.usr', 'usr.csv', 'id', '{"id": "id", "code": "code", "name": "name"}', '{code}');
	PERFORM syncup_map_entity_type('K', 'grp', 'target.grp', 'grp.csv', 'name');
	PERFORM syncup_map_association('K', 'member', 'member.csv', 'code', 'usr.code', 'grp', 'grp.name', 'target.member', 'id', 'name');
	PERFORM syncup_map_association('K', 'boss', 'boss.csv', 'id', 'usr.id', 'boss', 'usr.id', 'target.usr', target_column2 => 'boss');
END
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.state() RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT '  ' || string_agg(format('%s %s/%s/%s orphans %s', c.mapping, c.inserted, c.updated, c.deleted, c.orphans), ', ' ORDER BY c.mapping)
		FROM syncup.batch_counter c WHERE c.batch = t.last() AND c.kind = 'association'
	UNION ALL SELECT '  members ' || coalesce(string_agg(id || '-' || name, ' ' ORDER BY id::text COLLATE "C", name), '') FROM target.member
	UNION ALL SELECT '  bosses ' || coalesce(string_agg(id || '>' || boss, ' ' ORDER BY id::text COLLATE "C"), '') FROM target.usr WHERE boss IS NOT NULL
	UNION ALL SELECT '  orphan ' || concat_ws(' ', mapping, value1, value2) FROM syncup.orphan ORDER BY 1;
END
$$;
CREATE FUNCTION t.go(mode text, usr text DEFAULT NULL, member text DEFAULT NULL, boss text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	IF usr IS NOT NULL THEN CALL t.write('usr.csv', E'id,code,name\n' || usr); END IF;
	IF member IS NOT NULL THEN CALL t.write('member.csv', E'code,grp\n' || member); END IF;
	IF boss IS NOT NULL THEN CALL t.write('boss.csv', E'id,boss\n' || boss); END IF;
	PERFORM syncup_prepare('K', mode);
	RETURN QUERY SELECT concat_ws(' ', '  NOT APPLIED', status, (SELECT error FROM syncup.batch b WHERE b.batch = s.batch))
		FROM syncup_synchronize('K', keep_changes => true) s WHERE status <> 'applied';
	RETURN QUERY SELECT t.state();
END
$$;
CALL t.write('grp.csv', E'name\nA\nB\n');
CALL t.write('usr.csv', E'id,code,name\n');
CALL t.write('member.csv', E'code,grp\n');
CALL t.write('boss.csv', E'id,boss\n');

-- The life of links of which one end is respelled: no step changes a link, but those
-- that say so. one, other: two spellings of the first id and code; second: another id.
CREATE FUNCTION t.life(id text, code text, one text, other text, second text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	mode text;
	usr text := E'%s,%s,Ada\n%s,%s,Bob\n';
BEGIN
	FOREACH mode IN ARRAY ARRAY['incremental', 'complete'] LOOP
		RETURN NEXT format('%s, %s: %s', id, code, mode);
		CALL t.fresh(id, code);
		RETURN QUERY SELECT t.go('initial', format(usr, one, one, second, second), format(E'%s,A\n%s,B\n', one, second), format(E'%s,%s\n%s,%s\n', one, second, second, one));
		RETURN NEXT ' the users are respelled, and back';
		RETURN QUERY SELECT t.go(mode, format(usr, other, other, second, second));
		PERFORM syncup_undo(t.last());
		RETURN NEXT ' undone';
		RETURN QUERY SELECT s FROM t.state() s WHERE s !~ 'orphans';
		RETURN QUERY SELECT t.go(mode, format(usr, other, other, second, second));
		RETURN QUERY SELECT t.go(mode, format(usr, one, one, second, second));
		RETURN NEXT ' the pairs are respelled';
		RETURN QUERY SELECT t.go(mode, NULL, format(E'%s,A\n%s,B\n', other, second), format(E'%s,%s\n%s,%s\n', other, second, second, other));
		RETURN NEXT ' the user goes: orphans; and comes back';
		RETURN QUERY SELECT t.go(mode, format(E'%s,%s,Bob\n', second, second));
		RETURN QUERY SELECT t.go(mode, format(usr, one, one, second, second));
		RETURN NEXT ' both spellings are one link; one of them goes';
		RETURN QUERY SELECT t.go(mode, NULL, format(E'%s,A\n%s,A\n%s,B\n', one, other, second));
		RETURN QUERY SELECT t.go(mode, NULL, format(E'%s,A\n%s,B\n', other, second));
		RETURN NEXT ' a code moves to the other user, and its links with it';
		RETURN QUERY SELECT t.go(mode, format(E'%s,,Ada\n%s,%s,Bob\n', one, second, one));
		RETURN NEXT ' the pairs go';
		RETURN QUERY SELECT t.go(mode, NULL, '', '');
	END LOOP;
END
$$;
SELECT t.life('int', 'int', '1', '01', '2');
SELECT t.life('uuid', 'uuid', 'aaaaaaaa-0000-4000-8000-000000000001', 'AAAAAAAA-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000002');
SELECT t.life('numeric', 'numeric', '1.0', '1.00', '2.0');
SELECT t.life('t.citext', 't.citext', 'Ada', 'ADA', 'Bob');
-- in text the bytes count
CALL t.fresh('text', 'text');
SELECT t.go('initial', E'1,1,Ada\n2,2,Bob\n', E'1,A\n2,B\n', '');
SELECT t.go('incremental', E'01,01,Ada\n2,2,Bob\n');
SELECT bool_or(respelled) FROM syncup.association;

-- What is no value of the type is an orphan as any other, and stops nothing.
CALL t.fresh('int', 'int');
SELECT t.go('initial', E'1,1,Ada\n', E'x,A\n01,A\n', '');
SELECT t.go('incremental', E'1,1,Ada\n', E'x,A\n1,A\n99999999999,B\n');

-- Whether a value is written otherwise is remembered of the association alone.
CALL t.fresh('int', 'int');
SELECT t.go('initial', E'1,1,Ada\n', E'1,A\n', E'1,01\n');
SELECT mapping, bool_or(respelled) FROM syncup.association GROUP BY 1 ORDER BY 1;

-- Many links: most are told in memory; a user respelled does not touch the others.
CALL t.fresh('int', 'int');
SELECT E'id,code,name\n' || string_agg(format('%s,%s,x', i, i), E'\n') AS content FROM generate_series(1, 3000) i \gset
CALL t.write('usr.csv', :'content');
SELECT E'code,grp\n' || string_agg(format('%s,A', i), E'\n') AS content FROM generate_series(1, 3000) i \gset
CALL t.write('member.csv', :'content');
SELECT count(*) FROM t.go('initial', boss => '');
SELECT E'id,code,name\n' || string_agg(format('0%s,0%s,x', i, i), E'\n') AS content FROM generate_series(1, 3000) i \gset
CALL t.write('usr.csv', :'content');
DELETE FROM target.member WHERE id = 7;
INSERT INTO target.member VALUES (8, 'B');
SELECT count(*) FROM t.go('complete');
SELECT inserted, deleted, orphans FROM syncup.batch_counter WHERE batch = t.last() AND mapping = 'member';
SELECT count(*), count(*) FILTER (WHERE name = 'A') FROM target.member;

-- A bad row keeps the link that it names in another spelling, and the one link of its
-- side; what is not in the file goes.
CALL t.fresh('int', 'int');
SELECT t.go('initial', E'1,1,Ada\n2,2,Bob\n3,3,Cy\n', E'1,A\n2,A\n3,A\n', E'1,2\n2,3\n3,1\n');
SELECT syncup_create_connector('K', options => '{"on_error": "quarantine"}');
ALTER TABLE target.member ADD since date;
SELECT syncup_drop_mapping('K', 'member');
SELECT syncup_map_association('K', 'member', 'member.csv', 'code', 'usr.code', 'grp', 'grp.name', 'target.member', 'id', 'name', '{"columns": {"since": "since"}}');
CALL t.write('usr.csv', E'id,code,name\n1,1,Ada\n2,2,Bob\n3,3,Cy\n');
CREATE PROCEDURE t.links(mode text, member text, boss text)
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('member.csv', E'code,grp,since\n' || member);
	CALL t.write('boss.csv', E'id,boss\n' || boss);
	PERFORM syncup_prepare('K', mode);
	PERFORM syncup_synchronize('K');
END
$$;
CREATE VIEW t.links AS SELECT format('%s %s', id, since) AS member, (SELECT boss FROM target.usr WHERE usr.id = member.id) AS boss FROM target.member ORDER BY id;
CALL t.links('complete', E'1,A,2026-01-01\n2,A,2026-01-01\n3,A,2026-01-01\n', E'1,2\n2,3\n3,1\n');
TABLE t.links;
CALL t.links('incremental', E'01,A,bad\n2,A,2026-02-02\n', E'01,3,x\n2,3\n');
TABLE t.links;
SELECT mapping, delta_inserted, delta_updated, delta_deleted, rejected, inserted, updated, deleted FROM syncup.batch_counter WHERE batch = t.last() AND kind = 'association' ORDER BY 1;
CALL t.links('complete', E'001,A,bad\n2,A,2026-02-02\n', E'001,3,x\n2,3\n');
TABLE t.links;
CALL t.links('incremental', E'01,A,2026-03-03\n2,A,2026-02-02\n', E'01,3\n2,3\n');
TABLE t.links;

\set end :srcdir '/include/end.sql'
\i :end
