/*
 * options.c
 *		The options of connectors, mappings and calls, read from jsonb.
 *
 * One table names every option, who may give it, and the function that checks
 * and stores its value.  The table also writes the hint that lists the valid
 * names, so that hint and behaviour cannot drift.
 */
#include "config/options.h"

#include "catalog/pg_collation.h"
#include "config/change_command.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "tool/nearest.h"
#include "pgtime.h"
#include "regex/regex.h"
#include "tool/guard.h"
#include "tool/sql.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

typedef struct OptionKind OptionKind;

/* value is the option's text; json its original form where it matters. */
typedef void (*OptionSetter) (Options *options, const OptionKind *kind,
							  const char *value, const JsonbValue *json);

/* What an option takes: a document that says another type of value is refused. */
typedef enum OptionValue
{
	TAKES_TEXT = 1,
	TAKES_BOOLEAN = 2,
	TAKES_NUMBER = 4,			/* or the text of one */
	TAKES_OBJECT = 8,
	TAKES_LIST = 16,			/* of texts */
	TAKES_NUMBERS = TAKES_NUMBER | TAKES_OBJECT,
	TAKES_TEXTS = TAKES_TEXT | TAKES_LIST
} OptionValue;

struct OptionKind
{
	const char *name;
	int			givers;
	OptionValue takes;
	OptionSetter set;
	const char *meaning;		/* what is expected, for a hint */
	size_t		field;			/* offset in Options, where the setter needs one */
	const char *words[4];		/* by what they mean, where it takes a word */
};

/* Refuses a value, saying what would be right. */
pg_noreturn static void
refuse(const OptionKind *kind)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("invalid value for option \"%s\"", kind->name),
			 errhint("Expected %s.", kind->meaning)));
}

/* Reads a number: decimal text or a JSON number. */
static double
number_value(const OptionKind *kind, const char *value)
{
	char	   *end;
	double		number;

	errno = 0;
	number = strtod(value, &end);
	if (errno != 0 || end == value || *end != '\0' || number < 0 ||
		number != number || number > 1e15)
		refuse(kind);
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
set_condition(Options *options, const OptionKind *kind, const char *value,
			  const JsonbValue *json)
{
	if (strspn(value, " \t\r\n") == strlen(value))
		refuse(kind);
	set_text(options, kind, value, json);
}

static void
set_suffix(Options *options, const OptionKind *kind, const char *value,
		   const JsonbValue *json)
{
	if (strchr(value, '/') != NULL)
		refuse(kind);
	set_text(options, kind, value, json);
}

static void
set_boolean(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	*(bool *) ((char *) options + kind->field) = json->val.boolean;
}

/* Reads a whole number. */
static int64
count_value(const OptionKind *kind, const char *value)
{
	double		number = number_value(kind, value);

	if (number != (double) (int64) number)
		refuse(kind);
	return (int64) number;
}

static void
set_count(Options *options, const OptionKind *kind, const char *value,
		  const JsonbValue *json)
{
	*(int64 *) ((char *) options + kind->field) = count_value(kind, value);
}

/* Reads how many rows may be set aside: of all together, or of each kind. */
static void
set_reject_limit(Options *options, const OptionKind *kind, const char *value,
				 const JsonbValue *json)
{
	static const char *const names[REJECT_LIMITS] = {
		[LIMIT_REJECTED] = "rejected", [LIMIT_DUPLICATES] = "duplicates", [LIMIT_NULL_KEYS] = "null_keys"
	};
	JsonbValue	number;
	int			others = json->type == jbvBinary ? JsonContainerSize(json->val.binary.data) : 0;

	for (int i = 0; i < REJECT_LIMITS; i++)
		options->reject_limit[i] = -1;
	if (json->type != jbvBinary)
	{
		options->reject_limit[LIMIT_ALL] = count_value(kind, value);
		return;
	}
	for (int i = LIMIT_REJECTED; i < REJECT_LIMITS; i++)
		if (getKeyJsonValueFromContainer(json->val.binary.data, names[i], strlen(names[i]), &number))
		{
			if (number.type != jbvNumeric)
				refuse(kind);
			options->reject_limit[i] = count_value(kind, json_scalar_text(&number));
			others--;
		}
	if (others != 0)
		refuse(kind);
}

static void
set_seconds(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	*(double *) ((char *) options + kind->field) =
		number_value(kind, value);
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
		refuse(kind);
}

/* Reads a delimiter of one ASCII character, or of several bytes. */
static void
set_delimiter(Options *options, const OptionKind *kind, const char *value,
			  const JsonbValue *json)
{
	size_t		length = strlen(value);

	options->csv.delimiter_text = NULL;
	if (strcmp(value, "\\t") == 0 || (length == 1 && !IS_HIGHBIT_SET(*value)))
		set_character(options, kind, value, json);
	else if (length == 0 || length > CSV_MAX_DELIMITER || strpbrk(value, "\n\r") != NULL)
		refuse(kind);
	else
		options->csv.delimiter_text = pstrdup(value);
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
			refuse(kind);
	}
}

