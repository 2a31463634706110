/*
 * sql.h
 *		Statements of ours: on our own tables as the extension's owner, on
 *		targets with the caller's rights (SPEC 3).
 *
 * The caller has called SPI_connect().
 */
#ifndef SYNCUP_SQL_H
#define SYNCUP_SQL_H

#include "syncup.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "tool/plans.h"
#include "utils/memutils.h"

/* Forgets the memory of so many rows now and then: after some, or after some large ones. */
static inline void
free_row_memory(MemoryContext context, uint64 rows)
{
	if (rows % 128 == 0 || context->mem_allocated > 4 * 1024 * 1024)
		MemoryContextReset(context);
}

/* One parameter of a statement. */
typedef struct SqlArg
{
	Oid			type;
	Datum		value;
	bool		isnull;
} SqlArg;

#define SQL_TEXT(s) \
	((SqlArg) {TEXTOID, (s) ? CStringGetTextDatum(s) : (Datum) 0, (s) == NULL})
#define SQL_INT8(n)			((SqlArg) {INT8OID, Int64GetDatum(n), false})
#define SQL_INT4(n)			((SqlArg) {INT4OID, Int32GetDatum(n), false})
#define SQL_BOOL(b)			((SqlArg) {BOOLOID, BoolGetDatum(b), false})
#define SQL_UUID(u)			((SqlArg) {UUIDOID, UUIDPGetDatum(u), false})
#define SQL_OID(o)			((SqlArg) {OIDOID, ObjectIdGetDatum(o), false})
#define SQL_TIME(t)			((SqlArg) {TIMESTAMPTZOID, TimestampTzGetDatum(t), false})
#define SQL_JSONB(j) \
	((SqlArg) {JSONBOID, (j) ? JsonbPGetDatum(j) : (Datum) 0, (j) == NULL})
#define SQL_NULL(t)			((SqlArg) {(t), (Datum) 0, true})
#define SQL_DATUM(t, d)		((SqlArg) {(t), (d), false})

#define SQL_ARGS(...) \
	lengthof(((SqlArg[]) {__VA_ARGS__})), (SqlArg[]) {__VA_ARGS__}
#define SQL_NO_ARGS			0, NULL

/*
 * Runs a statement as the owner, or as the caller; returns the number of rows
 * processed, which then are in SPI_tuptable.
 */
extern uint64 own_sql(const char *statement, int nargs, const SqlArg *args);
extern uint64 caller_sql(const char *statement, int nargs, const SqlArg *args);

/* The same of statements that join few rows, or many, with a table: see plans.h. */
extern uint64 own_sql_planned(const char *statement, bool few, int nargs, const SqlArg *args);
extern uint64 caller_sql_planned(const char *statement, bool few, int nargs, const SqlArg *args);

/*
 * The same of a statement that writes a target; its triggers fire when the
 * surrounding statement ends: see writing_begin() of apply.h.
 */
extern uint64 caller_write(const char *statement, PlanKind kind);

/*
 * A statement that is run often: prepared once, as the owner; lives as long as
 * the SPI connection.
 */
extern SPIPlanPtr own_prepare(const char *statement, int nargs, const Oid *types);
extern uint64 own_execute(SPIPlanPtr plan, Datum *values);

/* Opens a cursor over a query, as the owner or as the caller. */
extern Portal own_cursor(const char *query, int nargs, const SqlArg *args);
extern Portal caller_cursor(const char *query, int nargs, const SqlArg *args);
extern Portal caller_cursor_planned(const char *query, bool few, int nargs, const SqlArg *args);

/*
 * Runs a query as the caller, at a snapshot, and gives its rows as they come:
 * begin gets their description, visit each of them, without a copy, in a memory
 * context that is reset often.
 */
extern void caller_rows(const char *query, Snapshot snapshot, int nargs, const SqlArg *args,
						void (*begin) (void *arg, TupleDesc tupdesc),
						void (*visit) (void *arg, TupleTableSlot *slot), void *arg);

/* The number of the attribute of this name, from 1: there must be one. */
extern AttrNumber attribute_of(TupleDesc tupdesc, const char *name);

/*
 * Calls visit for every row of a cursor, in a memory context that is reset
 * often, and closes the cursor; the row is read with the functions below.
 */
extern void sql_for_each(Portal portal, void (*visit) (void *arg, uint64 row), void *arg);

/*
 * A column of a row of SPI_tuptable.  Text is copied in the current memory
 * context, NULL for null; the numbers give 0 for null.
 */
extern char *sql_text(uint64 row, int column);
extern int64 sql_int8(uint64 row, int column);
extern int32 sql_int4(uint64 row, int column);
extern bool sql_bool(uint64 row, int column);
extern Oid	sql_oid(uint64 row, int column);
extern pg_uuid_t *sql_uuid(uint64 row, int column);
extern Jsonb *sql_jsonb(uint64 row, int column);
extern Datum sql_datum(uint64 row, int column, bool *isnull);

/* A tuplestore's rows, seen by later statements as a relation of this name. */
extern void sql_register_rows(const char *name, Tuplestorestate *rows,
							  TupleDesc tupdesc, double count);
extern void sql_forget_rows(const char *name);

#endif							/* SYNCUP_SQL_H */
