/*
 * baseline.c
 *		The source as it will be once the batches queued ahead are applied.
 *
 * The deltas of queued batches are read, newest first, then previous; of each
 * row only its digest and its place are kept, by compare.c, and of each key
 * only what was read first.
 */
#include "prepare/baseline.h"

#include "store/batch.h"
#include "catalog/pg_type.h"
#include "tool/guard.h"
#include "tool/sql.h"
#include "store/stored_table.h"
#include "utils/array.h"
#include "utils/snapmgr.h"

enum
{
	TABLE_PREVIOUS,
	TABLE_DELTA,
	TABLES
};

struct Baseline
{
	const Mapping *mapping;
	KeyType    *type;
	bool		doubtful;		/* stored keys need not be values of the type any more */
	const DigestEpoch *epoch;
	List	   *queue;
	Snapshot	snapshot;
	StoredTable *tables[TABLES];

	SPIPlanPtr	queued_by_key;	/* prepared when first needed */
	SPIPlanPtr	previous_by_key;
};

Baseline *
baseline_open(const Mapping *mapping, KeyType *type, const DigestEpoch *epoch, List *queue)
{
	Baseline   *baseline = palloc0(sizeof(Baseline));

	baseline->mapping = mapping;
	baseline->type = type;
	baseline->doubtful = mapping->connector->needs_complete;
	baseline->epoch = epoch;
	baseline->queue = queue;
	baseline->snapshot = RegisterSnapshot(GetLatestSnapshot());
	baseline->tables[TABLE_PREVIOUS] = stored_table_open(mapping, "syncup_previous");
	baseline->tables[TABLE_DELTA] = stored_table_open(mapping, "syncup_delta");
	return baseline;
}

void
baseline_close(Baseline *baseline)
{
	for (int i = 0; i < TABLES; i++)
		stored_table_close(baseline->tables[i]);
	UnregisterSnapshot(baseline->snapshot);
	pfree(baseline);
}

/* ---------- keys as values ---------- */

/* A stored key on its way to a value. */
typedef struct StoredKey
{
	KeyType    *type;
	Datum		text;
	Datum		value;
	bool		has_value;
} StoredKey;

static void
make_value(void *arg)
{
	StoredKey  *key = arg;

	key->value = key_value(key->type, TextDatumGetCString(key->text));
	key->has_value = true;
}

/*
 * The value of a stored key; false: it is none any more, since the mapping has
 * changed.  Such a key is only what its bytes are.
 */
static bool
stored_value(const Baseline *baseline, Datum text, Datum *value)
{
	StoredKey	key = {.type = baseline->type, .text = text};

	if (baseline->doubtful)
		(void) guarded_values(make_value, &key);
	else
		make_value(&key);
	*value = key.value;
	return key.has_value;
}

/* The digest of the key of the row at hand. */
static Digest
key_digest(const Baseline *baseline, StoredTable *table)
{
	Datum		value;
	bool		isnull;

	if (baseline->type->bytewise ||
		!stored_value(baseline, stored_field(table, baseline->mapping->key, &isnull), &value))
		return stored_key_digest(table, baseline->epoch);
	return key_identity(baseline->type, &baseline->epoch->key, value);
}

bool
baseline_key_hash(Baseline *baseline, Datum key, int64 *hash)
{
	Datum		value;

	if (baseline->type->bytewise || !stored_value(baseline, key, &value) ||
		!key_needs_hash(baseline->type, value, TextDatumGetCString(key)))
		return false;
	*hash = key_hash(baseline->type, value);
	return true;
}

uint64
contents_digest(RowBytes *bytes, const DigestKey *key)
{
	return row_bytes_digest(bytes, key).high;
}

/* The same of the row at hand of a table. */
static uint64
stored_contents(const Baseline *baseline, StoredTable *table)
{
	stored_fields(table);
	row_bytes_reset(&table->bytes);
	for (int i = 0; i < baseline->mapping->nstored; i++)
		if (!is_key_column(baseline->mapping, i))
			row_bytes_add_stored(&table->bytes, table->values[i], table->nulls[i]);
	return contents_digest(&table->bytes, &baseline->epoch->key);
}

