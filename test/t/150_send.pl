# syncup-send, and what docs/agents.md shows, as an agent that may do nothing else: over
# a connection that breaks after so many bytes, at every stage, the files are applied
# once; what they hold is on no command line and in no log, and nobody else can read
# what lies there meanwhile.
use strict;
use warnings;
use IO::Select;
use IO::Socket::UNIX;
use POSIX ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} // int(rand(2**31));
srand($seed);
diag("SEED=$seed");
my $runs = $ENV{RUNS} // 16;

my $node = PostgreSQL::Test::Cluster->new('send');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = all\nlog_min_duration_statement = 0\nlog_min_messages = info\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $tmp = "$dir/tmp";
mkdir $tmp or die;

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $content;
	close $file;
	return "$dir/$name";
}

sub query { return $node->safe_psql('postgres', $_[0]) }

# The code of a manual's page in a language, block by block.
sub manual
{
	my ($page, $heading, $language) = @_;
	my ($section) = slurp_file("docs/$page") =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms or die "no \"$heading\" in $page";
	return $section =~ /^```\Q$language\E\n(.*?)^```/gms;
}

query($_) for 'CREATE EXTENSION syncup', (manual('security.md', 'Senders', 'sql'))[0], <<'SQL';
CREATE TABLE person (id int PRIMARY KEY, name text);
SELECT syncup_create_connector('HR');
SELECT syncup_map_entity_type('HR', 'staff', 'person', 'staff.csv', 'id', '{"id": "id", "name": "name"}', options => '{"incremental_file": "changes.csv", "command_column": "cmd"}');
SELECT syncup_set_thresholds('HR', '{"max_percentage_inserted_lines": 0, "maximum_inserted_lines": 0, "maximum_updated_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 50}');
CREATE ROLE hr_agent LOGIN IN ROLE sync_send;
SELECT syncup_grant_sender('HR', 'hr_agent');
CREATE ROLE hr_both LOGIN IN ROLE sync_send;
GRANT EXECUTE ON FUNCTION syncup_synchronize TO hr_both;
GRANT SELECT, INSERT, UPDATE, DELETE ON person TO hr_both;
SQL

# ---------- a proxy that breaks ----------

# Passes bytes on, counts them, and closes the connection in which their number is
# reached: once. What it counted is in the file "bytes".
my $passed = "$dir/bytes";
my $cut_file = "$dir/cut";

# (A child that exits would stop the server.)
sub pass_on
{
	my ($client) = @_;
	my $server = IO::Socket::UNIX->new(Peer => $node->host . '/.s.PGSQL.' . $node->port) or POSIX::_exit(1);
	my $select = IO::Select->new($client, $server);
	while (my @ready = $select->can_read)
	{
		for my $from (@ready)
		{
			sysread($from, my $data, 4096) or POSIX::_exit(0);
			my $cut = -s $cut_file ? slurp_file($cut_file) : -1;
			my $before = -s $passed // 0;
			# one byte in the file for each that passed: connections follow one another
			open my $count, '>>', $passed or POSIX::_exit(1);
			print $count 'x' x length $data;
			close $count;
			if ($cut >= 0 && $before + length $data > $cut)
			{
				$data = substr $data, 0, $cut - $before;
				syswrite($from == $client ? $server : $client, $data) if length $data;
				write_file('cut', '') unless -e "$dir/always";
				POSIX::_exit(0);
			}
			my $to = $from == $client ? $server : $client;
			for (my $done = 0; $done < length $data;)
			{
				$done += syswrite($to, $data, length($data) - $done, $done) // POSIX::_exit(0);
			}
		}
	}
	POSIX::_exit(0);
}

my $listener = IO::Socket::UNIX->new(Local => "$dir/.s.PGSQL." . $node->port, Listen => 20) or die "no proxy: $!";
my $proxy = fork // die;
if ($proxy == 0)
{
	$SIG{CHLD} = 'IGNORE';
	$SIG{PIPE} = 'IGNORE';
	while (my $client = $listener->accept)
	{
		my $child = fork // POSIX::_exit(1);
		pass_on($client) if $child == 0;
		close $client;
	}
	POSIX::_exit(0);
}

