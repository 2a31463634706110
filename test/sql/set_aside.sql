-- Rows set aside: which are, how they are counted and told, and how many may be
-- (SPEC 2.3, 2.7, 4.1: set_aside, reject_limit; a header line among the rows).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
SET client_min_messages = warning;

CREATE TABLE target.stop (id int PRIMARY KEY, name text);
CREATE TABLE target.trip (id text PRIMARY KEY, name text);
CREATE TABLE target.call (stop int, trip text, PRIMARY KEY (stop, trip));
SELECT syncup_create_connector('G', t.dir(), '{"on_error": "quarantine"}');
CALL t.write('stop.csv', E'id,name\n1,One\nid,name\n2,Two\n"id",name\n3,name\n');
CALL t.write('trip.csv', E'id,name\na,A\nid,name\nb,B\nid,Id\nname,id\n');
CALL t.write('call.csv', E'stop,trip\n1,a\nstop,trip\n2,\n1,a\n2,b\nstop,trap\n');
SELECT syncup_map_entity_type('G', 'stop', 'target.stop', 'stop.csv', 'id');
SELECT syncup_map_entity_type('G', 'trip', 'target.trip', 'trip.csv', 'id');
SELECT syncup_map_association('G', 'call', 'call.csv', 'stop', 'stop.id', 'trip', 'trip.id', 'target.call', 'stop', 'trip');
SELECT syncup_set_thresholds('G', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0,
	"max_link_percentage_inserted_lines": 0, "max_link_percentage_updated_lines": 0, "max_link_percentage_deleted_lines": 0}');
CREATE FUNCTION t.last() RETURNS uuid
LANGUAGE sql AS $$ SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1 $$;
-- What the batch prepared last counted; set_aside is what quarantine has of it.
CREATE VIEW t.counters AS
SELECT mapping, rows_read AS read, rows_kept AS kept, null_keys AS nulls, duplicates AS dup, rejected AS bad, empty_links AS empty, filtered, set_aside,
	(SELECT count(*) FROM syncup.quarantine q WHERE q.batch = c.batch AND q.mapping = c.mapping AND q.reason <> 'orphan') = set_aside AS all_there,
	delta_deleted AS del, deletions_suspended AS suspended
FROM syncup.batch_counter c WHERE batch = t.last() ORDER BY mapping;
CREATE VIEW t.quarantine AS
SELECT mapping, line, reason, key, message FROM syncup.quarantine WHERE batch = t.last() ORDER BY mapping, line;
CREATE FUNCTION t.bad(options jsonb, mode text DEFAULT 'complete') RETURNS SETOF text
LANGUAGE sql AS $$ SELECT t.refused(format('SELECT syncup_prepare(%L, %L, %L)', 'G', mode, options)) $$;

