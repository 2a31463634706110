-- Correlation, roles and the role model: what is refused, who may what, and what becomes
-- of each case of AFTER 4. Random histories are in 090_role_model.pl.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset footer off
\pset null '~'
SET client_min_messages = warning;
CREATE TABLE target.person (id int PRIMARY KEY, first text, last text, mail text, dept text, active boolean DEFAULT true, k text);
CREATE TABLE target.account (guid text PRIMARY KEY, login text, mail text, title varchar(10), boss text);
CREATE TABLE target.grp (cn text PRIMARY KEY);
CREATE TABLE target.member (account text, grp text, PRIMARY KEY (account, grp));
CREATE TABLE target.keyless (x int);
CALL t.write('a.csv', E'guid,b\n');
CALL t.write('g.csv', E'cn\n');
CALL t.write('m.csv', E'a,g\n');
SELECT syncup_create_connector('AD', t.dir());
SELECT syncup_map_entity_type('AD', 'account', 'target.account', 'a.csv', 'guid', '{"guid": "guid"}'), syncup_map_entity_type('AD', 'grp', 'target.grp', 'g.csv', 'cn', '{"cn": "cn"}');
SELECT syncup_map_association('AD', 'member', 'm.csv', 'a', 'account.guid', 'g', 'grp.cn', 'target.member', 'account', 'grp');
SELECT syncup_map_association('AD', 'boss', 'a.csv', 'guid', 'account.guid', 'b', 'account.guid', 'target.account', target_column2 => 'boss');
\pset tuples_only on

-- A resource type: its options are looked at one by one.
SELECT t.error($$SELECT syncup_create_resource_type('', 'target.person', 'target.account')$$);
SELECT t.error($$SELECT syncup_create_resource_type('AD', 'target.person', NULL)$$);
SELECT t.error($$SELECT syncup_create_resource_type('AD', 'target.person', 'target.keyless')$$);
SELECT o, t.error(format('SELECT syncup_create_resource_type(%L, %L, %L, %L)', 'AD', 'target.person', 'target.account', o)) FROM unnest(ARRAY[
	'{"revew": true}', '{"review": 1}', '{"depends_on": "HR"}', '{"depends_on": "AD"}', '{"owner_required": "mial"}', '{"active": "o.activ"}', '{"active": "true) OR (true"}', '{"active": "random() < 1"}',
	'{"limits": {"max": 1}}', '{"limits": {"maximum_deleted_lines": -1}}', '{"transmitted_validity": "soon"}', '{"fulfill": {"kind": "mail"}}', '{"fulfill": "csv"}']) AS o;
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account', '{"active": "o.active", "review": false, "limits": {"maximum_deleted_lines": 5}, "transmitted_validity": "1 day", "fulfill": {"kind": "manual"}}');
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account', '{"limits": null, "fulfill": null}');
SELECT options FROM syncup.resource_type;
SELECT t.error($$SELECT syncup_create_resource_type('AD', 'target.account', 'target.person')$$);
SELECT syncup_create_resource_type('Second', 'target.person', 'target.account', '{"depends_on": "AD"}');
SELECT t.error($$SELECT syncup_create_resource_type('AD', 'target.person', 'target.account', '{"depends_on": "Second"}')$$);
SELECT t.error($$SELECT syncup_drop_resource_type('AD')$$);
SELECT syncup_drop_resource_type('Second');
SELECT t.error($$SELECT syncup_drop_resource_type('Second')$$);

