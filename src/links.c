/*
 * links.c
 *		What a batch does to the links of an association: found, stored, written.
 *
 * A pair (v1, v2) of the source means the row whose property is v1 and the one
 * whose property is v2.  Both are looked up as texts in previous, in two
 * states: as before the batch, which tells what link the pair was, and as after
 * it, which tells what link it is.  What differs are the changes; so a value
 * that moves from one row to another moves its links, and a row whose value is
 * renamed together with its pairs changes nothing.
 *
 * A complete run looks up every pair.  An incremental one looks only at those
 * that can have changed: the pairs of the delta, the orphans, and the pairs
 * with a value that the deltas of the entity types give to a row or take from
 * one.  Ends of another connector have no delta here: where that connector has
 * applied a batch since, every pair is looked up.
 *
 * A pair is an orphan if a value belongs to no row, or to more than one: the
 * wrong link would be worse than none.  Orphans are rows of the delta (orphan;
 * found: one that is none any more), so that they move with the batch.
 *
 * Everything else works with keys.  They become what is stored (options store1
 * and store2) in the statements on the target, and of rows that the batch itself
 * inserts only once they are there: the link's change then holds the key alone.
 */
#include "links.h"

#include "access/table.h"
#include "apply.h"
#include "catalog/pg_type.h"
#include "convert.h"
#include "delta.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "quarantine.h"
#include "sql.h"
#include "table_writer.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* The column of previous that an end's values, and its keys, stand in. */
#define property_stored(e)	quote_identifier(property_of_end(e)->stored)
#define key_stored(e)		quote_identifier((e)->entity->columns[(e)->entity->key].stored)

/* Rows of a delta that change previous. */
#define IS_CHANGE(d)	d ".command IN ('insert', 'update', 'delete')"
#define IS_PRESENT(d)	d ".command IN ('insert', 'update')"

/* ---------- values looked up ---------- */

/*
 * SQL: the rows of an entity type that the batch $1 gives another value, or
 * that come or go: key, value before and after.
 */
static char *
moved_sql(const Mapping *mapping, int side)
{
	const AssociationEnd *end = &mapping->ends[side];
	const char *property = property_stored(end);
	const char *key = key_stored(end);

	if (!is_own_end(mapping, end))
		return "SELECT NULL::text AS key, NULL::text AS old, NULL::text AS new WHERE $1 IS NULL";
	return psprintf("SELECT m.* FROM (SELECT d.%s AS key, p.%s AS old, CASE WHEN d.command <> 'delete' THEN d.%s END AS new"
					" FROM %s d LEFT JOIN %s p ON p.%s = d.%s WHERE d.batch = $1 AND " IS_CHANGE("d") ") m"
					" WHERE m.old IS DISTINCT FROM m.new",
					key, property, property, delta_table(end->entity),
					previous_table(end->entity), key, key);
}

/* SQL: what every value of a side means after the batch $1: value, key. */
static char *
all_values_sql(const Mapping *mapping, int side)
{
	const AssociationEnd *end = &mapping->ends[side];
	const char *property = property_stored(end);
	const char *key = key_stored(end);
	const char *delta = delta_table(end->entity);
	char	   *sql = psprintf("SELECT p.%s AS value, p.%s AS key FROM %s p WHERE p.%s IS NOT NULL",
							   property, key, previous_table(end->entity), property);

	if (!is_own_end(mapping, end))
		return sql;
	return psprintf("%s AND NOT EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND d.%s = p.%s AND " IS_CHANGE("d") ")"
					" UNION ALL SELECT d.%s, d.%s FROM %s d WHERE d.batch = $1 AND " IS_PRESENT("d")
					" AND d.%s IS NOT NULL",
					sql, delta, key, key, property, key, delta, property);
}

/* SQL: the same, before or after, of the values of syncup_pair alone. */
static char *
pair_values_sql(const Mapping *mapping, int side, bool after)
{
	const AssociationEnd *end = &mapping->ends[side];
	const char *property = property_stored(end);
	const char *key = key_stored(end);
	int			n = side + 1;
	char	   *sql = psprintf("SELECT p.%s AS value, p.%s AS key FROM %s p WHERE p.%s IN (SELECT v%d FROM syncup_pair)",
							   property, key, previous_table(end->entity), property, n);

	if (!after)
		return sql;
	return psprintf("%s AND NOT EXISTS (SELECT FROM syncup_moved%d m WHERE m.key = p.%s)"
					" UNION ALL SELECT m.new, m.key FROM syncup_moved%d m WHERE m.new IN (SELECT v%d FROM syncup_pair)",
					sql, n, key, n, n);
}

/*
 * SQL: values with the key of the row that has each, null where several have
 * it, and how many have.
 */
static char *
found_sql(const Mapping *mapping, int side, const char *values)
{
	const AssociationEnd *end = &mapping->ends[side];

	if (end->property == end->entity->key)
		return psprintf("(SELECT f.value, f.key, 1 AS count FROM (%s) f)", values);
	return psprintf("(SELECT f.value, CASE WHEN count(*) = 1 THEN min(f.key) END AS key, count(*) FROM (%s) f GROUP BY f.value)",
					values);
}

