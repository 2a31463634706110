-- Delimiters of several bytes (SPEC 2.7): leftmost match, quotes, encodings, lines that
-- are no rows, bad rows as they are in the file, and a whole life of a mapping.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs

SELECT t.csv(E'id||name\n1||Ada\n2||"B||o"\n3|||Cy\n4||\n', '{"delimiter": "||"}');
SELECT t.csv(E'id~|~name~|~note\r\n"1"~|~"a ""b"""~|~\r\n2~|~x\ny~|~~|\r\n', '{"delimiter": "~|~", "quoting": "lenient", "short_rows": "pad"}');
SELECT t.csv(E'id::name\n1::"a:b"\n2:::c\n', '{"delimiter": "::", "quote": ""}');
CALL t.write('h.csv', E'# made by\nid<=>na<me\n1<=>x\n');
SELECT * FROM syncup_csv_header(t.dir() || '/h.csv', '{"delimiter": "<=>", "comment": "#"}');
-- Also where the byte stands that takes its place on the way.
SELECT t.csv(convert_to(E'id||name\n1||\x1f\x1e\n2||"\x1f||\x1d"\n', 'UTF8'), '{"delimiter": "||"}');
-- Encodings: a delimiter of characters that have other bytes in the file.
SELECT t.csv(convert_to(E'id§name\n1§Zoé\n', 'LATIN1'), '{"delimiter": "§", "encoding": "LATIN1"}');
SELECT t.csv(convert_to(E'id§§name\n1§§Zoé§\n', 'UTF8'), '{"delimiter": "§§"}');
SELECT t.csv('\xfffe69007c007c006e000a0031007c007c00e9000a00'::bytea, '{"delimiter": "||", "encoding": "UTF16"}');
SELECT t.csv_error(convert_to('x', 'UTF8'), '{"delimiter": "→", "encoding": "LATIN1"}');
-- Lines that are no rows, and what a trailer says, are looked at as they are in the file.
SELECT t.csv(E'id||n\n1||a\n--||--\n2||b\nEND||2\n', '{"delimiter": "||", "ignore_lines": "^--\\|\\|--$", "trailer": "^END\\|\\|(\\d+)$"}');
SELECT t.csv_error(E'id||n\n1||a\nEND||2\n', '{"delimiter": "||", "trailer": "^END\\|\\|(\\d+)$"}');
-- Faults name the field.
SELECT t.csv_error(E'id||n\n1||"a"|b\n', '{"delimiter": "||"}');
SELECT t.csv_error(E'id||n\n1|a\n', '{"delimiter": "||"}');
SELECT t.csv_error(convert_to(E'id||n\n1||', 'UTF8') || '\xff0a'::bytea, '{"delimiter": "||"}');
-- What is refused.
SELECT e.* FROM (VALUES ('{"delimiter": "|\"|"}'::jsonb), ('{"delimiter": "\\|", "escape": "\\"}'), ('{"delimiter": "123456789"}'), ('{"delimiter": "|\n"}'), ('{"delimiter": ""}'),
	('{"delimiter": "a''", "quote": "''"}')) AS v (options), t.csv_error('x', v.options) AS e;

-- A mapping: bad rows are set aside with the bytes of the file; changes; links.
CREATE TABLE target.p (id int PRIMARY KEY, name text, boss int);
CALL t.write('m.csv', E'id||name||boss||op\n1||Ada||||\n2||"Bo||b"||1||\n');
SELECT t.map('target.p', 'id', '{"id": "id", "name": "name"}', '{"delimiter": "||", "on_error": "quarantine"}');
SELECT syncup_map_association('C', 'boss', 'm.csv', 'id', 'm.id', 'boss', 'm.id', 'target.p', NULL, 'boss', '{"delimiter": "||", "on_error": "quarantine"}');
SELECT syncup_prepare('C', 'initial') IS NOT NULL AS prepared;
SELECT status, inserted, links_inserted FROM syncup_synchronize('C');
TABLE target.p ORDER BY id;
SET client_min_messages = warning;
SELECT t.prepare('complete', E'id||name||boss||op\n1||Ada L.||||\n2||B"o||1||\n3||x|y||2||\nx||||||\n4||four\n') IS NOT NULL AS prepared;
SELECT mapping, line, reason, key, message, raw FROM syncup.quarantine WHERE batch = t.last() ORDER BY mapping, line;
SELECT status, inserted, updated, deleted FROM syncup_synchronize('C', true);
TABLE target.p ORDER BY id;
SELECT syncup_map_entity_type('C', 'm', 'target.p', 'm.csv', 'id', options => '{"command_column": "op"}');
SELECT t.prepare('incremental', E'id||name||boss||op\n1||||||delete\n2||"||"||||update\n') IS NOT NULL AS prepared;
SELECT status, inserted, updated, deleted FROM syncup_synchronize('C', true);
TABLE target.p ORDER BY id;

\set end :srcdir '/include/end.sql'
\i :end
