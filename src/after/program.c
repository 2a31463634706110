/*
 * program.c
 *		Orders told to a program: a line of JSON each on its standard input, an
 *		answer each on its standard output (AFTER 5).
 *
 * The program runs on from one call to the next, and so over the commits between:
 * few orders are marked as told at a time, and all of them by one process.  Between
 * two calls it owes no answer.  It ends with the last order, with an error of the
 * transaction, and with the session.
 *
 * What a line says is looked at in SQL; here it is only found which order it is
 * about, to know how many are in flight.  What the program writes to standard
 * error is kept for the message, not for the server's log.
 */
#include "syncup.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(syncup_run_orders);
PG_FUNCTION_INFO_V1(syncup_end_program);

/* How often an interrupt is looked for, and how long the end may take. */
#define LOOK_MS		100
#define END_MS		5000

/* An answer is one line, and so long at most. */
#define ANSWER_BYTES	(1024 * 1024)
#define COMPLAINT_BYTES 1000

typedef struct Order
{
	pg_uuid_t  *id;
	char	   *name;			/* the id as text */
	char	   *document;		/* with its line end */
	bool		sent;			/* as a whole, or in part */
	char	   *answer;			/* NULL: there is none */
} Order;

typedef struct Program
{
	MemoryContext context;
	char	   *executor;		/* whose orders it is told */
	char	   *command;
	Oid			role;
	pid_t		pid;
	int			in;
	int			out;
	int			err;
	bool		out_ended;
	StringInfoData line;		/* of what was read last */
	/* of the call at hand */
	Order	   *orders;
	int			count;
	int			next;			/* the order that is being sent */
	size_t		written;		/* bytes of it */
	int			in_flight;
	StringInfoData complaint;
	const char *failure;		/* why it was given up */
} Program;

/* The one that runs, or NULL. */
static Program *running = NULL;

/* ---------- the process ---------- */

static void
close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Ends the process and all that it has started, if it runs still. */
static void
kill_program(void)
{
	Program    *program = running;

	if (program == NULL)
		return;
	running = NULL;
	close_end(&program->in);
	close_end(&program->out);
	close_end(&program->err);
	if (program->pid > 0)
	{
		kill(-program->pid, SIGKILL);
		kill(program->pid, SIGKILL);
		while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	MemoryContextDelete(program->context);
}

static void
kill_at_exit(int code, Datum arg)
{
	kill_program();
}

static void
kill_at_abort(XactEvent event, void *arg)
{
	if (event == XACT_EVENT_ABORT)
		kill_program();
}

/* Ours is kept, the program's is given it. */
static bool
open_pipe(int *ours, int *its, bool it_reads)
{
	int			ends[2];

	if (pipe2(ends, O_CLOEXEC) != 0)
		return false;
	*ours = ends[it_reads ? 1 : 0];
	*its = ends[it_reads ? 0 : 1];
	fcntl(*ours, F_SETFL, O_NONBLOCK);
	return true;
}

static void
become(const char *command, int in, int out, int err)
{
	sigset_t	none;

	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGTERM, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
	if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0 && dup2(err, STDERR_FILENO) >= 0)
		execl("/bin/sh", "sh", "-c", command, (char *) NULL);
	_exit(127);
}

