/*
 * synchronize.c
 *		From a queued batch to targets and previous: syncup_synchronize (SPEC 5).
 *
 * The story of a batch: build its changes, count them, check the thresholds;
 * then either leave them for a person to look at, or apply them, let previous
 * follow, and forget them.  All in one subtransaction: a failure leaves nothing
 * but its record.
 */
#include "synchronize/synchronize.h"

#include "access/xact.h"
#include "synchronize/apply.h"
#include "target/found_changes.h"
#include "synchronize/changes.h"
#include "commands/async.h"
#include "map/connector.h"
#include "synchronize/constraints.h"
#include "tool/crash_point.h"
#include "csv/csv_writer.h"
#include "store/delta.h"
#include "synchronize/drift.h"
#include "synchronize/flags.h"
#include "target/failure.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "tool/guard.h"
#include "target/handover.h"
#include "links/links.h"
#include "links/link_drift.h"
#include "tool/lock.h"
#include "map/mapping.h"
#include "config/progress.h"
#include "target/renames.h"
#include "links/resolve.h"
#include "store/spelling.h"
#include "tool/sql.h"
#include "storage/ipc.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(syncup_synchronize);

/* One batch under way. */
typedef struct BatchWork
{
	Connector  *connector;
	Batch	   *batch;
	const SynchronizeOptions *options;
	bool		blocked;
} BatchWork;

/* ---------- the steps ---------- */

/* Records what the changes of a mapping amount to. */
static void
count_changes(const pg_uuid_t *batch, const Mapping *mapping, const ChangeCounter *counter)
{
	own_sql("UPDATE syncup.batch_counter SET inserted = $3, updated = $4, deleted = $5, orphans = coalesce(orphans, 0), stored_before = $6"
			" WHERE batch = $1 AND mapping = $2",
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->name), SQL_INT8(counter->inserted),
					 SQL_INT8(counter->updated), SQL_INT8(counter->deleted),
					 SQL_INT8(counter->stored_before)));
}

/* Whether a bad row without a readable key keeps this mapping from deleting. */
static bool
deletions_suspended(const pg_uuid_t *batch, const Mapping *mapping)
{
	return own_sql("SELECT FROM syncup.batch_counter WHERE batch = $1 AND mapping = $2 AND deletions_suspended",
				   SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->name))) > 0;
}

/* Compares every row of the target of an entity type with the source. */
static void
build_complete(Mapping *mapping, const pg_uuid_t *batch, bool keep_missing,
			   ChangeCounter *counter)
{
	Drift	   *drift = drift_find(mapping, batch);

	changes_build(mapping, batch, drift->source, drift->target, drift->whole, keep_missing, counter);
	counter->stored_before = drift->stored >= 0 ? drift->stored : changes_count_target(mapping);
	drift_end(drift);
}

/* Adds the untouched links of each that the batch touches in another one. */
static void
add_related(LinkSet *set, const pg_uuid_t *batch, List *siblings)
{
	StringInfoData touched;
	TypedRows  *rows;

	initStringInfo(&touched);
	for (int i = 0; i < set->nparts; i++)
		appendStringInfo(&touched, "%sSELECT t1, t2 FROM %s WHERE deleted IS NOT NULL", i ? " UNION " : "",
						 set->parts[i].rows->name);
	rows = typed_rows_gather("syncup_touched", own_cursor(touched.data, SQL_NO_ARGS));
	for (int i = 0; i < set->nmembers && rows->count > 0; i++)
		link_set_add(set, i, resolve_related(set->members[i], batch, siblings, link_set_name(set)));
	typed_rows_forget(rows);
}

/*
 * Compares the links that can have changed, or every link of the target, with the
 * pairs: of all associations that fill the same rows together, with the first of
 * them.
 */
