-- Batches: queue and history (SPEC 2.3).

CREATE TABLE syncup.batch (
	batch uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	seq bigint GENERATED ALWAYS AS IDENTITY,
	connector text NOT NULL,
	mode text NOT NULL CHECK (mode IN ('initial', 'complete', 'incremental', 'undo')),
	status text NOT NULL CHECK (status IN ('prepared', 'blocked', 'applied', 'cancelled', 'discarded', 'failed', 'undone')),
	prepared_at timestamptz,
	prepared_by name,
	synchronized_at timestamptz,
	synchronized_by name,
	decision text,
	decided_at timestamptz,
	decided_by name,
	reason text,
	forced boolean NOT NULL DEFAULT false,
	changes_kept boolean NOT NULL DEFAULT false,
	source_changes boolean NOT NULL DEFAULT false,
	limits jsonb,
	sqlstate text,
	error text
)
-- Every run in a session of its own begins a page of its own, until a vacuum tells
-- of the room in the others: that should not wait for a fifth of a long history.
WITH (autovacuum_vacuum_threshold = 20, autovacuum_vacuum_scale_factor = 0.02);
CREATE UNIQUE INDEX batch_of_connector ON syncup.batch (connector, seq);
CREATE INDEX batch_kept ON syncup.batch (connector) WHERE changes_kept;
CREATE INDEX batch_applied ON syncup.batch (connector, seq) WHERE status = 'applied';
CREATE INDEX batch_complete ON syncup.batch (connector, seq) WHERE mode IN ('initial', 'complete');
CREATE INDEX batch_queue ON syncup.batch (connector, seq)
	WHERE status IN ('prepared', 'blocked', 'failed') AND prepared_at IS NOT NULL;
COMMENT ON TABLE syncup.batch IS 'One row per batch: queue and history.';
COMMENT ON COLUMN syncup.batch.status IS 'prepared, blocked, applied, cancelled (superseded by a complete run), discarded, failed (tried again by the next synchronize; where prepared_at is null, the prepare itself failed), undone';
COMMENT ON COLUMN syncup.batch.decision IS 'what a person decided: resume, discard or undo';
COMMENT ON COLUMN syncup.batch.forced IS 'thresholds were waived';
COMMENT ON COLUMN syncup.batch.changes_kept IS 'its change rows and delta were kept when it was applied';
COMMENT ON COLUMN syncup.batch.source_changes IS 'it holds changes computed by the source (command_column), or stands for such: discarding or undoing it loses them, and a complete run is needed';
COMMENT ON COLUMN syncup.batch.limits IS 'the limits it was checked against that are not off: per mapping (empty: the connector) and counter the maximum and the percentage';
COMMENT ON COLUMN syncup.batch.error IS 'why it failed, also of one that was declined or superseded since';
SELECT pg_catalog.pg_extension_config_dump('syncup.batch', '');
SELECT pg_catalog.pg_extension_config_dump('syncup.batch_seq_seq', '');

CREATE TABLE syncup.batch_counter (
	batch uuid NOT NULL,
	mapping text NOT NULL,
	kind text NOT NULL,
	file text,
	file_modified timestamptz,
	file_size bigint,
	rows_read bigint NOT NULL DEFAULT 0,
	rows_kept bigint NOT NULL DEFAULT 0,
	null_keys bigint NOT NULL DEFAULT 0,
	duplicates bigint NOT NULL DEFAULT 0,
	rejected bigint NOT NULL DEFAULT 0,
	empty_links bigint NOT NULL DEFAULT 0,
	delta_inserted bigint NOT NULL DEFAULT 0,
	delta_updated bigint NOT NULL DEFAULT 0,
	delta_deleted bigint NOT NULL DEFAULT 0,
	deletions_suspended boolean NOT NULL DEFAULT false,
	inserted bigint,
	updated bigint,
	deleted bigint,
	orphans bigint,
	stored_before bigint,
	cascaded bigint,
	filtered bigint NOT NULL DEFAULT 0,
	set_aside bigint NOT NULL DEFAULT 0,
	PRIMARY KEY (batch, mapping),
	CHECK (rows_read = rows_kept + null_keys + duplicates + rejected + empty_links + filtered)
);
COMMENT ON TABLE syncup.batch_counter IS 'What prepare and synchronize counted, per batch and mapping. The columns from inserted on are null until changes were built.';
COMMENT ON COLUMN syncup.batch_counter.file IS 'null: it was missing, and need not be there (option optional): the mapping took no part';
COMMENT ON COLUMN syncup.batch_counter.filtered IS 'rows that do not count (option where)';
COMMENT ON COLUMN syncup.batch_counter.set_aside IS 'those in syncup.quarantine for their own sake: null keys, rejected rows and duplicates with other contents; rows that say the same again and empty links are not';
COMMENT ON COLUMN syncup.batch_counter.deletions_suspended IS 'a bad row had no readable key, so nothing is deleted (SPEC 4.3)';
COMMENT ON COLUMN syncup.batch_counter.stored_before IS 'rows of the target before the batch: the base of percentages';
COMMENT ON COLUMN syncup.batch_counter.cascaded IS 'rows of the mapping that constraints delete or update by themselves (ON DELETE), beside deleted and updated: see syncup.batch_cascade';
SELECT pg_catalog.pg_extension_config_dump('syncup.batch_counter', '');

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
SELECT pg_catalog.pg_extension_config_dump('syncup.batch_cascade', '');

