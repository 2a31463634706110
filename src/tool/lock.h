/*
 * lock.h
 *		One run of a connector at a time.
 */
#ifndef SYNCUP_LOCK_H
#define SYNCUP_LOCK_H

#include "syncup.h"

/*
 * Locks the connector until the end of the transaction.  If another session
 * has it: error at once, SQLSTATE 55P03, naming its pid (SPEC 4.2, 5.1).
 * Errors as well on a standby, under an old snapshot, and if code of a target
 * calls this that a run of the same connector has called.
 */
extern void lock_connector(const char *connector);

/* The same; false if another session has it. */
extern bool try_lock_connector(const char *connector);

/* Errors where nobody can work on a connector: on a standby, under an old snapshot. */
extern void check_transaction(const char *connector);

/*
 * Between these two code of targets may be called.  It cannot lock the
 * connector as well, nor take up a role that the session has laid down by SET
 * ROLE.  An error ends the work by itself.
 */
typedef struct ConnectorWork
{
	ErrorContextCallback mark;
	const char *connector;
	Oid			user;
	int			context;
} ConnectorWork;

extern void work_begin(ConnectorWork *work, const char *connector);
extern void work_end(ConnectorWork *work);

#endif							/* SYNCUP_LOCK_H */
