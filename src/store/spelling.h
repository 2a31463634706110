/*
 * spelling.h
 *		Ends of links that are written otherwise than the property they mean.
 */
#ifndef SYNCUP_SPELLING_H
#define SYNCUP_SPELLING_H

#include "syncup.h"
#include "config/config.h"
#include "digest/digest.h"

/* What values of the two sides of pairs are, in the types of their properties or as option match says. */
typedef struct Spellings Spellings;

/* NULL: on both sides only the same bytes are the same value. */
extern Spellings *spellings_begin(const Mapping *mapping);

/*
 * Notes a value of a pair that is written to the delta; once all are, remembers
 * of the association whether one has not the text that its value usually has.
 */
extern void spellings_note(Spellings *spellings, int side, const char *text, size_t length);
extern void spellings_remember(const Spellings *spellings);

/*
 * Whether one was remembered.  Then pairs are not found by the text of a
 * property that moves, and two of them may be one link.
 */
extern bool has_other_spellings(const Mapping *mapping);

/* Remembers it of all that have an end in this entity type: its values may mean others now. */
extern void spellings_are_unknown(const Mapping *entity);

/* The text that a value usually has; NULL: not another one. */
extern char *spellings_usual(Spellings *spellings, int side, const char *text);

/*
 * SQL: what a value of a side is found by where capitals, or what else a
 * distinguished name may have otherwise, do not matter; NULL: they do.
 */
extern char *folded_hash_sql(const AssociationEnd *end, const char *value);

/* Of such a side, or of one whose values may be others than their text: what equal ones share; false: it is no value. */
extern bool spellings_digest(Spellings *spellings, int side, const char *text, Digest *digest);
extern bool is_bytewise_side(const Spellings *spellings, int side);
extern bool is_respelled_side(const Spellings *spellings, int side);

/* A text that all spellings of a value share, or no others; where there is none the text itself. */
extern char *spellings_shared(Spellings *spellings, int side, const char *text);

/* Has a value looked for that no property has as its text; false: it is none. */
extern bool spellings_seek(Spellings *spellings, int side, const char *text);

/* Looks for them among the rows before and after the batch. */
extern void spellings_find(Spellings *spellings, const pg_uuid_t *batch);

/*
 * The key of the row that has a value looked for, in the current memory context;
 * NULL unless it is one alone; count: how many have it.
 */
extern char *spellings_key(Spellings *spellings, int side, const char *text, bool after, int64 *count);

#endif							/* SYNCUP_SPELLING_H */
