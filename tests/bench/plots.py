# SPDX-License-Identifier: LGPL-2.1-or-later
"""Plots of the results, as SVG and as PNG: see report.py.

Each function draws one measurement; `subplots` says how many axes it wants.
"""
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


def label(sender):
    return NAMES.get(sender, sender)


def distribution(axes, values, **how):
    values = sorted(values)
    if values:
        axes.step(values, [(i + 1) / len(values) for i in range(len(values))],
                  where="post", **how)


def bars(axes, groups, series, title):
    """`series`: name to one spread for each of `groups`."""
    width = 0.8 / max(1, len(series))
    for n, (name, spreads) in enumerate(series.items()):
        known = [(at + n * width, spread) for at, spread in enumerate(spreads)
                 if spread and spread.get("median") is not None]
        middle = [spread["median"] for _, spread in known]
        axes.bar([at for at, _ in known], middle, width, label=name, yerr=[
            [m - s["min"] for m, (_, s) in zip(middle, known)],
            [s["max"] - m for m, (_, s) in zip(middle, known)]])
    axes.set_xticks([at + 0.4 - width / 2 for at in range(len(groups))])
    axes.set_xticklabels(groups, rotation=20, ha="right", fontsize="small")
    axes.set_ylabel(title)
    axes.set_ylim(bottom=0)
    if len(series) > 1:
        axes.legend(fontsize="x-small")


def latency(data, axes):
    rows = [r for r in data["rows"] if r["present"]["n"]]
    runs = [[run["present"] for run in data["runs_raw"]
             if run["sender"] == r["sender"] and run.get("present")]
            for r in rows]
    axes.boxplot(runs, labels=[label(r["sender"]) for r in rows], vert=False,
                 whis=(0, 100))
    axes.set_xlabel("camera to screen, ms: the median of each run")
    axes.set_xlim(left=0)


def fanout(data, cpu, memory):
    for row in data["rows"]:
        if row.get("points") and row["sender"] != "aiortc":
            for axes, key in ((cpu, "cpu"), (memory, "memory")):
                axes.plot([p["viewers"] for p in row["points"]],
                          [p[key]["median"] for p in row["points"]],
                          marker="o", label=label(row["sender"]))
    for axes, what in ((cpu, "CPU of the sender, % of a core"),
                       (memory, "its memory, MB")):
        axes.set_xlabel("viewers")
        axes.set_ylabel(what)
        axes.legend(fontsize="small")


def join(data, *both):
    streams = list(dict.fromkeys(r["stream"] for r in data["rows"]))
    for axes, stream in zip(both, streams):
        for row in data["rows"]:
            if row["stream"] == stream:
                distribution(axes, row["values"], label=(
                    f"{label(row['sender'])}, {row['present']} present"))
        axes.set_title(stream, fontsize="small")
        axes.set_xlabel("offer to first presented frame, ms")
        axes.set_ylabel("share of joins")
        axes.set_xlim(left=0)
        axes.legend(fontsize="x-small")


def expiry(data, axes):
    colours = {}
    for row in data["rows"]:
        colour = colours.setdefault(row["where"], f"C{len(colours)}")
        distribution(axes, row["values"], color=colour,
                     linestyle="-" if row["condition"] == "idle" else ":",
                     label=f"{row['where']}, {row['condition']}")
    axes.set_xlabel("from the booking's end, ms")
    axes.set_ylabel("share of bookings")
    axes.legend(fontsize="x-small")


def by_link(data, axes, key, title):
    links = list(dict.fromkeys(r["link"] for r in data["rows"]))
    senders = dict.fromkeys(r["sender"] for r in data["rows"])
    bars(axes, links, {label(sender): [
        next((r[key] for r in data["rows"]
              if r["sender"] == sender and r["link"] == link), None)
        for link in links] for sender in senders}, title)


def loss(data, frozen, late):
    by_link(data, frozen, "frozen", "time frozen, %")
    by_link(data, late, "present95", "camera to screen, p95, ms")
    late.set_ylim(top=1000)


def rate(data, fps, late):
    by_link(data, fps, "fps", "frames/s")
    by_link(data, late, "present95", "camera to screen, p95, ms")
    late.set_ylim(top=1000)


def signaling(data, throughput, tail):
    rows = [r["sender"].split(", ", 1) for r in data["rows"]]
    cases = list(dict.fromkeys(case for _, case in rows))
    for axes, column in ((throughput, "messages/s"), (tail, "p99, ms")):
        bars(axes, cases, {server: [
            next((r[column] for r in data["rows"]
                  if r["sender"] == f"{server}, {case}"), None)
            for case in cases] for server in dict.fromkeys(s for s, _ in rows)},
            column)


def gate(data, axes):
    bars(axes, [r["name"] for r in data["results"]],
         {"": data["results"]}, "ns a buffer")


def soak(data, counts, memory):
    for what in data["samples"][0]:
        if what != "at":
            axes = memory if what.endswith("memory") else counts
            axes.plot([s["at"] / 60 for s in data["samples"]],
                      [s[what] for s in data["samples"]],
                      label=what + (", MB" if axes is memory else ""))
    for axes in (counts, memory):
        axes.set_xlabel("minutes")
        axes.set_ylim(bottom=0)
        axes.legend(fontsize="small")


subplots = {"fanout": 2, "join": 2, "loss": 2, "rate": 2, "signaling": 2,
            "soak": 2}


def draw(name, data, file):
    """Writes FILE.svg and FILE.png; False when there is no plot of it."""
    plot = globals().get(name)
    if name not in ("latency", "fanout", "join", "expiry", "loss", "rate",
                    "signaling", "gate", "soak"):
        return False
    many = subplots.get(name, 1)
    chart, axes = pyplot.subplots(1, many, figsize=(8 if many == 1 else 13, 4.5))
    axes = [axes] if many == 1 else list(axes)
    plot(data, *axes)
    for one in axes:
        one.grid(alpha=0.3)
    chart.tight_layout()
    chart.savefig(file.with_suffix(".svg"), metadata={"Date": None})
    chart.savefig(file.with_suffix(".png"), dpi=90)
    pyplot.close(chart)
    return True
