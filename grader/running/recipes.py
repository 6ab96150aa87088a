"""Les façons de lancer un script que disent son README, son en-tête, ou la forme de ses imports."""

import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from grader.finding.code import Code
from grader.finding.handin import HandIn
from grader.running.arguments import NICKNAME, value_of

COMMAND = re.compile(r"(?:python[\d.]*|\bpy|node)\s+(-m\s+[\w.]+|[^\s`]+\.\w+)([^`#|&;\n]*)")
PLACEHOLDER = re.compile(r"<[^<>]+>|\[[^\]]+\]")
README = re.compile(r"(?:read|lisez|usage|commande).*\.(?:md|txt|rst)|(?:readme|lisez-?moi)", re.I)
NO_PACKAGE = re.compile(r"relative import with no known parent|No module named '(\w+)")


@dataclass(frozen=True)
class Recipe:
    """Comment lancer un script : appris la première fois, réutilisé ensuite."""

    arguments: tuple[str, ...] = ()
    above: int = 0  # lancé d'autant de dossiers au-dessus du sien
    module: bool = False  # par `python -m`, comme partie d'un paquet
    python: str = sys.executable
    twice: bool = False  # relancé là où il a fini : il lui fallait un fichier qu'il y a écrit


def written(hand_in: HandIn, script: Path) -> list[Recipe]:
    """Celles qu'écrivent un README ou l'en-tête du script : « python a/serveur.py --port=1 »."""
    found: list[Recipe] = []
    for text in (*_readmes(hand_in), Code(hand_in.folder / script).text[:2000]):
        for place, rest in COMMAND.findall(text):
            module = place.startswith("-m")
            parts = place.split()[1].split(".") if module else Path(place.strip("./\\")).parts
            name = script.with_suffix("").name if module else script.name
            if parts and parts[-1].casefold() == name.casefold() and len(parts) < 6:
                recipe = Recipe(tuple(_arguments(rest)), len(parts) - 1, module)
                if recipe not in found and recipe.above < len(script.parts):
                    found.append(recipe)
    return [recipe for recipe in found if recipe != Recipe()]


def _readmes(hand_in: HandIn) -> list[str]:
    """Le texte de chaque README, où qu'il soit dans le rendu."""
    names = [path for path in hand_in.files if README.fullmatch(path.name)]
    return [Code(hand_in.folder / path).text for path in names[:4]]


def _arguments(rest: str) -> list[str]:
    """Les arguments d'une ligne de commande, où ce qui est à remplir est rempli."""
    rest = rest.rstrip(" \"'»).,")  # la fin d'une phrase ou d'une docstring
    filled = PLACEHOLDER.sub(lambda m: shlex.quote(value_of(m[0]) or NICKNAME), rest)
    try:
        return [word for word in shlex.split(filled) if word not in ("...", "…", "$")]
    except ValueError:  # une apostrophe : ce n'était pas une commande jusqu'au bout
        return []


def as_package(hand_in: HandIn, script: Path, output: str) -> list[Recipe]:
    """Par `python -m`, de chaque dossier au-dessus, si le script ne trouve pas ses voisins."""
    found = NO_PACKAGE.search(output)
    if not found:
        return []
    ours = {part for path in hand_in.files for part in path.with_suffix("").parts}
    if found[1] and found[1] not in ours:
        return []
    return [Recipe(above=level, module=True) for level in range(1, len(script.parts))]
