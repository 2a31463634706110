-- When jobs run by themselves (JOBS 2): pg_cron where it is, else the lines for
-- others.

CREATE FUNCTION syncup.cron_field(field text, low_end int, high_end int, names text[])
RETURNS int[]
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	part text;
	found text[];
	low int;
	high int;
	step int;
	result int[] := '{}';
BEGIN
	FOREACH part IN ARRAY string_to_array(lower(field), ',') LOOP
		FOR i IN 1..coalesce(array_length(names, 1), 0) LOOP
			part := regexp_replace(part, '\m' || names[i] || '\M', (low_end + i - 1)::text, 'g');
		END LOOP;
		found := regexp_match(part, '^(?:(\*)|(\d{1,4})(?:-(\d{1,4}))?)(?:/(\d{1,4}))?$');
		IF found IS NULL THEN
			RETURN NULL;
		END IF;
		low := CASE WHEN found[1] IS NOT NULL THEN low_end ELSE found[2]::int END;
		high := CASE WHEN found[1] IS NOT NULL OR found[3] IS NULL AND found[4] IS NOT NULL THEN high_end ELSE coalesce(found[3], found[2])::int END;
		step := coalesce(found[4]::int, 1);
		IF low < low_end OR high > high_end OR low > high OR step < 1 THEN
			RETURN NULL;
		END IF;
		result := result || ARRAY(SELECT generate_series(low, high, step));
	END LOOP;
	RETURN nullif(ARRAY(SELECT DISTINCT r FROM unnest(result) r ORDER BY 1), '{}');
END
$$;
COMMENT ON FUNCTION syncup.cron_field(text, int, int, text[]) IS
'The numbers that a field of a cron line means; null: it is none.';

CREATE FUNCTION syncup.cron_fields(cron text, OUT minutes int[], OUT hours int[], OUT days int[], OUT months int[], OUT weekdays int[])
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	fields text[] := regexp_split_to_array(btrim(CASE lower(btrim(cron)) WHEN '@hourly' THEN '0 * * * *' WHEN '@daily' THEN '0 0 * * *'
		WHEN '@midnight' THEN '0 0 * * *' WHEN '@weekly' THEN '0 0 * * 0' WHEN '@monthly' THEN '0 0 1 * *' WHEN '@yearly' THEN '0 0 1 1 *' ELSE cron END), '\s+');
	bad text;
BEGIN
	IF array_length(fields, 1) IS DISTINCT FROM 5 THEN
		RAISE 'cron line "%" does not have five fields', cron
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Minute, hour, day of the month, month, day of the week: for example "*/15 * * * *".';
	END IF;
	minutes := syncup.cron_field(fields[1], 0, 59, NULL);
	hours := syncup.cron_field(fields[2], 0, 23, NULL);
	days := syncup.cron_field(fields[3], 1, 31, NULL);
	months := syncup.cron_field(fields[4], 1, 12, ARRAY['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']);
	weekdays := ARRAY(SELECT DISTINCT w % 7 FROM unnest(syncup.cron_field(fields[5], 0, 7, ARRAY['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'])) w ORDER BY 1);
	bad := CASE WHEN minutes IS NULL THEN 'minute "' || fields[1] WHEN hours IS NULL THEN 'hour "' || fields[2]
		WHEN days IS NULL THEN 'day of the month "' || fields[3] WHEN months IS NULL THEN 'month "' || fields[4]
		WHEN weekdays = '{}' THEN 'day of the week "' || fields[5] END;
	IF bad IS NOT NULL THEN
		RAISE 'cron line "%": % is not possible', cron, bad || '"'
			USING ERRCODE = 'invalid_parameter_value', HINT = 'A field is *, a number, a range (1-5), a list (1,3), or one of these with a step (*/15).';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.cron_fields(text) IS 'The five fields of a cron line as lists of numbers; errors naming the word.';

CREATE FUNCTION syncup.check_cron(cron text)
RETURNS void
LANGUAGE plpgsql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM syncup.cron_fields(cron);
END
$$;
COMMENT ON FUNCTION syncup.check_cron(text) IS 'Errors, naming the word, unless a line of cron says when.';

