/*
 * drift.h
 *		Which rows of a target a complete run has to look at.
 */
#ifndef SYNCUP_DRIFT_H
#define SYNCUP_DRIFT_H

#include "syncup.h"
#include "typed_rows.h"
#include "utils/snapshot.h"

typedef struct Drift
{
	TypedRows  *source;			/* "syncup_source": what they are joined with */
	TypedRows  *target;			/* "syncup_target": for target_rows_read(); NULL: all */
	int64		stored;			/* rows of the target in all, where target is not NULL */
	Snapshot	snapshot;		/* the target was read at */
} Drift;

/*
 * Compares the whole target with previous and the batch's delta over it, and
 * gives those rows of both that may differ.
 */
extern Drift *drift_find(const Mapping *mapping, const pg_uuid_t *batch);

/* Forgets the target's rows; the source's are changes_build()'s to forget. */
extern void drift_end(Drift *drift);

#endif							/* SYNCUP_DRIFT_H */