static void
start_program(const char *executor, const char *command, Oid role)
{
	static bool will_be_ended = false;
	MemoryContext context = AllocSetContextCreate(TopMemoryContext, "syncup program", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Program    *program = palloc0(sizeof(Program));
	int			in = -1,
				out = -1,
				err = -1;

	program->context = context;
	program->executor = pstrdup(executor);
	program->command = pstrdup(command);
	program->role = role;
	program->in = program->out = program->err = -1;
	initStringInfo(&program->line);
	MemoryContextSwitchTo(before);
	if (!will_be_ended)
	{
		RegisterXactCallback(kill_at_abort, NULL);
		before_shmem_exit(kill_at_exit, (Datum) 0);
		will_be_ended = true;
	}
	running = program;
	if (open_pipe(&program->in, &in, true) && open_pipe(&program->out, &out, false) && open_pipe(&program->err, &err, false))
	{
		fflush(NULL);
		program->pid = fork();
		if (program->pid == 0)
			become(command, in, out, err);
	}
	if (program->pid <= 0)
		program->failure = psprintf("could not start a program: %m");
	close_end(&in);
	close_end(&out);
	close_end(&err);
}

/* ---------- orders out, answers in ---------- */

/* The order in flight that a line names; NULL: none, or more than one. */
static Order *
order_of(Program *program, const char *line)
{
	Order	   *found = NULL;

	for (int i = 0; i < program->count && program->orders[i].sent; i++)
	{
		Order	   *order = &program->orders[i];

		if (order->answer != NULL || strcasestr(line, order->name) == NULL)
			continue;
		if (found != NULL)
			return NULL;
		found = order;
	}
	return found;
}

/* A line is an answer, or nothing: said twice, of another order, garbage. */
static void
take_line(Program *program)
{
	char	   *line = program->line.data;
	Order	   *order = pg_verify_mbstr(PG_UTF8, line, program->line.len, true) ? order_of(program, line) : NULL;

	if (order != NULL)
	{
		order->answer = pg_any_to_server(pstrdup(line), program->line.len, PG_UTF8);
		program->in_flight--;
	}
	resetStringInfo(&program->line);
}

static void
read_answers(Program *program)
{
	char		buffer[8192];
	ssize_t		length = read(program->out, buffer, sizeof(buffer));

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0)
	{
		program->out_ended = true;
		take_line(program);
		return;
	}
	for (ssize_t i = 0; i < length; i++)
	{
		if (buffer[i] == '\n')
			take_line(program);
		else if (buffer[i] != '\0')
			appendStringInfoChar(&program->line, buffer[i]);
		if (program->line.len > ANSWER_BYTES)
		{
			program->failure = "the program answered more than 1 MB in a line";
			return;
		}
	}
}

static void
read_complaint(Program *program)
{
	char		buffer[1024];
	ssize_t		length = read(program->err, buffer, sizeof(buffer));

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length <= 0)
	{
		close_end(&program->err);
		return;
	}
	if (program->complaint.len < COMPLAINT_BYTES)
		appendBinaryStringInfo(&program->complaint, buffer, Min(length, COMPLAINT_BYTES - program->complaint.len));
}

