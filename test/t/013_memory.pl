# A session that runs for months: what a call took it gives back, also where the
# call failed. After some rounds of everything (ROUNDS=15) the session has no more
# memory and no more open files than after the first ones.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $rounds = $ENV{ROUNDS} // 15;
my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;
mkdir "$dir/out";

append_to_file("$dir/a.csv", "id,name,boss\n" . join '', map { "$_,a,1\n" } 1 .. 500);
append_to_file("$dir/b.csv", "id,name,boss\n" . join '', map { "$_,b$_,2\n" } 2 .. 501);
append_to_file("$dir/bad.csv", "id,name,boss\n1,a,1\n1,\"a");
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE person (id int PRIMARY KEY, name text, boss int);
SELECT syncup_create_connector('A', '$dir');
SELECT syncup_map_entity_type('A', 'person', 'person', 'a.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_map_association('A', 'boss', 'a.csv', 'id', 'person.id', 'boss', 'person.id', 'person', target_column2 => 'boss');
CALL syncup_run('A', 'initial');
SQL

my $round = <<SQL;
SELECT count(*) FROM syncup_read_csv('$dir/b.csv') AS (id int, name text);
SELECT id FROM syncup_read_csv('$dir/b.csv') AS (id int) LIMIT 1;
SELECT count(*) FROM syncup_read_csv('$dir/bad.csv') AS (id int, name text);
SELECT count(*) FROM syncup_read_csv('$dir/b.csv') AS (id date);
SELECT count(*) FROM syncup_preview('A', 'complete');
SELECT syncup_format('20240230', 'nonsense');
SELECT syncup_prepare('A', 'complete', '{"delimiter": "|"}');
CALL syncup_run('A', 'complete', force => true, keep_changes => true);
SELECT syncup_map_entity_type('A', 'person', 'person', 'b.csv', 'id', '{"id": "id", "name": "name"}');
SELECT syncup_prepare('A', 'complete') IS NULL;
SELECT status FROM syncup_synchronize('A');
SELECT length(syncup_report((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1)));
SELECT syncup_export((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1), '$dir/out');
SELECT status FROM syncup_resume((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1));
SELECT syncup_prepare('A', 'complete', '{"nonsense": 1}');
ALTER TABLE person ADD CONSTRAINT no CHECK (name <> 'a') NOT VALID;
SELECT syncup_map_entity_type('A', 'person', 'person', 'a.csv', 'id', '{"id": "id", "name": "name"}');
SELECT status FROM (SELECT syncup_prepare('A', 'complete')) p, syncup_synchronize('A', true);
ALTER TABLE person DROP CONSTRAINT no;
SELECT syncup_discard((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1));
SELECT syncup_purge('0');
SQL

# Memory of the session, contexts of ours in it, open files (of temporary tables and
# relations some come and go: what matters is that they do not grow with the rounds).
my $measure = <<'SQL';
SELECT 'measured', (SELECT sum(used_bytes) FROM pg_backend_memory_contexts), (SELECT count(*) FROM pg_backend_memory_contexts WHERE name ~ 'syncup'), (SELECT count(*) FROM pg_ls_dir('/proc/self/fd'));
SQL

my ($code, $out, $error) = $node->psql('postgres', ($round x 12) . $measure . ($round x $rounds) . $measure, on_error_stop => 0);
my ($first, $last) = map { [ split /\|/ ] } $out =~ /^measured\|(.*)$/mg;
my $applied = () = $out =~ /^applied$/mg;
my $blocked = () = $out =~ /^blocked$/mg;
my $failed = () = $out =~ /^failed$/mg;
cmp_ok($applied, '>=', $rounds, 'batches were applied');
cmp_ok($blocked, '>=', $rounds, 'others blocked');
cmp_ok($failed, '>=', $rounds, 'and others failed');
is($last->[1], 0, 'no memory context of ours is left');
cmp_ok($last->[0] - $first->[0], '<=', 2_000 * $rounds, 'memory does not grow by two kilobytes per round');
cmp_ok($last->[2], '<=', $first->[2] + 5, 'nor do open files');
note "memory $first->[0] then $last->[0] bytes, files $first->[2] then $last->[2]";

$node->stop;
done_testing();
