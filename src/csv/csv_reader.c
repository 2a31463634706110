/*
 * csv_reader.c
 *		Rows of a CSV file with line numbers, raw text and recovery.
 *
 * libcsv defines what a quoted field means, but by itself it cannot serve
 * here: it does not count lines, does not give a row's raw text, and cannot
 * go on after an error.  So a scanner of our own finds where a record ends.
 * Most records hold no escaped quote; their fields are then simply stretches
 * of the buffer, which saves the copy and most of the time.  Any other record
 * is handed, whole, to libcsv.
 *
 * Grammar.  Line ends are LF, CRLF and CR, also mixed; empty lines are
 * counted but give no row.  A quote opens a quoted field only as a field's
 * first byte; line ends and delimiters inside are data.  Blanks, NUL bytes
 * and "\." are data.  Doubled quotes stand for one where escape is the quote;
 * otherwise the escape character makes the next quote or escape character
 * data, and stands for itself before anything else.
 *
 * Blanks.  Where the blank is trimmed, characters that are do not belong to a
 * value that stands in quotes: they may stand before and behind these.
 *
 * Lenient.  A quote in an unquoted field is data.  A quoted field closes only
 * at a quote before a delimiter, a line end or the end of the file; any other
 * quote in it is data, but then the field may not span lines: that is what a
 * forgotten closing quote looks like once the next lines were swallowed.
 *
 * Delimiters of several bytes are replaced before, and put back behind
 * (csv_delimiter.c): here each is one byte.
 *
 * Recovery.  One bad quote must not swallow the rest of the file.  After a
 * fault of quotes, or in a record of several lines, only its first physical
 * line is given up; each following line is tried as the beginning of a row
 * until one gives a well-formed row of the expected width.
 *
 * Determinism.  What a record is depends only on the next max_row + 2 bytes
 * (the window: a record and CRLF), never on how reads cut them: a record that
 * does not end in the buffer is scanned again when more bytes are there.  As
 * the buffer at least doubles each time, that costs a constant factor.
 *
 * Hostile files.  Trying each line again could scan the same bytes once per
 * line.  At a line end inside quotes a scan's state is always the same, so
 * two scans that meet at one will fail at the same byte: scan_record stops
 * where an earlier attempt is known to fail later ("doomed").  An attempt
 * that would end, but in the wrong width, stops as soon as it has too many
 * fields, so that bytes are seen at most so many times.
 */
#include "csv/csv_reader.h"
#include "csv/csv_delimiter.h"

#include <csv.h>
#include <limits.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

/* First size of the buffer in bytes; tests make it small. */
#ifndef CSV_READER_BUFFER
#define CSV_READER_BUFFER (256 * 1024)
#endif

/* Bytes searched at once, one bit of a mask for each. */
#define BLOCK 64

/* Bytes after the data which a search may touch. */
#define PADDING BLOCK

#define NO_ROW UINT64_MAX

/* The bytes that mean something somewhere; the scanner skips the others. */
typedef struct ByteSet
{
#ifdef __SSE2__
	/* each byte sixteen times; the server's memory is aligned to 8 bytes only */
	char		wanted[5][16];
#else
	bool		wanted[UCHAR_MAX + 1];
#endif
} ByteSet;

/* The block last searched, and where in it the wanted bytes are. */
typedef struct Search
{
	const ByteSet *set;
	const char *block;
	uint64_t	mask;
} Search;

struct CsvReader
{
	CsvDialect	dialect;
	char	   *trim;			/* own copy, or NULL */
	bool		trim_ascii[128];
	bool		blanks[256];	/* bytes that may stand around quotes */
	bool		has_blanks;
	CsvRead		read;
	void	   *arg;
	CsvDelimiter *delimiter;	/* that replaces those of several bytes, or NULL */
	CsvMemory	memory;
	size_t		max_row;
	size_t		window;			/* bytes that decide what a record is */
	int			expected;		/* fields in a row, 0: any */

	ByteSet		special;		/* delimiter, quote, escape, LF, CR */

	/* data[begin .. end) is read but not consumed */
	char	   *data;
	size_t		capacity;		/* without the padding */
	size_t		max_capacity;
	size_t		begin;
	size_t		end;
	uint64_t	base;			/* offset of data[0] in the file */
	bool		eof;

	uint64_t	line;			/* physical line of data[begin] */
	bool		in_overlong;	/* the rest of the current line is dropped */
	bool		recovering;
	uint64_t	doomed;			/* no record open before this offset ends */
	uint64_t	fit;			/* next line that is a row, or NO_ROW ... */
	bool		fit_known;		/* ... for unterminated quotes before it */

