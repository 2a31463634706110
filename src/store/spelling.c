/*
 * spelling.c
 *		Ends of links that are written otherwise than the property they mean.
 *
 * A value of a pair means the row whose property has the same text, and where
 * none has it, the row whose property is the same value in the type of its column
 * (SPEC 2.7): 01 means the row of 1.  Options match1 and match2 say otherwise what
 * is the same: texts but for their capitals, or distinguished names (dn.h).  Only
 * what is not found by its text is converted, and found in one reading of the
 * entity type's rows.
 *
 * Which pairs a property that moves concerns is known by its text, and by the text
 * that its value usually has.  Where a pair of the association has neither, that
 * is remembered: then every pair is looked up, as in a complete run.  Where an
 * option says what is the same, an index leads to the pairs instead.
 */
#include "store/spelling.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "catalog/pg_collation.h"
#include "digest/digest_set.h"
#include "format/dn.h"
#include "tool/guard.h"
#include "config/key.h"
#include "tool/plans.h"
#include "tool/sql.h"
#include "store/stored_table.h"
#include "tool/rows.h"
#include "utils/builtins.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* For each value sought: where previous has more rows than that, it is not read. */
#define MANY_ROWS		50

/* What is found of a value: before and after the batch. */
typedef struct Found
{
	int64		counts[2];
	char	   *keys[2];
} Found;

/* One side. */
typedef struct Spelling
{
	const AssociationEnd *end;
	bool		own;			/* the batch may change its rows */
	bool		bytewise;		/* texts that differ are different values */
	bool		folded;			/* what they are compared in is a text, too */
	Oid			base_type;
	KeyType		type;			/* where it is not */
	DigestSet  *sought;			/* of values; NULL: none is */
	TypedRows  *texts;			/* "syncup_sought": these, where they are folded */
	DigestSet  *changed;		/* keys of rows that the batch changes */
	char	   *text;			/* on its way to a value */
	Datum		value;
} Spelling;

struct Spellings
{
	const Mapping *mapping;
	DigestKey	key;
	MemoryContext context;
	Spelling	sides[2];
	bool		others;			/* a value noted has not its usual text */
};

Spellings *
spellings_begin(const Mapping *mapping)
{
	Spellings  *spellings = palloc0(sizeof(Spellings));

	spellings->mapping = mapping;
	spellings->context = CurrentMemoryContext;
	digest_key_random(&spellings->key);
	for (int i = 0; i < 2; i++)
	{
		Spelling   *side = &spellings->sides[i];
		const MappingColumn *property = property_of_end(&mapping->ends[i]);

		side->end = &mapping->ends[i];
		side->own = is_own_end(mapping, side->end);
		side->folded = is_folded(side->end);
		side->bytewise = side->end->match == MATCH_EXACT;
		if (side->bytewise || side->folded)
			continue;
		column_type_init(&side->type, property);
		side->bytewise = side->type.bytewise;
		if (property->target != NULL)
			side->base_type = getBaseType(property->type);
	}
	return spellings->sides[0].bytewise && spellings->sides[1].bytewise ? NULL : spellings;
}

/* The text that two texts of a side share if they are the same; NULL: it is none. */
static char *
folded_text(const Spelling *side, const char *text)
{
	return side->end->match == MATCH_DN ? dn_normal(text, strlen(text)) :
		str_tolower(text, strlen(text), DEFAULT_COLLATION_OID);
}

char *
folded_hash_sql(const AssociationEnd *end, const char *value)
{
	if (!is_folded(end))
		return NULL;
	return psprintf(end->match == MATCH_DN ? "hashtextextended(syncup.dn_normal_form(%s), 0)" :
					"hashtextextended(lower(%s COLLATE \"default\") COLLATE \"C\", 0)", value);
}

static void
make_value(void *arg)
{
	Spelling   *side = arg;

	side->value = key_value(&side->type, side->text);
}

/* Makes the text of a side a value; false: it is none. */
static bool
is_value(Spelling *side, const char *text)
{
	side->text = pstrdup(text);
	return guarded_values(make_value, side) == NULL;
}

bool
spellings_digest(Spellings *spellings, int side, const char *text, Digest *digest)
{
	Spelling   *spelling = &spellings->sides[side];
	char	   *folded;

	/* Of a holder whose row was set aside the other side is not known. */
	if (text == NULL || spelling->bytewise)
		return false;
	if (!spelling->folded)
	{
		if (!is_value(spelling, text))
			return false;
		*digest = key_identity(&spelling->type, &spellings->key, spelling->value);
		return true;
	}
	folded = folded_text(spelling, text);
	if (folded == NULL)
		return false;
	*digest = digest_bytes(&spellings->key, folded, strlen(folded));
	return true;
}

/* ---------- texts that are not the usual ones ---------- */

