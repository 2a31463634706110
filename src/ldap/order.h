/*
 * order.h
 *		An order for a directory: what its document says, beside what was found there.
 */
#ifndef SYNCUP_LDAP_ORDER_H
#define SYNCUP_LDAP_ORDER_H

#include "syncup.h"

#include <ldap.h>

#include "utils/jsonb.h"

/* Values of an attribute. */
typedef struct Values
{
	int			count;
	struct berval *values;
} Values;

/* Names of entries, as digests of their normal forms. */
typedef struct Names
{
	int			count;
	int			room;
	uint64	   *digests;
} Names;

/* One order; what is NULL does not matter to its kind. */
typedef struct Order
{
	char	   *id;
	char	   *change;			/* Added, Modified, Deleted */
	char	   *dn;
	char	   *new_dn;			/* where it is to be */
	JsonbContainer *set;		/* {attribute: [values]} that it is to have */
	JsonbContainer *was;		/* those that were read */
	JsonbContainer *told;		/* [{attribute: [values]}]: those that earlier orders gave it since, NULL: none */
	JsonbContainer *key;		/* which entry it is, as far as the directory shows that */
	JsonbContainer *links;		/* [{dn or name, attribute, add}]: others that name it, and others that it names */
	int			count;
	char	  **attributes;		/* those that it sets, then those that were read and it does not set; ends with NULL */
	Names		own;			/* of the entry, before and after */
	Names		others;			/* those above it, and those that it may refer to */
} Order;

/* A link of an order. */
typedef struct Link
{
	char	   *dn;				/* of the entry that holds it; NULL: the order's */
	char	   *name;			/* that it holds; NULL: the order's */
	char	   *attribute;
	bool		add;
} Link;

/* Reads a document; strings are copied into the current memory context. */
extern void order_read(Order *order, JsonbContainer *document);

extern Link order_link(const Order *order, uint32 i);

/* The values that an attribute is to have; false: nothing is said of it. */
extern bool order_sets(const Order *order, const char *attribute, Values *values);

/* Those of the one that are not in the other, as libldap wants them; NULL: none. */
extern struct berval **values_without(const Values *values, const Values *others);

/*
 * Whether an entry that was there before, with these values, is the one that an
 * order was to add.
 */
extern bool is_as_ordered(const Order *order, const Values *found);

/* Why an entry is not what it was when it was read, nor what orders made of it, nor what it is to be; NULL: it is. */
extern char *changed_since(const Order *order, const Values *found);

/* Whether one of the two is to be carried out before the other begins. */
extern bool depend_on_each_other(const Order *a, const Order *b);

#endif							/* SYNCUP_LDAP_ORDER_H */
