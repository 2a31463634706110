/*
 * end_key.c
 *		Keys of the rows at the ends of links, in statements on links.
 *
 * A link is a pair of keys until what is stored of it is known.  A key of one
 * column is a value of the column's type.  One of several columns is an array of
 * their texts, as jsonb, which any statement can take apart without a function of
 * ours, and compare with the columns by their types.
 */
#include "links/end_key.h"

#include "catalog/pg_type.h"
#include "target/target.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"

PG_FUNCTION_INFO_V1(syncup_key_values);

/* The column of a part of the key. */
static const MappingColumn *
part_column(const AssociationEnd *end, int part)
{
	return &end->entity->columns[end->entity->parts[part]];
}

/* "alias"."column" of a part. */
static char *
part_of_row(const AssociationEnd *end, const char *alias, int part)
{
	return psprintf("%s.%s", alias, quote_identifier(part_column(end, part)->target));
}

/* SQL: a part of a key, in its column's type. */
static char *
part_of_key(const AssociationEnd *end, const char *key, int part)
{
	return psprintf("((%s) OPERATOR(pg_catalog.->>) %d)::%s", key, part, part_column(end, part)->target_type);
}

/* ---------- values ---------- */

void
end_key_init(EndKey *key, const AssociationEnd *end)
{
	const MappingColumn *column = key_of_end(end);

	memset(key, 0, sizeof(EndKey));
	key->made = is_key_made(end->entity);
	key->typlen = -1;
	if (key->made)
		key_type_init(&key->type, end->entity);
	else
	{
		converter_init(&key->converter, column->type, column->typmod, column->format);
		key->typlen = key->converter.typlen;
		key->typbyval = key->converter.typbyval;
	}
}

/* An array of texts as jsonb. */
static Datum
jsonb_of_texts(char **texts, int count)
{
	JsonbParseState *state = NULL;

	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
	{
		JsonbValue	value = {.type = jbvString};

		value.val.string.val = texts[i];
		value.val.string.len = strlen(texts[i]);
		(void) pushJsonbValue(&state, WJB_ELEM, &value);
	}
	return JsonbPGetDatum(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_ARRAY, NULL)));
}

Datum
end_key_value(EndKey *key, const char *text, bool *isnull)
{
	if (!key->made)
		return convert_text(&key->converter, text, isnull);
	*isnull = false;
	return jsonb_of_texts(key_written_parts(&key->type, key_value(&key->type, text)), key->type.nparts);
}

void
end_key_describe(TypedRows *rows, const char *name, const AssociationEnd *end)
{
	const MappingColumn *key = key_of_end(end);

	if (is_key_made(end->entity))
		typed_rows_column(rows, name, JSONBOID, -1, InvalidOid);
	else
		typed_rows_column(rows, name, key->type, key->typmod, key->collation);
}

/* ---------- SQL ---------- */

/* The columns of the key under an alias as an array of their texts. */
static char *
array_of_parts(const AssociationEnd *end, const char *alias, bool of_change)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int p = 0; p < end->entity->nparts; p++)
		appendStringInfo(&sql, "%spg_catalog.concat(%s)", p == 0 ? "pg_catalog.jsonb_build_array(" : ", ",
						 of_change ? quote_identifier(part_column(end, p)->change_column) : part_of_row(end, alias, p));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

char *
end_key_sql(const AssociationEnd *end, const char *alias)
{
	if (!is_key_made(end->entity))
		return part_of_row(end, alias, 0);
	return psprintf("CASE WHEN %s THEN %s END", is_row_sql(end, alias), array_of_parts(end, alias, false));
}

char *
end_key_of_change_sql(const AssociationEnd *end)
{
	return is_key_made(end->entity) ? array_of_parts(end, NULL, true) :
		pstrdup(quote_identifier(key_of_end(end)->change_column));
}

char *
has_end_key_sql(const AssociationEnd *end, const char *alias, const char *key)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int p = 0; p < end->entity->nparts; p++)
		appendStringInfo(&sql, "%s%s", p ? " AND " : "",
						 equal_sql(part_column(end, p), part_of_row(end, alias, p),
								   is_key_made(end->entity) ? part_of_key(end, key, p) : key));
	return sql.data;
}

char *
same_end_key_sql(const AssociationEnd *end, const char *a, const char *b)
{
	StringInfoData sql;

	if (!is_key_made(end->entity))
		return equal_sql(key_of_end(end), a, b);
	initStringInfo(&sql);
	for (int p = 0; p < end->entity->nparts; p++)
		appendStringInfo(&sql, "%s%s", p ? " AND " : "",
						 equal_sql(part_column(end, p), part_of_key(end, a, p), part_of_key(end, b, p)));
	return sql.data;
}

char *
is_row_sql(const AssociationEnd *end, const char *alias)
{
	return psprintf("%s IS NOT NULL", part_of_row(end, alias, 0));
}

char *
end_key_text_sql(const AssociationEnd *end, const char *key)
{
	StringInfoData sql;

	if (!is_key_made(end->entity))
		return psprintf("(%s)::pg_catalog.text", key);
	initStringInfo(&sql);
	appendStringInfo(&sql, "CASE WHEN (%s) IS NOT NULL THEN pg_catalog.concat(ROW(", key);
	for (int p = 0; p < end->entity->nparts; p++)
		appendStringInfo(&sql, "%s(%s) OPERATOR(pg_catalog.->>) %d", p ? ", " : "", key, p);
	appendStringInfoString(&sql, ")) END");
	return sql.data;
}

char *
end_key_of_text_sql(const AssociationEnd *end, const char *text)
{
	return is_key_made(end->entity) ? psprintf("syncup.key_values(%s)", text) :
		psprintf("%s::%s", text, key_of_end(end)->target_type);
}

/*
 * syncup.key_values(key text): the values of a key of several columns, a JSON
 * array of texts.
 */
Datum
syncup_key_values(PG_FUNCTION_ARGS)
{
	int			count;
	char	  **parts = key_parts_of_text(text_to_cstring(PG_GETARG_TEXT_PP(0)), &count);

	return jsonb_of_texts(parts, count);
}