CREATE VIEW syncup.counted AS
SELECT c.batch, c.mapping, v.counter, v.count, v.base
FROM (
	SELECT k.batch, k.mapping, k.kind, k.inserted, k.updated + coalesce(x.updated, 0),
		k.deleted + coalesce(x.deleted, 0), k.stored_before, k.set_aside, k.rows_read - k.filtered
	FROM syncup.batch_counter k
	LEFT JOIN syncup.batch_cascade x USING (batch, mapping)
	WHERE k.inserted IS NOT NULL
	UNION ALL
	SELECT x.batch, NULL, x.kind, 0, sum(x.updated)::bigint, sum(x.deleted)::bigint, 0, NULL, NULL
	FROM syncup.batch_cascade x
	WHERE x.mapping IS NULL AND x.deleted IS NOT NULL
	GROUP BY x.batch, x.kind
) AS c (batch, mapping, kind, inserted, updated, deleted, stored, set_aside, read)
CROSS JOIN LATERAL (SELECT CASE c.kind WHEN 'association' THEN 'link_' ELSE '' END) AS of (kind)
CROSS JOIN LATERAL (VALUES (of.kind || 'inserted_lines', c.inserted, c.stored), (of.kind || 'updated_lines', c.updated, c.stored),
	(of.kind || 'deleted_lines', c.deleted, c.stored), ('set_aside_lines', c.set_aside, c.read)) AS v (counter, count, base)
WHERE v.count IS NOT NULL;
COMMENT ON VIEW syncup.counted IS 'What counts against limits: the changes of a batch with what constraints take along, and rows set aside, per mapping; mapping null: rows of tables that no mapping fills.';

CREATE FUNCTION syncup.what_cascades(batch uuid)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(concat_ws(', ',
			CASE WHEN x.deleted > 0 THEN format('%s %s of %s deleted', x.deleted, CASE x.deleted WHEN 1 THEN 'row' ELSE 'rows' END, x.relation) END,
			CASE WHEN x.updated > 0 THEN format('%s %s of %s updated', x.updated, CASE x.updated WHEN 1 THEN 'row' ELSE 'rows' END, x.relation) END,
			CASE WHEN x.deleted IS NULL THEN format('rows of %s that could not be counted', x.relation) END),
		', ' ORDER BY x.relation COLLATE "C", x.mapping COLLATE "C")
	FROM syncup.batch_cascade x
	WHERE x.batch = what_cascades.batch
$$;
COMMENT ON FUNCTION syncup.what_cascades(uuid) IS
'What constraints do by themselves when a batch is applied, in words; null: nothing.';

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

CREATE TABLE syncup.source_header (
	connector text NOT NULL,
	mapping text NOT NULL,
	source text NOT NULL,
	seq bigint NOT NULL,
	header text[] NOT NULL,
	PRIMARY KEY (connector, mapping, source, seq)
);
COMMENT ON TABLE syncup.source_header IS 'The columns that full extracts had, a row where they are others than those of the extract before: kept until the mapping is dropped, whatever is purged.';
COMMENT ON COLUMN syncup.source_header.source IS 'the file or relation as it is mapped, with its directory';
COMMENT ON COLUMN syncup.source_header.seq IS 'of the first batch that read such a header';
SELECT pg_catalog.pg_extension_config_dump('syncup.source_header', '');

CREATE TABLE syncup.quarantine (
	batch uuid NOT NULL,
	connector text NOT NULL,
	mapping text NOT NULL,
	file text,
	line bigint,
	reason text NOT NULL,
	key text,
	message text,
	raw text
);
CREATE INDEX quarantine_batch ON syncup.quarantine (batch);
COMMENT ON TABLE syncup.quarantine IS 'Every source row that was set aside, with the reason: null key, duplicate, conflict, malformed, encoding, conversion, unknown key, orphan.';
COMMENT ON COLUMN syncup.quarantine.line IS 'line of the file where the row begins';
COMMENT ON COLUMN syncup.quarantine.raw IS 'the original bytes, as text where valid; of several pairs of one row with the first that is set aside';
SELECT pg_catalog.pg_extension_config_dump('syncup.quarantine', '');
