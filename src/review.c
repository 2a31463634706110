/*
 * review.c
 *		What people decide about a batch: syncup_resume, syncup_discard.
 */
#include "syncup.h"

#include "apply.h"
#include "batch.h"
#include "changes.h"
#include "config.h"
#include "funcapi.h"
#include "guard.h"
#include "lock.h"
#include "sql.h"
#include "synchronize.h"

PG_FUNCTION_INFO_V1(syncup_resume);
PG_FUNCTION_INFO_V1(syncup_discard);

/* Loads a batch, locks its connector, and loads it again as it then is. */
static Batch *
lock_batch(const pg_uuid_t *id, Connector **connector)
{
	Batch	   *batch = batch_load(id);

	lock_connector(batch->connector);
	*connector = config_load(batch->connector);
	return batch_load(id);
}

/* ---------- resume ---------- */

typedef struct ResumeWork
{
	Connector  *connector;
	Batch	   *batch;
} ResumeWork;

/* Applies the stored changes of a blocked batch. */
static void
resume_batch(void *arg)
{
	ResumeWork *work = arg;

	for (int i = 0; i < work->connector->nmappings; i++)
		config_check_target(&work->connector->mappings[i]);
	apply_batch(work->connector, work->batch, false);
}

/*
 * syncup_resume(batch uuid, force boolean) returns setof syncup.result
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

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "batch")));
	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	work.batch = lock_batch(PG_GETARG_UUID_P(0), &work.connector);
	if (strcmp(work.batch->status, "blocked") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s is not blocked but %s", batch_text(&work.batch->id),
						work.batch->status),
				 errhint("Only blocked batches are resumed.")));

	batch_record_decision(&work.batch->id, "resume", NULL);
	error = guarded(resume_batch, &work);
	if (error != NULL)
		batch_set_failed(&work.batch->id, error, failure_message(error));
	results = list_make1(batch_result(work.batch, started));
	if (error == NULL)
		results = list_concat(results, synchronize_queue(work.connector, &options));
	return_results(fcinfo, work.connector->name, results);
	SPI_finish();
	return (Datum) 0;
}

/* ---------- discard ---------- */

/*
 * syncup_discard(batch uuid, reason text) (SPEC 2.2): with those queued behind
 * it, since they were computed on top of it.
 */
Datum
syncup_discard(PG_FUNCTION_ARGS)
{
	char	   *reason = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Connector  *connector;
	Batch	   *batch;
	List	   *queue;
	ListCell   *cell;
	bool		found = false;
	bool		lost_changes = false;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "batch")));
	SPI_connect();
	batch = lock_batch(PG_GETARG_UUID_P(0), &connector);
	queue = batch_queue(connector->name);
	foreach(cell, queue)
	{
		Batch	   *waiting = lfirst(cell);

		if (memcmp(&waiting->id, &batch->id, sizeof(pg_uuid_t)) == 0)
			found = true;
		if (!found)
			continue;
		lost_changes |= waiting->source_changes;
		batch_record_decision(&waiting->id, "discard", reason);
		batch_set_status(&waiting->id, "discarded");
		batch_forget_rows(&waiting->id, connector, false);
	}
	if (!found)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s does not wait: it is %s", batch_text(&batch->id), batch->status),
				 errhint("Only prepared, blocked or failed batches can be discarded.")));
	if (lost_changes)
		own_sql("UPDATE syncup.connector SET needs_complete = true WHERE connector = $1",
				SQL_ARGS(SQL_TEXT(connector->name)));
	SPI_finish();
	PG_RETURN_VOID();
}
