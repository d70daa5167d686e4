#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   architecture.py [SOURCES]
#
# Reads the includes of gst/ and signaling/ and fails on one that runs up or
# sideways, and on two types of one name. A folder may include what stands behind it here, and no other.
# Without circles: each folder stands below those that name it.
import os
import re
import sys

ALLOWED = {
    'signaling/base': [],
    'signaling/grant': ['base'],
    'signaling/protocol': ['grant', 'base'],
    'signaling/client': ['protocol', 'grant', 'base'],
    'signaling/server/hub': ['protocol', 'grant', 'base'],
    'signaling/server/net': ['server/hub', 'protocol', 'base'],
    'signaling/server/cluster': ['server/hub', 'server/net', 'protocol', 'base'],
    'signaling/server/store': ['server/hub', 'protocol', 'grant', 'base'],
    'signaling/server/console': ['server/hub', 'protocol', 'grant', 'base'],
    'signaling/server/auth': ['server/store', 'server/hub', 'protocol', 'grant',
                              'base'],
    'signaling/server/http': ['server/hub', 'server/store', 'server/auth',
                              'protocol', 'grant', 'base'],
    'signaling/server/app': ['server/http', 'server/auth', 'server/console',
                             'server/store', 'server/cluster', 'server/net',
                             'server/hub', 'protocol', 'grant', 'base'],
    'gst/rate': [],
    'gst/transport': ['base', 'protocol'],
    'gst/sdp': ['client', 'protocol'],
    'gst/access': ['client', 'protocol', 'grant', 'base'],
    'gst/gate': ['grant', 'base'],
    'gst/control': ['gate', 'grant', 'base'],
    'gst/media': ['rate', 'base'],
    'gst/webrtc': ['transport', 'rate', 'base'],
    'gst/input': ['media', 'rate', 'base'],
    'gst/viewer': ['webrtc', 'gate', 'control', 'sdp', 'media', 'rate', 'access',
                   'transport', 'client', 'protocol', 'grant', 'base'],
    'gst/bin': ['viewer', 'input', 'access', 'transport', 'webrtc', 'gate', 'sdp',
                'rate', 'client', 'protocol', 'grant', 'base'],
    'gst/camera': ['base'],
    'gst': ['gate', 'control', 'bin', 'camera', 'media', 'webrtc'],
}

# What is not so yet, and why. One that is gone is named; it may go from here.
EXCEPTIONS = {
    ('gst/media', 'gst/sdp'): 'StreamCodec is how SDP names a codec',
    ('gst/input', 'gst/sdp'): 'StreamCodec is how SDP names a codec',
    ('signaling/server/hub', 'signaling/server/app'): 'the log',
    ('signaling/server/store', 'signaling/server/app'): 'log and time zones',
    ('signaling/server/console', 'signaling/server/app'):
        'configuration, log and time zones',
    ('signaling/server/console', 'signaling/server/auth'):
        'a console also says who somebody is',
    ('signaling/server/auth', 'signaling/server/app'): 'the configuration',
    ('signaling/server/auth', 'signaling/server/console'):
        'console_url () is there and not in the configuration',
    ('signaling/server/auth', 'signaling/server/net'): 'networks of addresses',
    ('signaling/server/http', 'signaling/server/app'):
        'configuration and metrics',
    ('signaling/server/http', 'signaling/server/net'): 'networks of addresses',
}

# The inside of webrtcbin, rtpbin and libnice: gst/webrtc/ alone names it, and
# says in internals.cpp what is done where it is another.
INSIDE = re.compile(
    r'"(?:rtpbin|rtpsession|srtpenc|srtpdec|nicesink|nicesrc|dtlsdec|dtlsenc|'
    r'dtlssrtpenc|dtlssrtpdec|rtprtxsend|rtprtxreceive|rtpulpfecenc|'
    r'rtpredenc|sctpenc|sctpdec|TransportReceiveBin|TransportSendBin|'
    r'RTPTWCCPackets|GstRTPRetransmissionRequest|ice-agent|webrtcbin|'
    r'send_rtp_\w+|recv_rtp_\w+|rtp_s\w+_%?\w*)"|'
    r'<(?:nice|stun)/|\bSIOCGSTAMP|\bTCP_INFO|\bnice_agent_')
INSIDE_ALLOWED = {
    'gst/webrtc': '',
    'signaling/client/link.cpp': 'libsoup bounds no message (CVE-2025-32049)',
}

SPACE = re.compile(r'namespace (\S+)')
TYPE = re.compile(r'(?:struct|class|enum class|enum) ([\w:]+)[^;{]*$')
INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


