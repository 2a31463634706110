# Processes of a server stopped in the middle: a backend or all of them, at a place
# that the extension knows by name (src/tool/crash_point.h) or whenever the test likes;
# and a look at what is left behind.
package Crash;

use strict;
use warnings;
use File::Find ();
use IPC::Run ();
use PostgreSQL::Test::Utils ();
use Time::HiRes ();

sub new
{
	my ($class, $node) = @_;
	$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
	return bless { node => $node, folder => PostgreSQL::Test::Utils::tempdir }, $class;
}

# Whether the extension was built with places (make CRASH_POINTS=1).
sub knows_places
{
	my ($self) = @_;
	return $self->{node}->safe_psql('postgres', "LOAD 'syncup'; SELECT count(*) FROM pg_settings WHERE name = 'syncup.crash_point'");
}

# ---------- sessions ----------

# Starts statements in a session of their own. place: where it stops, at which
# passing; waits: there it waits instead of dying.
sub start
{
	my ($self, $sql, %args) = @_;
	my $path = "$self->{folder}/statements.sql";
	open my $file, '>:raw', $path or die "$path: $!";
	print $file "SELECT pg_backend_pid();\n";
	printf $file "SET syncup.crash_passing = %d; SET syncup.crash_waits = %s; SET syncup.crash_point = '%s';\n",
	  $args{passing} // 1, $args{waits} ? 'on' : 'off', $args{place}
	  if defined $args{place};
	print $file "$sql;\n";
	close $file or die "$path: $!";

	my $session = { out => '', err => '' };
	$session->{run} = IPC::Run::start(
		[ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1', '-v', 'VERBOSITY=verbose', '-f', $path, '-d', $self->{node}->connstr('postgres') ],
		'<', \undef, '>', \$session->{out}, '2>', \$session->{err}, IPC::Run::timeout(180));
	$session->{run}->pump until $session->{out} =~ s/\A(\d+)\n// || !$session->{run}->pumpable;
	$session->{pid} = $1 or die "no session: $session->{err}";
	return $session;
}

# The state and the parent of a process as /proc shows them; Z and nothing are those
# of the dead.
sub look_at
{
	my ($pid) = @_;
	open my $file, '<', "/proc/$pid/stat" or return ('', 0);
	my ($state, $parent) = (readline($file) // '') =~ /\) (\S) (\d+)/;
	close $file;
	return ($state // '', $parent // 0);
}

# Whether the session is still at work.
sub works
{
	my ($session) = @_;
	$session->{run}->pump_nb if $session->{run}->pumpable;
	return $session->{run}->pumpable;
}

# Waits until the session waits at its place. Result: whether it came there.
sub await_place
{
	my ($self, $session) = @_;
	while (works($session))
	{
		return 1 if (look_at($session->{pid}))[0] eq 'T';
		Time::HiRes::sleep(0.005);
	}
	return 0;
}

# Lets a session go on that waits at its place.
sub go_on
{
	my ($self, $session) = @_;
	kill CONT => $session->{pid};
	return;
}

# Waits for the end of a session. Result: what it printed, its errors, and whether
# all its statements succeeded.
sub finish
{
	my ($self, $session) = @_;
	my $succeeded = $session->{run}->finish;
	chomp(my $out = $session->{out});
	return ($out, $session->{err}, $succeeded);
}

# ---------- killing ----------

sub postmaster
{
	my ($self) = @_;
	my ($pid) = PostgreSQL::Test::Utils::slurp_file($self->{node}->data_dir . '/postmaster.pid') =~ /\A(\d+)/;
	return $pid;
}

sub children_of
{
	my ($parent) = @_;
	return grep { (look_at($_))[1] == $parent } map { m{(\d+)} } glob '/proc/[0-9]*';
}

# As "kill -9" of every process at once: none sees another one die.
sub kill_server
{
	my ($self) = @_;
	my $postmaster = $self->postmaster;
	kill STOP => $postmaster;
	my @children = children_of($postmaster);
	kill KILL => @children, $postmaster;
	for my $pid (@children, $postmaster)
	{
		Time::HiRes::sleep(0.005) while (look_at($pid))[0] =~ /[^Z]/;
	}

	# A new server takes the old one for alive as long as nobody has buried it, which
	# in a container without an init may be never.
	for (1 .. 400)
	{
		last if (look_at($postmaster))[0] eq '';
		Time::HiRes::sleep(0.005);
	}
	unlink $self->{node}->data_dir . '/postmaster.pid' if (look_at($postmaster))[0] ne '';
	$self->{node}->kill9;
	return;
}

# Waits until the server is back, as its log tells from a position on: by itself after
# the death of a backend, or started.
sub restart
{
	my ($self, $position, $server_died) = @_;
	$self->{node}->start if $server_died;
	my $until = time + 60;
	until (PostgreSQL::Test::Utils::slurp_file($self->{node}->logfile, $position) =~ /database system is ready to accept connections/)
	{
		die "the server does not come back\n" if time > $until;
		Time::HiRes::sleep(0.01);
	}
	return;
}

# Whether a backend died of a signal, as the server's log tells from a position on: one
# that was about to go by itself may have been faster.
sub was_killed
{
	my ($self, $pid, $position) = @_;
	Time::HiRes::sleep(0.005) while (look_at($pid))[0] ne '';
	for (1 .. 400)
	{
		return 1 if PostgreSQL::Test::Utils::slurp_file($self->{node}->logfile, $position) =~ /server process \(PID $pid\) was terminated by signal 9/;
		Time::HiRes::sleep(0.005);
	}
	return 0;
}

# Runs a statement and stops the server meanwhile, as planned: all of it (server) or
# the backend; at a place and its passing, or after a delay in seconds. Then the server
# is there again. Result: whether it was stopped, whether the statement's success had
# been told, what it printed and its errors.
sub run_and_kill
{
	my ($self, $sql, $plan) = @_;
	my $position = -s $self->{node}->logfile;
	my $session = $self->start($sql, defined $plan->{place} ? (place => $plan->{place}, passing => $plan->{passing}, waits => $plan->{server}) : ());
	my $hit;
	if (!defined $plan->{place})
	{
		my $until = Time::HiRes::time() + $plan->{delay};
		Time::HiRes::sleep(0.001) while works($session) && Time::HiRes::time() < $until;
		$hit = $plan->{server} || works($session);
		kill KILL => $session->{pid} if $hit && !$plan->{server};
	}
	elsif ($plan->{server}) { $hit = $self->await_place($session) }
	$self->kill_server if $hit && $plan->{server};
	my ($out, $err, $succeeded) = $self->finish($session);
	$hit = 1 if $err =~ /server closed the connection/;
	$hit = $self->was_killed($session->{pid}, $position) if $hit && !$plan->{server};
	$self->restart($position, $plan->{server}) if $hit;
	return ($hit, $succeeded, $out, $err);
}

# A plan in words.
sub describe
{
	my ($plan) = @_;
	return ($plan->{server} ? 'server' : 'backend') . ' killed '
	  . (defined $plan->{place} ? "at \"$plan->{place}\", passing $plan->{passing}" : sprintf 'after %.3f s', $plan->{delay});
}

# ---------- what is left ----------

# What a crash has left behind, as lines: temporary files, files of relations that
# no catalog knows, locks, prepared transactions. A new file of at most one page is
# PostgreSQL's own: where it dies before a TRUNCATE is committed, nobody removes it.
sub leftovers
{
	my ($self) = @_;
	my $data = $self->{node}->data_dir;
	my @left;
	$self->{node}->safe_psql('postgres', 'CHECKPOINT');
	File::Find::find({ wanted => sub { push @left, $File::Find::name if -f && $File::Find::dir =~ /pgsql_tmp/ }, follow_skip => 2, follow_fast => 1 }, "$data/base", "$data/pg_tblspc");
	my ($database, @known) = split /\n/, $self->{node}->safe_psql('postgres', <<'SQL');
SELECT oid FROM pg_database WHERE datname = current_database();
SELECT pg_relation_filenode(oid) FROM pg_class WHERE pg_relation_filenode(oid) IS NOT NULL;
SQL
	my %known = map { $_ => 1 } @known;
	push @left, grep { m{/(?:t\d+_)?(\d+)(?:_\w+|\.\d+)*\z} && !$known{$1} && (-s $_ // 0) > 8192 } glob "$data/base/$database/*";
	push @left, split /\n/, $self->{node}->safe_psql('postgres', <<'SQL');
SELECT 'lock ' || l::text FROM pg_locks l WHERE pid IS DISTINCT FROM pg_backend_pid() AND locktype IN ('object', 'relation') AND database = (SELECT oid FROM pg_database WHERE datname = current_database());
SELECT 'prepared transaction ' || gid FROM pg_prepared_xacts;
SQL
	return join '', map { "left behind: $_\n" } @left;
}

1;
