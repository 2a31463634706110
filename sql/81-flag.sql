-- What has changed of the rows that rules read, and who has seen it (AFTER 1).
--
-- Transactions end in another order than they have taken their numbers: whoever
-- remembers "up to seq" skips what was written before and committed after. So a
-- flag knows its transaction and a consumer the snapshot that it last worked with:
-- it has seen what that snapshot shows. Neither is dumped: a transaction is no
-- other server's, and a consumer that is not known looks at every row.

CREATE TABLE syncup.flag (
	target regclass NOT NULL,
	seq bigint GENERATED ALWAYS AS IDENTITY,
	key text COLLATE "C",
	reason text NOT NULL CHECK (reason IN ('synchronize', 'undo', 'expression', 'fulfill', 'manual')),
	batch uuid,
	deleted boolean NOT NULL DEFAULT false,
	writer xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
	PRIMARY KEY (target, seq)
);
COMMENT ON TABLE syncup.flag IS 'Rows that have changed since some rule has looked at them.';
COMMENT ON COLUMN syncup.flag.key IS 'of the row, as syncup.find_key() says; null: any row of the target may have changed';
COMMENT ON COLUMN syncup.flag.deleted IS 'the row is gone';
COMMENT ON COLUMN syncup.flag.writer IS 'the transaction that wrote it';

CREATE TABLE syncup.consumer (
	consumer text NOT NULL,
	target regclass NOT NULL,
	seq bigint,
	snapshot pg_snapshot,
	worker xid8,
	begun_seq bigint,
	begun_snapshot pg_snapshot,
	begun_by xid8,
	PRIMARY KEY (consumer, target)
);
COMMENT ON TABLE syncup.consumer IS 'Who looks at flags, and what each has seen.';
COMMENT ON COLUMN syncup.consumer.seq IS 'the last flag that was there when it last worked; null: it has to look at every row';
COMMENT ON COLUMN syncup.consumer.snapshot IS 'what it could see then: flags of transactions that were still going on are yet to be seen';
COMMENT ON COLUMN syncup.consumer.worker IS 'its transaction: of that it has seen the flags up to seq';
COMMENT ON COLUMN syncup.consumer.begun_by IS 'the transaction that works, or has worked, for it last; begun_seq and begun_snapshot become seq and snapshot when it is done';

-- ---------- what is read ----------

CREATE FUNCTION syncup.lock_flags(target regclass, alone boolean)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_lock_flags' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.lock_flags(regclass, boolean) IS
'Until the transaction ends, nobody begins to read the target (alone: and nobody writes it without flags).';

CREATE FUNCTION syncup.begin_reading()
RETURNS trigger
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY TG_ARGV LOOP
		PERFORM syncup.lock_flags((to_jsonb(NEW) ->> name)::regclass, true);
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION syncup.begin_reading() IS
'For each of the columns named: waits for those who are writing that table and have found that nobody reads it.';
CREATE TRIGGER begin_reading AFTER INSERT ON syncup.consumer
	FOR EACH ROW EXECUTE FUNCTION syncup.begin_reading('target');

CREATE FUNCTION syncup.readers(target regclass)
RETURNS regclass[]
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT ARRAY(
		SELECT f.relation
		FROM (SELECT target UNION SELECT relid FROM pg_partition_tree(target) UNION SELECT relid FROM pg_partition_ancestors(target)) AS f (relation)
		WHERE EXISTS (SELECT FROM syncup.consumer c WHERE c.target = f.relation))
$$;
COMMENT ON FUNCTION syncup.readers(regclass) IS
'As which tables somebody reads the rows of a target: itself, what it is a partition of, its partitions.';

CREATE FUNCTION syncup.flag_owned(batch uuid)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	INSERT INTO syncup.flag (target, key, reason, batch)
	SELECT r.relation, other.key, f.reason, batch
	FROM syncup.resource_type t
	JOIN syncup.flag f ON f.target IN (t.owner, t.account) AND f.batch = batch AND f.deleted
	JOIN syncup.ownership o ON o.resource_type = t.resource_type
		AND CASE WHEN f.target = t.account THEN o.account_key = f.key ELSE o.owner_key = f.key END
	CROSS JOIN LATERAL (VALUES (t.owner, o.owner_key, f.target = t.account), (t.account, o.account_key, f.target = t.owner)) AS other (relation, key, is_other)
	CROSS JOIN LATERAL unnest(syncup.readers(other.relation)) AS r (relation)
	WHERE other.is_other AND other.key IS NOT NULL;
END
$$;
COMMENT ON FUNCTION syncup.flag_owned(uuid) IS 'Flags the owners of accounts that a batch deletes, and the accounts of owners.';

