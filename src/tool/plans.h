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

/* How a statement is planned that joins rows with a table. */
typedef enum PlanKind
{
	PLAN_FREE,					/* as the planner likes */
	PLAN_FEW,					/* rows are looked up by an index */
	PLAN_IN_ORDER				/* by their tid, one by one in the order that they come */
} PlanKind;

/*
 * Pins what makes the planner look rows up, where it is so; for
 * settings_restore().  To be held while a statement is planned, not while it
 * runs: code of a target sees the caller's settings.
 */
extern int	plan_pin(PlanKind kind);

#endif							/* SYNCUP_PLANS_H */
