/*
 * batch.c
 *		Batches: the queue of a connector and its history.
 */
#include "store/batch.h"

#include "access/table.h"
#include "miscadmin.h"
#include "store/session_store.h"
#include "tool/sql.h"
#include "storage/lmgr.h"
#include "utils/rel.h"

/* Bytes from which a table is emptied at once rather than row by row. */
#define EMPTIED_AT_ONCE	(128 * 1024)

char *
acting_role(void)
{
	return GetUserNameFromId(GetOuterUserId(), false);
}

char *
batch_text(const pg_uuid_t *id)
{
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(id)));
}

pg_uuid_t *
batch_create(const char *connector, const char *mode)
{
	own_sql("INSERT INTO syncup.batch (connector, mode, status, prepared_at, prepared_by)"
			" VALUES ($1, $2, 'prepared', clock_timestamp(), $3::name) RETURNING batch",
			SQL_ARGS(SQL_TEXT(connector), SQL_TEXT(mode), SQL_TEXT(acting_role())));
	return sql_uuid(0, 1);
}

void
batch_mark_source_changes(const pg_uuid_t *id)
{
	own_sql("UPDATE syncup.batch SET source_changes = true WHERE batch = $1",
			SQL_ARGS(SQL_UUID(id)));
}

pg_uuid_t *
batch_record_failed_prepare(const char *connector, const char *mode,
							const ErrorData *error)
{
	char	   *message = error->context ?
		psprintf("%s (%s)", error->message, error->context) : error->message;

	own_sql("INSERT INTO syncup.batch (connector, mode, status, synchronized_at, synchronized_by, sqlstate, error)"
			" SELECT connector, $2, 'failed', clock_timestamp(), $3::name, $4, $5"
			" FROM syncup.connector WHERE connector = $1 FOR KEY SHARE SKIP LOCKED RETURNING batch",
			SQL_ARGS(SQL_TEXT(connector), SQL_TEXT(mode), SQL_TEXT(acting_role()),
					 SQL_TEXT(unpack_sql_state(error->sqlerrcode)), SQL_TEXT(message)));
	return SPI_processed ? sql_uuid(0, 1) : NULL;
}

/* One row of syncup.batch as a struct. */
static Batch *
batch_from_row(uint64 row)
{
	Batch	   *batch = palloc0(sizeof(Batch));

	batch->id = *sql_uuid(row, 1);
	batch->connector = sql_text(row, 2);
	batch->mode = sql_text(row, 3);
	batch->status = sql_text(row, 4);
	batch->prepared = sql_bool(row, 5);
	batch->source_changes = sql_bool(row, 6);
	batch->changes_kept = sql_bool(row, 7);
	batch->limits = sql_jsonb(row, 8);
	return batch;
}

#define BATCH_COLUMNS \
	"batch, connector, mode, status, prepared_at IS NOT NULL, source_changes, changes_kept, limits"

Batch *
batch_load(const pg_uuid_t *id)
{
	if (own_sql("SELECT " BATCH_COLUMNS " FROM syncup.batch WHERE batch = $1",
				SQL_ARGS(SQL_UUID(id))) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("batch %s does not exist", batch_text(id)),
				 errhint("See the table syncup.batch.")));
	return batch_from_row(0);
}

List *
batch_queue(const char *connector)
{
	uint64		count = own_sql("SELECT " BATCH_COLUMNS " FROM syncup.batch WHERE connector = $1"
								" AND status IN ('prepared', 'blocked', 'failed') AND prepared_at IS NOT NULL ORDER BY seq",
								SQL_ARGS(SQL_TEXT(connector)));
	List	   *queue = NIL;

	for (uint64 i = 0; i < count; i++)
		queue = lappend(queue, batch_from_row(i));
	return queue;
}

