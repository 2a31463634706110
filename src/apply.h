/*
 * apply.h
 *		Writing changes to a target, with the caller's rights.
 */
#ifndef SYNCUP_APPLY_H
#define SYNCUP_APPLY_H

#include "syncup.h"
#include "changes.h"
#include "lib/stringinfo.h"
#include "plans.h"

/*
 * Holds the changes of a batch, or what takes them back, against the target as
 * it is now.  Those already done are dropped from the change table; returns how
 * many meet a row that somebody else has changed, and names the first of them.
 */
extern int64 apply_review(const Mapping *mapping, const pg_uuid_t *batch, bool back,
						  StringInfo stale);

/*
 * Writes the stored changes of every mapping of a connector, or takes them
 * back: links go first and come last (SPEC 5.5).  Errors with 40001 if a target
 * row is not as a change says it was.
 */
extern void apply_changes(Connector *connector, const pg_uuid_t *batch, bool back);

/*
 * Remembers of the rows that a batch has inserted, whose changes are kept, what
 * is not mapped: undo must not delete what somebody has written there since.
 */
extern void apply_remember(const Mapping *mapping, const pg_uuid_t *batch);

/*
 * Between these two calls statements write as one statement does that has many
 * parts: triggers FOR EACH ROW that fire after it, and so foreign keys and what
 * they do ON DELETE, wait for the end of the whole.  A row may go and those that
 * refer to it move to another, in whatever order they are written.
 */
typedef struct EState Writing;

extern Writing *writing_begin(void);
extern void writing_end(Writing *writing);

/* SQL: the constant that inserted rows get in a column; NULL: there is none. */
/* Adds the constants of a mapping to the lists of an insert. */
extern void add_constants(const Mapping *mapping, StringInfo columns, StringInfo values);

extern char *constant_sql(const Mapping *mapping, const char *column);

/* SQL: whether change s is this action. */
extern char *is_action(ChangeAction action);

/*
 * Runs a statement that must write just so many rows; errors with 40001.  The
 * caller has called writing_begin().
 */
extern void write_rows(const Mapping *mapping, const char *sql, PlanKind kind, int64 expected);

/* The same of a statement that stands alone where constraints do not tie its target to others. */
extern void write_statement(const Mapping *mapping, const char *sql, PlanKind kind, int64 expected);

/*
 * Writes the delta of an initial batch straight into the target, which is
 * empty; returns the number of rows.
 */
extern int64 apply_initial(const Mapping *mapping, const pg_uuid_t *batch);

#endif							/* SYNCUP_APPLY_H */
