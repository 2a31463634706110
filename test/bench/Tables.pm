# The tables of the benchmark: figures beside their goals, and what each run used.
package Tables;

use strict;
use warnings;
use Exporter 'import';
use List::Util qw(max min sum0);

our @EXPORT_OK = qw(median with_commas add_result add_ratio add_times add_use add_wal_of_all tables);

my @results = ("| scenario | against | syncup, s | the other, s | figure | goal | |\n", '|---' x 7 . "|\n");
my @uses = ("| scenario | contestant | s | prepare + synchronize | processor, s | WAL, MB | WAL at most, MB | memory, MB | temporary files, MB |\n", '|---' x 9 . "|\n");
my @wal_shares;

sub median { my @sorted = sort { $a <=> $b } @_; return $sorted[ $#sorted / 2 ] }

# The median of something of samples.
sub median_of { my ($what, $samples) = @_; return median(map { $_->{$what} } @$samples) }

sub with_commas { my ($n) = @_; 1 while $n =~ s/^(\d+)(\d{3})/$1,$2/; return $n }

sub seconds { my ($s) = @_; return sprintf($s < 0.095 ? '%.3f' : '%.2f', $s) }

sub times_of
{
	my ($samples) = @_;
	my @seconds = map { $_->{seconds} } @$samples;
	return sprintf('%s (%s–%s)', map { seconds($_) } median(@seconds), min(@seconds), max(@seconds));
}

# A line of figures: all texts, and whether the goal is reached.
sub add_result
{
	my ($scenario, $against, $ours, $other, $figure, $goal, $reached) = @_;
	my $verdict = defined $reached ? ($reached ? 'reached' : 'missed') : '';
	push @results, "| $scenario | $against | $ours | $other | $figure | $goal | $verdict |\n";
	print STDERR $results[-1];
	return;
}

# Times of both; the figure is made of their medians.
sub add_times
{
	my ($scenario, $against, $ours, $other, $format, $figure, $goal, $reached) = @_;
	my $value = $figure->(median_of('seconds', $ours), $other ? median_of('seconds', $other) : undef);
	add_result($scenario, $against, times_of($ours), $other ? times_of($other) : '',
		sprintf($format, $value), $goal, $reached ? $reached->($value) : undef);
	return;
}

# The other's time divided by ours; the goal is at least so much, or there is none.
sub add_ratio
{
	my ($scenario, $against, $ours, $other, $least) = @_;
	add_times($scenario, $against, $ours, $other, '%.2f', sub { $_[1] / $_[0] },
		defined $least ? ("≥ $least", sub { $_[0] >= $least }) : ('', undef));
	return;
}

# A line of what a contestant used. For a run of ours, "row_bytes" is the size of a row
# in the file: it limits the WAL.
sub add_use
{
	my ($scenario, $name, $samples, $row_bytes) = @_;
	my $limit = '';
	if (defined $row_bytes)
	{
		my @limits = map { 4 * $row_bytes * sum0(split m{/}, $_->{counts}) + 1e6 } @$samples;
		push @wal_shares, [ max(map { $samples->[$_]{wal} / $limits[$_] } 0 .. $#limits), $scenario ];
		$limit = sprintf('%.1f', median(@limits) / 1e6);
	}
	my $parts = join ' + ', map { my $part = $_; seconds(median(map { $_->{parts}[$part] } @$samples)) } 0 .. $#{ $samples->[0]{parts} };
	push @uses, sprintf("| %s | %s | %s | %s | %.2f | %.1f | %s | %.0f | %.0f |\n",
		$scenario, $name, seconds(median_of('seconds', $samples)), $parts, median_of('cpu', $samples),
		median_of('wal', $samples) / 1e6, $limit, median_of('memory', $samples) / 2**20, median_of('temporary', $samples) / 1e6);
	return;
}

sub add_wal_of_all
{
	return unless @wal_shares;
	my ($share, $scenario) = @{ (sort { $b->[0] <=> $a->[0] } @wal_shares)[0] };
	add_result('WAL of any run of ours, divided by the most it may be', '', '', '', sprintf('%.2f (%s)', $share, $scenario), '≤ 1', $share <= 1);
	return;
}

sub tables { return join '', @results, "\n", @uses }

1;
