/*
 * read_csv.c
 *		Files as rows of a query: syncup_read_csv, syncup_read_delta,
 *		syncup_csv_header.
 *
 * A set-returning function in FROM ends in a tuplestore whatever it does, so
 * the rows go there at once.  The planner learns the number of rows to expect
 * from the file's size (under the same privilege as reading it).
 */
#include "syncup.h"

#include <sys/stat.h>

#include "format/convert.h"
#include "funcapi.h"
#include "tool/guard.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "csv/reader.h"
#include "storage/fd.h"
#include "config/change_command.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(syncup_read_csv);
PG_FUNCTION_INFO_V1(syncup_read_delta);
PG_FUNCTION_INFO_V1(syncup_csv_header);
PG_FUNCTION_INFO_V1(syncup_read_csv_support);

/* One call: the file, and how its fields become the columns asked for. */
typedef struct CsvScan
{
	Reader	   *reader;
	TupleDesc	tupdesc;
	Options    *options;
	Converter  *converters;
	int		   *columns;		/* of the file, per column asked for */
	int			command_column; /* the column asked for that is the command, or -1 */
	Datum	   *values;
	bool	   *nulls;
	MemoryContext row_context;
} CsvScan;

/* Opens the file that a path and options mean. */
static Reader *
open_by_path(text *path_text, Options *options)
{
	char	   *path = text_to_cstring(path_text);
	SourceFile	file;

	if (!is_absolute_path(path))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("relative path \"%s\" not allowed", path),
				 errhint("The server reads the file: give its absolute path there.")));
	file = source_find(path, options);
	return reader_open(&file, options);
}

/* Finds the file's column for each column asked for. */
static void
match_columns(CsvScan *scan, bool delta)
{
	TupleDesc	tupdesc = scan->tupdesc;

	scan->converters = palloc0(sizeof(Converter) * tupdesc->natts);
	scan->columns = palloc(sizeof(int) * tupdesc->natts);
	scan->command_column = -1;
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		const char *name = NameStr(attribute->attname);

		/* A column called "command" means the command, whatever the file calls it. */
		if (delta && strcmp(name, "command") == 0)
		{
			name = scan->options->command_column;
			scan->command_column = i;
		}
		scan->columns[i] = reader_find_column(scan->reader, name, false);
		converter_init(&scan->converters[i], attribute->atttypid,
					   attribute->atttypmod, NULL);
	}
}

/* Converts the present row. */
static void
convert_row(void *arg)
{
	CsvScan    *scan = arg;

	for (int i = 0; i < scan->tupdesc->natts; i++)
	{
		size_t		length;
		const char *field;
		char	   *value = NULL;

		reader_at_column(scan->reader, scan->columns[i]);
		field = reader_field(scan->reader, scan->columns[i], &length);
		if (field != NULL)
			value = pnstrdup(field, length);
		if (i == scan->command_column)
			value = unconstify(char *, change_command_name(change_command_parse(value, scan->options->commands)));
		scan->values[i] = convert_text(&scan->converters[i], value, &scan->nulls[i]);
	}
	reader_at_column(scan->reader, -1);
}

/* Converts the present row, or says that it is to be left out. */
static bool
row_is_good(CsvScan *scan)
{
	if (reader_fault(scan->reader) != ROW_OK)
		return false;
	if (scan->options->on_error == ON_ERROR_STOP)
	{
		convert_row(scan);
		return true;
	}
	return guarded_values(convert_row, scan) == NULL;
}

/* Reads the whole file into the tuplestore of the call. */
static void
scan_file(CsvScan *scan, Tuplestorestate *rows)
{
	MemoryContext before = CurrentMemoryContext;
	const int64 *limits = scan->options->reject_limit;
	int64		limit = limits[LIMIT_ALL] >= 0 ? limits[LIMIT_ALL] : limits[LIMIT_REJECTED];
	int64		left_out = 0;

	scan->values = palloc(sizeof(Datum) * scan->tupdesc->natts);
	scan->nulls = palloc(sizeof(bool) * scan->tupdesc->natts);
	scan->row_context = AllocSetContextCreate(before, "syncup csv row",
											  ALLOCSET_DEFAULT_SIZES);
	while (reader_next(scan->reader))
	{
		bool		good;

		CHECK_FOR_INTERRUPTS();
		MemoryContextReset(scan->row_context);
		MemoryContextSwitchTo(scan->row_context);
		good = row_is_good(scan);
		MemoryContextSwitchTo(before);
		if (good)
			tuplestore_putvalues(rows, scan->tupdesc, scan->values, scan->nulls);
		else if (limit >= 0 && left_out == limit)
			ereport(ERROR,
					(errcode(ERRCODE_BAD_COPY_FILE_FORMAT),
					 errmsg("more than %lld bad rows (option \"reject_limit\")", (long long) limit)));
		else
			left_out++;
	}
	MemoryContextDelete(scan->row_context);
	source_check_unchanged(reader_source(scan->reader));
	if (left_out > 0)
		ereport(NOTICE,
				(errmsg_plural("%lld bad row of file \"%s\" was left out",
							   "%lld bad rows of file \"%s\" were left out",
							   left_out, (long long) left_out, reader_path(scan->reader))));
}

