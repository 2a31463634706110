/*
 * stored_table.h
 *		The rows of a mapping's previous or delta table, read.
 */
#ifndef SYNCUP_STORED_TABLE_H
#define SYNCUP_STORED_TABLE_H

#include "syncup.h"
#include "config/config.h"
#include "executor/tuptable.h"
#include "digest/row_digest.h"
#include "utils/snapshot.h"

typedef struct StoredTable
{
	const Mapping *mapping;
	Relation	relation;
	TupleTableSlot *slot;		/* the row at hand */
	AttrNumber *attnums;		/* of the mapping's stored columns */
	AttrNumber	command;		/* of the column "command"; 0: previous has none */
	AttrNumber	digest;			/* of the column "digest"; 0: associations have none */
	AttrNumber	old_key;		/* of the column "old_key"; 0: only deltas of entity types have it */
	AttrNumber	renamed;		/* of the column "renamed"; 0: likewise */
	AttrNumber	key_hash;		/* of the column "key_hash"; 0: associations have none */
	Relation	key_index;		/* opened when it is first needed */
	struct IndexScanDescData *key_scan;
	Relation	hash_index;
	struct IndexScanDescData *hash_scan;
	MemoryContext row_context;
	Datum	   *values;			/* of the row at hand, by stored_fields() */
	bool	   *nulls;
	RowBytes	bytes;
} StoredTable;

/* schema: syncup_previous or syncup_delta. */
extern StoredTable *stored_table_open(const Mapping *mapping, const char *schema);
extern void stored_table_close(StoredTable *table);

/* About how many rows it has. */
extern double stored_table_estimate(StoredTable *table);

/*
 * Calls visit for every row that the snapshot sees, or for every row of one
 * batch, in a memory context that is reset often.
 */
extern void stored_table_scan(StoredTable *table, Snapshot snapshot, const pg_uuid_t *batch,
							  void (*visit) (void *arg, StoredTable *table), void *arg);

/* The same of a batch's delta as it is now. */
extern void delta_scan(const Mapping *mapping, const pg_uuid_t *batch,
					   void (*visit) (void *arg, StoredTable *table), void *arg);

/* Makes the row at a place, which the snapshot must see, the one at hand. */
extern void stored_table_fetch(StoredTable *table, Snapshot snapshot, ItemPointer tid);

/*
 * Makes the row of previous with this key, a text, the one at hand; false: the
 * snapshot, always the same one, does not see any.  Not for pairs.
 */
extern bool stored_table_find(StoredTable *table, Snapshot snapshot, Datum key);

/* Calls visit for those that are found by this "key_hash", until it says true; whether it did. */
extern bool stored_table_find_hash(StoredTable *table, Snapshot snapshot, int64 hash,
								   bool (*visit) (void *arg, StoredTable *table), void *arg);

/* Whether the row at hand has this command. */
extern bool stored_command_is(StoredTable *table, const char *command);

/* Puts the stored fields of the row at hand into values and nulls, as texts. */
extern void stored_fields(StoredTable *table);

/* One of them, detoasted in the current memory context. */
extern Datum stored_field(StoredTable *table, int column, bool *isnull);

/* The digest of the row's key, as a text. */
extern Digest stored_key_digest(StoredTable *table, const DigestEpoch *epoch);

/* The same of the key that the row had before, if that was another text. */
extern bool stored_old_key_digest(StoredTable *table, const DigestEpoch *epoch, Digest *digest);
extern Datum stored_old_key(StoredTable *table, bool *isnull);

/* The key that the row has had, or gets: see renames.h. */
extern Datum stored_renamed(StoredTable *table, bool *isnull);

/* What is kept beside the row; false: nothing of this epoch. */
extern bool stored_row_digest(StoredTable *table, const DigestEpoch *epoch, RowDigest *digest);

/* The digest of its stored fields, kept or taken now. */
extern Digest stored_fields_digest(StoredTable *table, const DigestEpoch *epoch);

#endif							/* SYNCUP_STORED_TABLE_H */
