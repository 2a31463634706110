/*
 * change_file.c
 *		A file that carries changes instead of rows: their net effect per key.
 *
 * Rows are sorted by key, file and line, on disk where they do not fit into
 * memory.  Then each key's commands are applied in that order to its row as
 * the baseline has it, and what differs in the end is the delta.  The cost
 * follows the changes, whatever the number of stored rows.
 *
 * A row that is set aside although its key is known takes its place in that
 * order, as a sign of life: if the commands so far have deleted the key, its
 * old version stays (SPEC 4.3).  If the key is new, the row may be one that goes
 * under another key, or in another scope: the delta gets a sign of life.
 *
 * Option "where" is asked of the row that results: one that does not count is not
 * there any more.  Of links, and of rows that cannot be used, all that is known are
 * the cells.
 */
#include "prepare/change_file.h"

#include "access/htup_details.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_operator_d.h"
#include "catalog/pg_type.h"
#include "config/change_command.h"
#include "csv/condition.h"
#include "format/convert.h"
#include "digest/digest_set.h"
#include "executor/executor.h"
#include "tool/guard.h"
#include "miscadmin.h"
#include "prepare/record.h"
#include "target/renames.h"
#include "storage/buffile.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/tuplesort.h"
#include "utils/typcache.h"

/* In a cell of an update or merge: the value becomes null. */
#define EMPTYING_CELL	"NULL_NULL"

struct ChangeFile
{
	Record		record;
	pg_uuid_t	batch;
	Digest		key_identity;	/* of the row at hand, where keys are not bytewise */

	DigestSet  *entries;		/* of side 1, that rows told all links of; NULL: rows are no entries */

	List	   *paths;			/* of the files read so far */
	int64		read_before;	/* rows of the files before this one */
	int64		unusable;		/* rows of this file that say nothing */

	bool	   *kept_now;		/* per stored column: what was kept of the row of the key at hand */
	Spellings  *spellings;		/* of the ends of links; NULL: bytes that differ are different values */
	Where	   *where;			/* of the row that results; NULL: every row counts */
	Where	   *cells_where;	/* of the cells of this file */
	int			command_column; /* of the file */
	ChangeCommand command;		/* of the row being taken */
	ChangeCommand pair_command;	/* of its pairs */
	Tuplesortstate *sort;
	TupleTableSlot *slot;
	BufFile    *raws;			/* the bytes of the rows sorted, each with its length */
	int64		raw_size;
	int64		raw_place;		/* where those of the row at hand begin; -1: not kept yet */
	HTAB	   *raws_told;		/* places of rows that were set aside */
	MemoryContext key_context;	/* as long as a key's commands are applied */

	/* the key at hand */
	char	   *sort_key;
	bool		stored;			/* the baseline has it */
	Datum	   *before;
	bool	   *before_nulls;
	bool		exists;			/* it is there after the commands so far */
	bool		alive;			/* a row set aside spoke of it since */
	List	   *signs;			/* of Datum *: what such rows are known by, 0 where that is null */
	Datum	   *now;
	bool	   *now_nulls;
	Digest		now_values;		/* of what the target gets of it */
	Datum	   *next;			/* what the command at hand would make of it */
	bool	   *next_nulls;

	int			known_by;		/* the stored column that may tell of a former key; -1: none does */

	/* keys that change: option old_key */
	int			old_key;		/* the stored column that tells the former one; -1: none does */
	bool		has_former;		/* the key at hand is new, and "now" is the row of its former one */
	DigestSet  *seen;			/* keys of the files, by what they are sorted by */
	List	   *formers;		/* of text: former keys of rows that came */
	MemoryContext file_context; /* that these live in */

	/* links of rows whose key changes */
	HTAB	   *renamed[2];		/* keys of a side that have another now; NULL: none has */
	List	   *moved;			/* of MovedLink */

	const char *path;			/* of the row being applied */
	int64		line;
};

/* A key that has another now, by the digest of what its spellings share. */
typedef struct RenamedKey
{
	Digest		former;
	char	   *key;
} RenamedKey;

/* A link under the new keys of its ends. */
typedef struct MovedLink
{
	Datum	   *values;
	bool	   *nulls;
	Digest		target_values;	/* of what the target gets of it */
} MovedLink;

/* The attributes of a sorted row, before the stored columns. */
enum
{
	ROW_KEY, ROW_FILE, ROW_LINE, ROW_COMMAND, ROW_PLACE, ROW_FIELDS
};

/* Makes the slot and the sort for rows on their way. */
static void
begin_sort(ChangeFile *file)
{
	TypeCacheEntry *texts = lookup_type_cache(TEXTOID, TYPECACHE_LT_OPR);
	TypeCacheEntry *files = lookup_type_cache(INT4OID, TYPECACHE_LT_OPR);
	TypeCacheEntry *numbers = lookup_type_cache(INT8OID, TYPECACHE_LT_OPR);
	TupleDesc	tupdesc = CreateTemplateTupleDesc(ROW_FIELDS + file->record.mapping->ncolumns);
	AttrNumber	attributes[] = {ROW_KEY + 1, ROW_FILE + 1, ROW_LINE + 1};
	Oid			operators[] = {texts->lt_opr, files->lt_opr, numbers->lt_opr};
	Oid			collations[] = {C_COLLATION_OID, InvalidOid, InvalidOid};
	bool		nulls_first[] = {false, false, false};

	TupleDescInitEntry(tupdesc, ROW_KEY + 1, "key", TEXTOID, -1, 0);
	TupleDescInitEntry(tupdesc, ROW_FILE + 1, "file", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, ROW_LINE + 1, "line", INT8OID, -1, 0);
	TupleDescInitEntry(tupdesc, ROW_COMMAND + 1, "command", INT4OID, -1, 0);
	TupleDescInitEntry(tupdesc, ROW_PLACE + 1, "place", INT8OID, -1, 0);
	for (int i = 0; i < file->record.mapping->ncolumns; i++)
		TupleDescInitEntry(tupdesc, ROW_FIELDS + i + 1, NULL, TEXTOID, -1, 0);
	file->slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsMinimalTuple);
	file->sort = tuplesort_begin_heap(tupdesc, lengthof(attributes), attributes, operators,
									  collations, nulls_first, maintenance_work_mem / 2,
									  NULL, TUPLESORT_NONE);
}

