-- What tests of whole runs share: included after begin.sql, with its echo off.
\set ECHO none
\pset null '(null)'
\pset format unaligned

-- A connector with one mapping "m" of the file m.csv; limits off unless asked for.
CREATE FUNCTION t.unlimited(connector text DEFAULT 'C') RETURNS void
LANGUAGE sql AS $$
	SELECT syncup_set_thresholds(connector, '{"maximum_inserted_lines": 0, "maximum_updated_lines": 0, "maximum_deleted_lines": 0,
		"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "max_percentage_set_aside_lines": 0}')
$$;
CREATE FUNCTION t.map(target regclass, key text, columns jsonb, options jsonb DEFAULT '{}', connector text DEFAULT 'C') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector(connector, t.dir());
	PERFORM syncup_map_entity_type(connector, 'm', target, 'm.csv', key, columns, options => options);
	PERFORM t.unlimited(connector);
END
$$;
CREATE FUNCTION t.prepare(mode text, content text, connector text DEFAULT 'C') RETURNS uuid
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('m.csv', content);
	RETURN syncup_prepare(connector, mode);
END
$$;
-- Synchronizes and tells in a line: status, rows inserted/updated/deleted.
CREATE FUNCTION t.apply(keep_changes boolean DEFAULT true, force boolean DEFAULT false, connector text DEFAULT 'C') RETURNS SETOF text
LANGUAGE sql AS $$
	SELECT format('%s %s/%s/%s', status, inserted, updated, deleted) FROM syncup_synchronize(connector, force, keep_changes)
$$;
-- One run, prepare and synchronize; changes are kept.
CREATE FUNCTION t.go(mode text, content text, keep_changes boolean DEFAULT true, force boolean DEFAULT false, connector text DEFAULT 'C') RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM t.prepare(mode, content, connector);
	RETURN QUERY SELECT t.apply(keep_changes, force, connector);
END
$$;
CREATE FUNCTION t.last(connector text DEFAULT 'C') RETURNS uuid
LANGUAGE sql AS $$ SELECT batch FROM syncup.batch b WHERE b.connector = last.connector ORDER BY seq DESC LIMIT 1 $$;
CREATE FUNCTION t.waiting() RETURNS uuid
LANGUAGE sql AS $$ SELECT batch FROM syncup.batch WHERE status IN ('prepared', 'blocked', 'failed') AND prepared_at IS NOT NULL ORDER BY seq LIMIT 1 $$;
-- Why the last batch failed.
CREATE FUNCTION t.failure(connector text DEFAULT 'C') RETURNS text
LANGUAGE sql AS $$ SELECT format('%s %s: %s', status, sqlstate, t.mask(error)) FROM syncup.batch WHERE batch = t.last(failure.connector) $$;
CREATE VIEW t.batches AS
SELECT row_number() OVER (ORDER BY seq) AS n, mode, status, decision, t.mask(reason) AS reason, changes_kept AS kept, forced FROM syncup.batch WHERE connector = 'C';
CREATE FUNCTION t.batch(n int) RETURNS uuid
LANGUAGE sql AS $$ SELECT batch FROM syncup.batch WHERE connector = 'C' ORDER BY seq OFFSET n - 1 LIMIT 1 $$;
-- Whether a statement succeeds; it is taken back.
CREATE FUNCTION t.accepted(statement text) RETURNS boolean
LANGUAGE plpgsql AS $$
DECLARE
	done boolean := false;
BEGIN
	EXECUTE statement;
	done := true;
	RAISE 'back';
EXCEPTION WHEN OTHERS THEN
	RETURN done;
END
$$;
-- A field of a CSV file.
CREATE FUNCTION t.field(value text) RETURNS text
LANGUAGE sql AS $$ SELECT coalesce('"' || replace(value, '"', '""') || '"', '') $$;
-- All rows of a table, in the order of their texts.
CREATE FUNCTION t.rows(relation regclass) RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
	result text[];
BEGIN
	EXECUTE format('SELECT array_agg(r::text ORDER BY r::text COLLATE "C") FROM (SELECT %s FROM %s) r',
		(SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute
		WHERE attrelid = relation AND attnum > 0 AND NOT attisdropped AND attname <> 'digest'), relation) INTO result;
	RETURN coalesce(result, '{}');
END
$$;
\set ECHO all
