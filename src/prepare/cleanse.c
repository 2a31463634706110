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

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "prepare/compare.h"
#include "prepare/record.h"
#include "csv/condition.h"
#include "format/convert.h"
#include "store/spelling.h"
#include "target/renames.h"
#include "tool/guard.h"
#include "tool/rows.h"
#include "tool/sql.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datum.h"
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
	Record		record;
	const pg_uuid_t *batch;
	bool		complete;		/* the batch looks at every row of the target */
	bool		convert_all;	/* also values that have not changed */
	Comparison *comparison;

	Where	   *where;			/* NULL: every row counts */
	bool		may_respell;	/* links may be named in several spellings */
	int			known_by;		/* the stored column by which a row with a new key is known; -1: none */
	bool		key_made;		/* of several columns: its text is there */
	KeyState	key_state;		/* what is known of the value of its key */
	Datum		key_value;
	char	   *key_error;		/* why it is none */
	int			key_column;		/* and whose value it is that is refused */
	bool		is_former_lost;	/* which row it was under a former key cannot be read */
	bool		looked_up;		/* the key was looked for in previous, where it has the */
	Datum		spelling;		/* text that it has there, if that is another one */
	RowBytes	bytes;

	Tuplesortstate *sort;		/* of digests, while conflicts are looked for */
	Digest	   *conflicts;		/* keys given twice with different contents */
	int			nconflicts;
};

/* ---------- digests ---------- */

static Digest
row_digest(Cleanser *cleanser)
{
	row_bytes_reset(&cleanser->bytes);
	for (int i = 0; i < cleanser->record.mapping->ncolumns; i++)
		if (!is_made_column(cleanser->record.mapping, i))
			row_bytes_add(&cleanser->bytes, cleanser->record.fields[i], cleanser->record.lengths[i]);
	return row_bytes_digest(&cleanser->bytes, &cleanser->record.epoch.key);
}

/* Makes a value of the key at hand. */
static void
read_key(void *arg)
{
	Cleanser   *cleanser = arg;

	cleanser->key_value = record_key_value(&cleanser->record);
}

/* Whether the key at hand is a value of the target's column; if not, it cannot be read. */
static bool
is_key_readable(Cleanser *cleanser)
{
	ErrorData  *error = NULL;

	if (cleanser->key_state != KEY_UNASKED)
		return cleanser->key_state == KEY_READ;
	if (cleanser->record.options->on_error == ON_ERROR_STOP)
		read_key(cleanser);
	else
		error = guarded_values(read_key, cleanser);
	cleanser->key_state = error == NULL ? KEY_READ : KEY_REFUSED;
	cleanser->key_error = error == NULL ? NULL : error->message;
	cleanser->key_column = cleanser->record.at;
	return error == NULL;
}

/* Nothing is known any more: another key is at hand. */
static void
begin_key(Cleanser *cleanser)
{
	cleanser->key_state = KEY_UNASKED;
	cleanser->key_made = false;
	cleanser->is_former_lost = false;
	cleanser->looked_up = false;
	cleanser->spelling = (Datum) 0;
}

/* Makes the text of a key of several columns: of most rows nobody asks for it. */
static void
need_key(Cleanser *cleanser)
{
	if (!cleanser->key_made)
		make_key(cleanser->record.mapping, cleanser->record.fields, cleanser->record.lengths);
	cleanser->key_made = true;
}

/* Of pairs the whole row is the key. */
static Digest
key_digest(Cleanser *cleanser)
{
	int			key = cleanser->record.mapping->key;

	if (is_pair_key(cleanser->record.mapping))
		return row_digest(cleanser);
	if (!cleanser->record.key_type.bytewise && is_key_readable(cleanser))
		return key_identity(&cleanser->record.key_type, &cleanser->record.epoch.key, cleanser->key_value);
	need_key(cleanser);
	return digest_bytes(&cleanser->record.epoch.key,
						cleanser->record.fields[key], cleanser->record.lengths[key]);
}

/* Of all fields but the key. */
static uint64
contents_at_hand(void *arg)
{
	Cleanser   *cleanser = arg;

	row_bytes_reset(&cleanser->bytes);
	for (int i = 0; i < cleanser->record.mapping->nstored; i++)
		if (!is_key_column(cleanser->record.mapping, i))
			row_bytes_add(&cleanser->bytes, cleanser->record.fields[i], cleanser->record.lengths[i]);
	return contents_digest(&cleanser->bytes, &cleanser->record.epoch.key);
}

