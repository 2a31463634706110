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
#include "apply.h"

#include "access/table.h"
#include "lib/stringinfo.h"
#include "sql.h"
#include "utils/rel.h"

struct Application
{
	const Mapping *mapping;
	TypedRows  *changes;
	int64		deletes;
	int64		updates;
	int64		inserts;
};

Application *
apply_begin(const Mapping *mapping, const pg_uuid_t *batch)
{
	Application *application = palloc0(sizeof(Application));

	application->mapping = mapping;
	own_sql(psprintf("SELECT count(*) FILTER (WHERE command = 'delete'), count(*) FILTER (WHERE command = 'update'),"
					 " count(*) FILTER (WHERE command = 'insert') FROM %s WHERE batch = $1",
					 changes_table(mapping)),
			SQL_ARGS(SQL_UUID(batch)));
	application->deletes = sql_int8(0, 1);
	application->updates = sql_int8(0, 2);
	application->inserts = sql_int8(0, 3);
	if (application->deletes + application->updates + application->inserts > 0)
		application->changes = typed_changes(mapping, batch);
	return application;
}

void
apply_end(Application *application)
{
	if (application->changes != NULL)
		typed_rows_forget(application->changes);
	pfree(application);
}

/* SQL: whether the target row still has the key, and the old values. */
static char *
as_it_was(const Mapping *mapping, bool only_changed)
{
	const MappingColumn *key = &mapping->columns[mapping->key];
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, equal_sql(key, target_column(key),
										   psprintf("s.c%d", mapping->key + 1)));
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->target == NULL || i == mapping->key)
			continue;
		appendStringInfo(&sql, " AND NOT (%s%s)",
						 only_changed ? psprintf("s.h%d AND ", i + 1) : "",
						 distinct_sql(column, target_column(column), psprintf("s.o%d", i + 1)));
	}
	return sql.data;
}

/* Runs a statement that must write just so many rows. */
static void
write_rows(const Mapping *mapping, const char *sql, int64 expected)
{
	int64		written = caller_sql(sql, SQL_NO_ARGS);

	if (written != expected)
		ereport(ERROR,
				(errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
				 errmsg("%lld of %lld changes of %s could not be written",
						(long long) (expected - written), (long long) expected,
						mapping->target_name),
				 errhint("The rows were changed by somebody else in the meantime, or are kept by a trigger or a row-level security policy.")));
}

void
apply_deletes(Application *application)
{
	const Mapping *mapping = application->mapping;

	if (application->deletes > 0)
		write_rows(mapping,
				   psprintf("DELETE FROM %s t USING syncup_change s"
							" WHERE s.command OPERATOR(pg_catalog.=) 'delete' AND %s",
							mapping->target_name, as_it_was(mapping, false)),
				   application->deletes);
}

void
apply_updates(Application *application)
{
	const Mapping *mapping = application->mapping;
	StringInfoData set;

	if (application->updates == 0)
		return;
	initStringInfo(&set);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->target != NULL && i != mapping->key)
			appendStringInfo(&set, "%s%s = CASE WHEN s.h%d THEN s.c%d ELSE t.%s END",
							 set.len ? ", " : "", quote_identifier(column->target),
							 i + 1, i + 1, quote_identifier(column->target));
	}
	write_rows(mapping,
			   psprintf("UPDATE %s t SET %s FROM syncup_change s"
						" WHERE s.command OPERATOR(pg_catalog.=) 'update' AND %s",
						mapping->target_name, set.data, as_it_was(mapping, true)),
			   application->updates);
}

/* "col", ... of the target, and the source's values for them. */
static void
insert_lists(const Mapping *mapping, StringInfo columns, StringInfo values)
{
	initStringInfo(columns);
	initStringInfo(values);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
		{
			appendStringInfo(columns, "%s%s", columns->len ? ", " : "",
							 quote_identifier(mapping->columns[i].target));
			appendStringInfo(values, "%ss.c%d", values->len ? ", " : "", i + 1);
		}
}

/* Whether a mapped column numbers itself unless it is told not to. */
static bool
has_identity(const Mapping *mapping)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	bool		found = false;

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL &&
			TupleDescAttr(RelationGetDescr(target), mapping->columns[i].attnum - 1)->attidentity)
			found = true;
	table_close(target, NoLock);
	return found;
}

/* The statement that inserts typed rows, in the order of their keys. */
static char *
insert_sql(const Mapping *mapping, const char *rows, const char *where)
{
	StringInfoData columns;
	StringInfoData values;

	insert_lists(mapping, &columns, &values);
	return psprintf("INSERT INTO %s (%s)%s SELECT %s FROM %s s%s ORDER BY s.c%d",
					mapping->target_name, columns.data,
					has_identity(mapping) ? " OVERRIDING SYSTEM VALUE" : "",
					values.data, rows, where, mapping->key + 1);
}

void
apply_inserts(Application *application)
{
	const Mapping *mapping = application->mapping;

	if (application->inserts > 0)
		write_rows(mapping,
				   insert_sql(mapping, "syncup_change", " WHERE s.command OPERATOR(pg_catalog.=) 'insert'"),
				   application->inserts);
}

int64
apply_initial(const Mapping *mapping, const pg_uuid_t *batch)
{
	TypedRows  *source = typed_source(mapping, batch, false);
	int64		count = source->count;

	write_rows(mapping, insert_sql(mapping, "syncup_source", ""), count);
	typed_rows_forget(source);
	return count;
}
