/*
 * drift.c
 *		Which rows of a target a complete run has to look at.
 *
 * A complete run compares every row of the target with the source, whatever
 * anybody did to it since (SPEC 5.2).  Beside each row of previous stands the
 * digest of the values that its texts become in the target (row_digest.h).  So
 * the digests of previous, without the keys that the batch changes, are put
 * into a set; every row of the target is read, with the caller's rights, and
 * its digest looked up there.  A row whose digest is found has, byte for byte,
 * the values that the source wants: nothing is left to do for it, and neither
 * it nor its text in previous is converted or joined.
 *
 * What remains goes to the join in changes.c, which decides: rows of the target
 * whose digest was not found, rows of previous that no target row answered to,
 * and the batch's delta.  A digest that is missing or of an old epoch only
 * makes that more, and is mended on the way.
 *
 * One thing more must be looked at: two keys that differ in the file may be one
 * value of the target's type (a uuid in upper and in lower case).  Therefore a
 * target row whose key is the value of a key of the delta counts as not found,
 * so that the join meets both rows.
 *
 * When the set does not fit into maintenance_work_mem, digests are divided into
 * classes by their bits, each with a reading of its own, at one snapshot.
 */
#include "drift.h"

#include "access/xact.h"
#include "changes.h"
#include "digest_set.h"
#include "miscadmin.h"
#include "sql.h"
#include "stored_table.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/typcache.h"

/* The search under way. */
typedef struct Search
{
	const Mapping *mapping;
	DigestEpoch epoch;
	Snapshot	snapshot;
	StoredTable *previous;
	StoredTable *delta;
	TypedSource *source;

	/* Sets of marks: whether a digest is marked. */
	DigestSet  *changed;		/* keys of the delta; marked: insert or update */
	DigestSet  *kept;			/* keys of rows that were set aside */
	bool		has_kept;
	int64		delta_rows;

	Size		budget;			/* for what is expected */
	uint64		classes;		/* a power of two */
	uint64		class;
	DigestSet  *expected;		/* what target rows may look like; marked: one does */
	bool		too_many;		/* they do not fit */
	int64		answered;		/* marked ones */
	int64		stale;			/* rows of previous without a digest to rely on */
	TypedRows  *mended;			/* "syncup_mended": their places and digests */
	RowBytes	bytes;

	TypeCacheEntry *key_type;	/* NULL: keys differ bytewise */
	DigestSet  *key_values;		/* hashes of the delta's keys as values */

	TypedRows  *target;
	int64		stored;
} Search;

static inline bool
in_class(const Search *search, const Digest *digest)
{
	return (digest->high & (search->classes - 1)) == search->class;
}

/* ---------- sets of marks ---------- */

static inline bool
has(DigestSet *set, Digest digest)
{
	return digest_set_find(set, &digest) != NO_DIGEST;
}

/* Adds a digest if it is not there. */
static void
add(DigestSet *set, Digest digest)
{
	if (!has(set, digest))
		(void) digest_set_append(set, &digest);
}

/* The mark of a digest; NULL: it is not there. */
static inline bool *
mark_of(DigestSet *set, Digest digest)
{
	uint32		number = digest_set_find(set, &digest);

	return number == NO_DIGEST ? NULL : digest_set_data(set, number);
}

static inline bool
is_marked(DigestSet *set, Digest digest)
{
	bool	   *mark = mark_of(set, digest);

	return mark != NULL && *mark;
}

/* ---------- the delta ---------- */

/* The hash of a value of the key's column, as a member of a set. */
static Digest
hash_key_value(const Search *search, Datum value)
{
	const MappingColumn *key = &search->mapping->columns[search->mapping->key];
	Digest		digest = {1, 0};

	digest.low = DatumGetUInt64(FunctionCall2Coll(&search->key_type->hash_extended_proc_finfo,
												  key->collation, value, UInt64GetDatum(0)));
	/* The set takes its places from the upper bits. */
	digest.high = digest.low;
	return digest;
}

/* Takes a row that the delta inserts or updates. */
static void
take_present(void *arg, StoredTable *delta)
{
	Search	   *search = arg;

	if (stored_command_is(delta, "keep"))
	{
		search->has_kept = true;
		return;
	}
	search->delta_rows++;
	if (!stored_command_is(delta, "insert") && !stored_command_is(delta, "update"))
		return;
	typed_source_add(search->source, delta, SOURCE_PRESENT);
	if (search->key_type != NULL)
		add(search->key_values, hash_key_value(search, typed_source_key(search->source)));
}

/* Notes the key of a row of the delta. */
static void
note_changed(void *arg, StoredTable *delta)
{
	Search	   *search = arg;
	Digest		key;

	if (stored_command_is(delta, "keep"))
		return;
	key = stored_key_digest(delta, &search->epoch);
	if (!in_class(search, &key))
		return;
	add(search->changed, key);
	if (!stored_command_is(delta, "delete"))
		*mark_of(search->changed, key) = true;
}

