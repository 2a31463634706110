/*
 * relation.c
 *		A relation as a source: its rows as the bytes of a CSV file.
 *
 * What is read of a table, a view or a foreign table becomes a temporary file in
 * the form that the reader knows best.  So every pass sees the same rows, whatever
 * the relation would answer the next time, and all that is true of a file is true
 * of it: a mapping can change from the one to the other.
 */
#include "csv/relation.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "config/progress.h"
#include "tool/sql.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/varlena.h"

/* So many bytes are gathered before they are written. */
#define CHUNK	(64 * 1024)

/* A relation on its way to the file. */
typedef struct Spool
{
	BufFile    *file;
	StringInfoData bytes;		/* not yet written */
	int64		size;
	int64		rows;
	int			ncolumns;
	int		   *attributes;		/* of columns that are not dropped, from 0 */
	FmgrInfo   *outputs;
	bool	   *is_text;
} Spool;

/* Errors unless a text is a name, or several with points between them. */
static void
check_is_name(const char *name)
{
	List	   *names;

	if (!SplitIdentifierString(pstrdup(name), '.', &names) || names == NIL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_NAME),
				 errmsg("option \"source\" is no name of a relation"),
				 errhint("Name a table, view or foreign table with its schema, such as public.staff; a query is read through a view.")));
}

char *
relation_check_source(const char *name)
{
	RangeVar   *range;
	Oid			oid;
	char		kind;

	check_is_name(name);
	range = makeRangeVarFromNameList(qualified_names(name));
	oid = RangeVarGetRelid(range, AccessShareLock, true);

	if (!OidIsValid(oid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation \"%s\" of option \"source\" does not exist", name),
				 range->schemaname == NULL ? errhint("Name it with its schema.") : 0));
	kind = get_rel_relkind(oid);
	if (strchr("rpvmf", kind) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("\"%s\" cannot be a source", name),
				 errdetail("It is no table, view, materialized view or foreign table.")));
	if (pg_class_aclcheck(oid, GetUserId(), ACL_SELECT) != ACLCHECK_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for relation %s, which is a source", name),
				 errhint("It is read with the rights of whoever maps, prepares or runs: grant SELECT on it.")));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(oid)), get_rel_name(oid));
}

/* Writes what was gathered. */
static void
flush(Spool *spool)
{
	BufFileWrite(spool->file, spool->bytes.data, spool->bytes.len);
	spool->size += spool->bytes.len;
	resetStringInfo(&spool->bytes);
}

/* Of eight bytes, a bit for each that is the one of which the mask has eight. */
static inline uint64
bytes_equal(uint64 bytes, uint64 mask)
{
	uint64		different = bytes ^ mask;

	return (different - UINT64CONST(0x0101010101010101)) & ~different & UINT64CONST(0x8080808080808080);
}

/* Whether a value stands in quotes: most have no such character. */
static inline bool
needs_quotes(const char *value, size_t length)
{
	size_t		done = 0;

	for (; done + sizeof(uint64) <= length; done += sizeof(uint64))
	{
		uint64		bytes;

		memcpy(&bytes, value + done, sizeof(uint64));
		if (bytes_equal(bytes, UINT64CONST(0x2222222222222222)) |	/* quote */
			bytes_equal(bytes, UINT64CONST(0x2C2C2C2C2C2C2C2C)) |	/* comma */
			bytes_equal(bytes, UINT64CONST(0x0A0A0A0A0A0A0A0A)) |
			bytes_equal(bytes, UINT64CONST(0x0D0D0D0D0D0D0D0D)))
			return true;
	}
	for (; done < length; done++)
		if (value[done] == '"' || value[done] == ',' || value[done] == '\n' || value[done] == '\r')
			return true;
	return length == 0;
}

/* Adds a value as a field, quoted: what quotes it holds are doubled. */
static void
add_quoted(Spool *spool, const char *value, size_t length)
{
	const char *end = value + length;
	const char *quote;

	appendStringInfoChar(&spool->bytes, '"');
	while ((quote = memchr(value, '"', end - value)) != NULL)
	{
		appendBinaryStringInfo(&spool->bytes, value, quote + 1 - value);
		appendStringInfoChar(&spool->bytes, '"');
		value = quote + 1;
	}
	appendBinaryStringInfo(&spool->bytes, value, end - value);
	appendStringInfoChar(&spool->bytes, '"');
}

