/*
 * format_identity.c
 *		Formats of identifiers: guid, sid and rdn.
 *
 * Identifiers join rows of different systems, so that each comes out in one
 * form, however the export wrote it: GUIDs and SIDs as text, a name without
 * its escapes.  Each is checked to its end, since one cut short looks like
 * another's.
 */
#include "postgres.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"

#include "format/format_internal.h"

/* A SID has up to 15 subauthorities (MS-DTYP 2.4.2.2). */
#define MAX_SUBAUTHORITIES 15
#define MAX_SID_LENGTH (8 + 4 * MAX_SUBAUTHORITIES)
#define MAX_SID_BASE64 ((MAX_SID_LENGTH + 2) / 3 * 4)

#define GUID_LENGTH 16

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
char *
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
char *
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
const char *
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
char *
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
char *
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
