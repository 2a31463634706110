-- Incremental runs of full extracts (SPEC 4.4, 5): what refuses them, what they
-- are compared with, and what becomes of the queue.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

CREATE TABLE target.person (id int PRIMARY KEY, name text CONSTRAINT good CHECK (name <> 'bad'), city text, badge text);
CREATE FUNCTION t.map(columns jsonb DEFAULT '{"id": "id", "name": "name", "city": "city"}', options jsonb DEFAULT '{}') RETURNS void
LANGUAGE sql AS $$ SELECT syncup_map_entity_type('HR', 'person', 'target.person', 'person.csv', 'id', columns, options => t.anew(options, 'HR', 'person')) $$;
CREATE PROCEDURE t.limit(n int)
LANGUAGE sql AS $$
	SELECT syncup_set_thresholds('HR', jsonb_build_object('maximum_inserted_lines', n, 'maximum_updated_lines', n, 'maximum_deleted_lines', n,
		'max_percentage_inserted_lines', 0, 'max_percentage_updated_lines', 0, 'max_percentage_deleted_lines', 0))
$$;
-- Writes the file and prepares it; what the batch counted.
CREATE FUNCTION t.prepare(mode text, content text)
RETURNS TABLE (status text, read bigint, kept bigint, ins bigint, upd bigint, del bigint)
LANGUAGE plpgsql AS $$
DECLARE
	id uuid;
BEGIN
	CALL t.write('person.csv', content);
	id := syncup_prepare('HR', mode);
	RETURN QUERY SELECT b.status, rows_read, rows_kept, delta_inserted, delta_updated, delta_deleted
	FROM syncup.batch b JOIN syncup.batch_counter c USING (batch) WHERE batch = id;
END
$$;
CREATE FUNCTION t.run(mode text, content text)
RETURNS TABLE (mode text, status text, inserted bigint, updated bigint, deleted bigint)
LANGUAGE sql AS $$
	SELECT t.prepare(mode, content);
	SELECT * FROM t.synchronize('HR');
$$;
-- Batches by number, oldest first.
CREATE VIEW t.batches AS
SELECT row_number() OVER (ORDER BY seq) AS n, batch, mode, status, decision, reason FROM syncup.batch WHERE connector = 'HR';
CREATE FUNCTION t.batch(number int) RETURNS uuid
LANGUAGE sql AS $$ SELECT batch FROM t.batches WHERE n = number $$;
SELECT syncup_create_connector('HR', t.dir());
SELECT t.map();
CALL t.limit(0);
CREATE FUNCTION t.queue() RETURNS TABLE (n bigint, mode text, status text, delta bigint, changes bigint)
LANGUAGE sql AS $$
	SELECT n, mode, status, (SELECT count(*) FROM syncup_delta.hr_person d WHERE d.batch = b.batch), (SELECT count(*) FROM syncup_changes.hr_person c WHERE c.batch = b.batch)
	FROM t.batches b WHERE status IN ('prepared', 'blocked', 'failed') ORDER BY n
$$;
CREATE FUNCTION t.delta() RETURNS TABLE (n bigint, command text, id text, name text, city text)
LANGUAGE sql AS $$ SELECT n, command, id, name, city FROM syncup_delta.hr_person d JOIN t.batches USING (batch) ORDER BY n, command, id $$;
-- Where target and previous are not the file.
CREATE FUNCTION t.difference() RETURNS TABLE (what text, id int, name text, city text)
LANGUAGE sql AS $$
	WITH file AS (SELECT * FROM syncup_read_csv(t.dir() || '/person.csv') AS (id int, name text, city text)),
		target AS (SELECT id, name, city FROM target.person),
		previous AS (SELECT id::int, name, city FROM syncup_previous.hr_person)
	(SELECT 'target lacks', * FROM (TABLE file EXCEPT ALL TABLE target) a) UNION ALL (SELECT 'target has', * FROM (TABLE target EXCEPT ALL TABLE file) b)
	UNION ALL (SELECT 'previous lacks', * FROM (TABLE file EXCEPT ALL TABLE previous) c) UNION ALL (SELECT 'previous has', * FROM (TABLE previous EXCEPT ALL TABLE file) d)
