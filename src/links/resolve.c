/*
 * resolve.c
 *		Pairs of values become links between rows: which rows they mean, before
 *		and after a batch.
 *
 * A pair (v1, v2) of the source means the row whose property is v1 and the one
 * whose property is v2.  Both are looked up as texts in previous, in two
 * states: as before the batch, which tells what link the pair was, and as after
 * it, which tells what link it is.  What differs are the changes; so a value
 * that moves from one row to another moves its links, and a row whose value is
 * renamed together with its pairs changes nothing.
 *
 * An incremental run looks only at pairs that can have changed: those of the
 * delta, and those, orphans among them, with a value that the deltas of the entity
 * types give to a row or take from one.  A complete run looks up every pair, of a
 * link table mostly no more than those and what somebody else has changed
 * (link_drift.c).  Ends of another connector have no delta here: where that
 * connector has applied a batch since, all is done as in a complete run.
 *
 * What no text fits is looked up once more, as a value (spelling.c).
 *
 * A pair is an orphan if a value belongs to no row, or to more than one: the
 * wrong link would be worse than none.  Orphans are rows of the delta (orphan;
 * found: one that is none any more), so that they move with the batch.  Where
 * several associations read the same columns of a file (a member is a user or a
 * group), a value that one of them finds makes no orphan of the others' pair.
 */
#include "links/resolve.h"

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "format/convert.h"
#include "store/delta.h"
#include "digest/digest_set.h"
#include "links/end_key.h"
#include "config/key.h"
#include "lib/stringinfo.h"
#include "store/quarantine.h"
#include "store/spelling.h"
#include "tool/sql.h"
#include "utils/hsearch.h"

/* The column of previous that an end's values, and its keys, stand in. */
#define property_stored(e)	quote_identifier(property_of_end(e)->stored)
#define key_stored(e)		quote_identifier((e)->entity->columns[(e)->entity->key].stored)

/* Rows of a delta that change previous. */
#define IS_CHANGE(d)	d ".command IN ('insert', 'update', 'delete')"
#define IS_PRESENT(d)	d ".command IN ('insert', 'update')"
#define IS_OLD(d)		d ".command IN ('update', 'delete')"

/* ---------- values looked up ---------- */

/*
 * SQL: the rows of an entity type that the batch $1 gives another value, or
 * that come or go: key after and before, value before and after.
 */
static char *
moved_sql(const Mapping *mapping, int side)
{
	const AssociationEnd *end = &mapping->ends[side];
	const char *property = property_stored(end);
	const char *key = key_stored(end);
	char	   *former;

	if (!is_own_end(mapping, end))
		return "SELECT NULL::text AS key, NULL::text AS former, NULL::text AS old, NULL::text AS new WHERE $1 IS NULL";
	former = former_key(end->entity, "d");
	return psprintf("SELECT m.* FROM (SELECT d.%s AS key, %s AS former, p.%s AS old, CASE WHEN d.command <> 'delete' THEN d.%s END AS new"
					" FROM %s d LEFT JOIN %s p ON p.%s = %s WHERE d.batch = $1 AND " IS_CHANGE("d") ") m"
					" WHERE m.old IS DISTINCT FROM m.new",
					key, former, property, property, delta_table(end->entity),
					previous_table(end->entity), key, former);
}

char *
moved_values_sql(const Mapping *mapping, int side)
{
	return psprintf("SELECT m.old, m.new FROM (%s) m", moved_sql(mapping, side));
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
	return psprintf("%s AND NOT EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND %s AND " IS_CHANGE("d") ")"
					" UNION ALL SELECT d.%s, d.%s FROM %s d WHERE d.batch = $1 AND " IS_PRESENT("d")
					" AND d.%s IS NOT NULL",
					sql, delta, changes_stored_row(end->entity, "d", "p"), property, key, delta, property);
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
	return psprintf("%s AND NOT EXISTS (SELECT FROM syncup_moved%d m WHERE m.former = p.%s)"
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
		return psprintf("(SELECT f.value, f.key, 1::bigint AS count FROM (%s) f)", values);
	return psprintf("(SELECT f.value, CASE WHEN count(*) = 1 THEN min(f.key) END AS key, count(*) FROM (%s) f GROUP BY f.value)",
					values);
}

/*
 * SQL: whether a remembered orphan o is the pair of a relation, of links with
 * columns by the key that is made of them.
 */
static char *
is_orphan_sql(const Mapping *mapping, const char *pair)
{
	return psprintf("o.connector = $2 AND o.mapping = $3 AND o.value1 = %s.v1 AND o.value2 = %s.v2%s", pair, pair,
					is_key_made(mapping) ? psprintf(" AND o.link = %s.e%d", pair, mapping->key) : "");
}

/* SQL: "v1" and "v2" of a row of previous or delta, then what else is stored, "e2", "e3", ... */
static char *
pair_columns(const Mapping *mapping, const char *alias)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < mapping->nstored; i++)
		appendStringInfo(&list, "%s%s.%s AS %c%d", i ? ", " : "", alias, quote_identifier(mapping->columns[i].stored),
						 i < 2 ? 'v' : 'e', i < 2 ? i + 1 : i);
	return list.data;
}

/* SQL: what else is stored, of such a relation. */
static char *
further_columns(const Mapping *mapping, const char *alias)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 2; i < mapping->nstored; i++)
		appendStringInfo(&list, ", %s.e%d", alias, i);
	return list.data;
}

/* The pairs that are looked up where these are not all. */
#define PAIRS		"syncup_pair"

/* The delta of pairs, gathered; of a whole lookup only what goes. */
#define PAIR_DELTA	"syncup_pair_delta"

/* SQL: every pair after the batch: v1, v2. */
static char *
all_pairs_sql(const Mapping *mapping)
{
	const char *delta = delta_table(mapping);

	return psprintf("SELECT %s FROM %s p WHERE NOT EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND %s AND " IS_CHANGE("d") ")"
					" UNION ALL SELECT %s FROM %s d WHERE d.batch = $1 AND " IS_PRESENT("d"),
					pair_columns(mapping, "p"), previous_table(mapping), delta, same_stored_key(mapping, "d", "p"),
					pair_columns(mapping, "d"), delta);
}

/* SQL: " UNION ALL ..." with the pairs whose rows were set aside, of these values of the columns between. */
static char *
kept_pairs_sql(const Mapping *mapping, const char *between)
{
	return psprintf(" UNION ALL SELECT %s, %s, true FROM %s d WHERE d.batch = $1 AND d.command = 'keep'",
					pair_columns(mapping, "d"), between, delta_table(mapping));
}

