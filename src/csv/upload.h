/*
 * upload.h
 *		Files that a client has sent in a session: their names and their bytes.
 */
#ifndef SYNCUP_UPLOAD_H
#define SYNCUP_UPLOAD_H

#include "syncup.h"

/* A file of a session. */
typedef struct Upload
{
	pg_uuid_t	session;
	char	   *file;			/* as it was called when it was sent */
	int64		size;
	TimestampTz sent;
	bool		named;			/* some mapping reads it */
} Upload;

/* Where reading one has come to, and a piece of its bytes. */
typedef struct UploadPlace
{
	MemoryContext context;		/* of pieces */
	int32		part;			/* 0: nothing was read yet */
	struct varlena *content;	/* of that part, or where it is stored */
	int32		length;			/* of its content */
	int32		next;			/* where its next piece begins */
	struct varlena *piece;		/* NULL: none is at hand */
	size_t		given;			/* bytes of it that were given out */
} UploadPlace;

/* The files of a session, in C order of their names. */
extern List *uploads_of(const pg_uuid_t *session);

/* Errors with 55000, naming them, where parts of the file did not come. */
extern void upload_check_complete(const Upload *upload);

/* Reads up to capacity bytes; 0 at the end.  A place begins with its context alone. */
extern size_t upload_read(const Upload *upload, UploadPlace *place, void *buffer, size_t capacity);
extern void upload_rewind(UploadPlace *place);

#endif							/* SYNCUP_UPLOAD_H */
