/*
 * csv_delimiter.h
 *		Delimiters of several bytes: a pass of their own before the CSV reader's.
 *
 * Free of the server's headers, as csv_reader.h.
 */
#ifndef CSV_DELIMITER_H
#define CSV_DELIMITER_H

#include "csv/csv_reader.h"

typedef struct CsvDelimiter CsvDelimiter;

/* Stands between a file and a CSV reader of the dialect, which has a delimiter_text. */
extern CsvDelimiter *csv_delimiter_open(const CsvDialect *dialect, CsvRead read, void *arg,
										const CsvMemory *memory);
extern void csv_delimiter_close(CsvDelimiter *delimiter);

/* The byte that stands for the delimiter in what is read from it. */
extern char csv_delimiter_byte(const CsvDelimiter *delimiter);

/* A CsvRead, whose arg is the delimiter. */
extern size_t csv_delimiter_read(void *arg, char *buffer, size_t capacity);

/*
 * Makes raw text and fields of a row what they are in the file.  false: its raw text
 * is longer than max_row, and is cut there; of the fields nothing is left.
 */
extern bool csv_delimiter_restore_row(CsvDelimiter *delimiter, CsvRow *row, size_t max_row);

/* The same of a line, of which at most max_length bytes are given. */
extern void csv_delimiter_restore_line(CsvDelimiter *delimiter, const char **line, size_t *length,
									   size_t max_length);

#endif							/* CSV_DELIMITER_H */
