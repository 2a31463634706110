/*
 * upload.c
 *		Files that a client has sent in a session, read from syncup.upload_part.
 *
 * A part may be as long as its sender likes: pieces of it are read, which
 * PostgreSQL stores so that each can be found by itself.
 */
#include "csv/upload.h"

#include "tool/sql.h"

#define PIECE	(1024 * 1024)

List *
uploads_of(const pg_uuid_t *session)
{
	uint64		count = own_sql("SELECT file, bytes, sent_at FROM syncup.upload_file WHERE session = $1 ORDER BY file",
								SQL_ARGS(SQL_UUID(session)));
	List	   *uploads = NIL;

	for (uint64 i = 0; i < count; i++)
	{
		Upload	   *upload = palloc0(sizeof(Upload));
		bool		isnull;

		upload->session = *session;
		upload->file = sql_text(i, 1);
		upload->size = sql_int8(i, 2);
		upload->sent = DatumGetTimestampTz(sql_datum(i, 3, &isnull));
		uploads = lappend(uploads, upload);
	}
	return uploads;
}

void
upload_check_complete(const Upload *upload)
{
	char	   *missing;

	own_sql("SELECT syncup.missing_parts($1, $2)", SQL_ARGS(SQL_UUID(&upload->session), SQL_TEXT(upload->file)));
	missing = sql_text(0, 1);
	if (missing != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("file \"%s\" of the session is not complete", upload->file),
				 errdetail("Parts that did not come: %s.", missing),
				 errhint("Send them with syncup_upload(), and prepare the session then.")));
}

/* Gets the next piece; false at the end. */
static bool
next_piece(const Upload *upload, UploadPlace *place)
{
	SPITupleTable *table = SPI_tuptable;
	uint64		processed = SPI_processed;
	bool		isnull;
	bool		found;

	/* Whoever reads a row may have another result at hand. */
	found = own_sql("SELECT p.part, substr(p.content, CASE WHEN p.part = $3 THEN $4 ELSE 1 END, $5) FROM syncup.upload_part p"
					" WHERE p.session = $1 AND p.file = $2 AND p.part >= $3"
					" AND octet_length(p.content) >= CASE WHEN p.part = $3 THEN $4 ELSE 1 END"
					" ORDER BY p.part LIMIT 1",
					SQL_ARGS(SQL_UUID(&upload->session), SQL_TEXT(upload->file), SQL_INT4(place->part),
							 SQL_INT4(place->next), SQL_INT4(PIECE))) > 0;
	if (found)
	{
		int32		part = sql_int4(0, 1);
		MemoryContext before = MemoryContextSwitchTo(place->context);

		place->piece = DatumGetByteaPCopy(sql_datum(0, 2, &isnull));
		MemoryContextSwitchTo(before);
		place->next = (part == place->part ? place->next : 1) + VARSIZE_ANY_EXHDR(place->piece);
		place->part = part;
		place->given = 0;
	}
	SPI_freetuptable(SPI_tuptable);
	SPI_tuptable = table;
	SPI_processed = processed;
	return found;
}

size_t
upload_read(const Upload *upload, UploadPlace *place, void *buffer, size_t capacity)
{
	size_t		length;

	if (place->piece == NULL && !next_piece(upload, place))
		return 0;
	length = Min(capacity, VARSIZE_ANY_EXHDR(place->piece) - place->given);
	memcpy(buffer, VARDATA_ANY(place->piece) + place->given, length);
	place->given += length;
	if (place->given == VARSIZE_ANY_EXHDR(place->piece))
	{
		pfree(place->piece);
		place->piece = NULL;
	}
	return length;
}

void
upload_rewind(UploadPlace *place)
{
	if (place->piece != NULL)
		pfree(place->piece);
	*place = (UploadPlace) {.context = place->context};
}
