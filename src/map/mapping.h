/*
 * mapping.h
 *		What entity types and associations share when they are mapped.
 */
#ifndef SYNCUP_MAPPING_H
#define SYNCUP_MAPPING_H

#include "syncup.h"
#include "config/config.h"
#include "nodes/parsenodes.h"
#include "utils/array.h"
#include "utils/rel.h"

/* The path of the file that a mapping reads, or the name of the relation. */
extern char *mapping_path(const Mapping *mapping, bool incremental);

/* Its file as it was named; whether that lies nowhere on the server, so that clients have to send it. */
extern const char *mapping_file(const Mapping *mapping, bool incremental);
extern bool mapping_is_sent(const Mapping *mapping, bool incremental);

/* The mapping of this name if there is one, else NULL. */
extern Mapping *existing_mapping(Connector *connector, const char *name);

/*
 * Reads target, file and options of a mapping that is not stored yet; old: as it
 * is stored, NULL if it is not, whose options stay where no others are given.
 */
extern Mapping *begin_mapping(Connector *connector, const char *name, Relation target,
							  const char *file, Jsonb *options, const Mapping *old,
							  bool association);

/* Whether option "constants" gives a column its value. */
extern bool is_constant(const Mapping *mapping, const char *name);

/* Errors about a column that an insert could not fill. */
extern void check_fillable(const Mapping *mapping, Relation target);

/* Errors unless the current user may do this to the table or its column. */
extern void check_privilege(Relation target, AttrNumber attnum, AclMode mode, const char *what);

/* Takes the options "columns" and "link_key" of a link table. */
extern void take_columns_of_links(Mapping *mapping, Relation target);

/* Gives the tables of an association other columns, keeping what is stored. */
extern void change_columns_of_links(const Mapping *old, Mapping *new);

/* Errors about options "scope" and "constants", where they are given. */
extern void check_scope(Mapping *mapping, Relation target);
extern void check_constants(Mapping *mapping, Relation target);

/* Names the columns of the previous, delta and change tables. */
extern void name_stored_columns(Mapping *mapping);

/* Gives a new mapping a table name that nobody else has, and makes the tables. */
extern void create_mapping_tables(Mapping *mapping);

/*
 * Lets the connector's tables go with the extension where that is forgotten:
 * no dump says it, so they lose it by pg_restore and pg_upgrade.  The connector
 * is locked.
 */
extern void adopt_mapping_tables(const Connector *connector);

/*
 * Errors while a batch of the connector waits: it was prepared for the mappings
 * as they were.  The message names the mapping; NULL: the connector's time zone.
 */
extern void check_no_batch_waits(const char *connector, const char *mapping);

/* The same about a new mapping: only a complete batch is in its way. */
extern void check_can_add(const char *connector, const char *mapping);

/* Notes that the kept changes of a connector's batches are not whole any more. */
extern void forget_kept_changes(const Connector *connector);

/* Whether any row was applied for the mapping. */
extern bool has_previous(const Mapping *mapping);

/* Writes the mapping's rows of configuration. */
extern void store_mapping(Mapping *mapping, ArrayType *unique_keys);

/* Sees that previous has an index on what the values of an end are compared in. */
extern void index_folded(const Mapping *mapping, int column, const AssociationEnd *end);

/*
 * Checks option "where"; the source columns that it names (of char *), as the header
 * says them where the file is there.  old: the mapping as it is stored, or NULL.
 */
extern List *where_sources(const Mapping *mapping, const Mapping *old);

/* Sees that previous has an index on each property that associations use. */
extern void index_properties(Mapping *entity);

#endif							/* SYNCUP_MAPPING_H */