CREATE FUNCTION syncup.next_cron(cron text, after timestamptz)
RETURNS timestamptz
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- pg_cron has a zone, GMT unless it is told otherwise; without it cron or systemd count in the machine's; where both days are restricted, either counts
	SELECT min((day + make_time(hour, minute, 0)) AT TIME ZONE zone)
	FROM syncup.cron_fields(cron) f
	CROSS JOIN LATERAL (SELECT coalesce(nullif(current_setting('cron.timezone', true), ''), current_setting('log_timezone'))) AS z (zone)
	CROSS JOIN LATERAL (
		SELECT d::date AS day
		FROM generate_series((after AT TIME ZONE z.zone)::date, (after AT TIME ZONE z.zone)::date + 1830, interval '1 day') d
		WHERE extract(month FROM d) = ANY (f.months)
			AND CASE WHEN cardinality(f.days) < 31 AND cardinality(f.weekdays) < 7
				THEN extract(day FROM d) = ANY (f.days) OR extract(dow FROM d) = ANY (f.weekdays)
				ELSE extract(day FROM d) = ANY (f.days) AND extract(dow FROM d) = ANY (f.weekdays) END
		ORDER BY d LIMIT 2
	) AS dd
	CROSS JOIN unnest(f.hours) AS hour CROSS JOIN unnest(f.minutes) AS minute
	WHERE (day + make_time(hour, minute, 0)) AT TIME ZONE zone > after
$$;
COMMENT ON FUNCTION syncup.next_cron(text, timestamptz) IS 'When a line of cron is due next, in the zone of pg_cron (cron.timezone), else in that of the machine (log_timezone).';

-- A schema of the name, and what is in it, may be anybody's: it counts where it
-- belongs to the extension.
CREATE FUNCTION syncup.has_pg_cron()
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT EXISTS (
		SELECT FROM pg_extension e
		JOIN pg_depend d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e' AND d.classid = 'pg_proc'::regclass
		JOIN pg_proc p ON p.oid = d.objid JOIN pg_namespace n ON n.oid = p.pronamespace
		WHERE e.extname = 'pg_cron' AND n.nspname = 'cron' AND p.proname = 'schedule' AND p.pronargs = 3 AND has_schema_privilege(n.oid, 'USAGE'))
$$;
COMMENT ON FUNCTION syncup.has_pg_cron() IS 'Whether pg_cron is installed in this database, and the current role may use it.';

