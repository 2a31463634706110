/*
 * source.c
 *		Files as bytes: who may touch them, whether they are ready, and their
 *		content decoded as far as the CSV reader needs it.
 *
 * A file is opened first and judged afterwards, by its descriptor: between a
 * check of a name and its opening a link could be changed.  Before that, a
 * caller who depends on syncup.directories is refused by the resolved name, so
 * that no error tells whether a file exists elsewhere.
 *
 * The layers, each optional: the file; gzip; UTF-16 or another encoding that
 * cannot be parsed as it lies (its multi-byte characters may hold the bytes of
 * a quote or a delimiter).  Bytes that such an encoding does not know become
 * 0xFF, which no server encoding takes: they are found and reported later,
 * with the row they stand in.
 */
#include "csv/source.h"

#include <fcntl.h>
#include <glob.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "common/username.h"
#include "common/cryptohash.h"
#include "common/sha2.h"
#include "mb/pg_wchar.h"
#include "csv/relation.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/acl.h"
#include "utils/varlena.h"

#define CHUNK	(128 * 1024)

/* A layer's waiting bytes. */
typedef struct Waiting
{
	unsigned char *data;
	size_t		start;
	size_t		end;
	bool		finished;		/* nothing more comes from below */
} Waiting;

struct Source
{
	char	   *path;
	int			fd;
	struct stat opened;			/* as it was when it was opened */
	bool		relation;
	BufFile    *spool;			/* of a relation: its rows; NULL: only the header is read */
	const Upload *upload;		/* NULL: no client has sent it */
	UploadPlace place;			/* of an upload */
	int64		position;

	z_stream   *inflater;		/* NULL: not compressed */
	bool		between_members;
	Waiting		compressed;

	int			asked_encoding; /* as the options say */
	int			encoding;		/* of the bytes given out */
	int			decode_from;	/* what is decoded here, or -1 */
	Oid			conversion;		/* for an encoding the server knows */
	Waiting		encoded;
	Waiting		ready;			/* decoded, not yet given out */
};

/* ---------- who may touch a file ---------- */

char *
source_path(const char *directory, const char *file)
{
	char	   *path;

	if (is_absolute_path(file))
		path = pstrdup(file);
	else if (directory == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relative path \"%s\" needs a directory", file),
				 errhint("Give an absolute path, or a directory to syncup_create_connector(); or send the file in a session.")));
	else
		path = psprintf("%s/%s", directory, file);
	canonicalize_path(path);
	return path;
}

/* Whether path is a directory of the list or lies below one. */
static bool
lies_under(const char *path, const char *directories)
{
	List	   *list = NIL;

	if (directories == NULL || *directories == '\0')
		return false;
	if (!SplitDirectoriesString(pstrdup(directories), ',', &list))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("invalid list syntax in setting \"%s\"", "syncup.directories")));
	foreach_ptr(char, directory, list)
	{
		char		resolved[PATH_MAX];
		size_t		length;

		if (realpath(directory, resolved) == NULL)
			continue;
		length = strlen(resolved);
		if (strncmp(path, resolved, length) == 0 &&
			(path[length] == '/' || resolved[length - 1] == '/'))
			return true;
	}
	return false;
}

/*
 * The path with its links resolved, as far as it exists: a missing file is
 * judged by the folder that would hold it.
 */
static char *
resolve(const char *path)
{
	char		resolved[PATH_MAX];
	char	   *copy = pstrdup(path);
	size_t		end;

	canonicalize_path(copy);
	end = strlen(copy);
	while (end > 0)
	{
		char	   *folder = pnstrdup(copy, end);

		if (realpath(folder, resolved) != NULL)
			return psprintf("%s%s", resolved, copy + end);
		pfree(folder);
		do
			end--;
		while (end > 0 && copy[end] != '/');
	}
	return copy;
}

/* Whether the current user may use the resolved path as the role lets it. */
static bool
may_touch(const char *resolved, Oid role)
{
	return has_privs_of_role(GetUserId(), role) ||
		lies_under(resolved, syncup_directories);
}

