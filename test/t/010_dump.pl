# A dump of the database holds configuration, previous, queue and a blocked
# batch; a restored one goes on where the other was.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $content;
	close $file;
}

sub rows
{
	my ($first, $last, $value) = @_;
	return join '', map { "$_,$value\n" } $first .. $last;
}

# One connector with a blocked batch, one with a batch that waits, one to come.
write_file('person.csv', "id,name,dn\n" . join '', map { "$_,n$_,d$_\n" } 1 .. 50);
write_file('unit.csv', "code,title\n" . rows(1, 10, 'old'));
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE SCHEMA target;
CREATE TABLE target."Person" (id int PRIMARY KEY, name text, badge text DEFAULT 'b');
CREATE TABLE target.unit (code int PRIMARY KEY, title text);
SELECT syncup_create_connector('AD', '$dir', '{"trim": " "}');
SELECT syncup_map_entity_type('AD', 'person', 'target."Person"', 'person.csv', 'id', '{"id": "id", "name": "name"}', '{dn}');
SELECT syncup_create_connector('HR', '$dir');
SELECT syncup_map_entity_type('HR', 'unit', 'target.unit', 'unit.csv', 'code', '{"code": "code", "title": "title"}');
SELECT syncup_set_thresholds('AD', '{"maximum_deleted_lines": 7}', 'person');
SELECT syncup_deactivate('HR');
SELECT syncup_activate('HR');
SELECT syncup_prepare('AD', 'initial');
SELECT status FROM syncup_synchronize('AD');
SELECT syncup_prepare('HR', 'initial');
SELECT status FROM syncup_synchronize('HR');
SQL
write_file('person.csv', "id,name,dn\n,nobody,\n9,new,d9\n9,twice,d9\n60,sixty,d60\n");
write_file('unit.csv', "code,title\n" . rows(2, 11, 'new'));
is( $node->safe_psql('postgres', <<SQL), "blocked", 'one is blocked, one waits');
SELECT status FROM (SELECT syncup_prepare('AD', 'complete')) AS p, syncup_synchronize('AD');
SELECT 'never' FROM syncup_prepare('HR', 'complete') b WHERE b IS NULL;
SQL

# Every table of ours and of the targets, as text.
my $contents = <<'SQL';
SELECT table_schema, table_name, query_to_xml(format('SELECT * FROM %I.%I t ORDER BY t::text COLLATE "C"', table_schema, table_name), true, false, '')
FROM information_schema.tables
WHERE table_schema ~ '^(syncup|target)' AND table_type = 'BASE TABLE' ORDER BY 1, 2
SQL
my $before = $node->safe_psql('postgres', $contents);
like($before, qr/sixty/, 'there is something to compare');

my $dump = "$dir/dump.sql";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', $dump ], 'pg_dump');
$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', $dump ],
	'restore');
is($node->safe_psql('restored', $contents), $before, 'the restored database is the same');

# The other database must not help.
$node->safe_psql('postgres', 'DROP EXTENSION syncup CASCADE');

is( $node->safe_psql('restored', "SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes((SELECT batch FROM syncup.batch WHERE status = 'blocked')) WHERE command <> 'delete' ORDER BY 2, 3"),
	"person|insert|60|name||sixty\nperson|update|9|name|n9|new", 'the changes are there to be reviewed');
is( $node->safe_psql('restored', "SELECT status, inserted, updated, deleted FROM syncup_resume((SELECT batch FROM syncup.batch WHERE status = 'blocked'))"),
	'applied|1|1|49', 'resume');
is($node->safe_psql('restored', 'SELECT id, name, badge FROM target."Person" ORDER BY id'),
	"9|new|b\n60|sixty|b", 'the target is what the file says');
is( $node->safe_psql('restored', "SELECT status, inserted, updated, deleted FROM syncup_synchronize('HR', true)"),
	'applied|1|9|1', 'the batch that waited is applied');
is( $node->safe_psql('restored', "SELECT status, inserted, updated, deleted FROM (SELECT syncup_prepare('AD', 'complete')) AS p, syncup_synchronize('AD')"),
	'applied|0|0|0', 'the same extract again changes nothing');
is($node->safe_psql('restored', 'SELECT count(*), count(DISTINCT seq), max(seq) = (SELECT seq FROM syncup.batch ORDER BY prepared_at DESC LIMIT 1) FROM syncup.batch'),
	'5|5|t', 'batches are numbered on');
is($node->safe_psql('restored', "SELECT counter, maximum FROM syncup.threshold WHERE mapping = 'person' AND maximum > 0"),
	'deleted_lines|7', 'thresholds');

# The extension goes with all its tables there as here.
$node->safe_psql('restored', 'DROP EXTENSION syncup CASCADE');
is($node->safe_psql('restored', "SELECT count(*) FROM pg_namespace WHERE nspname ~ '^syncup'"), '0', 'and nothing is left');

$node->stop;
done_testing();
