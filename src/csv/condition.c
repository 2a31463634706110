/*
 * condition.c
 *		Conditions that a mapping is given as SQL.
 *
 * A "scope" goes into statements on the target.  A "where" is asked of every row
 * of a file, before anything else: it is made once into what the executor
 * evaluates, over a row of texts, without a statement.  Both run with the rights
 * of whoever runs the connector, and find functions in pg_catalog or qualified.
 * A "watch" runs with those of whoever looks at a report, who trusts nobody who
 * maps: it may call nothing but what PostgreSQL itself brings.
 */
#include "csv/condition.h"

#include "access/transam.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "digest/row_digest.h"
#include "executor/executor.h"
#include "tool/guard.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"
#include "parser/parse_clause.h"
#include "parser/parse_collate.h"
#include "parser/parser.h"
#include "utils/syscache.h"

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

/* ---------- what goes wrong in one ---------- */

#define SCHEMA_HINT	"Functions, operators, types and tables that are not PostgreSQL's own need their schema, such as public.f(x)."

/* Whether an error is about what somebody wrote, not about the state of the server. */
static bool
is_about_text(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_SYNTAX_ERROR_OR_ACCESS_RULE_VIOLATION ||
		category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_FEATURE_NOT_SUPPORTED;
}

/* The hint that there is, but about functions, where it says little; else one about names, or the usual one. */
static const char *
hint_about(const ErrorData *error, const char *usual)
{
	bool		has_schema = strchr(error->message, '.') != NULL;

	if (error->sqlerrcode == ERRCODE_UNDEFINED_FUNCTION && !has_schema)
		return usual ? psprintf("%s %s", SCHEMA_HINT, usual) : SCHEMA_HINT;
	if (error->hint != NULL)
		return error->hint;
	if (error->sqlerrcode == ERRCODE_AMBIGUOUS_COLUMN)
		return "Say whose column it is, such as o.name.";
	if ((error->sqlerrcode == ERRCODE_UNDEFINED_TABLE && usual == NULL && !has_schema) ||
		(error->sqlerrcode == ERRCODE_UNDEFINED_OBJECT && !has_schema))
		return SCHEMA_HINT;
	return usual;
}

void
expression_failed(MemoryContext context, const char *place, const char *text, const char *hint)
{
	ErrorData  *error;

	MemoryContextSwitchTo(context);
	error = CopyErrorData();
	if (!is_about_text(error))
		PG_RE_THROW();
	error->hint = unconstify(char *, hint_about(error, hint));
	if (strstr(error->message, place) == NULL)
		error->message = psprintf("%s: %s", place, error->message);
	if (text != NULL && error->cursorpos > 0)
	{
		error->internalpos = error->cursorpos;
		error->cursorpos = 0;
		error->internalquery = pstrdup(text);
	}
	/* Only now: "place" may lie in what goes with it. */
	FlushErrorState();
	ReThrowError(error);
}

/* The expression as it is meant here; NULL where the text holds something else. */
static Node *
parse_condition(ParseState *state, const char *option, const char *text)
{
	Node	   *expression = bare_expression(text);

	if (expression == NULL)
		return NULL;
	state->p_sourcetext = text;
	expression = transformWhereClause(state, expression, EXPR_KIND_CHECK_CONSTRAINT, option);
	assign_expr_collations(state, expression);
	return expression;
}

Node *
condition_parse(ParseState *state, const char *option, const char *text, const char *hint)
{
	MemoryContext context = CurrentMemoryContext;
	Node	   *volatile expression = NULL;
	int			settings = search_path_pin();

	PG_TRY();
	{
		expression = parse_condition(state, option, text);
	}
	PG_CATCH();
	{
		expression_failed(context, psprintf("option \"%s\"", option), text, hint);
	}
	PG_END_TRY();
	settings_restore(settings);
	if (expression == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_SYNTAX_ERROR),
				 errmsg("option \"%s\" is not an expression", option),
				 errhint("%s", hint)));
	return expression;
}

/* ---------- over texts ---------- */

#define WHERE_HINT	"Give a condition over the file's columns, as texts, such as status <> 'deleted'."
#define WATCH_HINT	"Give a condition over the mapped columns of the target, as texts, such as login LIKE 'svc-%'."

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

/* What a name means that is none of PostgreSQL's: a column, as text. */
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

