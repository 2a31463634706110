# Updating the extension gives what a fresh installation gives: every catalog entry
# of ours is compared, from CREATE EXTENSION of this version and from that of each
# former one followed by ALTER EXTENSION UPDATE.
#
# A release puts its install script into test/released/syncup--VERSION.sql, and the
# next one its way from there into sql/updates/syncup--VERSION--NEXT.sql: it is then
# tested here, and missing if it is not there. That the comparison sees what an
# update forgets is shown by a version made up below.
use strict;
use warnings;
use Cwd ();
use File::Basename ();
use File::Path ();
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('update');
$node->init;
$node->start;

# The server looks for scripts in a folder of the test's own.
my $share = $node->config_data('--sharedir');
my $folder = PostgreSQL::Test::Utils::tempdir;
my ($setting) = split /\n/, $node->safe_psql('postgres', "SELECT name FROM pg_settings WHERE name IN ('extension_destdir', 'extension_control_path') ORDER BY name DESC");
plan skip_all => 'this server finds extensions in one folder only' if !$setting;
my $value = $node->safe_psql('postgres', "SHOW $setting");
my $found = $setting eq 'extension_destdir' ? "$value$share/extension"
  : (grep { -e "$_/syncup.control" } map { s/^\$system$/$share/r . '/extension' } split /:/, $value)[0];
my $scripts = $setting eq 'extension_destdir' ? "$folder$share/extension" : "$folder/extension";
File::Path::make_path($scripts);
system_or_bail('sh', '-c', "cp '$found'/syncup.control '$found'/syncup--*.sql '$scripts'");
if ($setting eq 'extension_destdir')
{
	# which is where it looks for libraries, too
	my $libraries = $node->config_data('--pkglibdir');
	File::Path::make_path("$folder$libraries");
	symlink "$value$libraries/syncup.so", "$folder$libraries/syncup.so" or die "syncup.so: $!";
}
$node->append_conf('postgresql.conf', "$setting = '$folder" . ($setting eq 'extension_destdir' ? '' : ':$system') . "'\n");
$node->restart;
my ($version) = slurp_file("$scripts/syncup.control") =~ /^default_version = '(.*)'/m;
my $released = "$FindBin::RealBin/../released";

# Every object that depends on the extension, with all that the catalogs say of it.
# Columns go by their order, not their number; what has an OID in its name goes
# without it.
my $catalogs = <<'SQL';
SET search_path = pg_catalog;
CREATE TEMP TABLE member AS
WITH RECURSIVE members AS (
	SELECT d.classid, d.objid, d.objsubid, true AS direct FROM pg_depend d JOIN pg_extension e ON e.oid = d.refobjid
	WHERE d.refclassid = 'pg_extension'::regclass AND e.extname = 'syncup' AND d.deptype = 'e'
	UNION
	SELECT d.classid, d.objid, d.objsubid, false FROM members m JOIN pg_depend d ON d.refclassid = m.classid AND d.refobjid = m.objid AND d.deptype IN ('a', 'i')
)
SELECT classid, objid, objsubid, bool_or(direct) AS direct,
	regexp_replace(pg_describe_object(classid, objid, objsubid), '(RI_ConstraintTrigger_._|pg_toast_)\d+', '\1N') AS object
FROM members GROUP BY 1, 2, 3;

SELECT 'object', object, direct::text FROM member
UNION ALL
SELECT 'comment', object, d.objsubid || ' ' || d.description FROM member m JOIN pg_description d ON d.classoid = m.classid AND d.objoid = m.objid
UNION ALL
SELECT 'initial privileges', object, i.objsubid || ' ' || i.privtype::text || ' ' || (SELECT string_agg(a::text, ' ' ORDER BY a::text) FROM unnest(i.initprivs) a) FROM member m JOIN pg_init_privs i ON i.classoid = m.classid AND i.objoid = m.objid
UNION ALL
SELECT 'schema', object, concat_ws(' ', nspowner::regrole, nspacl) FROM member JOIN pg_namespace n ON classid = 'pg_namespace'::regclass AND n.oid = objid
UNION ALL
SELECT 'routine', object, concat_ws(' ', proowner::regrole, proacl, procost, prorows, prosupport, CASE WHEN prokind = 'a' THEN (SELECT a::text FROM pg_aggregate a WHERE a.aggfnoid = p.oid) ELSE pg_get_functiondef(p.oid) END) FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND p.oid = objid
UNION ALL
SELECT 'relation', object, concat_ws(' ', relkind, relowner::regrole, relacl, relpersistence, relrowsecurity, relreplident, reloptions, CASE relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'i' THEN regexp_replace(pg_get_indexdef(c.oid), 'pg_toast_\d+', 'pg_toast_N', 'g') END)
	FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid AND objsubid = 0