/*
 * SQL: what is to be looked up where it is every pair after the batch: v1, v2,
 * whether it was one before (which does not matter here), whether it is one after,
 * whether it is a remembered orphan, whether its row was set aside.
 */
static char *
present_pairs_sql(const Mapping *mapping)
{
	const char *key = quote_identifier(mapping->columns[mapping->key].stored);
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT x.v1, x.v2%s, false AS before, true AS after, o.value1 IS NOT NULL AS remembered, false AS kept"
					 " FROM (%s) x LEFT JOIN syncup.orphan o ON %s",
					 further_columns(mapping, "x"), all_pairs_sql(mapping), is_orphan_sql(mapping, "x"));
	/* Orphans whose pair goes, and rows that were set aside. */
	appendStringInfoString(&sql, " UNION ALL SELECT o.value1, o.value2");
	for (int i = 2; i < mapping->nstored; i++)
		appendStringInfo(&sql, ", %s", i == mapping->key ? "o.link" : "NULL");
	appendStringInfo(&sql, ", false, false, true, false FROM syncup.orphan o"
					 " WHERE o.connector = $2 AND o.mapping = $3 AND EXISTS (SELECT FROM " PAIR_DELTA " d"
					 " WHERE %s AND d.%s = o.%s%s)",
					 is_key_made(mapping) ? "d.command = 'delete'" : IS_OLD("d"), key, is_key_made(mapping) ? "link" : mapping->key == 0 ? "value1" : "value2",
					 is_pair_key(mapping) ? psprintf(" AND d.%s = o.value2", quote_identifier(mapping->columns[1].stored)) : "");
	appendStringInfoString(&sql, kept_pairs_sql(mapping, "false, false, false"));
	return sql.data;
}

/* Whether two keys of pairs may be one, for one of their sides is compared in another text. */
static bool
is_key_folded(const Mapping *mapping)
{
	for (int i = 0; i < 2; i++)
		if ((mapping->pairs || i == mapping->holder) && is_folded(&mapping->ends[i]))
			return true;
	return false;
}

/* SQL: whether they are, of a pair p and one of the delta d. */
static char *
same_folded_key(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &mapping->ends[i];
		char	   *p = psprintf("p.%s", quote_identifier(mapping->columns[i].stored));
		char	   *d = psprintf("d.%s", quote_identifier(mapping->columns[i].stored));

		if (!mapping->pairs && i != mapping->holder)
			continue;
		appendStringInfo(&sql, "%s%s = %s", sql.len ? " AND " : "",
						 is_folded(end) ? folded_hash_sql(end, p) : p, is_folded(end) ? folded_hash_sql(end, d) : d);
	}
	return sql.data;
}

/*
 * SQL: the same of pairs that can have changed; syncup_pair_delta: the batch's delta.
 * suspects: those of "syncup_suspect" too, and what was set aside.
 */
static char *
touched_pairs_sql(const Mapping *mapping, List *twins, bool suspects)
{
	/* UNION compares what it takes of a row. */
	const char *previous = psprintf("(SELECT %s FROM %s p)", stored_columns(mapping, "p."), previous_table(mapping));
	const char *delta = PAIR_DELTA;
	char	   *same = same_stored_key(mapping, "d", "p");
	StringInfoData sql;

	initStringInfo(&sql);
	/* A link whose columns change is the same pair, before and after. */
	appendStringInfo(&sql, "SELECT x.*, o.value1 IS NOT NULL AND NOT x.changes AS remembered, false AS kept FROM ("
					 "SELECT %s, false AS before, true AS after, false AS changes FROM %s d WHERE d.batch = $1 AND " IS_PRESENT("d"),
					 pair_columns(mapping, "d"), delta);
	appendStringInfo(&sql, " UNION ALL SELECT %s, true, NOT EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND %s"
					 " AND " IS_OLD("d") "), %s FROM (",
					 pair_columns(mapping, "p"), delta, same,
					 is_key_made(mapping) ? psprintf("EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND %s AND d.command = 'update')", delta, same) : "false");
	appendStringInfo(&sql, "SELECT p.* FROM %s p JOIN %s d ON %s WHERE d.batch = $1 AND " IS_OLD("d"),
					 previous, delta, same);
	for (int side = 0; side < 2; side++)
	{
		const AssociationEnd *end = &mapping->ends[side];
		char	   *value = psprintf("p.%s", quote_identifier(mapping->columns[side].stored));

		appendStringInfo(&sql, " UNION SELECT p.* FROM %s p WHERE %s IN"
						 " (SELECT old FROM syncup_moved%d UNION ALL SELECT new FROM syncup_moved%d UNION ALL SELECT value FROM syncup_usual%d)",
						 previous, value, side + 1, side + 1, side + 1);
		if (is_folded(end))
			appendStringInfo(&sql, " UNION SELECT p.* FROM %s p WHERE %s IN"
							 " (SELECT %s FROM syncup_moved%d m UNION ALL SELECT %s FROM syncup_moved%d m)",
							 previous, folded_hash_sql(end, value),
							 folded_hash_sql(end, "m.old"), side + 1, folded_hash_sql(end, "m.new"), side + 1);
	}
	for (int side = 0; side < 2 && twins != NIL; side++)
	{
		const char *value = quote_identifier(mapping->columns[side].stored);

		appendStringInfo(&sql, " UNION SELECT p.* FROM %s p WHERE p.%s IN"
						 " (SELECT old FROM syncup_near%d UNION ALL SELECT new FROM syncup_near%d)",
						 previous, value, side + 1, side + 1);
		foreach_ptr(Mapping, twin, twins)
		{
			const AssociationEnd *end = &twin->ends[side];

			if (is_folded(end))
				appendStringInfo(&sql, " UNION SELECT p.* FROM %s p WHERE %s IN"
								 " (SELECT %s FROM syncup_near%d m UNION ALL SELECT %s FROM syncup_near%d m)",
								 previous, folded_hash_sql(end, psprintf("p.%s", value)),
								 folded_hash_sql(end, "m.old"), side + 1, folded_hash_sql(end, "m.new"), side + 1);
		}
	}
	/* Two pairs may be one link, too, where values tell links apart. */
	if (is_key_folded(mapping) || mapping->nparts > 2)
		appendStringInfo(&sql, " UNION SELECT p.* FROM %s p JOIN %s d ON %s", previous, delta, same_folded_key(mapping));
	if (suspects)
		appendStringInfoString(&sql, " UNION SELECT s.* FROM syncup_suspect s");
	appendStringInfo(&sql, ") p) x LEFT JOIN syncup.orphan o ON %s", is_orphan_sql(mapping, "x"));
	if (suspects)
		appendStringInfoString(&sql, kept_pairs_sql(mapping, "false, false, false, false"));
	return sql.data;
}

