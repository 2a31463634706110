/*
 * generate.c
 *		Writes the exports that the benchmark reads.
 *
 * Everything follows from the number of a row: the same arguments always give
 * the same bytes.  Rows come in a shuffled order.  See usage().
 */
#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Shares of rows are given in parts of this. */
#define WHOLE 100000

#define lengthof(array) (sizeof(array) / sizeof((array)[0]))

#define USER_COLUMNS \
	"objectGUID,dn,sAMAccountName,displayName,mail,department,title,city,telephoneNumber," \
	"postalCode,userAccountControl,hired,whenChanged,employeeID,comment,info"

static const char *const department[] = {"Finance", "Logistics", "Sales", "Research", "Legal",
	"Purchasing", "Production", "Service", "Quality", "Training"};
static const char *const city[] = {"Paris", "Lyon", "Berlin", "Madrid", "Oslo", "Wien", "Porto", "Gdansk"};
static const char *const first_name[] = {"Ada", "Bruno", "Chloe", "David", "Elif", "Farid", "Greta", "Hugo",
	"Ines", "Jonas", "Karla", "Liam", "Mona", "Nils", "Olga", "Pablo"};
static const char *const last_name[] = {"Abbott", "Berger", "Costa", "Dupont", "Eriksen", "Fischer", "Garcia",
	"Haddad", "Ivanov", "Jansen", "Keller", "Lopez", "Meyer", "Novak"};

static void
usage(void)
{
	fprintf(stderr,
			"usage: generate users ROWS [UPDATED DELETED INSERTED]\n"
			"           16 columns, 320 bytes a row; shares in parts of 100000; larger\n"
			"           shares touch the rows of smaller ones and others\n"
			"       generate changes ROWS COUNT there|back\n"
			"           changes of users: a half updates, a quarter deletions, a quarter\n"
			"           insertions; \"back\" takes them back\n"
			"       generate ends user|group COUNT\n"
			"           what links lead to: guid, dn, name\n"
			"       generate members USERS GROUPS LINKS 1|2\n"
			"           pairs of dn; 2 lacks 0.05 %% of those of 1 and has 0.05 %% others\n");
	exit(2);
}

static uint64_t
number(const char *text)
{
	char	   *end;
	uint64_t	value = strtoull(text, &end, 10);

	if (*text == '\0' || *end != '\0')
		usage();
	return value;
}

/* A number without pattern from another; different ones give different ones. */
static uint32_t
mix(uint32_t n)
{
	n = n * 2654435761u + 40503u;
	n ^= n >> 15;
	return n * 2246822519u;
}

static bool
is_prime(uint64_t n)
{
	for (uint64_t divisor = 2; divisor * divisor <= n; divisor++)
		if (n % divisor == 0)
			return false;
	return n > 1;
}

/*
 * Visits 0 .. count-1 in a shuffled order, by steps through a prime number of
 * places.  Places beyond count are left out, so that a larger count keeps the
 * order of a smaller one if both have the same number of places.
 */
static void
shuffled(uint64_t count, uint64_t places, void (*visit) (uint64_t i))
{
	uint64_t	step;

	while (!is_prime(places))
		places++;
	step = (uint64_t) (places * 0.618);
	if (step == 0)
		step = 1;
	for (uint64_t n = 0, i = 0; n < places; n++, i = (i + step) % places)
		if (i < count)
			visit(i);
}

static void
print_guid(uint32_t i)
{
	uint32_t	m = mix(i);

	printf("%08x-%04x-4%03x-8%03x-%08x%04x", m, i % 65536, m % 4096, i % 4096, mix(m), i % 65536);
}

static void
print_user(uint32_t i, bool updated)
{
	uint32_t	m = mix(i);
	const char *first = first_name[m % lengthof(first_name)];
	const char *last = last_name[(m >> 5) % lengthof(last_name)];
	const char *unit = department[(m >> 9) % lengthof(department)];
	const char *suffix = updated ? " II" : "";
	const char *town = city[(m >> 13) % lengthof(city)];

	print_guid(i);
	printf(",\"CN=%s\\, %s %u,OU=%s%s,OU=%s,OU=Users,DC=corp,DC=example,DC=com\"",
		   last, first, i, unit, suffix, town);
	printf(",%c%s%u,\"%s, %s\"", first[0] | 0x20, last, i, last, first);
	printf(",%s.%s%u@corp.example.com", first, last, i);
	printf(",%s%s,\"Engineer, level %u\",%s", unit, suffix, m % 7, town);
	printf(",+33 1 %02u %02u %02u %02u", m % 100, (m >> 3) % 100, (m >> 6) % 100, (m >> 9) % 100);
	printf(",%05u,%u", m % 100000, 512 + 2 * (m % 2));
	printf(",20%02u-%02u-%02u,20260%u%02u081500.0Z", 10 + m % 15, 1 + m % 12, 1 + m % 28, 1 + m % 9, 1 + m % 28);
	printf(",E%07u,unused text number %u,another unused one\n", i, mix(m));
}

