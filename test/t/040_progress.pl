# What a session does is seen by others, live: syncup.progress, pg_stat_progress_copy.
#
# The work is made to wait at known rows, not timed: the type of a target's column
# calls a function that asks for advisory locks, which this test holds.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('progress');
$node->init;
$node->append_conf('postgresql.conf', "statement_timeout = '120s'\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $rows = 400_000;

sub write_file
{
	my ($name, @lines) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file @lines;
	close $file;
}

# A session that stays open: [stdin, stdout, IPC::Run].
sub session
{
	my ($in, $out, $err) = ('', '', '');
	my $session = { in => \$in, out => \$out };
	$session->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timer(300));
	return $session;
}

# Sends a statement, without waiting; waits for the answer.
sub begin_statement
{
	my ($session, $sql) = @_;
	${ $session->{out} } = '';
	${ $session->{in} } .= "$sql;\n\\echo done\n";
	$session->{run}->pump_nb;
}

sub finish
{
	my ($session) = @_;
	$session->{run}->pump until ${ $session->{out} } =~ s/done\n\z//;
	chomp ${ $session->{out} };
	return ${ $session->{out} };
}

sub ask
{
	my ($session, $sql) = @_;
	begin_statement($session, $sql);
	return finish($session);
}

my $worker = session();
my $holder = session();
my $pid = ask($worker, 'SELECT pg_backend_pid()');

# Waits until the worker waits at the stop of this number.
sub wait_at
{
	my ($stop) = @_;
	$worker->{run}->pump_nb;
	$node->poll_query_until('postgres',
		"SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid = $pid AND objid = $stop)")
		or die "the worker did not come to stop $stop";
}

sub go_on
{
	my ($stop) = @_;
	is(ask($holder, "SELECT pg_advisory_unlock($stop)"), 't', "go on from stop $stop");
}

# What is shown now, as hashes.
sub shown
{
	my @columns = qw(pid connector operation mapping phase bytes_done bytes_total rows_done);
	my $answer = $node->safe_psql('postgres', 'SELECT ' . join(', ', @columns) . ' FROM syncup.progress');
	return map { my %row; @row{@columns} = split /\|/, $_, -1; \%row } split /\n/, $answer;
}

