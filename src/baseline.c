/*
 * baseline.c
 *		The source as it will be once the batches queued ahead are applied.
 *
 * The deltas of queued batches are read, newest first, then previous; of each
 * row only its digest and its place are kept, by compare.c, and of each key
 * only what was read first.
 */
#include "baseline.h"

#include "batch.h"
#include "catalog/pg_type.h"
#include "sql.h"
#include "stored_table.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

enum
{
	TABLE_PREVIOUS,
	TABLE_DELTA,
	TABLES
};

struct Baseline
{
	const Mapping *mapping;
	const DigestEpoch *epoch;
	List	   *queue;
	Snapshot	snapshot;
	StoredTable *tables[TABLES];

	SPIPlanPtr	queued_by_key;	/* prepared when first needed */
	SPIPlanPtr	previous_by_key;
};

Baseline *
baseline_open(const Mapping *mapping, const DigestEpoch *epoch, List *queue)
{
	Baseline   *baseline = palloc0(sizeof(Baseline));

	baseline->mapping = mapping;
	baseline->epoch = epoch;
	baseline->queue = queue;
	baseline->snapshot = RegisterSnapshot(GetLatestSnapshot());
	baseline->tables[TABLE_PREVIOUS] = stored_table_open(mapping, "syncup_previous");
	baseline->tables[TABLE_DELTA] = stored_table_open(mapping, "syncup_delta");
	return baseline;
}

void
baseline_close(Baseline *baseline)
{
	for (int i = 0; i < TABLES; i++)
		stored_table_close(baseline->tables[i]);
	UnregisterSnapshot(baseline->snapshot);
	pfree(baseline);
}

/* What rows of a table are given to. */
typedef struct Loading
{
	const Baseline *baseline;
	int			table;
	Comparison *comparison;
} Loading;

/* Gives a row of previous, or of a queued batch, to the comparison. */
static void
load_row(void *arg, StoredTable *table)
{
	Loading    *loading = arg;
	const DigestEpoch *epoch = loading->baseline->epoch;
	BaselinePlace place = {loading->table, table->slot->tts_tid};
	Digest		key;
	Digest		row;

	if (loading->table == TABLE_DELTA && !stored_command_is(table, "insert") &&
		!stored_command_is(table, "update") && !stored_command_is(table, "delete"))
		return;
	row = stored_fields_digest(table, epoch);
	if (loading->table == TABLE_DELTA || comparison_wants_keys(loading->comparison))
		key = loading->baseline->mapping->pairs ? row : stored_key_digest(table, epoch);
	if (loading->table == TABLE_PREVIOUS)
		comparison_add(loading->comparison, &key, &row, place);
	else
		comparison_add_newer(loading->comparison, &key,
							 stored_command_is(table, "delete") ? NULL : &row, place);
}

void
baseline_load(Baseline *baseline, Comparison *comparison)
{
	Loading		loading = {.baseline = baseline, .comparison = comparison};

	do
	{
		loading.table = TABLE_DELTA;
		for (int i = list_length(baseline->queue) - 1; i >= 0; i--)
			stored_table_scan(baseline->tables[TABLE_DELTA], baseline->snapshot,
							  &((Batch *) list_nth(baseline->queue, i))->id, load_row, &loading);
		loading.table = TABLE_PREVIOUS;
		stored_table_scan(baseline->tables[TABLE_PREVIOUS], baseline->snapshot, NULL, load_row, &loading);
	} while (!comparison_is_loaded(comparison));
}

bool
baseline_find_stored(Baseline *baseline, Datum key, Digest *row)
{
	StoredTable *previous = baseline->tables[TABLE_PREVIOUS];

	if (!stored_table_find(previous, baseline->snapshot, key))
		return false;
	*row = stored_fields_digest(previous, baseline->epoch);
	return true;
}

void
baseline_fetch(Baseline *baseline, BaselinePlace place, Digest *key,
			   Datum **values, bool **nulls)
{
	StoredTable *table = baseline->tables[place.table];

	stored_table_fetch(table, baseline->snapshot, &place.tid);
	*key = stored_key_digest(table, baseline->epoch);
	stored_fields(table);
	*values = table->values;
	*nulls = table->nulls;
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
	const char *same_hash = !mapping->pairs ? "true" :
		psprintf("%s = %s", pair_hash_sql(psprintf("d.%s", quote_identifier(mapping->columns[0].stored)),
										  psprintf("d.%s", quote_identifier(mapping->columns[1].stored))),
				 pair_hash_sql("$1", "$2"));

	baseline->queued_by_key =
		own_prepare(psprintf("SELECT %s, d.command = 'delete' FROM %s d JOIN syncup.batch b USING (batch)"
							 " WHERE (%s) = (%s) AND %s AND d.batch = ANY ($3) AND d.command IN ('insert', 'update', 'delete')"
							 " ORDER BY b.seq DESC LIMIT 1",
							 stored_columns(mapping, "d."), delta_table(mapping),
							 stored_key(mapping, "d."), same, same_hash),
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
		if (found > 0 && sql_bool(0, baseline->mapping->nstored + 1))
		{
			SPI_freetuptable(SPI_tuptable);
			return false;
		}
	}
	if (found == 0)
		found = own_execute(baseline->previous_by_key, arguments);
	for (int i = 0; i < n && found > 0; i++)
	{
		values[i] = sql_datum(0, baseline->mapping->columns[i].first + 1, &nulls[i]);
		if (!nulls[i])
			values[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[i]));
	}
	SPI_freetuptable(SPI_tuptable);
	return found > 0;
}
