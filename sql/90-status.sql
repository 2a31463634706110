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
	(SELECT count(*) FROM syncup.orphan o WHERE o.connector = c.connector) AS orphans,
	(SELECT b.synchronized_at FROM syncup.batch b
		WHERE b.connector = c.connector AND b.mode IN ('initial', 'complete') AND b.status = 'applied'
		ORDER BY b.seq DESC LIMIT 1) AS last_complete,
	(SELECT sum(k.set_aside)::bigint FROM syncup.batch_counter k
		WHERE k.batch = last.batch) AS set_aside
FROM syncup.connector c
LEFT JOIN LATERAL (
	-- a run that only met another one is none of its own
	SELECT b.* FROM syncup.batch b
	WHERE b.connector = c.connector AND NOT (b.prepared_at IS NULL AND b.sqlstate = '55P03')
	ORDER BY b.seq DESC LIMIT 1
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
COMMENT ON COLUMN syncup.status.last_complete IS 'when an initial or complete batch was last applied';
COMMENT ON COLUMN syncup.status.set_aside IS 'rows of its files that the last batch set aside';

-- What needs a person now. A row begins at a batch where something happened, and
-- with time where something did not.
CREATE VIEW syncup.alarm AS
SELECT c.connector, NULL::text AS job, a.what, a.since, a.batch, a.detail, a.call
FROM syncup.connector c
LEFT JOIN LATERAL (
	SELECT b.batch, b.seq, b.synchronized_at FROM syncup.batch b
	WHERE b.connector = c.connector AND b.status = 'applied' AND b.mode <> 'undo'
	ORDER BY b.seq DESC LIMIT 1
) AS applied ON true
LEFT JOIN LATERAL (
	SELECT b.batch, b.status, b.sqlstate, b.synchronized_at FROM syncup.batch b
	WHERE b.connector = c.connector AND b.status IN ('prepared', 'blocked', 'failed') AND b.prepared_at IS NOT NULL
	ORDER BY b.seq LIMIT 1
) AS head ON head.status <> 'prepared'
CROSS JOIN LATERAL (
	SELECT max(b.decided_at) AS at FROM syncup.batch b
	WHERE b.connector = c.connector AND b.seq > coalesce(applied.seq, 0) AND b.status = 'discarded'
) AS decided
CROSS JOIN LATERAL (
	SELECT head.status AS what, head.synchronized_at AS since, head.batch,
		CASE head.status WHEN 'blocked' THEN coalesce((
				SELECT 'checks that found something, or failed: ' || string_agg(format('"%s"', r.name), ', ' ORDER BY r.name COLLATE "C")
				FROM syncup.check_result r WHERE r.batch = head.batch AND (r.rows > 0 OR r.error IS NOT NULL)),
				'more changes than the limits allow') || ': nothing is applied until somebody decides'
			ELSE format('SQLSTATE %s: the next run tries it again', head.sqlstate) END AS detail,
		format('SELECT syncup_report(%L);', head.batch) AS call
	WHERE head.batch IS NOT NULL
	UNION ALL
	-- the newest of the runs that could not be prepared since; that they were refused until somebody decided is none
	SELECT 'prepare failed', first.synchronized_at, failed.batch,
		format('SQLSTATE %s: the last %s run was not prepared', failed.sqlstate, failed.mode),
		format('SELECT syncup_report(%L);', failed.batch)
	FROM (
		SELECT b.batch, b.mode, b.sqlstate FROM syncup.batch b
		WHERE b.connector = c.connector AND b.seq > coalesce(applied.seq, 0)
			AND b.status = 'failed' AND b.prepared_at IS NULL AND b.sqlstate <> '55P03'
			AND NOT (b.sqlstate = '55000' AND (head.batch IS NOT NULL OR c.needs_complete OR b.synchronized_at < decided.at))
		ORDER BY b.seq DESC LIMIT 1
	) AS failed
	CROSS JOIN LATERAL (
		SELECT b.synchronized_at FROM syncup.batch b
		WHERE b.connector = c.connector AND b.seq > coalesce(applied.seq, 0)
			AND b.status = 'failed' AND b.prepared_at IS NULL AND b.sqlstate <> '55P03'
			AND NOT (b.sqlstate = '55000' AND (head.batch IS NOT NULL OR c.needs_complete OR b.synchronized_at < decided.at))
		ORDER BY b.seq LIMIT 1
	) AS first
	UNION ALL
	SELECT 'needs complete', (
			SELECT coalesce(b.decided_at, b.synchronized_at, b.prepared_at) FROM syncup.batch b
			WHERE b.connector = c.connector AND b.seq = c.complete_after), NULL,
		'incremental runs are refused until a complete one was applied',
		format('CALL syncup_run(%L, ''complete'');', c.connector)
	WHERE c.needs_complete
	UNION ALL
	SELECT 'deletions suspended', applied.synchronized_at, applied.batch,
		format('a bad row has no readable key: nothing is deleted in %s', k.mappings),
		format('SELECT * FROM syncup.quarantine WHERE batch = %L;', applied.batch)
	FROM (
		SELECT string_agg(format('"%s"', k.mapping), ', ' ORDER BY k.mapping) AS mappings
		FROM syncup.batch_counter k WHERE k.batch = applied.batch AND k.deletions_suspended
	) AS k
	WHERE k.mappings IS NOT NULL
	UNION ALL
	-- more than in 99 of the 100 before
	SELECT 'rows set aside', applied.synchronized_at, applied.batch,
		format('%s set aside, where up to %s are usual', now.rows, coalesce(usual.rows, 0)),
		format('SELECT * FROM syncup.quarantine WHERE batch = %L;', applied.batch)
	FROM (
		SELECT sum(k.set_aside) AS rows
		FROM syncup.batch_counter k WHERE k.batch = applied.batch
	) AS now
	CROSS JOIN LATERAL (
		SELECT percentile_disc(0.99) WITHIN GROUP (ORDER BY run.rows) AS rows
		FROM (
			SELECT sum(k.set_aside) AS rows
			FROM (
				SELECT b.batch FROM syncup.batch b
				WHERE b.connector = c.connector AND b.status = 'applied' AND b.mode <> 'undo' AND b.seq < applied.seq
				ORDER BY b.seq DESC LIMIT 100
			) AS past
			JOIN syncup.batch_counter k USING (batch)
			GROUP BY k.batch
		) AS run
		WHERE now.rows > 0
	) AS usual
	WHERE now.rows > coalesce(usual.rows, 0)
	UNION ALL
	-- behind a good incremental one
	SELECT 'complete failed', last.synchronized_at, last.batch,
		format('SQLSTATE %s: the last %s run was not prepared', last.sqlstate, last.mode),
		format('CALL syncup_run(%L, ''complete'');', c.connector)
	FROM (
		SELECT b.* FROM syncup.batch b
		WHERE b.connector = c.connector AND b.mode IN ('initial', 'complete')
		ORDER BY b.seq DESC LIMIT 1
	) AS last
	WHERE last.status = 'failed' AND last.prepared_at IS NULL AND last.seq < applied.seq
	UNION ALL
	SELECT 'data too old', data.written + (c.options ->> 'max_age')::interval, applied.batch,
		format('a file of the last applied batch is older than %s (max_age)', c.options ->> 'max_age'),
		format('SELECT mapping, file, file_modified FROM syncup.batch_counter WHERE batch = %L;', applied.batch)
	FROM (
		SELECT coalesce(min(k.file_modified), c.created_at) AS written
		FROM syncup.batch_counter k WHERE k.batch = applied.batch
	) AS data
	WHERE data.written + (c.options ->> 'max_age')::interval < now()
	UNION ALL
	SELECT 'complete too old', complete.at + (c.options ->> 'max_age_complete')::interval, NULL,
		format('no complete run was applied for %s (max_age_complete)', c.options ->> 'max_age_complete'),
		format('CALL syncup_run(%L, ''complete'');', c.connector)
	FROM (
		SELECT coalesce((
			SELECT b.synchronized_at FROM syncup.batch b
			WHERE b.connector = c.connector AND b.mode IN ('initial', 'complete') AND b.status = 'applied'
			ORDER BY b.seq DESC LIMIT 1), c.created_at) AS at
	) AS complete
	WHERE complete.at + (c.options ->> 'max_age_complete')::interval < now()
) AS a
UNION ALL
SELECT NULL, o.job, CASE o.state WHEN 'error' THEN 'failed' ELSE o.state END, o.since, o.batch,
	concat_ws(', ', format('run %s', o.run), format('step "%s"', o.step), 'SQLSTATE ' || o.sqlstate, CASE o.state
		WHEN 'blocked' THEN 'nothing after its level was started'
		WHEN 'interrupted' THEN 'its process ended before the run did'
		WHEN 'warning' THEN 'the job went on' END),
	o.what_to_call || ';'
FROM syncup.open_run o
UNION ALL
SELECT NULL, l.job, 'not started', l.due, NULL, 'it was due by its schedule: does the scheduler run?', format('CALL syncup_run_job(%L);', l.job)
FROM syncup.late_job l
UNION ALL
SELECT NULL, d.job, 'not scheduled', NULL, NULL, 'pg_cron has no active entry of it', format('SELECT syncup_schedule(%L, %L);', d.job, d.schedule)
FROM syncup.job_definition d
WHERE d.in_pg_cron AND syncup.is_missing_in_cron(d.job, d.owner::oid);
COMMENT ON VIEW syncup.alarm IS
'Everything that needs a person now, a row each; none: all is well. What arises in a transaction of syncup''s is also sent once by NOTIFY syncup.';
COMMENT ON COLUMN syncup.alarm.what IS 'blocked, failed, prepare failed, needs complete, deletions suspended, rows set aside, complete failed, data too old, complete too old; of a job: failed, blocked, warning, cancelled, interrupted, not started, not scheduled';
COMMENT ON COLUMN syncup.alarm.job IS 'the job whose run it is; null: of a connector';
COMMENT ON COLUMN syncup.alarm.since IS 'since when; null where the batch that began it was purged';
COMMENT ON COLUMN syncup.alarm.detail IS 'in words, without values of the data';
COMMENT ON COLUMN syncup.alarm.call IS 'what to call to see more, or to mend it';
