/*
 * link_drift.c
 *		Which pairs, and which links of a link table, a complete run has to look at.
 *
 * A complete run compares every link of the target with the source, whatever
 * anybody did to it since (SPEC 5.2).  Mostly the target holds, link by link, what
 * the pairs of previous say.  That is asked here, of the state before the batch:
 * of each side a map leads from the digest of a value to that of what a link stores
 * of the row that has it; so each pair becomes the digest of its link, and each
 * link of the table, read with the caller's rights, is one.  Both are summed up
 * (digest_sums.h).  Where all sums are zero only what the batch touches is left to
 * do, as in an incremental run (resolve.c).  Otherwise both are read once more, and
 * the pairs and links of sums that are not zero go to the joins, which decide; if
 * that would be much, everything is resolved and joined.
 *
 * The joins see some pairs in any case:
 *
 * - those with a side that leads to nothing, for no row has the value, several have
 *	 it, or it is not known what is stored of it;
 * - remembered orphans;
 * - where values may be written otherwise (spelling.c) a second map leads on from
 *	 what equal ones share; pairs that need it are not found by the texts of the rows
 *	 that a batch changes, but here, by what those share.
 *
 * A pair that is not shown is that of a link in a sum of zero: so a link of the table
 * that no pair shown leads to is one too many.
 *
 * The digests of links are of bytes, so equal values must have the same bytes,
 * which types say of themselves for the sake of B-trees.  Links of other types
 * (numeric, citext) are all joined, and so are those of sides that do not fit into
 * maintenance_work_mem.
 */
#include "links/link_drift.h"

#include "access/nbtree.h"
#include "access/xact.h"
#include "catalog/pg_collation.h"
#include "digest/digest_map.h"
#include "digest/digest_set.h"
#include "digest/digest_sums.h"
#include "links/end_key.h"
#include "links/links.h"
#include "links/resolve.h"
#include "miscadmin.h"
#include "store/spelling.h"
#include "store/stored_table.h"
#include "tool/sql.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* Pairs between the one that is read and the one that is looked up. */
#define PAIRS_AHEAD		16

/* One side of the pairs. */
typedef struct Side
{
	const AssociationEnd *end;
	int			number;			/* 0 or 1 */
	DigestKey	key;
	EndKey		end_key;
	Spellings  *spellings;		/* NULL: all values are the same as their texts */
	DigestSet  *moved;			/* what values share that the batch moves from row to row */
	digest_map_hash *stored;	/* with option store1 or store2: by key */
	digest_map_hash *values;	/* of what is stored, by the text of the value */
	digest_map_hash *others;	/* and by what equal values share; NULL: nothing else */
} Side;

/* A pair on its way. */
typedef struct Pair
{
	Digest		values[2];
	ItemPointerData place;
} Pair;

/* One of the associations that fill the table together. */
typedef struct Member
{
	const Mapping *mapping;
	StoredTable *previous;
	StoredTable *suspect;		/* the same, to fetch rows of it by place */
	Side	   *sides[2];		/* maybe an earlier member's */
	DigestSet  *remembered;		/* orphans */
	TypedRows  *pairs;
} Member;

/* The search under way. */
typedef struct LinkSearch
{
	int			nmembers;
	Member	   *members;
	Member	   *at;				/* the one at hand */
	Snapshot	snapshot;
	DigestKey	keys[2];		/* of the two sides */
	DigestKey	link_key;
	List	   *sides;			/* those loaded */
	RowBytes	bytes;
	double		budget;			/* memory that is left for sides */

	Pair		ahead[PAIRS_AHEAD];	/* a ring */
	uint64		read;			/* pairs that have been in it */
	DigestSums	sums;			/* of previous, less the target */
	bool		again;			/* the second reading */
	TypedRows  *target;			/* links of nonzero sums; NULL: there are none */
	int64		stored;
} LinkSearch;

static const Digest nothing = {0, 0};

/* The digest of a text of ours. */
static inline Digest
text_digest(const Side *side, Datum text)
{
	return digest_bytes(&side->key, VARDATA_ANY(DatumGetPointer(text)),
						VARSIZE_ANY_EXHDR(DatumGetPointer(text)));
}