static void
set_timezone(Options *options, const OptionKind *kind, const char *value,
			 const JsonbValue *json)
{
	pg_tz	   *zone = pg_tzset(value);

	if (zone == NULL || !pg_tz_acceptable(zone))
		refuse(kind);
	options->timezone = pstrdup(value);
}

/* The value of a word. */
static int
word_value(const OptionKind *kind, const char *word)
{
	for (int i = 0; i < lengthof(kind->words); i++)
		if (kind->words[i] != NULL && strcmp(kind->words[i], word) == 0)
			return i;
	refuse(kind);
}

static void
set_word(Options *options, const OptionKind *kind, const char *value,
		 const JsonbValue *json)
{
	*(int *) ((char *) options + kind->field) = word_value(kind, value);
}

static void
set_flag(Options *options, const OptionKind *kind, const char *value,
		 const JsonbValue *json)
{
	*(bool *) ((char *) options + kind->field) = word_value(kind, value) != 0;
}

static void
set_page_size(Options *options, const OptionKind *kind, const char *value,
			  const JsonbValue *json)
{
	options->page_size = count_value(kind, value);
	if (options->page_size > PG_INT32_MAX)
		refuse(kind);
}

/* Reads how long to wait: not for ever, and not for nothing. */
static void
set_timeout(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	options->timeout = number_value(kind, value);
	if (options->timeout <= 0 || options->timeout > 86400)
		refuse(kind);
}

static void
set_separator(Options *options, const OptionKind *kind, const char *value,
			  const JsonbValue *json)
{
	if (*value == '\0' || strpbrk(value, "\\\n\r") != NULL)
		refuse(kind);
	options->separator = pstrdup(value);
}

static void
set_object(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	*(Jsonb **) ((char *) options + kind->field) = JsonbValueToJsonb(unconstify(JsonbValue *, json));
}

/* The texts of a list, or one text alone; a list of anything else is refused. */
static List *
text_list(const OptionKind *kind, const JsonbValue *json)
{
	List	   *texts = NIL;

	if (json->type == jbvString)
		return list_make1(json_scalar_text(json));
	foreach_ptr(JsonMember, member, json_members(json->val.binary.data))
	{
		if (member->value.type != jbvString)
			refuse(kind);
		texts = lappend(texts, json_scalar_text(&member->value));
	}
	return texts;
}

static void
set_texts(Options *options, const OptionKind *kind, const char *value,
		  const JsonbValue *json)
{
	*(List **) ((char *) options + kind->field) = text_list(kind, json);
}

/* Reads a regular expression, which must be one. */
static void
set_regex(Options *options, const OptionKind *kind, const char *value,
		  const JsonbValue *json)
{
	pg_wchar   *wide = palloc((strlen(value) + 1) * sizeof(pg_wchar));
	regex_t		regex;
	int			result = pg_regcomp(&regex, wide, pg_mb2wchar_with_len(value, wide, strlen(value)),
									REG_ADVANCED, C_COLLATION_OID);
	char		message[100];

	if (result != REG_OKAY)
	{
		pg_regerror(result, &regex, message, sizeof(message));
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_REGULAR_EXPRESSION),
				 errmsg("invalid value for option \"%s\": %s", kind->name, message),
				 errhint("Expected %s.", kind->meaning)));
	}
	pg_regfree(&regex);
	*(text **) ((char *) options + kind->field) = *value ? cstring_to_text(value) : NULL;
}

