-- When a value differs (SPEC 2.7): of types of the string category, of arrays and
-- domains of them and of types without equality, when its text does; of all others,
-- of key columns and of what a foreign key refers to, when the type says so.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
CREATE EXTENSION citext SCHEMA t;
SET search_path = public, t;

CREATE COLLATION t.ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
CREATE DOMAIN t.login AS citext;
CREATE DOMAIN t.logins AS citext[];
CREATE TABLE target.p (id citext PRIMARY KEY, login t.login UNIQUE, name text COLLATE t.ci, code char(4) COLLATE t.ci, bare bpchar,
	aliases citext[], others t.logins, doc json, plain text, n numeric, at timestamp, ref citext UNIQUE);
CREATE TABLE target.refers (ref citext REFERENCES target.p (ref));
SELECT t.map('target.p', 'id', (SELECT jsonb_object_agg(attname, attname) FROM pg_attribute WHERE attrelid = 'target.p'::regclass AND attnum > 0));
SELECT format(E'id,login,name,code,bare,aliases,others,doc,plain,n,at,ref\na,bob,mcdonald,ab,x,{q},{r},{},x,1.0,2026-01-01,ref\nb,eve,Eve,EV,y,{},{},[],y,2,2026-01-02,Other\n') AS day1,
	format(E'id,login,name,code,bare,aliases,others,doc,plain,n,at,ref\nA,Bob,McDonald,AB,"x ",{Q},{R},{ },X,1.00,2026-01-01 00:00,REF\nb,eve,Eve,EV,y,{},{},[],y,2.0,2026-01-02T00:00,other\n') AS day2 \gset
SELECT * FROM t.go('initial', :'day1');
INSERT INTO target.refers VALUES ('ref');
-- An incremental run: the texts, but not the key, the number, the time and what is referred to.
SELECT * FROM t.go('incremental', :'day2');
SELECT column_name, old_value, new_value FROM syncup_changes(t.last()) ORDER BY 1;
SELECT * FROM target.p ORDER BY id;
-- Taken back, and done by a complete run, from the same bytes as before.
SELECT syncup_undo(t.last()) IS NOT NULL AS undone;
SELECT * FROM target.p WHERE id = 'a';
SELECT * FROM t.go('complete', :'day2');
SELECT count(*) FROM syncup_changes(t.last());
-- Once more: nothing to do, and nothing is looked at.
SELECT * FROM t.go('complete', :'day2');
-- Somebody's other spelling is drift; the key's and what is referred to stay theirs.
UPDATE target.p SET id = 'a', login = 'BOB', name = 'MCDONALD', n = 1.000, ref = 'Ref' WHERE id = 'a';
SELECT * FROM t.go('complete', :'day2');
SELECT column_name, old_value, new_value FROM syncup_changes(t.last()) ORDER BY 1;
-- Another spelling of a row that a later change would undo is a change by somebody.
UPDATE target.p SET login = 'bob' WHERE id = 'a';
SELECT t.error(format('SELECT syncup_undo(%L)', t.last()));
-- A review: blocked, then changed by somebody in capitals alone.
SELECT syncup_set_thresholds('C', '{"maximum_updated_lines": 1}');
SELECT * FROM t.go('complete', replace(:'day2', 'eve,Eve', 'eve,EVE'));
SELECT key, column_name, old_value, new_value FROM syncup_changes(t.last()) ORDER BY 1, 2;
UPDATE target.p SET name = 'eVe' WHERE id = 'b';
SELECT t.error(format('SELECT syncup_resume(%L)', t.last()));
UPDATE target.p SET name = 'EVE' WHERE id = 'b';
SELECT status, updated FROM syncup_resume(t.last());
SELECT id, login, name FROM target.p ORDER BY id;

\set end :srcdir '/include/end.sql'
\i :end
