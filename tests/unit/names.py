#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
#
#   names.py [SOURCES]
#
# gst/robotlive.h has the names by which applications know us. Each of them is
# on a page of docs/, each that the pages' tables have is in it, and the code
# says none of them in its own letters.
import glob
import os
import re
import sys

top = sys.argv[1] if len(sys.argv) > 1 else os.path.join(
    os.path.dirname(__file__), '..', '..')
wrong = []


def read(path):
    with open(os.path.join(top, path), encoding='utf-8') as file:
        return file.read()


header = read('gst/robotlive.h')
defines = re.findall(r'^#define ROBOTLIVE_([A-Z]+)_(\w+)[\s\\]+"([^"]+)"', header, re.M)
if len(defines) < 80:
    wrong.append(f'only {len(defines)} names in gst/robotlive.h')
values = {value for _, _, value in defines}
for kind, name, value in defines:
    if value.removeprefix('robotlive-').upper().replace('-', '_') != name:
        wrong.append(f'ROBOTLIVE_{kind}_{name} is "{value}"')

pages = {os.path.relpath(path, top): read(path) for pattern in (
    'docs/elements/*.md', 'docs/embedding.md', 'docs/rate-control.md')
    for path in sorted(glob.glob(os.path.join(top, pattern)))}
words = set(re.findall(r'`([^`\n]+)`', '\n'.join(pages.values())))
for kind, name, value in defines:
    if value not in words:
        wrong.append(f'ROBOTLIVE_{kind}_{name} is on no page')

# The tables of structures, and all that has our name in front.
PROGRAMS = {'robotlive-doctor', 'robotlive-run-pipeline', 'robotlive-signaling'}
seen = 0
for path, text in pages.items():
    for word in re.findall(r'`(robotlive-[a-z-]+)`', text):
        if word not in values | PROGRAMS:
            wrong.append(f'{path}: {word} is not in gst/robotlive.h')
    for title, body in re.findall(r'^## (.*)\n((?:(?!^## ).*\n)*)', text, re.M):
        if not re.match(r'The (message|structure) ', title):
            continue
        for cell in re.findall(r'^\| (`.*?) \| ', body, re.M):
            for word in re.findall(r'`([^`]+)`', cell):
                seen += 1
                if word not in values:
                    wrong.append(f'{path}: {word} is not in gst/robotlive.h')
if seen < 30:
    wrong.append(f'only {seen} fields in the tables')

# Structures that leave us. What others' structures have is in gst/webrtc/.
used = set()
for pattern in ('gst/bin/*.cpp', 'gst/gate/*.cpp', 'gst/viewer/viewerrate.cpp',
                'gst/viewer/viewerreport.cpp'):
    for path in sorted(glob.glob(os.path.join(top, pattern))):
        text = read(path)
        for match in re.finditer(
                r'"([a-z-]+)",\s*G(?:ST)?_TYPE_(?!GHOST|SIGNALING)|'
                r'gst_structure_new(?:_empty)? \("([^"]+)"', text):
            line = text.count('\n', 0, match.start()) + 1
            wrong.append(f'{os.path.relpath(path, top)}:{line}: '
                         f'"{match[1] or match[2]}" is for robotlive.h to say')
# Python has no header: what it spells is right.
for word in re.findall(r"""["'](robotlive-[a-z-]+)["']|get_value\(['"]([a-z-]+)""",
                       read('examples/embed/robot.py')):
    if not set(word) - {''} <= values:
        wrong.append(f'examples/embed/robot.py: {word} is not in robotlive.h')
for path in glob.glob(os.path.join(top, 'gst', '*', '*.[ch]pp')):
    used |= set(re.findall(r'\bROBOTLIVE_[A-Z]+_\w+', read(path)))
for kind, name, _ in defines:
    if kind != 'ELEMENT' and f'ROBOTLIVE_{kind}_{name}' not in used:
        wrong.append(f'nothing uses ROBOTLIVE_{kind}_{name}')

for line in wrong:
    print(line, file=sys.stderr)
print(f'{len(defines)} names, {seen} in tables, {len(wrong)} wrong')
sys.exit(bool(wrong))
