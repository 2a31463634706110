# syncup: builds with PGXS.
#
#   make && make install && make installcheck    as every extension
#   make test, demo, demo-psql                   on a throw-away server
#   make bench, fuzz SECONDS=60, soak MINUTES=10
#   make test-versions, test-valgrind            other servers, valgrind: long
#
# PG_CONFIG=... or PG_VERSION=17 selects another server. WERROR=1, or CI set in
# the environment, turns warnings into errors. What the build needs and does not
# find is installed by test/install-packages.

EXTENSION = syncup
EXTVERSION := $(shell sed -n "s/^default_version = '\(.*\)'/\1/p" syncup.control)

ifdef PG_VERSION
PG_CONFIG ?= /usr/lib/postgresql/$(PG_VERSION)/bin/pg_config
else
PG_CONFIG ?= pg_config
endif

MODULE_big = syncup
OBJS := $(patsubst %.c,%.o,$(sort $(wildcard src/*.c)))
INCLUDED := $(wildcard src/*.h)
SHLIB_LINK = -lcsv -lz

SQL := $(sort $(wildcard sql/[0-9]*.sql))
EXTENSION_SQL = $(EXTENSION)--$(EXTVERSION).sql
DATA_built = $(EXTENSION_SQL)
DATA := $(sort $(wildcard sql/updates/*.sql))

PG_CPPFLAGS = -Isrc
# For the tests: places at which they stop the server process (src/crash_point.h).
ifdef CRASH_POINTS
PG_CPPFLAGS += -DSYNCUP_CRASH_POINTS
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
	$(wildcard $(EXTENSION)--*.sql)

SECONDS = 60
MINUTES = 10

# No bitcode for the JIT: it would need the server's very version of clang.
override with_llvm = no

PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
HAVE_LIBRARIES := $(shell printf '\#include <csv.h>\n\#include <zlib.h>\n' | \
	$(CC) $(CPPFLAGS) $(shell $(PG_CONFIG) --cppflags 2>/dev/null) -E -x c - >/dev/null 2>&1 && echo yes)

ifeq ($(and $(PGXS),$(wildcard $(PGXS)),$(HAVE_LIBRARIES)),yes)

include $(PGXS)

$(OBJS): $(INCLUDED) Makefile

$(EXTENSION_SQL): $(SQL) syncup.control Makefile
	{ printf '%s\n' '\echo Use "CREATE EXTENSION syncup" to load this file. \quit' && \
	  cat $(SQL) /dev/null; } > $@.tmp
	mv $@.tmp $@

remove-results:
	rm -rf results output_iso regression.diffs regression.out

clean: clean-tests

else ifneq ($(SYNCUP_PACKAGES),installed)

# Something is missing: install it, then read this file again.
all install uninstall installdirs installcheck:
	PG_VERSION='$(PG_VERSION)' sh test/install-packages $(if $(filter installcheck,$@),test,build)
	$(MAKE) SYNCUP_PACKAGES=installed $@

clean: clean-tests
	rm -rf $(OBJS) $(MODULE_big).so $(EXTRA_CLEAN)

else

all install uninstall installdirs installcheck:
	@echo 'syncup needs a C compiler, the header files of a PostgreSQL server' >&2
	@echo '($(PG_CONFIG) --pgxs), libcsv and zlib.' >&2
	@exit 1

clean: clean-tests

endif

clean-tests:
	$(if $(wildcard test/unit/Makefile),$(MAKE) -C test/unit clean)
	$(if $(wildcard test/fuzz/Makefile),$(MAKE) -C test/fuzz clean)
	$(MAKE) -C test/bench clean

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
	remove-results test test-versions test-valgrind demo demo-psql bench fuzz soak
