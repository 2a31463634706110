/*
 * export.c
 *		Batches as files: syncup_export (SPEC 2.4).
 *
 * What is written is itself a valid source: the rows as they are once the
 * batch is applied are a full extract, its delta is a change file.  The rows
 * are sorted by the server, on disk where they do not fit in memory, and
 * streamed from cursors.  The connector is locked, so that all files tell of
 * one state.
 */
#include "syncup.h"

#include "store/batch.h"
#include "catalog/pg_type.h"
#include "config/config.h"
#include "map/connector.h"
#include "csv/csv_writer.h"
#include "lib/stringinfo.h"
#include "tool/lock.h"
#include "tool/sql.h"
#include "storage/ipc.h"
#include "utils/array.h"

PG_FUNCTION_INFO_V1(syncup_export);

/* What empties a cell of an update in a change file (SPEC 4.4). */
#define EMPTIED	"NULL_NULL"

/* One export. */
typedef struct Export
{
	Connector  *connector;
	Batch	   *batch;
	List	   *queue;			/* of Batch: what lies over previous, the batch last */
	bool		has_delta;
	CsvWriter  *writer;
} Export;

/* ---------- which batches are still there ---------- */

static bool
same_batch(const Batch *a, const Batch *b)
{
	return memcmp(&a->id, &b->id, sizeof(pg_uuid_t)) == 0;
}

/* The batch that made previous what it is; NULL if there is none. */
static pg_uuid_t *
last_applied(const char *connector)
{
	if (own_sql("SELECT batch FROM syncup.batch WHERE connector = $1 AND status = 'applied' ORDER BY seq DESC LIMIT 1",
				SQL_ARGS(SQL_TEXT(connector))) == 0)
		return NULL;
	return sql_uuid(0, 1);
}

/* Reports why a batch cannot be exported. */
static void
rows_are_gone(const Batch *batch, const pg_uuid_t *last)
{
	if (strcmp(batch->status, "failed") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s holds no rows: its prepare failed", batch_text(&batch->id))));
	if (strcmp(batch->status, "applied") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("batch %s holds no rows any more: it is %s",
						batch_text(&batch->id), batch->status),
				 errhint("Batches can be exported while they wait, and the one applied last.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("batch %s is not the one that was applied last", batch_text(&batch->id)),
			 errdetail("The stored rows of connector \"%s\" are those after batch %s.",
					   batch->connector, batch_text(last)),
			 errhint("Export batches before the next one is synchronized.")));
}

/* Finds the batch in the queue, or sees that previous is what it left. */
static void
find_rows(Export *export)
{
	Batch	   *batch = export->batch;
	pg_uuid_t  *last;

	foreach_ptr(Batch, waiting, batch_queue(batch->connector))
	{
		export->queue = lappend(export->queue, waiting);
		if (same_batch(waiting, batch))
		{
			export->has_delta = true;
			return;
		}
	}
	export->queue = NIL;
	last = last_applied(batch->connector);
	if (strcmp(batch->status, "applied") != 0 ||
		memcmp(last, &batch->id, sizeof(pg_uuid_t)) != 0)
		rows_are_gone(batch, last);
	export->has_delta = batch->changes_kept;
	if (!export->has_delta)
		ereport(NOTICE,
				(errmsg("delta of batch %s was not kept: no .sorted.delta is written",
						batch_text(&batch->id)),
				 errhint("Synchronize with keep_changes => true, or export a batch before it is synchronized.")));
}

/* ---------- rows ---------- */

/* One file under way. */
typedef struct Rows
{
	CsvWriter  *writer;
	int			ncolumns;		/* of the query */
} Rows;

/* Writes a column of the row at hand as it is. */
static void
write_column(Rows *rows, uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);
	text	   *content;

	if (isnull)
	{
		csv_writer_field(rows->writer, NULL, 0);
		return;
	}
	content = DatumGetTextPP(value);
	csv_writer_field(rows->writer, VARDATA_ANY(content), VARSIZE_ANY_EXHDR(content));
}

