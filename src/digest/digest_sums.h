/*
 * digest_sums.h
 *		Whether two sets of rows are the same, and where not, by sums of digests.
 *
 * Each digest is added to one of many sums, chosen by bits of its own, if its
 * row is of the one set, and subtracted if it is of the other.  A sum that is
 * zero in the end says that both sets have the same rows there: digests
 * are keyed and 128 bits wide, so that nobody can find rows whose sums cancel
 * each other out.  Neither order nor number of the rows costs memory, and parts
 * of a set can be summed up by several processes (row_sums.c).
 */
#ifndef SYNCUP_DIGEST_SUMS_H
#define SYNCUP_DIGEST_SUMS_H

#include "digest/digest.h"

#define SUMS_WAITING	16		/* a power of two */
#define MAX_SUMS		(1 << 24)	/* of which a bytea can hold them all */

/* More of the sums than this share nonzero: everything is looked at. */
#define MANY_NONZERO		0.4

typedef struct DigestSums
{
	Digest	   *sums;
	uint64		mask;			/* their number, a power of two, less one */
	/* Digests whose sums are being fetched into the processor's cache. */
	Digest		waiting[SUMS_WAITING];
	Digest	   *waiting_for[SUMS_WAITING];
	unsigned int next;
} DigestSums;

/* About so many rows will be summed up, in at most so many bytes. */
extern void digest_sums_init(DigestSums *sums, double rows, Size budget);
extern void digest_sums_init_number(DigestSums *sums, uint64 number);
extern void digest_sums_free(DigestSums *sums);

/* Adds or subtracts what waits; gives the share of sums that are not zero. */
extern double digest_sums_nonzero(DigestSums *sums);

/* The sums as bytes, and sums that are added to as many others. */
extern bytea *digest_sums_bytes(DigestSums *sums);
extern void digest_sums_add_bytes(DigestSums *sums, const bytea *bytes);

/* The sum that a digest belongs to. */
static inline Digest *
digest_sum(const DigestSums *sums, const Digest *digest)
{
	return &sums->sums[digest->high & sums->mask];
}

/* Adds one digest to a sum. */
static inline void
add_digest_now(Digest *sum, const Digest *digest)
{
	sum->low += digest->low;
	sum->high += digest->high + (sum->low < digest->low);
}

static inline void
add_digest_soon(DigestSums *sums, Digest *sum, Digest digest)
{
	unsigned int place = sums->next++ & (SUMS_WAITING - 1);

	__builtin_prefetch(sum, 1);
	add_digest_now(sums->waiting_for[place], &sums->waiting[place]);
	sums->waiting[place] = digest;
	sums->waiting_for[place] = sum;
}

static inline void
digest_sums_add(DigestSums *sums, const Digest *digest)
{
	add_digest_soon(sums, digest_sum(sums, digest), *digest);
}

/* Adds its complement. */
static inline void
digest_sums_subtract(DigestSums *sums, const Digest *digest)
{
	Digest		negative = {.low = -digest->low, .high = ~digest->high + (digest->low == 0)};

	add_digest_soon(sums, digest_sum(sums, digest), negative);
}

/* Once all is summed up: whether the sum of a digest is zero. */
static inline bool
digest_sums_zero(const DigestSums *sums, const Digest *digest)
{
	const Digest *sum = digest_sum(sums, digest);

	return sum->low == 0 && sum->high == 0;
}

/* Makes the sum of a digest nonzero, so that all of its rows are looked at. */
static inline void
digest_sums_upset(DigestSums *sums, const Digest *digest)
{
	digest_sum(sums, digest)->low |= 1;
}

#endif							/* SYNCUP_DIGEST_SUMS_H */
