/*
 * csv_reader.h
 *		Rows of a CSV file with line numbers, raw text and recovery.
 *
 * Free of the server's headers, so that it also runs under sanitizers and
 * a fuzzer.  What the grammar is, and how reading takes up again after a
 * fault, is told at the head of csv_reader.c.
 */
#ifndef CSV_READER_H
#define CSV_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config/csv_dialect.h"

/* More fields than this in one row are a fault, however many are expected. */
#define CSV_MAX_FIELDS 65535

typedef enum CsvStatus
{
	CSV_ROW,					/* a well-formed row of the expected width */
	CSV_FAULT,					/* a row that cannot be used; see CsvFault */
	CSV_END						/* nothing is left */
} CsvStatus;

typedef enum CsvFault
{
	CSV_OK,
	CSV_STRAY_QUOTE,			/* quote inside a field, or text after it closed */
	CSV_UNTERMINATED_QUOTE,		/* never closed, but a later line is a row again */
	CSV_UNTERMINATED_AT_END,	/* never closed, and no row follows: a cut file */
	CSV_TOO_FEW_FIELDS,
	CSV_TOO_MANY_FIELDS,
	CSV_ROW_TOO_LONG,			/* longer than max_row, or a quote open that long */
	CSV_PASSED_OVER				/* part of the quoted field that failed before */
} CsvFault;

typedef struct CsvField
{
	const char *data;			/* not terminated; NULL: the field is null */
	size_t		length;			/* in bytes */
} CsvField;

typedef struct CsvRow
{
	uint64_t	line;			/* physical line it begins at, from 1 */
	const char *raw;			/* its text as read, without its line end */
	size_t		raw_length;		/* in bytes; at most max_row */
	int			nfields;
	CsvField   *fields;
	const bool *quoted;			/* per field: whether it stood in quotes */
	CsvFault	fault;			/* CSV_OK for a CSV_ROW */
	int			fault_field;	/* 0-based; -1 for a CSV_ROW */
	uint64_t	fault_line;		/* physical line of the fault */

	/*
	 * The row's beginning is certain, and with it the fields before
	 * fault_field: no quote went astray since the last CSV_ROW.
	 */
	bool		anchored;
} CsvRow;

/*
 * Reads up to capacity bytes into buffer; result: bytes read, 0 at the end.
 * May leave by longjmp.
 */
typedef size_t (*CsvRead) (void *arg, char *buffer, size_t capacity);

/*
 * Memory as malloc, realloc and free give it.  Never NULL: a hook that fails
 * leaves by longjmp or ends the program.  resize may be given NULL.
 */
typedef struct CsvMemory
{
	void	   *(*allocate) (size_t size);
	void	   *(*resize) (void *pointer, size_t size);
	void		(*release) (void *pointer);
} CsvMemory;

typedef struct CsvReader CsvReader;

/*
 * Opens a reader at the first byte of a file; max_row is in bytes.
 *
 * After a hook or the read function has left by longjmp the reader may only
 * be forgotten together with the memory it was given: not even closed.
 */
extern CsvReader *csv_reader_open(const CsvDialect *dialect, CsvRead read,
								  void *arg, const CsvMemory *memory,
								  size_t max_row);

/* Sets the number of fields rows must have from now on; 0: any. */
extern void csv_reader_expect(CsvReader *reader, int nfields);

/* Reads the next row; it stays valid until the next call on this reader. */
extern CsvStatus csv_reader_next(CsvReader *reader, CsvRow *row);

/* Skips one physical line, also an empty one; false: there was none left. */
extern bool csv_reader_skip_line(CsvReader *reader);

/*
 * The physical line at which the next row would begin, without its end, up to
 * max_row bytes of it; false: none is left.  It stays valid until the next call.
 */
extern bool csv_reader_peek_line(CsvReader *reader, const char **line, size_t *length);

/* Whether nothing but empty lines follows that line. */
extern bool csv_reader_at_last_line(CsvReader *reader);

/* Releases the reader and the rows it gave. */
extern void csv_reader_close(CsvReader *reader);

#endif							/* CSV_READER_H */
