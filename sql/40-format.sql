/*
 * Formats of mapped values.
 *
 * A column of a mapping may have a "format", which turns the text of the
 * source into text that the type of the target's column takes. This function
 * is the same conversion for trying formats out, and for queries.
 *
 * Anybody may call it: it reads nothing but its arguments. DateStyle and
 * TimeZone are pinned so that a value reads the same in every session; a
 * mapping has its option "timezone" in the place of UTC.
 */
CREATE FUNCTION syncup_format(value text, format text)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET DateStyle = 'ISO, YMD'
SET TimeZone = 'UTC';

COMMENT ON FUNCTION syncup_format(text, text) IS
'converts a value by a format of mappings, such as filetime or datetime:DD/MM/YYYY; null for an empty value; an error if the value does not match';