/* Takes a key whose row was set aside, unless the delta has a row for it. */
static void
take_kept(void *arg, StoredTable *delta)
{
	Search	   *search = arg;
	Digest		key;

	if (!stored_command_is(delta, "keep"))
		return;
	key = stored_key_digest(delta, &search->epoch);
	if (!in_class(search, &key) || is_marked(search->changed, key) || has(search->kept, key))
		return;
	(void) digest_set_append(search->kept, &key);
	typed_source_add(search->source, delta, SOURCE_KEPT);
}

/* Notes the keys of the delta that are of this class, and takes its kept ones. */
static void
load_delta(Search *search, const pg_uuid_t *batch)
{
	search->changed = digest_set_create(sizeof(bool), false);
	stored_table_scan(search->delta, search->snapshot, batch, note_changed, search);
	if (!search->has_kept)
		return;
	search->kept = digest_set_create(0, false);
	stored_table_scan(search->delta, search->snapshot, batch, take_kept, search);
	digest_set_free(search->kept);
}

/* ---------- previous ---------- */

/* Whether the batch changes the row of previous at hand. */
static bool
is_changed(const Search *search, StoredTable *previous)
{
	return digest_set_count(search->changed) > 0 &&
		has(search->changed, stored_key_digest(previous, &search->epoch));
}

/* Whether the digest of the values of the row at hand is known. */
static bool
knows_values(const Search *search, StoredTable *previous, Digest *values)
{
	RowDigest	kept;

	if (!stored_row_digest(previous, &search->epoch, &kept))
		return false;
	*values = kept.values;
	return kept.values.low != 0 || kept.values.high != 0;
}

/*
 * Whether what is expected does not fit.  That is seen in the first class; the
 * others are of about the same size.
 */
static bool
is_too_much(const Search *search)
{
	return search->class == 0 && digest_set_count(search->expected) > 1024 &&
		digest_set_bytes(search->expected) > search->budget;
}

/* Expects what a row of previous says, if it is of this class. */
static void
expect(void *arg, StoredTable *previous)
{
	Search	   *search = arg;
	Digest		values;

	if (!knows_values(search, previous, &values))
		search->stale += search->class == 0;
	else if (!search->too_many && in_class(search, &values) && !is_changed(search, previous))
	{
		(void) digest_set_append(search->expected, &values);
		search->too_many = is_too_much(search);
	}
}

/* Notes what should stand beside a row of previous. */
static void
mend(Search *search, StoredTable *previous)
{
	RowDigest	digest = {.epoch = search->epoch.epoch};
	Datum		values[2];
	bool		nulls[2] = {false, false};

	/* Whatever is kept beside it is not taken for granted. */
	digest.row = stored_fields_digest(previous, &search->epoch);
	digest.values = typed_source_digest(search->source, &search->epoch, &search->bytes);
	values[0] = PointerGetDatum(&previous->slot->tts_tid);
	values[1] = row_digest_datum(&digest);
	tuplestore_putvalues(search->mended->store, search->mended->tupdesc, values, nulls);
	search->mended->count++;
}

/* Takes a row of previous that no row of the target answered to. */
static void
take_unanswered(void *arg, StoredTable *previous)
{
	Search	   *search = arg;
	Digest		values;
	bool		known = knows_values(search, previous, &values);

	if (known ? !in_class(search, &values) || is_marked(search->expected, values) :
		search->class != 0)
		return;
	if (is_changed(search, previous))
		return;
	typed_source_add(search->source, previous, SOURCE_PRESENT);
	if (!known)
		mend(search, previous);
}

/* Takes a row of previous that the batch does not change. */
static void
take_unchanged(void *arg, StoredTable *previous)
{
	Search	   *search = arg;
	Digest		key = stored_key_digest(previous, &search->epoch);

	if (in_class(search, &key) && !has(search->changed, key))
		typed_source_add(search->source, previous, SOURCE_PRESENT);
}

/* ---------- the target ---------- */

/* Takes the rows of the target as they are read. */
typedef struct TargetReceiver
{
	DestReceiver receiver;
	Search	   *search;
	MemoryContext context;		/* as long as the search */
	MemoryContext row_context;
	int64		rows;
	int			last;			/* attribute that is needed */
	AttrNumber *attnums;		/* per mapping column */
	int16	   *typlens;
	bool	   *typbyvals;
	AttrNumber	outside;		/* 0: all rows are alike */
	AttrNumber	retired;
} TargetReceiver;

/* The attribute of a name. */
static AttrNumber
find_attribute(TupleDesc tupdesc, const char *name)
{
	int			number = SPI_fnumber(tupdesc, name);

	if (number <= 0)
		elog(ERROR, "the target has no column \"%s\"", name);
	return number;
}