	CsvField   *fields;
	bool	   *is_quoted;
	int			fields_capacity;

	struct csv_parser parser;
	char	   *values;			/* what libcsv unescaped */
	size_t		values_capacity;
	size_t		values_used;
	int			nvalues;		/* fields it gave ... */
	int			max_values;		/* ... and has to give */
};

/* What scan_record found; positions are indexes into the buffer. */
typedef struct Scan
{
	bool		more;			/* nothing certain before more is read */
	bool		plain;			/* no field needs unescaping */
	bool		blanks;			/* some stand around quotes */
	CsvFault	fault;
	int			nfields;		/* stored ones: those before the fault */
	bool		overfull;		/* more than CSV_MAX_FIELDS */
	size_t		fields_end;		/* where the last stored field ends */
	size_t		previous_end;	/* ... and the one before it */
	size_t		end;			/* of the record, or where a fault was found */
	size_t		next;			/* begin of the next record */
	uint64_t	lines;			/* line ends inside quotes */
	uint64_t	fault_line;		/* counted from the record's first */
	size_t		line_end;		/* of the first physical line, if lines > 0 */
	size_t		line_next;
} Scan;

/* Prepares a set of five bytes to look for. */
static void
make_set(ByteSet *set, const char bytes[5])
{
	memset(set, 0, sizeof(*set));
	for (int i = 0; i < 5; i++)
	{
#ifdef __SSE2__
		memset(set->wanted[i], bytes[i], sizeof(set->wanted[i]));
#else
		set->wanted[(unsigned char) bytes[i]] = true;
#endif
	}
}

#ifdef __SSE2__
static inline __m128i
wanted_vector(const ByteSet *set, int number)
{
	return _mm_loadu_si128((const __m128i *) set->wanted[number]);
}

/* Returns a mask of which of 16 bytes are in the set. */
static inline uint64_t
match_vector(const char *p, const ByteSet *set)
{
	__m128i		bytes = _mm_loadu_si128((const __m128i *) p);
	__m128i		newline = _mm_or_si128(_mm_cmpeq_epi8(bytes, wanted_vector(set, 0)),
									   _mm_cmpeq_epi8(bytes, wanted_vector(set, 1)));
	__m128i		quote = _mm_or_si128(_mm_cmpeq_epi8(bytes, wanted_vector(set, 2)),
									 _mm_cmpeq_epi8(bytes, wanted_vector(set, 3)));
	__m128i		delimiter = _mm_cmpeq_epi8(bytes, wanted_vector(set, 4));

	return (unsigned) _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(newline, quote), delimiter));
}
#endif

/*
 * Returns a mask of which bytes of a block are in the set; written out, as
 * compilers do not unroll loops at the usual level.
 */
static inline uint64_t
match_block(const char *block, const ByteSet *set)
{
#ifdef __SSE2__
	return match_vector(block, set) | match_vector(block + 16, set) << 16 |
		match_vector(block + 32, set) << 32 | match_vector(block + 48, set) << 48;
#else
	uint64_t	mask = 0;

	for (int i = 0; i < BLOCK; i++)
		mask |= (uint64_t) set->wanted[(unsigned char) block[i]] << i;
	return mask;
#endif
}

/* Returns the index of the lowest bit of a mask that is not 0. */
static inline unsigned
lowest_bit(uint64_t mask)
{
#ifdef __GNUC__
	return (unsigned) __builtin_ctzll(mask);
#else
	unsigned	bit = 0;

	for (; (mask & 1) == 0; mask >>= 1)
		bit++;
	return bit;
#endif
}

/* Begins a search at p. */
static inline void
begin_search(Search *search, const ByteSet *set, const char *p)
{
	search->set = set;
	search->block = p;
	search->mask = match_block(p, set);
}

/*
 * Finds the first byte of the set at or after p, which only moves forward.
 * There always is one: the set holds LF, and fill() keeps one behind the
 * data.  Fields are short: a mask for a whole block serves several of them.
 */
static inline const char *
find_byte(Search *search, const char *p)
{
	size_t		offset = (size_t) (p - search->block);

	if (offset < BLOCK)
	{
		uint64_t	rest = search->mask >> offset;

		if (rest != 0)
			return p + lowest_bit(rest);
		p = search->block + BLOCK;
	}
	for (;; p += BLOCK)
	{
		uint64_t	mask = match_block(p, search->set);

		if (mask != 0)
		{
			search->block = p;
			search->mask = mask;
			return p + lowest_bit(mask);
		}
	}
}

/* Tells libcsv that no byte is a blank to be trimmed. */
static int
no_space(unsigned char c)
{
	(void) c;
	return 0;
}