/* The key at hand, to be looked for. */
static SoughtKey
sought_key(Cleanser *cleanser)
{
	int			key = cleanser->record.mapping->key;
	SoughtKey	sought = {.has_value = !cleanser->record.key_type.bytewise && is_key_readable(cleanser)};

	need_key(cleanser);
	sought.text = PointerGetDatum(cstring_to_text_with_len(cleanser->record.fields[key], cleanser->record.lengths[key]));
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

	if (is_pair_key(cleanser->record.mapping))
	{
		*row = row_digest(cleanser);
		return true;
	}
	sought = sought_key(cleanser);
	cleanser->looked_up = true;
	return baseline_find_stored(cleanser->record.baseline, &sought, row, contents, &cleanser->spelling);
}

/* ---------- open and close ---------- */

Cleanser *
cleanser_open(const Mapping *mapping, const Options *options, bool complete,
			  bool convert_all, Reader *reader, const pg_uuid_t *batch, List *queue,
			  Quarantine *quarantine, Size budget)
{
	Cleanser   *cleanser = palloc0(sizeof(Cleanser));
	RowAtHand	row = {cleanser, key_at_hand, NULL, stored_at_hand};

	record_open(&cleanser->record, mapping, options, batch, queue, quarantine);
	record_begin(&cleanser->record, reader);
	cleanser->batch = batch;
	cleanser->complete = complete;
	cleanser->convert_all = convert_all;
	cleanser->where = reader_where(reader, options);
	cleanser->may_respell = mapping->association && spellings_begin(mapping) != NULL;
	cleanser->known_by = mapping->association ? -1 : rename_column(mapping);
	row_bytes_init(&cleanser->bytes);
	if (!cleanser->record.key_type.bytewise)
		row.contents = contents_at_hand;
	cleanser->comparison = comparison_begin(budget, row);
	return cleanser;
}

/*
 * Takes back the deletions that passes wrote before the one that met a bad row whose
 * key cannot be read.  What previous only forgets, since it is set aside, stays.
 */
static void
take_back_deletions(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->record.mapping;
	const char *forgotten = "";

	CommandCounterIncrement();
	if (cleanser->convert_all && !is_pair_key(mapping))
		forgotten = psprintf(" AND NOT EXISTS (SELECT FROM %s k WHERE k.batch = d.batch AND k.command = 'keep' AND %s)",
							 delta_table(mapping), same_stored_key(mapping, "k", "d"));
	cleanser->record.counter.delta_deleted -=
		own_sql(psprintf("DELETE FROM %s d WHERE d.batch = $1 AND d.command = 'delete'%s", delta_table(mapping), forgotten),
				SQL_ARGS(SQL_UUID(cleanser->batch)));
}

/* Pairs of the delta, with what all spellings of one share. */
typedef struct PairSink
{
	const Mapping *mapping;
	Spellings  *spellings;
	TypedRows  *rows;			/* "place", "text", "value" */
} PairSink;

static void
add_pair(void *arg, uint64 row)
{
	PairSink   *sink = arg;
	StringInfoData text;
	StringInfoData value;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	initStringInfo(&text);
	initStringInfo(&value);
	for (int side = 0; side < 2; side++)
	{
		char	   *end = sql_text(row, side + 2);
		char	   *shared;

		if (!sink->mapping->pairs && side != sink->mapping->holder)
			continue;
		shared = spellings_shared(sink->spellings, side, end);
		appendStringInfo(&text, "%zu:%s", strlen(end), end);
		appendStringInfo(&value, "%zu:%s", strlen(shared), shared);
	}
	values[0] = CStringGetTextDatum(sql_text(row, 1));
	values[1] = CStringGetTextDatum(text.data);
	values[2] = CStringGetTextDatum(value.data);
	typed_rows_put(sink->rows, values, nulls);
}

static TypedRows *
pairs_of_command(const Cleanser *cleanser, Spellings *spellings, const char *command, const char *name)
{
	const Mapping *mapping = cleanser->record.mapping;
	PairSink	sink = {mapping, spellings, typed_rows_begin(name, 3)};

	typed_rows_text(sink.rows, "place");
	typed_rows_text(sink.rows, "text");
	typed_rows_text(sink.rows, "value");
	sql_for_each(own_cursor(psprintf("SELECT d.ctid::text, d.%s, d.%s FROM %s d WHERE d.batch = $1 AND d.command = $2",
									 quote_identifier(mapping->columns[0].stored), quote_identifier(mapping->columns[1].stored),
									 delta_table(mapping)),
							SQL_ARGS(SQL_UUID(cleanser->batch), SQL_TEXT(command))), add_pair, &sink);
	typed_rows_publish(sink.rows);
	return sink.rows;
}