-- Rules: one expression, prepared when it is defined.
SELECT t.error($$SELECT syncup_define_correlation('AD', 'mail', 'mail', 151)$$);
SELECT t.error($$SELECT syncup_define_correlation('AD', NULL, 'mail')$$);
SELECT e, t.error(format('SELECT syncup_define_correlation(%L, %L, %L)', 'AD', e, 'mail')) FROM unnest(ARRAY['mial', 'mail, id', 'mail; SELECT 1', 'mail) || (id', 'random()', 'ctid', 'mail FROM target.person']) e;
SELECT syncup_define_correlation('AD', 'mail', 'mail', 100), syncup_define_correlation('AD', 'lower(left(o.first, 1) || o.last)', 'login', 80), syncup_define_correlation('AD', 'mail', 'mail', 110);
SELECT t.error($$SELECT syncup_define_role('', 'target.person', 'true')$$);
SELECT t.error($$SELECT syncup_define_role('r', 'target.person', 'dept')$$);
SELECT t.error($$SELECT syncup_define_role('r', 'target.person', 'true', 'q')$$);
SELECT syncup_define_role('staff', 'target.person', 'active'), syncup_define_role('hr', 'target.person', NULL), syncup_define_role('reader', 'target.person', 'dept = ''IT''', 'hr');
SELECT t.error($$SELECT syncup_define_role('hr', 'target.person', NULL, 'reader')$$);
SELECT t.error($$SELECT syncup_define_role('hr', 'target.account', NULL)$$);
SELECT t.error($$SELECT syncup_define_role('correlation AD', 'target.person', NULL)$$);
SELECT t.error($$SELECT syncup_define_type_rule('AD', 'mail')$$);
-- The account's columns stand beside the owner's when it runs.
SELECT t.error($$SELECT syncup_define_type_rule('AD', 'mail IS NOT NULL')$$);
SELECT t.error($$SELECT syncup_define_scalar_rule('AD', 'login', 'o.mail', '{"condition": "mail IS NOT NULL"}')$$);
SELECT t.error($$SELECT syncup_define_type_rule('AD', role => 'nobody')$$);
SELECT syncup_define_type_rule('AD'), syncup_define_type_rule('AD', 'last = ''Denied''', denied => true);
SELECT t.error($$SELECT syncup_define_scalar_rule('AD', 'nick', 'o.first')$$);
SELECT t.error($$SELECT syncup_define_scalar_rule('AD', 'mail', 'o.mail', '{"compare": "about"}')$$);
SELECT t.error($$SELECT syncup_define_scalar_rule('AD', 'mail', 'o.mail', '{"maped": true}')$$);
SELECT t.error($$SELECT syncup_define_scalar_rule('AD', 'mail', 'o.mail', '{"role": "nobody"}')$$);
-- a name that would mean the key, or the roles, of the row at hand when it runs, not the row; what needs its schema
SELECT e, t.error(format('SELECT syncup_define_scalar_rule(''AD'', ''mail'', %L)', e)) FROM unnest(ARRAY['a::text', 'a.mail || a', 'person(o.mail)', '(SELECT 1 FROM person)', 'target.persons(o.mail)']) e;
SELECT t.error($$SELECT syncup_define_scalar_rule('AD', 'mail', 'a.nick')$$);
SELECT syncup_define_scalar_rule('AD', 'mail', 'o.mail', '{"compare": "case"}'), syncup_define_scalar_rule('AD', 'title', $$(100 / o.k::int)::text$$),
	syncup_define_scalar_rule('AD', 'login', 'lower(left(o.first, 1) || o.last)', '{"mapped": false}'), syncup_define_scalar_rule('AD', 'login', 'coalesce(a.login, o.last)', '{"condition": "false"}');
SELECT t.error($$SELECT syncup_define_navigation_rule('AD', 'friend', '''x''')$$);
SELECT t.error($$SELECT syncup_define_navigation_rule('AD', 'member', 'SELECT cn, cn FROM target.grp')$$);
SELECT t.error($$SELECT syncup_define_navigation_rule('AD', 'member', 'SELECT cn FROM target.grp; SELECT 1')$$);
SELECT t.error($$SELECT syncup_define_navigation_rule('AD', 'member', 'DELETE FROM target.grp')$$);
SELECT syncup_define_navigation_rule('AD', 'member', '''all'''), syncup_define_navigation_rule('AD', 'AD.member', 'SELECT g.cn FROM target.grp g WHERE g.cn = lower(o.dept)'),
	syncup_define_navigation_rule('AD', 'member', '''readers''', role => 'reader'), syncup_define_navigation_rule('AD', 'boss', '''g1''', 'id > 1');
\pset tuples_only off
SELECT rule, kind, is_on, definition FROM syncup.rule ORDER BY rule COLLATE "C";