$$;

-- It needs an applied initial or complete run: not one that waits, was blocked
-- or declined.
CALL t.write('person.csv', E'id,name,city\n1,Ada,London\n2,Bob,Paris\n3,Cy,Rome\n4,Di,Oslo\n');
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
SELECT syncup_discard(t.batch(1));
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
SELECT syncup_prepare('HR', 'initial') IS NOT NULL AS prepared;
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
SELECT * FROM t.synchronize('HR');

-- The same extract twice, and once more in another order and dialect of line ends:
-- nothing to do, and no error.
SELECT * FROM t.run('incremental', E'id,name,city\n1,Ada,London\n2,Bob,Paris\n3,Cy,Rome\n4,Di,Oslo\n');
SELECT * FROM t.prepare('incremental', E'city,id,name\r\nOslo,4,Di\r\nRome,3,Cy\r\nParis,2,"Bob"\r\nLondon,1,Ada');
SELECT * FROM t.delta();
SELECT * FROM t.synchronize('HR');

-- Three batches in a row: each is the difference from what the ones ahead will have
-- made. 1: changed, changed back, deleted. 2: deleted, back with other values,
-- deleted again. 3: unchanged, changed, changed. 4: deleted, stays away, back as
-- it was. 5: new, changed, deleted. 6: new, deleted, new again.
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,Ada!,London\n3,Cy,Rome\n5,Eve,Bonn\n6,Flo,Bern\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,Ada,London\n2,Bobby,Lyon\n3,Cy,Riga\n5,Eva,Bonn\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n3,,Riga\n4,Di,Oslo\n6,Flora,Bern\n');
SELECT * FROM t.delta();
-- The file of the last one again: nothing. That of the first: back to it.
SELECT * FROM t.prepare('incremental', E'id,name,city\n3,,Riga\n4,Di,Oslo\n6,Flora,Bern\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,Ada!,London\n3,Cy,Rome\n5,Eve,Bonn\n6,Flo,Bern\n');
SELECT * FROM t.delta() WHERE n > 7;
SELECT syncup_discard(t.batch(8));
-- Neither target nor previous has moved until now; then all of it at once.
SELECT id, name, city FROM target.person ORDER BY id;
SELECT id, name, city FROM syncup_previous.hr_person ORDER BY id;
CALL t.write('person.csv', E'id,name,city\n3,,Riga\n4,Di,Oslo\n6,Flora,Bern\n');
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.difference();
SELECT id, name, city FROM target.person ORDER BY id;
SELECT count(*) FROM syncup_delta.hr_person;
SELECT count(*) FROM syncup_changes.hr_person;
-- One behind a complete one that waits is built on that.
SELECT * FROM t.prepare('complete', E'id,name,city\n3,,Riga\n7,Gus,Graz\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n3,Cy,Riga\n7,Gus,Graz\n');
SELECT * FROM t.delta();
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.difference();

