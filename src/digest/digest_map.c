/*
 * digest_map.c
 *		Digests by digest.
 *
 * Key and value lie side by side in the place that the key is hashed to, so
 * that a look-up waits for memory once.  Some 43 to 64 bytes each.
 */
#include "digest/digest_map.h"

#include "utils/memutils.h"

/* A place is free where the key is zero, which no digest is. */
typedef struct Entry
{
	Digest		key;
	Digest		value;
} Entry;

struct DigestMap
{
	MemoryContext context;
	Entry	   *entries;
	uint32		size;			/* of any length: see first_place() */
	uint32		count;
};

#define MIN_SIZE	64

/* At most three of four places are taken. */
#define is_full(map)	((map)->count >= (map)->size / 4 * 3)

/* The places for so many digests. */
#define places_for(expected)	((expected) / 3 * 4)

/* Makes free places, as many as these. */
static void
make_places(DigestMap *map, double size)
{
	if (size > PG_UINT32_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("too many rows")));
	map->size = Max(size, MIN_SIZE);
	map->entries = MemoryContextAllocExtended(map->context, sizeof(Entry) * (Size) map->size,
											  MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
}

DigestMap *
digest_map_create(double expected)
{
	DigestMap  *map = palloc0(sizeof(DigestMap));

	map->context = CurrentMemoryContext;
	make_places(map, places_for(expected));
	return map;
}

void
digest_map_free(DigestMap *map)
{
	pfree(map->entries);
	pfree(map);
}

Size
digest_map_bytes(const DigestMap *map)
{
	return sizeof(Entry) * (Size) map->size;
}

double
digest_map_bytes_of(double expected)
{
	return sizeof(Entry) * places_for(expected);
}

/* A digest is random: its upper bits, scaled to the size, are its place. */
static inline uint32
first_place(const DigestMap *map, const Digest *key)
{
	return ((key->low >> 32) * map->size) >> 32;
}

/* The place of a digest: its own, or a free one. */
static inline Entry *
place_of(const DigestMap *map, const Digest *key)
{
	uint32		place = first_place(map, key);

	while ((map->entries[place].key.low != 0 || map->entries[place].key.high != 0) &&
		   !digest_equal(&map->entries[place].key, key))
		place = place + 1 == map->size ? 0 : place + 1;
	return &map->entries[place];
}

Digest *
digest_map_find(const DigestMap *map, Digest key)
{
	Entry	   *entry = place_of(map, &key);

	return digest_equal(&entry->key, &key) ? &entry->value : NULL;
}

/* Gives the map half as many places again. */
static void
grow(DigestMap *map)
{
	Entry	   *before = map->entries;
	uint32		size = map->size;

	make_places(map, size * 1.5);
	for (uint32 i = 0; i < size; i++)
		if (before[i].key.low != 0 || before[i].key.high != 0)
			*place_of(map, &before[i].key) = before[i];
	pfree(before);
}

Digest *
digest_map_add(DigestMap *map, Digest key, bool *found)
{
	Entry	   *entry;

	if (is_full(map))
		grow(map);
	entry = place_of(map, &key);
	*found = digest_equal(&entry->key, &key);
	if (!*found)
	{
		entry->key = key;
		map->count++;
	}
	return &entry->value;
}

void
digest_map_fetch(const DigestMap *map, Digest key)
{
	__builtin_prefetch(&map->entries[first_place(map, &key)]);
}
