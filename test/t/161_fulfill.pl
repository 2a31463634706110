# Orders while things go wrong: the server is killed, the directory goes down, two sessions
# carry out the same orders, others write to the directory, names are hard to write, values
# are refused, too much would be deleted. What ldapsearch prints is compared with what it
# should be, and a log of the program with what it was told.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Encode qw(decode_utf8);
use IPC::Run ();
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Slapd;
use Test::More;
use Time::HiRes ();

my $node = PostgreSQL::Test::Cluster->new('fulfill');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\njit = off\nrestart_after_crash = on\n");
$node->start;
$ENV{PGCLIENTENCODING} = 'UTF8';
sub sql { return $node->safe_psql('postgres', "SET client_min_messages = warning;\n$_[0]") }
sql('CREATE EXTENSION syncup');
my $folder = PostgreSQL::Test::Utils::tempdir;
chmod 0777, $folder;

# Statements in the background; wait for it with finish().
sub begin { my ($statement) = @_; my %s = (out => ''); $s{run} = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', $statement ], '<', \undef, '>', \$s{out}, '2>&1'); return \%s }
sub end { my ($session) = @_; IPC::Run::finish($session->{run}); return $session->{out} }

# Kills the backend that carries orders out, and waits until the server answers again.
sub kill_fulfilling
{
	my $pid = sql(q(SELECT pid FROM pg_stat_activity WHERE query LIKE 'CALL syncup_fulfill%' AND pid <> pg_backend_pid()));
	my $position = -s $node->logfile;
	kill KILL => $pid;
	$node->wait_for_log(qr/database system is ready to accept connections/, $position);
	return;
}

sub wait_until { my ($true) = @_; for (1 .. 1000) { return 1 if $true->(); Time::HiRes::sleep(0.01) } return 0 }
sub order { return sql('SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders()') }
sub states { return sql(q(SELECT string_agg(s, ', ' ORDER BY s) FROM (SELECT state || ' ' || count(*) FROM syncup.provisioning_order GROUP BY state) AS x (s))) }

# ---------- a program that is told the same but once ----------

sql(<<'SQL');
CREATE TABLE person (id int PRIMARY KEY, name text NOT NULL, note text, gone boolean NOT NULL DEFAULT false);
INSERT INTO person (id, name) SELECT n, 'Person ' || n FROM generate_series(1, 30) n;
CREATE TABLE badge (id int PRIMARY KEY, name text);
SQL
append_to_file("$folder/tell", <<'SH');
#!/bin/sh
# Does what it is told at once, and answers after a while.
echo started >>"$3"
while read -r line; do
	id=$(printf '%s' "$line" | sed 's/.*"OrderId": "\([^"]*\)".*/\1/')
	echo "$id" >>"$1"
	sleep "$2"
	echo "{\"OrderId\": \"$id\", \"Error\": null}"
done
SH
chmod 0755, "$folder/tell";
my $told = "$folder/told";
sub told { my @told = -e $told ? split(/\n/, slurp_file($told)) : (); return @told }
sub told_twice { my %seen; $seen{$_}++ for told(); return scalar(grep { $_ > 1 } values %seen) }
sub badges_by_program
{
	sql(qq(SELECT syncup_create_resource_type('badge', 'person', 'badge', '{"review": false, "fulfill": {"kind": "program", "command": "$folder/tell $told 0.05 $folder/started", "max_in_flight": 2, "retry_delay": "0"}}')));
	sql(q(SELECT syncup_define_correlation('badge', 'o.id::text', 'a.id::text'), syncup_define_type_rule('badge'), syncup_define_scalar_rule('badge', 'id', 'o.id'), syncup_define_scalar_rule('badge', 'name', 'o.name')));
	return;
}
badges_by_program();
sql(q(SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders(NULL, true)));
my $session = begin('CALL syncup_fulfill()');
ok(wait_until(sub { told() >= 5 }), 'killed: the program has been told some');
kill_fulfilling();
end($session);
sql('CALL syncup_fulfill()');
my ($unknown) = states() =~ /\Aexecuted \d+, unknown (\d+)\z/;
ok($unknown && $unknown <= 2, 'killed: the outcome of what was in flight is unknown, two at most') or diag(states());
is(scalar(split /\n/, slurp_file("$folder/started")), 2, 'killed: all that were not in flight are told by one process');
my @told = told();
sql('CALL syncup_fulfill(); SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders(); CALL syncup_fulfill()') for 1 .. 2;
is_deeply([ told() ], \@told, 'killed: nothing is told again by itself');
like(states(), qr/\Aexecuted \d+, unknown $unknown\z/, 'killed: nor are there other orders');
is(sql(q(SELECT sum(count) FROM syncup.to_review WHERE what ~ 'unknown')), $unknown, 'killed: it waits for a person');
# the person looks: those have come to pass, the others have not
my $ids = join ', ', map { "'$_'" } @told;
sql("SELECT syncup_report_order(order_id, CASE WHEN order_id::text NOT IN ($ids) THEN 'never told' END) FROM syncup.provisioning_order WHERE state = 'unknown'");
sql('CALL syncup_fulfill()');
is(states(), 'executed 30', 'killed: decided, all have come to pass');
is_deeply([ scalar told(), told_twice() ], [ 30, 0 ], 'killed: each once');

# Cancelled, or an error of another's making: the program goes with the call.
sql(q(UPDATE syncup.provisioning_order SET state = 'pending'; UPDATE syncup.assignment SET provisioning_state = 'pending'));
unlink $told;
$session = begin('CALL syncup_fulfill()');
ok(wait_until(sub { told() >= 5 }), 'cancelled: the program has been told some');
sql(q(SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE 'CALL syncup_fulfill%' AND pid <> pg_backend_pid()));
like(end($session), qr/canceling statement/, 'cancelled: the call ends');
ok(wait_until(sub { `pgrep -f '$folder/[t]ell'` eq '' }), 'cancelled: and the program with it');
sql('CALL syncup_fulfill()');
($unknown) = states() =~ /\Aexecuted \d+, unknown (\d+)\z/;
ok($unknown && $unknown <= 2, 'cancelled: two at most are unknown') or diag(states());
is(told_twice(), 0, 'cancelled: none is told twice');

# Several sessions at once: one of them does it.
sql(q(SELECT syncup_drop_resource_type('badge')));
unlink $told;
badges_by_program();
sql(q(SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders(NULL, true)));
my @sessions = map { begin('CALL syncup_fulfill()') } 1 .. 4;
end($_) for @sessions;
is(states(), 'executed 30', 'several sessions: all is done');
is_deeply([ scalar told(), told_twice() ], [ 30, 0 ], 'several sessions: each once');
sql(q(SELECT syncup_drop_resource_type('badge')));

SKIP:
{
	skip 'slapd and ldap-utils are not installed', 1 unless Slapd::is_here();
	skip 'built without libldap', 1 if ($node->psql('postgres', q(SELECT * FROM syncup_read_ldap('x', '') AS (dn text))))[2] =~ /without libldap/;
	in_a_directory();
}

# ---------- a directory ----------

my ($base, $directory);

# uid, cn and description of every entry, as text.
sub entries
{
	my ($unit) = @_;
	my (%entry, $dn);
	for my $line (split /\n/, $directory->search('-b', 'ou=' . ($unit // 'people') . ",$base", '(objectClass=inetOrgPerson)', 'uid', 'cn', 'description', 'seeAlso'))
	{
		my ($name, $coded, $value) = $line =~ /^(\w+):(:?) (.*)/ or next;
		$value = decode_base64($value) if $coded;
		if ($name eq 'dn') { $dn = $value; next }
		push @{ $entry{$dn}{$name} }, $value;
	}
	return join '', sort map { my $e = $_; join(' | ', map { join '; ', sort @{ $e->{$_} // [] } } 'uid', 'cn', 'description', 'seeAlso') . "\n" } values %entry;
}

# What it should say: of everybody that has not gone.
sub should_be { return sql(q(SELECT coalesce(string_agg(line, '' ORDER BY line COLLATE "C"), '') FROM (SELECT format(E'p%s | %s | %s | \n', id, name, note) FROM person WHERE NOT gone) AS x (line))) . "\n" =~ s/\A\n\z//r }
sub read_back { return sql(q(CALL syncup_run('D', 'complete', force => true); SELECT * FROM syncup_compute_correlation_keys(); SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders())) }
sub errors { return sql(q(SELECT coalesce(string_agg(account_key || ': ' || error, E'\n' ORDER BY account_key), '') FROM syncup.provisioning_order WHERE state = 'errored')) }

# So many octets come to the directory, and then none; or all again.
sub gate { my ($octets) = @_; return sql(sprintf q(ALTER SERVER dir OPTIONS (SET url '%s')), $octets ? $directory->gate($octets) : $directory->url) }

sub in_a_directory
{
	$base = $Slapd::base;
	$directory = Slapd->new(global => "moduleload refint\nmoduleload ppolicy\n", conf => "overlay refint\nrefint_attributes seeAlso\nrefint_nothing cn=nobody\noverlay ppolicy\nppolicy_hash_cleartext\n");
	$directory->start;
	$directory->create_server($node, 'dir');
	$directory->change("dn: ou=leavers,$base\nobjectClass: organizationalUnit\nou: leavers\n\n");
	sql(<<SQL);
TRUNCATE person;
INSERT INTO person (id, name, note) SELECT n, 'Person ' || n, 'first' FROM generate_series(1, 250) n;
CREATE FUNCTION secret(document jsonb) RETURNS text LANGUAGE sql IMMUTABLE RETURN 'S3cret' || (document #>> '{Owner,id}');
CREATE TABLE account (uid text PRIMARY KEY, dn text UNIQUE, cn text, sn text, description text, manager text);
CREATE TABLE peer (account text, other text, PRIMARY KEY (account, other));
CREATE VIEW accounts_read AS SELECT * FROM syncup_read_ldap('dir', 'ou=people,$base', '(objectClass=inetOrgPerson)') AS (uid text, dn text, cn text, sn text, description text, manager text, "seeAlso" text[]);
CREATE VIEW peers_read AS SELECT uid, o AS other FROM accounts_read, unnest("seeAlso") o;
SELECT syncup_create_connector('D');
SELECT syncup_map_entity_type('D', 'account', 'account', NULL, 'uid', '{"uid": "uid", "dn": "dn", "cn": "cn", "sn": "sn", "description": "description", "manager": "manager"}', '{dn}', '{"source": "public.accounts_read"}');
SELECT syncup_map_association('D', 'peer', NULL, 'uid', 'account.uid', 'other', 'account.dn', 'peer', 'account', 'other', '{"source": "public.peers_read", "match2": "dn"}');
SELECT syncup_create_resource_type('D', 'person', 'account', '{"review": false, "limits": {"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0},
	"fulfill": {"kind": "ldap", "server": "dir", "object_class": ["inetOrgPerson"], "retry_delay": "0", "timeout": "5 s", "retries": 20, "password": "public.secret", "links": {"peer": {"attribute": "seeAlso"}}}}');
SELECT syncup_define_correlation('D', \$q\$'p' || o.id\$q\$, 'a.uid'), syncup_define_type_rule('D', 'NOT o.gone'), syncup_define_scalar_rule('D', 'uid', \$q\$'p' || o.id\$q\$),
	syncup_define_scalar_rule('D', 'dn', \$q\$'cn=' || syncup_format(o.name, 'dn') || ',ou=people,$base'\$q\$), syncup_define_scalar_rule('D', 'cn', 'o.name'),
	syncup_define_scalar_rule('D', 'sn', \$q\$'x'\$q\$), syncup_define_scalar_rule('D', 'description', 'o.note');
SQL
	# killed while entries are made: brought to the end, nobody twice
	order();
	gate(30_000);
	my $session = begin('CALL syncup_fulfill()');
	ok(wait_until(sub { entries() =~ tr/\n// > 20 }), 'killed: some entries are made');
	kill_fulfilling();
	end($session);
	gate();
	cmp_ok(entries() =~ tr/\n//, '<', 250, 'killed: not all');
	sql('CALL syncup_fulfill()');
	is(states(), 'executed 250', 'killed: all orders are carried out afterwards');
	is(entries(), should_be(), 'killed: the directory holds what it should');
	read_back();
	is(states(), 'verified 250', 'killed: and is read back');

	# down in the middle of changes
	sql(q(UPDATE person SET note = 'second'));
	order();
	gate(30_000);
	$session = begin('CALL syncup_fulfill()');
	ok(wait_until(sub { entries() =~ /second/ }), 'down: some entries are changed');
	$directory->stop;
	end($session);
	gate();
	like(states(), qr/errored \d+/, 'down: orders have errored');
	$directory->start;
	unlike(entries(), qr/first; second/, 'down: no value is there beside the other');
	like(entries(), qr/first/, 'down: not all were changed');
	sql('CALL syncup_fulfill()') for 1 .. 3;
	is(entries(), should_be(), 'down: all are, once it is back');
	read_back();
	is(states(), 'verified 500', 'down: and are read back');

	# too much
	sql(q(UPDATE person SET gone = true WHERE id > 50));
	order();
	sql('CALL syncup_fulfill()');
	is(states(), 'blocked 200, verified 500', '200 deletions: blocked');
	is(entries() =~ tr/\n//, 250, '200 deletions: nobody has gone');
	sql(q(SELECT syncup_decline_orders(generation, 'a mistake') FROM syncup.provisioning_order WHERE state = 'blocked' GROUP BY generation; UPDATE person SET gone = false));
	order();
	sql('CALL syncup_fulfill()');
	is(entries(), should_be(), '200 deletions: declined, nothing is asked again');
	sql(q(DELETE FROM syncup.provisioning_order; DELETE FROM person WHERE id > 12));
	$directory->change(join '', map { "dn: cn=Person $_,ou=people,$base\nchangetype: delete\n\n" } 13 .. 250);
	read_back();

	# names that are hard to write: made by renaming, and there again when they go
	my @hard = ('Smith, John', 'a+b=c', '#lead', ' begins', 'ends ', 'quo"te', 'back\\slash', 'semi;colon', '<angle>', 'Zoë Ünï', '*)(uid=*', "tab\tnull");
	sql(join '', map { my $n = $hard[ $_ - 1 ] =~ s/'/''/gr; "UPDATE person SET name = '$n' WHERE id = $_;\n" } 1 .. 12);
	order();
	sql('CALL syncup_fulfill()');
	is(errors(), '', 'hard names: none is refused');
	my $hard = join '', sort map { "p$_ | $hard[$_ - 1] | second | \n" } 1 .. 12;
	is(entries(), $hard, 'hard names: entries are called so');
	read_back();
	is(sql(q(SELECT count(*) FROM syncup.provisioning_order WHERE state <> 'verified')), '0', 'hard names: and are read back');
	sql(q(UPDATE person SET name = 'zoë ünï' WHERE id = 10));
	order();
	sql('CALL syncup_fulfill()');
	like(entries(), qr/^p10 \| zoë ünï/m, 'hard names: other letters are another name');
	sql(q(UPDATE person SET name = 'Zoë Ünï' WHERE id = 10));
	read_back();
	sql('CALL syncup_fulfill()');
	read_back();

	# one value is refused: that order alone, with the directory's words
	sql(q(SELECT syncup_define_scalar_rule('D', 'manager', $$CASE o.id WHEN 2 THEN 'no name' END$$); UPDATE person SET note = 'third' WHERE id < 4));
	order();
	sql('CALL syncup_fulfill()');
	like(errors(), qr/\Ap2: Invalid syntax: manager: value #0 invalid per syntax\z/, 'refused: that order alone, with its words');
	is(join(',', map { (split / \| /)[2] } grep { /^p[123] / } split /\n/, entries()), 'third,second,third', 'refused: the others are done');
	sql(q(SELECT syncup_drop_rule('scalar D.manager'); UPDATE person SET note = 'second' WHERE id = 2));
	read_back();

	# done, and not read back yet: what is wished now goes on from there, also where the entry has got another name; not from what somebody else has written
	sql(q(UPDATE person SET name = 'Once ' || id, note = 'once' WHERE id IN (8, 10, 11, 12)));
	order();
	sql('CALL syncup_fulfill()');
	$directory->change("dn: cn=Once 10,ou=people,$base\nchangetype: modify\nreplace: description\ndescription: theirs\n\n");
	sql(q(UPDATE person SET note = 'twice', name = CASE WHEN id < 11 THEN 'Twice ' || id ELSE name END, gone = id = 12 WHERE id IN (8, 10, 11, 12)));
	order();
	sql('CALL syncup_fulfill()');
	my $four = sub { return join ', ', grep { /^p(8|10|11|12) / } split /\n/, entries() };
	is($four->(), 'p10 | Once 10 | theirs | , p11 | Once 11 | twice | , p8 | Twice 8 | twice | ', 'not read back yet: what we wrote ourselves is no change since');
	is(errors(), 'p10: description has changed since: it was second, it is theirs, it is to be twice', 'not read back yet: what somebody else wrote is');
	$directory->change("dn: cn=Once 10,ou=people,$base\nchangetype: modify\nreplace: description\ndescription: once\n\n");
	sql('CALL syncup_fulfill()');
	is($four->(), 'p10 | Twice 10 | twice | , p11 | Once 11 | twice | , p8 | Twice 8 | twice | ', 'not read back yet: until he has put it back');
	read_back();
	is(sql(q(SELECT count(*) FROM syncup.assignment WHERE provisioning_state <> 'verified' OR workflow_state IS NOT NULL)), '0', 'not read back yet: then it is as wished');

	# others write, too. Another entry has the name by which one was read: neither renamed, nor changed, nor deleted
	sql(q(UPDATE person SET name = 'New Name', note = 'fourth' WHERE id = 9; UPDATE person SET gone = true WHERE id = 7; UPDATE person SET name = 'Taken', note = 'fourth' WHERE id = 5));
	order();
	my $another = "changetype: delete\n\ndn: %s,ou=people,$base\nobjectClass: inetOrgPerson\ncn: %s\nsn: x\nuid: %s\ndescription: second\n\n";
	$directory->change("dn: cn=\\<angle\\>,ou=people,$base\n" . sprintf($another, 'cn=\\<angle\\>', '<angle>', 'stranger')
		. "dn: cn=back\\\\slash,ou=people,$base\n" . sprintf($another, 'cn=back\\\\slash', 'back\\slash', 'other')
		. "dn: cn=Taken,ou=people,$base\nobjectClass: inetOrgPerson\ncn: Taken\nsn: x\nuid: third\n\n");
	my $before = entries();
	sql('CALL syncup_fulfill()');
	is(entries(), $before, 'several writers: strangers are left alone');
	is(errors(), "p5: Already exists\np7: uid has changed since: it was p7, it is other\np9: uid has changed since: it was p9, it is stranger, it is to be p9" =~ s/, it is to be p9//r, 'several writers: the orders say why');
	# a new account under a name that is there
	sql(q(INSERT INTO person VALUES (20, 'Taken', 'mine')));
	order();
	sql('CALL syncup_fulfill()');
	is(entries(), $before, 'several writers: an entry of the name is not taken over');
	like(sql(q(SELECT error FROM syncup.provisioning_order WHERE owner_key = '20')), qr/an entry of this name is there already, with other values/, 'several writers: nor is it silently');

	# links of many values: those alone that come and go
	sql(q(UPDATE person SET gone = id > 4, note = 'second'; DELETE FROM syncup.provisioning_order));
	$directory->change(join '', map { "dn: $_,ou=people,$base\nchangetype: delete\n\n" } 'cn=\\<angle\\>', 'cn=back\\\\slash', 'cn=Taken');
	sql(qq(SELECT syncup_define_navigation_rule('D', 'peer', 'SELECT a.uid FROM public.account a WHERE o.id = 1 AND a.uid = ''p2''')));
	sql(q(DELETE FROM person WHERE gone));
	read_back();
	sql('CALL syncup_fulfill()');
	read_back();
	my $one = sub { return (grep { /^p1 / } split /\n/, entries())[0] =~ s/.* \| //r };
	my @name = map { "cn=$_,ou=people,$base" } 'a\\2Bb\\3Dc', '\\23lead';
	is($one->(), $name[0], 'links: one is made');
	$directory->change("dn: cn=Smith\\, John,ou=people,$base\nchangetype: modify\nadd: seeAlso\nseeAlso: cn=\\\\ begins,ou=people,$base\n\n" =~ s/\\\\ begins/\\20begins/r);
	read_back();
	sql(q(SELECT syncup_drop_rule('navigation D.peer'); SELECT syncup_define_navigation_rule('D', 'peer', 'SELECT a.uid FROM public.account a WHERE o.id = 1 AND a.uid = ''p3''')));
	order();
	sql('CALL syncup_fulfill()');
	like($one->(), qr/begins/, 'links: what somebody else has added stays');
	like($one->(), qr/lead/, 'links: what is wished comes');
	is(errors(), '', 'links: without an error');

	# more than a connection takes at once: requests wait for each other
	sql(q(DELETE FROM person; SELECT syncup_drop_rule('navigation D.peer'); DELETE FROM syncup.provisioning_order; INSERT INTO person SELECT n, 'Big ' || n, repeat(chr(n - 4), 1000000) FROM generate_series(101, 122) n));
	sql(q(SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders(NULL, true); CALL syncup_fulfill()));
	is(states(), 'executed 22', 'large values: no order errs');
	ok(join('', map { "$_\n" } grep { / \| Big / } split /\n/, entries()) eq should_be(), 'large values: all are there');

	# many orders are under way at the same time, but for those that others need: a tree is made from its root
	sql(<<SQL);
SELECT syncup_drop_resource_type('D');
CREATE TABLE unit (id int PRIMARY KEY, name text, above int);
INSERT INTO unit SELECT n, 'Unit ' || n, CASE WHEN n >= 141 THEN 102 WHEN n >= 104 THEN 100 + (n - 101) / 3 END FROM generate_series(101, 220) n;
CREATE FUNCTION path(unit) RETURNS text LANGUAGE sql STABLE AS \$q\$ SELECT 'OU=' || \$1.name || ', ' || coalesce((SELECT replace(public.path(u), 'OU=', 'ou = ') FROM public.unit u WHERE u.id = \$1.above), 'ou=groups,$base') \$q\$;
CREATE TABLE unit_entry (id text PRIMARY KEY, dn text, ou text);
SELECT syncup_create_resource_type('U', 'unit', 'unit_entry', '{"review": false, "fulfill": {"kind": "ldap", "server": "dir", "object_class": ["organizationalUnit"], "attributes": {"id": "postalCode"}}}');
SELECT syncup_define_correlation('U', 'o.id::text', 'a.id'), syncup_define_type_rule('U'), syncup_define_scalar_rule('U', 'id', 'o.id::text'), syncup_define_scalar_rule('U', 'ou', 'o.name'),
	syncup_define_scalar_rule('U', 'dn', 'public.path(o)');
SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders(NULL, true); CALL syncup_fulfill();
SQL
	is(states(), 'executed 120', 'a tree: each has what it lies in');
	my $units = sub { return join ' ', sort map { /^postalCode: (\d+)/ ? $1 : () } split /\n/, $directory->search('-b', "ou=groups,$base", $_[0], 'postalCode') };
	is($units->('(postalCode=*)'), join(' ', 101 .. 220), 'a tree: all are made');
	# a name is free when the one before has left it
	sql(<<'SQL');
INSERT INTO unit_entry SELECT v.* FROM syncup.provisioning_order o, jsonb_populate_record(NULL::unit_entry, o.document -> 'Changes') v;
SELECT * FROM syncup_compute_correlation_keys(); SELECT * FROM syncup_compute_role_model();
UPDATE unit SET name = CASE id WHEN 141 THEN 'Unit new' ELSE 'Unit ' || id - 1 END WHERE id > 140;
SELECT * FROM syncup_compute_role_model(); SELECT * FROM syncup_generate_provisioning_orders(NULL, true); CALL syncup_fulfill();
SQL
	is(errors(), '', 'renamed in a row: each after the one before');
	is($units->('(&(ou=Unit 219)(postalCode=*))'), '220', 'renamed in a row: the last one');
	$directory->stop;
	return;
}

$node->stop;
done_testing();
