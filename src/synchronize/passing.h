/*
 * passing.h
 *		Unique values that pass between rows that one batch updates.
 *
 * A unique index that is not deferrable is checked row by row: a row may get the
 * value of another one only when that one has given it up.  So rows that get a
 * value are updated after those that give it; and where values go round in a
 * circle one row is parked: its columns are null for a while, if they may be.
 */
#ifndef SYNCUP_PASSING_H
#define SYNCUP_PASSING_H

#include "syncup.h"
#include "config/config.h"
#include "target/typed_rows.h"

/* The bits of an ordered change's number that are its place; those above say what is parked of it. */
#define PLACE_BITS	40
#define PLACE_MASK	((INT64CONST(1) << PLACE_BITS) - 1)

typedef struct Passing
{
	int64		parked;			/* how many rows are */
	int64	   *parks;			/* per mapping column: the bits by which it is; 0: none */
} Passing;

/*
 * Puts the updates among changes into an order in which their unique values can
 * pass, by "number", once some were parked.  NULL: no row has to wait for another.  Errors with 23505, naming rows and index, where there
 * is no such order.
 */
extern Passing *passing_order(const Mapping *mapping, TypedRows *changes);

#endif							/* SYNCUP_PASSING_H */
