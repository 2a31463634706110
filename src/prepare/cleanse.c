/*
 * cleanse.c
 *		One mapping's way through the rows of a file.
 *
 * In the order of SPEC 4.1: only the columns in use are looked at; rows that
 * option "where" does not want are not there; rows that cannot be read, or without a key, are set aside; of a repeated key the first
 * row stays.  What is kept is compared with the baseline at once, and only
 * rows that differ are converted, to see whether the target will take them,
 * and written to the delta.
 *
 * A row that is set aside but whose key is known counts as present: its old
 * version stays (SPEC 4.3).
 *
 * A row of an association is a pair of values, or with option "split" every
 * pair of the values in its two cells; each pair then goes the way of a row.
 */
#include "prepare/cleanse.h"

#include "catalog/pg_type.h"
#include "prepare/compare.h"
#include "csv/condition.h"
#include "format/convert.h"
#include "store/delta.h"
#include "store/digest_epoch.h"
#include "tool/guard.h"
#include "miscadmin.h"
#include "format/parts.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

/* What is known of the value of the key at hand. */
typedef enum KeyState
{
	KEY_UNASKED,
	KEY_READ,
	KEY_REFUSED					/* by its type or format */
} KeyState;

struct Cleanser
{
	const Mapping *mapping;
	const Options *options;
	bool		complete;		/* the batch looks at every row of the target */
	bool		convert_all;	/* also values that have not changed */
	Reader	   *reader;
	Quarantine *quarantine;
	DigestEpoch epoch;
	KeyType		key_type;
	Baseline   *baseline;
	Comparison *comparison;
	DeltaWriter *delta;
	PrepareCounter counter;

	Where	   *where;			/* NULL: every row counts */
	int			mark;			/* the stored column that names what was kept; -1: none */
	bool	   *kept;			/* per stored column: its cell leaves what is there */
	int		   *columns;		/* of the file, per stored column */
	Converter  *converters;		/* per stored column, where it has a target */
	int			at;				/* the stored column being converted */
	const char **fields;		/* of the row at hand */
	size_t	   *lengths;
	bool		key_made;		/* of several columns: its text is there */
	KeyState	key_state;		/* what is known of the value of its key */
	Datum		key_value;
	char	   *key_error;		/* why it is none */
	int			key_column;		/* and whose value it is that is refused */
	bool		looked_up;		/* the key was looked for in previous, where it has the */
	Datum		spelling;		/* text that it has there, if that is another one */
	RowBytes	bytes;
	RowBytes	value_bytes;	/* of the values converted last */
	MemoryContext row_context;

	Tuplesortstate *sort;		/* of digests, while conflicts are looked for */
	Digest	   *conflicts;		/* keys given twice with different contents */
	int			nconflicts;
};

/* ---------- digests ---------- */

static Digest
row_digest(Cleanser *cleanser)
{
	row_bytes_reset(&cleanser->bytes);
	for (int i = 0; i < cleanser->mapping->ncolumns; i++)
		if (!is_made_column(cleanser->mapping, i))
			row_bytes_add(&cleanser->bytes, cleanser->fields[i], cleanser->lengths[i]);
	return row_bytes_digest(&cleanser->bytes, &cleanser->epoch.key);
}

/* Makes a value of the key at hand. */
static void
read_key(void *arg)
{
	Cleanser   *cleanser = arg;
	const Mapping *mapping = cleanser->mapping;
	Datum	   *values = palloc(sizeof(Datum) * mapping->nparts);

	for (int p = 0; p < mapping->nparts; p++)
	{
		int			i = cleanser->at = mapping->parts[p];

		reader_at_column(cleanser->reader, cleanser->columns[i]);
		values[p] = key_part_value(&cleanser->key_type, p, pnstrdup(cleanser->fields[i], cleanser->lengths[i]));
	}
	cleanser->key_value = key_of_parts(&cleanser->key_type, values);
	reader_at_column(cleanser->reader, -1);
}

/* Whether the key at hand is a value of the target's column; if not, it cannot be read. */
static bool
is_key_readable(Cleanser *cleanser)
{
	ErrorData  *error = NULL;

	if (cleanser->key_state != KEY_UNASKED)
		return cleanser->key_state == KEY_READ;
	if (cleanser->options->on_error == ON_ERROR_STOP)
		read_key(cleanser);
	else
		error = guarded_values(read_key, cleanser);
	cleanser->key_state = error == NULL ? KEY_READ : KEY_REFUSED;
	cleanser->key_error = error == NULL ? NULL : error->message;
	cleanser->key_column = cleanser->at;
	return error == NULL;
}

