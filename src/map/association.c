/*
 * association.c
 *		Mapping two columns of a file to links: syncup_map_association.
 *
 * As with entity types, what can be known when the mapping is made is checked
 * then: that both ends exist, that the target's columns have the types of what
 * they will store, and that whoever maps may write them, and read the keys
 * that will be written.
 */
#include "map/mapping.h"

#include "access/table.h"
#include "store/batch.h"
#include "catalog/pg_type.h"
#include "map/connector.h"
#include "map/describe.h"
#include "tool/lock.h"
#include "tool/nearest.h"
#include "tool/sql.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(syncup_map_association);

/* ---------- the two ends ---------- */

/* Reports a property that means nothing, saying what there is. */
static void
no_such_property(const Connector *connector, const char *property)
{
	uint64		count = own_sql("SELECT DISTINCT format('%s.%s', mapping, column_name) FROM syncup.mapping,"
								" unnest(array_append(unique_keys, key)) AS column_name WHERE connector = $1 AND kind = 'entity type'"
								" ORDER BY 1",
								SQL_ARGS(SQL_TEXT(connector->name)));
	NameList	list = {.wanted = property};

	for (uint64 i = 0; i < count; i++)
	{
		char	   *name = sql_text(i, 1);

		name_list_add(&list, name, NULL);
	}

	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_OBJECT),
			 errmsg("property \"%s\" does not exist", property),
			 count ? errhint("%sA property is entity_type.source_column, a key or unique key: %s; of another connector, connector.entity_type.source_column.",
							 did_you_mean(&list), name_list_text(&list)) :
			 errhint("A property is entity_type.source_column: map the entity type first with syncup_map_entity_type().")));
}

/* Whether the name is that of the entity type's key or of one of its unique keys. */
static bool
is_unique_key(const Mapping *entity, const char *column)
{
	return own_sql("SELECT FROM syncup.mapping WHERE connector = $1 AND mapping = $2"
				   " AND lower($3) IN (SELECT lower(k) FROM unnest(array_append(unique_keys, key)) AS k)",
				   SQL_ARGS(SQL_TEXT(entity->connector->name), SQL_TEXT(entity->name), SQL_TEXT(column))) > 0;
}

/* Of connector, entity type and column: "did you mean" another key of that entity type. */
static char *
nearest_unique_key(char **names)
{
	/* A key of several columns is none of them. */
	uint64		count = own_sql("SELECT unnest(m.unique_keys) FROM syncup.mapping m WHERE connector = $1 AND mapping = $2"
								" UNION ALL SELECT c.source FROM syncup.mapping m JOIN syncup.mapping_column c USING (connector, mapping)"
								" WHERE connector = $1 AND mapping = $2 AND c.source = m.key AND c.key_part = 1",
								SQL_ARGS(SQL_TEXT(names[0]), SQL_TEXT(names[1])));
	NameList	nearest = {.wanted = names[2]};

	for (uint64 i = 0; i < count; i++)
		name_list_add(&nearest, sql_text(i, 1), NULL);
	return did_you_mean(&nearest);
}

/* The column of the entity type: exactly, else ignoring case; or -1. */
static int
find_property(const Mapping *entity, const char *column)
{
	int			found = find_source_column(entity, column);

	return found >= 0 && !is_made_column(entity, found) && is_unique_key(entity, entity->columns[found].source) ? found : -1;
}

/*
 * Finds the end that a property names.  Names may hold dots themselves, so
 * every entity type is tried that the property may begin with; those of the
 * association's own connector first.
 */