/* Reads {"word": "command"}. */
static void
set_commands(Options *options, const OptionKind *kind, const char *value,
			 const JsonbValue *json)
{
	foreach_ptr(JsonMember, member, json_members(json->val.binary.data))
		if (member->value.type != jbvString || !is_change_command(json_scalar_text(&member->value)))
			refuse(kind);
	set_object(options, kind, value, json);
}

static void
set_session(Options *options, const OptionKind *kind, const char *value,
			const JsonbValue *json)
{
	if (strlen(value) != 36 || strspn(value, "-0123456789abcdefABCDEF") != 36)
		refuse(kind);
	options->session = DatumGetUUIDP(DirectFunctionCall1(uuid_in, CStringGetDatum(value)));
}

/* Options of a file of its own: read once, to refuse what is none. */
static void
set_incremental_options(Options *options, const OptionKind *kind, const char *value,
						const JsonbValue *json)
{
	set_object(options, kind, value, json);
	(void) options_read(OPTION_READ, 1, &options->incremental_options);
}

/* A text on its way to an interval. */
typedef struct IntervalText
{
	const char *text;
	Interval   *interval;
} IntervalText;

static void
read_interval(void *arg)
{
	IntervalText *given = arg;

	given->interval = DatumGetIntervalP(DirectFunctionCall3(interval_in, CStringGetDatum(given->text),
															ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

/* Checks an interval that the view syncup.alarm reads from the stored options. */
static void
set_interval(Options *options, const OptionKind *kind, const char *value,
			 const JsonbValue *json)
{
	IntervalText given = {.text = value};
	Interval	none = {0};

	if (guarded_values(read_interval, &given) != NULL ||
		DatumGetInt32(DirectFunctionCall2(interval_cmp, IntervalPGetDatum(given.interval),
										  IntervalPGetDatum(&none))) <= 0)
		refuse(kind);
}

/* Text that only people read, from the stored options. */
static void
set_note(Options *options, const OptionKind *kind, const char *value,
		 const JsonbValue *json)
{
	if (strspn(value, " \t\r\n") == strlen(value))
		refuse(kind);
}

#define AT(member)	.field = offsetof(Options, member)

static const OptionKind option_kinds[] = {
	{"delimiter", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_delimiter,
		"up to 8 bytes, without a line end, such as \";\" or \"||\"", AT(csv.delimiter)},
	{"quote", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_character,
		"a single one-byte character, other than a line end", AT(csv.quote)},
	{"escape", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_character,
		"a single one-byte character, other than a line end", AT(csv.escape)},
	{"encoding", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_encoding,
		"the name of an encoding, such as UTF8, UTF16LE, WIN1252 or LATIN1", .field = 0},
	{"header", OPTION_READ | OPTION_FILE, TAKES_BOOLEAN, set_boolean,
		"true or false", AT(header)},
	{"skip_lines", OPTION_READ | OPTION_FILE, TAKES_NUMBER, set_count,
		"a whole number, not negative", AT(skip_lines)},
	{"names", OPTION_READ | OPTION_FILE, TAKES_LIST, set_texts,
		"a list of the columns' names, where \"header\" is false", AT(names)},
	{"comment", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_text,
		"what lines begin with that are no rows, such as \"#\"", AT(comment)},
	{"ignore_lines", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_regex,
		"a regular expression that lines match which are no rows", AT(ignore_lines)},
	{"trailer", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_regex,
		"a regular expression that the last line matches; a group in it is the number of rows", AT(trailer)},
	{"short_rows", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_flag,
		"error or pad", AT(csv.short_rows), .words = {"error", "pad"}},
	{"null", OPTION_READ | OPTION_FILE, TAKES_TEXTS, set_texts,
		"a text that means no value, or a list of them", AT(nulls)},
	{"quoted_empty", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_flag,
		"null or empty", AT(csv.quoted_empty_null), .words = {"empty", "null"}},
	{"trim", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_text,
		"the characters to trim at both ends, such as \" \\t\"", AT(csv.trim)},
	{"quoting", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_flag,
		"strict or lenient", AT(csv.lenient), .words = {"strict", "lenient"}},
	{"command_column", OPTION_READ, TAKES_TEXT, set_text,
		"the name of the column that says what to do with a row", AT(command_column)},
	{"commands", OPTION_READ, TAKES_OBJECT, set_commands,
		"an object of words and what they mean: {\"active\": \"merge\", \"D\": \"delete\"}", AT(commands)},
	{"timezone", OPTION_READ, TAKES_TEXT, set_timezone,
		"the name of a time zone, such as UTC or Europe/Paris", .field = 0},
	{"on_error", OPTION_READ, TAKES_TEXT, set_word,
		"stop or quarantine", AT(on_error), .words = {[ON_ERROR_STOP] = "stop", [ON_ERROR_QUARANTINE] = "quarantine"}},
	{"reject_limit", OPTION_READ, TAKES_NUMBERS, set_reject_limit,
		"a whole number, not negative, or {\"rejected\": n, \"duplicates\": n, \"null_keys\": n}", .field = 0},
	{"pattern", OPTION_READ | OPTION_FILE, TAKES_BOOLEAN, set_boolean,
		"true or false", AT(pattern)},
	{"done_suffix", OPTION_READ | OPTION_FILE, TAKES_TEXT, set_suffix,
		"the end of a file name, without \"/\"", AT(done_suffix)},
	{"min_age", OPTION_READ | OPTION_FILE, TAKES_NUMBER, set_seconds,
		"a number of seconds, not negative", AT(min_age)},
	{"incremental_file", OPTION_PREPARE | OPTION_FILE, TAKES_TEXT, set_text,
		"the name of a file", AT(incremental_file)},
	{"incremental_options", OPTION_PREPARE | OPTION_FILE, TAKES_OBJECT, set_incremental_options,
		"an object of options for \"incremental_file\" alone", AT(incremental_options)},
	{"duplicates", OPTION_PREPARE, TAKES_TEXT, set_word,
		"first or reject", AT(duplicates), .words = {[DUPLICATES_FIRST] = "first", [DUPLICATES_REJECT] = "reject"}},
	{"optional", OPTION_ENTITY_TYPE | OPTION_ASSOCIATION | OPTION_FILE, TAKES_BOOLEAN, set_boolean,
		"true or false", AT(optional)},
	{"source", OPTION_ENTITY_TYPE | OPTION_ASSOCIATION, TAKES_TEXT, set_text,
		"the name of a table, view or foreign table with its schema, such as public.staff", AT(source)},
	{"where", OPTION_ENTITY_TYPE | OPTION_ASSOCIATION, TAKES_TEXT, set_condition,
		"a condition over the file's columns, such as status <> 'deleted'", AT(where)},
	{"scope", OPTION_ENTITY_TYPE | OPTION_ASSOCIATION, TAKES_TEXT, set_condition,
		"a condition over the target's columns, such as source = 'AD'", AT(scope)},
	{"constants", OPTION_ENTITY_TYPE | OPTION_ASSOCIATION, TAKES_OBJECT, set_object,
		"an object of columns and values: {\"column\": \"value\"}", AT(constants)},
	{"deleted_column", OPTION_ENTITY_TYPE, TAKES_TEXT, set_text,
		"the name of a column of the target", AT(deleted_column)},
	{"old_key", OPTION_ENTITY_TYPE, TAKES_TEXT, set_text,
		"the name of the column that tells the former key", AT(old_key)},
	{"stable_key", OPTION_ENTITY_TYPE, TAKES_TEXT, set_text,
		"one of the unique keys", AT(stable_key)},
	{"display", OPTION_ENTITY_TYPE, TAKES_TEXT, set_text,
		"the name of a column of the target that people know its rows by, such as name", AT(display)},
	{"watch", OPTION_ENTITY_TYPE, TAKES_TEXT, set_condition,
		"a condition over the mapped columns of the target, as texts, such as login LIKE 'svc-%'", AT(watch)},
	{"store1", OPTION_ASSOCIATION, TAKES_TEXT, set_text,
		"the name of a column of side 1's target", AT(store1)},
	{"store2", OPTION_ASSOCIATION, TAKES_TEXT, set_text,
		"the name of a column of side 2's target", AT(store2)},
	{"columns", OPTION_ASSOCIATION, TAKES_OBJECT, set_object,
		"an object of columns that belong to a link: {\"role\": \"role\", \"begin\": {\"column\": \"begins\", \"format\": \"datetime:DD.MM.YYYY\"}}", AT(columns)},
	{"link_key", OPTION_ASSOCIATION, TAKES_LIST, set_texts,
		"a list of those columns that tell links of the same pair apart", AT(link_key)},
	{"match1", OPTION_ASSOCIATION, TAKES_TEXT, set_word,
		"exact, ignore_case or dn", AT(match[0]), .words = {[MATCH_EXACT] = "exact", [MATCH_IGNORE_CASE] = "ignore_case", [MATCH_DN] = "dn"}},
	{"match2", OPTION_ASSOCIATION, TAKES_TEXT, set_word,
		"exact, ignore_case or dn", AT(match[1]), .words = {[MATCH_EXACT] = "exact", [MATCH_IGNORE_CASE] = "ignore_case", [MATCH_DN] = "dn"}},
	{"split", OPTION_ASSOCIATION, TAKES_TEXT, set_text,
		"the text between the values of a cell, such as \";\"", AT(split)},
	{"ignore_cookie", OPTION_CALL, TAKES_BOOLEAN, set_boolean,
		"true or false", AT(ignore_cookie)},
	{"scope", OPTION_DIRECTORY, TAKES_TEXT, set_word,
		"sub, one or base", AT(directory_scope), .words = {[SCOPE_SUB] = "sub", [SCOPE_ONE] = "one", [SCOPE_BASE] = "base"}},
	{"page_size", OPTION_DIRECTORY, TAKES_NUMBER, set_page_size,
		"how many entries the directory sends at once, 0 for all", .field = 0},
	{"timeout", OPTION_DIRECTORY, TAKES_NUMBER, set_timeout,
		"seconds that an answer may take, up to a day", .field = 0},
	{"separator", OPTION_DIRECTORY, TAKES_TEXT, set_separator,
		"the text between several values, without backslash and line end, such as \";\"", .field = 0},
	{"binary", OPTION_DIRECTORY, TAKES_LIST, set_texts,
		"a list of attributes whose values are no texts", AT(binary)},
	{"session", OPTION_CALL, TAKES_TEXT, set_session,
		"what syncup_open_session() returned", .field = 0},
	{"contact", OPTION_CONNECTOR, TAKES_TEXT, set_note,
		"whom to ask about its data, such as \"Directory team, +44 20 7946 0000\"", .field = 0},
	{"max_age", OPTION_CONNECTOR, TAKES_TEXT, set_interval,
		"an interval longer than nothing, such as \"1 day\"", .field = 0},
	{"max_age_complete", OPTION_CONNECTOR, TAKES_TEXT, set_interval,
		"an interval longer than nothing, such as \"8 days\"", .field = 0},
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

List *
json_members(JsonbContainer *container)
{
	JsonbIterator *iterator = JsonbIteratorInit(container);
	JsonbIteratorToken token;
	JsonMember	member = {NULL};
	List	   *members = NIL;

	while ((token = JsonbIteratorNext(&iterator, &member.value, true)) != WJB_DONE)
		if (token == WJB_KEY)
			member.name = json_scalar_text(&member.value);
		else if (token == WJB_VALUE || token == WJB_ELEM)
			members = lappend(members, memcpy(palloc(sizeof(member)), &member, sizeof(member)));
	return members;
}

/* The option of this name that such a giver may give, or an error. */
static const OptionKind *
kind_of_option(const char *name, int allowed)
{
	StringInfoData names;
	NameList	nearest = {.wanted = name};
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
		{
			appendStringInfo(&names, "%s%s", names.len ? ", " : "",
							 option_kinds[i].name);
			name_list_add(&nearest, option_kinds[i].name, NULL);
		}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 elsewhere ? errmsg("option \"%s\" cannot be given here", name) :
			 errmsg("unknown option \"%s\"", name),
			 errhint("%sValid options are %s.", elsewhere ? "" : did_you_mean(&nearest), names.data)));
	return NULL;				/* not reached */
}

/* Errors unless a value is of the type that the option takes. */
static void
check_type(const OptionKind *kind, const JsonbValue *value)
{
	static const char *const types[] = {
		[0] = "null", [TAKES_TEXT] = "text", [TAKES_BOOLEAN] = "true or false",
		[TAKES_NUMBER] = "a number", [TAKES_NUMBERS] = "a number or an object", [TAKES_OBJECT] = "an object",
		[TAKES_LIST] = "a list", [TAKES_TEXTS] = "text or a list"
	};
	int			given = value->type == jbvString ? TAKES_TEXT :
		value->type == jbvNumeric ? TAKES_NUMBER :
		value->type == jbvBool ? TAKES_BOOLEAN :
		value->type == jbvNull ? 0 :
		JsonContainerIsArray(value->val.binary.data) ? TAKES_LIST : TAKES_OBJECT;

	if ((given & kind->takes) || (given == TAKES_TEXT && (kind->takes & TAKES_NUMBER)))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" takes %s, not %s", kind->name, types[kind->takes], types[given]),
			 value->type == jbvNull ? errhint("Leave the option out for its default.") :
			 errhint("Expected %s.", kind->meaning)));
}

