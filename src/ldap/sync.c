/*
 * sync.c
 *		What changed in a directory since a cookie: syncrepl, RFC 4533, refresh only.
 *
 * Entries that are there come whole.  Of those that went the directory tells
 * entryUUIDs, if it remembers; or it tells which are still there ("present"), and
 * leaves it to us to know the others.
 */
#ifdef SYNCUP_LDAP
#include "ldap/sync.h"

#include "utils/memutils.h"

#define UUID_SIZE	16

/* One reading of changes. */
typedef struct SyncWork
{
	Directory  *directory;
	const DirectorySearch *search;
	const bytea *since;
	ChangeVisitor visit;
	void	   *arg;
	bytea	   *cookie;			/* the newest that was told */
	int64		continuations;	/* in other directories */
	bool		present;		/* the directory tells what is there instead of what went */
	MemoryContext context;
} SyncWork;

/* The directory does not keep to the protocol. */
pg_noreturn static void
misunderstood(SyncWork *work)
{
	directory_error(work->directory, LDAP_DECODING_ERROR, READING);
}

/* Remembers a cookie. */
static void
take_cookie(SyncWork *work, const struct berval *cookie)
{
	MemoryContext before;

	if (cookie->bv_len == 0)
		return;
	before = MemoryContextSwitchTo(work->context);
	work->cookie = (bytea *) cstring_to_text_with_len(cookie->bv_val, cookie->bv_len);
	MemoryContextSwitchTo(before);
}

/* The text of an entryUUID. */
static char *
uuid_text(SyncWork *work, const struct berval *bytes)
{
	pg_uuid_t	uuid;

	if (bytes->bv_len != UUID_SIZE)
		misunderstood(work);
	memcpy(uuid.data, bytes->bv_val, UUID_SIZE);
	return DatumGetCString(DirectFunctionCall1(uuid_out, UUIDPGetDatum(&uuid)));
}

/* Begins to read what a control or message holds; it lives as long as the message. */
static BerElement *
begin_reading(SyncWork *work, struct berval *value)
{
	BerElement *element = ber_alloc_t(LBER_USE_DER);

	if (element == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OUT_OF_MEMORY),
				 errmsg("out of memory")));
	ber_init2(element, value, LBER_USE_DER);
	return element;
}

/* Reads a cookie that may stand here. */
static void
read_cookie(SyncWork *work, BerElement *element)
{
	ber_len_t	length;
	struct berval cookie;

	if (ber_peek_tag(element, &length) == LDAP_TAG_SYNC_COOKIE && ber_scanf(element, "m", &cookie) != LBER_ERROR)
		take_cookie(work, &cookie);
}

/* Reads a truth value that may stand here. */
static bool
read_boolean(BerElement *element, ber_tag_t tag, bool usually)
{
	ber_len_t	length;
	ber_int_t	value;

	if (ber_peek_tag(element, &length) == tag && ber_scanf(element, "b", &value) != LBER_ERROR)
		return value != 0;
	return usually;
}

/* Takes an entry, which is there, changed or not, or went. */
static void
take_entry(SyncWork *work, LDAPMessage *message)
{
	LDAPControl **controls = NULL;
	LDAPControl *control;
	BerElement *element;
	ber_int_t	state = -1;
	struct berval bytes = {0, NULL};
	char	   *uuid;

	directory_check(work->directory,
					ldap_get_entry_controls(directory_handle(work->directory), message, &controls), READING);
	control = ldap_control_find(LDAP_CONTROL_SYNC_STATE, controls, NULL);
	if (control == NULL)
		misunderstood(work);
	element = begin_reading(work, &control->ldctl_value);
	if (ber_scanf(element, "{em" /* "}" */ , &state, &bytes) == LBER_ERROR)
		misunderstood(work);
	read_cookie(work, element);
	uuid = uuid_text(work, &bytes);
	ber_free(element, 0);
	ldap_controls_free(controls);
	if (state == LDAP_SYNC_PRESENT)
		work->present = true;
	else if (state == LDAP_SYNC_DELETE)
		work->visit(work->arg, NULL, uuid);
	else
		work->visit(work->arg, directory_entry(work->directory, work->search, message), uuid);
}

/* Takes a set of entries that went, or are still there. */
static void
take_set(SyncWork *work, BerElement *element)
{
	ber_len_t	length;
	ber_tag_t	tag;
	char	   *end;
	struct berval bytes;

	if (ber_scanf(element, "{" /* "}" */ ) == LBER_ERROR)
		misunderstood(work);
	read_cookie(work, element);
	if (!read_boolean(element, LDAP_TAG_REFRESHDELETES, false))
	{
		work->present = true;
		return;
	}
	for (tag = ber_first_element(element, &length, &end); tag != LBER_DEFAULT;
		 tag = ber_next_element(element, &length, end))
	{
		if (ber_scanf(element, "m", &bytes) == LBER_ERROR)
			misunderstood(work);
		work->visit(work->arg, NULL, uuid_text(work, &bytes));
	}
}

/* Takes what the directory says between entries. */
static void
take_information(SyncWork *work, LDAPMessage *message)
{
	char	   *name = NULL;
	struct berval *value = NULL;
	BerElement *element;
	ber_len_t	length;
	struct berval cookie;

	directory_check(work->directory,
					ldap_parse_intermediate(directory_handle(work->directory), message, &name, &value, NULL, 0), READING);
	if (name != NULL && strcmp(name, LDAP_SYNC_INFO) == 0 && value != NULL)
	{
		element = begin_reading(work, value);
		switch (ber_peek_tag(element, &length))
		{
			case LDAP_TAG_SYNC_NEW_COOKIE:
				if (ber_scanf(element, "tm", &length, &cookie) != LBER_ERROR)
					take_cookie(work, &cookie);
				break;
			case LDAP_TAG_SYNC_ID_SET:
				take_set(work, element);
				break;
			case LDAP_TAG_SYNC_REFRESH_PRESENT:
				work->present = true;
				break;
			default:
				break;			/* the cookie of the result is newer */
		}
		ber_free(element, 0);
	}
	ldap_memfree(name);
	ber_bvfree(value);
}

