-- From a queued batch to the targets (SPEC 5), thresholds (6), and what people
-- decide about a blocked batch: resume and discard.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

-- A connector with one mapping per test, by name; limits off unless asked for.
CREATE FUNCTION t.map(target regclass, key text, columns jsonb, options jsonb DEFAULT '{}', connector text DEFAULT 'C') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector(connector, t.dir());
	PERFORM syncup_map_entity_type(connector, 'm', target, 'm.csv', key, columns, options => options);
	PERFORM syncup_set_thresholds(connector, '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0,
		"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');
END
$$;
CREATE FUNCTION t.prepare(mode text, content text, connector text DEFAULT 'C') RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('m.csv', content);
	RETURN syncup_prepare(connector, mode);
END
$$;
-- One run: prepare and synchronize.
CREATE FUNCTION t.run(mode text, content text, keep_changes boolean DEFAULT false, force boolean DEFAULT false)
RETURNS TABLE (mode text, status text, inserted bigint, updated bigint, deleted bigint)
LANGUAGE sql AS $$
	SELECT t.prepare(mode, content);
	SELECT * FROM t.synchronize('C', force, keep_changes);
$$;
CREATE VIEW t.batches AS
SELECT mode, status, t.mask(error) AS error, sqlstate, forced, decision, reason, changes_kept AS kept FROM syncup.batch WHERE connector = 'C' ORDER BY seq;
CREATE FUNCTION t.waiting() RETURNS uuid
LANGUAGE sql AS $$ SELECT batch FROM syncup.batch WHERE status IN ('prepared', 'blocked', 'failed') AND prepared_at IS NOT NULL ORDER BY seq LIMIT 1 $$;
CREATE FUNCTION t.exceeded(batch uuid DEFAULT t.waiting())
RETURNS TABLE (mapping text, counter text, count bigint, maximum bigint, base bigint, percent numeric, max_percentage numeric)
LANGUAGE sql AS $$
	SELECT mapping, counter, count, maximum, base, percent, max_percentage
	FROM syncup.threshold_check c WHERE c.batch = exceeded.batch AND exceeded ORDER BY mapping NULLS FIRST, counter
$$;

-- The result's columns and those of the views.
SELECT attname, format_type(atttypid, NULL) AS type FROM pg_attribute WHERE attrelid = 'syncup.result'::regclass AND attnum > 0 ORDER BY attnum;
SELECT c.view, a.attname FROM (VALUES ('syncup.threshold_check'::regclass), ('syncup.quarantine'), ('syncup.status')) AS c (view)
JOIN pg_attribute a ON a.attrelid = c.view AND attnum > 0 ORDER BY c.view::text, attnum;

-- Initial: a straight load. No changes are kept, and no threshold applies.
CREATE TABLE target.person (id int PRIMARY KEY, name text, score numeric, at timestamptz, badge text DEFAULT 'new');
SELECT t.map('target.person', 'id', '{"id": "id", "name": "name", "score": "score", "at": "at"}');
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 1, "max_percentage_inserted_lines": 1}');
SELECT * FROM t.synchronize('C');
SELECT t.refused($$SELECT * FROM syncup_synchronize('c')$$);
SELECT t.refused($$SELECT * FROM syncup_synchronize(NULL)$$);
SELECT * FROM t.run('initial', E'id,name,score,at\n1,Ada,1.0,2026-01-01\n2,Bob,2,\n3,Cy,3,\n4,Di,,\n', true);
SELECT id, name, score, at AT TIME ZONE 'UTC' AS at, badge FROM target.person ORDER BY id;
SELECT count(*) FROM syncup_changes.c_m;
TABLE t.batches;
SELECT count(*), bool_or(exceeded) FROM syncup.threshold_check;
SELECT inserted, updated, deleted, orphans, stored_before FROM syncup.batch_counter;
SELECT at, id, name, score FROM syncup_previous.c_m ORDER BY id;
SELECT * FROM t.synchronize('C');
SELECT syncup_set_thresholds('C', '{"maximum_inserted_lines": 0, "max_percentage_inserted_lines": 0}');

