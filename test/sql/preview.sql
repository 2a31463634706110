-- syncup_preview: what a run would do, by the same code, leaving no trace (SPEC 2.2).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

CREATE TABLE target.person (id int PRIMARY KEY, name text CONSTRAINT good CHECK (name <> 'bad'));
CREATE TABLE target.unit (code text PRIMARY KEY, title text);
SELECT syncup_create_connector('HR', t.dir());
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_entity_type('HR', 'unit', 'target.unit', 'unit.csv', 'code', '{"code": "code", "title": "title"}');
SELECT syncup_set_thresholds('HR', '{"maximum_inserted_lines": 3, "maximum_updated_lines": 2, "maximum_deleted_lines": 2, "max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 90, "max_percentage_deleted_lines": 0}');
SELECT syncup_set_thresholds('HR', '{"maximum_deleted_lines": 1}', 'unit');
-- A preview, and the tables that it changed.
CREATE FUNCTION t.preview(mode text) RETURNS TABLE (mapping text, counter text, count bigint, maximum bigint, base bigint, percent numeric, max_percentage numeric, exceeded boolean)
LANGUAGE plpgsql AS $$
DECLARE
	before text[] := ARRAY(SELECT s::text FROM t.snapshot() s);
	batches bigint := (SELECT count(*) FROM syncup_preview('HR', mode) WHERE batch IS NOT NULL);
BEGIN
	RETURN QUERY SELECT p.mapping, p.counter, p.count, p.maximum, p.base, p.percent, p.max_percentage, p.exceeded FROM syncup_preview('HR', mode) p ORDER BY p.mapping NULLS FIRST, p.counter;
	IF batches > 0 THEN
		RAISE 'it names a batch';
	END IF;
	IF EXISTS (SELECT FROM t.snapshot() s WHERE s::text <> ALL (before)) THEN
		RAISE 'it left a trace: %', (SELECT string_agg(name, ', ') FROM t.snapshot() s WHERE s::text <> ALL (before));
	END IF;
END
$$;
-- A preview and the run that follows: how many checks, and how many are not the same.
CREATE FUNCTION t.differs(mode text, OUT checks bigint, OUT different bigint, OUT would_block boolean, OUT statuses text) RETURNS record
LANGUAGE plpgsql AS $$
DECLARE
	shown uuid;
BEGIN
	CREATE TEMP TABLE preview AS SELECT * FROM t.preview(mode);
	PERFORM syncup_prepare('HR', mode);
	SELECT string_agg(r.status, ' '), (array_agg(r.batch))[count(*)] INTO statuses, shown FROM syncup_synchronize('HR') r;
	SELECT count(*), bool_or(p.exceeded) INTO checks, would_block FROM preview p;
	SELECT count(*) INTO different FROM (
		SELECT p.mapping, p.counter, p.count, p.maximum, p.base, p.percent, p.max_percentage, p.exceeded FROM preview p
		EXCEPT ALL
		SELECT c.mapping, c.counter, c.count, c.maximum, c.base, c.percent, c.max_percentage, c.exceeded FROM syncup.threshold_check c WHERE c.batch = shown) AS d;
	DROP TABLE preview;
END
$$;

-- Its columns are those of the view.
SELECT string_agg(attname, ', ' ORDER BY attnum) AS columns FROM pg_attribute WHERE attrelid = 'syncup.threshold_check'::regclass AND attnum > 0;

-- Initial: limits do not apply.
CALL t.write('person.csv', E'id,name\n1,a\n2,b\n3,c\n4,d\n5,e\n');
CALL t.write('unit.csv', E'code,title\nu,U\nv,V\n');
SELECT mapping, counter, count, base, exceeded FROM t.preview('initial') WHERE counter = 'inserted_lines';
SELECT bool_or(exceeded) AS would_block FROM t.preview('initial');
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'incremental')$$);
SELECT * FROM t.differs('initial');
SELECT count(*) FROM target.person;
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'initial')$$);

-- Complete and incremental, below the limits and beyond: of the connector and of one
-- mapping. Each time what the run then does.
CALL t.write('person.csv', E'id,name\n1,A\n2,b\n3,c\n4,d\n6,f\n');
CALL t.write('unit.csv', E'code,title\nu,U\nv,V!\n');
SELECT * FROM t.preview('complete');
SELECT * FROM t.preview('incremental');
SELECT name FROM target.person WHERE id = 1;
SELECT * FROM t.differs('incremental');
CALL t.write('person.csv', E'id,name\n1,a\n2,B\n3,C\n4,d\n5,e\n6,f\n7,g\n8,h\n9,i\n10,j\n');
SELECT * FROM t.differs('incremental');
-- Blocked: refused, until a complete run takes its place, which a preview does only
-- for itself.
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'incremental')$$);
CALL t.write('person.csv', E'id,name\n1,A\n2,b\n3,c\n');
CALL t.write('unit.csv', E'code,title\n');
SELECT counter, mapping, count, maximum FROM t.preview('complete') WHERE exceeded;
SELECT mode, status, (SELECT count(*) FROM syncup_changes.hr_person c WHERE c.batch = b.batch) AS changes FROM syncup.batch b ORDER BY seq DESC LIMIT 1;
SELECT * FROM t.differs('complete');
CALL t.write('person.csv', E'id,name\n1,A\n2,b\n3,c\n4,d\n6,f\n');
CALL t.write('unit.csv', E'code,title\nu,U\nv,V!\n');
SELECT * FROM t.differs('complete');
-- Drift is what a complete one finds, and no incremental one.
UPDATE target.person SET name = 'drift' WHERE id = 1;
INSERT INTO target.person VALUES (99, 'drift');
SELECT sum(count) FROM t.preview('incremental');
SELECT mapping, counter, count, base FROM t.preview('complete') WHERE count > 0;
SELECT * FROM t.differs('complete');

