/*
 * delta.h
 *		The rows that a batch changes in previous, as text: syncup_delta.
 */
#ifndef SYNCUP_DELTA_H
#define SYNCUP_DELTA_H

#include "syncup.h"
#include "config/change_command.h"
#include "config/config.h"
#include "lib/stringinfo.h"
#include "digest/row_digest.h"

typedef struct DeltaWriter DeltaWriter;

/* epoch: what digests of the rows are taken with; NULL: none are kept. */
extern DeltaWriter *delta_open(const Mapping *mapping, const pg_uuid_t *batch,
							   const DigestEpoch *epoch);

/*
 * Writes a row: command insert, update or delete, and all stored fields, not
 * terminated, NULL for null.  Command keep, with the key alone: the source has
 * a row of this key that was set aside, so that it must not be deleted even if
 * previous does not know it (SPEC 4.3).  values: the digest of what the target
 * gets of the fields, NULL where it is not known.
 */
extern void delta_write(DeltaWriter *writer, ChangeCommand command,
						const char *const *fields, const size_t *lengths,
						const Digest *values);

/*
 * Of the next row that is written: the text that its key had before, where that
 * was another one (0: it was not), and what it is found by, where it has not the
 * text that its value usually has (SPEC 4.1).
 */
extern void delta_key_spelling(DeltaWriter *writer, Datum old_key, const int64 *key_hash);

/* The same from stored texts; commands orphan and found: see resolve.c. */
extern void delta_write_stored(DeltaWriter *writer, ChangeCommand command,
							   const Datum *fields, const bool *nulls,
							   const Digest *values);
extern void delta_close(DeltaWriter *writer);

/*
 * Makes previous what it is after the batch: deletes, updates, inserts; of an
 * initial batch inserts alone.
 */
extern void delta_apply_to_previous(const Mapping *mapping, const pg_uuid_t *batch, bool initial);

/*
 * Keeps the rows of previous that the batch is about to update, as rows of the
 * delta with command "before", so that it can be undone.
 */
extern void delta_keep_before(const Mapping *mapping, const pg_uuid_t *batch);

/*
 * Whether previous still is what the batch left of the rows it changed; if
 * not, their number, and the first of their keys.
 */
extern int64 delta_changed_since(const Mapping *mapping, const pg_uuid_t *batch,
								 StringInfo keys, int most);

/* Makes previous what it was before the batch. */
extern void delta_take_back(const Mapping *mapping, const pg_uuid_t *batch);

#endif							/* SYNCUP_DELTA_H */