/* Writes a row as it is. */
static void
write_row(void *arg, uint64 row)
{
	Rows	   *rows = arg;

	for (int i = 1; i <= rows->ncolumns; i++)
		write_column(rows, row, i);
	csv_writer_end_row(rows->writer);
}

/* Whether a column of the row at hand is null. */
static bool
is_null(uint64 row, int column)
{
	bool		isnull;

	(void) sql_datum(row, column, &isnull);
	return isnull;
}

/* Whether a stored value is the very word that empties a cell. */
static bool
holds_emptied(const Rows *rows, uint64 row)
{
	for (int i = 2; i <= rows->ncolumns; i++)
	{
		bool		isnull;
		Datum		value = sql_datum(row, i, &isnull);
		text	   *content = isnull ? NULL : DatumGetTextPP(value);

		if (content != NULL && VARSIZE_ANY_EXHDR(content) == strlen(EMPTIED) &&
			memcmp(VARDATA_ANY(content), EMPTIED, strlen(EMPTIED)) == 0)
			return true;
	}
	return false;
}

/*
 * Writes a row of a delta: its command, then the stored columns.  In an update
 * an empty cell would mean "unchanged", so null is NULL_NULL there.  A value
 * that is this very word can only be said in an insert, which updates a key
 * that is known (SPEC 4.4).
 */
static void
write_delta_row(void *arg, uint64 row)
{
	Rows	   *rows = arg;
	char	   *command = sql_text(row, 1);
	bool		update = strcmp(command, "update") == 0;

	if (update && holds_emptied(rows, row))
	{
		command = "insert";
		update = false;
	}
	csv_writer_text(rows->writer, command);
	for (int i = 2; i <= rows->ncolumns; i++)
	{
		if (update && is_null(row, i))
			csv_writer_text(rows->writer, EMPTIED);
		else
			write_column(rows, row, i);
	}
	csv_writer_end_row(rows->writer);
}

/* ---------- files ---------- */

/*
 * The name of a mapping's file.  A mapping may be called as it likes, a file
 * may not: "/" becomes %2F, and so that names stay apart "%" becomes %25.
 */
static char *
file_name(const Mapping *mapping, const char *suffix)
{
	StringInfoData name;

	initStringInfo(&name);
	for (const char *at = mapping->name; *at; at++)
	{
		if (*at == '/' || *at == '%')
			appendStringInfo(&name, "%%%02X", (unsigned char) *at);
		else
			appendStringInfoChar(&name, *at);
	}
	appendStringInfoString(&name, suffix);
	return name.data;
}

/*
 * The query of the mapping's rows: previous, and the deltas of $1 over it.
 * Stored columns have the C collation, so this is the order of SPEC 4.1.
 */
static char *
sorted_query(const Mapping *mapping)
{
	return psprintf("SELECT %s FROM %s p WHERE NOT EXISTS"
					" (SELECT FROM %s d WHERE d.batch = ANY ($1) AND %s AND d.command IN ('insert', 'update', 'delete'))"
					" UNION ALL SELECT %s FROM %s d WHERE d.batch = ANY ($1) AND d.command IN ('insert', 'update') AND NOT EXISTS"
					" (SELECT FROM %s l WHERE l.batch = ANY ($1) AND %s AND l.command IN ('insert', 'update', 'delete')"
					" AND array_position($1, l.batch) > array_position($1, d.batch))"
					" ORDER BY %s",
					source_columns(mapping, "p."), previous_table(mapping),
					delta_table(mapping), changes_stored_row(mapping, "d", "p"),
					source_columns(mapping, "d."), delta_table(mapping),
					delta_table(mapping), changes_stored_row(mapping, "l", "d"),
					mapping->association ? source_columns(mapping, "") : source_key(mapping, ""));
}

/* Writes the source's names of the stored columns, as the end of a header. */
static void
write_header(Export *export, const Mapping *mapping)
{
	for (int i = 0; i < mapping->nstored; i++)
		if (is_source_column(mapping, i))
			csv_writer_text(export->writer, mapping->columns[i].source);
	csv_writer_end_row(export->writer);
}

