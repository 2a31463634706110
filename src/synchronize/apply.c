/*
 * apply.c
 *		Writing changes to a target, with the caller's rights.
 *
 * Targets are written by plain SQL, so that their triggers, constraints, row
 * security and partitions hold.  Each statement also says what the row must
 * still be like; if a row was changed by somebody else in the meantime fewer
 * rows are written than there are changes, and the batch fails rather than
 * overwrite or lose anything.
 */
#include "synchronize/apply.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "synchronize/constraints.h"
#include "tool/crash_point.h"
#include "tool/guard.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "target/failure.h"
#include "target/handover.h"
#include "lib/stringinfo.h"
#include "links/links.h"
#include "config/options.h"
#include "synchronize/passing.h"
#include "config/progress.h"
#include "target/renames.h"
#include "tool/sql.h"
#include "storage/itemptr.h"
#include "utils/array.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The stored changes of a mapping, ready to be written. */
typedef struct Application
{
	const Mapping *mapping;
	TypedRows  *changes;
	bool		back;			/* what takes them back instead */
	bool		together;		/* updates are written with those of the target's other mappings */
} Application;

/*
 * SQL: whether every column that a change writes has its new value already, or
 * its old one (or_was) still.
 */
static char *
as_written(const Mapping *mapping, bool or_was)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "true");
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->target != NULL && column->key_part == 0)
			appendStringInfo(&sql, " AND NOT (s.h%d AND %s AND %s)", i + 1,
							 or_was ? distinct_sql(column, target_column(column), psprintf("s.o%d", i + 1)) : "true",
							 distinct_sql(column, target_column(column), psprintf("s.c%d", i + 1)));
	}
	return sql.data;
}

#define as_it_was(m)		as_written((m), true)
#define as_it_becomes(m)	as_written((m), false)

/*
 * SQL: whether what is written of a row only when it changes hands still has its
 * old value.
 */
static char *
as_it_was_taken(const TypedRows *changes)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "true");
	foreach_ptr(const TakenColumn, taken, changes->taken)
	{
		const MappingColumn *column = &taken->column;

		appendStringInfo(&sql, " AND NOT (%s)",
						 distinct_sql(column, target_column(column), psprintf("s.k%d", foreach_current_index(taken) + 1)));
	}
	return sql.data;
}

/* Whether a rule computes a column of the target: what stands there is nobody's work. */
static bool
is_computed(const Mapping *mapping, const char *column)
{
	return own_sql("SELECT FROM syncup.rule_definition WHERE kind = 'expression' AND definition ->> 'property' = $2"
				   " AND relation IN (SELECT $1 UNION SELECT relid FROM pg_partition_ancestors($1))",
				   SQL_ARGS(SQL_DATUM(REGCLASSOID, ObjectIdGetDatum(mapping->target)), SQL_TEXT(column))) > 0;
}

/* SQL: whether nobody has written what is not mapped of a row that was inserted, as far as it was remembered. */
static char *
is_untouched(const Mapping *mapping, const TypedRows *changes)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "true");
	for (int n = 0; n < changes->nothers; n++)
	{
		MappingColumn column = {.target = changes->others[n]};

		if (is_computed(mapping, column.target))
			continue;
		column.type = get_atttype(mapping->target, get_attnum(mapping->target, column.target));
		appendStringInfo(&sql, " AND NOT (s.remembered AND %s)",
						 distinct_sql(&column, target_column(&column), psprintf("s.x%d", n + 1)));
	}
	return sql.data;
}

/* Errors if a row that was written has left the mapping's own scope. */
static void
check_written_scope(const Mapping *mapping, const TypedRows *rows, const char *where)
{
	if (mapping->options->scope == NULL)
		return;
	if (caller_sql_planned(psprintf("SELECT FROM %s s JOIN %s ON %s WHERE %s AND %s LIMIT 1",
									rows->name, target_rows(mapping),
									same_key(mapping, "s"), where, is_outside(mapping)),
						   is_few(mapping, rows->count), SQL_NO_ARGS) > 0)
		refuse_outside_scope(mapping);
}

/* SQL: whether something of change s is parked. */
static char *
is_parked_sql(void)
{
	return psprintf("s.number OPERATOR(pg_catalog.>) %lld", (long long) PLACE_MASK);
}

