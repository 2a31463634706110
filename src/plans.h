/*
 * plans.h
 *		Plans by what is known: few rows are looked up in a table by its index.
 */
#ifndef SYNCUP_PLANS_H
#define SYNCUP_PLANS_H

#include "syncup.h"

/*
 * Whether this many rows, joined with a table by these columns, are so few
 * beside it that they are to be looked up by its index, which is there.
 */
extern bool plan_few(Oid table, const char *const *columns, int ncolumns, double rows);

/*
 * Pins what makes the planner look rows up by index, where it is so; for
 * settings_restore().  To be held while a statement is planned, not while it
 * runs: code of a target sees the caller's settings.
 */
extern int	plan_pin(bool few);

#endif							/* SYNCUP_PLANS_H */
