-- What docs/recipes.md shows, run on its files: the calls are those of that page, in
-- the folder of the test.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
SET search_path = target, public;
\pset null '(null)'
\pset format unaligned
SET client_min_messages = warning;
SET TimeZone = 'UTC';
SET DateStyle = 'ISO, YMD';
CREATE PROCEDURE t.file(name text, content text, encoding text DEFAULT 'UTF8')
LANGUAGE plpgsql AS $$
BEGIN
	CALL t.shell('mkdir -p ' || split_part(name, '/', 1));
	IF encoding = 'UTF16' THEN
		CALL t.write(name || '.utf8', content);
		CALL t.shell(format('(printf ''\377\376'' && iconv -f UTF-8 -t UTF-16LE %s.utf8) > %s && rm %s.utf8', name, name, name));
	ELSE
		CALL t.write(name, content, encoding::name);
	END IF;
END
$$;
-- Runs, without limits, and tells what each mapping did.
CREATE FUNCTION t.run(connector text, mode text) RETURNS TABLE (mapping text, read bigint, filtered bigint, set_aside bigint, changes text, orphans bigint)
LANGUAGE plpgsql AS $$
DECLARE
	this uuid := syncup_prepare(connector, mode);
	outcome text;
BEGIN
	SELECT concat_ws(': ', s.status, b.error) INTO outcome FROM syncup_synchronize(connector, true) s JOIN syncup.batch b USING (batch);
	IF outcome <> 'applied' THEN
		RAISE EXCEPTION '%', outcome;
	END IF;
	RETURN QUERY SELECT c.mapping, c.rows_read, c.filtered, c.set_aside, concat_ws('/', c.inserted, c.updated, c.deleted), c.orphans
		FROM syncup.batch_counter c JOIN syncup.mapping m ON m.connector = run.connector AND m.mapping = c.mapping
		WHERE c.batch = this ORDER BY m.ordinal;
END
$$;

-- School rosters: OneRoster CSV
CALL t.file('oneroster/orgs.csv', E'sourcedId,status,dateLastModified,name,type\ns1,,,North School,school\ns2,,,South School,school\n');
CALL t.file('oneroster/users.csv', E'sourcedId,status,dateLastModified,orgSourcedIds,role,username,givenName,familyName,phone\nu1,,,"s1,s2",teacher,tina,Tina,Young,100\nu2,,,s1,student,sam,Sam,Hill,\nu3,,,s2,student,"o''neil",Pat,O''Neil,300\n');
CALL t.file('oneroster/classes.csv', E'sourcedId,status,dateLastModified,title,schoolSourcedId\nc1,,,Maths 7a,s1\n');
CALL t.file('oneroster/enrollments.csv', E'sourcedId,status,dateLastModified,classSourcedId,userSourcedId,role,primary,beginDate,endDate\ne1,,,c1,u1,teacher,true,2026-09-01,2027-07-31\ne2,,,c1,u2,student,,2026-09-01,2027-07-31\ne3,,,c1,u3,student,,2025-09-01,2026-07-31\n');
CREATE TABLE school (sourced_id text PRIMARY KEY, name text);
CREATE TABLE roster_user (sourced_id text PRIMARY KEY, username text UNIQUE, given text, family text, role text, phone text);
CREATE TABLE class (sourced_id text PRIMARY KEY, title text, school text REFERENCES school);
CREATE TABLE user_school (usr text REFERENCES roster_user, school text REFERENCES school, PRIMARY KEY (usr, school));
CREATE TABLE enrollment (class text REFERENCES class, usr text REFERENCES roster_user, role text, is_primary boolean, PRIMARY KEY (class, usr, role));
SELECT syncup_create_connector('OR', t.dir() || '/oneroster',
       '{"command_column": "status", "commands": {"active": "merge", "tobedeleted": "delete"}}');
SELECT syncup_map_entity_type('OR', 'org', 'school', 'orgs.csv', 'sourcedId', '{"sourcedId": "sourced_id", "name": "name"}',
       options => '{"where": "type = ''school''"}');
SELECT syncup_map_entity_type('OR', 'user', 'roster_user', 'users.csv', 'sourcedId',
       '{"sourcedId": "sourced_id", "username": "username", "givenName": "given", "familyName": "family", "role": "role",
         "phone": {"column": "phone", "write": "insert", "optional": "null"}}');
