/*
 * record.c
 *		A row of a file on its way to one mapping.
 */
#include "prepare/record.h"

#include "format/convert.h"
#include "format/parts.h"
#include "miscadmin.h"
#include "utils/memutils.h"

void
record_open(Record *record, const Mapping *mapping, const Options *options,
			const pg_uuid_t *batch, List *queue, Quarantine *quarantine)
{
	int			n = mapping->ncolumns;

	record->mapping = mapping;
	record->options = options;
	record->quarantine = quarantine;
	record->columns = palloc(sizeof(int) * n);
	record->converters = palloc0(sizeof(Converter) * n);
	record->fields = palloc(sizeof(char *) * n);
	record->lengths = palloc(sizeof(size_t) * n);
	for (int i = 0; i < n; i++)
		if (mapping->columns[i].target != NULL)
			converter_init(&record->converters[i], mapping->columns[i].type, mapping->columns[i].typmod,
						   mapping->columns[i].format);
	record->mark = mark_column(mapping);
	record->kept = palloc(sizeof(bool) * n);
	row_bytes_init(&record->value_bytes);
	record->row_context = AllocSetContextCreate(CurrentMemoryContext, "syncup row", ALLOCSET_DEFAULT_SIZES);
	digest_epoch_load(&record->epoch, mapping);
	key_type_init(&record->key_type, mapping);
	record->baseline = baseline_open(mapping, &record->key_type, &record->epoch, queue);
	record->delta = delta_open(mapping, batch, &record->epoch);
}

void
record_close(Record *record)
{
	delta_close(record->delta);
	baseline_close(record->baseline);
	MemoryContextDelete(record->row_context);
}

void
record_begin(Record *record, Reader *reader)
{
	const Mapping *mapping = record->mapping;

	record->reader = reader;
	for (int i = 0; i < mapping->ncolumns; i++)
		record->columns[i] = !is_source_column(mapping, i) ? -1 :
			reader_find_column(reader, mapping->columns[i].source, mapping->columns[i].optional != OPTIONAL_NO);
}

void
record_take_fields(Record *record)
{
	for (int i = 0; i < record->mapping->ncolumns; i++)
		if (record->columns[i] >= 0)
			record->fields[i] = reader_field(record->reader, record->columns[i], &record->lengths[i]);
		else if (is_source_column(record->mapping, i))
		{
			record->fields[i] = NULL;
			record->lengths[i] = 0;
		}
}

void
record_write_mark(Record *record)
{
	char	   *mark = write_mark(record->mapping, record->kept);

	record->fields[record->mark] = mark;
	record->lengths[record->mark] = mark ? strlen(mark) : 0;
}

bool
record_find_kept(Record *record)
{
	bool		any = false;

	for (int i = 0; i < record->mapping->nstored; i++)
	{
		const MappingColumn *column = &record->mapping->columns[i];

		record->kept[i] = record->fields[i] == NULL &&
			(record->columns[i] < 0 ? column->optional == OPTIONAL_KEEP :
			 column->keeps && !reader_is_marked_null(record->reader, record->columns[i]));
		any |= record->kept[i];
	}
	record_write_mark(record);
	return any;
}

Datum
record_key_value(Record *record)
{
	const Mapping *mapping = record->mapping;
	Datum	   *values = palloc(sizeof(Datum) * mapping->nparts);

	for (int p = 0; p < mapping->nparts; p++)
	{
		int			i = record->at = mapping->parts[p];

		reader_at_column(record->reader, record->columns[i]);
		values[p] = key_part_value(&record->key_type, p, pnstrdup(record->fields[i], record->lengths[i]));
	}
	reader_at_column(record->reader, -1);
	return key_of_parts(&record->key_type, values);
}

char *
record_key_text(const Record *record)
{
	int			key = record->mapping->key;

	if (record->mapping->pairs)
		return psprintf("%.*s -> %.*s", (int) record->lengths[0], record->fields[0],
						(int) record->lengths[1], record->fields[1]);
	return pnstrdup(record->fields[key], record->lengths[key]);
}

int64
record_pairs(Record *record, void (*take) (Record *record, int64 number))
{
	const char *separator = record->options->split;
	const char *trim = separator != NULL && record->options->source == NULL ? record->options->csv.trim : NULL;
	const char *cell = record->fields[1];
	size_t		cell_length = record->lengths[1];
	const char *value;
	size_t		length;
	Parts		first;
	Parts		second;
	int64		count = 0;

	parts_begin(&first, separator, record->fields[0], record->lengths[0]);
	first.trim = trim;
	while (parts_next(&first, &value, &length))
	{
		parts_begin(&second, separator, cell, cell_length);
		second.trim = trim;
		while (parts_next(&second, &record->fields[1], &record->lengths[1]))
		{
			CHECK_FOR_INTERRUPTS();
			record->fields[0] = value;
			record->lengths[0] = length;
			take(record, count++);
		}
	}
	return count;
}