/* ---------- pairs become links ---------- */

/* The columns of a pair looked up; of each side a key and how many rows have the value. */
enum
{
	PAIR_VALUE1 = 1, PAIR_VALUE2, PAIR_BEFORE, PAIR_AFTER, PAIR_REMEMBERED, PAIR_KEPT,
	PAIR_FOUND, PAIR_OLD_FOUND = PAIR_FOUND + 4, PAIR_FURTHER = PAIR_OLD_FOUND + 4
};

/* A pair looked up: in [0] before the batch, in [1] after it. */
typedef struct LookedUp
{
	char	   *values[2];
	bool		is_pair[2];
	bool		remembered;
	bool		kept;
	char	   *keys[2][2];		/* of each side's row */
	int64		counts[2][2];	/* how many rows have the value */
	char	  **further;		/* what else is stored, by stored column; NULL: nothing */
} LookedUp;

/* What turns pairs looked up into links. */
typedef struct LinkSink
{
	const Mapping *mapping;
	TypedRows  *links;			/* see resolve_pairs() */
	bool		with_texts;
	bool		quiet;			/* orphans are noted elsewhere */
	bool		gone;			/* only links that go are wanted */
	EndKey		keys[2];
	Converter  *converters;		/* of the columns of links */
	DeltaWriter *delta;
	Quarantine *quarantine;
	char	   *file;
	int64		orphans;		/* more than there were */
	Spellings  *spellings;		/* NULL: only texts matter */
	TypedRows  *missed;			/* pairs with a value that no property has as its text */
	bool		respelled;		/* some were found all the same */
	List	   *twins;			/* that may find what is not found here */
	TypedRows  *unfound;		/* "syncup_unfound": see the enum below */
	DigestSet  *found[2];		/* of a twin: values that it finds; NULL: it is none */
	DigestKey	found_key;
	HTAB	   *aliases[2];		/* values by which rows that were set aside are called; NULL: none is */
	DigestKey	alias_key;
	MemoryContext context;		/* as long as this */
} LinkSink;

/* The columns of pairs that are not found: a side that is, and how many rows have its value. */
enum
{
	UNFOUND_VALUE1, UNFOUND_VALUE2, UNFOUND_REMEMBERED, UNFOUND_FOUND1, UNFOUND_FOUND2, UNFOUND_COUNT1, UNFOUND_COUNT2,
	UNFOUND_COLUMNS
};

/* Adds the values of the columns of a link, in the types of the target. */
static void
add_link_columns(LinkSink *sink, char *const *further, Datum *values, bool *nulls)
{
	const Mapping *mapping = sink->mapping;
	int			level = settings_pin(mapping->options->timezone);
	int			n = sink->with_texts ? 5 : 3;

	for (int i = 2; i < mapping->ncolumns; i++)
	{
		const char *text = further == NULL ? NULL : further[mapping->columns[i].first];

		if (mapping->columns[i].target == NULL)
			continue;
		nulls[n] = true;
		values[n] = convert_stored(&sink->converters[i], text == NULL ? (Datum) 0 : CStringGetTextDatum(text), &nulls[n]);
		n++;
	}
	settings_restore(level);
}

/* Adds a link, by the texts of its keys. */
static void
add_link(LinkSink *sink, bool deleted, bool kept, char *key1, char *key2, char *const *further)
{
	Datum	   *values = palloc0(sizeof(Datum) * (5 + sink->mapping->ncolumns));
	bool	   *nulls = palloc0(sizeof(bool) * (5 + sink->mapping->ncolumns));

	values[0] = BoolGetDatum(deleted);
	nulls[0] = kept;
	nulls[1] = nulls[3] = key1 == NULL;
	nulls[2] = nulls[4] = key2 == NULL;
	if (key1 != NULL)
		values[1] = end_key_value(&sink->keys[0], key1, &nulls[1]);
	if (key2 != NULL)
		values[2] = end_key_value(&sink->keys[1], key2, &nulls[2]);
	if (sink->with_texts && key1 != NULL)
		values[3] = CStringGetTextDatum(key1);
	if (sink->with_texts && key2 != NULL)
		values[4] = CStringGetTextDatum(key2);
	if (is_key_made(sink->mapping))
		add_link_columns(sink, further, values, nulls);
	typed_rows_put(sink->links, values, nulls);
	pfree(values);
	pfree(nulls);
}

/* Writes the pair to the delta. */
static void
write_pair(LinkSink *sink, ChangeCommand command, const LookedUp *pair)
{
	const Mapping *mapping = sink->mapping;
	Datum	   *values = palloc(sizeof(Datum) * mapping->ncolumns);
	bool	   *nulls = palloc(sizeof(bool) * mapping->ncolumns);

	for (int i = 0; i < mapping->ncolumns; i++)
	{
		int			first = mapping->columns[i].first;
		const char *text = first < 2 ? pair->values[first] : pair->further[first];

		nulls[i] = text == NULL;
		values[i] = nulls[i] ? (Datum) 0 : CStringGetTextDatum(text);
	}

	delta_write_stored(sink->delta, command, values, nulls, NULL);
}

/* What is wrong with one side of an orphan; NULL: nothing. */
static char *
side_message(const Mapping *mapping, int side, bool found, int64 count)
{
	const AssociationEnd *end = &mapping->ends[side];

	if (found)
		return NULL;
	return psprintf(count > 1 ? "\"%s\": ambiguous, more than one \"%s\" has this \"%s\"" : "\"%s\": no \"%s\" has this \"%s\"",
					mapping->columns[side].source, end->entity->name, property_of_end(end)->source);
}

/* Remembers a pair as an orphan, and sets it aside. */
static void
add_orphan(LinkSink *sink, const LookedUp *pair)
{
	char	   *first = side_message(sink->mapping, 0, pair->keys[1][0] != NULL, pair->counts[1][0]);
	char	   *second = side_message(sink->mapping, 1, pair->keys[1][1] != NULL, pair->counts[1][1]);

	sink->orphans++;
	write_pair(sink, COMMAND_ORPHAN, pair);
	quarantine_text(sink->quarantine, sink->mapping, sink->file, 0, NULL, "orphan",
					psprintf("%s -> %s", pair->values[0], pair->values[1]),
					first && second ? psprintf("%s; %s", first, second) : first ? first : second);
}

static Digest
found_digest(const DigestKey *key, const char *value)
{
	return digest_bytes(key, value, strlen(value));
}

/* Notes what a twin finds of a pair. */
static void
note_found(LinkSink *sink, const LookedUp *pair)
{
	for (int side = 0; side < 2; side++)
	{
		Digest		digest = found_digest(&sink->found_key, pair->values[side]);

		if (pair->keys[1][side] != NULL)
			(void) digest_set_add(sink->found[side], &digest);
	}
}

