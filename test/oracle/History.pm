# A history of a connector: random steps, each done by the server and predicted by the
# model, and everything compared after every one. 100_oracle.pl plays histories as they
# are, 120_crash.pl kills the server in the middle of their steps.
package History;

use strict;
use warnings;
use Compare;
use Export qw(pick chance mappings new_source change_source random_dialect remove_file write_extract write_changes shuffle);
use Exporter 'import';
use File::Path ();
use JSON::PP ();
use Model;
use Test::More;

our @EXPORT_OK = qw(play_on begin_history end_history note_step fail_history run_expecting operate set_thresholds
  prepare synchronize run resume undo discard play_step);

our $connector = 'Src';
# bytes stay bytes
my $json = JSON::PP->new->canonical->latin1;
my ($node, $folder);

# The history under way.
our ($compare, $model, $source, $seed, $step, %settings);
my @story;

# How a statement on the queue is run. Result: what it prints and its error; both
# are undef where nobody was left to hear them.
our $perform = sub { return $compare->try_sql(@_) };

# Called where the model is still, or for a moment, as the server may be left by a
# statement that does not come to its end.
our $remember = sub { };

# The server to play on, and a folder that it can read; files go below it.
sub play_on
{
	($node, $folder) = @_;
	mkdir "$folder/files" or die "$folder/files: $!";
	return;
}

# ---------- tools ----------

# Notes what is done, for the story of a failure.
sub note_step
{
	my ($text) = @_;
	push @story, "step $step: $text";
	return;
}