/* Errors unless the current user may touch the resolved path. */
static void
check_touch(const char *path, const char *resolved, Oid role)
{
	if (may_touch(resolved, role))
		return;
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
			 errmsg("permission denied for file \"%s\"", path),
			 errhint("Only members of role %s may use files outside the directories of the setting \"syncup.directories\".",
					 role == ROLE_PG_READ_SERVER_FILES ? "pg_read_server_files" : "pg_write_server_files")));
}

void
source_check_readable(const char *path)
{
	check_touch(path, resolve(path), ROLE_PG_READ_SERVER_FILES);
}

void
source_check_directory(const char *directory)
{
	check_touch(directory, resolve(psprintf("%s/file", directory)), ROLE_PG_READ_SERVER_FILES);
}

bool
source_is_readable(const char *path)
{
	return may_touch(resolve(path), ROLE_PG_READ_SERVER_FILES);
}

/*
 * Errors unless the current user may touch what was opened, wherever its name
 * led by then; in a directory, unless its files.
 */
static void
check_descriptor(const char *path, int fd, const struct stat *opened, Oid role)
{
	const char *suffix = S_ISDIR(opened->st_mode) ? "/" : "";
	char		link[64];
	char		resolved[PATH_MAX];
	ssize_t		length;

	if (has_privs_of_role(GetUserId(), role))
		return;

	/* Where the kernel tells the name of an open file, believe that name. */
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	length = readlink(link, resolved, sizeof(resolved) - 1);
	if (length >= 0)
	{
		resolved[length] = '\0';
		check_touch(path, psprintf("%s%s", resolved, suffix), role);
	}
	else
	{
		char	   *name = resolve(path);
		struct stat named;

		check_touch(path, psprintf("%s%s", name, suffix), role);
		if (lstat(name, &named) != 0 || named.st_dev != opened->st_dev ||
			named.st_ino != opened->st_ino)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("file \"%s\" was replaced while it was opened", path)));
	}
}

/* Errors unless the opened file is the caller's to read, and a plain file. */
static void
check_opened(Source *source)
{
	if (!S_ISREG(source->opened.st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" is not a regular file", source->path)));
	check_descriptor(source->path, source->fd, &source->opened, ROLE_PG_READ_SERVER_FILES);
}

int
source_open_directory(const char *path)
{
	struct stat opened;
	int			fd;

	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("directory \"%s\" is not an absolute path", path),
				 errhint("The server writes the files: give the path there.")));
	check_touch(path, psprintf("%s/", resolve(path)), ROLE_PG_WRITE_SERVER_FILES);
	fd = OpenTransientFile(path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("could not open directory \"%s\": %m", path)));
	if (fstat(fd, &opened) != 0)
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("could not stat directory \"%s\": %m", path)));
	check_descriptor(path, fd, &opened, ROLE_PG_WRITE_SERVER_FILES);
	return fd;
}

/* ---------- which file, and is it ready ---------- */

/* The first folder on the way to a path that the server may not enter; NULL: none. */
static char *
closed_folder(const char *path)
{
	for (const char *end = path + 1; (end = strchr(end, '/')) != NULL; end++)
	{
		char	   *folder = pnstrdup(path, end - path);

		if (access(folder, X_OK) != 0)
			return folder;
	}
	return NULL;
}

/* A hint at who must be let read a file, and what stands in the way. */
static int
hint_permission(const char *path)
{
	char	   *error;
	const char *user = get_user_name(&error);
	char	   *folder = closed_folder(path);

	return errhint("The server runs as the operating system's user \"%s\", which %s \"%s\". It must be allowed to read the file and to enter every folder above it.",
				   user ? user : "unknown", folder ? "may not enter folder" : "may not read file",
				   folder ? folder : path);
}

/* Errors about a file that the operating system refuses. */
static void
file_error(const char *path)
{
	bool		missing = errno == ENOENT;
	bool		refused = errno == EACCES;

	ereport(ERROR,
			(errcode_for_file(),
			 errmsg("could not open file \"%s\": %m", path),
			 missing ?
			 errhint("The file is read by the server; check the connector's directory and the export.") :
			 refused ? hint_permission(path) : 0));
}

