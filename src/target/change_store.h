/*
 * change_store.h
 *		The changes that were found for a mapping: rows of its change table.
 */
#ifndef SYNCUP_CHANGE_STORE_H
#define SYNCUP_CHANGE_STORE_H

#include "syncup.h"
#include "config/config.h"
#include "executor/tuptable.h"

typedef struct ChangeStore ChangeStore;

/*
 * Begins the changes of a mapping; those it had at hand are forgotten.  A slot
 * is filled as that of a TableWriter is.
 */
extern ChangeStore *change_store_open(Mapping *mapping);
extern TupleTableSlot *change_store_slot(ChangeStore *store);
extern MemoryContext change_store_memory(ChangeStore *store);
extern void change_store_put(ChangeStore *store);

/* From now on they are the mapping's changes at hand. */
extern void change_store_close(ChangeStore *store);

/* Writes the changes at hand, if any, to the change table. */
extern void changes_save(Mapping *mapping);

/* Forgets the changes at hand, if any. */
extern void changes_forget(Mapping *mapping);

/*
 * SQL: the relation that a mapping's changes are read from, and in it the place
 * of each (tid).  Queries that name it lie between these two calls.
 */
extern const char *changes_relation(const Mapping *mapping);
extern const char *changes_place(const Mapping *mapping);
extern void changes_publish(const Mapping *mapping);
extern void changes_unpublish(const Mapping *mapping);

#endif							/* SYNCUP_CHANGE_STORE_H */