/* Sets libcsv up for the reader's dialect. */
static void
init_parser(CsvReader *reader)
{
	struct csv_parser *parser = &reader->parser;

	csv_init(parser, CSV_EMPTY_IS_NULL |
			 (reader->dialect.lenient ? 0 : CSV_STRICT | CSV_STRICT_FINI));
	csv_set_delim(parser, (unsigned char) reader->dialect.delimiter);
	csv_set_quote(parser, (unsigned char) reader->dialect.quote);
	csv_set_space_func(parser, no_space);
	csv_set_blk_size(parser, 65536);	/* its 128 make large fields quadratic */
	csv_set_realloc_func(parser, reader->memory.resize);
	csv_set_free_func(parser, reader->memory.release);
}

/* Opens a reader; see csv_reader.h. */
CsvReader *
csv_reader_open(const CsvDialect *dialect, CsvRead read, void *arg,
				const CsvMemory *memory, size_t max_row)
{
	CsvReader  *reader = memory->allocate(sizeof(CsvReader));
	char		special[5] = {'\n', '\r'};

	memset(reader, 0, sizeof(*reader));
	reader->dialect = *dialect;
	reader->read = read;
	reader->arg = arg;
	reader->memory = *memory;
	reader->line = 1;
	if (dialect->delimiter_text != NULL)
	{
		reader->delimiter = csv_delimiter_open(dialect, read, arg, memory);
		reader->dialect.delimiter = csv_delimiter_byte(reader->delimiter);
		reader->read = csv_delimiter_read;
		reader->arg = reader->delimiter;
	}

	/* sizes below are sums of a few of these and must not overflow */
	if (max_row > SIZE_MAX / 8)
		max_row = SIZE_MAX / 8;
	reader->max_row = max_row > 0 ? max_row : 1;
	reader->window = reader->max_row + 2;
	reader->max_capacity = reader->window +
		(reader->window / 2 > CSV_READER_BUFFER ? reader->window / 2 : CSV_READER_BUFFER);

	if (dialect->escape == '\0')
		reader->dialect.escape = dialect->quote;
	special[2] = dialect->quote != '\0' ? dialect->quote : reader->dialect.delimiter;
	special[3] = dialect->quote != '\0' ? reader->dialect.escape : reader->dialect.delimiter;
	special[4] = reader->dialect.delimiter;
	make_set(&reader->special, special);

	reader->capacity = CSV_READER_BUFFER;
	reader->data = memory->allocate(reader->capacity + PADDING);
	memset(reader->data, '\n', PADDING);

	if (dialect->trim != NULL && dialect->trim[0] != '\0')
	{
		size_t		size = strlen(dialect->trim) + 1;

		reader->trim = memory->allocate(size);
		memcpy(reader->trim, dialect->trim, size);
		for (const char *p = reader->trim; *p != '\0'; p++)
			if ((unsigned char) *p < 128)
				reader->trim_ascii[(unsigned char) *p] = true;
	}
	reader->dialect.trim = reader->trim;
	reader->has_blanks = reader->trim_ascii[' '] && dialect->quote != '\0';
	for (int c = 0; reader->has_blanks && c < 128; c++)
		reader->blanks[c] = reader->trim_ascii[c] && c != reader->dialect.delimiter && c != dialect->quote &&
			c != reader->dialect.escape && c != '\n' && c != '\r';

	init_parser(reader);
	return reader;
}

/* Releases the reader and all it holds. */
void
csv_reader_close(CsvReader *reader)
{
	void		(*release) (void *) = reader->memory.release;

	csv_free(&reader->parser);
	if (reader->values != NULL)
		release(reader->values);
	if (reader->fields != NULL)
	{
		release(reader->fields);
		release(reader->is_quoted);
	}
	if (reader->trim != NULL)
		release(reader->trim);
	if (reader->delimiter != NULL)
		csv_delimiter_close(reader->delimiter);
	release(reader->data);
	release(reader);
}

/* Sets the number of fields in a row, 0 for any. */
void
csv_reader_expect(CsvReader *reader, int nfields)
{
	reader->expected = nfields;
	reader->fit_known = false;
}

/*
 * Reads until the unconsumed bytes have doubled, or are a whole window, or
 * the file ends.  Moves the data: indexes from begin stay, pointers do not.
 */