UNION ALL
SELECT 'column', object || '.' || attname, concat_ws(' ', rank() OVER (PARTITION BY attrelid ORDER BY attnum), format_type(atttypid, atttypmod), attnotnull, attcollation::regcollation, attidentity, attgenerated, attstorage, attcompression, attstattarget, attacl, pg_get_expr(adbin, adrelid))
	FROM member JOIN pg_class c ON classid = 'pg_class'::regclass AND c.oid = objid AND objsubid = 0
	JOIN pg_attribute ON attrelid = c.oid AND attnum > 0 AND NOT attisdropped LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
	WHERE relkind IN ('r', 'v', 'c')
UNION ALL
SELECT 'constraint', object, concat_ws(' ', pg_get_constraintdef(k.oid), convalidated, condeferrable) FROM member JOIN pg_constraint k ON classid = 'pg_constraint'::regclass AND k.oid = objid
UNION ALL
SELECT 'trigger', object, concat_ws(' ', tgenabled, regexp_replace(pg_get_triggerdef(t.oid), 'RI_ConstraintTrigger_._\d+', '')) FROM member JOIN pg_trigger t ON classid = 'pg_trigger'::regclass AND t.oid = objid
UNION ALL
SELECT 'sequence', object, concat_ws(' ', seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle) FROM member JOIN pg_sequence ON classid = 'pg_class'::regclass AND seqrelid = objid
UNION ALL
SELECT 'dumped', unnest(extconfig)::regclass::text, unnest(extcondition) FROM pg_extension WHERE extname = 'syncup'
UNION ALL
SELECT 'extension', extname, concat_ws(' ', extversion, extrelocatable, extowner::regrole, extnamespace::regnamespace) FROM pg_extension WHERE extname = 'syncup'
UNION ALL
SELECT 'limit', name, l::text FROM syncup.threshold_limit l
UNION ALL
SELECT 'step', kind, k::text FROM syncup.step_kind k
UNION ALL
SELECT 'step', job || ' ' || kind, r::text FROM syncup.reference_step r
ORDER BY 1, 2, 3
SQL

my $fresh = installed($version);
cmp_ok(scalar keys %$fresh, '>', 500, 'there is something to compare');
foreach my $what (qw(object comment routine relation column constraint sequence dumped extension limit step))
{
	ok((grep { /^\Q$what\E\|/ } keys %$fresh), "a $what is compared");
}

# ---------- released versions ----------

foreach my $script (glob "$released/syncup--*.sql")
{
	my ($former) = $script =~ /syncup--(.*)\.sql$/;
	next if $former eq $version;
	system_or_bail('cp', $script, $scripts);
	same(difference($former), "update from $former");
}

# ---------- what users have made ----------

# The update from the first version, which makes a function and a view anew besides:
# privileges on them are kept by name, and stay the users' own.
my $first = '0.1.0';
my $assembled = slurp_file("$scripts/syncup--$first--$version.sql");
my $drops = "DROP ROUTINE syncup_csv_header;\nDROP VIEW syncup.progress;\n";
my $remembered = slurp_file("$FindBin::RealBin/../../sql/updates/before");
(my $dropping = $assembled) =~ s/^\Q$remembered\E/$remembered$drops/m or die 'the update does not begin as it should';
replace_update($dropping);
$node->safe_psql('postgres', 'CREATE ROLE operator');
$node->safe_psql('postgres', 'CREATE DATABASE used');
$node->safe_psql('used', <<"SQL");
CREATE EXTENSION syncup VERSION '$first';
GRANT EXECUTE ON ROUTINE syncup_csv_header TO operator WITH GRANT OPTION;
GRANT EXECUTE ON ROUTINE syncup_report TO operator;
GRANT SELECT ON syncup.progress, syncup.status, syncup.batch TO operator;
GRANT SELECT (connector) ON syncup.connector TO operator;
GRANT SELECT (pid) ON syncup.progress TO operator;
CREATE VIEW watched AS SELECT * FROM syncup.status;
CREATE VIEW limits AS SELECT * FROM syncup.progress;
INSERT INTO syncup.connector (connector, directory) VALUES ('HR', '$folder');
SQL