/* The stored column that "where" means. */
static int
find_stored_column(void *arg, const char *name)
{
	return find_source_column(arg, name);
}

ChangeFile *
change_file_open(const Mapping *mapping, const Options *options, const pg_uuid_t *batch,
				 List *queue, Quarantine *quarantine, bool entries)
{
	ChangeFile *file = palloc0(sizeof(ChangeFile));
	int			n = mapping->ncolumns;

	record_open(&file->record, mapping, options, batch, queue, quarantine);
	file->before = palloc(sizeof(Datum) * n);
	file->before_nulls = palloc(sizeof(bool) * n);
	file->now = palloc(sizeof(Datum) * n);
	file->now_nulls = palloc(sizeof(bool) * n);
	file->next = palloc(sizeof(Datum) * n);
	file->next_nulls = palloc(sizeof(bool) * n);
	file->key_context = AllocSetContextCreate(CurrentMemoryContext, "syncup change key",
											  ALLOCSET_DEFAULT_SIZES);
	begin_sort(file);
	file->raws = BufFileCreateTemp(false);
	file->raws_told = hash_create("syncup rows set aside", 64,
								  &(HASHCTL) {.keysize = sizeof(int64), .entrysize = sizeof(int64), .hcxt = CurrentMemoryContext},
								  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	if (mapping->association)
		file->spellings = spellings_begin(mapping);
	file->kept_now = palloc(sizeof(bool) * n);
	file->old_key = mapping->association ? -1 : former_key_column(mapping);
	file->known_by = mapping->association ? -1 : rename_column(mapping);
	file->file_context = CurrentMemoryContext;
	file->batch = *batch;
	if (entries)
		file->entries = digest_set_create(0, false);
	if (file->old_key >= 0)
		file->seen = digest_set_create(0, false);
	if (!mapping->association)
		file->where = where_open(options, find_stored_column, unconstify(Mapping *, mapping));
	return file;
}

void
change_file_begin(ChangeFile *file, Reader *reader)
{
	record_begin(&file->record, reader);
	file->paths = lappend(file->paths, pstrdup(reader_path(reader)));
	file->read_before = file->record.counter.rows_read;
	file->unusable = 0;
	file->command_column = reader_find_column(reader, file->record.options->command_column, false);
	file->cells_where = reader_where(reader, file->record.options);
}

int64
change_file_end(ChangeFile *file)
{
	int64		rows = file->record.counter.rows_read - file->read_before;

	if (rows > 0 && file->unusable == rows)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("no row of file \"%s\" can be used", reader_path(file->record.reader)),
				 errdetail("Every row is malformed, has an unknown command or has no key."),
				 errhint("Check the options \"command_column\", \"delimiter\" and \"encoding\" against the file.")));
	file->record.reader = NULL;
	return rows;
}

/* ---------- taking rows ---------- */

/* Counts a row that was set aside, and errors past the limit. */
static void
count_set_aside(ChangeFile *file, int64 *count, const char *message)
{
	(*count)++;
	file->record.counter.set_aside++;
	quarantine_check_limit(file->record.options, &file->record.counter, message);
}

/* Sets aside a row that cannot be used, on reading. */
static void
set_aside(ChangeFile *file, int64 *count, const char *reason, const char *key, const char *message)
{
	quarantine_row(file->record.quarantine, file->record.mapping, file->record.reader, reason, key, message);
	file->unusable++;
	count_set_aside(file, count, message);
}

/* Adds a field to what tells pairs apart, with its length where more follows: of an end what its spellings share. */
static void
add_to_key(const ChangeFile *file, StringInfo text, int column)
{
	const char *field = file->record.fields[column];
	size_t		length = file->record.lengths[column];

	if (field == NULL)
	{
		appendStringInfoString(text, "- ");
		return;
	}
	if (column < 2 && file->spellings != NULL)
	{
		field = spellings_shared(file->spellings, column, pnstrdup(field, length));
		length = strlen(field);
	}
	if (is_key_made(file->record.mapping) || (file->record.mapping->pairs && column == 0))
		appendStringInfo(text, "%zu ", length);
	appendBinaryStringInfo(text, field, length);
}

/*
 * A text that only rows of the same key have: the key, or what stands for its
 * value, or the ends of a link and what tells it apart.
 */
static text *
sort_key(const ChangeFile *file)
{
	int			key = file->record.mapping->key;
	StringInfoData text;

	if (!file->record.key_type.bytewise)
		return cstring_to_text(digest_text(&file->key_identity));
	if (!file->record.mapping->association)
		return cstring_to_text_with_len(file->record.fields[key], file->record.lengths[key]);
	initStringInfo(&text);
	for (int i = 0; i < file->record.mapping->nstored; i++)
		if (i < 2 ? file->record.mapping->pairs || i == key : file->record.mapping->columns[i].key_part > 0)
			add_to_key(file, &text, i);
	return cstring_to_text_with_len(text.data, text.len);
}

/* ---------- rows as they were ---------- */

/*
 * The place of the bytes of the row at hand among those kept: of the pairs of a
 * row, however many, they are kept once.
 */
static int64
raw_place(ChangeFile *file)
{
	char	   *raw;
	size_t		length;

	if (file->raw_place >= 0)
		return file->raw_place;
	raw = reader_raw(file->record.reader);
	length = strlen(raw);
	BufFileWrite(file->raws, &length, sizeof(length));
	BufFileWrite(file->raws, raw, length);
	file->raw_place = file->raw_size;
	file->raw_size += sizeof(length) + length;
	return file->raw_place;
}

/* Reads bytes that were kept. */
static void
read_raw(ChangeFile *file, void *buffer, size_t length)
{
	if (BufFileRead(file->raws, buffer, length) != length)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read a temporary file")));
}

