/*
 * write.c
 *		Orders carried out in a directory: entries that come, change, move and go
 *		(AFTER 5).
 *
 * An entry is brought from what it is to what it is to be by the smallest
 * difference, so that an order may be carried out again.  Where it is neither as
 * it was read nor as it is to be, somebody has changed it since: that is an error.
 *
 * An order is a row of steps, a request each, of which the next follows from the
 * answer to the last.  Several orders are under way at the same time, so that
 * nobody waits for the other; not those that depend on each other: the directory
 * answers requests in any order.  They are under way from one call to the next, too:
 * the directory works while what became of those before is recorded.
 */
#include "syncup.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(syncup_ldap_orders);

#ifdef SYNCUP_LDAP
#include "ldap/order.h"
#include "ldap/search.h"

#define WRITING	"could not write to"

/* So many orders are under way at the same time: what is handed over with two calls (syncup.fulfill_kind). */
#define AT_ONCE	200

typedef enum Step
{
	ADD,
	LOOK_AT_ADDED,				/* it was there already */
	LOOK,
	LOOK_FURTHER,				/* it may have been moved before a crash */
	LEAVE,						/* what it is taken away from names it by its old name still */
	MOVE,
	LOOK_AT_MOVED,				/* the name brings a value of its own along */
	CHANGE,
	UNLINK,
	LINK,
	REMOVE,
	DONE
} Step;

/* An order under way. */
typedef struct Work
{
	Order		order;
	Step		step;
	uint32		link;			/* the next one that this step looks at */
	const char *name;			/* that the entry has now */
	Values	   *found;			/* of the order's attributes; NULL: the entry is not there */
	bool		asked;			/* for an answer to this request is waited */
	int			request;
	char	   *error;			/* why it could not be carried out; NULL: it was, or is not yet */
	MemoryContext context;
} Work;

static inline bool
is_change(const Work *work, const char *change)
{
	return strcmp(work->order.change, change) == 0;
}

static void
begin_step(Work *work, Step step)
{
	work->step = step;
	work->link = 0;
	if (step == LOOK || step == LOOK_FURTHER || step == LOOK_AT_MOVED)
		work->found = NULL;
	if (step == LOOK_FURTHER || step == LOOK_AT_MOVED)
		work->name = work->order.new_dn;
}

static void
end_with(Work *work, char *error)
{
	work->error = error;
	begin_step(work, DONE);
}

/* ---------- requests ---------- */

typedef enum Sent
{
	SENT,
	NOTHING_TO_SEND,
	LATER						/* libldap has not sent the request before this one as a whole */
} Sent;

static Sent
sent(Directory *directory, Work *work, int code)
{
	if (code == LDAP_BUSY)
		return LATER;
	directory_check(directory, code, WRITING);
	work->asked = true;
	return SENT;
}

typedef struct Modifications
{
	int			count;
	LDAPMod   **all;			/* ends with NULL */
} Modifications;

static void
modify(Modifications *modifications, int op, char *attribute, struct berval **values)
{
	LDAPMod    *one = palloc0(sizeof(LDAPMod));

	one->mod_op = op | LDAP_MOD_BVALUES;
	one->mod_type = attribute;
	one->mod_vals.modv_bvals = values;
	modifications->all = modifications->all ?
		repalloc(modifications->all, sizeof(LDAPMod *) * (modifications->count + 2)) : palloc(sizeof(LDAPMod *) * 2);
	modifications->all[modifications->count++] = one;
	modifications->all[modifications->count] = NULL;
}

static Sent
add_entry(Directory *directory, Work *work)
{
	const Order *order = &work->order;
	Modifications modifications = {0};

	for (int i = 0; i < order->count; i++)
	{
		Values		wanted;

		if (order_sets(order, order->attributes[i], &wanted) && wanted.count > 0)
			modify(&modifications, LDAP_MOD_ADD, order->attributes[i], values_without(&wanted, NULL));
	}
	return sent(directory, work, ldap_add_ext(directory_handle(directory), work->name, modifications.all, NULL, NULL, &work->request));
}

