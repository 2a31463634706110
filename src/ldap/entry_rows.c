/*
 * entry_rows.c
 *		Entries of a directory as rows of the columns that a call asks for.
 *
 * The values of an attribute have no order.  They are put into that of their bytes,
 * so that what is the same in the directory is the same here.
 */
#ifdef SYNCUP_LDAP
#include "ldap/entry_rows.h"

#include "catalog/pg_type.h"
#include "format/convert.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

#define COMMAND_COLUMN	"command"
#define DN_COLUMN		"dn"
#define UUID_COLUMN		"entryUUID"

/* Attributes whose values are no texts, whoever asks. */
static const char *const binary_attributes[] = {
	"objectGUID", "objectSid", "sIDHistory", "mS-DS-ConsistencyGuid", "msExchMailboxGuid", "msExchArchiveGUID",
	"schemaIDGUID", "attributeSecurityGUID", "invocationId", "securityIdentifier", "tokenGroups", "logonHours",
	"nTSecurityDescriptor", "jpegPhoto", "thumbnailPhoto", "thumbnailLogo", "photo", "audio",
	"userCertificate", "cACertificate", "crossCertificatePair", "userSMIMECertificate", "userPKCS12",
	"certificateRevocationList", "authorityRevocationList", "deltaRevocationList"
};

typedef enum ColumnKind
{
	COLUMN_ATTRIBUTE,
	COLUMN_DN,
	COLUMN_COMMAND,
	COLUMN_UUID
} ColumnKind;

typedef struct EntryColumn
{
	ColumnKind	kind;
	int			attribute;		/* of the search */
	bool		array;
	bool		bytes;			/* of type bytea, or an array of it */
	bool		binary;			/* text stands for bytes */
	bool		seen;			/* a value, in any entry */
	Converter	converter;		/* of the column, or the elements of its array */
	Oid			element;
	int16		typlen;
	bool		typbyval;
	char		typalign;
} EntryColumn;

struct EntryRows
{
	ReturnSetInfo *result;
	const Options *options;
	const DirectorySearch *search;
	EntryColumn *columns;
	Datum	   *values;
	bool	   *nulls;
	const char *at;				/* the attribute being converted, for errors */
};

/* ---------- columns ---------- */

/* Whether an attribute is in a list, whatever option it is given with. */
static bool
is_binary(const char *attribute, const Options *options)
{
	size_t		length = strcspn(attribute, ";");

	if (pg_strcasecmp(attribute + length, ";binary") == 0)
		return true;
	for (int i = 0; i < lengthof(binary_attributes); i++)
		if (strlen(binary_attributes[i]) == length && pg_strncasecmp(binary_attributes[i], attribute, length) == 0)
			return true;
	foreach_ptr(char, name, options->binary)
		if (strlen(name) == length && pg_strncasecmp(name, attribute, length) == 0)
			return true;
	return false;
}

/* What to ask for, for a column of this name. */
static char *
attribute_of_column(const char *column, ArrayType *attributes)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;
	bool		all = false;
	StringInfoData list;

	initStringInfo(&list);
	deconstruct_array(attributes, TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		char	   *name = nulls[i] ? pstrdup("") : TextDatumGetCString(names[i]);
		size_t		length = strchr(column, ';') ? strlen(name) : strcspn(name, ";");

		if (strlen(column) == length && pg_strncasecmp(column, name, length) == 0)
			return name;
		all |= strcmp(name, LDAP_ALL_USER_ATTRIBUTES) == 0 || strcmp(name, LDAP_ALL_OPERATIONAL_ATTRIBUTES) == 0;
		appendStringInfo(&list, "%s\"%s\"", i ? ", " : "", name);
	}
	if (!all)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" is not among the attributes", column),
				 errhint("They are %s. Columns are called as attributes, but for \"%s\".",
						 count ? list.data : "none", DN_COLUMN)));
	return pstrdup(column);
}

/* The place of an attribute in the search, where it is put if it is not there. */
static int
place_attribute(DirectorySearch *search, char *attribute)
{
	for (int i = 0; i < search->nattributes; i++)
		if (pg_strcasecmp(search->attributes[i], attribute) == 0)
			return i;
	search->attributes[search->nattributes] = attribute;
	return search->nattributes++;
}

/* What a column is, by its name. */
static ColumnKind
kind_of(const char *name, bool changes)
{
	if (pg_strcasecmp(name, DN_COLUMN) == 0)
		return COLUMN_DN;
	if (changes && pg_strcasecmp(name, COMMAND_COLUMN) == 0)
		return COLUMN_COMMAND;
	if (changes && pg_strcasecmp(name, UUID_COLUMN) == 0)
		return COLUMN_UUID;
	return COLUMN_ATTRIBUTE;
}