/* The row kept at a place; NULL: it was set aside before, for another of its pairs. */
static char *
raw_at(ChangeFile *file, int64 place)
{
	size_t		length;
	char	   *raw;
	bool		known;

	(void) hash_search(file->raws_told, &place, HASH_ENTER, &known);
	if (known)
		return NULL;
	if (BufFileSeek(file->raws, 0, place, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not seek in a temporary file")));
	read_raw(file, &length, sizeof(length));
	raw = palloc(length + 1);
	read_raw(file, raw, length);
	raw[length] = '\0';
	return raw;
}

/* Sends the row at hand on its way; command none: only a sign of life. */
static void
sort_row(ChangeFile *file, ChangeCommand command)
{
	TupleTableSlot *slot = file->slot;

	if (file->record.mark >= 0)
		(void) record_find_kept(&file->record);
	ExecClearTuple(slot);
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	slot->tts_values[ROW_KEY] = PointerGetDatum(sort_key(file));
	slot->tts_values[ROW_FILE] = Int32GetDatum(list_length(file->paths) - 1);
	slot->tts_values[ROW_LINE] = Int64GetDatum(command == COMMAND_REPLACED ? 0 : reader_line(file->record.reader));
	slot->tts_values[ROW_COMMAND] = Int32GetDatum(command);
	memset(slot->tts_isnull, false, ROW_PLACE);
	for (int i = 0; i < file->record.mapping->ncolumns; i++)
	{
		/* What is marked as no value empties, where an empty cell does not. */
		if (file->record.fields[i] == NULL && (command == COMMAND_UPDATE || command == COMMAND_MERGE) && file->record.columns[i] >= 0 &&
			reader_is_marked_null(file->record.reader, file->record.columns[i]))
		{
			slot->tts_values[ROW_FIELDS + i] = CStringGetTextDatum(EMPTYING_CELL);
			slot->tts_isnull[ROW_FIELDS + i] = false;
		}
		if (file->record.fields[i] == NULL)
			continue;
		slot->tts_values[ROW_FIELDS + i] =
			PointerGetDatum(cstring_to_text_with_len(file->record.fields[i], file->record.lengths[i]));
		slot->tts_isnull[ROW_FIELDS + i] = false;
	}
	if (command != COMMAND_NONE)
	{
		slot->tts_values[ROW_PLACE] = Int64GetDatum(raw_place(file));
		slot->tts_isnull[ROW_PLACE] = false;
	}
	ExecStoreVirtualTuple(slot);
	tuplesort_puttupleslot(file->sort, slot);
}

/* Sends a pair of the values in the cells at hand on its way. */
static void
sort_pair(Record *record, int64 number)
{
	ChangeFile *file = (ChangeFile *) record;

	make_key(record->mapping, record->fields, record->lengths);
	sort_row(file, file->pair_command);
}

/*
 * Sends the row at hand on its way, that of an association as the pairs of the
 * values in its cells; returns how many there are.
 */
static int64
sort_values(ChangeFile *file, ChangeCommand command)
{
	file->pair_command = command;
	if (file->record.mapping->association)
		return record_pairs(&file->record, sort_pair);
	sort_row(file, command);
	return 1;
}

/* The digest of what the key of the row at hand is as a value. */
static void
read_key(void *arg)
{
	ChangeFile *file = arg;

	file->key_identity = key_identity(&file->record.key_type, &file->record.epoch.key, record_key_value(&file->record));
}

/*
 * Does work on the row at hand.  An error about its values is raised where the
 * options say so, unless option "where" may not want the row; else it is returned.
 */
static ErrorData *
attempt(ChangeFile *file, void (*work) (void *))
{
	if (file->record.options->on_error != ON_ERROR_STOP || file->cells_where != NULL)
		return guarded_values(work, file);
	work(file);
	return NULL;
}

/* Why the key of the row at hand cannot be read; NULL: it can. */
static ErrorData *
key_error(ChangeFile *file)
{
	return file->record.key_type.bytewise ? NULL : attempt(file, read_key);
}

/* Whether a field of the row at hand holds something. */
static bool
has_field(const ChangeFile *file, int column)
{
	return file->record.fields[column] != NULL && file->record.lengths[column] > 0;
}

/* Whether a part of the key may be null: what tells links of one pair apart. */
static bool
may_be_null(const Mapping *mapping, int column)
{
	return mapping->association && mapping->columns[column].key_part > 2;
}

/* Whether the row at hand has its key, wholly. */
static bool
has_key(const ChangeFile *file)
{
	for (int i = 0; i < file->record.mapping->ncolumns; i++)
		if (is_key_column(file->record.mapping, i) && !has_field(file, i) && !may_be_null(file->record.mapping, i))
			return false;
	return true;
}

/* Looks a key up as the baseline has it; false: it has not. */
static bool
find_stored(ChangeFile *file, Datum name, Datum *values, bool *nulls)
{
	SoughtKey	key = {.text = name, .has_value = !file->record.key_type.bytewise};

	if (key.has_value)
		key.value = key_value(&file->record.key_type, TextDatumGetCString(name));
	return baseline_lookup(file->record.baseline, &key, (Datum) 0, values, nulls);
}

/* Whether the row at hand has a new key, and which row it was under a former one cannot be read. */
static bool
is_former_lost(ChangeFile *file, bool unread)
{
	int			key = file->record.mapping->key;

	return unread && !find_stored(file, PointerGetDatum(cstring_to_text_with_len(file->record.fields[key], file->record.lengths[key])),
								  file->before, file->before_nulls);
}

/* Takes a row that is malformed or holds invalid bytes. */
static void
take_faulty(ChangeFile *file)
{
	char	   *key = NULL;
	bool		unread = false;

	for (int i = 0; i < file->record.mapping->ncolumns; i++)
	{
		bool		sought = file->record.columns[i] >= 0 &&
			(is_key_column(file->record.mapping, i) || file->record.mapping->columns[i].indexed || i == file->known_by);

		file->record.fields[i] = sought ?
			reader_certain_field(file->record.reader, file->record.columns[i], &file->record.lengths[i]) : NULL;
		if (i == file->known_by)
			unread = sought && file->record.fields[i] == NULL;
		if (file->record.fields[i] != NULL && file->record.lengths[i] == 0)
			file->record.fields[i] = NULL;
	}
	make_key(file->record.mapping, file->record.fields, file->record.lengths);
	if (has_key(file))
		key = record_key_text(&file->record);
	if (key != NULL && key_error(file) == NULL && !is_former_lost(file, unread))
		sort_values(file, COMMAND_NONE);
	else
		file->record.counter.deletions_suspended = true;
	set_aside(file, &file->record.counter.rejected, reader_fault(file->record.reader) == ROW_ENCODING ? "encoding" : "malformed",
			  key, reader_fault_message(file->record.reader));
}

/* Reads the command of the present row. */
static void
parse_command(void *arg)
{
	ChangeFile *file = arg;
	size_t		length;
	const char *field = reader_field(file->record.reader, file->command_column, &length);

	reader_at_column(file->record.reader, file->command_column);
	file->command = change_command_parse(field ? pnstrdup(field, length) : NULL, file->record.options->commands);
	reader_at_column(file->record.reader, -1);
}

/* Whether option "where" wants a row of these cells; if that cannot be told, why. */
static bool
wants_cells(ChangeFile *file, char **why)
{
	*why = NULL;
	return file->cells_where == NULL || reader_where_holds(file->record.reader, file->cells_where, why);
}

/*
 * Counts a row that cannot be used, with this error if it has one, as one that does
 * not count, if it is one.
 */
static bool
is_filtered(ChangeFile *file, ErrorData *error)
{
	char	   *why;

	file->record.counter.rows_read++;
	if (!wants_cells(file, &why) && why == NULL)
	{
		file->record.counter.filtered++;
		return true;
	}
	if (error != NULL && file->record.options->on_error == ON_ERROR_STOP)
		ReThrowError(error);
	return false;
}

/*
 * An entry tells all links of its side 1: those that are known go, unless its row
 * names them again.  Of a link in side 1's own column the row says that by itself.
 */
static void
replace_links(ChangeFile *file)
{
	const Mapping *mapping = file->record.mapping;
	const char **fields = file->record.fields;
	size_t	   *lengths = file->record.lengths;
	char	   *first = pnstrdup(fields[0], lengths[0]);
	Digest		entry = digest_bytes(&file->record.epoch.key, fields[0], lengths[0]);

	if (digest_set_has(file->entries, &entry) || (!mapping->pairs && mapping->key != 0))
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 mapping->pairs ? errmsg("an entry of a directory is told in several rows") :
				 errmsg("links in a column of side 2 cannot follow the changes of a directory"),
				 errhint("Let each entry be one row, side 1 be its entryUUID, and side 2 a list: option \"split\".")));
	(void) digest_set_add(file->entries, &entry);
	if (!mapping->pairs)
		return;
	file->record.fields = palloc(sizeof(char *) * mapping->ncolumns);
	file->record.lengths = palloc(sizeof(size_t) * mapping->ncolumns);
	foreach_ptr(void, link, baseline_links_of(file->record.baseline, first))
	{
		for (int i = 0; i < mapping->ncolumns; i++)
		{
			file->record.fields[i] = ((char **) link)[i];
			file->record.lengths[i] = file->record.fields[i] ? strlen(file->record.fields[i]) : 0;
		}
		sort_row(file, COMMAND_REPLACED);
	}
	file->record.fields = fields;
	file->record.lengths = lengths;
}

