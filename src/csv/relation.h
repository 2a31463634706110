/*
 * relation.h
 *		A relation as a source: its rows as the bytes of a CSV file (SPEC 2.6).
 */
#ifndef SYNCUP_RELATION_H
#define SYNCUP_RELATION_H

#include "syncup.h"
#include "storage/buffile.h"

/*
 * The name of a relation, qualified and quoted; errors with 42P01 where there is
 * none of it, with 42809 where it is none to read, with 42501 where the current
 * user may not read it.
 */
extern char *relation_check_source(const char *name);

/*
 * Reads a relation with the caller's rights, at the active snapshot, into a
 * temporary file: a header of its columns and a row each, as CSV with commas,
 * quotes and line feeds, in the database's encoding.  An unquoted empty field is
 * null, a quoted one the empty text.  Returns the file at its beginning, and its
 * size.
 */
extern BufFile *relation_spool(const char *name, int64 *size);

/* The header alone, as text. */
extern char *relation_header(const char *name);

#endif							/* SYNCUP_RELATION_H */
