/*
 * compare.h
 *		Telling the rows of a file from those of a baseline, in bounded memory.
 */
#ifndef SYNCUP_COMPARE_H
#define SYNCUP_COMPARE_H

#include "syncup.h"
#include "digest/digest.h"
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
	int			table;			/* the caller's number of the table: 0 or 1 */
	ItemPointerData tid;
} BaselinePlace;

/* What the caller knows of the row of the file at hand. */
typedef struct RowAtHand
{
	void	   *arg;
	Digest		(*key) (void *arg);
	/* Half of the digest of all but the key; NULL: keys have one spelling each. */
	uint64		(*contents) (void *arg);
	/* The digest of the baseline's row of that key, and its contents; false: it has none. */
	bool		(*stored) (void *arg, Digest *row, uint64 *contents);
} RowAtHand;

/* Starts a comparison that keeps within the given bytes. */
extern Comparison *comparison_begin(Size budget, RowAtHand row);
extern void comparison_end(Comparison *comparison);

/*
 * Goes to the next pass, or says that there is none.  In each, the caller
 * gives the whole baseline and then every row of the file, in order.
 */
extern bool comparison_next_pass(Comparison *comparison);

/* Whether this is the pass that sees every row for the first time. */
extern bool comparison_is_first_pass(const Comparison *comparison);

/*
 * Takes rows of the baseline, the newest first: of each key the first that is
 * given counts.  contents: only where keys have several spellings.  First those with the digest of their key; row NULL: the row of
 * this key is gone.  Then the others, of which the key is needed only if
 * comparison_wants_keys() says so; no two of them have the same one.
 * comparison_is_loaded: false: that was too much for one pass, give it again.
 */
extern void comparison_add_newer(Comparison *comparison, const Digest *key, const Digest *row,
								 uint64 contents, BaselinePlace place);
extern bool comparison_wants_keys(const Comparison *comparison);
extern void comparison_add(Comparison *comparison, const Digest *key,
						   const Digest *row, BaselinePlace place);
extern bool comparison_is_loaded(Comparison *comparison);

/*
 * Takes the row of the file at hand, or one of the pairs of its cells, of which
 * this is the digest; place grows with each.  *done tells that an earlier pass
 * has dealt with it, so that nothing must be written.  *other_line is that of
 * the first row of a repeated key.
 */
extern Verdict comparison_take(Comparison *comparison, const Digest *row,
							   int64 place, int64 line,
							   bool *done, int64 *other_line);

/*
 * Says that a key is present in the file, whatever its row holds (SPEC 4.3).
 * Result: whether the baseline has the key (ROW_CHANGED) or not (ROW_NEW), if that
 * is news, since nothing was said of it before; else ROW_ELSEWHERE.
 */
extern Verdict comparison_mark_present(Comparison *comparison, int64 place);

/*
 * Calls visit for every baseline row of this pass that the file does not have,
 * and others that belong to another pass: comparison_is_ours() tells.
 */
extern void comparison_visit_missing(Comparison *comparison,
									 void (*visit) (void *arg, BaselinePlace place),
									 void *arg);
extern bool comparison_is_ours(const Comparison *comparison, const Digest *key);

/* Whether the baseline has a row as it is. */
extern bool comparison_knows(const Comparison *comparison, const Digest *row);

#endif							/* SYNCUP_COMPARE_H */