static void
receive_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	TargetReceiver *receiver = (TargetReceiver *) self;
	const Mapping *mapping = receiver->search->mapping;
	MemoryContext before = MemoryContextSwitchTo(receiver->context);

	if (receiver->attnums == NULL)
	{
		TypedRows  *target = typed_rows_begin("syncup_target", tupdesc->natts);

		target->tupdesc = CreateTupleDescCopy(tupdesc);
		receiver->search->target = target;
		receiver->attnums = palloc0(sizeof(AttrNumber) * mapping->ncolumns);
		receiver->typlens = palloc(sizeof(int16) * mapping->ncolumns);
		receiver->typbyvals = palloc(sizeof(bool) * mapping->ncolumns);
		for (int i = 0; i < mapping->ncolumns; i++)
		{
			Form_pg_attribute attribute;

			if (mapping->columns[i].target == NULL)
				continue;
			receiver->attnums[i] = find_attribute(tupdesc, mapping->columns[i].target);
			attribute = TupleDescAttr(tupdesc, receiver->attnums[i] - 1);
			receiver->typlens[i] = attribute->attlen;
			receiver->typbyvals[i] = attribute->attbyval;
		}
		for (int i = 0; i < mapping->ncolumns; i++)
			receiver->last = Max(receiver->last, receiver->attnums[i]);
		if (!all_rows_alike(mapping))
		{
			/* Without the alias. */
			receiver->outside = find_attribute(tupdesc, is_outside(mapping) + strlen("t."));
			receiver->retired = find_attribute(tupdesc, retired_at(mapping) + strlen("t."));
			receiver->last = Max(receiver->outside, receiver->retired);
		}
	}
	MemoryContextSwitchTo(before);
}

/* The digest of the mapped values of a target row. */
static Digest
target_digest(TargetReceiver *receiver, TupleTableSlot *slot)
{
	Search	   *search = receiver->search;

	row_bytes_reset(&search->bytes);
	for (int i = 0; i < search->mapping->ncolumns; i++)
	{
		int			attribute = receiver->attnums[i] - 1;

		if (attribute >= 0)
			row_bytes_add_value(&search->bytes, receiver->typlens[i], receiver->typbyvals[i],
								slot->tts_values[attribute], slot->tts_isnull[attribute]);
	}
	return row_bytes_digest(&search->bytes, &search->epoch.key);
}

/* Notes that the target has a row that is expected; false: it is not. */
static bool
answer(Search *search, Digest digest)
{
	bool	   *mark = mark_of(search->expected, digest);

	if (mark == NULL)
		return false;
	search->answered += !*mark;
	*mark = true;
	return true;
}

/* Whether the key of a target row is the value of a key of the delta. */
static bool
has_delta_key(TargetReceiver *receiver, TupleTableSlot *slot)
{
	Search	   *search = receiver->search;
	int			attribute = receiver->attnums[search->mapping->key] - 1;

	return search->key_type != NULL && digest_set_count(search->key_values) > 0 &&
		!slot->tts_isnull[attribute] &&
		has(search->key_values, hash_key_value(search, slot->tts_values[attribute]));
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	TargetReceiver *receiver = (TargetReceiver *) self;
	Search	   *search = receiver->search;
	MemoryContext before = MemoryContextSwitchTo(receiver->row_context);
	Digest		digest;

	slot_getsomeattrs(slot, receiver->last);
	digest = target_digest(receiver, slot);
	if (in_class(search, &digest))
	{
		bool		current = receiver->outside == 0 ||
			(!DatumGetBool(slot->tts_values[receiver->outside - 1]) &&
			 slot->tts_isnull[receiver->retired - 1]);

		search->stored += current;
		if (!current || has_delta_key(receiver, slot) ||
			!answer(search, digest))
		{
			tuplestore_puttupleslot(search->target->store, slot);
			search->target->count++;
		}
	}
	MemoryContextSwitchTo(before);
	if ((++receiver->rows & 255) == 0)
		MemoryContextReset(receiver->row_context);
	return true;
}

static void
receive_nothing(DestReceiver *self)
{
}

/* ---------- the whole ---------- */

/*
 * Loads what is expected of this class.  In the first one it is seen whether
 * there must be more of them; false: begin again.
 */
static bool
load_expected(Search *search)
{
	search->expected = digest_set_create(sizeof(bool), true);
	search->too_many = false;
	search->answered = 0;
	if (search->class == 0)
		search->stale = 0;
	stored_table_scan(search->previous, search->snapshot, NULL, expect, search);
	if (!search->too_many)
		return true;
	digest_set_free(search->expected);
	search->classes *= 2;
	return false;
}