static Sent
look_at_entry(Directory *directory, Work *work)
{
	static char *none[] = {LDAP_NO_ATTRS, NULL};

	return sent(directory, work, ldap_search_ext(directory_handle(directory), work->name, LDAP_SCOPE_BASE, "(objectClass=*)",
												 work->order.count > 0 ? work->order.attributes : none, 0, NULL, NULL, NULL, LDAP_NO_LIMIT, &work->request));
}

/* The first part of a name, and what follows it. */
static char *
split_dn(const char *dn, const char **parent)
{
	const char *at = dn;

	while (*at != '\0' && *at != ',')
		at += *at == '\\' && at[1] != '\0' ? 2 : 1;
	*parent = *at == ',' ? at + 1 : at;
	while (**parent == ' ')
		(*parent)++;
	return pnstrdup(dn, at - dn);
}

static Sent
move_entry(Directory *directory, Work *work)
{
	const char *old_parent;
	const char *new_parent;
	char	   *rdn = split_dn(work->order.new_dn, &new_parent);

	(void) split_dn(work->name, &old_parent);
	return sent(directory, work, ldap_rename(directory_handle(directory), work->name, rdn,
											 pg_strcasecmp(old_parent, new_parent) == 0 ? NULL : new_parent, 1, NULL, NULL, &work->request));
}

/* Brings the attributes of an entry to what they are to be. */
static Sent
change_entry(Directory *directory, Work *work)
{
	const Order *order = &work->order;
	Modifications modifications = {0};

	for (int i = 0; i < order->count; i++)
	{
		Values		wanted;
		struct berval **gone;
		struct berval **come;

		if (!order_sets(order, order->attributes[i], &wanted))
			continue;
		gone = values_without(&work->found[i], &wanted);
		come = values_without(&wanted, &work->found[i]);
		if (gone != NULL)
			modify(&modifications, LDAP_MOD_DELETE, order->attributes[i], gone);
		if (come != NULL)
			modify(&modifications, LDAP_MOD_ADD, order->attributes[i], come);
	}
	if (modifications.count == 0)
		return NOTHING_TO_SEND;
	return sent(directory, work, ldap_modify_ext(directory_handle(directory), work->name, modifications.all, NULL, NULL, &work->request));
}

/* The entry that holds a link. */
static const char *
holder_of(const Work *work, const Link *link)
{
	return link->dn ? link->dn : work->name;
}

/*
 * Adds the entry to others, such as groups, by its name, or takes it away from
 * them; or others to it: the next of its links.
 */
static Sent
write_link(Directory *directory, Work *work, bool add)
{
	for (; work->link < JsonContainerSize(work->order.links); work->link++)
	{
		Link		link = order_link(&work->order, work->link);
		char	   *held = link.name ? link.name : pstrdup(work->name);
		struct berval value = {.bv_len = strlen(held),.bv_val = held};
		struct berval *values[] = {&value, NULL};
		Modifications modifications = {0};

		if (link.add != add)
			continue;
		modify(&modifications, add ? LDAP_MOD_ADD : LDAP_MOD_DELETE, link.attribute, values);
		return sent(directory, work, ldap_modify_ext(directory_handle(directory), holder_of(work, &link), modifications.all, NULL, NULL, &work->request));
	}
	return NOTHING_TO_SEND;
}

static Sent
send_request(Directory *directory, Work *work)
{
	switch (work->step)
	{
		case ADD:
			return add_entry(directory, work);
		case LOOK_AT_ADDED:
		case LOOK:
		case LOOK_FURTHER:
		case LOOK_AT_MOVED:
			return look_at_entry(directory, work);
		case MOVE:
			return move_entry(directory, work);
		case CHANGE:
			return change_entry(directory, work);
		case LEAVE:
		case UNLINK:
		case LINK:
			return write_link(directory, work, work->step == LINK);
		case REMOVE:
			return sent(directory, work, ldap_delete_ext(directory_handle(directory), work->name, NULL, NULL, &work->request));
		case DONE:
			break;
	}
	return NOTHING_TO_SEND;
}