/* Nothing is known any more: another key is at hand. */
static void
begin_key(Cleanser *cleanser)
{
	cleanser->key_state = KEY_UNASKED;
	cleanser->key_made = false;
	cleanser->looked_up = false;
	cleanser->spelling = (Datum) 0;
}

/* Makes the text of a key of several columns: of most rows nobody asks for it. */
static void
need_key(Cleanser *cleanser)
{
	if (!cleanser->key_made)
		make_key(cleanser->mapping, cleanser->fields, cleanser->lengths);
	cleanser->key_made = true;
}

/* Of pairs the whole row is the key. */
static Digest
key_digest(Cleanser *cleanser)
{
	int			key = cleanser->mapping->key;

	if (is_pair_key(cleanser->mapping))
		return row_digest(cleanser);
	if (!cleanser->key_type.bytewise && is_key_readable(cleanser))
		return key_identity(&cleanser->key_type, &cleanser->epoch.key, cleanser->key_value);
	need_key(cleanser);
	return digest_bytes(&cleanser->epoch.key,
						cleanser->fields[key], cleanser->lengths[key]);
}

/* Of all fields but the key. */
static uint64
contents_at_hand(void *arg)
{
	Cleanser   *cleanser = arg;

	row_bytes_reset(&cleanser->bytes);
	for (int i = 0; i < cleanser->mapping->nstored; i++)
		if (!is_key_column(cleanser->mapping, i))
			row_bytes_add(&cleanser->bytes, cleanser->fields[i], cleanser->lengths[i]);
	return contents_digest(&cleanser->bytes, &cleanser->epoch.key);
}

/* The key at hand, to be looked for. */
static SoughtKey
sought_key(Cleanser *cleanser)
{
	int			key = cleanser->mapping->key;
	SoughtKey	sought = {.has_value = !cleanser->key_type.bytewise && is_key_readable(cleanser)};

	need_key(cleanser);
	sought.text = PointerGetDatum(cstring_to_text_with_len(cleanser->fields[key], cleanser->lengths[key]));
	sought.value = cleanser->key_value;
	return sought;
}

/* The same for the comparison. */
static Digest
key_at_hand(void *arg)
{
	return key_digest(arg);
}

/* The digest of the row of previous that has the key at hand; of pairs it is known. */
static bool
stored_at_hand(void *arg, Digest *row, uint64 *contents)
{
	Cleanser   *cleanser = arg;
	SoughtKey	sought;

	if (is_pair_key(cleanser->mapping))
	{
		*row = row_digest(cleanser);
		return true;
	}
	sought = sought_key(cleanser);
	cleanser->looked_up = true;
	return baseline_find_stored(cleanser->baseline, &sought, row, contents, &cleanser->spelling);
}

/* ---------- open and close ---------- */

Cleanser *
cleanser_open(const Mapping *mapping, const Options *options, bool complete,
			  bool convert_all, Reader *reader, const pg_uuid_t *batch, List *queue,
			  Quarantine *quarantine, Size budget)
{
	Cleanser   *cleanser = palloc0(sizeof(Cleanser));
	RowAtHand	row = {cleanser, key_at_hand, NULL, stored_at_hand};
	int			n = mapping->ncolumns;

	cleanser->mapping = mapping;
	cleanser->options = options;
	cleanser->complete = complete;
	cleanser->convert_all = convert_all;
	cleanser->reader = reader;
	cleanser->quarantine = quarantine;
	cleanser->columns = palloc(sizeof(int) * n);
	cleanser->converters = palloc0(sizeof(Converter) * n);
	cleanser->fields = palloc(sizeof(char *) * n);
	cleanser->lengths = palloc(sizeof(size_t) * n);
	for (int i = 0; i < n; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		cleanser->columns[i] = !is_source_column(mapping, i) ? -1 :
			reader_find_column(reader, column->source, column->optional != OPTIONAL_NO);
		if (column->target != NULL)
			converter_init(&cleanser->converters[i], column->type, column->typmod,
						   column->format);
	}
	cleanser->where = reader_where(reader, options);
	cleanser->mark = mark_column(mapping);
	cleanser->kept = palloc(sizeof(bool) * n);
	row_bytes_init(&cleanser->bytes);
	row_bytes_init(&cleanser->value_bytes);
	cleanser->row_context = AllocSetContextCreate(CurrentMemoryContext, "syncup cleanse row",
												  ALLOCSET_DEFAULT_SIZES);
	digest_epoch_load(&cleanser->epoch, mapping);
	key_type_init(&cleanser->key_type, mapping);
	if (!cleanser->key_type.bytewise)
		row.contents = contents_at_hand;
	cleanser->baseline = baseline_open(mapping, &cleanser->key_type, &cleanser->epoch, queue);
	cleanser->comparison = comparison_begin(budget, row);
	cleanser->delta = delta_open(mapping, batch, &cleanser->epoch);
	return cleanser;
}