CREATE FUNCTION syncup.is_missing_in_cron(job text, owner oid)
RETURNS boolean
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer boolean := false;
BEGIN
	-- pg_cron shows a job to its owner and to superusers
	IF syncup.has_pg_cron() AND (owner = (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
		OR (SELECT r.rolsuper OR r.rolbypassrls FROM pg_roles r WHERE r.rolname = current_user))
	THEN
		EXECUTE 'SELECT NOT EXISTS (SELECT FROM cron.job j WHERE j.jobname = $1 AND j.database = current_database() AND j.active)'
		INTO answer USING 'syncup ' || job;
	END IF;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION syncup.is_missing_in_cron(text, oid) IS 'Whether a job lacks its entry in pg_cron; false where that cannot be seen.';

CREATE FUNCTION syncup.note_schedule(caller regrole, job text, cron text, OUT name text, OUT line text)
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	defined syncup.job_definition := syncup.lock_job(caller, job);
BEGIN
	IF defined.owner::oid <> caller::oid THEN
		RAISE 'job "%" is scheduled by its owner "%"', defined.job, defined.owner
			USING ERRCODE = 'insufficient_privilege', HINT = format('SET ROLE %s; then call it again: a schedule runs with the rights of who makes it.', defined.owner);
	END IF;
	name := defined.job;
	-- a minute of its own at night, or every quarter of an hour
	line := coalesce(cron, defined.options ->> 'cron', CASE WHEN defined.incremental THEN '*/15 * * * *'
		ELSE format('%s %s * * *', abs(hashtext(defined.job)) % 60, 1 + abs(hashtext(defined.job) / 60) % 4) END);
	PERFORM syncup.check_cron(line);
	UPDATE syncup.job_definition d SET schedule = line, scheduled_at = now(), in_pg_cron = syncup.has_pg_cron() WHERE d.job = defined.job;
END
$$;
COMMENT ON FUNCTION syncup.note_schedule(regrole, text, text) IS 'Records when a job is due, for syncup_schedule().';

CREATE FUNCTION syncup_note_schedule(job text, cron text, OUT name text, OUT line text)
RETURNS SETOF record
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_note_schedule(text, text) IS
'Records when a job is due, without telling a scheduler; syncup_schedule() calls it.';

CREATE FUNCTION syncup.forget_schedule(caller regrole, job text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	defined syncup.job_definition := syncup.lock_job(caller, job);
BEGIN
	UPDATE syncup.job_definition d SET schedule = NULL, scheduled_at = NULL, in_pg_cron = false WHERE d.job = defined.job;
	RETURN defined.schedule;
END
$$;
COMMENT ON FUNCTION syncup.forget_schedule(regrole, text) IS 'Records that a job is not scheduled any more, for syncup_unschedule().';

CREATE FUNCTION syncup_forget_schedule(job text)
RETURNS text
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_forget_schedule(text) IS
'Records that a job is not scheduled any more; syncup_unschedule() calls it.';

CREATE FUNCTION syncup_schedule(job text, cron text DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	noted record;
	call text;
	psql text;
	id bigint;
	home text := current_setting('cron.database_name', true);
BEGIN
	SELECT n.name, n.line INTO noted FROM @extschema@.syncup_note_schedule(job, cron) n;
	call := format('CALL %s.syncup_run_job(%L)', quote_ident('@extschema@'), noted.name);
	IF syncup.has_pg_cron() THEN
		EXECUTE 'SELECT cron.schedule($1, $2, $3)' INTO id USING 'syncup ' || noted.name, noted.line, call;
		RETURN format('job "%s" is scheduled with pg_cron, number %s: %s', noted.name, id, noted.line);
	ELSIF home IS NOT NULL AND home <> current_database() THEN
		RETURN format(E'pg_cron is in database "%s"; there, as %s, say:\nSELECT cron.schedule_in_database(%L, %L, %L, %L);',
			home, current_user, 'syncup ' || noted.name, noted.line, call, current_database());
	END IF;
	-- a name may hold what a shell, crontab (%) or systemd (%, $) would take for its own
	psql := format('psql -X -q -v ON_ERROR_STOP=1%s -d %s -c "%s"', CASE WHEN current_setting('port') <> '5432' THEN ' -p ' || current_setting('port') END,
		CASE WHEN current_database() ~ '^\w+$' THEN current_database() ELSE '"' || regexp_replace(current_database(), '(["\\$`])', '\\\1', 'g') || '"' END,
		regexp_replace(call, '(["\\$`])', '\\\1', 'g'));
	RETURN format(E'%s. In the crontab of an operating system''s user who may connect as %s:\n'
		'%s  %s\nWith systemd, [Service] Type=oneshot, ExecStart=%s; [Timer] OnCalendar=%s',
		CASE WHEN EXISTS (SELECT FROM pg_extension e WHERE e.extname = 'pg_cron') THEN format('pg_cron is not for %s: GRANT USAGE ON SCHEMA cron TO %1$I', current_user) ELSE 'pg_cron is not installed in this database' END,
		current_user, noted.line, replace(psql, '%', '\%'), replace(replace(replace(psql, '\$', '$' || '$'), '\`', '`'), '%', '%%'),
		syncup.systemd_calendar(noted.line));
END
$$;
COMMENT ON FUNCTION syncup_schedule(text, text) IS
'Schedules a job of yours: with pg_cron where it is installed; elsewhere it returns the lines for crontab and systemd. Without a cron line: complete jobs at night at a minute of their own, incremental ones every 15 minutes.';

CREATE FUNCTION syncup.systemd_calendar(cron text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- where both days are restricted, cron takes either, and systemd would take what is both
	SELECT string_agg(concat_ws(' ',
		CASE WHEN of_week AND cardinality(weekdays) < 7 THEN (SELECT string_agg((ARRAY['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'])[w + 1], ',' ORDER BY w) FROM unnest(weekdays) w) END,
		format('*-%s-%s', CASE WHEN cardinality(months) < 12 THEN array_to_string(months, ',') ELSE '*' END, CASE WHEN of_month AND cardinality(days) < 31 THEN array_to_string(days, ',') ELSE '*' END),
		format('%s:%s', CASE WHEN cardinality(hours) < 24 THEN array_to_string(hours, ',') ELSE '*' END, CASE WHEN cardinality(minutes) < 60 THEN array_to_string(minutes, ',') ELSE '*' END)),
		', OnCalendar=' ORDER BY of_month DESC)
	FROM syncup.cron_fields(cron)
	JOIN (VALUES (true, true, false), (true, false, true), (false, true, true)) AS d (of_month, of_week, either) ON either = (cardinality(days) < 31 AND cardinality(weekdays) < 7)
$$;
COMMENT ON FUNCTION syncup.systemd_calendar(text) IS 'A line of cron as systemd''s OnCalendar has it.';

CREATE FUNCTION syncup_unschedule(job text)
RETURNS text
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	line text := @extschema@.syncup_forget_schedule(job);
	gone boolean := false;
	home text := current_setting('cron.database_name', true);
BEGIN
	IF syncup.has_pg_cron() THEN
		EXECUTE 'SELECT count(cron.unschedule(j.jobid)) > 0 FROM cron.job j WHERE j.jobname = $1 AND j.username = current_user' INTO gone USING 'syncup ' || job;
	END IF;
	RETURN CASE WHEN gone THEN format('job "%s" is not scheduled any more', job)
		WHEN home IS NOT NULL AND home <> current_database() THEN format('in database "%s", say: SELECT cron.unschedule(%L);', home, 'syncup ' || job)
		WHEN line IS NULL THEN format('job "%s" was not scheduled', job)
		ELSE format('job "%s" is not due any more; take its line out of crontab or systemd', job) END;
END
$$;
COMMENT ON FUNCTION syncup_unschedule(text) IS 'Takes a job off its schedule.';