/* The digest of a value of a target. */
static Digest
value_digest(LinkSearch *search, const Side *side, int16 typlen, bool typbyval, Datum value)
{
	row_bytes_reset(&search->bytes);
	row_bytes_add_value(&search->bytes, typlen, typbyval, value, false);
	return row_bytes_digest(&search->bytes, &side->key);
}

/* The digest of a link, by those of what it stores: of both as one, for links may swap their sides. */
static inline Digest
link_digest(const LinkSearch *search, const Digest *stored)
{
	return digest_bytes(&search->link_key, stored, sizeof(Digest) * 2);
}

/* ---------- tables of the caller, read ---------- */

/* Two columns of a table, of which something is made. */
typedef struct CallerReading
{
	LinkSearch *search;
	Side	   *sides[2];		/* whose values they are */
	const char *columns[2];
	AttrNumber	attnums[2];
	TupleDesc	tupdesc;
} CallerReading;

static void
begin_reading(void *arg, TupleDesc tupdesc)
{
	CallerReading *reading = arg;

	reading->tupdesc = CreateTupleDescCopy(tupdesc);
	for (int i = 0; i < 2; i++)
		reading->attnums[i] = attribute_of(tupdesc, reading->columns[i]);
}

static void
read_as_caller(CallerReading *reading, const char *query,
			   void (*visit) (void *arg, TupleTableSlot *slot))
{
	int			level = settings_pin(NULL);

	caller_rows(query, reading->search->snapshot, SQL_NO_ARGS, begin_reading, visit, reading);
	settings_restore(level);
}

/* The digests of the two values at hand, which are not null. */
static void
read_digests(CallerReading *reading, TupleTableSlot *slot, Digest *digests)
{
	for (int i = 0; i < 2; i++)
	{
		Form_pg_attribute form = TupleDescAttr(reading->tupdesc, reading->attnums[i] - 1);
		bool		isnull;
		Datum		value = slot_getattr(slot, reading->attnums[i], &isnull);

		digests[i] = value_digest(reading->search, reading->sides[i], form->attlen, form->attbyval, value);
	}
}

/* ---------- what is stored of a value ---------- */

/* Takes a row of an entity type's target: what is stored of its key. */
static void
take_stored(void *arg, TupleTableSlot *slot)
{
	CallerReading *reading = arg;
	Digest		digests[2];
	bool		found;

	read_digests(reading, slot, digests);
	digest_map_insert(reading->sides[0]->stored, digests[0], &found)->value = digests[1];
}

/* Reads what is stored instead of the keys of a side. */
static void
load_stored(LinkSearch *search, Side *side)
{
	const char *store = quote_identifier(side->end->store);
	CallerReading reading = {.search = search, .sides = {side, side}, .columns = {"syncup_key", "syncup_store"}};

	/* The column was NOT NULL when it was mapped; it need not be any more. */
	read_as_caller(&reading, psprintf("SELECT %s AS syncup_key, e.%s AS syncup_store FROM %s e WHERE %s AND e.%s IS NOT NULL",
									  end_key_sql(side->end, "e"), store, side->end->entity->target_name,
									  is_row_sql(side->end, "e"), store),
				   take_stored);
}