void
cleanser_close(Cleanser *cleanser)
{
	delta_close(cleanser->delta);
	comparison_end(cleanser->comparison);
	baseline_close(cleanser->baseline);
	MemoryContextDelete(cleanser->row_context);
}

const Mapping *
cleanser_mapping(const Cleanser *cleanser)
{
	return cleanser->mapping;
}

const PrepareCounter *
cleanser_counter(const Cleanser *cleanser)
{
	return &cleanser->counter;
}

/* ---------- the row at hand ---------- */

/* Looks up the fields of the mapping's columns. */
static void
take_fields(Cleanser *cleanser)
{
	for (int i = 0; i < cleanser->mapping->ncolumns; i++)
		if (cleanser->columns[i] >= 0)
			cleanser->fields[i] = reader_field(cleanser->reader, cleanser->columns[i],
											   &cleanser->lengths[i]);
		else if (is_source_column(cleanser->mapping, i))
		{
			cleanser->fields[i] = NULL;
			cleanser->lengths[i] = 0;
		}
}

/* Takes the names of the columns that are kept as a field. */
static void
take_mark(Cleanser *cleanser)
{
	cleanser->fields[cleanser->mark] = write_mark(cleanser->mapping, cleanser->kept);
	cleanser->lengths[cleanser->mark] = cleanser->fields[cleanser->mark] ? strlen(cleanser->fields[cleanser->mark]) : 0;
}

/* Finds the cells of the row at hand that leave what is there; whether there are any. */
static bool
find_kept(Cleanser *cleanser)
{
	bool		any = false;

	for (int i = 0; i < cleanser->mapping->nstored; i++)
	{
		const MappingColumn *column = &cleanser->mapping->columns[i];

		cleanser->kept[i] = cleanser->fields[i] == NULL &&
			(cleanser->columns[i] < 0 ? column->optional == OPTIONAL_KEEP :
			 column->keeps && !reader_is_marked_null(cleanser->reader, cleanser->columns[i]));
		any |= cleanser->kept[i];
	}
	take_mark(cleanser);
	return any;
}

/*
 * Puts what the baseline has in the place of cells that leave what is there.  Where
 * it has the row as it is there is nothing to look up.  What a file says that lacks
 * the column is nothing: it also stays whether the value was given or kept.
 */
static void
keep_values(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->mapping;
	Digest		digest;
	SoughtKey	sought;
	Datum	   *values;
	bool	   *nulls;
	bool	   *kept;

	if (cleanser->mark < 0 || !find_kept(cleanser))
		return;
	digest = row_digest(cleanser);
	if (comparison_knows(cleanser->comparison, &digest))
		return;
	digest = key_digest(cleanser);
	if (cleanser->key_state == KEY_REFUSED || !comparison_is_ours(cleanser->comparison, &digest))
		return;
	sought = sought_key(cleanser);
	values = palloc(sizeof(Datum) * mapping->ncolumns);
	nulls = palloc(sizeof(bool) * mapping->ncolumns);
	kept = palloc(sizeof(bool) * mapping->nstored);
	if (!baseline_lookup(cleanser->baseline, &sought, (Datum) 0, values, nulls))
		return;
	read_mark(mapping, values[cleanser->mark], nulls[cleanser->mark], kept);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		int			first = mapping->columns[i].first;

		if (!cleanser->kept[first] || nulls[first])
			continue;
		cleanser->fields[i] = VARDATA_ANY(DatumGetPointer(values[first]));
		cleanser->lengths[i] = VARSIZE_ANY_EXHDR(DatumGetPointer(values[first]));
	}
	for (int i = 0; i < mapping->nstored; i++)
		if (cleanser->columns[i] < 0 && mapping->columns[i].optional == OPTIONAL_KEEP)
			cleanser->kept[i] = kept[i];
	take_mark(cleanser);
}

