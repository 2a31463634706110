/*
 * reader.c
 *		A file as rows of named fields in the server's encoding.
 *
 * Source gives bytes, the CSV reader rows; here the header gets its meaning,
 * and the bytes of each row are checked against the encoding.  Only fields of
 * columns that somebody asked for are decoded; but a row with an invalid byte
 * anywhere is a faulty row, since nobody can say what else is wrong with it.
 */
#include "csv/reader.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "format/parts.h"
#include "miscadmin.h"
#include "tool/nearest.h"
#include "regex/regex.h"
#include "utils/formatting.h"
#include "utils/memutils.h"

/* No row is longer than this, and not longer than maintenance_work_mem. */
#define MAX_ROW_BYTES	(512L * 1024 * 1024)

struct Reader
{
	char	   *path;
	Options		options;
	Source	   *source;
	bool		is_relation;
	CsvReader  *csv;
	MemoryContext context;		/* as long as the reader */
	MemoryContext row_context;	/* as long as a row */
	MemoryContext line_context; /* as long as a line is looked at */

	int			ncolumns;
	char	  **names;
	bool	   *used;
	CsvField   *header;			/* the fields of the header line as read, or NULL */
	bool		first_pending;	/* a file without header: its first row waits */
	CsvStatus	first_status;	/* what it is */
	bool		choosy;			/* some lines are no rows */
	int64		rows;			/* so far, those with a fault too */
	bool		has_trailer;	/* it was met, and says */
	int64		trailer_rows;	/* so many rows; -1: nothing of that */

	CsvRow		row;
	const char **decoded;		/* per column, where decoding was needed */
	size_t	   *decoded_length;
	bool		needs_decoding;
	bool		is_bare;		/* all its fields are there, and mean what they say */
	RowFault	fault;
	int			fault_column;	/* -1: none in particular */
	char	   *message;

	ErrorContextCallback callback;
	int			at_column;
};

/* ---------- memory and bytes for the CSV reader ---------- */

/*
 * libcsv calls these without a context of its own, so the reader at work says
 * whose memory it is.
 */
static MemoryContext csv_memory_context;

static void *
csv_allocate(size_t size)
{
	return MemoryContextAllocHuge(csv_memory_context, size);
}

static void *
csv_resize(void *pointer, size_t size)
{
	return pointer ? repalloc_huge(pointer, size) : csv_allocate(size);
}

static void
csv_release(void *pointer)
{
	if (pointer)
		pfree(pointer);
}

static const CsvMemory csv_memory = {csv_allocate, csv_resize, csv_release};

static size_t
csv_read_source(void *arg, char *buffer, size_t capacity)
{
	return source_read(arg, buffer, capacity);
}

static bool is_plain_ascii(const char *data, size_t length);
static const char *given_field(Reader *reader, int column, size_t *length);

/* A line in the server's encoding; NULL: it is none. */
static char *
line_text(Reader *reader, const char *line, size_t length)
{
	int			encoding = source_encoding(reader->source);
	int			database = GetDatabaseEncoding();
	Oid			conversion;
	size_t		capacity = length * MAX_CONVERSION_GROWTH + MAX_CONVERSION_GROWTH + 1;
	char	   *text;

	if (is_plain_ascii(line, length))
		return pnstrdup(line, length);
	if (encoding == database)
		return pg_encoding_verifymbstr(encoding, line, length) == length ? pnstrdup(line, length) : NULL;
	conversion = FindDefaultConversionProc(encoding, database);
	if (!OidIsValid(conversion))
		return NULL;
	text = palloc0(capacity);
	return pg_do_encoding_conversion_buf(conversion, encoding, database, (unsigned char *) line, length,
										 (unsigned char *) text, capacity, true) == length ? text : NULL;
}

/* Whether a line matches; the place of the first group in it, or -1. */
static bool
line_matches(text *expression, const char *line, regmatch_t *group)
{
	regex_t    *regex = RE_compile_and_cache(expression, REG_ADVANCED, C_COLLATION_OID);
	pg_wchar   *wide = palloc((strlen(line) + 1) * sizeof(pg_wchar));
	int			length = pg_mb2wchar_with_len(line, wide, strlen(line));
	regmatch_t	matches[2] = {{-1, -1}, {-1, -1}};

	if (pg_regexec(regex, wide, length, 0, NULL, lengthof(matches), matches, 0) != REG_OKAY)
		return false;
	*group = matches[1];
	return true;
}