static void
fill(CsvReader *reader)
{
	size_t		have = reader->end - reader->begin;
	size_t		target = have < reader->window / 2 ? 2 * have + 1 : reader->window;

	if (reader->eof)
		return;

	if (reader->begin + target > reader->capacity)
	{
		memmove(reader->data, reader->data + reader->begin, have);
		reader->base += reader->begin;
		reader->begin = 0;
		reader->end = have;

		if (target > reader->capacity)
		{
			size_t		capacity = 2 * reader->capacity;

			if (capacity < target)
				capacity = target;
			if (capacity > reader->max_capacity)
				capacity = reader->max_capacity;
			reader->data = reader->memory.resize(reader->data, capacity + PADDING);
			reader->capacity = capacity;
		}
	}

	while (!reader->eof && reader->end - reader->begin < target)
	{
		size_t		n = reader->read(reader->arg, reader->data + reader->end,
									 reader->capacity - reader->end);

		reader->eof = (n == 0);
		reader->end += n;
	}

	/* the sentinel that stops find_byte */
	memset(reader->data + reader->end, '\n', PADDING);
}

/*
 * Returns the index after the line end at `at`, where a CR or LF stands; 0 if
 * it is a CR and what follows is not read yet.
 */
static size_t
after_line_end(const CsvReader *reader, size_t at)
{
	if (reader->data[at] == '\n')
		return at + 1;
	if (at + 1 < reader->end)
		return reader->data[at + 1] == '\n' ? at + 2 : at + 1;
	return reader->eof ? at + 1 : 0;
}

/*
 * Finds the first line end at or after `from` and before `limit`; result: its
 * index, or limit.
 */
static size_t
find_line_end(const CsvReader *reader, size_t from, size_t limit)
{
	const char *data = reader->data;
	Search		search;

	if (from >= limit)
		return limit;
	begin_search(&search, &reader->special, data + from);
	for (; from < limit; from++)
	{
		from = (size_t) (find_byte(&search, data + from) - data);
		if (from < limit && (data[from] == '\n' || data[from] == '\r'))
			return from;
	}
	return limit;
}

/* Drops the rest of the current physical line; false: there was nothing. */
static bool
drop_line(CsvReader *reader)
{
	bool		dropped = false;

	for (;;)
	{
		size_t		at = find_line_end(reader, reader->begin, reader->end);

		if (at > reader->begin)
			dropped = true;
		reader->begin = at;
		if (at < reader->end)
		{
			size_t		next = after_line_end(reader, at);

			if (next > 0)
			{
				reader->begin = next;
				reader->line++;
				return true;
			}
		}
		else if (reader->eof)
			return dropped;
		fill(reader);
	}
}

/* Drops what is left of a line that was too long to be given whole. */
static void
leave_overlong(CsvReader *reader)
{
	if (reader->in_overlong)
		drop_line(reader);
	reader->in_overlong = false;
}

/* Skips one physical line; false: there was none left. */
bool
csv_reader_skip_line(CsvReader *reader)
{
	leave_overlong(reader);
	return drop_line(reader);
}

/* Whether the next byte is there, and ends no line. */
static inline bool
line_has_begun(const CsvReader *reader)
{
	return reader->begin < reader->end &&
		reader->data[reader->begin] != '\n' && reader->data[reader->begin] != '\r';
}

/* Skips empty lines; false: nothing follows them. */
static bool
skip_empty_lines(CsvReader *reader)
{
	while (!line_has_begun(reader))
	{
		if (reader->begin < reader->end)
		{
			size_t		next = after_line_end(reader, reader->begin);

			if (next > 0)
			{
				reader->begin = next;
				reader->line++;
				continue;
			}
		}
		else if (reader->eof)
			return false;
		fill(reader);
	}
	return true;
}

/* Makes room for more fields; false: there are CSV_MAX_FIELDS already. */
static bool
grow_fields(CsvReader *reader)
{
	int			capacity = reader->fields_capacity > 0 ? 2 * reader->fields_capacity : 64;

	if (reader->fields_capacity == CSV_MAX_FIELDS)
		return false;
	if (capacity > CSV_MAX_FIELDS)
		capacity = CSV_MAX_FIELDS;
	reader->fields = reader->memory.resize(reader->fields,
										   (size_t) capacity * sizeof(CsvField));
	reader->is_quoted = reader->memory.resize(reader->is_quoted,
											  (size_t) capacity * sizeof(bool));
	reader->fields_capacity = capacity;
	return true;
}

/* The first byte from p on that is no blank, or limit. */
static const char *
skip_blanks(const bool *blanks, const char *p, const char *limit)
{
	while (p < limit && blanks[(unsigned char) *p])
		p++;
	return p;
}

/*
 * Scans the record that begins at index `start`, not at an empty line, and
 * stores its fields as they stand in the buffer.
 *
 * `trying` says that it is an attempt to take up again after a fault: such a
 * one also fails where it crosses a line end not after the offset `doomed`,
 * and when it spans lines and has too many fields.
 */
