-- Files as rows of a query (SPEC 2.4).

CREATE FUNCTION syncup.read_csv_support(internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'syncup_read_csv_support' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.read_csv_support(internal) IS
'Planner support: how many rows the reading functions will give.';

CREATE FUNCTION syncup_read_csv(path text, options jsonb DEFAULT '{}')
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SUPPORT syncup.read_csv_support
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_read_csv(text, jsonb) IS
'Reads a CSV file on the server. Columns of the definition list are found in the header by name and converted by their types: SELECT * FROM syncup_read_csv(''/srv/hr.csv'') AS (id int, name text).';

CREATE FUNCTION syncup_read_delta(path text, options jsonb DEFAULT '{}')
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SUPPORT syncup.read_csv_support
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_read_delta(text, jsonb) IS
'Reads a CSV file that carries changes: the column "command" of the definition list comes back as insert, update, delete or merge. Option command_column names the file''s column (default command).';

CREATE FUNCTION syncup_csv_header(path text, options jsonb DEFAULT '{}')
RETURNS TABLE (ordinal int, name text)
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL RESTRICTED
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_csv_header(text, jsonb) IS
'The columns of a CSV file, as its header names them.';
