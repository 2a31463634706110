/*
 * target.c
 *		SQL about targets: their columns, keys and rows, and how they are written.
 *
 * Targets are read and written by plain SQL with the caller's rights.  Everything
 * that such statements have in common is said here.
 */
#include "target/target.h"

#include "access/table.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "config/options.h"
#include "rewrite/rewriteHandler.h"
#include "tool/plans.h"
#include "target/renames.h"
#include "tool/sql.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/ruleutils.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* ---------- columns ---------- */

char *
target_column(const MappingColumn *column)
{
	return psprintf("t.%s", quote_identifier(column->target));
}

/* SQL: what a column of a row holds that is inserted without it; NULL: nothing. */
static char *
default_sql(const Mapping *mapping, const MappingColumn *column)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	Node	   *value = TupleDescAttr(RelationGetDescr(target), column->attnum - 1)->attidentity ? NULL :
		build_column_default(target, column->attnum);

	table_close(target, NoLock);
	return value == NULL ? NULL :
		psprintf("(%s)::%s", deparse_expression(value, NIL, false, false), column->target_type);
}

char *
inserted_value(const Mapping *mapping, int number)
{
	const MappingColumn *column = &mapping->columns[number];
	char	   *value = psprintf("s.c%d", number + 1);
	char	   *otherwise = may_keep(column) ? default_sql(mapping, column) : NULL;

	return otherwise == NULL ? value :
		psprintf("CASE WHEN s.kept%d AND %s IS NULL THEN %s ELSE %s END", column->first + 1, value, otherwise, value);
}

/* An operator as SQL names it whatever the search path. */
static char *
operator_sql(Oid operator)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID, ObjectIdGetDatum(operator));
	Form_pg_operator form;
	char	   *result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", operator);
	form = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("OPERATOR(%s.%s)", quote_identifier(get_namespace_name(form->oprnamespace)),
					  NameStr(form->oprname));
	ReleaseSysCache(tuple);
	return result;
}

/* SQL: the text of a value, byte by byte; char loses its blanks in a cast. */
static char *
text_sql(const MappingColumn *column, const char *value)
{
	return psprintf(getBaseType(column->type) == BPCHAROID ?
					"pg_catalog.textin(pg_catalog.bpcharout(%s)) COLLATE pg_catalog.\"C\"" :
					"(%s)::pg_catalog.text COLLATE pg_catalog.\"C\"", value);
}

char *
equal_sql(const MappingColumn *column, const char *a, const char *b)
{
	TypeCacheEntry *type = lookup_type_cache(column->type, TYPECACHE_EQ_OPR);

	/* A type without equality (json, point) is compared as text, too. */
	if (column->by_text || !OidIsValid(type->eq_opr))
		return psprintf("%s OPERATOR(pg_catalog.=) %s", text_sql(column, a), text_sql(column, b));
	return psprintf("%s %s %s", a, operator_sql(type->eq_opr), b);
}

char *
distinct_sql(const MappingColumn *column, const char *a, const char *b)
{
	return psprintf("NOT COALESCE(%s, %s IS NULL AND %s IS NULL)",
					equal_sql(column, a, b), a, b);
}

/* ---------- keys ---------- */

/* A column of typed rows under an alias. */
static char *
typed_column(const char *rows, int column)
{
	return psprintf("%s.c%d", rows, column + 1);
}

char *
same_key(const Mapping *mapping, const char *rows)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int p = 0; p < mapping->nparts; p++)
	{
		const MappingColumn *column = &mapping->columns[mapping->parts[p]];

		appendStringInfo(&sql, "%s%s", p ? " AND " : "",
						 equal_sql(column, target_column(column), typed_column(rows, mapping->parts[p])));
	}
	return sql.data;
}

char *
same_key_of(const Mapping *mapping, const char *a, const char *b)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int p = 0; p < mapping->nparts; p++)
		appendStringInfo(&sql, "%s%s", p ? " AND " : "",
						 equal_sql(&mapping->columns[mapping->parts[p]],
								   typed_column(a, mapping->parts[p]), typed_column(b, mapping->parts[p])));
	return sql.data;
}