/* Sends a pair that is not found on its way to the twins. */
static void
add_unfound(LinkSink *sink, const LookedUp *pair)
{
	int			nfurther = sink->mapping->nstored - 2;
	Datum	   *values = palloc(sizeof(Datum) * (UNFOUND_COLUMNS + nfurther));
	bool	   *nulls = palloc0(sizeof(bool) * (UNFOUND_COLUMNS + nfurther));

	for (int side = 0; side < 2; side++)
	{
		values[UNFOUND_VALUE1 + side] = CStringGetTextDatum(pair->values[side]);
		values[UNFOUND_FOUND1 + side] = BoolGetDatum(pair->keys[1][side] != NULL);
		values[UNFOUND_COUNT1 + side] = Int64GetDatum(pair->counts[1][side]);
	}
	values[UNFOUND_REMEMBERED] = BoolGetDatum(pair->remembered);
	for (int i = 0; i < nfurther; i++)
	{
		nulls[UNFOUND_COLUMNS + i] = pair->further[i + 2] == NULL;
		if (!nulls[UNFOUND_COLUMNS + i])
			values[UNFOUND_COLUMNS + i] = CStringGetTextDatum(pair->further[i + 2]);
	}
	typed_rows_put(sink->unfound, values, nulls);
}

/* Remembers a pair no more. */
static void
forget_orphan(LinkSink *sink, const LookedUp *pair)
{
	sink->orphans--;
	write_pair(sink, COMMAND_FOUND, pair);
}

/* A value by which a row calls itself that was set aside, by the digest of what its spellings share. */
typedef struct RowAlias
{
	Digest		value;
	char	   *key;			/* of the row as it is; NULL: several rows call themselves so */
} RowAlias;

static Digest
alias_digest(const LinkSink *sink, int side, const char *value)
{
	const char *shared = sink->spellings ? spellings_shared(sink->spellings, side, value) : value;

	return digest_bytes(&sink->alias_key, shared, strlen(shared));
}

/* What aliases are loaded for. */
typedef struct AliasSide
{
	LinkSink   *sink;
	int			side;
} AliasSide;

static void
note_alias(void *arg, uint64 row)
{
	AliasSide  *of = arg;
	LinkSink   *sink = of->sink;
	char	   *text = sql_text(row, 1);
	char	   *key = sql_text(row, 2);
	Digest		value = alias_digest(sink, of->side, text);
	bool		known;
	RowAlias   *alias;

	if (sink->aliases[of->side] == NULL)
		sink->aliases[of->side] = hash_create("syncup aliases", 64,
											  &(HASHCTL) {.keysize = sizeof(Digest), .entrysize = sizeof(RowAlias), .hcxt = sink->context},
											  HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	alias = hash_search(sink->aliases[of->side], &value, HASH_ENTER, &known);
	if (!known)
		alias->key = MemoryContextStrdup(sink->context, key);
	else if (alias->key != NULL && strcmp(alias->key, key) != 0)
		alias->key = NULL;
}

/*
 * Loads what rows that were set aside call themselves: a link that is told by that
 * is one of the row as it is (SPEC 4.3).
 */
static void
load_aliases(LinkSink *sink, const pg_uuid_t *batch)
{
	digest_key_random(&sink->alias_key);
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &sink->mapping->ends[i];
		const char *value = end->property == end->entity->key ? "renamed" : property_stored(end);

		if (is_own_end(sink->mapping, end) &&
			own_sql("SELECT FROM syncup.batch_counter WHERE batch = $1 AND mapping = $2 AND set_aside > 0",
					SQL_ARGS(SQL_UUID(batch), SQL_TEXT(end->entity->name))) > 0)
			sql_for_each(own_cursor(psprintf("SELECT DISTINCT d.%s, d.%s FROM %s d WHERE d.batch = $1 AND d.command = 'alias' AND d.%s <> ''",
											 value, key_stored(end), delta_table(end->entity), value),
									SQL_ARGS(SQL_UUID(batch))), note_alias, &(AliasSide) {sink, i});
	}
}

/* Finds what no row has by what rows that were set aside call themselves. */
static void
find_aliases(const LinkSink *sink, LookedUp *pair)
{
	for (int side = 0; side < 2; side++)
		for (int state = 0; state < 2 && sink->aliases[side] != NULL; state++)
		{
			Digest		value;
			RowAlias   *alias;

			if (pair->keys[state][side] != NULL || pair->counts[state][side] > 0)
				continue;
			value = alias_digest(sink, side, pair->values[side]);
			alias = hash_search(sink->aliases[side], &value, HASH_FIND, NULL);
			pair->keys[state][side] = alias ? alias->key : NULL;
		}
}

/* Takes a pair that was looked up. */
static void
take_looked_up(LinkSink *sink, const LookedUp *pair)
{
	char	   *const *old_keys = pair->keys[0];
	char	   *const *keys = pair->keys[1];
	bool		is = pair->is_pair[1] && keys[0] != NULL && keys[1] != NULL;
	bool		was = pair->is_pair[0] && old_keys[0] != NULL && old_keys[1] != NULL;

	if (sink->found[0] != NULL)
	{
		note_found(sink, pair);
		return;
	}
	if (pair->kept)
	{
		/* Its row was set aside: the link, or the holder's, is left alone. */
		if (sink->mapping->pairs ? keys[0] != NULL && keys[1] != NULL :
			keys[sink->mapping->holder] != NULL)
			add_link(sink, false, true, keys[0], keys[1], pair->further);
		return;
	}
	if (sink->quiet)
		;
	else if (pair->is_pair[1] && !is)
	{
		if (sink->twins != NIL)
			add_unfound(sink, pair);
		else if (!pair->remembered)
			add_orphan(sink, pair);
	}
	else if (pair->remembered)
		forget_orphan(sink, pair);
	if (is && !sink->gone)
		add_link(sink, false, false, keys[0], keys[1], pair->further);
	if (was && !(is && strcmp(keys[0], old_keys[0]) == 0 && strcmp(keys[1], old_keys[1]) == 0))
		add_link(sink, true, false, old_keys[0], old_keys[1], pair->further);
}

/* What else is stored of the pair at hand, from this column of the row. */
static char **
read_further(const Mapping *mapping, uint64 row, int column)
{
	char	  **further = palloc0(sizeof(char *) * mapping->nstored);

	for (int i = 2; i < mapping->nstored; i++)
		further[i] = sql_text(row, column + i - 2);
	return further;
}

