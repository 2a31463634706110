# Runs in prepared transactions: the connector is held until these are decided, over a
# crash too, and then the state is the one before or the one after.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('two_phase');
$node->init;
$node->append_conf('postgresql.conf', "max_prepared_transactions = 5\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($content) = @_;
	open my $file, '>', "$dir/m.csv" or die "m.csv: $!";
	print $file $content;
	close $file;
}

sub fails
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $stderr;
}

# All that a run may touch.
sub state
{
	return $node->safe_psql('postgres', <<'SQL');
SELECT count(*), (SELECT string_agg(t::text, ' ' ORDER BY id) FROM target t), (SELECT string_agg(ROW(v, id)::text, ' ' ORDER BY id) FROM syncup_previous.c_m),
	(SELECT count(*) FROM syncup_delta.c_m), string_agg(status, ' ' ORDER BY seq) FROM syncup.batch
SQL
}

write_file("id,v\n1,a\n2,b\n");
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE target (id int PRIMARY KEY, v text);
SELECT syncup_create_connector('C', '$dir');
SELECT syncup_map_entity_type('C', 'm', 'target', 'm.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_set_thresholds('C', '{"max_percentage_updated_lines": 0}');
SQL
my $busy = qr/55P03: connector "C" is busy\nHINT:  A prepared transaction may have it: see pg_prepared_xacts\./;
my $empty = state();

# A prepare and a synchronize, rolled back.
$node->safe_psql('postgres', "BEGIN; SELECT syncup_prepare('C', 'initial'); SELECT * FROM syncup_synchronize('C'); PREPARE TRANSACTION 'first'");
like(fails("SELECT syncup_prepare('C', 'initial')"), $busy, 'prepare: the connector is busy, and nobody is named');
like(fails("SELECT * FROM syncup_synchronize('C')"), $busy, 'synchronize, too');
is($node->safe_psql('postgres', "SELECT syncup_purge('0')"), '0', 'a purge leaves it alone');
is(state(), $empty, 'nobody sees the run');
$node->safe_psql('postgres', "ROLLBACK PREPARED 'first'");
is(state(), $empty, 'rolled back, nothing was applied');

# The same, committed after a crash.
$node->safe_psql('postgres', "BEGIN; SELECT syncup_prepare('C', 'initial'); SELECT * FROM syncup_synchronize('C'); PREPARE TRANSACTION 'second'");
$node->stop('immediate');
$node->start;
like(fails("SELECT syncup_prepare('C', 'initial')"), $busy, 'after a crash the connector is still held');
is(state(), $empty, 'and still nobody sees the run');
$node->safe_psql('postgres', "COMMIT PREPARED 'second'");
is(state(), "1|(1,a) (2,b)|(a,1) (b,2)|0|applied", 'committed, all was applied');

# Undo.
write_file("id,v\n1,c\n2,b\n");
$node->safe_psql('postgres', "SELECT syncup_prepare('C', 'complete')");
is($node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('C', keep_changes => true)"), 'applied', 'another batch');
my $applied = state();
$node->safe_psql('postgres', "BEGIN; SELECT syncup_undo(batch) FROM syncup.batch WHERE changes_kept; PREPARE TRANSACTION 'third'");
like(fails("SELECT syncup_undo(batch) FROM syncup.batch WHERE changes_kept"), $busy, 'a second undo finds it busy');
is(state(), $applied, 'nobody sees the first');
$node->safe_psql('postgres', "COMMIT PREPARED 'third'");
is(state(), "3|(1,a) (2,b)|(a,1) (b,2)|0|applied undone applied", 'committed, it is undone');

# A block is announced by NOTIFY, which PostgreSQL does not let be prepared.
write_file("id,v\n1,c\n");
like(fails("BEGIN; SELECT syncup_prepare('C', 'complete'); SELECT * FROM syncup_synchronize('C'); PREPARE TRANSACTION 'fourth'"),
	qr/0A000: cannot PREPARE a transaction that has executed LISTEN, UNLISTEN, or NOTIFY/, 'a run that blocks cannot be prepared');
is(state(), "3|(1,a) (2,b)|(a,1) (b,2)|0|applied undone applied", 'and leaves nothing');
is($node->safe_psql('postgres', "SELECT status FROM (SELECT syncup_prepare('C', 'complete')) AS p, syncup_synchronize('C')"), 'blocked', 'the connector is free');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'), '0', 'nothing is left');

$node->stop;
done_testing();
