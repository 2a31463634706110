# The loop closed on a real directory: people come from a CSV file of HR, rules say who
# has which account, orders are carried out in an empty OpenLDAP directory, which is
# read back and verifies them. Then what happens in a year: a marriage, a move, a
# leaver, a rehire, somebody's hand in the directory, a directory that is down.
# What ldapsearch prints is compared with what it should be, step by step.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Slapd;
use Test::More;

plan skip_all => 'slapd and ldap-utils are not installed' unless Slapd::is_here();

my $node = PostgreSQL::Test::Cluster->new('loop');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\n");
$node->start;
sub sql { return $node->safe_psql('postgres', "SET client_min_messages = warning;\n$_[0]") }
sql('CREATE EXTENSION syncup');
plan skip_all => 'built without libldap' if ($node->psql('postgres', q(SELECT * FROM syncup_read_ldap('x', '') AS (dn text))))[2] =~ /without libldap/;

my $base = $Slapd::base;
my $directory = Slapd->new(global => "moduleload refint\n", conf => "overlay refint\nrefint_attributes member manager\nrefint_nothing cn=nobody\n");
$directory->start;
$directory->create_server($node, 'dir');
my $folder = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $folder;

# groups are the directory's own; a leavers' unit waits
$directory->change("dn: ou=leavers,$base\nobjectClass: organizationalUnit\nou: leavers\n\n"
	. join '', map { "dn: cn=$_,ou=groups,$base\nobjectClass: groupOfNames\ncn: $_\nmember: cn=nobody\n\n" } 'sales', 'lab', 'all');

my %hr = (1 => [ 'Ada', 'Abbott', 'sales', '' ], 2 => [ 'Bo', 'Bell', 'sales', 1 ], 3 => [ 'Cy', 'Cole', 'lab', 1 ], 4 => [ 'Di', 'Dean', 'lab', 3 ]);
my %gone;
sub write_hr
{
	open my $file, '>', "$folder/hr.csv" or die $!;
	print $file "id,first,last,dept,boss,gone\n", map { my @v = map { s/"/""/gr } @{ $hr{$_} }; join(',', $_, "\"$v[0]\"", @v[1 .. 3], $gone{$_} ? 'yes' : 'no') . "\n" } sort keys %hr;
	close $file;
}
write_hr();

sql(<<SQL);
CREATE TABLE person (id int PRIMARY KEY, first text, last text, dept text, boss int, gone boolean);
CREATE TABLE ad_account (uid text PRIMARY KEY, dn text UNIQUE, cn text, sn text, ou text, employee text, manager text);
CREATE TABLE ad_group (cn text PRIMARY KEY, dn text UNIQUE);
CREATE TABLE ad_member (grp text, account text, PRIMARY KEY (grp, account));
CREATE INDEX ON ad_member (account);
SELECT syncup_create_connector('HR', '$folder');
SELECT syncup_map_entity_type('HR', 'person', 'person', 'hr.csv', 'id', '{"id": "id", "first": "first", "last": "last", "dept": "dept", "gone": "gone"}');
SELECT syncup_map_association('HR', 'boss', 'hr.csv', 'id', 'person.id', 'boss', 'person.id', 'person', target_column2 => 'boss');
CREATE VIEW ad_accounts_read AS SELECT * FROM syncup_read_ldap('dir', 'ou=people,$base', '(objectClass=inetOrgPerson)') AS (uid text, dn text, cn text, sn text, ou text, "employeeNumber" text, manager text);
CREATE VIEW ad_groups_read AS SELECT * FROM syncup_read_ldap('dir', 'ou=groups,$base', '(objectClass=groupOfNames)') AS (cn text, dn text, member text[]);
CREATE VIEW ad_members_read AS SELECT cn, m AS member FROM ad_groups_read, unnest(member) m;
SELECT syncup_create_connector('AD');
SELECT syncup_map_entity_type('AD', 'account', 'ad_account', NULL, 'uid', '{"uid": "uid", "dn": "dn", "cn": "cn", "sn": "sn", "ou": "ou", "employeeNumber": "employee"}', '{dn}', '{"source": "public.ad_accounts_read"}');
SELECT syncup_map_entity_type('AD', 'grp', 'ad_group', NULL, 'cn', '{"cn": "cn", "dn": "dn"}', options => '{"source": "public.ad_groups_read"}');
SELECT syncup_map_association('AD', 'member', NULL, 'cn', 'grp.cn', 'member', 'account.dn', 'ad_member', 'grp', 'account', '{"source": "public.ad_members_read", "match2": "dn"}');
SELECT syncup_map_association('AD', 'manager', NULL, 'uid', 'account.uid', 'manager', 'account.dn', 'ad_account', target_column2 => 'manager', options => '{"source": "public.ad_accounts_read", "match2": "dn"}');
SELECT syncup_set_thresholds(c, '{"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0, "max_link_percentage_inserted_lines": 0, "max_link_percentage_updated_lines": 0, "max_link_percentage_deleted_lines": 0}')
FROM unnest('{HR,AD}'::text[]) c;

