/*
 * links.c
 *		What a batch does to the links of an association: stored, written.
 *
 * Links come as pairs of keys (resolve.c).  They become what is stored (options
 * store1 and store2) in the statements on the target, and of rows that the batch
 * itself inserts only once they are there: the link's change then holds the keys
 * alone.
 *
 * What several associations fill together is found by one query, with the first of
 * them (LinkSet): of each link the first that gives it counts, and writes its
 * columns.  Then each has its own changes, as if there were no others.
 */
#include "links/links.h"

#include "access/table.h"
#include "target/found_changes.h"
#include "links/end_key.h"
#include "target/failure.h"
#include "target/handover.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tool/plans.h"
#include "target/renames.h"
#include "tool/sql.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* ---------- SQL on targets ---------- */

/* A column of a target under an alias. */
static char *
column_of(const char *alias, const char *name)
{
	return psprintf("%s.%s", alias, quote_identifier(name));
}

/* SQL: the rows of an end's entity type. */
static char *
entity_rows(const AssociationEnd *end)
{
	return renamed_relation(end->entity->connector, end->entity->target, end->entity->target_name);
}

/* SQL: what is stored of the row of an end that has this key; null: it is not there. */
static char *
stored_of_key(const AssociationEnd *end, const char *key)
{
	return psprintf("(SELECT e.%s FROM %s e WHERE %s)", quote_identifier(end->stored.target),
					entity_rows(end),
					has_end_key_sql(end, "e", key));
}

/* SQL: the key of the row of an end of which this is stored. */
static char *
key_of_stored(const AssociationEnd *end, const char *stored)
{
	if (end->store == NULL)
		return pstrdup(stored);
	return psprintf("(SELECT %s FROM %s e WHERE %s)", end_key_sql(end, "e"), entity_rows(end),
					equal_sql(&end->stored, column_of("e", end->stored.target), stored));
}

/*
 * SQL: what is to be stored for the keys of rows under an alias, and the joins
 * that this takes; null where the row is not there yet.
 */
static char *
stored_value(const Mapping *mapping, int side, const char *alias)
{
	const AssociationEnd *end = &mapping->ends[side];

	return end->store == NULL ? psprintf("%s.k%d", alias, side + 1) :
		column_of(psprintf("e%d", side + 1), end->store);
}

static char *
stored_joins(const Mapping *mapping, const char *alias)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &mapping->ends[i];
		char	   *entity = psprintf("e%d", i + 1);

		if (end->store != NULL && i != mapping->holder)
			appendStringInfo(&sql, " LEFT JOIN %s %s ON %s", entity_rows(end), entity,
							 has_end_key_sql(end, entity, psprintf("%s.k%d", alias, i + 1)));
	}
	return sql.data;
}

/* SQL: the same key of two rows of links, which may be one side's alone. */
static char *
same_keys(const Mapping *mapping, const char *a, const char *b)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < 2; i++)
		if (mapping->pairs || i == mapping->holder)
			appendStringInfo(&sql, "%s%s", sql.len ? " AND " : "",
							 same_end_key_sql(&mapping->ends[i], psprintf("%s.k%d", a, i + 1),
											  psprintf("%s.k%d", b, i + 1)));
	return sql.data;
}

/* The end whose stored value a mono-valued link is, and the one whose row holds it. */
#define other_end(m)	(&(m)->ends[1 - (m)->holder])
#define holder_end(m)	(&(m)->ends[(m)->holder])

/* ---------- columns of links ---------- */

/* A column of links under an alias: named by the target's column, which all that fill the same rows share. */
static char *
link_column(const MappingColumn *column, const char *alias)
{
	return psprintf("%s.c%d", alias, column->attnum);
}

/* Whether a column of an association belongs to its links; whether it tells those of one pair apart. */
#define is_link_column(m, i)	((i) >= 2 && (m)->columns[i].target != NULL)
#define tells_apart(column)		((column)->key_part > 2)

/* The column of an association that is written to the same column of the target; NULL: none is. */
static const MappingColumn *
column_of_member(const Mapping *mapping, const MappingColumn *column)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_link_column(mapping, i) && mapping->columns[i].attnum == column->attnum)
			return &mapping->columns[i];
	return NULL;
}

/* SQL: " AND ..." that what tells links of one pair apart is the same in two rows; nulls are. */
static char *
same_link_key_sql(const Mapping *mapping, bool of_target, const char *a, const char *b)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		/* In arrays null equals null, and rows can be hashed. */
		if (is_link_column(mapping, i) && tells_apart(column))
			appendStringInfo(&sql, " AND ARRAY[%s] OPERATOR(pg_catalog.=) ARRAY[%s]",
							 of_target ? column_of(a, column->target) : link_column(column, a), link_column(column, b));
	}
	return sql.data;
}

char *
changed_link_columns(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_link_column(mapping, i))
			appendStringInfo(&sql, ", %s AS c%d", quote_identifier(mapping->columns[i].change_column), mapping->columns[i].attnum);
	return sql.data;
}

/* The further columns of the target that may be read of a link table, under an alias. */
static char *
further_columns(const Mapping *mapping, const char *alias)
{
	StringInfoData sql;
	Bitmapset  *known = NULL;

	initStringInfo(&sql);
	foreach_ptr(const Mapping, member, link_siblings(mapping))
	{
		for (int i = 0; i < member->ncolumns; i++)
		{
			if (!is_link_column(member, i) || bms_is_member(member->columns[i].attnum, known))
				continue;
			known = bms_add_member(known, member->columns[i].attnum);
			appendStringInfo(&sql, ", %s", column_of(alias, member->columns[i].target));
		}
	}
	return sql.data;
}

/* SQL: the links among the rows of a relation in SQL, as "t". */
static char *
links_among(const Mapping *mapping, const char *relation)
{
	char	   *column1 = column_of("r", mapping->ends[0].target);
	char	   *column2 = column_of("r", mapping->ends[1].target);
	const char *scope = mapping->options->scope;

	return psprintf("(SELECT %s FROM %s r WHERE %s IS NOT NULL AND %s IS NOT NULL%s) t",
					may_read_all(mapping) ? "r.*" :
					psprintf("%s, %s%s", column1, column2, further_columns(mapping, "r")),
					relation, column1, column2, scope == NULL ? "" : psprintf(" AND (%s\n)", scope));
}

/* The same of the link table, or of a relation that has its columns, as it will be once keys have changed. */
static char *
link_table_rows(const Mapping *mapping, const char *relation)
{
	return links_among(mapping, renamed_relation(mapping->connector, mapping->target, relation));
}

char *
stored_links(const Mapping *mapping)
{
	return links_among(mapping, mapping->target_name);
}

/* SQL: the links of the target as "t": rows that are links, or that can hold one. */
static char *
link_rows(const Mapping *mapping)
{
	return mapping->pairs ? link_table_rows(mapping, mapping->target_name) :
		target_rows_with(holder_end(mapping)->entity, other_end(mapping)->target);
}

char *
links_same_sql(const Mapping *mapping, const char *value1, const char *value2)
{
	return psprintf("%s AND %s%s",
					equal_sql(&mapping->ends[0].stored, column_of("t", mapping->ends[0].target), value1),
					equal_sql(&mapping->ends[1].stored, column_of("t", mapping->ends[1].target), value2),
					same_link_key_sql(mapping, true, "t", "s"));
}

/* SQL: whether target row t is the holder of a change or link s. */
static char *
is_holder_sql(const Mapping *mapping, const char *key)
{
	return has_end_key_sql(holder_end(mapping), "t", key);
}

