/*
 * source_files.c
 *		The files of a connector as they lie there now: syncup_source_files.
 */
#include "syncup.h"

#include "config/config.h"
#include "map/connector.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "tool/guard.h"
#include "map/mapping.h"
#include "csv/source.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(syncup_source_files);

/* A look at one file. */
typedef struct FileLook
{
	const char *path;
	const Options *options;
	SourceFile	file;
} FileLook;

static void
look_at_file(void *arg)
{
	FileLook   *look = arg;

	look->file = source_find(look->path, look->options);
}

/* Adds a file that a mapping reads, unless it is sent; size and time are null where it is not ready. */
static void
add_file(ReturnSetInfo *set, const Mapping *mapping, bool incremental)
{
	FileLook	look = {.options = mapping->options};
	Datum		values[4] = {0};
	bool		nulls[4] = {false, false, true, true};
	ErrorData  *error;

	if (mapping_is_sent(mapping, incremental))
		return;
	look.path = mapping_path(mapping, incremental);
	error = guarded(look_at_file, &look);
	if (error != NULL && error->sqlerrcode != ERRCODE_UNDEFINED_FILE &&
		error->sqlerrcode != ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE)
		ReThrowError(error);
	values[0] = CStringGetTextDatum(mapping->name);
	values[1] = CStringGetTextDatum(error ? look.path : look.file.path);
	if (error == NULL)
	{
		values[2] = Int64GetDatum(look.file.size);
		values[3] = TimestampTzGetDatum(look.file.modified);
		nulls[2] = nulls[3] = false;
	}
	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/* Adds a mapping that reads a relation: there is no file. */
static void
add_relation(ReturnSetInfo *set, const Mapping *mapping)
{
	Datum		values[4] = {CStringGetTextDatum(mapping->name)};
	bool		nulls[4] = {false, true, true, true};

	tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
}

/*
 * syncup_source_files(connector text) returns table (mapping, file, size,
 * modified): with the caller's rights on files.
 */
Datum
syncup_source_files(PG_FUNCTION_ARGS)
{
	Connector  *connector;

	InitMaterializedSRF(fcinfo, 0);
	SPI_connect();
	connector = config_load(required_text(fcinfo, 0, "connector"));
	foreach_mapping(mapping, connector)
		within_mapping(mapping)
		{
			if (mapping->options->source != NULL)
				add_relation((ReturnSetInfo *) fcinfo->resultinfo, mapping);
			else
				add_file((ReturnSetInfo *) fcinfo->resultinfo, mapping, false);
			if (mapping->options->source == NULL && mapping->options->incremental_file != NULL)
				add_file((ReturnSetInfo *) fcinfo->resultinfo, mapping, true);
		}
	SPI_finish();
	return (Datum) 0;
}
