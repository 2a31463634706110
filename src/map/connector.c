/*
 * connector.c
 *		Creating, dropping and (de)activating connectors, and their thresholds.
 */
#include "map/connector.h"

#include "store/batch.h"
#include "store/session_store.h"
#include "config/config.h"
#include "store/digest_epoch.h"
#include "tool/lock.h"
#include "map/mapping.h"
#include "digest/row_digest.h"
#include "mb/pg_wchar.h"
#include "tool/nearest.h"
#include "nodes/parsenodes.h"
#include "csv/source.h"
#include "tool/sql.h"

PG_FUNCTION_INFO_V1(syncup_create_connector);
PG_FUNCTION_INFO_V1(syncup_drop_connector);
PG_FUNCTION_INFO_V1(syncup_activate);
PG_FUNCTION_INFO_V1(syncup_deactivate);
PG_FUNCTION_INFO_V1(syncup_set_thresholds);

void
check_name(const char *kind, const char *name)
{
	size_t		length = strlen(name);

	if (length == 0 || length >= NAMEDATALEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("name of the %s must have 1 to %d bytes", kind, NAMEDATALEN - 1)));
	for (const unsigned char *at = (const unsigned char *) name; *at; at++)
		if (*at < 0x20 || *at == 0x7F)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_NAME),
					 errmsg("name of the %s holds a control character", kind)));
}

void
required_argument(FunctionCallInfo fcinfo, int number, const char *name)
{
	if (PG_ARGISNULL(number))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
}

char *
optional_text(FunctionCallInfo fcinfo, int number)
{
	return PG_ARGISNULL(number) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(number));
}

char *
required_text(FunctionCallInfo fcinfo, int number, const char *name)
{
	required_argument(fcinfo, number, name);
	return text_to_cstring(PG_GETARG_TEXT_PP(number));
}

void
check_may_commit(FunctionCallInfo fcinfo, const char *procedure, const char *hint)
{
	CallContext *call = (CallContext *) fcinfo->context;

	if (call == NULL || !IsA(call, CallContext) || call->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("%s commits and cannot be called in a transaction block or a function", procedure),
				 errhint("%s", hint)));
}

/*
 * syncup_create_connector(connector text, directory text, options jsonb)
 * (SPEC 2.1).  Whoever names a directory must be able to read files there:
 * others may later run the connector with more rights.  Of one that exists what
 * the call does not name stays.
 */
Datum
syncup_create_connector(PG_FUNCTION_ARGS)
{
	char	   *connector = required_text(fcinfo, 0, "connector");
	char	   *directory = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	Jsonb	   *given = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	Jsonb	   *stored = NULL;
	Jsonb	   *options;

	check_name("connector", connector);
	if (directory != NULL)
	{
		if (!is_absolute_path(directory))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("directory \"%s\" is not an absolute path", directory),
					 errhint("The server reads the files: give the path there.")));
		canonicalize_path(directory);
		source_check_directory(directory);
	}

	SPI_connect();
	lock_connector(connector);
	if (own_sql("SELECT options FROM syncup.connector WHERE connector = $1",
				SQL_ARGS(SQL_TEXT(connector))) > 0)
		stored = sql_jsonb(0, 1);
	options = options_merge(OPTIONS_OF_CONNECTOR, stored, given);
	(void) options_read(OPTIONS_OF_CONNECTOR, 1, &options);
	/*
	 * Values that the source does not change are only read in another time zone
	 * by a complete run; any other option shows in the text of the rows.
	 */
	if (own_sql("SELECT FROM syncup.connector WHERE connector = $1"
				" AND options ->> 'timezone' IS DISTINCT FROM $2 ->> 'timezone'",
				SQL_ARGS(SQL_TEXT(connector), SQL_JSONB(options))) > 0)
	{
		check_no_batch_waits(connector, NULL);
		digest_epoch_end(connector, NULL);
		if (batch_has_base(connector))
			batch_ask_for_complete(connector);
	}
	own_sql("INSERT INTO syncup.connector (connector, directory, options) VALUES ($1, $2, $3)"
			" ON CONFLICT (connector) DO UPDATE"
			" SET directory = coalesce(excluded.directory, connector.directory), options = excluded.options",
			SQL_ARGS(SQL_TEXT(connector), SQL_TEXT(directory), SQL_JSONB(options)));
	own_sql("INSERT INTO syncup.threshold (connector, mapping, counter, maximum, max_percentage)"
			" SELECT $1, NULL, l.counter, coalesce(max(l.connector_default) FILTER (WHERE NOT l.percentage), 0)::bigint,"
			" coalesce(max(l.connector_default) FILTER (WHERE l.percentage), 0)"
			" FROM syncup.threshold_limit l GROUP BY l.counter"
			" ON CONFLICT DO NOTHING",
			SQL_ARGS(SQL_TEXT(connector)));
	SPI_finish();
	PG_RETURN_VOID();
}

