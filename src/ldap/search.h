/*
 * search.h
 *		Entries of a directory, page by page, each with all its values.
 */
#ifndef SYNCUP_LDAP_SEARCH_H
#define SYNCUP_LDAP_SEARCH_H

#include "ldap/connection.h"

/* What is asked for. */
typedef struct DirectorySearch
{
	const char *base;
	const char *filter;
	int			scope;			/* LDAP_SCOPE_... */
	int64		page_size;		/* entries that the directory sends at once; 0: all */
	int			nattributes;
	char	  **attributes;		/* none twice, ends with NULL */
} DirectorySearch;

/* The values of one attribute. */
typedef struct EntryValues
{
	int			count;
	int			room;
	struct berval *values;
	char	   *rest;			/* what to ask for where the directory kept some back; NULL: nothing */
} EntryValues;

/* An entry: its values in the order of the search's attributes. */
typedef struct DirectoryEntry
{
	char	   *dn;
	Size		size;			/* bytes of all values */
	EntryValues *attributes;
} DirectoryEntry;

/* Called for each entry, in a memory context that is reset before the next. */
typedef void (*EntryVisitor) (void *arg, DirectoryEntry *entry);

/*
 * Gives every entry that is found.  A result that is not whole is an error;
 * continuations in other directories are not followed, and a NOTICE counts them.
 */
extern void directory_search(Directory *directory, const DirectorySearch *search,
							 EntryVisitor visit, void *arg);

/*
 * The entry that a message holds, in the current memory context; values that the
 * directory kept back are fetched, after which the message is gone.
 */
extern DirectoryEntry *directory_entry(Directory *directory, const DirectorySearch *search, LDAPMessage *message);

/*
 * Errors with 42703 if the directory's schema knows no such attribute, or knows it
 * by another name; where it shows no schema, nothing is said.
 */
extern void directory_check_attributes(Directory *directory, int count, char **attributes);

/* Says that so many parts of the tree lie elsewhere, if there are any. */
extern void directory_note_continuations(int64 count);

#define READING	"could not read"

#endif							/* SYNCUP_LDAP_SEARCH_H */
