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
 *
 * A key of several columns is the text of a row of them, as PostgreSQL writes
 * rows: (T1,1).  It is stored and looked for as any other text.
 */
#include "config/key.h"

#include "access/hash.h"
#include "access/nbtree.h"
#include "catalog/pg_opfamily.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "digest/row_digest.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

/* ---------- keys of several columns, as text ---------- */

/* Whether a value stands in quotes in the text of a row. */
static bool
needs_quotes(const char *value, size_t length)
{
	static const bool special[256] = {
		['"'] = true, ['\\'] = true, ['('] = true, [')'] = true, [','] = true, [' '] = true,
		['\t'] = true, ['\n'] = true, ['\v'] = true, ['\f'] = true, ['\r'] = true,
	};

	for (size_t i = 0; i < length; i++)
		if (special[(unsigned char) value[i]])
			return true;
	return length == 0;
}

/* Adds a value to the text of a row. */
static void
add_part(StringInfo text, const char *value, size_t length)
{
	if (!needs_quotes(value, length))
	{
		appendBinaryStringInfo(text, value, length);
		return;
	}
	appendStringInfoChar(text, '"');
	for (size_t i = 0; i < length; i++)
	{
		if (value[i] == '"' || value[i] == '\\')
			appendStringInfoChar(text, value[i]);
		appendStringInfoChar(text, value[i]);
	}
	appendStringInfoChar(text, '"');
}

/* The next value in the text of a row, which such a function has written. */
static char *
next_part(const char **at)
{
	const char *from = *at + 1;	/* beyond the parenthesis or comma */
	StringInfoData value;
	bool		quoted = *from == '"';

	initStringInfo(&value);
	for (from += quoted; *from != '\0' && (quoted || (*from != ',' && *from != ')')); from++)
	{
		if (quoted && *from == '"' && from[1] != '"')
			break;
		if (quoted && (*from == '"' || *from == '\\'))
			from++;
		if (*from == '\0')
			break;
		appendStringInfoChar(&value, *from);
	}
	*at = from + (quoted && *from == '"');
	return value.data;
}

void
make_key(const Mapping *mapping, const char **fields, size_t *lengths)
{
	StringInfoData text;

	if (!is_key_made(mapping))
		return;
	fields[mapping->key] = NULL;
	lengths[mapping->key] = 0;
	for (int p = 0; p < mapping->nparts && !mapping->association; p++)
		if (fields[mapping->parts[p]] == NULL || lengths[mapping->parts[p]] == 0)
			return;
	initStringInfo(&text);
	for (int p = 0; p < mapping->nparts; p++)
	{
		appendStringInfoChar(&text, p == 0 ? '(' : ',');
		/* What tells links of one pair apart may be null. */
		if (fields[mapping->parts[p]] != NULL)
			add_part(&text, fields[mapping->parts[p]], lengths[mapping->parts[p]]);
	}
	appendStringInfoChar(&text, ')');
	fields[mapping->key] = text.data;
	lengths[mapping->key] = text.len;
}

char **
key_parts_of_text(const char *text, int *count)
{
	char	  **parts = palloc(sizeof(char *) * INDEX_MAX_KEYS);

	*count = 0;
	while ((*text == '(' || *text == ',') && *count < INDEX_MAX_KEYS)
		parts[(*count)++] = next_part(&text);
	return parts;
}

char *
empty_key_message(const Mapping *mapping, const char **fields, const size_t *lengths)
{
	int			p = 0;

	while (p < mapping->nparts - 1 && fields[mapping->parts[p]] != NULL && lengths[mapping->parts[p]] > 0)
		p++;
	return psprintf("\"%s\" is empty", mapping->columns[mapping->parts[p]].source);
}

/* ---------- types ---------- */

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
	for (int p = 0; p < mapping->nparts && !mapping->association; p++)
		if (!is_text_bytewise(&mapping->columns[mapping->parts[p]]))
			return false;
	return true;
}

/* What the type cache knows of a column's type. */
static TypeCacheEntry *
type_entry(const MappingColumn *key)
{
	return lookup_type_cache(key->type, TYPECACHE_HASH_EXTENDED_PROC_FINFO | TYPECACHE_EQ_OPR_FINFO);
}

/* Errors unless two spellings of a value of the column can be told to be one. */
static void
check_type(const Mapping *mapping, const MappingColumn *key)
{
	TypeCacheEntry *entry = type_entry(key);

	if (!OidIsValid(entry->hash_extended_proc) || !OidIsValid(entry->eq_opr))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("column \"%s\" of %s cannot be a key: type %s has no default hash operator class",
						key->target, mapping->target_name, format_type_be(key->type)),
				 errdetail("Two spellings of one key are found by their hash.")));
}