ArrayType *
batch_ids(const List *queue)
{
	Datum	   *ids = palloc(sizeof(Datum) * (list_length(queue) + 1));
	int			count = 0;

	foreach_ptr(Batch, batch, queue)
		ids[count++] = UUIDPGetDatum(&batch->id);
	return construct_array(ids, count, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

bool
batch_has_base(const char *connector)
{
	return own_sql("SELECT FROM syncup.batch WHERE connector = $1 AND mode IN ('initial', 'complete')"
				   " AND status IN ('applied', 'undone') LIMIT 1",
				   SQL_ARGS(SQL_TEXT(connector))) > 0;
}

void
batch_count_prepare(const pg_uuid_t *id, const Mapping *mapping, const SourceFile *file,
					const PrepareCounter *counter)
{
	own_sql("INSERT INTO syncup.batch_counter (batch, mapping, kind, file, file_modified, file_size, rows_read, rows_kept, null_keys,"
			" duplicates, rejected, empty_links, filtered, set_aside, delta_inserted, delta_updated, delta_deleted, deletions_suspended)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
			SQL_ARGS(SQL_UUID(id), SQL_TEXT(mapping->name),
					 SQL_TEXT(mapping->association ? "association" : "entity type"),
					 SQL_TEXT(file ? file->path : NULL),
					 file ? SQL_TIME(file->modified) : SQL_NULL(TIMESTAMPTZOID),
					 file ? SQL_INT8(file->size) : SQL_NULL(INT8OID),
					 SQL_INT8(counter->rows_read), SQL_INT8(counter->rows_kept),
					 SQL_INT8(counter->null_keys), SQL_INT8(counter->duplicates),
					 SQL_INT8(counter->rejected), SQL_INT8(counter->empty_links),
					 SQL_INT8(counter->filtered), SQL_INT8(counter->set_aside),
					 SQL_INT8(counter->delta_inserted), SQL_INT8(counter->delta_updated),
					 SQL_INT8(counter->delta_deleted), SQL_BOOL(counter->deletions_suspended)));
}

void
batch_note_header(const pg_uuid_t *id, const Mapping *mapping, const char *source, ArrayType *header)
{
	own_sql("INSERT INTO syncup.source_header (connector, mapping, source, seq, header)"
			" SELECT $2, $3, $4, b.seq, $5 FROM syncup.batch b WHERE b.batch = $1 AND $5 IS DISTINCT FROM ("
			"SELECT h.header FROM syncup.source_header h WHERE h.connector = $2 AND h.mapping = $3 AND h.source = $4 ORDER BY h.seq DESC LIMIT 1)",
			SQL_ARGS(SQL_UUID(id), SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name), SQL_TEXT(source),
					 SQL_DATUM(TEXTARRAYOID, PointerGetDatum(header))));
}

bool
batch_took_no_part(const pg_uuid_t *id, const Mapping *mapping)
{
	return own_sql("SELECT FROM syncup.batch_counter WHERE batch = $1 AND mapping = $2 AND file IS NULL",
				   SQL_ARGS(SQL_UUID(id), SQL_TEXT(mapping->name))) > 0;
}

void
batch_count_file(const pg_uuid_t *id, const Mapping *mapping, const SourceFile *file, int64 rows)
{
	own_sql("INSERT INTO syncup.batch_file (batch, mapping, file, file_modified, file_size, rows_read)"
			" VALUES ($1, $2, $3, $4, $5, $6)",
			SQL_ARGS(SQL_UUID(id), SQL_TEXT(mapping->name), SQL_TEXT(file->path),
					 SQL_TIME(file->modified), SQL_INT8(file->size), SQL_INT8(rows)));
}

void
batch_ask_for_complete(const char *connector)
{
	own_sql("UPDATE syncup.connector SET needs_complete = true, complete_after ="
			" (SELECT coalesce(max(seq), 0) FROM syncup.batch WHERE connector = $1) WHERE connector = $1",
			SQL_ARGS(SQL_TEXT(connector)));
}

void
batch_complete_done(const pg_uuid_t *id)
{
	if (own_sql("UPDATE syncup.connector c SET needs_complete = false FROM syncup.batch b"
				" WHERE b.batch = $1 AND c.connector = b.connector AND c.needs_complete AND b.seq > c.complete_after",
				SQL_ARGS(SQL_UUID(id))) > 0)
		/* If it is undone, the need is back. */
		batch_mark_source_changes(id);
}

/* Whether no other batch of the connector has rows of its deltas, or of its changes. */
static bool
is_alone(const pg_uuid_t *id, const Connector *connector, bool changes)
{
	return own_sql("SELECT FROM syncup.batch WHERE connector = $1 AND batch <> $2 AND changes_kept"
				   " UNION ALL SELECT FROM syncup.batch WHERE connector = $1 AND batch <> $2"
				   " AND status IN ('prepared', 'blocked', 'failed') AND prepared_at IS NOT NULL"
				   " AND NOT ($3 AND status = 'prepared')",
				   SQL_ARGS(SQL_TEXT(connector->name), SQL_UUID(id), SQL_BOOL(changes))) == 0;
}

/*
 * Whether nobody is looking at the table: no other session, which it is locked
 * against here, and no cursor or query of this one, which TRUNCATE would refuse.
 */
static bool
lock_if_unused(Oid table)
{
	Relation	relation;
	bool		unused;

	if (!ConditionalLockRelationOid(table, AccessExclusiveLock))
		return false;
	relation = table_open(table, NoLock);
	unused = relation->rd_refcnt == 1;
	table_close(relation, NoLock);
	if (!unused)
		UnlockRelationOid(table, AccessExclusiveLock);
	return unused;
}

/*
 * Removes the rows of a batch from a table of ours.  Where it holds nothing
 * else, and much, it is emptied at once, unless somebody is looking at it.
 */
static void
forget_rows(Oid table, const char *name, const pg_uuid_t *id, const Connector *connector, bool changes)
{
	if (own_sql("SELECT WHERE pg_relation_size($1) > $2",
				SQL_ARGS(SQL_OID(table), SQL_INT8(EMPTIED_AT_ONCE))) > 0 &&
		is_alone(id, connector, changes) && lock_if_unused(table))
		own_sql(psprintf("TRUNCATE ONLY %s", name), SQL_NO_ARGS);
	else
		own_sql(psprintf("DELETE FROM %s WHERE batch = $1", name), SQL_ARGS(SQL_UUID(id)));
}

void
batch_forget_rows(const pg_uuid_t *id, const Connector *connector, bool keep)
{
	own_sql("UPDATE syncup.batch SET changes_kept = $2 WHERE batch = $1 AND changes_kept <> $2",
			SQL_ARGS(SQL_UUID(id), SQL_BOOL(keep)));
	if (keep)
		return;
	foreach_mapping(mapping, connector)
	{
		forget_rows(config_table(mapping, "syncup_delta"), delta_table(mapping), id, connector, false);
		forget_rows(config_table(mapping, "syncup_changes"), changes_table(mapping), id, connector, true);
	}
}

int64
batches_delete(const char *query, int nargs, const SqlArg *args)
{
	static const char *const tables[] = {"batch_counter", "batch_cascade", "batch_resource", "check_result", "batch_file", "directory_cookie", "quarantine", "batch"};
	int64		count = 0;

	sessions_delete(psprintf("SELECT u.session FROM syncup.upload_session u WHERE u.batch IN (%s)", query), nargs, args);
	for (size_t i = 0; i < lengthof(tables); i++)
		count = own_sql(psprintf("DELETE FROM syncup.%s WHERE batch IN (%s)", tables[i], query), nargs, args);
	return count;
}

void
batch_set_status(const pg_uuid_t *id, const char *status)
{
	bool		synchronized = strcmp(status, "applied") == 0 || strcmp(status, "blocked") == 0;

	/* Why it failed is over once it succeeds; what is declined or superseded keeps it. */
	own_sql("UPDATE syncup.batch SET status = $2, error = CASE WHEN NOT $3 THEN error END,"
			" sqlstate = CASE WHEN NOT $3 THEN sqlstate END,"
			" synchronized_at = CASE WHEN $3 THEN clock_timestamp() ELSE synchronized_at END,"
			" synchronized_by = CASE WHEN $3 THEN $4::name ELSE synchronized_by END"
			" WHERE batch = $1",
			SQL_ARGS(SQL_UUID(id), SQL_TEXT(status), SQL_BOOL(synchronized),
					 SQL_TEXT(acting_role())));
	if (strcmp(status, "blocked") != 0)
		session_forget_files(id);
}

void
batch_set_blocked(const pg_uuid_t *id, bool keep_changes)
{
	batch_set_status(id, "blocked");
	own_sql("UPDATE syncup.batch SET changes_kept = $2 WHERE batch = $1",
			SQL_ARGS(SQL_UUID(id), SQL_BOOL(keep_changes)));
}

void
batch_set_failed(const pg_uuid_t *id, const ErrorData *error, const char *message)
{
	own_sql("UPDATE syncup.batch SET status = 'failed', sqlstate = $2, error = $3,"
			" synchronized_at = clock_timestamp(), synchronized_by = $4::name WHERE batch = $1",
			SQL_ARGS(SQL_UUID(id), SQL_TEXT(unpack_sql_state(error->sqlerrcode)),
					 SQL_TEXT(message), SQL_TEXT(acting_role())));
}

void
batch_record_decision(const pg_uuid_t *id, const char *decision, const char *reason)
{
	own_sql("UPDATE syncup.batch SET decision = $2, reason = $3, decided_at = clock_timestamp(),"
			" decided_by = $4::name WHERE batch = $1",
			SQL_ARGS(SQL_UUID(id), SQL_TEXT(decision), SQL_TEXT(reason),
					 SQL_TEXT(acting_role())));
}