# ---------- sending ----------

my ($said, $printed);

# Sends through the proxy, as a role; returns the exit status.
sub send_files
{
	my ($role, @args) = @_;
	write_file('bytes', '');
	local $ENV{TMPDIR} = $tmp;
	local $ENV{PGDATABASE} = 'postgres';
	local $ENV{PGHOST} = $dir;
	local $ENV{PGPORT} = $node->port;
	my $result = IPC::Run::run([ 'sh', 'bin/syncup-send', '--retry-delay=0', '--give-up-after=30', '-U', $role, @args ], '>', \$printed, '2>', \$said);
	return $? >> 8;
}

my $content = 0;

# A file that nobody has seen before, in several parts; and what its rows are then.
sub new_file
{
	$content++;
	my @rows = map { "$_,secret$content of $_" . int(rand(1e9)) } 1 .. 200;
	return (write_file('staff.csv', join("\n", 'id,name', @rows) . "\n"), join("\n", map { s/,/|/r } @rows));
}

sub rows { return query('SELECT * FROM person ORDER BY id') }
sub batches { return query('SELECT count(*) FROM syncup.batch') }

write_file('cut', '');
my ($file, $rows) = new_file();
is(send_files('hr_both', '--part-size', '300', 'HR', 'complete', $file), 0, 'a file is sent and applied');
like($said, qr/part 8 of (\d+) sent\n.*part \1 of \1 sent/s, 'with progress');
like($printed, qr/status.*inserted.*\n.*\n .*applied +\| +200 /, 'and its result');
is(rows(), $rows, 'these are its rows');
my $total = -s $passed;

# Every place of the way, and some at random.
for my $run (1 .. $runs)
{
	my $cut = $run % 3 ? int($total * $run / ($runs + 1)) : int(rand($total));
	my $before = batches();
	($file, $rows) = new_file();
	write_file('cut', $cut);
	is(send_files('hr_both', '--part-size', '300', 'HR', 'complete', $file), 0, "cut after $cut of about $total bytes") or diag($said);
	is(-s $cut_file, 0, 'it was cut');
	my %once;
	is(join(' ', grep { $once{$_}++ } $said =~ /part (\d+) of \d+ sent/g), '', 'no part that was sent is sent again');
	is(rows(), $rows, 'the file is applied');
	is(batches() - $before, 1, 'once');
}

# A cut that does not end: clearly not.
($file, undef) = new_file();
my $before = rows();
write_file('always', '');
write_file('cut', int($total / 3));
is(send_files('hr_both', '--give-up-after', '1', '--part-size', '300', 'HR', 'complete', $file), 2, 'given up');
like($said, qr/was given up after 1 s/, 'which is said');
is(rows(), $before, 'nothing is applied');
unlink "$dir/always";
write_file('cut', '');
is(query("SELECT count(*) FROM syncup.session WHERE status = 'prepared'"), '0', 'nor will be');

# The connector is busy: it is waited for.
my $busy = $node->background_psql('postgres');
$busy->query_safe(q{BEGIN});
$busy->query_safe(q{SELECT syncup_deactivate('HR'), syncup_activate('HR')});
my $sender = fork // die;
if ($sender == 0)
{
	close $listener;
	POSIX::_exit(send_files('hr_agent', '--retry-delay=1', '--no-synchronize', 'HR', 'complete', $file));
}
ok($node->poll_query_until('postgres', "SELECT EXISTS (SELECT FROM syncup.session WHERE status IN ('open', 'prepared') AND opened_by = 'hr_agent')"), 'a session waits');
$busy->query_safe(q{COMMIT});
$busy->quit;
waitpid $sender, 0;
is($? >> 8, 0, 'and is prepared, by who can do no more');
is(query("SELECT status FROM syncup.session WHERE opened_by = 'hr_agent'"), 'prepared', 'so it is');
is(send_files('hr_agent', 'HR', 'complete', $file), 4, 'who may not synchronize');
like($said, qr/permission denied for function syncup_synchronize/, 'is told');
query(q{SELECT syncup_synchronize('HR')});