/* Whether the key of the row at hand is empty. */
static inline bool
is_key_empty(const Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->mapping;

	for (int p = 0; p < mapping->nparts; p++)
		if (cleanser->fields[mapping->parts[p]] == NULL || cleanser->lengths[mapping->parts[p]] == 0)
			return true;
	return false;
}

/*
 * The place of a row in the file: its line, and the number of the pair among
 * those of its cells.
 */
#define PAIR_BITS		24
#define place_line(p)	((p) >> PAIR_BITS)

static int64
row_place(const Cleanser *cleanser, int64 pair)
{
	return (reader_line(cleanser->reader) << PAIR_BITS) + pair;
}

/*
 * Takes each pair of the values in the two cells at hand; returns how many
 * there are.
 */
static int64
take_pairs(Cleanser *cleanser, void (*take) (Cleanser *cleanser, int64 place))
{
	const char *separator = cleanser->options->split;
	const char *cells[] = {cleanser->fields[0], cleanser->fields[1]};
	size_t		lengths[] = {cleanser->lengths[0], cleanser->lengths[1]};
	Parts		first;
	Parts		second;
	int64		count = 0;

	parts_begin(&first, separator, cells[0], lengths[0]);
	while (parts_next(&first, &cleanser->fields[0], &cleanser->lengths[0]))
	{
		const char *value = cleanser->fields[0];
		size_t		length = cleanser->lengths[0];

		parts_begin(&second, separator, cells[1], lengths[1]);
		while (parts_next(&second, &cleanser->fields[1], &cleanser->lengths[1]))
		{
			CHECK_FOR_INTERRUPTS();
			if (count == (INT64CONST(1) << PAIR_BITS))
				ereport(ERROR,
						(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						 errmsg("a row holds more than %lld pairs", (long long) count),
						 errhint("Have the export write a row for each pair.")));
			cleanser->key_made = false;
			take(cleanser, row_place(cleanser, count++));
			cleanser->fields[0] = value;
			cleanser->lengths[0] = length;
		}
	}
	return count;
}

/* Sets the row at hand aside.  key: its key, or NULL. */
static void
set_aside(Cleanser *cleanser, int64 *count, const char *reason,
		  const char *key, const char *message)
{
	cleanser->counter.rows_read++;
	cleanser->counter.set_aside++;
	(*count)++;
	quarantine_row(cleanser->quarantine, cleanser->mapping, cleanser->reader,
				   reason, key, message);
	quarantine_check_limit(cleanser->options, &cleanser->counter, message);
}

/* The key of the row at hand as a string. */
static char *
key_text(Cleanser *cleanser)
{
	int			key = cleanser->mapping->key;

	if (cleanser->mapping->pairs)
		return psprintf("%.*s -> %.*s", (int) cleanser->lengths[0], cleanser->fields[0],
						(int) cleanser->lengths[1], cleanser->fields[1]);
	need_key(cleanser);
	return pnstrdup(cleanser->fields[key], cleanser->lengths[key]);
}

/* ---------- rows that cannot be used ---------- */

/* Whether the key at hand, of a pair both values, fits into the indexes. */
static bool
is_key_short(Cleanser *cleanser)
{
	need_key(cleanser);
	for (int i = 0; i < cleanser->mapping->ncolumns; i++)
		if (is_key_column(cleanser->mapping, i) &&
			!is_indexed_length(cleanser->mapping, i, cleanser->lengths[i]))
			return false;
	return true;
}

/* Makes values of what tells links of one pair apart. */
static void
try_link_key(void *arg)
{
	Cleanser   *cleanser = arg;

	for (int i = 2; i < cleanser->mapping->ncolumns; i++)
	{
		bool		isnull;

		if (cleanser->mapping->columns[i].key_part > 0)
			(void) convert_field(&cleanser->converters[i], cleanser->fields[i], cleanser->lengths[i], &isnull);
	}
}

/* Whether the key of a row that is set aside is one: of links what tells them apart. */
static bool
is_kept_key_readable(Cleanser *cleanser)
{
	if (!cleanser->mapping->association)
		return is_key_readable(cleanser);
	return !is_key_made(cleanser->mapping) || guarded_values(try_link_key, cleanser) == NULL;
}

