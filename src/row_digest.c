/*
 * row_digest.c
 *		Digests kept beside each row of previous.
 *
 * Of the stored texts: so that a file is compared with previous without
 * reading the wide columns.  And of the values that they become in the target:
 * so that a complete run sees that a target row is as it should be without
 * converting the texts once more (drift.c).
 *
 * Both are keyed, as in digest.c, with a key that no role can read and that is
 * never dumped: in a restored database, where the numbers of types and enum
 * labels are others, a new epoch begins and digests of the old one count for
 * nothing.
 */
#include "row_digest.h"

#include "sql.h"

void
digest_epoch_load(DigestEpoch *epoch, const Mapping *mapping)
{
	bool		isnull;
	bytea	   *key;

	digest_key_random(&epoch->key);
	epoch->epoch = 0;
	if (mapping->association)
		return;
	if (own_sql("SELECT epoch, key FROM syncup.digest_epoch WHERE connector = $1 AND mapping = $2",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name))) == 0)
	{
		if (!pg_strong_random(&epoch->epoch, sizeof(epoch->epoch)))
			elog(ERROR, "could not generate random bytes");
		key = palloc(VARHDRSZ + sizeof(DigestKey));
		SET_VARSIZE(key, VARHDRSZ + sizeof(DigestKey));
		memcpy(VARDATA(key), &epoch->key, sizeof(DigestKey));
		own_sql("INSERT INTO syncup.digest_epoch (connector, mapping, epoch, key) VALUES ($1, $2, $3, $4)",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
						 SQL_INT8(epoch->epoch), SQL_DATUM(BYTEAOID, PointerGetDatum(key))));
		return;
	}
	epoch->epoch = sql_int8(0, 1);
	key = DatumGetByteaPP(sql_datum(0, 2, &isnull));
	memcpy(&epoch->key, VARDATA_ANY(key), sizeof(DigestKey));
}

void
digest_epoch_end(const char *connector, const char *mapping)
{
	own_sql("DELETE FROM syncup.digest_epoch WHERE connector = $1 AND mapping = coalesce($2, mapping)",
			SQL_ARGS(SQL_TEXT(connector), SQL_TEXT(mapping)));
}

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

void
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
		struct varlena *packed = PG_DETOAST_DATUM_PACKED(value);

		row_bytes_add(bytes, VARDATA_ANY(packed), VARSIZE_ANY_EXHDR(packed));
	}
	else
		row_bytes_add(bytes, DatumGetPointer(value),
					  typlen == -2 ? strlen(DatumGetCString(value)) : (size_t) typlen);
}