/* Errors unless the document is an object. */
static void
check_object(Jsonb *document)
{
	if (!JB_ROOT_IS_OBJECT(document))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options must be a JSON object"),
				 errhint("For example {\"delimiter\": \";\"}.")));
}

/* Lays one document over the options: a header takes the place of names given further away. */
static void
overlay(Options *options, Jsonb *document, int allowed, bool *escape_given)
{
	const List *further = options->names;
	bool		header_given = false;

	check_object(document);
	foreach_ptr(JsonMember, member, json_members(&document->root))
	{
		const OptionKind *kind = kind_of_option(member->name, allowed);
		char	   *text = json_scalar_text(&member->value);

		check_type(kind, &member->value);
		kind->set(options, kind, text ? text : "", &member->value);
		if (strcmp(member->name, "escape") == 0)
			*escape_given = true;
		if (strcmp(member->name, "header") == 0)
			header_given = true;
	}
	if (header_given && options->header && options->names == further)
		options->names = NIL;
}

Jsonb *
options_merge(int allowed, Jsonb *stored, Jsonb *given)
{
	uint64		count;

	if (given != NULL)
		check_object(given);
	count = own_sql("SELECT key FROM jsonb_object_keys($1) AS key", SQL_ARGS(SQL_JSONB(given)));
	for (uint64 i = 0; i < count; i++)
		(void) kind_of_option(sql_text(i, 1), allowed);
	own_sql("SELECT coalesce(jsonb_object_agg(key, value), '{}')"
			" FROM jsonb_each(coalesce($1, '{}') || coalesce($2, '{}')) WHERE value <> 'null'",
			SQL_ARGS(SQL_JSONB(stored), SQL_JSONB(given)));
	return sql_jsonb(0, 1);
}