# Ends the test: the model and the server differ.
sub fail_history
{
	my ($what) = @_;
	my $keep = ($ENV{KEEP} // '/tmp') . "/syncup_oracle_$seed";
	File::Path::remove_tree($keep);
	File::Path::make_path($keep);
	system 'cp', '-r', "$folder/files", $keep;
	open my $file, '>:raw', "$keep/story" or die "$keep/story: $!";
	print $file map { "$_\n" } @story, $what;
	close $file or die "$keep/story: $!";
	my @lines = split /\n/, $what;
	diag map { "$_\n" } (@story > 12 ? @story[ -12 .. -1 ] : @story), @lines > 40 ? (@lines[ 0 .. 39 ], '...') : @lines;
	my ($errors) = $compare ? $compare->try_sql("SELECT mode, error FROM syncup.batch WHERE status = 'failed'") : '';
	diag "failed batches: $errors" if $errors;
	diag "SEED=$seed: step $step failed; files and story are in $keep";
	fail("history of seed $seed");
	$node->stop('immediate', fail_ok => 1);
	done_testing();
	exit 1;
}

sub expect_same
{
	my ($what, $got, $expected) = @_;
	fail_history("$what: got\n$got\ninstead of\n$expected") if $got ne $expected;
	return;
}

# Runs a statement of which the model says how it ends: an error's pattern or undef.
sub run_expecting
{
	my ($sql, $error) = @_;
	return check_answer($sql, $error, $compare->try_sql($sql));
}

# The same of a statement on the queue. Result: undef also where nobody heard it.
sub operate
{
	my ($sql, $error) = @_;
	my ($out, $err) = $perform->($sql);
	return if !defined $err;
	return check_answer($sql, $error, $out, $err);
}

sub check_answer
{
	my ($sql, $error, $out, $err) = @_;
	fail_history("$sql\nfails:\n$err") if !defined $error && $err ne '';
	fail_history("$sql\ndoes not fail; expected $error\n$out") if defined $error && $err eq '';
	fail_history("$sql\nfails with\n$err\ninstead of $error") if defined $error && $err !~ $error;
	return $out;
}

sub compare_all
{
	my $differences = $compare->differences($model, $connector);
	fail_history($differences) if $differences ne '';
	return;
}

sub literal { return Compare::literal(@_) }

sub boolean { return $_[0] ? 'true' : 'false' }

# ---------- settings of a history ----------

# SQL: the key as it is mapped.
sub key_argument
{
	my @names = map { literal($_->[0]) } Compare::keys_of($_[0]);
	return @names == 1 ? $names[0] : 'ARRAY[' . join(', ', @names) . ']';
}

# How a column is mapped.
sub column_argument
{
	my ($mapping, $column) = @_;
	my $name = $column->[0];
	my %options = (
		Compare::is_once($mapping, $column) ? (write => 'insert') : (),
		$mapping->{keeps}{$name} ? (empty => 'keep') : (),
		$mapping->{optional}{$name} ? (optional => $mapping->{optional}{$name}) : ());
	return %options ? { column => $column->[1], %options } : $column->[1];
}

# Creates tables, connector and mappings.
sub begin_history
{
	($seed) = @_;
	srand $seed;
	$step = 0;
	@story = ();
	my $big = Export::is_big($seed);
	%settings = (
		big => $big,
		quarantine => chance(0.7) ? 1 : 0,
		duplicates => pick('first', 'first', 'reject'),
		changes => { map { $_ => chance(0.5) ? 1 : 0 } qw(people words items) },
		own_file => { map { $_ => chance(0.5) ? 1 : 0 } qw(people words items) },
		noise => chance(0.8) ? 1 : 0,
		loose => $big || chance(0.4) ? 1 : 0,
		partitioned => { map { $_->{name} => chance(0.15) ? 1 : 0 } mappings() },
		published => chance(0.3) ? 1 : 0);
	# parallel workers take part where they may
	my @options = (
		$big ? 'maintenance_work_mem=1MB' : (),
		chance(0.2) ? qw(parallel_setup_cost=0 parallel_tuple_cost=0 min_parallel_table_scan_size=0) : ());
	$ENV{PGOPTIONS} = join ' ', map { "-c $_" } @options;
	$source = new_source($big ? pick(8500, 9500) : 25);

	# what the history before has left is not what a condition is checked against
	unlink glob "$folder/files/*";

	my @mappings = mappings();
	for my $mapping (@mappings)
	{
		my @others = grep { !Compare::is_key($mapping, $_) } Compare::mapped($mapping);
		$mapping->{partitioned} = $settings{partitioned}{ $mapping->{name} };
		$mapping->{where} = Export::random_where($mapping) if chance(0.3);
		$mapping->{once} = { pick(@others)->[1] => 1 } if @others > 1 && chance(0.3);
		$settings{where}{ $mapping->{name} } = $mapping->{where}{sql} if $mapping->{where};
		$settings{once}{ $mapping->{name} } = [ sort keys %{ $mapping->{once} } ] if $mapping->{once};
	}
	$settings{may_lack} = Export::draw_optional(@mappings);
	$settings{may_miss} = { map { $_ => chance(0.2) ? 1 : 0 } qw(people words items) };
	for my $mapping (@mappings)
	{
		$settings{keeps}{ $mapping->{name} } = [ sort keys %{ $mapping->{keeps} } ] if $mapping->{keeps};
		$settings{optional}{ $mapping->{name} } = $mapping->{optional} if $mapping->{optional};
	}
	$compare = Compare->new($node, $folder, @mappings);
	$model = Model->new(@mappings);
	my $sql = "DROP PUBLICATION IF EXISTS everything; DROP EXTENSION IF EXISTS syncup CASCADE; DROP SCHEMA IF EXISTS model CASCADE; DROP SCHEMA IF EXISTS target CASCADE;\n"
	  . "CREATE EXTENSION syncup;\n" . $compare->create_tables
	  . "SELECT syncup_create_connector('$connector', " . literal("$folder/files") . ");\n";
	for my $mapping (@mappings)
	{
		my $file = $mapping->{file};
		my %options = (pattern => JSON::PP::true);
		$options{command_column} = 'command' if $settings{changes}{$file};
		$options{incremental_file} = "$file.delta.csv*" if $settings{own_file}{$file};
		$options{where} = $mapping->{where}{sql} if $mapping->{where};
		$options{optional} = JSON::PP::true if $settings{may_miss}{$file};
		my %columns = map { $_->[0] => column_argument($mapping, $_) } Compare::mapped($mapping);
		my @unique = map { literal($_->[0]) } grep { !defined $_->[1] } @{ $mapping->{columns} };
		$sql .= "SELECT syncup_map_entity_type('$connector', '$mapping->{name}', 'target.$mapping->{name}', '$file.csv*', "
		  . join(', ', key_argument($mapping), literal($json->encode(\%columns)), 'ARRAY[' . join(', ', @unique) . ']::text[]', literal($json->encode(\%options))) . ");\n";
	}
	# what is published needs a replica identity, or cannot be written
	$sql .= "CREATE PUBLICATION everything FOR TABLES IN SCHEMA target, syncup, syncup_previous, syncup_delta, syncup_changes;\n" if $settings{published};
	{
		local $SIG{__WARN__} = sub { };
		$compare->sql("SET client_min_messages = warning;\n$sql");
	}
	for my $counter (qw(inserted updated deleted))
	{
		$model->{limits}{''}{$counter} = { maximum => 100, percentage => 5 };
	}
	$model->{limits}{''}{set_aside} = 50;
	note_step("seed $seed: " . $json->encode(\%settings));
	return;
}

# Sets some limits of the connector or of a mapping.
sub set_thresholds
{
	my ($all_off) = @_;
	my $scope = $all_off || chance(0.6) ? '' : pick(map { $_->{name} } mappings());
	my %limits;
	for my $counter (qw(inserted updated deleted))
	{
		my $limit = $model->{limits}{$scope}{$counter} //= { maximum => 0, percentage => 0 };
		if ($all_off || chance(0.5))
		{
			$limit->{maximum} = $all_off ? 0 : pick(0, 0, 2, 5, 20);
			$limits{"maximum_${counter}_lines"} = $limit->{maximum};
		}
		if ($all_off || chance(0.5))
		{
			$limit->{percentage} = $all_off ? 0 : pick(0, 0, 5, 12.5, 50);
			$limits{"max_percentage_${counter}_lines"} = $limit->{percentage};
		}
	}
	if ($all_off || chance(0.3))
	{
		$limits{minimum_lines_for_percentage} = $model->{limits}{$scope}{few} = $all_off ? 0 : pick(0, 2, 5, 50);
	}
	if ($scope eq '' && ($all_off || chance(0.3)))
	{
		$limits{max_percentage_set_aside_lines} = $model->{limits}{''}{set_aside} = $all_off ? 0 : pick(0, 20, 33.3, 50);
	}
	note_step("limits of '$scope': " . $json->encode(\%limits));
	run_expecting("SELECT syncup_set_thresholds('$connector', " . literal($json->encode(\%limits)) . ($scope eq '' ? '' : ", '$scope'") . ')');
	return;
}

# Sets a limit so that what the next batch would do is just allowed, or just not.
sub set_tight_threshold
{
	my ($batch) = $model->queue;
	return if !$batch || $batch->{status} eq 'blocked' || $batch->{mode} eq 'initial';
	my $check = pick(grep { $_->[2] > 0 && $_->[1] ne 'set_aside_lines' } @{ evaluate($batch)->{checks} }) or return;
	my ($scope, $counter, $count, undef, $base) = @$check;
	$counter =~ s/_lines//;
	my $limit = $model->{limits}{ $scope // '' }{$counter} //= { maximum => 0, percentage => 0 };
	my %limits;
	if ($base > 0 && $count * 100 % $base == 0 && chance(0.7))
	{
		$limit->{percentage} = $count * 100 / $base - pick(0, 0, 0.01);
		$limits{"max_percentage_${counter}_lines"} = $limit->{percentage};
	}
	else
	{
		$limit->{maximum} = $count - pick(0, 0, 1);
		$limits{"maximum_${counter}_lines"} = $limit->{maximum};
	}
	note_step('tight limit of ' . ($scope // 'the connector') . ': ' . $json->encode(\%limits));
	run_expecting("SELECT syncup_set_thresholds('$connector', " . literal($json->encode(\%limits)) . (defined $scope ? ", '$scope'" : '') . ')');
	return;
}

# ---------- files ----------

# Exports every file for a run of this mode. Result: the call's options.
sub export_files
{
	my ($mode, %args) = @_;
	my $as_before = $args{as_connector} && $settings{connector};
	my $dialect = $as_before ? $as_before->{dialect} : random_dialect();
	my $quarantine = $settings{quarantine} && chance(0.95) || chance(0.05);
	$quarantine = $as_before->{options}{on_error} eq 'quarantine' if $as_before;
	my $bad = $settings{noise} && ($quarantine ? chance(0.6) : chance(0.03));
	my %options = $as_before ? %{ $as_before->{options} } : (
		delimiter => ',', quoted_empty => 'null', skip_lines => 0, encoding => 'UTF8', null => [],
		%{ $dialect->{options} },
		duplicates => chance(0.9) ? $settings{duplicates} : pick('first', 'reject'),
		on_error => $quarantine ? 'quarantine' : 'stop',
		reject_limit => chance(0.95) ? 1_000_000 : pick(0, 1, 3));
	my (%files, %texts, %own, @paths);

	for my $file (qw(people words items))
	{
		my $changes = $mode eq 'incremental' && $settings{changes}{$file};
		my $name = $mode eq 'incremental' && $settings{own_file}{$file} ? "$file.delta" : $file;
		my %how = (bad => $bad, clean => !$settings{noise} || $args{clean});
		my $written;
		if ($settings{may_miss}{$file} && chance(0.15))
		{
			remove_file("$folder/files", $name);
			$texts{$file} = { missing => 1 };
			note_step("  $name: no file");
			next;
		}
		$how{without} = { map { $_ => 1 } grep { chance(0.3) } @{ $settings{may_lack}{$file} // [] } };
		if ($changes)
		{
			$written = write_changes("$folder/files", $name, $source, $file, $dialect, %how, command => 'command');
		}
		else
		{
			$how{command} = 'command' if $settings{changes}{$file} && chance(0.5);
			$written = write_extract("$folder/files", $name, $source, $file, $dialect, %how);
		}
		$texts{$file} = Model::read_file($written->{text}, $dialect);
		push @paths, $written->{path};
		note_step("  $written->{path}" . ($changes ? ' (changes)' : ''));
	}
	for my $mapping (mappings())
	{
		my $file = $mapping->{file};
		$files{ $mapping->{name} } = $texts{$file};
		$own{ $mapping->{name} } = { %options, $settings{changes}{$file} ? (command_column => 'command') : () };
	}
	return { dialect => $dialect, options => \%options, files => \%files, own => \%own, paths => \@paths };
}

# The connector reads its files so from now on.
sub give_connector_options
{
	my ($export) = @_;
	my $changed = $json->encode($export->{options}) ne $json->encode($settings{connector} ? $settings{connector}{options} : {});
	$settings{connector} = $export;
	note_step('options of the connector: ' . $json->encode($export->{options})) if $changed;
	run_expecting("SELECT syncup_create_connector('$connector', " . literal("$folder/files") . ', ' . literal($json->encode($export->{options})) . ')');
	return;
}

sub targets_are_empty
{
	return $compare->sql('SELECT ' . join(' AND ', map { "NOT EXISTS (SELECT FROM target.$_->{name})" } mappings())) eq 't';
}

# What the source has told is not told again.
sub forget_dirty
{
	$source->{dirty}{$_} = {} for qw(people words items);
	return;
}

# ---------- what synchronize must do ----------

# What a batch would do to the targets as the model has them.
sub evaluate
{
	my ($batch) = @_;
	my (%rows, %suspended, %keep);
	my %whole;
	for my $mapping (mappings())
	{
		my $name = $mapping->{name};
		my $work = $batch->{work}{$name};
		my $whole = $whole{$name} = $batch->{mode} ne 'incremental' && !$work->{absent};
		$suspended{$name} = $work->{suspended};
		$keep{$name} = $work->{kept_keys};
		if ($whole)
		{
			my $all = Model::overlay($model->{previous}{$name}, $work->{delta});
			$rows{$name} = [ map { [ 'f', @{ $all->{$_} } ] } sort keys %$all ];
		}
		else
		{
			$rows{$name} = [ map { [ $work->{delta}{$_}[0] eq 'delete' ? 't' : 'f', @{ $work->{delta}{$_}[1] } ] } sort keys %{ $work->{delta} } ];
		}
	}
	my $changes = $compare->find_changes(\%rows, \%whole, \%suspended, \%keep);
	for my $name (keys %$changes)
	{
		$changes->{$name}{stored_before} = $whole{$name} ? $changes->{$name}{stored} : $model->{carried}{$name} // $changes->{$name}{stored};
	}
	return { changes => $changes, checks => $model->checks($changes, $batch->{work}), violations => $compare->count_violations };
}

# Goes through the queue as synchronize must. Result: the rows it returns.
sub predict_queue
{
	my ($force, $keep) = @_;
	my @results;
	for my $batch ($model->queue)
	{
		if ($batch->{status} ne 'blocked')
		{
			my $found = evaluate($batch);
			my $initial = $batch->{mode} eq 'initial';
			my $exceeded = !$initial && grep { $_->[6] eq 't' } @{ $found->{checks} };
			if ($exceeded && !$force)
			{
				$batch->{status} = 'blocked';
				$batch->{keep_wanted} = $keep;
			}
			elsif ($found->{violations} > 0)
			{
				$batch->{status} = 'failed';
			}
			else
			{
				$batch->{changes} = $found->{changes};
				$compare->take_changes;
				$model->apply($batch, $keep);
			}
			if ($batch->{status} ne 'failed')
			{
				$batch->{changes} = $found->{changes};
				$batch->{checks} = $initial ? undef : $found->{checks};
				$batch->{stored} = $batch->{status} eq 'blocked' || $batch->{kept};
				$compare->store_changes($batch->{number});
			}
		}
		push @results, [ $batch, result_of($batch) ];
		last if $batch->{status} ne 'applied';
	}
	return @results;
}

# mode, status, inserted, updated, deleted of a batch, as syncup.result has them.
sub result_of
{
	my ($batch) = @_;
	my @counts;
	for my $counter (qw(inserted updated deleted))
	{
		my $sum = 0;
		$sum += $_->{$counter} for values %{ $batch->{changes} // {} };
		push @counts, $sum;
	}
	return join '|', $batch->{mode}, $batch->{status}, @counts;
}

# Looks at what a statement on the queue did, given what it should have done.
sub check_results
{
	my ($out, @expected) = @_;
	expect_same('results', $out, join("\n", map { "$_->[0]{uuid}|$_->[1]" } @expected)) if defined $out;
	my @applied = grep { $_->{status} eq 'applied' } map { $_->[0] } @expected;
	if (@applied <= 1)
	{
		my $rewritten = $compare->count_rewritten(lc $connector);
		for my $mapping (mappings())
		{
			my $name = $mapping->{name};
			my $changed = @applied ? $applied[0]{changes}{$name}{updated} : 0;
			my $delta = @applied ? $applied[0]{work}{$name}{counter}{delta_updated} : 0;
			expect_same("rows of target $name written over", $rewritten->{"target $name"} // 0, $changed);
			expect_same("rows of previous $name written over", $rewritten->{"previous $name"} // 0, $delta);
		}
	}
	for my $batch (map { $_->[0] } @expected)
	{
		next if !$batch->{checks} || $batch->{status} !~ /applied|blocked/;
		my $differences = $compare->check_differences("(SELECT * FROM syncup.threshold_check WHERE batch = '$batch->{uuid}') AS c", $batch->{checks});
		fail_history($differences) if $differences ne '';
		delete $batch->{checks};
	}
	return;
}

# ---------- steps ----------

# A client sends the files in parts, in any order; result: the session.
sub send_files
{
	my (@paths) = @_;
	my $session = $compare->sql("SELECT syncup_open_session('$connector')");
	for my $path (@paths)
	{
		open my $file, '<:raw', $path or die "$path: $!";
		my $content = do { local $/; <$file> };
		my ($name) = $path =~ m{([^/]+)$};
		my $size = 1 + int(length($content) * pick(1, 0.6, 0.3));
		my @parts = unpack "(a$size)*", $content;
		for my $part (shuffle(1 .. @parts))
		{
			my $hex = unpack 'H*', $parts[ $part - 1 ];
			$compare->sql("SELECT syncup_upload('$session', '$name', $part, '\\x$hex'" . (chance(0.5) ? ', ' . @parts : '') . ')');
		}
	}
	return $session;
}

# Prepares; result: the batch, or undef where the model says that it is refused.
sub prepare
{
	my ($mode, %args) = @_;
	my $by_connector = chance(0.3);
	my $export = $args{export} // export_files($mode, %args, as_connector => $by_connector && chance(0.8));
	give_connector_options($export) if $by_connector;
	my $is_empty = $mode eq 'initial' && targets_are_empty();
	$remember->();
	my ($batch, $error) = $model->prepare($mode, $is_empty, $export->{files}, $export->{own});
	note_step("prepare $mode" . ($error ? " (refused: $error)" : " (batch $batch->{number})") . ' ' . $json->encode($export->{options}));
	my %options = $by_connector ? () : %{ $export->{options} };
	my $away;
	if (chance(0.3))
	{
		# what was sent is read, and nothing that lies there
		$options{session} = send_files(@{ $export->{paths} });
		$away = "$folder/away";
		rename "$folder/files", $away or die "$away: $!";
		note_step("  sent in session $options{session}");
	}
	my $out = eval { operate("SELECT syncup_prepare('$connector', '$mode', " . literal($json->encode(\%options)) . ')', $error) };
	my $died = $@;    # of a kill, or of a difference
	if ($away) { rename $away, "$folder/files" or die "$away: $!" }
	die $died if $died;
	if ($batch)
	{
		$batch->{uuid} //= $out;
		forget_dirty();
	}
	compare_all();
	return $batch;
}

# Synchronizes the queue; result: the statuses.
sub synchronize
{
	my (%args) = @_;
	my $force = $args{force} // chance(0.2) ? 1 : 0;
	my $keep = $args{keep} // chance(0.2) ? 1 : 0;
	set_tight_threshold() if !$force && chance(0.2);
	$compare->remember_versions(lc $connector);
	$remember->();
	my @expected = predict_queue($force, $keep);
	note_step("synchronize force=$force keep=$keep: " . join ', ', map { "batch $_->[0]{number} $_->[1]" } @expected);
	my $out = operate("SELECT batch, mode, status, inserted, updated, deleted FROM syncup_synchronize('$connector', " . boolean($force) . ', ' . boolean($keep) . ')');
	check_results($out, @expected);
	compare_all();
	return map { $_->[0]{status} } @expected;
}

# The everyday command: prepare and synchronize in one, maybe previewed.
sub run
{
	my ($mode, %args) = @_;
	my $export = export_files($mode, %args, as_connector => chance($mode eq 'incremental' ? 0.9 : 0.4));
	my $force = chance(0.3) ? 1 : 0;
	my $keep = chance(0.2) ? 1 : 0;
	give_connector_options($export);

	my ($previewed, $preview_error, $before);
	if ($mode ne 'initial' && chance(0.4))
	{
		$before = $compare->checksums;
		($previewed, $preview_error) = $compare->try_sql("DROP TABLE IF EXISTS model.preview; CREATE TABLE model.preview AS SELECT * FROM syncup_preview('$connector', '$mode')");
		expect_same('tables after a preview', $compare->checksums, $before);
	}
	my $is_empty = $mode eq 'initial' && targets_are_empty();
	$remember->();
	my ($batch, $error) = $model->prepare($mode, $is_empty, $export->{files}, $export->{own});
	note_step("run $mode force=$force keep=$keep" . ($error ? " (refused: $error)" : " (batch $batch->{number})") . ' ' . $json->encode($export->{options}) . (defined $before ? ' previewed' : ''));
	if ($error)
	{
		fail_history("the preview should fail with $error, not: $preview_error") if defined $before && ($preview_error eq '' || $preview_error !~ $error);
		$model->record_failed_prepare($mode);
		operate("CALL syncup_run('$connector', '$mode', " . boolean($force) . ')', $error);
		$model->{batches}[-1]{uuid} //= $compare->sql('SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1');
		$compare->sql('DROP TABLE IF EXISTS model.preview');
		compare_all();
		return;
	}
	if (defined $before) { check_preview($batch, $preview_error) }
	forget_dirty();
	$compare->remember_versions(lc $connector);
	$remember->();
	my @expected = predict_queue($force, $keep);
	note_step('  ' . join ', ', map { "batch $_->[0]{number} $_->[1]" } @expected);
	my $failed = grep { $_->[0]{status} eq 'failed' } @expected;
	operate("CALL syncup_run('$connector', '$mode', " . boolean($force) . ', ' . boolean($keep) . ')', $failed ? qr/batch .* failed/ : undef);
	$batch->{uuid} //= $compare->sql('SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1');
	check_results(undef, @expected);
	compare_all();
	return map { $_->[0]{status} } @expected;
}

# A preview gives the checks of the run that follows: of the first batch that would
# block, or else of the new one. Looked at where the new one is the first.
sub check_preview
{
	my ($batch, $error) = @_;
	my @queue = $model->queue;
	if (@queue == 1)
	{
		fail_history("the preview fails:\n$error") if $error ne '';
		my $found = evaluate($batch);
		my $differences = $compare->check_differences('model.preview', $found->{checks});
		fail_history("preview: $differences") if $differences ne '';
		expect_same('batch of a preview', $compare->sql('SELECT count(*) FROM model.preview WHERE batch IS NOT NULL'), '0');
	}
	$compare->sql('DROP TABLE IF EXISTS model.preview');
	return;
}

# Resumes a blocked batch: what is done already is left out, and it is refused where
# somebody has changed what it was to change.
sub resume
{
	my ($batch) = @_;
	my $statement = "SELECT batch, mode, status, inserted, updated, deleted FROM syncup_resume('$batch->{uuid}')";
	my @expected;
	$compare->remember_versions(lc $connector);
	$remember->();
	if ($compare->review($batch->{number}) > 0)
	{
		note_step("resume batch $batch->{number}: refused, targets were changed");
		operate($statement, qr/cannot be resumed: \d+ rows? of mapping .* changed by somebody else since/);
		compare_all();
		return;
	}
	my $rest = $compare->drop_done($batch->{number});
	if ($compare->count_violations(1) > 0)
	{
		$batch->{status} = 'failed';
		@expected = ([ $batch, result_of($batch) ]);
	}
	else
	{
		$batch->{changes}{$_} = { %{ $batch->{changes}{$_} }, %{ $rest->{$_} } } for keys %$rest;
		$compare->take_changes;
		$model->apply($batch, $batch->{keep_wanted});
		$batch->{stored} = $batch->{kept};
		@expected = ([ $batch, result_of($batch) ], predict_queue(0, 0));
	}
	note_step("resume batch $batch->{number}: " . join ', ', map { "batch $_->[0]{number} $_->[1]" } @expected);
	my $out = operate($statement);
	check_results($out, @expected);
	compare_all();
	return;
}

# Takes back an applied batch whose changes were kept.
sub undo
{
	my ($batch) = @_;
	my $error;
	if ($batch->{status} ne 'applied') { $error = qr/is not applied but/ }
	elsif (!$batch->{kept}) { $error = qr/were not kept/ }
	elsif ($model->queue) { $error = qr/has a batch that waits/ }
	elsif (!$model->previous_is_as_left($batch)) { $error = qr/cannot be undone/ }
	elsif ($compare->review($batch->{number}, 1) > 0) { $error = qr/cannot be undone/ }
	elsif ($compare->count_violations(1) > 0) { $error = qr/violates check constraint/ }
	note_step("undo batch $batch->{number}" . ($error ? " (refused: $error)" : ''));
	$remember->();
	my $undo;
	if (!$error)
	{
		$compare->take_changes;
		$undo = $model->undo($batch);
	}
	my $out = operate("SELECT syncup_undo('$batch->{uuid}')", $error);
	$undo->{uuid} //= $out if $undo;
	compare_all();
	return;
}

sub discard
{
	my ($batch) = @_;
	note_step("discard batch $batch->{number}");
	$remember->();
	$model->discard($batch);
	operate("SELECT syncup_discard('$batch->{uuid}', 'no')");
	compare_all();
	return;
}

# Somebody changes targets directly: rows that a blocked batch waits to change as
# well, or none of those.
sub drift
{
	my $sql = '';
	my $careless = chance(0.4);
	for my $mapping (@{ $compare->{mappings} })
	{
		my $name = $mapping->{name};
		my ($key, $type) = (Compare::key($mapping, $name), Compare::key_type($mapping));
		my @names = Compare::key_names($mapping);
		my ($column) = pick(grep { !Compare::is_key($mapping, $_) } Compare::mapped($mapping));
		my $some = "abs(hashtext($key\::text)) % 7 = " . int(rand 7)
		  . ($careless ? '' : " AND $key NOT IN (SELECT c.key::$type FROM model.stored_change c WHERE c.mapping = '$name')");
		my @new = (pick(@{ $source->{keys}{ $mapping->{file} } }), pick(1, 2, 3));
		my $statement = pick(
			"DELETE FROM %s.$name WHERE $some",
			"INSERT INTO %s.$name (" . join(', ', @names) . ') SELECT * FROM (VALUES ('
			  . join(', ', map { literal($new[$_]) . '::' . (Compare::keys_of($mapping))[$_][2] } 0 .. $#names) . ")) AS $name (" . join(', ', @names) . ')'
			  . ($careless ? '' : " WHERE $key NOT IN (SELECT c.key::$type FROM model.stored_change c WHERE c.mapping = '$name')") . ' ON CONFLICT DO NOTHING',

			# under a constraint no row that breaks it already may be touched
			$mapping->{allows} ? () : (
				"UPDATE %s.$name SET extra = 'seen' WHERE $some",
				"UPDATE %s.$name SET $column->[1] = NULL WHERE $some",
				"UPDATE %s.$name SET $column->[1] = (SELECT $column->[1] FROM model.$name ORDER BY $key LIMIT 1) WHERE $some"));
		next if chance(0.4);
		note_step('drift: ' . sprintf $statement, 'target');

		# the target first: the model is what the statement reads from
		$sql .= sprintf($statement, 'target') . ";\n" . sprintf($statement, 'model') . ";\n";
	}
	$compare->sql($sql);
	compare_all();
	return;
}

# What a CHECK constraint of a target takes, by mapping.
my %constraint = (
	people => 'amount <> 1',
	words => "note <> 'a'",
	items => 'qty <> 7',
	stock => 'quantity <> 7',
	parts => "remark <> 'a'");

# Adds or removes a constraint.
sub toggle_constraint
{
	my ($mapping) = @_;
	my $name = $mapping->{name};
	my $own = (grep { $_->{name} eq $name } @{ $compare->{mappings} })[0];
	if ($own->{allows})
	{
		note_step("constraint of $name removed");
		delete $own->{allows};
		$settings{allows}{$name} = undef;
		$compare->sql("ALTER TABLE target.$name DROP CONSTRAINT forbids");
	}
	else
	{
		note_step("constraint of $name: $constraint{$name}");
		$own->{allows} = "a.$constraint{$name}";
		$compare->sql("ALTER TABLE target.$name ADD CONSTRAINT forbids CHECK ($constraint{$name}) NOT VALID");
	}
	return;
}

# The same extract once more changes nothing, in the delta and in the targets.
sub repeat_complete
{
	my ($export) = @_;
	my $batch = prepare('complete', export => $export) or return;
	for my $name (sort keys %{ $batch->{work} })
	{
		expect_same("delta of $name, prepared again", scalar keys %{ $batch->{work}{$name}{delta} }, 0);
	}
	synchronize();
	# rows set aside may be too many, once more
	expect_same('the same again', result_of($batch) =~ s{blocked}{applied}r, 'complete|applied|0|0|0');
	return;
}

# One random step.
sub play_step
{
	my ($blocked) = grep { $_->{status} eq 'blocked' } $model->queue;
	my @queue = $model->queue;
	$step++;
	change_source($source) if chance(0.7);

	if ($blocked && chance(0.6))
	{
		my $choice = rand;
		drift() if chance(0.2);
		if ($choice < 0.5) { resume($blocked) }
		elsif ($choice < 0.8) { discard(chance(0.8) ? $blocked : pick(@queue)) }
		elsif ($choice < 0.9) { prepare('incremental') }
		else { synchronize(force => 1) }
		return;
	}
	my $choice = rand;
	if ($choice < 0.08) { set_thresholds() }
	elsif ($choice < 0.16) { drift() }
	elsif ($choice < 0.21) { toggle_constraint(pick(@{ $compare->{mappings} })) }
	elsif ($choice < 0.24) { toggle_constraint($_) for grep { $_->{allows} } @{ $compare->{mappings} } }
	elsif ($choice < 0.30 && @queue) { discard(pick(@queue)) }
	elsif ($choice < 0.40 && @queue) { synchronize() }
	elsif ($choice < 0.50)
	{
		my $export = export_files('complete');
		my $batch = prepare('complete', export => $export);
		synchronize(force => chance(0.7)) if $batch;
		repeat_complete($export) if $batch && $batch->{status} eq 'applied' && chance(0.7);
	}
	elsif ($choice < 0.54 && grep { $_->{prepared} } @{ $model->{batches} })
	{
		my @kept = grep { $_->{kept} } @{ $model->{batches} };
		undo(@kept && chance(0.9) ? (chance(0.8) ? $kept[-1] : pick(@kept)) : pick(grep { $_->{prepared} } @{ $model->{batches} }));
	}
	elsif ($choice < 0.60) { prepare(pick('complete', 'incremental', 'incremental', 'incremental')) }
	elsif ($choice < 0.62) { prepare('initial') }
	elsif ($choice < 0.80) { run(pick('complete', 'incremental', 'incremental', 'incremental')) }
	else
	{
		my $export = export_files('incremental');
		my $batch = prepare('incremental', export => $export);
		if ($batch && chance(0.3))
		{
			change_source($source);
			prepare('incremental');
		}
		elsif ($batch && chance(0.3))
		{
			# an export that has not come: changes are not read twice
			$_->{read_before} = 1 for values %{ $export->{files} };
			prepare('incremental', export => $export);
		}
		synchronize() if chance(0.7);
	}
	return;
}

# At the end everything can be put in order, and nothing of the connector stays.
sub end_history
{
	$step++;
	toggle_constraint($_) for grep { $_->{allows} } @{ $compare->{mappings} };
	my $export = export_files('complete', clean => 1);
	my $batch = prepare('complete', export => $export);
	if ($batch)
	{
		synchronize(force => 1);
		repeat_complete($export);
	}
	run_expecting("SELECT syncup_drop_connector('$connector')");
	expect_same('tables left', $compare->sql("SELECT count(*) FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('syncup_previous', 'syncup_delta', 'syncup_changes')"), 0);
	return;
}

1;
