/*
 * cookie.c
 *		From where on changes of directories are read: syncup.directory_cookie.
 */
#include "ldap/cookie.h"

#include "tool/sql.h"

/* Adds nothing to an error. */
static void
mark(void *arg)
{
}

void
cookie_run_begin(CookieRun *run, const char *connector, const pg_uuid_t *batch)
{
	*run = (CookieRun) {.connector = connector, .batch = batch};
	run->mark.callback = mark;
	run->mark.arg = run;
	run->mark.previous = error_context_stack;
	error_context_stack = &run->mark;
}

void
cookie_run_end(CookieRun *run)
{
	error_context_stack = run->mark.previous;
}

CookieRun *
cookie_run(void)
{
	for (ErrorContextCallback *at = error_context_stack; at != NULL; at = at->previous)
		if (at->callback == mark)
			return at->arg;
	return NULL;
}

/* A search by its digest: its text may be long. */
#define SEARCH	"encode(sha256(convert_to($2, 'UTF8')), 'hex')"

bytea *
cookie_find(const CookieRun *run, const char *search, const char *server)
{
	bool		isnull;

	if (!run->since)
		return NULL;
	if (own_sql("SELECT c.cookie FROM syncup.directory_cookie c JOIN syncup.batch b USING (batch)"
				" WHERE b.connector = $1 AND c.search = " SEARCH " AND b.batch <> $3 AND (b.status = 'applied'"
				"  OR b.status IN ('prepared', 'blocked', 'failed') AND b.prepared_at IS NOT NULL)"
				" ORDER BY b.seq DESC LIMIT 1",
				SQL_ARGS(SQL_TEXT(run->connector), SQL_TEXT(search), SQL_UUID(run->batch))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("connector \"%s\" has not read directory \"%s\" in this way yet", run->connector, server),
				 errdetail("Changes are those since another run has read the same entries and attributes."),
				 errhint("CALL syncup_run(%s, 'complete').", quote_literal_cstr(run->connector))));
	return DatumGetByteaPP(sql_datum(0, 1, &isnull));
}

void
cookie_keep(const CookieRun *run, const char *search, const char *server, const char *base,
			const char *filter, const bytea *cookie)
{
	own_sql("INSERT INTO syncup.directory_cookie (batch, search, server, base, filter, cookie)"
			" VALUES ($1, " SEARCH ", $3, $4, $5, $6) ON CONFLICT DO NOTHING",
			SQL_ARGS(SQL_UUID(run->batch), SQL_TEXT(search), SQL_TEXT(server), SQL_TEXT(base), SQL_TEXT(filter),
					 SQL_DATUM(BYTEAOID, PointerGetDatum(cookie))));
}
