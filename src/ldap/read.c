/*
 * read.c
 *		Directories as rows of a query: syncup_read_ldap, syncup_read_ldap_changes
 *		(SPEC 2.6).
 */
#include "syncup.h"

PG_FUNCTION_INFO_V1(syncup_read_ldap);
PG_FUNCTION_INFO_V1(syncup_read_ldap_changes);

#ifdef SYNCUP_LDAP
#include "lib/stringinfo.h"
#include "ldap/cookie.h"
#include "ldap/entry_rows.h"
#include "ldap/sync.h"
#include "tool/sql.h"

/* One call. */
typedef struct DirectoryScan
{
	DirectoryServer *server;
	Options    *options;
	DirectorySearch search;
	EntryRows  *rows;
	int			level;			/* of the settings that are pinned */
} DirectoryScan;

/* Reads the arguments, and opens the rows. */
static void
begin_scan(DirectoryScan *scan, FunctionCallInfo fcinfo, bool changes)
{
	static const int scopes[] = {
		[SCOPE_SUB] = LDAP_SCOPE_SUBTREE, [SCOPE_ONE] = LDAP_SCOPE_ONELEVEL, [SCOPE_BASE] = LDAP_SCOPE_BASE
	};
	Jsonb	   *document = PG_GETARG_JSONB_P(4);

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	memset(scan, 0, sizeof(DirectoryScan));
	scan->options = options_read(OPTION_DIRECTORY, 1, &document);
	scan->server = directory_server(text_to_cstring(PG_GETARG_TEXT_PP(0)));
	scan->search.base = directory_text(text_to_cstring(PG_GETARG_TEXT_PP(1)));
	scan->search.filter = directory_text(text_to_cstring(PG_GETARG_TEXT_PP(2)));
	scan->search.scope = scopes[scan->options->directory_scope];
	scan->search.page_size = scan->options->page_size;
	scan->rows = entry_rows_open((ReturnSetInfo *) fcinfo->resultinfo, scan->options, PG_GETARG_ARRAYTYPE_P(3),
								 changes, &scan->search);
	scan->level = settings_pin(NULL);
}

static void
take_entry(void *arg, DirectoryEntry *entry)
{
	entry_rows_add(arg, entry, NULL, NULL);
}

/*
 * syncup_read_ldap(server text, base text, filter text, attributes text[], options
 * jsonb) returns setof record.
 */
Datum
syncup_read_ldap(PG_FUNCTION_ARGS)
{
	DirectoryScan scan;
	Directory  *directory;

	begin_scan(&scan, fcinfo, false);
	directory = directory_open(scan.server, scan.options->timeout);
	directory_search(directory, &scan.search, take_entry, scan.rows);
	entry_rows_check(scan.rows, directory);
	directory_close(directory);
	settings_restore(scan.level);
	return (Datum) 0;
}

/* A changed entry is told whole: its row takes the place of the former one. */
static void
take_change(void *arg, const DirectoryEntry *entry, const char *uuid)
{
	entry_rows_add(arg, entry, entry ? "insert" : "delete", uuid);
}

/* A text that only the same reading of the same directory has: another one has another cookie. */
static char *
search_text(const DirectoryScan *scan)
{
	StringInfoData text;
	const char *parts[] = {scan->server->name, scan->server->url, scan->server->bind_dn, scan->search.base,
	scan->search.filter};

	initStringInfo(&text);
	appendStringInfo(&text, "%d", scan->search.scope);
	for (int i = 0; i < lengthof(parts); i++)
		appendStringInfo(&text, " %zu %s", parts[i] ? strlen(parts[i]) : 0, parts[i] ? parts[i] : "");
	for (int i = 0; i < scan->search.nattributes; i++)
		appendStringInfo(&text, " %zu %s", strlen(scan->search.attributes[i]), scan->search.attributes[i]);
	return text.data;
}

/* Reads changes for a prepare, or everything. */
static void
read_changes(DirectoryScan *scan, CookieRun *run)
{
	char	   *search = search_text(scan);
	bytea	   *since = run ? cookie_find(run, search, scan->server->name) : NULL;
	Directory  *directory = directory_open(scan->server, scan->options->timeout);
	bytea	   *cookie;
	bool		told = directory_changes(directory, &scan->search, since, take_change, scan->rows, &cookie);

	if (since == NULL)
		entry_rows_check(scan->rows, directory);
	directory_close(directory);
	if (run == NULL)
		return;
	run->used = true;
	if (told)
		cookie_keep(run, search, scan->server->name, scan->search.base, scan->search.filter, cookie);
	else
		run->whole = true;
}

/*
 * syncup_read_ldap_changes(server text, base text, filter text, attributes text[],
 * options jsonb) returns setof record.
 */
Datum
syncup_read_ldap_changes(PG_FUNCTION_ARGS)
{
	DirectoryScan scan;

	SPI_connect();
	begin_scan(&scan, fcinfo, true);
	read_changes(&scan, cookie_run());
	settings_restore(scan.level);
	SPI_finish();
	return (Datum) 0;
}

#else

/* Says that this cannot be done here. */
pg_noreturn static void
no_directories(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("directories cannot be read: syncup was built without libldap"),
			 errhint("Install libldap and its header files (Debian: libldap-dev), and build syncup again.")));
}

Datum
syncup_read_ldap(PG_FUNCTION_ARGS)
{
	no_directories();
}

Datum
syncup_read_ldap_changes(PG_FUNCTION_ARGS)
{
	no_directories();
}
#endif							/* SYNCUP_LDAP */
