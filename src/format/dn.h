/*
 * dn.h
 *		Distinguished names (RFC 4514), in a form in which equal ones have the same
 *		bytes.
 */
#ifndef SYNCUP_DN_H
#define SYNCUP_DN_H

#include "syncup.h"

/* In the current memory context; NULL: it is no distinguished name. */
extern char *dn_normal(const char *text, size_t length);

#endif							/* SYNCUP_DN_H */
