/*
 * handover.c
 *		Rows that change hands between mappings of one table, each with a scope.
 *
 * Changes are found mapping by mapping; which of the rows outside a scope that a
 * mapping wants are let go by another one is known only when all are found.
 * Rows are known by table and tid: the mappings may have different keys.
 */
#include "target/handover.h"

#include "catalog/pg_type.h"
#include "target/found_changes.h"
#include "target/target.h"
#include "lib/stringinfo.h"
#include "tool/sql.h"
#include "target/typed_rows.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* ---------- columns ---------- */

/* Adds a column with what it becomes; once. */
static List *
add_taken(List *columns, const Mapping *mapping, char *name, char *value)
{
	TakenColumn *taken = palloc0(sizeof(TakenColumn));

	foreach_ptr(TakenColumn, other, columns)
		if (strcmp(other->column.target, name) == 0)
			return columns;
	taken->column.target = name;
	taken->column.attnum = get_attnum(mapping->target, name);
	get_atttypetypmodcoll(mapping->target, taken->column.attnum, &taken->column.type,
						  &taken->column.typmod, &taken->column.collation);
	taken->value = value;
	return lappend(columns, taken);
}

/* Whether another mapping is an entity type of the same table. */
static bool
is_sibling(const Mapping *mapping, const Mapping *other)
{
	return other != mapping && !other->association && other->target == mapping->target;
}

List *
taken_columns(const Mapping *mapping)
{
	const Connector *connector = mapping->connector;
	List	   *columns = NIL;

	if (mapping->options->scope == NULL)
		return NIL;
	if (mapping->options->constants != NULL)
		foreach_ptr(JsonMember, constant, json_members(&mapping->options->constants->root))
			columns = add_taken(columns, mapping, constant->name, constant_sql(mapping, constant->name));
	foreach_mapping(other, connector)
	{
		char	   *retired = other->association ? NULL : other->options->deleted_column;

		if (retired != NULL && other->target == mapping->target && mapped_column(mapping, retired) == NULL)
			columns = add_taken(columns, mapping, retired, "NULL");
	}
	return columns;
}

/* ---------- rows ---------- */

/* The keys of a mapping's stored changes of some kind, as "syncup_touched". */
static TypedRows *
touched_keys(const Mapping *mapping, const pg_uuid_t *batch, const char *where)
{
	TypedRows  *rows;

	changes_publish(mapping);
	rows = typed_rows_gather("syncup_touched",
							 own_cursor(psprintf("SELECT %s, command FROM %s WHERE batch = $1 AND (%s)",
												 key_as_typed(mapping), changes_relation(mapping), where),
										SQL_ARGS(SQL_UUID(batch))));
	changes_unpublish(mapping);
	return rows;
}

/* The rows that a mapping wants though they are outside its scope: table, tid and key. */
static TypedRows *
wanted_rows(const Mapping *mapping, const pg_uuid_t *batch, char *name)
{
	const char *key = mapping->columns[mapping->parts[0]].target;
	TypedRows  *keys = touched_keys(mapping, batch, psprintf("command = 'insert' AND old ? %s", quote_literal_cstr(key)));
	TypedRows  *rows = typed_rows_gather(name,
										 caller_cursor_planned(psprintf("SELECT t.tableoid AS relid, t.ctid AS place, %s FROM %s t JOIN syncup_touched s ON %s",
																		key_columns(mapping, "s"), mapping->target_name, same_key(mapping, "s")),
															   is_few(mapping, keys->count), SQL_NO_ARGS));

	typed_rows_forget(keys);
	return rows;
}

/*
 * Of wanted rows those that another mapping deletes, and nobody has taken yet,
 * and those that it has retired before and does not bring back, with its key.
 */
static TypedRows *
let_go_rows(const Mapping *other, const pg_uuid_t *batch, const TypedRows *wanted, char *name)
{
	char	   *retired = other->options->deleted_column;
	TypedRows  *keys = touched_keys(other, batch, psprintf("command = 'delete' AND changed IS NULL OR command = 'insert' AND %s", came_back_sql(other)));
	TypedRows  *rows;

	/* The scope sees the columns of the table and nothing else. */
	rows = typed_rows_gather(name,
							 caller_cursor_planned(psprintf("SELECT k.* FROM"
															" (SELECT r.tableoid AS relid, r.ctid AS place, %s, %s AS retired FROM %s r) k"
															" JOIN %s w ON w.relid OPERATOR(pg_catalog.=) k.relid AND w.place OPERATOR(pg_catalog.=) k.place"
															" LEFT JOIN syncup_touched s ON %s"
															" WHERE CASE WHEN s.command IS NULL THEN k.retired ELSE s.command OPERATOR(pg_catalog.=) 'delete' END",
															target_key_as_typed(other),
															retired == NULL ? "false" :
															psprintf("r.%s IS NOT NULL AND (%s\n) IS TRUE", quote_identifier(retired),
																	 other->options->scope ? other->options->scope : "true"),
															other->target_name, wanted->name, same_key_of(other, "k", "s")),
												   is_few(other, wanted->count), SQL_NO_ARGS));
	typed_rows_forget(keys);
	return rows;
}

