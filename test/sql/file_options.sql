-- What a file means: no value, short rows, lines that are no rows, trailers, blanks
-- around quotes, names, words of commands, escaped separators (SPEC 2.7).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
SET client_min_messages = warning;

-- ---------- null ----------
SELECT t.csv(E'a,b\nNULL,\\N\n"NULL","\\N"\nNULLx,null\n', '{"null": ["NULL", "\\N"]}');
SELECT t.csv(E'a,b\n  NULL ,x\n', '{"null": "NULL", "trim": " "}');
-- a name in the header is none
SELECT t.csv(E'NULL,b\n1,NULL\n', '{"null": "NULL"}');
SELECT t.csv(convert_to(E'a,b\né,x\n', 'LATIN1'), '{"null": "é", "encoding": "LATIN1"}');
SELECT t.csv_error(E'a\n1\n', '{"null": true}');
SELECT t.csv_error(E'a\n1\n', '{"null": ["NULL", 1]}');

-- ---------- short rows ----------
SELECT t.csv(E'a,b,c\n1,2,3\n4,5\n6\n', '{"short_rows": "pad"}');
SELECT t.csv_error(E'a,b,c\n1,2,3\n4,5\n', '{"short_rows": "error"}');
SELECT t.csv_error(E'a,b,c\n1,2,3,4\n', '{"short_rows": "pad"}');
SELECT t.csv_error(E'a,b\n1\n', '{"short_rows": true}');
SELECT t.csv_error(E'a,b\n1\n', '{"short_rows": "fill"}');
-- after a misplaced quote a row is one only if it has all its fields
SELECT t.csv(E'a,b,c\n1,x"y,3\n4\n5,6,7\n8\n', '{"short_rows": "pad", "on_error": "quarantine"}');

-- ---------- lines that are no rows ----------
SELECT t.csv(E'# made by SAP\na,b\n#1,2\n3,#4\n"#5",6\n"7\n#8",9\n#\n', '{"comment": "#"}');
SELECT t.csv(E'--- list ---\na|b\n-----\n1|2\n-----\n\n  page 2\n3|4\n', '{"delimiter": "|", "ignore_lines": "^(-+$|--- |\\s+page)"}');
SELECT t.csv_error(E'a\n1\n', '{"ignore_lines": "("}');
SELECT t.csv_error(E'a\n1\n', '{"comment": 1}');
SELECT t.csv_error(E'# x\n# y\n', '{"comment": "#"}');

-- ---------- trailer ----------
SELECT t.csv(E'a,b\n1,2\n3,4\nEND 2\n\n\r\n', '{"trailer": "^END ([0-9]+)$"}');
SELECT t.csv(E'a,b\nEND 9,2\n3,4\nEND\n', '{"trailer": "^END"}');
SELECT t.csv_error(E'a,b\n1,2\n3,4\n', '{"trailer": "^END ([0-9]+)$"}');
SELECT t.csv_error(E'a,b\n1,2\nEND 2\n', '{"trailer": "^END ([0-9]+)$"}');
SELECT t.csv_error(E'a,b\n1,2\n3,4\nEND 1', '{"trailer": "^END ([0-9]+)$"}');
SELECT t.csv_error(E'a,b\n1,2\nEND x\n', '{"trailer": "^END (.+)$"}');
SELECT t.csv_error(E'a,b\n1,2\n', '{"trailer": "("}');
-- rows that are set aside count, comments do not
SELECT t.csv(E'a,b\n1,2\n#x\n3\n5,6\nEND 3', '{"trailer": "^END ([0-9]+)$", "comment": "#", "on_error": "quarantine"}');
SELECT t.csv(convert_to(E'a;b\n1;2\nÜbertragen: 1 Sätze', 'LATIN1'), '{"trailer": "^Übertragen: ([0-9]+) Sätze$", "encoding": "LATIN1", "delimiter": ";"}');

