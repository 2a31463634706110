/*
 * nearest.h
 *		Names in messages: lists of those there are, and "did you mean", of them
 *		the one that a wrong name is most like.
 */
#ifndef SYNCUP_NEAREST_H
#define SYNCUP_NEAREST_H

#include "syncup.h"
#include "lib/stringinfo.h"

typedef struct Nearest
{
	const char *wanted;
	const char *name;			/* the best so far; NULL: none is like it */
	int			distance;
} Nearest;

/* Compares the wanted name with one of those that there are. */
extern void nearest_try(Nearest *nearest, const char *name);

/* For a hint, in front of others: a sentence and a blank, or nothing. */
extern char *did_you_mean(const Nearest *nearest);

/* Names for a message, as many as a person reads; begins as {0}. */
typedef struct NameList
{
	StringInfoData text;
	int			count;
	int			shown;
} NameList;

/* Adds a name; with other, where that is not the same: "name" to "other". */
extern void name_list_add(NameList *list, const char *name, const char *other);

/* "a", "b", and 3 more; NULL for no name. */
extern char *name_list_text(NameList *list);

#endif							/* SYNCUP_NEAREST_H */
