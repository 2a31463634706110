/*
 * found_changes.c
 *		The changes that were found for a mapping: rows of its change table.
 *
 * Most batches are applied as soon as their changes are found, in the same
 * transaction.  Then nobody could ever see them in the table, and they are kept
 * at hand instead: in memory, and in a temporary file where they are many.  Only
 * what is blocked, or to be kept, is written to the table.
 */
#include "target/found_changes.h"

#include "access/table.h"
#include "miscadmin.h"
#include "tool/sql.h"
#include "store/table_writer.h"
#include "tool/rows.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define RELATION	"syncup_found"

struct FoundChanges
{
	Mapping    *mapping;
	TypedRows  *rows;
	TupleTableSlot *slot;
	MemoryContext row_context;
};

FoundChanges *
found_changes_begin(Mapping *mapping)
{
	FoundChanges *store = palloc0(sizeof(FoundChanges));
	Relation	table = table_open(config_table(mapping, "syncup_changes"), AccessShareLock);

	changes_forget(mapping);
	store->mapping = mapping;
	store->rows = typed_rows_begin(RELATION, RelationGetNumberOfAttributes(table));
	store->rows->tupdesc = CreateTupleDescCopy(RelationGetDescr(table));
	store->slot = MakeSingleTupleTableSlot(store->rows->tupdesc, &TTSOpsVirtual);
	store->row_context = AllocSetContextCreate(CurrentMemoryContext, "syncup change",
											   ALLOCSET_DEFAULT_SIZES);
	table_close(table, NoLock);
	return store;
}

TupleTableSlot *
found_changes_slot(FoundChanges *store)
{
	ExecClearTuple(store->slot);
	MemoryContextReset(store->row_context);
	return store->slot;
}

MemoryContext
found_changes_memory(FoundChanges *store)
{
	return store->row_context;
}

void
found_changes_put(FoundChanges *store)
{
	typed_rows_put(store->rows, store->slot->tts_values, store->slot->tts_isnull);
}

void
found_changes_end(FoundChanges *store)
{
	ExecDropSingleTupleTableSlot(store->slot);
	MemoryContextDelete(store->row_context);
	store->mapping->state.found = store->rows;
}

void
changes_save(Mapping *mapping)
{
	TypedRows  *rows = mapping->state.found;
	TupleTableSlot *row;
	TableWriter *writer;

	if (rows == NULL)
		return;
	row = MakeSingleTupleTableSlot(rows->tupdesc, &TTSOpsMinimalTuple);
	writer = table_writer_open(config_table(mapping, "syncup_changes"), true);
	/* Statements may have read them already. */
	tuplestore_rescan(rows->store);
	while (tuplestore_gettupleslot(rows->store, true, false, row))
	{
		TupleTableSlot *slot = table_writer_slot(writer);
		MemoryContext before = MemoryContextSwitchTo(table_writer_memory(writer));
		size_t		size = 0;

		CHECK_FOR_INTERRUPTS();
		slot_getallattrs(row);
		for (int i = 0; i < rows->tupdesc->natts; i++)
		{
			Form_pg_attribute attribute = TupleDescAttr(rows->tupdesc, i);

			slot->tts_isnull[i] = row->tts_isnull[i];
			if (row->tts_isnull[i])
				continue;
			slot->tts_values[i] = datumCopy(row->tts_values[i], attribute->attbyval, attribute->attlen);
			size += datumGetSize(row->tts_values[i], attribute->attbyval, attribute->attlen);
		}
		MemoryContextSwitchTo(before);
		table_writer_put(writer, size);
	}
	table_writer_close(writer);
	ExecDropSingleTupleTableSlot(row);
	changes_forget(mapping);
}

void
changes_forget(Mapping *mapping)
{
	if (mapping->state.found != NULL)
		tuplestore_end(mapping->state.found->store);
	mapping->state.found = NULL;
}

const char *
changes_relation(const Mapping *mapping)
{
	return mapping->state.found != NULL ? RELATION : changes_table(mapping);
}

const char *
changes_place(const Mapping *mapping)
{
	return mapping->state.found != NULL ? "NULL::tid" : "ctid";
}

void
changes_publish(const Mapping *mapping)
{
	if (mapping->state.found != NULL)
		typed_rows_publish(mapping->state.found);
}

void
changes_unpublish(const Mapping *mapping)
{
	if (mapping->state.found != NULL)
		sql_forget_rows(RELATION);
}
