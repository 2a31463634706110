-- What a run would do (SPEC 2.2).

CREATE FUNCTION syncup_preview(connector text, mode text)
RETURNS SETOF syncup.threshold_check
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_preview(text, text) IS
'What a run would do now, and whether it would block: the same code, rolled back. Column batch is null.';