SELECT syncup_map_entity_type('OR', 'class', 'class', 'classes.csv', 'sourcedId', '{"sourcedId": "sourced_id", "title": "title", "schoolSourcedId": "school"}');
SELECT syncup_map_association('OR', 'user_school', 'users.csv', 'sourcedId', 'user.sourcedId', 'orgSourcedIds', 'org.sourcedId',
       'user_school', 'usr', 'school', '{"split": ","}');
SELECT syncup_map_association('OR', 'enrollment', 'enrollments.csv', 'classSourcedId', 'class.sourcedId', 'userSourcedId', 'user.sourcedId',
       'enrollment', 'class', 'usr', '{"columns": {"role": "role", "primary": "is_primary"}, "link_key": ["role"],
         "where": "endDate IS NULL OR endDate >= ''2026-08-01''"}');
SELECT * FROM t.run('OR', 'initial');
TABLE target.roster_user ORDER BY 1;
TABLE target.user_school ORDER BY 1, 2;
TABLE target.enrollment ORDER BY 1, 2;
-- A delta: one leaves, one changes, one comes; the phone is the user's own by now.
UPDATE target.roster_user SET phone = 'own';
CALL t.file('oneroster/users.csv', E'sourcedId,status,dateLastModified,orgSourcedIds,role,username,givenName,familyName,phone\nu2,tobedeleted,2026-11-01,,,,,,\nu1,active,2026-11-01,s1,teacher,tina,Tina,Young-Hill,111\nu4,active,2026-11-01,s2,student,kim,Kim,Lee,400\n');
CALL t.file('oneroster/orgs.csv', E'sourcedId,status,dateLastModified,name,type\n');
CALL t.file('oneroster/classes.csv', E'sourcedId,status,dateLastModified,title,schoolSourcedId\nc2,active,2026-11-01,Maths 7b,s1\n');
CALL t.file('oneroster/enrollments.csv', E'sourcedId,status,dateLastModified,classSourcedId,userSourcedId,role,primary,beginDate,endDate\ne4,active,2026-11-01,c2,u4,student,false,2026-11-01,\ne1,tobedeleted,2026-11-01,c1,u1,teacher,,,\n');
SELECT * FROM t.run('OR', 'incremental');
TABLE target.roster_user ORDER BY 1;
TABLE target.user_school ORDER BY 1, 2;
TABLE target.enrollment ORDER BY 1, 2;

-- Canvas SIS
CALL t.file('canvas/users.csv', E'user_id,login_id,full_name,email,status\nU1,ada,Ada Abbott,ada@x.edu,active\nU2,bo,Bo Petit,,active\nU3,cy,Cy Chen,cy@x.edu,suspended\nU9,old,Old Student,old@x.edu,deleted\n');
CALL t.file('canvas/sections.csv', E'section_id,course_id,name,status,start_date\nS1,C1,Algebra A,active,2026-09-01T00:00:00Z\n');
CALL t.file('canvas/enrollments.csv', E'course_id,user_id,role,section_id,status\nC1,U1,teacher,S1,active\nC1,U2,student,S1,active\nC1,U2,observer,S1,inactive\nC1,U3,student,S1,deleted\n');
CREATE TABLE canvas_user (user_id text PRIMARY KEY, login_id text, full_name text, email text, suspended boolean);
CREATE TABLE section (section_id text PRIMARY KEY, name text, course_id text, begins date);
CREATE TABLE canvas_enrollment (section text REFERENCES section, usr text REFERENCES canvas_user, role text, status text, PRIMARY KEY (section, usr, role));
SELECT syncup_create_connector('SIS', t.dir() || '/canvas');
SELECT syncup_map_entity_type('SIS', 'user', 'canvas_user', 'users.csv', 'user_id',
       '{"user_id": "user_id", "login_id": "login_id", "full_name": "full_name", "email": {"column": "email", "empty": "keep"},
         "status": {"column": "suspended", "format": "bool:suspended/active"}}',
       options => '{"where": "status <> ''deleted''"}');
