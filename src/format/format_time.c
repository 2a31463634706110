/*
 * format_time.c
 *		Formats of times: datetime, generalizedtime and filetime.
 *
 * All give ISO text with the zone, which every type of times reads alike,
 * whatever DateStyle is.  datetime matches a value against its pattern here
 * and leaves the meaning of the fields to the server's to_timestamp; the
 * other two have one notation each and are computed.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

#include "compat.h"
#include "format/format_internal.h"

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
struct DateField
{
	const DateKeyword *keyword; /* NULL: literal text only */
	int			min_digits;
	bool		ordinal;		/* st, nd, rd or th follows the number */
	bool		minutes;		/* zone: TZM follows TZH, after literal */
	const char *literal;
	int			literal_length;
};

/* What a value said of weeks and days besides its date; -1: nothing. */
typedef struct DateNumbers
{
	int			week;
	int			weekday;		/* from Sunday, 0 */
	int			day_of_year;
} DateNumbers;

/* The longest text that a pattern's keywords, each once, can match. */
#define MAX_DATE_TEXT 256

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

/* Tell whether the text begins with a prefix, ASCII letters in any case. */
static bool
begins_with(const char *string, const char *prefix)
{
	return pg_strncasecmp(string, prefix, strlen(prefix)) == 0;
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
const char *
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
char *
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
char *
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
char *
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