static void
find_end(Connector *connector, AssociationEnd *end, const char *property)
{
	uint64		count = own_sql("SELECT m.connector, m.mapping, substr($2, length(p.prefix) + 1) FROM syncup.mapping m"
								" CROSS JOIN LATERAL (VALUES (1, m.mapping || '.'), (2, m.connector || '.' || m.mapping || '.')) AS p (form, prefix)"
								" WHERE m.kind = 'entity type' AND (m.connector = $1 OR p.form = 2) AND starts_with($2, p.prefix)"
								" ORDER BY p.form, length(p.prefix) DESC",
								SQL_ARGS(SQL_TEXT(connector->name), SQL_TEXT(property)));
	char	 ***names = palloc(sizeof(char **) * (count + 1));

	for (uint64 row = 0; row < count; row++)
	{
		names[row] = palloc(sizeof(char *) * 3);
		for (int i = 0; i < 3; i++)
			names[row][i] = sql_text(row, i + 1);
	}
	for (uint64 row = 0; row < count; row++)
	{
		bool		own = strcmp(names[row][0], connector->name) == 0;

		config_hold(names[row][0], names[row][1]);
		end->entity = config_find_mapping(own ? connector : config_load(names[row][0]), names[row][1]);
		end->property = find_property(end->entity, names[row][2]);
		if (end->property >= 0)
			return;
	}
	if (count > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("\"%s\" is neither the key nor a unique key of entity type \"%s\" of connector \"%s\"",
						names[0][2], names[0][1], names[0][0]),
				 errhint("%sName it in unique_keys of syncup_map_entity_type().",
						 nearest_unique_key(names[0]))));
	no_such_property(connector, property);
}

/* Sees what is stored of an end, and that the caller may read it. */
static void
check_stored(AssociationEnd *end, int side)
{
	Relation	target;
	MappingColumn *stored = &end->stored;

	config_check_target(end->entity);
	if (end->target != NULL && end->store == NULL && is_key_made(end->entity))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("links cannot store the key of entity type \"%s\", which has several columns", end->entity->name),
				 errhint("Give a column of its target that is unique and not null with the option \"store%d\".", side)));
	*stored = *key_of_end(end);
	target = table_open(end->entity->target, AccessShareLock);
	for (int p = 0; p < end->entity->nparts; p++)
		check_privilege(target, end->entity->columns[end->entity->parts[p]].attnum, ACL_SELECT,
						"read the keys that are linked");
	if (end->store != NULL)
	{
		Form_pg_attribute attribute = existing_column(end->entity, target, end->store,
													  psprintf("Option \"store%d\" names it.", side));

		if (!attribute->attnotnull || !is_unique_column(target, attribute->attnum))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
					 errmsg("column \"%s\" of table %s must be unique and not null to be stored in links",
							end->store, end->entity->target_name),
					 errdetail("Option \"store%d\" names it.", side)));
		check_privilege(target, attribute->attnum, ACL_SELECT, "read the column that links store");
		stored->target = end->store;
		stored->type = attribute->atttypid;
		stored->typmod = attribute->atttypmod;
		stored->collation = attribute->attcollation;
	}
	table_close(target, NoLock);
}

/* ---------- the target ---------- */

/* Looks at the column that will store an end. */
static Form_pg_attribute
check_target_column(Mapping *mapping, Relation target, AssociationEnd *end)
{
	Form_pg_attribute attribute = writable_column(mapping, target, end->target, NULL);

	if (attribute->atttypid != end->stored.type)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("column \"%s\" of %s has type %s, but would store column \"%s\" of %s, of type %s",
						end->target, mapping->target_name, config_type_text(attribute->atttypid, -1),
						end->stored.target, end->entity->target_name, config_type_text(end->stored.type, -1)),
				 errhint("Give both columns the same type.")));
	if (own_sql("SELECT connector, mapping FROM syncup.mapping m JOIN syncup.mapping_column c USING (connector, mapping)"
				" WHERE m.target = $1 AND c.target = $2::name LIMIT 1",
				SQL_ARGS(SQL_OID(mapping->target), SQL_TEXT(end->target))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("column \"%s\" of %s is written by entity type \"%s\" of connector \"%s\" already",
						end->target, mapping->target_name, sql_text(0, 2), sql_text(0, 1)),
				 errhint("Map the entity type again without that column.")));
	return attribute;
}

/*
 * Errors if another association writes the same links: but those of the connector
 * that fill the same link table together, and those of another scope.
 */