static TimestampTz
file_time(const struct stat *status)
{
	return time_t_to_timestamptz(status->st_mtime) +
		status->st_mtim.tv_nsec / 1000;
}

static void
set_status(SourceFile *file, const struct stat *status)
{
	file->size = status->st_size;
	file->modified = file_time(status);
}

bool
is_companion(const char *path, const Options *options)
{
	size_t		length = strlen(path);
	size_t		suffix = options->done_suffix ? strlen(options->done_suffix) : 0;

	return suffix > 0 && length > suffix &&
		strcmp(path + length - suffix, options->done_suffix) == 0;
}

static int
compare_paths(const ListCell *a, const ListCell *b)
{
	return strcmp(((SourceFile *) lfirst(a))->path, ((SourceFile *) lfirst(b))->path);
}

/* The regular files that a pattern matches. */
static List *
find_matches(const char *pattern, const Options *options)
{
	glob_t		matches;
	List	   *files = NIL;
	int			result;

	source_check_readable(pattern);
	result = glob(pattern, GLOB_NOSORT | GLOB_ERR, NULL, &matches);
	if (result == GLOB_NOSPACE)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	if (result == 0)
	{
		for (size_t i = 0; i < matches.gl_pathc; i++)
		{
			struct stat status;
			const char *path = matches.gl_pathv[i];
			SourceFile *file;

			/* What lies elsewhere is no match: not even its existence is told. */
			if (!source_is_readable(path) || is_companion(path, options) ||
				stat(path, &status) != 0 || !S_ISREG(status.st_mode))
				continue;
			file = palloc0(sizeof(SourceFile));
			file->path = pstrdup(path);
			set_status(file, &status);
			files = lappend(files, file);
		}
		globfree(&matches);
	}
	return files;
}

List *
source_find_any(const char *pattern, const Options *options)
{
	List	   *files = find_matches(pattern, options);

	list_sort(files, compare_paths);
	return files;
}

List *
source_find_all(const char *pattern, const Options *options)
{
	List	   *files = source_find_any(pattern, options);

	if (files == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FILE),
				 errmsg("no file matches pattern \"%s\"", pattern)));
	return files;
}

bool
source_is_missing(const char *path, const Options *options)
{
	struct stat status;

	source_check_readable(path);
	if (options->pattern)
		return find_matches(path, options) == NIL;
	return stat(path, &status) != 0 && errno == ENOENT;
}

SourceFile *
source_newest(List *files)
{
	SourceFile *newest = NULL;

	foreach_ptr(SourceFile, file, files)
	{
		if (newest == NULL || file->modified >= newest->modified)
			newest = file;
	}
	return newest;
}

/* The companion file that says "done". */
static char *
companion_of(const SourceFile *file, const Options *options)
{
	return psprintf("%s%s", file->path, options->done_suffix);
}

/* Whether that is there, or need not be. */
static bool
is_done(const SourceFile *file, const Options *options)
{
	struct stat status;

	return options->done_suffix == NULL || stat(companion_of(file, options), &status) == 0;
}

/* Seconds since a file was written. */
static double
file_age(const SourceFile *file)
{
	return (GetCurrentTimestamp() - file->modified) / (double) USECS_PER_SEC;
}

bool
source_is_ready(const SourceFile *file, const Options *options)
{
	/* Of what was sent all parts are there. */
	return file->upload != NULL ||
		(is_done(file, options) && (options->min_age <= 0 || file_age(file) >= options->min_age));
}

void
source_check_ready(const SourceFile *file, const Options *options)
{
	if (!is_done(file, options))
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("companion file \"%s\" is not there", companion_of(file, options)),
				 errdetail("Option \"done_suffix\" says that the export is complete once it is.")));
	if (options->min_age > 0 && file_age(file) < options->min_age)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s\" was written %.0f seconds ago, less than \"min_age\" (%g)",
						file->path, file_age(file), options->min_age),
				 errhint("It may still be being written; try again later.")));
}

SourceFile
source_find(const char *path, const Options *options)
{
	SourceFile	file = {0};
	struct stat status;

	if (options->source != NULL)
	{
		file.path = relation_check_source(path);
		return file;
	}
	source_check_readable(path);
	if (options->pattern)
		file = *source_newest(source_find_all(path, options));
	else
	{
		file.path = pstrdup(path);
		if (stat(path, &status) != 0)
			file_error(path);
		set_status(&file, &status);
	}
	source_check_ready(&file, options);
	return file;
}