SELECT syncup_create_resource_type('AD', 'person', 'ad_account', '{"review": false, "limits": {"max_percentage_updated_lines": 0},
	"fulfill": {"kind": "ldap", "server": "dir", "object_class": ["inetOrgPerson"], "attributes": {"employee": "employeeNumber"}, "move_to": "ou=leavers,$base", "retry_delay": "0", "timeout": "5 s",
		"links": {"member": {"attribute": "member", "on": "resource"}, "manager": {"attribute": "manager"}}}}');
SELECT syncup_define_correlation('AD', 'o.id::text', 'a.employee');
SELECT syncup_define_type_rule('AD', 'NOT o.gone');
SELECT syncup_define_scalar_rule('AD', 'uid', \$q\$lower(o.first) || o.id\$q\$, '{"mapped": false}');
SELECT syncup_define_scalar_rule('AD', 'dn', \$q\$'cn=' || syncup_format(o.first || ' ' || o.last, 'dn') || ',ou=people,$base'\$q\$);
SELECT syncup_define_scalar_rule('AD', 'cn', \$q\$o.first || ' ' || o.last\$q\$);
SELECT syncup_define_scalar_rule('AD', 'sn', 'o.last');
SELECT syncup_define_scalar_rule('AD', 'ou', 'o.dept');
SELECT syncup_define_scalar_rule('AD', 'employee', 'o.id::text');
SELECT syncup_define_navigation_rule('AD', 'member', 'SELECT g.cn FROM public.ad_group g WHERE g.cn IN (o.dept, ''all'')');
SELECT syncup_define_navigation_rule('AD', 'manager', 'SELECT a.uid FROM public.ad_account a WHERE a.employee = o.boss::text');
SELECT * FROM syncup_create_jobs();
SQL

# ---------- what the directory says, and should ----------