static void
build_links(Mapping *mapping, const pg_uuid_t *batch, bool complete)
{
	List	   *siblings = link_siblings(mapping);
	LinkSet    *set = link_set_begin(siblings);
	bool		together = set->nmembers > 1;
	bool		whole = complete;
	bool		keep_missing = false;
	LinkDrift  *drift = NULL;

	for (int i = 0; i < set->nmembers; i++)
	{
		whole |= see_others(set->members[i]) || has_other_spellings(set->members[i]);
		keep_missing |= deletions_suspended(batch, set->members[i]);
	}
	if (whole)
		drift = link_drift_find(siblings, batch);
	whole = whole && drift == NULL;
	for (int i = 0; i < set->nmembers; i++)
	{
		/* Whoever gave what nobody gives any more. */
		if (together && whole && !keep_missing)
			link_set_add(set, i, resolve_gone(set->members[i], batch, link_set_name(set)));
		if (drift != NULL)
			typed_rows_publish(drift->pairs[i]);
		link_set_add(set, i, resolve_pairs(set->members[i], batch, whole, drift ? drift->pairs[i] : NULL,
										   link_set_name(set), together));
		if (drift != NULL)
			typed_rows_forget(drift->pairs[i]);
	}
	if (together && !whole)
		add_related(set, batch, siblings);
	links_build(set, batch, drift, whole, keep_missing);
	set->counters[0].stored_before = drift != NULL ? drift->stored :
		whole ? links_count(mapping) : changes_carried_count(mapping);
	for (int i = 0; i < set->nmembers; i++)
	{
		count_changes(batch, set->members[i], &set->counters[i]);
		links_count_resources(set->members[i], batch, set->counters[i].deleted);
	}
	if (drift != NULL)
		link_drift_end(drift);
}

/* Whether any of these mappings takes part in the batch. */
static bool
take_part(const pg_uuid_t *batch, List *mappings)
{
	foreach_ptr(Mapping, mapping, mappings)
		if (!batch_took_no_part(batch, mapping))
			return true;
	return false;
}

/* Finds and stores what the batch changes in the target of a mapping. */
static void
build_mapping(BatchWork *work, Mapping *mapping)
{
	const pg_uuid_t *batch = &work->batch->id;
	bool		complete = strcmp(work->batch->mode, "incremental") != 0;
	bool		keep_missing = deletions_suspended(batch, mapping);
	ChangeCounter counter;

	if (mapping->association)
	{
		if (is_first_sibling(mapping))
			build_links(mapping, batch, complete && take_part(batch, link_siblings(mapping)));
		return;
	}
	/* Its target is not looked at. */
	complete = complete && !batch_took_no_part(batch, mapping);
	if (complete)
		build_complete(mapping, batch, keep_missing, &counter);
	else
	{
		changes_build(mapping, batch, typed_source(mapping, batch), NULL, false, keep_missing, &counter);
		counter.stored_before = changes_carried_count(mapping);
	}
	count_changes(batch, mapping, &counter);
}

/* The same of every mapping of a kind. */
static void
build_mappings(BatchWork *work, bool associations)
{
	foreach_mapping(mapping, work->connector)
		within_mapping(mapping)
		{
			if (mapping->association != associations)
				continue;
			progress_phase(PROGRESS_SYNCHRONIZE, PHASE_BUILDING, mapping);
			CRASH_POINT("building changes");
			build_mapping(work, mapping);
			CRASH_POINT("changes built");
		}
}

/* Finds and stores what the batch changes in every target. */
static void
build_changes(BatchWork *work)
{
	build_mappings(work, false);
	handover_settle(work->connector, &work->batch->id);
	renames_begin(work->connector, &work->batch->id);
	build_mappings(work, true);
	renames_end(work->connector);
	handover_forget(work->connector);
}

/* Writes the changes down where somebody will look at them. */
static void
save_changes(Connector *connector)
{
	foreach_mapping(mapping, connector)
		within_mapping(mapping)
			changes_save(mapping);
}

/* Asks the checks of the connector of the changes, which are stored for that. */
static void
run_checks(BatchWork *work)
{
	if (own_sql("SELECT FROM syncup.check_definition WHERE connector = $1 LIMIT 1",
				SQL_ARGS(SQL_TEXT(work->connector->name))) == 0)
		return;
	save_changes(work->connector);
	own_sql("SELECT syncup.run_checks($1)", SQL_ARGS(SQL_UUID(&work->batch->id)));
}

/*
 * Whether the batch exceeds a threshold; the limits are recorded with it, so
 * that its history stays true when they change.
 */