/* SQL: whether a remembered orphan o is the pair of these columns of x. */
static char *
is_orphan_sql(const char *v1, const char *v2)
{
	return psprintf("o.connector = $2 AND o.mapping = $3 AND o.value1 = %s AND o.value2 = %s", v1, v2);
}

/* SQL: "v1" and "v2" of a row of previous or delta. */
static char *
pair_columns(const Mapping *mapping, const char *alias)
{
	return psprintf("%s.%s AS v1, %s.%s AS v2",
					alias, quote_identifier(mapping->columns[0].stored),
					alias, quote_identifier(mapping->columns[1].stored));
}

/*
 * SQL: every pair: v1, v2, whether it was one before, whether it is one after,
 * whether it is a remembered orphan, whether its row was set aside.
 */
static char *
all_pairs_sql(const Mapping *mapping)
{
	const char *key = quote_identifier(mapping->columns[mapping->key].stored);
	const char *delta = delta_table(mapping);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT x.v1, x.v2, false AS before, true AS after, o.value1 IS NOT NULL AS remembered, false AS kept"
					 " FROM (SELECT %s FROM %s p WHERE NOT EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND %s AND " IS_CHANGE("d") ")"
					 " UNION ALL SELECT %s FROM %s d WHERE d.batch = $1 AND " IS_PRESENT("d") ") x"
					 " LEFT JOIN syncup.orphan o ON %s",
					 pair_columns(mapping, "p"), previous_table(mapping), delta, same_stored_key(mapping, "d", "p"),
					 pair_columns(mapping, "d"), delta, is_orphan_sql("x.v1", "x.v2"));
	/* Orphans whose pair goes, and rows that were set aside. */
	appendStringInfo(&sql, " UNION ALL SELECT o.value1, o.value2, false, false, true, false FROM syncup.orphan o"
					 " WHERE o.connector = $2 AND o.mapping = $3 AND EXISTS (SELECT FROM %s d WHERE d.batch = $1"
					 " AND d.command IN ('update', 'delete') AND d.%s = o.value%d%s)",
					 delta, key, mapping->key + 1,
					 mapping->pairs ? psprintf(" AND d.%s = o.value2", quote_identifier(mapping->columns[1].stored)) : "");
	appendStringInfo(&sql, " UNION ALL SELECT %s, false, false, false, true FROM %s d WHERE d.batch = $1 AND d.command = 'keep'",
					 pair_columns(mapping, "d"), delta);
	return sql.data;
}

/* SQL: the same of pairs that can have changed; syncup_pair_delta: the batch's delta. */
static char *
touched_pairs_sql(const Mapping *mapping)
{
	const char *previous = previous_table(mapping);
	const char *delta = "syncup_pair_delta";
	char	   *same = same_stored_key(mapping, "d", "p");
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT x.*, o.value1 IS NOT NULL AS remembered, false AS kept FROM ("
					 "SELECT %s, false AS before, true AS after FROM %s d WHERE d.batch = $1 AND " IS_PRESENT("d"),
					 pair_columns(mapping, "d"), delta);
	appendStringInfo(&sql, " UNION ALL SELECT %s, true, NOT EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND %s"
					 " AND d.command IN ('update', 'delete')) FROM (",
					 stored_columns(mapping, "p."), delta, same);
	appendStringInfo(&sql, "SELECT p.* FROM %s p JOIN %s d ON %s WHERE d.batch = $1 AND d.command IN ('update', 'delete')",
					 previous, delta, same);
	for (int side = 0; side < 2; side++)
		appendStringInfo(&sql, " UNION SELECT p.* FROM %s p WHERE p.%s IN"
						 " (SELECT old FROM syncup_moved%d UNION ALL SELECT new FROM syncup_moved%d)",
						 previous, quote_identifier(mapping->columns[side].stored), side + 1, side + 1);
	appendStringInfo(&sql, " UNION SELECT p.* FROM %s p JOIN syncup.orphan o ON %s) p) x LEFT JOIN syncup.orphan o ON %s",
					 previous,
					 is_orphan_sql(psprintf("p.%s", quote_identifier(mapping->columns[0].stored)),
								   psprintf("p.%s", quote_identifier(mapping->columns[1].stored))),
					 is_orphan_sql("x.v1", "x.v2"));
	return sql.data;
}

/* ---------- pairs become links ---------- */

/* The columns of a pair looked up. */
enum
{
	PAIR_VALUE1 = 1, PAIR_VALUE2, PAIR_BEFORE, PAIR_AFTER, PAIR_REMEMBERED, PAIR_KEPT,
	PAIR_KEY1, PAIR_COUNT1, PAIR_KEY2, PAIR_COUNT2, PAIR_OLD_KEY1, PAIR_OLD_KEY2
};

/* What turns pairs looked up into links. */
typedef struct LinkSink
{
	const Mapping *mapping;
	TypedRows  *links;			/* "deleted", null: to be left alone; "k1", "k2" */
	Converter	converters[2];
	DeltaWriter *delta;
	Quarantine *quarantine;
	char	   *file;
	int64		orphans;		/* more than there were */
} LinkSink;

