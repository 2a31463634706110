/*
 * apply.h
 *		Writing changes to a target, with the caller's rights.
 */
#ifndef SYNCUP_APPLY_H
#define SYNCUP_APPLY_H

#include "syncup.h"
#include "synchronize/changes.h"
#include "lib/stringinfo.h"
#include "tool/plans.h"

/*
 * Holds the changes of a batch, or what takes them back, against the target as
 * it is now.  Those already done are dropped from the change table; returns how
 * many meet a row that somebody else has changed, and names the first of them.
 */
extern int64 apply_review(const Mapping *mapping, const pg_uuid_t *batch, bool back,
						  StringInfo stale);

/*
 * Writes the stored changes of every mapping of a connector, or takes them
 * back: links go first and come last (SPEC 5.5).  Errors with 40001 if a target
 * row is not as a change says it was.
 */
extern void apply_changes(Connector *connector, const pg_uuid_t *batch, bool back);

/*
 * Remembers of the rows that a batch has inserted, whose changes are kept, what
 * is not mapped: undo must not delete what somebody has written there since.
 */
extern void apply_remember(const Mapping *mapping, const pg_uuid_t *batch);

/*
 * Writes the delta of an initial batch straight into the target, which is
 * empty; returns the number of rows.
 */
extern int64 apply_initial(const Mapping *mapping, const pg_uuid_t *batch);

#endif							/* SYNCUP_APPLY_H */
