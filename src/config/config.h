/*
 * config.h
 *		A connector and its mappings, as structs: read once per operation.
 */
#ifndef SYNCUP_CONFIG_H
#define SYNCUP_CONFIG_H

#include "syncup.h"

#include "access/attnum.h"
#include "format/convert.h"
#include "config/options.h"
#include "utils/relcache.h"

/* What it means that a file does not have a column. */
typedef enum Optional
{
	OPTIONAL_NO,				/* an error */
	OPTIONAL_NULL,
	OPTIONAL_KEEP
} Optional;

typedef struct MappingColumn
{
	char	   *source;			/* name in the file's header */
	char	   *stored;			/* name in previous and delta */
	char	   *target;			/* column of the target; NULL: stored only */
	char	   *target_type;	/* its type when it was mapped, as text */
	char	   *change_column;	/* name in the change table */
	char	   *format;			/* see format.h; NULL: none */
	bool		insert_only;	/* written to rows that are inserted, and left alone then */
	bool		keeps;			/* an empty cell leaves what is there */
	Optional	optional;		/* what a file means that does not have it */
	bool		is_mark;		/* of previous: names those whose last cell left what is there */
	bool		indexed;		/* a key, a unique key or a side of a link */
	int			key_part;		/* the target column is the key, or this part of it; 0: it is not */
	int			first;			/* the column that stores the source column: itself, or
								 * where that feeds several targets the first of them */

	/* of the target, as it is now; where target is not NULL */
	AttrNumber	attnum;
	Oid			type;
	int32		typmod;
	Oid			collation;
	bool		by_text;		/* a value differs if its text does, whatever the type holds equal */
} MappingColumn;

/* One side of an association: what a value of its column means. */
typedef struct AssociationEnd
{
	struct Mapping *entity;		/* the entity type, maybe of another connector */
	int			property;		/* its column that the values stand in */
	Match		match;			/* how values compare with the property's */
	char	   *store;			/* column stored instead of the key; NULL: the key */
	char	   *target;			/* column of the association's target; NULL: none */
	char	   *change_column;	/* name in the change table */
	MappingColumn stored;		/* what is stored: a column of the entity's target */
} AssociationEnd;

/* What of a mapping is at hand while a batch is prepared or applied: no part of the configuration. */
typedef struct MappingState
{
	bool		called_timezone;	/* prepare was called with another time zone */
	int64		seen[2];		/* of an end in another connector: its last batch; -1: not seen */
	bool		tied;			/* written together with others: see constraints.h */
	struct TypedRows *found;	/* changes at hand: see found_changes.h */
	bool		renames;		/* some of them change a row's key */
	struct TypedRows *renamed;	/* these keys, while links are built: see renames.h */
	bool		takes;			/* some of them take rows outside the scope */
	List	   *given;			/* of TypedRows: keys of rows that change hands */
	struct TypedRows *taken;	/* with this batch: see handover.h */
} MappingState;

#define NO_STATE	((MappingState) {.seen = {-1, -1}})

typedef struct Mapping
{
	struct Connector *connector;
	char	   *name;
	bool		association;
	Oid			target;
	char	   *target_name;	/* qualified and quoted */
	char	   *file;			/* or the relation that is read instead (option "source") */
	int			key;			/* index in columns; of several parts one made of them */
	int			nparts;			/* of an entity type's key */
	int		   *parts;			/* the columns that are the key, by key_part */
	bool		pairs;			/* of a link table: see is_pair_key() */
	AssociationEnd ends[2];		/* of an association */
	int			holder;			/* mono-valued: the end whose row holds the link; else -1 */
	int			ncolumns;
	int			nstored;		/* of previous and delta; those after them repeat one */
	MappingColumn *columns;
	Options    *options;		/* the connector's, overlaid by its own */
	Jsonb	   *own_options;
	char	   *table_name;
	MappingState state;
} Mapping;

