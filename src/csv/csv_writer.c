/*
 * csv_writer.c
 *		Files of rows, which appear in a directory once all of them are whole.
 *
 * RFC 4180 in UTF-8 without a byte order mark: rows end with CRLF, and a field
 * is quoted only where it must be.  Null is an empty field, the empty string
 * is "": option quoted_empty "empty" reads them back as they were.  The same
 * rows always give the same bytes.
 *
 * Each file is written under a temporary name, flushed to disk, and renamed at
 * the end, so that nobody ever reads half a file, after a loss of power either.  What a process that was killed has left under
 * such a name is removed by the next one that writes the file.  All names are
 * taken relative to the opened directory, temporary ones must be new, and a
 * rename replaces a symbolic link instead of following it: nothing is written
 * outside.
 */
#include "csv/csv_writer.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tool/crash_point.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "csv/source.h"
#include "storage/fd.h"

#define CHUNK	(64 * 1024)

/* As those of COPY TO: others may read, but not write. */
#define FILE_MODE	(S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH)

/* A file of the directory: to be there or, without a temporary name, gone. */
typedef struct CsvFile
{
	char	   *name;
	char	   *temporary;
} CsvFile;

struct CsvWriter
{
	char	   *path;			/* of the directory */
	int			directory;
	List	   *files;			/* of CsvFile */
	int			fd;				/* of the last one, or -1 */
	char	   *buffer;
	size_t		used;
	bool		row_begun;
};

CsvWriter *
csv_writer_open(const char *directory)
{
	CsvWriter  *writer = palloc0(sizeof(CsvWriter));

	writer->path = pstrdup(directory);
	canonicalize_path(writer->path);
	writer->buffer = palloc(CHUNK);
	writer->fd = -1;
	writer->directory = source_open_directory(directory);
	return writer;
}

/* ---------- bytes ---------- */

/* Reports what the operating system refuses to do with a file. */
static void
file_error(const CsvWriter *writer, const char *action, const char *name)
{
	ereport(ERROR,
			(errcode_for_file(),
			 errmsg("could not %s file \"%s/%s\": %m", action, writer->path, name)));
}

/* The file that is being written. */
static CsvFile *
current_file(const CsvWriter *writer)
{
	return llast(writer->files);
}

/* Writes bytes to the file itself. */
static void
write_bytes(CsvWriter *writer, const char *data, size_t length)
{
	while (length > 0)
	{
		ssize_t		written;

		CHECK_FOR_INTERRUPTS();
		errno = 0;
		written = write(writer->fd, data, length);
		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			/* If write() did not say why, the disk is full. */
			if (errno == 0)
				errno = ENOSPC;
			file_error(writer, "write", current_file(writer)->name);
		}
		data += written;
		length -= written;
	}
}

/* Writes what waits in the buffer. */
static void
flush(CsvWriter *writer)
{
	write_bytes(writer, writer->buffer, writer->used);
	writer->used = 0;
}

/* Adds bytes to the file. */
static void
put(CsvWriter *writer, const char *data, size_t length)
{
	if (length > CHUNK - writer->used)
		flush(writer);
	if (length > CHUNK)
		write_bytes(writer, data, length);
	else
	{
		memcpy(writer->buffer + writer->used, data, length);
		writer->used += length;
	}
}

/* ---------- files ---------- */

/* Ends the file being written, if there is one. */
static void
end_file(CsvWriter *writer)
{
	int			fd = writer->fd;

	if (fd < 0)
		return;
	flush(writer);
	/* Its bytes are to be on disk before it gets its name. */
	if (pg_fsync(fd) != 0)
		file_error(writer, "fsync", current_file(writer)->name);
	writer->fd = -1;
	if (close(fd) != 0)
		file_error(writer, "write", current_file(writer)->name);
}

/* Whether a name is a temporary one of a file: "." NAME "." 16 digits ".tmp". */
static bool
is_temporary(const char *entry, const char *name)
{
	size_t		length = strlen(name);

	return entry[0] == '.' && strncmp(entry + 1, name, length) == 0 &&
		entry[1 + length] == '.' &&
		strspn(entry + length + 2, "0123456789abcdef") == 16 &&
		strcmp(entry + length + 2 + 16, ".tmp") == 0;
}

/* Removes what a process that was killed has left of this file. */
static void
remove_leftovers(const CsvWriter *writer, const char *name)
{
	int			fd = openat(writer->directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR		   *entries = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;

	if (entries == NULL)
	{
		if (fd >= 0)
			close(fd);
		return;
	}
	while ((entry = readdir(entries)) != NULL)
		if (is_temporary(entry->d_name, name))
			(void) unlinkat(writer->directory, entry->d_name, 0);
	closedir(entries);
}

/* Notes a file of the directory; a folder cannot make room for it. */
static CsvFile *
add_file(CsvWriter *writer, const char *name)
{
	CsvFile    *file = palloc0(sizeof(CsvFile));
	struct stat present;

	Assert(strchr(name, '/') == NULL);
	if (fstatat(writer->directory, name, &present, AT_SYMLINK_NOFOLLOW) == 0 &&
		S_ISDIR(present.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s/%s\" is a directory", writer->path, name)));
	remove_leftovers(writer, name);
	file->name = pstrdup(name);
	writer->files = lappend(writer->files, file);
	return file;
}