-- Null, empty and blank match nobody; equals wait for a person; the highest confidence wins.
INSERT INTO target.person VALUES (1, 'Ada', 'Byron', 'ada@x', 'IT', true, '10'), (2, 'Bob', 'Jones', 'bob@x', 'HR', true, '20'), (3, 'Cy', 'Young', '', 'IT', true, '5'), (4, 'Dan', 'Old', '  ', 'IT', false, '5'),
	(5, 'Eve', 'Twin', 'twin@x', 'HR', true, '4'), (6, 'Eve', 'Twin', 'twin@x', 'HR', true, '4'), (7, 'Fay', 'Nil', NULL, 'HR', true, '0'), (8, 'Gil', 'Denied', 'gil@x', 'HR', true, '2');
INSERT INTO target.account VALUES ('g1', 'abyron', 'ADA@x', '10', NULL), ('g1b', 'ab', 'ada@x', '10', NULL), ('g2', 'x', 'bob@x', 'Boss', 'g1'), ('g5', 'y', 'twin@x', NULL, NULL), ('s1', NULL, '', NULL, NULL), ('s2', 'svc', U&'\00a0\2003', NULL, NULL), ('g8', 'gd', 'gil@x', '50', NULL);
INSERT INTO target.grp VALUES ('all'), ('it'), ('hr'), ('readers');
INSERT INTO target.member VALUES ('g1b', 'all'), ('g2', 'it'), ('g8', 'all');
SELECT * FROM syncup_compute_correlation_keys();
SELECT rule, owner_keys, owner_null_keys, owner_collisions, account_keys, account_null_keys, account_collisions, errors, accounts_without_owner, owners_without_account FROM syncup.correlation ORDER BY rule;
SELECT syncup_grant_role('hr', '2', reason => 'deputy'), syncup_grant_role('hr', '3', until => now() + interval '1 day', "from" => now() + interval '1 hour');
SELECT t.error($$SELECT syncup_grant_role('hr', '99')$$), t.error($$SELECT syncup_grant_role('hr', 'nobody')$$), t.error($$SELECT syncup_grant_role('boss', '1')$$);
SELECT t.error($$SELECT syncup_grant_role('hr', '1', until => '2000-01-01')$$);
SELECT r.rule, hits, rows, example, followed_by FROM syncup.rule r CROSS JOIN LATERAL syncup_rule_check(r.rule) WHERE r.rule !~ 'title' ORDER BY r.rule COLLATE "C";
SELECT regexp_replace(cost, '[0-9]+', 'n') AS cost FROM syncup_rule_check('scalar AD.mail');
SELECT count(*) FROM syncup_preview_role_model();
SELECT count(*) FROM syncup.assignment;
SELECT * FROM syncup_compute_role_model();
SELECT account_key, owner_key, confidence, rule, state, candidates FROM syncup.ownership ORDER BY 1;
CREATE VIEW t.model AS
SELECT owner_key AS owner, account_key AS account, kind, property, expected, current, provisioning_state AS state, workflow_state AS workflow, origin, rule, message
FROM syncup.assignment ORDER BY owner_key, account_key, kind, property, expected;
TABLE t.model;
SELECT * FROM syncup_compute_role_model();
SELECT what, of, count, shown_by, decided_by FROM syncup.to_review ORDER BY 1;

