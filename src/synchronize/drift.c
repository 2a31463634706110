/*
 * drift.c
 *		Which rows of a target a complete run has to look at.
 *
 * A complete run compares every row of the target with the source, whatever
 * anybody did to it since (SPEC 5.2).  Beside each row of previous stands the
 * digest of the values that its texts become in the target (row_digest.h).  So
 * previous is read, and every row of the target, with the caller's rights, and
 * the digests of both are summed up (digest_sums.h).  Where the sums are zero,
 * the target has, byte for byte, the rows that previous says: neither they nor
 * their texts are converted or joined.  Mostly that is so everywhere, and only
 * the batch's delta is left to do, as in an incremental run.
 *
 * Otherwise both are read once more, at the same snapshot, and the rows of the
 * sums that are not zero go, with the delta, to the join in changes.c, which
 * decides; so do those of the sums that hold rows which the delta changes.  If
 * that would be much, everything is converted and joined.  A digest that is
 * missing or of an old epoch only makes that more, and is mended on the way.
 *
 * Two spellings of one key need no care here: prepare has made them one, so the
 * delta inserts no key whose value a row of previous has.
 */
#include "synchronize/drift.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "store/digest_epoch.h"
#include "digest/digest_set.h"
#include "config/key.h"
#include "digest/digest_sums.h"
#include "digest/row_sums.h"
#include "miscadmin.h"
#include "target/renames.h"
#include "target/target.h"
#include "tool/sql.h"
#include "store/stored_table.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* The search under way. */
typedef struct RowSearch
{
	const Mapping *mapping;
	DigestEpoch epoch;
	Snapshot	snapshot;
	StoredTable *previous;
	StoredTable *delta;
	TypedSource *source;

	int64		delta_rows;
	bool		has_deleted;
	bool		has_kept;

	DigestSums	sums;			/* of the target, less previous */
	int64		rows;			/* of previous */
	int64		stale;			/* those without a digest to rely on */
	int64		stored;			/* rows of the target; -1: not counted */

	uint64		classes;		/* of keys: a power of two */
	uint64		class;
	DigestSet  *changed;		/* keys of the delta, each with whether it is present afterwards */
	DigestSet  *kept;			/* keys of rows that were set aside */

	TypedRows  *target;
	TypedRows  *mended;			/* "syncup_mended": places and digests in previous */
	RowBytes	bytes;
} RowSearch;

/* ---------- the delta ---------- */

/* Takes a row that the delta inserts or updates. */
static void
take_present(void *arg, StoredTable *delta)
{
	RowSearch  *search = arg;

	if (stored_command_is(delta, "alias"))
		return;
	if (stored_command_is(delta, "keep"))
	{
		search->has_kept = true;
		return;
	}
	search->delta_rows++;
	if (is_renamed_away(delta))
		return;
	if (stored_command_is(delta, "delete"))
	{
		search->has_deleted = true;
		return;
	}
	if (stored_command_is(delta, "insert") || stored_command_is(delta, "update"))
		typed_source_add(search->source, delta, SOURCE_PRESENT);
}

/* Takes a row that the delta deletes. */
static void
take_deleted(void *arg, StoredTable *delta)
{
	RowSearch  *search = arg;

	if (stored_command_is(delta, "delete") && !is_renamed_away(delta))
		typed_source_add(search->source, delta, SOURCE_DELETED);
}

/* Whether a key belongs to this class. */
static inline bool
in_class(const RowSearch *search, const Digest *key)
{
	return (key->high & (search->classes - 1)) == search->class;
}

/* Notes that the batch changes the row of a key. */
static void
note_changed_key(RowSearch *search, const Digest *key, bool is_present)
{
	bool	   *present;

	if (!in_class(search, key))
		return;
	present = digest_set_data(search->changed, digest_set_add(search->changed, key));
	*present |= is_present;
}

/* Notes the key of a row of the delta, and what it was before. */
static void
note_changed(void *arg, StoredTable *delta)
{
	RowSearch  *search = arg;
	Digest		key;

	if (stored_command_is(delta, "keep") || stored_command_is(delta, "alias"))
		return;
	key = stored_key_digest(delta, &search->epoch);
	note_changed_key(search, &key, !stored_command_is(delta, "delete"));
	if (stored_old_key_digest(delta, &search->epoch, &key))
		note_changed_key(search, &key, true);
}

