/*
 * record.h
 *		A row of a file on its way to one mapping: its cells in the order of the
 *		mapping's columns, and what a cleanser and a file of changes do alike with it.
 */
#ifndef SYNCUP_RECORD_H
#define SYNCUP_RECORD_H

#include "syncup.h"
#include "prepare/baseline.h"
#include "store/batch.h"
#include "store/delta.h"
#include "store/digest_epoch.h"
#include "config/config.h"
#include "store/quarantine.h"
#include "csv/reader.h"

typedef struct Record
{
	const Mapping *mapping;
	const Options *options;
	Reader	   *reader;
	Quarantine *quarantine;
	DigestEpoch epoch;
	KeyType		key_type;
	Baseline   *baseline;
	DeltaWriter *delta;
	PrepareCounter counter;

	int			mark;			/* the stored column that names what was kept; -1: none */
	bool	   *kept;			/* per stored column: its cell leaves what is there */
	int		   *columns;		/* of the file, per stored column */
	Converter  *converters;		/* per stored column, where it has a target */
	int			at;				/* the stored column being converted */
	const char **fields;		/* of the row at hand */
	size_t	   *lengths;
	RowBytes	value_bytes;	/* of the values converted last */
	MemoryContext row_context;	/* as long as a row is taken */
} Record;

/* What whoever takes rows begins with. */
#define record_of(taker)	((Record *) (taker))

extern void record_open(Record *record, const Mapping *mapping, const Options *options,
						const pg_uuid_t *batch, List *queue, Quarantine *quarantine);
extern void record_close(Record *record);

/* Finds the mapping's columns in a file. */
extern void record_begin(Record *record, Reader *reader);

/* Looks up the cells of the row at hand. */
extern void record_take_fields(Record *record);

/*
 * Finds the cells that leave what is there, and names them in a field; whether there
 * are any.  The same field of what is kept now.
 */
extern bool record_find_kept(Record *record);
extern void record_write_mark(Record *record);

/* The key as a value, where its parts are cells; an error names the column. */
extern Datum record_key_value(Record *record);

/* The key, whose text is there, for a person. */
extern char *record_key_text(const Record *record);

/* Takes each pair of the values in the two cells at hand; returns how many there are. */
extern int64 record_pairs(Record *record, void (*take) (Record *record, int64 number));

#endif							/* SYNCUP_RECORD_H */