void
options_check_relation(Jsonb *document)
{
	uint64		count = own_sql("SELECT key FROM jsonb_object_keys($1) AS key", SQL_ARGS(SQL_JSONB(document)));

	for (uint64 i = 0; i < count; i++)
		for (size_t n = 0; n < lengthof(option_kinds); n++)
			if ((option_kinds[n].givers & OPTION_FILE) && strcmp(option_kinds[n].name, sql_text(i, 1)) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						 errmsg("option \"%s\" says what a file is like, but a relation is read", option_kinds[n].name),
						 errhint("Leave it out, or give it as null, where the option \"source\" is given.")));
}

/* What a connector says of its files is nothing to a relation: see relation_spool(). */
static void
set_relation_form(Options *options)
{
	options->csv = (CsvDialect) {.delimiter = ',', .quote = '"'};
	options->encoding = GetDatabaseEncoding();
	options->header = true;
	options->skip_lines = 0;
	options->names = options->nulls = NIL;
	options->comment = options->done_suffix = options->incremental_file = NULL;
	options->ignore_lines = options->trailer = NULL;
	options->incremental_options = NULL;
	options->pattern = false;
	options->min_age = 0;
}

/* Refuses characters that would mean two things at once. */
static void
check_dialect(const CsvDialect *csv)
{
	const char *several = csv->delimiter_text;

	if (several != NULL &&
		((csv->quote != '\0' && strchr(several, csv->quote) != NULL) ||
		 (csv->quote != '\0' && csv->escape != '\0' && strchr(several, csv->escape) != NULL)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"delimiter\" contains the quote or the escape character")));
	if (several == NULL && csv->delimiter == csv->quote)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"delimiter\" and \"quote\" must differ")));
	if (several == NULL && csv->quote != '\0' && csv->delimiter == csv->escape)
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
	for (int i = 0; i < REJECT_LIMITS; i++)
		options->reject_limit[i] = -1;
	options->timezone = "UTC";
	options->page_size = 1000;
	options->timeout = 60;
	options->separator = ";";

	for (int i = 0; i < ndocuments; i++)
		if (documents[i] != NULL)
			overlay(options, documents[i], allowed, &escape_given);

	if (options->source != NULL)
		set_relation_form(options);
	if (!escape_given || options->source != NULL)
		options->csv.escape = options->csv.quote;
	check_dialect(&options->csv);
	return options;
}

