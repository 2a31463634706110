/*
 * condition.c
 *		Conditions that a mapping is given as SQL.
 *
 * A "scope" goes into statements on the target.  A "where" is asked of every row
 * of a file, before anything else: it is made once into what the executor
 * evaluates, over a row of texts, without a statement.  Both run with the rights
 * of whoever runs the connector, and find functions in pg_catalog or qualified.
 */
#include "csv/condition.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "tool/guard.h"
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parser.h"
#include "utils/memutils.h"

/* Whether a statement parsed from an expression holds one and nothing else. */
static bool
is_bare_expression(const SelectStmt *statement)
{
	const ResTarget *target;

	if (list_length(statement->targetList) != 1 || statement->fromClause != NIL ||
		statement->whereClause != NULL || statement->groupClause != NIL ||
		statement->havingClause != NULL || statement->sortClause != NIL ||
		statement->limitCount != NULL || statement->limitOffset != NULL ||
		statement->distinctClause != NIL || statement->windowClause != NIL ||
		statement->lockingClause != NIL || statement->op != SETOP_NONE)
		return false;
	target = linitial_node(ResTarget, statement->targetList);
	return target->name == NULL &&
		!(IsA(target->val, ColumnRef) && IsA(linitial(((ColumnRef *) target->val)->fields), A_Star));
}

Node *
bare_expression(const char *text)
{
	List	   *parsed = raw_parser(text, RAW_PARSE_PLPGSQL_EXPR);
	SelectStmt *statement = (SelectStmt *) linitial_node(RawStmt, parsed)->stmt;

	return is_bare_expression(statement) ? linitial_node(ResTarget, statement->targetList)->val : NULL;
}

Node *
condition_parse(ParseState *state, const char *option, const char *text, const char *hint)
{
	Node	   *expression = bare_expression(text);

	if (expression == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("option \"%s\" is not an expression", option),
				 errhint("%s", hint)));
	state->p_sourcetext = text;
	expression = transformWhereClause(state, expression, EXPR_KIND_CHECK_CONSTRAINT, option);
	assign_expr_collations(state, expression);
	return expression;
}

/* ---------- where ---------- */

#define WHERE_HINT	"Give a condition over the file's columns, such as status <> 'deleted'."

/* The columns of an expression that is being parsed. */
typedef struct Columns
{
	ColumnFinder find;
	void	   *arg;
	int			count;
	int			capacity;
	int		   *found;
} Columns;

/* The number of a column in the row of texts, added where it is new. */
static int
add_column(Columns *columns, int found)
{
	for (int i = 0; i < columns->count; i++)
		if (columns->found[i] == found)
			return i;
	if (columns->count == columns->capacity)
	{
		columns->capacity = columns->capacity * 2 + 8;
		columns->found = columns->found == NULL ? palloc(sizeof(int) * columns->capacity) :
			repalloc(columns->found, sizeof(int) * columns->capacity);
	}
	columns->found[columns->count] = found;
	return columns->count++;
}

/* What a name means that is none of PostgreSQL's: a column of the file, as text. */
static Node *
resolve_column(ParseState *state, ColumnRef *reference, Node *known)
{
	Columns    *columns = state->p_ref_hook_state;
	Node	   *name = linitial(reference->fields);
	int			found;

	if (known != NULL || list_length(reference->fields) != 1 || !IsA(name, String))
		return NULL;
	found = columns->find(columns->arg, strVal(name));
	if (found < 0)
		return NULL;
	return (Node *) makeVar(1, add_column(columns, found) + 1, TEXTOID, -1, DEFAULT_COLLATION_OID, 0);
}

/* Parses the expression; the names in it become columns of a row of texts. */
static Expr *
parse_where(const char *text, Columns *columns)
{
	ParseState *state = make_parsestate(NULL);
	Node	   *expression;

	state->p_post_columnref_hook = resolve_column;
	state->p_ref_hook_state = columns;
	expression = condition_parse(state, "where", text, WHERE_HINT);
	if (contain_mutable_functions(expression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"where\" is not immutable"),
				 errdetail("What it says of a row must depend on the row alone: not on the time, a setting or a table."),
				 errhint("The columns are texts: compare dates in ISO form as texts, such as end_date >= '2026-01-01'.")));
	free_parsestate(state);
	return expression_planner((Expr *) expression);
}

Where *
where_open(const Options *options, ColumnFinder find, void *arg)
{
	Columns		columns = {.find = find, .arg = arg};
	Where	   *where;
	Expr	   *expression;
	TupleDesc	tupdesc;
	int			path;

	if (options->where == NULL)
		return NULL;
	path = search_path_pin();
	expression = parse_where(options->where, &columns);
	where = palloc0(sizeof(Where));
	where->ncolumns = columns.count;
	where->columns = columns.found;
	tupdesc = CreateTemplateTupleDesc(columns.count);
	for (int i = 0; i < columns.count; i++)
		TupleDescInitEntry(tupdesc, i + 1, NULL, TEXTOID, -1, 0);
	where->slot = MakeSingleTupleTableSlot(tupdesc, &TTSOpsVirtual);
	where->values = where->slot->tts_values;
	where->nulls = where->slot->tts_isnull;
	where->cannot_fail = !contain_leaked_vars((Node *) expression);
	where->context = CreateStandaloneExprContext();
	where->context->ecxt_scantuple = where->slot;
	where->state = ExecInitExpr(expression, NULL);
	settings_restore(path);
	return where;
}

/* Evaluates the expression. */
static void
evaluate(void *arg)
{
	Where	   *where = arg;
	bool		isnull;
	Datum		result;

	ExecClearTuple(where->slot);
	ExecStoreVirtualTuple(where->slot);
	result = ExecEvalExprSwitchContext(where->state, where->context, &isnull);
	where->result = !isnull && DatumGetBool(result);
	ResetExprContext(where->context);
}

/* The same; what it raises may quote a value, which must not reach the server's log. */
static void
evaluate_with_care(void *arg)
{
	ErrorData  *error = caught_values(evaluate, arg);

	if (error != NULL)
		ereport(ERROR,
				(errcode(is_value_error(error) ? error->sqlerrcode : ERRCODE_DATA_EXCEPTION),
				 errmsg("option \"where\" cannot be evaluated for a row"),
				 errdetail("%s", error->message),
				 errdetail_log("The reason was sent to the client."),
				 errhint("Write the condition so that it holds for every row, or set such rows aside with on_error \"quarantine\".")));
}

bool
where_holds(Where *where, char **why)
{
	ErrorData  *error = NULL;

	if (where->cannot_fail)
		evaluate(where);
	else if (why == NULL)
		evaluate_with_care(where);
	else
		error = guarded_values(evaluate_with_care, where);
	if (why != NULL)
		*why = error == NULL ? NULL : psprintf(WHERE_REASON "%s", error->detail);
	return error == NULL && where->result;
}

/* The column of the file that an expression means. */
static int
find_file_column(void *arg, const char *name)
{
	return reader_find_column(arg, name, false);
}

Where *
reader_where(Reader *reader, const Options *options)
{
	return where_open(options, find_file_column, reader);
}

bool
reader_where_holds(Reader *reader, Where *where, char **why)
{
	for (int i = 0; i < where->ncolumns; i++)
	{
		size_t		length;
		const char *field = reader_field(reader, where->columns[i], &length);

		where->nulls[i] = field == NULL;
		if (field != NULL)
			where->values[i] = PointerGetDatum(cstring_to_text_with_len(field, length));
	}
	return where_holds(where, why);
}
