/*
 * renames.c
 *		Rows whose key changes: options old_key and stable_key.
 *
 * What prepare has found to go and to come is paired in the batch's delta; from
 * then on the pair is one row of the source that knows its former key, and the
 * join in changes.c meets the row of the target by that.
 */
#include "target/renames.h"

#include "access/table.h"
#include "access/xact.h"
#include "target/found_changes.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "target/target.h"
#include "store/digest_epoch.h"
#include "tool/guard.h"
#include "config/key.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tool/plans.h"
#include "tool/sql.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

int
former_key_column(const Mapping *mapping)
{
	return mapping->options->old_key == NULL ? -1 : find_source_column(mapping, mapping->options->old_key);
}

/* The stored column that a row is known by; -1: there is none. */
static int
stable_key_column(const Mapping *mapping)
{
	return mapping->options->stable_key == NULL ? -1 : find_source_column(mapping, mapping->options->stable_key);
}

int
rename_column(const Mapping *mapping)
{
	return mapping->options->old_key != NULL ? former_key_column(mapping) : stable_key_column(mapping);
}

/* ---------- pairs in the delta ---------- */

/* Keys of a batch's delta on their way to pairs. */
typedef struct KeySink
{
	TypedRows  *rows;			/* "key", "value" */
	KeyType    *type;			/* values are keys; NULL: texts */
	DigestKey	epoch;
	const char *text;
	char	   *value;
} KeySink;

/* Makes a text that only equal keys have; an error: it is no key. */
static void
make_value(void *arg)
{
	KeySink    *sink = arg;
	Digest		digest = key_identity(sink->type, &sink->epoch, key_value(sink->type, sink->text));

	sink->value = digest_text(&digest);
}

static void
add_key(void *arg, uint64 row)
{
	KeySink    *sink = arg;
	Datum		values[2];
	bool		nulls[2] = {false, false};

	sink->value = unconstify(char *, sink->text = sql_text(row, 2));
	if (sink->type != NULL && guarded_values(make_value, sink) != NULL)
		return;
	values[0] = CStringGetTextDatum(sql_text(row, 1));
	values[1] = CStringGetTextDatum(sink->value);
	typed_rows_put(sink->rows, values, nulls);
}

/* The keys of a batch's delta that a command names, with what they are paired by: another column, as a key if type is given. */
static TypedRows *
keys_of_command(const Mapping *mapping, const pg_uuid_t *batch, const char *command, int column,
				KeyType *type, const DigestEpoch *epoch, const char *name)
{
	KeySink		sink = {.rows = typed_rows_begin(name, 2), .type = type, .epoch = epoch->key};
	const char *value = quote_identifier(mapping->columns[column].stored);

	typed_rows_text(sink.rows, "key");
	typed_rows_text(sink.rows, "value");
	sql_for_each(own_cursor(psprintf("SELECT d.%s, d.%s FROM %s d WHERE d.batch = $1 AND d.command = $2 AND d.%s <> ''",
									 quote_identifier(mapping->columns[mapping->key].stored), value,
									 delta_table(mapping), value),
							SQL_ARGS(SQL_UUID(batch), SQL_TEXT(command))), add_key, &sink);
	typed_rows_publish(sink.rows);
	return sink.rows;
}

/* Takes the keys of rows that were set aside, or may have been theirs, out of those that go; returns how many. */
static int64
keep_gone(const Mapping *mapping, const pg_uuid_t *batch)
{
	return own_sql(psprintf("DELETE FROM %s d USING syncup_kept kept JOIN syncup_gone gone USING (value)"
							" WHERE d.batch = $1 AND d.command = 'delete' AND d.renamed IS NULL AND d.%s = gone.key",
							delta_table(mapping), quote_identifier(mapping->columns[mapping->key].stored)),
				   SQL_ARGS(SQL_UUID(batch)));
}

/* Notes by which values links may lead to rows that stay under their former keys: the new key, and what else its row says. */
static void
name_kept(const Mapping *mapping, const pg_uuid_t *batch)
{
	const char *key = quote_identifier(mapping->columns[mapping->key].stored);
	StringInfoData names;
	StringInfoData values;

	initStringInfo(&names);
	initStringInfo(&values);
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].indexed && !is_key_column(mapping, i))
		{
			appendStringInfo(&names, ", %s", quote_identifier(mapping->columns[i].stored));
			appendStringInfo(&values, ", d.%s", quote_identifier(mapping->columns[i].stored));
		}
	own_sql(psprintf("INSERT INTO %s (batch, command, %s, renamed%s)"
					 " SELECT $1, 'alias', gone.key, d.%s%s FROM syncup_kept kept JOIN syncup_gone gone USING (value)"
					 " JOIN %s d ON d.batch = $1 AND d.command = 'keep' AND d.%s = kept.key ORDER BY gone.key, d.%s",
					 delta_table(mapping), key, names.data, key, values.data, delta_table(mapping), key, key),
			SQL_ARGS(SQL_UUID(batch)));
}

