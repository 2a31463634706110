-- What the regression tests share: a fresh extension, a folder that the server
-- can write, and functions that keep what varies (paths, batches) out of the
-- output. Included by each test with its echo off; end.sql removes it all.
\set ECHO none
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS syncup CASCADE;
DROP SCHEMA IF EXISTS t CASCADE;
DROP SCHEMA IF EXISTS target CASCADE;
RESET client_min_messages;
CREATE EXTENSION syncup;
-- What a mapping call answers with is tested by itself, in mapping_again.
ALTER FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) SET client_min_messages = warning;
ALTER FUNCTION syncup_map_association(text, text, text, text, text, text, text, regclass, name, name, jsonb) SET client_min_messages = warning;
CREATE SCHEMA t;
CREATE SCHEMA target;

-- A folder of the server's own: the server may be another user than the client. What
-- differs from run to run in its name is a number: random letters are found by the
-- patterns of tests now and then.
CREATE TABLE t.folder (path text);
COPY t.folder FROM PROGRAM 'd=/tmp/syncup_test.$$; rm -rf $d && mkdir -m 700 $d && echo $d';
SELECT format('CREATE FUNCTION t.dir() RETURNS text LANGUAGE sql IMMUTABLE AS %L',
	format('SELECT %L::text', path)) AS sql FROM t.folder \gset
:sql;
SELECT t.dir() AS dir \gset
\setenv SYNCUP_TEST_DIR :dir
\setenv PGDATABASE :DBNAME

-- Runs a command of the shell, in the folder.
CREATE PROCEDURE t.shell(command text)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT WHERE false) TO PROGRAM %L',
		format('exec </dev/null && cd %s && %s', t.dir(), command));
END
$$;

-- Writes a file there, byte by byte; base64 passes COPY unchanged.
CREATE PROCEDURE t.write(name text, content bytea)
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT %L) TO PROGRAM %L',
		translate(encode(content, 'base64'), E'\n', ''),
		format('base64 -d > %s/%s', t.dir(), name));
END
$$;

CREATE PROCEDURE t.write(name text, content text, encoding name DEFAULT 'UTF8')
LANGUAGE sql AS 'CALL t.write(name, convert_to(content, encoding))';

-- Every field of every row of a file of the folder.
CREATE FUNCTION t.read(name text, options jsonb DEFAULT '{}') RETURNS SETOF text[]
LANGUAGE plpgsql AS $$
DECLARE
	path text := t.dir() || '/' || name;
	names text;
	definition text;
BEGIN
	SELECT string_agg(quote_ident(h.name), ', ' ORDER BY ordinal),
		string_agg(quote_ident(h.name) || ' text', ', ' ORDER BY ordinal)
	INTO names, definition
	FROM syncup_csv_header(path, options) h;
	RETURN QUERY EXECUTE format('SELECT ARRAY[%s] FROM syncup_read_csv(%L, %L) AS (%s)',
		names, path, options, definition);
END
$$;

-- Writes a file and reads it.
CREATE FUNCTION t.csv(content bytea, options jsonb DEFAULT '{}') RETURNS SETOF text[]
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('csv', content);
	RETURN QUERY SELECT * FROM t.read('csv', options);
END
$$;

CREATE FUNCTION t.csv(content text, options jsonb DEFAULT '{}') RETURNS SETOF text[]
LANGUAGE sql AS $$
	SELECT t.csv(convert_to(content, 'UTF8'), options)
$$;

-- Text without paths, UUIDs and the name of the server's user.
CREATE FUNCTION t.mask(message text) RETURNS text
LANGUAGE sql AS $$
	SELECT regexp_replace(regexp_replace(replace(message, t.dir(), '<dir>'),
		'[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}', '<uuid>', 'g'),
		'(operating system''s user) "[^"]+"', '\1 "<user>"')
$$;

-- What a statement that fails says; of the context what syncup itself adds.
CREATE FUNCTION t.error(statement text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	message text;
	detail text;
	hint text;
	context text;
BEGIN
	BEGIN
		EXECUTE statement;
		RETURN NEXT 'no error';
		RETURN;
	EXCEPTION WHEN OTHERS THEN
		GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL,
			hint = PG_EXCEPTION_HINT, context = PG_EXCEPTION_CONTEXT;
		RETURN QUERY
		SELECT t.mask(line)
		FROM (VALUES
			(1, SQLSTATE || ': ' || message),
			(2, 'DETAIL: ' || nullif(detail, '')),
			(3, 'HINT: ' || nullif(hint, ''))) AS said (ordinal, line)
		WHERE line IS NOT NULL
		ORDER BY ordinal;
		RETURN QUERY
		SELECT 'CONTEXT: ' || t.mask(line)
		FROM string_to_table(context, E'\n') AS line
		WHERE line ~ '^(file|relation|connector) ';
	END;
END
$$;

-- Of an error of the server's own, whose words differ by version, the SQLSTATE.
CREATE FUNCTION t.sqlstate(statement text) RETURNS text
LANGUAGE sql AS $$
	SELECT left(e, 5) FROM t.error(statement) e LIMIT 1
$$;

-- The error of reading a file of this content.
CREATE FUNCTION t.csv_error(content bytea, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('csv', content);
	RETURN QUERY SELECT t.error(format('SELECT t.read(%L, %L)', 'csv', options));
END
$$;

CREATE FUNCTION t.csv_error(content text, options jsonb DEFAULT '{}') RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT t.csv_error(convert_to(content, 'UTF8'), options)
$$;

-- A digest per table of ours and of the schema target: what a run touched.
CREATE FUNCTION t.snapshot() RETURNS TABLE (name text, digest text)
LANGUAGE plpgsql AS $$
DECLARE
	relation regclass;
BEGIN
	FOR relation IN
		SELECT c.oid FROM pg_class c
		WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN
			('syncup', 'syncup_previous', 'syncup_delta', 'syncup_changes', 'target')
	LOOP
		name := relation;
		EXECUTE format('SELECT coalesce(md5(string_agg(r::text, chr(10) ORDER BY r::text COLLATE "C")), '''') FROM %s r', relation)
		INTO digest;
		RETURN NEXT;
	END LOOP;
END
$$;

-- The error of a statement, and the tables that it changed all the same.
CREATE FUNCTION t.refused(statement text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	before text[] := ARRAY(SELECT s::text FROM t.snapshot() s);
BEGIN
	RETURN QUERY SELECT t.error(statement);
	RETURN QUERY
	SELECT 'CHANGED: ' || s.name FROM t.snapshot() s
	WHERE s::text <> ALL (before) ORDER BY 1;
END
$$;

-- Options that replace those of a mapping, where they would be laid over them.
CREATE FUNCTION t.anew(options jsonb, in_connector text, in_mapping text) RETURNS jsonb
LANGUAGE sql AS $$
	SELECT coalesce(jsonb_object_agg(name, NULL), '{}') || $1
	FROM syncup.mapping m, jsonb_object_keys(m.options) AS name
	WHERE m.connector = in_connector AND m.mapping = in_mapping
$$;

-- Statements with which most tests begin and go on.
CREATE FUNCTION t.synchronize(connector text, force boolean DEFAULT false, keep_changes boolean DEFAULT false)
RETURNS TABLE (mode text, status text, inserted bigint, updated bigint, deleted bigint)
LANGUAGE sql AS $$
	SELECT mode, status, inserted, updated, deleted FROM syncup_synchronize(connector, force, keep_changes)
$$;
\set ECHO all
