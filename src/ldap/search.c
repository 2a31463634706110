/*
 * search.c
 *		Entries of a directory, page by page, each with all its values.
 *
 * An attribute of many values comes from Active Directory as "member;range=0-1499":
 * the others are asked for, entry by entry, while the search goes on.
 */
#ifdef SYNCUP_LDAP
#include "ldap/search.h"

#include <ldap_schema.h>

#include "miscadmin.h"
#include "utils/memutils.h"

/* The values of an entry may have so many bytes, as those of a message. */
#define MAX_ENTRY	(256 * 1024 * 1024)

#define RANGE	"range="

/* ---------- one entry ---------- */

/* Keeps a value. */
static void
add_value(Directory *directory, DirectoryEntry *entry, EntryValues *values, const struct berval *value)
{
	struct berval *copy;

	entry->size += value->bv_len;
	if (entry->size > MAX_ENTRY)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("an entry of the directory holds more than %d MB", MAX_ENTRY / 1024 / 1024),
				 errhint("Ask for fewer attributes.")));
	if (values->count == values->room)
	{
		values->room = values->room ? values->room * 2 : 2;
		values->values = values->count ? repalloc_huge(values->values, sizeof(struct berval) * values->room) :
			palloc(sizeof(struct berval) * values->room);
	}
	copy = &values->values[values->count++];
	copy->bv_len = value->bv_len;
	copy->bv_val = palloc(value->bv_len + 1);
	memcpy(copy->bv_val, value->bv_val, value->bv_len);
	copy->bv_val[value->bv_len] = '\0';
}

/*
 * Whether an attribute of an entry is the one asked for: as such, with the option
 * "binary", or a part of its values, of which rest is then what comes after.
 */
static bool
is_asked_for(const struct berval *name, const char *asked, char **rest)
{
	size_t		length = strlen(asked);
	const char *options = name->bv_val + length;
	long		last;

	*rest = NULL;
	if (name->bv_len < length || pg_strncasecmp(name->bv_val, asked, length) != 0)
		return false;
	if (name->bv_len == length)
		return true;
	if (*options++ != ';')
		return false;
	if (pg_strcasecmp(options, "binary") == 0)
		return true;
	if (pg_strncasecmp(options, RANGE, strlen(RANGE)) != 0 || strchr(options, '-') == NULL)
		return false;
	options = strchr(options, '-') + 1;
	if (strcmp(options, "*") == 0)
		return true;
	last = strtol(options, NULL, 10);
	*rest = psprintf("%s;" RANGE "%ld-*", asked, last + 1);
	return true;
}

/* Takes the values of a message, of those attributes that are asked for. */
static void
take_values(Directory *directory, const DirectorySearch *search, DirectoryEntry *entry, LDAPMessage *message)
{
	LDAP	   *ld = directory_handle(directory);
	BerElement *element;
	struct berval name;
	struct berval *values;
	int			code = ldap_get_dn_ber(ld, message, &element, &name);

	while (code == LDAP_SUCCESS)
	{
		code = ldap_get_attribute_ber(ld, message, element, &name, &values);
		if (code != LDAP_SUCCESS || name.bv_val == NULL)
			break;
		for (int i = 0; i < search->nattributes; i++)
		{
			EntryValues *of = &entry->attributes[i];
			char	   *rest;

			if (!is_asked_for(&name, search->attributes[i], &rest))
				continue;
			for (struct berval *value = values; value != NULL && value->bv_val != NULL; value++)
				add_value(directory, entry, of, value);
			if (values != NULL && values->bv_val != NULL)
				of->rest = rest;
		}
		ber_memfree(values);
	}
	ber_free(element, 0);
	directory_check(directory, code, READING);
}

