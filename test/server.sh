# shellcheck shell=sh
# What the scripts under test/ share: a copy of the checkout, built and installed
# into a folder of its own, and throw-away servers on sockets of their own. To be
# sourced, with $top set to the checkout.
#
# Sets: work (the folder, removed at exit), source (the copy), bin (the server's
# programs), conf (settings that make a server find the extension; a file).
# The server refuses to run as root: root runs it, and all that belongs to it,
# as the user postgres.

unset PGHOST PGHOSTADDR PGPORT PGUSER PGDATABASE PGPASSWORD PGPASSFILE \
	PGSERVICE PGSERVICEFILE PGOPTIONS PGDATA PGTZ PGDATESTYLE \
	PGCLIENTENCODING PGAPPNAME PGSSLMODE PSQLRC TEMP_CONFIG \
	MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS
export LC_ALL=C.UTF-8 PSQL_HISTORY=/dev/null
umask 022

if [ "$(id -u)" -eq 0 ]; then
	as_server() { runuser -u postgres -- "$@"; }
else
	as_server() { "$@"; }
fi

# One line on standard error, then the end.
die() {
	echo "$*" >&2
	exit 1
}

# Runs a command silently; shows what it wrote if it fails.
quietly() {
	if ! "$@" >"$work/quiet.log" 2>&1; then
		cat "$work/quiet.log"
		return 1
	fi
}

# Stops every server below $work, also those a test left, and removes it.
remove_work() {
	cd /
	[ -n "${work:-}" ] || return 0
	find "$work" -name slapd.pid 2>/dev/null | while IFS= read -r file; do
		kill "$(cat "$file")" 2>/dev/null || :
	done
	find "$work" -name postmaster.pid 2>/dev/null | while IFS= read -r file; do
		as_server "$bin/pg_ctl" -D "${file%/*}" -m immediate -s stop \
			>/dev/null 2>&1 </dev/null || :
	done
	[ -z "${mounted:-}" ] || umount "$mounted" || umount -l "$mounted"
	rm -rf "$work"
	work=
}

# What happens at the end; a script that has more to do redefines it.
at_exit() {
	remove_work
}

# make_work test|demo|soak|bench: installs the packages for that and makes the folder. It
# lies in /tmp, which the server's user can reach and which keeps the path of a
# socket short.
make_work() {
	trap at_exit EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
	PG_VERSION=${PG_VERSION:-15}
	sh "$top/test/install-packages" "$1" ||
		die "Without these packages this cannot run."
	pg_config=${PG_CONFIG:-/usr/lib/postgresql/$PG_VERSION/bin/pg_config}
	bin=$("$pg_config" --bindir) || die "$pg_config does not run"
	work=$(mktemp -d /tmp/syncup.XXXXXX)
	[ "$(id -u)" -ne 0 ] || chown postgres: "$work"
	source=$work/syncup
	conf=$work/syncup.conf
	cd "$work"
}

# Copies the checkout, without what was built there, and builds the copy.
build() {
	as_server mkdir "$source"
	tar -C "$top" -cf - --exclude=./.git --exclude='*.o' --exclude='*.so' \
		--exclude='./syncup--*.sql' --exclude=./results --exclude=./tmp_check . |
		as_server tar -C "$source" -xf - --no-same-owner
	quietly as_server make -s -C "$source" PG_CONFIG="$pg_config" clean
	quietly as_server make -s -C "$source" -j2 PG_CONFIG="$pg_config" all
}

# Installs beside $source and writes $conf: Debian's server looks below
# extension_destdir, that of version 18 in extension_control_path. A server with
# neither gets the extension where it lives, which only root can do.
install() {
	settings=$(as_server "$bin/postgres" --describe-config | cut -f 1)
	as_server touch "$conf"
	case "
$settings
" in
		*"
extension_destdir
"*)
			write_conf "extension_destdir = '${source%/*}/root'" \
				"dynamic_library_path = '${source%/*}/root$("$pg_config" --pkglibdir):\$libdir'" ;;
		*"
extension_control_path
"*)
			write_conf \
				"extension_control_path = '${source%/*}/root$("$pg_config" --sharedir):\$system'" \
				"dynamic_library_path = '${source%/*}/root$("$pg_config" --pkglibdir):\$libdir'" ;;
		*)
			quietly make -s -C "$source" PG_CONFIG="$pg_config" install
			return ;;
	esac
	quietly as_server make -s -C "$source" PG_CONFIG="$pg_config" \
		install DESTDIR="${source%/*}/root"
}