/*
 * Sends a row of an association on its way.  Where it says nothing of a link it
 * is dropped; of a mono-valued one an empty cell may also take the link away.
 */
static void
take_link(ChangeFile *file)
{
	char	   *why = NULL;
	bool		counts = file->command == COMMAND_DELETE || wants_cells(file, &why);
	int64		count;

	if (why != NULL)
	{
		if (file->record.options->on_error == ON_ERROR_STOP)
			(void) reader_where_holds(file->record.reader, file->cells_where, NULL);
		file->record.counter.rows_read++;
		if (has_key(file))
			sort_values(file, COMMAND_NONE);
		set_aside(file, &file->record.counter.rejected, "conversion", has_key(file) ? record_key_text(&file->record) : NULL, why);
		return;
	}
	if (file->entries != NULL && has_field(file, 0))
		replace_links(file);
	count = has_key(file) ? sort_values(file, counts ? file->command : COMMAND_FILTERED) : 0;
	file->record.counter.rows_read += Max(count, 1);
	if (count == 0 && counts)
		file->record.counter.empty_links++;
	else if (count == 0)
		file->record.counter.filtered++;
}

/* Errors where an entry went, and the mapping does not know it by what is told of it. */
static void
check_entry_known(ChangeFile *file)
{
	if (file->entries == NULL || (file->record.mapping->association ? has_field(file, 0) : has_key(file)))
		return;
	parse_command(file);
	if (file->command == COMMAND_DELETE)
		ereport(ERROR,
				(errcode(ERRCODE_NOT_NULL_VIOLATION),
				 errmsg("an entry of the directory went, and mapping \"%s\" cannot know which", file->record.mapping->name),
				 errdetail("Of such an entry nothing but its entryUUID is told."),
				 errhint("Let that be the key, or side 1 of an association.")));
}

/* Takes a row, in memory that is forgotten with it. */
static void
take_row(ChangeFile *file)
{
	ErrorData  *error;

	if (reader_fault(file->record.reader) != ROW_OK)
	{
		file->record.counter.rows_read++;
		take_faulty(file);
		return;
	}
	record_take_fields(&file->record);
	make_key(file->record.mapping, file->record.fields, file->record.lengths);
	check_entry_known(file);
	if (!file->record.mapping->association && !has_key(file))
	{
		if (is_filtered(file, NULL))
			return;
		set_aside(file, &file->record.counter.null_keys, "null key", NULL,
				  empty_key_message(file->record.mapping, file->record.fields, file->record.lengths));
		return;
	}
	error = key_error(file);
	if (error != NULL)
	{
		if (is_filtered(file, error))
			return;
		/* Nobody knows which row it speaks of (SPEC 4.3). */
		file->record.counter.deletions_suspended = true;
		set_aside(file, &file->record.counter.rejected, "conversion", record_key_text(&file->record),
				  psprintf("column \"%s\": %s", file->record.mapping->columns[file->record.at].source, error->message));
		return;
	}
	error = attempt(file, parse_command);
	if (error != NULL)
	{
		char	   *key = has_key(file) ? record_key_text(&file->record) : NULL;

		if (is_filtered(file, error))
			return;
		if (key != NULL)
			sort_values(file, COMMAND_NONE);
		set_aside(file, &file->record.counter.rejected, "malformed", key, error->message);
	}
	else if (file->record.mapping->association)
		take_link(file);
	else
	{
		file->record.counter.rows_read++;
		sort_row(file, file->command);
	}
}

void
change_file_take(ChangeFile *file)
{
	MemoryContext before = MemoryContextSwitchTo(file->record.row_context);

	file->raw_place = -1;
	take_row(file);
	MemoryContextSwitchTo(before);
	MemoryContextReset(file->record.row_context);
}

/* ---------- applying the commands of a key ---------- */