/* Errors if names of columns are given for a file that has a header. */
static void
check_names(const Options *given, bool header)
{
	if (given->names != NIL && header)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"names\" goes with \"header\": false"),
				 errhint("Where the file has a header, leave the names out.")));
}

/* Errors about an option that says nothing, for want of another one. */
static void
refuse_alone(const char *option, const char *other)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("option \"%s\" goes with option \"%s\"", option, other),
			 errhint("Give \"%s\" as well, or leave \"%s\" out; one that was given before goes with null.", other, option)));
}

void
options_check_company(int allowed, Jsonb *general, Jsonb *own)
{
	Jsonb	   *documents[3] = {general, own};
	Options    *whole = options_read(allowed, 2, documents);
	Options    *given = options_read(allowed, 1, &own);
	Options    *changes;

	/* Names that are given further away are for files without a header. */
	check_names(given, whole->header);
	if (given->incremental_options != NULL && whole->incremental_file == NULL)
		refuse_alone("incremental_options", "incremental_file");

	documents[2] = whole->incremental_options;
	changes = options_read(allowed, 3, documents);
	if (given->commands != NULL && changes->command_column == NULL)
		refuse_alone("commands", "command_column");
	if (given->incremental_options == NULL)
		return;
	given = options_read(OPTION_READ, 1, &given->incremental_options);
	check_names(given, changes->header);
	if (given->commands != NULL && changes->command_column == NULL)
		refuse_alone("commands", "command_column");
}

Options *
options_of_call(Jsonb *document)
{
	Options    *options = options_read(OPTIONS_OF_CALL, 1, &document);

	for (int i = 0; i < REJECT_LIMITS && options->on_error == ON_ERROR_STOP; i++)
		if (options->reject_limit[i] >= 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("option \"reject_limit\" goes with \"on_error\": \"quarantine\""),
					 errhint("Without it the first bad row is an error.")));
	check_names(options, options->header);
	return options;
}
