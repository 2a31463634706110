/*
 * link_drift.c
 *		Which pairs, and which links of a link table, a complete run has to look at.
 *
 * A complete run resolves every pair of the source and compares the links with
 * the target, whatever anybody did to it since (SPEC 5.2).  Joins do that
 * (resolve.c, links.c), but take long where there are millions of pairs of which
 * nearly all are as they should be.  Here those are told from the rest, in
 * memory and by digests alone:
 *
 * - of each side a map leads from the digest of a value to that of what a link
 *	 stores of the row that has it; to zero where several have it, or where it is
 *	 not known what is stored; where values may be written otherwise (spelling.c) a
 *	 second map leads there from what equal ones share, for pairs that the first one
 *	 does not know;
 * - each pair of previous becomes the digest of its link, by that of its sides;
 * - each link of the target, read with the caller's rights, is looked up among
 *	 these.
 *
 * What remains goes to the joins, which decide: pairs with a side that leads to
 * nothing or to zero, remembered orphans that are none any more, pairs of the
 * delta, pairs whose link was not met, and links of the target that no pair
 * stands for.  Two pairs may be one link: that of a pair that goes to the joins is
 * shown to them even where another pair stands for it.  Nothing is kept from run to run that could be out of date.
 *
 * The digest of a link is its sides' xored, each taken with a secret key of its
 * own: as unlikely to be that of another link as they are.  It is one of bytes,
 * so equal values must have the same bytes, which types say of themselves for
 * the sake of B-trees.  For other types (numeric, citext) a link that is written
 * otherwise than its pair would count as one too many, and where the table has
 * the same link twice, as only one of them.  There everything is joined.
 *
 * Where several associations fill the table together, a link is expected if any of
 * them gives it, and the pairs of each that are to be looked at are its own.
 *
 * When the pairs do not fit into maintenance_work_mem, they are divided into
 * classes by bits of their digests, each with a reading of its own.  When that
 * would be too many readings, or the sides do not fit, everything is joined.
 */
#include "links/link_drift.h"

#include "access/nbtree.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "target/target.h"
#include "digest/digest_map.h"
#include "digest/digest_set.h"
#include "links/end_key.h"
#include "links/links.h"
#include "miscadmin.h"
#include "store/spelling.h"
#include "tool/sql.h"
#include "store/stored_table.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* More readings than this cost as much as the joins. */
#define MAX_CLASSES		8

/* What a pair takes: its digest, and what the set has for it. */
#define PAIR_BYTES		(sizeof(Digest) + sizeof(Expected))

/* Pairs between the one that is read and the one that is looked up. */
#define AHEAD			16

/* Links of the target that are read before they are looked up. */
#define LINKS_AT_ONCE	256

/* One side of the pairs. */
typedef struct Side
{
	const AssociationEnd *end;
	int			number;			/* 0 or 1 */
	DigestKey	key;
	EndKey		end_key;
	Spellings  *spellings;		/* NULL: all values are the same as their texts */
	DigestSet  *changed;		/* keys of rows that the batch changes */
	DigestMap  *stored;			/* with option store1 or store2: by key */
	DigestMap  *values;			/* of what is stored, by the text of the value */
	DigestMap  *others;			/* and by what equal values share; NULL: nothing else */
} Side;

/* What is known of a link that is expected: its bytes in the set. */
typedef struct Expected
{
	bool		met;
	uint8		member;			/* whose pair it is */
	uint8		place[sizeof(ItemPointerData)];	/* of the pair */
} Expected;

/* A pair on its way. */
typedef struct Pair
{
	Digest		values[2];
	ItemPointerData place;
} Pair;

/* A link of the target on its way. */
typedef struct Link
{
	Digest		digest;
	HeapTuple	row;
} Link;

