# syncup_doctor: what it can say is read from its source, and every row of it is
# provoked here; one that is not fails the test.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('doctor');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', <<CONF);
log_min_messages = fatal
autovacuum = off
fsync = off
full_page_writes = off
track_activities = off
statement_timeout = '5min'
maintenance_work_mem = '1MB'
CONF
my $has_cron = -e `$ENV{PG_CONFIG} --sharedir 2>/dev/null || pg_config --sharedir` =~ s/\n//r . '/extension/pg_cron.control';
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.host = ''\n") if $has_cron;
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $folder;

sub sql { return $node->safe_psql('postgres', "SET client_min_messages = error; $_[0]") }

# Runs what may end with an error.
sub try { return $node->psql('postgres', "SET client_min_messages = error; $_[0]", on_error_stop => 0) }

sub file
{
	my ($name, $content) = @_;
	open my $file, '>', "$folder/$name" or die "$name: $!";
	print $file $content;
	close $file;
}

# Adds what the doctor says now, as severity|object|problem.
my %seen;
sub look
{
	my ($why, $expected) = @_;
	my @rows = split /\n/, sql(q{SELECT concat_ws('|', severity, object, problem), remedy FROM syncup_doctor()});
	$seen{ s/\|[^|]*$//r } = 1 for @rows;
	# what it says to type can be typed
	my @typed = map { /\|((?:SELECT|CREATE INDEX|GRANT|ALTER TABLE) (?!syncup_suggest)[^;|]*;)/ ? $1 : () } @rows;
	my (undef, undef, $errors) = try("BEGIN;\n" . join('', map { "SAVEPOINT s;\n$_\nROLLBACK TO s;\n" } @typed) . 'ROLLBACK;');
	is($errors, '', scalar(@typed) . ' remedies');
	ok((grep { /$expected/ } @rows), $why) or diag(join "\n", @rows);
}

# ---------- what it can say ----------

sql('CREATE EXTENSION syncup');
my @possible;    # [check, severity or nothing, object or nothing, problem], as regular expressions
my $literal = qr/'((?:[^']|'')*)'/;

sub pattern
{
	my ($text) = @_;
	my @parts = split /%[sIL]/, $text =~ s/''/'/gr, -1;
	return join '.*', map { quotemeta } @parts;
}

