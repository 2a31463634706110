-- Names as people and sources give them do no harm: connectors, mappings, columns and
-- headers with quotes, newlines and SQL, at the limit of 63 bytes, of several bytes a
-- letter, reserved or colliding.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
-- What must survive all this.
CREATE TABLE target.canary AS SELECT 1 AS alive;

-- One whole story under any names: every function and view that takes one of them.
-- Says nothing where all is well.
CREATE FUNCTION t.story(connector text, mapping text, headers text[], tablename text, columns text[]) RETURNS SETOF text
LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
	target regclass;
	id uuid;
	told text;
	header text := (SELECT string_agg(t.field(h), ',' ORDER BY n) FROM unnest(headers) WITH ORDINALITY AS x (h, n));
BEGIN
	EXECUTE format('CREATE TABLE target.%I (%I text PRIMARY KEY, %I text CHECK (%3$I <> ''refused''), %I text)', tablename, columns[1], columns[2], columns[3]);
	target := format('target.%I', tablename);
	CALL t.write('n.csv', header || E'\nk1,a,a\nk2,b,b\n,x,x\n');
	PERFORM syncup_create_connector(connector, t.dir());
	PERFORM syncup_map_entity_type(connector, mapping, target, 'n.csv', headers[1],
		jsonb_build_object(headers[1], columns[1], headers[2], columns[2]), ARRAY[headers[3]]);
	PERFORM syncup_set_thresholds(connector, '{"maximum_deleted_lines": 5}', mapping);
	PERFORM syncup_prepare(connector, 'initial');
	RETURN QUERY SELECT 'initial: ' || s.status FROM syncup_synchronize(connector) s WHERE s.status <> 'applied';
	CALL t.write('n.csv', header || E'\nk1,c,c\n');
	RETURN QUERY SELECT 'preview: nothing' WHERE NOT EXISTS (SELECT FROM syncup_preview(connector, 'complete') p WHERE p.exceeded);
	id := syncup_prepare(connector, 'complete');
	RETURN QUERY SELECT 'complete: ' || s.status FROM syncup_synchronize(connector, keep_changes => true) s WHERE s.status <> 'blocked';
	RETURN QUERY SELECT 'changes: ' || c::text FROM syncup_changes(id) c WHERE c.mapping <> story.mapping OR c.column_name <> columns[2];
	RETURN QUERY SELECT 'report' WHERE strpos(syncup_report(id), connector) = 0;
	PERFORM syncup_findings(id), syncup_export(id, t.dir());
	RETURN QUERY SELECT 'status: ' || coalesce(s.blocked::text, 'not blocked') FROM syncup.status s WHERE s.connector = story.connector AND s.blocked IS DISTINCT FROM id;
	RETURN QUERY SELECT 'resume: ' || s.status FROM syncup_resume(id) s WHERE s.status <> 'applied';
	EXECUTE format('SELECT string_agg(r::text, '' '') FROM %s r', target) INTO told;
	RETURN QUERY SELECT 'rows: ' || told WHERE told IS DISTINCT FROM '(k1,c,)';
	PERFORM syncup_undo(id);
	EXECUTE format('SELECT string_agg(r::text, '' '' ORDER BY r::text) FROM %s r', target) INTO told;
	RETURN QUERY SELECT 'undone: ' || told WHERE told IS DISTINCT FROM '(k1,a,) (k2,b,)';
	-- A failure names connector, mapping and column.
	CALL t.write('n.csv', header || E'\nk1,refused,\n');
	PERFORM syncup_prepare(connector, 'complete');
	PERFORM syncup_synchronize(connector, true);
	RETURN QUERY SELECT 'failure: ' || coalesce(b.error, 'none') FROM syncup.batch b WHERE b.connector = story.connector AND b.status = 'failed' AND strpos(b.error, format('(connector "%s", mapping "%s")', connector, mapping)) = 0;
	RETURN QUERY SELECT 'no failure' WHERE NOT EXISTS (SELECT FROM syncup.batch b WHERE b.connector = story.connector AND b.status = 'failed');
	PERFORM syncup_discard(t.last(connector), connector);
	-- Other columns, then nothing at all.
	PERFORM syncup_map_entity_type(connector, mapping, target, 'n.csv', headers[1], jsonb_build_object(headers[1], columns[1], headers[2], columns[3]));
	PERFORM syncup_deactivate(connector), syncup_activate(connector);
	RETURN QUERY SELECT 'tables: ' || count(*) FROM pg_class c JOIN syncup.mapping m ON m.table_name = c.relname
		WHERE m.connector = story.connector AND c.relnamespace::regnamespace::text ~ '^syncup_' HAVING count(*) <> 3;
	PERFORM syncup_drop_mapping(connector, mapping);
	PERFORM syncup_drop_connector(connector);
	RETURN QUERY SELECT 'left: ' || c.relname FROM pg_class c WHERE c.relnamespace::regnamespace::text ~ '^syncup_';
	EXECUTE format('DROP TABLE %s', target);
