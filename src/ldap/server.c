/*
 * server.c
 *		Where a directory is and who asks it: a foreign server and its user mapping,
 *		and the validator of the foreign data wrapper syncup_ldap.
 *
 * PostgreSQL keeps a user mapping's password from others.  No message of ours has
 * it, nor does anything that is stored.
 */
#include "ldap/server.h"

#include "access/reloptions.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_user_mapping.h"
#include "commands/defrem.h"
#include "foreign/foreign.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "tool/nearest.h"
#include "utils/acl.h"

PG_FUNCTION_INFO_V1(syncup_ldap_validator);

#define WRAPPER	"syncup_ldap"

static const struct
{
	const char *begin;
	const char *port;
}			schemes[] = {
	[SCHEME_LDAP] = {"ldap://", "389"},
	[SCHEME_LDAPS] = {"ldaps://", "636"},
	[SCHEME_LDAPI] = {"ldapi://", NULL}
};

/* The options, and what has them. */
static const struct
{
	const char *name;
	Oid			catalog;
}			wrapper_options[] = {
	{"url", ForeignServerRelationId},
	{"start_tls", ForeignServerRelationId},
	{"ca_file", ForeignServerRelationId},
	{"bind_dn", UserMappingRelationId},
	{"password", UserMappingRelationId}
};

/* Refuses an address. */
pg_noreturn static void
refuse_url(void)
{
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
			 errmsg("invalid value for option \"%s\"", "url"),
			 errhint("Expected the address of one directory, and nothing behind it: ldaps://host, ldap://host:389 or ldapi://%%2Frun%%2Fslapd%%2Fldapi.")));
}

/* What a text with %2F and the like stands for. */
static char *
decode_percent(const char *text)
{
	StringInfoData decoded;

	initStringInfo(&decoded);
	for (; *text; text++)
	{
		unsigned int byte;

		if (*text == '%')
		{
			if (!isxdigit((unsigned char) text[1]) || !isxdigit((unsigned char) text[2]) ||
				sscanf(text + 1, "%2x", &byte) != 1 || byte == 0)
				refuse_url();
			appendStringInfoChar(&decoded, (char) byte);
			text += 2;
		}
		else
			appendStringInfoChar(&decoded, *text);
	}
	return decoded.data;
}

/* Takes an address apart: scheme, host and port. */
static void
read_url(DirectoryServer *server)
{
	const char *rest = NULL;
	size_t		length;

	for (int i = 0; i < lengthof(schemes); i++)
		if (pg_strncasecmp(server->url, schemes[i].begin, strlen(schemes[i].begin)) == 0)
		{
			server->scheme = i;
			rest = server->url + strlen(schemes[i].begin);
		}
	if (rest == NULL)
		refuse_url();
	length = strcspn(rest, "/? ");
	if (length == 0 || (rest[length] != '\0' && strcmp(rest + length, "/") != 0))
		refuse_url();
	server->host = pnstrdup(rest, length);
	if (server->scheme == SCHEME_LDAPI)
		server->host = decode_percent(server->host);
	else
	{
		char	   *end = server->host + strcspn(server->host, ":");

		if (*server->host == '[')
		{
			end = strchr(server->host, ']');
			if (end == NULL)
				refuse_url();
			server->host++;
			*end++ = '\0';
		}
		server->port = unconstify(char *, schemes[server->scheme].port);
		if (*end == ':')
		{
			*end = '\0';
			server->port = end + 1;
			end += 1 + strspn(server->port, "0123456789");
		}
		if (*end != '\0' || *server->host == '\0' || *server->port == '\0')
			refuse_url();
	}
}

/* Lays options over what is known of a server. */
static void
take_options(DirectoryServer *server, List *options)
{
	foreach_ptr(DefElem, option, options)
	{
		if (strcmp(option->defname, "url") == 0)
			server->url = defGetString(option);
		else if (strcmp(option->defname, "start_tls") == 0)
			server->start_tls = defGetBoolean(option);
		else if (strcmp(option->defname, "ca_file") == 0)
			server->ca_file = defGetString(option);
		else if (strcmp(option->defname, "bind_dn") == 0)
			server->bind_dn = defGetString(option);
		else if (strcmp(option->defname, "password") == 0)
			server->password = defGetString(option);
	}
	if (server->bind_dn != NULL && *server->bind_dn == '\0')
		server->bind_dn = NULL;
}

