"""La table des vérifications et des phrases (checks.toml), lue et vérifiée."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

TABLE = Path(__file__).with_name("checks.toml")
LANGUAGES = ("fr", "en")
STEPS = ("i1", "i2", "i3", "ii2", "ii3")
BONUS = "ii3"
OUT_OF = 20


@dataclass(frozen=True)
class Check:
    """Une ligne de la table. `texts` : langue -> sentence, rationale, expected, hint."""

    id: str
    points: float
    needs: tuple[str, ...]
    texts: dict[str, dict[str, str]]

    @property
    def step(self) -> str:
        return self.id.partition(".")[0]

    @property
    def unit(self) -> str:
        """La part du travail qui donne ce verdict et ses voisins : « i3.server »."""
        return self.id.rpartition(".")[0]


class Table:
    """Lève ValueError avec une phrase si la table ne tient pas debout."""

    def __init__(self, path: Path = TABLE):
        data = tomllib.loads(path.read_text("utf-8"))
        self.phrases: dict[str, dict[str, dict[str, str]]]
        self.phrases = {section: data[section] for section in data if section != "checks"}
        self.checks = {
            name: Check(
                name,
                float(entry["points"]),
                tuple(entry.get("needs", ())),
                {language: entry[language] for language in LANGUAGES},
            )
            for name, entry in data["checks"].items()
        }
        for check in self.checks.values():
            if unknown := set(check.needs) - set(self.checks):
                raise ValueError(f"{check.id} dépend de {unknown}, qui n'existe pas")
        if not any(check.points for check in self.checks.values() if check.step != BONUS):
            raise ValueError("aucune vérification n'a de points")

    def say(self, section: str, key: str, language: str, **params: object) -> str:
        """La phrase, avec ses paramètres mis en place ; ce qui manque se voit (« … »)."""
        return fill(self.phrases[section][key][language], params)


def fill(text: str, params: dict[str, object]) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: str(params.get(found[1], "…")), text)


def placeholders(text: str) -> set[str]:
    return set(re.findall(r"\{(\w+)\}", text))
