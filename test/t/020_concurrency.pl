# One run of a connector at a time: a second one fails at once, naming who works.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('concurrency');
$node->init;
$node->append_conf('postgresql.conf', "statement_timeout = '60s'\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $content;
	close $file;
}

# A session that stays open.
my ($in, $out) = ('', '');
my $timer = IPC::Run::timer(180);
my $session = IPC::Run::start(
	[ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>', \my $session_err, $timer);

# Sends a statement to it and gives the answer.
sub ask
{
	my ($sql) = @_;
	$out = '';
	$in .= "$sql;\n\\echo done\n";
	$session->pump until $out =~ s/done\n\z//;
	chomp $out;
	return $out;
}

# The error of a statement in another session, with its SQLSTATE.
sub fails
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql,
		extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return $stderr;
}

write_file('a.csv', "id\n" . join '', map { "$_\n" } 1 .. 100);
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE a (id int PRIMARY KEY);
CREATE TABLE b (id int PRIMARY KEY);
SELECT syncup_create_connector('A', '$dir');
SELECT syncup_map_entity_type('A', 'a', 'a', 'a.csv', 'id', '{"id": "id"}');
SELECT syncup_create_connector('B', '$dir');
SELECT syncup_map_entity_type('B', 'b', 'b', 'a.csv', 'id', '{"id": "id"}');
SQL

my $pid = ask('SELECT pg_backend_pid()');
ask('BEGIN');
like(ask("SELECT syncup_prepare('A', 'initial')"), qr/^[0-9a-f-]{36}$/, 'a prepare is under way');
my $busy = qr/ERROR:  55P03: connector "A" is busy: process $pid is working on it/;
my $seconds = time;
like(fails("SELECT syncup_prepare('A', 'initial')"), $busy, 'a second prepare fails');
like(fails("SELECT * FROM syncup_synchronize('A')"), $busy, 'a synchronize fails');
like(fails("CALL syncup_run('A', 'complete')"), $busy, 'a run fails');
like(fails("SELECT syncup_drop_connector('A')"), $busy, 'the connector cannot be dropped');
like(fails("SELECT syncup_map_entity_type('A', 'a', 'a', 'a.csv', 'id', '{\"id\": \"id\"}')"), $busy, 'a mapping cannot change');
like(fails("SELECT syncup_deactivate('A')"), $busy, 'it cannot be deactivated');
cmp_ok(time - $seconds, '<', 30, 'all at once');
is($node->safe_psql('postgres', "SELECT string_agg(status || ' ' || sqlstate, ',') FROM syncup.batch"), 'failed 55P03', 'the run alone leaves a record');
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup.alarm") . $node->safe_psql('postgres', "SELECT coalesce(last_status, 'none') FROM syncup.status WHERE connector = 'A'"), '0none', 'which is neither an alarm nor the last batch');
is($node->safe_psql('postgres', "SELECT status FROM (SELECT syncup_prepare('B', 'initial')) AS p, syncup_synchronize('B')"),
	'applied', 'another connector is not concerned');
is($node->safe_psql('postgres', "SELECT queue_length FROM syncup.status WHERE connector = 'A'"), '0', 'people may look');
ask('COMMIT');

ask('BEGIN');
is(ask("SELECT status FROM syncup_synchronize('A')"), 'applied', 'a synchronize is under way');
like(fails("SELECT syncup_prepare('A', 'complete')"), $busy, 'a prepare fails');
like(fails("SELECT * FROM syncup_synchronize('A')"), $busy, 'a second synchronize fails');
ask('ROLLBACK');
is($node->safe_psql('postgres', 'SELECT count(*) FROM a'), '0', 'rolled back, nothing was applied');
is($node->safe_psql('postgres', "SELECT status, inserted FROM syncup_synchronize('A')"), 'applied|100', 'and it can be done again');
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup_synchronize('A')"), '0', 'once');

# A blocked batch, resumed and discarded by two at once.
write_file('a.csv', "id\n" . join '', map { "$_\n" } 1 .. 50);
my $batch = $node->safe_psql('postgres', "SELECT syncup_prepare('A', 'complete')");
is($node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('A')"), 'blocked', 'blocked');
ask('BEGIN');
is(ask("SELECT status FROM syncup_resume('$batch')"), 'applied', 'a resume is under way');
like(fails("SELECT * FROM syncup_resume('$batch')"), $busy, 'a second resume fails');
like(fails("SELECT syncup_discard('$batch')"), $busy, 'a discard fails');
ask('COMMIT');
like(fails("SELECT * FROM syncup_resume('$batch')"), qr/55000: batch $batch is not blocked but applied/, 'a batch is applied once');
like(fails("SELECT syncup_discard('$batch')"), qr/55000: batch $batch does not wait/, 'and then is not discarded');
is($node->safe_psql('postgres', 'SELECT count(*), max(id) FROM a'), '50|50', 'the target is what the file says');

# A session that dies in the middle leaves the state before.
ask('BEGIN');
ask("SELECT syncup_prepare('A', 'complete')");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid"), 'the session is gone');
like($node->safe_psql('postgres', "SELECT syncup_prepare('A', 'complete')"), qr/^[0-9a-f-]{36}$/, 'the connector is free again');
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup.batch WHERE connector = 'A' AND status = 'prepared'"), '1', 'with one batch');

# Agents: what they send does not wait for what is applied. (The session that stayed open
# is gone.)
($in, $out) = ('', '');
$session = IPC::Run::start(
	[ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ],
	'<', \$in, '>', \$out, '2>', \$session_err, $timer);
my %sent = map { $_ => $node->safe_psql('postgres', "SELECT syncup_open_session('B')") } qw(one two three);
sub upload { my ($name, $part, $content, $parts) = @_; return "SELECT syncup_upload('$sent{$name}', 'a.csv', $part, E'$content'" . ($parts ? ", $parts" : '') . ')' }
sub sends { my ($name, $mode) = @_; return "SELECT syncup_prepare('B', '" . ($mode // 'complete') . "', '{\"session\": \"$sent{$name}\"}')" }
$node->safe_psql('postgres', upload('one', 1, 'id\n1\n', 2) . ';' . upload('two', 1, 'id\n2\n', 1));
# prepared and applied while the next one comes
ask('BEGIN');
my $given = ask(sends('two'));
is(ask("SELECT status FROM syncup_synchronize('B', true)"), 'applied', 'a batch is being applied');
$node->safe_psql('postgres', upload('one', 2, '3\n') . ';' . upload('three', 1, 'id\n4\n') . "; SELECT syncup_open_session('B')");
like(fails(sends('one')), qr/55P03: connector "B" is busy/, 'what was sent meanwhile waits for it with its prepare');
ask('COMMIT');
is($node->safe_psql('postgres', sends('two')), $given, 'its session gives the same batch');
# one prepares, and what comes then is too late: also where it began before
ask('BEGIN ISOLATION LEVEL REPEATABLE READ');
ask('SELECT count(*) FROM syncup.upload_session');
$node->safe_psql('postgres', sends('one'));
$session_err = '';
ask(upload('one', 1, 'id\n9\n'));
like($session_err, qr/could not serialize access|was prepared already/, 'a part comes too late');
ask('ROLLBACK');
is($node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('B', true)") . $node->safe_psql('postgres', 'SELECT string_agg(id::text, $$ $$) FROM b'), 'applied1 3', 'and changes nothing');
# the same session is prepared by two at once
ask('BEGIN');
$given = ask(sends('three'));
like(fails(sends('three')), qr/55P03/, 'a second prepare of it fails');
ask('COMMIT');
is($node->safe_psql('postgres', sends('three')), $given, 'and gives the same batch then');
$node->safe_psql('postgres', "SELECT syncup_discard('$given')");
$in .= "\\q\n";
$session->finish;

# Two runs at once: a person at work in the target makes the first one wait.
my $holder = $node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('A')");
write_file('a.csv', "id\n" . join '', map { "$_\n" } 2 .. 50);
my ($in2, $out2) = ('', '');
my $writer = IPC::Run::start(
	[ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ],
	'<', \$in2, '>', \$out2, '2>', \my $err2, $timer);
$in2 = "BEGIN; SELECT id FROM a WHERE id = 1 FOR UPDATE;\n";
$writer->pump until $out2 =~ /1\n/;
my ($run_out, $run_err) = ('', '');
my $run = IPC::Run::start(
	[ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-c', "CALL syncup_run('A', 'complete')" ],
	'<', \'', '>', \$run_out, '2>', \$run_err, $timer);
ok($node->poll_query_until('postgres', "SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE 'CALL syncup_run%' AND wait_event_type = 'Lock'"), 'a run waits for a row of its target');
my $runner = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL syncup_run%' AND wait_event_type = 'Lock'");
like(fails("CALL syncup_run('A', 'complete')"), qr/55P03: connector "A" is busy: process $runner is working on it/, 'another run does not queue up behind it');
is($node->safe_psql('postgres', "SELECT status || ' ' || sqlstate || ' ' || (prepared_at IS NULL) || ' ' || (error ~ 'is busy: process $runner') FROM syncup.batch ORDER BY seq DESC LIMIT 1"), 'failed 55P03 true true', 'but leaves a record');
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup.batch WHERE connector = 'A' AND status = 'prepared'"), '1', 'what the run prepared is committed');
$in2 .= "UPDATE a SET id = 1 WHERE id = 1; COMMIT;\n\\q\n";
$writer->finish;
$run->finish;
like($run_err, qr/applied: 0 inserted, 0 updated, 1 deleted/, 'then the first one goes on');

$node->stop;
done_testing();
