/*
 * stored_table.c
 *		The rows of a mapping's previous or delta table, read.
 *
 * They are read as they lie: of most rows nothing but key and digest is
 * wanted, and both stand in front.
 */
#include "store/stored_table.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "tool/sql.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

StoredTable *
stored_table_open(const Mapping *mapping, const char *schema)
{
	StoredTable *table = palloc0(sizeof(StoredTable));
	Oid			oid = config_table(mapping, schema);

	table->mapping = mapping;
	table->relation = table_open(oid, AccessShareLock);
	table->slot = table_slot_create(table->relation, NULL);
	table->attnums = palloc(sizeof(AttrNumber) * mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		table->attnums[i] = get_attnum(oid, mapping->columns[i].stored);
		if (table->attnums[i] <= 0)
			elog(ERROR, "table %s has no column \"%s\"",
				 own_table(schema, mapping), mapping->columns[i].stored);
	}
	table->command = get_attnum(oid, "command");
	if (!mapping->association)
	{
		table->digest = get_attnum(oid, "digest");
		table->key_hash = get_attnum(oid, "key_hash");
		table->old_key = get_attnum(oid, "old_key");
		table->renamed = get_attnum(oid, "renamed");
	}
	table->row_context = AllocSetContextCreate(CurrentMemoryContext, "syncup stored row",
											   ALLOCSET_DEFAULT_SIZES);
	table->values = palloc(sizeof(Datum) * mapping->ncolumns);
	table->nulls = palloc(sizeof(bool) * mapping->ncolumns);
	row_bytes_init(&table->bytes);
	return table;
}

void
stored_table_close(StoredTable *table)
{
	ExecDropSingleTupleTableSlot(table->slot);
	if (table->key_scan != NULL)
	{
		index_endscan(table->key_scan);
		index_close(table->key_index, NoLock);
	}
	if (table->hash_scan != NULL)
	{
		index_endscan(table->hash_scan);
		index_close(table->hash_index, NoLock);
	}
	table_close(table->relation, NoLock);
	MemoryContextDelete(table->row_context);
}

double
stored_table_estimate(StoredTable *table)
{
	BlockNumber pages;
	double		tuples;
	double		all_visible;

	table_relation_estimate_size(table->relation, NULL, &pages, &tuples, &all_visible);
	return tuples;
}

void
stored_table_scan(StoredTable *table, Snapshot snapshot, const pg_uuid_t *batch,
				  void (*visit) (void *arg, StoredTable *table), void *arg)
{
	MemoryContext before;
	TableScanDesc scan;
	ScanKeyData only_batch;
	int64		rows = 0;

	if (batch != NULL)
		ScanKeyInit(&only_batch, 1, BTEqualStrategyNumber, F_UUID_EQ, UUIDPGetDatum(batch));
	scan = table_beginscan(table->relation, snapshot, batch != NULL, &only_batch);
	before = MemoryContextSwitchTo(table->row_context);
	while (table_scan_getnextslot(scan, ForwardScanDirection, table->slot))
	{
		visit(arg, table);
		if ((++rows & 255) == 0)
			CHECK_FOR_INTERRUPTS();
		free_row_memory(table->row_context, rows);
	}
	MemoryContextSwitchTo(before);
	table_endscan(scan);
	MemoryContextReset(table->row_context);
}

void
delta_scan(const Mapping *mapping, const pg_uuid_t *batch,
		   void (*visit) (void *arg, StoredTable *table), void *arg)
{
	StoredTable *delta = stored_table_open(mapping, "syncup_delta");
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	stored_table_scan(delta, snapshot, batch, visit, arg);
	UnregisterSnapshot(snapshot);
	stored_table_close(delta);
}

void
stored_table_fetch(StoredTable *table, Snapshot snapshot, ItemPointer tid)
{
	MemoryContextReset(table->row_context);
	if (!table_tuple_fetch_row_version(table->relation, tid, snapshot, table->slot))
		elog(ERROR, "a stored row of mapping \"%s\" is gone", table->mapping->name);
}

bool
stored_table_find(StoredTable *table, Snapshot snapshot, Datum key)
{
	/* What the scan keeps lives as long as the scan. */
	MemoryContext before = MemoryContextSwitchTo(GetMemoryChunkContext(table));
	ScanKeyData same;
	bool		found;

	MemoryContextReset(table->row_context);
	if (table->key_scan == NULL)
	{
		list_free(RelationGetIndexList(table->relation));
		table->key_index = index_open(table->relation->rd_pkindex, AccessShareLock);
		table->key_scan = begin_index_scan(table->relation, table->key_index, snapshot, 1);
	}
	ScanKeyEntryInitialize(&same, 0, 1, BTEqualStrategyNumber, TEXTOID, C_COLLATION_OID,
						   F_TEXTEQ, key);
	index_rescan(table->key_scan, &same, 1, NULL, 0);
	found = index_getnext_slot(table->key_scan, ForwardScanDirection, table->slot);
	MemoryContextSwitchTo(before);
	return found;
}