typedef struct Connector
{
	char	   *name;
	char	   *directory;		/* NULL: none */
	Jsonb	   *options;
	bool		active;
	bool		needs_complete;
	int			nmappings;
	Mapping    *mappings;		/* in the order in which they are applied */
	List	   *others;			/* of Connector: those that ends of associations lie in */
} Connector;

/* Each mapping of a connector, in their order. */
#define foreach_mapping(mapping, connector) \
	for (Mapping *mapping = (connector)->mappings; mapping < (connector)->mappings + (connector)->nmappings; mapping++)

/*
 * Reads a connector; errors with 42704, listing those that exist, if there is
 * none of that name.  Targets are not looked at.
 */
extern Connector *config_load(const char *connector);

/*
 * Keeps a connector, and a mapping if one is named, from being dropped until the
 * transaction ends: where something will refer to it without the connector's
 * lock.  It need not be there.
 */
extern void config_hold(const char *connector, const char *mapping);

/*
 * Waits for those who hold a connector, and keeps others from it: it, or a mapping
 * of it, is to go.  Forgets what is known of a mapping (NULL: of all), but for its
 * batches and tables.
 */
extern void config_claim(const char *connector);
extern void config_forget(const char *connector, const char *mapping);

/* Errors with 42704, listing those that exist, if there is no such mapping. */
extern Mapping *config_find_mapping(Connector *connector, const char *mapping);

/*
 * Looks at the target as it is now and fills in types; errors with 42P01,
 * 42703 or 42804 if table or columns are gone or changed (SPEC 4.2).
 */
extern void config_check_target(Mapping *mapping);

/* Errors with 42809 if other tables inherit from the target; partitions may. */
extern void check_no_children(Relation target);

/* Columns of a row that is compared (changes.c) beside those of source and target. */
#define FOUND_COLUMNS	5

/*
 * Errors with 42P16 unless the key's target columns are unique and not null, with
 * 54011 if the target has too many columns.
 */
extern void config_check_key(const Mapping *mapping);

/*
 * A key of several columns (SPEC 2.7) is a column of its own in previous and
 * delta, with no column in file and target: its text is that of a row of its
 * parts, (T1,1).
 */
#define is_key_made(m)			((m)->nparts > 1)
#define is_made_column(m, i)	(is_key_made(m) && (i) == (m)->key)

/*
 * The key of the pairs of a link table is both of their columns; where links have
 * further columns it is made of the two and of those in "link_key", which may be null.
 */
#define is_pair_key(m)			((m)->pairs && !is_key_made(m))

/* How many columns of the target belong to a link beside its two ends. */
extern int	link_columns(const Mapping *association);

/* The names of the key's target columns, for a message. */
extern char *key_targets(const Mapping *mapping);

/* Whether links may lead to an entity type's rows by something else than their key. */
extern bool has_unique_keys(const Mapping *mapping);

/* Whether a unique index that holds for every row covers just this column. */
extern bool is_unique_column(Relation target, AttrNumber attnum);

/*
 * Whether a value is short enough for the indexes that it must go into, and an
 * error with 22001 if not.  Their limit is that of a compressed value; this one
 * holds for all alike.
 */
extern bool is_indexed_length(const Mapping *mapping, int column, size_t length);
extern void check_indexed_length(const Mapping *mapping, int column, size_t length);

/* The column of a source name: the same, or else in other capitals; -1: there is none. */
extern int	find_source_column(const Mapping *mapping, const char *source);

/* The column that is written to a column of the target; NULL: none is. */
extern const MappingColumn *mapped_column(const Mapping *mapping, const char *target);

/* Whether a column is the key, or part of it, or repeats one. */
extern bool is_key_column(const Mapping *mapping, int column);

/* Settles which columns the key is made of, by their key_part. */
extern void find_key_parts(Mapping *mapping);

/* The key's columns in previous and delta, quoted, separated by commas. */
extern char *stored_key(const Mapping *mapping, const char *prefix);

/*
 * SQL: what a delta is indexed by, of these two expressions: a pair is long, and
 * its hash leads to it as well.
 */
extern char *pair_hash_sql(const char *value1, const char *value2);