for (split /\n/, sql('SELECT name, function FROM syncup.doctor_check ORDER BY place'))
{
	my ($check, $function) = split /\|/;
	my $source = sql("SELECT replace(prosrc, E'\\n', ' ') FROM pg_proc WHERE oid = '$function'::regproc");
	if ($check eq 'alarms')
	{
		my $list = sql(q{SELECT col_description('syncup.alarm'::regclass, attnum) FROM pg_attribute WHERE attrelid = 'syncup.alarm'::regclass AND attname = 'what'});
		my ($of_connector, $of_job) = split /; of a job: /, $list;
		push @possible, [ $check, undef, 'connector ".*"', pattern($_) . '.*' ] for split /, /, $of_connector;
		push @possible, [ $check, undef, 'job ".*"', pattern($_) . '.*' ] for split /, /, $of_job;
		next;
	}
	my @severities = $source =~ /'(?:error|warning|notice)'/g;
	my $before = @possible;
	if ($check eq 'settings')
	{
		push @possible, [ $check, $1, "setting \Q$2\E", pattern($3) ] while $source =~ /\('(\w+)', $literal, .*?, $literal, (?:format\()?$literal/g;
	}
	else
	{
		# severity, object, problem: each a text, or format() of one
		push @possible, [ $check, $1, defined $2 ? pattern($2) : '.*', defined $3 ? pattern($3) . '.*' : '.*' ]
		  while $source =~ /'(error|warning|notice)', (?:format\($literal[^)]*(?:\(.*?\))?\)|l\.object), (?:(?:format\()?$literal|SQLERRM)/g;
	}
	is(@possible - $before, scalar @severities, "rows of $check");
}
cmp_ok(scalar @possible, '>', 40, 'what it can say: ' . @possible . ' rows');

# ---------- provoked ----------

sql(<<SQL);
CREATE TABLE usr (id int, name text CHECK (name <> 'SECRET'), dept varchar(10), PRIMARY KEY (id));
CREATE TABLE team (id text PRIMARY KEY);
CREATE TABLE member (team text, usr int, UNIQUE (team, usr));
CREATE TABLE badge (n int PRIMARY KEY, usr int REFERENCES usr ON DELETE CASCADE);
SELECT syncup_create_connector('EMPTY');
SELECT syncup_create_connector('A', '$folder', '{"on_error": "quarantine"}');
SQL
my $usr = "id,name,dept\n" . join '', map { "$_,a,x\n" } 1 .. 10;
file('usr.csv', $usr);
file('team.csv', "id\nt\n");
file('member.csv', "team,usr\nt,1\n");
sql(q{SELECT syncup_map_entity_type('A', 'usr', 'usr', 'usr.csv', 'id'), syncup_map_entity_type('A', 'team', 'team', 'team.csv', 'id'),
	syncup_map_association('A', 'member', 'member.csv', 'team', 'team.id', 'usr', 'usr.id', 'member', 'team', 'usr')});
look('a connector without mappings, one without jobs, columns without indexes', qr/no job runs it/);
sql(q{SELECT syncup_drop_connector('EMPTY'); SELECT syncup_create_jobs('A')});
try(q{CALL syncup_run_job('A_initial')});

# files
file('usr.csv', $usr =~ s/dept/department/r);
unlink "$folder/team.csv";
utime time - 864000, time - 864000, "$folder/member.csv" or die;
look('files that are gone or old, a header that lost a column', qr/does not have the columns "dept"/);
file('team.csv', "");
file('usr.csv', "\"id\nx");
look('a file that cannot be read', qr/mapping "A.usr"\|(?!file)/);
file('usr.csv', $usr);
file('team.csv', "id\nt\n");
file('member.csv', "team,usr\nt,1\n");

# alarms of a connector
file('usr.csv', $usr =~ s/a,x/b,x/gr);
try(q{CALL syncup_run_job('A_complete')});
look('a run and a job that block', qr/job "A_complete"\|blocked/);
file('usr.csv', $usr =~ s/1,a/1,SECRET/r);
try(q{SELECT syncup_discard(batch, 'no') FROM syncup.batch WHERE status = 'blocked'; SELECT syncup_set_thresholds('A', '{"max_percentage_updated_lines": 50}'); CALL syncup_run_job('A_complete')});
look('a batch and a job that fail', qr/connector "A"\|failed/);
sql(q{SELECT syncup_discard(batch, 'no') FROM syncup.batch WHERE status = 'failed'; SELECT syncup_create_connector('A', options => '{"timezone": "Asia/Tokyo"}')});
look('another time zone', qr/needs complete/);
file('usr.csv', '');
try(q{CALL syncup_run('A', 'complete')});
look('a prepare that fails', qr/prepare failed/);
file('usr.csv', $usr . "10,b,x\n,c,x\n");
try(q{CALL syncup_run('A', 'complete')});
look('rows set aside', qr/rows set aside/);
file('usr.csv', $usr . "\"11\"x,b,x\n");
try(q{CALL syncup_run('A', 'complete')});
look('a row without a key that can be read', qr/deletions suspended/);
file('usr.csv', '');
try(q{CALL syncup_run('A', 'complete')});
file('usr.csv', $usr);
try(q{CALL syncup_run('A', 'incremental')});
look('a complete run fails, incremental ones go on', qr/complete failed/);
sql(q{SELECT syncup_create_connector('A', options => '{"max_age": "1 hour", "max_age_complete": "1 hour"}');
	UPDATE syncup.batch SET synchronized_at = synchronized_at - interval '1 day'; UPDATE syncup.batch_counter SET file_modified = file_modified - interval '1 day'});
look('old data, an old complete run', qr/complete too old/);
sql(q{SELECT syncup_create_connector('A', options => '{"max_age": null, "max_age_complete": null}')});
try(q{CALL syncup_run('A', 'complete')});

# jobs: steps that fail, are cancelled, or end with their server process
for ([ 'fails', 'SELECT 1/0', 'false' ], [ 'warns', 'SELECT 1/0', 'true' ], [ 'stops', 'SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(60)', 'false' ], [ 'ends', 'SELECT pg_terminate_backend(pg_backend_pid())', 'false' ], [ 'late', 'SELECT 1', 'false' ])
{
	my ($job, $statement, $go_on) = @$_;
	sql(qq{SELECT syncup_create_job('$job'), syncup_add_step('$job', 'one', 'sql', continue_on_error => $go_on, options => '{"statement": "$statement"}')});
	try("CALL syncup_run_job('$job')");
}
sql(q{SELECT syncup_schedule('late', '* * * * *'); UPDATE syncup.job_definition SET scheduled_at = now() - interval '1 hour' WHERE job = 'late'; UPDATE syncup.run_record SET started_at = now() - interval '1 hour', ended_at = now() - interval '1 hour' WHERE job = 'late'});
look('jobs that fail', qr/job "stops"\|cancelled/);
if ($has_cron)
{
	sql(q{CREATE EXTENSION pg_cron; SELECT syncup_schedule('warns', '0 0 1 1 *'), syncup_schedule('fails', '0 0 1 1 *');
		SELECT cron.unschedule('syncup fails');
		INSERT INTO cron.job_run_details (jobid, runid, database, username, command, status, return_message, start_time)
		SELECT jobid, 1, database, username, command, 'failed', 'connection failed', now() FROM cron.job WHERE jobname = 'syncup warns'});
	look('an entry that is gone, one that fails', qr/job "warns"\|pg_cron cannot start it: connection failed/);
	try(q{CALL syncup_run_job('warns')});
	unlike(sql('SELECT * FROM syncup_doctor()'), qr/pg_cron cannot/, 'until it ran');
}

# limits
sql(q{SELECT syncup_set_thresholds('A', '{"maximum_deleted_lines": 0, "max_percentage_deleted_lines": 0, "maximum_inserted_lines": 5000}');
	WITH last AS (SELECT * FROM syncup.batch WHERE status = 'applied' AND mode <> 'initial' ORDER BY seq DESC LIMIT 1),
	more AS (INSERT INTO syncup.batch OVERRIDING SYSTEM VALUE SELECT b.* FROM last l CROSS JOIN generate_series(1, 101) i
		CROSS JOIN LATERAL jsonb_populate_record(NULL::syncup.batch, to_jsonb(l) || jsonb_build_object('batch', gen_random_uuid(), 'seq', nextval('syncup.batch_seq_seq'), 'i', i)) b RETURNING batch)
	INSERT INTO syncup.batch_counter SELECT n.* FROM more m JOIN syncup.batch_counter c ON c.batch = (SELECT batch FROM last) CROSS JOIN LATERAL jsonb_populate_record(NULL::syncup.batch_counter, to_jsonb(c) || jsonb_build_object('batch', m.batch)) n});
look('limits that are off, or guard nothing', qr/nothing limits deleted lines/);

# tables
sql(q{BEGIN; INSERT INTO syncup.batch_file SELECT gen_random_uuid(), 'usr', i, now(), 0, 0 FROM generate_series(1, 101000) i; ROLLBACK});
sql(q{UPDATE syncup.batch SET prepared_at = now() - interval '2 years'; UPDATE syncup.growing_table SET large = '0 kB'});
sql('SELECT pg_stat_force_next_flush()');
$node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM syncup_doctor() WHERE problem ~ 'rows are dead')});
look('old batches, dead rows', qr/batches are older/);
is(sql(q{SELECT string_agg(g.tables, ' ') FROM syncup.growing_table g WHERE NOT EXISTS (SELECT FROM syncup_doctor() d WHERE d.problem ~ '^it has grown' AND d.remedy = g.remedy AND substr(d.object, 7) LIKE g.tables ESCAPE '!')}), '', 'every table that grows');
sql(q{UPDATE syncup.growing_table SET large = '1 GB'});
is(sql(q{SELECT count(*) FROM syncup_doctor() WHERE problem ~ '^it has grown'}), 0, 'when it is large');

