/*
 * format.c
 *		Formats of mapped values: source text in, text for the target type out.
 *
 * Exports write times, identifiers and lists in the notations of the managed
 * system, which the input functions of PostgreSQL's types do not take, or
 * take for something else.  A format names such a notation.
 *
 * The formats are rows of one table, formats[], at the end of this file: it
 * gives the name, the parameter, the function that parses the parameter and
 * the one that converts a value, and it makes the hint that lists the names.
 *
 * A converter that refuses a value says why in a Refusal and does not raise
 * the error itself, so that one place builds all messages and none of them
 * can quote a value: messages reach the server log, values must not
 * (SPEC 3).  Every notation is read strictly: a value that fits only nearly
 * was meant for another format, and guessing would write wrong data.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/formatting.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "format.h"

/* Why a value was refused; reason is NULL while it is not. */
typedef struct Refusal
{
	int			sqlstate;
	const char *reason;			/* a sentence without the value */
} Refusal;

typedef enum ParameterUse
{
	PARAMETER_NONE,
	PARAMETER_OPTIONAL,
	PARAMETER_REQUIRED
} ParameterUse;

/* A row of the table of formats. */
typedef struct FormatType
{
	const char *name;
	ParameterUse use;
	const char *usage;			/* as the hint shows it */
	/* keeps the parameter, or returns the sentence why it is wrong */
	const char *(*parse) (Format *format, const char *parameter);
	char	   *(*apply) (const Format *format, const char *value,
						  Refusal *refusal);
} FormatType;

/* What a keyword of a datetime pattern stands for; each at most once. */
typedef enum DateUnit
{
	UNIT_CENTURY,
	UNIT_YEAR,
	UNIT_ERA,
	UNIT_MONTH,
	UNIT_WEEK,
	UNIT_DAY,
	UNIT_DAY_OF_YEAR,
	UNIT_WEEKDAY,
	UNIT_JULIAN_DAY,
	UNIT_HOUR_12,
	UNIT_HOUR_24,
	UNIT_MERIDIEM,
	UNIT_MINUTE,
	UNIT_SECOND,
	UNIT_SECOND_OF_DAY,
	UNIT_FRACTION,
	UNIT_ZONE,
	UNIT_ZONE_MINUTE
} DateUnit;

#define UNIT_BIT(unit) ((uint32) 1 << (unit))

/* Numbers that begin with 1; two digits of a year may be 00. */
#define NONZERO_UNITS \
	(UNIT_BIT(UNIT_CENTURY) | UNIT_BIT(UNIT_YEAR) | UNIT_BIT(UNIT_MONTH) | \
	 UNIT_BIT(UNIT_WEEK) | UNIT_BIT(UNIT_DAY) | UNIT_BIT(UNIT_DAY_OF_YEAR) | \
	 UNIT_BIT(UNIT_WEEKDAY) | UNIT_BIT(UNIT_JULIAN_DAY))

typedef enum Calendar
{
	CALENDAR_ANY,
	CALENDAR_GREGORIAN,
	CALENDAR_WEEKS				/* ISO 8601 week numbering */
} Calendar;

typedef struct DateKeyword
{
	const char *name;
	DateUnit	unit;
	Calendar	calendar;
	int			min_digits;
	int			max_digits;		/* 0: one of names */
	const char *const *names;	/* ends with NULL */
} DateKeyword;

/* A piece of a datetime pattern: a keyword, or text that must be there. */
typedef struct DateField
{
	const DateKeyword *keyword; /* NULL: literal text only */
	int			min_digits;
	bool		ordinal;		/* st, nd, rd or th follows the number */
	bool		minutes;		/* zone: TZM follows TZH, after literal */
	const char *literal;
	int			literal_length;
} DateField;

/* What a value said of weeks and days besides its date; -1: nothing. */
typedef struct DateNumbers
{
	int			week;
	int			weekday;		/* from Sunday, 0 */
	int			day_of_year;
} DateNumbers;

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
		}			number;
		bool		base64;		/* guid: binary as base64, else as hex */
		int			bit;
	}			u;
};

/* The longest text that a pattern's keywords, each once, can match. */
#define MAX_DATE_TEXT 256

/* A SID has up to 15 subauthorities (MS-DTYP 2.4.2.2). */
#define MAX_SUBAUTHORITIES 15
#define MAX_SID_LENGTH (8 + 4 * MAX_SUBAUTHORITIES)
#define MAX_SID_BASE64 ((MAX_SID_LENGTH + 2) / 3 * 4)

#define GUID_LENGTH 16

/* isdigit() and its like depend on the locale; these do not. */
#define IS_DIGIT(c) ((c) >= '0' && (c) <= '9')
#define IS_LETTER(c) (((c) >= 'a' && (c) <= 'z') || ((c) >= 'A' && (c) <= 'Z'))

static const char *const month_names[] = {
	"january", "february", "march", "april", "may", "june", "july",
	"august", "september", "october", "november", "december", NULL
};
static const char *const short_month_names[] = {
	"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct",
	"nov", "dec", NULL
};
static const char *const roman_month_names[] = {
	"i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii",
	NULL
};

/* From Sunday, as j2day() counts. */
static const char *const day_names[] = {
	"sunday", "monday", "tuesday", "wednesday", "thursday", "friday",
	"saturday", NULL
};
static const char *const short_day_names[] = {
	"sun", "mon", "tue", "wed", "thu", "fri", "sat", NULL
};
static const char *const meridiem_names[] = {"am", "pm", NULL};
static const char *const dotted_meridiem_names[] = {"a.m.", "p.m.", NULL};
static const char *const era_names[] = {"ad", "bc", NULL};
static const char *const dotted_era_names[] = {"a.d.", "b.c.", NULL};

/*
 * The template patterns that can be read (PostgreSQL documentation, Data Type
 * Formatting Functions), a longer one before those that begin it.
 *
 * Left out: Y,YYY; Q, W and D, which to_timestamp reads and ignores; TZ,
 * which depends on the setting timezone_abbreviations, and the prefix TM, which
 * depends on lc_time.  Years have all their digits: "24" for YYYY would be
 * the year 24.
 */