/* Whether the target row is there: what every row of a link table, or holder, has. */
static char *
has_target_sql(const Mapping *mapping)
{
	return mapping->pairs ? psprintf("%s IS NOT NULL", column_of("t", mapping->ends[0].target)) :
		is_row_sql(holder_end(mapping), "t");
}

bool
links_are_few(const Mapping *mapping, int64 links)
{
	const char *columns[2] = {mapping->ends[0].target, mapping->ends[1].target};

	/* What will be another key is not found by an index. */
	if (renames_at_hand(mapping->connector))
		return false;
	return mapping->pairs ? plan_few(mapping->target, columns, 2, links) :
		is_few(holder_end(mapping)->entity, links);
}

int64
links_count(const Mapping *mapping)
{
	if (mapping->pairs)
		caller_sql(psprintf("SELECT pg_catalog.count(*) FROM %s", link_rows(mapping)), SQL_NO_ARGS);
	else
		caller_sql(psprintf("SELECT pg_catalog.count(%s) FROM %s WHERE %s",
							column_of("t", other_end(mapping)->target), link_rows(mapping),
							is_current(holder_end(mapping)->entity)),
				   SQL_NO_ARGS);
	return sql_int8(0, 1);
}

/* Of which batch and mapping resources are recorded. */
typedef struct ResourceSink
{
	const Mapping *mapping;
	pg_uuid_t	batch;
} ResourceSink;

/* Writes down one resource, its links that go, and all that it had. */
static void
record_resource(void *arg, uint64 row)
{
	SPITupleTable *rows = SPI_tuptable;
	const ResourceSink *sink = arg;

	own_sql("INSERT INTO syncup.batch_resource VALUES ($1, $2, $3, $4, $5, $6)",
			SQL_ARGS(SQL_UUID(&sink->batch), SQL_TEXT(sink->mapping->name), SQL_TEXT(sql_text(row, 1)),
					 SQL_INT8(sql_int8(row, 2)), SQL_INT8(sql_int8(row, 3)), SQL_BOOL(sql_bool(row, 4))));
	SPI_tuptable = rows;
}

void
links_count_resources(const Mapping *mapping, const pg_uuid_t *batch, int64 deleted)
{
	ResourceSink sink = {mapping, *batch};
	SqlArg		args[3];

	if (!mapping->pairs || deleted == 0)
		return;
	own_sql("SELECT coalesce(max(t.maximum) FILTER (WHERE t.counter = 'links_per_resource' AND t.mapping IS NOT NULL),"
			"   max(t.maximum) FILTER (WHERE t.counter = 'links_per_resource'), 20),"
			" coalesce(max(t.max_percentage) FILTER (WHERE t.counter = 'link_deleted_lines_per_resource' AND t.mapping IS NOT NULL),"
			"   max(t.max_percentage) FILTER (WHERE t.counter = 'link_deleted_lines_per_resource'), 0)::float8"
			" FROM syncup.threshold t WHERE t.connector = $1 AND (t.mapping IS NULL OR t.mapping = $2) AND (t.maximum > 0 OR t.max_percentage > 0)",
			SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)));
	args[0] = SQL_INT8(sql_int8(0, 1));
	args[1] = SQL_DATUM(FLOAT8OID, 0);
	args[1].value = sql_datum(0, 2, &args[1].isnull);
	args[2] = SQL_UUID(batch);
	/* No resource that counts can have lost so many. */
	if (deleted * 2 < DatumGetInt64(args[0].value) &&
		(DatumGetFloat8(args[1].value) == 0 ||
		 deleted * 100 <= DatumGetFloat8(args[1].value) * DatumGetInt64(args[0].value)))
		return;
	changes_publish(mapping);
	sql_for_each(caller_cursor_planned(psprintf("SELECT g.key1, g.gone, count(*), ($2 > 0 AND g.gone * 100 > $2 * count(*))"
										" FROM (SELECT c.key1, c.%s AS value, count(*) AS gone FROM %s c"
										"  WHERE c.batch = $3 AND c.command = 'delete' GROUP BY 1, 2"
										"  HAVING count(*) * 2 >= $1 OR ($2 > 0 AND count(*) * 100 > $2 * $1)) g JOIN %s ON %s"
										" GROUP BY g.key1, g.gone HAVING count(*) >= $1 AND (g.gone * 2 >= count(*) OR ($2 > 0 AND g.gone * 100 > $2 * count(*)))"
										" ORDER BY g.gone DESC, g.key1 COLLATE \"C\" LIMIT 1000",
										quote_identifier(mapping->ends[0].change_column), changes_relation(mapping),
										link_rows(mapping),
										equal_sql(&mapping->ends[0].stored, column_of("t", mapping->ends[0].target), "g.value")),
							   links_are_few(mapping, deleted), 3, args),
				 record_resource, &sink);
	changes_unpublish(mapping);
}

/* ---------- what the target lacks or has too much ---------- */

/* What the query of changes gives, and the change table takes. */
enum
{
	FOUND_COMMAND = 1, FOUND_CHANGED, FOUND_OLD, FOUND_KEY1, FOUND_KEY2, FOUND_OLD_KEY, FOUND_VALUES,
	FOUND_GIVER = FOUND_VALUES + 2, FOUND_FURTHER	/* of a link table */
};

/* Where the changes of an association's links go. */
typedef struct LinkChanges
{
	const Mapping *mapping;
	FoundChanges *store;
	ChangeCounter *counter;
	int		   *attributes;		/* of the change table, per column of the set; -1: it has none */
} LinkChanges;

/* And those of all that fill the same rows. */
typedef struct LinkSink
{
	pg_uuid_t	batch;
	const LinkSet *set;
	LinkChanges *changes;		/* by giver */
} LinkSink;

/* Counts a change; of a mono-valued link that moves three times (SPEC 6.2). */
static void
count_change(LinkChanges *changes, const char *command)
{
	if (changes->mapping->pairs && strcmp(command, "update") == 0)
	{
		changes->counter->updated++;
		return;
	}
	if (strcmp(command, "delete") != 0)
		changes->counter->inserted++;
	if (strcmp(command, "insert") != 0)
		changes->counter->deleted++;
	if (strcmp(command, "update") == 0)
		changes->counter->updated++;
}

/* Which association a row found counts for. */
static LinkChanges *
changes_of_row(LinkSink *sink, uint64 row)
{
	bool		isnull;

	if (!sink->set->members[0]->pairs)
		return sink->changes;
	return &sink->changes[DatumGetInt32(sql_datum(row, FOUND_GIVER, &isnull))];
}

/* Writes one row found to the change table. */
static void
write_change(void *arg, uint64 row)
{
	LinkSink   *sink = arg;
	LinkChanges *changes = changes_of_row(sink, row);
	TupleTableSlot *slot = found_changes_slot(changes->store);
	MemoryContext before = MemoryContextSwitchTo(found_changes_memory(changes->store));
	int			last = FOUND_VALUES + (changes->mapping->pairs ? 1 : 0);

	count_change(changes, sql_text(row, FOUND_COMMAND));
	slot->tts_values[0] = UUIDPGetDatum(&sink->batch);
	slot->tts_isnull[0] = false;
	for (int i = FOUND_COMMAND; i <= last; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, i);
		Datum		value = sql_datum(row, i, &slot->tts_isnull[i]);

		if (!slot->tts_isnull[i])
			slot->tts_values[i] = datumCopy(value, attribute->attbyval, attribute->attlen);
	}
	for (int i = 0; i < sink->set->ncolumns; i++)
	{
		int			n = changes->attributes[i];
		Form_pg_attribute attribute;
		Datum		value;

		if (n < 0)
			continue;
		attribute = TupleDescAttr(slot->tts_tupleDescriptor, n);
		value = sql_datum(row, FOUND_FURTHER + i, &slot->tts_isnull[n]);
		if (!slot->tts_isnull[n])
			slot->tts_values[n] = datumCopy(value, attribute->attbyval, attribute->attlen);
	}
	MemoryContextSwitchTo(before);
	found_changes_put(changes->store);
}

