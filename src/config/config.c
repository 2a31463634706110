/*
 * config.c
 *		A connector and its mappings, as structs: read once per operation.
 */
#include "config/config.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "lib/stringinfo.h"
#include "tool/nearest.h"
#include "tool/sql.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

/* Reports that there is no connector of that name. */
static void
no_such_connector(const char *name)
{
	uint64		count = own_sql("SELECT connector FROM syncup.connector ORDER BY connector COLLATE \"C\"",
								SQL_NO_ARGS);
	NameList	list = {.wanted = name};

	for (uint64 i = 0; i < count; i++)
	{
		char	   *connector = sql_text(i, 1);

		name_list_add(&list, connector, NULL);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("connector \"%s\" does not exist", name),
			 count ? errhint("%sExisting connectors: %s.", did_you_mean(&list), name_list_text(&list)) :
			 errhint("Create one with syncup_create_connector().")));
}

static Connector *load_connector(const char *name, bool with_ends);

/* What is stored of an optional column. */
static Optional
optional_of(const char *word)
{
	return word == NULL ? OPTIONAL_NO : strcmp(word, "null") == 0 ? OPTIONAL_NULL : OPTIONAL_KEEP;
}

/* Reads the columns of one mapping. */
static void
load_columns(Mapping *mapping, const char *key)
{
	uint64		count = own_sql("SELECT c.source, c.stored, c.target, c.target_type, c.change_column, c.format,"
								" m.kind = 'association' AND c.ordinal <= 2 OR lower(c.source) IN (SELECT lower(k) FROM unnest(array_append(m.unique_keys, m.key)) k),"
								" coalesce(c.key_part, 0), c.write IS NOT DISTINCT FROM 'insert',"
								" c.empty IS NOT DISTINCT FROM 'keep', c.optional"
								" FROM syncup.mapping_column c JOIN syncup.mapping m USING (connector, mapping)"
								" WHERE connector = $1 AND mapping = $2 ORDER BY c.ordinal",
								SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)));

	bool		isnull;

	mapping->ncolumns = count;
	mapping->columns = palloc0(sizeof(MappingColumn) * count);
	mapping->key = -1;
	for (uint64 i = 0; i < count; i++)
	{
		MappingColumn *column = &mapping->columns[i];

		column->source = sql_text(i, 1);
		column->stored = sql_text(i, 2);
		column->target = sql_text(i, 3);
		column->target_type = sql_text(i, 4);
		column->change_column = sql_text(i, 5);
		column->format = sql_text(i, 6);
		column->indexed = sql_bool(i, 7);
		column->key_part = DatumGetInt32(sql_datum(i, 8, &isnull));
		column->insert_only = sql_bool(i, 9);
		column->keeps = sql_bool(i, 10);
		column->optional = optional_of(sql_text(i, 11));
		column->is_mark = *column->source == '\0';
		column->first = i;
		for (int first = 0; first < i && column->first == i; first++)
			if (strcmp(mapping->columns[first].stored, column->stored) == 0)
				column->first = first;
		mapping->nstored += column->first == i;
		if (mapping->key < 0 && strcmp(column->source, key) == 0)
			mapping->key = i;
	}
	if (mapping->key < 0)
		elog(ERROR, "mapping \"%s\" has lost its key column", mapping->name);
	find_key_parts(mapping);
}

void
find_key_parts(Mapping *mapping)
{
	mapping->nparts = 0;
	mapping->parts = palloc(sizeof(int) * mapping->ncolumns);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].key_part > 0)
		{
			mapping->parts[mapping->columns[i].key_part - 1] = i;
			mapping->nparts++;
		}
}