static const DateKeyword date_keywords[] = {
	{"A.D.", UNIT_ERA, CALENDAR_GREGORIAN, 0, 0, dotted_era_names},
	{"A.M.", UNIT_MERIDIEM, CALENDAR_ANY, 0, 0, dotted_meridiem_names},
	{"AD", UNIT_ERA, CALENDAR_GREGORIAN, 0, 0, era_names},
	{"AM", UNIT_MERIDIEM, CALENDAR_ANY, 0, 0, meridiem_names},
	{"B.C.", UNIT_ERA, CALENDAR_GREGORIAN, 0, 0, dotted_era_names},
	{"BC", UNIT_ERA, CALENDAR_GREGORIAN, 0, 0, era_names},
	{"CC", UNIT_CENTURY, CALENDAR_GREGORIAN, 2, 2, NULL},
	{"DAY", UNIT_WEEKDAY, CALENDAR_ANY, 0, 0, day_names},
	{"DDD", UNIT_DAY_OF_YEAR, CALENDAR_GREGORIAN, 1, 3, NULL},
	{"DD", UNIT_DAY, CALENDAR_GREGORIAN, 1, 2, NULL},
	{"DY", UNIT_WEEKDAY, CALENDAR_ANY, 0, 0, short_day_names},
	{"FF1", UNIT_FRACTION, CALENDAR_ANY, 1, 1, NULL},
	{"FF2", UNIT_FRACTION, CALENDAR_ANY, 1, 2, NULL},
	{"FF3", UNIT_FRACTION, CALENDAR_ANY, 1, 3, NULL},
	{"FF4", UNIT_FRACTION, CALENDAR_ANY, 1, 4, NULL},
	{"FF5", UNIT_FRACTION, CALENDAR_ANY, 1, 5, NULL},
	{"FF6", UNIT_FRACTION, CALENDAR_ANY, 1, 6, NULL},
	{"HH24", UNIT_HOUR_24, CALENDAR_ANY, 1, 2, NULL},
	{"HH12", UNIT_HOUR_12, CALENDAR_ANY, 1, 2, NULL},
	{"HH", UNIT_HOUR_12, CALENDAR_ANY, 1, 2, NULL},
	{"IDDD", UNIT_DAY_OF_YEAR, CALENDAR_WEEKS, 1, 3, NULL},
	{"ID", UNIT_WEEKDAY, CALENDAR_WEEKS, 1, 1, NULL},
	{"IW", UNIT_WEEK, CALENDAR_WEEKS, 1, 2, NULL},
	{"IYYY", UNIT_YEAR, CALENDAR_WEEKS, 4, 4, NULL},
	{"IYY", UNIT_YEAR, CALENDAR_WEEKS, 3, 3, NULL},
	{"IY", UNIT_YEAR, CALENDAR_WEEKS, 2, 2, NULL},
	{"I", UNIT_YEAR, CALENDAR_WEEKS, 1, 1, NULL},
	{"J", UNIT_JULIAN_DAY, CALENDAR_GREGORIAN, 1, 7, NULL},
	{"MI", UNIT_MINUTE, CALENDAR_ANY, 1, 2, NULL},
	{"MM", UNIT_MONTH, CALENDAR_GREGORIAN, 1, 2, NULL},
	{"MONTH", UNIT_MONTH, CALENDAR_GREGORIAN, 0, 0, month_names},
	{"MON", UNIT_MONTH, CALENDAR_GREGORIAN, 0, 0, short_month_names},
	{"MS", UNIT_FRACTION, CALENDAR_ANY, 1, 3, NULL},
	{"OF", UNIT_ZONE, CALENDAR_ANY, 0, 0, NULL},
	{"P.M.", UNIT_MERIDIEM, CALENDAR_ANY, 0, 0, dotted_meridiem_names},
	{"PM", UNIT_MERIDIEM, CALENDAR_ANY, 0, 0, meridiem_names},
	{"RM", UNIT_MONTH, CALENDAR_GREGORIAN, 0, 0, roman_month_names},
	{"SSSSS", UNIT_SECOND_OF_DAY, CALENDAR_ANY, 1, 5, NULL},
	{"SSSS", UNIT_SECOND_OF_DAY, CALENDAR_ANY, 1, 5, NULL},
	{"SS", UNIT_SECOND, CALENDAR_ANY, 1, 2, NULL},
	{"TZH", UNIT_ZONE, CALENDAR_ANY, 0, 0, NULL},
	{"TZM", UNIT_ZONE_MINUTE, CALENDAR_ANY, 0, 0, NULL},
	{"US", UNIT_FRACTION, CALENDAR_ANY, 1, 6, NULL},
	{"WW", UNIT_WEEK, CALENDAR_GREGORIAN, 1, 2, NULL},
	{"YYYY", UNIT_YEAR, CALENDAR_GREGORIAN, 4, 4, NULL},
	{"YYY", UNIT_YEAR, CALENDAR_GREGORIAN, 3, 3, NULL},
	{"YY", UNIT_YEAR, CALENDAR_GREGORIAN, 2, 2, NULL},
	{"Y", UNIT_YEAR, CALENDAR_GREGORIAN, 1, 1, NULL},
};

/* Note why a value is refused, and return the null of the converters. */
static char *
refuse(Refusal *refusal, int sqlstate, const char *reason)
{
	refusal->sqlstate = sqlstate;
	refusal->reason = reason;
	return NULL;
}

/* Refuse a value whose text is not that of the format. */
static char *
refuse_text(Refusal *refusal, const char *reason)
{
	return refuse(refusal, ERRCODE_INVALID_TEXT_REPRESENTATION, reason);
}

/* Refuse a time whose text is not that of the format. */
static char *
refuse_time(Refusal *refusal, const char *reason)
{
	return refuse(refusal, ERRCODE_INVALID_DATETIME_FORMAT, reason);
}

/* Refuse a time that is well written but does not exist. */
static char *
refuse_range(Refusal *refusal, const char *reason)
{
	return refuse(refusal, ERRCODE_DATETIME_FIELD_OVERFLOW, reason);
}

/* Tell whether the text begins with a prefix, ASCII letters in any case. */
static bool
begins_with(const char *string, const char *prefix)
{
	return pg_strncasecmp(string, prefix, strlen(prefix)) == 0;
}

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

/*
 * Find the digits of a hexadecimal value behind its prefix: 0x (C, LDAP
 * tools), \x (PostgreSQL) or X'...' (SQL, and csvde of Active Directory).
 */
static const char *
hex_digits(const char *value, int *ndigits)
{
	int			length = strlen(value);

	if ((value[0] == '0' || value[0] == '\\') &&
		(value[1] == 'x' || value[1] == 'X'))
	{
		*ndigits = length - 2;
		return value + 2;
	}
	if ((value[0] == 'X' || value[0] == 'x') && value[1] == '\'' &&
		length > 2 && value[length - 1] == '\'')
	{
		*ndigits = length - 3;
		return value + 2;
	}
	*ndigits = length;
	return value;
}

/* Decode pairs of hexadecimal digits; false if some digits are none. */
static bool
decode_hex(const char *digits, int noctets, unsigned char *octets)
{
	for (int i = 0; i < noctets; i++)
	{
		int			high = hex_digit(digits[2 * i]);
		int			low = high < 0 ? -1 : hex_digit(digits[2 * i + 1]);

		if (low < 0)
			return false;
		octets[i] = high << 4 | low;
	}
	return true;
}

/* Give the value of a base64 digit (RFC 4648 section 4), -1 for another. */
static inline int
base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (IS_DIGIT(c))
		return c - '0' + 52;
	if (c == '+')
		return 62;
	if (c == '/')
		return 63;
	return -1;
}

/*
 * Decode base64 into octets, which hold three for each four characters.
 *
 * Returns NULL, or the reason of a refusal.  Padding is required and unused
 * bits are zero (RFC 4648 sections 3.2 and 3.5), so that text cut short is
 * found; line breaks are skipped, as MIME and LDIF tools fold lines.
 */
static const char *
decode_base64(const char *value, unsigned char *octets, int *noctets)
{
	uint32		bits = 0;
	int			ndigits = 0;
	int			npads = 0;
	int			length = 0;

	for (; *value; value++)
	{
		int			digit;

		if (*value == '\n' || *value == '\r')
			continue;
		if (*value == '=')
		{
			npads++;
			continue;
		}
		digit = base64_digit(*value);
		if (digit < 0)
			return "A character does not belong to the base64 alphabet.";
		if (npads > 0)
			return "Base64 text goes on after its padding.";
		bits = bits << 6 | digit;
		if (++ndigits % 4 == 0)
		{
			octets[length++] = bits >> 16 & 0xff;
			octets[length++] = bits >> 8 & 0xff;
			octets[length++] = bits & 0xff;
		}
	}

	if ((ndigits + npads) % 4 != 0 || npads > 2)
		return "Base64 text is incomplete.";
	if (npads == 2)
	{
		if ((bits & 0x0f) != 0)
			return "Base64 text has bits set that belong to no octet.";
		octets[length++] = bits >> 4 & 0xff;
	}
	else if (npads == 1)
	{
		if ((bits & 0x03) != 0)
			return "Base64 text has bits set that belong to no octet.";
		octets[length++] = bits >> 10 & 0xff;
		octets[length++] = bits >> 2 & 0xff;
	}
	*noctets = length;
	return NULL;
}

/*
 * Put one character, given in UTF-8, into the server's encoding.
 *
 * Returns its length in out, or 0 where the encoding lacks it.  The server's
 * own conversions would name the character in their error.
 */
static int
utf8_to_server(const unsigned char *octets, int length,
			   char out[MAX_MULTIBYTE_CHAR_LEN + 1])
{
	int			encoding = GetDatabaseEncoding();
	unsigned char converted[MAX_CONVERSION_GROWTH * MAX_MULTIBYTE_CHAR_LEN + 1];
	unsigned char source[MAX_MULTIBYTE_CHAR_LEN + 1];
	Oid			procedure;

	memcpy(source, octets, length);
	source[length] = '\0';
	if (length == 1 || encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
	{
		memcpy(out, source, length + 1);
		return length;
	}

	procedure = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(procedure) ||
		pg_do_encoding_conversion_buf(procedure, PG_UTF8, encoding,
									  source, length, converted,
									  sizeof(converted), true) != length)
		return 0;
	length = strlen((char *) converted);
	if (length > MAX_MULTIBYTE_CHAR_LEN)
		return 0;
	memcpy(out, converted, length + 1);
	return length;
}

/* Write a time as ISO text with its zone, in seconds west of UTC. */
static char *
print_time(struct pg_tm *tm, fsec_t fsec, int west)
{
	char		buffer[MAXDATELEN + 1];

	if (tm->tm_isdst < 0)
		tm->tm_isdst = 0;		/* unknown would leave the zone out */
	EncodeDateTime(tm, fsec, true, west, NULL, USE_ISO_DATES, buffer);
	return pstrdup(buffer);
}

