/*
 * mapping.c
 *		Mapping a file to a table: syncup_map_entity_type, syncup_drop_mapping;
 *		and what associations are mapped with.
 *
 * Everything that can be known when a mapping is made is checked then, so that
 * a run at night meets only what changed since.  Whoever maps a table must be
 * allowed to write it, and to read the file: a mapping may later be run by
 * somebody with more rights, who must not be led to touch what its author may
 * not.
 */
#include "map/mapping.h"

#include "access/genam.h"
#include "access/table.h"
#include "store/batch.h"
#include "catalog/catalog.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_index.h"
#include "commands/extension.h"
#include "csv/condition.h"
#include "config/config.h"
#include "map/connector.h"
#include "map/describe.h"
#include "store/digest_epoch.h"
#include "tool/guard.h"
#include "lib/stringinfo.h"
#include "tool/lock.h"
#include "mb/pg_wchar.h"
#include "nodes/makefuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parse_node.h"
#include "parser/parse_relation.h"
#include "config/key.h"
#include "miscadmin.h"
#include "tool/nearest.h"
#include "csv/reader.h"
#include "csv/relation.h"
#include "digest/row_digest.h"
#include "store/spelling.h"
#include "tool/sql.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/formatting.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(syncup_map_entity_type);
PG_FUNCTION_INFO_V1(syncup_map_entity_type_by_columns);
PG_FUNCTION_INFO_V1(syncup_drop_mapping);

#define MAX_UNIQUE_KEYS	3

/*
 * Names that our own tables use beside the columns of file and target, or that
 * no table may give to a column (a target has none of these).
 */
static const char *const delta_names[] = {
	"batch", "command", "digest", "old_key", "key_hash", "renamed", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"
};
static const char *const change_names[] = {"batch", "command", "changed", "old", "key1", "key2", "old_key"};

/* Of these the last are in the change tables of associations only. */
#define CHANGE_NAMES(m)	((m)->association ? lengthof(change_names) : 4)

const char *
mapping_file(const Mapping *mapping, bool incremental)
{
	const Options *options = mapping->options;

	return incremental && options->source == NULL && options->incremental_file != NULL ?
		options->incremental_file : mapping->file;
}

bool
mapping_is_sent(const Mapping *mapping, bool incremental)
{
	return mapping->options->source == NULL && mapping->connector->directory == NULL &&
		!is_absolute_path(mapping_file(mapping, incremental));
}

char *
mapping_path(const Mapping *mapping, bool incremental)
{
	const char *file = mapping_file(mapping, incremental);

	return mapping->options->source != NULL ? pstrdup(file) : source_path(mapping->connector->directory, file);
}

/* ---------- which columns ---------- */

/* Adds a column; target NULL: stored only. */
static MappingColumn *
add_column(Mapping *mapping, char *source, char *target, char *format)
{
	MappingColumn *column;
	const MappingColumn *other = target == NULL ? NULL : mapped_column(mapping, target);

	if (other != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("target column \"%s\" is mapped twice", target),
				 errdetail("Both \"%s\" and \"%s\" would be written to it.", other->source, source)));
	mapping->columns = mapping->columns ?
		repalloc(mapping->columns, sizeof(MappingColumn) * (mapping->ncolumns + 1)) : palloc(sizeof(MappingColumn));
	column = &mapping->columns[mapping->ncolumns++];
	memset(column, 0, sizeof(MappingColumn));
	column->source = source;
	column->target = target;
	column->format = format;
	return column;
}

/* A string of a jsonb value, or an error about the source column. */
static char *
json_string(const JsonbValue *value, const char *source)
{
	if (value == NULL || value->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid mapping of source column \"%s\"", source),
				 errhint("Expected {\"source\": \"target\"} or {\"source\": {\"column\": \"target\", \"format\": \"...\"}}, or a list of such targets.")));
	return pnstrdup(value->val.string.val, value->val.string.len);
}

/* What an object may say of a column, beside its name in the target. */
static const char *const column_properties[] = {"column", "format", "write", "empty", "optional"};

/* Errors about a property that is none. */
static void
refuse_property(const char *name, const char *source)
{
	NameList	list = {.wanted = name};

	for (size_t i = 0; i < lengthof(column_properties); i++)
	{
		name_list_add(&list, column_properties[i], NULL);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown property \"%s\" in the mapping of source column \"%s\"",
					name, source),
			 errhint("%sValid properties: %s.", did_you_mean(&list), name_list_text(&list))));
}

/* Whether a property has the one word that it takes, or the other: anything else is an error. */
static bool
takes_word(const char *name, const JsonbValue *value, const char *word, const char *other, const char *source)
{
	char	   *given = value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : "";

	if (strcmp(given, word) != 0 && (other == NULL || strcmp(given, other) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for property \"%s\" in the mapping of source column \"%s\"", name, source),
				 errhint("Expected \"%s\"%s, or leave it out.", word,
						 other == NULL ? "" : psprintf(" or \"%s\"", other))));
	return strcmp(given, word) == 0;
}

/* What may be said of a column beside its target and its format. */
static void
copy_properties(MappingColumn *column, const MappingColumn *from)
{
	column->insert_only = from->insert_only;
	column->keeps = from->keeps;
	column->optional = from->optional;
}

/* Reads {"column": "target", "format": "...", ...}. */
static void
add_described_column(Mapping *mapping, char *source, JsonbValue *object)
{
	MappingColumn given = {0};

	if (object->type != jbvBinary || !JsonContainerIsObject(object->val.binary.data))
		(void) json_string(NULL, source);
	foreach_ptr(JsonMember, member, json_members(object->val.binary.data))
	{
		const char *name = member->name;
		const JsonbValue *value = &member->value;

		if (strcmp(name, "column") == 0)
			given.target = json_string(value, source);
		else if (strcmp(name, "format") == 0)
			given.format = json_string(value, source);
		else if (strcmp(name, "write") == 0)
			given.insert_only = takes_word(name, value, "insert", NULL, source);
		else if (strcmp(name, "empty") == 0)
			given.keeps = takes_word(name, value, "keep", NULL, source);
		else if (strcmp(name, "optional") == 0)
			given.optional = takes_word(name, value, "keep", "null", source) ? OPTIONAL_KEEP : OPTIONAL_NULL;
		else
			refuse_property(name, source);
	}
	if (given.target == NULL)
		(void) json_string(NULL, source);
	if (given.insert_only && given.keeps)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("properties \"write\" and \"empty\" of source column \"%s\" exclude each other", source),
				 errhint("A column that is written at insertion only keeps what it has anyway.")));
	copy_properties(add_column(mapping, source, given.target, given.format), &given);
}

/* Takes one target of a source column: its name, or an object. */
static void
add_target(Mapping *mapping, char *source, JsonbValue *value)
{
	if (value->type == jbvString)
		add_column(mapping, source, json_string(value, source), NULL);
	else
		add_described_column(mapping, source, value);
}

/* Takes the columns as the caller names them: each source column with its target, or a list of such. */
static void
take_named_columns(Mapping *mapping, Jsonb *columns)
{
	foreach_ptr(JsonMember, column, json_members(&columns->root))
	{
		JsonbValue *value = &column->value;

		if (value->type != jbvBinary || !JsonContainerIsArray(value->val.binary.data))
		{
			add_target(mapping, column->name, value);
			continue;
		}
		if (JsonContainerSize(value->val.binary.data) == 0)
			(void) json_string(NULL, column->name);
		foreach_ptr(JsonMember, target, json_members(value->val.binary.data))
			add_target(mapping, column->name, &target->value);
	}
}

/* Takes the columns of the mapping as it is stored. */
static void
take_stored_columns(Mapping *mapping, const Mapping *old)
{
	for (int i = 0; i < old->ncolumns; i++)
		if (old->columns[i].target != NULL)
			copy_properties(add_column(mapping, old->columns[i].source, old->columns[i].target,
									   old->columns[i].format), &old->columns[i]);
}

