/*
 * guard.c
 *		Work whose failure is an answer, not the end of the transaction: a value
 *		that a type refuses, a batch that a constraint stops, a run that is
 *		recorded as failed.
 */
#include "tool/guard.h"

#include "access/xact.h"
#include "utils/resowner.h"

/* Calls work(arg) in a subtransaction, which is kept or not. */
static ErrorData *
call(void (*work) (void *), void *arg, bool keep)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	ErrorData  *volatile error = NULL;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(arg);
		if (keep)
			ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
	}
	PG_END_TRY();
	if (error != NULL || !keep)
		RollbackAndReleaseCurrentSubTransaction();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return error;
}

ErrorData *
guarded(void (*work) (void *), void *arg)
{
	return call(work, arg, true);
}

bool
is_value_error(const ErrorData *error)
{
	int			category = ERRCODE_TO_CATEGORY(error->sqlerrcode);

	return category == ERRCODE_DATA_EXCEPTION ||
		category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION;
}

bool
is_about_value(const ErrorData *error)
{
	switch (ERRCODE_TO_CATEGORY(error->sqlerrcode))
	{
		case ERRCODE_INSUFFICIENT_RESOURCES:
		case ERRCODE_PROGRAM_LIMIT_EXCEEDED:
		case ERRCODE_OPERATOR_INTERVENTION:
		case ERRCODE_TRANSACTION_ROLLBACK:
		case ERRCODE_SYSTEM_ERROR:
		case ERRCODE_INTERNAL_ERROR:
			return false;
		default:
			return true;
	}
}

ErrorData *
guarded_values(void (*work) (void *), void *arg)
{
	ErrorData  *error = guarded(work, arg);

	if (error != NULL && !is_value_error(error))
		ReThrowError(error);
	return error;
}

ErrorData *
caught_values(void (*work) (void *), void *arg)
{
	MemoryContext context = CurrentMemoryContext;
	ErrorData  *volatile error = NULL;

	PG_TRY();
	{
		work(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		if (!is_about_value(error))
			PG_RE_THROW();
		FlushErrorState();
	}
	PG_END_TRY();
	return error;
}

ErrorData *
caught_builtin(void (*work) (void *), void *arg, ResourceOwner *owner)
{
	ResourceOwner before = CurrentResourceOwner;
	ErrorData  *error;

	if (*owner == NULL)
		*owner = ResourceOwnerCreate(before, "syncup values");
	CurrentResourceOwner = *owner;
	error = caught_values(work, arg);
	CurrentResourceOwner = before;
	if (error != NULL)
	{
		ResourceOwnerRelease(*owner, RESOURCE_RELEASE_BEFORE_LOCKS, false, false);
		ResourceOwnerRelease(*owner, RESOURCE_RELEASE_LOCKS, false, false);
		ResourceOwnerRelease(*owner, RESOURCE_RELEASE_AFTER_LOCKS, false, false);
		ResourceOwnerDelete(*owner);
		*owner = NULL;
	}
	return error;
}

void
rehearse(void (*work) (void *), void *arg)
{
	ErrorData  *error = call(work, arg, false);

	if (error != NULL)
		ReThrowError(error);
}