/* Write a wall clock time with its distance east of UTC. */
static char *
print_wall_time(Timestamp wall, int offset, Refusal *refusal)
{
	struct pg_tm tm;
	fsec_t		fsec;

	if (!IS_VALID_TIMESTAMP(wall) ||
		timestamp2tm(wall, NULL, &tm, &fsec, NULL, NULL) != 0)
		return refuse_range(refusal, "The time is out of range.");
	return print_time(&tm, fsec, -offset);
}

/* Find a keyword of datetime patterns at the head of the text. */
static const DateKeyword *
find_date_keyword(const char *string)
{
	for (int i = 0; i < lengthof(date_keywords); i++)
		if (begins_with(string, date_keywords[i].name))
			return &date_keywords[i];
	return NULL;
}

/* Read a piece of text from a datetime pattern and put it into literal. */
static const char *
read_date_literal(const char *pattern, bool fixed, StringInfo literal,
				  const char **reason)
{
	bool		quoted = false;

	while (*pattern)
	{
		if (*pattern == '"')
		{
			quoted = !quoted;
			pattern++;
			continue;
		}
		if (!quoted && IS_LETTER(*pattern))
			break;
		if (*pattern == '\\' && (quoted || pattern[1] == '"') &&
			pattern[1] != '\0')
			pattern++;

		/* One blank stands for any number of them, save with FX. */
		if (*pattern != ' ' || fixed || literal->len == 0 ||
			literal->data[literal->len - 1] != ' ')
			appendStringInfoChar(literal, *pattern);
		pattern++;
	}
	if (quoted)
		*reason = "A double quote in the pattern is not closed.";
	return pattern;
}

/* Tell whether a field ends, or begins, with digits. */
static bool
borders_on_digit(const DateField *field, bool end)
{
	if (field->keyword != NULL)
		return field->keyword->max_digits > 0 && !(end && field->ordinal);
	return IS_DIGIT(field->literal[end ? field->literal_length - 1 : 0]);
}

/* Tell whether a pattern's units make a date, and can be read together. */
static const char *
check_date_units(uint32 units)
{
	if ((units & (UNIT_BIT(UNIT_YEAR) | UNIT_BIT(UNIT_JULIAN_DAY))) == 0)
		return "The pattern has no year.";
	if ((units & UNIT_BIT(UNIT_HOUR_12)) != 0 &&
		(units & UNIT_BIT(UNIT_MERIDIEM)) == 0)
		return "HH and HH12 are hours of the 12-hour clock and need AM or PM; HH24 does not.";
	if ((units & UNIT_BIT(UNIT_MERIDIEM)) != 0 &&
		(units & UNIT_BIT(UNIT_HOUR_12)) == 0)
		return "AM and PM need hours of the 12-hour clock, HH or HH12.";
	return NULL;
}

/*
 * Parse a pattern of to_timestamp.
 *
 * to_timestamp takes much that does not fit the pattern: other separators,
 * missing fields, text behind.  So values are matched here, strictly, and
 * the server is given only the fields, parted by blanks, with a pattern of
 * the keywords alone: what a field means stays the server's to say, for
 * every version the same.
 */
static const char *
parse_datetime_pattern(Format *format, const char *parameter)
{
	DateField  *fields = palloc0(sizeof(DateField) * (strlen(parameter) + 1));
	int			nfields = 0;
	uint32		units = 0;
	Calendar	calendar = CALENDAR_ANY;
	StringInfoData pattern;
	const char *reason = NULL;

	initStringInfo(&pattern);
	while (*parameter)
	{
		DateField  *field = &fields[nfields];
		const DateKeyword *keyword;

		if (begins_with(parameter, "FM"))
		{
			/* Padding is optional anyhow. */
			parameter += 2;
			continue;
		}
		if (begins_with(parameter, "FX"))
		{
			format->u.datetime.fixed = true;
			parameter += 2;
			continue;
		}
		keyword = find_date_keyword(parameter);
		if (keyword == NULL)
		{
			StringInfoData literal;

			if (IS_LETTER(*parameter))
				return psprintf("The pattern cannot be read at \"%s\"; text that is no template pattern goes between double quotes.",
								parameter);
			initStringInfo(&literal);
			parameter = read_date_literal(parameter,
										  format->u.datetime.fixed,
										  &literal, &reason);
			if (reason)
				return reason;
			if (literal.len == 0)
				continue;
			field->literal = literal.data;
			field->literal_length = literal.len;
			nfields++;
			continue;
		}

		if ((units & UNIT_BIT(keyword->unit)) != 0)
			return psprintf("The pattern has a second field of the kind of \"%s\".",
							keyword->name);
		units |= UNIT_BIT(keyword->unit);
		if (keyword->calendar != CALENDAR_ANY)
		{
			if (calendar != CALENDAR_ANY && calendar != keyword->calendar)
				return "The pattern mixes fields of calendar dates and of ISO 8601 weeks.";
			calendar = keyword->calendar;
		}
		parameter += strlen(keyword->name);

		if (keyword->unit == UNIT_ZONE_MINUTE)
		{
			/* TZM becomes a part of TZH, so that "Z" can stand for both. */
			int			last = nfields - 1;
			DateField  *zone;

			if (last > 0 && fields[last].keyword == NULL)
				last--;
			if (last < 0 || fields[last].keyword == NULL ||
				strcmp(fields[last].keyword->name, "TZH") != 0)
				return "TZM does not follow TZH.";
			zone = &fields[last];
			if (last < nfields - 1)
			{
				zone->literal = fields[last + 1].literal;
				zone->literal_length = fields[last + 1].literal_length;
				memset(&fields[--nfields], 0, sizeof(DateField));
			}
			zone->minutes = true;
			continue;
		}

		field->keyword = keyword;
		field->min_digits = keyword->min_digits;
		if (keyword->max_digits > 0 && begins_with(parameter, "TH"))
		{
			field->ordinal = true;
			parameter += 2;
		}
		appendStringInfo(&pattern, "%s%s", pattern.len > 0 ? " " : "",
						 keyword->unit == UNIT_ZONE ? "TZH TZM" :
						 keyword->name);
		nfields++;
	}

	/*
	 * A number has all its digits where digits stand on either side of it:
	 * nothing else tells where it begins, or that the last one is cut.
	 */
	for (int i = 0; i < nfields; i++)
	{
		if (fields[i].keyword == NULL)
			continue;
		if (format->u.datetime.fixed ||
			(i > 0 && borders_on_digit(&fields[i - 1], true)) ||
			(i + 1 < nfields && !fields[i].ordinal &&
			 borders_on_digit(&fields[i + 1], false)))
			fields[i].min_digits = fields[i].keyword->max_digits;
	}

	format->u.datetime.fields = fields;
	format->u.datetime.nfields = nfields;
	format->u.datetime.weeks = calendar == CALENDAR_WEEKS;
	format->u.datetime.zone = (units & UNIT_BIT(UNIT_ZONE)) != 0;
	format->u.datetime.pattern = cstring_to_text_with_len(pattern.data,
														  pattern.len);
	return check_date_units(units);
}

/* Find the longest of the names at the head of the text; -1 if none is. */
static int
match_name(const char *string, const char *const *names, int *length)
{
	int			found = -1;

	*length = 0;
	for (int i = 0; names[i] != NULL; i++)
	{
		int			name_length = strlen(names[i]);

		if (name_length > *length &&
			pg_strncasecmp(string, names[i], name_length) == 0)
		{
			found = i;
			*length = name_length;
		}
	}
	return found;
}

/* Match the literal text of a pattern; NULL if it is not there. */
static const char *
match_literal(const char *value, const char *literal, int length, bool fixed)
{
	for (int i = 0; i < length; i++)
	{
		if (*value != literal[i])
			return NULL;
		value++;
		if (literal[i] == ' ' && !fixed)
		{
			while (*value == ' ')
				value++;
		}
	}
	return value;
}

/* Read two digits; -1 if they are not there. */
static int
two_digits(const char *string)
{
	if (!IS_DIGIT(string[0]) || !IS_DIGIT(string[1]))
		return -1;
	return (string[0] - '0') * 10 + (string[1] - '0');
}

/*
 * Match a zone, Z or a signed distance from UTC, and give it in seconds.
 *
 * "Z" is what ISO 8601 writes for UTC; reading it as mere text would put
 * such times into the mapping's zone.
 */