-- Complete: values are compared by the types' equality, whatever the spelling.
SELECT * FROM t.run('complete', E'id,name,score,at\n1,Ada,1.00,2026-01-01 00:00\n2,Bob,2.0,\n03,Cy,3e0,\n4,Di,,\n');
SELECT at, id, name, score FROM syncup_previous.c_m ORDER BY id;
-- Changes: typed, with what they replace; only what differs.
SELECT * FROM t.run('complete', E'id,name,score,at\n1,Ada L.,1.5,2026-01-01T01:00:00+01\n3,,3,2026-02-01\n4,Di,0,\n5,Ed,5,2026-03-01 12:00\n', true);
SELECT command, changed, old, id, name, score, at AT TIME ZONE 'UTC' AS at FROM syncup_changes.c_m ORDER BY id;
SELECT * FROM syncup_changes((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1));
SELECT id, name, score, at AT TIME ZONE 'UTC' AS at, badge FROM target.person ORDER BY id;
SELECT kept FROM t.batches OFFSET 2;
SELECT count(*) FROM syncup_delta.c_m;
-- No-op: complete twice is once.
CREATE TABLE t.before AS SELECT ctid AS place, xmin::text AS writer, * FROM target.person;
SELECT * FROM t.run('complete', E'id,name,score,at\n1,Ada L.,1.5,2026-01-01T01:00:00+01\n3,,3,2026-02-01\n4,Di,0,\n5,Ed,5,2026-03-01 12:00\n');
SELECT count(*) AS rewritten FROM (SELECT ctid AS place, xmin::text, * FROM target.person EXCEPT TABLE t.before) AS r;
-- Drift: a target that somebody changed is repaired; columns that are not mapped are not touched.
UPDATE target.person SET name = 'Mallory', badge = 'mine' WHERE id = 1;
DELETE FROM target.person WHERE id = 3;
INSERT INTO target.person VALUES (9, 'Intruder');
UPDATE target.person SET badge = 'mine too' WHERE id = 4;
SELECT * FROM t.run('complete', E'id,name,score,at\n1,Ada L.,1.5,2026-01-01T01:00:00+01\n3,,3,2026-02-01\n4,Di,0,\n5,Ed,5,2026-03-01 12:00\n', true);
SELECT command, changed, old, id, name FROM syncup_changes.c_m WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY id;
SELECT id, name, badge FROM target.person ORDER BY id;
-- A row changed in the source and in the target to the same: no change. A row
-- that is there already: an update, and one that is gone already: nothing.
INSERT INTO target.person VALUES (6, 'six');
UPDATE target.person SET name = 'Edward' WHERE id = 5;
DELETE FROM target.person WHERE id = 4;
SELECT * FROM t.run('complete', E'id,name,score,at\n1,Ada L.,1.5,2026-01-01T01:00:00+01\n3,,3,2026-02-01\n5,Edward,5,2026-03-01 12:00\n6,Six,,\n');
SELECT id, name, badge FROM target.person ORDER BY id;
SELECT syncup_drop_connector('C');

