/*
 * csv_delimiter.c
 *		Delimiters of several bytes: a pass of their own before the CSV reader's.
 *
 * libcsv has a delimiter of one byte, and so has the scanner.  Here each delimiter,
 * the leftmost match first, becomes one byte that means nothing else; where that
 * byte itself stands in the file it becomes two others.  That says the same in other
 * bytes, whatever is quoted: a delimiter has no quote, escape or line end in it, so
 * it never begins in a field and ends outside.  The rows that the reader gives are
 * put back into the file's own bytes, so that nobody behind it knows of this.
 */
#include "csv/csv_delimiter.h"

#include <string.h>

/* First size of the buffer in bytes; tests make it small. */
#ifndef CSV_READER_BUFFER
#define CSV_READER_BUFFER (64 * 1024)
#endif

struct CsvDelimiter
{
	char	   *text;
	size_t		length;
	char		stand_in;		/* for the delimiter */
	char		mark;			/* before one of the next two: ... */
	char		plain_stand_in; /* ... the stand-in itself, and */
	char		plain_mark;		/* the mark itself */

	CsvRead		read;
	void	   *arg;
	CsvMemory	memory;
	char	   *input;
	size_t		capacity;
	size_t		begin;
	size_t		end;
	bool		eof;
	bool		has_pending;	/* the second of two bytes did not fit */
	char		pending;

	char	   *raw;			/* of the row at hand, as in the file */
	size_t		raw_capacity;
	char	   *values;
	size_t		values_capacity;
};

/* Bytes that mean nothing in a dialect, and hardly ever stand in a file. */
static void
choose_bytes(CsvDelimiter *delimiter, const CsvDialect *dialect)
{
	char	   *chosen[] = {&delimiter->stand_in, &delimiter->mark, &delimiter->plain_stand_in, &delimiter->plain_mark};
	char		byte = 0x1F;

	for (size_t i = 0; i < sizeof(chosen) / sizeof(chosen[0]); byte--)
		if (byte != dialect->quote && byte != dialect->escape &&
			(dialect->trim == NULL || strchr(dialect->trim, byte) == NULL))
			*chosen[i++] = byte;
}

CsvDelimiter *
csv_delimiter_open(const CsvDialect *dialect, CsvRead read, void *arg, const CsvMemory *memory)
{
	CsvDelimiter *delimiter = memory->allocate(sizeof(CsvDelimiter));

	memset(delimiter, 0, sizeof(*delimiter));
	delimiter->memory = *memory;
	delimiter->read = read;
	delimiter->arg = arg;
	delimiter->length = strlen(dialect->delimiter_text);
	delimiter->text = memory->allocate(delimiter->length + 1);
	memcpy(delimiter->text, dialect->delimiter_text, delimiter->length + 1);
	choose_bytes(delimiter, dialect);
	delimiter->capacity = CSV_READER_BUFFER + delimiter->length;
	delimiter->input = memory->allocate(delimiter->capacity);
	return delimiter;
}

void
csv_delimiter_close(CsvDelimiter *delimiter)
{
	void		(*release) (void *) = delimiter->memory.release;

	if (delimiter->raw != NULL)
		release(delimiter->raw);
	if (delimiter->values != NULL)
		release(delimiter->values);
	release(delimiter->input);
	release(delimiter->text);
	release(delimiter);
}

char
csv_delimiter_byte(const CsvDelimiter *delimiter)
{
	return delimiter->stand_in;
}

/* Reads more of the file behind what is left of the input. */
static void
fill(CsvDelimiter *delimiter)
{
	size_t		n;

	memmove(delimiter->input, delimiter->input + delimiter->begin, delimiter->end - delimiter->begin);
	delimiter->end -= delimiter->begin;
	delimiter->begin = 0;
	n = delimiter->read(delimiter->arg, delimiter->input + delimiter->end,
						delimiter->capacity - delimiter->end);
	delimiter->eof = n == 0;
	delimiter->end += n;
}

/* Whether a delimiter begins with the next byte, of which enough are there. */
static bool
at_delimiter(const CsvDelimiter *delimiter)
{
	const char *at = delimiter->input + delimiter->begin;

	return *at == delimiter->text[0] && delimiter->end - delimiter->begin >= delimiter->length &&
		memcmp(at, delimiter->text, delimiter->length) == 0;
}

size_t
csv_delimiter_read(void *arg, char *buffer, size_t capacity)
{
	CsvDelimiter *delimiter = arg;
	size_t		n = 0;

	if (delimiter->has_pending)
	{
		buffer[n++] = delimiter->pending;
		delimiter->has_pending = false;
	}
	while (n < capacity)
	{
		char		byte;

		if (delimiter->end - delimiter->begin < delimiter->length && !delimiter->eof)
		{
			fill(delimiter);
			continue;
		}
		if (delimiter->begin == delimiter->end)
			break;
		if (at_delimiter(delimiter))
		{
			buffer[n++] = delimiter->stand_in;
			delimiter->begin += delimiter->length;
			continue;
		}
		byte = delimiter->input[delimiter->begin++];
		if (byte != delimiter->stand_in && byte != delimiter->mark)
		{
			buffer[n++] = byte;
			continue;
		}
		buffer[n++] = delimiter->mark;
		delimiter->pending = byte == delimiter->mark ? delimiter->plain_mark : delimiter->plain_stand_in;
		delimiter->has_pending = n == capacity;
		if (!delimiter->has_pending)
			buffer[n++] = delimiter->pending;
	}
	return n;
}