/* Takes every column whose name stands in file and target. */
static void
take_common_columns(Mapping *mapping, Relation target)
{
	SourceFile	file;
	Reader	   *reader;
	TupleDesc	tupdesc = RelationGetDescr(target);

	if (mapping_is_sent(mapping, false))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is needed: file \"%s\" can only be sent by a client, and has no header yet",
						"columns", mapping->file),
				 errhint("Name the columns: columns => '{\"source\": \"target\"}'; or give the connector a directory with syncup_create_connector().")));
	file = source_find(mapping_path(mapping, false), mapping->options);
	reader = reader_open_header(&file, mapping->options);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		int			column;

		if (attribute->attisdropped || attribute->attgenerated)
			continue;
		column = reader_find_column(reader, NameStr(attribute->attname), true);
		if (column >= 0)
			add_column(mapping, pstrdup(reader_column_name(reader, column)),
					   pstrdup(NameStr(attribute->attname)), NULL);
	}
	if (mapping->ncolumns == 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg(mapping->options->source ? "relation %s and table %s have no column name in common" :
						"file \"%s\" and table %s have no column name in common",
						file.path, mapping->target_name),
				 /* What was taken for a header may be a row of values. */
				 errdetail(mapping->options->source ? "The relation has the columns %s." : "The file has the columns %s.",
						   reader_column_list(reader)),
				 errdetail_log("The file's columns were sent to the client."),
				 errhint("Name the columns: columns => '{\"source\": \"target\"}'.")));
	reader_close(reader);
}

/* The texts of an array, which must be names; else an error with this message. */
static List *
names_of(ArrayType *array, const char *message)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;
	List	   *names = NIL;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i] || VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i])) == 0)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s", message)));
		names = lappend(names, TextDatumGetCString(elements[i]));
	}
	return names;
}

/* Adds those of source columns that are not mapped: previous keeps them. */
static void
take_stored(Mapping *mapping, List *names)
{
	foreach_ptr(char, name, names)
		if (find_source_column(mapping, name) < 0)
			add_column(mapping, name, NULL, NULL);
}

/* Adds the unique keys that are not mapped to a target column. */
static List *
take_unique_keys(Mapping *mapping, ArrayType *unique_keys)
{
	List	   *names = names_of(unique_keys, "unique keys must be names of source columns");

	if (list_length(names) > MAX_UNIQUE_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("more than %d unique keys", MAX_UNIQUE_KEYS)));
	take_stored(mapping, names);
	return names;
}

/* What the names in "where" are looked up in. */
typedef struct WhereNames
{
	const Mapping *mapping;
	const Mapping *old;
	Reader	   *reader;			/* NULL: the file is not there, or is none yet */
	List	   *sources;		/* those found */
} WhereNames;

static void
open_where_file(void *arg)
{
	WhereNames *names = arg;
	const Mapping *mapping = names->mapping;
	SourceFile	file = source_find(mapping_path(mapping, false), mapping->options);

	names->reader = reader_open_header(&file, mapping->options);
}

/* The source column that "where" means by a name. */
static int
find_where_source(void *arg, const char *name)
{
	WhereNames *names = arg;
	const Mapping *known[] = {names->mapping, names->old};
	const char *source = name;

	if (names->reader != NULL)
		source = reader_column_name(names->reader, reader_find_column(names->reader, name, false));
	/* A name that is stored stays as it is. */
	for (int i = 0; i < 2; i++)
	{
		int			column = known[i] == NULL ? -1 : find_source_column(known[i], source);

		if (column >= 0)
			source = known[i]->columns[column].source;
	}
	for (int i = 0; i < list_length(names->sources); i++)
		if (strcmp(list_nth(names->sources, i), source) == 0)
			return i;
	names->sources = lappend(names->sources, pstrdup(source));
	return list_length(names->sources) - 1;
}

List *
where_sources(const Mapping *mapping, const Mapping *old)
{
	WhereNames	names = {.mapping = mapping, .old = old};
	ErrorData  *error;

	if (mapping->options->where == NULL)
		return NIL;
	error = guarded(open_where_file, &names);
	if (error != NULL && (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
						  ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES))
		ReThrowError(error);
	(void) where_open(mapping->options, find_where_source, &names);
	if (names.reader != NULL)
		reader_close(names.reader);
	return names.sources;
}

/* Whether there is this name among others, in whatever capitals. */
static bool
has_name(List *names, const char *name)
{
	foreach_ptr(char, other, names)
		if (pg_strcasecmp(other, name) == 0)
			return true;
	return false;
}

/* Takes what tells that a key changes: a column of the file, or a unique key. */
static void
take_former_key(Mapping *mapping, List *keys, List *unique_keys)
{
	const Options *options = mapping->options;
	const char *option = options->old_key ? "old_key" : "stable_key";

	if (options->old_key == NULL && options->stable_key == NULL)
		return;
	if (options->old_key != NULL && options->stable_key != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("options \"%s\" and \"%s\" exclude one another", "old_key", "stable_key"),
				 errhint("Give the other one as null.")));
	if (list_length(keys) > 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" goes with a key of one column", option)));
	if (options->stable_key != NULL && !has_name(unique_keys, options->stable_key))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" must be one of the unique keys", option),
				 errhint("Name \"%s\" in unique_keys as well.", options->stable_key)));
	if (pg_strcasecmp(options->old_key ? options->old_key : options->stable_key, linitial(keys)) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is the key itself", option)));
	if (options->old_key != NULL && find_source_column(mapping, options->old_key) < 0)
		add_column(mapping, options->old_key, NULL, NULL);
}

/*
 * Settles which columns are the key; of several a column more is made, which
 * stores them together.  Names that are not mapped are left to check_key().
 */
static void
take_key(Mapping *mapping, List *keys)
{
	StringInfoData made;

	initStringInfo(&made);
	foreach_ptr(char, key, keys)
	{
		int			column = find_source_column(mapping, key);

		if (column >= 0 && mapping->columns[column].key_part > 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("key column \"%s\" is given twice", key)));
		if (column >= 0)
			mapping->columns[column].key_part = foreach_current_index(key) + 1;
		appendStringInfo(&made, "%s%s", made.len == 0 ? "(" : ",", column >= 0 ? mapping->columns[column].source : key);
	}
	appendStringInfoChar(&made, ')');
	if (list_length(keys) > 1)
		add_column(mapping, made.data, NULL, NULL);
}

/* Errors unless two targets of a source column say the same of its cells. */
static void
check_alike(const MappingColumn *a, const MappingColumn *b)
{
	if (a->keeps != b->keeps || a->optional != b->optional)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("targets of source column \"%s\" differ in the properties \"empty\" or \"optional\"", a->source),
				 errhint("Its value is stored once: say the same of all its targets.")));
}

/* Adds the column of previous that names the cells which left what is there, if any may. */
static void
take_mark(Mapping *mapping)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (may_keep(&mapping->columns[i]))
		{
			add_column(mapping, "", NULL, NULL)->is_mark = true;
			return;
		}
}

/*
 * A source column that feeds several targets is stored once: the first of its
 * columns stands for it, and the others, which repeat it, come after all that
 * are stored.
 */
static void
settle_repeated(Mapping *mapping)
{
	MappingColumn *repeated = palloc(sizeof(MappingColumn) * mapping->ncolumns);
	int			nrepeated = 0;

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		MappingColumn column = mapping->columns[i];

		column.first = mapping->nstored;
		for (int first = 0; first < mapping->nstored && column.first == mapping->nstored; first++)
			if (strcmp(mapping->columns[first].source, column.source) == 0)
				column.first = first;
		if (column.first < mapping->nstored)
			repeated[nrepeated++] = column;
		else
			mapping->columns[mapping->nstored++] = column;
	}
	memcpy(mapping->columns + mapping->nstored, repeated, sizeof(MappingColumn) * nrepeated);
	for (int i = mapping->nstored; i < mapping->ncolumns; i++)
		check_alike(&mapping->columns[mapping->columns[i].first], &mapping->columns[i]);
}

/* ---------- names in our own tables ---------- */

/* Whether a name is reserved, or taken by an earlier column. */
static bool
is_taken(const char *name, const char *const *reserved, int nreserved,
		 char **taken, int ntaken)
{
	for (int i = 0; i < nreserved; i++)
		if (strcmp(name, reserved[i]) == 0)
			return true;
	for (int i = 0; i < ntaken; i++)
		if (taken[i] != NULL && strcmp(name, taken[i]) == 0)
			return true;
	return false;
}

