/*
 * purge.c
 *		Forgetting old history: syncup_purge.
 */
#include "syncup.h"

#include "batch.h"
#include "config.h"
#include "connector.h"
#include "lock.h"
#include "sql.h"

PG_FUNCTION_INFO_V1(syncup_purge);

/*
 * Of each connector stay: batches that wait, the last applied one, from which
 * counts are carried forward, and the last applied initial or complete one,
 * which later incremental runs build on.
 */
#define OLD_BATCHES \
	"SELECT b.batch FROM syncup.batch b WHERE b.connector = $1" \
	" AND coalesce(b.synchronized_at, b.decided_at, b.prepared_at) < now() - $2" \
	" AND NOT (b.status IN ('prepared', 'blocked', 'failed') AND b.prepared_at IS NOT NULL)" \
	" AND b.seq IS DISTINCT FROM (SELECT max(k.seq) FROM syncup.batch k WHERE k.connector = $1 AND k.status = 'applied')" \
	" AND b.seq IS DISTINCT FROM (SELECT max(k.seq) FROM syncup.batch k WHERE k.connector = $1" \
	"   AND k.status IN ('applied', 'undone') AND k.mode IN ('initial', 'complete'))"

/* Forgets the old batches of one connector; returns their number. */
static int64
purge_connector(Connector *connector, Datum older_than)
{
	SqlArg		args[] = {SQL_TEXT(connector->name), SQL_DATUM(INTERVALOID, older_than)};

	for (int i = 0; i < connector->nmappings; i++)
	{
		own_sql(psprintf("DELETE FROM %s WHERE batch IN (" OLD_BATCHES ")",
						 delta_table(&connector->mappings[i])), lengthof(args), args);
		own_sql(psprintf("DELETE FROM %s WHERE batch IN (" OLD_BATCHES ")",
						 changes_table(&connector->mappings[i])), lengthof(args), args);
	}
	return own_sql("DELETE FROM syncup.batch WHERE batch IN (" OLD_BATCHES ")",
				   lengthof(args), args);
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

/*
 * syncup_purge(older_than interval) returns bigint: the number of batches
 * whose history, counters, quarantine and kept changes are gone.
 */
Datum
syncup_purge(PG_FUNCTION_ARGS)
{
	int64		purged = 0;
	uint64		count;
	char	  **names;

	if (DatumGetInt32(DirectFunctionCall2(interval_cmp, PG_GETARG_DATUM(0),
										  DirectFunctionCall3(interval_in, CStringGetDatum("0"),
															  ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)))) < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be negative", "older_than")));
	SPI_connect();
	count = own_sql("SELECT connector FROM syncup.connector ORDER BY connector", SQL_NO_ARGS);
	names = palloc(sizeof(char *) * (count + 1));
	for (uint64 i = 0; i < count; i++)
		names[i] = sql_text(i, 1);
	for (uint64 i = 0; i < count; i++)
		if (can_purge(names[i]))
			purged += purge_connector(config_load(names[i]), PG_GETARG_DATUM(0));
	SPI_finish();
	PG_RETURN_INT64(purged);
}
