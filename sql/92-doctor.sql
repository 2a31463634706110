-- What was forgotten, or has become wrong since: each finding with what to type (SPEC
-- 2.3). The next check is a row and a function.

CREATE TYPE syncup.ailment AS (severity text, object text, problem text, remedy text);
COMMENT ON TYPE syncup.ailment IS 'What is wrong: error (a run will fail or does), warning (it may do harm), notice (it could be better); with what; and what to type.';

CREATE TABLE syncup.doctor_check (
	name text PRIMARY KEY,
	place int NOT NULL,
	function text NOT NULL
);
COMMENT ON TABLE syncup.doctor_check IS 'What syncup_doctor() looks at: functions (connector text) returns setof syncup.ailment.';

-- ---------- what runs say themselves ----------

CREATE FUNCTION syncup.failed_in_cron(job text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	message text;
BEGIN
	IF syncup.has_pg_cron() THEN
		-- of what ended within the job, its own record tells
		EXECUTE 'SELECT l.return_message FROM cron.job j CROSS JOIN LATERAL (
				SELECT d.status, d.return_message, d.start_time, d.end_time FROM cron.job_run_details d WHERE d.jobid = j.jobid ORDER BY d.runid DESC LIMIT 1) AS l
			WHERE j.jobname = $1 AND j.database = current_database() AND l.status = ''failed''
				AND NOT EXISTS (SELECT FROM syncup.job_run r WHERE r.job = $2 AND r.started_at >= coalesce(l.start_time, l.end_time))'
		INTO message USING 'syncup ' || job, job;
	END IF;
	RETURN message;
END
$$;
COMMENT ON FUNCTION syncup.failed_in_cron(text) IS 'Why pg_cron could not start a job when it was last due; null: it could, or that cannot be seen.';

