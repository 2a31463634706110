/*
 * purge.c
 *		Forgetting old history: syncup_purge, syncup_run_purge.
 */
#include "syncup.h"

#include "store/batch.h"
#include "store/session_store.h"
#include "config/config.h"
#include "map/connector.h"
#include "tool/lock.h"
#include "tool/sql.h"

PG_FUNCTION_INFO_V1(syncup_purge);
PG_FUNCTION_INFO_V1(syncup_run_purge);

/*
 * Of each connector stay: batches that wait, the last applied one, from which
 * counts are carried forward, and the last applied initial or complete one,
 * which later incremental runs build on.
 */
#define OLD_BATCHES(connector) \
	"SELECT b.batch FROM syncup.batch b WHERE b.connector = " connector \
	" AND coalesce(b.synchronized_at, b.decided_at, b.prepared_at) < now() - $1" \
	" AND NOT (b.status IN ('prepared', 'blocked', 'failed') AND b.prepared_at IS NOT NULL)" \
	" AND b.seq IS DISTINCT FROM (SELECT max(k.seq) FROM syncup.batch k WHERE k.connector = " connector " AND k.status = 'applied')" \
	" AND b.seq IS DISTINCT FROM (SELECT max(k.seq) FROM syncup.batch k WHERE k.connector = " connector \
	"   AND k.status IN ('applied', 'undone') AND k.mode IN ('initial', 'complete'))"

/*
 * Of sessions in which files were sent those that were never prepared; the others go
 * with their batches.  One in which somebody is sending just now is left alone.
 */
#define OLD_SESSIONS(connector) \
	"SELECT s.session FROM syncup.upload_session s WHERE s.connector = " connector " AND s.batch IS NULL" \
	" AND greatest(s.opened_at, (SELECT max(f.sent_at) FROM syncup.upload_file f WHERE f.session = s.session)) < now() - $1"

/* Forgets the old batches and sessions of one connector; returns the number of batches. */
static int64
purge_connector(Connector *connector, Datum older_than)
{
	SqlArg		args[] = {SQL_DATUM(INTERVALOID, older_than), SQL_TEXT(connector->name)};

	foreach_mapping(mapping, connector)
	{
		own_sql(psprintf("DELETE FROM %s WHERE batch IN (" OLD_BATCHES("$2") ")",
						 delta_table(mapping)), lengthof(args), args);
		own_sql(psprintf("DELETE FROM %s WHERE batch IN (" OLD_BATCHES("$2") ")",
						 changes_table(mapping)), lengthof(args), args);
	}
	sessions_delete(OLD_SESSIONS("$2") " FOR UPDATE SKIP LOCKED", lengthof(args), args);
	return batches_delete(OLD_BATCHES("$2"), lengthof(args), args);
}

/*
 * Locks a connector, unless it is gone or somebody is at work on it: an undo,
 * which reads what a purge would delete, or a run, which makes another batch
 * the last one.
 */
static bool
can_purge(const char *connector)
{
	if (try_lock_connector(connector))
		return own_sql("SELECT FROM syncup.connector WHERE connector = $1",
					   SQL_ARGS(SQL_TEXT(connector))) > 0;
	ereport(NOTICE,
			(errmsg("connector \"%s\" is busy: its batches were left alone", connector)));
	return false;
}

/* The argument older_than, once it is checked. */
static Datum
get_older_than(FunctionCallInfo fcinfo)
{
	Datum		zero = DirectFunctionCall3(interval_in, CStringGetDatum("0"),
										   ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1));

	required_argument(fcinfo, 0, "older_than");
	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, PG_GETARG_DATUM(0), zero)) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", "older_than")));
	return PG_GETARG_DATUM(0);
}

/*
 * Forgets the old batches of every connector that has some; returns their
 * number.  With commits a connector is held no longer than its own batches take.
 * Orders that ended so long ago go as well: what led to them has gone.
 */
static int64
purge(Datum older_than, bool commits)
{
	int64		purged = 0;
	uint64		count = own_sql("SELECT c.connector, EXISTS (" OLD_BATCHES("c.connector") ") OR EXISTS (" OLD_SESSIONS("c.connector") ") FROM syncup.connector c"
								" ORDER BY c.connector",
								SQL_ARGS(SQL_DATUM(INTERVALOID, older_than)));
	List	   *names = NIL;

	for (uint64 i = 0; i < count; i++)
	{
		check_transaction(sql_text(i, 1));
		if (sql_bool(i, 2))
			names = lappend(names, sql_text(i, 1));
	}
	foreach_ptr(char, name, names)
	{
		if (can_purge(name))
			purged += purge_connector(config_load(name), older_than);
		if (commits)
			SPI_commit();
	}
	own_sql("SELECT syncup.purge_orders($1)", SQL_ARGS(SQL_DATUM(INTERVALOID, older_than)));
	return purged;
}

/*
 * syncup_purge(older_than interval) returns bigint: the number of batches
 * whose history, counters, quarantine and kept changes are gone.
 */
Datum
syncup_purge(PG_FUNCTION_ARGS)
{
	int64		purged;

	SPI_connect();
	purged = purge(get_older_than(fcinfo), false);
	SPI_finish();
	PG_RETURN_INT64(purged);
}

/*
 * syncup_run_purge(older_than interval): a procedure that does the same, a
 * transaction for each connector.
 */
Datum
syncup_run_purge(PG_FUNCTION_ARGS)
{
	Datum		older_than = get_older_than(fcinfo);
	int64		purged;

	check_may_commit(fcinfo, "syncup_run_purge()", "There, call syncup_purge().");
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	purged = purge(older_than, true);
	ereport(NOTICE,
			(errmsg_plural("%lld batch was forgotten", "%lld batches were forgotten",
						   purged, (long long) purged)));
	SPI_finish();
	PG_RETURN_VOID();
}
