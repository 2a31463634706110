# Directories as sources, against a real slapd that the test starts: random changes of
# people and groups, read in full and by cookie, with batches that are blocked,
# declined, undone and killed between: after every run the targets hold what the
# directory says, asked by ldapsearch. And directories that do not answer, not in whole,
# or not to us: each its own error, and nothing changed.
#
#   SEED=n    plays that history again (printed)
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Crash;
use FakeDirectory;
use MIME::Base64 ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Slapd;
use Test::More;

plan skip_all => 'slapd and ldap-utils are not installed' unless Slapd::is_here();

my $node = PostgreSQL::Test::Cluster->new('ldap');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\njit = off\nlog_min_messages = debug1\nlog_error_verbosity = verbose\n");
my $crash = Crash->new($node);
$node->start;
sub sql { return $node->safe_psql('postgres', $_[0]) }
sql('CREATE EXTENSION syncup');
plan skip_all => 'built without libldap' if ($node->psql('postgres', q(SELECT * FROM syncup_read_ldap('x', '') AS (dn text))))[2] =~ /without libldap/;

my $base = $Slapd::base;
my $directory = Slapd->new(conf => "syncprov-sessionlog 40\n", global => "sizelimit unlimited\n");
$directory->load(<<LDIF);
dn: cn=reader,$base
objectClass: person
cn: reader
sn: reader
userPassword: $Slapd::password

LDIF
$directory->start;
$directory->create_server($node, 'dir');

# The SQLSTATE and the message that a statement ends with; '': it succeeds.
sub failure
{
	my ($statement) = @_;
	my (undef, undef, $stderr) = $node->psql('postgres', "\\set VERBOSITY verbose\nSET client_min_messages = error;\n$statement");
	return $stderr =~ /ERROR:  (\w{5}: .*)/ ? "$1\n$stderr" : $stderr;
}

# ---------- reading ----------

$directory->change(<<LDIF);
dn: uid=ada,ou=people,$base
objectClass: inetOrgPerson
uid: ada
cn: Ada
sn:: w4RkYQ==
mail: b\@x
mail: a\@x;y
mail: c\\
mail: d\@x
description: one; alone
jpegPhoto:: /9j/AAEC
userPKCS12:: MAMCAQE=

dn: uid=bo,ou=people,$base
objectClass: inetOrgPerson
uid: bo
cn: Bo
sn: Bo
manager: uid=ada,ou=people,$base

dn: cn=all,ou=groups,$base
objectClass: groupOfNames
cn: all
member: uid=ada,ou=people,$base
LDIF
my $people = "syncup_read_ldap('dir', 'ou=people,$base', '(objectClass=person)'";
is(sql("SELECT * FROM $people) AS (dn text, uid varchar(3), sn text, description text, mail text, nothing_like text) WHERE false"), '', 'columns that are not read');
is(sql(qq{SELECT * FROM $people, '{uid,sn,mail,description,jpegPhoto,userPKCS12,*}') AS (dn text, uid varchar(3), sn text, mail text, description text, jpegphoto text, "userPKCS12" bytea, employeetype text) ORDER BY uid}),
	"uid=ada,ou=people,$base|ada|\x{c3}\x{84}da|a\@x\\;y;b\@x;c\\\\;d\@x|one; alone|ffd8ff000102|\\x3003020101|\n"
	. "uid=bo,ou=people,$base|bo|Bo|||||", 'values: several joined in the order of their bytes, bytes as hex, none as null');
is(sql(qq{SELECT mail, array_length(mail, 1), "JPEGPHOTO", memberof FROM $people, '{mail,jpegPhoto,memberOf}', '{"scope": "one", "page_size": 1}') AS (mail text[], "JPEGPHOTO" bytea, memberof text[]) ORDER BY 1}),
	qq({a\@x;y,b\@x,"c\\\\",d\@x}|4|\\xffd8ff000102|{"cn=all,ou=groups,$base"}\n|||), 'arrays, bytea, memberOf, a page each');
is(sql(qq{SELECT string_to_array(mail, ' | ') FROM $people, '{*}', '{"separator": " | "}') AS (mail text) WHERE mail IS NOT NULL}), qq({a\@x;y,b\@x,"c\\\\\\\\",d\@x}), 'a separator of several bytes');
is(sql("SELECT entryuuid IS NOT NULL, createtimestamp LIKE '2%Z' FROM $people) AS (entryuuid uuid, createtimestamp text)"), "t|t\nt|t", 'operational attributes');
is(sql("SELECT dn FROM syncup_read_ldap('dir', 'ou=people,$base', options => '{\"scope\": \"base\"}') AS (dn text)"), "ou=people,$base", 'scope base');
is(sql("SELECT count(*) FROM syncup_read_ldap('dir', 'ou=people,$base', options => '{\"binary\": [\"uid\"]}') AS (dn text, uid text) WHERE uid = '616461'"), '1', 'what is binary can be told');
is(sql("SELECT dn FROM syncup_read_ldap_changes('dir', '$base', '(uid=b*)') AS (command text, entryuuid text, dn text) WHERE command = 'insert' AND length(entryuuid) = 36"), "uid=bo,ou=people,$base", 'changes outside of a prepare: every entry');