void
key_type_check(const Mapping *mapping)
{
	for (int p = 0; p < mapping->nparts; p++)
		check_type(mapping, &mapping->columns[mapping->parts[p]]);
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

/* Begins a type of some parts. */
static void
begin_type(KeyType *type, int nparts)
{
	memset(type, 0, sizeof(KeyType));
	type->canonical = true;
	type->parts = palloc0(sizeof(KeyPart) * Max(nparts, 1));
	row_bytes_init(&type->bytes);
}

/* Adds what tells values of a column apart; its type has a default hash operator class. */
static void
add_values(KeyType *type, const MappingColumn *column)
{
	TypeCacheEntry *entry = type_entry(column);
	KeyPart    *part = &type->parts[type->nparts++];

	converter_init(&part->converter, column->type, column->typmod, column->format);
	part->collation = column->collation;
	fmgr_info_copy(&part->hash, &entry->hash_extended_proc_finfo, CurrentMemoryContext);
	fmgr_info_copy(&part->equal, &entry->eq_opr_finfo, CurrentMemoryContext);
	type->canonical = type->canonical && equal_is_same_bytes(column);
	type->formatted = type->formatted || column->format != NULL;
}

void
key_type_init(KeyType *type, const Mapping *mapping)
{
	begin_type(type, mapping->nparts);
	type->bytewise = is_key_bytewise(mapping);
	if (mapping->association)
		return;
	key_type_check(mapping);
	for (int p = 0; p < mapping->nparts; p++)
		add_values(type, &mapping->columns[mapping->parts[p]]);
}

void
column_type_init(KeyType *type, const MappingColumn *column)
{
	TypeCacheEntry *entry;

	begin_type(type, 1);
	type->bytewise = column->target == NULL || is_text_bytewise(column);
	if (type->bytewise)
		return;
	entry = type_entry(column);
	type->bytewise = !OidIsValid(entry->hash_extended_proc) || !OidIsValid(entry->eq_opr);
	if (!type->bytewise)
		add_values(type, column);
}

/* ---------- values ---------- */

/* The values of a key's parts. */
static Datum *
parts_of(const KeyType *type, Datum *value)
{
	return type->nparts == 1 ? value : (Datum *) DatumGetPointer(*value);
}

Datum
key_of_parts(const KeyType *type, Datum *values)
{
	return type->nparts == 1 ? values[0] : PointerGetDatum(values);
}

Datum
key_part_value(KeyType *type, int part, const char *text)
{
	bool		isnull;
	Datum		value = convert_text(&type->parts[part].converter, text, &isnull);

	if (isnull)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("key is null in its format")));
	return value;
}

Datum
key_value(KeyType *type, const char *text)
{
	Datum	   *values;

	if (type->nparts == 1)
		return key_part_value(type, 0, text);
	values = palloc(sizeof(Datum) * type->nparts);
	for (int p = 0; p < type->nparts; p++)
		values[p] = key_part_value(type, p, next_part(&text));
	return PointerGetDatum(values);
}

/* The value's hash, which seeds make another one. */
static uint64
hash_value(KeyType *type, Datum value, uint64 seed)
{
	Datum	   *values = parts_of(type, &value);

	for (int p = 0; p < type->nparts; p++)
	{
		KeyPart    *part = &type->parts[p];

		seed = DatumGetUInt64(FunctionCall2Coll(&part->hash, part->collation, values[p], UInt64GetDatum(seed)));
	}
	return seed;
}

Digest
key_identity(KeyType *type, const DigestKey *key, Datum value)
{
	Datum	   *values = parts_of(type, &value);
	Digest		digest;

	if (type->canonical)
	{
		row_bytes_reset(&type->bytes);
		for (int p = 0; p < type->nparts; p++)
			converter_add_bytes(&type->parts[p].converter, &type->bytes, values[p], false);
		return row_bytes_digest(&type->bytes, key);
	}
	/* Seeds that nobody knows: a source cannot make two keys of one digest. */
	digest.low = hash_value(type, value, key->k0);
	digest.high = hash_value(type, value, key->k1);
	return digest;
}

char **
key_written_parts(KeyType *type, Datum value)
{
	Datum	   *values = parts_of(type, &value);
	char	  **texts = palloc(sizeof(char *) * type->nparts);

	for (int p = 0; p < type->nparts; p++)
		texts[p] = convert_value(&type->parts[p].converter, values[p]);
	return texts;
}

char *
key_usual_text(KeyType *type, Datum value)
{
	StringInfoData text;
	char	  **parts;

	if (!type->canonical || type->formatted)
		return NULL;
	if (type->nparts == 1)
		return convert_value(&type->parts[0].converter, value);
	initStringInfo(&text);
	parts = key_written_parts(type, value);
	for (int p = 0; p < type->nparts; p++)
	{
		appendStringInfoChar(&text, p == 0 ? '(' : ',');
		add_part(&text, parts[p], strlen(parts[p]));
	}
	appendStringInfoChar(&text, ')');
	return text.data;
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
	Datum	   *x = parts_of(type, &a);
	Datum	   *y = parts_of(type, &b);

	for (int p = 0; p < type->nparts; p++)
	{
		KeyPart    *part = &type->parts[p];

		if (!DatumGetBool(FunctionCall2Coll(&part->equal, part->collation, x[p], y[p])))
			return false;
	}
	return true;
}
