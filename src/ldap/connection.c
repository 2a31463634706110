/*
 * connection.c
 *		An open connection to a directory.
 *
 * libldap speaks the protocol; waiting is ours, so that a cancel, a timeout and the
 * end of the server end it: the socket does not block, libldap only ever takes what
 * has come.  The handshake of TLS, which libldap does not leave before it is done,
 * waits where its bytes come from: they are read and written here.
 *
 * Configuration files and the environment may tell libldap which certificates to
 * trust.  That they are checked they cannot change.
 */
#ifdef SYNCUP_LDAP
#include "ldap/connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <openldap.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/ip.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/wait_event.h"

/* A message of a directory may have so many bytes: an entry with all its values. */
#define MAX_MESSAGE	(256 * 1024 * 1024)

/* Milliseconds after which libldap is asked again in any case: it may have something to send. */
#define SLICE	200

struct Directory
{
	const DirectoryServer *server;
	double		timeout;
	LDAP	   *ld;
	pgsocket	socket;			/* libldap's, once there is ld */
	bool		counted;		/* among the descriptors of this process */
	TimestampTz handshake_until;	/* 0: libldap waits for nothing */
	LDAPMessage *message;		/* at hand */
	LDAPControl **controls;		/* of the last result */
	char	   *said;			/* by the directory, of the last result */
	MemoryContextCallback release;
};

/* ---------- opening and closing ---------- */

/* Closes what is open; whatever is asked is not answered any more. */
static void
disconnect(Directory *directory)
{
	if (directory->message != NULL)
		ldap_msgfree(directory->message);
	if (directory->controls != NULL)
		ldap_controls_free(directory->controls);
	if (directory->ld != NULL)
		ldap_unbind_ext(directory->ld, NULL, NULL);
	else if (directory->socket != PGINVALID_SOCKET)
		closesocket(directory->socket);
	if (directory->counted)
		ReleaseExternalFD();
	directory->message = NULL;
	directory->controls = NULL;
	directory->ld = NULL;
	directory->socket = PGINVALID_SOCKET;
	directory->counted = false;
}

static void
release(void *arg)
{
	disconnect(arg);
}

void
directory_close(Directory *directory)
{
	disconnect(directory);
}

LDAP *
directory_handle(const Directory *directory)
{
	return directory->ld;
}

char *
directory_text(const char *text)
{
	return text ? pg_server_to_any(text, strlen(text), PG_UTF8) : NULL;
}

/* ---------- errors ---------- */

/* The SQLSTATE and hint of a result; all others are errors of a foreign server. */
static const struct
{
	int			code;
	int			sqlstate;
	const char *hint;
}			failures[] = {
	{LDAP_SERVER_DOWN, ERRCODE_CONNECTION_FAILURE, NULL},
	{LDAP_CONNECT_ERROR, ERRCODE_CONNECTION_FAILURE, NULL},
	{LDAP_DECODING_ERROR, ERRCODE_CONNECTION_FAILURE, NULL},
	{LDAP_FILTER_ERROR, ERRCODE_INVALID_PARAMETER_VALUE,
	"Expected a filter as RFC 4515 writes it, such as (&(objectClass=person)(uid=a*))."},
	{LDAP_INVALID_DN_SYNTAX, ERRCODE_INVALID_PARAMETER_VALUE,
	"Expected a distinguished name, such as ou=people,dc=example,dc=org."},
	{LDAP_NO_SUCH_OBJECT, ERRCODE_UNDEFINED_OBJECT,
	"The entry where reading begins does not exist, or whoever asks may not see it."},
	{LDAP_INVALID_CREDENTIALS, ERRCODE_INVALID_PASSWORD,
	"Check bind_dn and password: ALTER USER MAPPING."},
	{LDAP_INAPPROPRIATE_AUTH, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION, NULL},
	{LDAP_STRONG_AUTH_REQUIRED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"Use ldaps://, or the option start_tls of the server."},
	{LDAP_CONFIDENTIALITY_REQUIRED, ERRCODE_INVALID_AUTHORIZATION_SPECIFICATION,
	"Use ldaps://, or the option start_tls of the server."},
	{LDAP_INSUFFICIENT_ACCESS, ERRCODE_INSUFFICIENT_PRIVILEGE, NULL},
	{LDAP_SIZELIMIT_EXCEEDED, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	"Have the directory lift the limit for whoever asks, or ask for less at once: option \"page_size\"."},
	{LDAP_ADMINLIMIT_EXCEEDED, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	"Have the directory lift the limit for whoever asks, or ask for less at once: option \"page_size\"."},
	{LDAP_TIMELIMIT_EXCEEDED, ERRCODE_PROGRAM_LIMIT_EXCEEDED,
	"Have the directory lift the limit for whoever asks, or an index made for the filter."},
	{LDAP_REFERRAL, ERRCODE_FEATURE_NOT_SUPPORTED,
	"What is asked for lies in another directory, and referrals are not followed: create a server for that one."},
};