-- A header line among the rows is no row, whatever the type of the key; where that
-- refuses it, nobody knows of which row it speaks. With other quotes it is the same;
-- what only begins like it is a row.
SELECT syncup_prepare('G', 'complete') IS NOT NULL AS prepared;
SELECT * FROM t.quarantine;
SELECT * FROM t.counters;
SELECT status, inserted, links_inserted, orphans, set_aside FROM syncup_synchronize('G');
SELECT set_aside FROM syncup.status;
SELECT what, detail FROM syncup.alarm WHERE what = 'rows set aside';
SELECT regexp_replace(line, ' +', ' ', 'g') AS line FROM syncup_report(t.last()) AS report, regexp_split_to_table(report, E'\n') AS line
WHERE line ~ '^ *(Rows|stop|trip|call) .* \d|set aside';
TABLE target.trip ORDER BY 1;
-- A file of nothing but its header, twice.
CALL t.write('trip.csv', E'id,name\nid,name\n');
BEGIN;
SELECT syncup_prepare('G', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.counters WHERE mapping = 'trip';
ROLLBACK;
-- Under "stop" an error with its place.
SELECT t.bad('{"on_error": "stop"}');
SELECT t.error(format('SELECT * FROM syncup_read_csv(%L) AS (id text)', t.dir() || '/trip.csv'));
SELECT * FROM syncup_read_csv(t.dir() || '/call.csv', '{"on_error": "quarantine"}') AS (stop text, trip text);
-- Without a header line there is none that could be repeated.
SELECT * FROM syncup_read_csv(t.dir() || '/trip.csv', '{"header": false}') AS (column1 text, column2 text);
-- In another encoding, and in a file of changes.
CALL t.write('trip.csv', E'id,nåme\nå,A\nid,nåme\n', 'LATIN1');
SELECT * FROM syncup_read_csv(t.dir() || '/trip.csv', '{"encoding": "LATIN1", "on_error": "quarantine"}') AS (id text, "nåme" text);
CALL t.write('trip.csv', E'id,name\na,A\nb,B\n');
CALL t.write('stop.csv', E'id,name\n1,One\n2,Two\n3,name\n');
CALL t.write('call.csv', E'stop,trip\n1,a\n1,a\n,a\n2,\n');
CALL t.write('changes.csv', E'command,id,name\ninsert,c,C\ncommand,id,name\ndelete,b,\n,a,\nmerge,,\n');
SELECT syncup_map_entity_type('G', 'trip', 'target.trip', 'trip.csv', 'id', options => '{"incremental_file": "changes.csv", "command_column": "command"}');
BEGIN;
SELECT syncup_prepare('G', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.quarantine WHERE mapping = 'trip';
SELECT * FROM t.counters WHERE mapping = 'trip';
ROLLBACK;

-- reject_limit: a number, of null keys, duplicates with other contents and rejected
-- rows together. What says the same again, and empty links, never count.
CALL t.write('trip.csv', E'id,name\na,A\nb,B\na,X\n,N\nb,B\na,A\na,Y\n,M\nc\n');
BEGIN;
SELECT syncup_prepare('G', 'complete', '{"reject_limit": 5}') IS NOT NULL AS prepared;
SELECT * FROM t.counters;
ROLLBACK;
SELECT t.bad('{"reject_limit": 4}');
-- Of each kind by itself; what is not named has none.
BEGIN;
SELECT syncup_prepare('G', 'complete', '{"reject_limit": {"rejected": 1, "duplicates": 2, "null_keys": 2}}') IS NOT NULL AS prepared;
ROLLBACK;
BEGIN;
SELECT syncup_prepare('G', 'complete', '{"reject_limit": {}}') IS NOT NULL AS prepared;
ROLLBACK;
SELECT t.bad('{"reject_limit": {"rejected": 0}}');
SELECT t.bad('{"reject_limit": {"duplicates": 1}}');
SELECT t.bad('{"reject_limit": {"null_keys": 1}}');
SELECT t.bad('{"reject_limit": {"rejected": 0, "duplicates": 2}, "duplicates": "reject"}');
-- Under "stop" as well: null keys and duplicates stop nothing else.
CALL t.write('trip.csv', E'id,name\na,A\nb,B\na,X\n,N\nb,B\n');
BEGIN;
SELECT syncup_prepare('G', 'complete', '{"on_error": "stop", "reject_limit": 2}') IS NOT NULL AS prepared;
ROLLBACK;
SELECT t.bad('{"on_error": "stop", "reject_limit": 1}');
SELECT t.bad('{"on_error": "stop", "reject_limit": {"null_keys": 0}}');
SELECT t.bad('{"on_error": "stop", "reject_limit": {"duplicates": 0}}');
-- In files of changes.
SELECT t.bad('{"reject_limit": 2}', 'incremental');
SELECT t.bad('{"reject_limit": {"null_keys": 0}}', 'incremental');
SELECT t.bad('{"reject_limit": {"rejected": 1}}', 'incremental');
-- Of syncup_read_csv, a number or "rejected".
SELECT t.error(format('SELECT * FROM syncup_read_csv(%L, %L) AS (id text, name int)', t.dir() || '/trip.csv', '{"on_error": "quarantine", "reject_limit": {"rejected": 1, "duplicates": 0}}'));
-- What is no limit.
SELECT t.bad(format('{"reject_limit": %s}', o)::jsonb) FROM unnest(ARRAY['{"reject": 1}', '{"rejected": -1}', '{"rejected": "1"}', '{"rejected": 1, "x": 1}', '[1]', 'true']) AS o;

\set end :srcdir '/include/end.sql'
\i :end