/* Names the place of the row being applied. */
static void
describe_place(void *arg)
{
	ChangeFile *file = arg;

	if (file->path == NULL)
		return;
	if (file->record.at >= 0)
		errcontext("file \"%s\", line %lld, column \"%s\"", file->path,
				   (long long) file->line, file->record.mapping->columns[file->record.at].source);
	else
		errcontext("file \"%s\", line %lld", file->path, (long long) file->line);
}

/* Whether a cell says that the value becomes null. */
static bool
is_emptying(Datum field)
{
	text	   *value = DatumGetTextPP(field);

	return VARSIZE_ANY_EXHDR(value) == strlen(EMPTYING_CELL) &&
		memcmp(VARDATA_ANY(value), EMPTYING_CELL, strlen(EMPTYING_CELL)) == 0;
}

/* The row at hand is set aside: it speaks for the row of its key, or for one that may have it anew. */
static void
take_sign(ChangeFile *file)
{
	const Mapping *mapping = file->record.mapping;
	Datum	   *sign;

	file->alive = true;
	if (mapping->association ||
		(file->stored ? !has_unique_keys(mapping) : file->known_by < 0 && mapping->options->scope == NULL))
		return;
	sign = palloc0(sizeof(Datum) * mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		Datum		field = file->slot->tts_values[ROW_FIELDS + i];

		if (!file->slot->tts_isnull[ROW_FIELDS + i] &&
			(is_key_column(mapping, i) || ((mapping->columns[i].indexed || i == file->known_by) && !is_emptying(field))))
			sign[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(field));
	}
	file->signs = lappend(file->signs, sign);
}

/* What was set aside of the key at hand is superseded. */
static void
forget_signs(ChangeFile *file)
{
	file->alive = false;
	file->signs = NIL;
}

/* Sets aside a row while its command is applied. */
static void
set_aside_applied(ChangeFile *file, const char *reason, const char *message)
{
	char	   *raw = raw_at(file, DatumGetInt64(file->slot->tts_values[ROW_PLACE]));
	Datum	   *fields = file->slot->tts_values + ROW_FIELDS;
	char	   *key = !file->record.mapping->pairs ? TextDatumGetCString(fields[file->record.mapping->key]) :
		psprintf("%s -> %s", TextDatumGetCString(fields[0]), TextDatumGetCString(fields[1]));

	quarantine_text(file->record.quarantine, file->record.mapping, file->path, file->line, raw,
					reason, key, message);
	take_sign(file);
	count_set_aside(file, &file->record.counter.rejected, message);
}

/*
 * Leaves what is there in the place of cells that say so, and notes which did.  Of an
 * update or merge every empty cell does, and it stays as it was whether the value
 * was given or kept.
 */
static void
keep_values(ChangeFile *file, bool partial)
{
	const Mapping *mapping = file->record.mapping;
	TupleTableSlot *slot = file->slot;
	char	   *mark;

	if (file->record.mark < 0)
		return;
	read_mark(mapping, slot->tts_values[ROW_FIELDS + file->record.mark], slot->tts_isnull[ROW_FIELDS + file->record.mark],
			  file->record.kept);
	read_mark(mapping, file->exists ? file->now[file->record.mark] : (Datum) 0,
			  !file->exists || file->now_nulls[file->record.mark], file->kept_now);
	for (int i = 0; i < mapping->ncolumns && file->exists; i++)
		if (file->record.kept[mapping->columns[i].first])
		{
			file->next_nulls[i] = file->now_nulls[i];
			file->next[i] = file->now[i];
		}
	for (int i = 0; i < mapping->nstored && partial && file->exists; i++)
		if (slot->tts_isnull[ROW_FIELDS + i])
			file->record.kept[i] = file->kept_now[i];
	mark = write_mark(mapping, file->record.kept);
	file->next_nulls[file->record.mark] = mark == NULL;
	if (mark != NULL)
		file->next[file->record.mark] = CStringGetTextDatum(mark);
}

/*
 * What the row would be: the cells given over what it is now.  partial: the
 * command is update or merge, whose cells may say that a value becomes null.
 */
static void
lay_over(ChangeFile *file, bool partial, bool keep_unnamed)
{
	for (int i = 0; i < file->record.mapping->ncolumns; i++)
	{
		bool		isnull = file->slot->tts_isnull[ROW_FIELDS + i];
		Datum		value = file->slot->tts_values[ROW_FIELDS + i];

		file->next_nulls[i] = isnull ||
			(partial && !is_key_column(file->record.mapping, i) && is_emptying(value));
		if (!file->next_nulls[i])
			file->next[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(value));
		else if (isnull && keep_unnamed)
		{
			file->next_nulls[i] = file->now_nulls[i];
			file->next[i] = file->now[i];
		}
	}
	/* A pair that is known keeps its spelling. */
	for (int i = 0; i < file->record.mapping->ncolumns && file->record.mapping->association && file->stored; i++)
		if (is_key_column(file->record.mapping, i))
		{
			file->next[i] = file->before[i];
			file->next_nulls[i] = file->before_nulls[i];
		}
	keep_values(file, partial);
}

/* Converts every mapped value of the row to be, to see that it can be. */
static void
try_conversions(void *arg)
{
	ChangeFile *file = arg;

	row_bytes_reset(&file->record.value_bytes);
	for (int i = 0; i < file->record.mapping->ncolumns; i++)
	{
		Datum		value;
		bool		isnull;

		file->record.at = i;
		if (!file->next_nulls[i])
			check_indexed_length(file->record.mapping, i, VARSIZE_ANY_EXHDR(DatumGetPointer(file->next[i])));
		if (file->record.mapping->columns[i].target == NULL)
			continue;
		value = convert_stored(&file->record.converters[i], file->next_nulls[i] ? (Datum) 0 : file->next[i],
							   &isnull);
		if (is_compared(&file->record.mapping->columns[i]))
			converter_add_bytes(&file->record.converters[i], &file->record.value_bytes, value, isnull);
	}
	file->record.at = -1;
}

/* Whether the target will take the row to be; if not, it is set aside. */
static bool
values_are_good(ChangeFile *file)
{
	ErrorData  *error;

	if (file->record.options->on_error == ON_ERROR_STOP)
	{
		try_conversions(file);
		return true;
	}
	error = guarded_values(try_conversions, file);
	if (error == NULL)
		return true;
	set_aside_applied(file, "conversion",
					  psprintf("column \"%s\": %s",
							   file->record.mapping->columns[file->record.at].source, error->message));
	file->record.at = -1;
	return false;
}

