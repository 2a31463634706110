-- Provisioning orders and their fulfilment (AFTER 5).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
\pset format unaligned
SET client_min_messages = warning;
CREATE TABLE target.person (id int PRIMARY KEY, name text, grade int, boss int, gone boolean NOT NULL DEFAULT false);
CREATE TABLE target.account (login text PRIMARY KEY, mail text, tags text[], grade int CHECK (grade < 100), note text DEFAULT 'new');
INSERT INTO target.person VALUES (1, 'ada', 1), (2, 'bo', 2), (3, 'cy', 3), (4, 'di', 4);
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account', '{"review": false, "remove_orphans": false, "active": "true", "fulfill": {"kind": "internal"}, "limits": {"max_percentage_inserted_lines": 0}}');
SELECT syncup_define_correlation('AD', 'o.name', 'a.login');
SELECT syncup_define_type_rule('AD', 'NOT o.gone');
SELECT syncup_define_scalar_rule('AD', 'login', 'o.name');
SELECT syncup_define_scalar_rule('AD', 'mail', $$o.name || '@example.org'$$);
SELECT syncup_define_scalar_rule('AD', 'tags', $$ARRAY[o.name, 'a,b']$$);
SELECT syncup_define_scalar_rule('AD', 'grade', 'o.grade');
CREATE VIEW t.orders AS
SELECT owner_key AS owner, account_key AS account, change_type AS change, document -> 'Changes' AS changes, state, attempts, error,
	next_attempt IS NOT NULL AS again FROM syncup.provisioning_order ORDER BY seq;
CREATE FUNCTION t.model() RETURNS TABLE (kind text, state text, count bigint) LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
	PERFORM syncup_compute_correlation_keys();
	RETURN QUERY SELECT m.kind, m.provisioning_state, m.count FROM syncup_compute_role_model() m;
END $$;
CREATE FUNCTION t.generate(force boolean DEFAULT false) RETURNS TABLE (owner text, account text, change text, changes jsonb, state text) LANGUAGE sql AS
$$ SELECT owner_key, account_key, change_type, document -> 'Changes', state FROM syncup_generate_provisioning_orders(NULL, force) $$;

-- A document, whole.
SELECT * FROM t.model();
SELECT regexp_replace(regexp_replace(jsonb_pretty(document), '"OrderId": "[^"]*"', '"OrderId": "<id>"'), '"AssignedResourceTypeId": \d+', '"AssignedResourceTypeId": <n>'), document ->> 'OrderId' = order_id::text AS its_id
FROM syncup_generate_provisioning_orders('{AD}') WHERE owner_key = '1';
-- generated once, whatever is asked; executed in the account's table; verified when it is read
SELECT * FROM t.generate();
SELECT owner, change, state FROM t.orders;
CALL syncup_fulfill();
SELECT owner, change, state, attempts FROM t.orders;
SELECT * FROM target.account ORDER BY login;
SELECT provisioning_state, count(*) FROM syncup.assignment GROUP BY 1;
SELECT * FROM t.model();
SELECT * FROM t.generate();
SELECT owner, state FROM t.orders;
CALL syncup_fulfill('{AD}');
-- who has what, why, by which order
SELECT x.account_key, x.property, x.expected, x.rule, o.change_type, o.state FROM syncup.assignment x JOIN syncup.provisioning_order o ON x.owner_key = o.owner_key
WHERE x.property = 'mail' AND x.account_key = 'ada';

-- One value is refused: that order alone. Somebody has changed another since: both values are told. A third is so already.
UPDATE target.person SET grade = CASE id WHEN 1 THEN 100 WHEN 4 THEN 4 ELSE grade + 10 END;
SELECT * FROM t.model();
SELECT * FROM t.generate(true);
UPDATE target.account SET grade = 7 WHERE login = 'bo';
UPDATE target.account SET grade = 13 WHERE login = 'cy';
CALL syncup_fulfill();
SELECT owner, changes, state, attempts, error, again FROM t.orders WHERE state <> 'verified';
SELECT login, grade FROM target.account ORDER BY login;
SELECT owner_key, expected, current, provisioning_state, message FROM syncup.assignment WHERE property = 'grade' ORDER BY 1;
-- tried again later, not now; a newer wish supersedes it
CALL syncup_fulfill();
SELECT owner, attempts FROM t.orders WHERE state = 'errored';
UPDATE syncup.provisioning_order SET next_attempt = now() WHERE state = 'errored';
CALL syncup_fulfill();
SELECT owner, state, attempts, again, (SELECT round(extract(epoch FROM next_attempt - now()) / 60) FROM syncup.provisioning_order p WHERE p.owner_key = o.owner AND p.state = 'errored') AS minutes FROM t.orders o WHERE state = 'errored';
UPDATE target.person SET grade = 50 WHERE id IN (1, 2);
SELECT * FROM t.model();
SELECT * FROM t.generate(true);
SELECT owner, changes, state FROM t.orders WHERE state NOT IN ('verified', 'executed');
CALL syncup_fulfill();
SELECT * FROM t.model();
SELECT owner, changes, state, error FROM t.orders WHERE state NOT IN ('verified');
SELECT login, grade FROM target.account ORDER BY login;

-- What erred and is declined is not told any more
UPDATE target.person SET grade = 51 WHERE id = 1;
SELECT count(*) > 0 AS computed FROM t.model();
SELECT owner, changes FROM t.generate(true);
UPDATE target.account SET grade = 5 WHERE login = 'ada';
CALL syncup_fulfill();
SELECT syncup_decline(array_agg(assignment), 'let it be') FROM syncup.assignment WHERE provisioning_state = 'errored';
UPDATE target.account SET grade = 50 WHERE login = 'ada';
UPDATE syncup.provisioning_order SET next_attempt = now() WHERE state = 'errored';
CALL syncup_fulfill();
SELECT owner, changes, state FROM t.orders WHERE changes ->> 'grade' = '51';
SELECT grade FROM target.account WHERE login = 'ada';
UPDATE target.person SET grade = 50 WHERE id = 1;

-- What erred and is wished no more was not done, and is not told again
SELECT syncup_define_scalar_rule('AD', 'note', $$'x'$$, '{"condition": "o.id = 1"}');
SELECT count(*) > 0 AS computed FROM t.model();
SELECT owner, changes FROM t.generate(true);
UPDATE target.account SET note = 'theirs' WHERE login = 'ada';
CALL syncup_fulfill();
SELECT owner, state, error FROM t.orders WHERE changes ? 'note';
UPDATE target.account SET note = 'new' WHERE login = 'ada';
SELECT syncup_drop_rule('scalar AD.note');
SELECT count(*) > 0 AS computed FROM t.model();
SELECT * FROM t.generate();
SELECT owner, state, again FROM t.orders WHERE changes ? 'note';
CALL syncup_fulfill();
SELECT note FROM target.account WHERE login = 'ada';

-- Limits: one in four is 25 %, two are blocked, all of the call. Released: exactly those. Declined: nothing, and not asked again.
UPDATE target.person SET gone = true WHERE id IN (3, 4);
SELECT * FROM t.model();
SELECT owner, change, state FROM t.generate();
SELECT resource_type, change_type, count, maximum, base, max_percentage, exceeded, waived FROM syncup.order_limit WHERE exceeded;
CALL syncup_fulfill();
SELECT syncup_decline_orders(generation, 'no') FROM syncup.provisioning_order WHERE state = 'blocked' GROUP BY generation;
SELECT owner, change, state, error FROM t.orders WHERE change = 'Deleted';
SELECT * FROM t.generate();
SELECT owner_key, kind, provisioning_state, workflow_state, comment FROM syncup.assignment WHERE workflow_state IS NOT NULL ORDER BY 1;
SELECT syncup_approve(array_agg(assignment), 'yes') FROM syncup.assignment WHERE workflow_state = 'declined';
SELECT owner, change, state FROM t.generate();
UPDATE target.account SET note = 'touched' WHERE login = 'di';
SELECT syncup_release_orders(generation) FROM syncup.provisioning_order WHERE state = 'blocked' GROUP BY generation;
CALL syncup_fulfill();
SELECT owner, change, state, error FROM t.orders WHERE change = 'Deleted';
SELECT login FROM target.account ORDER BY 1;
SELECT t.error($$SELECT syncup_release_orders('00000000-0000-0000-0000-000000000000')$$);
SELECT t.error($$SELECT syncup_decline_orders('00000000-0000-0000-0000-000000000000')$$);