/* Notes in the delta of a complete run that the source has a row of this key. */
static void
write_kept_key(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->mapping;

	if (!cleanser->complete)
		return;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (!is_key_column(mapping, i))
			cleanser->fields[i] = NULL;
	if (is_key_short(cleanser) && is_kept_key_readable(cleanser))
		delta_write(cleanser->delta, COMMAND_KEEP, cleanser->fields, cleanser->lengths, NULL);
}

/*
 * Counts a key as present though its row was set aside.  Where the baseline
 * does not know it, a complete run could still find it in the target, and must
 * not delete it: that is noted in the delta.
 */
static void
keep_key(Cleanser *cleanser, int64 place)
{
	if (!is_key_short(cleanser))
		cleanser->counter.deletions_suspended = true;
	if (comparison_mark_present(cleanser->comparison, place))
		write_kept_key(cleanser);
}

/* Takes what is certain of the key of a row with a fault; whether that is all. */
static bool
take_certain_key(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->mapping;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		cleanser->fields[i] = NULL;
		if (!is_key_column(mapping, i) || is_made_column(mapping, i))
			continue;
		cleanser->fields[i] = reader_certain_field(cleanser->reader, cleanser->columns[i],
												   &cleanser->lengths[i]);
		if (cleanser->fields[i] == NULL || cleanser->lengths[i] == 0)
			return false;
	}
	return true;
}

/* Sets aside a row that nothing more is known of than its key, if that is certain. */
static void
take_unusable(Cleanser *cleanser, const char *reason, bool certain, const char *message)
{
	char	   *key = certain ? key_text(cleanser) : NULL;

	if (!certain || !is_kept_key_readable(cleanser))
		cleanser->counter.deletions_suspended = true;
	else if (cleanser->mapping->association)
		(void) take_pairs(cleanser, keep_key);
	else
		keep_key(cleanser, row_place(cleanser, 0));
	if (comparison_is_first_pass(cleanser->comparison))
		set_aside(cleanser, &cleanser->counter.rejected, reason, key, message);
}

/* Takes a row that is malformed or holds invalid bytes. */
static void
take_faulty(Cleanser *cleanser)
{
	begin_key(cleanser);
	take_unusable(cleanser, reader_fault(cleanser->reader) == ROW_ENCODING ? "encoding" : "malformed",
				  take_certain_key(cleanser), reader_fault_message(cleanser->reader));
}

/* Whether option "where" wants the row at hand; if that cannot be told, why. */
static bool
is_wanted(Cleanser *cleanser, char **why)
{
	*why = NULL;
	return cleanser->where == NULL ||
		reader_where_holds(cleanser->reader, cleanser->where,
						   cleanser->options->on_error == ON_ERROR_STOP ? NULL : why);
}

/* Whether the key was found to be given twice with different contents. */
static bool
is_conflict(const Cleanser *cleanser, Digest key)
{
	int			low = 0;
	int			high = cleanser->nconflicts;

	while (low < high)
	{
		int			middle = (low + high) / 2;
		int			order = memcmp(&cleanser->conflicts[middle], &key, sizeof(Digest));

		if (order == 0)
			return true;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

/* ---------- rows that differ ---------- */

/* Converts every mapped value of the row at hand, to see that it can be. */
static void
try_conversions(void *arg)
{
	Cleanser   *cleanser = arg;

	row_bytes_reset(&cleanser->value_bytes);
	for (int i = 0; i < cleanser->mapping->ncolumns; i++)
	{
		Converter  *converter = &cleanser->converters[i];
		Datum		value;
		bool		isnull;

		cleanser->at = i;
		reader_at_column(cleanser->reader, cleanser->columns[i]);
		if (cleanser->fields[i] != NULL)
			check_indexed_length(cleanser->mapping, i, cleanser->lengths[i]);
		if (cleanser->mapping->columns[i].target == NULL)
			continue;
		value = convert_field(converter, cleanser->fields[i], cleanser->lengths[i], &isnull);
		if (is_compared(&cleanser->mapping->columns[i]))
			converter_add_bytes(converter, &cleanser->value_bytes, value, isnull);
		if (isnull && cleanser->mapping->columns[i].key_part > 0 && !cleanser->mapping->association)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("key is null in its format")));
	}
	reader_at_column(cleanser->reader, -1);
}

/*
 * Sets the row at hand aside for the value of a column.  Where that is the key,
 * nobody knows which row it speaks of (SPEC 4.3).
 */