/* Whether an integer or UUID is written as its type writes it: most are, and need no conversion. */
static bool
looks_usual(const Spelling *side, const char *text, size_t length)
{
	if (side->type.formatted)
		return false;
	if (side->base_type == UUIDOID)
	{
		for (size_t i = 0; i < length; i++)
			if ((i == 8 || i == 13 || i == 18 || i == 23) ? text[i] != '-' :
				!((text[i] >= '0' && text[i] <= '9') || (text[i] >= 'a' && text[i] <= 'f')))
				return false;
		return length == 36;
	}
	if (side->base_type != INT4OID && side->base_type != INT8OID && side->base_type != INT2OID)
		return false;
	for (size_t i = 0; i < length; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return length == 1 || (length > 1 && text[0] != '0');
}

void
spellings_note(Spellings *spellings, int side, const char *text, size_t length)
{
	Spelling   *spelling;

	if (spellings == NULL || spellings->others)
		return;
	spelling = &spellings->sides[side];
	if (spelling->bytewise || spelling->folded || looks_usual(spelling, text, length))
		return;
	text = pnstrdup(text, length);
	spellings->others = is_value(spelling, text) &&
		key_needs_hash(&spelling->type, spelling->value, text);
}

void
spellings_remember(const Spellings *spellings)
{
	if (spellings != NULL && spellings->others)
		own_sql("UPDATE syncup.association SET respelled = true WHERE connector = $1 AND mapping = $2 AND NOT respelled",
				SQL_ARGS(SQL_TEXT(spellings->mapping->connector->name), SQL_TEXT(spellings->mapping->name)));
}

bool
is_bytewise_side(const Spellings *spellings, int side)
{
	return spellings->sides[side].bytewise;
}

bool
is_respelled_side(const Spellings *spellings, int side)
{
	const Spelling *spelling = &spellings->sides[side];

	return !spelling->bytewise && !spelling->folded &&
		own_sql("SELECT FROM syncup.association WHERE connector = $1 AND mapping = $2 AND side = $3 AND respelled",
				SQL_ARGS(SQL_TEXT(spellings->mapping->connector->name), SQL_TEXT(spellings->mapping->name),
						 SQL_INT4(side + 1))) > 0;
}

bool
has_other_spellings(const Mapping *mapping)
{
	Spellings  *spellings = spellings_begin(mapping);

	return spellings != NULL && (is_respelled_side(spellings, 0) || is_respelled_side(spellings, 1));
}

void
spellings_are_unknown(const Mapping *entity)
{
	own_sql("UPDATE syncup.association a SET respelled = true WHERE entity_connector = $1 AND entity = $2 AND NOT respelled"
			" AND EXISTS (SELECT FROM syncup.batch b WHERE b.connector = a.connector"
			" AND b.mode IN ('initial', 'complete') AND b.status IN ('applied', 'undone'))",
			SQL_ARGS(SQL_TEXT(entity->connector->name), SQL_TEXT(entity->name)));
}

char *
spellings_usual(Spellings *spellings, int side, const char *text)
{
	Spelling   *spelling = &spellings->sides[side];
	char	   *usual;

	if (text == NULL || spelling->bytewise || spelling->folded || looks_usual(spelling, text, strlen(text)) ||
		!is_value(spelling, text))
		return NULL;
	usual = key_usual_text(&spelling->type, spelling->value);
	return usual == NULL || strcmp(usual, text) == 0 ? NULL : usual;
}

char *
spellings_shared(Spellings *spellings, int side, const char *text)
{
	Spelling   *spelling = &spellings->sides[side];
	char	   *shared = NULL;

	if (spelling->folded)
		shared = folded_text(spelling, text);
	else if (!spelling->bytewise && is_value(spelling, text))
	{
		shared = key_usual_text(&spelling->type, spelling->value);
		if (shared == NULL)
			shared = psprintf(INT64_FORMAT, key_hash(&spelling->type, spelling->value));
	}
	return shared == NULL ? pstrdup(text) : shared;
}

/* ---------- values looked for ---------- */

/* What is known of a text that is looked for; NULL: nothing is. */
static Found *
find_sought(Spellings *spellings, Spelling *side, const char *text)
{
	Digest		digest;
	uint32		number;

	if (side->sought == NULL || !spellings_digest(spellings, side - spellings->sides, text, &digest))
		return NULL;
	number = digest_set_find(side->sought, &digest);
	return number == NO_DIGEST ? NULL : digest_set_data(side->sought, number);
}

bool
spellings_seek(Spellings *spellings, int side, const char *text)
{
	Spelling   *spelling = &spellings->sides[side];
	Digest		digest;

	if (!spellings_digest(spellings, side, text, &digest))
		return false;
	if (spelling->sought == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(spellings->context);

		spelling->sought = digest_set_create(sizeof(Found), false);
		spelling->changed = digest_set_create(0, false);
		spelling->texts = typed_rows_begin("syncup_sought", 1);
		typed_rows_text(spelling->texts, "value");
		MemoryContextSwitchTo(before);
	}
	if (spelling->folded && !digest_set_has(spelling->sought, &digest))
	{
		Datum		value = CStringGetTextDatum(text);
		bool		isnull = false;

		typed_rows_put(spelling->texts, &value, &isnull);
	}
	(void) digest_set_add(spelling->sought, &digest);
	return true;
}

/* A reading of the rows of a side. */
typedef struct Reading
{
	Spellings  *spellings;
	Spelling   *side;
} Reading;

/* Notes what value a row has, before or after the batch, or both. */
static void
take_value(Reading *reading, const char *value, const char *key, bool before, bool after)
{
	Found	   *place = find_sought(reading->spellings, reading->side, value);
	Found		found;

	if (place == NULL)
		return;
	memcpy(&found, place, sizeof(Found));
	for (int i = 0; i < 2; i++)
		if (i == 0 ? before : after)
		{
			found.counts[i]++;
			found.keys[i] = MemoryContextStrdup(reading->spellings->context, key);
		}
	memcpy(place, &found, sizeof(Found));
}

/* The same of the row at hand. */
static void
take_property(Reading *reading, StoredTable *table, bool before, bool after)
{
	const AssociationEnd *end = reading->side->end;
	bool		isnull;
	Datum		value = stored_field(table, end->property, &isnull);

	if (!isnull)
		take_value(reading, TextDatumGetCString(value),
				   TextDatumGetCString(stored_field(table, end->entity->key, &isnull)), before, after);
}

static Digest
text_digest(const Reading *reading, Datum key)
{
	return digest_bytes(&reading->spellings->key, VARDATA_ANY(DatumGetPointer(key)),
						VARSIZE_ANY_EXHDR(DatumGetPointer(key)));
}

/* Takes a row that the batch changes. */
static void
take_changed(void *arg, StoredTable *delta)
{
	Reading    *reading = arg;
	bool		present = stored_command_is(delta, "insert") || stored_command_is(delta, "update");
	bool		isnull;
	Datum		key;
	Digest		digest;

	if (!present && !stored_command_is(delta, "delete"))
		return;
	key = stored_old_key(delta, &isnull);
	if (isnull)
		key = stored_field(delta, reading->side->end->entity->key, &isnull);
	digest = text_digest(reading, key);
	(void) digest_set_add(reading->side->changed, &digest);
	if (present)
		take_property(reading, delta, false, true);
}

/* Takes a row of previous. */
static void
take_previous(void *arg, StoredTable *previous)
{
	Reading    *reading = arg;
	bool		isnull;
	Digest		key = text_digest(reading, stored_field(previous, reading->side->end->entity->key, &isnull));

	take_property(reading, previous, true, !digest_set_has(reading->side->changed, &key));
}

/* Takes a row of previous that an index has led to. */
static void
take_found(void *arg, uint64 row)
{
	Reading    *reading = arg;
	char	   *key = sql_text(row, 2);
	Digest		digest = digest_bytes(&reading->spellings->key, key, strlen(key));

	take_value(reading, sql_text(row, 1), key, true, !digest_set_has(reading->side->changed, &digest));
}

/* Looks up in previous what is sought, few of many rows, by the index on what they are compared in. */
static void
find_by_index(Reading *reading)
{
	const AssociationEnd *end = reading->side->end;
	const char *property = psprintf("p.%s", quote_identifier(property_of_end(end)->stored));
	int			level = plan_pin(true);

	typed_rows_publish(reading->side->texts);
	sql_for_each(own_cursor(psprintf("SELECT %s, p.%s FROM %s p WHERE %s IN (SELECT %s FROM syncup_sought s)",
									 property, quote_identifier(key_of_end(end)->stored),
									 previous_table(end->entity), folded_hash_sql(end, property),
									 folded_hash_sql(end, "s.value")), SQL_NO_ARGS),
				 take_found, reading);
	settings_restore(level);
	typed_rows_forget(reading->side->texts);
}

void
spellings_find(Spellings *spellings, const pg_uuid_t *batch)
{
	CommandCounterIncrement();
	for (int i = 0; i < 2; i++)
	{
		Reading		reading = {spellings, &spellings->sides[i]};
		const Mapping *entity = reading.side->end->entity;
		StoredTable *previous;
		Snapshot	snapshot;

		if (reading.side->sought == NULL)
			continue;
		if (reading.side->own)
			delta_scan(entity, batch, take_changed, &reading);
		previous = stored_table_open(entity, "syncup_previous");
		if (reading.side->folded && reading.side->texts->count * MANY_ROWS < stored_table_estimate(previous))
			find_by_index(&reading);
		else
		{
			snapshot = RegisterSnapshot(GetLatestSnapshot());
			stored_table_scan(previous, snapshot, NULL, take_previous, &reading);
			UnregisterSnapshot(snapshot);
			tuplestore_end(reading.side->texts->store);
		}
		stored_table_close(previous);
	}
}

char *
spellings_key(Spellings *spellings, int side, const char *text, bool after, int64 *count)
{
	Found	   *place = find_sought(spellings, &spellings->sides[side], text);
	Found		found;

	if (place == NULL)
		return NULL;
	memcpy(&found, place, sizeof(Found));
	*count = found.counts[after];
	return *count == 1 ? pstrdup(found.keys[after]) : NULL;
}
