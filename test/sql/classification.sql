-- Classification of accounts, and profiles of the application (AFTER 6).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\set runs :srcdir '/include/runs.sql'
\i :begin
\i :runs
CREATE TABLE target.person (id int PRIMARY KEY, name text, kind text, unit text, login text, n int DEFAULT 1);
CREATE TABLE target.account (dn text PRIMARY KEY, name text, n int DEFAULT 1);
INSERT INTO target.person VALUES (1, 'Ada', 'boss', 'A', 'regress_ada'), (2, 'Bob', 'user', 'A', 'regress_bob'), (3, 'Cy', 'user', 'B', NULL);
INSERT INTO target.account VALUES ('p1', 'Ada'), ('svc1', 'svc backup'), ('svc2', 'svc mail'), ('adm', 'adm of Ada'), ('x', 'Nobody');
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account');
SELECT syncup_create_resource_type('Service', 'target.person', 'target.account');
INSERT INTO syncup.ownership (resource_type, account_key, owner_key, state) VALUES ('AD', 'p1', '1', 'correlated'), ('AD', 'adm', '1', 'suggested');
CREATE VIEW t.classes AS
SELECT account_key, resource_type, confidence, rule, state, message, decided_by IS NOT NULL AS by_hand FROM syncup.classification ORDER BY 1;

-- What is refused.
SELECT t.error($$SELECT syncup_define_classification('Nothing', 'true')$$);
SELECT t.error($$SELECT syncup_define_classification('AD', NULL)$$);
SELECT t.error($$SELECT syncup_define_classification('AD', 'true', 151)$$);
SELECT t.error($$SELECT syncup_define_classification('AD', 'a.nothing')$$);
SELECT t.error($$SELECT syncup_define_classification('AD', 'random() > 0')$$);
SELECT t.error($$SELECT syncup_define_classification('AD', 'a.n')$$);
SELECT t.error($$SELECT * FROM syncup_update_classification('{target.account}')$$);
SELECT t.error($$SELECT syncup_classify('AD', 'nobody')$$);
SELECT * FROM syncup_update_classification();

-- The best rule; below 100, or two of the same, it is suggested; what is somebody's is left out.
SELECT syncup_define_classification('Service', 'a.name ~ ''^svc''');
SELECT syncup_define_classification('AD', 'a.name ~ ''mail''', 80);
SELECT syncup_define_classification('AD', 'a.name ~ ''adm''', 60);
SELECT rule, kind, is_on, definition FROM syncup.rule ORDER BY rule COLLATE "C";
SELECT * FROM syncup_update_classification(dirty => true);
SELECT * FROM t.classes;
SELECT what, of, count, shown_by, decided_by FROM syncup.to_review WHERE what ~ 'classification';
SELECT * FROM syncup_update_classification();
SELECT syncup_define_classification('AD', 'a.name ~ ''mail''', 100);
SELECT * FROM syncup_update_classification(dirty => true);
SELECT * FROM t.classes;
-- Dirty: an account that has changed, one that is new, one that is gone, one that has an owner now, one that has none any more.
UPDATE target.account SET name = 'svc x' WHERE dn = 'x';
SELECT syncup_flag('target.account', 'x');
INSERT INTO target.account VALUES ('svc3', 'svc three');
DELETE FROM target.account WHERE dn = 'svc1';
UPDATE syncup.ownership SET owner_key = NULL, state = 'ambiguous' WHERE account_key = 'p1';
UPDATE syncup.ownership SET state = 'decided' WHERE account_key = 'adm';
SELECT * FROM syncup_update_classification(dirty => true);
SELECT * FROM t.classes;
SELECT * FROM syncup_update_classification();
-- By hand: it stays, whatever rules say.
SELECT syncup_classify('AD', 'svc3');
SELECT syncup_classify('Service', 'x', false);
SELECT * FROM syncup_update_classification();
SELECT * FROM t.classes;
-- A rule that raises an error for one account.
SELECT syncup_define_classification('Service', '10 / a.n > 0', 150);
UPDATE target.account SET n = 0 WHERE dn = 'p1';
SELECT * FROM syncup_update_classification('{target.account}', true);
SELECT * FROM t.classes;
UPDATE target.account SET n = 1 WHERE dn = 'p1';
SELECT * FROM syncup_update_classification(dirty => true);
-- Dropped: what it said is forgotten, what was decided is not.
SELECT syncup_drop_rule('classification Service 2');
SELECT * FROM syncup_update_classification(dirty => true);
SELECT syncup_drop_rule(rule) FROM syncup.rule WHERE kind = 'classification';
SELECT * FROM t.classes;
SELECT count(*) FROM syncup.consumer WHERE consumer ~ 'classif';

