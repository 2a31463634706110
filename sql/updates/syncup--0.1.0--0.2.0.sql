-- From 0.1.0 to 0.2.0: what changes in tables, types and signatures. Nothing else
-- stands here: make appends every function, procedure, view and comment of the
-- fragments with OR REPLACE (assemble.awk), and privileges are kept by name (before,
-- after). A function with another signature or result, and a view whose columns are
-- not only appended, is dropped here, without CASCADE: what users have built on it
-- stops the update, and PostgreSQL names it.
-- With the release, the assembled script takes this one's place.

\echo Use "ALTER EXTENSION syncup UPDATE" to load this file. \quit

-- Options: each takes values of one type now; what 0.1.0 took for the same is written so.
DO $$
DECLARE
	relation regclass;
BEGIN
	FOREACH relation IN ARRAY '{syncup.connector,syncup.mapping}'::regclass[] LOOP
		EXECUTE format($sql$
			UPDATE %s AS t SET options = (
				SELECT jsonb_object_agg(o.key, CASE
					WHEN o.key IN ('header', 'pattern') THEN to_jsonb((o.value #>> '{}')::boolean)
					WHEN o.key IN ('skip_lines', 'reject_limit', 'min_age', 'constants') THEN o.value
					ELSE to_jsonb(o.value #>> '{}') END)
				FROM jsonb_each(t.options) AS o)
			WHERE options <> '{}'
			$sql$, relation);
	END LOOP;
END
$$;

-- Files of changes: which were read is remembered by their bytes, beside the history.
CREATE TABLE syncup.batch_file (
	batch uuid NOT NULL,
	mapping text NOT NULL,
	file text NOT NULL,
	file_modified timestamptz NOT NULL,
	file_size bigint NOT NULL,
	rows_read bigint NOT NULL,
	PRIMARY KEY (batch, mapping, file)
);
COMMENT ON TABLE syncup.batch_file IS 'Of files of changes that a pattern names: each that a batch read for a mapping, in C order of their names.';
COMMENT ON COLUMN syncup.batch_file.rows_read IS 'rows of this file; what became of them is counted in syncup.batch_counter, of all files together';
SELECT pg_catalog.pg_extension_config_dump('syncup.batch_file', '');

CREATE TABLE syncup.change_file_read (
	connector text NOT NULL,
	mapping text NOT NULL,
	file text COLLATE "C" NOT NULL,
	digest bytea NOT NULL,
	file_modified timestamptz NOT NULL,
	file_size bigint NOT NULL,
	batch uuid NOT NULL,
	PRIMARY KEY (connector, mapping, file, digest)
);
COMMENT ON TABLE syncup.change_file_read IS 'The files of changes that were read, so that none is applied twice: kept until the mapping is dropped, whatever is purged.';
COMMENT ON COLUMN syncup.change_file_read.file IS 'its name under the directory of the connector; its whole path where it lies elsewhere';
COMMENT ON COLUMN syncup.change_file_read.digest IS 'SHA-256 of its bytes; empty: read by version 0.1.0, known by time and size';
COMMENT ON COLUMN syncup.change_file_read.batch IS 'the batch that read it, which may be purged';
SELECT pg_catalog.pg_extension_config_dump('syncup.change_file_read', '');
-- Of those read so far, time and size are known.
INSERT INTO syncup.change_file_read (connector, mapping, file, digest, file_modified, file_size, batch)
SELECT DISTINCT ON (b.connector, c.mapping, f.file) b.connector, c.mapping, f.file, ''::bytea, c.file_modified, c.file_size, b.batch
FROM syncup.batch b
JOIN syncup.batch_counter c USING (batch)
JOIN syncup.connector k USING (connector)
JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
CROSS JOIN LATERAL (SELECT CASE WHEN starts_with(c.file, rtrim(k.directory, '/') || '/') THEN substr(c.file, length(rtrim(k.directory, '/')) + 2) ELSE c.file END) AS f (file)
WHERE b.mode = 'incremental' AND b.source_changes AND c.file_modified IS NOT NULL AND c.file_size IS NOT NULL
ORDER BY b.connector, c.mapping, f.file, b.seq DESC;
-- No foreign keys between our own tables: a dump is restored in any order.
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN
		SELECT k.conrelid::regclass AS relation, k.conname AS name
		FROM pg_catalog.pg_constraint k
		WHERE k.connamespace = 'syncup'::regnamespace AND k.contype = 'f'
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s DROP CONSTRAINT %I', c.relation, c.name);
	END LOOP;
END
$$;

-- Logical replication: a replica identity for every table, those of mappings as well.
DO $$
DECLARE
	t regclass;
BEGIN
	FOR t IN
		SELECT c.oid
		FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('syncup', 'syncup_previous', 'syncup_delta', 'syncup_changes') AND c.relkind = 'r'
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', t);
	END LOOP;
END
$$;

-- One source column may feed several target columns.
ALTER TABLE syncup.mapping_column ADD repeated boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN syncup.mapping_column.repeated IS 'a further target of a source column that an earlier row names';

-- Columns that are written at insertion only.
ALTER TABLE syncup.mapping_column ADD write text CHECK (write = 'insert');

-- The headers of extracts.
CREATE TABLE syncup.source_header (
	connector text NOT NULL,
	mapping text NOT NULL,
	source text NOT NULL,
	seq bigint NOT NULL,
	header text[] NOT NULL,
	PRIMARY KEY (connector, mapping, source, seq)
);
SELECT pg_catalog.pg_extension_config_dump('syncup.source_header', '');

-- What constraints take along
ALTER TABLE syncup.batch_counter ADD COLUMN cascaded bigint;
COMMENT ON COLUMN syncup.batch_counter.cascaded IS 'rows of the mapping that constraints delete or update by themselves (ON DELETE), beside deleted and updated: see syncup.batch_cascade';
CREATE TABLE syncup.batch_cascade (
	batch uuid NOT NULL,
	relation text NOT NULL,
	mapping text,
	kind text NOT NULL,
	deleted bigint,
	updated bigint
);
CREATE UNIQUE INDEX batch_cascade_key ON syncup.batch_cascade (batch, relation, coalesce(mapping, ''));
COMMENT ON TABLE syncup.batch_cascade IS 'Rows that a batch does not write but constraints take along when it is applied: ON DELETE CASCADE (deleted), SET NULL and SET DEFAULT (updated). Counted before anything is written.';
COMMENT ON COLUMN syncup.batch_cascade.mapping IS 'whose rows they are; null: of a table that no mapping of the connector fills, which counts against the connector''s limits';
COMMENT ON COLUMN syncup.batch_cascade.deleted IS 'null, as updated: the table could be read neither by the caller nor by the owner of the extension';
ALTER TABLE syncup.batch_cascade REPLICA IDENTITY FULL;
SELECT pg_catalog.pg_extension_config_dump('syncup.batch_cascade', '');
-- Status and alarms: results name links that moved and rows set aside; the last complete run is found by an index.
ALTER TYPE syncup.result ADD ATTRIBUTE links_updated bigint, ADD ATTRIBUTE set_aside bigint;
CREATE INDEX batch_complete ON syncup.batch (connector, seq) WHERE mode IN ('initial', 'complete');
COMMENT ON COLUMN syncup.batch.error IS 'why it failed, also of one that was declined or superseded since';


-- Keys that are one key in several spellings: what they are found by, and what
-- they were before.
DO $$
DECLARE
	m record;
	reserved text;
BEGIN
	FOR m IN SELECT p.connector, p.mapping, p.table_name FROM syncup.mapping p WHERE p.kind = 'entity type' LOOP
		-- columns of ours that a column of the file may be called like
		FOREACH reserved IN ARRAY ARRAY['old_key', 'key_hash', 'renamed'] LOOP
			IF EXISTS (SELECT FROM syncup.mapping_column c WHERE c.connector = m.connector AND c.mapping = m.mapping AND c.stored = reserved) THEN
				EXECUTE pg_catalog.format('ALTER TABLE syncup_previous.%I RENAME %I TO %I', m.table_name, reserved, reserved || ' of the file');
				EXECUTE pg_catalog.format('ALTER TABLE syncup_delta.%I RENAME %I TO %I', m.table_name, reserved, reserved || ' of the file');
				UPDATE syncup.mapping_column c SET stored = reserved || ' of the file'
				WHERE c.connector = m.connector AND c.mapping = m.mapping AND c.stored = reserved;
			END IF;
		END LOOP;
		EXECUTE pg_catalog.format('ALTER TABLE syncup_previous.%I ADD key_hash bigint', m.table_name);
		EXECUTE pg_catalog.format('CREATE INDEX ON syncup_previous.%I (key_hash) WHERE key_hash IS NOT NULL', m.table_name);
		EXECUTE pg_catalog.format('ALTER TABLE syncup_delta.%I ADD old_key text COLLATE "C", ADD key_hash bigint, ADD renamed text COLLATE "C"', m.table_name);
		EXECUTE pg_catalog.format('CREATE INDEX ON syncup_delta.%I (key_hash) WHERE key_hash IS NOT NULL', m.table_name);
	END LOOP;
END
$$;
-- They are taken at the next run, with a new epoch.
DELETE FROM syncup.digest_epoch;

-- Its other formats.
DROP FUNCTION @extschema@.syncup_report(uuid);

-- Fragments that 0.1.0 had; the others are taken whole, with replica identities of their tables.
-- had: 00-schema 10-map-connector 20-map-entity-type 22-map-association 23-digest 25-map-threshold 30-store-batch 35-csv 40-format 45-review-export
-- had: 50-prepare 60-synchronize-threshold 62-synchronize 63-run 64-preview 66-review 67-findings 68-report 77-job-progress 90-status 99-privileges

-- Rows set aside are counted by themselves. Until now every row of the others was.
ALTER TABLE syncup.batch_counter ADD filtered bigint NOT NULL DEFAULT 0, ADD set_aside bigint NOT NULL DEFAULT 0;
UPDATE syncup.batch_counter SET set_aside = null_keys + duplicates + rejected WHERE null_keys + duplicates + rejected > 0;
ALTER TABLE syncup.batch_counter DROP CONSTRAINT batch_counter_check,
	ADD CONSTRAINT batch_counter_check CHECK (rows_read = rows_kept + null_keys + duplicates + rejected + empty_links + filtered);

-- Ends of links in other spellings.
ALTER TABLE syncup.association ADD respelled boolean NOT NULL DEFAULT false;

-- Keys of several columns.
ALTER TABLE syncup.mapping_column ADD COLUMN key_part int;
UPDATE syncup.mapping_column k SET key_part = 1 FROM syncup.mapping m
WHERE m.kind = 'entity type' AND (k.connector, k.mapping, k.source) = (m.connector, m.mapping, m.key)
	AND k.target IS NOT NULL AND NOT k.repeated;

-- Limits: few changes of small tables, rows set aside, links that move.
ALTER TABLE syncup.threshold_limit ALTER links DROP NOT NULL, ADD of_mappings boolean NOT NULL DEFAULT true;
UPDATE syncup.threshold_limit SET connector_default = 1000 WHERE name = 'maximum_link_updated_lines';
UPDATE syncup.threshold_limit SET connector_default = 5 WHERE name = 'max_link_percentage_updated_lines';
INSERT INTO syncup.threshold_limit VALUES
	('minimum_lines_for_percentage', 'lines_for_percentage', false, NULL, 0, true),
	('max_link_percentage_deleted_per_resource', 'link_deleted_lines_per_resource', true, true, 0, true),
	('minimum_links_per_resource', 'links_per_resource', false, true, 20, true),
	('max_percentage_set_aside_lines', 'set_aside_lines', true, NULL, 50, false);
INSERT INTO syncup.threshold (connector, mapping, counter, maximum, max_percentage)
SELECT c.connector, NULL, l.counter, CASE WHEN l.percentage THEN 0 ELSE l.connector_default END, CASE WHEN l.percentage THEN l.connector_default ELSE 0 END
FROM syncup.connector c CROSS JOIN syncup.threshold_limit l
WHERE l.counter IN ('lines_for_percentage', 'set_aside_lines', 'link_deleted_lines_per_resource', 'links_per_resource');

-- Columns whose empty cells keep what is there, and that a file may lack.
ALTER TABLE syncup.mapping_column ADD empty text CHECK (empty = 'keep'),
	ADD optional text CHECK (optional IN ('keep', 'null'));

-- Relations as sources.
ALTER TABLE syncup.mapping ALTER COLUMN file DROP NOT NULL;
-- Links with columns.
ALTER TABLE syncup.orphan ADD link text COLLATE "C";

-- What stands out: a table of detectors in the place of the view.
DROP FUNCTION syncup_findings(uuid);
DROP FUNCTION syncup.findings(uuid);
DROP FUNCTION syncup.file_findings(uuid, text);
DROP FUNCTION syncup.key_findings(uuid, text);
DROP FUNCTION syncup.column_findings(uuid, text);
DROP FUNCTION syncup.format_difference(text, text);
DROP FUNCTION syncup.without_blanks(text);
DROP FUNCTION syncup.bare_key(text);
DROP VIEW syncup.finding_limit;