/* ---------- all rows ---------- */

/* What rows of a table are given to. */
typedef struct Loading
{
	const Baseline *baseline;
	int			table;
	Comparison *comparison;
} Loading;

/* Gives a row of previous, or of a queued batch, to the comparison. */
static void
load_row(void *arg, StoredTable *table)
{
	Loading    *loading = arg;
	const DigestEpoch *epoch = loading->baseline->epoch;
	BaselinePlace place = {loading->table, table->slot->tts_tid};
	Digest		key;
	Digest		row;

	if (loading->table == TABLE_DELTA && !stored_command_is(table, "insert") &&
		!stored_command_is(table, "update") && !stored_command_is(table, "delete"))
		return;
	row = stored_fields_digest(table, epoch);
	if (loading->table == TABLE_DELTA || comparison_wants_keys(loading->comparison))
		key = is_pair_key(loading->baseline->mapping) ? row : key_digest(loading->baseline, table);
	if (loading->table == TABLE_PREVIOUS)
		comparison_add(loading->comparison, &key, &row, place);
	else
		comparison_add_newer(loading->comparison, &key,
							 stored_command_is(table, "delete") ? NULL : &row,
							 loading->baseline->type->bytewise ? 0 : stored_contents(loading->baseline, table), place);
}

void
baseline_load(Baseline *baseline, Comparison *comparison)
{
	Loading		loading = {.baseline = baseline, .comparison = comparison};

	do
	{
		loading.table = TABLE_DELTA;
		for (int i = list_length(baseline->queue) - 1; i >= 0; i--)
			stored_table_scan(baseline->tables[TABLE_DELTA], baseline->snapshot,
							  &((Batch *) list_nth(baseline->queue, i))->id, load_row, &loading);
		loading.table = TABLE_PREVIOUS;
		stored_table_scan(baseline->tables[TABLE_PREVIOUS], baseline->snapshot, NULL, load_row, &loading);
	} while (!comparison_is_loaded(comparison));
}

/* ---------- one row ---------- */

/* A look for a key among rows that may have it. */
typedef struct KeySearch
{
	const Baseline *baseline;
	const SoughtKey *key;
} KeySearch;

/* Whether a stored text is the key that is looked for. */
static bool
is_sought(const KeySearch *search, Datum text)
{
	Datum		value;

	return stored_value(search->baseline, text, &value) &&
		key_equal(search->baseline->type, value, search->key->value);
}

static bool
has_sought_key(void *arg, StoredTable *table)
{
	KeySearch  *search = arg;
	bool		isnull;

	return is_sought(search, stored_field(table, search->baseline->mapping->key, &isnull));
}

/* Makes the row of previous with this key the one at hand, whatever its spelling. */
static bool
find_previous(Baseline *baseline, const SoughtKey *key)
{
	StoredTable *previous = baseline->tables[TABLE_PREVIOUS];
	KeySearch	search = {baseline, key};
	char	   *usual;

	if (stored_table_find(previous, baseline->snapshot, key->text))
		return true;
	if (!key->has_value)
		return false;
	usual = key_usual_text(baseline->type, key->value);
	if (usual != NULL && stored_table_find(previous, baseline->snapshot, CStringGetTextDatum(usual)))
		return true;
	return stored_table_find_hash(previous, baseline->snapshot, key_hash(baseline->type, key->value),
								  has_sought_key, &search);
}

/* Whether two texts are the same bytes. */
static bool
same_bytes(Datum a, Datum b)
{
	struct varlena *x = PG_DETOAST_DATUM_PACKED(a);
	struct varlena *y = PG_DETOAST_DATUM_PACKED(b);

	return VARSIZE_ANY_EXHDR(x) == VARSIZE_ANY_EXHDR(y) &&
		memcmp(VARDATA_ANY(x), VARDATA_ANY(y), VARSIZE_ANY_EXHDR(x)) == 0;
}

