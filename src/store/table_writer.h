/*
 * table_writer.h
 *		Many rows into one of our own tables.
 */
#ifndef SYNCUP_TABLE_WRITER_H
#define SYNCUP_TABLE_WRITER_H

#include "syncup.h"
#include "executor/tuptable.h"

typedef struct TableWriter TableWriter;

/*
 * Opens a table of ours for inserts.  Nothing but indexes is kept up: our
 * tables have no triggers, defaults or generated columns.  may_rebuild: who
 * holds the connector's lock is the only one who writes the table.
 */
extern TableWriter *table_writer_open(Oid table, bool may_rebuild);

/*
 * Gives the slot for the next row, cleared; fill tts_values and tts_isnull,
 * with memory of table_writer_memory() where it must live until written, then
 * call table_writer_put(); size is the row's approximate bytes.
 */
extern TupleTableSlot *table_writer_slot(TableWriter *writer);
extern MemoryContext table_writer_memory(TableWriter *writer);
extern void table_writer_put(TableWriter *writer, size_t size);

/* Writes what waits, makes it visible to later statements, closes the table. */
extern void table_writer_close(TableWriter *writer);

#endif							/* SYNCUP_TABLE_WRITER_H */