/* Sees to the type of a column. */
static void
init_column(EntryColumn *column, Form_pg_attribute attribute)
{
	column->element = column->kind == COLUMN_ATTRIBUTE ? get_element_type(attribute->atttypid) : InvalidOid;
	column->array = OidIsValid(column->element);
	if (column->array)
		get_typlenbyvalalign(column->element, &column->typlen, &column->typbyval, &column->typalign);
	else
		column->element = attribute->atttypid;
	converter_init(&column->converter, column->element, attribute->atttypmod, NULL);
	column->bytes = column->element == BYTEAOID;
}

/* Errors unless a changed entry can be known. */
static void
check_change_columns(const EntryRows *rows, int count)
{
	static const struct
	{
		ColumnKind	kind;
		const char *name;
	}			needed[] = {{COLUMN_COMMAND, COMMAND_COLUMN}, {COLUMN_UUID, UUID_COLUMN}};

	for (int i = 0; i < lengthof(needed); i++)
	{
		bool		found = false;

		for (int n = 0; n < count; n++)
			found |= rows->columns[n].kind == needed[i].kind;
		if (!found)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" is missing", needed[i].name),
					 errhint("Changes are told by their command, and entries that went by nothing but their entryUUID: AS (command text, entryuuid uuid, …).")));
	}
}

EntryRows *
entry_rows_open(ReturnSetInfo *result, const Options *options, ArrayType *attributes,
				bool changes, DirectorySearch *search)
{
	TupleDesc	tupdesc = result->setDesc;
	EntryRows  *rows = palloc0(sizeof(EntryRows));

	rows->result = result;
	rows->options = options;
	rows->search = search;
	rows->columns = palloc0(sizeof(EntryColumn) * tupdesc->natts);
	rows->values = palloc0(sizeof(Datum) * tupdesc->natts);
	rows->nulls = palloc0(sizeof(bool) * tupdesc->natts);
	search->attributes = palloc0(sizeof(char *) * (tupdesc->natts + 1));
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		EntryColumn *column = &rows->columns[i];
		char	   *name;

		column->kind = kind_of(NameStr(attribute->attname), changes);
		init_column(column, attribute);
		if (column->kind != COLUMN_ATTRIBUTE)
			continue;
		name = attribute_of_column(NameStr(attribute->attname), attributes);
		column->binary = is_binary(name, options);
		column->attribute = place_attribute(search, name);
	}
	if (changes)
		check_change_columns(rows, tupdesc->natts);
	return rows;
}

/* ---------- values ---------- */

/* Bytes as the type bytea reads them, or as text without more. */
static char *
hex(const struct berval *value, const char *prefix)
{
	size_t		length = strlen(prefix);
	char	   *text = palloc(length + value->bv_len * 2 + 1);

	memcpy(text, prefix, length);
	length += hex_encode(value->bv_val, value->bv_len, text + length);
	text[length] = '\0';
	return text;
}

/* A value as text in the server's encoding. */
static char *
value_text(EntryRows *rows, const EntryColumn *column, const struct berval *value)
{
	if (column->bytes)
		return hex(value, "\\x");
	if (column->binary)
		return hex(value, "");
	if (memchr(value->bv_val, '\0', value->bv_len) != NULL ||
		!pg_verify_mbstr(PG_UTF8, value->bv_val, value->bv_len, true))
		ereport(ERROR,
				(errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
				 errmsg("value is no text"),
				 errhint("Let the column be of type bytea, or name the attribute in the option \"binary\" to have its values as hexadecimal digits.")));
	return pg_any_to_server(value->bv_val, value->bv_len, PG_UTF8);
}

static int
compare_values(const void *a, const void *b)
{
	const struct berval *one = a;
	const struct berval *other = b;
	int			order = memcmp(one->bv_val, other->bv_val, Min(one->bv_len, other->bv_len));

	return order != 0 ? order : (one->bv_len > other->bv_len) - (one->bv_len < other->bv_len);
}

/* Adds a backslash so often. */
static void
add_backslashes(StringInfo text, int count)
{
	while (count-- > 0)
		appendStringInfoChar(text, '\\');
}

/*
 * Adds a value to those joined so far, so that they can be told apart again
 * (format/parts.h): a separator in it gets a backslash, and backslashes before any
 * separator are doubled.
 */
static void
join_value(StringInfo joined, const char *value, const char *separator, bool last)
{
	size_t		length = strlen(separator);
	int			backslashes = 0;

	for (; *value; value++)
	{
		if (strncmp(value, separator, length) == 0)
		{
			add_backslashes(joined, backslashes + 1);
			appendStringInfoString(joined, separator);
			value += length - 1;
			backslashes = 0;
			continue;
		}
		backslashes = *value == '\\' ? backslashes + 1 : 0;
		appendStringInfoChar(joined, *value);
	}
	if (!last)
		add_backslashes(joined, backslashes);
}