-- When values differ: uuid in any case, json and xml as text, char(n), arrays; by text
-- under case-insensitive collations and in citext; NaN, intervals.
CREATE COLLATION t.nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE EXTENSION citext SCHEMA t;
CREATE TABLE target.types (id uuid PRIMARY KEY, j json, b jsonb, c char(5), a int[], n text COLLATE t.nocase, f float8, i interval, ci t.citext, p point, bool boolean);
SELECT t.map('target.types', 'id', '{"id": "id", "j": "j", "b": "b", "c": "c", "a": "a", "n": "n", "f": "f", "i": "i", "ci": "ci", "p": "p", "bool": "bool"}');
SELECT * FROM t.run('initial', E'id,j,b,c,a,n,f,i,ci,p,bool\n"{00000000-0000-0000-0000-00000000000A}","{""a"": 1}","{""a"":1,""b"":2}",x,"{1,2}",Name,NaN,1 day,City,"(1,2)",yes\n');
SELECT * FROM t.run('complete', E'id,j,b,c,a,n,f,i,ci,p,bool\n00000000-0000-0000-0000-00000000000a,"{""a"": 1}","{""b"": 2, ""a"": 1.0}","x  ","{1, 2}",NAME,nan,24:00,CITY,"(1.0,2)",t\n', true);
SELECT command, changed FROM syncup_changes.c_m ORDER BY command, id;
SELECT * FROM t.run('complete', E'id,j,b,c,a,n,f,i,ci,p,bool\n00000000-0000-0000-0000-00000000000a,"{""a"":1}","{""a"":1,""b"":3}",X,"{2,1}",Names,0,2 days,Towns,"(1,3)",f\n', true);
SELECT command, changed FROM syncup_changes.c_m ORDER BY command, id;
-- A key given in another spelling is no deletion; with other contents, an update.
SELECT * FROM t.run('complete', E'id,j,b,c,a,n,f,i,ci,p,bool\n00000000-0000-0000-0000-00000000000A,"{""a"":1}","{""a"":1,""b"":3}",X,"{2,1}",Names,0,2 days,Towns,"(1,3)",t\n', true);
SELECT command, changed, id FROM syncup_changes.c_m WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1);
SELECT id FROM syncup_previous.c_m;
-- Two keys that are one uuid: the first row counts.
SELECT * FROM t.run('complete', E'id,j,b,c,a,n,f,i,ci,p,bool\n00000000-0000-0000-0000-00000000000A,,,,,,,,,,\n00000000-0000-0000-0000-00000000000a,,,,,,,,,,\n');
SELECT status, error, sqlstate FROM t.batches OFFSET 4;
SELECT id, c FROM target.types;
SELECT syncup_drop_connector('C');
-- The same in an initial load.
TRUNCATE target.types;
SELECT t.map('target.types', 'id', '{"id": "id", "c": "c"}');
SELECT * FROM t.run('initial', E'id,c\n00000000-0000-0000-0000-00000000000A,a\n00000000-0000-0000-0000-00000000000a,b\n');
SELECT status, error, sqlstate FROM t.batches;
SELECT count(*) FROM target.types;
SELECT syncup_drop_connector('C');

-- Thresholds: exactly at a limit, and one above.
CREATE TABLE target.t (id int PRIMARY KEY, v text);
CREATE FUNCTION t.file(first int, last int, changed int DEFAULT 0) RETURNS text
LANGUAGE sql AS $$ SELECT E'id,v\n' || coalesce(string_agg(i || CASE WHEN i <= changed THEN ',new' ELSE ',old' END, E'\n' ORDER BY i), '') FROM generate_series(first, last) i $$;
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.run('initial', t.file(1, 100));
-- Tries a file with limits, and takes the batch back.
CREATE FUNCTION t.try(limits jsonb, content text, mapping_limits jsonb DEFAULT '{}') RETURNS TABLE (status text, mapping text, counter text, count bigint, maximum bigint, base bigint, percent numeric, max_percentage numeric)
LANGUAGE plpgsql AS $$
DECLARE
	zero jsonb := '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0, "max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}';
	batch uuid;
BEGIN
	PERFORM syncup_set_thresholds('C', zero || limits);
	PERFORM syncup_set_thresholds('C', zero || mapping_limits, 'm');
	batch := t.prepare('complete', content);
	SELECT s.status INTO status FROM syncup_synchronize('C') s;
	RETURN QUERY SELECT try.status, e.* FROM (SELECT) AS one LEFT JOIN t.exceeded(batch) e ON true;
	IF status = 'blocked' THEN
		PERFORM syncup_discard(batch);
	ELSE
		TRUNCATE target.t;
		INSERT INTO target.t SELECT i, 'old' FROM generate_series(1, 100) i;
	END IF;
