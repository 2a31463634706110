-- Pages to look at: what a person reads on them, and that figures are right; values
-- that are no HTML; who may see what. How they look is tested in 090_pages.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\pset format unaligned
\pset footer off
\pset null '(null)'

-- The text of a page as a person reads it: a line per row, item or paragraph.
CREATE FUNCTION t.read_page(page text, section text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	read text := translate(CASE WHEN section IS NULL THEN regexp_replace(page, '^.*</style>', '')
		ELSE substring(page FROM format('<section id="%s".*?</section>', section)) END, E'\n', ' ');
	step text[];
BEGIN
	FOREACH step SLICE 1 IN ARRAY ARRAY[
		['<svg.*?</svg>', ''], ['<nav.*?</nav>', ''], ['<a class="skip".*?</a>', ''], ['</(tr|li|p|h1|h2|h3|caption|pre|summary|figcaption)>|<br>', E'\n'], ['</(td|th)>', ' | '], ['<[^>]*>', ''],
		['\d{4}-\d\d-\d\d \d\d:\d\d UTC', '<time>'], ['[0-9a-f]{64}', '<digest>'], ['&ndash;', '-'], ['&nbsp;', ' '], ['&#9632;', '[]'], ['&#8594;', '->'], ['&#10003;', 'ok'], ['&#10005;', 'x'], ['&[lr]dquo;|&quot;', '"'],
		['&lt;', '<'], ['&gt;', '>'], ['&#39;', ''''], ['&#124;', '!'], ['&amp;', '&'], [' +', ' '], [' by ' || current_user, ' by <me>']]
	LOOP
		read := regexp_replace(read, step[1], step[2], 'g');
	END LOOP;
	RETURN QUERY SELECT t.mask(btrim(line)) FROM string_to_table(read, E'\n') AS line WHERE btrim(line) <> '';
END
$$;
CREATE FUNCTION t.last() RETURNS uuid
LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.run(connector text, mode text, force boolean DEFAULT false, keep_changes boolean DEFAULT false) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_prepare(connector, mode);
	RETURN (SELECT string_agg(s.status, ', ') FROM syncup_synchronize(connector, force, keep_changes) AS s);
END
$$;

-- Values, one by one.
SELECT syncup.page_escape(v) FROM unnest(ARRAY['<script>alert(1)</script>', $$"a" & 'b'$$, E'a\tb\nc\x01', U&'\202Eevil\202C', U&'zero\200Bwidth', NULL]) AS v;
SELECT syncup.page_cell(v, 10) FROM unnest(ARRAY['plain', 'longer than ten', '', '  ', '<b>', NULL]) AS v;
SELECT old, new, syncup.page_difference(old, new) FROM (VALUES ('Ann Miller', 'Ann Muller'), ('a', 'b'), ('same', 'same'), ('abc', 'ab'), ('ab', 'abc'), (NULL, 'x'), ('x', NULL), ('', 'x'), ('a b', 'ab'), ('<i>', '<b>'),
	(repeat('x', 50) || '1' || repeat('y', 50), repeat('x', 50) || '2' || repeat('y', 50)), ('aaa', 'aa')) AS v (old, new);
SELECT char_length((syncup.page_difference(repeat('a', 10000), repeat('a', 5000) || 'b' || repeat('a', 4999)))[1]) < 400 AS short;
SELECT syncup.page_count(n, name) FROM (VALUES (1, 'user'), (2, 'user'), (1234567, 'entry'), (2, 'employees'), (2, 'personalliste'), (1, 'HR person'), (3, 'HR person'), (0, 'user')) AS v (n, name);
SELECT syncup.page_number(n) FROM unnest('{0,7,1234,-5}'::numeric[]) AS n;
SELECT syncup.page_size(n) FROM unnest('{0,999,1234,5600000,null}'::numeric[]) AS n;
SELECT syncup.page_age(a) FROM unnest('{5 min,119 min,2 hours,47 hours,3 days,null}'::interval[]) AS a;

-- The accident of the demo: users cut to a tenth.
CREATE TABLE target.ad_user (guid uuid PRIMARY KEY, login text NOT NULL, name text, mail text, department text, title text);
CREATE TABLE target.ad_group (guid uuid PRIMARY KEY, name text NOT NULL);
CREATE TABLE target.ad_member (grp uuid REFERENCES target.ad_group, member uuid REFERENCES target.ad_user, PRIMARY KEY (grp, member));
\set demo :srcdir '/data/demo'
CREATE FUNCTION t.demo(folder text, file text) RETURNS bytea LANGUAGE sql AS $$ SELECT pg_read_binary_file(folder || '/' || file) $$;
CREATE PROCEDURE t.arrive(folder text)
LANGUAGE plpgsql AS $$
DECLARE
	file text;
BEGIN
	FOREACH file IN ARRAY '{AD_users.csv,AD_groups.csv,AD_members.csv}'::text[] LOOP
		CALL t.write(file, t.demo(folder, file));
	END LOOP;
END
$$;
\set folder :demo '/2-changes'
CALL t.arrive(:'folder');
SELECT syncup_create_connector('AD', t.dir(), '{"contact": "Directory team"}');
SELECT syncup_map_entity_type('AD', 'user', 'target.ad_user', 'AD_users.csv', 'objectGUID', '{"objectGUID": "guid", "sAMAccountName": "login", "displayName": "name", "mail": "mail", "department": "department", "title": "title"}', '{dn}',
	'{"display": "name", "watch": "title = ''Administrator''"}');
SELECT syncup_map_entity_type('AD', 'group', 'target.ad_group', 'AD_groups.csv', 'objectGUID', '{"objectGUID": "guid", "sAMAccountName": "name"}', '{dn}', '{"display": "name"}');
SELECT syncup_map_association('AD', 'member', 'AD_members.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.ad_member', 'grp', 'member');
SELECT t.run('AD', 'initial');
SELECT t.run('AD', 'complete');
\set folder :demo '/3-accident'
CALL t.arrive(:'folder');
SELECT t.run('AD', 'complete');
CREATE TABLE t.page AS SELECT syncup_report('AD', 'html', '{"rows": 3}') AS page;
CREATE TABLE t.line AS SELECT n, line FROM t.page, t.read_page(page) WITH ORDINALITY AS r (line, n);
SELECT line FROM t.line ORDER BY n;

-- The figures, counted anew: of departments those that would go and all; the rows to watch.
CREATE FUNCTION t.numbers(caption text, next text) RETURNS TABLE (name text, numbers text[])
LANGUAGE sql AS $$
	SELECT btrim(split_part(line, '|', 1)), ARRAY[btrim(split_part(line, '|', 2)), btrim(split_part(line, '|', 3), ' of')]
	FROM t.line
	WHERE n > 1 + (SELECT n FROM t.line WHERE line = caption) AND n < (SELECT n FROM t.line WHERE line LIKE next || '%')
$$;
CREATE VIEW t.kept AS SELECT * FROM syncup_read_csv(t.dir() || '/AD_users.csv') AS ("objectGUID" uuid);
SELECT count(*) AS departments FROM t.numbers('By department', 'By title');
SELECT * FROM t.numbers('By department', 'By title') AS n
WHERE numbers IS DISTINCT FROM (
	SELECT ARRAY[count(*) FILTER (WHERE k."objectGUID" IS NULL)::text, count(*)::text]
	FROM target.ad_user u LEFT JOIN t.kept k ON k."objectGUID" = u.guid WHERE u.department = n.name);
SELECT (SELECT count(*) FROM t.line WHERE line LIKE '%| Administrator |%' AND n > (SELECT n FROM t.line WHERE line = 'Rows to watch'))
	= (SELECT count(*) FROM target.ad_user u LEFT JOIN t.kept k ON k."objectGUID" = u.guid WHERE u.title = 'Administrator' AND k."objectGUID" IS NULL) AS all_to_watch;

-- Keys and counts only: no login, department, title, message. (Names are in the keys of pairs.)
SELECT line FROM t.read_page(syncup_report('AD', 'html', '{"rows": 2, "redact": true}')) AS line WHERE line ~ 'left out|would be|Key|^\d|user';
SELECT count(*) FROM (SELECT DISTINCT unnest(ARRAY[u.login, u.mail, u.department, u.title]) AS value FROM target.ad_user u) AS v, (SELECT regexp_replace(syncup_report('AD', 'html', '{"redact": true}'), '<style>.*</style>', '') AS page OFFSET 0) AS page WHERE page.page ~ ('\m' || regexp_replace(syncup.page_escape(v.value), '([^\w\s])', '\\\1', 'g') || '\M');

-- A page has no script, no picture, no address, and is UTF-8; ends of elements are where they belong.
SELECT page ~* '<script|<img|<link|<iframe|javascript:|https?://| on[a-z]+=' AS suspicious, page ~ '<meta charset="utf-8">' AS utf8, page ~ 'default-src ''none''' AS policy FROM t.page;
SELECT xml_is_well_formed_document(regexp_replace(regexp_replace(replace(replace(replace(page, '<!DOCTYPE html>', ''), '<br>', '<br/>'), '&ndash;', '-'), '<meta ([^>]*)>', '<meta \1/>', 'g'), '&(hellip|nbsp|ldquo|rdquo);', '.', 'g')) AS well_formed FROM t.page;
SET client_encoding = 'LATIN1';
SELECT left(syncup_report('AD', 'html', '{"redact": true, "rows": 0}'), 70) ~ 'charset="iso-8859-1"' AS latin1;
RESET client_encoding;

-- Refused.
SELECT t.error('SELECT syncup_report(''AD'', ''pdf'')');
SELECT t.error('SELECT syncup_report(''AD'', NULL)');
SELECT t.error('SELECT syncup_report(''AD'', ''html'', ''{"row": 1}'')');
SELECT t.error('SELECT syncup_report(''AD'', ''html'', ''{"rows": "many"}'')');
SELECT t.error('SELECT syncup_report(''AD'', ''html'', ''{"rows": 1.5}'')');
SELECT t.error('SELECT syncup_report(''AD'', ''html'', ''{"rows": -1}'')');
SELECT t.error('SELECT syncup_report(''AD'', ''html'', ''{"redact": "yes"}'')');
SELECT t.error('SELECT syncup_report(''AD'', ''html'', ''[]'')');
SELECT t.error('SELECT syncup_report(''AD'', ''text'', ''{"rows": 1}'')');
SELECT t.error('SELECT syncup_report(''00000000-0000-0000-0000-000000000000''::uuid, ''html'')');
SELECT syncup_report('AD') = syncup_report(t.last(), 'text') AND syncup_report('AD', 'html') = syncup_report(t.last(), 'html', '{}') AS the_same;

-- What waits: runs behind, a job that stopped, a complete run that would cancel it.
SELECT count(*) FROM syncup_create_jobs();
SELECT syncup_schedule('complete', '0 3 * * *') IS NOT NULL AS scheduled;
SELECT line FROM t.read_page(syncup_report('AD', 'html', '{"rows": 0, "redact": true}')) WITH ORDINALITY AS r (line, n) WHERE n BETWEEN 4 AND 8;
INSERT INTO syncup.batch (connector, mode, status, prepared_at) VALUES ('AD', 'incremental', 'prepared', now()), ('AD', 'incremental', 'prepared', now());
SELECT syncup_deactivate('AD');
SELECT line FROM t.read_page(syncup_report('AD', 'html', '{"rows": 0, "redact": true}')) AS line WHERE line ~ 'queued|deactivated';
DELETE FROM syncup.batch WHERE prepared_by IS NULL;
SELECT syncup_activate('AD');
SELECT line FROM t.read_page(syncup_dashboard()) AS line;

-- Declined; then an ordinary day, kept and applied; taken back.
SELECT syncup_discard('AD', 'the <export> was cut');
SELECT line FROM t.read_page(syncup_report(t.last(), 'html')) AS line WHERE line !~ '\|';
\set folder :demo '/2-changes'
CALL t.arrive(:'folder');
CALL t.write('AD_users.csv', replace(convert_from(pg_read_binary_file(t.dir() || '/AD_users.csv'), 'UTF8'), '"Logistics"', '"Supply Chain"'));
CALL t.write('AD_groups.csv', replace(convert_from(pg_read_binary_file(t.dir() || '/AD_groups.csv'), 'UTF8'), 'description,whenChanged', 'info,whenChanged'));
SELECT t.run('AD', 'complete', keep_changes => true);
SELECT line FROM t.read_page(syncup_report('AD', 'html', '{"rows": 2}')) AS line WHERE line !~ '^(group|member|Batch|Digest)';
CREATE TABLE t.digest AS SELECT substring(syncup_report('AD', 'html', '{"rows": 0}') FROM 'SHA-256 [0-9a-f]{64}') AS digest;
SELECT count(*) FROM syncup_resume('AD');
-- What was reviewed is what was applied.
SELECT position(digest IN syncup_report(t.last(), 'html', '{"rows": 0}')) > 0 AS same_digest FROM t.digest;
SELECT line FROM t.read_page(syncup_report(t.last(), 'html', '{"rows": 1}')) AS line WHERE line !~ '\|';
SELECT count(syncup_undo(t.last()));
SELECT n, line FROM syncup.batch b, t.read_page(syncup_report(b.batch, 'html', '{"rows": 0}')) WITH ORDINALITY AS r (line, n) WHERE b.seq > (SELECT max(seq) - 2 FROM syncup.batch) AND n <= 4 ORDER BY b.seq DESC, n;

-- Failed: the prepare, then a constraint.
CALL t.write('AD_users.csv', E'objectGUID,dn\n1,"');
\! sh $PG_ABS_SRCDIR/include/psql "CALL syncup_run('AD', 'complete')" >/dev/null
SELECT line FROM t.read_page(syncup_report(t.last(), 'html')) AS line;
SELECT syncup_drop_connector('AD');

-- Values and names that are hostile; cells of 10,000 characters; a first run, and updates of all of it.
CREATE TABLE target."<b>odd" ("<i>key" text PRIMARY KEY, "a|b" text, "say ""x""" text, "it's %s" text, wide text);
SELECT syncup_create_connector('<script>alert("c")</script>', t.dir(), '{"contact": "<img src=x onerror=alert(1)>"}');
SELECT E'k,a,b,c,d\n' || string_agg(format(E'"<script>alert(%s)</script>","<img src=x onerror=alert(%1$s)>","""\'>&amp;%1$s","%s","%s"\n', i, U&'\202E' || i, repeat('<', 10000)), '') AS content FROM generate_series(1, 30) i \gset
CALL t.write('odd.csv', :'content');
SELECT syncup_map_entity_type('<script>alert("c")</script>', '"><u>m', 'target."<b>odd"', 'odd.csv', 'k', '{"k": "<i>key", "a": "a|b", "b": "say \"x\"", "c": "it''s %s", "d": "wide"}',
	options => '{"display": "a|b", "watch": "\"it''s %s\" LIKE ''%7%'' OR 10 / \"say \"\"x\"\"\"::int = 1"}');
SELECT t.run('<script>alert("c")</script>', 'complete');
SELECT line FROM t.read_page(syncup_report(t.last(), 'html', '{"rows": 2}')) AS line WHERE line !~ '^(Batch|Digest)';
SELECT syncup_discard('<script>alert("c")</script>');
SELECT syncup_map_entity_type('<script>alert("c")</script>', '"><u>m', 'target."<b>odd"', 'odd.csv', 'k', options => '{"watch": "\"it''s %s\" LIKE ''%7%''"}');
SELECT t.run('<script>alert("c")</script>', 'complete');
SELECT line FROM t.read_page(syncup_report(t.last(), 'html', '{"rows": 0}'), 'watched') AS line;
SELECT octet_length(page) < 2000000 AS small, page ~* '<(script|img|u|i|b)[ >]' AS broken_out,
	xml_is_well_formed_document(regexp_replace(regexp_replace(replace(replace(replace(page, '<!DOCTYPE html>', ''), '<br>', '<br/>'), '&ndash;', '-'), '<meta ([^>]*)>', '<meta \1/>', 'g'), '&(hellip|nbsp|ldquo|rdquo);', '.', 'g')) AS well_formed
FROM syncup_report(t.last(), 'html') AS page;
SELECT syncup_dashboard() ~* '<(script|img|u|i|b)[ >]' AS broken_out;
SELECT syncup_drop_connector('<script>alert("c")</script>');

-- Never more than 2 MB, and it says how many rows it leaves out.
CREATE TABLE target.many (id int PRIMARY KEY, a text, b text, c text, d text, e text);
SELECT E'id,a,b,c,d,e\n' || string_agg(format(E'%s,%s,%2$s,%2$s,%2$s,%2$s\n', i, repeat('<', 80)), '') AS content FROM generate_series(1, 1300) i \gset
CALL t.write('many.csv', :'content');
SELECT syncup_create_connector('M', t.dir());
SELECT syncup_map_entity_type('M', 'many', 'target.many', 'many.csv', 'id', options => '{"watch": "true"}');
SELECT t.run('M', 'complete');
CREATE TABLE t.big AS SELECT syncup_report('M', 'html', '{"rows": 100000}') AS page;
SELECT octet_length(page) BETWEEN 1000000 AND 2000000 AS bounded FROM t.big;
SELECT m[1] FROM t.big, regexp_matches(page, '<(?:caption|p)>((?:[^<]|</?bdi>)*(?:the first|too many)(?:[^<]|</?bdi>)*)<', 'g') AS m;
-- Where the deletions fill it, updates and insertions are said to be left out.
SELECT status FROM syncup_resume('M');
SELECT E'id,a,b,c,d,e\n' || string_agg(format(E'%s,v,w,x,y,z\n', i), '') AS content FROM generate_series(1, 1500, 10) i \gset
CALL t.write('many.csv', :'content');
SELECT t.run('M', 'complete');
SELECT m[1] FROM regexp_matches(syncup_report('M', 'html', '{"rows": 100000}'), '<(?:caption|p)>((?:[^<]|</?bdi>)*(?:the first|too many|to watch)(?:[^<]|</?bdi>)*)<', 'g') AS m;
SELECT syncup_discard('M');
-- Of many rows the figures are those of all: 12,000, of which each third, each thousandth and each row changes.
SELECT E'id,a,b,c,d,e\n' || string_agg(format(E'%s,%s,x,%s,d,e\n', i, i % 4, i), '' ORDER BY i) AS content FROM generate_series(1, 12000) i \gset
CALL t.write('many.csv', :'content');
SELECT t.run('M', 'complete', force => true);
SELECT E'id,a,b,c,d,e\n' || string_agg(format(E'%s,%s,%s,%s,%s,e\n', i, CASE i % 3 WHEN 0 THEN 'n' || i % 4 ELSE (i % 4)::text END, CASE i % 1000 WHEN 0 THEN 'y' || i ELSE 'x' END, -i, CASE WHEN i > 9000 THEN 'D' ELSE 'd' END), '' ORDER BY i) AS content FROM generate_series(1, 12000) i \gset
CALL t.write('many.csv', :'content');
SELECT t.run('M', 'complete');
SELECT line FROM t.read_page(syncup_report('M', 'html', '{"rows": 0}'), 'groups') AS line;
SELECT n, line FROM t.read_page(syncup_report('M', 'html', '{"rows": 0}'), 'updates') WITH ORDINALITY AS r (line, n) WHERE n < 4 OR n > 8;
SELECT count(*) FROM t.read_page(syncup_report('M', 'html', '{"rows": 0}'), 'updates') WITH ORDINALITY AS r (line, n) WHERE n BETWEEN 4 AND 8 AND line ~ '\m(\d+) \| -\1 \| 1 \|';
SELECT line FROM t.read_page(syncup_report('M', 'html', '{"rows": 0, "redact": true}'), 'updates') AS line;
-- Applied, and its changes not kept: the figures are left.
SELECT status FROM syncup_resume('M');
SELECT line FROM t.read_page(syncup_report(t.last(), 'html'), 'rows') AS line;
SELECT line FROM t.read_page(syncup_report(t.last(), 'html', '{"redact": true}'), 'rows') AS line;
SELECT syncup_drop_connector('M');

-- Columns that are called as the statements of a report call their own.
CREATE TABLE target.named (id int PRIMARY KEY, key text, hash text, sampled text, change text, bytes text, old text, changed text, command text);
SELECT E'id,key,hash,sampled,change,bytes,old,changed,command\n' || string_agg(format(E'%s,a%1$s,b%1$s,c%1$s,d%1$s,e%1$s,f%1$s,g%1$s,h%1$s\n', i), '') AS content FROM generate_series(1, 30) i \gset
CALL t.write('named.csv', :'content');
SELECT syncup_create_connector('N', t.dir());
SELECT syncup_map_entity_type('N', 'named', 'target.named', 'named.csv', 'id', options => '{"watch": "key = ''a1''", "display": "key"}');
SELECT t.run('N', 'initial');
SELECT upper(:'content') AS content \gset
SELECT replace(:'content', 'ID,KEY,HASH,SAMPLED,CHANGE,BYTES,OLD,CHANGED,COMMAND', 'id,key,hash,sampled,change,bytes,old,changed,command') AS content \gset
CALL t.write('named.csv', :'content');
SELECT t.run('N', 'complete');
SELECT finding, column_name, rows FROM syncup_findings(t.last());
SELECT count(*) FROM t.read_page(syncup_report('N', 'html', '{"rows": 3}'), 'updates') AS line;
SELECT line FROM t.read_page(syncup_report('N', 'html', '{"rows": 0, "redact": true}'), 'updates') AS line;
SELECT syncup_drop_connector('N');

-- Option "watch" and the rest of what a report shows, when they are mapped.
CREATE TABLE target.w (id int PRIMARY KEY, v text);
CREATE DOMAIN t.checked AS text CHECK (value <> '');
CREATE FUNCTION t.spy(text) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT true';
CALL t.write('w.csv', E'id,v\n1,a\n');
SELECT syncup_create_connector('W', t.dir());
SELECT t.error(format('SELECT syncup_map_entity_type(''W'', ''w'', ''target.w'', ''w.csv'', ''id'', options => %L)', jsonb_build_object(name, value)))
FROM (VALUES ('watch', 't.spy(v)'), ('watch', 'v::t.checked = ''a'''), ('watch', 'v < now()::text'), ('watch', 'u = ''a'''), ('watch', 'v'), ('watch', ' '), ('watch', 'v = ''a''; SELECT 1'),
	('watch', 'EXISTS (SELECT 1)'), ('watch', 'v OPERATOR(t.=) ''a'''), ('display', 'x'), ('display', '')) AS o (name, value);
SELECT t.error('SELECT syncup_map_association(''W'', ''l'', ''w.csv'', ''id'', ''w.id'', ''v'', ''w.id'', ''target.w'', options => ''{"watch": "true"}'')');
SELECT t.error('SELECT syncup_create_connector(''W'', options => ''{"contact": ""}'')');
SELECT syncup_drop_connector('W');

-- Who lacks a right is told which, and sees nothing.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_page;
RESET client_min_messages;
CREATE ROLE regress_syncup_page;
CALL t.write('w.csv', E'id,v\n1,secret\n');
SELECT syncup_create_connector('W', t.dir());
SELECT syncup_map_entity_type('W', 'w', 'target.w', 'w.csv', 'id', options => '{"display": "v"}');
SELECT t.run('W', 'complete');
GRANT USAGE ON SCHEMA t TO regress_syncup_page;
GRANT EXECUTE ON FUNCTION syncup_report(uuid, text, jsonb), syncup_report(text, text, jsonb), syncup_dashboard TO regress_syncup_page;
CREATE FUNCTION t.as_looker(rights text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	batch uuid := t.last();
BEGIN
	IF rights <> '' THEN
		EXECUTE format('GRANT %s TO regress_syncup_page', rights);
	END IF;
	SET LOCAL ROLE regress_syncup_page;
	RETURN QUERY SELECT 'report: ' || e FROM t.error(format('SELECT syncup_report(%L::uuid, ''html'')', batch)) AS e;
	RETURN QUERY SELECT 'dashboard: ' || e FROM t.error('SELECT syncup_dashboard()') AS e;
	RESET ROLE;
END
$$;
SELECT * FROM t.as_looker('');
SELECT * FROM t.as_looker('USAGE ON SCHEMA syncup');
SELECT * FROM t.as_looker('SELECT ON ALL TABLES IN SCHEMA syncup');
SELECT * FROM t.as_looker('EXECUTE ON ALL FUNCTIONS IN SCHEMA syncup');
GRANT EXECUTE ON FUNCTION syncup_findings TO regress_syncup_page;
SELECT * FROM t.as_looker('USAGE ON SCHEMA syncup_changes');
SELECT * FROM t.as_looker('SELECT ON ALL TABLES IN SCHEMA syncup_changes');
DROP OWNED BY regress_syncup_page;
DROP ROLE regress_syncup_page;

-- A job stopped at it: what lets the job go on stands first. Tables that lose as much stand in the sentence, and how long it can be taken back.
CREATE TABLE target.liste (id int PRIMARY KEY);
CREATE TABLE target.account (id int PRIMARY KEY);
CREATE TABLE target.team (id int PRIMARY KEY);
SELECT syncup_create_connector('J', t.dir());
CALL t.shell('for m in liste account team; do (echo id; seq 400) >$m.csv; done');
SELECT syncup_map_entity_type('J', m, format('target.%I', m)::regclass, m || '.csv', 'id') FROM unnest('{liste,account,team}'::text[]) AS m;
SELECT t.run('J', 'initial');
CALL t.shell('for m in liste account; do (echo id; seq 390) >$m.csv; done; (echo id; seq 398) >team.csv');
SELECT syncup_set_thresholds('J', '{"maximum_deleted_lines": 5}');
SELECT count(*) FROM syncup_create_jobs('J');
\set VERBOSITY sqlstate
CALL syncup_run_job('J_complete');
\set VERBOSITY default
SET syncup.keep_changes_for = '30d';
SELECT regexp_replace(line, '(Run |resume_job\()\d+', '\1n') AS line FROM t.read_page(syncup_report('J', 'html')) AS line WHERE line ~ 'Stopped\. |job|taken back|alone:|resume';
RESET syncup.keep_changes_for;
SELECT regexp_replace(line, '\(\d+\)', '(n)') AS line FROM string_to_table(t.mask(syncup_report('J')), E'\n') AS line WHERE line ~ 'apply|resume|job';

\set end :srcdir '/include/end.sql'
\i :end
