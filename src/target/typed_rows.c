/*
 * typed_rows.c
 *		Rows of our own tables, handed to statements on targets.
 *
 * Ours are read as the extension's owner and converted here, with pinned
 * settings, by the formats and input functions that prepare has tried them
 * with.  The statement that joins them with a target runs as the caller, who
 * needs no right on our tables for it.
 */
#include "target/typed_rows.h"

#include "access/table.h"
#include "catalog/pg_type.h"
#include "target/found_changes.h"
#include "format/convert.h"
#include "target/handover.h"
#include "lib/stringinfo.h"
#include "target/renames.h"
#include "tool/sql.h"
#include "utils/array.h"
#include "utils/rel.h"

/* Describes the next column of the rows, named after its mapping column. */
static void
describe(TypedRows *rows, const char *letter, int column, Oid type, int32 typmod, Oid collation)
{
	typed_rows_column(rows, psprintf("%s%d", letter, column + 1), type, typmod, collation);
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

/* What turns rows of ours into typed rows. */
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
	typed_rows_put(filling->rows, filling->values, filling->nulls);
}

/* Whether source rows say of a stored column if its cell left what is there. */
static bool
is_flagged(const Mapping *mapping, int column)
{
	return column < mapping->nstored && may_keep(&mapping->columns[column]);
}

/* Source rows without any row yet; reviewed: they say which columns are written. */
static TypedRows *
begin_source(const Mapping *mapping, bool reviewed)
{
	bool		renames = may_rename(mapping);
	TypedRows  *rows;
	int			natts = 1;

	for (int i = 0; i < mapping->ncolumns; i++)
		natts += (mapping->columns[i].target != NULL) + is_flagged(mapping, i);
	rows = typed_rows_begin("syncup_source", natts + renames + reviewed);
	rows->renames = renames;
	rows->reviewed = reviewed;
	typed_rows_column(rows, "deleted", BOOLOID, -1, InvalidOid);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
			describe(rows, "c", i, mapping->columns[i].type,
					 mapping->columns[i].typmod, mapping->columns[i].collation);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_flagged(mapping, i))
			describe(rows, "kept", i, BOOLOID, -1, InvalidOid);
	if (renames)
	{
		const MappingColumn *key = &mapping->columns[mapping->key];

		typed_rows_column(rows, "former", key->type, key->typmod, key->collation);
	}
	if (reviewed)
		typed_rows_column(rows, "changed", NAMEARRAYOID, -1, C_COLLATION_OID);
	return rows;
}

struct TypedSource
{
	Filling		filling;
	int			mark;			/* the stored column that names what was kept; -1: none */
	bool	   *kept;
	int			level;			/* of the pinned settings */
};

TypedSource *
typed_source_begin(const Mapping *mapping)
{
	TypedSource *source = palloc0(sizeof(TypedSource));

	source->level = settings_pin(mapping->options->timezone);
	begin_filling(&source->filling, begin_source(mapping, false), mapping, true);
	source->mark = mark_column(mapping);
	source->kept = palloc(sizeof(bool) * mapping->nstored);
	return source;
}

