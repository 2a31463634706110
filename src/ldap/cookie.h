/*
 * cookie.h
 *		From where on changes of directories are read, as batches have read them.
 *
 * A cookie is stored with the batch that is prepared, and counts as long as that
 * one waits or is applied: so it becomes the directory's in the transaction that
 * applies the batch, and goes with a batch that is declined.
 */
#ifndef SYNCUP_LDAP_COOKIE_H
#define SYNCUP_LDAP_COOKIE_H

#include "syncup.h"

/* A prepare during which directories may be read. */
typedef struct CookieRun
{
	ErrorContextCallback mark;
	const char *connector;
	const pg_uuid_t *batch;
	bool		since;			/* changes are asked for: false, all entries are */
	bool		used;			/* a directory's changes were read, or all its entries */
	bool		whole;			/* one does not tell what is asked for: all must be read */
} CookieRun;

/*
 * Between these two reading of changes belongs to the batch.  An error ends the
 * run by itself.
 */
extern void cookie_run_begin(CookieRun *run, const char *connector, const pg_uuid_t *batch);
extern void cookie_run_end(CookieRun *run);

/* The run that is going on; NULL: none. */
extern CookieRun *cookie_run(void);

/*
 * The cookie of a search: of the batch queued last, else of the one applied last.
 * search: a text that only the same reading of the same directory has.  NULL where
 * all entries are asked for; errors if there is none.
 */
extern bytea *cookie_find(const CookieRun *run, const char *search, const char *server);

/* Remembers the first one that a search gave during the run. */
extern void cookie_keep(const CookieRun *run, const char *search, const char *server, const char *base,
						const char *filter, const bytea *cookie);

#endif							/* SYNCUP_LDAP_COOKIE_H */
