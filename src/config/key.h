/*
 * key.h
 *		Keys that are one key in several spellings (SPEC 4.1).
 */
#ifndef SYNCUP_KEY_H
#define SYNCUP_KEY_H

#include "syncup.h"
#include "config/config.h"
#include "format/convert.h"
#include "digest/digest.h"

/* One column of the target that keys become values of. */
typedef struct KeyPart
{
	Converter	converter;
	FmgrInfo	hash;			/* extended: of a value and a seed */
	FmgrInfo	equal;
	Oid			collation;
} KeyPart;

/*
 * What two texts have to have in common to be one key: in general their value
 * in the type of the target's key column, after the column's format.  Of a key
 * of several columns the value is an array of theirs (PointerGetDatum).
 */
typedef struct KeyType
{
	bool		bytewise;		/* texts that differ are different keys: nothing else matters */
	bool		canonical;		/* equal values are the same bytes, and written alike */
	bool		formatted;		/* a format makes the values */
	int			nparts;
	KeyPart    *parts;
	RowBytes	bytes;
} KeyType;

/* ---------- keys of several columns, as text ---------- */

/*
 * Puts the text of the key that the fields of a row make, (T1,1), into its own
 * field; NULL where one of them is empty.  Does nothing where a column of the
 * file is the key.
 */
extern void make_key(const Mapping *mapping, const char **fields, size_t *lengths);

/* The texts of the parts that such a key is made of. */
extern char **key_parts_of_text(const char *text, int *count);

/* Which column of a key that is empty is. */
extern char *empty_key_message(const Mapping *mapping, const char **fields, const size_t *lengths);

/* Errors with 42883 where a type has no default hash operator class. */
extern void key_type_check(const Mapping *mapping);

/* Of an entity type whose target was looked at; keys of associations are bytewise. */
extern void key_type_init(KeyType *type, const Mapping *mapping);

/*
 * The same of any column; what no target column or no hash operator class tells
 * of is bytewise.
 */
extern void column_type_init(KeyType *type, const MappingColumn *column);

/* Whether only texts of the same bytes are one key of the mapping. */
extern bool is_key_bytewise(const Mapping *mapping);

/*
 * The value of a key's text, in the current memory context; errors where the
 * type or the format refuses it, or makes null of it.
 */
extern Datum key_value(KeyType *type, const char *text);

/* The same of the texts of its parts, one by one; and of those values the key's. */
extern Datum key_part_value(KeyType *type, int part, const char *text);
extern Datum key_of_parts(const KeyType *type, Datum *values);

/* A digest that equal values share, and no others. */
extern Digest key_identity(KeyType *type, const DigestKey *key, Datum value);

/* The texts of its parts, as their types write them. */
extern char **key_written_parts(KeyType *type, Datum value);

/* The text that a value usually has; NULL: equal values are not written alike. */
extern char *key_usual_text(KeyType *type, Datum value);

/*
 * What a key that has another text than the usual one is found by: column
 * "key_hash" of previous and delta.  Null of the usual text.
 */
extern int64 key_hash(KeyType *type, Datum value);
extern bool key_needs_hash(KeyType *type, Datum value, const char *text);

/* Whether two values are one key. */
extern bool key_equal(KeyType *type, Datum a, Datum b);

#endif							/* SYNCUP_KEY_H */