/* One of the associations that fill the table together. */
typedef struct Member
{
	const Mapping *mapping;
	StoredTable *previous;
	StoredTable *suspect;		/* the same, to fetch rows of it by place */
	Side	   *sides[2];		/* maybe an earlier member's */
	DigestSet  *changed;		/* pairs of the delta */
	DigestSet  *remembered;		/* orphans */
	TypedRows  *pairs;
} Member;

/* The search under way. */
typedef struct Search
{
	int			nmembers;
	Member	   *members;
	Member	   *at;				/* the one at hand */
	Snapshot	snapshot;
	DigestKey	keys[2];		/* of the two sides */
	List	   *sides;			/* those loaded */
	RowBytes	bytes;

	int64		delta_rows;
	DigestSet  *shown;			/* links that the joins are to see */

	Size		budget;			/* memory that is left */
	uint64		classes;		/* a power of two */
	uint64		class;
	Pair		ahead[AHEAD];	/* a ring */
	uint64		read;			/* pairs that have been in it */
	DigestSet  *expected;		/* links */

	Link		links[LINKS_AT_ONCE];
	int			nlinks;
	MemoryContext links_context;	/* of their rows */

	TypedRows  *target;
	int64		stored;
} Search;

static const Digest nothing = {0, 0};

static inline Digest
digest_xor(const Digest *a, const Digest *b)
{
	return (Digest) {a->low ^ b->low, a->high ^ b->high};
}

static inline bool
in_class(const Search *search, const Digest *digest)
{
	return (digest->high & (search->classes - 1)) == search->class;
}

/* The digest of a text of ours. */
static inline Digest
text_digest(const Side *side, Datum text)
{
	return digest_bytes(&side->key, VARDATA_ANY(DatumGetPointer(text)),
						VARSIZE_ANY_EXHDR(DatumGetPointer(text)));
}

/* The digest of a value of a target. */
static Digest
value_digest(Search *search, const Side *side, int16 typlen, bool typbyval, Datum value)
{
	row_bytes_reset(&search->bytes);
	row_bytes_add_value(&search->bytes, typlen, typbyval, value, false);
	return row_bytes_digest(&search->bytes, &side->key);
}

/* ---------- targets, read ---------- */

/* A target as it is read. */
typedef struct TargetReading
{
	Search	   *search;
	Side	   *side;			/* whose entity type's target it is; NULL: the link table */
	const char *columns[2];		/* what is looked at */
	AttrNumber	attnums[2];
	TupleDesc	tupdesc;
} TargetReading;

static void
begin_reading(void *arg, TupleDesc tupdesc)
{
	TargetReading *reading = arg;

	reading->tupdesc = CreateTupleDescCopy(tupdesc);
	for (int i = 0; i < 2; i++)
		reading->attnums[i] = attribute_of(tupdesc, reading->columns[i]);
}

/* Reads a target with the caller's rights. */
static void
read_target(TargetReading *reading, const char *query,
			void (*take) (void *arg, TupleTableSlot *slot))
{
	int			level = settings_pin(NULL);

	caller_rows(query, reading->search->snapshot, begin_reading, take, reading);
	settings_restore(level);
}

/* The digest of one of the two values at hand, which is not null. */
static Digest
read_digest(TargetReading *reading, TupleTableSlot *slot, int n, const Side *side)
{
	Form_pg_attribute form = TupleDescAttr(reading->tupdesc, reading->attnums[n] - 1);
	bool		isnull;
	Datum		value = slot_getattr(slot, reading->attnums[n], &isnull);

	return value_digest(reading->search, side, form->attlen, form->attbyval, value);
}

/* ---------- what is stored of a value ---------- */

/* Takes a row of an entity type's target: what is stored of its key. */
static void
take_stored(void *arg, TupleTableSlot *slot)
{
	TargetReading *reading = arg;
	Side	   *side = reading->side;
	bool		found;

	*digest_map_add(side->stored, read_digest(reading, slot, 0, side), &found) =
		read_digest(reading, slot, 1, side);
}