-- sql: a function of the user's, its errors and its exceptions
CREATE FUNCTION target.tell(document jsonb) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	IF document #>> '{Changes,grade}' = '61' THEN RETURN 'no such grade'; END IF;
	IF document #>> '{Changes,grade}' = '62' THEN RAISE 'broken'; END IF;
	UPDATE target.account SET grade = (document #>> '{Changes,grade}')::int WHERE login = document #>> '{Resource,login}';
	RETURN NULL;
END $$;
SELECT syncup_create_resource_type('AD', 'target.person', 'target.account', '{"fulfill": {"kind": "sql", "function": "target.tell", "retries": 0}}');
UPDATE target.person SET grade = 60 + id, gone = id > 3;
INSERT INTO target.person VALUES (5, 'bo2', 60);
SELECT * FROM t.model();
SELECT owner, change, changes FROM t.generate(true);
CALL syncup_fulfill();
SELECT owner, change, state, error, again FROM t.orders WHERE state IN ('executed', 'errored') AND changes ? 'grade' ORDER BY owner;
-- what a crash left is not done again where that might do harm
UPDATE syncup.provisioning_order SET state = 'transmitted', executor = '1 1 x' WHERE owner_key = '5' AND state IN ('executed', 'errored');
CALL syncup_fulfill();
SELECT owner, state, error, again FROM t.orders WHERE state = 'unknown';
SELECT owner_key, provisioning_state, message FROM syncup.assignment WHERE owner_key = '5' AND kind = 'account';
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE state = 'unknown';
SELECT owner, state FROM t.orders WHERE owner = '5';
DELETE FROM target.person WHERE id > 4;

-- csv: the file that is written is a file of changes; synchronized, it verifies the orders
SELECT syncup_drop_resource_type('AD');
SELECT count(*) FROM syncup.provisioning_order;
CREATE TABLE target.user_account (login text PRIMARY KEY, mail text, tags text[], grade int);
CREATE TABLE target.grp (id text PRIMARY KEY);
CREATE TABLE target.member (grp text, login text, PRIMARY KEY (grp, login));
CALL t.shell('printf "login,mail,tags,grade\r\n" > accounts.csv; printf "id\r\ng1\r\ng2\r\n" > groups.csv; printf "grp,login\r\n" > members.csv; echo account,resource > links_member.csv');
SELECT syncup_create_connector('A', t.dir());
SELECT syncup_map_entity_type('A', 'account', 'target.user_account', 'accounts.csv', 'login', '{"login": "login", "mail": "mail", "tags": "tags", "grade": "grade"}', options => '{"incremental_file": "changes.csv", "command_column": "command"}');
SELECT syncup_map_entity_type('A', 'grp', 'target.grp', 'groups.csv', 'id');
SELECT syncup_map_association('A', 'member', 'links_member.csv', 'resource', 'grp.id', 'account', 'account.login', 'target.member', 'grp', 'login', '{"command_column": "command"}');
SELECT syncup_set_thresholds('A', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "max_link_percentage_inserted_lines": 0, "max_link_percentage_deleted_lines": 0}');
CALL syncup_run('A', 'initial');
UPDATE target.person SET grade = CASE WHEN id = 1 THEN NULL ELSE id END, gone = id > 3, name = CASE id WHEN 2 THEN 'bo "x", ' ELSE name END;
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', jsonb_build_object('review', false, 'limits', '{"max_percentage_inserted_lines": 0}'::jsonb,
	'fulfill', jsonb_build_object('kind', 'csv', 'file', t.dir() || '/changes.csv')));
SELECT syncup_define_correlation('C', 'o.name', 'a.login'), syncup_define_type_rule('C', 'NOT o.gone'), syncup_define_scalar_rule('C', 'login', 'o.name'),
	syncup_define_scalar_rule('C', 'mail', $$o.name || '@example.org'$$), syncup_define_scalar_rule('C', 'tags', $$ARRAY[o.name, 'a,b']$$), syncup_define_scalar_rule('C', 'grade', 'o.grade'),
	syncup_define_navigation_rule('C', 'member', $$CASE WHEN o.grade = 3 THEN 'g2' ELSE 'g1' END$$);
SELECT * FROM t.model();
SELECT owner, account, change, changes FROM t.generate();
CALL syncup_fulfill();
SELECT owner, change, state, error FROM t.orders;
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', jsonb_build_object('fulfill', jsonb_build_object('kind', 'csv', 'file', t.dir() || '/changes.csv', 'link_file', t.dir() || '/links_{association}.csv')));
CALL t.shell('rm links_member.csv');
UPDATE syncup.provisioning_order SET next_attempt = now() WHERE state = 'errored';
CALL syncup_fulfill();
SELECT owner, change, state, error FROM t.orders;
SELECT * FROM t.read('changes.csv');
SELECT * FROM t.read('links_member.csv');
CALL syncup_run('A', 'incremental');
SELECT login, mail, tags, grade FROM target.user_account ORDER BY login;
SELECT * FROM target.member ORDER BY 1, 2;
SELECT * FROM t.model();
SELECT owner, state FROM t.orders;
SELECT * FROM t.generate();
-- a change, an emptied value, a link that moves, an account that goes
UPDATE target.person SET grade = CASE id WHEN 1 THEN 3 ELSE NULL END WHERE id < 3;
UPDATE target.person SET gone = true WHERE id = 3;
SELECT * FROM t.model();
SELECT owner, change, changes FROM t.generate(true);
CALL syncup_fulfill();
SELECT * FROM t.read('changes.csv') OFFSET 3;
SELECT * FROM t.read('links_member.csv') OFFSET 3;
CALL syncup_run('A', 'incremental');
SELECT * FROM t.model();
SELECT owner, change, state FROM t.orders;
SELECT login, grade FROM target.user_account ORDER BY login;
SELECT * FROM target.member ORDER BY 1, 2;
SELECT * FROM t.generate();
-- another header, half a line
CALL t.shell('mv changes.csv older.csv; printf "command,login\r\n" > changes.csv');
UPDATE target.person SET grade = 33 WHERE id = 1;
SELECT * FROM t.model();
SELECT owner, change, changes FROM t.generate(true);
CALL syncup_fulfill();
SELECT owner, state, replace(error, t.dir(), '<dir>') AS error FROM t.orders WHERE state = 'errored';
CALL t.shell('printf "command,login,grade,mail,tags\r\nupd" > changes.csv');
UPDATE syncup.provisioning_order SET next_attempt = now() WHERE state = 'errored';
CALL syncup_fulfill();
SELECT owner, state, replace(error, t.dir(), '<dir>') AS error FROM t.orders WHERE state = 'errored';

-- json: files for an agent, which reports
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', jsonb_build_object('fulfill', jsonb_build_object('kind', 'json', 'directory', t.dir(), 'orders_per_file', 1)));
UPDATE syncup.provisioning_order SET next_attempt = now() WHERE state = 'errored';
CALL syncup_fulfill();
SELECT owner, state, attempts, error FROM t.orders WHERE state = 'transmitted';
CALL t.shell('cat orders_*.json > all.json');
SELECT jsonb_array_length(j -> 'ProvisioningOrdersList'), j #> '{ProvisioningOrdersList,0,Changes}' FROM (SELECT pg_read_file(t.dir() || '/all.json')::jsonb) AS f (j);
SELECT syncup_report_order(order_id, 'no connection') FROM syncup.provisioning_order WHERE state = 'transmitted';
SELECT owner, state, attempts, error, again FROM t.orders WHERE state = 'errored';
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE state = 'errored';
SELECT owner, state, error, again FROM t.orders WHERE state = 'executed';
SELECT t.error($$SELECT syncup_report_order(order_id) FROM (SELECT order_id FROM syncup.provisioning_order WHERE state = 'verified' LIMIT 1) v$$);
SELECT t.error($$SELECT syncup_report_order('00000000-0000-0000-0000-000000000000')$$);
-- what has not been found in time has errored
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"transmitted_validity": "1 hour"}');
UPDATE syncup.assignment SET state_at = now() - interval '2 hours' WHERE provisioning_state = 'executed';
SELECT * FROM t.model();
SELECT owner, state, error FROM t.orders WHERE state = 'errored';
SELECT t.error($$SELECT * FROM syncup_write_orders(t.dir(), 0)$$);
SELECT syncup_approve(array_agg(assignment)) FROM syncup.assignment WHERE provisioning_state = 'errored';
SELECT owner, state FROM t.generate(true);
SELECT replace(regexp_replace(file, '_[0-9T]+_', '_<time>_'), t.dir(), '<dir>') AS file, orders FROM syncup_write_orders(t.dir());
SELECT owner, state FROM t.orders WHERE state = 'transmitted';

-- program: one process, a line each; what it says of which order
CALL t.write('tell', E'#!/bin/sh\nwhile read -r line; do\n  id=$(printf "%s" "$line" | sed "s/.*\\"OrderId\\": \\"\\([^\\"]*\\)\\".*/\\1/")\n  echo "$line" >> told\n  case $line in\n  *\'"Owner": {"id": 3,\'*) echo garbage; echo "{\\"OrderId\\": \\"$id\\", \\"Error\\": null}"; echo "{\\"OrderId\\": \\"$id\\", \\"Error\\": \\"late\\"}" ;;\n  *\'"Owner": {"id": 4,\'*) echo "{\\"OrderId\\": \\"00000000-0000-0000-0000-000000000000\\"}"; echo "{\\"OrderId\\": \\"$id\\", \\"Error\\": \\"no such user\\"}" ;;\n  *\'"Owner": {"id": 7,\'*) echo "$id is done" ;;\n  *\'"Owner": {"id": 8,\'*) echo "{\\"OrderId\\": \\"$id\\"}" ;;\n  *) echo out of order >&2; exit 3 ;;\n  esac\ndone\n');
CALL t.shell('chmod +x tell');
TRUNCATE syncup.provisioning_order;
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', jsonb_build_object('transmitted_validity', NULL,
	'fulfill', jsonb_build_object('kind', 'program', 'command', 'cd ' || t.dir() || ' && ./tell', 'max_in_flight', 2, 'retries', 0)));