/* Locks and loads the connector that the only argument names. */
static Connector *
locked_connector(FunctionCallInfo fcinfo)
{
	char	   *name = text_to_cstring(PG_GETARG_TEXT_PP(0));

	lock_connector(name);
	return config_load(name);
}

/* Errors if an association of another connector ends in one of its entity types. */
static void
check_not_linked_to(const Connector *connector)
{
	if (own_sql("SELECT entity, mapping, connector FROM syncup.association"
				" WHERE entity_connector = $1 AND connector <> $1 ORDER BY 1, 2, 3 LIMIT 1",
				SQL_ARGS(SQL_TEXT(connector->name))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_DEPENDENT_OBJECTS_STILL_EXIST),
				 errmsg("mapping \"%s\" of connector \"%s\" is used by association \"%s\" of connector \"%s\"",
						sql_text(0, 1), connector->name, sql_text(0, 2), sql_text(0, 3)),
				 errhint("Drop the association with syncup_drop_mapping() first.")));
}

/*
 * syncup_drop_connector(connector text) (SPEC 2.1).
 */
Datum
syncup_drop_connector(PG_FUNCTION_ARGS)
{
	Connector  *connector;

	SPI_connect();
	connector = locked_connector(fcinfo);
	config_claim(connector->name);
	check_not_linked_to(connector);
	foreach_mapping(mapping, connector)
		drop_mapping_tables(mapping);
	sessions_delete("SELECT s.session FROM syncup.upload_session s WHERE s.connector = $1",
					SQL_ARGS(SQL_TEXT(connector->name)));
	own_sql("DELETE FROM syncup.sender WHERE connector = $1",
			SQL_ARGS(SQL_TEXT(connector->name)));
	batches_delete("SELECT b.batch FROM syncup.batch b WHERE b.connector = $1",
				   SQL_ARGS(SQL_TEXT(connector->name)));
	config_forget(connector->name, NULL);
	own_sql("DELETE FROM syncup.connector WHERE connector = $1",
			SQL_ARGS(SQL_TEXT(connector->name)));
	SPI_finish();
	PG_RETURN_VOID();
}

/* Switches a connector on or off. */
static void
set_active(FunctionCallInfo fcinfo, bool active)
{
	Connector  *connector;

	SPI_connect();
	connector = locked_connector(fcinfo);
	own_sql("UPDATE syncup.connector SET active = $2 WHERE connector = $1",
			SQL_ARGS(SQL_TEXT(connector->name), SQL_BOOL(active)));
	SPI_finish();
}

/*
 * syncup_deactivate(connector text) (SPEC 2.1).
 */
Datum
syncup_deactivate(PG_FUNCTION_ARGS)
{
	set_active(fcinfo, false);
	PG_RETURN_VOID();
}

/*
 * syncup_activate(connector text) (SPEC 2.1).
 */
Datum
syncup_activate(PG_FUNCTION_ARGS)
{
	set_active(fcinfo, true);
	PG_RETURN_VOID();
}