END
$$;
SELECT * FROM t.try('{"maximum_deleted_lines": 5}', t.file(6, 100));
SELECT * FROM t.try('{"maximum_deleted_lines": 5}', t.file(7, 100));
SELECT * FROM t.try('{"maximum_inserted_lines": 5}', t.file(1, 105));
SELECT * FROM t.try('{"maximum_inserted_lines": 5}', t.file(1, 106));
SELECT * FROM t.try('{"maximum_updated_lines": 5}', t.file(1, 100, 5));
SELECT * FROM t.try('{"maximum_updated_lines": 5}', t.file(1, 100, 6));
SELECT * FROM t.try('{"max_percentage_deleted_lines": 5}', t.file(6, 100));
SELECT * FROM t.try('{"max_percentage_deleted_lines": 5}', t.file(7, 100));
SELECT * FROM t.try('{"max_percentage_deleted_lines": 5.9}', t.file(7, 100));
SELECT * FROM t.try('{"max_percentage_inserted_lines": 5}', t.file(1, 105));
SELECT * FROM t.try('{"max_percentage_inserted_lines": 5}', t.file(1, 106));
SELECT * FROM t.try('{"max_percentage_updated_lines": 5}', t.file(1, 100, 5));
SELECT * FROM t.try('{"max_percentage_updated_lines": 5}', t.file(1, 100, 6));
-- The kinds are never added together; 0 is off; all that is exceeded is shown.
SELECT * FROM t.try('{"maximum_deleted_lines": 5, "maximum_inserted_lines": 5, "maximum_updated_lines": 10}', t.file(6, 105, 15));
SELECT * FROM t.try('{}', t.file(90, 200, 95));
SELECT * FROM t.try('{"maximum_deleted_lines": 5, "maximum_inserted_lines": 5, "maximum_updated_lines": 5, "max_percentage_inserted_lines": 3, "max_percentage_updated_lines": 3, "max_percentage_deleted_lines": 100}', t.file(7, 104, 12));
-- A mapping's own limits; the connector's are not raised by them.
SELECT * FROM t.try('{}', t.file(7, 100), '{"maximum_deleted_lines": 5, "max_percentage_deleted_lines": 6}');
SELECT * FROM t.try('{"maximum_deleted_lines": 5}', t.file(7, 100), '{"maximum_deleted_lines": 50}');
SELECT * FROM t.try('{"maximum_deleted_lines": 5}', t.file(7, 100), '{"maximum_deleted_lines": 5}');
-- Every counter is in the check, also those within limits. What was checked
-- stays true when limits change later.
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 5, "max_percentage_updated_lines": 7}');
SELECT * FROM t.run('complete', t.file(3, 100, 3), true);
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');
SELECT mapping, counter, count, maximum, base, percent, max_percentage, exceeded FROM syncup.threshold_check
WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1) ORDER BY mapping NULLS FIRST, counter;
SELECT syncup_drop_connector('C');

-- Sums over the mappings of a connector.
CREATE TABLE target.u (id int PRIMARY KEY, v text);
TRUNCATE target.t;
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_map_entity_type('C', 'n', 'target.u', 'm.csv', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.run('initial', t.file(1, 100));
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 9}');
SELECT * FROM t.run('complete', t.file(6, 100));
SELECT * FROM t.exceeded();
SELECT status, length(syncup.what_exceeds(batch)) > 0 AS exceeds, syncup.what_exceeds(batch) FROM syncup.batch WHERE status = 'blocked';
SELECT connector, last_mode, last_status, queue_length, blocked = t.waiting() AS blocked, last_batch = t.waiting() AS last, needs_complete, last_success < now() + interval '1 min' AS success, age < interval '1 hour' AS age FROM syncup.status;
SELECT syncup_drop_connector('C');