/* The row to be is none: it is deleted, or does not count. */
static void
accept_none(ChangeFile *file, int64 *count)
{
	file->exists = false;
	forget_signs(file);
	(*count)++;
}

/* Whether option "where" wants the row to be; if not, there is none. */
static bool
is_wanted(ChangeFile *file)
{
	Where	   *where = file->where;
	char	   *why = NULL;

	for (int i = 0; where != NULL && i < where->ncolumns; i++)
	{
		where->values[i] = file->next[where->columns[i]];
		where->nulls[i] = file->next_nulls[where->columns[i]];
	}
	if (where == NULL || where_holds(where, file->record.options->on_error == ON_ERROR_STOP ? NULL : &why))
		return true;
	if (why != NULL)
		set_aside_applied(file, "conversion", why);
	else
		accept_none(file, &file->record.counter.filtered);
	return false;
}

/* Makes the row to be the row that is. */
static void
accept_next(ChangeFile *file)
{
	int			n = file->record.mapping->ncolumns;

	/* A holder without a value has no link. */
	if (file->record.mapping->association &&
		(file->next_nulls[0] || file->next_nulls[1]))
	{
		accept_none(file, &file->record.counter.empty_links);
		return;
	}
	memcpy(file->now, file->next, sizeof(Datum) * n);
	memcpy(file->now_nulls, file->next_nulls, sizeof(bool) * n);
	file->now_values = row_bytes_digest(&file->record.value_bytes, &file->record.epoch.key);
	file->exists = true;
	forget_signs(file);
	file->record.counter.rows_kept++;
}

/* Applies one command to the key at hand (SPEC 4.4). */
static void
apply_command(ChangeFile *file, ChangeCommand command)
{
	switch (command)
	{
		case COMMAND_DELETE:
			file->has_former = false;
			accept_none(file, &file->record.counter.rows_kept);
			break;
		case COMMAND_FILTERED:
			accept_none(file, &file->record.counter.filtered);
			break;
		case COMMAND_REPLACED:
			file->exists = false;
			break;
		case COMMAND_UPDATE:
			/* Of a holder only its link is known: it may be there without one. */
			if (!file->exists && !file->has_former && (!file->record.mapping->association || file->record.mapping->pairs))
			{
				lay_over(file, true, false);
				if (is_wanted(file))
					set_aside_applied(file, "unknown key", "there is no row of this key to update");
				break;
			}
			/* FALLTHROUGH */
		case COMMAND_MERGE:
			lay_over(file, true, file->exists || file->has_former);
			if (is_wanted(file) && values_are_good(file))
				accept_next(file);
			break;
		case COMMAND_INSERT:
			lay_over(file, false, false);
			if (is_wanted(file) && values_are_good(file))
				accept_next(file);
			break;
		default:
			take_sign(file);
			break;
	}
}

static void write_spelling(ChangeFile *file, const Datum *row);

/* Whether keys that the association's links lead to have others after this batch. */
static bool
follows_renames(const ChangeFile *file)
{
	return file->renamed[0] != NULL || file->renamed[1] != NULL;
}

/* The digest of what a key is sorted by. */
static Digest
seen_digest(const ChangeFile *file, const char *sort_key)
{
	return digest_bytes(&file->record.epoch.key, sort_key, strlen(sort_key));
}

/*
 * Where the key at hand is new, and its row tells the former one, what that one
 * has is what the row is so far.
 */
static void
begin_former(ChangeFile *file)
{
	int			key = file->record.mapping->key;
	Digest		seen;

	file->has_former = false;
	if (file->seen == NULL)
		return;
	seen = seen_digest(file, file->sort_key);
	(void) digest_set_add(file->seen, &seen);
	if (file->old_key < 0 || file->stored || file->slot->tts_isnull[ROW_FIELDS + file->old_key] ||
		is_emptying(file->slot->tts_values[ROW_FIELDS + file->old_key]))
		return;
	file->has_former = find_stored(file, file->slot->tts_values[ROW_FIELDS + file->old_key], file->now, file->now_nulls);
	if (file->has_former)
		file->now[key] = PointerGetDatum(PG_DETOAST_DATUM_COPY(file->slot->tts_values[ROW_FIELDS + key]));
}

/* Notes the former key of a row that comes. */
static void
end_former(ChangeFile *file)
{
	MemoryContext before;

	if (!file->has_former || file->now_nulls[file->old_key])
		return;
	before = MemoryContextSwitchTo(file->file_context);
	file->formers = lappend(file->formers, TextDatumGetCString(file->now[file->old_key]));
	MemoryContextSwitchTo(before);
}

/* Former keys that the files say nothing else of go. */
static void
delete_formers(ChangeFile *file)
{
	foreach_ptr(const char, former, file->formers)
	{
		const char *sort_key = former;
		Digest		seen;

		MemoryContextReset(file->key_context);
		if (!file->record.key_type.bytewise)
		{
			Digest		identity = key_identity(&file->record.key_type, &file->record.epoch.key, key_value(&file->record.key_type, former));

			sort_key = digest_text(&identity);
		}
		seen = seen_digest(file, sort_key);
		if (digest_set_has(file->seen, &seen) || file->record.counter.deletions_suspended)
			continue;
		/* Told twice it goes once. */
		(void) digest_set_add(file->seen, &seen);
		if (!find_stored(file, CStringGetTextDatum(former), file->before, file->before_nulls))
			continue;
		write_spelling(file, file->before);
		delta_write_stored(file->record.delta, COMMAND_DELETE, file->before, file->before_nulls, NULL);
		file->record.counter.delta_deleted++;
	}
}

/* Looks up the key at hand as the baseline has it. */
static void
begin_key(ChangeFile *file)
{
	const Mapping *mapping = file->record.mapping;
	Datum	   *fields = file->slot->tts_values + ROW_FIELDS;
	SoughtKey	key = {.text = fields[is_pair_key(mapping) ? 0 : mapping->key], .has_value = !file->record.key_type.bytewise};
	int			n = mapping->ncolumns;

	file->sort_key = TextDatumGetCString(file->slot->tts_values[ROW_KEY]);
	if (key.has_value)
		key.value = key_value(&file->record.key_type, TextDatumGetCString(key.text));
	file->stored = baseline_lookup(file->record.baseline, &key, is_pair_key(mapping) ? fields[1] : (Datum) 0,
								   file->before, file->before_nulls) ||
		(file->spellings != NULL &&
		 baseline_lookup_respelled(file->record.baseline, file->spellings, fields, file->slot->tts_isnull + ROW_FIELDS,
								   file->before, file->before_nulls));
	if (file->stored)
	{
		memcpy(file->now, file->before, sizeof(Datum) * n);
		memcpy(file->now_nulls, file->before_nulls, sizeof(bool) * n);
	}
	file->exists = file->stored;
	forget_signs(file);
	begin_former(file);
}