def arrows(top):
    """(from folder, to folder) -> the includes."""
    found = {}
    for root in ('gst', 'signaling'):
        for folder, _, files in os.walk(os.path.join(top, root)):
            for name in sorted(files):
                if not name.endswith(('.cpp', '.hpp', '.h')):
                    continue
                path = os.path.join(folder, name)
                source = os.path.relpath(folder, top)
                with open(path, encoding='utf-8') as text:
                    for line in text:
                        match = INCLUDE.match(line)
                        if not match:
                            continue
                        for base in ('gst', 'signaling'):
                            target = os.path.join(base, match[1])
                            if os.path.exists(os.path.join(top, target)):
                                break
                        else:
                            continue  # config.h
                        where = os.path.dirname(target)
                        # A beside-lying header by its bare name is no folder.
                        if where in ('gst', 'signaling') or where == source:
                            continue
                        found.setdefault((source, where), []).append(
                            f'{os.path.relpath(path, top)} includes {match[1]}')
    return found


def inside_elsewhere(top):
    """Lines outside of gst/webrtc/ that name what is inside of others."""
    wrong, known = [], 0
    for root in ('gst', 'signaling'):
        for folder, _, files in os.walk(os.path.join(top, root)):
            for name in sorted(files):
                path = os.path.relpath(os.path.join(folder, name), top)
                if not name.endswith(('.cpp', '.hpp', '.h')):
                    continue
                with open(os.path.join(top, path), encoding='utf-8') as text:
                    for number, line in enumerate(text, 1):
                        match = INSIDE.search(line.split('//')[0])
                        if not match:
                            continue
                        known += 1
                        if not any(path.startswith(one)
                                   for one in INSIDE_ALLOWED):
                            wrong.append(f'{path}:{number}: {match[0]} is for '
                                         'gst/webrtc/ to know')
    if known < 20:
        wrong.append(f'only {known} names of the inside of others found')
    return wrong


def allowed(source, target):
    return any(target in (f'signaling/{name}', f'gst/{name}')
               for name in ALLOWED[source])


def check_order():
    """The list itself runs down."""
    done = set()
    while len(done) < len(ALLOWED):
        ready = [folder for folder in ALLOWED if folder not in done and
                 all(other in done for other in ALLOWED
                     if allowed(folder, other) and other != folder)]
        if not ready:
            return ['these folders name each other: ' +
                    ', '.join(sorted(set(ALLOWED) - done))]
        done.update(ready)
    return []


def defined_twice(top):
    """Types of one name in two headers of one namespace: two of them in one
    library are one to the linker (the one definition rule)."""
    seen, wrong = {}, []
    for root in ('gst', 'signaling'):
        for folder, _, files in os.walk(os.path.join(top, root)):
            for name in sorted(files):
                if not name.endswith(('.hpp', '.h')):
                    continue
                path = os.path.join(folder, name)
                space = ''
                with open(path, encoding='utf-8') as text:
                    lines = text.read().split('\n')
                for line, following in zip(lines, lines[1:]):
                    match = SPACE.match(line)
                    if match:
                        space = match[1]
                    match = TYPE.match(line)
                    if not match or not following.startswith('{'):
                        continue
                    key = (space, match[1])
                    if key in seen:
                        wrong.append(f'{space}::{match[1]} is defined in '
                                     f'{seen[key]} and in '
                                     f'{os.path.relpath(path, top)}')
                    seen[key] = os.path.relpath(path, top)
    if len(seen) < 50:
        wrong.append(f'only {len(seen)} types found')
    return wrong


def main():
    top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
        os.path.dirname(__file__), '..')
    wrong = check_order() + defined_twice(top) + inside_elsewhere(top)
    found = arrows(top)
    if len(found) < 20:
        wrong.append(f'only {len(found)} arrows found in {top}')
    for (source, target), includes in sorted(found.items()):
        if source not in ALLOWED:
            wrong.append(f'{source} is in no list of this script')
        elif not allowed(source, target) and \
                (source, target) not in EXCEPTIONS:
            wrong += [f'{line}: {source} may not use {target}'
                      for line in includes]
    for arrow, reason in EXCEPTIONS.items():
        if arrow not in found:
            print(f'no more an exception: {arrow[0]} -> {arrow[1]} ({reason})')
    for line in wrong:
        print(line, file=sys.stderr)
    print(f'{len(found)} arrows, {len(EXCEPTIONS)} exceptions, '
          f'{len(wrong)} wrong')
    return bool(wrong)


if __name__ == '__main__':
    sys.exit(main())
