/*
 * synchronize.h
 *		From a queued batch to targets and previous (SPEC 5).
 */
#ifndef SYNCUP_SYNCHRONIZE_H
#define SYNCUP_SYNCHRONIZE_H

#include "syncup.h"
#include "config/config.h"
#include "store/batch.h"

/* What became of a batch: a row of syncup.result. */
typedef struct BatchResult
{
	pg_uuid_t	batch;
	char	   *mode;
	char	   *status;
	int64		inserted;
	int64		updated;
	int64		deleted;
	int64		links_inserted;
	int64		links_deleted;
	int64		orphans;
	int64		links_updated;	/* of those inserted and deleted: links that moved */
	int64		set_aside;
	TimestampTz started;
	TimestampTz ended;
	char	   *sqlstate;		/* of a failed one */
} BatchResult;

typedef struct SynchronizeOptions
{
	bool		force;			/* thresholds are waived, but recorded */
	bool		keep_changes;
	bool		rehearse;		/* stop once the thresholds are checked */
} SynchronizeOptions;

/*
 * Applies the waiting batches of a locked connector in order; stops at one
 * that blocks or fails.  Returns a list of BatchResult.  SPI is connected.
 */
extern List *synchronize_queue(Connector *connector, const SynchronizeOptions *options);

/*
 * Takes one batch to applied or blocked; whether it is blocked.  Raises what
 * goes wrong.
 */
extern bool synchronize_batch(Connector *connector, Batch *batch,
							  const SynchronizeOptions *options);

/*
 * Deferrable constraints wait until a whole batch is written; then they are
 * checked, and wait again as they were declared.
 */
extern void constraints_defer(void);
extern void constraints_check(void);

/* Whether changes are kept: asked for, or by syncup.keep_changes_for. */
extern bool keeps_changes(bool asked);

/*
 * Applies one batch's stored changes, then its delta to previous, and ends
 * its wait; raises what goes wrong.
 */
extern void apply_batch(Connector *connector, Batch *batch, bool keep_changes);

/* What the counters of a batch say, as it is now. */
extern BatchResult *batch_result(const Batch *batch, TimestampTz started);

/* NOTIFY syncup of what a batch has given rise to (syncup.alarm). */
extern void announce_alarms(const char *connector, const pg_uuid_t *batch);

/* Puts results into the call's set of syncup.result. */
extern void return_results(FunctionCallInfo fcinfo, const char *connector, List *results);

#endif							/* SYNCUP_SYNCHRONIZE_H */