static void
scan_record(CsvReader *reader, size_t start, bool trying, uint64_t doomed, Scan *scan)
{
	const char *data = reader->data;
	const char	delimiter = reader->dialect.delimiter;
	const char	quote = reader->dialect.quote;
	const char	escape = reader->dialect.escape;
	const bool	lenient = reader->dialect.lenient;
	const bool	quoted_null = reader->dialect.quoted_empty_null;
	const bool	whole_window = reader->end - start >= reader->window;
	const bool	final = reader->eof && !whole_window;	/* limit is the file's end */
	const char *limit = data + (whole_window ? start + reader->window : reader->end);
	const char *p = data + start;
	const char *stop;
	const char *fields_end = p;
	const char *previous_end = p;
	const bool *blanks = reader->has_blanks ? reader->blanks : NULL;
	CsvField   *field = reader->fields;
	bool	   *quoted_flag = reader->is_quoted;
	int			capacity = reader->fields_capacity;
	int			nfields = 0;
	Search		search;

	memset(scan, 0, sizeof(*scan));
	scan->plain = true;
	begin_search(&search, &reader->special, p);

	for (;;)
	{
		const char *value = p;
		const char *behind = NULL;	/* blanks after a quote that closes */
		size_t		length;
		bool		is_quoted = false;

		if (blanks != NULL && p < limit && blanks[(unsigned char) *p])
		{
			const char *at = skip_blanks(blanks, p, limit);

			stop = limit;
			if (at == limit && !final)
				goto undecided;
			if (at < limit && *at == quote)
			{
				scan->blanks = true;
				p = at;
			}
		}
		if (quote != '\0' && p < limit && *p == quote)
		{
			bool		stray = false;
			uint64_t	first_line = scan->lines;

			is_quoted = true;
			value = ++p;
			for (;;)
			{
				stop = find_byte(&search, p);
				if (stop >= limit)
				{
					stop = limit;
					if (!final)
						goto undecided;
					scan->fault = CSV_UNTERMINATED_QUOTE;
					scan->fault_line = first_line;
					goto done;
				}

				if (*stop == quote)
				{
					char		following;

					if (stop + 1 == limit)
					{
						if (!final)
							goto undecided;
						break;
					}
					following = stop[1];
					if (following == delimiter || following == '\n' || following == '\r')
						break;
					if (blanks != NULL && blanks[(unsigned char) following])
					{
						behind = skip_blanks(blanks, stop + 1, limit);
						if (behind == limit && !final)
							goto undecided;
						if (behind == limit || *behind == delimiter || *behind == '\n' || *behind == '\r')
						{
							scan->blanks = true;
							break;
						}
						behind = NULL;
					}
					if (following == quote && escape == quote)
					{
						scan->plain = false;
						p = stop + 2;
						continue;
					}
					if (!lenient || scan->lines > first_line)
						goto stray_quote;
					stray = true;
					scan->plain = false;
					p = stop + 1;
				}
				else if (*stop == '\n' || *stop == '\r')
				{
					if (stray)
						goto stray_quote;
					p = stop + 1;
					if (*stop == '\r')
					{
						if (p < limit)
							p += (*p == '\n');
						else if (!final)
							goto undecided;
					}
					if (scan->lines++ == 0)
					{
						scan->line_end = (size_t) (stop - data);
						scan->line_next = (size_t) (p - data);
					}
					if (trying && reader->base + (size_t) (p - data) <= doomed)
					{
						scan->fault = CSV_PASSED_OVER;
						goto done;
					}
					if (trying && reader->expected > 0 && nfields >= reader->expected)
					{
						scan->fault = CSV_TOO_MANY_FIELDS;
						goto done;
					}
				}
				else if (*stop == escape && stop + 1 < limit &&
						 (stop[1] == quote || stop[1] == escape))
				{
					scan->plain = false;
					p = stop + 2;
				}
				else
					p = stop + 1;	/* a delimiter, or an escape that is data */
			}
			length = (size_t) (stop - value);
			stop = behind != NULL ? behind : stop + 1;
		}
		else
		{
			stop = find_byte(&search, p);
			while (stop < limit && *stop != delimiter && *stop != '\n' && *stop != '\r')
			{
				/* a quote, or an escape character, which is data here */
				if (*stop == quote)
				{
					if (!lenient)
						goto stray_quote;
					scan->plain = false;
				}
				stop = find_byte(&search, stop + 1);
			}
			if (stop >= limit)
			{
				stop = limit;
				if (!final)
					goto undecided;
			}
			length = (size_t) (stop - value);
		}

		if (nfields == capacity)
		{
			if (!grow_fields(reader))
			{
				scan->overfull = true;
				goto stored;
			}
			capacity = reader->fields_capacity;
			field = reader->fields + nfields;
			quoted_flag = reader->is_quoted + nfields;
		}
		field->data = (length == 0 && (!is_quoted || quoted_null)) ? NULL : value;
		field->length = length;
		field++;
		*quoted_flag++ = is_quoted;
		nfields++;
		previous_end = fields_end;
		fields_end = stop;

stored:
		p = stop + 1;
		if (stop < limit && *stop == delimiter)
			continue;
		if (stop == limit)
			p = limit;			/* only at the end of the file */
		else if (*stop == '\r')
		{
			/* at a whole window's end the row is too long, whatever follows */
			if (p < limit)
				p += (*p == '\n');
			else if (!final && !whole_window)
				goto undecided;
		}
		scan->next = (size_t) (p - data);
		goto done;
	}

stray_quote:
	scan->fault = CSV_STRAY_QUOTE;
	scan->fault_line = scan->lines;
	goto done;

undecided:
	if (!whole_window)
	{
		scan->more = true;
		return;
	}
	scan->fault = CSV_ROW_TOO_LONG;

done:
	scan->nfields = nfields;
	scan->fields_end = (size_t) (fields_end - data);
	scan->previous_end = (size_t) (previous_end - data);
	scan->end = (size_t) (stop - data);
}