/* Adds a link, by the texts of its keys. */
static void
add_link(LinkSink *sink, bool deleted, bool kept, char *key1, char *key2)
{
	Datum		values[3] = {BoolGetDatum(deleted)};
	bool		nulls[3] = {kept, key1 == NULL, key2 == NULL};

	if (key1 != NULL)
		values[1] = convert_text(&sink->converters[0], key1, &nulls[1]);
	if (key2 != NULL)
		values[2] = convert_text(&sink->converters[1], key2, &nulls[2]);
	tuplestore_putvalues(sink->links->store, sink->links->tupdesc, values, nulls);
	sink->links->count++;
}

/* Writes the pair at hand to the delta. */
static void
write_pair(LinkSink *sink, ChangeCommand command, uint64 row)
{
	Datum		values[2];
	bool		nulls[2];

	values[0] = sql_datum(row, PAIR_VALUE1, &nulls[0]);
	values[1] = sql_datum(row, PAIR_VALUE2, &nulls[1]);
	delta_write_stored(sink->delta, command, values, nulls);
}

/* What is wrong with one side of an orphan; NULL: nothing. */
static char *
side_message(const Mapping *mapping, int side, bool found, int64 count)
{
	const AssociationEnd *end = &mapping->ends[side];

	if (found)
		return NULL;
	return psprintf(count > 1 ? "\"%s\": more than one \"%s\" has this \"%s\"" : "\"%s\": no \"%s\" has this \"%s\"",
					mapping->columns[side].source, end->entity->name, property_of_end(end)->source);
}

/* Remembers a pair as an orphan, and sets it aside. */
static void
add_orphan(LinkSink *sink, uint64 row, const char *key1, const char *key2)
{
	char	   *first = side_message(sink->mapping, 0, key1 != NULL, sql_int8(row, PAIR_COUNT1));
	char	   *second = side_message(sink->mapping, 1, key2 != NULL, sql_int8(row, PAIR_COUNT2));

	sink->orphans++;
	write_pair(sink, COMMAND_ORPHAN, row);
	quarantine_text(sink->quarantine, sink->mapping, sink->file, 0, NULL, "orphan",
					psprintf("%s -> %s", sql_text(row, PAIR_VALUE1), sql_text(row, PAIR_VALUE2)),
					first && second ? psprintf("%s; %s", first, second) : first ? first : second);
}

/* Takes a pair that was looked up. */
static void
take_pair(void *arg, uint64 row)
{
	LinkSink   *sink = arg;
	char	   *key1 = sql_text(row, PAIR_KEY1);
	char	   *key2 = sql_text(row, PAIR_KEY2);
	char	   *old_key1 = sql_text(row, PAIR_OLD_KEY1);
	char	   *old_key2 = sql_text(row, PAIR_OLD_KEY2);
	bool		remembered = sql_bool(row, PAIR_REMEMBERED);
	bool		is = sql_bool(row, PAIR_AFTER) && key1 != NULL && key2 != NULL;
	bool		was = sql_bool(row, PAIR_BEFORE) && old_key1 != NULL && old_key2 != NULL;

	if (sql_bool(row, PAIR_KEPT))
	{
		/* Its row was set aside: the link, or the holder's, is left alone. */
		if (sink->mapping->holder != 1 ? key1 != NULL : key2 != NULL)
			add_link(sink, false, true, key1, key2);
		return;
	}
	if (sql_bool(row, PAIR_AFTER) && !is)
	{
		if (!remembered)
			add_orphan(sink, row, key1, key2);
	}
	else if (remembered)
	{
		sink->orphans--;
		write_pair(sink, COMMAND_FOUND, row);
	}
	if (is)
		add_link(sink, false, false, key1, key2);
	if (was && !(is && strcmp(key1, old_key1) == 0 && strcmp(key2, old_key2) == 0))
		add_link(sink, true, false, old_key1, old_key2);
}

/* Links without any row yet. */
static TypedRows *
begin_links(const Mapping *mapping)
{
	TypedRows  *rows = typed_rows_begin("syncup_link", 3);

	TupleDescInitEntry(rows->tupdesc, 1, "deleted", BOOLOID, -1, 0);
	for (int i = 0; i < 2; i++)
	{
		const MappingColumn *key = key_of_end(&mapping->ends[i]);

		TupleDescInitEntry(rows->tupdesc, i + 2, i == 0 ? "k1" : "k2", key->type, key->typmod, 0);
		TupleDescInitEntryCollation(rows->tupdesc, i + 2, key->collation);
	}
	return rows;
}

/* The query of all pairs looked up; see the enum above. */
static char *
all_lookup_sql(const Mapping *mapping)
{
	return psprintf("SELECT x.*, a1.key, a1.count, a2.key, a2.count, NULL::text, NULL::text FROM (%s) x"
					" LEFT JOIN %s a1 ON a1.value = x.v1 LEFT JOIN %s a2 ON a2.value = x.v2",
					all_pairs_sql(mapping), found_sql(mapping, 0, all_values_sql(mapping, 0)),
					found_sql(mapping, 1, all_values_sql(mapping, 1)));
}