/* Marks deletions as such of rows that another mapping takes. */
static void
mark_given(Mapping *other, const pg_uuid_t *batch, const TypedRows *given)
{
	changes_save(other);
	own_sql(psprintf("UPDATE %s c SET changed = '{}' WHERE batch = $1 AND command = 'delete' AND EXISTS"
					 " (SELECT FROM (SELECT %s) k, %s g WHERE %s)",
					 changes_table(other), key_as_typed(other), given->name, same_key_of(other, "k", "g")),
			SQL_ARGS(SQL_UUID(batch)));
}

/* Errors if a wanted row is in none of these relations. */
static void
check_settled(const Mapping *mapping, const char *let_go)
{
	if (caller_sql(psprintf("SELECT %s FROM %s w WHERE NOT EXISTS (SELECT FROM (%s) g"
							" WHERE g.relid OPERATOR(pg_catalog.=) w.relid AND g.place OPERATOR(pg_catalog.=) w.place) LIMIT 1",
							key_text_sql(mapping, "w"), mapping->state.taken->name, let_go), SQL_NO_ARGS) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("a key of the source belongs to a row of %s outside the scope of the mapping",
						mapping->target_name),
				 errdetail("Its key is \"%s\".", sql_text(0, 1)),
				 errdetail_log("Its key was sent to the client."),
				 errhint("The scope is (%s); a row outside it is changed only where another mapping of the connector deletes it with the same batch, and only one takes it.",
						 mapping->options->scope)));
}

/* Settles the rows that one mapping wants. */
static void
settle_mapping(Connector *connector, int number, const pg_uuid_t *batch)
{
	Mapping    *mapping = &connector->mappings[number];
	StringInfoData let_go;
	MappingScope scope;

	mapping_enter(&scope, mapping);
	mapping->state.taken = wanted_rows(mapping, batch, psprintf("syncup_wanted%d", number));
	initStringInfo(&let_go);
	appendStringInfo(&let_go, "SELECT relid, place FROM %s WHERE false", mapping->state.taken->name);
	for (int i = 0; i < connector->nmappings; i++)
	{
		Mapping    *other = &connector->mappings[i];
		TypedRows  *given;

		if (!is_sibling(mapping, other))
			continue;
		given = let_go_rows(other, batch, mapping->state.taken, psprintf("syncup_let_go%d_%d", number, i));
		mark_given(other, batch, given);
		other->state.given = lappend(other->state.given, given);
		appendStringInfo(&let_go, " UNION ALL SELECT relid, place FROM %s", given->name);
	}
	check_settled(mapping, let_go.data);
	if (!may_read_all(mapping))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("a row of %s changes hands, and not all of its columns can be read", mapping->target_name),
				 errhint("Grant SELECT on the table to whoever runs the connector.")));
	mapping_leave(&scope);
}

void
handover_settle(Connector *connector, const pg_uuid_t *batch)
{
	for (int i = 0; i < connector->nmappings; i++)
		if (!connector->mappings[i].association && connector->mappings[i].state.takes)
			settle_mapping(connector, i, batch);
}

void
handover_forget(Connector *connector)
{
	foreach_mapping(mapping, connector)
	{
		if (mapping->state.taken != NULL)
			typed_rows_forget(mapping->state.taken);
		foreach_ptr(TypedRows, given, mapping->state.given)
			typed_rows_forget(given);
		mapping->state.taken = NULL;
		mapping->state.given = NIL;
	}
}

/* ---------- asked when links are built ---------- */

char *
is_given(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "false");
	foreach_ptr(TypedRows, given, mapping->state.given)
		appendStringInfo(&sql, " OR EXISTS (SELECT FROM %s g WHERE %s)", given->name,
						 same_key(mapping, "g"));
	return sql.data;
}

char *
is_taken(const Mapping *mapping)
{
	return mapping->state.taken == NULL ? "false" :
		psprintf("EXISTS (SELECT FROM %s w WHERE %s)", mapping->state.taken->name, same_key(mapping, "w"));
}
