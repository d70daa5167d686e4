#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Tables (Markdown) and plots of the JSON in RESULTS, a folder.

Each figure in a table is the median of the runs, with minimum and maximum
behind it. A ratio is ours to the peer, of the same command's runs.

RESULTS/report.md has all of it, RESULTS/summary.md the few figures for the top
README. In each README that is named what was measured takes the place of what
stood there: between `<!-- report NAME -->` and `<!-- end -->` the section of
that measurement with its plot (copied to figures/ beside the README), and the
line of the summary's table that has the same words in its first cell (or a new
line below). The rest stays.
"""
import argparse
import json
import pathlib
import shutil

import plots
from plots import label


def figure(spread, digits=1):
    if not spread or spread.get("median") is None:
        return "–"
    value = f"{spread['median']:.{digits}f}"
    if spread.get("n", 2) > 1:
        value += f" ({spread['min']:.{digits}f}–{spread['max']:.{digits}f})"
    return value


def number(value, digits=0):
    return "–" if value is None else f"{value:.{digits}f}"


def value_of(row, key, statistic):
    value = (row or {}).get(key)
    return value.get(statistic) if isinstance(value, dict) else value


def ratio(rows, row, key, statistic="median", same=()):
    """Ours to this row's; *same*: what both rows must have in common."""
    ours = next((r for r in rows if r.get("sender") == "ours" and
                 all(r[what] == row[what] for what in same)), None)
    if row is ours:
        return "1"
    mine = value_of(ours, key, statistic)
    other = value_of(row, key, statistic)
    return f"{mine / other:.2f}" if mine and other else "–"


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for line in lines:
        yield "| " + " | ".join(str(cell) for cell in line) + " |"


def name_of(row):
    failed = f" ({len(row['failed'])} failed)" if row.get("failed") else ""
    return label(row["sender"]) + failed


def latency(data):
    rows = data["rows"]
    yield from table(
        ["sender", "presented p50, ms", "mean", "p95, ms", "p95 of all frames",
         "received p50, ms", "frames/s", "CPU, %", "ours/peer: presented mean",
         "p95 of all frames", "received p50"],
        [[name_of(r), figure(r["present"]), number(r["present"]["mean"], 1),
          figure(r["present95"]), number(r.get("all95"), 1),
          figure(r["received"]), figure(r["fps"]),
          figure(r["cpu"], 0), ratio(rows, r, "present", "mean"),
          ratio(rows, r, "all95"), ratio(rows, r, "received")] for r in rows])


def fanout(data):
    rows = data["rows"]
    yield from table(
        ["sender", "CPU a viewer, %", "CPU a packet, µs", "memory a viewer, MB",
         "threads a viewer", "packets lost", "most viewers",
         "ours/peer: CPU a viewer", "CPU a packet", "memory"],
        [[name_of(r), figure(r["cpu"], 2), figure(r["packetUs"]),
          figure(r["memory"], 2), figure(r["threads"]), figure(r["lost"], 0),
          figure(r["most"], 0), ratio(rows, r, "cpu"),
          ratio(rows, r, "packetUs"), ratio(rows, r, "memory")] for r in rows])


def join(data):
    rows = data["rows"]
    yield from table(
        ["sender", "stream", "viewers present", "joins", "median, ms", "p95",
         "ours/peer: median"],
        [[name_of(r), r["stream"], r["present"], r["n"], figure(r, 0),
          number(r["p95"]),
          ratio(rows, r, "median", same=("stream", "present"))]
         for r in rows])


def expiry(data):
    yield from table(
        ["where", "condition", "ends", "median, ms", "p95"],
        [[r["where"], r["condition"], r["n"], figure(r), number(r["p95"], 1)]
         for r in data["rows"]])
    for condition in dict.fromkeys(r["condition"] for r in data["rows"]):
        failed = next(r["failed"] for r in data["rows"]
                      if r["condition"] == condition)
        if failed:
            yield ""
            yield f"{condition}: {len(failed)} bookings failed: {failed[0]}"


def signaling(data):
    yield from table(
        ["server"] + data["columns"],
        [[r["sender"]] + [figure(r[c], 0 if c.startswith("messages/s") else 2)
                          for c in data["columns"]]
         for r in data["rows"]])
    yield ""
    yield from table(
        ["goal", "ours to Node's", ""],
        [[g["what"], f"{g['ratio']:.2f}",
          "reached" if g["reached"] else "missed"] for g in data["goals"]])


