/*
 * review.c
 *		What people decide about a batch: syncup_resume, syncup_discard,
 *		syncup_undo.
 */
#include "syncup.h"

#include "synchronize/apply.h"
#include "store/batch.h"
#include "target/found_changes.h"
#include "synchronize/changes.h"
#include "config/config.h"
#include "synchronize/flags.h"
#include "map/connector.h"
#include "synchronize/constraints.h"
#include "tool/crash_point.h"
#include "store/delta.h"
#include "target/failure.h"
#include "funcapi.h"
#include "tool/guard.h"
#include "target/handover.h"
#include "links/links.h"
#include "tool/lock.h"
#include "target/renames.h"
#include "links/resolve.h"
#include "tool/sql.h"
#include "synchronize/synchronize.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(syncup_resume);
PG_FUNCTION_INFO_V1(syncup_discard);
PG_FUNCTION_INFO_V1(syncup_undo);

/* Loads a batch, locks its connector, and loads it again as it then is. */
static Batch *
lock_batch(const pg_uuid_t *id, Connector **connector)
{
	Batch	   *batch = batch_load(id);

	lock_connector(batch->connector);
	*connector = config_load(batch->connector);
	return batch_load(id);
}

/* The batch that is named: by its uuid, or in a text, as syncup.batch_named() understands it. */
static const pg_uuid_t *
batch_argument(FunctionCallInfo fcinfo)
{
	Oid		   *types;
	int			count;

	required_argument(fcinfo, 0, "batch");
	(void) get_func_signature(fcinfo->flinfo->fn_oid, &types, &count);
	if (types[0] == UUIDOID)
		return PG_GETARG_UUID_P(0);
	own_sql("SELECT syncup.batch_named($1)", SQL_ARGS(SQL_DATUM(TEXTOID, PG_GETARG_DATUM(0))));
	return sql_uuid(0, 1);
}

/* Errors about rows that are not as changes say; their keys go to the client only. */
static void
refuse_stale(const Batch *batch, const char *what, const Mapping *mapping, int64 count,
			 const char *keys, const char *hint)
{
	ereport(ERROR,
			(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
			 errmsg_plural("batch %s cannot be %s: %lld row of mapping \"%s\" was changed by somebody else since",
						   "batch %s cannot be %s: %lld rows of mapping \"%s\" were changed by somebody else since",
						   count, batch_text(&batch->id), what, (long long) count, mapping->name),
			 errdetail("Keys: %s%s.", keys, count > MAX_NAMED_ROWS ? ", ..." : ""),
			 errdetail_log("Their keys were sent to the client."),
			 errhint("%s", hint)));
}

/* ---------- resume ---------- */

typedef struct ResumeWork
{
	Connector  *connector;
	Batch	   *batch;
	bool		force;
} ResumeWork;

/* Drops stored changes that are done already; errors about those overtaken. */
static void
review_changes(Batch *batch, Mapping *mapping, bool back, const char *what, const char *hint)
{
	StringInfoData keys;
	int64		stale;

	initStringInfo(&keys);
	stale = apply_review(mapping, &batch->id, back, &keys);
	if (stale > 0)
		refuse_stale(batch, what, mapping, stale, keys.data, hint);
}

/* Errors if constraints would do something else now than was reviewed. */
static void
review_cascades(Connector *connector, const Batch *batch)
{
	char	   *reviewed = constraints_taken(&batch->id);
	char	   *now;

	constraints_count(connector, &batch->id, false, &batch->id);
	now = constraints_taken(&batch->id);
	if (now != NULL && (reviewed == NULL || strcmp(reviewed, now) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("batch %s cannot be resumed: constraints would take along other rows than were reviewed",
						batch_text(&batch->id)),
				 errdetail("Taken along now: %s.", now),
				 errdetail_log("Taken along now: %s.", now),
				 errhint("Look at the rows; then call syncup_resume() with force => true, syncup_discard(), or run a complete synchronization.")));
}