static void
set_aside_value(Cleanser *cleanser, int column, const char *message)
{
	if (is_key_column(cleanser->mapping, column))
		cleanser->counter.deletions_suspended = true;
	set_aside(cleanser, &cleanser->counter.rejected, "conversion", key_text(cleanser),
			  psprintf("column \"%s\": %s", cleanser->mapping->columns[column].source, message));
}

/* Whether the target will take the row's values; if not, it is set aside. */
static bool
values_are_good(Cleanser *cleanser)
{
	ErrorData  *error = NULL;

	/* Ends of links are never converted: only keys that they lead to. */
	if (cleanser->mapping->association && !is_key_made(cleanser->mapping) &&
		is_indexed_length(cleanser->mapping, 0, cleanser->lengths[0]) &&
		is_indexed_length(cleanser->mapping, 1, cleanser->lengths[1]))
		return true;
	need_key(cleanser);
	if (cleanser->options->on_error == ON_ERROR_STOP)
		try_conversions(cleanser);
	else
		error = guarded_values(try_conversions, cleanser);
	if (error != NULL)
		set_aside_value(cleanser, cleanser->at, error->message);
	return error == NULL;
}

/*
 * Takes a row that the baseline has.  Its values were tried when they came; but
 * if the mapping has changed since, they may not fit any more, and then all
 * that is known of the target's row is that it must stay.
 */
static void
take_unchanged(Cleanser *cleanser)
{
	if (cleanser->convert_all && !values_are_good(cleanser))
	{
		/* Previous forgets what is not cleansed any more; the target keeps it. */
		delta_write(cleanser->delta, COMMAND_DELETE, cleanser->fields, cleanser->lengths, NULL);
		cleanser->counter.delta_deleted++;
		write_kept_key(cleanser);
		return;
	}
	cleanser->counter.rows_read++;
	cleanser->counter.rows_kept++;
}

/* Says what previous has to know of the spelling of the key of the row to be written. */
static void
write_spelling(Cleanser *cleanser, Verdict verdict)
{
	SoughtKey	sought;
	int64		hash;

	if (cleanser->key_type.bytewise)
		return;
	sought = sought_key(cleanser);
	if (verdict == ROW_CHANGED && !cleanser->looked_up)
	{
		int			n = cleanser->mapping->ncolumns;
		Datum	   *values = palloc(sizeof(Datum) * n);
		bool	   *nulls = palloc(sizeof(bool) * n);
		int			key = cleanser->mapping->key;

		/* A batch ahead has given the row its key. */
		if (baseline_lookup(cleanser->baseline, &sought, (Datum) 0, values, nulls) &&
			!datumIsEqual(values[key], sought.text, false, -1))
			cleanser->spelling = values[key];
	}
	delta_key_spelling(cleanser->delta, cleanser->spelling,
					   baseline_key_hash(cleanser->baseline, sought.text, &hash) ? &hash : NULL);
}

/* Takes a row that is new or differs from the baseline. */
static void
take_difference(Cleanser *cleanser, Verdict verdict)
{
	PrepareCounter *counter = &cleanser->counter;
	Digest		values;

	if (!values_are_good(cleanser))
	{
		if (verdict == ROW_NEW)
			write_kept_key(cleanser);
		return;
	}
	counter->rows_read++;
	counter->rows_kept++;
	values = row_bytes_digest(&cleanser->value_bytes, &cleanser->epoch.key);
	if (verdict == ROW_NEW)
		counter->delta_inserted++;
	else
		counter->delta_updated++;
	write_spelling(cleanser, verdict);
	delta_write(cleanser->delta, verdict == ROW_NEW ? COMMAND_INSERT : COMMAND_UPDATE,
				cleanser->fields, cleanser->lengths, &values);
}

/*
 * Takes a row whose key was seen before in this file.  Where it says the same
 * it is only counted.
 */
static void
take_repeated(Cleanser *cleanser, Verdict verdict, int64 other_line)
{
	const Mapping *mapping = cleanser->mapping;
	const char *reason = "duplicate";
	const char *format = "key was already given on line %lld";

	if (mapping->pairs)
		format = "link was already given on line %lld";
	else if (mapping->association)
	{
		reason = "conflict";
		format = "another value was already given for it on line %lld";
	}
	if (verdict == ROW_REPEATED)
	{
		cleanser->counter.rows_read++;
		cleanser->counter.duplicates++;
		return;
	}
	set_aside(cleanser, &cleanser->counter.duplicates, reason, key_text(cleanser),
			  psprintf(format, (long long) other_line));
}