like(failure("SELECT * FROM $people) AS (dn text, colour text)"), qr/^42703: the directory knows no attribute "colour"\n/, 'an attribute that does not exist');
like(failure("SELECT * FROM $people) AS (commonname text)"), qr/^42703: the directory knows attribute "commonname" as "cn"\n/, 'an attribute by its other name');
like(failure("SELECT * FROM $people, '{uid}') AS (uid text, cn text)"), qr/^42703: column "cn" is not among the attributes\n.*HINT:  They are "uid"\./s, 'a column that is not asked for');
like(failure("SELECT * FROM $people) AS (uid text, mail varchar(3))"), qr/^22001: value is not valid for type character varying\(3\)\n.*CONTEXT:  attribute "mail" of a directory's entry/s, 'a value that a type refuses');
like(failure("SELECT * FROM $people, options => '{\"binary\": [\"none\"]}') AS (\"userPKCS12\" text, uid int)"), qr/^22P02: value is not valid for type integer/, 'a value of another type');
like(failure("SELECT * FROM $people) AS (mail name)"), qr/^21000: an entry has 4 values\n/, 'several values for one');
like(failure("SELECT * FROM $people, options => '{\"sope\": \"sub\"}') AS (uid text)"), qr/^22023: unknown option "sope"\n.*Did you mean "scope"\? Valid options are scope, page_size, timeout, separator, binary/s, 'an unknown option');
like(failure("SELECT * FROM $people, options => '{\"$_->[0]\": $_->[1]}') AS (uid text)"), qr/^22023: invalid value for option "$_->[0]"/, "option $_->[0] of $_->[1]")
  for [ 'scope', '"all"' ], [ 'timeout', 0 ], [ 'page_size', -1 ], [ 'separator', '"\\\\"' ];
like(failure("SELECT * FROM syncup_read_ldap('dir', 'ou=nowhere,$base') AS (dn text)"), qr/^42704: could not read directory "dir": No such object\n/, 'a base that is not there');
like(failure("SELECT * FROM syncup_read_ldap('dir', 'nonsense') AS (dn text)"), qr/^22023: could not read directory "dir": Invalid DN syntax\n/, 'a base that is no name');
like(failure("SELECT * FROM syncup_read_ldap('dir', '$base', '(uid=*') AS (dn text)"), qr/^22023: could not read directory "dir": Bad search filter\n/, 'a filter that is none');
like(failure("SELECT * FROM syncup_read_ldap('nowhere', '$base') AS (dn text)"), qr/^42704: server "nowhere" does not exist/, 'a server that does not exist');
like(failure("SELECT * FROM syncup_read_ldap_changes('dir', '$base') AS (dn text, command text)"), qr/^42703: column "entryUUID" is missing/, 'changes without entryUUID');
like(failure("SELECT * FROM syncup_read_ldap_changes('dir', 'cn=Subschema', options => '{\"scope\": \"base\"}') AS (command text, entryuuid text)"), qr/^0A000: the directory does not tell changes\n.*HINT:  Read it with syncup_read_ldap\(\)/s, 'what has no syncrepl');

# What the manual says, as it stands there.
{
	my ($chapter) = slurp_file("$FindBin::RealBin/../../docs/sources.md") =~ /^## A directory\n(.*?)^### OpenLDAP/ms;
	my $url = $directory->url;
	$node->safe_psql('postgres', 'CREATE DATABASE manual');
	$node->safe_psql('manual', 'CREATE EXTENSION syncup');
	my $shown = '';
	for my $block ($chapter =~ /^```sql\n(.*?)^```/gms)
	{
		$block =~ s{ldaps://ldap.example.org}{$url};
		$block =~ s/cn=sync,dc=example,dc=org', password '…'/$Slapd::admin', password '$Slapd::password'/;
		$block =~ s/'complete'\)/'complete', force => true)/;
		$shown .= $node->safe_psql('manual', $block) . "\n";
	}
	like($shown, qr/^uid=bo,ou=people,$base\|bo\|Bo\|\|uid=ada,ou=people,$base$/m, 'the manual reads a directory');
	is($node->safe_psql('manual', 'SELECT a.login, b.login, g.name FROM account a LEFT JOIN account b ON b.id = a.boss LEFT JOIN member m ON m.account = a.id LEFT JOIN grp g ON g.id = m.grp ORDER BY 1'),
		"ada||all\nbo|ada|", 'and synchronizes it');
}

