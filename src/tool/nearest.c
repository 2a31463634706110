/*
 * nearest.c
 *		Names in messages: lists of those there are, and "did you mean", of them
 *		the one that a wrong name is most like.
 */
#include "tool/nearest.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/varlena.h"

PG_FUNCTION_INFO_V1(syncup_did_you_mean);

/* More bytes than this are no slip of the fingers. */
#define MAX_DISTANCE	4
#define MAX_LENGTH		255

/* Compares the wanted name with one of those that there are. */
static void
compare_name(NameList *list, const char *name)
{
	int			wanted_length = strlen(list->wanted);
	int			length = strlen(name);
	int			limit = list->nearest ? list->distance - 1 :
		Min(MAX_DISTANCE, pg_mbstrlen(list->wanted) / 2);
	int			distance;

	if (wanted_length > MAX_LENGTH || length > MAX_LENGTH || limit < 0)
		return;
	distance = pg_strcasecmp(list->wanted, name) == 0 ? 0 :
		varstr_levenshtein_less_equal(list->wanted, wanted_length, name, length,
									  1, 1, 1, limit, true);
	if (distance > limit)
		return;
	list->nearest = name;
	list->distance = distance;
}

char *
did_you_mean(const NameList *list)
{
	return list->nearest ? psprintf("Did you mean \"%s\"? ", list->nearest) : "";
}

/* A list stops here. */
#define ENOUGH_BYTES	400

void
name_list_add(NameList *list, const char *name, const char *other)
{
	if (list->wanted != NULL)
		compare_name(list, name);
	if (list->count++ == 0)
		initStringInfo(&list->text);
	if (list->text.len > ENOUGH_BYTES)
		return;
	appendStringInfo(&list->text, "%s\"%s\"", list->shown++ ? ", " : "", name);
	if (other != NULL && strcmp(name, other) != 0)
		appendStringInfo(&list->text, " to \"%s\"", other);
}

char *
name_list_text(NameList *list)
{
	if (list->count > list->shown)
		appendStringInfo(&list->text, ", and %d more", list->count - list->shown);
	return list->count ? list->text.data : NULL;
}

/*
 * syncup.did_you_mean(wanted text, names text[]) returns text: for a hint of what
 * is written in SQL.
 */
Datum
syncup_did_you_mean(PG_FUNCTION_ARGS)
{
	NameList	list = {.wanted = text_to_cstring(PG_GETARG_TEXT_PP(0))};
	Datum	   *names;
	bool	   *nulls;
	int			count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), TEXTOID, -1, false, TYPALIGN_INT, &names, &nulls, &count);
	for (int i = 0; i < count; i++)
		if (!nulls[i])
			name_list_add(&list, TextDatumGetCString(names[i]), NULL);
	PG_RETURN_TEXT_P(cstring_to_text(did_you_mean(&list)));
}
