# The recipes of docs/sources.md that need a server or a program beside PostgreSQL: a
# MariaDB of its own, through mysql_fdw; a spreadsheet, through file_fdw and xlsx2csv; a
# materialized view over them that a step "export" refreshes. What is not there is
# passed over, and said.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(sleep);

my $node = PostgreSQL::Test::Cluster->new('foreign');
$node->init;
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir_short;
sub query { return $node->safe_psql('postgres', $_[0]) }

# What a run of a connector leaves in its target.
sub run_of
{
	my ($connector, $target) = @_;
	$node->safe_psql('postgres', "CALL syncup_run('$connector', 'complete', force => true)");
	return query("SELECT string_agg(t::text, ' ' ORDER BY t.id) FROM $target t");
}

# A program, also where only root's path has it.
sub program
{
	my ($found) = grep { -x "$_/$_[0]" } split(/:/, $ENV{PATH}), '/usr/sbin';
	return $found ? "$found/$_[0]" : undef;
}

query('CREATE EXTENSION syncup');
my ($recipes) = slurp_file('docs/sources.md') =~ /^## Recipes\n(.*)/ms;

# ---------- a spreadsheet ----------

# Two sheets: texts, a number, and a date as spreadsheets have them, days since 1900 with
# a format that says so.
my $make_xlsx = <<'PYTHON';
import sys, zipfile
rows = [["id", "name", "begins"], [1, "Ada, née \"L\"", int(sys.argv[2])], [2, "Bob", 45000]]
def cell(r, c, v):
    ref = "%s%d" % ("ABC"[c], r + 1)
    if isinstance(v, str):
        v = v.replace("&", "&amp;").replace("<", "&lt;")
        return '<c r="%s" t="inlineStr"><is><t>%s</t></is></c>' % (ref, v)
    return '<c r="%s"%s><v>%d</v></c>' % (ref, ' s="1"' if c == 2 else '', v)
sheet = "".join('<row r="%d">%s</row>' % (r + 1, "".join(cell(r, c, v) for c, v in enumerate(row))) for r, row in enumerate(rows))
ns = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
head = '<?xml version="1.0" encoding="UTF-8"?>\n'
rel = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
with zipfile.ZipFile(sys.argv[1], "w") as z:
    z.writestr("[Content_Types].xml", head + '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/></Types>')
    z.writestr("_rels/.rels", head + '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="%s/officeDocument" Target="xl/workbook.xml"/></Relationships>' % rel)
    z.writestr("xl/_rels/workbook.xml.rels", head + '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="r1" Type="%s/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Type="%s/styles" Target="styles.xml"/></Relationships>' % (rel, rel))
    z.writestr("xl/workbook.xml", head + '<workbook %s xmlns:r="%s"><sheets><sheet name="staff" sheetId="1" r:id="r1"/></sheets></workbook>' % (ns, rel))
    z.writestr("xl/styles.xml", head + '<styleSheet %s><fonts count="1"><font/></fonts><fills count="1"><fill/></fills><borders count="1"><border/></borders><cellStyleXfs count="1"><xf/></cellStyleXfs><cellXfs count="2"><xf numFmtId="0"/><xf numFmtId="14" applyNumberFormat="1"/></cellXfs></styleSheet>' % ns)
    z.writestr("xl/worksheets/sheet1.xml", head + '<worksheet %s><sheetData>%s</sheetData></worksheet>' % (ns, sheet))
PYTHON

SKIP:
{
	skip 'xlsx2csv is not there', 4 unless program('xlsx2csv') && program('python3');
	my $write = sub { IPC::Run::run([ 'python3', '-', "$dir/roster.xlsx", $_[0] ], '<', \$make_xlsx) or die };
	$write->(44927);
	my ($statement) = $recipes =~ /^(CREATE FOREIGN TABLE roster .*?;)$/ms or die 'no recipe of a spreadsheet';
	$statement =~ s{/srv/exports}{$dir} or die;
	query('CREATE EXTENSION file_fdw; CREATE SERVER programs FOREIGN DATA WRAPPER file_fdw');
	query($statement);
	query(<<'SQL');
CREATE TABLE staff (id int PRIMARY KEY, name text, begins date);
SELECT syncup_create_connector('X');
SELECT syncup_map_entity_type('X', 'staff', 'staff', NULL, 'id', options => '{"source": "public.roster"}');
SQL
	is(run_of('X', 'staff'), '(1,"Ada, née ""L""",2023-01-01) (2,Bob,2023-03-15)', 'a spreadsheet, with its dates');
	$write->(44928);
	is(run_of('X', 'staff'), '(1,"Ada, née ""L""",2023-01-02) (2,Bob,2023-03-15)', 'another version');
	is(query("SELECT updated FROM syncup.batch_counter JOIN syncup.batch USING (batch) ORDER BY seq DESC LIMIT 1"), '1', 'one row of it changed');
	append_to_file("$dir/broken.xlsx", 'no spreadsheet');
	rename "$dir/broken.xlsx", "$dir/roster.xlsx";
	my (undef, undef, $stderr) = $node->psql('postgres', "CALL syncup_run('X', 'complete')");
	like($stderr, qr/program ".*xlsx2csv.*" failed\n(.*\n)*.*connector "X", mapping "staff"/, 'one that cannot be read changes nothing');
}

# ---------- MariaDB ----------

my $server;
END { $server->kill_kill if $server; }