/* Reads the pair at hand. */
static LookedUp
read_pair(const LinkSink *sink, uint64 row)
{
	LookedUp	pair = {
		.values = {sql_text(row, PAIR_VALUE1), sql_text(row, PAIR_VALUE2)},
		.is_pair = {sql_bool(row, PAIR_BEFORE), sql_bool(row, PAIR_AFTER)},
		.remembered = sql_bool(row, PAIR_REMEMBERED),
		.kept = sql_bool(row, PAIR_KEPT)
	};

	for (int side = 0; side < 2; side++)
		for (int state = 0; state < 2; state++)
		{
			int			column = (state == 0 ? PAIR_OLD_FOUND : PAIR_FOUND) + 2 * side;

			pair.keys[state][side] = sql_text(row, column);
			pair.counts[state][side] = sql_int8(row, column + 1);
		}
	pair.further = read_further(sink->mapping, row, PAIR_FURTHER);
	/* A column of links may repeat a side. */
	pair.further[0] = pair.values[0];
	pair.further[1] = pair.values[1];
	return pair;
}

/* Whether a value of the pair is to be found, but no property has it as its text. */
static bool
is_missed(const LookedUp *pair, int side, int state)
{
	return (pair->is_pair[state] || (pair->kept && state == 1)) && pair->counts[state][side] == 0;
}

/* Takes a pair that was looked up by the text of its values. */
static void
take_by_text(void *arg, uint64 row)
{
	LinkSink   *sink = arg;
	LookedUp	pair = read_pair(sink, row);
	bool		missed = false;

	for (int side = 0; side < 2 && sink->spellings != NULL; side++)
		if (is_missed(&pair, side, 0) || is_missed(&pair, side, 1))
			missed |= spellings_seek(sink->spellings, side, pair.values[side]);
	if (!missed)
	{
		find_aliases(sink, &pair);
		take_looked_up(sink, &pair);
		return;
	}
	if (sink->missed->tupdesc == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(sink->context);

		sink->missed->tupdesc = CreateTupleDescCopy(SPI_tuptable->tupdesc);
		MemoryContextSwitchTo(before);
	}
	tuplestore_puttuple(sink->missed->store, SPI_tuptable->vals[row]);
	sink->missed->count++;
}

/* Takes one of these pairs: its values were looked for in other spellings. */
static void
take_missed(void *arg, uint64 row)
{
	LinkSink   *sink = arg;
	LookedUp	pair = read_pair(sink, row);

	for (int side = 0; side < 2; side++)
		for (int state = 0; state < 2; state++)
			if (is_missed(&pair, side, state))
			{
				pair.keys[state][side] = spellings_key(sink->spellings, side, pair.values[side], state == 1,
													   &pair.counts[state][side]);
				sink->respelled |= pair.keys[state][side] != NULL;
			}
	find_aliases(sink, &pair);
	take_looked_up(sink, &pair);
}

/* Looks for what was missed. */
static void
look_up_missed(LinkSink *sink, const pg_uuid_t *batch)
{
	TypedRows  *missed = sink->missed;

	if (missed->count == 0)
	{
		tuplestore_end(missed->store);
		return;
	}
	spellings_find(sink->spellings, batch);
	typed_rows_publish(missed);
	sql_for_each(own_cursor("SELECT m.* FROM syncup_missed m", SQL_NO_ARGS), take_missed, sink);
	typed_rows_forget(missed);
}

/*
 * The links once each, now that two pairs may be one; a holder has one link, by
 * whatever spelling of it.
 */
static TypedRows *
distinct_links(const Mapping *mapping, TypedRows *links)
{
	const char *name = links->name;
	StringInfoData key;
	StringInfoData apart;
	TypedRows  *distinct;

	initStringInfo(&key);
	initStringInfo(&apart);
	for (int i = 2; i < mapping->ncolumns; i++)
		if (mapping->columns[i].key_part > 0)
			appendStringInfo(&apart, ", c%d", mapping->columns[i].attnum);
	appendStringInfo(&key, "%s%s", mapping->pairs ? "k1, k2" : mapping->holder == 0 ? "k1" : "k2", apart.data);

	links->name = "syncup_found_link";
	typed_rows_publish(links);
	distinct = typed_rows_gather(name,
								 own_cursor(psprintf("(SELECT DISTINCT ON (%s) l.* FROM syncup_found_link l WHERE NOT l.deleted ORDER BY %s, k1, k2)"
													 " UNION ALL (SELECT DISTINCT ON (k1, k2%s) l.* FROM syncup_found_link l WHERE l.deleted ORDER BY k1, k2%s)"
													 " UNION ALL SELECT l.* FROM syncup_found_link l WHERE l.deleted IS NULL",
													 key.data, key.data, apart.data, apart.data),
											SQL_NO_ARGS));
	typed_rows_forget(links);
	return distinct;
}

/* Takes the key of a row of one side that was set aside: its links are left alone. */
static void
keep_side(void *arg, uint64 row)
{
	add_link(arg, false, true, sql_text(row, 1), sql_text(row, 2), NULL);
}

/*
 * Notes the rows of the entity types that were set aside (SPEC 4.3): what is
 * linked to them in the target is not known to be wrong.
 */
static void
keep_sides(LinkSink *sink, const pg_uuid_t *batch)
{
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *end = &sink->mapping->ends[i];

		if (is_own_end(sink->mapping, end))
			sql_for_each(own_cursor(psprintf(i == 0 ? "SELECT DISTINCT d.%s, NULL::text FROM %s d WHERE d.batch = $1 AND d.command = 'keep'" :
											 "SELECT DISTINCT NULL::text, d.%s FROM %s d WHERE d.batch = $1 AND d.command = 'keep'",
											 key_stored(end), delta_table(end->entity)), SQL_ARGS(SQL_UUID(batch))), keep_side, sink);
	}
}

/* Links without any row yet. */
static TypedRows *
begin_links(const Mapping *mapping, const char *name, bool with_texts)
{
	TypedRows  *rows = typed_rows_begin(name, (with_texts ? 5 : 3) + link_columns(mapping));

	typed_rows_column(rows, "deleted", BOOLOID, -1, InvalidOid);
	for (int i = 0; i < 2; i++)
		end_key_describe(rows, i == 0 ? "k1" : "k2", &mapping->ends[i]);
	for (int i = 0; i < 2 && with_texts; i++)
		typed_rows_text(rows, i == 0 ? "t1" : "t2");
	for (int i = 2; i < mapping->ncolumns; i++)
	{
		const MappingColumn *column = &mapping->columns[i];

		if (column->target != NULL)
			typed_rows_column(rows, psprintf("c%d", column->attnum), column->type, column->typmod, column->collation);
	}
	return rows;
}

