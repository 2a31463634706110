# On a standby nothing runs, and what refuses to says why; what only looks works.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($content) = @_;
	open my $file, '>', "$dir/m.csv" or die "m.csv: $!";
	print $file $content;
	close $file;
}

write_file("id,v\n1,a\n2,b\n");
$primary->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE target (id int PRIMARY KEY, v text);
SELECT syncup_create_connector('C', '$dir');
SELECT syncup_map_entity_type('C', 'm', 'target', 'm.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_prepare('C', 'initial');
SELECT * FROM syncup_synchronize('C');
SELECT syncup_create_jobs('C');
SQL
$primary->psql('postgres', "CALL syncup_run_job('C_incremental')");
write_file("id,v\n1,c\n");
my $batch = $primary->safe_psql('postgres', "SELECT syncup_prepare('C', 'complete')");
is($primary->safe_psql('postgres', "SELECT status FROM syncup_synchronize('C')"), 'blocked', 'a batch is blocked');

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);

# Every function that works on a connector, and what it says.
my $refused = qr/ERROR:  25006: connector "C" cannot be worked on: this server is a standby\n/;
my %run = (
	prepare => "SELECT syncup_prepare('C', 'complete')",
	synchronize => "SELECT * FROM syncup_synchronize('C')",
	'synchronize with orphans' => "SELECT * FROM syncup_synchronize('C', orphans => '$dir/orphans.csv')",
	run => "CALL syncup_run('C', 'complete')",
	preview => "SELECT * FROM syncup_preview('C', 'complete')",
	resume => "SELECT * FROM syncup_resume('$batch')",
	discard => "SELECT syncup_discard('$batch')",
	undo => "SELECT syncup_undo('$batch')",
	export => "SELECT syncup_export('$batch', '$dir')",
	purge => "SELECT syncup_purge('0')",
	create_connector => "SELECT syncup_create_connector('C')",
	drop_connector => "SELECT syncup_drop_connector('C')",
	activate => "SELECT syncup_activate('C')",
	deactivate => "SELECT syncup_deactivate('C')",
	map_entity_type => "SELECT syncup_map_entity_type('C', 'm', 'target', 'm.csv', 'id', '{\"id\": \"id\"}')",
	map_association => "SELECT syncup_map_association('C', 'l', 'm.csv', 'id', 'm.id', 'v', 'm.id', 'target', 'id', 'v')",
	drop_mapping => "SELECT syncup_drop_mapping('C', 'm')",
	run_job => "CALL syncup_run_job('C_complete')",
	resume_job => "CALL syncup_resume_job(1)",
	create_jobs => "SELECT syncup_create_jobs('C')",
	cancel_job => "SELECT syncup_cancel_job(1)",
	schedule => "SELECT syncup_schedule('C_complete')",
	set_thresholds => "SELECT syncup_set_thresholds('C', '{\"maximum_deleted_lines\": 1}')");
for my $name (sort keys %run)
{
	my ($status, $stdout, $stderr) = $standby->psql('postgres', $run{$name}, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	like($stderr, $name =~ /_job$/ && $name ne 'cancel_job' ? qr/ERROR:  25006: a job cannot be run: this server is a standby\n/
		: $name =~ /^(set_thresholds|create_jobs|cancel_job|schedule)$/ ? qr/25006: cannot execute .* in a read-only transaction|25006: .*recovery|55000: run 1/ : $refused, "$name is refused");
}
ok(!-e "$dir/orphans.csv" && !glob("$dir/.*.tmp"), 'and has written no file');

# What looks: every view and table of ours, and the functions that read.
for my $relation (split /\n/, $standby->safe_psql('postgres', <<'SQL'))
SELECT objid::regclass FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
WHERE extname = 'syncup' AND classid = 'pg_class'::regclass AND (SELECT relkind FROM pg_class WHERE oid = objid) IN ('r', 'v')
SQL
{
	is($standby->safe_psql('postgres', "SELECT count(*) FROM $relation"), $primary->safe_psql('postgres', "SELECT count(*) FROM $relation"), $relation);
}
for my $query ("SELECT * FROM syncup_changes('$batch')", "SELECT syncup_report('$batch')", "SELECT * FROM syncup_findings('$batch')",
	"SELECT * FROM syncup_csv_header('$dir/m.csv')", "SELECT * FROM syncup_read_csv('$dir/m.csv') AS (id int, v text)", "SELECT syncup_format('0x0A', 'hex')", "SELECT * FROM syncup_plan('C_complete')")
{
	my ($status, $there) = $standby->psql('postgres', $query);
	my ($status_here, $here) = $primary->psql('postgres', $query);
	is("$status $there", "$status_here $here", $query =~ s/\(.*//r);
}
is($standby->safe_psql('postgres', "SELECT blocked FROM syncup.status"), $batch, 'the blocked batch is seen');

# Once it is the primary, it goes on where the other was.
$primary->stop('immediate');
$standby->promote;
is($standby->safe_psql('postgres', "SELECT status, updated, deleted FROM syncup_resume('$batch')"), 'applied|1|1', 'after a failover the batch is resumed');
is($standby->safe_psql('postgres', 'SELECT * FROM target'), '1|c', 'and applied');
is($standby->safe_psql('postgres', "SELECT status, inserted, updated, deleted FROM (SELECT syncup_prepare('C', 'complete')) AS p, syncup_synchronize('C')"), 'applied|0|0|0', 'the next run finds nothing to do');

$standby->stop;
done_testing();