/* Makes the unique columns null of those rows that could not give them up otherwise. */
static void
park_rows(const Application *application, const Passing *passing)
{
	const Mapping *mapping = application->mapping;
	char	   *is_parked = is_parked_sql();
	StringInfoData set;

	if (passing->parked == 0)
		return;
	initStringInfo(&set);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (passing->parks[i] != 0)
			appendStringInfo(&set, "%s%s = CASE WHEN NOT s.h%d OR (s.number OPERATOR(pg_catalog.&) %lld) OPERATOR(pg_catalog.=) 0 THEN t.%s END",
							 set.len ? ", " : "", quote_identifier(mapping->columns[i].target), i + 1,
							 (long long) passing->parks[i], quote_identifier(mapping->columns[i].target));
	write_statement(mapping,
					psprintf("UPDATE %s t SET %s FROM syncup_change s WHERE %s AND %s AND %s",
							 mapping->target_name, set.data, is_parked, same_key(mapping, "s"), as_it_was(mapping)),
					is_few(mapping, application->changes->count), passing->parked);
}

/* Writes updates in an order in which unique values can pass from row to row. */
static void
update_in_order(const Application *application, const Passing *passing, const char *set)
{
	const Mapping *mapping = application->mapping;
	char	   *is_parked = is_parked_sql();

	park_rows(application, passing);
	write_statement(mapping,
					psprintf("UPDATE %s t SET %s FROM (SELECT t.tableoid AS found_relid, t.ctid AS found_place, s.*"
							 " FROM syncup_change s JOIN %s t ON %s WHERE %s AND (%s OR %s)"
							 " ORDER BY s.number OPERATOR(pg_catalog.&) %lld) s"
							 " WHERE t.ctid OPERATOR(pg_catalog.=) s.found_place AND t.tableoid OPERATOR(pg_catalog.=) s.found_relid",
							 mapping->target_name, set, mapping->target_name, same_key(mapping, "s"),
							 is_action(ACTION_UPDATE), is_parked, as_it_was(mapping), (long long) PLACE_MASK),
					PLAN_IN_ORDER, application->changes->actions[ACTION_UPDATE]);
}

/* Writes the columns that changes of an action change. */
static void
update_rows(Application *application, ChangeAction action)
{
	const Mapping *mapping = application->mapping;
	const char *retired = mapping->options->deleted_column;
	StringInfoData set;
	StringInfoData where;
	Passing    *passing;

	if (application->changes->actions[action] == 0)
		return;
	initStringInfo(&set);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		/* What no change writes is not named: triggers on columns, identities. */
		if (column->target != NULL && column->key_part == 0 && application->changes->written[i])
			appendStringInfo(&set, "%s%s = CASE WHEN s.h%d THEN s.c%d ELSE t.%s END",
							 set.len ? ", " : "", quote_identifier(column->target),
							 i + 1, i + 1, quote_identifier(column->target));
	}
	initStringInfo(&where);
	appendStringInfo(&where, "%s AND %s AND %s", is_action(action), same_key(mapping, "s"), as_it_was(mapping));
	if (action == ACTION_TAKE)
	{
		foreach_ptr(const TakenColumn, taken, application->changes->taken)
		{
			appendStringInfo(&set, "%s%s = %s", set.len ? ", " : "", quote_identifier(taken->column.target),
							 application->back ? psprintf("s.k%d", foreach_current_index(taken) + 1) : taken->value);
		}
		if (!application->back)
			appendStringInfo(&where, " AND %s", as_it_was_taken(application->changes));
	}
	else if (action != ACTION_UPDATE)
	{
		appendStringInfo(&set, "%s%s = %s", set.len ? ", " : "", quote_identifier(retired),
						 action == ACTION_REVIVE ? "NULL" : "COALESCE(s.retired, pg_catalog.now())");
		appendStringInfo(&where, " AND t.%s IS %s", quote_identifier(retired),
						 action == ACTION_REVIVE ? "NOT NULL" : "NULL");
	}
	/* Of rows that only get another key nothing is left to write. */
	if (set.len == 0)
		return;
	passing = action == ACTION_UPDATE ? passing_order(mapping, application->changes) : NULL;
	if (passing != NULL)
		update_in_order(application, passing, set.data);
	else
		write_statement(mapping,
						psprintf("UPDATE %s t SET %s FROM syncup_change s WHERE %s",
								 mapping->target_name, set.data, where.data),
						is_few(mapping, application->changes->count), application->changes->actions[action]);
	/* What goes back to another mapping leaves the scope. */
	if (action != ACTION_TAKE || !application->back)
		check_written_scope(mapping, application->changes, is_action(action));
}