my ($code, undef, $stderr) = $node->psql('used', "ALTER EXTENSION syncup UPDATE TO '$version'");
isnt($code, 0, 'an update that would drop what a user made stops');
like($stderr, qr/view limits depends on view syncup\.progress/, 'and names it');
is($node->safe_psql('used', "SELECT extversion FROM pg_extension WHERE extname = 'syncup'"), $first, 'nothing has changed then');

my $privileges = <<'SQL';
SELECT pg_catalog.has_function_privilege('operator', p.oid, 'EXECUTE WITH GRANT OPTION') || ' ' || p.proname FROM pg_proc p WHERE p.proname = 'syncup_csv_header'
UNION
SELECT p.proname FROM pg_proc p, aclexplode(p.proacl) x WHERE x.grantee = 'operator'::regrole
UNION
SELECT c.relname FROM pg_class c, aclexplode(c.relacl) x WHERE x.grantee = 'operator'::regrole
UNION
SELECT c.relname || '.' || a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid, aclexplode(a.attacl) x WHERE x.grantee = 'operator'::regrole
ORDER BY 1
SQL
my $granted = $node->safe_psql('used', $privileges);
$node->safe_psql('used', "DROP VIEW limits; ALTER EXTENSION syncup UPDATE TO '$version'");
is($node->safe_psql('used', $privileges), $granted, 'privileges are kept, also of what was made anew');
is($node->safe_psql('used', "SELECT has_function_privilege('operator', 'syncup_report(text,text,jsonb)', 'EXECUTE'), has_function_privilege('operator', 'syncup_resume(text,boolean)', 'EXECUTE')"),
	't|f', 'a new form of a function is for whom the function was');
is($node->safe_psql('used', "SELECT count(*) FROM pg_init_privs i, aclexplode(i.initprivs) x WHERE x.grantee = 'operator'::regrole"), '0', 'they are dumped as the users\'');
is($node->safe_psql('used', 'SELECT connector FROM watched'), 'HR', 'a view of a user goes on');
is($node->safe_psql('used', "SELECT count(*) FROM pg_class WHERE relname LIKE 'syncup\\_%'"), '0', 'nothing is left behind');
$node->safe_psql('used', 'DROP EXTENSION syncup CASCADE; DROP OWNED BY operator');
$node->safe_psql('postgres', 'DROP DATABASE used');
$node->safe_psql('postgres', 'DROP ROLE operator');
replace_update($assembled);

# ---------- a version made up ----------

# Its install script is today's without some things, and its update adds them.
my $today = slurp_file("$scripts/syncup--$version.sql");
my @added = (
	drop_of(qr/^CREATE FUNCTION syncup_purge\(.*?;\n(?:COMMENT ON FUNCTION syncup_purge.*?;\n)/ms),
	drop_of(qr/^COMMENT ON COLUMN syncup\.batch\.reason.*?;\n|^COMMENT ON COLUMN syncup\.batch\.error.*?;\n/m));
my $update = join '', @added, "REVOKE ALL ON FUNCTION syncup_purge(interval) FROM PUBLIC;\n", <<'SQL';
ALTER TABLE syncup.batch_counter ALTER deletions_suspended SET DEFAULT false;
ALTER TABLE syncup.association ADD CHECK (side IN (1, 2));
SELECT pg_catalog.pg_extension_config_dump('syncup.orphan', '');
UPDATE syncup.threshold_limit SET connector_default = 100 WHERE name = 'maximum_inserted_lines';
SQL
change(qr/deletions_suspended boolean NOT NULL DEFAULT false/, 'deletions_suspended boolean NOT NULL');
change(qr/side int NOT NULL CHECK \(side IN \(1, 2\)\)/, 'side int NOT NULL');
change(qr/^SELECT pg_catalog\.pg_extension_config_dump\('syncup\.orphan', ''\);\n/m, '');
change(qr/(\('maximum_inserted_lines', [^)]*) 100\)/, '$1 99)');
append_to_file("$scripts/syncup--0.0.0.sql", $today);

