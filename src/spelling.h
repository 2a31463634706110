/*
 * spelling.h
 *		Ends of links that are written otherwise than the property they mean.
 */
#ifndef SYNCUP_SPELLING_H
#define SYNCUP_SPELLING_H

#include "syncup.h"
#include "config.h"

/* What values of the two sides of pairs are, in the types of their properties. */
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
