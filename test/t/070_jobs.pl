# Jobs. Random ones (levels, parents, start_when, outcomes, continue_on_error) against
# a model in plain SQL of its own: what each step came to, what the plan had said. And
# jobs whose server process is killed at a place with a name: the run is interrupted,
# and its resume brings what an undisturbed run brings; no step's effects are there
# without its record, nor the reverse.
#
#   SEED=n      begins with the job of that seed (printed)
#   SECONDS=15  of random jobs; more in the soak
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Crash;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $end = time + ($ENV{SECONDS} // 15);
my $node = PostgreSQL::Test::Cluster->new('jobs');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\njit = off\nstatement_timeout = '120s'\nlog_timezone = 'America/New_York'\n");
my $crash = Crash->new($node);
$node->start;

sub sql { return $node->safe_psql('postgres', $_[0]) }

# What the server says of a CALL, which may end with an error.
sub call
{
	my ($statement) = @_;
	my (undef, undef, $stderr) = $node->psql('postgres', "SET client_min_messages = error; $statement");
	return $stderr;
}

sql(<<'SQL');
CREATE EXTENSION syncup;
-- what a step is to come to, and what it did
CREATE TABLE fate (step text PRIMARY KEY, ordinal int, level int, parents text[], start_when text, continue_on_error boolean, outcome text);
CREATE TABLE effect (step text, xid xid8 DEFAULT pg_current_xact_id());
CREATE FUNCTION meet_fate(run bigint, step text) RETURNS syncup.step_result LANGUAGE plpgsql AS $$
DECLARE
	outcome text := (SELECT f.outcome FROM public.fate f WHERE f.step = meet_fate.step);
BEGIN
	INSERT INTO public.effect (step) VALUES (meet_fate.step);
	IF outcome = 'raise' THEN
		RAISE 'fate';
	END IF;
	RETURN (CASE outcome WHEN 'did' THEN 'success' WHEN 'nothing' THEN 'success' ELSE outcome END, outcome <> 'nothing', false, NULL, NULL, NULL)::syncup.step_result;
END
$$;
INSERT INTO syncup.step_kind (kind, function) VALUES ('fate', 'public.meet_fate');

-- The model: the state of every step, level by level.
CREATE TABLE model (step text PRIMARY KEY, state text, did boolean);
CREATE FUNCTION play_model() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	lev int;
BEGIN
	TRUNCATE model;
	FOR lev IN SELECT DISTINCT level FROM fate ORDER BY 1 LOOP
		IF EXISTS (SELECT FROM model WHERE state IN ('error', 'blocked')) THEN
			INSERT INTO model SELECT step, 'not started', NULL FROM fate WHERE level = lev;
			CONTINUE;
		END IF;
		INSERT INTO model
		SELECT f.step, CASE WHEN NOT s.starts THEN 'not started'
				WHEN f.outcome IN ('did', 'nothing') THEN 'success'
				WHEN f.outcome IN ('raise', 'error') THEN CASE WHEN f.continue_on_error THEN 'warning' ELSE 'error' END
				ELSE f.outcome END,
			CASE WHEN s.starts THEN f.outcome NOT IN ('nothing', 'raise') END
		FROM fate f
		CROSS JOIN LATERAL (
			SELECT count(*) AS n, count(*) FILTER (WHERE m.state = 'success' AND m.did) AS did, count(*) FILTER (WHERE m.state = 'success') AS good
			FROM model m WHERE m.step = ANY (f.parents)
		) AS p
		CROSS JOIN LATERAL (SELECT CASE
			WHEN p.n = 0 OR f.start_when = 'always' THEN true
			WHEN f.start_when = 'all did' THEN p.did = p.n
			WHEN f.start_when = 'any did' THEN p.did > 0
			ELSE p.good > 0 END) AS s (starts)
		WHERE f.level = lev;
	END LOOP;
END
$$;
SQL

# ---------- random jobs ----------

sub pick { return $_[ int rand @_ ] }

sub quoted { return "'" . join("','", @_) . "'" }

# Makes the job of a seed, of a name of its own, and its fate.
sub make_job
{
	my ($seed, $job, @outcomes) = @_;
	srand $seed;
	my (@steps, $sql);
	my $levels = 1 + int rand 5;
	for my $level (1 .. $levels)
	{
		for (1 .. 1 + int rand 4)
		{
			my @above = grep { $_->{level} < $level } @steps;
			my %parents = map { $_->{step} => 1 } grep { rand() < 0.5 } @above;
			push @steps, { step => 's' . (@steps + 1), level => $level, parents => [ sort keys %parents ],
				when => pick('all did', 'all did', 'any did', 'any started', 'always'), go_on => rand() < 0.7 ? 'true' : 'false', outcome => pick(@outcomes) };
		}
	}
	my $n = 0;
	$sql = "TRUNCATE fate, effect; SELECT syncup_create_job('$job');\n";
	for my $s (@steps)
	{
		$n++;
		my $parents = '{' . join(',', @{ $s->{parents} }) . '}';
		$sql .= "INSERT INTO fate VALUES ('$s->{step}', $n, $s->{level}, '$parents', '$s->{when}', $s->{go_on}, '$s->{outcome}');\n";
		$sql .= "SELECT syncup_add_step('$job', '$s->{step}', 'fate', NULL, '$parents', $s->{level}, '$s->{when}', $s->{go_on});\n";
	}
	sql($sql);
	return scalar @steps;
}

my @outcomes = ('did', 'did', 'did', 'nothing', 'nothing', 'raise', 'error', 'warning');
my ($jobs, $bad) = (0, 0);
note "SEED=$first_seed";
for (my $seed = $first_seed; time < $end && !$bad; $seed++)
{
	make_job($seed, 'J', $seed % 5 ? @outcomes : (@outcomes, 'blocked'));
	sql('CREATE TABLE plan AS SELECT * FROM syncup_plan($$J$$)');
	my $said = call("CALL syncup_run_job('J')");
	my $wrong = sql(<<'SQL');
SELECT play_model();
CREATE TEMP VIEW run AS SELECT * FROM syncup.job_step_run WHERE run = (SELECT max(run) FROM syncup.job_run);
-- states and what children are decided by
SELECT 'state', m.*, r.state, r.did_something FROM model m FULL JOIN run r USING (step) WHERE (m.state, m.did) IS DISTINCT FROM (r.state, r.did_something)
UNION ALL
-- what the plan said
SELECT 'plan', p.step, p.will, NULL, r.state, NULL FROM plan p FULL JOIN run r USING (step, ordinal, level)
WHERE CASE p.will WHEN 'start' THEN r.state IN ('not started', 'left out') AND r.reason NOT LIKE 'the job stopped%'
	AND NOT EXISTS (SELECT FROM fate f JOIN run w ON w.step = ANY (f.parents) WHERE f.step = r.step AND w.state IN ('warning', 'not started'))
	WHEN 'depends' THEN false WHEN 'not started' THEN r.state <> 'not started' ELSE true END
UNION ALL
-- who does not start says why
SELECT 'reason', r.step, r.state, NULL, NULL, NULL FROM run r WHERE r.state IN ('not started', 'left out') AND r.reason IS NULL
UNION ALL
-- effects of those that were not taken back, once each
SELECT 'effect', coalesce(r.step, e.step), r.state, NULL, e.n::text, NULL FROM run r JOIN fate f USING (step) FULL JOIN (SELECT step, count(*) AS n FROM effect GROUP BY 1) e USING (step)
WHERE coalesce(e.n, 0) <> (r.state IN ('success', 'blocked') OR r.state IN ('warning', 'error') AND f.outcome <> 'raise')::int
UNION ALL
SELECT 'run', NULL, w.state, NULL, j.state, NULL
FROM (SELECT coalesce((SELECT x.state FROM model x WHERE x.state IN ('error', 'blocked', 'warning') ORDER BY array_position(ARRAY['error', 'blocked', 'warning'], x.state) LIMIT 1), 'success')) AS w (state),
	LATERAL (SELECT state FROM syncup.job_run ORDER BY run DESC LIMIT 1) AS j
WHERE w.state <> j.state;
DROP TABLE plan;
SQL
	my $state = sql('SELECT state FROM syncup.job_run ORDER BY run DESC LIMIT 1');
	$wrong .= "\nit said: $said" if ($said =~ /ERROR/ ? 1 : 0) != ($state =~ /^(error|blocked)$/ ? 1 : 0);
	$wrong =~ s/^\s+//;
	if ($wrong ne '')
	{
		$bad = 1;
		diag "SEED=$seed\n$wrong\n" . sql('SELECT * FROM fate ORDER BY ordinal') . "\n";
	}
	else
	{
		# mended, the resume does what is left, and nothing twice
		if ($state ne 'success')
		{
			my $made = sql("SELECT string_agg(step, ',' ORDER BY step) FROM syncup.job_step_run WHERE run = (SELECT max(run) FROM syncup.job_run) AND state = 'success'");
			sql("UPDATE fate SET outcome = 'did' WHERE outcome IN ('raise', 'error', 'blocked', 'warning'); TRUNCATE effect");
			my $answer = call('CALL syncup_resume_job(' . sql('SELECT max(run) FROM syncup.job_run') . ')');
			my $twice = sql("SELECT string_agg(e.step, ' ') FROM effect e WHERE e.step = ANY ('{$made}'::text[])");
			my $not = sql("SELECT play_model(); SELECT string_agg(r.step || ' ' || r.state || ' ' || m.state, ', ') FROM model m JOIN syncup.job_step_run r USING (step) WHERE run = (SELECT max(run) FROM syncup.job_run) AND m.state <> r.state");
			$not =~ s/^\s+//;
			if ($answer ne '' || $twice ne '' || $not ne '')
			{
				$bad = 1;
				diag "SEED=$seed: resume: $answer; twice: $twice; otherwise: $not";
			}
		}
		$jobs++;
	}
	sql("SELECT syncup_drop_job('J')");
}
ok(!$bad, "$jobs random jobs are run as the model says");
cmp_ok($jobs, '>', 3, 'there were some');

# ---------- kills ----------

SKIP:
{
	skip 'The extension knows no places.', 1 if !$crash->knows_places;
	my @places = ('step chosen', 'step done', 'step recorded', 'run ended');
	my %known = map { $_ => 1 } slurp_file("$FindBin::RealBin/../../src/job.c") =~ /CRASH_POINT\("(.*?)"\)/g;
	is_deeply([ sort @places ], [ sort keys %known ], 'every place of a job is one where it is killed');
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $content = 'SELECT string_agg(t::text, $$ $$ ORDER BY id) FROM target t';
	my $number = 0;
	my $write = sub {
		open my $file, '>', "$dir/m.csv" or die "m.csv: $!";
		print $file "id,name\n1,same\n2,change $number\n", map { 10 + $_ . ",row\n" } 1 .. $number;
		close $file;
	};
	$write->();
	sql(<<"SQL");
CREATE TABLE target (id int PRIMARY KEY, name text);
SELECT syncup_create_connector('C', '$dir');
SELECT syncup_map_entity_type('C', 'm', 'target', 'm.csv', 'id');
SELECT syncup_set_thresholds('C', '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0}');
SELECT syncup_create_job('K', true);
SELECT syncup_add_step('K', 'before', 'sql', options => '{"statement": "INSERT INTO public.effect VALUES (''before'')"}');
SELECT syncup_add_step('K', 'prepare', 'prepare', 'C', '{before}');
SELECT syncup_add_step('K', 'synchronize', 'synchronize', 'C', '{prepare}');
SELECT syncup_add_step('K', 'after', 'sql', parents => '{synchronize}', options => '{"statement": "INSERT INTO public.effect VALUES (''after'')"}');
SQL

	sql("CALL syncup_run('C', 'initial')");

	for my $place (@places)
	{
		for my $passing ($place eq 'run ended' ? 1 : 1 .. 4)
		{
			for my $server (0, 1)
			{
				next if $server && $passing != 2 && $place ne 'run ended';
				my $way = "$place, passing $passing, " . ($server ? 'server' : 'backend');
				$number++;
				$write->();
				sql('TRUNCATE effect');
				my $batches = sql('SELECT count(*) FROM syncup.batch');
				my ($hit) = $crash->run_and_kill("CALL syncup_run_job('K')", { operation => 'job', place => $place, passing => $passing, server => $server });
				ok($hit, "$way: killed") or next;
				is(sql('SELECT state FROM syncup.job_run ORDER BY run DESC LIMIT 1'), 'interrupted', "$way: the run is interrupted at once");
				is(sql("SELECT count(*) FROM syncup.alarm WHERE job = 'K' AND what = 'interrupted'"), '1', "$way: and an alarm");
				is(sql(<<"SQL"), '', "$way: effects and records agree");
SELECT string_agg(r.step || ' ' || r.state, ', ') FROM syncup.job_step_run r
WHERE r.run = (SELECT max(run) FROM syncup.job_run) AND (r.state = 'success') IS DISTINCT FROM CASE r.step
	WHEN 'prepare' THEN (SELECT count(*) > $batches FROM syncup.batch)
	WHEN 'synchronize' THEN (SELECT count(*) > $batches AND max(b.status) = 'applied' FROM (SELECT status FROM syncup.batch ORDER BY seq) b)
	ELSE EXISTS (SELECT FROM effect e WHERE e.step = r.step) END
SQL
				is(call('CALL syncup_resume_job(' . sql('SELECT max(run) FROM syncup.job_run') . ')'), '', "$way: resumed");
				is(sql("SELECT string_agg(step || ' ' || state, ', ' ORDER BY ordinal) FROM syncup.job_step_run WHERE run = (SELECT max(run) FROM syncup.job_run)"),
					'before success, prepare success, synchronize success, after success', "$way: all is done");
				is(sql("SELECT string_agg(step, ' ' ORDER BY step) FROM effect"), 'after before', "$way: once each");
				is(sql($content), join(' ', '(1,same)', "(2,\"change $number\")", map { '(' . (10 + $_) . ',row)' } 1 .. $number), "$way: the target is as the file");
			}
		}
	}
	is(sql("SELECT count(*) FROM syncup.batch WHERE status = 'prepared'"), '0', 'no batch waits');
}
# without pg_cron, lines of cron are in the zone of the machine: five hours behind in November
is(sql("SELECT syncup.next_cron('0 3 * * *', '2026-11-27 10:15+00') = '2026-11-28 08:00+00'"), 't', 'the zone of a schedule');
$node->stop;

done_testing();
