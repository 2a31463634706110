/*
 * changes.c
 *		What applying a batch does to a target: found, stored, counted.
 *
 * One query, run with the caller's rights, joins the typed source rows with
 * the target by key and gives the rows that differ; they are written to the
 * change table with what they replace.  All the set logic is in that query:
 *
 * - an insert of a row that is there becomes an update, an update of one that
 *   is not an insert, a delete of one that is not nothing;
 * - what would change nothing (equal_sql()) is no change;
 * - two source keys that are one value of the target's type (a uuid in upper
 *   and in lower case) are one row: deleting the one spelling and inserting
 *   the other is no deletion.
 */
#include "changes.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "change_store.h"
#include "handover.h"
#include "key.h"
#include "lib/stringinfo.h"
#include "links.h"
#include "miscadmin.h"
#include "plans.h"
#include "renames.h"
#include "sql.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "catalog/pg_operator.h"
#include "utils/typcache.h"

/* ---------- SQL about columns ---------- */

char *
target_column(const MappingColumn *column)
{
	return psprintf("t.%s", quote_identifier(column->target));
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

/* SQL: what the source says of a mapped column: where it leaves what is there, that. */
static char *
source_value(const Mapping *mapping, int number)
{
	const MappingColumn *column = &mapping->columns[number];
	char	   *value = psprintf("s.c%d", number + 1);

	return !may_keep(column) ? value :
		psprintf("CASE WHEN s.kept%d AND %s THEN %s ELSE %s END", column->first + 1,
				 target_has_key(mapping), target_column(column), value);
}

/*
 * SQL: whether a mapped column of source and target differs, and is to be written
 * then: of reviewed changes only what was reviewed.
 */
static char *
differs_sql(const Mapping *mapping, int number, bool reviewed)
{
	const MappingColumn *column = &mapping->columns[number];
	char	   *differs;

	if (!is_compared(column))
		return "false";
	differs = distinct_sql(column, source_value(mapping, number), target_column(column));
	return !reviewed ? differs :
		psprintf("(%s AND %s OPERATOR(pg_catalog.=) ANY (s.changed))", differs, quote_literal_cstr(column->target));
}

/* SQL: whether any mapped column of source and target differs. */
static char *
any_distinct(const Mapping *mapping, bool reviewed)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (is_compared(column) && column->key_part == 0)
			appendStringInfo(&sql, "%s%s", sql.len ? " OR " : "", differs_sql(mapping, i, reviewed));
	}
	return sql.len ? sql.data : "false";
}

/* ---------- rows found, written to the change table ---------- */

/* A target column that is not mapped: kept of deleted rows, for undo. */
typedef struct OtherColumn
{
	char	   *name;
	FmgrInfo	output;
} OtherColumn;

typedef struct ChangeSink
{
	const Mapping *mapping;
	pg_uuid_t	batch;
	ChangeStore *store;
	Converter  *converters;		/* for output, per mapping column */
	int			nmapped;
	int		   *mapped;			/* indexes of mapped columns */
	int			nothers;
	OtherColumn *others;
	List	   *taken;			/* of TakenColumn */
	bool		reviewed;		/* the source rows are changes that were reviewed */
	bool		renames;		/* they know former keys */
	bool		mapping_renames;	/* and one was that of a row */
	ChangeCounter *counter;
} ChangeSink;

/* The columns of a change table before the target's. */
enum
{
	CHANGE_BATCH, CHANGE_COMMAND, CHANGE_CHANGED, CHANGE_OLD, CHANGE_COLUMNS
};

/* Adds "name": "text" to an object. */
static void
add_old(JsonbParseState **state, const char *name, char *text)
{
	JsonbValue	key;
	JsonbValue	value;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &key);
	value.type = text ? jbvString : jbvNull;
	if (text)
	{
		value.val.string.val = text;
		value.val.string.len = strlen(text);
	}
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* The text of a value of the present row, NULL for null. */
static char *
value_text(FmgrInfo *output, uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);

	return isnull ? NULL : OutputFunctionCall(output, value);
}

/*
 * Columns of the query: has source, has target, deleted by the source; is the
 * target row outside the scope, and when was it retired (deleted_column); then
 * per mapped column the source's value, the target's, and whether they differ;
 * then the other columns of rows that go, or change hands.
 */
enum
{
	FOUND_SOURCE = 1, FOUND_TARGET, FOUND_DELETED, FOUND_OUTSIDE, FOUND_RETIRED, FOUND_VALUES
};

StaticAssertDecl(FOUND_VALUES == FOUND_COLUMNS + 1, "config_check_key() must know how many columns are found");

#define SOURCE_VALUE(n)		(FOUND_VALUES + 3 * (n))
#define TARGET_VALUE(n)		(FOUND_VALUES + 3 * (n) + 1)
#define IS_DISTINCT(n)		(FOUND_VALUES + 3 * (n) + 2)