static const char *
match_zone(const char *value, const DateField *field, bool fixed, int *offset)
{
	bool		minutes = field->minutes;
	int			sign;
	int			hour;
	int			minute = 0;

	if (*value == 'Z' || *value == 'z')
	{
		*offset = 0;
		return value + 1;
	}
	if (*value != '+' && *value != '-')
		return NULL;
	sign = *value++ == '-' ? -1 : 1;
	hour = two_digits(value);
	if (hour < 0 || hour > MAX_TZDISP_HOUR)
		return NULL;
	value += 2;

	if (strcmp(field->keyword->name, "OF") == 0)
	{
		minutes = *value == ':' || IS_DIGIT(*value);
		if (*value == ':')
			value++;
	}
	else if (minutes)
	{
		value = match_literal(value, field->literal, field->literal_length,
							  fixed);
		if (value == NULL)
			return NULL;
	}
	if (minutes)
	{
		minute = two_digits(value);
		if (minute < 0 || minute >= MINS_PER_HOUR)
			return NULL;
		value += 2;
	}
	*offset = sign * (hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE);
	return value;
}

/*
 * Let the server's to_timestamp read fields; false if it refuses them.
 *
 * Its errors quote the value, so they are caught and the caller raises
 * another in their place: the transaction ends all the same, which is what
 * makes it sound to catch them without a subtransaction.
 */
static bool
read_timestamp(text *fields, text *pattern, TimestampTz *result)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool done = false;

	PG_TRY();
	{
		*result = DatumGetTimestampTz(
			DirectFunctionCall2Coll(to_timestamp, C_COLLATION_OID,
									PointerGetDatum(fields),
									PointerGetDatum(pattern)));
		done = true;
	}
	PG_CATCH();
	{
		if (ERRCODE_TO_CATEGORY(geterrcode()) != ERRCODE_DATA_EXCEPTION)
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	return done;
}

/*
 * Check a date against the weeks and days that the value gave.
 *
 * to_timestamp passes over names of days, and counts on into the next year
 * from a week or a day that the year does not have.
 */
static bool
check_date_numbers(const struct pg_tm *tm, const DateNumbers *numbers,
				   bool weeks)
{
	int			day_of_year = date2j(tm->tm_year, tm->tm_mon, tm->tm_mday) -
		date2j(tm->tm_year, 1, 1) + 1;

	if (numbers->weekday >= 0 && numbers->weekday !=
		j2day(date2j(tm->tm_year, tm->tm_mon, tm->tm_mday)))
		return false;
	if (numbers->week >= 0 && numbers->week !=
		(weeks ? date2isoweek(tm->tm_year, tm->tm_mon, tm->tm_mday) :
		 (day_of_year - 1) / 7 + 1))
		return false;
	return numbers->day_of_year < 0 || numbers->day_of_year ==
		(weeks ? date2isoyearday(tm->tm_year, tm->tm_mon, tm->tm_mday) :
		 day_of_year);
}

/*
 * Read a time by a pattern.
 *
 * A time with a zone keeps it, so that a date or a timestamp without zone
 * gets what the source shows; one without is in the session's TimeZone.
 */
static char *
apply_datetime(const Format *format, const char *value, Refusal *refusal)
{
	bool		fixed = format->u.datetime.fixed;
	union
	{
		struct varlena header;	/* aligns the buffer */
		char		data[VARHDRSZ + MAX_DATE_TEXT];
	}			fields;
	char	   *out = fields.data + VARHDRSZ;
	DateNumbers numbers = {.week = -1,.weekday = -1,.day_of_year = -1};
	int			offset = 0;
	TimestampTz timestamp;
	struct pg_tm tm;
	fsec_t		fsec;
	int			west;

	for (int i = 0; i < format->u.datetime.nfields; i++)
	{
		const DateField *field = &format->u.datetime.fields[i];
		const DateKeyword *keyword = field->keyword;
		int			length = 0;

		if (keyword == NULL)
		{
			value = match_literal(value, field->literal,
								  field->literal_length, fixed);
			if (value == NULL)
				return refuse_time(refusal, "Text between the fields is not that of the pattern.");
			continue;
		}

		if (keyword->unit == UNIT_ZONE)
		{
			value = match_zone(value, field, fixed, &offset);
			if (value == NULL)
				return refuse_time(refusal, "The time zone is neither Z nor a signed distance from UTC.");
			out += sprintf(out, "%c%02d %02d ", offset < 0 ? '-' : '+',
						   abs(offset) / SECS_PER_HOUR,
						   abs(offset) / SECS_PER_MINUTE % MINS_PER_HOUR);
			continue;
		}

		if (keyword->names != NULL)
		{
			int			name = match_name(value, keyword->names, &length);

			if (name < 0)
				return refuse_time(refusal, psprintf("There is no name where the pattern has \"%s\".",
													 keyword->name));
			if (keyword->unit == UNIT_WEEKDAY)
				numbers.weekday = name;
		}
		else
		{
			while (length < keyword->max_digits && IS_DIGIT(value[length]))
				length++;
			if (length < field->min_digits)
				return refuse_time(refusal, psprintf("There are too few digits where the pattern has \"%s\".",
													 keyword->name));
			/* to_timestamp takes these for missing where they are 0. */
			if ((UNIT_BIT(keyword->unit) & NONZERO_UNITS) != 0 &&
				strspn(value, "0") >= length &&
				(keyword->unit != UNIT_YEAR || keyword->max_digits == 4))
				return refuse_range(refusal, psprintf("There is a zero where the pattern has \"%s\".",
													  keyword->name));
			if (keyword->unit == UNIT_WEEK)
				numbers.week = atoi(value);
			else if (keyword->unit == UNIT_WEEKDAY)
				numbers.weekday = *value == '7' ? 0 : *value - '0';
			else if (keyword->unit == UNIT_DAY_OF_YEAR)
				numbers.day_of_year = atoi(value);
		}
		Assert(out + length + 1 < fields.data + sizeof(fields.data));
		memcpy(out, value, length);
		out += length;
		*out++ = ' ';
		value += length;

		if (field->ordinal)
		{
			if (!begins_with(value, "st") && !begins_with(value, "nd") &&
				!begins_with(value, "rd") && !begins_with(value, "th"))
				return refuse_time(refusal, "A number has no ordinal suffix.");
			value += 2;
		}
	}
	if (*value)
		return refuse_time(refusal, "The value goes on after the end of the pattern.");

	SET_VARSIZE(fields.data, out - 1 - fields.data);
	if (!read_timestamp((text *) fields.data, format->u.datetime.pattern,
						&timestamp))
		return refuse_range(refusal, "The date or the time does not exist.");

	if (format->u.datetime.zone)
	{
		west = -offset;
		if (timestamp2tm(timestamp + (int64) offset * USECS_PER_SEC, NULL,
						 &tm, &fsec, NULL, NULL) != 0)
			return refuse_range(refusal, "The time is out of range.");
	}
	else if (timestamp2tm(timestamp, &west, &tm, &fsec, NULL, NULL) != 0)
		return refuse_range(refusal, "The time is out of range.");
	if (!check_date_numbers(&tm, &numbers, format->u.datetime.weeks))
		return refuse_range(refusal, "The date is not in that week or on that day of the week or year.");
	return print_time(&tm, fsec, west);
}

/*
 * Give the microseconds of a decimal fraction of a unit, rounded.
 *
 * From the last digit to the first, in thousandths of a microsecond, no
 * number of digits overflows and the error stays below one of those.
 */
static int64
fraction_of(const char *digits, int ndigits, int64 unit)
{
	int64		sum = 0;

	while (ndigits-- > 0)
		sum = ((digits[ndigits] - '0') * unit * 1000 + sum) / 10;
	return (sum + 500) / 1000;
}

/*
 * Read LDAP's generalized time (RFC 4517 3.3.13):
 * YYYYMMDDHH[MM[SS]][(.|,)digits](Z|(+|-)HH[MM]).
 *
 * The fraction is one of the last unit given.  Second 60 is the first of the
 * next minute, as in PostgreSQL.
 */