/* Whether the directory is where it was. */
static bool
is_same_cookie(const SyncWork *work)
{
	return work->cookie == NULL || work->since == NULL ||
		(VARSIZE_ANY_EXHDR(work->cookie) == VARSIZE_ANY_EXHDR(work->since) &&
		 memcmp(VARDATA_ANY(work->cookie), VARDATA_ANY(work->since), VARSIZE_ANY_EXHDR(work->since)) == 0);
}

/* Takes the end: the cookie, and whether all that went was told. */
static void
take_end(SyncWork *work, LDAPMessage *message)
{
	DirectoryResult result = directory_result(work->directory, message, READING);
	LDAPControl *control;
	BerElement *element;

	if (result.code == LDAP_UNAVAILABLE_CRITICAL_EXTENSION)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the directory does not tell changes"),
				 errdetail("It has no syncrepl (RFC 4533), or not for what is asked for."),
				 errhint("Read it with syncup_read_ldap() and complete runs; of OpenLDAP, load the overlay syncprov.")));
	if (result.code == LDAP_SYNC_REFRESH_REQUIRED)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the directory does not know what changed since it was read last"),
				 errhint("Run a complete synchronization.")));
	directory_check(work->directory, result.code, READING);
	control = ldap_control_find(LDAP_CONTROL_SYNC_DONE, result.controls, NULL);
	if (control == NULL)
		return;
	element = begin_reading(work, &control->ldctl_value);
	if (ber_scanf(element, "{" /* "}" */ ) == LBER_ERROR)
		misunderstood(work);
	read_cookie(work, element);
	/* Unless nothing happened at all. */
	if (!read_boolean(element, LDAP_TAG_REFRESHDELETES, false) && !is_same_cookie(work))
		work->present = true;
	ber_free(element, 0);
}

/* Asks for what changed; returns the request. */
static int
ask_for_changes(SyncWork *work)
{
	const DirectorySearch *search = work->search;
	static char *none[] = {LDAP_NO_ATTRS, NULL};
	BerElement *element = ber_alloc_t(LBER_USE_DER);
	struct berval value = {0, NULL};
	LDAPControl control = {.ldctl_oid = LDAP_CONTROL_SYNC, .ldctl_iscritical = 1};
	LDAPControl *controls[] = {&control, NULL};
	int			request = 0;
	int			code;

	if (element == NULL)
		code = LDAP_NO_MEMORY;
	else if (work->since != NULL)
		code = ber_printf(element, "{eo}", LDAP_SYNC_REFRESH_ONLY, VARDATA_ANY(work->since),
						  (ber_len_t) VARSIZE_ANY_EXHDR(work->since)) < 0 ? LDAP_ENCODING_ERROR : LDAP_SUCCESS;
	else
		code = ber_printf(element, "{e}", LDAP_SYNC_REFRESH_ONLY) < 0 ? LDAP_ENCODING_ERROR : LDAP_SUCCESS;
	if (code == LDAP_SUCCESS && ber_flatten2(element, &value, 0) < 0)
		code = LDAP_ENCODING_ERROR;
	control.ldctl_value = value;
	if (code == LDAP_SUCCESS)
		code = ldap_search_ext(directory_handle(work->directory), search->base, search->scope, search->filter,
							   search->nattributes > 0 ? search->attributes : none, 0,
							   controls, NULL, NULL, LDAP_NO_LIMIT, &request);
	if (element != NULL)
		ber_free(element, 1);
	directory_check(work->directory, code, READING);
	return request;
}

/* Takes all messages of the answer, up to its end or until it is of no use. */
static void
take_answer(SyncWork *work, int request)
{
	MemoryContext row = AllocSetContextCreate(work->context, "syncup directory change", ALLOCSET_DEFAULT_SIZES);
	LDAPMessage *message;
	int			type = 0;

	while (type != LDAP_RES_SEARCH_RESULT && !(work->present && work->since != NULL))
	{
		type = directory_next(work->directory, request, READING, &message);
		MemoryContextReset(row);
		MemoryContextSwitchTo(row);
		if (type == LDAP_RES_SEARCH_ENTRY)
			take_entry(work, message);
		else if (type == LDAP_RES_INTERMEDIATE)
			take_information(work, message);
		else if (type == LDAP_RES_SEARCH_REFERENCE)
			work->continuations++;
		MemoryContextSwitchTo(work->context);
	}
	if (type == LDAP_RES_SEARCH_RESULT)
		take_end(work, message);
	MemoryContextDelete(row);
}

bool
directory_changes(Directory *directory, const DirectorySearch *search, const bytea *since,
				  ChangeVisitor visit, void *arg, bytea **cookie)
{
	SyncWork	work = {directory, search, since, visit, arg, .context = CurrentMemoryContext};

	take_answer(&work, ask_for_changes(&work));
	if (since != NULL && work.present)
		return false;
	directory_note_continuations(work.continuations);
	/* A directory that has nothing to tell may leave it out. */
	if (work.cookie == NULL && since != NULL)
		work.cookie = unconstify(bytea *, since);
	if (work.cookie == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				 errmsg("the directory does not tell changes"),
				 errdetail("It gave no cookie, by which it would know what was read."),
				 errhint("Read it with syncup_read_ldap() and complete runs.")));
	*cookie = work.cookie;
	return true;
}

#endif							/* SYNCUP_LDAP */
