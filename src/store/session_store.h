/*
 * session_store.h
 *		What becomes of sessions in which clients have sent files.
 */
#ifndef SYNCUP_SESSION_STORE_H
#define SYNCUP_SESSION_STORE_H

#include "syncup.h"
#include "tool/sql.h"

/* A batch does not wait any more: what was sent for it is forgotten. */
extern void session_forget_files(const pg_uuid_t *batch);

/* Forgets the sessions that a query names, with their files. */
extern void sessions_delete(const char *query, int nargs, const SqlArg *args);

#endif							/* SYNCUP_SESSION_STORE_H */
