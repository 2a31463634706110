/*
 * failure.c
 *		What is said of work on targets that failed.
 */
#include "target/failure.h"

#include "lib/stringinfo.h"
#include "utils/lsyscache.h"

/* The mapping whose target an error names, or NULL. */
static const char *
mapping_of_error(const Connector *connector, const ErrorData *error)
{
	for (int i = 0; i < connector->nmappings && error->table_name != NULL; i++)
	{
		Oid			target = connector->mappings[i].target;
		char	   *name = get_rel_name(target);

		if (name != NULL && strcmp(name, error->table_name) == 0 &&
			strcmp(get_namespace_name(get_rel_namespace(target)), error->schema_name) == 0)
			return connector->mappings[i].name;
	}
	return NULL;
}

char *
failure_message(const Connector *connector, const ErrorData *error)
{
	StringInfoData text;
	const char *place = error->context ? strstr(error->context, "connector \"") : NULL;
	const char *mapping = mapping_of_error(connector, error);

	initStringInfo(&text);
	appendStringInfoString(&text, error->message);
	if (error->detail)
		appendStringInfo(&text, ": %s", error->detail);
	if (place != NULL)
		appendStringInfo(&text, " (%.*s)", (int) strcspn(place, "\n"), place);
	else if (mapping != NULL)
		appendStringInfo(&text, " (connector \"%s\", mapping \"%s\")", connector->name, mapping);
	return text.data;
}

void
refuse_outside_scope(const Mapping *mapping)
{
	ereport(ERROR,
			(errcode(ERRCODE_CHECK_VIOLATION),
			 errmsg("a row written to %s lies outside the scope of the mapping", mapping->target_name),
			 errhint("The scope is (%s); give its columns their values with the option \"constants\".",
					 mapping->options->scope)));
}

void
raise_failure(const Connector *connector, ErrorData *error, const char *message)
{
	/* Who wrote a detail for the log knew of the matter; these two name no values. */
	if (error->detail_log != NULL || error->sqlerrcode == ERRCODE_INSUFFICIENT_PRIVILEGE ||
		ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION)
		ReThrowError(error);
	ereport(ERROR,
			(errcode(error->sqlerrcode),
			 errmsg_internal("%s", message),
			 errdetail_internal("%s", failure_message(connector, error)),
			 errdetail_log("The reason was sent to the client.")));
}
