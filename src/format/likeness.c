/*
 * likeness.c
 *		What two spellings of a value share: asked by findings of every changed
 *		value, so not left to regular expressions.
 */
#include "syncup.h"

#include "mb/pg_wchar.h"
#include "utils/datetime.h"

PG_FUNCTION_INFO_V1(syncup_common_prefix);
PG_FUNCTION_INFO_V1(syncup_date_parts);
PG_FUNCTION_INFO_V1(syncup_date_second);

/*
 * syncup.common_prefix(a text, b text) returns int: the characters that both
 * begin with.
 */
Datum
syncup_common_prefix(PG_FUNCTION_ARGS)
{
	text	   *a = PG_GETARG_TEXT_PP(0);
	text	   *b = PG_GETARG_TEXT_PP(1);
	const char *at_a = VARDATA_ANY(a);
	const char *at_b = VARDATA_ANY(b);
	const char *end_a = at_a + VARSIZE_ANY_EXHDR(a);
	const char *end_b = at_b + VARSIZE_ANY_EXHDR(b);
	int32		count = 0;

	while (at_a < end_a && at_b < end_b)
	{
		int			length = pg_mblen(at_a);

		if (length > end_a - at_a || length > end_b - at_b || memcmp(at_a, at_b, length) != 0)
			break;
		at_a += length;
		at_b += length;
		count++;
	}
	PG_RETURN_INT32(count);
}

/* ---------- dates, however they are written ---------- */

typedef struct DateText
{
	const char *at;
	const char *end;
	int			parts[3];		/* as they stand there */
	int			digits[3];		/* of each */
	const char *time;			/* what follows the date, without blanks around */
	int			time_length;
} DateText;

/* Reads up to so many digits; their number. */
static int
read_digits(DateText *date, int most, int *value)
{
	int			count = 0;

	for (*value = 0; count < most && date->at < date->end && *date->at >= '0' && *date->at <= '9'; count++)
		*value = *value * 10 + *date->at++ - '0';
	return count;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Eight digits without separators: the year is first, or last. */
static bool
read_compact(DateText *date)
{
	int			number;

	if (read_digits(date, 9, &number) != 8)
		return false;
	if (number / 10000 >= 1900 && number / 10000 < 2100)
	{
		date->parts[0] = number / 10000;
		date->parts[1] = number / 100 % 100;
		date->parts[2] = number % 100;
	}
	else
	{
		date->parts[0] = number / 1000000;
		date->parts[1] = number / 10000 % 100;
		date->parts[2] = number % 10000;
	}
	date->digits[0] = date->digits[2] = 2;
	return true;
}

/* Three numbers between two separators of one kind. */
static bool
read_separated(DateText *date)
{
	char		separator = '\0';

	for (int i = 0; i < 3; i++)
	{
		date->digits[i] = read_digits(date, 5, &date->parts[i]);
		if (date->digits[i] == 0 || date->digits[i] == 3 || date->digits[i] == 5 || (i == 1 && date->digits[i] == 4))
			return false;
		if (i == 2)
			break;
		if (date->at == date->end || strchr("-./", *date->at) == NULL || (i == 1 && *date->at != separator))
			return false;
		separator = *date->at++;
	}
	return date->digits[0] != 4 || date->digits[2] != 4;
}

/* Takes a text apart that is a date, and perhaps a time. */
static bool
read_date(text *value, DateText *date)
{
	const char *start;

	memset(date, 0, sizeof(DateText));
	date->at = VARDATA_ANY(value);
	date->end = date->at + VARSIZE_ANY_EXHDR(value);
	while (date->at < date->end && is_blank(*date->at))
		date->at++;
	while (date->end > date->at && is_blank(date->end[-1]))
		date->end--;
	start = date->at;
	if (date->end - start < 6 || date->end - start > 40)
		return false;
	if (!read_separated(date))
	{
		date->at = start;
		if (!read_compact(date))
			return false;
	}
	if (date->at < date->end && *date->at != 'T' && !is_blank(*date->at))
		return false;
	while (date->at < date->end && (*date->at == 'T' || is_blank(*date->at)))
		date->at++;
	date->time = date->at;
	date->time_length = date->end - date->at;
	return date->time_length == 0 || (*date->time >= '0' && *date->time <= '9' && memchr(date->time, ':', Min(date->time_length, 3)) != NULL);
}

/* Whether a time is one of zeros alone, in UTC or without a zone. */
static bool
is_midnight(const DateText *date)
{
	for (int i = 0; i < date->time_length; i++)
		if (strchr("0:.,", date->time[i]) == NULL && !(strchr("Z+-", date->time[i]) != NULL && i >= 4))
			return false;
	return true;
}

/*
 * syncup.date_parts(value text) returns text: day, month and year without its
 * century in ascending order, and the time that is not midnight; null: it is no
 * date.
 */
Datum
syncup_date_parts(PG_FUNCTION_ARGS)
{
	DateText	date;
	int			p[3];

	if (!read_date(PG_GETARG_TEXT_PP(0), &date))
		PG_RETURN_NULL();
	for (int i = 0; i < 3; i++)
		p[i] = date.parts[i] % 100;
	for (int i = 0; i < 3; i++)
		for (int j = i + 1; j < 3; j++)
			if (p[j] < p[i])
			{
				int			swap = p[i];

				p[i] = p[j];
				p[j] = swap;
			}
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("%d %d %d %.*s", p[0], p[1], p[2],
											  is_midnight(&date) ? 0 : date.time_length, date.time)));
}

/* Seconds of "HH:MM[:SS[.fff]]", whatever zone follows; negative: it is none. */
static double
time_seconds(const DateText *date)
{
	DateText	time = *date;
	int			hours, minutes, seconds = 0;
	double		fraction = 0, unit = 0.1;

	time.at = date->time;
	if (date->time_length == 0)
		return 0;
	if (read_digits(&time, 2, &hours) != 2 || *time.at++ != ':' || read_digits(&time, 2, &minutes) != 2)
		return -1;
	if (time.at < time.end && *time.at == ':')
	{
		time.at++;
		if (read_digits(&time, 2, &seconds) != 2)
			return -1;
		if (time.at < time.end && *time.at == '.')
			for (time.at++; time.at < time.end && *time.at >= '0' && *time.at <= '9'; time.at++, unit /= 10)
				fraction += (*time.at - '0') * unit;
	}
	return hours * 3600.0 + minutes * 60 + seconds + fraction;
}

/*
 * syncup.date_second(value text) returns double precision: the second that a
 * date or timestamp in ISO format means, without its zone; null: it is none.
 */
Datum
syncup_date_second(PG_FUNCTION_ARGS)
{
	DateText	date;
	double		time;

	if (!read_date(PG_GETARG_TEXT_PP(0), &date) || date.digits[0] != 4 || date.parts[0] == 0 ||
		date.parts[1] < 1 || date.parts[1] > 12 || date.parts[2] < 1 || date.parts[2] > 31)
		PG_RETURN_NULL();
	time = time_seconds(&date);
	if (time < 0)
		PG_RETURN_NULL();
	PG_RETURN_FLOAT8((date2j(date.parts[0], date.parts[1], date.parts[2]) - POSTGRES_EPOCH_JDATE) * (double) SECS_PER_DAY + time);
}