/* Compares the target with previous, class by class. */
static void
compare_target(Search *search)
{
	TargetReceiver receiver = {
		.receiver = {.receiveSlot = receive_row, .rStartup = receive_startup,
		.rShutdown = receive_nothing, .rDestroy = receive_nothing, .mydest = DestTuplestore},
		.search = search,
		.context = CurrentMemoryContext,
		.row_context = AllocSetContextCreate(CurrentMemoryContext, "syncup target row",
											 ALLOCSET_DEFAULT_SIZES)
	};
	const Mapping *mapping = search->mapping;
	char	   *query = all_rows_alike(mapping) ?
		psprintf("SELECT %s FROM %s r", readable_columns(mapping, NULL), mapping->target_name) :
		psprintf("SELECT t.* FROM %s", target_rows(mapping));
	int			level;

	for (search->class = 0; search->class < search->classes; search->class++)
	{
		while (!load_expected(search))
			 /* more classes */ ;
		level = settings_pin(NULL);
		caller_rows(query, search->snapshot, &receiver.receiver);
		settings_restore(level);
		if (search->answered < digest_set_count(search->expected) ||
			(search->class == 0 && search->stale > 0))
			stored_table_scan(search->previous, search->snapshot, NULL, take_unanswered, search);
		digest_set_free(search->expected);
	}
	MemoryContextDelete(receiver.row_context);
}

/* Writes the digests that were missing. */
static void
mend_previous(Search *search)
{
	if (search->mended->count > 0)
	{
		typed_rows_publish(search->mended);
		own_sql(psprintf("UPDATE %s p SET digest = m.digest FROM syncup_mended m WHERE p.ctid = m.place",
						 previous_table(search->mapping)), SQL_NO_ARGS);
		typed_rows_forget(search->mended);
	}
	else
		tuplestore_end(search->mended->store);
}

/* Whether the hash of a key's value can be taken, where that is needed. */
static bool
find_key_type(Search *search)
{
	const MappingColumn *key = &search->mapping->columns[search->mapping->key];

	if (keys_differ_bytewise(search->mapping))
		return true;
	search->key_type = lookup_type_cache(key->type, TYPECACHE_HASH_EXTENDED_PROC_FINFO);
	if (OidIsValid(search->key_type->hash_extended_proc_finfo.fn_oid))
		return true;
	search->key_type = NULL;
	return false;
}

/* Takes all of previous that the batch does not change. */
static void
take_all(Search *search, const pg_uuid_t *batch, Size budget)
{
	while (search->delta_rows * 32.0 / search->classes > budget)
		search->classes *= 2;
	for (search->class = 0; search->class < search->classes; search->class++)
	{
		load_delta(search, batch);
		stored_table_scan(search->previous, search->snapshot, NULL, take_unchanged, search);
		digest_set_free(search->changed);
	}
}

Drift *
drift_find(const Mapping *mapping, const pg_uuid_t *batch)
{
	Size		budget = (Size) maintenance_work_mem * 1024;
	Drift	   *drift = palloc0(sizeof(Drift));
	Search		search = {.mapping = mapping, .classes = 1};
	bool		hashable;

	digest_epoch_load(&search.epoch, mapping);
	CommandCounterIncrement();
	drift->snapshot = search.snapshot = RegisterSnapshot(GetLatestSnapshot());
	search.previous = stored_table_open(mapping, "syncup_previous");
	search.delta = stored_table_open(mapping, "syncup_delta");
	search.source = typed_source_begin(mapping);
	search.mended = typed_rows_begin("syncup_mended", 2);
	TupleDescInitEntry(search.mended->tupdesc, 1, "place", TIDOID, -1, 0);
	TupleDescInitEntry(search.mended->tupdesc, 2, "digest", BYTEAOID, -1, 0);
	row_bytes_init(&search.bytes);
	hashable = find_key_type(&search);
	search.key_values = digest_set_create(0, false);
	stored_table_scan(search.delta, search.snapshot, batch, take_present, &search);

	/* A batch that changes (almost) everything has nothing to gain. */
	if (!hashable || search.delta_rows * 64.0 > budget)
		take_all(&search, batch, budget / 2);
	else
	{
		load_delta(&search, batch);
		search.budget = budget - digest_set_bytes(search.changed) - digest_set_bytes(search.key_values);
		compare_target(&search);
		digest_set_free(search.changed);
		typed_rows_publish(search.target);
	}
	digest_set_free(search.key_values);
	mend_previous(&search);
	stored_table_close(search.previous);
	stored_table_close(search.delta);
	drift->source = typed_source_publish(search.source);
	drift->target = search.target;
	drift->stored = search.stored;
	return drift;
}

void
drift_end(Drift *drift)
{
	if (drift->target != NULL)
		typed_rows_forget(drift->target);
	UnregisterSnapshot(drift->snapshot);
}