/* Where the columns of a set stand in the change table of one of its associations. */
static int *
change_attributes(const LinkSet *set, const Mapping *mapping, FoundChanges *store)
{
	int		   *attributes = palloc(sizeof(int) * (set->ncolumns + 1));
	TupleDesc	tupdesc = found_changes_slot(store)->tts_tupleDescriptor;

	for (int i = 0; i < set->ncolumns; i++)
	{
		const MappingColumn *column = column_of_member(mapping, set->columns[i]);

		attributes[i] = column == NULL ? -1 : attribute_of(tupdesc, column->change_column) - 1;
	}
	return attributes;
}

/* ---------- links of several associations ---------- */

/* Adds a column that no earlier member has. */
static void
add_set_column(LinkSet *set, const MappingColumn *column)
{
	for (int i = 0; i < set->ncolumns; i++)
		if (set->columns[i]->attnum == column->attnum)
			return;
	set->columns[set->ncolumns++] = column;
}

LinkSet *
link_set_begin(List *members)
{
	LinkSet    *set = palloc0(sizeof(LinkSet));

	set->members = palloc(sizeof(Mapping *) * list_length(members));
	set->counters = palloc0(sizeof(ChangeCounter) * list_length(members));
	/* A second reading each at most. */
	set->parts = palloc(sizeof(LinkPart) * list_length(members) * 2);
	foreach_ptr(Mapping, member, members)
	{
		set->members[set->nmembers++] = member;
		set->ncolumns += link_columns(member);
	}
	set->columns = palloc(sizeof(MappingColumn *) * (set->ncolumns + 1));
	set->ncolumns = 0;
	for (int m = 0; m < set->nmembers; m++)
		for (int i = 0; i < set->members[m]->ncolumns; i++)
			if (is_link_column(set->members[m], i))
				add_set_column(set, &set->members[m]->columns[i]);
	return set;
}

const char *
link_set_name(const LinkSet *set)
{
	return psprintf("syncup_link%d", set->nparts + 1);
}

void
link_set_add(LinkSet *set, int giver, TypedRows *rows)
{
	set->parts[set->nparts++] = (LinkPart) {giver, rows};
}

static void
link_set_forget(LinkSet *set)
{
	for (int i = 0; i < set->nparts; i++)
		typed_rows_forget(set->parts[i].rows);
}

static int64
link_set_count(const LinkSet *set)
{
	int64		count = 0;

	for (int i = 0; i < set->nparts; i++)
		count += set->parts[i].rows->count;
	return count;
}

/*
 * The links of one association without those that go though another pair still is
 * them.  Found before they are joined with the target: a plan for few rows would
 * compare each with each.
 */
static TypedRows *
net_links(const Mapping *mapping, TypedRows *links)
{
	TypedRows  *net = typed_rows_gather(psprintf("%s_net", links->name),
										caller_cursor(psprintf("SELECT l.* FROM %s l WHERE l.deleted IS NOT TRUE"
															   " UNION ALL SELECT l.* FROM %s l WHERE l.deleted AND NOT EXISTS"
															   " (SELECT FROM %s other WHERE NOT other.deleted AND %s%s)",
															   links->name, links->name, links->name, same_keys(mapping, "other", "l"),
															   same_link_key_sql(mapping, false, "other", "l")), SQL_NO_ARGS));

	typed_rows_forget(links);
	return net;
}

/* SQL: the links of one association, with what is to be stored of each. */
static char *
own_links_sql(const Mapping *mapping, const char *relation)
{
	return psprintf("(SELECT 0 AS giver, l.*, %s AS v1, %s AS v2, true AS here FROM %s l%s) s",
					mapping->holder == 0 ? "NULL" : stored_value(mapping, 0, "l"),
					mapping->holder == 1 ? "NULL" : stored_value(mapping, 1, "l"),
					relation, stored_joins(mapping, "l"));
}

/*
 * SQL: the same of part of a set.  n1 and n2 tell rows apart of which it is not
 * known yet what is stored.
 */
static char *
part_sql(const LinkSet *set, const LinkPart *part)
{
	const Mapping *mapping = set->members[part->giver];
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT %d AS giver, l.deleted", part->giver);
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &mapping->ends[i];
		char	   *value = stored_value(mapping, i, "l");

		appendStringInfo(&sql, ", %s AS k%d, %s AS v%d, CASE WHEN %s IS NULL THEN pg_catalog.concat(%s, l.k%d) END AS n%d",
						 end_key_text_sql(end, psprintf("l.k%d", i + 1)), i + 1, value, i + 1, value,
						 quote_literal_cstr(psprintf("%s.%s ", end->entity->connector->name, end->entity->name)),
						 i + 1, i + 1);
	}
	for (int i = 0; i < set->ncolumns; i++)
	{
		const MappingColumn *column = set->columns[i];

		appendStringInfo(&sql, ", %s AS c%d",
						 column_of_member(mapping, column) ? link_column(column, "l") :
						 psprintf("NULL::%s", column->target_type), column->attnum);
	}
	appendStringInfo(&sql, " FROM %s l%s", part->rows->name, stored_joins(mapping, "l"));
	return sql.data;
}

/* SQL: ", ..." with the columns of a set that tell links of one pair apart, under an alias. */
static char *
link_key_list(const LinkSet *set, const char *alias)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < set->ncolumns; i++)
		if (tells_apart(set->columns[i]))
			appendStringInfo(&sql, ", %s", link_column(set->columns[i], alias));
	return sql.data;
}

/*
 * SQL: the links of the source as "s": of a link that several associations give
 * that of the first; one goes only if none gives it any more.
 */
static char *
source_sql(const LinkSet *set)
{
	StringInfoData parts;

	if (set->nmembers == 1)
		return own_links_sql(set->members[0], set->parts[0].rows->name);
	initStringInfo(&parts);
	for (int i = 0; i < set->nparts; i++)
		appendStringInfo(&parts, "%s%s", i ? " UNION ALL " : "", part_sql(set, &set->parts[i]));
	return psprintf("(SELECT l.*, true AS here FROM (SELECT u.*, CASE WHEN u.deleted IS NOT NULL THEN pg_catalog.row_number()"
					" OVER (PARTITION BY u.deleted IS NULL, u.v1, u.n1, u.v2, u.n2%s ORDER BY u.deleted, u.giver) END AS rank"
					" FROM (%s) u) l WHERE l.deleted IS NULL OR l.rank OPERATOR(pg_catalog.=) 1) s",
					link_key_list(set, "u"), parts.data);
}

/* SQL: the columns of the target that a link is, as an array. */
static char *
changed_sql(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < 2; i++)
		if (mapping->ends[i].target != NULL)
			appendStringInfo(&sql, "%s%s", sql.len ? ", " : "ARRAY[",
							 quote_literal_cstr(mapping->ends[i].target));
	appendStringInfoString(&sql, "]::pg_catalog.name[]");
	return sql.data;
}