/* Pairs whose values were missed: their columns are those of the pairs looked up. */
static TypedRows *
begin_missed(void)
{
	TypedRows  *rows = typed_rows_begin("syncup_missed", 1);

	rows->tupdesc = NULL;
	return rows;
}

/* Pairs that are not found, without any yet. */
static TypedRows *
begin_unfound(const Mapping *mapping)
{
	TypedRows  *rows = typed_rows_begin("syncup_unfound", UNFOUND_COLUMNS + mapping->nstored - 2);

	typed_rows_text(rows, "v1");
	typed_rows_text(rows, "v2");
	typed_rows_column(rows, "remembered", BOOLOID, -1, InvalidOid);
	typed_rows_column(rows, "found1", BOOLOID, -1, InvalidOid);
	typed_rows_column(rows, "found2", BOOLOID, -1, InvalidOid);
	typed_rows_column(rows, "count1", INT8OID, -1, InvalidOid);
	typed_rows_column(rows, "count2", INT8OID, -1, InvalidOid);
	for (int i = 2; i < mapping->nstored; i++)
		typed_rows_text(rows, psprintf("e%d", i));
	return rows;
}

/* The query of all pairs looked up; see the enum above. */
static char *
all_lookup_sql(const Mapping *mapping)
{
	return psprintf("SELECT x.v1, x.v2, x.before, x.after, x.remembered, x.kept, a1.key AS k1, a1.count AS c1, a2.key AS k2, a2.count AS c2,"
					" NULL::text AS o1, NULL::bigint AS oc1, NULL::text AS o2, NULL::bigint AS oc2%s FROM (%s) x"
					" LEFT JOIN %s a1 ON a1.value = x.v1 LEFT JOIN %s a2 ON a2.value = x.v2",
					further_columns(mapping, "x"),
					present_pairs_sql(mapping),
					found_sql(mapping, 0, all_values_sql(mapping, 0)),
					found_sql(mapping, 1, all_values_sql(mapping, 1)));
}

/* The same of the pairs in syncup_pair. */
static char *
pair_lookup_sql(const Mapping *mapping)
{
	return psprintf("SELECT x.v1, x.v2, x.before, x.after, x.remembered, x.kept, a1.key AS k1, a1.count AS c1, a2.key AS k2, a2.count AS c2,"
					" b1.key AS o1, b1.count AS oc1, b2.key AS o2, b2.count AS oc2%s FROM syncup_pair x"
					" LEFT JOIN %s a1 ON a1.value = x.v1 LEFT JOIN %s a2 ON a2.value = x.v2"
					" LEFT JOIN %s b1 ON b1.value = x.v1 LEFT JOIN %s b2 ON b2.value = x.v2",
					further_columns(mapping, "x"),
					found_sql(mapping, 0, pair_values_sql(mapping, 0, true)),
					found_sql(mapping, 1, pair_values_sql(mapping, 1, true)),
					found_sql(mapping, 0, pair_values_sql(mapping, 0, false)),
					found_sql(mapping, 1, pair_values_sql(mapping, 1, false)));
}

/* What gathers the usual texts of values. */
typedef struct UsualTexts
{
	Spellings  *spellings;
	int			side;
	TypedRows  *rows;
} UsualTexts;

static void
take_moved(void *arg, uint64 row)
{
	UsualTexts *texts = arg;

	for (int i = 1; i <= 2; i++)
	{
		char	   *usual = spellings_usual(texts->spellings, texts->side, sql_text(row, i));
		Datum		value;
		bool		isnull = false;

		if (usual == NULL)
			continue;
		value = CStringGetTextDatum(usual);
		typed_rows_put(texts->rows, &value, &isnull);
	}
}

/* The texts that the values which move usually have, where these are others: "value". */
static TypedRows *
gather_usual(Spellings *spellings, int side, const char *name, const char *moved)
{
	UsualTexts	texts = {spellings, side, typed_rows_begin(name, 1)};

	typed_rows_text(texts.rows, "value");
	if (spellings != NULL)
		sql_for_each(own_cursor(psprintf("SELECT m.old, m.new FROM %s m", moved), SQL_NO_ARGS), take_moved, &texts);
	typed_rows_publish(texts.rows);
	return texts.rows;
}

/* Which pairs are looked up. */
typedef enum Scope
{
	PAIRS_TOUCHED,				/* those that can have changed */
	PAIRS_ALL,
	PAIRS_SUSPECT,				/* these, and those of link_drift.h */
	PAIRS_RELATED,				/* see resolve_related() */
	PAIRS_UNFOUND				/* of a twin: see ask_twins() */
} Scope;

/* SQL: keys of syncup_touched with the value that the row of each has after the batch. */
static char *
touched_values_sql(const Mapping *mapping, int side)
{
	const AssociationEnd *end = &mapping->ends[side];
	int			n = side + 1;

	return psprintf("(SELECT t.t%d AS key, p.%s AS value FROM (SELECT DISTINCT t%d FROM syncup_touched) t JOIN %s p ON p.%s = t.t%d"
					" WHERE NOT EXISTS (SELECT FROM syncup_moved%d m WHERE m.former = p.%s)"
					" UNION ALL SELECT m.key, m.new FROM syncup_moved%d m WHERE m.new IS NOT NULL)",
					n, property_stored(end), n, previous_table(end->entity), key_stored(end), n,
					n, key_stored(end), n);
}

/* SQL: the pairs that the batch does not touch of the links in syncup_touched. */
static char *
related_pairs_sql(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "SELECT DISTINCT %s, true AS before, true AS after, false AS remembered, false AS kept FROM syncup_touched t",
					 pair_columns(mapping, "p"));
	for (int side = 0; side < 2; side++)
		appendStringInfo(&sql, " JOIN %s a%d ON a%d.key = t.t%d", touched_values_sql(mapping, side), side + 1, side + 1, side + 1);
	appendStringInfo(&sql, " JOIN %s p ON true", previous_table(mapping));
	for (int side = 0; side < 2; side++)
	{
		const AssociationEnd *end = &mapping->ends[side];
		char	   *p = psprintf("p.%s", quote_identifier(mapping->columns[side].stored));
		char	   *a = psprintf("a%d.value", side + 1);

		appendStringInfo(&sql, " AND %s = %s", is_folded(end) ? folded_hash_sql(end, p) : p,
						 is_folded(end) ? folded_hash_sql(end, a) : a);
	}
	appendStringInfo(&sql, " WHERE NOT EXISTS (SELECT FROM %s d WHERE d.batch = $1 AND %s AND " IS_OLD("d") ")",
					 delta_table(mapping), same_stored_key(mapping, "d", "p"));
	return sql.data;
}