/* <mapping>.sorted.csv: the rows as they are once the batch is applied. */
static void
write_sorted(Export *export, const Mapping *mapping)
{
	Rows		rows = {export->writer, nsource_columns(mapping)};

	csv_writer_begin(export->writer, file_name(mapping, ".sorted.csv"));
	write_header(export, mapping);
	sql_for_each(own_cursor(sorted_query(mapping),
							SQL_ARGS(SQL_DATUM(UUIDARRAYOID, PointerGetDatum(batch_ids(export->queue))))),
				 write_row, &rows);
}

/* A name for the delta's first column that no source column has. */
static char *
command_header(const Mapping *mapping)
{
	char	   *name = "command";

	for (int i = 0; i < mapping->ncolumns; i++)
		if (strcmp(mapping->columns[i].source, name) == 0)
		{
			name = psprintf("%s_", name);
			i = -1;
		}
	return name;
}

/* <mapping>.sorted.delta: what the batch changes; gone where it was not kept. */
static void
write_delta(Export *export, const Mapping *mapping)
{
	Rows		rows = {export->writer, nsource_columns(mapping) + 1};

	if (!export->has_delta)
	{
		csv_writer_remove(export->writer, file_name(mapping, ".sorted.delta"));
		return;
	}
	csv_writer_begin(export->writer, file_name(mapping, ".sorted.delta"));
	csv_writer_text(export->writer, command_header(mapping));
	write_header(export, mapping);
	sql_for_each(own_cursor(psprintf("SELECT d.command, %s FROM %s d WHERE d.batch = $1"
									 " AND d.command IN ('insert', 'update', 'delete') ORDER BY %s",
									 source_columns(mapping, "d."), delta_table(mapping),
									 mapping->association ? source_columns(mapping, "d.") : source_key(mapping, "d.")),
							SQL_ARGS(SQL_UUID(&export->batch->id))),
				 write_delta_row, &rows);
}

/* The condition of the rows set aside for a mapping, for one of two reasons. */
#define SET_ASIDE \
	" FROM syncup.quarantine WHERE batch = $1 AND mapping = $2 AND reason IN ($3, $4)"

#define SET_ASIDE_ARGS(export, mapping, reason, other) \
	SQL_ARGS(SQL_UUID(&(export)->batch->id), SQL_TEXT((mapping)->name), \
			 SQL_TEXT(reason), SQL_TEXT(other))

/* Whether the batch set a row of the mapping aside for this reason. */
static bool
has_set_aside(Export *export, const Mapping *mapping, const char *reason)
{
	return own_sql("SELECT" SET_ASIDE " LIMIT 1",
				   SET_ASIDE_ARGS(export, mapping, reason, reason)) > 0;
}

/* A file of the rows set aside for either reason. */
static void
write_set_aside(Export *export, const Mapping *mapping, const char *suffix,
				const char *reason, const char *other)
{
	const char *columns[] = {"line", "reason", "key", "message", "raw"};
	Rows		rows = {export->writer, lengthof(columns)};

	csv_writer_begin(export->writer, file_name(mapping, suffix));
	for (int i = 0; i < lengthof(columns); i++)
		csv_writer_text(export->writer, columns[i]);
	csv_writer_end_row(export->writer);
	sql_for_each(own_cursor("SELECT line::text, reason, key, message, raw" SET_ASIDE
							" ORDER BY key COLLATE \"C\", quarantine.line, reason COLLATE \"C\","
							" message COLLATE \"C\", raw COLLATE \"C\"",
							SET_ASIDE_ARGS(export, mapping, reason, other)),
				 write_row, &rows);
}

/*
 * <association>.orphans.csv: the pairs with an end that is not found, as rows of
 * the source: those remembered, and what the queue changes in them.
 */