/* The same of the pairs in syncup_pair. */
static char *
pair_lookup_sql(const Mapping *mapping)
{
	return psprintf("SELECT x.*, a1.key, a1.count, a2.key, a2.count, b1.key, b2.key FROM syncup_pair x"
					" LEFT JOIN %s a1 ON a1.value = x.v1 LEFT JOIN %s a2 ON a2.value = x.v2"
					" LEFT JOIN %s b1 ON b1.value = x.v1 LEFT JOIN %s b2 ON b2.value = x.v2",
					found_sql(mapping, 0, pair_values_sql(mapping, 0, true)),
					found_sql(mapping, 1, pair_values_sql(mapping, 1, true)),
					found_sql(mapping, 0, pair_values_sql(mapping, 0, false)),
					found_sql(mapping, 1, pair_values_sql(mapping, 1, false)));
}

/*
 * Looks up the pairs that can have changed.  They and what they are found by are
 * gathered first, so that the planner knows how few they are: it has no fresh
 * statistics of deltas.
 */
static void
look_up_touched(LinkSink *sink, int nargs, const SqlArg *args)
{
	const Mapping *mapping = sink->mapping;
	TypedRows  *given[4];

	given[0] = typed_rows_gather("syncup_pair_delta",
								 own_cursor(psprintf("SELECT d.* FROM %s d WHERE d.batch = $1 AND " IS_CHANGE("d"),
													 delta_table(mapping)), 1, args));
	given[1] = typed_rows_gather("syncup_moved1", own_cursor(moved_sql(mapping, 0), 1, args));
	given[2] = typed_rows_gather("syncup_moved2", own_cursor(moved_sql(mapping, 1), 1, args));
	given[3] = typed_rows_gather("syncup_pair", own_cursor(touched_pairs_sql(mapping), nargs, args));
	sql_for_each(own_cursor(pair_lookup_sql(mapping), SQL_NO_ARGS), take_pair, sink);
	for (int i = 0; i < lengthof(given); i++)
		typed_rows_forget(given[i]);
}

/* Looks up pairs of a batch. */
static void
look_up(LinkSink *sink, const pg_uuid_t *batch, bool whole)
{
	const Mapping *mapping = sink->mapping;
	SqlArg		args[] = {SQL_UUID(batch), SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)};

	if (whole)
		sql_for_each(own_cursor(all_lookup_sql(mapping), lengthof(args), args), take_pair, sink);
	else
		look_up_touched(sink, lengthof(args), args);
}

/*
 * Notes the last batch of the other connectors that ends lie in; whether one
 * has applied any since the links were last looked up.
 */
static bool
see_others(Mapping *mapping)
{
	bool		news = false;

	for (int i = 0; i < 2; i++)
	{
		AssociationEnd *end = &mapping->ends[i];

		if (is_own_end(mapping, end))
			continue;
		own_sql("SELECT coalesce((SELECT max(b.seq) FROM syncup.batch b WHERE b.connector = $3 AND b.status = 'applied'), 0), a.seen"
				" FROM syncup.association a WHERE a.connector = $1 AND a.mapping = $2 AND a.side = $4",
				SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
						 SQL_TEXT(end->entity->connector->name), SQL_INT4(i + 1)));
		end->seen = sql_int8(0, 1);
		news |= sql_text(0, 2) == NULL || sql_int8(0, 2) != end->seen;
	}
	return news;
}

/* The file that the pairs of a batch came from. */
static char *
file_of(const Mapping *mapping, const pg_uuid_t *batch)
{
	return own_sql("SELECT file FROM syncup.batch_counter WHERE batch = $1 AND mapping = $2",
				   SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->name))) > 0 ? sql_text(0, 1) : NULL;
}

/* Records how many orphans there are after the batch. */
static void
count_orphans(const Mapping *mapping, const pg_uuid_t *batch, int64 more)
{
	own_sql("UPDATE syncup.batch_counter SET orphans = $4 +"
			" (SELECT count(*) FROM syncup.orphan o WHERE o.connector = $3 AND o.mapping = $2)"
			" WHERE batch = $1 AND mapping = $2",
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->name), SQL_TEXT(mapping->connector->name),
					 SQL_INT8(more)));
}

TypedRows *
links_find(Mapping *mapping, const pg_uuid_t *batch, bool *whole)
{
	LinkSink	sink = {.mapping = mapping};
	int			level = settings_pin(mapping->ends[0].entity->options->timezone);

	if (see_others(mapping))
		*whole = true;
	/* As in typed_source(): the planner knows little of delta tables. */
	if (*whole)
		setting_pin("enable_nestloop", "off");
	for (int i = 0; i < 2; i++)
	{
		const MappingColumn *key = key_of_end(&mapping->ends[i]);

		converter_init(&sink.converters[i], key->type, key->typmod, key->format);
	}
	sink.links = begin_links(mapping);
	sink.delta = delta_open(mapping, batch);
	sink.quarantine = quarantine_open(batch);
	sink.file = file_of(mapping, batch);
	look_up(&sink, batch, *whole);
	quarantine_close(sink.quarantine);
	delta_close(sink.delta);
	count_orphans(mapping, batch, sink.orphans);
	settings_restore(level);
	typed_rows_publish(sink.links);
	return sink.links;
}

TypedRows *
links_reviewed(const Mapping *mapping, const pg_uuid_t *batch)
{
	return typed_rows_gather("syncup_link",
							 own_cursor(psprintf("SELECT command = 'delete' AS deleted, key1::%s AS k1, key2::%s AS k2 FROM %s WHERE batch = $1",
												 key_of_end(&mapping->ends[0])->target_type,
												 key_of_end(&mapping->ends[1])->target_type, changes_table(mapping)),
										SQL_ARGS(SQL_UUID(batch))));
}