UPDATE target.person SET gone = false, grade = 40 + id;
INSERT INTO target.person VALUES (7, 'ed', 1), (8, 'flo', 2);
UPDATE syncup.assignment SET provisioning_state = 'pending', workflow_state = 'approved', approved_at = now() WHERE provisioning_state NOT IN ('verified');
SELECT * FROM t.model();
SELECT owner, change FROM t.generate(true);
CALL syncup_fulfill();
SELECT owner, change, state, CASE WHEN error ~ 'answer is none' THEN left(error, 28) ELSE error END AS error, again FROM t.orders;
-- it does not answer; it cannot be started; the role must not
UPDATE syncup.provisioning_order SET state = 'pending' WHERE owner_key = '7';
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "program", "command": "sleep 100", "timeout": "300 ms", "retries": 0}}');
CALL syncup_fulfill();
SELECT owner, state, error FROM t.orders WHERE owner = '7';
UPDATE syncup.provisioning_order SET state = 'pending' WHERE owner_key = '7';
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "program", "command": "exec /nonexistent", "retries": 0}}');
CALL syncup_fulfill();
SELECT owner, state IN ('pending', 'unknown') AS not_done, error ~ 'nonexistent|reads no more' AS told FROM t.orders WHERE owner = '7';
DROP ROLE IF EXISTS regress_syncup_weak;
CREATE ROLE regress_syncup_weak;
UPDATE syncup.provisioning_order SET state = 'pending' WHERE owner_key = '7';
UPDATE syncup.resource_type SET role = 'regress_syncup_weak';
GRANT USAGE ON SCHEMA target TO regress_syncup_weak;
CALL syncup_fulfill();
SELECT owner, state, error FROM t.orders WHERE owner = '7';
-- files likewise, and tables
UPDATE syncup.resource_type SET options = options || jsonb_build_object('fulfill', jsonb_build_object('kind', 'json', 'directory', t.dir()));
UPDATE syncup.provisioning_order SET state = 'pending' WHERE owner_key = '7';
CALL syncup_fulfill();
SELECT owner, state, replace(error, t.dir(), '<dir>') AS error FROM t.orders WHERE owner = '7';
UPDATE syncup.resource_type SET options = options || '{"fulfill": {"kind": "internal"}}';
UPDATE syncup.provisioning_order SET state = 'pending' WHERE owner_key = '7';
CALL syncup_fulfill();
SELECT owner, state, error FROM t.orders WHERE owner = '7';
UPDATE syncup.resource_type SET role = session_user::regrole;
REVOKE ALL ON SCHEMA target FROM regress_syncup_weak;
DROP ROLE regress_syncup_weak;

-- manual: a person does it, and says so; of the same account nothing is told before that has come to its end
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "manual"}}');
TRUNCATE syncup.provisioning_order;
UPDATE syncup.assignment SET provisioning_state = 'verified', expected = current WHERE account_key = 'ada' AND kind = 'scalar';
UPDATE target.person SET grade = 50 WHERE id = 1;
SELECT count(*) > 0 AS computed FROM t.model();
SELECT count(*) AS others FROM t.generate(true) WHERE owner <> '1';
CALL syncup_fulfill();
SELECT owner, changes, state FROM t.orders WHERE owner = '1';
UPDATE target.person SET grade = 51 WHERE id = 1;
SELECT count(*) > 0 AS computed FROM t.model();
SELECT owner, change, changes FROM t.generate(true);
CALL syncup_fulfill();
SELECT owner, changes, state FROM t.orders WHERE owner = '1';
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE owner_key = '1' AND state = 'transmitted';
-- what is said of an order is nothing of a newer wish, ordered already or not yet
SELECT expected, provisioning_state FROM syncup.assignment WHERE resource_type = 'C' AND owner_key = '1' AND property = 'grade';
CALL syncup_fulfill();
SELECT owner, changes, state FROM t.orders WHERE owner = '1';
SELECT syncup_report_order(order_id, 'late') FROM syncup.provisioning_order WHERE owner_key = '1' AND state = 'executed';
SELECT expected, provisioning_state, message FROM syncup.assignment WHERE resource_type = 'C' AND owner_key = '1' AND property = 'grade';
UPDATE target.person SET grade = 52 WHERE id = 1;
SELECT count(*) > 0 AS computed FROM t.model();
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE owner_key = '1' AND state = 'transmitted';
SELECT expected, provisioning_state FROM syncup.assignment WHERE resource_type = 'C' AND owner_key = '1' AND property = 'grade';
SELECT owner, change, changes FROM t.generate(true);
CALL syncup_fulfill();