/* Parses the expression of an option; the names in it become columns of a row of texts. */
static Node *
parse_over_texts(const char *option, const char *text, const char *hint, Columns *columns)
{
	ParseState *state = make_parsestate(NULL);
	Node	   *expression;

	state->p_post_columnref_hook = resolve_column;
	state->p_ref_hook_state = columns;
	expression = condition_parse(state, option, text, hint);
	if (contain_mutable_functions(expression))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"%s\" is not immutable", option),
				 errdetail("What it says of a row must depend on the row alone: not on the time, a setting or a table."),
				 errhint("The columns are texts: compare dates in ISO form as texts, such as end_date >= '2026-01-01'.")));
	free_parsestate(state);
	return expression;
}

/* Whether a function is another than the server's own, in C. */
static bool
is_users_function(Oid function, void *arg)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool		result = !HeapTupleIsValid(tuple) || function >= FirstNormalObjectId ||
		((Form_pg_proc) GETSTRUCT(tuple))->prolang != INTERNALlanguageId;

	if (HeapTupleIsValid(tuple))
		ReleaseSysCache(tuple);
	return result;
}

/*
 * Whether an expression calls what a user has made.  A type may do so as well: that
 * of a domain, or a composite one.
 */
static bool
calls_users_code(Node *node, void *arg)
{
	if (node == NULL)
		return false;
	if (!IsA(node, List) &&
		(exprType(node) >= FirstNormalObjectId || check_functions_in_node(node, is_users_function, NULL)))
		return true;
	return expression_tree_walker(node, calls_users_code, NULL);
}

/* ---------- watch ---------- */

void
watch_check(const char *text, ColumnFinder find, void *arg)
{
	Columns		columns = {.find = find, .arg = arg};

	if (calls_users_code(parse_over_texts("watch", text, WATCH_HINT, &columns), NULL))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("option \"watch\" uses a function, operator or type that did not come with PostgreSQL"),
				 errdetail("It is evaluated with the rights of whoever looks at a report."),
				 errhint("%s", WATCH_HINT)));
}

/* ---------- answers given before ---------- */

/*
 * What a user has made costs microseconds, and a subtransaction where its error is
 * to be survived; a condition is immutable, and most columns that one asks hold few
 * values.  So the answers given last are remembered, by digests of what was asked.
 */
#define ANSWERS	4096

struct Answers
{
	DigestKey	key;
	RowBytes	bytes;
	Digest		asked[ANSWERS];
	bool		given[ANSWERS];
	bool		held[ANSWERS];
};

static Answers *
answers_create(void)
{
	Answers    *answers = palloc0(sizeof(Answers));

	digest_key_random(&answers->key);
	row_bytes_init(&answers->bytes);
	return answers;
}

/* The place of the answer for the row at hand; *known: whether it is there. */
static int
find_answer(const Where *where, bool *known)
{
	Answers    *answers = where->answers;
	Digest		digest;
	int			place;

	row_bytes_reset(&answers->bytes);
	for (int i = 0; i < where->ncolumns; i++)
		row_bytes_add_stored(&answers->bytes, where->values[i], where->nulls[i]);
	digest = row_bytes_digest(&answers->bytes, &answers->key);
	place = digest.low % ANSWERS;
	*known = answers->given[place] && digest_equal(&answers->asked[place], &digest);
	answers->asked[place] = digest;
	answers->given[place] = *known;
	return place;
}

/* ---------- asking ---------- */

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
	expression = expression_planner((Expr *) parse_over_texts("where", options->where, WHERE_HINT, &columns));
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
	where->builtin = !calls_users_code((Node *) expression, NULL);
	if (!where->cannot_fail && !where->builtin)
		where->answers = answers_create();
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

/* Evaluates it; why it cannot be, or NULL.  Without survives that is an error. */
static char *
ask(Where *where, bool survives)
{
	ErrorData  *error;

	if (where->cannot_fail)
		evaluate(where);
	else if (!survives)
		evaluate_with_care(where);
	else if (where->builtin)
	{
		error = caught_builtin(evaluate, where, &where->owner);
		return error ? error->message : NULL;
	}
	else
	{
		error = guarded_values(evaluate_with_care, where);
		return error ? error->detail : NULL;
	}
	return NULL;
}

bool
where_holds(Where *where, char **why)
{
	bool		known = false;
	int			place = where->answers ? find_answer(where, &known) : 0;
	char	   *reason = NULL;

	if (known)
		where->result = where->answers->held[place];
	else
		reason = ask(where, why != NULL);
	if (where->answers != NULL && reason == NULL)
	{
		where->answers->given[place] = true;
		where->answers->held[place] = where->result;
	}
	if (why != NULL)
		*why = reason == NULL ? NULL : psprintf(WHERE_REASON "%s", reason);
	return reason == NULL && where->result;
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