/* Lets no link go of which the file has a bad row in another spelling. */
static void
keep_respelled(Cleanser *cleanser)
{
	Spellings  *spellings = spellings_begin(cleanser->record.mapping);
	TypedRows  *kept;
	TypedRows  *gone;

	CommandCounterIncrement();
	kept = pairs_of_command(cleanser, spellings, "keep", "syncup_kept");
	if (kept->count > 0)
	{
		gone = pairs_of_command(cleanser, spellings, "delete", "syncup_gone");
		/* What has its very text is forgotten by previous: see take_unchanged(). */
		cleanser->record.counter.delta_deleted -=
			own_sql(psprintf("DELETE FROM %s d USING syncup_gone gone JOIN syncup_kept kept USING (value)"
							 " WHERE d.ctid = gone.place::tid AND gone.text <> kept.text", delta_table(cleanser->record.mapping)),
					SQL_NO_ARGS);
		typed_rows_forget(gone);
	}
	typed_rows_forget(kept);
}

void
cleanser_close(Cleanser *cleanser)
{
	PrepareCounter *counter = &cleanser->record.counter;

	comparison_end(cleanser->comparison);
	record_close(&cleanser->record);
	if (counter->deletions_suspended && counter->delta_deleted > 0)
		take_back_deletions(cleanser);
	else if (cleanser->may_respell && counter->set_aside > 0 && counter->delta_deleted > 0)
		keep_respelled(cleanser);
}

/* ---------- the row at hand ---------- */

/*
 * Puts what the baseline has in the place of cells that leave what is there.  Where
 * it has the row as it is there is nothing to look up.  What a file says that lacks
 * the column is nothing: it also stays whether the value was given or kept.
 */
static void
keep_values(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->record.mapping;
	Digest		digest;
	SoughtKey	sought;
	Datum	   *values;
	bool	   *nulls;
	bool	   *kept;

	if (cleanser->record.mark < 0 || !record_find_kept(&cleanser->record))
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
	if (!baseline_lookup(cleanser->record.baseline, &sought, (Datum) 0, values, nulls))
		return;
	read_mark(mapping, values[cleanser->record.mark], nulls[cleanser->record.mark], kept);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		int			first = mapping->columns[i].first;

		if (!cleanser->record.kept[first] || nulls[first])
			continue;
		cleanser->record.fields[i] = VARDATA_ANY(DatumGetPointer(values[first]));
		cleanser->record.lengths[i] = VARSIZE_ANY_EXHDR(DatumGetPointer(values[first]));
	}
	for (int i = 0; i < mapping->nstored; i++)
		if (cleanser->record.columns[i] < 0 && mapping->columns[i].optional == OPTIONAL_KEEP)
			cleanser->record.kept[i] = kept[i];
	record_write_mark(&cleanser->record);
}

/* Whether the key of the row at hand is empty. */
static inline bool
is_key_empty(const Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->record.mapping;

	for (int p = 0; p < mapping->nparts; p++)
		if (cleanser->record.fields[mapping->parts[p]] == NULL || cleanser->record.lengths[mapping->parts[p]] == 0)
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
	if (pair == INT64CONST(1) << PAIR_BITS)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("a row holds more than %lld pairs", (long long) pair),
				 errhint("Have the export write a row for each pair.")));
	return (reader_line(cleanser->record.reader) << PAIR_BITS) + pair;
}

/* Sets the row at hand aside.  key: its key, or NULL. */
static void
set_aside(Cleanser *cleanser, int64 *count, const char *reason,
		  const char *key, const char *message)
{
	cleanser->record.counter.rows_read++;
	cleanser->record.counter.set_aside++;
	(*count)++;
	quarantine_row(cleanser->record.quarantine, cleanser->record.mapping, cleanser->record.reader,
				   reason, key, message);
	quarantine_check_limit(cleanser->record.options, &cleanser->record.counter, message);
}