# Who logs in has a name in UTF-8, whatever the database's encoding is.
{
	my ($name, $password) = ("cn=J\xc3\xb6rg,$base", "gehe\xc3\xafm");
	my %encoded = map { $_ => MIME::Base64::encode_base64($_, '') } $name, $password, "J\xc3\xb6rg";
	$directory->change("dn:: $encoded{$name}\nobjectClass: person\ncn:: $encoded{qq(J\xc3\xb6rg)}\nsn: x\nuserPassword:: $encoded{$password}\n");
	$node->safe_psql('postgres', "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE 'C'");
	is($node->safe_psql('latin', "SET client_encoding = 'UTF8'; CREATE EXTENSION syncup; CREATE SERVER dir FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url '" . $directory->url . "');
		CREATE USER MAPPING FOR CURRENT_USER SERVER dir OPTIONS (bind_dn '$name', password '$password'); SELECT count(*) FROM syncup_read_ldap('dir', '$base', '(uid=bo)') AS (dn text)"),
		'1', 'a database in another encoding');
}

# ---------- whose directory ----------

sql(<<SQL);
CREATE ROLE maker LOGIN;
CREATE ROLE reader LOGIN;
GRANT USAGE ON FOREIGN DATA WRAPPER syncup_ldap TO maker;
GRANT EXECUTE ON FUNCTION syncup_read_ldap, syncup_read_ldap_changes TO reader, maker;
SQL
my $create = "CREATE SERVER theirs FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url '" . $directory->url . "');";
my $read = "SELECT count(*) FROM syncup_read_ldap('dir', '$base', '(uid=bo)') AS (dn text)";
like(failure("SET ROLE maker; $create"), qr/^42501: permission denied to create or alter a server of syncup_ldap\n.*pg_execute_server_program/s, 'who may not run programs makes no server');
sql('GRANT pg_execute_server_program TO maker');
is(failure("SET ROLE maker; $create DROP SERVER theirs"), '', 'who may, does');
like(failure("SET ROLE reader; $read"), qr/^42501: permission denied for foreign server dir\n/, 'no rights on the server');
sql('GRANT USAGE ON FOREIGN SERVER dir TO reader');
like(failure("SET ROLE reader; $read"), qr/^42704: user mapping not found for "?reader/, 'no user mapping');
sql("SET ROLE reader; CREATE USER MAPPING FOR reader SERVER dir OPTIONS (bind_dn 'cn=reader,$base', password '$Slapd::password')");
is(sql("SET ROLE reader; $read"), '1', 'a user mapping of their own');
sql("GRANT USAGE ON FOREIGN SERVER dir TO maker; SET ROLE maker; CREATE USER MAPPING FOR maker SERVER dir");
is(sql("SET ROLE maker; $read"), '1', 'as nobody');
is(sql("SET ROLE maker; SELECT count(*) FROM pg_user_mappings WHERE umoptions IS NOT NULL"), '0', 'nobody sees the password of another');
like(failure($_->[0]), $_->[1], $_->[2])
  for [ "CREATE SERVER s FOREIGN DATA WRAPPER syncup_ldap", qr/^HV00J: option "url" is missing/, 'a server without address' ],
  [ "CREATE SERVER s FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url 'ldap://h/o=x')", qr/^HV024: invalid value for option "url"/, 'an address with more behind it' ],
  [ "CREATE SERVER s FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url 'http://h')", qr/^HV024: invalid value for option "url"/, 'another protocol' ],
  [ "CREATE SERVER s FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url 'ldaps://h', start_tls 'on')", qr/^HV024: option "start_tls" goes with/, 'TLS twice' ],
  [ "CREATE SERVER s FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url 'ldaps://h', ca_file 'ca.crt')", qr/^HV024: invalid value for option "ca_file"/, 'a relative path' ],
  [ "CREATE SERVER s FOREIGN DATA WRAPPER syncup_ldap OPTIONS (ur 'ldaps://h')", qr/^HV00D: invalid option "ur"\n.*Did you mean "url"\? Valid options are url, start_tls, ca_file/s, 'an unknown option of a server' ],
  [ "CREATE USER MAPPING FOR PUBLIC SERVER dir OPTIONS (bind_dn 'cn=x')", qr/^HV00J: option "password" is missing/, 'a name without password' ],
  [ "ALTER FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url 'x')", qr/^HV00D: invalid option "url"/, 'an option of the wrapper' ];

# ---------- a history of changes ----------

my $seed = $ENV{SEED} // int(rand 1_000_000_000);
note("SEED=$seed");
srand $seed;
$directory->change(join '', map { "dn: $_,$base\nchangetype: delete\n\n" } 'cn=all,ou=groups', 'uid=ada,ou=people', 'uid=bo,ou=people');

sql(<<SQL);
CREATE SCHEMA ldap;
CREATE VIEW ldap.person AS SELECT * FROM syncup_read_ldap_changes('dir', 'ou=people,$base', '(objectClass=person)')
	AS (command text, entryuuid uuid, dn text, uid text, cn text, mail text[], description text, manager text);
CREATE VIEW ldap.grp AS SELECT * FROM syncup_read_ldap_changes('dir', 'ou=groups,$base', '(objectClass=groupOfNames)')
	AS (command text, entryuuid uuid, dn text, cn text, member text);
CREATE TABLE person (id uuid PRIMARY KEY, dn text NOT NULL, uid text, name text, mail text[], description text, boss uuid);
CREATE TABLE grp (id uuid PRIMARY KEY, dn text, name text);
CREATE TABLE member (grp uuid, person uuid, PRIMARY KEY (grp, person));
CREATE TABLE nested (grp uuid, sub uuid, PRIMARY KEY (grp, sub));
SELECT syncup_create_connector('D');
SELECT syncup_map_entity_type('D', 'person', 'person', NULL, 'entryuuid', '{"entryuuid": "id", "dn": "dn", "uid": "uid", "cn": "name", "mail": "mail", "description": "description"}',
	unique_keys => '{dn}', options => '{"source": "ldap.person", "command_column": "command"}');
SELECT syncup_map_entity_type('D', 'grp', 'grp', NULL, 'entryuuid', '{"entryuuid": "id", "dn": "dn", "cn": "name"}',
	unique_keys => '{dn}', options => '{"source": "ldap.grp", "command_column": "command"}');
SELECT syncup_map_association('D', 'manager', NULL, 'entryuuid', 'person.entryuuid', 'manager', 'person.dn', 'person', target_column2 => 'boss',
	options => '{"source": "ldap.person", "command_column": "command", "match2": "dn"}');
SELECT syncup_map_association('D', 'member', NULL, 'entryuuid', 'grp.entryuuid', 'member', 'person.dn', 'member', 'grp', 'person',
	options => '{"source": "ldap.grp", "command_column": "command", "split": ";", "match2": "dn"}');
SELECT syncup_map_association('D', 'nested', NULL, 'entryuuid', 'grp.entryuuid', 'member', 'grp.dn', 'nested', 'grp', 'sub',
	options => '{"source": "ldap.grp", "command_column": "command", "split": ";", "match2": "dn"}');
SELECT syncup_set_thresholds('D', '{"maximum_inserted_lines": 1000000, "max_percentage_inserted_lines": 100, "max_percentage_updated_lines": 100, "max_percentage_deleted_lines": 100}');
SQL
my @rows = ("SELECT 'person', id, dn, uid, name, mail, description, boss FROM person", "SELECT 'grp', id, dn, name FROM grp",
	"SELECT 'member', grp, person FROM member", "SELECT 'nested', grp, sub FROM nested");

sub target { return join "\n", sort map { split /\n/, sql($_) } @rows }

# The entries that ldapsearch prints, by DN: attributes and lists of their values.
sub entries
{
	my %entries;
	for my $block (split /\n\n/, $directory->search(@_))
	{
		my %entry;
		while ($block =~ /^(\w+)(::?) ?(.*)$/mg) { push @{ $entry{$1} }, $2 eq '::' ? MIME::Base64::decode_base64($3) : $3 }
		$entries{ $entry{dn}[0] } = \%entry if $entry{dn};
	}
	return %entries;
}

# What the targets should hold.
sub directory
{
	my %person = entries('(objectClass=person)', '*', 'entryUUID');
	my %grp = entries('(objectClass=groupOfNames)', '*', 'entryUUID');
	delete @person{ grep { !/,ou=people,/ } keys %person };
	my @lines;
	for my $dn (keys %person)
	{
		my %p = %{ $person{$dn} };
		my $boss = $p{manager} && $person{ $p{manager}[0] };
		push @lines, join '|', 'person', $p{entryUUID}[0], $dn, $p{uid}[0], $p{cn}[0], $p{mail} ? '{' . join(',', sort @{ $p{mail} }) . '}' : '',
		  $p{description} ? $p{description}[0] : '', $boss ? $boss->{entryUUID}[0] : '';
	}
	for my $dn (keys %grp)
	{
		my %g = %{ $grp{$dn} };
		push @lines, join '|', 'grp', $g{entryUUID}[0], $dn, $g{cn}[0];
		for my $member (@{ $g{member} })
		{
			push @lines, "member|$g{entryUUID}[0]|$person{$member}{entryUUID}[0]" if $person{$member};
			push @lines, "nested|$g{entryUUID}[0]|$grp{$member}{entryUUID}[0]" if $grp{$member};
		}
	}
	return join "\n", sort @lines;
}

my $number = 0;
my (@people, @groups);
sub any { return $_[ rand @_ ] }
sub of_person { return "uid=$_[0],ou=people,$base" }
sub of_group { return "cn=$_[0],ou=groups,$base" }
sub any_member { return rand() < 0.25 && @groups ? of_group(any(@groups)) : of_person(any(@people, 'gone')) }

# One change of the directory, as LDIF.
sub change
{
	my $what = int rand 12;
	my $n = ++$number;
	if ($what < 3 || @people < 5)
	{
		push @people, "p$n";
		return "dn: " . of_person("p$n") . "\nobjectClass: inetOrgPerson\nuid: p$n\ncn: Person $n\nsn: $n\n"
		  . (rand() < 0.5 ? "mail: p$n\@x\nmail: a$n\@x\n" : '') . (rand() < 0.5 ? "manager: " . of_person(any(@people)) . "\n" : '');
	}
	if ($what == 3 || @groups < 3)
	{
		push @groups, "g$n";
		return "dn: " . of_group("g$n") . "\nobjectClass: groupOfNames\ncn: g$n\n" . join '', map { "member: $_\n" } do { my %m = map { any_member() => 1 } 1 .. 5; keys %m };
	}
	if ($what == 4)
	{
		my ($gone) = splice @people, rand @people, 1;
		return 'dn: ' . of_person($gone) . "\nchangetype: delete\n";
	}
	if ($what == 5)
	{
		my ($gone) = splice @groups, rand @groups, 1;
		return 'dn: ' . of_group($gone) . "\nchangetype: delete\n";
	}
	if ($what == 6)
	{
		my $i = int rand @people;
		my $former = $people[$i];
		$people[$i] = "r$n";
		return 'dn: ' . of_person($former) . "\nchangetype: modrdn\nnewrdn: uid=r$n\ndeleteoldrdn: 1\n";
	}
	if ($what == 7)
	{
		my $i = int rand @groups;
		my $former = $groups[$i];
		$groups[$i] = "h$n";
		return 'dn: ' . of_group($former) . "\nchangetype: modrdn\nnewrdn: cn=h$n\ndeleteoldrdn: 1\n";
	}
	return 'dn: ' . of_group(any(@groups)) . "\nchangetype: modify\nreplace: member\n" . join '', map { "member: $_\n" } do { my %m = map { any_member() => 1 } 1 .. 1 + rand 6; keys %m }
	  if $what < 10;
	return 'dn: ' . of_person(any(@people)) . "\nchangetype: modify\n" . any("replace: description\ndescription: d$n\n", "replace: description\n",
		"replace: mail\nmail: m$n\@x\nmail: l$n\@x\n", "replace: manager\nmanager: " . of_person(any(@people)) . "\n", "replace: manager\n");
}

sub changes { $directory->change(join '', map { change() . "\n" } 1 .. $_[0]); return }

sub compare
{
	my ($what) = @_;
	my ($is, $should) = (target(), directory());
	return if $is eq $should;
	fail("$what: the targets hold what the directory says (SEED=$seed)");
	my %is = map { $_ => 1 } split /\n/, $is;
	my %should = map { $_ => 1 } split /\n/, $should;
	diag("only in the targets: $_") for grep { !$should{$_} } sort keys %is;
	diag("only in the directory: $_") for grep { !$is{$_} } sort keys %should;
	BAIL_OUT("SEED=$seed");
}

sub run_batch { my ($mode, $more) = @_; return failure("CALL syncup_run('D', '$mode'" . ($more // '') . ')') }
sub blocked { return sql("SELECT count(*) FROM syncup.batch WHERE status = 'blocked'") }

like(run_batch('incremental'), qr/^55000: connector "D" has no applied initial or complete run/, 'nothing was read yet');
changes(60);
is(run_batch('complete', ', force => true'), '', 'a complete run');
compare('complete');
is(sql("SELECT server || ' ' || base || ' ' || (cookie IS NOT NULL) FROM syncup.directory_cookie ORDER BY base"), "dir ou=groups,$base true\ndir ou=people,$base true", 'each search has its cookie');
is(failure("SELECT syncup_prepare('D', 'incremental', '{\"ignore_cookie\": true}'); SELECT syncup_synchronize('D')"), '', 'a cookie is ignored');
compare('ignored');

my %done;
my $knows_places = $crash->knows_places;
for my $round (1 .. 20)
{
	changes(1 + rand 8);
	my $action = any(qw(run run discard block resume undo wait kill kill complete restart ignore));
	$done{$action}++;
	if ($action eq 'discard')
	{
		sql("SELECT syncup_prepare('D', 'incremental')");
		changes(rand 3);
		sql("SELECT syncup_prepare('D', 'incremental')") if rand() < 0.5;
		sql("SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'prepared' ORDER BY seq LIMIT 1");
		is(sql("SELECT needs_complete FROM syncup.connector"), 'f', 'a batch of a directory that is declined can be read again');
	}
	elsif ($action eq 'wait')
	{
		for (1 .. 2) { sql("SELECT syncup_prepare('D', 'incremental')"); changes(1 + rand 4) }
	}
	elsif ($action eq 'block' || $action eq 'resume')
	{
		sql("SELECT syncup_set_thresholds('D', '{\"maximum_inserted_lines\": 1, \"maximum_updated_lines\": 1, \"maximum_deleted_lines\": 1}')");
		run_batch('incremental');
		changes(1 + rand 4);
		sql("SELECT syncup_resume(batch) FROM syncup.batch WHERE status = 'blocked'") if $action eq 'resume';
		sql("SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'blocked'") if rand() < 0.5;
		sql("SELECT syncup_set_thresholds('D', '{\"maximum_inserted_lines\": 1000000, \"maximum_updated_lines\": 1000, \"maximum_deleted_lines\": 1000}')");
	}
	elsif ($action eq 'undo')
	{
		run_batch('incremental', ', force => true, keep_changes => true');
		changes(rand 3);
		failure("SELECT syncup_undo(batch) FROM syncup.batch WHERE changes_kept AND status = 'applied' ORDER BY seq DESC LIMIT 1");
	}
	elsif ($action eq 'kill')
	{
		my $places = $knows_places && rand() < 0.8;
		$crash->run_and_kill("CALL syncup_run('D', '" . any('incremental', 'incremental', 'complete') . "', force => true)",
			{ server => 0, $places ? (place => any('batch queued', 'reading a change', 'file read', 'batch prepared', 'previous written', 'rows forgotten', 'queue done'), passing => 1)
				: (delay => rand 0.15) });
	}
	elsif ($action eq 'restart')
	{
		$directory->stop;
		$directory->start;
	}
	elsif ($action eq 'complete') { run_batch('complete', ', force => true') }
	elsif ($action eq 'ignore') { failure("SELECT syncup_prepare('D', 'incremental', '{\"ignore_cookie\": true}')") }
	my $mode = blocked() ? 'complete' : 'incremental';
	my $failure = run_batch($mode, ', force => true');
	is($failure, '', "round $round ($action): $mode") or BAIL_OUT("SEED=$seed");
	compare("round $round ($action)");
}
note(join ', ', map { "$_ $done{$_}" } sort keys %done);
is(run_batch('complete'), '', 'a complete run after all that');
is(sql("SELECT sum(inserted + updated + deleted) FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1)"), '0', 'has nothing to repair');

# ---------- twenty thousand, read as a whole because slapd has forgotten ----------

$directory->stop;
$directory->load(join "\n", map { "dn: uid=m$_,ou=people,$base\nobjectClass: inetOrgPerson\nuid: m$_\ncn: Many $_\nsn: $_\nmail: m$_\@x\nmail: n$_\@x\n" } 1 .. 20_000);
$directory->start;
my (undef, undef, $notice) = $node->psql('postgres', "CALL syncup_run('D', 'incremental', force => true)");
like($notice, qr/NOTICE:  relation ldap.person is read as a whole: a directory does not tell which entries went\n/, 'slapd has no memory of what went');
like($notice, qr/applied: 20000 inserted, 0 updated, 0 deleted/, 'and all is read, once');
changes(3);
is(run_batch('incremental', ', force => true'), '', 'then changes again');
compare('twenty thousand');
changes(3);
sql("SELECT syncup_discard(syncup_prepare('D', 'incremental'))");
is(run_batch('incremental', ', force => true'), '', 'what was declined, and nothing else');
compare('declined');

# ---------- mappings that lose something ----------

like(failure("SELECT syncup_map_entity_type('D', 'grp', 'grp', NULL, 'entryuuid', options => '{\"source\": \"ldap.grp\"}'); DROP VIEW ldap.grp CASCADE; "
	. "CREATE VIEW ldap.grp AS SELECT * FROM syncup_read_ldap_changes('dir', 'ou=groups,$base', '(cn=*)') AS (command text, entryuuid uuid, dn text, cn text, member text);"
	. "SELECT syncup_prepare('D', 'incremental')"), qr/^55000: connector "D" has not read directory "dir" in this way yet\n.*HINT:  CALL syncup_run\('D', 'complete'\)/s, 'another filter has no cookie');
sql(<<SQL);
CREATE VIEW ldap.by_name AS SELECT * FROM syncup_read_ldap_changes('dir', 'ou=people,$base', '(uid=q*)') AS (command text, entryuuid uuid, uid text, manager text[]);
CREATE VIEW ldap.by_value AS SELECT command, entryuuid, m AS manager FROM ldap.by_name LEFT JOIN unnest(manager) m ON true;
CREATE TABLE q (uid text PRIMARY KEY);
CREATE TABLE q_link (a uuid, b uuid);
CREATE TABLE q_by_id (id uuid PRIMARY KEY);
SELECT syncup_create_connector('Q');
SELECT syncup_map_entity_type('Q', 'q', 'q', NULL, 'uid', options => '{"source": "ldap.by_name", "command_column": "command"}');
SELECT syncup_create_connector('R');
SELECT syncup_map_entity_type('R', 'q', 'q_by_id', NULL, 'entryuuid', '{"entryuuid": "id"}', options => '{"source": "ldap.by_name", "command_column": "command"}', unique_keys => '{uid}');
SELECT syncup_map_association('R', 'l', NULL, 'entryuuid', 'q.entryuuid', 'manager', 'q.uid', 'q_link', 'a', 'b', options => '{"source": "ldap.by_value", "command_column": "command", "store2": "id"}');
SQL
sub person { return "dn: uid=$_[0],ou=people,$base\nobjectClass: inetOrgPerson\nuid: $_[0]\ncn: q\nsn: q\n" . join('', map { "manager: uid=$_,ou=people,$base\n" } @_[ 1 .. $#_ ]) . "\n" }
$directory->change(person('q1') . person('q2'));
is(failure("CALL syncup_run('Q', 'complete', force => true)"), '', 'a key that is not entryUUID, in a complete run');
$directory->change("dn: uid=q1,ou=people,$base\nchangetype: delete\n");
like(failure("SELECT syncup_prepare('Q', 'incremental')"), qr/^23502: an entry of the directory went, and mapping "q" cannot know which\n.*entryUUID/s, 'such a key does not know what went');
is(sql('SELECT string_agg(uid, $$ $$ ORDER BY uid) FROM q'), 'q1 q2', 'and nothing changed');

# ---------- in jobs ----------

is(sql("SELECT syncup.needs_export('D') || ' ' || syncup.needs_export('Q')"), 'true true', 'an export step says whether the cookie counts');
sql("SELECT syncup_set_thresholds('Q', '{\"max_percentage_inserted_lines\": 100, \"max_percentage_deleted_lines\": 100}'); SELECT syncup_create_connector('F'); SELECT syncup_create_jobs('Q'); SELECT syncup_create_jobs('F')");
is(sql("SELECT job || ' ' || coalesce(options ->> 'ignore_cookie', 'no') FROM syncup.job_step WHERE kind = 'export' ORDER BY 1"), "Q_complete true\nQ_incremental no\nQ_initial true", 'and is part of reference jobs');
is(failure("CALL syncup_run_job('Q_complete')"), '', 'a complete job');
is(sql('SELECT string_agg(uid, $$ $$) FROM q'), 'q2', 'reads everything');
$directory->change(person('q3'));
is(failure("CALL syncup_run_job('Q_incremental')"), '', 'an incremental job');
is(sql('SELECT string_agg(uid, $$ $$ ORDER BY uid) FROM q'), 'q2 q3', 'reads changes');
$directory->change("dn: uid=q3,ou=people,$base\nchangetype: delete\n");
sql(q(SELECT syncup_add_step('Q_incremental', 'export Q', 'export', 'Q', options => '{"ignore_cookie": true}')));
is(failure("CALL syncup_run_job('Q_incremental')"), '', 'an incremental job that ignores the cookie');
is(sql('SELECT string_agg(uid, $$ $$) FROM q'), 'q2', 'reads everything, and so knows what went');

# ---------- directories that fail ----------

my $before = target();
my $batches = sql("SELECT count(*) FROM syncup.batch WHERE status = 'prepared'");
my $whole = "SELECT count(*) FROM $people, options => '{\"timeout\": 1}') AS (dn text, uid text)";

sub fails
{
	my ($url, $pattern, $what, $statement) = @_;
	sql("ALTER SERVER dir OPTIONS (SET url '$url')") if $url;
	like(failure($statement // $whole), $pattern, $what);
	like(failure("SELECT syncup_prepare('D', 'complete')"), qr/ERROR/, "$what: nothing is prepared") unless $statement;
	return;
}
my $cancelled = "SET statement_timeout = '300ms'; SELECT count(*) FROM $people) AS (dn text)";
fails("ldap://127.0.0.1:1", qr/^08006: could not connect to directory "dir": Connection refused\n/, 'nobody there');
fails("ldap://nowhere.invalid", qr/^08006: could not connect to directory "dir": host "nowhere.invalid" is not found/, 'no such host');
fails("ldapi://%2Fnowhere", qr/^08006: could not connect to directory "dir": No such file or directory\n/, 'no such socket');
my $silent = FakeDirectory->new;
for my $scheme ('ldap', 'ldaps')
{
	my $doing = $scheme eq 'ldap' ? 'log in to' : 'encrypt the connection to';
	fails($silent->url($scheme), qr/^08006: could not $doing directory "dir": no answer for 1 s\n/, "$scheme: no answer", $whole);
	fails($silent->url($scheme), qr/^57014: canceling statement due to statement timeout\n/, "$scheme: a cancel", $cancelled);
}
$silent->stop;

# Serves one entry, and then what is asked for.
sub served
{
	my ($url, $rest) = @_;
	my $fake = FakeDirectory->new(sub {
		my ($client, $id, $base, @attributes) = @_;
		syswrite $client, FakeDirectory::entry($id, "uid=a,$base", [ 'uid', 'a' ]);
		return $rest->($client, $id, @attributes);
	});
	sql("ALTER SERVER dir OPTIONS (SET url '" . $fake->url . "')");
	return $fake;
}
for my $case (
	[ 4, qr/^54000: could not read directory "dir": Size limit exceeded\n/, 'a size limit' ],
	[ 3, qr/^54000: could not read directory "dir": Time limit exceeded\n/, 'a time limit' ],
	[ 11, qr/^54000: could not read directory "dir": Administrative limit exceeded\n/, 'a limit of the administrator' ],
	[ 10, qr/^0A000: could not read directory "dir": Referral\n/, 'a referral' ],
	[ 9, qr/^HV000: could not read directory "dir": Partial results/, 'a partial result' ],
	[ 50, qr/^42501: could not read directory "dir": Insufficient access\n/, 'no access' ],
	[ 51, qr/^HV000: could not read directory "dir": Server is busy\n/, 'a busy directory' ])
{
	my ($code, $pattern, $what) = @$case;
	my $fake = served('', sub { syswrite $_[0], FakeDirectory::result($_[1], 0x65, $code) });
	fails(undef, $pattern, $what);
}
{
	my $fake = served('', sub { syswrite $_[0], FakeDirectory::result($_[1], 0x65, 50, "nicht m\xf6glich") });
	fails(undef, qr/^DETAIL:  nicht m\?glich\n/m, 'words that are no UTF-8');
}
{
	my $fake = served('', sub { return 1 });
	fails(undef, qr/^08006: could not read directory "dir": no answer for 1 s\n/, 'half of it, and then nothing', $whole);
	fails(undef, qr/^57014: /, 'half of it, and a cancel', $cancelled);
}
{
	my $fake = served('', sub { syswrite $_[0], substr(FakeDirectory::result($_[1], 0x65, 0), 0, 5); close $_[0]; return 0 });
	fails(undef, qr/^08006: could not read directory "dir": Can't contact LDAP server\n/, 'it goes in the middle of a word');
}
{
	my $fake = served('', sub { syswrite $_[0], "\x30\x84\x7f\xff\xff\xff" . 'x' x 100; return 1 });
	fails(undef, qr/^08006: could not read directory "dir": Can't contact LDAP server\n/, 'more than anybody could hold');
}
{
	my $fake = served('', sub { syswrite $_[0], FakeDirectory::reference($_[1], 'ldap://elsewhere/o=x') . FakeDirectory::result($_[1], 0x65, 0) });
	my ($out, $err);
	$node->psql('postgres', $whole, stdout => \$out, stderr => \$err);
	is($out, '1', 'what is there is read');
	like($err, qr/NOTICE:  the directory refers to another one for 1 part of the tree, which is not read/, 'what lies elsewhere is said');
}
# Ranges, as Active Directory gives them: three values at a time.
for my $keeps_back (0, 1)
{
	my $fake = FakeDirectory->new(sub {
		my ($client, $id, $base, @attributes) = @_;
		my ($first) = "@attributes" =~ /member;range=(\d+)-\*/;
		my @values = map { sprintf 'm%02d', $_ } ($first // 0) .. 9;
		my $part = @values > 3 ? 'member;range=' . ($first // 0) . '-' . (($first // 0) + 2) : "member;range=$first-*";
		@values = @values[ 0 .. 2 ] if @values > 3;
		@values = () if $keeps_back && defined $first && $first > 3;
		syswrite $client, FakeDirectory::entry($id, defined $first ? $base : "cn=g,$base", [ 'member' ], [ $part, @values ], [ 'cn', 'g' ], [ 'userCertificate;binary', "\x30\0" ],
			[ 'objectGUID', pack('H*', 'ff19966f868bd011b42d00cf4fc964ff') ]);
		syswrite $client, FakeDirectory::result($id, 0x65, 0);
	});
	sql("ALTER SERVER dir OPTIONS (SET url '" . $fake->url . "')");
	my $members = "SELECT array_to_string(member, ' '), cn, usercertificate, syncup_format(objectguid, 'guid:hex')
		FROM syncup_read_ldap('dir', '$base') AS (member text[], cn text, usercertificate text, objectguid text)";
	if ($keeps_back) { like(failure($members), qr/^HV000: could not read directory: it keeps values of attribute "member" back/, 'ranges that do not come') }
	else { is(sql($members), join(' ', map { sprintf 'm%02d', $_ } 0 .. 9) . '|g|3000|6f9619ff-8b86-11d0-b42d-00cf4fc964ff', 'ranges are fetched whole') }
}

# ---------- a real one that refuses ----------

sql("ALTER SERVER dir OPTIONS (SET url '" . $directory->url . "')");
sql("ALTER USER MAPPING FOR CURRENT_USER SERVER dir OPTIONS (SET password 'wrong')");
fails(undef, qr/^28P01: could not log in to directory "dir": Invalid credentials\n/, 'a wrong password');
sql("ALTER USER MAPPING FOR CURRENT_USER SERVER dir OPTIONS (SET bind_dn 'cn=reader,$base', SET password '$Slapd::password')");
$directory->{conf} .= "limits dn.exact=\"cn=reader,$base\" size=1000 size.prtotal=1000\n";
my $certificates = Slapd::make_certificates();
$directory->{tls} = $certificates->{good};
$directory->{tls_port} = PostgreSQL::Test::Cluster::get_free_port();
sub restart { my ($tls) = @_; $directory->stop; $directory->{tls} = $tls if $tls; $directory->configure; $directory->start; return }
restart();
fails(undef, qr/^54000: could not read directory "dir": Size limit exceeded\n/, 'slapd has a limit');
sql("ALTER USER MAPPING FOR CURRENT_USER SERVER dir OPTIONS (SET bind_dn '$Slapd::admin')");
my $ldaps = "ldaps://127.0.0.1:$directory->{tls_port}";
fails($ldaps, qr/^08006: could not encrypt the connection to directory "dir": nobody who is trusted has signed its certificate\n/, 'nobody trusts this certificate');
sql("ALTER SERVER dir OPTIONS (ADD ca_file '$certificates->{ca}')");
is(failure($whole), '', 'ldaps with the right authority');
sql("ALTER SERVER dir OPTIONS (SET ca_file '$certificates->{other}')");
fails(undef, qr/^08006: could not encrypt the connection to directory "dir": nobody who is trusted has signed its certificate\n/, 'of another authority');
sql("ALTER SERVER dir OPTIONS (SET ca_file '/nowhere/ca.crt')");
fails(undef, qr/ERROR:  (08006|HV000): could not (encrypt the connection|connect) to directory "dir"/, 'an authority that cannot be read');
sql("ALTER SERVER dir OPTIONS (SET ca_file '$certificates->{ca}', ADD start_tls 'true', SET url '" . $directory->url . "')");
is(failure($whole), '', 'start_tls');
restart($certificates->{expired});
fails(undef, qr/^08006: could not encrypt the connection to directory "dir": its certificate has expired\n/, 'start_tls: an expired certificate');
restart($certificates->{foreign});
fails(undef, qr/^08006: could not encrypt the connection to directory "dir": its certificate is made out to another server\n/, 'a certificate made out to somebody else');
sql("ALTER SERVER dir OPTIONS (DROP start_tls, SET url '$ldaps')");
{
	local $ENV{LDAPTLS_REQCERT} = 'never';
	$node->restart;
	fails(undef, qr/^08006: could not encrypt the connection to directory "dir"/, 'whatever the environment says');
}
sql("ALTER SERVER dir OPTIONS (SET url '" . $directory->url . "')");
is(target(), $before, 'nothing of all that has changed anything');
is(sql("SELECT count(*) FROM syncup.batch WHERE status = 'prepared'"), $batches, 'nor is anything queued');

# A directory that says so when it cannot tell (e-syncRefreshRequired).
{
	my $fake = FakeDirectory->new(sub { syswrite $_[0], pack('C*', 0x30, 0x0d, 0x02, 0x01, $_[1], 0x65, 0x08, 0x0a, 0x02, 0x10, 0x00, 0x04, 0x00, 0x04, 0x00) });
	sql("ALTER SERVER dir OPTIONS (SET url '" . $fake->url . "')");
	like(failure("SELECT * FROM syncup_read_ldap_changes('dir', '$base') AS (command text, entryuuid text)"),
		qr/^55000: the directory does not know what changed since it was read last\n.*HINT:  Run a complete synchronization\./s, 'e-syncRefreshRequired');
}

# ---------- what is secret ----------

my $log = slurp_file($node->logfile);
$log =~ s/^.*(?:CREATE|ALTER) USER MAPPING.*$//mg;
unlike($log, qr/\Q$Slapd::password\E/, 'the password is in no log');
unlike($log, qr/wrong'/, 'nor is a wrong one');
is(sql("SELECT count(*) FROM syncup.batch b WHERE b::text LIKE '%$Slapd::password%'"), '0', 'nor in what is recorded');

$directory->stop;
done_testing();