-- ---------- consumers ----------

-- Without a pinned path, and parsed here, so that it becomes part of the queries.
CREATE FUNCTION syncup.has_seen(consumer syncup.consumer, flag syncup.flag)
RETURNS boolean
LANGUAGE sql STABLE
RETURN CASE WHEN ($1).seq IS NULL THEN false
	WHEN ($2).writer OPERATOR(pg_catalog.=) ($1).worker THEN ($2).seq OPERATOR(pg_catalog.<=) ($1).seq
	ELSE pg_catalog.pg_visible_in_snapshot(($2).writer, ($1).snapshot) END;
COMMENT ON FUNCTION syncup.has_seen(syncup.consumer, syncup.flag) IS 'Whether a consumer has worked on a flag.';

CREATE FUNCTION syncup.begin_seeing(consumer text, targets regclass[])
RETURNS boolean
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	known boolean;
BEGIN
	DELETE FROM syncup.consumer c WHERE c.consumer = consumer AND c.target <> ALL (targets);
	INSERT INTO syncup.consumer AS c (consumer, target)
	SELECT DISTINCT consumer, t FROM unnest(targets) t ORDER BY t
	ON CONFLICT DO NOTHING;
	-- one at a time; what another one has seen is then seen here
	PERFORM FROM syncup.consumer c WHERE c.consumer = consumer ORDER BY c.target FOR UPDATE;
	UPDATE syncup.consumer c
	SET begun_seq = (SELECT coalesce(max(f.seq), 0) FROM syncup.flag f WHERE f.target = c.target),
		begun_snapshot = pg_current_snapshot(), begun_by = pg_current_xact_id()
	WHERE c.consumer = consumer;
	SELECT bool_and(c.seq IS NOT NULL AND NOT EXISTS (
		SELECT FROM syncup.flag f WHERE f.target = c.target AND f.key IS NULL AND NOT syncup.has_seen(c, f)))
	INTO known FROM syncup.consumer c WHERE c.consumer = consumer;
	RETURN coalesce(known, false);
END
$$;
COMMENT ON FUNCTION syncup.begin_seeing(text, regclass[]) IS
'Begins the work of a consumer, who reads these tables and no others. True: all that is new to it stands in syncup.unseen(); false: it has to look at every row.';

CREATE FUNCTION syncup.unseen(consumer text, target regclass)
RETURNS TABLE (key text, deleted boolean)
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT f.key, (array_agg(f.deleted ORDER BY f.seq DESC))[1]
	FROM syncup.consumer c JOIN syncup.flag f USING (target)
	WHERE c.consumer = $1 AND c.target = $2 AND f.key IS NOT NULL AND NOT syncup.has_seen(c, f)
	GROUP BY f.key
$$;
COMMENT ON FUNCTION syncup.unseen(text, regclass) IS
'The keys of the rows that have changed since a consumer has looked at them, and whether they were deleted last.';

CREATE FUNCTION syncup.forget_flags(target regclass)
RETURNS void
LANGUAGE sql
SET search_path = pg_catalog, pg_temp
AS $$
	-- by their place: a join of the two could be planned, by statistics of a moment, for few
	DELETE FROM syncup.flag WHERE ctid = ANY (ARRAY(
		SELECT f.ctid FROM syncup.flag f
		WHERE f.target = $1
			AND EXISTS (SELECT FROM syncup.consumer c WHERE c.target = f.target)
			AND NOT EXISTS (SELECT FROM syncup.consumer c WHERE c.target = f.target AND NOT syncup.has_seen(c, f))
		FOR UPDATE SKIP LOCKED))
$$;
COMMENT ON FUNCTION syncup.forget_flags(regclass) IS 'Removes the flags of a target that all consumers have seen.';

CREATE FUNCTION syncup.mark_seen(consumer text, target regclass DEFAULT NULL)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
DECLARE
	seen regclass;
	found_one boolean := false;
BEGIN
	FOR seen IN
		UPDATE syncup.consumer c
		SET seq = begun_seq, snapshot = begun_snapshot, worker = begun_by
		WHERE c.consumer = consumer AND (target IS NULL OR c.target = target) AND c.begun_by = pg_current_xact_id()
		RETURNING c.target
	LOOP
		found_one := true;
		PERFORM syncup.forget_flags(seen);
	END LOOP;
	IF NOT found_one THEN
		RAISE 'consumer "%" has not begun to look at flags in this transaction', consumer
			USING ERRCODE = 'object_not_in_prerequisite_state';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.mark_seen(text, regclass) IS
'A consumer is done, in the transaction of its work: it has seen what was flagged when it began; of one of its tables, or all.';

