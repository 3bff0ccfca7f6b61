#!/usr/bin/env python3
"""Puts a report of scripts/bench into docs/benchmarks.md, docs/plots and README.md.

    publish.py REPORT ROOT
"""

import json
import os
import re
import sys

sys.dont_write_bytecode = True

from contenders import TITLES
from plots import bars, lines
from report import COLUMNS, aim_texts, number, rows

SHORT = {
    "direct": "no proxy", "nginx": "nginx mail", "nginx-64k": "nginx mail, 64 KB", "nginx-stream": "nginx stream",
    "haproxy": "HAProxy tcp", "postfix": "Postfix proxy filter", "postern": "Postern, routes", "postern-lookup": "Postern, auth_http",
}
ORDER = list(SHORT)


def cells_of(report):
    return {one["key"]: one for one in report["cells"]}


def plots(report):
    """The name of each plot, and its SVG; those for which something was measured."""
    cells, growth, result = cells_of(report), report["growth"], {}

    def measured(keys):
        return [(cells[key], label) for key, label in keys if key in cells and cells[key]["medians"]]

    def ordered(medians):
        return [(name, medians[name]) for name in ORDER if name in medians]

    groups = [(label, [(name, SHORT[name], [one["userMicroseconds"], one["systemMicroseconds"]])
                       for name, one in ordered(cell["medians"]) if name not in ("direct", "postfix")])
              for cell, label in measured([("1k-one-20", "1 KB, one message a connection"),
                                           ("1k-many-20", "1 KB, many messages a connection"),
                                           ("20k-one-20", "20 KB, one message a connection")])]
    if groups:
        result["cpu"] = bars("CPU for each message: user, and paler system", "µs", groups)

    sizes = measured([("1k-one-20", 1000), ("20k-one-20", 20000), ("50k-one-20", 50000), ("1m-one-20", 10**6),
                      ("10m-one-20", 10**7)])
    series = [(name, SHORT[name], [(size, cell["medians"][name]["messagesPerSecond"]) for cell, size in sizes
                                   if name in cell["medians"]]) for name in ORDER]
    series = [one for one in series if len(one[2]) > 1]
    if series:
        result["rate"] = lines("Messages a second by size: one message a connection, 20 sessions", "messages/s, two cores for all",
                               series, [(1000, "1 KB"), (20000, "20 KB"), (50000, "50 KB"), (10**6, "1 MB"), (10**7, "10 MB")])

    for key, name, title in (("1k-one-20", "latency", "1 KB, one message a connection, 20 sessions"),
                             ("1k-one-200-open", "latency-open", "1 KB, one message a connection, 1,000 due each second"),
                             ("20k-one-20", "latency-20k", "20 KB, one message a connection, 20 sessions")):
        if key in cells:
            wanted = [(2, "p50"), (10, "p90"), (100, "p99"), (1000, "p999")]
            series = [(one, SHORT[one], [(part, medians[f"{percentile}Microseconds"] / 1000) for part, percentile in wanted])
                      for one, medians in ordered(cells[key]["medians"]) if "p50Microseconds" in medians]
            if series:
                result[name] = lines(f"Time of a message: {title}", "ms", series,
                                     [(2, "median"), (10, "90 %"), (100, "99 %"), (1000, "99.9 %")])

    def curve(points, figure="cpuMicroseconds"):
        return [(one["count"], one[figure]) for one in points]

    if growth.get("sessions"):
        series = [(name, SHORT[name], curve(points)) for name, points in growth["sessions"].items()]
        counts = [one["count"] for one in next(iter(growth["sessions"].values()))]
        result["sessions"] = lines("CPU for each message by sessions: 1 KB, many messages a connection", "µs", series,
                                   [(count, f"{count:,}") for count in counts])
    several = [("postern", label, curve(growth[part]["points"] if growth.get(part) else []))
               for part, label in (("routes", "routes"), ("backends", "backends"))]
    several = [(name, label, points) for (_, label, points), name in zip(several, ("postern", "haproxy")) if points]
    if several:
        counts = sorted({x for _, _, points in several for x, _ in points if math_power(x)})
        result["growth"] = lines("Postern: CPU for each message by routes and by backends", "µs, 1 KB, many messages a connection",
                                 several, [(count, f"{count:,}") for count in counts], floor=10)
    if growth.get("memory"):
        groups = [(label, [(name, SHORT[name], [stages[stage]["privateMB"], stages[stage]["rssMB"] - stages[stage]["privateMB"]])
                           for name, stages in growth["memory"].items() if stage in stages and name != "postfix"])
                  for stage, label in (("started", "started"), ("loaded", "behind 20 sessions"), ("after500", "behind 500 sessions"))]
        result["memory"] = bars("Resident memory: its own, and paler what files have too", "MB", groups)
    return result


def math_power(value):
    return str(value).rstrip("0") == "1"


