/*
 * upload.c
 *		Files that a client has sent in a session, read from syncup.upload_part.
 *
 * A part may have 64 MB: pieces of it are read, which PostgreSQL stores so that each
 * can be found by itself.  They come from where they are stored, not through a query's
 * result, which would hold them a second time.  Nobody replaces a part meanwhile: a
 * prepare locks its session.
 */
#include "csv/upload.h"

#include "access/detoast.h"
#include "tool/sql.h"
#include "utils/datum.h"

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

/* Finds the next part that is not empty; false at the end. */
static bool
next_part(const Upload *upload, UploadPlace *place)
{
	SPITupleTable *table = SPI_tuptable;
	uint64		processed = SPI_processed;
	bool		isnull;
	bool		found;

	/* Whoever reads a row may have another result at hand. */
	found = own_sql("SELECT p.part, p.content, octet_length(p.content) FROM syncup.upload_part p"
					" WHERE p.session = $1 AND p.file = $2 AND p.part > $3 AND octet_length(p.content) > 0"
					" ORDER BY p.part LIMIT 1",
					SQL_ARGS(SQL_UUID(&upload->session), SQL_TEXT(upload->file), SQL_INT4(place->part))) > 0;
	if (found)
	{
		MemoryContext before = MemoryContextSwitchTo(place->context);

		if (place->content != NULL)
			pfree(place->content);
		/* of a long one: where it is stored */
		place->content = (struct varlena *) DatumGetPointer(datumCopy(sql_datum(0, 2, &isnull), false, -1));
		MemoryContextSwitchTo(before);
		place->part = sql_int4(0, 1);
		place->length = sql_int4(0, 3);
		place->next = 0;
	}
	SPI_freetuptable(SPI_tuptable);
	SPI_tuptable = table;
	SPI_processed = processed;
	return found;
}

/* Gets the next piece; false at the end. */
static bool
next_piece(const Upload *upload, UploadPlace *place)
{
	MemoryContext before;

	if (place->next == place->length && !next_part(upload, place))
		return false;
	before = MemoryContextSwitchTo(place->context);
	place->piece = detoast_attr_slice(place->content, place->next, PIECE);
	MemoryContextSwitchTo(before);
	place->next += VARSIZE_ANY_EXHDR(place->piece);
	place->given = 0;
	return true;
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
	if (place->content != NULL)
		pfree(place->content);
	*place = (UploadPlace) {.context = place->context};
}