/* Reads the mappings of a connector. */
static void
load_mappings(Connector *connector)
{
	uint64		count = own_sql("SELECT mapping, kind, target::oid, file, key, options, table_name"
								" FROM syncup.mapping WHERE connector = $1 ORDER BY ordinal",
								SQL_ARGS(SQL_TEXT(connector->name)));
	char	  **keys = palloc(sizeof(char *) * (count + 1));

	connector->nmappings = count;
	connector->mappings = palloc0(sizeof(Mapping) * (count + 1));
	for (uint64 i = 0; i < count; i++)
	{
		Mapping    *mapping = &connector->mappings[i];

		mapping->connector = connector;
		mapping->name = sql_text(i, 1);
		mapping->association = strcmp(sql_text(i, 2), "association") == 0;
		mapping->target = sql_oid(i, 3);
		mapping->file = sql_text(i, 4);
		keys[i] = sql_text(i, 5);
		mapping->holder = -1;
		mapping->state = NO_STATE;
		mapping->own_options = sql_jsonb(i, 6);
		mapping->table_name = sql_text(i, 7);
	}
	for (uint64 i = 0; i < count; i++)
	{
		Mapping    *mapping = &connector->mappings[i];
		Jsonb	   *documents[] = {connector->options, mapping->own_options};

		mapping->options = options_read(OPTIONS_OF_CONNECTOR |
										(mapping->association ? OPTION_ASSOCIATION : OPTION_ENTITY_TYPE),
										2, documents);
		if (mapping->options->source != NULL)
			mapping->file = mapping->options->source;
		load_columns(mapping, keys[i]);
	}
}

/* The connector of an end: the association's own, or one read before, or read now. */
static Connector *
connector_of_end(Connector *connector, const char *name)
{
	Connector  *other;

	if (strcmp(connector->name, name) == 0)
		return connector;
	foreach_ptr(Connector, known, connector->others)
		if (strcmp(known->name, name) == 0)
			return known;
	other = load_connector(name, false);
	connector->others = lappend(connector->others, other);
	return other;
}

/* Reads the two ends of an association. */
static void
load_ends(Mapping *mapping)
{
	char	   *connectors[2];
	char	   *entities[2];
	char	   *properties[2];

	if (own_sql("SELECT entity_connector, entity, property, store, target_column, change_column"
				" FROM syncup.association WHERE connector = $1 AND mapping = $2 ORDER BY side",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name))) != 2)
		elog(ERROR, "association \"%s\" has lost its ends", mapping->name);
	for (int i = 0; i < 2; i++)
	{
		connectors[i] = sql_text(i, 1);
		entities[i] = sql_text(i, 2);
		properties[i] = sql_text(i, 3);
		mapping->ends[i].match = mapping->options->match[i];
		mapping->ends[i].store = sql_text(i, 4);
		mapping->ends[i].target = sql_text(i, 5);
		mapping->ends[i].change_column = sql_text(i, 6);
	}
	for (int i = 0; i < 2; i++)
	{
		AssociationEnd *end = &mapping->ends[i];

		end->entity = config_find_mapping(connector_of_end(mapping->connector, connectors[i]), entities[i]);
		end->property = -1;
		for (int c = 0; c < end->entity->nstored; c++)
			if (strcmp(end->entity->columns[c].source, properties[i]) == 0)
				end->property = c;
		if (end->property < 0)
			elog(ERROR, "association \"%s\" has lost property \"%s\"", mapping->name, properties[i]);
	}
	mapping->pairs = mapping->ends[0].target != NULL && mapping->ends[1].target != NULL;
	mapping->holder = mapping->pairs ? -1 : mapping->ends[0].target != NULL ? 1 : 0;
	if (!is_key_made(mapping))
		mapping->key = mapping->holder == 1 ? 1 : 0;
}

/* Reads a connector, and of associations also what they link. */
static Connector *
load_connector(const char *name, bool with_ends)
{
	Connector  *connector = palloc0(sizeof(Connector));

	if (own_sql("SELECT connector, directory, options, active, needs_complete"
				" FROM syncup.connector WHERE connector = $1",
				SQL_ARGS(SQL_TEXT(name))) == 0)
		no_such_connector(name);
	connector->name = sql_text(0, 1);
	connector->directory = sql_text(0, 2);
	connector->options = sql_jsonb(0, 3);
	connector->active = sql_bool(0, 4);
	connector->needs_complete = sql_bool(0, 5);
	load_mappings(connector);
	for (int i = 0; i < connector->nmappings && with_ends; i++)
		if (connector->mappings[i].association)
			load_ends(&connector->mappings[i]);
	return connector;
}

