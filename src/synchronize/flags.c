/*
 * flags.c
 *		Which rows have changed, for the rules that read them: syncup.flag (AFTER 1).
 *
 * One INSERT per mapping and table that somebody reads, from the changes that were
 * written.  A flag names its row by the key of the table, in the text that the
 * type writes.  Where a change does not tell that text, all of the table is
 * flagged: too much is looked at then, but nothing is missed.
 */
#include "synchronize/flags.h"

#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "config/key.h"
#include "lib/stringinfo.h"
#include "links/end_key.h"
#include "links/links.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "target/found_changes.h"
#include "tool/rows.h"
#include "tool/sql.h"
#include "utils/array.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(syncup_lock_flags);

/* A table that somebody reads, and the columns that name its rows. */
typedef struct Reader
{
	Oid			relation;
	char	   *name;			/* qualified and quoted */
	int			nkeys;			/* 0: nothing names them */
	char	  **keys;
} Reader;

/* What is being flagged. */
typedef struct Flagging
{
	const pg_uuid_t *changes;
	const pg_uuid_t *as;
	bool		back;
	const char *reason;
} Flagging;

/* ---------- who reads ---------- */

/*
 * The lock on flags of a target: held together by those who write it and have
 * found that nobody reads it, alone by those who begin to read it.
 */
static void
lock_flags(Oid target, LOCKMODE mode)
{
	LOCKTAG		tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, get_relname_relid("flag", get_namespace_oid("syncup", false)), target, 0);
	(void) LockAcquire(&tag, mode, false, false);
}

/* syncup.lock_flags(target regclass, alone boolean) returns void. */
Datum
syncup_lock_flags(PG_FUNCTION_ARGS)
{
	lock_flags(PG_GETARG_OID(0), PG_GETARG_BOOL(1) ? ExclusiveLock : ShareLock);
	PG_RETURN_VOID();
}

/* Looks up who reads the rows of a table now. */
static List *
find_readers(Oid target)
{
	uint64		count = own_sql("SELECT r.relation, format('%I.%I', n.nspname, c.relname), coalesce(syncup.find_key(r.relation), '{}')::text[]"
								" FROM unnest(syncup.readers($1)) AS r (relation) JOIN pg_class c ON c.oid = r.relation"
								" JOIN pg_namespace n ON n.oid = c.relnamespace ORDER BY 1",
								SQL_ARGS(SQL_DATUM(REGCLASSOID, ObjectIdGetDatum(target))));
	List	   *readers = NIL;

	for (uint64 row = 0; row < count; row++)
	{
		Reader	   *reader = palloc0(sizeof(Reader));
		bool		isnull;
		Datum	   *keys;

		reader->relation = sql_oid(row, 1);
		reader->name = sql_text(row, 2);
		deconstruct_array(DatumGetArrayTypePCopy(sql_datum(row, 3, &isnull)), TEXTOID, -1, false, TYPALIGN_INT,
						  &keys, NULL, &reader->nkeys);
		reader->keys = palloc(sizeof(char *) * (reader->nkeys + 1));
		for (int i = 0; i < reader->nkeys; i++)
			reader->keys[i] = TextDatumGetCString(keys[i]);
		readers = lappend(readers, reader);
	}
	return readers;
}

/* Who reads the rows of a table: nobody else begins to, as long as nobody does. */
static List *
readers_of(Oid target)
{
	List	   *readers = find_readers(target);

	if (readers != NIL)
		return readers;
	lock_flags(target, ShareLock);
	return find_readers(target);
}

/* ---------- what is written ---------- */

/* Flags rows of a table: a query that gives key and whether the row is gone. */
static void
flag_rows(const Flagging *flagging, const Reader *reader, const char *query)
{
	own_sql(psprintf("INSERT INTO syncup.flag (target, key, reason, batch, deleted)"
					 " SELECT $1, f.key, $2, $3, f.deleted FROM (%s) AS f (key, deleted)", query),
			SQL_ARGS(SQL_DATUM(REGCLASSOID, ObjectIdGetDatum(reader->relation)), SQL_TEXT(flagging->reason),
					 SQL_UUID(flagging->as), SQL_UUID(flagging->changes)));
}

/* Flags all of a table. */
static void
flag_all(const Flagging *flagging, const Reader *reader)
{
	flag_rows(flagging, reader, "SELECT NULL::text, false WHERE $4 IS NOT NULL");
}

/* Whether the mapping's key is what names the rows of a table. */
static bool
has_key_of(const Mapping *mapping, const Reader *reader)
{
	if (reader->nkeys != mapping->nparts)
		return false;
	for (int p = 0; p < mapping->nparts; p++)
		if (strcmp(mapping->columns[mapping->parts[p]].target, reader->keys[p]) != 0)
			return false;
	return true;
}

/*
 * SQL: the text of a table's key in a change, as it is with it, or was before;
 * NULL where the mapping does not write all of its columns.
 */
