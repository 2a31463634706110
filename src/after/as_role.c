/*
 * as_role.c
 *		Rules: SQL that a role has written, run with that role's rights (AFTER).
 *
 * These functions are the extension owner's alone; what is handed to them are
 * queries made by functions of schema syncup around texts of rules.  A text is
 * looked at when its rule is defined: it is one expression, or one query, and
 * stays so between parentheses.
 *
 * While a rule runs, nothing can be written but what the statement around it
 * writes, and neither role nor settings of the session can be changed for longer
 * than that.
 */
#include "syncup.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_namespace.h"
#include "csv/condition.h"
#include "executor/tstoreReceiver.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "parser/parser.h"
#include "target/typed_rows.h"
#include "tool/crash_point.h"
#include "tool/sql.h"
#include "utils/array.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(syncup_query_as);
PG_FUNCTION_INFO_V1(syncup_write_as);
PG_FUNCTION_INFO_V1(syncup_check_query);
PG_FUNCTION_INFO_V1(syncup_explain_as);
PG_FUNCTION_INFO_V1(syncup_rule_text);

/* ---------- the role ---------- */

/* While held, the current user is the owner of a rule. */
typedef struct RoleScope
{
	Oid			user;
	int			context;
	int			settings;
	bool		read_only;
} RoleScope;

static void
role_begin(RoleScope *scope, Oid role, bool read_only)
{
	if (!SearchSysCacheExists1(AUTHOID, ObjectIdGetDatum(role)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("the role that defined the rule was dropped"),
				 errhint("Drop the rule and define it again, as a role that is there: see syncup.rule.")));
	GetUserIdAndSecContext(&scope->user, &scope->context);
	scope->settings = settings_pin(NULL);
	/* who calls has set this for statements of its own */
	setting_pin("enable_nestloop", GetConfigOptionResetString("enable_nestloop"));
	scope->read_only = XactReadOnly;
	XactReadOnly |= read_only;
	SetUserIdAndSecContext(role, scope->context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
}

static void
role_end(const RoleScope *scope)
{
	SetUserIdAndSecContext(scope->user, scope->context);
	XactReadOnly = scope->read_only;
	/* what the rule's code has set goes as well */
	AtEOXact_GUC(false, scope->settings);
}

/* ---------- running ---------- */

/* Errors unless the query gives the columns that its caller has named. */
static void
check_columns(void *arg, TupleDesc tupdesc)
{
	TupleDesc	wanted = ((ReturnSetInfo *) arg)->setDesc;

	if (tupdesc->natts != wanted->natts)
		ereport(ERROR,
				(errcode(ERRCODE_DATATYPE_MISMATCH),
				 errmsg("a rule gives %d columns, not %d", tupdesc->natts, wanted->natts)));
	for (int i = 0; i < wanted->natts; i++)
		if (TupleDescAttr(tupdesc, i)->atttypid != TupleDescAttr(wanted, i)->atttypid)
			ereport(ERROR,
					(errcode(ERRCODE_DATATYPE_MISMATCH),
					 errmsg("column %d of a rule is of type %s, not %s", i + 1,
							format_type_be(TupleDescAttr(tupdesc, i)->atttypid),
							format_type_be(TupleDescAttr(wanted, i)->atttypid))));
}

static void
keep_row(void *arg, TupleTableSlot *slot)
{
	tuplestore_puttupleslot(((ReturnSetInfo *) arg)->setResult, slot);
}

/*
 * syncup.query_as(role regrole, query text, given text) returns setof record:
 * the rows of a query with the role's rights.  given, if any, is a query that
 * runs as the caller, the extension's owner; the other one sees its rows as the
 * relation "given".
 */
Datum
syncup_query_as(PG_FUNCTION_ARGS)
{
	RoleScope	scope;
	TypedRows  *given = NULL;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a query needs a role and a text")));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	if (!PG_ARGISNULL(2))
		given = typed_rows_gather("given", caller_cursor(text_to_cstring(PG_GETARG_TEXT_PP(2)), SQL_NO_ARGS));
	role_begin(&scope, PG_GETARG_OID(0), true);
	caller_rows(text_to_cstring(PG_GETARG_TEXT_PP(1)), GetActiveSnapshot(), SQL_NO_ARGS,
				check_columns, keep_row, fcinfo->resultinfo);
	CRASH_POINT("rules asked");
	role_end(&scope);
	if (given != NULL)
		typed_rows_forget(given);
	SPI_finish();
	return (Datum) 0;
}

/* ---------- errors ---------- */

/* The rule at hand, and its text where that is what is read. */
typedef struct RuleText
{
	const char *rule;
	const char *text;
} RuleText;

/* An error says which rule it is about, and where in its text. */
static void
name_rule(void *arg)
{
	const RuleText *at_hand = arg;
	int			position = geterrposition();

	if (at_hand->text != NULL && position > 0)
	{
		errposition(0);
		internalerrposition(position);
		internalerrquery(at_hand->text);
	}
	errcontext("rule \"%s\"", at_hand->rule);
}

/* ---------- writing ---------- */

/*
 * syncup.write_as(role regrole, statement text, given text, rule text) returns
 * setof record: what a statement returns that writes with the role's rights.
 * Triggers have these, too, and can put nothing off until others would have to
 * lend theirs.
 */
Datum
syncup_write_as(PG_FUNCTION_ARGS)
{
	RoleScope	scope;
	TypedRows  *given = NULL;
	SPIExecuteOptions options = {0};
	RuleText	at_hand = {0};
	ErrorContextCallback callback = {error_context_stack, name_rule, &at_hand};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(3))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("a statement needs a role, a text and a rule")));
	at_hand.rule = text_to_cstring(PG_GETARG_TEXT_PP(3));
	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	SPI_connect();
	if (!PG_ARGISNULL(2))
		given = typed_rows_gather("given", caller_cursor(text_to_cstring(PG_GETARG_TEXT_PP(2)), SQL_NO_ARGS));
	options.dest = CreateTuplestoreDestReceiver();
	SetTuplestoreDestReceiverParams(options.dest, ((ReturnSetInfo *) fcinfo->resultinfo)->setResult,
									((ReturnSetInfo *) fcinfo->resultinfo)->econtext->ecxt_per_query_memory,
									false, NULL, NULL);
	error_context_stack = &callback;
	role_begin(&scope, PG_GETARG_OID(0), false);
	if (SPI_execute_extended(text_to_cstring(PG_GETARG_TEXT_PP(1)), &options) < 0)
		elog(ERROR, "a rule's statement could not be executed");
	role_end(&scope);
	error_context_stack = callback.previous;
	if (given != NULL)
		typed_rows_forget(given);
	SPI_finish();
	return (Datum) 0;
}

