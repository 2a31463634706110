/*
 * change_files.h
 *		Which files of changes a mapping has read: none is applied twice
 *		(SPEC 4.4).
 */
#ifndef SYNCUP_CHANGE_FILES_H
#define SYNCUP_CHANGE_FILES_H

#include "syncup.h"
#include "config/config.h"
#include "csv/source.h"

/* Whether these very bytes were read under this name. */
extern bool change_files_were_read(const Mapping *mapping, const SourceFile *file, bytea *digest);

/* The same without having read it, by size and time: for one that is not ready. */
extern bool change_files_seem_read(const Mapping *mapping, const SourceFile *file);

/* The batch that read a file of this name, as text. */
extern char *change_files_reader(const Mapping *mapping, const SourceFile *file);

/* Says it where files of the pattern that come later by name were read before. */
extern void change_files_check_order(const Mapping *mapping, const SourceFile *file,
									 const char *pattern);

/* Remembers a file: of a pattern with all the others, else in place of the one before. */
extern void change_files_remember(const pg_uuid_t *batch, const Mapping *mapping,
								  const SourceFile *file, bytea *digest);

#endif							/* SYNCUP_CHANGE_FILES_H */