/* The key of the row at hand as a string. */
static char *
key_text(Cleanser *cleanser)
{
	if (!cleanser->record.mapping->pairs)
		need_key(cleanser);
	return record_key_text(&cleanser->record);
}

/* ---------- rows that cannot be used ---------- */

/* Whether the key at hand, of a pair both values, fits into the indexes. */
static bool
is_key_short(Cleanser *cleanser)
{
	need_key(cleanser);
	for (int i = 0; i < cleanser->record.mapping->ncolumns; i++)
		if (is_key_column(cleanser->record.mapping, i) &&
			!is_indexed_length(cleanser->record.mapping, i, cleanser->record.lengths[i]))
			return false;
	return true;
}

/* Makes values of what tells links of one pair apart. */
static void
try_link_key(void *arg)
{
	Cleanser   *cleanser = arg;

	for (int i = 2; i < cleanser->record.mapping->ncolumns; i++)
	{
		bool		isnull;

		if (cleanser->record.mapping->columns[i].key_part > 0)
			(void) convert_field(&cleanser->record.converters[i], cleanser->record.fields[i], cleanser->record.lengths[i], &isnull);
	}
}

/* Whether the key of a row that is set aside is one: of links what tells them apart. */
static bool
is_kept_key_readable(Cleanser *cleanser)
{
	if (!cleanser->record.mapping->association)
		return is_key_readable(cleanser);
	return !is_key_made(cleanser->record.mapping) || guarded_values(try_link_key, cleanser) == NULL;
}

/*
 * Notes in the delta that the source has a row of this key: for a complete run, and
 * for the row that it may be under its former key, in another scope (renames.c), or
 * as a link in another spelling.
 */
static void
write_kept_key(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->record.mapping;

	if (!cleanser->complete && cleanser->known_by < 0 && mapping->options->scope == NULL && !cleanser->may_respell)
		return;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (!is_key_column(mapping, i) && !mapping->columns[i].indexed && i != cleanser->known_by)
			cleanser->record.fields[i] = NULL;
	if (is_key_short(cleanser) && is_kept_key_readable(cleanser))
		delta_write(cleanser->record.delta, COMMAND_KEEP, cleanser->record.fields, cleanser->record.lengths, NULL);
}

/* Notes in the delta by which values links may lead to a known row that is set aside. */
static void
write_alias(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->record.mapping;
	SoughtKey	sought;
	Datum	   *values;
	bool	   *nulls;
	bool		has_value = false;

	if (!has_unique_keys(mapping))
		return;
	sought = sought_key(cleanser);
	values = palloc(sizeof(Datum) * mapping->ncolumns);
	nulls = palloc(sizeof(bool) * mapping->ncolumns);
	if (!baseline_lookup(cleanser->record.baseline, &sought, (Datum) 0, values, nulls))
		return;
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const char *field = cleanser->record.fields[i];
		size_t		length = cleanser->record.lengths[i];

		if (is_key_column(mapping, i))
			continue;
		/* By what it has already it is found. */
		nulls[i] = !mapping->columns[i].indexed || field == NULL || length == 0 || !is_indexed_length(mapping, i, length) ||
			(!nulls[i] && length == VARSIZE_ANY_EXHDR(DatumGetPointer(values[i])) &&
			 memcmp(field, VARDATA_ANY(DatumGetPointer(values[i])), length) == 0);
		if (!nulls[i])
			values[i] = PointerGetDatum(cstring_to_text_with_len(field, length));
		has_value |= !nulls[i];
	}
	if (has_value)
		delta_write_stored(cleanser->record.delta, COMMAND_ALIAS, values, nulls, NULL);
}

/*
 * Counts a key as present though its row was set aside.  Where the baseline
 * does not know it, a complete run could still find it in the target, and must
 * not delete it: that is noted in the delta.
 */
static void
keep_key(Record *record, int64 pair)
{
	Cleanser   *cleanser = (Cleanser *) record;

	cleanser->key_made = false;
	if (!is_key_short(cleanser))
		cleanser->record.counter.deletions_suspended = true;
	switch (comparison_mark_present(cleanser->comparison, row_place(cleanser, pair)))
	{
		case ROW_CHANGED:
			write_alias(cleanser);
			break;
		case ROW_NEW:
			if (cleanser->is_former_lost)
				cleanser->record.counter.deletions_suspended = true;
			write_kept_key(cleanser);
			break;
		default:
			break;
	}
}