static void
check_only_association(const Mapping *mapping, const AssociationEnd *end)
{
	if (own_sql("SELECT a.connector, a.mapping FROM syncup.association a JOIN syncup.mapping m USING (connector, mapping)"
				" WHERE m.target = $1 AND NOT (connector = $2 AND mapping = $3) AND a.target_column = $4::name"
				" AND NOT coalesce(m.options ->> 'scope' <> $5, false)"
				" AND NOT (connector = $2 AND $6 AND m.options ->> 'scope' IS NOT DISTINCT FROM $5 AND"
				" (SELECT count(*) = 2 FROM syncup.association x WHERE x.connector = a.connector AND x.mapping = a.mapping AND x.target_column IS NOT NULL))"
				" ORDER BY m.connector, m.ordinal LIMIT 1",
				SQL_ARGS(SQL_OID(mapping->target), SQL_TEXT(mapping->connector->name),
						 SQL_TEXT(mapping->name), SQL_TEXT(end->target), SQL_TEXT(mapping->options->scope),
						 SQL_BOOL(mapping->pairs))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("column \"%s\" of %s is written by association \"%s\" of connector \"%s\" already",
						end->target, mapping->target_name, sql_text(0, 2), sql_text(0, 1)),
				 errhint("A column that holds a link has one association. Several of one connector fill a link table together, all with the same option \"scope\" or none; others need a scope each.")));
}

/* Whether the links of two associations are told apart by the same columns of the target. */
static bool
same_link_key(const Mapping *a, const Mapping *b)
{
	if (a->nparts != b->nparts)
		return false;
	for (int p = 2; p < a->nparts; p++)
	{
		bool		found = false;

		for (int q = 2; q < b->nparts; q++)
			found |= strcmp(a->columns[a->parts[p]].target, b->columns[b->parts[q]].target) == 0;
		if (!found)
			return false;
	}
	return true;
}

/*
 * Errors if an association that fills the same rows gives the columns the other way
 * round, or tells links apart otherwise.
 */
static void
check_siblings(const Mapping *mapping)
{
	foreach_ptr(const Mapping, other, link_siblings(mapping))
	{
		if (other != mapping && strcmp(other->name, mapping->name) != 0 &&
			(strcmp(other->ends[0].target, mapping->ends[0].target) != 0 ||
			 strcmp(other->ends[1].target, mapping->ends[1].target) != 0))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("associations \"%s\" and \"%s\" fill the same rows of %s by other columns",
							other->name, mapping->name, mapping->target_name),
					 errdetail("Association \"%s\" fills \"%s\" and \"%s\", in this order.",
							   other->name, other->ends[0].target, other->ends[1].target),
					 errhint("Give target_column1 and target_column2 in the same order, with the columns and properties of their sides.")));
		if (other != mapping && strcmp(other->name, mapping->name) != 0 && !same_link_key(mapping, other))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("associations \"%s\" and \"%s\" fill the same rows of %s, but tell links apart by other columns",
							other->name, mapping->name, mapping->target_name),
					 errhint("Option \"link_key\" of both must lead to the same columns of the table.")));
	}
}

/* Looks at a link table. */
static void
check_link_table(Mapping *mapping, Relation target)
{
	if (strcmp(mapping->ends[0].target, mapping->ends[1].target) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_COLUMN),
				 errmsg("target column \"%s\" is mapped twice", mapping->ends[0].target)));
	for (int i = 0; i < 2; i++)
	{
		AttrNumber	attnum = check_target_column(mapping, target, &mapping->ends[i])->attnum;

		check_privilege(target, attnum, ACL_SELECT, "read its mapped columns");
		check_privilege(target, attnum, ACL_INSERT, "insert into its mapped columns");
		check_only_association(mapping, &mapping->ends[i]);
	}
	check_privilege(target, InvalidAttrNumber, ACL_DELETE, "delete its rows");
	for (int i = 0; i < 2; i++)
		if (is_constant(mapping, mapping->ends[i].target))
			ereport(ERROR,
					(errcode(ERRCODE_DUPLICATE_COLUMN),
					 errmsg("target column \"%s\" is mapped twice", mapping->ends[i].target),
					 errdetail("It stores side %d of the links, and option \"constants\" names it.", i + 1)));
	take_columns_of_links(mapping, target);
	check_siblings(mapping);
	check_constants(mapping, target);
	check_scope(mapping, target);
	check_fillable(mapping, target);
}

