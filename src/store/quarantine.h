/*
 * quarantine.h
 *		Source rows set aside, with the reason.
 */
#ifndef SYNCUP_QUARANTINE_H
#define SYNCUP_QUARANTINE_H

#include "syncup.h"
#include "store/batch.h"
#include "config/config.h"
#include "csv/reader.h"

typedef struct Quarantine Quarantine;

extern Quarantine *quarantine_open(const pg_uuid_t *batch);

/* Sets the reader's present row aside; key and message may be NULL. */
extern void quarantine_row(Quarantine *quarantine, const Mapping *mapping,
						   Reader *reader, const char *reason,
						   const char *key, const char *message);

/*
 * Sets aside a row that was read before: its file, line and original text.
 * Line 0 and raw NULL: what is set aside is no row but a pair of values.
 */
extern void quarantine_text(Quarantine *quarantine, const Mapping *mapping,
							const char *file, int64 line, const char *raw,
							const char *reason, const char *key, const char *message);

/*
 * Errors with 22P04 if more rows were set aside than option "reject_limit" lets;
 * message: what was wrong with the last one.
 */
extern void quarantine_check_limit(const Options *options, const PrepareCounter *counter,
								   const char *message);
extern void quarantine_close(Quarantine *quarantine);

#endif							/* SYNCUP_QUARANTINE_H */
