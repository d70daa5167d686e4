#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# compose.yaml and packaging/container: linted, built from the sources with
# buildah on a debootstrapped base image (no registry is asked), and run with
# podman with the users, mounts and limits that compose.yaml names. Root. Ten
# minutes. compose itself only reads the file: Debian's talks to a Docker daemon.
#   tests/containers.sh
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"
[ "$(id -u)" -eq 0 ] || cannot "buildah and podman run as root here"
host_packages buildah podman runc docker-compose yamllint python3-yaml curl \
  openssl
work=$(mktemp -d /var/tmp/robotlive-containers-XXXXXX)
export CONTAINERS_STORAGE_CONF=$work/storage.conf
cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "vfs"
graphroot = "$work/storage"
runroot = "$work/run"
CONF
pod() { podman --runtime runc --cgroup-manager cgroupfs "$@"; }
# The host's network and small limits: whether this machine can do others is not
# the point.
run() {
  pod run --network host --ulimit nofile=4096:4096 --ulimit nproc=4096:4096 "$@"
}
cleanup() {
  pod rm --all --force --time 3 >/dev/null 2>&1 || true
  podman system prune --all --force --volumes >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap cleanup EXIT
passed=0
check() { # WHAT COMMAND…
  local what=$1
  shift
  "$@" >"$work/last.log" 2>&1 || {
    echo "not ok $what"
    tail -n 30 "$work/last.log"
    for name in webrtc-signaling coturn; do
      pod logs "$name" 2>&1 | tail -n 10 || true
    done
    echo "$passed passed, 1 failed"
    exit 1
  }
  echo "ok $what"
  passed=$((passed + 1))
}
until_true() { # SECONDS COMMAND…
  local left=$(($1 * 2))
  shift
  until "$@"; do
    left=$((left - 1))
    [ "$left" -gt 0 ] || return 1
    sleep 0.5
  done
}

debian_root /var/tmp/robotlive-containers-base bookworm \
  "$(dpkg --print-architecture)"
leave_root /var/tmp/robotlive-containers-base
tar -C /var/tmp/robotlive-containers-base -c . >"$work/base.tar"

# A clone, with nothing prepared.
mkdir "$work/clone"
git -C "$top" ls-files -z | tar -C "$top" --null -T - -c | tar -C "$work/clone" -x
cd "$work/clone"

check "compose.yaml is what compose takes" docker-compose config -q
check "yamllint" yamllint -s -d \
  '{extends: default, rules: {document-start: disable, line-length: {max: 90},
    braces: disable, brackets: disable, comments: disable}}' compose.yaml
check "Dockerfile: not root, no package lists left, health check" sh -c '
  cd packaging/container &&
  grep -q "^USER [0-9]" Dockerfile && grep -q "^HEALTHCHECK" Dockerfile &&
  grep -q "rm -rf /var/lib/apt/lists" Dockerfile &&
  grep -q -- "--no-install-recommends" Dockerfile &&
  ! grep -Eq "^ADD|:latest|sudo|apt-get upgrade" Dockerfile'

check "a base image without a registry" podman import "$work/base.tar" \
  debian:bookworm-slim
check "the image builds from the sources" buildah build \
  --isolation chroot --network host -t robotlive-signaling \
  -f packaging/container/Dockerfile .
check "... and has no compiler, no sources" run --rm --entrypoint sh \
  robotlive-signaling -c '! command -v c++ && ! [ -e /src ] && ! [ -e /packages ]'
check "... every library of it" run --rm --entrypoint sh \
  robotlive-signaling -c '! ldd /usr/bin/robotlive-signaling | grep "not found"'