/* What the present row does. */
typedef struct FoundChange
{
	const char *command;		/* insert, update or delete */
	bool		insert;
	bool		delete;
	bool		take;			/* an insert, of a row outside the scope */
	char	   *retired;		/* when the target row was, or NULL */
} FoundChange;

/* Tells what the present row does, and counts it. */
static void
judge(ChangeSink *sink, uint64 row, FoundChange *found)
{
	memset(found, 0, sizeof(FoundChange));
	found->retired = sql_text(row, FOUND_RETIRED);
	if (!sql_bool(row, FOUND_SOURCE) || sql_bool(row, FOUND_DELETED))
	{
		found->command = "delete";
		found->delete = true;
		sink->counter->deleted++;
		return;
	}
	/* Whether another mapping lets it go is seen when all changes are found. */
	if (sql_bool(row, FOUND_OUTSIDE))
	{
		found->command = "insert";
		found->insert = found->take = true;
		sink->counter->inserted++;
		sink->counter->taken++;
		return;
	}
	/* A retired row that comes back counts as inserted, as it counted as deleted. */
	if (!sql_bool(row, FOUND_TARGET) || found->retired != NULL)
	{
		found->command = "insert";
		found->insert = true;
		sink->counter->inserted++;
		return;
	}
	found->command = "update";
	sink->counter->updated++;
}

/* Writes one row found to the change table. */
static void
write_change(void *arg, uint64 row)
{
	ChangeSink *sink = arg;
	const Mapping *mapping = sink->mapping;
	FoundChange found;
	TupleTableSlot *slot = change_store_slot(sink->store);
	MemoryContext before = MemoryContextSwitchTo(change_store_memory(sink->store));
	JsonbParseState *old = NULL;
	Datum	   *changed = palloc(sizeof(Datum) * (sink->nmapped + list_length(sink->taken)));
	int			nchanged = 0;
	bool		fresh;
	ListCell   *cell;

	judge(sink, row, &found);
	fresh = found.insert && !found.take && found.retired == NULL;
	memset(slot->tts_isnull, true, slot->tts_tupleDescriptor->natts);
	slot->tts_values[CHANGE_BATCH] = UUIDPGetDatum(&sink->batch);
	slot->tts_isnull[CHANGE_BATCH] = false;
	slot->tts_values[CHANGE_COMMAND] = CStringGetTextDatum(found.command);
	slot->tts_isnull[CHANGE_COMMAND] = false;

	(void) pushJsonbValue(&old, WJB_BEGIN_OBJECT, NULL);
	for (int n = 0; n < sink->nmapped; n++)
	{
		const MappingColumn *column = &mapping->columns[sink->mapped[n]];
		Converter  *converter = &sink->converters[sink->mapped[n]];
		bool		is_key = column->key_part > 0;
		bool		differs = fresh ||
			(!found.delete && (!is_key || sink->renames) && sql_bool(row, IS_DISTINCT(n)));
		bool		isnull;
		Datum		value;

		sink->mapping_renames |= is_key && differs && !fresh;
		if (differs)
			changed[nchanged++] = DirectFunctionCall1(namein, CStringGetDatum(column->target));
		if (found.delete || found.take || (differs && !fresh))
			add_old(&old, column->target, value_text(&converter->output, row, TARGET_VALUE(n)));

		/* New values; of a row that goes, its key; what is not written is the target's own. */
		if (found.delete && !is_key)
			continue;
		value = sql_datum(row, ((is_key && !differs) || column->insert_only || (sink->reviewed && !differs)) && !fresh ? TARGET_VALUE(n) : SOURCE_VALUE(n),
						  &isnull);
		slot->tts_isnull[CHANGE_COLUMNS + n] = isnull;
		if (!isnull)
			slot->tts_values[CHANGE_COLUMNS + n] =
				datumCopy(value, get_typbyval(converter->type), get_typlen(converter->type));
	}
	if (found.delete || found.take)
		for (int n = 0; n < sink->nothers; n++)
			add_old(&old, sink->others[n].name,
					value_text(&sink->others[n].output, row, SOURCE_VALUE(sink->nmapped) + n));
	if (found.take)
		foreach(cell, sink->taken)
			changed[nchanged++] = DirectFunctionCall1(namein, CStringGetDatum(((TakenColumn *) lfirst(cell))->column.target));
	if (!found.delete)
	{
		slot->tts_values[CHANGE_CHANGED] =
			PointerGetDatum(construct_array(changed, nchanged, NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR));
		slot->tts_isnull[CHANGE_CHANGED] = false;
	}
	if (found.insert && !found.take && !fresh)
		add_old(&old, mapping->options->deleted_column, found.retired);
	if (!fresh)
	{
		slot->tts_values[CHANGE_OLD] =
			JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&old, WJB_END_OBJECT, NULL)));
		slot->tts_isnull[CHANGE_OLD] = false;
	}
	MemoryContextSwitchTo(before);
	change_store_put(sink->store);
}

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

	for (int i = 0; i < connector->nmappings; i++)
	{
		const Mapping *other = &connector->mappings[i];

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

/* Prepares to write changes of a mapping. */
static void
begin_sink(ChangeSink *sink, Mapping *mapping, const pg_uuid_t *batch,
		   ChangeCounter *counter)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	TupleDesc	tupdesc = RelationGetDescr(target);
	bool		all_readable = may_read_all(mapping);

	sink->mapping = mapping;
	sink->batch = *batch;
	sink->counter = counter;
	sink->converters = palloc0(sizeof(Converter) * mapping->ncolumns);
	sink->mapped = palloc(sizeof(int) * mapping->ncolumns);
	sink->nmapped = 0;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
		{
			converter_init(&sink->converters[i], mapping->columns[i].type,
						   mapping->columns[i].typmod, NULL);
			sink->mapped[sink->nmapped++] = i;
		}

	sink->nothers = 0;
	sink->others = palloc0(sizeof(OtherColumn) * tupdesc->natts);
	for (int i = 0; i < tupdesc->natts && all_readable; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		Oid			function;
		bool		varlena;

		if (!is_unmapped_column(mapping, attribute))
			continue;
		sink->others[sink->nothers].name = pstrdup(NameStr(attribute->attname));
		getTypeOutputInfo(attribute->atttypid, &function, &varlena);
		fmgr_info(function, &sink->others[sink->nothers].output);
		sink->nothers++;
	}
	table_close(target, NoLock);
	sink->taken = taken_columns(mapping);
	sink->store = change_store_open(mapping);
}

