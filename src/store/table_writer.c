/*
 * table_writer.c
 *		Many rows into one of our own tables.
 *
 * Rows are gathered and handed to the table access method in batches, which
 * costs a fraction of row by row: 1000 rows or 64 kB, whichever comes first.
 * The byte limit is what keeps memory small when rows are wide.
 *
 * Once the new rows are more than the table held before, its indexes are left
 * behind and built anew at the end: sorting beats a million look-ups.  That
 * takes locks on the indexes, so it is done only if nobody else has them open.
 */
#include "store/table_writer.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define MAX_ROWS	1000
#define MAX_BYTES	65536

/* Bytes that are always put into indexes as they come. */
#define MIN_LOAD	(4 * 1024 * 1024)

struct TableWriter
{
	Relation	table;
	EState	   *estate;
	ResultRelInfo *info;
	BulkInsertState bulk;
	CommandId	command;
	MemoryContext context;		/* as long as the writer */
	MemoryContext batch_context;	/* values of waiting rows */
	TupleTableSlot **slots;
	int			nslots;			/* created so far */
	int			waiting;
	size_t		bytes;
	bool		may_rebuild;	/* nobody writes the table but this connector */
	bool		rebuild;		/* the indexes are left behind */
	uint64		before;			/* bytes that the table had */
	uint64		written;
};

TableWriter *
table_writer_open(Oid table, bool may_rebuild)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "syncup table writer", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	TableWriter *writer = palloc0(sizeof(TableWriter));

	writer->context = context;
	writer->batch_context = AllocSetContextCreate(context, "syncup table writer batch",
												  ALLOCSET_DEFAULT_SIZES);
	writer->table = table_open(table, RowExclusiveLock);
	writer->estate = CreateExecutorState();
	writer->info = makeNode(ResultRelInfo);
	InitResultRelInfo(writer->info, writer->table, 1, NULL, 0);
	ExecOpenIndices(writer->info, false);
	writer->bulk = GetBulkInsertState();
	writer->command = GetCurrentCommandId(true);
	writer->slots = palloc0(sizeof(TupleTableSlot *) * MAX_ROWS);
	writer->may_rebuild = may_rebuild;
	writer->before = (uint64) RelationGetNumberOfBlocks(writer->table) * BLCKSZ;
	MemoryContextSwitchTo(before);
	return writer;
}

TupleTableSlot *
table_writer_slot(TableWriter *writer)
{
	TupleTableSlot *slot;

	if (writer->waiting == writer->nslots)
	{
		MemoryContext before = MemoryContextSwitchTo(writer->context);

		writer->slots[writer->nslots++] = table_slot_create(writer->table, NULL);
		MemoryContextSwitchTo(before);
	}
	slot = writer->slots[writer->waiting];
	ExecClearTuple(slot);
	return slot;
}

MemoryContext
table_writer_memory(TableWriter *writer)
{
	return writer->batch_context;
}

/*
 * Leaves the indexes behind where that pays, and where it can be done at once.  All
 * locks are taken here, the table's first: a vacuum that has it will want the indexes.
 */
static void
consider_rebuild(TableWriter *writer)
{
	if (!writer->may_rebuild || writer->rebuild || writer->written < MIN_LOAD ||
		writer->written < writer->before)
		return;
	writer->may_rebuild = false;
	if (!ConditionalLockRelation(writer->table, ShareLock))
		return;
	for (int i = 0; i < writer->info->ri_NumIndices; i++)
		if (!ConditionalLockRelationOid(RelationGetRelid(writer->info->ri_IndexRelationDescs[i]),
										AccessExclusiveLock))
			return;
	writer->rebuild = true;
}

/* Writes the waiting rows and their index entries. */
static void
flush(TableWriter *writer)
{
	MemoryContext before;

	if (writer->waiting == 0)
		return;

	/* The access method may leak: let it do so where that is soon forgotten. */
	before = MemoryContextSwitchTo(GetPerTupleMemoryContext(writer->estate));
	table_multi_insert(writer->table, writer->slots, writer->waiting,
					   writer->command, 0, writer->bulk);
	if (writer->info->ri_NumIndices > 0 && !writer->rebuild)
		for (int i = 0; i < writer->waiting; i++)
			(void) insert_index_tuples(writer->info, writer->slots[i], writer->estate);
	MemoryContextSwitchTo(before);
	for (int i = 0; i < writer->waiting; i++)
		ExecClearTuple(writer->slots[i]);
	ResetPerTupleExprContext(writer->estate);
	MemoryContextReset(writer->batch_context);
	writer->written += writer->bytes;
	writer->waiting = 0;
	writer->bytes = 0;
	consider_rebuild(writer);
}

void
table_writer_put(TableWriter *writer, size_t size)
{
	ExecStoreVirtualTuple(writer->slots[writer->waiting]);
	writer->slots[writer->waiting]->tts_tableOid = RelationGetRelid(writer->table);
	writer->waiting++;
	writer->bytes += size;
	if (writer->waiting == MAX_ROWS || writer->bytes >= MAX_BYTES)
	{
		CHECK_FOR_INTERRUPTS();
		flush(writer);
	}
}

void
table_writer_close(TableWriter *writer)
{
	flush(writer);
	for (int i = 0; i < writer->nslots; i++)
		ExecDropSingleTupleTableSlot(writer->slots[i]);
	table_finish_bulk_insert(writer->table, 0);
	FreeBulkInsertState(writer->bulk);
	ExecCloseIndices(writer->info);
	FreeExecutorState(writer->estate);
	CommandCounterIncrement();
	if (writer->rebuild)
		rebuild_indexes(RelationGetRelid(writer->table));
	table_close(writer->table, NoLock);
	MemoryContextDelete(writer->context);
}