/* Takes a key whose row was set aside, unless the delta has a row for it. */
static void
take_kept(void *arg, StoredTable *delta)
{
	RowSearch  *search = arg;
	Digest		key;
	uint32		number;

	if (!stored_command_is(delta, "keep"))
		return;
	key = stored_key_digest(delta, &search->epoch);
	if (!in_class(search, &key))
		return;
	number = digest_set_find(search->changed, &key);
	if (number != NO_DIGEST && *(bool *) digest_set_data(search->changed, number))
		return;
	number = digest_set_count(search->kept);
	if (digest_set_add(search->kept, &key) == number)
		typed_source_add(search->source, delta, SOURCE_KEPT);
}

/* Notes the keys of the delta that are of this class, and takes its kept ones. */
static void
load_delta(RowSearch *search, const pg_uuid_t *batch)
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

/* Whether the digest of the values of the row at hand is known. */
static bool
knows_values(const RowSearch *search, StoredTable *previous, Digest *values)
{
	RowDigest	kept;

	if (!stored_row_digest(previous, &search->epoch, &kept))
		return false;
	*values = kept.values;
	return kept.values.low != 0 || kept.values.high != 0;
}

/* Expects what a row of previous says. */
static void
expect(void *arg, StoredTable *previous)
{
	RowSearch  *search = arg;
	Digest		values;

	search->rows++;
	if (knows_values(search, previous, &values))
		digest_sums_subtract(&search->sums, &values);
	else
		search->stale++;
}

/* Makes the sum of a row that the batch changes nonzero. */
static void
upset_changed(void *arg, StoredTable *previous)
{
	RowSearch  *search = arg;
	Digest		values;
	Digest		key;

	if (!knows_values(search, previous, &values) || !digest_sums_zero(&search->sums, &values))
		return;
	key = stored_key_digest(previous, &search->epoch);
	if (digest_set_has(search->changed, &key))
		digest_sums_upset(&search->sums, &values);
}

/* Notes what should stand beside a row of previous. */
static void
mend(RowSearch *search, StoredTable *previous)
{
	RowDigest	digest = {.epoch = search->epoch.epoch};
	Datum		values[2];
	bool		nulls[2] = {false, false};

	/* Whatever is kept beside it is not taken for granted. */
	digest.row = stored_fields_digest(previous, &search->epoch);
	digest.values = typed_source_digest(search->source, &search->epoch, &search->bytes);
	values[0] = PointerGetDatum(&previous->slot->tts_tid);
	values[1] = row_digest_datum(&digest);
	typed_rows_put(search->mended, values, nulls);
}

/* Takes a row of previous that the batch does not change. */
static void
take_unchanged(void *arg, StoredTable *previous)
{
	RowSearch  *search = arg;
	Digest		key = stored_key_digest(previous, &search->epoch);
	Digest		values;

	if (!in_class(search, &key) || digest_set_has(search->changed, &key))
		return;
	typed_source_add(search->source, previous, SOURCE_PRESENT);
	if (!knows_values(search, previous, &values))
		mend(search, previous);
}

/* The same, if it is of a sum that is not zero, or of none. */
static void
take_nonzero(void *arg, StoredTable *previous)
{
	RowSearch  *search = arg;
	Digest		values;

	if (!knows_values(search, previous, &values) || !digest_sums_zero(&search->sums, &values))
		take_unchanged(arg, previous);
}

/* ---------- the target ---------- */

/* The target as it is read. */
typedef struct TargetReading
{
	RowSearch  *search;
	bool		again;			/* the second reading, which takes rows */
	int			last;			/* attribute that is needed */
	AttrNumber *attnums;		/* per mapping column */
	int16	   *typlens;
	bool	   *typbyvals;
	AttrNumber	outside;		/* 0: all rows are alike */
	AttrNumber	retired;
} TargetReading;