/* ---------- bytes ---------- */

/* Reads bytes of the file itself. */
static size_t
read_file(Source *source, void *buffer, size_t capacity)
{
	ssize_t		length;

	CHECK_FOR_INTERRUPTS();
	if (source->relation || source->upload != NULL)
	{
		length = source->upload != NULL ? upload_read(source->upload, &source->place, buffer, capacity) :
			source->spool ? BufFileRead(source->spool, buffer, capacity) : 0;
		source->position += length;
		return length;
	}
	do
		length = read(source->fd, buffer, capacity);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("could not read file \"%s\": %m", source->path)));
	source->position += length;
	return length;
}

static voidpf
inflate_allocate(voidpf context, uInt items, uInt size)
{
	return MemoryContextAlloc((MemoryContext) context, (Size) items * size);
}

static void
inflate_release(voidpf context, voidpf address)
{
	pfree(address);
}

/* Reads bytes after decompression; several gzip members follow one another. */
static size_t
read_inflated(Source *source, void *buffer, size_t capacity)
{
	z_stream   *stream = source->inflater;
	Waiting	   *in = &source->compressed;

	stream->next_out = buffer;
	stream->avail_out = capacity;
	while (stream->avail_out > 0)
	{
		int			result;

		if (in->start == in->end && !in->finished)
		{
			in->start = 0;
			in->end = read_file(source, in->data, CHUNK);
			in->finished = in->end == 0;
		}
		if (source->between_members && in->start == in->end)
			break;				/* the proper end */
		if (in->start == in->end)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("compressed file \"%s\" ends too early", source->path)));
		if (source->between_members)
		{
			inflateReset(stream);
			source->between_members = false;
		}
		stream->next_in = in->data + in->start;
		stream->avail_in = in->end - in->start;
		result = inflate(stream, Z_NO_FLUSH);
		in->start = in->end - stream->avail_in;
		if (result == Z_STREAM_END)
			source->between_members = true;
		else if (result != Z_OK && result != Z_BUF_ERROR)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("could not decompress file \"%s\": %s", source->path,
							stream->msg ? stream->msg : "invalid data")));
	}
	return capacity - stream->avail_out;
}

/* Reads bytes as they were before any encoding is undone. */
static size_t
read_encoded(Source *source, void *buffer, size_t capacity)
{
	return source->inflater ? read_inflated(source, buffer, capacity) :
		read_file(source, buffer, capacity);
}

/* Adds bytes to the encoded buffer, moving what waits to its front. */
static void
fill_encoded(Source *source)
{
	Waiting	   *in = &source->encoded;
	size_t		length;

	memmove(in->data, in->data + in->start, in->end - in->start);
	in->end -= in->start;
	in->start = 0;
	if (in->finished || in->end == CHUNK)
		return;
	length = read_encoded(source, in->data + in->end, CHUNK - in->end);
	in->end += length;
	in->finished = length == 0;
}

/* The UTF-16 unit at the given place. */
static inline unsigned
utf16_unit(const Source *source, const unsigned char *at)
{
	return source->decode_from == ENCODING_UTF16LE ?
		at[0] | at[1] << 8 : at[0] << 8 | at[1];
}

/*
 * Decodes waiting UTF-16 into UTF-8 (RFC 2781): a surrogate without its pair,
 * or half a unit at the end, becomes 0xFF.
 */