/* What libldap itself says of its last error; NULL: nothing. */
static char *
libldap_words(const Directory *directory)
{
	char	   *text = NULL;
	char	   *copy;

	if (directory->ld != NULL)
		ldap_get_option(directory->ld, LDAP_OPT_DIAGNOSTIC_MESSAGE, &text);
	copy = text != NULL && *text != '\0' ? pstrdup(text) : NULL;
	ldap_memfree(text);
	return copy;
}

void
directory_error(Directory *directory, int code, const char *doing)
{
	int			sqlstate = ERRCODE_FDW_ERROR;
	const char *hint = NULL;
	char	   *said = code < 0 ? libldap_words(directory) : directory->said;

	for (int i = 0; i < lengthof(failures); i++)
		if (failures[i].code == code)
		{
			sqlstate = failures[i].sqlstate;
			hint = failures[i].hint;
		}
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("%s directory \"%s\": %s", doing, directory->server->name, ldap_err2string(code)),
			 said ? errdetail("%s", said) : 0,
			 said && code >= 0 ? errdetail_log("What the directory says was sent to the client.") : 0,
			 hint ? errhint("%s", hint) : 0));
}

/* The time is up. */
pg_noreturn static void
time_is_up(const Directory *directory, const char *doing)
{
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s directory \"%s\": no answer for %g s", doing, directory->server->name, directory->timeout),
			 errhint("The option \"timeout\" says how long an answer may take.")));
}

/* ---------- waiting ---------- */

/* When an answer that is asked for now must have come. */
static TimestampTz
deadline(const Directory *directory)
{
	return GetCurrentTimestamp() + (TimestampTz) (directory->timeout * USECS_PER_SEC);
}

/* Waits until the socket is ready, something else happens, or a moment has passed; false: the time is up. */
static bool
wait_moment(Directory *directory, int events, TimestampTz until)
{
	long		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), until);

	if (left <= 0)
		return false;
	if (WaitLatchOrSocket(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH | events,
						  directory->socket, Min(left, SLICE), PG_WAIT_EXTENSION) & WL_LATCH_SET)
		ResetLatch(MyLatch);
	return true;
}

/* The same where an error may be raised. */
static void
wait_socket(Directory *directory, int events, TimestampTz until, const char *doing)
{
	if (!wait_moment(directory, events, until))
		time_is_up(directory, doing);
	CHECK_FOR_INTERRUPTS();
}

int
directory_next_if_any(Directory *directory, int request, const char *doing, LDAPMessage **message)
{
	struct timeval at_once = {0, 0};
	int			type;

	CHECK_FOR_INTERRUPTS();
	if (directory->message != NULL)
		ldap_msgfree(directory->message);
	directory->message = NULL;
	type = ldap_result(directory->ld, request, LDAP_MSG_ONE, &at_once, &directory->message);
	if (type < 0)
	{
		int			code = LDAP_SERVER_DOWN;

		ldap_get_option(directory->ld, LDAP_OPT_RESULT_CODE, &code);
		directory_error(directory, code, doing);
	}
	*message = directory->message;
	return type;
}

int
directory_next(Directory *directory, int request, const char *doing, LDAPMessage **message)
{
	TimestampTz until = 0;
	int			type;

	while ((type = directory_next_if_any(directory, request, doing, message)) == 0)
	{
		if (until == 0)
			until = deadline(directory);
		wait_socket(directory, WL_SOCKET_READABLE, until, doing);
	}
	return type;
}

