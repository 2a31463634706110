/*
 * change_file.h
 *		A file that carries changes instead of rows: their net effect per key
 *		(SPEC 4.4).
 */
#ifndef SYNCUP_CHANGE_FILE_H
#define SYNCUP_CHANGE_FILE_H

#include "syncup.h"
#include "prepare/baseline.h"
#include "store/batch.h"
#include "store/quarantine.h"
#include "csv/reader.h"

/* Begins with a Record (record.h). */
typedef struct ChangeFile ChangeFile;

/*
 * queue: the batches ahead, list of Batch.  entries: rows are entries of a directory:
 * one tells all links of its side 1, and one that went nothing but its entryUUID.
 */
extern ChangeFile *change_file_open(const Mapping *mapping, const Options *options,
									const pg_uuid_t *batch, List *queue, Quarantine *quarantine,
									bool entries);

/* Goes on with a file: finds its columns.  Several are read in turn, as if they were one. */
extern void change_file_begin(ChangeFile *file, Reader *reader);

/* Takes the reader's present row. */
extern void change_file_take(ChangeFile *file);

/* At the end of each file: errors if none of its rows could be used.  Returns their number. */
extern int64 change_file_end(ChangeFile *file);

/* Once every row of every file was taken: writes the net effect of each key to the delta. */
extern void change_file_finish(ChangeFile *file);

#endif							/* SYNCUP_CHANGE_FILE_H */