static void
send_order(Program *program)
{
	Order	   *order = &program->orders[program->next];
	size_t		rest = strlen(order->document) - program->written;
	ssize_t		length = write(program->in, order->document + program->written, rest);

	if (length < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (length < 0)
	{
		/* it reads no more: what it has read it may still answer */
		close_end(&program->in);
		return;
	}
	if (!order->sent)
	{
		order->sent = true;
		program->in_flight++;
	}
	program->written += length;
	if ((size_t) length == rest)
	{
		program->next++;
		program->written = 0;
	}
}

/* Waits until something can be done; whether something was. */
static bool
exchange(Program *program, int max_in_flight)
{
	bool		begun = program->written > 0;
	bool		send = program->in >= 0 && program->next < program->count && (begun || program->in_flight < max_in_flight);
	struct pollfd fds[] = {
		{send ? program->in : -1, POLLOUT, 0},
		{program->out, POLLIN, 0},
		{program->err, POLLIN, 0},
	};
	int			answered = program->in_flight;

	CHECK_FOR_INTERRUPTS();
	if (poll(fds, lengthof(fds), LOOK_MS) <= 0)
		return false;
	if (fds[2].revents != 0)
		read_complaint(program);
	if (fds[1].revents != 0)
		read_answers(program);
	if (fds[0].revents != 0 && !program->out_ended)
	{
		send_order(program);
		return true;
	}
	return program->in_flight != answered || program->out_ended;
}

/* All orders are told and answered, or it is known why not. */
static void
converse(Program *program, int max_in_flight, int timeout)
{
	TimestampTz last = GetCurrentTimestamp();

	while (program->failure == NULL && (program->next < program->count || program->in_flight > 0))
	{
		if (program->out_ended)
			program->failure = "the program ended before it had answered";
		else if (program->in < 0 && program->in_flight == 0)
			program->failure = "the program reads no more orders";
		else if (exchange(program, max_in_flight))
			last = GetCurrentTimestamp();
		else if (TimestampDifferenceExceeds(last, GetCurrentTimestamp(), timeout))
			program->failure = psprintf("the program did not answer within %d ms", timeout);
	}
}

/* What it is told from here on, and says. */
static void
begin_talk(Program *program)
{
	program->orders = NULL;
	program->count = program->next = program->in_flight = 0;
	program->written = 0;
	initStringInfo(&program->complaint);
}

/* It has been told all, and may end by itself. */
static void
end_program(void)
{
	TimestampTz last = GetCurrentTimestamp();

	begin_talk(running);
	close_end(&running->in);
	while (running->failure == NULL && !running->out_ended && !TimestampDifferenceExceeds(last, GetCurrentTimestamp(), END_MS))
		(void) exchange(running, 0);
	kill_program();
}

/* Whether it has ended since it was told something; what it has said since is of no order. */
static bool
has_ended(Program *program)
{
	struct pollfd out = {program->out, POLLIN, 0};

	begin_talk(program);
	while (program->failure == NULL && !program->out_ended && poll(&out, 1, 0) > 0)
	{
		CHECK_FOR_INTERRUPTS();
		read_answers(program);
	}
	return program->failure != NULL || program->out_ended;
}

/* ---------- the call ---------- */

static Order *
read_orders(ArrayType *ids, ArrayType *documents, int *count)
{
	Datum	   *id;
	Datum	   *document;
	int			ndocuments;
	Order	   *orders;

	deconstruct_array(ids, UUIDOID, UUID_LEN, false, TYPALIGN_CHAR, &id, NULL, count);
	deconstruct_array(documents, TEXTOID, -1, false, TYPALIGN_INT, &document, NULL, &ndocuments);
	if (*count != ndocuments)
		elog(ERROR, "there are %d orders and %d documents", *count, ndocuments);
	orders = palloc0(sizeof(Order) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
	{
		char	   *line = text_to_cstring(DatumGetTextPP(document[i]));

		orders[i].id = DatumGetUUIDP(id[i]);
		orders[i].name = DatumGetCString(DirectFunctionCall1(uuid_out, id[i]));
		orders[i].document = psprintf("%s\n", pg_server_to_any(line, strlen(line), PG_UTF8));
	}
	return orders;
}

static void
return_answers(Program *program, ReturnSetInfo *result)
{
	char	   *failure = NULL;

	if (program->failure != NULL)
	{
		while (program->complaint.len > 0 && isspace((unsigned char) program->complaint.data[program->complaint.len - 1]))
			program->complaint.len--;
		appendBinaryStringInfo(&program->complaint, "", 1);
		failure = program->complaint.len > 1 && pg_verify_mbstr(PG_UTF8, program->complaint.data, strlen(program->complaint.data), true)
			? psprintf("%s: %s", program->failure, pg_any_to_server(program->complaint.data, strlen(program->complaint.data), PG_UTF8))
			: pstrdup(program->failure);
	}
	for (int i = 0; i < program->count; i++)
	{
		Order	   *order = &program->orders[i];
		Datum		values[4] = {UUIDPGetDatum(order->id), BoolGetDatum(order->sent)};
		bool		nulls[4] = {false, false, order->answer == NULL, failure == NULL};

		if (order->answer != NULL)
			values[2] = CStringGetTextDatum(order->answer);
		if (failure != NULL)
			values[3] = CStringGetTextDatum(failure);
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
}

/*
 * syncup.run_orders(role regrole, command text, ids uuid[], documents text[],
 * max_in_flight int, timeout_ms int, executor text) returns table (order_id uuid,
 * sent boolean, answer text, failure text).
 */
Datum
syncup_run_orders(PG_FUNCTION_ARGS)
{
	Oid			role = PG_GETARG_OID(0);
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
	char	   *executor = text_to_cstring(PG_GETARG_TEXT_PP(6));

	if (!has_privs_of_role(role, ROLE_PG_EXECUTE_SERVER_PROGRAM))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" must not run programs of the server", GetUserNameFromId(role, false)),
				 errhint("Only members of pg_execute_server_program may.")));
	InitMaterializedSRF(fcinfo, 0);
	if (running != NULL && (running->role != role || strcmp(running->command, command) != 0 || strcmp(running->executor, executor) != 0))
		end_program();
	if (running != NULL && has_ended(running))
		kill_program();
	if (running == NULL)
		start_program(executor, command, role);
	PG_TRY();
	{
		begin_talk(running);
		running->orders = read_orders(PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(3), &running->count);
		converse(running, PG_GETARG_INT32(4), PG_GETARG_INT32(5));
		return_answers(running, (ReturnSetInfo *) fcinfo->resultinfo);
	}
	PG_CATCH();
	{
		kill_program();
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (running->failure != NULL)
		kill_program();
	return (Datum) 0;
}

/* syncup.end_program() returns void. */
Datum
syncup_end_program(PG_FUNCTION_ARGS)
{
	if (running != NULL)
		end_program();
	PG_RETURN_VOID();
}
