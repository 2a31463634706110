/*
 * key.c
 *		Keys that are one key in several spellings.
 *
 * 1 and 01 are one integer, a uuid is the same in capitals: what the target
 * holds equal is one key, in a file, in previous, in batches that wait.  A
 * spelling that is known needs nothing of this.  Only a text that is not found
 * is converted, and then looked for by its value: by the text that values of
 * such types usually have, and where a key has another one, or equal values
 * have no text in common (numeric, citext), by a hash that is kept beside it.
 */
#include "key.h"

#include "access/hash.h"
#include "access/nbtree.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "row_digest.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* The column of the target that keys become values of. */
static const MappingColumn *
key_column(const Mapping *mapping)
{
	return &mapping->columns[mapping->key];
}

/* Whether a column holds texts of other bytes always apart. */
static bool
is_text_bytewise(const MappingColumn *column)
{
	/* A format may make one value of two texts. */
	return (column->type == TEXTOID || column->type == VARCHAROID) && column->format == NULL &&
		get_collation_isdeterministic(column->collation);
}

bool
is_key_bytewise(const Mapping *mapping)
{
	const MappingColumn *key = key_column(mapping);

	return mapping->association || is_text_bytewise(key);
}

/* What the type cache knows of a column's type. */
static TypeCacheEntry *
type_entry(const MappingColumn *key)
{
	return lookup_type_cache(key->type, TYPECACHE_HASH_EXTENDED_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
}

void
key_type_check(const Mapping *mapping)
{
	const MappingColumn *key = key_column(mapping);
	TypeCacheEntry *entry;

	entry = type_entry(key);
	if (!OidIsValid(entry->hash_extended_proc) || !OidIsValid(entry->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("column \"%s\" of %s cannot be a key: type %s has no default hash operator class",
						key->target, mapping->target_name, format_type_be(key->type)),
				 errdetail("Two spellings of one key are found by their hash.")));
}

/* Whether equal values of the type are the same bytes. */
static bool
equal_is_same_bytes(const MappingColumn *key)
{
	Oid			type = getBaseType(key->type);
	Oid			opclass = GetDefaultOpClass(type, BTREE_AM_OID);
	Oid			function;

	if (!OidIsValid(opclass))
		return false;
	function = get_opfamily_proc(get_opclass_family(opclass), get_opclass_input_type(opclass),
								 get_opclass_input_type(opclass), BTEQUALIMAGE_PROC);
	return OidIsValid(function) &&
		DatumGetBool(OidFunctionCall1Coll(function, key->collation, ObjectIdGetDatum(type)));
}

/* Takes over what tells values of a column apart; its type has a default hash operator class. */
static void
init_values(KeyType *type, const MappingColumn *column)
{
	TypeCacheEntry *entry = type_entry(column);

	converter_init(&type->converter, column->type, column->typmod, column->format);
	row_bytes_init(&type->bytes);
	type->canonical = equal_is_same_bytes(column);
	type->collation = column->collation;
	fmgr_info_copy(&type->hash, &entry->hash_extended_proc_finfo, CurrentMemoryContext);
	fmgr_info_copy(&type->equal, &entry->eq_opr_finfo, CurrentMemoryContext);
}

void
key_type_init(KeyType *type, const Mapping *mapping)
{
	const MappingColumn *key = key_column(mapping);

	memset(type, 0, sizeof(KeyType));
	type->bytewise = is_key_bytewise(mapping);
	if (mapping->association)
		return;
	if (type->bytewise)
	{
		converter_init(&type->converter, key->type, key->typmod, key->format);
		return;
	}
	key_type_check(mapping);
	init_values(type, key);
}

void
column_type_init(KeyType *type, const MappingColumn *column)
{
	TypeCacheEntry *entry;

	memset(type, 0, sizeof(KeyType));
	type->bytewise = column->target == NULL || is_text_bytewise(column);
	if (type->bytewise)
		return;
	entry = type_entry(column);
	type->bytewise = !OidIsValid(entry->hash_extended_proc) || !OidIsValid(entry->eq_opr);
	if (!type->bytewise)
		init_values(type, column);
}

Datum
key_value(KeyType *type, const char *text)
{
	bool		isnull;
	Datum		value = convert_text(&type->converter, text, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key is null in its format")));
	return value;
}

/* The value's hash, which seeds make another one. */
static uint64
hash_value(KeyType *type, Datum value, uint64 seed)
{
	return DatumGetUInt64(FunctionCall2Coll(&type->hash, type->collation, value, UInt64GetDatum(seed)));
}

Digest
key_identity(KeyType *type, const DigestKey *key, Datum value)
{
	Digest		digest;

	if (type->canonical)
	{
		row_bytes_reset(&type->bytes);
		converter_add_bytes(&type->converter, &type->bytes, value, false);
		return row_bytes_digest(&type->bytes, key);
	}
	/* Seeds that nobody knows: a source cannot make two keys of one digest. */
	digest.low = hash_value(type, value, key->k0);
	digest.high = hash_value(type, value, key->k1);
	return digest;
}

char *
key_usual_text(KeyType *type, Datum value)
{
	return type->canonical && type->converter.format == NULL ? convert_value(&type->converter, value) : NULL;
}

bool
key_needs_hash(KeyType *type, Datum value, const char *text)
{
	char	   *usual = key_usual_text(type, value);

	return usual == NULL || strcmp(usual, text) != 0;
}

int64
key_hash(KeyType *type, Datum value)
{
	return (int64) hash_value(type, value, 0);
}

bool
key_equal(KeyType *type, Datum a, Datum b)
{
	return DatumGetBool(FunctionCall2Coll(&type->equal, type->collation, a, b));
}