/*
 * Adds to a scan the faults that only show once the record has ended; result:
 * whether the record is a row.  Where a row is looked for after a fault, it must
 * not be short, whatever the dialect says.
 */
static inline bool
judge(const CsvReader *reader, size_t start, bool short_rows, Scan *scan)
{
	if (scan->fault != CSV_OK)
		return false;
	if (scan->end - start > reader->max_row)
	{
		scan->fault = CSV_ROW_TOO_LONG;

		/* as if it had been cut off inside its last field */
		scan->nfields--;
		scan->fields_end = scan->previous_end;
	}
	else if (scan->overfull || (reader->expected > 0 && scan->nfields > reader->expected))
		scan->fault = CSV_TOO_MANY_FIELDS;
	else if (scan->nfields < reader->expected && !(short_rows && reader->dialect.short_rows))
		scan->fault = CSV_TOO_FEW_FIELDS;
	return scan->fault == CSV_OK;
}

/*
 * Finds the first physical line of a record, for scans that did not cross a
 * line end; false: it is not in the buffer yet.  A line longer than max_row
 * ends, for the caller, after so many bytes.
 */
static bool
find_first_line(const CsvReader *reader, size_t start, Scan *scan)
{
	bool		whole_window = reader->end - start >= reader->window;
	size_t		limit = whole_window ? start + reader->window : reader->end;

	if (scan->lines == 0)
	{
		scan->line_end = find_line_end(reader, start, limit);
		if (scan->line_end == limit)
		{
			if (!whole_window && !reader->eof)
				return false;
			scan->line_next = limit;
		}
		else if (scan->line_end - start <= reader->max_row)
		{
			scan->line_next = after_line_end(reader, scan->line_end);
			if (scan->line_next == 0)
				return false;
		}
	}
	return true;
}

/*
 * Remembers the offset of the next line that is a row, after the line of an
 * unterminated quote that ends at index `at`; all up to the end of the file
 * is in the buffer.  A record of several lines would cross a line end inside
 * that quote and so not end either: only single lines come into question.
 */
static void
find_fit(CsvReader *reader, size_t at)
{
	Scan		scan;

	reader->fit_known = true;
	reader->fit = NO_ROW;
	while (at < reader->end)
	{
		if (reader->data[at] != '\n' && reader->data[at] != '\r')
		{
			scan_record(reader, at, true, NO_ROW, &scan);
			if (judge(reader, at, false, &scan))
			{
				reader->fit = reader->base + at;
				return;
			}
			at = find_line_end(reader, at, reader->end);
		}
		if (at < reader->end)
			at = after_line_end(reader, at);
	}
}

/* Takes a field from libcsv. */
static void
take_value(void *data, size_t length, void *arg)
{
	CsvReader  *reader = arg;
	char	   *value = reader->values + reader->values_used;
	CsvField   *field;

	if (reader->nvalues++ >= reader->max_values)
		return;
	field = &reader->fields[reader->nvalues - 1];
	field->length = length;
	field->data = NULL;
	if (data == NULL)
		return;
	if (length > 0)
		memcpy(value, data, length);
	reader->values_used += length;
	if (length > 0 || !reader->dialect.quoted_empty_null)
		field->data = value;
}

