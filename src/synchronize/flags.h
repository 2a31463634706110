/*
 * flags.h
 *		Which rows have changed, for the rules that read them: syncup.flag (AFTER 1).
 */
#ifndef SYNCUP_FLAGS_H
#define SYNCUP_FLAGS_H

#include "syncup.h"
#include "config/config.h"

/*
 * Flags what stored or found changes write, or what takes them back, for batch
 * "as": rows and the ends of links.  Where nobody reads a target nothing is
 * written.  Once the changes were written.
 */
extern void flags_write(Connector *connector, const pg_uuid_t *changes, bool back, const pg_uuid_t *as);

/* An initial batch has no changes: every row is new. */
extern void flags_write_initial(Connector *connector, const pg_uuid_t *batch);

/* Flags the rows of "syncup_taken" (constraints.c), before they are taken along. */
extern void flags_write_taken(Connector *connector, const pg_uuid_t *batch, bool as_caller);

#endif							/* SYNCUP_FLAGS_H */
