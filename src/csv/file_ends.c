/*
 * file_ends.c
 *		What a file that nobody has described looks like: its first and last
 *		bytes, for syncup_suggest() to guess by (SPEC 2.1), and the files of a
 *		directory.
 */
#include "syncup.h"

#include "csv/source.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(syncup_file_ends);
PG_FUNCTION_INFO_V1(syncup_directory_files);

/* So many bytes of an end are given at most. */
#define MAX_ENDS (64 * 1024 * 1024)

/* The last bytes of what was read, kept as it goes by. */
typedef struct Tail
{
	char	   *bytes;			/* a ring */
	size_t		size;
	uint64		seen;
} Tail;

static void
tail_add(Tail *tail, const char *bytes, size_t length)
{
	size_t		skipped = length > tail->size ? length - tail->size : 0;

	tail->seen += skipped;
	for (size_t i = skipped; i < length;)
	{
		size_t		at = tail->seen % tail->size;
		size_t		some = Min(length - i, tail->size - at);

		memcpy(tail->bytes + at, bytes + i, some);
		tail->seen += some;
		i += some;
	}
}

static Datum
tail_bytes(const Tail *tail)
{
	size_t		length = Min(tail->seen, tail->size);
	size_t		start = tail->seen > tail->size ? tail->seen % tail->size : 0;
	bytea	   *result = palloc(VARHDRSZ + length);

	SET_VARSIZE(result, VARHDRSZ + length);
	memcpy(VARDATA(result), tail->bytes + start, length - start);
	memcpy(VARDATA(result) + length - start, tail->bytes, start);
	return PointerGetDatum(result);
}

/*
 * syncup.file_ends(path text, options jsonb, size int, OUT head bytea, OUT tail
 * bytea, OUT encoding text): so many bytes of both ends, without compression and
 * byte order mark (of UTF-16 as text in the server's encoding), and the encoding
 * that such a mark tells, else the one of the options.
 */
Datum
syncup_file_ends(PG_FUNCTION_ARGS)
{
	Jsonb	   *document = PG_GETARG_JSONB_P(1);
	int32		size = PG_GETARG_INT32(2);
	Options    *options = options_of_call(document);
	char	   *path = text_to_cstring(PG_GETARG_TEXT_PP(0));
	char		buffer[65536];
	bytea	   *head;
	size_t		kept = 0;
	size_t		length;
	Tail		tail = {NULL, size, 0};
	SourceFile	file;
	Source	   *source;
	TupleDesc	tupdesc;
	Datum		values[3];
	bool		nulls[3] = {false, false, false};

	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relative path \"%s\" not allowed", path),
				 errhint("The server reads the file: give its absolute path there.")));
	if (size < 1 || size > MAX_ENDS)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("size must be between 1 and %d bytes, not %d", MAX_ENDS, size)));
	head = palloc(VARHDRSZ + size);
	tail.bytes = palloc(size);
	file = source_find(path, options);
	source = source_open(&file, options, true);
	while ((length = source_read(source, buffer, sizeof(buffer))) > 0)
	{
		size_t		some = Min(tail.size - kept, length);

		CHECK_FOR_INTERRUPTS();
		memcpy(VARDATA(head) + kept, buffer, some);
		kept += some;
		tail_add(&tail, buffer, length);
	}
	SET_VARSIZE(head, VARHDRSZ + kept);
	values[0] = PointerGetDatum(head);
	values[1] = tail_bytes(&tail);
	values[2] = CStringGetTextDatum(source_encoding_name(source));
	source_close(source);
	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

/* Errors unless a directory is there, and the server can read it. */
static void
check_opens(const char *directory)
{
	DIR		   *dir = AllocateDir(directory);
	const char *hint = errno == ENOTDIR ? "Of one file, give the name of its table too: syncup_suggest(path, table_name)." :
		errno == EACCES ? "The operating system's user of the server must be able to read it." : NULL;

	if (dir == NULL)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open directory \"%s\": %m", directory),
				 hint ? errhint("%s", hint) : 0));
	FreeDir(dir);
}

/*
 * syncup.directory_files(directory text) returns table (path text, size bigint,
 * modified timestamptz): the ordinary files there, those that begin with a dot
 * apart, in C order.
 */
Datum
syncup_directory_files(PG_FUNCTION_ARGS)
{
	char	   *directory = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ReturnSetInfo *result;

	if (!is_absolute_path(directory))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relative path \"%s\" not allowed", directory),
				 errhint("The server reads the files: give the absolute path there.")));
	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	source_check_directory(directory);
	check_opens(directory);
	foreach_ptr(SourceFile, file, source_find_any(psprintf("%s/*", directory), options_read(OPTIONS_OF_CALL, 0, NULL)))
	{
		Datum		values[] = {CStringGetTextDatum(file->path), Int64GetDatum(file->size), TimestampTzGetDatum(file->modified)};
		bool		nulls[] = {false, false, false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