static void
decode_utf16(Source *source)
{
	Waiting	   *in = &source->encoded;
	Waiting	   *out = &source->ready;

	while (in->start < in->end)
	{
		const unsigned char *at = in->data + in->start;
		size_t		left = in->end - in->start;
		unsigned	unit;
		unsigned	next;

		if (left < 2)
		{
			if (!in->finished)
				break;
			out->data[out->end++] = 0xFF;
			in->start = in->end;
			break;
		}
		unit = utf16_unit(source, at);
		if (unit < 0xD800 || unit > 0xDFFF)
		{
			unicode_to_utf8(unit, out->data + out->end);
			out->end += pg_utf_mblen(out->data + out->end);
			in->start += 2;
			continue;
		}
		if (unit < 0xDC00 && left < 4 && !in->finished)
			break;
		next = unit < 0xDC00 && left >= 4 ? utf16_unit(source, at + 2) : 0;
		if (next >= 0xDC00 && next <= 0xDFFF)
		{
			unicode_to_utf8(0x10000 + ((unit - 0xD800) << 10) + (next - 0xDC00),
							out->data + out->end);
			out->end += 4;
			in->start += 4;
		}
		else
		{
			out->data[out->end++] = 0xFF;
			in->start += 2;
		}
	}
}

/*
 * Decodes waiting bytes of an encoding that only clients may use.  A character
 * cut by the chunk's end waits for its rest.
 */
static void
decode_client_encoding(Source *source)
{
	Waiting	   *in = &source->encoded;
	Waiting	   *out = &source->ready;
	int			longest = pg_encoding_max_length(source->decode_from);

	while (in->start < in->end)
	{
		int			left = in->end - in->start;
		int			done;

		done = pg_do_encoding_conversion_buf(source->conversion,
											 source->decode_from, source->encoding,
											 in->data + in->start, left,
											 out->data + out->end,
											 CHUNK * MAX_CONVERSION_GROWTH, true);
		out->end += strlen((char *) out->data + out->end);
		in->start += done;
		left -= done;
		if (left == 0 || (left < longest && !in->finished))
			break;
		if (done == 0)
		{
			out->data[out->end++] = in->data[in->start] == '\0' ? '\0' : 0xFF;
			in->start++;
		}
	}
}

size_t
source_read(Source *source, char *buffer, size_t capacity)
{
	Waiting	   *ready = &source->ready;
	size_t		length;

	if (ready->start == ready->end && source->decode_from >= 0)
	{
		ready->start = ready->end = 0;
		while (ready->end == 0)
		{
			fill_encoded(source);
			if (source->encoded.finished &&
				source->encoded.start == source->encoded.end)
				return 0;
			if (source->conversion == InvalidOid)
				decode_utf16(source);
			else
				decode_client_encoding(source);
		}
	}
	if (ready->start < ready->end)
	{
		length = Min(capacity, ready->end - ready->start);
		memcpy(buffer, ready->data + ready->start, length);
		ready->start += length;
		return length;
	}
	return read_encoded(source, buffer, capacity);
}

/* ---------- opening and closing ---------- */

/* A buffer for a chunk, with room for what decoding may add. */
static unsigned char *
allocate_chunk(size_t growth)
{
	return palloc(CHUNK * growth + 16);
}

/*
 * Looks at the first bytes: a byte order mark decides the encoding, whatever
 * the options say, and is no data.
 */
static void
settle_encoding(Source *source)
{
	Waiting	   *in = &source->encoded;
	int			encoding = source->asked_encoding;
	size_t		length;

	while (in->end < 4 && !in->finished)
	{
		length = read_encoded(source, in->data + in->end, CHUNK - in->end);
		in->end += length;
		in->finished = length == 0;
	}
	if (in->end >= 3 && memcmp(in->data, "\xEF\xBB\xBF", 3) == 0)
	{
		encoding = PG_UTF8;
		in->start = 3;
	}
	else if (in->end >= 2 && memcmp(in->data, "\xFF\xFE", 2) == 0)
	{
		encoding = ENCODING_UTF16LE;
		in->start = 2;
	}
	else if (in->end >= 2 && memcmp(in->data, "\xFE\xFF", 2) == 0)
	{
		encoding = ENCODING_UTF16BE;
		in->start = 2;
	}

	source->encoding = encoding;
	source->decode_from = -1;
	if (encoding == ENCODING_UTF16LE || encoding == ENCODING_UTF16BE)
	{
		source->decode_from = encoding;
		source->encoding = PG_UTF8;
	}
	else if (PG_ENCODING_IS_CLIENT_ONLY(encoding))
	{
		source->decode_from = encoding;
		source->encoding = GetDatabaseEncoding();
		source->conversion = FindDefaultConversionProc(encoding, source->encoding);
		if (!OidIsValid(source->conversion))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_FUNCTION),
					 errmsg("there is no conversion from encoding \"%s\" to the database's \"%s\"",
							pg_encoding_to_char(encoding), GetDatabaseEncodingName())));
	}
	else
	{
		/* Nothing is decoded: what was looked at is given out as it is. */
		source->ready.end = in->end - in->start;
		memcpy(source->ready.data, in->data + in->start, source->ready.end);
	}
}

