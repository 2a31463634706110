# Histories in which the server dies: "kill -9" of a backend or of every process, at a
# place with a name (src/tool/crash_point.h) or at a random moment of prepare, synchronize,
# run, resume, undo, discard and export. After each kill the state is compared with the
# oracle's: it is the one before the statement or the one after, in every table; then
# the history goes on.
#
#   SEED=n       begins with the history of that seed (printed); kills at random moments
#                fall as they fall, and what follows them with them
#   KILLS=20     at least as many
#   SECONDS=0    at least as long; without it histories of many rows are left out
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Crash;
use Export qw(pick chance change_source);
use History qw(play_on begin_history end_history note_step fail_history run_expecting operate set_thresholds
  prepare synchronize run resume undo discard play_step);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Scalar::Util qw(blessed reftype);
use Test::More;
use Time::HiRes ();

$ENV{PGCLIENTENCODING} = 'UTF8';
my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $wanted = $ENV{KILLS} // 20;
my $end = time + ($ENV{SECONDS} // 0);

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\njit = off\nstatement_timeout = '120s'\n");
my $crash = Crash->new($node);
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;
play_on($node, $folder);
my $has_places = $crash->knows_places;
note 'The extension knows no places: kills are at random moments only.' if !$has_places;

# Where each operation can be stopped.
my @reading = ('batch queued', 'reading a row', 'reading a change', 'file read', 'batch prepared');
my @building = ('building changes', 'changes built', 'thresholds checked');
my @applying = ('applying changes', 'changes applied', 'flags written', 'previous written', 'rows forgotten');
my @ending = ('before commit', 'after commit');
my %places = (
	prepare => [ @reading, @ending ],
	synchronize => [ @building, @applying, 'target loaded', 'queue done', @ending ],
	run => [ @reading, 'between prepare and synchronize', @building, @applying, 'target loaded', 'queue done', @ending ],
	resume => [ 'resume reviewed', @applying, 'batch resumed', 'queue done', @ending ],
	undo => [ 'undo reviewed', 'applying changes', 'changes applied', 'changes taken back', 'batch undone', @ending ],
	discard => [ 'batch discarded', @ending ],
	export => [ 'files written', 'file replaced' ]);

# Nobody adds a place without its being tried; those of jobs are tried in 070_jobs.pl, those
# of rules in 090_role_model.pl.
my %tried = map { $_ => 0 } map { @$_ } values %places;
my %known = map { $_ => 1 } @ending, map { slurp_file($_) =~ /CRASH_POINT\("(.*?)"\)/g } grep { !m{/(job|as_role)\.c\z} } glob "$FindBin::RealBin/../../src/*.c $FindBin::RealBin/../../src/*/*.c";
is_deeply([ sort keys %tried ], [ sort keys %known ], 'every place of the sources is one where the server is stopped');

# ---------- one kill ----------

my $plan;				# of the kill to come
my @earlier;			# the model as it was before the statement, or in the middle of it
my %kills;				# by operation
my %outcomes;
my %duration = (map { $_ => 0.05 } keys %places);
my $killed = 0;

my @kept = (map({ $_->{name} } Export::mappings()), 'stored_change', 'cell');

# A copy of a structure, in which what is one thing stays one; code is not copied.
sub copy_of
{
	my ($thing, $known) = @_;
	$known //= {};
	my $type = reftype $thing;
	return $thing if !$type || $type eq 'CODE' || $type eq 'REGEXP';
	return $known->{$thing} if $known->{$thing};
	my $copy = $known->{$thing} = $type eq 'HASH' ? {} : [];
	if ($type eq 'HASH') { $copy->{$_} = copy_of($thing->{$_}, $known) for keys %$thing }
	else { push @$copy, map { copy_of($_, $known) } @$thing }
	return blessed $thing ? bless $copy, blessed $thing : $copy;
}

# Keeps a copy of the model, and of its tables.
sub keep_model
{
	return if !$plan;
	my $n = @earlier;
	push @earlier, copy_of($History::model);
	$History::compare->sql(join '', map { "DROP TABLE IF EXISTS model.kept_${n}_$_; CREATE TABLE model.kept_${n}_$_ AS TABLE model.$_;\n" } @kept);
	return;
}

# The model becomes an earlier one again.
sub go_back
{
	my ($n) = @_;
	$History::model = $earlier[$n];
	$History::compare->sql(join '', map { "TRUNCATE model.$_; INSERT INTO model.$_ SELECT * FROM model.kept_${n}_$_;\n" } @kept);
	return;
}

# By what the server differs from the model. A batch whose name nobody heard is the
# newest one.
sub differences
{
	my ($newest) = split /\n/, $History::compare->sql('SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1');
	my @batches = @{ $History::model->{batches} };
	my ($nameless) = grep { !defined $_->{uuid} } @batches;
	if ($nameless)
	{
		return "batch $nameless->{number} is not there\n" if !defined $newest || grep { ($_->{uuid} // '') eq $newest } @batches;
		$nameless->{uuid} = $newest;
	}
	return $History::compare->differences($History::model, $History::connector);
}

# Runs a statement on the queue, in the midst of which the server may die. If then
# its work is not done, the step ends here: the model goes back.
sub perform
{
	my ($sql) = @_;
	my $started = Time::HiRes::time();
	return $History::compare->try_sql($sql) if !$plan;
	my ($hit, $succeeded, $out, $err) = $crash->run_and_kill($sql, $plan);
	my $way = Crash::describe($plan);
	my $operation = $plan->{operation};
	my $place = $plan->{place};
	my $is_server = $plan->{server};
	undef $plan;
	if (!$hit)
	{
		$duration{$operation} = Time::HiRes::time() - $started;
		return ($out, $succeeded ? '' : $err);
	}

	note_step("$operation: $way");
	$killed++;
	$kills{$operation}++;
	$tried{$place}++ if defined $place;
	my $left = $crash->leftovers;
	fail_history("$operation: $way\n$left") if $left ne '';
	my @found = differences();
	my $state = 'after';
	for my $n (reverse 0 .. $#earlier)
	{
		last if $found[-1] eq '' || $succeeded;
		go_back($n);
		$state = $n == 0 ? 'before' : 'between';
		push @found, differences();
	}
	fail_history("$operation: $way: the state is neither the one after it"
		  . ($succeeded ? ', although its success was told' : ' nor an earlier one') . ":\n" . join("--\n", @found))
	  if $found[-1] ne '';
	$outcomes{ ($is_server ? 'server' : 'backend') . (defined $place ? ' at a place' : ' at a moment') }{$state}++;
	note "$operation: $way: $state";
	die { state => $state } if $state ne 'after';
	return;
}

# Plays a step whose statement meets the kill.
sub kill_in
{
	my ($operation, $step) = @_;
	my @possible = sort { $tried{$a} <=> $tried{$b} || $a cmp $b } @{ $places{$operation} };
	@earlier = ();
	$plan = { operation => $operation, server => chance(0.4) ? 1 : 0 };
	if ($has_places && chance(0.65))
	{
		$plan->{place} = chance(0.7) ? $possible[0] : pick(@possible);
		$plan->{passing} = $plan->{place} =~ /reading/ ? pick(1, 2, 10) : $plan->{place} =~ /applying|applied/ ? pick(1, 3, 6, 8) : pick(1, 1, 2);
	}
	else { $plan->{delay} = rand(1.2 * $duration{$operation}) }
	if (!eval { $step->(); 1 })
	{
		die $@ if !ref $@;
	}
	undef $plan;
	return;
}

# ---------- exports ----------

# What a folder holds, by name.
sub contents
{
	my ($path) = @_;
	opendir my $directory, $path or die "$path: $!";
	my %contents = map { $_ => slurp_file("$path/$_") } grep { !/\A\.\.?\z/ } readdir $directory;
	closedir $directory;
	return \%contents;
}

# Exports a batch and is killed: every file is the old or the new one, and the next
# export leaves nothing of the cut one.
sub kill_export
{
	my ($batch) = @_;
	my $export = sub { return "SELECT syncup_export('$batch->{uuid}', " . Compare::literal("$folder/$_[0]") . ')' };
	mkdir "$folder/$_" for 'whole', 'cut';
	my $old = contents("$folder/cut");
	run_expecting($export->('whole'));
	my $new = contents("$folder/whole");
	kill_in('export', sub { operate($export->('cut')) });
	my $cut = contents("$folder/cut");
	for my $name (grep { !/\A\./ } sort keys %$cut)
	{
		fail_history("export: $name is neither the old nor the new file") if $cut->{$name} ne ($old->{$name} // "\0") && $cut->{$name} ne ($new->{$name} // "\0");
	}
	run_expecting($export->('cut'));
	my $again = contents("$folder/cut");
	my @wrong = grep { ($again->{$_} // "\0") ne ($new->{$_} // "\0") } sort keys %{ { %$again, %$new } };
	fail_history("export: after the next one these are not as they should be: @wrong") if @wrong;
	return;
}

# ---------- histories ----------

# A limit that almost every batch exceeds, or none.
sub set_limits
{
	my ($maximum) = @_;
	$History::model->{limits}{''}{$_} = { maximum => $maximum, percentage => 0 } for qw(inserted updated deleted);
	$History::model->{limits}{''}{set_aside} = 0;
	run_expecting("SELECT syncup_set_thresholds('$History::connector', '{\"max_percentage_set_aside_lines\": 0, " . join(', ', map { "\"maximum_${_}_lines\": $maximum, \"max_percentage_${_}_lines\": 0" } qw(inserted updated deleted)) . "}')");
	return;
}

sub is_enough { return $killed >= $wanted && time >= $end }

sub blocked { return (grep { $_->{status} eq 'blocked' } $History::model->queue)[0] }

# Brings it about that the operation has something to do, and kills in it.
sub kill_once
{
	my ($operation) = @_;
	my $mode = pick('complete', 'complete', 'incremental', 'incremental', 'incremental');
	change_source($History::source) for 1 .. 3;
	if ($operation eq 'prepare') { kill_in($operation, sub { prepare($mode) }) }
	elsif ($operation eq 'run') { kill_in($operation, sub { run($mode) }) }
	elsif ($operation eq 'synchronize')
	{
		prepare('complete') if blocked() || !$History::model->queue;
		kill_in($operation, sub { synchronize(force => chance(0.8)) });
	}
	elsif ($operation eq 'discard')
	{
		prepare('complete') if !$History::model->queue;
		my ($batch) = $History::model->queue or return;
		kill_in($operation, sub { discard($batch) });
	}
	elsif ($operation eq 'export')
	{
		prepare('complete') if !$History::model->queue;
		my ($batch) = $History::model->queue or return;
		kill_export($batch);
	}
	elsif ($operation eq 'resume')
	{
		set_limits(1);
		for (1 .. 4)
		{
			last if blocked();
			prepare('complete');
			synchronize(force => 0);
			change_source($History::source);
		}
		set_limits(0);
		my $batch = blocked() or return;
		prepare('incremental') if chance(0.2);
		kill_in($operation, sub { resume($batch) });
	}
	else
	{
		prepare('complete');
		synchronize(force => 1, keep => 1);
		my ($batch) = grep { $_->{kept} } reverse @{ $History::model->{batches} } or return;
		kill_in($operation, sub { undo($batch) });
	}
	return;
}

sub play_history
{
	my ($seed) = @_;
	my $before = $killed;
	begin_history($seed);
	my $big = $History::settings{big};
	set_thresholds(1) if chance(0.6);
	$History::step = 1;
	kill_in('run', sub { run(pick('initial', 'complete'), clean => 1) });
	for (1 .. ($big ? 10 : 20))
	{
		last if is_enough();
		my ($least) = sort { ($kills{$a} // 0) <=> ($kills{$b} // 0) || $a cmp $b } keys %places;
		kill_once(chance(0.5) ? $least : pick(sort keys %places));
		# the queue is as good as before
		play_step();
	}
	end_history();
	pass(sprintf 'history of seed %d%s: %d kills in %d steps', $seed, $big ? ' (big)' : '', $killed - $before, $History::step);
	return;
}

$History::perform = \&perform;
$History::remember = \&keep_model;
note "SEED=$first_seed";
for (my $n = 0; !is_enough(); $n++)
{
	next if !$ENV{SECONDS} && !defined $ENV{SEED} && Export::is_big($first_seed + $n);
	if (!eval { play_history($first_seed + $n); 1 })
	{
		fail_history('the test itself: ' . (ref $@ ? 'killed where nobody waits for it' : $@));
	}
}
note "kills: $killed: ", join ', ', map { "$_ $kills{$_}" } sort keys %kills;
for my $way (sort keys %outcomes)
{
	note "$way: ", join ', ', map { "$outcomes{$way}{$_} left the state $_" } sort keys %{ $outcomes{$way} };
}
note 'places never met: ', join ', ', grep { !$tried{$_} } sort keys %tried if $has_places;
cmp_ok($killed, '>', 0, "the server was killed $killed times");
$node->stop;
done_testing();