int64
renames_find(const Mapping *mapping, const pg_uuid_t *batch, int64 *kept)
{
	int			column = rename_column(mapping);
	bool		by_key = column == former_key_column(mapping);
	const char *key = quote_identifier(mapping->columns[mapping->key].stored);
	KeyType		type;
	KeyType    *values;
	DigestEpoch epoch;
	TypedRows  *set_aside;
	TypedRows  *came;
	TypedRows  *gone;
	TypedRows  *pairs;
	int64		count;

	*kept = 0;
	if (column < 0)
		return 0;
	CommandCounterIncrement();
	key_type_init(&type, mapping);
	digest_epoch_load(&epoch, mapping);
	values = by_key && !type.bytewise ? &type : NULL;
	set_aside = keys_of_command(mapping, batch, "keep", column, values, &epoch, "syncup_kept");
	came = keys_of_command(mapping, batch, "insert", column, values, &epoch, "syncup_came");
	gone = keys_of_command(mapping, batch, "delete", by_key ? mapping->key : column, values, &epoch, "syncup_gone");
	/* What is told of several rows, or of several that go, tells nothing. */
	pairs = typed_rows_gather("syncup_pair",
							  own_cursor("SELECT min(came.key) AS key, min(gone.key) AS former FROM syncup_came came JOIN syncup_gone gone USING (value)"
										 " WHERE value NOT IN (SELECT value FROM syncup_kept)"
										 " GROUP BY value HAVING count(*) = 1", SQL_NO_ARGS));
	if (set_aside->count > 0)
	{
		name_kept(mapping, batch);
		*kept = keep_gone(mapping, batch);
	}
	typed_rows_forget(set_aside);
	typed_rows_forget(came);
	typed_rows_forget(gone);
	count = pairs->count;
	if (count > 0)
	{
		own_sql(psprintf("UPDATE %s d SET renamed = p.former FROM syncup_pair p WHERE d.batch = $1 AND d.command = 'insert' AND d.%s = p.key",
						 delta_table(mapping), key), SQL_ARGS(SQL_UUID(batch)));
		own_sql(psprintf("UPDATE %s d SET renamed = p.key FROM syncup_pair p WHERE d.batch = $1 AND d.command = 'delete' AND d.%s = p.former",
						 delta_table(mapping), key), SQL_ARGS(SQL_UUID(batch)));
	}
	typed_rows_forget(pairs);
	return count;
}

int64
keys_kept_elsewhere(const Mapping *mapping, const pg_uuid_t *batch)
{
	int64		count = 0;

	foreach_mapping(other, mapping->connector)
	{
		KeyType		types[2];
		DigestEpoch epoch;
		TypedRows  *kept;
		TypedRows  *gone;

		if (other->association || other == mapping || other->target != mapping->target)
			continue;
		CommandCounterIncrement();
		key_type_init(&types[0], other);
		key_type_init(&types[1], mapping);
		digest_epoch_load(&epoch, mapping);
		kept = keys_of_command(other, batch, "keep", other->key, &types[0], &epoch, "syncup_kept");
		if (kept->count > 0)
		{
			gone = keys_of_command(mapping, batch, "delete", mapping->key, &types[1], &epoch, "syncup_gone");
			count += keep_gone(mapping, batch);
			typed_rows_forget(gone);
		}
		typed_rows_forget(kept);
	}
	return count;
}

/* Who is told of keys that change. */
typedef struct RenameVisit
{
	void		(*visit) (void *arg, const char *former, const char *key);
	void	   *arg;
} RenameVisit;

static void
visit_rename(void *arg, uint64 row)
{
	RenameVisit *to = arg;
	char	   *former = sql_text(row, 1);
	char	   *key = sql_text(row, 2);

	to->visit(to->arg, former, key);
}

void
renames_visit(const Mapping *mapping, const pg_uuid_t *batch,
			  void (*visit) (void *arg, const char *former, const char *key), void *arg)
{
	RenameVisit to = {visit, arg};

	sql_for_each(own_cursor(psprintf("SELECT renamed, %s FROM %s WHERE batch = $1 AND command = 'insert' AND renamed IS NOT NULL",
									 quote_identifier(mapping->columns[mapping->key].stored), delta_table(mapping)),
							SQL_ARGS(SQL_UUID(batch))), visit_rename, &to);
}

