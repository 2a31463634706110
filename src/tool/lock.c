/*
 * lock.c
 *		One run of a connector at a time.
 *
 * A heavyweight lock of its own, on the table of connectors and a hash of the
 * name: unlike an advisory lock nobody else can take it, and it goes with the
 * transaction whatever ends that.  Two names of equal hash (48 bits) would
 * only be busy together.
 */
#include "syncup.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "common/hashfn.h"
#include "tool/lock.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/sinvaladt.h"
#include "utils/lsyscache.h"

/* Adds nothing to an error. */
static void
mark(void *arg)
{
}

/*
 * The marks of work under way stand on the stack of error contexts, from which
 * an error takes them off, whoever catches it.
 */
void
work_begin(ConnectorWork *work, const char *connector)
{
	work->connector = connector;
	work->mark.callback = mark;
	work->mark.arg = work;
	work->mark.previous = error_context_stack;
	error_context_stack = &work->mark;

	/* A superuser who runs a connector as somebody else stays that. */
	GetUserIdAndSecContext(&work->user, &work->context);
	SetUserIdAndSecContext(work->user, work->context | SECURITY_LOCAL_USERID_CHANGE);
}

void
work_end(ConnectorWork *work)
{
	SetUserIdAndSecContext(work->user, work->context);
	error_context_stack = work->mark.previous;
}

/* Whether whoever has called this is at work on the connector. */
static bool
is_at_work(const char *connector)
{
	for (ErrorContextCallback *at = error_context_stack; at != NULL; at = at->previous)
		if (at->callback == mark && strcmp(((ConnectorWork *) at->arg)->connector, connector) == 0)
			return true;
	return false;
}

/* The process that holds a lock which conflicts with ours; 0: it is not known. */
static int
holder_pid(const LOCKTAG *tag)
{
	int			count;
	VirtualTransactionId *holders = GetLockConflicts(tag, ExclusiveLock, &count);
	PGPROC	   *process;

	if (count == 0)
		return 0;
	process = vxid_process(holders[0]);
	/* A prepared transaction has the number of a process that does something else now. */
	return process && process_lxid(process) == holders[0].localTransactionId ? process->pid : 0;
}

/*
 * What another run committed before we got the lock must be seen, which an old
 * snapshot would hide.
 */
void
check_transaction(const char *connector)
{
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("connector \"%s\" cannot be worked on: this server is a standby", connector),
				 errhint("Work on it on the primary server; tables, views and syncup_changes() can be read here.")));
	if (IsolationUsesXactSnapshot())
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_STATE),
				 errmsg("connector \"%s\" cannot be worked on at isolation level %s", connector,
						XactIsoLevel == XACT_SERIALIZABLE ? "serializable" : "repeatable read"),
				 errhint("Use READ COMMITTED.")));
}

/* The lock of a connector. */
static LOCKTAG
connector_tag(const char *connector)
{
	LOCKTAG		tag;
	Oid			table = get_relname_relid("connector", get_namespace_oid("syncup", false));
	uint64		hash = hash_bytes_extended((const unsigned char *) connector,
										   strlen(connector), 0);

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, table, (uint32) hash,
					   (uint16) (hash >> 32));
	return tag;
}

/*
 * Locks it unless another session has it.  A lock of ours may be that of a run
 * further up: then this is code of a target, called by that run, which must
 * not change under its hands.
 */
static bool
acquire(const LOCKTAG *tag, const char *connector)
{
	LockAcquireResult result = LockAcquire(tag, ExclusiveLock, false, true);

	if (result == LOCKACQUIRE_ALREADY_HELD && is_at_work(connector))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_IN_USE),
				 errmsg("connector \"%s\" is being worked on by this very statement", connector),
				 errhint("A trigger or function of a target cannot work on the connector that calls it.")));
	return result != LOCKACQUIRE_NOT_AVAIL;
}

void
lock_connector(const char *connector)
{
	LOCKTAG		tag;
	int			pid;

	check_transaction(connector);
	tag = connector_tag(connector);
	if (acquire(&tag, connector))
		return;

	pid = holder_pid(&tag);
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 pid ? errmsg("connector \"%s\" is busy: process %d is working on it",
						  connector, pid) :
			 errmsg("connector \"%s\" is busy", connector),
			 pid ? errhint("See syncup.progress, and try again when it is done.") :
			 errhint("A prepared transaction may have it: see pg_prepared_xacts.")));
}

bool
try_lock_connector(const char *connector)
{
	LOCKTAG		tag;

	check_transaction(connector);
	tag = connector_tag(connector);
	return acquire(&tag, connector);
}