/* Looks at the one column that will hold the links. */
static void
check_link_column(Mapping *mapping, Relation target)
{
	AssociationEnd *holder = &mapping->ends[mapping->holder];
	AssociationEnd *other = &mapping->ends[1 - mapping->holder];
	Form_pg_attribute attribute;

	if (holder->entity->target != mapping->target)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s is not the target of entity type \"%s\", whose rows would hold the links",
						mapping->target_name, holder->entity->name),
				 errdetail("Only target_column%d is given, so rows of side %d hold the key of side %d in it.",
						   2 - mapping->holder, mapping->holder + 1, 2 - mapping->holder),
				 errhint("Give both target columns for a link table, or the target of that entity type.")));
	attribute = check_target_column(mapping, target, other);
	if (attribute->attnotnull)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TABLE_DEFINITION),
				 errmsg("column \"%s\" of table %s does not take nulls", other->target, mapping->target_name),
				 errhint("A row that is linked to nothing holds null there: drop the column's NOT NULL.")));
	check_privilege(target, attribute->attnum, ACL_SELECT, "read its mapped columns");
	check_privilege(target, attribute->attnum, ACL_UPDATE, "update its mapped columns");
	check_only_association(mapping, other);
	if (mapping->options->scope != NULL || mapping->options->constants != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is of link tables", mapping->options->scope ? "scope" : "constants"),
				 errhint("Which rows of %s hold links is said by entity type \"%s\".",
						 mapping->target_name, holder->entity->name)));
	if (holder->store != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"store%d\" is of link tables, or of the other side", mapping->holder + 1),
				 errhint("Column \"%s\" of %s holds side %d alone: \"store%d\" says by which column.",
						 other->target, mapping->target_name, 2 - mapping->holder, 2 - mapping->holder)));
	if (mapping->options->columns != NULL || mapping->options->link_key != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is of link tables", mapping->options->columns ? "columns" : "link_key"),
				 errhint("Other columns of %s are mapped by entity type \"%s\".",
						 mapping->target_name, holder->entity->name)));
}

/* ---------- the whole ---------- */

/* A text argument of type name, NULL for null. */
static char *
name_argument(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(number)));
}

/* Reads and checks the arguments into an association that is not stored yet. */
static Mapping *
draft_association(FunctionCallInfo fcinfo, Connector *connector, const char *name, Relation target,
				  const Mapping *old)
{
	Mapping    *mapping = begin_mapping(connector, name, target, optional_text(fcinfo, 2),
										PG_ARGISNULL(10) ? NULL : PG_GETARG_JSONB_P(10), old, true);
	char	   *properties[] = {required_text(fcinfo, 4, "property1"), required_text(fcinfo, 6, "property2")};

	mapping->ncolumns = mapping->nstored = 2;
	mapping->columns = palloc0(sizeof(MappingColumn) * 2);
	mapping->columns[1].first = 1;
	mapping->columns[0].source = required_text(fcinfo, 3, "column1");
	mapping->columns[1].source = required_text(fcinfo, 5, "column2");
	mapping->ends[0].store = mapping->options->store1;
	mapping->ends[1].store = mapping->options->store2;
	mapping->ends[0].match = mapping->options->match[0];
	mapping->ends[1].match = mapping->options->match[1];
	for (int i = 0; i < 2; i++)
	{
		if (*mapping->columns[i].source == '\0')
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("a source column must have a name")));
		mapping->ends[i].target = name_argument(fcinfo, 8 + i);
		find_end(connector, &mapping->ends[i], properties[i]);
		check_stored(&mapping->ends[i], i + 1);
	}
	mapping->pairs = mapping->ends[0].target != NULL && mapping->ends[1].target != NULL;
	if (mapping->ends[0].target == NULL && mapping->ends[1].target == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("an association needs a target column"),
				 errhint("Give target_column1 and target_column2 for a link table, or the one column that will hold the other side's key.")));
	if (!mapping->pairs)
		mapping->holder = mapping->ends[0].target != NULL ? 1 : 0;
	mapping->key = mapping->holder == 1 ? 1 : 0;
	if (mapping->pairs)
		check_link_table(mapping, target);
	else
		check_link_column(mapping, target);
	(void) where_sources(mapping, old);
	name_stored_columns(mapping);
	return mapping;
}

