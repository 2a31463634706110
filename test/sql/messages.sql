-- What messages say that a person can act on: encodings that would fit, who may not
-- read a file, which mapping of a shared file is meant, why a batch failed; and words
-- that are no dates in a file.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

-- A wrong encoding: those that the bytes of the row fit.
SELECT t.csv_error(convert_to(E'id,name\n1,Müller\n', 'LATIN1'));
SELECT t.csv_error(convert_to(E'id,name\n1,Müller – €\n', 'WIN1252'));
SELECT t.csv_error(convert_to(E'id,näme\n1,x\n', 'LATIN1'));
SELECT t.csv_error('\x690064002c006e000a003100'::bytea);
SELECT t.csv_error('\x00690064002c006e000a0031'::bytea);
SELECT t.csv_error('\x6964000a'::bytea);
SELECT t.csv_error(E'id,name\n1,Á\n', '{"encoding": "WIN1252"}');
SELECT t.csv_error('\x69640a610a81ff0a'::bytea);
SELECT t.csv_error('\x69640a610a81ff0a'::bytea, '{"encoding": "WIN1252"}');
-- Who may not read, and what.
CREATE FUNCTION t.denied(path text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT t.error(format('SELECT * FROM syncup_csv_header(%L)', t.dir() || path))
$$;
CALL t.shell('echo id >closed.csv; mkdir -p a/b; echo id >a/b/c.csv; chmod 000 closed.csv a/b');
SELECT t.denied('/closed.csv');
SELECT t.denied('/a/b/c.csv');
CALL t.shell('chmod 700 a/b');

-- A file that two mappings share: an error of a column names the one that has it,
-- an error of a row both, in full extracts and in files of changes.
SELECT syncup_create_connector('S', t.dir());
CREATE TABLE target.a (id int PRIMARY KEY, n int);
CREATE TABLE target.b (id int PRIMARY KEY, d date);
CALL t.write('s.csv', E'id,n,d\n1,1,2024-01-01\n');
SELECT syncup_map_entity_type('S', 'a', 'target.a', 's.csv', 'id', '{"id": "id", "n": "n"}');
SELECT syncup_map_entity_type('S', 'b', 'target.b', 's.csv', 'id', '{"id": "id", "d": "d"}');
CREATE FUNCTION t.shared(content text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('s.csv', content);
	RETURN QUERY SELECT t.error($s$SELECT syncup_prepare('S', 'complete')$s$);
END
$$;
SELECT t.shared(E'id,n,d\n1,x,2024-01-01\n');
SELECT t.shared(E'id,n,d\n1,1,x\n');
SELECT t.shared(E'id,n,d\n1,1\n');
SELECT t.shared(E'id,n\n1,1\n');
SELECT t.shared(E'id,d\n1,2024-01-01\n');
SELECT t.shared('');
CALL t.write('s.csv', E'id,n,d\n1,1,2024-01-01\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('S', 'initial')"
SELECT syncup_create_connector('S', options => '{"command_column": "op", "incremental_file": "c.csv"}');
CREATE FUNCTION t.changed(content text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('c.csv', content);
	RETURN QUERY SELECT t.error($s$SELECT syncup_prepare('S', 'incremental')$s$);
END
$$;
SELECT t.changed(E'op,id,n,d\ninsert,2,x,2024-01-01\n');
SELECT t.changed(E'op,id,n,d\ninsert,2,1,x\n');
SELECT t.changed(E'op,id,n,d\ninsert,2,1\n');
SELECT t.changed(E'op,id,d\ninsert,2,2024-01-01\n');

-- Why a batch failed is told to the client; links only where there are any.
CREATE FUNCTION t.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not today'; END $$;
CREATE TRIGGER no BEFORE INSERT ON target.b FOR EACH ROW EXECUTE FUNCTION t.no();
CALL t.write('s.csv', E'id,n,d\n1,1,2024-01-01\n2,2,2024-01-01\n');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('S', 'complete', force => true)"
DROP TRIGGER no ON target.b;

-- Words that mean another day in each run are no dates, times or parts of them;
-- constants of the type are.
CREATE FUNCTION t.word(type text, value text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('w.csv', 'v' || E'\n"' || replace(value, '"', '""') || E'"\n');
	RETURN QUERY SELECT t.error(format('SELECT v FROM syncup_read_csv(%L, ''{}'') AS (v %s)', t.dir() || '/w.csv', type));
END
$$;
CREATE DOMAIN target.day AS date;
SELECT x.type, x.value, w FROM (VALUES ('date', 'today'), ('date', 'NOW'), ('timestamptz', 'tomorrow 12:00'), ('timestamp', 'yesterday'), ('time', 'allballs'), ('timetz', 'now'),
	('target.day', 'today'), ('date[]', '{2024-01-01,today}'), ('daterange', '[today,)'), ('datemultirange', '{[now,)}'), ('date', 'infinity'), ('timestamptz', '-infinity'), ('timestamp', 'epoch'),
	('text', 'today'), ('timestamptz', '2024-01-01 12:00 UTC'), ('date', '1 Nowember 2024')) AS x (type, value), LATERAL t.word(x.type, x.value) w;

-- A cell of characters that are trimmed is as empty in every encoding.
SELECT e, n IS NULL AS unquoted, q FROM (VALUES ('UTF8'), ('LATIN1'), ('WIN1252')) AS v (e), LATERAL (
	SELECT (t.csv(convert_to(E'n,q\n\u00a0 ,"\u00a0"\n', e), jsonb_build_object('encoding', e, 'trim', E' \u00a0', 'quoted_empty', 'empty')))) AS r (f), LATERAL (SELECT f[1], f[2]) AS c (n, q);

\set end :srcdir '/include/end.sql'
\i :end
