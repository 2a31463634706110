/*
 * connector.h
 *		What connectors and mappings share when they are made and dropped.
 */
#ifndef SYNCUP_CONNECTOR_H
#define SYNCUP_CONNECTOR_H

#include "config/config.h"

/* Errors with 42602 unless the name can serve; kind is for the message. */
extern void check_name(const char *kind, const char *name);

/* Errors with 22004, naming the argument, if it is null. */
extern void required_argument(FunctionCallInfo fcinfo, int number, const char *name);

/* A text argument: NULL for null, or an error that names it. */
extern char *optional_text(FunctionCallInfo fcinfo, int number);
extern char *required_text(FunctionCallInfo fcinfo, int number, const char *name);

/* Errors unless a procedure, of this name, was called where it can commit. */
extern void check_may_commit(FunctionCallInfo fcinfo, const char *procedure, const char *hint);

/* Drops previous, delta and change tables of a mapping (mapping.c). */
extern void drop_mapping_tables(const Mapping *mapping);

#endif							/* SYNCUP_CONNECTOR_H */
