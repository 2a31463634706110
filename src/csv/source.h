/*
 * source.h
 *		Files as bytes: who may touch them, whether they are ready, and their
 *		content as text in the server's encoding or in the file's own.
 */
#ifndef SYNCUP_SOURCE_H
#define SYNCUP_SOURCE_H

#include "syncup.h"
#include "config/options.h"
#include "csv/upload.h"

typedef struct Source Source;

/* What is known of a file by its name: found, and ready to be read. */
typedef struct SourceFile
{
	char	   *path;			/* absolute, the match of a pattern; of an upload the name that it stands for */
	int64		size;
	TimestampTz modified;
	const Upload *upload;		/* NULL: it lies on the server */
	ArrayType  *header;			/* texts, where it was opened */
} SourceFile;

/* The path of a connector's file: absolute, or under the directory. */
extern char *source_path(const char *directory, const char *file);

/*
 * Errors with 42501 unless the current user may read the path:
 * member of pg_read_server_files, or the file lies under a
 * directory of syncup.directories once links and ".." are resolved (SPEC 3).
 */
extern void source_check_readable(const char *path);
extern bool source_is_readable(const char *path);

/* The same as source_check_readable() for the files of a directory. */
extern void source_check_directory(const char *directory);

/*
 * Opens a directory that is there and whose files the current user may write,
 * for openat() and its kin: whatever becomes of its name meanwhile, they stay
 * in it.  The descriptor is the transaction's; close it with
 * CloseTransientFile().
 */
extern int	source_open_directory(const char *path);

/*
 * Finds the file that the options mean (pattern, done_suffix, min_age) and
 * errors where it is missing or not ready.
 */
extern SourceFile source_find(const char *path, const Options *options);

/*
 * Every file that a pattern matches, ready or not: a list of SourceFile, in C
 * order of their names.  Errors where there is none.
 */
extern List *source_find_all(const char *pattern, const Options *options);

/* The same; none, where there are none. */
extern List *source_find_any(const char *pattern, const Options *options);

/* The newest of some files; the last of those that are equally new. */
extern SourceFile *source_newest(List *files);

/* Whether there is no such file, or none that matches; other troubles are told when it is read. */
extern bool source_is_missing(const char *path, const Options *options);

/* Whether a name is that of a companion file (done_suffix) rather than of a file to be read. */
extern bool is_companion(const char *path, const Options *options);

/* Whether a file is ready to be read (done_suffix, min_age); errors unless it is. */
extern bool source_is_ready(const SourceFile *file, const Options *options);
extern void source_check_ready(const SourceFile *file, const Options *options);

/*
 * Opens a file found before; bytes come decoded (.gz, UTF-16, byte order mark).
 * Where the options say "source", its path is the name of a relation: its rows are
 * such a file (relation.h), of which with_rows false wants the header alone.
 */
extern Source *source_open(const SourceFile *file, const Options *options, bool with_rows);

/* Reads up to capacity bytes; 0 at the end. */
extern size_t source_read(Source *source, char *buffer, size_t capacity);

/* Goes back to the beginning of the same open file. */
extern void source_rewind(Source *source);

/* The encoding of the bytes that source_read gives: a pg_enc. */
extern int	source_encoding(const Source *source);

/* The name of the encoding of the file itself, for messages. */
extern const char *source_encoding_name(const Source *source);

/* Whether it is a relation. */
extern bool source_is_relation(const Source *source);

/* Bytes read of the file itself, its size, and when it was last written (a relation: now). */
extern int64 source_position(const Source *source);
extern int64 source_size(const Source *source);
extern TimestampTz source_modified(const Source *source);

/*
 * The SHA-256 of the open file's bytes as they lie, or lay before they were compressed
 * to be sent, and their number; reading goes on from where it was.
 */
extern bytea *source_digest(Source *source, int64 *size);

/* Errors with 55000 if the file changed since it was opened (SPEC 4.2). */
extern void source_check_unchanged(Source *source);
extern void source_close(Source *source);

#endif							/* SYNCUP_SOURCE_H */