/* Whether the file holds a column that cannot be read in the row at hand, which has a fault; if it can, takes it. */
static bool
is_uncertain(Cleanser *cleanser, int column)
{
	Record	   *record = &cleanser->record;

	if (record->columns[column] < 0)
		return false;
	record->fields[column] = reader_certain_field(record->reader, record->columns[column], &record->lengths[column]);
	return record->fields[column] == NULL;
}

/* Takes what is certain of the key of a row with a fault; whether that is all. */
static bool
take_certain_key(Cleanser *cleanser)
{
	const Mapping *mapping = cleanser->record.mapping;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		cleanser->record.fields[i] = NULL;
		if (is_key_column(mapping, i) && !is_made_column(mapping, i) &&
			(is_uncertain(cleanser, i) || cleanser->record.lengths[i] == 0))
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
		cleanser->record.counter.deletions_suspended = true;
	else if (cleanser->record.mapping->association)
		(void) record_pairs(&cleanser->record, keep_key);
	else
		keep_key(&cleanser->record, 0);
	if (comparison_is_first_pass(cleanser->comparison))
		set_aside(cleanser, &cleanser->record.counter.rejected, reason, key, message);
}

/* Takes a row that is malformed or holds invalid bytes. */
static void
take_faulty(Cleanser *cleanser)
{
	bool		certain;

	begin_key(cleanser);
	certain = take_certain_key(cleanser);
	cleanser->is_former_lost = certain && cleanser->known_by >= 0 && is_uncertain(cleanser, cleanser->known_by);
	for (int i = 0; i < cleanser->record.mapping->ncolumns && certain && has_unique_keys(cleanser->record.mapping); i++)
		if (cleanser->record.mapping->columns[i].indexed && !is_key_column(cleanser->record.mapping, i))
			(void) is_uncertain(cleanser, i);
	take_unusable(cleanser, reader_fault(cleanser->record.reader) == ROW_ENCODING ? "encoding" : "malformed",
				  certain, reader_fault_message(cleanser->record.reader));
}

/* Whether option "where" wants the row at hand; if that cannot be told, why. */
static bool
is_wanted(Cleanser *cleanser, char **why)
{
	*why = NULL;
	return cleanser->where == NULL ||
		reader_where_holds(cleanser->record.reader, cleanser->where,
						   cleanser->record.options->on_error == ON_ERROR_STOP ? NULL : why);
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

	row_bytes_reset(&cleanser->record.value_bytes);
	for (int i = 0; i < cleanser->record.mapping->ncolumns; i++)
	{
		Converter  *converter = &cleanser->record.converters[i];
		Datum		value;
		bool		isnull;

		cleanser->record.at = i;
		reader_at_column(cleanser->record.reader, cleanser->record.columns[i]);
		if (cleanser->record.fields[i] != NULL)
			check_indexed_length(cleanser->record.mapping, i, cleanser->record.lengths[i]);
		if (cleanser->record.mapping->columns[i].target == NULL)
			continue;
		value = convert_field(converter, cleanser->record.fields[i], cleanser->record.lengths[i], &isnull);
		if (is_compared(&cleanser->record.mapping->columns[i]))
			converter_add_bytes(converter, &cleanser->record.value_bytes, value, isnull);
		if (isnull && cleanser->record.mapping->columns[i].key_part > 0 && !cleanser->record.mapping->association)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("key is null in its format")));
	}
	reader_at_column(cleanser->record.reader, -1);
}

/*
 * Sets the row at hand aside for the value of a column.  Where that is the key,
 * nobody knows which row it speaks of (SPEC 4.3).
 */
static void
set_aside_value(Cleanser *cleanser, int column, const char *message)
{
	if (is_key_column(cleanser->record.mapping, column))
		cleanser->record.counter.deletions_suspended = true;
	set_aside(cleanser, &cleanser->record.counter.rejected, "conversion", key_text(cleanser),
			  psprintf("column \"%s\": %s", cleanser->record.mapping->columns[column].source, message));
}

