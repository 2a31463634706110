# Makes the update script that is installed:
#
#   awk -f assemble.awk syncup--FROM--TO.sql before after ../NN-*.sql
#
# 1. the \echo line of the update's own part, then "before": remembers GRANTs
# 2. the rest of that part: tables, types, data, and DROPs of what is to change
#    its signature or, in the middle, its columns
# 3. of the fragments, in their order, each function, procedure, aggregate and view, with OR
#    REPLACE, and each comment: a member of the extension is replaced and keeps its
#    OID and privileges; one that the update dropped, or that is new, is created; one
#    that somebody else made stops the update (PostgreSQL says so, CVE-2022-2625)
#    Fragments that the released version did not have are taken whole: all but those
#    that the update's own part names in its lines "-- had: NN-name ...".
# 4. "after": takes new functions from PUBLIC, gives GRANTs back
#
# A statement of a fragment begins in column 0 and ends with a line that ends with
# ";", outside of $$ ... $$.

BEGIN {
	own = ARGV[1]
	after = ARGV[3]
	ARGV[3] = ""
	before = ARGV[2]
	ARGV[2] = ""
}

FILENAME == own {
	print
	if (/^\\echo /)
		copy(before)
	if (/^-- had: /)
		for (i = 3; i <= NF; i++)
			had[$i ".sql"]
	next
}

FNR == 1 {
	name = FILENAME
	sub(/.*\//, "", name)
	whole = !(name in had)
	delete had[name]
}

whole {
	print
	next
}

!inside && /^(CREATE (FUNCTION|PROCEDURE|AGGREGATE|VIEW)|COMMENT ON) / {
	wanted = 1
	if (/^CREATE/) {
		sub(/^CREATE/, "CREATE OR REPLACE")
		print ""
	}
}

!inside && /^[A-Z]/ {
	inside = 1
}

{
	if (wanted)
		print
	if (gsub(/\$\$/, "&") % 2)
		body = !body
	if (!body && /;$/)
		inside = wanted = 0
}

END {
	if (inside) {
		print "a statement does not end: " FILENAME >"/dev/stderr"
		exit 1
	}
	for (name in had) {
		print "there is no fragment " name >"/dev/stderr"
		exit 1
	}
	copy(after)
}

function copy(file,    line) {
	print ""
	while ((getline line <file) > 0)
		print line
}
