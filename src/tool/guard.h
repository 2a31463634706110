/*
 * guard.h
 *		Work whose failure is an answer, not the end of the transaction.
 */
#ifndef SYNCUP_GUARD_H
#define SYNCUP_GUARD_H

#include "syncup.h"
#include "utils/resowner.h"

/*
 * Calls work(arg) in a subtransaction.  Returns NULL, with what it did kept,
 * or the error that it raised, with what it did undone.
 */
extern ErrorData *guarded(void (*work) (void *), void *arg);

/*
 * The same of work on values: an error that does not speak of a value, such as
 * a cancel or the lack of memory, is raised again.
 */
extern ErrorData *guarded_values(void (*work) (void *), void *arg);

/*
 * Calls work(arg) in a subtransaction and undoes what it did; its error is
 * raised again.
 */
extern void rehearse(void (*work) (void *), void *arg);

/* Whether an error speaks of a value (SQLSTATE classes 22 and 23). */
extern bool is_value_error(const ErrorData *error);

/*
 * Whether an error of an input function, or of code over values alone, is about
 * the value.  Most are of those classes, but regclass says "undefined table",
 * tsquery "syntax error"; what is not are interrupts, resources, conflicts and
 * bugs.
 */
extern bool is_about_value(const ErrorData *error);

/*
 * Calls code over values alone, which leaves nothing to be undone, without a
 * subtransaction.  Returns NULL or the error, if it is about the value.
 */
extern ErrorData *caught_values(void (*work) (void *), void *arg);

/*
 * The same where the transaction goes on after an error: what the server counts
 * (pins, references) is counted by *owner, made when first needed, and given
 * back with the error.  For functions of the server's own; others may leave more.
 */
extern ErrorData *caught_builtin(void (*work) (void *), void *arg, ResourceOwner *owner);

#endif							/* SYNCUP_GUARD_H */
