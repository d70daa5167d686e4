#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# with-database.sh postgresql|mariadb COMMAND…: runs COMMAND with
# ROBOTLIVE_TEST_DATABASE on a server of its own, in a private folder, on a
# socket there. Exit status 77 (skipped) if the server is not installed.
set -eu
kind=$1
program=$(realpath "$2") # the work folder is elsewhere
shift 2
set -- "$program" "$@"
work=$(mktemp -d /tmp/robotlive-db-XXXXXX)
server=
finish () {
  if [ -n "$server" ]; then
    kill "$server" 2> /dev/null || :
    wait "$server" 2> /dev/null || :
  fi
  rm -rf "$work"
}
trap finish EXIT
trap 'exit 1' INT TERM

# Neither server runs as root.
as=
user=$(id -un)
if [ "$user" = root ]; then
  user=nobody
  as="setpriv --reuid=nobody --regid=nogroup --clear-groups"
fi
mkdir "$work/data"
chown -R "$user" "$work"
export HOME="$work"
cd "$work"

case $kind in
  postgresql)
    bin=$(ls -d /usr/lib/postgresql/*/bin 2> /dev/null | tail -n 1)
    if [ -z "$bin" ]; then
      echo "skipped: postgresql is not installed"
      exit 77
    fi
    $as "$bin/initdb" -D "$work/data" -U robotlive -A trust -E UTF8 \
      --locale=C --no-sync > initdb.log 2>&1 || { cat initdb.log; exit 1; }
    $as "$bin/postgres" -D "$work/data" -k "$work" -c listen_addresses= \
      -c max_connections=80 > server.log 2>&1 &
    server=$!
    ready="$bin/pg_isready -q -h $work -U robotlive"
    url="postgresql://robotlive@/postgres?host=$work" ;;
  mariadb)
    daemon=$(command -v mariadbd || ls /usr/sbin/mariadbd 2> /dev/null || :)
    if [ -z "$daemon" ] || ! command -v mariadb-install-db > /dev/null; then
      echo "skipped: mariadb-server is not installed"
      exit 77
    fi
    $as mariadb-install-db --no-defaults --datadir="$work/data" \
      --auth-root-authentication-method=normal --skip-test-db \
      > install.log 2>&1 || { cat install.log; exit 1; }
    $as "$daemon" --no-defaults --datadir="$work/data" --skip-networking \
      --socket="$work/s" --pid-file="$work/pid" > server.log 2>&1 &
    server=$!
    ready="mariadb-admin --no-defaults --socket=$work/s -u root ping"
    url="mysql://root@localhost/robotlive?socket=$work/s" ;;
esac
i=0
until $ready > /dev/null 2>&1; do
  i=$((i + 1))
  if [ $i -gt 300 ] || ! kill -0 "$server"; then
    cat server.log
    exit 1
  fi
  sleep 0.2
done
if [ "$kind" = mariadb ]; then
  mariadb --no-defaults --socket="$work/s" -u root -e 'CREATE DATABASE robotlive'
fi
ROBOTLIVE_TEST_DATABASE=$url "$@"
