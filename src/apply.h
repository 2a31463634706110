/*
 * apply.h
 *		Writing changes to a target, with the caller's rights.
 */
#ifndef SYNCUP_APPLY_H
#define SYNCUP_APPLY_H

#include "syncup.h"
#include "changes.h"
#include "lib/stringinfo.h"

/*
 * The stored changes of a mapping, ready to be written.  They are written in
 * three steps, so that those of several mappings can take turns (SPEC 5.5).
 * Each errors with 40001 if a target row is not as the change says it was.
 */
typedef struct Application Application;

/* back: what takes the changes back instead (syncup_undo). */
extern Application *apply_begin(const Mapping *mapping, const pg_uuid_t *batch, bool back);
extern void apply_deletes(Application *application);
extern void apply_updates(Application *application);
extern void apply_revivals(Application *application);
extern void apply_inserts(Application *application);
extern void apply_end(Application *application);

/*
 * Holds the changes against the target as it is now.  Those already done are
 * dropped from the change table (begin again afterwards); returns how many
 * meet a row that somebody else has changed, and names the first of them.
 */
extern int64 apply_review(Application *application, StringInfo stale);

/*
 * Writes the delta of an initial batch straight into the target, which is
 * empty; returns the number of rows.
 */
extern int64 apply_initial(const Mapping *mapping, const pg_uuid_t *batch);

#endif							/* SYNCUP_APPLY_H */