/* A column name as near to the wanted one as possible that is not taken. */
static char *
free_name(const char *wanted, const char *const *reserved, int nreserved,
		  char **taken, int ntaken)
{
	char	   *name = pnstrdup(wanted, pg_mbcliplen(wanted, strlen(wanted), NAMEDATALEN - 1));

	if (*name == '\0')
		name = pstrdup("_");
	for (int i = 1; is_taken(name, reserved, nreserved, taken, ntaken); i++)
	{
		char		suffix[16];
		int			room;

		snprintf(suffix, sizeof(suffix), i == 1 ? "_" : "_%d", i);
		room = pg_mbcliplen(wanted, strlen(wanted), NAMEDATALEN - 1 - strlen(suffix));
		name = psprintf("%.*s%s", room, wanted, suffix);
	}
	return name;
}

void
name_stored_columns(Mapping *mapping)
{
	char	  **stored = palloc0(sizeof(char *) * mapping->ncolumns);
	char	  **changed = palloc0(sizeof(char *) * mapping->ncolumns);

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		MappingColumn *column = &mapping->columns[i];

		column->stored = stored[i] = column->first < i ? stored[column->first] :
			free_name(column->is_mark ? "kept" : column->source, delta_names, lengthof(delta_names), stored, i);
		if (column->target != NULL)
			column->change_column = changed[i] =
				free_name(column->target, change_names, CHANGE_NAMES(mapping), changed, i);
	}
	for (int i = 0; i < 2 && mapping->association; i++)
		if (mapping->ends[i].target != NULL)
			mapping->ends[i].change_column = changed[i] =
				free_name(mapping->ends[i].target, change_names, CHANGE_NAMES(mapping), changed, i);
}

/* ---------- is the target fit ---------- */

/* Errors unless the table is an ordinary one, and nobody's but a user's. */
static void
check_kind(Relation target)
{
	char	   *schema = get_namespace_name(RelationGetNamespace(target));

	if (target->rd_rel->relkind != RELKIND_RELATION &&
		target->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a table", RelationGetRelationName(target)),
				 errhint("Targets are ordinary or partitioned tables.")));
	check_no_children(target);
	if (target->rd_rel->relpersistence == RELPERSISTENCE_TEMP)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is a temporary table", RelationGetRelationName(target)),
				 errhint("Other sessions would not see the target.")));
	if (IsCatalogNamespace(RelationGetNamespace(target)) ||
		strcmp(schema, "syncup") == 0 || strcmp(schema, "syncup_previous") == 0 ||
		strcmp(schema, "syncup_delta") == 0 || strcmp(schema, "syncup_changes") == 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot be a target: it belongs to the system or to syncup",
						RelationGetRelationName(target))));
}

void
check_privilege(Relation target, AttrNumber attnum, AclMode mode, const char *what)
{
	Oid			table = RelationGetRelid(target);

	if (pg_class_aclcheck(table, GetUserId(), mode) == ACLCHECK_OK)
		return;
	if (attnum != InvalidAttrNumber &&
		pg_attribute_aclcheck(table, attnum, GetUserId(), mode) == ACLCHECK_OK)
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for table %s", RelationGetRelationName(target)),
			 errdetail("Mapping it takes the right to %s.", what)));
}

/* Looks at each mapped column of the target. */
static void
check_columns(Mapping *mapping, Relation target)
{
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		MappingColumn *column = &mapping->columns[i];
		Form_pg_attribute attribute;

		if (*column->source == '\0' && !column->is_mark)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a source column must have a name")));
		if (column->target == NULL)
			continue;
		attribute = writable_column(mapping, target, column->target,
									psprintf("Source column \"%s\" is mapped to it.", column->source));
		column->attnum = attribute->attnum;
		column->type = attribute->atttypid;
		column->typmod = attribute->atttypmod;
		column->target_type = config_type_text(column->type, column->typmod);
		if (column->format != NULL)
			(void) format_parse(column->format);
		check_privilege(target, column->attnum, ACL_SELECT, "read its mapped columns");
		check_privilege(target, column->attnum, ACL_INSERT, "insert into its mapped columns");
		if (!column->insert_only)
			check_privilege(target, column->attnum, ACL_UPDATE, "update its mapped columns");
	}
	check_privilege(target, InvalidAttrNumber, ACL_DELETE, "delete its rows");
}

/* Errors unless a column of the key is mapped. */
static void
check_key_column(const Mapping *mapping, const char *key)
{
	int			column = find_source_column(mapping, key);
	NameList	nearest = {.wanted = key};

	if (column >= 0 && mapping->columns[column].target != NULL)
		return;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
			name_list_add(&nearest, mapping->columns[i].source, NULL);
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("key \"%s\" is not mapped to a column of table %s",
					key, mapping->target_name),
			 *key == '{' ? errhint("A key of several columns is an array: key => ARRAY['...', '...'].") :
			 errhint("%sName the source column, and map it: columns => '{\"%s\": \"...\"}'.",
					 did_you_mean(&nearest), key)));
}

/* Errors about a property that a column of the key cannot have. */
static void
check_key_properties(const MappingColumn *column)
{
	if (column->insert_only || may_keep(column) || column->optional)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("key column \"%s\" cannot have the property \"%s\"", column->source,
						column->insert_only ? "write" : column->keeps ? "empty" : "optional"),
				 errhint("Every row needs its key, and a key is never written over.")));
}

/* The column that a key of several is kept in: add_column() has put it behind them. */
static int
made_column(const Mapping *mapping)
{
	for (int i = mapping->nstored - 1; i >= 0; i--)
		if (mapping->columns[i].target == NULL && mapping->columns[i].source[0] == '(')
			return i;
	elog(ERROR, "mapping \"%s\" has no column for its key", mapping->name);
}

/* Errors unless the key's columns tell rows apart. */
static void
check_key(Mapping *mapping, List *keys)
{
	foreach_ptr(char, key, keys)
		check_key_column(mapping, key);
	find_key_parts(mapping);
	for (int p = 0; p < mapping->nparts; p++)
		check_key_properties(&mapping->columns[mapping->parts[p]]);
	mapping->key = mapping->nparts > 1 ? made_column(mapping) : mapping->parts[0];
	config_check_key(mapping);
	key_type_check(mapping);
}

/* What a column is asked whether it takes. */
static void
convert_null(void *arg)
{
	bool		isnull;

	(void) convert_text(arg, NULL, &isnull);
}

/* Whether a column can be left out of an insert: a domain may refuse nulls, too. */
static bool
takes_null(Form_pg_attribute attribute)
{
	Converter	converter;

	if (attribute->attnotnull)
		return false;
	if (get_typtype(attribute->atttypid) != TYPTYPE_DOMAIN ||
		get_typdefault(attribute->atttypid) != NULL)
		return true;
	converter_init(&converter, attribute->atttypid, attribute->atttypmod, NULL);
	return guarded_values(convert_null, &converter) == NULL;
}

bool
is_constant(const Mapping *mapping, const char *name)
{
	return mapping->options->constants != NULL &&
		getKeyJsonValueFromContainer(&mapping->options->constants->root, name, strlen(name), NULL) != NULL;
}

void
check_fillable(const Mapping *mapping, Relation target)
{
	TupleDesc	tupdesc = RelationGetDescr(target);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		const char *name = NameStr(attribute->attname);

		if (!attribute->attisdropped && !attribute->atthasdef && !attribute->attidentity && !attribute->attgenerated &&
			!takes_null(attribute) && !writes_column(mapping, name) && !is_constant(mapping, name))
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("column \"%s\" of table %s is not null, has no default and is not mapped",
							name, mapping->target_name),
					 mapping->association ? errhint("Give it a default, a source column with the option \"columns\", or a value with \"constants\".") :
					 errhint("Map it, give it a default, or give it a value with the option \"constants\".")));
	}
}

/* The writable column of an option, which must not be mapped as well. */
static Form_pg_attribute
option_column(const Mapping *mapping, Relation target, const char *option, const char *name)
{
	Form_pg_attribute attribute = writable_column(mapping, target, name, psprintf("Option \"%s\" names it.", option));

	if (mapped_column(mapping, name) != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("column \"%s\" of option \"%s\" is mapped to source column \"%s\" already",
						name, option, mapped_column(mapping, name)->source)));
	return attribute;
}

/* A constant on its way to the type of its column. */
typedef struct ConstantText
{
	Converter	converter;
	const char *text;
} ConstantText;

static void
convert_constant(void *arg)
{
	ConstantText *constant = arg;
	bool		isnull;

	(void) convert_text(&constant->converter, constant->text, &isnull);
}