/* What a directory says, in its memory; it should be UTF-8, of which another encoding may lack characters. */
static char *
words_of(Directory *directory, const char *said)
{
	char	   *words = MemoryContextStrdup(GetMemoryChunkContext(directory), said);

	if (GetDatabaseEncoding() != PG_UTF8 || !pg_verify_mbstr(PG_UTF8, words, strlen(words), true))
		for (char *at = words; *at != '\0'; at++)
			if (IS_HIGHBIT_SET(*at))
				*at = '?';
	return words;
}

DirectoryResult
directory_result(Directory *directory, LDAPMessage *message, const char *doing)
{
	DirectoryResult result;
	char	   *said = NULL;
	int			parsed;

	if (directory->controls != NULL)
		ldap_controls_free(directory->controls);
	directory->controls = NULL;
	parsed = ldap_parse_result(directory->ld, message, &result.code, NULL, &said, NULL, &directory->controls, 0);
	/* as long-lived as the connection: an error may ask for it later */
	if (directory->said != NULL)
		pfree(directory->said);
	directory->said = said != NULL && *said != '\0' ? words_of(directory, said) : NULL;
	ldap_memfree(said);
	directory_check(directory, parsed, doing);
	result.said = directory->said;
	result.controls = directory->controls;
	return result;
}

void
directory_await(Directory *directory, int request, const char *doing)
{
	LDAPMessage *message;

	directory_next(directory, request, doing, &message);
	directory_check(directory, directory_result(directory, message, doing).code, doing);
}

/* ---------- bytes ---------- */

/*
 * Whether reading or writing that came to nothing is to be tried again: in a
 * handshake, once the socket is ready.  No error may be raised, as libldap is at
 * work: a cancel breaks the handshake off.
 */
static bool
try_again(Directory *directory, int events)
{
	if (errno == EINTR)
		return true;
	if ((errno != EAGAIN && errno != EWOULDBLOCK) || directory->handshake_until == 0)
		return false;
	if (!QueryCancelPending && !ProcDiePending && wait_moment(directory, events, directory->handshake_until))
		return true;
	errno = ECONNABORTED;
	return false;
}

static int
set_up_bytes(Sockbuf_IO_Desc *io, void *arg)
{
	io->sbiod_pvt = arg;
	return 0;
}

static int
remove_bytes(Sockbuf_IO_Desc *io)
{
	return 0;
}

/* Nothing is kept here that would be ready. */
static int
control_bytes(Sockbuf_IO_Desc *io, int option, void *arg)
{
	return 0;
}

static ber_slen_t
read_bytes(Sockbuf_IO_Desc *io, void *bytes, ber_len_t length)
{
	Directory  *directory = io->sbiod_pvt;
	ssize_t		done;

	do
		done = recv(directory->socket, bytes, length, 0);
	while (done < 0 && try_again(directory, WL_SOCKET_READABLE));
	return done;
}

static ber_slen_t
write_bytes(Sockbuf_IO_Desc *io, void *bytes, ber_len_t length)
{
	Directory  *directory = io->sbiod_pvt;
	ssize_t		done;

	do
		done = send(directory->socket, bytes, length, 0);
	while (done < 0 && try_again(directory, WL_SOCKET_WRITEABLE));
	return done;
}

static int
close_bytes(Sockbuf_IO_Desc *io)
{
	return closesocket(((Directory *) io->sbiod_pvt)->socket);
}

static Sockbuf_IO bytes_io = {set_up_bytes, remove_bytes, control_bytes, read_bytes, write_bytes, close_bytes};

/* ---------- connecting ---------- */

#define CONNECTING	"could not connect to"

/* Begins to connect to an address; false: it cannot be reached. */
static bool
begin_connecting(Directory *directory, int family, const struct sockaddr *address, socklen_t length)
{
	if (!AcquireExternalFD())
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES),
				 errmsg("too many files are open to connect to directory \"%s\"", directory->server->name)));
	directory->counted = true;
	directory->socket = socket(family, SOCK_STREAM, 0);
	return directory->socket != PGINVALID_SOCKET && pg_set_noblock(directory->socket) &&
		(connect(directory->socket, address, length) == 0 || errno == EINPROGRESS);
}

