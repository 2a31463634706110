/*
 * links.h
 *		What a batch does to the links of an association: found, stored, written.
 */
#ifndef SYNCUP_LINKS_H
#define SYNCUP_LINKS_H

#include "syncup.h"
#include "changes.h"
#include "config.h"
#include "typed_rows.h"

/*
 * SQL: the links among the rows of a link table, or of a relation that has its
 * columns, as "t": with all columns where they may be read.
 */
extern char *link_table_rows(const Mapping *mapping, const char *relation);

/* SQL: whether a row t of a link table stores these two values. */
extern char *links_same_sql(const Mapping *mapping, const char *value1, const char *value2);

/* Whether so many links are to be looked up in the target by an index (plans.h). */
extern bool links_are_few(const Mapping *mapping, int64 links);

/* The links of a target before: rows of a link table, or values of its column. */
extern int64 links_count(const Mapping *mapping);

/* The links of stored, reviewed changes as such source rows. */
extern TypedRows *links_reviewed(const Mapping *mapping, const pg_uuid_t *batch);

/*
 * Finds what the links change in the target and stores it in the change table;
 * forgets the rows.  whole: every link of the target is looked at, or, where
 * target is not NULL, every one of these (link_drift.h); keep_missing: those that
 * the source does not have are left alone.
 */
extern void links_build(Mapping *mapping, const pg_uuid_t *batch, TypedRows *source,
						TypedRows *target, bool whole, bool keep_missing, ChangeCounter *counter);

/* Writes links straight into an empty target; returns their number. */
extern int64 links_load(const Mapping *mapping, TypedRows *source);

/* The stored changes of a batch, or what takes them back: see links.c. */
extern TypedRows *links_changes(const Mapping *mapping, const pg_uuid_t *batch, bool back);

/* Writes them: what goes, before the rows linked to do; what comes, after them. */
extern void links_delete(const Mapping *mapping, const TypedRows *changes, bool back);
extern void links_insert(const Mapping *mapping, const TypedRows *changes, bool back);

/* The query of changes that are done already or stale: place, state, key. */
extern char *links_review_sql(const Mapping *mapping, bool back);

#endif							/* SYNCUP_LINKS_H */