Connector *
config_load(const char *name)
{
	return load_connector(name, true);
}

void
config_hold(const char *connector, const char *mapping)
{
	own_sql("SELECT FROM syncup.connector WHERE connector = $1 FOR KEY SHARE",
			SQL_ARGS(SQL_TEXT(connector)));
	own_sql("SELECT FROM syncup.mapping WHERE connector = $1 AND mapping = $2 FOR KEY SHARE",
			SQL_ARGS(SQL_TEXT(connector), SQL_TEXT(mapping)));
}

void
config_claim(const char *connector)
{
	own_sql("SELECT FROM syncup.connector WHERE connector = $1 FOR UPDATE", SQL_ARGS(SQL_TEXT(connector)));
}

void
config_forget(const char *connector, const char *mapping)
{
	static const char *const tables[] = {
		"association", "orphan", "digest_epoch", "threshold", "check_definition", "change_file_read", "source_header", "mapping_column", "mapping"
	};

	for (size_t i = 0; i < lengthof(tables); i++)
		own_sql(psprintf("DELETE FROM syncup.%s WHERE connector = $1 AND ($2 IS NULL OR mapping = $2)", tables[i]),
				SQL_ARGS(SQL_TEXT(connector), SQL_TEXT(mapping)));
}

Mapping *
config_find_mapping(Connector *connector, const char *name)
{
	NameList	list = {.wanted = name};

	foreach_mapping(mapping, connector)
	{
		if (strcmp(mapping->name, name) == 0)
			return mapping;
		name_list_add(&list, mapping->name, NULL);
	}
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("connector \"%s\" has no mapping \"%s\"", connector->name, name),
			 list.count ? errhint("%sIts mappings: %s.", did_you_mean(&list), name_list_text(&list)) :
			 errhint("It has no mapping yet: see syncup_map_entity_type().")));
	return NULL;				/* not reached */
}

char *
config_type_text(Oid type, int32 typmod)
{
	bool		before = quote_all_identifiers;
	int			path = search_path_pin();
	char	   *text;

	/* The same text whatever the session's taste. */
	quote_all_identifiers = false;
	text = format_type_with_typemod(type, typmod);
	quote_all_identifiers = before;
	settings_restore(path);
	return text;
}

#define MAX_INDEXED_LENGTH	2600	/* a row of a btree has some 2700 bytes */

/* Both sides of a pair stand in one row of an index. */
static size_t
max_indexed_length(const Mapping *mapping)
{
	return is_pair_key(mapping) ? MAX_INDEXED_LENGTH / 2 : MAX_INDEXED_LENGTH;
}

bool
is_indexed_length(const Mapping *mapping, int column, size_t length)
{
	return !mapping->columns[column].indexed || length <= max_indexed_length(mapping);
}

void
check_indexed_length(const Mapping *mapping, int column, size_t length)
{
	if (!is_indexed_length(mapping, column, length))
		ereport(ERROR,
				(errcode(ERRCODE_STRING_DATA_RIGHT_TRUNCATION),
				 errmsg("value of %zu bytes is too long for a key: at most %zu are stored",
						length, max_indexed_length(mapping))));
}

/* Whether a foreign key refers to a column. */
static bool
is_referred_to(Oid table, AttrNumber attnum)
{
	return own_sql("SELECT FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = $1 AND $2 = ANY (confkey) LIMIT 1",
				   SQL_ARGS(SQL_OID(table), SQL_INT4(attnum))) > 0;
}

/*
 * Whether values of a column differ if their texts do (SPEC 2.7): of the string
 * category, or arrays of such, where the type may hold other bytes equal, as
 * citext does.  What a foreign key refers to is left as it is.
 */
static bool
differs_by_text(const Mapping *mapping, const MappingColumn *column)
{
	Oid			element = get_base_element_type(column->type);
	Oid			type = getBaseType(OidIsValid(element) ? element : column->type);
	char		category;
	bool		preferred;

	get_type_category_preferred(type, &category, &preferred);
	if (category != TYPCATEGORY_STRING)
		return false;
	if ((type == TEXTOID || type == VARCHAROID || type == NAMEOID) &&
		get_collation_isdeterministic(column->collation))
		return false;
	return !is_referred_to(mapping->target, column->attnum);
}

