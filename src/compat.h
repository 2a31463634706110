/*
 * compat.h
 *		Every difference between PostgreSQL 15, 16, 17 and 18 that syncup meets.
 */
#ifndef SYNCUP_COMPAT_H
#define SYNCUP_COMPAT_H

#include "postgres.h"

#include "access/genam.h"
#include "catalog/index.h"
#include "executor/executor.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/guc_tables.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

#if PG_VERSION_NUM < 150000
#error "syncup needs PostgreSQL 15 or later"
#endif

/* A function that does not return: said before its declaration from 18 on. */
#if PG_VERSION_NUM < 180000
#define pg_noreturn			pg_attribute_noreturn()
#endif

/* Lists gone through by what they hold came with 17. */
#if PG_VERSION_NUM < 170000
#define foreach_ptr(type, var, list)	foreach_internal(type, *, var, list, lfirst)
#define foreach_int(var, list)	foreach_internal(int, , var, list, lfirst_int)
#define foreach_oid(var, list)	foreach_internal(Oid, , var, list, lfirst_oid)
#define foreach_internal(type, pointer, var, list, first) \
	for (type pointer var = 0, pointer var##__once = (type pointer) 1; var##__once; var##__once = 0) \
		for (ForEachState var##__state = {(list), 0}; \
			 var##__state.l != NIL && var##__state.i < var##__state.l->length && \
			 (var = first(&var##__state.l->elements[var##__state.i]), true); \
			 var##__state.i++)
#endif

/* The process behind a virtual transaction: slots got their own numbers in 17. */
#if PG_VERSION_NUM >= 170000
#define vxid_process(vxid)	ProcNumberGetProc((vxid).procNumber)
#define process_lxid(process)	((process)->vxid.lxid)
#else
#define vxid_process(vxid)	BackendIdGetProc((vxid).backendId)
#define process_lxid(process)	((process)->lxid)
#endif

/* A qualified name's parts: errors may be kept from 16 on. */
#if PG_VERSION_NUM >= 160000
#define qualified_names(name)	stringToQualifiedNameList((name), NULL)
#else
#define qualified_names(name)	stringToQualifiedNameList(name)
#endif

/* Inserting index entries: summarizing-only updates came with 16. */
#if PG_VERSION_NUM >= 160000
#define insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL, false)
#else
#define insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL)
#endif

/* The next value of a sort: may be left in the sort's memory from 16 on. */
#if PG_VERSION_NUM >= 160000
#define sorted_datum(sort, value, isnull) \
	tuplesort_getdatum((sort), true, true, (value), (isnull), NULL)
#else
#define sorted_datum(sort, value, isnull) \
	tuplesort_getdatum((sort), true, (value), (isnull), NULL)
#endif

/* Beginning an index scan: may be counted from 18 on. */
#if PG_VERSION_NUM >= 180000
#define begin_index_scan(table, index, snapshot, keys) \
	index_beginscan((table), (index), (snapshot), NULL, (keys), 0)
#else
#define begin_index_scan(table, index, snapshot, keys) \
	index_beginscan((table), (index), (snapshot), (keys), 0)
#endif

/* Building the indexes of a table anew: takes the statement, if any, from 17 on. */
#if PG_VERSION_NUM >= 170000
#define rebuild_indexes(table)	((void) reindex_relation(NULL, (table), 0, &(ReindexParams) {0}))
#else
#define rebuild_indexes(table)	((void) reindex_relation((table), 0, &(ReindexParams) {0}))
#endif

/* errcode_for_file_access(), which knows of names that are too long from 18 on. */
#if PG_VERSION_NUM >= 180000
#define errcode_for_file()	errcode_for_file_access()
#else
#define ERRCODE_FILE_NAME_TOO_LONG	MAKE_SQLSTATE('5', '8', 'P', '0', '3')
static inline int
errcode_for_file(void)
{
	return errno == ENAMETOOLONG ? errcode(ERRCODE_FILE_NAME_TOO_LONG) : errcode_for_file_access();
}
#endif

/* Whether the user may use a foreign server, a schema: one function for all objects from 16 on. */
#if PG_VERSION_NUM >= 160000
#define may_use_server(server) \
	(object_aclcheck(ForeignServerRelationId, (server), GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#define may_use_schema(schema) \
	(object_aclcheck(NamespaceRelationId, (schema), GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#else
#define may_use_server(server) \
	(pg_foreign_server_aclcheck((server), GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#define may_use_schema(schema) \
	(pg_namespace_aclcheck((schema), GetUserId(), ACL_USAGE) == ACLCHECK_OK)
#endif

/* A setting by its name: can be asked for from 16 on. */
static inline struct config_generic *
setting_named(const char *name)
{
#if PG_VERSION_NUM >= 160000
	return find_option(name, false, false, ERROR);
#else
	struct config_generic **settings = get_guc_variables();

	for (int i = 0; i < GetNumConfigOptions(); i++)
		if (strcmp(settings[i]->name, name) == 0)
			return settings[i];
	return NULL;
#endif
}

#endif							/* SYNCUP_COMPAT_H */
