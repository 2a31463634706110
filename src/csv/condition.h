/*
 * condition.h
 *		Conditions that a mapping is given as SQL: option "scope" over columns of
 *		its target, "watch" over those columns as texts, "where" over columns of its file.
 */
#ifndef SYNCUP_CONDITION_H
#define SYNCUP_CONDITION_H

#include "syncup.h"
#include "executor/executor.h"
#include "config/options.h"
#include "parser/parse_node.h"
#include "csv/reader.h"
#include "utils/resowner.h"

/*
 * The one expression that a text holds, as the grammar sees it; NULL where it holds
 * something else.  Such a text is still one expression between parentheses.
 */
extern Node *bare_expression(const char *text);

/*
 * Where an error was caught: raises it again, as one of an expression of a user's.
 * Its message says where that stands, such as: option "scope"; a hint says what
 * names need.  A position is one in the text, NULL: stays.  hint is one for errors
 * without, or NULL.
 */
pg_noreturn extern void expression_failed(MemoryContext context, const char *place, const char *text, const char *hint);

/*
 * The one boolean expression that the text of an option holds, of the kind that
 * a check constraint may have; another one is an error with the given hint.
 */
extern Node *condition_parse(ParseState *state, const char *option, const char *text, const char *hint);

typedef struct Answers Answers;

/*
 * Option "where", ready to be asked: of each column that it names, what the finder
 * made of the name.  Before it is asked, values and nulls are filled in, as texts.
 */
typedef struct Where
{
	int			ncolumns;
	int		   *columns;
	Datum	   *values;
	bool	   *nulls;

	ExprState  *state;
	ExprContext *context;
	TupleTableSlot *slot;
	bool		cannot_fail;	/* no value makes it raise an error */
	bool		builtin;		/* nothing in it is a user's */
	ResourceOwner owner;		/* of what its evaluation holds */
	Answers    *answers;		/* those given last; NULL: it is asked each time */
	bool		result;
} Where;

/* What an expression means by a name: a number from 0, or -1: nothing. */
typedef int (*ColumnFinder) (void *arg, const char *name);

/*
 * NULL where the option is not given.  Errors with 42703 if the finder does not
 * know a column, and if the expression is not immutable.
 */
extern Where *where_open(const Options *options, ColumnFinder find, void *arg);

/* Errors unless option "watch" is immutable and calls only what came with PostgreSQL. */
extern void watch_check(const char *text, ColumnFinder find, void *arg);

/* What the reasons of where_holds() begin with; what comes behind may quote a value. */
#define WHERE_REASON	"option \"where\": "

/* Option "where" of the file's columns, and of the row that the reader has at hand. */
extern Where *reader_where(Reader *reader, const Options *options);
extern bool reader_where_holds(Reader *reader, Where *where, char **why);

/*
 * Whether the row counts.  If the expression raises an error for it, that is an
 * error with no value in it; with why it is given there instead.
 */
extern bool where_holds(Where *where, char **why);

#endif							/* SYNCUP_CONDITION_H */
