# The role model against a model of its own: random people, accounts, links, grants and
# decisions. What dirty runs make of them, what complete runs do, and what is said here,
# row by row, is the same; also where two sessions compute at once, and where one is
# killed, or the server with it. SEED=n plays a history again, ROUNDS=n a longer one.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Crash;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} // time ^ $$;
my $rounds = $ENV{ROUNDS} // 10;
diag("SEED=$seed");
srand($seed);

my $node = PostgreSQL::Test::Cluster->new('role_model');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\n");
my $crash = Crash->new($node);
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;
for ([ account => 'guid' ], [ grp => 'cn' ], [ member => 'a,g' ], [ boss => 'a,b' ])
{
	open my $file, '>', "$dir/$_->[0].csv" or die;
	print $file "$_->[1]\n";
	close $file;
}

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

my $review = chance(0.5) ? 1 : 0;
my $allow_remove = chance(0.8) ? 1 : 0;
my $remove_orphans = chance(0.3) ? 1 : 0;
my $setup = <<SQL;
CREATE EXTENSION syncup;
CREATE SCHEMA app;
CREATE TABLE app.person (id int PRIMARY KEY, n text, mail text, dept text, k int, active boolean);
CREATE TABLE app.account (guid text PRIMARY KEY, login text, mail text, title text, boss text);
CREATE TABLE app.grp (cn text PRIMARY KEY);
CREATE TABLE app.member (a text, g text, PRIMARY KEY (a, g));
SELECT syncup_create_connector('D', '$dir');
SELECT syncup_map_entity_type('D', 'account', 'app.account', 'account.csv', 'guid', '{"guid": "guid"}'), syncup_map_entity_type('D', 'grp', 'app.grp', 'grp.csv', 'cn', '{"cn": "cn"}');
SELECT syncup_map_association('D', 'member', 'member.csv', 'a', 'account.guid', 'g', 'grp.cn', 'app.member', 'a', 'g');
SELECT syncup_map_association('D', 'boss', 'boss.csv', 'a', 'account.guid', 'b', 'account.guid', 'app.account', target_column2 => 'boss');
SELECT syncup_create_resource_type('T', 'app.person', 'app.account', jsonb_build_object('active', 'active', 'review', $review = 1, 'allow_remove', $allow_remove = 1, 'remove_orphans', $remove_orphans = 1));
SELECT syncup_define_correlation('T', 'mail', 'mail'), syncup_define_correlation('T', 'n', 'login', 80);
SELECT syncup_define_role('lead', 'app.person', 'k > 7'), syncup_define_role('head', 'app.person', NULL), syncup_define_role('any', 'app.person', 'dept = ''B''', 'head');
SELECT syncup_define_type_rule('T', 'dept <> ''X'''), syncup_define_type_rule('T', '100 / k > 0'), syncup_define_type_rule('T', 'n = ''den''', denied => true);
SELECT syncup_define_scalar_rule('T', 'mail', 'o.mail', '{"compare": "case"}'), syncup_define_scalar_rule('T', 'title', '''lead''', '{"role": "lead"}'),
	syncup_define_scalar_rule('T', 'title', '''T'' || 12 / k', '{"condition": "dept <> ''A''"}'), syncup_define_scalar_rule('T', 'login', 'o.n', '{"mapped": false}');
SELECT syncup_define_navigation_rule('T', 'member', '''all'''), syncup_define_navigation_rule('T', 'member', 'SELECT g.cn FROM app.grp g WHERE g.cn = lower(o.dept)'),
	syncup_define_navigation_rule('T', 'member', '''heads''', role => 'any'), syncup_define_navigation_rule('T', 'member', '''all''', 'n = ''n1''', denied => true),
	syncup_define_navigation_rule('T', 'member', '''k'' || 6 / k', 'dept = ''C'''), syncup_define_navigation_rule('T', 'boss', '''a1''', 'k > 4'),
	syncup_define_navigation_rule('T', 'member', 'SELECT g.cn FROM app.grp g', 'CASE WHEN dept = ''C'' THEN 6 / k > 100 END');
