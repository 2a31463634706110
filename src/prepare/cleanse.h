/*
 * cleanse.h
 *		One mapping's way through the rows of a file: what is set aside, what is
 *		kept, and what is kept and differs from the baseline (SPEC 4.1 to 4.3).
 */
#ifndef SYNCUP_CLEANSE_H
#define SYNCUP_CLEANSE_H

#include "syncup.h"
#include "prepare/baseline.h"
#include "store/batch.h"
#include "config/config.h"
#include "store/quarantine.h"
#include "csv/reader.h"

/* Begins with a Record (record.h). */
typedef struct Cleanser Cleanser;

/*
 * Finds the mapping's columns in the file and opens its delta.  budget: bytes
 * for telling rows apart.  complete: the batch will be held against every row
 * of the target.  convert_all: values that did not change are tried as well.
 * queue: the batches ahead, list of Batch.
 */
extern Cleanser *cleanser_open(const Mapping *mapping, const Options *options,
							   bool complete, bool convert_all, Reader *reader, const pg_uuid_t *batch, List *queue,
							   Quarantine *quarantine, Size budget);
extern void cleanser_close(Cleanser *cleanser);

/*
 * One pass: begin says false when all keys are done; then every row of the
 * file; then end, which finds what is gone.
 */
extern bool cleanser_begin_pass(Cleanser *cleanser);
extern void cleanser_take(Cleanser *cleanser);
extern void cleanser_end_pass(Cleanser *cleanser);

#endif							/* SYNCUP_CLEANSE_H */
