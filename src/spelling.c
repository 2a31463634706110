/*
 * spelling.c
 *		Ends of links that are written otherwise than the property they mean.
 *
 * A value of a pair means the row whose property has the same text, and where
 * none has it, the row whose property is the same value in the type of its column
 * (SPEC 2.7): 01 means the row of 1.  Only what is not found by its text is
 * converted, and found in one reading of the entity type's rows.
 *
 * Which pairs a property that moves concerns is known by its text, and by the text
 * that its value usually has.  Where a pair of the association has neither, that
 * is remembered: then every pair is looked up, as in a complete run.
 */
#include "spelling.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "digest_set.h"
#include "guard.h"
#include "key.h"
#include "sql.h"
#include "stored_table.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

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
	Oid			base_type;
	KeyType		type;
	DigestSet  *sought;			/* of values; NULL: none is */
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
		column_type_init(&side->type, property);
		if (property->target != NULL)
			side->base_type = getBaseType(property->type);
	}
	return spellings->sides[0].type.bytewise && spellings->sides[1].type.bytewise ? NULL : spellings;
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
	if (spelling->type.bytewise || looks_usual(spelling, text, length))
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
has_other_spellings(const Mapping *mapping)
{
	return spellings_begin(mapping) != NULL &&
		own_sql("SELECT FROM syncup.association WHERE connector = $1 AND mapping = $2 AND respelled LIMIT 1",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name))) > 0;
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

	if (text == NULL || spelling->type.bytewise || looks_usual(spelling, text, strlen(text)) ||
		!is_value(spelling, text))
		return NULL;
	usual = key_usual_text(&spelling->type, spelling->value);
	return usual == NULL || strcmp(usual, text) == 0 ? NULL : usual;
}

/* ---------- values looked for ---------- */

/* What is known of a text that is looked for; NULL: nothing is. */
static Found *
find_sought(Spellings *spellings, Spelling *side, const char *text)
{
	Digest		digest;
	uint32		number;

	if (side->sought == NULL || !is_value(side, text))
		return NULL;
	digest = key_identity(&side->type, &spellings->key, side->value);
	number = digest_set_find(side->sought, &digest);
	return number == NO_DIGEST ? NULL : digest_set_data(side->sought, number);
}

bool
spellings_seek(Spellings *spellings, int side, const char *text)
{
	Spelling   *spelling = &spellings->sides[side];
	Digest		digest;

	if (spelling->type.bytewise || !is_value(spelling, text))
		return false;
	if (spelling->sought == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(spellings->context);

		spelling->sought = digest_set_create(sizeof(Found), false);
		spelling->changed = digest_set_create(0, false);
		MemoryContextSwitchTo(before);
	}
	digest = key_identity(&spelling->type, &spellings->key, spelling->value);
	(void) digest_set_add(spelling->sought, &digest);
	return true;
}

/* A reading of the rows of a side. */
typedef struct Reading
{
	Spellings  *spellings;
	Spelling   *side;
} Reading;

/* Notes what value the row at hand has, before or after the batch, or both. */
static void
take_property(Reading *reading, StoredTable *table, bool before, bool after)
{
	const AssociationEnd *end = reading->side->end;
	bool		isnull;
	Datum		value = stored_field(table, end->property, &isnull);
	Found	   *place;
	Found		found;

	if (isnull)
		return;
	place = find_sought(reading->spellings, reading->side, TextDatumGetCString(value));
	if (place == NULL)
		return;
	memcpy(&found, place, sizeof(Found));
	for (int i = 0; i < 2; i++)
		if (i == 0 ? before : after)
		{
			found.counts[i]++;
			found.keys[i] = MemoryContextStrdup(reading->spellings->context,
												TextDatumGetCString(stored_field(table, end->entity->key, &isnull)));
		}
	memcpy(place, &found, sizeof(Found));
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
		snapshot = RegisterSnapshot(GetLatestSnapshot());
		stored_table_scan(previous, snapshot, NULL, take_previous, &reading);
		UnregisterSnapshot(snapshot);
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
