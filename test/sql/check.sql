-- Checks of one's own, as SQL, and limits of each resource's links (SPEC 6.4).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
\pset format unaligned
\pset footer off
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_checker;
RESET client_min_messages;
CREATE ROLE regress_syncup_checker;
GRANT USAGE ON SCHEMA t TO PUBLIC;

-- People of departments, and groups with members.
CREATE TABLE target.person (id int PRIMARY KEY, name text, department text, dn text, hired date);
CREATE TABLE target.team (id text PRIMARY KEY, name text);
CREATE TABLE target.member (team text, person int, PRIMARY KEY (team, person));
CREATE TABLE target.account (login text PRIMARY KEY, owner int);
CREATE PROCEDURE t.put(people text DEFAULT 'true', members text DEFAULT 'true', accounts text DEFAULT 'true', changes text DEFAULT 'department')
LANGUAGE plpgsql AS $$
DECLARE
	content text;
BEGIN
	EXECUTE format('SELECT E''id,name,department,dn,hired\n'' || coalesce(string_agg(concat_ws('','', id, name, %s, quote_ident(dn), ''2024-01-01''), E''\n'' ORDER BY id) || E''\n'', '''')
		FROM (SELECT i AS id, ''P'' || i AS name, (ARRAY[''Sales'', ''Law'', ''IT''])[1 + i %% 3] AS department, ''CN=p'' || i || '',OU='' || CASE WHEN i <= 5 THEN ''Admins'' ELSE ''People'' END || '',DC=x'' AS dn FROM generate_series(1, 120) AS i) AS p WHERE %s', changes, people) INTO content;
	CALL t.write('person.csv', content);
	CALL t.write('team.csv', E'id,name\nA,Alpha\nB,Beta\nC,Gamma\nD,Delta\n');
	EXECUTE format('SELECT E''team,person\n'' || string_agg(team || '','' || person, E''\n'' ORDER BY team, person) || E''\n''
		FROM (SELECT team, i AS person FROM (VALUES (''A'', 60), (''B'', 20), (''C'', 19), (''D'', 100)) AS g (team, size), generate_series(1, size) AS i) AS m WHERE %s', members) INTO content;
	CALL t.write('member.csv', content);
	EXECUTE format('SELECT E''login,owner\n'' || string_agg(login || '','' || coalesce(owner::text, ''''), E''\n'' ORDER BY login) || E''\n''
		FROM (SELECT ''u'' || i AS login, i AS owner FROM generate_series(1, 30) AS i UNION ALL SELECT ''x'' || i, NULL FROM generate_series(1, 3) AS i) AS a WHERE %s', accounts) INTO content;
	CALL t.write('account.csv', content);
END
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.run(force boolean DEFAULT false, mode text DEFAULT 'complete') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare('C', mode);
	PERFORM syncup_synchronize('C', force);
	RETURN (SELECT concat_ws(': ', b.status, b.sqlstate, b.error, nullif(syncup.what_exceeds(b.batch), '')) FROM syncup.batch b WHERE b.batch = t.last());
END
$$;
-- A section of a page as a person reads it, rows and items as lines; null: its headline.
CREATE FUNCTION t.page(section text, options jsonb DEFAULT '{}') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT line
	FROM (SELECT syncup_report(t.last(), 'html', options) AS page OFFSET 0) AS p
	CROSS JOIN LATERAL regexp_split_to_table(CASE WHEN section IS NULL THEN substring(page FROM '<h1>.*?</h1>') ELSE substring(page FROM format('<section id="%s".*?</section>', section)) END, '</(?:tr|li|p|h2|caption)>|<br>') AS part
	CROSS JOIN LATERAL (SELECT btrim(regexp_replace(regexp_replace(regexp_replace(part, '<svg.*?</svg>', '', 'g'), '</td>|</th>', ' ', 'g'), '<[^>]*>', '', 'g'), E' \n') AS line) AS l
	WHERE line <> '' $$;
CREATE VIEW t.said AS SELECT r.name, r.mapping, r.rows, r.first_rows, r.sqlstate, r.error FROM syncup.check_result r WHERE r.batch = t.last();
CALL t.put(accounts => 'owner IS NOT NULL');
SELECT syncup_create_connector('C', t.dir()) \gset
SELECT syncup_map_entity_type('C', 'person', 'target.person', 'person.csv', 'id') \gset
SELECT syncup_map_entity_type('C', 'team', 'target.team', 'team.csv', 'id', options => '{"display": "name"}') \gset
SELECT syncup_map_association('C', 'membership', 'member.csv', 'team', 'team.id', 'person', 'person.id', 'target.member', 'team', 'person') \gset
SELECT syncup_map_entity_type('C', 'account', 'target.account', 'account.csv', 'login') \gset
SELECT t.run(mode => 'initial');
SELECT syncup_set_thresholds('C', '{"max_percentage_deleted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_inserted_lines": 0, "max_link_percentage_deleted_lines": 0, "max_link_percentage_inserted_lines": 0}');

-- What may be a check.
SELECT t.error($$SELECT syncup_add_check('C', 'a', 'SELECT 1; SELECT 2')$$);
SELECT t.error($$SELECT syncup_add_check('C', 'a', 'DELETE FROM target.person RETURNING *')$$);
SELECT t.error($$SELECT syncup_add_check('C', 'a', 'SELECT FROM nothing')$$);
SELECT t.error($$SELECT syncup_add_check('C', 'a', 'SELECT nothing FROM person')$$);
SELECT t.error($$SELECT syncup_add_check('C', 'a', 'SELECT random() FROM person')$$);
SELECT t.error($$SELECT syncup_add_check('C', 'a', 'SELECT 1) q; DROP TABLE target.person; SELECT (1')$$);
SELECT t.error($$SELECT syncup_add_check('X', 'a', 'SELECT 1')$$);
SELECT t.error($$SELECT syncup_add_check('C', 'a', 'SELECT 1', 'x')$$);
SELECT t.error($$SELECT syncup_add_check('C', '', 'SELECT 1')$$);
SELECT t.error($$SELECT syncup_add_check('C', NULL, 'SELECT 1')$$);
SELECT t.error($$SELECT syncup_drop_check('C', 'a')$$);

-- Those of docs/thresholds.md.
SELECT syncup_add_check('C', 'no administrator is deleted',
	$$SELECT old ->> 'name' AS name, old ->> 'dn' AS dn FROM person WHERE command = 'delete' AND old ->> 'dn' LIKE '%,OU=Admins,%'$$, 'person');
SELECT syncup_add_check('C', 'no group loses half of its members',
	$$SELECT g.key1 AS team, g.gone, count(*) AS members
	FROM (SELECT key1, count(*) AS gone FROM link_changes WHERE mapping = 'membership' AND command = 'delete' GROUP BY key1) AS g
	JOIN target.member m ON m.team = g.key1
	GROUP BY g.key1, g.gone HAVING count(*) >= 20 AND g.gone * 2 > count(*)$$, 'membership');
SELECT syncup_add_check('C', 'no department vanishes',
	$$SELECT p.department, count(*) AS people
	FROM target.person p
	LEFT JOIN person c ON c.id = p.id
	WHERE p.department IS NOT NULL
	GROUP BY p.department
	HAVING bool_and(coalesce(c.command = 'delete' OR 'department' = ANY (c.changed), false))
		AND p.department NOT IN (SELECT n.department FROM person n WHERE n.command <> 'delete' AND n.department IS NOT NULL)$$, 'person');
SELECT syncup_add_check('C', 'no account without owner appears',
	$$SELECT login FROM account WHERE command <> 'delete' AND owner IS NULL$$, 'account');
SELECT name, mapping, owner = current_user::regrole AS mine FROM syncup.check_definition ORDER BY name;

-- Nothing wrong: applied, and nobody kept the changes.
CALL t.put(people => 'id < 120', accounts => 'owner IS NOT NULL');
SELECT t.run();
SELECT * FROM t.said ORDER BY name;
SELECT count(*) FROM syncup_changes.c_person;
-- Nothing changes: not asked.
SELECT t.run();
SELECT * FROM t.said ORDER BY name;
-- Each, and then put right.
CALL t.put(people => 'id NOT IN (2, 4, 120)', accounts => 'owner IS NOT NULL');
SELECT t.run();
SELECT * FROM t.said ORDER BY name;
SELECT t.page(NULL);
SELECT t.page('verdict');
SELECT count(*) AS checks_among_limits FROM t.page('limits') AS line WHERE line LIKE 'Check%' OR line LIKE '% of person%';
SELECT counter, mapping, count, exceeded FROM syncup.threshold_check WHERE batch = t.last() AND (exceeded OR counter LIKE 'check %') ORDER BY counter;
SELECT syncup_discard(t.last());
CALL t.put(people => 'id < 120', members => $$team <> 'A' OR person > 31$$, accounts => 'owner IS NOT NULL');
SELECT t.run();
SELECT * FROM t.said ORDER BY name;
SELECT syncup_discard(t.last());
CALL t.put(people => 'id < 120', members => $$team <> 'A' OR person > 30$$, accounts => 'owner IS NOT NULL');
SELECT counter, mapping, count, base, exceeded FROM syncup_preview('C', 'complete') WHERE counter LIKE 'check %' OR counter LIKE '%resource';
CALL t.put(people => 'id < 120', changes => $$CASE department WHEN 'Law' THEN 'Sales' ELSE department END$$, accounts => 'owner IS NOT NULL');
SELECT t.run();
SELECT * FROM t.said ORDER BY name;
SELECT counter, mapping, count, exceeded FROM syncup_preview('C', 'complete') WHERE counter LIKE 'check %';
SELECT syncup_discard(t.last());
CALL t.put(people => 'id < 120 AND department <> ''IT''', accounts => 'owner IS NOT NULL OR login = ''x2''');
SELECT t.run();
SELECT name, rows, first_rows FROM t.said ORDER BY name;
-- The report has them; values are in no message of the log.
\pset tuples_only on
SELECT line FROM string_to_table(syncup_report(t.last()), E'\n') AS line WHERE line ~ 'heck|^  *\{|returns';
-- and so does the page, without the rows where values are left out
SELECT t.page('checks');
SELECT t.page('checks', '{"redact": true}');
SELECT what, detail FROM syncup.alarm WHERE connector = 'C';
\pset tuples_only off
SELECT syncup_discard(t.last());
-- Waived by force, and that is recorded.
CALL t.put(people => 'id NOT IN (2, 120)', accounts => 'owner IS NOT NULL');
SELECT t.run(force => true);
SELECT b.status, b.forced, s.name, s.rows FROM syncup.batch b, t.said s WHERE b.batch = t.last() AND s.rows > 0;
-- Resumed: what it said stays.
CALL t.put(people => 'id NOT IN (2, 3, 120)', accounts => 'owner IS NOT NULL');
SELECT t.run();
SELECT status FROM syncup_resume(t.last());
SELECT name, rows FROM t.said WHERE rows > 0;

-- With the rights of whoever adds it, reading only; what raises blocks.
GRANT EXECUTE ON FUNCTION syncup_add_check, syncup_drop_check TO regress_syncup_checker;
CREATE TABLE target.secret (word text);
INSERT INTO target.secret VALUES ('sesame');
SET ROLE regress_syncup_checker;
SELECT t.error($$SELECT syncup_add_check('C', 'b', 'SELECT * FROM target.secret')$$);
RESET ROLE;
GRANT USAGE ON SCHEMA target TO regress_syncup_checker;
CREATE FUNCTION t.writes() RETURNS int LANGUAGE plpgsql STABLE AS $$ BEGIN EXECUTE 'INSERT INTO target.secret VALUES (1)'; RETURN 1; END $$;
CREATE FUNCTION t.who() RETURNS text LANGUAGE sql STABLE AS 'SELECT current_user || '' '' || current_setting(''search_path'')';
CREATE FUNCTION t.raises(id int) RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RAISE 'person % is odd', id; END $$;
SET ROLE regress_syncup_checker;
SELECT t.error($$SELECT syncup_add_check('C', 'b', 'SELECT * FROM target.secret')$$);
SELECT replace(e, session_user, '<me>') FROM t.error($$SELECT syncup_drop_check('C', 'no department vanishes')$$) AS e;
SELECT replace(e, session_user, '<me>') FROM t.error($$SELECT syncup_add_check('C', 'no department vanishes', 'SELECT 1 WHERE false')$$) AS e;
SELECT syncup_add_check('C', 'writes', 'SELECT t.writes()');
SELECT syncup_add_check('C', 'who', 'SELECT t.who() AS who, id, command, changed, old, hired FROM person');
SELECT syncup_add_check('C', 'raises', 'SELECT id FROM person WHERE t.raises(id)');
RESET ROLE;
CALL t.put(people => 'id NOT IN (2, 3, 119, 120)', accounts => 'owner IS NOT NULL');
SELECT t.run();
SELECT name, rows, first_rows, sqlstate, error FROM t.said ORDER BY name;
SELECT count(*) FROM target.secret;
-- A role that is gone; a mapping that is gone.
SELECT syncup_discard(t.last());
SELECT syncup_drop_check('C', 'raises'), syncup_drop_check('C', 'writes');
REASSIGN OWNED BY regress_syncup_checker TO CURRENT_USER;
DROP OWNED BY regress_syncup_checker;
DROP ROLE regress_syncup_checker;
SELECT t.run();
SELECT name, rows, error FROM t.said WHERE name = 'who';
SELECT syncup_discard(t.last());
SELECT syncup_drop_check('C', 'who');
SELECT syncup_add_check('C', 'all', 'SELECT (SELECT count(*) FROM person) AS people, (SELECT count(*) FROM account) AS accounts WHERE false');
SELECT t.run();
SELECT name, rows, error FROM t.said ORDER BY name;
SELECT syncup_discard(t.last()) WHERE EXISTS (SELECT FROM syncup.batch WHERE batch = t.last() AND status = 'blocked');
SELECT syncup_drop_mapping('C', 'account');
SELECT name FROM syncup.check_definition ORDER BY name;
CALL t.put(people => 'id NOT IN (2, 3, 118, 119, 120)');
SELECT t.run();
SELECT name, rows, error FROM t.said ORDER BY name;
SELECT syncup_discard(t.last());
SELECT syncup_drop_check('C', 'all');
SELECT syncup_drop_check('C', 'no administrator is deleted'), syncup_drop_check('C', 'no group loses half of its members');

-- More than a hundred rows are counted, a hundred kept.
SELECT syncup_add_check('C', 'many', 'SELECT id, name, department, 1 AS q FROM person ORDER BY id');
CALL t.put(changes => $$lower(department)$$);
SELECT t.run();
SELECT name, rows, jsonb_array_length(first_rows), first_rows -> 99 FROM t.said WHERE name = 'many';
SELECT syncup_discard(t.last());
SELECT syncup_drop_check('C', 'many');

-- Limits of each resource's links: 60, 20, 19 and 100 of them.
CALL t.put();
SELECT t.run();
SELECT syncup_set_thresholds('C', '{"max_link_percentage_deleted_per_resource": 50}', 'membership');
SELECT t.error($$SELECT syncup_set_thresholds('C', '{"max_link_percentage_deleted_per_resource": 50}', 'person')$$);
CALL t.put(members => $$CASE team WHEN 'B' THEN person > 10 WHEN 'C' THEN person > 18 ELSE true END$$);
SELECT t.run();
SELECT resource, deleted, stored, exceeds FROM syncup.batch_resource WHERE batch = t.last() ORDER BY resource;
SELECT count(*) AS links FROM target.member;
CALL t.put();
SELECT t.run();
CALL t.put(members => $$CASE team WHEN 'B' THEN person > 11 WHEN 'A' THEN person > 33 WHEN 'C' THEN person > 18 ELSE true END$$);
SELECT counter, mapping, count, base, max_percentage, exceeded FROM syncup_preview('C', 'complete') WHERE counter LIKE '%resource';
SELECT t.run();
SELECT resource, deleted, stored, exceeds FROM syncup.batch_resource WHERE batch = t.last() ORDER BY resource;
SELECT finding, rows, message, counter, explains, of, examples FROM syncup_findings(t.last());
SELECT t.page(NULL);
SELECT t.page('verdict');
SELECT line FROM t.page('limits') AS line WHERE line ~ 'esource|^A';
SELECT t.page('links');
-- Keys only.
SELECT t.page(NULL, '{"redact": true}');
SELECT line FROM t.page('limits', '{"redact": true}') AS line WHERE line ~ '^A';
SELECT syncup_discard(t.last());
-- Fewer links, by the connector's limits.
SELECT syncup_set_thresholds('C', '{"max_link_percentage_deleted_per_resource": 0}', 'membership');
SELECT syncup_set_thresholds('C', '{"max_link_percentage_deleted_per_resource": 30, "minimum_links_per_resource": 19}');
SELECT counter, mapping, count, base, max_percentage, exceeded FROM syncup_preview('C', 'complete') WHERE counter LIKE '%resource';
SELECT syncup_set_thresholds('C', '{"max_link_percentage_deleted_per_resource": 0}');
SELECT counter, mapping, count, base, max_percentage, exceeded FROM syncup_preview('C', 'complete') WHERE counter LIKE '%resource';
SELECT t.run();
SELECT finding, rows, message FROM syncup_findings(t.last());
SELECT status FROM syncup.batch WHERE batch = t.last();
-- Ends that are not found, and what they have in common.
SELECT syncup_discard(t.last()) WHERE EXISTS (SELECT FROM syncup.batch WHERE batch = t.last() AND status = 'blocked');
CALL t.put();
SELECT t.run();
CALL t.put(people => 'id < 62');
SELECT t.run();
SELECT finding, rows, message, explains, of, examples FROM syncup_findings(t.last()) WHERE finding = 'ends not found';
SELECT syncup_discard(t.last()) WHERE EXISTS (SELECT FROM syncup.batch WHERE batch = t.last() AND status = 'blocked');
-- They have nothing in common.
CALL t.put(people => 'id % 3 <> 0', members => $$team <> 'D'$$);
SELECT t.run();
SELECT finding, rows, message, explains, of, examples FROM syncup_findings(t.last()) WHERE finding = 'ends not found';
-- What goes with the history and the connector.
SELECT count(*) > 0 AS before FROM syncup.check_result;
SELECT syncup_drop_connector('C');
SELECT (SELECT count(*) FROM syncup.check_definition) AS checks, (SELECT count(*) FROM syncup.check_result) AS results, (SELECT count(*) FROM syncup.batch_resource) AS resources;

\set end :srcdir '/include/end.sql'
\i :end
