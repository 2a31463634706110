/*
 * change_files.c
 *		Which files of changes a mapping has read: syncup.change_file_read.
 *
 * A file is known by its name, as it lies under the connector's directory, and
 * the digest of its bytes: neither a new time nor another place of the
 * directory makes it new.  One that version 0.1.0 has read has no digest; it is
 * known by time and size.
 */
#include "prepare/change_files.h"

#include "catalog/pg_type.h"
#include "tool/sql.h"

/* The name of a path under the connector's directory; elsewhere the path. */
static const char *
name_of(const Mapping *mapping, const char *path)
{
	char	   *directory;
	size_t		length;

	if (mapping->connector->directory == NULL)
		return path;
	directory = pstrdup(mapping->connector->directory);
	canonicalize_path(directory);
	length = strlen(directory);
	return strncmp(path, directory, length) == 0 && path[length] == '/' ? path + length + 1 : path;
}

#define OF_FILE	"connector = $1 AND mapping = $2 AND file = $3"
#define FILE_ARGS(mapping, path) \
	SQL_TEXT((mapping)->connector->name), SQL_TEXT((mapping)->name), SQL_TEXT(name_of((mapping), (path)))

bool
change_files_were_read(const Mapping *mapping, const SourceFile *file, bytea *digest)
{
	SqlArg		args[] = {FILE_ARGS(mapping, file->path),
		SQL_DATUM(BYTEAOID, PointerGetDatum(digest)),
		SQL_TIME(file->modified), SQL_INT8(file->size)};

	if (own_sql("SELECT file_modified = $5 FROM syncup.change_file_read WHERE " OF_FILE
				" AND (digest = $4 OR digest = '' AND file_modified = $5) AND file_size = $6",
				lengthof(args), args) == 0)
		return false;
	/* The same bytes, written anew: from now on they are known by this time. */
	if (!sql_bool(0, 1))
		own_sql("UPDATE syncup.change_file_read SET file_modified = $5 WHERE " OF_FILE
				" AND digest = $4 AND file_size = $6", lengthof(args), args);
	return true;
}

bool
change_files_seem_read(const Mapping *mapping, const SourceFile *file)
{
	return own_sql("SELECT FROM syncup.change_file_read WHERE " OF_FILE
				   " AND file_modified = $4 AND file_size = $5",
				   SQL_ARGS(FILE_ARGS(mapping, file->path),
							SQL_TIME(file->modified), SQL_INT8(file->size))) > 0;
}

char *
change_files_reader(const Mapping *mapping, const SourceFile *file)
{
	own_sql("SELECT batch FROM syncup.change_file_read WHERE " OF_FILE,
			SQL_ARGS(FILE_ARGS(mapping, file->path)));
	return sql_text(0, 1);
}

void
change_files_check_order(const Mapping *mapping, const SourceFile *file, const char *pattern)
{
	const char *name = name_of(mapping, pattern);

	if (own_sql("SELECT max(file) FROM syncup.change_file_read WHERE connector = $1 AND mapping = $2"
				" AND file > $3 AND starts_with(file, $4)",
				SQL_ARGS(FILE_ARGS(mapping, file->path),
						 SQL_TEXT(pnstrdup(name, strcspn(name, "*?[\\"))))) == 0 ||
		sql_text(0, 1) == NULL)
		return;
	ereport(NOTICE,
			(errmsg("file \"%s\" is read after \"%s\", which comes after it by name",
					file->path, sql_text(0, 1)),
			 errdetail("Its changes are applied on top of those.")));
}

void
change_files_remember(const pg_uuid_t *batch, const Mapping *mapping, const SourceFile *file,
					  bytea *digest)
{
	own_sql("DELETE FROM syncup.change_file_read WHERE " OF_FILE " AND ($4 OR digest = '')",
			SQL_ARGS(FILE_ARGS(mapping, file->path), SQL_BOOL(!mapping->options->pattern)));
	own_sql("INSERT INTO syncup.change_file_read (connector, mapping, file, digest, file_modified, file_size, batch)"
			" VALUES ($1, $2, $3, $4, $5, $6, $7)",
			SQL_ARGS(FILE_ARGS(mapping, file->path), SQL_DATUM(BYTEAOID, PointerGetDatum(digest)),
					 SQL_TIME(file->modified), SQL_INT8(file->size), SQL_UUID(batch)));
}
