/*
 * connection.h
 *		An open connection to a directory: encrypted, bound, waited for in a way
 *		that a cancel ends.
 */
#ifndef SYNCUP_LDAP_CONNECTION_H
#define SYNCUP_LDAP_CONNECTION_H

#include "syncup.h"

#include <ldap.h>

#include "ldap/server.h"

typedef struct Directory Directory;

/*
 * Connects and binds.  timeout: seconds that each answer may take.  What is open
 * is closed with the current memory context, if an error comes before
 * directory_close().
 */
extern Directory *directory_open(const DirectoryServer *server, double timeout);
extern void directory_close(Directory *directory);

/* Text in UTF-8, as directories have it; NULL stays. */
extern char *directory_text(const char *text);

/* For calls of libldap that send a request. */
extern LDAP *directory_handle(const Directory *directory);

/*
 * The next message that answers a request, and its type (LDAP_RES_...).  It is
 * valid until the next call.  doing: what for, as in "could not read"; for errors.
 */
extern int	directory_next(Directory *directory, int request, const char *doing, LDAPMessage **message);

/* The same if it has come already; 0: it has not. */
extern int	directory_next_if_any(Directory *directory, int request, const char *doing, LDAPMessage **message);

/* What the message says that ends an answer. */
typedef struct DirectoryResult
{
	int			code;
	const char *said;			/* the directory's own words; NULL: none */
	LDAPControl **controls;		/* valid until the next such message */
} DirectoryResult;

extern DirectoryResult directory_result(Directory *directory, LDAPMessage *message, const char *doing);

/* Waits for an answer of one message, as that to a change; errors unless it says success. */
extern void directory_await(Directory *directory, int request, const char *doing);

/* Raises the error of a code that libldap or the directory returned. */
pg_noreturn extern void directory_error(Directory *directory, int code, const char *doing);

/* The same unless the code says success. */
static inline void
directory_check(Directory *directory, int code, const char *doing)
{
	if (code != LDAP_SUCCESS)
		directory_error(directory, code, doing);
}

#endif							/* SYNCUP_LDAP_CONNECTION_H */
