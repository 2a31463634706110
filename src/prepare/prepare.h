/*
 * prepare.h
 *		From files to a queued batch (SPEC 4).
 */
#ifndef SYNCUP_PREPARE_H
#define SYNCUP_PREPARE_H

#include "syncup.h"

/*
 * Reads the connector's files, sets bad rows aside, computes what changed and
 * queues it as a batch; nothing is left behind on error.  SPI is connected.
 * options: CSV options of this call, or NULL.
 */
extern pg_uuid_t *prepare(const char *connector, const char *mode, Jsonb *options);

/* Errors with 22023 unless the mode is one. */
extern void check_mode_name(const char *mode);

#endif							/* SYNCUP_PREPARE_H */