-- Profiles.
CREATE VIEW t.profiles AS
SELECT profile, owner_key, scope, login, message FROM syncup.profile_assignment ORDER BY 1, 2;
CREATE VIEW t.members AS
SELECT r.rolname AS profile, m.rolname AS member FROM pg_auth_members a JOIN pg_roles r ON r.oid = a.roleid JOIN pg_roles m ON m.oid = a.member
WHERE r.rolname ~ '^regress_' AND m.rolname <> 'regress_rules' ORDER BY 1, 2;
SELECT t.error($$SELECT syncup_define_profile('', 'target.person', 'true')$$);
SELECT t.error($$SELECT syncup_define_profile('P', 'target.person', NULL)$$);
SELECT t.error($$SELECT syncup_define_profile('P', 'target.person', 'o.kind', '{}')$$);
SELECT t.error($$SELECT syncup_define_profile('P', 'target.person', 'true', '{"scop": "1"}')$$);
SELECT t.error($$SELECT syncup_define_profile('P', 'target.person', 'true', '{"scope": "o.nothing"}')$$);
SELECT t.error($$SELECT syncup_define_profile('P', 'target.person', 'true', '{"scope": "1) + (1"}')$$);
SELECT t.error($$SELECT syncup_define_profile('regress_none', 'target.person', 'true', '{"login": "o.login"}')$$);
SELECT t.error($$SELECT syncup_define_profile('pg_monitor', 'target.person', 'true', '{"login": "o.login"}')$$);
SELECT t.error(format($$SELECT syncup_define_profile(%L, 'target.person', 'true', '{"login": "o.login"}')$$, (SELECT rolname FROM pg_roles WHERE rolsuper ORDER BY oid LIMIT 1))) ~ 'superuser' AS of_superuser;
SELECT syncup_define_profile('unit manager', 'target.person', 'o.kind = ''boss''', '{"scope": "o.unit"}');
SELECT syncup_define_profile('colleague', 'target.person', 'true', '{"scope": "jsonb_build_object(''unit'', o.unit, ''n'', 10 / o.n)"}');
SELECT * FROM syncup_set_internal_user_profiles();
SELECT * FROM t.profiles;
SELECT * FROM syncup_set_internal_user_profiles();
UPDATE target.person SET kind = 'user' WHERE id = 1;
UPDATE target.person SET kind = 'boss', unit = 'C', n = 0 WHERE id = 3;
UPDATE target.person SET unit = 'Z' WHERE id = 2;
SELECT syncup_flag('target.person', k) FROM unnest('{1,3}'::text[]) k;
SELECT * FROM syncup_set_internal_user_profiles(true);
SELECT * FROM t.profiles;
SELECT what, of, count, shown_by, decided_by FROM syncup.to_review WHERE what ~ 'profile';
UPDATE target.person SET n = 2 WHERE id = 3;
SELECT * FROM syncup_set_internal_user_profiles(true);
SELECT * FROM syncup_set_internal_user_profiles();
SELECT * FROM t.profiles;
SELECT syncup_drop_rule(rule) FROM syncup.rule WHERE kind = 'profile';
SELECT * FROM t.profiles;

