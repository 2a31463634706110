/*
 * caller.c
 *		Functions written in SQL that run as the extension's owner and know who
 *		has called them.
 *
 * A SECURITY DEFINER function cannot tell the role that called it: the current
 * user is its owner by then, and the session's user may be somebody else who
 * was led to call it.  So what writes our tables from SQL is a function of
 * schema syncup that nobody but the owner may use, with the caller's role as
 * its first argument; the public function of the same name (syncup_x stands
 * for syncup.x) is this one C function, which adds that argument.
 */
#include "syncup.h"

#include "access/htup_details.h"
#include "catalog/pg_proc.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tool/sql.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(syncup_for_caller);

#define PUBLIC_PREFIX	"syncup_"

/* "SELECT * FROM syncup.x($1, $2)" for a function syncup_x of one argument. */
static char *
inner_call(Form_pg_proc function)
{
	const char *name = NameStr(function->proname);
	StringInfoData sql;

	if (strncmp(name, PUBLIC_PREFIX, strlen(PUBLIC_PREFIX)) != 0)
		elog(ERROR, "function %s stands for no other", name);
	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT * FROM syncup.%s($1", quote_identifier(name + strlen(PUBLIC_PREFIX)));
	for (int i = 0; i < function->pronargs; i++)
		appendStringInfo(&sql, ", $%d", i + 2);
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* Calls the inner function with the caller's role and the arguments at hand. */
static uint64
call_inner(FunctionCallInfo fcinfo)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(fcinfo->flinfo->fn_oid));
	Form_pg_proc function;
	SqlArg	   *args;
	uint64		rows;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", fcinfo->flinfo->fn_oid);
	function = (Form_pg_proc) GETSTRUCT(tuple);
	args = palloc(sizeof(SqlArg) * (function->pronargs + 1));
	args[0] = SQL_DATUM(REGROLEOID, ObjectIdGetDatum(GetUserId()));
	for (int i = 0; i < function->pronargs; i++)
	{
		args[i + 1] = SQL_DATUM(function->proargtypes.values[i], PG_ARGISNULL(i) ? (Datum) 0 : PG_GETARG_DATUM(i));
		args[i + 1].isnull = PG_ARGISNULL(i);
	}
	rows = own_sql(inner_call(function), function->pronargs + 1, args);
	ReleaseSysCache(tuple);
	return rows;
}

/* The rows at hand as the result of a set-returning function. */
static void
return_rows(ReturnSetInfo *set, uint64 rows)
{
	for (uint64 row = 0; row < rows; row++)
		tuplestore_puttuple(set->setResult, SPI_tuptable->vals[row]);
}

/*
 * syncup_x(...) for syncup.x(caller regrole, ...): the same result, written as
 * the extension's owner.
 */
Datum
syncup_for_caller(PG_FUNCTION_ARGS)
{
	bool		set = fcinfo->flinfo->fn_retset;
	Datum		result = (Datum) 0;
	bool		isnull = true;
	uint64		rows;

	if (set)
		InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	rows = call_inner(fcinfo);
	if (set)
		return_rows((ReturnSetInfo *) fcinfo->resultinfo, rows);
	else if (rows > 0 && get_func_rettype(fcinfo->flinfo->fn_oid) != VOIDOID)
	{
		Form_pg_attribute attribute = TupleDescAttr(SPI_tuptable->tupdesc, 0);

		result = sql_datum(0, 1, &isnull);
		if (!isnull)
			result = SPI_datumTransfer(result, attribute->attbyval, attribute->attlen);
	}
	SPI_finish();
	if (set || get_func_rettype(fcinfo->flinfo->fn_oid) == VOIDOID)
		return (Datum) 0;
	fcinfo->isnull = isnull;
	return result;
}
