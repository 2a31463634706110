/*
 * rows.h
 *		Rows handed to statements as a relation of a name.
 */
#ifndef SYNCUP_ROWS_H
#define SYNCUP_ROWS_H

#include "syncup.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "utils/portal.h"
#include "utils/tuplestore.h"

/* What a change does to a target row. */
typedef enum ChangeAction
{
	ACTION_INSERT,
	ACTION_UPDATE,
	ACTION_DELETE,
	ACTION_RETIRE,				/* deleted_column gets the time */
	ACTION_REVIVE,				/* and becomes null again */
	ACTION_GIVE,				/* nothing: another mapping of the table takes the row */
	ACTION_TAKE,				/* it takes it: handover.h */
	ACTIONS
} ChangeAction;

/*
 * Rows that a statement sees as a relation of the given name.  Columns: see
 * the function that made them.
 */
typedef struct TypedRows
{
	const char *name;
	Tuplestorestate *store;
	TupleDesc	tupdesc;
	int			described;		/* its columns that have a name and type */
	int64		count;
	int64		actions[ACTIONS];	/* of changes: how many of each */
	bool	   *written;		/* of changes: per mapping column, whether any writes it */
	int			nothers;		/* columns x1 to xn of changes: */
	char	  **others;			/* the target columns that they restore */
	bool		renames;		/* of source rows: "former" is the key of the row that gets theirs */
	bool		reviewed;		/* of source rows: "changed" says what to write of them */
	List	   *taken;			/* of TakenColumn: columns k1 to kn */
} TypedRows;

/* Rows of a name without columns yet, to be described, filled and then published. */
extern TypedRows *typed_rows_begin(const char *name, int ncolumns);
extern void typed_rows_column(TypedRows *rows, const char *name, Oid type, int32 typmod, Oid collation);
extern void typed_rows_put(TypedRows *rows, Datum *values, bool *nulls);

/* A column of texts of ours. */
#define typed_rows_text(rows, name) \
	typed_rows_column((rows), (name), TEXTOID, -1, C_COLLATION_OID)
extern void typed_rows_publish(TypedRows *rows);

/* The rows of a cursor, which is closed, with the names that its query gives. */
extern TypedRows *typed_rows_gather(const char *name, Portal cursor);

extern void typed_rows_forget(TypedRows *rows);

#endif							/* SYNCUP_ROWS_H */