/* Takes the fields at hand, which have a key, as a row. */
static void
take_record(Cleanser *cleanser, int64 place)
{
	PrepareCounter *counter = &cleanser->counter;
	Digest		row;
	Verdict		verdict;
	bool		done;
	int64		other_line;

	begin_key(cleanser);
	if (cleanser->nconflicts > 0 && is_conflict(cleanser, key_digest(cleanser)) &&
		cleanser->key_state != KEY_REFUSED)
	{
		if (comparison_is_first_pass(cleanser->comparison))
			set_aside(cleanser, &counter->duplicates,
					  cleanser->mapping->association && !cleanser->mapping->pairs ? "conflict" : "duplicate", key_text(cleanser),
					  "key is given more than once, with different contents");
		keep_key(cleanser, place);
		return;
	}

	keep_values(cleanser);
	row = row_digest(cleanser);
	verdict = comparison_take(cleanser->comparison, &row, place, place_line(place),
							  &done, &other_line);
	if (verdict == ROW_ELSEWHERE || done)
		return;
	if (cleanser->key_state == KEY_REFUSED)
	{
		set_aside_value(cleanser, cleanser->key_column, cleanser->key_error);
		return;
	}
	switch (verdict)
	{
		case ROW_REPEATED:
		case ROW_CONTRADICTED:
			take_repeated(cleanser, verdict, other_line);
			break;
		case ROW_UNCHANGED:
			take_unchanged(cleanser);
			break;
		case ROW_CHANGED:
		case ROW_NEW:
			take_difference(cleanser, verdict);
			break;
		case ROW_ELSEWHERE:
			break;
	}
}

/* Whether both cells of an association's row hold something. */
static bool
is_link(const Cleanser *cleanser)
{
	return cleanser->fields[0] != NULL && cleanser->lengths[0] > 0 &&
		cleanser->fields[1] != NULL && cleanser->lengths[1] > 0;
}

/* Takes a row of an association: without a value on either side it is no link. */
static void
take_link(Cleanser *cleanser)
{
	if (is_link(cleanser) && take_pairs(cleanser, take_record) > 0)
		return;
	if (comparison_is_first_pass(cleanser->comparison))
	{
		cleanser->counter.rows_read++;
		cleanser->counter.empty_links++;
	}
}

/* Takes a row that does not count; why: that could not be told, for this reason. */
static void
take_unwanted(Cleanser *cleanser, const char *why)
{
	bool		first = comparison_is_first_pass(cleanser->comparison);

	if (why == NULL)
	{
		cleanser->counter.rows_read += first;
		cleanser->counter.filtered += first;
		return;
	}
	begin_key(cleanser);
	take_fields(cleanser);
	if (cleanser->mapping->association ? is_link(cleanser) : !is_key_empty(cleanser))
		take_unusable(cleanser, "conversion", true, why);
	else if (first)
		set_aside(cleanser, &cleanser->counter.rejected, "conversion", NULL, why);
}

/* Takes a row, in memory that is forgotten with it. */
static void
take_row(Cleanser *cleanser)
{
	char	   *why;

	if (reader_fault(cleanser->reader) != ROW_OK)
	{
		take_faulty(cleanser);
		return;
	}
	if (!is_wanted(cleanser, &why))
	{
		take_unwanted(cleanser, why);
		return;
	}
	take_fields(cleanser);
	if (cleanser->mapping->association)
		take_link(cleanser);
	else if (!is_key_empty(cleanser))
		take_record(cleanser, row_place(cleanser, 0));
	else if (comparison_is_first_pass(cleanser->comparison))
		set_aside(cleanser, &cleanser->counter.null_keys, "null key", NULL,
				  empty_key_message(cleanser->mapping, cleanser->fields, cleanser->lengths));
}

void
cleanser_take(Cleanser *cleanser)
{
	MemoryContext before = MemoryContextSwitchTo(cleanser->row_context);

	take_row(cleanser);
	MemoryContextSwitchTo(before);
	MemoryContextReset(cleanser->row_context);
}

/* ---------- keys given twice with different contents ---------- */

/* Sends the digests of key and row of the fields at hand to the sort. */
static void
sort_digests(Cleanser *cleanser, int64 place)
{
	char		image[VARHDRSZ + 2 * sizeof(Digest)];
	Digest		pair[2];

	SET_VARSIZE(image, sizeof(image));
	begin_key(cleanser);
	pair[0] = key_digest(cleanser);
	if (cleanser->key_type.bytewise)
		pair[1] = row_digest(cleanser);
	else
		pair[1] = (Digest) {contents_at_hand(cleanser), 0};
	memcpy(image + VARHDRSZ, pair, sizeof(pair));
	tuplesort_putdatum(cleanser->sort, PointerGetDatum(image), false);
}

