-- The page over all connectors and jobs (SPEC 2.3), made as the page of a batch is.

CREATE FUNCTION syncup.page_strip(days jsonb, what text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<svg class="strip" viewBox="0 0 252 26" role="img" aria-label="%s">%s</svg>',
		syncup.page_escape(format('The last 14 days of %s, the oldest first: %s', what, string_agg(CASE d.state WHEN '' THEN 'no run' ELSE d.state END, ', ' ORDER BY d.day))),
		string_agg(format('<rect class="f-%s" x="%s" y="1" width="16" height="24" rx="2"/><text class="on" x="%s" y="18" text-anchor="middle">%s</text>',
			CASE WHEN d.state = '' THEN 'back' WHEN d.state IN ('applied', 'success') THEN 'go' WHEN d.state IN ('blocked', 'failed', 'error', 'interrupted') THEN 'stop' ELSE 'bar' END,
			d.day * 18 + 1, d.day * 18 + 9,
			CASE WHEN d.state = '' THEN '' WHEN d.state IN ('applied', 'success') THEN '&#10003;' WHEN d.state = 'blocked' THEN '&#9632;' WHEN d.state IN ('failed', 'error', 'interrupted') THEN '&#10005;' ELSE '&#9675;' END), '' ORDER BY d.day))
	FROM (
		SELECT day, coalesce(days ->> (current_date - 13 + day)::text, '') AS state FROM generate_series(0, 13) AS day
	) AS d
$$;
COMMENT ON FUNCTION syncup.page_strip(jsonb, text) IS
'The last 14 days, a mark each, of {"day": "state"}.';

CREATE FUNCTION syncup.page_alarms()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_table('The oldest first', 'Where|What|Since|In words|To call',
		string_agg(format('<tr><th scope="row">%s</th><td><strong class="stop">&#9632;&nbsp;%s</strong></td><td>%s</td><td>%s</td><td>%s</td></tr>',
			CASE WHEN a.connector IS NULL THEN 'job ' ELSE '' END || syncup.page_value(coalesce(a.connector, a.job)), syncup.page_escape(a.what), syncup.page_time(a.since),
			syncup.page_cell(a.detail, 300), syncup.page_call(a.call)), E'\n' ORDER BY a.since, a.connector, a.job, a.what))
	FROM (SELECT * FROM syncup.alarm a ORDER BY a.since, a.connector, a.job, a.what LIMIT 200) AS a
$$;
COMMENT ON FUNCTION syncup.page_alarms() IS
'What needs a person now, the oldest first.';

CREATE FUNCTION syncup.page_to_review()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- blocked batches are alarms
	SELECT syncup.page_table('To review', 'Of|What|#How many|Since|To look at|To decide',
		string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td class="n">%s</td><td>%s</td><td>%s</td><td>%s</td></tr>',
			syncup.page_cell(r.of), syncup.page_escape(r.what), syncup.page_number(r.count), syncup.page_time(r.since), syncup.page_call(r.shown_by), syncup.page_call(r.decided_by)), E'\n' ORDER BY r.since, r.of, r.what))
	FROM (SELECT * FROM syncup.to_review v WHERE v.what <> 'blocked batch' ORDER BY v.since, v.of, v.what LIMIT 100) AS r
$$;
COMMENT ON FUNCTION syncup.page_to_review() IS
'What waits for a review beside batches.';

CREATE FUNCTION syncup.page_connectors()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_table('Each system that is synchronized', 'Connector|State|Age of the data|Last applied|#Waiting|#Set aside|The last 14 days|Whom to ask',
		string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%s</td><td class="n">%s</td><td class="n">%s</td><td>%s</td><td>%s</td></tr>',
			syncup.page_value(s.connector),
			CASE
				WHEN NOT s.active THEN '<span class="note">&#9633;&nbsp;deactivated</span>'
				WHEN s.blocked IS NOT NULL THEN '<strong class="stop">&#9632;&nbsp;blocked</strong>'
				WHEN s.needs_complete THEN '<strong class="stop">&#9632;&nbsp;needs a complete run</strong>'
				WHEN s.last_status = 'failed' THEN '<strong class="stop">&#10005;&nbsp;failed</strong>'
				WHEN s.last_status IS NULL THEN '<span class="soft">never ran</span>'
				WHEN s.last_status = 'applied' THEN '<span class="go">&#10003;&nbsp;applied</span>'
				ELSE '<span class="note">&#9675;&nbsp;' || s.last_status || '</span>' END,
			syncup.page_age(s.age), syncup.page_time(s.last_success), syncup.page_number(s.queue_length), syncup.page_number(s.set_aside),
			syncup.page_strip(d.days, s.connector), coalesce(syncup.page_value(c.options ->> 'contact', 300), '&ndash;')), E'\n' ORDER BY s.connector))
	FROM syncup.status s
	JOIN syncup.connector c USING (connector)
	CROSS JOIN LATERAL (
		-- of each day what a person should know first
		SELECT jsonb_object_agg(x.day, x.state) AS days
		FROM (
			SELECT DISTINCT ON (1) coalesce(b.synchronized_at, b.prepared_at)::date::text AS day, b.status AS state
			FROM syncup.batch b
			WHERE b.connector = s.connector AND coalesce(b.synchronized_at, b.prepared_at) >= current_date - 13 AND b.sqlstate IS DISTINCT FROM '55P03'
			ORDER BY 1, array_position('{blocked,failed,prepared,applied,discarded,undone,cancelled}', b.status)
		) AS x
	) AS d
