-- How the connectors are (SPEC 2.3).

CREATE VIEW syncup.status AS
SELECT c.connector, c.active,
	success.synchronized_at AS last_success,
	last.batch AS last_batch,
	last.mode AS last_mode,
	last.status AS last_status,
	(SELECT count(*) FROM syncup.batch q
		WHERE q.connector = c.connector AND q.status IN ('prepared', 'blocked', 'failed')
		AND q.prepared_at IS NOT NULL) AS queue_length,
	(SELECT q.batch FROM syncup.batch q
		WHERE q.connector = c.connector AND q.status = 'blocked' AND q.prepared_at IS NOT NULL
		ORDER BY q.seq LIMIT 1) AS blocked,
	c.needs_complete,
	now() - (SELECT min(k.file_modified) FROM syncup.batch_counter k WHERE k.batch = (
		SELECT b.batch FROM syncup.batch b
		WHERE b.connector = c.connector AND b.status = 'applied' AND b.mode <> 'undo'
		ORDER BY b.seq DESC LIMIT 1)) AS age,
	(SELECT count(*) FROM syncup.orphan o WHERE o.connector = c.connector) AS orphans
FROM syncup.connector c
LEFT JOIN LATERAL (
	SELECT b.* FROM syncup.batch b WHERE b.connector = c.connector ORDER BY b.seq DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
	SELECT b.* FROM syncup.batch b
	WHERE b.connector = c.connector AND b.status = 'applied' ORDER BY b.seq DESC LIMIT 1
) AS success ON true;
COMMENT ON VIEW syncup.status IS
'A row per connector: last success, last batch, queue, what it waits for, and the age of its data.';
COMMENT ON COLUMN syncup.status.blocked IS 'the batch that waits for a decision';
COMMENT ON COLUMN syncup.status.orphans IS 'pairs of associations of which an end is not found: see syncup.orphan';
COMMENT ON COLUMN syncup.status.age IS 'time since the oldest file of the last applied batch was written';
