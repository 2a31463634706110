/*
 * constraints.c
 *		What the targets' constraints do by themselves when a batch is written:
 *		ON DELETE CASCADE, SET NULL and SET DEFAULT, counted before it happens.
 *
 * Rows are known by table and tid.  From those that the batch deletes, level by
 * level, the rows that refer to them by a cascading foreign key; rows that the
 * batch deletes itself, or whose reference it changes, do not count: the foreign
 * keys act once the whole batch is written (apply.c).  A batch that deletes
 * nothing from a table that is so referred to pays one look at pg_constraint.
 */
#include "synchronize/constraints.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "target/found_changes.h"
#include "synchronize/flags.h"
#include "target/handover.h"
#include "links/end_key.h"
#include "lib/stringinfo.h"
#include "links/links.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "tool/sql.h"
#include "target/typed_rows.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

/* A foreign key that acts when the row goes that it refers to. */
typedef struct Reference
{
	char	   *name;			/* of the constraint */
	char	   *child;			/* table that refers, qualified and quoted */
	char	   *parent;
	bool		cascades;		/* false: sets null, or a default */
	char	   *columns;		/* of the child, as a literal of name[] */
	ArrayType  *names;			/* the same */
	char	   *same;			/* SQL: c refers to p */
	Oid			child_tree;		/* the tables, or what they are partitions of */
	Oid			parent_tree;
	Oid			child_oid;
	Oid			parent_oid;
	bool		owner_reads;	/* both tables, every row of them */
} Reference;

typedef struct References
{
	int			count;
	Reference  *items;
	bool		as_caller;		/* read by the caller, else by the owner */
} References;

/* The tables of a partition tree that rows of table x may be seen in. */
#define FAMILY(x) \
	"(SELECT " x " UNION SELECT relid FROM pg_catalog.pg_partition_tree(" x ")" \
	" UNION SELECT relid FROM pg_catalog.pg_partition_ancestors(" x "))"

/* Whether the current user reads every row of tables $1 and $2. */
#define READS_ALL \
	"(SELECT pg_catalog.bool_and(pg_catalog.has_table_privilege(c.oid, 'SELECT')" \
	" AND pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AND NOT pg_catalog.row_security_active(c.oid))" \
	" FROM pg_catalog.pg_class c WHERE c.oid IN ($1, $2))"

/*
 * Whether they belong to the current user or a superuser: indexes and checks of
 * a table are code of its owner, which planning a query may run.
 */
#define IS_TRUSTED \
	"(SELECT pg_catalog.bool_and(r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) CURRENT_USER)" \
	" FROM pg_catalog.pg_class c JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) c.relowner WHERE c.oid IN ($1, $2))"