INSERT INTO app.grp VALUES ('all'), ('a'), ('b'), ('c'), ('heads'), ('k1'), ('k2');
SQL
for my $db (qw(complete dirty))
{
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->safe_psql($db, $setup);
}

# ---------- the model ----------

my (%person, %account, %member, %grant);    # the data
my (%own, %row);                            # what follows: account => ownership; place => assignment

sub v { return defined $_[0] ? $_[0] : '~' }
sub same { return v($_[0]) eq v($_[1]) }
sub place { return join '|', map { v($_) } @_ }

sub taken_owners
{
	return map { $own{$_}{owner} => 1 } grep { $own{$_}{state} =~ /correlated|decided/ && $own{$_}{present} && defined $own{$_}{owner} } keys %own;
}

sub match_once
{
	my %taken = taken_owners();
	my %pairs;
	for my $a (keys %account)
	{
		next if $own{$a} && $own{$a}{state} =~ /correlated|decided/;
		for my $p (keys %person)
		{
			next if $taken{$p} || grep { $_ eq $p } @{ $own{$a} ? $own{$a}{rejected} : [] };
			my ($x, $y) = ($person{$p}, $account{$a});
			$pairs{$a}{$p} = v($x->{mail}) =~ /^\s*$|^~$/ || !same($x->{mail}, $y->{mail})
			  ? (v($x->{n}) =~ /^\s*$|^~$/ || !same($x->{n}, $y->{login}) ? next : 80) : 100;
		}
	}
	my %best;
	for my $a (keys %pairs)
	{
		for (values %{ $pairs{$a} }) { $best{a}{$a} = $_ if $_ > ($best{a}{$a} // -1) }
		for my $p (keys %{ $pairs{$a} }) { my $c = $pairs{$a}{$p}; $best{p}{$p} = $c if $c > ($best{p}{$p} // -1) }
	}
	my %found;
	for my $a (keys %pairs)
	{
		my $c = $best{a}{$a};
		my @owners = sort grep { $pairs{$a}{$_} == $c } keys %{ $pairs{$a} };
		my $p = $owners[0];
		my $rivals = grep { ($pairs{$_}{$p} // -1) == $best{p}{$p} } keys %pairs;
		my $rule = $c == 100 ? 'correlation T' : 'correlation T 2';
		my $ambiguous = { state => 'ambiguous', owner => undef, candidates => join(',', @owners) };
		if (@owners > 1) { $found{$a} = $ambiguous }
		elsif ($c == $best{p}{$p} && $rivals == 1) { $found{$a} = { state => $c >= 100 ? 'correlated' : 'suggested', owner => $p, candidates => '' } }
		elsif ($c == $best{p}{$p}) { $found{$a} = $ambiguous }
		else { next }
		@{ $found{$a} }{qw(rule confidence)} = ($rule, $c);
	}
	my $changed = 0;
	for my $a (keys %own)
	{
		next if $own{$a}{state} !~ /suggested|ambiguous/ || $found{$a};
		$changed = 1;
		if (@{ $own{$a}{rejected} }) { $own{$a} = { state => 'rejected', owner => undef, candidates => '', rejected => $own{$a}{rejected}, present => 1 } }
		else { delete $own{$a} }
	}
	for my $a (keys %found)
	{
		my $new = { %{ $found{$a} }, rejected => $own{$a} ? $own{$a}{rejected} : [], present => 1 };
		$changed = 1 if !$own{$a} || place(@{ $own{$a} }{qw(state owner candidates)}) ne place(@$new{qw(state owner candidates)});
		$own{$a} = $new;
	}
	return $changed;
}

sub correlate
{
	for my $a (keys %own)
	{
		if ($own{$a}{state} eq 'decided') { $own{$a}{present} = $account{$a} ? 1 : 0 }
		elsif (!$account{$a}) { delete $own{$a} }
	}
	1 while match_once();
}

# Of an owner: does a role hold?
sub has_role
{
	my ($p, $role) = @_;
	my $x = $person{$p};
	return v($x->{k}) ne '~' && $x->{k} > 7 if $role eq 'lead';
	return $grant{$p} if $role eq 'head';
	return same($x->{dept}, 'B') || $grant{$p};
}

# One assignment: what was written, and what is wished.
sub judge
{
	my ($old, $w) = @_;
	my $x = $old // {};
	my $standing = $old && ($x->{state} eq 'rule error' ? $x->{before} : $x->{state}) // '';
	return { %$x, state => 'rule error', before => $standing } if $old && $w->{error};
	return { origin => 'rule', state => 'rule error' } if $w->{error};
	my ($wished, $had, $same) = @$w{qw(wished had same)};
	my $expected = $wished ? $w->{expected} : undef;
	my %new = (
		expected => $expected, current => $w->{current}, verified => $x->{verified}, vexp => $x->{vexp}, vcur => $x->{vcur},
		origin => $wished ? 'rule' : $x->{origin} // 'found', rule => $wished ? $w->{rule} : $x->{rule});
	my $unchanged = $old && same($x->{expected}, $expected);
	$new{approved} = $unchanged ? $x->{approved} : undef;
	if ($w->{created})
	{
		return undef if !$old;
		return { %new, expected => $x->{expected}, state => 'verified', verified => 1, vexp => $x->{expected}, vcur => $w->{current}, approved => $x->{approved} };
	}
	return { %new, state => 'verified', verified => 1, vexp => $expected, vcur => $w->{current} } if $wished && $same;
	return undef if !$wished && !$had;
	return { %new, state => $standing, workflow => $x->{workflow} }
	  if $unchanged && ($standing eq 'pending' && $x->{approved} || $standing eq 'none' && v($x->{workflow}) =~ /approved|declined/);
	if ($wished && $x->{verified} && same($x->{vexp}, $expected))
	{
		return { %new, state => 'awaiting approval', workflow => 'non-conforming' } if $w->{soft};
		return { %new, state => 'verified', workflow => v($x->{workflow}) eq 'approved' && same($x->{current}, $w->{current}) ? 'approved' : 'non-conforming' };
	}
	return { %new, state => 'inactive' } if $wished && $w->{inactive};
	if ($wished || $x->{verified} && ($w->{soft} || same($x->{vcur}, $w->{current})))
	{
		return { %new, state => 'none', workflow => 'non-conforming' } if !$w->{allowed};
		return { %new, state => $w->{waits} ? 'awaiting approval' : 'pending' };
	}
	return { %new, $w->{allowed} ? (state => 'awaiting approval') : (state => 'none', workflow => 'non-conforming') } if $w->{orphan};
	return $w->{soft} ? { %new, state => 'none', workflow => 'non-conforming' } : undef;
}

# Brings the rows of a kind to what is wished: place => wish. Of failed ones nothing is gone.
sub settle
{
	my ($kind, $wishes, $keep) = @_;
	my %at = map { $_ => 1 } (grep { $row{$_}{kind} eq $kind } keys %row), keys %$wishes;
	for my $at (keys %at)
	{
		next if !$wishes->{$at} && $keep && $keep->($at);
		my $new = $wishes->{$at} ? judge($row{$at}, $wishes->{$at}) : undef;
		if ($new) { $row{$at} = { %$new, kind => $kind } }
		else { delete $row{$at} }
	}
}

sub compute
{
	correlate();
	my %of;    # owner => his accounts: several, where one that was decided comes back
	for my $a (sort keys %own) { push @{ $of{ $own{$a}{owner} } }, $a if $own{$a}{state} =~ /correlated|decided/ && $own{$a}{present} && defined $own{$a}{owner} }
	my %suggested = map { $own{$_}{owner} => $_ } grep { $own{$_}{state} eq 'suggested' } keys %own;
	my %candidate = map { $_ => 1 } map { split /,/, $own{$_}{candidates} } grep { $own{$_}{state} eq 'ambiguous' } keys %own;

	# assignments follow their account
	for my $at (sort keys %row)
	{
		next if !$row{$at} || $row{$at}{kind} ne 'account';
		my ($p, $a) = split /\|/, $at;
		my ($new) = grep { !$row{ place($p, $_, 'account', undef, '') } } @{ $of{$p} // [] };
		if ($a eq '~' && $new)
		{
			for my $moved (grep { /^\Q$p\E\|~\|/ } keys %row) { (my $to = $moved) =~ s/^\Q$p\E\|~\|/$p|$new|/; $row{$to} = delete $row{$moved} }
		}
		elsif ($a ne '~' && defined $row{$at}{expected} && !$of{$p} && !$suggested{$p})
		{
			# one of them
			my $to = place($p, undef, 'account', undef, '');
			my $gone = delete $row{$at};
			$row{$to} = { %$gone, current => undef } if !$row{$to} || $gone->{verified} && !$row{$to}{verified};
		}
	}

	my %wish;
	for my $p (keys %person)
	{
		my $x = $person{$p};
		my ($rule, $error);
		if (v($x->{active}) eq 't' && !same($x->{n}, 'den'))
		{
			if (defined $x->{dept} && $x->{dept} ne 'X') { $rule = 'type T' }
			elsif (defined $x->{k} && $x->{k} == 0) { $error = 1 }
			elsif (defined $x->{k} && $x->{k} <= 100) { $rule = 'type T 2' }
		}
		next if !$rule && !$error && !$of{$p};
		for my $a ($of{$p} ? @{ $of{$p} } : $suggested{$p})
		{
			$wish{ place($p, $a, 'account', undef, '') } = {
				error => $error, wished => $rule ? 1 : 0, expected => $p, current => $a, had => $of{$p} ? 1 : 0, same => $of{$p} ? 1 : 0, rule => $rule,
				allowed => $rule ? 1 : $allow_remove, waits => $review || !$of{$p} && $a ? 1 : 0, inactive => !$a && $candidate{$p} ? 1 : 0, soft => 1 };
		}
	}
	for my $p (grep { !$person{$_} } keys %of)
	{
		$wish{ place($p, $_, 'account', undef, '') } = { wished => 0, current => $_, had => 1, allowed => $allow_remove && $remove_orphans, waits => $review, orphan => $remove_orphans, soft => 1 } for @{ $of{$p} };
	}
	if ($remove_orphans)
	{
		for my $a (grep { !$own{$_} || $own{$_}{state} eq 'rejected' } keys %account)
		{
			$wish{ place(undef, $a, 'account', undef, '') } = { wished => 0, current => $a, had => 1, allowed => $allow_remove, waits => 1, orphan => 1, soft => 1 };
		}
	}
	settle('account', \%wish);

	# values and links of those that are there, or to be created
	my (%scalars, %links, %failed, %at_work, %in_error);
	for my $at (grep { $row{$_}{kind} eq 'account' } keys %row)
	{
		my ($p, $a) = split /\|/, $at;
		my $r = $row{$at};
		$in_error{"$p|$a"} = 1 if $r->{state} eq 'rule error';
		next if !defined $r->{expected} || !$person{$p} || ($a eq '~' ? $r->{state} !~ /^(pending|awaiting approval|inactive)$/ : $r->{state} ne 'verified');
		$at_work{"$p|$a"} = 1;
		my $x = $person{$p};
		my $y = $a eq '~' ? undef : $account{$a};
		my $scalar = sub {
			my ($property, $wish) = @_;
			my $e = $wish->{expected};
			$e = undef if defined $e && $e eq '';
			my $c = $y ? $y->{$property} : undef;
			$c = undef if defined $c && $c eq '';
			my $equal = $property eq 'mail' ? same(defined $e ? lc $e : undef, defined $c ? lc $c : undef) : same($e, $c);
			$scalars{ place($p, $y ? $a : undef, 'scalar', $property, '') } = {
				%$wish, expected => $e, current => $c, had => defined $c ? 1 : 0, same => $y && $equal ? 1 : 0,
				wished => $wish->{wished} && ($y || defined $e) ? 1 : 0, allowed => 1, waits => $review && $y ? 1 : 0 };
		};
		$scalar->('mail', { wished => 1, expected => $x->{mail}, rule => 'scalar T.mail' });
		$scalar->('login', { wished => 1, expected => $x->{n}, rule => 'scalar T.login', created => $y ? 1 : 0 });
		my $other = defined $x->{dept} && $x->{dept} ne 'A';
		$scalar->('title', has_role($p, 'lead') ? { wished => 1, expected => 'lead', rule => 'scalar T.title of lead' }
			: !$other ? { wished => 0 } : defined $x->{k} && $x->{k} == 0 ? { wished => 0, error => 1 }
			: { wished => 1, expected => defined $x->{k} ? 'T' . int(12 / $x->{k}) : undef, rule => 'scalar T.title' });

		my %wanted;
		$wanted{all} = 'navigation T.member' if !same($x->{n}, 'n1');
		my $group = lc v($x->{dept});
		$wanted{$group} //= 'navigation T.member 2' if $group =~ /^[abc]$/;
		$wanted{heads} //= 'navigation T.member of any' if has_role($p, 'any');
		my $raised = same($x->{dept}, 'C') && defined $x->{k} && $x->{k} == 0;
		$wanted{ 'k' . int(6 / $x->{k}) } //= 'navigation T.member 4' if !$raised && same($x->{dept}, 'C') && defined $x->{k};
		my %has = $y ? map { (split /\|/)[1] => 1 } grep { /^\Q$a\E\|/ } keys %member : ();
		if ($raised)
		{
			$failed{ place($p, $y ? $a : undef) } = 1;
			$links{ place($p, $y ? $a : undef, 'navigation', 'member', '') } = { error => 1 };
		}
		else
		{
			for my $g (keys %wanted, grep { !$wanted{$_} } keys %has)
			{
				$links{ place($p, $y ? $a : undef, 'navigation', 'member', $g) } = {
					wished => $wanted{$g} ? 1 : 0, expected => $g, current => $has{$g} ? $g : undef, had => $has{$g} ? 1 : 0, same => $has{$g} ? 1 : 0,
					rule => $wanted{$g}, allowed => 1, waits => $review && $y ? 1 : 0, soft => 1 };
			}
		}
		my $boss = defined $x->{k} && $x->{k} > 4 ? 'a1' : undef;
		my $now = $y ? $y->{boss} : undef;
		$links{ place($p, $y ? $a : undef, 'navigation', 'boss', '') } = {
			wished => $boss ? 1 : 0, expected => $boss, current => $now, had => defined $now ? 1 : 0, same => $y && same($boss, $now) ? 1 : 0,
			rule => 'navigation T.boss', allowed => 1, waits => $review && $y ? 1 : 0 };
	}
	my $kept = sub { my ($p, $a) = split /\|/, $_[0]; return $in_error{"$p|$a"} && !$at_work{"$p|$a"} };
	settle('scalar', \%scalars, $kept);
	settle('navigation', \%links, sub {
		my ($p, $a, undef, $property, $item) = split /\|/, $_[0], -1;
		return $kept->($_[0]) || $failed{"$p|$a"} && $property eq 'member' && $row{ $_[0] }{state} ne 'rule error' });
}

sub said
{
	my @said;
	for my $at (keys %row)
	{
		my ($p, $a, $kind, $property) = split /\|/, $at;
		my $r = $row{$at};
		push @said, join '|', $p, $a, $kind, $property, map { v($_) } @$r{qw(expected current state workflow origin rule)};
	}
	push @said, map { join '|', 'own', $_, v($own{$_}{owner}), @{ $own{$_} }{qw(state candidates present)}, join(',', @{ $own{$_}{rejected} }) } keys %own;
	return join "\n", sort @said;
}

my $dump = <<'SQL';
SELECT concat_ws('|', coalesce(owner_key, '~'), coalesce(account_key, '~'), kind, coalesce(property, '~'), coalesce(expected, '~'), coalesce(current, '~'),
	provisioning_state, coalesce(workflow_state, '~'), origin, coalesce(rule, '~')) FROM syncup.assignment WHERE kind <> 'role'
UNION ALL
SELECT concat_ws('|', 'own', account_key, coalesce(owner_key, '~'), state, array_to_string(candidates, ','), present::int, array_to_string(rejected, ',')) FROM syncup.ownership
SQL

# ---------- histories ----------

sub literal { return defined $_[0] ? "'$_[0]'" : 'NULL' }

# Changes of the data, as SQL; in the database of dirty runs the rows are flagged.
sub change
{
	my (@sql, @flags);
	for (1 .. 1 + int rand 6)
	{
		my $what = rand;
		if ($what < 0.35)
		{
			my $p = 1 + int rand 9;
			if ($person{$p} && chance(0.2)) { delete $person{$p}; delete $grant{$p}; push @sql, "DELETE FROM app.person WHERE id = $p", "SELECT syncup_revoke_role('head', '$p')" }
			else
			{
				$person{$p} = { n => pick(undef, ' ', 'n1', 'n2', 'n3', 'den', "n$p", "n$p"), mail => pick(undef, '', "m$p", "m$p", "m$p", 'm1', 'm2'),
					dept => pick(undef, 'A', 'B', 'C', 'X'), k => pick(undef, 0, 1, 3, 5, 9), active => pick('t', 't', 't', 'f') };
				my $x = $person{$p};
				push @sql, sprintf 'INSERT INTO app.person VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT (id) DO UPDATE SET n = excluded.n, mail = excluded.mail, dept = excluded.dept, k = excluded.k, active = excluded.active',
				  map { literal($_) } $p, @$x{qw(n mail dept k active)};
			}
			push @flags, [ 'app.person', $p ];
		}
		elsif ($what < 0.7)
		{
			my $a = 'a' . (1 + int rand 9);
			if ($account{$a} && chance(0.2))
			{
				delete $account{$a};
				delete $member{$_} for grep { /^\Q$a\E\|/ } keys %member;
				push @sql, "DELETE FROM app.account WHERE guid = '$a'", "DELETE FROM app.member WHERE a = '$a'";
			}
			else
			{
				$account{$a} = { login => pick(undef, 'n1', 'n2', 'n3', 'n4', 'x'), mail => pick(undef, '  ', 'm1', 'm2', 'm3', 'M4', 'm5', 'm6'),
					title => pick(undef, 'lead', 'T4', 'T12', 'boss'), boss => pick(undef, undef, 'a1', 'a2') };
				push @sql, sprintf 'INSERT INTO app.account VALUES (%s, %s, %s, %s, %s) ON CONFLICT (guid) DO UPDATE SET login = excluded.login, mail = excluded.mail, title = excluded.title, boss = excluded.boss',
				  map { literal($_) } $a, @{ $account{$a} }{qw(login mail title boss)};
			}
			push @flags, [ 'app.account', $a ];
		}
		elsif ($what < 0.9 && %account)
		{
			my ($a, $g) = (pick(sort keys %account), pick(qw(all a b c heads k1 k2)));
			if (delete $member{"$a|$g"}) { push @sql, "DELETE FROM app.member WHERE (a, g) = ('$a', '$g')" }
			else { $member{"$a|$g"} = 1; push @sql, "INSERT INTO app.member VALUES ('$a', '$g')" }
			push @flags, [ 'app.account', $a ];
		}
		elsif (%person)
		{
			my $p = pick(sort keys %person);
			if (delete $grant{$p}) { push @sql, "SELECT syncup_revoke_role('head', '$p')" }
			else { $grant{$p} = 1; push @sql, "SELECT syncup_grant_role('head', '$p', reason => 'test')" }
		}
	}
	# what executes orders writes the accounts
	for my $at (grep { $row{$_}{state} eq 'pending' } sort keys %row)
	{
		my ($p, $a, $kind, $property) = split /\|/, $at;
		next if $a eq '~' || !$account{$a} || chance(0.5);
		my ($e, $c) = @{ $row{$at} }{qw(expected current)};
		if ($kind eq 'scalar' || $property eq 'boss') { $account{$a}{$property} = $e; push @sql, sprintf "UPDATE app.account SET %s = %s WHERE guid = '%s'", $property, literal($e), $a }
		elsif ($kind eq 'navigation')
		{
			if (defined $e) { $member{"$a|$e"} = 1; push @sql, "INSERT INTO app.member VALUES ('$a', '$e') ON CONFLICT DO NOTHING" }
			else { delete $member{"$a|$c"}; push @sql, "DELETE FROM app.member WHERE (a, g) = ('$a', '$c')" }
		}
		push @flags, [ 'app.account', $a ];
	}
	return (\@sql, \@flags);
}

# Decisions of people, in both databases and here.
sub decide
{
	my @sql;
	for (1 .. int rand 4)
	{
		my @open = grep { $row{$_}{state} =~ /^(awaiting approval|pending|none)$/ || defined $row{$_}{workflow} } sort keys %row;
		last if !@open;
		my $at = pick(@open);
		my ($p, $a, $kind, $property) = split /\|/, $at;
		my $r = $row{$at};
		my $yes = chance(0.5);
		my $is_suggested = $kind eq 'account' && $a ne '~' && $own{$a} && $own{$a}{state} eq 'suggested' && same($own{$a}{owner}, $p);
		next if $is_suggested && $yes && { taken_owners() }->{$p};
		next if $p eq '~' && $is_suggested;
		# what is gone is nobody's to have: that is refused
		next if $is_suggested && $yes && !($account{$a} && $person{$p});
		push @sql, sprintf "SELECT %s(array_agg(assignment)) FROM syncup.assignment WHERE (coalesce(owner_key, '~'), coalesce(account_key, '~'), kind, coalesce(property, '~'), coalesce(expected, '~'), coalesce(current, '~')) = (%s)",
		  $yes ? 'syncup_approve' : 'syncup_decline', join ', ', map { "'$_'" } $p, $a, $kind, $property, v($r->{expected}), v($r->{current});
		if ($is_suggested && $yes)
		{
			$own{$a} = { state => 'decided', owner => $p, candidates => '', rejected => $own{$a}{rejected}, present => 1 };
			@$r{qw(state workflow approved)} = ('verified', undef, 1);
		}
		elsif ($is_suggested)
		{
			$own{$a} = { state => 'rejected', owner => undef, candidates => '', rejected => [ @{ $own{$a}{rejected} }, $p ], present => 1 };
			delete $row{$at};
		}
		elsif ($yes)
		{
			if ($r->{state} eq 'awaiting approval' || $r->{state} eq 'none' && v($r->{workflow}) eq 'declined') { @$r{qw(state workflow approved)} = ('pending', 'approved', 1) }
			elsif (v($r->{workflow}) eq 'non-conforming') { @$r{qw(workflow approved)} = ('approved', 1) }
		}
		elsif ($r->{state} =~ /^(awaiting approval|pending)$/) { @$r{qw(state workflow approved)} = ('none', 'declined', 1) }
		elsif ($r->{state} =~ /^(verified|none)$/ && v($r->{workflow}) =~ /non-conforming|approved/) { @$r{qw(state workflow approved)} = ('pending', 'declined', 1) }
	}
	if (chance(0.3) && %account)
	{
		my $a = pick(sort keys %account);
		my %taken = taken_owners();
		my ($p) = (grep({ !$taken{$_} } sort keys %person), undef);
		$p = undef if chance(0.3);
		push @sql, sprintf "SELECT syncup_decide_owner('T', '%s', %s)", $a, literal($p);
		$own{$a} = { state => 'decided', owner => $p, candidates => '', rejected => $own{$a} ? $own{$a}{rejected} : [], present => 1 };
	}
	return \@sql;
}

sub result { return join "\n", sort split /\n/, $_[0] }

my $has_places = $crash->knows_places;
note 'The extension knows no places: the server is not killed.' if !$has_places;

# Computes, and is killed (src/tool/crash_point.h): between two questions to rules, or
# at the end of a transaction.
sub compute_and_die
{
	my ($db, $run) = @_;
	my ($place, $passing) = chance(0.8) ? ('rules asked', 1 + int rand 16) : (pick('before commit', 'after commit'), 1 + int rand 2);
	my $died = $node->psql($db, "SET syncup.crash_passing = $passing; SET syncup.crash_point = '$place';\n$run");
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server does not come back';
	note "killed at \"$place\", passing $passing" if $died;
}

my $bad = 0;
ROUND: for my $round (1 .. $rounds)
{
	my ($sql, $flags) = change();
	$sql = [ @$sql, @{ decide() } ];
	compute();
	my $expected = said();
	for my $db (qw(complete dirty))
	{
		my $dirty = $db eq 'dirty' ? 'true' : 'false';
		my $run = "SELECT FROM syncup_compute_correlation_keys(NULL, $dirty); SELECT FROM syncup_compute_role_model(NULL, $dirty);\n";
		my $script = join '', map { "$_;\n" } @$sql, $db eq 'dirty' ? map { "SELECT syncup_flag('$_->[0]', '$_->[1]')" } @$flags : ();
		$node->safe_psql($db, "SET client_min_messages = warning; BEGIN;\n$script COMMIT;");
		if (chance(0.15))
		{
			# one that is killed in the middle leaves nothing
			$node->psql($db, "BEGIN; $run SELECT pg_terminate_backend(pg_backend_pid());");
		}
		# without digests a complete run decides about all
		$node->safe_psql($db, 'DELETE FROM syncup.evaluated') if $db eq 'complete' && chance(0.2);
		compute_and_die($db, $run) if $has_places && chance(0.15);
		if (chance(0.15))
		{
			my @sessions = map { IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr($db), '-c', $run ], '>', \my $out, '2>', \my $err) } 1 .. 2;
			$_->finish for @sessions;
		}
		my $got = result($node->safe_psql($db, "$run $dump"));
		if ($got ne $expected)
		{
			is($got, $expected, "$db, round $round");
			diag(join "\n", "SEED=$seed", @$sql);
			my %a = map { $_ => 1 } split /\n/, $got;
			my %b = map { $_ => 1 } split /\n/, $expected;
			diag("got:\n" . join("\n", grep { !$b{$_} } sort keys %a) . "\nexpected:\n" . join("\n", grep { !$a{$_} } sort keys %b));
			$bad = 1;
			last ROUND;
		}
	}
}
ok(!$bad, "$rounds rounds: complete and dirty runs say what the model says");
# The digests of dirty runs are those of complete ones.
my $evaluated = 'SELECT owner_key, account_key, digest, xmin FROM syncup.evaluated ORDER BY 1, 2';
for my $db (qw(complete dirty))
{
	my $before = $node->safe_psql($db, $evaluated);
	is($node->safe_psql($db, 'SELECT count(*) FROM syncup_compute_role_model()'), '0', "$db: once more, and nothing is written");
	is($node->safe_psql($db, $evaluated), $before, "$db: nor is a digest");
}
$node->stop;
done_testing();
