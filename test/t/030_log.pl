# No value of the data reaches the server's log, at its default settings.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('log');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_messages = warning\nlog_min_error_statement = error\nlog_error_verbosity = default\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $secret = 'Xyzzy';

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $content;
	close $file;
}

# Runs a statement that fails, and looks at what the log says of it.
my $seen = 0;
sub tells_nothing
{
	my ($what, $sql, $fails) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql);
	is($status == 0 ? 1 : 0, $fails ? 0 : 1, "$what: " . ($fails ? 'fails' : 'does not fail')) or diag $stdout, $stderr;
	my $log = slurp_file($node->logfile, $seen);
	$seen = -s $node->logfile;
	like($log, qr/ERROR/, "$what: the log has the error") if $fails;
	unlike($log, qr/$secret/i, "$what: the log has no value");
	unlike($stderr, qr/$secret/i, "$what: nor has the message");
}

$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE EXTENSION hstore;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE DOMAIN short AS text CONSTRAINT shorter CHECK (length(value) < 3);
CREATE DOMAIN number AS short;
SQL

# Like tells_nothing(), but where the client alone is told the reason.
sub tells_the_client
{
	my ($what, $sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql);
	isnt($status, 0, "$what: fails");
	my $log = slurp_file($node->logfile, $seen);
	$seen = -s $node->logfile;
	like($log, qr/ERROR/, "$what: the log has the error");
	unlike($log, qr/$secret/i, "$what: the log has no value");
	like($stderr, qr/$secret|Key \(parent\)=\(77\)/i, "$what: the client is told") or diag $log;
}

# Values that types refuse.
write_file('value.csv', "id,v\n1,$secret\n");
tells_nothing("type $_", "SELECT * FROM syncup_read_csv('$dir/value.csv') AS (v $_)", 1)
  for 'int', 'bigint', 'numeric', 'float8', 'date', 'timestamp', 'timestamptz', 'time', 'interval',
	'uuid', 'boolean', 'bytea[]', 'int[]', 'json', 'jsonb', 'inet', 'macaddr', 'point', 'int4range',
	'bit(3)', 'varchar(3)', 'char(2)', 'mood', 'short', 'number', 'tid', 'pg_lsn', 'regclass', 'regtype', 'regrole';
write_file('value.csv', qq{id,v\n1,"$secret &"\n});
tells_nothing("type $_", "SELECT * FROM syncup_read_csv('$dir/value.csv') AS (v $_)", 1)
  for 'tsquery', 'hstore', 'jsonpath', 'xml', 'money', 'oid';