-- The first complete run into an empty target blocks by design.
TRUNCATE target.t;
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'm', 'target.t', 'm.csv', 'id', '{"id": "id", "v": "v"}');
SELECT * FROM t.run('complete', t.file(1, 1));
SELECT * FROM t.exceeded();
-- Blocked: the changes stay, and nothing else is written. It is returned again,
-- and stays; force does not change a batch that was reviewed, resume does.
SELECT count(*) FROM target.t;
SELECT count(*) FROM syncup_previous.c_m;
SELECT command, id, v FROM syncup_changes.c_m;
SELECT * FROM syncup_changes(t.waiting());
SELECT * FROM t.synchronize('C');
SELECT count(*) FROM syncup_changes.c_m;
SELECT t.refused($$SELECT syncup_prepare('C', 'incremental')$$);
SELECT t.refused($$SELECT syncup_prepare('C', 'initial')$$);
-- Resume applies what was reviewed, for this batch alone.
SELECT t.waiting() AS batch \gset
SELECT mode, status, inserted, updated, deleted FROM syncup_resume(:'batch');
SELECT decision, decided_by = current_user AS by_me, decided_at <= clock_timestamp() AS decided, status FROM syncup.batch;
TABLE target.t;
SELECT v, id FROM syncup_previous.c_m;
SELECT count(*) FROM syncup_changes.c_m;
SELECT count(*) FROM syncup_delta.c_m;
SELECT t.error(format('SELECT syncup_resume(%L)', :'batch'));
SELECT t.error(format('SELECT syncup_discard(%L)', :'batch'));
SELECT t.error($$SELECT syncup_resume('00000000-0000-0000-0000-000000000000')$$);
SELECT t.error($$SELECT syncup_discard('00000000-0000-0000-0000-000000000000')$$);
SELECT t.error($$SELECT syncup_resume(NULL)$$);
SELECT t.error($$SELECT syncup_discard(NULL)$$);
-- Forced: waived, but recorded.
SELECT t.prepare('complete', t.file(1, 3)) AS batch \gset
SELECT batch = :'batch' AS same_batch, connector, mode, status, inserted, updated, deleted, links_inserted, links_deleted, orphans, elapsed > interval '0' AND elapsed < interval '1 min' AS elapsed
FROM syncup_synchronize('C', force => true);
SELECT mode, status, forced FROM t.batches;
SELECT * FROM t.exceeded((SELECT batch FROM syncup.batch WHERE forced));
-- Discard: the changes go, previous and target stay, a corrected file gives the right difference.
SELECT * FROM t.run('complete', E'id,v\n');
SELECT syncup_discard(t.waiting(), 'export was cut');
SELECT mode, status, decision, reason FROM t.batches OFFSET 2;
SELECT (SELECT count(*) FROM target.t) AS target, (SELECT count(*) FROM syncup_previous.c_m) AS previous, (SELECT count(*) FROM syncup_changes.c_m) AS changes, (SELECT count(*) FROM syncup_delta.c_m) AS delta;
SELECT needs_complete FROM syncup.connector;
SELECT * FROM t.synchronize('C');
SELECT syncup_set_thresholds('C', '{"max_percentage_inserted_lines": 50}');
SELECT * FROM t.run('complete', t.file(1, 4));
-- A prepared batch can be discarded too.
SELECT t.prepare('complete', t.file(1, 5)) AS batch \gset
SELECT syncup_discard(:'batch');
SELECT * FROM t.synchronize('C');
-- A complete takes the place of a blocked batch.
SELECT * FROM t.run('complete', E'id,v\n');
SELECT t.waiting() AS batch \gset
SELECT * FROM t.run('complete', t.file(1, 5));
SELECT status, decision FROM syncup.batch WHERE batch = :'batch';
SELECT t.error(format('SELECT syncup_resume(%L)', :'batch'));
SELECT mode, status FROM t.batches;
-- Resume compares each stored change with the target as it is: what is so
-- already needs nothing; what somebody changed since is refused, naming the row.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.run('complete', t.file(2, 6, 4));
UPDATE target.t SET v = 'new' WHERE id = 2;
DELETE FROM target.t WHERE id = 1;
INSERT INTO target.t VALUES (6, 'old');
SELECT t.waiting() AS batch \gset
SELECT status FROM syncup_resume(:'batch');
SELECT * FROM target.t ORDER BY id;
SELECT * FROM t.run('complete', t.file(2, 6, 6));
SELECT t.waiting() AS batch \gset
UPDATE target.t SET v = 'Mallory' WHERE id = 5;
SELECT string_agg(line, ' ') ~ '\m5\M' AS names_the_row, string_agg(line, ' ') ~ 'CHANGED' AS changed
FROM t.refused(format('SELECT syncup_resume(%L)', :'batch')) AS line;
SELECT status FROM syncup.batch WHERE batch = :'batch';
SELECT v FROM target.t WHERE id IN (4, 5, 6) ORDER BY id;
SELECT status FROM syncup_resume(:'batch', force => true);
SELECT * FROM target.t ORDER BY id;
SELECT syncup_drop_connector('C');