/* Looks at one mapped column of the target. */
static void
check_column(Mapping *mapping, MappingColumn *column)
{
	AttrNumber	attnum = get_attnum(mapping->target, column->target);
	HeapTuple	tuple;
	Form_pg_attribute attribute;

	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of target %s is gone", column->target, mapping->target_name),
				 errhint("Map the table again with syncup_map_entity_type().")));
	tuple = SearchSysCache2(ATTNUM, ObjectIdGetDatum(mapping->target), Int16GetDatum(attnum));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for column %d of table %u", attnum, mapping->target);
	attribute = (Form_pg_attribute) GETSTRUCT(tuple);
	column->attnum = attnum;
	column->type = attribute->atttypid;
	column->typmod = attribute->atttypmod;
	column->collation = attribute->attcollation;
	ReleaseSysCache(tuple);

	if (strcmp(config_type_text(column->type, column->typmod), column->target_type) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of target %s changed its type from %s to %s",
						column->target, mapping->target_name, column->target_type,
						config_type_text(column->type, column->typmod)),
				 errhint("Map the table again with syncup_map_entity_type().")));
}

/* Whether an index covers just these columns, in any order. */
static bool
covers_columns(const FormData_pg_index *index, const AttrNumber *attnums, int count)
{
	if (index->indnkeyatts != count)
		return false;
	for (int i = 0; i < count; i++)
	{
		bool		found = false;

		for (int n = 0; n < count && !found; n++)
			found = index->indkey.values[n] == attnums[i];
		if (!found)
			return false;
	}
	return true;
}

/* Whether a unique index that holds for every row covers just these columns. */
static bool
are_unique_columns(Relation target, const AttrNumber *attnums, int count)
{
	List	   *indexes = RelationGetIndexList(target);
	bool		found = false;

	foreach_oid(oid, indexes)
	{
		Relation	index = index_open(oid, AccessShareLock);
		Form_pg_index form = index->rd_index;

		if (form->indisunique && form->indisvalid && (count == 1 || form->indimmediate) &&
			covers_columns(form, attnums, count) && RelationGetIndexPredicate(index) == NIL)
			found = true;
		index_close(index, AccessShareLock);
	}
	return found;
}

bool
has_unique_keys(const Mapping *mapping)
{
	for (int i = 0; i < mapping->ncolumns && !mapping->association; i++)
		if (mapping->columns[i].indexed && !is_key_column(mapping, i))
			return true;
	return false;
}

bool
is_unique_column(Relation target, AttrNumber attnum)
{
	return are_unique_columns(target, &attnum, 1);
}

/*
 * Errors if rows of the target and what they become do not fit side by side into
 * one row of a query, as comparing takes: of a mapped column three values (source,
 * target, whether they differ; in changes old, new, whether written), of others one.
 */
static void
check_width(const Mapping *mapping, Relation target)
{
	int			mapped = 0;
	int			others = 0;

	for (int i = 0; i < RelationGetNumberOfAttributes(target); i++)
		others += !TupleDescAttr(RelationGetDescr(target), i)->attisdropped &&
			!TupleDescAttr(RelationGetDescr(target), i)->attgenerated;
	for (int i = 0; i < mapping->ncolumns; i++)
		mapped += mapping->columns[i].target != NULL;
	others -= mapped;
	if (FOUND_COLUMNS + 3 * mapped + others > MaxTupleAttributeNumber)
		ereport(ERROR,
				(errcode(ERRCODE_TOO_MANY_COLUMNS),
				 errmsg("table %s has too many columns: %d mapped, %d not mapped",
						mapping->target_name, mapped, others),
				 errdetail("Three times those that are mapped and those that are not may be %d at most.",
						   MaxTupleAttributeNumber - FOUND_COLUMNS),
				 errhint("Map fewer columns, or divide the table.")));
}

