/*
 * csv_reader_fuzz.c
 *		libFuzzer target of the CSV reader.
 *
 * The first four bytes choose dialect, width, cuts and the longest row; the
 * rest is the file.  Beyond not crashing, this must hold:
 *
 * - rows are the same however the file is cut into reads;
 * - raw texts and line ends, in order, are the file: no byte is lost, and
 *   every line number is the one counted here;
 * - a row has the expected width, and its fields are those of a reference
 *   parser that reads byte by byte;
 * - where the longest row is no limit, exactly those records are rows which
 *   the reference parser, trying each line in turn, takes for rows;
 * - an unterminated quote is said to be one at the end if no row follows.
 */
#include "csv/csv_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
	do { \
		if (!(condition)) \
		{ \
			fprintf(stderr, "line %d: not so: %s\n", __LINE__, #condition); \
			abort(); \
		} \
	} while (0)

typedef struct Source
{
	const char *data;
	size_t		size;
	size_t		at;
	size_t		cut;			/* longest read in bytes, 0: any */
} Source;

typedef struct Text
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} Text;

/* One record as the reference parser sees it. */
typedef struct Reference
{
	CsvFault	fault;
	size_t		end;			/* of the record, without its line end */
	int			nfields;		/* complete ones */
	bool		multiline;
} Reference;

/* Appends bytes to a text. */
static void
append(Text *text, const void *bytes, size_t length)
{
	if (text->length + length > text->capacity)
	{
		text->capacity = 2 * (text->length + length);
		text->data = realloc(text->data, text->capacity);
		CHECK(text->data != NULL);
	}
	if (length > 0)
		memcpy(text->data + text->length, bytes, length);
	text->length += length;
}

/* Gives the reader its next bytes. */
static size_t
read_source(void *arg, char *buffer, size_t capacity)
{
	Source	   *source = arg;
	size_t		n = source->size - source->at;

	CHECK(capacity > 0);
	if (n > capacity)
		n = capacity;
	if (source->cut > 0 && n > source->cut)
		n = source->cut;
	if (n > 0)
		memcpy(buffer, source->data + source->at, n);
	source->at += n;
	return n;
}

/* malloc that ends the program instead of failing. */
static void *
allocate(size_t size)
{
	void	   *p = malloc(size);

	CHECK(p != NULL);
	return p;
}

/* realloc that ends the program instead of failing. */
static void *
resize(void *pointer, size_t size)
{
	void	   *p = realloc(pointer, size);

	CHECK(p != NULL);
	return p;
}

static const CsvMemory memory = {allocate, resize, free};

/* Says whether a byte is part of a line end. */
static bool
is_newline(char c)
{
	return c == '\n' || c == '\r';
}

/* Returns the index after the line end at `at`. */
static size_t
after_newline(const char *data, size_t size, size_t at)
{
	return at + ((data[at] == '\r' && at + 1 < size && data[at + 1] == '\n') ? 2 : 1);
}

/* Returns the index after the blanks at `at`; they are what this program trims of ASCII. */
static size_t
after_blanks(const char *data, size_t size, size_t at)
{
	while (at < size && data[at] == ' ')
		at++;
	return at;
}

/* Returns the length of the delimiter at `at`, 0 if there is none. */
static size_t
delimiter_at(const CsvDialect *dialect, const char *data, size_t size, size_t at)
{
	size_t		length = dialect->delimiter_text ? strlen(dialect->delimiter_text) : 1;
	const char *delimiter = dialect->delimiter_text ? dialect->delimiter_text : &dialect->delimiter;

	return at < size && size - at >= length && memcmp(data + at, delimiter, length) == 0 ? length : 0;
}

/*
 * Parses one record at `at`, byte by byte; the values of its complete fields
 * go to `values` as a letter for what they are, their length and their bytes.
 */
