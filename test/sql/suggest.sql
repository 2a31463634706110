-- syncup_suggest and syncup_csv_sample: what a person reads. That proposals run and load
-- what files say is seen by t/080_suggest.pl.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'
\pset format unaligned
CREATE FUNCTION t.suggest(VARIADIC arguments text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
BEGIN
	RETURN QUERY SELECT replace(CASE cardinality(arguments) WHEN 1 THEN syncup_suggest(arguments[1]) ELSE syncup_suggest(arguments[1], arguments[2], coalesce(arguments[3], '{}')::jsonb) END, t.dir(), '<dir>');
END $$;

-- A folder: people with managers, groups with members in a cell, pairs with a role.
CALL t.shell($$
mkdir -p day && cd day
printf 'GUID;DN;Name;Login;Born;Manager;Disabled;Wage\r\n' >people.csv
for n in 1 2 3 4 5 6 7; do printf '{6F9619FF-8B86-D011-B42D-00CF4FC9640%s};"CN=P%s,OU=X";"P, %s";00%s;1%s.03.1980;"%s";no;1%s,5\r\n' $n $n $n $n $n "$([ $n = 1 ] || echo 'CN=P1,OU=X')" $n; done >>people.csv
sed -i '3s/;no;/;yes;/' people.csv
printf 'id,members\ng1,001;002\ng2,003\n' >groups.csv
printf 'group_id,login,role\ng1,001,owner\ng1,001,guest\ng1,002,guest\ng2,001,guest\n' >enrolled.csv
printf 'id,name\nX,1\n' >log.sql
printf 'id,members\n' >nobody.csv
printf 'op,id,members\ndelete,g1,\n' >groups_changes.csv
: >empty.csv
$$);
SELECT t.suggest(t.dir() || '/day');
-- the cells of a file, and how full its columns are
SELECT * FROM syncup_csv_sample(t.dir() || '/day/people.csv') WHERE ordinal IN (1, 3, 6);
SELECT * FROM syncup_csv_sample(t.dir() || '/day/people.csv', '{"delimiter": ","}') WHERE ordinal = 1;

-- What stands in no header as a column, numbers as keys that are doubled, NULL as a word, comments.
CALL t.shell($$printf '# made by X\nno,name,name,,state\n1,a,b,,NULL\n2,c,d,,on\n' >odd.csv$$);
SELECT t.suggest(t.dir() || '/odd.csv', 'hr.odd');
-- options that are given are not guessed
SELECT t.suggest(t.dir() || '/odd.csv', 'odd', '{"comment": "#", "header": false, "null": "x"}');
-- no key; changes alone; two days of one export
CALL t.shell($$printf 'a,b\nx,y\nx,y\nx,z\nx,z\n' >nokey.csv; mkdir two; printf 'id\n1\n' >two/u_20260101.csv; printf 'id\n1\n2\n' >two/u_20260102.csv; touch -d 2026-01-01 two/u_20260101.csv$$);
SELECT t.suggest(t.dir() || '/nokey.csv', 'nokey');
SELECT t.suggest(t.dir() || '/day/groups_changes.csv', 'g');
SELECT t.suggest(t.dir() || '/two');

-- Names that would leave their place: they stay names.
CALL t.write('evil.csv', E'id,"x\n; SELECT 1/0; --","m""\n'' manager id"\n1,a,2\n2,b,1\n3,c,1\n');
SELECT t.suggest(t.dir() || '/evil.csv', 'evil."t\n-- x"');

-- A file that was cut: its last line is a row, though a short one; and a last line that is none.
CALL t.write('cut.csv', E'id;name;dept\n1001;Ada;IT\n1002;Bo;HR\n1003;Cy;IT\n1004;D');
SET client_min_messages = warning;
SELECT t.suggest(t.dir() || '/cut.csv', 'cut');
RESET client_min_messages;
CALL t.write('counted.csv', E'# from HR\nPage 1\nname;id;sid\nAda;1001;AQUAAAAAAAUVAAAA069+OHhU03m8n0i0PiUAAA==\nBo;1002;AQUAAAAAAAUVAAAA069+OHhU03m8n0i0PyUAAA==\nRows: 2\n');
SELECT t.suggest(t.dir() || '/counted.csv', 'counted');

-- Sums under the columns, signs behind numbers; what changes with every logon; few rows beside many; a file that is no table.
CALL t.shell($$
mkdir clinic
(printf 'objectGUID,name,lastLogon\n'; i=100; while [ $i -lt 180 ]; do printf '00000000-0000-0000-0000-000000000%s,n%s,133781514756%s000\n' $i $i $i; i=$((i + 1)); done) >clinic/staff.csv
printf 'Costs;Name;Balance\n0000004000;Ward;1.234,50-\n0000004010;Kitchen;17,00 \n0000004020;TOTAL care;2.000,00 \nSum;;782,50 \n' >clinic/costs.txt
printf 'Costs;Name;Balance\nA1;Ward;1\nTotal;Care Ltd;2\n' >clinic/customers.csv
printf '{}' >clinic/assets.json$$);
SELECT t.suggest(t.dir() || '/clinic');
-- A column's name stays as it is, with its comma, blank and line end.
CALL t.write('folded.csv', E'"a, \nb",name\nk1,x\nk2,y\n');
SELECT syncup_suggest(t.dir() || '/folded.csv', 'folded') ~ E'''a, \nb''' AS as_it_is;

-- Twice in a transaction; nothing is left behind.
BEGIN;
SELECT length(syncup_suggest(t.dir() || '/odd.csv', 'a')) = length(syncup_suggest(t.dir() || '/odd.csv', 'a'));
SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema() AND relkind = 'r' AND relname !~ '^suggest_(file|column|link)$';
COMMIT;
SELECT relname FROM pg_class WHERE relnamespace = pg_my_temp_schema();

-- Errors
CALL t.shell($$mkdir none; printf 'PK\003\004' >book.csv; printf 'id\n' >head.csv$$);
SELECT t.error($$SELECT syncup_suggest('day')$$);
SELECT t.error($$SELECT syncup_suggest('people.csv', 'x')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/none')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/absent')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/odd.csv')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/absent.csv', 'x')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/day/empty.csv', 'x')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/book.csv', 'x')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/head.csv', 'x')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/odd.csv', 'a.b.c')$$);
SELECT t.error($$SELECT syncup_suggest(t.dir() || '/odd.csv', 'x', '{"delimeter": ";"}')$$);
SELECT t.error($$SELECT * FROM syncup_csv_sample(t.dir() || '/book.csv')$$);
SELECT t.error(format($$SELECT syncup.file_ends(t.dir() || '/odd.csv', '{}', %s)$$, size)) FROM unnest(ARRAY[-1, 0, 2147483647]) size;
\set end :srcdir '/include/end.sql'
\i :end
