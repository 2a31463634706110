/*
 * baseline.h
 *		The source as it will be once the batches queued ahead are applied:
 *		previous, and their deltas over it.
 */
#ifndef SYNCUP_BASELINE_H
#define SYNCUP_BASELINE_H

#include "syncup.h"
#include "compare.h"
#include "config.h"
#include "row_digest.h"

typedef struct Baseline Baseline;

/* queue: list of Batch, oldest first.  Digests are taken with the epoch's key. */
extern Baseline *baseline_open(const Mapping *mapping, const DigestEpoch *epoch, List *queue);
extern void baseline_close(Baseline *baseline);

/* Gives every row of the baseline to the comparison. */
extern void baseline_load(Baseline *baseline, Comparison *comparison);

/*
 * The digest of the row of previous with this key, a text, whatever is queued;
 * false: there is none.  Not for pairs.
 */
extern bool baseline_find_stored(Baseline *baseline, Datum key, Digest *row);

/*
 * The digest of the key of the row at a place, and its stored fields in the
 * mapping's order: texts, or nulls.  Valid until the next call.
 */
extern void baseline_fetch(Baseline *baseline, BaselinePlace place, Digest *key,
						   Datum **values, bool **nulls);

/*
 * Copies the stored fields of the row with this key into the arrays, texts in
 * the current memory context; false where there is none.  key: its one value,
 * or both of a pair.
 */
extern bool baseline_lookup(Baseline *baseline, const Datum *key,
							Datum *values, bool *nulls);

#endif							/* SYNCUP_BASELINE_H */
