-- Initial: a straight load of empty targets (SPEC 4.4).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin

-- Tables that refer to each other: deferrable keys wait until both are loaded, and
-- are checked then; a row without its partner fails the batch, with nothing loaded.
CREATE TABLE target.team (id int PRIMARY KEY, head int NOT NULL);
CREATE TABLE target.person (id int PRIMARY KEY, team int NOT NULL REFERENCES target.team DEFERRABLE);
ALTER TABLE target.team ADD FOREIGN KEY (head) REFERENCES target.person DEFERRABLE INITIALLY DEFERRED;
SELECT syncup_create_connector('C', t.dir());
CALL t.write('team.csv', E'id,head\n1,10\n2,11\n');
CALL t.write('person.csv', E'id,team\n10,1\n12,2\n');
SELECT syncup_map_entity_type('C', 'team', 'target.team', 'team.csv', 'id');
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'person.csv', 'id');
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT status, inserted FROM syncup_synchronize('C');
SELECT sqlstate, error FROM syncup.batch;
SELECT (SELECT count(*) FROM target.team) AS teams, (SELECT count(*) FROM target.person) AS persons;
SELECT syncup_discard(batch) FROM syncup.batch;
CALL t.write('person.csv', E'id,team\n10,1\n11,2\n');
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT status, inserted FROM syncup_synchronize('C');

\set end :srcdir '/include/end.sql'
\i :end
