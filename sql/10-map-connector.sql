-- Connectors: one managed system each (SPEC 1, 2.1).

CREATE TABLE syncup.connector (
	connector text PRIMARY KEY,
	directory text,
	options jsonb NOT NULL DEFAULT '{}',
	active boolean NOT NULL DEFAULT true,
	needs_complete boolean NOT NULL DEFAULT false,
	complete_after bigint NOT NULL DEFAULT 0,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE syncup.connector IS 'One managed system each, with its source directory and CSV options. Written by syncup_create_connector() and its kin only.';
COMMENT ON COLUMN syncup.connector.directory IS 'where its files lie, on the server';
COMMENT ON COLUMN syncup.connector.options IS 'CSV options shared by its files';
COMMENT ON COLUMN syncup.connector.active IS 'false: prepare is refused, and jobs leave the connector out';
COMMENT ON COLUMN syncup.connector.needs_complete IS 'true: incremental runs are refused until a complete run was applied';
COMMENT ON COLUMN syncup.connector.complete_after IS 'only a complete run prepared after the batch of this seq will do';
SELECT pg_catalog.pg_extension_config_dump('syncup.connector', '');

CREATE FUNCTION syncup_create_connector(connector text, directory text DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_create_connector(text, text, jsonb) IS
'Creates a connector, or changes the directory and the CSV options of an existing one: what is not named stays, an option given as null goes back to its default.';

CREATE FUNCTION syncup_drop_connector(connector text)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_drop_connector(text) IS
'Drops a connector with its mappings, queue, history, previous, delta and change tables. Targets are not touched.';

CREATE FUNCTION syncup_deactivate(connector text)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_deactivate(text) IS
'Makes a connector refuse prepare, until syncup_activate().';

CREATE FUNCTION syncup_activate(connector text)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_activate(text) IS
'Lets a deactivated connector run again.';