-- A profile that is a role: granted and revoked by the role that defined it, if that may.
CREATE ROLE regress_rules;
CREATE ROLE regress_app;
CREATE ROLE regress_ada;
CREATE ROLE regress_bob;
CREATE ROLE regress_new;
CREATE ROLE regress_root SUPERUSER;
CREATE ROLE regress_dba SUPERUSER;
GRANT SELECT ON target.person TO regress_rules;
GRANT USAGE ON SCHEMA target, t, syncup TO regress_rules;
GRANT EXECUTE ON FUNCTION syncup_define_profile, syncup_set_internal_user_profiles TO regress_rules;
SET ROLE regress_rules;
SELECT t.error($$SELECT syncup_define_profile('regress_app', 'target.person', 'true', '{"login": "o.login"}')$$);
RESET ROLE;
GRANT regress_app TO regress_rules WITH ADMIN OPTION;
SET ROLE regress_rules;
SELECT syncup_define_profile('regress_app', 'target.person', 'o.unit <> ''B''', '{"login": "o.login"}');
RESET ROLE;
SELECT * FROM syncup_set_internal_user_profiles();
SELECT * FROM t.profiles;
SELECT * FROM t.members;
SELECT profile, login, grantor FROM syncup.profile_grant ORDER BY 2;
-- It goes: revoked from her alone to whom it was granted by the rule. By hand it stays.
GRANT regress_app TO regress_root;
UPDATE target.person SET unit = 'B' WHERE id = 1;
INSERT INTO target.person VALUES (4, 'Root', 'user', 'A', 'regress_root'), (5, 'No', 'user', 'A', 'regress_nobody'), (6, 'Bob again', 'user', 'A', 'regress_bob');
SELECT syncup_flag('target.person', k) FROM unnest('{1,4,5,6}'::text[]) k;
SELECT * FROM syncup_set_internal_user_profiles(true);
SELECT * FROM t.profiles;
SELECT * FROM t.members;
-- Two people of one login: the last who goes takes it along.
DELETE FROM target.person WHERE id IN (4, 6);
SELECT * FROM syncup_set_internal_user_profiles();
SELECT * FROM t.members;
-- Revoked by hand: the rule gives it again. Granted by hand before: never revoked.
SET ROLE regress_rules;
REVOKE regress_app FROM regress_bob;
RESET ROLE;
GRANT regress_app TO regress_ada;
UPDATE target.person SET unit = 'A' WHERE id = 1;
SELECT * FROM syncup_set_internal_user_profiles();
SELECT * FROM t.members;
UPDATE target.person SET unit = 'B';
SELECT * FROM syncup_set_internal_user_profiles();
SELECT * FROM t.members;
-- A role that has become a superuser's is not given any more.
GRANT regress_dba TO regress_app;
UPDATE target.person SET unit = 'A' WHERE id = 2;
SELECT * FROM syncup_set_internal_user_profiles();
SELECT profile, owner_key, message FROM t.profiles;
REVOKE regress_dba FROM regress_app;
SELECT * FROM syncup_set_internal_user_profiles(true);
SELECT profile, owner_key, message FROM t.profiles;
SELECT * FROM t.members;
UPDATE target.person SET unit = 'B';
SELECT * FROM syncup_set_internal_user_profiles();
-- Who may not grant it any more.
REVOKE ADMIN OPTION FOR regress_app FROM regress_rules;
UPDATE target.person SET unit = 'A', login = 'regress_new' WHERE id = 5;
SELECT * FROM syncup_set_internal_user_profiles();
SELECT profile, owner_key, message FROM t.profiles;
GRANT regress_app TO regress_rules WITH ADMIN OPTION;
SELECT * FROM syncup_set_internal_user_profiles(true);
SELECT * FROM t.members;
-- Without the option no longer a role.
SET ROLE regress_rules;
SELECT syncup_define_profile('regress_app', 'target.person', 'o.unit <> ''B''');
RESET ROLE;
SELECT * FROM syncup_set_internal_user_profiles(true);
SELECT * FROM t.profiles;
SELECT * FROM t.members;
SET ROLE regress_rules;
SELECT syncup_define_profile('regress_app', 'target.person', 'o.unit <> ''B''', '{"login": "o.login"}');
RESET ROLE;
SELECT * FROM syncup_set_internal_user_profiles(true);
SELECT * FROM t.members;
-- Dropped: nobody has it by the rule.
SELECT syncup_drop_rule('regress_app');
SELECT * FROM t.members;
SELECT count(*) FROM syncup.profile_grant;
REVOKE regress_app FROM regress_ada, regress_root;
DROP OWNED BY regress_rules;
DROP ROLE regress_rules, regress_app, regress_ada, regress_bob, regress_new, regress_root, regress_dba;
\set end :srcdir '/include/end.sql'
\i :end
