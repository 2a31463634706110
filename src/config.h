/*
 * config.h
 *		A connector and its mappings, as structs: read once per operation.
 */
#ifndef SYNCUP_CONFIG_H
#define SYNCUP_CONFIG_H

#include "syncup.h"

#include "access/attnum.h"
#include "convert.h"
#include "options.h"

typedef struct MappingColumn
{
	char	   *source;			/* name in the file's header */
	char	   *stored;			/* name in previous and delta */
	char	   *target;			/* column of the target; NULL: stored only */
	char	   *target_type;	/* its type when it was mapped, as text */
	char	   *change_column;	/* name in the change table */
	char	   *format;			/* see format.h; NULL: none */

	/* of the target, as it is now; where target is not NULL */
	AttrNumber	attnum;
	Oid			type;
	int32		typmod;
	Oid			collation;
} MappingColumn;

typedef struct Mapping
{
	struct Connector *connector;
	char	   *name;
	bool		association;
	Oid			target;
	char	   *target_name;	/* qualified and quoted */
	char	   *file;
	int			key;			/* index in columns */
	int			ncolumns;
	MappingColumn *columns;
	Options    *options;		/* the connector's, overlaid by its own */
	Jsonb	   *own_options;
	char	   *table_name;
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
} Connector;

/*
 * Reads a connector; errors with 42704, listing those that exist, if there is
 * none of that name.  Targets are not looked at.
 */
extern Connector *config_load(const char *connector);

/* Errors with 42704, listing those that exist, if there is no such mapping. */
extern Mapping *config_find_mapping(Connector *connector, const char *mapping);

/*
 * Looks at the target as it is now and fills in types; errors with 42P01,
 * 42703 or 42804 if table or columns are gone or changed (SPEC 4.2).
 */
extern void config_check_target(Mapping *mapping);

/* Errors with 42P16 unless the key's target column is unique and not null. */
extern void config_check_key(const Mapping *mapping);

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

/* While entered, errors say the connector and the mapping. */
typedef struct MappingScope
{
	ErrorContextCallback callback;
} MappingScope;

extern void mapping_enter(MappingScope *scope, Mapping *mapping);
extern void mapping_leave(MappingScope *scope);

#endif							/* SYNCUP_CONFIG_H */
