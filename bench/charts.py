"""Des graphiques SVG sans bibliothèque, lisibles sur fond clair comme sur fond sombre."""

from html import escape
from math import ceil, floor, log10
from pathlib import Path

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600 }
.small { font-size: 11px }
.grid { stroke: #8b949e; stroke-opacity: .35 }
.ours { fill: #2f81f7; stroke: #2f81f7 }
.peer { fill: #8b949e; stroke: #8b949e }
.limit { fill: #bf8700; stroke: #bf8700 }
.curve { fill: none; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }
"""
LEFT, RIGHT, WIDTH, ROW, TOP = 270, 70, 860, 26, 60


def number(value: float, digits: int = 2) -> str:
    """Écrit un nombre à la française, avec `digits` chiffres qui comptent, sans couper l'entier."""
    if value == 0:
        return "0"
    decimals = max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}".replace(",", "\u202f").replace(".", ",")


def decades(values) -> list[float]:
    """Rend les puissances de dix qui encadrent des valeurs."""
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return [10.0**power for power in range(low, max(high, low + 1) + 1)]


def document(title: str, height: float, parts: list[str]) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(title)}">\n<style>{STYLE}</style>\n'
        f'<text class="title" x="12" y="24">{escape(title)}</text>\n'
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def bars(path: Path, title: str, unit: str, rows: list[tuple[str, float, str]]) -> None:
    """Écrit des barres horizontales sur une échelle logarithmique.

    `rows` : (nom, valeur, classe), où la classe est « ours », « peer » ou « limit ».
    """
    rows = sorted((row for row in rows if row[1] > 0), key=lambda row: row[1])
    marks = decades([value for _, value, _ in rows])
    height = TOP + ROW * len(rows) + 40
    span = WIDTH - LEFT - RIGHT

    def across(value):
        return LEFT + span * log10(value / marks[0]) / log10(marks[-1] / marks[0])

    parts = []
    for mark in marks:
        x, bottom = across(mark), TOP + ROW * len(rows)
        parts.append(f'<line class="grid" x1="{x:.0f}" y1="{TOP - 8}" x2="{x:.0f}" y2="{bottom}"/>')
        parts.append(
            f'<text class="small" x="{x:.0f}" y="{bottom + 16}" text-anchor="middle">'
            f"{number(mark, 1)}</text>"
        )
    parts.append(f'<text class="small" x="{LEFT}" y="{height - 6}">{escape(unit)}</text>')
    for rank, (name, value, kind) in enumerate(rows):
        y = TOP + ROW * rank
        parts.append(
            f'<text x="{LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>'
            f'<rect class="{kind}" x="{LEFT}" y="{y}" width="{max(across(value) - LEFT, 1):.0f}" '
            f'height="{ROW - 8}" rx="2"/>'
            f'<text x="{across(value) + 6:.0f}" y="{y + 13}">{number(value)}</text>'
        )
    path.write_text(document(title, height, parts), encoding="utf-8")


def curves(path: Path, title: str, unit: str, across_unit: str, series) -> None:
    """Écrit une courbe par système, les deux échelles logarithmiques.

    `series` : (nom, [(abscisse, valeur)], classe).
    """
    xs = sorted({x for _, points, _ in series for x, _ in points})
    marks = decades([y for _, points, _ in series for _, y in points])
    left, right, top, bottom = 60, 300, 50, 370

    def place(x, y):
        width = WIDTH - left - right
        return (
            left + width * log10(x / xs[0]) / log10(xs[-1] / xs[0]),
            bottom - (bottom - top) * log10(y / marks[0]) / log10(marks[-1] / marks[0]),
        )

    parts = []
    for mark in marks:
        y = place(xs[0], mark)[1]
        parts.append(
            f'<line class="grid" x1="{left}" y1="{y:.0f}" x2="{WIDTH - right}" y2="{y:.0f}"/>'
            f'<text class="small" x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">'
            f"{number(mark, 1)}</text>"
        )
    for x in xs:
        parts.append(
            f'<text class="small" x="{place(x, marks[0])[0]:.0f}" y="{bottom + 18}" '
            f'text-anchor="middle">{x}</text>'
        )
    parts.append(
        f'<text class="small" x="{left}" y="{bottom + 36}">{escape(across_unit)} ; '
        f"{escape(unit)}</text>"
    )
    last_label = bottom + 20.0
    for name, points, kind in sorted(series, key=lambda one: one[1][-1][1]):
        way = " ".join("{:.0f},{:.0f}".format(*place(*point)) for point in points)
        x, y = place(*points[-1])
        last_label = min(y + 4, last_label - 15)  # deux noms ne se recouvrent pas
        parts.append(f'<polyline class="{kind} curve" style="fill:none" points="{way}"/>')
        for point in points:
            px, py = place(*point)
            parts.append(f'<circle class="{kind}" cx="{px:.0f}" cy="{py:.0f}" r="3"/>')
        parts.append(
            f'<text class="small" x="{x + 8:.0f}" y="{last_label:.0f}">{escape(name)}</text>'
        )
    path.write_text(document(title, bottom + 46, parts), encoding="utf-8")
