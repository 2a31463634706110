# Measuring works, alone or in turn.
#
# A work is a function of a session and of a list, to which it may add the seconds of
# its parts. It answers its counts, "inserted/updated/deleted", or nothing.
package Contest;

use strict;
use warnings;
use Exporter 'import';
use List::Util qw(max);
use Process qw(sql);
use Time::HiRes qw(sleep time);

our @EXPORT_OK = qw(contest measure once must_be_equal counts_must_be_equal);

# Waits until no session but this one is left: figures of others might be missing.
sub wait_for_silence
{
	my $others = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'bench'
		AND backend_type IN ('client backend', 'parallel worker') AND pid <> pg_backend_pid()";
	sleep(0.01) until sql($others) eq '0';
	return;
}

# What a work takes, in a session of its own: seconds and those of its parts, bytes of
# WAL, temporary files and memory, processor time. Option "process": whose memory and
# time, if not the session's; "no_checkpoint".
sub measure
{
	my ($work, %option) = @_;
	my $temp_bytes = "SELECT temp_bytes FROM pg_stat_database WHERE datname = 'bench'";
	sql('CHECKPOINT') unless $option{no_checkpoint};
	wait_for_silence();
	my $wal_before = sql('SELECT pg_current_wal_insert_lsn()');
	my $temporary_before = sql($temp_bytes);
	my $session = Process->start_session;
	my $process = $option{process} // $session;
	$process->{peak} = 0;
	$process->sample;
	my $cpu_before = $process->cpu;

	my @parts;
	my @children_before = times;
	my $start = time;
	my $counts = $work->($session, \@parts);
	my $seconds = time - $start;
	my @children = times;

	$process->sample;
	my $wal = sql("SELECT pg_current_wal_insert_lsn() - '$wal_before'");
	$session->finish;
	wait_for_silence();
	return {
		seconds => $seconds,
		parts => \@parts,
		counts => $counts,
		wal => $wal,
		temporary => sql($temp_bytes) - $temporary_before,
		memory => $process->{peak} * 1024,
		cpu => max(0, $process->cpu - $cpu_before + $children[2] + $children[3] - $children_before[2] - $children_before[3]),
	};
}

# A work that nobody measures.
sub once
{
	my ($work) = @_;
	my $session = Process->start_session;
	$work->($session, []);
	$session->finish;
	return;
}

# Rounds of works. In each, before() changes what they find; then every one of them
# works, in an order that turns around from round to round; then after() gets what they
# took, by name, and may compare what they did. The first round or two warm up and do
# not count: the number of rounds is even, so that where two versions of a file take
# turns, the last round leaves what the first one found.
sub contest
{
	my ($label, $works, %option) = @_;
	my @names = sort keys %$works;
	my $warm_up = $ENV{RUNS} % 2 ? 1 : 2;
	my %samples;
	for my $round (1 .. $warm_up + $ENV{RUNS})
	{
		my %now;
		$option{before}->() if $option{before};
		for my $name ($round % 2 ? @names : reverse @names)
		{
			my $process = $option{processes}{$name};
			$now{$name} = measure($works->{$name}, $process ? (process => $process) : ());
			print STDERR "  $label, round $round, $name: ", describe($now{$name}), "\n";
		}
		$option{after}->(\%now) if $option{after};
		next if $round <= $warm_up;
		push @{ $samples{$_} }, $now{$_} for @names;
	}
	return \%samples;
}

sub describe
{
	my ($sample) = @_;
	return sprintf('%.2f s%s, processor %.2f s, WAL %.1f MB, memory %.0f MB, temporary files %.0f MB%s',
		$sample->{seconds}, @{ $sample->{parts} } ? sprintf(' (%s)', join ' + ', map { sprintf '%.2f', $_ } @{ $sample->{parts} }) : '',
		$sample->{cpu}, $sample->{wal} / 1e6, $sample->{memory} / 2**20, $sample->{temporary} / 1e6,
		defined $sample->{counts} ? ", $sample->{counts}" : '');
}

# Dies unless two queries answer the same rows, as often.
sub must_be_equal
{
	my ($one, $other) = @_;
	my $different = sql("SET work_mem = '256MB'; WITH one AS ($one), other AS ($other)
		SELECT count(*) FROM ((TABLE one EXCEPT ALL TABLE other) UNION ALL (TABLE other EXCEPT ALL TABLE one)) AS d");
	die "$different rows differ between $one and $other\n" unless $different eq '0';
	return;
}

# Dies unless all that counted have the same counts.
sub counts_must_be_equal
{
	my ($now) = @_;
	my %who = map { $now->{$_}{counts} => $_ } grep { defined $now->{$_}{counts} } keys %$now;
	die 'counts differ: ' . join(', ', map { "$who{$_} $_" } sort keys %who) . "\n" if keys %who > 1;
	return;
}

1;