# Builds and installs once more, below $work/crash_points, with the places at which
# tests stop the server (src/tool/crash_point.h).
build_crash_points() {
	set -- "$source" "$conf"
	source=$work/crash_points/syncup
	conf=$work/crash_points/syncup.conf
	as_server mkdir "$work/crash_points"
	export CRASH_POINTS=1
	build
	install
	unset CRASH_POINTS
	source=$1
	conf=$2
}

# Mounts a small disk, to be filled by tests, unless one is given: SMALL_DISK is its
# folder, or empty where that cannot be done.
mount_small_disk() {
	as_server mkdir "$work/small_disk"
	[ -z "${SMALL_DISK:-}" ] || return 0
	if [ "$(id -u)" -eq 0 ] && mount -t tmpfs -o size=32m,mode=700 tmpfs "$work/small_disk" 2>/dev/null; then
		mounted=$work/small_disk
		export SMALL_DISK="$mounted"
		chown postgres: "$SMALL_DISK"
	fi
}

# Lines to add to the settings of every server that is started from now on.
write_conf() {
	printf '%s\n' "$@" | as_server tee -a "$conf" >/dev/null
}

# start_server NAME [SETTING...]: a new, empty server in $work/NAME; PGHOST and
# PGUSER lead to it. Its log is $work/NAME.log.
start_server() {
	server=$work/$1
	shift
	quietly as_server "$bin/initdb" -D "$server" -U postgres -A trust -N \
		--encoding=UTF8 --locale=C.UTF-8 || return 1
	as_server mkdir "$server.socket"
	{
		cat "$conf"
		echo "listen_addresses = ''"
		echo "unix_socket_directories = '$server.socket'"
		echo "fsync = off"
		echo "timezone = 'UTC'"
		echo "log_timezone = 'UTC'"
		[ $# -eq 0 ] || printf '%s\n' "$@"
	} | as_server tee -a "$server/postgresql.conf" >/dev/null
	quietly as_server "$bin/pg_ctl" -D "$server" -l "$server.log" -w start || {
		cat "$server.log"
		return 1
	}
	export PGHOST="$server.socket" PGPORT=5432 PGUSER=postgres
}

# start_directory NAME [SETTING...]: OpenLDAP's slapd in $work/NAME, on a socket, with
# the entries that standard input has as LDIF; its base is dc=example,dc=org. It tells
# changes (syncprov) and keeps memberOf. LDAP_URL, LDAP_ADMIN and LDAP_PASSWORD lead to it.
# Debian: slapd, ldap-utils. (TAP tests: test/oracle/Slapd.pm)
start_directory() {
	directory=$work/$1
	shift
	as_server mkdir "$directory" "$directory/data"
	LDAP_URL=ldapi://$(echo "$directory/socket" | sed 's|/|%2F|g')
	LDAP_ADMIN=cn=admin,dc=example,dc=org
	LDAP_PASSWORD=secret
	export LDAP_URL LDAP_ADMIN LDAP_PASSWORD
	as_server tee "$directory/slapd.conf" >/dev/null <<-CONF
		include /etc/ldap/schema/core.schema
		include /etc/ldap/schema/cosine.schema
		include /etc/ldap/schema/inetorgperson.schema
		modulepath /usr/lib/ldap
		moduleload back_mdb
		moduleload syncprov
		moduleload memberof
		moduleload refint
		pidfile $directory/slapd.pid
		database mdb
		suffix dc=example,dc=org
		rootdn $LDAP_ADMIN
		rootpw $LDAP_PASSWORD
		directory $directory/data
		maxsize 1073741824
		envflags nosync
		index objectClass,entryUUID,entryCSN eq
		overlay memberof
		overlay syncprov
		syncprov-sessionlog 100000
		$(printf '%s\n' "$@")
	CONF
	quietly as_server /usr/sbin/slapadd -q -w -f "$directory/slapd.conf" || return 1
	# it goes to the background once it listens
	quietly as_server /usr/sbin/slapd -f "$directory/slapd.conf" -h "$LDAP_URL" </dev/null
}

stop_server() {
	quietly as_server "$bin/pg_ctl" -D "$work/$1" -m fast -w stop
}