-- Drift: an incremental run repairs nothing but the rows that change in the source;
-- what would change nothing is no change. A complete run repairs it all.
SELECT * FROM t.run('incremental', E'id,name,city\n1,Ada,London\n2,Bob,Paris\n3,Cy,Riga\n4,Di,Oslo\n7,Gus,Graz\n');
UPDATE target.person SET badge = 'mine', name = 'drift' WHERE id IN (1, 3);
DELETE FROM target.person WHERE id IN (2, 4);
INSERT INTO target.person VALUES (8, 'drift', NULL), (9, 'Hal', 'Hull');
SELECT * FROM t.run('incremental', E'id,name,city\n1,Ada,London\n2,Bob,Paris\n3,Cy,Riga\n4,Di,Oslo\n7,Gus,Graz\n');
-- 1 changes in one column, 2 changes though it is not there, 4 goes though it is
-- gone, 9 comes and is there already.
SELECT * FROM t.run('incremental', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n3,Cy,Riga\n7,Gus,Graz\n9,Hal,Hull\n');
SELECT * FROM target.person ORDER BY id;
SELECT delta_inserted, delta_updated, delta_deleted FROM syncup.batch_counter JOIN t.batches USING (batch) ORDER BY n DESC LIMIT 1;
SELECT * FROM t.run('complete', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n3,Cy,Riga\n7,Gus,Graz\n9,Hal,Hull\n');
SELECT * FROM target.person ORDER BY id;
SELECT * FROM t.difference();

-- While a batch is blocked, incremental runs are refused; a complete one is not.
CALL t.limit(1);
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n3,Cy,Riga\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n');
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.queue();
SELECT count(*) FROM target.person;
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
DO $$
BEGIN
	PERFORM syncup_prepare('HR', 'incremental');
EXCEPTION WHEN OBJECT_NOT_IN_PREREQUISITE_STATE THEN
	RAISE NOTICE 'it names the batch: %', SQLERRM = 'connector "HR" is blocked by batch ' || (SELECT batch FROM t.batches WHERE status = 'blocked');
END
$$;
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'incremental')$$);
-- Synchronize does not pass it by.
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.queue();
-- A complete run cancels blocked and prepared batches in the transaction that
-- queues it, and their delta and changes go.
BEGIN;
SELECT * FROM t.prepare('complete', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n3,Cy,Riga\n7,Gus,Graz\n');
SELECT * FROM t.queue();
SELECT n, mode, status FROM t.batches ORDER BY n DESC LIMIT 3;
SELECT count(*) AS delta FROM syncup_delta.hr_person WHERE batch <> (SELECT batch FROM t.batches ORDER BY n DESC LIMIT 1);
SELECT count(*) AS changes FROM syncup_changes.hr_person;
ROLLBACK;
SELECT * FROM t.queue();
-- A complete one that fails cancels nothing.
SELECT t.refused($$SELECT t.prepare('complete', E'id,name,city\n1,Ada\n')$$);
SELECT * FROM t.queue();
SELECT * FROM t.prepare('complete', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n3,Cy,Riga\n7,Gus,Graz\n');
SELECT n, mode, status FROM t.batches ORDER BY n DESC LIMIT 3;
SELECT * FROM t.queue();
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.difference();
-- The cancelled ones can neither be resumed nor discarded any more.
SELECT t.refused($$SELECT * FROM syncup_resume((SELECT batch FROM t.batches ORDER BY n DESC OFFSET 2 LIMIT 1))$$);
SELECT t.refused($$SELECT syncup_discard((SELECT batch FROM t.batches ORDER BY n DESC OFFSET 2 LIMIT 1))$$);
-- Nothing is left to be blocked: incremental runs are possible again.
SELECT * FROM t.run('incremental', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n3,Cy,Riga\n7,Gus,Graz\n');
-- A block that is resumed or declined ends it, too; what was behind goes on.
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,Ada,Leeds\n2,Bob,Paris\n');
SELECT * FROM t.synchronize('HR');
SELECT mode, status, inserted, updated, deleted FROM syncup_resume((SELECT batch FROM t.batches WHERE status = 'blocked'));
SELECT * FROM t.difference();
SELECT * FROM t.run('incremental', E'id,name,city\n3,Cy,Rome\n4,Di,Oslo\n');
SELECT syncup_discard(batch, 'wrong file') FROM t.batches WHERE status = 'blocked';
-- Previous has not moved: the right file gives the right difference.
SELECT * FROM t.run('incremental', E'id,name,city\n1,Ada,Leeds\n2,Bob,Pau\n');
SELECT * FROM t.difference();

-- To decline a batch is to decline those behind it, which were built on it; not
-- those ahead. Full extracts come again, so no complete run is needed.
CALL t.limit(0);
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,one,\n2,Bob,Pau\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,one,\n2,two,\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,one,\n2,two,\n3,three,\n');
SELECT max(n) AS last FROM t.batches \gset
SELECT syncup_discard(t.batch(:last - 1), 'too many');
SELECT n - :last AS n, status, decision, reason FROM t.batches WHERE n > :last - 3 ORDER BY n;
SELECT decided_by = current_user AS by_me, decided_at <= clock_timestamp() AS at FROM syncup.batch WHERE batch = t.batch(:last);
SELECT id, name FROM t.delta();
SELECT needs_complete FROM syncup.status;
SELECT t.refused(format('SELECT syncup_discard(%L)', t.batch(:last - 1)));
-- The next one is built on what is left.
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,one,\n2,zwei,\n');
SELECT command, id, name FROM t.delta();
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.difference();

-- A failed batch keeps its place: the ones behind wait, the next one is built on
-- all of them, and they are applied in order once the cause is gone.
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,one,\n2,bad,\n');
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,uno,\n2,bad,\n');
SELECT * FROM t.synchronize('HR');
SELECT mode, status, delta, changes FROM t.queue();
SELECT * FROM t.prepare('incremental', E'id,name,city\n1,uno,\n2,good,\n');
SELECT command, id, name FROM t.delta();
SELECT * FROM t.synchronize('HR');
SELECT mode, status FROM t.queue();
SELECT id, name FROM target.person ORDER BY id;
SELECT last_status, queue_length, blocked, needs_complete FROM syncup.status;
ALTER TABLE target.person DROP CONSTRAINT good;
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.difference();
-- A complete run cancels a failed one, too.
ALTER TABLE target.person ADD CONSTRAINT good CHECK (name <> 'bad');
SELECT * FROM t.run('incremental', E'id,name,city\n1,bad,\n2,good,\n');
SELECT * FROM t.run('complete', E'id,name,city\n1,uno,\n2,good,\n');
SELECT status FROM t.batches ORDER BY n DESC LIMIT 2;
SELECT * FROM t.difference();

-- A mapping that changes needs a complete run; one that is mapped again as it was
-- does not. Until it is applied, incremental runs are refused.
SELECT t.map();
SELECT needs_complete FROM syncup.status;
SELECT t.map('{"id": "id", "name": "name"}');
SELECT needs_complete FROM syncup.status;
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
SELECT t.refused($$SELECT * FROM syncup_preview('HR', 'incremental')$$);
SELECT t.map();
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
UPDATE target.person SET city = 'Oslo';
SELECT * FROM t.prepare('complete', E'id,name,city\n1,uno,Rome\n2,good,Oslo\n');
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.difference();
SELECT needs_complete FROM syncup.status;
SELECT * FROM t.run('incremental', E'id,name,city\n1,uno,Rome\n2,good,Oslo\n');
-- A complete run that blocks does not do yet; once it is resumed it does.
SELECT t.map(options => '{"timezone": "Europe/Paris"}');
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
CALL t.limit(1);
SELECT * FROM t.run('complete', E'id,name,city\n5,uno,Rome\n6,good,Oslo\n');
SELECT needs_complete FROM syncup.status;
SELECT mode, status, inserted, updated, deleted FROM syncup_resume((SELECT batch FROM t.batches WHERE status = 'blocked'));
SELECT needs_complete FROM syncup.status;
SELECT * FROM t.run('incremental', E'id,name,city\n5,uno,Rome\n6,good,Oslo\n');
CALL t.limit(0);

-- Another file for incremental runs: complete and initial runs do not read it. It
-- is a full extract all the same: what it has not is deleted.
SELECT t.map(options => '{"incremental_file": "small.csv"}');
CALL t.write('small.csv', E'id,name,city\n5,five,\n');
CALL t.write('person.csv', E'id,name,city\n5,uno,Rome\n6,good,Oslo\n7,Gus,Graz\n');
SELECT syncup_prepare('HR', 'complete') IS NOT NULL AS prepared;
SELECT replace(file, t.dir(), '<dir>') AS file, rows_read FROM syncup.batch_counter JOIN t.batches USING (batch) ORDER BY n DESC LIMIT 1;
SELECT * FROM t.synchronize('HR');
SELECT * FROM t.difference();
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT replace(file, t.dir(), '<dir>') AS file, rows_read FROM syncup.batch_counter JOIN t.batches USING (batch) ORDER BY n DESC LIMIT 1;
SELECT * FROM t.synchronize('HR');
SELECT id, name FROM target.person;
-- In an initial run neither; and incremental runs do without the full one.
SELECT syncup_drop_mapping('HR', 'person');
TRUNCATE target.person;
CALL t.shell('rm small.csv');
SELECT t.map(options => '{"incremental_file": "small.csv"}');
SELECT syncup_prepare('HR', 'initial') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT t.refused($$SELECT syncup_prepare('HR', 'incremental')$$);
CALL t.shell('mv person.csv small.csv');
SELECT syncup_prepare('HR', 'incremental') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
CALL t.shell('mv small.csv person.csv');
-- An option of the call, too.
CALL t.write('call.csv', E'id,name,city\n6,good,Oslo\n');
SELECT syncup_prepare('HR', 'incremental', '{"incremental_file": "call.csv"}') IS NOT NULL AS prepared;
SELECT * FROM t.synchronize('HR');
SELECT id, name FROM target.person;

-- The base of percentages is carried forward, from run to run: nobody counts the
-- target again until a complete run does.
SELECT t.map();
SELECT * FROM t.run('complete', E'id,name,city\n1,,\n2,,\n3,,\n4,,\n');
INSERT INTO target.person SELECT generate_series(101, 110);
CALL t.limit(1);
SELECT * FROM t.run('incremental', E'id,name,city\n1,,\n2,,\n3,,\n4,,\n5,,\n');
SELECT * FROM t.run('incremental', E'id,name,city\n1,,\n2,,\n3,,\n');
SELECT counter, count, maximum, base, percent, exceeded FROM syncup.threshold_check WHERE batch = (SELECT batch FROM t.batches WHERE status = 'blocked') AND mapping IS NULL ORDER BY counter;

-- Rounds of one to four batches against the truth: whatever waited, the last file
-- is what target and previous are in the end, and each delta is a true difference.
CALL t.limit(0);
SELECT syncup_discard(batch) FROM t.batches WHERE status = 'blocked';
SELECT * FROM t.run('complete', E'id,name,city\n');
SELECT setseed(0.25);
DO $$
DECLARE
	content text;
	wrong bigint;
BEGIN
	FOR round IN 1..25 LOOP
		FOR i IN 0..random() * 3 LOOP
			SELECT E'id,name,city\n' || coalesce(string_agg(format('%s,%s,%s', k, (random() * 2)::int, CASE WHEN random() < 0.5 THEN 'x' END), E'\n' ORDER BY random()), '') INTO content
			FROM generate_series(1, 30) k WHERE random() < 0.7;
			PERFORM t.prepare('incremental', content);
		END LOOP;
		IF (SELECT bool_or(status <> 'applied') FROM syncup_synchronize('HR')) THEN
			RAISE 'round %: not applied', round;
		END IF;
		SELECT count(*) INTO wrong FROM t.difference();
		IF wrong > 0 THEN
			RAISE 'round %: % differences', round, wrong;
		END IF;
		-- nothing was drifting, so every row of a delta was a change
		SELECT count(*) INTO wrong FROM syncup.batch_counter WHERE (delta_inserted, delta_updated, delta_deleted) <> (inserted, updated, deleted)
			AND batch IN (SELECT batch FROM t.batches WHERE status = 'applied' ORDER BY n DESC LIMIT 1);
		IF wrong > 0 THEN
			RAISE 'round %: the delta is not what was changed', round;
		END IF;
	END LOOP;
END
$$;
SELECT count(*) > 40 AS many FROM t.batches WHERE mode = 'incremental' AND status = 'applied';

\set end :srcdir '/include/end.sql'
\i :end