/* Finds the columns. */
static void
begin_reading(void *arg, TupleDesc tupdesc)
{
	TargetReading *reading = arg;
	RowSearch  *search = reading->search;
	const Mapping *mapping = search->mapping;

	if (reading->again)
	{
		search->target = typed_rows_begin("syncup_target", tupdesc->natts);
		search->target->tupdesc = CreateTupleDescCopy(tupdesc);
	}
	reading->attnums = palloc0(sizeof(AttrNumber) * mapping->ncolumns);
	reading->typlens = palloc(sizeof(int16) * mapping->ncolumns);
	reading->typbyvals = palloc(sizeof(bool) * mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		Form_pg_attribute attribute;

		if (!is_compared(&mapping->columns[i]))
			continue;
		reading->attnums[i] = attribute_of(tupdesc, mapping->columns[i].target);
		attribute = TupleDescAttr(tupdesc, reading->attnums[i] - 1);
		reading->typlens[i] = attribute->attlen;
		reading->typbyvals[i] = attribute->attbyval;
		reading->last = Max(reading->last, reading->attnums[i]);
	}
	if (!all_rows_alike(mapping))
	{
		/* Without the alias. */
		reading->outside = attribute_of(tupdesc, is_outside(mapping) + strlen("t."));
		reading->retired = attribute_of(tupdesc, retired_at(mapping) + strlen("t."));
		reading->last = Max(reading->outside, reading->retired);
	}
}

/* The digest of the mapped values of a target row. */
static Digest
target_digest(TargetReading *reading, TupleTableSlot *slot)
{
	RowSearch  *search = reading->search;

	row_bytes_reset(&search->bytes);
	for (int i = 0; i < search->mapping->ncolumns; i++)
	{
		int			attribute = reading->attnums[i] - 1;

		if (attribute >= 0)
			row_bytes_add_value(&search->bytes, reading->typlens[i], reading->typbyvals[i],
								slot->tts_values[attribute], slot->tts_isnull[attribute]);
	}
	return row_bytes_digest(&search->bytes, &search->epoch.key);
}

/* Whether a target row is in the mapping's scope and not retired. */
static bool
row_is_current(const TargetReading *reading, const TupleTableSlot *slot)
{
	return reading->outside == 0 ||
		(!DatumGetBool(slot->tts_values[reading->outside - 1]) &&
		 slot->tts_isnull[reading->retired - 1]);
}

/* Sums up a row of the target, or in the second reading takes it if it is to be looked at. */
static void
read_row(void *arg, TupleTableSlot *slot)
{
	TargetReading *reading = arg;
	RowSearch  *search = reading->search;
	Digest		digest;
	bool		current;

	slot_getsomeattrs(slot, reading->last);
	digest = target_digest(reading, slot);
	current = row_is_current(reading, slot);
	if (!reading->again)
	{
		search->stored += current;
		if (current)
			digest_sums_add(&search->sums, &digest);
	}
	else if (!current || !digest_sums_zero(&search->sums, &digest))
	{
		tuplestore_puttupleslot(search->target->store, slot);
		search->target->count++;
	}
}

static void
read_target(TargetReading *reading)
{
	const Mapping *mapping = reading->search->mapping;
	char	   *query = all_rows_alike(mapping) ?
		psprintf("SELECT %s FROM %s r", readable_columns(mapping, NULL), mapping->target_name) :
		psprintf("SELECT t.* FROM %s", target_rows(mapping));
	int			level = settings_pin(NULL);

	caller_rows(query, reading->search->snapshot, SQL_NO_ARGS, begin_reading, read_row, reading);
	settings_restore(level);
}

/* ---------- the target's sums ---------- */

static void
ignore_description(void *arg, TupleDesc tupdesc)
{
}

/* Takes the number of rows of the target, and their sums: null where there is none. */
static void
take_sums(void *arg, TupleTableSlot *slot)
{
	RowSearch  *search = arg;

	slot_getallattrs(slot);
	search->stored = DatumGetInt64(slot->tts_values[0]);
	if (!slot->tts_isnull[1])
		digest_sums_add_bytes(&search->sums, DatumGetByteaPP(slot->tts_values[1]));
}

/*
 * Sums up the target in its query, so that parallel workers can take part; false
 * where the caller may not look into our schema, or the target is too wide for an
 * aggregate.
 */