/* ---------- the query ---------- */

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

/* SQL: whether target row t has the key that the row of source row s had before. */
static char *
same_former_key(const Mapping *mapping)
{
	const MappingColumn *key = &mapping->columns[mapping->key];

	return equal_sql(key, target_column(key), psprintf("COALESCE(s.former, s.c%d)", mapping->key + 1));
}

/*
 * The query of a complete or an incremental batch; see the enum above.  target:
 * the rows of the target, as "t".
 */
static char *
changes_query(const ChangeSink *sink, const char *target, bool complete, bool keep_missing)
{
	const Mapping *mapping = sink->mapping;
	char	   *has_source = has_key(mapping, "s");
	char	   *has_target = target_has_key(mapping);
	char	   *is_ours = is_current(mapping);
	char	   *differs = psprintf("%s OR %s IS NOT NULL OR %s%s", is_outside(mapping), retired_at(mapping),
								   sink->renames ? "s.former IS NOT NULL OR " : "", any_distinct(mapping, sink->reviewed));
	char	   *same = sink->renames ? same_former_key(mapping) : same_key(mapping, "s");
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s, %s, s.deleted, %s, %s",
					 has_source, has_target, is_outside(mapping), retired_at(mapping));
	for (int n = 0; n < sink->nmapped; n++)
	{
		int			i = sink->mapped[n];

		appendStringInfo(&sql, ", %s, %s, %s", source_value(mapping, i), target_column(&mapping->columns[i]),
						 differs_sql(mapping, i, sink->reviewed));
	}
	for (int n = 0; n < sink->nothers; n++)
		appendStringInfo(&sql, ", CASE WHEN s.deleted IS NOT FALSE OR %s THEN t.%s END",
						 is_outside(mapping), quote_identifier(sink->others[n].name));

	if (complete)
		appendStringInfo(&sql, " FROM syncup_source s %s JOIN %s ON %s"
						 " WHERE CASE WHEN NOT (%s) THEN %s WHEN s.deleted IS NULL THEN false"
						 " WHEN NOT (%s) THEN true ELSE %s END",
						 keep_missing ? "LEFT" : "FULL", target, same,
						 has_source, is_ours, has_target, differs);
	else
		appendStringInfo(&sql, " FROM syncup_source s LEFT JOIN %s ON %s"
						 " WHERE CASE WHEN s.deleted THEN %s AND %s AND NOT EXISTS"
						 " (SELECT FROM syncup_source other WHERE NOT other.deleted AND %s)"
						 " WHEN NOT (%s) THEN true ELSE %s END",
						 target, same, has_target, is_ours,
						 same_key_of(mapping, "other", "s"), has_target, differs);
	return sql.data;
}

/*
 * Errors if two keys of the source are one value of the target's type: which
 * of the two rows is meant nobody can say.
 */
