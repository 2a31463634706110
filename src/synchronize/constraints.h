/*
 * constraints.h
 *		What the targets' constraints do by themselves when a batch is written.
 */
#ifndef SYNCUP_CONSTRAINTS_H
#define SYNCUP_CONSTRAINTS_H

#include "syncup.h"
#include "config/config.h"

/*
 * Counts what ON DELETE CASCADE, SET NULL and SET DEFAULT will do to rows that
 * stored or found changes, or what takes them back, do not write themselves, and
 * records it of a batch in syncup.batch_cascade (SPEC 2.7).  Says so where a
 * table can be read neither by the caller nor by the extension's owner.
 */
extern void constraints_count(Connector *connector, const pg_uuid_t *changes, bool back,
							  const pg_uuid_t *batch);

/*
 * Settles which targets of entity types refer to one another, or to themselves,
 * so that their rows have to be written together; whether there are any.
 */
extern bool constraints_tie(Connector *connector);

/*
 * Errors if a row that was inserted with rows that go is gone again: what fills
 * its foreign key cannot be known before (a trigger, a generated column).
 */
extern void constraints_check_inserted(Connector *connector, const pg_uuid_t *batch, bool back);

/* What constraints took along when a batch was written, in words; NULL: nothing. */
extern char *constraints_taken(const pg_uuid_t *batch);

#endif							/* SYNCUP_CONSTRAINTS_H */
