-- Mappings: which file becomes which table (SPEC 2.1).

CREATE TABLE syncup.mapping (
	connector text NOT NULL,
	mapping text NOT NULL,
	kind text NOT NULL CHECK (kind IN ('entity type', 'association')),
	ordinal int NOT NULL,
	target regclass NOT NULL,
	file text,
	key text NOT NULL,
	unique_keys text[] NOT NULL DEFAULT '{}',
	options jsonb NOT NULL DEFAULT '{}',
	table_name name NOT NULL UNIQUE,
	PRIMARY KEY (connector, mapping)
);
COMMENT ON TABLE syncup.mapping IS 'Entity type and association mappings. Written by syncup_map_entity_type() and its kin only.';
COMMENT ON COLUMN syncup.mapping.ordinal IS 'order in which mappings of a connector are applied';
COMMENT ON COLUMN syncup.mapping.file IS 'null: a relation is read, which the option "source" names';
COMMENT ON COLUMN syncup.mapping.key IS 'source column of the primary key; of several columns they together, as (a,b)';
COMMENT ON COLUMN syncup.mapping.table_name IS 'name of its tables in syncup_previous, syncup_delta and syncup_changes';
SELECT pg_catalog.pg_extension_config_dump('syncup.mapping', '');

CREATE TABLE syncup.mapping_column (
	connector text NOT NULL,
	mapping text NOT NULL,
	ordinal int NOT NULL,
	source text NOT NULL,
	stored name NOT NULL,
	target name,
	target_type text,
	change_column name,
	format text,
	repeated boolean NOT NULL DEFAULT false,
	write text CHECK (write = 'insert'),
	key_part int,
	empty text CHECK (empty = 'keep'),
	optional text CHECK (optional IN ('keep', 'null')),
	PRIMARY KEY (connector, mapping, ordinal)
);
COMMENT ON TABLE syncup.mapping_column IS 'The source columns that a mapping uses, and what becomes of them.';
COMMENT ON COLUMN syncup.mapping_column.source IS 'name in the header of the file; empty: of the column of previous that names those whose last cell left what was there';
COMMENT ON COLUMN syncup.mapping_column.stored IS 'name in the previous and delta tables';
COMMENT ON COLUMN syncup.mapping_column.target IS 'column of the target; null: stored only, for links to refer by';
COMMENT ON COLUMN syncup.mapping_column.target_type IS 'type of the target column when it was mapped; a run refuses another one';
COMMENT ON COLUMN syncup.mapping_column.change_column IS 'name in the change table';
COMMENT ON COLUMN syncup.mapping_column.format IS 'see syncup_format()';
COMMENT ON COLUMN syncup.mapping_column.repeated IS 'a further target of a source column that an earlier row names';
COMMENT ON COLUMN syncup.mapping_column.key_part IS 'from 1: its target column is the key, or this part of it. A key of several parts has a row without target, which stores them together';
COMMENT ON COLUMN syncup.mapping_column.write IS 'insert: written to rows that are inserted, and left alone afterwards; null: always';
COMMENT ON COLUMN syncup.mapping_column.empty IS 'keep: an empty cell leaves what is there; null: it is no value';
COMMENT ON COLUMN syncup.mapping_column.optional IS 'where the file lacks the column: keep, its values stay; null, they are null. Null: the file is refused';
SELECT pg_catalog.pg_extension_config_dump('syncup.mapping_column', '');

-- How the key of an entity type is written for a person: an expression over a
-- change table "c". concat() takes the type's output function: a cast to text may
-- be anybody's code.
CREATE VIEW syncup.mapping_key AS
SELECT m.connector, m.mapping, k.stored,
	CASE WHEN count(*) = 1 THEN format('concat(%s)', string_agg(format('c.%I', p.change_column), ', ' ORDER BY p.key_part))
		ELSE format('concat(ROW(%s))', string_agg(format('c.%I', p.change_column), ', ' ORDER BY p.key_part)) END AS changed_key,
	array_agg(p.target ORDER BY p.key_part) AS targets
FROM syncup.mapping m
JOIN syncup.mapping_column k ON k.connector = m.connector AND k.mapping = m.mapping AND k.source = m.key AND NOT k.repeated
JOIN syncup.mapping_column p ON p.connector = m.connector AND p.mapping = m.mapping AND p.key_part IS NOT NULL
WHERE m.kind = 'entity type'
GROUP BY m.connector, m.mapping, k.stored;
COMMENT ON VIEW syncup.mapping_key IS 'The key of each entity type: its column in previous and delta, its text as SQL over a change table "c", and its columns of the target.';

-- The values of a change as texts. concat() takes the type's output function.
CREATE VIEW syncup.mapping_cells AS
SELECT m.connector, m.mapping,
	coalesce(string_agg(format('(%s, %L::name, CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%3$I) COLLATE "default" END, %L::int)',
			coalesce(a.attnum, k.ordinal), k.target, k.change_column, k.key_part), ', ' ORDER BY k.ordinal) FILTER (WHERE k.target IS NOT NULL),
		'(NULL::int, NULL::name, NULL::text, NULL::int)') AS cells
FROM syncup.mapping m
LEFT JOIN syncup.mapping_column k ON k.connector = m.connector AND k.mapping = m.mapping
LEFT JOIN pg_attribute a ON a.attrelid = m.target AND a.attname = k.target
GROUP BY m.connector, m.mapping;
COMMENT ON VIEW syncup.mapping_cells IS 'The mapped columns of each mapping as rows of VALUES over a change table "c": place in the target, name, new value as text, part of the key. Of an association those that belong to a link.';

CREATE FUNCTION syncup.key_values(key text) RETURNS jsonb
AS 'MODULE_PATHNAME', 'syncup_key_values' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.key_values(text) IS
'The values of a key of several columns, (a,b), as an array of texts.';

CREATE FUNCTION syncup_map_entity_type(connector text, entity_type text, target regclass, file text, key text, columns jsonb DEFAULT NULL, unique_keys text[] DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_map_entity_type(text, text, regclass, text, text, jsonb, text[], jsonb) IS
'Maps the rows of a CSV file to the rows of a table, by primary key. Without columns, those of the same name are mapped, as the header of the file says now. An existing mapping is updated where its stored rows stay right: what is not named stays as it is.';

CREATE FUNCTION syncup_map_entity_type(connector text, entity_type text, target regclass, file text, key text[], columns jsonb DEFAULT NULL, unique_keys text[] DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_map_entity_type_by_columns' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_map_entity_type(text, text, regclass, text, text[], jsonb, text[], jsonb) IS
'The same by a key of several columns: the target needs a unique constraint over just their columns, which take no nulls. Such a key is written as a row, (a,b).';

CREATE FUNCTION syncup_drop_mapping(connector text, mapping text)
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_drop_mapping(text, text) IS
'Drops a mapping with its previous, delta and change tables. The target is not touched.';
