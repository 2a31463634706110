-- The page one looks at in the morning (JOBS 2).

CREATE VIEW syncup.job_status AS
SELECT j.job, j.owner, j.incremental,
	last.run AS last_run, last.state AS last_state, last.started_at AS last_started, last.ended_at AS last_ended, last.message,
	success.ended_at AS last_success,
	j.schedule, CASE WHEN j.schedule IS NOT NULL THEN syncup.next_cron(j.schedule, now()) END AS next_run,
	now_running.run AS running, step.step AS running_step, step.started_at AS running_since,
	open.run AS open_run, open.state AS open_state,
	CASE
		WHEN open.state = 'blocked' THEN concat(format('SELECT syncup_report(''%s''); then ', open.batch), format('CALL syncup_resume_job(%s)', open.run))
		WHEN open.run IS NOT NULL THEN format('SELECT * FROM syncup.job_step_run WHERE run = %s; then CALL syncup_resume_job(%s)', open.run, open.run)
	END AS what_to_call
FROM syncup.job j
LEFT JOIN LATERAL (
	SELECT r.* FROM syncup.job_run r WHERE r.job = j.job AND r.state NOT IN ('running', 'not started') ORDER BY r.run DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
	SELECT r.ended_at FROM syncup.run_record r WHERE r.job = j.job AND r.state = 'success' ORDER BY r.run DESC LIMIT 1
) AS success ON true
LEFT JOIN LATERAL (
	SELECT r.run FROM syncup.job_run r WHERE r.job = j.job AND r.state = 'running' ORDER BY r.run DESC LIMIT 1
) AS now_running ON true
LEFT JOIN LATERAL (
	SELECT s.step, s.started_at FROM syncup.step_record s WHERE s.run = now_running.run AND s.state = 'running' LIMIT 1
) AS step ON true
LEFT JOIN LATERAL (
	-- what a person has to look at: not resumed, not made good by a later run, its batch not decided
	SELECT r.run, r.state, b.batch
	FROM syncup.job_run r
	LEFT JOIN LATERAL (
		SELECT s.batch, t.status FROM syncup.step_record s LEFT JOIN syncup.batch t ON t.batch = s.batch
		WHERE s.run = r.run AND s.state = 'blocked' ORDER BY s.ordinal LIMIT 1
	) AS b ON true
	WHERE r.job = j.job AND r.state IN ('error', 'blocked', 'warning', 'cancelled', 'interrupted')
		AND NOT EXISTS (SELECT FROM syncup.run_record x WHERE x.resumed_from = r.run AND x.state <> 'not started')
		AND CASE WHEN b.batch IS NOT NULL THEN b.status = 'blocked' ELSE NOT EXISTS (
			SELECT FROM syncup.run_record x WHERE x.job = r.job AND x.run > r.run AND x.state = 'success'
				AND NOT EXISTS (SELECT FROM syncup.step_record s WHERE s.run = x.run AND s.state = 'left out')) END
	ORDER BY r.run DESC LIMIT 1
) AS open ON true;
COMMENT ON VIEW syncup.job_status IS
'A row per job: its last run and what became of it, when it is due next, what runs now, and what to call.';
COMMENT ON COLUMN syncup.job_status.open_run IS 'the last run that waits for a person: neither resumed, nor made good by a later one';
COMMENT ON COLUMN syncup.job_status.what_to_call IS 'what to look at, and how to go on with that run';
COMMENT ON COLUMN syncup.job_status.next_run IS 'by its schedule, where syncup_schedule() has set one';
