/*
 * typed_rows.c
 *		Rows of our own tables, handed to statements on targets.
 *
 * Ours are read as the extension's owner and converted here, with pinned
 * settings, by the formats and input functions that prepare has tried them
 * with.  The statement that joins them with a target runs as the caller, who
 * needs no right on our tables for it.
 */
#include "typed_rows.h"

#include "catalog/pg_type.h"
#include "convert.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "sql.h"
#include "utils/array.h"

/* A tuplestore with the columns added so far. */
static TypedRows *
begin_rows(const char *name, int ncolumns)
{
	TypedRows  *rows = palloc0(sizeof(TypedRows));

	rows->name = name;
	rows->tupdesc = CreateTemplateTupleDesc(ncolumns);
	rows->store = tuplestore_begin_heap(true, false, maintenance_work_mem);
	return rows;
}

/* Names a column of the rows after its mapping column. */
static void
describe(TypedRows *rows, int number, const char *letter, int column,
		 Oid type, int32 typmod, Oid collation)
{
	TupleDescInitEntry(rows->tupdesc, number, psprintf("%s%d", letter, column + 1),
					   type, typmod, 0);
	TupleDescInitEntryCollation(rows->tupdesc, number, collation);
}

/* Makes the rows visible to statements. */
static void
publish(TypedRows *rows)
{
	sql_register_rows(rows->name, rows->store, rows->tupdesc, Max(rows->count, 1));
}

void
typed_rows_forget(TypedRows *rows)
{
	sql_forget_rows(rows->name);
	tuplestore_end(rows->store);
}

/* Converters for the mapped columns of a mapping. */
static Converter *
mapped_converters(const Mapping *mapping, bool formats)
{
	Converter  *converters = palloc0(sizeof(Converter) * mapping->ncolumns);

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->target != NULL)
			converter_init(&converters[i], column->type, column->typmod,
						   formats ? column->format : NULL);
	}
	return converters;
}

/* The query of the source rows: command, then the stored columns. */
static char *
source_query(const Mapping *mapping, bool whole)
{
	const char *key = quote_identifier(mapping->columns[mapping->key].stored);

	if (!whole)
		return psprintf("SELECT d.command, %s FROM %s d WHERE d.batch = $1",
						stored_columns(mapping, "d."), delta_table(mapping));
	return psprintf("SELECT 'insert', %s FROM %s d WHERE d.batch = $1 AND d.command <> 'delete'"
					" UNION ALL SELECT 'insert', %s FROM %s p WHERE NOT EXISTS"
					" (SELECT FROM %s d WHERE d.batch = $1 AND d.%s = p.%s)",
					stored_columns(mapping, "d."), delta_table(mapping),
					stored_columns(mapping, "p."), previous_table(mapping),
					delta_table(mapping), key, key);
}

/* What turns rows of a query of ours into typed rows. */
typedef struct Filling
{
	TypedRows  *rows;
	const Mapping *mapping;
	Converter  *converters;
	Datum	   *values;
	bool	   *nulls;
} Filling;

static void
begin_filling(Filling *filling, TypedRows *rows, const Mapping *mapping, bool formats)
{
	filling->rows = rows;
	filling->mapping = mapping;
	filling->converters = mapped_converters(mapping, formats);
	filling->values = palloc(sizeof(Datum) * rows->tupdesc->natts);
	filling->nulls = palloc(sizeof(bool) * rows->tupdesc->natts);
}

/* Adds the row that was filled in. */
static void
put(Filling *filling)
{
	tuplestore_putvalues(filling->rows->store, filling->rows->tupdesc,
						 filling->values, filling->nulls);
	filling->rows->count++;
}

/* Converts one source row: its command, then the stored columns. */
static void
add_source(void *arg, uint64 row)
{
	Filling    *filling = arg;
	const Mapping *mapping = filling->mapping;
	bool		deleted = strcmp(sql_text(row, 1), "delete") == 0;
	int			attribute = 0;

	filling->values[attribute] = BoolGetDatum(deleted);
	filling->nulls[attribute++] = false;
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (mapping->columns[i].target == NULL)
			continue;
		/* Of a deleted row only the key matters, and only that must convert. */
		if (deleted && i != mapping->key)
			filling->nulls[attribute] = true;
		else
			filling->values[attribute] = convert_text(&filling->converters[i],
													  sql_text(row, i + 2),
													  &filling->nulls[attribute]);
		attribute++;
	}
	put(filling);
}

