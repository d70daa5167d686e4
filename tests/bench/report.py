#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""report.py RESULTS: makes tables (Markdown) and plots (SVG) of the JSON there.

Each figure in a table is the median of the runs, with minimum and maximum
behind it. A ratio is ours to the peer, of the same command's runs.
"""
import json
import pathlib
import sys

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "robotlive"
from matplotlib import pyplot  # noqa: E402

NAMES = {
    "ours": "signalingbin", "webrtcbin": "webrtcbin by hand",
    "janus": "Janus", "wrtc": "@roamhq/wrtc (VP8)", "aiortc": "aiortc",
    "fixed": "signalingbin, not adaptive", "unpaced": "signalingbin, no pacing",
    "plain": "webrtcbin by hand, no repair",
    "libdatachannel": "libdatachannel", "floor": "floor: encrypt and send",
}


def figure(spread, digits=1):
    if not spread or spread.get("median") is None:
        return "–"
    value = f"{spread['median']:.{digits}f}"
    if spread["n"] > 1:
        value += f" ({spread['min']:.{digits}f}–{spread['max']:.{digits}f})"
    return value


def ratio(rows, row, key, statistic="median"):
    ours = next((r for r in rows if r.get("sender") == "ours"), None)
    if row is ours:
        return "1"
    mine = (ours or {}).get(key, {}).get(statistic)
    other = row.get(key, {}).get(statistic)
    return f"{mine / other:.2f}" if mine and other else "–"


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for line in lines:
        yield "| " + " | ".join(str(cell) for cell in line) + " |"


def name_of(row):
    failed = f" ({len(row['failed'])} failed)" if row.get("failed") else ""
    return NAMES.get(row["sender"], row["sender"]) + failed


def latency(data):
    rows = data["rows"]
    yield from table(
        ["sender", "presented p50, ms", "mean", "p95, ms", "received p50, ms",
         "frames/s", "CPU, %", "ours/peer: presented mean", "received p50"],
        [[name_of(r), figure(r["present"]), f"{r['present']['mean'] or 0:.1f}",
          figure(r["present95"]), figure(r["received"]), figure(r["fps"]),
          figure(r["cpu"], 0), ratio(rows, r, "present", "mean"),
          ratio(rows, r, "received")] for r in rows])


def plot_latency(data, axes):
    rows = [r for r in data["rows"] if r["present"]["n"]]
    runs = [[run["present"] for run in data["runs_raw"]
             if run["sender"] == r["sender"] and run.get("present")]
            for r in rows]
    axes.boxplot(runs, labels=[NAMES[r["sender"]] for r in rows], vert=False,
                 whis=(0, 100))
    axes.set_xlabel("camera to screen, ms: the median of each run")
    axes.set_xlim(left=0)


def fanout(data):
    rows = data["rows"]
    yield from table(
        ["sender", "CPU a viewer, %", "CPU a packet, µs", "memory a viewer, MB",
         "threads a viewer", "packets lost", "most viewers",
         "ours/peer: CPU a viewer", "CPU a packet"],
        [[name_of(r), figure(r["cpu"], 2), figure(r["packetUs"]),
          figure(r["memory"], 2), figure(r["threads"]), figure(r["lost"], 0),
          figure(r["most"], 0), ratio(rows, r, "cpu"),
          ratio(rows, r, "packetUs")] for r in rows])


def plot_fanout(data, axes):
    for row in data["rows"]:
        if row.get("points") and row["sender"] != "aiortc":
            axes.plot([p["viewers"] for p in row["points"]],
                      [p["cpu"]["median"] for p in row["points"]],
                      marker="o", label=NAMES[row["sender"]])
    axes.set_xlabel("viewers")
    axes.set_ylabel("CPU of the sender, % of a core")
    axes.legend()


def join(data):
    yield from table(
        ["sender", "stream", "viewers present", "joins", "min", "median",
         "p95", "max, ms"],
        [[name_of(r), r["stream"], r["present"], r["n"]] +
         [f"{r[key]:.0f}" if r[key] is not None else "–"
          for key in ("min", "median", "p95", "max")] for r in data["rows"]])


def plot_join(data, axes):
    for row in data["rows"]:
        values = sorted(row["values"])
        label = f"{NAMES[row['sender']]}, {row['stream']}, {row['present']}"
        axes.step(values, [(i + 1) / len(values) for i in range(len(values))],
                  label=label, where="post")
    axes.set_xlabel("offer to first presented frame, ms")
    axes.set_ylabel("share of joins")
    axes.set_xlim(left=0)
    axes.legend(fontsize="small")


def expiry(data):
    yield from table(
        ["where", "condition", "ends", "min", "median", "p95", "max, ms"],
        [[r["where"], r["condition"], r["n"]] +
         [f"{r[key]:.1f}" if r[key] is not None else "–"
          for key in ("min", "median", "p95", "max")] for r in data["rows"]])


def signaling(data):
    yield from table(
        ["server"] + data["columns"],
        [[r["sender"]] + [figure(r[c], 2) for c in data["columns"]]
         for r in data["rows"]])
    yield ""
    yield from table(
        ["goal", "ours to Node's", ""],
        [[g["what"], f"{g['ratio']:.2f}",
          "reached" if g["reached"] else "missed"] for g in data["goals"]])


def loss(data):
    yield from table(
        ["sender", "link", "frames/s", "frozen, %", "presented p50, ms",
         "p95, ms", "received Mbit/s", "packets lost"],
        [[name_of(r), r["link"], figure(r["fps"]), figure(r["frozen"]),
          figure(r["present"], 0), figure(r["present95"], 0),
          figure(r["mbit"], 2), figure(r["lost"], 0)] for r in data["rows"]])


def rate(data):
    yield from table(
        ["sender", "path", "frames/s", "longest gap, ms", "presented p50, ms",
         "p95, ms", "received Mbit/s", "used after 15 s, %", "packets lost"],
        [[name_of(r), r["link"], figure(r["fps"]), figure(r["longest"], 0),
          figure(r["present"], 0), figure(r["present95"], 0),
          figure(r["mbit"], 2), figure(r["used"], 0), figure(r["lost"], 0)]
         for r in data["rows"]])


def soak(data):
    yield from table(
        ["", "first", "last", "least", "most"],
        [[r["what"]] + [f"{r[k]:.1f}" for k in ("first", "last", "min", "max")]
         for r in data["rows"]])
    yield ""
    yield "Events: " + ", ".join(
        f"{n} {what}" for what, n in data["events"].items())


def plot_soak(data, axes):
    for what in data["samples"][0]:
        if what != "at":
            axes.plot([s["at"] / 60 for s in data["samples"]],
                      [s[what] for s in data["samples"]], label=what)
    axes.set_xlabel("minutes")
    axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")


def faults(data):
    yield from table(
        ["part", "fault", "what the viewers saw", "back after, s"],
        [[r["part"], r["fault"], r["seen"], r["recovery"]]
         for r in data["rows"]])


def main(folder):
    results = pathlib.Path(folder)
    report = []
    for file in sorted(results.glob("*.json")):
        data = json.loads(file.read_text())
        make = globals().get(data.get("name"))
        if make is None or "rows" not in data:
            table_of_its_own = file.with_suffix(".md")
            if table_of_its_own.exists():
                report += [f"## {file.stem}", "",
                           table_of_its_own.read_text()]
            continue
        machine = data["machine"]
        lines = list(make(data)) + ["", (
            f"{data['date']}, {machine['cores']} cores {machine['cpu']}, "
            f"{machine['memory']}, Linux {machine['kernel']}, "
            f"{machine['gstreamer']}, load before {machine['load']:.2f}: "
            f"`{data['command']}` ({data['runs']} runs, "
            f"{data['seconds']} s each), commit {data['commit']}.")]
        file.with_suffix(".md").write_text("\n".join(lines) + "\n")
        report += [f"## {data['name']}", ""] + lines + [""]
        plot = globals().get(f"plot_{data['name']}")
        if plot is not None:
            chart, axes = pyplot.subplots(figsize=(8, 4))
            plot(data, axes)
            axes.grid(alpha=0.3)
            chart.tight_layout()
            chart.savefig(file.with_suffix(".svg"), metadata={"Date": None})
            pyplot.close(chart)
    (results / "report.md").write_text("\n".join(report))
    print("\n".join(report))


main(sys.argv[1])
