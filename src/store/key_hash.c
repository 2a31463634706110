/*
 * key_hash.c
 *		What keys of another spelling are found by, taken anew.
 *
 * The hashes beside the keys of previous and delta (key.h) are those of values
 * in the type of the target's column.  They are taken when a row is written; all
 * together where that was without them (an older version), or where values may
 * have got others (another format, a restored database).
 */
#include "store/key_hash.h"

#include "tool/guard.h"
#include "config/key.h"
#include "store/spelling.h"
#include "tool/sql.h"
#include "store/stored_table.h"
#include "tool/rows.h"
#include "utils/snapmgr.h"

/* A table at work. */
typedef struct Rehash
{
	KeyType		type;
	TypedRows  *places;			/* "syncup_rehashed": places and hashes */
	char	   *text;			/* of the key at hand */
	Datum		value;
} Rehash;

static void
make_value(void *arg)
{
	Rehash	   *rehash = arg;

	rehash->value = key_value(&rehash->type, rehash->text);
}

/* Notes the hash of the key of a row, if it is not the one that stands there. */
static void
rehash_row(void *arg, StoredTable *table)
{
	Rehash	   *rehash = arg;
	bool		isnull;
	Datum		stored = stored_field(table, table->mapping->key, &isnull);
	Datum		values[2] = {PointerGetDatum(&table->slot->tts_tid), (Datum) 0};
	bool		nulls[2] = {false, true};
	bool		had_none;
	int64		had;

	if (isnull)
		return;
	had = DatumGetInt64(slot_getattr(table->slot, table->key_hash, &had_none));
	rehash->text = TextDatumGetCString(stored);
	/* What is no value of the type any more is found by its text alone. */
	if (guarded_values(make_value, rehash) == NULL &&
		key_needs_hash(&rehash->type, rehash->value, rehash->text))
	{
		values[1] = Int64GetDatum(key_hash(&rehash->type, rehash->value));
		nulls[1] = false;
	}
	if (nulls[1] ? had_none : !had_none && had == DatumGetInt64(values[1]))
		return;
	typed_rows_put(rehash->places, values, nulls);
}

/* Takes the hashes of one table anew. */
static void
rehash_table(const Mapping *mapping, const char *schema, Rehash *rehash)
{
	StoredTable *table = stored_table_open(mapping, schema);
	Snapshot	snapshot = RegisterSnapshot(GetLatestSnapshot());

	rehash->places = typed_rows_begin("syncup_rehashed", 2);
	typed_rows_column(rehash->places, "place", TIDOID, -1, InvalidOid);
	typed_rows_column(rehash->places, "hash", INT8OID, -1, InvalidOid);
	stored_table_scan(table, snapshot, NULL, rehash_row, rehash);
	UnregisterSnapshot(snapshot);
	stored_table_close(table);
	typed_rows_publish(rehash->places);
	if (rehash->places->count > 0)
		own_sql(psprintf("UPDATE %s p SET key_hash = r.hash FROM syncup_rehashed r WHERE p.ctid = r.place",
						 own_table(schema, mapping)), SQL_NO_ARGS);
	typed_rows_forget(rehash->places);
}

void
key_hashes_renew(const Mapping *mapping)
{
	Rehash		rehash = {0};
	int			level;

	spellings_are_unknown(mapping);
	if (is_key_bytewise(mapping))
		return;
	level = settings_pin(mapping->options->timezone);
	key_type_init(&rehash.type, mapping);
	rehash_table(mapping, "syncup_previous", &rehash);
	rehash_table(mapping, "syncup_delta", &rehash);
	settings_restore(level);
}
