# A block is announced once: to whoever listens, and in the server's log.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('announce');
$node->init;
$node->append_conf('postgresql.conf', "statement_timeout = '60s'\nlog_statement = none\nlog_min_messages = warning\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $content;
	close $file;
}

# What the log says since it was looked at last.
my $seen = 0;
sub lines
{
	my $log = slurp_file($node->logfile, $seen);
	$seen = -s $node->logfile;
	return grep { /SYNCUP/ } split /\n/, $log;
}

# A session that listens.
my ($in, $out) = ('', '');
my $timer = IPC::Run::timer(180);
my $listener = IPC::Run::start(
	[ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>', \my $listener_err, $timer);

# The payloads that it has got since it was asked last.
sub heard
{
	$out = '';
	$in .= "SELECT 1;\n\\echo done\n";
	$listener->pump until $out =~ /done\n\z/;
	return $out =~ /notification "syncup" with payload "(.*)" received/g;
}

sub count { return scalar @_ }

sub status
{
	return $node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('A')");
}

write_file('a.csv', "id,v\n" . join '', map { "$_,a\n" } 1 .. 10);
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE a (id int PRIMARY KEY, v text);
SELECT syncup_create_connector('A', '$dir');
SELECT syncup_map_entity_type('A', 'a', 'a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_prepare('A', 'initial');
SELECT syncup_synchronize('A');
SELECT syncup_set_thresholds('A', '{"maximum_deleted_lines": 2, "max_percentage_deleted_lines": 0, "max_percentage_updated_lines": 0, "maximum_updated_lines": 3}');
SQL
$in .= "LISTEN syncup;\n";
is(count(heard()), 0, 'nothing to say of a run that is applied');
is(count(lines()), 0, 'nor in the log');

write_file('a.csv', "id,v\n" . join '', map { "$_,a\n" } 4 .. 10);
$node->safe_psql('postgres', "SELECT * FROM syncup_preview('A', 'complete')");
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup_preview('A', 'complete') WHERE exceeded"), '1', 'a preview sees that a limit is exceeded');
is(count(heard()), 0, 'and says nothing');
is(count(lines()), 0, 'nor in the log');

# Once per block, in this form, on which monitoring relies.
my $batch = $node->safe_psql('postgres', "SELECT syncup_prepare('A', 'complete')");
is(status(), 'blocked', 'a batch blocks');
my @heard = heard();
is(scalar(@heard), 1, 'it is said once');
is($node->safe_psql('postgres', "SELECT string_agg(key || ' ' || value, ', ' ORDER BY key) FROM jsonb_each_text('$heard[0]')"),
	"batch $batch, connector A, event blocked, mode complete", 'with connector, batch and mode');
my @lines = lines();
is(scalar(@lines), 1, 'and logged once');
like($lines[0], qr/LOG:  SYNCUP-BLOCKED: batch $batch of connector "A" is blocked: 3 deletions exceed maximum_deleted_lines \(2\)$/, 'with what it exceeds');
is(status(), 'blocked', 'it is still blocked');
is(status(), 'blocked', 'and still');
is(count(heard()), 0, 'which is no news');
is(count(lines()), 0, 'nor in the log');
my (undef, $stdout, $stderr) = $node->psql('postgres', "CALL syncup_run('A', 'incremental')");
like($stderr, qr/connector "A" is blocked by batch $batch/, 'an incremental run is refused');
is(count(heard()), 0, 'which is no news either');
ok(!(grep { /SYNCUP-BLOCKED/ } lines()), 'nor in the log');

# Resumed: no announcement; the next one that blocks in the same call has one of its own.
is($node->safe_psql('postgres', "SELECT status FROM syncup_resume('$batch')"), 'applied', 'resumed');
is(count(heard()), 0, 'a resume that blocks nothing says nothing');
is(count(lines()), 0, 'nor in the log');
write_file('a.csv', "id,v\n" . join '', map { "$_,a\n" } 7 .. 10);
my $first = $node->safe_psql('postgres', "SELECT syncup_prepare('A', 'complete')");
write_file('a.csv', "id,v\n" . join '', map { "$_,b\n" } 7 .. 10);
my $second = $node->safe_psql('postgres', "SELECT syncup_prepare('A', 'incremental')");
is(status(), 'blocked', 'the first of two blocks');
is_deeply([ map { /"batch": "([^"]*)"/ } heard() ], [$first], 'and is announced');
is(count(lines()), 1, 'once');
is($node->safe_psql('postgres', "SELECT string_agg(status, ' ') FROM syncup_resume('$first')"), 'applied blocked', 'the second one blocks when the first is resumed');
is_deeply([ map { /"batch": "([^"]*)"/ } heard() ], [$second], 'and is announced');
@lines = lines();
is(scalar(@lines), 1, 'once');
like($lines[0], qr/batch $second .* 4 updates exceed maximum_updated_lines \(3\)$/, 'with its own reason');

# A run says it to its caller too. What is rolled back was never said to listeners.
write_file('a.csv', "id,v\n9,a\n10,a\n");
$node->psql('postgres', "SELECT syncup_set_thresholds('A', '{\"maximum_deleted_lines\": 1}')");
(undef, $stdout, $stderr) = $node->psql('postgres', "CALL syncup_run('A', 'complete')");
like($stderr, qr/NOTICE:  batch [0-9a-f-]{36} of connector "A" is blocked: 2 deletions exceed maximum_deleted_lines \(1\)/, 'a run says it as a notice');
is(count(heard()), 1, 'and to listeners');
is(count(lines()), 1, 'and in the log');
$node->safe_psql('postgres', "BEGIN; SELECT syncup_prepare('A', 'complete'); SELECT syncup_synchronize('A'); ROLLBACK");
is(count(heard()), 0, 'a block that is rolled back is not heard');
lines();

# Forced, discarded: no announcement.
$node->safe_psql('postgres', "SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'blocked'");
$node->safe_psql('postgres', "SELECT syncup_prepare('A', 'complete')");
is($node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('A', force => true)"), 'applied', 'forced');
is(count(heard()), 0, 'says nothing');
is(count(lines()), 0, 'nor in the log');
# A batch that failed and blocks when it is tried again is news.
$node->safe_psql('postgres', "ALTER TABLE a ADD CONSTRAINT no_x CHECK (v <> 'x'); SELECT syncup_set_thresholds('A', '{\"maximum_deleted_lines\": 1, \"maximum_updated_lines\": 1}')");
write_file('a.csv', "id,v\n9,x\n10,x\n");
$batch = $node->safe_psql('postgres', "SELECT syncup_prepare('A', 'complete')");
is(status(), 'blocked', 'blocked');
is($node->safe_psql('postgres', "SELECT status FROM syncup_resume('$batch')"), 'failed', 'resumed in vain');
is_deeply([ map { /"event": "([^"]*)"/ } heard() ], [ 'blocked', 'failed' ], 'announced when it blocked, and when it failed');
is(count(lines()), 1, 'the block is logged');
is(status(), 'blocked', 'the next synchronize blocks again');
is(count(heard()), 1, 'which is announced');
is(count(lines()), 1, 'and logged');

# A failure is news once, a prepare of a run too; rows set aside beyond the usual are.
$node->safe_psql('postgres', "SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'blocked'");
$node->safe_psql('postgres', "SELECT syncup_prepare('A', 'complete')");
is($node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('A', force => true)"), 'failed', 'a failure');
is($node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('A', force => true)"), 'failed', 'and again');
is_deeply([ map { /"event": "([^"]*)"/ } heard() ], ['failed'], 'is announced once');
$node->safe_psql('postgres', "SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'failed' AND prepared_at IS NOT NULL");
write_file('a.csv', '');
$node->psql('postgres', "CALL syncup_run('A', 'complete')") for 1 .. 2;
is_deeply([ map { /"event": "([^"]*)"/ } heard() ], ['prepare failed'], 'a run that cannot be prepared is announced once');
write_file('a.csv', "id,v\n9,a\n10,a\n9,b\n\"1\"x,c\n");
$node->safe_psql('postgres', "SELECT syncup_create_connector('A', options => '{\"on_error\": \"quarantine\"}')");
$node->safe_psql('postgres', "CALL syncup_run('A', 'complete')") for 1 .. 2;
is_deeply([ sort map { /"event": "([^"]*)"/ } heard() ], [ 'deletions suspended', 'deletions suspended', 'rows set aside' ], 'so are suspended deletions, and rows set aside beyond the usual');

$in .= "\\q\n";
$listener->finish;
$node->stop;
done_testing();