/* Waits until the connection stands; false: it does not come about. */
static bool
end_connecting(Directory *directory, TimestampTz until)
{
	int			error;
	socklen_t	length = sizeof(error);
	struct sockaddr_storage peer;
	socklen_t	peer_length = sizeof(peer);

	for (;;)
	{
		if (getsockopt(directory->socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0)
			return false;
		errno = error;
		if (error != 0)
			return false;
		if (getpeername(directory->socket, (struct sockaddr *) &peer, &peer_length) == 0)
			return true;
		wait_socket(directory, WL_SOCKET_WRITEABLE, until, CONNECTING);
	}
}

/* Connects to an address; false, with errno, if it cannot be reached. */
static bool
connect_to(Directory *directory, int family, const struct sockaddr *address, socklen_t length, TimestampTz until)
{
	int			error;

	if (begin_connecting(directory, family, address, length) && end_connecting(directory, until))
		return true;
	error = errno;
	disconnect(directory);
	errno = error;
	return false;
}

/* Connects to the first address of the host that can be reached. */
static bool
connect_host(Directory *directory, TimestampTz until)
{
	const DirectoryServer *server = directory->server;
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *addresses = NULL;
	struct sockaddr_storage found[8];
	socklen_t	lengths[lengthof(found)];
	int			count = 0;
	int			failed = pg_getaddrinfo_all(server->host, server->port, &hints, &addresses);

	if (failed)
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("%s directory \"%s\": host \"%s\" is not found: %s", CONNECTING, server->name, server->host,
						gai_strerror(failed))));
	for (struct addrinfo *at = addresses; at != NULL && count < lengthof(found); at = at->ai_next)
	{
		memcpy(&found[count], at->ai_addr, at->ai_addrlen);
		lengths[count++] = at->ai_addrlen;
	}
	pg_freeaddrinfo_all(hints.ai_family, addresses);
	for (int i = 0; i < count; i++)
		if (connect_to(directory, found[i].ss_family, (struct sockaddr *) &found[i], lengths[i], until))
			return true;
	return false;
}

/* Connects to a socket of this machine. */
static bool
connect_local(Directory *directory, TimestampTz until)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlcpy(address.sun_path, directory->server->host, sizeof(address.sun_path)) >= sizeof(address.sun_path))
	{
		errno = ENAMETOOLONG;
		return false;
	}
	return connect_to(directory, AF_UNIX, (struct sockaddr *) &address, sizeof(address), until);
}

/* Sets an option of the connection. */
static void
set_option(Directory *directory, int option, const void *value)
{
	if (ldap_set_option(directory->ld, option, value) != LDAP_OPT_SUCCESS)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_ERROR),
				 errmsg("%s directory \"%s\": libldap does not take option %d", CONNECTING, directory->server->name,
						option),
				 directory->server->ca_file != NULL ?
				 errhint("Check that the server can read the file of option \"ca_file\".") : 0));
}

/* Says how to speak; certificates are checked, whatever the machine's configuration says. */
static void
set_options(Directory *directory)
{
	static const int version = LDAP_VERSION3;
	static const int check = LDAP_OPT_X_TLS_DEMAND;
	static const int tls = LDAP_OPT_X_TLS_PROTOCOL_TLS1_2;
	static const int as_client = 0;
	static const struct timeval never = {-1, 0};	/* timeouts are ours */
	ber_len_t	max = MAX_MESSAGE;
	Sockbuf    *buffer = NULL;

	if (ldap_get_option(directory->ld, LDAP_OPT_SOCKBUF, &buffer) != LDAP_OPT_SUCCESS || buffer == NULL ||
		ber_sockbuf_add_io(buffer, &bytes_io, LBER_SBIOD_LEVEL_PROVIDER, directory) != 0)
		directory_error(directory, LDAP_LOCAL_ERROR, CONNECTING);
	ber_sockbuf_ctrl(buffer, LBER_SB_OPT_SET_MAX_INCOMING, &max);
	set_option(directory, LDAP_OPT_PROTOCOL_VERSION, &version);
	set_option(directory, LDAP_OPT_REFERRALS, LDAP_OPT_OFF);
	set_option(directory, LDAP_OPT_NETWORK_TIMEOUT, &never);
	set_option(directory, LDAP_OPT_X_TLS_REQUIRE_CERT, &check);
	set_option(directory, LDAP_OPT_X_TLS_PROTOCOL_MIN, &tls);
	if (directory->server->ca_file != NULL)
		set_option(directory, LDAP_OPT_X_TLS_CACERTFILE, directory->server->ca_file);
	if (directory->server->start_tls || directory->server->scheme == SCHEME_LDAPS)
		set_option(directory, LDAP_OPT_X_TLS_NEWCTX, &as_client);
}

