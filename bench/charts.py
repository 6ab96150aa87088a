"""Des barres en SVG sans bibliothèque, lisibles sur fond clair comme sur fond sombre."""

from html import escape
from math import ceil, floor, log10
from pathlib import Path

STYLE = """
text { font: 13px system-ui, sans-serif; fill: #57606a }
.title { font-size: 15px; font-weight: 600 } .name { text-anchor: end }
.small { font-size: 11px; text-anchor: middle }
.grid { stroke: #8b949e; stroke-opacity: .35 }
.ours { fill: #2f81f7 } .peer { fill: #8b949e } .limit { fill: #bf8700 }
@media (prefers-color-scheme: dark) { text { fill: #c9d1d9 } }
"""
LEFT, RIGHT, WIDTH, ROW, TOP = 270, 70, 860, 26, 60


def number(value: float, digits: int = 2) -> str:
    """Écrit un nombre à la française, avec `digits` chiffres qui comptent, sans couper l'entier."""
    decimals = 0 if value == int(value) else max(0, digits - 1 - floor(log10(abs(value))))
    return f"{value:,.{min(decimals, 4)}f}".replace(",", "\u202f").replace(".", ",")


def bars(path: Path, title: str, unit: str, rows: list[tuple[str, float, str]]) -> None:
    """Écrit des barres : un nom, une valeur, et ce qu'elle est, « ours », « peer » ou « limit »."""
    rows = sorted(rows, key=lambda row: row[1])
    low, high = floor(log10(rows[0][1])), ceil(log10(rows[-1][1]))
    bottom = TOP + ROW * len(rows)

    def across(value):
        return round(LEFT + (WIDTH - LEFT - RIGHT) * (log10(value) - low) / max(high - low, 1))

    def text(x, y, words, kind=""):
        return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}</text>'

    parts = [text(12, 24, title, "title"), text(LEFT, bottom + 34, unit)]
    for mark in (10.0**power for power in range(low, high + 1)):
        x = across(mark)
        parts.append(f'<line class="grid" x1="{x}" y1="{TOP - 8}" x2="{x}" y2="{bottom}"/>')
        parts.append(text(x, bottom + 16, number(mark, 1), "small"))
    for y, (name, value, kind) in zip(range(TOP, bottom, ROW), rows, strict=True):
        size = f'width="{max(across(value) - LEFT, 1)}" height="{ROW - 8}"'
        parts.append(f'<rect class="{kind}" x="{LEFT}" y="{y}" {size}/>')
        parts.append(text(LEFT - 8, y + 13, name, "name"))
        parts.append(text(across(value) + 6, y + 13, number(value)))
    head = f'viewBox="0 0 {WIDTH} {bottom + 44}" role="img" aria-label="{escape(title)}"'
    lines = [f'<svg xmlns="http://www.w3.org/2000/svg" {head}>', f"<style>{STYLE}</style>", *parts]
    path.write_text("\n".join([*lines, "</svg>", ""]), encoding="utf-8")
