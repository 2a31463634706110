# Random histories of links against an oracle: what link tables, link columns and
# orphans must be is computed once more by plain SQL from the rows of the files that
# were applied last, and compared after every step, in both directions.
#
#   SEED=n         begins with the history of that seed (printed on failure)
#   SECONDS=40     as long; the history under way is finished
#   HISTORIES=n    as many, whatever the time
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Storable qw(dclone);
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $seconds = $ENV{SECONDS} // 40;
my $histories = $ENV{HISTORIES};

my $node = PostgreSQL::Test::Cluster->new('links');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nstatement_timeout = '60s'\n");
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;

my ($seed, $step, @story, %set);

# What the systems hold now, by entity type: key => { dn, login, manager }; pairs
# by association: "v1\tv2" => 1, or for heads group => login. Of HR only persons.
my $source;

# The same as it was applied, and as the batches that wait will make it; HR's is
# applied at once.
my ($applied, $prepared, @queue);

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }
sub dn { return name('d' . int(rand 30)) }

# A name as the systems write it, and as a file may write it where capitals and
# blanks do not matter.
sub name { return ($set{match} eq 'dn' ? 'cn=' : '') . $_[0] }

sub spelled
{
	my ($name) = @_;
	return $name if $set{match} eq '' || $name !~ /d\d/ || chance(0.5);
	return uc $name if $set{match} eq 'ignore_case' || chance(0.4);
	return chance(0.5) ? ucfirst $name : $name =~ s/=/ = /r;
}

sub spelled_row { return join ',', map { spelled($_) } split /,/, $_[0], -1 }

sub note_step
{
	push @story, "step $step: $_[0]";
	return;
}

sub fail_history
{
	my ($what) = @_;
	diag map { "$_\n" } (@story > 15 ? @story[ -15 .. -1 ] : @story), $what;
	diag "SEED=$seed: step $step failed";
	if ($ENV{DEBUG})
	{
		my ($out, $err) = ('', '');
		$node->psql('postgres', $ENV{DEBUG}, stdout => \$out, stderr => \$err);
		diag "$out\n$err";
	}
	fail("history of seed $seed");
	$node->stop('immediate');
	done_testing();
	exit 1;
}

# Runs statements; the result without trailing newline. A failure ends the test,
# unless it may fail: then the result is undef.
sub sql
{
	my ($sql, $may_fail) = @_;
	my ($out, $err) = ('', '');
	my $code = $node->psql('postgres', $sql, stdout => \$out, stderr => \$err, on_error_stop => 1);
	return if $may_fail && $code != 0;
	fail_history("$sql\nfails:\n$err") if $code != 0;
	return $out;
}

# ---------- files ----------

sub write_file
{
	my ($name, $header, @rows) = @_;
	open my $file, '>', "$folder/$name" or die "$name: $!";
	print $file "$header\n", map { "$_\n" } @rows;
	close $file or die "$name: $!";
	return;
}

