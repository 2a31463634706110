/*
 * typed_rows.h
 *		Rows of our own tables, handed to statements on targets.
 */
#ifndef SYNCUP_TYPED_ROWS_H
#define SYNCUP_TYPED_ROWS_H

#include "syncup.h"
#include "config/config.h"
#include "tool/rows.h"
#include "store/stored_table.h"

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

/* Of the row added last: the digest of its values (RowDigest). */
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

#endif							/* SYNCUP_TYPED_ROWS_H */