static char *
apply_generalizedtime(const Format *format, const char *value,
					  Refusal *refusal)
{
	int			parts[7] = {0}; /* century, year, month, day, h, m, s */
	int			nparts = 0;
	int			year;
	int			offset = 0;
	int64		unit = USECS_PER_SEC;
	Timestamp	wall;

	while (nparts < 7 && IS_DIGIT(*value))
	{
		int			part = two_digits(value);

		if (part < 0)
			break;
		parts[nparts++] = part;
		value += 2;
	}
	if (nparts < 5)
		return refuse_time(refusal, "The time does not begin with the digits of a date and an hour.");
	if (nparts == 5)
		unit = USECS_PER_HOUR;
	else if (nparts == 6)
		unit = USECS_PER_MINUTE;

	year = parts[0] * 100 + parts[1];
	if (year == 0 || parts[2] < 1 || parts[2] > MONTHS_PER_YEAR ||
		parts[3] < 1 || parts[3] > day_tab[isleap(year)][parts[2] - 1])
		return refuse_range(refusal, "The date does not exist.");
	if (parts[4] >= HOURS_PER_DAY || parts[5] >= MINS_PER_HOUR ||
		parts[6] > SECS_PER_MINUTE)
		return refuse_range(refusal, "The hour, minute or second does not exist.");
	wall = (int64) (date2j(year, parts[2], parts[3]) - POSTGRES_EPOCH_JDATE) *
		USECS_PER_DAY + parts[4] * USECS_PER_HOUR +
		parts[5] * USECS_PER_MINUTE + parts[6] * USECS_PER_SEC;

	if (*value == '.' || *value == ',')
	{
		int			ndigits = strspn(value + 1, "0123456789");

		if (ndigits == 0)
			return refuse_time(refusal, "The fraction has no digits.");
		wall += fraction_of(value + 1, ndigits, unit);
		value += 1 + ndigits;
	}

	if (*value == 'Z')
		value++;
	else if (*value == '+' || *value == '-')
	{
		int			sign = *value++ == '-' ? -1 : 1;
		int			hour = two_digits(value);
		int			minute = 0;

		if (hour < 0)
			return refuse_time(refusal, "The time zone has no hours.");
		value += 2;
		if (IS_DIGIT(*value))
		{
			minute = two_digits(value);
			if (minute < 0)
				return refuse_time(refusal, "The time zone has an odd number of digits.");
			value += 2;
		}

		/* The RFC has hours up to 23, PostgreSQL's types up to 15. */
		if (hour > MAX_TZDISP_HOUR || minute >= MINS_PER_HOUR)
			return refuse_range(refusal, "The time zone is out of range.");
		offset = sign * (hour * SECS_PER_HOUR + minute * SECS_PER_MINUTE);
	}
	else
		return refuse_time(refusal, "The time does not end with a time zone, Z or a signed distance from UTC.");
	if (*value)
		return refuse_time(refusal, "The value goes on after the time zone.");

	return print_wall_time(wall, offset, refusal);
}

/*
 * Read a Windows FILETIME (MS-DTYP 2.3.3) in decimal: ticks of 100 ns since
 * 1601-01-01 UTC.
 *
 * 0 and the largest value mean "never" in Active Directory (MS-ADA1, attribute
 * accountExpires).  The seventh decimal is cut, as timestamps have six.
 */
static char *
apply_filetime(const Format *format, const char *value, Refusal *refusal)
{
	int64		ticks = 0;
	int64		epoch = (int64) (date2j(1601, 1, 1) - POSTGRES_EPOCH_JDATE) *
		USECS_PER_DAY;

	for (; *value; value++)
	{
		int			digit = *value - '0';

		if (!IS_DIGIT(*value))
			return refuse_time(refusal, "A file time is a number of decimal digits.");
		if (ticks > (PG_INT64_MAX - digit) / 10)
			return refuse_range(refusal, "A file time is at most 9223372036854775807.");
		ticks = ticks * 10 + digit;
	}
	if (ticks == 0 || ticks == PG_INT64_MAX)
		return NULL;
	return print_wall_time(epoch + ticks / 10, 0, refusal);
}

/* Write a GUID; swapped if its first three groups are little-endian. */
static char *
print_guid(const unsigned char *octets, bool swapped)
{
	static const int straight_order[GUID_LENGTH] = {
		0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
	};
	static const int swapped_order[GUID_LENGTH] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
	};
	static const char digits[] = "0123456789abcdef";
	const int  *order = swapped ? swapped_order : straight_order;
	char	   *result = palloc(2 * GUID_LENGTH + 4 + 1);
	char	   *out = result;

	for (int i = 0; i < GUID_LENGTH; i++)
	{
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*out++ = '-';
		*out++ = digits[octets[order[i]] >> 4];
		*out++ = digits[octets[order[i]] & 0x0f];
	}
	*out = '\0';
	return result;
}

/* Read the octets of a GUID as base64. */
static char *
read_guid_base64(const char *value, Refusal *refusal)
{
	unsigned char octets[(GUID_LENGTH + 2) / 3 * 3];
	int			noctets = 0;
	const char *reason;

	if (strlen(value) != (GUID_LENGTH + 2) / 3 * 4)
		return refuse_text(refusal, "A GUID in base64 has 24 characters.");
	reason = decode_base64(value, octets, &noctets);
	if (reason)
		return refuse_text(refusal, reason);
	if (noctets != GUID_LENGTH)
		return refuse_text(refusal, "A GUID has 16 octets.");
	return print_guid(octets, true);
}

/*
 * Read a GUID as text (MS-DTYP 2.3.4.3), with or without dashes and braces.
 *
 * Base64 is told apart by its length, and is binary.
 */
static char *
apply_guid_text(const Format *format, const char *value, Refusal *refusal)
{
	unsigned char octets[GUID_LENGTH];
	char		digits[2 * GUID_LENGTH];
	int			length = strlen(value);
	bool		dashes;

	if (length == 24)
		return read_guid_base64(value, refusal);
	if (length > 2 && value[0] == '{' && value[length - 1] == '}')
	{
		value++;
		length -= 2;
	}
	dashes = length == 36;
	if (length != 36 && length != 32)
		return refuse_text(refusal, "A GUID has 32 hexadecimal digits.");
	for (int i = 0; i < lengthof(digits); i++)
	{
		if (dashes && (i == 8 || i == 12 || i == 16 || i == 20) &&
			*value++ != '-')
			return refuse_text(refusal, "A GUID has dashes after 8, 12, 16 and 20 digits, or none.");
		digits[i] = *value++;
	}
	if (!decode_hex(digits, GUID_LENGTH, octets))
		return refuse_text(refusal, "A GUID has 32 hexadecimal digits.");
	return print_guid(octets, false);
}

/* Read a GUID as the octets that Active Directory stores (MS-DTYP 2.3.4.2). */
static char *
apply_guid_binary(const Format *format, const char *value, Refusal *refusal)
{
	unsigned char octets[GUID_LENGTH];
	int			ndigits;
	const char *digits;

	if (format->u.base64)
		return read_guid_base64(value, refusal);
	digits = hex_digits(value, &ndigits);
	if (ndigits != 2 * GUID_LENGTH ||
		!decode_hex(digits, GUID_LENGTH, octets))
		return refuse_text(refusal, "A GUID has 32 hexadecimal digits.");
	return print_guid(octets, true);
}

/* Parse the parameter of guid, which says that the octets are binary. */
static const char *
parse_guid_parameter(Format *format, const char *parameter)
{
	if (strcmp(parameter, "base64") == 0)
		format->u.base64 = true;
	else if (strcmp(parameter, "hex") != 0)
		return "The octets of a GUID are given in \"base64\" or \"hex\".";
	return NULL;
}

/* Write a SID (MS-DTYP 2.4.2.1). */
static char *
print_sid(uint64 authority, const uint32 *subauthorities, int count)
{
	StringInfoData sid;

	initStringInfo(&sid);
	if (authority >> 32 != 0)
		appendStringInfo(&sid, "S-1-0x%012llX",
						 (unsigned long long) authority);
	else
		appendStringInfo(&sid, "S-1-%u", (uint32) authority);
	for (int i = 0; i < count; i++)
		appendStringInfo(&sid, "-%u", subauthorities[i]);
	return sid.data;
}

/* Read a decimal number of 32 bits; NULL if there is none. */
static const char *
read_uint32(const char *string, uint32 *number)
{
	uint64		result = 0;
	int			length = 0;

	while (length < 10 && IS_DIGIT(string[length]))
		result = result * 10 + (string[length++] - '0');
	if (length == 0 || result > PG_UINT32_MAX)
		return NULL;
	*number = (uint32) result;
	return string + length;
}

/* Read a SID as text, S-1-authority-subauthorities (MS-DTYP 2.4.2.1). */
static char *
read_sid_text(const char *value, Refusal *refusal)
{
	static const char *const reason =
		"A SID is S-1-, an authority and 1 to 15 subauthorities.";
	uint64		authority = 0;
	uint32		subauthorities[MAX_SUBAUTHORITIES];
	int			count = 0;

	if (strncmp(value + 2, "1-", 2) != 0)
		return refuse_text(refusal, reason);
	value += 4;
	if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X'))
	{
		value += 2;
		for (int i = 0; i < 12; i++)
		{
			int			digit = hex_digit(*value);

			if (digit < 0)
				return refuse_text(refusal, "A hexadecimal authority has 12 digits.");
			authority = authority << 4 | digit;
			value++;
		}
	}
	else
	{
		uint32		number;

		value = read_uint32(value, &number);
		if (value == NULL)
			return refuse_text(refusal, reason);
		authority = number;
	}
	while (*value == '-' && count < MAX_SUBAUTHORITIES)
	{
		value = read_uint32(value + 1, &subauthorities[count++]);
		if (value == NULL)
			return refuse_text(refusal, "A subauthority of a SID is a number up to 4294967295.");
	}
	if (*value || count == 0)
		return refuse_text(refusal, reason);
	return print_sid(authority, subauthorities, count);
}

