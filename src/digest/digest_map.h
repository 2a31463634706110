/*
 * digest_map.h
 *		Digests by digest.
 */
#ifndef SYNCUP_DIGEST_MAP_H
#define SYNCUP_DIGEST_MAP_H

#include "digest/digest.h"

typedef struct DigestMap DigestMap;

/* An empty map with room for about so many. */
extern DigestMap *digest_map_create(double expected);
extern void digest_map_free(DigestMap *map);

/* The bytes that it takes, and that one with room for so many would take. */
extern Size digest_map_bytes(const DigestMap *map);
extern double digest_map_bytes_of(double expected);

/*
 * The value under a digest, NULL where there is none; or a new one, and whether
 * it was there.  They stay where they are until one is added.
 */
extern Digest *digest_map_find(const DigestMap *map, Digest key);
extern Digest *digest_map_add(DigestMap *map, Digest key, bool *found);

/* Says that a digest will be looked for soon. */
extern void digest_map_fetch(const DigestMap *map, Digest key);

#endif							/* SYNCUP_DIGEST_MAP_H */