void
config_check_key(const Mapping *mapping)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	AttrNumber *attnums = palloc(sizeof(AttrNumber) * mapping->nparts);
	bool		not_null = true;

	for (int p = 0; p < mapping->nparts; p++)
	{
		attnums[p] = mapping->columns[mapping->parts[p]].attnum;
		not_null = not_null && TupleDescAttr(RelationGetDescr(target), attnums[p] - 1)->attnotnull;
	}
	if (!not_null || !are_unique_columns(target, attnums, mapping->nparts))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 !is_key_made(mapping) ?
				 errmsg("key column %s of table %s must be unique and not null",
						key_targets(mapping), mapping->target_name) :
				 errmsg("key columns %s of table %s must be unique together and not null",
						key_targets(mapping), mapping->target_name),
				 !is_key_made(mapping) ?
				 errhint("Make it the primary key, or give it NOT NULL and a unique constraint of its own.") :
				 errhint("Make them the primary key, or give them NOT NULL and a unique constraint of just these columns, neither partial nor deferrable.")));
	check_width(mapping, target);
	table_close(target, NoLock);
}

/* Looks at what is stored of an end, and at the column that it is stored in. */
static void
check_end(Mapping *mapping, AssociationEnd *end)
{
	MappingColumn *stored = &end->stored;
	AttrNumber	attnum;

	config_check_target(end->entity);
	*stored = *key_of_end(end);
	if (end->store != NULL)
	{
		stored->target = end->store;
		attnum = get_attnum(end->entity->target, end->store);
		if (attnum == InvalidAttrNumber)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("column \"%s\" of %s, which association \"%s\" stores, is gone",
							end->store, end->entity->target_name, mapping->name),
					 errhint("Drop the association with syncup_drop_mapping() and map it anew.")));
		get_atttypetypmodcoll(end->entity->target, attnum, &stored->type, &stored->typmod,
							  &stored->collation);
		stored->attnum = attnum;
	}
	if (end->target == NULL)
		return;
	attnum = get_attnum(mapping->target, end->target);
	if (attnum == InvalidAttrNumber)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of target %s is gone", end->target, mapping->target_name),
				 errhint("Drop the association with syncup_drop_mapping() and map it anew.")));
	if (get_atttype(mapping->target, attnum) != stored->type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of %s has type %s, but would store column \"%s\" of %s, of type %s",
						end->target, mapping->target_name,
						config_type_text(get_atttype(mapping->target, attnum), -1),
						stored->target, end->entity->target_name, config_type_text(stored->type, -1)),
				 errhint("Give both columns the same type.")));
}

bool
is_own_end(const Mapping *association, const AssociationEnd *end)
{
	return end->entity->connector == association->connector;
}

/* Whether two mappings of one table have the same scope. */
static bool
same_scope(const Mapping *a, const Mapping *b)
{
	return same_text(a->options->scope, b->options->scope);
}

List *
link_siblings(const Mapping *association)
{
	Connector  *connector = association->connector;
	List	   *siblings = NIL;
	bool		found = false;

	for (int i = 0; i < connector->nmappings && association->pairs; i++)
	{
		Mapping    *other = &connector->mappings[i];
		bool		same = strcmp(other->name, association->name) == 0;

		if (same || (other->pairs && other->target == association->target && same_scope(other, association)))
			siblings = lappend(siblings, same ? unconstify(Mapping *, association) : other);
		found |= same;
	}
	return found ? siblings : lappend(siblings, unconstify(Mapping *, association));
}

int
link_columns(const Mapping *association)
{
	int			count = 0;

	for (int i = 2; i < association->ncolumns; i++)
		count += association->columns[i].target != NULL;
	return count;
}

List *
pair_twins(const Mapping *association)
{
	Connector  *connector = association->connector;
	List	   *twins = NIL;

	foreach_mapping(other, connector)
	{
		if (other->association && other != association && strcmp(other->file, association->file) == 0 &&
			strcmp(other->columns[0].source, association->columns[0].source) == 0 &&
			strcmp(other->columns[1].source, association->columns[1].source) == 0)
			twins = lappend(twins, other);
	}
	return twins;
}