void
typed_source_add(TypedSource *source, StoredTable *table, SourceState state)
{
	Filling    *filling = &source->filling;
	const Mapping *mapping = filling->mapping;
	int			attribute = 0;

	stored_fields(table);
	filling->values[attribute] = BoolGetDatum(state == SOURCE_DELETED);
	filling->nulls[attribute++] = state == SOURCE_KEPT;
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		if (mapping->columns[i].target == NULL)
			continue;
		/* Of a row that goes, or is kept, only the key matters, and only that must convert. */
		if (state != SOURCE_PRESENT && mapping->columns[i].key_part == 0)
			filling->nulls[attribute] = true;
		else
			filling->values[attribute] = convert_stored(&filling->converters[i],
														table->nulls[i] ? (Datum) 0 : table->values[i],
														&filling->nulls[attribute]);
		attribute++;
	}
	if (source->mark >= 0)
		read_mark(mapping, table->values[source->mark],
				  state != SOURCE_PRESENT || table->nulls[source->mark], source->kept);
	for (int i = 0; i < mapping->ncolumns && source->mark >= 0; i++)
		if (is_flagged(mapping, i))
		{
			filling->values[attribute] = BoolGetDatum(source->kept[i]);
			filling->nulls[attribute++] = false;
		}
	if (filling->rows->renames)
	{
		bool		isnull = true;
		Datum		former = state == SOURCE_PRESENT ? stored_renamed(table, &isnull) : (Datum) 0;

		filling->nulls[attribute] = isnull;
		if (!isnull)
			filling->values[attribute] = convert_stored(&filling->converters[mapping->key], former,
														&filling->nulls[attribute]);
	}
	put(filling);
}

Digest
typed_source_digest(TypedSource *source, const DigestEpoch *epoch, RowBytes *bytes)
{
	const Filling *filling = &source->filling;
	int			attribute = 1;

	row_bytes_reset(bytes);
	for (int i = 0; i < filling->mapping->ncolumns; i++)
	{
		if (is_compared(&filling->mapping->columns[i]))
			converter_add_bytes(&filling->converters[i], bytes, filling->values[attribute],
								filling->nulls[attribute]);
		attribute += filling->mapping->columns[i].target != NULL;
	}
	return row_bytes_digest(bytes, &epoch->key);
}

TypedRows *
typed_source_publish(TypedSource *source)
{
	settings_restore(source->level);
	typed_rows_publish(source->filling.rows);
	return source->filling.rows;
}

/* Adds a row of the delta. */
static void
add_delta(void *arg, StoredTable *table)
{
	if (!stored_command_is(table, "keep") && !stored_command_is(table, "alias") && !is_renamed_away(table))
		typed_source_add(arg, table, stored_command_is(table, "delete") ? SOURCE_DELETED : SOURCE_PRESENT);
}

