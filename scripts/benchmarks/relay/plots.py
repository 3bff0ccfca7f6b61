"""SVG plots of a report, by hand: bars and lines, legible on white and on black."""

import math

WIDTH = 760
COLOURS = {
    "direct": "#8a8f98", "nginx": "#2f9e44", "nginx-64k": "#7bc67e", "nginx-stream": "#0b7285", "haproxy": "#1c7ed6",
    "postfix": "#ae6f2b", "postern": "#d9480f", "postern-lookup": "#f08c00", "nginx-starttls": "#2f9e44",
    "postern-starttls": "#f08c00", "nginx-tls": "#2f9e44", "postern-tls": "#d9480f", "nginx-auth": "#2f9e44",
    "postern-auth": "#f08c00",
}
STYLE = """<style>
  text { font: 13px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #57606a; }
  .title { font-weight: 600; font-size: 15px; fill: #24292f; } .value { fill: #24292f; }
  .axis { stroke: #8c959f; stroke-opacity: .6; } .grid { stroke: #8c959f; stroke-opacity: .22; }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1; } .title, .value { fill: #e6edf3; }
  }
</style>"""


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def document(height, title, parts):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" role="img" '
            f'aria-label="{escaped(title)}">\n{STYLE}\n' + "\n".join(parts) + "\n</svg>\n")


def text(x, y, what, kind="", anchor="start"):
    style = f' class="{kind}"' if kind else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{style}>{escaped(what)}</text>'


def shown(value):
    if value >= 10000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}".rstrip("0").rstrip(".") if value >= 1 else f"{value:.2g}"


def round_top(value):
    """The next 1, 2, 2.5 or 5 times a power of ten."""
    power = 10 ** math.floor(math.log10(value or 1))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= value)


def bars(title, unit, groups):
    """Horizontal bars. `groups`: (heading, [(name, label, [parts])]); the second part of a bar is paler."""
    left, right, row, top = 230, 70, 22, 44
    greatest = round_top(max(sum(parts) for _, rows in groups for _, _, parts in rows))
    scale = (WIDTH - left - right) / greatest
    height = top + sum(30 + row * len(rows) for _, rows in groups) + 30
    parts = [text(16, 26, title, "title")]
    for step in range(5):
        x = left + scale * greatest * step / 4
        parts.append(f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{height - 30}" class="grid"/>')
        parts.append(text(x, height - 12, shown(greatest * step / 4) + (f" {unit}" if step == 4 else ""), anchor="middle"))
    y = top
    for heading, rows in groups:
        y += 20
        parts.append(text(16, y, heading, "value"))
        y += 10
        for name, label, values in rows:
            parts.append(text(left - 8, y + 14, label, anchor="end"))
            x = left
            for index, value in enumerate(values):
                parts.append(f'<rect x="{x:.1f}" y="{y + 3}" width="{max(value * scale, 0.5):.1f}" height="{row - 6}" '
                             f'fill="{COLOURS[name]}" fill-opacity="{1 - 0.45 * index:.2f}"/>')
                x += value * scale
            parts.append(text(x + 6, y + 14, shown(sum(values)), "value"))
            y += row
    return document(height, title, parts)


def lines(title, unit, series, ticks, floor=None):
    """Lines over logarithmic axes. `series`: (name, label, [(x, y)]); `ticks`: (x, what stands below it)."""
    left, right, top, bottom, height = 70, 200, 66, 40, 390
    values = [y for _, _, points in series for _, y in points if y > 0]
    steps = [step * 10.0**power for power in range(-6, 10) for step in (1, 2, 5)]
    low = max(step for step in steps if step <= min(floor or min(values), min(values)))
    high = min(step for step in steps if step >= max(values) and step > low)
    first, last = math.log10(ticks[0][0]), math.log10(ticks[-1][0])

    def at(x, y):
        across = (math.log10(x) - first) / (last - first or 1)
        up = (math.log10(max(y, low)) - math.log10(low)) / (math.log10(high) - math.log10(low))
        return left + across * (WIDTH - left - right), height - bottom - up * (height - bottom - top)

    parts = [text(16, 26, title, "title"), text(16, 46, unit)]
    for value in steps:
        if low <= value <= high:
            y = at(ticks[0][0], value)[1]
            parts.append(f'<line x1="{left}" y1="{y:.1f}" x2="{WIDTH - right}" y2="{y:.1f}" class="grid"/>')
            if high / low <= 100 or math.log10(value) % 1 < 1e-9:
                parts.append(text(left - 8, y + 4, shown(value), anchor="end"))
    for x, below in ticks:
        across = at(x, low)[0]
        parts.append(f'<line x1="{across:.1f}" y1="{height - bottom}" x2="{across:.1f}" y2="{height - bottom + 5}" class="axis"/>')
        parts.append(text(across, height - bottom + 20, below, anchor="middle"))
    parts.append(f'<line x1="{left}" y1="{height - bottom}" x2="{WIDTH - right}" y2="{height - bottom}" class="axis"/>')
    labels = []
    for name, label, points in series:
        path = [at(x, y) for x, y in points]
        parts.append(f'<polyline points="{" ".join(f"{x:.1f},{y:.1f}" for x, y in path)}" fill="none" stroke="{COLOURS[name]}" '
                     'stroke-width="2.2" stroke-linejoin="round"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{COLOURS[name]}"/>' for x, y in path]
        labels.append([path[-1][1], name, label, path[-1]])
    # (labels stand beside the last points, moved apart where they would meet)
    labels.sort(key=lambda one: one[0])
    for index, label in enumerate(labels):
        label[0] = max([label[0], top] + [labels[index - 1][0] + 17] * (index > 0))
    end = height - bottom
    for label in reversed(labels):
        label[0] = end = min(label[0], end)
        end -= 17
    for y, name, label, (x, end) in labels:
        parts.append(f'<line x1="{x + 5:.1f}" y1="{end:.1f}" x2="{WIDTH - right + 22}" y2="{y:.1f}" stroke="{COLOURS[name]}" '
                     'stroke-opacity=".5"/>')
        parts.append(text(WIDTH - right + 26, y + 4, label))
    return document(height, title, parts)