char *
has_key(const Mapping *mapping, const char *rows)
{
	return psprintf("%s IS NOT NULL", typed_column(rows, mapping->parts[0]));
}

char *
target_has_key(const Mapping *mapping)
{
	return psprintf("%s IS NOT NULL", target_column(&mapping->columns[mapping->parts[0]]));
}

char *
key_columns(const Mapping *mapping, const char *rows)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int p = 0; p < mapping->nparts; p++)
		appendStringInfo(&sql, "%s%s", p ? ", " : "", typed_column(rows, mapping->parts[p]));
	return sql.data;
}

char *
key_text_sql(const Mapping *mapping, const char *rows)
{
	return is_key_made(mapping) ?
		psprintf("pg_catalog.concat(ROW(%s))", key_columns(mapping, rows)) :
		psprintf("%s::pg_catalog.text", key_columns(mapping, rows));
}

char *
key_as_typed(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int p = 0; p < mapping->nparts; p++)
		appendStringInfo(&sql, "%s%s AS c%d", p ? ", " : "",
						 quote_identifier(mapping->columns[mapping->parts[p]].change_column), mapping->parts[p] + 1);
	return sql.data;
}

char *
target_key_as_typed(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int p = 0; p < mapping->nparts; p++)
		appendStringInfo(&sql, "%sr.%s AS c%d", p ? ", " : "",
						 quote_identifier(mapping->columns[mapping->parts[p]].target), mapping->parts[p] + 1);
	return sql.data;
}

/* ---------- rows ---------- */

bool
may_read_all(const Mapping *mapping)
{
	return pg_class_aclcheck(mapping->target, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
}

/*
 * Whether a column of the target holds links of the connector: they have
 * changes of their own.
 */
static bool
holds_links(const Mapping *mapping, const char *column)
{
	const Connector *connector = mapping->connector;

	foreach_mapping(other, connector)
	{
		if (other->association && !other->pairs && other->target == mapping->target &&
			strcmp(other->ends[1 - other->holder].target, column) == 0)
			return true;
	}
	return false;
}

bool
is_unmapped_column(const Mapping *mapping, Form_pg_attribute attribute)
{
	if (attribute->attisdropped || attribute->attgenerated)
		return false;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL && mapping->columns[i].attnum == attribute->attnum)
			return false;
	return !holds_links(mapping, NameStr(attribute->attname));
}

/* "t"."name" of a column that target_rows() adds: no column of the target. */
static char *
added_column(const Mapping *mapping, const char *name)
{
	char	   *free_name = pstrdup(name);

	while (get_attnum(mapping->target, free_name) != InvalidAttrNumber)
		free_name = psprintf("%s_", free_name);
	return psprintf("t.%s", free_name);
}

char *
is_outside(const Mapping *mapping)
{
	return added_column(mapping, "syncup_outside");
}

char *
retired_at(const Mapping *mapping)
{
	return added_column(mapping, "syncup_retired");
}

char *
is_current(const Mapping *mapping)
{
	return psprintf("NOT %s AND %s IS NULL", is_outside(mapping), retired_at(mapping));
}

/*
 * The columns of the target to read, as r."column": all of them where the
 * caller may, otherwise those that the mapping needs, and one more.
 */
char *
readable_columns(const Mapping *mapping, const char *more)
{
	StringInfoData list;

	if (may_read_all(mapping))
		return "r.*";
	initStringInfo(&list);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
			appendStringInfo(&list, "%sr.%s", list.len ? ", " : "",
							 quote_identifier(mapping->columns[i].target));
	if (mapping->options->deleted_column != NULL)
		appendStringInfo(&list, ", r.%s", quote_identifier(mapping->options->deleted_column));
	if (more != NULL)
		appendStringInfo(&list, ", r.%s", quote_identifier(more));
	return list.data;
}

char *
target_rows(const Mapping *mapping)
{
	return target_rows_with(mapping, NULL);
}