/* ---------- what follows ---------- */

static Step
step_after(const Work *work)
{
	switch (work->step)
	{
		case LOOK:
			return is_change(work, "Deleted") || work->order.new_dn != NULL ? LEAVE : CHANGE;
		case LEAVE:
			return work->order.new_dn != NULL ? MOVE : REMOVE;
		case MOVE:
			return is_change(work, "Deleted") ? DONE : LOOK_AT_MOVED;
		case LOOK_FURTHER:
		case LOOK_AT_MOVED:
			return CHANGE;
		case ADD:
		case LOOK_AT_ADDED:
		case CHANGE:
			return UNLINK;
		case UNLINK:
			return LINK;
		case LINK:
		case REMOVE:
		case DONE:
			break;
	}
	return DONE;
}

/* What the directory may answer beside success: it is so already. */
static int
tolerated(const Work *work)
{
	switch (work->step)
	{
		case ADD:
			return LDAP_ALREADY_EXISTS;
		case LEAVE:
		case UNLINK:
			return LDAP_NO_SUCH_ATTRIBUTE;
		case LINK:
			return LDAP_TYPE_OR_VALUE_EXISTS;
		case MOVE:
		case CHANGE:
			return LDAP_SUCCESS;
		case LOOK_AT_ADDED:
		case LOOK:
		case LOOK_FURTHER:
		case LOOK_AT_MOVED:
		case REMOVE:
		case DONE:
			break;
	}
	return LDAP_NO_SUCH_OBJECT;
}

/* Judges an entry that was looked at. */
static void
judge(Work *work)
{
	Order	   *order = &work->order;
	char	   *error = NULL;

	if (work->step == LOOK_AT_ADDED)
		error = work->found != NULL && is_as_ordered(order, work->found) ? NULL : "an entry of this name is there already, with other values";
	else if (work->found != NULL)
		error = work->step == LOOK_AT_MOVED ? NULL : changed_since(order, work->found);
	else if (is_change(work, "Deleted"))
	{
		end_with(work, NULL);
		return;
	}
	else if (work->step == LOOK && order->new_dn != NULL)
	{
		begin_step(work, LOOK_FURTHER);
		return;
	}
	else
		error = "the entry is not there";
	if (error != NULL)
		end_with(work, error);
	else
		begin_step(work, step_after(work));
}

/* Takes the message that ends an answer. */
static void
take_result(Work *work, DirectoryResult result)
{
	work->asked = false;
	if (result.code != LDAP_SUCCESS && result.code != tolerated(work))
	{
		char	   *error = result.said ? psprintf("%s: %s", ldap_err2string(result.code), result.said) : pstrdup(ldap_err2string(result.code));

		if (work->step == LEAVE || work->step == UNLINK || work->step == LINK)
		{
			Link		link = order_link(&work->order, work->link);

			error = psprintf("%s: %s", holder_of(work, &link), error);
		}
		end_with(work, error);
		return;
	}
	switch (work->step)
	{
		case LOOK_AT_ADDED:
		case LOOK:
		case LOOK_FURTHER:
		case LOOK_AT_MOVED:
			judge(work);
			break;
		case LEAVE:
		case UNLINK:
		case LINK:
			work->link++;
			break;
		case ADD:
			begin_step(work, result.code == LDAP_ALREADY_EXISTS ? LOOK_AT_ADDED : UNLINK);
			break;
		default:
			begin_step(work, step_after(work));
	}
}