/* Takes the last line, which says how many rows there are. */
static void
take_trailer(Reader *reader, const char *line, const regmatch_t *group)
{
	reader->has_trailer = true;
	reader->trailer_rows = -1;
	if (group->rm_so >= 0)
	{
		const char *digits = line;
		char	   *end;

		for (int i = 0; i < group->rm_so; i++)
			digits += pg_mblen(digits);
		errno = 0;
		reader->trailer_rows = strtoi64(digits, &end, 10);
		if (errno != 0 || end == digits || reader->trailer_rows < 0)
			reader->trailer_rows = -2;	/* no number: never right */
	}
}

/* Whether the line at which the next row would begin is none; it is taken, then. */
static bool
skip_line(Reader *reader)
{
	const Options *options = &reader->options;
	const char *line;
	size_t		length;
	char	   *text;
	regmatch_t	group;
	bool		skips;
	bool		is_trailer = false;

	if (!csv_reader_peek_line(reader->csv, &line, &length))
		return false;
	if (options->ignore_lines == NULL && options->trailer == NULL)
		text = NULL;
	else
		text = line_text(reader, line, length);
	skips = options->comment != NULL && length >= strlen(options->comment) &&
		memcmp(line, options->comment, strlen(options->comment)) == 0;
	if (!skips && text != NULL && options->trailer != NULL &&
		line_matches(options->trailer, text, &group) && csv_reader_at_last_line(reader->csv))
		skips = is_trailer = true;
	if (!skips && text != NULL && options->ignore_lines != NULL)
		skips = line_matches(options->ignore_lines, text, &group);
	if (is_trailer)
		take_trailer(reader, text, &group);
	return skips && csv_reader_skip_line(reader->csv);
}

/* The same, without leaving anything in memory. */
static bool
skips_line(Reader *reader)
{
	MemoryContext before = MemoryContextSwitchTo(reader->line_context);
	bool		skips = skip_line(reader);

	MemoryContextSwitchTo(before);
	MemoryContextReset(reader->line_context);
	return skips;
}

/* Errors where the file does not end as option "trailer" says: it was cut. */
static void
check_trailer(Reader *reader)
{
	if (reader->options.trailer == NULL ||
		(reader->has_trailer && (reader->trailer_rows == -1 || reader->trailer_rows == reader->rows)))
		return;
	source_check_unchanged(reader->source);
	ereport(ERROR,
			(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
			 !reader->has_trailer ? errmsg("the last line of the file does not match the option \"trailer\"") :
			 reader->trailer_rows < 0 ? errmsg("the last line of the file does not say a number of rows") :
			 errmsg_plural("file has %lld row, but its last line says %lld",
						   "file has %lld rows, but its last line says %lld", reader->rows,
						   (long long) reader->rows, (long long) reader->trailer_rows),
			 errhint("The file was probably cut; have it exported again.")));
}

/* The next row or fault of the file, its memory in the reader's context. */
static inline CsvStatus
next_csv_row(Reader *reader)
{
	CsvStatus	status;

	csv_memory_context = reader->context;
	while (reader->choosy && skips_line(reader))
		;
	status = csv_reader_next(reader->csv, &reader->row);
	/* Lines that were passed over belong to the row before them. */
	if (status == CSV_ROW || (status == CSV_FAULT && reader->row.fault != CSV_PASSED_OVER))
		reader->rows++;
	return status;
}

/* ---------- messages ---------- */

/* Adds the place in the file to an error. */
static void
describe_place(void *arg)
{
	Reader	   *reader = arg;

	if (reader->is_relation)
	{
		if (reader->rows == 0)
			errcontext("relation %s", reader->path);
		else if (reader->at_column >= 0 && reader->at_column < reader->ncolumns)
			errcontext("relation %s, row %lld, column \"%s\"", reader->path,
					   (long long) reader->rows, reader->names[reader->at_column]);
		else
			errcontext("relation %s, row %lld", reader->path, (long long) reader->rows);
	}
	else if (reader->row.line == 0)
		errcontext("file \"%s\"", reader->path);
	else if (reader->at_column >= 0 && reader->at_column < reader->ncolumns)
		errcontext("file \"%s\", line %lld, column \"%s\"", reader->path,
				   (long long) reader->row.line, reader->names[reader->at_column]);
	else
		errcontext("file \"%s\", line %lld", reader->path,
				   (long long) reader->row.line);
}

void
reader_enter(Reader *reader)
{
	reader->callback.callback = describe_place;
	reader->callback.arg = reader;
	reader->callback.previous = error_context_stack;
	error_context_stack = &reader->callback;
	reader->at_column = -1;
}

void
reader_at_column(Reader *reader, int column)
{
	reader->at_column = column;
}

void
reader_leave(Reader *reader)
{
	error_context_stack = reader->callback.previous;
}