same(try_update($update), 'an update that forgets nothing');

# What it forgets is named.
my %forgets = (
	'a function' => [ qr/^CREATE FUNCTION syncup_purge.*?;\nCOMMENT.*?;\n|^REVOKE.*?;\n/ms, qr/object\|function public\.syncup_purge/ ],
	'a comment' => [ qr/^COMMENT ON COLUMN.*?;\n/m, qr/comment\|table syncup\.batch/ ],
	'to revoke' => [ qr/^REVOKE.*?;\n/m, qr/routine\|function public\.syncup_purge/ ],
	'a default' => [ qr/^ALTER TABLE syncup\.batch_counter.*?;\n/m, qr/column\|table syncup\.batch_counter\.deletions_suspended/ ],
	'a constraint' => [ qr/^ALTER TABLE syncup\.association.*?;\n/m, qr/constraint\|constraint association_side_check/ ],
	'that a table is dumped' => [ qr/^SELECT .*config_dump.*?;\n/m, qr/dumped\|syncup\.orphan/ ],
	'a row' => [ qr/^UPDATE.*?;\n/m, qr/limit\|maximum_inserted_lines/ ]);
foreach my $what (sort keys %forgets)
{
	my ($pattern, $named) = @{ $forgets{$what} };
	(my $less = $update) =~ s/$pattern//g;
	isnt($less, $update, "an update without $what") or next;
	like(try_update($less), $named, "$what is missed");
}

$node->stop;
done_testing();

# ---------- tools ----------

# Takes text out of today's script, and gives it.
sub drop_of
{
	my ($pattern) = @_;
	my $dropped = join '', $today =~ /($pattern)/g;
	$today =~ s/$pattern//g or die "today's script has no $pattern";
	return $dropped;
}

sub change
{
	my ($pattern, $by) = @_;
	my $changed = $today =~ s/$pattern/my ($one) = $1; $by =~ s{\$1}{$one}r/e;
	die "today's script has no $pattern" if !$changed;
	return;
}

# The catalogs of a version, as it is installed or after an update.
sub installed
{
	my ($from) = @_;
	$node->safe_psql('postgres', 'CREATE DATABASE compared');
	$node->safe_psql('compared', "CREATE EXTENSION syncup VERSION '$from'");
	$node->safe_psql('compared', "ALTER EXTENSION syncup UPDATE TO '$version'") if $from ne $version;
	my $rows = $node->safe_psql('compared', "\\pset recordsep '\\x1e'\n$catalogs");
	$node->safe_psql('postgres', 'DROP DATABASE compared');
	my %rows;
	$rows{$_}++ foreach split /\x1e/, $rows;
	return \%rows;
}

# What an update from a version gives that is not fresh, and the other way round.
sub difference
{
	my ($from) = @_;
	my $updated = installed($from);
	return join "\n", sort((map { "missing: $_" } grep { ($updated->{$_} // 0) < $fresh->{$_} } keys %$fresh),
		(map { "left: $_" } grep { ($fresh->{$_} // 0) < $updated->{$_} } keys %$updated));
}

# Another script for the update from the first version.
sub replace_update
{
	my ($sql) = @_;
	unlink "$scripts/syncup--$first--$version.sql";
	append_to_file("$scripts/syncup--$first--$version.sql", $sql);
	return;
}

sub try_update
{
	my ($sql) = @_;
	my $file = "$scripts/syncup--0.0.0--$version.sql";
	unlink $file;
	append_to_file($file, $sql);
	return difference('0.0.0');
}

sub same
{
	my ($difference, $name) = @_;
	is($difference, '', $name);
	return;
}