/* Writes what stays and changes. */
static void
apply_updates(Application *application)
{
	update_rows(application, ACTION_UPDATE);
	update_rows(application, ACTION_TAKE);
}

/* Writes what goes. */
static void
apply_deletes(Application *application)
{
	const Mapping *mapping = application->mapping;

	if (mapping->association)
	{
		links_delete(mapping, application->changes, application->back);
		return;
	}
	if (application->changes->actions[ACTION_DELETE] > 0)
		write_statement(mapping,
						psprintf("DELETE FROM %s t USING syncup_change s WHERE %s AND %s AND %s AND %s",
								 mapping->target_name, is_action(ACTION_DELETE), same_key(mapping, "s"),
								 as_it_was(mapping), application->back ? is_untouched(mapping, application->changes) : "true"),
						is_few(mapping, application->changes->count), application->changes->actions[ACTION_DELETE]);
	update_rows(application, ACTION_RETIRE);
	if (application->back && !application->together)
		apply_updates(application);
}

/* "col", ... of the target, and the values for them: as they were judged, or of the source. */
static void
insert_lists(const Mapping *mapping, bool judged, StringInfo columns, StringInfo values)
{
	initStringInfo(columns);
	initStringInfo(values);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
		{
			appendStringInfo(columns, "%s%s", columns->len ? ", " : "",
							 quote_identifier(mapping->columns[i].target));
			appendStringInfo(values, "%s%s", values->len ? ", " : "",
							 judged ? psprintf("s.c%d", i + 1) : inserted_value(mapping, i));
		}
}

/* Whether a mapped column numbers itself unless it is told not to. */
static bool
has_identity(const Mapping *mapping, const TypedRows *rows)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	bool		found = false;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL &&
			TupleDescAttr(RelationGetDescr(target), mapping->columns[i].attnum - 1)->attidentity)
			found = true;
	for (int n = 0; n < rows->nothers; n++)
		if (TupleDescAttr(RelationGetDescr(target),
						  get_attnum(mapping->target, rows->others[n]) - 1)->attidentity)
			found = true;
	table_close(target, NoLock);
	return found;
}

/*
 * The statement that inserts typed rows, of changes that were judged or of the source, in some order.  Rows that come back
 * bring the columns that are not mapped along; new ones get the constants.
 */
static char *
insert_sql(const Mapping *mapping, const TypedRows *rows, bool judged, const char *where, const char *order)
{
	StringInfoData columns;
	StringInfoData values;

	insert_lists(mapping, judged, &columns, &values);
	for (int n = 0; n < rows->nothers; n++)
	{
		appendStringInfo(&columns, ", %s", quote_identifier(rows->others[n]));
		appendStringInfo(&values, ", s.x%d", n + 1);
	}
	if (rows->nothers == 0)
		add_constants(mapping, &columns, &values);
	return psprintf("INSERT INTO %s (%s)%s SELECT %s FROM %s s WHERE %s%s",
					mapping->target_name, columns.data,
					has_identity(mapping, rows) ? " OVERRIDING SYSTEM VALUE" : "",
					values.data, rows->name, where, order);
}

/* Writes what changes and what comes. */
static void
apply_writes(Application *application)
{
	const Mapping *mapping = application->mapping;

	if (mapping->association)
	{
		links_write(mapping, application->changes, application->back);
		return;
	}
	if (!application->back && !application->together)
		apply_updates(application);
	update_rows(application, ACTION_REVIVE);
	if (application->changes->actions[ACTION_INSERT] == 0)
		return;
	write_statement(mapping,
					insert_sql(mapping, application->changes, true, is_action(ACTION_INSERT),
							   psprintf(" ORDER BY %s", key_columns(mapping, "s"))),
					false, application->changes->actions[ACTION_INSERT]);
	check_written_scope(mapping, application->changes, is_action(ACTION_INSERT));
}

