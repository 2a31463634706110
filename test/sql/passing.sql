-- The order of writing: unique values that pass between rows, rows that refer to others.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

-- A value passes along a chain, against and along the order of the rows.
CREATE TABLE target.chain (id int PRIMARY KEY, n int NOT NULL UNIQUE, note text);
SELECT t.map('target.chain', 'id', '{"id": "id", "n": "n"}');
SELECT * FROM t.go('initial', (SELECT E'id,n\n' || string_agg(i || ',' || i || E'\n', '') FROM generate_series(1, 50) i));
SELECT * FROM t.go('complete', (SELECT E'id,n\n' || string_agg(i || ',' || i + 1 || E'\n', '') FROM generate_series(1, 50) i));
SELECT count(*) FROM target.chain WHERE n = id + 1;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT count(*) FROM target.chain WHERE n = id;
SELECT * FROM t.go('incremental', (SELECT E'id,n\n' || string_agg(i || ',' || i - 1 || E'\n', '') FROM generate_series(1, 50) i));
SELECT count(*) FROM target.chain WHERE n = id - 1;
-- From a row that goes, and to one that comes, beside.
SELECT * FROM t.go('complete', (SELECT E'id,n\n' || string_agg(i || ',' || i || E'\n', '') FROM generate_series(1, 49) i) || E'60,0\n');
SELECT count(*) FROM target.chain WHERE n = id;
-- A circle of what may not be null: the rows are named, and nothing is written.
SELECT * FROM t.go('complete', (SELECT E'id,n\n' || string_agg(i || ',' || CASE i WHEN 7 THEN 9 WHEN 8 THEN 7 WHEN 9 THEN 8 ELSE i END || E'\n', '') FROM generate_series(1, 49) i) || E'60,0\n');
SELECT t.failure();
SELECT syncup_discard(t.waiting());
-- Where the constraint is deferrable it is nobody's concern.
ALTER TABLE target.chain DROP CONSTRAINT chain_n_key, ADD UNIQUE (n) DEFERRABLE;
SELECT * FROM t.go('complete', (SELECT E'id,n\n' || string_agg(i || ',' || CASE i WHEN 7 THEN 9 WHEN 8 THEN 7 WHEN 9 THEN 8 ELSE i END || E'\n', '') FROM generate_series(1, 49) i) || E'60,0\n');
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
-- A circle of what may: swapped, and back; each row is updated once more at most.
ALTER TABLE target.chain DROP CONSTRAINT chain_n_key, ADD UNIQUE (n), ALTER n DROP NOT NULL;
SELECT * FROM t.go('complete', (SELECT E'id,n\n' || string_agg(i || ',' || CASE i WHEN 7 THEN 9 WHEN 8 THEN 7 WHEN 9 THEN 8 WHEN 20 THEN 21 WHEN 21 THEN 20 ELSE i END || E'\n', '') FROM generate_series(1, 49) i) || E'60,0\n');
SELECT id, n FROM target.chain WHERE n <> id ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT id, n FROM target.chain WHERE n <> id ORDER BY id;
SELECT syncup_drop_connector('C');

-- Two indexes, one of them over two columns, one over an expression of some rows; nulls;
-- blocked and resumed.
CREATE TABLE target.login (id int PRIMARY KEY, dept text, nr int, mail text, old boolean DEFAULT false, UNIQUE (dept, nr));
CREATE UNIQUE INDEX login_mail ON target.login (lower(mail)) WHERE NOT old;
SELECT t.map('target.login', 'id', '{"id": "id", "dept": "dept", "nr": "nr", "mail": "mail"}');
SELECT * FROM t.go('initial', E'id,dept,nr,mail\n1,A,1,ada@x\n2,A,2,bob@x\n3,B,1,cy@x\n4,,1,\n');
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('complete', E'id,dept,nr,mail\n1,A,2,BOB@x\n2,A,1,Cy@x\n3,B,1,Ada@x\n4,,2,\n');
SELECT status, inserted, updated, deleted FROM syncup_resume(t.last());
TABLE target.login ORDER BY id;
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
TABLE target.login ORDER BY id;
-- What the update takes from a row that stays is a violation as ever.
SELECT * FROM t.go('complete', E'id,dept,nr,mail\n1,A,1,bob@x\n2,A,2,bob@x\n3,B,1,cy@x\n4,,1,\n', force => true);
SELECT t.failure();
SELECT syncup_drop_connector('C');

-- A circle is not parked where foreign keys refer to it; a chain is in order all the same,
-- and what ON UPDATE CASCADE does follows.
CREATE TABLE target.code (id int PRIMARY KEY, code text UNIQUE);
CREATE TABLE target.use (code text REFERENCES target.code (code) ON UPDATE CASCADE, who text);
SELECT t.map('target.code', 'id', '{"id": "id", "code": "code"}');
SELECT * FROM t.go('initial', E'id,code\n1,a\n2,b\n3,c\n');
INSERT INTO target.use VALUES ('a', 'first'), ('b', 'second'), ('c', 'third');
SELECT * FROM t.go('complete', E'id,code\n1,b\n2,c\n3,d\n');
TABLE target.use ORDER BY who;
SELECT * FROM t.go('complete', E'id,code\n1,c\n2,b\n3,d\n');
SELECT t.failure();
SELECT syncup_drop_connector('C');

