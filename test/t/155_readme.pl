# README: its statements, as they stand there, give the output that stands there. Only
# the folder /srv/exports is another one, and batches have other numbers.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('readme');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
# (or the doctor says so)
$node->append_conf('postgresql.conf', "fsync = on\n");
$node->start;
my $exports = PostgreSQL::Test::Utils::tempdir . '/AD';
mkdir $_ or die "$_: $!" for $exports, "$exports/hr";
my $readme = slurp_file('README.md');

sub section
{
	my ($heading) = @_;
	my ($section) = $readme =~ /^## \Q$heading\E\n(.*?)(?=^## |\z)/ms or die "no \"$heading\" in README";
	return $section;
}

sub blocks
{
	my ($heading, $language) = @_;
	my @blocks = section($heading) =~ /^```\Q$language\E\n(.*?)^```/gms or die "nothing in $language under \"$heading\"";
	return @blocks;
}

# What psql prints, as somebody at a terminal reads it.
sub psql
{
	my ($database, $statements) = @_;
	my $printed;
	local $ENV{PGDATABASE} = $database;
	local $ENV{PGHOST} = $node->host;
	local $ENV{PGPORT} = $node->port;
	my $ok = IPC::Run::run([ 'psql', '-X', '-v', 'ON_ERROR_STOP=1' ], '<', \($statements =~ s/\/srv\/exports/$exports/gr), '>&', \$printed);
	ok($ok, 'runs: ' . (split /\n/, $statements)[0]) or diag($printed);
	return $printed;
}

# A block as pairs of a statement and the lines under it.
sub steps
{
	my ($block) = @_;
	my @steps;
	while ($block =~ /\G\s*((?:CREATE|SELECT|CALL) .*?;)[^\n;]*\n(.*?)(?=^(?:CREATE|SELECT|CALL) |\z)/gms)
	{
		push @steps, [ $1, $2 ];
	}
	return @steps;
}

my $batch = qr/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/;

sub plain
{
	my ($printed) = @_;
	$printed =~ s/$batch/<batch>/g;
	$printed =~ s/[ ]+$//gm;
	$printed =~ s/^CALL\n//gm;
	return $printed =~ s/^\n+|\n+\z//gr;
}

sub export_persons
{
	my ($content) = @_;
	open my $file, '>', "$exports/hr/persons.csv" or die;
	print $file $content;
	close $file;
}

# ---------- the quick start ----------

$node->safe_psql('postgres', 'CREATE DATABASE start');
my ($first_export) = section('Quick start') =~ /^```\n(employee_id.*?)^```/ms or die 'no file in the quick start';
my ($setup, @runs) = blocks('Quick start', 'sql');
export_persons($first_export);
psql('start', $setup);
for my $step (map { steps($_) } @runs)
{
	my ($statement, $expected) = @$step;
	# "The next export has moved Bruno and lost Li."
	export_persons($first_export =~ s/Logistics/Sales/r =~ s/^1003.*\n//gmr =~ s/^,Nobody.*\n//mr) if $statement =~ /'complete'/;
	$statement =~ s/$batch/$node->safe_psql('start', "SELECT batch FROM syncup.batch WHERE status = 'blocked'")/e;
	is(plain(psql('start', $statement)), plain($expected), 'and prints what README shows');
}

# ---------- from unknown exports to a guarded schedule ----------

for my $file (glob 'test/data/demo/1-first/AD_*.csv')
{
	my ($name) = $file =~ m{([^/]+)\z};
	open my $out, '>', "$exports/$name" or die;
	print $out slurp_file($file);
	close $out;
}
$node->safe_psql('postgres', 'CREATE DATABASE unknown');
my $scratch = PostgreSQL::Test::Utils::tempdir;
my ($statements) = blocks('From unknown exports to a guarded schedule', 'sql');
$statements =~ s/setup\.sql/$scratch\/setup.sql/g;
my $printed = psql('unknown', $statements);
like($printed, qr/^ applied +\| +[1-9]/m, 'the first load is applied');
like($printed, qr/^ $_ +\| .*(?:\n +\| .*)*syncup_run_job\('$_'\)/m, "job $_ is made, and scheduled, or told how") for 'complete', 'incremental';
unlike($printed, qr/^ error |no index begins|extra argument/m, 'the doctor finds nothing that fails, and no index missing');
is($node->safe_psql('unknown', q{SELECT (SELECT count(*) FROM ad_users) + (SELECT count(*) FROM syncup.quarantine WHERE mapping = 'ad_users')}), scalar(grep { /\S/ } split /\n/, slurp_file("$exports/AD_users.csv")) - 1, 'every row of a file is there, or set aside');

# ---------- every day ----------

my @every_day = blocks('Every day', 'sql');
psql('unknown', "$every_day[0]\\t on\n\\pset format unaligned\nCALL syncup_run_job('AD_complete');\n");
like(psql('unknown', $every_day[1]), qr/\(0 rows\).*AD_complete.*success/s, 'all is well in the morning');

$node->stop;
done_testing();
