"""Lire les pages du cours : leurs blocs de code, leurs titres, leurs liens."""

import re
from pathlib import Path
from typing import NamedTuple

from support.processes import ROOT

FRENCH = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ENGLISH = [ROOT / "README.en.md", *sorted((ROOT / "docs/en").glob("*.md"))]
BLOCK = re.compile(r"^```(\w+) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):  # ```langage nom
    language: str
    name: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """Les blocs d'une page, tous ou ceux des langages donnés."""
    found = [Block(*groups) for groups in BLOCK.findall(page.read_text())]
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    """La page sans ses blocs de code."""
    return BLOCK.sub("", page.read_text())


def links(page: Path) -> list[str]:
    """Ce que visent les liens et les images d'une page."""
    return re.findall(r"\]\(([^)\s]+)\)", prose(page))


def anchors(page: Path) -> list[str]:
    """L'ancre que GitHub donne à chaque titre."""
    titles = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles]