/* Errors unless the column takes the constant. */
static void
check_constant(const char *name, Form_pg_attribute attribute, const char *text)
{
	ConstantText constant = {.text = text};
	ErrorData  *error;

	converter_init(&constant.converter, attribute->atttypid, attribute->atttypmod, NULL);
	constant.converter.refuses_words = false;
	error = guarded_values(convert_constant, &constant);
	if (error != NULL)
		ereport(ERROR,
				(errcode(error->sqlerrcode),
				 errmsg("constant of column \"%s\": %s", name, error->message)));
}

void
check_constants(Mapping *mapping, Relation target)
{
	if (mapping->options->constants == NULL)
		return;
	foreach_ptr(JsonMember, constant, json_members(&mapping->options->constants->root))
	{
		const char *name = constant->name;
		Form_pg_attribute attribute = option_column(mapping, target, "constants", name);
		char	   *text = json_scalar_text(&constant->value);

		if (text == NULL && constant->value.type != jbvNull)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("constant of column \"%s\" is not a single value", name)));
		if (attribute->attidentity == ATTRIBUTE_IDENTITY_ALWAYS)
			ereport(ERROR,
					(errcode(ERRCODE_GENERATED_ALWAYS),
					 errmsg("column \"%s\" of table %s numbers itself and takes no constant",
							name, mapping->target_name)));
		if (text == NULL && attribute->attnotnull)
			ereport(ERROR,
					(errcode(ERRCODE_NOT_NULL_VIOLATION),
					 errmsg("constant of column \"%s\" must not be null", name)));
		check_privilege(target, attribute->attnum, ACL_INSERT, "insert into the columns of its constants");
		if (text != NULL)
			check_constant(name, attribute, text);
	}
}

/* Errors unless the column can hold the time of a deletion. */
static void
check_deleted_column(Mapping *mapping, Relation target)
{
	const char *name = mapping->options->deleted_column;
	Form_pg_attribute attribute;

	if (name == NULL)
		return;
	attribute = option_column(mapping, target, "deleted_column", name);
	if (attribute->atttypid != TIMESTAMPTZOID || attribute->attnotnull)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of table %s cannot hold the time of a deletion",
						name, mapping->target_name),
				 errhint("It must be of type timestamptz and take nulls.")));
	check_privilege(target, attribute->attnum, ACL_SELECT, "read its deleted_column");
	check_privilege(target, attribute->attnum, ACL_UPDATE, "update its deleted_column");
}

/*
 * Errors unless the scope is one boolean expression over the target's columns,
 * of the kind that a check constraint may have: no subquery, and nothing whose
 * answer changes from one look to the next.  It is evaluated with the rights of
 * whoever runs the connector.
 */
#define SCOPE_HINT	"Give a condition over the target's columns, such as source = 'AD'."

void
check_scope(Mapping *mapping, Relation target)
{
	MemoryContext context = CurrentMemoryContext;
	const char *scope = mapping->options->scope;
	ParseState *state = make_parsestate(NULL);
	ParseNamespaceItem *item;
	Node	   *expression;

	if (scope == NULL)
		return;
	item = addRangeTableEntryForRelation(state, target, AccessShareLock,
										 makeAlias("r", NIL), false, true);
	addNSItemToQuery(state, item, false, true, true);
	expression = condition_parse(state, "scope", scope, SCOPE_HINT);
	if (contain_volatile_functions(expression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"scope\" calls a volatile function"),
				 errhint("Whether a row belongs to the mapping must depend on its columns.")));
	free_parsestate(state);
	/* The caller must be able to evaluate it. */
	PG_TRY();
	{
		caller_sql(psprintf("SELECT FROM %s r WHERE (%s\n) LIMIT 0", mapping->target_name, scope), SQL_NO_ARGS);
	}
	PG_CATCH();
	{
		expression_failed(context, "option \"scope\"", NULL, NULL);
	}
	PG_END_TRY();
}

/* The place of a mapped column of the target; -1: none is called so. */
static int
find_mapped_column(void *arg, const char *name)
{
	const Mapping *mapping = arg;
	const MappingColumn *column = mapped_column(mapping, name);

	return column == NULL ? -1 : column - mapping->columns;
}

/* Errors unless reports can show what the options "display" and "watch" name. */
static void
check_shown(Mapping *mapping)
{
	const char *display = mapping->options->display;

	if (display != NULL && mapped_column(mapping, display) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("option \"display\" names column \"%s\", which is not mapped", display),
				 errhint("Name a column of %s that the mapping fills.", mapping->target_name)));
	if (mapping->options->watch != NULL)
		watch_check(mapping->options->watch, find_mapped_column, mapping);
}

/* Errors if another mapping writes the same rows. */
static void
check_only_mapping(Mapping *mapping)
{
	if (own_sql("SELECT connector, mapping FROM syncup.mapping"
				" WHERE target = $1 AND kind = 'entity type' AND NOT (connector = $2 AND mapping = $3)"
				" AND ($4 IS NULL OR NOT options ? 'scope') LIMIT 1",
				SQL_ARGS(SQL_OID(mapping->target), SQL_TEXT(mapping->connector->name),
						 SQL_TEXT(mapping->name), SQL_TEXT(mapping->options->scope))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("table %s is the target of mapping \"%s\" of connector \"%s\" already",
						mapping->target_name, sql_text(0, 2), sql_text(0, 1)),
				 errhint("A table has one entity type mapping, or several with an option \"scope\" each.")));
}

/* Errors if an association writes a mapped column of the table. */
static void
check_no_link_column(const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL &&
			own_sql("SELECT connector, mapping FROM syncup.association a JOIN syncup.mapping m USING (connector, mapping)"
					" WHERE m.target = $1 AND a.target_column = $2::name",
					SQL_ARGS(SQL_OID(mapping->target), SQL_TEXT(mapping->columns[i].target))) > 0)
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_OBJECT),
					 errmsg("column \"%s\" of %s is written by association \"%s\" of connector \"%s\" already",
							mapping->columns[i].target, mapping->target_name, sql_text(0, 2), sql_text(0, 1)),
					 errhint("Leave the column to the association, or drop that with syncup_drop_mapping().")));
}

/* ---------- entity types that associations end in ---------- */

/* The associations that end in an entity type: connector, mapping, property. */
static uint64
find_associations(const Mapping *entity)
{
	return own_sql("SELECT connector, mapping, property FROM syncup.association"
				   " WHERE entity_connector = $1 AND entity = $2 ORDER BY connector, mapping, side",
				   SQL_ARGS(SQL_TEXT(entity->connector->name), SQL_TEXT(entity->name)));
}

/* Errors if an association ends in a mapping that is to go. */
static void
check_no_association(const Mapping *mapping)
{
	if (find_associations(mapping) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("mapping \"%s\" of connector \"%s\" is used by association \"%s\" of connector \"%s\"",
						mapping->name, mapping->connector->name, sql_text(0, 2), sql_text(0, 1)),
				 errhint("Drop the association with syncup_drop_mapping() first.")));
}

/* Whether two mappings name their rows alike: by the same key, in the same table. */
static bool
same_rows(const Mapping *a, const Mapping *b)
{
	const MappingColumn *x = &a->columns[a->key];
	const MappingColumn *y = &b->columns[b->key];

	return a->target == b->target && strcmp(x->source, y->source) == 0 &&
		strcmp(x->stored, y->stored) == 0 && strcmp(key_targets(a), key_targets(b)) == 0;
}

/* Whether the key's columns have the types that they had. */
static bool
same_key_types(const Mapping *a, const Mapping *b)
{
	for (int p = 0; p < a->nparts; p++)
		if (strcmp(a->columns[a->parts[p]].target_type, b->columns[b->parts[p]].target_type) != 0)
			return false;
	return true;
}

/*
 * Errors if an association that ends in the entity type would lose its footing:
 * the property that its values stand in, or what it stores of the rows.
 */
