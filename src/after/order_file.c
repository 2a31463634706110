/*
 * order_file.c
 *		Orders as files: written with the rights of the role whose they are
 *		(SPEC 3, AFTER 5).
 */
#include "syncup.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "csv/source.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(syncup_append_lines);
PG_FUNCTION_INFO_V1(syncup_write_file);

/* Errors say what the server could not do with the file. */
static void
file_failed(const char *what, const char *path)
{
	ereport(ERROR,
			(errcode_for_file_access(),
			 errmsg("could not %s file \"%s\": %m", what, path)));
}

/* The directory of a path, opened as the role, and the name in it. */
static int
open_directory_as(Oid role, const char *path, const char **name)
{
	char	   *directory = pstrdup(path);
	char	   *slash = strrchr(directory, '/');
	Oid			user;
	int			context;
	int			fd;

	if (!is_absolute_path(path) || slash[1] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("\"%s\" is no absolute path of a file", path),
				 errhint("The server writes the file: give its absolute path there.")));
	*name = strrchr(path, '/') + 1;
	*slash = '\0';
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
	fd = source_open_directory(directory[0] == '\0' ? "/" : directory);
	SetUserIdAndSecContext(user, context);
	return fd;
}

/* Writes all of it; false with errno if that fails. */
static bool
write_all(int fd, const char *bytes, size_t length)
{
	while (length > 0)
	{
		ssize_t		written = write(fd, bytes, length);

		if (written < 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			if (written == 0)
				errno = ENOSPC;
			return false;
		}
		bytes += written;
		length -= written;
	}
	return true;
}

static char *
as_utf8(text *value)
{
	char	   *bytes = text_to_cstring(value);

	return pg_server_to_any(bytes, strlen(bytes), PG_UTF8);
}

/* Errors unless the file begins with the header and ends with a line end. */
static void
check_continues(int fd, const char *path, const char *header, off_t size)
{
	size_t		length = strlen(header);
	char	   *begin = palloc(length);
	char		last;

	if (pread(fd, begin, length, 0) != (ssize_t) length || memcmp(begin, header, length) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s\" has another header than what is to be added", path),
				 errhint("Move it away: a new one is begun.")));
	if (pread(fd, &last, 1, size - 1) != 1 || last != '\n')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s\" ends in the middle of a line", path),
				 errhint("It was cut, or is being written: complete it, or move it away.")));
}

/*
 * syncup.append_lines(role regrole, path text, header text, lines text): adds
 * lines to a file, all or none of them; a new one begins with the header.
 */
Datum
syncup_append_lines(PG_FUNCTION_ARGS)
{
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *header = as_utf8(PG_GETARG_TEXT_PP(2));
	char	   *lines = as_utf8(PG_GETARG_TEXT_PP(3));
	const char *name;
	int			directory = open_directory_as(PG_GETARG_OID(0), path, &name);
	int			fd = openat(directory, name, O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0640);
	struct stat status;

	if (fd < 0)
		file_failed("open", path);
	PG_TRY();
	{
		if (flock(fd, LOCK_EX | LOCK_NB) != 0)
			file_failed("lock", path);
		if (fstat(fd, &status) != 0)
			file_failed("stat", path);
		if (!S_ISREG(status.st_mode))
			ereport(ERROR,
					(errcode(ERRCODE_WRONG_OBJECT_TYPE),
					 errmsg("\"%s\" is no file", path)));
		if (status.st_size > 0)
			check_continues(fd, path, header, status.st_size);
		if ((status.st_size == 0 && !write_all(fd, header, strlen(header))) ||
			!write_all(fd, lines, strlen(lines)) || fsync(fd) != 0)
		{
			int			failure = errno;

			if (ftruncate(fd, status.st_size) != 0)
				ereport(WARNING,
						(errcode_for_file_access(),
						 errmsg("could not take back what was written to file \"%s\": %m", path)));
			errno = failure;
			file_failed("write", path);
		}
		if (fsync(directory) != 0)
			file_failed("sync", path);
	}
	PG_FINALLY();
	{
		close(fd);
	}
	PG_END_TRY();
	CloseTransientFile(directory);
	PG_RETURN_VOID();
}

/*
 * syncup.write_file(role regrole, path text, content text): a file that is there
 * whole, or not at all.
 */
Datum
syncup_write_file(PG_FUNCTION_ARGS)
{
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *content = as_utf8(PG_GETARG_TEXT_PP(2));
	const char *name;
	int			directory = open_directory_as(PG_GETARG_OID(0), path, &name);
	char	   *hidden = psprintf(".%s.%d", name, MyProcPid);
	int			fd = openat(directory, hidden, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);
	bool		written;

	if (fd < 0)
		file_failed("create", path);
	written = write_all(fd, content, strlen(content)) && fsync(fd) == 0;
	if (close(fd) != 0 || !written || renameat(directory, hidden, directory, name) != 0)
	{
		int			failure = errno;

		(void) unlinkat(directory, hidden, 0);
		errno = failure;
		file_failed("write", path);
	}
	if (fsync(directory) != 0)
		file_failed("sync", path);
	CloseTransientFile(directory);
	PG_RETURN_VOID();
}
