/*
 * lock.h
 *		One run of a connector at a time.
 */
#ifndef SYNCUP_LOCK_H
#define SYNCUP_LOCK_H

/*
 * Locks the connector until the end of the transaction.  If another session
 * has it: error at once, SQLSTATE 55P03, naming its pid (SPEC 4.2, 5.1).
 */
extern void lock_connector(const char *connector);

#endif							/* SYNCUP_LOCK_H */