static uint64_t user_count,
			updated_share,
			deleted_share;

static void
visit_user(uint64_t i)
{
	uint32_t	lot = mix(mix((uint32_t) i) + 7) % WHOLE;
	bool		added = i >= user_count;

	if (!added && lot < deleted_share)
		return;
	print_user(i, !added && lot >= WHOLE / 2 && lot < WHOLE / 2 + updated_share);
}

static void
write_users(uint64_t rows, uint64_t updated, uint64_t deleted, uint64_t inserted)
{
	user_count = rows;
	updated_share = updated;
	deleted_share = deleted;
	puts(USER_COLUMNS);
	shuffled(rows + rows * inserted / WHOLE, rows + rows / 8, visit_user);
}

static void
write_changes(uint64_t rows, uint64_t count, bool back)
{
	if (count == 0 || count > rows)
		usage();
	puts("command," USER_COLUMNS);
	for (uint64_t n = 0; n < count; n++)
	{
		uint64_t	known = n * (rows / count);
		uint64_t	unknown = 2 * rows + n;

		if (n % 4 < 2)
		{
			fputs("update,", stdout);
			print_user(known, !back);
		}
		else
		{
			fputs((n % 4 == 2) == back ? "insert," : "delete,", stdout);
			print_user(n % 4 == 2 ? known : unknown, false);
		}
	}
}

static void
print_dn(const char *kind, uint64_t i)
{
	printf("\"CN=%s %" PRIu64 ",OU=%ss,DC=corp,DC=example,DC=com\"", kind, i, kind);
}

static void
write_ends(const char *kind, uint64_t count)
{
	puts("guid,dn,name");
	for (uint64_t i = 0; i < count; i++)
	{
		print_guid(i);
		putchar(',');
		print_dn(kind, i);
		printf(",%s %" PRIu64 "\n", kind, i);
	}
}

static uint64_t group_count,
			links_each;
static bool second_version;

static void
print_member(uint64_t user, uint64_t nth)
{
	print_dn("group", (user * 31 + nth) % group_count);
	putchar(',');
	print_dn("user", user);
	putchar('\n');
}

/* The nth link of a user; others come at the place of its first one. */
static void
visit_member(uint64_t i)
{
	uint64_t	user = i / links_each;
	uint64_t	nth = i % links_each;

	if (second_version && nth == 0 && mix(user) % 2000 < links_each)
		print_member(user, links_each);
	if (second_version && mix((uint32_t) i + 77) % 2000 == 0)
		return;
	print_member(user, nth);
}

static void
write_members(uint64_t users, uint64_t groups, uint64_t links, bool second)
{
	group_count = groups;
	links_each = links / users;
	second_version = second;
	if (links_each == 0 || links_each >= groups)
	{
		fprintf(stderr, "generate: every user needs a link, and fewer than there are groups\n");
		exit(2);
	}
	puts("group,member");
	shuffled(links_each * users, links_each * users, visit_member);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "users") == 0 && (argc == 3 || argc == 6))
		write_users(number(argv[2]), argc == 6 ? number(argv[3]) : 0,
					argc == 6 ? number(argv[4]) : 0, argc == 6 ? number(argv[5]) : 0);
	else if (strcmp(what, "changes") == 0 && argc == 5)
		write_changes(number(argv[2]), number(argv[3]), strcmp(argv[4], "back") == 0);
	else if (strcmp(what, "ends") == 0 && argc == 4)
		write_ends(argv[2], number(argv[3]));
	else if (strcmp(what, "members") == 0 && argc == 6)
		write_members(number(argv[2]), number(argv[3]), number(argv[4]), strcmp(argv[5], "2") == 0);
	else
		usage();
	if (fflush(stdout) != 0 || ferror(stdout))
	{
		perror("generate");
		return 1;
	}
	return 0;
}
