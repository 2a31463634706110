-- From files to a queued batch (SPEC 4).

CREATE FUNCTION syncup_prepare(connector text, mode text, options jsonb DEFAULT '{}')
RETURNS uuid
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_prepare(text, text, jsonb) IS
'Reads the files of a connector, sets bad rows aside, computes what changed and queues it as a batch. Mode: initial (empty targets), complete (full extract, repairs drift) or incremental. Targets are not touched.';
