/*
 * job.c
 *		CALL syncup_run_job and syncup_resume_job: a job, step by step (JOBS 3).
 *
 * What to do next, and what became of it, is decided and written by functions
 * of schema syncup, in SQL.  Here stands what SQL cannot: a lock that outlives
 * the commits between the steps, steps with the rights of the job's owner, and
 * a session that is left as it was found.
 *
 * A step is marked as running and that is committed, so that others see it;
 * then its effects and its record are committed together.
 */
#include "syncup.h"

#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "commands/trigger.h"
#include "map/connector.h"
#include "tool/crash_point.h"
#include "funcapi.h"
#include "tool/guard.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "tool/sql.h"
#include "storage/lock.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(syncup_run_job);
PG_FUNCTION_INFO_V1(syncup_resume_job);

/* One run of a job. */
typedef struct JobWork
{
	LOCKTAG		lock;
	bool		locked;
	int64		run;
	int			level;			/* of the settings that are pinned */
} JobWork;

/* The step at hand. */
typedef struct StepWork
{
	int64		run;
	int32		ordinal;
	char	   *step;
	char	   *function;		/* its name in SQL; NULL: it cannot be called */
	Oid			owner;			/* whose rights it has */
	Jsonb	   *result;
} StepWork;

/* ---------- one run of a job at a time ---------- */

/* The lock of a job: on the table of runs, and the job's number. */
static void
set_job_tag(JobWork *work, int32 job)
{
	SET_LOCKTAG_OBJECT(work->lock, MyDatabaseId,
					   get_relname_relid("run_record", get_namespace_oid("syncup", false)),
					   (Oid) job, 0);
}

/* The process that has the lock. */
static int
job_holder(int32 job)
{
	own_sql("SELECT pid FROM syncup.job_at_work WHERE job_id = $1 LIMIT 1", SQL_ARGS(SQL_INT8(job)));
	return SPI_processed > 0 ? sql_int4(0, 1) : 0;
}

/* Takes the lock for this session, whatever it commits; false: somebody has it. */
static bool
lock_job(JobWork *work, int32 job)
{
	set_job_tag(work, job);
	switch (LockAcquire(&work->lock, ExclusiveLock, true, true))
	{
		case LOCKACQUIRE_OK:
		case LOCKACQUIRE_ALREADY_CLEAR:
			work->locked = true;
			return true;
		case LOCKACQUIRE_ALREADY_HELD:
			/* a step of the job that calls it again */
			LockRelease(&work->lock, ExclusiveLock, true);
			return false;
		case LOCKACQUIRE_NOT_AVAIL:
			break;
	}
	return false;
}

static void
unlock_job(JobWork *work)
{
	if (work->locked)
		LockRelease(&work->lock, ExclusiveLock, true);
	work->locked = false;
}

/* Commits, and pins the settings of the next transaction. */
static void
commit(JobWork *work)
{
	SPI_commit();
	work->level = settings_pin(NULL);
}

/* ---------- one step ---------- */

/*
 * Calls a step's function with the rights of the job's owner.  It cannot take
 * another role, and what it sets is set back.  Constraints that it has put off
 * are checked while a failure can still be recorded.
 */
static void
call_step(void *arg)
{
	StepWork   *work = arg;
	Oid			user;
	int			context;
	int			settings;

	if (work->function == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("the kind of step \"%s\" or its function is gone", work->step),
				 errhint("See syncup.step_kind.")));
	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(work->owner, context | SECURITY_LOCAL_USERID_CHANGE);
	settings = NewGUCNestLevel();
	RESUME_CANCEL_INTERRUPTS();
	CHECK_FOR_INTERRUPTS();
	if (caller_sql(psprintf("SELECT pg_catalog.to_jsonb(r) FROM %s($1, $2) AS r", work->function),
				   SQL_ARGS(SQL_INT8(work->run), SQL_TEXT(work->step))) > 0)
		work->result = sql_jsonb(0, 1);
	caller_sql("SET CONSTRAINTS ALL IMMEDIATE", SQL_NO_ARGS);
	/*
	 * What a trigger has put off once more would have, at the commit, the
	 * rights of whoever runs the job.
	 */
	AfterTriggerFireDeferred();
	HOLD_CANCEL_INTERRUPTS();
	AtEOXact_GUC(false, settings);
	SetUserIdAndSecContext(user, context);
}

