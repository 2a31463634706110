/*
 * failure.h
 *		What is said of work on targets that failed.
 */
#ifndef SYNCUP_FAILURE_H
#define SYNCUP_FAILURE_H

#include "syncup.h"
#include "config/config.h"

/* Rows that a message names. */
#define MAX_NAMED_ROWS	10

/* The failure of a batch in a sentence, for syncup.batch. */
extern char *failure_message(const Connector *connector, const ErrorData *error);

/*
 * Raises the failure of work on targets: under a message of ours, with the
 * reason as its detail.  The reason may quote values, so the client is told and
 * the server's log is not.
 */
extern void raise_failure(const Connector *connector, ErrorData *error, const char *message);

/* Errors about a row or a link that was written and has left the scope of its mapping. */
extern void refuse_outside_scope(const Mapping *mapping);

#endif							/* SYNCUP_FAILURE_H */
