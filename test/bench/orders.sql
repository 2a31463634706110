-- People who have no account yet, in a table (resource type "table") nor in a directory
-- ("directory"), and the rules that say that they should.
-- Set: people (how many), unit (of the directory: where entries are made).

SET client_min_messages = warning;
SELECT syncup_drop_resource_type(resource_type) FROM syncup.resource_type WHERE resource_type IN ('table', 'directory');
DROP SCHEMA IF EXISTS orders CASCADE;
CREATE SCHEMA orders;
CREATE TABLE orders.person (id int PRIMARY KEY, first_name text, last_name text, title text, department int);
INSERT INTO orders.person SELECT p, 'First' || p % 5000, 'Last' || p, CASE p % 7 WHEN 0 THEN 'Dr' END, p % 100 FROM generate_series(1, :people) p;
CREATE TABLE orders.account (uid text PRIMARY KEY, dn text, cn text, sn text, "givenName" text, mail text, title text, "departmentNumber" text, "employeeNumber" text);
CREATE TABLE orders.entry (LIKE orders.account INCLUDING ALL);
ANALYZE orders.person;

SELECT syncup_create_resource_type(t, 'orders.person', a::regclass, jsonb_build_object('review', false,
	'limits', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0}'::jsonb, 'fulfill', f::jsonb))
FROM (VALUES ('table', 'orders.account', '{"kind": "internal"}'),
	('directory', 'orders.entry', '{"kind": "ldap", "server": "orders", "object_class": ["inetOrgPerson"]}')) AS v (t, a, f);
SELECT syncup_define_correlation(t, 'o.id::text', 'a."employeeNumber"'), syncup_define_type_rule(t) FROM unnest('{table,directory}'::text[]) t;
SELECT syncup_define_scalar_rule(t, p, e) FROM unnest('{table,directory}'::text[]) t CROSS JOIN (VALUES
	('uid', $$'u' || o.id$$), ('dn', format($$'uid=u' || o.id || %L$$, ',' || :'unit')), ('cn', $$o.first_name || ' ' || o.last_name$$), ('sn', 'o.last_name'),
	('givenName', 'o.first_name'), ('mail', $$'u' || o.id || '@example.org'$$), ('title', 'o.title'), ('departmentNumber', 'o.department::text'),
	('employeeNumber', 'o.id::text')) AS v (p, e);