static bool
sum_by_query(RowSearch *search)
{
	const Mapping *mapping = search->mapping;
	bool		alike = all_rows_alike(mapping);
	bytea	   *key = palloc(VARHDRSZ + sizeof(DigestKey));
	StringInfoData query;
	int			nvalues = 0;
	int			level;

	if (!may_use_schema(get_namespace_oid("syncup", false)))
		return false;
	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT pg_catalog.count(*), syncup.row_sums($1, $2");
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (!is_compared(&mapping->columns[i]))
			continue;
		nvalues++;
		appendStringInfo(&query, ", %c.%s", alike ? 'r' : 't', quote_identifier(mapping->columns[i].target));
	}
	if (nvalues > MAX_SUMMED_VALUES)
		return false;
	if (alike)
		appendStringInfo(&query, ") FROM %s r", mapping->target_name);
	else
		appendStringInfo(&query, ") FROM %s WHERE %s", target_rows(mapping), is_current(mapping));

	SET_VARSIZE(key, VARHDRSZ + sizeof(DigestKey));
	memcpy(VARDATA(key), &search->epoch.key, sizeof(DigestKey));
	level = settings_pin(NULL);
	caller_rows(query.data, search->snapshot,
				SQL_ARGS(SQL_DATUM(BYTEAOID, PointerGetDatum(key)), SQL_INT8(search->sums.mask + 1)),
				ignore_description, take_sums, search);
	settings_restore(level);
	return true;
}

/* ---------- the whole ---------- */

/* How much of previous and target has to be looked at. */
typedef enum Extent
{
	DRIFT_NONE, DRIFT_SOME, DRIFT_MUCH
} Extent;

/* Sums up previous and the target. */
static Extent
sum_up(RowSearch *search, TargetReading *reading)
{
	double		nonzero;

	stored_table_scan(search->previous, search->snapshot, NULL, expect, search);
	if (search->stale > search->rows * MANY_NONZERO)
		return DRIFT_MUCH;
	if (!sum_by_query(search))
	{
		search->stored = 0;
		read_target(reading);
	}
	nonzero = digest_sums_nonzero(&search->sums);
	if (nonzero == 0 && search->stale == 0)
		return DRIFT_NONE;
	return nonzero > MANY_NONZERO ? DRIFT_MUCH : DRIFT_SOME;
}

/* Takes the rows of previous and target whose sums are not zero. */
static void
take_some(RowSearch *search, const pg_uuid_t *batch, TargetReading *reading)
{
	load_delta(search, batch);
	stored_table_scan(search->previous, search->snapshot, NULL, upset_changed, search);
	stored_table_scan(search->previous, search->snapshot, NULL, take_nonzero, search);
	digest_set_free(search->changed);
	reading->again = true;
	read_target(reading);
	typed_rows_publish(search->target);
}

/* Writes the digests that were missing. */
static void
mend_previous(RowSearch *search)
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

/* Takes all of previous that the batch does not change, some keys after the other. */
static void
take_all(RowSearch *search, const pg_uuid_t *batch, Size budget)
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
	RowSearch	search = {.mapping = mapping, .classes = 1, .stored = -1};
	TargetReading reading = {.search = &search};
	Extent		extent;

	digest_epoch_load(&search.epoch, mapping);
	CommandCounterIncrement();
	drift->snapshot = search.snapshot = RegisterSnapshot(GetLatestSnapshot());
	search.previous = stored_table_open(mapping, "syncup_previous");
	search.delta = stored_table_open(mapping, "syncup_delta");
	search.source = typed_source_begin(mapping);
	search.mended = typed_rows_begin("syncup_mended", 2);
	typed_rows_column(search.mended, "place", TIDOID, -1, InvalidOid);
	typed_rows_column(search.mended, "digest", BYTEAOID, -1, InvalidOid);
	row_bytes_init(&search.bytes);
	digest_sums_init(&search.sums, stored_table_estimate(search.previous), budget / 4);
	stored_table_scan(search.delta, search.snapshot, batch, take_present, &search);

	extent = sum_up(&search, &reading);
	if (extent == DRIFT_SOME && search.delta_rows * 64.0 > budget)
		extent = DRIFT_MUCH;
	if (extent == DRIFT_MUCH)
		take_all(&search, batch, budget / 2);
	else if (extent == DRIFT_SOME)
		take_some(&search, batch, &reading);
	else if (search.has_deleted)
		stored_table_scan(search.delta, search.snapshot, batch, take_deleted, &search);

	digest_sums_free(&search.sums);
	mend_previous(&search);
	stored_table_close(search.previous);
	stored_table_close(search.delta);
	drift->whole = extent != DRIFT_NONE;
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
