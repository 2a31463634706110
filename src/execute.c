/*
 * execute.c
 *		One statement of a step's: what it did, and no longer than it may take
 *		(JOBS 4).
 */
#include "syncup.h"

#include "access/htup_details.h"
#include "map/connector.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "tool/sql.h"
#include "storage/latch.h"
#include "utils/timeout.h"

PG_FUNCTION_INFO_V1(syncup_execute);

/* ---------- how long it may take ---------- */

static TimeoutId timeout_id = MAX_TIMEOUTS;
static volatile sig_atomic_t timed_out = false;

/* What a statement that takes too long gets: the same as a cancel. */
static void
cancel_statement(void)
{
	timed_out = true;
	InterruptPending = true;
	QueryCancelPending = true;
	SetLatch(MyLatch);
}

/* Milliseconds of a positive interval; 0: none is given. */
static int
timeout_ms(FunctionCallInfo fcinfo, int number)
{
	Interval   *interval;
	double		ms;

	if (PG_ARGISNULL(number))
		return 0;
	interval = PG_GETARG_INTERVAL_P(number);
	ms = (interval->time + ((double) interval->day + 30.0 * interval->month) * USECS_PER_DAY) / 1000.0;
	if (ms < 1 || ms > INT_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a timeout of this length is not possible"),
				 errhint("It is more than 0 and at most 24 days.")));
	return (int) ms;
}

/* ---------- the statement ---------- */

/* What kind of statement the plan holds. */
static const char *
command_of(int result)
{
	switch (result)
	{
		case SPI_OK_SELECT:
			return "SELECT";
		case SPI_OK_INSERT:
		case SPI_OK_INSERT_RETURNING:
			return "INSERT";
		case SPI_OK_UPDATE:
		case SPI_OK_UPDATE_RETURNING:
			return "UPDATE";
		case SPI_OK_DELETE:
		case SPI_OK_DELETE_RETURNING:
			return "DELETE";
		case SPI_OK_UTILITY:
			return "UTILITY";
		default:
			return "OTHER";
	}
}

/* Prepares the statement, which must be one and no more. */
static SPIPlanPtr
prepare_one(const char *statement)
{
	SPIPlanPtr	plan = SPI_prepare(statement, 2, (Oid[]) {INT8OID, TEXTOID});

	if (plan == NULL)
		elog(ERROR, "statement could not be prepared: %s", SPI_result_code_string(SPI_result));
	if (list_length(SPI_plan_get_plan_sources(plan)) != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a step has one statement, not %d", list_length(SPI_plan_get_plan_sources(plan))),
				 errhint("Make a step of each, or a function of all.")));
	return plan;
}

/* What was done, in the given memory context. */
static Jsonb *
describe(int result, MemoryContext context)
{
	uint64		rows = SPI_processed;
	SqlArg		row = SQL_DATUM(RECORDOID, (Datum) 0);
	Jsonb	   *answer;

	row.isnull = SPI_tuptable == NULL || rows == 0;
	if (!row.isnull)
		row.value = heap_copy_tuple_as_datum(SPI_tuptable->vals[0], BlessTupleDesc(SPI_tuptable->tupdesc));
	caller_sql("SELECT pg_catalog.jsonb_build_object('command', $1, 'rows', $2, 'row', pg_catalog.to_jsonb($3))",
			   SQL_ARGS(SQL_TEXT(command_of(result)), SQL_INT8(rows), row));
	MemoryContextSwitchTo(context);
	answer = sql_jsonb(0, 1);
	return answer;
}

/*
 * syncup_execute(statement text, run bigint, step text, timeout interval)
 * returns jsonb.  It runs as the caller.
 */
Datum
syncup_execute(PG_FUNCTION_ARGS)
{
	char	   *statement = required_text(fcinfo, 0, "statement");
	int			limit = timeout_ms(fcinfo, 3);
	Datum		values[] = {PG_ARGISNULL(1) ? (Datum) 0 : PG_GETARG_DATUM(1),
	PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2)};
	char		nulls[] = {PG_ARGISNULL(1) ? 'n' : ' ', PG_ARGISNULL(2) ? 'n' : ' ', '\0'};
	MemoryContext context = CurrentMemoryContext;
	int			result = 0;
	Jsonb	   *answer;

	SPI_connect();
	if (limit > 0)
	{
		if (timeout_id == MAX_TIMEOUTS)
			timeout_id = RegisterTimeout(USER_TIMEOUT, cancel_statement);
		timed_out = false;
		enable_timeout_after(timeout_id, limit);
	}
	PG_TRY();
	{
		result = SPI_execute_plan(prepare_one(statement), values, nulls, false, 0);
		if (limit > 0)
			disable_timeout(timeout_id, false);
	}
	PG_CATCH();
	{
		if (limit > 0)
			disable_timeout(timeout_id, false);
		if (timed_out)
		{
			timed_out = false;
			MemoryContextSwitchTo(context);
			FlushErrorState();
			ereport(ERROR,
					(errcode(MAKE_SQLSTATE('S', 'U', '0', '0', '3')),
					 errmsg("the statement took longer than its timeout of %d ms", limit)));
		}
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (result == SPI_ERROR_TRANSACTION)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("a step is one transaction: it cannot begin or end one")));
	if (result < 0)
		elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
	answer = describe(result, context);
	SPI_finish();
	PG_RETURN_JSONB_P(answer);
}