/* Whether the name says that the file is compressed. */
static bool
is_compressed(const char *path)
{
	size_t		length = strlen(path);

	return length > 3 && pg_strcasecmp(path + length - 3, ".gz") == 0;
}

/* Opens what was read of a relation. */
static void
open_relation(Source *source, bool with_rows)
{
	int64		size;

	source->relation = true;
	if (with_rows)
		source->spool = relation_spool(source->path, &size);
	else
	{
		source->ready.data = (unsigned char *) relation_header(source->path);
		size = source->ready.end = strlen((char *) source->ready.data);
	}
	source->opened.st_size = size;
	source->encoding = GetDatabaseEncoding();
	source->decode_from = -1;
}

/* Opens a file on the server, and judges it then. */
static void
open_file(Source *source)
{
	source_check_readable(source->path);

	/* O_NONBLOCK: a FIFO must be refused, not waited for. */
	source->fd = OpenTransientFile(source->path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (source->fd < 0)
		file_error(source->path);
	if (fstat(source->fd, &source->opened) != 0)
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("could not stat file \"%s\": %m", source->path)));
	check_opened(source);
}

/* Opens what a client has sent. */
static void
open_upload(Source *source, const Upload *upload)
{
	source->upload = upload;
	source->place.context = CurrentMemoryContext;
	source->opened.st_size = upload->size;
}

/* Puts decompression between the file and what reads it. */
static void
begin_inflating(Source *source)
{
	source->inflater = palloc0(sizeof(z_stream));
	source->inflater->zalloc = inflate_allocate;
	source->inflater->zfree = inflate_release;
	source->inflater->opaque = CurrentMemoryContext;
	if (inflateInit2(source->inflater, 15 + 16) != Z_OK)
		elog(ERROR, "could not start decompression");
	source->compressed.data = allocate_chunk(1);
}

Source *
source_open(const SourceFile *file, const Options *options, bool with_rows)
{
	Source	   *source = palloc0(sizeof(Source));

	source->path = pstrdup(file->path);
	if (options->source != NULL)
	{
		open_relation(source, with_rows);
		return source;
	}
	if (file->upload != NULL)
		open_upload(source, file->upload);
	else
		open_file(source);
	if (source->opened.st_size == 0)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_EXCEPTION),
				 errmsg("file \"%s\" is empty", source->path),
				 errhint("Not even a header line is there: the export probably failed.")));

	if (is_compressed(file->upload != NULL ? file->upload->file : source->path))
		begin_inflating(source);
	source->encoded.data = allocate_chunk(1);
	source->ready.data = allocate_chunk(MAX_CONVERSION_GROWTH + 1);
	source->asked_encoding = options->encoding;
	settle_encoding(source);
	return source;
}

/* Empties a buffer, keeping its memory. */
static void
reset_buffer(Waiting *buffer)
{
	buffer->start = buffer->end = 0;
	buffer->finished = false;
}

void
source_rewind(Source *source)
{
	source->position = 0;
	if (source->relation)
	{
		if (BufFileSeek(source->spool, 0, 0, SEEK_SET) != 0)
			elog(ERROR, "could not read a temporary file again");
		return;
	}
	if (source->upload != NULL)
		upload_rewind(&source->place);
	else if (lseek(source->fd, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("could not read file \"%s\" again: %m", source->path)));
	source->between_members = false;
	if (source->inflater)
		inflateReset(source->inflater);
	reset_buffer(&source->compressed);
	reset_buffer(&source->encoded);
	reset_buffer(&source->ready);
	settle_encoding(source);
}

int
source_encoding(const Source *source)
{
	return source->encoding;
}

