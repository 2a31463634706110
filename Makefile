# syncup: builds with PGXS.
#
#   make && make install && make installcheck    as every extension
#   make test, demo, demo-psql                   on a throw-away server
#   make bench, fuzz SECONDS=60, soak MINUTES=10
#   make test-versions, test-valgrind            other servers, valgrind: long
#
# PG_CONFIG=... or PG_VERSION=17 selects another server. WERROR=1, or CI set in
# the environment, turns warnings into errors. What the build needs and does not
# find is named; only test, demo and the like install it (test/install-packages).

# The checkout, which need not be where make runs: names of files to be looked at
# here begin with it, PGXS finds the others by VPATH.
HERE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))

EXTENSION = syncup
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" $(HERE)/syncup.control)

ifdef PG_VERSION
PG_CONFIG ?= /usr/lib/postgresql/$(PG_VERSION)/bin/pg_config
else
PG_CONFIG ?= pg_config
endif

MODULE_big = syncup
OBJS := $(patsubst $(HERE)/%.c,%.o,$(sort $(wildcard $(HERE)/src/*.c $(HERE)/src/*/*.c)))
INCLUDED := $(wildcard $(HERE)/src/*.h $(HERE)/src/*/*.h)
SHLIB_LINK = -lcsv -lz

# Directories are read where libldap is found; without it the functions for them say so.
HAVE_LDAP := $(shell printf '\#include <ldap.h>\n\#include <openldap.h>\n' | $(CC) $(CPPFLAGS) -E -x c - >/dev/null 2>&1 && echo yes)
ifeq ($(HAVE_LDAP),yes)
SHLIB_LINK += -lldap -llber
endif

SHLIB_EXPORTS = exports.txt

# The install script is the fragments one after the other. An update to this version
# is its part in sql/updates/, which changes tables, types and signatures, followed
# by every function, view and comment of the fragments: see sql/updates/assemble.awk.
# Updates between former versions are installed as they are.
SQL := $(sort $(wildcard $(HERE)/sql/[0-9]*.sql))
EXTENSION_SQL = $(EXTENSION)--$(EXTVERSION).sql
UPDATES := $(patsubst $(HERE)/%,%,$(sort $(wildcard $(HERE)/sql/updates/$(EXTENSION)--*.sql)))
UPDATE_SQL := $(notdir $(filter %--$(EXTVERSION).sql,$(UPDATES)))
DATA_built = $(EXTENSION_SQL) $(UPDATE_SQL)
DATA := $(filter-out %--$(EXTVERSION).sql,$(UPDATES))

# What runs on the systems that send files, beside psql.
SCRIPTS_built = syncup-send

PG_CPPFLAGS = -I$(HERE)/src
# For the tests: places at which they stop the server process (src/tool/crash_point.h).
ifdef CRASH_POINTS
PG_CPPFLAGS += -DSYNCUP_CRASH_POINTS
endif
ifeq ($(HAVE_LDAP),yes)
PG_CPPFLAGS += -DSYNCUP_LDAP
endif
PG_CFLAGS = -std=gnu17 -Wno-declaration-after-statement
ifneq ($(filter-out 0,$(WERROR)$(CI)),)
# The exceptions are for the server's headers: unused parameters of inline
# functions, and lengthof(), which is compared with int everywhere.
PG_CFLAGS += -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare -Werror
endif