static void
check_associations(const Mapping *old, const Mapping *new, ArrayType *unique_keys)
{
	bool		moved = !same_rows(old, new) || !same_key_types(old, new);
	uint64		count =
		own_sql("SELECT connector, mapping, property,"
				" EXISTS (SELECT FROM unnest(array_append($3, $4)) AS k WHERE lower(k) = lower(property))"
				" FROM syncup.association WHERE entity_connector = $1 AND entity = $2"
				" ORDER BY connector, mapping, side",
				SQL_ARGS(SQL_TEXT(old->connector->name), SQL_TEXT(old->name),
						 SQL_DATUM(TEXTARRAYOID, PointerGetDatum(unique_keys)),
						 SQL_TEXT(new->columns[new->key].source)));

	for (uint64 row = 0; row < count; row++)
	{
		bool		stays = sql_bool(row, 4) && find_source_column(new, sql_text(row, 3)) >= 0;

		if (!stays || moved)
			ereport(ERROR,
					(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
					 errmsg("%s of mapping \"%s\" of connector \"%s\" is used by association \"%s\" of connector \"%s\"",
							stays ? "key or target" : psprintf("column \"%s\"", sql_text(row, 3)),
							new->name, new->connector->name, sql_text(row, 2), sql_text(row, 1)),
					 errhint("Drop the association with syncup_drop_mapping() first.")));
	}
}

/* Whether an index of a table begins with this column. */
static bool
has_index(Oid table, AttrNumber attnum)
{
	return own_sql("SELECT FROM pg_catalog.pg_index WHERE indrelid = $1 AND indkey[0] = $2",
				   SQL_ARGS(SQL_OID(table), SQL_INT4(attnum))) > 0;
}

void
index_folded(const Mapping *mapping, int column, const AssociationEnd *end)
{
	const char *stored = quote_identifier(mapping->columns[column].stored);
	char	   *name;

	if (!is_folded(end))
		return;
	/* An index on an expression is known by its name alone. */
	own_sql("SELECT 'folded_' || md5(concat_ws('.', $1, $2, $3))",
			SQL_ARGS(SQL_TEXT(previous_table(mapping)), SQL_TEXT(stored), SQL_INT4(end->match)));
	name = sql_text(0, 1);
	if (own_sql("SELECT FROM pg_catalog.pg_class WHERE relname = $1 AND relnamespace = 'syncup_previous'::regnamespace",
				SQL_ARGS(SQL_TEXT(name))) == 0)
		own_sql(psprintf("CREATE INDEX %s ON %s ((%s))", name, previous_table(mapping),
						 folded_hash_sql(end, stored)), SQL_NO_ARGS);
}

void
index_properties(Mapping *entity)
{
	Oid			previous = config_table(entity, "syncup_previous");
	uint64		count = own_sql("SELECT a.property, a.side, m.options FROM syncup.association a JOIN syncup.mapping m USING (connector, mapping)"
								" WHERE a.entity_connector = $1 AND a.entity = $2 ORDER BY connector, mapping, side",
								SQL_ARGS(SQL_TEXT(entity->connector->name), SQL_TEXT(entity->name)));
	char	  **properties = palloc(sizeof(char *) * (count + 1));
	AssociationEnd *ends = palloc0(sizeof(AssociationEnd) * (count + 1));

	for (uint64 row = 0; row < count; row++)
	{
		bool		isnull;
		Jsonb	   *options = sql_jsonb(row, 3);

		properties[row] = sql_text(row, 1);
		ends[row].match = options_read(OPTIONS_OF_FILES | OPTION_ASSOCIATION, 1, &options)->
			match[DatumGetInt32(sql_datum(row, 2, &isnull)) - 1];
	}
	for (uint64 row = 0; row < count; row++)
	{
		int			column = find_source_column(entity, properties[row]);
		const char *stored = entity->columns[column].stored;

		index_folded(entity, column, &ends[row]);

		if (!has_index(previous, get_attnum(previous, stored)))
			own_sql(psprintf("CREATE INDEX ON %s (%s)", previous_table(entity), quote_identifier(stored)),
					SQL_NO_ARGS);
	}
}

/* ---------- our own tables ---------- */

/* Lets a table of ours go with the extension, and be dumped until then. */
static void
depend_on_extension(Oid table)
{
	ObjectAddress object;
	ObjectAddress extension;

	ObjectAddressSet(object, RelationRelationId, table);
	ObjectAddressSet(extension, ExtensionRelationId, get_extension_oid("syncup", false));
	recordDependencyOn(&object, &extension, DEPENDENCY_AUTO);
}

/*
 * What a publication of all tables asks of a table without a primary key, for
 * its rows to be updated and deleted.
 */
static void
identify_rows(const char *table)
{
	own_sql(psprintf("ALTER TABLE %s REPLICA IDENTITY FULL", table), SQL_NO_ARGS);
}

void
adopt_mapping_tables(const Connector *connector)
{
	/* A dump of version 0.1.0 brings tables without a replica identity. */
	uint64		count = own_sql("SELECT c.oid, CASE WHEN c.relreplident = 'd' AND n.nspname <> 'syncup_previous' THEN format('%I.%I', n.nspname, c.relname) END"
								" FROM syncup.mapping m JOIN pg_catalog.pg_class c ON c.relname = m.table_name"
								" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
								" WHERE m.connector = $1 AND c.relkind = 'r'"
								" AND n.nspname IN ('syncup_previous', 'syncup_delta', 'syncup_changes')"
								" AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d"
								"   WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid"
								"   AND d.refclassid = 'pg_catalog.pg_extension'::regclass)",
								SQL_ARGS(SQL_TEXT(connector->name)));
	SPITupleTable *tables = SPI_tuptable;

	for (uint64 row = 0; row < count; row++)
	{
		SPI_tuptable = tables;
		depend_on_extension(sql_oid(row, 1));
		if (sql_text(row, 2) != NULL)
			identify_rows(sql_text(row, 2));
	}
}

static void
create_previous(Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (", previous_table(mapping));
	/* What most readings are content with stands in front: digest and key. */
	if (!mapping->association)
		appendStringInfo(&sql, "digest bytea, %s text COLLATE \"C\", ", stored_key(mapping, ""));
	for (int i = 0; i < mapping->nstored; i++)
		if (mapping->association || i != mapping->key)
			appendStringInfo(&sql, "%s text COLLATE \"C\", ",
							 quote_identifier(mapping->columns[i].stored));
	if (!mapping->association)
		appendStringInfoString(&sql, "key_hash bigint, ");
	appendStringInfo(&sql, "PRIMARY KEY (%s))", stored_key(mapping, ""));
	/* Room for rows to be updated in their page: prepare is fast where order is kept. */
	if (!mapping->association)
		appendStringInfoString(&sql, " WITH (fillfactor = 90)");
	own_sql(sql.data, SQL_NO_ARGS);
	if (!mapping->association)
		own_sql(psprintf("CREATE INDEX ON %s (key_hash) WHERE key_hash IS NOT NULL", previous_table(mapping)),
				SQL_NO_ARGS);
	/* Links are also found by a side that their key does not begin with. */
	for (int side = 0; side < 2 && mapping->association; side++)
		if (is_key_made(mapping) || side != mapping->key)
			own_sql(psprintf("CREATE INDEX ON %s (%s)", previous_table(mapping),
							 quote_identifier(mapping->columns[side].stored)), SQL_NO_ARGS);
	depend_on_extension(config_table(mapping, "syncup_previous"));
}

static void
create_delta(Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (batch uuid NOT NULL, command text NOT NULL%s",
					 delta_table(mapping), mapping->association ? "" : ", digest bytea");
	for (int i = 0; i < mapping->nstored; i++)
		appendStringInfo(&sql, ", %s text COLLATE \"C\"",
						 quote_identifier(mapping->columns[i].stored));
	if (!mapping->association)
		appendStringInfoString(&sql, ", old_key text COLLATE \"C\", key_hash bigint, renamed text COLLATE \"C\"");
	appendStringInfoString(&sql, ")");
	own_sql(sql.data, SQL_NO_ARGS);
	own_sql(psprintf("CREATE INDEX ON %s (%s)", delta_table(mapping),
					 !is_pair_key(mapping) ? psprintf("%s, batch", stored_key(mapping, "")) :
					 pair_hash_sql(quote_identifier(mapping->columns[0].stored),
								   quote_identifier(mapping->columns[1].stored))), SQL_NO_ARGS);
	identify_rows(delta_table(mapping));
	if (!mapping->association)
		own_sql(psprintf("CREATE INDEX ON %s (key_hash) WHERE key_hash IS NOT NULL", delta_table(mapping)),
				SQL_NO_ARGS);
	depend_on_extension(config_table(mapping, "syncup_delta"));
}

static void
create_changes(Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "CREATE TABLE %s (batch uuid NOT NULL, command text NOT NULL, changed name[], old jsonb",
					 changes_table(mapping));
	if (mapping->association)
		appendStringInfoString(&sql, ", key1 text, key2 text, old_key text");
	for (int i = 0; i < 2 && mapping->association; i++)
		if (mapping->ends[i].target != NULL)
			appendStringInfo(&sql, ", %s %s", quote_identifier(mapping->ends[i].change_column),
							 config_type_text(mapping->ends[i].stored.type, mapping->ends[i].stored.typmod));
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
			appendStringInfo(&sql, ", %s %s",
							 quote_identifier(mapping->columns[i].change_column),
							 mapping->columns[i].target_type);
	appendStringInfoString(&sql, ")");
	own_sql(sql.data, SQL_NO_ARGS);
	own_sql(psprintf("CREATE INDEX ON %s (batch)", changes_table(mapping)), SQL_NO_ARGS);
	own_sql(psprintf("COMMENT ON TABLE %s IS %s", changes_table(mapping),
					 quote_literal_cstr(psprintf("what batches of connector %s do to %s: new values by column, what they replace in old",
												 mapping->connector->name, mapping->target_name))),
			SQL_NO_ARGS);
	identify_rows(changes_table(mapping));
	depend_on_extension(config_table(mapping, "syncup_changes"));
}

