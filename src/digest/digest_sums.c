/*
 * digest_sums.c
 *		Whether two sets of rows are the same, and where not, by sums of digests.
 */
#include "digest/digest_sums.h"


#define MIN_SUMS		256
#define ROWS_PER_SUM	64

void
digest_sums_init(DigestSums *sums, double rows, Size budget)
{
	Size		number = MIN_SUMS;

	while (number * ROWS_PER_SUM < rows && number * 2 * sizeof(Digest) <= budget)
		number *= 2;
	sums->mask = number - 1;
	sums->sums = MemoryContextAllocExtended(CurrentMemoryContext, number * sizeof(Digest),
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	/* What waits at first adds nothing. */
	memset(sums->waiting, 0, sizeof(sums->waiting));
	for (int i = 0; i < SUMS_WAITING; i++)
		sums->waiting_for[i] = &sums->sums[0];
	sums->next = 0;
}

void
digest_sums_free(DigestSums *sums)
{
	pfree(sums->sums);
}

double
digest_sums_nonzero(DigestSums *sums)
{
	uint64		nonzero = 0;

	for (int i = 0; i < SUMS_WAITING; i++)
	{
		add_digest_now(sums->waiting_for[i], &sums->waiting[i]);
		sums->waiting[i] = (Digest) {0, 0};
	}
	for (uint64 i = 0; i <= sums->mask; i++)
		nonzero += sums->sums[i].low != 0 || sums->sums[i].high != 0;
	return (double) nonzero / (sums->mask + 1);
}
