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
	uint64		number = MIN_SUMS;

	while (number * ROWS_PER_SUM < rows && number * 2 * sizeof(Digest) <= budget && number < MAX_SUMS)
		number *= 2;
	digest_sums_init_number(sums, number);
}

void
digest_sums_init_number(DigestSums *sums, uint64 number)
{
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

/* Adds what waits. */
static void
add_waiting(DigestSums *sums)
{
	for (int i = 0; i < SUMS_WAITING; i++)
	{
		add_digest_now(sums->waiting_for[i], &sums->waiting[i]);
		sums->waiting[i] = (Digest) {0, 0};
	}
}

double
digest_sums_nonzero(DigestSums *sums)
{
	uint64		nonzero = 0;

	add_waiting(sums);
	for (uint64 i = 0; i <= sums->mask; i++)
		nonzero += sums->sums[i].low != 0 || sums->sums[i].high != 0;
	return (double) nonzero / (sums->mask + 1);
}

bytea *
digest_sums_bytes(DigestSums *sums)
{
	Size		size = (sums->mask + 1) * sizeof(Digest);
	bytea	   *bytes = palloc(VARHDRSZ + size);

	add_waiting(sums);
	SET_VARSIZE(bytes, VARHDRSZ + size);
	memcpy(VARDATA(bytes), sums->sums, size);
	return bytes;
}

void
digest_sums_add_bytes(DigestSums *sums, const bytea *bytes)
{
	Digest		digest;

	if (VARSIZE_ANY_EXHDR(bytes) != (sums->mask + 1) * sizeof(Digest))
		elog(ERROR, "there are not as many sums");
	for (uint64 i = 0; i <= sums->mask; i++)
	{
		memcpy(&digest, VARDATA_ANY(bytes) + i * sizeof(Digest), sizeof(Digest));
		add_digest_now(&sums->sums[i], &digest);
	}
}