/* What the session has now, so that it can be left so: see syncup.session_state(). */
static Datum
session_state(void)
{
	bool		isnull;

	own_sql("SELECT syncup.session_state()", SQL_NO_ARGS);
	return datumCopy(sql_datum(0, 1, &isnull), false, -1);
}

/*
 * Where an error's row is: the lines of its context, from the innermost on, that
 * tell file and mapping, as one; null: none does.
 */
static char *
error_place(const char *context)
{
	static const char *const ours[] = {"file ", "relation ", "connector "};
	StringInfoData place;

	initStringInfo(&place);
	for (const char *line = context; line != NULL; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
	{
		bool		is_ours = false;

		for (size_t i = 0; i < lengthof(ours); i++)
			is_ours |= strncmp(line, ours[i], strlen(ours[i])) == 0;
		if (!is_ours)
			break;
		appendStringInfo(&place, "%s%.*s", place.len ? ", " : "", (int) strcspn(line, "\n"), line);
	}
	return place.len ? place.data : NULL;
}

/* An error as a step's record has it. */
static char *
error_text(const ErrorData *error)
{
	char	   *text = error->detail ? psprintf("%s: %s", error->message, error->detail) : error->message;
	char	   *place = error_place(error->context);

	return place ? psprintf("%s (%s)", text, place) : text;
}

/* Performs the step at hand, as often as its function says that there is more. */
static void
perform_step(JobWork *job, StepWork *work)
{
	bool		more;

	do
	{
		Datum		before = session_state();
		ErrorData  *error;

		work->result = NULL;
		error = guarded(call_step, work);
		if (error != NULL)
		{
			HOLD_CANCEL_INTERRUPTS();	/* an error has let them go */
			work->result = NULL;
		}
		CRASH_POINT("step done");
		own_sql("SELECT syncup.finish_step($1, $2, $3, $4, $5)",
				SQL_ARGS(SQL_INT8(job->run), SQL_INT4(work->ordinal), SQL_JSONB(work->result),
						 SQL_TEXT(error ? unpack_sql_state(error->sqlerrcode) : NULL),
						 SQL_TEXT(error ? error_text(error) : NULL)));
		more = sql_bool(0, 1);
		CRASH_POINT("step recorded");
		commit(job);
		own_sql("SELECT syncup.restore_session($1)", SQL_ARGS(SQL_DATUM(TEXTARRAYOID, before)));
	} while (more);
}

/* ---------- the run ---------- */

/* The step to be done now; false: there is none left. */
static bool
next_step(JobWork *job, StepWork *work)
{
	memset(work, 0, sizeof(StepWork));
	if (own_sql("SELECT ordinal, step, function, owner FROM syncup.next_step($1)",
				SQL_ARGS(SQL_INT8(job->run))) == 0)
		return false;
	work->run = job->run;
	work->ordinal = sql_int4(0, 1);
	work->step = sql_text(0, 2);
	work->function = sql_text(0, 3);
	work->owner = sql_oid(0, 4);
	return true;
}

/* Does the steps of a run that was begun, one after the other. */
static void
do_steps(JobWork *job)
{
	StepWork	step;

	while (next_step(job, &step))
	{
		CRASH_POINT("step chosen");
		commit(job);
		perform_step(job, &step);
	}
	commit(job);
}

/* Ends the run, and raises what a scheduler should see. */
static void
end_run(JobWork *job)
{
	char	   *state;
	char	   *message;
	char	   *detail;
	char	   *hint;

	own_sql("SELECT state, message, detail, hint FROM syncup.end_run($1)", SQL_ARGS(SQL_INT8(job->run)));
	state = sql_text(0, 1);
	message = sql_text(0, 2);
	detail = sql_text(0, 3);
	hint = sql_text(0, 4);
	CRASH_POINT("run ended");
	commit(job);
	unlock_job(job);
	RESUME_CANCEL_INTERRUPTS();
	if (strcmp(state, "success") == 0)
		return;
	ereport(strcmp(state, "error") == 0 || strcmp(state, "blocked") == 0 ? ERROR : NOTICE,
			(errcode(strcmp(state, "blocked") == 0 ? MAKE_SQLSTATE('S', 'U', '0', '0', '2') :
					 strcmp(state, "error") == 0 ? MAKE_SQLSTATE('S', 'U', '0', '0', '1') :
					 ERRCODE_SUCCESSFUL_COMPLETION),
			 errmsg_internal("%s", message),
			 /* What a step said may quote values. */
			 detail ? errdetail_internal("%s", detail) : 0,
			 detail ? errdetail_log("The reason was sent to the client.") : 0,
			 hint ? errhint("%s", hint) : 0));
}

/*
 * Runs a job.  find: the query that gives its number, and sees whether the
 * caller may; begin: the one that records the run and gives its number; busy:
 * the one that records that it was not started.
 */
static void
run_job(FunctionCallInfo fcinfo, const char *find, const char *begin, const char *busy,
		int nargs, const SqlArg *args)
{
	bool		atomic = !(fcinfo->context && IsA(fcinfo->context, CallContext)) ||
		((CallContext *) fcinfo->context)->atomic;
	JobWork		job = {0};
	SqlArg	   *more = palloc(sizeof(SqlArg) * (nargs + 1));

	if (atomic)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_TRANSACTION_TERMINATION),
				 errmsg("a job commits after each step and cannot be run in a transaction block or a function"),
				 errhint("CALL it by itself.")));
	if (RecoveryInProgress())
		ereport(ERROR,
				(errcode(ERRCODE_READ_ONLY_SQL_TRANSACTION),
				 errmsg("a job cannot be run: this server is a standby"),
				 errhint("Run it on the primary server.")));
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	job.level = settings_pin(NULL);
	memcpy(more, args, sizeof(SqlArg) * nargs);
	PG_TRY();
	{
		int32		number;

		own_sql(find, nargs, args);
		number = sql_int4(0, 1);
		if (!lock_job(&job, number))
		{
			more[nargs] = SQL_INT4(job_holder(number));
			own_sql(busy, nargs + 1, more);
			{
				char	   *message = sql_text(0, 1);

				commit(&job);
				ereport(NOTICE, (errmsg_internal("%s", message)));
			}
		}
		else
		{
			HOLD_CANCEL_INTERRUPTS();
			own_sql(begin, nargs, args);
			job.run = sql_int8(0, 1);
			commit(&job);
			do_steps(&job);
			end_run(&job);
		}
	}
	PG_CATCH();
	{
		unlock_job(&job);
		PG_RE_THROW();
	}
	PG_END_TRY();
	settings_restore(job.level);
	SPI_finish();
}

