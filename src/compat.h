/*
 * compat.h
 *		Every difference between PostgreSQL 15, 16, 17 and 18 that syncup meets.
 */
#ifndef SYNCUP_COMPAT_H
#define SYNCUP_COMPAT_H

#include "postgres.h"

#include "commands/explain.h"
#include "executor/executor.h"
#include "storage/proc.h"
#include "storage/procarray.h"

#if PG_VERSION_NUM < 150000
#error "syncup needs PostgreSQL 15 or later"
#endif

/* The process behind a virtual transaction: slots got their own numbers in 17. */
#if PG_VERSION_NUM >= 170000
#define vxid_process(vxid)	ProcNumberGetProc((vxid).procNumber)
#else
#define vxid_process(vxid)	BackendIdGetProc((vxid).backendId)
#endif

/* Inserting index entries: summarizing-only updates came with 16. */
#if PG_VERSION_NUM >= 160000
#define insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL, false)
#else
#define insert_index_tuples(info, slot, estate) \
	ExecInsertIndexTuples((info), (slot), (estate), false, false, NULL, NIL)
#endif

/* Privilege checks by class: one generic function from 16 on. */
#if PG_VERSION_NUM >= 160000
#define schema_aclcheck(oid, role, mode) \
	object_aclcheck(NamespaceRelationId, (oid), (role), (mode))
#else
#define schema_aclcheck(oid, role, mode) \
	pg_namespace_aclcheck((oid), (role), (mode))
#endif

/* Row types of a slot's attributes are reached through a function from 18 on. */
#if PG_VERSION_NUM < 180000
#define tuple_attribute(desc, i)	(&(desc)->attrs[i])
#else
#define tuple_attribute(desc, i)	TupleDescAttr((desc), (i))
#endif

#endif							/* SYNCUP_COMPAT_H */
