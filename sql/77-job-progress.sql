-- What is running now, live from any session (SPEC 2.3).

CREATE VIEW syncup.progress AS
SELECT coalesce(p.pid, j.pid) AS pid, coalesce(m.connector, j.connector) AS connector,
	CASE p.param12 WHEN 1 THEN 'prepare' WHEN 2 THEN 'synchronize' ELSE j.kind END AS operation,
	m.mapping,
	CASE p.param13
		WHEN 1 THEN 'reading previous'
		WHEN 2 THEN 'reading file'
		WHEN 3 THEN 'computing net effect'
		WHEN 4 THEN 'building changes'
		WHEN 5 THEN 'applying changes'
		WHEN 6 THEN 'updating previous'
	END AS phase,
	p.param1 AS bytes_done,
	nullif(p.param2, 0) AS bytes_total,
	p.param3 AS rows_done,
	j.job, j.step
FROM (
	pg_stat_get_progress_info('COPY') AS p
	JOIN pg_class AS c ON c.oid = p.relid
	JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'syncup_previous'
	JOIN syncup.mapping AS m ON m.table_name = c.relname
		AND p.datid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
		AND p.param11 = 126965380248944	-- 0x73796e637570, "syncup": our mark among COPY's counters
)
FULL JOIN (
	-- a job's steps that do something else are shown as well
	SELECT r.pid, r.job, s.step, s.kind, s.connector
	FROM syncup.job_run AS r
	JOIN syncup.step_record AS s ON s.run = r.run AND s.state = 'running'
	WHERE r.state = 'running' AND NOT pg_is_in_recovery()
) AS j ON j.pid = p.pid;
COMMENT ON VIEW syncup.progress IS
'What sessions are doing now. Others'' sessions are shown to members of pg_read_all_stats.';
COMMENT ON COLUMN syncup.progress.bytes_done IS 'bytes of the file read (of a .gz file: compressed bytes)';
COMMENT ON COLUMN syncup.progress.rows_done IS 'rows of the file read, in this phase';
COMMENT ON COLUMN syncup.progress.operation IS 'prepare, synchronize; else the kind of the job''s step';
COMMENT ON COLUMN syncup.progress.step IS 'the step of the job that is at it, shown to members of the job''s owner';