/* Gives libcsv some bytes; false: it refused them. */
static bool
feed(CsvReader *reader, const char *bytes, size_t length)
{
	return length == 0 ||
		csv_parse(&reader->parser, bytes, length, take_value, NULL, reader) == length;
}

/*
 * Gives libcsv the content of a quoted field, every quote in it doubled and
 * every pair with an escape character as the byte it stands for.
 */
static bool
feed_quoted(CsvReader *reader, const char *content, size_t length)
{
	const char	quote = reader->dialect.quote;
	const char	escape = reader->dialect.escape;
	const char	doubled[2] = {quote, quote};
	const char *run = content;
	const char *end;

	if (length == 0)
		return true;			/* content may be NULL */

	end = content + length;
	for (const char *p = content; p < end; p++)
	{
		if (*p == escape && p + 1 < end && (p[1] == quote || p[1] == escape))
		{
			if (!feed(reader, run, (size_t) (p - run)))
				return false;
			run = ++p;			/* the escape character goes */
		}
		if (*p == quote)
		{
			if (!feed(reader, run, (size_t) (p - run)) || !feed(reader, doubled, 2))
				return false;
			run = p + 1;
		}
	}
	return feed(reader, run, (size_t) (end - run));
}

/*
 * Unescapes the fields of a record through libcsv; false if libcsv sees it
 * otherwise than the scanner did, which cannot happen.
 *
 * libcsv knows only doubled quotes.  With another escape character the record
 * is rewritten on the way, in pieces, so that no copy of it is made.
 */
static bool
unescape(CsvReader *reader, size_t start, const Scan *scan)
{
	const CsvDialect *dialect = &reader->dialect;
	size_t		length = scan->fields_end - start;
	bool		good = true;

	/* all at once: fields point into it.  A pair never gives more than it was */
	if (length > reader->values_capacity)
	{
		size_t		capacity = 2 * reader->values_capacity;

		if (capacity < length)
			capacity = length;
		if (capacity > reader->window)
			capacity = reader->window;
		reader->values = reader->memory.resize(reader->values, capacity);
		reader->values_capacity = capacity;
	}
	reader->values_used = 0;
	reader->nvalues = 0;
	reader->max_values = scan->nfields;

	if (dialect->escape == dialect->quote && !scan->blanks)
		good = feed(reader, reader->data + start, length);
	else
	{
		for (int i = 0; good && i < scan->nfields; i++)
		{
			/* libcsv is behind by one field, so this one is still as scanned */
			CsvField	field = reader->fields[i];

			if (i > 0)
				good = feed(reader, &dialect->delimiter, 1);
			if (good && reader->is_quoted[i])
				good = feed(reader, &dialect->quote, 1) &&
					feed_quoted(reader, field.data, field.length) &&
					feed(reader, &dialect->quote, 1);
			else if (good)
				good = feed(reader, field.data, field.length);
		}
	}
	if (good)
		good = csv_fini(&reader->parser, take_value, NULL, reader) == 0;
	if (!good)
	{
		/* after an error its state is of no use */
		csv_free(&reader->parser);
		init_parser(reader);
	}
	return good && reader->nvalues == scan->nfields;
}

/*
 * Returns the length in bytes of the character of the trim set at the
 * beginning, or at the end, of a value; 0: there is none.
 */
static size_t
trim_length(const CsvReader *reader, const char *value, size_t length, bool at_end)
{
	unsigned char c;

	if (length == 0)
		return 0;
	c = (unsigned char) value[at_end ? length - 1 : 0];
	if (c < 128)
		return reader->trim_ascii[c] ? 1 : 0;

	for (const char *p = reader->trim; *p != '\0';)
	{
		size_t		n = 1;

		while (((unsigned char) p[n] & 0xC0) == 0x80)
			n++;
		if (n > 1 && n <= length && memcmp(at_end ? value + length - n : value, p, n) == 0)
			return n;
		p += n;
	}
	return 0;
}

/* Cuts the characters of the trim set off both ends of the first fields. */
static void
trim_fields(CsvReader *reader, int nfields)
{
	for (int i = 0; i < nfields; i++)
	{
		CsvField   *field = &reader->fields[i];
		size_t		n;

		while ((n = trim_length(reader, field->data, field->length, false)) > 0)
		{
			field->data += n;
			field->length -= n;
		}
		while ((n = trim_length(reader, field->data, field->length, true)) > 0)
			field->length -= n;
		if (field->length == 0 &&
			(!reader->is_quoted[i] || reader->dialect.quoted_empty_null))
			field->data = NULL;
	}
}