sub copy_shown
{
	return $node->safe_psql('postgres',
		"SELECT p.pid, c.relname, p.command, p.type, p.bytes_processed, p.bytes_total, p.tuples_processed
		FROM pg_stat_progress_copy p JOIN pg_class c ON c.oid = p.relid");
}

sub nothing_is_shown
{
	my ($when) = @_;
	is(scalar(shown()), 0, "nothing is shown $when");
	is(copy_shown(), '', "nor as a COPY");
}

$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION syncup;
CREATE FUNCTION may_pass(value text) RETURNS boolean
LANGUAGE plpgsql AS $$
BEGIN
	IF value LIKE 'stop%' THEN
		PERFORM pg_advisory_lock(substr(value, 5)::int);
		PERFORM pg_advisory_unlock(substr(value, 5)::int);
	END IF;
	RETURN value NOT LIKE 'bad%';
END
$$;
CREATE DOMAIN stopping AS text CHECK (may_pass(value));
CREATE FUNCTION wait_in_trigger() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM public.may_pass('stop9');
	RETURN NULL;
END
$$;
SQL

# Rows with stops at a quarter and three quarters of the file. Some are bad: each
# makes the server forget what it shows, until the next step.
my ($first_stop, $second_stop) = (100_000, 300_000);
write_file('big.csv', "id,v\n", map {
		"$_," . ($_ == $first_stop ? 'stop1' : $_ == $second_stop ? 'stop2' : $_ == $first_stop - 3000 || $_ == $second_stop - 3000 ? 'bad' : "value $_") . "\n"
	} 1 .. $rows);
system("gzip -c $dir/big.csv >$dir/big.csv.gz") == 0 or die 'gzip';

nothing_is_shown('at first');
for my $case ([ 'PLAIN', 'big.csv' ], [ 'GZ', 'big.csv.gz' ])
{
	my ($connector, $name) = @$case;
	my $table = lc $connector;
	my $size = -s "$dir/$name";
	$node->safe_psql('postgres', <<SQL);
CREATE TABLE $table (id int PRIMARY KEY, v stopping);
SELECT syncup_create_connector('$connector', '$dir', '{"on_error": "quarantine"}');
SELECT syncup_map_entity_type('$connector', 'things', '$table', '$name', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_set_thresholds('$connector', '{"maximum_updated_lines": 0, "max_percentage_updated_lines": 0}');
SQL
	ask($holder, "SELECT pg_advisory_lock(stop) FROM generate_series(1, 2) stop");
	begin_statement($worker, "SELECT syncup_prepare('$connector', 'initial')");

	my @seen;
	for my $stop (1, 2)
	{
		my $row = $stop == 1 ? $first_stop : $second_stop;
		wait_at($stop);
		my @now = shown();
		is(scalar(@now), 1, "$connector, row $row: one operation is shown");
		my $now = $now[0];
		is("$now->{pid} $now->{connector} $now->{mapping} $now->{operation}, $now->{phase}",
			"$pid $connector things prepare, reading file", 'who does what');
		cmp_ok($now->{rows_done}, '<=', $row, 'no more rows than there were');
		cmp_ok($now->{rows_done}, '>', $row - 2048, 'nor many less');
		is($now->{bytes_total}, $size, 'the size of the file');
		cmp_ok($now->{bytes_done}, '<=', $size, 'no more bytes than that');
		# what is read ahead is little beside the file
		cmp_ok(abs($now->{bytes_done} / $size - $row / $rows), '<', 0.15, 'the share of the bytes is that of the rows');
		is(copy_shown(), "$pid|" . "$table" . "_things|COPY FROM|FILE|$now->{bytes_done}|$now->{bytes_total}|$now->{rows_done}",
			'the same as a COPY');
		push @seen, $now;
		go_on($stop);
	}
	cmp_ok($seen[1]{bytes_done}, '>', $seen[0]{bytes_done}, "$connector: bytes grow");
	cmp_ok($seen[1]{rows_done}, '>', $seen[0]{rows_done}, "$connector: rows grow");
	like(finish($worker), qr/^[0-9a-f-]{36}$/, "$connector: prepared");
	nothing_is_shown('when it is done, though the session stays');
	is(ask($worker, "SELECT status, inserted FROM syncup_synchronize('$connector')"), 'applied|' . ($rows - 2), "$connector: synchronized");
	nothing_is_shown('when that is done');
}

# Synchronize: while the target is written.
write_file('big.csv', "id,v\n", map { "$_," . ($_ == 5 ? 'changed' : "value $_") . "\n" } 1 .. 1000);
$node->safe_psql('postgres', <<'SQL');
DELETE FROM plain WHERE id > 1000;
CREATE TRIGGER wait AFTER UPDATE ON plain FOR EACH ROW EXECUTE FUNCTION wait_in_trigger();
SELECT syncup_set_thresholds('PLAIN', '{"maximum_deleted_lines": 0, "max_percentage_deleted_lines": 0}');
SQL
ask($holder, 'SELECT pg_advisory_lock(9)');
like(ask($worker, "SELECT syncup_prepare('PLAIN', 'complete')"), qr/^[0-9a-f-]{36}$/, 'a change is prepared');
begin_statement($worker, "SELECT status, updated FROM syncup_synchronize('PLAIN')");
wait_at(9);
is(join(' ', map { "$_->{pid} $_->{connector} $_->{mapping} $_->{operation}, $_->{phase}" } shown()),
	"$pid PLAIN things synchronize, applying changes", 'a synchronize is shown');
go_on(9);
is(finish($worker), 'applied|1', 'synchronized');
nothing_is_shown('when it is done');

# A file of changes: read, then computed key by key.
$node->safe_psql('postgres', <<'SQL');
SELECT syncup_map_entity_type('PLAIN', 'things', 'plain', 'big.csv', 'id', '{"id": "id", "v": "v"}', options => '{"command_column": "op", "incremental_file": "changes.csv"}');
SELECT syncup_prepare('PLAIN', 'complete');
SELECT * FROM syncup_synchronize('PLAIN');
SQL
write_file('changes.csv', "op,id,v\n", "update,7,stop1\n");
ask($holder, 'SELECT pg_advisory_lock(1)');
begin_statement($worker, "SELECT syncup_prepare('PLAIN', 'incremental')");
wait_at(1);
is(join(' ', map { "$_->{connector} $_->{mapping} $_->{operation}, $_->{phase}" } shown()),
	'PLAIN things prepare, computing net effect', 'the net effect of changes');

# Cancelled, or failed: nothing is shown any more, though the session stays.
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
is(finish($worker), '', 'cancelled');
nothing_is_shown('after a cancel');
ask($holder, 'SELECT pg_advisory_unlock(1)');
write_file('big.csv', "id,v\n", (map { "$_,x\n" } 1 .. 5000), "x,y\n");
is(ask($worker, "SELECT syncup_prepare('PLAIN', 'complete', '{\"on_error\": \"stop\"}')"), '', 'failed');
nothing_is_shown('after a failure');

# An initial batch while it is written.
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE fresh (id int PRIMARY KEY, v text);
CREATE TRIGGER wait AFTER INSERT ON fresh FOR EACH STATEMENT EXECUTE FUNCTION wait_in_trigger();
SELECT syncup_create_connector('NEW', (SELECT directory FROM syncup.connector WHERE connector = 'PLAIN'));
SELECT syncup_map_entity_type('NEW', 'fresh', 'fresh', 'fresh.csv', 'id', '{"id": "id", "v": "v"}');
SQL
write_file('fresh.csv', "id,v\n1,a\n");
ask($holder, 'SELECT pg_advisory_lock(9)');
like(ask($worker, "SELECT syncup_prepare('NEW', 'initial')"), qr/^[0-9a-f-]{36}$/, 'an initial run is prepared');
begin_statement($worker, "SELECT status, inserted FROM syncup_synchronize('NEW')");
wait_at(9);
is(join(' ', map { "$_->{connector} $_->{mapping} $_->{operation}, $_->{phase}" } shown()),
	'NEW fresh synchronize, applying changes', 'an initial load is shown');
go_on(9);
is(finish($worker), 'applied|1', 'loaded');
nothing_is_shown('in the end');

# A job: the step that runs, whatever it does.
$node->safe_psql('postgres', <<'SQL');
SELECT syncup_create_job('J');
SELECT syncup_add_step('J', 'waits', 'sql', options => '{"statement": "SELECT public.may_pass(''stop9'')"}');
SELECT syncup_add_step('J', 'writes', 'synchronize', 'PLAIN');
SELECT syncup_deactivate('NEW');
SQL
sub job_shown
{
	return $node->safe_psql('postgres', "SELECT pid, connector, operation, phase, job, step FROM syncup.progress");
}
write_file('big.csv', "id,v\n", map { "$_," . ($_ == 5 ? 'changed again' : "value $_") . "\n" } 1 .. 1000);
like($node->safe_psql('postgres', "SELECT syncup_prepare('PLAIN', 'complete')"), qr/^[0-9a-f-]{36}$/, 'a change is prepared for a job');
ask($holder, 'SELECT pg_advisory_lock(9)');
begin_statement($worker, "CALL syncup_run_job('J')");
wait_at(9);
is(job_shown(), "$pid||sql||J|waits", 'a step that runs a statement');
is($node->safe_psql('postgres', "SELECT running_step, last_run IS NULL FROM syncup.job_status"), 'waits|t', 'job_status knows it as well');
ask($holder, 'SELECT pg_advisory_unlock(9); SELECT pg_advisory_lock(9)');
$node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM syncup.progress WHERE step = 'writes')") or die 'the second step did not come';
wait_at(9);
is(job_shown(), "$pid|PLAIN|synchronize|applying changes|J|writes", 'a step that synchronizes');
go_on(9);
finish($worker);
is(job_shown(), '', 'nothing is shown after the job');

$_->{run}->kill_kill for $worker, $holder;
$node->stop('fast');
done_testing();