/* SQL: a whole row t of the link table as jsonb, as far as it may be read. */
static char *
row_sql(const Mapping *mapping)
{
	StringInfoData sql;

	if (may_read_all(mapping))
		return "pg_catalog.to_jsonb(t.*)";
	initStringInfo(&sql);
	appendStringInfo(&sql, "pg_catalog.jsonb_build_object(%s, %s, %s, %s",
					 quote_literal_cstr(mapping->ends[0].target), column_of("t", mapping->ends[0].target),
					 quote_literal_cstr(mapping->ends[1].target), column_of("t", mapping->ends[1].target));
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_link_column(mapping, i))
			appendStringInfo(&sql, ", %s, %s", quote_literal_cstr(mapping->columns[i].target),
							 column_of("t", mapping->columns[i].target));
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* SQL: whether what is stored of a side leads to a row that was set aside. */
static char *
is_kept_sql(const LinkSet *set, int side, const char *stored)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < set->nparts; i++)
	{
		const AssociationEnd *end = &set->members[set->parts[i].giver]->ends[side];
		const char *rows = psprintf("%s l WHERE l.deleted IS NULL AND l.k%d IS NULL", set->parts[i].rows->name, 2 - side);
		char	   *key = key_of_stored(end, stored);

		appendStringInfoString(&sql, i ? " OR " : "");
		if (is_key_made(end->entity))
			appendStringInfo(&sql, "EXISTS (SELECT FROM %s AND %s)", rows,
							 same_end_key_sql(end, key, psprintf("l.k%d", side + 1)));
		else
			appendStringInfo(&sql, "COALESCE(%s, false)",
							 equal_sql(key_of_end(end), key,
									   psprintf("ANY (SELECT l.k%d FROM %s)", side + 1, rows)));
	}
	return psprintf("(%s)", sql.data);
}

/* SQL: the text of the key of a side, of a link of the source or a row of the table. */
static char *
found_key_sql(const LinkSet *set, int side, const char *stored)
{
	const AssociationEnd *end = &set->members[0]->ends[side];
	char	   *key = key_of_stored(end, stored);

	return set->nmembers == 1 ? end_key_text_sql(end, psprintf("COALESCE(s.k%d, %s)", side + 1, key)) :
		psprintf("COALESCE(s.k%d, %s)", side + 1, end_key_text_sql(end, key));
}

/* SQL: whether the association that gives link s writes a column; that it does so there, another value. */
static char *
writes_sql(const LinkSet *set, const MappingColumn *column)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int m = 0; m < set->nmembers; m++)
		if (column_of_member(set->members[m], column) != NULL)
			appendStringInfo(&sql, "%s%d", sql.len ? ", " : "s.giver OPERATOR(pg_catalog.=) ANY (ARRAY[", m);
	appendStringInfoString(&sql, "])");
	return sql.data;
}

static char *
differs_sql(const LinkSet *set, const MappingColumn *column)
{
	if (tells_apart(column) || !is_compared(column))
		return "false";
	return psprintf("(%s AND %s)", writes_sql(set, column),
					distinct_sql(column, link_column(column, "s"), target_column(column)));
}

/* SQL: whether any column of a link that is there differs. */
static char *
any_differs_sql(const LinkSet *set)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < set->ncolumns; i++)
		appendStringInfo(&sql, "%s%s", i ? " OR " : "", differs_sql(set, set->columns[i]));
	return sql.len ? sql.data : "false";
}

/* SQL: what a link that comes, or stays and changes, writes; and of one that stays what it replaces. */
static char *
written_sql(const LinkSet *set)
{
	StringInfoData comes;
	StringInfoData stays;

	if (set->ncolumns == 0)
		return changed_sql(set->members[0]);
	initStringInfo(&comes);
	initStringInfo(&stays);
	for (int i = 0; i < set->ncolumns; i++)
	{
		const char *name = quote_literal_cstr(set->columns[i]->target);

		appendStringInfo(&comes, "%sCASE WHEN %s THEN %s END", i ? ", " : "", writes_sql(set, set->columns[i]), name);
		appendStringInfo(&stays, "%sCASE WHEN %s THEN %s END", i ? ", " : "", differs_sql(set, set->columns[i]), name);
	}
	return psprintf("pg_catalog.array_remove(CASE WHEN %s THEN ARRAY[%s]::pg_catalog.name[]"
					" ELSE %s OPERATOR(pg_catalog.||) ARRAY[%s]::pg_catalog.name[] END, NULL)",
					has_target_sql(set->members[0]), stays.data, changed_sql(set->members[0]), comes.data);
}

static char *
replaced_sql(const LinkSet *set)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "'{}'::pg_catalog.jsonb");
	for (int i = 0; i < set->ncolumns; i++)
		appendStringInfo(&sql, " OPERATOR(pg_catalog.||) CASE WHEN %s THEN pg_catalog.jsonb_build_object(%s, (%s)::pg_catalog.text) ELSE '{}' END",
						 differs_sql(set, set->columns[i]), quote_literal_cstr(set->columns[i]->target),
						 target_column(set->columns[i]));
	return sql.data;
}

/* The query of a link table's changes; see the enum above. */
static char *
link_table_query(const LinkSet *set, bool whole, bool keep_missing)
{
	const Mapping *mapping = set->members[0];
	char	   *column1 = column_of("t", mapping->ends[0].target);
	char	   *column2 = column_of("t", mapping->ends[1].target);
	const char *goes = "s.deleted IS NOT FALSE";
	char	   *differs = any_differs_sql(set);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT CASE WHEN %s THEN 'delete' WHEN %s THEN 'update' ELSE 'insert' END,"
					 " CASE WHEN NOT s.deleted THEN %s END, CASE WHEN %s THEN %s WHEN %s THEN %s END,"
					 " %s, %s, NULL::pg_catalog.text,"
					 " CASE WHEN %s THEN %s ELSE s.v1 END, CASE WHEN %s THEN %s ELSE s.v2 END, COALESCE(s.giver, 0)",
					 goes, has_target_sql(mapping), written_sql(set), goes, row_sql(mapping),
					 has_target_sql(mapping), replaced_sql(set),
					 found_key_sql(set, 0, column1), found_key_sql(set, 1, column2),
					 goes, column1, goes, column2);
	for (int i = 0; i < set->ncolumns; i++)
		appendStringInfo(&sql, ", CASE WHEN %s THEN %s ELSE %s END", goes,
						 tells_apart(set->columns[i]) ? target_column(set->columns[i]) : "NULL",
						 link_column(set->columns[i], "s"));
	appendStringInfo(&sql, " FROM %s %s JOIN %s ON %s"
					 " WHERE CASE WHEN s.here IS NULL THEN NOT (%s OR %s) WHEN s.deleted IS NULL THEN false"
					 " WHEN s.deleted THEN %s ELSE NOT (%s) OR %s END",
					 source_sql(set), whole && !keep_missing ? "FULL" : "LEFT",
					 link_rows(mapping), links_same_sql(mapping, "s.v1", "s.v2"),
					 is_kept_sql(set, 0, column1), is_kept_sql(set, 1, column2),
					 has_target_sql(mapping), has_target_sql(mapping), differs);
	return sql.data;
}

/*
 * The same of a mono-valued association, whose holders have one link or none.
 * What is to be stored may not be known yet: then the link is new.  A holder
 * that changes hands keeps its link, unless the one who takes it has another.
 */
