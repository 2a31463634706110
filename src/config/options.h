/*
 * options.h
 *		The options of connectors, mappings and calls (SPEC 2.1 and 2.5), read
 *		from jsonb and checked.
 */
#ifndef SYNCUP_OPTIONS_H
#define SYNCUP_OPTIONS_H

#include "syncup.h"
#include "config/csv_dialect.h"

typedef enum OnError
{
	ON_ERROR_STOP,
	ON_ERROR_QUARANTINE
} OnError;

typedef enum OnDuplicate
{
	DUPLICATES_FIRST,
	DUPLICATES_REJECT
} OnDuplicate;

/* How the values of a side of an association compare with the property that they mean. */
typedef enum Match
{
	MATCH_TYPE,					/* as values of the column that it is mapped to */
	MATCH_EXACT,				/* as bytes */
	MATCH_IGNORE_CASE,
	MATCH_DN					/* as distinguished names: dn.h */
} Match;

/* How far below its base a directory is read. */
typedef enum DirectoryScope
{
	SCOPE_SUB,
	SCOPE_ONE,
	SCOPE_BASE
} DirectoryScope;

/* What option "reject_limit" counts of the rows set aside. */
typedef enum RejectLimit
{
	LIMIT_ALL,
	LIMIT_REJECTED,
	LIMIT_DUPLICATES,			/* with other contents */
	LIMIT_NULL_KEYS,
	REJECT_LIMITS
} RejectLimit;

/* Not one of PostgreSQL's encodings, so numbered outside them. */
#define ENCODING_UTF16LE	1001
#define ENCODING_UTF16BE	1002

/* Who may give an option. */
#define OPTION_READ			0x01	/* whoever reads a file */
#define OPTION_PREPARE		0x02	/* files of a connector */
#define OPTION_ENTITY_TYPE	0x04	/* an entity type mapping */
#define OPTION_ASSOCIATION	0x08	/* an association mapping */
#define OPTION_CONNECTOR	0x10	/* a connector, for itself */
#define OPTION_FILE			0x20	/* says what a file is like: nobody gives it where a relation is read */
#define OPTION_CALL			0x40	/* one call of prepare */
#define OPTION_DIRECTORY	0x80	/* whoever reads a directory */

#define OPTIONS_OF_CALL		OPTION_READ
#define OPTIONS_OF_FILES	(OPTION_READ | OPTION_PREPARE)
#define OPTIONS_OF_CONNECTOR	(OPTIONS_OF_FILES | OPTION_CONNECTOR)

typedef struct Options
{
	CsvDialect	csv;
	int			encoding;		/* a pg_enc or ENCODING_UTF16xx */
	bool		header;
	int64		skip_lines;
	List	   *names;			/* of char *: columns of a file without header */
	List	   *nulls;			/* of char *: texts that mean no value */
	char	   *comment;		/* lines that begin so are no rows */
	text	   *ignore_lines;	/* nor those that match this */
	text	   *trailer;		/* what the last line must match */
	OnError		on_error;
	int64		reject_limit[REJECT_LIMITS];	/* -1: none */
	char	   *timezone;
	char	   *command_column; /* NULL: the file is a full extract */
	Jsonb	   *commands;		/* {"word": "command"}: more words */

	bool		pattern;
	char	   *incremental_file;
	Jsonb	   *incremental_options;	/* of that file alone */
	char	   *done_suffix;
	double		min_age;		/* seconds */
	OnDuplicate duplicates;

	bool		optional;		/* the file may be missing */
	char	   *source;			/* a relation that is read instead of a file */
	char	   *where;			/* SQL expression over the file's columns, as texts */
	char	   *scope;			/* SQL expression over the target's columns */
	Jsonb	   *constants;		/* {"column": "value"} */
	char	   *deleted_column;
	char	   *old_key;		/* source column that tells the former key */
	char	   *stable_key;		/* unique key by which a row with a new key is known */

	char	   *display;		/* column of the target that people know its rows by */
	char	   *watch;			/* SQL expression over mapped columns of the target, as texts */

	char	   *store1;
	char	   *store2;
	Match		match[2];
	char	   *split;
	Jsonb	   *columns;		/* of links: {"source": "target"} */
	List	   *link_key;		/* of char *: those that tell links of a pair apart */

	bool		ignore_cookie;	/* directories are read as a whole */
	DirectoryScope directory_scope;
	int64		page_size;		/* 0: all at once */
	double		timeout;		/* seconds */
	char	   *separator;		/* between several values in a text */
	List	   *binary;			/* of char *: attributes whose values are no texts */
	pg_uuid_t  *session;		/* in which a client has sent files */
} Options;

/*
 * The options of a call: defaults, overlaid by the given documents in order
 * (the last wins; NULL documents are skipped).  allowed says which kinds of
 * option may be given; another, unknown or ill-valued one is an error with
 * SQLSTATE 22023.
 */
extern Options *options_read(int allowed, int ndocuments, Jsonb **documents);

/*
 * Errors if a mapping's own options, over those of its connector, have one that
 * says nothing for want of another: commands without their column, options of a
 * file for incremental runs that there is none.
 */
extern void options_check_company(int allowed, Jsonb *general, Jsonb *own);

/* The options of a call that reads one file: nothing is to be laid over or under them. */
extern Options *options_of_call(Jsonb *document);

/*
 * Stored options with those of a new call over them: what the call does not name
 * stays, what it gives as null goes back to its default.  NULL: none.  Needs SPI;
 * only names are checked.
 */
extern Jsonb *options_merge(int allowed, Jsonb *stored, Jsonb *given);

/* Errors with 22023 if the document has an option that says what a file is like. */
extern void options_check_relation(Jsonb *document);

/* What an object holds, or without names a list, in its order: of JsonMember. */
typedef struct JsonMember
{
	char	   *name;
	JsonbValue	value;
} JsonMember;

extern List *json_members(JsonbContainer *container);

/* The text of a single value of a document; NULL for null and for no single value. */
extern char *json_scalar_text(const JsonbValue *value);

#endif							/* SYNCUP_OPTIONS_H */
