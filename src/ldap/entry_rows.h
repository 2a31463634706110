/*
 * entry_rows.h
 *		Entries of a directory as rows of the columns that a call asks for.
 */
#ifndef SYNCUP_LDAP_ENTRY_ROWS_H
#define SYNCUP_LDAP_ENTRY_ROWS_H

#include "config/options.h"
#include "funcapi.h"
#include "ldap/search.h"

typedef struct EntryRows EntryRows;

/*
 * Finds an attribute for each column of the call's result, and completes the
 * search.  changes: "command" and "entryUUID" are told by the caller.
 */
extern EntryRows *entry_rows_open(ReturnSetInfo *result, const Options *options, ArrayType *attributes,
								  bool changes, DirectorySearch *search);

/*
 * Adds an entry as a row.  command and uuid are those of a change, else NULL.
 * entry: what is known of it, perhaps not all; NULL: nothing.
 */
extern void entry_rows_add(EntryRows *rows, const DirectoryEntry *entry, const char *command, const char *uuid);

/* Errors where a column had a value in no entry, and the directory knows no attribute of its name. */
extern void entry_rows_check(EntryRows *rows, Directory *directory);

#endif							/* SYNCUP_LDAP_ENTRY_ROWS_H */