static void
create_tables(Mapping *mapping)
{
	create_previous(mapping);
	create_delta(mapping);
	create_changes(mapping);
}

void
drop_mapping_tables(const Mapping *mapping)
{
	const char *schemas[] = {"syncup_previous", "syncup_delta", "syncup_changes"};

	for (size_t i = 0; i < lengthof(schemas); i++)
		own_sql(psprintf("DROP TABLE IF EXISTS %s", own_table(schemas[i], mapping)),
				SQL_NO_ARGS);
}

bool
has_previous(const Mapping *mapping)
{
	return own_sql(psprintf("SELECT FROM %s LIMIT 1", previous_table(mapping)),
				   SQL_NO_ARGS) > 0;
}

/* Whether previous has a column. */
static bool
is_stored(const Mapping *mapping, const char *stored)
{
	for (int i = 0; i < mapping->nstored; i++)
		if (strcmp(mapping->columns[i].stored, stored) == 0)
			return true;
	return false;
}

/* Gives the tables the columns of the new mapping; previous keeps what stays. */
static void
alter_tables(const Mapping *old, Mapping *new)
{
	const char *previous = previous_table(new);

	own_sql(psprintf("DROP TABLE IF EXISTS %s, %s", delta_table(old), changes_table(old)), SQL_NO_ARGS);
	for (int i = 0; i < old->nstored; i++)
		if (!is_stored(new, old->columns[i].stored))
			own_sql(psprintf("ALTER TABLE %s DROP COLUMN %s", previous, quote_identifier(old->columns[i].stored)), SQL_NO_ARGS);
	for (int i = 0; i < new->nstored; i++)
		if (!is_stored(old, new->columns[i].stored))
			own_sql(psprintf("ALTER TABLE %s ADD COLUMN %s text COLLATE \"C\"", previous,
							 quote_identifier(new->columns[i].stored)), SQL_NO_ARGS);
	create_delta(new);
	create_changes(new);
}

/* ---------- storing a mapping ---------- */

void
store_mapping(Mapping *mapping, ArrayType *unique_keys)
{
	static const char *const optional_words[] = {NULL, "null", "keep"};

	own_sql("INSERT INTO syncup.mapping (connector, mapping, kind, ordinal, target, file, key, unique_keys, options, table_name)"
			" VALUES ($1, $2, $9, (SELECT coalesce(max(ordinal), 0) + 1 FROM syncup.mapping WHERE connector = $1),"
			" $3::oid::regclass, $4, $5, $6, coalesce($7, '{}'), $8::name)"
			" ON CONFLICT (connector, mapping) DO UPDATE SET target = excluded.target, file = excluded.file,"
			" key = excluded.key, unique_keys = excluded.unique_keys, options = excluded.options",
			SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
					 SQL_OID(mapping->target), SQL_TEXT(mapping->options->source ? NULL : mapping->file),
					 SQL_TEXT(mapping->columns[mapping->key].source),
					 SQL_DATUM(TEXTARRAYOID, PointerGetDatum(unique_keys)),
					 SQL_JSONB(mapping->own_options), SQL_TEXT(mapping->table_name),
					 SQL_TEXT(mapping->association ? "association" : "entity type")));
	own_sql("DELETE FROM syncup.mapping_column WHERE connector = $1 AND mapping = $2",
			SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)));
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		MappingColumn *column = &mapping->columns[i];

		own_sql("INSERT INTO syncup.mapping_column (connector, mapping, ordinal, source, stored, target, target_type, change_column, format, repeated, key_part, write, empty, optional)"
				" VALUES ($1, $2, $3, $4, $5::name, $6::name, $7, $8::name, $9, $10, nullif($11, 0), $12, $13, $14)",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
						 SQL_INT4(i + 1), SQL_TEXT(column->source), SQL_TEXT(column->stored),
						 SQL_TEXT(column->target), SQL_TEXT(column->target_type),
						 SQL_TEXT(column->change_column), SQL_TEXT(column->format),
						 SQL_BOOL(column->first < i), SQL_INT4(column->key_part),
						 SQL_TEXT(column->insert_only ? "insert" : NULL),
						 SQL_TEXT(column->keeps ? "keep" : NULL),
						 SQL_TEXT(optional_words[column->optional])));
	}
}

/* Whether two mappings use the same columns in the same way. */
static bool
same_columns(const Mapping *a, const Mapping *b)
{
	if (a->ncolumns != b->ncolumns)
		return false;
	for (int i = 0; i < a->ncolumns; i++)
	{
		const MappingColumn *x = &a->columns[i];
		const MappingColumn *y = &b->columns[i];

#define SAME(m) same_text(x->m, y->m)
		if (x->keeps != y->keeps || x->optional != y->optional ||
			!SAME(source) || !SAME(stored) || !SAME(target) || !SAME(target_type) ||
			!SAME(change_column) || !SAME(format) || x->insert_only != y->insert_only)
			return false;
#undef SAME
	}
	return true;
}

/* Whether rows whose text does not change still mean the same. */
static bool
same_meaning(const Options *a, const Options *b)
{
	return same_text(a->timezone, b->timezone) && same_text(a->where, b->where) &&
		same_text(a->scope, b->scope) && same_text(a->deleted_column, b->deleted_column);
}

/* The batch of a connector that waits, of this mode (NULL: of any); NULL: none. */
static char *
waiting_batch(const char *connector, const char *mode)
{
	return own_sql("SELECT batch FROM syncup.batch WHERE connector = $1 AND mode = coalesce($2, mode)"
				   " AND status IN ('prepared', 'blocked', 'failed') AND prepared_at IS NOT NULL LIMIT 1",
				   SQL_ARGS(SQL_TEXT(connector), SQL_TEXT(mode))) > 0 ? sql_text(0, 1) : NULL;
}

void
check_no_batch_waits(const char *connector, const char *mapping)
{
	char	   *batch = waiting_batch(connector, NULL);

	if (batch != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 mapping ? errmsg("mapping \"%s\" of connector \"%s\" cannot change while batch %s waits",
								  mapping, connector, batch) :
				 errmsg("time zone of connector \"%s\" cannot change while batch %s waits",
						connector, batch),
				 errhint("Apply it with syncup_synchronize() or syncup_resume(), or decline it with syncup_discard().")));
}

void
check_can_add(const char *connector, const char *mapping)
{
	char	   *batch = waiting_batch(connector, "complete");

	if (batch != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("mapping \"%s\" of connector \"%s\" cannot be added while complete batch %s waits",
						mapping, connector, batch),
				 errdetail("The batch has no rows for it, and would empty its target."),
				 errhint("Apply it with syncup_synchronize() or syncup_resume(), or decline it with syncup_discard().")));
}

