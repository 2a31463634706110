# The entries of a directory, as LDIF: people, and who manages them.
#
#   awk -v entries=20000 -f directory.awk

BEGIN {
	base = "dc=example,dc=org"
	people = "ou=people," base
	print "dn: " base "\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: Example\n"
	print "dn: " people "\nobjectClass: organizationalUnit\nou: people\n"
	for (i = 1; i <= entries; i++)
		print "dn: uid=u" i "," people "\nobjectClass: inetOrgPerson\nuid: u" i "\ncn: Person " i "\nsn: Name " i \
			"\ngivenName: Given " i "\nmail: u" i "@example.org\nmail: person." i "@example.org\ntelephoneNumber: +49 30 " i \
			"\ndepartmentNumber: " i % 100 "\nmanager: uid=u" int(i / 10) + 1 "," people "\n"
}