-- ---------- blanks around quotes ----------
SELECT t.csv(E'"a"; "b" ;c\n "1; 2" ; "x ""y"" z"  ; 3 \n"4"\t;" 5 "; "6\n7" \n', '{"delimiter": ";", "trim": " \t"}');
SELECT t.csv_error(E'a,b\n1, "2"\n');
SELECT t.csv_error(E'a,b\n1, "2"x\n', '{"trim": " "}');
SELECT t.csv(E'a,b\n1, "say "hi" now" \n', '{"trim": " ", "quoting": "lenient"}');
SELECT t.csv(E'a,b\n1, "x\\"y" \n', '{"trim": " ", "escape": "\\"}');

-- ---------- names ----------
SELECT * FROM syncup_csv_header(t.dir() || '/csv', '{"header": false, "names": ["id", "name"]}');
SELECT t.csv(E'1,2\n3,4\n', '{"header": false, "names": ["x", "y"]}');
CALL t.write('csv', E'1,2\n');
SELECT y FROM syncup_read_csv(t.dir() || '/csv', '{"header": false, "names": ["x", "y"]}') AS (y int);
SELECT t.csv_error(E'1,2\n', '{"header": false, "names": ["x"]}');
-- With names the first row is a row as any other: short, or set aside.
SELECT t.csv_error(E'1\n', '{"header": false, "names": ["x", "y"]}');
SELECT t.csv(E'1\n2,b\n', '{"header": false, "names": ["x", "y"], "short_rows": "pad"}');
SELECT t.csv(E'1\n2,b\n3,c,d\n4,e\n', '{"header": false, "names": ["x", "y"], "on_error": "quarantine"}');
SELECT t.csv(E'1,a,b\n2,b\n', '{"header": false, "names": ["x", "y"], "on_error": "quarantine"}');
SELECT t.csv(E'1,"a"b\n2,b\n', '{"header": false, "names": ["x", "y"], "on_error": "quarantine"}');
SELECT t.csv_error(E'1,"a"b\n2,b\n', '{"header": false, "on_error": "quarantine"}');
SELECT t.csv_error(E'1,2\n', '{"names": ["x", "y"]}');
SELECT t.csv_error(E'1,2\n', '{"header": false, "names": "x"}');

-- ---------- prepared: every option through a mapping ----------
CREATE TABLE target.p (id int PRIMARY KEY, name text, room text);
CALL t.write('p.csv', E'id,name,room\n1,Ada,5\n2,Bo,-\n3,Cy,7\n-,x,y\n');
SELECT syncup_create_connector('P', t.dir(), '{"on_error": "quarantine", "null": "-"}');
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"incremental_file": "c.csv", "command_column": "op", "commands": {"active": "merge", "D": "delete", "gone": "delete"},
	"incremental_options": {"delimiter": ";", "header": false, "names": ["op", "id", "name", "room"], "short_rows": "pad"}}');
SELECT syncup_set_thresholds('P', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));

SELECT syncup_prepare('P', 'initial') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('P');
SELECT * FROM target.p ORDER BY id;
SELECT line, reason, message FROM syncup.quarantine;
-- a marked cell empties, an empty one and a missing one leave the value
CALL t.write('c.csv', E'active;1;;-\nACTIVE;3;Cy Young\nd;2\nwrong;3\ninsert;4;-;-\nadd;5;Ed;9\n');
SELECT syncup_prepare('P', 'incremental') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('P');
SELECT * FROM target.p ORDER BY id;
SELECT line, reason, key, message FROM syncup.quarantine WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1);
SELECT t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"commands": {"x": "destroy"}}')$$);
SELECT t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"commands": "x"}')$$);
SELECT t.error($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"incremental_options": {"delimeter": ";"}}')$$);
-- what says nothing for want of another option is refused, here or in those of the other file
SELECT t.error(format($$SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => %L)$$, o)) FROM (VALUES (1, '{"command_column": null}'), (2, '{"incremental_file": null}'),
	(3, '{"incremental_options": {"names": ["op", "id"]}}'), (4, '{"command_column": null, "commands": null, "incremental_options": {"commands": {"x": "merge"}}}')) v (n, o) ORDER BY n;
