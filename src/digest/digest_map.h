/*
 * digest_map.h
 *		Digests by digest: an instance of the server's hash table.
 *
 * Key and value lie side by side in the place that the key is hashed to, so that a
 * look-up waits for memory once.
 */
#ifndef SYNCUP_DIGEST_MAP_H
#define SYNCUP_DIGEST_MAP_H

#include "digest/digest.h"

typedef struct DigestEntry
{
	Digest		key;
	Digest		value;
	char		status;
} DigestEntry;

#define SH_PREFIX			digest_map
#define SH_ELEMENT_TYPE		DigestEntry
#define SH_KEY_TYPE			Digest
#define SH_KEY				key
#define SH_HASH_KEY(tb, k)	((uint32) (k).low)
#define SH_EQUAL(tb, a, b)	digest_equal(&(a), &(b))
#define SH_SCOPE			static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

/* The bytes of a map with room for so many. */
static inline double
digest_map_bytes(double digests)
{
	return sizeof(DigestEntry) * (double) pg_nextpower2_64((uint64) (digests / 0.9) + 2);
}

/* The value under a digest; NULL where there is none. */
static inline const Digest *
digest_map_find(digest_map_hash *map, Digest key)
{
	DigestEntry *entry = digest_map_lookup(map, key);

	return entry == NULL ? NULL : &entry->value;
}

/* Says that a digest will be looked for soon. */
static inline void
digest_map_fetch(digest_map_hash *map, Digest key)
{
	__builtin_prefetch(&map->data[digest_map_initial_bucket(map, (uint32) key.low)]);
}

#endif							/* SYNCUP_DIGEST_MAP_H */