sub directory_says
{
	my ($unit) = @_;
	my %entry;
	my $dn = '';
	for my $line (split /\n/, $directory->search('-b', "ou=$unit,$base", '(objectClass=inetOrgPerson)', 'uid', 'sn', 'ou', 'employeeNumber', 'manager'))
	{
		if ($line =~ /^dn: (.*)/) { $dn = $1; next }
		push @{ $entry{$dn}{$1} }, $2 if $line =~ /^(\w+): (.*)/;
	}
	my $text = '';
	for my $d (sort keys %entry)
	{
		my ($name) = $d =~ /^cn=([^,]*)/;
		my $boss = ($entry{$d}{manager} // [''])->[0] =~ s/,.*//r =~ s/^cn=//r;
		$text .= "$name $entry{$d}{uid}[0] $entry{$d}{ou}[0] $boss\n";
	}
	return $text;
}

sub groups_say
{
	my ($group, %members) = ('');
	for my $line (split /\n/, $directory->search('-b', "ou=groups,$base", '(objectClass=groupOfNames)', 'member'))
	{
		$group = $1 if $line =~ /^dn: cn=([^,]*)/;
		push @{ $members{$group} }, $1 if $line =~ /^member: cn=([^,]*),ou/;
	}
	return join '', map { "$_: " . join(', ', sort @{ $members{$_} // [] }) . "\n" } sort keys %members;
}

sub should_be
{
	my %name = map { $_ => "$hr{$_}[0] $hr{$_}[1]" } grep { !$gone{$_} } keys %hr;
	return join '', sort map { "$name{$_} " . lc($hr{$_}[0]) . "$_ $hr{$_}[2] " . ($hr{$_}[3] ne '' && $name{ $hr{$_}[3] } || '') . "\n" } sort keys %name;
}

sub groups_should
{
	my %members;
	for my $id (grep { !$gone{$_} } keys %hr) { push @{ $members{$_} }, "$hr{$id}[0] $hr{$id}[1]" for $hr{$id}[2], 'all' }
	return join '', map { "$_: " . join(', ', sort @{ $members{$_} // [] }) . "\n" } sort keys %members;
}

sub open_orders { return sql("SELECT coalesce(string_agg(change_type || ' ' || state || coalesce(': ' || error, ''), ', ' ORDER BY seq), '') FROM syncup.provisioning_order WHERE state NOT IN ('verified', 'superseded')") }
sub run_job { my ($job) = @_; my (undef, undef, $said) = $node->psql('postgres', "CALL syncup_run_job('$job')"); return $said }
sub read_back { sql("CALL syncup_run('AD', 'complete'); SELECT syncup_compute_correlation_keys(); SELECT * FROM syncup_compute_role_model();") }

# One more turn than it takes, each a job of a quarter of an hour.
sub settle
{
	my ($what, $turns) = @_;
	for (1 .. $turns // 3) { run_job('complete') }
	is(directory_says('people'), should_be(), "$what: people");
	is(groups_say(), groups_should(), "$what: groups");
	is(open_orders(), '', "$what: every order is verified");
	my $before = sql('SELECT count(*) FROM syncup.provisioning_order');
	run_job('complete');
	is(sql('SELECT count(*) FROM syncup.provisioning_order'), $before, "$what: then nothing is ordered");
}

# ---------- a year ----------

like(run_job('initial'), qr/^(NOTICE.*)?$/s, 'the initial job runs');
is(directory_says('people') =~ tr/\n//, 4, 'one job has made four accounts');
settle('the first load');

$hr{2}[1] = 'Cole';    # a marriage: rdn and dn change, groups and links stay
write_hr();
settle('a marriage');

$hr{4}[2] = 'sales';
$hr{4}[3] = 1;
write_hr();
settle('a move');

# a leaver: who has left goes to another unit, and nobody's manager
$gone{4} = 1;
write_hr();
sql(q(SELECT syncup_create_resource_type('AD', 'person', 'ad_account', '{"limits": {"max_percentage_deleted_lines": 10, "max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0}}')));
like(run_job('complete'), qr/is blocked/, 'one of four is more than 10 %: the job is blocked');
like(directory_says('people'), qr/Di Dean/, 'and nothing has happened');
my $run = sql('SELECT max(run) FROM syncup.job_run');
$node->psql('postgres', "CALL syncup_resume_job($run)");
settle('a leaver');
like(directory_says('leavers'), qr/^Di Dean/, 'a leaver: the entry is moved');

# rehired: the old entry stays where it is, a new one is made
$gone{4} = 0;
write_hr();
settle('a rehire');

# by hand: an account that no rule gave, a value that was edited
$directory->change("dn: cn=Hand Made,ou=people,$base\nobjectClass: inetOrgPerson\ncn: Hand Made\nsn: Made\nuid: hand\nou: lab\n\n"
	. "dn: cn=Ada Abbott,ou=people,$base\nchangetype: modify\nreplace: ou\nou: elsewhere\n\n");
my $orders = sql('SELECT count(*) FROM syncup.provisioning_order');
run_job('complete') for 1 .. 2;
is(sql('SELECT count(*) FROM syncup.provisioning_order'), $orders, 'by hand: nothing is ordered');
like(directory_says('people'), qr/^Ada Abbott ada1 elsewhere .*Hand Made hand lab/s, 'by hand: it stands');
is(sql(q(SELECT string_agg(property || ' ' || current, ',') FROM syncup.assignment WHERE workflow_state = 'non-conforming' AND kind = 'scalar')), 'ou elsewhere', 'by hand: the value is shown');
is(sql(q(SELECT count(*) FROM syncup.ownership WHERE account_key = 'hand' AND owner_key IS NOT NULL)), '0', 'by hand: nobody owns the account');
is(sql(q(SELECT count(*) > 0 FROM syncup.to_review WHERE what = 'non-conforming')), 't', 'by hand: it waits for a person');
# a person decides that it is wrong: now it is ordered
sql(q(SELECT syncup_decline(array_agg(assignment)) FROM syncup.assignment WHERE workflow_state = 'non-conforming' AND property = 'ou'));
$directory->change("dn: cn=Hand Made,ou=people,$base\nchangetype: delete\n\n");
settle('declined');

# the directory is down in the middle: what was ordered is tried again, and done once
$hr{5} = [ 'Ed', 'Earl', 'lab', 3 ];
$hr{3}[1] = 'Crane';
write_hr();
sql("CALL syncup_run('HR', 'complete'); SELECT syncup_compute_correlation_keys(); SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders();");
$directory->stop;
sql('CALL syncup_fulfill()');
like(open_orders(), qr/^Added errored: .*, Modified errored: /, 'down: the orders have errored');
$directory->start;
settle('down for a while');

# somebody has changed an entry between reading and telling: both values are told
$hr{1}[2] = 'lab';
write_hr();
sql("CALL syncup_run('HR', 'complete'); SELECT syncup_compute_correlation_keys(); SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders();");
$directory->change("dn: cn=Ada Abbott,ou=people,$base\nchangetype: modify\nreplace: ou\nou: quick\n\n");
sql('CALL syncup_fulfill()');
like(open_orders(), qr/ou has changed since: it was sales, it is quick, it is to be lab/, 'changed since: both values');
# a password of the user's making is given, and stands nowhere here
sql(q(CREATE FUNCTION secret(document jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'S3cret-' || (document #>> '{Owner,id}') $$;
	SELECT syncup_create_resource_type('AD', 'person', 'ad_account', (SELECT jsonb_build_object('fulfill', options -> 'fulfill' || '{"password": "public.secret"}') FROM syncup.resource_type))));
$hr{6} = [ 'Flo, the "1st"', 'Ford', 'lab', '' ];
write_hr();
run_job('complete') for 1 .. 3;
like($directory->search('-b', "ou=people,$base", '(employeeNumber=6)', 'userPassword', 'cn'), qr/userPassword::? /, 'a password is given');
is(sql(q(SELECT count(*) FROM syncup.provisioning_order WHERE document::text LIKE '%S3cret' || '-6%')), '0', 'and stands in no order');
unlike(slurp_file($node->logfile), qr/S3cret-6/, 'nor in the log');
# rights: the role needs USAGE
sql(q(CREATE ROLE weak; GRANT USAGE ON SCHEMA public TO weak; GRANT SELECT ON ALL TABLES IN SCHEMA public TO weak; UPDATE syncup.resource_type SET role = 'weak'));
sql(q(UPDATE syncup.provisioning_order SET state = 'pending' WHERE seq = (SELECT max(seq) FROM syncup.provisioning_order); UPDATE syncup.assignment SET provisioning_state = 'pending' WHERE kind = 'account'; CALL syncup_fulfill()));
like(open_orders(), qr/errored: permission denied for foreign server dir/, 'without USAGE nothing is told');

$node->stop;
$directory->stop;
done_testing();