# ---------- nobody sees it ----------

# A psql that notes its arguments, and what lies in the folder for others to read.
mkdir "$dir/bin";
chomp(my $real = `sh -c "command -v psql"`);
write_file('bin/psql', "#!/bin/sh\nprintf '%s\\n' \"\$@\" >>$dir/arguments\nfind $tmp ! -path $tmp -perm /077 >>$dir/readable\nls -R $tmp >>$dir/seen\nexec $real \"\$@\"\n");
chmod 0755, "$dir/bin/psql";
($file, $rows) = new_file();
{
	local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
	is(send_files('hr_both', '--no-gzip', '--quiet', 'HR', 'complete', "staff.csv=$file"), 0, 'once more, uncompressed, under a name');
}
is($said, '', 'without a word');
is(rows(), $rows, 'applied');
like(slurp_file("$dir/seen"), qr/^rows$/m, 'something lay there');
is(slurp_file("$dir/readable"), '', 'for nobody else');
unlike(slurp_file("$dir/arguments"), qr/secret/, 'no contents on a command line');
is(join(' ', glob("$tmp/*")), '', 'nothing is left');
is(join(' ', grep { /secret/ } split /\n/, slurp_file($node->logfile)), '', 'nothing is in the log, which has every statement');

# ---------- a file that does not hold still ----------

