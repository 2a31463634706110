# Random histories of tables that constraints tie together: units with a parent, people
# of two sources in one table (each its scope, a key moves from one to the other), who
# belong to a unit and have a boss, logins and names that are unique and pass from row
# to row; and notes that somebody else keeps about people. Foreign keys say NO ACTION,
# RESTRICT, CASCADE or SET NULL as it comes, none is deferrable.
#
# Whatever consistent state the files have, one batch must bring the tables there from
# any other one (SPEC 2.7, 5.5): all that is asked here is computed in plain perl, from
# the two states alone.
#
#   SEED=n, SECONDS=60, HISTORIES=n     as in 100_oracle.pl
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $seconds = $ENV{SECONDS} // 30;
my $histories = $ENV{HISTORIES};

my $node = PostgreSQL::Test::Cluster->new('constraints');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\njit = off\nstatement_timeout = '60s'\n");
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;
my ($seed, $step, %rule);

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

# Ends the test: what the server has is not what must be.
sub fail_history
{
	my ($what) = @_;
	diag("SEED=$seed, step $step: $what\nrules: " . join ', ', map { "$_ $rule{$_}" } sort keys %rule);
	fail("history of seed $seed");
	$node->stop('immediate', fail_ok => 1);
	done_testing();
	exit 1;
}

sub sql
{
	my ($statements) = @_;
	my ($status, $out, $err) = $node->psql('postgres', "SET client_min_messages = warning;\n$statements", on_error_stop => 1);
	fail_history("$err in $statements") if $status != 0;
	return $out;
}

# ---------- states ----------

# A state is {unit => {id => [name, parent]}, person => {id => [login, name, unit, boss]},
# from => {id => 'staff' or 'extern'}}. Null is undef.
my @logins = map { "login$_" } 1 .. 12;

sub shuffle { return map { $_->[1] } sort { $a->[0] <=> $b->[0] } map { [ rand, $_ ] } @_ }

# Another consistent state, near to one or far from it.
sub next_state
{
	my ($old) = @_;
	my $often = pick(0.1, 0.3, 0.8);
	my (%new, %is_taken, %is_named);
	my $is = sub { my ($now) = @_; return chance($often) ? chance(0.6) : $now };

	# units: a parent has a lower number, so that there is no circle
	for my $id (grep { $is->(exists $old->{unit}{$_}) } 1 .. 6)
	{
		my $was = $old->{unit}{$id};
		my @above = grep { $_ < $id } keys %{ $new{unit} };
		my $parent = $was && !chance($often) ? $was->[1] : pick(undef, @above);
		$parent = pick(undef, @above) if defined $parent && !exists $new{unit}{$parent};
		$new{unit}{$id} = [ $was ? $was->[0] : undef, $parent ];
	}
	$new{unit} //= {};

	# names pass on; those of a circle cannot, for they are never null
	for my $id (shuffle(keys %{ $new{unit} }))
	{
		my @free = grep { !$is_named{$_} } map { "unit$_" } 1 .. 9;
		my $name = $new{unit}{$id}[0];
		$name = pick(@free) if !defined $name || $is_named{$name} || chance($often);
		$new{unit}{$id}[0] = $name;
		$is_named{$name} = $id;
	}
	break_circles($old->{unit}, $new{unit});

	my @people = grep { $is->(exists $old->{person}{$_}) } 1 .. 14;
	for my $id (@people)
	{
		my $was = $old->{person}{$id};
		my @row = $was ? @$was : ();
		my @units = sort keys %{ $new{unit} };
		$row[1] = pick('Ada', 'Bo', 'Cy', undef) if !$was || chance($often);
		$row[2] = pick(undef, @units) if !$was || chance($often) || (defined $row[2] && !exists $new{unit}{ $row[2] });
		$row[3] = pick(undef, @people) if !$was || chance($often) || (defined $row[3] && !grep { $_ == $row[3] } @people);
		$new{person}{$id} = \@row;
		$new{from}{$id} = $was && !chance($often / 3) ? $old->{from}{$id} : pick('staff', 'extern');
	}
	$new{person} //= {};
	$new{from} //= {};
	# logins pass on, between rows of one mapping, and from rows that go
	my %held = map { $old->{person}{$_}[0] => $_ } grep { defined $old->{person}{$_}[0] } keys %{ $old->{person} };
	for my $id (shuffle(@people))
	{
		my $moves = $old->{person}{$id} && $old->{from}{$id} ne $new{from}{$id};
		my $may_have = sub {
			my ($login) = @_;
			my $holder = $held{$login};
			return 0 if $is_taken{$login};
			return 1 if !defined $holder || $holder == $id || !$new{person}{$holder};
			return !$moves && $old->{from}{$holder} eq $new{from}{$id} && $new{from}{$holder} eq $new{from}{$id};
		};
		my $login = $new{person}{$id}[0];
		$login = chance(0.2) ? undef : pick(grep { $may_have->($_) } @logins, "spare$step-$id")
		  if !defined $login || !$may_have->($login) || chance($often);
		$new{person}{$id}[0] = $login;
		$is_taken{$login} = 1 if defined $login;
	}
	return \%new;
}

