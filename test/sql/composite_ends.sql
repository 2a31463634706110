-- Links to rows whose key has several columns: referred to by a unique key, stored by
-- another unique column of the target; and mono-valued links that such rows hold
-- (SPEC 2.7).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset footer off
SET client_min_messages = warning;
CREATE EXTENSION citext SCHEMA t;

-- Stops are known by trip and number; people take them, and each has a warden.
CREATE TABLE target.stop (id bigint GENERATED ALWAYS AS IDENTITY UNIQUE, trip t.citext, seq int, day date, name text, warden int, PRIMARY KEY (trip, seq, day));
CREATE TABLE target.person (nr int PRIMARY KEY, name text, favourite bigint REFERENCES target.stop (id));
ALTER TABLE target.stop ADD FOREIGN KEY (warden) REFERENCES target.person;
CREATE TABLE target.takes (person int REFERENCES target.person, stop bigint REFERENCES target.stop (id), PRIMARY KEY (person, stop));

SELECT syncup_create_connector('K', t.dir());
SELECT syncup_map_entity_type('K', 'person', 'target.person', 'person.csv', 'nr', '{"nr": "nr", "name": "name"}');
SELECT syncup_map_entity_type('K', 'stop', 'target.stop', 'stop.csv', ARRAY['trip', 'seq', 'day'],
	'{"trip": "trip", "seq": "seq", "day": {"column": "day", "format": "datetime:DD.MM.YYYY"}, "name": "name"}', '{code}');
-- What cannot be said, and what must be.
SELECT t.error($$SELECT syncup_map_association('K', 'takes', 'takes.csv', 'person', 'person.nr', 'stop', 'stop.code', 'target.takes', 'person', 'stop')$$);
SELECT t.error($$SELECT syncup_map_association('K', 'takes', 'takes.csv', 'person', 'person.nr', 'stop', 'stop.(trip,seq,day)', 'target.takes', 'person', 'stop', '{"store2": "id"}')$$);
SELECT t.error($$SELECT syncup_map_association('K', 'takes', 'takes.csv', 'person', 'person.nr', 'stop', 'stop.trip', 'target.takes', 'person', 'stop', '{"store2": "id"}')$$);
SELECT syncup_map_association('K', 'takes', 'takes.csv', 'person', 'person.nr', 'stop', 'stop.code', 'target.takes', 'person', 'stop', '{"store2": "id"}');
SELECT syncup_map_association('K', 'favourite', 'person.csv', 'nr', 'person.nr', 'favourite', 'stop.code', 'target.person', target_column2 => 'favourite', options => '{"store2": "id"}');
SELECT syncup_map_association('K', 'warden', 'stop.csv', 'code', 'stop.code', 'warden', 'person.nr', 'target.stop', target_column2 => 'warden');
SELECT syncup_set_thresholds('K', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));

CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.state() RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('%s %s%s', b.mode, b.status, ': ' || b.error) FROM syncup.batch b WHERE b.batch = t.last()
	UNION ALL SELECT format('  %s %s/%s/%s%s', c.mapping, c.inserted, c.updated, c.deleted, ' orphans ' || nullif(c.orphans, 0)) FROM (SELECT * FROM syncup.batch_counter WHERE batch = t.last() ORDER BY mapping) c
	UNION ALL SELECT '  takes ' || coalesce((SELECT string_agg(p.nr || '-' || s.trip || s.seq, ' ' ORDER BY p.nr, s.trip, s.seq) FROM target.takes l JOIN target.person p ON p.nr = l.person JOIN target.stop s ON s.id = l.stop), '')
	UNION ALL SELECT '  favourite ' || coalesce((SELECT string_agg(p.nr || '-' || s.trip || s.seq, ' ' ORDER BY p.nr) FROM target.person p JOIN target.stop s ON s.id = p.favourite), '')
	UNION ALL SELECT '  warden ' || coalesce((SELECT string_agg(s.trip || s.seq || '-' || s.warden, ' ' ORDER BY s.trip, s.seq) FROM target.stop s WHERE s.warden IS NOT NULL), '')