bool
is_renamed_side(const Mapping *association, int side)
{
	const AssociationEnd *end = &association->ends[side];

	return end->entity->connector == association->connector && may_rename(end->entity) &&
		end->property == end->entity->key;
}

bool
may_follow_renames(const Mapping *mapping)
{
	return mapping->association && (is_renamed_side(mapping, 0) || is_renamed_side(mapping, 1));
}

bool
is_renamed_away(StoredTable *delta)
{
	bool		isnull;

	if (!may_rename(delta->mapping) || !stored_command_is(delta, "delete"))
		return false;
	(void) stored_renamed(delta, &isnull);
	return !isnull;
}

/* ---------- keys that change in the target ---------- */

/* SQL: whether a stored change changes the key. */
static char *
changes_key_sql(const Mapping *mapping)
{
	const char *key = quote_literal_cstr(mapping->columns[mapping->key].target);

	return psprintf("command = 'update' AND %s = ANY (changed) AND old ? %s", key, key);
}

/* The keys that a mapping's changes change: "former" and "key", or taken back the other way round. */
static TypedRows *
gather_renames(const Mapping *mapping, const pg_uuid_t *batch, char *name, bool back)
{
	const MappingColumn *key = &mapping->columns[mapping->key];
	char	   *new = pstrdup(quote_identifier(key->change_column));
	char	   *old = psprintf("(old ->> %s)::%s", quote_literal_cstr(key->target), key->target_type);
	TypedRows  *rows;

	changes_publish(mapping);
	rows = typed_rows_gather(name, own_cursor(psprintf("SELECT %s AS former, %s AS key FROM %s WHERE batch = $1 AND %s",
													   back ? new : old, back ? old : new,
													   changes_relation(mapping), changes_key_sql(mapping)),
											  SQL_ARGS(SQL_UUID(batch))));
	changes_unpublish(mapping);
	return rows;
}

void
renames_begin(Connector *connector, const pg_uuid_t *batch)
{
	for (int i = 0; i < connector->nmappings; i++)
	{
		Mapping    *mapping = &connector->mappings[i];

		if (!mapping->association && mapping->state.renames)
			mapping->state.renamed = gather_renames(mapping, batch, psprintf("syncup_renamed%d", i), false);
	}
}

void
renames_end(Connector *connector)
{
	foreach_mapping(mapping, connector)
	{
		if (mapping->state.renamed != NULL)
			typed_rows_forget(mapping->state.renamed);
		mapping->state.renamed = NULL;
	}
}

bool
renames_at_hand(const Connector *connector)
{
	foreach_mapping(mapping, connector)
		if (mapping->state.renamed != NULL)
			return true;
	return false;
}

/* The entity type whose keys stand in a column of a table, if some change; NULL: there is none. */
static const Mapping *
renamed_in(const Connector *connector, Oid table, const char *column)
{
	foreach_mapping(mapping, connector)
	{
		if (mapping->target != table)
			continue;
		if (!mapping->association && mapping->state.renamed != NULL &&
			strcmp(mapping->columns[mapping->key].target, column) == 0)
			return mapping;
		for (int side = 0; side < 2 && mapping->association; side++)
		{
			const AssociationEnd *end = &mapping->ends[side];

			if (end->target != NULL && end->store == NULL && end->entity->state.renamed != NULL &&
				strcmp(end->target, column) == 0)
				return end->entity;
		}
	}
	return NULL;
}

/* A list of columns under an alias, and the joins that give new keys to some of them. */
typedef struct RenamedColumns
{
	const char *alias;
	StringInfoData columns;
	StringInfoData joins;
	int			count;
} RenamedColumns;

static void
begin_columns(RenamedColumns *list, const char *alias)
{
	list->alias = alias;
	list->count = 0;
	initStringInfo(&list->columns);
	initStringInfo(&list->joins);
}

/* Adds a column; entity: whose keys stand in it, if some change, else NULL. */
static void
add_renamed_column(RenamedColumns *list, const char *name, const Mapping *entity)
{
	int			n = list->count++;
	char	   *column = psprintf("%s.%s", list->alias, quote_identifier(name));

	appendStringInfoString(&list->columns, n ? ", " : "");
	if (entity == NULL)
	{
		appendStringInfoString(&list->columns, column);
		return;
	}
	appendStringInfo(&list->columns, "COALESCE(n%d.key, %s) AS %s", n, column, quote_identifier(name));
	appendStringInfo(&list->joins, " LEFT JOIN %s n%d ON %s", entity->state.renamed->name, n,
					 equal_sql(&entity->columns[entity->key], psprintf("n%d.former", n), column));
}

