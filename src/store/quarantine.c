/*
 * quarantine.c
 *		Source rows set aside, with the reason: syncup.quarantine.
 */
#include "store/quarantine.h"

#include "catalog/namespace.h"
#include "csv/condition.h"
#include "store/table_writer.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

struct Quarantine
{
	pg_uuid_t	batch;
	TableWriter *writer;
	const Mapping *mapping;		/* of the row set aside last, and where it began: its */
	char	   *path;			/* bytes are kept once, however many pairs it has */
	int64		line;
};

/* The columns of syncup.quarantine, in order. */
enum
{
	Q_BATCH, Q_CONNECTOR, Q_MAPPING, Q_FILE, Q_LINE, Q_REASON, Q_KEY, Q_MESSAGE, Q_RAW
};

Quarantine *
quarantine_open(const pg_uuid_t *batch)
{
	Quarantine *quarantine = palloc0(sizeof(Quarantine));

	quarantine->batch = *batch;
	quarantine->writer = table_writer_open(get_relname_relid("quarantine",
															 get_namespace_oid("syncup", false)), false);
	return quarantine;
}

/* Puts a text, or null, into a slot. */
static void
set_text(TupleTableSlot *slot, int column, const char *value)
{
	slot->tts_isnull[column] = value == NULL;
	slot->tts_values[column] = value ? CStringGetTextDatum(value) : (Datum) 0;
}

void
quarantine_text(Quarantine *quarantine, const Mapping *mapping, const char *file,
				int64 line, const char *raw, const char *reason, const char *key,
				const char *message)
{
	TupleTableSlot *slot = table_writer_slot(quarantine->writer);
	MemoryContext before = MemoryContextSwitchTo(table_writer_memory(quarantine->writer));

	slot->tts_values[Q_BATCH] = UUIDPGetDatum(&quarantine->batch);
	slot->tts_isnull[Q_BATCH] = false;
	set_text(slot, Q_CONNECTOR, mapping->connector->name);
	set_text(slot, Q_MAPPING, mapping->name);
	set_text(slot, Q_FILE, file);
	slot->tts_values[Q_LINE] = Int64GetDatum(line);
	slot->tts_isnull[Q_LINE] = line == 0;
	set_text(slot, Q_REASON, reason);
	set_text(slot, Q_KEY, key);
	set_text(slot, Q_MESSAGE, message);
	set_text(slot, Q_RAW, raw);
	MemoryContextSwitchTo(before);
	table_writer_put(quarantine->writer, (raw ? strlen(raw) : 0) + 200);
}

void
quarantine_row(Quarantine *quarantine, const Mapping *mapping, Reader *reader,
			   const char *reason, const char *key, const char *message)
{
	const char *path = reader_path(reader);
	int64		line = reader_line(reader);
	bool		again = quarantine->mapping == mapping && quarantine->line == line && strcmp(quarantine->path, path) == 0;

	quarantine_text(quarantine, mapping, path, line, again ? NULL : reader_raw(reader),
					reason, key, message);
	if (quarantine->path == NULL || strcmp(quarantine->path, path) != 0)
		quarantine->path = MemoryContextStrdup(GetMemoryChunkContext(quarantine), path);
	quarantine->mapping = mapping;
	quarantine->line = line;
}

void
quarantine_check_limit(const Options *options, const PrepareCounter *counter, const char *message)
{
	static const char *const rows[REJECT_LIMITS] = {
		[LIMIT_ALL] = "rows set aside", [LIMIT_REJECTED] = "rejected rows",
		[LIMIT_DUPLICATES] = "duplicates with other contents", [LIMIT_NULL_KEYS] = "rows without a key"
	};
	int64		counts[REJECT_LIMITS] = {
		[LIMIT_ALL] = counter->set_aside, [LIMIT_REJECTED] = counter->rejected,
		[LIMIT_DUPLICATES] = counter->set_aside - counter->rejected - counter->null_keys,
		[LIMIT_NULL_KEYS] = counter->null_keys
	};

	for (int i = 0; i < REJECT_LIMITS; i++)
		if (options->reject_limit[i] >= 0 && counts[i] > options->reject_limit[i])
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("more than %lld %s (option \"reject_limit\")",
							(long long) options->reject_limit[i], rows[i]),
					 errdetail("The last one: %s.", message),
					 strncmp(message, WHERE_REASON, strlen(WHERE_REASON)) != 0 ? 0 :
					 errdetail_log("The last one was told to the client.")));
}

void
quarantine_close(Quarantine *quarantine)
{
	table_writer_close(quarantine->writer);
	pfree(quarantine);
}