/* ---------- SQL on targets ---------- */

/* A column of a target under an alias. */
static char *
column_of(const char *alias, const char *name)
{
	return psprintf("%s.%s", alias, quote_identifier(name));
}

/* SQL: what is stored of the row of an end that has this key; null: it is not there. */
static char *
stored_of_key(const AssociationEnd *end, const char *key)
{
	return psprintf("(SELECT e.%s FROM %s e WHERE %s)", quote_identifier(end->stored.target),
					end->entity->target_name,
					equal_sql(key_of_end(end), column_of("e", key_of_end(end)->target), key));
}

/* SQL: the key of the row of an end of which this is stored. */
static char *
key_of_stored(const AssociationEnd *end, const char *stored)
{
	if (end->store == NULL)
		return pstrdup(stored);
	return psprintf("(SELECT e.%s FROM %s e WHERE %s)", quote_identifier(key_of_end(end)->target),
					end->entity->target_name,
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
			appendStringInfo(&sql, " LEFT JOIN %s %s ON %s", end->entity->target_name, entity,
							 equal_sql(key_of_end(end), column_of(entity, key_of_end(end)->target),
									   psprintf("%s.k%d", alias, i + 1)));
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
							 equal_sql(key_of_end(&mapping->ends[i]), psprintf("%s.k%d", a, i + 1),
									   psprintf("%s.k%d", b, i + 1)));
	return sql.data;
}

/* The end whose stored value a mono-valued link is, and the one whose row holds it. */
#define other_end(m)	(&(m)->ends[1 - (m)->holder])
#define holder_end(m)	(&(m)->ends[(m)->holder])

/* SQL: the links of the target as "t": rows that are links, or that can hold one. */
static char *
link_rows(const Mapping *mapping, bool all_columns)
{
	const char *column1;
	const char *column2;

	if (!mapping->pairs)
		return target_rows_with(holder_end(mapping)->entity, other_end(mapping)->target);
	column1 = column_of("r", mapping->ends[0].target);
	column2 = column_of("r", mapping->ends[1].target);
	return psprintf("(SELECT %s FROM %s r WHERE %s IS NOT NULL AND %s IS NOT NULL) t",
					all_columns ? "r.*" : psprintf("%s, %s", column1, column2),
					mapping->target_name, column1, column2);
}

/* SQL: whether a link row t of a link table stores these two values. */
static char *
is_link_sql(const Mapping *mapping, const char *value1, const char *value2)
{
	return psprintf("%s AND %s",
					equal_sql(&mapping->ends[0].stored, column_of("t", mapping->ends[0].target), value1),
					equal_sql(&mapping->ends[1].stored, column_of("t", mapping->ends[1].target), value2));
}

/* SQL: whether target row t is the holder of a change or link s. */
static char *
is_holder_sql(const Mapping *mapping, const char *key)
{
	const MappingColumn *column = key_of_end(holder_end(mapping));

	return equal_sql(column, target_column(column), key);
}

/* Whether the target row is there: what every row of a link table, or holder, has. */
static char *
has_target_sql(const Mapping *mapping)
{
	return psprintf("%s IS NOT NULL", mapping->pairs ? column_of("t", mapping->ends[0].target) :
					target_column(key_of_end(holder_end(mapping))));
}

int64
links_count(const Mapping *mapping)
{
	if (mapping->pairs)
		caller_sql(psprintf("SELECT pg_catalog.count(*) FROM %s", link_rows(mapping, false)), SQL_NO_ARGS);
	else
		caller_sql(psprintf("SELECT pg_catalog.count(%s) FROM %s WHERE %s",
							column_of("t", other_end(mapping)->target), link_rows(mapping, false),
							is_current(holder_end(mapping)->entity)),
				   SQL_NO_ARGS);
	return sql_int8(0, 1);
}

/* ---------- what the target lacks or has too much ---------- */

/* What the query of changes gives, and the change table takes. */
enum
{
	FOUND_COMMAND = 1, FOUND_CHANGED, FOUND_OLD, FOUND_KEY1, FOUND_KEY2, FOUND_OLD_KEY, FOUND_VALUES
};

/* Where changes of links go. */
typedef struct LinkChanges
{
	const Mapping *mapping;
	pg_uuid_t	batch;
	TableWriter *writer;
	ChangeCounter *counter;
} LinkChanges;

/* Counts a change; of a mono-valued link that moves three times (SPEC 6.2). */
static void
count_change(LinkChanges *changes, const char *command)
{
	if (strcmp(command, "delete") != 0)
		changes->counter->inserted++;
	if (strcmp(command, "insert") != 0)
		changes->counter->deleted++;
	if (strcmp(command, "update") == 0)
		changes->counter->updated++;
}