BEGIN;
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"command_column": null, "incremental_options": {"command_column": "op"}}');
ROLLBACK;
BEGIN;
SELECT syncup_create_connector('P', options => '{"command_column": "op", "incremental_file": "c.csv"}');
SELECT syncup_map_entity_type('P', 'p', 'target.p', 'p.csv', 'id', options => '{"command_column": null, "incremental_file": null}');
ROLLBACK;
-- a call says what the other file is like, too
CALL t.write('c.csv', E'op|id|name|room\nactive|5|Eve|9\n');
SELECT syncup_prepare('P', 'incremental', '{"incremental_options": {"delimiter": "|"}}') IS NOT NULL AS prepared;
SELECT status, updated FROM syncup_synchronize('P');
-- words of a file that is only read
CALL t.write('d.csv', E'op,id\nI,1\nu,2\ndelete,3\n');
SELECT * FROM syncup_read_delta(t.dir() || '/d.csv', '{"command_column": "op", "commands": {"I": "insert", "U": "modify"}}') AS (command text, id int);
-- a file that says less than it should is refused, and nothing is lost
SELECT syncup_create_connector('P', options => '{"trailer": "^T([0-9]+)$"}');
CALL t.write('p.csv', E'id,name,room\n1,Ada,5\nT2\n');
SELECT t.refused($$SELECT syncup_prepare('P', 'complete')$$);
CALL t.write('p.csv', E'id,name,room\n1,Ada,5\n3,Cy,7\nT2\n');
SELECT syncup_prepare('P', 'complete') IS NOT NULL AS prepared;
SELECT status, deleted FROM syncup_synchronize('P');
-- several passes count the rows anew
SET maintenance_work_mem = '1MB';
CALL t.shell('{ echo id,name,room; seq 1 60000 | sed "s/$/,x,y/"; echo T60000; } > p.csv');
SELECT syncup_prepare('P', 'complete') IS NOT NULL AS prepared;
SELECT rows_read, rows_kept FROM syncup.batch_counter ORDER BY rows_read DESC LIMIT 1;
RESET maintenance_work_mem;

-- ---------- escaped separators in lists ----------
SELECT v, syncup_format(v, 'multivaluedtext:;') FROM unnest(ARRAY['a;b', 'a\;b;c', 'a\\;b', 'a\\\;b', '\\srv\x;y', 'CN=a\, b;c', 'a\', ';;\;', 'a\;', 'X400:c=us\;a= \;o=Org\;']) AS v;
SELECT v, syncup_format(v, 'multivaluedtext:||') FROM unnest(ARRAY['a||b', 'a\||b', 'a|b\\||c']) AS v;
SELECT v, syncup_format(v, 'multivaluedtext') FROM unnest(ARRAY[E'a\\\nb', E'a\\;b\nc']) AS v;

\set end :srcdir '/include/end.sql'

-- names of the connector are those of its files without header; incremental_options inherit "header": false
CREATE TABLE target.named (id int PRIMARY KEY, name text);
CALL t.write('named.csv', E'1,Ada\n2,Bo\n');
CALL t.write('named_changes.csv', E'op;id;name\nupdate;1;Ann\ndelete;2;\n');
SELECT syncup_create_connector('N', t.dir(), '{"header": false, "names": ["id", "name"]}');
SELECT syncup_map_entity_type('N', 'n', 'target.named', 'named.csv', 'id', options => '{"incremental_file": "named_changes.csv", "command_column": "op", "incremental_options": {"delimiter": ";", "header": true}}');
SELECT syncup_set_thresholds('N', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SELECT syncup_prepare('N', 'initial') IS NOT NULL AS prepared;
SELECT status, inserted FROM syncup_synchronize('N');
SELECT syncup_prepare('N', 'incremental') IS NOT NULL AS prepared;
SELECT status, updated, deleted FROM syncup_synchronize('N');
SELECT * FROM target.named;
SELECT t.error($$SELECT syncup_map_entity_type('N', 'n', 'target.named', 'named.csv', 'id', options => '{"header": true, "names": ["id", "name"]}')$$);
SELECT syncup_map_entity_type('N', 'n', 'target.named', 'named.csv', 'id', options => '{"incremental_options": {"names": ["op", "id", "name"]}}');
CALL t.write('named_changes.csv', E'insert,3,Cy\n');
SELECT syncup_prepare('N', 'incremental') IS NOT NULL AS prepared;
SELECT status, inserted FROM syncup_synchronize('N');
SELECT * FROM target.named ORDER BY id;
\i :end