/* Sees that the targets are as the changes of a blocked batch say. */
static void
review_batch(void *arg)
{
	ResumeWork *work = arg;

	foreach_mapping(mapping, work->connector)
		review_changes(work->batch, mapping, false, "resumed",
					   "Look at the rows; then call syncup_resume() with force => true to apply the reviewed values all the same, syncup_discard(), or run a complete synchronization.");
	review_cascades(work->connector, work->batch);
}

/* Has the reviewed links of all that fill the same rows written, with the first of them. */
static void
force_links(Mapping *mapping, const pg_uuid_t *batch)
{
	LinkSet    *set;

	if (!is_first_sibling(mapping))
		return;
	set = link_set_begin(link_siblings(mapping));
	for (int i = 0; i < set->nmembers; i++)
		link_set_add(set, i, links_reviewed(set->members[i], batch, link_set_name(set)));
	links_build(set, batch, NULL, false, false);
}

/* Finds the reviewed changes of every mapping of a kind anew: what was reviewed is to be, whatever the rows are now. */
static void
force_changes(Connector *connector, const pg_uuid_t *batch, bool associations)
{
	ChangeCounter counter;

	foreach_mapping(mapping, connector)
		within_mapping(mapping)
			if (mapping->association && associations)
				force_links(mapping, batch);
			else if (!mapping->association && !associations)
				changes_build(mapping, batch, typed_reviewed(mapping, batch), NULL, false, false, &counter);
}

/* Applies the stored changes of a blocked batch. */
static void
resume_batch(void *arg)
{
	ResumeWork *work = arg;
	Batch	   *batch = work->batch;

	if (work->force)
	{
		force_changes(work->connector, &batch->id, false);
		handover_settle(work->connector, &batch->id);
		renames_begin(work->connector, &batch->id);
		force_changes(work->connector, &batch->id, true);
		renames_end(work->connector);
		handover_forget(work->connector);
	}
	foreach_mapping(mapping, work->connector)
		within_mapping(mapping)
		{
			changes_save(mapping);
			count_stored_changes(&batch->id, mapping);
		}
	if (work->force)
		constraints_count(work->connector, &batch->id, false, &batch->id);
	apply_batch(work->connector, batch, keeps_changes(batch->changes_kept));
}

/*
 * syncup_resume(batch uuid or text, force boolean) returns setof syncup.result
 * (SPEC 2.2): thresholds are waived for this batch alone.
 */
Datum
syncup_resume(PG_FUNCTION_ARGS)
{
	ResumeWork	work;
	SynchronizeOptions options = {0};
	TimestampTz started = GetCurrentTimestamp();
	ErrorData  *error;
	List	   *results;
	ConnectorWork at_work;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	work.batch = lock_batch(batch_argument(fcinfo), &work.connector);
	if (strcmp(work.batch->status, "blocked") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s is not blocked but %s", batch_text(&work.batch->id),
						work.batch->status),
				 errhint("Only blocked batches are resumed.")));

	work.force = !PG_ARGISNULL(1) && PG_GETARG_BOOL(1);
	work_begin(&at_work, work.connector->name);
	foreach_mapping(mapping, work.connector)
		config_check_target(mapping);
	error = work.force ? NULL : guarded(review_batch, &work);
	if (error != NULL)
		raise_failure(work.connector, error,
					  psprintf("batch %s cannot be resumed", batch_text(&work.batch->id)));
	CRASH_POINT("resume reviewed");
	batch_record_decision(&work.batch->id, "resume", NULL);
	error = guarded(resume_batch, &work);
	CRASH_POINT("batch resumed");
	if (error != NULL)
		batch_set_failed(&work.batch->id, error, failure_message(work.connector, error));
	work_end(&at_work);
	results = list_make1(batch_result(work.batch, started));
	announce_alarms(work.connector->name, &work.batch->id);
	if (error == NULL)
		results = list_concat(results, synchronize_queue(work.connector, &options));
	return_results(fcinfo, work.connector->name, results);
	SPI_finish();
	return (Datum) 0;
}

/* ---------- discard ---------- */

/*
 * syncup_discard(batch uuid or text, reason text) (SPEC 2.2): with those queued
 * behind it, since they were computed on top of it.
 */