/* Reads what is stored instead of the keys of a side. */
static void
load_stored(Search *search, Side *side)
{
	const char *store = quote_identifier(side->end->store);
	TargetReading reading = {.search = search, .side = side, .columns = {"syncup_key", "syncup_store"}};

	/* The column was NOT NULL when it was mapped; it need not be any more. */
	read_target(&reading, psprintf("SELECT %s AS syncup_key, e.%s AS syncup_store FROM %s e WHERE %s AND e.%s IS NOT NULL",
								   end_key_sql(side->end, "e"), store, side->end->entity->target_name,
								   is_row_sql(side->end, "e"), store),
				take_stored);
}

/* The digest of what links store of the row at hand; zero: it is not known. */
static Digest
stored_digest(Search *search, Side *side, StoredTable *table)
{
	bool		isnull;
	Datum		stored_key = stored_field(table, side->end->entity->key, &isnull);
	Datum		key = end_key_value(&side->end_key, TextDatumGetCString(stored_key), &isnull);
	Digest		digest;
	Digest	   *stored;

	if (isnull)
		return nothing;
	digest = value_digest(search, side, side->end_key.typlen, side->end_key.typbyval, key);
	if (side->stored == NULL)
		return digest;
	stored = digest_map_find(side->stored, digest);
	return stored == NULL ? nothing : *stored;
}

/* Adds what a value leads to: nothing, if several rows have it. */
static void
add_to_map(DigestMap *map, Digest value, const Digest *stored)
{
	bool		found;
	Digest	   *place = digest_map_add(map, value, &found);

	*place = found ? nothing : *stored;
}

/* Adds what the value of a row of an entity type leads to. */
static void
add_value(Search *search, Side *side, StoredTable *table)
{
	bool		isnull;
	Datum		value = stored_field(table, side->end->property, &isnull);
	Digest		shared;
	Digest		stored;

	if (isnull)
		return;
	stored = stored_digest(search, side, table);
	add_to_map(side->values, text_digest(side, value), &stored);
	if (side->others != NULL &&
		spellings_digest(side->spellings, side->number, TextDatumGetCString(value), &shared))
		add_to_map(side->others, shared, &stored);
}

/* Whether the row at hand of a delta is one after the batch. */
static bool
is_present(StoredTable *delta)
{
	return stored_command_is(delta, "insert") || stored_command_is(delta, "update");
}

/* What is done with the rows of a side's entity type. */
typedef struct SideSearch
{
	Search	   *search;
	Side	   *side;
} SideSearch;

/* Takes a row that the batch changes. */
static void
take_changed_row(void *arg, StoredTable *delta)
{
	SideSearch *work = arg;
	bool		isnull;
	Datum		old_key;
	Digest		key;

	if (!is_present(delta) && !stored_command_is(delta, "delete"))
		return;
	key = text_digest(work->side, stored_field(delta, work->side->end->entity->key, &isnull));
	(void) digest_set_add(work->side->changed, &key);
	old_key = stored_old_key(delta, &isnull);
	if (!isnull)
	{
		key = text_digest(work->side, old_key);
		(void) digest_set_add(work->side->changed, &key);
	}
	if (is_present(delta))
		add_value(work->search, work->side, delta);
}

/* Takes a row of previous, unless the batch changes it. */
static void
take_row(void *arg, StoredTable *previous)
{
	SideSearch *work = arg;
	bool		isnull;

	if (digest_set_count(work->side->changed) > 0)
	{
		Digest		key = text_digest(work->side, stored_field(previous, work->side->end->entity->key, &isnull));

		if (digest_set_has(work->side->changed, &key))
			return;
	}
	add_value(work->search, work->side, previous);
}

/* Whether pairs may have other texts than the rows that they mean. */
static bool
has_others(const Search *search, const Side *side)
{
	if (side->spellings == NULL || is_bytewise_side(side->spellings, side->number))
		return false;
	/* Another association may give the same link by another property. */
	return is_folded(side->end) || search->nmembers > 1 || is_respelled_side(side->spellings, side->number);
}

