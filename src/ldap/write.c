/*
 * write.c
 *		Orders carried out in a directory: entries that come, change, move and go
 *		(AFTER 5).
 *
 * An entry is brought from what it is to what it is to be by the smallest
 * difference, so that an order may be carried out again.  Where it is neither as
 * it was read nor as it is to be, somebody has changed it since: that is an error.
 */
#include "syncup.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(syncup_ldap_orders);

#ifdef SYNCUP_LDAP
#include "ldap/search.h"

#define WRITING	"could not write to"

/* One order; what is NULL does not matter to its kind. */
typedef struct Order
{
	char	   *change;			/* Added, Modified, Deleted */
	char	   *dn;
	char	   *new_dn;			/* where it is to be */
	JsonbContainer *set;		/* {attribute: [values]} that it is to have */
	JsonbContainer *was;		/* those that were read */
	JsonbContainer *key;		/* which entry it is, as far as the directory shows that */
	JsonbContainer *links;		/* [{dn or name, attribute, add}]: others that name it, and others that it names */
} Order;

/* Values of an attribute. */
typedef struct Values
{
	int			count;
	struct berval *values;
} Values;

/* ---------- documents ---------- */

static JsonbValue *
member(JsonbContainer *object, const char *name)
{
	return object != NULL && JsonContainerIsObject(object) ?
		getKeyJsonValueFromContainer(object, name, strlen(name), NULL) : NULL;
}

static char *
member_text(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);

	return value != NULL && value->type == jbvString ? pnstrdup(value->val.string.val, value->val.string.len) : NULL;
}

static char *
name_in_utf8(JsonbContainer *object, const char *name)
{
	char	   *text = member_text(object, name);

	return text ? pg_server_to_any(text, strlen(text), PG_UTF8) : NULL;
}

static bool
member_is_true(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);

	return value != NULL && value->type == jbvBool && value->val.boolean;
}

static JsonbContainer *
member_container(JsonbContainer *object, const char *name)
{
	JsonbValue *value = member(object, name);

	return value != NULL && value->type == jbvBinary ? value->val.binary.data : NULL;
}

static struct berval
value_of(const char *bytes, size_t length)
{
	return (struct berval) {.bv_len = length,.bv_val = pnstrdup(bytes, length)};
}

/* A directory's texts are UTF-8. */
static struct berval
text_value(const char *text, size_t length)
{
	char	   *utf8 = pg_server_to_any(pnstrdup(text, length), length, PG_UTF8);

	return value_of(utf8, strlen(utf8));
}

/* A text, or {"hex": ...}: any octets. */
static struct berval
json_value(const JsonbValue *json)
{
	if (json->type == jbvBinary)
	{
		char	   *hex = member_text(json->val.binary.data, "hex");
		size_t		length = hex ? strlen(hex) / 2 : 0;
		char	   *bytes = palloc(length + 1);

		if (hex == NULL)
			elog(ERROR, "a value of an order is neither text nor octets");
		hex_decode(hex, length * 2, bytes);
		return value_of(bytes, length);
	}
	if (json->type != jbvString)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("a value for a directory is no text")));
	return text_value(json->val.string.val, json->val.string.len);
}

/* The values of an attribute in {attribute: [values]}; false: nothing is said of it. */
static bool
values_of(JsonbContainer *object, const char *attribute, Values *values)
{
	JsonbContainer *list = member_container(object, attribute);
	uint32		count;

	values->count = 0;
	values->values = NULL;
	if (list == NULL)
		return false;
	count = JsonContainerSize(list);
	values->values = palloc(sizeof(struct berval) * Max(count, 1));
	for (uint32 i = 0; i < count; i++)
		values->values[values->count++] = json_value(getIthJsonbValueFromContainer(list, i));
	return true;
}

/* The attributes that an order sets, then those that were read and it does not set; ends with NULL. */
static char **
attributes_of(const Order *order, int *count)
{
	JsonbContainer *objects[] = {order->set, order->was, order->key};
	char	  **attributes = palloc0(sizeof(char *) * (JsonContainerSize(order->set) + JsonContainerSize(order->was) + JsonContainerSize(order->key) + 1));

	*count = 0;
	for (int i = 0; i < lengthof(objects); i++)
	{
		JsonbIterator *iterator = JsonbIteratorInit(objects[i]);
		JsonbValue	value;
		JsonbIteratorToken token;

		while ((token = JsonbIteratorNext(&iterator, &value, true)) != WJB_DONE)
			if (token == WJB_KEY)
			{
				char	   *name = pnstrdup(value.val.string.val, value.val.string.len);

				if (i == 0 || member(order->set, name) == NULL)
					attributes[(*count)++] = name;
			}
	}
	return attributes;
}