/*
 * Read a SID: text, or octets (MS-DTYP 2.4.2.2) in base64 or hex.
 *
 * The first octet, the revision, is 1: base64 then begins with AQ, hex with
 * 01, and no two forms can be confused.
 */
static char *
apply_sid(const Format *format, const char *value, Refusal *refusal)
{
	unsigned char octets[MAX_SID_BASE64 / 4 * 3];
	uint32		subauthorities[MAX_SUBAUTHORITIES];
	uint64		authority = 0;
	int			noctets = 0;
	int			count;

	if ((value[0] == 'S' || value[0] == 's') && value[1] == '-')
		return read_sid_text(value, refusal);
	if (value[0] == 'A' && value[1] == 'Q')
	{
		const char *reason;

		if (strlen(value) > MAX_SID_BASE64)
			return refuse_text(refusal, "The octets are too many for a SID.");
		reason = decode_base64(value, octets, &noctets);
		if (reason)
			return refuse_text(refusal, reason);
	}
	else
	{
		int			ndigits;
		const char *digits = hex_digits(value, &ndigits);

		if (ndigits < 2 || digits[0] != '0' || digits[1] != '1')
			return refuse_text(refusal, "A SID begins with S-1-, or with the octet 1 in base64 or hex.");
		if (ndigits % 2 != 0 || ndigits > 2 * MAX_SID_LENGTH)
			return refuse_text(refusal, "The number of hexadecimal digits is not that of a SID.");
		noctets = ndigits / 2;
		if (!decode_hex(digits, noctets, octets))
			return refuse_text(refusal, "A character is no hexadecimal digit.");
	}

	count = noctets > 1 ? octets[1] : 0;
	if (octets[0] != 1 || count < 1 || count > MAX_SUBAUTHORITIES ||
		noctets != 8 + 4 * count)
		return refuse_text(refusal, "The octets do not make a SID of revision 1 with 1 to 15 subauthorities.");
	for (int i = 2; i < 8; i++)
		authority = authority << 8 | octets[i];
	for (int i = 0; i < count; i++)
	{
		const unsigned char *octet = octets + 8 + 4 * i;

		subauthorities[i] = (uint32) octet[0] | (uint32) octet[1] << 8 |
			(uint32) octet[2] << 16 | (uint32) octet[3] << 24;
	}
	return print_sid(authority, subauthorities, count);
}

/*
 * Read the escape at a backslash of a DN (RFC 4514 2.4 and 3): a special
 * character, or a character of UTF-8 as hexadecimal pairs.
 *
 * Returns what follows, or NULL with the reason.
 */
static const char *
read_dn_escape(const char *string, StringInfo value, const char **reason)
{
	unsigned char octets[MAX_MULTIBYTE_CHAR_LEN];
	char		character[MAX_MULTIBYTE_CHAR_LEN + 1];
	int			length = 1;

	if (string[1] != '\0' && strchr("\"+,;<>\\ #=", string[1]) != NULL)
	{
		appendStringInfoChar(value, string[1]);
		return string + 2;
	}
	for (int i = 0; i < length; i++)
	{
		if (string[0] != '\\' || !decode_hex(string + 1, 1, &octets[i]))
		{
			*reason = i == 0 ?
				"A backslash is followed by neither a special character nor two hexadecimal digits." :
				"Escaped octets do not make a character of UTF-8.";
			return NULL;
		}
		if (i == 0)
			length = pg_encoding_mblen(PG_UTF8, (char *) octets);
		string += 3;
	}
	if (octets[0] == '\0' ||
		pg_encoding_verifymbchar(PG_UTF8, (char *) octets, length) != length)
	{
		*reason = "Escaped octets do not make a character of UTF-8.";
		return NULL;
	}
	length = utf8_to_server(octets, length, character);
	if (length == 0)
	{
		*reason = "An escaped character does not exist in the encoding of the database.";
		return NULL;
	}
	appendBinaryStringInfo(value, character, length);
	return string;
}

/* Skip blanks. */
static inline const char *
skip_blanks(const char *string)
{
	while (*string == ' ')
		string++;
	return string;
}

/* Read an attribute type of a DN: a name or a dotted number. */
static const char *
read_dn_type(const char *string)
{
	if (IS_LETTER(*string))
	{
		while (IS_LETTER(*string) || IS_DIGIT(*string) || *string == '-')
			string++;
		return string;
	}
	while (IS_DIGIT(*string))
	{
		while (IS_DIGIT(*string))
			string++;
		if (*string != '.')
			return string;
		string++;
	}
	return NULL;
}

/*
 * Read "type=value" of a DN, up to the separator behind it.
 *
 * Taken besides RFC 4514, as nothing else can be meant by them: blanks
 * around types and values, and values between double quotes (RFC 2253 4).
 */
static const char *
read_dn_attribute(const char *string, StringInfo value, const char **reason)
{
	resetStringInfo(value);
	string = read_dn_type(skip_blanks(string));
	if (string != NULL)
		string = skip_blanks(string);
	if (string == NULL || *string != '=')
	{
		*reason = "A part of the distinguished name is no attribute type with a value.";
		return NULL;
	}
	string = skip_blanks(string + 1);

	if (*string == '#')
	{
		int			ndigits = strspn(string + 1, "0123456789abcdefABCDEF");

		if (ndigits == 0 || ndigits % 2 != 0)
		{
			*reason = "A number sign is not followed by pairs of hexadecimal digits.";
			return NULL;
		}
		appendBinaryStringInfo(value, string, 1 + ndigits);
		string += 1 + ndigits;
	}
	else if (*string == '"')
	{
		string++;
		while (*string && *string != '"')
		{
			if (*string == '\\')
			{
				string = read_dn_escape(string, value, reason);
				if (string == NULL)
					return NULL;
			}
			else
				appendStringInfoChar(value, *string++);
		}
		if (*string != '"')
		{
			*reason = "A double quote is not closed.";
			return NULL;
		}
		string++;
	}
	else
	{
		int			length = 0; /* without blanks at the end */

		while (*string && strchr(",;+\"<>", *string) == NULL)
		{
			bool		blank = *string == ' ';

			if (*string == '\\')
			{
				string = read_dn_escape(string, value, reason);
				if (string == NULL)
					return NULL;
			}
			else
				appendStringInfoChar(value, *string++);
			if (!blank)
				length = value->len;
		}
		value->len = length;
		value->data[length] = '\0';
	}

	string = skip_blanks(string);
	if (*string && strchr(",;+", *string) == NULL)
	{
		*reason = "A special character of the distinguished name is not escaped.";
		return NULL;
	}
	return string;
}

/*
 * Read the value of a distinguished name's first RDN (RFC 4514), of its
 * first attribute if it has several.
 *
 * The whole name is checked, since a cut or unquoted one would give a value
 * that looks right.
 */
static char *
apply_rdn(const Format *format, const char *value, Refusal *refusal)
{
	StringInfoData first;
	StringInfoData other;
	const char *reason = NULL;

	initStringInfo(&first);
	value = read_dn_attribute(value, &first, &reason);
	if (value != NULL && *value != '\0')
	{
		initStringInfo(&other);
		while (value != NULL && *value != '\0')
			value = read_dn_attribute(value + 1, &other, &reason);
		pfree(other.data);
	}
	if (value == NULL)
		return refuse_text(refusal, reason);
	return first.len > 0 ? first.data : NULL;
}

/* Tell whether the text has characters beyond ASCII. */
static bool
has_high_bit(const char *string)
{
	for (; *string; string++)
		if (IS_HIGHBIT_SET(*string))
			return true;
	return false;
}

/* Copy a word in lower case, by the database's locale beyond ASCII. */
static char *
fold_word(const char *word, int length)
{
	char	   *copy = pnstrdup(word, length);

	if (has_high_bit(copy))
		return str_tolower(copy, length, DEFAULT_COLLATION_OID);
	for (char *c = copy; *c; c++)
		*c = pg_ascii_tolower((unsigned char) *c);
	return copy;
}

