/*
 * links.c
 *		What a batch does to the links of an association: stored, written.
 *
 * Links come as pairs of keys (resolve.c).  They become what is stored (options
 * store1 and store2) in the statements on the target, and of rows that the batch
 * itself inserts only once they are there: the link's change then holds the keys
 * alone.
 */
#include "links.h"

#include "access/table.h"
#include "apply.h"
#include "change_store.h"
#include "end_key.h"
#include "handover.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "plans.h"
#include "sql.h"
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

/* SQL: what is stored of the row of an end that has this key; null: it is not there. */
static char *
stored_of_key(const AssociationEnd *end, const char *key)
{
	return psprintf("(SELECT e.%s FROM %s e WHERE %s)", quote_identifier(end->stored.target),
					end->entity->target_name,
					has_end_key_sql(end, "e", key));
}

/* SQL: the key of the row of an end of which this is stored. */
static char *
key_of_stored(const AssociationEnd *end, const char *stored)
{
	if (end->store == NULL)
		return pstrdup(stored);
	return psprintf("(SELECT %s FROM %s e WHERE %s)", end_key_sql(end, "e"), end->entity->target_name,
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

char *
link_table_rows(const Mapping *mapping, const char *relation)
{
	char	   *column1 = column_of("r", mapping->ends[0].target);
	char	   *column2 = column_of("r", mapping->ends[1].target);

	return psprintf("(SELECT %s FROM %s r WHERE %s IS NOT NULL AND %s IS NOT NULL) t",
					may_read_all(mapping) ? "r.*" : psprintf("%s, %s", column1, column2),
					relation, column1, column2);
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
	return psprintf("%s AND %s",
					equal_sql(&mapping->ends[0].stored, column_of("t", mapping->ends[0].target), value1),
					equal_sql(&mapping->ends[1].stored, column_of("t", mapping->ends[1].target), value2));
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
	ChangeStore *store;
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
	TupleTableSlot *slot = change_store_slot(changes->store);
	MemoryContext before = MemoryContextSwitchTo(change_store_memory(changes->store));
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
	change_store_put(changes->store);
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
row_sql(const Mapping *mapping)
{
	if (may_read_all(mapping))
		return "pg_catalog.to_jsonb(t.*)";
	return psprintf("pg_catalog.jsonb_build_object(%s, %s, %s, %s)",
					quote_literal_cstr(mapping->ends[0].target), column_of("t", mapping->ends[0].target),
					quote_literal_cstr(mapping->ends[1].target), column_of("t", mapping->ends[1].target));
}

/* SQL: whether what is stored of a side leads to a row that was set aside. */
static char *
is_kept_sql(const Mapping *mapping, int side, const char *stored)
{
	const AssociationEnd *end = &mapping->ends[side];

	if (is_key_made(end->entity))
		return psprintf("EXISTS (SELECT FROM syncup_link l WHERE l.deleted IS NULL AND l.k%d IS NULL AND %s)",
						2 - side, same_end_key_sql(end, key_of_stored(end, stored), psprintf("l.k%d", side + 1)));
	return psprintf("COALESCE(%s, false)",
					equal_sql(key_of_end(end), key_of_stored(end, stored),
							  psprintf("ANY (SELECT l.k%d FROM syncup_link l WHERE l.deleted IS NULL AND l.k%d IS NULL)",
									   side + 1, 2 - side)));
}

/* The query of a link table's changes; see the enum above.  target: its name, or that of its rows. */
static char *
link_table_query(const Mapping *mapping, const char *target, bool whole, bool keep_missing)
{
	char	   *column1 = column_of("t", mapping->ends[0].target);
	char	   *column2 = column_of("t", mapping->ends[1].target);
	const char *goes = "s.deleted IS NOT FALSE";

	return psprintf("SELECT CASE WHEN %s THEN 'delete' ELSE 'insert' END,"
					" CASE WHEN NOT s.deleted THEN %s END, CASE WHEN %s THEN %s END,"
					" %s, %s, NULL::pg_catalog.text,"
					" CASE WHEN %s THEN %s ELSE s.v1 END, CASE WHEN %s THEN %s ELSE s.v2 END"
					" FROM %s %s JOIN %s ON %s"
					" WHERE CASE WHEN s.here IS NULL THEN NOT (%s OR %s) WHEN s.deleted IS NULL THEN false"
					" WHEN s.deleted THEN %s ELSE NOT (%s) END",
					goes, changed_sql(mapping), goes, row_sql(mapping),
					end_key_text_sql(&mapping->ends[0], psprintf("COALESCE(s.k1, %s)", key_of_stored(&mapping->ends[0], column1))),
					end_key_text_sql(&mapping->ends[1], psprintf("COALESCE(s.k2, %s)", key_of_stored(&mapping->ends[1], column2))),
					goes, column1, goes, column2,
					source_sql(mapping), whole && !keep_missing ? "FULL" : "LEFT",
					link_table_rows(mapping, target), links_same_sql(mapping, "s.v1", "s.v2"),
					is_kept_sql(mapping, 0, column1), is_kept_sql(mapping, 1, column2),
					has_target_sql(mapping), has_target_sql(mapping));
}

/*
 * The same of a mono-valued association, whose holders have one link or none.
 * What is to be stored may not be known yet: then the link is new.  A holder
 * that changes hands keeps its link, unless the one who takes it has another.
 */
static char *
link_column_query(const Mapping *mapping, bool whole, bool keep_missing)
{
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
					source_sql(mapping), whole && !keep_missing ? "FULL" : "LEFT",
					link_rows(mapping), is_holder_sql(mapping, psprintf("s.k%d", holder)),
					is_given(entity), column, is_current(entity),
					is_kept_sql(mapping, 1 - mapping->holder, column), is_outside(entity), is_taken(entity),
					column, value, has_target_sql(mapping),
					distinct_sql(&end->stored, column, value));
}

/* What is stored of the rows of an end that the batch deletes: one relation a side. */
static const char *const gone_names[2] = {"syncup_gone1", "syncup_gone2"};

/* Their keys, under that name. */
static TypedRows *
gone_rows(const Mapping *mapping, int side, const pg_uuid_t *batch)
{
	const AssociationEnd *end = &mapping->ends[side];
	bool		own = is_own_end(mapping, end);
	TypedRows  *rows;

	if (own)
		changes_publish(end->entity);
	rows = typed_rows_gather(gone_names[side],
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
leads_to_sql(const Mapping *mapping, int side)
{
	const AssociationEnd *end = &mapping->ends[side];

	return equal_sql(&end->stored, column_of("t", end->target),
					 end->store == NULL ? "g.key" : stored_of_key(end, "g.key"));
}

/*
 * The query of the rows of a link table that lead to rows that go and that the
 * source does not know: see the enum above.
 */
static char *
stray_links_query(const Mapping *mapping, int side)
{
	char	   *column1 = column_of("t", mapping->ends[0].target);
	char	   *column2 = column_of("t", mapping->ends[1].target);

	return psprintf("SELECT 'delete', NULL::pg_catalog.name[], %s, %s, %s, NULL::pg_catalog.text, %s, %s"
					" FROM %s JOIN %s g ON %s WHERE NOT EXISTS (SELECT FROM %s WHERE %s)%s",
					row_sql(mapping), end_key_text_sql(&mapping->ends[0], key_of_stored(&mapping->ends[0], column1)),
					end_key_text_sql(&mapping->ends[1], key_of_stored(&mapping->ends[1], column2)),
					column1, column2, link_rows(mapping), gone_names[side], leads_to_sql(mapping, side),
					source_sql(mapping), links_same_sql(mapping, "s.v1", "s.v2"),
					side == 0 ? "" : psprintf(" AND NOT EXISTS (SELECT FROM %s g WHERE %s)",
											  gone_names[0], leads_to_sql(mapping, 0)));
}

/*
 * Finds the rows of a link table that have to go with a row, though the source
 * never had them (SPEC 5.3): a plain foreign key would stop the batch.
 */
static void
find_stray_links(const Mapping *mapping, const pg_uuid_t *batch, LinkChanges *changes)
{
	TypedRows  *gone[2] = {gone_rows(mapping, 0, batch), gone_rows(mapping, 1, batch)};

	for (int side = 0; side < 2; side++)
		if (gone[side]->count > 0)
		{
			const char *column = mapping->ends[side].target;

			sql_for_each(caller_cursor_planned(stray_links_query(mapping, side),
											   plan_few(mapping->target, &column, 1, gone[side]->count),
											   SQL_NO_ARGS),
						 write_change, changes);
		}
	typed_rows_forget(gone[0]);
	typed_rows_forget(gone[1]);
}

void
links_build(Mapping *mapping, const pg_uuid_t *batch, TypedRows *source,
			TypedRows *target, bool whole, bool keep_missing, ChangeCounter *counter)
{
	LinkChanges changes = {mapping, *batch, NULL, counter};
	int			level;

	memset(counter, 0, sizeof(ChangeCounter));
	own_sql(psprintf("DELETE FROM %s WHERE batch = $1", changes_table(mapping)),
			SQL_ARGS(SQL_UUID(batch)));
	changes.store = change_store_open(mapping);
	level = settings_pin(NULL);
	sql_for_each(caller_cursor_planned(mapping->pairs ?
									   link_table_query(mapping, target ? target->name : mapping->target_name, whole, keep_missing) :
									   link_column_query(mapping, whole, keep_missing),
									   !whole && links_are_few(mapping, source->count), SQL_NO_ARGS),
				 write_change, &changes);
	if (mapping->pairs && !whole && !keep_missing)
		find_stray_links(mapping, batch, &changes);
	settings_restore(level);
	change_store_close(changes.store);
	typed_rows_forget(source);
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
	else
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
						links_same_sql(mapping, "s.v1", "s.v2")),
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
				   false, changes->actions[ACTION_INSERT]);
	else
		write_rows(mapping,
				   psprintf("INSERT INTO %s (%s, %s) SELECT %s, %s FROM syncup_change s%s WHERE %s ORDER BY s.k1, s.k2",
							mapping->target_name, quote_identifier(mapping->ends[0].target),
							quote_identifier(mapping->ends[1].target),
							change_value(mapping, 0, false), change_value(mapping, 1, false),
							stored_joins(mapping, "s"), is_action(ACTION_INSERT)),
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
							stored_joins(mapping, "s")), false, count);
	else
		write_rows(mapping,
				   psprintf("UPDATE %s t SET %s = s.v FROM (SELECT s.k%d AS k, %s AS v FROM syncup_link s%s) s WHERE %s",
							mapping->target_name, quote_identifier(end->target), mapping->holder + 1,
							stored_value(mapping, 1 - mapping->holder, "s"), stored_joins(mapping, "s"),
							is_holder_sql(mapping, "s.k")), false, count);
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
					stored_joins(mapping, "s"), link_rows(mapping), links_same_sql(mapping, "s.v1", "s.v2"),
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
links_reviewed(const Mapping *mapping, const pg_uuid_t *batch)
{
	return typed_rows_gather("syncup_link",
							 own_cursor(psprintf("SELECT command = 'delete' AS deleted, %s AS k1, %s AS k2 FROM %s WHERE batch = $1",
												 end_key_of_text_sql(&mapping->ends[0], "key1"),
												 end_key_of_text_sql(&mapping->ends[1], "key2"), changes_table(mapping)),
										SQL_ARGS(SQL_UUID(batch))));
}