-- Decisions. A person may say whose an account is; that stands.
SELECT t.error($$SELECT syncup_decide_owner('AD', 'g9', '5')$$), t.error($$SELECT syncup_decide_owner('AD', 'g5', '99')$$);
SELECT t.error($$SELECT syncup_decide_owner('AD', 'g5', '2')$$);
SELECT syncup_decide_owner('AD', 'g5', '6'), syncup_decide_owner('AD', 's1', NULL);
UPDATE target.account SET mail = 'ada@x' WHERE guid = 's1';
SELECT FROM syncup_compute_correlation_keys(NULL, true);
SELECT * FROM syncup_compute_role_model(NULL, true);
SELECT account_key, owner_key, state, decided_by = current_user AS by_me FROM syncup.ownership WHERE state = 'decided' ORDER BY 1;
-- Somebody's edit is shown and not fought over; a changed wish is one again.
UPDATE target.account SET mail = 'other@x' WHERE guid = 'g2';
SELECT syncup_flag('target.account', 'g2');
SELECT * FROM syncup_compute_role_model(NULL, true);
SELECT * FROM t.model WHERE property = 'mail' AND owner = '2';
UPDATE target.person SET mail = 'bob@y' WHERE id = 2;
SELECT syncup_flag('target.person', '2');
SELECT * FROM syncup_compute_role_model(NULL, true);
SELECT * FROM t.model WHERE property = 'mail' AND owner = '2';
-- Declined, it is not wished any more, until the wish changes.
SELECT syncup_decline(array_agg(assignment), 'no') FROM syncup.assignment WHERE property = 'mail' AND owner_key = '2';
SELECT count(*) FROM syncup_compute_role_model();
SELECT state, workflow FROM t.model WHERE property = 'mail' AND owner = '2';
-- A removal of what a rule gave; what none gave stays.
UPDATE target.person SET dept = 'none' WHERE id = 2;
DELETE FROM target.member WHERE account = 'g1b';
SELECT syncup_flag('target.person', '2'), syncup_flag('target.account', 'g1b');
SELECT * FROM syncup_compute_role_model(NULL, true);
SELECT * FROM t.model WHERE property = 'member' AND account IS NOT NULL;
SELECT syncup_revoke_role('hr', '2'), syncup_revoke_role('hr', '1');
SELECT * FROM syncup_compute_role_model(NULL, true);
-- A leaver.
UPDATE target.person SET active = false WHERE id = 1;
SELECT syncup_flag('target.person', '1');
SELECT * FROM syncup_compute_role_model(NULL, true);
SELECT * FROM t.model WHERE owner = '1';
-- In flight for too long.
UPDATE syncup.assignment SET provisioning_state = 'executed', state_at = now() - interval '2 days' WHERE owner_key = '1' AND kind = 'account';
SELECT * FROM syncup_compute_role_model(NULL, true);
SELECT owner, kind, state, message FROM t.model WHERE state = 'errored';
-- What was approved is so after an error of its rule, unless another value is wished then.
CREATE FUNCTION t.set_k(value text) RETURNS TABLE (expected text, state text, workflow text, approved boolean, message text) LANGUAGE plpgsql AS $$
BEGIN
	UPDATE target.person SET k = value WHERE id = 2;
	PERFORM syncup_flag('target.person', '2');
	PERFORM syncup_compute_role_model(NULL, true);
	RETURN QUERY SELECT x.expected, x.provisioning_state, x.workflow_state, x.approved_at IS NOT NULL, x.message FROM syncup.assignment x WHERE x.property = 'title' AND x.owner_key = '2';
END $$;
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account', '{"review": true}');
SELECT * FROM t.set_k('25');
SELECT syncup_approve(array_agg(assignment), 'yes') FROM syncup.assignment WHERE property = 'title' AND owner_key = '2';
SELECT v.k, s.* FROM (VALUES ('25'), ('0'), ('00'), ('25'), ('0'), ('10')) v (k) CROSS JOIN LATERAL t.set_k(v.k) s;
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account', '{"review": false}');
UPDATE syncup.assignment SET provisioning_state = 'transmitted' WHERE property = 'title' AND owner_key = '2';
SELECT v.k, s.* FROM (VALUES ('0'), ('10')) v (k) CROSS JOIN LATERAL t.set_k(v.k) s;
SELECT t.error($$SELECT syncup_approve('{999999}')$$);
SELECT t.error($$SELECT syncup_drop_rule('reader')$$), t.error($$SELECT syncup_drop_rule('hr')$$);