-- A violated constraint fails the batch: nothing applied, and it is said why; the
-- next synchronize tries again.
CREATE TABLE target.fail (id int PRIMARY KEY, v text CONSTRAINT no_bad CHECK (v <> 'bad'), parent int CONSTRAINT has_parent REFERENCES target.fail DEFERRABLE INITIALLY DEFERRED);
SELECT t.map('target.fail', 'id', '{"id": "id", "v": "v", "parent": "parent"}');
SELECT * FROM t.run('initial', E'id,v,parent\n1,a,2\n2,b,\n');
SELECT * FROM t.run('complete', E'id,v,parent\n1,A,2\n2,bad,\n3,c,1\n');
SELECT status, error, sqlstate FROM t.batches OFFSET 1;
SELECT synchronized_by = current_user AS by_me, synchronized_at <= clock_timestamp() AS at FROM syncup.batch WHERE status = 'failed';
SELECT last_status, queue_length, blocked FROM syncup.status;
SELECT * FROM target.fail ORDER BY id;
SELECT id, v FROM syncup_previous.c_m ORDER BY id;
SELECT count(*) FROM syncup_changes.c_m;
SELECT * FROM t.synchronize('C');
ALTER TABLE target.fail DROP CONSTRAINT no_bad;
SELECT * FROM t.synchronize('C');
SELECT status, error, sqlstate FROM t.batches OFFSET 1;
SELECT * FROM target.fail ORDER BY id;
-- A deferred constraint speaks before the commit, while it can still be recorded.
SELECT * FROM t.run('complete', E'id,v,parent\n1,A,99\n2,bad,\n3,c,1\n');
SELECT status, error ~ 'mapping "m"' AS names_mapping, error ~ 'has_parent' AS names_constraint, sqlstate FROM t.batches OFFSET 2;
SELECT * FROM target.fail ORDER BY id;
-- A null where none may be, a trigger that objects, a trigger that keeps a row.
ALTER TABLE target.fail ALTER v SET NOT NULL;
SELECT * FROM t.run('complete', E'id,v,parent\n1,,2\n2,bad,\n3,c,1\n');
SELECT status, error, sqlstate FROM t.batches OFFSET 3;
CREATE FUNCTION t.object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.v = 'object' THEN RAISE 'I object' USING HINT = 'Do not.'; END IF; IF NEW.v = 'skip' THEN RETURN NULL; END IF; NEW.v := upper(NEW.v); RETURN NEW; END $$;
CREATE TRIGGER object BEFORE INSERT OR UPDATE ON target.fail FOR EACH ROW EXECUTE FUNCTION t.object();
SELECT * FROM t.run('complete', E'id,v,parent\n1,A,2\n2,object,\n3,c,1\n');
SELECT status, error, sqlstate FROM t.batches OFFSET 4;
SELECT * FROM t.run('complete', E'id,v,parent\n1,A,2\n2,skip,\n3,c,1\n');
SELECT status, error, sqlstate FROM t.batches OFFSET 5;
SELECT * FROM target.fail ORDER BY id;
-- Triggers fire.
SELECT * FROM t.run('complete', E'id,v,parent\n1,A,2\n2,bad,\n3,C,1\n4,d,3\n');
SELECT * FROM target.fail ORDER BY id;
SELECT syncup_drop_connector('C');
-- A target emptied or filled behind its back, a column gone: failed, not applied.
CREATE TABLE target.gone (id int PRIMARY KEY, v text, w text);
SELECT t.map('target.gone', 'id', '{"id": "id", "v": "v"}');
SELECT t.prepare('initial', E'id,v\n1,a\n') IS NOT NULL AS prepared;
INSERT INTO target.gone VALUES (5);
SELECT * FROM t.synchronize('C');
SELECT status, error, sqlstate FROM t.batches;
DELETE FROM target.gone;
ALTER TABLE target.gone RENAME v TO x;
SELECT * FROM t.synchronize('C');
SELECT status, error, sqlstate FROM t.batches;
ALTER TABLE target.gone RENAME x TO v;
SELECT * FROM t.synchronize('C');
SELECT syncup_drop_connector('C');
-- A value that the type took when it was prepared, and does not now.
CREATE DOMAIN t.short AS text;
CREATE TABLE target.domain (id int PRIMARY KEY, v t.short);
SELECT t.map('target.domain', 'id', '{"id": "id", "v": "v"}');
SELECT t.prepare('complete', E'id,v\n1,SECRET\n') IS NOT NULL AS prepared;
ALTER DOMAIN t.short ADD CONSTRAINT shorter CHECK (length(value) < 4);
SELECT * FROM t.synchronize('C');
SELECT status, error, sqlstate FROM t.batches;
SELECT syncup_drop_connector('C');

