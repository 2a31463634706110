/*
 * delta.c
 *		The rows that a batch changes in previous, as text: syncup_delta.
 */
#include "store/delta.h"

#include "tool/plans.h"
#include "store/spelling.h"
#include "tool/sql.h"
#include "store/stored_table.h"
#include "store/table_writer.h"
#include "tool/rows.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"

struct DeltaWriter
{
	const Mapping *mapping;
	pg_uuid_t	batch;
	TableWriter *writer;
	const DigestEpoch *epoch;	/* NULL: no digests */
	Spellings  *spellings;		/* of pairs; NULL: none matter */
	int			digest;			/* the attribute of column "digest", from 0 */
	int			old_key;		/* of the columns of that name, from 0 */
	int			key_hash;
	Datum		next_old_key;	/* of the next row; 0: null */
	int64		next_key_hash;
	bool		has_key_hash;
	int		   *attributes;		/* of the stored columns, from 0 */
	RowBytes	bytes;
	Datum		commands[COMMAND_FOUND + 1];
};

/* The columns of a delta table before the stored ones. */
enum
{
	DELTA_BATCH, DELTA_COMMAND
};

DeltaWriter *
delta_open(const Mapping *mapping, const pg_uuid_t *batch, const DigestEpoch *epoch)
{
	DeltaWriter *writer = palloc0(sizeof(DeltaWriter));
	Oid			table = config_table(mapping, "syncup_delta");

	writer->mapping = mapping;
	writer->batch = *batch;
	writer->epoch = mapping->association ? NULL : epoch;
	writer->spellings = mapping->association && epoch != NULL ? spellings_begin(mapping) : NULL;
	writer->digest = get_attnum(table, "digest") - 1;
	writer->old_key = get_attnum(table, "old_key") - 1;
	writer->key_hash = get_attnum(table, "key_hash") - 1;
	row_bytes_init(&writer->bytes);
	writer->attributes = palloc(sizeof(int) * mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
		writer->attributes[i] = get_attnum(table, mapping->columns[i].stored) - 1;
	for (int i = COMMAND_INSERT; i <= COMMAND_FOUND; i++)
		writer->commands[i] = CStringGetTextDatum(change_command_name(i));
	writer->writer = table_writer_open(table, true);
	return writer;
}

void
delta_key_spelling(DeltaWriter *writer, Datum old_key, const int64 *key_hash)
{
	writer->next_old_key = old_key;
	writer->has_key_hash = key_hash != NULL;
	writer->next_key_hash = key_hash != NULL ? *key_hash : 0;
}

/* Adds what was said of the spelling of the row's key. */
static void
add_key_spelling(DeltaWriter *writer, TupleTableSlot *slot)
{
	if (writer->next_old_key != (Datum) 0)
	{
		MemoryContext before = MemoryContextSwitchTo(table_writer_memory(writer->writer));

		slot->tts_values[writer->old_key] = datumCopy(writer->next_old_key, false, -1);
		slot->tts_isnull[writer->old_key] = false;
		MemoryContextSwitchTo(before);
	}
	if (writer->has_key_hash)
	{
		slot->tts_values[writer->key_hash] = Int64GetDatum(writer->next_key_hash);
		slot->tts_isnull[writer->key_hash] = false;
	}
	delta_key_spelling(writer, (Datum) 0, NULL);
}

/* The slot of a new row with everything but the stored fields. */
static TupleTableSlot *
begin_row(DeltaWriter *writer, ChangeCommand command)
{
	TupleTableSlot *slot = table_writer_slot(writer->writer);

	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	slot->tts_values[DELTA_BATCH] = UUIDPGetDatum(&writer->batch);
	slot->tts_isnull[DELTA_BATCH] = false;
	slot->tts_values[DELTA_COMMAND] = writer->commands[command];
	slot->tts_isnull[DELTA_COMMAND] = false;
	add_key_spelling(writer, slot);
	return slot;
}

/* Adds the digests of a row that previous will have. */
static void
add_digest(DeltaWriter *writer, TupleTableSlot *slot, const Digest *values)
{
	RowDigest	digest = {.epoch = writer->epoch->epoch};

	row_bytes_reset(&writer->bytes);
	for (int i = 0; i < writer->mapping->ncolumns; i++)
	{
		int			attribute = writer->attributes[i];

		if (!is_made_column(writer->mapping, i))
			row_bytes_add_stored(&writer->bytes, slot->tts_values[attribute], slot->tts_isnull[attribute]);
	}
	digest.row = row_bytes_digest(&writer->bytes, &writer->epoch->key);
	/* In another time zone than the mapping's own the values were others. */
	if (values != NULL && !writer->mapping->state.called_timezone)
		digest.values = *values;
	slot->tts_values[writer->digest] = row_digest_datum(&digest);
	slot->tts_isnull[writer->digest] = false;
}

/* Sends the row in the slot on its way, with its digests. */
static void
put_row(DeltaWriter *writer, TupleTableSlot *slot, ChangeCommand command,
		const Digest *values, size_t size)
{
	if (writer->epoch != NULL && (command == COMMAND_INSERT || command == COMMAND_UPDATE))
	{
		MemoryContext before = MemoryContextSwitchTo(table_writer_memory(writer->writer));

		add_digest(writer, slot, values);
		MemoryContextSwitchTo(before);
	}
	table_writer_put(writer->writer, size + 32 + sizeof(RowDigest));
}

/* Notes how the values of a pair in the slot are written. */
static void
note_spellings(DeltaWriter *writer, TupleTableSlot *slot, ChangeCommand command)
{
	if (writer->spellings == NULL || (command != COMMAND_INSERT && command != COMMAND_UPDATE))
		return;
	for (int i = 0; i < 2; i++)
	{
		text	   *value = DatumGetTextPP(slot->tts_values[writer->attributes[i]]);

		spellings_note(writer->spellings, i, VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
	}
}

void
delta_write(DeltaWriter *writer, ChangeCommand command,
			const char *const *fields, const size_t *lengths, const Digest *values)
{
	TupleTableSlot *slot = begin_row(writer, command);
	MemoryContext before = MemoryContextSwitchTo(table_writer_memory(writer->writer));
	size_t		size = 0;

	for (int i = 0; i < writer->mapping->ncolumns; i++)
	{
		int			attribute = writer->attributes[i];

		slot->tts_isnull[attribute] = fields[i] == NULL;
		if (fields[i] == NULL)
			continue;
		slot->tts_values[attribute] =
			PointerGetDatum(cstring_to_text_with_len(fields[i], lengths[i]));
		size += lengths[i];
	}
	MemoryContextSwitchTo(before);
	note_spellings(writer, slot, command);
	put_row(writer, slot, command, values, size);
}

void
delta_write_stored(DeltaWriter *writer, ChangeCommand command,
				   const Datum *fields, const bool *nulls, const Digest *values)
{
	TupleTableSlot *slot = begin_row(writer, command);
	MemoryContext before = MemoryContextSwitchTo(table_writer_memory(writer->writer));
	size_t		size = 0;

	for (int i = 0; i < writer->mapping->ncolumns; i++)
	{
		int			attribute = writer->attributes[i];

		slot->tts_isnull[attribute] = nulls[i];
		if (nulls[i])
			continue;
		slot->tts_values[attribute] = datumCopy(fields[i], false, -1);
		size += VARSIZE_ANY(DatumGetPointer(fields[i]));
	}
	MemoryContextSwitchTo(before);
	note_spellings(writer, slot, command);
	put_row(writer, slot, command, values, size);
}

void
delta_close(DeltaWriter *writer)
{
	table_writer_close(writer->writer);
	spellings_remember(writer->spellings);
	pfree(writer);
}

/* The columns that previous and delta have in common. */
static char *
common_columns(const Mapping *mapping, const char *prefix)
{
	if (mapping->association)
		return stored_columns(mapping, prefix);
	return psprintf("%sdigest, %skey_hash, %s", prefix, prefix, stored_columns(mapping, prefix));
}

/* The same of a delta, and what its keys were before. */
static char *
delta_columns(const Mapping *mapping, const char *prefix)
{
	if (mapping->association)
		return common_columns(mapping, prefix);
	return psprintf("%s, %sold_key", common_columns(mapping, prefix), prefix);
}

/*
 * The rows of a command of the batch, as "syncup_command": gathered first, so
 * that the planner knows how many they are.  It has no fresh statistics of
 * deltas.
 */
static TypedRows *
gather_command(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	return typed_rows_gather("syncup_command",
							 own_cursor(psprintf("SELECT %s FROM %s d WHERE d.batch = $1 AND d.command = $2",
												 delta_columns(mapping, "d."), delta_table(mapping)),
										SQL_ARGS(SQL_UUID(batch), SQL_TEXT(command))));
}

/* Whether so many rows are to be looked up in previous by its key (plans.h). */
static bool
few_in_previous(const Mapping *mapping, int64 rows)
{
	const char *columns[2];
	int			ncolumns = 0;

	for (int i = 0; i < mapping->ncolumns && ncolumns < 2; i++)
		if (is_key_column(mapping, i))
			columns[ncolumns++] = mapping->columns[i].stored;
	return plan_few(config_table(mapping, "syncup_previous"), columns, ncolumns, rows);
}

/* Deletes the rows of previous whose key a command of the batch names. */
static void
delete_previous(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	TypedRows  *rows = gather_command(mapping, batch, command);

	if (rows->count > 0)
		own_sql_planned(psprintf("DELETE FROM %s p USING syncup_command d WHERE %s",
								 previous_table(mapping), changes_stored_row(mapping, "d", "p")),
						few_in_previous(mapping, rows->count), SQL_NO_ARGS);
	typed_rows_forget(rows);
}

/* Gives rows of previous the values that a command of the batch has. */
static void
update_previous(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	TypedRows  *rows = gather_command(mapping, batch, command);
	StringInfoData set;

	initStringInfo(&set);
	if (!mapping->association)
		appendStringInfoString(&set, "digest = d.digest, key_hash = d.key_hash");
	for (int i = 0; i < mapping->nstored; i++)
	{
		const char *column = quote_identifier(mapping->columns[i].stored);

		/* The key of an entity type may have another spelling. */
		if (!mapping->association || !is_key_column(mapping, i))
			appendStringInfo(&set, "%s%s = d.%s", set.len ? ", " : "", column, column);
	}
	if (set.len > 0 && rows->count > 0)
		own_sql_planned(psprintf("UPDATE %s p SET %s FROM syncup_command d WHERE %s",
								 previous_table(mapping), set.data, changes_stored_row(mapping, "d", "p")),
						few_in_previous(mapping, rows->count), SQL_NO_ARGS);
	typed_rows_forget(rows);
}

/* What rows of the delta are copied to. */
typedef struct Copying
{
	const char *command;
	TableWriter *previous;
	int		   *attributes;		/* of the stored columns there, from 0 */
	int			digest;
	int			key_hash;
} Copying;

/* Copies a row of the delta to previous as it is. */
static void
copy_row(void *arg, StoredTable *delta)
{
	Copying    *copying = arg;
	TupleTableSlot *slot;
	MemoryContext before;
	size_t		size = 32 + sizeof(RowDigest);

	if (!stored_command_is(delta, copying->command))
		return;
	stored_fields(delta);
	slot = table_writer_slot(copying->previous);
	before = MemoryContextSwitchTo(table_writer_memory(copying->previous));
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	for (int i = 0; i < delta->mapping->ncolumns; i++)
	{
		if (delta->nulls[i])
			continue;
		slot->tts_values[copying->attributes[i]] = datumCopy(delta->values[i], false, -1);
		slot->tts_isnull[copying->attributes[i]] = false;
		size += VARSIZE_ANY(DatumGetPointer(delta->values[i]));
	}
	if (delta->digest != InvalidAttrNumber && !delta->slot->tts_isnull[delta->digest - 1])
	{
		slot->tts_values[copying->digest] = datumCopy(delta->slot->tts_values[delta->digest - 1], false, -1);
		slot->tts_isnull[copying->digest] = false;
	}
	if (delta->key_hash != InvalidAttrNumber && !delta->slot->tts_isnull[delta->key_hash - 1])
	{
		slot->tts_values[copying->key_hash] = delta->slot->tts_values[delta->key_hash - 1];
		slot->tts_isnull[copying->key_hash] = false;
	}
	MemoryContextSwitchTo(before);
	table_writer_put(copying->previous, size);
}

/*
 * Inserts the rows that a command of the batch has into previous, in the order
 * in which they came.
 */
static void
insert_previous(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	Oid			table = config_table(mapping, "syncup_previous");
	Copying		copying = {.command = command};

	copying.attributes = palloc(sizeof(int) * mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
		copying.attributes[i] = get_attnum(table, mapping->columns[i].stored) - 1;
	copying.digest = get_attnum(table, "digest") - 1;
	copying.key_hash = get_attnum(table, "key_hash") - 1;
	copying.previous = table_writer_open(table, true);
	delta_scan(mapping, batch, copy_row, &copying);
	table_writer_close(copying.previous);
}

void
delta_apply_to_previous(const Mapping *mapping, const pg_uuid_t *batch, bool initial)
{
	if (!initial)
	{
		delete_previous(mapping, batch, "delete");
		update_previous(mapping, batch, "update");
	}
	insert_previous(mapping, batch, "insert");
}

void
delta_keep_before(const Mapping *mapping, const pg_uuid_t *batch)
{
	TypedRows  *rows = gather_command(mapping, batch, "update");

	if (rows->count > 0)
		own_sql_planned(psprintf("INSERT INTO %s (batch, command, %s) SELECT $1, 'before', %s%s FROM %s p JOIN syncup_command d ON %s",
								 delta_table(mapping), delta_columns(mapping, ""), common_columns(mapping, "p."),
								 mapping->association ? "" :
								 psprintf(", CASE WHEN d.old_key IS NOT NULL THEN %s END", stored_key(mapping, "d.")),
								 previous_table(mapping), changes_stored_row(mapping, "d", "p")),
						few_in_previous(mapping, rows->count), SQL_ARGS(SQL_UUID(batch)));
	typed_rows_forget(rows);
}

int64
delta_changed_since(const Mapping *mapping, const pg_uuid_t *batch, StringInfo keys, int most)
{
	uint64		count = own_sql(psprintf("SELECT concat_ws(' -> ', %s) FROM %s d LEFT JOIN %s p ON %s WHERE d.batch = $1"
										 " AND CASE WHEN d.command = 'delete' THEN p.%s IS NOT NULL"
										 " WHEN d.command IN ('insert', 'update') THEN ROW(%s) IS DISTINCT FROM ROW(%s)"
										 " ELSE false END ORDER BY %s",
										 stored_key(mapping, "d."), delta_table(mapping), previous_table(mapping),
										 same_stored_key(mapping, "p", "d"),
										 quote_identifier(mapping->columns[mapping->key].stored), stored_columns(mapping, "d."),
										 stored_columns(mapping, "p."), stored_key(mapping, "d.")),
								SQL_ARGS(SQL_UUID(batch)));

	for (uint64 row = 0; row < count && row < most; row++)
		appendStringInfo(keys, "%s%s", keys->len ? ", " : "", sql_text(row, 1));
	return count;
}

void
delta_take_back(const Mapping *mapping, const pg_uuid_t *batch)
{
	delete_previous(mapping, batch, "insert");
	update_previous(mapping, batch, "before");
	insert_previous(mapping, batch, "delete");
}