/* Notes what is wrong with the present row. */
static void
note_fault(Reader *reader, RowFault fault, int column, char *message)
{
	reader->fault = fault;
	reader->fault_column = column;
	reader->message = message;
}

/* Says what the CSV reader found wrong. */
static void
note_csv_fault(Reader *reader)
{
	CsvRow	   *row = &reader->row;
	char	   *message = NULL;
	int			column = row->fault_field < reader->ncolumns ? row->fault_field : -1;

	switch (row->fault)
	{
		case CSV_STRAY_QUOTE:
			message = psprintf("unexpected quote in field %d", row->fault_field + 1);
			break;
		case CSV_UNTERMINATED_QUOTE:
			message = psprintf("quote of field %d is not closed", row->fault_field + 1);
			break;
		case CSV_UNTERMINATED_AT_END:
			message = psprintf("quote of field %d is not closed at the end of the file",
							   row->fault_field + 1);
			break;
		case CSV_TOO_FEW_FIELDS:
		case CSV_TOO_MANY_FIELDS:
			message = psprintf("row has %d fields instead of %d",
							   row->nfields, reader->ncolumns);
			column = -1;
			break;
		case CSV_ROW_TOO_LONG:
			message = pstrdup("row is longer than maintenance_work_mem");
			column = -1;
			break;
		case CSV_PASSED_OVER:
			message = pstrdup("line was passed over in search of the next row after a misplaced quote");
			column = -1;
			break;
		case CSV_OK:
			elog(ERROR, "a well-formed row cannot have a fault");
	}
	note_fault(reader, ROW_MALFORMED, column, message);
}

/* Notes that the row at hand is the header line once more: files were joined. */
static void
note_repeated_header(Reader *reader)
{
	note_fault(reader, ROW_MALFORMED, -1, pstrdup("row repeats the header line"));
}

/* Whether bytes are text in an encoding, of which the database can store every character. */
static bool
fits_encoding(const char *bytes, size_t length, int encoding)
{
	int			database = GetDatabaseEncoding();
	Oid			conversion;
	size_t		capacity = length * MAX_CONVERSION_GROWTH + 1;

	if (encoding == database)
		return pg_encoding_verifymbstr(encoding, bytes, length) == length;
	conversion = FindDefaultConversionProc(encoding, database);
	return OidIsValid(conversion) &&
		pg_do_encoding_conversion_buf(conversion, encoding, database,
									  (unsigned char *) bytes, length,
									  palloc(capacity), capacity, true) == length;
}

/* Whether UTF-16 shows: every other byte is NUL, those at odd places or at even ones. */
static bool
looks_like_utf16(const char *bytes, size_t length, int odd)
{
	size_t		nuls = 0;

	for (size_t i = 0; i < length; i++)
		if (bytes[i] == '\0')
		{
			if (i % 2 != odd)
				return false;
			nuls++;
		}
	return nuls > 0 && nuls >= length / 4;
}

/* The encodings that the bytes of the row at hand could be in: NULL, or a list. */
static char *
fitting_encodings(Reader *reader)
{
	static const int candidates[] = {PG_UTF8, PG_WIN1252, PG_LATIN9, PG_LATIN1};
	const char *bytes = reader->row.raw;
	size_t		length = Min(reader->row.raw_length, 1024 * 1024);
	StringInfoData list;
	bool		controls = false;

	if (memchr(bytes, '\0', length) != NULL)
		return looks_like_utf16(bytes, length, 1) ? "UTF16LE" :
			looks_like_utf16(bytes, length, 0) ? "UTF16BE" : NULL;
	/* Where the ISO encodings have control characters, they are not meant. */
	for (size_t i = 0; i < length; i++)
		controls |= (unsigned char) bytes[i] >= 0x80 && (unsigned char) bytes[i] < 0xA0;
	initStringInfo(&list);
	for (size_t i = 0; i < lengthof(candidates); i++)
	{
		int			encoding = candidates[i];

		if (encoding != source_encoding(reader->source) &&
			!(controls && (encoding == PG_LATIN1 || encoding == PG_LATIN9)) &&
			fits_encoding(bytes, length, encoding))
			appendStringInfo(&list, "%s%s", list.len ? ", " : "", pg_encoding_to_char(encoding));
	}
	return list.len ? list.data : NULL;
}