/* Writes one row found to the change table. */
static void
write_change(void *arg, uint64 row)
{
	LinkChanges *changes = arg;
	TupleTableSlot *slot = table_writer_slot(changes->writer);
	MemoryContext before = MemoryContextSwitchTo(table_writer_memory(changes->writer));
	int			last = FOUND_VALUES + (changes->mapping->pairs ? 1 : 0);

	count_change(changes, sql_text(row, FOUND_COMMAND));
	slot->tts_values[0] = UUIDPGetDatum(&changes->batch);
	slot->tts_isnull[0] = false;
	for (int i = FOUND_COMMAND; i <= last; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(slot->tts_tupleDescriptor, i);
		Datum		value = sql_datum(row, i, &slot->tts_isnull[i]);

		if (!slot->tts_isnull[i])
			slot->tts_values[i] = datumCopy(value, attribute->attbyval, attribute->attlen);
	}
	MemoryContextSwitchTo(before);
	table_writer_put(changes->writer, 200);
}

/*
 * SQL: the links of the source as "s", with what is to be stored of each.  A
 * link that another pair still is does not go.
 */
static char *
source_sql(const Mapping *mapping)
{
	return psprintf("(SELECT l.*, %s AS v1, %s AS v2, true AS here FROM"
					" (SELECT l.* FROM syncup_link l WHERE l.deleted IS NOT TRUE"
					" UNION ALL SELECT l.* FROM syncup_link l WHERE l.deleted AND NOT EXISTS"
					" (SELECT FROM syncup_link other WHERE NOT other.deleted AND %s)) l%s) s",
					mapping->holder == 0 ? "NULL" : stored_value(mapping, 0, "l"),
					mapping->holder == 1 ? "NULL" : stored_value(mapping, 1, "l"),
					same_keys(mapping, "other", "l"), stored_joins(mapping, "l"));
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
row_sql(const Mapping *mapping, bool all_columns)
{
	if (all_columns)
		return "pg_catalog.to_jsonb(t.*)";
	return psprintf("pg_catalog.jsonb_build_object(%s, %s, %s, %s)",
					quote_literal_cstr(mapping->ends[0].target), column_of("t", mapping->ends[0].target),
					quote_literal_cstr(mapping->ends[1].target), column_of("t", mapping->ends[1].target));
}

/* The query of a link table's changes; see the enum above. */
static char *
link_table_query(const Mapping *mapping, bool whole, bool keep_missing)
{
	bool		all_columns = pg_class_aclcheck(mapping->target, GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	char	   *column1 = column_of("t", mapping->ends[0].target);
	char	   *column2 = column_of("t", mapping->ends[1].target);
	const char *goes = "s.deleted IS NOT FALSE";

	return psprintf("SELECT CASE WHEN %s THEN 'delete' ELSE 'insert' END,"
					" CASE WHEN NOT s.deleted THEN %s END, CASE WHEN %s THEN %s END,"
					" COALESCE(s.k1, %s)::pg_catalog.text, COALESCE(s.k2, %s)::pg_catalog.text, NULL::pg_catalog.text,"
					" CASE WHEN %s THEN %s ELSE s.v1 END, CASE WHEN %s THEN %s ELSE s.v2 END"
					" FROM %s %s JOIN %s ON %s"
					" WHERE CASE WHEN s.here IS NULL THEN true WHEN s.deleted IS NULL THEN false"
					" WHEN s.deleted THEN %s ELSE NOT (%s) END",
					goes, changed_sql(mapping), goes, row_sql(mapping, all_columns),
					key_of_stored(&mapping->ends[0], column1), key_of_stored(&mapping->ends[1], column2),
					goes, column1, goes, column2,
					source_sql(mapping), whole && !keep_missing ? "FULL" : "LEFT",
					link_rows(mapping, all_columns), is_link_sql(mapping, "s.v1", "s.v2"),
					has_target_sql(mapping), has_target_sql(mapping));
}

/*
 * The same of a mono-valued association, whose holders have one link or none.
 * What is to be stored may not be known yet: then the link is new.
 */
static char *
link_column_query(const Mapping *mapping, bool whole, bool keep_missing)
{
	int			holder = mapping->holder + 1;
	int			other = 2 - mapping->holder;
	const AssociationEnd *end = other_end(mapping);
	char	   *column = column_of("t", end->target);
	char	   *value = psprintf("s.v%d", other);
	char	   *keys[2];
	const char *goes = "s.deleted IS NOT FALSE";

	keys[holder - 1] = psprintf("COALESCE(s.k%d, %s)", holder, target_column(key_of_end(holder_end(mapping))));
	keys[other - 1] = psprintf("CASE WHEN %s THEN %s ELSE s.k%d END", goes, key_of_stored(end, column), other);
	return psprintf("SELECT CASE WHEN %s THEN 'delete' WHEN %s IS NULL THEN 'insert' ELSE 'update' END,"
					" CASE WHEN NOT s.deleted THEN %s END,"
					" CASE WHEN %s IS NOT NULL THEN pg_catalog.jsonb_build_object(%s, %s::pg_catalog.text) END,"
					" (%s)::pg_catalog.text, (%s)::pg_catalog.text, CASE WHEN NOT s.deleted THEN (%s)::pg_catalog.text END,"
					" CASE WHEN NOT s.deleted THEN %s END"
					" FROM %s %s JOIN %s ON %s"
					" WHERE CASE WHEN s.here IS NULL THEN %s IS NOT NULL AND %s"
					" WHEN s.deleted IS NULL OR %s THEN false WHEN s.deleted THEN %s IS NOT NULL"
					" WHEN %s IS NULL OR NOT (%s) THEN true ELSE %s END",
					goes, column, changed_sql(mapping),
					column, quote_literal_cstr(end->target), column,
					keys[0], keys[1], key_of_stored(end, column), value,
					source_sql(mapping), whole && !keep_missing ? "FULL" : "LEFT",
					link_rows(mapping, false), is_holder_sql(mapping, psprintf("s.k%d", holder)),
					column, is_current(holder_end(mapping)->entity), is_outside(holder_end(mapping)->entity),
					column, value, has_target_sql(mapping),
					distinct_sql(&end->stored, column, value));
}

void
links_build(const Mapping *mapping, const pg_uuid_t *batch, TypedRows *source,
			bool whole, bool keep_missing, ChangeCounter *counter)
{
	LinkChanges changes = {mapping, *batch, NULL, counter};
	int			level;

	memset(counter, 0, sizeof(ChangeCounter));
	own_sql(psprintf("DELETE FROM %s WHERE batch = $1", changes_table(mapping)),
			SQL_ARGS(SQL_UUID(batch)));
	changes.writer = table_writer_open(config_table(mapping, "syncup_changes"));
	level = settings_pin(NULL);
	sql_for_each(caller_cursor(mapping->pairs ? link_table_query(mapping, whole, keep_missing) :
							   link_column_query(mapping, whole, keep_missing), SQL_NO_ARGS),
				 write_change, &changes);
	settings_restore(level);
	table_writer_close(changes.writer);
	typed_rows_forget(source);
	counter->stored_before = whole ? links_count(mapping) : changes_carried_count(mapping);
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
	appendStringInfo(&sql, "SELECT CASE WHEN command = 'update' OR NOT $2 THEN command WHEN command = 'insert' THEN 'delete' ELSE 'insert' END AS action,"
					 " ctid AS place, old");
	if (mapping->pairs)
		appendStringInfo(&sql, ", key1::%s AS k1, key2::%s AS k2, %s AS v1, %s AS v2",
						 key_of_end(&ends[0])->target_type, key_of_end(&ends[1])->target_type,
						 quote_identifier(ends[0].change_column), quote_identifier(ends[1].change_column));
	else
	{
		const AssociationEnd *end = other_end(mapping);
		char	   *key = psprintf("CASE WHEN command <> 'delete' THEN key%d::%s END",
								   2 - mapping->holder, key_of_end(end)->target_type);
		char	   *stored = psprintf("(old ->> %s)::%s", quote_literal_cstr(end->target),
									  config_type_text(end->stored.type, end->stored.typmod));

		appendStringInfo(&sql, ", key%d::%s AS k, %s AS w, %s AS x", mapping->holder + 1,
						 key_of_end(holder_end(mapping))->target_type, back ? stored : key, back ? key : stored);
	}
	appendStringInfo(&sql, " FROM %s WHERE batch = $1", changes_table(mapping));
	rows = typed_rows_gather("syncup_change",
							 own_cursor(sql.data, SQL_ARGS(SQL_UUID(batch), SQL_BOOL(back))));
	own_sql(psprintf("SELECT count(*) FILTER (WHERE command = 'insert'), count(*) FILTER (WHERE command = 'update'),"
					 " count(*) FILTER (WHERE command = 'delete') FROM %s WHERE batch = $1", changes_table(mapping)),
			SQL_ARGS(SQL_UUID(batch)));
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

/* Deletes the rows of a link table. */
static void
delete_links(const Mapping *mapping, const TypedRows *changes, bool back)
{
	if (changes->actions[ACTION_DELETE] == 0)
		return;
	write_rows(mapping,
			   psprintf("DELETE FROM %s t USING (SELECT %s AS v1, %s AS v2 FROM syncup_change s%s WHERE %s) s WHERE %s",
						mapping->target_name, change_value(mapping, 0, back), change_value(mapping, 1, back),
						stored_joins(mapping, "s"), is_action(ACTION_DELETE),
						is_link_sql(mapping, "s.v1", "s.v2")),
			   changes->actions[ACTION_DELETE]);
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
			   expected);
}

void
links_delete(const Mapping *mapping, const TypedRows *changes, bool back)
{
	if (mapping->pairs)
		delete_links(mapping, changes, back);
	else
		unlink_rows(mapping, changes, back);
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
			(!all && strcmp(name, mapping->ends[0].target) != 0 && strcmp(name, mapping->ends[1].target) != 0))
			continue;
		appendStringInfo(&list, "%s%s%s", list.len ? ", " : "", alias, quote_identifier(name));
	}
	table_close(target, NoLock);
	return list.data;
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
				   changes->actions[ACTION_INSERT]);
	else
		write_rows(mapping,
				   psprintf("INSERT INTO %s (%s, %s) SELECT %s, %s FROM syncup_change s%s WHERE %s ORDER BY s.k1, s.k2",
							mapping->target_name, quote_identifier(mapping->ends[0].target),
							quote_identifier(mapping->ends[1].target),
							change_value(mapping, 0, false), change_value(mapping, 1, false),
							stored_joins(mapping, "s"), is_action(ACTION_INSERT)),
				   changes->actions[ACTION_INSERT]);
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
		caller_sql(psprintf("SELECT pg_catalog.count(*) FROM syncup_change s JOIN %s t ON %s WHERE %s AND %s",
							mapping->target_name, is_holder, is_action(ACTION_UPDATE), is_empty), SQL_NO_ARGS);
		expected += sql_int8(0, 1);
	}
	if (expected > 0)
		write_rows(mapping,
				   psprintf("UPDATE %s t SET %s = %s FROM syncup_change s WHERE (%s OR %s) AND %s AND %s",
							mapping->target_name, quote_identifier(end->target), wanted_sql(mapping, back),
							is_action(ACTION_INSERT), is_action(ACTION_UPDATE), is_holder, is_empty),
				   expected);
}