/* SQL: pairs that another association does not find: only their ends are asked. */
static char *
unfound_pairs_sql(const Mapping *mapping)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "SELECT DISTINCT u.v1, u.v2, false AS before, true AS after, false AS remembered, false AS kept");
	for (int i = 2; i < mapping->nstored; i++)
		appendStringInfo(&sql, ", NULL::text AS e%d", i);
	appendStringInfoString(&sql, " FROM syncup_unfound u");
	return sql.data;
}

/* SQL: what the batch moves of a side in the entity types of the twins. */
static char *
near_sql(const LinkSink *sink, int side)
{
	StringInfoData sql;

	initStringInfo(&sql);
	foreach_ptr(Mapping, twin, sink->twins)
		appendStringInfo(&sql, "%s%s", sql.len ? " UNION ALL " : "", moved_sql(twin, side));
	return sql.len ? sql.data : "SELECT NULL::text AS old, NULL::text AS new WHERE $1 IS NULL";
}

/*
 * Looks up some pairs.  They and what they are found by are gathered first, so
 * that the planner knows how few they are: it has no fresh statistics of deltas.
 */
static void
look_up_some(LinkSink *sink, Scope scope, int nargs, const SqlArg *args)
{
	const Mapping *mapping = sink->mapping;
	TypedRows  *given[7];

	given[0] = typed_rows_gather("syncup_moved1", own_cursor(moved_sql(mapping, 0), 1, args));
	given[1] = typed_rows_gather("syncup_moved2", own_cursor(moved_sql(mapping, 1), 1, args));
	given[2] = gather_usual(sink->spellings, 0, "syncup_usual1", "syncup_moved1");
	given[3] = gather_usual(sink->spellings, 1, "syncup_usual2", "syncup_moved2");
	given[4] = typed_rows_gather("syncup_near1", own_cursor(near_sql(sink, 0), 1, args));
	given[5] = typed_rows_gather("syncup_near2", own_cursor(near_sql(sink, 1), 1, args));
	given[6] = scope == PAIRS_RELATED ? typed_rows_gather(PAIRS, own_cursor(related_pairs_sql(mapping), 1, args)) :
		scope == PAIRS_UNFOUND ? typed_rows_gather(PAIRS, own_cursor(unfound_pairs_sql(mapping), SQL_NO_ARGS)) :
		typed_rows_gather(PAIRS, own_cursor(touched_pairs_sql(mapping, sink->twins, scope == PAIRS_SUSPECT), nargs, args));
	sql_for_each(own_cursor(pair_lookup_sql(mapping), SQL_NO_ARGS), take_by_text, sink);
	for (int i = 0; i < lengthof(given); i++)
		typed_rows_forget(given[i]);
}

/* Looks up pairs of a batch. */
static void
look_up(LinkSink *sink, const pg_uuid_t *batch, Scope scope)
{
	const Mapping *mapping = sink->mapping;
	SqlArg		args[] = {SQL_UUID(batch), SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)};
	TypedRows  *delta = typed_rows_gather(PAIR_DELTA,
										  own_cursor(psprintf("SELECT d.* FROM %s d WHERE d.batch = $1 AND %s",
															  delta_table(mapping), scope == PAIRS_ALL ? IS_OLD("d") : IS_CHANGE("d")),
													 1, args));

	if (scope == PAIRS_ALL)
		sql_for_each(own_cursor(all_lookup_sql(mapping), lengthof(args), args), take_by_text, sink);
	else
		look_up_some(sink, scope, lengthof(args), args);
	typed_rows_forget(delta);
}

bool
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
		mapping->state.seen[i] = sql_int8(0, 1);
		news |= sql_text(0, 2) == NULL || sql_int8(0, 2) != sql_int8(0, 1);
	}
	return news;
}