/* Finds the foreign keys through which rows of these tables take others along. */
static References *
find_references(ArrayType *tables)
{
	References *references = palloc0(sizeof(References));

	references->count = own_sql("WITH RECURSIVE acting AS ("
								" SELECT c.oid, c.conrelid, c.confdeltype FROM pg_catalog.pg_constraint c"
								" JOIN (SELECT f.relid FROM unnest($1) AS t (relid) CROSS JOIN LATERAL " FAMILY("t.relid") " AS f (relid)) AS t ON c.confrelid = t.relid"
								" WHERE c.contype = 'f' AND c.conparentid = 0 AND c.confdeltype IN ('c', 'n', 'd')"
								" UNION"
								" SELECT c.oid, c.conrelid, c.confdeltype FROM acting a"
								" CROSS JOIN LATERAL " FAMILY("a.conrelid") " AS f (relid)"
								" JOIN pg_catalog.pg_constraint c ON c.confrelid = f.relid"
								" WHERE a.confdeltype = 'c' AND c.contype = 'f' AND c.conparentid = 0 AND c.confdeltype IN ('c', 'n', 'd'))"
								" SELECT format('%I.%I', cn.nspname, ct.relname), format('%I.%I', pn.nspname, pt.relname), c.confdeltype = 'c',"
								" k.columns::text, k.same,"
								" ct.oid, pt.oid, coalesce(pg_partition_root(ct.oid), ct.oid)::oid, coalesce(pg_partition_root(pt.oid), pt.oid)::oid, k.columns, c.conname"
								" FROM acting a JOIN pg_catalog.pg_constraint c ON c.oid = a.oid"
								" JOIN pg_catalog.pg_class ct ON ct.oid = c.conrelid JOIN pg_catalog.pg_namespace cn ON cn.oid = ct.relnamespace"
								" JOIN pg_catalog.pg_class pt ON pt.oid = c.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = pt.relnamespace"
								" CROSS JOIN LATERAL (SELECT array_agg(ca.attname) AS columns,"
								" string_agg(format('p.%I OPERATOR(%I.%s) c.%I', pa.attname, opn.nspname, o.oprname, ca.attname), ' AND ') AS same"
								" FROM unnest(c.conkey, c.confkey, c.conpfeqop) AS u (child, parent, operator)"
								" JOIN pg_catalog.pg_attribute ca ON ca.attrelid = c.conrelid AND ca.attnum = u.child"
								" JOIN pg_catalog.pg_attribute pa ON pa.attrelid = c.confrelid AND pa.attnum = u.parent"
								" JOIN pg_catalog.pg_operator o ON o.oid = u.operator JOIN pg_catalog.pg_namespace opn ON opn.oid = o.oprnamespace) AS k"
								" ORDER BY c.oid",
								SQL_ARGS(SQL_DATUM(OIDARRAYOID, PointerGetDatum(tables))));
	references->items = palloc0(sizeof(Reference) * (references->count + 1));
	for (int i = 0; i < references->count; i++)
	{
		Reference  *reference = &references->items[i];
		bool		isnull;

		reference->name = sql_text(i, 11);
		reference->child = sql_text(i, 1);
		reference->names = DatumGetArrayTypePCopy(sql_datum(i, 10, &isnull));
		reference->parent = sql_text(i, 2);
		reference->cascades = sql_bool(i, 3);
		reference->columns = sql_text(i, 4);
		reference->same = sql_text(i, 5);
		reference->child_oid = sql_oid(i, 6);
		reference->parent_oid = sql_oid(i, 7);
		reference->child_tree = sql_oid(i, 8);
		reference->parent_tree = sql_oid(i, 9);
	}
	references->as_caller = true;
	for (int i = 0; i < references->count; i++)
	{
		Reference  *reference = &references->items[i];
		const SqlArg tables_read[] = {SQL_OID(reference->child_oid), SQL_OID(reference->parent_oid)};

		references->as_caller &= caller_sql(psprintf("SELECT %s", READS_ALL), 2, tables_read) > 0 && sql_bool(0, 1);
		reference->owner_reads = own_sql(psprintf("SELECT %s AND %s", READS_ALL, IS_TRUSTED), 2, tables_read) > 0 && sql_bool(0, 1);
	}
	return references;
}

/* Whether rows of the mapping's target go, or refer to such. */
static bool
takes_part(const References *references, const Mapping *mapping)
{
	Oid			tree = !get_rel_relispartition(mapping->target) ? mapping->target :
		llast_oid(get_partition_ancestors(mapping->target));

	for (int i = 0; i < references->count; i++)
		if (references->items[i].child_tree == tree || references->items[i].parent_tree == tree)
			return true;
	return false;
}

/* Says that what happens to the rows of a table could not be counted. */
static void
record_unreadable(const pg_uuid_t *batch, const Reference *reference)
{
	own_sql("INSERT INTO syncup.batch_cascade (batch, relation, kind) SELECT $1, $2, 'entity type'"
			" WHERE NOT EXISTS (SELECT FROM syncup.batch_cascade WHERE batch = $1 AND relation = $2)",
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(reference->child)));
	ereport(NOTICE,
			(errmsg("what the constraints of %s do to its rows cannot be counted", reference->child),
			 errdetail("Its foreign key refers to rows that may go, and neither the current user may read both tables whole, nor do they belong to the owner of the extension or a superuser.")));
}

/* Whether the caller may tell which rows of the targets the batch writes. */
static bool
may_read_targets(const References *references, const Connector *connector)
{
	foreach_mapping(mapping, connector)
		if (takes_part(references, mapping) && !may_read_all(mapping))
			return false;
	return true;
}

/* Leaves the references out that nobody may read, and says so. */
static void
drop_unreadable(References *references, const Connector *connector, const pg_uuid_t *batch)
{
	bool		readable = may_read_targets(references, connector);
	int			count = 0;

	for (int i = 0; i < references->count; i++)
	{
		Reference  *reference = &references->items[i];

		if (readable && (references->as_caller || reference->owner_reads))
			references->items[count++] = *reference;
		else
			record_unreadable(batch, reference);
	}
	references->count = count;
}