/* SQL: whether rows a and b of previous or delta have the same key. */
extern char *same_stored_key(const Mapping *mapping, const char *a, const char *b);

/* SQL: the key that the row of a delta had before the batch: another text, at times. */
extern char *former_key(const Mapping *mapping, const char *delta);

/* SQL: whether row d of a delta changes row p of previous, or of an earlier delta. */
extern char *changes_stored_row(const Mapping *mapping, const char *d, const char *p);

/* Whether a stored column is one of the source's. */
#define is_source_column(m, i)	(!is_made_column(m, i) && !(m)->columns[i].is_mark)

/*
 * A column whose cells may leave what is there, and the stored column that names
 * those that did when the row was read last; -1: there is none.  The names are read
 * from its text, and written to it, as a flag for each stored column.
 */
#define may_keep(column)	((column)->keeps || (column)->optional == OPTIONAL_KEEP)
extern int	mark_column(const Mapping *mapping);
extern char *write_mark(const Mapping *mapping, const bool *kept);
extern void read_mark(const Mapping *mapping, Datum mark, bool isnull, bool *kept);

/* Whether a column's values are those of the source, at any time. */
#define is_compared(column)	((column)->target != NULL && !(column)->insert_only)

/*
 * The link tables' associations of a connector that fill the same rows together
 * (SPEC 2.7), in order; this one, or one that is to be the last, among them.
 */
extern List *link_siblings(const Mapping *association);

/* Whether it is the first of them, for which the table counts. */
#define is_first_sibling(m)	(strcmp(((Mapping *) linitial(link_siblings(m)))->name, (m)->name) == 0)

/* The other associations of the connector that read the same columns of the same file. */
extern List *pair_twins(const Mapping *association);

/* Whether the values of an end are compared in another text than their own. */
#define is_folded(e)		((e)->match == MATCH_IGNORE_CASE || (e)->match == MATCH_DN)

/* The column of the entity type's key, and of the property, of an end. */
#define key_of_end(e)		(&(e)->entity->columns[(e)->entity->key])
#define property_of_end(e)	(&(e)->entity->columns[(e)->property])

/* Whether an end is an entity type of the association's own connector. */
extern bool is_own_end(const Mapping *association, const AssociationEnd *end);

/* The text of a column's type, as a mapping keeps it. */
extern char *config_type_text(Oid type, int32 typmod);

/* Errors with 55000 unless the extension's tables for the mapping are there. */
extern Oid	config_table(const Mapping *mapping, const char *schema);

/* "schema"."table" of the mapping's own tables, quoted. */
extern char *own_table(const char *schema, const Mapping *mapping);

#define previous_table(m)	own_table("syncup_previous", (m))
#define delta_table(m)		own_table("syncup_delta", (m))
#define changes_table(m)	own_table("syncup_changes", (m))

/* The stored columns of previous and delta, quoted, separated by commas. */
extern char *stored_columns(const Mapping *mapping, const char *prefix);

/* Those of them that the file has, and the columns of its key. */
extern char *source_columns(const Mapping *mapping, const char *prefix);
extern char *source_key(const Mapping *mapping, const char *prefix);
#define nsource_columns(m)	((m)->nstored - is_key_made(m) - (mark_column(m) >= 0))

/*
 * While entered, errors say the connector and the mapping; or all the mappings
 * that share a file, until one of them is at hand.
 */
typedef struct MappingScope
{
	ErrorContextCallback callback;
	const Mapping *mapping;		/* at hand; NULL: all */
	List	   *mappings;
} MappingScope;

extern MappingScope *mapping_enter(MappingScope *scope, const Mapping *mapping);
extern void mapping_enter_all(MappingScope *scope, List *mappings);
#define mapping_at(scope, m)	((scope)->mapping = (m))
extern MappingScope *mapping_leave(MappingScope *scope);

/* What follows is done while it is entered; neither break nor return may leave it. */
#define within_mapping(m) \
	for (MappingScope entered, *within = mapping_enter(&entered, (m)); within != NULL; within = mapping_leave(within))

#endif							/* SYNCUP_CONFIG_H */