# Rows that are malformed, in every way.
my %bad = (
	'few fields' => "id,v\n$secret\n",
	'many fields' => "id,v\n1,2,$secret\n",
	'a stray quote' => qq{id,v\n1,$secret"x\n},
	'text after a quote' => qq{id,v\n1,"$secret"x\n},
	'an open quote' => qq{id,v\n1,"$secret\n},
	'an invalid byte' => "id,v\n1,$secret\xff\n",
	'a NUL' => "id,v\n1,$secret\0\n");
for my $what (sort keys %bad)
{
	write_file('bad.csv', $bad{$what});
	tells_nothing($what, "SELECT * FROM syncup_read_csv('$dir/bad.csv') AS (id text, v text)", 1);
	tells_nothing("$what, left out", "SELECT * FROM syncup_read_csv('$dir/bad.csv', '{\"on_error\": \"quarantine\", \"reject_limit\": 0}') AS (id text, v text)", 1);
}
write_file('delta.csv', "command,v\n$secret,1\n");
tells_nothing('a command', "SELECT * FROM syncup_read_delta('$dir/delta.csv') AS (command text, v text)", 1);

# Formats.
write_file('value.csv', "id,v\n1,$secret\n");
for my $format ('base64', 'bit:1', 'bool', 'datetime:YYYY-MM-DD', 'filetime', 'generalizedtime', 'guid', 'guid:hex', 'hex', 'number:,.', 'sid', 'rdn')
{
	my $file = $format eq 'base64' ? 'base64.csv' : 'value.csv';
	write_file('base64.csv', "id,v\n1,$secret!\n");
	$node->safe_psql('postgres', <<SQL);
DROP TABLE IF EXISTS formatted;
CREATE TABLE formatted (id int PRIMARY KEY, v text);
SELECT syncup_create_connector('F', '$dir');
SELECT syncup_map_entity_type('F', 'f', 'formatted', '$file', 'id', '{"id": "id", "v": {"column": "v", "format": "$format"}}');
SQL
	$seen = -s $node->logfile;
	tells_nothing("format $format", "SELECT syncup_prepare('F', 'initial')", 1);
	$node->safe_psql('postgres', "SELECT syncup_drop_connector('F')");
	$seen = -s $node->logfile;
}

# A run: values refused, rows set aside, constraints, triggers.
$node->safe_psql('postgres', <<SQL);
CREATE TABLE target (id int PRIMARY KEY, v text CONSTRAINT good CHECK (v <> '${secret}check'), u text UNIQUE DEFERRABLE INITIALLY DEFERRED, n text NOT NULL DEFAULT 'x', parent int REFERENCES target);
SELECT syncup_create_connector('C', '$dir');
SELECT syncup_map_entity_type('C', 'm', 'target', 'm.csv', 'id', '{"id": "id", "v": "v", "u": "u", "n": "n", "parent": "parent"}');
SELECT syncup_set_thresholds('C', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');
SQL
$seen = -s $node->logfile;
write_file('m.csv', "id,v,u,n,parent\n1,a,a,a,\n");
tells_nothing('a good run', "CALL syncup_run('C', 'initial')", 0);
write_file('m.csv', "id,v,u,n,parent\n$secret,a,a,a,\n");
tells_nothing('a key', "SELECT syncup_prepare('C', 'complete')", 1);
tells_nothing('a key in a run', "CALL syncup_run('C', 'complete')", 1);
tells_nothing('a key set aside', "SELECT syncup_prepare('C', 'complete', '{\"on_error\": \"quarantine\"}')", 0);
like($node->safe_psql('postgres', "SELECT raw FROM syncup.quarantine"), qr/$secret/, 'the quarantine has the row');
$node->safe_psql('postgres', "SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'prepared'");
$seen = -s $node->logfile;
my %violation = (
	'a check' => "id,v,u,n,parent\n1,${secret}check,$secret,$secret,\n",
	'a unique constraint, deferred' => "id,v,u,n,parent\n1,$secret,$secret,$secret,\n2,a,$secret,a,\n",
	'a null' => "id,v,u,n,parent\n1,$secret,$secret,,\n",
	'a foreign key' => "id,v,u,n,parent\n1,$secret,$secret,$secret,77\n");
for my $what (sort keys %violation)
{
	write_file('m.csv', $violation{$what});
	tells_nothing("$what, returned", "SELECT syncup_prepare('C', 'complete'); SELECT status FROM syncup_synchronize('C')", 0);
	is($node->safe_psql('postgres', "SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1"), 'failed', "$what: failed");
	tells_the_client("$what, raised", "CALL syncup_run('C', 'complete')");
}
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no: %', NEW.v; END $$;
CREATE TRIGGER object BEFORE UPDATE ON target FOR EACH ROW EXECUTE FUNCTION object();
SQL
$seen = -s $node->logfile;
write_file('m.csv', "id,v,u,n,parent\n1,$secret,$secret,$secret,\n");
tells_nothing('a trigger, returned', "SELECT syncup_prepare('C', 'complete'); SELECT status FROM syncup_synchronize('C')", 0);
tells_the_client('a trigger, raised', "CALL syncup_run('C', 'complete')");
$node->safe_psql('postgres', "SELECT syncup_create_jobs('C')");
tells_the_client('a trigger, raised in a job', "CALL syncup_run_job('C_complete')");
is($node->safe_psql('postgres', "SELECT error ~ '$secret' FROM syncup.batch ORDER BY seq DESC LIMIT 1"), 't', 'the history has the reason');

# Statements made ready without a look at the log.
sub quietly
{
	$node->safe_psql('postgres', $_[0]);
	$seen = -s $node->logfile;
}
my $error = "SELECT error FROM syncup.batch WHERE status = 'failed' ORDER BY seq DESC LIMIT 1";

# What a run says beside errors: previews, blocks, reports, exports.
quietly(<<SQL);
DROP TRIGGER object ON target;
SELECT syncup_set_thresholds('C', '{"max_percentage_updated_lines": 5}');
SQL
write_file('m.csv', "id,v,u,n,parent\n1,$secret,$secret,$secret,\n");
tells_nothing('a preview', "SELECT FROM syncup_preview('C', 'complete')", 0);
tells_nothing('a block of a job', "CALL syncup_run_job('C_complete')", 1);
like(($node->psql('postgres', "CALL syncup_run_job('C_complete')"))[2], qr/is blocked: .*\n.*DETAIL: +1 update exceeds max_percentage_updated_lines \(5 %\)\.\n.*HINT/, 'it says which limit');
tells_nothing('a block', "CALL syncup_run('C', 'complete')", 0);
my $blocked = $node->safe_psql('postgres', "SELECT blocked FROM syncup.status WHERE connector = 'C'");
like($blocked, qr/-/, 'it is blocked');
tells_nothing('a look', "SELECT FROM (SELECT syncup_report('$blocked')) AS r, syncup_changes('$blocked'), syncup_findings('$blocked')", 0);
tells_nothing('an export', "SELECT syncup_export('$blocked', '$dir')", 0);
quietly("SELECT syncup_set_thresholds('C', '{\"max_percentage_updated_lines\": 0}')");

# Resume and undo: rows changed since, constraints, triggers.
quietly("UPDATE target SET v = '${secret}since' WHERE id = 1; ALTER TABLE target ADD CONSTRAINT late CHECK (v <> '$secret') NOT VALID");
tells_nothing('a row changed since', "SELECT syncup_resume('$blocked')", 1);
tells_nothing('a resume that fails', "SELECT status FROM syncup_resume('$blocked', true)", 0);
like($node->safe_psql('postgres', $error), qr/violates check constraint "late"/, 'it has failed');
quietly("ALTER TABLE target DROP CONSTRAINT late; UPDATE target SET v = '${secret}before', u = '${secret}before'");
tells_nothing('kept changes', "SELECT status FROM syncup_synchronize('C', keep_changes => true)", 0);
my $undo = "SELECT syncup_undo(batch) FROM syncup.batch WHERE changes_kept";
is($node->safe_psql('postgres', 'SELECT count(*) FROM syncup.batch WHERE changes_kept'), '1', 'there is something to undo');
$seen = -s $node->logfile;
quietly("INSERT INTO target (id, u) VALUES (99, '${secret}before')");
tells_the_client('an undo against a constraint', $undo);
quietly("DELETE FROM target WHERE id = 99; CREATE OR REPLACE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'no: %', OLD.v USING DETAIL = OLD.v, HINT = OLD.v; END \$\$; CREATE TRIGGER object BEFORE UPDATE ON target FOR EACH ROW EXECUTE FUNCTION object()");
tells_the_client('an undo against a trigger', $undo);
quietly("DROP TRIGGER object ON target; CREATE CONSTRAINT TRIGGER object AFTER UPDATE ON target DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION object()");
tells_the_client('an undo against a deferred trigger', $undo);
quietly("DROP TRIGGER object ON target; UPDATE target SET v = '${secret}since'");
tells_nothing('an undo of a row changed since', $undo, 1);

# A scope that fails on a row; policies; domains with code.
quietly(<<SQL);
SELECT syncup_drop_connector('C');
CREATE FUNCTION fail(v text) RETURNS boolean IMMUTABLE LANGUAGE plpgsql AS \$\$ BEGIN IF v ~ '$secret' THEN RAISE 'no: %', v; END IF; RETURN true; END \$\$;
CREATE DOMAIN coded AS text CHECK (fail(value));
CREATE TABLE scoped (id int PRIMARY KEY, v text, c coded, d date);
INSERT INTO scoped VALUES (7, '$secret');
SELECT syncup_create_connector('S', '$dir');
SELECT syncup_map_entity_type('S', 'm', 'scoped', 's.csv', 'id', '{"id": "id", "v": "v", "c": "c", "d": "d"}', options => '{"scope": "v::int > 0"}');
SELECT syncup_set_thresholds('S', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');
SQL
write_file('s.csv', "id,v,c,d\n1,1,a,\n");
tells_the_client('a scope, in an initial run', "SELECT syncup_prepare('S', 'initial')");
quietly("DELETE FROM scoped; SELECT syncup_prepare('S', 'initial'); SELECT syncup_synchronize('S'); INSERT INTO scoped VALUES (7, '$secret')");
tells_nothing('a scope, in a synchronize', "SELECT syncup_prepare('S', 'complete'); SELECT status FROM syncup_synchronize('S')", 0);
like($node->safe_psql('postgres', $error), qr/invalid input syntax for type integer: "$secret"/, 'the history has the reason');
tells_nothing('a scope, in a preview', "SELECT syncup_preview('S', 'complete')", 1);
quietly("DELETE FROM scoped WHERE id = 7");
write_file('s.csv', "id,v,c,d\n1,2,a,\n2,2,b,\n");
quietly("SELECT syncup_set_thresholds('S', '{\"maximum_inserted_lines\": 1, \"maximum_updated_lines\": 1, \"max_percentage_updated_lines\": 1}'); SELECT syncup_prepare('S', 'complete'); SELECT syncup_synchronize('S'); UPDATE scoped SET v = '$secret'");
my $resume = "SELECT syncup_resume(blocked) FROM syncup.status WHERE connector = 'S'";
tells_nothing('a resume of rows changed since', $resume, 1);
quietly("CREATE FUNCTION policy(v text) RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'hidden: %', v; END \$\$; CREATE ROLE operator; GRANT ALL ON scoped TO operator; GRANT USAGE ON SCHEMA syncup TO operator; GRANT SELECT ON syncup.status TO operator; GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO operator; GRANT pg_read_server_files TO operator; ALTER TABLE scoped ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON scoped USING (policy(v))");
tells_the_client('a policy, in a resume', "SET ROLE operator; $resume");
quietly("ALTER TABLE scoped DISABLE ROW LEVEL SECURITY; UPDATE scoped SET v = 1; $resume");
write_file('s.csv', "id,v,c,d\n1,2,$secret,\n");
tells_nothing('code of a domain', "SELECT syncup_prepare('S', 'complete')", 1);
tells_nothing('code of a domain, raised by a run', "CALL syncup_run('S', 'complete')", 1);
write_file('s.csv', "id,v,c,d\n1,2,a,$secret\n2,2,a,$secret\n");
tells_nothing('too many bad rows', "SELECT syncup_prepare('S', 'complete', '{\"on_error\": \"quarantine\", \"reject_limit\": 1}')", 1);
write_file('s.csv', "id,v,c,d\n1,$secret,a,\n1,${secret}2,a,\n");
tells_nothing('a key given twice', "SELECT syncup_prepare('S', 'complete', '{\"duplicates\": \"reject\"}')", 0);

# A condition that fails on a row.
write_file('w.csv', "id,v\n1,$secret\n");
for my $where ('v::int > 0', 'public.fail(v)')
{
	quietly("CREATE TABLE wanted (id int PRIMARY KEY); SELECT syncup_create_connector('W', '$dir'); SELECT syncup_map_entity_type('W', 'm', 'wanted', 'w.csv', 'id', options => '{\"where\": \"$where\"}')");
	tells_the_client("where $where", "SELECT syncup_prepare('W', 'initial')");
	tells_the_client("where $where, in a run", "CALL syncup_run('W', 'initial')");
	tells_nothing("where $where, set aside", "SELECT syncup_prepare('W', 'initial', '{\"on_error\": \"quarantine\"}')", 0);
	tells_the_client("where $where, too many set aside", "SELECT syncup_prepare('W', 'complete', '{\"on_error\": \"quarantine\", \"reject_limit\": 0}')");
	quietly("SELECT syncup_drop_connector('W'); DROP TABLE wanted");
}
write_file('s.csv', "id,v,c,d\n01,2,$secret,\n1,2,a,\n");
tells_nothing('two spellings of a key', "SELECT syncup_prepare('S', 'complete', '{\"on_error\": \"quarantine\"}'); SELECT status FROM syncup_synchronize('S', true)", 0);
quietly("ALTER TABLE scoped ENABLE ROW LEVEL SECURITY; DELETE FROM scoped WHERE id > 1; UPDATE scoped SET v = 7, c = NULL; CREATE OR REPLACE FUNCTION policy(v text) RETURNS boolean LANGUAGE plpgsql AS \$\$ BEGIN RAISE 'hidden: $secret'; END \$\$");
write_file('s.csv', "id,v,c,d\n1,2,a,\n3,3,a,\n");
tells_nothing('a policy', "SET ROLE operator; SELECT syncup_prepare('S', 'complete'); SELECT status FROM syncup_synchronize('S', true)", 0);
like($node->safe_psql('postgres', $error), qr/hidden: $secret/, 'the history has the reason');
tells_nothing('a policy, in a preview', "SET ROLE operator; SELECT syncup_preview('S', 'complete')", 1);

# Findings that are broken off while they count a value that many rows get.
write_file('found.csv', "id,v\n" . join('', map { "$_,a$_\n" } 1 .. 30));
quietly(<<SQL);
CREATE TABLE found (id int PRIMARY KEY, v text);
SELECT syncup_create_connector('W', '$dir');
SELECT syncup_map_entity_type('W', 'm', 'found', 'found.csv', 'id');
SELECT syncup_set_thresholds('W', '{"max_percentage_updated_lines": 0}');
CALL syncup_run('W', 'initial');
CREATE SEQUENCE asked;
CREATE FUNCTION tired(old text, new text) RETURNS text LANGUAGE plpgsql AS \$\$ BEGIN IF nextval('public.asked') > 40 THEN RAISE 'tired'; END IF; RETURN new; END \$\$;
INSERT INTO syncup.detector (rank, detector, finding, looks_at, function, told, percent, rows, meaning) VALUES (1, 'tired', 'tired', 'value', 'public.tired', 'is %s', 75, 1, '');
SQL
write_file('found.csv', "id,v\n" . join('', map { "$_,$secret\n" } 1 .. 30));
quietly("SELECT syncup_prepare('W', 'complete'); SELECT syncup_synchronize('W', keep_changes => true)");
tells_nothing('findings that are broken off', "SELECT syncup_findings(batch) FROM syncup.batch WHERE changes_kept AND connector = 'W'", 1);
quietly("SELECT syncup_drop_connector('W'); DELETE FROM syncup.detector WHERE detector = 'tired'");

# Files of changes.
quietly(<<SQL);
SELECT syncup_drop_connector('S');
CREATE TABLE changed (id text PRIMARY KEY, v int);
SELECT syncup_create_connector('D', '$dir');
SELECT syncup_map_entity_type('D', 'm', 'changed', 'd.csv', 'id', '{"id": "id", "v": "v"}', options => '{"incremental_file": "d2.csv", "command_column": "command"}');
SELECT syncup_set_thresholds('D', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}');
SQL
write_file('d.csv', "id,v\n$secret,1\n");
tells_nothing('an initial run', "CALL syncup_run('D', 'initial')", 0);
for my $row ("$secret,$secret,2", "update,$secret,$secret", "insert,${secret}2,$secret", "merge,$secret,x$secret", ",$secret,1", "delete,$secret,1,$secret")
{
	write_file('d2.csv', "command,id,v\n$row\n");
	tells_nothing("changes: $row", "SELECT syncup_prepare('D', 'incremental')", 1);
}
write_file('d2.csv', "command,id,v\nupdate,${secret}3,2\ndelete,$secret,\n");
tells_nothing('changes of what is unknown', "CALL syncup_run('D', 'incremental')", 0);

# Links: ends that are not found, of a wrong type, refused by constraints.
quietly(<<SQL);
SELECT syncup_drop_connector('D');
CREATE TABLE person (id text PRIMARY KEY, boss text REFERENCES person DEFERRABLE);
CREATE TABLE link (a text CHECK (a !~ '${secret}bad'), b text, UNIQUE (b));
SELECT syncup_create_connector('L', '$dir');
SELECT syncup_map_entity_type('L', 'p', 'person', 'p.csv', 'id', '{"id": "id"}', '{dn}');
SELECT syncup_map_association('L', 'l', 'l.csv', 'a', 'p.dn', 'b', 'p.dn', 'link', 'a', 'b');
SELECT syncup_map_association('L', 'b', 'b.csv', 'id', 'p.id', 'boss', 'p.dn', 'person', target_column2 => 'boss');
SELECT syncup_set_thresholds('L', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SQL
sub write_links
{
	my ($people, $links, $bosses) = @_;
	write_file('p.csv', "id,dn\n" . join '', map { "$_,$_\n" } @$people);
	write_file('l.csv', "a,b\n" . join '', map { "$_\n" } @$links);
	write_file('b.csv', "id,boss\n" . join '', map { "$_\n" } @$bosses);
}
write_links([ "${secret}1", "${secret}2" ], [ "${secret}1,${secret}2", "${secret}1,${secret}none" ], [ "${secret}1,${secret}2", "${secret}2,${secret}none" ]);
tells_nothing('links and orphans', "CALL syncup_run('L', 'initial')", 0);
tells_nothing('orphans in a file', "SELECT FROM syncup_synchronize('L', orphans => '$dir/orphans.csv')", 0);
is($node->safe_psql('postgres', 'SELECT count(*) FROM syncup.orphan'), '2', 'there are orphans');
$seen = -s $node->logfile;
for my $row ([ "${secret}bad,${secret}1" ], [ "${secret}2,${secret}1", "${secret}1,${secret}1" ])
{
	write_links([ "${secret}1", "${secret}2", "${secret}bad" ], $row, []);
	tells_nothing("links: @$row", "SELECT syncup_prepare('L', 'complete'); SELECT status FROM syncup_synchronize('L', keep_changes => true)", 0);
	like($node->safe_psql('postgres', "SELECT status || ' ' || error FROM syncup.batch ORDER BY seq DESC LIMIT 1"), qr/^failed.*$secret/, 'it has failed');
	$seen = -s $node->logfile;
	tells_the_client("links, raised: @$row", "CALL syncup_run('L', 'complete')");
}
write_links([ "${secret}1", "${secret}2" ], [ "${secret}2,${secret}1" ], [ "${secret}1,${secret}1", "${secret}1,${secret}2" ]);
tells_nothing('links that conflict', "SELECT syncup_prepare('L', 'complete'); SELECT status FROM syncup_synchronize('L', keep_changes => true)", 0);
is($node->safe_psql('postgres', "SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1"), 'applied', 'links of a good run');
quietly("INSERT INTO link VALUES ('x', '${secret}2')");
tells_the_client('an undo of links', $undo);
quietly("DELETE FROM link");
tells_nothing('an undo of links that are gone', $undo, 0);
write_links([], [ "$secret" ], []);
tells_nothing('a link with one end', "SELECT syncup_prepare('L', 'complete')", 1);

# Rows that come under one that goes, by a mapped column or by a trigger.
quietly(<<SQL);
SELECT syncup_drop_connector('L');
CREATE TABLE area (id text PRIMARY KEY);
CREATE TABLE spot (id text PRIMARY KEY, area text REFERENCES area ON DELETE CASCADE);
SELECT syncup_create_connector('A', '$dir');
SELECT syncup_map_entity_type('A', 'area', 'area', 'area.csv', 'id', '{"id": "id"}');
SELECT syncup_map_entity_type('A', 'spot', 'spot', 'spot.csv', 'id', '{"id": "id", "area": "area"}');
SELECT syncup_set_thresholds('A', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SQL
write_file('area.csv', "id\n${secret}1\n${secret}2\n");
write_file('spot.csv', "id,area\n");
quietly("CALL syncup_run('A', 'initial')");
write_file('area.csv', "id\n${secret}1\n");
for my $area ("${secret}2", "${secret}1")
{
	write_file('spot.csv', "id,area\n${secret}9,$area\n");
	tells_nothing("a row under one that goes: $area", "SELECT syncup_prepare('A', 'complete'); SELECT status FROM syncup_synchronize('A')", 0);
	like($node->safe_psql('postgres', $error), qr/${secret}9/, 'the history has the reason');
	$seen = -s $node->logfile;
	tells_the_client("a row under one that goes, raised: $area", "CALL syncup_run('A', 'complete')");
	quietly("CREATE FUNCTION under() RETURNS trigger LANGUAGE plpgsql AS \$\$ BEGIN NEW.area := '${secret}2'; RETURN NEW; END \$\$; CREATE TRIGGER under BEFORE INSERT ON spot FOR EACH ROW EXECUTE FUNCTION under()")
	  if $area eq "${secret}2";
}

$node->stop;
done_testing();
