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
#include "synchronize/changes.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "target/found_changes.h"
#include "target/handover.h"
#include "config/key.h"
#include "lib/stringinfo.h"
#include "links/links.h"
#include "tool/sql.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* ---------- SQL about columns ---------- */

/* SQL: what the source says of a mapped column: where it leaves what is there, that; of a new row that is the default. */
static char *
source_value(const Mapping *mapping, int number)
{
	const MappingColumn *column = &mapping->columns[number];
	char	   *value = inserted_value(mapping, number);

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
	FoundChanges *store;
	Converter  *converters;		/* for output, per mapping column */
	int			nmapped;
	int		   *mapped;			/* indexes of mapped columns */
	int			nothers;
	OtherColumn *others;
	List	   *taken;			/* of TakenColumn */
	bool		reviewed;		/* the source rows are changes that were reviewed */
	bool		renames;		/* they know former keys */
	bool		mapping_renames;	/* and one was that of a row */
	bool		respelled;		/* a key goes in one spelling and comes in another */
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
typedef struct Judged
{
	const char *command;		/* insert, update or delete */
	bool		insert;
	bool		delete;
	bool		take;			/* an insert, of a row outside the scope */
	char	   *retired;		/* when the target row was, or NULL */
} Judged;

/* Tells what the present row does, and counts it. */
static void
judge(ChangeSink *sink, uint64 row, Judged *found)
{
	memset(found, 0, sizeof(Judged));
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
	Judged found;
	TupleTableSlot *slot = found_changes_slot(sink->store);
	MemoryContext before = MemoryContextSwitchTo(found_changes_memory(sink->store));
	JsonbParseState *old = NULL;
	Datum	   *changed = palloc(sizeof(Datum) * (sink->nmapped + list_length(sink->taken)));
	int			nchanged = 0;
	bool		fresh;

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
		foreach_ptr(TakenColumn, taken, sink->taken)
			changed[nchanged++] = DirectFunctionCall1(namein, CStringGetDatum(taken->column.target));
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
	found_changes_put(sink->store);
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
	sink->store = found_changes_begin(mapping);
}

/* ---------- the query ---------- */

/* SQL: whether target row t has the key that the row of source row s had before. */
static char *
same_former_key(const Mapping *mapping)
{
	const MappingColumn *key = &mapping->columns[mapping->key];

	return equal_sql(key, target_column(key), psprintf("COALESCE(s.former, s.c%d)", mapping->key + 1));
}

/*
 * SQL: joins to a deleted row s the row "other" that has its key in another spelling,
 * which is at most one (check_keys_differ).
 */
static char *
respelled_rows(const Mapping *mapping)
{
	return psprintf(" LEFT JOIN (SELECT * FROM syncup_source WHERE NOT deleted) other ON s.deleted AND %s",
					same_key_of(mapping, "other", "s"));
}

/* Whether there is one: counted, since for the first one the planner would try all pairs. */
static bool
is_any_respelled(const Mapping *mapping)
{
	if (is_key_bytewise(mapping))
		return false;
	caller_sql(psprintf("SELECT pg_catalog.count(*) FROM syncup_source s%s WHERE other.deleted IS NOT NULL",
						respelled_rows(mapping)), SQL_NO_ARGS);
	return sql_int8(0, 1) > 0;
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
		appendStringInfo(&sql, " FROM syncup_source s%s LEFT JOIN %s ON %s"
						 " WHERE CASE WHEN s.deleted THEN %s AND %s%s"
						 " WHEN NOT (%s) THEN true ELSE %s END",
						 sink->respelled ? respelled_rows(mapping) : "", target, same, has_target, is_ours,
						 sink->respelled ? " AND other.deleted IS NULL" : "",
						 has_target, differs);
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

	/* What several associations fill counts for the first. */
	if (!is_first_sibling(mapping))
		return 0;
	foreach_ptr(Mapping, sibling, siblings)
		names[n++] = CStringGetTextDatum(sibling->name);
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
	sink.respelled = !complete && is_any_respelled(mapping);
	sql_for_each(caller_cursor_planned(changes_query(&sink, target ? target_rows_read(mapping, target->name) : target_rows(mapping),
													 complete, keep_missing),
									   !complete && !sink.respelled && is_few(mapping, source->count), SQL_NO_ARGS),
				 write_change, &sink);
	settings_restore(level);
	found_changes_end(sink.store);
	typed_rows_forget(source);
	mapping->state.takes = counter->taken > 0;
	mapping->state.renames = sink.mapping_renames;
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