/* Connects, and hands the connection to libldap. */
static void
connect_directory(Directory *directory, TimestampTz until)
{
	const DirectoryServer *server = directory->server;
	bool		local = server->scheme == SCHEME_LDAPI;

	if (!(local ? connect_local(directory, until) : connect_host(directory, until)))
		ereport(ERROR,
				(errcode(ERRCODE_CONNECTION_FAILURE),
				 errmsg("%s directory \"%s\": %m", CONNECTING, server->name)));
	directory_check(directory,
					ldap_init_fd(directory->socket, LDAP_PROTO_EXT, server->url, &directory->ld), CONNECTING);
	set_options(directory);
}

/* ---------- encrypting ---------- */

#define ENCRYPTING	"could not encrypt the connection to"

/* Asks for TLS where it does not come with the address. */
static void
ask_for_tls(Directory *directory)
{
	int			request;

	directory_check(directory, ldap_start_tls(directory->ld, NULL, NULL, &request), ENCRYPTING);
	directory_await(directory, request, ENCRYPTING);
}

/* Encrypts the connection; a code of libldap. */
static int
shake_hands(Directory *directory, TimestampTz until)
{
	int			code;

	if (directory->server->start_tls)
		ask_for_tls(directory);
	directory->handshake_until = until;
	code = ldap_install_tls(directory->ld);
	directory->handshake_until = 0;
	CHECK_FOR_INTERRUPTS();
	/* libldap may have let it block. */
	if (code == LDAP_SUCCESS && !pg_set_noblock(directory->socket))
		code = LDAP_LOCAL_ERROR;
	return code;
}

/* A time of a certificate as YYYYMMDDhhmmss: there are years of two digits, and of four. */
static char *
certificate_time(BerElement *element)
{
	struct berval time = {0, NULL};

	if (ber_skip_element(element, &time) != 0x17 || time.bv_len < 12)
		return time.bv_len < 14 ? NULL : pnstrdup(time.bv_val, 14);
	return psprintf("%s%.12s", *time.bv_val < '5' ? "20" : "19", time.bv_val);
}

/* The two times between which a certificate is valid; false: it cannot be read. */
static bool
certificate_validity(struct berval *certificate, char **from, char **to)
{
	BerElement *element = ber_alloc_t(LBER_USE_DER);
	ber_len_t	length;
	struct berval skipped;

	if (element == NULL)
		return false;
	ber_init2(element, certificate, LBER_USE_DER);
	(void) ber_skip_tag(element, &length);
	(void) ber_skip_tag(element, &length);
	/* version, if any; number, algorithm, issuer */
	if (ber_peek_tag(element, &length) == 0xa0)
		(void) ber_skip_element(element, &skipped);
	for (int i = 0; i < 3; i++)
		(void) ber_skip_element(element, &skipped);
	(void) ber_skip_tag(element, &length);
	*from = certificate_time(element);
	*to = certificate_time(element);
	ber_free(element, 0);
	return *from != NULL && *to != NULL;
}