/* ---------- looking at what is defined ---------- */

/* The function of ours that rules call. */
#define OWN_FUNCTION	"syncup_format"

/* Where a text names it without a schema. */
static bool
find_own_functions(Node *node, void *arg)
{
	List	  **places = arg;
	FuncCall   *call = (FuncCall *) node;

	if (node == NULL)
		return false;
	if (IsA(node, FuncCall) && list_length(call->funcname) == 1 && call->location >= 0 &&
		strcmp(strVal(linitial(call->funcname)), OWN_FUNCTION) == 0)
		*places = lappend_int(*places, call->location);
	return raw_expression_tree_walker(node, find_own_functions, arg);
}

static int
compare_places(const ListCell *a, const ListCell *b)
{
	return lfirst_int(a) - lfirst_int(b);
}

/* The text with its schema, where the pinned path does not lead. */
static char *
with_own_schema(const char *text, Node *parsed, const char *schema)
{
	StringInfoData result;
	List	   *places = NIL;
	int			done = 0;

	(void) find_own_functions(parsed, &places);
	list_sort(places, compare_places);
	initStringInfo(&result);
	foreach_int(place, places)
	{
		appendBinaryStringInfo(&result, text + done, place - done);
		appendStringInfo(&result, "%s.", schema);
		done = place;
	}
	appendStringInfoString(&result, text + done);
	return result.data;
}

/* The one query that a text holds, which only reads; NULL where it holds something else. */
static Node *
bare_query(const char *text)
{
	List	   *statements = raw_parser(text, RAW_PARSE_DEFAULT);
	SelectStmt *statement = list_length(statements) == 1 ? (SelectStmt *) linitial_node(RawStmt, statements)->stmt : NULL;

	return statement != NULL && IsA(statement, SelectStmt) &&
		statement->intoClause == NULL && statement->lockingClause == NIL ? (Node *) statement : NULL;
}

/*
 * syncup.rule_text(rule text, part text, expression text, query boolean,
 * own_schema text) returns text: the text of an expression between parentheses,
 * or where query is true of a query.  syncup_format() needs no schema in it.
 */
Datum
syncup_rule_text(PG_FUNCTION_ARGS)
{
	char	   *rule = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char	   *part = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *written = text_to_cstring(PG_GETARG_TEXT_PP(2));
	bool		query = PG_GETARG_BOOL(3);
	RuleText	at_hand = {rule, written};
	ErrorContextCallback callback = {error_context_stack, name_rule, &at_hand};
	MemoryContext context = CurrentMemoryContext;
	int			settings = settings_pin(NULL);
	Node	   *volatile parsed = NULL;

	error_context_stack = &callback;
	PG_TRY();
	{
		parsed = query ? bare_query(written) : bare_expression(written);
	}
	PG_CATCH();
	{
		expression_failed(context, psprintf("%s of rule \"%s\"", part, rule), NULL, NULL);
	}
	PG_END_TRY();
	if (parsed == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg(query ? "%s of rule \"%s\" is not one query" : "%s of rule \"%s\" is not one expression", part, rule)));
	error_context_stack = callback.previous;
	settings_restore(settings);
	PG_RETURN_TEXT_P(cstring_to_text(psprintf("(%s\n)", with_own_schema(written, parsed, text_to_cstring(PG_GETARG_TEXT_PP(4))))));
}