char *
renamed_relation(const Connector *connector, Oid table, const char *relation)
{
	Relation	target;
	RenamedColumns list;

	if (!renames_at_hand(connector))
		return pstrdup(relation);
	begin_columns(&list, "o");
	target = table_open(table, AccessShareLock);
	for (int i = 0; i < RelationGetNumberOfAttributes(target); i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(target), i);
		char	   *name = NameStr(attribute->attname);

		if (!attribute->attisdropped &&
			(pg_class_aclcheck(table, GetUserId(), ACL_SELECT) == ACLCHECK_OK ||
			 pg_attribute_aclcheck(table, i + 1, GetUserId(), ACL_SELECT) == ACLCHECK_OK))
			add_renamed_column(&list, name, renamed_in(connector, table, name));
	}
	table_close(target, NoLock);
	return list.joins.len == 0 ? pstrdup(relation) :
		psprintf("(SELECT %s FROM %s o%s)", list.columns.data, relation, list.joins.data);
}

TypedRows *
renamed_links(const Mapping *association, TypedRows *links)
{
	RenamedColumns list;
	TypedRows  *renamed;

	begin_columns(&list, "l");
	for (int i = 0; i < links->tupdesc->natts; i++)
	{
		char	   *name = NameStr(TupleDescAttr(links->tupdesc, i)->attname);
		int			side = strcmp(name, "k1") == 0 ? 0 : strcmp(name, "k2") == 0 ? 1 : -1;
		const Mapping *entity = side < 0 ? NULL : association->ends[side].entity;

		add_renamed_column(&list, name, entity != NULL && entity->state.renamed != NULL ? entity : NULL);
	}
	if (list.joins.len == 0)
		return links;
	renamed = typed_rows_gather(psprintf("%s_renamed", links->name),
								caller_cursor(psprintf("SELECT %s FROM %s l%s", list.columns.data, links->name, list.joins.data),
											  SQL_NO_ARGS));
	typed_rows_forget(links);
	return renamed;
}

bool
renames_are_there(const Connector *connector, const pg_uuid_t *batch)
{
	bool		found = false;

	for (int i = 0; i < connector->nmappings && !found; i++)
	{
		const Mapping *mapping = &connector->mappings[i];

		if (mapping->association || !may_rename(mapping))
			continue;
		changes_publish(mapping);
		found = own_sql(psprintf("SELECT FROM %s WHERE batch = $1 AND %s LIMIT 1", changes_relation(mapping),
								 changes_key_sql(mapping)), SQL_ARGS(SQL_UUID(batch))) > 0;
		changes_unpublish(mapping);
	}
	return found;
}

/* Rewrites the links of an association that lead to rows of these keys. */
static void
rewrite_links(const Mapping *association, const Mapping *mapping)
{
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &association->ends[i];
		const char *column;

		if (end->entity != mapping || end->store != NULL || end->target == NULL)
			continue;
		column = quote_identifier(end->target);
		(void) caller_write(psprintf("UPDATE %s t SET %s = n.key FROM syncup_renaming n WHERE %s", association->target_name, column,
									 equal_sql(&end->stored, psprintf("t.%s", column), "n.former")), PLAN_FREE);
	}
}

/* Writes the keys of one mapping's rows, and what leads to them, as one statement does. */
static void
rename_rows(Connector *connector, const Mapping *mapping, const pg_uuid_t *batch, bool back)
{
	const MappingColumn *key = &mapping->columns[mapping->key];
	TypedRows  *renames = gather_renames(mapping, batch, "syncup_renaming", back);
	Writing    *writing = mapping->state.tied ? NULL : writing_begin();

	if (renames->count > 0)
	{
		write_rows(mapping,
				   psprintf("UPDATE %s t SET %s = n.key FROM syncup_renaming n WHERE %s", mapping->target_name,
							quote_identifier(key->target), equal_sql(key, target_column(key), "n.former")),
				   is_few(mapping, renames->count), renames->count);
		foreach_mapping(association, connector)
			if (association->association)
				rewrite_links(association, mapping);
	}
	if (writing != NULL)
		writing_end(writing);
	typed_rows_forget(renames);
}

void
renames_apply(Connector *connector, const pg_uuid_t *batch, bool back)
{
	for (int i = 0; i < connector->nmappings; i++)
	{
		Mapping    *mapping = &connector->mappings[back ? connector->nmappings - 1 - i : i];

		within_mapping(mapping)
			if (!mapping->association && may_rename(mapping))
				rename_rows(connector, mapping, batch, back);
	}
}