def loss(data):
    rows = data["rows"]
    yield from table(
        ["sender", "link", "frames/s", "frozen, %", "presented p50, ms",
         "p95, ms", "received Mbit/s", "packets lost",
         "ours/peer: frames/s", "p95"],
        [[name_of(r), r["link"], figure(r["fps"]), figure(r["frozen"]),
          figure(r["present"], 0), figure(r["present95"], 0),
          figure(r["mbit"], 2), figure(r["lost"], 0),
          ratio(rows, r, "fps", same=("link",)),
          ratio(rows, r, "present95", same=("link",))] for r in rows])


def rate(data):
    rows = data["rows"]
    yield from table(
        ["sender", "path", "frames/s", "longest gap, ms", "presented p50, ms",
         "p95, ms", "received Mbit/s", "used after 15 s, %", "packets lost",
         "ours/peer: frames/s", "longest gap", "p95"],
        [[name_of(r), r["link"], figure(r["fps"]), figure(r["longest"], 0),
          figure(r["present"], 0), figure(r["present95"], 0),
          figure(r["mbit"], 2), figure(r["used"], 0), figure(r["lost"], 0)] +
         [ratio(rows, r, key, same=("link",))
          for key in ("fps", "longest", "present95")] for r in rows])


def soak(data):
    yield from table(
        ["", "first", "last", "least", "most"],
        [[r["what"]] + [f"{r[k]:.1f}" for k in ("first", "last", "min", "max")]
         for r in data["rows"]])
    yield ""
    yield "Events: " + ", ".join(
        f"{n} {what}" for what, n in data["events"].items())


def faults(data):
    yield from table(
        ["part", "fault", "what the viewers saw", "sessions lost",
         "back after, s"],
        [[r["part"], r["fault"], r["seen"], r.get("lost", ""), r["recovery"]]
         for r in data["rows"]])


# --- the few figures for the top README --------------------------------------

SUMMARY = ["| what | here | beside it | command |", "| --- | --- | --- | --- |"]


def rows_by(data, **wanted):
    return [r for r in data["rows"]
            if all(r.get(key) == value for key, value in wanted.items())]


def one(data, **wanted):
    return next(iter(rows_by(data, **wanted)), None)


def beside(data, form, **wanted):
    return ", ".join(f"{label(r['sender'])} {form(r)}"
                     for r in rows_by(data, **wanted)
                     if r["sender"] != "ours" and r.get("good"))


def short_latency(data):
    def form(row):
        return (f"{number(row['present']['mean'], 1)} "
                f"({number(row.get('all95'), 1)})")
    yield ("glass to glass, 720p30, mean (p95), ms",
           form(one(data, sender="ours")), beside(data, form))


def short_fanout(data):
    def form(row):
        return (number(row["cpu"]["median"], 2) + " %"
                if row["cpu"]["median"] is not None
                else number(row["packetUs"]["median"], 1) + " µs a packet")
    yield ("CPU a viewer, of a core", form(one(data, sender="ours")),
           beside(data, form))


def short_join(data):
    for stream in dict.fromkeys(r["stream"] for r in data["rows"]):
        def form(row):
            return number(row["median"])
        eight = one(data, sender="ours", stream=stream, present=8)
        yield (f"offer to first frame in Chromium, {stream}, median, ms",
               form(one(data, sender="ours", stream=stream, present=0)) +
               (f" ({form(eight)} with 8 others watching)" if eight else ""),
               beside(data, form, stream=stream, present=0))


def short_expiry(data):
    def form(where):
        return ", ".join(
            f"{number(r['median'])} (at most {number(r['max'])}) "
            f"{'idle' if r['condition'] == 'idle' else 'under load'}"
            for r in rows_by(data, where=where))
    yield ("booking's end to the last packet, ms",
           form("last packet on the wire"), "")


def short_loss(data):
    for link in ("5 % loss", "1 Mbit/s"):
        def form(row):
            return (f"{number(row['fps']['median'], 1)}, "
                    f"{number(row['frozen']['median'])} %")
        yield (f"{link}: pictures a second, time frozen",
               form(one(data, sender="ours", link=link)),
               beside(data, form, link=link))


def short_gate(data):
    over = {r["name"]: r["over_bare"] for r in data["results"]}
    yield ("open gate, a buffer", f"{over['sessiongate']} ns over a bare link",
           f"valve {over['valve']}, identity {over['identity']}")