/* ---------- sets of rows ---------- */

/* Begins a set of rows of tables: "relid", "place", and what more. */
static TypedRows *
begin_rows(const char *name, const char *more, Oid type)
{
	TypedRows  *rows = typed_rows_begin(name, 3);

	typed_rows_column(rows, "relid", OIDOID, -1, InvalidOid);
	typed_rows_column(rows, "place", TIDOID, -1, InvalidOid);
	typed_rows_column(rows, more, type, -1, InvalidOid);
	return rows;
}

/* Puts the row at hand into a set. */
static void
add_row(void *arg, uint64 row)
{
	TypedRows  *rows = arg;

	tuplestore_puttuple(rows->store, SPI_tuptable->vals[row]);
	rows->count++;
}

/* Puts the rows of a query into a set that is not published at the time. */
static void
add_query(TypedRows *rows, const char *query, bool as_caller)
{
	sql_for_each(as_caller ? caller_cursor(query, SQL_NO_ARGS) : own_cursor(query, SQL_NO_ARGS),
				 add_row, rows);
}

/* Adds the rows of one set to another. */
static void
add_rows(TypedRows *rows, TypedRows *more)
{
	TupleTableSlot *slot = MakeSingleTupleTableSlot(more->tupdesc, &TTSOpsMinimalTuple);

	tuplestore_rescan(more->store);
	while (tuplestore_gettupleslot(more->store, true, false, slot))
		tuplestore_puttupleslot(rows->store, slot);
	tuplestore_rescan(more->store);
	ExecDropSingleTupleTableSlot(slot);
	rows->count += more->count;
}

/* ---------- what the batch does itself ---------- */

/* The stored changes of a mapping that meet a row, as "syncup_touched". */
static TypedRows *
touched_rows(const Mapping *mapping, const pg_uuid_t *batch, bool back)
{
	TypedRows  *rows;
	const AssociationEnd *ends = mapping->ends;
	char	   *columns = mapping->pairs ?
		psprintf("%s AS v1, %s AS v2%s", quote_identifier(ends[0].change_column), quote_identifier(ends[1].change_column),
				 changed_link_columns(mapping)) :
		mapping->association ?
		psprintf("%s AS key", end_key_of_text_sql(&ends[mapping->holder], psprintf("key%d", mapping->holder + 1))) :
		key_as_typed(mapping);

	/* A row that changes hands, or comes back, stays. */
	char	   *goes = psprintf("(command = $2%s)", mapping->association ? "" :
								 back ? psprintf(" AND NOT %s", came_back_sql(mapping)) : " AND changed IS NULL");

	changes_publish(mapping);
	rows = typed_rows_gather("syncup_touched",
							 own_cursor(psprintf("SELECT %s AS goes, changed, %s FROM %s WHERE batch = $1%s", goes, columns,
												 changes_relation(mapping),
												 mapping->association ? "" :
												 psprintf(" AND (command = 'update' OR %s OR command = 'insert' AND %s)", goes, came_back_sql(mapping))),
										SQL_ARGS(SQL_UUID(batch), SQL_TEXT(back ? "insert" : "delete"))));
	changes_unpublish(mapping);
	return rows;
}

/* Adds the rows of a target that meet certain changes to a set, with what more. */
static void
add_places(const Mapping *mapping, TypedRows *rows, const char *more, const char *same, const char *where)
{
	add_query(rows, psprintf("SELECT t.tableoid, t.ctid, %s FROM %s t JOIN syncup_touched s ON %s WHERE %s",
							 more, mapping->target_name, same, where), true);
}

/* Adds the rows that a mapping's changes delete, and those whose columns they write. */
static void
add_own(Mapping *mapping, const pg_uuid_t *batch, bool back, TypedRows *gone, TypedRows *moved)
{
	TypedRows  *touched = touched_rows(mapping, batch, back);

	if (mapping->pairs)
		add_places(mapping, gone, "true", links_same_sql(mapping, "s.v1", "s.v2"), "s.goes");
	else if (mapping->association)
	{
		const AssociationEnd *holder = &mapping->ends[mapping->holder];
		char	   *column = psprintf("ARRAY[%s]::pg_catalog.name[]",
									  quote_literal_cstr(mapping->ends[1 - mapping->holder].target));

		add_places(mapping, moved, column,
				   has_end_key_sql(holder, "t", "s.key"), "true");
	}
	else
	{
		char	   *same = same_key(mapping, "s");

		if (mapping->options->deleted_column == NULL)
			add_places(mapping, gone, "true", same, "s.goes");
		add_places(mapping, moved, "s.changed", same, "NOT s.goes");
	}
	typed_rows_forget(touched);
}

