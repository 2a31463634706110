/*
 * progress.h
 *		What this session is doing, for other sessions to see: syncup.progress.
 */
#ifndef SYNCUP_PROGRESS_H
#define SYNCUP_PROGRESS_H

#include "config/config.h"

/* The numbers that the view syncup.progress gives names. */
typedef enum ProgressOperation
{
	PROGRESS_PREPARE = 1,
	PROGRESS_SYNCHRONIZE = 2
} ProgressOperation;

typedef enum ProgressPhase
{
	PHASE_BASELINE = 1,
	PHASE_READING = 2,
	PHASE_NET_EFFECT = 3,
	PHASE_BUILDING = 4,
	PHASE_APPLYING = 5,
	PHASE_PREVIOUS = 6
} ProgressPhase;

/* Shows another phase of an operation on a mapping; counts start anew. */
extern void progress_phase(ProgressOperation operation, ProgressPhase phase,
						   const Mapping *mapping);

/* Shows how far the phase has come. */
extern void progress_bytes(int64 done, int64 total);
extern void progress_rows(int64 done);

/* Shows the phase again if a failed subtransaction has hidden it. */
extern void progress_keep(void);

/* Nothing is going on any more. */
extern void progress_end(void);

#endif							/* SYNCUP_PROGRESS_H */
