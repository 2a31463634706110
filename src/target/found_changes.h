/*
 * found_changes.h
 *		The changes that were found for a mapping: rows of its change table.
 */
#ifndef SYNCUP_FOUND_CHANGES_H
#define SYNCUP_FOUND_CHANGES_H

#include "syncup.h"
#include "config/config.h"
#include "executor/tuptable.h"

typedef struct FoundChanges FoundChanges;

/*
 * Begins the changes of a mapping; those it had at hand are forgotten.  A slot
 * is filled as that of a TableWriter is.
 */
extern FoundChanges *found_changes_begin(Mapping *mapping);
extern TupleTableSlot *found_changes_slot(FoundChanges *store);
extern MemoryContext found_changes_memory(FoundChanges *store);
extern void found_changes_put(FoundChanges *store);

/* From now on they are the mapping's changes at hand. */
extern void found_changes_end(FoundChanges *store);

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

#endif							/* SYNCUP_FOUND_CHANGES_H */