/* ---------- what constraints do ---------- */

/*
 * SQL: rows that refer to those of a set by foreign keys of a kind: table, tid
 * and whether they are kept; NULL if there is no such key.
 */
static char *
referring_sql(const References *references, bool cascades, const char *set)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < references->count; i++)
	{
		const Reference *reference = &references->items[i];

		if (reference->cascades == cascades)
			appendStringInfo(&sql, "%sSELECT c.tableoid, c.ctid FROM %s c JOIN %s p ON %s"
							 " JOIN %s g ON g.relid OPERATOR(pg_catalog.=) p.tableoid AND g.place OPERATOR(pg_catalog.=) p.ctid"
							 " WHERE NOT EXISTS (SELECT FROM syncup_moved m WHERE m.relid OPERATOR(pg_catalog.=) c.tableoid"
							 " AND m.place OPERATOR(pg_catalog.=) c.ctid AND m.columns OPERATOR(pg_catalog.&&) %s::pg_catalog.name[])",
							 sql.len ? " UNION " : "", reference->child, reference->parent, reference->same,
							 set, quote_literal_cstr(reference->columns));
	}
	return sql.len ? psprintf("SELECT x.*, %s FROM (%s EXCEPT SELECT relid, place FROM syncup_gone) x",
							  cascades ? "false" : "true", sql.data) : NULL;
}

/* Adds to the rows that go, level by level, those that go with them. */
static void
add_cascades(const References *references, TypedRows *gone, TypedRows *taken)
{
	char	   *sql = referring_sql(references, true, "syncup_going");
	TypedRows  *going = begin_rows("syncup_going", "own", BOOLOID);

	add_rows(going, gone);
	while (sql != NULL && going->count > 0)
	{
		TypedRows  *next = begin_rows("syncup_going", "own", BOOLOID);

		CHECK_FOR_INTERRUPTS();
		typed_rows_publish(gone);
		typed_rows_publish(going);
		add_query(next, sql, references->as_caller);
		sql_forget_rows(gone->name);
		typed_rows_forget(going);
		add_rows(gone, next);
		add_rows(taken, next);
		going = next;
	}
	tuplestore_end(going->store);
}

/* Adds the rows that stay and lose what they refer to. */
static void
add_nulled(const References *references, TypedRows *gone, TypedRows *taken)
{
	char	   *sql = referring_sql(references, false, "syncup_gone");

	if (sql == NULL)
		return;
	typed_rows_publish(gone);
	add_query(taken, sql, references->as_caller);
	sql_forget_rows(gone->name);
}

/* ---------- what comes to refer to a row that goes ---------- */

/* SQL: the default of a column of an inserted row; NULL where it has none that is always the same. */
static char *
default_sql(const Mapping *mapping, const char *column)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	AttrNumber	attnum = get_attnum(mapping->target, column);
	Node	   *value = TupleDescAttr(RelationGetDescr(target), attnum - 1)->attgenerated ? NULL :
		build_column_default(target, attnum);
	char	   *sql = "NULL";

	if (value != NULL && !contain_volatile_functions(value))
		sql = TextDatumGetCString(DirectFunctionCall2(pg_get_expr, CStringGetTextDatum(nodeToString(value)),
													  ObjectIdGetDatum(mapping->target)));
	table_close(target, NoLock);
	return sql;
}

/* SQL: what change s writes to an inserted row in a column that is not mapped. */
static char *
unmapped_sql(const Mapping *mapping, const TypedRows *changes, const char *column)
{
	char	   *constant = constant_sql(mapping, column);

	for (int n = 0; n < changes->nothers; n++)
		if (strcmp(changes->others[n], column) == 0)
			return psprintf("s.x%d", n + 1);
	return constant != NULL ? constant : default_sql(mapping, column);
}

/* SQL: what change s writes to a row that changes hands in a column that is not mapped. */
static char *
taken_sql(const Mapping *mapping, const char *column, bool back)
{
	foreach_ptr(const TakenColumn, taken, taken_columns(mapping))
	{
		if (strcmp(taken->column.target, column) == 0)
			return back ? psprintf("s.k%d", foreach_current_index(taken) + 1) : taken->value;
	}
	return psprintf("t.%s", quote_identifier(column));
}

