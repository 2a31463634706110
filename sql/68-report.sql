-- The review of a batch in one page (SPEC 2.3).

CREATE FUNCTION syncup.wrap(value text, indent int)
RETURNS text
LANGUAGE plpgsql STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	width CONSTANT int := 100;
	page text := repeat(' ', indent);
	line int := indent;		-- characters of the present one
	word text;
BEGIN
	-- A percent sign stays with its number.
	FOREACH word IN ARRAY regexp_split_to_array(syncup.shorten(value, 600), ' (?!%)') LOOP
		IF line > indent AND line + 1 + char_length(word) > width THEN
			page := page || E'\n' || repeat(' ', indent + 2);
			line := indent + 2;
		ELSIF line > indent THEN
			page := page || ' ';
			line := line + 1;
		END IF;
		-- What fits no line is cut into pieces.
		WHILE line + char_length(word) > width LOOP
			page := page || left(word, width - line) || E'\n' || repeat(' ', indent + 2);
			word := substr(word, width - line + 1);
			line := indent + 2;
		END LOOP;
		page := page || word;
		line := line + char_length(word);
	END LOOP;
	RETURN page;
END
$$;
COMMENT ON FUNCTION syncup.wrap(text, int) IS
'A text in lines of at most 100 characters, indented by so many, and by two more from the second on.';