/* What to do about the row at hand: of one in a wrong encoding, which ones would fit. */
static int
hint_fault(Reader *reader)
{
	char	   *encodings = reader->fault == ROW_ENCODING ? fitting_encodings(reader) : NULL;

	if (encodings != NULL)
		return errhint("Its bytes fit %s: say in which encoding the file is with the option \"encoding\". If only this row is bad, set it aside with the option \"on_error\": \"quarantine\".",
					   encodings);
	if (reader->names == NULL)
		return errhint("This is the header line. Is it the file of this mapping? Have the export corrected, or check the options \"delimiter\", \"skip_lines\" and \"quoting\".");
	if (reader->row.fault == CSV_UNTERMINATED_AT_END)
		return errhint("The file was probably cut; have it exported again.");
	if (reader->row.fault == CSV_STRAY_QUOTE && !reader->options.csv.lenient)
		return errhint("If quotes stand inside values without being doubled, use the option \"quoting\": \"lenient\".");
	return errhint("Have the export corrected, or set bad rows aside with the option \"on_error\": \"quarantine\".");
}

void
reader_raise(Reader *reader)
{
	/* A row that was cut while it was read is not the export's fault. */
	source_check_unchanged(reader->source);
	reader->at_column = reader->fault_column;
	ereport(ERROR,
			(errcode(reader->fault == ROW_ENCODING ?
					 ERRCODE_CHARACTER_NOT_IN_REPERTOIRE :
					 ERRCODE_BAD_COPY_FILE_FORMAT),
			 errmsg("%s", reader->message),
			 hint_fault(reader)));
}

/* ---------- encoding ---------- */

/* The field that holds the given place of the raw row, or -1. */
static int
field_at(const Reader *reader, const char *place)
{
	for (int i = 0; i < reader->row.nfields; i++)
	{
		const CsvField *field = &reader->row.fields[i];

		if (field->data && place >= field->data &&
			place < field->data + field->length)
			return i;
	}
	return -1;
}

/*
 * Trims a decoded field.  The CSV reader trims bytes, so it knows the plain
 * characters only where the file is not in UTF-8.
 */
static void
trim_decoded(Reader *reader, int column)
{
	if (reader->options.csv.trim != NULL)
		trim_value(reader->options.csv.trim, &reader->decoded[column], &reader->decoded_length[column]);
}

/* Decodes one field into the row's memory; false where a byte is invalid. */
static bool
decode_field(Reader *reader, int column, int encoding)
{
	const CsvField *field = &reader->row.fields[column];
	Oid			conversion = FindDefaultConversionProc(encoding, GetDatabaseEncoding());
	MemoryContext before;
	char	   *result;
	size_t		capacity;
	int			done;

	if (!OidIsValid(conversion))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("there is no conversion from encoding \"%s\" to the database's \"%s\"",
						pg_encoding_to_char(encoding), GetDatabaseEncodingName())));
	if (field->length > MaxAllocSize / (MAX_CONVERSION_GROWTH + 1))
		return false;
	capacity = field->length * MAX_CONVERSION_GROWTH + MAX_CONVERSION_GROWTH + 1;
	before = MemoryContextSwitchTo(reader->row_context);
	result = palloc(capacity);
	MemoryContextSwitchTo(before);
	result[0] = '\0';
	done = pg_do_encoding_conversion_buf(conversion, encoding, GetDatabaseEncoding(),
										 (unsigned char *) field->data, field->length,
										 (unsigned char *) result, capacity, true);
	reader->decoded[column] = result;
	reader->decoded_length[column] = strlen(result);
	trim_decoded(reader, column);
	return done == field->length;
}

/* Whether every byte is below 0x80 and none is NUL. */
static bool
is_plain_ascii(const char *data, size_t length)
{
	unsigned char high = 0;

	for (size_t i = 0; i < length; i++)
		high |= data[i];
	return (high & 0x80) == 0 && memchr(data, '\0', length) == NULL;
}

/* Checks the row's bytes, decoding what is used where that is needed. */
static void
check_encoding(Reader *reader)
{
	CsvRow	   *row = &reader->row;
	int			encoding = source_encoding(reader->source);
	const char *nul;
	int			valid;

	reader->needs_decoding = false;
	if (encoding == GetDatabaseEncoding() || encoding == PG_SQL_ASCII ||
		GetDatabaseEncoding() == PG_SQL_ASCII)
	{
		valid = pg_encoding_verifymbstr(encoding, row->raw, row->raw_length);
		if (valid == row->raw_length)
			return;
		note_fault(reader, ROW_ENCODING, field_at(reader, row->raw + valid),
				   row->raw[valid] == '\0' ? pstrdup("row holds a NUL byte") :
				   psprintf("row holds a byte that is invalid in encoding %s",
							source_encoding_name(reader->source)));
		return;
	}

	if (is_plain_ascii(row->raw, row->raw_length))
		return;
	nul = memchr(row->raw, '\0', row->raw_length);
	if (nul != NULL)
	{
		note_fault(reader, ROW_ENCODING, field_at(reader, nul),
				   pstrdup("row holds a NUL byte"));
		return;
	}
	reader->needs_decoding = true;
	for (int i = 0; i < row->nfields && i < reader->ncolumns; i++)
	{
		reader->decoded[i] = NULL;
		if (row->fields[i].data != NULL && reader->used[i] &&
			!decode_field(reader, i, encoding))
		{
			note_fault(reader, ROW_ENCODING, i,
					   psprintf("value holds bytes that are invalid in encoding %s, or unknown to the database's %s",
								pg_encoding_to_char(encoding), GetDatabaseEncodingName()));
			return;
		}
	}
}

