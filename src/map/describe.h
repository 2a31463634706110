/*
 * describe.h
 *		What a mapping call answers with: what is mapped and what is not.
 */
#ifndef SYNCUP_DESCRIBE_H
#define SYNCUP_DESCRIBE_H

#include "config/config.h"
#include "utils/rel.h"

/*
 * A NOTICE of the columns that are mapped, those only in the file, as its header
 * is now, and those only in the target.  A file that cannot be read is no error.
 */
extern void say_what_is_mapped(const Mapping *mapping, Relation target);

/* Whether the mapping writes a column of its target. */
extern bool writes_column(const Mapping *mapping, const char *column);

/*
 * The attribute of a column of the mapping's target, which must be there, and be one
 * that can be written.  detail: who names it, for the error; NULL: the call itself.
 */
extern Form_pg_attribute existing_column(const Mapping *mapping, Relation table, const char *name, const char *detail);
extern Form_pg_attribute writable_column(const Mapping *mapping, Relation table, const char *name, const char *detail);

#endif							/* SYNCUP_DESCRIBE_H */
