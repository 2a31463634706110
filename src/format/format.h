/*
 * format.h
 *		Formats of mapped values: source text in, text for the target type out.
 *
 * A column of a mapping may carry a "format" (SPEC 2.1).  It is parsed once
 * and then applied to every value of the column, before the value goes to the
 * input function of the target's type.
 */
#ifndef SYNCUP_FORMAT_H
#define SYNCUP_FORMAT_H

typedef struct Format Format;

/*
 * Parse the specification of a format, in the current memory context.
 *
 * An unknown name or a wrong parameter is an error
 * (ERRCODE_INVALID_PARAMETER_VALUE) with a hint that lists the formats.
 */
extern Format *format_parse(const char *spec);

/*
 * Turn a value, not empty and in the server's encoding, into text for the
 * target's type, in the current memory context; NULL means null.
 *
 * A value that does not fit is an error: ERRCODE_INVALID_DATETIME_FORMAT or
 * ERRCODE_DATETIME_FIELD_OVERFLOW from the formats of times,
 * ERRCODE_INVALID_TEXT_REPRESENTATION from the others.  The error names the
 * format and the reason, never the value.
 *
 * The caller has set TimeZone to the mapping's "timezone": "datetime" reads
 * times that name no zone in it.  No other setting of the session matters.
 * What is allocated on the way is left to the caller's context, which should
 * be one that is reset from row to row.
 */
extern char *format_apply(const Format *format, const char *value);

#endif							/* SYNCUP_FORMAT_H */
