# Faults of the world around a run: full disks, files that change while they are read,
# rights that are lost, cancels and timeouts, little memory, monstrous rows. Each gives
# a clear error (SQLSTATE, connector, mapping or file), changes nothing, and once it is
# gone the next run is good.
#
#   SMALL_DISK=path   a small disk of one's own to fill; test/run mounts one as root
#   SEED=n            of the random moments (printed)
#   CANCELS=12        how many times a statement is cancelled
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Crash;
use IO::Compress::Gzip ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes ();

my $seed = $ENV{SEED} // int(rand 1_000_000_000);
srand $seed;
note "SEED=$seed";
my $small_disk = $ENV{SMALL_DISK} // '';
my $rows = 5000;

my $node = PostgreSQL::Test::Cluster->new('faults');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\njit = off\nstatement_timeout = '120s'\n");
my $crash = Crash->new($node);
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;

# ---------- tools ----------

sub sql { return $node->safe_psql('postgres', @_) }

# Runs a statement that may fail. Result: what it prints, and its error in full.
sub try_sql
{
	my ($sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, on_error_stop => 1, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	return ($out, $status == 0 ? '' : $err);
}

# Writes an extract in which every row has this word.
sub write_rows
{
	my ($word) = @_;
	open my $file, '>', "$folder/item.csv" or die "item.csv: $!";
	print $file "id,v\n", map { "$_,$word" . 'x' x 100 . "\n" } 1 .. $rows;
	close $file or die "item.csv: $!";
	return;
}

# Writes a compressed file of parts, each a string or [string, how often].
sub write_gz
{
	my ($name, @parts) = @_;
	open my $file, '>:raw', "$folder/$name" or die "$name: $!";
	for my $part (@parts)
	{
		my ($text, $times) = ref $part ? @$part : ($part, 1);
		IO::Compress::Gzip::gzip(\$text => \my $member) or die $IO::Compress::Gzip::GzipError;
		print $file $member for 1 .. $times;
	}
	close $file or die "$name: $!";
	return;
}

# All that a run may change, as one digest; that a batch failed is no change, and how
# it is called is chance.
sub state_now { return sql('SELECT * FROM state') }

sub prepare { return "SELECT syncup_prepare('F', 'complete')" }

sub synchronize { return "SELECT status FROM syncup_synchronize('F', force => true)" }

# After a fault: nothing was changed, and the next run makes the target equal to the file.
sub nothing_changed
{
	my ($what, $before) = @_;
	is(state_now(), $before, "$what: nothing changed");
	next_run_is_good($what);
	return;
}

sub next_run_is_good
{
	my ($what) = @_;
	my (undef, $err) = try_sql("CALL syncup_run('F', 'complete', force => true)");
	is($err, '', "$what: the next run is good");
	is(sql("TRUNCATE file; COPY file FROM '$folder/item.csv' CSV HEADER; (TABLE file EXCEPT TABLE item) UNION ALL (TABLE item EXCEPT TABLE file) LIMIT 1"), '', "$what: the target is what the file says");
	return;
}

# A prepare must fail so.
sub prepare_fails
{
	my ($what, $error, $statement) = @_;
	my $before = state_now();
	my (undef, $err) = try_sql($statement // prepare());
	like($err, $error, "$what: a clear error");
	is(state_now(), $before, "$what: nothing changed");
	return;
}

# Synchronizing what waits must fail so, with everything else as it was.
sub synchronize_fails
{
	my ($what, $sqlstate, $error, $settings) = @_;
	my $before = state_now();
	my ($out, $err) = try_sql(($settings // '') . synchronize());
	is("$err$out", 'failed', "$what: the batch fails");
	my ($recorded, $message) = split /\|/, sql("SELECT sqlstate, error FROM syncup.batch WHERE status = 'failed' ORDER BY seq DESC LIMIT 1"), 2;
	is($recorded, $sqlstate, "$what: with SQLSTATE $sqlstate");
	like($message, $error, "$what: with a clear error");
	like($message, qr/connector "F", mapping "item"/, "$what: naming connector and mapping");
	is(state_now(), $before, "$what: nothing changed");
	return;
}

write_rows('first');
sql(<<SQL);
CREATE EXTENSION syncup;
CREATE TABLE item (id int PRIMARY KEY, v text);
CREATE TABLE file (LIKE item);
SELECT syncup_create_connector('F', '$folder');
SELECT syncup_map_entity_type('F', 'item', 'item', 'item.csv', 'id', '{"id": "id", "v": "v"}');
CREATE VIEW state AS SELECT md5(string_agg(line, '|' ORDER BY line COLLATE "C")) FROM (
	SELECT 'target' || t::text FROM item t
	UNION ALL SELECT 'previous' || t::text FROM syncup_previous.f_item t
	UNION ALL SELECT 'delta' || command || id || v FROM syncup_delta.f_item
	UNION ALL SELECT 'change' || command || id || coalesce(v, '') FROM syncup_changes.f_item
	UNION ALL SELECT 'batch' || mode || CASE status WHEN 'failed' THEN 'prepared' ELSE status END || row_number() OVER (ORDER BY seq)
		FROM syncup.batch WHERE prepared_at IS NOT NULL
	UNION ALL SELECT 'connector' || needs_complete FROM syncup.connector) AS s (line);
CALL syncup_run('F', 'initial');
SQL
is(sql('SELECT count(*) FROM item'), $rows, 'rows are there');

# ---------- a full disk ----------

# Fills the disk but for some bytes.
sub fill_disk
{
	my ($left) = @_;
	open my $file, '>:raw', "$small_disk/filler" or die "filler: $!";
	while (defined syswrite $file, "\0" x 65536) { }
	my $size = (-s $file) - $left;
	truncate $file, $size > 0 ? $size : 0;
	close $file;
	return;
}

SKIP:
{
	skip 'no small disk to fill: that takes root and mount (see test/run)', 1 if $small_disk eq '';
	mkdir "$small_disk/space" or die "$small_disk/space: $!";
	sql("CREATE TABLESPACE small LOCATION '$small_disk/space'");
	my $full = qr/could not extend file .*No space left on device/;
	for my $table ('syncup_delta.f_item', 'syncup_changes.f_item', 'item', 'syncup_previous.f_item')
	{
		sql("ALTER TABLE $table SET TABLESPACE small");
		write_rows("full $table");
		if ($table =~ /delta/)
		{
			fill_disk(100_000);
			prepare_fails("disk of $table full", qr/ERROR:  53100: $full.*connector "F", mapping "item"/s);
		}
		else
		{
			sql(prepare());
			fill_disk(100_000);
			# Changes are written down only where they are to be kept.
			synchronize_fails("disk of $table full", '53100', $full,
				$table =~ /changes/ ? "SET syncup.keep_changes_for = '1h'; " : undef);
		}
		unlink "$small_disk/filler";
		next_run_is_good("disk of $table full");
		sql("ALTER TABLE $table SET TABLESPACE pg_default; CHECKPOINT");
	}

	# temporary files: where they are is the caller's setting
	my $spilling = "SET temp_tablespaces = small; SET work_mem = '64kB'; SET temp_buffers = '800kB'; SET maintenance_work_mem = '1MB';\n";
	write_rows('temporary');
	sql(prepare());
	fill_disk(16_384);
	synchronize_fails('disk of temporary files full', '53100', qr/No space left on device/, $spilling);
	unlink "$small_disk/filler";
	is((try_sql($spilling . synchronize()))[0], 'applied', 'with room the same is applied');
	next_run_is_good('disk of temporary files full');

	# a file of changes is sorted
	open my $changes, '>', "$folder/changes.csv" or die "changes.csv: $!";
	print $changes "command,id,v\n", map { "merge,$_,changed" . 'x' x 300 . "\n" } 1 .. 3 * $rows;
	close $changes or die "changes.csv: $!";
	sql("SELECT syncup_map_entity_type('F', 'item', 'item', 'item.csv', 'id', '{\"id\": \"id\", \"v\": \"v\"}', options => '{\"command_column\": \"command\", \"incremental_file\": \"changes.csv\"}');"
		  . " CALL syncup_run('F', 'complete', force => true)");
	fill_disk(16_384);
	prepare_fails('disk full under a file of changes', qr/ERROR:  53100: .*No space left on device.*connector "F", mapping "item"/s, "$spilling SELECT syncup_prepare('F', 'incremental')");
	unlink "$small_disk/filler";
	like((try_sql("$spilling SELECT syncup_prepare('F', 'incremental'); " . synchronize()))[0], qr/applied/, 'with room the same is applied');
	is(sql("SELECT count(*) FROM item WHERE v LIKE 'changed%'"), 3 * $rows, 'as the file of changes says');
	next_run_is_good('disk full under a file of changes');
	sql('DROP TABLESPACE small');

	# an export
	write_rows('export');
	my $batch = sql(prepare());
	mkdir "$small_disk/export" or die "$small_disk/export: $!";
	fill_disk(100_000);
	prepare_fails('disk of an export full', qr/ERROR:  53100: could not write file "\Q$small_disk\E\/export\/item\..*": No space left on device/, "SELECT syncup_export('$batch', '$small_disk/export')");
	unlink "$small_disk/filler";
	is(join(' ', grep { !/\A\.\.?\z/ } do { opendir my $d, "$small_disk/export" or die; readdir $d }), '', 'disk of an export full: no file is left');
	is(sql("SELECT syncup_export('$batch', '$small_disk/export')"), '', 'with room it is written');
	next_run_is_good('disk of an export full');
}

# ---------- the file changes while it is read ----------

# Does something to the file while a prepare is in the middle of it. Result: the error.
sub meddle
{
	my ($deed) = @_;
	my $session = $crash->start(prepare(), place => 'reading a row', passing => 100, waits => 1);
	$crash->await_place($session) or die 'the prepare did not wait';
	Time::HiRes::sleep(0.02);	# the clock of files is coarse
	$deed->();
	$crash->go_on($session);
	my (undef, $err, $succeeded) = $crash->finish($session);
	return $succeeded ? '' : $err;
}

my $path = "$folder/item.csv";
sub append { open my $file, '>>', $path or die; print $file $_[0]; close $file or die; return }

SKIP:
{
	skip 'the extension knows no places (make CRASH_POINTS=1): files are not changed under a prepare', 1 if !$crash->knows_places;
	my $changed = qr/ERROR:  55000: file "\Q$path\E" changed while it was read/;
	my %deeds = (
		'file truncated in a row' => [ sub { truncate $path, 2 + index slurp_file($path), "\n", 300_000 or die }, $changed ],
		'file truncated at the end of a row' => [ sub { write_rows('cut'); open my $file, '+<', $path or die; my $text = <$file> . <$file>; truncate $file, length $text }, $changed ],
		'file emptied' => [ sub { truncate $path, 0 or die }, $changed ],
		'file grown' => [ sub { append("999999,more\n") }, $changed ],
		'file written over' => [ sub { open my $file, '+<', $path or die; seek $file, -50, 2; print $file 'y' x 49; close $file or die }, $changed ]);
	for my $what (sort keys %deeds)
	{
		write_rows($what);
		my $before = state_now();
		my $err = meddle($deeds{$what}[0]);
		like($err, $deeds{$what}[1], "$what: a clear error");
		write_rows("$what and whole");
		nothing_changed($what, $before);
	}

	# Who replaces a file, or removes it, does not disturb a run that has it open.
	for my $deed ([ 'file replaced' => sub { rename "$path.new", $path or die } ], [ 'file deleted' => sub { unlink $path or die } ])
	{
		my $what = $deed->[0];
		write_rows("$what: new");
		rename $path, "$path.new" or die;
		write_rows("$what: old");
		is(meddle($deed->[1]), '', "$what: the prepare goes on");
		is(sql(synchronize()), 'applied', "$what: it is applied");
		is(sql("SELECT count(*) FROM item WHERE v LIKE '$what: old%'"), $rows, "$what: the whole old file was read");
		prepare_fails("$what", qr/ERROR:  58P01: .*\Q$path\E.*No such file/s) if $what eq 'file deleted';
		write_rows("$what: back") if $what eq 'file deleted';
		next_run_is_good($what);
	}
}

# ---------- rights are lost ----------

write_rows('rights');
chmod 0, $path;
prepare_fails('file not readable', qr/ERROR:  42501: could not open file "\Q$path\E": Permission denied/);
chmod 0644, $path;
next_run_is_good('file not readable');

sql('CREATE ROLE operator; GRANT pg_read_server_files TO operator; GRANT USAGE ON SCHEMA syncup TO operator; GRANT SELECT ON item TO operator;'
	  . ' GRANT EXECUTE ON FUNCTION syncup_prepare, syncup_synchronize TO operator');
write_rows('operator');
sql(prepare());
synchronize_fails('target not writable', '42501', qr/permission denied for table item/, 'SET ROLE operator; ');
next_run_is_good('target not writable');
sql('REVOKE pg_read_server_files FROM operator');
prepare_fails('files of the server no longer allowed', qr/ERROR:  42501: /, 'SET ROLE operator; ' . prepare());

# ---------- time runs out ----------

# What a statement would make of the state, without doing it.
sub state_after
{
	my ($statement) = @_;
	return (split /\n/, sql("BEGIN; $statement; SELECT * FROM state; ROLLBACK"))[-1];
}

# Statements are cancelled, or run out of their time, at random moments.
my %ended;
for my $n (1 .. $ENV{CANCELS} // 12)
{
	write_rows("cancel $n ");
	sql(prepare()) if $n % 2;
	my $statement = $n % 2 ? synchronize() : prepare();
	my $before = state_now();
	my $started = Time::HiRes::time();
	my $after = state_after($statement);
	my $delay = rand(Time::HiRes::time() - $started);
	my ($err, $succeeded);
	if ($n % 4 < 2)
	{
		my $session = $crash->start($statement);
		Time::HiRes::sleep($delay);
		sql("SELECT pg_cancel_backend($session->{pid})") if Crash::works($session);
		(undef, $err, $succeeded) = $crash->finish($session);
	}
	else
	{
		(undef, $err) = try_sql(sprintf 'SET statement_timeout = %d; %s', 1 + $delay * 1000, $statement);
		$succeeded = $err eq '';
	}
	my $now = state_now();
	my $is = $now eq $before ? 'before' : $now eq $after ? 'after' : 'neither';
	isnt($is, 'neither', sprintf 'cancel %d after %.3f s: the state is the one before or after', $n, $delay);
	like($err, qr/ERROR:  57014: canceling statement due to/, "cancel $n: the error is the cancel's") if !$succeeded;
	isnt($is, 'after', "cancel $n: cancelled, and not done") if !$succeeded;
	$ended{$is}++;
	next_run_is_good("cancel $n") if $n % 3 == 0;
}
note 'cancelled: ', join ', ', map { "$ended{$_} left the state $_" } sort keys %ended;

# Somebody holds a row for too long.
write_rows('locked');
sql(prepare());
my ($in, $out) = ('', '');
my $locker = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-d', $node->connstr('postgres') ], '<', \$in, '>', \$out, '2>', \my $ignored, IPC::Run::timeout(120));
$in = "BEGIN; SELECT id FROM item WHERE id = 7 FOR UPDATE;\n";
$locker->pump until $out =~ /7\n/;
synchronize_fails('row locked', '55P03', qr/canceling statement due to lock timeout/, "SET lock_timeout = '300ms'; ");
$in = "ROLLBACK;\n\\q\n";
$locker->finish;
next_run_is_good('row locked');

# A cancel is no bad value: a domain that is asked for the key of a row set aside.
sql(<<SQL);
CREATE FUNCTION judge(text) RETURNS boolean LANGUAGE plpgsql AS \$\$
BEGIN
	IF \$1 = 'late' AND current_setting('test.late', true) = 'on' THEN
		RAISE 'canceling statement due to user request' USING ERRCODE = 'query_canceled';
	END IF;
	RETURN true;
END
\$\$;
CREATE DOMAIN judged AS text CHECK (judge(VALUE));
CREATE TABLE judged_item (id judged PRIMARY KEY, v text);
INSERT INTO judged_item VALUES ('late', 'in the target only');
SELECT syncup_create_connector('J', '$folder');
SELECT syncup_map_entity_type('J', 'judged', 'judged_item', 'judged.csv', 'id', '{"id": "id", "v": "v"}', options => '{"on_error": "quarantine"}');
SQL
open my $judged, '>', "$folder/judged.csv" or die;
print $judged "id,v\ngood,1\nlate,a\xffb\n";
close $judged or die;
my (undef, $judged_error) = try_sql("SET test.late = on; SELECT syncup_prepare('J', 'complete')");
like($judged_error, qr/ERROR:  57014: canceling/, 'a cancel while a key is tried: the error is the cancel\'s');
is(sql("SELECT count(*) FROM syncup.batch WHERE connector = 'J'"), '0', 'a cancel while a key is tried: no batch that deletes the row');

# ---------- little memory ----------

write_rows('little memory');
is((try_sql("SET work_mem = '64kB'; SET maintenance_work_mem = '1MB'; SET temp_buffers = '800kB'; SET hash_mem_multiplier = 1; " . prepare() . '; ' . synchronize()))[0] =~ /applied/ ? 1 : 0, 1, 'little memory: applied');
next_run_is_good('little memory');

# ---------- monstrous files ----------

sub monster
{
	my ($what, $error, @parts) = @_;
	write_gz('monster.csv.gz', @parts);
	my $started = Time::HiRes::time();
	prepare_fails($what, $error, "SELECT syncup_prepare('M', 'complete')");
	note sprintf '%s: %.1f s', $what, Time::HiRes::time() - $started;
	return;
}

write_gz('monster.csv.gz', "id,v\n1,a\n");
sql(<<SQL);
CREATE TABLE monster (id text PRIMARY KEY, v text);
SELECT syncup_create_connector('M', '$folder');
SELECT syncup_map_entity_type('M', 'monster', 'monster', 'monster.csv.gz', 'id', '{"id": "id", "v": "v"}');
SQL
my $mega = 'a' x (1 << 20);
my $monster = qr/monster\.csv\.gz/;
monster('a row of 1 GB', qr/ERROR:  \w+: .*$monster.*line 2/s, "id,v\n1,", [ $mega, 1024 ], "\n2,b\n");
monster('a quoted row of 1 GB', qr/ERROR:  \w+: .*$monster.*line 2/s, "id,v\n1,\"", [ "$mega\n", 1024 ], "\"\n2,b\n");
monster('a header of 100 MB', qr/ERROR:  \w+: .*$monster.*line 1/s, 'id,v,', [ $mega, 100 ], "\n2,b\n");
monster('a million columns', qr/ERROR:  \w+: .*$monster.*line 1/s, 'id,v', [ ',column' x 1000, 1000 ], "\n2,b\n");
monster('a row of a million fields', qr/ERROR:  \w+: .*$monster.*line 2/s, "id,v\n1,b", [ ',field' x 1000, 1000 ], "\n2,b\n");
write_gz('monster.csv.gz', "id,v\n1,b\n");
is(sql("SELECT syncup_prepare('M', 'complete') IS NOT NULL; SELECT status FROM syncup_synchronize('M', force => true)"), "t\napplied", 'after the monsters: the next run is good');
is(sql('TABLE monster'), '1|b', 'after the monsters: the target is what the file says');

is($crash->leftovers, '', 'nothing is left behind');
$node->stop;
done_testing();
