-- The page one looks at in the morning (JOBS 2).

-- A run that waits for a person: not resumed, not made good by a later one, its
-- batch not decided. Of each job the last of them.
CREATE VIEW syncup.open_run AS
SELECT d.job, o.run, o.state, o.since, o.step, o.sqlstate, o.batch,
	CASE WHEN o.batch IS NOT NULL THEN format('SELECT syncup_report(%L); then CALL syncup_resume_job(%s)', o.batch, o.run)
		ELSE format('SELECT * FROM syncup.job_step_run WHERE run = %s; then CALL syncup_resume_job(%s)', o.run, o.run) END AS what_to_call
FROM syncup.job_definition d
CROSS JOIN LATERAL (
	SELECT r.run, r.state, coalesce(r.ended_at, r.started_at) AS since, b.step, b.sqlstate, b.batch
	FROM syncup.every_run r
	LEFT JOIN LATERAL (
		-- what blocked may be something else: orders, or a step of one's own
		SELECT s.step, s.sqlstate, CASE WHEN s.state = 'blocked' AND (t.batch IS NOT NULL OR s.kind IN ('prepare', 'synchronize', 'validate')) THEN s.batch END AS batch, t.status
		FROM syncup.step_record s LEFT JOIN syncup.batch t ON t.batch = s.batch AND s.state = 'blocked'
		WHERE s.run = r.run AND s.state IN ('cancelled', 'error', 'blocked', 'warning', 'running', 'interrupted')
		ORDER BY (s.state = r.state) DESC, s.ordinal LIMIT 1
	) AS b ON true
	WHERE r.job = d.job AND r.job_id = d.id AND r.state IN ('error', 'blocked', 'warning', 'cancelled', 'interrupted')
		AND NOT EXISTS (SELECT FROM syncup.run_record x WHERE x.job = r.job AND x.resumed_from = r.run AND x.state <> 'not started')
		AND CASE WHEN r.state = 'blocked' AND b.batch IS NOT NULL THEN b.status = 'blocked' ELSE NOT EXISTS (
			SELECT FROM syncup.run_record x WHERE x.job = r.job AND x.run > r.run AND x.state = 'success'
				AND NOT EXISTS (SELECT FROM syncup.step_record s WHERE s.run = x.run AND s.state = 'left out')) END
	ORDER BY r.run DESC LIMIT 1
) AS o;
COMMENT ON VIEW syncup.open_run IS 'Of each job the last run that waits for a person: neither resumed, nor made good by a later one.';
COMMENT ON COLUMN syncup.open_run.step IS 'the step that it ended with';

-- When a job should have started after it last ran, and did not; five minutes of grace.
CREATE VIEW syncup.late_job AS
SELECT d.job, due.at AS due
FROM syncup.job_definition d
CROSS JOIN LATERAL (
	SELECT greatest(d.scheduled_at, max(coalesce(r.ended_at, r.started_at))) AS at
	FROM syncup.every_run r WHERE r.job = d.job
) AS last
CROSS JOIN LATERAL (SELECT syncup.next_cron(d.schedule, last.at)) AS due (at)
WHERE d.schedule IS NOT NULL AND due.at < now() - interval '5 min'
	AND NOT EXISTS (SELECT FROM syncup.every_run r WHERE r.job = d.job AND r.state = 'running');
COMMENT ON VIEW syncup.late_job IS 'Jobs that did not start though their schedule says so.';

CREATE VIEW syncup.job_status AS
SELECT j.job, j.owner, j.incremental,
	last.run AS last_run, last.state AS last_state, last.started_at AS last_started, last.ended_at AS last_ended, last.message,
	success.ended_at AS last_success,
	j.schedule, CASE WHEN j.schedule IS NOT NULL THEN syncup.next_cron(j.schedule, now()) END AS next_run,
	now_running.run AS running, step.step AS running_step, step.started_at AS running_since,
	open.run AS open_run, open.state AS open_state, open.what_to_call
FROM syncup.job j
LEFT JOIN LATERAL (
	SELECT r.* FROM syncup.every_run r WHERE r.job = j.job AND r.state NOT IN ('running', 'not started') ORDER BY r.run DESC LIMIT 1
) AS last ON true
LEFT JOIN LATERAL (
	SELECT r.ended_at FROM syncup.run_record r WHERE r.job = j.job AND r.state = 'success' ORDER BY r.run DESC LIMIT 1
) AS success ON true
LEFT JOIN LATERAL (
	SELECT r.run FROM syncup.every_run r WHERE r.job = j.job AND r.state = 'running' ORDER BY r.run DESC LIMIT 1
) AS now_running ON true
LEFT JOIN LATERAL (
	SELECT s.step, s.started_at FROM syncup.step_record s WHERE s.run = now_running.run AND s.state = 'running' LIMIT 1
) AS step ON true
LEFT JOIN syncup.open_run open ON open.job = j.job;
COMMENT ON VIEW syncup.job_status IS
'A row per job: its last run and what became of it, when it is due next, what runs now, and what to call.';
COMMENT ON COLUMN syncup.job_status.open_run IS 'the last run that waits for a person: neither resumed, nor made good by a later one';
COMMENT ON COLUMN syncup.job_status.what_to_call IS 'what to look at, and how to go on with that run';
COMMENT ON COLUMN syncup.job_status.next_run IS 'by its schedule, where syncup_schedule() has set one';