sub shuffled
{
	my @list = @_;
	for my $i (reverse 1 .. $#list)
	{
		my $j = int rand($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

sub pairs
{
	my ($of) = @_;
	return map { tr/\t/,/r } sort keys %$of;
}

# The changes between two sets of pairs, as a file of changes says them.
sub pair_changes
{
	my ($old, $new) = @_;
	my @rows = ((map { 'delete,' . spelled_row($_) } grep { !exists $new->{ tr/,/\t/r } } pairs($old)),
		(map { pick('insert', 'add', 'merge') . ',' . spelled_row($_) } grep { !exists $old->{ tr/,/\t/r } } pairs($new)));
	push @rows, 'delete,d1,nothing', 'insert,,d1' if chance(0.3);
	return shuffled(@rows);
}

# The same of links with a role and a note.
sub role_changes
{
	my ($old, $new) = @_;
	my $row = sub { my ($of, $pair, $empty) = @_; return spelled_row($pair =~ tr/\t/,/r) . ',' . ($of->{$pair} eq '' ? $empty : $of->{$pair}) };
	my @rows = ((map { 'delete,' . $row->($old, $_, '') } grep { !exists $new->{$_} } sort keys %$old),
		(map { pick('insert', 'merge') . ',' . $row->($new, $_, '') } grep { !exists $old->{$_} } sort keys %$new),
		(map { pick('update', 'merge') . ',' . $row->($new, $_, 'NULL_NULL') } grep { exists $old->{$_} && $old->{$_} ne $new->{$_} } sort keys %$new));
	return shuffled(@rows);
}

# The same of heads, by group.
sub head_changes
{
	my ($old, $new) = @_;
	my @rows = ((map { "delete,," . $_ } grep { !exists $new->{$_} } sort keys %$old),
		(map { pick('insert', 'update', 'merge') . ",$new->{$_},$_" } grep { ($old->{$_} // '') ne $new->{$_} } sort keys %$new));
	return shuffled(@rows);
}

sub export_files
{
	my ($mode) = @_;
	my $users = $source->{user};
	my $nested = {};
	push @{ $nested->{ (split /\t/)[0] } }, (split /\t/)[1] for sort keys %{ $source->{nested} };
	write_file('users.csv', 'uid,dn,login,manager', shuffled(map { join ',', $_, map { $_ // '' } $users->{$_}{dn}, $users->{$_}{login}, defined $users->{$_}{manager} ? spelled($users->{$_}{manager}) : undef } sort keys %$users));
	write_file('groups.csv', 'gid,dn', shuffled(map { "$_,$source->{group}{$_}{dn}" } sort keys %{ $source->{group} }));
	# what is given twice, and what is no pair
	my @members = map { spelled_row($_) } shuffled(pairs($source->{members}));
	push @members, pick(@members), ',d1', 'd1,' if @members && chance(0.3);
	push @members, map { spelled_row($_) } pairs($source->{members}) if !$set{changes} && chance(0.3);
	write_file('members.csv', 'group,member', @members);
	write_file('more.csv', 'group,member', map { spelled_row($_) } shuffled(pairs($source->{more})));
	write_file('roles.csv', 'group,member,role,note', map { spelled_row(tr/\t/,/r) . ",$source->{roles}{$_}" } shuffled(sort keys %{ $source->{roles} }));
	my @heads = shuffled(map { "$source->{heads}{$_},$_" } sort keys %{ $source->{heads} });
	push @heads, 'other,' . (split /,/, pick(@heads))[1] if @heads && chance(0.3);
	write_file('heads.csv', 'head,gid', @heads);
	write_file('nested.csv', 'group,parts', map { spelled($_) . ',' . join '|', shuffled((map { spelled($_) } @{ $nested->{$_} }), chance(0.2) ? '' : ()) } shuffled(sort keys %$nested));
	write_file('owners.csv', 'uid,gid', shuffled(pairs($source->{owners})));
	write_file('accounts.csv', 'number,dn', map { spelled_row($_) } shuffled(pairs($source->{accounts})));
	if ($mode eq 'incremental' && $set{changes})
	{
		write_file('members.delta.csv', 'command,group,member', pair_changes($prepared->{members}, $source->{members}));
		write_file('roles.delta.csv', 'command,group,member,role,note', role_changes($prepared->{roles}, $source->{roles}));
		write_file('heads.delta.csv', 'command,head,gid', head_changes($prepared->{heads}, $source->{heads}));
	}
	return;
}

# ---------- the systems ----------

sub new_source
{
	my $new = { map { $_ => {} } qw(user group members more roles nested heads owners accounts person) };
	$new->{user}{$_} = { dn => name("d$_"), login => "l$_" } for 1 .. 8;
	$new->{group}{"g$_"} = { dn => name('d' . (20 + $_)) } for 1 .. 4;
	return $new;
}

# A value for a link: mostly one that is there.
sub some_dn
{
	my ($of) = @_;
	my @known = map { $source->{$of}{$_}{dn} } sort keys %{ $source->{$of} };
	return @known && chance(0.8) ? pick(@known) : dn();
}

sub rename_pairs
{
	my ($old, $new) = @_;
	for my $of (qw(members more roles nested accounts))
	{
		$source->{$of} = { map { join("\t", map { $_ eq $old ? $new : $_ } split /\t/, $_, -1) => $source->{$of}{$_} } sort keys %{ $source->{$of} } };
	}
	for my $user (map { $source->{user}{$_} } sort keys %{ $source->{user} })
	{
		$user->{manager} = $new if ($user->{manager} // '') eq $old;
	}
	return;
}

sub change_source
{
	for (1 .. 1 + int rand 5)
	{
		my $of = pick('user', 'user', 'group');
		my @keys = sort keys %{ $source->{$of} };
		my $choice = rand;
		if ($choice < 0.15)
		{
			my $key = $of eq 'user' ? 1 + int rand 15 : 'g' . (1 + int rand 8);
			$source->{$of}{$key} //= { dn => dn(), login => "l$key" };
		}
		elsif ($choice < 0.27 && @keys > 1) { delete $source->{$of}{ pick(@keys) } }
		elsif ($choice < 0.42 && @keys)
		{
			# a new name, with or without the pairs
			my $row = $source->{$of}{ pick(@keys) };
			my ($old, $new) = ($row->{dn}, dn());
			$row->{dn} = $new;
			rename_pairs($old, $new) if chance(0.6);
		}
		elsif ($choice < 0.50 && @keys > 1)
		{
			# two rows swap their names
			my ($x, $y) = map { $source->{$of}{$_} } (shuffled(@keys))[ 0, 1 ];
			for my $property (grep { exists $x->{$_} } qw(dn login))
			{
				($x->{$property}, $y->{$property}) = ($y->{$property}, $x->{$property});
			}
		}
		elsif ($choice < 0.62 && @keys && $of eq 'user') { $source->{user}{ pick(@keys) }{manager} = chance(0.8) ? some_dn('user') : undef }
		elsif ($choice < 0.67) { $source->{members}{ some_dn('group') . "\t" . some_dn(chance(0.8) ? 'user' : 'group') } = 1 }
		elsif ($choice < 0.69) { $source->{more}{ chance(0.5) && %{ $source->{members} } ? pick(sort keys %{ $source->{members} }) : some_dn('group') . "\t" . some_dn('user') } = 1 }
		elsif ($choice < 0.72) { $source->{roles}{ join "\t", some_dn('group'), some_dn('user'), pick('', 1, 2) } = pick('', 'x', 'y') for 1 .. 2 }
		elsif ($choice < 0.78) { $source->{nested}{ some_dn('group') . "\t" . some_dn('group') } = 1 }
		elsif ($choice < 0.84) { $source->{heads}{ 'g' . (1 + int rand 8) } = 'l' . (1 + int rand 15) }
		elsif ($choice < 0.90) { $source->{owners}{ (1 + int rand 15) . "\tg" . (1 + int rand 8) } = 1 }
		elsif ($choice < 0.94) { $source->{accounts}{ (1 + int rand 9) . "\t" . some_dn('user') } = 1 }
		else
		{
			my $set = $source->{ pick(qw(members more roles nested heads owners accounts)) };
			delete $set->{$_} for grep { chance(0.4) } sort keys %$set;
		}
	}
	return;
}

# ---------- what must be ----------

sub literal { return defined $_[0] ? "'$_[0]'" : 'NULL' }

sub values_list
{
	my ($columns, @rows) = @_;
	return "SELECT " . join(', ', map { 'NULL::text' } 1 .. $columns) . ' WHERE false' if !@rows;
	return 'VALUES ' . join ', ', map { '(' . join(', ', map { literal($_) } @$_) . ')' } @rows;
}

# Puts a state of the systems into tables of the schema model.
sub model_sql
{
	my ($state) = @_;
	my $users = $state->{user};
	my %rows = (
		'users (uid, dn, login, manager)' => [ map { [ $_, @{ $users->{$_} }{qw(dn login manager)} ] } sort keys %$users ],
		'groups (gid, dn)' => [ map { [ $_, $state->{group}{$_}{dn} ] } sort keys %{ $state->{group} } ],
		'persons (number)' => [ map { [$_] } sort keys %{ $state->{person} } ],
		'heads (v1, v2)' => [ map { [ $state->{heads}{$_}, $_ ] } sort keys %{ $state->{heads} } ]);
	$rows{"$_ (v1, v2)"} = [ map { [ split /\t/ ] } sort keys %{ $state->{$_} } ] for qw(members more nested owners accounts);
	$rows{'roles (v1, v2, role, note)'} = [ map { [ (map { $_ eq '' ? undef : $_ } split /\t/, $_, -1), $state->{roles}{$_} eq '' ? undef : $state->{roles}{$_} ] } sort keys %{ $state->{roles} } ];
	my $sql = "DROP SCHEMA IF EXISTS model CASCADE; CREATE SCHEMA model;\n";
	for my $table (sort keys %rows)
	{
		my $columns = () = $table =~ /,|\)/g;
		$sql .= "CREATE TABLE model.$table AS " . values_list($columns, @{ $rows{$table} }) . ";\n";
	}
	return $sql;
}

# A value means the only row that has it. Association, pairs, sides, links stored.
# What another reading of the same columns finds is no orphan.
my $compare = <<'SQL';
CREATE FUNCTION model.norm(v text) RETURNS text LANGUAGE sql AS $$ SELECT lower(replace(v, ' ', '')) $$;
CREATE VIEW model.dn_user AS SELECT dn AS v, min(uid) AS k FROM model.users GROUP BY dn HAVING count(*) = 1;
CREATE VIEW model.login_user AS SELECT login AS v, min(uid) AS k FROM model.users GROUP BY login HAVING count(*) = 1;
CREATE VIEW model.dn_group AS SELECT dn AS v, min(gid) AS k FROM model.groups GROUP BY dn HAVING count(*) = 1;
CREATE VIEW model.expected AS
SELECT 'manager' AS of, u.uid AS v1, u.manager AS v2, u.uid AS k1, b.k AS k2 FROM model.users u LEFT JOIN model.dn_user b ON b.v = u.manager WHERE u.manager IS NOT NULL
UNION ALL SELECT 'members', p.v1, p.v2, a.k, b.k FROM model.members p LEFT JOIN model.dn_group a ON a.v = p.v1 LEFT JOIN model.dn_user b ON b.v = p.v2
UNION ALL SELECT 'nested', p.v1, p.v2, a.k, b.k FROM model.nested p LEFT JOIN model.dn_group a ON a.v = p.v1 LEFT JOIN model.dn_group b ON b.v = p.v2
UNION ALL SELECT 'heads', p.v1, p.v2, a.k, b.gid FROM model.heads p LEFT JOIN model.login_user a ON a.v = p.v1 LEFT JOIN model.groups b ON b.gid = p.v2
UNION ALL SELECT 'owners', p.v1, p.v2, a.uid, b.gid FROM model.owners p LEFT JOIN model.users a ON a.uid = p.v1 LEFT JOIN model.groups b ON b.gid = p.v2
UNION ALL SELECT 'accounts', p.v1, p.v2, a.number, b.k FROM model.accounts p LEFT JOIN model.persons a ON a.number = p.v1 LEFT JOIN model.dn_user b ON b.v = p.v2;
CREATE VIEW model.all AS
SELECT of, v1, v2, k1, k2, NULL::text AS twin FROM model.expected WHERE of <> 'members'
UNION ALL SELECT e.of, e.v1, e.v2, e.k1, e.k2, b.k FROM model.expected e LEFT JOIN model.dn_group b ON b.v = e.v2 WHERE of = 'members'
UNION ALL SELECT 'subs', e.v1, e.v2, e.k1, b.k, e.k2 FROM model.expected e LEFT JOIN model.dn_group b ON b.v = e.v2 WHERE of = 'members'
UNION ALL SELECT 'more', p.v1, p.v2, a.k, b.k, NULL FROM model.more p LEFT JOIN model.dn_group a ON a.v = p.v1 LEFT JOIN model.dn_user b ON b.v = p.v2
UNION ALL SELECT 'roles', p.v1, p.v2, a.k, concat_ws('/', b.k, coalesce(p.role, '-'), coalesce(p.note, '-')), b.k FROM model.roles p LEFT JOIN model.dn_group a ON a.v = p.v1 LEFT JOIN model.dn_user b ON b.v = p.v2;
CREATE VIEW model.links AS
SELECT DISTINCT CASE of WHEN 'more' THEN 'members' ELSE of END AS of, k1, k2 FROM model.all
WHERE k1 IS NOT NULL AND k2 IS NOT NULL AND NOT (of = 'roles' AND twin IS NULL);
CREATE VIEW model.orphans AS
SELECT of, v1, v2 FROM model.all WHERE CASE of WHEN 'roles' THEN k1 IS NULL OR twin IS NULL
	WHEN 'members' THEN k1 IS NULL OR k2 IS NULL AND twin IS NULL WHEN 'subs' THEN k1 IS NULL OR k2 IS NULL AND twin IS NULL ELSE k1 IS NULL OR k2 IS NULL END;
CREATE VIEW model.stored AS
SELECT 'manager' AS of, uid::text AS k1, manager::text AS k2 FROM target.users WHERE manager IS NOT NULL
UNION ALL SELECT 'members', grp, member::text FROM target.members
UNION ALL SELECT 'nested', grp, part FROM target.nested
UNION ALL SELECT 'heads', u.uid::text, g.gid FROM target.groups g LEFT JOIN target.users u ON u.id = g.head WHERE g.head IS NOT NULL
UNION ALL SELECT 'owners', u.uid::text, g.gid FROM target.owners o LEFT JOIN target.users u ON u.id = o.owner LEFT JOIN target.groups g ON g.id = o.grp
UNION ALL SELECT 'accounts', person::text, account::text FROM target.accounts
UNION ALL SELECT 'subs', grp, part FROM target.subs
UNION ALL SELECT 'roles', grp, concat_ws('/', member, coalesce(role::text, '-'), coalesce(note, '-')) FROM target.roles;
(SELECT 'missing', of, k1, k2 FROM model.links EXCEPT ALL SELECT 'missing', * FROM model.stored)
UNION ALL (SELECT 'too much', * FROM model.stored EXCEPT ALL SELECT 'too much', of, k1, k2 FROM model.links)
UNION ALL (SELECT 'no orphan', of, v1, v2 FROM model.orphans EXCEPT ALL SELECT 'no orphan', mapping, model.norm(value1), model.norm(value2) FROM syncup.orphan)
UNION ALL (SELECT 'orphan', mapping, model.norm(value1), model.norm(value2) FROM syncup.orphan EXCEPT ALL SELECT 'orphan', of, v1, v2 FROM model.orphans)
UNION ALL SELECT 'rewritten', r.of, r.row, NULL FROM model_versions.rows r JOIN model_versions.now n USING (of, row) WHERE n.version <> r.version
UNION ALL (SELECT 'user', uid, NULL, NULL FROM model.users EXCEPT ALL SELECT 'user', uid::text, NULL, NULL FROM target.users)
UNION ALL (SELECT 'group', gid, NULL, NULL FROM model.groups EXCEPT ALL SELECT 'group', gid, NULL, NULL FROM target.groups)
ORDER BY 1, 2, 3, 4
SQL

# Where each row of the targets lies, so that none is written that stays the same.
my $versions = <<'SQL';
CREATE SCHEMA model_versions;
CREATE VIEW model_versions.now AS
SELECT 'users' AS of, t::text AS row, t.ctid AS version FROM target.users t
UNION ALL SELECT 'groups', t::text, t.ctid FROM target.groups t
UNION ALL SELECT 'members', t::text, t.ctid FROM target.members t
UNION ALL SELECT 'nested', t::text, t.ctid FROM target.nested t
UNION ALL SELECT 'owners', t::text, t.ctid FROM target.owners t
UNION ALL SELECT 'accounts', t::text, t.ctid FROM target.accounts t
UNION ALL SELECT 'subs', t::text, t.ctid FROM target.subs t
UNION ALL SELECT 'roles', t::text, t.ctid FROM target.roles t;
CREATE TABLE model_versions.rows AS SELECT * FROM model_versions.now;
SQL

sub remember_versions
{
	sql('TRUNCATE model_versions.rows; INSERT INTO model_versions.rows SELECT * FROM model_versions.now');
	return;
}

# Compares the database with what was applied.
sub compare
{
	my $sql = $compare;
	# a pair may be given in several spellings
	$sql =~ s/'(no orphan|orphan)'(.*?) EXCEPT ALL/'$1'$2 EXCEPT/g if $set{match} ne '';
	my $differences = sql(model_sql($applied) . $sql);
	fail_history("differences:\n$differences") if $differences ne '';
	return;
}

# ---------- steps ----------

sub begin_history
{
	($seed) = @_;
	srand $seed;
	$step = 0;
	@story = ();
	@queue = ();
	%set = (
		reference => pick('', 'REFERENCES', 'REFERENCES DEFERRABLE', 'REFERENCES DEFERRED'),
		changes => chance(0.4), match => pick('', '', 'ignore_case', 'dn'));
	my $ref = sub {
		my ($to) = @_;
		return '' if $set{reference} eq '';
		return "REFERENCES $to" . ($set{reference} =~ /DEFERRABLE/ ? ' DEFERRABLE' : $set{reference} =~ /DEFERRED/ ? ' DEFERRABLE INITIALLY DEFERRED' : '');
	};
	my $primary = chance(0.8) ? 'PRIMARY KEY' : 'UNIQUE';
	# options of an association, by its sides that names are compared of and its file of changes
	my $options = sub {
		my ($sides, $file, @more) = @_;
		push @more, map { "\"match$_\": \"$set{match}\"" } @$sides if $set{match} ne '';
		push @more, "\"command_column\": \"command\", \"incremental_file\": \"$file.delta.csv\"" if $set{changes} && defined $file;
		return ", options => '{" . join(', ', @more) . "}'";
	};
	note_step("seed $seed: " . join ', ', map { "$_=" . ($set{$_} || 0) } sort keys %set);
	sql(<<SQL . $versions);
SET client_min_messages = warning;
DROP EXTENSION IF EXISTS syncup CASCADE;
DROP SCHEMA IF EXISTS target, model, model_versions CASCADE;
CREATE EXTENSION syncup;
CREATE SCHEMA target;
CREATE TABLE target.users (uid int PRIMARY KEY, login text, id bigint GENERATED ALWAYS AS IDENTITY UNIQUE);
ALTER TABLE target.users ADD manager int ${\$ref->('target.users')};
CREATE TABLE target.groups (gid text PRIMARY KEY, id int NOT NULL GENERATED BY DEFAULT AS IDENTITY UNIQUE,
	head bigint ${\$ref->('target.users (id)')});
CREATE TABLE target.persons (number int PRIMARY KEY);
CREATE TABLE target.members (grp text ${\$ref->('target.groups')}, member int ${\$ref->('target.users')}, since timestamptz DEFAULT clock_timestamp(), $primary (grp, member));
CREATE TABLE target.subs (grp text ${\$ref->('target.groups')}, part text ${\$ref->('target.groups')}, $primary (grp, part));
CREATE TABLE target.roles (grp text ${\$ref->('target.groups')}, member int ${\$ref->('target.users')}, role int, note text);
CREATE UNIQUE INDEX ON target.roles (grp, member, coalesce(role, 0));
CREATE TABLE target.nested (grp text ${\$ref->('target.groups')}, part text ${\$ref->('target.groups')}, $primary (grp, part));
CREATE TABLE target.owners (owner bigint ${\$ref->('target.users (id)')}, grp int ${\$ref->('target.groups (id)')}, $primary (owner, grp));
CREATE TABLE target.accounts (person int, account int ${\$ref->('target.users')}, $primary (person, account));
SELECT syncup_create_connector('A', '$folder');
SELECT syncup_create_connector('HR', '$folder');
SELECT syncup_map_entity_type('HR', 'person', 'target.persons', 'persons.csv', 'number', '{"number": "number"}');
SELECT syncup_map_entity_type('A', 'user', 'target.users', 'users.csv', 'uid', '{"uid": "uid"}', '{dn,login}');
SELECT syncup_map_entity_type('A', 'group', 'target.groups', 'groups.csv', 'gid', '{"gid": "gid"}', '{dn}');
SELECT syncup_map_association('A', 'manager', 'users.csv', 'uid', 'user.uid', 'manager', 'user.dn', 'target.users', target_column2 => 'manager'${\$options->([2])});
SELECT syncup_map_association('A', 'members', 'members.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.members', 'grp', 'member'${\$options->([1, 2], 'members')});
SELECT syncup_map_association('A', 'more', 'more.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.members', 'grp', 'member'${\$options->([1, 2])});
SELECT syncup_map_association('A', 'subs', 'members.csv', 'group', 'group.dn', 'member', 'group.dn', 'target.subs', 'grp', 'part'${\$options->([1, 2], 'members')});
SELECT syncup_map_association('A', 'roles', 'roles.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.roles', 'grp', 'member'${\$options->([1, 2], 'roles', '"columns": {"role": "role", "note": "note"}, "link_key": ["role"]')});
SELECT syncup_map_association('A', 'nested', 'nested.csv', 'group', 'group.dn', 'parts', 'group.dn', 'target.nested', 'grp', 'part'${\$options->([1, 2], undef, '"split": "|"')});
SELECT syncup_map_association('A', 'heads', 'heads.csv', 'head', 'user.login', 'gid', 'group.gid', 'target.groups', target_column1 => 'head'${\($set{changes} ? ', options => \'{"store1": "id", "command_column": "command", "incremental_file": "heads.delta.csv"}\'' : ', options => \'{"store1": "id"}\'')});
SELECT syncup_map_association('A', 'owners', 'owners.csv', 'uid', 'user.uid', 'gid', 'group.gid', 'target.owners', 'owner', 'grp', '{"store1": "id", "store2": "id"}');
SELECT syncup_map_association('A', 'accounts', 'accounts.csv', 'number', 'HR.person.number', 'dn', 'user.dn', 'target.accounts', 'person', 'account'${\$options->([2])});
SQL
	$source = new_source();
	change_source() for 1 .. 4;
	$applied = { map { $_ => {} } sort keys %$source };
	$prepared = dclone($applied);
	return;
}

# HR is synchronized at once; A's links follow with its next run.
sub run_hr
{
	my @numbers = grep { chance(0.75) } 1 .. 9;
	$source->{person} = { map { $_ => 1 } @numbers };
	write_file('persons.csv', 'number', shuffled(@numbers));
	my $mode = sql("SELECT count(*) FROM syncup.batch WHERE connector = 'HR'") ? 'incremental' : 'initial';
	note_step("HR $mode: @numbers");
	sql("SELECT syncup_prepare('HR', '$mode'); SELECT status FROM syncup_synchronize('HR', true)");
	return;
}

sub prepare
{
	my ($mode) = @_;
	export_files($mode);
	note_step("prepare $mode");
	sql("SELECT syncup_prepare('A', '$mode')");
	@queue = () if $mode eq 'complete';
	$prepared = dclone($source);
	push @queue, { mode => $mode, state => dclone($source) };
	return;
}

# The batches that were applied become the state that is applied.
sub take_results
{
	my (@statuses) = @_;
	for my $status (@statuses)
	{
		fail_history("batch is $status: " . sql("SELECT error FROM syncup.batch WHERE error IS NOT NULL ORDER BY seq DESC LIMIT 1")) if $status eq 'failed';
		if ($status eq 'blocked')
		{
			$queue[0]{blocked} = 1;
			last;
		}
		$applied = (shift @queue)->{state};
	}
	# links between the connectors are those of HR as it was looked at
	$applied = { %$applied, person => dclone($source->{person}) } if @statuses && $statuses[0] eq 'applied';
	return;
}

sub synchronize
{
	my ($force, $keep) = @_;
	my $before = sql('SELECT count(*) FROM model.stored', 1);
	remember_versions();
	my $out = sql("SELECT status, links_inserted - links_deleted FROM syncup_synchronize('A', " . ($force ? 'true' : 'false') . ', ' . ($keep ? 'true' : 'false') . ')');
	my @results = map { [ split /\|/ ] } split /\n/, $out;
	note_step('synchronize: ' . join ', ', map { "$_->[0] $_->[1]" } @results);
	# what one batch writes another may take back
	sql('TRUNCATE model_versions.rows') if @results > 1;
	take_results(map { $_->[0] } @results);
	compare();
	my $change = 0;
	$change += $_->[1] for grep { $_->[0] eq 'applied' } @results;
	my $after = sql('SELECT count(*) FROM model.stored');
	fail_history("links went from $before to $after, counted $change") if defined $before && $before + $change != $after;
	return map { $_->[0] } @results;
}

# Somebody writes links; only a complete run puts that right.
sub drift
{
	note_step('drift');
	sql('SELECT setseed(' . rand() . ");\n" . <<'SQL');
DELETE FROM target.members WHERE random() < 0.2;
DELETE FROM target.owners WHERE random() < 0.2;
DELETE FROM target.roles WHERE random() < 0.2;
UPDATE target.roles SET note = 'mine' WHERE random() < 0.2;
INSERT INTO target.roles (grp, member, role) SELECT gid, uid, 3 FROM target.groups, target.users WHERE random() < 0.1 ON CONFLICT DO NOTHING;
INSERT INTO target.subs (grp, part) SELECT a.gid, b.gid FROM target.groups a, target.groups b WHERE random() < 0.1 ON CONFLICT DO NOTHING;
INSERT INTO target.members (grp, member) SELECT gid, uid FROM target.groups, target.users WHERE random() < 0.1 ON CONFLICT DO NOTHING;
INSERT INTO target.nested (grp, part) SELECT a.gid, b.gid FROM target.groups a, target.groups b WHERE random() < 0.1 ON CONFLICT DO NOTHING;
INSERT INTO target.owners (owner, grp) SELECT u.id, g.id FROM target.groups g, target.users u WHERE random() < 0.1 ON CONFLICT DO NOTHING;
UPDATE target.users SET manager = CASE WHEN random() < 0.5 THEN uid END WHERE random() < 0.3;
UPDATE target.groups SET head = (SELECT min(id) FROM target.users) WHERE random() < 0.3;
SQL
	# and the rows that they lead to, where nothing forbids it
	sql('SELECT setseed(' . rand() . ");\n" . <<'SQL') if $set{reference} eq '';
UPDATE target.users SET id = DEFAULT WHERE random() < 0.1;
UPDATE target.groups SET id = DEFAULT WHERE random() < 0.1;
DELETE FROM target.users WHERE random() < 0.1;
DELETE FROM target.groups WHERE random() < 0.1;
SQL
	return;
}

sub play_step
{
	$step++;
	change_source() if chance(0.85);
	run_hr() if chance(0.2);
	if (@queue && $queue[0]{blocked})
	{
		my $choice = rand;
		if ($choice < 0.6)
		{
			remember_versions();
			my $force = chance(0.3) ? 'true' : 'false';
			my $statuses = sql("SELECT status FROM syncup_resume((SELECT batch FROM syncup.batch WHERE status = 'blocked'), $force)");
			note_step("resume $force: $statuses");
			my $person = dclone($queue[0]{person});
			take_results(split /\n/, $statuses);
			# it was looked up when it blocked
			$applied->{person} = $person if $statuses eq 'applied';
			compare();
		}
		elsif ($choice < 0.8)
		{
			note_step('discard');
			sql("SELECT syncup_discard((SELECT batch FROM syncup.batch WHERE status = 'blocked'))");
			@queue = ();
			$prepared = dclone($applied);
			# files of changes that were declined will not come again
			prepare('complete');
			synchronize(1, 0);
		}
		else
		{
			prepare('complete');
			synchronize(1, 0);
		}
		return;
	}
	my $choice = rand;
	if ($choice < 0.25)
	{
		drift() if chance(0.5) && !@queue;
		prepare('complete');
		synchronize(1, 0);
	}
	elsif ($choice < 0.40)
	{
		# several batches wait
		for (1 .. 1 + int rand 2)
		{
			prepare('incremental');
			change_source();
		}
		synchronize(1, 0) if chance(0.7);
	}
	elsif ($choice < 0.55 && !@queue)
	{
		# kept, and taken back
		my $state = dclone($applied);
		prepare(pick('incremental', 'complete'));
		if ($set{changes} && $queue[-1]{mode} eq 'incremental') { synchronize(1, 1); return }
		synchronize(1, 1);
		note_step('undo');
		sql("SELECT syncup_undo((SELECT batch FROM syncup.batch WHERE connector = 'A' AND status = 'applied' ORDER BY seq DESC LIMIT 1))");
		remember_versions();
		$applied = $state;
		$prepared = dclone($state);
		compare();
	}
	elsif ($choice < 0.65 && !@queue)
	{
		sql(q{SELECT syncup_set_thresholds('A', '{"maximum_link_deleted_lines": 1, "maximum_link_inserted_lines": 0, "max_link_percentage_inserted_lines": 0, "max_link_percentage_deleted_lines": 0,
			"max_percentage_inserted_lines": 0, "max_percentage_deleted_lines": 0, "max_percentage_updated_lines": 0}')});
		prepare('incremental');
		synchronize(0, 0);
		$queue[0]{person} = dclone($source->{person}) if @queue;
	}
	else
	{
		prepare('incremental');
		synchronize(1, 0);
	}
	return;
}

sub play_history
{
	begin_history(@_);
	run_hr() if chance(0.8);
	if (chance(0.6)) { prepare('initial') }
	else { prepare('complete') }
	synchronize(1, 0);
	play_step() for 1 .. 15;
	$step++;
	prepare('complete');
	synchronize(1, 0);
	# the same once more changes nothing
	prepare('complete');
	synchronize(1, 0);
	is(sql("SELECT sum(inserted + updated + deleted) FROM syncup.batch_counter WHERE batch = (SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1)"), '0', "history of seed $seed: $step steps");
	return;
}

note "SEED=$first_seed";
my $end = time + $seconds;
for (my $n = 0; defined $histories ? $n < $histories : $n == 0 || time < $end; $n++)
{
	if (!eval { play_history($first_seed + $n); 1 })
	{
		fail_history("the test itself: $@");
	}
}
$node->stop;
done_testing();