/* The digest of what links store of the row at hand; zero: it is not known. */
static Digest
stored_digest(LinkSearch *search, Side *side, StoredTable *table)
{
	bool		isnull;
	Datum		stored_key = stored_field(table, side->end->entity->key, &isnull);
	Datum		key = end_key_value(&side->end_key, TextDatumGetCString(stored_key), &isnull);
	Digest		digest;
	const Digest *stored;

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
add_to_map(digest_map_hash *map, Digest value, const Digest *stored)
{
	bool		found;
	DigestEntry *entry = digest_map_insert(map, value, &found);

	entry->value = found ? nothing : *stored;
}

/* What takes the rows of a side's entity type. */
typedef struct SideLoading
{
	LinkSearch *search;
	Side	   *side;
} SideLoading;

/* Adds what the value of a row of an entity type leads to. */
static void
take_value(void *arg, StoredTable *previous)
{
	SideLoading *loading = arg;
	Side	   *side = loading->side;
	bool		isnull;
	Datum		value = stored_field(previous, side->end->property, &isnull);
	Digest		shared;
	Digest		stored;

	if (isnull)
		return;
	stored = stored_digest(loading->search, side, previous);
	add_to_map(side->values, text_digest(side, value), &stored);
	if (side->others != NULL &&
		spellings_digest(side->spellings, side->number, TextDatumGetCString(value), &shared))
		add_to_map(side->others, shared, &stored);
}

/* Notes what the values before and after share of a row that the batch moves. */
static void
take_moved(void *arg, uint64 row)
{
	Side	   *side = arg;

	for (int i = 1; i <= 2; i++)
	{
		Digest		shared;

		if (spellings_digest(side->spellings, side->number, sql_text(row, i), &shared))
			(void) digest_set_add(side->moved, &shared);
	}
}

/*
 * Whether pairs may have other texts than the rows that they mean; in others only if
 * rows have.
 */
static bool
has_others(const LinkSearch *search, const Side *side)
{
	if (side->spellings == NULL || is_bytewise_side(side->spellings, side->number))
		return false;
	return is_folded(side->end) || is_respelled_side(side->spellings, side->number);
}

/* Finds what every value of a side leads to before the batch; false: it takes too much memory. */
static bool
load_side(LinkSearch *search, Side *side, const pg_uuid_t *batch)
{
	SideLoading loading = {search, side};
	StoredTable *previous = stored_table_open(side->end->entity, "syncup_previous");
	double		rows = stored_table_estimate(previous) * 1.05;
	bool		others = has_others(search, side);
	double		bytes = digest_map_bytes(rows) * (1 + (side->end->store != NULL) + others);
	bool		fits = bytes <= search->budget;

	if (fits)
	{
		/* As in resolve_pairs(). */
		int			level = settings_pin(search->at->mapping->ends[0].entity->options->timezone);

		end_key_init(&side->end_key, side->end);
		side->values = digest_map_create(CurrentMemoryContext, rows, NULL);
		if (others)
		{
			side->others = digest_map_create(CurrentMemoryContext, rows, NULL);
			side->moved = digest_set_create(0, false);
			sql_for_each(own_cursor(moved_values_sql(search->at->mapping, side->number), SQL_ARGS(SQL_UUID(batch))),
						 take_moved, side);
		}
		if (side->end->store != NULL)
		{
			side->stored = digest_map_create(CurrentMemoryContext, rows, NULL);
			load_stored(search, side);
		}
		stored_table_scan(previous, search->snapshot, NULL, take_value, &loading);
		if (side->stored != NULL)
			digest_map_destroy(side->stored);
		settings_restore(level);
		search->budget -= digest_map_bytes(rows) * (1 + others);
	}
	stored_table_close(previous);
	return fits;
}

/* ---------- pairs ---------- */

/* Has a pair of previous looked at by joins. */
static void
add_suspect(LinkSearch *search, ItemPointer place)
{
	Member	   *member = search->at;

	stored_table_fetch(member->suspect, search->snapshot, place);
	stored_fields(member->suspect);
	typed_rows_put(member->pairs, member->suspect->values, member->suspect->nulls);
}

/* Notes a remembered orphan. */
static void
take_orphan(void *arg, uint64 row)
{
	LinkSearch *search = arg;
	Digest		values[2];
	Digest		pair;

	for (int i = 0; i < 2; i++)
	{
		bool		isnull;

		values[i] = text_digest(search->at->sides[i], PointerGetDatum(PG_DETOAST_DATUM_PACKED(sql_datum(row, i + 1, &isnull))));
	}
	pair = link_digest(search, values);
	(void) digest_set_add(search->at->remembered, &pair);
}

/* Whether a pair is a remembered orphan. */
static bool
is_remembered(LinkSearch *search, const Pair *pair)
{
	Digest		digest;

	if (digest_set_count(search->at->remembered) == 0)
		return false;
	digest = link_digest(search, pair->values);
	return digest_set_has(search->at->remembered, &digest);
}

/* What a value of a pair leads to; zero: to nothing.  moved: the batch may change that, unseen by its text. */
static Digest
leads_to(LinkSearch *search, int number, Pair *pair, bool *moved)
{
	const Side *side = search->at->sides[number];
	StoredTable *row = search->at->suspect;
	const Digest *stored = digest_map_find(side->values, pair->values[number]);
	Digest		shared;
	bool		isnull;

	if (stored == NULL && side->others != NULL)
	{
		stored_table_fetch(row, search->snapshot, &pair->place);
		if (spellings_digest(side->spellings, number, TextDatumGetCString(stored_field(row, number, &isnull)), &shared))
		{
			stored = digest_map_find(side->others, shared);
			*moved |= digest_set_has(side->moved, &shared);
		}
	}
	return stored == NULL ? nothing : *stored;
}

/* Sums up a pair, or in the second reading takes it if its sum is not zero. */
static void
compare_pair(LinkSearch *search, Pair *pair)
{
	Digest		stored[2];
	Digest		link;
	bool		moved = false;
	bool		leads = true;

	for (int i = 0; i < 2; i++)
	{
		stored[i] = leads_to(search, i, pair, &moved);
		leads &= !digest_equal(&stored[i], &nothing);
	}
	leads = leads && !is_remembered(search, pair);
	link = link_digest(search, stored);
	if (!search->again)
	{
		if (leads)
			digest_sums_add(&search->sums, &link);
		if (!leads || moved)
			add_suspect(search, &pair->place);
	}
	else if (leads && !moved && !digest_sums_zero(&search->sums, &link))
		add_suspect(search, &pair->place);
}

/* Takes a pair of previous: it is looked up when its places in the maps have come. */
static void
await_pair(void *arg, StoredTable *previous)
{
	LinkSearch *search = arg;
	Pair	   *pair = &search->ahead[search->read++ % PAIRS_AHEAD];

	if (search->read > PAIRS_AHEAD)
		compare_pair(search, pair);
	pair->place = previous->slot->tts_tid;
	for (int i = 0; i < 2; i++)
	{
		const Side *side = search->at->sides[i];
		bool		isnull;

		pair->values[i] = text_digest(side, stored_field(previous, i, &isnull));
		digest_map_fetch(side->values, pair->values[i]);
	}
}

/* Reads the pairs of all. */
static void
read_pairs(LinkSearch *search)
{
	for (search->at = search->members; search->at < search->members + search->nmembers; search->at++)
	{
		search->read = 0;
		stored_table_scan(search->at->previous, search->snapshot, NULL, await_pair, search);
		for (uint64 i = search->read - Min(search->read, PAIRS_AHEAD); i < search->read; i++)
			compare_pair(search, &search->ahead[i % PAIRS_AHEAD]);
	}
}

/* ---------- links ---------- */

/* Takes a link of the target off its sum, or in the second reading takes it if that is not zero. */
static void
compare_link(void *arg, TupleTableSlot *slot)
{
	CallerReading *reading = arg;
	LinkSearch *search = reading->search;
	Digest		stored[2];
	Digest		link;

	read_digests(reading, slot, stored);
	link = link_digest(search, stored);
	if (!search->again)
	{
		digest_sums_subtract(&search->sums, &link);
		search->stored++;
	}
	else if (!digest_sums_zero(&search->sums, &link))
	{
		tuplestore_puttupleslot(search->target->store, slot);
		search->target->count++;
	}
}

/* Reads the links of the target. */
static void
read_links(LinkSearch *search, CallerReading *reading)
{
	read_as_caller(reading, psprintf("SELECT t.* FROM %s", stored_links(search->members[0].mapping)), compare_link);
}

/* Compares the links of the target with the pairs; false: too many differ. */
static bool
compare_links(LinkSearch *search)
{
	const Member *first = &search->members[0];
	CallerReading reading = {
		.search = search,
		.sides = {first->sides[0], first->sides[1]},
		.columns = {first->mapping->ends[0].target, first->mapping->ends[1].target}
	};
	double		nonzero;

	read_pairs(search);
	read_links(search, &reading);
	nonzero = digest_sums_nonzero(&search->sums);
	if (nonzero == 0)
		return true;
	if (nonzero > MANY_NONZERO)
		return false;
	search->again = true;
	search->target = typed_rows_begin("syncup_target", 2);
	read_pairs(search);
	read_links(search, &reading);
	search->target->tupdesc = reading.tupdesc;
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
		same_text(a->store, b->store);
}

/* A side that an earlier member has loaded; NULL: none has. */
static Side *
find_side(const LinkSearch *search, const AssociationEnd *end, int number)
{
	foreach_ptr(Side, side, search->sides)
	{
		if (side->number == number && same_values(side->end, end))
			return side;
	}
	return NULL;
}

/* Loads the sides of all; a quarter of the memory is left for sums. */
static bool
load_sides(LinkSearch *search, const pg_uuid_t *batch)
{
	search->budget = maintenance_work_mem * 1024.0 / 4 * 3;
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
	return true;
}

/* Whether a batch changes so many of the pairs that all may as well be joined. */
static bool
changes_many(const LinkSearch *search, const pg_uuid_t *batch, double pairs)
{
	int64		changed = 0;

	for (int m = 0; m < search->nmembers; m++)
	{
		own_sql(psprintf("SELECT count(*) FROM %s d WHERE d.batch = $1 AND d.command IN ('insert', 'update', 'delete')",
						 delta_table(search->members[m].mapping)), SQL_ARGS(SQL_UUID(batch)));
		changed += sql_int8(0, 1);
	}
	return changed > pairs / 2;
}

/* Compares, unless there is nothing to gain. */
static bool
search_links(LinkSearch *search, const pg_uuid_t *batch)
{
	double		pairs = 0;

	for (int m = 0; m < search->nmembers; m++)
		pairs += stored_table_estimate(search->members[m].previous);
	if (changes_many(search, batch, pairs) || !load_sides(search, batch))
		return false;
	for (search->at = search->members; search->at < search->members + search->nmembers; search->at++)
		sql_for_each(own_cursor("SELECT value1, value2 FROM syncup.orphan WHERE connector = $1 AND mapping = $2",
								SQL_ARGS(SQL_TEXT(search->at->mapping->connector->name), SQL_TEXT(search->at->mapping->name))),
					 take_orphan, search);
	digest_sums_init(&search->sums, pairs, (Size) maintenance_work_mem * 1024 / 4);
	return compare_links(search);
}

static void
begin_member(Member *member, const Mapping *mapping)
{
	member->mapping = mapping;
	member->previous = stored_table_open(mapping, "syncup_previous");
	member->suspect = stored_table_open(mapping, "syncup_previous");
	member->remembered = digest_set_create(0, false);
	member->pairs = typed_rows_begin("syncup_suspect", 2);
	typed_rows_text(member->pairs, "v1");
	typed_rows_text(member->pairs, "v2");
}

static void
end_member(Member *member, bool found)
{
	if (!found)
		tuplestore_end(member->pairs->store);
	digest_set_free(member->remembered);
	stored_table_close(member->previous);
	stored_table_close(member->suspect);
}

/* What was found. */
static LinkDrift *
give_drift(const LinkSearch *search)
{
	LinkDrift  *drift = palloc(sizeof(LinkDrift));

	*drift = (LinkDrift) {palloc(sizeof(TypedRows *) * search->nmembers), search->target, search->stored, search->snapshot};
	for (int m = 0; m < search->nmembers; m++)
		drift->pairs[m] = search->members[m].pairs;
	if (search->target != NULL)
		typed_rows_publish(search->target);
	return drift;
}

LinkDrift *
link_drift_find(List *associations, const pg_uuid_t *batch)
{
	LinkSearch	search = {0};
	LinkDrift  *drift = NULL;

	foreach_ptr(const Mapping, mapping, associations)
	{
		if (!is_pair_key(mapping) || !is_comparable(mapping))
			return NULL;
	}
	CommandCounterIncrement();
	search.snapshot = RegisterSnapshot(GetLatestSnapshot());
	search.members = palloc0(sizeof(Member) * list_length(associations));
	foreach_ptr(Mapping, mapping, associations)
		begin_member(&search.members[search.nmembers++], mapping);
	for (int i = 0; i < 2; i++)
		digest_key_random(&search.keys[i]);
	digest_key_random(&search.link_key);
	row_bytes_init(&search.bytes);
	if (search_links(&search, batch))
		drift = give_drift(&search);
	else
		UnregisterSnapshot(search.snapshot);
	if (search.sums.sums != NULL)
		digest_sums_free(&search.sums);
	foreach_ptr(Side, side, search.sides)
	{
		if (side->values != NULL)
			digest_map_destroy(side->values);
		if (side->others != NULL)
			digest_map_destroy(side->others);
	}
	for (int m = 0; m < search.nmembers; m++)
		end_member(&search.members[m], drift != NULL);
	return drift;
}

void
link_drift_end(LinkDrift *drift)
{
	if (drift->target != NULL)
		typed_rows_forget(drift->target);
	UnregisterSnapshot(drift->snapshot);
}
