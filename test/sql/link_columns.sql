-- Links with columns, and what tells links of one pair apart (SPEC 2.7).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;

-- Connector E: enrollments of users in sections, with a role, a beginning and a note;
-- with a key of links or without one.
CREATE PROCEDURE t.fresh(link_key jsonb DEFAULT '["role"]')
LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT FROM syncup.connector) THEN
		PERFORM syncup_drop_connector('E');
		DROP TABLE target.enrollment, target.usr, target.section;
	END IF;
	CREATE TABLE target.usr (id text PRIMARY KEY, name text);
	CREATE TABLE target.section (id text PRIMARY KEY, name text);
	CREATE TABLE target.enrollment (section text REFERENCES target.section, usr text REFERENCES target.usr, role int, begins date, note text, since int DEFAULT 7);
	CREATE UNIQUE INDEX ON target.enrollment (section, usr, coalesce(role, 0));
	CALL t.write('usr.csv', E'id,dn\n'); CALL t.write('section.csv', E'id,name\n'); CALL t.write('enr.csv', E'section,user,role,begin,note\n');
	PERFORM syncup_create_connector('E', t.dir());
	PERFORM syncup_set_thresholds('E', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
	PERFORM syncup_map_entity_type('E', 'user', 'target.usr', 'usr.csv', 'id', '{"id": "id"}', '{dn}');
	PERFORM syncup_map_entity_type('E', 'section', 'target.section', 'section.csv', 'id', '{"id": "id", "name": "name"}');
	PERFORM syncup_map_association('E', 'enr', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr',
		jsonb_build_object('columns', '{"role": "role", "begin": {"column": "begins", "format": "datetime:DD.MM.YYYY"}, "note": "note"}'::jsonb, 'link_key', link_key, 'match2', 'ignore_case'));
END
$$;
CREATE FUNCTION t.last() RETURNS uuid LANGUAGE sql AS 'SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1';
CREATE FUNCTION t.links() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	RETURN (SELECT coalesce(string_agg(concat_ws('-', section, usr, coalesce(role::text, '0'), begins, note), ' ' ORDER BY section COLLATE "C", usr COLLATE "C", coalesce(role, 0)), '') FROM target.enrollment);
END
$$;
CREATE FUNCTION t.state() RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT format('  +%s %s -%s of %s, orphans %s', c.inserted, c.updated, c.deleted, c.stored_before, c.orphans)
		FROM syncup.batch_counter c WHERE c.batch = t.last() AND mapping = 'enr'
	UNION ALL SELECT '  ' || t.links()
	UNION ALL (SELECT '  orphan ' || concat_ws(' ', value1, value2, link) FROM syncup.orphan ORDER BY value1, value2, link)
	UNION ALL (SELECT '  ' || concat_ws(' ', q.reason, q.key, q.message) FROM syncup.quarantine q WHERE q.batch = t.last() AND reason <> 'orphan' ORDER BY line);
END
$$;
CREATE FUNCTION t.go(mode text, enrollments text, users text DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('enr.csv', E'section,user,role,begin,note\n' || enrollments);
	IF users IS NOT NULL THEN CALL t.write('usr.csv', E'id,dn\n' || users); END IF;
	PERFORM syncup_prepare('E', mode);
	RETURN QUERY SELECT concat_ws(' ', '  NOT APPLIED', status) FROM syncup_synchronize('E', keep_changes => true) s WHERE status <> 'applied';
	RETURN QUERY SELECT t.state();
END
$$;
CREATE FUNCTION t.changes() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT '    ' || concat_ws('|', command, key, column_name, coalesce(old_value, '-'), coalesce(new_value, '-')) FROM syncup_changes(t.last()) WHERE mapping = 'enr'
$$;

CREATE FUNCTION t.life() RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	mode text;
	two text := E'u1,ada\nu2,bob\n';
BEGIN
	FOREACH mode IN ARRAY ARRAY['incremental', 'complete'] LOOP
		RETURN NEXT mode;
		CALL t.fresh();
		CALL t.write('section.csv', E'id,name\nS1,Math\nS2,Art\n');
		RETURN QUERY SELECT t.go('initial', E'S1,ada,1,01.08.2026,\nS1,Ada,2,,two\nS1,bob,,02.08.2026,x\nS2,eve,1,,\nS2,eve,2,,\n', two);
		RETURN NEXT ' a column changes, another is emptied: an update each, and nothing else';
		RETURN QUERY SELECT t.go(mode, E'S1,ada,1,03.08.2026,\nS1,Ada,2,,two\nS1,bob,,02.08.2026,\nS2,eve,1,,\nS2,eve,2,,\n');
		RETURN QUERY SELECT t.changes();
		RETURN NEXT ' undone';
		PERFORM syncup_undo(t.last());
		RETURN QUERY SELECT s FROM t.state() s;
		RETURN NEXT ' a role goes, another comes; one is a null';
		RETURN QUERY SELECT t.go(mode, E'S1,ada,1,01.08.2026,\nS1,Ada,3,,two\nS1,bob,4,02.08.2026,x\nS2,eve,1,,\nS2,eve,2,,\n');
		RETURN QUERY SELECT t.changes();
		RETURN NEXT ' undone';
		PERFORM syncup_undo(t.last());
		RETURN QUERY SELECT s FROM t.state() s;
		RETURN NEXT ' the orphans'' user comes';
		RETURN QUERY SELECT t.go(mode, E'S1,ada,1,01.08.2026,\nS1,bob,,02.08.2026,x\nS2,eve,1,,\nS2,eve,2,,e\n', two || E'u3,EVE\n');
		RETURN NEXT ' and is another; one of the links goes';
		RETURN QUERY SELECT t.go(mode, E'S1,ada,1,01.08.2026,\nS1,bob,,02.08.2026,x\nS2,eve,2,,e\n', two || E'u4,eve\n');
		RETURN NEXT ' two spellings of a role are one link; the same again is counted, with another note it is set aside';
		RETURN QUERY SELECT t.go(mode, E'S1,ada,1,01.08.2026,\nS1,ada,01,01.08.2026,\nS1,bob,,02.08.2026,x\nS1,bob,,02.08.2026,x\nS1,bob,,,y\n', two);
		RETURN QUERY SELECT '  duplicates ' || duplicates FROM syncup.batch_counter WHERE batch = t.last() AND mapping = 'enr';
		RETURN NEXT ' one of them goes; then the user, with the links';
		RETURN QUERY SELECT t.go(mode, E'S1,ada,01,01.08.2026,\nS1,bob,,02.08.2026,x\n');
		RETURN QUERY SELECT t.go(mode, E'S1,ada,1,01.08.2026,\nS1,bob,,02.08.2026,x\n', E'u2,bob\n');
		IF mode = 'complete' THEN
			RETURN NEXT ' drift: a column written by hand, a link too many, one too few; others'' columns stay';
			RETURN QUERY SELECT t.go(mode, E'S1,ada,1,01.08.2026,\nS1,bob,,02.08.2026,x\nS1,bob,2,,\n', two);
			UPDATE target.enrollment SET note = 'mine', since = 8 WHERE usr = 'u2' AND role IS NULL;
			INSERT INTO target.enrollment VALUES ('S1', 'u1', NULL), ('S2', 'u2', 1);
			DELETE FROM target.enrollment WHERE role = 2;
			RETURN QUERY SELECT t.go(mode, E'S1,ada,1,01.08.2026,\nS1,bob,,02.08.2026,x\nS1,bob,2,,\n');
			RETURN QUERY SELECT t.changes();
			RETURN QUERY SELECT '  since ' || string_agg(since::text, ' ' ORDER BY since) FROM target.enrollment;
		END IF;
	END LOOP;
END
$$;
SELECT t.life();

-- Without a key of links: one link a pair.
CALL t.fresh(NULL);
CALL t.write('section.csv', E'id,name\nS1,Math\n');
SELECT t.go('initial', E'S1,ada,1,01.08.2026,\nS1,ada,2,01.08.2026,\n', E'u1,ada\n');
SELECT t.go('incremental', E'S1,ada,2,01.09.2026,n\n');
SELECT t.changes();

-- Review: what was changed meanwhile is refused; forced, what was reviewed is written.
CALL t.fresh();
CALL t.write('section.csv', E'id,name\nS1,Math\nS2,Art\n');
SELECT t.go('initial', E'S1,ada,1,01.08.2026,\nS1,ada,2,,two\nS1,bob,1,,\nS2,bob,,,\n', E'u1,ada\nu2,bob\n');
SELECT syncup_set_thresholds('E', '{"maximum_link_updated_lines": 1}');
SELECT t.go('incremental', E'S1,ada,1,02.08.2026,a\nS1,ada,2,,zwei\nS1,bob,2,,\nS2,bob,,,n\n');
SELECT t.changes();
SELECT counter, count, exceeded FROM syncup.threshold_check WHERE batch = t.last() AND mapping IS NULL AND counter LIKE 'link%' ORDER BY 1;
SELECT line FROM syncup_report(t.last()), string_to_table(syncup_report, E'\n') line WHERE line ~ '(delete|insert|update) enr|Changes';
UPDATE target.enrollment SET note = 'hand' WHERE role = 2;
UPDATE target.enrollment SET note = 'n' WHERE section = 'S2';
SELECT t.error(format('SELECT syncup_resume(%L)', t.last()));
SELECT status, links_inserted, links_updated, links_deleted FROM syncup_resume(t.last(), force => true);
SELECT t.links();
SELECT syncup_set_thresholds('E', '{"maximum_link_updated_lines": 0}');

-- Exported files are sources.
SELECT t.go('incremental', E'S1,ada,1,02.08.2026,a\nS1,ada,2,,zwei\nS1,eve,2,,\nS2,bob,,,n\n');
SELECT syncup_export(t.last(), t.dir());
SELECT t.read('enr.sorted.csv');
SELECT t.read('enr.sorted.delta');
SELECT t.read('enr.orphans.csv');

-- Files of changes: an empty cell of a column keeps, NULL_NULL empties; the key's is a null.
SELECT syncup_map_association('E', 'enr', 'enr_changes.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr', '{"command_column": "do"}');
CREATE FUNCTION t.change(lines text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('enr_changes.csv', E'do,section,user,role,begin,note\n' || lines);
	RETURN QUERY SELECT t.go('incremental', '');
END
$$;
SELECT t.change(E'update,S1,ada,1,,b\nmerge,S1,ada,3,01.01.2027,\ndelete,S1,ada,2,,\nupdate,S1,bob,9,,\nmerge,S2,bob,,05.08.2026,\n');
SELECT t.error($$SELECT t.change(E'update,S1,ada,1,NULL_NULL,\ninsert,S2,bob,1,x,\n')$$);
SELECT t.change(E'update,S1,ada,1,NULL_NULL,\ninsert,S2,bob,,,\n');
SELECT t.change(E'insert,S2,bob,1,,\ndelete,S2,bob,,,\n');

-- Mapped again: another column takes a complete run; another key is refused.
SELECT syncup_map_association('E', 'enr', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr', '{"command_column": null, "columns": {"role": "role", "begin": {"column": "begins", "format": "datetime:DD.MM.YYYY"}}}');
SELECT needs_complete FROM syncup.connector;
SELECT t.go('complete', E'S1,ada,1,02.08.2026,zzz\n');
SELECT t.error($$SELECT syncup_map_association('E', 'enr', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr', '{"link_key": null}')$$);
-- Misuse
CREATE FUNCTION t.map(options text, target2 text DEFAULT 'usr') RETURNS SETOF text LANGUAGE sql AS $$
	SELECT t.error(format('SELECT syncup_map_association(''E'', ''x'', ''enr.csv'', ''section'', ''section.id'', ''user'', ''user.dn'', ''target.enrollment'', ''section'', %L, %L)', target2, options))
$$;
SELECT syncup_drop_mapping('E', 'enr');
SELECT t.map('{"columns": {"role": "rolle"}}');
SELECT t.map('{"columns": {"role": "usr"}}');
SELECT t.map('{"columns": {"role": {"column": "role", "format": "datum"}}}');
SELECT t.map('{"columns": {"role": "role"}, "link_key": ["begin"]}');
SELECT t.map('{"columns": {"role": "role"}, "link_key": ["user"]}');
SELECT t.map('{"link_key": ["role"]}');
SELECT t.map('{"columns": {"note": {"column": "note", "empty": "keep"}}}');
SELECT t.map('{"columns": ["role"]}');
SELECT t.map('{"columns": {"role": "role"}, "link_key": "role"}');
ALTER TABLE target.enrollment ADD doc json;
SELECT t.map('{"columns": {"role": "doc"}, "link_key": ["role"]}');
SELECT t.error($$SELECT syncup_map_association('E', 'x', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.section', target_column2 => 'name', options => '{"columns": {"role": "role"}}')$$);
SELECT syncup_map_association('E', 'y', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr', '{"columns": {"role": "role"}, "link_key": ["role"]}');
SELECT t.map('{"columns": {"begin": "begins"}}');

-- Several of them: the columns of the first that gives a link are written.
DELETE FROM target.enrollment;
SELECT syncup_map_association('E', 'z', 'enr2.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr', '{"columns": {"role": "role", "note": "note"}, "link_key": ["role"]}');
SELECT syncup_map_association('E', 'y', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr', '{"columns": {"role": "role", "begin": {"column": "begins", "format": "datetime:DD.MM.YYYY"}, "note": "note"}}');
CREATE FUNCTION t.both(mode text, one text, two text) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	CALL t.write('enr2.csv', E'section,user,role,begin,note\n' || two);
	RETURN QUERY SELECT s FROM t.go(mode, one) s WHERE s !~ '^  [+]';
	RETURN QUERY SELECT format('  %s +%s %s -%s', c.mapping, c.inserted, c.updated, c.deleted) FROM syncup.batch_counter c WHERE c.batch = t.last() AND mapping IN ('y', 'z') ORDER BY 1;
END
$$;
SELECT t.both('complete', E'S1,ada,1,01.01.2026,a\nS1,bob,1,,b\n', E'S1,ada,1,,A\nS1,ada,2,,C\n');
SELECT t.both('incremental', E'S1,bob,1,,b\n', E'S1,ada,1,,A\nS1,ada,2,,C\n');
SELECT t.both('incremental', E'S1,bob,1,,b\nS1,ada,1,02.02.2026,\n', E'S1,ada,1,,A\n');
SELECT t.both('complete', E'S1,bob,1,,b\n', E'S1,ada,1,,A\nS1,bob,1,,B\n');

-- A column may feed two, repeat a side, or be written at insertion only.
CALL t.fresh();
CALL t.write('section.csv', E'id,name\nS1,Math\n');
CREATE TABLE target.copy (section text, usr text, note text, again text, side text, first text, PRIMARY KEY (section, usr));
SELECT syncup_map_association('E', 'copy', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.copy', 'section', 'usr',
	'{"columns": {"note": ["note", "again"], "user": "side", "begin": {"column": "first", "write": "insert"}}}');
SELECT count(*) FROM t.go('initial', E'S1,ada,1,01.08.2026,x\n', E'u1,ada\nu2,bob\n');
SELECT count(*) FROM t.go('incremental', E'S1,ada,1,02.08.2026,y\nS1,bob,1,02.08.2026,\n');
SELECT inserted, updated, deleted FROM syncup.batch_counter WHERE batch = t.last() AND mapping = 'copy';
UPDATE target.copy SET first = 'hand';
SELECT count(*) FROM t.go('complete', E'S1,ada,1,02.08.2026,y\nS1,bob,1,02.08.2026,\n');
SELECT * FROM target.copy ORDER BY 1, 2;
SELECT syncup_drop_mapping('E', 'copy');

-- Bad rows: a link whose column is bad stays as it is, also one that only the target
-- knows; where what tells it apart is bad nothing is deleted.
CALL t.fresh();
CALL t.write('section.csv', E'id,name\nS1,Math\nS2,Art\n');
SELECT t.go('initial', E'S1,ada,1,01.08.2026,\nS1,ada,2,,two\nS2,bob,1,,\n', E'u1,ada\nu2,bob\n');
SELECT syncup_create_connector('E', options => '{"on_error": "quarantine"}');
INSERT INTO target.enrollment VALUES ('S2', 'u2', 4), ('S2', 'u2', 5);
SELECT t.go('complete', E'S1,ada,1,today,\nS2,bob,4,tomorrow,\n');
SELECT t.go('incremental', E'S1,ada,1,02.08.2026,\nS2,bob,none,,\n');
SELECT t.go('complete', E'S1,ada,1,03.08.2026,\nS2,bob,none,,\n');
-- rows of one link that contradict each other are all set aside, if so asked
SELECT syncup_map_association('E', 'enr', 'enr.csv', 'section', 'section.id', 'user', 'user.dn', 'target.enrollment', 'section', 'usr', '{"duplicates": "reject", "where": "role <> ''3''"}');
SELECT t.go('complete', E'S1,ada,1,04.08.2026,a\nS1,ada,1,04.08.2026,b\nS2,bob,4,,\nS2,bob,3,,\n');

-- At random: what is there is what the file says, whatever the mode; undone it is what it was.
CREATE FUNCTION t.random(seed float, days int) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	lines text[];
	users text[];
	mode text;
	was text := '';
	wanted text;
	had int;
	changed int;
BEGIN
	PERFORM setseed(seed);
	CALL t.fresh();
	CALL t.write('section.csv', E'id,name\nS1,Math\nS2,Art\nS3,PE\n');
	FOR day IN 1 .. days LOOP
		users := ARRAY(SELECT format('u%s,%s%s', i, CASE WHEN random() < 0.5 THEN 'd' ELSE 'D' END, (i + day / 6) % 7) FROM generate_series(1, 6) i WHERE random() < 0.85);
		IF day % 3 <> 0 OR lines IS NULL THEN
			lines := ARRAY(SELECT DISTINCT ON (s, u, r) format('S%s,%s%s,%s,%s,%s', s, CASE WHEN random() < 0.5 THEN 'd' ELSE 'D' END, u, nullif(r, 0),
				CASE WHEN random() < 0.5 THEN '0' || 1 + (random() * 3)::int || '.05.2026' END, CASE WHEN random() < 0.5 THEN 'n' || (random() * 2)::int END)
				FROM (SELECT 1 + (random() * 2)::int AS s, (random() * 7)::int AS u, (random() * 2)::int AS r FROM generate_series(1, 14)) x);
		END IF;
		mode := CASE WHEN day = 1 THEN 'initial' WHEN random() < 0.6 THEN 'incremental' ELSE 'complete' END;
		RETURN QUERY SELECT format('day %s %s:', day, mode) || s FROM t.go(mode, array_to_string(lines, E'\n') || E'\n', array_to_string(users, E'\n') || E'\n') s WHERE s ~ 'NOT';
		SELECT coalesce(string_agg(concat_ws('-', c[1], e.id, coalesce(nullif(c[3], ''), '0'), to_date(nullif(c[4], ''), 'DD.MM.YYYY'), nullif(c[5], '')), ' '
				ORDER BY c[1] COLLATE "C", e.id COLLATE "C", coalesce(nullif(c[3], ''), '0')), '')
		INTO wanted
		FROM (SELECT string_to_array(l, ',') FROM unnest(lines) l) AS l (c)
		JOIN (SELECT split_part(u, ',', 1), split_part(u, ',', 2) FROM unnest(users) u) AS e (id, dn) ON lower(e.dn) = lower(c[2]);
		IF t.links() <> wanted THEN
			RETURN NEXT format('day %s %s: %s, wanted %s', day, mode, t.links(), wanted);
		END IF;
		SELECT stored_before, inserted - deleted INTO had, changed FROM syncup.batch_counter c WHERE batch = t.last() AND mapping = 'enr';
		IF day > 1 AND had + changed <> (SELECT count(*) FROM target.enrollment) THEN
			RETURN NEXT format('day %s %s: counted %s of %s', day, mode, changed, had);
		END IF;
		IF (SELECT count(*) FROM syncup.orphan) <> (SELECT count(*) FROM unnest(lines) l WHERE lower(split_part(l, ',', 2)) NOT IN (SELECT lower(split_part(u, ',', 2)) FROM unnest(users) u)) THEN
			RETURN NEXT format('day %s %s: %s orphans', day, mode, (SELECT count(*) FROM syncup.orphan));
		END IF;
		IF day % 4 = 0 THEN
			PERFORM syncup_undo(t.last());
			IF t.links() <> was THEN
				RETURN NEXT format('day %s undone: %s, was %s', day, t.links(), was);
			END IF;
			RETURN QUERY SELECT format('day %s again:', day) || s FROM t.go(mode, array_to_string(lines, E'\n') || E'\n') s WHERE s ~ 'NOT';
			IF t.links() <> wanted THEN
				RETURN NEXT format('day %s again: %s, wanted %s', day, t.links(), wanted);
			END IF;
		END IF;
		was := wanted;
	END LOOP;
END
$$;
SELECT t.random(0.3, 30);

-- A cell of several values, in files of changes: each pair has a key of its own. Blanks around a value are trimmed like those of a cell.
SELECT syncup_drop_connector('E');
CREATE TABLE target.person (id text PRIMARY KEY);
CREATE TABLE target.knows (a text, b text, role text, UNIQUE (a, b, role));
CALL t.write('person.csv', E'id\n1\n2\n3\n');
CALL t.write('knows.csv', E'a;b;role\n1; 1, 2 ;x\n2;" ,3\\, ,";x\n3; , ;x\n');
CALL t.write('knows_changes.csv', E'op;a;b;role\ninsert;1; 3,1;y\ndelete;1;1 , 2;x\n');
SELECT syncup_create_connector('E', t.dir(), '{"trim": " "}');
SELECT syncup_map_entity_type('E', 'person', 'target.person', 'person.csv', 'id');
SELECT syncup_map_association('E', 'knows', 'knows.csv', 'a', 'person.id', 'b', 'person.id', 'target.knows', 'a', 'b',
	'{"delimiter": ";", "split": ",", "columns": {"role": "role"}, "link_key": ["role"], "command_column": "op", "incremental_file": "knows_changes.csv"}');
SELECT syncup_prepare('E', 'initial') IS NOT NULL AS prepared;
SELECT status, links_inserted, links_deleted FROM syncup_synchronize('E');
SELECT a, b, role FROM target.knows ORDER BY 1, 2, 3;
SELECT key, message FROM syncup.quarantine WHERE batch = t.last();
SELECT syncup_prepare('E', 'incremental') IS NOT NULL AS prepared;
SELECT status, links_inserted, links_deleted FROM syncup_synchronize('E', force => true);
SELECT a, b, role FROM target.knows ORDER BY 1, 2, 3;
SELECT a, b, role FROM syncup_previous.e_knows ORDER BY 1, 2, 3;

\set end :srcdir '/include/end.sql'
\i :end