TypedRows *
typed_source(const Mapping *mapping, const pg_uuid_t *batch)
{
	TypedSource *source = typed_source_begin(mapping);

	delta_scan(mapping, batch, add_delta, source);
	return typed_source_publish(source);
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

/* The query of a batch's stored changes: place, command, changed, old, new values. */
static char *
changes_query(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %s, command, changed, old", changes_place(mapping));
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
			appendStringInfo(&sql, ", %s", quote_identifier(mapping->columns[i].change_column));
	appendStringInfo(&sql, " FROM %s WHERE batch = $1", changes_relation(mapping));
	return sql.data;
}

/* The columns of that query, from 1. */
enum
{
	STORED_PLACE = 1, STORED_COMMAND, STORED_CHANGED, STORED_OLD, STORED_VALUES
};

const char *
action_name(ChangeAction action)
{
	static const char *const names[] = {"insert", "update", "delete", "retire", "revive", "give", "take"};

	return names[action];
}

/* Whether a document has a property. */
static bool
has_property(Jsonb *document, const char *name)
{
	JsonbValue	buffer;

	return document != NULL &&
		getKeyJsonValueFromContainer(&document->root, name, strlen(name), &buffer) != NULL;
}

/*
 * What a stored change does to the target, or what takes it back.  A deletion
 * with an array of changed columns, which is empty, lets another mapping take
 * the row; an insertion that knows the old key has taken one, and one that knows
 * when the row was retired brings it back: see came_back_sql().
 */
static ChangeAction
action_of(const Mapping *mapping, const char *command, bool has_changed, Jsonb *old, bool back)
{
	bool		retires = mapping->options->deleted_column != NULL;

	if (strcmp(command, "update") == 0)
		return ACTION_UPDATE;
	if (strcmp(command, "delete") == 0)
		return has_changed ? ACTION_GIVE :
			retires ? (back ? ACTION_REVIVE : ACTION_RETIRE) :
			(back ? ACTION_INSERT : ACTION_DELETE);
	if (has_property(old, mapping->columns[mapping->parts[0]].target))
		return ACTION_TAKE;
	if (retires && json_text(old, mapping->options->deleted_column) != NULL)
		return back ? ACTION_RETIRE : ACTION_REVIVE;
	return back ? ACTION_DELETE : ACTION_INSERT;
}

char *
came_back_sql(const Mapping *mapping)
{
	char	   *retired = mapping->options->deleted_column;

	return psprintf("COALESCE(old ? %s OR %s, false)",
					quote_literal_cstr(mapping->columns[mapping->parts[0]].target),
					retired == NULL ? "false" : psprintf("old ->> %s IS NOT NULL", quote_literal_cstr(retired)));
}

/* The value of a text of the old row, null where it is null or missing. */
static Datum
old_value(Converter *converter, Jsonb *old, const char *column, bool *isnull)
{
	char	   *text = json_text(old, column);

	*isnull = text == NULL;
	return text == NULL ? (Datum) 0 : convert_text(converter, text, isnull);
}

/* What turns stored changes into typed ones. */
typedef struct ChangeFilling
{
	Filling		base;
	bool		back;
	Converter	time;			/* of deleted_column */
	Converter  *others;
	Converter  *taken;
} ChangeFilling;

/*
 * Fills in c, h and o of one column: what is written over what.  A row that
 * goes, or comes back as it was, has its old values on both sides: they are
 * what it must still be like.
 */
static void
fill_column(ChangeFilling *filling, const MappingColumn *column, Converter *converter,
			ChangeAction action, bool changed, bool is_key, Jsonb *old,
			Datum new, bool new_null, int attribute)
{
	Datum	   *values = filling->base.values + attribute;
	bool	   *nulls = filling->base.nulls + attribute;
	bool		from_old = old != NULL && (filling->back ? action == ACTION_INSERT || action == ACTION_REVIVE :
										   action == ACTION_DELETE || action == ACTION_RETIRE);
	Datum		before;
	bool		before_null;

	before = old_value(converter, old, column->target, &before_null);
	nulls[1] = false;
	if (is_key)
	{
		/* A row whose key changes: see renames.h. */
		bool		renamed = action == ACTION_UPDATE && changed;

		values[0] = values[2] = new;
		nulls[0] = nulls[2] = new_null;
		values[1] = BoolGetDatum(action == ACTION_INSERT || renamed);
		if (renamed)
		{
			values[2] = before;
			nulls[2] = before_null;
		}
	}
	else if (from_old)
	{
		values[0] = values[2] = before;
		nulls[0] = nulls[2] = before_null;
		values[1] = BoolGetDatum(true);
	}
	else if (filling->back && action == ACTION_DELETE)
	{
		/* Taking an insert back: the row must be as it was inserted. */
		values[0] = values[2] = new;
		nulls[0] = nulls[2] = new_null;
		values[1] = BoolGetDatum(true);
	}
	else
	{
		values[filling->back ? 2 : 0] = new;
		nulls[filling->back ? 2 : 0] = new_null;
		values[filling->back ? 0 : 2] = before;
		nulls[filling->back ? 0 : 2] = before_null;
		values[1] = BoolGetDatum(changed);
	}
	/* What is written at insertion only is anybody's: it is not looked at, unless it would be lost. */
	if (column->insert_only && !(filling->back && action == ACTION_DELETE))
		values[1] = BoolGetDatum(false);
}

/* Converts one stored change. */
static void
add_change(void *arg, uint64 row)
{
	ChangeFilling *filling = arg;
	Filling    *base = &filling->base;
	const Mapping *mapping = base->mapping;
	Jsonb	   *old = sql_jsonb(row, STORED_OLD);
	Datum	   *changed = NULL;
	int			nchanged = 0;
	bool		isnull;
	Datum		array = sql_datum(row, STORED_CHANGED, &isnull);
	ChangeAction action = action_of(mapping, sql_text(row, STORED_COMMAND), !isnull, old, filling->back);
	int			attribute = 0;
	int			source = STORED_VALUES;

	if (!isnull)
		deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false,
						  TYPALIGN_CHAR, &changed, NULL, &nchanged);
	base->values[attribute] = CStringGetTextDatum(action_name(action));
	base->nulls[attribute++] = false;
	base->values[attribute] = sql_datum(row, STORED_PLACE, &base->nulls[attribute]);
	attribute++;
	base->nulls[attribute] = true;
	if (mapping->options->deleted_column != NULL)
		base->values[attribute] = old_value(&filling->time, old, mapping->options->deleted_column,
											&base->nulls[attribute]);
	attribute++;
	base->values[attribute] = BoolGetDatum(old != NULL);
	base->nulls[attribute++] = false;
	base->values[attribute] = Int64GetDatum(base->rows->count);
	base->nulls[attribute++] = false;
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		Datum		new;

		if (column->target == NULL)
			continue;
		new = sql_datum(row, source++, &isnull);
		fill_column(filling, column, &base->converters[i], action,
					has_name(changed, nchanged, column->target), column->key_part > 0,
					old, new, isnull, attribute);
		if (action == ACTION_UPDATE || action == ACTION_REVIVE || action == ACTION_RETIRE || action == ACTION_TAKE)
			base->rows->written[i] |= has_name(changed, nchanged, column->target);
		attribute += 3;
	}
	for (int n = 0; n < base->rows->nothers; n++)
	{
		base->values[attribute] = old_value(&filling->others[n], old, base->rows->others[n],
											&base->nulls[attribute]);
		attribute++;
	}
	foreach_ptr(const TakenColumn, taken, base->rows->taken)
	{
		base->values[attribute] = old_value(&filling->taken[foreach_current_index(taken)], old,
											taken->column.target, &base->nulls[attribute]);
		attribute++;
	}
	base->rows->actions[action]++;
	put(base);
}