/* Whether two stored texts are the same. */
static bool
same_field(Datum a, bool a_null, Datum b, bool b_null)
{
	if (a_null || b_null)
		return a_null && b_null;
	return VARSIZE_ANY_EXHDR(DatumGetPointer(a)) == VARSIZE_ANY_EXHDR(DatumGetPointer(b)) &&
		memcmp(VARDATA_ANY(DatumGetPointer(a)), VARDATA_ANY(DatumGetPointer(b)),
			   VARSIZE_ANY_EXHDR(DatumGetPointer(a))) == 0;
}

/* Says what previous has to know of the spelling of the key of the row to be written. */
static void
write_spelling(ChangeFile *file, const Datum *row)
{
	int			key = file->record.mapping->key;
	bool		respelled;
	int64		hash;

	if (file->record.key_type.bytewise)
		return;
	respelled = file->stored && !same_field(file->before[key], false, row[key], false);
	delta_key_spelling(file->record.delta, respelled ? file->before[key] : (Datum) 0,
					   baseline_key_hash(file->record.baseline, row[key], &hash) ? &hash : NULL);
}

/* ---------- links of rows whose key changes ---------- */

/* What the spellings of a value of a side share. */
static Digest
end_digest(const ChangeFile *file, int side, const char *text)
{
	const char *shared = file->spellings ? spellings_shared(file->spellings, side, text) : text;

	return digest_bytes(&file->record.epoch.key, shared, strlen(shared));
}

/* The two sides of an association, while their keys that change are noted. */
typedef struct RenamedSide
{
	ChangeFile *file;
	int			side;
} RenamedSide;

static void
note_renamed(void *arg, const char *former, const char *key)
{
	RenamedSide *of = arg;
	ChangeFile *file = of->file;
	Digest		digest = end_digest(file, of->side, former);
	RenamedKey *renamed;

	if (file->renamed[of->side] == NULL)
		file->renamed[of->side] = hash_create("syncup renamed keys", 64,
											  &(HASHCTL) {.keysize = sizeof(Digest), .entrysize = sizeof(RenamedKey), .hcxt = file->file_context},
											  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	renamed = hash_search(file->renamed[of->side], &digest, HASH_ENTER, NULL);
	renamed->key = MemoryContextStrdup(file->file_context, key);
}

/* Notes the keys of both sides that have others after this batch. */
static void
load_renamed(ChangeFile *file)
{
	const Mapping *mapping = file->record.mapping;

	for (int side = 0; side < 2 && mapping->association; side++)
		if (is_renamed_side(mapping, side))
			renames_visit(mapping->ends[side].entity, &file->batch, note_renamed, &(RenamedSide) {file, side});
	if (follows_renames(file))
		file->seen = digest_set_create(0, false);
}

/* The key that a value of a side is now; NULL: none that changed. */
static const char *
renamed_key(const ChangeFile *file, int side, Datum value)
{
	Digest		digest;
	RenamedKey *renamed;

	if (file->renamed[side] == NULL)
		return NULL;
	digest = end_digest(file, side, TextDatumGetCString(value));
	renamed = hash_search(file->renamed[side], &digest, HASH_FIND, NULL);
	return renamed ? renamed->key : NULL;
}

/* What the link that is now is sorted by; its key, where that is made of its parts, is made anew. */
static char *
sort_key_of_link(ChangeFile *file)
{
	const Mapping *mapping = file->record.mapping;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		file->record.fields[i] = file->now_nulls[i] ? NULL : TextDatumGetCString(file->now[i]);
		file->record.lengths[i] = file->now_nulls[i] ? 0 : strlen(file->record.fields[i]);
	}
	make_key(mapping, file->record.fields, file->record.lengths);
	if (is_key_made(mapping))
		file->now[mapping->key] = CStringGetTextDatum(file->record.fields[mapping->key]);
	return text_to_cstring(sort_key(file));
}

/* Keeps the link that is now until the files were applied. */
static void
keep_moved(ChangeFile *file)
{
	MemoryContext before = MemoryContextSwitchTo(file->file_context);
	MovedLink  *link = palloc(sizeof(MovedLink));
	int			n = file->record.mapping->ncolumns;

	link->values = palloc0(sizeof(Datum) * n);
	link->nulls = palloc(sizeof(bool) * n);
	memcpy(link->nulls, file->now_nulls, sizeof(bool) * n);
	for (int i = 0; i < n; i++)
		if (!link->nulls[i])
			link->values[i] = PointerGetDatum(PG_DETOAST_DATUM_COPY(file->now[i]));
	link->target_values = file->now_values;
	file->moved = lappend(file->moved, link);
	MemoryContextSwitchTo(before);
}

/*
 * A row whose key changes keeps its links, though no file names them again: the
 * link at hand is one of the new keys.  Returns whether it is known by another key
 * thereby, and goes from here.
 */
static bool
follow_renames(ChangeFile *file)
{
	bool		follows = false;
	int			n = file->record.mapping->ncolumns;

	for (int side = 0; side < 2; side++)
	{
		const char *key = file->now_nulls[side] ? NULL : renamed_key(file, side, file->now[side]);

		if (key == NULL)
			continue;
		file->now[side] = CStringGetTextDatum(key);
		follows = true;
	}
	if (!follows)
		return false;
	memcpy(file->next, file->now, sizeof(Datum) * n);
	memcpy(file->next_nulls, file->now_nulls, sizeof(bool) * n);
	try_conversions(file);
	file->now_values = row_bytes_digest(&file->record.value_bytes, &file->record.epoch.key);
	if (strcmp(sort_key_of_link(file), file->sort_key) == 0)
		return false;
	keep_moved(file);
	file->exists = false;
	return true;
}

static void end_key(ChangeFile *file);

