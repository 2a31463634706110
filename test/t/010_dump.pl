# A dump of the database holds configuration, previous, queue, links, orphans and
# a blocked batch; a restored one goes on where the other was, and DROP EXTENSION
# takes all of ours with it, and nothing else.
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

# How many rows each catalog has: what DROP EXTENSION has to give back. (Statistics
# come and go; settings and roles of a database are not the extension's.)
my $catalogs = <<'SQL';
SELECT string_agg(c.relname || ' ' || (xpath('/row/n/text()', query_to_xml('SELECT count(*) AS n FROM pg_catalog.' || quote_ident(c.relname), false, true, '')))[1]::text, E'\n' ORDER BY c.relname)
FROM pg_catalog.pg_class c
WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind = 'r' AND NOT c.relisshared AND c.relname !~ '^pg_statistic'
SQL

# One connector with a blocked batch, one with a batch that waits, one to come.
write_file('person.csv', "id,name,dn\n" . join '', map { "$_,n$_,d$_\n" } 1 .. 50);
write_file('unit.csv', "code,title\n" . rows(1, 10, 'old'));
write_file('part.csv', "unit,part\n1,2\n2,3\n3,11\n3,nowhere\n");
my $fresh = $node->safe_psql('postgres', $catalogs);
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE SCHEMA target;
CREATE TABLE target."Person" (id int PRIMARY KEY, name text, badge text DEFAULT 'b');
CREATE TABLE target.unit (code int PRIMARY KEY, title text);
SELECT syncup_create_connector('AD', '$dir', '{"trim": " "}');
SELECT syncup_map_entity_type('AD', 'person', 'target."Person"', 'person.csv', 'id', '{"id": "id", "name": "name"}', '{dn}');
SELECT syncup_create_connector('HR', '$dir');
SELECT syncup_map_entity_type('HR', 'unit', 'target.unit', 'unit.csv', 'code', '{"code": "code", "title": "title"}');
CREATE TABLE target.part (unit int, part int, PRIMARY KEY (unit, part));
SELECT syncup_map_association('HR', 'part', 'part.csv', 'unit', 'unit.code', 'part', 'unit.code', 'target.part', 'unit', 'part');
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
# One of its files was sent; another session is open.
my ($sent, $open) = map { $node->safe_psql('postgres', "SELECT syncup_open_session('HR')") } 1, 2;
$node->safe_psql('postgres', "SELECT syncup_upload('$_', 'unit.csv', 1, '" . slurp_file("$dir/unit.csv") . "')") for $sent, $open;
is( $node->safe_psql('postgres', <<SQL), "blocked", 'one is blocked, one waits');
SELECT status FROM (SELECT syncup_prepare('AD', 'complete')) AS p, syncup_synchronize('AD');
SELECT 'never' FROM syncup_prepare('HR', 'complete', '{"session": "$sent"}') b WHERE b IS NULL;
SQL

# Every table of ours and of the targets, as text; keys of digests are not dumped, and of
# what clients sent the record is, of sessions that gave a batch.
my $contents = <<'SQL';
SELECT table_schema, table_name, query_to_xml(format('SELECT * FROM %I.%I t ORDER BY t::text COLLATE "C"', table_schema, table_name), true, false, '')
FROM information_schema.tables
WHERE table_schema ~ '^(syncup|target)' AND table_type = 'BASE TABLE' AND table_name NOT IN ('digest_epoch', 'upload_session', 'upload_file', 'upload_part') ORDER BY 1, 2
SQL
my $before = $node->safe_psql('postgres', $contents);
like($before, qr/sixty/, 'there is something to compare');

# As text, and in the custom format.
my $dump = "$dir/dump";
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-f', "$dump.sql" ], 'pg_dump as text');
$node->command_ok([ 'pg_dump', '-d', $node->connstr('postgres'), '-Fc', '-f', "$dump.custom" ], 'pg_dump in the custom format');
$node->safe_psql('postgres', "CREATE DATABASE $_") for qw(restored other);
$node->command_ok(
	[ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('restored'), '-f', "$dump.sql" ],
	'restore');
