/*
 * changes.h
 *		What applying a batch does to a target: found, stored, counted.
 */
#ifndef SYNCUP_CHANGES_H
#define SYNCUP_CHANGES_H

#include "syncup.h"
#include "config/config.h"
#include "target/target.h"
#include "catalog/pg_attribute.h"
#include "target/typed_rows.h"

/*
 * Finds what the typed source rows change in the mapping's target (SPEC 5.2) and
 * has it at hand (found_changes.h); forgets the rows.  complete: every row of
 * the target is looked at, or, where target is not NULL, every one of these
 * (drift.h).  keep_missing: rows that the source does not have are left alone.
 */
extern void changes_build(Mapping *mapping, const pg_uuid_t *batch,
						  TypedRows *source, TypedRows *target, bool complete,
						  bool keep_missing, ChangeCounter *counter);

/* Records how many changes of each kind are stored for a batch. */
extern void count_stored_changes(const pg_uuid_t *batch, const Mapping *mapping);

/* Rows of the target now: those in the scope that are not retired. */
extern int64 changes_count_target(const Mapping *mapping);

/* Whether the target has a row in the mapping's scope, retired or not. */
extern bool changes_target_has_rows(const Mapping *mapping);

/*
 * Rows of the target before a batch that does not look at all of them: carried
 * forward from the last applied one (SPEC 6.2), counted where there is none.
 */
extern int64 changes_carried_count(const Mapping *mapping);

#endif							/* SYNCUP_CHANGES_H */
