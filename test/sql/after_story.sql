-- The story of docs/after.md, statement by statement.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
SET search_path = target, public;
SET client_min_messages = warning;
CALL t.write('people.csv', E'id,first_name,last_name,mail,department,active,boss\n1,Ada,Byron,ada@example.org,IT,true,\n2,Bob,Jones,bob@example.org,Sales,true,1\n3,Cy,Young,cy@example.org,IT,true,1\n4,Dan,Old,dan@example.org,Sales,false,1\n5,Eve,Twin,,Sales,true,1\n');
CALL t.write('users.csv', E'guid,login,mail,department\na1,abyron,ada@example.org,IT\nb2,bjones,bob@example.org,Support\nd4,dold,dan@example.org,Sales\ns9,backup,,\n');
CALL t.write('groups.csv', E'cn\nall staff\nit\nsales\nadmins\n');
CALL t.write('members.csv', E'user,group\na1,all staff\na1,it\nb2,all staff\nb2,admins\nd4,all staff\n');
CREATE TABLE people (id int PRIMARY KEY, first_name text, last_name text, mail text, department text, active boolean, boss int);
CREATE TABLE ad_user (guid text PRIMARY KEY, login text, mail text, department text);
CREATE TABLE ad_group (cn text PRIMARY KEY);
CREATE TABLE ad_member ("user" text, "group" text, PRIMARY KEY ("user", "group"));
SELECT syncup_create_connector('HR', t.dir()), syncup_create_connector('AD', t.dir());
SELECT syncup_map_entity_type('HR', 'people', 'people', 'people.csv', 'id');
SELECT syncup_map_entity_type('AD', 'user', 'ad_user', 'users.csv', 'guid'), syncup_map_entity_type('AD', 'group', 'ad_group', 'groups.csv', 'cn');
SELECT syncup_map_association('AD', 'member', 'members.csv', 'user', 'user.guid', 'group', 'group.cn', 'ad_member', 'user', 'group');
CALL syncup_run('HR', 'initial');
CALL syncup_run('AD', 'initial');

SELECT syncup_create_resource_type('AD user', 'people', 'ad_user', '{"active": "o.active"}');
SELECT syncup_define_correlation('AD user', 'o.mail', 'a.mail');
SELECT syncup_define_type_rule('AD user', 'o.mail IS NOT NULL');
SELECT syncup_define_scalar_rule('AD user', 'login', $$lower(left(o.first_name, 1) || o.last_name)$$, '{"mapped": false}'),
       syncup_define_scalar_rule('AD user', 'department', 'o.department'), syncup_define_scalar_rule('AD user', 'mail', 'o.mail');
SELECT syncup_define_navigation_rule('AD user', 'member', $$'all staff'$$),
       syncup_define_navigation_rule('AD user', 'member', 'SELECT g.cn FROM target.ad_group g WHERE g.cn = lower(o.department)');
SELECT * FROM syncup_compute_correlation_keys();
SELECT * FROM syncup_compute_role_model();
SELECT account_key, owner_key, state FROM syncup.ownership ORDER BY account_key;
SELECT owner_key AS owner, account_key AS account, kind, property, expected, current, provisioning_state AS state, workflow_state AS workflow
FROM syncup.assignment WHERE provisioning_state <> 'verified' ORDER BY owner_key, kind, property, expected;
SELECT what, of, count FROM syncup.to_review ORDER BY what COLLATE "C", of COLLATE "C";
SELECT syncup_approve(array_agg(assignment), 'new colleague') FROM syncup.assignment WHERE owner_key = '3' AND provisioning_state = 'awaiting approval';

SELECT rule, origin, provisioning_state AS state, approved_by IS NOT NULL AS approved
FROM syncup.assignment WHERE account_key = 'a1' AND property = 'member' AND expected = 'it';

-- The second half: an order, the agent that carries it out, the export that proves it.
SELECT syncup_create_resource_type('AD user', 'people', 'ad_user', jsonb_build_object('limits', '{"max_percentage_inserted_lines": 0}'::jsonb, 'fulfill', jsonb_build_object('kind', 'json', 'directory', t.dir())));
SELECT change_type, owner_key AS owner, state, document -> 'Changes' AS changes FROM syncup_generate_provisioning_orders();
CALL syncup_fulfill();
CALL t.shell('cat orders_*.json > orders.json');
SELECT regexp_replace(jsonb_pretty(pg_read_file(t.dir() || '/orders.json')::jsonb), '("OrderId": "[^"]*"|"AssignedResourceTypeId": \d+)', '<id>', 'g');
SELECT change_type, state, attempts FROM syncup.provisioning_order;
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE state = 'transmitted';
SELECT change_type, state, attempts FROM syncup.provisioning_order;
SELECT kind, property, expected, provisioning_state AS state FROM syncup.assignment WHERE owner_key = '3' ORDER BY kind, property, expected;
CALL t.write('users.csv', E'guid,login,mail,department\na1,abyron,ada@example.org,IT\nb2,bjones,bob@example.org,Support\nc3,cyoung,cy@example.org,IT\nd4,dold,dan@example.org,Sales\ns9,backup,,\n');
CALL t.write('members.csv', E'user,group\na1,all staff\na1,it\nb2,all staff\nb2,admins\nc3,all staff\nc3,it\nd4,all staff\n');
CALL syncup_run('AD', 'incremental', force => true, keep_changes => true);
SELECT * FROM syncup_compute_correlation_keys();
SELECT sum(count) FILTER (WHERE provisioning_state IN ('pending', 'executed', 'errored')) AS open FROM syncup_compute_role_model();
SELECT count(*) FROM syncup_generate_provisioning_orders();
SELECT change_type, state FROM syncup.provisioning_order;
SELECT kind, property, expected, account_key AS account, provisioning_state AS state FROM syncup.assignment WHERE owner_key = '3' ORDER BY kind, property, expected;
SELECT x.expected AS value, x.rule, x.comment, o.change_type AS order, o.state, c.new_value AS read_back
FROM syncup.assignment x
JOIN syncup.provisioning_order o ON x.assignment = ANY (o.assignments)
JOIN (SELECT b.synchronized_at, c.* FROM syncup.batch b, syncup_changes(b.batch) c WHERE b.connector = 'AD' AND b.changes_kept) c
  ON c.key = x.account_key AND c.column_name = x.property AND c.synchronized_at > o.executed_at
WHERE x.account_key = 'c3' AND x.property = 'mail';
SELECT what, of, count FROM syncup.to_review ORDER BY what COLLATE "C", of COLLATE "C";
\set end :srcdir '/include/end.sql'
\i :end
