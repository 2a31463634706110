-- Associations: which pairs of a file become links between targets (SPEC 2.1).

CREATE TABLE syncup.association (
	connector text NOT NULL,
	mapping text NOT NULL,
	side int NOT NULL CHECK (side IN (1, 2)),
	entity_connector text NOT NULL,
	entity text NOT NULL,
	property text NOT NULL,
	store name,
	target_column name,
	change_column name,
	seen bigint,
	respelled boolean NOT NULL DEFAULT false,
	PRIMARY KEY (connector, mapping, side)
);
CREATE INDEX association_entity ON syncup.association (entity_connector, entity);
COMMENT ON TABLE syncup.association IS 'The two sides of each association: what the values of its columns are looked up in, and what is stored of the resource found.';
COMMENT ON COLUMN syncup.association.property IS 'source column of the entity type that the values stand in: its key or a unique key';
COMMENT ON COLUMN syncup.association.store IS 'column of the entity type''s target that is stored; null: that of its key';
COMMENT ON COLUMN syncup.association.target_column IS 'column of the association''s target that stores it; null: this side''s own row holds the link';
COMMENT ON COLUMN syncup.association.change_column IS 'name of that column in the change table';
COMMENT ON COLUMN syncup.association.seen IS 'of an entity type of another connector: the last batch (seq) that the links were resolved with';
COMMENT ON COLUMN syncup.association.respelled IS 'a value of a pair is, or may be, written otherwise than the type of the property writes it: every pair is looked up in every run';
SELECT pg_catalog.pg_extension_config_dump('syncup.association', '');

CREATE TABLE syncup.orphan (
	connector text NOT NULL,
	mapping text NOT NULL,
	value1 text COLLATE "C" NOT NULL,
	value2 text COLLATE "C" NOT NULL,
	batch uuid NOT NULL,
	link text COLLATE "C"
);
CREATE INDEX orphan_mapping ON syncup.orphan (connector, mapping, value1, value2);
COMMENT ON TABLE syncup.orphan IS 'Pairs of the source of which an end is not found; tried again by every synchronize.';
COMMENT ON COLUMN syncup.orphan.link IS 'of links with columns: the key that tells the pair from others, as a row';
COMMENT ON COLUMN syncup.orphan.batch IS 'the batch that found it first';
SELECT pg_catalog.pg_extension_config_dump('syncup.orphan', '');

CREATE FUNCTION syncup_map_association(connector text, association text, file text, column1 text, property1 text, column2 text, property2 text, target regclass, target_column1 name DEFAULT NULL, target_column2 name DEFAULT NULL, options jsonb DEFAULT '{}')
RETURNS void
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_map_association(text, text, text, text, text, text, text, regclass, name, name, jsonb) IS
'Maps two columns of a CSV file to links: each value is looked up in a property (entity_type.source_column, its key or a unique key), and the keys of the two rows found become a row of a link table, or the value of one column of a target.';

CREATE FUNCTION syncup.dn_normal_form(dn text) RETURNS text
AS 'MODULE_PATHNAME', 'syncup_dn_normal_form' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION syncup.dn_normal_form(text) IS
'a distinguished name (RFC 4514) in a form that equal names share: option "dn" of match1 and match2; null for what is none';
