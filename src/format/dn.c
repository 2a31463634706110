/*
 * dn.c
 *		Distinguished names, in a form in which equal ones have the same bytes.
 *
 * A name is read as RFC 4514 writes it, and as its predecessors did (RFC 1779 and
 * 2253: blanks around separators, semicolons for commas, values in quotes, "OID."
 * before numbers).  Two names are equal whatever the capitals, of attributes and
 * of values; the names of attributes that RFC 4514 lists are equal to their
 * numbers; escapes count for what they stand for, and the parts of a multi-valued
 * RDN have no order.  Values in hexadecimal (#04...) equal only each other.
 *
 * In the normal form attributes and values are in small letters (of the database's
 * collation where they are more than ASCII), nothing is escaped but what would be read otherwise, and the parts
 * of an RDN are in the order of their bytes.
 */
#include "format/dn.h"

#include "catalog/pg_collation.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/formatting.h"

PG_FUNCTION_INFO_V1(syncup_dn_normal_form);

/* A name on its way. */
typedef struct DnReader
{
	const char *at;
	const char *end;
} DnReader;

/* The attributes of RFC 4514, section 3, in the forms of RFC 4519. */
static const struct
{
	const char *name;
	const char *other;
} attribute_names[] = {
	{"cn", "2.5.4.3"}, {"cn", "commonname"},
	{"l", "2.5.4.7"}, {"l", "localityname"},
	{"st", "2.5.4.8"}, {"st", "stateorprovincename"},
	{"o", "2.5.4.10"}, {"o", "organizationname"},
	{"ou", "2.5.4.11"}, {"ou", "organizationalunitname"},
	{"c", "2.5.4.6"}, {"c", "countryname"},
	{"street", "2.5.4.9"}, {"street", "streetaddress"},
	{"dc", "0.9.2342.19200300.100.1.25"}, {"dc", "domaincomponent"},
	{"uid", "0.9.2342.19200300.100.1.1"}, {"uid", "userid"},
};

static inline bool
is_dn_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static inline bool
is_separator(char c)
{
	return c == ',' || c == ';' || c == '+';
}

static void
skip_blanks(DnReader *reader)
{
	while (reader->at < reader->end && is_dn_blank(*reader->at))
		reader->at++;
}

/* Reads the name or number of an attribute and the "=" after it; NULL: that is none. */
static char *
read_attribute(DnReader *reader)
{
	const char *start;
	char	   *name;

	skip_blanks(reader);
	start = reader->at;
	while (reader->at < reader->end &&
		   (isalnum((unsigned char) *reader->at) || *reader->at == '-' || *reader->at == '.' || *reader->at == '_'))
		reader->at++;
	name = asc_tolower(start, reader->at - start);
	skip_blanks(reader);
	if (*name == '\0' || reader->at == reader->end || *reader->at != '=')
		return NULL;
	reader->at++;
	skip_blanks(reader);
	if (strncmp(name, "oid.", 4) == 0)
		name += 4;
	for (size_t i = 0; i < lengthof(attribute_names); i++)
		if (strcmp(attribute_names[i].other, name) == 0)
			return pstrdup(attribute_names[i].name);
	return name;
}

/* The half byte of a hexadecimal digit; -1: it is none. */
static int
hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 :
		c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads what follows a backslash; false: nothing does. */
static bool
read_escape(DnReader *reader, StringInfo value, bool *bytes)
{
	int			high;
	int			low;

	if (reader->at == reader->end)
		return false;
	high = hex_digit(*reader->at);
	low = reader->end - reader->at > 1 ? hex_digit(reader->at[1]) : -1;
	if (high >= 0 && low >= 0)
	{
		if (high == 0 && low == 0)
			return false;
		appendStringInfoChar(value, (char) (high * 16 + low));
		*bytes |= high >= 8;
		reader->at += 2;
	}
	else
		appendStringInfoChar(value, *reader->at++);
	return true;
}

/* Reads a value in quotes, of which the first is behind. */
static bool
read_quoted(DnReader *reader, StringInfo value, bool *bytes)
{
	while (reader->at < reader->end && *reader->at != '"')
	{
		char		c = *reader->at++;

		if (c != '\\')
			appendStringInfoChar(value, c);
		else if (!read_escape(reader, value, bytes))
			return false;
	}
	if (reader->at == reader->end)
		return false;
	reader->at++;
	skip_blanks(reader);
	return reader->at == reader->end || is_separator(*reader->at);
}

/* Reads a value up to a separator, without the blanks before that. */
static bool
read_plain(DnReader *reader, StringInfo value, bool *bytes)
{
	int			kept = 0;		/* of the value, whatever blanks follow */

	while (reader->at < reader->end && !is_separator(*reader->at))
	{
		char		c = *reader->at++;

		if (c != '\\')
			appendStringInfoChar(value, c);
		else if (!read_escape(reader, value, bytes))
			return false;
		if (c == '\\' || !is_dn_blank(c))
			kept = value->len;
	}
	value->len = kept;
	value->data[kept] = '\0';
	return true;
}