/* Refuses an update that would make stored data wrong (SPEC 2.1). */
static void
check_update(const Mapping *old, const Mapping *new, ArrayType *unique_keys)
{
	const MappingColumn *key = &old->columns[old->key];
	const MappingColumn *new_key = &new->columns[new->key];

	check_associations(old, new, unique_keys);
	if (!has_previous(old))
		return;
	if (old->target != new->target)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("target of mapping \"%s\" of connector \"%s\" cannot change",
						new->name, new->connector->name),
				 errhint("Drop the mapping with syncup_drop_mapping() and map it anew.")));
	if (same_rows(old, new))
		return;
	if (strcmp(key->source, new_key->source) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("key of mapping \"%s\" of connector \"%s\" cannot change from \"%s\" to \"%s\"",
						new->name, new->connector->name, key->source, new_key->source),
				 errhint("Its stored rows have the old key: drop the mapping with syncup_drop_mapping() and map it anew.")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("key of mapping \"%s\" of connector \"%s\" cannot move from column %s to column %s of its target",
					new->name, new->connector->name, key_targets(old), key_targets(new)),
			 errhint("Its rows were found by the old one: drop the mapping with syncup_drop_mapping() and map it anew.")));
}

void
forget_kept_changes(const Connector *connector)
{
	own_sql("UPDATE syncup.batch SET changes_kept = false WHERE connector = $1 AND changes_kept",
			SQL_ARGS(SQL_TEXT(connector->name)));
}

/* Brings our own tables in line with an updated mapping. */
static void
update_tables(const Mapping *old, Mapping *new)
{
	bool		applied = has_previous(old);
	bool		alike = same_columns(old, new) && same_rows(old, new);
	bool		same = alike && same_meaning(old->options, new->options);

	if (!same)
		forget_kept_changes(new->connector);
	if (!alike && applied)
		alter_tables(old, new);
	else if (!alike)
	{
		drop_mapping_tables(old);
		create_tables(new);
	}
	if (same)
		return;
	digest_epoch_end(new->connector->name, new->name);
	if (applied)
		batch_ask_for_complete(new->connector->name);
}

/* ---------- columns of links ---------- */

/* Adds the columns of option "columns" to the two sides of a link. */
static void
take_link_columns(Mapping *mapping)
{
	take_named_columns(mapping, mapping->options->columns);
	for (int i = 2; i < mapping->ncolumns; i++)
		if (may_keep(&mapping->columns[i]))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" of links cannot keep what is there", mapping->columns[i].source),
					 errhint("The properties \"empty\" and \"optional\": \"keep\" are of columns of entity types.")));
	for (int i = 2; i < mapping->ncolumns; i++)
		for (int side = 0; side < 2; side++)
			if (strcmp(mapping->columns[i].target, mapping->ends[side].target) == 0)
				ereport(ERROR,
						(errcode(ERRCODE_DUPLICATE_COLUMN),
						 errmsg("target column \"%s\" is mapped twice", mapping->columns[i].target),
						 errdetail("It stores side %d of the links, and option \"columns\" names it.", side + 1)));
}

/* The two sides, and the columns that "link_key" names. */
static List *
link_key_columns(const Mapping *mapping)
{
	List	   *keys = list_make2(mapping->columns[0].source, mapping->columns[1].source);

	foreach_ptr(char, name, mapping->options->link_key)
	{
		int			column = find_source_column(mapping, name);

		if (column < 2)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" of option \"link_key\" is none of option \"columns\"", name),
					 errhint("Name source columns that belong to the link: {\"columns\": {\"role\": \"role\"}, \"link_key\": [\"role\"]}.")));
		keys = lappend(keys, mapping->columns[column].source);
	}
	return keys;
}

/* Errors about a column of the link's key that cannot be compared, or is written once. */
static void
check_link_key(const Mapping *mapping)
{
	for (int i = 2; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		TypeCacheEntry *type;

		if (column->key_part == 0)
			continue;
		type = lookup_type_cache(column->type, TYPECACHE_EQ_OPR | TYPECACHE_HASH_PROC);
		if (!OidIsValid(type->eq_opr) || !OidIsValid(type->hash_proc))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("column \"%s\" of %s cannot tell links apart: type %s has no default hash operator class",
							column->target, mapping->target_name, format_type_be(column->type))));
		if (column->insert_only)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("column \"%s\" of option \"link_key\" cannot be written at insertion only", column->source)));
	}
}

void
take_columns_of_links(Mapping *mapping, Relation target)
{
	if (mapping->options->columns == NULL || JB_ROOT_COUNT(mapping->options->columns) == 0)
	{
		(void) link_key_columns(mapping);
		return;
	}
	take_link_columns(mapping);
	take_key(mapping, link_key_columns(mapping));
	mapping->nstored = 0;
	settle_repeated(mapping);
	check_columns(mapping, target);
	find_key_parts(mapping);
	mapping->key = made_column(mapping);
	check_link_key(mapping);
}

void
change_columns_of_links(const Mapping *old, Mapping *new)
{
	if (same_columns(old, new))
		return;
	forget_kept_changes(new->connector);
	alter_tables(old, new);
	batch_ask_for_complete(new->connector->name);
}

/* Gives a new mapping a table name that nobody else has. */
static void
name_tables(Mapping *mapping)
{
	char	   *name = psprintf("%s_%s", mapping->connector->name, mapping->name);

	name = str_tolower(name, strlen(name), DEFAULT_COLLATION_OID);
	if (strlen(name) >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_NAME_TOO_LONG),
				 errmsg("names of connector and mapping are too long together"),
				 errdetail("Their tables would be called \"%s\", which has more than %d bytes.",
						   name, NAMEDATALEN - 1)));
	if (own_sql("SELECT connector, mapping FROM syncup.mapping WHERE table_name = $1::name",
				SQL_ARGS(SQL_TEXT(name))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("mapping \"%s\" of connector \"%s\" would share its tables with mapping \"%s\" of connector \"%s\"",
						mapping->name, mapping->connector->name, sql_text(0, 2), sql_text(0, 1)),
				 errdetail("Both would be called \"%s\".", name)));
	mapping->table_name = name;
}

void
create_mapping_tables(Mapping *mapping)
{
	if (mapping->table_name == NULL)
		name_tables(mapping);
	create_tables(mapping);
	/* A file of changes has nothing to start from. */
	if (mapping->options->command_column != NULL && batch_has_base(mapping->connector->name))
		batch_ask_for_complete(mapping->connector->name);
}

Mapping *
existing_mapping(Connector *connector, const char *name)
{
	foreach_mapping(mapping, connector)
		if (strcmp(mapping->name, name) == 0)
			return mapping;
	return NULL;
}

/* Whether a call's options name a relation as source. */
static bool
names_source(Jsonb *options)
{
	JsonbValue	value;

	return options != NULL && JB_ROOT_IS_OBJECT(options) &&
		getKeyJsonValueFromContainer(&options->root, "source", strlen("source"), &value) != NULL &&
		value.type != jbvNull;
}

/* The options without a relation, or with this one. */
static Jsonb *
options_with_source(Jsonb *options, const char *source)
{
	own_sql("SELECT jsonb_strip_nulls(jsonb_build_object('source', $2)) || ($1 - 'source')",
			SQL_ARGS(SQL_JSONB(options), SQL_TEXT(source)));
	return sql_jsonb(0, 1);
}

/*
 * Settles what a mapping reads: the file of the call, or the relation of its
 * options; where the call names neither, what it read before (SPEC 2.1, 2.6).
 */
static void
settle_source(Mapping *mapping, const char *file, Jsonb *given, const Mapping *old)
{
	bool		relation = names_source(given);
	JsonbValue	value;

	if (file != NULL && relation)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("mapping \"%s\" cannot read a file and a relation", mapping->name),
				 errhint("Give file => NULL with the option \"source\", or the file without it.")));
	if (file == NULL && !relation && old != NULL)
	{
		relation = old->options->source != NULL && names_source(mapping->own_options);
		file = relation || old->options->source != NULL ? NULL : old->file;
	}
	if (file == NULL && !relation)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "file"),
				 errhint("Name the file, or a relation with the option \"source\".")));
	if (relation)
	{
		(void) getKeyJsonValueFromContainer(&mapping->own_options->root, "source", strlen("source"), &value);
		if (value.type == jbvString)
		{
			/* As the caller's statements find it; what is stored names its schema. */
			int			path = search_path_of_caller();

			mapping->file = relation_check_source(pnstrdup(value.val.string.val, value.val.string.len));
			settings_restore(path);
			options_check_relation(mapping->own_options);
			mapping->own_options = options_with_source(mapping->own_options, mapping->file);
		}
		return;
	}
	mapping->file = pstrdup(file);
	mapping->own_options = options_with_source(mapping->own_options, NULL);
}

