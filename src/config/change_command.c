/*
 * change_command.c
 *		The commands of change files and of deltas (SPEC 4.4).
 */
#include "config/change_command.h"

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

/* The command of a word that always means one; COMMAND_NONE: it does not. */
static ChangeCommand
find_word(const char *word)
{
	for (size_t i = 0; i < lengthof(words); i++)
		if (pg_strcasecmp(words[i].word, word) == 0)
			return words[i].command;
	return COMMAND_NONE;
}

bool
is_change_command(const char *word)
{
	return find_word(word) != COMMAND_NONE;
}

/* The command of one of the file's own words: exactly, else ignoring case. */
static ChangeCommand
find_own_word(const char *value, Jsonb *own)
{
	JsonbIterator *iterator = JsonbIteratorInit(&own->root);
	JsonbIteratorToken token;
	JsonbValue	item;
	ChangeCommand alike = COMMAND_NONE;

	while ((token = JsonbIteratorNext(&iterator, &item, true)) != WJB_DONE)
	{
		char	   *word;
		ChangeCommand command;

		if (token != WJB_KEY)
			continue;
		word = pnstrdup(item.val.string.val, item.val.string.len);
		(void) JsonbIteratorNext(&iterator, &item, true);
		command = find_word(pnstrdup(item.val.string.val, item.val.string.len));
		if (strcmp(word, value) == 0)
			return command;
		if (pg_strcasecmp(word, value) == 0)
			alike = command;
	}
	return alike;
}

ChangeCommand
change_command_parse(const char *value, Jsonb *own)
{
	ChangeCommand command = COMMAND_NONE;

	if (value != NULL && own != NULL)
		command = find_own_word(value, own);
	if (value != NULL && command == COMMAND_NONE)
		command = find_word(value);
	if (command == COMMAND_NONE)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TEXT_REPRESENTATION),
				 value == NULL ? errmsg("command is empty") : errmsg("command is unknown"),
				 errhint("Commands are insert (or add), update (or modify), delete and merge, in any case, and the words of option \"commands\".")));
	return command;
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
		case COMMAND_ALIAS:
			return "alias";
		case COMMAND_ORPHAN:
			return "orphan";
		case COMMAND_FOUND:
			return "found";
		case COMMAND_FILTERED:
		case COMMAND_REPLACED:
		case COMMAND_NONE:
			break;
	}
	elog(ERROR, "unexpected command %d", command);
}
