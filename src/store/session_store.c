/*
 * session_store.c
 *		What becomes of sessions in which clients have sent files: see
 *		52-prepare-session.sql.
 */
#include "store/session_store.h"

#include "catalog/pg_type.h"

void
session_forget_files(const pg_uuid_t *batch)
{
	own_sql("DELETE FROM syncup.upload_part p USING syncup.upload_session s WHERE s.batch = $1 AND p.session = s.session",
			SQL_ARGS(SQL_UUID(batch)));
}

void
sessions_delete(const char *query, int nargs, const SqlArg *args)
{
	static const char *const tables[] = {"upload_part", "upload_file", "upload_session"};
	Datum		sessions;
	bool		isnull;

	/* They are named once: a query that passes over locked ones might answer otherwise the next time. */
	own_sql(psprintf("SELECT array_agg(s.session) FROM (%s) s", query), nargs, args);
	sessions = sql_datum(0, 1, &isnull);
	if (isnull)
		return;
	sessions = PointerGetDatum(PG_DETOAST_DATUM_COPY(sessions));
	for (size_t i = 0; i < lengthof(tables); i++)
		own_sql(psprintf("DELETE FROM syncup.%s WHERE session = ANY ($1)", tables[i]),
				SQL_ARGS(SQL_DATUM(UUIDARRAYOID, sessions)));
}
