/*
 * change_command.h
 *		The commands of change files and of deltas (SPEC 4.4).
 */
#ifndef SYNCUP_CHANGE_COMMAND_H
#define SYNCUP_CHANGE_COMMAND_H

#include "syncup.h"

typedef enum ChangeCommand
{
	COMMAND_NONE,
	COMMAND_INSERT,
	COMMAND_UPDATE,
	COMMAND_DELETE,
	COMMAND_MERGE,

	/* in deltas only */
	COMMAND_KEEP,				/* a row that was set aside: its key is there */
	COMMAND_ORPHAN,				/* a pair with an end that is not found */
	COMMAND_FOUND				/* an orphan of before that is none any more */
} ChangeCommand;

/*
 * The command that a cell names: insert or add, update or modify, delete,
 * merge, in any case.  Another one errors with 22023.
 */
extern ChangeCommand change_command_parse(const char *value);

/* The word of a command, as it stands in deltas. */
extern const char *change_command_name(ChangeCommand command);

#endif							/* SYNCUP_CHANGE_COMMAND_H */