TypedRows *
typed_source(const Mapping *mapping, const pg_uuid_t *batch, bool whole)
{
	int			level = settings_pin(mapping->options->timezone);
	TypedRows  *rows;
	Filling		filling;
	int			natts = 1;

	for (int i = 0; i < mapping->ncolumns; i++)
		natts += mapping->columns[i].target != NULL;
	rows = begin_rows("syncup_source", natts);
	TupleDescInitEntry(rows->tupdesc, 1, "deleted", BOOLOID, -1, 0);
	natts = 1;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
			describe(rows, ++natts, "c", i, mapping->columns[i].type,
					 mapping->columns[i].typmod, mapping->columns[i].collation);

	begin_filling(&filling, rows, mapping, true);
	sql_for_each(own_cursor(source_query(mapping, whole), SQL_ARGS(SQL_UUID(batch))),
				 add_source, &filling);
	settings_restore(level);
	publish(rows);
	return rows;
}

/* Whether an array of names has this one. */
static bool
has_name(Datum *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(NameStr(*DatumGetName(names[i])), name) == 0)
			return true;
	return false;
}

/* The text of a property of a document, NULL for null or none. */
static char *
json_text(Jsonb *document, const char *name)
{
	JsonbValue	buffer;
	JsonbValue *value = document == NULL ? NULL :
		getKeyJsonValueFromContainer(&document->root, name, strlen(name), &buffer);

	return value == NULL || value->type != jbvString ? NULL :
		pnstrdup(value->val.string.val, value->val.string.len);
}

/* The query of a batch's stored changes: command, changed, old, new values. */
static char *
changes_query(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT command, changed, old");
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
			appendStringInfo(&sql, ", %s", quote_identifier(mapping->columns[i].change_column));
	appendStringInfo(&sql, " FROM %s WHERE batch = $1", changes_table(mapping));
	return sql.data;
}

/* Converts one stored change. */
static void
add_change(void *arg, uint64 row)
{
	Filling    *filling = arg;
	const Mapping *mapping = filling->mapping;
	Jsonb	   *old = sql_jsonb(row, 3);
	Datum	   *changed = NULL;
	int			nchanged = 0;
	bool		isnull;
	Datum		array = sql_datum(row, 2, &isnull);
	int			attribute = 0;
	int			source = 4;

	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false,
						  TYPALIGN_CHAR, &changed, NULL, &nchanged);
	filling->values[attribute] = sql_datum(row, 1, &filling->nulls[attribute]);
	attribute++;
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		char	   *text;

		if (column->target == NULL)
			continue;
		filling->values[attribute] = sql_datum(row, source++, &filling->nulls[attribute]);
		attribute++;
		filling->values[attribute] = BoolGetDatum(has_name(changed, nchanged, column->target));
		filling->nulls[attribute++] = false;
		text = json_text(old, column->target);
		filling->nulls[attribute] = text == NULL;
		if (text != NULL)
			filling->values[attribute] = convert_text(&filling->converters[i], text,
													  &filling->nulls[attribute]);
		attribute++;
	}
	put(filling);
}

TypedRows *
typed_changes(const Mapping *mapping, const pg_uuid_t *batch)
{
	int			level = settings_pin(NULL);
	TypedRows  *rows;
	Filling		filling;
	int			natts = 1;

	for (int i = 0; i < mapping->ncolumns; i++)
		natts += mapping->columns[i].target != NULL ? 3 : 0;
	rows = begin_rows("syncup_change", natts);
	TupleDescInitEntry(rows->tupdesc, 1, "command", TEXTOID, -1, 0);
	natts = 1;
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->target == NULL)
			continue;
		describe(rows, ++natts, "c", i, column->type, column->typmod, column->collation);
		describe(rows, ++natts, "h", i, BOOLOID, -1, InvalidOid);
		describe(rows, ++natts, "o", i, column->type, column->typmod, column->collation);
	}

	begin_filling(&filling, rows, mapping, false);
	sql_for_each(own_cursor(changes_query(mapping), SQL_ARGS(SQL_UUID(batch))),
				 add_change, &filling);
	settings_restore(level);
	publish(rows);
	return rows;
}