# relations that are read
sql(<<SQL);
CREATE SCHEMA hidden;
CREATE TABLE src (id int, dept text);
CREATE VIEW hidden.bad AS SELECT id FROM src WHERE 1 / id > 0;
CREATE TABLE copy1 (id int PRIMARY KEY, dept text);
CREATE TABLE copy2 (id int PRIMARY KEY);
SELECT syncup_create_connector('R');
SELECT syncup_map_entity_type('R', 'one', 'copy1', NULL, 'id', options => '{"source": "src"}');
SELECT syncup_map_entity_type('R', 'two', 'copy2', NULL, 'id', options => '{"source": "hidden.bad"}');
SQL
look('an empty relation', qr/mapping "R.one"\|relation public.src has no row/);
sql('INSERT INTO src VALUES (0)');
look('one that cannot be read', qr/mapping "R.two"\|relation hidden.bad cannot be read: division by zero/);
sql('ALTER TABLE src DROP COLUMN dept');
look('one that lost a column', qr/mapping "R.one"\|relation public.src does not have the columns "dept"/);

# rights of somebody who was given part of them
sql(<<SQL);
ALTER TABLE team SET SCHEMA hidden;
CREATE ROLE sick;
GRANT USAGE ON SCHEMA syncup TO sick;
GRANT SELECT ON ALL TABLES IN SCHEMA syncup TO sick;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA syncup, public TO sick;
GRANT SELECT, INSERT, UPDATE (name), DELETE ON usr TO sick;
SQL
my $sick = sql(q{SET ROLE sick; SELECT concat_ws('|', severity, object, problem), remedy FROM syncup_doctor()});
$seen{ s/\|[^|]*$//r } = 1 for split /\n/, $sick;
like($sick, qr/mapping "A.usr"\|role sick must not update public.usr\|GRANT UPDATE ON public.usr TO sick;/, 'a column that may not be written');
like($sick, qr/connector "A"\|permission denied for file/, 'files that may not be read');
unlike($sick, qr/must not (select|insert|delete) public.usr/, 'and no more');
like($sick, qr/mapping "R.one"\|role sick must not select public.src, which it reads\|GRANT SELECT ON public.src TO sick;/, 'a relation that may not be read');
like($sick, qr/mapping "R.two"\|role sick must not use schema hidden, in which it reads hidden.bad/, 'nor its schema used');
sql('DROP VIEW hidden.bad');
look('a relation that is gone', qr/mapping "R.two"\|relation hidden.bad, which it reads, is gone/);

# targets
sql(q{SELECT syncup_discard(batch, 'no') FROM syncup.batch WHERE status IN ('failed', 'blocked') AND prepared_at IS NOT NULL ORDER BY seq LIMIT 1});
sql(q{ALTER TABLE usr DROP COLUMN name, ALTER dept TYPE text, DROP CONSTRAINT usr_pkey CASCADE; DROP TABLE member});
sql(q{SELECT syncup_create_connector('OFF', '/nowhere'), syncup_deactivate('OFF')});
look('columns, types, keys and targets that are gone', qr/of another type than when it was mapped/);

# ---------- all of them ----------

for (@possible)
{
	my ($check, $severity, $object, $problem) = @$_;
	next if $check =~ /alarms|jobs/ && !$has_cron && "$object $problem" =~ /pg_cron|scheduled/;
	my $row = '^' . ($severity // '\w+') . "\\|$object\\|$problem\$";
	ok((grep { /$row/ } keys %seen), "$check: " . (($severity // '') . " $object: $problem") =~ s/\\//gr);
}

$node->stop;
done_testing();