/* Split the words between bars, up to the end, and append them. */
static bool
split_words(Format *format, const char *list, const char *end)
{
	while (true)
	{
		const char *bar = memchr(list, '|', end - list);
		const char *stop = bar ? bar : end;

		if (stop == list)
			return false;
		format->u.boolean.words[format->u.boolean.nwords++] =
			fold_word(list, stop - list);
		if (bar == NULL)
			return true;
		list = bar + 1;
	}
}

/* Parse the words of bool: true|true.../false|false... */
static const char *
parse_bool_words(Format *format, const char *parameter)
{
	const char *slash;
	char	  **words;

	if (parameter == NULL)
		parameter = "true|yes|1|t|y|on|oui/false|no|0|f|n|off|non";

	slash = strchr(parameter, '/');
	if (slash == NULL || strchr(slash + 1, '/') != NULL)
		return "The words for true and those for false are parted by one slash.";

	/* A word has a character and a separator behind it, or the end. */
	words = palloc(sizeof(char *) * (strlen(parameter) / 2 + 1));
	format->u.boolean.words = words;
	if (!split_words(format, parameter, slash))
		return "A word for true is empty.";
	format->u.boolean.ntrue = format->u.boolean.nwords;
	if (!split_words(format, slash + 1, slash + strlen(slash)))
		return "A word for false is empty.";
	for (int i = 0; i < format->u.boolean.ntrue; i++)
		for (int j = format->u.boolean.ntrue; j < format->u.boolean.nwords; j++)
			if (strcmp(words[i], words[j]) == 0)
				return "A word stands for both true and false.";
	return NULL;
}

/* Read a boolean by its words. */
static char *
apply_bool(const Format *format, const char *value, Refusal *refusal)
{
	char	   *folded = NULL;

	if (has_high_bit(value))
		folded = fold_word(value, strlen(value));
	for (int i = 0; i < format->u.boolean.nwords; i++)
	{
		const char *word = format->u.boolean.words[i];

		if (folded ? strcmp(word, folded) == 0 :
			pg_strcasecmp(word, value) == 0)
			return pstrdup(i < format->u.boolean.ntrue ? "true" : "false");
	}
	return refuse_text(refusal, "The value is none of the words for true and false.");
}

/* Parse the number of a bit, counted from 0 for the lowest. */
static const char *
parse_bit_number(Format *format, const char *parameter)
{
	int			length = strspn(parameter, "0123456789");

	if (length < 1 || length > 2 || parameter[length] != '\0' ||
		atoi(parameter) > 63)
		return "A bit is a number from 0 to 63.";
	format->u.bit = atoi(parameter);
	return NULL;
}

/*
 * Tell whether a bit of an integer is set.
 *
 * A negative number has 64 bits in two's complement: Active Directory writes
 * masks of 32 bits as signed numbers (groupType), whose bit 31 is then set.
 */
static char *
apply_bit(const Format *format, const char *value, Refusal *refusal)
{
	static const char *const range = "The number has more than 64 bits.";
	bool		negative = *value == '-';
	uint64		mask = 0;

	if (value[0] == '0' && (value[1] == 'x' || value[1] == 'X'))
	{
		value += 2;
		if (*value == '\0')
			return refuse_text(refusal, "The number has no digits.");
		for (; *value; value++)
		{
			int			digit = hex_digit(*value);

			if (digit < 0)
				return refuse_text(refusal, "A character is no hexadecimal digit.");
			if (mask >> 60 != 0)
				return refuse_text(refusal, range);
			mask = mask << 4 | digit;
		}
	}
	else
	{
		if (negative)
			value++;
		if (*value == '\0')
			return refuse_text(refusal, "The number has no digits.");
		for (; *value; value++)
		{
			int			digit = *value - '0';

			if (!IS_DIGIT(*value))
				return refuse_text(refusal, "A character is no decimal digit.");
			if (mask > (PG_UINT64_MAX - digit) / 10)
				return refuse_text(refusal, range);
			mask = mask * 10 + digit;
		}
		if (negative)
		{
			if (mask > (uint64) 1 << 63)
				return refuse_text(refusal, range);
			mask = ~mask + 1;
		}
	}
	return pstrdup(mask >> format->u.bit & 1 ? "true" : "false");
}

/* Keep a separator: of the result for concat, of the cell otherwise. */
static const char *
parse_separator(Format *format, const char *parameter)
{
	if (parameter != NULL)
	{
		format->u.separator.text = pstrdup(parameter);
		format->u.separator.length = strlen(parameter);
	}
	return NULL;
}

/*
 * Give the next item of a cell that holds several, and step behind it;
 * NULL after the last.
 *
 * Without a separator the items are lines.  Empty ones are passed over.
 */
static const char *
next_item(const char **cell, const char *separator, int separator_length,
		  int *length)
{
	while (**cell)
	{
		const char *item = *cell;
		const char *end;

		if (separator == NULL)
		{
			*length = strcspn(item, "\r\n");
			*cell = item + *length + (item[*length] != '\0');
		}
		else
		{
			end = strstr(item, separator);
			*length = end ? end - item : strlen(item);
			*cell = item + *length + (end ? separator_length : 0);
		}
		if (*length > 0)
			return item;
	}
	return NULL;
}

/* Join the lines of a cell with a separator; null if there are none. */
static char *
apply_concat(const Format *format, const char *value, Refusal *refusal)
{
	StringInfoData result;
	const char *item;
	int			length;

	initStringInfo(&result);
	while ((item = next_item(&value, NULL, 0, &length)) != NULL)
	{
		if (result.len > 0)
			appendBinaryStringInfo(&result, format->u.separator.text,
								   format->u.separator.length);
		appendBinaryStringInfo(&result, item, length);
	}
	return result.len > 0 ? result.data : NULL;
}

/*
 * Make an array literal of the items of a cell; null if there are none.
 *
 * Every item is quoted, so that NULL, blanks and braces are text
 * (PostgreSQL documentation, Array Input and Output Syntax).
 */
static char *
apply_multivaluedtext(const Format *format, const char *value,
					  Refusal *refusal)
{
	StringInfoData result;
	const char *item;
	int			length;

	initStringInfo(&result);
	while ((item = next_item(&value, format->u.separator.text,
							 format->u.separator.length, &length)) != NULL)
	{
		appendStringInfoString(&result, result.len > 0 ? ",\"" : "{\"");
		for (int i = 0; i < length; i++)
		{
			if (item[i] == '"' || item[i] == '\\')
				appendStringInfoChar(&result, '\\');
			appendStringInfoChar(&result, item[i]);
		}
		appendStringInfoChar(&result, '"');
	}
	if (result.len == 0)
		return NULL;
	appendStringInfoChar(&result, '}');
	return result.data;
}

/* Decode base64 (RFC 4648 section 4) to bytea. */
static char *
apply_base64(const Format *format, const char *value, Refusal *refusal)
{
	unsigned char *octets = palloc(strlen(value) / 4 * 3 + 3);
	int			noctets = 0;
	const char *reason = decode_base64(value, octets, &noctets);
	char	   *result;

	if (reason)
		return refuse_text(refusal, reason);
	result = palloc(2 + 2 * (Size) noctets + 1);
	strcpy(result, "\\x");
	hex_encode((char *) octets, noctets, result + 2);
	result[2 + 2 * (Size) noctets] = '\0';
	pfree(octets);
	return result;
}

/* Make hexadecimal digits bytea. */
static char *
apply_hex(const Format *format, const char *value, Refusal *refusal)
{
	int			ndigits;
	const char *digits = hex_digits(value, &ndigits);
	char	   *result;

	if (ndigits % 2 != 0)
		return refuse_text(refusal, "The number of hexadecimal digits is odd.");
	result = palloc(2 + (Size) ndigits + 1);
	strcpy(result, "\\x");
	for (int i = 0; i < ndigits; i++)
	{
		if (hex_digit(digits[i]) < 0)
			return refuse_text(refusal, "A character is no hexadecimal digit.");
		result[2 + i] = pg_ascii_tolower((unsigned char) digits[i]);
	}
	result[2 + ndigits] = '\0';
	return result;
}

/* Take one character, which can stand between digits, from the text. */
static char *
take_mark(const char **string)
{
	int			length;
	char	   *mark;

	if (**string == '\0' || **string == '+' || **string == '-' ||
		IS_DIGIT(**string) || IS_LETTER(**string))
		return NULL;
	length = pg_mblen(*string);
	mark = pnstrdup(*string, length);
	*string += length;
	return mark;
}

/*
 * Parse the decimal character and the one between groups.
 *
 * A blank between groups is also the no-break space that typography asks
 * for, wide (U+00A0) or narrow (U+202F), whichever of them is given.
 */