my $mariadb = program('mariadbd');
my $installer = program('mariadb-install-db');
my $has_fdw = query(q{SELECT count(*) FROM pg_available_extensions WHERE name = 'mysql_fdw'});
SKIP:
{
	skip 'MariaDB or mysql_fdw is not there', 7 unless $mariadb && $installer && $has_fdw;
	my $data = "$dir/maria";
	my $socket = "$dir/maria.sock";
	my $log = "$dir/maria.log";
	system("$installer --no-defaults --datadir=$data --auth-root-authentication-method=normal --skip-test-db >$log 2>&1") == 0 or die slurp_file($log);
	$server = IPC::Run::start([ $mariadb, '--no-defaults', "--datadir=$data", "--socket=$socket", '--skip-networking', "--pid-file=$dir/maria.pid",
		'--innodb-buffer-pool-size=8M', '--innodb-flush-log-at-trx-commit=0' ], '>>', $log, '2>>', $log);
	my $maria = sub {
		my ($sql, $out, $err) = @_;
		IPC::Run::run([ 'mariadb', '--no-defaults', "--socket=$socket", '-u', 'root' ], '<', \$sql, '>', \$out, '2>', \$err) or die $err;
	};
	for (1 .. 300)
	{
		last if -S $socket && eval { $maria->('SELECT 1'); 1 };
		sleep 0.1;
	}
	$maria->(<<'SQL');
CREATE DATABASE hr CHARACTER SET utf8mb4;
CREATE TABLE hr.staff (id INT PRIMARY KEY, name VARCHAR(50), salary DECIMAL(10,2), hired DATE, seen DATETIME, active TINYINT(1));
INSERT INTO hr.staff VALUES (1, 'Ada, née "L"', 1234.50, '2001-02-03', '2026-01-02 03:04:05', 1), (2, 'Bob\n', NULL, NULL, NULL, 0);
CREATE USER reader@localhost IDENTIFIED BY 'secret';
GRANT SELECT ON hr.* TO reader@localhost;
SQL
	my ($recipe) = $recipes =~ /^(CREATE EXTENSION mysql_fdw;.*?)^```/ms or die 'no recipe of MySQL';
	# mysql_fdw takes the path of a socket for a host of that name only by an option of its own
	$recipe =~ s/host 'erp.example.org', port '3306'/host 'localhost'/ or die;
	$recipe =~ s/password '…'/password 'secret'/ or die;
	$recipe =~ s/FOR sync /FOR CURRENT_USER /;
	$node->stop;
	$ENV{MYSQL_UNIX_PORT} = $socket;
	$node->start;
	query($recipe);
	query(<<'SQL');
CREATE TABLE person (id int PRIMARY KEY, name text, salary numeric, hired date, seen timestamptz, active boolean);
SELECT syncup_create_connector('M');
SELECT syncup_map_entity_type('M', 'person', 'person', NULL, 'id', options => '{"source": "public.maria_staff"}');
SQL
	my $first = q{(1,"Ada, née ""L""",1234.50,2001-02-03,"2026-01-02 03:04:05+00",t) (2,"Bob} . "\n" . q{",,,,f)};
	query(q{ALTER DATABASE postgres SET timezone = 'UTC'});
	is(run_of('M', 'person'), $first, 'a table of MariaDB');
	$maria->("UPDATE hr.staff SET salary = 2 WHERE id = 2; INSERT INTO hr.staff (id, name) VALUES (3, 'Cy')");
	is(run_of('M', 'person'), $first =~ s/",,,,f\)/",2.00,,,f)/r . ' (3,Cy,,,,)', 'what changed there');
	is(query("SELECT inserted, updated, deleted FROM syncup.batch_counter JOIN syncup.batch USING (batch) ORDER BY seq DESC LIMIT 1"), '1|1|0', 'and nothing else');
	# a view over it that a step refreshes
	my ($view) = $recipes =~ /^(CREATE MATERIALIZED VIEW .*?)^```/ms or die 'no recipe of a materialized view';
	query($view =~ s/erp_staff/maria_staff/gr);
	query(<<'SQL');
CREATE TABLE kept (id int PRIMARY KEY, name text);
SELECT syncup_create_connector('V');
SELECT syncup_map_entity_type('V', 'kept', 'kept', NULL, 'id', options => '{"source": "public.maria_staff_kept"}');
SELECT syncup_set_thresholds('V', '{"max_percentage_inserted_lines": 0}');
SELECT syncup_create_jobs('V');
SQL
	my ($step) = $recipes =~ /^(SELECT syncup_add_step\(.*?;)$/ms or die 'no recipe of a step';
	query($step =~ s/erp_staff/maria_staff/r =~ s/'ERP/'V/gr);
	$maria->("INSERT INTO hr.staff (id, name) VALUES (4, 'Dee')");
	query(q{CALL syncup_run_job('V_complete')});
	is(query('SELECT string_agg(id::text, $$ $$ ORDER BY id) FROM kept'), '1 2 3 4', 'a materialized view, refreshed before it is read');
	is(query(q{SELECT string_agg(step || ' ' || state, ', ' ORDER BY ordinal) FROM syncup.job_step_run}), 'refresh ERP success, prepare V success, synchronize V success, maintain success', 'by a step');
	# a server that is gone is no empty table
	$server->kill_kill;
	undef $server;
	my (undef, undef, $stderr) = $node->psql('postgres', "CALL syncup_run('M', 'complete')");
	like($stderr, qr/failed to connect to MySQL.*\n(.*\n)*.*connector "M", mapping "person"/, 'a server that is gone fails the run');
	is(query('SELECT count(*) FROM person'), '3', 'and nobody is deleted');
}

$node->stop;
done_testing();