/* Follows a link that is known and that no file names. */
static void
follow_known(void *arg, const Datum *values, const bool *nulls)
{
	ChangeFile *file = arg;
	int			n = file->record.mapping->ncolumns;
	Digest		seen;

	if (!renamed_key(file, 0, values[0]) && !renamed_key(file, 1, values[1]))
		return;
	memcpy(file->before, values, sizeof(Datum) * n);
	memcpy(file->before_nulls, nulls, sizeof(bool) * n);
	memcpy(file->now, values, sizeof(Datum) * n);
	memcpy(file->now_nulls, nulls, sizeof(bool) * n);
	file->sort_key = sort_key_of_link(file);
	seen = seen_digest(file, file->sort_key);
	if (digest_set_has(file->seen, &seen))
		return;
	(void) digest_set_add(file->seen, &seen);
	file->stored = file->exists = true;
	forget_signs(file);
	end_key(file);
}

/* Inserts links under the new keys of their ends, unless a file has said what becomes of those. */
static void
insert_moved(ChangeFile *file)
{
	const Mapping *mapping = file->record.mapping;

	foreach_ptr(MovedLink, link, file->moved)
	{
		SoughtKey	key = {.text = link->values[is_pair_key(mapping) ? 0 : mapping->key]};
		Digest		seen;

		MemoryContextReset(file->key_context);
		memcpy(file->now, link->values, sizeof(Datum) * mapping->ncolumns);
		memcpy(file->now_nulls, link->nulls, sizeof(bool) * mapping->ncolumns);
		seen = seen_digest(file, sort_key_of_link(file));
		if (digest_set_has(file->seen, &seen))
			continue;
		(void) digest_set_add(file->seen, &seen);
		if (baseline_lookup(file->record.baseline, &key, is_pair_key(mapping) ? link->values[1] : (Datum) 0,
							file->before, file->before_nulls))
			continue;
		delta_write_stored(file->record.delta, COMMAND_INSERT, file->now, file->now_nulls, &link->target_values);
		file->record.counter.delta_inserted++;
	}
}

/*
 * Notes in the delta what was set aside of the key at hand: which rows may be under
 * it, if it is new; by which values links may lead to its row, if it is known.
 */
static void
write_signs(ChangeFile *file)
{
	const Mapping *mapping = file->record.mapping;
	bool	   *nulls = palloc(sizeof(bool) * mapping->ncolumns);

	foreach_ptr(Datum, sign, file->signs)
	{
		bool		has_value = false;

		for (int i = 0; i < mapping->ncolumns; i++)
		{
			if (file->stored && is_key_column(mapping, i))
				sign[i] = file->before[i];
			/* By what it has already it is found. */
			nulls[i] = sign[i] == (Datum) 0 ||
				(file->stored && !is_key_column(mapping, i) && same_field(file->before[i], file->before_nulls[i], sign[i], false));
			has_value |= !nulls[i] && !is_key_column(mapping, i);
		}
		if (has_value || !file->stored)
			delta_write_stored(file->record.delta, file->stored ? COMMAND_ALIAS : COMMAND_KEEP, sign, nulls, NULL);
	}
}

/* Writes the net effect on the key at hand. */
static void
end_key(ChangeFile *file)
{
	bool		changed = false;
	bool		moves = file->exists && follows_renames(file) && follow_renames(file);

	if (file->stored || !file->exists)
		write_signs(file);
	if (file->exists && !file->stored)
	{
		write_spelling(file, file->now);
		delta_write_stored(file->record.delta, COMMAND_INSERT, file->now, file->now_nulls, &file->now_values);
		file->record.counter.delta_inserted++;
		end_former(file);
	}
	else if (file->stored && !file->exists &&
			 (moves || (!file->alive && !file->record.counter.deletions_suspended)))
	{
		write_spelling(file, file->before);
		delta_write_stored(file->record.delta, COMMAND_DELETE, file->before, file->before_nulls, NULL);
		file->record.counter.delta_deleted++;
	}
	else if (file->stored && file->exists)
	{
		for (int i = 0; i < file->record.mapping->ncolumns && !changed; i++)
			changed = !same_field(file->before[i], file->before_nulls[i],
								 file->now[i], file->now_nulls[i]);
		if (changed)
		{
			write_spelling(file, file->now);
			delta_write_stored(file->record.delta, COMMAND_UPDATE, file->now, file->now_nulls, &file->now_values);
			file->record.counter.delta_updated++;
		}
	}
}

/* Applies the sorted rows, key by key. */
static void
apply_rows(ChangeFile *file)
{
	MemoryContext before = CurrentMemoryContext;

	file->sort_key = NULL;
	while (tuplesort_gettupleslot(file->sort, true, true, file->slot, NULL))
	{
		char	   *key;

		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(file->key_context);
		slot_getallattrs(file->slot);
		file->path = list_nth(file->paths, DatumGetInt32(file->slot->tts_values[ROW_FILE]));
		file->line = DatumGetInt64(file->slot->tts_values[ROW_LINE]);
		key = TextDatumGetCString(file->slot->tts_values[ROW_KEY]);
		if (file->sort_key == NULL || strcmp(file->sort_key, key) != 0)
		{
			if (file->sort_key != NULL)
				end_key(file);
			MemoryContextReset(file->key_context);
			begin_key(file);
		}
		apply_command(file, DatumGetInt32(file->slot->tts_values[ROW_COMMAND]));
		MemoryContextSwitchTo(before);
	}
	if (file->sort_key != NULL)
		end_key(file);
	MemoryContextSwitchTo(file->key_context);
	delete_formers(file);
	if (follows_renames(file))
	{
		baseline_visit_links(file->record.baseline, follow_known, file);
		insert_moved(file);
	}
	MemoryContextSwitchTo(before);
}

void
change_file_finish(ChangeFile *file)
{
	ErrorContextCallback callback;

	callback.callback = describe_place;
	callback.arg = file;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	file->record.at = -1;
	file->path = file->paths != NIL ? llast(file->paths) : NULL;
	file->line = 0;
	load_renamed(file);
	tuplesort_performsort(file->sort);
	apply_rows(file);
	error_context_stack = callback.previous;

	ExecDropSingleTupleTableSlot(file->slot);
	tuplesort_end(file->sort);
	BufFileClose(file->raws);
	hash_destroy(file->raws_told);
	record_close(&file->record);
	MemoryContextDelete(file->key_context);
}
