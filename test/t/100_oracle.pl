# Random histories of a connector against an oracle: what previous, targets, delta,
# changes, counters, quarantine and the queue must be is computed once more from the
# files, by test/oracle/, and compared after every step.
#
#   SEED=n         begins with the history of that seed (printed on failure)
#   SECONDS=60     as long; the history under way is finished
#   HISTORIES=n    as many, whatever the time
#   KEEP=/tmp      below which the files of a failure are kept
#   SLOW=ms        slower statements go to the server's log
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Export qw(pick chance);
use History qw(play_on begin_history fail_history set_thresholds run play_step end_history);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

$ENV{PGCLIENTENCODING} = 'UTF8';
my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $seconds = $ENV{SECONDS} // 60;
my $histories = $ENV{HISTORIES};

my $node = PostgreSQL::Test::Cluster->new('oracle');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\njit = off\nstatement_timeout = '120s'\n" . ($ENV{SLOW} ? "log_min_duration_statement = $ENV{SLOW}\n" : ''));
$node->start;
play_on($node, PostgreSQL::Test::Utils::tempdir);

sub play_history
{
	my ($seed) = @_;
	my $started = Time::HiRes::time();
	begin_history($seed);
	my $big = $History::settings{big};
	set_thresholds(1) if $History::settings{loose};
	if ($big) { run(pick('initial', 'complete'), clean => chance(0.5)) }
	elsif (chance(0.9)) { run(pick('initial', 'initial', 'complete', 'incremental'), clean => chance(0.5)) }
	play_step() for 1 .. ($big ? 3 : 25);
	end_history();
	pass(sprintf 'history of seed %d%s: %d steps, %d batches, %.1f s', $seed, $big ? ' (big)' : '', $History::step, scalar @{ $History::model->{batches} }, Time::HiRes::time() - $started);
	return;
}

note "SEED=$first_seed";
my $end = time + $seconds;
for (my $n = 0; defined $histories ? $n < $histories : $n == 0 || time < $end; $n++)
{
	if (!eval { play_history($first_seed + $n); 1 })
	{
		fail_history("the test itself: $@");
	}
}
$node->stop;
done_testing();
