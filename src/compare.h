/*
 * compare.h
 *		Telling the rows of a file from those of a baseline, in bounded memory.
 */
#ifndef SYNCUP_COMPARE_H
#define SYNCUP_COMPARE_H

#include "syncup.h"
#include "digest.h"
#include "storage/itemptr.h"

typedef struct Comparison Comparison;

/* What a row of the file is, seen from the baseline. */
typedef enum Verdict
{
	ROW_ELSEWHERE,				/* its key belongs to another pass */
	ROW_UNCHANGED,
	ROW_CHANGED,
	ROW_NEW,
	ROW_REPEATED,				/* its key was seen before in this file */
	ROW_CONTRADICTED			/* the same, with other contents */
} Verdict;

/* Where the present version of a baseline row lies. */
typedef struct BaselinePlace
{
	int			table;			/* the caller's number of the table */
	ItemPointerData tid;
} BaselinePlace;

/* Starts a comparison that keeps within the given bytes. */
extern Comparison *comparison_begin(Size budget);
extern void comparison_end(Comparison *comparison);

/*
 * Goes to the next pass, or says that there is none.  In each, the caller
 * gives the whole baseline and then every row of the file, in order.
 */
extern bool comparison_next_pass(Comparison *comparison);

/* Whether this is the pass that sees every row for the first time. */
extern bool comparison_is_first_pass(const Comparison *comparison);

/*
 * Gives a row of the baseline, or takes one away again.  unique: no row of its
 * key was given in this pass.
 */
extern void comparison_add(Comparison *comparison, const Digest *key,
						   const Digest *row, BaselinePlace place, bool unique);
extern void comparison_remove(Comparison *comparison, const Digest *key);

/*
 * Takes a row of the file, or one of the pairs of its cells; place grows with
 * each.  *done tells that an earlier pass has dealt with it, so that nothing
 * must be written.  *other_place is that of the first row of a repeated key.
 */
extern Verdict comparison_take(Comparison *comparison, const Digest *key,
							   const Digest *row, int64 place,
							   bool *done, int64 *other_place);

/*
 * Says that a key is present in the file, whatever its row holds (SPEC 4.3).
 * Result: whether that is news, since the baseline does not have the key and
 * nothing was said of it before.
 */
extern bool comparison_mark_present(Comparison *comparison, const Digest *key, int64 place);

/* Calls visit for every baseline row of this pass that the file does not have. */
extern void comparison_visit_missing(Comparison *comparison,
									 void (*visit) (void *arg, BaselinePlace place),
									 void *arg);

#endif							/* SYNCUP_COMPARE_H */
