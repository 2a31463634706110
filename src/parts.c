/*
 * parts.c
 *		A cell of many values, one after the other (option "split").
 */
#include "parts.h"

void
parts_begin(Parts *parts, const char *separator, const char *data, size_t length)
{
	parts->at = data;
	parts->end = data + length;
	parts->separator = separator;
	parts->lines = separator != NULL && (strcmp(separator, "\n") == 0 || strcmp(separator, "\\n") == 0);
	parts->null = data == NULL;
}

/* Where the value at hand ends; *next: where the one after it begins, or NULL. */
static const char *
value_end(const Parts *parts, const char **next)
{
	size_t		length = parts->separator ? strlen(parts->separator) : 0;

	for (const char *at = parts->at; length > 0 && at < parts->end; at++)
	{
		if (parts->lines ? *at == '\n' || *at == '\r' :
			(size_t) (parts->end - at) >= length && memcmp(at, parts->separator, length) == 0)
		{
			/* Between CR and LF stands an empty value, which is nothing. */
			*next = at + (parts->lines ? 1 : length);
			return at;
		}
	}
	*next = NULL;
	return parts->end;
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
		const char *end = value_end(parts, &next);

		*value = parts->at;
		*length = end - parts->at;
		parts->at = next;
		if (*length > 0)
			return true;
	}
	return false;
}
