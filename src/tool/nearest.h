/*
 * nearest.h
 *		Names in messages: lists of those there are, and "did you mean", of them
 *		the one that a wrong name is most like.
 */
#ifndef SYNCUP_NEAREST_H
#define SYNCUP_NEAREST_H

#include "syncup.h"
#include "lib/stringinfo.h"

/* Names for a message, as many as a person reads; begins as {0}, or with the one that is wanted and is none. */
typedef struct NameList
{
	const char *wanted;			/* NULL: none is */
	StringInfoData text;
	int			count;
	int			shown;
	const char *nearest;		/* to the wanted one so far; NULL: none is like it */
	int			distance;
} NameList;

/* Adds a name; with other, where that is not the same: "name" to "other". */
extern void name_list_add(NameList *list, const char *name, const char *other);

/* For a hint, in front of others: a sentence and a blank about the nearest, or nothing. */
extern char *did_you_mean(const NameList *list);

/* "a", "b", and 3 more; NULL for no name. */
extern char *name_list_text(NameList *list);

#endif							/* SYNCUP_NEAREST_H */