/* Writes one step of the changes of one mapping. */
static void
apply_step(Mapping *mapping, const pg_uuid_t *batch, bool back, bool together, void (*step) (Application *))
{
	MappingScope scope;
	Application application = {mapping, NULL, back, together};
	Writing    *writing;

	mapping_enter(&scope, mapping);
	progress_phase(PROGRESS_SYNCHRONIZE, PHASE_APPLYING, mapping);
	application.changes = mapping->association ? links_changes(mapping, batch, back) :
		typed_changes(mapping, batch, back);
	CRASH_POINT("applying changes");
	writing = mapping->association ? writing_begin() : NULL;
	step(&application);
	if (writing != NULL)
		writing_end(writing);
	CRASH_POINT("changes applied");
	typed_rows_forget(application.changes);
	mapping_leave(&scope);
}

/* The mappings of entity types that fill one target, each its scope. */
static List *
mappings_of_target(Connector *connector, Oid target)
{
	List	   *found = NIL;

	foreach_mapping(mapping, connector)
		if (!mapping->association && mapping->target == target)
			found = lappend(found, mapping);
	return found;
}

/* Updates of several mappings of a target, in some order. */
typedef struct UpdatesTogether
{
	List	   *mappings;
	const pg_uuid_t *batch;
	bool		back;
	bool		reverse;
} UpdatesTogether;

static void
write_updates(void *arg)
{
	UpdatesTogether *updates = arg;
	int			n = list_length(updates->mappings);

	/* What is published for statements goes with the connection if they fail. */
	SPI_connect();
	for (int i = 0; i < n; i++)
		apply_step(list_nth(updates->mappings, updates->reverse ? n - 1 - i : i), updates->batch, updates->back, true, apply_updates);
	SPI_finish();
}

/*
 * Writes the updates of all mappings of a target.  Where a unique value passes from
 * a row of one to a row of another, the one that gives it up comes first, whichever
 * was mapped first.
 */
static void
update_together(List *mappings, const pg_uuid_t *batch, bool back)
{
	UpdatesTogether updates = {mappings, batch, back, back};
	ErrorData  *error = guarded(write_updates, &updates);

	if (error != NULL && error->sqlerrcode != ERRCODE_UNIQUE_VIOLATION)
		ReThrowError(error);
	updates.reverse = !back;
	if (error != NULL)
		write_updates(&updates);
}

/* Writes one step of all mappings of a kind, in the order they were made or in reverse. */
static void
apply_steps(Connector *connector, const pg_uuid_t *batch, bool back, bool associations,
			bool reverse, void (*step) (Application *))
{
	for (int i = 0; i < connector->nmappings; i++)
	{
		Mapping    *mapping = &connector->mappings[reverse ? connector->nmappings - 1 - i : i];
		List	   *mates = associations ? NIL : mappings_of_target(connector, mapping->target);
		bool		together = list_length(mates) > 1;

		if (mapping->association != associations)
			continue;
		/* Updates come after what goes, and before what comes. */
		if (together && step == apply_writes && !back && mapping == linitial(mates))
			update_together(mates, batch, back);
		apply_step(mapping, batch, back, together, step);
		if (together && step == apply_deletes && back && mapping == linitial(mates))
			update_together(mates, batch, back);
	}
}

void
apply_changes(Connector *connector, const pg_uuid_t *batch, bool back)
{
	bool		together = constraints_tie(connector);
	bool		renames = renames_are_there(connector, batch);
	Writing    *writing = NULL;

	/*
	 * Rows of dependent tables are deleted first and inserted last.  Updates
	 * come between, so that what takes a batch back goes in the reverse order,
	 * and unique values are free when they are needed, as they were then.
	 * Targets that refer to one another are written as one statement; of the
	 * others each statement stands alone, also while those are being written.
	 * Keys change before everything else.
	 */
	if (renames && together)
		writing = writing_begin();
	if (renames && !back)
		renames_apply(connector, batch, false);
	apply_steps(connector, batch, back, true, true, apply_deletes);
	if (together && writing == NULL)
		writing = writing_begin();
	apply_steps(connector, batch, back, false, true, apply_deletes);
	apply_steps(connector, batch, back, false, false, apply_writes);
	if (writing != NULL && !(renames && back))
	{
		writing_end(writing);
		writing = NULL;
		constraints_check_inserted(connector, batch, back);
	}
	apply_steps(connector, batch, back, true, false, apply_writes);
	if (renames && back)
		renames_apply(connector, batch, true);
	if (writing != NULL)
		writing_end(writing);
}

