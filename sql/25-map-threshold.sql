-- Thresholds: how much a run may change before a person must look (SPEC 6).

CREATE TABLE syncup.threshold (
	connector text NOT NULL,
	mapping text,
	counter text NOT NULL,
	maximum bigint NOT NULL CHECK (maximum >= 0),
	max_percentage numeric NOT NULL CHECK (max_percentage >= 0)
);
CREATE UNIQUE INDEX threshold_key ON syncup.threshold (connector, coalesce(mapping, ''), counter);
COMMENT ON TABLE syncup.threshold IS 'Limits per counter, of a connector (mapping null) and of its mappings; 0 is off; of lines_for_percentage, maximum is the fewest lines that exceed a percentage; of links_per_resource, the fewest links of a resource that is counted. Written by syncup_set_thresholds().';
SELECT pg_catalog.pg_extension_config_dump('syncup.threshold', '');

CREATE TABLE syncup.threshold_limit (
	name text PRIMARY KEY,
	counter text NOT NULL,
	percentage boolean NOT NULL,
	links boolean,
	connector_default numeric NOT NULL,
	of_mappings boolean NOT NULL DEFAULT true
);
COMMENT ON TABLE syncup.threshold_limit IS 'The names of limits as syncup_set_thresholds() takes them, and the defaults of a connector (SPEC 6.1); a mapping''s default is 0, off.';
COMMENT ON COLUMN syncup.threshold_limit.links IS 'whether it is one of associations; null: of every mapping';
COMMENT ON COLUMN syncup.threshold_limit.of_mappings IS 'whether a mapping can have it, too';
INSERT INTO syncup.threshold_limit (name, counter, percentage, links, connector_default) VALUES
	('maximum_inserted_lines', 'inserted_lines', false, false, 100),
	('maximum_updated_lines', 'updated_lines', false, false, 100),
	('maximum_deleted_lines', 'deleted_lines', false, false, 100),
	('maximum_link_inserted_lines', 'link_inserted_lines', false, true, 1000),
	('maximum_link_updated_lines', 'link_updated_lines', false, true, 1000),
	('maximum_link_deleted_lines', 'link_deleted_lines', false, true, 1000),
	('max_percentage_inserted_lines', 'inserted_lines', true, false, 5),
	('max_percentage_updated_lines', 'updated_lines', true, false, 5),
	('max_percentage_deleted_lines', 'deleted_lines', true, false, 5),
	('max_link_percentage_inserted_lines', 'link_inserted_lines', true, true, 5),
	('max_link_percentage_updated_lines', 'link_updated_lines', true, true, 5),
	('max_link_percentage_deleted_lines', 'link_deleted_lines', true, true, 5),
	('minimum_lines_for_percentage', 'lines_for_percentage', false, NULL, 0),
	('max_link_percentage_deleted_per_resource', 'link_deleted_lines_per_resource', true, true, 0),
	('minimum_links_per_resource', 'links_per_resource', false, true, 20);
INSERT INTO syncup.threshold_limit VALUES
	('max_percentage_set_aside_lines', 'set_aside_lines', true, NULL, 50, false);

CREATE FUNCTION syncup_set_thresholds(connector text, limits jsonb, mapping text DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_set_thresholds(text, jsonb, text) IS
'Sets limits of a connector or of one of its mappings, for example {"maximum_deleted_lines": 50, "max_percentage_deleted_lines": 2}; 0 is off. Only those named change.';