-- A partitioned target; triggers see each row once, but for those parked.
CREATE TABLE target.part (id int, region text, v int, PRIMARY KEY (id, region), UNIQUE (v, region)) PARTITION BY LIST (region);
CREATE TABLE target.part_a PARTITION OF target.part FOR VALUES IN ('a');
CREATE TABLE target.part_b PARTITION OF target.part DEFAULT;
SELECT syncup_create_connector('C', t.dir());
CALL t.write('m.csv', E'id,region,v\n1,a,1\n2,a,2\n1,b,1\n2,b,2\n3,b,3\n');
SELECT syncup_map_entity_type('C', 'm', 'target.part', 'm.csv', ARRAY['id', 'region'], '{"id": "id", "region": "region", "v": "v"}');
SELECT t.unlimited();
SELECT * FROM t.go('initial', E'id,region,v\n1,a,1\n2,a,2\n1,b,1\n2,b,2\n3,b,3\n');
CREATE TABLE t.seen (n int GENERATED ALWAYS AS IDENTITY, what text);
CREATE FUNCTION t.see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO t.seen (what) VALUES (concat_ws(' ', NEW.id, NEW.region, coalesce(OLD.v::text, '-'), coalesce(NEW.v::text, '-'))); RETURN NULL; END $$;
CREATE TRIGGER see AFTER UPDATE ON target.part FOR EACH ROW EXECUTE FUNCTION t.see();
SELECT * FROM t.go('complete', E'id,region,v\n1,a,2\n2,a,1\n1,b,2\n2,b,3\n3,b,4\n');
TABLE target.part ORDER BY region, id;
SELECT what FROM t.seen ORDER BY n;
SELECT syncup_drop_connector('C');

-- References: within a table and between two, with each action, moved from a row that goes
-- to one that was there and to one that comes; a row and its successor refer to one another.
CREATE FUNCTION t.move(action text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('CREATE TABLE target.unit (id int PRIMARY KEY, code text UNIQUE, head int, parent int REFERENCES target.unit ON DELETE %s)', action);
	EXECUTE format('CREATE TABLE target.staff (id int PRIMARY KEY, unit int REFERENCES target.unit ON DELETE %s, mail text UNIQUE)', action);
	EXECUTE format('ALTER TABLE target.unit ADD FOREIGN KEY (head) REFERENCES target.staff ON DELETE %s', action);
	CALL t.write('unit.csv', E'id,code,head,parent\n1,root,1,\n2,a,2,1\n3,b,3,2\n');
	CALL t.write('staff.csv', E'id,unit,mail\n1,1,one\n2,2,two\n3,3,three\n4,2,four\n');
	PERFORM syncup_create_connector('C', t.dir());
	PERFORM syncup_map_entity_type('C', 'staff', 'target.staff', 'staff.csv', 'id', '{"id": "id", "unit": "unit", "mail": "mail"}');
	PERFORM syncup_map_entity_type('C', 'unit', 'target.unit', 'unit.csv', 'id', '{"id": "id", "code": "code", "head": "head", "parent": "parent"}');
	PERFORM t.unlimited();
	PERFORM syncup_prepare('C', 'initial');
	RETURN QUERY SELECT t.apply();
	-- 2 goes: 3 moves to the new 5, which has its code; 2 and 4 of the staff move, and swap mails;
	-- the head of 5 is new, and its unit is 5.
	CALL t.write('unit.csv', E'id,code,head,parent\n1,root,4,\n3,b,2,5\n5,a,6,1\n');
	CALL t.write('staff.csv', E'id,unit,mail\n2,3,four\n3,5,three\n4,1,two\n6,5,one\n');
	PERFORM syncup_prepare('C', 'incremental');
	RETURN QUERY SELECT t.apply();
	RETURN QUERY SELECT error FROM syncup.batch WHERE batch = t.last() AND error IS NOT NULL;
	RETURN QUERY SELECT u::text FROM target.unit u ORDER BY id;
	RETURN QUERY SELECT s::text FROM target.staff s ORDER BY id;
	RETURN QUERY SELECT format('cascaded %s', sum(cascaded)) FROM syncup.batch_counter WHERE batch = t.last();
	PERFORM syncup_undo(t.last());
	RETURN QUERY SELECT u::text FROM target.unit u ORDER BY id;
	RETURN QUERY SELECT s::text FROM target.staff s ORDER BY id;
	PERFORM syncup_drop_connector('C');
	DROP TABLE target.unit, target.staff;
END
$$;
SELECT t.move('NO ACTION');
SELECT t.move('RESTRICT');
SELECT t.move('SET NULL');
SELECT t.move('CASCADE');

\set end :srcdir '/include/end.sql'
\i :end
