/*
 * server.h
 *		Where a directory is and who asks it: a foreign server and its user mapping.
 */
#ifndef SYNCUP_LDAP_SERVER_H
#define SYNCUP_LDAP_SERVER_H

#include "syncup.h"

/* How its address begins. */
typedef enum DirectoryScheme
{
	SCHEME_LDAP,
	SCHEME_LDAPS,
	SCHEME_LDAPI				/* a socket of this machine */
} DirectoryScheme;

typedef struct DirectoryServer
{
	char	   *name;			/* of the foreign server */
	char	   *url;
	DirectoryScheme scheme;
	char	   *host;			/* of ldapi the path of the socket */
	char	   *port;
	bool		start_tls;
	char	   *ca_file;		/* NULL: what this machine trusts */
	char	   *bind_dn;		/* NULL: nobody */
	char	   *password;
} DirectoryServer;

/*
 * The foreign server of this name, as the current user may use it: errors unless
 * it is one of ours, with USAGE on it and a user mapping.
 */
extern DirectoryServer *directory_server(const char *name);

#endif							/* SYNCUP_LDAP_SERVER_H */