static void
check_keys_differ(const Mapping *mapping)
{
	if (is_key_bytewise(mapping))
		return;
	if (caller_sql(psprintf("SELECT %s FROM syncup_source s WHERE NOT deleted GROUP BY %s HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1 LIMIT 1",
							key_text_sql(mapping, "s"), key_columns(mapping, "s")), SQL_NO_ARGS) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNIQUE_VIOLATION),
				 errmsg("two stored keys of the source are the same value in column %s of %s",
						key_targets(mapping), mapping->target_name),
				 errdetail("Key: %s.", sql_text(0, 1)),
				 errdetail_log("The key was sent to the client."),
				 errhint("A version before 0.2 has stored them. Run a complete synchronization.")));
}

bool
is_few(const Mapping *mapping, int64 rows)
{
	const char **columns = palloc(sizeof(char *) * mapping->nparts);

	for (int p = 0; p < mapping->nparts; p++)
		columns[p] = mapping->columns[mapping->parts[p]].target;
	return plan_few(mapping->target, columns, mapping->nparts, rows);
}

int64
changes_count_target(const Mapping *mapping)
{
	if (mapping->association)
		return links_count(mapping);
	caller_sql(psprintf("SELECT pg_catalog.count(*) FROM %s WHERE %s",
						target_rows(mapping), is_current(mapping)), SQL_NO_ARGS);
	return sql_int8(0, 1);
}

bool
changes_target_has_rows(const Mapping *mapping)
{
	if (mapping->association)
		return mapping->pairs && links_count(mapping) > 0;
	return caller_sql(psprintf("SELECT FROM %s WHERE NOT %s LIMIT 1",
							   target_rows(mapping), is_outside(mapping)), SQL_NO_ARGS) > 0;
}

int64
changes_carried_count(const Mapping *mapping)
{
	List	   *siblings = link_siblings(mapping);
	Datum	   *names = palloc(sizeof(Datum) * list_length(siblings));
	int			n = 0;
	ListCell   *cell;

	/* What several associations fill counts for the first. */
	if (!is_first_sibling(mapping))
		return 0;
	foreach(cell, siblings)
		names[n++] = CStringGetTextDatum(((Mapping *) lfirst(cell))->name);
	if (own_sql("SELECT sum(c.stored_before + c.inserted - c.deleted"
				" - coalesce((SELECT sum(x.deleted) FROM syncup.batch_cascade x WHERE x.batch = c.batch AND x.mapping = c.mapping), 0))::bigint"
				" FROM syncup.batch b JOIN syncup.batch_counter c USING (batch)"
				" WHERE b.connector = $1 AND c.mapping = ANY ($2) AND b.status = 'applied' AND c.stored_before IS NOT NULL"
				" GROUP BY b.seq ORDER BY b.seq DESC LIMIT 1",
				SQL_ARGS(SQL_TEXT(mapping->connector->name),
						 SQL_DATUM(TEXTARRAYOID, PointerGetDatum(construct_array(names, n, TEXTOID, -1, false, TYPALIGN_INT))))) > 0)
		return sql_int8(0, 1);
	return changes_count_target(mapping);
}

void
changes_build(Mapping *mapping, const pg_uuid_t *batch, TypedRows *source,
			  TypedRows *target, bool complete, bool keep_missing, ChangeCounter *counter)
{
	ChangeSink	sink;
	int			level;

	memset(counter, 0, sizeof(ChangeCounter));
	check_keys_differ(mapping);
	own_sql(psprintf("DELETE FROM %s WHERE batch = $1", changes_table(mapping)),
			SQL_ARGS(SQL_UUID(batch)));
	begin_sink(&sink, mapping, batch, counter);
	sink.reviewed = source->reviewed;
	sink.renames = source->renames;
	sink.mapping_renames = false;
	level = settings_pin(NULL);
	sql_for_each(caller_cursor_planned(changes_query(&sink, target ? target_rows_read(mapping, target->name) : target_rows(mapping),
													 complete, keep_missing),
									   !complete && is_few(mapping, source->count), SQL_NO_ARGS),
				 write_change, &sink);
	settings_restore(level);
	change_store_close(sink.store);
	typed_rows_forget(source);
	mapping->takes = counter->taken > 0;
	mapping->renames = sink.mapping_renames;
}

void
count_stored_changes(const pg_uuid_t *batch, const Mapping *mapping)
{
	/* A link that moves counts as an update, an insert and a delete (SPEC 6.2). */
	own_sql(psprintf("UPDATE syncup.batch_counter SET (inserted, updated, deleted) ="
					 " (SELECT count(*) FILTER (WHERE command = 'insert' OR $3 AND command = 'update'),"
					 " count(*) FILTER (WHERE command = 'update'),"
					 " count(*) FILTER (WHERE command = 'delete' OR $3 AND command = 'update') FROM %s WHERE batch = $1)"
					 " WHERE batch = $1 AND mapping = $2", changes_table(mapping)),
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->name), SQL_BOOL(mapping->association && !mapping->pairs)));
}
