-- What stops a batch (SPEC 5.5): it fails as a whole, says why, and is tried again.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

-- Two mappings: the first is applied, then the second one fails.
CREATE TABLE target.dept (id int PRIMARY KEY, name text);
CREATE TABLE target.emp (id int PRIMARY KEY, v text CONSTRAINT emp_v CHECK (v <> 'bad'), u text CONSTRAINT emp_u UNIQUE, dept int CONSTRAINT emp_dept REFERENCES target.dept, boss int CONSTRAINT emp_boss REFERENCES target.emp DEFERRABLE INITIALLY DEFERRED, n int, must text DEFAULT 'x' CONSTRAINT emp_must NOT NULL, EXCLUDE USING gist (box(point(n, n), point(n, n)) WITH &&) DEFERRABLE INITIALLY DEFERRED);
SELECT syncup_create_connector('C', t.dir());
SELECT syncup_map_entity_type('C', 'dept', 'target.dept', 'dept.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_entity_type('C', 'emp', 'target.emp', 'm.csv', 'id', '{"id": "id", "v": "v", "u": "u", "dept": "dept", "boss": "boss", "n": "n", "must": "must"}');
SELECT t.unlimited();
CALL t.write('dept.csv', E'id,name\n1,one\n2,two\n');
SELECT * FROM t.go('initial', E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,b,2,1,2,x\n');
CREATE TABLE t.good AS SELECT * FROM t.snapshot() WHERE name ~ '^(target|syncup_previous)';
-- Every failing batch also changes the other mapping: all of it is undone. What was right
-- before stays right; the batch keeps its place, and the next synchronize tries it again.
CREATE FUNCTION t.fails(content text, dept text DEFAULT E'id,name\n1,ONE\n2,two\n3,three\n') RETURNS TABLE (status text, error text, nothing_applied boolean, again text, change_rows bigint)
LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
BEGIN
	CALL t.write('dept.csv', dept);
	id := t.prepare('complete', content);
	status := t.apply();
	SELECT t.mask(format('%s %s', b.sqlstate, b.error)) INTO fails.error FROM syncup.batch b WHERE batch = id;
	nothing_applied := NOT EXISTS ((SELECT * FROM t.snapshot() WHERE name ~ '^(target|syncup_previous)') EXCEPT TABLE t.good);
	again := t.apply();
	SELECT count(*) INTO change_rows FROM (SELECT FROM syncup_changes.c_dept UNION ALL SELECT FROM syncup_changes.c_emp) AS c;
	RETURN NEXT;
END
$$;
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,bad,a,1,,1,x\n2,b,b,2,1,2,x\n') \gx
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,b,2,1,2,x\n3,bad,c,1,,3,x\n') \gx
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,a,2,1,2,x\n') \gx
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,b,77,1,2,x\n') \gx
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,b,2,1,2,x\n', E'id,name\n1,one\n') \gx
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,b,2,1,2,\n') \gx
-- Constraints that wait are seen before the end, and named with their mapping too.
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,b,2,77,2,x\n') \gx
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n2,b,b,2,1,2,x\n') \gx
SELECT * FROM t.fails(E'id,v,u,dept,boss,n,must\n1,a,a,1,,1,x\n2,b,b,2,1,1,x\n') \gx
-- A trigger, before and after, a constraint trigger that waits; errors of any kind.
CREATE FUNCTION t.object() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	IF NEW.v = TG_ARGV[0] THEN
		RAISE 'I object to %', NEW.id USING ERRCODE = 'check_violation', HINT = 'Do not.';
	END IF;
	IF NEW.v = 'zero' THEN
		NEW.n := 1 / 0;
	END IF;
	RETURN NEW;
END
$$;
CREATE TRIGGER object_before BEFORE INSERT OR UPDATE ON target.emp FOR EACH ROW EXECUTE FUNCTION t.object('before');
CREATE TRIGGER object_after AFTER INSERT OR UPDATE ON target.emp FOR EACH ROW EXECUTE FUNCTION t.object('after');
CREATE CONSTRAINT TRIGGER object_late AFTER INSERT OR UPDATE ON target.emp DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION t.object('late');
SELECT v, f.* FROM unnest('{before,after,late,zero}'::text[]) WITH ORDINALITY AS u (v, o), LATERAL t.fails(format(E'id,v,u,dept,boss,n,must\n1,%s,a,1,,1,x\n2,b,b,2,1,2,x\n', v)) f ORDER BY o \gx
DROP TRIGGER object_before ON target.emp;
DROP TRIGGER object_after ON target.emp;
DROP TRIGGER object_late ON target.emp;
-- A statement timeout while it is applied: failed and recorded, and the session goes on.
CREATE FUNCTION t.slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
CREATE TRIGGER slow BEFORE UPDATE ON target.emp FOR EACH ROW EXECUTE FUNCTION t.slow();
CALL t.write('dept.csv', E'id,name\n1,ONE\n2,two\n');
SELECT t.prepare('complete', E'id,v,u,dept,boss,n,must\n1,A,a,1,,1,x\n2,b,b,2,1,2,x\n') IS NULL AS prepared;
SET statement_timeout = '2s';
SELECT t.apply();
RESET statement_timeout;
SELECT t.failure();
SELECT count(*) AS different FROM ((SELECT * FROM t.snapshot() WHERE name ~ '^(target|syncup_previous)') EXCEPT TABLE t.good) AS d;
-- The reason gone, the same batch is applied; once.
DROP TRIGGER slow ON target.emp;
SELECT t.apply();
SELECT status, sqlstate, error FROM syncup.batch WHERE batch = t.last();
SELECT t.apply();
TABLE target.dept ORDER BY id;
SELECT id, v FROM target.emp ORDER BY id;
-- A lock that somebody holds: with a lock timeout the batch fails, and is applied afterwards.
\! (psql -X -q -c "BEGIN; LOCK TABLE target.emp IN EXCLUSIVE MODE" -c "SELECT pg_sleep(60)" >/dev/null 2>&1 &)
SELECT t.prepare('complete', E'id,v,u,dept,boss,n,must\n1,AA,a,1,,1,x\n2,b,b,2,1,2,x\n') IS NULL AS prepared;
DO $$
BEGIN
	FOR i IN 1..1000 LOOP
		EXIT WHEN EXISTS (SELECT FROM pg_locks WHERE relation = 'target.emp'::regclass AND mode = 'ExclusiveLock' AND granted);
		PERFORM pg_sleep(0.01);
	END LOOP;
END
$$;
SET lock_timeout = '100ms';
SELECT t.apply();
RESET lock_timeout;
SELECT t.failure();
SELECT count(pg_terminate_backend(pid, 10000)) AS gone FROM pg_locks WHERE relation = 'target.emp'::regclass AND mode = 'ExclusiveLock';
SELECT t.apply();
SELECT id, v FROM target.emp ORDER BY id;

-- A failed batch keeps its place: those behind it wait, an incremental one may join them.
SELECT t.prepare('complete', E'id,v,u,dept,boss,n,must\n1,bad,a,1,,1,x\n2,b,b,2,1,2,x\n') IS NULL AS prepared;
SELECT t.apply();
SELECT t.prepare('incremental', E'id,v,u,dept,boss,n,must\n1,good,a,1,,1,x\n2,b,b,2,1,2,x\n') IS NULL AS prepared;
SELECT t.apply();
SELECT last_status, queue_length, blocked FROM syncup.status;
SELECT n, mode, status FROM t.batches ORDER BY n DESC LIMIT 2;
ALTER TABLE target.emp DROP CONSTRAINT emp_v;
SELECT t.apply();
SELECT id, v FROM target.emp ORDER BY id;
ALTER TABLE target.emp ADD CONSTRAINT emp_v CHECK (v <> 'bad');

-- syncup_run records a failure of either half, then raises it.
CREATE TABLE t.seen AS SELECT batch FROM syncup.batch;
CALL t.write('m.csv', E'id,v,u,dept,boss,n,must\n1,bad,a,1,,1,x\n2,b,b,2,1,2,x\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
CALL t.write('m.csv', E'id,v,u,dept,boss,n,must\nx,bad,a,1,,1,x\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'initial')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'nothing')"
SELECT mode, status, sqlstate, t.mask(error) AS error, prepared_at IS NOT NULL AS prepared, synchronized_by = current_user AS by_me FROM syncup.batch WHERE batch NOT IN (TABLE t.seen) ORDER BY seq;
-- What could not even be prepared does not wait; what was prepared does.
SELECT queue_length FROM syncup.status;
SELECT t.refused(format('SELECT syncup_discard(%L)', (SELECT batch FROM syncup.batch WHERE status = 'failed' AND prepared_at IS NULL ORDER BY seq LIMIT 1)));
CALL t.write('m.csv', E'id,v,u,dept,boss,n,must\n1,fine,a,1,,1,x\n2,b,b,2,1,2,x\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'complete')"
SELECT id, v FROM target.emp ORDER BY id;
-- An incremental run behind a failed batch: the failure is raised again.
CALL t.write('m.csv', E'id,v,u,dept,boss,n,must\n1,bad,a,1,,1,x\n2,b,b,2,1,2,x\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('C', 'incremental')"
SELECT n, mode, status FROM t.batches ORDER BY n DESC LIMIT 3;
SELECT syncup_drop_connector('C');

-- A target that was changed behind its back: failed, as long as it is so.
CREATE TABLE target.gone (id int PRIMARY KEY, v text);
SELECT t.map('target.gone', 'id', '{"id": "id", "v": "v"}');
SELECT t.prepare('complete', E'id,v\n1,a\n') IS NULL AS prepared;
ALTER TABLE target.gone ALTER v TYPE varchar(10);
SELECT t.apply();
SELECT t.failure();
ALTER TABLE target.gone ALTER v TYPE text;
SELECT t.apply();
-- A key that does not tell rows apart any more: not prepared, not applied.
SELECT t.prepare('complete', E'id,v\n1,b\n') IS NULL AS prepared;
ALTER TABLE target.gone DROP CONSTRAINT gone_pkey;
INSERT INTO target.gone VALUES (1, 'x'), (1, 'y');
SELECT status FROM syncup_synchronize('C');
TABLE target.gone ORDER BY v;
SELECT bool_or(line = 'no error') AS accepted FROM t.error($$SELECT t.prepare('complete', E'id,v\n1,b\n')$$) line;
DELETE FROM target.gone WHERE v <> 'a';
ALTER TABLE target.gone ADD PRIMARY KEY (id);
SELECT syncup_discard(t.waiting()) FROM (SELECT t.waiting() AS w) AS q WHERE w IS NOT NULL;
SELECT t.prepare('complete', E'id,v\n1,c\n') IS NULL AS prepared;
DROP TABLE target.gone;
SELECT status FROM syncup_synchronize('C');
SELECT t.failure();
SELECT t.refused($$SELECT t.prepare('complete', E'id,v\n1,b\n')$$);
SELECT syncup_drop_connector('C');

\set end :srcdir '/include/end.sql'
\i :end