static void
write_orphans(Export *export, const Mapping *mapping)
{
	Rows		rows = {export->writer, nsource_columns(mapping)};
	bool		made = is_key_made(mapping);
	char	   *ends = psprintf("d.%s, d.%s", quote_identifier(mapping->columns[0].stored), quote_identifier(mapping->columns[1].stored));

	/* Of links with columns an orphan is known by their key; what else there is stands in previous. */
	csv_writer_begin(export->writer, file_name(mapping, ".orphans.csv"));
	write_header(export, mapping);
	sql_for_each(own_cursor(psprintf("SELECT %s FROM syncup.orphan o%s WHERE connector = $2 AND mapping = $3 AND NOT EXISTS"
									 " (SELECT FROM %s d WHERE d.batch = ANY ($1) AND d.command = 'found' AND (%s) = (%s))"
									 " UNION SELECT %s FROM %s d WHERE d.batch = ANY ($1) AND d.command = 'orphan' ORDER BY %s",
									 made ? source_columns(mapping, "p.") : "value1, value2",
									 made ? psprintf(" JOIN %s p ON %s = o.link", previous_table(mapping), stored_key(mapping, "p.")) : "",
									 delta_table(mapping), made ? "o.link" : "o.value1, o.value2",
									 made ? stored_key(mapping, "d.") : ends,
									 source_columns(mapping, "d."), delta_table(mapping),
									 made ? source_columns(mapping, "") : "1, 2"),
							SQL_ARGS(SQL_DATUM(UUIDARRAYOID, PointerGetDatum(batch_ids(export->queue))),
									 SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name))),
				 write_row, &rows);
}

/* Whether the mapping was there when the batch was prepared. */
static bool
in_batch(Export *export, const Mapping *mapping)
{
	return own_sql("SELECT FROM syncup.batch_counter WHERE batch = $1 AND mapping = $2",
				   SQL_ARGS(SQL_UUID(&export->batch->id), SQL_TEXT(mapping->name))) > 0;
}

/* Writes the files of a mapping. */
static void
write_mapping(Export *export, Mapping *mapping)
{
	MappingScope scope;

	mapping_enter(&scope, mapping);
	(void) config_table(mapping, "syncup_previous");
	(void) config_table(mapping, "syncup_delta");
	write_sorted(export, mapping);
	write_delta(export, mapping);
	write_set_aside(export, mapping, ".duplicates.csv", "duplicate", "conflict");
	write_set_aside(export, mapping, ".nullpk.csv", "null key", "null key");
	if (mapping->association)
		write_orphans(export, mapping);
	else if (has_set_aside(export, mapping, "orphan"))
		write_set_aside(export, mapping, ".orphans.csv", "orphan", "orphan");
	else
		csv_writer_remove(export->writer, file_name(mapping, ".orphans.csv"));
	mapping_leave(&scope);
}

/* ---------- the whole ---------- */

/*
 * syncup_export(batch uuid, directory text) (SPEC 2.4).  The caller must be
 * allowed to write files there, and needs no right on our tables.
 */
Datum
syncup_export(PG_FUNCTION_ARGS)
{
	Export		export = {0};
	char	   *directory;

	required_argument(fcinfo, 0, "batch");
	directory = required_text(fcinfo, 1, "directory");

	SPI_connect();
	export.writer = csv_writer_open(directory);
	export.batch = batch_load(PG_GETARG_UUID_P(0));
	lock_connector(export.batch->connector);
	export.connector = config_load(export.batch->connector);
	export.batch = batch_load(PG_GETARG_UUID_P(0));
	find_rows(&export);

	PG_ENSURE_ERROR_CLEANUP(csv_writer_abandon, PointerGetDatum(export.writer));
	{
		foreach_mapping(mapping, export.connector)
			if (in_batch(&export, mapping))
				write_mapping(&export, mapping);
		csv_writer_publish(export.writer);
	}
	PG_END_ENSURE_ERROR_CLEANUP(csv_writer_abandon, PointerGetDatum(export.writer));
	SPI_finish();
	PG_RETURN_VOID();
}