/* Several values as one text. */
static char *
joined_text(EntryRows *rows, const EntryColumn *column, const EntryValues *values)
{
	StringInfoData joined;

	initStringInfo(&joined);
	for (int i = 0; i < values->count; i++)
	{
		if (i > 0)
			appendStringInfoString(&joined, rows->options->separator);
		join_value(&joined, value_text(rows, column, &values->values[i]), rows->options->separator,
				   i == values->count - 1);
	}
	return joined.data;
}

/* Values as an array. */
static Datum
array_value(EntryRows *rows, EntryColumn *column, const EntryValues *values)
{
	Datum	   *elements = palloc(sizeof(Datum) * values->count);
	bool	   *nulls = palloc(sizeof(bool) * values->count);
	int			dimension = values->count;
	int			bound = 1;

	for (int i = 0; i < values->count; i++)
		elements[i] = convert_text(&column->converter, value_text(rows, column, &values->values[i]), &nulls[i]);
	return PointerGetDatum(construct_md_array(elements, nulls, 1, &dimension, &bound, column->element,
											  column->typlen, column->typbyval, column->typalign));
}

/* The values of an attribute as the value of its column. */
static Datum
attribute_value(EntryRows *rows, EntryColumn *column, const EntryValues *values, bool *isnull)
{
	bool		joins = column->element == TEXTOID || column->element == VARCHAROID;

	*isnull = values->count == 0;
	if (*isnull)
		return (Datum) 0;
	column->seen = true;
	if (values->count > 1)
		qsort(values->values, values->count, sizeof(struct berval), compare_values);
	if (column->array)
		return array_value(rows, column, values);
	if (values->count == 1)
		return convert_text(&column->converter, value_text(rows, column, values->values), isnull);
	if (!joins)
		ereport(ERROR,
				(errcode(ERRCODE_CARDINALITY_VIOLATION),
				 errmsg("an entry has %d values", values->count),
				 errhint("Let the column be an array, or of type text to have them joined.")));
	return convert_text(&column->converter, joined_text(rows, column, values), isnull);
}

/* The value of a column. */
static Datum
column_value(EntryRows *rows, EntryColumn *column, const DirectoryEntry *entry,
			 const char *command, const char *uuid, bool *isnull)
{
	const char *text = column->kind == COLUMN_COMMAND ? command : column->kind == COLUMN_UUID ? uuid :
		entry ? entry->dn : NULL;

	if (column->kind == COLUMN_ATTRIBUTE)
	{
		*isnull = entry == NULL || entry->attributes == NULL;
		return *isnull ? (Datum) 0 : attribute_value(rows, column, &entry->attributes[column->attribute], isnull);
	}
	*isnull = text == NULL;
	if (*isnull)
		return (Datum) 0;
	if (column->kind == COLUMN_DN)
		text = pg_any_to_server(text, strlen(text), PG_UTF8);
	return convert_text(&column->converter, text, isnull);
}

/* Names the attribute; the entry is the client's alone, who finds it by its values. */
static void
describe_place(void *arg)
{
	EntryRows  *rows = arg;

	if (rows->at != NULL)
		errcontext("attribute \"%s\" of a directory's entry", rows->at);
}

void
entry_rows_add(EntryRows *rows, const DirectoryEntry *entry, const char *command, const char *uuid)
{
	TupleDesc	tupdesc = rows->result->setDesc;
	ErrorContextCallback callback = {.callback = describe_place, .arg = rows, .previous = error_context_stack};

	error_context_stack = &callback;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		rows->at = NameStr(TupleDescAttr(tupdesc, i)->attname);
		rows->values[i] = column_value(rows, &rows->columns[i], entry, command, uuid, &rows->nulls[i]);
	}
	error_context_stack = callback.previous;
	tuplestore_putvalues(rows->result->setResult, tupdesc, rows->values, rows->nulls);
}

void
entry_rows_check(EntryRows *rows, Directory *directory)
{
	int			columns = rows->result->setDesc->natts;
	char	  **unseen = palloc(sizeof(char *) * (columns + 1));
	int			count = 0;

	for (int i = 0; i < columns; i++)
		if (rows->columns[i].kind == COLUMN_ATTRIBUTE && !rows->columns[i].seen)
			unseen[count++] = rows->search->attributes[rows->columns[i].attribute];
	if (count > 0)
		directory_check_attributes(directory, count, unseen);
}

#endif							/* SYNCUP_LDAP */
