#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# examples/compose.yaml and examples/Dockerfile: linted, built with buildah from
# a debootstrapped base image (no registry is asked), and run with podman with
# the users, mounts and limits that compose.yaml names. Root. Five minutes.
#   tests/containers.sh [PACKAGES-FOLDER]
# PACKAGES-FOLDER has robotlive-signaling_*.deb: default what tests/packages.sh
# built. BASE: a tar of a bare Debian 12; default that script's.
set -euo pipefail
top=$(cd "$(dirname "$0")/.." && pwd)
packages=${1:-/var/tmp/robotlive-packages/build/out}
base=${BASE:-/var/tmp/robotlive-packages.tar}
# shellcheck source=tests/lib-chroot.sh
. "$top/tests/lib-chroot.sh"
[ "$(id -u)" -eq 0 ] || cannot "buildah and podman run as root here"
host_packages buildah podman runc docker-compose yamllint python3-yaml curl \
  openssl
compgen -G "$packages/robotlive-signaling_*.deb" >/dev/null ||
  cannot "build the packages first: tests/packages.sh build"
[ -e "$base" ] || cannot "there is no $base: tests/packages.sh build"

work=$(mktemp -d /var/tmp/robotlive-containers-XXXXXX)
export CONTAINERS_STORAGE_CONF=$work/storage.conf
cat >"$CONTAINERS_STORAGE_CONF" <<CONF
[storage]
driver = "vfs"
graphroot = "$work/storage"
runroot = "$work/run"
CONF
pod() { podman --runtime runc --cgroup-manager cgroupfs "$@"; }
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

cp -r "$top/examples" "$work/examples"
cd "$work/examples"
cp "$packages"/robotlive-signaling_*.deb .
head -c 32 /dev/urandom | base64 >turn.secret
mkdir tls
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
  -keyout tls/privkey.pem -out tls/fullchain.pem 2>/dev/null
chmod 0644 turn.secret tls/*
export TURN_HOST=localhost TURN_TLS=yes

check "compose.yaml is what compose takes" docker-compose config -q
check "... and says which variable is missing" sh -c \
  'unset TURN_HOST; ! docker-compose config -q'
check "yamllint" yamllint -s -d \
  '{extends: default, rules: {document-start: disable, line-length: {max: 90},
    braces: disable, brackets: disable, comments: disable}}' compose.yaml
check "Dockerfile: not root, no package lists left, health check" sh -c '
  grep -q "^USER [0-9]" Dockerfile && grep -q "^HEALTHCHECK" Dockerfile &&
  grep -q "rm -rf /var/lib/apt/lists" Dockerfile &&
  grep -q -- "--no-install-recommends" Dockerfile &&
  ! grep -Eq "^ADD|:latest|sudo|apt-get upgrade" Dockerfile'

check "a base image without a registry" podman import "$base" \
  debian:bookworm-slim
check "the Dockerfile builds with the package" buildah build \
  --isolation chroot --network host -t robotlive-signaling .
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
    text = re.sub(r"\$\{(\w+)(:[-?][^}]*)?\}",
                  lambda m: os.environ.get(m[1], ""), str(text))
    return text.replace("$$", "$")
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
for one in service.get("secrets", []):
    path = os.path.abspath(compose["secrets"][one]["file"])
    out.append(f"--volume={path}:/run/secrets/{one}:ro")
health = service.get("healthcheck")
if health:
    assert health["test"][0] == "CMD"
    out.append("--health-cmd=" + shlex.join(health["test"][1:]))
    out.append("--health-interval=disable")
entry, *arguments = service["entrypoint"]
out += [f"--entrypoint={entry}", value(service["image"])]
out += arguments + [value(one) for one in service["command"]]
sys.stdout.write("".join(one + "\0" for one in out))
PYTHON
up() { # SERVICE
  local -a arguments
  mapfile -d '' arguments < <(python3 "$work/arguments.py" "$1")
  # The host's network: whether this machine can do another is not the point.
  pod run --detach --network host --ulimit nofile=4096:4096 \
    --ulimit nproc=4096:4096 "${arguments[@]}"
}
! curl -fsS -m 5 -o /dev/null http://127.0.0.1:8080/health 2>/dev/null ||
  cannot "port 8080 is taken"
check "webrtc-signaling starts" up webrtc-signaling
check "... healthy by compose.yaml's own check" until_true 60 pod \
  healthcheck run webrtc-signaling
check "... /health from outside" curl -fsS -m 10 http://127.0.0.1:8080/health
check "... not as root" sh -c \
  "[ \"\$(podman --runtime runc exec webrtc-signaling id -u)\" = 10001 ]"
check "... with a read-only root, a writable /tmp and its own volume" \
  pod exec webrtc-signaling sh -c \
  '! touch /x /etc/x /usr/x 2>/dev/null && touch /tmp/x /var/lib/robotlive/x &&
    [ -s /var/lib/robotlive/signaling.db ]'
check "... with no capability" pod exec webrtc-signaling grep -q \
  '^CapEff:[[:space:]]*0000000000000000$' /proc/1/status
check "coturn starts" up coturn
check "... answers on 3478/udp" until_true 30 pod exec coturn \
  turnutils_stunclient -p 3478 127.0.0.1
check "... speaks TLS on 5349/tcp" until_true 30 sh -c \
  'openssl s_client -connect 127.0.0.1:5349 </dev/null 2>&1 |
    grep -q "CN = localhost"'
check "... its secret is in no command line" sh -c \
  "! podman --runtime runc top coturn args | grep -qF '$(cat turn.secret)'"
check "both stop when told" pod stop --time 20 webrtc-signaling coturn
echo "$passed passed, 0 failed"
