-- Batches as files (SPEC 2.4).

CREATE FUNCTION syncup_export(batch uuid, directory text)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_export(uuid, text) IS
'Writes a waiting batch, or the one applied last, to a directory on the server: per mapping its rows (.sorted.csv), its delta (.sorted.delta), and the rows set aside (.duplicates.csv, .nullpk.csv, .orphans.csv).';