/* Adds a value as a field. */
static inline void
add_field(Spool *spool, const char *value, size_t length)
{
	StringInfo	bytes = &spool->bytes;

	if (needs_quotes(value, length))
		add_quoted(spool, value, length);
	else
	{
		if (length >= bytes->maxlen - bytes->len)
			enlargeStringInfo(bytes, length);
		memcpy(bytes->data + bytes->len, value, length);
		bytes->len += length;
	}
}

/* Ends a line: one that is empty would be no row, so a single column has another one beside it. */
static void
end_row(Spool *spool)
{
	if (spool->ncolumns == 1)
		appendStringInfoChar(&spool->bytes, ',');
	appendStringInfoChar(&spool->bytes, '\n');
}

/* Writes the header. */
static void
begin_rows(void *arg, TupleDesc tupdesc)
{
	Spool	   *spool = arg;

	spool->attributes = palloc(sizeof(int) * tupdesc->natts);
	spool->outputs = palloc0(sizeof(FmgrInfo) * tupdesc->natts);
	spool->is_text = palloc0(sizeof(bool) * tupdesc->natts);
	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(tupdesc, i);
		Oid			function;
		bool		varlena;

		if (attribute->attisdropped)
			continue;
		getTypeOutputInfo(attribute->atttypid, &function, &varlena);
		fmgr_info(function, &spool->outputs[spool->ncolumns]);
		spool->is_text[spool->ncolumns] = attribute->atttypid == TEXTOID || attribute->atttypid == VARCHAROID;
		spool->attributes[spool->ncolumns] = i;
		if (spool->ncolumns++ > 0)
			appendStringInfoChar(&spool->bytes, ',');
		add_field(spool, NameStr(attribute->attname), strlen(NameStr(attribute->attname)));
	}
	end_row(spool);
}

/* Writes a row. */
static void
spool_row(void *arg, TupleTableSlot *slot)
{
	Spool	   *spool = arg;

	CHECK_FOR_INTERRUPTS();
	slot_getallattrs(slot);
	for (int n = 0; n < spool->ncolumns; n++)
	{
		int			attribute = spool->attributes[n];
		Datum		value = slot->tts_values[attribute];

		if (n > 0)
			appendStringInfoChar(&spool->bytes, ',');
		if (slot->tts_isnull[attribute])
			continue;
		if (spool->is_text[n])
		{
			text	   *string = DatumGetTextPP(value);

			add_field(spool, VARDATA_ANY(string), VARSIZE_ANY_EXHDR(string));
		}
		else
		{
			char	   *string = OutputFunctionCall(&spool->outputs[n], value);

			add_field(spool, string, strlen(string));
		}
	}
	end_row(spool);
	if (spool->bytes.len >= CHUNK)
		flush(spool);
	if (++spool->rows % 1024 == 0)
		progress_rows(spool->rows);
}

char *
relation_header(const char *name)
{
	Spool		spool = {0};

	initStringInfo(&spool.bytes);
	caller_rows(psprintf("SELECT * FROM %s r LIMIT 0", relation_check_source(name)),
				GetActiveSnapshot(), SQL_NO_ARGS, begin_rows, spool_row, &spool);
	return spool.bytes.data;
}

BufFile *
relation_spool(const char *name, int64 *size)
{
	Spool		spool = {.file = BufFileCreateTemp(false)};

	initStringInfo(&spool.bytes);
	caller_rows(psprintf("SELECT * FROM %s r", relation_check_source(name)),
				GetActiveSnapshot(), SQL_NO_ARGS, begin_rows, spool_row, &spool);
	flush(&spool);
	pfree(spool.bytes.data);
	if (BufFileSeek(spool.file, 0, 0, SEEK_SET) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read a temporary file from its beginning")));
	*size = spool.size;
	return spool.file;
}