SELECT syncup_map_entity_type('SIS', 'section', 'section', 'sections.csv', 'section_id',
       '{"section_id": "section_id", "name": "name", "course_id": "course_id", "start_date": {"column": "begins", "optional": "null"}}',
       options => '{"where": "status = ''active''", "optional": true}');
SELECT syncup_map_association('SIS', 'enrollment', 'enrollments.csv', 'section_id', 'section.section_id', 'user_id', 'user.user_id',
       'canvas_enrollment', 'section', 'usr',
       '{"columns": {"role": "role", "status": "status"}, "link_key": ["role"], "where": "status IN (''active'', ''inactive'', ''completed'')"}');
SELECT * FROM t.run('SIS', 'initial');
TABLE target.canvas_user ORDER BY 1;
TABLE target.canvas_enrollment ORDER BY 1, 2, 3;
-- One leaves, one status changes, an address was filled in; no file of sections this time.
UPDATE target.canvas_user SET email = 'bo@home' WHERE user_id = 'U2';
CALL t.shell('rm canvas/sections.csv');
CALL t.file('canvas/users.csv', E'user_id,login_id,full_name,email,status\nU1,ada,Ada Abbott,ada@x.edu,deleted\nU2,bo,Bo Petit-Lee,,active\nU3,cy,Cy Chen,cy@x.edu,active\n');
CALL t.file('canvas/enrollments.csv', E'course_id,user_id,role,section_id,status\nC1,U2,student,S1,completed\nC1,U3,student,S1,active\n');
SELECT * FROM t.run('SIS', 'complete');
TABLE target.canvas_user ORDER BY 1;
TABLE target.canvas_enrollment ORDER BY 1, 2, 3;
TABLE target.section;

-- Active Directory by csvde
CALL t.file('csvde/users.csv', E'DN,objectClass,sAMAccountName,displayName,whenCreated,userAccountControl,objectGUID,manager\n"CN=Abbott\\, Ada,OU=People,DC=corp,DC=net",user,ada,"Abbott, Ada",20190401080000.0Z,512,X''00000000000000000000000000000001'',\n"CN=Bo Petit,OU=People,DC=corp,DC=net",user,bo,Bo Petit,20200915080000.0Z,514,X''00000000000000000000000000000002'',"cn=abbott\\, ada, ou=People, dc=corp, dc=net"\n"CN=printer,OU=Things,DC=corp,DC=net",computer,printer$,,20200915080000.0Z,4096,X''00000000000000000000000000000003'',\n', 'UTF16');
CALL t.file('csvde/groups.csv', E'DN,cn,objectGUID,member\n"CN=Finance,OU=Groups,DC=corp,DC=net",Finance,X''00000000000000000000000000000011'',"CN=Abbott\\, Ada,OU=People,DC=corp,DC=net;CN=Bo Petit,OU=PEOPLE,DC=corp,DC=net"\n', 'UTF16');
CREATE TABLE account (guid uuid PRIMARY KEY, login text, name text, created timestamptz, disabled boolean, manager uuid REFERENCES account);
CREATE TABLE ad_group (guid uuid PRIMARY KEY, name text);
CREATE TABLE ad_member (grp uuid REFERENCES ad_group, account uuid REFERENCES account, PRIMARY KEY (grp, account));
SELECT syncup_create_connector('AD', t.dir() || '/csvde', '{"encoding": "UTF16"}');
SELECT syncup_map_entity_type('AD', 'user', 'account', 'users.csv', 'objectGUID',
       '{"objectGUID": {"column": "guid", "format": "guid:hex"}, "sAMAccountName": "login", "displayName": "name",
         "whenCreated": {"column": "created", "format": "generalizedtime"}, "userAccountControl": {"column": "disabled", "format": "bit:1"}}',
       unique_keys => '{DN}', options => '{"where": "objectClass = ''user''"}');
SELECT syncup_map_entity_type('AD', 'group', 'ad_group', 'groups.csv', 'objectGUID',
       '{"objectGUID": {"column": "guid", "format": "guid:hex"}, "cn": "name"}', unique_keys => '{DN}');
SELECT syncup_map_association('AD', 'member', 'groups.csv', 'DN', 'group.DN', 'member', 'user.DN', 'ad_member', 'grp', 'account',
       '{"split": ";", "match1": "dn", "match2": "dn"}');
