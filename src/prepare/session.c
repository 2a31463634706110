/*
 * session.c
 *		Sessions in which clients send files, as what a prepare reads
 *		(SPEC 2.6).  How files come into them is SQL: 52-prepare-session.sql.
 */
#include "prepare/session.h"

#include <fnmatch.h>

#include "map/connector.h"
#include "miscadmin.h"
#include "store/batch.h"
#include "tool/sql.h"

PG_FUNCTION_INFO_V1(syncup_upload_large_object);

#define SQL_CALLER	SQL_DATUM(REGROLEOID, ObjectIdGetDatum(GetUserId()))
#define PART		(1024 * 1024)
#define GZ			".gz"

/* ---------- who may ---------- */

/* Whether the caller may synchronize, and not only send files. */
static bool
may_operate(void)
{
	own_sql("SELECT syncup.may_operate($1)", SQL_ARGS(SQL_CALLER));
	return sql_bool(0, 1);
}

void
session_check_needless(const char *connector)
{
	if (!may_operate())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to prepare connector \"%s\" without a session", connector),
				 errhint("Name the session in which its files were sent: '{\"session\": \"...\"}'. Whoever may call syncup_synchronize() may do without.")));
}

Session *
session_take(const pg_uuid_t *id, const char *connector, const char *mode, pg_uuid_t **batch)
{
	Session    *session = palloc0(sizeof(Session));
	char	   *of;
	char	   *former_mode;

	own_sql("SELECT connector, batch FROM syncup.own_session($1, $2)", SQL_ARGS(SQL_CALLER, SQL_UUID(id)));
	of = sql_text(0, 1);
	if (strcmp(of, connector) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("session %s is one of connector \"%s\", not \"%s\"", batch_text(id), of, connector)));
	if (own_sql("SELECT batch, (SELECT b.mode FROM syncup.batch b WHERE b.batch = s.batch)"
				" FROM syncup.upload_session s WHERE s.session = $1 FOR UPDATE SKIP LOCKED",
				SQL_ARGS(SQL_UUID(id))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("session %s is busy: a file is being sent in it", batch_text(id)),
				 errhint("Try again when all of its files have been sent.")));
	former_mode = sql_text(0, 2);
	*batch = former_mode != NULL ? sql_uuid(0, 1) : NULL;
	if (former_mode != NULL && strcmp(former_mode, mode) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("session %s was prepared already, in mode %s", batch_text(id), former_mode),
				 errdetail("It gave batch %s.", batch_text(*batch)),
				 errhint("Open another session with syncup_open_session().")));
	if (*batch != NULL)
		return NULL;
	session->id = *id;
	session->alone = !may_operate();
	session->uploads = uploads_of(id);
	return session;
}

void
session_check_options(const Session *session, Jsonb *options)
{
	if (session->alone && JB_ROOT_COUNT(options) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to give options beside \"session\""),
				 errhint("How files are read is said where they are mapped. Whoever may call syncup_synchronize() may say otherwise.")));
}

/* ---------- what it holds ---------- */

/* Whether a name is the one that is asked for, or matches it. */
static bool
is_meant(const char *name, const char *file, const Options *options)
{
	if (options->pattern)
		return fnmatch(file, name, FNM_PATHNAME | FNM_PERIOD) == 0 && !is_companion(name, options);
	return strcmp(file, name) == 0;
}

/* The name that an upload stands for, if that is what is asked for: its own, or that without ".gz". */
static char *
stands_for(const Upload *upload, const char *file, const Options *options)
{
	size_t		length = strlen(upload->file);
	size_t		suffix = strlen(GZ);
	char	   *bare;

	if (is_meant(upload->file, file, options))
		return upload->file;
	if (length <= suffix || pg_strcasecmp(upload->file + length - suffix, GZ) != 0)
		return NULL;
	bare = pnstrdup(upload->file, length - suffix);
	return is_meant(bare, file, options) ? bare : NULL;
}

/* Errors where two uploads stand for one file. */
static void
check_single(const Session *session, List *files, const SourceFile *file)
{
	foreach_ptr(SourceFile, other, files)
	{
		if (strcmp(other->path, file->path) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_FILE),
					 errmsg("session %s holds file \"%s\" twice: \"%s\" and \"%s\"", batch_text(&session->id),
							file->path, other->upload->file, file->upload->file)));
	}
}

static int
compare_files(const ListCell *a, const ListCell *b)
{
	return strcmp(((SourceFile *) lfirst(a))->path, ((SourceFile *) lfirst(b))->path);
}

