/*
 * sql.c
 *		Statements of ours: on our own tables as the extension's owner, on
 *		targets with the caller's rights.
 *
 * This is the only place where the current user changes.  A statement runs
 * either wholly as the owner or wholly as the caller; where rows of ours and
 * rows of a target meet, ours are handed over in a tuplestore
 * (sql_register_rows), so that nobody needs a right on the other's tables.
 * An error in between gives the user back by the transaction's own clean-up.
 *
 * Every statement is parsed under a safe search path.  The entry functions pin
 * it, but code of a target (a trigger, a domain's check) may have set another
 * since, and operators of its choice would run as the owner.
 */
#include "tool/sql.h"

#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "miscadmin.h"
#include "parser/parse_param.h"
#include "tool/plans.h"
#include "utils/lsyscache.h"
#include "utils/queryenvironment.h"
#include "utils/memutils.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

/* Rows fetched from a cursor at a time. */
#define FETCH_ROWS	1000
#define FETCH_BYTES	(1024 * 1024)
#define FIRST_FETCH	16

/* While held, the current user is the extension's owner. */
typedef struct OwnerScope
{
	Oid			user;
	int			context;
	int			path;			/* what search_path_pin() gave */
} OwnerScope;

/* The owner of the extension: of the schema that it brought. */
static Oid
extension_owner(void)
{
	Oid			schema = get_namespace_oid("syncup", false);
	HeapTuple	tuple = SearchSysCache1(NAMESPACEOID, ObjectIdGetDatum(schema));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for schema %u", schema);
	owner = ((Form_pg_namespace) GETSTRUCT(tuple))->nspowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Makes the extension's owner the current user. */
static void
owner_begin(OwnerScope *scope)
{
	scope->path = search_path_pin();
	GetUserIdAndSecContext(&scope->user, &scope->context);
	SetUserIdAndSecContext(extension_owner(),
						   scope->context | SECURITY_LOCAL_USERID_CHANGE);
}

/* Gives the current user back. */
static void
owner_end(const OwnerScope *scope)
{
	SetUserIdAndSecContext(scope->user, scope->context);
	settings_restore(scope->path);
}

/* Splits parameters into the arrays that SPI takes. */
static void
split_args(int nargs, const SqlArg *args, Oid **types, Datum **values, char **nulls)
{
	*types = palloc(sizeof(Oid) * (nargs + 1));
	*values = palloc(sizeof(Datum) * (nargs + 1));
	*nulls = palloc0(nargs + 1);
	for (int i = 0; i < nargs; i++)
	{
		(*types)[i] = args[i].type;
		(*values)[i] = args[i].value;
		(*nulls)[i] = args[i].isnull ? 'n' : ' ';
	}
}

uint64
caller_sql(const char *statement, int nargs, const SqlArg *args)
{
	Oid		   *types;
	Datum	   *values;
	char	   *nulls;
	int			path = search_path_pin();
	int			result;

	split_args(nargs, args, &types, &values, &nulls);
	result = SPI_execute_with_args(statement, nargs, types, values, nulls, false, 0);
	settings_restore(path);
	if (result < 0)
		elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

uint64
own_sql(const char *statement, int nargs, const SqlArg *args)
{
	OwnerScope	scope;
	uint64		processed;

	owner_begin(&scope);
	processed = caller_sql(statement, nargs, args);
	owner_end(&scope);
	return processed;
}

/* A statement that is planned before it runs. */
typedef struct Planned
{
	SPIPlanPtr	plan;
	CachedPlan *cached;
	int			path;			/* what search_path_pin() gave */
	int			path_again;
} Planned;

/*
 * Where rows are few the plan is made with settings pinned, and runs without:
 * SPI executes one that is there already, as long as it is valid.
 */
static void
planned_begin(Planned *planned, const char *statement, PlanKind kind, int nargs, Oid *types)
{
	int			level;

	planned->path = search_path_pin();
	level = plan_pin(kind);
	planned->plan = SPI_prepare_cursor(statement, nargs, types, kind != PLAN_FREE ? CURSOR_OPT_GENERIC_PLAN : 0);
	if (planned->plan == NULL)
		elog(ERROR, "statement could not be prepared: %s", SPI_result_code_string(SPI_result));
	planned->cached = kind != PLAN_FREE ? SPI_plan_get_cached_plan(planned->plan) : NULL;
	settings_restore(level);
	/* Code that planning ran may have set another path, for which it would be planned anew. */
	planned->path_again = search_path_pin();
}

static uint64
planned_end(Planned *planned, int result)
{
	if (planned->cached != NULL)
		ReleaseCachedPlan(planned->cached, NULL);
	settings_restore(planned->path_again);
	settings_restore(planned->path);
	SPI_freeplan(planned->plan);
	if (result < 0)
		elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

uint64
caller_sql_planned(const char *statement, bool few, int nargs, const SqlArg *args)
{
	Oid		   *types;
	Datum	   *values;
	char	   *nulls;
	Planned		planned;

	split_args(nargs, args, &types, &values, &nulls);
	planned_begin(&planned, statement, few, nargs, types);
	return planned_end(&planned, SPI_execute_plan(planned.plan, values, nulls, false, 0));
}

uint64
caller_write(const char *statement, PlanKind kind)
{
	Planned		planned;

	planned_begin(&planned, statement, kind, 0, NULL);
	return planned_end(&planned, SPI_execute_snapshot(planned.plan, NULL, NULL, InvalidSnapshot,
													  InvalidSnapshot, false, false, 0));
}

uint64
own_sql_planned(const char *statement, bool few, int nargs, const SqlArg *args)
{
	OwnerScope	scope;
	uint64		processed;

	owner_begin(&scope);
	processed = caller_sql_planned(statement, few, nargs, args);
	owner_end(&scope);
	return processed;
}

SPIPlanPtr
own_prepare(const char *statement, int nargs, const Oid *types)
{
	OwnerScope	scope;
	SPIPlanPtr	plan;

	owner_begin(&scope);
	plan = SPI_prepare(statement, nargs, unconstify(Oid *, types));
	owner_end(&scope);
	if (plan == NULL)
		elog(ERROR, "statement could not be prepared: %s", SPI_result_code_string(SPI_result));
	return plan;
}

uint64
own_execute(SPIPlanPtr plan, Datum *values)
{
	OwnerScope	scope;
	int			result;

	owner_begin(&scope);
	result = SPI_execute_plan(plan, values, NULL, false, 0);
	owner_end(&scope);
	if (result < 0)
		elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
	return SPI_processed;
}

Portal
caller_cursor(const char *query, int nargs, const SqlArg *args)
{
	Oid		   *types;
	Datum	   *values;
	char	   *nulls;
	int			path = search_path_pin();
	Portal		portal;

	split_args(nargs, args, &types, &values, &nulls);
	portal = SPI_cursor_open_with_args(NULL, query, nargs, types, values, nulls,
									   false, 0);
	settings_restore(path);
	return portal;
}

/* A cursor is planned when it is opened. */
Portal
caller_cursor_planned(const char *query, bool few, int nargs, const SqlArg *args)
{
	int			level = plan_pin(few);
	Portal		portal = caller_cursor(query, nargs, args);

	settings_restore(level);
	return portal;
}

Portal
own_cursor(const char *query, int nargs, const SqlArg *args)
{
	OwnerScope	scope;
	Portal		portal;

	/* Privileges are checked when the cursor is opened, not at each fetch. */
	owner_begin(&scope);
	portal = caller_cursor(query, nargs, args);
	owner_end(&scope);
	return portal;
}

/* Gives the rows of a query to functions. */
typedef struct RowReceiver
{
	DestReceiver receiver;
	void		(*begin) (void *arg, TupleDesc tupdesc);
	void		(*visit) (void *arg, TupleTableSlot *slot);
	void	   *arg;
	MemoryContext context;		/* the caller's */
	MemoryContext row_context;
	uint64		rows;
} RowReceiver;

static void
receive_startup(DestReceiver *self, int operation, TupleDesc tupdesc)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext before = MemoryContextSwitchTo(receiver->context);

	receiver->begin(receiver->arg, tupdesc);
	MemoryContextSwitchTo(before);
}

static bool
receive_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext before = MemoryContextSwitchTo(receiver->row_context);

	receiver->visit(receiver->arg, slot);
	MemoryContextSwitchTo(before);
	free_row_memory(receiver->row_context, ++receiver->rows);
	return true;
}

static void
receive_nothing(DestReceiver *self)
{
}

/* The types of a query's parameters, for its parser. */
static void
set_parameter_types(ParseState *parse, void *arg)
{
	ParamListInfo params = arg;
	Oid		   *types = palloc(sizeof(Oid) * params->numParams);

	for (int i = 0; i < params->numParams; i++)
		types[i] = params->params[i].ptype;
	setup_parse_fixed_parameters(parse, types, params->numParams);
}

static ParamListInfo
parameters(int nargs, const SqlArg *args)
{
	ParamListInfo params = makeParamList(nargs);

	for (int i = 0; i < nargs; i++)
		params->params[i] = (ParamExternData) {.value = args[i].value, .isnull = args[i].isnull,
		.pflags = PARAM_FLAG_CONST, .ptype = args[i].type};
	params->parserSetup = set_parameter_types;
	params->parserSetupArg = params;
	return params;
}

void
caller_rows(const char *query, Snapshot snapshot, int nargs, const SqlArg *args,
			void (*begin) (void *arg, TupleDesc tupdesc),
			void (*visit) (void *arg, TupleTableSlot *slot), void *arg)
{
	RowReceiver receiver = {
		.receiver = {.receiveSlot = receive_row, .rStartup = receive_startup,
		.rShutdown = receive_nothing, .rDestroy = receive_nothing, .mydest = DestTuplestore},
		.begin = begin,
		.visit = visit,
		.arg = arg,
		.context = CurrentMemoryContext,
		.row_context = AllocSetContextCreate(CurrentMemoryContext, "syncup rows",
											 ALLOCSET_DEFAULT_SIZES)
	};
	SPIExecuteOptions options = {.read_only = true, .dest = &receiver.receiver,
	.params = parameters(nargs, args)};
	int			path = search_path_pin();
	int			result;

	PushActiveSnapshot(snapshot);
	result = SPI_execute_extended(query, &options);
	PopActiveSnapshot();
	settings_restore(path);
	MemoryContextDelete(receiver.row_context);
	if (result < 0)
		elog(ERROR, "statement failed: %s", SPI_result_code_string(result));
}

AttrNumber
attribute_of(TupleDesc tupdesc, const char *name)
{
	int			number = SPI_fnumber(tupdesc, name);

	if (number <= 0)
		elog(ERROR, "there is no column \"%s\"", name);
	return number;
}

/* How many rows to fetch next: as many as the last ones say fit into FETCH_BYTES. */
static uint64
rows_that_fit(uint64 rows)
{
	Size		used = MemoryContextMemAllocated(SPI_tuptable->tuptabcxt, true);
	uint64		fit = rows * FETCH_BYTES / Max(used, 1);

	return Min(Max(fit, 1), Min(rows * 8, FETCH_ROWS));
}

void
sql_for_each(Portal portal, void (*visit) (void *arg, uint64 row), void *arg)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext row_context = AllocSetContextCreate(before, "syncup rows",
													  ALLOCSET_DEFAULT_SIZES);

	for (uint64 wanted = FIRST_FETCH;;)
	{
		SPI_cursor_fetch(portal, true, wanted);
		if (SPI_processed == 0)
			break;
		wanted = rows_that_fit(wanted);
		CHECK_FOR_INTERRUPTS();
		MemoryContextSwitchTo(row_context);
		for (uint64 row = 0; row < SPI_processed; row++)
		{
			visit(arg, row);
			free_row_memory(row_context, row + 1);
		}
		MemoryContextSwitchTo(before);
		MemoryContextReset(row_context);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	MemoryContextDelete(row_context);
}

Datum
sql_datum(uint64 row, int column, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc,
						 column, isnull);
}