char *
reader_raw(Reader *reader)
{
	int			encoding = source_encoding(reader->source);
	const char *raw = reader->row.raw;
	size_t		length = reader->row.raw_length;
	StringInfoData text;

	if (is_plain_ascii(raw, length) ||
		(encoding == GetDatabaseEncoding() &&
		 pg_encoding_verifymbstr(encoding, raw, length) == length))
		return pnstrdup(raw, length);
	if (encoding != GetDatabaseEncoding() &&
		reader->fault != ROW_ENCODING && length < MaxAllocSize / 8)
	{
		Oid			conversion = FindDefaultConversionProc(encoding, GetDatabaseEncoding());
		size_t		capacity = length * MAX_CONVERSION_GROWTH + MAX_CONVERSION_GROWTH + 1;
		char	   *result = palloc0(capacity);

		if (OidIsValid(conversion) &&
			pg_do_encoding_conversion_buf(conversion, encoding, GetDatabaseEncoding(),
										  (unsigned char *) raw, length,
										  (unsigned char *) result, capacity, true) == length)
			return result;
	}

	/*
	 * Not valid as text: what is not plain is shown by its value.  That may be
	 * longer than a text can be; then its end is left out.
	 */
	initStringInfo(&text);
	for (size_t i = 0; i < length && text.len < MAX_ROW_BYTES; i++)
	{
		static const char digits[] = "0123456789abcdef";
		unsigned char byte = raw[i];
		char		shown[4] = {'\\', 'x', digits[byte >> 4], digits[byte & 15]};

		if ((i & 0xFFFF) == 0)
			CHECK_FOR_INTERRUPTS();
		if (byte == '\0' || IS_HIGHBIT_SET(byte))
			appendBinaryStringInfo(&text, shown, sizeof(shown));
		else
			appendStringInfoChar(&text, raw[i]);
	}
	return text.data;
}

/* ---------- opening ---------- */

/* Errors if a row has not as many fields as option "names" has names. */
static void
check_names(const Reader *reader)
{
	if (reader->options.names != NIL && list_length(reader->options.names) != reader->row.nfields &&
		(reader->row.fault == CSV_TOO_FEW_FIELDS || reader->row.fault == CSV_TOO_MANY_FIELDS))
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 errmsg("option \"names\" has %d names, but the file has %d columns",
						list_length(reader->options.names), reader->row.nfields)));
}

/*
 * Skips lines and reads the header or, where there is none, the first row.  If names
 * say how many fields it has to have it is a row as any other.
 */
static void
read_header(Reader *reader)
{
	CsvStatus	status;

	csv_memory_context = reader->context;
	csv_reader_expect(reader->csv, list_length(reader->options.names));
	for (int64 i = 0; i < reader->options.skip_lines; i++)
		if (!csv_reader_skip_line(reader->csv))
			break;
	status = next_csv_row(reader);
	if (status == CSV_END)
		ereport(ERROR,
				(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
				 reader->options.header ?
				 errmsg("file has no header line") : errmsg("file has no rows"),
				 errhint("The export probably failed.")));
	reader->first_status = status;
	if (status == CSV_FAULT &&
		(reader->options.names == NIL || reader->options.on_error == ON_ERROR_STOP))
	{
		check_names(reader);
		note_csv_fault(reader);
		reader_raise(reader);
	}
}

/* Remembers the fields of the header line as they stand there. */
static void
keep_header(Reader *reader)
{
	const CsvRow *row = &reader->row;

	reader->header = palloc(sizeof(CsvField) * row->nfields);
	for (int i = 0; i < row->nfields; i++)
	{
		size_t		length = row->fields[i].length;

		reader->header[i].length = length;
		reader->header[i].data = length > 0 ? pnstrdup(row->fields[i].data, length) : NULL;
	}
}

/* Whether the row at hand is the header line once more. */
static bool
repeats_header(const Reader *reader)
{
	const CsvRow *row = &reader->row;

	if (reader->header == NULL || row->nfields != reader->ncolumns)
		return false;
	for (int i = 0; i < row->nfields; i++)
		if (row->fields[i].length != reader->header[i].length ||
			(row->fields[i].length > 0 &&
			 memcmp(row->fields[i].data, reader->header[i].data, row->fields[i].length) != 0))
			return false;
	return true;
}