/* The rows of a relation that has the target's columns. */
static char *
rows_of(const Mapping *mapping, const char *column, const char *relation)
{
	const Options *options = mapping->options;

	return psprintf("(SELECT %s, (%s\n) IS NOT TRUE AS %s, %s::pg_catalog.timestamptz AS %s FROM %s r) t",
					readable_columns(mapping, column), options->scope ? options->scope : "true",
					is_outside(mapping) + strlen("t."),
					options->deleted_column ?
					psprintf("r.%s", quote_identifier(options->deleted_column)) : "NULL",
					retired_at(mapping) + strlen("t."), renamed_relation(mapping->connector, mapping->target, relation));
}

char *
target_rows_with(const Mapping *mapping, const char *column)
{
	return rows_of(mapping, column, mapping->target_name);
}

bool
all_rows_alike(const Mapping *mapping)
{
	return mapping->options->scope == NULL && mapping->options->deleted_column == NULL;
}

char *
target_rows_read(const Mapping *mapping, const char *name)
{
	return all_rows_alike(mapping) ? rows_of(mapping, NULL, name) : psprintf("%s t", name);
}

bool
is_few(const Mapping *mapping, int64 rows)
{
	const char **columns = palloc(sizeof(char *) * mapping->nparts);

	for (int p = 0; p < mapping->nparts; p++)
		columns[p] = mapping->columns[mapping->parts[p]].target;
	return plan_few(mapping->target, columns, mapping->nparts, rows);
}

/* ---------- constants ---------- */

/*
 * A constant as a literal that reads the same whatever the session's settings:
 * converted as values of the file are, and written back.
 */
static char *
constant_literal(const Mapping *mapping, const char *column, const JsonbValue *value)
{
	char	   *text = json_scalar_text(value);
	AttrNumber	attnum = get_attnum(mapping->target, column);
	Converter	converter;
	int			level;
	bool		isnull;
	char	   *result;
	Oid			type;
	int32		typmod;
	Oid			collation;

	if (text == NULL)
		return "NULL";
	get_atttypetypmodcoll(mapping->target, attnum, &type, &typmod, &collation);
	level = settings_pin(mapping->options->timezone);
	converter_init(&converter, type, typmod, NULL);
	converter.refuses_words = false;
	result = convert_value(&converter, convert_text(&converter, text, &isnull));
	settings_restore(level);
	return quote_literal_cstr(result);
}

char *
constant_sql(const Mapping *mapping, const char *column)
{
	JsonbValue	buffer;
	JsonbValue *value = mapping->options->constants == NULL ? NULL :
		getKeyJsonValueFromContainer(&mapping->options->constants->root, column, strlen(column), &buffer);

	return value == NULL ? NULL : constant_literal(mapping, column, value);
}

void
add_constants(const Mapping *mapping, StringInfo columns, StringInfo values)
{
	if (mapping->options->constants == NULL)
		return;
	foreach_ptr(JsonMember, constant, json_members(&mapping->options->constants->root))
	{
		appendStringInfo(columns, ", %s", quote_identifier(constant->name));
		appendStringInfo(values, ", %s", constant_literal(mapping, constant->name, &constant->value));
	}
}

/* ---------- writing ---------- */

char *
is_action(ChangeAction action)
{
	return psprintf("s.action OPERATOR(pg_catalog.=) '%s'", action_name(action));
}

Writing *
writing_begin(void)
{
	AfterTriggerBeginQuery();
	return CreateExecutorState();
}

void
writing_end(Writing *writing)
{
	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	AfterTriggerEndQuery(writing);
	PopActiveSnapshot();
	ExecCloseResultRelations(writing);
	ExecResetTupleTable(writing->es_tupleTable, false);
	FreeExecutorState(writing);
}

void
write_rows(const Mapping *mapping, const char *sql, PlanKind kind, int64 expected)
{
	int64		written = caller_write(sql, kind);

	if (written != expected)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("%lld of %lld changes of %s could not be written",
						(long long) (expected - written), (long long) expected,
						mapping->target_name),
				 errdetail("The rows were changed by somebody else in the meantime, or are kept by a trigger or a row-level security policy.")));
}

void
write_statement(const Mapping *mapping, const char *sql, PlanKind kind, int64 expected)
{
	Writing    *writing = mapping->state.tied ? NULL : writing_begin();

	write_rows(mapping, sql, kind, expected);
	if (writing != NULL)
		writing_end(writing);
}