/*
 * SQL: the keys of rows that a mapping's changes bring under a row that goes, by
 * one foreign key: whatever fills its columns, but triggers and generated ones.
 */
static char *
arriving_sql(const Mapping *mapping, const TypedRows *changes, const Reference *reference, bool back)
{
	StringInfoData columns;
	StringInfoData written;
	Datum	   *names;
	int			count;

	initStringInfo(&columns);
	initStringInfo(&written);
	deconstruct_array(reference->names, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names, NULL, &count);
	for (int n = 0; n < count; n++)
	{
		const char *name = NameStr(*DatumGetName(names[n]));
		const MappingColumn *column = mapped_column(mapping, name);

		if (column == NULL)
			appendStringInfo(&columns, "%sCASE WHEN %s THEN %s WHEN %s THEN %s ELSE t.%s END", n > 0 ? ", " : "",
							 is_action(ACTION_INSERT), unmapped_sql(mapping, changes, name),
							 is_action(ACTION_TAKE), taken_sql(mapping, name, back), quote_identifier(name));
		else
		{
			int			i = column - mapping->columns;

			appendStringInfo(&columns, "%sCASE WHEN s.h%d OR %s THEN s.c%d ELSE t.%s END", n > 0 ? ", " : "",
							 i + 1, is_action(ACTION_INSERT), i + 1, quote_identifier(name));
			appendStringInfo(&written, " OR s.h%d", i + 1);
		}
		appendStringInfo(&columns, " AS %s", quote_identifier(name));
	}
	return psprintf("SELECT %s FROM syncup_change s LEFT JOIN %s t ON %s"
					" CROSS JOIN LATERAL (SELECT %s) c JOIN %s p ON %s"
					" JOIN syncup_gone g ON g.relid OPERATOR(pg_catalog.=) p.tableoid AND g.place OPERATOR(pg_catalog.=) p.ctid"
					" WHERE %s OR %s OR ((%s OR %s) AND (false%s)) LIMIT 1",
					key_text_sql(mapping, "s"), mapping->target_name, same_key(mapping, "s"),
					columns.data, reference->parent, reference->same,
					is_action(ACTION_INSERT), is_action(ACTION_TAKE), is_action(ACTION_UPDATE), is_action(ACTION_REVIVE), written.data);
}

/*
 * Errors if the batch writes a row that a foreign key would take away again, or
 * empty: previous would have what the target has not.  Without ON DELETE the
 * foreign key would refuse the row as well.
 */
static void
check_arriving(const References *references, Mapping *mapping, const pg_uuid_t *batch, bool back)
{
	Oid			tree = !get_rel_relispartition(mapping->target) ? mapping->target :
		llast_oid(get_partition_ancestors(mapping->target));
	TypedRows  *changes = NULL;

	for (int i = 0; i < references->count; i++)
	{
		const Reference *reference = &references->items[i];
		char	   *sql;

		if (reference->child_tree != tree)
			continue;
		if (changes == NULL)
			changes = typed_changes(mapping, batch, back);
		sql = arriving_sql(mapping, changes, reference, back);
		if (changes->count > 0 &&
			(references->as_caller ? caller_sql(sql, SQL_NO_ARGS) : own_sql(sql, SQL_NO_ARGS)) > 0)
			ereport(ERROR,
					(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
					 errmsg("a row that the batch writes to %s refers to a row of %s that goes with the same batch",
							mapping->target_name, reference->parent),
					 errdetail("Its key is \"%s\"; its foreign key \"%s\" says ON DELETE %s.", sql_text(0, 1),
							   reference->name, reference->cascades ? "CASCADE" : "SET NULL or SET DEFAULT"),
					 errdetail_log("Its key was sent to the client."),
					 errhint("The sources contradict one another: either the row that goes stays, or the other one refers to another row.")));
	}
	if (changes != NULL)
		typed_rows_forget(changes);
}

/* ---------- counted ---------- */