/* A text array argument, or null. */
static SqlArg
text_array(FunctionCallInfo fcinfo, int number)
{
	SqlArg		arg = SQL_DATUM(TEXTARRAYOID, (Datum) 0);

	arg.isnull = PG_ARGISNULL(number);
	if (!arg.isnull)
		arg.value = PG_GETARG_DATUM(number);
	return arg;
}

/*
 * syncup_run_job(job text, only text[], from_step text, to_step text, force
 * boolean): a procedure that commits (JOBS 2).
 */
Datum
syncup_run_job(PG_FUNCTION_ARGS)
{
	run_job(fcinfo,
			"SELECT syncup.job_to_run($1, $2, $3, $4, $5)",
			"SELECT syncup.begin_run($1, $2, $3, $4, $5, $6)",
			"SELECT syncup.run_not_started($1, $2, $7)",
			SQL_ARGS(SQL_DATUM(REGROLEOID, ObjectIdGetDatum(GetUserId())),
					 SQL_TEXT(required_text(fcinfo, 0, "job")), text_array(fcinfo, 1),
					 SQL_TEXT(optional_text(fcinfo, 2)), SQL_TEXT(optional_text(fcinfo, 3)),
					 SQL_BOOL(!PG_ARGISNULL(4) && PG_GETARG_BOOL(4))));
	PG_RETURN_VOID();
}

/* syncup_resume_job(run bigint, force boolean): the same for what is not done. */
Datum
syncup_resume_job(PG_FUNCTION_ARGS)
{
	required_argument(fcinfo, 0, "run");
	run_job(fcinfo,
			"SELECT syncup.job_to_resume($1, $2)",
			"SELECT syncup.begin_resume($1, $2, $3)",
			"SELECT syncup.resume_not_started($1, $2, $4)",
			SQL_ARGS(SQL_DATUM(REGROLEOID, ObjectIdGetDatum(GetUserId())),
					 SQL_INT8(PG_GETARG_INT64(0)), SQL_BOOL(!PG_ARGISNULL(1) && PG_GETARG_BOOL(1))));
	PG_RETURN_VOID();
}
