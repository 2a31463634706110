/*
 * options.c
 *		The options of connectors, mappings and calls, read from jsonb.
 *
 * One table names every option, who may give it, and the function that checks
 * and stores its value.  The table also writes the hint that lists the valid
 * names, so that hint and behaviour cannot drift.
 */
#include "options.h"

#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "pgtime.h"
#include "utils/numeric.h"

typedef struct OptionKind OptionKind;

/* value is the option's text; json its original form where it matters. */
typedef void (*OptionSetter) (Options *options, const OptionKind *kind,
							  const char *value, const JsonbValue *json);

struct OptionKind
{
	const char *name;
	int			givers;
	OptionSetter set;
	size_t		field;			/* offset in Options, where the setter needs one */
};

/* Refuses a value, saying what would be right. */
static void
refuse(const OptionKind *kind, const char *expected)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", kind->name),
			 errhint("Expected %s.", expected)));
}

/* Reads a number: decimal text or a JSON number. */
static double
number_value(const OptionKind *kind, const char *value, const char *expected)
{
	char	   *end;
	double		number;

	errno = 0;
	number = strtod(value, &end);
	if (errno != 0 || end == value || *end != '\0' || number < 0 ||
		number != number || number > 1e15)
		refuse(kind, expected);
	return number;
}

static void
set_text(Options *options, const OptionKind *kind, const char *value,
		 const JsonbValue *json)
{
	/* Empty: unset, where a more general document has set it. */
	*(char **) ((char *) options + kind->field) = *value ? pstrdup(value) : NULL;
}

static void
set_scope(Options *options, const OptionKind *kind, const char *value,
		  const JsonbValue *json)
{
	if (strspn(value, " \t\r\n") == strlen(value))
		refuse(kind, "a condition over the target's columns, such as source = 'AD'");
	options->scope = pstrdup(value);
}

static void
set_suffix(Options *options, const OptionKind *kind, const char *value,
		   const JsonbValue *json)
{
	if (strchr(value, '/') != NULL)
		refuse(kind, "the end of a file name, without \"/\"");
	set_text(options, kind, value, json);
}

static void
set_boolean(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	bool		result;

	if (!parse_bool(value, &result))
		refuse(kind, "true or false");
	*(bool *) ((char *) options + kind->field) = result;
}

static void
set_count(Options *options, const OptionKind *kind, const char *value,
		  const JsonbValue *json)
{
	double		number = number_value(kind, value, "a whole number, not negative");

	if (number != (double) (int64) number)
		refuse(kind, "a whole number, not negative");
	*(int64 *) ((char *) options + kind->field) = (int64) number;
}

static void
set_seconds(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	*(double *) ((char *) options + kind->field) =
		number_value(kind, value, "a number of seconds, not negative");
}

/* Reads one ASCII character; "\t" may also be written as backslash and t. */
static void
set_character(Options *options, const OptionKind *kind, const char *value,
			  const JsonbValue *json)
{
	char	   *field = (char *) options + kind->field;

	if (strcmp(value, "\\t") == 0)
		*field = '\t';
	else if (strlen(value) == 1 && !IS_HIGHBIT_SET(*value) &&
			 *value != '\n' && *value != '\r')
		*field = *value;
	else if (*value == '\0' && strcmp(kind->name, "quote") == 0)
		*field = '\0';			/* nothing is quoted in this file */
	else
		refuse(kind, "a single one-byte character, other than a line end");
}

static void
set_encoding(Options *options, const OptionKind *kind, const char *value,
			 const JsonbValue *json)
{
	if (pg_strcasecmp(value, "UTF16LE") == 0 || pg_strcasecmp(value, "UTF-16LE") == 0 ||
		pg_strcasecmp(value, "UTF16") == 0 || pg_strcasecmp(value, "UTF-16") == 0)
		options->encoding = ENCODING_UTF16LE;
	else if (pg_strcasecmp(value, "UTF16BE") == 0 || pg_strcasecmp(value, "UTF-16BE") == 0)
		options->encoding = ENCODING_UTF16BE;
	else
	{
		options->encoding = pg_char_to_encoding(value);
		if (options->encoding < 0)
			refuse(kind, "the name of an encoding, such as UTF8, UTF16LE, WIN1252 or LATIN1");
	}
}

