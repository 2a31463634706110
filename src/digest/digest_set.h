/*
 * digest_set.h
 *		A set of digests in little memory, each with a few bytes of the caller's.
 */
#ifndef SYNCUP_DIGEST_SET_H
#define SYNCUP_DIGEST_SET_H

#include "digest/digest.h"

typedef struct DigestSet DigestSet;

/* The number of a digest that is not there. */
#define NO_DIGEST		PG_UINT32_MAX

/*
 * An empty set whose digests have so many bytes each.  ordered: they will be
 * asked for in the order in which they come, mostly.
 */
extern DigestSet *digest_set_create(Size data_size, bool ordered);
extern void digest_set_free(DigestSet *set);

/*
 * The bytes that it takes once it has one digest more, without the index: some 5
 * for each.
 */
extern Size digest_set_bytes(const DigestSet *set);

/* How many there are: they are numbered from 0, in the order in which they came. */
extern uint32 digest_set_count(const DigestSet *set);

/* The number of a digest, or NO_DIGEST. */
extern uint32 digest_set_find(DigestSet *set, const Digest *digest);

static inline bool
digest_set_has(DigestSet *set, const Digest *digest)
{
	return digest_set_find(set, digest) != NO_DIGEST;
}

/* Adds one that is not there; its number.  Its bytes are zero. */
extern uint32 digest_set_append(DigestSet *set, const Digest *digest);

/* Adds one if it is not there; its number. */
extern uint32 digest_set_add(DigestSet *set, const Digest *digest);

/* The bytes of a digest: of any alignment, valid until digests are removed. */
extern void *digest_set_data(const DigestSet *set, uint32 number);

/* Removes every digest but those whose low bits are these. */
extern void digest_set_restrict(DigestSet *set, uint64 mask, uint64 bits);

#endif							/* SYNCUP_DIGEST_SET_H */
