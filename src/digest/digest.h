/*
 * digest.h
 *		Keyed 128-bit digests of keys and rows.
 */
#ifndef SYNCUP_DIGEST_H
#define SYNCUP_DIGEST_H

#include "syncup.h"

typedef struct Digest
{
	uint64		low;
	uint64		high;
} Digest;

typedef struct DigestKey
{
	uint64		k0;
	uint64		k1;
} DigestKey;

/* A key that nobody can foresee. */
extern void digest_key_random(DigestKey *key);

/* The digest of some bytes. */
extern Digest digest_bytes(const DigestKey *key, const void *data, size_t length);

/* In hexadecimal figures. */
extern char *digest_text(const Digest *digest);

static inline bool
digest_equal(const Digest *a, const Digest *b)
{
	return a->low == b->low && a->high == b->high;
}

/*
 * A row's bytes, gathered to be digested: each field with its length, so that
 * no two different rows have the same bytes.
 */
typedef struct RowBytes
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} RowBytes;

extern void row_bytes_init(RowBytes *bytes);
extern void row_bytes_grow(RowBytes *bytes, size_t needed);

static inline void
row_bytes_reset(RowBytes *bytes)
{
	bytes->length = 0;
}

/* Adds a field; data NULL is null. */
static inline void
row_bytes_add(RowBytes *bytes, const char *data, size_t length)
{
	uint32		header = data ? (uint32) length : PG_UINT32_MAX;

	if (bytes->capacity - bytes->length < length + sizeof(header))
		row_bytes_grow(bytes, length + sizeof(header));
	memcpy(bytes->data + bytes->length, &header, sizeof(header));
	bytes->length += sizeof(header);
	if (data != NULL)
	{
		memcpy(bytes->data + bytes->length, data, length);
		bytes->length += length;
	}
}

static inline Digest
row_bytes_digest(const RowBytes *bytes, const DigestKey *key)
{
	return digest_bytes(key, bytes->data, bytes->length);
}

#endif							/* SYNCUP_DIGEST_H */
