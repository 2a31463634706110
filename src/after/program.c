/*
 * program.c
 *		Orders told to a program: a line of JSON each on its standard input, an
 *		answer each on its standard output (AFTER 5).
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

#include "catalog/pg_authid.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(syncup_run_orders);

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
	pid_t		pid;
	int			in;
	int			out;
	int			err;
	Order	   *orders;
	int			count;
	int			next;			/* the order that is being sent */
	size_t		written;		/* bytes of it */
	int			in_flight;
	StringInfoData line;		/* of what was read last */
	StringInfoData complaint;
	bool		out_ended;
	const char *failure;		/* why it was given up */
} Program;

/* ---------- the process ---------- */

static void
open_pipe(int ends[2])
{
	if (pipe2(ends, O_CLOEXEC) != 0)
		ereport(ERROR,
				(errcode_for_socket_access(),
				 errmsg("could not create a pipe: %m")));
}

static void
start(Program *program, const char *command)
{
	int			in[2],
				out[2],
				err[2];

	open_pipe(in);
	open_pipe(out);
	open_pipe(err);
	fflush(NULL);
	program->pid = fork();
	if (program->pid < 0)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("could not start a program: %m")));
	if (program->pid == 0)
	{
		sigset_t	none;

		setpgid(0, 0);
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		signal(SIGPIPE, SIG_DFL);
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
		signal(SIGQUIT, SIG_DFL);
		if (dup2(in[0], STDIN_FILENO) >= 0 && dup2(out[1], STDOUT_FILENO) >= 0 && dup2(err[1], STDERR_FILENO) >= 0)
			execl("/bin/sh", "sh", "-c", command, (char *) NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	close(err[1]);
	program->in = in[1];
	program->out = out[0];
	program->err = err[0];
	fcntl(program->in, F_SETFL, O_NONBLOCK);
	fcntl(program->out, F_SETFL, O_NONBLOCK);
	fcntl(program->err, F_SETFL, O_NONBLOCK);
}

static void
close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Ends the process and all that it has started, if it runs still. */
static void
end_program(Program *program)
{
	close_end(&program->in);
	close_end(&program->out);
	close_end(&program->err);
	if (program->pid > 0)
	{
		kill(-program->pid, SIGKILL);
		kill(program->pid, SIGKILL);
		while (waitpid(program->pid, NULL, 0) < 0 && errno == EINTR)
			;
		program->pid = 0;
	}
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
	Order	   *order;

	if (!pg_verify_mbstr(PG_UTF8, line, program->line.len, true))
		return;
	order = order_of(program, line);
	if (order != NULL)
	{
		order->answer = pg_any_to_server(pstrdup(line), program->line.len, PG_UTF8);
		program->in_flight--;
	}
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
		return;
	}
	for (ssize_t i = 0; i < length; i++)
	{
		if (buffer[i] == '\n')
		{
			take_line(program);
			resetStringInfo(&program->line);
		}
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
	if (fds[0].revents != 0)
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
	/* It may end by itself. */
	close_end(&program->in);
	last = GetCurrentTimestamp();
	while (program->failure == NULL && !program->out_ended && !TimestampDifferenceExceeds(last, GetCurrentTimestamp(), END_MS))
		(void) exchange(program, 0);
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
 * max_in_flight int, timeout_ms int) returns table (order_id uuid, sent boolean,
 * answer text, failure text).
 */
Datum
syncup_run_orders(PG_FUNCTION_ARGS)
{
	char	   *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Program		program = {.in = -1,.out = -1,.err = -1};

	if (!has_privs_of_role(PG_GETARG_OID(0), ROLE_PG_EXECUTE_SERVER_PROGRAM))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("role \"%s\" must not run programs of the server", GetUserNameFromId(PG_GETARG_OID(0), false)),
				 errhint("Only members of pg_execute_server_program may.")));
	InitMaterializedSRF(fcinfo, 0);
	program.orders = read_orders(PG_GETARG_ARRAYTYPE_P(2), PG_GETARG_ARRAYTYPE_P(3), &program.count);
	initStringInfo(&program.line);
	initStringInfo(&program.complaint);
	PG_TRY();
	{
		start(&program, command);
		converse(&program, PG_GETARG_INT32(4), PG_GETARG_INT32(5));
	}
	PG_FINALLY();
	{
		end_program(&program);
	}
	PG_END_TRY();
	return_answers(&program, (ReturnSetInfo *) fcinfo->resultinfo);
	return (Datum) 0;
}
