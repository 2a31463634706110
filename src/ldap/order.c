/*
 * order.c
 *		An order for a directory: what its document says, beside what was found there.
 */
#ifdef SYNCUP_LDAP
#include "ldap/order.h"

#include "common/hashfn.h"
#include "format/dn.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

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

bool
order_sets(const Order *order, const char *attribute, Values *values)
{
	return values_of(order->set, attribute, values);
}

static void
read_attributes(Order *order)
{
	JsonbContainer *objects[] = {order->set, order->was, order->key};

	order->attributes = palloc0(sizeof(char *) * (JsonContainerSize(order->set) + JsonContainerSize(order->was) + JsonContainerSize(order->key) + 1));
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
					order->attributes[order->count++] = name;
			}
	}
}

static char *
in_utf8(char *text)
{
	return text ? pg_server_to_any(text, strlen(text), PG_UTF8) : NULL;
}

Link
order_link(const Order *order, uint32 i)
{
	JsonbContainer *link = getIthJsonbValueFromContainer(order->links, i)->val.binary.data;

	return (Link) {
		in_utf8(member_text(link, "dn")), in_utf8(member_text(link, "name")), member_text(link, "attribute"), member_is_true(link, "add")
	};
}

/* ---------- which orders depend on each other ---------- */

static void
note_digest(Names *names, const char *text, size_t length)
{
	if (names->count == names->room)
	{
		names->room = names->room ? names->room * 2 : 8;
		names->digests = names->digests ? repalloc(names->digests, sizeof(uint64) * names->room) : palloc(sizeof(uint64) * names->room);
	}
	names->digests[names->count++] = hash_bytes_extended((const unsigned char *) text, length, 0);
}

/* Notes a name; of an entry that lies below others, those as well. */
static void
note_name(Names *names, const char *name, Names *above)
{
	const char *normal = name ? dn_normal(name, strlen(name)) : NULL;

	if (normal == NULL)
		return;
	note_digest(names, normal, strlen(normal));
	while (above != NULL && *normal != '\0')
	{
		while (*normal != '\0' && *normal != ',')
			normal += *normal == '\\' && normal[1] != '\0' ? 2 : 1;
		if (*normal == ',')
			note_digest(above, normal + 1, strlen(normal + 1));
		normal += *normal == ',' ? 1 : 0;
	}
}

/* Values that look like names may be some. */
static void
note_values(Names *names, JsonbContainer *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(object);
	JsonbValue	value;
	JsonbIteratorToken token;

	while ((token = JsonbIteratorNext(&iterator, &value, false)) != WJB_DONE)
		if (token == WJB_ELEM && value.type == jbvString && memchr(value.val.string.val, '=', value.val.string.len) != NULL)
			note_name(names, pnstrdup(value.val.string.val, value.val.string.len), NULL);
}

static bool
have_common(const Names *a, const Names *b)
{
	for (int i = 0; i < a->count; i++)
		for (int j = 0; j < b->count; j++)
			if (a->digests[i] == b->digests[j])
				return true;
	return false;
}

bool
depend_on_each_other(const Order *a, const Order *b)
{
	return have_common(&a->own, &b->own) || have_common(&a->own, &b->others) || have_common(&a->others, &b->own);
}

void
order_read(Order *order, JsonbContainer *document)
{
	char	   *dn = member_text(document, "dn");
	char	   *new_dn = member_text(document, "new_dn");

	*order = (Order) {
		.id = member_text(document, "id"),.change = member_text(document, "change"),.dn = in_utf8(dn),.new_dn = in_utf8(new_dn),
		.set = member_container(document, "set"),.was = member_container(document, "was"),.told = member_container(document, "told"),.key = member_container(document, "key"),
		.links = member_container(document, "links")
	};
	read_attributes(order);
	note_name(&order->own, dn, &order->others);
	note_name(&order->own, new_dn, &order->others);
	note_values(&order->others, order->set);
	for (uint32 i = 0; i < JsonContainerSize(order->links); i++)
	{
		JsonbContainer *link = getIthJsonbValueFromContainer(order->links, i)->val.binary.data;

		note_name(&order->others, member_text(link, "dn"), NULL);
		note_name(&order->others, member_text(link, "name"), NULL);
	}
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

struct berval **
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

/* A password is kept as a hash, and classes may bring others along. */
bool
is_as_ordered(const Order *order, const Values *found)
{
	for (int i = 0; i < order->count; i++)
	{
		const char *attribute = order->attributes[i];
		Values		wanted;

		values_of(order->set, attribute, &wanted);
		if (pg_strcasecmp(attribute, "userPassword") == 0)
			continue;
		if (pg_strcasecmp(attribute, "objectClass") == 0 ? values_without(&wanted, &found[i]) != NULL : !same_values(&wanted, &found[i]))
			return false;
	}
	return true;
}

/* Whether an attribute has the values that an earlier order gave it. */
static bool
is_as_told(const Order *order, const char *attribute, const Values *found)
{
	uint32		count = order->told ? JsonContainerSize(order->told) : 0;

	for (uint32 i = 0; i < count; i++)
	{
		JsonbValue *changes = getIthJsonbValueFromContainer(order->told, i);
		Values		told;

		if (changes->type == jbvBinary && values_of(changes->val.binary.data, attribute, &told) && same_values(&told, found))
			return true;
	}
	return false;
}

char *
changed_since(const Order *order, const Values *found)
{
	for (int i = 0; i < order->count; i++)
	{
		const char *attribute = order->attributes[i];
		Values		was;
		Values		wanted;
		bool		is_set = values_of(order->set, attribute, &wanted);

		if (values_of(order->key, attribute, &was) && found[i].count > 0 && !same_values(&was, &found[i]))
			return psprintf("another entry has this name: %s was %s, it is %s", attribute, say_values(&was), say_values(&found[i]));
		if (!values_of(order->was, attribute, &was) || same_values(&was, &found[i]) || (is_set && same_values(&wanted, &found[i])) || is_as_told(order, attribute, &found[i]))
			continue;
		return psprintf("%s has changed since: it was %s, it is %s%s", attribute, say_values(&was), say_values(&found[i]),
						is_set ? psprintf(", it is to be %s", say_values(&wanted)) : "");
	}
	return NULL;
}

#endif							/* SYNCUP_LDAP */
