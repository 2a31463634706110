/*
 * csv_writer.h
 *		Files of rows, which appear in a directory once all of them are whole.
 */
#ifndef SYNCUP_CSV_WRITER_H
#define SYNCUP_CSV_WRITER_H

#include "syncup.h"

typedef struct CsvWriter CsvWriter;

/*
 * Opens a directory that the current user may write; errors as
 * source_open_directory().  Until csv_writer_publish() the caller sees to it
 * that csv_writer_abandon() is called on error (PG_ENSURE_ERROR_CLEANUP).
 */
extern CsvWriter *csv_writer_open(const char *directory);

/* Begins the next file, whose name holds no slash, and ends the one before. */
extern void csv_writer_begin(CsvWriter *writer, const char *name);

/* Says that no file of this name shall be left. */
extern void csv_writer_remove(CsvWriter *writer, const char *name);

/* Adds a field in the server's encoding to the row; data NULL for null. */
extern void csv_writer_field(CsvWriter *writer, const char *data, size_t length);
extern void csv_writer_text(CsvWriter *writer, const char *text);
extern void csv_writer_end_row(CsvWriter *writer);

/* Gives all files their names, in place of those that had them, and closes. */
extern void csv_writer_publish(CsvWriter *writer);

/* Removes what was written: a pg_on_exit_callback. */
extern void csv_writer_abandon(int code, Datum writer);

#endif							/* SYNCUP_CSV_WRITER_H */
