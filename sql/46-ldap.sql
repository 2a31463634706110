-- Directories as rows of a query, and from where on their changes are read (SPEC 2.6).

CREATE FUNCTION syncup.ldap_validator(options text[], catalog oid)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_ldap_validator' LANGUAGE C VOLATILE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.ldap_validator(text[], oid) IS
'What a server of the foreign data wrapper syncup_ldap (url, start_tls, ca_file) and its user mappings (bind_dn, password) may say.';

CREATE FOREIGN DATA WRAPPER syncup_ldap VALIDATOR syncup.ldap_validator;
COMMENT ON FOREIGN DATA WRAPPER syncup_ldap IS
'Directories that syncup_read_ldap() and syncup_read_ldap_changes() read: CREATE SERVER dir FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url ''ldaps://directory.example.org''). It has no foreign tables.';

CREATE FUNCTION syncup_read_ldap(server text, base text, filter text DEFAULT '(objectClass=*)', attributes text[] DEFAULT '{*}', options jsonb DEFAULT '{}')
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_read_ldap(text, text, text, text[], jsonb) IS
'Reads the entries of a directory: SELECT * FROM syncup_read_ldap(''dir'', ''ou=people,dc=example,dc=org'', ''(objectClass=person)'') AS (dn text, uid text, mail text[]). Columns are called as attributes, and dn. Options: scope, page_size, timeout, separator, binary.';

CREATE FUNCTION syncup_read_ldap_changes(server text, base text, filter text DEFAULT '(objectClass=*)', attributes text[] DEFAULT '{*}', options jsonb DEFAULT '{}')
RETURNS SETOF record
AS 'MODULE_PATHNAME' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_read_ldap_changes(text, text, text, text[], jsonb) IS
'The same of a directory that tells changes (syncrepl, RFC 4533), with the columns command (insert: the entry is as the row says; delete) and entryUUID. In an incremental prepare what changed since the batch queued or applied last; elsewhere every entry.';

CREATE TABLE syncup.directory_cookie (
	batch uuid NOT NULL,
	search text NOT NULL,
	server text NOT NULL,
	base text NOT NULL,
	filter text NOT NULL,
	cookie bytea NOT NULL,
	PRIMARY KEY (batch, search)
);
COMMENT ON TABLE syncup.directory_cookie IS 'How far a batch has read the changes of a directory. It counts while the batch waits or is applied: the next incremental run reads on from there.';
COMMENT ON COLUMN syncup.directory_cookie.search IS 'a digest of what was asked: of another server, entries or attributes it says nothing';
SELECT pg_catalog.pg_extension_config_dump('syncup.directory_cookie', '');