Datum
syncup_discard(PG_FUNCTION_ARGS)
{
	char	   *reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Connector  *connector;
	Batch	   *batch;
	List	   *queue;
	bool		found = false;
	bool		lost_changes = false;

	SPI_connect();
	batch = lock_batch(batch_argument(fcinfo), &connector);
	queue = batch_queue(connector->name);
	foreach_ptr(Batch, waiting, queue)
	{
		if (memcmp(&waiting->id, &batch->id, sizeof(pg_uuid_t)) == 0)
			found = true;
		if (!found)
			continue;
		lost_changes |= waiting->source_changes;
		batch_record_decision(&waiting->id, "discard", reason);
		batch_set_status(&waiting->id, "discarded");
		batch_forget_rows(&waiting->id, connector, false);
		CRASH_POINT("batch discarded");
	}
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s does not wait: it is %s", batch_text(&batch->id), batch->status),
				 strcmp(batch->status, "failed") == 0
				 ? errhint("It failed before it was prepared; there is nothing to discard.")
				 : errhint("Only prepared, blocked or failed batches can be discarded.")));
	if (lost_changes)
		batch_ask_for_complete(connector->name);
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---------- undo ---------- */

/* Errors unless the batch can be undone at all. */
static void
check_undoable(const Batch *batch, const Connector *connector)
{
	List	   *queue = batch_queue(connector->name);

	if (strcmp(batch->status, "applied") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s is not applied but %s", batch_text(&batch->id), batch->status),
				 errhint("Only applied batches are undone.")));
	if (!batch->changes_kept)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the changes of batch %s were not kept", batch_text(&batch->id)),
				 errhint("Changes are kept by keep_changes => true, or by the setting \"syncup.keep_changes_for\".")));
	if (constraints_taken(&batch->id) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s cannot be undone: constraints took rows along that its changes do not hold",
						batch_text(&batch->id)),
				 errdetail("Taken along: %s.", constraints_taken(&batch->id)),
				 errhint("Bring these rows back from a backup; then a complete run with the former files does the rest.")));
	if (queue != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("connector \"%s\" has a batch that waits: %s", connector->name,
						batch_text(&((Batch *) linitial(queue))->id)),
				 errdetail("It was computed on top of the batch to be undone."),
				 errhint("Decline it with syncup_discard() first.")));
}

/* Which batches have changed rows of the mapping since, the newest first; at most five. */
static char *
applied_since(const Batch *batch, const Mapping *mapping)
{
	own_sql("SELECT string_agg(s.batch::text, ', ' ORDER BY s.seq DESC) FROM ("
			"SELECT b.batch, b.seq FROM syncup.batch b JOIN syncup.batch_counter c USING (batch)"
			" JOIN syncup.batch o ON o.batch = $1"
			" WHERE b.connector = o.connector AND b.seq > o.seq AND b.status = 'applied' AND c.mapping = $2"
			" AND c.delta_inserted + c.delta_updated + c.delta_deleted > 0 ORDER BY b.seq DESC LIMIT 5) AS s",
			SQL_ARGS(SQL_UUID(&batch->id), SQL_TEXT(mapping->name)));
	return sql_text(0, 1);
}

/* Errors where previous is not as the batch left it. */
static void
check_previous(const Batch *batch, const Mapping *mapping)
{
	char	   *since;
	StringInfoData keys;
	int64		count;

	initStringInfo(&keys);
	count = delta_changed_since(mapping, &batch->id, &keys, MAX_NAMED_ROWS);
	if (count == 0)
		return;
	since = applied_since(batch, mapping);
	refuse_stale(batch, "undone", mapping, count, keys.data,
				 since ? psprintf("Undo first, in this order, what was applied since: %s.", since) :
				 "Later batches changed them: undo those first.");
}

/*
 * Writes everything back that the batch has written, in the reverse order of
 * apply_batch(), so that constraints hold at every step as they held then.
 */
static void
take_back(Connector *connector, const pg_uuid_t *batch)
{
	apply_changes(connector, batch, true);
	foreach_mapping(mapping, connector)
	{
		delta_take_back(mapping, batch);
		if (mapping->association)
			orphans_take_back(mapping, batch);
	}
}