/* Finds what every value of a side leads to after the batch. */
static void
load_values(Search *search, Side *side, StoredTable *previous, double rows, const pg_uuid_t *batch)
{
	const Mapping *entity = side->end->entity;
	SideSearch	work = {search, side};
	/* As in resolve_pairs(). */
	int			level = settings_pin(search->at->mapping->ends[0].entity->options->timezone);

	end_key_init(&side->end_key, side->end);
	side->changed = digest_set_create(0, false);
	side->values = digest_map_create(rows);
	if (has_others(search, side))
		side->others = digest_map_create(rows);
	if (side->end->store != NULL)
	{
		side->stored = digest_map_create(rows);
		load_stored(search, side);
	}
	if (is_own_end(search->at->mapping, side->end))
		delta_scan(entity, batch, take_changed_row, &work);
	stored_table_scan(previous, search->snapshot, NULL, take_row, &work);
	if (side->stored != NULL)
		digest_map_free(side->stored);
	digest_set_free(side->changed);
	settings_restore(level);
}

/* The bytes that the values of a side take. */
static Size
side_bytes(const Side *side)
{
	return digest_map_bytes(side->values) + (side->others ? digest_map_bytes(side->others) : 0);
}

/* Loads a side; false: it takes too much memory. */
static bool
load_side(Search *search, Side *side, const pg_uuid_t *batch)
{
	StoredTable *previous = stored_table_open(side->end->entity, "syncup_previous");
	double		rows = stored_table_estimate(previous) * 1.05;
	int			maps = 1 + (side->end->store != NULL) + has_others(search, side);
	bool		fits = digest_map_bytes_of(rows) * maps <= search->budget;

	if (fits)
	{
		load_values(search, side, previous, rows, batch);
		fits = side_bytes(side) <= search->budget;
	}
	if (fits)
		search->budget -= side_bytes(side);
	stored_table_close(previous);
	return fits;
}

/* ---------- pairs ---------- */

/* Has the pair at hand looked at by joins. */
static void
add_suspect(Search *search, StoredTable *table)
{
	stored_fields(table);
	tuplestore_putvalues(search->at->pairs->store, search->at->pairs->tupdesc, table->values, table->nulls);
	search->at->pairs->count++;
}

/* The same of one of previous, by its place. */
static void
add_suspect_at(Search *search, ItemPointer place)
{
	stored_table_fetch(search->at->suspect, search->snapshot, place);
	add_suspect(search, search->at->suspect);
}

/* The digests of the values of the pair at hand. */
static void
pair_values(Search *search, StoredTable *table, Digest *values)
{
	for (int i = 0; i < 2; i++)
	{
		bool		isnull;

		values[i] = text_digest(search->at->sides[i], stored_field(table, i, &isnull));
	}
}

/* Notes a pair that the batch changes. */
static void
note_changed_pair(void *arg, StoredTable *delta)
{
	Search	   *search = arg;
	Digest		values[2];
	Digest		pair;

	if (!is_present(delta) && !stored_command_is(delta, "delete"))
		return;
	search->delta_rows++;
	pair_values(search, delta, values);
	pair = digest_xor(&values[0], &values[1]);
	(void) digest_set_add(search->at->changed, &pair);
}

/* What a value of the pair at hand leads to; zero: to nothing. */
static Digest
leads_to(Search *search, int number, const Digest *value, StoredTable *table)
{
	const Side *side = search->at->sides[number];
	const Digest *stored = digest_map_find(side->values, *value);
	Digest		shared;
	bool		isnull;

	if (stored == NULL && side->others != NULL &&
		spellings_digest(side->spellings, number, TextDatumGetCString(stored_field(table, number, &isnull)), &shared))
		stored = digest_map_find(side->others, shared);
	return stored == NULL ? nothing : *stored;
}