/* Gives the columns their names, once. */
static void
name_columns(Reader *reader)
{
	const CsvRow *row = &reader->row;
	List	   *given = reader->options.names;
	int			n = given != NIL ? list_length(given) : row->nfields;

	reader->ncolumns = n;
	reader->names = palloc(sizeof(char *) * n);
	reader->used = palloc(sizeof(bool) * n);
	reader->decoded = palloc0(sizeof(char *) * n);
	reader->decoded_length = palloc0(sizeof(size_t) * n);

	/* While the header itself is read, every field counts. */
	memset(reader->used, true, sizeof(bool) * n);
	for (int i = 0; i < n; i++)
		reader->names[i] = given != NIL ? list_nth(given, i) : psprintf("column%d", i + 1);
	if (reader->options.header)
	{
		reader->fault = ROW_OK;
		check_encoding(reader);
		if (reader->fault != ROW_OK)
			reader_raise(reader);
		keep_header(reader);
		for (int i = 0; i < n; i++)
		{
			size_t		length;
			const char *name = given_field(reader, i, &length);

			reader->names[i] = name ? pnstrdup(name, length) : pstrdup("");
		}
	}
	memset(reader->used, false, sizeof(bool) * n);
}

/* The ASCII characters of a text. */
static char *
plain_characters(const char *text)
{
	char	   *plain = palloc(strlen(text) + 1);
	char	   *end = plain;

	for (; *text; text++)
		if (!IS_HIGHBIT_SET(*text))
			*end++ = *text;
	*end = '\0';
	return plain;
}

/* A delimiter of several bytes as the file has it. */
static const char *
delimiter_of_file(Reader *reader)
{
	const char *delimiter = reader->options.csv.delimiter_text;
	int			encoding = source_encoding(reader->source);
	char	   *converted;

	if (delimiter == NULL || is_plain_ascii(delimiter, strlen(delimiter)))
		return delimiter;
	converted = (char *) pg_do_encoding_conversion((unsigned char *) unconstify(char *, delimiter), strlen(delimiter),
												   GetDatabaseEncoding(), encoding);
	return converted;
}

/* Starts a CSV reader over the source, up to the first row. */
static void
start(Reader *reader)
{
	Size		max_row = Min((Size) maintenance_work_mem * 1024, MAX_ROW_BYTES);
	CsvDialect	dialect = reader->options.csv;

	csv_memory_context = reader->context;
	memset(&reader->row, 0, sizeof(CsvRow));
	reader->rows = 0;
	reader->has_trailer = false;
	if (source_encoding(reader->source) != PG_UTF8 && dialect.trim != NULL)
		dialect.trim = plain_characters(dialect.trim);
	dialect.delimiter_text = delimiter_of_file(reader);
	reader->csv = csv_reader_open(&dialect, csv_read_source,
								  reader->source, &csv_memory, max_row);
	read_header(reader);
	if (reader->names == NULL)
		name_columns(reader);
	csv_reader_expect(reader->csv, reader->ncolumns);
	reader->first_pending = !reader->options.header;
	if (reader->options.header)
		reader->rows = 0;
}

/* Opens a file or a relation. */
static Reader *
open_reader(const SourceFile *file, const Options *options, bool with_rows)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "syncup reader", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Reader	   *reader = palloc0(sizeof(Reader));

	reader->context = context;
	reader->row_context = AllocSetContextCreate(context, "syncup reader row",
												ALLOCSET_SMALL_SIZES);
	reader->line_context = AllocSetContextCreate(context, "syncup reader line",
												 ALLOCSET_SMALL_SIZES);
	reader->path = pstrdup(file->path);
	reader->options = *options;
	reader->choosy = options->comment != NULL || options->ignore_lines != NULL || options->trailer != NULL;
	reader->source = source_open(file, options, with_rows);
	reader->is_relation = source_is_relation(reader->source);
	reader_enter(reader);
	start(reader);
	reader_leave(reader);
	MemoryContextSwitchTo(before);
	return reader;
}

Reader *
reader_open(const SourceFile *file, const Options *options)
{
	return open_reader(file, options, true);
}

Reader *
reader_open_header(const SourceFile *file, const Options *options)
{
	return open_reader(file, options, false);
}

void
reader_rewind(Reader *reader)
{
	MemoryContext before = MemoryContextSwitchTo(reader->context);

	csv_memory_context = reader->context;
	csv_reader_close(reader->csv);
	source_rewind(reader->source);
	start(reader);
	MemoryContextSwitchTo(before);
}