/* Whether two associations link the same in the same way. */
static bool
same_links(const Mapping *a, const Mapping *b)
{
	if (a->target != b->target)
		return false;
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *x = &a->ends[i];
		const AssociationEnd *y = &b->ends[i];

		if (strcmp(a->columns[i].source, b->columns[i].source) != 0 ||
			strcmp(x->entity->connector->name, y->entity->connector->name) != 0 ||
			strcmp(x->entity->name, y->entity->name) != 0 || x->property != y->property ||
			!same_text(x->store, y->store) || !same_text(x->target, y->target))
			return false;
	}
	return strcmp(a->columns[a->key].source, b->columns[b->key].source) == 0;
}

/* Whether their values mean the same rows. */
static bool
same_matches(const Mapping *a, const Mapping *b)
{
	return a->ends[0].match == b->ends[0].match && a->ends[1].match == b->ends[1].match;
}

/* Brings an existing association in line with its new definition. */
static void
update_association(const Mapping *old, Mapping *new)
{
	bool		applied = has_previous(old);

	if (applied && !same_links(old, new))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("ends, target and key of links of association \"%s\" of connector \"%s\" cannot change",
						new->name, new->connector->name),
				 errhint("Its stored pairs mean the old ones: drop it with syncup_drop_mapping() and map it anew.")));
	/* What pairs were is not known any more. */
	if (applied && (!same_matches(old, new) || !same_text(old->options->scope, new->options->scope)))
		batch_ask_for_complete(new->connector->name);
	new->table_name = old->table_name;
	if (!applied)
	{
		drop_mapping_tables(old);
		forget_kept_changes(new->connector);
		own_sql("DELETE FROM syncup.orphan WHERE connector = $1 AND mapping = $2",
				SQL_ARGS(SQL_TEXT(new->connector->name), SQL_TEXT(new->name)));
		create_mapping_tables(new);
	}
	else
	{
		change_columns_of_links(old, new);
		if (same_text(old->options->where, new->options->where))
			return;
		forget_kept_changes(new->connector);
		batch_ask_for_complete(new->connector->name);
	}
}

/* Writes the association's two rows. */
static void
store_ends(const Mapping *mapping)
{
	own_sql("DELETE FROM syncup.association WHERE connector = $1 AND mapping = $2",
			SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)));
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &mapping->ends[i];

		own_sql("INSERT INTO syncup.association (connector, mapping, side, entity_connector, entity, property, store, target_column, change_column)"
				" VALUES ($1, $2, $3, $4, $5, $6, $7::name, $8::name, $9::name)",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name), SQL_INT4(i + 1),
						 SQL_TEXT(end->entity->connector->name), SQL_TEXT(end->entity->name),
						 SQL_TEXT(property_of_end(end)->source), SQL_TEXT(end->store),
						 SQL_TEXT(end->target), SQL_TEXT(end->change_column)));
	}
}

/*
 * syncup_map_association(connector text, association text, file text,
 * column1 text, property1 text, column2 text, property2 text, target regclass,
 * target_column1 name, target_column2 name, options jsonb) (SPEC 2.1).
 */
Datum
syncup_map_association(PG_FUNCTION_ARGS)
{
	char	   *connector_name = required_text(fcinfo, 0, "connector");
	char	   *name = required_text(fcinfo, 1, "association");
	Connector  *connector;
	Mapping    *mapping;
	Mapping    *old;
	Relation	target;

	required_argument(fcinfo, 7, "target");
	check_name("mapping", name);

	SPI_connect();
	lock_connector(connector_name);
	connector = config_load(connector_name);
	target = table_open(PG_GETARG_OID(7), AccessShareLock);
	old = existing_mapping(connector, name);
	if (old != NULL && !old->association)
		ereport(ERROR,
				(errcode(ERRCODE_DUPLICATE_OBJECT),
				 errmsg("mapping \"%s\" of connector \"%s\" is an entity type", name, connector_name)));
	mapping = draft_association(fcinfo, connector, name, target, old);
	if (old == NULL)
	{
		check_can_add(connector_name, name);
		create_mapping_tables(mapping);
	}
	else
	{
		check_no_batch_waits(connector_name, name);
		update_association(old, mapping);
	}
	store_mapping(mapping, construct_empty_array(TEXTOID));
	store_ends(mapping);
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &mapping->ends[i];

		index_properties(end->entity);
		index_folded(mapping, i, end);
	}
	say_what_is_mapped(mapping, target);
	table_close(target, NoLock);
	SPI_finish();
	PG_RETURN_VOID();
}