/* Whether the target will take the row's values; if not, it is set aside. */
static bool
values_are_good(Cleanser *cleanser)
{
	ErrorData  *error = NULL;

	/* Ends of links are never converted: only keys that they lead to. */
	if (cleanser->record.mapping->association && !is_key_made(cleanser->record.mapping) &&
		is_indexed_length(cleanser->record.mapping, 0, cleanser->record.lengths[0]) &&
		is_indexed_length(cleanser->record.mapping, 1, cleanser->record.lengths[1]))
		return true;
	need_key(cleanser);
	if (cleanser->record.options->on_error == ON_ERROR_STOP)
		try_conversions(cleanser);
	else
		error = guarded_values(try_conversions, cleanser);
	if (error != NULL)
		set_aside_value(cleanser, cleanser->record.at, error->message);
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
		delta_write(cleanser->record.delta, COMMAND_DELETE, cleanser->record.fields, cleanser->record.lengths, NULL);
		cleanser->record.counter.delta_deleted++;
		/* It has no other key. */
		if (cleanser->known_by >= 0)
			cleanser->record.fields[cleanser->known_by] = NULL;
		write_kept_key(cleanser);
		return;
	}
	cleanser->record.counter.rows_read++;
	cleanser->record.counter.rows_kept++;
}

/* Says what previous has to know of the spelling of the key of the row to be written. */
static void
write_spelling(Cleanser *cleanser, Verdict verdict)
{
	SoughtKey	sought;
	int64		hash;

	if (cleanser->record.key_type.bytewise)
		return;
	sought = sought_key(cleanser);
	if (verdict == ROW_CHANGED && !cleanser->looked_up)
	{
		int			n = cleanser->record.mapping->ncolumns;
		Datum	   *values = palloc(sizeof(Datum) * n);
		bool	   *nulls = palloc(sizeof(bool) * n);
		int			key = cleanser->record.mapping->key;

		/* A batch ahead has given the row its key. */
		if (baseline_lookup(cleanser->record.baseline, &sought, (Datum) 0, values, nulls) &&
			!datumIsEqual(values[key], sought.text, false, -1))
			cleanser->spelling = values[key];
	}
	delta_key_spelling(cleanser->record.delta, cleanser->spelling,
					   baseline_key_hash(cleanser->record.baseline, sought.text, &hash) ? &hash : NULL);
}

/* Takes a row that is new or differs from the baseline. */
static void
take_difference(Cleanser *cleanser, Verdict verdict)
{
	PrepareCounter *counter = &cleanser->record.counter;
	Digest		values;

	if (!values_are_good(cleanser))
	{
		if (verdict == ROW_NEW)
			write_kept_key(cleanser);
		else
			write_alias(cleanser);
		return;
	}
	counter->rows_read++;
	counter->rows_kept++;
	values = row_bytes_digest(&cleanser->record.value_bytes, &cleanser->record.epoch.key);
	if (verdict == ROW_NEW)
		counter->delta_inserted++;
	else
		counter->delta_updated++;
	write_spelling(cleanser, verdict);
	delta_write(cleanser->record.delta, verdict == ROW_NEW ? COMMAND_INSERT : COMMAND_UPDATE,
				cleanser->record.fields, cleanser->record.lengths, &values);
}

/*
 * Takes a row whose key was seen before in this file.  Where it says the same
 * it is only counted.
 */
static void
take_repeated(Cleanser *cleanser, Verdict verdict, int64 other_line)
{
	const Mapping *mapping = cleanser->record.mapping;
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
		cleanser->record.counter.rows_read++;
		cleanser->record.counter.duplicates++;
		return;
	}
	set_aside(cleanser, &cleanser->record.counter.duplicates, reason, key_text(cleanser),
			  psprintf(format, (long long) other_line));
}

/* Takes the fields at hand, which have a key, as a row. */
static void
take_record(Record *record, int64 pair)
{
	Cleanser   *cleanser = (Cleanser *) record;
	int64		place = row_place(cleanser, pair);
	PrepareCounter *counter = &cleanser->record.counter;
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
					  cleanser->record.mapping->association && !cleanser->record.mapping->pairs ? "conflict" : "duplicate", key_text(cleanser),
					  "key is given more than once, with different contents");
		keep_key(record, pair);
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
	return cleanser->record.fields[0] != NULL && cleanser->record.lengths[0] > 0 &&
		cleanser->record.fields[1] != NULL && cleanser->record.lengths[1] > 0;
}

/* Takes a row of an association: without a value on either side it is no link. */
static void
take_link(Cleanser *cleanser)
{
	if (is_link(cleanser) && record_pairs(&cleanser->record, take_record) > 0)
		return;
	if (comparison_is_first_pass(cleanser->comparison))
	{
		cleanser->record.counter.rows_read++;
		cleanser->record.counter.empty_links++;
	}
}