SELECT syncup_map_association('AD', 'manager', 'users.csv', 'DN', 'user.DN', 'manager', 'user.DN', 'account', target_column2 => 'manager',
       options => '{"match1": "dn", "match2": "dn", "where": "objectClass = ''user''"}');
SELECT * FROM t.run('AD', 'initial');
SELECT right(guid::text, 12) AS guid, login, name, created, disabled, right(manager::text, 12) AS manager FROM target.account ORDER BY 1;
SELECT right(grp::text, 12) AS grp, right(account::text, 12) AS account FROM target.ad_member ORDER BY 1, 2;

-- PowerShell
CALL t.file('powershell/mailboxes.csv', E'#TYPE Selected.Microsoft.Exchange.Data.Directory.Management.Mailbox\n"Guid";"DisplayName";"Enabled";"WhenCreated";"Addresses"\n"6f9619ff-8b86-d011-b42d-00cf4fc964ff";"Abbott, Ada";"True";"01.04.2019 08:00:00";"ada@x;abbott@x"\n"6f9619ff-8b86-d011-b42d-00cf4fc964aa";"Bo ""B."" Petit";"False";"";""\n');
CREATE TABLE mailbox (id uuid PRIMARY KEY, name text, enabled boolean, created timestamp, addresses text[]);
SELECT syncup_create_connector('PS', t.dir() || '/powershell', '{"delimiter": ";", "comment": "#TYPE"}');
SELECT syncup_map_entity_type('PS', 'mailbox', 'mailbox', 'mailboxes.csv', 'Guid',
       '{"Guid": "id", "DisplayName": "name", "Enabled": {"column": "enabled", "format": "bool"},
         "WhenCreated": {"column": "created", "format": "datetime:DD.MM.YYYY HH24:MI:SS"},
         "Addresses": {"column": "addresses", "format": "multivaluedtext:;"}}');
SELECT * FROM t.run('PS', 'initial');
TABLE target.mailbox ORDER BY name;

-- SAP lists with trailers
CALL t.file('sap/list.txt', E'----------------------------------------------------\n| Pers.No.|Name        |CostCtr |Entry     |    Amount|\n----------------------------------------------------\n|     1001|Ada Abbott  |0000100 |01.04.2019| 4.100,50 |\n|     1002|Jürgen Petit|0000200 |15.09.2020| 3.950,00-|\n----------------------------------------------------\n* Records: 2\n', 'LATIN1');
CREATE TABLE employee (pernr int PRIMARY KEY, name text, cost_centre text, hired date, balance numeric);
SELECT syncup_create_connector('SAP', t.dir() || '/sap', '{"encoding": "LATIN1", "delimiter": "|", "trim": " ", "quote": "",
       "ignore_lines": "^-+$", "trailer": "^[*] Records: *([0-9]+)"}');
SELECT syncup_map_entity_type('SAP', 'employee', 'employee', 'list.txt', 'Pers.No.',
       '{"Pers.No.": "pernr", "Name": "name", "CostCtr": "cost_centre", "Entry": {"column": "hired", "format": "datetime:DD.MM.YYYY"},
         "Amount": {"column": "balance", "format": "number:,.-"}}');
SELECT * FROM t.run('SAP', 'initial');
TABLE target.employee ORDER BY 1;
-- A cut list.
CALL t.shell('head -5 sap/list.txt > sap/cut && mv sap/cut sap/list.txt');
SELECT t.error('SELECT syncup_prepare(''SAP'', ''complete'')');

