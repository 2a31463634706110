# A file that is written is on disk before it has its name, and the name after that.
# A library that the server loads first notes what it asks the operating system for.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $notes = "$dir/notes";
append_to_file("$dir/note.c", <<'C');
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A line of the file that NOTES names; what a descriptor stands for, by its last part. */
static void
note(const char *what, int fd, const char *name)
{
	char		link[64];
	char		path[PATH_MAX] = "";
	char		line[PATH_MAX + 512];
	int			notes = open(NOTES, O_WRONLY | O_CREAT | O_APPEND, 0666);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (name == NULL && readlink(link, path, sizeof(path) - 1) > 0)
		name = strrchr(path, '/') + 1;
	snprintf(line, sizeof(line), "%s %s\n", what, name ? name : "?");
	if (notes >= 0 && write(notes, line, strlen(line)) > 0)
		close(notes);
}

int
fsync(int fd)
{
	note("fsync", fd, NULL);
	return ((int (*) (int)) dlsym(RTLD_NEXT, "fsync")) (fd);
}

int
renameat(int from, const char *old, int to, const char *new)
{
	note("rename", from, new);
	return ((int (*) (int, const char *, int, const char *)) dlsym(RTLD_NEXT, "renameat")) (from, old, to, new);
}
C
system_or_bail($ENV{CC} // 'cc', '-shared', '-fPIC', "-DNOTES=\"$notes\"", '-o', "$dir/note.so", "$dir/note.c", '-ldl');
append_to_file("$dir/a.csv", "id,v\n1,a\n2,b\n,c\n");
mkdir "$dir/out" or die "$dir/out: $!";

my $node = PostgreSQL::Test::Cluster->new('fsync');
$node->init;
{
	local $ENV{LD_PRELOAD} = "$dir/note.so";
	$node->start;
}
$node->safe_psql('postgres', <<"SQL");
CREATE EXTENSION syncup;
CREATE TABLE a (id int PRIMARY KEY, v text);
SELECT syncup_create_connector('A', '$dir');
SELECT syncup_map_entity_type('A', 'a', 'a', 'a.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_prepare('A', 'complete');
SQL

# What an export asks for about its files and their folder, in order.
sub asked_for
{
	unlink $notes;
	$node->safe_psql('postgres', "SELECT syncup_export(batch, '$dir/out') FROM syncup.batch");
	return '' if !-e $notes;
	return join ', ', map { s/\.([a-z.]+)\.[0-9a-f]{16}\.tmp$/$1/r } grep { / (\.?a\.|out$)/ } split /\n/, slurp_file($notes);
}

my @files = qw(a.sorted.csv a.sorted.delta a.duplicates.csv a.nullpk.csv);
asked_for();
is(join(',', map { s{.*/}{}r } glob "$dir/out/*"), join(',', sort @files), 'the files');
$node->append_conf('postgresql.conf', 'fsync = on');
$node->reload;
is(asked_for(), join(', ', (map { "fsync $_" } @files), (map { "rename $_" } @files), 'fsync out'), 'each on disk, then its name, then the folder');
$node->append_conf('postgresql.conf', 'fsync = off');
$node->reload;
is(asked_for(), join(', ', map { "rename $_" } @files), 'with fsync off nothing waits for the disk');

$node->stop;
done_testing();
