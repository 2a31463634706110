/*
 * format_value.c
 *		Formats of plain values: bool, bit, number, lists of texts and octets.
 *
 * Their converters write what the input functions of boolean, numeric, text,
 * arrays and bytea read under every setting.  The decoders of base64 and of
 * hexadecimal digits are here, and serve identifiers as well; the server's
 * own quote the character that they refuse in their errors.
 */
#include "postgres.h"

#include "catalog/pg_collation.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

#include "format/format_internal.h"
#include "format/parts.h"

/*
 * Find the digits of a hexadecimal value behind its prefix: 0x (C, LDAP
 * tools), \x (PostgreSQL) or X'...' (SQL, and csvde of Active Directory).
 */
const char *
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
bool
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
const char *
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
const char *
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
char *
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
const char *
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
char *
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
const char *
parse_separator(Format *format, const char *parameter)
{
	if (parameter != NULL)
	{
		format->u.separator.text = pstrdup(parameter);
		format->u.separator.length = strlen(parameter);
	}
	return NULL;
}

/* Join the lines of a cell with a separator; null if there are none. */
char *
apply_concat(const Format *format, const char *value, Refusal *refusal)
{
	StringInfoData result;
	const char *item;
	size_t		length;
	Parts		lines;

	initStringInfo(&result);
	parts_begin(&lines, "\n", value, strlen(value));
	while (parts_next(&lines, &item, &length))
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
char *
apply_multivaluedtext(const Format *format, const char *value,
					  Refusal *refusal)
{
	StringInfoData result;
	const char *item;
	size_t		length;
	Parts		items;

	initStringInfo(&result);
	/* Without a separator the items are lines. */
	parts_begin(&items, format->u.separator.text ? format->u.separator.text : "\n", value, strlen(value));
	while (parts_next(&items, &item, &length))
	{
		appendStringInfoString(&result, result.len > 0 ? ",\"" : "{\"");
		for (size_t i = 0; i < length; i++)
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
char *
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
char *
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
 * Parse the decimal character, the one between groups, and a "-" that says
 * that signs may stand behind.
 *
 * A blank between groups is also the no-break space that typography asks
 * for, wide (U+00A0) or narrow (U+202F), whichever of them is given.
 */
const char *
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
	format->u.number.sign_behind = *parameter != '\0' && parameter[strlen(parameter) - 1] == '-';
	if (*parameter == '\0' || strcmp(parameter, "-") == 0)
		return NULL;
	group = take_mark(&parameter);
	if (group == NULL || strcmp(parameter, format->u.number.sign_behind ? "-" : "") != 0)
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
 * Groups are checked, as "1,5" read with a group comma would be 15.  Where a
 * sign may stand behind, a blank is none.
 */
char *
apply_number(const Format *format, const char *value, Refusal *refusal)
{
	char	   *result = palloc(strlen(value) + 3);
	char	   *out = result + 1;	/* behind the sign */
	int			ndigits = 0;	/* in this group */
	bool		grouped = false;
	char		sign = '\0';
	int			length;

	if (*value == '-' || *value == '+')
		sign = *value++;
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
	if (format->u.number.sign_behind && sign == '\0' && *value && strchr("-+ ", *value) != NULL)
		sign = *value++;
	if (strcmp(value, "-") == 0 && sign == '\0')
		return refuse_text(refusal, "The sign stands behind; \"-\" at the end of the format allows it.");
	if (*value && value[strspn(value, " ")] == '\0')
		return refuse_text(refusal, "Blanks stand behind; the option \"trim\" cuts them.");
	if (*value)
		return refuse_text(refusal, "A character does not belong to a number.");
	*out = '\0';
	*result = '-';
	return sign == '-' ? result : result + 1;
}