/* Records how many of the rows taken along are rows of a mapping. */
static void
record_mapping(const Mapping *mapping, const pg_uuid_t *batch)
{
	const char *scope = mapping->options->scope;
	int64		deleted;
	int64		updated;

	caller_sql(psprintf("SELECT pg_catalog.count(*) FILTER (WHERE NOT nulled), pg_catalog.count(*) FILTER (WHERE nulled)"
						" FROM syncup_taken WHERE (relid, place) OPERATOR(pg_catalog.=) ANY"
						" (SELECT r.tableoid, r.ctid FROM %s r WHERE (%s\n))",
						mapping->target_name, scope ? scope : "true"), SQL_NO_ARGS);
	deleted = sql_int8(0, 1);
	updated = sql_int8(0, 2);
	/* A link that loses an end is none any more. */
	if (mapping->association)
	{
		deleted += updated;
		updated = 0;
	}
	own_sql("UPDATE syncup.batch_counter SET cascaded = $3 WHERE batch = $1 AND mapping = $2",
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->name), SQL_INT8(deleted + updated)));
	if (deleted + updated > 0)
		own_sql("INSERT INTO syncup.batch_cascade (batch, relation, mapping, kind, deleted, updated) VALUES ($1, $2, $3, $4, $5, $6)",
				SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->target_name), SQL_TEXT(mapping->name),
						 SQL_TEXT(mapping->association ? "association" : "entity type"),
						 SQL_INT8(deleted), SQL_INT8(updated)));
}

/* Records what happens to each mapping's rows, and to those of other tables. */
static void
record(const Connector *connector, const References *references, const pg_uuid_t *batch)
{
	foreach_mapping(mapping, connector)
	{
		if (takes_part(references, mapping) && (!mapping->association || (mapping->pairs && is_first_sibling(mapping))))
			record_mapping(mapping, batch);
	}
	own_sql("INSERT INTO syncup.batch_cascade (batch, relation, kind, deleted, updated)"
			" SELECT $1, t.relation, 'entity type', t.deleted - coalesce(m.deleted, 0), t.updated - coalesce(m.updated, 0)"
			" FROM (SELECT format('%I.%I', n.nspname, c.relname) AS relation,"
			" count(*) FILTER (WHERE NOT x.nulled) AS deleted, count(*) FILTER (WHERE x.nulled) AS updated"
			" FROM syncup_taken x JOIN pg_catalog.pg_class c ON c.oid = coalesce(pg_catalog.pg_partition_root(x.relid), x.relid)"
			" JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace GROUP BY 1) AS t"
			" LEFT JOIN (SELECT relation, sum(CASE kind WHEN 'association' THEN 0 ELSE deleted END) AS deleted, sum(updated) AS updated,"
			" sum(deleted) FILTER (WHERE kind = 'association') AS links"
			" FROM syncup.batch_cascade WHERE batch = $1 AND mapping IS NOT NULL GROUP BY relation) AS m USING (relation)"
			" WHERE m.links IS NULL AND t.deleted + t.updated > coalesce(m.deleted + m.updated, 0)",
			SQL_ARGS(SQL_UUID(batch)));
}

/* The tables that a batch deletes rows of. */
static ArrayType *
tables_losing_rows(const Connector *connector, const pg_uuid_t *batch, bool back)
{
	Datum	   *tables = palloc(sizeof(Datum) * (connector->nmappings + 1));
	int			count = 0;

	foreach_mapping(mapping, connector)
	{
		if ((mapping->association ? mapping->pairs : mapping->options->deleted_column == NULL) &&
			own_sql("SELECT FROM syncup.batch_counter WHERE batch = $1 AND mapping = $2 AND CASE WHEN $3 THEN inserted ELSE deleted END > 0",
					SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->name), SQL_BOOL(back))) > 0)
			tables[count++] = ObjectIdGetDatum(mapping->target);
	}
	return count == 0 ? NULL : construct_array(tables, count, OIDOID, sizeof(Oid), true, TYPALIGN_INT);
}