/* Finds columns of the system's, which say nothing of a row. */
static bool
has_system_column(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (IsA(node, Var))
		return ((Var *) node)->varattno < 0;
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, has_system_column, arg, 0);
	return expression_tree_walker(node, has_system_column, arg);
}

/* The one query that the text holds, as it was analyzed. */
static CachedPlanSource *
prepare_query(const char *rule, const char *text)
{
	SPIPlanPtr	plan = SPI_prepare(text, 0, NULL);
	CachedPlanSource *source;

	if (plan == NULL)
		elog(ERROR, "rule \"%s\" could not be prepared: %s", rule, SPI_result_code_string(SPI_result));
	source = linitial(SPI_plan_get_plan_sources(plan));
	if (list_length(SPI_plan_get_plan_sources(plan)) != 1 || list_length(source->query_list) != 1 ||
		linitial_node(Query, source->query_list)->commandType != CMD_SELECT ||
		linitial_node(Query, source->query_list)->hasModifyingCTE)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("rule \"%s\" is not one query that only reads", rule)));
	return source;
}

static void
check_tree(const char *rule, Query *query)
{
	if (contain_volatile_functions((Node *) query))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule \"%s\" calls a volatile function", rule),
				 errhint("What it says of a row must not change from one look to the next. If the function reads and computes only, declare it STABLE or IMMUTABLE.")));
	if (query_tree_walker(query, has_system_column, NULL, 0))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("rule \"%s\" reads a column of the system's", rule),
				 errhint("Where a row lies and who wrote it says nothing of what it means.")));
}

/* A query that was prepared, looked at, and run for no row: rights are looked at then. */
static CachedPlanSource *
tried_query(const char *rule, const char *query)
{
	SPIExecuteOptions options = {.read_only = true};
	CachedPlanSource *source = prepare_query(rule, query);

	check_tree(rule, linitial_node(Query, source->query_list));
	if (SPI_execute_extended(psprintf("SELECT FROM (%s\n) q LIMIT 0", query), &options) < 0)
		elog(ERROR, "rule \"%s\" could not be tried", rule);
	return source;
}

/* Of the relations that a query reads, those that are not PostgreSQL's own. */
static ArrayType *
relations_read(const List *relations)
{
	Datum	   *values = palloc(sizeof(Datum) * (list_length(relations) + 1));
	int			count = 0;
	List	   *seen = NIL;

	foreach_oid(relation, relations)
	{
		if (get_rel_namespace(relation) == PG_CATALOG_NAMESPACE || list_member_oid(seen, relation))
			continue;
		seen = lappend_oid(seen, relation);
		values[count++] = ObjectIdGetDatum(relation);
	}
	return construct_array(values, count, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT);
}

/*
 * syncup.check_query(role regrole, rule text, query text) returns regclass[]:
 * what the query of a rule reads; errors unless the role can run it.
 */
Datum
syncup_check_query(PG_FUNCTION_ARGS)
{
	char	   *rule = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(2));
	RuleText	at_hand = {rule, NULL};
	ErrorContextCallback callback = {error_context_stack, name_rule, &at_hand};
	MemoryContext context = CurrentMemoryContext;
	CachedPlanSource *volatile source = NULL;
	ArrayType  *result;
	RoleScope	scope;

	SPI_connect();
	error_context_stack = &callback;
	role_begin(&scope, PG_GETARG_OID(0), true);
	PG_TRY();
	{
		source = tried_query(rule, query);
	}
	PG_CATCH();
	{
		expression_failed(context, psprintf("rule \"%s\"", rule), NULL, NULL);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	result = relations_read(source->relationOids);
	role_end(&scope);
	error_context_stack = callback.previous;
	SPI_finish();
	PG_RETURN_ARRAYTYPE_P(result);
}

/*
 * syncup.explain_as(role regrole, query text) returns json: how a query of a rule
 * would be run.  Planning calls code, too, and so it has the role's rights.
 */
Datum
syncup_explain_as(PG_FUNCTION_ARGS)
{
	char	   *query = text_to_cstring(PG_GETARG_TEXT_PP(1));
	MemoryContext context = CurrentMemoryContext;
	RoleScope	scope;
	char	   *plan;

	SPI_connect();
	role_begin(&scope, PG_GETARG_OID(0), true);
	(void) caller_sql(psprintf("EXPLAIN (FORMAT JSON) %s", query), SQL_NO_ARGS);
	MemoryContextSwitchTo(context);
	plan = sql_text(0, 1);
	role_end(&scope);
	SPI_finish();
	PG_RETURN_TEXT_P(cstring_to_text(plan));
}