void
check_no_children(Relation target)
{
	if (target->rd_rel->relkind == RELKIND_RELATION && has_subclass(RelationGetRelid(target)) &&
		find_inheritance_children(RelationGetRelid(target), AccessShareLock) != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("table %s has tables that inherit from it",
						quote_qualified_identifier(get_namespace_name(RelationGetNamespace(target)),
												   RelationGetRelationName(target))),
				 errhint("Their rows would be read and changed as its own. Map a table without children: one of them, or a partitioned table.")));
}

void
config_check_target(Mapping *mapping)
{
	Relation	target = try_relation_open(mapping->target, AccessShareLock);

	if (target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("target of mapping \"%s\" of connector \"%s\" is gone",
						mapping->name, mapping->connector->name),
				 errhint("Drop the mapping with syncup_drop_mapping() and map it anew.")));
	if (target->rd_rel->relkind != RELKIND_RELATION &&
		target->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("target of mapping \"%s\" of connector \"%s\" is not a table any more",
						mapping->name, mapping->connector->name)));
	check_no_children(target);
	/* The lock stays: until the end no other table can get this name. */
	mapping->target_name = quote_qualified_identifier(get_namespace_name(RelationGetNamespace(target)),
													  RelationGetRelationName(target));
	relation_close(target, NoLock);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
		{
			check_column(mapping, &mapping->columns[i]);
			mapping->columns[i].by_text = mapping->columns[i].key_part == 0 &&
				differs_by_text(mapping, &mapping->columns[i]);
		}
	if (!mapping->association)
		config_check_key(mapping);
	for (int i = 0; i < 2 && mapping->association; i++)
		check_end(mapping, &mapping->ends[i]);
}

Oid
config_table(const Mapping *mapping, const char *schema)
{
	Oid			table = get_relname_relid(mapping->table_name,
										  get_namespace_oid(schema, false));

	if (!OidIsValid(table))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("table %s of mapping \"%s\" of connector \"%s\" is gone",
						own_table(schema, mapping), mapping->name, mapping->connector->name),
				 errhint("Drop the mapping with syncup_drop_mapping() and map it again.")));
	return table;
}

char *
own_table(const char *schema, const Mapping *mapping)
{
	return quote_qualified_identifier(schema, mapping->table_name);
}

char *
stored_columns(const Mapping *mapping, const char *prefix)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < mapping->nstored; i++)
		appendStringInfo(&list, "%s%s%s", i ? ", " : "", prefix,
						 quote_identifier(mapping->columns[i].stored));
	return list.data;
}

int
mark_column(const Mapping *mapping)
{
	for (int i = 0; i < mapping->nstored; i++)
		if (mapping->columns[i].is_mark)
			return i;
	return -1;
}

#define MARK_SEPARATOR	", "

char *
write_mark(const Mapping *mapping, const bool *kept)
{
	StringInfoData mark;

	initStringInfo(&mark);
	for (int i = 0; i < mapping->nstored; i++)
		if (may_keep(&mapping->columns[i]) && kept[i])
			appendStringInfo(&mark, "%s%s", mark.len ? MARK_SEPARATOR : "", mapping->columns[i].stored);
	return mark.len ? mark.data : NULL;
}

void
read_mark(const Mapping *mapping, Datum mark, bool isnull, bool *kept)
{
	const char *at = isnull ? "" : TextDatumGetCString(mark);

	memset(kept, 0, sizeof(bool) * mapping->nstored);
	/* They stand in the order of the columns. */
	for (int i = 0; i < mapping->nstored && *at != '\0'; i++)
	{
		size_t		length = strlen(mapping->columns[i].stored);

		if (!may_keep(&mapping->columns[i]) || strncmp(at, mapping->columns[i].stored, length) != 0 ||
			(at[length] != '\0' && strncmp(at + length, MARK_SEPARATOR, strlen(MARK_SEPARATOR)) != 0))
			continue;
		kept[i] = true;
		at += length;
		if (*at != '\0')
			at += strlen(MARK_SEPARATOR);
	}
}

char *
source_columns(const Mapping *mapping, const char *prefix)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < mapping->nstored; i++)
		if (is_source_column(mapping, i))
			appendStringInfo(&list, "%s%s%s", list.len ? ", " : "", prefix,
							 quote_identifier(mapping->columns[i].stored));
	return list.data;
}

