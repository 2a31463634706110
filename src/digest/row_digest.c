/*
 * row_digest.c
 *		Digests kept beside each row of previous.
 *
 * Of the stored texts: so that a file is compared with previous without
 * reading the wide columns.  And of the values that they become in the target:
 * so that a complete run sees that a target row is as it should be without
 * converting the texts once more (drift.c).
 */
#include "digest/row_digest.h"

Datum
row_digest_datum(const RowDigest *digest)
{
	bytea	   *value = palloc(VARHDRSZ + sizeof(RowDigest));

	SET_VARSIZE(value, VARHDRSZ + sizeof(RowDigest));
	memcpy(VARDATA(value), digest, sizeof(RowDigest));
	return PointerGetDatum(value);
}

bool
row_digest_read(RowDigest *digest, const DigestEpoch *epoch, Datum value)
{
	struct varlena *bytes = (struct varlena *) DatumGetPointer(value);

	/* Forty bytes are never moved out of their row. */
	if (VARSIZE_ANY_EXHDR(bytes) != sizeof(RowDigest))
		return false;
	memcpy(digest, VARDATA_ANY(bytes), sizeof(RowDigest));
	return digest->epoch == epoch->epoch;
}