-- Timetables: GTFS
CALL t.file('gtfs/stops.txt', E'stop_id,stop_name,stop_lat,stop_lon\nA,"Airport, main hall",48.35,11.78\nB,Bridge,48.14,11.58\n');
CALL t.file('gtfs/trips.txt', E'route_id,service_id,trip_id,trip_headsign\nR1,WD,T1,Centre\n');
CALL t.file('gtfs/stop_times.txt', E'trip_id,arrival_time,departure_time,stop_id,stop_sequence\nT1,23:55:00,23:56:00,A,1\nT1,24:20:00,24:20:00,B,2\n');
CREATE TABLE stop (stop_id text PRIMARY KEY, stop_name text, lat float8, lon float8, platform text);
CREATE TABLE trip (trip_id text PRIMARY KEY, route_id text, headsign text);
CREATE TABLE stop_time (trip text REFERENCES trip, stop_sequence int, stop text REFERENCES stop, departs interval, PRIMARY KEY (trip, stop_sequence));
CREATE TABLE exception (service_id text, day date, added boolean, PRIMARY KEY (service_id, day));
SELECT syncup_create_connector('GTFS', t.dir() || '/gtfs');
SELECT syncup_map_entity_type('GTFS', 'stop', 'stop', 'stops.txt', 'stop_id',
       '{"stop_id": "stop_id", "stop_name": "stop_name", "stop_lat": "lat", "stop_lon": "lon", "platform_code": {"column": "platform", "optional": "null"}}');
SELECT syncup_map_entity_type('GTFS', 'trip', 'trip', 'trips.txt', 'trip_id', '{"trip_id": "trip_id", "route_id": "route_id", "trip_headsign": "headsign"}');
SELECT syncup_map_entity_type('GTFS', 'stop_time', 'stop_time', 'stop_times.txt', key => ARRAY['trip_id', 'stop_sequence'],
       columns => '{"trip_id": "trip", "stop_sequence": "stop_sequence", "stop_id": "stop", "departure_time": "departs"}');
SELECT syncup_map_entity_type('GTFS', 'exception', 'exception', 'calendar_dates.txt', key => ARRAY['service_id', 'date'],
       columns => '{"service_id": "service_id", "date": "day", "exception_type": {"column": "added", "format": "bool:1/2"}}', options => '{"optional": true}');
SELECT * FROM t.run('GTFS', 'initial');
TABLE target.stop ORDER BY 1;
TABLE target.stop_time ORDER BY 1, 2;
-- The trip is a minute later, and the exceptions come.
CALL t.file('gtfs/stop_times.txt', E'trip_id,arrival_time,departure_time,stop_id,stop_sequence\nT1,23:56:00,23:57:00,A,1\nT1,24:21:00,24:21:00,B,3\n');
CALL t.file('gtfs/calendar_dates.txt', E'service_id,date,exception_type\nWD,20261224,2\nWD,20261225,1\n');
SELECT * FROM t.run('GTFS', 'complete');
TABLE target.stop_time ORDER BY 1, 2;
TABLE target.exception ORDER BY 1, 2;

-- Dumps of databases
CALL t.file('dump/customer.txt', E'1\tAda\tBern\t2026-01-31 12:00:00\n2\tBo\t\\N\t2026-02-01 08:30:00\n');
CALL t.file('dump/article.bcp', E'1~|~Bolt, 5" long~|~0.25\n2~|~Nut | washer~|~\n', 'LATIN1');
CALL t.file('dump/stock.csv', E'article,pieces\n1,100\n2,\n');
CREATE TABLE customer (id int PRIMARY KEY, name text, city text, changed timestamp);
CREATE TABLE article (id int PRIMARY KEY, name text, price numeric);
CREATE TABLE stock (article int PRIMARY KEY, pieces int);
SELECT syncup_create_connector('DB', t.dir() || '/dump');
SELECT syncup_map_entity_type('DB', 'customer', 'customer', 'customer.txt', 'id', '{"id": "id", "name": "name", "city": "city", "changed": "changed"}',
       options => '{"header": false, "names": ["id", "name", "city", "changed"], "delimiter": "\t", "quote": "", "null": "\\N"}');
SELECT syncup_map_entity_type('DB', 'article', 'article', 'article.bcp', 'id', '{"id": "id", "name": "name", "price": "price"}',
       options => '{"header": false, "names": ["id", "name", "price"], "delimiter": "~|~", "quote": "", "encoding": "LATIN1"}');
SELECT syncup_map_entity_type('DB', 'stock', 'stock', 'stock.csv', 'article');
SELECT * FROM t.run('DB', 'initial');
TABLE target.customer ORDER BY 1;
TABLE target.article ORDER BY 1;
TABLE target.stock ORDER BY 1;

\set end :srcdir '/include/end.sql'
\i :end