/*
 * The link of a pair with these digests of its values, which is the row at hand;
 * false: there is none.
 */
static bool
find_link(Search *search, const Digest *values, StoredTable *table, Digest *link)
{
	Digest		stored[2];

	for (int i = 0; i < 2; i++)
	{
		stored[i] = leads_to(search, i, &values[i], table);
		if (digest_equal(&stored[i], &nothing))
			return false;
	}
	*link = digest_xor(&stored[0], &stored[1]);
	return true;
}

/* Takes a pair that the batch adds. */
static void
take_present_pair(void *arg, StoredTable *delta)
{
	Search	   *search = arg;
	Digest		values[2];
	Digest		link;

	if (!is_present(delta))
		return;
	add_suspect(search, delta);
	/* Another pair may be the same link. */
	if (search->nmembers == 1 && search->at->sides[0]->spellings == NULL)
		return;
	pair_values(search, delta, values);
	if (find_link(search, values, delta, &link))
		(void) digest_set_add(search->shown, &link);
}

/* Notes a remembered orphan. */
static void
take_orphan(void *arg, uint64 row)
{
	Search	   *search = arg;
	Digest		values[2];
	Digest		pair;

	for (int i = 0; i < 2; i++)
	{
		bool		isnull;

		values[i] = text_digest(search->at->sides[i], PointerGetDatum(PG_DETOAST_DATUM_PACKED(sql_datum(row, i + 1, &isnull))));
	}
	pair = digest_xor(&values[0], &values[1]);
	(void) digest_set_add(search->at->remembered, &pair);
}

/* The row of a pair of previous, where its texts may be wanted; NULL: they are not. */
static StoredTable *
row_of_pair(Search *search, Pair *pair)
{
	for (int i = 0; i < 2; i++)
	{
		const Side *side = search->at->sides[i];

		if (side->others != NULL && digest_map_find(side->values, pair->values[i]) == NULL)
		{
			stored_table_fetch(search->at->suspect, search->snapshot, &pair->place);
			return search->at->suspect;
		}
	}
	return NULL;
}

/* Expects the link of a pair. */
static void
expect(Search *search, Pair *pair)
{
	Digest		values = digest_xor(&pair->values[0], &pair->values[1]);
	Digest		link;
	Expected   *known;
	bool		is_link;

	if (digest_set_count(search->at->changed) > 0 && digest_set_has(search->at->changed, &values))
		return;
	is_link = find_link(search, pair->values, row_of_pair(search, pair), &link);
	if (!is_link || (digest_set_count(search->at->remembered) > 0 && digest_set_has(search->at->remembered, &values)))
	{
		if (search->class == 0)
			add_suspect_at(search, &pair->place);
		if (is_link)
			(void) digest_set_add(search->shown, &link);
		return;
	}
	if (!in_class(search, &link))
		return;
	known = digest_set_data(search->expected, digest_set_append(search->expected, &link));
	known->member = search->at - search->members;
	memcpy(known->place, &pair->place, sizeof(known->place));
}

/* Takes a pair of previous: it is looked up when its places in the maps have come. */
static void
take_pair(void *arg, StoredTable *previous)
{
	Search	   *search = arg;
	Pair	   *pair = &search->ahead[search->read++ % AHEAD];

	if (search->read > AHEAD)
		expect(search, pair);
	pair_values(search, previous, pair->values);
	pair->place = previous->slot->tts_tid;
	for (int i = 0; i < 2; i++)
		digest_map_fetch(search->at->sides[i]->values, pair->values[i]);
}

/*
 * Loads the links that are expected of this class.  In the first one it is seen
 * whether there must be more of them; false: begin again.
 */