def short_signaling(data):
    for kind, words in (("plain", "signaling, messages/s one at a time / four "
                                  "in one go, 3,000 sockets"),
                        ("TLS", "signaling with TLS, the same")):
        both = [r for r in data["rows"]
                if r["sender"].endswith(f"3000 sockets, {kind}")]
        if len(both) == 2:
            ours, node = (f"{r['messages/s']['median']:,.0f} / "
                          f"{r['messages/s, 4 in one go']['median']:,.0f}, p99 "
                          f"{r['p99, ms']['median']:.2f} ms" for r in both)
            yield words, ours, "npm socket.io " + node
            if kind == "plain":
                ours, node = (number(r["memory an idle socket, kB"]["median"],
                                     1) + " kB" for r in both)
                yield ("signaling, memory an idle socket", ours,
                       "npm socket.io " + node)


def summary(data, name):
    short = globals().get(f"short_{name}")
    if short is None or "command" not in data or not (one(data, sender="ours") if name in (
            "latency", "fanout", "join", "loss") else True):
        return []
    return [f"| {what} | {ours} | {others} | "
            f"`{data['command']}`, {data['date']} |"
            for what, ours, others in short(data)]


# --- one file a measurement, and the README ----------------------------------

def source(data):
    machine = data["machine"]
    runs = (f" ({data['runs']} runs, {data['seconds']} s each)"
            if "runs" in data else "")
    return (f"{data['date']}, {machine['cores']} cores {machine['cpu']}, "
            f"{machine['memory']}, Linux {machine['kernel']}, "
            f"{machine['gstreamer']}, load before {machine['load']:.2f}: "
            f"`{data['command']}`{runs}, commit {data['commit']}.")


def failures(data):
    for row in data.get("useless", []):
        yield ""
        yield f"**No run succeeded of {row['what']}**: {row['why'].strip()}"
    for row in data["rows"]:
        if row.get("failed") and row.get("good") and "sender" in row:
            yield ""
            first = row["failed"][0].strip().split("\n")[0]
            yield f"{label(row['sender'])} failed {len(row['failed'])} times: {first}"


def section(name, data, file):
    make = globals().get(name)
    if make and "rows" in data:
        lines = [*make(data), *failures(data), "", source(data)]
        file.with_suffix(".md").write_text("\n".join(lines) + "\n")
        return lines
    own = file.with_suffix(".md") # made where it was measured
    return own.read_text().rstrip().split("\n") if own.exists() else None


def publish(readme, sections, short, results):
    text = readme.read_text()
    for name, lines in sections.items():
        mark = f"<!-- report {name} -->\n"
        before, found, rest = text.partition(mark)
        if not found or "<!-- end -->" not in rest:
            continue
        new = list(lines)
        plot = results / f"{name}.png"
        if plot.exists():
            figures = readme.parent / "figures"
            figures.mkdir(exist_ok=True)
            shutil.copyfile(plot, figures / plot.name)
            new += ["", f"![{name}](figures/{plot.name})"]
        rest = rest[rest.index("<!-- end -->"):]
        text = before + mark + "\n".join(new) + "\n" + rest
    lines = text.split("\n")
    for new in short if SUMMARY[0] in lines else []:
        what = new.split(" | ")[0] + " | "
        at = next((n for n, line in enumerate(lines) if line.startswith(what)),
                  None)
        if at is None:
            at = lines.index(SUMMARY[0])
            while lines[at].startswith("|"):
                at += 1
            lines.insert(at, new)
        lines[at] = new
    readme.write_text("\n".join(lines))


def main(folder, *readmes):
    results = pathlib.Path(folder)
    sections, short = {}, []
    for file in sorted(results.glob("*.json")):
        data = json.loads(file.read_text())
        name = file.stem
        lines = section(name, data, file)
        if lines is None:
            continue
        sections[name] = lines
        short += summary(data, name)
        plots.draw(name, data, file)
    report = [line for name, lines in sections.items()
              for line in (f"## {name}", "", *lines, "")]
    (results / "report.md").write_text("\n".join(report))
    (results / "summary.md").write_text("\n".join(
        [*SUMMARY, *short, ""]))
    for readme in readmes:
        publish(pathlib.Path(readme), sections, short, results)
    print("\n".join(report))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("results", metavar="RESULTS")
    parser.add_argument("readmes", metavar="README", nargs="*")
    arguments = parser.parse_args()
    main(arguments.results, *arguments.readmes)
