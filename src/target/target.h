/*
 * target.h
 *		SQL about targets: their columns, keys and rows, and how they are written.
 */
#ifndef SYNCUP_TARGET_H
#define SYNCUP_TARGET_H

#include "syncup.h"
#include "config/config.h"
#include "lib/stringinfo.h"
#include "tool/plans.h"
#include "tool/rows.h"

/* How many changes of each kind a mapping has. */
typedef struct ChangeCounter
{
	int64		inserted;
	int64		updated;
	int64		deleted;
	int64		taken;			/* of the inserted: rows outside the scope, if another mapping lets them go */
	int64		stored_before;	/* rows of the target before */
} ChangeCounter;

/* SQL: whether two values of a mapped column differ, as equal_sql() compares them. */
extern char *distinct_sql(const MappingColumn *column, const char *a, const char *b);

/*
 * SQL: whether two values of a mapped column are equal; null if one is null.  By
 * the type's equality, or by their texts where the column says so (by_text) or
 * the type has none.
 */
extern char *equal_sql(const MappingColumn *column, const char *a, const char *b);

/* The column of the target, quoted, as t."column". */
extern char *target_column(const MappingColumn *column);

/* SQL: what a row that is inserted holds in a mapped column: of what the source says nothing of, its default. */
extern char *inserted_value(const Mapping *mapping, int number);

/*
 * SQL about the key of an entity type, in the target's rows "t" and in rows with
 * columns c<n> under an alias: whether both have the same, whether there is one,
 * its columns, and its text.
 */
extern char *same_key(const Mapping *mapping, const char *rows);
extern char *same_key_of(const Mapping *mapping, const char *a, const char *b);
extern char *has_key(const Mapping *mapping, const char *rows);
extern char *target_has_key(const Mapping *mapping);
extern char *key_columns(const Mapping *mapping, const char *rows);
extern char *key_text_sql(const Mapping *mapping, const char *rows);

/* The key's columns of a change table, and of target row r, named as those of typed rows. */
extern char *key_as_typed(const Mapping *mapping);
extern char *target_key_as_typed(const Mapping *mapping);

/*
 * SQL: the rows of the target as "t", with two columns more, which the next
 * three name: whether the row is not in the scope, and the time in its
 * deleted_column; current rows are in the scope and not retired.
 */
extern char *target_rows(const Mapping *mapping);
extern char *is_outside(const Mapping *mapping);
extern char *retired_at(const Mapping *mapping);
extern char *is_current(const Mapping *mapping);

/*
 * The same of rows that were read from the target, registered under a name.
 * Where neither scope nor deleted_column is set every row is alike: the target
 * can be read as it is, and the two columns be added when they are wanted.
 */
extern char *target_rows_read(const Mapping *mapping, const char *name);
extern bool all_rows_alike(const Mapping *mapping);

/* Whether a column of the target is neither mapped nor generated, nor holds links of the connector. */
extern bool is_unmapped_column(const Mapping *mapping, Form_pg_attribute attribute);

/* Whether the caller may read every column of the target. */
extern bool may_read_all(const Mapping *mapping);

/* The columns of the target to read, as r."column", and one more, if any. */
extern char *readable_columns(const Mapping *mapping, const char *more);

/* The same with a column that is not mapped. */
extern char *target_rows_with(const Mapping *mapping, const char *column);

/* Whether so many rows are to be looked up in the target by its key (plans.h). */
extern bool is_few(const Mapping *mapping, int64 rows);

/* Adds the constants of a mapping to the lists of an insert. */
extern void add_constants(const Mapping *mapping, StringInfo columns, StringInfo values);

/* SQL: the constant that inserted rows get in a column; NULL: there is none. */
extern char *constant_sql(const Mapping *mapping, const char *column);

/*
 * Between these two calls statements write as one statement does that has many
 * parts: triggers FOR EACH ROW that fire after it, and so foreign keys and what
 * they do ON DELETE, wait for the end of the whole.  A row may go and those that
 * refer to it move to another, in whatever order they are written.
 */
typedef struct EState Writing;

extern Writing *writing_begin(void);
extern void writing_end(Writing *writing);

/* SQL: whether change s is this action. */
extern char *is_action(ChangeAction action);

/*
 * Runs a statement that must write just so many rows; errors with 40001.  The
 * caller has called writing_begin().
 */
extern void write_rows(const Mapping *mapping, const char *sql, PlanKind kind, int64 expected);

/* The same of a statement that stands alone where constraints do not tie its target to others. */
extern void write_statement(const Mapping *mapping, const char *sql, PlanKind kind, int64 expected);

#endif							/* SYNCUP_TARGET_H */
