/*
 * lock.c
 *		One run of a connector at a time.
 *
 * A heavyweight lock of its own, on the table of connectors and a hash of the
 * name: unlike an advisory lock nobody else can take it, and it goes with the
 * transaction whatever ends that.  Two names of equal hash (48 bits) would
 * only wait for one another.
 */
#include "syncup.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "compat.h"
#include "lock.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/sinvaladt.h"
#include "utils/lsyscache.h"

/* The process that holds a lock which conflicts with ours, or 0. */
static int
holder_pid(const LOCKTAG *tag)
{
	int			count;
	VirtualTransactionId *holders = GetLockConflicts(tag, ExclusiveLock, &count);
	PGPROC	   *process;

	if (count == 0)
		return 0;
	process = vxid_process(holders[0]);
	return process ? process->pid : 0;
}

void
lock_connector(const char *connector)
{
	LOCKTAG		tag;
	Oid			table = get_relname_relid("connector", get_namespace_oid("syncup", false));
	uint64		hash = hash_bytes_extended((const unsigned char *) connector,
										   strlen(connector), 0);
	int			pid;

	/*
	 * What another run committed before we got the lock must be seen, which an
	 * old snapshot would hide.
	 */
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("connector \"%s\" cannot be worked on at isolation level %s", connector,
						XactIsoLevel == XACT_SERIALIZABLE ? "serializable" : "repeatable read"),
				 errhint("Use READ COMMITTED.")));

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, table, (uint32) hash,
					   (uint16) (hash >> 32));
	if (LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL)
		return;

	pid = holder_pid(&tag);
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 pid ? errmsg("connector \"%s\" is busy: process %d is working on it",
						  connector, pid) :
			 errmsg("connector \"%s\" is busy", connector),
			 errhint("See syncup.progress, and try again when it is done.")));
}