CREATE FUNCTION syncup.bound_flags(target regclass, most int DEFAULT 100000)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_variable
BEGIN
	IF EXISTS (SELECT FROM syncup.flag f WHERE f.target = target OFFSET most) THEN
		DELETE FROM syncup.flag WHERE ctid = ANY (ARRAY(SELECT f.ctid FROM syncup.flag f WHERE f.target = target FOR UPDATE SKIP LOCKED));
		INSERT INTO syncup.flag (target, reason) VALUES (target, 'synchronize');
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.bound_flags(regclass, int) IS
'Where so many flags of a table wait that nobody seems to look at them, one of the whole table takes their place.';

-- ---------- public ----------

CREATE FUNCTION syncup.flag(caller regrole, target regclass, key text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
SET intervalstyle = 'postgres'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
DECLARE
	columns name[];
	type text;
BEGIN
	IF target IS NULL OR key IS NULL THEN
		RAISE 'argument "%" must not be null', CASE WHEN target IS NULL THEN 'target' ELSE 'key' END
			USING ERRCODE = 'null_value_not_allowed';
	ELSIF NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = target) THEN
		RAISE 'relation with OID % does not exist', target::oid USING ERRCODE = 'undefined_table';
	ELSIF NOT (has_table_privilege(caller, target, 'INSERT, DELETE') OR has_any_column_privilege(caller, target, 'INSERT, UPDATE')) THEN
		RAISE 'permission denied for table %', target USING ERRCODE = 'insufficient_privilege',
			HINT = 'Rows are flagged by those who may write them.';
	END IF;
	columns := syncup.key_columns(target);
	-- of one column it is as the type writes it: whoever reads flags can rely on that
	SELECT format_type(a.atttypid, -1) INTO type FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
	WHERE a.attrelid = target AND a.attname = columns[1] AND t.typnamespace = 'pg_catalog'::regnamespace AND cardinality(columns) = 1;
	IF type IS NOT NULL THEN
		BEGIN
			EXECUTE format('SELECT concat(%L::%s)', key, type) INTO key;
		EXCEPTION WHEN data_exception THEN
			RAISE 'that is no key of %', target USING ERRCODE = 'invalid_parameter_value',
				DETAIL = format('Column "%s" is of type %s.', columns[1], type);
		END;
	END IF;
	PERFORM syncup.write_flags(target, ARRAY[key], 'manual');
END
$$;
COMMENT ON FUNCTION syncup.flag(regrole, regclass, text) IS 'What syncup_flag() does.';

CREATE FUNCTION syncup.write_flags(target regclass, keys text[], reason text)
RETURNS void
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF syncup.readers(target) = '{}' THEN
		PERFORM syncup.lock_flags(target, false);
	END IF;
	INSERT INTO syncup.flag (target, key, reason)
	SELECT r.relation, k.key, write_flags.reason
	FROM unnest(syncup.readers(target)) AS r (relation) CROSS JOIN unnest(keys) AS k (key);
END
$$;
COMMENT ON FUNCTION syncup.write_flags(regclass, text[], text) IS 'Flags rows of a table, where somebody reads it.';

CREATE FUNCTION syncup_flag(target regclass, key text)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_flag(regclass, text) IS
'Flags a row that was changed by hand, by its key, (a,b) where that has several columns: the next dirty runs of rules look at it. Nothing is written where no rule reads the table.';

CREATE FUNCTION syncup.set_recently_modified_flag(caller regrole)
RETURNS bigint
LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	result bigint;
BEGIN
	DELETE FROM syncup.flag f WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.target);
	DELETE FROM syncup.consumer f WHERE NOT EXISTS (SELECT FROM pg_class c WHERE c.oid = f.target);
	PERFORM syncup.forget_flags(t.target), syncup.bound_flags(t.target) FROM (SELECT DISTINCT f.target FROM syncup.flag f) t;
	SELECT count(DISTINCT (f.target, f.key)) INTO result FROM syncup.flag f
	WHERE NOT EXISTS (SELECT FROM syncup.consumer c WHERE c.target = f.target)
		OR EXISTS (SELECT FROM syncup.consumer c WHERE c.target = f.target AND NOT syncup.has_seen(c, f));
	RETURN result;
END
$$;
COMMENT ON FUNCTION syncup.set_recently_modified_flag(regrole) IS 'What syncup_set_recently_modified_flag() does.';

CREATE FUNCTION syncup_set_recently_modified_flag()
RETURNS bigint
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_set_recently_modified_flag() IS
'How many rows are flagged that some rule has not looked at since; forgets the flags that all have seen.';
