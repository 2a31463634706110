/*
 * typed_rows.h
 *		Rows of our own tables, handed to statements on targets.
 */
#ifndef SYNCUP_TYPED_ROWS_H
#define SYNCUP_TYPED_ROWS_H

#include "syncup.h"
#include "config.h"
#include "utils/tuplestore.h"

/*
 * Rows that a statement sees as a relation of the given name.  Columns: see
 * the function that made them.
 */
typedef struct TypedRows
{
	const char *name;
	Tuplestorestate *store;
	TupleDesc	tupdesc;
	int64		count;
} TypedRows;

/*
 * The source of a batch in the target's types: "deleted" boolean, then c1 to
 * cn for the mapping's columns that have a target (n: their index, from 1).
 * whole: previous with the delta over it, otherwise the delta alone.
 */
extern TypedRows *typed_source(const Mapping *mapping, const pg_uuid_t *batch, bool whole);

/*
 * The stored changes of a batch: "command" text, then for each mapped column
 * c<n> the new value, h<n> whether it changes, o<n> the old value.
 */
extern TypedRows *typed_changes(const Mapping *mapping, const pg_uuid_t *batch);

extern void typed_rows_forget(TypedRows *rows);

#endif							/* SYNCUP_TYPED_ROWS_H */
