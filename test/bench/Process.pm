# Programs that are told lines and answer lines: psql, for a session of the server,
# and others. While one is waited for, the kernel is asked what it uses.
package Process;

use strict;
use warnings;
use IPC::Open2;
use List::Util qw(sum0);
use Exporter 'import';

our @EXPORT_OK = qw(sql slurp);

my $sample_every = 0.02;	# seconds

sub psql { return ("$ENV{BIN}/psql", qw(-X -q -A -t -v ON_ERROR_STOP=1 -d bench)) }

sub slurp
{
	open(my $in, '<', $_[0]) or return '';
	local $/ = undef;
	return <$in> // '';
}

# The answer to a statement, or to what psql's arguments say, in a session of its
# own; dies on an error.
sub sql
{
	my (@arguments) = @_;
	@arguments = ('-c', @arguments) if @arguments == 1;
	open(my $out, '-|', psql(), @arguments) or die $!;
	my $answer = join '', <$out>;
	close($out) or die "psql failed\n";
	chomp $answer;
	return $answer;
}

# Starts a program. "peak" is the most memory in kB that it was seen with, "cpu" the
# seconds of each of its processes.
sub start
{
	my ($class, @command) = @_;
	my $self = bless { peak => 0, cpu => {}, buffer => '' }, $class;
	$self->{child} = $self->{pid} = open2($self->{out}, $self->{in}, @command);
	return $self;
}

# A session: what is looked at is its backend, and the workers of that.
sub start_session
{
	my ($class) = @_;
	my $self = $class->start(psql());
	$self->{pid} = $self->run('SET client_min_messages = warning; SELECT pg_backend_pid();');
	return $self;
}

sub finish
{
	my ($self) = @_;
	close($self->{in});
	waitpid($self->{child}, 0);
	die "a program failed\n" if $? != 0;
	return;
}

# Statements or commands of psql in a session. Result: what they print.
sub run
{
	my ($self, $text) = @_;
	return ($self->tell("$text\n\\echo --done--", '--done--'))[0];
}

# The one line that a program answers to a line.
sub ask
{
	my ($self, $line) = @_;
	return ($self->tell($line, '[^\n]*'))[1];
}

# What a program writes up to a line that matches, and that line.
sub tell
{
	my ($self, $text, $end) = @_;
	print { $self->{in} } "$text\n";
	$self->{in}->flush;
	while (1)
	{
		return ($1 // '', $2) if $self->{buffer} =~ s/\A(?:(.*?)\n)??($end)\n//s;
		my $ready = '';
		vec($ready, fileno($self->{out}), 1) = 1;
		if (select($ready, undef, undef, $sample_every) > 0)
		{
			sysread($self->{out}, $self->{buffer}, 65536, length $self->{buffer})
			  or die "a program ended: $self->{buffer}\n";
		}
		$self->sample;
	}
}

my %no_worker;	# pids of other programs

sub parallel_workers
{
	my ($leader) = @_;
	my @workers;
	opendir(my $processes, '/proc') or die "/proc: $!";
	for my $pid (grep { /^\d+$/ && !$no_worker{$_} } readdir $processes)
	{
		# a process has the title of the postmaster until it knows what it is
		my $title = slurp("/proc/$pid/cmdline");
		if ($title =~ /^postgres: .*parallel worker for PID $leader\b/) { push @workers, $pid }
		elsif ($title !~ m{/postgres\b}) { $no_worker{$pid} = 1 }
	}
	return @workers;
}

sub sample
{
	my ($self) = @_;
	my $memory = 0;
	for my $pid ($self->{pid}, parallel_workers($self->{pid}))
	{
		$memory += $1 if slurp("/proc/$pid/status") =~ /^RssAnon:\s+(\d+) kB/m;
		# the fields after the name, in ticks of 10 ms
		my @stat = split ' ', slurp("/proc/$pid/stat") =~ s/^.*\) //sr;
		$self->{cpu}{$pid} = ($stat[11] + $stat[12]) / 100 if @stat;
	}
	$self->{peak} = $memory if $memory > $self->{peak};
	return;
}

sub cpu { return sum0(values %{ $_[0]{cpu} }) }

1;