int64
apply_initial(const Mapping *mapping, const pg_uuid_t *batch)
{
	TypedRows  *source = typed_source(mapping, batch);
	int64		count = source->count;

	/* In the order of the file, in which previous lies as well: see digest_set.c. */
	write_rows(mapping, insert_sql(mapping, source, false, "true", ""), false, count);
	check_written_scope(mapping, source, "true");
	typed_rows_forget(source);
	return count;
}

/* ---------- what undo must know of inserted rows ---------- */

/* SQL: the columns of target row t that are not mapped, and hold no links, as a document of texts; NULL: there are none. */
static char *
unmapped_columns_sql(const Mapping *mapping)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	TupleDesc	tupdesc = RelationGetDescr(target);
	StringInfoData names;
	StringInfoData values;

	initStringInfo(&names);
	initStringInfo(&values);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		const char *name = NameStr(TupleDescAttr(tupdesc, i)->attname);

		if (!is_unmapped_column(mapping, TupleDescAttr(tupdesc, i)))
			continue;
		appendStringInfo(&names, "%s%s", names.len ? ", " : "", quote_literal_cstr(name));
		appendStringInfo(&values, "%sCASE WHEN t.%s IS DISTINCT FROM NULL THEN pg_catalog.concat(t.%s) END",
						 values.len ? ", " : "", quote_identifier(name), quote_identifier(name));
	}
	table_close(target, NoLock);
	return names.len == 0 ? NULL :
		psprintf("pg_catalog.jsonb_object(ARRAY[%s], ARRAY[%s])", names.data, values.data);
}

void
apply_remember(const Mapping *mapping, const pg_uuid_t *batch)
{
	char	   *unmapped = may_read_all(mapping) ? unmapped_columns_sql(mapping) : NULL;
	TypedRows  *changes;
	TypedRows  *inserted;
	int			level;

	if (unmapped == NULL)
		return;
	changes = typed_changes(mapping, batch, false);
	if (changes->actions[ACTION_INSERT] > 0)
	{
		level = settings_pin(NULL);
		inserted = typed_rows_gather("syncup_inserted",
									 caller_cursor_planned(psprintf("SELECT s.place, %s AS old FROM syncup_change s JOIN %s t ON %s WHERE %s",
																	unmapped, mapping->target_name, same_key(mapping, "s"), is_action(ACTION_INSERT)),
														   is_few(mapping, changes->count), SQL_NO_ARGS));
		settings_restore(level);
		own_sql(psprintf("UPDATE %s c SET old = s.old FROM syncup_inserted s WHERE c.ctid = s.place", changes_table(mapping)),
				SQL_NO_ARGS);
		typed_rows_forget(inserted);
	}
	typed_rows_forget(changes);
}

/* ---------- is the target still as the changes say ---------- */

/* SQL: whether a change gives a row another key. */
static char *
is_renaming(const Mapping *mapping)
{
	return !may_rename(mapping) ? "false" :
		psprintf("(%s AND s.h%d)", is_action(ACTION_UPDATE), mapping->key + 1);
}

/* SQL: whether target row t is that of change s as it is before the batch is written, or taken back. */
static char *
same_present_key(const Mapping *mapping, bool back)
{
	const MappingColumn *key = &mapping->columns[mapping->key];

	return back || !may_rename(mapping) ? same_key(mapping, "s") :
		equal_sql(key, target_column(key), psprintf("CASE WHEN %s THEN s.o%d ELSE s.c%d END",
													is_renaming(mapping), mapping->key + 1, mapping->key + 1));
}

