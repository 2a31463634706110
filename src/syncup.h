/*
 * syncup.h
 *		What every file of the extension shares: headers, settings, entry checks.
 */
#ifndef SYNCUP_H
#define SYNCUP_H

#include "postgres.h"

#include "compat.h"
#include "fmgr.h"
#include "nodes/pg_list.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

/* Whether two texts are the same, or both are NULL. */
static inline bool
same_text(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

/* Settings (SPEC 3, and the history of changes of SPEC 6). */
extern char *syncup_directories;
extern int	syncup_keep_changes_for;	/* seconds */

/*
 * What a function pins while it works on data, so that values are read and
 * written the same whatever the session's settings (SPEC 2.5).  settings_pin()
 * returns the level that settings_restore() takes; an error restores by itself.
 */
extern int	settings_pin(const char *timezone);
extern void settings_restore(int level);

/*
 * The same with the search path alone, on which nothing but PostgreSQL's own is
 * found.  Our functions have it pinned; but code of a target may have set
 * another since.
 */
extern int	search_path_pin(void);

/*
 * Sets the search path of whoever called the function at hand, which has its own:
 * for a name that the caller gives in a text.  Nothing may run while it holds.
 */
extern int	search_path_of_caller(void);

/* Pins one more setting, until the level at hand is restored. */
extern void setting_pin(const char *name, const char *value);

#endif							/* SYNCUP_H */
