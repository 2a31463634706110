/*
 * preview.c
 *		What a run would do, leaving no trace: syncup_preview.
 *
 * The very functions of a run do the work, in a subtransaction that is rolled
 * back; only the answer is carried out of it.
 */
#include "syncup.h"

#include "store/batch.h"
#include "config/config.h"
#include "map/connector.h"
#include "funcapi.h"
#include "tool/guard.h"
#include "tool/lock.h"
#include "prepare/prepare.h"
#include "tool/sql.h"
#include "synchronize/synchronize.h"

PG_FUNCTION_INFO_V1(syncup_preview);

typedef struct PreviewWork
{
	char	   *connector;
	char	   *mode;
	ReturnSetInfo *result;
} PreviewWork;

/* Carries the checks of a batch out of the subtransaction. */
static void
return_checks(PreviewWork *work, const pg_uuid_t *batch)
{
	uint64		count = own_sql("SELECT (t).* FROM (SELECT t FROM syncup.threshold_check t WHERE t.batch = $1"
								" ORDER BY t.mapping NULLS FIRST, t.counter) x",
								SQL_ARGS(SQL_UUID(batch)));
	int			natts = work->result->setDesc->natts;
	Datum	   *values = palloc(sizeof(Datum) * natts);
	bool	   *nulls = palloc(sizeof(bool) * natts);

	for (uint64 row = 0; row < count; row++)
	{
		for (int i = 0; i < natts; i++)
			values[i] = sql_datum(row, i + 1, &nulls[i]);
		nulls[0] = true;		/* no batch of that name will remain */
		tuplestore_putvalues(work->result->setResult, work->result->setDesc, values, nulls);
	}
}

/* One batch of the queue, and whether it blocks. */
typedef struct QueuedBatch
{
	Connector  *connector;
	Batch	   *batch;
	const SynchronizeOptions *options;
	bool		blocked;
} QueuedBatch;

static void
synchronize_queued(void *arg)
{
	QueuedBatch *queued = arg;

	queued->blocked = synchronize_batch(queued->connector, queued->batch, queued->options);
}

/*
 * Takes a batch as far as a run would; whether it blocks.  Its failure is told
 * without the values that a constraint's error quotes.
 */
static bool
preview_batch(Connector *connector, Batch *batch, const SynchronizeOptions *options)
{
	QueuedBatch queued = {connector, batch, options, false};
	ConnectorWork at_work;
	ErrorData  *error;

	work_begin(&at_work, connector->name);
	error = guarded(synchronize_queued, &queued);
	work_end(&at_work);
	if (error != NULL)
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("batch %s of connector \"%s\" would fail", batch_text(&batch->id), connector->name),
				 errhint("syncup_synchronize() records the reason in column \"error\" of syncup.batch.")));
	return queued.blocked;
}

/* Prepares and goes through the queue, up to where a run would end. */
static void
preview_run(void *arg)
{
	PreviewWork *work = arg;
	pg_uuid_t  *id = prepare(work->connector, work->mode, NULL);
	Connector  *connector = config_load(work->connector);
	SynchronizeOptions options = {0};
	List	   *queue = batch_queue(work->connector);

	foreach_ptr(Batch, batch, queue)
	{
		bool		ours = memcmp(&batch->id, id, sizeof(pg_uuid_t)) == 0;

		options.rehearse = ours;
		if (preview_batch(connector, batch, &options) || ours)
		{
			return_checks(work, &batch->id);
			return;
		}
	}
}

/*
 * syncup_preview(connector text, mode text) returns setof
 * syncup.threshold_check (SPEC 2.2); column batch is null.  Where a batch that
 * waits would block first, its checks are returned.
 */
Datum
syncup_preview(PG_FUNCTION_ARGS)
{
	PreviewWork work;

	work.connector = required_text(fcinfo, 0, "connector");
	work.mode = required_text(fcinfo, 1, "mode");
	InitMaterializedSRF(fcinfo, 0);
	work.result = (ReturnSetInfo *) fcinfo->resultinfo;
	SPI_connect();
	rehearse(preview_run, &work);
	SPI_finish();
	return (Datum) 0;
}
