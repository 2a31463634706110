/*
 * drift.h
 *		Which rows of a target a complete run has to look at.
 */
#ifndef SYNCUP_DRIFT_H
#define SYNCUP_DRIFT_H

#include "syncup.h"
#include "target/typed_rows.h"
#include "utils/snapshot.h"

typedef struct Drift
{
	bool		whole;			/* source is all that the target is to have; else the delta */
	TypedRows  *source;			/* "syncup_source" */
	TypedRows  *target;			/* "syncup_target": for target_rows_read(); NULL: all */
	int64		stored;			/* rows of the target in all; -1: not counted */
	Snapshot	snapshot;		/* the target was read at */
} Drift;

/*
 * Compares the whole target with previous, and says which rows of both have to
 * be joined with the batch's delta.
 */
extern Drift *drift_find(const Mapping *mapping, const pg_uuid_t *batch);

/* Forgets the target's rows; the source's are changes_build()'s to forget. */
extern void drift_end(Drift *drift);

#endif							/* SYNCUP_DRIFT_H */
