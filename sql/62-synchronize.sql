-- From a queued batch to targets and previous (SPEC 5).

CREATE TYPE syncup.result AS (
	batch uuid,
	connector text,
	mode text,
	status text,
	inserted bigint,
	updated bigint,
	deleted bigint,
	links_inserted bigint,
	links_deleted bigint,
	orphans bigint,
	elapsed interval,
	links_updated bigint,
	set_aside bigint
);
COMMENT ON TYPE syncup.result IS 'What became of a batch: status applied, blocked or failed, and its counters.';

CREATE FUNCTION syncup_synchronize(connector text, force boolean DEFAULT false, keep_changes boolean DEFAULT false, orphans text DEFAULT NULL)
RETURNS SETOF syncup.result
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_synchronize(text, boolean, boolean, text) IS
'Applies the prepared batches of a connector, oldest first; stops at one that exceeds a threshold (status blocked) or fails. force waives thresholds; keep_changes keeps the change rows of applied batches; orphans names a file to save orphans in.';
