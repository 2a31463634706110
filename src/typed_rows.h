/*
 * typed_rows.h
 *		Rows of our own tables, handed to statements on targets.
 */
#ifndef SYNCUP_TYPED_ROWS_H
#define SYNCUP_TYPED_ROWS_H

#include "syncup.h"
#include "config.h"
#include "stored_table.h"
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
	int64		count;
	int64		actions[ACTIONS];	/* of changes: how many of each */
	bool	   *written;		/* of changes: per mapping column, whether any writes it */
	int			nothers;		/* columns x1 to xn of changes: */
	char	  **others;			/* the target columns that they restore */
	bool		renames;		/* of source rows: "former" is the key of the row that gets theirs */
	bool		reviewed;		/* of source rows: "changed" says what to write of them */
	List	   *taken;			/* of TakenColumn: columns k1 to kn */
} TypedRows;

/*
 * The delta of a batch in the target's types, as "syncup_source": "deleted"
 * boolean (null: all that is known is that the key is there), then c1 to cn for
 * the mapping's columns that have a target (n: their index, from 1), and kept<n>,
 * whether the cell left what is there, for those that may; where keys may change
 * (renames.h) also "former", the key that the row had before.
 */
extern TypedRows *typed_source(const Mapping *mapping, const pg_uuid_t *batch);

/* The same of rows that the caller chooses. */
typedef struct TypedSource TypedSource;

typedef enum SourceState
{
	SOURCE_PRESENT,
	SOURCE_DELETED,
	SOURCE_KEPT
} SourceState;

extern TypedSource *typed_source_begin(const Mapping *mapping);
extern void typed_source_add(TypedSource *source, StoredTable *table, SourceState state);

/* Of the row added last: its key (KeyType), and the digest of its values (RowDigest). */
extern Datum typed_source_key(TypedSource *source);
extern Digest typed_source_digest(TypedSource *source, const DigestEpoch *epoch, RowBytes *bytes);

extern TypedRows *typed_source_publish(TypedSource *source);

/*
 * The stored changes of a batch, or what takes them back: "action" text,
 * "place" tid of the change row, "retired" timestamptz (the time to set, or
 * that was set, in deleted_column), "remembered" whether there is an old row or
 * what is remembered of an inserted one, "number" (passing.h); then for each mapped column c<n> the new
 * value, h<n> whether it is written, o<n> the old value; for inserts that take
 * a deletion back also x<n>, the values of columns that are not mapped; where rows
 * may change hands also k<n>, the old values of what is written then.
 */
extern TypedRows *typed_changes(const Mapping *mapping, const pg_uuid_t *batch, bool back);

/* SQL: whether a stored change is an insertion of a row that was there. */
extern char *came_back_sql(const Mapping *mapping);

/* The attribute of that number, from 1. */
#define CHANGE_NUMBER	5

/* The word of an action in column "action". */
extern const char *action_name(ChangeAction action);

/*
 * The new values of stored changes in the form of typed_source(), with "changed"
 * name[], the columns that each writes.
 */
extern TypedRows *typed_reviewed(const Mapping *mapping, const pg_uuid_t *batch);

/* Rows of a name without columns yet, to be filled and then published. */
extern TypedRows *typed_rows_begin(const char *name, int ncolumns);
extern void typed_rows_publish(TypedRows *rows);

/* The rows of a cursor, which is closed, with the names that its query gives. */
extern TypedRows *typed_rows_gather(const char *name, Portal cursor);

extern void typed_rows_forget(TypedRows *rows);

#endif							/* SYNCUP_TYPED_ROWS_H */
