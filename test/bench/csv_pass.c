/*
 * csv_pass.c
 *		The floor: libcsv reads a file, and nothing is done with what it finds
 *		but counting.  Prints rows and fields.
 */
#include <csv.h>
#include <stdio.h>
#include <stdlib.h>

static unsigned long rows,
			fields;

static void
count_field(void *field, size_t length, void *arg)
{
	(void) field, (void) length, (void) arg;
	fields++;
}

static void
count_row(int end, void *arg)
{
	(void) end, (void) arg;
	rows++;
}

int
main(int argc, char **argv)
{
	static char buffer[256 * 1024];
	struct csv_parser parser;
	FILE	   *file = argc == 2 ? fopen(argv[1], "rb") : NULL;
	size_t		got;

	if (file == NULL || csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI) != 0)
	{
		perror(argc == 2 ? argv[1] : "usage: csv_pass FILE");
		return 1;
	}
	setvbuf(file, NULL, _IONBF, 0);
	csv_set_blk_size(&parser, 65536);
	while ((got = fread(buffer, 1, sizeof(buffer), file)) > 0)
		if (csv_parse(&parser, buffer, got, count_field, count_row, NULL) != got)
			break;
	if (ferror(file) || csv_error(&parser) != 0 || csv_fini(&parser, count_field, count_row, NULL) != 0)
	{
		fprintf(stderr, "%s: %s\n", argv[1], csv_strerror(csv_error(&parser)));
		return 1;
	}
	csv_free(&parser);
	printf("%lu %lu\n", rows, fields);
	return 0;
}
