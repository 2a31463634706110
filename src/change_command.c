/*
 * change_command.c
 *		The commands of change files and of deltas (SPEC 4.4).
 */
#include "change_command.h"

static const struct
{
	const char *word;
	ChangeCommand command;
}			words[] = {
	{"insert", COMMAND_INSERT},
	{"add", COMMAND_INSERT},
	{"update", COMMAND_UPDATE},
	{"modify", COMMAND_UPDATE},
	{"delete", COMMAND_DELETE},
	{"merge", COMMAND_MERGE},
};

ChangeCommand
change_command_parse(const char *value)
{
	for (size_t i = 0; value != NULL && i < lengthof(words); i++)
		if (pg_strcasecmp(words[i].word, value) == 0)
			return words[i].command;
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
			 value == NULL ? errmsg("command is empty") : errmsg("command is unknown"),
			 errhint("Commands are insert (or add), update (or modify), delete and merge, in any case.")));
}

const char *
change_command_name(ChangeCommand command)
{
	switch (command)
	{
		case COMMAND_INSERT:
			return "insert";
		case COMMAND_UPDATE:
			return "update";
		case COMMAND_DELETE:
			return "delete";
		case COMMAND_MERGE:
			return "merge";
		case COMMAND_KEEP:
			return "keep";
		case COMMAND_ORPHAN:
			return "orphan";
		case COMMAND_FOUND:
			return "found";
		case COMMAND_NONE:
			break;
	}
	elog(ERROR, "unexpected command %d", command);
}
