/*
 * resolve.h
 *		Pairs of values become links between rows.
 */
#ifndef SYNCUP_RESOLVE_H
#define SYNCUP_RESOLVE_H

#include "syncup.h"
#include "config.h"
#include "typed_rows.h"

/*
 * Notes the last batch of the other connectors that ends lie in; whether one
 * has applied any since the links were last looked up.
 */
extern bool see_others(Mapping *mapping);

/*
 * Looks up the pairs that the batch may have changed, or all of them (whole), or
 * of these the suspects (link_drift.h) where they are not NULL, and notes
 * orphans in the delta and in quarantine; the links found are rows for
 * links_build() or links_load(): "deleted" (null: to be left alone), "k1", "k2"
 * (null: whatever the other side is).
 */
extern TypedRows *resolve_pairs(const Mapping *mapping, const pg_uuid_t *batch, bool whole,
								const TypedRows *suspects);

/* Lets the remembered orphans follow a batch that is applied, or taken back. */
extern void orphans_apply(const Mapping *mapping, const pg_uuid_t *batch);
extern void orphans_take_back(const Mapping *mapping, const pg_uuid_t *batch);

#endif							/* SYNCUP_RESOLVE_H */