/* Asks for the values that were kept back of an attribute. */
static void
fetch_rest(Directory *directory, DirectoryEntry *entry, EntryValues *values, char *attribute)
{
	char	   *asked[] = {values->rest, NULL};
	char	   *wanted[] = {attribute, NULL};
	DirectorySearch search = {.nattributes = 1, .attributes = wanted};
	DirectoryEntry part = {.size = entry->size, .attributes = values};
	LDAPMessage *message;
	int			before = values->count;
	int			request;
	int			type;

	values->rest = NULL;
	directory_check(directory,
					ldap_search_ext(directory_handle(directory), entry->dn, LDAP_SCOPE_BASE, NULL, asked, 0,
									NULL, NULL, NULL, LDAP_NO_LIMIT, &request), READING);
	while ((type = directory_next(directory, request, READING, &message)) != LDAP_RES_SEARCH_RESULT)
		if (type == LDAP_RES_SEARCH_ENTRY)
			take_values(directory, &search, &part, message);
	directory_check(directory, directory_result(directory, message, READING).code, READING);
	entry->size = part.size;
	if (values->count == before)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("%s directory: it keeps values of attribute \"%s\" back", READING, attribute),
				 errhint("Read it again: the entry may have been changed meanwhile.")));
}

DirectoryEntry *
directory_entry(Directory *directory, const DirectorySearch *search, LDAPMessage *message)
{
	DirectoryEntry *entry = palloc0(sizeof(DirectoryEntry));
	BerElement *element = NULL;
	struct berval dn;

	entry->attributes = palloc0(sizeof(EntryValues) * search->nattributes);
	directory_check(directory, ldap_get_dn_ber(directory_handle(directory), message, &element, &dn), READING);
	ber_free(element, 0);
	entry->dn = pnstrdup(dn.bv_val, dn.bv_len);
	if (search->nattributes > 0)
		take_values(directory, search, entry, message);
	for (int i = 0; i < search->nattributes; i++)
		while (entry->attributes[i].rest != NULL)
			fetch_rest(directory, entry, &entry->attributes[i], search->attributes[i]);
	return entry;
}

/* ---------- all entries ---------- */

/* Asks for a page, the one that the cookie says; returns the request. */
static int
ask_for_page(Directory *directory, const DirectorySearch *search, struct berval *cookie)
{
	LDAP	   *ld = directory_handle(directory);
	LDAPControl *controls[] = {NULL, NULL};
	static char *none[] = {LDAP_NO_ATTRS, NULL};
	int			request;
	int			code;

	if (search->page_size > 0)
		directory_check(directory,
						ldap_create_page_control(ld, search->page_size, cookie, 0, &controls[0]), READING);
	code = ldap_search_ext(ld, search->base, search->scope, search->filter,
						   search->nattributes > 0 ? search->attributes : none, 0,
						   controls, NULL, NULL, LDAP_NO_LIMIT, &request);
	if (controls[0] != NULL)
		ldap_control_free(controls[0]);
	directory_check(directory, code, READING);
	return request;
}

/* Where the next page begins, by the result of the last; an empty cookie: there is none. */
static void
next_page(Directory *directory, DirectoryResult result, struct berval *cookie)
{
	LDAPControl *control = ldap_control_find(LDAP_CONTROL_PAGEDRESULTS, result.controls, NULL);
	struct berval next = {0, NULL};
	ber_int_t	estimate;

	if (control != NULL)
		directory_check(directory,
						ldap_parse_pageresponse_control(directory_handle(directory), control, &estimate, &next), READING);
	/* libldap's memory, which an error would not free */
	cookie->bv_len = next.bv_len;
	cookie->bv_val = next.bv_len ? palloc(next.bv_len) : NULL;
	if (next.bv_len)
		memcpy(cookie->bv_val, next.bv_val, next.bv_len);
	ber_memfree(next.bv_val);
}

void
directory_note_continuations(int64 count)
{
	if (count > 0)
		ereport(NOTICE,
				(errmsg_plural("the directory refers to another one for %lld part of the tree, which is not read",
							   "the directory refers to others for %lld parts of the tree, which are not read",
							   count, (long long) count)));
}

void
directory_search(Directory *directory, const DirectorySearch *search, EntryVisitor visit, void *arg)
{
	MemoryContext before = CurrentMemoryContext;
	MemoryContext row = AllocSetContextCreate(before, "syncup directory entry", ALLOCSET_DEFAULT_SIZES);
	struct berval cookie = {0, NULL};
	int64		continuations = 0;

	do
	{
		int			request = ask_for_page(directory, search, &cookie);
		LDAPMessage *message;
		DirectoryResult result;
		int			type;

		while ((type = directory_next(directory, request, READING, &message)) != LDAP_RES_SEARCH_RESULT)
		{
			if (type == LDAP_RES_SEARCH_REFERENCE)
				continuations++;
			if (type != LDAP_RES_SEARCH_ENTRY)
				continue;
			MemoryContextReset(row);
			MemoryContextSwitchTo(row);
			visit(arg, directory_entry(directory, search, message));
			MemoryContextSwitchTo(before);
		}
		result = directory_result(directory, message, READING);
		directory_check(directory, result.code, READING);
		next_page(directory, result, &cookie);
	} while (cookie.bv_len > 0);
	MemoryContextDelete(row);
	directory_note_continuations(continuations);
}

