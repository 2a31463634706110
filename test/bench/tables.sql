-- What the contestants work on. Variable: files, the folder of the exports.
CREATE EXTENSION syncup;
CREATE EXTENSION file_fdw;

-- Targets: the 14 columns that are mapped.
CREATE TABLE ours (guid uuid PRIMARY KEY, dn text, login text, name text, mail text, department text, title text,
	city text, phone text, postal_code text, control int, hired date, changed text, employee text);
CREATE TABLE hand (LIKE ours INCLUDING ALL);
CREATE TABLE hand_foreign (LIKE ours INCLUDING ALL);
CREATE TABLE ours_big (LIKE ours INCLUDING ALL);
CREATE TABLE ours_initial (LIKE ours INCLUDING ALL);

CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
SELECT format('CREATE FOREIGN TABLE users_file (guid uuid, dn text, login text, name text, mail text, department text, title text,
	city text, phone text, postal_code text, control int, hired date, changed text, employee text, comment text, info text)
	SERVER files OPTIONS (filename %L, format ''csv'', header ''true'')', :'files' || '/B/users.csv') \gexec
SELECT format('CREATE FOREIGN TABLE text_file ("objectGUID" text COLLATE "C", dn text, "sAMAccountName" text, "displayName" text, mail text,
	department text, title text, city text, "telephoneNumber" text, "postalCode" text, "userAccountControl" text, hired text, "whenChanged" text,
	"employeeID" text, comment text, info text) SERVER files OPTIONS (filename %L, format ''csv'', header ''true'')', :'files' || '/B/users.csv') \gexec

-- A connector whose mapping "user" fills a target.
CREATE PROCEDURE map_users(connector text, directory text, target regclass, options jsonb DEFAULT '{}')
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector(connector, directory);
	PERFORM syncup_map_entity_type(connector, 'user', target, 'users.csv', 'objectGUID', '{"objectGUID": "guid", "dn": "dn",
		"sAMAccountName": "login", "displayName": "name", "mail": "mail", "department": "department", "title": "title",
		"city": "city", "telephoneNumber": "phone", "postalCode": "postal_code", "userAccountControl": "control",
		"hired": "hired", "whenChanged": "changed", "employeeID": "employee"}',
		options => options);
END
$$;

-- Links: their ends belong to a connector of their own, so that a run of the links
-- reads what the statements by hand read, and no more.
CREATE TABLE link_user (guid uuid PRIMARY KEY, dn text UNIQUE, name text);
CREATE TABLE link_group (guid uuid PRIMARY KEY, dn text UNIQUE, name text);
CREATE TABLE our_member (grp uuid, member uuid, PRIMARY KEY (grp, member));
CREATE TABLE hand_member (LIKE our_member INCLUDING ALL);