static bool
load_expected(Search *search, const pg_uuid_t *batch)
{
	search->expected = digest_set_create(sizeof(Expected), false);
	for (search->at = search->members; search->at < search->members + search->nmembers; search->at++)
	{
		if (search->class == 0)
		{
			tuplestore_clear(search->at->pairs->store);
			search->at->pairs->count = 0;
			delta_scan(search->at->mapping, batch, take_present_pair, search);
		}
		search->read = 0;
		stored_table_scan(search->at->previous, search->snapshot, NULL, take_pair, search);
		for (uint64 i = search->read - Min(search->read, AHEAD); i < search->read; i++)
			expect(search, &search->ahead[i % AHEAD]);
	}
	if (search->class > 0 || digest_set_count(search->expected) < 1024 ||
		digest_set_bytes(search->expected) <= search->budget)
		return true;
	digest_set_free(search->expected);
	search->classes *= 2;
	return false;
}

/* ---------- links ---------- */

/* Looks up the links taken. */
static void
look_up_links(Search *search)
{
	for (int i = 0; i < search->nlinks; i++)
	{
		uint32		number = digest_set_find(search->expected, &search->links[i].digest);

		if (number != NO_DIGEST)
		{
			((Expected *) digest_set_data(search->expected, number))->met = true;
			if (digest_set_count(search->shown) == 0 || !digest_set_has(search->shown, &search->links[i].digest))
				continue;
		}
		tuplestore_puttuple(search->target->store, search->links[i].row);
		search->target->count++;
	}
	search->stored += search->nlinks;
	search->nlinks = 0;
	MemoryContextReset(search->links_context);
}

/* Takes a link of the target: it is looked up when its place in the set has come. */
static void
take_link(void *arg, TupleTableSlot *slot)
{
	TargetReading *reading = arg;
	Search	   *search = reading->search;
	Digest		stored1 = read_digest(reading, slot, 0, search->members[0].sides[0]);
	Digest		stored2 = read_digest(reading, slot, 1, search->members[0].sides[1]);
	Link	   *link = &search->links[search->nlinks];
	MemoryContext before;

	link->digest = digest_xor(&stored1, &stored2);
	if (!in_class(search, &link->digest))
		return;
	digest_set_fetch(search->expected, &link->digest);
	before = MemoryContextSwitchTo(search->links_context);
	link->row = ExecCopySlotHeapTuple(slot);
	MemoryContextSwitchTo(before);
	if (++search->nlinks == LINKS_AT_ONCE)
		look_up_links(search);
}

/* Takes the pairs whose link was not met, in the order in which they lie. */
static void
take_unanswered(Search *search)
{
	for (uint32 number = 0; number < digest_set_count(search->expected); number++)
	{
		Expected   *known = digest_set_data(search->expected, number);
		ItemPointerData place;

		if (known->met)
			continue;
		/* Of links that are expected twice one alone was met. */
		known = digest_set_data(search->expected,
								digest_set_find(search->expected, digest_set_at(search->expected, number)));
		if (known->met)
			continue;
		CHECK_FOR_INTERRUPTS();
		known = digest_set_data(search->expected, number);
		memcpy(&place, known->place, sizeof(place));
		search->at = &search->members[known->member];
		add_suspect_at(search, &place);
	}
}

/*
 * Compares the links of the target with the pairs of previous, class by class;
 * false: there would be too many of them.
 */
static bool
compare_links(Search *search, const pg_uuid_t *batch)
{
	const Mapping *mapping = search->members[0].mapping;
	const AssociationEnd *ends = mapping->ends;
	TargetReading reading = {.search = search, .columns = {ends[0].target, ends[1].target}};
	const char *query = psprintf("SELECT t.* FROM %s", link_table_rows(mapping, mapping->target_name));

	for (search->class = 0; search->class < search->classes; search->class++)
	{
		while (!load_expected(search, batch))
			if (search->classes > MAX_CLASSES)
				return false;
		read_target(&reading, query, take_link);
		look_up_links(search);
		search->target->tupdesc = reading.tupdesc;
		take_unanswered(search);
		digest_set_free(search->expected);
	}
	return true;
}