static void
take_entry(Directory *directory, Work *work, LDAPMessage *message)
{
	int			count = work->order.count;
	DirectorySearch search = {.nattributes = count,.attributes = work->order.attributes};
	DirectoryEntry *entry = directory_entry(directory, &search, message);

	work->found = palloc(sizeof(Values) * Max(count, 1));
	for (int i = 0; i < count; i++)
		work->found[i] = (Values) {entry->attributes[i].count, entry->attributes[i].values};
}

/* ---------- orders ---------- */

/* Orders under way, in a directory as a role may use it; until the last is done, or the transaction ends. */
typedef struct Writing
{
	Oid			role;
	char	   *server;
	Directory  *directory;
	int			count;
	Work	   *under_way[AT_ONCE];
	bool		waits;			/* one of them, for an answer */
	MemoryContext context;
	MemoryContextCallback forget;
} Writing;

static Writing *writing = NULL;

static void
forget_writing(void *arg)
{
	writing = NULL;
}

/* Closes the connection: whatever is under way is not heard of any more. */
static void
end_writing(void)
{
	if (writing != NULL)
		MemoryContextDelete(writing->context);
}

static void
begin_writing(Oid role, const char *server, double timeout)
{
	MemoryContext context = AllocSetContextCreate(TopTransactionContext, "orders for a directory", ALLOCSET_DEFAULT_SIZES);
	MemoryContext around = MemoryContextSwitchTo(context);
	Oid			user;
	int			security;
	DirectoryServer *found;

	writing = palloc0(sizeof(Writing));
	writing->context = context;
	writing->forget.func = forget_writing;
	MemoryContextRegisterResetCallback(context, &writing->forget);
	writing->role = role;
	writing->server = pstrdup(server);
	GetUserIdAndSecContext(&user, &security);
	SetUserIdAndSecContext(role, security | SECURITY_LOCAL_USERID_CHANGE);
	found = directory_server(server);
	SetUserIdAndSecContext(user, security);
	writing->directory = directory_open(found, timeout);
	MemoryContextSwitchTo(around);
}

static Work *
new_work(Jsonb *document)
{
	MemoryContext context = AllocSetContextCreate(writing->context, "an order for a directory", ALLOCSET_SMALL_SIZES);
	MemoryContext around = MemoryContextSwitchTo(context);
	Work	   *work = palloc0(sizeof(Work));

	work->context = context;
	document = memcpy(palloc(VARSIZE(document)), document, VARSIZE(document));
	order_read(&work->order, &document->root);
	work->name = work->order.dn;
	if (work->name == NULL || *work->name == '\0')
		end_with(work, "no rule gives the name of the entry");
	else
		begin_step(work, is_change(work, "Added") ? ADD : LOOK);
	MemoryContextSwitchTo(around);
	return work;
}

/* Sends the next request of an order, if it has not come to its end. */
static void
proceed(Directory *directory, Work *work)
{
	MemoryContext around = MemoryContextSwitchTo(work->context);

	while (work->step != DONE && send_request(directory, work) == NOTHING_TO_SEND)
		begin_step(work, step_after(work));
	MemoryContextSwitchTo(around);
}

/* Notes what became of an order, and forgets it. */
static void
end_work(Work *work, ReturnSetInfo *result)
{
	Datum		values[] = {DirectFunctionCall1(uuid_in, CStringGetDatum(work->order.id)),
	work->error ? CStringGetTextDatum(work->error) : (Datum) 0};
	bool		nulls[] = {false, work->error == NULL};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	MemoryContextDelete(work->context);
}

