/*
 * resolve.h
 *		Pairs of values become links between rows.
 */
#ifndef SYNCUP_RESOLVE_H
#define SYNCUP_RESOLVE_H

#include "syncup.h"
#include "config/config.h"
#include "target/typed_rows.h"

/*
 * Notes the last batch of the other connectors that ends lie in; whether one
 * has applied any since the links were last looked up.
 */
extern bool see_others(Mapping *mapping);

/*
 * Looks up the pairs that the batch may have changed, with the suspects (link_drift.h)
 * where they are not NULL, or all of them (whole), and notes
 * orphans in the delta and in quarantine; the links found are rows of this name for
 * links_build() or links_load(): "deleted" (null: to be left alone), "k1", "k2"
 * (null: whatever the other side is).  with_texts: and "t1", "t2", the same as texts.
 */
extern TypedRows *resolve_pairs(const Mapping *mapping, const pg_uuid_t *batch, bool whole,
								const TypedRows *suspects, const char *name, bool with_texts);

/* The links that pairs were before the batch and are no more: beside all that there are after it. */
extern TypedRows *resolve_gone(const Mapping *mapping, const pg_uuid_t *batch, const char *name);

/*
 * The links of an association that a batch does not touch, but that are those of
 * "syncup_touched" (t1, t2): another association gives them no more.  siblings:
 * all that fill the same rows.
 */
extern TypedRows *resolve_related(const Mapping *mapping, const pg_uuid_t *batch, List *siblings,
								  const char *name);

/* SQL: "old" and "new", the values of a side that the batch $1 takes from rows or gives them. */
extern char *moved_values_sql(const Mapping *mapping, int side);

/* Lets the remembered orphans follow a batch that is applied, or taken back. */
extern void orphans_apply(const Mapping *mapping, const pg_uuid_t *batch);
extern void orphans_take_back(const Mapping *mapping, const pg_uuid_t *batch);

#endif							/* SYNCUP_RESOLVE_H */