/*
 * Finds the columns that are not mapped but stand in the old rows of deletions,
 * or in what was remembered of insertions: those that taking a deletion back
 * restores, and that must not have changed where an insertion is taken back.
 * Their types are described by the attributes in others.
 */
static int
find_others(const Mapping *mapping, const pg_uuid_t *batch, Form_pg_attribute **others)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	TupleDesc	tupdesc = CreateTupleDescCopy(RelationGetDescr(target));
	Jsonb	   *old = NULL;
	int			count = 0;

	table_close(target, NoLock);
	if (own_sql(psprintf("SELECT old FROM %s WHERE batch = $1 AND command <> 'update' AND old IS NOT NULL"
						 " ORDER BY command <> 'delete', %s LIMIT 1",
						 changes_table(mapping), came_back_sql(mapping)), SQL_ARGS(SQL_UUID(batch))) > 0)
		old = sql_jsonb(0, 1);
	*others = palloc(sizeof(Form_pg_attribute) * tupdesc->natts);
	for (int i = 0; i < tupdesc->natts && old != NULL; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		const char *name = NameStr(attribute->attname);

		if (!attribute->attisdropped && mapped_column(mapping, name) == NULL && has_property(old, name))
			(*others)[count++] = attribute;
	}
	return count;
}

TypedRows *
typed_changes(const Mapping *mapping, const pg_uuid_t *batch, bool back)
{
	int			level = settings_pin(NULL);
	Form_pg_attribute *others = NULL;
	int			nothers = back ? find_others(mapping, batch, &others) : 0;
	List	   *taken = taken_columns(mapping);
	TypedRows  *rows;
	ChangeFilling filling;
	int			natts = CHANGE_NUMBER;

	for (int i = 0; i < mapping->ncolumns; i++)
		natts += mapping->columns[i].target != NULL ? 3 : 0;
	rows = typed_rows_begin("syncup_change", natts + nothers + list_length(taken));
	typed_rows_text(rows, "action");
	typed_rows_column(rows, "place", TIDOID, -1, InvalidOid);
	typed_rows_column(rows, "retired", TIMESTAMPTZOID, -1, InvalidOid);
	typed_rows_column(rows, "remembered", BOOLOID, -1, InvalidOid);
	typed_rows_column(rows, "number", INT8OID, -1, InvalidOid);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->target == NULL)
			continue;
		describe(rows, "c", i, column->type, column->typmod, column->collation);
		describe(rows, "h", i, BOOLOID, -1, InvalidOid);
		describe(rows, "o", i, column->type, column->typmod, column->collation);
	}
	rows->others = palloc(sizeof(char *) * (nothers + 1));
	filling.others = palloc0(sizeof(Converter) * (nothers + 1));
	for (int n = 0; n < nothers; n++)
	{
		describe(rows, "x", n, others[n]->atttypid, others[n]->atttypmod, others[n]->attcollation);
		converter_init(&filling.others[n], others[n]->atttypid, others[n]->atttypmod, NULL);
		rows->others[n] = pstrdup(NameStr(others[n]->attname));
	}
	rows->nothers = nothers;
	rows->taken = taken;
	filling.taken = palloc0(sizeof(Converter) * (list_length(taken) + 1));
	foreach_ptr(const TakenColumn, one, taken)
	{
		const MappingColumn *column = &one->column;

		describe(rows, "k", foreach_current_index(one), column->type, column->typmod, column->collation);
		converter_init(&filling.taken[foreach_current_index(one)], column->type, column->typmod, NULL);
	}
	rows->written = palloc0(sizeof(bool) * mapping->ncolumns);

	begin_filling(&filling.base, rows, mapping, false);
	filling.back = back;
	converter_init(&filling.time, TIMESTAMPTZOID, -1, NULL);
	changes_publish(mapping);
	sql_for_each(own_cursor(changes_query(mapping), SQL_ARGS(SQL_UUID(batch))),
				 add_change, &filling);
	changes_unpublish(mapping);
	settings_restore(level);
	typed_rows_publish(rows);
	return rows;
}

