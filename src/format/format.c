/*
 * format.c
 *		Formats of mapped values: source text in, text for the target type out.
 *
 * Exports write times, identifiers and lists in the notations of the managed
 * system, which the input functions of PostgreSQL's types do not take, or
 * take for something else.  A format names such a notation.
 *
 * The formats are rows of one table, formats[]: it gives the name, the
 * parameter, the function that parses the parameter and the one that converts
 * a value, and it makes the hint that lists the names.  The functions are in
 * format_time.c, format_identity.c, format_text.c and format_value.c, by kind of notation;
 * here is only what they share and what does not depend on the format.
 *
 * A converter that refuses a value says why in a Refusal and does not raise
 * the error itself, so that one place builds all messages and none of them
 * can quote a value: messages reach the server log, values must not
 * (SPEC 3).  Every notation is read strictly: a value that fits only nearly
 * was meant for another format, and guessing would write wrong data.
 */
#include "postgres.h"

#include "catalog/namespace.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "format/format_internal.h"
#include "tool/nearest.h"

typedef enum ParameterUse
{
	PARAMETER_NONE,
	PARAMETER_OPTIONAL,
	PARAMETER_REQUIRED
} ParameterUse;

/* A row of the table of formats. */
struct FormatType
{
	const char *name;
	ParameterUse use;
	const char *usage;			/* as the hint shows it */
	/* keeps the parameter, or returns the sentence why it is wrong */
	const char *(*parse) (Format *format, const char *parameter);
	char	   *(*apply) (const Format *format, const char *value,
						  Refusal *refusal);
};

/* Note why a value is refused, and return the null of the converters. */
char *
refuse(Refusal *refusal, int sqlstate, const char *reason)
{
	refusal->sqlstate = sqlstate;
	refusal->reason = reason;
	return NULL;
}

/* Refuse a value whose text is not that of the format. */
char *
refuse_text(Refusal *refusal, const char *reason)
{
	return refuse(refusal, ERRCODE_INVALID_TEXT_REPRESENTATION, reason);
}

/* Refuse a time whose text is not that of the format. */
char *
refuse_time(Refusal *refusal, const char *reason)
{
	return refuse(refusal, ERRCODE_INVALID_DATETIME_FORMAT, reason);
}

/* Refuse a time that is well written but does not exist. */
char *
refuse_range(Refusal *refusal, const char *reason)
{
	return refuse(refusal, ERRCODE_DATETIME_FIELD_OVERFLOW, reason);
}

/*
 * Put one character, given in UTF-8, into the server's encoding.
 *
 * Returns its length in out, or 0 where the encoding lacks it.  The server's
 * own conversions would name the character in their error.
 */
int
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

/*
 * The formats by name; "guid:" and "bool:" are rows of their own where the
 * parameter changes what converts the value or how it is shown.
 */
static const FormatType formats[] = {
	{"ascii", PARAMETER_NONE, "ascii", NULL, apply_ascii},
	{"base64", PARAMETER_NONE, "base64", NULL, apply_base64},
	{"bit", PARAMETER_REQUIRED, "bit:<n>", parse_bit_number, apply_bit},
	{"bool", PARAMETER_NONE, "bool", parse_bool_words, apply_bool},
	{"bool", PARAMETER_REQUIRED, "bool:<true>|<true>/<false>|<false>",
	parse_bool_words, apply_bool},
	{"concat", PARAMETER_REQUIRED, "concat:<separator>", parse_separator,
	apply_concat},
	{"datetime", PARAMETER_REQUIRED, "datetime:<pattern>",
	parse_datetime_pattern, apply_datetime},
	{"dn", PARAMETER_NONE, "dn", NULL, apply_dn},
	{"filetime", PARAMETER_NONE, "filetime", NULL, apply_filetime},
	{"first_name", PARAMETER_NONE, "first_name", NULL, apply_first_name},
	{"generalizedtime", PARAMETER_NONE, "generalizedtime", NULL,
	apply_generalizedtime},
	{"guid", PARAMETER_NONE, "guid", NULL, apply_guid_text},
	{"guid", PARAMETER_REQUIRED, "guid:base64, guid:hex",
	parse_guid_parameter, apply_guid_binary},
	{"hex", PARAMETER_NONE, "hex", NULL, apply_hex},
	{"lower", PARAMETER_NONE, "lower", NULL, apply_lower},
	{"metaphone", PARAMETER_NONE, "metaphone", parse_sound, apply_metaphone},
	{"multivaluedtext", PARAMETER_OPTIONAL,
		"multivaluedtext, multivaluedtext:<separator>", parse_separator,
	apply_multivaluedtext},
	{"number", PARAMETER_REQUIRED, "number:<decimal><group>, number:<decimal><group>-",
	parse_number_marks, apply_number},
	{"rdn", PARAMETER_NONE, "rdn", NULL, apply_rdn},
	{"sid", PARAMETER_NONE, "sid", NULL, apply_sid},
	{"simplify", PARAMETER_NONE, "simplify", NULL, apply_simplify},
	{"soundex", PARAMETER_NONE, "soundex", parse_sound, apply_soundex},
	{"title", PARAMETER_NONE, "title", NULL, apply_title},
	{"upper", PARAMETER_NONE, "upper", NULL, apply_upper},
};

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

/* A hint with the usages of the formats of one name; with all, if there is none. */
static int
hint_usage(const char *spec)
{
	int			length = strcspn(spec, ":");
	NameList	nearest = {.wanted = pnstrdup(spec, length)};
	StringInfoData usages;
	StringInfoData list;

	initStringInfo(&usages);
	initStringInfo(&list);
	for (int i = 0; i < lengthof(formats); i++)
	{
		appendStringInfo(&list, "%s%s", i > 0 ? ", " : "", formats[i].usage);
		name_list_add(&nearest, formats[i].name, NULL);
		if (strcmp(formats[i].name, nearest.wanted) == 0)
			appendStringInfo(&usages, "%s%s", usages.len ? ", " : "", formats[i].usage);
	}
	if (usages.len > 0)
		return errhint("Format \"%s\" is written %s.", nearest.wanted, usages.data);
	return errhint("%sThe formats are %s.", did_you_mean(&nearest), list.data);
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
				 hint_usage(spec)));
	if (reason == NULL && format->type->parse != NULL)
		reason = format->type->parse(format, parameter);
	if (reason)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid format \"%s\"", spec),
				 errdetail("%s", reason),
				 hint_usage(spec)));
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