bool
baseline_find_stored(Baseline *baseline, const SoughtKey *key, Digest *row,
					 uint64 *contents, Datum *spelling)
{
	StoredTable *previous = baseline->tables[TABLE_PREVIOUS];
	bool		isnull;
	Datum		stored;

	if (!find_previous(baseline, key))
		return false;
	*row = stored_fields_digest(previous, baseline->epoch);
	*spelling = (Datum) 0;
	if (!key->has_value)
		return true;
	*contents = stored_contents(baseline, previous);
	stored = stored_field(previous, baseline->mapping->key, &isnull);
	if (!same_bytes(stored, key->text))
		*spelling = PointerGetDatum(PG_DETOAST_DATUM_COPY(stored));
	return true;
}

void
baseline_fetch(Baseline *baseline, BaselinePlace place, Digest *key,
			   Datum **values, bool **nulls)
{
	StoredTable *table = baseline->tables[place.table];

	stored_table_fetch(table, baseline->snapshot, &place.tid);
	*key = key_digest(baseline, table);
	stored_fields(table);
	*values = table->values;
	*nulls = table->nulls;
}

/* Prepares the two look-ups by key; $2: the other value of a pair, or another text. */
static void
prepare_lookups(Baseline *baseline)
{
	const Mapping *mapping = baseline->mapping;
	char	   *queued;

	if (is_pair_key(mapping))
		queued = psprintf("(%s) = ($1, $2) AND %s = %s", stored_key(mapping, "d."),
						  pair_hash_sql(psprintf("d.%s", quote_identifier(mapping->columns[0].stored)),
										psprintf("d.%s", quote_identifier(mapping->columns[1].stored))),
						  pair_hash_sql("$1", "$2"));
	else if (mapping->association)
		queued = psprintf("%s = $1", stored_key(mapping, "d."));
	else
		queued = psprintf("(%s IN ($1, $2) OR d.key_hash = $4)", stored_key(mapping, "d."));
	baseline->queued_by_key =
		own_prepare(psprintf("SELECT %s, d.command = 'delete' FROM %s d JOIN syncup.batch b USING (batch)"
							 " WHERE %s AND d.batch = ANY ($3) AND d.command IN ('insert', 'update', 'delete')"
							 " ORDER BY b.seq DESC",
							 stored_columns(mapping, "d."), delta_table(mapping), queued),
					4, (Oid[]) {TEXTOID, TEXTOID, UUIDARRAYOID, INT8OID});
	baseline->previous_by_key =
		own_prepare(psprintf("SELECT %s FROM %s p WHERE (%s) = (%s)",
							 stored_columns(mapping, "p."), previous_table(mapping),
							 stored_key(mapping, "p."), is_pair_key(mapping) ? "$1, $2" : "$1"),
					2, (Oid[]) {TEXTOID, TEXTOID});
}

/* Copies the stored fields of a row of the result at hand, and lets that go. */
static void
copy_fields(const Baseline *baseline, uint64 row, Datum *values, bool *nulls)
{
	for (int i = 0; i < baseline->mapping->ncolumns; i++)
	{
		values[i] = sql_datum(row, baseline->mapping->columns[i].first + 1, &nulls[i]);
		if (!nulls[i])
			values[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(values[i]));
	}
}

/* What the queue knows of a key. */
typedef enum Queued
{
	QUEUED_NOTHING,
	QUEUED_PRESENT,
	QUEUED_DELETED
} Queued;

