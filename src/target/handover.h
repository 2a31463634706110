/*
 * handover.h
 *		Rows that change hands between mappings of one table (SPEC 2.1): deleted
 *		by the one, inserted by the other, with the same batch.  The row stays.
 *
 * The deletion of a row that another mapping takes has an empty array of changed
 * columns, and writes nothing.  The insertion that takes it has the whole row as
 * it was in "old": all of the writing is in it.
 */
#ifndef SYNCUP_HANDOVER_H
#define SYNCUP_HANDOVER_H

#include "syncup.h"
#include "config/config.h"
#include "nodes/pg_list.h"

/* A column that is not mapped, and yet written when a row is taken. */
typedef struct TakenColumn
{
	MappingColumn column;
	char	   *value;			/* SQL: what it becomes */
} TakenColumn;

/*
 * The constants of a mapping, and the deleted_column of every mapping of its
 * target: a row that is taken is not retired.  NIL: nobody could take any.
 */
extern List *taken_columns(const Mapping *mapping);

/*
 * Settles which rows that stored or found changes take from outside a scope are
 * let go by another mapping, and notes their keys in both; errors with 23505
 * about the others.  Before the links are built.
 */
extern void handover_settle(Connector *connector, const pg_uuid_t *batch);

/* Forgets those keys. */
extern void handover_forget(Connector *connector);

/*
 * SQL: whether target row t is one that a mapping gives away, or takes, with the
 * batch at hand.
 */
extern char *is_given(const Mapping *mapping);
extern char *is_taken(const Mapping *mapping);

#endif							/* SYNCUP_HANDOVER_H */