DirectoryServer *
directory_server(const char *name)
{
	DirectoryServer *server = palloc0(sizeof(DirectoryServer));
	ForeignServer *foreign = GetForeignServerByName(name, false);

	server->name = foreign->servername;
	if (strcmp(GetForeignDataWrapper(foreign->fdwid)->fdwname, WRAPPER) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("server \"%s\" is no directory", name),
				 errhint("Create one with CREATE SERVER … FOREIGN DATA WRAPPER %s.", WRAPPER)));
	if (!may_use_server(foreign->serverid))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for foreign server %s", name),
				 errhint("GRANT USAGE ON FOREIGN SERVER %s lets a role read this directory.",
						 quote_identifier(name))));
	take_options(server, foreign->options);
	take_options(server, GetUserMapping(GetUserId(), foreign->serverid)->options);
	read_url(server);
	return server;
}

/* ---------- what CREATE SERVER and CREATE USER MAPPING may say ---------- */

/* Errors unless the option belongs there. */
static void
check_name(const char *name, Oid catalog)
{
	StringInfoData names;
	NameList	nearest = {.wanted = name};

	initStringInfo(&names);
	for (int i = 0; i < lengthof(wrapper_options); i++)
	{
		if (wrapper_options[i].catalog != catalog)
			continue;
		if (strcmp(wrapper_options[i].name, name) == 0)
			return;
		appendStringInfo(&names, "%s%s", names.len ? ", " : "", wrapper_options[i].name);
		name_list_add(&nearest, wrapper_options[i].name, NULL);
	}
	ereport(ERROR,
			(errcode(ERRCODE_FDW_INVALID_OPTION_NAME),
			 errmsg("invalid option \"%s\"", name),
			 names.len ? errhint("%sValid options are %s.", did_you_mean(&nearest), names.data) :
			 errhint("There are no valid options here: they belong to the server and the user mapping.")));
}

/* What a server says must make sense, and be said by somebody who may reach out of the database. */
static void
check_server(DirectoryServer *server)
{
	if (!has_privs_of_role(GetUserId(), ROLE_PG_EXECUTE_SERVER_PROGRAM))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied to create or alter a server of %s", WRAPPER),
				 errdetail("Only members of the role \"%s\" say where the database server connects to.",
						   "pg_execute_server_program")));
	if (server->url == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"%s\" is missing", "url"),
				 errhint("For example OPTIONS (url 'ldaps://directory.example.org').")));
	read_url(server);
	if (server->start_tls && server->scheme != SCHEME_LDAP)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("option \"%s\" goes with an address that begins with ldap://", "start_tls")));
	if (server->ca_file != NULL && !is_absolute_path(server->ca_file))
		ereport(ERROR,
				(errcode(ERRCODE_FDW_INVALID_ATTRIBUTE_VALUE),
				 errmsg("invalid value for option \"%s\"", "ca_file"),
				 errhint("Expected the absolute path of a file on the server.")));
}

/* A name without a password would be taken for nobody's. */
static void
check_user(const DirectoryServer *server)
{
	bool		has_password = server->password != NULL && *server->password != '\0';

	if ((server->bind_dn != NULL) != has_password)
		ereport(ERROR,
				(errcode(ERRCODE_FDW_OPTION_NAME_NOT_FOUND),
				 errmsg("option \"%s\" is missing", has_password ? "bind_dn" : "password"),
				 errhint("Give both, or none to read as nobody.")));
}

/*
 * syncup.ldap_validator(options text[], catalog oid): what the foreign data
 * wrapper, its servers and their user mappings may say.
 */
Datum
syncup_ldap_validator(PG_FUNCTION_ARGS)
{
	List	   *options = untransformRelOptions(PG_GETARG_DATUM(0));
	Oid			catalog = PG_GETARG_OID(1);
	DirectoryServer server = {0};

	foreach_ptr(DefElem, option, options)
		check_name(option->defname, catalog);
	take_options(&server, options);
	if (catalog == ForeignServerRelationId)
		check_server(&server);
	else if (catalog == UserMappingRelationId)
		check_user(&server);
	PG_RETURN_VOID();
}