/* Looks a key up in the deltas of the batches ahead: the newest counts. */
static Queued
lookup_queued(Baseline *baseline, const SoughtKey *key, Datum second, Datum *values, bool *nulls)
{
	KeySearch	search = {baseline, key};
	Datum		arguments[4] = {key->text, second, PointerGetDatum(batch_ids(baseline->queue)), Int64GetDatum(0)};
	Queued		result = QUEUED_NOTHING;
	uint64		count;
	SPITupleTable *table;

	if (key->has_value)
	{
		char	   *usual = key_usual_text(baseline->type, key->value);

		arguments[1] = usual ? CStringGetTextDatum(usual) : key->text;
		arguments[3] = Int64GetDatum(key_hash(baseline->type, key->value));
	}
	else if (!is_pair_key(baseline->mapping))
		arguments[1] = key->text;
	count = own_execute(baseline->queued_by_key, arguments);
	table = SPI_tuptable;
	for (uint64 row = 0; row < count && result == QUEUED_NOTHING; row++)
	{
		bool		isnull;
		Datum		stored = sql_datum(row, baseline->mapping->key + 1, &isnull);

		if (!is_pair_key(baseline->mapping) && !same_bytes(stored, key->text) &&
			!(key->has_value && is_sought(&search, stored)))
			continue;
		SPI_tuptable = table;
		result = sql_bool(row, baseline->mapping->nstored + 1) ? QUEUED_DELETED : QUEUED_PRESENT;
		copy_fields(baseline, row, values, nulls);
	}
	SPI_freetuptable(table);
	return result;
}

/* Looks a pair, or the row of a holder, up in previous. */
static bool
lookup_pair(Baseline *baseline, const SoughtKey *key, Datum second, Datum *values, bool *nulls)
{
	Datum		arguments[2] = {key->text, second};
	bool		found = own_execute(baseline->previous_by_key, arguments) > 0;

	if (found)
		copy_fields(baseline, 0, values, nulls);
	SPI_freetuptable(SPI_tuptable);
	return found;
}

bool
baseline_lookup(Baseline *baseline, const SoughtKey *key, Datum second, Datum *values, bool *nulls)
{
	StoredTable *previous = baseline->tables[TABLE_PREVIOUS];
	Queued		queued = QUEUED_NOTHING;

	if (baseline->previous_by_key == NULL)
		prepare_lookups(baseline);
	if (baseline->queue != NIL)
		queued = lookup_queued(baseline, key, second, values, nulls);
	if (queued != QUEUED_NOTHING)
		return queued == QUEUED_PRESENT;
	if (baseline->mapping->association)
		return lookup_pair(baseline, key, second, values, nulls);
	if (!find_previous(baseline, key))
		return false;
	stored_fields(previous);
	for (int i = 0; i < baseline->mapping->ncolumns; i++)
	{
		nulls[i] = previous->nulls[i];
		values[i] = nulls[i] ? (Datum) 0 : PointerGetDatum(PG_DETOAST_DATUM_COPY(previous->values[i]));
	}
	return true;
}

/*
 * SQL: whether the ends of pairs are the values $n, or have the text $n+1 that these
 * usually have; and what tells links of one pair apart is the same.
 */
static char *
same_values_sql(const Mapping *mapping, const char *pair)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0, n = 2; i < mapping->nstored; i++)
	{
		char	   *column = psprintf("%s.%s", pair, quote_identifier(mapping->columns[i].stored));

		if (i >= 2 ? mapping->columns[i].key_part == 0 : !mapping->pairs && i != mapping->key)
			continue;
		appendStringInfo(&sql, "%s", sql.len ? " AND " : "");
		if (i >= 2)
			appendStringInfo(&sql, "%s IS NOT DISTINCT FROM $%d", column, n);
		else if (is_folded(&mapping->ends[i]))
			appendStringInfo(&sql, "%s = %s", folded_hash_sql(&mapping->ends[i], column),
							 folded_hash_sql(&mapping->ends[i], psprintf("$%d", n)));
		else
			appendStringInfo(&sql, "%s IN ($%d, $%d)", column, n, n + 1);
		n += 2;
	}
	return sql.data;
}

/*
 * SQL: the rows of an association after the batches ahead, $1, as far as conditions
 * on previous, "p", and the deltas, "d", hold.
 */
