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
	tells_nothing("$what, raised", "CALL syncup_run('C', 'complete')", 1);
}
$node->safe_psql('postgres', <<'SQL');
CREATE FUNCTION object() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no: %', NEW.v; END $$;
CREATE TRIGGER object BEFORE UPDATE ON target FOR EACH ROW EXECUTE FUNCTION object();
SQL
$seen = -s $node->logfile;
write_file('m.csv', "id,v,u,n,parent\n1,$secret,$secret,$secret,\n");
tells_nothing('a trigger, returned', "SELECT syncup_prepare('C', 'complete'); SELECT status FROM syncup_synchronize('C')", 0);
tells_nothing('a trigger, raised', "CALL syncup_run('C', 'complete')", 1);
is($node->safe_psql('postgres', "SELECT error ~ '$secret' FROM syncup.batch ORDER BY seq DESC LIMIT 1"), 't', 'the history has the reason');

$node->stop;
done_testing();
