/*
 * progress.c
 *		What this session is doing, for other sessions to see: syncup.progress.
 *
 * The server's list of commands with progress is closed, so we go as a COPY,
 * which also shows us in pg_stat_progress_copy, and mark ourselves in the
 * counters that COPY leaves free.  The server forgets a command when a
 * subtransaction fails, which is an everyday event here: what is shown is
 * therefore kept aside, and shown again at the next step.
 */
#include "config/progress.h"

#include "commands/progress.h"
#include "utils/backend_progress.h"
#include "utils/backend_status.h"

#define MAGIC				0x73796e637570	/* "syncup" */

#define OUR_MAGIC			10
#define OUR_OPERATION		11
#define OUR_PHASE			12

static struct
{
	Oid			table;			/* previous of the mapping: tells which it is */
	int64		operation;
	int64		phase;
	int64		bytes_total;
}			shown;

/* Sets one counter. */
static void
set(int number, int64 value)
{
	pgstat_progress_update_param(number, value);
}

/* Starts to be shown, unless we are. */
static void
ensure_shown(void)
{
	if (MyBEEntry == NULL || !OidIsValid(shown.table) ||
		MyBEEntry->st_progress_command == PROGRESS_COMMAND_COPY)
		return;
	pgstat_progress_start_command(PROGRESS_COMMAND_COPY, shown.table);
	set(PROGRESS_COPY_COMMAND, PROGRESS_COPY_COMMAND_FROM);
	set(PROGRESS_COPY_TYPE, PROGRESS_COPY_TYPE_FILE);
	set(PROGRESS_COPY_BYTES_TOTAL, shown.bytes_total);
	set(OUR_OPERATION, shown.operation);
	set(OUR_PHASE, shown.phase);
	set(OUR_MAGIC, MAGIC);
}

void
progress_phase(ProgressOperation operation, ProgressPhase phase, const Mapping *mapping)
{
	shown.table = config_table(mapping, "syncup_previous");
	shown.operation = operation;
	shown.phase = phase;
	shown.bytes_total = 0;
	pgstat_progress_end_command();
	ensure_shown();
}

void
progress_bytes(int64 done, int64 total)
{
	shown.bytes_total = total;
	ensure_shown();
	set(PROGRESS_COPY_BYTES_PROCESSED, done);
	set(PROGRESS_COPY_BYTES_TOTAL, total);
}

void
progress_rows(int64 done)
{
	ensure_shown();
	set(PROGRESS_COPY_TUPLES_PROCESSED, done);
}

void
progress_keep(void)
{
	ensure_shown();
}

void
progress_end(void)
{
	shown.table = InvalidOid;
	pgstat_progress_end_command();
}
