/*
 * digest_set.h
 *		A set of digests in little memory, each of which can be marked.
 */
#ifndef SYNCUP_DIGEST_SET_H
#define SYNCUP_DIGEST_SET_H

#include "digest.h"

typedef struct DigestSet DigestSet;

/*
 * An empty set with room for about so many.  ordered: they will be asked for in
 * the order in which they come, mostly.
 */
extern DigestSet *digest_set_create(double expected, bool ordered);
extern void digest_set_free(DigestSet *set);

/* The bytes that it takes. */
extern Size digest_set_bytes(const DigestSet *set);

/* Adds a digest; false: it was there. */
extern bool digest_set_add(DigestSet *set, Digest digest);

/* Adds one that is not there. */
extern void digest_set_append(DigestSet *set, Digest digest);

extern bool digest_set_has(DigestSet *set, Digest digest);

/* Says that a digest will be looked for soon. */
extern void digest_set_fetch(DigestSet *set, Digest digest);

/* Marks a digest; false: it is not there. */
extern bool digest_set_mark(DigestSet *set, Digest digest);
extern bool digest_set_is_marked(DigestSet *set, Digest digest);

/* Calls visit for the numbers, in the order in which they came, of those not marked. */
extern void digest_set_unmarked(DigestSet *set, void (*visit) (void *arg, uint32 number), void *arg);

/* How many there are, and how many of them are marked. */
extern uint32 digest_set_count(const DigestSet *set);
extern uint32 digest_set_marked(const DigestSet *set);

#endif							/* SYNCUP_DIGEST_SET_H */
