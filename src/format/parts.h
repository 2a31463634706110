/*
 * parts.h
 *		A cell of many values, one after the other (option "split", and the
 *		formats of lists).
 */
#ifndef SYNCUP_PARTS_H
#define SYNCUP_PARTS_H

#include "syncup.h"

typedef struct Parts
{
	const char *at;				/* NULL: nothing is left */
	const char *end;
	const char *separator;		/* NULL: the cell is one value */
	bool		lines;			/* values stand on lines, of any kind of end */
	bool		null;			/* a null is to be given, once */
	const char *trim;			/* characters cut off both ends of each value; NULL: none */
} Parts;

/* Cuts characters of a set off both ends of a value. */
extern void trim_value(const char *trim, const char **value, size_t *length);

/* Starts with a cell; data NULL: one null. */
extern void parts_begin(Parts *parts, const char *separator,
						const char *data, size_t length);

/*
 * Gives the next value that is not empty; false where there is none.  Directly
 * before a separator backslashes count: a pair of them is one, and a single one
 * takes the separator for data (SPEC 2.7).  Such a value is a copy in the current
 * memory context.
 */
extern bool parts_next(Parts *parts, const char **value, size_t *length);

#endif							/* SYNCUP_PARTS_H */