CREATE FUNCTION syncup.sample_changes(batch uuid, mapping text, count int)
RETURNS TABLE (place bigint, command text, key text, cells text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
	-- the columns of change c in words; they are given as rows of number, name and new value
	told CONSTANT text := $sql$
			(SELECT string_agg(
					CASE c.command
						WHEN 'update' THEN format('%%s: %%s -> %%s', v.name,
							coalesce('"' || syncup.shorten(c.old ->> v.name, 30) || '"', 'null'),
							coalesce('"' || syncup.shorten(v.new, 30) || '"', 'null'))
						ELSE format('%%s "%%s"', v.name, syncup.shorten(CASE c.command WHEN 'insert' THEN v.new ELSE c.old ->> v.name END, 30))
					END, ', ' ORDER BY v.ordinal)
				FROM (VALUES %s) AS v (ordinal, name, new, key_part)
				WHERE (v.key_part IS NULL OR %L) AND CASE c.command
					WHEN 'update' THEN v.name = ANY (c.changed)
					WHEN 'insert' THEN v.new IS NOT NULL
					ELSE c.old ->> v.name IS NOT NULL END)$sql$;
	m record;
BEGIN
	SELECT p.connector, p.mapping, p.table_name, v.cells,
		p.kind = 'association' AS link, coalesce(k.changed_key, 'c.key1') AS key,
		CASE p.kind WHEN 'association' THEN 'ARRAY[c.key1, c.key2]' ELSE format('ARRAY[%s]', k.changed_key) END AS place,
		-- of a link the other key; of a mono-valued one that moves also the one it leaves
		CASE p.kind WHEN 'association' THEN
			$sql$format('"%%s"', syncup.shorten(c.key2, 36)) || coalesce(', before "' || syncup.shorten(c.old_key, 36) || '"', '') || coalesce(', ' || %s, '')$sql$
			ELSE '%s' END AS line
	INTO m
	FROM syncup.batch b
	JOIN syncup.mapping p USING (connector)
	JOIN syncup.mapping_cells v ON v.connector = p.connector AND v.mapping = p.mapping
	LEFT JOIN syncup.mapping_key k ON k.connector = p.connector AND k.mapping = p.mapping
	WHERE b.batch = sample_changes.batch AND p.mapping = sample_changes.mapping;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	RETURN QUERY EXECUTE format($sql$
		SELECT row_number() OVER (PARTITION BY c.command ORDER BY %3$s COLLATE "C"), c.command, %2$s COLLATE "default", %4$s
		FROM (VALUES ('insert'), ('update'), ('delete')) AS command (command)
		CROSS JOIN LATERAL (
			SELECT c.* FROM syncup_changes.%1$I c
			WHERE c.batch = $1 AND c.command = command.command
			ORDER BY %3$s COLLATE "C"
			LIMIT $2
		) AS c
		$sql$, m.table_name, m.key, m.place, format(m.line, format(told, m.cells, m.link)))
	USING sample_changes.batch, sample_changes.count;
END
$$;
COMMENT ON FUNCTION syncup.sample_changes(uuid, text, int) IS
'The first changes of each command of a mapping, by key, a line each.';

CREATE FUNCTION syncup.next_steps(batch uuid)
RETURNS TABLE (choice text, words text, call text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	b syncup.batch;
	behind record;
	queued bigint;
	stopped_job text;
	stopped_run bigint;
BEGIN
	SELECT * INTO b FROM syncup.batch o WHERE o.batch = next_steps.batch;
	IF b.status = 'blocked' AND has_table_privilege('syncup.open_run', 'SELECT') THEN
		SELECT r.job, r.run INTO stopped_job, stopped_run FROM syncup.open_run r WHERE r.batch = b.batch ORDER BY r.run LIMIT 1;
	END IF;
	SELECT o.batch, o.status INTO behind FROM syncup.batch o
	WHERE o.connector = b.connector AND o.seq < b.seq AND o.prepared_at IS NOT NULL
		AND o.status IN ('prepared', 'blocked', 'failed')
	ORDER BY o.seq LIMIT 1;
	RETURN QUERY SELECT v.choice, v.words, v.call
	FROM (VALUES
		('behind', format('It waits behind batch %s, which is %s:', behind.batch, behind.status), format('SELECT syncup_report(%L);', behind.batch),
			b.status IN ('prepared', 'failed') AND b.prepared_at IS NOT NULL AND behind.batch IS NOT NULL),
		('apply', 'Apply it, if it exceeds no limit:', format('SELECT * FROM syncup_synchronize(%L);', b.connector),
			b.status = 'prepared' AND behind.batch IS NULL),
		('hold', 'Nothing was written to the targets. A complete run would cancel this batch; to hold it:', format('SELECT syncup_deactivate(%L);', b.connector),
			b.status = 'blocked'),
		('look', 'Look at every change:', format('SELECT * FROM syncup_changes(%L);', b.batch), b.status = 'blocked'),
		('job', format('If they are right, apply them, and let job "%s" go on, which stopped here:', stopped_job), format('CALL syncup_resume_job(%s);', stopped_run), stopped_run IS NOT NULL),
		('apply', CASE WHEN stopped_run IS NULL THEN 'If they are right, apply them:' ELSE 'Or apply them alone:' END, format('SELECT * FROM syncup_resume(%L);', b.batch), b.status = 'blocked'),
		('run', 'Nothing was queued, nothing changed. Correct the cause, then run again:', format('CALL syncup_run(%L, %L);', b.connector, b.mode),
			b.status = 'failed' AND b.prepared_at IS NULL),
		('apply', 'Nothing was written to the targets. Correct the cause, then try it again:', format('SELECT * FROM syncup_synchronize(%L);', b.connector),
			b.status = 'failed' AND b.prepared_at IS NOT NULL AND behind.batch IS NULL),
		('look', 'It is applied, and its changes were kept. To look at them, or to reverse them:', format('SELECT * FROM syncup_changes(%L);', b.batch),
			b.status = 'applied' AND b.changes_kept),
		('undo', NULL, format('SELECT syncup_undo(%L);', b.batch), b.status = 'applied' AND b.changes_kept),
		('none', 'Nothing: it is applied. Its changes were not kept, so it cannot be undone.', NULL, b.status = 'applied' AND NOT b.changes_kept),
		('none', 'Nothing: a later complete run took its place.', NULL, b.status = 'cancelled'),
		('none', 'Nothing: it was applied and reversed.', NULL, b.status = 'undone')
	) AS v (choice, words, call, holds)
	WHERE v.holds;
	IF b.status = 'discarded' AND (SELECT c.needs_complete FROM syncup.connector c WHERE c.connector = b.connector) THEN
		RETURN QUERY VALUES ('run', 'It was declined, and with it changes that the source will not send again. Run:', format('CALL syncup_run(%L, ''complete'');', b.connector));
	ELSIF b.status = 'discarded' THEN
		RETURN QUERY VALUES ('none', 'Nothing: it was declined. The next run compares with what was applied before.', NULL);
	ELSIF b.status IN ('prepared', 'blocked', 'failed') AND b.prepared_at IS NOT NULL THEN
		SELECT count(*) INTO queued FROM syncup.batch o
		WHERE o.connector = b.connector AND o.seq > b.seq AND o.prepared_at IS NOT NULL
			AND o.status IN ('prepared', 'blocked', 'failed');
		RETURN QUERY VALUES ('decline', CASE b.status WHEN 'blocked' THEN 'If they are wrong, decline them' ELSE 'Or decline it' END
				|| CASE WHEN queued > 0 THEN format(' and the %s queued behind', queued) ELSE '' END
				|| CASE WHEN b.source_changes THEN '; a complete run must then follow:'
					ELSE '; a corrected file then gives the right changes:' END,
			format('SELECT syncup_discard(%L, ''reason'');', b.batch));
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.next_steps(uuid) IS
'What can be done with a batch: choice (hold, look, apply, decline, run, undo, behind, none), in words, and what to call.';

CREATE FUNCTION syncup.report_as_text(batch uuid)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
AS $$
#variable_conflict use_column
DECLARE
	-- so that it stays one page
	max_mappings CONSTANT int := 8;
	max_limits CONSTANT int := 6;
	max_findings CONSTANT int := 8;
	max_changes CONSTANT int := 10;
	b record;
	page text[];
	part text[];
	changes bigint;
	clock CONSTANT text := 'YYYY-MM-DD HH24:MI:SS "UTC"';
BEGIN
	SELECT * INTO b FROM syncup.batch t WHERE t.batch = report_as_text.batch;

	-- Which batch.
	page := ARRAY[syncup.wrap(format('Batch %s of connector "%s" is %s', b.batch, b.connector, upper(b.status)), 0)]
		|| array_remove(ARRAY[
			syncup.wrap(format('%s run, ', b.mode)
				|| coalesce('prepared ' || to_char(b.prepared_at, clock) || ' by ' || b.prepared_by, 'its prepare failed'), 2),
			syncup.wrap(CASE b.status WHEN 'applied' THEN 'applied ' WHEN 'undone' THEN 'applied ' WHEN 'blocked' THEN 'blocked ' ELSE 'last tried ' END
				|| to_char(b.synchronized_at, clock) || ' by ' || b.synchronized_by
				|| CASE WHEN b.forced THEN ', limits waived by force' ELSE '' END, 2),
			syncup.wrap(coalesce(b.decision || ' decided ' || to_char(b.decided_at, clock) || ' by ' || b.decided_by
				|| coalesce(': ' || b.reason, ''), b.reason), 2)], NULL);
	IF b.error IS NOT NULL THEN
		page := page || ARRAY['', 'Error', syncup.wrap(concat_ws(': ', b.sqlstate, b.error), 2)];
	END IF;

	-- Its files and rows, as deltas as long as changes were not built.
	SELECT array_agg(syncup.wrap(format('%s (%s), written %s', f.file, f.mappings, to_char(f.written, clock)), 2) ORDER BY f.ordinal)
	INTO part
	FROM (
		SELECT c.file, min(m.ordinal) AS ordinal, max(c.file_modified) AS written,
			string_agg(c.mapping, ', ' ORDER BY m.ordinal, c.mapping) AS mappings
		FROM syncup.batch_counter c
		LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
		WHERE c.batch = b.batch AND c.file IS NOT NULL
		GROUP BY c.file ORDER BY 2 LIMIT max_mappings
	) AS f;
	IF part IS NOT NULL THEN
		page := page || ARRAY['', 'Files'] || part;
	END IF;

	SELECT array_agg(format('  %-24s %9s %9s %9s   %9s %9s %9s %9s', syncup.shorten(r.mapping, 24),
			r.rows_read, r.rows_kept, r.set_aside,
			coalesce(r.stored_before::text, '-'),
			coalesce(r.inserted, r.delta_inserted), coalesce(r.updated, r.delta_updated),
			coalesce(r.deleted, r.delta_deleted)) ORDER BY r.place)
		FILTER (WHERE r.place <= max_mappings)
		|| ('  and ' || nullif(greatest(count(*) - max_mappings, 0), 0) || ' more: see syncup.batch_counter')
	INTO part
	FROM (
		SELECT c.*, row_number() OVER (ORDER BY m.ordinal, c.mapping) AS place
		FROM syncup.batch_counter c
		LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
		WHERE c.batch = b.batch
	) AS r;
	part := nullif(array_remove(part, NULL), '{}');
	IF part IS NOT NULL THEN
		page := page || ARRAY['',
			format('%-26s %9s %9s %9s   %9s %9s %9s %9s', 'Rows', 'read', 'kept', 'set aside',
				'stored', 'inserted', 'updated', 'deleted')] || part;
		IF EXISTS (SELECT FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.inserted IS NULL) THEN
			page := page || '  (inserted, updated, deleted since the last applied files; targets were not yet compared)'::text;
		END IF;
		page := page || ARRAY(
			SELECT syncup.wrap(format('Mapping "%s" took no part: its file was missing, and is optional.', c.mapping), 2)
			FROM syncup.batch_counter c
			LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
			WHERE c.batch = b.batch AND c.file IS NULL AND b.mode <> 'undo'
			ORDER BY m.ordinal, c.mapping LIMIT max_mappings);
		page := page || ARRAY(
			SELECT syncup.wrap(format(CASE c.filtered WHEN 1 THEN '%s row of mapping "%s" does not count: its option "where" says so.'
				ELSE '%s rows of mapping "%s" do not count: its option "where" says so.' END, c.filtered, c.mapping), 2)
			FROM syncup.batch_counter c
			LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
			WHERE c.batch = b.batch AND c.filtered > 0
			ORDER BY m.ordinal, c.mapping LIMIT max_mappings);
		page := page || ARRAY(
			SELECT syncup.wrap(format('A bad row of mapping "%s" has no readable key: nothing is deleted there.', c.mapping), 2)
			FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.deletions_suspended
			ORDER BY c.mapping LIMIT max_mappings);
		page := page || ARRAY(
			SELECT syncup.wrap(format(CASE c.orphans WHEN 1 THEN '%s pair of mapping "%s" has' ELSE '%s pairs of mapping "%s" have' END
				|| ' an end that is not found: see syncup.orphan.', c.orphans, c.mapping), 2)
			FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.orphans > 0
			ORDER BY c.mapping LIMIT max_mappings);
	END IF;

	page := page || array_remove(ARRAY[syncup.wrap('Constraints of the tables (ON DELETE) take along: '
		|| syncup.what_cascades(b.batch) || '.', 2)], NULL);

	-- What exceeds its limits, and by how much.
	SELECT array_agg(syncup.wrap(e.line, 2) ORDER BY e.place) FILTER (WHERE e.place <= max_limits)
		|| ('  and ' || nullif(greatest(count(*) - max_limits, 0), 0) || ' more: see syncup.threshold_check')
	INTO part
	FROM (
		SELECT l.place, format('%s%s, %s: %s', syncup.count_in_words(l.count, l.counter),
				' of mapping "' || l.mapping || '"', coalesce(l.percent || ' % of ' || l.base || ' rows', 'of no rows'),
				string_agg(format('%s more than %s (%s)', l.count - l.allowed, l.name,
					l.maximum || CASE WHEN right(l.maximum, 1) = '%' THEN ' = ' || l.allowed ELSE '' END), '; ' ORDER BY l.ordinal)) AS line
		FROM syncup.exceeded_limits(b.batch) WITH ORDINALITY AS l (place, mapping, counter, count, base, percent, name, maximum, allowed, ordinal)
		GROUP BY l.place, l.mapping, l.counter, l.count, l.base, l.percent
	) AS e;
	part := nullif(array_remove(part, NULL), '{}');
	IF part IS NOT NULL THEN
		page := page || ARRAY['', 'Limits exceeded'] || part;
	ELSIF b.limits IS NOT NULL THEN
		page := page || ARRAY['', 'No limit is exceeded.'];
	END IF;
	page := page || ARRAY(
		SELECT syncup.wrap(format('%s%s, %s %% of %s rows: fewer than minimum_lines_for_percentage, so not held to %s (%s %%).', syncup.count_in_words(t.count, t.counter),
			' of mapping "' || t.mapping || '"', t.percent, t.base, l.name, t.max_percentage), 2)
		FROM syncup.threshold_check t
		JOIN syncup.threshold_limit l ON l.counter = t.counter AND l.percentage
		WHERE t.batch = b.batch AND t.spared AND NOT t.exceeded
		ORDER BY t.mapping NULLS FIRST, syncup.counter_rank(t.counter) LIMIT max_limits);

	-- What its checks say.
	SELECT array_agg(syncup.wrap(c.line, c.indent) ORDER BY c.name COLLATE "C", c.place)
	INTO part
	FROM (
		SELECT r.name, 0 AS place, 2 AS indent, format('%s: %s', r.name,
			CASE WHEN r.error IS NOT NULL THEN concat_ws(': ', 'it failed', r.sqlstate, r.error) WHEN r.rows = 1 THEN '1 row' ELSE r.rows || ' rows' END) AS line
		FROM syncup.check_result r WHERE r.batch = b.batch AND (r.rows > 0 OR r.error IS NOT NULL)
		UNION ALL
		SELECT r.name, x.ordinality, 4, syncup.shorten(x.value::text, 200)
		FROM syncup.check_result r CROSS JOIN LATERAL jsonb_array_elements(r.first_rows) WITH ORDINALITY AS x
		WHERE r.batch = b.batch AND x.ordinality <= 3
	) AS c;
	IF part IS NOT NULL THEN
		page := page || ARRAY['', 'Checks' || CASE WHEN b.forced THEN ', waived by force' ELSE '' END] || part;
	END IF;

	-- What stands out.
	SELECT array_agg(syncup.wrap(format('%s: %s: %s', f.mapping, f.finding, f.message) || coalesce('; for example ' || syncup.examples_in_words(f.examples), ''), 2) ORDER BY f.place)
			FILTER (WHERE f.place <= max_findings)
		|| ('  and ' || nullif(greatest(count(*) - max_findings, 0), 0) || ' more: see syncup_findings()')
	INTO part
	FROM syncup.findings(b.batch) WITH ORDINALITY AS f (mapping, finding, column_name, rows, message, counter, explains, of, examples, place);
	part := nullif(array_remove(part, NULL), '{}');
	IF part IS NULL THEN
		SELECT array_agg(syncup.wrap(a.detail, 2) ORDER BY a.what) INTO part FROM (
			SELECT 'deletions suspended' AS what, format('%s: deletions were suspended: a bad row has no readable key', string_agg(c.mapping, ', ' ORDER BY c.mapping)) AS detail
			FROM syncup.batch_counter c WHERE c.batch = b.batch AND c.deletions_suspended HAVING count(*) > 0
			UNION ALL
			SELECT 'rows set aside', format(CASE sum(c.set_aside) WHEN 1 THEN '%s row was set aside: see syncup.quarantine' ELSE '%s rows were set aside: see syncup.quarantine' END,
				sum(c.set_aside))
			FROM syncup.batch_counter c WHERE c.batch = b.batch HAVING sum(c.set_aside) > 0
		) AS a
		WHERE b.status = 'applied';
	END IF;
	page := page || CASE
		WHEN part IS NOT NULL THEN ARRAY['', 'What stands out'] || part
		WHEN b.status IN ('blocked', 'prepared', 'failed') OR b.status = 'applied' AND b.changes_kept THEN ARRAY['', 'Nothing stands out.']
		ELSE ARRAY['', 'Nothing stands out; its changes were not kept.'] END;

	-- Some changes, of every command and mapping.
	SELECT array_agg(syncup.shorten(s.line, 100) ORDER BY s.ordinal, s.command, s.key COLLATE "C")
	INTO part
	FROM (
		SELECT format('  %s %s %s%s', c.command, c.mapping, syncup.shorten(c.key, 36), ': ' || c.cells) AS line,
			c.ordinal, c.command, c.key
		FROM (
			SELECT m.ordinal, m.mapping, c.*
			FROM syncup.mapping m
			CROSS JOIN LATERAL syncup.sample_changes(b.batch, m.mapping, max_changes) AS c
			WHERE m.connector = b.connector
			ORDER BY c.place, m.ordinal, c.command LIMIT max_changes
		) AS c
	) AS s;
	IF part IS NOT NULL THEN
		-- A link in one column that moves was counted three times.
		SELECT sum(c.inserted + CASE WHEN EXISTS (SELECT FROM syncup.association a WHERE a.connector = b.connector AND a.mapping = c.mapping AND a.target_column IS NULL)
			THEN -c.updated ELSE c.updated END + c.deleted) INTO changes FROM syncup.batch_counter c WHERE c.batch = b.batch;
		page := page || ARRAY['', format('Changes (%s of %s)', cardinality(part), changes)] || part;
	END IF;

	page := page || ARRAY['', 'What to do'] || ARRAY(
		SELECT line FROM syncup.next_steps(b.batch) WITH ORDINALITY AS n (choice, words, call, place)
		CROSS JOIN LATERAL (VALUES (1, syncup.wrap(n.words, 2)), (2, '    ' || n.call)) AS l (part, line)
		WHERE line IS NOT NULL ORDER BY n.place, l.part);
	RETURN array_to_string(page, E'\n');
END
$$;
COMMENT ON FUNCTION syncup.report_as_text(uuid) IS
'The report of a batch as a page of text.';

CREATE FUNCTION syncup_report(batch uuid, format text DEFAULT 'text', options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET jit = off	-- takes longer than what it would speed up
AS $$
DECLARE
	refused text;
BEGIN
	IF syncup_report.batch IS NULL THEN
		RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed',
			MESSAGE = 'argument "batch" must not be null';
	END IF;
	-- Whoever lacks a right is told which, and not shown the statement that needs it.
	SELECT o.kind || ' ' || o.name INTO refused
	FROM pg_namespace n
	CROSS JOIN LATERAL (
		SELECT 1, 'schema', n.nspname WHERE NOT has_schema_privilege(n.oid, 'USAGE')
		UNION ALL
		SELECT 2, 'table', c.relname FROM pg_class c
		WHERE c.relnamespace = n.oid AND NOT has_table_privilege(c.oid, 'SELECT') AND c.relname IN ('batch', 'batch_counter', 'batch_cascade', 'connector',
			'mapping', 'mapping_column', 'mapping_cells', 'association', 'quarantine', 'threshold_check', 'threshold_limit', 'check_result', 'batch_resource', 'detector', 'mapping_key', 'counted', 'source_header')
		UNION ALL
		SELECT 3, 'function', p.proname FROM pg_proc p
		WHERE p.pronamespace = n.oid AND NOT has_function_privilege(p.oid, 'EXECUTE') AND (p.proname IN ('findings', 'column_findings', 'find_file_almost_empty',
			'find_keys_respelled', 'find_file_cut', 'find_file_cut_otherwise', 'file_cut', 'find_rows_in_common', 'find_ends_not_found', 'find_links_lost', 'find_rows_set_aside', 'file_of', 'rows_of', 'traits', 'explained',
			'way_in_words', 'examples_in_words', 'report_as_text', 'next_steps', 'sample_changes', 'shorten', 'wrap', 'what_cascades', 'count_in_words', 'counter_rank', 'exceeded_limits')
			OR format = 'html' AND (starts_with(p.proname, 'page_') OR p.proname = 'check_options'))
	) AS o (rank, kind, name)
	WHERE n.nspname = 'syncup'
	ORDER BY o.rank, o.name LIMIT 1;
	IF refused IS NOT NULL THEN
		RAISE 'permission denied for %', refused USING ERRCODE = 'insufficient_privilege',
			HINT = 'Reports need USAGE on schema syncup, SELECT on its tables and EXECUTE on the functions that they are made of.';
	END IF;
	IF NOT EXISTS (SELECT FROM syncup.batch t WHERE t.batch = syncup_report.batch) THEN
		RAISE EXCEPTION USING ERRCODE = 'undefined_object',
			MESSAGE = 'batch ' || batch || ' does not exist',
			HINT = 'See the table syncup.batch.';
	END IF;
	CASE format
		WHEN 'text' THEN
			IF options <> '{}' THEN
				RAISE 'a report in format "text" has no options' USING ERRCODE = 'invalid_parameter_value',
					HINT = 'Format "html" has "redact" and "rows".';
			END IF;
			RETURN syncup.report_as_text(batch);
		WHEN 'html' THEN
			RETURN syncup.page_report(batch, options);
		ELSE
			RAISE 'unknown format "%"', format USING ERRCODE = 'invalid_parameter_value',
				HINT = 'A report has the format "text" or "html".';
	END CASE;
END
$$;
COMMENT ON FUNCTION syncup_report(uuid, text, jsonb) IS
'The review of a batch in one page: its rows, the limits it exceeds, what stands out, some changes, and what to call next. As text, or as a page of HTML, which takes the options "redact" (keys and counts only) and "rows" (listed per command, 200). Times are UTC.';

CREATE FUNCTION syncup_report(batch text, format text DEFAULT 'text', options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT has_schema_privilege('syncup', 'USAGE') THEN
		RAISE 'permission denied for schema syncup' USING ERRCODE = 'insufficient_privilege';
	END IF;
	RETURN @extschema@.syncup_report(syncup.batch_named(batch), format, options);
END
$$;
COMMENT ON FUNCTION syncup_report(text, text, jsonb) IS
'The same of a batch''s uuid as text, or of the one blocked batch of a connector.';