void
reader_close(Reader *reader)
{
	csv_memory_context = reader->context;
	csv_reader_close(reader->csv);
	source_close(reader->source);
	MemoryContextDelete(reader->context);
}

/* ---------- columns ---------- */

int
reader_columns(const Reader *reader)
{
	return reader->ncolumns;
}

const char *
reader_column_name(const Reader *reader, int column)
{
	return reader->names[column];
}

/* A name in lower case, by the database's rules. */
static char *
lower_case(const char *name)
{
	return str_tolower(name, strlen(name), DEFAULT_COLLATION_OID);
}

/* The only column whose name, in lower case or not, is this; -1: none. */
static int
match_column(const Reader *reader, const char *name, bool fold)
{
	int			found = -1;

	for (int i = 0; i < reader->ncolumns; i++)
	{
		const char *candidate = fold ? lower_case(reader->names[i]) : reader->names[i];

		if (strcmp(candidate, name) != 0)
			continue;
		if (found >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("column \"%s\" stands more than once in the header", name),
					 errdetail("Columns %d and %d have that name.", found + 1, i + 1),
					 /* errcontext is two expressions */
					 reader->is_relation ? 0 : (errcontext("file \"%s\"", reader->path))));
		found = i;
	}
	return found;
}

ArrayType *
reader_header(const Reader *reader)
{
	Datum	   *names = palloc(reader->ncolumns * sizeof(Datum));

	for (int i = 0; i < reader->ncolumns; i++)
		names[i] = CStringGetTextDatum(reader->names[i]);
	return construct_array(names, reader->ncolumns, TEXTOID, -1, false, TYPALIGN_INT);
}

char *
reader_column_list(const Reader *reader)
{
	NameList	list = {0};

	for (int i = 0; i < reader->ncolumns; i++)
		name_list_add(&list, reader->names[i], NULL);
	return name_list_text(&list);
}

/* Whether the names of the header are UTF-8 that was read as something else. */
static bool
header_was_utf8(const Reader *reader)
{
	int			encoding = reader->is_relation ? PG_UTF8 : source_encoding(reader->source);

	for (int i = 0; i < reader->ncolumns && encoding != PG_UTF8 && reader->options.header; i++)
	{
		const char *bytes = pg_server_to_any(reader->names[i], strlen(reader->names[i]), encoding);
		int			length = strlen(bytes);

		for (const char *byte = bytes; *byte; byte++)
			if (IS_HIGHBIT_SET(*byte))
				return pg_encoding_verifymbstr(PG_UTF8, bytes, length) == length;
	}
	return false;
}

int
reader_find_column(Reader *reader, const char *name, bool missing_ok)
{
	int			column = match_column(reader, name, false);

	if (column < 0)
		column = match_column(reader, lower_case(name), true);
	if (column < 0 && !missing_ok)
	{
		NameList	nearest = {.wanted = name};
		bool		was_utf8 = header_was_utf8(reader);

		for (int i = 0; i < reader->ncolumns && !was_utf8; i++)
			name_list_add(&nearest, reader->names[i], NULL);

		/*
		 * Told to the client only: in a file without header these are values,
		 * which must not reach the server's log.
		 */
		ereport(NOTICE,
				(errmsg(reader->is_relation ? "the relation has the columns %s" : "the file has the columns %s",
						reader_column_list(reader))));
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg(reader->is_relation ? "column \"%s\" is missing in relation %s" :
						"column \"%s\" is missing in the header of file \"%s\"",
						name, reader->path),
				 nearest.nearest ? errdetail("Did you mean \"%s\"?", nearest.nearest) : 0,
				 nearest.nearest ? errdetail_log("The file has a column of a similar name.") : 0,
				 reader->is_relation ? errhint("Names match exactly, else ignoring case; check the relation and the mapping.") :
				 was_utf8 ?
				 errhint("The header is UTF-8, and was read as %s: have it exported as before, or change the option \"encoding\".",
						 source_encoding_name(reader->source)) :
				 reader->options.header ?
				 errhint("Names match exactly, else ignoring case; check the export, the delimiter and the mapping.") :
				 errhint("Without a header the columns are column1, column2, and so on.")));
	}
	if (column >= 0)
		reader->used[column] = true;
	return column;
}

/* ---------- rows ---------- */