static bool
exceeds_thresholds(BatchWork *work)
{
	own_sql("UPDATE syncup.batch SET forced = $2, limits = (SELECT coalesce(jsonb_object_agg(of, counters), '{}')"
			" FROM (SELECT coalesce(mapping, '') AS of, jsonb_object_agg(counter, jsonb_build_array(maximum, max_percentage)) AS counters"
			" FROM syncup.threshold WHERE connector = $3 AND (maximum > 0 OR max_percentage > 0) GROUP BY mapping) AS limit_of)"
			" WHERE batch = $1",
			SQL_ARGS(SQL_UUID(&work->batch->id), SQL_BOOL(work->options->force),
					 SQL_TEXT(work->connector->name)));
	return own_sql("SELECT FROM syncup.threshold_check WHERE batch = $1 AND exceeded LIMIT 1",
				   SQL_ARGS(SQL_UUID(&work->batch->id))) > 0;
}

void
constraints_defer(void)
{
	caller_sql("SET CONSTRAINTS ALL DEFERRED", SQL_NO_ARGS);
}

void
constraints_check(void)
{
	caller_sql("SET CONSTRAINTS ALL IMMEDIATE", SQL_NO_ARGS);
	if (caller_sql("SELECT pg_catalog.string_agg(DISTINCT pg_catalog.format('%I.%I', n.nspname, c.conname), ', ')"
				   " FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace"
				   " WHERE c.condeferred AND pg_catalog.has_schema_privilege(n.oid, 'USAGE')", SQL_NO_ARGS) > 0 &&
		sql_text(0, 1) != NULL)
		caller_sql(psprintf("SET CONSTRAINTS %s DEFERRED", sql_text(0, 1)), SQL_NO_ARGS);
}

/*
 * Lets deferred constraints speak now, while a failure can still be recorded:
 * first those of each target, so that the failure names its mapping, then any
 * other.
 */
static void
check_deferred_constraints(Connector *connector)
{
	foreach_mapping(mapping, connector)
		within_mapping(mapping)
			if (caller_sql("SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', n.nspname, c.conname), ', ')"
						   " FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_namespace n ON n.oid = c.connamespace"
						   " WHERE c.conrelid = $1 AND c.condeferrable",
						   SQL_ARGS(SQL_OID(mapping->target))) > 0 && sql_text(0, 1) != NULL)
				caller_sql(psprintf("SET CONSTRAINTS %s IMMEDIATE", sql_text(0, 1)), SQL_NO_ARGS);
	constraints_check();
}

/* Whether a complete batch held all rows of every mapping that has any. */
static bool
all_complete(Connector *connector, const pg_uuid_t *batch)
{
	foreach_mapping(mapping, connector)
		if (batch_took_no_part(batch, mapping) && has_previous(mapping))
			return false;
	return true;
}

void
apply_batch(Connector *connector, Batch *batch, bool keep_changes)
{
	char	   *taken = keep_changes ? constraints_taken(&batch->id) : NULL;

	if (taken != NULL)
		ereport(NOTICE,
				(errmsg("the batch cannot be undone: constraints take rows along that its changes do not hold"),
				 errdetail("Taken along: %s.", taken)));
	/* What can be checked once the whole batch is written, is. */
	constraints_defer();
	apply_changes(connector, &batch->id, false);
	check_deferred_constraints(connector);
	if (strcmp(batch->mode, "initial") == 0)
		flags_write_initial(connector, &batch->id);
	else
		flags_write(connector, &batch->id, false, &batch->id);
	CRASH_POINT("flags written");
	foreach_mapping(mapping, connector)
		within_mapping(mapping)
		{
			if (keep_changes && !mapping->association)
				apply_remember(mapping, &batch->id);
			if (keep_changes)
				delta_keep_before(mapping, &batch->id);
			progress_phase(PROGRESS_SYNCHRONIZE, PHASE_PREVIOUS, mapping);
			delta_apply_to_previous(mapping, &batch->id, strcmp(batch->mode, "initial") == 0);
			if (mapping->association)
				orphans_apply(mapping, &batch->id);
			CRASH_POINT("previous written");
		}
	foreach_mapping(mapping, connector)
		changes_forget(mapping);
	batch_forget_rows(&batch->id, connector, keep_changes);
	CRASH_POINT("rows forgotten");
	batch_set_status(&batch->id, "applied");
	if (strcmp(batch->mode, "complete") == 0 && all_complete(connector, &batch->id))
		batch_complete_done(&batch->id);
}

