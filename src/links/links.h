/*
 * links.h
 *		What a batch does to the links of an association: found, stored, written.
 */
#ifndef SYNCUP_LINKS_H
#define SYNCUP_LINKS_H

#include "syncup.h"
#include "target/target.h"
#include "target/typed_rows.h"
#include "config/config.h"
#include "links/link_drift.h"

/*
 * SQL: the links among the rows of a link table as they are now, whatever keys will
 * change, as "t": with all columns where they may be read.
 */
extern char *stored_links(const Mapping *mapping);

/* SQL: ", ..." with the columns of links in a change table, named as links_same_sql() wants them of s. */
extern char *changed_link_columns(const Mapping *mapping);

/* SQL: whether a row t of a link table stores these two values, and is told apart as link s is. */
extern char *links_same_sql(const Mapping *mapping, const char *value1, const char *value2);

/* Whether so many links are to be looked up in the target by an index (plans.h). */
extern bool links_are_few(const Mapping *mapping, int64 links);

/* The links of a target before: rows of a link table, or values of its column. */
extern int64 links_count(const Mapping *mapping);

/*
 * Records which resources of side 1 lose many of their links in a link table
 * (SPEC 6.4), of changes that are found and delete so many.
 */
extern void links_count_resources(const Mapping *mapping, const pg_uuid_t *batch, int64 deleted);

/* The links of stored, reviewed changes as rows of this name, as resolve_pairs() gives them. */
extern TypedRows *links_reviewed(const Mapping *mapping, const pg_uuid_t *batch, const char *name);

/* Links of one association: rows as resolve_pairs() gives them. */
typedef struct LinkPart
{
	int			giver;			/* which of the associations gives them */
	TypedRows  *rows;
} LinkPart;

/*
 * The links of the associations that fill the same rows together, in order: one
 * that is given by several is the first one's (SPEC 2.7).
 */
typedef struct LinkSet
{
	int			nmembers;
	Mapping   **members;
	ChangeCounter *counters;	/* of each */
	int			nparts;
	LinkPart   *parts;
	int			ncolumns;		/* of the target that belong to links of any of them */
	const MappingColumn **columns;
} LinkSet;

extern LinkSet *link_set_begin(List *members);

/* The name for rows to be added. */
extern const char *link_set_name(const LinkSet *set);
extern void link_set_add(LinkSet *set, int giver, TypedRows *rows);

/*
 * Finds what the links change in the target, counts it and stores it in the change
 * tables; forgets the rows.  whole: every link of the target is looked at; drift,
 * where it is not NULL: every one of these; keep_missing: those that the source does
 * not have are left alone.
 */
extern void links_build(LinkSet *set, const pg_uuid_t *batch,
						const LinkDrift *drift, bool whole, bool keep_missing);

/* Writes links straight into an empty target, and counts them. */
extern void links_load(LinkSet *set);

/* The stored changes of a batch, or what takes them back: see links.c. */
extern TypedRows *links_changes(const Mapping *mapping, const pg_uuid_t *batch, bool back);

/* Writes them: what goes, before the rows linked to do; what comes, after them. */
extern void links_delete(const Mapping *mapping, const TypedRows *changes, bool back);
extern void links_write(const Mapping *mapping, const TypedRows *changes, bool back);

/* The query of changes that are done already or stale: place, state, key. */
extern char *links_review_sql(const Mapping *mapping, bool back);

#endif							/* SYNCUP_LINKS_H */