bool
reader_next(Reader *reader)
{
	CsvStatus	status;

	reader->fault = ROW_OK;
	reader->at_column = -1;
	if (reader->needs_decoding)
		MemoryContextReset(reader->row_context);
	if (reader->first_pending)
	{
		reader->first_pending = false;
		status = reader->first_status;
	}
	else
		status = next_csv_row(reader);
	if (status == CSV_END)
	{
		check_trailer(reader);
		return false;
	}
	if (status == CSV_FAULT)
		note_csv_fault(reader);
	else if (!reader->is_relation && repeats_header(reader))
		note_repeated_header(reader);
	else
		check_encoding(reader);
	reader->is_bare = !reader->needs_decoding && reader->options.nulls == NIL &&
		reader->row.nfields == reader->ncolumns;
	if (reader->fault != ROW_OK &&
		(reader->options.on_error == ON_ERROR_STOP ||
		 reader->row.fault == CSV_UNTERMINATED_AT_END))
		reader_raise(reader);
	return true;
}

RowFault
reader_fault(const Reader *reader)
{
	return reader->fault;
}

const char *
reader_fault_message(const Reader *reader)
{
	return reader->message;
}

/*
 * Fields before a misplaced quote are certain where the row itself began
 * where a row had ended.  In a row with too few or too many fields only the
 * first is, and only if a delimiter follows it: any other may have moved.
 */
static bool
is_certain(const Reader *reader, int column)
{
	const CsvRow *row = &reader->row;

	if (reader->fault == ROW_ENCODING)
		return column != reader->fault_column && reader->fault_column >= 0;
	if (row->fault == CSV_OK)
		return true;			/* the header line once more */
	if (!row->anchored)
		return false;
	switch (row->fault)
	{
		case CSV_STRAY_QUOTE:
		case CSV_UNTERMINATED_QUOTE:
			return column < row->fault_field && column < row->nfields;
		case CSV_TOO_FEW_FIELDS:
		case CSV_TOO_MANY_FIELDS:
			return column == 0 && row->nfields > 1;
		default:
			return false;
	}
}

const char *
reader_certain_field(Reader *reader, int column, size_t *length)
{
	const CsvField *field = &reader->row.fields[column];
	int			encoding = source_encoding(reader->source);

	if (column >= reader->row.nfields || !is_certain(reader, column))
		return NULL;
	*length = field->length;
	if (field->data == NULL)
		return "";
	if (memchr(field->data, '\0', field->length) != NULL)
		return NULL;
	if (encoding != GetDatabaseEncoding() && !is_plain_ascii(field->data, field->length))
	{
		reader->needs_decoding = true;
		if (!decode_field(reader, column, encoding))
			return NULL;
		*length = reader->decoded_length[column];
		return reader->decoded[column];
	}
	return pg_encoding_verifymbstr(encoding, field->data, field->length) == field->length ?
		field->data : NULL;
}

/* The field as it stands in the file, trimmed; NULL for null. */
static const char *
given_field(Reader *reader, int column, size_t *length)
{
	const CsvField *field = &reader->row.fields[column];

	*length = 0;
	/* A short row: what it lacks is empty. */
	if (column >= reader->row.nfields)
		return NULL;
	if (field->data != NULL && reader->needs_decoding &&
		reader->decoded[column] != NULL)
	{
		*length = reader->decoded_length[column];
		/* What was trimmed away wholly is as empty as an empty cell. */
		if (*length == 0 && field->length > 0 &&
			(!reader->row.quoted[column] || reader->options.csv.quoted_empty_null))
			return NULL;
		return reader->decoded[column];
	}
	*length = field->length;
	return field->data;
}

/* Whether a value that is not quoted is a text that means none. */
static bool
means_null(Reader *reader, int column, const char *value, size_t length)
{
	if (value == NULL || reader->row.quoted[column])
		return false;
	foreach_ptr(char, null, reader->options.nulls)
		if (strlen(null) == length && memcmp(null, value, length) == 0)
			return true;
	return false;
}

/* The field of a row that is not bare. */
static pg_noinline const char *
meant_field(Reader *reader, int column, size_t *length)
{
	const char *value = given_field(reader, column, length);

	return reader->options.nulls != NIL && means_null(reader, column, value, *length) ? NULL : value;
}

const char *
reader_field(Reader *reader, int column, size_t *length)
{
	const CsvField *field = &reader->row.fields[column];

	/* Asked of every cell. */
	if (!reader->is_bare)
		return meant_field(reader, column, length);
	*length = field->length;
	return field->data;
}

bool
reader_is_marked_null(Reader *reader, int column)
{
	size_t		length;
	const char *value = given_field(reader, column, &length);

	return reader->options.nulls != NIL && means_null(reader, column, value, length);
}

int64
reader_line(const Reader *reader)
{
	/* A value may have several lines, a row has one number. */
	return reader->is_relation ? reader->rows : reader->row.line;
}

const char *
reader_path(const Reader *reader)
{
	return reader->path;
}

Source *
reader_source(const Reader *reader)
{
	return reader->source;
}
