"""Figures as text."""

from contenders import TITLES


def number(value, digits=0):
    if value is None:
        return "–"
    if value >= 100 or digits == 0:
        return f"{value:,.0f}"
    return f"{value:.{digits}f}"


def milliseconds(microseconds):
    return number(None if microseconds is None else microseconds / 1000, 2)


COLUMNS = [
    ("messages/s", lambda m: number(m["messagesPerSecond"], 1)),
    ("MB/s", lambda m: number(m["megabytesPerSecond"], 1)),
    ("CPU µs", lambda m: number(m["cpuMicroseconds"], 1)),
    ("user", lambda m: number(m["userMicroseconds"], 1)),
    ("system", lambda m: number(m["systemMicroseconds"], 1)),
    ("calls", lambda m: number(m.get("systemCalls"), 1)),
    ("lookup µs", lambda m: number(m["lookupMicroseconds"], 1)),
    ("backend µs", lambda m: number(m["backendMicroseconds"], 1)),
    ("load µs", lambda m: number(m["loadMicroseconds"], 1)),
    ("p50 ms", lambda m: milliseconds(m.get("p50Microseconds"))),
    ("p90", lambda m: milliseconds(m.get("p90Microseconds"))),
    ("p99", lambda m: milliseconds(m.get("p99Microseconds"))),
    ("p99.9", lambda m: milliseconds(m.get("p999Microseconds"))),
    ("max", lambda m: milliseconds(m.get("maxMicroseconds"))),
]


def rows(cell):
    return [[TITLES[name], *[value(medians) for _, value in COLUMNS]] for name, medians in cell["medians"].items()]


def show_cell(cell):
    print(f"\n{cell['key']}: {cell['title']}", flush=True)
    table = [["", *[name for name, _ in COLUMNS]], *rows(cell)]
    widths = [max(len(row[index]) for row in table) for index in range(len(table[0]))]
    for row in table:
        print("  " + row[0].ljust(widths[0]) + "".join(text.rjust(width + 2) for text, width in zip(row[1:], widths[1:])),
              flush=True)


def verdict(aim):
    return {True: "met", False: "MISSED", None: "not measured"}[aim["met"]]


def aim_texts(aim):
    unit = f" {aim['unit']}" if aim["unit"] else ""
    measured = "–" if aim["measured"] is None else f"{aim['measured']:.2f}{unit}"
    return aim["aim"], f"{aim['sign']} {aim['limit']:g}{unit}", measured, verdict(aim)


def show_aims(aims, quick):
    print("\naims" + (" (a quick run, which is not to be quoted)" if quick else ""), flush=True)
    texts = [aim_texts(aim) for aim in aims if aim["measured"] is not None]
    for row in texts:
        print(f"  {row[0]:88}{row[1]:>10}{row[2]:>12}  {row[3]}", flush=True)
    left = len(aims) - len(texts)
    if left:
        print(f"  ({left} were not measured in this run)", flush=True)