/* SQL: what has become of a change: "done", "stale" (somebody else) or "open". */
static char *
state_sql(const Mapping *mapping, const TypedRows *changes, bool back)
{
	char	   *found = target_has_key(mapping);
	char	   *retired = retired_at(mapping);
	char	   *becomes = as_it_becomes(mapping);
	char	   *was = as_it_was(mapping);
	/* The scope is asked only where rows change hands. */
	char	   *outside = changes->actions[ACTION_GIVE] + changes->actions[ACTION_TAKE] > 0 ? is_outside(mapping) : "false";
	char	   *was_taken = as_it_was_taken(changes);
	char	   *renamed = is_renaming(mapping);
	char	   *renamed_state = back || !may_rename(mapping) ? "'stale'" :
		psprintf("CASE WHEN %s AND EXISTS (SELECT FROM %s t WHERE %s) THEN 'done' ELSE 'stale' END",
				 renamed, mapping->target_name, same_key(mapping, "s"));

	return psprintf("CASE s.action"
					" WHEN 'insert' THEN CASE WHEN NOT (%s) THEN 'open' WHEN %s IS NULL AND %s THEN 'done' ELSE 'stale' END"
					" WHEN 'delete' THEN CASE WHEN NOT (%s) THEN 'done' WHEN %s AND %s THEN 'open' ELSE 'stale' END"
					" WHEN 'retire' THEN CASE WHEN NOT (%s) OR %s IS NOT NULL THEN 'done' WHEN %s THEN 'open' ELSE 'stale' END"
					" WHEN 'revive' THEN CASE WHEN NOT (%s) THEN 'stale'"
					"   WHEN %s IS NULL THEN CASE WHEN %s THEN 'done' ELSE 'stale' END"
					"   WHEN %s THEN 'open' ELSE 'stale' END"
					" WHEN 'give' THEN CASE WHEN %s AND NOT (%s) THEN 'done' ELSE 'open' END"
					" WHEN 'take' THEN CASE WHEN NOT (%s) THEN 'stale' %s ELSE 'stale' END"
					" ELSE CASE WHEN NOT (%s) THEN %s WHEN NOT %s AND %s THEN 'done' WHEN %s THEN 'open' ELSE 'stale' END"
					" END",
					found, retired, becomes, found, was, back ? is_untouched(mapping, changes) : "true", found, retired, was,
					found, retired, becomes, was,
					back ? "false" : "true", psprintf("COALESCE(NOT %s, false)", outside),
					found,
					back ? psprintf("WHEN %s AND %s AND %s THEN 'done' WHEN NOT %s AND %s THEN 'open'",
									outside, becomes, was_taken, outside, was) :
					psprintf("WHEN NOT %s AND %s THEN 'done' WHEN %s AND %s AND %s THEN 'open'",
							 outside, becomes, outside, was, was_taken),
					found, renamed_state, renamed, becomes, was);
}

/* The query of changes that are done already or stale: place, state, key. */
static char *
review_sql(const Mapping *mapping, const TypedRows *changes, bool back)
{
	return psprintf("SELECT * FROM (SELECT s.place, %s AS state, %s FROM syncup_change s"
					" LEFT JOIN %s ON %s) AS reviewed WHERE state OPERATOR(pg_catalog.<>) 'open' ORDER BY 3",
					state_sql(mapping, changes, back), key_text_sql(mapping, "s"), target_rows(mapping), same_present_key(mapping, back));
}

int64
apply_review(const Mapping *mapping, const pg_uuid_t *batch, bool back, StringInfo stale)
{
	TypedRows  *changes = mapping->association ? links_changes(mapping, batch, back) :
		typed_changes(mapping, batch, back);
	uint64		count = caller_sql_planned(mapping->association ? links_review_sql(mapping, back) :
										   review_sql(mapping, changes, back),
										   mapping->association ? links_are_few(mapping, changes->count) :
										   is_few(mapping, changes->count), SQL_NO_ARGS);
	Datum	   *done = palloc(sizeof(Datum) * (count + 1));
	int			ndone = 0;
	int64		nstale = 0;

	typed_rows_forget(changes);
	for (uint64 row = 0; row < count; row++)
	{
		bool		isnull;

		if (strcmp(sql_text(row, 2), "done") == 0)
			done[ndone++] = datumCopy(sql_datum(row, 1, &isnull), false, sizeof(ItemPointerData));
		else if (nstale++ < MAX_NAMED_ROWS)
			appendStringInfo(stale, "%s%s", stale->len ? ", " : "", sql_text(row, 3));
	}
	if (ndone > 0)
		own_sql(psprintf("DELETE FROM %s WHERE ctid = ANY ($1)", changes_table(mapping)),
				SQL_ARGS(SQL_DATUM(TIDARRAYOID,
								   PointerGetDatum(construct_array(done, ndone, TIDOID, sizeof(ItemPointerData),
																   false, TYPALIGN_SHORT)))));
	return nstale;
}