static void
set_timezone(Options *options, const OptionKind *kind, const char *value,
			 const JsonbValue *json)
{
	pg_tz	   *zone = pg_tzset(value);

	if (zone == NULL || !pg_tz_acceptable(zone))
		refuse(kind, "the name of a time zone, such as UTC or Europe/Paris");
	options->timezone = pstrdup(value);
}

static void
set_quoted_empty(Options *options, const OptionKind *kind, const char *value,
				 const JsonbValue *json)
{
	if (strcmp(value, "null") != 0 && strcmp(value, "empty") != 0)
		refuse(kind, "null or empty");
	options->csv.quoted_empty_null = strcmp(value, "null") == 0;
}

static void
set_quoting(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	if (strcmp(value, "strict") != 0 && strcmp(value, "lenient") != 0)
		refuse(kind, "strict or lenient");
	options->csv.lenient = strcmp(value, "lenient") == 0;
}

static void
set_trim(Options *options, const OptionKind *kind, const char *value,
		 const JsonbValue *json)
{
	options->csv.trim = *value ? pstrdup(value) : NULL;
}

static void
set_on_error(Options *options, const OptionKind *kind, const char *value,
			 const JsonbValue *json)
{
	if (strcmp(value, "stop") != 0 && strcmp(value, "quarantine") != 0)
		refuse(kind, "stop or quarantine");
	options->on_error = strcmp(value, "stop") == 0 ?
		ON_ERROR_STOP : ON_ERROR_QUARANTINE;
}

static void
set_duplicates(Options *options, const OptionKind *kind, const char *value,
			   const JsonbValue *json)
{
	if (strcmp(value, "first") != 0 && strcmp(value, "reject") != 0)
		refuse(kind, "first or reject");
	options->duplicates = strcmp(value, "first") == 0 ?
		DUPLICATES_FIRST : DUPLICATES_REJECT;
}

static void
set_constants(Options *options, const OptionKind *kind, const char *value,
			  const JsonbValue *json)
{
	if (json->type != jbvBinary || !JsonContainerIsObject(json->val.binary.data))
		refuse(kind, "an object of columns and values: {\"column\": \"value\"}");
	options->constants = JsonbValueToJsonb(unconstify(JsonbValue *, json));
}

static const OptionKind option_kinds[] = {
	{"delimiter", OPTION_READ, set_character, offsetof(Options, csv.delimiter)},
	{"quote", OPTION_READ, set_character, offsetof(Options, csv.quote)},
	{"escape", OPTION_READ, set_character, offsetof(Options, csv.escape)},
	{"encoding", OPTION_READ, set_encoding, 0},
	{"header", OPTION_READ, set_boolean, offsetof(Options, header)},
	{"skip_lines", OPTION_READ, set_count, offsetof(Options, skip_lines)},
	{"quoted_empty", OPTION_READ, set_quoted_empty, 0},
	{"trim", OPTION_READ, set_trim, 0},
	{"quoting", OPTION_READ, set_quoting, 0},
	{"command_column", OPTION_READ, set_text, offsetof(Options, command_column)},
	{"timezone", OPTION_READ, set_timezone, 0},
	{"on_error", OPTION_READ, set_on_error, 0},
	{"reject_limit", OPTION_READ, set_count, offsetof(Options, reject_limit)},
	{"pattern", OPTION_READ, set_boolean, offsetof(Options, pattern)},
	{"done_suffix", OPTION_READ, set_suffix, offsetof(Options, done_suffix)},
	{"min_age", OPTION_READ, set_seconds, offsetof(Options, min_age)},
	{"incremental_file", OPTION_PREPARE, set_text, offsetof(Options, incremental_file)},
	{"duplicates", OPTION_PREPARE, set_duplicates, 0},
	{"scope", OPTION_ENTITY_TYPE, set_scope, 0},
	{"constants", OPTION_ENTITY_TYPE, set_constants, 0},
	{"deleted_column", OPTION_ENTITY_TYPE, set_text, offsetof(Options, deleted_column)},
	{"store1", OPTION_ASSOCIATION, set_text, offsetof(Options, store1)},
	{"store2", OPTION_ASSOCIATION, set_text, offsetof(Options, store2)},
	{"split", OPTION_ASSOCIATION, set_text, offsetof(Options, split)},
};