static const char *
parse_number_marks(Format *format, const char *parameter)
{
	static const char *const blanks[] = {" ", "\xc2\xa0", "\xe2\x80\xaf"};
	char		marks[lengthof(blanks)][MAX_MULTIBYTE_CHAR_LEN + 1];
	char	   *group;
	bool		blank = false;
	int			count = 0;

	format->u.number.decimal = take_mark(&parameter);
	if (format->u.number.decimal == NULL)
		return "The decimal character is one that is no letter, digit or sign.";
	if (*parameter == '\0')
		return NULL;
	group = take_mark(&parameter);
	if (group == NULL || *parameter != '\0')
		return "The group character is one that is no letter, digit or sign.";
	if (strcmp(group, format->u.number.decimal) == 0)
		return "The decimal and the group character are the same.";

	for (int i = 0; i < lengthof(blanks); i++)
	{
		if (utf8_to_server((const unsigned char *) blanks[i],
						   strlen(blanks[i]), marks[i]) == 0)
			marks[i][0] = '\0';
		else if (strcmp(group, marks[i]) == 0)
			blank = true;
	}
	if (!blank)
		format->u.number.groups[count++] = group;
	for (int i = 0; blank && i < lengthof(blanks); i++)
		if (marks[i][0] != '\0')
			format->u.number.groups[count++] = pstrdup(marks[i]);
	format->u.number.groups[count] = NULL;
	return NULL;
}

/* Match one of the marks at the head of the text; 0 if none is there. */
static int
match_mark(const char *string, char *const *marks)
{
	for (; *marks != NULL; marks++)
	{
		int			length = strlen(*marks);

		if (strncmp(string, *marks, length) == 0)
			return length;
	}
	return 0;
}

/*
 * Read a number with a decimal character and groups of three digits.
 *
 * No digit is needed before the decimal character, one is behind it.
 * Groups are checked, as "1,5" read with a group comma would be 15.
 */
static char *
apply_number(const Format *format, const char *value, Refusal *refusal)
{
	char	   *result = palloc(strlen(value) + 2);
	char	   *out = result;
	int			ndigits = 0;	/* in this group */
	bool		grouped = false;
	int			length;

	if (*value == '-')
		*out++ = '-';
	if (*value == '-' || *value == '+')
		value++;
	while (true)
	{
		if (IS_DIGIT(*value))
		{
			*out++ = *value++;
			ndigits++;
			continue;
		}
		length = match_mark(value, format->u.number.groups);
		if (length == 0)
			break;
		if (grouped ? ndigits != 3 : ndigits < 1 || ndigits > 3)
			return refuse_text(refusal, "Groups of digits have three digits each.");
		grouped = true;
		ndigits = 0;
		value += length;
	}
	if (grouped && ndigits != 3)
		return refuse_text(refusal, "Groups of digits have three digits each.");

	length = strlen(format->u.number.decimal);
	if (strncmp(value, format->u.number.decimal, length) == 0)
	{
		value += length;
		if (ndigits == 0)
			*out++ = '0';
		*out++ = '.';
		ndigits = strspn(value, "0123456789");
		memcpy(out, value, ndigits);
		out += ndigits;
		value += ndigits;
	}
	if (ndigits == 0)
		return refuse_text(refusal, "Digits are missing.");
	if (*value)
		return refuse_text(refusal, "A character does not belong to a number.");
	*out = '\0';
	return result;
}

/*
 * The formats by name; "guid:" and "bool:" are rows of their own where the
 * parameter changes what converts the value or how it is shown.
 */
static const FormatType formats[] = {
	{"base64", PARAMETER_NONE, "base64", NULL, apply_base64},
	{"bit", PARAMETER_REQUIRED, "bit:<n>", parse_bit_number, apply_bit},
	{"bool", PARAMETER_NONE, "bool", parse_bool_words, apply_bool},
	{"bool", PARAMETER_REQUIRED, "bool:<true>|<true>/<false>|<false>",
	parse_bool_words, apply_bool},
	{"concat", PARAMETER_REQUIRED, "concat:<separator>", parse_separator,
	apply_concat},
	{"datetime", PARAMETER_REQUIRED, "datetime:<pattern>",
	parse_datetime_pattern, apply_datetime},
	{"filetime", PARAMETER_NONE, "filetime", NULL, apply_filetime},
	{"generalizedtime", PARAMETER_NONE, "generalizedtime", NULL,
	apply_generalizedtime},
	{"guid", PARAMETER_NONE, "guid", NULL, apply_guid_text},
	{"guid", PARAMETER_REQUIRED, "guid:base64, guid:hex",
	parse_guid_parameter, apply_guid_binary},
	{"hex", PARAMETER_NONE, "hex", NULL, apply_hex},
	{"multivaluedtext", PARAMETER_OPTIONAL,
		"multivaluedtext, multivaluedtext:<separator>", parse_separator,
	apply_multivaluedtext},
	{"number", PARAMETER_REQUIRED, "number:<decimal><group>",
	parse_number_marks, apply_number},
	{"rdn", PARAMETER_NONE, "rdn", NULL, apply_rdn},
	{"sid", PARAMETER_NONE, "sid", NULL, apply_sid},
};

/* Add the hint that lists the formats to the error being built. */
static int
hint_formats(void)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < lengthof(formats); i++)
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", formats[i].usage);
	return errhint("The formats are %s.", list.data);
}

/* Find a format by its name, and by whether it comes with a parameter. */
static const FormatType *
find_format(const char *spec, const char *parameter, const char **reason)
{
	int			length = parameter ? parameter - 1 - spec : strlen(spec);

	*reason = NULL;
	for (int i = 0; i < lengthof(formats); i++)
	{
		const FormatType *type = &formats[i];

		if (strlen(type->name) != length ||
			strncmp(type->name, spec, length) != 0)
			continue;
		if (parameter ? *parameter == '\0' :
			type->use == PARAMETER_REQUIRED)
			*reason = "The parameter is missing.";
		else if (parameter && type->use == PARAMETER_NONE)
			*reason = "The format takes no parameter.";
		else
		{
			*reason = NULL;
			return type;
		}
	}
	return NULL;
}

/* Parse the specification of a format; see format.h. */
Format *
format_parse(const char *spec)
{
	Format	   *format = palloc0(sizeof(Format));
	const char *parameter = strchr(spec, ':');
	const char *reason;

	if (parameter)
		parameter++;
	format->spec = pstrdup(spec);
	format->type = find_format(spec, parameter, &reason);
	if (format->type == NULL && reason == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("unrecognized format \"%s\"", spec),
				 hint_formats()));
	if (reason == NULL && format->type->parse != NULL)
		reason = format->type->parse(format, parameter);
	if (reason)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid format \"%s\"", spec),
				 errdetail("%s", reason),
				 hint_formats()));
	return format;
}

/* Convert a value; see format.h. */
char *
format_apply(const Format *format, const char *value)
{
	Refusal		refusal = {0};
	char	   *result = format->type->apply(format, value, &refusal);

	if (refusal.reason)
		ereport(ERROR,
				(errcode(refusal.sqlstate),
				 errmsg("value does not match format \"%s\"", format->spec),
				 errdetail("%s", refusal.reason)));
	return result;
}

/* The format that syncup_format parsed last, in a context of its own. */
typedef struct FormatCache
{
	MemoryContext context;
	Format	   *format;
} FormatCache;

PG_FUNCTION_INFO_V1(syncup_format);

/*
 * Convert a value by a format, as a mapping would: (value text, format text)
 * to text.
 *
 * Most calls of a query give the same format, so it is kept.
 */
Datum
syncup_format(PG_FUNCTION_ARGS)
{
	char	   *value = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *spec = text_to_cstring(PG_GETARG_TEXT_PP(1));
	FormatCache *cache = fcinfo->flinfo->fn_extra;
	char	   *result;

	if (cache == NULL)
	{
		cache = MemoryContextAllocZero(fcinfo->flinfo->fn_mcxt,
									   sizeof(FormatCache));
		cache->context = AllocSetContextCreate(fcinfo->flinfo->fn_mcxt,
											   "syncup format",
											   ALLOCSET_SMALL_SIZES);
		fcinfo->flinfo->fn_extra = cache;
	}
	if (cache->format == NULL || strcmp(cache->format->spec, spec) != 0)
	{
		MemoryContext caller;

		cache->format = NULL;
		MemoryContextReset(cache->context);
		caller = MemoryContextSwitchTo(cache->context);
		cache->format = format_parse(spec);
		MemoryContextSwitchTo(caller);
	}

	/* An empty cell is null before it reaches a format (SPEC 2.5). */
	if (*value == '\0')
		PG_RETURN_NULL();
	result = format_apply(cache->format, value);
	if (result == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(result));
}