# Where names of units that stay pass round in a circle, one of them gets a new one.
sub break_circles
{
	my ($old, $new) = @_;
	my %had = map { $old->{$_}[0] => $_ } keys %$old;
	for my $start (sort keys %$new)
	{
		my $at = $start;
		for (1 .. 10)
		{
			my $holder = $had{ $new->{$at}[0] };
			last if !defined $holder || !exists $new->{$holder} || !exists $old->{$at} || $new->{$at}[0] eq $old->{$at}[0];
			$at = $holder;
			if ($at eq $start)
			{
				$new->{$start}[0] = "new$step-$start";
				last;
			}
		}
	}
	return;
}

# ---------- files and tables ----------

sub field { return defined $_[0] ? $_[0] : '' }

sub write_files
{
	my ($state) = @_;
	my %rows = (unit => [], staff => [], extern => []);
	push @{ $rows{unit} }, [ $_, @{ $state->{unit}{$_} } ] for shuffle(keys %{ $state->{unit} });
	push @{ $rows{ $state->{from}{$_} } }, [ $_, @{ $state->{person}{$_} } ] for shuffle(keys %{ $state->{person} });
	for my $name (sort keys %rows)
	{
		open my $file, '>', "$folder/$name.csv" or die "$folder/$name.csv: $!";
		print $file join("\n", $name eq 'unit' ? 'id,name,parent' : 'id,login,name,unit,boss', map { join ',', map { field($_) } @$_ } @{ $rows{$name} }), "\n";
		close $file or die "$folder/$name.csv: $!";
	}
	return;
}

# What the tables must say.
sub expected_tables
{
	my ($state, $extra) = @_;
	return join "\n",
	  (map { join '|', 'unit', $_, map { field($_) } @{ $state->{unit}{$_} } } sort { $a <=> $b } keys %{ $state->{unit} }),
	  (map { join '|', 'person', $_, (map { field($_) } @{ $state->{person}{$_} }), $state->{from}{$_}, field($extra->{$_}) } sort { $a <=> $b } keys %{ $state->{person} });
}

sub actual_tables
{
	return sql(<<'SQL');
SELECT concat_ws('|', 'unit', id, name, coalesce(parent::text, '')) FROM target.unit ORDER BY id;
SELECT concat_ws('|', 'person', id, coalesce(login, ''), coalesce(name, ''), coalesce(unit::text, ''), coalesce(boss::text, ''), source, coalesce(extra, '')) FROM target.person ORDER BY id;
SQL
}

# inserted, updated, deleted of each mapping.
sub expected_counts
{
	my ($old, $new) = @_;
	my @counts;
	for my $mapping ('extern', 'staff', 'unit')
	{
		my ($kind, $is) = $mapping eq 'unit' ? ('unit', sub { 1 }) : ('person', sub { $_[0]{from}{ $_[1] } eq $mapping });
		my ($inserted, $updated, $deleted) = (0, 0, 0);
		for my $id (keys %{ $new->{$kind} })
		{
			next if !$is->($new, $id);
			my $was = $old->{$kind}{$id};
			if (!$was || !$is->($old, $id)) { $inserted++ }
			elsif (join('|', map { field($_) } @$was) ne join('|', map { field($_) } @{ $new->{$kind}{$id} })) { $updated++ }
		}
		for my $id (keys %{ $old->{$kind} })
		{
			$deleted++ if $is->($old, $id) && !($new->{$kind}{$id} && $is->($new, $id));
		}
		push @counts, "$mapping|$inserted|$updated|$deleted";
	}
	return join "\n", @counts;
}

sub begin_history
{
	($seed) = @_;
	srand $seed;
	$step = 0;
	my $action = sub { return pick('NO ACTION', 'RESTRICT', 'CASCADE', 'SET NULL') };
	%rule = (parent => $action->(), unit => $action->(), boss => $action->(), note => pick('CASCADE', 'SET NULL'));
	my @order = pick([ 'unit', 'staff', 'extern' ], [ 'staff', 'unit', 'extern' ], [ 'extern', 'staff', 'unit' ]);
	$rule{order} = join ' ', @{ $order[0] };
	my %map = (
		unit => "SELECT syncup_map_entity_type('C', 'unit', 'target.unit', 'unit.csv', 'id', '{\"id\": \"id\", \"name\": \"name\", \"parent\": \"parent\"}');",
		map { $_ => "SELECT syncup_map_entity_type('C', '$_', 'target.person', '$_.csv', 'id', '{\"id\": \"id\", \"login\": \"login\", \"name\": \"name\", \"unit\": \"unit\", \"boss\": \"boss\"}',"
			  . " options => '{\"scope\": \"source = ''$_''\", \"constants\": {\"source\": \"$_\"}}');" } 'staff', 'extern');
	write_files({ unit => {}, person => {}, from => {} });
	sql(<<SQL . join "\n", map { $map{$_} } @{ $order[0] });
DROP EXTENSION IF EXISTS syncup CASCADE;
DROP SCHEMA IF EXISTS target CASCADE;
CREATE EXTENSION syncup;
CREATE SCHEMA target;
CREATE TABLE target.unit (id int PRIMARY KEY, name text UNIQUE NOT NULL, parent int REFERENCES target.unit ON DELETE $rule{parent});
CREATE TABLE target.person (id int PRIMARY KEY, login text UNIQUE, name text, unit int REFERENCES target.unit ON DELETE $rule{unit},
	boss int REFERENCES target.person ON DELETE $rule{boss}, source text NOT NULL, extra text);
CREATE TABLE target.note (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, person int REFERENCES target.person ON DELETE $rule{note});
SELECT syncup_create_connector('C', '$folder');
SQL
	sql("SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));");
	return;
}