static char *
links_sql(const Mapping *mapping, const char *of_previous, const char *of_delta)
{
	const char *delta = delta_table(mapping);

	return psprintf("SELECT %s FROM %s p WHERE %s AND NOT EXISTS"
					" (SELECT FROM %s d WHERE d.batch = ANY ($1) AND %s AND d.command IN ('insert', 'update', 'delete'))"
					" UNION ALL SELECT %s FROM %s d WHERE d.batch = ANY ($1) AND %s AND d.command IN ('insert', 'update') AND NOT EXISTS"
					" (SELECT FROM %s l WHERE l.batch = ANY ($1) AND %s AND l.command IN ('insert', 'update', 'delete')"
					" AND array_position($1, l.batch) > array_position($1, d.batch))",
					stored_columns(mapping, "p."), previous_table(mapping), of_previous,
					delta, same_stored_key(mapping, "d", "p"),
					stored_columns(mapping, "d."), delta, of_delta,
					delta, same_stored_key(mapping, "l", "d"));
}

bool
baseline_lookup_respelled(Baseline *baseline, Spellings *spellings,
						  const Datum *fields, const bool *field_nulls, Datum *values, bool *nulls)
{
	const Mapping *mapping = baseline->mapping;
	SqlArg	   *args = palloc(sizeof(SqlArg) * (1 + 2 * mapping->nstored));
	int			nargs = 1;
	bool		found;

	args[0] = (SqlArg) SQL_DATUM(UUIDARRAYOID, PointerGetDatum(batch_ids(baseline->queue)));
	for (int i = 0; i < mapping->nstored; i++)
	{
		char	   *value = field_nulls[i] ? NULL : TextDatumGetCString(fields[i]);

		if (i >= 2 ? mapping->columns[i].key_part == 0 : !mapping->pairs && i != mapping->key)
			continue;
		args[nargs++] = (SqlArg) SQL_TEXT(value);
		args[nargs++] = (SqlArg) SQL_TEXT(i < 2 ? spellings_shared(spellings, i, value) : value);
	}
	found = own_sql(psprintf("%s LIMIT 1", links_sql(mapping, same_values_sql(mapping, "p"), same_values_sql(mapping, "d"))),
					nargs, args) > 0;
	if (found)
		copy_fields(baseline, 0, values, nulls);
	return found;
}

/* Who is given links. */
typedef struct LinkVisit
{
	const Baseline *baseline;
	Datum	   *values;
	bool	   *nulls;
	void		(*visit) (void *arg, const Datum *values, const bool *nulls);
	void	   *arg;
} LinkVisit;

static void
visit_link(void *arg, uint64 row)
{
	LinkVisit  *to = arg;

	copy_fields(to->baseline, row, to->values, to->nulls);
	to->visit(to->arg, to->values, to->nulls);
}

void
baseline_visit_links(Baseline *baseline, void (*visit) (void *arg, const Datum *values, const bool *nulls), void *arg)
{
	int			n = baseline->mapping->ncolumns;
	LinkVisit	to = {baseline, palloc(sizeof(Datum) * n), palloc(sizeof(bool) * n), visit, arg};

	sql_for_each(own_cursor(links_sql(baseline->mapping, "true", "true"),
							SQL_ARGS(SQL_DATUM(UUIDARRAYOID, PointerGetDatum(batch_ids(baseline->queue))))),
				 visit_link, &to);
}

List *
baseline_links_of(Baseline *baseline, const char *first)
{
	const Mapping *mapping = baseline->mapping;
	const char *side = quote_identifier(mapping->columns[0].stored);
	SqlArg		args[] = {SQL_TEXT(first), SQL_DATUM(UUIDARRAYOID, PointerGetDatum(batch_ids(baseline->queue)))};
	List	   *links = NIL;
	uint64		count = own_sql(psprintf("SELECT %s FROM %s p WHERE p.%s = $1%s",
										 stored_columns(mapping, "p."), previous_table(mapping), side,
										 baseline->queue == NIL ? "" :
										 psprintf(" UNION SELECT %s FROM %s d WHERE d.batch = ANY ($2) AND d.%s = $1",
												  stored_columns(mapping, "d."), delta_table(mapping), side)),
								lengthof(args), args);

	for (uint64 row = 0; row < count; row++)
	{
		char	  **fields = palloc(sizeof(char *) * mapping->ncolumns);

		for (int i = 0; i < mapping->ncolumns; i++)
			fields[i] = sql_text(row, mapping->columns[i].first + 1);
		links = lappend(links, fields);
	}
	return links;
}