/* Records the undoing as a batch of its own. */
static pg_uuid_t *
record_undo(const Connector *connector, const Batch *undone)
{
	pg_uuid_t  *id = batch_create(connector->name, "undo");

	foreach_mapping(mapping, connector)
	{
		own_sql("INSERT INTO syncup.batch_counter (batch, mapping, kind, inserted, updated, deleted, orphans, stored_before)"
				" SELECT $1, mapping, kind, deleted, updated, inserted, 0, $4 FROM syncup.batch_counter"
				" WHERE batch = $2 AND mapping = $3",
				SQL_ARGS(SQL_UUID(id), SQL_UUID(&undone->id), SQL_TEXT(mapping->name),
						 SQL_INT8(changes_carried_count(mapping))));
	}
	batch_set_status(id, "applied");
	own_sql("UPDATE syncup.batch SET reason = format('undoes batch %s', $2) WHERE batch = $1",
			SQL_ARGS(SQL_UUID(id), SQL_UUID(&undone->id)));
	return id;
}

typedef struct UndoWork
{
	Connector  *connector;
	Batch	   *batch;
	pg_uuid_t	id;				/* of what undoes it */
} UndoWork;

/* Takes a batch back, as a batch of its own. */
static void
undo_batch(void *arg)
{
	UndoWork   *work = arg;

	foreach_mapping(mapping, work->connector)
		review_changes(work->batch, mapping, true, "undone",
					   "Look at the rows; what the batch has changed is in syncup_changes().");
	CRASH_POINT("undo reviewed");
	work->id = *record_undo(work->connector, work->batch);
	constraints_count(work->connector, &work->batch->id, true, &work->id);
	if (constraints_taken(&work->id) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s cannot be undone: constraints would take along rows that refer to those it inserted",
						batch_text(&work->batch->id)),
				 errdetail("Taken along: %s.", constraints_taken(&work->id)),
				 errdetail_log("Taken along: %s.", constraints_taken(&work->id)),
				 errhint("Delete these rows, or let them refer to others.")));
	constraints_defer();
	take_back(work->connector, &work->batch->id);
	flags_write(work->connector, &work->batch->id, true, &work->id);
	CRASH_POINT("changes taken back");
	constraints_check();
}

/*
 * syncup_undo(batch uuid) returns uuid (SPEC 2.2): takes an applied batch back,
 * targets and previous, as a batch of its own.  Errors with 40001, naming rows,
 * where one was changed since.
 */
Datum
syncup_undo(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));
	UndoWork	work;
	Connector  *connector;
	Batch	   *batch;
	ErrorData  *error;
	ConnectorWork at_work;

	SPI_connect();
	work.batch = batch = lock_batch(PG_GETARG_UUID_P(0), &work.connector);
	connector = work.connector;
	check_undoable(batch, connector);
	foreach_mapping(mapping, connector)
	{
		config_check_target(mapping);
		check_previous(batch, mapping);
	}
	work_begin(&at_work, connector->name);
	error = guarded(undo_batch, &work);
	work_end(&at_work);
	if (error != NULL)
		raise_failure(connector, error,
					  psprintf("batch %s cannot be undone", batch_text(&batch->id)));
	*result = work.id;
	own_sql("UPDATE syncup.batch_counter c SET orphans = (SELECT count(*) FROM syncup.orphan o"
			" WHERE o.connector = $2 AND o.mapping = c.mapping) WHERE c.batch = $1",
			SQL_ARGS(SQL_UUID(result), SQL_TEXT(connector->name)));
	batch_record_decision(&batch->id, "undo", NULL);
	own_sql("UPDATE syncup.batch SET status = 'undone', changes_kept = false WHERE batch = $1",
			SQL_ARGS(SQL_UUID(&batch->id)));
	batch_forget_rows(&batch->id, connector, false);
	if (batch->source_changes)
		batch_ask_for_complete(connector->name);
	CRASH_POINT("batch undone");
	SPI_finish();
	PG_RETURN_UUID_P(result);
}
