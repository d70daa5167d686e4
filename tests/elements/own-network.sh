#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   own-network.sh COMMAND…
#
# Runs COMMAND in a network namespace of its own: libnice makes candidates of
# all interfaces, and a viewer whose path went over one that another program
# takes away in that moment sees nothing, and rightly so. Where the right to
# that is missing (in most containers), COMMAND has the machine's network.

# libnice leaves out loopback: there is a pair of interfaces, and one address.
# One that IPv6 adds by itself would come a second later.
network='link set lo up
link add test0 type veth peer name test1
link set test0 addrgenmode none
link set test1 addrgenmode none
addr add 192.0.2.1/24 dev test0
link set test1 up
link set test0 up'
inside='echo "$0" | ip -batch - && exec "$@"'

# As root, else in a user namespace.
for right in -n -rn; do
  if unshare $right sh -c "$inside" "$network" true 2>/dev/null; then
    exec unshare $right sh -c "$inside" "$network" "$@"
  fi
done
exec "$@"
