/*
 * convert.h
 *		Text of a file to a value of a column: format, then the type's input
 *		function; and back.
 */
#ifndef SYNCUP_CONVERT_H
#define SYNCUP_CONVERT_H

#include "syncup.h"
#include "format.h"

typedef struct Converter
{
	Oid			type;
	int32		typmod;
	Format	   *format;			/* NULL: none */
	FmgrInfo	input;
	Oid			input_param;
	FmgrInfo	output;
} Converter;

/* Prepares conversions for a type; format is a specification or NULL. */
extern void converter_init(Converter *converter, Oid type, int32 typmod,
						   const char *format);

/*
 * The value of the text (NULL: null), in the current memory context.  The
 * settings must be pinned.  A refusal is the format's or the type's error,
 * without the text itself where the format finds it.
 */
extern Datum convert_text(Converter *converter, const char *text, bool *isnull);

/* The text of a value, as its type writes it. */
extern char *convert_value(Converter *converter, Datum value);

#endif							/* SYNCUP_CONVERT_H */