-- Rights: rules run with those of the role that defined them, whoever calls.
CREATE ROLE regress_syncup_author;
CREATE ROLE regress_syncup_clerk IN ROLE regress_syncup_author;
CREATE ROLE regress_syncup_stranger;
GRANT USAGE ON SCHEMA target, t, syncup TO regress_syncup_author, regress_syncup_stranger;
GRANT SELECT (id, first) ON target.person TO regress_syncup_author;
GRANT SELECT ON target.account TO regress_syncup_author;
GRANT SELECT ON target.person, target.account TO regress_syncup_stranger;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_syncup_author, regress_syncup_stranger;
GRANT SELECT ON syncup.rule TO regress_syncup_author, regress_syncup_stranger;
SET ROLE regress_syncup_author;
SELECT e FROM t.error($$SELECT syncup_define_type_rule('AD')$$) e LIMIT 1;
SELECT t.error($$SELECT syncup_create_resource_type('Own', 'target.person', 'target.account', '{"active": "o.active"}')$$);
SELECT syncup_create_resource_type('Own', 'target.person', 'target.account');
SELECT t.error($$SELECT syncup_define_correlation('Own', 'mail', 'mail')$$);
SELECT syncup_define_correlation('Own', 'first', 'login'), syncup_define_type_rule('Own', 'first = ''Ada''');
SELECT t.error($$SELECT syncup_drop_rule('type AD')$$);
RESET ROLE;
SET ROLE regress_syncup_stranger;
SELECT count(*) FROM syncup.rule;
SELECT t.error($$SELECT * FROM syncup_compute_role_model('{Own}')$$);
SELECT t.error($$SELECT syncup_decide_owner('Own', 'g1', '1')$$);
SELECT t.error($$SELECT * FROM syncup_rule_check('type Own')$$);
SELECT count(*) FROM syncup_compute_role_model();
RESET ROLE;
SET ROLE regress_syncup_clerk;
SELECT t.error($$SELECT syncup_define_type_rule('Own', 'false')$$);
SELECT * FROM syncup_compute_correlation_keys();
SELECT * FROM syncup_compute_role_model();
RESET ROLE;
-- What the author may not see any more is not seen by a superuser's call either; nobody's assignment changes.
REVOKE SELECT ON target.account FROM regress_syncup_author;
ALTER TABLE target.person ENABLE ROW LEVEL SECURITY;
CREATE POLICY others ON target.person TO regress_syncup_author USING (id > 1);
SELECT t.error($$SELECT * FROM syncup_compute_correlation_keys('{Own}')$$);
GRANT SELECT ON target.account TO regress_syncup_author;
SELECT * FROM syncup_compute_role_model('{Own}');
-- Where a right is lost the error says which rule is concerned.
GRANT SELECT (last) ON target.person TO regress_syncup_author;
SET ROLE regress_syncup_author;
SELECT syncup_define_scalar_rule('Own', 'login', 'o.last'), syncup_define_scalar_rule('Own', 'mail', 'o.first');
RESET ROLE;
REVOKE SELECT (last) ON target.person FROM regress_syncup_author;
SELECT t.error($$SELECT * FROM syncup_compute_role_model('{Own}')$$);
SET ROLE regress_syncup_author;
SELECT syncup_drop_rule('scalar Own.login');
RESET ROLE;
SELECT * FROM syncup_compute_role_model('{Own}');
-- What a correlation rule suggested is not suggested any more when it is dropped.
SET ROLE regress_syncup_author;
SELECT syncup_define_correlation('Own', 'o.id', 'right(a.guid, 1)', 50);
SELECT FROM syncup_compute_correlation_keys('{Own}');
SELECT FROM syncup_compute_role_model('{Own}');
RESET ROLE;
SELECT state, count(*) FROM syncup.ownership WHERE resource_type = 'Own' GROUP BY 1 ORDER BY 1;
SET ROLE regress_syncup_author;
SELECT syncup_drop_rule('correlation Own 2');
SELECT FROM syncup_compute_role_model('{Own}', true);
RESET ROLE;
SELECT state, count(*) FROM syncup.ownership WHERE resource_type = 'Own' GROUP BY 1 ORDER BY 1;
-- Nor is an account somebody's that is gone, if there is no rule any more.
BEGIN;
SET LOCAL ROLE regress_syncup_author;
SELECT syncup_define_correlation('Own', 'o.id', 'right(a.guid, 1)', 100);
SELECT FROM syncup_compute_correlation_keys('{Own}');
SELECT FROM syncup_compute_role_model('{Own}');
SELECT syncup_drop_rule('correlation Own'), syncup_drop_rule('correlation Own 2');
SELECT FROM syncup_compute_role_model('{Own}');
RESET ROLE;
SELECT account_key, owner_key, state FROM syncup.ownership WHERE resource_type = 'Own' ORDER BY 1;
DELETE FROM target.account WHERE guid = 'g5';
SET LOCAL ROLE regress_syncup_author;
SELECT FROM syncup_compute_role_model('{Own}');
RESET ROLE;
SELECT account_key, owner_key, state FROM syncup.ownership WHERE resource_type = 'Own' ORDER BY 1;
ROLLBACK;
-- Who has lost two accounts gets one.
CREATE TABLE target.pair (id int PRIMARY KEY, person int);
CREATE TABLE target.single (id int PRIMARY KEY, k int NOT NULL DEFAULT 1);
INSERT INTO target.single VALUES (1), (2), (3);
INSERT INTO target.pair VALUES (11, 1), (12, 1), (21, 2);
SELECT syncup_create_resource_type('Two', 'target.single', 'target.pair', '{"review": false, "correlate_multiple": true}');
SELECT syncup_define_correlation('Two', 'o.id::text', 'a.person::text'), syncup_define_type_rule('Two', '6 / o.k > 0'), syncup_define_scalar_rule('Two', 'id', '90 + o.id', '{"mapped": false}'), syncup_define_scalar_rule('Two', 'person', 'o.id');
SELECT count(*) FROM syncup_compute_correlation_keys('{Two}');
SELECT * FROM syncup_compute_role_model('{Two}');
DELETE FROM target.pair WHERE person = 1;
SELECT count(*) FROM syncup_compute_correlation_keys('{Two}');
SELECT count(*) FROM syncup_compute_role_model('{Two}');
SELECT owner_key, account_key, kind, property, expected, provisioning_state FROM syncup.assignment WHERE resource_type = 'Two' ORDER BY 1, 2, 3;
-- To be created, given another one by a person, and then nobody knows whether he should have it: nothing is ordered of that one.
SELECT owner_key, change_type, document -> 'Changes' AS changes FROM syncup_generate_provisioning_orders('{Two}', true);
INSERT INTO target.pair VALUES (31, 7);
SELECT count(*) FROM syncup_compute_correlation_keys('{Two}');
SELECT syncup_decide_owner('Two', '31', '3');
UPDATE target.single SET k = 0 WHERE id = 3;
SELECT count(*) FROM syncup_compute_role_model('{Two}');
SELECT account_key, kind, property, expected, current, provisioning_state FROM syncup.assignment WHERE resource_type = 'Two' AND owner_key = '3' ORDER BY 2, 3;
SELECT owner_key, change_type, document -> 'Changes' AS changes FROM syncup_generate_provisioning_orders('{Two}', true);
UPDATE target.single SET k = 1 WHERE id = 3;
SELECT count(*) FROM syncup_compute_role_model('{Two}');
SELECT owner_key, change_type, document -> 'Changes' AS changes FROM syncup_generate_provisioning_orders('{Two}', true);
SELECT syncup_drop_resource_type('Two');
-- A function that claims to be stable cannot write, nor take another role.
CREATE FUNCTION t.sly(x text) RETURNS boolean STABLE LANGUAGE plpgsql AS $$ BEGIN PERFORM t.write_it(); RETURN true; END $$;
CREATE FUNCTION t.write_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM target.account; END $$;
SELECT syncup_define_type_rule('AD', 't.sly(o.last)');
UPDATE target.person SET active = true;
DELETE FROM target.person WHERE id > 1;
SELECT syncup_drop_rule('type AD');
SELECT t.error($$SELECT * FROM syncup_compute_role_model('{AD}')$$);
SELECT count(*) FROM target.account;
SELECT syncup_drop_resource_type('AD');
SET ROLE regress_syncup_author;
SELECT syncup_drop_resource_type('Own');
RESET ROLE;
SELECT (SELECT count(*) FROM syncup.assignment WHERE kind <> 'role') AS assignments, (SELECT count(*) FROM syncup.ownership) AS owned, (SELECT count(*) FROM syncup.correlation_key) AS keys, (SELECT count(*) FROM syncup.evaluated) AS evaluated;
DROP OWNED BY regress_syncup_author, regress_syncup_clerk, regress_syncup_stranger;
DROP ROLE regress_syncup_author, regress_syncup_clerk, regress_syncup_stranger;
\set end :srcdir '/include/end.sql'
\i :end