static Reference
parse_reference(const CsvDialect *dialect, const char *data, size_t size, size_t at,
				Text *values)
{
	const char	quote = dialect->quote;
	const bool	doubling = dialect->escape == quote;
	Reference	reference = {0};
	Text		value = {0};

	for (;;)
	{
		bool		blanks = dialect->trim != NULL && quote != '\0' && dialect->delimiter != ' ';
		size_t		first = blanks ? after_blanks(data, size, at) : at;
		bool		quoted = quote != '\0' && first < size && data[first] == quote;
		size_t		behind = 0;
		bool		stray = false;
		bool		spanned = false;

		value.length = 0;
		if (quoted)
		{
			at = first + 1;
			for (;; at++)
			{
				bool		more = at + 1 < size;

				if (at >= size)
				{
					reference.fault = CSV_UNTERMINATED_QUOTE;
					goto done;
				}
				if (!doubling && data[at] == dialect->escape && more &&
					(data[at + 1] == quote || data[at + 1] == dialect->escape))
					at++;
				else if (data[at] == quote)
				{
					if (!more || delimiter_at(dialect, data, size, at + 1) || is_newline(data[at + 1]))
						break;
					if (blanks && data[at + 1] == ' ')
					{
						behind = after_blanks(data, size, at + 1);
						if (behind == size || delimiter_at(dialect, data, size, behind) || is_newline(data[behind]))
							break;
						behind = 0;
					}
					if (doubling && data[at + 1] == quote)
						at++;
					else if (!dialect->lenient || spanned)
					{
						reference.fault = CSV_STRAY_QUOTE;
						goto done;
					}
					else
						stray = true;
				}
				else if (is_newline(data[at]))
				{
					if (stray)
					{
						reference.fault = CSV_STRAY_QUOTE;
						goto done;
					}
					spanned = reference.multiline = true;
				}
				append(&value, data + at, 1);
			}
			at = behind > 0 ? behind : at + 1;
		}
		else
		{
			for (; at < size && !delimiter_at(dialect, data, size, at) && !is_newline(data[at]); at++)
			{
				if (quote != '\0' && data[at] == quote && !dialect->lenient)
				{
					reference.fault = CSV_STRAY_QUOTE;
					goto done;
				}
				append(&value, data + at, 1);
			}
		}

		/* the trim set of this program is always the blank and U+00A0 */
		if (dialect->trim != NULL)
		{
			size_t		from = 0;
			size_t		to = value.length;

			for (;;)
			{
				if (to > from && value.data[from] == ' ')
					from++;
				else if (to - from >= 2 && memcmp(value.data + from, "\xC2\xA0", 2) == 0)
					from += 2;
				else if (to > from && value.data[to - 1] == ' ')
					to--;
				else if (to - from >= 2 && memcmp(value.data + to - 2, "\xC2\xA0", 2) == 0)
					to -= 2;
				else
					break;
			}
			if (from > 0)
				memmove(value.data, value.data + from, to - from);
			value.length = to - from;
		}

		reference.nfields++;
		if (value.length == 0 && (!quoted || dialect->quoted_empty_null))
			append(values, "N", 1);
		else
			append(values, "V", 1);
		append(values, &value.length, sizeof(value.length));
		append(values, value.data, value.length);

		if (at >= size || is_newline(data[at]))
			break;
		at += delimiter_at(dialect, data, size, at);
	}
done:
	reference.end = at;
	free(value.data);
	return reference;
}