/* Writes links straight into their target, which is empty. */
static void
load_links(Mapping *mapping, const pg_uuid_t *batch)
{
	LinkSet    *set = link_set_begin(link_siblings(mapping));

	for (int i = 0; i < set->nmembers; i++)
	{
		(void) see_others(set->members[i]);
		link_set_add(set, i, resolve_pairs(set->members[i], batch, true, NULL, link_set_name(set), false));
	}
	links_load(set);
	for (int i = 0; i < set->nmembers; i++)
		count_changes(batch, set->members[i], &set->counters[i]);
}

/* Writes the rows of one mapping straight into its target, which is empty. */
static void
load_mapping(BatchWork *work, Mapping *mapping)
{
	const pg_uuid_t *batch = &work->batch->id;
	ChangeCounter counter = {0};
	MappingScope scope;
	Writing    *writing;

	/* Links are written with those of the first association that fills the same rows. */
	if (mapping->association && !is_first_sibling(mapping))
		return;
	mapping_enter(&scope, mapping);
	progress_phase(PROGRESS_SYNCHRONIZE, PHASE_APPLYING, mapping);
	if (changes_target_has_rows(mapping))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%s is not empty any more", mapping->target_name),
				 errhint("Prepare a complete run instead.")));
	writing = mapping->state.tied ? NULL : writing_begin();
	if (mapping->association)
		load_links(mapping, batch);
	else
	{
		counter.inserted = apply_initial(mapping, batch);
		count_changes(batch, mapping, &counter);
	}
	if (writing != NULL)
		writing_end(writing);
	CRASH_POINT("target loaded");
	mapping_leave(&scope);
}

/* An initial batch: the rows, then the links between them. */
static void
load_initial(BatchWork *work)
{
	Connector  *connector = work->connector;
	bool		together = constraints_tie(connector);
	Writing    *writing;

	constraints_defer();
	writing = together ? writing_begin() : NULL;
	foreach_mapping(mapping, connector)
		if (!mapping->association)
			load_mapping(work, mapping);
	if (together)
		writing_end(writing);
	foreach_mapping(mapping, connector)
		if (mapping->association)
			load_mapping(work, mapping);
}

bool
keeps_changes(bool asked)
{
	return asked || syncup_keep_changes_for > 0;
}

bool
synchronize_batch(Connector *connector, Batch *batch, const SynchronizeOptions *options)
{
	BatchWork	work = {connector, batch, options, false};
	bool		initial = strcmp(batch->mode, "initial") == 0;
	bool		exceeded;

	foreach_mapping(mapping, connector)
	{
		/* What a batch that failed had at hand went with its subtransaction. */
		mapping->state = NO_STATE;
		config_check_target(mapping);
	}

	if (initial && !options->rehearse)
	{
		load_initial(&work);
		apply_batch(connector, batch, false);
		return false;
	}
	build_changes(&work);
	constraints_count(connector, &batch->id, false, &batch->id);
	if (!initial)
		run_checks(&work);
	exceeded = !initial && exceeds_thresholds(&work) && !options->force;
	CRASH_POINT("thresholds checked");
	if (exceeded || keeps_changes(options->keep_changes))
		save_changes(connector);
	if (exceeded)
		batch_set_blocked(&batch->id, options->keep_changes);
	else if (!options->rehearse)
		apply_batch(connector, batch, keeps_changes(options->keep_changes));
	return exceeded;
}

/* The same as a piece of guarded work. */
static void
synchronize_guarded(void *arg)
{
	BatchWork  *work = arg;

	work->blocked = synchronize_batch(work->connector, work->batch, work->options);
}

/* ---------- results ---------- */