static char *
changed_key(const Mapping *mapping, const Reader *reader, bool before)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < reader->nkeys; i++)
	{
		const MappingColumn *column = mapped_column(mapping, reader->keys[i]);
		char	   *value;

		if (column == NULL)
			return NULL;
		/* concat() takes the type's output function: a cast may be anybody's code. */
		value = psprintf("concat(c.%s)", quote_identifier(column->change_column));
		if (before || column->key_part == 0)
			value = psprintf("CASE WHEN c.old ? %s%s THEN c.old ->> %s ELSE %s END", quote_literal_cstr(column->target),
							 before ? "" : " AND c.command = 'delete'", quote_literal_cstr(column->target), value);
		appendStringInfo(&sql, "%s%s", i ? ", " : "", value);
	}
	return reader->nkeys == 0 ? NULL : reader->nkeys == 1 ? sql.data : psprintf("concat(ROW(%s))", sql.data);
}

/* Flags the rows of an entity type, and those whose key changes by both. */
static void
flag_entities(const Flagging *flagging, const Mapping *mapping, const Reader *reader)
{
	char	   *key = changed_key(mapping, reader, false);
	char	   *former = changed_key(mapping, reader, true);
	/* A row that another mapping takes, or that is retired, stays. */
	char	   *gone = mapping->options->deleted_column != NULL ? "false" :
		flagging->back ? "c.command = 'insert' AND c.old IS NULL" : "c.command = 'delete' AND c.changed IS NULL";

	if (key == NULL)
	{
		flag_rows(flagging, reader, psprintf("SELECT NULL, false FROM %s WHERE batch = $4 LIMIT 1", changes_relation(mapping)));
		return;
	}
	flag_rows(flagging, reader,
			  psprintf("SELECT k.key, k.deleted FROM %s c CROSS JOIN LATERAL"
					   " (SELECT %s, CASE WHEN c.command = 'update' AND %s <> %s THEN %s ELSE %s END"
					   " UNION ALL SELECT %s, %s WHERE c.command = 'update' AND %s <> %s) AS k (key, deleted) WHERE c.batch = $4",
					   changes_relation(mapping),
					   key, key, former, flagging->back ? "true" : "false", gone,
					   former, flagging->back ? "false" : "true", key, former));
}

/* Whether a key has one spelling, as its type writes it. */
static bool
has_one_spelling(const Mapping *entity)
{
	KeyType		type;

	key_type_init(&type, entity);
	return type.canonical;
}

/* SQL: the text of a key in a change of links as the type of the key writes it. */
static char *
link_key(const AssociationEnd *end, const char *key)
{
	return is_key_made(end->entity) ? pstrdup(key) : psprintf("concat(%s)", end_key_of_text_sql(end, key));
}

/* Flags the rows at one end of links. */
static void
flag_end(const Flagging *flagging, const Mapping *mapping, int side)
{
	const AssociationEnd *end = &mapping->ends[side];
	List	   *readers = readers_of(end->entity->target);

	foreach_ptr(const Reader, reader, readers)
	{
		char	   *key = psprintf("c.key%d", side + 1);

		/* The source may spell a key otherwise than the row does. */
		if (!has_key_of(end->entity, reader) || !has_one_spelling(end->entity))
			flag_rows(flagging, reader, psprintf("SELECT NULL, false FROM %s WHERE batch = $4 LIMIT 1", changes_relation(mapping)));
		else if (mapping->holder >= 0 && mapping->holder != side)
			flag_rows(flagging, reader,
					  psprintf("SELECT DISTINCT %s, false FROM %s c CROSS JOIN LATERAL (VALUES (%s), (c.old_key)) AS k (key)"
							   " WHERE c.batch = $4 AND k.key IS NOT NULL",
							   link_key(end, "k.key"), changes_relation(mapping), key));
		else
			flag_rows(flagging, reader,
					  psprintf("SELECT DISTINCT %s, false FROM %s c WHERE c.batch = $4 AND %s IS NOT NULL",
							   link_key(end, key), changes_relation(mapping), key));
	}
}

/*
 * Flags the rows that have a link to a row whose key changes: the link is
 * rewritten with it, and no change says so.  Nothing tells them apart here.
 */
static void
flag_rewritten(const Flagging *flagging, const Connector *connector, const Mapping *mapping)
{
	foreach_mapping(association, connector)
	{
		for (int side = 0; side < 2 && association->association; side++)
		{
			const AssociationEnd *end = &association->ends[side];

			if (end->entity != mapping || end->store != NULL || end->target == NULL)
				continue;
			foreach_ptr(Reader, reader, readers_of(association->ends[1 - side].entity->target))
				flag_rows(flagging, reader,
						  psprintf("SELECT NULL, false FROM %s c WHERE c.batch = $4 AND c.command = 'update' AND %s = ANY (c.changed) LIMIT 1",
								   changes_relation(mapping), quote_literal_cstr(mapping->columns[mapping->key].target)));
		}
	}
}

