/*
 * changes.h
 *		What applying a batch does to a target: found, stored, counted.
 */
#ifndef SYNCUP_CHANGES_H
#define SYNCUP_CHANGES_H

#include "syncup.h"
#include "config.h"
#include "typed_rows.h"

typedef struct ChangeCounter
{
	int64		inserted;
	int64		updated;
	int64		deleted;
	int64		stored_before;	/* rows of the target before */
} ChangeCounter;

/*
 * Finds what the batch changes in the mapping's target and stores it in the
 * change table (SPEC 5.2).  complete: every row of the target is looked at.
 * keep_missing: rows that the source does not have are left alone.
 */
extern void changes_build(const Mapping *mapping, const pg_uuid_t *batch,
						  bool complete, bool keep_missing, ChangeCounter *counter);

/* SQL: whether two values of a mapped column differ, by the type's equality. */
extern char *distinct_sql(const MappingColumn *column, const char *a, const char *b);

/* SQL: whether two values of a mapped column are equal; null if one is null. */
extern char *equal_sql(const MappingColumn *column, const char *a, const char *b);

/* The column of the target, quoted, as t."column". */
extern char *target_column(const MappingColumn *column);

#endif							/* SYNCUP_CHANGES_H */
