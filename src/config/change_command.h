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
	COMMAND_ALIAS,				/* the same of a row that is known: links may lead to it by what it says */
	COMMAND_ORPHAN,				/* a pair with an end that is not found */
	COMMAND_FOUND,				/* an orphan of before that is none any more */

	/* while a file of changes is read */
	COMMAND_FILTERED,			/* the link of a row that does not count */
	COMMAND_REPLACED			/* a link that goes, unless its row names it again */
} ChangeCommand;

/*
 * The command that a cell names: a word of the file's own ({"word": "command"},
 * or NULL), else insert or add, update or modify, delete, merge; in any case.
 * Another one errors with 22P02.
 */
extern ChangeCommand change_command_parse(const char *value, Jsonb *words);

/* Whether it is one of the latter. */
extern bool is_change_command(const char *word);

/* The word of a command, as it stands in deltas. */
extern const char *change_command_name(ChangeCommand command);

#endif							/* SYNCUP_CHANGE_COMMAND_H */