-- An order says nothing of a newer wish, and is not told where it does not say any more what is wished.
CREATE TABLE target.staff (id int PRIMARY KEY, mail text, grade int, note text, gone boolean NOT NULL DEFAULT false);
CREATE TABLE target.login (id int PRIMARY KEY, mail text, grade int, note text);
CREATE TABLE target.told (n int GENERATED ALWAYS AS IDENTITY, id int, change text, changes jsonb);
INSERT INTO target.staff VALUES (1, 'a', 1), (2, 'b', 2);
INSERT INTO target.login SELECT id, mail, grade FROM target.staff;
CREATE FUNCTION target.note(document jsonb) RETURNS text LANGUAGE sql AS $$
	INSERT INTO target.told (id, change, changes) VALUES ((document #>> '{Owner,id}')::int, document ->> 'ChangeType', document -> 'Changes');
	SELECT CASE WHEN document #>> '{Changes,grade}' = '99' THEN 'no such grade' END;
$$;
CREATE FUNCTION t.kind(fulfill jsonb, more jsonb DEFAULT '{}') RETURNS void LANGUAGE sql SET search_path = public, pg_catalog AS
$$ SELECT syncup_create_resource_type('W', 'target.staff', 'target.login', '{"review": false, "limits": {"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}}' || more || jsonb_build_object('fulfill', fulfill)) $$;
SELECT t.kind('{"kind": "sql", "function": "target.note", "retry_delay": "0"}');
SELECT syncup_define_correlation('W', 'o.id::text', 'a.id::text'), syncup_define_type_rule('W', 'NOT o.gone'), syncup_define_scalar_rule('W', 'id', 'o.id'),
	syncup_define_scalar_rule('W', 'mail', 'o.mail'), syncup_define_scalar_rule('W', 'grade', 'o.grade');
CREATE FUNCTION t.wish() RETURNS bigint LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
	PERFORM syncup_compute_correlation_keys('{W}');
	RETURN (SELECT count(*) FROM syncup_compute_role_model('{W}'));
END $$;
CREATE FUNCTION t.order() RETURNS SETOF jsonb LANGUAGE sql SET search_path = public, pg_catalog AS $$ SELECT document -> 'Changes' FROM syncup_generate_provisioning_orders('{W}') $$;
CREATE VIEW t.wishes AS SELECT owner_key AS owner, property, expected, provisioning_state AS state, message FROM syncup.assignment WHERE resource_type = 'W' AND provisioning_state <> 'verified' ORDER BY owner_key, property;
CREATE VIEW t.of_w AS SELECT owner_key AS owner, change_type AS change, document -> 'Changes' AS changes, state, error FROM syncup.provisioning_order WHERE resource_type = 'W' ORDER BY seq;
SELECT t.wish();
-- the wish changes before the order is told: it is not, and what else it was for is ordered with the newer one
UPDATE target.staff SET mail = 'a2', grade = 12 WHERE id = 1;
SELECT t.wish(), t.order();
UPDATE target.staff SET mail = 'a3' WHERE id = 1;
SELECT t.wish();
CALL syncup_fulfill('{W}');
SELECT * FROM t.wishes;
SELECT t.order();
CALL syncup_fulfill('{W}');
SELECT * FROM target.told;
SELECT * FROM t.wishes;
SELECT * FROM t.of_w;
-- between the marking and the telling, as far as another session can come there
UPDATE target.login SET mail = 'a3', grade = 12 WHERE id = 1;
UPDATE target.staff SET mail = 'a4' WHERE id = 1;
SELECT t.wish(), t.order();
SELECT more, processed FROM syncup_fulfill_slice('{W}', 'x');
UPDATE target.staff SET mail = 'a5' WHERE id = 1;
SELECT t.wish();
SELECT more, processed FROM syncup_fulfill_slice('{W}', 'x');
SELECT * FROM t.wishes;
-- a session is gone that was at it: what it was to tell is not ordered again; that is unknown of its order, not of the newer wish
SELECT t.order();
SELECT more, processed FROM syncup_fulfill_slice('{W}', 'x');
UPDATE syncup.provisioning_order SET executor = '1 1 x' WHERE resource_type = 'W' AND state = 'transmitted';
SELECT t.wish(), t.order();
SELECT * FROM t.wishes;
UPDATE target.staff SET mail = 'a6' WHERE id = 1;
SELECT t.wish();
CALL syncup_fulfill('{W}');
SELECT * FROM t.wishes;
SELECT changes, state FROM t.of_w ORDER BY state = 'unknown' DESC LIMIT 1;
-- nor is that ordered again when it is wished again
UPDATE target.staff SET mail = 'a5' WHERE id = 1;
SELECT t.wish(), t.order();
SELECT * FROM t.wishes;
UPDATE target.staff SET mail = 'a6' WHERE id = 1;
SELECT t.wish();
-- what had erred and is to be tried again is not lost to a newer order of the same account
SELECT t.order();
CALL syncup_fulfill('{W}');
UPDATE target.login SET mail = 'a6' WHERE id = 1;
UPDATE target.staff SET mail = 'b7', grade = 99 WHERE id = 2;
SELECT t.wish(), t.order();
CALL syncup_fulfill('{W}');
SELECT * FROM t.wishes;
-- nor while it is tried again, where the role model is computed between the marking and the telling
SELECT more, processed FROM syncup_fulfill_slice('{W}', 'x');
SELECT t.wish(), t.order();
SELECT * FROM t.wishes;
SELECT more, processed, errored FROM syncup_fulfill_slice('{W}', 'x');
UPDATE target.staff SET mail = 'b8' WHERE id = 2;
SELECT t.wish(), t.order();
-- of two values one is declined
SELECT syncup_decline(array_agg(assignment)) FROM syncup.assignment WHERE resource_type = 'W' AND property = 'grade' AND provisioning_state = 'errored';
CALL syncup_fulfill('{W}');
SELECT t.order();
CALL syncup_fulfill('{W}');
SELECT id, change, changes FROM target.told WHERE id = 2;
UPDATE target.login SET mail = 'b8' WHERE id = 2;
UPDATE target.staff SET grade = 2 WHERE id = 2;
SELECT t.wish();
-- an account that is to be created is there meanwhile: it is not created
INSERT INTO target.staff VALUES (3, 'c', 3);
SELECT t.wish(), t.order();
INSERT INTO target.login VALUES (3, 'hers', 3);
SELECT t.wish();
CALL syncup_fulfill('{W}');
SELECT t.order();
CALL syncup_fulfill('{W}');
SELECT id, change, changes FROM target.told WHERE id = 3;
UPDATE target.login SET mail = 'c' WHERE id = 3;
-- an order was executed, then something else was wished and found: it was not this order that was verified
SELECT t.wish();
UPDATE target.staff SET mail = 'c2' WHERE id = 3;
SELECT t.wish(), t.order();
CALL syncup_fulfill('{W}');
UPDATE target.staff SET mail = 'c3' WHERE id = 3;
UPDATE target.login SET mail = 'c3' WHERE id = 3;
SELECT t.wish();
SELECT changes, state FROM t.of_w WHERE owner = '3';
-- where nobody goes on after such an end, it has errored after its time
SELECT t.kind('{"kind": "sql", "function": "target.note"}', '{"transmitted_validity": "1 hour"}');
UPDATE target.staff SET mail = 'c3 again' WHERE id = 3;
SELECT t.wish(), t.order();
SELECT more, processed FROM syncup_fulfill_slice('{W}', 'x');
UPDATE syncup.provisioning_order SET executor = '1 1 x', transmitted_at = now() - interval '2 hours' WHERE resource_type = 'W' AND state = 'transmitted';
SELECT t.wish();
SELECT * FROM t.wishes;
SELECT changes, state, error FROM t.of_w WHERE changes ->> 'mail' = 'c3 again';
UPDATE target.login SET mail = 'c3 again' WHERE id = 3;
SELECT t.wish();
-- one that nobody reports on does not keep the newer one waiting for ever
SELECT t.kind('{"kind": "manual"}', '{"transmitted_validity": "1 hour"}');
UPDATE target.staff SET mail = 'c4' WHERE id = 3;
SELECT t.wish(), t.order();
CALL syncup_fulfill('{W}');
UPDATE target.staff SET mail = 'c5' WHERE id = 3;
SELECT t.wish(), t.order();
UPDATE syncup.provisioning_order SET transmitted_at = now() - interval '2 hours' WHERE resource_type = 'W' AND state = 'transmitted';
CALL syncup_fulfill('{W}');
SELECT t.wish();
CALL syncup_fulfill('{W}');
SELECT changes, state, error FROM t.of_w WHERE changes ->> 'mail' IN ('c4', 'c5');
-- an agent says that it could not: that is due, and jobs see it; written to files is what is wished
SELECT t.kind('{"kind": "manual", "retry_delay": "0"}');
SELECT syncup_report_order(order_id, 'no') FROM syncup.provisioning_order WHERE resource_type = 'W' AND state = 'transmitted';
SELECT syncup_orders_due('{W}');
UPDATE target.staff SET mail = 'b9' WHERE id = 2;
SELECT t.wish(), t.order();
UPDATE target.staff SET mail = 'b10' WHERE id = 2;
SELECT t.wish();
SELECT sum(orders) AS written FROM syncup_write_orders(t.dir());
SELECT changes, state, error FROM t.of_w WHERE changes ->> 'mail' = 'b9';
-- nor while another order of the same account is in flight
SELECT t.order();
SELECT sum(orders) AS written FROM syncup_write_orders(t.dir());
UPDATE target.staff SET mail = 'b11' WHERE id = 2;
SELECT t.wish();
SELECT t.order();
SELECT sum(orders) AS written FROM syncup_write_orders(t.dir());
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE resource_type = 'W' AND state = 'transmitted';
SELECT sum(orders) AS written FROM syncup_write_orders(t.dir());
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE resource_type = 'W' AND state = 'transmitted';
UPDATE target.login SET mail = 'b11' WHERE id = 2;
-- who was told to come, came unseen and left: that was not found
INSERT INTO target.staff VALUES (4, 'd', 4);
SELECT t.wish();
SELECT t.order();
CALL syncup_fulfill('{W}');
INSERT INTO target.staff VALUES (5, 'e', 5);
SELECT t.wish();
SELECT t.order();
UPDATE syncup.provisioning_order SET state = 'unknown' WHERE resource_type = 'W' AND state = 'pending' AND owner_key = '5';
UPDATE syncup.assignment SET provisioning_state = 'errored' WHERE resource_type = 'W' AND owner_key = '5';
DELETE FROM target.staff WHERE id IN (4, 5);
SELECT t.wish();
SELECT owner, change, state FROM t.of_w WHERE owner IN ('4', '5');
DELETE FROM syncup.provisioning_order WHERE resource_type = 'W' AND owner_key IN ('4', '5');
-- what a person declines is what he has seen
SELECT t.kind('{"kind": "manual"}', '{"limits": {"maximum_updated_lines": 1, "max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0}}');
UPDATE target.staff SET mail = mail || '!', grade = grade + 1 WHERE id IN (2, 3);
SELECT t.wish();
SELECT t.order();
UPDATE target.staff SET mail = 'b12' WHERE id = 2;
SELECT t.wish();
SELECT syncup_decline_orders(generation) FROM syncup.provisioning_order WHERE resource_type = 'W' AND state = 'blocked' GROUP BY generation;
SELECT * FROM t.wishes;
UPDATE target.staff SET mail = l.mail, grade = l.grade FROM target.login l WHERE l.id = staff.id;
SELECT t.wish();
-- a program that answers nothing: so many orders as were told, and no others
SELECT t.kind('{"kind": "program", "command": "cat > /dev/null; exit 3", "max_in_flight": 2, "timeout": "300 ms"}');
INSERT INTO target.staff SELECT n, 'm' || n, n FROM generate_series(11, 16) n;
SELECT t.wish();
SELECT count(*) FROM t.order();
CALL syncup_fulfill('{W}');
SELECT state, count(*), max(error) AS error FROM syncup.provisioning_order WHERE resource_type = 'W' AND state IN ('pending', 'unknown', 'errored') AND change_type = 'Added' GROUP BY 1 ORDER BY 1;
-- one that ends with its answer, without a line end: the others are told to others
SELECT t.kind(jsonb_build_object('kind', 'program', 'command', $$read -r l; printf '%s' "$l" | sed 's/.*\("OrderId": "[^"]*"\).*/{\1}/' | tr -d '\n'$$));
CALL syncup_fulfill('{W}');
SELECT state, count(*), max(error) AS error FROM syncup.provisioning_order WHERE resource_type = 'W' AND change_type = 'Added' AND owner_key ~ '^1.' GROUP BY 1 ORDER BY 1;
-- what an earlier order has written, and nobody has read yet, is no change of somebody else's; what somebody has written since is
SELECT t.kind('{"kind": "manual"}');
INSERT INTO target.staff SELECT n, 'x1', 1 FROM generate_series(21, 24) n;
INSERT INTO target.login SELECT id, mail, grade FROM target.staff WHERE id > 20;
SELECT count(*) FROM t.wish();
UPDATE target.staff SET mail = 'x2' WHERE id > 20;
SELECT t.wish();
SELECT count(*) FROM t.order();
CALL syncup_fulfill('{W}');
UPDATE target.staff SET mail = 'x3', gone = id > 22 WHERE id > 20;
SELECT t.wish();
SELECT count(*) FROM t.order();
UPDATE target.login SET mail = 'x2' WHERE id > 20;
UPDATE target.login SET mail = 'theirs' WHERE id IN (22, 24);
SELECT count(syncup_report_order(order_id)) FROM syncup.provisioning_order WHERE resource_type = 'W' AND state = 'transmitted';
SELECT t.kind('{"kind": "internal", "retries": 0}');
CALL syncup_fulfill('{W}');
SELECT owner, change, document -> 'Resource' ->> 'mail' AS read, o.changes, o.state, o.error FROM t.of_w o JOIN syncup.provisioning_order p ON p.owner_key = owner AND p.document -> 'Changes' = o.changes AND p.change_type = change WHERE owner::int > 20 ORDER BY seq;
SELECT id, mail FROM target.login WHERE id > 20 ORDER BY id;
-- an account that an order has made, and whose owner leaves before it is read, goes when it is read: if it is that one, and was made
SELECT t.kind('{"kind": "manual"}');
SELECT syncup_define_correlation('W', 'o.mail', 'a.mail');
INSERT INTO target.staff SELECT n, 'm' || n, n FROM generate_series(31, 36) n;
SELECT t.wish();
SELECT count(*) FROM t.order();
CALL syncup_fulfill('{W}');
SELECT syncup_report_order(order_id, CASE owner_key WHEN '33' THEN 'no' END) FROM syncup.provisioning_order WHERE resource_type = 'W' AND state = 'transmitted' AND owner_key IN ('31', '32', '33', '35', '36') ORDER BY seq \g /dev/null
UPDATE target.staff SET gone = true WHERE id > 30;
SELECT t.wish();
SELECT owner_key, kind, expected, current, provisioning_state, message FROM syncup.assignment WHERE resource_type = 'W' AND owner_key::int > 30 ORDER BY owner_key, property;
SELECT owner, change, state FROM t.of_w WHERE owner::int > 30 ORDER BY owner, change;
-- not read yet: nothing is ordered; who comes back is not made a second time, unless it is said that he was not made
SELECT t.order();
SELECT syncup_report_order(order_id, 'not at all') FROM syncup.provisioning_order WHERE resource_type = 'W' AND owner_key = '36';
UPDATE target.staff SET gone = false WHERE id IN (35, 36);
SELECT t.wish();
SELECT owner_key, expected, current, provisioning_state, message FROM syncup.assignment WHERE resource_type = 'W' AND kind = 'account' AND owner_key IN ('35', '36') ORDER BY 1;
SELECT t.order();
UPDATE target.staff SET gone = true WHERE id > 30;
-- read: 31 as it was made; of 32 another one; of 33, which was refused, and 34, of which nobody knows
INSERT INTO target.login SELECT CASE id WHEN 32 THEN 99 ELSE id END, mail, grade FROM target.staff WHERE id BETWEEN 31 AND 34;
SELECT t.wish();
SELECT owner_key, account_key, expected, current, provisioning_state, workflow_state, message FROM syncup.assignment WHERE resource_type = 'W' AND kind = 'account' AND owner_key::int > 30 ORDER BY 1;
-- it stays so when all is decided anew
SELECT t.kind('{"kind": "manual", "retries": 1}');
UPDATE target.staff SET grade = grade + 1 WHERE id > 30;
SELECT t.wish();
SELECT owner_key, account_key, provisioning_state, workflow_state FROM syncup.assignment WHERE resource_type = 'W' AND kind = 'account' AND owner_key::int > 30 ORDER BY 1;
SELECT t.order();
SELECT t.kind('{"kind": "internal", "retries": 0}');
CALL syncup_fulfill('{W}');
SELECT id FROM target.login WHERE id > 30 ORDER BY 1;
SELECT t.wish();
SELECT owner, change, state FROM t.of_w WHERE owner = '31' ORDER BY change;
-- a value that an order has written, and that is wished as it was before that is read: it is written back, also where all is decided anew, and where it is read in between
SELECT t.kind('{"kind": "manual"}');
INSERT INTO target.staff SELECT n, 'w1', CASE n WHEN 46 THEN NULL ELSE 1 END FROM generate_series(45, 48) n;
INSERT INTO target.login SELECT id, mail, grade FROM target.staff WHERE id BETWEEN 45 AND 48;
SELECT count(*) FROM t.wish();
UPDATE target.staff SET mail = 'w2', grade = 2 WHERE id BETWEEN 45 AND 48;
SELECT t.wish();
SELECT count(*) FROM t.order();
CALL syncup_fulfill('{W}');
SELECT count(syncup_report_order(order_id)) FROM syncup.provisioning_order WHERE resource_type = 'W' AND state = 'transmitted' AND owner_key::int BETWEEN 45 AND 48;
UPDATE target.staff s SET mail = l.mail, grade = l.grade FROM target.login l WHERE l.id = s.id AND s.id BETWEEN 45 AND 48;
SELECT t.wish();
SELECT t.kind('{"kind": "manual", "retries": 2}');
SELECT t.wish();
SELECT owner_key, property, expected, current, provisioning_state, written FROM syncup.assignment WHERE resource_type = 'W' AND owner_key::int BETWEEN 45 AND 48 AND provisioning_state <> 'verified' ORDER BY 1, 2;
-- 47 is read as it was written, 48 as somebody has put it back
UPDATE target.login SET mail = 'w2', grade = 2 WHERE id = 47;
SELECT t.wish();
SELECT t.kind('{"kind": "manual", "retries": 3}');
SELECT t.wish();
SELECT owner_key, property, expected, current, provisioning_state, workflow_state FROM syncup.assignment WHERE resource_type = 'W' AND owner_key::int BETWEEN 45 AND 48 AND provisioning_state <> 'verified' ORDER BY 1, 2;
UPDATE target.login SET mail = 'w2', grade = 2 WHERE id IN (45, 46);
SELECT owner_key, document -> 'Changes' AS changes FROM syncup_generate_provisioning_orders('{W}') WHERE owner_key::int BETWEEN 45 AND 48;
SELECT t.kind('{"kind": "internal", "retries": 0}');
CALL syncup_fulfill('{W}');
SELECT id, mail, grade FROM target.login WHERE id BETWEEN 45 AND 48 ORDER BY id;
SELECT t.wish();
SELECT count(*) FROM syncup.assignment WHERE resource_type = 'W' AND owner_key::int BETWEEN 45 AND 48 AND (provisioning_state, workflow_state) IS DISTINCT FROM ('verified', NULL);
-- what a function returns is null, or an error, and nothing else; what it did besides is taken back
CREATE FUNCTION target.silent(document jsonb) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM target.note(document);
	IF document #>> '{Changes,mail}' = 'two' THEN RETURN QUERY VALUES (NULL), ('b'); END IF;
END $$;
SELECT t.kind('{"kind": "sql", "function": "target.silent", "retries": 0}');
UPDATE target.staff SET gone = false, mail = CASE id WHEN 21 THEN 'none' ELSE 'two' END WHERE id IN (21, 22);
SELECT t.wish();
SELECT count(*) FROM t.order();
CALL syncup_fulfill('{W}');
SELECT owner, changes, state, error FROM t.of_w WHERE changes ->> 'mail' IN ('none', 'two');
SELECT count(*) FROM target.told WHERE id > 20;
-- a value that is refused does not keep others waiting: what is left of its order is tried again apart, as often as that would have been
SELECT t.kind('{"kind": "sql", "function": "target.note", "retry_delay": "1 hour"}');
INSERT INTO target.staff VALUES (41, 'r1', 1);
INSERT INTO target.login SELECT id, mail, grade FROM target.staff WHERE id = 41;
SELECT count(*) FROM t.wish();
CREATE VIEW t.of_41 AS SELECT o.document -> 'Changes' AS changes, o.state, o.attempts, o.next_attempt IS NOT NULL AS again, o.error, s.document -> 'Changes' AS superseded_by, dense_rank() OVER (ORDER BY (SELECT min(g.seq) FROM syncup.provisioning_order g WHERE g.generation = o.generation)) AS generation
FROM syncup.provisioning_order o LEFT JOIN syncup.provisioning_order s ON s.order_id = o.superseded_by WHERE o.owner_key = '41' ORDER BY o.seq;
UPDATE target.staff SET mail = 'r2', grade = 99 WHERE id = 41;
SELECT t.wish(), t.order();
CALL syncup_fulfill('{W}');
UPDATE target.staff SET mail = 'r3' WHERE id = 41;
SELECT t.wish(), t.order();
SELECT * FROM t.of_41;
CALL syncup_fulfill('{W}');
SELECT * FROM t.wishes WHERE owner = '41';
UPDATE target.staff SET mail = 'r4' WHERE id = 41;
SELECT t.wish(), t.order();
UPDATE syncup.provisioning_order SET next_attempt = now() WHERE resource_type = 'W' AND owner_key = '41' AND state = 'errored';
CALL syncup_fulfill('{W}');
SELECT * FROM t.of_41;
SELECT changes FROM target.told WHERE id = 41 ORDER BY n;
-- an account that goes takes everything along
UPDATE target.staff SET gone = true WHERE id = 41;
SELECT t.wish(), t.order();
SELECT changes, state FROM t.of_w WHERE owner = '41' AND state NOT IN ('verified', 'superseded');
DELETE FROM target.login WHERE id = 41;
SELECT t.wish();
-- of what nobody knows whether it was done nothing newer is told, before somebody reports, or it is found; other values are, and an account that goes; and what a person wants once more
INSERT INTO target.staff SELECT n, 'u1', 1 FROM generate_series(51, 55) n;
INSERT INTO target.login SELECT id, mail, grade FROM target.staff WHERE id > 50;
SELECT count(*) FROM t.wish();
UPDATE target.staff SET mail = 'u2' WHERE id > 50;
SELECT t.wish();
SELECT count(*) FROM t.order();
UPDATE syncup.provisioning_order SET state = 'transmitted', executor = '1 1 x', transmitted_at = now() WHERE resource_type = 'W' AND state = 'pending';
CALL syncup_fulfill('{W}');
SELECT owner, state FROM t.of_w WHERE owner::int > 50;
UPDATE target.staff SET mail = CASE WHEN id < 53 THEN 'u3' ELSE mail END, grade = CASE id WHEN 53 THEN 3 ELSE grade END, gone = id = 54 WHERE id > 50;
SELECT t.wish();
SELECT syncup_approve(array_agg(assignment), 'do it') FROM syncup.assignment WHERE resource_type = 'W' AND owner_key = '55' AND property = 'mail';
SELECT count(*) FROM t.order();
CALL syncup_fulfill('{W}');
SELECT id, change, changes FROM target.told WHERE id > 50 ORDER BY id;
SELECT owner, changes, state FROM t.of_w WHERE owner::int > 50 ORDER BY owner, changes::text;
SELECT syncup_write_orders(t.dir());
SELECT syncup_report_order(order_id) FROM syncup.provisioning_order WHERE owner_key = '51' AND state = 'unknown';
UPDATE target.login SET mail = 'u2' WHERE id = 52;
SELECT t.wish();
CALL syncup_fulfill('{W}');
SELECT id, change, changes FROM target.told WHERE id IN (51, 52) ORDER BY id;
SELECT owner, changes, state FROM t.of_w WHERE owner IN ('51', '52') ORDER BY owner, changes::text;
SELECT syncup_drop_resource_type('W');

-- Links, of which an account has one, many, or which the other side holds: what somebody has linked since stays, and the order says so.
CREATE TABLE target.worker (login text PRIMARY KEY, boss text, team text, phone text);
CREATE TABLE target.seat (login text PRIMARY KEY, boss text);
CREATE TABLE target.team (id text PRIMARY KEY);
CREATE TABLE target.in_team (seat text, team text, PRIMARY KEY (seat, team));
CREATE TABLE target.phone (number text PRIMARY KEY, holder text);
INSERT INTO target.worker VALUES ('a', 'x', 't1', '1'), ('b', 'x', 't1', '2'), ('c', 'x', 't1', '3'), ('d', 'x', 't1', '4'), ('e', 'x', 't1', '5');
INSERT INTO target.seat SELECT login, 'x' FROM target.worker UNION ALL VALUES ('x', NULL), ('y', NULL), ('z', NULL);
INSERT INTO target.team VALUES ('t1'), ('t2'), ('t3');
INSERT INTO target.in_team SELECT login, 't1' FROM target.worker;
INSERT INTO target.phone SELECT phone, login FROM target.worker UNION ALL SELECT n::text, NULL FROM generate_series(11, 15) n;
SELECT syncup_create_connector('L'), syncup_map_entity_type('L', 'seat', 'target.seat', NULL, 'login', '{"login": "login"}', options => '{"source": "target.seat"}'), syncup_map_entity_type('L', 'team', 'target.team', NULL, 'id', options => '{"source": "target.team"}'),
	syncup_map_entity_type('L', 'phone', 'target.phone', NULL, 'number', '{"number": "number"}', options => '{"source": "target.phone"}');
SELECT syncup_map_association('L', 'boss', NULL, 'login', 'seat.login', 'boss', 'seat.login', 'target.seat', target_column2 => 'boss', options => '{"source": "target.seat"}'),
	syncup_map_association('L', 'in_team', NULL, 'seat', 'seat.login', 'team', 'team.id', 'target.in_team', 'seat', 'team', '{"source": "target.in_team"}'),
	syncup_map_association('L', 'has_phone', NULL, 'holder', 'seat.login', 'number', 'phone.number', 'target.phone', target_column1 => 'holder', options => '{"source": "target.phone"}');
SELECT syncup_create_resource_type('S', 'target.worker', 'target.seat', '{"review": false, "limits": {"max_percentage_updated_lines": 0}, "fulfill": {"kind": "internal", "retries": 0}}');
SELECT syncup_define_correlation('S', 'o.login', 'a.login'), syncup_define_type_rule('S'), syncup_define_navigation_rule('S', 'boss', 'o.boss'), syncup_define_navigation_rule('S', 'in_team', 'o.team'), syncup_define_navigation_rule('S', 'has_phone', 'o.phone');
CREATE FUNCTION t.of_s() RETURNS TABLE (account text, changes jsonb) LANGUAGE plpgsql SET search_path = public, pg_catalog AS $$
BEGIN
	PERFORM syncup_compute_correlation_keys('{S}');
	PERFORM FROM syncup_compute_role_model('{S}');
	RETURN QUERY SELECT account_key, document -> 'Changes' FROM syncup_generate_provisioning_orders('{S}');
END $$;
CREATE VIEW t.s AS SELECT account_key AS account, state, error FROM syncup.provisioning_order WHERE resource_type = 'S' AND state <> 'verified' AND NOT (state = 'superseded' AND superseded_by IS NOT NULL) ORDER BY seq;
SELECT * FROM t.of_s();
-- one: it is another one, gone, as ordered, as it was; the other side is gone
UPDATE target.worker SET boss = 'y';
SELECT * FROM t.of_s();
UPDATE target.seat SET boss = CASE login WHEN 'a' THEN 'z' WHEN 'c' THEN 'y' END WHERE login IN ('a', 'b', 'c');
CALL syncup_fulfill('{S}');
SELECT * FROM t.s;
SELECT * FROM target.seat ORDER BY 1;
SELECT count(*) FROM t.of_s();
UPDATE target.worker SET boss = CASE login WHEN 'd' THEN 'z' END WHERE login IN ('d', 'e');
SELECT * FROM t.of_s();
DELETE FROM target.seat WHERE login = 'z';
CALL syncup_fulfill('{S}');
SELECT * FROM t.s;
SELECT * FROM target.seat ORDER BY 1;
INSERT INTO target.seat VALUES ('z');
-- what an earlier order has linked, and nobody has read yet
UPDATE target.worker SET boss = (SELECT boss FROM target.seat s WHERE s.login = worker.login);
SELECT count(*) >= 0 AS read FROM t.of_s();
UPDATE target.worker SET boss = CASE boss WHEN 'y' THEN 'x' ELSE 'y' END;
SELECT * FROM t.of_s();
UPDATE syncup.provisioning_order SET transmitted_at = now(), state = 'transmitted' WHERE resource_type = 'S' AND state = 'pending';
UPDATE target.worker SET boss = CASE WHEN login > 'c' THEN 'z' END;
SELECT * FROM t.of_s();
UPDATE target.seat s SET boss = CASE s.login WHEN 'd' THEN 'b' ELSE p.document #>> '{Changes,boss,Added,0,key}' END FROM syncup.provisioning_order p WHERE p.resource_type = 'S' AND p.state = 'transmitted' AND p.account_key = s.login;
SELECT count(syncup_report_order(order_id)) FROM syncup.provisioning_order WHERE resource_type = 'S' AND state = 'transmitted';
CALL syncup_fulfill('{S}');
SELECT * FROM t.s WHERE state IN ('executed', 'errored');
SELECT * FROM target.seat ORDER BY 1;
DELETE FROM syncup.provisioning_order WHERE resource_type = 'S';
DELETE FROM syncup.assignment WHERE resource_type = 'S';
DELETE FROM syncup.evaluated WHERE resource_type = 'S';
UPDATE target.worker SET boss = (SELECT boss FROM target.seat s WHERE s.login = worker.login);
SELECT count(*) FROM t.of_s();
-- many: another one beside, removed already, made already; the other side is gone
UPDATE target.worker SET team = CASE login WHEN 'd' THEN 't3' ELSE 't2' END;
SELECT * FROM t.of_s();
INSERT INTO target.in_team VALUES ('a', 't3'), ('c', 't2');
DELETE FROM target.in_team WHERE seat = 'b';
DELETE FROM target.team WHERE id = 't3';
CALL syncup_fulfill('{S}');
SELECT * FROM t.s;
SELECT * FROM target.in_team ORDER BY 1, 2;
DELETE FROM syncup.provisioning_order WHERE resource_type = 'S';
DELETE FROM syncup.assignment WHERE resource_type = 'S';
DELETE FROM syncup.evaluated WHERE resource_type = 'S';
UPDATE target.worker SET team = NULL WHERE login = 'd';
SELECT count(*) FROM t.of_s();
-- linked by an order, and not wished any more before that is read: removed when it is read; what was not linked so is shown; wished again before, it is not ordered again
SELECT syncup_create_resource_type('S', 'target.worker', 'target.seat', '{"fulfill": {"kind": "manual"}}');
UPDATE target.worker SET team = 't1';
DELETE FROM target.in_team;
INSERT INTO target.team VALUES ('t3');
INSERT INTO target.in_team SELECT login, 't1' FROM target.worker;
SELECT count(*) FROM t.of_s();
UPDATE target.worker SET team = 't2';
SELECT count(*) FROM t.of_s();
CALL syncup_fulfill('{S}');
SELECT count(syncup_report_order(order_id, CASE account_key WHEN 'c' THEN 'no' END)) FROM syncup.provisioning_order WHERE resource_type = 'S' AND state = 'transmitted';
UPDATE target.worker SET team = 't1' WHERE login < 'e';
SELECT count(*) FROM t.of_s();
CREATE VIEW t.teams AS SELECT account_key AS account, expected, current, written, provisioning_state AS state, workflow_state AS workflow, message FROM syncup.assignment WHERE resource_type = 'S' AND kind = 'navigation' AND property = 'in_team' AND (provisioning_state, workflow_state) IS DISTINCT FROM ('verified', NULL) ORDER BY 1, coalesce(expected, current, written);
SELECT * FROM t.teams;
UPDATE target.worker SET team = 't2' WHERE login = 'b';
SELECT count(*) FROM t.of_s();
SELECT * FROM t.teams WHERE account = 'b';
INSERT INTO target.in_team SELECT login, CASE login WHEN 'd' THEN 't3' ELSE 't2' END FROM target.worker;
DELETE FROM target.in_team WHERE seat IN ('b', 'e') AND team = 't1';
SELECT * FROM t.of_s();
SELECT * FROM t.teams;
SELECT syncup_create_resource_type('S', 'target.worker', 'target.seat', '{"fulfill": {"kind": "internal", "retries": 0}}');
CALL syncup_fulfill('{S}');
SELECT * FROM target.in_team ORDER BY 1, 2;
SELECT count(*) FROM t.of_s();
SELECT * FROM t.teams;
DELETE FROM syncup.provisioning_order WHERE resource_type = 'S';
DELETE FROM syncup.assignment WHERE resource_type = 'S';
DELETE FROM syncup.evaluated WHERE resource_type = 'S';
DELETE FROM target.team WHERE id = 't3';
UPDATE target.worker SET team = NULL;
SELECT count(*) FROM t.of_s();
-- held by the other side: another one's, taken away already, given already
UPDATE target.worker SET phone = (phone::int + 10)::text;
SELECT * FROM t.of_s();
UPDATE target.phone SET holder = CASE number WHEN '11' THEN 'z' WHEN '12' THEN 'b' WHEN '3' THEN 'z' END WHERE number IN ('2', '3', '11', '12');
CALL syncup_fulfill('{S}');
SELECT * FROM t.s;
SELECT * FROM target.phone ORDER BY length(number), number;
SELECT syncup_drop_resource_type('S');
-- A key is a value like others, and links find the account under the new one; a file of changes cannot say it.
ALTER TABLE target.seat ADD id int;
CREATE TABLE target.keeper (id int PRIMARY KEY, login text, team text, boss text);
INSERT INTO target.keeper VALUES (1, 'k1', 't1', 'x'), (2, 'k2', 't1', 'x');
INSERT INTO target.seat SELECT login, boss, id FROM target.keeper;
INSERT INTO target.in_team SELECT login, team FROM target.keeper;
SELECT syncup_create_resource_type('S', 'target.keeper', 'target.seat', '{"review": false, "limits": {"max_percentage_updated_lines": 0}, "fulfill": {"kind": "internal", "retries": 0}}');
SELECT syncup_define_correlation('S', 'o.id::text', 'a.id::text'), syncup_define_type_rule('S'), syncup_define_scalar_rule('S', 'login', 'o.login'), syncup_define_scalar_rule('S', 'id', 'o.id'), syncup_define_navigation_rule('S', 'in_team', 'o.team'), syncup_define_navigation_rule('S', 'boss', 'o.boss');
SELECT * FROM t.of_s();
UPDATE target.keeper SET login = 'n' || id;
UPDATE target.keeper SET team = 't2', boss = 'y' WHERE id = 1;
SELECT * FROM t.of_s();
DELETE FROM syncup.flag;
CALL syncup_fulfill('{S}');
SELECT * FROM t.s;
SELECT login, boss, (SELECT string_agg(team, ',') FROM target.in_team m WHERE m.seat = s.login) AS teams FROM target.seat s WHERE id IS NOT NULL ORDER BY 1;
SELECT DISTINCT target, key FROM syncup.flag WHERE target = 'target.seat'::regclass ORDER BY key;
SELECT count(*) FROM t.of_s();
SELECT * FROM t.s;
SELECT syncup_create_resource_type('S', 'target.keeper', 'target.seat', jsonb_build_object('fulfill', jsonb_build_object('kind', 'csv', 'file', t.dir() || '/keys.csv', 'retries', 0)));
UPDATE target.keeper SET login = 'm2' WHERE id = 2;
SELECT * FROM t.of_s();
CALL syncup_fulfill('{S}');
SELECT * FROM t.s;
SELECT syncup_drop_resource_type('S');

-- What an order has made is known until something else is read, whatever is wished meanwhile, and however often.
CREATE TABLE target.holder (id int PRIMARY KEY, a text, b text, pal text, gone boolean NOT NULL DEFAULT false, is_plain boolean NOT NULL DEFAULT false);
CREATE TABLE target.held (id int PRIMARY KEY, a text, b text, pal int);
INSERT INTO target.holder SELECT n, 'x', CASE WHEN n > 4 THEN 'b' END, CASE n WHEN 6 THEN '2' END FROM generate_series(1, 8) n;
INSERT INTO target.held SELECT id, 'x', CASE id WHEN 7 THEN 'q' END FROM target.holder;
UPDATE target.holder SET is_plain = true;
SELECT syncup_map_entity_type('L', 'held', 'target.held', NULL, 'id', '{"id": "id"}', options => '{"source": "target.held"}'),
	syncup_map_association('L', 'pal', NULL, 'id', 'held.id', 'pal', 'held.id', 'target.held', target_column2 => 'pal', options => '{"source": "target.held"}');
SELECT syncup_create_resource_type('S', 'target.holder', 'target.held', '{"review": false, "limits": {"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}, "fulfill": {"kind": "manual"}}');
SELECT syncup_define_correlation('S', 'o.id::text', 'a.id::text'), syncup_define_type_rule('S', 'NOT o.gone'), syncup_define_scalar_rule('S', 'id', 'o.id'), syncup_define_scalar_rule('S', 'a', 'o.a'),
	syncup_define_scalar_rule('S', 'b', 'o.b', '{"condition": "NOT o.is_plain"}'), syncup_define_navigation_rule('S', 'pal', 'o.pal', 'NOT o.is_plain');
CREATE VIEW t.held AS SELECT owner_key AS owner, account_key AS account, kind, property, expected, current, written, provisioning_state AS state, workflow_state AS workflow FROM syncup.assignment WHERE resource_type = 'S' AND ((provisioning_state, workflow_state) IS DISTINCT FROM ('verified', NULL) OR written_at IS NOT NULL)
	AND account_key IS NOT NULL OR resource_type = 'S' AND kind = 'account' AND provisioning_state <> 'verified' ORDER BY 1, 3, 4, 5;
SELECT count(*) FROM t.of_s();
SELECT * FROM t.held;
UPDATE target.holder SET a = 'y' WHERE id < 3 OR id = 8;
UPDATE target.holder SET gone = true WHERE id IN (3, 4);
UPDATE target.holder SET is_plain = false;
SELECT * FROM t.of_s();
CALL syncup_fulfill('{S}');
SELECT count(syncup_report_order(order_id)) AS executed FROM syncup.provisioning_order WHERE resource_type = 'S' AND state = 'transmitted' AND owner_key <> '8';
-- another wish, and then the one that was read: it is another one by now; who is back has his account, as is read; what no rule gives any more is taken back later; a wish that is back before it is known what became of the other
UPDATE target.holder SET a = 'z' WHERE id < 3;
UPDATE target.holder SET gone = false WHERE id IN (3, 4);
UPDATE target.holder SET is_plain = true WHERE id > 4;
UPDATE target.holder SET a = 'x' WHERE id = 8;
SELECT * FROM t.of_s();
UPDATE target.holder SET a = 'x' WHERE id < 3;
UPDATE target.holder SET gone = true WHERE id = 4;
SELECT * FROM t.of_s();
SELECT * FROM t.held;
-- he has it no more; it was done after all; it was not after all
SELECT count(syncup_report_order(order_id)) FROM syncup.provisioning_order WHERE resource_type = 'S' AND state = 'transmitted';
SELECT count(syncup_report_order(order_id, 'no')) FROM syncup.provisioning_order WHERE resource_type = 'S' AND state = 'executed' AND owner_key = '5';
SELECT account, changes FROM t.of_s();
SELECT * FROM t.held;
UPDATE target.held SET a = 'y' WHERE id IN (2, 8);
UPDATE target.held SET b = 'b', pal = CASE id WHEN 6 THEN 2 END WHERE id IN (6, 7, 8);
DELETE FROM target.held WHERE id IN (3, 4);
SELECT account, changes FROM t.of_s();
SELECT * FROM t.held;
SELECT count(*) FROM t.of_s();
SELECT syncup_create_resource_type('S', 'target.holder', 'target.held', '{"fulfill": {"kind": "internal", "retries": 0}}');
CALL syncup_fulfill('{S}');
SELECT * FROM target.held ORDER BY id;
SELECT count(*) FROM t.of_s();
SELECT * FROM t.held;
-- read as something else, it is somebody's
UPDATE target.holder SET is_plain = false WHERE id IN (6, 7);
SELECT * FROM t.of_s();
CALL syncup_fulfill('{S}');
UPDATE target.held SET b = 'r' WHERE id = 7;
UPDATE target.holder SET is_plain = true WHERE id IN (6, 7);
SELECT * FROM t.of_s();
SELECT * FROM t.held;
-- a person approves a part of what erred: the account is ordered with all its values, once
SELECT syncup_create_resource_type('S', 'target.holder', 'target.held', '{"fulfill": {"kind": "manual"}}');
INSERT INTO target.holder VALUES (9, 'x');
SELECT * FROM t.of_s();
CALL syncup_fulfill('{S}');
SELECT count(syncup_report_order(order_id, 'no')) FROM syncup.provisioning_order WHERE resource_type = 'S' AND state = 'transmitted' AND owner_key = '9';
SELECT syncup_approve(ARRAY(SELECT assignment FROM syncup.assignment WHERE resource_type = 'S' AND owner_key = '9' AND kind = 'account'));
SELECT changes FROM t.of_s() WHERE account IS NULL;
SELECT count(*) FROM t.of_s();
SELECT syncup_create_resource_type('S', 'target.holder', 'target.held', '{"fulfill": {"kind": "internal", "retries": 0}}');
-- somebody says that the account is not his, before it is deleted
UPDATE target.holder SET gone = true WHERE id IN (1, 2);
SELECT * FROM t.of_s();
SELECT syncup_decide_owner('S', '1', NULL);
CALL syncup_fulfill('{S}');
SELECT account, state FROM t.s WHERE account IN ('1', '2') ORDER BY 1, 2;
SELECT id FROM target.held WHERE id IN (1, 2);
SELECT count(*) FROM t.of_s();
SELECT syncup_drop_resource_type('S');

-- What has ended goes with the history, and the limits of its generation; not of an account that something is open of.
INSERT INTO syncup.provisioning_order (generation, resource_type, owner_key, account_key, change_type, document, assignments, wishes, state, created_by, ended_at)
SELECT md5(v.state)::uuid, 'S', v.owner, v.account, 'Modified', '{}'::jsonb, '{}'::bigint[], '{}'::text[], v.state, 'x', CASE WHEN v.state IN ('verified', 'superseded') THEN now() - v.days * interval '1 day' END
FROM (VALUES ('old', 'a', 'verified', 11), ('old', 'a', 'superseded', 11), ('new', 'b', 'verified', 9), (NULL, 'c', 'superseded', 11), (NULL, 'd', 'errored', 11)
	UNION ALL SELECT 'of ' || s, 'e', s, 11 FROM unnest('{blocked,pending,transmitted,executed,errored,unknown}'::text[]) s
	UNION ALL SELECT 'of ' || s, 'f', 'verified', 11 FROM unnest('{blocked,pending,transmitted,executed,errored,unknown}'::text[]) s) AS v (owner, account, state, days);
INSERT INTO syncup.order_limit SELECT DISTINCT generation, 'S', 'Modified', 1, 0, 0, 0, false, false FROM syncup.provisioning_order WHERE resource_type = 'S' AND created_by = 'x';
SELECT count(*) FROM syncup.provisioning_order WHERE created_by = 'x';
SELECT syncup_purge('10 days') IS NOT NULL AS purged;
SELECT owner_key, account_key, state FROM syncup.provisioning_order WHERE created_by = 'x' ORDER BY 1, 2;
SELECT count(*) FROM syncup.order_limit l WHERE generation IN (md5('superseded')::uuid, md5('verified')::uuid);
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run_purge('8 days')"
SELECT owner_key, state FROM syncup.provisioning_order WHERE created_by = 'x' AND owner_key = 'new';
SELECT count(*) FROM syncup.order_limit l WHERE generation = md5('verified')::uuid;
DELETE FROM syncup.provisioning_order WHERE created_by = 'x';

-- Columns that are called as statements call theirs.
CREATE TABLE target.odd_owner (o int PRIMARY KEY, a text, gone boolean NOT NULL DEFAULT false);
CREATE TABLE target.odd (bk int PRIMARY KEY, a text, o text, g text, r text, v text, c text, b text, n text);
INSERT INTO target.odd_owner VALUES (1, 'x');
SELECT syncup_create_resource_type('S', 'target.odd_owner', 'target.odd', '{"review": false, "limits": {"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}, "fulfill": {"kind": "internal", "retries": 0}}');
SELECT syncup_define_correlation('S', 'o.o::text', 'a.bk::text'), syncup_define_type_rule('S', 'NOT o.gone'), syncup_define_scalar_rule('S', 'bk', 'o.o');
SELECT count(syncup_define_scalar_rule('S', c, 'o.a')) FROM unnest('{a,o,g,r,v,c,b,n}'::name[]) c;
SELECT * FROM t.of_s();
CALL syncup_fulfill('{S}');
UPDATE target.odd_owner SET a = 'y';
SELECT * FROM t.of_s();
SELECT document -> 'Owner' AS owner, document -> 'Resource' AS resource FROM syncup.provisioning_order WHERE resource_type = 'S' ORDER BY seq;
CALL syncup_fulfill('{S}');
SELECT * FROM target.odd;
UPDATE target.odd_owner SET gone = true;
SELECT * FROM t.of_s();
CALL syncup_fulfill('{S}');
SELECT * FROM t.s;
SELECT * FROM target.odd;
SELECT syncup_drop_resource_type('S');

SELECT what, of, count, regexp_replace(shown_by, '[0-9a-f-]{36}', '<uuid>') AS shown_by, decided_by FROM syncup.to_review WHERE what ~ 'order' ORDER BY 1;

-- In a job: a limit blocks the step and the run; resuming releases just those, and goes on.
TRUNCATE syncup.provisioning_order;
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "internal"}, "limits": {"max_percentage_updated_lines": 1}}');
UPDATE target.person SET grade = 77 WHERE id = 1;
UPDATE syncup.assignment SET provisioning_state = 'verified', verified_at = now(), expected = current, verified_expected = current WHERE account_key = 'ada' AND kind = 'scalar';
SELECT syncup_create_job('P'), syncup_add_step('P', 'model', 'sql', options => '{"statement": "SELECT count(*) > 0 FROM t.model()"}'),
	syncup_add_step('P', 'orders', 'generate_provisioning_orders', start_when => 'always'), syncup_add_step('P', 'tell', 'fulfill', parents => '{orders}');
