/*
 * row_sums.h
 *		Aggregate syncup.row_sums: sums of the digests of a query's rows.
 */
#ifndef SYNCUP_ROW_SUMS_H
#define SYNCUP_ROW_SUMS_H

#include "digest/row_digest.h"

/* So many values of a row it takes: those of a function, less its state, key and number. */
#define MAX_SUMMED_VALUES	(FUNC_MAX_ARGS - 3)

#endif							/* SYNCUP_ROW_SUMS_H */