-- Targets of other kinds: partitioned, with identity columns, generated ones,
-- row-level security, names that need quotes, in another schema, a key that is
-- not the first column, and one that is the only one.
CREATE TABLE target.parted (at date, id text NOT NULL COLLATE "C", v text) PARTITION BY LIST (id);
CREATE TABLE target.parted_a PARTITION OF target.parted (PRIMARY KEY (id)) FOR VALUES IN ('a', 'b');
CREATE TABLE target.parted_rest PARTITION OF target.parted (PRIMARY KEY (id)) DEFAULT;
ALTER TABLE target.parted ADD UNIQUE (id);
SELECT t.map('target.parted', 'k', '{"k": "id", "v": "v", "at": "at"}');
SELECT * FROM t.run('initial', E'v,at,k\n1,2026-01-01,a\n2,,z\n');
SELECT * FROM t.run('complete', E'v,at,k\n1,2026-01-02,a\n2,,b\n3,,y\n');
SELECT tableoid::regclass, * FROM target.parted ORDER BY id;
SELECT syncup_drop_connector('C');
CREATE TABLE target.identity (id bigint GENERATED ALWAYS AS IDENTITY, code text PRIMARY KEY, twice text GENERATED ALWAYS AS (code || code) STORED);
SELECT t.map('target.identity', 'code', '{"code": "code"}');
SELECT * FROM t.run('initial', E'code\nx\ny\n');
SELECT * FROM t.run('complete', E'code\ny\nz\n', true);
SELECT * FROM target.identity ORDER BY id;
SELECT command, changed, old, code FROM syncup_changes.c_m ORDER BY code;
SELECT * FROM syncup_changes((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1));
SELECT syncup_drop_connector('C');
TRUNCATE target.identity;
SELECT t.map('target.identity', 'code', '{"code": "code", "id": "id"}');
SELECT * FROM t.run('initial', E'id,code\n70,x\n80,y\n');
SELECT * FROM target.identity ORDER BY id;
SELECT syncup_drop_connector('C');
CREATE SCHEMA "Other ""Schema""";
CREATE TABLE "Other ""Schema"""."Select" ("from" text PRIMARY KEY, "a.b" text);
SELECT t.map('"Other ""Schema"""."Select"', 'x', '{"x": "from", "y": "a.b"}');
SELECT * FROM t.run('complete', E'x,y\n1,a\n2,b\n');
SELECT * FROM t.run('complete', E'x,y\n1,b\n3,c\n', true);
SELECT * FROM "Other ""Schema"""."Select" ORDER BY 1;
SELECT * FROM syncup_changes((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1));
SELECT syncup_drop_connector('C');
DROP TABLE "Other ""Schema"""."Select";
DROP SCHEMA "Other ""Schema""";