static char *
link_column_query(const LinkSet *set, bool whole, bool keep_missing)
{
	const Mapping *mapping = set->members[0];
	int			holder = mapping->holder + 1;
	int			other = 2 - mapping->holder;
	const AssociationEnd *end = other_end(mapping);
	char	   *column = column_of("t", end->target);
	char	   *value = psprintf("s.v%d", other);
	const Mapping *entity = holder_end(mapping)->entity;
	char	   *keys[2];
	const char *goes = "s.deleted IS NOT FALSE";

	keys[holder - 1] = psprintf("COALESCE(s.k%d, %s)", holder, end_key_sql(holder_end(mapping), "t"));
	keys[other - 1] = psprintf("CASE WHEN %s THEN %s ELSE s.k%d END", goes, key_of_stored(end, column), other);
	return psprintf("SELECT CASE WHEN %s THEN 'delete' WHEN %s IS NULL THEN 'insert' ELSE 'update' END,"
					" CASE WHEN NOT s.deleted THEN %s END,"
					" CASE WHEN %s IS NOT NULL THEN pg_catalog.jsonb_build_object(%s, %s::pg_catalog.text) END,"
					" %s, %s, CASE WHEN NOT s.deleted THEN %s END,"
					" CASE WHEN NOT s.deleted THEN %s END"
					" FROM %s %s JOIN %s ON %s"
					" WHERE CASE WHEN %s THEN false WHEN s.here IS NULL THEN %s IS NOT NULL AND %s AND NOT %s"
					" WHEN s.deleted IS NULL OR %s AND NOT (%s) THEN false WHEN s.deleted THEN %s IS NOT NULL"
					" WHEN %s IS NULL OR NOT (%s) THEN true ELSE %s END",
					goes, column, changed_sql(mapping),
					column, quote_literal_cstr(end->target), column,
					end_key_text_sql(&mapping->ends[0], keys[0]), end_key_text_sql(&mapping->ends[1], keys[1]),
					end_key_text_sql(end, key_of_stored(end, column)), value,
					source_sql(set), whole && !keep_missing ? "FULL" : "LEFT",
					link_rows(mapping), is_holder_sql(mapping, psprintf("s.k%d", holder)),
					is_given(entity), column, is_current(entity),
					is_kept_sql(set, 1 - mapping->holder, column), is_outside(entity), is_taken(entity),
					column, value, has_target_sql(mapping),
					distinct_sql(&end->stored, column, value));
}

/* The rows of an end that the batch deletes, and that rows of a link table lead to. */
typedef struct GoneRows
{
	const AssociationEnd *end;
	int			giver;
	int			side;
	TypedRows  *rows;			/* their keys */
} GoneRows;

/* Their keys, under that name. */
static TypedRows *
gone_rows(const Mapping *mapping, const AssociationEnd *end, const char *name, const pg_uuid_t *batch)
{
	bool		own = is_own_end(mapping, end);
	TypedRows  *rows;

	if (own)
		changes_publish(end->entity);
	rows = typed_rows_gather(name,
							 own_cursor(psprintf("SELECT %s AS key FROM %s WHERE batch = $1 AND command = 'delete' AND changed IS NULL",
												 end_key_of_change_sql(end),
												 own ? changes_relation(end->entity) : changes_table(end->entity)),
										SQL_ARGS(SQL_UUID(batch))));
	if (own)
		changes_unpublish(end->entity);
	return rows;
}

/* SQL: whether link row t leads to row g that goes. */
static char *
leads_to_sql(const GoneRows *gone)
{
	const AssociationEnd *end = gone->end;

	return equal_sql(&end->stored, column_of("t", end->target),
					 end->store == NULL ? "g.key" : stored_of_key(end, "g.key"));
}

/* SQL: ", ..." with the columns of row t that a change of a link that goes has. */
static char *
gone_columns(const LinkSet *set)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < set->ncolumns; i++)
		appendStringInfo(&sql, ", %s", tells_apart(set->columns[i]) ? target_column(set->columns[i]) :
						 psprintf("NULL::%s", set->columns[i]->target_type));
	return sql.data;
}

/* The query of rows of a link table that the source does not know, of one of the associations: see the enum above. */
static char *
stray_links_query(const LinkSet *set, int giver, const char *rows, const char *further)
{
	const Mapping *mapping = set->members[giver];
	char	   *column1 = column_of("t", mapping->ends[0].target);
	char	   *column2 = column_of("t", mapping->ends[1].target);

	return psprintf("SELECT 'delete', NULL::pg_catalog.name[], %s, %s, %s, NULL::pg_catalog.text, %s, %s, %d%s"
					" FROM %s WHERE NOT EXISTS (SELECT FROM %s WHERE %s) AND %s",
					row_sql(mapping), end_key_text_sql(&mapping->ends[0], key_of_stored(&mapping->ends[0], column1)),
					end_key_text_sql(&mapping->ends[1], key_of_stored(&mapping->ends[1], column2)),
					column1, column2, giver, gone_columns(set), rows,
					source_sql(set), links_same_sql(mapping, "s.v1", "s.v2"), further);
}

/* The same of those that lead to rows that go, but for those found by one of the gone before. */
static char *
gone_links_query(const LinkSet *set, const GoneRows *gone, int number)
{
	const GoneRows *here = &gone[number];
	StringInfoData others;

	initStringInfo(&others);
	appendStringInfoString(&others, "true");
	for (int i = 0; i < number; i++)
		appendStringInfo(&others, " AND NOT EXISTS (SELECT FROM %s g WHERE %s)", gone[i].rows->name, leads_to_sql(&gone[i]));
	return stray_links_query(set, here->giver,
							 psprintf("%s JOIN %s g ON %s", link_rows(set->members[here->giver]), here->rows->name, leads_to_sql(here)),
							 others.data);
}

/* And of those that are to be looked at: what was set aside is left alone. */
static char *
drifted_links_query(const LinkSet *set, const TypedRows *links)
{
	const AssociationEnd *ends = set->members[0]->ends;

	return stray_links_query(set, 0, link_table_rows(set->members[0], links->name),
							 psprintf("NOT (%s OR %s)", is_kept_sql(set, 0, column_of("t", ends[0].target)),
									  is_kept_sql(set, 1, column_of("t", ends[1].target))));
}

/* Whether rows of this end of a member are those of an earlier one. */
static bool
is_known_end(const GoneRows *gone, int count, const AssociationEnd *end, int side)
{
	for (int i = 0; i < count; i++)
		if (gone[i].side == side && gone[i].end->entity == end->entity)
			return true;
	return false;
}

/*
 * Finds the rows of a link table that have to go with a row, though the source
 * never had them (SPEC 5.3): a plain foreign key would stop the batch.
 */
static void
find_stray_links(LinkSink *sink)
{
	const LinkSet *set = sink->set;
	GoneRows   *gone = palloc(sizeof(GoneRows) * set->nmembers * 2);
	int			count = 0;

	for (int i = 0; i < set->nmembers; i++)
		for (int side = 0; side < 2; side++)
		{
			const AssociationEnd *end = &set->members[i]->ends[side];

			if (is_known_end(gone, count, end, side))
				continue;
			gone[count] = (GoneRows) {
				end, i, side, gone_rows(set->members[i], end, psprintf("syncup_gone%d", count + 1), &sink->batch)
			};
			count++;
		}
	for (int i = 0; i < count; i++)
		if (gone[i].rows->count > 0)
			sql_for_each(caller_cursor_planned(gone_links_query(set, gone, i),
											   plan_few(set->members[0]->target, (const char *const *) &gone[i].end->target, 1,
														gone[i].rows->count),
											   SQL_NO_ARGS),
						 write_change, sink);
	for (int i = 0; i < count; i++)
		typed_rows_forget(gone[i].rows);
}