END
$$;

SELECT t.story('plain', 'm', '{id,v,w}', 'x', '{id,v,w}');
-- Quotes, SQL, newlines, backslashes, formats, paths, names of ours, letters of all lengths.
CREATE TABLE t.name (n serial, name text);
INSERT INTO t.name (name) VALUES ('a"b'), ('""'), ($$'; DROP TABLE target.canary; --$$), ('"; DROP TABLE target.canary; --'), ('a/*b'), ('a\b\'), ('$1'), ('$$a$$'), ('%s%n%I'),
	('{"a": 1}'), ('a,b;c'), ('a.b'), ('../x'), ('*?[a]'), ('select'), ('null'), ('batch'), ('old'), ('ctid'), ('s'), ('c1'), ('syncup_outside'),
	('Ä'), ('ß'), ('İ'), ('日本語'), ('👍🏽'), (E'e\u0301'), (E'\u202Eabc'), (E'\uFEFFa'), (E'a\nb'), (E'\r\n'), (E'a\tb'), (E'\x7f');
CREATE VIEW t.printable AS SELECT * FROM t.name WHERE name !~ '[\x01-\x1f\x7f]';
-- Of a header and of the target's columns and name any may be, but what no table can
-- have; of connectors and mappings those without control characters.
SELECT name, said FROM t.name, LATERAL t.story('C', 'm', ARRAY[name, 'v', 'w'], name, ARRAY['id', CASE WHEN name = 'ctid' THEN 'v' ELSE name END, 'w']) AS said ORDER BY n;
SELECT name, said FROM t.printable, LATERAL t.story(name, 'm', ARRAY['id', name, 'w'], 'x', ARRAY[CASE WHEN name = 'ctid' THEN 'id' ELSE name END, 'v', 'w']) AS said ORDER BY n;
SELECT t.error(format('SELECT syncup_create_connector(%L)', name)) FROM t.name WHERE name NOT IN (SELECT name FROM t.printable);
SELECT * FROM target.canary;

-- Headers that stored columns or change columns cannot keep apart as they are.
SELECT t.story('C', 'm', '{batch,batch_,command}', 'x', '{command,batch,batch_}');
SELECT t.story('C', 'm', '{changed,old,old_}', 'x', '{old,changed,old_}');
SELECT t.story('C', 'm', '{ctid,ctid_,ctid_2}', 'x', '{a,b,c}');
SELECT t.story('C', 'm', ARRAY[repeat('x', 63), repeat('x', 64), repeat('x', 65)], 'x', '{a,b,c}');
SELECT t.story('C', 'm', ARRAY[repeat('é', 31) || 'x', repeat('é', 32), repeat('é', 33)], 'x', '{a,b,c}');
SELECT t.story('C', 'm', ARRAY[repeat('👍', 15) || 'abc', repeat('👍', 16), repeat('👍', 17)], 'x', '{a,b,c}');
SELECT t.story('C', 'm', ARRAY[repeat('h', 5000), repeat('h', 5001), repeat('h', 5002)], 'x', '{a,b,c}');
SELECT t.story('C', 'm', '{a,b,c}', repeat('t', 63), ARRAY[repeat('x', 63), repeat('x', 62), repeat('x', 61)]);
SELECT t.story('C', 'm', '{a,b,c}', repeat('é', 31), ARRAY[repeat('é', 31), repeat('é', 30) || 'xx', repeat('é', 30) || 'xxx']);

-- Connector and mapping have 63 bytes together, in lower case; what is longer is
-- refused and not cut.
SELECT t.story(repeat('c', 31), repeat('m', 31), '{id,v,w}', 'x', '{id,v,w}');
SELECT t.story(repeat('é', 15), repeat('ü', 16), '{id,v,w}', 'x', '{id,v,w}');
SELECT t.story(repeat('👍', 7), repeat('👍', 8) || 'ab', '{id,v,w}', 'x', '{id,v,w}');
CREATE TABLE target.x (id text PRIMARY KEY, v text);
CREATE FUNCTION t.refuses(connector text, mapping text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT left(e, 60) FROM t.error(format('SELECT syncup_create_connector(%L, t.dir())', connector)) e WHERE e <> 'no error' LIMIT 1;
	RETURN QUERY SELECT left(e, 60) FROM t.refused(format('SELECT syncup_map_entity_type(%L, %L, %L, %L, %L, %L)', connector, mapping, 'target.x', 'n.csv', 'id', '{"id": "id"}')) e LIMIT 1;
END
$$;
SELECT t.refuses(repeat('c', 31), repeat('m', 32));
SELECT t.refuses(repeat('é', 15), repeat('ü', 16) || 'xx');
SELECT t.refuses(repeat('👍', 7), repeat('👍', 8) || 'abcd');
SELECT t.refuses(repeat('c', 64), 'm');
SELECT t.refuses('C', repeat('m', 64));
SELECT t.refuses('', 'm');
SELECT t.refuses('C', '');
-- Names that share their tables with others are refused, too.
SELECT syncup_create_connector(c, t.dir()) FROM unnest('{a,a_b,A,X,x,Ä,ä}'::text[]) c;
SELECT syncup_map_entity_type('a', 'b_c', 'target.x', 'n.csv', 'id', '{"id": "id"}', options => '{"scope": "v = ''1''"}');
SELECT t.refused($$SELECT syncup_map_entity_type('a_b', 'c', 'target.x', 'n.csv', 'id', '{"id": "id"}', options => '{"scope": "v = ''2''"}')$$);
SELECT t.refused($$SELECT syncup_map_entity_type('A', 'B_C', 'target.x', 'n.csv', 'id', '{"id": "id"}', options => '{"scope": "v = ''2''"}')$$);
SELECT syncup_map_entity_type('Ä', 'm', 'target.x', 'n.csv', 'id', '{"id": "id"}', options => '{"scope": "v = ''3''"}');
SELECT t.refused($$SELECT syncup_map_entity_type('ä', 'M', 'target.x', 'n.csv', 'id', '{"id": "id"}', options => '{"scope": "v = ''4''"}')$$);
SELECT connector, mapping, table_name FROM syncup.mapping ORDER BY 1, 2;

-- Associations: names of ends, of columns and of the link table.
CREATE FUNCTION t.links(connector text, entity text, association text, property text, columns text[]) RETURNS SETOF text
LANGUAGE plpgsql AS $$
DECLARE
	told text;
	stored text[];
BEGIN
	CREATE TABLE target.person (id text PRIMARY KEY);
	EXECUTE format('CREATE TABLE target.link (%I text, %I text)', columns[1], columns[2]);
	CALL t.write('p.csv', t.field('id') || ',' || t.field(property) || E'\n1,one\n2,two\n');
	CALL t.write('l.csv', t.field(columns[1]) || ',' || t.field(columns[2]) || E'\none,two\n');
	PERFORM syncup_create_connector(connector, t.dir());
	PERFORM syncup_map_entity_type(connector, entity, 'target.person', 'p.csv', 'id', '{"id": "id"}', ARRAY[property]);
	PERFORM syncup_map_association(connector, association, 'l.csv', columns[1], entity || '.' || property, columns[2], entity || '.' || property, 'target.link', columns[1]::name, columns[2]::name);
	PERFORM syncup_prepare(connector, 'initial');
	RETURN QUERY SELECT 'initial: ' || s.status || coalesce(b.error, '') FROM syncup_synchronize(connector) s JOIN syncup.batch b USING (batch) WHERE s.status <> 'applied';
	CALL t.write('l.csv', t.field(columns[1]) || ',' || t.field(columns[2]) || E'\ntwo,one\n');
	PERFORM syncup_prepare(connector, 'complete');
	RETURN QUERY SELECT 'complete: ' || s.status || coalesce(b.error, '') FROM syncup_synchronize(connector, true, true) s JOIN syncup.batch b USING (batch) WHERE s.status <> 'applied';
	SELECT string_agg(l::text, ' ') FROM target.link l INTO told;
	RETURN QUERY SELECT 'links: ' || coalesce(told, 'none') WHERE told IS DISTINCT FROM '(2,1)';
	RETURN QUERY SELECT 'changes: ' || c::text FROM syncup_changes(t.last(connector)) c WHERE c.mapping <> association OR c.column_name <> columns[2];
	PERFORM syncup_report(t.last(connector));
	PERFORM syncup_undo(t.last(connector));
	SELECT string_agg(l::text, ' ') FROM target.link l INTO told;
	RETURN QUERY SELECT 'undone: ' || coalesce(told, 'none') WHERE told IS DISTINCT FROM '(1,2)';
	PERFORM syncup_drop_connector(connector);
	DROP TABLE target.person, target.link;
END
$$;
SELECT t.links('C', 'p', 'l', 'dn', '{a,b}');
SELECT name, said FROM t.printable, LATERAL t.links('C', name, 'l', name, ARRAY['a', CASE WHEN name = 'ctid' THEN 'b' ELSE name END]) AS said ORDER BY n;
SELECT t.links('C', 'p', 'l', 'dn', ARRAY[repeat('é', 31), repeat('é', 30) || 'xx']);
SELECT * FROM target.canary;

\set end :srcdir '/include/end.sql'
\i :end