/* Reads a whole file and writes down all that the reader tells of it. */
static void
read_all(const CsvDialect *dialect, int expected, size_t max_row, Source *source,
		 bool check, Text *log)
{
	CsvReader  *reader = csv_reader_open(dialect, read_source, source, &memory, max_row);
	const char *data = source->data;
	size_t		size = source->size;
	size_t		at = 0;			/* how far rows have been matched to the file */
	uint64_t	line = 1;
	bool		unlimited = max_row >= size;
	bool		recovering = false;
	bool		unterminated = false;	/* a row has to follow */
	bool		at_end = false; /* no row may follow */
	CsvRow		row;
	CsvStatus	status;
	Text		expected_values = {0};
	Text		values = {0};

	csv_reader_expect(reader, expected);
	while ((status = csv_reader_next(reader, &row)) != CSV_END)
	{
		append(log, &status, sizeof(status));
		append(log, &row.line, sizeof(row.line));
		append(log, &row.raw_length, sizeof(row.raw_length));
		append(log, row.raw, row.raw_length);
		append(log, &row.fault, sizeof(row.fault));
		append(log, &row.fault_field, sizeof(row.fault_field));
		append(log, &row.fault_line, sizeof(row.fault_line));
		append(log, &row.anchored, sizeof(row.anchored));
		append(log, &row.nfields, sizeof(row.nfields));
		values.length = 0;
		for (int i = 0; i < row.nfields; i++)
		{
			const CsvField *field = &row.fields[i];

			append(&values, field->data == NULL ? "N" : "V", 1);
			append(&values, &field->length, sizeof(field->length));
			append(&values, field->data, field->length);
		}
		append(log, values.data, values.length);
		if (!check)
			continue;

		/* no byte is lost, and lines are counted */
		while (at < size && is_newline(data[at]))
		{
			at = after_newline(data, size, at);
			line++;
		}
		CHECK(row.line == line);
		CHECK(row.raw_length > 0 && row.raw_length <= max_row);
		CHECK(row.raw_length <= size - at);
		CHECK(memcmp(row.raw, data + at, row.raw_length) == 0);

		/* a row is what the reference parser says it is */
		expected_values.length = 0;
		{
			Reference	reference = parse_reference(dialect, data, size, at, &expected_values);
			bool		fits = reference.fault == CSV_OK &&
				(expected == 0 || reference.nfields == expected);

			if (status == CSV_ROW)
			{
				CHECK(fits);
				CHECK(row.fault == CSV_OK && row.fault_field == -1);
				CHECK(expected == 0 || row.nfields == expected);
				CHECK(reference.end == at + row.raw_length);
			}
			else
			{
				CHECK(row.fault != CSV_OK && row.fault_field >= 0);
				CHECK(row.fault_line >= row.line);
				CHECK(row.nfields == row.fault_field || row.fault == CSV_TOO_MANY_FIELDS);
			}
			if (unlimited)
			{
				CHECK((status == CSV_ROW) == fits);
				CHECK(row.anchored == !recovering);
				CHECK(row.fault != CSV_ROW_TOO_LONG);
				if (!recovering)
				{
					CHECK(row.fault != CSV_PASSED_OVER);
					CHECK(row.nfields == reference.nfields);
					CHECK((row.fault == CSV_STRAY_QUOTE) ==
						  (reference.fault == CSV_STRAY_QUOTE));
					CHECK((row.fault == CSV_UNTERMINATED_QUOTE ||
						   row.fault == CSV_UNTERMINATED_AT_END) ==
						  (reference.fault == CSV_UNTERMINATED_QUOTE));
				}
			}
			if (status == CSV_ROW)
				recovering = false;
			else if (reference.fault != CSV_OK || reference.multiline)
				recovering = true;

			/* fields that are given are right, whether or not the row is */
			CHECK(values.length <= expected_values.length);
			CHECK(values.length == 0 ||
				  memcmp(values.data, expected_values.data, values.length) == 0);
		}

		if (status == CSV_ROW)
		{
			CHECK(!at_end);
			unterminated = false;
		}
		else if (row.fault == CSV_UNTERMINATED_QUOTE)
			unterminated = true;
		else if (row.fault == CSV_UNTERMINATED_AT_END)
			at_end = true;

		for (size_t i = 0; i < row.raw_length;)
		{
			if (is_newline(row.raw[i]))
			{
				CHECK(status == CSV_ROW);
				i = after_newline(row.raw, row.raw_length, i);
				line++;
			}
			else
				i++;
		}
		at += row.raw_length;
		if (row.raw_length == max_row && status == CSV_FAULT)
			while (at < size && !is_newline(data[at]))
				at++;
		CHECK(at == size || is_newline(data[at]));
	}
	if (check)
	{
		while (at < size && is_newline(data[at]))
			at++;
		CHECK(at == size);
		CHECK(!unterminated);
	}
	CHECK(source->at == size);
	csv_reader_close(reader);
	free(expected_values.data);
	free(values.data);
}

int			LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Runs one input; see the file's head. */
int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
	static const char delimiters[4] = {',', ';', '\t', '|'};
	static const char *const several[4] = {"||", ",;", "|,|", "\xC2\xA7"};
	CsvDialect	dialect = {0};
	Source		source = {0};
	Text		whole = {0};
	Text		cut = {0};
	size_t		max_row;
	int			expected;

	if (size < 4)
		return 0;
	dialect.delimiter = delimiters[bytes[0] & 3];
	dialect.quote = (bytes[0] & 12) == 12 ? '\0' : (bytes[0] & 12) == 8 ? '\'' : '"';
	dialect.escape = (bytes[0] & 16) ? '\\' : dialect.quote;
	dialect.lenient = (bytes[0] & 32) != 0;
	dialect.quoted_empty_null = (bytes[0] & 64) != 0;
	dialect.trim = (bytes[0] & 128) ? " \xC2\xA0" : NULL;
	expected = bytes[1] % 5;
	max_row = (bytes[3] & 1) ? size + 1 : 1 + bytes[3] / 2;
	/* bytes that stand for others may become two on the way */
	if (bytes[1] & 128)
	{
		dialect.delimiter_text = several[bytes[0] & 3];
		max_row = 2 * size;
	}

	/* a copy of the exact size, so that reading past it is seen */
	source.size = size - 4;
	source.data = (const char *) bytes + 4;
	read_all(&dialect, expected, max_row, &source, true, &whole);

	source.at = 0;
	source.cut = 1 + bytes[2] % 16;
	read_all(&dialect, expected, max_row, &source, false, &cut);

	CHECK(whole.length == cut.length);
	CHECK(whole.length == 0 || memcmp(whole.data, cut.data, whole.length) == 0);
	free(whole.data);
	free(cut.data);
	return 0;
}