void
links_build(LinkSet *set, const pg_uuid_t *batch, const LinkDrift *drift, bool whole, bool keep_missing)
{
	LinkSink	sink = {*batch, set, palloc(sizeof(LinkChanges) * set->nmembers)};
	const Mapping *mapping = set->members[0];
	int			level;

	for (int i = 0; i < set->nmembers; i++)
	{
		own_sql(psprintf("DELETE FROM %s WHERE batch = $1", changes_table(set->members[i])),
				SQL_ARGS(SQL_UUID(batch)));
		sink.changes[i].mapping = set->members[i];
		sink.changes[i].store = found_changes_begin(set->members[i]);
		sink.changes[i].counter = &set->counters[i];
		sink.changes[i].attributes = change_attributes(set, set->members[i], sink.changes[i].store);
	}
	for (int i = 0; i < set->nparts; i++)
		set->parts[i].rows = renamed_links(set->members[set->parts[i].giver], set->parts[i].rows);
	/* Of a whole lookup none goes. */
	if (set->nmembers == 1 && !whole)
		set->parts[0].rows = net_links(mapping, set->parts[0].rows);
	level = settings_pin(NULL);
	sql_for_each(caller_cursor_planned(mapping->pairs ?
									   link_table_query(set, whole, keep_missing) :
									   link_column_query(set, whole, keep_missing),
									   !whole && links_are_few(mapping, link_set_count(set)), SQL_NO_ARGS),
				 write_change, &sink);
	if (drift != NULL && drift->target != NULL && !keep_missing)
		sql_for_each(caller_cursor(drifted_links_query(set, drift->target), SQL_NO_ARGS), write_change, &sink);
	else if (mapping->pairs && drift == NULL && !whole && !keep_missing)
		find_stray_links(&sink);
	settings_restore(level);
	for (int i = 0; i < set->nmembers; i++)
		found_changes_end(sink.changes[i].store);
	link_set_forget(set);
}

/* ---------- changes written ---------- */

/*
 * The stored changes as "syncup_change": "action" (insert, update or delete: of
 * the link, as taken back), "place" (tid of the change row), and "old", then of
 * a link table "k1", "k2" and what was stored, "v1" and "v2", in a delete; of a
 * mono-valued association the holder's key "k", what is to be linked "w" and
 * what was "x".  One of these two is what was stored, the other a key: back
 * tells which.
 */
TypedRows *
links_changes(const Mapping *mapping, const pg_uuid_t *batch, bool back)
{
	const AssociationEnd *ends = mapping->ends;
	int			level = settings_pin(NULL);
	TypedRows  *rows;
	StringInfoData sql;

	initStringInfo(&sql);
	changes_publish(mapping);
	appendStringInfo(&sql, "SELECT CASE WHEN command = 'update' OR NOT $2 THEN command WHEN command = 'insert' THEN 'delete' ELSE 'insert' END AS action,"
					 " %s AS place, old", changes_place(mapping));
	if (mapping->pairs)
		appendStringInfo(&sql, ", %s AS k1, %s AS k2, %s AS v1, %s AS v2",
						 end_key_of_text_sql(&ends[0], "key1"), end_key_of_text_sql(&ends[1], "key2"),
						 quote_identifier(ends[0].change_column), quote_identifier(ends[1].change_column));
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];
		char	   *old;

		if (!is_link_column(mapping, i))
			continue;
		old = psprintf("(old ->> %s)::%s", quote_literal_cstr(column->target), column->target_type);
		appendStringInfo(&sql, ", CASE WHEN $2 AND command = 'update' AND NOT %s THEN %s ELSE %s END AS c%d,"
						 " CASE WHEN $2 AND command = 'update' THEN %s ELSE %s END AS o%d, %s = ANY (changed) AS h%d",
						 tells_apart(column) ? "true" : "false", old, quote_identifier(column->change_column), column->attnum,
						 quote_identifier(column->change_column), old, column->attnum,
						 quote_literal_cstr(column->target), column->attnum);
	}
	if (!mapping->pairs)
	{
		const AssociationEnd *end = other_end(mapping);
		char	   *key = psprintf("CASE WHEN command <> 'delete' THEN %s END",
								   end_key_of_text_sql(end, psprintf("key%d", 2 - mapping->holder)));
		char	   *stored = psprintf("(old ->> %s)::%s", quote_literal_cstr(end->target),
									  config_type_text(end->stored.type, end->stored.typmod));

		appendStringInfo(&sql, ", %s AS k, %s AS w, %s AS x",
						 end_key_of_text_sql(holder_end(mapping), psprintf("key%d", mapping->holder + 1)),
						 back ? stored : key, back ? key : stored);
	}
	appendStringInfo(&sql, " FROM %s WHERE batch = $1", changes_relation(mapping));
	rows = typed_rows_gather("syncup_change",
							 own_cursor(sql.data, SQL_ARGS(SQL_UUID(batch), SQL_BOOL(back))));
	own_sql(psprintf("SELECT count(*) FILTER (WHERE command = 'insert'), count(*) FILTER (WHERE command = 'update'),"
					 " count(*) FILTER (WHERE command = 'delete') FROM %s WHERE batch = $1", changes_relation(mapping)),
			SQL_ARGS(SQL_UUID(batch)));
	changes_unpublish(mapping);
	rows->actions[back ? ACTION_DELETE : ACTION_INSERT] = sql_int8(0, 1);
	rows->actions[ACTION_UPDATE] = sql_int8(0, 2);
	rows->actions[back ? ACTION_INSERT : ACTION_DELETE] = sql_int8(0, 3);
	settings_restore(level);
	return rows;
}

/*
 * SQL: what link change s stores, or has stored, of a side of a link table: in
 * the changes that were deletions what stood there, in others what the key's
 * row says.
 */
static char *
change_value(const Mapping *mapping, int side, bool back)
{
	if (mapping->ends[side].store == NULL)
		return psprintf("s.k%d", side + 1);
	return psprintf("CASE s.action WHEN '%s' THEN s.v%d ELSE %s END", back ? "insert" : "delete",
					side + 1, stored_value(mapping, side, "s"));
}

/* SQL: what is stored of a mono-valued link's w or x. */
static char *
linked_value(const Mapping *mapping, const char *column, bool is_key)
{
	const AssociationEnd *end = other_end(mapping);

	return is_key && end->store != NULL ? stored_of_key(end, column) : pstrdup(column);
}

/* SQL: what a mono-valued link is to be, and what it must be still. */
#define wanted_sql(m, back)		linked_value((m), "s.w", !(back))
#define expected_sql(m, back)	linked_value((m), "s.x", (back))

/* The columns of row t of a link table that may be read. */
static char *
readable_row(const Mapping *mapping, const char *alias)
{
	Relation	target;
	StringInfoData list;

	if (may_read_all(mapping))
		return psprintf("%s.*", alias);
	target = table_open(mapping->target, AccessShareLock);
	initStringInfo(&list);
	for (int i = 0; i < RelationGetNumberOfAttributes(target); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(target), i);

		if (!attribute->attisdropped &&
			pg_attribute_aclcheck(mapping->target, i + 1, GetUserId(), ACL_SELECT) == ACLCHECK_OK)
			appendStringInfo(&list, "%s%s", list.len ? ", " : "", column_of(alias, NameStr(attribute->attname)));
	}
	table_close(target, NoLock);
	return list.data;
}

/* SQL: whether row t of a link table is in the association's scope. */
static char *
in_scope_sql(const Mapping *mapping)
{
	const char *scope = mapping->options->scope;

	return scope == NULL ? "true" :
		psprintf("(SELECT (%s\n) IS TRUE FROM (SELECT %s) r)", scope, readable_row(mapping, "t"));
}

/* SQL: the changes of a link table as "s", with what each stores or has stored. */
static char *
change_links(const Mapping *mapping, bool back)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "(SELECT s.action, s.place, s.k1, s.k2, %s AS v1, %s AS v2",
					 change_value(mapping, 0, back), change_value(mapping, 1, back));
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_link_column(mapping, i))
			appendStringInfo(&sql, ", s.c%d, s.o%d, s.h%d", mapping->columns[i].attnum,
							 mapping->columns[i].attnum, mapping->columns[i].attnum);
	appendStringInfo(&sql, " FROM syncup_change s%s) s", stored_joins(mapping, "s"));
	return sql.data;
}

