/*
 * batch.h
 *		Batches: the queue of a connector and its history.
 */
#ifndef SYNCUP_BATCH_H
#define SYNCUP_BATCH_H

#include "syncup.h"
#include "config/config.h"
#include "csv/source.h"
#include "tool/sql.h"
#include "utils/array.h"

typedef struct Batch
{
	pg_uuid_t	id;
	char	   *connector;
	char	   *mode;
	char	   *status;
	bool		prepared;		/* false: its prepare failed, it holds nothing */
	bool		source_changes; /* computed by the source: lost when declined */
	bool		changes_kept;
	Jsonb	   *limits;
} Batch;

/* What prepare counts for one mapping (syncup.batch_counter). */
typedef struct PrepareCounter
{
	int64		rows_read;
	int64		rows_kept;
	int64		null_keys;
	int64		duplicates;
	int64		rejected;
	int64		empty_links;
	int64		filtered;
	int64		set_aside;		/* of those above, the ones in quarantine */
	int64		delta_inserted;
	int64		delta_updated;
	int64		delta_deleted;
	bool		deletions_suspended;
} PrepareCounter;

/* The text of a batch's uuid. */
extern char *batch_text(const pg_uuid_t *id);

/* Queues a new batch: status prepared, prepared by the current role, now. */
extern pg_uuid_t *batch_create(const char *connector, const char *mode);

/*
 * Notes that a batch holds changes computed by the source, or stands for such:
 * once it is declined or undone, only a complete run can make good for them.
 */
extern void batch_mark_source_changes(const pg_uuid_t *id);

/*
 * Records a prepare that failed: it holds no place in the queue.  NULL if the
 * connector is not there, or is being dropped, which is not waited for.
 */
extern pg_uuid_t *batch_record_failed_prepare(const char *connector,
											  const char *mode, const ErrorData *error);

/* Reads a batch; errors with 42704 if there is none. */
extern Batch *batch_load(const pg_uuid_t *id);

/*
 * The batches of a connector that wait (prepared, blocked or failed), oldest
 * first; an empty list where none does.
 */
extern List *batch_queue(const char *connector);

/* Their ids as an array. */
extern ArrayType *batch_ids(const List *queue);

/* Whether an initial or complete batch was applied. */
extern bool batch_has_base(const char *connector);

/* file: NULL where it is missing and the mapping takes no part. */
extern void batch_count_prepare(const pg_uuid_t *id, const Mapping *mapping,
								const SourceFile *file, const PrepareCounter *counter);
/* The header of an extract, kept where it is another than that of the extract before. */
extern void batch_note_header(const pg_uuid_t *id, const Mapping *mapping, const char *source, ArrayType *header);
extern bool batch_took_no_part(const pg_uuid_t *id, const Mapping *mapping);

/* One of the files of changes that a batch reads for a mapping by a pattern. */
extern void batch_count_file(const pg_uuid_t *id, const Mapping *mapping,
							 const SourceFile *file, int64 rows);

/*
 * From now on only a complete run that is prepared later can tell what the
 * targets should hold: incremental ones are refused until it is applied.
 */
extern void batch_ask_for_complete(const char *connector);

/* A complete batch was applied: what it was asked for is done. */
extern void batch_complete_done(const pg_uuid_t *id);

/* Ends the batch's wait: its delta and change rows go, unless kept. */
extern void batch_forget_rows(const pg_uuid_t *id, const Connector *connector,
							  bool keep);

/* Forgets batches that a query names, with all but their rows of mappings' tables; returns their number. */
extern int64 batches_delete(const char *query, int nargs, const SqlArg *args);

/* Sets a status, and for applied, blocked and failed who synchronized and when. */
extern void batch_set_status(const pg_uuid_t *id, const char *status);

/* Blocked: keep_changes is remembered for syncup_resume(). */
extern void batch_set_blocked(const pg_uuid_t *id, bool keep_changes);
extern void batch_set_failed(const pg_uuid_t *id, const ErrorData *error, const char *message);

/* Records what a person decided: resume, discard or undo. */
extern void batch_record_decision(const pg_uuid_t *id, const char *decision,
								  const char *reason);

/* The role at work, as it was set before any function changed it. */
extern char *acting_role(void);

#endif							/* SYNCUP_BATCH_H */
