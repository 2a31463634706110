/*
 * session.h
 *		A session in which a client has sent files, as what a prepare reads.
 */
#ifndef SYNCUP_SESSION_H
#define SYNCUP_SESSION_H

#include "syncup.h"
#include "config/options.h"
#include "csv/source.h"

typedef struct Session
{
	pg_uuid_t	id;
	bool		alone;			/* the caller may read nothing but what was sent */
	List	   *uploads;		/* of Upload */
} Session;

/* Errors with 42501 where the caller may prepare what was sent, and nothing else. */
extern void session_check_needless(const char *connector);

/*
 * Takes a session for a prepare of the connector: nothing more can be sent in it until
 * the transaction ends.  Where it was prepared before, in the same mode, batch is what
 * that gave, and NULL returned.
 */
extern Session *session_take(const pg_uuid_t *id, const char *connector, const char *mode,
							 pg_uuid_t **batch);

/* Errors with 42501 where whoever only sends gives other options than the session. */
extern void session_check_options(const Session *session, Jsonb *options);

/*
 * The files that stand for one of the server, or for those that match a pattern: a
 * list of SourceFile, in C order of their names; with newest of them the newest alone.
 * Errors where parts of one did not come.
 */
extern List *session_find(const Session *session, const char *file, const Options *options, bool newest);

/* Errors with 58P01, saying what was sent: a file is not among it. */
pg_noreturn extern void session_lacks(const Session *session, const char *file, const Options *options);

/* It gave this batch; says which of its files no mapping reads. */
extern void session_prepared(const Session *session, const pg_uuid_t *batch);

#endif							/* SYNCUP_SESSION_H */