void
constraints_count(Connector *connector, const pg_uuid_t *changes, bool back, const pg_uuid_t *batch)
{
	ArrayType  *tables = tables_losing_rows(connector, changes, back);
	References *references;
	TypedRows  *gone;
	TypedRows  *moved;
	TypedRows  *taken;

	own_sql("DELETE FROM syncup.batch_cascade WHERE batch = $1", SQL_ARGS(SQL_UUID(batch)));
	own_sql("UPDATE syncup.batch_counter SET cascaded = 0 WHERE batch = $1", SQL_ARGS(SQL_UUID(batch)));
	if (tables == NULL)
		return;
	references = find_references(tables);
	drop_unreadable(references, connector, batch);
	if (references->count == 0)
		return;

	gone = begin_rows("syncup_gone", "own", BOOLOID);
	moved = begin_rows("syncup_moved", "columns", NAMEARRAYOID);
	taken = begin_rows("syncup_taken", "nulled", BOOLOID);
	foreach_mapping(mapping, connector)
		within_mapping(mapping)
			if (takes_part(references, mapping))
				add_own(mapping, changes, back, gone, moved);
	typed_rows_publish(moved);
	add_cascades(references, gone, taken);
	add_nulled(references, gone, taken);
	typed_rows_forget(moved);
	typed_rows_publish(gone);
	foreach_mapping(mapping, connector)
		within_mapping(mapping)
			if (!mapping->association)
				check_arriving(references, mapping, changes, back);
	typed_rows_forget(gone);
	typed_rows_publish(taken);
	if (taken->count > 0)
	{
		record(connector, references, batch);
		flags_write_taken(connector, batch, references->as_caller);
	}
	typed_rows_forget(taken);
}

/* The tables that rows of the entity types of connector $1 may be seen in. */
#define ENTITY_FAMILY \
	"WITH family AS (SELECT m.target::oid AS target, f.relid FROM syncup.mapping m" \
	" CROSS JOIN LATERAL " FAMILY("m.target") " AS f (relid) WHERE m.connector = $1 AND m.kind = 'entity type')"

bool
constraints_tie(Connector *connector)
{
	uint64		count = own_sql(ENTITY_FAMILY " SELECT DISTINCT tied.target FROM pg_catalog.pg_constraint c JOIN family child ON child.relid = c.conrelid"
								" JOIN family parent ON parent.relid = c.confrelid"
								" CROSS JOIN LATERAL (VALUES (child.target), (parent.target)) AS tied (target) WHERE c.contype = 'f'",
								SQL_ARGS(SQL_TEXT(connector->name)));

	foreach_mapping(mapping, connector)
	{
		mapping->state.tied = false;
		for (uint64 row = 0; row < count; row++)
			mapping->state.tied |= !mapping->association && mapping->target == sql_oid(row, 1);
	}
	return count > 0;
}

/* Whether rows of the mapping's target go with rows of the connector's targets that they refer to. */
static bool
is_cascaded(const Connector *connector, const Mapping *mapping)
{
	return own_sql(ENTITY_FAMILY " SELECT FROM pg_catalog.pg_constraint c WHERE c.contype = 'f' AND c.confdeltype = 'c'"
				   " AND c.conrelid IN " FAMILY("$2") " AND c.confrelid IN (SELECT f.relid FROM family f) LIMIT 1",
				   SQL_ARGS(SQL_TEXT(connector->name), SQL_OID(mapping->target))) > 0;
}

void
constraints_check_inserted(Connector *connector, const pg_uuid_t *batch, bool back)
{
	if (tables_losing_rows(connector, batch, back) == NULL)
		return;
	foreach_mapping(mapping, connector)
		within_mapping(mapping)
		{
			TypedRows  *changes;

			if (mapping->association || !is_cascaded(connector, mapping))
				continue;
			changes = typed_changes(mapping, batch, back);
			if (changes->actions[ACTION_INSERT] > 0 &&
				caller_sql_planned(psprintf("SELECT %s FROM syncup_change s WHERE %s AND NOT EXISTS (SELECT FROM %s t WHERE %s) LIMIT 1",
											key_text_sql(mapping, "s"), is_action(ACTION_INSERT), mapping->target_name,
											same_key(mapping, "s")),
								   is_few(mapping, changes->count), SQL_NO_ARGS) > 0)
				ereport(ERROR,
						(errcode(ERRCODE_FOREIGN_KEY_VIOLATION),
						 errmsg("a row that the batch inserted into %s is gone again", mapping->target_name),
						 errdetail("Its key is \"%s\". A foreign key that says ON DELETE CASCADE takes it along with a row that goes with the same batch, or a trigger deletes it.",
								   sql_text(0, 1)),
						 errdetail_log("Its key was sent to the client."),
						 errhint("The sources contradict one another, or a trigger or generated column makes it refer to a row that goes.")));
			typed_rows_forget(changes);
		}
}

char *
constraints_taken(const pg_uuid_t *batch)
{
	own_sql("SELECT syncup.what_cascades($1)", SQL_ARGS(SQL_UUID(batch)));
	return sql_text(0, 1);
}