/* ---------- the whole ---------- */

/* Whether equal values of a type, in a collation, have the same bytes. */
static bool
is_equal_image(Oid type, Oid collation)
{
	TypeCacheEntry *entry = lookup_type_cache(type, TYPECACHE_BTREE_OPFAMILY);
	Oid			function;

	/* Blanks at the end count for nothing, and the length is the column's. */
	if (getBaseType(type) == BPCHAROID || !OidIsValid(entry->btree_opf))
		return false;
	function = get_opfamily_proc(entry->btree_opf, entry->btree_opintype, entry->btree_opintype, BTEQUALIMAGE_PROC);
	return OidIsValid(function) &&
		DatumGetBool(OidFunctionCall1Coll(function, collation, ObjectIdGetDatum(entry->btree_opintype)));
}

/* The same of what links store, where it comes from and where it goes. */
static bool
is_comparable(const Mapping *mapping)
{
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &mapping->ends[i];
		Oid			type;
		int32		typmod;
		Oid			collation;

		get_atttypetypmodcoll(mapping->target, get_attnum(mapping->target, end->target), &type, &typmod, &collation);
		if (!is_equal_image(end->stored.type, end->stored.collation) || !is_equal_image(type, collation))
			return false;
	}
	return true;
}

/* Whether the values of two ends lead to the same. */
static bool
same_values(const AssociationEnd *a, const AssociationEnd *b)
{
	return a->entity == b->entity && a->property == b->property && a->match == b->match &&
		(a->store == NULL ? b->store == NULL : b->store != NULL && strcmp(a->store, b->store) == 0);
}

/* A side that an earlier member has loaded; NULL: none has. */
static Side *
find_side(const Search *search, const AssociationEnd *end, int number)
{
	ListCell   *cell;

	foreach(cell, search->sides)
	{
		Side	   *side = lfirst(cell);

		if (side->number == number && same_values(side->end, end))
			return side;
	}
	return NULL;
}

/* Loads the sides of all, in half of the memory; the rest is for pairs. */
static bool
load_sides(Search *search, const pg_uuid_t *batch)
{
	Size		half = (Size) maintenance_work_mem * 1024 / 2;

	search->budget = half;
	for (search->at = search->members; search->at < search->members + search->nmembers; search->at++)
		for (int i = 0; i < 2; i++)
		{
			const AssociationEnd *end = &search->at->mapping->ends[i];
			Side	   *side = find_side(search, end, i);

			if (side == NULL)
			{
				side = palloc0(sizeof(Side));
				side->end = end;
				side->number = i;
				side->key = search->keys[i];
				side->spellings = spellings_begin(search->at->mapping);
				search->sides = lappend(search->sides, side);
				if (!load_side(search, side, batch))
					return false;
			}
			search->at->sides[i] = side;
		}
	search->budget += half;
	return true;
}

/* About how many pairs there are. */
static double
count_pairs(const Search *search)
{
	double		count = 0;

	for (int m = 0; m < search->nmembers; m++)
		count += stored_table_estimate(search->members[m].previous);
	return count;
}

/* Divides the pairs into as many classes as they need; false: too many. */
static bool
divide_pairs(Search *search)
{
	double		bytes = count_pairs(search) * PAIR_BYTES;

	search->classes = 1;
	while (search->classes <= MAX_CLASSES && bytes / search->classes > search->budget)
		search->classes *= 2;
	return search->classes <= MAX_CLASSES;
}

/* Begins rows of pairs. */
static TypedRows *
begin_pairs(void)
{
	TypedRows  *rows = typed_rows_begin("syncup_suspect", 2);

	for (int i = 1; i <= 2; i++)
	{
		TupleDescInitEntry(rows->tupdesc, i, psprintf("v%d", i), TEXTOID, -1, 0);
		TupleDescInitEntryCollation(rows->tupdesc, i, C_COLLATION_OID);
	}
	return rows;
}

