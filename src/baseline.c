/*
 * baseline.c
 *		The source as it will be once the batches queued ahead are applied.
 *
 * Previous is scanned once; of each row only its digests and its place are
 * kept, by compare.c.  The deltas of queued batches, oldest first, then
 * overwrite what they change.
 */
#include "baseline.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "batch.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/array.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* A table that holds rows of the baseline. */
typedef struct StoredTable
{
	Relation	relation;
	AttrNumber *attnums;		/* of the mapping's stored columns */
	AttrNumber	command;		/* of the column "command"; delta only */
	TupleTableSlot *slot;
} StoredTable;

enum
{
	TABLE_PREVIOUS,
	TABLE_DELTA,
	TABLES
};

struct Baseline
{
	const Mapping *mapping;
	List	   *queue;
	Snapshot	snapshot;
	StoredTable tables[TABLES];
	RowBytes	bytes;
	Datum	   *values;
	bool	   *nulls;
	MemoryContext row_context;

	SPIPlanPtr	queued_by_key;	/* prepared when first needed */
	SPIPlanPtr	previous_by_key;
};

/* Opens one of the tables. */
static void
open_table(Baseline *baseline, int number, const char *schema)
{
	StoredTable *table = &baseline->tables[number];
	const Mapping *mapping = baseline->mapping;
	Oid			oid = config_table(mapping, schema);

	table->relation = table_open(oid, AccessShareLock);
	table->attnums = palloc(sizeof(AttrNumber) * mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		table->attnums[i] = get_attnum(oid, mapping->columns[i].stored);
		if (table->attnums[i] <= 0)
			elog(ERROR, "table %s has no column \"%s\"",
				 own_table(schema, mapping), mapping->columns[i].stored);
	}
	table->command = get_attnum(oid, "command");
	table->slot = table_slot_create(table->relation, NULL);
}

Baseline *
baseline_open(const Mapping *mapping, List *queue)
{
	Baseline   *baseline = palloc0(sizeof(Baseline));

	baseline->mapping = mapping;
	baseline->queue = queue;
	baseline->snapshot = RegisterSnapshot(GetLatestSnapshot());
	open_table(baseline, TABLE_PREVIOUS, "syncup_previous");
	open_table(baseline, TABLE_DELTA, "syncup_delta");
	row_bytes_init(&baseline->bytes);
	baseline->values = palloc(sizeof(Datum) * mapping->ncolumns);
	baseline->nulls = palloc(sizeof(bool) * mapping->ncolumns);
	baseline->row_context = AllocSetContextCreate(CurrentMemoryContext, "syncup baseline row",
												  ALLOCSET_DEFAULT_SIZES);
	return baseline;
}

void
baseline_close(Baseline *baseline)
{
	for (int i = 0; i < TABLES; i++)
	{
		ExecDropSingleTupleTableSlot(baseline->tables[i].slot);
		table_close(baseline->tables[i].relation, NoLock);
	}
	UnregisterSnapshot(baseline->snapshot);
	MemoryContextDelete(baseline->row_context);
	pfree(baseline);
}

/* Takes the stored fields out of the table's slot. */
static void
deform(Baseline *baseline, StoredTable *table)
{
	slot_getallattrs(table->slot);
	for (int i = 0; i < baseline->mapping->ncolumns; i++)
	{
		int			attribute = table->attnums[i] - 1;

		baseline->nulls[i] = table->slot->tts_isnull[attribute];
		baseline->values[i] = baseline->nulls[i] ? (Datum) 0 :
			PointerGetDatum(PG_DETOAST_DATUM_PACKED(table->slot->tts_values[attribute]));
	}
}

/* The digests of the fields taken out last. */
static void
take_digests(Baseline *baseline, const DigestKey *digest_key, Digest *key, Digest *row)
{
	int			key_column = baseline->mapping->key;

	/* Of pairs the whole row is the key. */
	row_bytes_reset(&baseline->bytes);
	for (int i = 0; i < baseline->mapping->ncolumns; i++)
	{
		if (baseline->nulls[i])
			row_bytes_add(&baseline->bytes, NULL, 0);
		else
			row_bytes_add(&baseline->bytes, VARDATA_ANY(DatumGetPointer(baseline->values[i])),
						  VARSIZE_ANY_EXHDR(DatumGetPointer(baseline->values[i])));
	}
	*row = digest_bytes(digest_key, baseline->bytes.data, baseline->bytes.length);
	*key = baseline->mapping->pairs ? *row : digest_bytes(digest_key, VARDATA_ANY(DatumGetPointer(baseline->values[key_column])),
						VARSIZE_ANY_EXHDR(DatumGetPointer(baseline->values[key_column])));
}

/* Whether the delta row at hand has this command. */
static bool
has_command(StoredTable *table, const char *command)
{
	bool		isnull;
	text	   *word = DatumGetTextPP(slot_getattr(table->slot, table->command, &isnull));

	return VARSIZE_ANY_EXHDR(word) == strlen(command) &&
		memcmp(VARDATA_ANY(word), command, strlen(command)) == 0;
}