void
links_insert(const Mapping *mapping, const TypedRows *changes, bool back)
{
	if (mapping->pairs)
		insert_links(mapping, changes, back);
	else
		link_holders(mapping, changes, back);
}

int64
links_load(const Mapping *mapping, TypedRows *source)
{
	const AssociationEnd *end = other_end(mapping);
	int64		count = source->count;

	if (mapping->pairs)
		write_rows(mapping,
				   psprintf("INSERT INTO %s (%s, %s) SELECT %s, %s FROM syncup_link s%s ORDER BY s.k1, s.k2",
							mapping->target_name, quote_identifier(mapping->ends[0].target),
							quote_identifier(mapping->ends[1].target),
							stored_value(mapping, 0, "s"), stored_value(mapping, 1, "s"),
							stored_joins(mapping, "s")), count);
	else
		write_rows(mapping,
				   psprintf("UPDATE %s t SET %s = s.v FROM (SELECT s.k%d AS k, %s AS v FROM syncup_link s%s) s WHERE %s",
							mapping->target_name, quote_identifier(end->target), mapping->holder + 1,
							stored_value(mapping, 1 - mapping->holder, "s"), stored_joins(mapping, "s"),
							is_holder_sql(mapping, "s.k")), count);
	typed_rows_forget(source);
	return count;
}

