/*
 * digest_set.c
 *		A set of digests in little memory, each of which can be marked.
 *
 * Open addressing with linear probing in an array of any length: a digest is
 * random, so its upper bits, scaled to that length, are its place.  Sixteen
 * bytes and a bit each, at most four places of five taken.
 */
#include "digest_set.h"

#include "utils/memutils.h"

struct DigestSet
{
	MemoryContext context;
	uint32		places;
	uint64		count;
	uint64		marked;
	Digest	   *digests;		/* both halves 0: free */
	uint8	   *marks;			/* a bit each */
};

#define MIN_PLACES		256
#define MAX_PLACES		PG_UINT32_MAX

static void
allocate(DigestSet *set, double places)
{
	set->places = Min(Max(places, MIN_PLACES), (double) MAX_PLACES);
	set->digests = MemoryContextAllocExtended(set->context, sizeof(Digest) * (Size) set->places,
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	set->marks = MemoryContextAllocExtended(set->context, (Size) set->places / 8 + 1,
											MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

DigestSet *
digest_set_create(double expected)
{
	DigestSet  *set = palloc0(sizeof(DigestSet));

	set->context = CurrentMemoryContext;
	allocate(set, expected * 1.3);
	return set;
}

void
digest_set_free(DigestSet *set)
{
	pfree(set->digests);
	pfree(set->marks);
	pfree(set);
}

Size
digest_set_bytes(const DigestSet *set)
{
	return (Size) set->places * sizeof(Digest) + (Size) set->places / 8;
}

/* The one digest that would look like a free place is taken for its neighbour. */
static inline Digest
proper(Digest digest)
{
	if (digest.low == 0 && digest.high == 0)
		digest.low = 1;
	return digest;
}

/* The place where the digest is, or would be. */
static inline uint32
place_of(const DigestSet *set, const Digest *digest)
{
	uint32		place = ((digest->low >> 32) * set->places) >> 32;

	while ((set->digests[place].low != 0 || set->digests[place].high != 0) &&
		   !digest_equal(&set->digests[place], digest))
		if (++place == set->places)
			place = 0;
	return place;
}

static inline bool
is_free(const DigestSet *set, uint32 place)
{
	return set->digests[place].low == 0 && set->digests[place].high == 0;
}

#define is_marked(set, place)	(((set)->marks[(place) / 8] >> ((place) % 8)) & 1)
#define set_mark(set, place)	((set)->marks[(place) / 8] |= 1 << ((place) % 8))

/* Makes room for half as many more. */
static void
grow(DigestSet *set)
{
	DigestSet	old = *set;

	if (set->places == MAX_PLACES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows")));
	allocate(set, old.places * 1.5);
	for (uint32 i = 0; i < old.places; i++)
	{
		uint32		place;

		if (is_free(&old, i))
			continue;
		place = place_of(set, &old.digests[i]);
		set->digests[place] = old.digests[i];
		if (is_marked(&old, i))
			set_mark(set, place);
	}
	pfree(old.digests);
	pfree(old.marks);
}

bool
digest_set_add(DigestSet *set, Digest digest)
{
	uint32		place;

	digest = proper(digest);
	place = place_of(set, &digest);
	if (!is_free(set, place))
		return false;
	if ((set->count + 1) * 5 > (uint64) set->places * 4)
	{
		grow(set);
		place = place_of(set, &digest);
	}
	set->digests[place] = digest;
	set->count++;
	return true;
}

bool
digest_set_has(const DigestSet *set, Digest digest)
{
	digest = proper(digest);
	return !is_free(set, place_of(set, &digest));
}

bool
digest_set_mark(DigestSet *set, Digest digest)
{
	uint32		place;

	digest = proper(digest);
	place = place_of(set, &digest);
	if (is_free(set, place))
		return false;
	if (!is_marked(set, place))
	{
		set_mark(set, place);
		set->marked++;
	}
	return true;
}

bool
digest_set_is_marked(const DigestSet *set, Digest digest)
{
	uint32		place;

	digest = proper(digest);
	place = place_of(set, &digest);
	return !is_free(set, place) && is_marked(set, place);
}

uint64
digest_set_count(const DigestSet *set)
{
	return set->count;
}

uint64
digest_set_marked(const DigestSet *set)
{
	return set->marked;
}