/* Errors unless every limit has a known name and a number not below zero. */
static void
check_limits(Jsonb *limits, Mapping *mapping)
{
	if (!JB_ROOT_IS_OBJECT(limits))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("limits must be a JSON object"),
				 errhint("For example {\"maximum_deleted_lines\": 50}.")));
	if (own_sql("WITH valid AS (SELECT l.* FROM syncup.threshold_limit l"
				"   WHERE $2 IS NULL OR l.of_mappings AND coalesce(l.links = $2, true) AND ($3 OR l.name !~ '_per_resource$'))"
				" SELECT e.key, (SELECT string_agg(l.name, ', ' ORDER BY l.links, l.percentage, l.name) FROM valid l),"
				" EXISTS (SELECT FROM syncup.threshold_limit l WHERE l.name = e.key)"
				" FROM jsonb_each($1) e WHERE e.key NOT IN (SELECT l.name FROM valid l) LIMIT 1",
				SQL_ARGS(SQL_JSONB(limits),
						 (SqlArg) {BOOLOID, BoolGetDatum(mapping && mapping->association), mapping == NULL},
						 SQL_BOOL(mapping && mapping->pairs))) > 0)
	{
		char	   *names = sql_text(0, 2);
		bool		is_elsewhere = sql_bool(0, 3);
		NameList	nearest = {.wanted = sql_text(0, 1)};

		for (char *name = strtok(pstrdup(names), ", "); name != NULL; name = strtok(NULL, ", "))
			name_list_add(&nearest, name, NULL);
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 is_elsewhere ?
				 errmsg("limit \"%s\" is not of mapping \"%s\", %s", nearest.wanted, mapping->name,
						!mapping->association ? "an entity type" : mapping->pairs ? "a link table" : "an association in a column") :
				 errmsg("unknown limit \"%s\"", nearest.wanted),
				 errhint("%sValid limits are %s.", is_elsewhere ? "" : did_you_mean(&nearest), names)));
	}
	if (own_sql("SELECT e.key FROM jsonb_each($1) e JOIN syncup.threshold_limit l ON l.name = e.key"
				" WHERE CASE WHEN jsonb_typeof(e.value) <> 'number' THEN true"
				"   ELSE e.value::numeric < 0 OR (NOT l.percentage AND"
				"     (e.value::numeric <> trunc(e.value::numeric) OR e.value::numeric > 9223372036854775807)) END LIMIT 1",
				SQL_ARGS(SQL_JSONB(limits))) > 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("invalid value for limit \"%s\"", sql_text(0, 1)),
				 errhint("Limits are numbers, not negative; 0 is off, and maximums are whole numbers.")));
}

/*
 * syncup_set_thresholds(connector text, limits jsonb, mapping text) (SPEC 2.1
 * and 6.1).
 */
Datum
syncup_set_thresholds(PG_FUNCTION_ARGS)
{
	char	   *name = required_text(fcinfo, 0, "connector");
	Jsonb	   *limits;
	char	   *mapping_name = NULL;
	Connector  *connector;
	Mapping    *mapping = NULL;

	required_argument(fcinfo, 1, "limits");
	limits = PG_GETARG_JSONB_P(1);

	SPI_connect();
	if (!PG_ARGISNULL(2))
		mapping_name = text_to_cstring(PG_GETARG_TEXT_PP(2));

	/* Limits may be set during a run. */
	config_hold(name, mapping_name);
	connector = config_load(name);
	if (mapping_name != NULL)
		mapping = config_find_mapping(connector, mapping_name);
	check_limits(limits, mapping);
	own_sql("INSERT INTO syncup.threshold AS t (connector, mapping, counter, maximum, max_percentage)"
			" SELECT $1, $2, l.counter, coalesce(max(e.value::numeric) FILTER (WHERE NOT l.percentage), 0)::bigint,"
			" coalesce(max(e.value::numeric) FILTER (WHERE l.percentage), 0)"
			" FROM jsonb_each($3) e JOIN syncup.threshold_limit l ON l.name = e.key GROUP BY l.counter"
			" ON CONFLICT (connector, coalesce(mapping, ''), counter) DO UPDATE SET"
			" maximum = CASE WHEN $3 ?| (SELECT array_agg(l.name) FROM syncup.threshold_limit l"
			"   WHERE l.counter = t.counter AND NOT l.percentage) THEN excluded.maximum ELSE t.maximum END,"
			" max_percentage = CASE WHEN $3 ?| (SELECT array_agg(l.name) FROM syncup.threshold_limit l"
			"   WHERE l.counter = t.counter AND l.percentage) THEN excluded.max_percentage ELSE t.max_percentage END",
			SQL_ARGS(SQL_TEXT(name), SQL_TEXT(mapping ? mapping->name : NULL), SQL_JSONB(limits)));
	SPI_finish();
	PG_RETURN_VOID();
}