/* ---------- is the target still as the changes say ---------- */

/* Of a link table: a link that is there already, or gone already. */
static char *
link_table_review(const Mapping *mapping, bool back)
{
	return psprintf("SELECT s.place, 'done' AS state, NULL::pg_catalog.text FROM"
					" (SELECT s.place, s.action, %s AS v1, %s AS v2 FROM syncup_change s%s) s LEFT JOIN %s ON %s"
					" WHERE (%s) OPERATOR(pg_catalog.=) (%s)",
					change_value(mapping, 0, back), change_value(mapping, 1, back),
					stored_joins(mapping, "s"), link_rows(mapping, false), is_link_sql(mapping, "s.v1", "s.v2"),
					is_action(ACTION_INSERT), has_target_sql(mapping));
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
					" s.k::pg_catalog.text FROM syncup_change s LEFT JOIN %s ON %s) AS reviewed"
					" WHERE state OPERATOR(pg_catalog.<>) 'open' ORDER BY 3",
					column, equal_sql(&end->stored, column, expected_sql(mapping, back)),
					column, equal_sql(&end->stored, column, wanted_sql(mapping, back)),
					has_target, column, equal_sql(&end->stored, column, wanted_sql(mapping, back)),
					equal_sql(&end->stored, column, expected_sql(mapping, back)),
					link_rows(mapping, false), is_holder_sql(mapping, "s.k"));
}

char *
links_review_sql(const Mapping *mapping, bool back)
{
	return mapping->pairs ? link_table_review(mapping, back) : link_column_review(mapping, back);
}

/* ---------- orphans that are remembered ---------- */

/* Adds the pairs of a command of the batch to the orphans, or takes them away. */
static void
add_orphans(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	own_sql(psprintf("INSERT INTO syncup.orphan (connector, mapping, value1, value2, batch)"
					 " SELECT $2, $3, %s, $1 FROM %s d WHERE d.batch = $1 AND d.command = $4 ORDER BY %s",
					 stored_columns(mapping, "d."), delta_table(mapping), stored_columns(mapping, "d.")),
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
					 SQL_TEXT(command)));
}

static void
remove_orphans(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	own_sql(psprintf("DELETE FROM syncup.orphan o USING %s d WHERE d.batch = $1 AND d.command = $4 AND %s",
					 delta_table(mapping),
					 is_orphan_sql(psprintf("d.%s", quote_identifier(mapping->columns[0].stored)),
								   psprintf("d.%s", quote_identifier(mapping->columns[1].stored)))),
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
					 SQL_TEXT(command)));
}

/* Records what of other connectors the links were looked up with; -1: unknown. */
static void
record_seen(const Mapping *mapping)
{
	for (int i = 0; i < 2; i++)
		if (!is_own_end(mapping, &mapping->ends[i]))
			own_sql("UPDATE syncup.association SET seen = nullif($4, -1) WHERE connector = $1 AND mapping = $2 AND side = $3",
					SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
							 SQL_INT4(i + 1), SQL_INT8(mapping->ends[i].seen)));
}

void
links_remember(const Mapping *mapping, const pg_uuid_t *batch)
{
	remove_orphans(mapping, batch, "found");
	add_orphans(mapping, batch, "orphan");
	record_seen(mapping);
}

void
links_take_back(const Mapping *mapping, const pg_uuid_t *batch)
{
	remove_orphans(mapping, batch, "orphan");
	add_orphans(mapping, batch, "found");
	record_seen(mapping);
}