const char *
source_encoding_name(const Source *source)
{
	switch (source->decode_from)
	{
		case -1:
			return pg_encoding_to_char(source->encoding);
		case ENCODING_UTF16LE:
		case ENCODING_UTF16BE:
			return "UTF16";
		default:
			return pg_encoding_to_char(source->decode_from);
	}
}

int64
source_position(const Source *source)
{
	return source->position;
}

bool
source_is_relation(const Source *source)
{
	return source->relation;
}

int64
source_size(const Source *source)
{
	return source->opened.st_size;
}

TimestampTz
source_modified(const Source *source)
{
	return source->relation ? GetCurrentStatementStartTimestamp() :
		source->upload != NULL ? source->upload->sent : file_time(&source->opened);
}

/*
 * The bytes of a file as they lie, from its beginning, without those that read it
 * noticing.  What was compressed to be sent in place of a file is that file.
 */
static size_t
read_as_it_lies(Source *source, Source *again, char *buffer, off_t place)
{
	ssize_t		length;

	CHECK_FOR_INTERRUPTS();
	if (source->upload != NULL)
		return read_encoded(again, buffer, CHUNK);
	if (source->spool != NULL)
		return BufFileRead(source->spool, buffer, CHUNK);
	do
		length = pread(source->fd, buffer, CHUNK, place);
	while (length < 0 && errno == EINTR);
	if (length < 0)
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("could not read file \"%s\": %m", source->path)));
	return length;
}

bytea *
source_digest(Source *source, int64 *size)
{
	bytea	   *digest = palloc(VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	pg_cryptohash_ctx *sha = pg_cryptohash_create(PG_SHA256);
	Source		again = {.path = source->path};
	char	   *buffer = palloc(CHUNK);
	size_t		length;

	if (sha == NULL || pg_cryptohash_init(sha) < 0)
		elog(ERROR, "could not start a digest");
	if (source->upload != NULL)
	{
		open_upload(&again, source->upload);
		if (strcmp(source->upload->file, source->path) != 0)
			begin_inflating(&again);
	}
	if (source->spool != NULL && BufFileSeek(source->spool, 0, 0, SEEK_SET) != 0)
		elog(ERROR, "could not read a temporary file from its beginning");
	*size = 0;
	while ((length = read_as_it_lies(source, &again, buffer, *size)) > 0)
	{
		if (pg_cryptohash_update(sha, (uint8 *) buffer, length) < 0)
			elog(ERROR, "could not take a digest");
		*size += length;
	}
	if (source->spool != NULL && BufFileSeek(source->spool, 0, source->position, SEEK_SET) != 0)
		elog(ERROR, "could not read a temporary file from where it was");
	if (again.inflater != NULL)
		inflateEnd(again.inflater);
	SET_VARSIZE(digest, VARHDRSZ + PG_SHA256_DIGEST_LENGTH);
	if (pg_cryptohash_final(sha, (uint8 *) VARDATA(digest), PG_SHA256_DIGEST_LENGTH) < 0)
		elog(ERROR, "could not end a digest");
	pg_cryptohash_free(sha);
	pfree(buffer);
	return digest;
}

void
source_check_unchanged(Source *source)
{
	struct stat now;

	/* A session is locked while it is prepared. */
	if (source->relation || source->upload != NULL)
		return;
	if (fstat(source->fd, &now) != 0)
		ereport(ERROR,
				(errcode_for_file(),
				 errmsg("could not stat file \"%s\": %m", source->path)));
	if (now.st_size != source->opened.st_size ||
		now.st_mtim.tv_sec != source->opened.st_mtim.tv_sec ||
		now.st_mtim.tv_nsec != source->opened.st_mtim.tv_nsec)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s\" changed while it was read", source->path),
				 errhint("Let the export write under another name and rename the file when it is complete, or use the option \"done_suffix\" or \"min_age\".")));
}

void
source_close(Source *source)
{
	if (source->relation)
	{
		if (source->spool != NULL)
			BufFileClose(source->spool);
		return;
	}
	if (source->inflater)
		inflateEnd(source->inflater);
	if (source->upload == NULL)
		CloseTransientFile(source->fd);
}
