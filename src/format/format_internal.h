/*
 * format_internal.h
 *		What the files of the formats share; nobody else includes it.
 *
 * The table in format.c refers to functions of the other files, and those to
 * helpers of each other.  Their names are plain, as they were when all was one
 * file, and the server loads libraries with their symbols open to all
 * others (RTLD_GLOBAL): hidden, they cannot be taken for another's.
 */
#ifndef SYNCUP_FORMAT_INTERNAL_H
#define SYNCUP_FORMAT_INTERNAL_H

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "format/format.h"

/* Known to format.c and format_time.c alone. */
typedef struct FormatType FormatType;
typedef struct DateField DateField;

/* Why a value was refused; reason is NULL while it is not. */
typedef struct Refusal
{
	int			sqlstate;
	const char *reason;			/* a sentence without the value */
} Refusal;

/* A format; u has what its parse function made of the parameter. */
struct Format
{
	const FormatType *type;
	char	   *spec;
	union
	{
		struct
		{
			DateField  *fields;
			int			nfields;
			bool		fixed;	/* FX: no leading zero, no blank may lack */
			bool		zone;
			bool		weeks;	/* ISO 8601 weeks, not calendar dates */
			text	   *pattern;	/* the keywords alone, for to_timestamp */
		}			datetime;
		struct
		{
			char	  **words;	/* in lower case, those for true first */
			int			ntrue;
			int			nwords;
		}			boolean;
		struct
		{
			const char *text;	/* NULL: line breaks */
			int			length;
		}			separator;
		struct
		{
			char	   *decimal;
			char	   *groups[4];	/* ends with NULL */
			bool		sign_behind;
		}			number;
		bool		base64;		/* guid: binary as base64, else as hex */
		int			bit;
		Oid			function;	/* of an extension, that does it */
	}			u;
};

/* isdigit() and its like depend on the locale; these do not. */
#define IS_DIGIT(c) ((c) >= '0' && (c) <= '9')
#define IS_LETTER(c) (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))

/* Give the value of a hexadecimal digit, -1 for another character. */
static inline int
hex_digit(char c)
{
	if (IS_DIGIT(c))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* format.c */
extern char *refuse(Refusal *refusal, int sqlstate, const char *reason);
extern char *refuse_text(Refusal *refusal, const char *reason);
extern char *refuse_time(Refusal *refusal, const char *reason);
extern char *refuse_range(Refusal *refusal, const char *reason);
extern int utf8_to_server(const unsigned char *octets, int length,
						  char out[MAX_MULTIBYTE_CHAR_LEN + 1]);

/* format_time.c */
extern const char *parse_datetime_pattern(Format *format,
										  const char *parameter);
extern char *apply_datetime(const Format *format, const char *value,
							Refusal *refusal);
extern char *apply_generalizedtime(const Format *format, const char *value,
								   Refusal *refusal);
extern char *apply_filetime(const Format *format, const char *value,
							Refusal *refusal);

/* format_identity.c */
extern const char *parse_guid_parameter(Format *format,
										const char *parameter);
extern char *apply_guid_text(const Format *format, const char *value,
							 Refusal *refusal);
extern char *apply_guid_binary(const Format *format, const char *value,
							   Refusal *refusal);
extern char *apply_sid(const Format *format, const char *value,
					   Refusal *refusal);
extern char *apply_rdn(const Format *format, const char *value,
					   Refusal *refusal);

/* format_text.c */
extern char *apply_upper(const Format *format, const char *value, Refusal *refusal);
extern char *apply_lower(const Format *format, const char *value, Refusal *refusal);
extern char *apply_title(const Format *format, const char *value, Refusal *refusal);
extern char *apply_first_name(const Format *format, const char *value, Refusal *refusal);
extern char *apply_ascii(const Format *format, const char *value, Refusal *refusal);
extern char *apply_simplify(const Format *format, const char *value, Refusal *refusal);
extern const char *parse_sound(Format *format, const char *parameter);
extern char *apply_soundex(const Format *format, const char *value, Refusal *refusal);
extern char *apply_metaphone(const Format *format, const char *value, Refusal *refusal);
extern char *apply_dn(const Format *format, const char *value, Refusal *refusal);

/* format_value.c */
extern const char *hex_digits(const char *value, int *ndigits);
extern bool decode_hex(const char *digits, int noctets,
					   unsigned char *octets);
extern const char *decode_base64(const char *value, unsigned char *octets,
								 int *noctets);
extern const char *parse_bool_words(Format *format, const char *parameter);
extern char *apply_bool(const Format *format, const char *value,
						Refusal *refusal);
extern const char *parse_bit_number(Format *format, const char *parameter);
extern char *apply_bit(const Format *format, const char *value,
					   Refusal *refusal);
extern const char *parse_separator(Format *format, const char *parameter);
extern char *apply_concat(const Format *format, const char *value,
						  Refusal *refusal);
extern char *apply_multivaluedtext(const Format *format, const char *value,
								   Refusal *refusal);
extern char *apply_base64(const Format *format, const char *value,
						  Refusal *refusal);
extern char *apply_hex(const Format *format, const char *value,
					   Refusal *refusal);
extern const char *parse_number_marks(Format *format, const char *parameter);
extern char *apply_number(const Format *format, const char *value,
						  Refusal *refusal);

#endif							/* SYNCUP_FORMAT_INTERNAL_H */
