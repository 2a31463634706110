/*
 * reader.h
 *		A file as rows of named fields in the server's encoding.
 */
#ifndef SYNCUP_READER_H
#define SYNCUP_READER_H

#include "syncup.h"
#include "csv/csv_reader.h"
#include "config/options.h"
#include "csv/source.h"

/* Why a row cannot be used: the reasons of syncup.quarantine. */
typedef enum RowFault
{
	ROW_OK,
	ROW_MALFORMED,
	ROW_ENCODING
} RowFault;

typedef struct Reader Reader;

/*
 * Opens a file and reads its header.  Errors as SPEC 4.2 names them: 22000
 * for a file without one, 42501, 58P01 and the like for the file itself.
 */
extern Reader *reader_open(const SourceFile *file, const Options *options);

/* The same of the header alone: of a relation nothing else is read. */
extern Reader *reader_open_header(const SourceFile *file, const Options *options);
extern void reader_close(Reader *reader);

/* Starts again with the first row of the same open file. */
extern void reader_rewind(Reader *reader);

extern int	reader_columns(const Reader *reader);
extern const char *reader_column_name(const Reader *reader, int column);

/* The names of all columns, as an array of texts. */
extern ArrayType *reader_header(const Reader *reader);

/* The names of all columns for a message to the client, as many as a person reads. */
extern char *reader_column_list(const Reader *reader);

/*
 * The column of this name: exactly, else ignoring case.  A name that stands
 * twice in the header is an error; one that is missing is an error too, or -1
 * where missing_ok.  Only fields of columns found this way are decoded.
 */
extern int	reader_find_column(Reader *reader, const char *name, bool missing_ok);

/*
 * Goes to the next row; false at the end.  A row with a fault errors where the
 * options say on_error stop, otherwise it is returned: see reader_fault().
 */
extern bool reader_next(Reader *reader);
extern RowFault reader_fault(const Reader *reader);
extern const char *reader_fault_message(const Reader *reader);

/* Raises the error of the present row's fault, whatever the options say. */
pg_noreturn extern void reader_raise(Reader *reader);

/*
 * In a row with a fault: the field of this column, where it is certain in
 * spite of the fault and valid, "" for null; otherwise NULL (SPEC 4.3).
 */
extern const char *reader_certain_field(Reader *reader, int column, size_t *length);

/* The field, not terminated; NULL for null.  Valid until the next row. */
extern const char *reader_field(Reader *reader, int column, size_t *length);

/* Whether the field is null since it holds a text that means no value. */
extern bool reader_is_marked_null(Reader *reader, int column);

/* Where the row begins, 1 for the first line; and its original bytes as text. */
extern int64 reader_line(const Reader *reader);
extern char *reader_raw(Reader *reader);

extern const char *reader_path(const Reader *reader);
extern Source *reader_source(const Reader *reader);

/*
 * While entered, errors say the file, the line and the column that
 * reader_at_column() named last (-1: none).
 */
extern void reader_enter(Reader *reader);
extern void reader_at_column(Reader *reader, int column);
extern void reader_leave(Reader *reader);

#endif							/* SYNCUP_READER_H */