/* ---------- which attributes there are ---------- */

/* What is sought in a schema, and what was found. */
typedef struct SchemaLook
{
	int			count;
	char	  **names;
	char	  **found;			/* the name that the directory uses; NULL: not found yet */
	bool		has_schema;
} SchemaLook;

/* Whether a name is that of an attribute, whatever options it is given with. */
static bool
names_attribute(const char *given, const char *name)
{
	size_t		length = strcspn(given, ";");

	return strlen(name) == length && pg_strncasecmp(given, name, length) == 0;
}

/* Notes the names that are sought of a schema's attribute. */
static void
note_attribute(SchemaLook *look, LDAPAttributeType *type)
{
	look->has_schema = true;
	for (int i = 0; i < look->count; i++)
	{
		bool		found = type->at_oid != NULL && names_attribute(look->names[i], type->at_oid);

		for (char **name = type->at_names; name != NULL && *name != NULL; name++)
			found |= names_attribute(look->names[i], *name);
		if (found)
			look->found[i] = pstrdup(type->at_names && *type->at_names ? *type->at_names : look->names[i]);
	}
}

/* Reads the definitions of attributes. */
static void
look_at_schema(void *arg, DirectoryEntry *entry)
{
	SchemaLook *look = arg;
	MemoryContext context = MemoryContextSwitchTo(MemoryContextGetParent(CurrentMemoryContext));

	for (int i = 0; i < entry->attributes[0].count; i++)
	{
		int			code;
		const char *place;
		LDAPAttributeType *type = ldap_str2attributetype(entry->attributes[0].values[i].bv_val, &code, &place,
														  LDAP_SCHEMA_ALLOW_ALL);

		if (type == NULL)
			continue;
		note_attribute(look, type);
		ldap_attributetype_free(type);
	}
	MemoryContextSwitchTo(context);
}

/* Where the schema lies. */
static void
look_at_root(void *arg, DirectoryEntry *entry)
{
	MemoryContext context = MemoryContextSwitchTo(MemoryContextGetParent(CurrentMemoryContext));

	if (entry->attributes[0].count > 0)
		*(char **) arg = pstrdup(entry->attributes[0].values[0].bv_val);
	MemoryContextSwitchTo(context);
}

void
directory_check_attributes(Directory *directory, int count, char **attributes)
{
	static char *where[] = {"subschemaSubentry", NULL};
	static char *definitions[] = {"attributeTypes", NULL};
	DirectorySearch root = {.base = "", .filter = "(objectClass=*)", .scope = LDAP_SCOPE_BASE, .nattributes = 1, .attributes = where};
	DirectorySearch schema = {.filter = "(objectClass=subschema)", .scope = LDAP_SCOPE_BASE, .nattributes = 1, .attributes = definitions};
	SchemaLook	look = {.count = count, .names = attributes, .found = palloc0(sizeof(char *) * count)};

	directory_search(directory, &root, look_at_root, &schema.base);
	if (schema.base == NULL)
		return;
	directory_search(directory, &schema, look_at_schema, &look);
	for (int i = 0; i < count && look.has_schema; i++)
	{
		if (look.found[i] == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the directory knows no attribute \"%s\"", attributes[i]),
					 errhint("Columns are called as attributes of the directory's schema are.")));
		if (!names_attribute(attributes[i], look.found[i]))
			ereport(ERROR,
					(errcode(ERRCODE_UNDEFINED_COLUMN),
					 errmsg("the directory knows attribute \"%s\" as \"%s\"", attributes[i], look.found[i]),
					 errhint("Call the column as the directory calls the attribute.")));
	}
}

#endif							/* SYNCUP_LDAP */