/* ---------- values ---------- */

static bool
has_value(const Values *values, const struct berval *value)
{
	for (int i = 0; i < values->count; i++)
		if (values->values[i].bv_len == value->bv_len && memcmp(values->values[i].bv_val, value->bv_val, value->bv_len) == 0)
			return true;
	return false;
}

static bool
same_values(const Values *a, const Values *b)
{
	for (int i = 0; i < a->count; i++)
		if (!has_value(b, &a->values[i]))
			return false;
	return a->count == b->count;
}

/* Those of the one that are not in the other, as libldap wants them; NULL: none. */
static struct berval **
values_without(const Values *values, const Values *others)
{
	struct berval **result = palloc(sizeof(struct berval *) * (values->count + 1));
	int			count = 0;

	for (int i = 0; i < values->count; i++)
		if (others == NULL || !has_value(others, &values->values[i]))
			result[count++] = &values->values[i];
	result[count] = NULL;
	return count > 0 ? result : NULL;
}

static char *
say_values(const Values *values)
{
	StringInfoData text;

	if (values->count == 0)
		return "nothing";
	initStringInfo(&text);
	for (int i = 0; i < values->count && text.len < 200; i++)
	{
		const struct berval *value = &values->values[i];

		appendStringInfoString(&text, i ? "; " : "");
		if (pg_verify_mbstr(PG_UTF8, value->bv_val, value->bv_len, true))
			appendStringInfoString(&text, pg_any_to_server(value->bv_val, value->bv_len, PG_UTF8));
		else
			appendStringInfo(&text, "%zu octets", (size_t) value->bv_len);
	}
	return text.data;
}

/* ---------- requests ---------- */

/*
 * What a request came to: NULL if it succeeded, or ended as tolerated, else why
 * not.  ended_so: whether it ended so; may be NULL.
 */