char *
json_scalar_text(const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			return pnstrdup(value->val.string.val, value->val.string.len);
		case jbvNumeric:
			return DatumGetCString(DirectFunctionCall1(numeric_out,
													   NumericGetDatum(value->val.numeric)));
		case jbvBool:
			return value->val.boolean ? "true" : "false";
		default:
			return NULL;
	}
}

/* The option of this name that such a giver may give, or an error. */
static const OptionKind *
find_option(const char *name, int allowed)
{
	StringInfoData names;
	const OptionKind *elsewhere = NULL;

	for (size_t i = 0; i < lengthof(option_kinds); i++)
	{
		if (strcmp(option_kinds[i].name, name) != 0)
			continue;
		if (option_kinds[i].givers & allowed)
			return &option_kinds[i];
		elsewhere = &option_kinds[i];
	}

	initStringInfo(&names);
	for (size_t i = 0; i < lengthof(option_kinds); i++)
		if (option_kinds[i].givers & allowed)
			appendStringInfo(&names, "%s%s", names.len ? ", " : "",
							 option_kinds[i].name);
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 elsewhere ? errmsg("option \"%s\" cannot be given here", name) :
			 errmsg("unknown option \"%s\"", name),
			 errhint("Valid options are %s.", names.data)));
	return NULL;				/* not reached */
}

/* Lays one document over the options. */
static void
overlay(Options *options, Jsonb *document, int allowed, bool *escape_given)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue	value;

	if (!JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example {\"delimiter\": \";\"}.")));

	iterator = JsonbIteratorInit(&document->root);
	token = JsonbIteratorNext(&iterator, &value, false);
	while ((token = JsonbIteratorNext(&iterator, &value, true)) == WJB_KEY)
	{
		char	   *name = pnstrdup(value.val.string.val, value.val.string.len);
		const OptionKind *kind = find_option(name, allowed);
		char	   *text;

		(void) JsonbIteratorNext(&iterator, &value, true);
		text = json_scalar_text(&value);
		if (text == NULL && !(value.type == jbvBinary && kind->set == set_constants))
			refuse(kind, value.type == jbvBinary ? "a single value" :
				   "a value; leave the option out for its default");
		kind->set(options, kind, text ? text : "", &value);
		if (strcmp(name, "escape") == 0)
			*escape_given = true;
	}
}

/* Refuses characters that would mean two things at once. */
static void
check_dialect(const CsvDialect *csv)
{
	if (csv->delimiter == csv->quote)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"delimiter\" and \"quote\" must differ")));
	if (csv->quote != '\0' && csv->delimiter == csv->escape)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"delimiter\" and \"escape\" must differ")));
}

Options *
options_read(int allowed, int ndocuments, Jsonb **documents)
{
	Options    *options = palloc0(sizeof(Options));
	bool		escape_given = false;

	options->csv.delimiter = ',';
	options->csv.quote = '"';
	options->csv.quoted_empty_null = true;
	options->encoding = PG_UTF8;
	options->header = true;
	options->reject_limit = -1;
	options->timezone = "UTC";

	for (int i = 0; i < ndocuments; i++)
		if (documents[i] != NULL)
			overlay(options, documents[i], allowed, &escape_given);

	if (!escape_given)
		options->csv.escape = options->csv.quote;
	check_dialect(&options->csv);
	return options;
}