# A dd that does what is in the file "meanwhile" before it reads.
write_file('bin/dd', "#!/bin/sh\n. $dir/meanwhile\nexec " . `sh -c "command -v dd"` =~ s/\n//r . " \"\$\@\"\n");
chmod 0755, "$dir/bin/dd";
$before = rows();
for my $compress ([], ['--no-gzip'])
{
	my $batches = batches();
	for (["echo 201,late >>$dir/staff.csv", 'changed while it was read'],
		["cp $dir/other.csv $dir/new.csv; mv $dir/new.csv $dir/staff.csv", 'changed while it was read'],
		["cp -p $dir/staff.csv $dir/kept.csv; : >$dir/staff.csv; touch -r $dir/kept.csv $dir/staff.csv", 'changed while it was read'],
		['head -c 5 <&5; echo 0+1 records in >&2; exit', 'cannot read file'],
		['exit 1', 'cannot read file'])
	{
		my ($meanwhile, $why) = @$_;
		write_file('meanwhile', $meanwhile . "\n");
		write_file('other.csv', "id,name\n1,another\n");
		($file, undef) = new_file();
		local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
		is(send_files('hr_both', @$compress, '--part-size', '300', 'HR', 'complete', $file), 1, "@$compress: $meanwhile");
		like($said, qr/file ".*" \Q$why\E|\Q$why\E ".*"/, 'is told');
	}
	is(batches(), $batches, 'nothing is prepared');
}
is(rows(), $before, 'nothing is applied');
is(join(' ', glob("$tmp/*")), '', 'nothing is left');
# Time to give up does not run while parts arrive: eight take 4 s, and then it breaks.
write_file('meanwhile', "sleep 0.5\n");
write_file('cut', 40000);
{
	my @rows = map { "$_," . 'x' x 240 } 1 .. 200;
	local $ENV{PATH} = "$dir/bin:$ENV{PATH}";
	is(send_files('hr_both', '--no-gzip', '--part-size', '3000', '--give-up-after', '3', 'HR', 'complete', write_file('staff.csv', join("\n", 'id,name', @rows) . "\n")), 0, 'a long way, with a break') or diag($said);
	like($said, qr/part 8 of \d+ sent\n(.*\n)*.* tried again in 0 s\n.*part 9 of/, 'after which it goes on where it was');
	is(rows(), join("\n", map { s/,/|/r } @rows), 'is gone to its end');
}
unlink "$dir/bin/dd";

# ---------- what becomes of it ----------

is(send_files('hr_both', 'HR', 'complete', write_file('few.csv', "id,name\n1,secret\n")), 4, 'a file of another name');
like($said, qr/file "staff.csv" was not sent in session .*\n(.*\n)*HINT: +Sent were "few.csv.gz"/, 'is told');
is(send_files('hr_both', 'HR', 'complete', "staff.csv=$dir/few.csv"), 3, 'too many deletions: blocked');
like($said, qr/batch \S+ is blocked: SELECT syncup_report/, 'is told');
is(send_files('hr_both', '--no-gzip', 'HR', 'incremental', write_file('changes.csv', "cmd,id,name\nupdate,1,secret\n")), 4, 'an incremental one is refused then');
query(q{SELECT syncup_discard('HR', 'too few')});
is(send_files('hr_both', 'HR', 'incremental', "$dir/changes.csv"), 0, 'and applied then');
like(rows(), qr/^1\|secret$/m, 'it was');
is(send_files('hr_both', '--no-gzip', 'HR', 'incremental', "$dir/changes.csv"), 0, 'the same again');
like($said, qr/file "changes.csv" is left alone/, 'is known, compressed or not');
query(q{ALTER TABLE person ADD CHECK (name NOT LIKE 'no %')});
is(send_files('hr_both', 'HR', 'incremental', write_file('changes.csv', "cmd,id,name\nupdate,1,no secret\n")), 4, 'a constraint: failed');
like($said, qr/batch \S+ failed: SELECT error/, 'is told');
is(send_files('hr_both', 'HR', 'incremental', write_file('changes.csv', "cmd,id,name\nupdate,1,some secret\n")), 3, 'one behind it waits');
query(q{SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'failed' AND prepared_at IS NOT NULL});
is(join(' ', grep { /secret/ } split /\n/, slurp_file($node->logfile)), '', 'nothing is in the log');
is(send_files('nobody', '--give-up-after', '0', 'HR', 'complete', $file), 2, 'no such role');
query('CREATE ROLE nobody LOGIN');
is(send_files('nobody', 'HR', 'complete', $file), 4, 'one without rights');
is(send_files('hr_agent', 'AD', 'complete', $file), 4, 'another connector');
is(send_files('hr_agent', @$_), 1, "called as: @$_")
	for [], ['HR'], ['HR', 'complete'], ['HR', 'everything', $file], ['--part-size', 'x', 'HR', 'complete', $file], ['--part-size=0', 'HR', 'complete', $file], ['--part-size', '50000001', 'HR', 'complete', $file],
	['--nothing', 'HR', 'complete', $file], ['HR', 'complete', "$dir/none.csv"], ['HR', 'complete', write_file('empty.csv', ''), '--no-gzip'], ['--no-gzip', 'HR', 'complete', "$dir/empty.csv"];
is(send_files('hr_agent', '--help'), 0, 'help');
like($printed, qr/^Usage:/m, 'is printed');
is(join(' ', glob("$tmp/*")), '', 'nothing is left');

# ---------- the manual's other clients ----------

my @as_agent = ('-U', 'hr_agent');
SKIP:
{
	skip 'psycopg is not there', 2 if system('/usr/bin/python3 -c "import psycopg" 2>/dev/null') != 0;
	my $script = write_file('agent.py', (manual('agents.md', 'Python', 'python'))[0]);
	($file, $rows) = new_file();
	my $batch;
	ok(IPC::Run::run([ '/usr/bin/python3', $script, $node->connstr('postgres') . ' user=hr_agent', 'HR', 'complete', $file ], '>', \$batch), 'Python');
	query(q{SELECT syncup_synchronize('HR')});
	is(rows(), $rows, 'applied');
}
($file, $rows) = new_file();
system('gzip', '-f', $file) == 0 or die;
my $psql = (manual('agents.md', 'psql alone', ''))[0] =~ s{/var/exports/}{$dir/}r;
my ($status, $stdout, $stderr) = $node->psql('postgres', $psql, extra_params => \@as_agent);
is($status, 0, 'psql') or diag($stderr);
query(q{SELECT syncup_synchronize('HR')});
is(rows(), $rows, 'applied');

# ---------- README, for somebody without any file on the server ----------

my $readme = slurp_file('README.md') =~ s/\r//gr;
my ($export) = $readme =~ /^## Quick start\n.*?^```\n(employee_id.*?)^```/ms;
my ($setup) = $readme =~ /^(CREATE EXTENSION syncup;\nCREATE TABLE person.*?)^```/ms;
ok($setup =~ s/, '\/srv\/exports\/hr'// && $setup =~ s/, key => 'employee_id'\)/, 'employee_id', '{"employee_id": "employee_id", "name": "name", "department": "department", "hired": "hired"}')/, 'the calls of README');
query('CREATE DATABASE readme');
my $owner = query('SELECT current_user');
sub in_readme { return $node->safe_psql('readme', $_[0]) }
in_readme($setup);
is(send_files($owner, '-d', 'readme', 'HR', 'initial', write_file('persons.csv', $export)), 0, 'the first run');
is(in_readme('SELECT line, reason, key, message FROM syncup.quarantine ORDER BY line'), "5|duplicate|1003|key was already given on line 4\n6|null key||\"employee_id\" is empty", 'rows set aside');
$export = "employee_id,name,department,hired\n1001,Ada Abbott,Finance,2019-04-01\n1002,Bruno Petit,Sales,2020-09-15\n";
is(send_files($owner, '-d', 'readme', 'HR', 'complete', write_file('persons.csv', $export)), 3, 'the second blocks');
is(in_readme(q{SELECT count(*) FROM syncup_changes((SELECT blocked FROM syncup.status))}), '4', 'its changes');
is(in_readme(q{SELECT status, inserted, updated, deleted FROM syncup_resume('HR')}), 'applied|0|1|1', 'resumed');
is(in_readme('SELECT * FROM person ORDER BY 1'), "1001|Ada Abbott|Finance|2019-04-01|\n1002|Bruno Petit|Sales|2020-09-15|", 'the table');
is(in_readme(q{SELECT string_agg(j, ' ' ORDER BY j) FROM syncup_create_jobs('HR') j}), 'HR_complete HR_incremental HR_initial', 'jobs');
is(send_files($owner, '-d', 'readme', '--no-synchronize', 'HR', 'complete', write_file('persons.csv', $export)), 0, 'an export comes');
in_readme(q{CALL syncup_run_job('HR_complete')});
is(in_readme(q{SELECT string_agg(step || ' ' || state, ', ' ORDER BY ordinal) FROM syncup.job_step_run}), 'synchronize HR success, maintain success', 'a job does the rest, without preparing anything');
is(in_readme(q{SELECT (SELECT count(*) FROM syncup.alarm), (SELECT last_status FROM syncup.status)}), '0|applied', 'all is well');

# Unknown files: described on one server, which has them, and sent to another one.
query('CREATE DATABASE notebook');
query('CREATE DATABASE prod');
$node->safe_psql($_, 'CREATE EXTENSION syncup') for 'notebook', 'prod';
mkdir "$dir/exports";
write_file('exports/person.csv', "id;name;unit\n" . join '', map { "$_;Name $_;" . ($_ % 2 ? 'A' : 'B') . "\n" } 1 .. 12);
write_file('exports/unit.csv', "code;title\nA;Alpha\nB;Beta\n");
my ($describe) = grep { /syncup_suggest/ } manual('agents.md', q{The server's side}, 'sh');
$describe =~ s{/var/exports}{$dir/exports}g;
$describe =~ s/psql -h localhost/psql -d notebook/;
$describe =~ s/psql -h db\.example\.org/psql -q/;
$describe =~ s/^syncup-send -h db\.example\.org/sh bin\/syncup-send --quiet/m;
$describe =~ s/setup\.sql/$dir\/setup.sql/g;
{
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	local $ENV{PGUSER} = $owner;
	ok(IPC::Run::run([ 'sh', '-ec', $describe ], '>', \$printed, '2>', \$said), 'are sent as the manual says') or diag($said);
}
is($node->safe_psql('prod', 'SELECT count(*), min(p.name), count(DISTINCT u.title) FROM person p JOIN unit u ON u.code = p.unit'), '12|Name 1|2', 'and are there');
is($node->safe_psql('prod', 'SELECT directory IS NULL FROM syncup.connector'), 't', 'without a folder on the server');

kill 'TERM', $proxy;
waitpid $proxy, 0;
$node->stop;
done_testing();
