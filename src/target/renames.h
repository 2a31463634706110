/*
 * renames.h
 *		Rows whose key changes (SPEC 2.7): options old_key and stable_key.
 *
 * The delta has such a row twice, as a key that goes and one that comes: previous
 * and what is queued know nothing else.  Beside the one stands the key that it
 * gets, beside the other the one that it had, in column "renamed".  In the target
 * it is one update: the key is written before everything else of the batch, and
 * with it the links that lead to the row; what takes the batch back writes it
 * last.
 */
#ifndef SYNCUP_RENAMES_H
#define SYNCUP_RENAMES_H

#include "syncup.h"
#include "config/config.h"
#include "store/stored_table.h"
#include "target/typed_rows.h"

/* Whether keys of a mapping may change. */
#define may_rename(m) \
	((m)->options->old_key != NULL || (m)->options->stable_key != NULL)

/* The stored column that tells a former key; -1: there is none. */
extern int	former_key_column(const Mapping *mapping);

/* The stored column by which a row with a new key is known as a former one; -1: there is none. */
extern int	rename_column(const Mapping *mapping);

/*
 * Finds the keys of a batch's delta that go and come as those of one row, and
 * notes it there; returns how many there are.  A key that goes while the row that
 * may have it anew was set aside does not go (SPEC 4.3): these are counted in *kept.
 */
extern int64 renames_find(const Mapping *mapping, const pg_uuid_t *batch, int64 *kept);

/*
 * The same where another mapping of the target has set a row of the key aside:
 * the row would change hands, were that one not bad.  Once all files were read.
 */
extern int64 keys_kept_elsewhere(const Mapping *mapping, const pg_uuid_t *batch);

/* Calls back with each key of a batch's delta that has another now. */
extern void renames_visit(const Mapping *mapping, const pg_uuid_t *batch,
						  void (*visit) (void *arg, const char *former, const char *key), void *arg);

/* Whether the values of a side of an association are keys of its connector that may change. */
extern bool is_renamed_side(const Mapping *association, int side);
extern bool may_follow_renames(const Mapping *mapping);

/* Whether the row at hand of a delta is that of a key whose row stays under another. */
extern bool is_renamed_away(StoredTable *delta);

/*
 * While links are built the targets are seen as they will be once keys have
 * changed: these are at hand in mapping->state.renamed ("former" and "key").
 */
extern void renames_begin(Connector *connector, const pg_uuid_t *batch);
extern void renames_end(Connector *connector);
extern bool renames_at_hand(const Connector *connector);

/*
 * SQL: a relation with the columns of a table, as it will be once keys have
 * changed: what may be read of it.  It is the relation itself where none at hand
 * concerns the table.
 */
extern char *renamed_relation(const Connector *connector, Oid table, const char *relation);

/* Gives links of the source, with "k1" and "k2", the keys that they will lead to. */
extern TypedRows *renamed_links(const Mapping *association, TypedRows *links);

/*
 * Writes the keys that stored changes of a batch change, or takes them back, and
 * rewrites the links to their rows; whether there are any.
 */
extern bool renames_are_there(const Connector *connector, const pg_uuid_t *batch);
extern void renames_apply(Connector *connector, const pg_uuid_t *batch, bool back);

#endif							/* SYNCUP_RENAMES_H */
