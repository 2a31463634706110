/*
 * parts.c
 *		A cell of many values, one after the other (option "split", and the
 *		formats of lists).
 */
#include "format/parts.h"

#include "mb/pg_wchar.h"

/* Whether the character at the place is one of a set. */
static bool
is_trimmed(const char *trim, const char *character, int length)
{
	for (; *trim; trim += pg_mblen(trim))
		if (pg_mblen(trim) == length && memcmp(trim, character, length) == 0)
			return true;
	return false;
}

void
trim_value(const char *trim, const char **value, size_t *length)
{
	const char *start = *value;
	const char *end = start + *length;
	const char *kept;

	while (start < end && is_trimmed(trim, start, pg_mblen(start)))
		start += pg_mblen(start);
	kept = start;
	for (const char *at = start; at < end; at += pg_mblen(at))
		if (!is_trimmed(trim, at, pg_mblen(at)))
			kept = at + pg_mblen(at);
	*value = start;
	*length = kept - start;
}

void
parts_begin(Parts *parts, const char *separator, const char *data, size_t length)
{
	parts->at = data;
	parts->end = data + length;
	parts->separator = separator;
	parts->lines = separator != NULL && (strcmp(separator, "\n") == 0 || strcmp(separator, "\\n") == 0);
	parts->null = data == NULL;
	parts->trim = NULL;
}

/* Whether a separator stands there; a line may end in several ways. */
static bool
is_separator(const Parts *parts, const char *at, size_t length)
{
	if (parts->lines)
		return *at == '\n' || *at == '\r';
	return (size_t) (parts->end - at) >= length && memcmp(at, parts->separator, length) == 0;
}

/* How many backslashes stand directly before a place. */
static size_t
backslashes_before(const Parts *parts, const char *at)
{
	const char *first = at;

	while (first > parts->at && first[-1] == '\\')
		first--;
	return at - first;
}

/*
 * Where the value at hand ends; *next: where the one after it begins, or NULL;
 * *escaped: backslashes in it count.
 */
static const char *
value_end(const Parts *parts, const char **next, bool *escaped)
{
	size_t		length = parts->separator ? strlen(parts->separator) : 0;

	*escaped = false;
	for (const char *at = parts->at; length > 0 && at < parts->end; at++)
	{
		if (!is_separator(parts, at, length))
			continue;
		if (!parts->lines)
		{
			size_t		backslashes = backslashes_before(parts, at);

			*escaped |= backslashes > 0;
			if (backslashes % 2 == 1)
			{
				at += length - 1;
				continue;
			}
		}
		/* Between CR and LF stands an empty value, which is nothing. */
		*next = at + (parts->lines ? 1 : length);
		return at;
	}
	*next = NULL;
	return parts->end;
}

/* A value without the backslashes that stand for something else. */
static char *
unescape(const Parts *parts, const char *value, const char *end, bool separated, size_t *length)
{
	size_t		separator = strlen(parts->separator);
	char	   *result = palloc(end - value + 1);
	char	   *to = result;

	for (const char *at = value; at < end;)
	{
		size_t		backslashes = strspn(at, "\\");
		const char *after;

		backslashes = Min(backslashes, (size_t) (end - at));
		after = at + backslashes;
		if (backslashes > 0 && (after < end ? is_separator(parts, after, separator) : separated))
		{
			memset(to, '\\', backslashes / 2);
			to += backslashes / 2;
			/* An odd one is followed by the separator that it takes for data. */
			if (backslashes % 2 == 1)
			{
				memcpy(to, parts->separator, separator);
				to += separator;
				after += separator;
			}
			at = after;
			continue;
		}
		memset(to, '\\', backslashes);
		to += backslashes;
		if (after < end)
			*to++ = *after++;
		at = after;
	}
	*length = to - result;
	return result;
}

bool
parts_next(Parts *parts, const char **value, size_t *length)
{
	if (parts->null)
	{
		parts->null = false;
		*value = NULL;
		*length = 0;
		return true;
	}
	while (parts->at != NULL)
	{
		const char *next;
		bool		escaped;
		const char *end = value_end(parts, &next, &escaped);

		*value = parts->at;
		*length = end - parts->at;
		if (escaped)
			*value = unescape(parts, parts->at, end, next != NULL, length);
		if (parts->trim != NULL)
			trim_value(parts->trim, value, length);
		parts->at = next;
		if (*length > 0)
			return true;
	}
	return false;
}
