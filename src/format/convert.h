/*
 * convert.h
 *		Text of a file to a value of a column: format, then the type's input
 *		function; and back.
 */
#ifndef SYNCUP_CONVERT_H
#define SYNCUP_CONVERT_H

#include "syncup.h"
#include "digest/digest.h"
#include "format/format.h"

typedef struct Converter
{
	Oid			type;
	int32		typmod;
	Format	   *format;			/* NULL: none */
	FmgrInfo	input;
	Oid			input_param;
	FmgrInfo	output;
	int16		typlen;
	bool		typbyval;
	bool		takes_all;		/* text without a format: every value is good */
	bool		refuses_words;	/* "today" and the like, which a date or time takes */
} Converter;

/*
 * Prepares conversions for a type; format is a specification or NULL.  Words
 * that mean another time in each run, such as today and now, are refused unless
 * refuses_words is taken back.
 */
extern void converter_init(Converter *converter, Oid type, int32 typmod,
						   const char *format);

/*
 * The value of the text (NULL: null), in the current memory context.  The
 * settings must be pinned.  A refusal is the format's or the type's error,
 * without the text itself where the format finds it.
 */
extern Datum convert_text(Converter *converter, const char *text, bool *isnull);

/* The same of a field, not terminated, or of a stored text; NULL or 0: null. */
extern Datum convert_field(Converter *converter, const char *field, size_t length, bool *isnull);
extern Datum convert_stored(Converter *converter, Datum stored, bool *isnull);

/* Adds a value's binary form; see row_bytes_add_value(). */
extern void converter_add_bytes(const Converter *converter, RowBytes *bytes,
								Datum value, bool isnull);

/* The text of a value, as its type writes it. */
extern char *convert_value(Converter *converter, Datum value);

#endif							/* SYNCUP_CONVERT_H */
