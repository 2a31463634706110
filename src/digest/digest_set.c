/*
 * digest_set.c
 *		A set of digests in little memory, each with a few bytes of the caller's.
 *
 * A digest takes 16 bytes, what the caller has for it, and some 5 for its place in
 * the index.
 *
 * The digests lie in the order in which they came.  Exports keep their order
 * from day to day, mostly, and so do the tables that are filled from them.  So
 * in an ordered set a digest is looked for behind the one found last, where it
 * costs no cache miss, and only then by hash, in an index of their numbers that
 * is filled when it is first needed.
 *
 * Rows that were updated have left their place in such a table: for the end of
 * their page, or for another one, where others of the same batch lie behind them.
 * After them the old order goes on.  So of the two places where the next digest
 * may be both are remembered, behind the one found last and behind the one found
 * before it; and after one that only its hash led to, the old place is the first
 * to look at.
 */
#include "digest/digest_set.h"


struct DigestSet
{
	MemoryContext context;
	Size		data_size;
	bool		ordered;
	char	  **chunks;			/* each: its digests, then their data */
	uint32		nchunks;
	uint32		max_chunks;
	uint32		count;
	uint32		expected[2];	/* where the next digest should be: see above */

	uint32	   *index;			/* numbers, by hash; NULL: none yet */
	uint32		index_size;		/* of any length: see first_place() */
	uint32		indexed;		/* digests that stand in it */
};

#define CHUNK			1024	/* digests */
#define MAX_COUNT		(PG_UINT32_MAX / 8 * 3)
#define NEAR			24		/* digests looked at in an expected place: a page of rows, mostly */
#define AHEAD			16		/* places of the index fetched before they are filled */

DigestSet *
digest_set_create(Size data_size, bool ordered)
{
	DigestSet  *set = palloc0(sizeof(DigestSet));

	set->context = CurrentMemoryContext;
	set->data_size = data_size;
	set->ordered = ordered;
	set->max_chunks = 64;
	set->chunks = palloc(sizeof(char *) * set->max_chunks);
	return set;
}

void
digest_set_free(DigestSet *set)
{
	for (uint32 i = 0; i < set->nchunks; i++)
		pfree(set->chunks[i]);
	pfree(set->chunks);
	if (set->index != NULL)
		pfree(set->index);
	pfree(set);
}

uint32
digest_set_count(const DigestSet *set)
{
	return set->count;
}

static inline Digest *
digest_at(const DigestSet *set, uint32 number)
{
	return &((Digest *) set->chunks[number / CHUNK])[number % CHUNK];
}

void *
digest_set_data(const DigestSet *set, uint32 number)
{
	return set->chunks[number / CHUNK] + sizeof(Digest) * CHUNK + set->data_size * (number % CHUNK);
}

/* ---------- the index ---------- */

/* The places that so many digests need: at most three of four are taken. */
static inline uint32
places_for(uint32 count)
{
	return count + count / 3 + 4;
}

/*
 * The places that the index must have, with one digest more.  It is made as small
 * as can be; one that digests are added to afterwards grows by half, so that it
 * is not made anew all the time.
 */
static uint32
index_size_needed(const DigestSet *set)
{
	uint32		needed = places_for(set->count + 1);

	if (needed <= set->index_size)
		return set->index_size;
	return set->index == NULL ? needed : places_for(Max(set->count / 2 * 3, CHUNK));
}

Size
digest_set_bytes(const DigestSet *set)
{
	Size		chunks = set->count / CHUNK + 1;

	return Max(chunks, set->nchunks) * CHUNK * (sizeof(Digest) + set->data_size);
}

/* A digest is random: its upper bits, scaled to the index, are its place. */
static inline uint32
first_place(const DigestSet *set, const Digest *digest)
{
	return ((digest->low >> 32) * set->index_size) >> 32;
}

static inline uint32
next_place(const DigestSet *set, uint32 place)
{
	return place + 1 == set->index_size ? 0 : place + 1;
}