/* Scans a table, or one batch of it, into the comparison. */
static void
load_table(Baseline *baseline, int number, const pg_uuid_t *batch, Comparison *comparison)
{
	StoredTable *table = &baseline->tables[number];
	const DigestKey *digest_key = comparison_key(comparison);
	MemoryContext before;
	TableScanDesc scan;
	ScanKeyData only_batch;
	int64		rows = 0;

	if (batch != NULL)
		ScanKeyInit(&only_batch, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(batch));
	scan = table_beginscan(table->relation, baseline->snapshot, batch != NULL, &only_batch);
	before = MemoryContextSwitchTo(baseline->row_context);
	while (table_scan_getnextslot(scan, ForwardScanDirection, table->slot))
	{
		BaselinePlace place = {number, table->slot->tts_tid};
		Digest		key;
		Digest		row;

		deform(baseline, table);
		take_digests(baseline, digest_key, &key, &row);
		if (batch != NULL && has_command(table, "delete"))
			comparison_remove(comparison, &key);
		else if (batch == NULL || has_command(table, "insert") || has_command(table, "update"))
			comparison_add(comparison, &key, &row, place);
		if ((++rows & 1023) == 0)
		{
			CHECK_FOR_INTERRUPTS();
			MemoryContextReset(baseline->row_context);
		}
	}
	MemoryContextSwitchTo(before);
	table_endscan(scan);
	MemoryContextReset(baseline->row_context);
}

void
baseline_load(Baseline *baseline, Comparison *comparison)
{
	ListCell   *cell;

	load_table(baseline, TABLE_PREVIOUS, NULL, comparison);
	foreach(cell, baseline->queue)
		load_table(baseline, TABLE_DELTA, &((Batch *) lfirst(cell))->id, comparison);
}

void
baseline_fetch(Baseline *baseline, BaselinePlace place, Datum **values, bool **nulls)
{
	StoredTable *table = &baseline->tables[place.table];
	MemoryContext before;

	if (!table_tuple_fetch_row_version(table->relation, &place.tid,
									   baseline->snapshot, table->slot))
		elog(ERROR, "a stored row of mapping \"%s\" is gone", baseline->mapping->name);
	MemoryContextReset(baseline->row_context);
	before = MemoryContextSwitchTo(baseline->row_context);
	deform(baseline, table);
	MemoryContextSwitchTo(before);
	*values = baseline->values;
	*nulls = baseline->nulls;
}

/* The batches of the queue as an array of uuid. */
static ArrayType *
queue_array(Baseline *baseline)
{
	Datum	   *ids = palloc(sizeof(Datum) * (list_length(baseline->queue) + 1));
	int			n = 0;
	ListCell   *cell;

	foreach(cell, baseline->queue)
		ids[n++] = UUIDPGetDatum(&((Batch *) lfirst(cell))->id);
	return construct_array(ids, n, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR);
}

/* Prepares the two look-ups by key. */
static void
prepare_lookups(Baseline *baseline)
{
	const Mapping *mapping = baseline->mapping;
	const char *same = mapping->pairs ? "$1, $2" : "$1";

	baseline->queued_by_key =
		own_prepare(psprintf("SELECT %s, d.command = 'delete' FROM %s d JOIN syncup.batch b USING (batch)"
							 " WHERE (%s) = (%s) AND d.batch = ANY ($3) AND d.command IN ('insert', 'update', 'delete')"
							 " ORDER BY b.seq DESC LIMIT 1",
							 stored_columns(mapping, "d."), delta_table(mapping),
							 stored_key(mapping, "d."), same),
					3, (Oid[]) {TEXTOID, TEXTOID, UUIDARRAYOID});
	baseline->previous_by_key =
		own_prepare(psprintf("SELECT %s, false FROM %s p WHERE (%s) = (%s)",
							 stored_columns(mapping, "p."), previous_table(mapping),
							 stored_key(mapping, "p."), same),
					2, (Oid[]) {TEXTOID, TEXTOID});
}

bool
baseline_lookup(Baseline *baseline, const Datum *key, Datum *values, bool *nulls)
{
	int			n = baseline->mapping->ncolumns;
	Datum		arguments[3] = {key[0], key[1]};
	uint64		found = 0;

	if (baseline->previous_by_key == NULL)
		prepare_lookups(baseline);
	if (baseline->queue != NIL)
	{
		arguments[2] = PointerGetDatum(queue_array(baseline));
		found = own_execute(baseline->queued_by_key, arguments);
		if (found > 0 && sql_bool(0, n + 1))
		{
			SPI_freetuptable(SPI_tuptable);
			return false;
		}
	}
	if (found == 0)
		found = own_execute(baseline->previous_by_key, arguments);
	for (int i = 0; i < n && found > 0; i++)
	{
		values[i] = sql_datum(0, i + 1, &nulls[i]);
		if (!nulls[i])
			values[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[i]));
	}
	SPI_freetuptable(SPI_tuptable);
	return found > 0;
}
