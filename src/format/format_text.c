/*
 * format_text.c
 *		Formats of names: capitals, letters of ASCII, how a name sounds, parts of
 *		distinguished names.
 *
 * They take every text: nothing is refused.  Capitals are those of the database's
 * locale.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/dependency.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/unicode_norm.h"
#include "format/format_internal.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/formatting.h"
#include "utils/syscache.h"

/* ---------- capitals ---------- */

char *
apply_upper(const Format *format, const char *value, Refusal *refusal)
{
	return str_toupper(value, strlen(value), DEFAULT_COLLATION_OID);
}

char *
apply_lower(const Format *format, const char *value, Refusal *refusal)
{
	return str_tolower(value, strlen(value), DEFAULT_COLLATION_OID);
}

/* Every word with a capital, as initcap() does. */
char *
apply_title(const Format *format, const char *value, Refusal *refusal)
{
	return str_initcap(value, strlen(value), DEFAULT_COLLATION_OID);
}

/* The first of several given names, with capitals; null if there is none. */
char *
apply_first_name(const Format *format, const char *value, Refusal *refusal)
{
	static const char *const blanks = " \t\r\n";
	size_t		length;

	value += strspn(value, blanks);
	length = strcspn(value, blanks);
	return length == 0 ? NULL : str_initcap(value, length, DEFAULT_COLLATION_OID);
}

/* ---------- letters of ASCII ---------- */

/* Characters that are not written as a letter of ASCII with marks, in the order of their codes. */
static const struct
{
	pg_wchar	code;
	const char *ascii;
} ascii_texts[] = {
	{0x00c4, "Ae"}, {0x00c6, "Ae"}, {0x00d0, "D"}, {0x00d6, "Oe"}, {0x00d8, "O"}, {0x00dc, "Ue"},
	{0x00de, "Th"}, {0x00df, "ss"}, {0x00e4, "ae"}, {0x00e6, "ae"}, {0x00f0, "d"}, {0x00f6, "oe"},
	{0x00f8, "o"}, {0x00fc, "ue"}, {0x00fe, "th"}, {0x0110, "D"}, {0x0111, "d"}, {0x0126, "H"}, {0x0127, "h"},
	{0x0131, "i"}, {0x0138, "k"}, {0x013f, "L"}, {0x0140, "l"}, {0x0141, "L"}, {0x0142, "l"}, {0x0149, "n"}, {0x014a, "N"}, {0x014b, "n"},
	{0x0152, "Oe"}, {0x0153, "oe"}, {0x0166, "T"}, {0x0167, "t"}, {0x017f, "s"}, {0x0180, "b"}, {0x018f, "E"},
	{0x0259, "e"}, {0x1e9e, "Ss"}, {0x2010, "-"}, {0x2011, "-"}, {0x2012, "-"}, {0x2013, "-"}, {0x2014, "-"},
	{0x2018, "'"}, {0x2019, "'"}, {0x201a, "'"}, {0x201c, "\""}, {0x201d, "\""}, {0x201e, "\""}, {0x2044, "/"}, {0x2212, "-"},
};