/* SQL: whether every column that change s writes is, in row t, as the change says it was (o) or will be (c). */
static char *
columns_are_sql(const Mapping *mapping, char which)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (is_link_column(mapping, i) && !tells_apart(column))
			appendStringInfo(&sql, "%sNOT (COALESCE(s.h%d, false) AND %s)", sql.len ? " AND " : "", column->attnum,
							 distinct_sql(column, target_column(column), psprintf("s.%c%d", which, column->attnum)));
	}
	return sql.len ? sql.data : "true";
}

/* Writes the columns of links that stay. */
static void
update_links(const Mapping *mapping, const TypedRows *changes, bool back)
{
	StringInfoData set;

	if (changes->actions[ACTION_UPDATE] == 0)
		return;
	initStringInfo(&set);
	for (int i = 0; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (is_link_column(mapping, i) && !tells_apart(column) && is_compared(column))
			appendStringInfo(&set, "%s%s = CASE WHEN s.h%d THEN s.c%d ELSE %s END", set.len ? ", " : "",
							 quote_identifier(column->target), column->attnum, column->attnum, target_column(column));
	}
	write_rows(mapping,
			   psprintf("UPDATE %s t SET %s FROM %s WHERE %s AND %s AND %s AND %s",
						mapping->target_name, set.data, change_links(mapping, back), is_action(ACTION_UPDATE),
						links_same_sql(mapping, "s.v1", "s.v2"), in_scope_sql(mapping), columns_are_sql(mapping, 'o')),
			   links_are_few(mapping, changes->count), changes->actions[ACTION_UPDATE]);
}

/* Deletes the rows of a link table. */
static void
delete_links(const Mapping *mapping, const TypedRows *changes, bool back)
{
	if (changes->actions[ACTION_DELETE] == 0)
		return;
	write_rows(mapping,
			   psprintf("DELETE FROM %s t USING %s WHERE %s AND %s AND %s",
						mapping->target_name, change_links(mapping, back), is_action(ACTION_DELETE),
						links_same_sql(mapping, "s.v1", "s.v2"), in_scope_sql(mapping)),
			   links_are_few(mapping, changes->count), changes->actions[ACTION_DELETE]);
}

/* Whether a unique index or an exclusion constraint has the column of the links. */
static bool
is_column_unique(const Mapping *mapping)
{
	return own_sql("SELECT FROM pg_catalog.pg_index WHERE indrelid = $1 AND (indisunique OR indisexclusion) AND $2 = ANY (indkey)",
				   SQL_ARGS(SQL_OID(mapping->target),
							SQL_INT4(get_attnum(mapping->target, other_end(mapping)->target)))) > 0;
}

/*
 * Takes mono-valued links away.  One that moves becomes what it will be at once
 * where it can: the new row is there, and no other holder may have to give it up
 * first.
 */
static void
unlink_rows(const Mapping *mapping, const TypedRows *changes, bool back)
{
	const AssociationEnd *end = other_end(mapping);
	char	   *column = column_of("t", end->target);
	char	   *present = back || end->store == NULL ?
		psprintf("(SELECT e.%s FROM %s e WHERE %s)", quote_identifier(end->stored.target),
				 end->entity->target_name,
				 equal_sql(&end->stored, column_of("e", end->stored.target), "s.w")) :
		stored_of_key(end, "s.w");
	int64		expected = changes->actions[ACTION_DELETE] + changes->actions[ACTION_UPDATE];

	if (expected == 0)
		return;
	write_rows(mapping,
			   psprintf("UPDATE %s t SET %s = CASE WHEN %s THEN %s END FROM syncup_change s WHERE (%s OR %s) AND %s AND %s",
						mapping->target_name, quote_identifier(end->target),
						is_column_unique(mapping) ? "false" : is_action(ACTION_UPDATE), present,
						is_action(ACTION_DELETE), is_action(ACTION_UPDATE),
						is_holder_sql(mapping, "s.k"),
						equal_sql(&end->stored, column, expected_sql(mapping, back))),
			   links_are_few(mapping, changes->count), expected);
}

void
links_delete(const Mapping *mapping, const TypedRows *changes, bool back)
{
	if (mapping->pairs)
		delete_links(mapping, changes, back);
	else
		unlink_rows(mapping, changes, back);
}

/* Whether a column of the target belongs to the association's links. */
static bool
is_written(const Mapping *mapping, AttrNumber attnum)
{
	MappingColumn column = {.attnum = attnum};

	return column_of_member(mapping, &column) != NULL;
}

/* The columns of a link table that the old rows of deletions bring back, under an alias. */
static char *
restored_columns(const Mapping *mapping, const char *alias)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	TupleDesc	tupdesc = RelationGetDescr(target);
	bool		all = pg_class_aclcheck(mapping->target, GetUserId(), ACL_INSERT | ACL_SELECT) == ACLCHECK_OK;
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		const char *name = NameStr(attribute->attname);

		if (attribute->attisdropped || attribute->attgenerated ||
			(!all && strcmp(name, mapping->ends[0].target) != 0 && strcmp(name, mapping->ends[1].target) != 0 &&
			 !is_written(mapping, attribute->attnum)))
			continue;
		appendStringInfo(&list, "%s%s%s", list.len ? ", " : "", alias, quote_identifier(name));
	}
	table_close(target, NoLock);
	return list.data;
}

/* Errors if a link that was written lies outside the association's scope. */
static void
check_links_scope(const Mapping *mapping, const char *written)
{
	if (mapping->options->scope == NULL)
		return;
	if (caller_sql(psprintf("SELECT FROM %s LEFT JOIN %s ON %s WHERE NOT (%s) LIMIT 1", written, link_rows(mapping),
							links_same_sql(mapping, "s.v1", "s.v2"), has_target_sql(mapping)), SQL_NO_ARGS) > 0)
		refuse_outside_scope(mapping);
}

/* Inserts links of these columns, under "s", into a link table. */
static void
insert_pairs(const Mapping *mapping, const char *links, const char *order, bool few, int64 count)
{
	StringInfoData columns;
	StringInfoData values;

	initStringInfo(&columns);
	initStringInfo(&values);
	appendStringInfo(&columns, "%s, %s", quote_identifier(mapping->ends[0].target), quote_identifier(mapping->ends[1].target));
	appendStringInfoString(&values, "s.v1, s.v2");
	for (int i = 0; i < mapping->ncolumns; i++)
		if (is_link_column(mapping, i))
		{
			appendStringInfo(&columns, ", %s", quote_identifier(mapping->columns[i].target));
			appendStringInfo(&values, ", %s", link_column(&mapping->columns[i], "s"));
		}
	add_constants(mapping, &columns, &values);
	write_rows(mapping, psprintf("INSERT INTO %s (%s) SELECT %s FROM %s ORDER BY %s",
								 mapping->target_name, columns.data, values.data, links, order), few, count);
	check_links_scope(mapping, links);
}

/* Inserts the rows of a link table; those that come back, as they were. */
static void
insert_links(const Mapping *mapping, const TypedRows *changes, bool back)
{
	if (changes->actions[ACTION_INSERT] == 0)
		return;
	if (back)
		write_rows(mapping,
				   psprintf("INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM syncup_change s"
							" CROSS JOIN LATERAL pg_catalog.jsonb_populate_record(NULL::%s, s.old) r WHERE %s",
							mapping->target_name, restored_columns(mapping, ""), restored_columns(mapping, "r."),
							mapping->target_name, is_action(ACTION_INSERT)),
				   false, changes->actions[ACTION_INSERT]);
	else
		insert_pairs(mapping,
					 psprintf("(SELECT s.* FROM %s WHERE %s) s", change_links(mapping, false), is_action(ACTION_INSERT)),
					 psprintf("s.k1, s.k2%s", link_key_list(link_set_begin(list_make1(unconstify(Mapping *, mapping))), "s")),
					 links_are_few(mapping, changes->count), changes->actions[ACTION_INSERT]);
}