static char *
await(Directory *directory, int sent, int request, int tolerated, bool *ended_so)
{
	LDAPMessage *message;
	DirectoryResult result;

	directory_check(directory, sent, WRITING);
	directory_next(directory, request, WRITING, &message);
	result = directory_result(directory, message, WRITING);
	if (ended_so != NULL)
		*ended_so = result.code == tolerated;
	if (result.code == LDAP_SUCCESS || result.code == tolerated)
		return NULL;
	return result.said ? psprintf("%s: %s", ldap_err2string(result.code), result.said) : pstrdup(ldap_err2string(result.code));
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

/* The values that an entry has of these attributes; NULL: it is not there. */
static Values *
read_entry(Directory *directory, const char *dn, int count, char **attributes)
{
	static char *none[] = {LDAP_NO_ATTRS, NULL};
	DirectorySearch search = {.nattributes = count,.attributes = attributes};
	Values	   *found = NULL;
	int			request;
	int			type;
	LDAPMessage *message;
	DirectoryResult result;

	directory_check(directory, ldap_search_ext(directory_handle(directory), dn, LDAP_SCOPE_BASE, "(objectClass=*)", count > 0 ? attributes : none, 0,
											   NULL, NULL, NULL, LDAP_NO_LIMIT, &request), READING);
	while ((type = directory_next(directory, request, READING, &message)) != LDAP_RES_SEARCH_RESULT)
		if (type == LDAP_RES_SEARCH_ENTRY)
		{
			DirectoryEntry *entry = directory_entry(directory, &search, message);

			found = palloc(sizeof(Values) * Max(count, 1));
			for (int i = 0; i < count; i++)
				found[i] = (Values) {entry->attributes[i].count, entry->attributes[i].values};
		}
	result = directory_result(directory, message, READING);
	if (result.code != LDAP_NO_SUCH_OBJECT)
		directory_check(directory, result.code, READING);
	return found;
}

/* ---------- names ---------- */

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

static char *
move(Directory *directory, const char *dn, const char *new_dn)
{
	const char *old_parent;
	const char *new_parent;
	char	   *rdn = split_dn(new_dn, &new_parent);
	int			request;
	int			sent;

	(void) split_dn(dn, &old_parent);
	sent = ldap_rename(directory_handle(directory), dn, rdn, pg_strcasecmp(old_parent, new_parent) == 0 ? NULL : new_parent, 1, NULL, NULL, &request);
	return await(directory, sent, request, LDAP_SUCCESS, NULL);
}

/* ---------- orders ---------- */

/*
 * Whether an entry that was there before is the one that an order was to add.  A
 * password is kept as a hash, and classes may bring others along.
 */
static bool
is_as_ordered(const Order *order, int count, char **attributes, const Values *found)
{
	for (int i = 0; i < count; i++)
	{
		Values		wanted;

		values_of(order->set, attributes[i], &wanted);
		if (pg_strcasecmp(attributes[i], "userPassword") == 0)
			continue;
		if (pg_strcasecmp(attributes[i], "objectClass") == 0 ? values_without(&wanted, &found[i]) != NULL : !same_values(&wanted, &found[i]))
			return false;
	}
	return true;
}

static char *
add_entry(Directory *directory, const Order *order)
{
	Modifications modifications = {0};
	int			count;
	char	  **attributes = attributes_of(order, &count);
	Values	   *found;
	int			request;
	int			sent;
	char	   *failure;
	bool		already;

	for (int i = 0; i < count; i++)
	{
		Values		wanted;

		values_of(order->set, attributes[i], &wanted);
		if (wanted.count > 0)
			modify(&modifications, LDAP_MOD_ADD, attributes[i], values_without(&wanted, NULL));
	}
	sent = ldap_add_ext(directory_handle(directory), order->dn, modifications.all, NULL, NULL, &request);
	failure = await(directory, sent, request, LDAP_ALREADY_EXISTS, &already);
	if (failure != NULL || !already)
		return failure;
	found = read_entry(directory, order->dn, count, attributes);
	if (found == NULL || !is_as_ordered(order, count, attributes, found))
		return "an entry of this name is there already, with other values";
	return NULL;
}

/* Why an entry is not what it was when it was read, nor what it is to be; NULL: it is. */
static char *
changed_since(const Order *order, int count, char **attributes, const Values *found)
{
	for (int i = 0; i < count; i++)
	{
		Values		was;
		Values		wanted;
		bool		is_set = values_of(order->set, attributes[i], &wanted);

		if (values_of(order->key, attributes[i], &was) && found[i].count > 0 && !same_values(&was, &found[i]))
			return psprintf("another entry has this name: %s was %s, it is %s", attributes[i], say_values(&was), say_values(&found[i]));
		if (!values_of(order->was, attributes[i], &was) || same_values(&was, &found[i]) || (is_set && same_values(&wanted, &found[i])))
			continue;
		return psprintf("%s has changed since: it was %s, it is %s%s", attributes[i], say_values(&was), say_values(&found[i]),
						is_set ? psprintf(", it is to be %s", say_values(&wanted)) : "");
	}
	return NULL;
}

/*
 * Adds the entry to others, such as groups, by its name, or takes it away from
 * them; or others to it.
 */
static char *
write_links(Directory *directory, const Order *order, bool add, const char *name)
{
	uint32		count = JsonContainerSize(order->links);

	for (uint32 i = 0; i < count; i++)
	{
		JsonbContainer *link = getIthJsonbValueFromContainer(order->links, i)->val.binary.data;
		char	   *holder = name_in_utf8(link, "dn");
		char	   *held = name_in_utf8(link, "name");
		const char *dn = holder ? holder : name;
		struct berval one = value_of(held ? held : name, strlen(held ? held : name));
		struct berval *values[] = {&one, NULL};
		Modifications modifications = {0};
		char	   *failure;
		int			request;
		int			sent;

		if (member_is_true(link, "add") != add)
			continue;
		modify(&modifications, add ? LDAP_MOD_ADD : LDAP_MOD_DELETE, member_text(link, "attribute"), values);
		sent = ldap_modify_ext(directory_handle(directory), dn, modifications.all, NULL, NULL, &request);
		failure = await(directory, sent, request, add ? LDAP_TYPE_OR_VALUE_EXISTS : LDAP_NO_SUCH_ATTRIBUTE, NULL);
		if (failure != NULL)
			return psprintf("%s: %s", dn, failure);
	}
	return NULL;
}

/* Brings the attributes of an entry to what they are to be. */
static char *
bring_attributes(Directory *directory, const Order *order, const char *dn, int count, char **attributes, const Values *found)
{
	Modifications modifications = {0};
	int			request;
	int			sent;

	for (int i = 0; i < count; i++)
	{
		Values		wanted;
		struct berval **gone;
		struct berval **come;

		if (!values_of(order->set, attributes[i], &wanted))
			continue;
		gone = values_without(&found[i], &wanted);
		come = values_without(&wanted, &found[i]);
		if (gone != NULL)
			modify(&modifications, LDAP_MOD_DELETE, attributes[i], gone);
		if (come != NULL)
			modify(&modifications, LDAP_MOD_ADD, attributes[i], come);
	}
	if (modifications.count == 0)
		return NULL;
	sent = ldap_modify_ext(directory_handle(directory), dn, modifications.all, NULL, NULL, &request);
	return await(directory, sent, request, LDAP_SUCCESS, NULL);
}

static char *
modify_entry(Directory *directory, const Order *order, const char **name)
{
	int			count;
	char	  **attributes = attributes_of(order, &count);
	Values	   *found = read_entry(directory, order->dn, count, attributes);
	char	   *failure;

	*name = order->dn;
	if (found == NULL && order->new_dn != NULL)
	{
		/* it was moved before a crash */
		*name = order->new_dn;
		found = read_entry(directory, order->new_dn, count, attributes);
	}
	if (found == NULL)
		return "the entry is not there";
	failure = changed_since(order, count, attributes, found);
	if (failure == NULL && order->new_dn != NULL && *name == order->dn)
	{
		/* what it is taken away from names it by this name still */
		failure = write_links(directory, order, false, *name);
		if (failure == NULL)
			failure = move(directory, order->dn, order->new_dn);
		*name = order->new_dn;
		/* the name brings a value of its own along */
		if (failure == NULL && (found = read_entry(directory, order->new_dn, count, attributes)) == NULL)
			failure = "the entry is not there";
	}
	return failure ? failure : bring_attributes(directory, order, *name, count, attributes, found);
}

static char *
delete_entry(Directory *directory, const Order *order)
{
	int			count;
	char	  **attributes = attributes_of(order, &count);
	Values	   *found = read_entry(directory, order->dn, count, attributes);
	char	   *failure;
	int			request;
	int			sent;

	if (found == NULL)
		return NULL;
	failure = changed_since(order, count, attributes, found);
	/* while they name it by this name */
	if (failure == NULL)
		failure = write_links(directory, order, false, order->dn);
	if (failure != NULL)
		return failure;
	if (order->new_dn != NULL)
		return move(directory, order->dn, order->new_dn);
	sent = ldap_delete_ext(directory_handle(directory), order->dn, NULL, NULL, &request);
	return await(directory, sent, request, LDAP_NO_SUCH_OBJECT, NULL);
}

static char *
carry_out(Directory *directory, const Order *order)
{
	const char *name = order->dn;
	char	   *failure;

	if (order->dn == NULL || *order->dn == '\0')
		return "no rule gives the name of the entry";
	if (strcmp(order->change, "Deleted") == 0)
		return delete_entry(directory, order);
	failure = strcmp(order->change, "Added") == 0 ? add_entry(directory, order) : modify_entry(directory, order, &name);
	if (failure == NULL)
		failure = write_links(directory, order, false, name);
	return failure ? failure : write_links(directory, order, true, name);
}

/* The directory as the role may use it. */
static Directory *
open_as(Oid role, const char *server, double timeout)
{
	Oid			user;
	int			context;
	DirectoryServer *found;

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(role, context | SECURITY_LOCAL_USERID_CHANGE);
	found = directory_server(server);
	SetUserIdAndSecContext(user, context);
	return directory_open(found, timeout);
}

/*
 * syncup.ldap_orders(role regrole, server text, timeout float8, orders jsonb)
 * returns table (order_id uuid, error text).
 */
Datum
syncup_ldap_orders(PG_FUNCTION_ARGS)
{
	JsonbContainer *orders = &PG_GETARG_JSONB_P(3)->root;
	ReturnSetInfo *result;
	MemoryContext context;
	Directory  *directory;

	InitMaterializedSRF(fcinfo, 0);
	result = (ReturnSetInfo *) fcinfo->resultinfo;
	directory = open_as(PG_GETARG_OID(0), text_to_cstring(PG_GETARG_TEXT_PP(1)), PG_GETARG_FLOAT8(2));
	context = AllocSetContextCreate(CurrentMemoryContext, "an order for a directory", ALLOCSET_DEFAULT_SIZES);
	for (uint32 i = 0; i < JsonContainerSize(orders); i++)
	{
		MemoryContext around = MemoryContextSwitchTo(context);
		JsonbContainer *document = getIthJsonbValueFromContainer(orders, i)->val.binary.data;
		Order		order = {member_text(document, "change"), name_in_utf8(document, "dn"), name_in_utf8(document, "new_dn"),
			member_container(document, "set"), member_container(document, "was"), member_container(document, "key"), member_container(document, "links")};
		char	   *error = carry_out(directory, &order);
		Datum		values[] = {DirectFunctionCall1(uuid_in, CStringGetDatum(member_text(document, "id"))),
		error ? CStringGetTextDatum(error) : (Datum) 0};
		bool		nulls[] = {false, error == NULL};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
		MemoryContextSwitchTo(around);
		MemoryContextReset(context);
	}
	directory_close(directory);
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