/* The shared body of syncup_read_csv and syncup_read_delta. */
static Datum
read_rows(FunctionCallInfo fcinfo, bool delta)
{
	CsvScan		scan = {0};
	ReturnSetInfo *result;
	int			level;

	InitMaterializedSRF(fcinfo, MAT_SRF_USE_EXPECTED_DESC);
	result = (ReturnSetInfo *) fcinfo->resultinfo;

	scan.options = options_of_call(PG_GETARG_JSONB_P(1));
	if (delta && scan.options->command_column == NULL)
		scan.options->command_column = "command";
	scan.tupdesc = result->setDesc;
	level = settings_pin(scan.options->timezone);
	scan.reader = open_by_path(PG_GETARG_TEXT_PP(0), scan.options);
	match_columns(&scan, delta);
	reader_enter(scan.reader);
	scan_file(&scan, result->setResult);
	reader_leave(scan.reader);
	reader_close(scan.reader);
	settings_restore(level);
	return (Datum) 0;
}

/*
 * syncup_read_csv(path text, options jsonb) returns setof record (SPEC 2.4).
 */
Datum
syncup_read_csv(PG_FUNCTION_ARGS)
{
	return read_rows(fcinfo, false);
}

/*
 * syncup_read_delta(path text, options jsonb) returns setof record (SPEC 2.4):
 * the column "command" comes back as insert, update, delete or merge.
 */
Datum
syncup_read_delta(PG_FUNCTION_ARGS)
{
	return read_rows(fcinfo, true);
}

/*
 * syncup_csv_header(path text, options jsonb) returns table (ordinal int, name
 * text) (SPEC 2.4).
 */
Datum
syncup_csv_header(PG_FUNCTION_ARGS)
{
	Options    *options = options_of_call(PG_GETARG_JSONB_P(1));
	ReturnSetInfo *result;
	Reader	   *reader;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	reader = open_by_path(PG_GETARG_TEXT_PP(0), options);
	for (int i = 0; i < reader_columns(reader); i++)
	{
		Datum		values[2];
		bool		nulls[2] = {false, false};

		values[0] = Int32GetDatum(i + 1);
		values[1] = CStringGetTextDatum(reader_column_name(reader, i));
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	reader_close(reader);
	return (Datum) 0;
}

/* ---------- how many rows the planner should expect ---------- */

/* The constant value of a function's argument; false where it is none. */
static bool
constant_argument(List *arguments, int number, Datum *value)
{
	Node	   *argument = list_length(arguments) > number ?
		list_nth(arguments, number) : NULL;

	if (argument == NULL || !IsA(argument, Const) || ((Const *) argument)->constisnull)
		return false;
	*value = ((Const *) argument)->constvalue;
	return true;
}

/* Estimates a file's rows from its size and the lines of its first bytes. */
static double
estimate_rows(const char *path)
{
	char		sample[16384];
	struct stat status;
	int			fd;
	ssize_t		length;
	double		lines = 1;

	fd = OpenTransientFile(path, O_RDONLY | O_NONBLOCK | PG_BINARY);
	if (fd < 0)
		return -1;
	if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
	{
		CloseTransientFile(fd);
		return -1;
	}
	length = read(fd, sample, sizeof(sample));
	CloseTransientFile(fd);
	for (ssize_t i = 0; i < length; i++)
		lines += sample[i] == '\n';
	return length <= 0 ? 1 : Max(1, status.st_size * (lines / length));
}

/*
 * Planner support of the reading functions (SupportRequestRows).  A file that
 * the user may not read, or that is not there, gets the default estimate: the
 * error belongs to the execution.
 */
Datum
syncup_read_csv_support(PG_FUNCTION_ARGS)
{
	Node	   *raw = (Node *) PG_GETARG_POINTER(0);
	SupportRequestRows *request;
	Datum		value;
	char	   *path;
	double		rows;

	if (!IsA(raw, SupportRequestRows))
		PG_RETURN_POINTER(NULL);
	request = (SupportRequestRows *) raw;
	if (!is_funcclause(request->node) ||
		!constant_argument(((FuncExpr *) request->node)->args, 0, &value))
		PG_RETURN_POINTER(NULL);
	path = TextDatumGetCString(value);
	if (!is_absolute_path(path) || !source_is_readable(path))
		PG_RETURN_POINTER(NULL);
	rows = estimate_rows(path);
	if (rows < 0)
		PG_RETURN_POINTER(NULL);
	request->rows = rows;
	PG_RETURN_POINTER(request);
}