void
csv_writer_begin(CsvWriter *writer, const char *name)
{
	CsvFile    *file;
	char	   *temporary;
	uint64		random;

	end_file(writer);
	if (!pg_strong_random(&random, sizeof(random)))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate a random file name")));
	temporary = psprintf(".%s.%016llx.tmp", name, (unsigned long long) random);
	file = add_file(writer, name);
	writer->fd = openat(writer->directory, temporary,
						O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC | PG_BINARY,
						S_IRUSR | S_IWUSR);
	if (writer->fd < 0)
		file_error(writer, "create", name);
	file->temporary = temporary;
	if (fchmod(writer->fd, FILE_MODE) != 0)
		file_error(writer, "create", name);
}

void
csv_writer_remove(CsvWriter *writer, const char *name)
{
	end_file(writer);
	add_file(writer, name);
}

void
csv_writer_publish(CsvWriter *writer)
{
	end_file(writer);
	CRASH_POINT("files written");
	foreach_ptr(CsvFile, file, writer->files)
	{
		if (file->temporary == NULL)
		{
			if (unlinkat(writer->directory, file->name, 0) != 0 && errno != ENOENT)
				file_error(writer, "remove", file->name);
			continue;
		}
		if (renameat(writer->directory, file->temporary, writer->directory, file->name) != 0)
			file_error(writer, "replace", file->name);
		file->temporary = NULL;
		CRASH_POINT("file replaced");
	}
	/* Not every file system can do that with a folder. */
	if (pg_fsync(writer->directory) != 0 && errno != EBADF && errno != EINVAL)
		file_error(writer, "fsync", ".");
	CloseTransientFile(writer->directory);
}

void
csv_writer_abandon(int code, Datum arg)
{
	CsvWriter  *writer = (CsvWriter *) DatumGetPointer(arg);

	if (writer->fd >= 0)
		close(writer->fd);
	writer->fd = -1;
	foreach_ptr(CsvFile, file, writer->files)
	{
		if (file->temporary != NULL)
			(void) unlinkat(writer->directory, file->temporary, 0);
	}
}

/* ---------- rows ---------- */

/*
 * Whether a field must be quoted.  By RFC 4180 for what it holds; and where
 * readers would take it for something else: the empty string for null, blanks
 * at an end for padding, "\." for COPY's end of data, and U+FEFF, first in a
 * file, for a byte order mark.
 */
static bool
needs_quotes(const char *data, size_t length)
{
	if (length == 0 || data[0] == ' ' || data[0] == '\t' ||
		data[length - 1] == ' ' || data[length - 1] == '\t' ||
		(length == 2 && memcmp(data, "\\.", 2) == 0) ||
		(length >= 3 && memcmp(data, "\xEF\xBB\xBF", 3) == 0))
		return true;
	for (size_t i = 0; i < length; i++)
		if (data[i] == ',' || data[i] == '"' || data[i] == '\n' || data[i] == '\r')
			return true;
	return false;
}

/* Adds a quoted field: quotes inside are doubled. */
static void
put_quoted(CsvWriter *writer, const char *data, size_t length)
{
	const char *end = data + length;
	const char *quote;

	put(writer, "\"", 1);
	while ((quote = memchr(data, '"', end - data)) != NULL)
	{
		put(writer, data, quote - data + 1);
		put(writer, "\"", 1);
		data = quote + 1;
	}
	put(writer, data, end - data);
	put(writer, "\"", 1);
}

void
csv_writer_field(CsvWriter *writer, const char *data, size_t length)
{
	char	   *converted = NULL;

	if (writer->row_begun)
		put(writer, ",", 1);
	writer->row_begun = true;
	if (data == NULL)
		return;
	if (length > 0 && GetDatabaseEncoding() != PG_UTF8)
	{
		converted = pg_server_to_any(data, length, PG_UTF8);
		if (converted == data)
			converted = NULL;
		else
		{
			data = converted;
			length = strlen(converted);
		}
	}
	if (needs_quotes(data, length))
		put_quoted(writer, data, length);
	else
		put(writer, data, length);
	if (converted != NULL)
		pfree(converted);
}

void
csv_writer_text(CsvWriter *writer, const char *text)
{
	csv_writer_field(writer, text, text ? strlen(text) : 0);
}

void
csv_writer_end_row(CsvWriter *writer)
{
	put(writer, "\r\n", 2);
	writer->row_begun = false;
}