/* Sets mono-valued links, those that move where that was not done at once. */
static void
link_holders(const Mapping *mapping, const TypedRows *changes, bool back)
{
	const AssociationEnd *end = other_end(mapping);
	char	   *is_holder = is_holder_sql(mapping, "s.k");
	char	   *is_empty = psprintf("%s IS NULL", column_of("t", end->target));
	int64		expected = changes->actions[ACTION_INSERT];

	if (changes->actions[ACTION_UPDATE] > 0)
	{
		caller_sql_planned(psprintf("SELECT pg_catalog.count(*) FROM syncup_change s JOIN %s t ON %s WHERE %s AND %s",
									mapping->target_name, is_holder, is_action(ACTION_UPDATE), is_empty),
						   links_are_few(mapping, changes->count), SQL_NO_ARGS);
		expected += sql_int8(0, 1);
	}
	if (expected > 0)
		write_rows(mapping,
				   psprintf("UPDATE %s t SET %s = %s FROM syncup_change s WHERE (%s OR %s) AND %s AND %s",
							mapping->target_name, quote_identifier(end->target), wanted_sql(mapping, back),
							is_action(ACTION_INSERT), is_action(ACTION_UPDATE), is_holder, is_empty),
				   links_are_few(mapping, changes->count), expected);
}

void
links_write(const Mapping *mapping, const TypedRows *changes, bool back)
{
	if (mapping->pairs)
	{
		update_links(mapping, changes, back);
		insert_links(mapping, changes, back);
	}
	else
		link_holders(mapping, changes, back);
}

/* Writes the links of associations that fill the same rows; each counts for the first that gives it. */
static void
load_together(LinkSet *set)
{
	TypedRows  *links = typed_rows_gather("syncup_loaded",
										  caller_cursor(psprintf("SELECT s.* FROM %s WHERE NOT s.deleted",
																 source_sql(set)), SQL_NO_ARGS));

	for (int i = 0; i < set->nmembers; i++)
	{
		char	   *own = psprintf("(SELECT s.* FROM syncup_loaded s WHERE s.giver OPERATOR(pg_catalog.=) %d) s", i);

		caller_sql(psprintf("SELECT pg_catalog.count(*) FROM %s", own), SQL_NO_ARGS);
		set->counters[i].inserted = sql_int8(0, 1);
		if (set->counters[i].inserted > 0)
			insert_pairs(set->members[i], own, "s.k1, s.k2", false, set->counters[i].inserted);
	}
	typed_rows_forget(links);
}

void
links_load(LinkSet *set)
{
	const Mapping *mapping = set->members[0];
	const AssociationEnd *end = other_end(mapping);
	const char *links = set->parts[0].rows->name;
	int64		count = set->parts[0].rows->count;

	if (set->nmembers > 1)
		load_together(set);
	else if (mapping->pairs)
		insert_pairs(mapping,
					 psprintf("(SELECT s.*, %s AS v1, %s AS v2 FROM %s s%s) s",
							  stored_value(mapping, 0, "s"), stored_value(mapping, 1, "s"), links,
							  stored_joins(mapping, "s")), "s.k1, s.k2", false, count);
	else
		write_rows(mapping,
				   psprintf("UPDATE %s t SET %s = s.v FROM (SELECT s.k%d AS k, %s AS v FROM %s s%s) s WHERE %s",
							mapping->target_name, quote_identifier(end->target), mapping->holder + 1,
							stored_value(mapping, 1 - mapping->holder, "s"), links, stored_joins(mapping, "s"),
							is_holder_sql(mapping, "s.k")), false, count);
	if (set->nmembers == 1)
		set->counters[0].inserted = count;
	link_set_forget(set);
}

/* ---------- is the target still as the changes say ---------- */

/*
 * Of a link table: a link that is there already, or gone already; of one with
 * columns, whether they still are what they were.
 */
static char *
link_table_review(const Mapping *mapping, bool back)
{
	char	   *here = has_target_sql(mapping);

	return psprintf("SELECT * FROM (SELECT s.place, CASE s.action WHEN 'delete' THEN CASE WHEN %s THEN 'open' ELSE 'done' END"
					" WHEN 'insert' THEN CASE WHEN NOT (%s) THEN 'open' WHEN %s THEN 'done' ELSE 'stale' END"
					" ELSE CASE WHEN NOT (%s) THEN 'stale' WHEN %s THEN 'done' WHEN %s THEN 'open' ELSE 'stale' END END AS state,"
					" pg_catalog.concat(%s, ' -> ', %s) FROM %s LEFT JOIN %s ON %s) AS reviewed"
					" WHERE state OPERATOR(pg_catalog.<>) 'open' ORDER BY 3",
					here, here, back ? "true" : columns_are_sql(mapping, 'c'), here, columns_are_sql(mapping, 'c'), columns_are_sql(mapping, 'o'),
					end_key_text_sql(&mapping->ends[0], "s.k1"), end_key_text_sql(&mapping->ends[1], "s.k2"),
					change_links(mapping, back), link_rows(mapping), links_same_sql(mapping, "s.v1", "s.v2"));
}

/* Of a mono-valued one: whether the holder still is linked as it was. */
static char *
link_column_review(const Mapping *mapping, bool back)
{
	const AssociationEnd *end = other_end(mapping);
	char	   *column = column_of("t", end->target);
	char	   *has_target = has_target_sql(mapping);

	return psprintf("SELECT * FROM (SELECT s.place, CASE s.action"
					" WHEN 'delete' THEN CASE WHEN %s IS NULL THEN 'done' WHEN %s THEN 'open' ELSE 'stale' END"
					" WHEN 'insert' THEN CASE WHEN %s IS NULL THEN 'open' WHEN %s THEN 'done' ELSE 'stale' END"
					" ELSE CASE WHEN NOT (%s) OR %s IS NULL THEN 'stale' WHEN %s THEN 'done' WHEN %s THEN 'open' ELSE 'stale' END END AS state,"
					" %s FROM syncup_change s LEFT JOIN %s ON %s) AS reviewed"
					" WHERE state OPERATOR(pg_catalog.<>) 'open' ORDER BY 3",
					column, equal_sql(&end->stored, column, expected_sql(mapping, back)),
					column, equal_sql(&end->stored, column, wanted_sql(mapping, back)),
					has_target, column, equal_sql(&end->stored, column, wanted_sql(mapping, back)),
					equal_sql(&end->stored, column, expected_sql(mapping, back)),
					end_key_text_sql(holder_end(mapping), "s.k"), link_rows(mapping), is_holder_sql(mapping, "s.k"));
}

char *
links_review_sql(const Mapping *mapping, bool back)
{
	return mapping->pairs ? link_table_review(mapping, back) : link_column_review(mapping, back);
}

/* ---------- reviewed changes as links ---------- */

TypedRows *
links_reviewed(const Mapping *mapping, const pg_uuid_t *batch, const char *name)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT command = 'delete' AS deleted, %s AS k1, %s AS k2",
					 end_key_of_text_sql(&mapping->ends[0], "key1"), end_key_of_text_sql(&mapping->ends[1], "key2"));
	appendStringInfo(&sql, "%s FROM %s WHERE batch = $1", changed_link_columns(mapping), changes_table(mapping));
	return typed_rows_gather(name, own_cursor(sql.data, SQL_ARGS(SQL_UUID(batch))));
}
