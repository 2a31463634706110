/*
 * describe.c
 *		What a mapping call answers with: what is mapped and what is not.
 *
 * Whoever maps a file sees at once what a run would do with it, and what a
 * misspelt name leaves out.  The file need not be there yet, so it is read
 * under guard; and what was taken for its header may be a row of values, so
 * its names go to the client and not to the server's log.
 */
#include "map/describe.h"

#include "tool/guard.h"
#include "map/mapping.h"
#include "tool/nearest.h"
#include "csv/reader.h"
#include "utils/lsyscache.h"

/* What the file looks like. */
typedef struct FileLook
{
	const Mapping *mapping;
	NameList	only;			/* in the file */
	NameList	missing;		/* mapped, but not in the file */
} FileLook;

/* Whether a column of the file is one that the mapping uses. */
static bool
is_used(const int *found, int nfound, int column)
{
	for (int i = 0; i < nfound; i++)
		if (found[i] == column)
			return true;
	return false;
}

/* Adds a mapped column that the file does not have, with what may be meant. */
static void
add_missing(FileLook *look, const Reader *reader, const char *source)
{
	NameList	nearest = {.wanted = source};

	for (int i = 0; i < reader_columns(reader); i++)
		name_list_add(&nearest, reader_column_name(reader, i), NULL);
	name_list_add(&look->missing, source, NULL);
	if (nearest.nearest != NULL && look->missing.shown == look->missing.count)
		appendStringInfo(&look->missing.text, " (did you mean \"%s\"?)", nearest.nearest);
}

/* Reads the header. */
static void
look_at_file(void *arg)
{
	FileLook   *look = arg;
	const Mapping *mapping = look->mapping;
	SourceFile	file = source_find(mapping_path(mapping, false), mapping->options);
	Reader	   *reader = reader_open_header(&file, mapping->options);
	const char *command = mapping->options->command_column;
	int		   *found = palloc(sizeof(int) * (mapping->ncolumns + 1));

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		found[i] = !is_source_column(mapping, i) ? -1 :
			reader_find_column(reader, mapping->columns[i].source, true);
		if (found[i] < 0 && is_source_column(mapping, i))
			add_missing(look, reader, mapping->columns[i].source);
	}
	found[mapping->ncolumns] = command ? reader_find_column(reader, command, true) : -1;
	for (int i = 0; i < reader_columns(reader); i++)
		if (!is_used(found, mapping->ncolumns + 1, i))
			name_list_add(&look->only, reader_column_name(reader, i), NULL);
	reader_close(reader);
}

bool
writes_column(const Mapping *mapping, const char *column)
{
	return mapped_column(mapping, column) != NULL ||
		(mapping->association && (same_text(mapping->ends[0].target, column) || same_text(mapping->ends[1].target, column)));
}

/* The columns of the target that are not mapped. */
static char *
only_in_target(const Mapping *mapping, Relation target)
{
	TupleDesc	tupdesc = RelationGetDescr(target);
	NameList	list = {0};

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (!attribute->attisdropped && !writes_column(mapping, NameStr(attribute->attname)))
			name_list_add(&list, NameStr(attribute->attname), NULL);
	}
	return name_list_text(&list);
}

/* What is mapped: of an association its two ends. */
static char *
mapped(const Mapping *mapping)
{
	NameList	list = {0};

	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->association && i < 2)
			name_list_add(&list, mapping->columns[i].source, mapping->ends[i].target);
		else if (mapping->columns[i].target != NULL)
			name_list_add(&list, mapping->columns[i].source, mapping->columns[i].target);
	return psprintf("%d column%s: %s", list.count, list.count == 1 ? "" : "s", name_list_text(&list));
}

/* Adds a line to the detail, if there is anything to be said. */
static void
add_line(StringInfo detail, const char *head, const char *list)
{
	if (list != NULL)
		appendStringInfo(detail, "%s%s: %s.", detail->len ? "\n" : "", head, list);
}

void
say_what_is_mapped(const Mapping *mapping, Relation target)
{
	FileLook	look = {.mapping = mapping};
	bool		sent = mapping_is_sent(mapping, false);
	ErrorData  *error = sent ? NULL : guarded(look_at_file, &look);
	StringInfoData detail;

	if (error != NULL && (ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_OPERATOR_INTERVENTION ||
						  ERRCODE_TO_CATEGORY(error->sqlerrcode) == ERRCODE_INSUFFICIENT_RESOURCES))
		ReThrowError(error);
	initStringInfo(&detail);
	if (sent)
		add_line(&detail, "Sent by clients, as the connector has no directory", mapping->file);
	else if (error != NULL)
		add_line(&detail, mapping->options->source ? "The relation could not be read" : "The header of the file could not be read", error->message);
	else
	{
		add_line(&detail, mapping->options->source ? "Missing in the relation" : "Missing in the file", name_list_text(&look.missing));
		add_line(&detail, mapping->options->source ? "Only in the relation" : "Only in the file", name_list_text(&look.only));
	}
	add_line(&detail, "Only in the table", only_in_target(mapping, target));
	ereport(NOTICE,
			(errmsg("mapping \"%s\" of connector \"%s\" maps %s",
					mapping->name, mapping->connector->name, mapped(mapping)),
			 detail.len ? errdetail_internal("%s", detail.data) : 0,
			 errdetail_log("Columns that are not mapped were told to the client.")));
}

/* The columns that a table has, and which of them may be meant. */
static char *
column_hint(Relation table, const char *wanted)
{
	TupleDesc	tupdesc = RelationGetDescr(table);
	NameList	list = {.wanted = wanted};

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);

		if (attribute->attisdropped)
			continue;
		name_list_add(&list, NameStr(attribute->attname), NULL);
	}
	return psprintf("%sIts columns: %s.", did_you_mean(&list), name_list_text(&list));
}

Form_pg_attribute
existing_column(const Mapping *mapping, Relation table, const char *name, const char *detail)
{
	AttrNumber	attnum = get_attnum(mapping->target, name);

	if (attnum <= 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_COLUMN),
				 errmsg("column \"%s\" of table %s does not exist", name, mapping->target_name),
				 detail ? errdetail_internal("%s", detail) : 0,
				 errhint("%s", column_hint(table, name))));
	return TupleDescAttr(RelationGetDescr(table), attnum - 1);
}

Form_pg_attribute
writable_column(const Mapping *mapping, Relation table, const char *name, const char *detail)
{
	Form_pg_attribute attribute = existing_column(mapping, table, name, detail);

	if (attribute->attgenerated)
		ereport(ERROR,
				(errcode(ERRCODE_GENERATED_ALWAYS),
				 errmsg("column \"%s\" of table %s is generated and cannot be written", name, mapping->target_name)));
	return attribute;
}
