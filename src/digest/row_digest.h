/*
 * row_digest.h
 *		Digests kept beside each row of previous.
 */
#ifndef SYNCUP_ROW_DIGEST_H
#define SYNCUP_ROW_DIGEST_H

#include "syncup.h"
#include "digest/digest.h"

/*
 * What a mapping's digests are taken with.  Digests of another epoch say
 * nothing.  Associations keep none: theirs are of epoch 0, with a key of this
 * run's own.
 */
typedef struct DigestEpoch
{
	int64		epoch;
	DigestKey	key;
} DigestEpoch;

/* What is kept of a row: column "digest" of previous and delta. */
typedef struct RowDigest
{
	int64		epoch;
	Digest		row;			/* of the stored texts */
	Digest		values;			/* of what the target gets of them; 0: unknown */
} RowDigest;

/* As a value of column "digest", and back; false: null or of another epoch. */
extern Datum row_digest_datum(const RowDigest *digest);
extern bool row_digest_read(RowDigest *digest, const DigestEpoch *epoch, Datum value);

/*
 * Adds a value of a target column in its binary form, detoasted in the current
 * memory context.  Two values of a type that are the same there are equal; not
 * all that are equal are the same.
 */
static inline void
row_bytes_add_value(RowBytes *bytes, int16 typlen, bool typbyval, Datum value, bool isnull)
{
	if (isnull)
		row_bytes_add(bytes, NULL, 0);
	else if (typbyval)
	{
		/* Of a Datum only as many bytes are the value's as its type has. */
		uint64		number = typlen == 1 ? (uint8) value : typlen == 2 ? (uint16) value :
			typlen == 4 ? (uint32) value : (uint64) value;

		row_bytes_add(bytes, (char *) &number, sizeof(number));
	}
	else if (typlen == -1)
	{
		struct varlena *packed = (struct varlena *) DatumGetPointer(value);

		if (VARATT_IS_EXTENDED(packed) && !VARATT_IS_SHORT(packed))
			packed = PG_DETOAST_DATUM_PACKED(value);
		row_bytes_add(bytes, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
	}
	else
		row_bytes_add(bytes, DatumGetPointer(value),
					  typlen == -2 ? strlen(DatumGetCString(value)) : (size_t) typlen);
}

/* Adds a stored field: the same bytes as row_bytes_add() of the field in the file. */
static inline void
row_bytes_add_stored(RowBytes *bytes, Datum field, bool isnull)
{
	row_bytes_add_value(bytes, -1, false, field, isnull);
}

#endif							/* SYNCUP_ROW_DIGEST_H */