Mapping *
begin_mapping(Connector *connector, const char *name, Relation target,
			  const char *file, Jsonb *options, const Mapping *old, bool association)
{
	Mapping    *mapping = palloc0(sizeof(Mapping));
	Jsonb	   *documents[2];
	int			allowed = OPTIONS_OF_FILES |
		(association ? OPTION_ASSOCIATION : OPTION_ENTITY_TYPE);

	mapping->connector = connector;
	mapping->association = association;
	mapping->holder = -1;
	mapping->name = pstrdup(name);
	mapping->target = RelationGetRelid(target);
	mapping->target_name =
		quote_qualified_identifier(get_namespace_name(RelationGetNamespace(target)),
								   RelationGetRelationName(target));
	mapping->own_options = options_merge(allowed, old ? old->own_options : NULL, options);
	settle_source(mapping, file, options, old);
	documents[0] = connector->options;
	documents[1] = mapping->own_options;
	mapping->options = options_read(allowed | OPTION_CONNECTOR, 2, documents);
	options_check_company(allowed | OPTION_CONNECTOR, connector->options, mapping->own_options);

	check_kind(target);
	if (mapping->options->source != NULL)
		return mapping;
	for (int incremental = 0; incremental < 2; incremental++)
		if (!mapping_is_sent(mapping, incremental))
			source_check_readable(mapping_path(mapping, incremental));
	return mapping;
}

/*
 * Settles the columns: those named; or of a mapping that is stored those it has;
 * or, also where none is named, those that file and target have in common.
 */
static void
take_columns(Mapping *mapping, Relation target, Jsonb *columns, const Mapping *old)
{
	if (columns != NULL && !JB_ROOT_IS_OBJECT(columns))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("columns must be a JSON object"),
				 errhint("For example {\"objectGUID\": \"guid\", \"whenChanged\": {\"column\": \"changed\", \"format\": \"generalizedtime\"}}.")));
	if (columns != NULL && JB_ROOT_COUNT(columns) > 0)
		take_named_columns(mapping, columns);
	else if (columns == NULL && old != NULL)
		take_stored_columns(mapping, old);
	else
		take_common_columns(mapping, target);
}

/* The unique keys that a mapping is stored with. */
static ArrayType *
stored_unique_keys(const Mapping *mapping)
{
	bool		isnull;

	own_sql("SELECT unique_keys FROM syncup.mapping WHERE connector = $1 AND mapping = $2",
			SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)));
	return DatumGetArrayTypePCopy(sql_datum(0, 1, &isnull));
}

/* Reads and checks the arguments into a mapping that is not stored yet; old: as it is. */
static Mapping *
draft_mapping(FunctionCallInfo fcinfo, Connector *connector, const char *name,
			  Relation target, List *keys, ArrayType *unique_keys, const Mapping *old)
{
	Mapping    *mapping = begin_mapping(connector, name, target, optional_text(fcinfo, 3),
										PG_ARGISNULL(7) ? NULL : PG_GETARG_JSONB_P(7), old, false);
	List	   *unique_names;

	take_columns(mapping, target, PG_ARGISNULL(5) ? NULL : PG_GETARG_JSONB_P(5), old);
	unique_names = take_unique_keys(mapping, unique_keys);
	take_stored(mapping, where_sources(mapping, old));
	take_mark(mapping);
	take_former_key(mapping, keys, unique_names);
	take_key(mapping, keys);
	settle_repeated(mapping);
	check_columns(mapping, target);
	check_key(mapping, keys);
	check_constants(mapping, target);
	check_fillable(mapping, target);
	check_deleted_column(mapping, target);
	check_scope(mapping, target);
	check_shown(mapping);
	name_stored_columns(mapping);
	return mapping;
}

/* Maps an entity type by a key of one or several columns. */
static void
map_entity_type(FunctionCallInfo fcinfo, List *keys)
{
	char	   *connector_name = required_text(fcinfo, 0, "connector");
	char	   *name = required_text(fcinfo, 1, "entity_type");
	ArrayType  *unique_keys;
	Connector  *connector;
	Mapping    *mapping;
	Mapping    *old;
	Relation	target;
	ConnectorWork at_work;

	required_argument(fcinfo, 2, "target");
	check_name("mapping", name);

	SPI_connect();
	lock_connector(connector_name);
	connector = config_load(connector_name);
	target = table_open(PG_GETARG_OID(2), AccessShareLock);
	old = existing_mapping(connector, name);
	if (old != NULL && old->association)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("mapping \"%s\" of connector \"%s\" is an association", name, connector_name)));
	unique_keys = !PG_ARGISNULL(6) ? PG_GETARG_ARRAYTYPE_P(6) :
		old != NULL ? stored_unique_keys(old) : construct_empty_array(TEXTOID);
	work_begin(&at_work, connector_name);
	mapping = draft_mapping(fcinfo, connector, name, target, keys, unique_keys, old);
	work_end(&at_work);
	check_only_mapping(mapping);
	check_no_link_column(mapping);
	if (old == NULL)
	{
		check_can_add(connector_name, name);
		create_mapping_tables(mapping);
	}
	else
	{
		check_no_batch_waits(connector_name, name);
		mapping->table_name = old->table_name;
		check_update(old, mapping, unique_keys);
		update_tables(old, mapping);
		index_properties(mapping);
	}
	store_mapping(mapping, unique_keys);
	say_what_is_mapped(mapping, target);
	table_close(target, NoLock);
	SPI_finish();
}

/*
 * syncup_map_entity_type(connector text, entity_type text, target regclass,
 * file text, key text, columns jsonb, unique_keys text[], options jsonb)
 * (SPEC 2.1).
 */
Datum
syncup_map_entity_type(PG_FUNCTION_ARGS)
{
	map_entity_type(fcinfo, list_make1(required_text(fcinfo, 4, "key")));
	PG_RETURN_VOID();
}

/*
 * The same by a key of several columns: key text[] (SPEC 2.7).
 */
Datum
syncup_map_entity_type_by_columns(PG_FUNCTION_ARGS)
{
	List	   *keys;

	required_argument(fcinfo, 4, "key");
	keys = names_of(PG_GETARG_ARRAYTYPE_P(4), "the columns of a key must be names of source columns");
	if (keys == NIL || list_length(keys) > INDEX_MAX_KEYS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a key has between 1 and %d columns", INDEX_MAX_KEYS)));
	map_entity_type(fcinfo, keys);
	PG_RETURN_VOID();
}

/* What is counted of an association that goes counts for the next that fills the same rows. */
static void
leave_count(const Mapping *mapping)
{
	const char *next = NULL;

	foreach_ptr(Mapping, sibling, link_siblings(mapping))
		if (next == NULL && sibling != mapping)
			next = sibling->name;
	if (next != NULL)
		own_sql("UPDATE syncup.batch_counter c SET stored_before = c.stored_before + d.stored_before + d.inserted - d.deleted"
				" FROM syncup.batch_counter d JOIN syncup.batch b USING (batch)"
				" WHERE d.batch = c.batch AND d.mapping = $2 AND c.mapping = $3 AND b.connector = $1",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name), SQL_TEXT(next)));
}

/*
 * syncup_drop_mapping(connector text, mapping text) (SPEC 2.1).
 */
Datum
syncup_drop_mapping(PG_FUNCTION_ARGS)
{
	char	   *connector_name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Mapping    *mapping;

	SPI_connect();
	lock_connector(connector_name);
	mapping = config_find_mapping(config_load(connector_name), name);
	config_claim(connector_name);
	check_no_batch_waits(connector_name, name);
	check_no_association(mapping);
	drop_mapping_tables(mapping);
	forget_kept_changes(mapping->connector);
	leave_count(mapping);
	own_sql("DELETE FROM syncup.batch_counter c USING syncup.batch b"
			" WHERE b.batch = c.batch AND b.connector = $1 AND c.mapping = $2",
			SQL_ARGS(SQL_TEXT(connector_name), SQL_TEXT(name)));
	own_sql("DELETE FROM syncup.batch_file f USING syncup.batch b"
			" WHERE b.batch = f.batch AND b.connector = $1 AND f.mapping = $2",
			SQL_ARGS(SQL_TEXT(connector_name), SQL_TEXT(name)));
	config_forget(connector_name, name);
	SPI_finish();
	PG_RETURN_VOID();
}