/* The file that the pairs of a batch came from; NULL if there are several. */
static char *
file_of(const Mapping *mapping, const pg_uuid_t *batch)
{
	return own_sql("SELECT file FROM syncup.batch_counter WHERE batch = $1 AND mapping = $2"
				   " AND (SELECT count(*) < 2 FROM syncup.batch_file f WHERE f.batch = $1 AND f.mapping = $2)",
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

/* Has pairs that are not found looked up by the other associations of their columns. */
static void
ask_twins(LinkSink *sink, const pg_uuid_t *batch)
{
	foreach_ptr(Mapping, mapping, sink->twins)
	{
		LinkSink	twin = {.mapping = mapping, .context = CurrentMemoryContext, .found_key = sink->found_key};

		twin.found[0] = sink->found[0];
		twin.found[1] = sink->found[1];
		twin.spellings = spellings_begin(twin.mapping);
		twin.missed = begin_missed();
		load_aliases(&twin, batch);
		look_up(&twin, batch, PAIRS_UNFOUND);
		look_up_missed(&twin, batch);
	}
}

/* Takes a pair that is not found here: what a twin finds of it is not missing. */
static void
take_unfound(void *arg, uint64 row)
{
	LinkSink   *sink = arg;
	LookedUp	pair = {
		.values = {sql_text(row, UNFOUND_VALUE1 + 1), sql_text(row, UNFOUND_VALUE2 + 1)},
		.remembered = sql_bool(row, UNFOUND_REMEMBERED + 1)
	};
	bool		missing = false;

	for (int side = 0; side < 2; side++)
	{
		Digest		digest = found_digest(&sink->found_key, pair.values[side]);
		bool		found = sql_bool(row, UNFOUND_FOUND1 + side + 1);

		pair.keys[1][side] = found ? "" : NULL;
		pair.counts[1][side] = sql_int8(row, UNFOUND_COUNT1 + side + 1);
		pair.further = read_further(sink->mapping, row, UNFOUND_COLUMNS + 1);
		missing |= !found && !digest_set_has(sink->found[side], &digest);
	}
	if (missing && !pair.remembered)
		add_orphan(sink, &pair);
	else if (!missing && pair.remembered)
		forget_orphan(sink, &pair);
}

/* Tells orphans from pairs of which a twin finds what is missing here. */
static void
take_all_unfound(LinkSink *sink, const pg_uuid_t *batch)
{
	typed_rows_publish(sink->unfound);
	if (sink->unfound->count > 0)
	{
		/* Found by a twin is not found here. */
		DigestSet  *found[2] = {digest_set_create(0, false), digest_set_create(0, false)};

		digest_key_random(&sink->found_key);
		memcpy(sink->found, found, sizeof(found));
		ask_twins(sink, batch);
		sql_for_each(own_cursor("SELECT u.* FROM syncup_unfound u", SQL_NO_ARGS), take_unfound, sink);
		digest_set_free(found[0]);
		digest_set_free(found[1]);
	}
	typed_rows_forget(sink->unfound);
}

/* Looks up pairs, and gives their links. */
static TypedRows *
resolve(LinkSink *sink, const pg_uuid_t *batch, Scope scope, const char *name)
{
	const Mapping *mapping = sink->mapping;
	int			level = settings_pin(mapping->ends[0].entity->options->timezone);

	/* As in typed_source(): the planner knows little of delta tables. */
	if (scope == PAIRS_ALL)
		setting_pin("enable_nestloop", "off");
	sink->context = CurrentMemoryContext;
	for (int i = 0; i < 2; i++)
		end_key_init(&sink->keys[i], &mapping->ends[i]);
	sink->converters = palloc0(sizeof(Converter) * mapping->ncolumns);
	for (int i = 2; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL)
		{
			KeyType		type;

			converter_init(&sink->converters[i], mapping->columns[i].type, mapping->columns[i].typmod,
						   mapping->columns[i].format);
			/* Two texts may be one value: two pairs one link. */
			column_type_init(&type, &mapping->columns[i]);
			sink->respelled |= mapping->columns[i].key_part > 0 && !type.bytewise;
		}
	sink->links = begin_links(mapping, name, sink->with_texts);
	sink->spellings = spellings_begin(mapping);
	sink->missed = begin_missed();
	if (!sink->quiet)
		sink->twins = pair_twins(mapping);
	sink->unfound = begin_unfound(mapping);
	sink->delta = delta_open(mapping, batch, NULL);
	sink->quarantine = quarantine_open(batch);
	sink->file = file_of(mapping, batch);
	load_aliases(sink, batch);
	look_up(sink, batch, scope);
	look_up_missed(sink, batch);
	take_all_unfound(sink, batch);
	if (scope == PAIRS_ALL || scope == PAIRS_SUSPECT)
		keep_sides(sink, batch);
	quarantine_close(sink->quarantine);
	delta_close(sink->delta);
	if (!sink->quiet)
		count_orphans(mapping, batch, sink->orphans);
	if (sink->respelled)
		sink->links = distinct_links(mapping, sink->links);
	else
		typed_rows_publish(sink->links);
	settings_restore(level);
	return sink->links;
}

TypedRows *
resolve_pairs(const Mapping *mapping, const pg_uuid_t *batch, bool whole, const TypedRows *suspects,
			  const char *name, bool with_texts)
{
	LinkSink	sink = {.mapping = mapping, .with_texts = with_texts};

	return resolve(&sink, batch, suspects != NULL ? PAIRS_SUSPECT : whole ? PAIRS_ALL : PAIRS_TOUCHED, name);
}

TypedRows *
resolve_gone(const Mapping *mapping, const pg_uuid_t *batch, const char *name)
{
	LinkSink	sink = {.mapping = mapping, .quiet = true, .gone = true};

	return resolve(&sink, batch, PAIRS_TOUCHED, name);
}

/*
 * Whether keys lead from a link of one association to the pairs of another: they
 * are those of the same rows, or the same texts in the target.
 */
static bool
keys_lead_to(const Mapping *from, const Mapping *to)
{
	for (int i = 0; i < 2; i++)
	{
		const AssociationEnd *a = &from->ends[i];
		const AssociationEnd *b = &to->ends[i];

		if (a->entity != b->entity &&
			(a->store != NULL || b->store != NULL ||
			 !is_key_bytewise(a->entity) || !is_key_bytewise(b->entity)))
			return false;
	}
	return true;
}

TypedRows *
resolve_related(const Mapping *mapping, const pg_uuid_t *batch, List *siblings, const char *name)
{
	LinkSink	sink = {.mapping = mapping, .with_texts = true, .quiet = true};
	bool		led = !has_other_spellings(mapping);

	foreach_ptr(Mapping, sibling, siblings)
		led = led && keys_lead_to(sibling, mapping);
	return resolve(&sink, batch, led ? PAIRS_RELATED : PAIRS_ALL, name);
}

/* ---------- orphans that are remembered ---------- */

/* Adds the pairs of a command of the batch to the orphans, or takes them away. */
static void
add_orphans(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	own_sql(psprintf("INSERT INTO syncup.orphan (connector, mapping, value1, value2, link, batch)"
					 " SELECT $2, $3, d.%s, d.%s, %s, $1 FROM %s d WHERE d.batch = $1 AND d.command = $4 ORDER BY 3, 4, 5",
					 quote_identifier(mapping->columns[0].stored), quote_identifier(mapping->columns[1].stored),
					 is_key_made(mapping) ? stored_key(mapping, "d.") : "NULL::text", delta_table(mapping)),
			SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
					 SQL_TEXT(command)));
}

static void
remove_orphans(const Mapping *mapping, const pg_uuid_t *batch, const char *command)
{
	TypedRows  *pairs = typed_rows_gather("syncup_command",
										  own_cursor(psprintf("SELECT %s FROM %s d WHERE d.batch = $1 AND d.command = $2",
															  pair_columns(mapping, "d"), delta_table(mapping)),
													 SQL_ARGS(SQL_UUID(batch), SQL_TEXT(command))));
	int			level = settings_pin(NULL);

	/* Nobody knows how many orphans there are. */
	setting_pin("enable_nestloop", "off");
	if (pairs->count > 0)
		own_sql(psprintf("DELETE FROM syncup.orphan o USING syncup_command d WHERE $1 IS NOT NULL AND %s",
						 is_orphan_sql(mapping, "d")),
				SQL_ARGS(SQL_UUID(batch), SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name)));
	settings_restore(level);
	typed_rows_forget(pairs);
}

/* Records what of other connectors the links were looked up with; -1: unknown. */
static void
record_seen(const Mapping *mapping)
{
	for (int i = 0; i < 2; i++)
		if (!is_own_end(mapping, &mapping->ends[i]))
			own_sql("UPDATE syncup.association SET seen = nullif($4, -1) WHERE connector = $1 AND mapping = $2 AND side = $3",
					SQL_ARGS(SQL_TEXT(mapping->connector->name), SQL_TEXT(mapping->name),
							 SQL_INT4(i + 1), SQL_INT8(mapping->state.seen[i])));
}

void
orphans_apply(const Mapping *mapping, const pg_uuid_t *batch)
{
	remove_orphans(mapping, batch, "found");
	add_orphans(mapping, batch, "orphan");
	record_seen(mapping);
}

void
orphans_take_back(const Mapping *mapping, const pg_uuid_t *batch)
{
	remove_orphans(mapping, batch, "orphan");
	add_orphans(mapping, batch, "found");
	record_seen(mapping);
}