BatchResult *
batch_result(const Batch *batch, TimestampTz started)
{
	BatchResult *result = palloc0(sizeof(BatchResult));

	own_sql("SELECT b.status, b.sqlstate, coalesce(sum(c.inserted) FILTER (WHERE c.kind = 'entity type'), 0)::bigint,"
			" coalesce(sum(c.updated) FILTER (WHERE c.kind = 'entity type'), 0)::bigint,"
			" coalesce(sum(c.deleted) FILTER (WHERE c.kind = 'entity type'), 0)::bigint,"
			" coalesce(sum(c.inserted) FILTER (WHERE c.kind = 'association'), 0)::bigint,"
			" coalesce(sum(c.deleted) FILTER (WHERE c.kind = 'association'), 0)::bigint,"
			" coalesce(sum(c.orphans), 0)::bigint,"
			" coalesce(sum(c.updated) FILTER (WHERE c.kind = 'association'), 0)::bigint,"
			" coalesce(sum(c.set_aside), 0)::bigint"
			" FROM syncup.batch b LEFT JOIN syncup.batch_counter c USING (batch) WHERE b.batch = $1 GROUP BY b.batch",
			SQL_ARGS(SQL_UUID(&batch->id)));
	result->batch = batch->id;
	result->mode = batch->mode;
	result->status = sql_text(0, 1);
	result->sqlstate = sql_text(0, 2);
	result->inserted = sql_int8(0, 3);
	result->updated = sql_int8(0, 4);
	result->deleted = sql_int8(0, 5);
	result->links_inserted = sql_int8(0, 6);
	result->links_deleted = sql_int8(0, 7);
	result->orphans = sql_int8(0, 8);
	result->links_updated = sql_int8(0, 9);
	result->set_aside = sql_int8(0, 10);
	result->started = started;
	result->ended = GetCurrentTimestamp();
	return result;
}

void
return_results(FunctionCallInfo fcinfo, const char *connector, List *results)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	foreach_ptr(BatchResult, result, results)
	{
		Datum		values[13];
		bool		nulls[13] = {false};

		values[0] = UUIDPGetDatum(&result->batch);
		values[1] = CStringGetTextDatum(connector);
		values[2] = CStringGetTextDatum(result->mode);
		values[3] = CStringGetTextDatum(result->status);
		values[4] = Int64GetDatum(result->inserted);
		values[5] = Int64GetDatum(result->updated);
		values[6] = Int64GetDatum(result->deleted);
		values[7] = Int64GetDatum(result->links_inserted);
		values[8] = Int64GetDatum(result->links_deleted);
		values[9] = Int64GetDatum(result->orphans);
		values[10] = DirectFunctionCall2(timestamp_mi, TimestampTzGetDatum(result->ended),
										 TimestampTzGetDatum(result->started));
		values[11] = Int64GetDatum(result->links_updated);
		values[12] = Int64GetDatum(result->set_aside);
		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
}

/* ---------- the queue ---------- */

void
announce_alarms(const char *connector, const pg_uuid_t *batch)
{
	/* One that stood before this batch has begun before it. */
	uint64		count = own_sql("SELECT jsonb_build_object('event', a.what, 'connector', a.connector, 'batch', a.batch, 'mode', b.mode)::text"
								" FROM syncup.alarm a JOIN syncup.batch b USING (batch)"
								" WHERE a.connector = $1 AND a.batch = $2 AND a.since = b.synchronized_at",
								SQL_ARGS(SQL_TEXT(connector), SQL_UUID(batch)));

	for (uint64 row = 0; row < count; row++)
		Async_Notify("syncup", sql_text(row, 1));
}

/* Says once in the server's log that a batch blocks, under a code that does not change. */
static void
log_block(const Connector *connector, const Batch *batch)
{
	char	   *id = batch_text(&batch->id);

	own_sql("SELECT syncup.what_exceeds($1)", SQL_ARGS(SQL_UUID(&batch->id)));
	ereport(LOG_SERVER_ONLY,
			(errmsg("SYNCUP-BLOCKED: batch %s of connector \"%s\" is blocked: %s",
					id, connector->name, sql_text(0, 1)),
			 errhidestmt(true), errhidecontext(true)));
}

/* Says what is new: to whoever listens on channel syncup; a block in the log as well. */
static void
announce(const Connector *connector, const Batch *batch, const BatchResult *result)
{
	bool		applied = strcmp(result->status, "applied") == 0;

	if (strcmp(result->status, batch->status) == 0 || (applied && result->set_aside == 0))
		return;
	announce_alarms(connector->name, &batch->id);
	if (strcmp(result->status, "blocked") == 0)
		log_block(connector, batch);
}

