# A streaming replica shows everything and runs nothing; promoted, it goes on where
# the lost server was: queue, blocked batch, previous, links, numbers of batches.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $content) = @_;
	unlink "$dir/$name";
	append_to_file("$dir/$name", $content);
	return;
}

sub people
{
	return "id,name,boss\n" . join '', map { "$_,$_[0],1\n" } @_[ 1 .. $#_ ];
}

write_file('person.csv', people('a', 1 .. 40));
write_file('unit.csv', "code,title\n1,a\n");
$primary->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE person (id int PRIMARY KEY, name text, boss int);
CREATE TABLE unit (code int PRIMARY KEY, title text);
SELECT syncup_create_connector('A', '$dir');
SELECT syncup_map_entity_type('A', 'person', 'person', 'person.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_association('A', 'boss', 'person.csv', 'id', 'person.id', 'boss', 'person.id', 'person', target_column2 => 'boss');
SELECT syncup_create_connector('B', '$dir');
SELECT syncup_map_entity_type('B', 'unit', 'unit', 'unit.csv', 'code');
SQL

# The replica begins from an early backup: what follows comes to it by WAL alone.
$primary->backup('early');
my $replica = PostgreSQL::Test::Cluster->new('replica');
$replica->init_from_backup($primary, 'early', has_streaming => 1);
$replica->start;

$primary->safe_psql('postgres', "CALL syncup_run('A', 'initial', keep_changes => true)");
$primary->safe_psql('postgres', "CALL syncup_run('B', 'initial')");
write_file('person.csv', people('b', 1 .. 20, 50));
write_file('unit.csv', "code,title\n1,b\n2,c\n");
$primary->psql('postgres', "CALL syncup_run('A', 'complete')", stderr => \my $notice);
like($notice, qr/is blocked/, 'one batch is blocked');
$primary->safe_psql('postgres', "SELECT syncup_prepare('B', 'complete')");
# An agent is in the middle of sending.
my $session = $primary->safe_psql('postgres', "SELECT syncup_open_session('B')");
$primary->safe_psql('postgres', "SELECT syncup_upload('$session', 'unit.csv', 1, E'code,title\n1,sent\n', 2)");
$primary->wait_for_catchup($replica, 'replay', $primary->lsn('insert'));

# ---------- the replica ----------

my $blocked = "(SELECT batch FROM syncup.batch WHERE status = 'blocked')";
foreach my $look (
	'SELECT * FROM syncup.status ORDER BY connector', 'SELECT * FROM syncup.session', 'SELECT * FROM syncup.upload_part', 'SELECT * FROM syncup.batch ORDER BY seq', 'SELECT * FROM syncup.batch_counter ORDER BY 1, 2',
	'SELECT * FROM syncup.threshold_check ORDER BY 1, 2, 3', 'SELECT * FROM syncup.quarantine', 'SELECT * FROM syncup.progress',
	'SELECT * FROM syncup_previous.a_person ORDER BY id', 'SELECT * FROM syncup_changes.a_person ORDER BY id', 'SELECT * FROM syncup_delta.b_unit ORDER BY code',
	"SELECT * FROM syncup_changes($blocked)", "SELECT syncup_report($blocked)", "SELECT * FROM syncup_findings($blocked)", "SELECT * FROM syncup_csv_header('$dir/unit.csv')")
{
	# ages go by the clock
	my $sql = "SELECT string_agg(regexp_replace(r::text, '\\d+ days?|\\d\\d:\\d\\d:\\d\\d(\\.\\d+)?\\M(?!\\+)', '', 'g'), E'\\n') FROM ($look) r";
	is($replica->safe_psql('postgres', $sql), $primary->safe_psql('postgres', $sql), "the same there: $look");
}
foreach my $run ("SELECT syncup_prepare('B', 'complete')", "SELECT * FROM syncup_synchronize('B')", "CALL syncup_run('B', 'complete')", "SELECT * FROM syncup_preview('B', 'complete')",
	"SELECT * FROM syncup_resume($blocked)", "SELECT syncup_discard($blocked)", "SELECT syncup_set_thresholds('B', '{}')", "SELECT syncup_purge('0')", "SELECT syncup_drop_connector('B')")
{
	my ($code, $out, $error) = $replica->psql('postgres', $run, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($error, qr/ERROR:  (25006|55000)/, "refused there: $run");
	unlike($error, qr/ERROR:  XX/, 'as read-only');
}

# ---------- failover ----------

my $state = "SELECT string_agg(concat_ws(' ', connector, mode, status), ', ' ORDER BY seq) FROM syncup.batch";
$primary->stop('immediate');
$replica->promote;
is($replica->safe_psql('postgres', $state), 'A initial applied, B initial applied, A complete blocked, B complete prepared', 'the queue is there');
is($replica->safe_psql('postgres', "SELECT status, inserted, updated, deleted, links_inserted FROM syncup_resume($blocked)"), 'applied|1|20|20|1', 'the blocked batch is resumed');
is($replica->safe_psql('postgres', 'SELECT count(*), min(name), max(name), count(boss) FROM person'), '21|b|b|21', 'the target is what the file says');
is($replica->safe_psql('postgres', "SELECT status, inserted, updated FROM syncup_synchronize('B', true)"), 'applied|1|1', 'the batch that waited is applied');
$replica->safe_psql('postgres', "SELECT syncup_upload('$session', 'unit.csv', 2, E'2,sent\n'), syncup_prepare('B', 'complete', '{\"session\": \"$session\"}')");
is($replica->safe_psql('postgres', "SELECT status, updated FROM syncup_synchronize('B', true)"), 'applied|2', 'an agent sends the rest of its file there');
write_file('person.csv', people('b', 1 .. 20, 50));
$replica->safe_psql('postgres', "CALL syncup_run('A', 'incremental')");
is($replica->safe_psql('postgres', "SELECT status, inserted + updated + deleted FROM syncup.batch JOIN syncup.batch_counter USING (batch) WHERE mode = 'incremental' AND mapping = 'person'"),
	'applied|0', 'nothing is new to it');
is($replica->safe_psql('postgres', 'SELECT count(*) = count(DISTINCT seq) AND bool_and(status = \'applied\') FROM syncup.batch'), 't', 'batches are numbered on');
$replica->safe_psql('postgres', 'DROP EXTENSION syncup');
$replica->stop;
done_testing();