/* The index of "key_hash". */
static Oid
hash_index(StoredTable *table)
{
	List	   *indexes = RelationGetIndexList(table->relation);
	Oid			found = InvalidOid;

	foreach_oid(oid, indexes)
	{
		Relation	index = index_open(oid, AccessShareLock);

		if (index->rd_index->indkey.values[0] == table->key_hash)
			found = oid;
		index_close(index, NoLock);
	}
	list_free(indexes);
	if (!OidIsValid(found))
		elog(ERROR, "table of mapping \"%s\" has no index of \"key_hash\"", table->mapping->name);
	return found;
}

bool
stored_table_find_hash(StoredTable *table, Snapshot snapshot, int64 hash,
					   bool (*visit) (void *arg, StoredTable *table), void *arg)
{
	MemoryContext before = MemoryContextSwitchTo(GetMemoryChunkContext(table));
	ScanKeyData same;
	bool		found = false;

	if (table->hash_scan == NULL)
	{
		table->hash_index = index_open(hash_index(table), AccessShareLock);
		table->hash_scan = begin_index_scan(table->relation, table->hash_index, snapshot, 1);
	}
	ScanKeyInit(&same, 1, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(hash));
	index_rescan(table->hash_scan, &same, 1, NULL, 0);
	while (!found && index_getnext_slot(table->hash_scan, ForwardScanDirection, table->slot))
	{
		MemoryContextSwitchTo(before);
		found = visit(arg, table);
		MemoryContextSwitchTo(GetMemoryChunkContext(table));
	}
	MemoryContextSwitchTo(before);
	return found;
}

bool
stored_command_is(StoredTable *table, const char *command)
{
	bool		isnull;
	text	   *word = DatumGetTextPP(slot_getattr(table->slot, table->command, &isnull));

	return VARSIZE_ANY_EXHDR(word) == strlen(command) &&
		memcmp(VARDATA_ANY(word), command, strlen(command)) == 0;
}

void
stored_fields(StoredTable *table)
{
	MemoryContext before = MemoryContextSwitchTo(table->row_context);

	slot_getallattrs(table->slot);
	for (int i = 0; i < table->mapping->ncolumns; i++)
	{
		int			attribute = table->attnums[i] - 1;

		table->nulls[i] = table->slot->tts_isnull[attribute];
		table->values[i] = table->nulls[i] ? (Datum) 0 :
			PointerGetDatum(PG_DETOAST_DATUM_PACKED(table->slot->tts_values[attribute]));
	}
	MemoryContextSwitchTo(before);
}

Datum
stored_field(StoredTable *table, int column, bool *isnull)
{
	Datum		field = slot_getattr(table->slot, table->attnums[column], isnull);

	return *isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_PACKED(field));
}

Digest
stored_key_digest(StoredTable *table, const DigestEpoch *epoch)
{
	bool		isnull;
	struct varlena *key;

	/* Of pairs the whole row is the key. */
	if (is_pair_key(table->mapping))
		return stored_fields_digest(table, epoch);
	key = (struct varlena *) DatumGetPointer(stored_field(table, table->mapping->key, &isnull));
	return digest_bytes(&epoch->key, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
}

/* A field that not every table has. */
static Datum
optional_field(StoredTable *table, AttrNumber attribute, bool *isnull)
{
	Datum		value;

	*isnull = true;
	if (attribute == InvalidAttrNumber)
		return (Datum) 0;
	value = slot_getattr(table->slot, attribute, isnull);
	return *isnull ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_PACKED(value));
}

Datum
stored_old_key(StoredTable *table, bool *isnull)
{
	return optional_field(table, table->old_key, isnull);
}

Datum
stored_renamed(StoredTable *table, bool *isnull)
{
	return optional_field(table, table->renamed, isnull);
}

bool
stored_old_key_digest(StoredTable *table, const DigestEpoch *epoch, Digest *digest)
{
	bool		isnull;
	struct varlena *key = (struct varlena *) DatumGetPointer(stored_old_key(table, &isnull));

	if (!isnull)
		*digest = digest_bytes(&epoch->key, VARDATA_ANY(key), VARSIZE_ANY_EXHDR(key));
	return !isnull;
}

bool
stored_row_digest(StoredTable *table, const DigestEpoch *epoch, RowDigest *digest)
{
	bool		isnull;
	Datum		value;

	if (table->digest == InvalidAttrNumber)
		return false;
	value = slot_getattr(table->slot, table->digest, &isnull);
	return !isnull && row_digest_read(digest, epoch, value);
}

Digest
stored_fields_digest(StoredTable *table, const DigestEpoch *epoch)
{
	RowDigest	kept;

	if (stored_row_digest(table, epoch, &kept))
		return kept.row;
	stored_fields(table);
	row_bytes_reset(&table->bytes);
	for (int i = 0; i < table->mapping->ncolumns; i++)
		if (!is_made_column(table->mapping, i))
			row_bytes_add_stored(&table->bytes, table->values[i], table->nulls[i]);
	return row_bytes_digest(&table->bytes, &epoch->key);
}
