/*
 * sync.h
 *		What changed in a directory since a cookie: syncrepl, RFC 4533, refresh only.
 */
#ifndef SYNCUP_LDAP_SYNC_H
#define SYNCUP_LDAP_SYNC_H

#include "ldap/search.h"

/*
 * Called for each entry that is there as the entry says, or, with entry NULL, is
 * not there any more; uuid: its entryUUID as text.
 */
typedef void (*ChangeVisitor) (void *arg, const DirectoryEntry *entry, const char *uuid);

/*
 * Gives what changed since the cookie (NULL: every entry), and the cookie of what
 * is so read.  False if the directory does not tell which entries went: then what
 * was given is not all, and everything must be read.
 */
extern bool directory_changes(Directory *directory, const DirectorySearch *search, const bytea *since,
							  ChangeVisitor visit, void *arg, bytea **cookie);

#endif							/* SYNCUP_LDAP_SYNC_H */