/* Puts the new values of one stored change among source rows. */
static void
add_reviewed(void *arg, uint64 row)
{
	Filling    *filling = arg;
	const Mapping *mapping = filling->mapping;
	int			attribute = 0;
	int			source = STORED_VALUES;

	filling->values[attribute] = BoolGetDatum(strcmp(sql_text(row, STORED_COMMAND), "delete") == 0);
	filling->nulls[attribute++] = false;
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
		{
			filling->values[attribute] = sql_datum(row, source++, &filling->nulls[attribute]);
			attribute++;
		}
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_flagged(mapping, i))
		{
			filling->values[attribute] = BoolGetDatum(false);
			filling->nulls[attribute++] = false;
		}
	if (filling->rows->renames)
	{
		Jsonb	   *old = sql_jsonb(row, STORED_OLD);

		filling->nulls[attribute] = true;
		if (strcmp(sql_text(row, STORED_COMMAND), "update") == 0)
			filling->values[attribute] = old_value(&filling->converters[mapping->key], old,
												   mapping->columns[mapping->key].target, &filling->nulls[attribute]);
		attribute++;
	}
	filling->values[attribute] = sql_datum(row, STORED_CHANGED, &filling->nulls[attribute]);
	put(filling);
}

TypedRows *
typed_reviewed(const Mapping *mapping, const pg_uuid_t *batch)
{
	TypedRows  *rows = begin_source(mapping, true);
	Filling		filling;

	begin_filling(&filling, rows, mapping, false);
	sql_for_each(own_cursor(changes_query(mapping), SQL_ARGS(SQL_UUID(batch))),
				 add_reviewed, &filling);
	typed_rows_publish(rows);
	return rows;
}