/* Gives the line at which the next row would begin; see csv_reader.h. */
bool
csv_reader_peek_line(CsvReader *reader, const char **line, size_t *length)
{
	leave_overlong(reader);
	if (!skip_empty_lines(reader))
		return false;
	for (;;)
	{
		size_t		end = find_line_end(reader, reader->begin, reader->end);

		if (end < reader->end || reader->eof || end - reader->begin >= reader->max_row)
		{
			*line = reader->data + reader->begin;
			*length = end - reader->begin;
			if (reader->delimiter != NULL)
				csv_delimiter_restore_line(reader->delimiter, line, length, reader->max_row);
			return true;
		}
		fill(reader);
	}
}

/* Whether that line is the last one; see csv_reader.h. */
bool
csv_reader_at_last_line(CsvReader *reader)
{
	for (;;)
	{
		size_t		at = find_line_end(reader, reader->begin, reader->end);

		while (at < reader->end && (reader->data[at] == '\n' || reader->data[at] == '\r'))
			at++;
		if (at < reader->end || reader->end - reader->begin >= reader->window)
			return false;
		if (reader->eof)
			return true;
		fill(reader);
	}
}

/* Reads the next row, with delimiters of one byte. */
static CsvStatus
next_row(CsvReader *reader, CsvRow *row)
{
	Scan		scan;
	size_t		start;
	size_t		raw_end;
	size_t		next;
	bool		is_row;
	bool		whole;			/* the record's end is certain */

	leave_overlong(reader);
	if (!line_has_begun(reader) && !skip_empty_lines(reader))
		return CSV_END;

	/* scanned again each time more had to be read or looked at */
	for (;;)
	{
		start = reader->begin;
		scan_record(reader, start, reader->recovering, reader->doomed, &scan);
		if (scan.more)
		{
			fill(reader);
			continue;
		}
		is_row = judge(reader, start, !reader->recovering, &scan);
		whole = is_row || (scan.lines == 0 && (scan.fault == CSV_TOO_FEW_FIELDS ||
											   scan.fault == CSV_TOO_MANY_FIELDS));
		if (whole)
			break;
		if (!find_first_line(reader, start, &scan))
		{
			fill(reader);
			continue;
		}
		if (scan.fault != CSV_UNTERMINATED_QUOTE)
			break;
		if (reader->fit_known && reader->base + start < reader->fit)
		{
			if (reader->fit == NO_ROW)
				scan.fault = CSV_UNTERMINATED_AT_END;
			break;
		}
		find_fit(reader, scan.line_next);
	}

	row->line = reader->line;
	row->fault = scan.fault;
	row->fault_line = reader->line + scan.fault_line;
	row->fault_field = is_row ? -1 : scan.nfields;
	if (scan.fault == CSV_TOO_MANY_FIELDS && reader->expected > 0 &&
		reader->expected < scan.nfields)
		row->fault_field = reader->expected;
	row->anchored = !reader->recovering;

	if (whole)
	{
		raw_end = scan.end;
		next = scan.next;
		reader->line += scan.lines + 1;
		if (is_row)
			reader->recovering = false;
	}
	else
	{
		raw_end = scan.line_end;
		next = scan.line_next;
		if (raw_end - start > reader->max_row)
		{
			raw_end = next = start + reader->max_row;
			reader->in_overlong = true;
		}
		else
			reader->line++;
		reader->recovering = true;

		/* these stop wherever they began, given that the quotes are open */
		if (scan.next == 0 && scan.fault != CSV_PASSED_OVER &&
			scan.fault != CSV_TOO_MANY_FIELDS && reader->doomed < reader->base + scan.end)
			reader->doomed = reader->base + scan.end;
	}

	/* libcsv takes no bytes at all for no record, here they are one empty field */
	if (!scan.plain && scan.fields_end > start && !unescape(reader, start, &scan))
	{
		is_row = false;
		scan.nfields = 0;
		row->fault = CSV_STRAY_QUOTE;
		row->fault_field = 0;
	}
	if (reader->trim != NULL)
		trim_fields(reader, scan.nfields);
	row->raw = reader->data + start;
	row->raw_length = raw_end - start;
	row->nfields = scan.nfields;
	row->fields = reader->fields;
	row->quoted = reader->is_quoted;
	reader->begin = next;
	return is_row ? CSV_ROW : CSV_FAULT;
}

/* Reads the next row; see csv_reader.h. */
CsvStatus
csv_reader_next(CsvReader *reader, CsvRow *row)
{
	CsvStatus	status = next_row(reader, row);

	if (reader->delimiter == NULL || status == CSV_END ||
		csv_delimiter_restore_row(reader->delimiter, row, reader->max_row) || status == CSV_FAULT)
		return status;
	row->fault = CSV_ROW_TOO_LONG;
	row->fault_field = 0;
	return CSV_FAULT;
}
