/*
 * digest.c
 *		Keyed 128-bit digests: SipHash-1-3 with 128 bits of output.
 *
 * Two rows are called equal when their digests are.  A source may choose its
 * data, so the digest is keyed with a secret of the mapping (row_digest.c) or,
 * where none is stored, of the run: without it no collision can be built, and by
 * chance one among 10^9 rows has a probability of about 10^-21.  SipHash:
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; one
 * compression round and three final ones, the 128-bit variant as its authors
 * published it later.
 */
#include "digest/digest.h"

#include "port/pg_bswap.h"

#define ROTATE(x, bits)	(((x) << (bits)) | ((x) >> (64 - (bits))))

#define ROUND() \
	do { \
		v0 += v1; v1 = ROTATE(v1, 13); v1 ^= v0; v0 = ROTATE(v0, 32); \
		v2 += v3; v3 = ROTATE(v3, 16); v3 ^= v2; \
		v0 += v3; v3 = ROTATE(v3, 21); v3 ^= v0; \
		v2 += v1; v1 = ROTATE(v1, 17); v1 ^= v2; v2 = ROTATE(v2, 32); \
	} while (0)

void
digest_key_random(DigestKey *key)
{
	if (!pg_strong_random(key, sizeof(*key)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
}

/* Eight bytes as a little-endian number. */
static inline uint64
load(const unsigned char *at)
{
	uint64		word;

	memcpy(&word, at, sizeof(word));
#ifdef WORDS_BIGENDIAN
	word = pg_bswap64(word);
#endif
	return word;
}

Digest
digest_bytes(const DigestKey *key, const void *data, size_t length)
{
	uint64		v0 = key->k0 ^ UINT64CONST(0x736f6d6570736575);
	uint64		v1 = key->k1 ^ UINT64CONST(0x646f72616e646f6d) ^ 0xee;
	uint64		v2 = key->k0 ^ UINT64CONST(0x6c7967656e657261);
	uint64		v3 = key->k1 ^ UINT64CONST(0x7465646279746573);
	const unsigned char *at = data;
	const unsigned char *end = at + (length & ~(size_t) 7);
	uint64		last = (uint64) length << 56;
	Digest		digest;

	for (; at < end; at += 8)
	{
		uint64		word = load(at);

		v3 ^= word;
		ROUND();
		v0 ^= word;
	}
	for (size_t i = 0; i < (length & 7); i++)
		last |= (uint64) at[i] << (8 * i);
	v3 ^= last;
	ROUND();
	v0 ^= last;

	v2 ^= 0xee;
	ROUND();
	ROUND();
	ROUND();
	digest.low = v0 ^ v1 ^ v2 ^ v3;
	v1 ^= 0xdd;
	ROUND();
	ROUND();
	ROUND();
	digest.high = v0 ^ v1 ^ v2 ^ v3;
	return digest;
}

char *
digest_text(const Digest *digest)
{
	return psprintf("%016llx%016llx", (unsigned long long) digest->high, (unsigned long long) digest->low);
}

void
row_bytes_init(RowBytes *bytes)
{
	bytes->capacity = 1024;
	bytes->length = 0;
	bytes->data = palloc(bytes->capacity);
}

void
row_bytes_grow(RowBytes *bytes, size_t needed)
{
	while (bytes->capacity - bytes->length < needed)
		bytes->capacity *= 2;
	bytes->data = repalloc_huge(bytes->data, bytes->capacity);
}