char *
source_key(const Mapping *mapping, const char *prefix)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int p = 0; p < mapping->nparts; p++)
		appendStringInfo(&list, "%s%s%s", p ? ", " : "", prefix,
						 quote_identifier(mapping->columns[mapping->parts[p]].stored));
	return list.data;
}

char *
key_targets(const Mapping *mapping)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int p = 0; p < mapping->nparts; p++)
		appendStringInfo(&list, "%s\"%s\"", p == 0 ? "" : p == mapping->nparts - 1 ? " and " : ", ",
						 mapping->columns[mapping->parts[p]].target);
	return list.data;
}

int
find_source_column(const Mapping *mapping, const char *source)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (strcmp(mapping->columns[i].source, source) == 0)
			return i;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (pg_strcasecmp(mapping->columns[i].source, source) == 0)
			return i;
	return -1;
}

const MappingColumn *
mapped_column(const Mapping *mapping, const char *target)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL && strcmp(mapping->columns[i].target, target) == 0)
			return &mapping->columns[i];
	return NULL;
}

bool
is_key_column(const Mapping *mapping, int column)
{
	int			first = mapping->columns[column].first;

	return is_pair_key(mapping) || first == mapping->key || mapping->columns[first].key_part > 0;
}

char *
stored_key(const Mapping *mapping, const char *prefix)
{
	if (is_pair_key(mapping))
		return stored_columns(mapping, prefix);
	return psprintf("%s%s", prefix, quote_identifier(mapping->columns[mapping->key].stored));
}

char *
pair_hash_sql(const char *value1, const char *value2)
{
	return psprintf("hashtextextended(%s, hashtextextended(%s, 0))", value1, value2);
}

char *
same_stored_key(const Mapping *mapping, const char *a, const char *b)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < mapping->nstored; i++)
	{
		const char *column = quote_identifier(mapping->columns[i].stored);

		/* A part may be null. */
		if (mapping->association && is_key_made(mapping) ? i == mapping->key : is_key_column(mapping, i))
			appendStringInfo(&sql, "%s%s.%s = %s.%s", sql.len ? " AND " : "", a, column, b, column);
	}
	return sql.data;
}

char *
former_key(const Mapping *mapping, const char *delta)
{
	return psprintf("coalesce(%s.old_key, %s.%s)", delta, delta,
					quote_identifier(mapping->columns[mapping->key].stored));
}

char *
changes_stored_row(const Mapping *mapping, const char *d, const char *p)
{
	if (mapping->association)
		return same_stored_key(mapping, d, p);
	return psprintf("%s = %s.%s", former_key(mapping, d), p,
					quote_identifier(mapping->columns[mapping->key].stored));
}

/* Adds connector and mapping to an error. */
static void
describe_mapping(void *arg)
{
	const MappingScope *scope = arg;
	const Mapping *mapping = scope->mapping ? scope->mapping : linitial(scope->mappings);
	NameList	list = {0};

	if (scope->mapping != NULL || list_length(scope->mappings) == 1)
		errcontext("connector \"%s\", mapping \"%s\"", mapping->connector->name, mapping->name);
	else
	{
		foreach_ptr(const Mapping, each, scope->mappings)
			name_list_add(&list, each->name, NULL);
		errcontext("connector \"%s\", mappings %s", mapping->connector->name, name_list_text(&list));
	}
}

MappingScope *
mapping_enter(MappingScope *scope, const Mapping *mapping)
{
	mapping_enter_all(scope, NIL);
	mapping_at(scope, mapping);
	return scope;
}

void
mapping_enter_all(MappingScope *scope, List *mappings)
{
	scope->mapping = NULL;
	scope->mappings = mappings;
	scope->callback.callback = describe_mapping;
	scope->callback.arg = scope;
	scope->callback.previous = error_context_stack;
	error_context_stack = &scope->callback;
}

MappingScope *
mapping_leave(MappingScope *scope)
{
	error_context_stack = scope->callback.previous;
	return NULL;
}