/* Whether a value is written as the bytes of its encoding: "#" and pairs of digits. */
static bool
is_hex_string(const char *start, const char *end)
{
	int			digits = 0;

	while (end > start && is_dn_blank(end[-1]))
		end--;
	if (start == end || *start != '#')
		return false;
	for (const char *at = start + 1; at < end; at++, digits++)
		if (hex_digit(*at) < 0)
			return false;
	return digits > 0 && digits % 2 == 0;
}

/* A value in small letters, in the encoding of the database; NULL: it is no text. */
static char *
fold_value(StringInfo value, bool bytes)
{
	char	   *text = value->data;

	/* Bytes that were escaped are UTF-8, whatever the rest is: mixed with others nobody can tell. */
	if (bytes)
	{
		if (!pg_verify_mbstr(PG_UTF8, text, value->len, true))
			return NULL;
		if (GetDatabaseEncoding() != PG_UTF8)
			return NULL;
	}
	/* What is ASCII has the same small letters in the simple form. */
	for (const char *at = text; *at; at++)
		if (IS_HIGHBIT_SET(*at))
			return str_tolower(text, strlen(text), DEFAULT_COLLATION_OID);
	return asc_tolower(text, strlen(text));
}

/* Reads a value into its normal form, escaped; false: it is none. */
static bool
read_value(DnReader *reader, StringInfo part)
{
	StringInfoData value;
	const char *start = reader->at;
	bool		bytes = false;
	bool		quoted = reader->at < reader->end && *reader->at == '"';
	char	   *folded;

	initStringInfo(&value);
	if (quoted)
		reader->at++;
	if (!(quoted ? read_quoted(reader, &value, &bytes) : read_plain(reader, &value, &bytes)))
		return false;
	folded = fold_value(&value, bytes);
	if (folded == NULL)
		return false;
	/* What only looks like bytes, escaped or in quotes, is not to be taken for them. */
	if (*folded == '#' && !(*start == '#' && is_hex_string(start, reader->at)))
		appendStringInfoChar(part, '\\');
	for (const char *at = folded; *at; at++)
	{
		if (is_separator(*at) || *at == '\\')
			appendStringInfoChar(part, '\\');
		appendStringInfoChar(part, *at);
	}
	return true;
}

static int
compare_parts(const ListCell *a, const ListCell *b)
{
	return strcmp(lfirst(a), lfirst(b));
}

/* Reads an RDN up to the separator after it; false: it is none. */
static bool
read_rdn(DnReader *reader, StringInfo dn)
{
	List	   *parts = NIL;
	bool		more = true;

	while (more)
	{
		StringInfoData part;
		char	   *attribute = read_attribute(reader);

		if (attribute == NULL)
			return false;
		initStringInfo(&part);
		appendStringInfo(&part, "%s=", attribute);
		if (!read_value(reader, &part))
			return false;
		parts = lappend(parts, part.data);
		more = reader->at < reader->end && *reader->at == '+';
		reader->at += more;
	}
	list_sort(parts, compare_parts);
	foreach_ptr(char, part, parts)
		appendStringInfo(dn, "%s%s", foreach_current_index(part) == 0 ? "" : "+", part);
	return true;
}

/*
 * Whether a name holds nothing but names, "=", "," and ASCII values without escapes:
 * most do, and are read much faster.
 */
static bool
is_simple(const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (IS_HIGHBIT_SET(text[i]) || text[i] == '\\' || text[i] == '"' || text[i] == '#' ||
			text[i] == '+' || text[i] == ';')
			return false;
	return true;
}

/* Reads such a name, in one go; NULL: it is none. */
static char *
simple_normal(const char *text, size_t length)
{
	DnReader	reader = {text, text + length};
	char	   *result = palloc(length + 1);
	char	   *out = result;

	skip_blanks(&reader);
	while (reader.at < reader.end)
	{
		const char *name = read_attribute(&reader);
		char	   *value;

		if (name == NULL)
			return NULL;
		while (*name)
			*out++ = *name++;
		*out++ = '=';
		value = out;
		while (reader.at < reader.end && *reader.at != ',')
			*out++ = pg_ascii_tolower((unsigned char) *reader.at++);
		while (out > value && is_dn_blank(out[-1]))
			out--;
		if (reader.at == reader.end)
			break;
		*out++ = ',';
		if (++reader.at == reader.end)
			return NULL;
	}
	*out = '\0';
	return result;
}

char *
dn_normal(const char *text, size_t length)
{
	DnReader	reader = {text, text + length};
	StringInfoData dn;

	if (is_simple(text, length))
		return simple_normal(text, length);
	initStringInfo(&dn);
	skip_blanks(&reader);
	while (reader.at < reader.end)
	{
		if (!read_rdn(&reader, &dn))
			return NULL;
		if (reader.at == reader.end)
			break;
		/* After a separator there is another RDN. */
		appendStringInfoChar(&dn, ',');
		if (++reader.at == reader.end)
			return NULL;
	}
	return dn.data;
}

/*
 * syncup.dn_normal_form(dn text) returns text: equal names (RFC 4514) have the
 * same; null where it is no name.
 */
Datum
syncup_dn_normal_form(PG_FUNCTION_ARGS)
{
	text	   *dn = PG_GETARG_TEXT_PP(0);
	char	   *normal = dn_normal(VARDATA_ANY(dn), VARSIZE_ANY_EXHDR(dn));

	if (normal == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(normal));
}