List *
session_find(const Session *session, const char *file, const Options *options, bool newest)
{
	List	   *files = NIL;

	foreach_ptr(Upload, upload, session->uploads)
	{
		char	   *path = stands_for(upload, file, options);
		SourceFile *found;

		if (path == NULL)
			continue;
		upload->named = true;
		found = palloc0(sizeof(SourceFile));
		found->path = path;
		found->size = upload->size;
		found->modified = upload->sent;
		found->upload = upload;
		check_single(session, files, found);
		files = lappend(files, found);
	}
	list_sort(files, compare_files);
	if (newest && files != NIL)
		files = list_make1(source_newest(files));
	foreach_ptr(SourceFile, found, files)
		upload_check_complete(found->upload);
	return files;
}

void
session_lacks(const Session *session, const char *file, const Options *options)
{
	StringInfoData names;

	initStringInfo(&names);
	foreach_ptr(Upload, upload, session->uploads)
		appendStringInfo(&names, "%s\"%s\"", names.len > 0 ? ", " : "", upload->file);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_FILE),
			 options->pattern ?
			 errmsg("no file that matches \"%s\" was sent in session %s", file, batch_text(&session->id)) :
			 errmsg("file \"%s\" was not sent in session %s", file, batch_text(&session->id)),
			 names.len > 0 ? errhint("Sent were %s.", names.data) : errhint("No file was sent.")));
}

void
session_prepared(const Session *session, const pg_uuid_t *batch)
{
	own_sql("UPDATE syncup.upload_session SET batch = $2 WHERE session = $1",
			SQL_ARGS(SQL_UUID(&session->id), SQL_UUID(batch)));
	foreach_ptr(const Upload, upload, session->uploads)
	{
		if (!upload->named)
			ereport(NOTICE,
					(errmsg("file \"%s\" of the session was not read: no mapping names it",
							upload->file)));
	}
}

/* ---------- a whole file at once ---------- */

/* Copies the next part out of a large object, with the caller's right to read it; false at its end. */
static bool
store_part(const pg_uuid_t *session, const char *file, Oid object, int32 part)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "syncup part", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	SPITupleTable *table;
	Datum		content;
	bool		isnull;
	bool		found;

	caller_sql("SELECT lo_get($1, $2, $3)", SQL_ARGS(SQL_OID(object), SQL_INT8((int64) (part - 1) * PART), SQL_INT4(PART)));
	table = SPI_tuptable;
	content = sql_datum(0, 1, &isnull);
	found = VARSIZE_ANY_EXHDR(DatumGetPointer(content)) > 0;
	if (found)
		own_sql("SELECT syncup.store_part($1, $2, $3, $4)",
				SQL_ARGS(SQL_UUID(session), SQL_TEXT(file), SQL_INT4(part), SQL_DATUM(BYTEAOID, content)));
	SPI_freetuptable(table);
	MemoryContextSwitchTo(before);
	MemoryContextDelete(context);
	return found;
}

/*
 * syncup_upload(session uuid, file text, large_object oid): in place of what was sent
 * under this name.
 */
Datum
syncup_upload_large_object(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *session;
	char	   *file;
	Oid			object;
	int32		part = 1;

	required_argument(fcinfo, 0, "session");
	session = PG_GETARG_UUID_P(0);
	file = required_text(fcinfo, 1, "file");
	required_argument(fcinfo, 2, "large_object");
	object = PG_GETARG_OID(2);

	SPI_connect();
	own_sql("SELECT syncup.begin_upload($1, $2, $3, NULL)", SQL_ARGS(SQL_CALLER, SQL_UUID(session), SQL_TEXT(file)));
	own_sql("DELETE FROM syncup.upload_part WHERE session = $1 AND file = $2", SQL_ARGS(SQL_UUID(session), SQL_TEXT(file)));
	own_sql("UPDATE syncup.upload_file SET parts = NULL, bytes = 0 WHERE session = $1 AND file = $2",
			SQL_ARGS(SQL_UUID(session), SQL_TEXT(file)));
	while (store_part(session, file, object, part))
		part++;
	if (part == 1)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("large object %u, to be sent as file \"%s\", is empty", object, file)));
	own_sql("UPDATE syncup.upload_file SET parts = $3 WHERE session = $1 AND file = $2",
			SQL_ARGS(SQL_UUID(session), SQL_TEXT(file), SQL_INT4(part - 1)));
	SPI_finish();
	PG_RETURN_VOID();
}