$$;
COMMENT ON FUNCTION syncup.page_connectors() IS
'A row per connector: state, age of its data, what waits, and the last 14 days.';

CREATE FUNCTION syncup.page_jobs()
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_table('Jobs of which you see the runs', 'Job|State|Last run|Next run|Running now|The last 14 days|To call',
		string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s</td></tr>',
			syncup.page_value(j.job),
			CASE
				WHEN j.last_state IS NULL THEN '<span class="soft">never ran</span>'
				WHEN j.last_state = 'success' THEN '<span class="go">&#10003;&nbsp;success</span>'
				WHEN j.last_state IN ('blocked', 'error', 'interrupted') THEN '<strong class="stop">' || CASE j.last_state WHEN 'blocked' THEN '&#9632;&nbsp;' ELSE '&#10005;&nbsp;' END || j.last_state || '</strong>'
				ELSE '<span class="note">&#9675;&nbsp;' || j.last_state || '</span>' END,
			syncup.page_time(coalesce(j.last_ended, j.last_started)), CASE WHEN j.schedule IS NULL THEN 'not scheduled here' ELSE syncup.page_time(j.next_run) END,
			CASE WHEN j.running IS NULL THEN '&ndash;' ELSE concat_ws(' since ', coalesce(syncup.page_value(j.running_step), 'run ' || j.running), syncup.page_time(j.running_since)) END,
			syncup.page_strip(d.days, j.job), coalesce(syncup.page_call(j.what_to_call), '&ndash;')), E'\n' ORDER BY j.job))
	FROM syncup.job_status j
	CROSS JOIN LATERAL (
		SELECT jsonb_object_agg(x.day, x.state) AS days
		FROM (
			SELECT DISTINCT ON (1) coalesce(r.ended_at, r.started_at)::date::text AS day, r.state
			FROM syncup.job_run r
			WHERE r.job = j.job AND r.started_at >= current_date - 13
			ORDER BY 1, array_position('{blocked,error,interrupted,warning,cancelled,running,success,not started}', r.state)
		) AS x
	) AS d
$$;
COMMENT ON FUNCTION syncup.page_jobs() IS
'A row per job: its last run and its next, and the last 14 days.';

CREATE FUNCTION syncup_dashboard()
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC'
SET jit = off	-- longer than the views take
AS $$
DECLARE
	refused text;
	waiting bigint;
	connectors bigint;
BEGIN
	-- Whoever lacks a right is told which.
	SELECT o.kind || ' ' || o.name INTO refused
	FROM pg_namespace n
	CROSS JOIN LATERAL (
		SELECT 1, 'schema', n.nspname WHERE NOT has_schema_privilege(n.oid, 'USAGE')
		UNION ALL
		SELECT 2, 'table', c.relname FROM pg_class c
		WHERE c.relnamespace = n.oid AND NOT has_table_privilege(c.oid, 'SELECT')
			AND c.relname IN ('status', 'alarm', 'to_review', 'batch', 'batch_counter', 'connector', 'job_status', 'job_run')
		UNION ALL
		SELECT 3, 'function', p.proname FROM pg_proc p
		WHERE p.pronamespace = n.oid AND NOT has_function_privilege(p.oid, 'EXECUTE') AND (starts_with(p.proname, 'page_') OR p.proname = 'shorten')
	) AS o (rank, kind, name)
	WHERE n.nspname = 'syncup'
	ORDER BY o.rank, o.name LIMIT 1;
	IF refused IS NOT NULL THEN
		RAISE 'permission denied for %', refused USING ERRCODE = 'insufficient_privilege',
			HINT = 'The dashboard needs USAGE on schema syncup, SELECT on its tables and EXECUTE on the functions that it is made of.';
	END IF;
	SELECT count(*) INTO waiting FROM syncup.alarm;
	SELECT count(*) INTO connectors FROM syncup.connector;
	RETURN syncup.page_frame('Synchronization', concat(
		format(E'<header class="lead %s">\n<p class="state %1$s">%s</p>\n<h1>%s</h1>\n<p>%s. Page made %s; times are UTC.</p>\n</header>\n',
			CASE waiting WHEN 0 THEN 'go' ELSE 'stop' END, CASE waiting WHEN 0 THEN '&#10003; All is well' ELSE '&#9632; A person is needed' END,
			CASE waiting WHEN 0 THEN 'Nothing waits for anybody.' WHEN 1 THEN 'One thing waits for a person.' ELSE format('%s things wait for a person.', waiting) END,
			syncup.page_count(connectors, 'connector'), syncup.page_time(now())),
		E'<main id="main">\n',
		syncup.page_section('waiting', 'What waits for a person', concat(syncup.page_alarms(), syncup.page_to_review())),
		syncup.page_section('connectors', 'Connectors', syncup.page_connectors()),
		syncup.page_section('jobs', 'Jobs', syncup.page_jobs()),
		E'<p class="soft">In the strips: &#10003; applied, &#9632; blocked, &#10005; failed, &#9675; other; grey without a mark is a day without a run. Of several runs of a day, the one that a person should know first.</p>\n</main>\n'));
END
$$;
COMMENT ON FUNCTION syncup_dashboard() IS
'All connectors and jobs as a page of HTML: state, age of the data, the last 14 days, and what waits for a person.';