# The test "cron" needs a server that preloads pg_cron; test/run starts one.
# results/ goes first: pg_regress says "ok" over old files that it cannot write.
REGRESS := $(filter-out cron,$(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql))))
REGRESS_OPTS = --inputdir=test
REGRESS_PREP = remove-results
ISOLATION := $(patsubst test/specs/%.spec,%,$(sort $(wildcard test/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test --outputdir=.
TAP_TESTS := $(if $(wildcard test/t/*.pl),1)
PROVE_TESTS = test/t/*.pl

EXTRA_CLEAN = results output_iso tmp_check log regression.diffs regression.out \
	$(wildcard $(EXTENSION)--*.sql) syncup-send

SECONDS = 60
MINUTES = 10

# No bitcode for the JIT: it would need the server's very version of clang.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
HAVE_LIBRARIES := $(shell printf '\#include <csv.h>\n\#include <zlib.h>\n' | \
	$(CC) $(CPPFLAGS) $(shell $(PG_CONFIG) --cppflags 2>/dev/null) -E -x c - >/dev/null 2>&1 && echo yes)

ifeq ($(and $(PGXS),$(wildcard $(PGXS)),$(HAVE_LIBRARIES)),yes)

include $(PGXS)

$(OBJS): $(INCLUDED) $(HERE)/Makefile

# The compiler makes no folders. (As a target they would be found by VPATH.)
$(shell mkdir -p $(sort $(dir $(OBJS))))

$(EXTENSION_SQL): $(SQL) $(HERE)/syncup.control $(HERE)/Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION syncup" to load this file. \quit' && \
	  cat $(SQL) /dev/null; } > $@.tmp
	mv $@.tmp $@

$(UPDATE_SQL): %: $(HERE)/sql/updates/% $(addprefix $(HERE)/sql/updates/,before after assemble.awk) $(SQL) $(HERE)/Makefile
	awk -f $(HERE)/sql/updates/assemble.awk $< \
		$(HERE)/sql/updates/before $(HERE)/sql/updates/after $(SQL) >$@.tmp
	mv $@.tmp $@

syncup-send: $(HERE)/bin/syncup-send $(HERE)/syncup.control $(HERE)/Makefile
	sed 's/@VERSION@/$(EXTVERSION)/' $< >$@.tmp
	mv $@.tmp $@

remove-results:
	rm -rf results output_iso regression.diffs regression.out

clean: clean-tests

installcheck: can-check

# The tests under test/t start servers of their own, with PostgreSQL's Perl modules.
can-check:
	@if [ -n '$(TAP_TESTS)' ] && [ "$$(id -u)" -eq 0 ]; then \
		echo 'The tests under test/t start servers, which root may not. The others, as a superuser of' >&2; \
		echo 'the server: make installcheck PGUSER=postgres TAP_TESTS= (everything: make test)' >&2; \
		exit 1; \
	fi
	@if [ -n '$(TAP_TESTS)' ] && ! perl -MIPC::Run -e 1 2>/dev/null; then \
		echo 'The tests under test/t need the Perl module IPC::Run: apt-get install libipc-run-perl' >&2; \
		echo '(the others: make installcheck TAP_TESTS=)' >&2; \
		exit 1; \
	fi
	@if [ "$$(id -u)" -eq 0 ] && [ -z "$$PGUSER" ]; then \
		echo 'Name a superuser of the server: make installcheck PGUSER=postgres TAP_TESTS=' >&2; \
		exit 1; \
	fi

else

# Something is missing: it is said how to get it.
all install uninstall installdirs installcheck:
	@PG_VERSION='$(PG_VERSION)' sh $(HERE)/test/install-packages --print build
	@echo 'syncup needs a C compiler, the header files of a PostgreSQL server' >&2
	@echo '($(PG_CONFIG) --pgxs), libcsv and zlib.' >&2
	@exit 1

clean: clean-tests
	rm -rf $(OBJS) $(MODULE_big).so $(EXTRA_CLEAN)

endif

clean-tests:
	$(MAKE) -C $(HERE)/test/unit clean
	$(MAKE) -C $(HERE)/test/fuzz clean
	$(MAKE) -C $(HERE)/test/bench clean

test:
	sh test/run

# PostgreSQL 17 and 18, each in a Debian of its own.
test-versions:
	sh test/versions

test-valgrind:
	sh test/valgrind

demo:
	sh test/demo

demo-psql:
	sh test/demo --psql

bench:
	test/bench/run

fuzz:
	$(MAKE) -C test/fuzz run SECONDS=$(SECONDS)

soak:
	MINUTES=$(MINUTES) test/soak

.DEFAULT_GOAL := all
.PHONY: all install uninstall installdirs installcheck clean clean-tests \
	remove-results can-check test test-versions test-valgrind demo demo-psql bench fuzz soak
