/*
 * digest_epoch.c
 *		What the digests of a mapping are taken with: syncup.digest_epoch.
 *
 * They are keyed, as in digest.c, with a key that no role can read and that is
 * never dumped: in a restored database, where the numbers of types and enum
 * labels are others, a new epoch begins and digests of the old one count for
 * nothing.
 */
#include "store/digest_epoch.h"

#include "store/key_hash.h"
#include "tool/sql.h"

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
		key_hashes_renew(mapping);
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