# Another superuser, who then owns the extension, but not the tables of mappings;
# data in reverse, as pg_restore -j loads in any order.
$node->safe_psql('postgres', 'CREATE ROLE another SUPERUSER LOGIN');
my ($list) = run_command([ 'pg_restore', '-l', "$dump.custom" ]);
my @entries = grep { /^\d/ } split /\n/, $list;
append_to_file("$dump.list", join "\n", (grep { !/TABLE DATA/ } @entries), reverse(grep { /TABLE DATA/ } @entries));
my @restore = ('pg_restore', '--exit-on-error', '-d', $node->connstr('other'), '-U', 'another');
$node->command_ok([ @restore, '--section=pre-data', "$dump.custom" ], 'restore by another superuser');
$node->command_ok([ @restore, '--section=data', '-L', "$dump.list", "$dump.custom" ], 'its data in reverse');
$node->command_ok([ @restore, '--section=post-data', "$dump.custom" ], 'and the rest');
is($node->safe_psql($_, $contents), $before, "database $_ is the same") for qw(restored other);
is($node->safe_psql($_, 'SELECT session, status, files, bytes > 0, (SELECT count(*) FROM syncup.upload_part) FROM syncup.session'), "$sent|prepared|{unit.csv}|t|0", 'and knows what was sent, without its contents') for qw(restored other);

# The original must not help. DROP EXTENSION takes what it made, without CASCADE,
# and the targets keep their rows.
my $targets = "SELECT t::text FROM target.\"Person\" t UNION ALL SELECT t::text FROM target.unit t UNION ALL SELECT t::text FROM target.part t ORDER BY 1";
my $kept = $node->safe_psql('postgres', $targets);
$node->safe_psql('postgres', 'DROP EXTENSION syncup');
is($node->safe_psql('postgres', $targets), $kept, 'DROP EXTENSION leaves the targets as they are');
$node->safe_psql('postgres', 'DROP SCHEMA target CASCADE');
is($node->safe_psql('postgres', $catalogs), $fresh, 'and nothing of its own in any catalog');

foreach my $name (qw(restored other))
{
	goes_on($name);
}

$node->stop;
done_testing();

# The batches that the dump held are applied, and new ones are prepared.
sub goes_on
{
	my ($database) = @_;
	my $answer = sub { $node->safe_psql($database, $_[0]) };

	is( $answer->("SELECT mapping, command, key, column_name, old_value, new_value FROM syncup_changes((SELECT batch FROM syncup.batch WHERE status = 'blocked')) WHERE command <> 'delete' ORDER BY 2, 3"),
		"person|insert|60|name||sixty\nperson|update|9|name|n9|new", "$database: the changes are there to be reviewed");
	is( $answer->("SELECT status, inserted, updated, deleted FROM syncup_resume((SELECT batch FROM syncup.batch WHERE status = 'blocked'))"),
		'applied|1|1|49', 'resume');
	is($answer->('SELECT id, name, badge FROM target."Person" ORDER BY id'),
		"9|new|b\n60|sixty|b", 'the target is what the file says');
	is( $answer->("SELECT status, inserted, updated, deleted, links_inserted, links_deleted, orphans FROM syncup_synchronize('HR', true)"),
		'applied|1|9|1|1|1|2', 'the batch that waited is applied, with its links');
	is($answer->('SELECT string_agg(unit || \'-\' || part, \' \' ORDER BY unit) FROM target.part'), '2-3 3-11', 'the links');
	is( $answer->("SELECT status, inserted, updated, deleted FROM (SELECT syncup_prepare('AD', 'complete')) AS p, syncup_synchronize('AD')"),
		'applied|0|0|0', 'the same extract again changes nothing');
	is($answer->('SELECT count(*), count(DISTINCT seq), max(seq) = (SELECT seq FROM syncup.batch ORDER BY prepared_at DESC LIMIT 1) FROM syncup.batch'),
		'5|5|t', 'batches are numbered on');
	is($answer->("SELECT counter, maximum FROM syncup.threshold WHERE mapping = 'person' AND maximum > 0"),
		'deleted_lines|7', 'thresholds');

	# No dump says that tables of mappings go with the extension; the next prepare
	# of their connector sees to it.
	my ($code, undef, $error) = $node->psql($database, 'DROP EXTENSION syncup');
	like($error, qr/other objects depend on it/, 'tables of HR were not prepared since');
	$answer->("SELECT syncup_prepare('HR', 'complete')");
	$answer->('DROP EXTENSION syncup; DROP SCHEMA target CASCADE');
	is($answer->($catalogs), $fresh, 'DROP EXTENSION leaves nothing in any catalog');
	return;
}
