-- People, their accounts in three systems, groups, and the rules of a role model.
-- Set: people (how many), directory (of the files, which hold headers alone).

SET client_min_messages = warning;
CREATE SCHEMA model;
CREATE TABLE model.unit (id int PRIMARY KEY, name text NOT NULL, head int);
CREATE TABLE model.person (id int PRIMARY KEY, first_name text, last_name text, mail text, phone text, title text, unit int, boss int, site text, active boolean, grade int);
CREATE TABLE model.grp (id text PRIMARY KEY, unit int);
INSERT INTO model.unit SELECT u, 'Unit ' || u, u FROM generate_series(1, 500) u;
INSERT INTO model.person
SELECT p, 'First' || p % 5000, 'Last' || p, 'p' || p || '@example.com', '+49 ' || p, CASE p % 7 WHEN 0 THEN 'Dr' END, 1 + p % 500, 1 + p % 1000,
	(ARRAY['Berlin', 'Paris', 'Rome', 'Oslo'])[1 + p % 4], p % 50 <> 0, p % 10
FROM generate_series(1, :people) p;
INSERT INTO model.grp SELECT 'u' || u, u FROM generate_series(1, 500) u UNION ALL SELECT 'g' || g, NULL FROM generate_series(0, 99) g;
CREATE TABLE model.ad (guid text PRIMARY KEY, login text, mail text, phone text, display text, title text, department text, city text);
CREATE TABLE model.sap (id int PRIMARY KEY, name text, mail text, cost text, grade int, last text, first text);
CREATE TABLE model.wiki (id text PRIMARY KEY, mail text, name text, unit text, site text, initials text, active text);
CREATE TABLE model.ad_member (account text, grp text, PRIMARY KEY (grp, account));
CREATE TABLE model.sap_member (account int, grp text, PRIMARY KEY (grp, account));
CREATE TABLE model.wiki_member (account text, grp text, PRIMARY KEY (grp, account));
CREATE INDEX ON model.ad_member (account);
CREATE INDEX ON model.sap_member (account);
CREATE INDEX ON model.wiki_member (account);
-- one account each in one of the three, two in five are without an owner in the end
INSERT INTO model.ad SELECT 'ad' || id, lower(left(first_name, 1) || last_name), mail, phone, last_name || ', ' || first_name, title, 'Unit ' || unit, site
FROM model.person WHERE id % 2 = 0 AND active;
INSERT INTO model.sap SELECT id, first_name || ' ' || last_name, mail, 'C' || unit, grade, last_name, first_name FROM model.person WHERE id % 4 = 1 AND active;
INSERT INTO model.wiki SELECT 'w' || id, mail, last_name, 'Unit ' || unit, site, left(first_name, 1) || left(last_name, 1), 'yes' FROM model.person WHERE id % 4 = 3 AND active;
INSERT INTO model.ad (guid, login) SELECT 'svc' || s, 'svc' || s FROM generate_series(1, :people / 5) s;
INSERT INTO model.ad_member SELECT 'ad' || id, 'u' || unit FROM model.person WHERE id % 2 = 0 AND active
UNION SELECT 'ad' || id, 'g' || n FROM model.person CROSS JOIN generate_series(0, 8) n WHERE id % 2 = 0 AND active AND grade = n;
INSERT INTO model.sap_member SELECT id, 'g' || (10 + n) FROM model.person CROSS JOIN generate_series(0, 9) n WHERE id % 4 = 1 AND active AND grade = n;
INSERT INTO model.wiki_member SELECT 'w' || id, 'g' || (20 + n) FROM model.person CROSS JOIN generate_series(0, 9) n WHERE id % 4 = 3 AND active AND grade = n;
ANALYZE model.unit, model.person, model.grp, model.ad, model.sap, model.wiki, model.ad_member, model.sap_member, model.wiki_member;

SELECT syncup_create_connector('model', :'directory');
SELECT syncup_map_entity_type('model', 'grp', 'model.grp', 'grp.csv', 'id', '{"id": "id"}'),
	syncup_map_entity_type('model', 'ad', 'model.ad', 'ad.csv', 'id', '{"id": "guid"}'),
	syncup_map_entity_type('model', 'sap', 'model.sap', 'sap.csv', 'id', '{"id": "id"}'),
	syncup_map_entity_type('model', 'wiki', 'model.wiki', 'wiki.csv', 'id', '{"id": "id"}');
SELECT syncup_map_association('model', m || '_member', m || '_member.csv', 'account', m || '.id', 'grp', 'grp.id', ('model.' || m || '_member')::regclass, 'account', 'grp')
FROM unnest('{ad,sap,wiki}'::text[]) m;

SELECT syncup_create_resource_type(m, 'model.person', ('model.' || m)::regclass, '{"active": "o.active", "review": false}') FROM unnest('{ad,sap,wiki}'::text[]) m;
SELECT syncup_define_correlation(m, 'o.mail', 'a.mail') FROM unnest('{ad,sap,wiki}'::text[]) m;
SELECT syncup_define_type_rule('ad', 'o.id % 2 = 0'), syncup_define_type_rule('sap', 'o.id % 4 = 1'), syncup_define_type_rule('wiki', 'o.id % 4 = 3');
SELECT syncup_define_scalar_rule(m, p, e) FROM (VALUES
	('ad', 'login', 'lower(left(o.first_name, 1) || o.last_name)'), ('ad', 'mail', 'o.mail'), ('ad', 'phone', 'o.phone'), ('ad', 'display', $$o.last_name || ', ' || o.first_name$$),
	('ad', 'title', 'o.title'), ('ad', 'department', $$(SELECT u.name FROM model.unit u WHERE u.id = o.unit)$$), ('ad', 'city', 'o.site'),
	('sap', 'name', $$o.first_name || ' ' || o.last_name$$), ('sap', 'mail', 'o.mail'), ('sap', 'cost', $$'C' || o.unit$$), ('sap', 'grade', 'o.grade'), ('sap', 'last', 'o.last_name'), ('sap', 'first', 'o.first_name'),
	('wiki', 'mail', 'o.mail'), ('wiki', 'name', 'o.last_name'), ('wiki', 'unit', $$(SELECT u.name FROM model.unit u WHERE u.id = o.unit)$$), ('wiki', 'site', 'o.site'),
	('wiki', 'initials', 'left(o.first_name, 1) || left(o.last_name, 1)'), ('wiki', 'active', $$CASE WHEN o.active THEN 'yes' ELSE 'no' END$$)) v (m, p, e);
SELECT syncup_define_scalar_rule('ad', 'title', $$'Mr'$$, '{"condition": "o.grade < 0"}');
SELECT syncup_define_navigation_rule('ad', 'ad_member', 'SELECT g.id FROM model.grp g WHERE g.unit = o.unit');
SELECT syncup_define_navigation_rule('ad', 'ad_member', format($$'g%s'$$, n), format('o.grade = %s', n)) FROM generate_series(0, 8) n;
SELECT syncup_define_navigation_rule('sap', 'sap_member', format($$'g%s'$$, 10 + n), format('o.grade = %s', n)) FROM generate_series(0, 9) n;
SELECT syncup_define_navigation_rule('wiki', 'wiki_member', format($$'g%s'$$, 20 + n), format('o.grade = %s', n)) FROM generate_series(0, 9) n;