$$;
CREATE FUNCTION t.go(mode text, stop text, person text, takes text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('stop.csv', E'code,trip,seq,day,name,warden\n' || stop);
	CALL t.write('person.csv', E'nr,name,favourite\n' || person);
	CALL t.write('takes.csv', E'person,stop\n' || takes);
	PERFORM syncup_prepare('K', mode);
	PERFORM syncup_synchronize('K', keep_changes => true);
	RETURN QUERY SELECT t.state();
END
$$;
SELECT t.go('complete', E'a,T1,1,01.02.2026,A,1\nb,T1,2,01.02.2026,B,2\nc,T2,1,1.2.2026,C,\n', E'1,Ada,a\n2,Bo,c\n3,Cy,\n', E'1,a\n1,b\n2,c\n3,zz\n');
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last()) WHERE mapping IN ('takes', 'favourite', 'warden') ORDER BY 1, 3, 6;
-- Nothing is new, whatever the spelling of a key; then links move with what changes.
SELECT t.go('complete', E'a,t1,01,01.02.2026,A,1\nb,T1,2,1.2.2026,B,2\nc,T2,1,01.02.2026,C,\n', E'1,Ada,a\n2,Bo,c\n3,Cy,\n', E'1,a\n1,b\n2,c\n3,zz\n');
SELECT t.go('incremental', E'a,T1,1,01.02.2026,A,3\nb,T1,2,01.02.2026,B,\nc,T2,1,01.02.2026,C,1\nzz,T9,9,01.02.2026,Z,3\n', E'1,Ada,b\n2,Bo,\n3,Cy,zz\n', E'1,a\n2,c\n2,a\n3,zz\n');
SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes(t.last()) WHERE mapping IN ('takes', 'favourite', 'warden') ORDER BY 1, 3, 5, 6;
-- A code passes from one stop to another; a stop goes, and what led to it.
SELECT t.go('incremental', E'b,T1,1,01.02.2026,A,3\na,T1,2,01.02.2026,B,\nc,T2,1,01.02.2026,C,1\n', E'1,Ada,b\n2,Bo,\n3,Cy,zz\n', E'1,a\n2,c\n2,a\n3,zz\n');
-- Undone: all of it.
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT t.state();
-- Drift: somebody writes links, takes some away, moves others.
SELECT t.go('complete', E'a,T1,1,01.02.2026,A,3\nb,T1,2,01.02.2026,B,\nc,T2,1,01.02.2026,C,1\n', E'1,Ada,b\n2,Bo,\n3,Cy,a\n', E'1,a\n2,c\n2,a\n3,b\n');
DELETE FROM target.takes WHERE person = 2;
INSERT INTO target.takes SELECT 3, id FROM target.stop WHERE name = 'C';
UPDATE target.person SET favourite = (SELECT id FROM target.stop WHERE name = 'C') WHERE nr IN (1, 2);
UPDATE target.stop SET warden = 2 WHERE name IN ('A', 'B');
SELECT t.go('complete', E'a,T1,1,01.02.2026,A,3\nb,T1,2,01.02.2026,B,\nc,T2,1,01.02.2026,C,1\n', E'1,Ada,b\n2,Bo,\n3,Cy,a\n', E'1,a\n2,c\n2,a\n3,b\n');
-- Blocked, changed by somebody meanwhile, resumed.
SELECT syncup_set_thresholds('K', '{"maximum_link_inserted_lines": 1}');
SELECT t.go('incremental', E'a,T1,1,01.02.2026,A,1\nb,T1,2,01.02.2026,B,2\nc,T2,1,01.02.2026,C,1\n', E'1,Ada,c\n2,Bo,a\n3,Cy,a\n', E'1,a\n1,b\n2,a\n3,b\n3,c\n');
UPDATE target.stop SET warden = 2 WHERE name = 'A';
SELECT t.error('SELECT * FROM syncup_resume(t.last())');
UPDATE target.stop SET warden = 3 WHERE name = 'A';
INSERT INTO target.takes SELECT 1, id FROM target.stop WHERE name = 'B';
SELECT status, links_inserted, links_updated, links_deleted FROM syncup_resume(t.last());
SELECT t.state();
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT t.state();
