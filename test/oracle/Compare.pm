# The model beside the server: plain tables that hold what must be, statements that
# say what differs, and the plain SQL that applies a batch to a copy of the targets.
package Compare;

use strict;
use warnings;
use Model;

sub new
{
	my ($class, $node, $folder, @mappings) = @_;
	return bless { node => $node, folder => $folder, mappings => \@mappings, loads => 0 }, $class;
}

# ---------- small tools ----------

sub literal
{
	my ($value) = @_;
	return 'NULL' if !defined $value;
	return "'" . $value =~ s/'/''/gr . "'" if $value !~ /\\/;
	return " E'" . $value =~ s/([\\'])/\\$1/gr . "'";
}

sub name
{
	return join ', ', map { '"' . s/"/""/gr . '"' } @_;
}

# The columns of a mapping: as stored, with the names of those that keep, and those with
# a target.
sub stored_names { my ($mapping) = @_; return ((map { $_->[0] } @{ $mapping->{columns} }), Model::has_mark($mapping) ? 'kept' : ()) }

sub stored { return name(stored_names($_[0])) }

sub mapped { return grep { defined $_->[1] } @{ $_[0]{columns} } }

# The columns of the key, and their names in the target.
sub keys_of { return @{ $_[0]{columns} }[ Model::key_columns($_[0]) ] }

sub key_names { return map { $_->[1] } keys_of($_[0]) }

# Whether a column is written when a row is inserted, and not any more.
sub is_once { my ($mapping, $column) = @_; return $mapping->{once}{ $column->[1] } }

sub is_key { my ($mapping, $column) = @_; return grep { $_ eq $column->[1] } key_names($mapping) }

# SQL: the key of a row of a target under an alias: of several columns a text of the
# row that they are; its type; whether there is a row; its column in previous.
sub key
{
	my ($mapping, $alias) = @_;
	my @names = map { "$alias.$_" } key_names($mapping);
	return @names == 1 ? $names[0] : 'concat(ROW(' . join(', ', @names) . '))';
}

sub key_type { my @keys = keys_of($_[0]); return @keys == 1 ? $keys[0][2] : 'text' }

sub has_key { my ($mapping, $alias) = @_; return "$alias." . (key_names($mapping))[0] . ' IS NOT NULL' }

sub stored_key { my @names = map { $_->[0] } keys_of($_[0]); return name(@names == 1 ? $names[0] : '(' . join(',', @names) . ')') }

# SQL: whether two texts are one key.
sub same_key_texts
{
	my ($mapping, $a, $b) = @_;
	return join ' AND ', map { key_value($mapping, $a, $_) . ' = ' . key_value($mapping, $b, $_) } keys_of($mapping);
}

# SQL: of a key as text the value of one of its columns.
sub key_value
{
	my ($mapping, $text, $column) = @_;
	return !ref $mapping->{key} ? "($text)::$column->[2]" : "(($text)::model.key_$mapping->{name}).$column->[1]";
}

# Runs statements. Result: what they print, and the error, if any.
sub try_sql
{
	my ($self, $sql) = @_;
	my ($status, $out, $err) = $self->{node}->psql('postgres', $sql, on_error_stop => 1);
	return ($out, $status == 0 ? '' : $err);
}

# Runs statements that do not fail.
sub sql
{
	my ($self, $sql) = @_;
	my ($out, $err) = $self->try_sql($sql);
	die "$err\nin:\n$sql\n" if $err ne '';
	return $out;
}

# SQL that fills a table with rows; undef is null.
sub fill
{
	my ($self, $table, $columns, @rows) = @_;
	my $path = "$self->{folder}/load." . $self->{loads}++ % 100;
	open my $file, '>:raw', $path or die "$path: $!";
	for my $row (@rows)
	{
		print $file join("\t", map { defined $_ ? s/([\\\t\n\r])/{"\\" => '\\\\', "\t" => '\t', "\n" => '\n', "\r" => '\r'}->{$1}/ger : '\N' } @$row), "\n";
	}
	close $file or die "$path: $!";
	return "TRUNCATE $table;\n" if !@rows;
	return "TRUNCATE $table;\nCOPY $table ($columns) FROM " . literal($path) . ";\n";
}

# A query for the rows by which two queries differ, as text.
sub difference
{
	my ($label, $actual, $expected) = @_;
	return "SELECT " . literal("$label: not expected: ") . " || d::text FROM (($actual) EXCEPT ALL ($expected)) AS d\n"
	  . "UNION ALL SELECT " . literal("$label: missing: ") . " || d::text FROM (($expected) EXCEPT ALL ($actual)) AS d;\n";
}

# ---------- the tables ----------

# SQL for the targets and for the model's tables.
sub create_tables
{
	my ($self) = @_;
	my $sql = "CREATE SCHEMA target; CREATE SCHEMA model;\n";
	for my $mapping (@{ $self->{mappings} })
	{
		my $name = $mapping->{name};
		my $texts = join ', ', map { name($_) . ' text COLLATE "C"' } stored_names($mapping);
		my $typed = join ', ', map { "$_->[1] $_->[2]" } mapped($mapping);
		my $keys = join ', ', key_names($mapping);
		$sql .= "CREATE TABLE target.$name ($typed, extra text DEFAULT 'kept', PRIMARY KEY ($keys))"
		  . ($mapping->{partitioned} ? " PARTITION BY HASH ($keys);\n" . join('', map { "CREATE TABLE target.${name}_$_ PARTITION OF target.$name FOR VALUES WITH (MODULUS 2, REMAINDER $_);\n" } 0, 1) : ";\n")
		  . "CREATE TYPE model.key_$name AS (" . join(', ', map { "$_->[1] $_->[2]" } keys_of($mapping)) . ");\n"
		  . "CREATE TABLE model.$name (LIKE target.$name INCLUDING DEFAULTS INCLUDING INDEXES);\n"
		  . "CREATE TABLE model.after_$name (LIKE target.$name INCLUDING DEFAULTS INCLUDING INDEXES);\n"
		  . "CREATE TABLE model.source_$name (deleted boolean, $texts);\n"
		  . "CREATE TABLE model.previous_$name ($texts);\n"
		  . "CREATE TABLE model.delta_$name (number int, command text, $texts);\n";
	}
	return $sql . <<'SQL';
CREATE TABLE model.batch (number int, batch uuid, mode text, status text, prepared boolean);
CREATE TABLE model.stored_change (number int, mapping text, command text, key text, extra text);
CREATE TABLE model.review (mapping text, command text, key text, extra text, state text);
CREATE TABLE model.cell (number int, mapping text, command text, key text, column_name text, old_value text, new_value text);
CREATE TABLE model.quarantine (number int, mapping text, line bigint, reason text, key text, raw text);
CREATE TABLE model.counter (number int, mapping text, rows_read bigint, rows_kept bigint, null_keys bigint, duplicates bigint, rejected bigint, empty_links bigint, filtered bigint,
	delta_inserted bigint, delta_updated bigint, delta_deleted bigint, suspended boolean, inserted bigint, updated bigint, deleted bigint, stored_before bigint);
CREATE TABLE model.check (mapping text, counter text, count bigint, maximum bigint, base bigint, max_percentage numeric, exceeded boolean);
CREATE TABLE model.version (mapping text, key text, version text);
CREATE FUNCTION model.checksums() RETURNS TABLE (name text, digest text) LANGUAGE plpgsql AS $$
BEGIN
	FOR name IN
		SELECT c.oid::regclass FROM pg_class c
		WHERE c.relkind = 'r' AND c.relnamespace::regnamespace::text IN ('syncup', 'syncup_previous', 'syncup_delta', 'syncup_changes', 'target')
		ORDER BY c.oid::regclass::text
	LOOP
		EXECUTE format('SELECT md5(string_agg(r::text, chr(10) ORDER BY r::text COLLATE "C")) FROM %s r', name) INTO digest;
		RETURN NEXT;
	END LOOP;
END
$$;
SQL
}

# Everything that a preview must leave as it is: a digest per table.
sub checksums
{
	my ($self) = @_;
	return $self->sql('SELECT * FROM model.checksums()');
}

# ---------- the changes of a batch ----------

# Finds with plain SQL what a batch does to the targets as the model has them: into
# model.after_*, and as cells and changes of number 0. rows: by mapping, the rows of
# the source ([deleted, fields...]); whole: of those they are all there is, except for the keys
# in keep, and where suspended says that nothing is deleted. Result: counters by mapping.
sub find_changes
{
	my ($self, $rows, $whole, $suspended, $keep) = @_;
	my $sql = "DELETE FROM model.cell WHERE number = 0; DELETE FROM model.stored_change WHERE number = 0;\n";
	my (%counters, @counts);
	for my $mapping (@{ $self->{mappings} })
	{
		my $name = $mapping->{name};
		my @others = grep { !is_key($mapping, $_) } mapped($mapping);
		my $value = sub { return 's.' . name($_[0][0]) . "::$_[0][2]" };
		my $same_key = join ' AND ', map { "a.$_->[1] = " . $value->($_) } keys_of($mapping);
		my @written = grep { !is_once($mapping, $_) } @others;
		my $stays = sub {
			my ($i) = grep { $mapping->{columns}[$_][0] eq $_[0][0] } 0 .. $#{ $mapping->{columns} };
			return Model::may_keep($mapping, $i) ? literal($_[0][0]) . " = ANY (string_to_array(s.kept, ', '))" : 'false';
		};
		my $differs = join(' OR ', map { '(' . $stays->($_) . ") IS NOT TRUE AND a.$_->[1] IS DISTINCT FROM " . $value->($_) } @written);
		my $changed = join(' OR ', map { "t.$_->[1] IS DISTINCT FROM a.$_->[1]" } @others);

		$sql .= $self->fill("model.source_$name", 'deleted, ' . stored($mapping), @{ $rows->{$name} })
		  . "TRUNCATE model.after_$name; INSERT INTO model.after_$name SELECT * FROM model.$name;\n"
		  . "ANALYZE model.source_$name; ANALYZE model.after_$name;\n";
		$sql .= "DELETE FROM model.after_$name a WHERE NOT EXISTS (SELECT FROM model.source_$name s WHERE $same_key)"
		  . join('', map { ' AND ' . key($mapping, 'a') . '::text <> ' . literal($_) } sort keys %{ $keep->{$name} }) . ";\n" if $whole->{$name} && !$suspended->{$name};
		$sql .= "DELETE FROM model.after_$name a USING model.source_$name s WHERE s.deleted AND $same_key;\n" if !$whole->{$name};
		$sql .= "UPDATE model.after_$name a SET "
		  . join(', ', map { "$_->[1] = CASE WHEN (" . $stays->($_) . ") IS NOT TRUE AND a.$_->[1] IS DISTINCT FROM " . $value->($_) . ' THEN ' . $value->($_) . " ELSE a.$_->[1] END" } @written)
		  . " FROM model.source_$name s WHERE NOT s.deleted AND $same_key AND ($differs);\n"
		  . "INSERT INTO model.after_$name (" . join(', ', map { $_->[1] } mapped($mapping)) . ') SELECT '
		  . join(', ', map { $value->($_) } mapped($mapping))
		  . " FROM model.source_$name s WHERE NOT s.deleted AND NOT EXISTS (SELECT FROM model.after_$name a WHERE $same_key);\n";

		my $both = "FROM model.$name t FULL JOIN model.after_$name a ON " . join(' AND ', map { "t.$_ = a.$_" } key_names($mapping));
		my ($had, $has) = (has_key($mapping, 't'), has_key($mapping, 'a'));
		my $command = "CASE WHEN NOT $had THEN 'insert' WHEN NOT $has THEN 'delete' ELSE 'update' END";
		my $key = "CASE WHEN $had THEN " . key($mapping, 't') . ' ELSE ' . key($mapping, 'a') . ' END';
		$sql .= "INSERT INTO model.stored_change SELECT 0, '$name', $command, ($key)::text, t.extra $both"
		  . " WHERE NOT $had OR NOT $has OR $changed;\n"
		  . "INSERT INTO model.cell SELECT 0, '$name', $command, ($key)::text, v.name, v.old, v.new $both CROSS JOIN LATERAL (VALUES "
		  . join(', ', map { "('$_->[1]', t.$_->[1]::text, a.$_->[1]::text, t.$_->[1] IS DISTINCT FROM a.$_->[1])" } @others)
		  . ") AS v (name, old, new, differs) WHERE v.differs;\n"

		  # a row that has nothing but its key is shown by that
		  . "CREATE TEMP TABLE only_keys AS SELECT c.command, c.key FROM model.stored_change c"
		  . " WHERE c.number = 0 AND c.mapping = '$name' AND NOT EXISTS (SELECT FROM model.cell o WHERE o.number = 0 AND o.mapping = c.mapping AND o.key = c.key);\n"
		  . join('', map { "INSERT INTO model.cell SELECT 0, '$name', c.command, c.key, '$_->[1]', CASE WHEN c.command = 'delete' THEN v.value END, CASE WHEN c.command = 'insert' THEN v.value END"
			  . ' FROM only_keys c CROSS JOIN LATERAL (SELECT ' . key_value($mapping, 'c.key', $_) . "::text AS value) v;\n" } keys_of($mapping))
		  . "DROP TABLE only_keys;\n";
		push @counts, "SELECT '$name', count(*) FILTER (WHERE c.command = 'insert'), count(*) FILTER (WHERE c.command = 'update'),"
		  . " count(*) FILTER (WHERE c.command = 'delete'), (SELECT count(*) FROM model.$name) FROM model.stored_change c WHERE c.number = 0 AND c.mapping = '$name'";
	}
	for (split /\n/, $self->sql("SET enable_nestloop = off;\n$sql" . join(' UNION ALL ', @counts)))
	{
		my ($name, $inserted, $updated, $deleted, $stored) = split /\|/;
		$counters{$name} = { inserted => $inserted, updated => $updated, deleted => $deleted, stored => $stored };
	}
	return \%counters;
}

# Looks at what was stored under a number, or back: at what would take that back:
# is it open, done already, or overtaken by somebody else's change (stale)? Result:
# the number of stale changes. What is open is made in model.after_*.
sub review
{
	my ($self, $number, $back) = @_;
	my ($old, $new) = $back ? ('new_value', 'old_value') : ('old_value', 'new_value');
	my ($insert, $delete) = $back ? ('delete', 'insert') : ('insert', 'delete');
	my $sql = "TRUNCATE model.review;\n";
	for my $mapping (@{ $self->{mappings} })
	{
		my $name = $mapping->{name};
		my $type = key_type($mapping);
		my $key = key($mapping, 't');
		my $has = has_key($mapping, 't');
		my $same = key($mapping, 'a') . " = %s::$type";
		my $is_change = sprintf $same, 'r.key';
		my $is_cell = sprintf $same, 'c.key';
		my @others = grep { !is_key($mapping, $_) } mapped($mapping);
		my $cell = sub { return "x_$_[0][1].$_[1]::$_[0][2]" };
		my $is = sub { return "t.$_[0][1] IS NOT DISTINCT FROM " . $cell->(@_) };
		my $all = sub {
			my ($test) = @_;
			return join ' AND ', map { '(' . $test->($_) . ')' } grep { !is_once($mapping, $_) } @others;
		};
		# What somebody wrote beside a row that the batch inserted would be lost.
		my $beside = join '', " AND t.extra IS NOT DISTINCT FROM 'kept'", map { ' AND ' . "t.$_->[1] IS NOT DISTINCT FROM " . "x_$_->[1].$old\::$_->[2]" } grep { is_once($mapping, $_) } @others;
		my $is_old = $all->(sub { $is->($_[0], $old) });
		my $is_new = $all->(sub { $is->($_[0], $new) });
		my $is_new_if_changed = $all->(sub { "x_$_[0][1].key IS NULL OR " . $is->($_[0], $new) });
		my $is_either = $all->(sub { "x_$_[0][1].key IS NULL OR " . $is->($_[0], $old) . ' OR ' . $is->($_[0], $new) });
		$sql .= "INSERT INTO model.review SELECT c.mapping, CASE c.command WHEN '$insert' THEN 'insert' WHEN '$delete' THEN 'delete' ELSE 'update' END, c.key, c.extra,\n"
		  . " CASE c.command WHEN '$insert' THEN CASE WHEN NOT $has THEN 'open' WHEN $is_new THEN 'done' ELSE 'stale' END"
		  . " WHEN '$delete' THEN CASE WHEN NOT $has THEN 'done' WHEN $is_old" . ($back ? $beside : '') . " THEN 'open' ELSE 'stale' END"
		  . " ELSE CASE WHEN NOT $has THEN 'stale' WHEN $is_new_if_changed THEN 'done' WHEN $is_either THEN 'open' ELSE 'stale' END END\n"
		  . " FROM model.stored_change c LEFT JOIN model.$name t ON $key = c.key::$type"
		  . join('', map { " LEFT JOIN model.cell x_$_->[1] ON x_$_->[1].number = c.number AND x_$_->[1].mapping = c.mapping AND x_$_->[1].key = c.key AND x_$_->[1].column_name = '$_->[1]'" } @others)
		  . " WHERE c.number = $number AND c.mapping = '$name';\n";

		my $open = "r.mapping = '$name' AND r.state = 'open'";
		$sql .= "TRUNCATE model.after_$name; INSERT INTO model.after_$name SELECT * FROM model.$name;\n"
		  . "DELETE FROM model.after_$name a USING model.review r WHERE $open AND r.command = 'delete' AND $is_change;\n"
		  . "INSERT INTO model.after_$name (" . join(', ', key_names($mapping)) . ') SELECT ' . join(', ', map { key_value($mapping, 'r.key', $_) } keys_of($mapping))
		  . " FROM model.review r WHERE $open AND r.command = 'insert';\n";
		$sql .= "UPDATE model.after_$name a SET extra = r.extra FROM model.review r WHERE $open AND r.command = 'insert' AND $is_change;\n" if $back;
		for my $column (@others)
		{
			$sql .= "UPDATE model.after_$name a SET $column->[1] = c.$new\::$column->[2] FROM model.cell c JOIN model.review r USING (mapping, key)"
			  . " WHERE c.number = $number AND $open AND c.column_name = '$column->[1]' AND r.command <> 'delete' AND $is_cell"
			  . " AND a.$column->[1] IS DISTINCT FROM c.$new\::$column->[2];\n";
		}
	}
	return $self->sql("SET enable_nestloop = off;\n${sql}SELECT count(*) FROM model.review WHERE state = 'stale'");
}

# Changes that are done already are changes no more. Result: the counters of the rest.
sub drop_done
{
	my ($self, $number) = @_;
	$self->sql(join '', map { "DELETE FROM $_ c USING model.review r WHERE c.number = $number AND r.mapping = c.mapping AND r.key = c.key AND r.state = 'done';\n" } 'model.cell', 'model.stored_change');
	my %counters;
	for (split /\n/, $self->sql(join ' UNION ALL ', map {
		"SELECT '$_->{name}', count(*) FILTER (WHERE command = 'insert'), count(*) FILTER (WHERE command = 'update'), count(*) FILTER (WHERE command = 'delete')"
		  . " FROM model.stored_change WHERE number = $number AND mapping = '$_->{name}'"
	} @{ $self->{mappings} }))
	{
		my ($name, $inserted, $updated, $deleted) = split /\|/;
		$counters{$name} = { inserted => $inserted, updated => $updated, deleted => $deleted };
	}
	return \%counters;
}

# How many rows that are written break the constraint of their target: of number 0,
# or of what is open in the review.
sub count_violations
{
	my ($self, $reviewed) = @_;
	my $written = $reviewed ? "model.review c ON c.state = 'open'" : 'model.stored_change c ON c.number = 0';
	return $self->sql('SELECT sum(n) FROM (' . join(' UNION ALL ', map {
		"SELECT count(*) AS n FROM model.after_$_->{name} a JOIN $written AND c.mapping = '$_->{name}' AND c.command <> 'delete' AND " . key($_, 'a') . ' = c.key::' . key_type($_)
		  . ' WHERE NOT (' . ($_->{allows} // 'true') . ')'
	} @{ $self->{mappings} }) . ') AS counted');
}

# The model's targets become what was found.
sub take_changes
{
	my ($self) = @_;
	$self->sql(join '', map { "TRUNCATE model.$_->{name}; INSERT INTO model.$_->{name} SELECT * FROM model.after_$_->{name};\n" } @{ $self->{mappings} });
	return;
}

# What was found as number 0 is what is stored under a number.
sub store_changes
{
	my ($self, $number) = @_;
	$self->sql(join '', map { "DELETE FROM $_ WHERE number = $number; UPDATE $_ SET number = $number WHERE number = 0;\n" } 'model.cell', 'model.stored_change');
	return;
}

# ---------- the comparison ----------

# Of a row of previous whose digest is missing, as after an undo, what it says:
# such a row is written over to mend the digest, which is no change.
my $bare = "'bare ' || md5((to_jsonb(p) - 'digest')::text)";

# Remembers the versions of rows, to see later which were written.
sub remember_versions
{
	my ($self, $prefix) = @_;
	$self->sql('TRUNCATE model.version;' . join '', map {
		"INSERT INTO model.version SELECT 'target $_->{name}', " . key($_, 't') . "::text, xmin::text FROM target.$_->{name} t;\n"
		  . "INSERT INTO model.version SELECT 'previous $_->{name}', " . stored_key($_) . ", CASE WHEN digest IS NULL THEN $bare ELSE xmin::text END FROM syncup_previous.${prefix}_$_->{name} p;\n"
	} @{ $self->{mappings} });
	return;
}

# How many rows were written over since, by what was remembered.
sub count_rewritten
{
	my ($self, $prefix) = @_;
	my %count;
	for (split /\n/, $self->sql(join ' UNION ALL ', map {
		"SELECT v.mapping, count(*) FROM model.version v JOIN target.$_->{name} t ON v.key = " . key($_, 't') . "::text AND v.version <> t.xmin::text WHERE v.mapping = 'target $_->{name}' GROUP BY 1"
		  . " UNION ALL SELECT v.mapping, count(*) FROM model.version v JOIN syncup_previous.${prefix}_$_->{name} p ON " . same_key_texts($_, 'v.key', 'p.' . stored_key($_)) . " AND v.version <> CASE WHEN v.version LIKE 'bare %' THEN $bare ELSE p.xmin::text END WHERE v.mapping = 'previous $_->{name}' GROUP BY 1"
	} @{ $self->{mappings} }))
	{
		my ($what, $rows) = split /\|/;
		$count{$what} = $rows;
	}
	return \%count;
}

# Everything by which the server differs from the model, as lines.
sub differences
{
	my ($self, $model, $connector) = @_;
	my $prefix = lc $connector;
	my @batches = @{ $model->{batches} };
	my @waiting = $model->queue;
	my @held = (@waiting, grep { $_->{kept} } @batches);
	my @with_changes = grep { $_->{stored} } @held;
	my $numbers = join ', ', -1, map { $_->{number} } @with_changes;
	my @recent = grep { $_->{prepared} } @batches[ ($#batches > 3 ? $#batches - 3 : 0) .. $#batches ];
	my $recent = join ', ', -1, map { $_->{number} } @recent;
	my $boolean = sub { return $_[0] ? 't' : 'f' };
	my (@quarantine, @counters);

	for my $batch (grep { $_->{prepared} } @batches)
	{
		for my $name (sort keys %{ $batch->{work} })
		{
			my $work = $batch->{work}{$name};
			my $changes = $batch->{changes}{$name};
			push @counters, [ $batch->{number}, $name,
				@{ $work->{counter} }{qw(rows_read rows_kept null_keys duplicates rejected empty_links filtered delta_inserted delta_updated delta_deleted)},
				$boolean->($work->{suspended}), @{ $changes // {} }{qw(inserted updated deleted stored_before)} ];
		}
	}
	for my $batch (@recent)
	{
		for my $name (sort keys %{ $batch->{work} })
		{
			push @quarantine, map { [ $batch->{number}, $name, @$_ ] } @{ $batch->{work}{$name}{quarantine} };
		}
	}

	my $sql = $self->fill('model.batch', 'number, batch, mode, status, prepared',
		map { [ $_->{number}, $_->{uuid}, $_->{mode}, $_->{status}, $boolean->($_->{prepared}) ] } @batches)
	  . $self->fill('model.counter', 'number, mapping, rows_read, rows_kept, null_keys, duplicates, rejected, empty_links, filtered, delta_inserted, delta_updated, delta_deleted, suspended, inserted, updated, deleted, stored_before', @counters)
	  . $self->fill('model.quarantine', 'number, mapping, line, reason, key, raw', @quarantine)
	  . difference('syncup.batch',
		'SELECT m.number, b.mode, b.status, b.prepared_at IS NOT NULL AS prepared FROM syncup.batch b LEFT JOIN model.batch m USING (batch) WHERE b.connector = ' . literal($connector),
		'SELECT number, mode, status, prepared FROM model.batch')
	  . difference('syncup.batch_counter',
		'SELECT m.number, c.mapping, c.rows_read, c.rows_kept, c.null_keys, c.duplicates, c.rejected, c.empty_links, c.filtered, c.delta_inserted, c.delta_updated, c.delta_deleted, c.deletions_suspended, c.inserted, c.updated, c.deleted, c.stored_before FROM syncup.batch_counter c LEFT JOIN model.batch m USING (batch)',
		'SELECT * FROM model.counter')
	  . difference('syncup.quarantine',
		"SELECT m.number, q.mapping, q.line, q.reason, nullif(q.key, '') AS key, q.raw FROM syncup.quarantine q LEFT JOIN model.batch m USING (batch) WHERE coalesce(m.number, -1) IN ($recent)",
		'SELECT * FROM model.quarantine')
	  . difference('syncup.status',
		'SELECT s.queue_length, s.blocked, s.needs_complete FROM syncup.status s WHERE s.connector = ' . literal($connector),
		'SELECT ' . @waiting . '::bigint, ' . literal((map { $_->{uuid} } grep { $_->{status} eq 'blocked' } @waiting)[0]) . '::uuid, ' . ($model->{needs_complete} ? 'true' : 'false'));

	for my $mapping (@{ $self->{mappings} })
	{
		my $name = $mapping->{name};
		my $stored = stored($mapping);
		my $texts = join ', ', map { "$_->[1]::text" } mapped($mapping);
		my $previous = $model->{previous}{$name};
		my @delta;
		for my $batch (@held)
		{
			my $delta = $batch->{work}{$name}{delta};
			push @delta, map { [ $batch->{number}, $delta->{$_}[0], @{ $delta->{$_}[1] } ] } sort keys %$delta;
		}
		$sql .= $self->fill("model.previous_$name", $stored, map { $previous->{$_} } sort keys %$previous)
		  . $self->fill("model.delta_$name", "number, command, $stored", @delta)
		  . difference("previous of $name", "SELECT $stored FROM syncup_previous.${prefix}_$name", "SELECT $stored FROM model.previous_$name")
		  . difference("delta of $name", "SELECT m.number, command, $stored FROM syncup_delta.${prefix}_$name LEFT JOIN model.batch m USING (batch) WHERE command IN ('insert', 'update', 'delete')", "SELECT number, command, $stored FROM model.delta_$name")
		  . difference("target $name", "SELECT $texts, extra FROM target.$name", "SELECT $texts, extra FROM model.$name")
		  . difference("changes of $name", "SELECT m.number, c.command, " . key($mapping, 'c') . "::text FROM syncup_changes.${prefix}_$name c LEFT JOIN model.batch m USING (batch)",
			"SELECT number, command, key FROM model.stored_change WHERE mapping = '$name' AND number IN ($numbers)");
	}
	for my $batch (@with_changes)
	{
		# a boolean is shown as the type writes it, or as SQL does
		my $shown = sub { return "CASE WHEN column_name = 'active' THEN left($_[0], 1) ELSE $_[0] END" };
		my $cells = 'mapping, command, key, column_name::text, ' . join ', ', map { $shown->($_) } 'old_value', 'new_value';
		$sql .= difference("changed cells of batch $batch->{number}", "SELECT $cells FROM syncup_changes('$batch->{uuid}')",
			"SELECT $cells FROM model.cell WHERE number = $batch->{number}");
	}
	return $self->sql($sql);
}

# How the checks of a batch, or rows of a preview, differ from those of the model.
sub check_differences
{
	my ($self, $actual, $checks) = @_;
	my $columns = 'mapping, counter, count, maximum, base, max_percentage, exceeded';
	return $self->sql($self->fill('model.check', $columns, @$checks)
		  . difference('threshold_check', "SELECT $columns FROM $actual WHERE counter NOT LIKE 'link%'", "SELECT $columns FROM model.check"));
}

1;