def table(head, body):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in body])


def aims_table(report):
    return table(["Work", "Aim", "Measured", ""], [aim_texts(aim) for aim in report["aims"]])


def machine_text(report):
    machine = report["machine"]
    return (f"Measured on {machine['date']}: {machine['cores']} cores of {machine['cpu']}, Linux {machine['kernel']}, nginx "
            f"{machine['nginx']}, HAProxy {machine['haproxy']}; {report['rounds']} rounds of {report['seconds']:g} s, medians. "
            f"`{report['command']}`, {report['took'] / 60:.0f} minutes.")


def figures_text(report, names):
    parts = [machine_text(report), "", "### The aims", "", aims_table(report), ""]
    parts += [f"![{name}](plots/{name}.svg)\n" for name in names]
    parts += ["### All cells", ""]
    for cell in report["cells"]:
        parts += [f"**{cell['title']}** (`{cell['key']}`)", "", table(["", *[name for name, _ in COLUMNS]], rows(cell)), ""]
        parts += [f"{TITLES[name]} failed: {why.splitlines()[0]}\n" for name, why in cell["failed"].items()]
    growth = report["growth"]
    if growth.get("idle"):
        parts += ["**Idle sessions** beside 20 sessions that send 1 KB, one message a connection", "",
                  table(["", "idle", "KB a session", "messages/s without", "beside them", "fewer", "CPU a message"],
                        [[TITLES[name], f"{one['count']:,}", number(one["kilobytesEach"], 1), number(one["messagesPerSecond"]),
                          number(one["messagesPerSecondBeside"]), f"{one['slowdownPercent']:.1f} %", f"{one['cpuPercent']:+.1f} %"]
                         for name, one in growth["idle"].items()]), ""]
    for part, points in [("sessions", growth.get("sessions") or {}), *[
            (part, {"postern": growth[part]["points"]}) for part in ("routes", "backends") if growth.get(part)]]:
        if points:
            parts += [f"**By {part}**, 1 KB, many messages a connection", "",
                      table(["", part, "messages/s", "CPU µs", "p50 ms", "p99 ms"],
                            [[TITLES[name], f"{one['count']:,}", number(one["messagesPerSecond"]), number(one["cpuMicroseconds"], 1),
                              number(one["p50Microseconds"] / 1000, 2), number(one["p99Microseconds"] / 1000, 2)]
                             for name, line in points.items() for one in line]), ""]
    if growth.get("balance"):
        parts += ["**Messages at each of three backends**, one message a connection", "",
                  table(["", "first", "second", "third"],
                        [[name, *[f"{one:,}" for one in each]] for name, each in growth["balance"].items()]), ""]
    return "\n".join(parts)


def readme_text(report):
    cells = cells_of(report)
    body = []
    for key in ("1k-one-20", "1k-many-20", "20k-one-20", "1m-one-20"):
        for name in ("nginx", "nginx-stream", "haproxy", "postern", "postern-lookup"):
            if key in cells and name in cells[key]["medians"]:
                one = cells[key]["medians"][name]
                body.append([cells[key]["title"].replace(", 20 sessions", ""), TITLES[name], number(one["messagesPerSecond"]),
                             number(one["cpuMicroseconds"], 1), number(one.get("p99Microseconds", 0) / 1000, 1)])
    for index in range(len(body) - 1, 0, -1):
        if body[index][0] == body[index - 1][0]:
            body[index][0] = ""
    return table(["20 sessions", "", "messages/s", "CPU µs each", "99 % within, ms"], body)


def replace(path, new):
    """Between the markers of a document."""
    with open(path) as file:
        text = file.read()
    pattern = r"(<!-- figures: begin[^>]*-->\n).*?(<!-- figures: end -->)"
    if not re.search(pattern, text, re.S):
        sys.exit(f"publish: {path} has no place for figures")
    with open(path, "w") as file:
        file.write(re.sub(pattern, lambda found: found[1] + new.strip() + "\n" + found[2], text, flags=re.S))


def main():
    source, root = sys.argv[1:]
    with open(source) as file:
        report = json.load(file)
    if report.get("kind") != "relay" or not report.get("cells"):
        sys.exit(f"publish: {source} is no report of the relay's bench")
    if report["quick"]:
        sys.exit(f"publish: {source} is of a quick run, which is not to be quoted")
    made = plots(report)
    os.makedirs(f"{root}/docs/plots", exist_ok=True)
    for name, svg in made.items():
        with open(f"{root}/docs/plots/{name}.svg", "w") as file:
            file.write(svg)
    replace(f"{root}/docs/benchmarks.md", figures_text(report, made))
    replace(f"{root}/README.md", readme_text(report) + "\n\n![CPU for each message](docs/plots/cpu.svg)")
    print(f"publish: {len(made)} plots, docs/benchmarks.md, README.md")


if __name__ == "__main__":
    main()