CREATE FUNCTION syncup.ails_alarms(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN a.what IN ('rows set aside', 'deletions suspended', 'warning') THEN 'warning' ELSE 'error' END,
		CASE WHEN a.job IS NOT NULL THEN format('job "%s"', a.job) ELSE format('connector "%s"', a.connector) END, concat_ws(': ', a.what, a.detail, s.error), a.call
	FROM syncup.alarm a
	LEFT JOIN syncup.open_run o ON o.job = a.job
	-- what it said is for members of the job's owner
	LEFT JOIN syncup.job_step_run s ON s.run = o.run AND s.step = o.step AND a.call = o.what_to_call || ';'
	WHERE $1 IS NULL OR a.connector = $1
$$;
COMMENT ON FUNCTION syncup.ails_alarms(text) IS 'What needs a person now: blocked, failed, too old, a scheduled job that failed, did not start or is missing.';

CREATE FUNCTION syncup.ails_jobs(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'notice', format('connector "%s"', c.connector), 'no job runs it, of those that you may see', format('SELECT syncup_create_jobs(%L); SELECT syncup_schedule(%L), syncup_schedule(%L);', c.connector, c.connector || '_complete', c.connector || '_incremental')
	FROM syncup.connector c
	WHERE c.active AND ($1 IS NULL OR c.connector = $1) AND NOT EXISTS (SELECT FROM syncup.job_step s WHERE s.connector = c.connector)
		AND EXISTS (SELECT FROM syncup.mapping m WHERE m.connector = c.connector)
	UNION ALL
	SELECT 'notice', format('connector "%s"', c.connector), 'it is deactivated', format('SELECT syncup_activate(%L);', c.connector)
	FROM syncup.connector c WHERE NOT c.active AND ($1 IS NULL OR c.connector = $1)
	UNION ALL
	SELECT 'warning', format('connector "%s"', c.connector), 'it has no mapping', 'SELECT syncup_suggest(''/its/directory''); proposes some.'
	FROM syncup.connector c WHERE ($1 IS NULL OR c.connector = $1) AND NOT EXISTS (SELECT FROM syncup.mapping m WHERE m.connector = c.connector)
	UNION ALL
	SELECT 'error', format('job "%s"', j.job), 'pg_cron cannot start it: ' || f.message, 'SELECT * FROM cron.job_run_details ORDER BY runid DESC LIMIT 9; tells more. Where it cannot connect, mend pg_hba.conf, or: ALTER SYSTEM SET cron.use_background_workers = on; and restart'
	FROM syncup.job j CROSS JOIN LATERAL (SELECT btrim(syncup.failed_in_cron(j.job), E' \n')) AS f (message)
	WHERE f.message IS NOT NULL AND ($1 IS NULL OR EXISTS (SELECT FROM syncup.job_step s WHERE s.job = j.job AND s.connector = $1))
$$;
COMMENT ON FUNCTION syncup.ails_jobs(text) IS 'Connectors that nothing runs, and jobs that pg_cron cannot start.';

-- ---------- files ----------

CREATE FUNCTION syncup.columns_gone(connector text, mapping text, there text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('"%s"', k.source), ', ' ORDER BY k.ordinal)
	FROM syncup.mapping_column k JOIN syncup.mapping m USING (connector, mapping)
	WHERE k.connector = $1 AND k.mapping = $2 AND k.source <> '' AND k.optional IS NULL AND NOT k.repeated
		AND NOT (k.source = m.key AND k.target IS NULL AND k.key_part IS NULL AND EXISTS (SELECT FROM syncup.mapping_column p WHERE p.connector = k.connector AND p.mapping = k.mapping AND p.key_part = 2))
		AND lower(k.source) <> ALL (SELECT lower(t) FROM unnest(there) t)
$$;
COMMENT ON FUNCTION syncup.columns_gone(text, text, text[]) IS 'The columns that a mapping reads and that are not among these; null: all are.';

CREATE FUNCTION syncup.ails_files(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	c record;
	f record;
	gone text;
	hint text;
BEGIN
	FOR c IN SELECT x.connector, x.options FROM syncup.connector x WHERE x.active AND (connector IS NULL OR x.connector = connector) ORDER BY 1 LOOP
		BEGIN
			-- of a mapping the file of all rows comes before that of changes
			FOR f IN SELECT s.*, row_number() OVER (PARTITION BY s.mapping ORDER BY s.ordinality) = 1 AS is_full, coalesce((m.options ->> 'optional')::boolean, false) AS may_lack,
					(SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}') FROM jsonb_each(c.options || m.options) o
					WHERE o.key IN ('delimiter', 'quote', 'escape', 'encoding', 'header', 'names', 'skip_lines', 'comment', 'ignore_lines', 'trim', 'quoting')) AS options
				FROM @extschema@.syncup_source_files(c.connector) WITH ORDINALITY s JOIN syncup.mapping m ON m.connector = c.connector AND m.mapping = s.mapping ORDER BY s.ordinality LOOP
				IF f.file IS NOT NULL AND f.size IS NULL AND NOT f.may_lack THEN
					RETURN NEXT ('error', format('mapping "%s.%s"', c.connector, f.mapping), format('file "%s" is not there, or not ready', f.file), 'bring the export there, or name another file in the mapping''s call')::syncup.ailment;
				ELSIF f.modified < now() - interval '7 days' THEN
					RETURN NEXT ('warning', format('mapping "%s.%s"', c.connector, f.mapping), format('file "%s" was written %s days ago', f.file, extract(day FROM now() - f.modified)),
						format('mend the export; to be told earlier: SELECT syncup_create_connector(%L, options => ''{"max_age": "1 day"}'');', c.connector))::syncup.ailment;
				END IF;
				gone := NULL;
				BEGIN
					IF f.is_full AND f.size > 0 THEN
						gone := syncup.columns_gone(c.connector, f.mapping, ARRAY(SELECT h.name FROM @extschema@.syncup_csv_header(f.file, f.options) h));
					END IF;
				EXCEPTION WHEN OTHERS THEN
					RETURN NEXT ('error', format('mapping "%s.%s"', c.connector, f.mapping), SQLERRM, format('mend the export; SELECT * FROM syncup_csv_sample(%L); shows how it could be read', f.file))::syncup.ailment;
				END;
				IF gone IS NOT NULL THEN
					RETURN NEXT ('error', format('mapping "%s.%s"', c.connector, f.mapping), format('file "%s" does not have the columns %s', f.file, gone), format('SELECT * FROM syncup_csv_header(%L); shows those it has: mend the export, or map it again', f.file))::syncup.ailment;
				END IF;
			END LOOP;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
			RETURN NEXT ('error', format('connector "%s"', c.connector), SQLERRM, coalesce(nullif(hint, ''), 'see docs/errors.md'))::syncup.ailment;
		END;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.ails_files(text) IS 'Files that are not there, cannot be read, or are old.';

-- ---------- relations that are read ----------

CREATE FUNCTION syncup.reads_with_care(relation regclass)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH RECURSIVE read (oid) AS (
		SELECT $1::oid
		UNION
		SELECT d.refobjid FROM read r
		JOIN pg_rewrite w ON w.ev_class = r.oid
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass
	)
	SELECT EXISTS (SELECT FROM read r
		JOIN pg_rewrite w ON w.ev_class = r.oid
		JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_proc'::regclass
		JOIN pg_proc p ON p.oid = d.refobjid
		WHERE p.provolatile = 'v')
$$;
COMMENT ON FUNCTION syncup.reads_with_care(regclass) IS 'Whether a view, or one that it reads, calls a volatile function that did not come with PostgreSQL: what it gives may cost much, such as a whole directory, and reading it may do something.';

CREATE FUNCTION syncup.try_relation(source text, relation regclass, OUT is_empty boolean, OUT problem text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT syncup.reads_with_care(relation) THEN
		EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', source) INTO is_empty;
	END IF;
EXCEPTION WHEN OTHERS THEN
	problem := SQLERRM;
END
$$;
COMMENT ON FUNCTION syncup.try_relation(text, regclass) IS 'Whether a relation has no row, or what keeps it from being read.';

CREATE FUNCTION syncup.ails_relations(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	r record;
	gone text;
	tried record;
BEGIN
	FOR r IN
		SELECT m.connector, m.mapping, m.options ->> 'source' AS source, c.oid::regclass AS relation, n.nspname, has_schema_privilege(n.oid, 'USAGE') AS may_use
		FROM syncup.mapping m JOIN syncup.connector x USING (connector)
		CROSS JOIN LATERAL parse_ident(m.options ->> 'source') AS p (name)
		LEFT JOIN pg_namespace n ON n.nspname = p.name[1]
		LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = p.name[2]
		WHERE x.active AND m.options ? 'source' AND (connector IS NULL OR m.connector = connector)
		ORDER BY m.connector COLLATE "C", m.ordinal
	LOOP
		IF r.relation IS NULL THEN
			RETURN NEXT ('error', format('mapping "%s.%s"', r.connector, r.mapping), format('relation %s, which it reads, is gone', r.source), 'create it again, or map another one with the option "source"')::syncup.ailment;
		ELSIF NOT r.may_use THEN
			RETURN NEXT ('error', format('mapping "%s.%s"', r.connector, r.mapping), format('role %I must not use schema %I, in which it reads %s', current_user, r.nspname, r.source), format('GRANT USAGE ON SCHEMA %I TO %I;', r.nspname, current_user))::syncup.ailment;
		ELSIF NOT has_table_privilege(r.relation, 'SELECT') THEN
			RETURN NEXT ('error', format('mapping "%s.%s"', r.connector, r.mapping), format('role %I must not select %s, which it reads', current_user, r.source), format('GRANT SELECT ON %s TO %I;', r.source, current_user))::syncup.ailment;
		ELSE
			gone := syncup.columns_gone(r.connector, r.mapping, ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = r.relation AND a.attnum > 0 AND NOT a.attisdropped));
			tried := syncup.try_relation(r.source, r.relation);
			IF gone IS NOT NULL THEN
				RETURN NEXT ('error', format('mapping "%s.%s"', r.connector, r.mapping), format('relation %s does not have the columns %s', r.source, gone), 'give it the columns again, or map it again')::syncup.ailment;
			END IF;
			IF tried.problem IS NOT NULL THEN
				RETURN NEXT ('error', format('mapping "%s.%s"', r.connector, r.mapping), format('relation %s cannot be read: %s', r.source, tried.problem), 'mend it: a SELECT from it says the same')::syncup.ailment;
			ELSIF tried.is_empty THEN
				RETURN NEXT ('warning', format('mapping "%s.%s"', r.connector, r.mapping), format('relation %s has no row', r.source), 'mend what fills it')::syncup.ailment;
			END IF;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.ails_relations(text) IS 'Relations that mappings read: gone, without columns, without rights for the current role, unreadable, or empty.';

-- ---------- targets ----------

CREATE FUNCTION syncup.mapped_targets(connector text)
RETURNS TABLE (connector text, mapping text, target regclass, kind text, target_columns name[], key_columns name[])
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT m.connector, m.mapping, m.target, m.kind,
		CASE m.kind WHEN 'entity type' THEN ARRAY(SELECT k.target FROM syncup.mapping_column k WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL ORDER BY k.ordinal)
			ELSE ARRAY(SELECT a.target_column FROM syncup.association a WHERE a.connector = m.connector AND a.mapping = m.mapping AND a.target_column IS NOT NULL ORDER BY a.side) END,
		ARRAY(SELECT k.target FROM syncup.mapping_column k WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.key_part IS NOT NULL ORDER BY k.key_part)
	FROM syncup.mapping m WHERE $1 IS NULL OR m.connector = $1
$$;
COMMENT ON FUNCTION syncup.mapped_targets(text) IS 'The targets of mappings, with the columns that are written.';

CREATE FUNCTION syncup.ails_targets(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'error', format('mapping "%s.%s"', m.connector, m.mapping), 'its target is gone', format('SELECT syncup_drop_mapping(%L, %L);', m.connector, m.mapping)
	FROM syncup.mapped_targets($1) m WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = m.target)
	UNION ALL
	SELECT 'error', format('mapping "%s.%s"', m.connector, m.mapping), format('column "%s" of %s is gone', u.name, m.target),
		format('SELECT e FROM jsonb_array_elements(syncup_export_configuration(%L)::jsonb -> %L) e WHERE e ->> %L = %L; shows how it is mapped: map it again without that column', m.connector,
			CASE m.kind WHEN 'entity type' THEN 'entity_types' ELSE 'associations' END, CASE m.kind WHEN 'entity type' THEN 'entity_type' ELSE 'association' END, m.mapping)
	FROM syncup.mapped_targets($1) m CROSS JOIN unnest(m.target_columns) AS u (name)
	WHERE EXISTS (SELECT FROM pg_class c WHERE c.oid = m.target)
		AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = m.target AND a.attname = u.name AND a.attnum > 0 AND NOT a.attisdropped)
	UNION ALL
	SELECT 'error', format('mapping "%s.%s"', m.connector, m.mapping), format('column "%s" of %s is of another type than when it was mapped', k.target, m.target), 'map it again as it was mapped'
	FROM syncup.mapped_targets($1) m JOIN syncup.mapping_column k USING (connector, mapping)
	JOIN pg_attribute a ON a.attrelid = m.target AND a.attname = k.target AND a.attnum > 0 AND NOT a.attisdropped
	WHERE m.kind = 'entity type' AND k.target_type <> format_type(a.atttypid, a.atttypmod)
	UNION ALL
	SELECT 'error', format('mapping "%s.%s"', m.connector, m.mapping), format('nothing makes the key %s of %s unique', (SELECT string_agg(k, ', ') FROM unnest(m.key_columns) k), m.target),
		format('ALTER TABLE %s ADD UNIQUE (%s);', m.target, (SELECT string_agg(quote_ident(k), ', ') FROM unnest(m.key_columns) k))
	FROM syncup.mapped_targets($1) m
	WHERE m.kind = 'entity type' AND EXISTS (SELECT FROM pg_class c WHERE c.oid = m.target)
		AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = m.target AND i.indisunique AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL
			AND ARRAY(SELECT a.attname FROM pg_attribute a WHERE a.attrelid = m.target AND a.attnum = ANY (i.indkey[0:i.indnkeyatts - 1]) ORDER BY 1) = ARRAY(SELECT k FROM unnest(m.key_columns) k ORDER BY 1))
	UNION ALL
	SELECT DISTINCT 'error', format('schema %I', n.nspname), format('role %I must not use it', current_user), format('GRANT USAGE ON SCHEMA %I TO %I;', n.nspname, current_user)
	FROM syncup.mapped_targets($1) m JOIN pg_class c ON c.oid = m.target JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE NOT has_schema_privilege(n.oid, 'USAGE')
	UNION ALL
	SELECT 'error', format('mapping "%s.%s"', m.connector, m.mapping), format('role %I must not %s %s', current_user, lower(p.name), m.target), format('GRANT %s ON %s TO %I;', p.name, m.target, current_user)
	FROM syncup.mapped_targets($1) m JOIN pg_class c ON c.oid = m.target
	-- links in a column of a table are written by updates, those in a table of their own by the others
	CROSS JOIN LATERAL (VALUES
		('SELECT', m.target_columns),
		('INSERT', CASE WHEN m.kind = 'entity type' OR cardinality(m.target_columns) = 2 THEN m.target_columns END),
		('UPDATE', CASE WHEN m.kind = 'entity type' THEN ARRAY(SELECT k.target FROM syncup.mapping_column k WHERE k.connector = m.connector AND k.mapping = m.mapping AND k.target IS NOT NULL AND k.key_part IS NULL AND k.write IS NULL)
			WHEN cardinality(m.target_columns) = 1 THEN m.target_columns END),
		('DELETE', CASE WHEN m.kind = 'entity type' OR cardinality(m.target_columns) = 2 THEN m.target_columns END)) AS p (name, columns)
	WHERE CASE p.name WHEN 'DELETE' THEN p.columns <> '{}' AND NOT has_table_privilege(m.target, 'DELETE')
		ELSE EXISTS (SELECT FROM unnest(p.columns) u (name) JOIN pg_attribute a ON a.attrelid = m.target AND a.attname = u.name AND NOT a.attisdropped
			WHERE NOT has_column_privilege(m.target, a.attnum, p.name)) END
$$;
COMMENT ON FUNCTION syncup.ails_targets(text) IS 'Targets, columns and keys that are gone, and rights that the current role lacks.';

CREATE FUNCTION syncup.ails_indexes(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH looked_up AS (
		-- ends of links, and what refers to a target: rows that go are looked for there
		SELECT m.target AS relation, u.name, format('link table %s', m.target) AS object FROM syncup.mapped_targets($1) m CROSS JOIN unnest(m.target_columns) AS u (name) WHERE m.kind = 'association'
		UNION
		SELECT f.conrelid, a.attname, format('table %s', f.conrelid::regclass)
		FROM syncup.mapped_targets($1) m JOIN pg_constraint f ON f.contype = 'f' AND f.confrelid = m.target AND cardinality(f.conkey) = 1
		JOIN pg_attribute a ON a.attrelid = f.conrelid AND a.attnum = f.conkey[1]
		WHERE m.kind = 'entity type'
	)
	SELECT 'warning', l.object, format('no index begins with column "%s", by which rows are looked for when others go', l.name), format('CREATE INDEX ON %s (%I);', l.relation::regclass, l.name)
	FROM looked_up l JOIN pg_class c ON c.oid = l.relation AND c.relkind IN ('r', 'p')
	WHERE NOT EXISTS (SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] WHERE i.indrelid = l.relation AND i.indisvalid AND i.indpred IS NULL AND a.attname = l.name)
$$;
COMMENT ON FUNCTION syncup.ails_indexes(text) IS 'Columns that are looked up without an index.';

-- ---------- limits ----------

CREATE FUNCTION syncup.ails_limits(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', format('connector "%s"', t.connector), format('nothing limits %s', replace(t.counter, '_', ' ')),
		format('SELECT syncup_set_thresholds(%L, ''{"max_%spercentage_%s": 5}'');', t.connector, CASE WHEN t.counter LIKE 'link%' THEN 'link_' ELSE '' END, regexp_replace(t.counter, '^link_', ''))
	FROM syncup.threshold t
	WHERE t.mapping IS NULL AND ($1 IS NULL OR t.connector = $1) AND t.counter IN ('deleted_lines', 'link_deleted_lines', 'updated_lines')
		AND coalesce(t.maximum, 0) = 0 AND coalesce(t.max_percentage, 0) = 0
		AND EXISTS (SELECT FROM syncup.mapping m WHERE m.connector = t.connector AND (m.kind = 'association') = (t.counter LIKE 'link%'))
	UNION ALL
	SELECT 'notice', format('connector "%s"', t.connector), format('limit %s of %s was never nearly reached in %s batches of a year: at most %s', t.maximum, replace(t.counter, '_', ' '), h.batches, h.most),
		format('SELECT syncup_set_thresholds(%L, ''{"maximum_%s": %s}'');', t.connector, t.counter, greatest(10, 3 * h.most))
	FROM syncup.threshold t
	CROSS JOIN LATERAL (
		SELECT count(*) AS batches, coalesce(max(n.n), 0) AS most
		FROM (SELECT b.batch, sum(CASE t.counter WHEN 'inserted_lines' THEN c.inserted WHEN 'updated_lines' THEN c.updated ELSE c.deleted END) AS n
			FROM syncup.batch b JOIN syncup.batch_counter c USING (batch) JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping AND m.kind = 'entity type'
			WHERE b.connector = t.connector AND b.status = 'applied' AND b.mode <> 'initial' AND b.synchronized_at > now() - interval '1 year' GROUP BY b.batch) n) AS h
	WHERE t.mapping IS NULL AND ($1 IS NULL OR t.connector = $1) AND t.counter IN ('inserted_lines', 'updated_lines', 'deleted_lines')
		AND h.batches >= 100 AND t.maximum > greatest(100, 20 * h.most)
	UNION ALL
	-- the base of a connector's percentage is the rows of all its mappings
	SELECT 'warning', format('mapping "%s.%s"', m.connector, m.mapping), format('all of its %s rows may be deleted within the limits: they are few of the connector''s %s', m.stored, m.base),
		format('SELECT syncup_set_thresholds(%L, ''{"max_percentage_deleted_lines": 5, "max_percentage_updated_lines": 20, "minimum_lines_for_percentage": 3}'', %L);', m.connector, m.mapping)
	FROM (
		SELECT p.connector, p.mapping, s.stored, sum(s.stored) OVER (PARTITION BY p.connector) AS base
		FROM syncup.mapping p
		CROSS JOIN LATERAL (SELECT c.stored_before + c.inserted - c.deleted AS stored FROM syncup.batch b JOIN syncup.batch_counter c USING (batch)
			WHERE b.connector = p.connector AND c.mapping = p.mapping AND b.status = 'applied' ORDER BY b.seq DESC LIMIT 1) AS s
		WHERE p.kind = 'entity type' AND ($1 IS NULL OR p.connector = $1)
	) AS m
	WHERE m.stored > 0 AND m.base > m.stored AND NOT EXISTS (
		SELECT FROM syncup.threshold t
		WHERE t.connector = m.connector AND t.counter = 'deleted_lines' AND (t.mapping IS NULL OR t.mapping = m.mapping)
			AND (t.maximum > 0 AND m.stored > t.maximum OR t.max_percentage > 0 AND m.stored * 100 > t.max_percentage * CASE WHEN t.mapping IS NULL THEN m.base ELSE m.stored END))
$$;
COMMENT ON FUNCTION syncup.ails_limits(text) IS 'Limits that are off, or so high that they guard nothing, and small mappings that those of the connector do not guard.';

-- ---------- the server ----------

CREATE TABLE syncup.growing_table (
	tables text PRIMARY KEY,
	large text NOT NULL,
	remedy text NOT NULL
);
COMMENT ON TABLE syncup.growing_table IS 'Tables of ours that syncup_doctor() finds large.';
COMMENT ON COLUMN syncup.growing_table.tables IS 'schema and name, or what they are LIKE';
COMMENT ON COLUMN syncup.growing_table.large IS 'from which size on it tells so';

INSERT INTO syncup.growing_table (tables, large, remedy) VALUES
	('syncup.batch', '1 GB', 'SELECT syncup_purge(''90 days'');'),
	('syncup.batch!_%', '1 GB', 'SELECT syncup_purge(''90 days'');'),
	('syncup.check!_result', '1 GB', 'SELECT syncup_purge(''90 days'');'),
	('syncup.provisioning!_order', '1 GB', 'SELECT syncup_purge(''90 days'');'),
	('syncup.quarantine', '1 GB', 'SELECT syncup_purge(''90 days'');'),
	('syncup.upload!_%', '1 GB', 'SELECT syncup_purge(''90 days'');'),
	('syncup!_changes.%', '10 GB', 'SELECT syncup_purge(''90 days''); or keep changes for less: syncup.keep_changes_for'),
	('syncup.%!_record', '1 GB', 'SELECT syncup_create_job(job, incremental, ''{"keep_runs": 20}'') FROM syncup.job;');

CREATE FUNCTION syncup.ails_tables(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT 'warning', format('table %s', s.relid::regclass), format('%s of %s rows are dead', s.n_dead_tup, s.n_dead_tup + s.n_live_tup), format('VACUUM %s;', s.relid::regclass)
	FROM pg_stat_user_tables s
	WHERE s.schemaname IN ('syncup', 'syncup_previous', 'syncup_delta', 'syncup_changes') AND s.n_dead_tup > 100000 AND s.n_dead_tup > s.n_live_tup AND $1 IS NULL
	UNION ALL
	SELECT 'notice', format('table %s', c.oid::regclass), format('it has grown to %s', pg_size_pretty(pg_total_relation_size(c.oid))), g.remedy
	FROM syncup.growing_table g JOIN pg_class c ON c.relkind = 'r' AND format('%s.%s', (SELECT n.nspname FROM pg_namespace n WHERE n.oid = c.relnamespace), c.relname) LIKE g.tables ESCAPE '!'
	WHERE pg_total_relation_size(c.oid) > pg_size_bytes(g.large) AND $1 IS NULL
	UNION ALL
	SELECT 'notice', format('connector "%s"', b.connector), format('%s batches are older than a year', count(*)), 'SELECT syncup_purge(''1 year'');'
	FROM syncup.batch b WHERE b.prepared_at < now() - interval '13 months' AND ($1 IS NULL OR b.connector = $1) GROUP BY b.connector HAVING count(*) >= 100
$$;
COMMENT ON FUNCTION syncup.ails_tables(text) IS 'Tables of ours that grow.';

CREATE FUNCTION syncup.ails_settings(connector text)
RETURNS SETOF syncup.ailment
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT w.severity, format('setting %s', w.name), w.problem, w.remedy
	FROM (VALUES
		('notice', 'maintenance_work_mem', pg_size_bytes(current_setting('maintenance_work_mem')) < 64 * 1024 * 1024, 'files of many rows are read more than once', 'ALTER SYSTEM SET maintenance_work_mem = ''256MB''; SELECT pg_reload_conf();'),
		('warning', 'autovacuum', current_setting('autovacuum') = 'off', 'nothing tidies syncup''s tables, nor yours', 'ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();'),
		('error', 'fsync', current_setting('fsync') = 'off', 'a crash of the machine destroys the database', 'ALTER SYSTEM SET fsync = on; SELECT pg_reload_conf();'),
		('error', 'full_page_writes', current_setting('full_page_writes') = 'off', 'a crash of the machine may destroy the database', 'ALTER SYSTEM SET full_page_writes = on; SELECT pg_reload_conf();'),
		('warning', 'statement_timeout', current_setting('statement_timeout') <> '0', 'a run that takes longer is cancelled', format('ALTER ROLE %I SET statement_timeout = 0;', current_user)),
		('warning', 'track_activities', current_setting('track_activities') = 'off', 'syncup.progress and fulfilment do not see who is at work', 'ALTER SYSTEM SET track_activities = on; SELECT pg_reload_conf();'),
		('notice', 'syncup.keep_changes_for', coalesce(current_setting('syncup.keep_changes_for', true), '0') = '0', 'changes of applied batches are not kept: they cannot be undone', format('ALTER DATABASE %I SET syncup.keep_changes_for = ''30d'';', current_database()))
	) AS w (severity, name, wrong, problem, remedy)
	WHERE w.wrong AND $1 IS NULL
$$;
COMMENT ON FUNCTION syncup.ails_settings(text) IS 'Settings that make runs slow, or data unsafe.';

INSERT INTO syncup.doctor_check (name, place, function) VALUES
	('alarms', 1, 'syncup.ails_alarms'),
	('targets', 2, 'syncup.ails_targets'),
	('files', 3, 'syncup.ails_files'),
	('relations', 4, 'syncup.ails_relations'),
	('indexes', 5, 'syncup.ails_indexes'),
	('limits', 6, 'syncup.ails_limits'),
	('jobs', 7, 'syncup.ails_jobs'),
	('tables', 8, 'syncup.ails_tables'),
	('settings', 9, 'syncup.ails_settings');

CREATE FUNCTION syncup_doctor(connector text DEFAULT NULL)
RETURNS TABLE (severity text, object text, problem text, remedy text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	c syncup.doctor_check;
	found_ailments syncup.ailment[] := '{}';
	some_ailments syncup.ailment[];
BEGIN
	IF syncup_doctor.connector IS NOT NULL AND NOT EXISTS (SELECT FROM syncup.connector x WHERE x.connector = syncup_doctor.connector) THEN
		RAISE 'connector "%" does not exist', syncup_doctor.connector USING ERRCODE = 'undefined_object',
			HINT = syncup.connectors_hint(syncup_doctor.connector);
	END IF;
	FOR c IN SELECT * FROM syncup.doctor_check d ORDER BY d.place LOOP
		EXECUTE format('SELECT array_agg(a ORDER BY a.object COLLATE "C", a.problem COLLATE "C", a.remedy COLLATE "C") FROM %s($1) a', c.function) INTO some_ailments USING syncup_doctor.connector;
		found_ailments := found_ailments || coalesce(some_ailments, '{}');
	END LOOP;
	RETURN QUERY SELECT a.severity, a.object, a.problem, a.remedy FROM unnest(found_ailments) WITH ORDINALITY AS a (severity, object, problem, remedy, n)
	ORDER BY array_position(ARRAY['error', 'warning', 'notice'], a.severity), a.n;
END
$$;
COMMENT ON FUNCTION syncup_doctor(text) IS
'What is wrong or was forgotten, of a connector or of all and the server, the worst first, in the order of syncup.doctor_check and of objects: with what, and what to type. It looks with the rights of the caller and changes nothing.';