/* Flags what the changes of one mapping write. Who reads a link table is told that it is another one. */
static void
flag_mapping(const Flagging *flagging, const Connector *connector, Mapping *mapping)
{
	changes_publish(mapping);
	foreach_ptr(Reader, reader, readers_of(mapping->target))
		if (mapping->association && mapping->pairs)
			flag_rows(flagging, reader,
					  psprintf("SELECT NULL, false FROM %s WHERE batch = $4 LIMIT 1", changes_relation(mapping)));
		else if (!mapping->association)
			flag_entities(flagging, mapping, reader);
	for (int side = 0; side < 2 && mapping->association; side++)
		flag_end(flagging, mapping, side);
	if (!mapping->association && mapping->nparts == 1)
		flag_rewritten(flagging, connector, mapping);
	changes_unpublish(mapping);
}

void
flags_write(Connector *connector, const pg_uuid_t *changes, bool back, const pg_uuid_t *as)
{
	Flagging	flagging = {changes, as, back, back ? "undo" : "synchronize"};
	int			level = settings_pin(NULL);

	/* Links first: of a row that goes the last flag says so. */
	for (int entities = 0; entities < 2; entities++)
		foreach_mapping(mapping, connector)
			within_mapping(mapping)
				if (mapping->association == !entities)
					flag_mapping(&flagging, connector, mapping);
	own_sql("SELECT syncup.flag_owned($1)", SQL_ARGS(SQL_UUID(as)));
	own_sql("SELECT syncup.bound_flags(t.target) FROM (SELECT DISTINCT target FROM syncup.consumer) AS t", SQL_NO_ARGS);
	settings_restore(level);
}

void
flags_write_initial(Connector *connector, const pg_uuid_t *batch)
{
	Flagging	flagging = {batch, batch, false, "synchronize"};

	foreach_mapping(mapping, connector)
	{
		Oid			tables[] = {mapping->target,
			mapping->association ? mapping->ends[0].entity->target : InvalidOid,
		mapping->association ? mapping->ends[1].entity->target : InvalidOid};

		for (int t = 0; t < lengthof(tables); t++)
		{
			if (OidIsValid(tables[t]))
				foreach_ptr(Reader, reader, readers_of(tables[t]))
					flag_all(&flagging, reader);
		}
	}
}

/* ---------- rows that constraints take along ---------- */

/* Flags those of "syncup_taken" that are rows of a table. */
static void
flag_taken(const Flagging *flagging, const Reader *reader, bool as_caller)
{
	StringInfoData key;
	char	   *query;
	TypedRows  *rows;

	if (reader->nkeys == 0)
	{
		flag_all(flagging, reader);
		return;
	}
	initStringInfo(&key);
	for (int i = 0; i < reader->nkeys; i++)
		appendStringInfo(&key, "%st.%s", i ? ", " : "", quote_identifier(reader->keys[i]));
	query = psprintf("SELECT pg_catalog.concat(%s) AS key, NOT x.nulled AS deleted FROM %s t JOIN syncup_taken x"
					 " ON x.relid OPERATOR(pg_catalog.=) t.tableoid AND x.place OPERATOR(pg_catalog.=) t.ctid",
					 reader->nkeys == 1 ? key.data : psprintf("ROW(%s)", key.data), reader->name);
	rows = typed_rows_gather("syncup_flagged", as_caller ? caller_cursor(query, SQL_NO_ARGS) : own_cursor(query, SQL_NO_ARGS));
	flag_rows(flagging, reader, "SELECT key, deleted FROM syncup_flagged WHERE $4 IS NOT NULL");
	typed_rows_forget(rows);
}

/* Flags both ends of the links of a link table that loses some, whichever they are. */
static void
flag_linked(const Flagging *flagging, Oid table)
{
	uint64		count = own_sql("SELECT DISTINCT e.target::oid FROM syncup.mapping m JOIN syncup.association a USING (connector, mapping)"
								" JOIN syncup.mapping e ON e.connector = a.entity_connector AND e.mapping = a.entity"
								" WHERE m.target = $1 AND NOT EXISTS (SELECT FROM syncup.association h"
								" WHERE (h.connector, h.mapping) = (m.connector, m.mapping) AND h.target_column IS NULL)",
								SQL_ARGS(SQL_DATUM(REGCLASSOID, ObjectIdGetDatum(table))));
	Oid		   *ends = palloc(sizeof(Oid) * (count + 1));

	for (uint64 row = 0; row < count; row++)
		ends[row] = sql_oid(row, 1);
	for (uint64 row = 0; row < count; row++)
	{
		foreach_ptr(Reader, reader, readers_of(ends[row]))
			flag_all(flagging, reader);
	}
}

void
flags_write_taken(Connector *connector, const pg_uuid_t *batch, bool as_caller)
{
	Flagging	flagging = {batch, batch, false, "synchronize"};
	uint64		count = own_sql("SELECT DISTINCT coalesce(pg_partition_root(relid), relid)::oid FROM syncup_taken", SQL_NO_ARGS);
	Oid		   *tables = palloc(sizeof(Oid) * (count + 1));
	int			level = settings_pin(NULL);

	for (uint64 row = 0; row < count; row++)
		tables[row] = sql_oid(row, 1);
	for (uint64 row = 0; row < count; row++)
	{
		foreach_ptr(Reader, reader, readers_of(tables[row]))
			flag_taken(&flagging, reader, as_caller);
		flag_linked(&flagging, tables[row]);
	}
	settings_restore(level);
}
