/*
 * crash_point.c
 *		Where a test stops the server process (see crash_point.h).
 *
 * A session names one place by settings of its own, so that nothing of it
 * outlives the session.  With SIGKILL the process dies as by "kill -9"; with
 * SIGSTOP it waits for SIGCONT, and the test does meanwhile what it likes: to
 * the file that is read, or to the whole server.
 */
#include "syncup.h"

#include "tool/crash_point.h"

#ifdef SYNCUP_CRASH_POINTS

#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include "access/parallel.h"
#include "access/xact.h"
#include "utils/guc.h"

static char *stop_at = NULL;
static int	stop_passing = 1;
static bool stop_waits = false;
static int	passed = 0;

void
crash_point(const char *place)
{
	if (strcmp(place, stop_at) == 0 && ++passed == stop_passing)
		kill(getpid(), stop_waits ? SIGSTOP : SIGKILL);
}

/* The ends of a transaction are places as well, but not of one in which a parallel worker begins. */
static void
at_transaction_end(XactEvent event, void *arg)
{
	if (IsParallelWorker())
		return;
	if (event == XACT_EVENT_PRE_COMMIT)
		crash_point("before commit");
	else if (event == XACT_EVENT_COMMIT)
		crash_point("after commit");
}

/* Passings are counted from the moment the place is named. */
static void
start_count(const char *place, void *extra)
{
	passed = 0;
}

void
crash_points_init(void)
{
	DefineCustomStringVariable("syncup.crash_point", "The place at which the process is stopped.",
							   NULL, &stop_at, "", PGC_USERSET, 0, NULL, start_count, NULL);
	DefineCustomIntVariable("syncup.crash_passing", "Which passing of that place it is.",
							NULL, &stop_passing, 1, 1, INT_MAX, PGC_USERSET, 0, NULL, NULL, NULL);
	DefineCustomBoolVariable("syncup.crash_waits", "Whether the process waits there instead of dying.",
							 NULL, &stop_waits, false, PGC_USERSET, 0, NULL, NULL, NULL);
	RegisterXactCallback(at_transaction_end, NULL);
}

#endif