# One run to another state; result: that state and the columns nobody maps.
sub play_step
{
	my ($old, $extra) = @_;
	my $new = next_state($old);
	my $mode = $step == 1 || chance(0.4) ? 'complete' : 'incremental';

	# somebody writes what is not mapped, and keeps notes
	for my $id (grep { chance(0.2) } sort keys %{ $old->{person} })
	{
		$extra->{$id} = "extra$step";
		sql("UPDATE target.person SET extra = 'extra$step' WHERE id = $id");
	}
	sql("INSERT INTO target.note (person) VALUES ($_)") for grep { chance(0.2) } sort keys %{ $old->{person} };
	my @gone = grep { !$new->{person}{$_} } sort { $a <=> $b } keys %{ $old->{person} };
	my $notes = sql('SELECT count(*) FROM target.note WHERE person IN (' . join(', ', -1, @gone) . ')');
	my $before = sql('SELECT count(*), count(person) FROM target.note');

	write_files($new);
	my $out = sql("SELECT syncup_prepare('C', '$mode') \\gset\nSELECT status FROM syncup_synchronize('C', keep_changes => true);\n");
	fail_history("$mode: $out: " . sql("SELECT error FROM syncup.batch WHERE status = 'failed'")) if $out ne 'applied';
	my %after = map { $_ => $old->{person}{$_} ? $extra->{$_} : undef } keys %{ $new->{person} };
	my $tables = actual_tables();
	my $expected = expected_tables($new, \%after);
	fail_history("$mode: tables are\n$tables\ninstead of\n$expected") if $tables ne $expected;
	my $batch = sql('SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1');
	my $counts = sql("SELECT mapping, inserted, updated, deleted FROM syncup.batch_counter WHERE batch = '$batch' ORDER BY mapping");
	$expected = expected_counts($old, $new);
	fail_history("$mode: counted\n$counts\ninstead of\n$expected") if $counts ne $expected;

	# what the constraint of the notes does is counted beforehand; nothing else is cascaded
	my $cascaded = sql("SELECT coalesce(sum(deleted) FILTER (WHERE relation::text = 'target.note'), 0), coalesce(sum(updated) FILTER (WHERE relation::text = 'target.note'), 0),"
		  . " count(*) FILTER (WHERE relation::text <> 'target.note') FROM syncup.batch_cascade WHERE batch = '$batch'");
	$expected = $rule{note} eq 'CASCADE' ? "$notes|0|0" : "0|$notes|0";
	fail_history("$mode: cascaded $cascaded instead of $expected") if $cascaded ne $expected;
	my ($rows, $linked) = split /\|/, $before;
	$expected = $rule{note} eq 'CASCADE' ? ($rows - $notes) . '|' . ($linked - $notes) : "$rows|" . ($linked - $notes);
	my $notes_after = sql('SELECT count(*), count(person) FROM target.note');
	fail_history("$mode: notes $notes_after instead of $expected") if $notes_after ne $expected;

	return ($new, \%after) if !chance(0.25);
	if ($notes > 0)
	{
		# what a constraint has taken along nobody can bring back
		my ($status, undef, $err) = $node->psql('postgres', "SELECT syncup_undo('$batch')");
		fail_history("undo: $err") if $status == 0 || $err !~ /constraints took rows along.*\n.*target\.note/;
		return ($new, \%after);
	}
	sql("SELECT syncup_undo('$batch') IS NOT NULL");
	$tables = actual_tables();
	$expected = expected_tables($old, $extra);
	fail_history("undo of $mode: tables are\n$tables\ninstead of\n$expected") if $tables ne $expected;
	return ($old, $extra);
}

note "SEED=$first_seed";
my $end = time + $seconds;
for (my $n = 0; defined $histories ? $n < $histories : $n == 0 || time < $end; $n++)
{
	begin_history($first_seed + $n);
	my ($state, $extra) = ({ unit => {}, person => {}, from => {} }, {});
	for (1 .. 12)
	{
		$step = $_;
		($state, $extra) = play_step($state, $extra);
	}
	pass("history of seed $seed");
}
$node->stop;
done_testing();