/* Takes a row that does not count; why: that could not be told, for this reason. */
static void
take_unwanted(Cleanser *cleanser, const char *why)
{
	bool		first = comparison_is_first_pass(cleanser->comparison);

	if (why == NULL)
	{
		cleanser->record.counter.rows_read += first;
		cleanser->record.counter.filtered += first;
		return;
	}
	begin_key(cleanser);
	record_take_fields(&cleanser->record);
	if (cleanser->record.mapping->association ? is_link(cleanser) : !is_key_empty(cleanser))
		take_unusable(cleanser, "conversion", true, why);
	else if (first)
		set_aside(cleanser, &cleanser->record.counter.rejected, "conversion", NULL, why);
}

/* Takes a row, in memory that is forgotten with it. */
static void
take_row(Cleanser *cleanser)
{
	char	   *why;

	if (reader_fault(cleanser->record.reader) != ROW_OK)
	{
		take_faulty(cleanser);
		return;
	}
	if (!is_wanted(cleanser, &why))
	{
		take_unwanted(cleanser, why);
		return;
	}
	record_take_fields(&cleanser->record);
	if (cleanser->record.mapping->association)
		take_link(cleanser);
	else if (!is_key_empty(cleanser))
		take_record(&cleanser->record, 0);
	else if (comparison_is_first_pass(cleanser->comparison))
		set_aside(cleanser, &cleanser->record.counter.null_keys, "null key", NULL,
				  empty_key_message(cleanser->record.mapping, cleanser->record.fields, cleanser->record.lengths));
}

void
cleanser_take(Cleanser *cleanser)
{
	MemoryContext before = MemoryContextSwitchTo(cleanser->record.row_context);

	take_row(cleanser);
	MemoryContextSwitchTo(before);
	MemoryContextReset(cleanser->record.row_context);
}

/* ---------- keys given twice with different contents ---------- */

/* Sends the digests of key and row of the fields at hand to the sort. */
static void
sort_digests(Record *record, int64 number)
{
	Cleanser   *cleanser = (Cleanser *) record;
	char		image[VARHDRSZ + 2 * sizeof(Digest)];
	Digest		pair[2];

	SET_VARSIZE(image, sizeof(image));
	begin_key(cleanser);
	pair[0] = key_digest(cleanser);
	if (cleanser->record.key_type.bytewise)
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

	if (reader_fault(cleanser->record.reader) != ROW_OK || !is_wanted(cleanser, &why))
		return;
	record_take_fields(&cleanser->record);
	if (cleanser->record.mark >= 0)
		(void) record_find_kept(&cleanser->record);
	if (!cleanser->record.mapping->association)
	{
		if (!is_key_empty(cleanser))
			sort_digests(&cleanser->record, 0);
	}
	else if (is_link(cleanser))
		(void) record_pairs(&cleanser->record, sort_digests);
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
	while (reader_next(cleanser->record.reader))
	{
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(cleanser->record.row_context);
		take_for_conflicts(cleanser);
		MemoryContextSwitchTo(before);
		MemoryContextReset(cleanser->record.row_context);
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
	reader_rewind(cleanser->record.reader);
}

/* ---------- passes ---------- */

bool
cleanser_begin_pass(Cleanser *cleanser)
{
	if (!comparison_next_pass(cleanser->comparison))
		return false;
	if (comparison_is_first_pass(cleanser->comparison) &&
		cleanser->record.options->duplicates == DUPLICATES_REJECT)
		find_conflicts(cleanser);
	baseline_load(cleanser->record.baseline, cleanser->comparison);
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
	baseline_fetch(cleanser->record.baseline, place, &key, &values, &nulls);
	if (!comparison_is_ours(cleanser->comparison, &key))
		return;
	if (baseline_key_hash(cleanser->record.baseline, values[cleanser->record.mapping->key], &hash))
		delta_key_spelling(cleanser->record.delta, (Datum) 0, &hash);
	delta_write_stored(cleanser->record.delta, COMMAND_DELETE, values, nulls, NULL);
	cleanser->record.counter.delta_deleted++;
}

void
cleanser_end_pass(Cleanser *cleanser)
{
	if (!cleanser->record.counter.deletions_suspended)
		comparison_visit_missing(cleanser->comparison, take_missing, cleanser);
}