-- With a queue: the numbers are those of the new batch, after the others; where one
-- of them would block first, those of that one.
CALL t.write('person.csv', E'id,name\n1,A\n2,b\n3,c\n4,d\n6,f\n7,g\n8,h\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
CALL t.write('person.csv', E'id,name\n1,A\n2,b\n3,c\n4,D\n6,f\n7,g\n8,h\n9,i\n');
SELECT mapping, counter, count, base FROM t.preview('incremental') WHERE mapping IS NULL;
SELECT count(*) FROM target.person;
SELECT mode, status FROM syncup.batch ORDER BY seq DESC LIMIT 2;
SELECT * FROM t.differs('incremental');
CALL t.write('person.csv', E'id,name\n1,A\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
CALL t.write('person.csv', E'id,name\n1,A!\n');
SELECT mapping, counter, count, maximum, exceeded FROM t.preview('incremental') WHERE mapping IS NULL;
SELECT * FROM t.differs('incremental');
SELECT mode, status FROM syncup.batch ORDER BY seq DESC LIMIT 2;
SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'blocked';

-- Files of changes.
SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'id', '{"id": "id", "name": "name"}', options => '{"command_column": "op", "incremental_file": "changes.csv", "on_error": "quarantine"}');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('HR', force => true);
CALL t.write('changes.csv', E'op,id,name\ninsert,2,b\nupdate,9,x\nupdate,1,a\n');
SELECT mapping, counter, count FROM t.preview('incremental') WHERE mapping = 'person';
-- A bad row without a key: said, but neither recorded nor asked for.
CALL t.write('changes.csv', E'op,id,name\ndelete,1,\n"x"y,2,b\n');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT sum(count) FROM syncup_preview('HR', 'incremental')"
SELECT needs_complete, queue_length FROM syncup.status;
SELECT count(*) FROM syncup.quarantine;

-- What fails, fails as the run would: the file, the target's constraint is not
-- looked at, since nothing is written.
CALL t.write('changes.csv', E'op,id,name\n');
CALL t.shell('rm person.csv');
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'complete')$$);
CALL t.write('person.csv', E'id,name\n1,bad\n');
SELECT mapping, counter, count FROM t.preview('complete') WHERE count > 0;
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'total')$$);
SELECT t.refused($$SELECT * FROM syncup_preview('OTHER', 'complete')$$);
SELECT t.refused($$SELECT * FROM syncup_preview('hr', 'complete')$$) LIMIT 1;
SELECT count(*) FROM syncup_preview(NULL, 'complete');

-- A batch ahead that cannot be applied is where the run would end.
CALL t.write('changes.csv', E'op,id,name\ninsert,5,bad\n');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
CALL t.write('changes.csv', E'op,id,name\nupdate,1,x\n');
SELECT bool_or(line ~ '^no error') AS passes, bool_or(line ~ '^CHANGED') AS leaves_a_trace FROM t.refused($$SELECT * FROM syncup_preview('HR', 'incremental')$$) AS line;
SELECT * FROM t.synchronize('HR');
SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1;
SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'failed';
CALL t.write('person.csv', E'id,name\n1,A\n');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('HR', force => true);
CALL t.write('changes.csv', E'op,id,name\n');

-- In a transaction that has done something, and goes on.
BEGIN;
UPDATE target.person SET name = 'mine' WHERE id = 1;
SELECT count(*) FROM syncup_preview('HR', 'complete');
SELECT name FROM target.person WHERE id = 1;
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
COMMIT;
SELECT mode, status FROM syncup.batch ORDER BY seq DESC LIMIT 1;
-- Nothing is held after it: another session may work.
SELECT count(*) FROM syncup_preview('HR', 'complete');
\! sh $PG_ABS_SRCDIR/include/psql "SELECT status FROM syncup_synchronize('HR')"
-- Triggers of the target do not fire.
CREATE FUNCTION t.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
CREATE TRIGGER fire BEFORE INSERT OR UPDATE OR DELETE ON target.person FOR EACH STATEMENT EXECUTE FUNCTION t.fire();
CALL t.write('person.csv', E'id,name\n1,new\n3,c\n');
SELECT mapping, counter, count FROM t.preview('complete') WHERE count > 0;

\set end :srcdir '/include/end.sql'
\i :end
