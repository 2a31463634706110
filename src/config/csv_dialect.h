/*
 * csv_dialect.h
 *		How a CSV file is written.
 *
 * Free of the server's headers, as csv_reader.h is.
 */
#ifndef CSV_DIALECT_H
#define CSV_DIALECT_H

#include <stdbool.h>

/* A delimiter may have so many bytes. */
#define CSV_MAX_DELIMITER 8

typedef struct CsvDialect
{
	char		delimiter;
	const char *delimiter_text; /* of several bytes, in its place; NULL: none */
	char		quote;			/* '\0': no quoting at all */
	char		escape;			/* inside quotes; '\0' or quote: doubled quotes */
	bool		lenient;		/* stray quotes are data where that is safe */
	bool		quoted_empty_null;	/* "" is null, not the empty string */
	const char *trim;			/* UTF-8 characters cut off values, or NULL; with the
								 * blank, those around quotes do not belong to them */
	bool		short_rows;		/* a row may lack fields at its end */
} CsvDialect;

#endif							/* CSV_DIALECT_H */
