/*
 * digest_set.c
 *		A set of digests in little memory, each of which can be marked.
 *
 * The digests lie in the order in which they came.  Where they are asked for in
 * that order, mostly, a digest is looked for behind the one found last, and only
 * then by hash, in an index of their numbers that is filled when it is first
 * needed.  Less than 22 bytes each.
 */
#include "digest_set.h"

#include "utils/memutils.h"

struct DigestSet
{
	MemoryContext context;
	bool		ordered;		/* asked for in the order in which they came, mostly */
	Digest	   *digests;
	uint8	   *marks;			/* a bit each */
	uint32		count;
	uint32		capacity;
	uint32		marked;
	uint32		next;			/* behind the one found last */

	uint32	   *index;			/* numbers, by hash; NULL: none yet */
	uint32		index_size;		/* of any length: see first_place() */
	uint32		indexed;		/* digests that stand in it */
};

#define NO_DIGEST		PG_UINT32_MAX
#define MIN_CAPACITY	256
#define MAX_CAPACITY	((double) (PG_UINT32_MAX / 4 * 3 - 1))
#define NEAR			8		/* digests looked at before the index is */
#define AHEAD			16		/* places of the index fetched before they are filled */

/* Makes room for so many. */
static void
make_room(DigestSet *set, double capacity)
{
	uint32		before = set->capacity;
	Size		marks;

	capacity = Min(Max(capacity, MIN_CAPACITY), MAX_CAPACITY);
	if (capacity <= before)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows")));
	set->capacity = capacity;
	marks = (Size) set->capacity / 8 + 1;
	if (before == 0)
	{
		set->digests = MemoryContextAllocHuge(set->context, sizeof(Digest) * (Size) set->capacity);
		set->marks = MemoryContextAllocExtended(set->context, marks, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
		return;
	}
	set->digests = repalloc_huge(set->digests, sizeof(Digest) * (Size) set->capacity);
	set->marks = repalloc_huge(set->marks, marks);
	memset(set->marks + before / 8 + 1, 0, marks - (before / 8 + 1));
}

DigestSet *
digest_set_create(double expected, bool ordered)
{
	DigestSet  *set = palloc0(sizeof(DigestSet));

	set->context = CurrentMemoryContext;
	set->ordered = ordered;
	make_room(set, expected);
	return set;
}

void
digest_set_free(DigestSet *set)
{
	pfree(set->digests);
	pfree(set->marks);
	if (set->index != NULL)
		pfree(set->index);
	pfree(set);
}

/* The places that the index has for so many digests: at most three of four are taken. */
#define places_for(capacity)	((Size) (capacity) / 3 * 4 + 4)

Size
digest_set_bytes(const DigestSet *set)
{
	return (Size) set->capacity * sizeof(Digest) + (Size) set->capacity / 8 +
		places_for(set->capacity) * sizeof(uint32);
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

/* Puts the digests that are not in the index there. */
static void
complete_index(DigestSet *set)
{
	if (set->index_size < places_for(set->capacity))
	{
		if (set->index != NULL)
			pfree(set->index);
		set->index_size = Min(places_for(set->capacity), PG_UINT32_MAX);
		set->index = MemoryContextAllocHuge(set->context, sizeof(uint32) * (Size) set->index_size);
		memset(set->index, 0xFF, sizeof(uint32) * (Size) set->index_size);
		set->indexed = 0;
	}
	for (; set->indexed < set->count; set->indexed++)
	{
		uint32		place = first_place(set, &set->digests[set->indexed]);

		if (set->indexed + AHEAD < set->count)
			__builtin_prefetch(&set->index[first_place(set, &set->digests[set->indexed + AHEAD])], 1);
		while (set->index[place] != NO_DIGEST)
			place = next_place(set, place);
		set->index[place] = set->indexed;
	}
}

/* The number of a digest, or NO_DIGEST. */
static uint32
find(DigestSet *set, const Digest *digest)
{
	uint32		end = set->ordered ? Min(set->next + NEAR, set->count) : 0;
	uint32		place;

	for (uint32 number = set->next; number < end; number++)
		if (digest_equal(&set->digests[number], digest))
		{
			set->next = number + 1;
			return number;
		}
	complete_index(set);
	place = first_place(set, digest);
	while (set->index[place] != NO_DIGEST &&
		   !digest_equal(&set->digests[set->index[place]], digest))
		place = next_place(set, place);
	if (set->index[place] != NO_DIGEST)
		set->next = set->index[place] + 1;
	return set->index[place];
}

void
digest_set_append(DigestSet *set, Digest digest)
{
	if (set->count == set->capacity)
		make_room(set, set->capacity * 1.5);
	set->digests[set->count++] = digest;
}

bool
digest_set_add(DigestSet *set, Digest digest)
{
	if (find(set, &digest) != NO_DIGEST)
		return false;
	digest_set_append(set, digest);
	return true;
}

bool
digest_set_has(DigestSet *set, Digest digest)
{
	return find(set, &digest) != NO_DIGEST;
}

void
digest_set_fetch(DigestSet *set, Digest digest)
{
	complete_index(set);
	__builtin_prefetch(&set->index[first_place(set, &digest)]);
}

bool
digest_set_mark(DigestSet *set, Digest digest)
{
	uint32		number = find(set, &digest);

	if (number == NO_DIGEST)
		return false;
	if (!((set->marks[number / 8] >> (number % 8)) & 1))
	{
		set->marks[number / 8] |= 1 << (number % 8);
		set->marked++;
	}
	return true;
}

bool
digest_set_is_marked(DigestSet *set, Digest digest)
{
	uint32		number = find(set, &digest);

	return number != NO_DIGEST && ((set->marks[number / 8] >> (number % 8)) & 1);
}

void
digest_set_unmarked(DigestSet *set, void (*visit) (void *arg, uint32 number), void *arg)
{
	/* Of digests that came twice one alone is marked. */
	for (uint32 number = 0; number < set->count && set->marked < set->count; number++)
		if (!((set->marks[number / 8] >> (number % 8)) & 1) &&
			!digest_set_is_marked(set, set->digests[number]))
			visit(arg, number);
}

uint32
digest_set_count(const DigestSet *set)
{
	return set->count;
}

uint32
digest_set_marked(const DigestSet *set)
{
	return set->marked;
}