/* Removes kept changes that are older than syncup.keep_changes_for. */
static void
drop_old_changes(Connector *connector)
{
	uint64		count;
	pg_uuid_t **old;

	if (syncup_keep_changes_for == 0)
		return;
	count = own_sql("UPDATE syncup.batch SET changes_kept = false WHERE connector = $1 AND changes_kept"
					" AND status IN ('applied', 'undone') AND synchronized_at < now() - make_interval(secs => $2)"
					" RETURNING batch",
					SQL_ARGS(SQL_TEXT(connector->name), SQL_DATUM(FLOAT8OID, Float8GetDatum(syncup_keep_changes_for))));
	old = palloc(sizeof(pg_uuid_t *) * (count + 1));
	for (uint64 i = 0; i < count; i++)
		old[i] = sql_uuid(i, 1);
	for (uint64 i = 0; i < count; i++)
		batch_forget_rows(old[i], connector, false);
}

List *
synchronize_queue(Connector *connector, const SynchronizeOptions *options)
{
	List	   *results = NIL;
	List	   *queue = batch_queue(connector->name);
	ConnectorWork at_work;

	work_begin(&at_work, connector->name);
	foreach_ptr(Batch, batch, queue)
	{
		BatchWork	work = {connector, batch, options, false};
		TimestampTz started = GetCurrentTimestamp();
		ErrorData  *error = NULL;

		if (strcmp(work.batch->status, "blocked") == 0)
			work.blocked = true;
		else
			error = guarded(synchronize_guarded, &work);
		if (error != NULL)
			batch_set_failed(&work.batch->id, error, failure_message(connector, error));
		results = lappend(results, batch_result(work.batch, started));
		announce(connector, work.batch, llast(results));
		if (error != NULL || work.blocked)
			break;
	}
	drop_old_changes(connector);
	CRASH_POINT("queue done");
	work_end(&at_work);
	progress_end();
	return results;
}

/* ---------- orphans in a file ---------- */

/* Writes one orphan: its association and the two values. */
static void
write_orphan(void *arg, uint64 row)
{
	for (int i = 1; i <= 3; i++)
		csv_writer_text(arg, sql_text(row, i));
	csv_writer_end_row(arg);
}

/* Writes all orphans of a connector, under a header. */
static void
write_orphans(const Connector *connector, CsvWriter *writer)
{
	csv_writer_text(writer, "mapping");
	csv_writer_text(writer, "value1");
	csv_writer_text(writer, "value2");
	csv_writer_end_row(writer);
	sql_for_each(own_cursor("SELECT mapping, value1, value2 FROM syncup.orphan WHERE connector = $1"
							" ORDER BY mapping COLLATE \"C\", value1, value2",
							SQL_ARGS(SQL_TEXT(connector->name))),
				 write_orphan, writer);
}

/*
 * Synchronizes, and then writes the connector's orphans to a file.  Whether that
 * may be written is seen first.
 */
static List *
synchronize_with_orphans(Connector *connector, const SynchronizeOptions *options, char *path)
{
	char	   *name = last_dir_separator(path);
	CsvWriter  *writer;
	List	   *results;

	canonicalize_path(path);
	if (!is_absolute_path(path) || name == NULL || name[1] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be the absolute path of a file", "orphans"),
				 errhint("The server writes the file: give the path there.")));
	name = pstrdup(last_dir_separator(path) + 1);
	get_parent_directory(path);
	writer = csv_writer_open(path);
	PG_ENSURE_ERROR_CLEANUP(csv_writer_abandon, PointerGetDatum(writer));
	{
		results = synchronize_queue(connector, options);
		csv_writer_begin(writer, name);
		write_orphans(connector, writer);
		csv_writer_publish(writer);
	}
	PG_END_ENSURE_ERROR_CLEANUP(csv_writer_abandon, PointerGetDatum(writer));
	return results;
}

/*
 * syncup_synchronize(connector text, force boolean, keep_changes boolean,
 * orphans text) returns setof syncup.result (SPEC 5).
 */
Datum
syncup_synchronize(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "connector");
	SynchronizeOptions options = {0};
	List	   *results;

	options.force = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	options.keep_changes = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	lock_connector(name);
	if (PG_ARGISNULL(3))
		results = synchronize_queue(config_load(name), &options);
	else
		results = synchronize_with_orphans(config_load(name), &options,
										   text_to_cstring(PG_GETARG_TEXT_PP(3)));
	return_results(fcinfo, name, results);
	SPI_finish();
	return (Datum) 0;
}