CALL syncup_run_job('P');
SELECT step, state, did_something, regexp_replace(reason, '[0-9a-f-]{36}', '<uuid>') AS reason, counters FROM syncup.job_step_run WHERE run = (SELECT max(run) FROM syncup.job_run) ORDER BY ordinal;
SELECT owner, state FROM t.orders WHERE owner = '1';
SELECT max(run) AS run FROM syncup.job_run \gset
CALL syncup_resume_job(:run);
SELECT step, kind, state, did_something, counters - 'rows' FROM syncup.job_step_run WHERE run = (SELECT max(run) FROM syncup.job_run) ORDER BY ordinal;
SELECT owner, changes, state FROM t.orders WHERE owner = '1';
SELECT login, grade FROM target.user_account WHERE login = 'ada';
CALL syncup_run_job('P');
SELECT step, state, did_something FROM syncup.job_step_run WHERE run = (SELECT max(run) FROM syncup.job_run) ORDER BY ordinal;

-- What takes the place of a blocked order is blocked as well, whatever limits say then; force waives that.
UPDATE target.person SET grade = 60 WHERE id = 1;
SELECT count(*) > 0 AS computed FROM t.model();
SELECT owner, changes, state FROM t.generate();
SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "internal"}, "limits": {"max_percentage_updated_lines": 100}}');
UPDATE target.person SET grade = 61 WHERE id = 1;
SELECT count(*) > 0 AS computed FROM t.model();
SELECT owner, changes, state FROM t.generate();
CALL syncup_fulfill();
SELECT login, grade FROM target.user_account WHERE login = 'ada';
UPDATE target.person SET grade = 62 WHERE id = 1;
SELECT count(*) > 0 AS computed FROM t.model();
SELECT owner, changes, state FROM t.generate(true);

