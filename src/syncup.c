/*
 * syncup.c
 *		Module start: settings, and what is pinned while data is read or written.
 */
#include "syncup.h"

#include <limits.h>

#include "catalog/namespace.h"
#include "tool/crash_point.h"
#include "miscadmin.h"
#include "parser/parser.h"
#include "utils/guc.h"

PG_MODULE_MAGIC;

#define SAFE_SEARCH_PATH	"pg_catalog, pg_temp"

char	   *syncup_directories = NULL;
int			syncup_keep_changes_for = 0;
static int	syncup_max_session_size = 10240;	/* SQL reads it */

void		_PG_init(void);

/* Defines the settings of the extension. */
void
_PG_init(void)
{
	/*
	 * A cancel in between (defining warns of settings that the caller may not
	 * change) would leave half of them, which nobody can define again.
	 */
	HOLD_INTERRUPTS();
	DefineCustomStringVariable("syncup.directories",
							   "Directories whose files syncup may read and write for callers without pg_read_server_files or pg_write_server_files.",
							   "A list of absolute paths separated by commas. Links and \"..\" are resolved before a file is compared with them.",
							   &syncup_directories,
							   "",
							   PGC_SUSET,
							   GUC_LIST_INPUT | GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);
	DefineCustomIntVariable("syncup.keep_changes_for",
							"How long the changes of applied batches are kept, so that they can be looked at and undone.",
							"For example 90d. 0 keeps them only where keep_changes is asked for, until syncup_purge().",
							&syncup_keep_changes_for,
							0, 0, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_S,
							NULL, NULL, NULL);
	DefineCustomIntVariable("syncup.max_session_size",
							"How much the files that a client sends in one session may hold together.",
							"As they are sent: compressed, mostly.",
							&syncup_max_session_size,
							10240, 1, INT_MAX,
							PGC_SUSET,
							GUC_UNIT_MB,
							NULL, NULL, NULL);
	crash_points_init();
	MarkGUCPrefixReserved("syncup");
	RESUME_INTERRUPTS();
}

void
setting_pin(const char *name, const char *value)
{
	(void) set_config_option(name, value, PGC_USERSET, PGC_S_SESSION,
							 GUC_ACTION_SAVE, true, 0, false);
}

/*
 * Pins the settings that decide how text becomes a value and back: DateStyle
 * "ISO, YMD", so that an ambiguous date is refused, the time zone of times
 * that name none, and the search path.
 */
int
settings_pin(const char *timezone)
{
	int			level = NewGUCNestLevel();

	setting_pin("search_path", SAFE_SEARCH_PATH);
	setting_pin("datestyle", "ISO, YMD");
	setting_pin("intervalstyle", "postgres");
	setting_pin("timezone", timezone ? timezone : "UTC");
	setting_pin("bytea_output", "hex");
	setting_pin("extra_float_digits", "1");
	setting_pin("xmloption", "content");
	setting_pin("array_nulls", "on");
	setting_pin("timezone_abbreviations", "Default");
	setting_pin("lc_monetary", "C");
	setting_pin("standard_conforming_strings", "on");
	return level;
}

int
search_path_pin(void)
{
	int			level;

	if (strcmp(namespace_search_path, SAFE_SEARCH_PATH) == 0 && standard_conforming_strings)
		return 0;				/* as nearly always */
	level = NewGUCNestLevel();
	setting_pin("search_path", SAFE_SEARCH_PATH);
	/* A backslash in what mappings say is one, whoever reads it. */
	setting_pin("standard_conforming_strings", "on");
	return level;
}

int
search_path_of_caller(void)
{
	struct config_generic *setting = setting_named("search_path");
	int			level;

	if (setting == NULL || setting->stack == NULL || setting->stack->state != GUC_SAVE)
		return 0;
	level = NewGUCNestLevel();
	setting_pin("search_path", setting->stack->prior.val.stringval);
	return level;
}

/* Gives back what these changed. */
void
settings_restore(int level)
{
	if (level > 0)
		AtEOXact_GUC(true, level);
}
