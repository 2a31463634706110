/*
 * rows.c
 *		Rows handed to statements as a relation of a name.
 */
#include "tool/rows.h"

#include "miscadmin.h"
#include "tool/sql.h"

TypedRows *
typed_rows_begin(const char *name, int ncolumns)
{
	TypedRows  *rows = palloc0(sizeof(TypedRows));

	rows->name = name;
	rows->tupdesc = CreateTemplateTupleDesc(ncolumns);
	rows->store = tuplestore_begin_heap(true, false, work_mem);
	return rows;
}

void
typed_rows_column(TypedRows *rows, const char *name, Oid type, int32 typmod, Oid collation)
{
	TupleDescInitEntry(rows->tupdesc, ++rows->described, name, type, typmod, 0);
	TupleDescInitEntryCollation(rows->tupdesc, rows->described, collation);
}

void
typed_rows_put(TypedRows *rows, Datum *values, bool *nulls)
{
	tuplestore_putvalues(rows->store, rows->tupdesc, values, nulls);
	rows->count++;
}

void
typed_rows_publish(TypedRows *rows)
{
	sql_register_rows(rows->name, rows->store, rows->tupdesc, Max(rows->count, 1));
}

void
typed_rows_forget(TypedRows *rows)
{
	sql_forget_rows(rows->name);
	tuplestore_end(rows->store);
}

/* Puts the row at hand among gathered ones. */
static void
add_gathered(void *arg, uint64 row)
{
	TypedRows  *rows = arg;

	tuplestore_puttuple(rows->store, SPI_tuptable->vals[row]);
	rows->count++;
}

TypedRows *
typed_rows_gather(const char *name, Portal cursor)
{
	TypedRows  *rows = palloc0(sizeof(TypedRows));

	rows->name = name;
	rows->tupdesc = CreateTupleDescCopy(cursor->tupDesc);
	rows->store = tuplestore_begin_heap(true, false, work_mem);
	sql_for_each(cursor, add_gathered, rows);
	typed_rows_publish(rows);
	return rows;
}