# What the project's image of coturn is, for this: Debian's coturn.
cat >"$work/Dockerfile.coturn" <<'DOCKERFILE'
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends coturn \
 && rm -rf /var/lib/apt/lists/*
USER 65534:65534
DOCKERFILE
check "coturn's image" buildah build --isolation chroot --network host \
  -f "$work/Dockerfile.coturn" -t docker.io/coturn/coturn:4.6 "$work"

# compose.yaml as podman's arguments: NUL after each.
cat >"$work/arguments.py" <<'PYTHON'
import os, re, shlex, sys, yaml
compose = yaml.safe_load(open("compose.yaml"))
name = sys.argv[1]
service = compose["services"][name]
def value(text):  # as compose substitutes
    text = re.sub(r"\$\{(\w+)(:-[^}]*)?\}", default, str(text))
    return text.replace("$$", "$")
def default(match):
    return os.environ.get(match[1]) or (match[2] or "")[2:]
out = ["--name", name]
if "user" in service:
    out += ["--user", service["user"]]
if service.get("read_only"):
    # As Docker: podman's own adds writable folders.
    out += ["--read-only", "--read-only-tmpfs=false"]
out += [f"--cap-drop={one}" for one in service.get("cap_drop", [])]
out += [f"--security-opt={one.replace(':true', '')}"
        for one in service.get("security_opt", [])]
out += [f"--tmpfs={one}" for one in service.get("tmpfs", [])]
for key, one in service.get("environment", {}).items():
    out.append(f"--env={key}={value(one)}")
for one in service.get("volumes", []):
    source, rest = one.split(":", 1)
    source = os.path.abspath(source) if source.startswith(".") else source
    out.append(f"--volume={source}:{rest}")
health = service.get("healthcheck")
if health:
    assert health["test"][0] == "CMD"
    out.append("--health-cmd=" + shlex.join(health["test"][1:]))
    out.append("--health-interval=disable")
entry, *arguments = service.get("entrypoint", [""])
out += [f"--entrypoint={entry}"] if entry else []
out += [value(service["image"])]
out += arguments + [value(one) for one in service.get("command", [])]
sys.stdout.write("".join(one + "\0" for one in out))
PYTHON
up() { # SERVICE
  local -a arguments
  mapfile -d '' arguments < <(python3 "$work/arguments.py" "$1")
  run --detach "${arguments[@]}"
}
! curl -fsS -m 5 -o /dev/null http://127.0.0.1:8080/health 2>/dev/null ||
  cannot "port 8080 is taken"
check "webrtc-signaling starts" up webrtc-signaling
check "... healthy by compose.yaml's own check" until_true 60 pod \
  healthcheck run webrtc-signaling
check "... curl http://localhost:8080/health" curl -fsS -m 10 \
  http://localhost:8080/health
check "... not as root" sh -c \
  "[ \"\$(podman --runtime runc exec webrtc-signaling id -u)\" = 10001 ]"
check "... with a read-only root, a writable /tmp and its own volume" \
  pod exec webrtc-signaling sh -c \
  '! touch /x /etc/x /usr/x 2>/dev/null && touch /tmp/x /var/lib/robotlive/x &&
    [ -s /var/lib/robotlive/signaling.db ]'
check "... with no capability" pod exec webrtc-signaling grep -q \
  '^CapEff:[[:space:]]*0000000000000000$' /proc/1/status

link=$(pod logs webrtc-signaling 2>&1 |
  sed -n 's,.*http://localhost:8080/#/password/\([0-9a-f]*\)$,\1,p')
cat >"$work/ask" <<'SH'
#!/bin/sh
# METHOD PATH JSON
exec curl -fsS -m 10 -X "$1" -H 'Content-Type: application/json' -d "$3" \
  "http://localhost:8080$2"
SH
chmod +x "$work/ask"
password='{"link": "'$link'", "password": "first administrator 1"}'
check "its log has the first administrator's link" [ ${#link} -ge 32 ]
check "... by which the password is set" "$work/ask" PUT /auth/password \
  "$password"
check "... once" sh -c "! '$work/ask' PUT /auth/password '$password'"
check "... and with it the administrator logs in" sh -c "'$work/ask' POST \
  /auth/login '{\"email\": \"admin@localhost\",
    \"password\": \"first administrator 1\"}' | grep -q '\"admin\"'"
check "what its text says makes another" sh -c "podman --runtime runc exec \
  webrtc-signaling robotlive-signaling user password admin@localhost --link |
  grep -q '^/#/password/'"
check "a robot is added in it" pod exec webrtc-signaling robotlive-signaling \
  robot add robot_pi_001
check "it stops when told" pod stop --time 20 webrtc-signaling
check "... and starts again with its data" pod start webrtc-signaling
check "... healthy" until_true 60 pod healthcheck run webrtc-signaling
check "... without another first administrator" sh -c \
  "[ \"\$(podman --runtime runc logs webrtc-signaling 2>&1 |
    grep -c 'The first administrator is')\" = 1 ]"
pod rm --force --time 20 webrtc-signaling >/dev/null

mkdir tls
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
  -keyout tls/privkey.pem -out tls/fullchain.pem 2>/dev/null
chown 65534 tls/*
check "coturn without TURN_HOST says what is missing" bash -c "$(declare -f pod run up)
  work=$work; up coturn >/dev/null; podman --runtime runc wait coturn |
  grep -qx 78"
check "... in words" sh -c \
  "podman --runtime runc logs coturn 2>&1 | grep -q 'TURN_HOST is to be'"
pod rm --force coturn >/dev/null
export TURN_HOST=localhost TURN_TLS=yes
check "profile turn: webrtc-signaling starts" up webrtc-signaling
check "... healthy" until_true 60 pod healthcheck run webrtc-signaling
check "coturn starts" up coturn
check "... answers on 3478/udp" until_true 30 pod exec coturn \
  turnutils_stunclient -p 3478 127.0.0.1
check "... speaks TLS on 5349/tcp" until_true 30 sh -c \
  'openssl s_client -connect 127.0.0.1:5349 </dev/null 2>&1 |
    grep -q "CN = localhost"'
secret=$(pod exec webrtc-signaling cat /run/robotlive-turn/secret)
check "... its secret is in no command line" sh -c \
  "! podman --runtime runc top coturn args | grep -qF '$secret'"
# No channel to loopback, which coturn forbids; but so far one comes by a password
# that is right alone.
cat >"$work/allocate" <<'SH'
#!/bin/sh
podman --runtime runc exec coturn turnutils_uclient -y -n 1 -W "$1" -u 1 \
  127.0.0.1 2>&1 | grep -q 'channel bind: error 403'
SH
chmod +x "$work/allocate"
check "... and is the one the server signs with" "$work/allocate" "$secret"
check "... not another" sh -c "! '$work/allocate' x$secret"
check "both stop when told" pod stop --time 20 webrtc-signaling coturn
echo "$passed passed, 0 failed"