char *
sql_text(uint64 row, int column)
{
	return SPI_getvalue(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column);
}

int64
sql_int8(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt64(value);
}

int32
sql_int4(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);

	return isnull ? 0 : DatumGetInt32(value);
}

bool
sql_bool(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);

	return !isnull && DatumGetBool(value);
}

Oid
sql_oid(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);

	return isnull ? InvalidOid : DatumGetObjectId(value);
}

pg_uuid_t *
sql_uuid(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);
	pg_uuid_t  *uuid;

	if (isnull)
		return NULL;
	uuid = palloc(sizeof(pg_uuid_t));
	memcpy(uuid, DatumGetUUIDP(value), sizeof(pg_uuid_t));
	return uuid;
}

Jsonb *
sql_jsonb(uint64 row, int column)
{
	bool		isnull;
	Datum		value = sql_datum(row, column, &isnull);

	return isnull ? NULL : DatumGetJsonbPCopy(value);
}

void
sql_register_rows(const char *name, Tuplestorestate *rows, TupleDesc tupdesc,
				  double count)
{
	EphemeralNamedRelation relation = palloc0(sizeof(EphemeralNamedRelationData));
	int			result;

	relation->md.name = pstrdup(name);
	relation->md.tupdesc = tupdesc;
	relation->md.reliddesc = InvalidOid;
	relation->md.enrtype = ENR_NAMED_TUPLESTORE;
	relation->md.enrtuples = count;
	relation->reldata = rows;
	result = SPI_register_relation(relation);
	if (result != SPI_OK_REL_REGISTER)
		elog(ERROR, "could not register rows: %s", SPI_result_code_string(result));
}

void
sql_forget_rows(const char *name)
{
	if (SPI_unregister_relation(name) != SPI_OK_REL_UNREGISTER)
		elog(ERROR, "rows \"%s\" were not registered", name);
}
