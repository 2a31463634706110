/*
 * run.c
 *		CALL syncup_run: prepare, commit, synchronize, commit (SPEC 2.2).
 *
 * A failure is recorded in a transaction of its own before it is raised.  A
 * failed batch is raised without its values: those stand in syncup.batch,
 * not in the server's log.
 */
#include "syncup.h"

#include "store/batch.h"
#include "map/connector.h"
#include "tool/crash_point.h"
#include "tool/guard.h"
#include "lib/stringinfo.h"
#include "tool/lock.h"
#include "prepare/prepare.h"
#include "tool/sql.h"
#include "synchronize/synchronize.h"

PG_FUNCTION_INFO_V1(syncup_run);

typedef struct RunWork
{
	char	   *connector;
	char	   *mode;
	pg_uuid_t	batch;
} RunWork;

static void
prepare_run(void *arg)
{
	RunWork    *work = arg;

	work->batch = *prepare(work->connector, work->mode, NULL);
}

/* Commits, and pins the settings of the next transaction. */
static void
commit(int *level)
{
	SPI_commit();
	*level = settings_pin(NULL);
}

/* Records a prepare that failed, then raises its error. */
static void
raise_failed_prepare(RunWork *work, ErrorData *error, int *level)
{
	/* A standby records none. */
	if (error->sqlerrcode != ERRCODE_READ_ONLY_SQL_TRANSACTION)
	{
		pg_uuid_t  *batch = batch_record_failed_prepare(work->connector, work->mode, error);

		if (batch != NULL)
			announce_alarms(work->connector, batch);
		commit(level);
	}
	ReThrowError(error);
}

/* "9012 deletions exceed maximum_deleted_lines (100) and ...", of a blocked batch. */
static char *
what_exceeds(const pg_uuid_t *batch)
{
	own_sql("SELECT syncup.what_exceeds($1)", SQL_ARGS(SQL_UUID(batch)));
	return sql_text(0, 1);
}

/* Why a batch failed. */
static char *
error_of_batch(const pg_uuid_t *batch)
{
	own_sql("SELECT coalesce(error, 'unknown') FROM syncup.batch WHERE batch = $1", SQL_ARGS(SQL_UUID(batch)));
	return sql_text(0, 1);
}

/* Whether a connector has associations. */
static bool
has_links(const char *connector)
{
	return own_sql("SELECT FROM syncup.association WHERE connector = $1 LIMIT 1",
				   SQL_ARGS(SQL_TEXT(connector))) > 0;
}

/* The code that the five characters of an SQLSTATE stand for. */
static int
sqlstate_code(const char *state)
{
	if (state == NULL || strlen(state) != 5)
		return ERRCODE_RAISE_EXCEPTION;
	return MAKE_SQLSTATE(state[0], state[1], state[2], state[3], state[4]);
}

/* "9012 inserted, 3 updated, ...": what an applied batch did, and what it left out. */
static char *
what_was_done(const char *connector, const BatchResult *result)
{
	StringInfoData text;

	initStringInfo(&text);
	if (result->inserted + result->updated + result->deleted +
		result->links_inserted + result->links_deleted + result->links_updated == 0)
		appendStringInfoString(&text, "nothing changed");
	else
	{
		appendStringInfo(&text, "%lld inserted, %lld updated, %lld deleted",
						 (long long) result->inserted, (long long) result->updated,
						 (long long) result->deleted);
		if (has_links(connector))
			appendStringInfo(&text, ", %lld links inserted, %lld links deleted",
							 (long long) result->links_inserted, (long long) result->links_deleted);
		if (result->links_updated > 0)
			appendStringInfo(&text, ", %lld links updated", (long long) result->links_updated);
	}
	if (result->set_aside > 0)
		appendStringInfo(&text, "; %lld %s set aside", (long long) result->set_aside,
						 result->set_aside == 1 ? "row" : "rows");
	return text.data;
}

/* Says what became of a batch, or raises its failure; once that is committed. */
static void
report(RunWork *work, BatchResult *result, const char *what)
{
	char	   *id = batch_text(&result->batch);

	if (strcmp(result->status, "failed") == 0)
		ereport(ERROR,
				(errcode(sqlstate_code(result->sqlstate)),
				 errmsg("batch %s of connector \"%s\" failed", id, work->connector),
				 errdetail_internal("%s", error_of_batch(&result->batch)),
				 errdetail_log("The reason was sent to the client."),
				 errhint("The reason is in column \"error\" of syncup.batch; the next syncup_synchronize() tries it again.")));
	if (strcmp(result->status, "blocked") == 0)
		ereport(NOTICE,
				(errmsg("batch %s of connector \"%s\" is blocked: %s", id, work->connector, what),
				 errhint("Read SELECT syncup_report('%s'); then SELECT syncup_resume('%s') or SELECT syncup_discard('%s').",
						 id, id, id)));
	else
		ereport(NOTICE,
				(errmsg("batch %s of connector \"%s\" applied: %s", id, work->connector, what)));
}

/* Locks the connector again, which somebody else may have taken meanwhile. */
static void
lock_run(void *arg)
{
	lock_connector(((RunWork *) arg)->connector);
}

/*
 * syncup_run(connector text, mode text, force boolean, keep_changes boolean):
 * a procedure (SPEC 2.2).  It commits, so it must not be called in a
 * transaction block.
 */
Datum
syncup_run(PG_FUNCTION_ARGS)
{
	RunWork		work = {0};
	SynchronizeOptions options = {0};
	ErrorData  *error;
	List	   *results;
	List	   *said = NIL;
	ListCell   *cell;
	ListCell   *other;
	int			level;

	check_may_commit(fcinfo, "syncup_run()", "There, call syncup_prepare() and syncup_synchronize().");
	work.connector = required_text(fcinfo, 0, "connector");
	work.mode = required_text(fcinfo, 1, "mode");
	check_mode_name(work.mode);
	options.force = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	options.keep_changes = !PG_ARGISNULL(3) && PG_GETARG_BOOL(3);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	/* A procedure that commits can have no SET clause: pin here. */
	level = settings_pin(NULL);
	error = guarded(prepare_run, &work);
	if (error != NULL)
		raise_failed_prepare(&work, error, &level);
	commit(&level);
	CRASH_POINT("between prepare and synchronize");

	error = guarded(lock_run, &work);
	if (error != NULL)
		raise_failed_prepare(&work, error, &level);
	results = synchronize_queue(config_load(work.connector), &options);
	/* What is said once they are committed is read before. */
	foreach_ptr(BatchResult, result, results)
	{
		said = lappend(said, strcmp(result->status, "blocked") == 0 ?
					   what_exceeds(&result->batch) : what_was_done(work.connector, result));
	}
	commit(&level);
	forboth(cell, results, other, said)
		report(&work, lfirst(cell), lfirst(other));
	settings_restore(level);
	SPI_finish();
	PG_RETURN_VOID();
}