/* What is written for a character; NULL: its parts tell. */
static const char *
ascii_text(pg_wchar code)
{
	int			low = 0;
	int			high = lengthof(ascii_texts);

	while (low < high)
	{
		int			middle = (low + high) / 2;

		if (ascii_texts[middle].code == code)
			return ascii_texts[middle].ascii;
		if (ascii_texts[middle].code < code)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

/* The characters of a text as Unicode, ended by 0; bytes that are none are left out. */
static pg_wchar *
unicode_of(const char *value)
{
	int			length = strlen(value);
	const char *text = pg_server_to_any(value, length, PG_UTF8);
	pg_wchar   *codes = palloc(sizeof(pg_wchar) * (strlen(text) + 1));
	int			count = 0;

	for (const unsigned char *at = (const unsigned char *) text; *at;)
	{
		int			bytes = pg_utf_mblen(at);

		if (strnlen((const char *) at, bytes) == bytes && pg_utf8_islegal(at, bytes))
		{
			codes[count++] = utf8_to_unicode(at);
			at += bytes;
		}
		else
			at++;
	}
	codes[count] = 0;
	return codes;
}

#define IS_CAPITAL(c)	((c) >= 'A' && (c) <= 'Z')

/* Whether a character is a capital: one of ASCII, or one that is written with such. */
static bool
is_capital(pg_wchar code)
{
	const char *text = ascii_text(code);

	return IS_CAPITAL(text ? *text : code);
}

/* Appends what is written for a character: all in capitals among capitals. */
static void
append_text(StringInfo result, const char *text, bool capitals)
{
	for (; *text; text++)
		appendStringInfoChar(result, capitals ? pg_ascii_toupper((unsigned char) *text) : *text);
}

/*
 * A text in ASCII: letters without their marks, German ones and ligatures as two.
 * Characters that have no such form are left out.
 */
static char *
to_ascii(const char *value)
{
	pg_wchar   *codes = unicode_normalize(UNICODE_NFC, unicode_of(value));
	StringInfoData result;

	initStringInfo(&result);
	for (int i = 0; codes[i]; i++)
	{
		const char *text = ascii_text(codes[i]);

		if (codes[i] < 0x80)
			appendStringInfoChar(&result, (char) codes[i]);
		else if (text != NULL)
			append_text(&result, text, IS_CAPITAL(*text) &&
						(codes[i + 1] > ' ' ? is_capital(codes[i + 1]) : i > 0 && is_capital(codes[i - 1])));
		else
		{
			pg_wchar	one[] = {codes[i], 0};

			for (pg_wchar *part = unicode_normalize(UNICODE_NFKD, one); *part; part++)
			{
				text = ascii_text(*part);
				if (*part < 0x80)
					appendStringInfoChar(&result, (char) *part);
				else if (text != NULL)
					append_text(&result, text, false);
			}
		}
	}
	return result.data;
}

/* A result that may be empty, which is null. */
static char *
filled(char *result)
{
	return *result ? result : NULL;
}

char *
apply_ascii(const Format *format, const char *value, Refusal *refusal)
{
	return filled(to_ascii(value));
}

/* Small letters and digits of ASCII alone. */
char *
apply_simplify(const Format *format, const char *value, Refusal *refusal)
{
	char	   *text = to_ascii(value);
	char	   *out = text;

	for (const char *at = text; *at; at++)
		if (IS_LETTER(*at) || IS_DIGIT(*at))
			*out++ = pg_ascii_tolower((unsigned char) *at);
	*out = '\0';
	return filled(text);
}

/* ---------- how a name sounds ---------- */

/* Extension fuzzystrmatch's function of this name; InvalidOid: it is not there. */
static Oid
fuzzy_function(const char *name)
{
	Oid			extension = get_extension_oid("fuzzystrmatch", true);
	CatCList   *list;
	Oid			found = InvalidOid;

	if (!OidIsValid(extension))
		return InvalidOid;
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	for (int i = 0; i < list->n_members && !OidIsValid(found); i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (getExtensionOfObject(ProcedureRelationId, function->oid) == extension)
			found = function->oid;
	}
	ReleaseCatCacheList(list);
	return found;
}

/* Keeps the function that does it. */
const char *
parse_sound(Format *format, const char *parameter)
{
	format->u.function = fuzzy_function(format->spec);
	return OidIsValid(format->u.function) ? NULL :
		"It needs the extension \"fuzzystrmatch\", which this database does not have: CREATE EXTENSION fuzzystrmatch.";
}

char *
apply_soundex(const Format *format, const char *value, Refusal *refusal)
{
	return filled(TextDatumGetCString(OidFunctionCall1(format->u.function, CStringGetTextDatum(to_ascii(value)))));
}

/* The most that metaphone() takes and gives. */
#define METAPHONE_LENGTH	255

char *
apply_metaphone(const Format *format, const char *value, Refusal *refusal)
{
	char	   *name = pnstrdup(to_ascii(value), METAPHONE_LENGTH);
	Datum		sound;

	if (*name == '\0')
		return NULL;
	sound = OidFunctionCall2(format->u.function, CStringGetTextDatum(name), Int32GetDatum(METAPHONE_LENGTH));
	return filled(TextDatumGetCString(sound));
}

/* ---------- distinguished names ---------- */

/* A value escaped for a distinguished name (RFC 4514 2.4). */
char *
apply_dn(const Format *format, const char *value, Refusal *refusal)
{
	StringInfoData result;

	initStringInfo(&result);
	for (const char *at = value; *at; at++)
	{
		if (strchr("\"+,;<>\\", *at) != NULL || (at == value && (*at == '#' || *at == ' ')) ||
			(at[1] == '\0' && *at == ' '))
			appendStringInfoChar(&result, '\\');
		appendStringInfoChar(&result, *at);
	}
	return result.data;
}