/* Whether the name of the server, or the domain that it is in, or its number stands in a certificate. */
static bool
certificate_names(const struct berval *certificate, const char *host)
{
	const char *domain = strchr(host, '.');
	unsigned char number[sizeof(struct in6_addr)];

	if (inet_pton(AF_INET, host, number) == 1)
		return memmem(certificate->bv_val, certificate->bv_len, number, sizeof(struct in_addr)) != NULL;
	if (inet_pton(AF_INET6, host, number) == 1)
		return memmem(certificate->bv_val, certificate->bv_len, number, sizeof(struct in6_addr)) != NULL;
	return memmem(certificate->bv_val, certificate->bv_len, host, strlen(host)) != NULL ||
		(domain != NULL &&
		 memmem(certificate->bv_val, certificate->bv_len, psprintf("*%s", domain), strlen(domain) + 1) != NULL);
}

/*
 * What is wrong with the certificate, which libldap does not always tell: it is
 * looked at on another connection, over which nothing else goes.  NULL: nothing
 * that could be seen.
 */
static const char *
what_is_wrong(Directory *directory, TimestampTz until)
{
	static const int never = LDAP_OPT_X_TLS_NEVER;
	static const int as_client = 0;
	struct berval certificate = {0, NULL};
	const char *wrong = NULL;
	char	   *from;
	char	   *to;
	char		now[15];
	time_t		seconds = time(NULL);
	struct tm	parts;

	disconnect(directory);
	connect_directory(directory, until);
	set_option(directory, LDAP_OPT_X_TLS_REQUIRE_CERT, &never);
	set_option(directory, LDAP_OPT_X_TLS_NEWCTX, &as_client);
	if (shake_hands(directory, until) != LDAP_SUCCESS ||
		ldap_get_option(directory->ld, LDAP_OPT_X_TLS_PEERCERT, &certificate) != LDAP_OPT_SUCCESS ||
		certificate.bv_len == 0)
		return NULL;
	strftime(now, sizeof(now), "%Y%m%d%H%M%S", gmtime_r(&seconds, &parts));
	if (certificate_validity(&certificate, &from, &to))
		wrong = strcmp(now, to) > 0 ? "its certificate has expired" :
			strcmp(now, from) < 0 ? "its certificate is not valid yet" :
			certificate_names(&certificate, directory->server->host) ? "nobody who is trusted has signed its certificate" :
			"its certificate is made out to another server";
	ber_memfree(certificate.bv_val);
	return wrong;
}

/* Encrypts the connection. */
static void
encrypt(Directory *directory, TimestampTz until)
{
	int			code = shake_hands(directory, until);
	const char *why;

	if (code == LDAP_SUCCESS)
		return;
	if (GetCurrentTimestamp() >= until)
		time_is_up(directory, ENCRYPTING);
	why = what_is_wrong(directory, until);
	ereport(ERROR,
			(errcode(ERRCODE_CONNECTION_FAILURE),
			 errmsg("%s directory \"%s\": %s", ENCRYPTING, directory->server->name, why ? why : ldap_err2string(code)),
			 errhint("Its certificate must be valid, be made out to \"%s\", and be signed by whom the option \"ca_file\" names, or else this machine trusts.",
					 directory->server->host)));
}

/* ---------- the whole ---------- */

#define LOGGING_IN	"could not log in to"

/* Says who asks. */
static void
bind_user(Directory *directory)
{
	const DirectoryServer *server = directory->server;
	char	   *name = directory_text(server->bind_dn);
	char	   *secret = directory_text(name ? server->password : "");
	struct berval password = {strlen(secret), secret};
	int			request;

	directory_check(directory,
					ldap_sasl_bind(directory->ld, name, LDAP_SASL_SIMPLE, &password, NULL, NULL, &request),
					LOGGING_IN);
	directory_await(directory, request, LOGGING_IN);
}

Directory *
directory_open(const DirectoryServer *server, double timeout)
{
	Directory  *directory = palloc0(sizeof(Directory));
	TimestampTz until;

	directory->server = server;
	directory->timeout = timeout;
	directory->socket = PGINVALID_SOCKET;
	directory->release.func = release;
	directory->release.arg = directory;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &directory->release);

	until = deadline(directory);
	connect_directory(directory, until);
	if (server->start_tls || server->scheme == SCHEME_LDAPS)
		encrypt(directory, until);
	bind_user(directory);
	return directory;
}

#endif							/* SYNCUP_LDAP */
