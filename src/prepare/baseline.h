/*
 * baseline.h
 *		The source as it will be once the batches queued ahead are applied:
 *		previous, and their deltas over it.
 */
#ifndef SYNCUP_BASELINE_H
#define SYNCUP_BASELINE_H

#include "syncup.h"
#include "prepare/compare.h"
#include "config/config.h"
#include "config/key.h"
#include "digest/row_digest.h"
#include "store/spelling.h"

typedef struct Baseline Baseline;

/*
 * A key that is looked for: its text, and its value in the type of the target's
 * column where that can make one key of two texts.
 */
typedef struct SoughtKey
{
	Datum		text;
	Datum		value;
	bool		has_value;
} SoughtKey;

/*
 * queue: list of Batch, oldest first.  Digests are taken with the epoch's key;
 * those of keys that are not bytewise are of their values: key_identity().
 */
extern Baseline *baseline_open(const Mapping *mapping, KeyType *type, const DigestEpoch *epoch, List *queue);
extern void baseline_close(Baseline *baseline);

/* Gives every row of the baseline to the comparison. */
extern void baseline_load(Baseline *baseline, Comparison *comparison);

/*
 * The row of previous with this key, whatever is queued; false: there is none.
 * Not for pairs.  row: its digest; contents: half of that of its fields but the
 * key; spelling: the text of its key, if it is another one, else 0.
 */
extern bool baseline_find_stored(Baseline *baseline, const SoughtKey *key, Digest *row,
								 uint64 *contents, Datum *spelling);

/* What a stored key is found by besides its text; false: by its text alone. */
extern bool baseline_key_hash(Baseline *baseline, Datum key, int64 *hash);

/* Half of the digest of a row's fields but the key. */
extern uint64 contents_digest(RowBytes *bytes, const DigestKey *key);

/*
 * The digest of the key of the row at a place, and its stored fields in the
 * mapping's order: texts, or nulls.  Valid until the next call.
 */
extern void baseline_fetch(Baseline *baseline, BaselinePlace place, Digest *key,
						   Datum **values, bool **nulls);

/*
 * Copies the stored fields of the row with this key into the arrays, texts in
 * the current memory context; false where there is none.  second: the other
 * value of a pair.
 */
extern bool baseline_lookup(Baseline *baseline, const SoughtKey *key, Datum second,
							Datum *values, bool *nulls);

/*
 * The same of an association's pair, or of a holder, by another spelling of its ends
 * (spelling.h) than that of these fields; false: there is none that can be found.
 */
extern bool baseline_lookup_respelled(Baseline *baseline, Spellings *spellings,
									  const Datum *fields, const bool *field_nulls,
									  Datum *values, bool *nulls);

/*
 * Calls back with each row of an association, its stored fields as texts in the
 * current memory context.
 */
extern void baseline_visit_links(Baseline *baseline, void (*visit) (void *arg, const Datum *values, const bool *nulls),
								 void *arg);

/*
 * The links of a value of side 1 that previous or a batch ahead has, and perhaps
 * some that are none any more: a list of arrays of texts, the stored fields.
 */
extern List *baseline_links_of(Baseline *baseline, const char *first);

#endif							/* SYNCUP_BASELINE_H */