/* Empties the index; it is filled when it is needed. */
static void
clear_index(DigestSet *set)
{
	memset(set->index, 0xFF, sizeof(uint32) * (Size) set->index_size);
	set->indexed = 0;
}

/* Puts the digests that are not in the index there. */
static void
complete_index(DigestSet *set)
{
	uint32		size = index_size_needed(set);

	if (size > set->index_size)
	{
		if (set->index != NULL)
			pfree(set->index);
		set->index = NULL;
		set->index = MemoryContextAllocHuge(set->context, sizeof(uint32) * (Size) size);
		set->index_size = size;
		clear_index(set);
	}
	for (; set->indexed < set->count; set->indexed++)
	{
		uint32		place = first_place(set, digest_at(set, set->indexed));

		if (set->indexed + AHEAD < set->count)
			__builtin_prefetch(&set->index[first_place(set, digest_at(set, set->indexed + AHEAD))], 1);
		while (set->index[place] != NO_DIGEST)
			place = next_place(set, place);
		set->index[place] = set->indexed;
	}
}

/* ---------- looking up ---------- */

/* The number of a digest that stands at most a few behind another. */
static inline uint32
find_near(const DigestSet *set, uint32 number, const Digest *digest)
{
	uint32		end = Min(number + NEAR, set->count);

	for (; number < end; number++)
		if (digest_equal(digest_at(set, number), digest))
			return number;
	return NO_DIGEST;
}

static uint32
find_by_hash(DigestSet *set, const Digest *digest)
{
	uint32		place;

	complete_index(set);
	place = first_place(set, digest);
	while (set->index[place] != NO_DIGEST && !digest_equal(digest_at(set, set->index[place]), digest))
		place = next_place(set, place);
	return set->index[place];
}

uint32
digest_set_find(DigestSet *set, const Digest *digest)
{
	uint32		number;

	if (!set->ordered)
		return find_by_hash(set, digest);
	number = find_near(set, set->expected[0], digest);
	if (number == set->expected[0])
	{
		set->expected[0]++;
		return number;
	}
	if (number == NO_DIGEST)
		number = find_near(set, set->expected[1], digest);
	if (number != NO_DIGEST)
	{
		set->expected[1] = set->expected[0];
		set->expected[0] = number + 1;
		return number;
	}
	number = find_by_hash(set, digest);
	if (number != NO_DIGEST)
		set->expected[1] = number + 1;
	return number;
}

/* ---------- adding and removing ---------- */

uint32
digest_set_append(DigestSet *set, const Digest *digest)
{
	if (set->count == MAX_COUNT)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows")));
	if (set->count == set->nchunks * CHUNK)
	{
		if (set->nchunks == set->max_chunks)
		{
			set->max_chunks *= 2;
			set->chunks = repalloc_huge(set->chunks, sizeof(char *) * set->max_chunks);
		}
		set->chunks[set->nchunks] =
			MemoryContextAlloc(set->context, CHUNK * (sizeof(Digest) + set->data_size));
		set->nchunks++;
	}
	*digest_at(set, set->count) = *digest;
	memset(digest_set_data(set, set->count), 0, set->data_size);
	return set->count++;
}

uint32
digest_set_add(DigestSet *set, const Digest *digest)
{
	uint32		number = digest_set_find(set, digest);

	return number != NO_DIGEST ? number : digest_set_append(set, digest);
}

void
digest_set_restrict(DigestSet *set, uint64 mask, uint64 bits)
{
	uint32		kept = 0;

	for (uint32 i = 0; i < set->count; i++)
	{
		if ((digest_at(set, i)->low & mask) != bits)
			continue;
		*digest_at(set, kept) = *digest_at(set, i);
		memcpy(digest_set_data(set, kept), digest_set_data(set, i), set->data_size);
		kept++;
	}
	set->count = kept;
	if (set->index != NULL)
		clear_index(set);
}