/* Takes a row into the sort, if it can be used. */
static void
take_for_conflicts(Cleanser *cleanser)
{
	char	   *why;

	if (reader_fault(cleanser->reader) != ROW_OK || !is_wanted(cleanser, &why))
		return;
	take_fields(cleanser);
	if (cleanser->mark >= 0)
		(void) find_kept(cleanser);
	if (!cleanser->mapping->association)
	{
		if (!is_key_empty(cleanser))
			sort_digests(cleanser, 0);
	}
	else if (is_link(cleanser))
		(void) take_pairs(cleanser, sort_digests);
}

/*
 * Finds, in a reading of its own, the keys that option "duplicates": "reject"
 * sets aside: a row may only be kept once no other one contradicts it.  The
 * digests are sorted, on disk where they do not fit in memory.
 */
static void
find_conflicts(Cleanser *cleanser)
{
	TypeCacheEntry *byteas = lookup_type_cache(BYTEAOID, TYPECACHE_LT_OPR);
	Tuplesortstate *sort = tuplesort_begin_datum(BYTEAOID, byteas->lt_opr, InvalidOid,
												 false, maintenance_work_mem / 2, NULL,
												 TUPLESORT_NONE);
	MemoryContext before = CurrentMemoryContext;
	Digest		last[2] = {{0}};
	int			capacity = 0;
	Datum		value;
	bool		isnull;

	cleanser->sort = sort;
	while (reader_next(cleanser->reader))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cleanser->row_context);
		take_for_conflicts(cleanser);
		MemoryContextSwitchTo(before);
		MemoryContextReset(cleanser->row_context);
	}
	tuplesort_performsort(sort);
	while (sorted_datum(sort, &value, &isnull))
	{
		Digest		pair[2];

		memcpy(pair, VARDATA_ANY(DatumGetPointer(value)), sizeof(pair));
		pfree(DatumGetPointer(value));
		if (digest_equal(&pair[0], &last[0]) && !digest_equal(&pair[1], &last[1]) &&
			(cleanser->nconflicts == 0 ||
			 !digest_equal(&cleanser->conflicts[cleanser->nconflicts - 1], &pair[0])))
		{
			if (cleanser->nconflicts == capacity)
			{
				capacity = capacity ? capacity * 2 : 64;
				cleanser->conflicts = cleanser->conflicts ?
					repalloc_huge(cleanser->conflicts, sizeof(Digest) * capacity) :
					palloc(sizeof(Digest) * capacity);
			}
			cleanser->conflicts[cleanser->nconflicts++] = pair[0];
		}
		memcpy(last, pair, sizeof(pair));
	}
	tuplesort_end(sort);
	reader_rewind(cleanser->reader);
}

/* ---------- passes ---------- */

bool
cleanser_begin_pass(Cleanser *cleanser)
{
	if (!comparison_next_pass(cleanser->comparison))
		return false;
	if (comparison_is_first_pass(cleanser->comparison) &&
		cleanser->options->duplicates == DUPLICATES_REJECT)
		find_conflicts(cleanser);
	baseline_load(cleanser->baseline, cleanser->comparison);
	return true;
}

/* Writes a row of the baseline that the file does not have as deleted. */
static void
take_missing(void *arg, BaselinePlace place)
{
	Cleanser   *cleanser = arg;
	Digest		key;
	Datum	   *values;
	bool	   *nulls;
	int64		hash;

	CHECK_FOR_INTERRUPTS();
	baseline_fetch(cleanser->baseline, place, &key, &values, &nulls);
	if (!comparison_is_ours(cleanser->comparison, &key))
		return;
	if (baseline_key_hash(cleanser->baseline, values[cleanser->mapping->key], &hash))
		delta_key_spelling(cleanser->delta, (Datum) 0, &hash);
	delta_write_stored(cleanser->delta, COMMAND_DELETE, values, nulls, NULL);
	cleanser->counter.delta_deleted++;
}

void
cleanser_end_pass(Cleanser *cleanser)
{
	if (!cleanser->counter.deletions_suspended)
		comparison_visit_missing(cleanser->comparison, take_missing, cleanser);
}