/* Takes what has come of an answer, of whatever order; false: nothing has. */
static bool
take_message(bool wait)
{
	LDAPMessage *message;
	Directory  *directory = writing->directory;
	int			type = wait ? directory_next(directory, LDAP_RES_ANY, WRITING, &message) : directory_next_if_any(directory, LDAP_RES_ANY, WRITING, &message);
	int			request = type == 0 ? 0 : ldap_msgid(message);

	for (int i = 0; type != 0 && i < writing->count; i++)
	{
		Work	   *work = writing->under_way[i];
		MemoryContext around;

		if (!work->asked || work->request != request)
			continue;
		around = MemoryContextSwitchTo(work->context);
		if (type == LDAP_RES_SEARCH_ENTRY)
			take_entry(directory, work, message);
		else if (type != LDAP_RES_SEARCH_REFERENCE && type != LDAP_RES_INTERMEDIATE)
			take_result(work, directory_result(directory, message, WRITING));
		MemoryContextSwitchTo(around);
		break;
	}
	return type != 0;
}

/* Goes on with all that are under way. */
static void
proceed_with_all(ReturnSetInfo *result)
{
	int			left = 0;

	writing->waits = false;
	for (int i = 0; i < writing->count; i++)
	{
		Work	   *work = writing->under_way[i];

		if (!work->asked)
			proceed(writing->directory, work);
		writing->waits |= work->asked;
		if (work->step == DONE)
			end_work(work, result);
		else
			writing->under_way[left++] = work;
	}
	writing->count = left;
}

static void
await_answer(ReturnSetInfo *result)
{
	if (writing->waits)
		take_message(true);
	proceed_with_all(result);
}

static bool
has_to_wait(const Work *work)
{
	for (int i = 0; i < writing->count; i++)
		if (depend_on_each_other(&writing->under_way[i]->order, &work->order))
			return true;
	return writing->count == AT_ONCE;
}

/* Begins an order, as soon as those have been carried out that it depends on: others behind it wait as well. */
static void
begin_order(Jsonb *document, ReturnSetInfo *result)
{
	Work	   *work = new_work(document);

	while (has_to_wait(work))
		await_answer(result);
	writing->under_way[writing->count++] = work;
	proceed_with_all(result);
}

/* Begins orders; without any, brings those under way to their end. */
static void
carry_out(ArrayType *documents, ReturnSetInfo *result)
{
	ArrayIterator iterator = array_create_iterator(documents, 0, NULL);
	Datum		document;
	bool		is_null;

	while (take_message(false))
		proceed_with_all(result);
	while (array_iterate(iterator, &document, &is_null))
		begin_order(DatumGetJsonbP(document), result);
	if (ArrayGetNItems(ARR_NDIM(documents), ARR_DIMS(documents)) > 0)
		return;
	while (writing->count > 0)
		await_answer(result);
	end_writing();
}

/*
 * syncup.ldap_orders(role regrole, server text, timeout float8, orders jsonb[])
 * returns table (order_id uuid, error text).
 */
Datum
syncup_ldap_orders(PG_FUNCTION_ARGS)
{
	Oid			role = PG_GETARG_OID(0);
	char	   *server = text_to_cstring(PG_GETARG_TEXT_PP(1));
	ArrayType  *orders = PG_GETARG_ARRAYTYPE_P(3);

	InitMaterializedSRF(fcinfo, 0);
	if (writing != NULL && (writing->role != role || strcmp(writing->server, server) != 0))
		end_writing();
	if (writing == NULL && ArrayGetNItems(ARR_NDIM(orders), ARR_DIMS(orders)) == 0)
		return (Datum) 0;
	PG_TRY();
	{
		if (writing == NULL)
			begin_writing(role, server, PG_GETARG_FLOAT8(2));
		carry_out(orders, (ReturnSetInfo *) fcinfo->resultinfo);
	}
	PG_CATCH();
	{
		end_writing();
		PG_RE_THROW();
	}
	PG_END_TRY();
	return (Datum) 0;
}

#else

Datum
syncup_ldap_orders(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("directories cannot be written to: syncup was built without libldap"),
			 errhint("Install libldap and its header files (Debian: libldap-dev), and build syncup again.")));
	return (Datum) 0;
}

#endif							/* SYNCUP_LDAP */