-- What a report makes known is asked of the orders of its owner, however many others there are
BEGIN;
INSERT INTO syncup.provisioning_order (order_id, generation, resource_type, owner_key, change_type, document, assignments, wishes, state, created_by, executed_at)
SELECT gen_random_uuid(), gen_random_uuid(), 'C', g::text, 'Modified', '{}', '{}', '{}', 'executed', current_user, now() FROM generate_series(1001, 3000) g;
SELECT o.order_id AS last FROM syncup.provisioning_order o WHERE o.resource_type = 'C' AND EXISTS (SELECT FROM syncup.assignment x WHERE x.assignment = ANY (o.assignments)) ORDER BY o.seq DESC LIMIT 1 \gset
SELECT seq_tup_read + idx_tup_fetch AS before FROM pg_stat_xact_user_tables WHERE relid = 'syncup.provisioning_order'::regclass \gset
SELECT count(syncup.note_written(t, (:'last', 'executed', NULL)::syncup.order_result)) FROM syncup.resource_type t WHERE t.resource_type = 'C';
SELECT seq_tup_read + idx_tup_fetch - :before BETWEEN 1 AND 1000 AS reads_few FROM pg_stat_xact_user_tables WHERE relid = 'syncup.provisioning_order'::regclass;
ROLLBACK;