-- Unique columns that swap their values, and a tree of which the leaves and the
-- root come and go: the order of writing does not matter where constraints wait.
CREATE TABLE target.tree (id int PRIMARY KEY, parent int REFERENCES target.tree DEFERRABLE INITIALLY DEFERRED, code text UNIQUE DEFERRABLE);
SELECT t.map('target.tree', 'id', '{"id": "id", "parent": "parent", "code": "code"}');
SELECT * FROM t.run('initial', E'id,parent,code\n1,9,a\n9,5,b\n5,,c\n');
SELECT * FROM t.run('complete', E'id,parent,code\n1,9,b\n9,7,a\n7,,c\n');
SELECT * FROM t.run('complete', E'id,parent,code\n');
SELECT count(*) FROM target.tree;
SELECT syncup_drop_connector('C');
-- Two mappings of which one refers to the other: inserted in their order, deleted in reverse.
CREATE TABLE target.dept (id int PRIMARY KEY);
CREATE TABLE target.emp (id int PRIMARY KEY, dept int NOT NULL REFERENCES target.dept);
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'dept', 'target.dept', 'dept.csv', 'id', '{"id": "id"}');
SELECT syncup_map_entity_type('C', 'emp', 'target.emp', 'm.csv', 'id', '{"id": "id", "dept": "dept"}');
CALL t.write('dept.csv', E'id\n1\n2\n');
SELECT * FROM t.run('initial', E'id,dept\n10,1\n20,2\n');
CALL t.write('dept.csv', E'id\n1\n3\n');
SELECT * FROM t.run('complete', E'id,dept\n10,1\n30,3\n', false, true);
SELECT * FROM target.emp ORDER BY id;
CALL t.write('dept.csv', E'id\n');
SELECT * FROM t.run('complete', E'id,dept\n', false, true);
SELECT syncup_drop_connector('C');

-- Several rounds against the truth: whatever came before, after a complete run
-- target and previous are the file.
TRUNCATE target.t;
SELECT t.map('target.t', 'id', '{"id": "id", "v": "v"}');
SELECT setseed(0.5);
DO $$
DECLARE
	content text;
	differences bigint;
BEGIN
	FOR round IN 1..30 LOOP
		SELECT E'id,v\n' || string_agg(i || ',' || (random() * 3)::int, E'\n' ORDER BY random()) INTO content
		FROM generate_series(1, 40) i WHERE random() < 0.7;
		PERFORM t.prepare('complete', content);
		-- somebody else at work
		DELETE FROM target.t WHERE random() < 0.1;
		UPDATE target.t SET v = NULL WHERE random() < 0.1;
		INSERT INTO target.t SELECT i, 'x' FROM generate_series(1, 60) i WHERE random() < 0.05 ON CONFLICT DO NOTHING;
		IF (SELECT status FROM syncup_synchronize('C')) <> 'applied' THEN
			RAISE 'round % was not applied', round;
		END IF;
		SELECT count(*) INTO differences FROM (
			SELECT * FROM target.t FULL JOIN syncup_read_csv(t.dir() || '/m.csv') AS f (id int, v text) USING (id)
			WHERE t.v IS DISTINCT FROM f.v OR t.* IS NULL OR f.* IS NULL) AS d;
		IF differences > 0 THEN
			RAISE 'round %: % differences to the target', round, differences;
		END IF;
		SELECT count(*) INTO differences FROM syncup_previous.c_m p FULL JOIN target.t ON p.id = t.id::text WHERE p.v IS DISTINCT FROM t.v OR p.id IS NULL OR t.id IS NULL;
		IF differences > 0 THEN
			RAISE 'round %: % differences to previous', round, differences;
		END IF;
	END LOOP;
END
$$;

\set end :srcdir '/include/end.sql'
\i :end