/* ---------- back ---------- */

/* How many bytes a stretch has in the file. */
static size_t
length_in_file(const CsvDelimiter *delimiter, const char *data, size_t length)
{
	size_t		n = length;

	for (size_t i = 0; i < length; i++)
		if (data[i] == delimiter->stand_in)
			n += delimiter->length - 1;
		else if (data[i] == delimiter->mark)
			n--;
	return n;
}

/* Writes a stretch as it is in the file; returns its length, which room may cut. */
static size_t
restore(const CsvDelimiter *delimiter, const char *data, size_t length, char *to, size_t room)
{
	size_t		n = 0;

	for (size_t i = 0; i < length && n < room; i++)
	{
		if (data[i] == delimiter->stand_in)
		{
			size_t		part = delimiter->length < room - n ? delimiter->length : room - n;

			memcpy(to + n, delimiter->text, part);
			n += part;
		}
		else if (data[i] != delimiter->mark)
			to[n++] = data[i];
		/* A line that was cut may end with a mark. */
		else if (++i < length)
			to[n++] = data[i] == delimiter->plain_mark ? delimiter->mark : delimiter->stand_in;
	}
	return n;
}

/* Makes a buffer large enough. */
static char *
make_room(const CsvDelimiter *delimiter, char **buffer, size_t *capacity, size_t needed)
{
	if (*capacity < needed)
	{
		*capacity = needed * 2;
		*buffer = delimiter->memory.resize(*buffer, *capacity);
	}
	return *buffer;
}

/* Whether a field lies in the raw text: not one that libcsv gave, nor one on a later line. */
static bool
is_in_raw(const CsvRow *row, const CsvField *field)
{
	return field->data != NULL && field->data >= row->raw &&
		field->data + field->length <= row->raw + row->raw_length;
}

/* Restores the fields that do not lie in the raw text. */
static void
restore_values(CsvDelimiter *delimiter, CsvRow *row)
{
	size_t		needed = 1;
	char	   *to;

	for (int i = 0; i < row->nfields; i++)
		if (row->fields[i].data != NULL && !is_in_raw(row, &row->fields[i]))
			needed += length_in_file(delimiter, row->fields[i].data, row->fields[i].length);
	to = make_room(delimiter, &delimiter->values, &delimiter->values_capacity, needed);
	for (int i = 0; i < row->nfields; i++)
	{
		CsvField   *field = &row->fields[i];

		if (field->data == NULL || is_in_raw(row, field))
			continue;
		field->length = restore(delimiter, field->data, field->length, to, SIZE_MAX);
		field->data = to;
		to += field->length;
	}
}

/* Restores the raw text, and the fields that lie in it, in their order. */
static void
restore_raw(CsvDelimiter *delimiter, CsvRow *row, size_t length)
{
	const char *raw_end = row->raw + row->raw_length;
	const char *done = row->raw;
	char	   *to = make_room(delimiter, &delimiter->raw, &delimiter->raw_capacity, length + 1);

	for (int i = 0; i < row->nfields; i++)
	{
		CsvField   *field = &row->fields[i];
		const char *from = field->data;

		if (!is_in_raw(row, field) || from < done)
			continue;
		to += restore(delimiter, done, from - done, to, SIZE_MAX);
		done = from + field->length;
		field->data = to;
		field->length = restore(delimiter, from, field->length, to, SIZE_MAX);
		to += field->length;
	}
	(void) restore(delimiter, done, raw_end - done, to, SIZE_MAX);
	row->raw = delimiter->raw;
	row->raw_length = length;
}

bool
csv_delimiter_restore_row(CsvDelimiter *delimiter, CsvRow *row, size_t max_row)
{
	size_t		length = length_in_file(delimiter, row->raw, row->raw_length);

	if (length > max_row)
	{
		char	   *raw = make_room(delimiter, &delimiter->raw, &delimiter->raw_capacity, max_row);

		row->raw_length = restore(delimiter, row->raw, row->raw_length, raw, max_row);
		row->raw = raw;
		row->nfields = 0;
		return false;
	}
	restore_values(delimiter, row);
	restore_raw(delimiter, row, length);
	return true;
}

void
csv_delimiter_restore_line(CsvDelimiter *delimiter, const char **line, size_t *length, size_t max_length)
{
	size_t		needed = length_in_file(delimiter, *line, *length);
	char	   *to;

	if (needed > max_length)
		needed = max_length;
	to = make_room(delimiter, &delimiter->raw, &delimiter->raw_capacity, needed + 1);
	*length = restore(delimiter, *line, *length, to, needed);
	*line = to;
}