-- What a line of a program says: of its order, done or an error in words, or nothing
SELECT a, r.state, left(r.error, 28) AS error FROM (VALUES ('{"OrderId": "%s"}'), ('{"OrderId": "%s", "Error": ""}'), ('{"OrderId": "%s", "Error": "no"}'), ('{"OrderId": "%s", "Error": 5}'), ('{"OrderId": "%s", "Error": {"a": 1}}'),
	('["%s"]'), ('{"OrderId": ["%s"]}'), ('{"OrderId": 5, "Error": "%s"}'), ('"%s"'), ('{"OrderId": "%s", "Error": "\u0000"}'), ('{"OrderId": "%s"'), ('%s')) AS v (a),
	LATERAL syncup.answer_of('00000000-0000-0000-0000-00000000000a', format(a, '00000000-0000-0000-0000-00000000000a')) AS r;
SELECT r.state FROM syncup.answer_of('00000000-0000-0000-0000-00000000000a', repeat('[', 100000)) AS r;

-- What cannot be said
SELECT t.error($$SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "program", "command": "true", "max_in_flight": 0}}')$$);
SELECT t.error($$SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "json", "directory": "/tmp", "orders_per_file": 0.5}}')$$);
SELECT t.error($$SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "mail"}}')$$);
SELECT t.error($$SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "csv"}}')$$);
SELECT t.error($$SELECT syncup_create_resource_type('C', 'target.person', 'target.user_account', '{"fulfill": {"kind": "internal", "file": "x"}}')$$);
SELECT t.error($$SELECT * FROM syncup_generate_provisioning_orders('{AX}')$$);
SELECT t.error($$CALL syncup_fulfill('{AX}')$$);

\set end :srcdir '/include/end.sql'
\i :end
