/*
 * end_key.h
 *		Keys of the rows at the ends of links, in statements on links.
 */
#ifndef SYNCUP_END_KEY_H
#define SYNCUP_END_KEY_H

#include "syncup.h"
#include "config/config.h"
#include "format/convert.h"
#include "config/key.h"
#include "tool/rows.h"

/* What makes a value of a key's text. */
typedef struct EndKey
{
	bool		made;			/* of several columns */
	Converter	converter;		/* of one */
	KeyType		type;			/* of several */
	int16		typlen;
	bool		typbyval;
} EndKey;

extern void end_key_init(EndKey *key, const AssociationEnd *end);

/* The value of a stored key's text, in the current memory context; null in its format. */
extern Datum end_key_value(EndKey *key, const char *text, bool *isnull);

/* Describes a column of such values. */
extern void end_key_describe(TypedRows *rows, const char *name, const AssociationEnd *end);

/*
 * SQL: the key of the entity type's row under an alias; whether that row has a
 * key; whether two keys are the same; whether the row is there.
 */
extern char *end_key_sql(const AssociationEnd *end, const char *alias);
extern char *has_end_key_sql(const AssociationEnd *end, const char *alias, const char *key);
extern char *same_end_key_sql(const AssociationEnd *end, const char *a, const char *b);
extern char *is_row_sql(const AssociationEnd *end, const char *alias);

/* SQL: a key as a person reads it, and what that text is the key of (as the owner). */
extern char *end_key_text_sql(const AssociationEnd *end, const char *key);
extern char *end_key_of_text_sql(const AssociationEnd *end, const char *text);

/* SQL: the key of a change of the entity type. */
extern char *end_key_of_change_sql(const AssociationEnd *end);

#endif							/* SYNCUP_END_KEY_H */