/* Compares, unless there is nothing to gain. */
static bool
search_links(Search *search, const pg_uuid_t *batch)
{
	if (!load_sides(search, batch) || !divide_pairs(search))
		return false;
	for (search->at = search->members; search->at < search->members + search->nmembers; search->at++)
		delta_scan(search->at->mapping, batch, note_changed_pair, search);
	/* A batch that changes (almost) everything. */
	if (search->delta_rows > count_pairs(search) / 2)
		return false;
	for (search->at = search->members; search->at < search->members + search->nmembers; search->at++)
		sql_for_each(own_cursor("SELECT value1, value2 FROM syncup.orphan WHERE connector = $1 AND mapping = $2",
								SQL_ARGS(SQL_TEXT(search->at->mapping->connector->name), SQL_TEXT(search->at->mapping->name))),
					 take_orphan, search);
	return compare_links(search, batch);
}

static void
begin_member(Member *member, const Mapping *mapping)
{
	member->mapping = mapping;
	member->previous = stored_table_open(mapping, "syncup_previous");
	member->suspect = stored_table_open(mapping, "syncup_previous");
	member->changed = digest_set_create(0, false);
	member->remembered = digest_set_create(0, false);
	member->pairs = begin_pairs();
}

static void
end_member(Member *member, bool found)
{
	if (!found)
		tuplestore_end(member->pairs->store);
	digest_set_free(member->changed);
	digest_set_free(member->remembered);
	stored_table_close(member->previous);
	stored_table_close(member->suspect);
}

LinkDrift *
link_drift_find(List *associations, const pg_uuid_t *batch)
{
	Search		search = {0};
	LinkDrift  *drift = NULL;
	ListCell   *cell;

	/* A byte says whose pair it is. */
	if (list_length(associations) > PG_UINT8_MAX)
		return NULL;
	foreach(cell, associations)
	{
		const Mapping *mapping = lfirst(cell);

		if (!is_pair_key(mapping) || !is_comparable(mapping))
			return NULL;
	}
	CommandCounterIncrement();
	search.snapshot = RegisterSnapshot(GetLatestSnapshot());
	search.members = palloc0(sizeof(Member) * list_length(associations));
	foreach(cell, associations)
		begin_member(&search.members[search.nmembers++], lfirst(cell));
	for (int i = 0; i < 2; i++)
		digest_key_random(&search.keys[i]);
	row_bytes_init(&search.bytes);
	search.links_context = AllocSetContextCreate(CurrentMemoryContext, "syncup links", ALLOCSET_DEFAULT_SIZES);
	search.shown = digest_set_create(0, false);
	search.target = typed_rows_begin("syncup_target", 2);
	if (search_links(&search, batch))
	{
		drift = palloc(sizeof(LinkDrift));
		*drift = (LinkDrift) {palloc(sizeof(TypedRows *) * search.nmembers), search.target, search.stored, search.snapshot};
		for (int m = 0; m < search.nmembers; m++)
			drift->pairs[m] = search.members[m].pairs;
		typed_rows_publish(search.target);
	}
	else
	{
		tuplestore_end(search.target->store);
		UnregisterSnapshot(search.snapshot);
	}
	foreach(cell, search.sides)
	{
		Side	   *side = lfirst(cell);

		if (side->values != NULL)
			digest_map_free(side->values);
		if (side->others != NULL)
			digest_map_free(side->others);
	}
	MemoryContextDelete(search.links_context);
	digest_set_free(search.shown);
	for (int m = 0; m < search.nmembers; m++)
		end_member(&search.members[m], drift != NULL);
	return drift;
}

void
link_drift_end(LinkDrift *drift)
{
	typed_rows_forget(drift->target);
	UnregisterSnapshot(drift->snapshot);
}
