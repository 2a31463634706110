/*
 * link_drift.h
 *		Which pairs, and which links of a link table, a complete run has to look at.
 */
#ifndef SYNCUP_LINK_DRIFT_H
#define SYNCUP_LINK_DRIFT_H

#include "syncup.h"
#include "target/typed_rows.h"
#include "utils/snapshot.h"

typedef struct LinkDrift
{
	TypedRows **pairs;			/* "syncup_suspect" of each association, to be published: v1, v2 */
	TypedRows  *target;			/* "syncup_target": rows of the link table */
	int64		stored;			/* links of the target in all */
	Snapshot	snapshot;		/* the target was read at */
} LinkDrift;

/*
 * Compares all pairs of the associations (Mapping) that fill a link table together, as
 * they are after the batch, with the links of the target and gives those of both that
 * may differ; NULL: all have to be looked at.
 */
extern LinkDrift *link_drift_find(List *associations, const pg_uuid_t *batch);
extern void link_drift_end(LinkDrift *drift);

#endif							/* SYNCUP_LINK_DRIFT_H */
