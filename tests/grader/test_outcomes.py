"""Le correcteur rend exactement l'issue prévue de chaque rendu d'essai, bon ou fautif."""

import shutil
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from grader.finding.handin import HandIn
from grader.judging.grading import Grading
from grader.table import Check, Table
from grader.verdict import State

RENDUS = Path(__file__).resolve().parents[1] / "rendus"
UNHAPPY = (State.FAILED, State.NOT_REACHED, State.COULD_NOT_RUN)


@dataclass
class Case:
    """Un rendu d'essai, et ce que chaque vérification doit en dire ; non nommée : réussie."""

    name: str
    folder: Path
    failed: set[str] = field(default_factory=set)
    not_reached: set[str] = field(default_factory=set)
    could_not_run: set[str] = field(default_factory=set)
    remarks: set[str] = field(default_factory=set)
    changes: list[tuple[str, str, str]] = field(default_factory=list)

    def expected(self, check: Check, scripts: dict[str, Path]) -> State:
        for state in UNHAPPY:
            if check.id in getattr(self, state):
                return state
        unit = check.unit
        present = any(role == unit or role.startswith(unit + ".") for role in scripts)
        return State.PASSED if present else State.NOT_REACHED

    def prepare(self, place: Path) -> Path:
        """Le dossier à noter : tel quel, ou une copie avec ses fautes."""
        if not self.changes:
            return self.folder
        copy = place / "rendu"
        shutil.copytree(self.folder, copy)
        for file, old, new in self.changes:
            text = (copy / file).read_text("utf-8")
            assert old in text, f"{self.name} : « {old} » n'est plus dans {file}"
            (copy / file).write_text(text.replace(old, new), "utf-8")
        return copy

    def units(self, table: Table) -> list[str]:
        """Les parts du travail à lancer : celles des fichiers changés, ou toutes."""
        files = {change[0].lower() for change in self.changes}
        scripts = HandIn(self.folder).scripts
        units = {check.unit for check in table.checks.values()}
        touched = {role for role, path in scripts.items() if path.name.lower() in files}
        if not touched:
            return sorted(units)
        return sorted(u for u in units if any(t == u or t.startswith(u + ".") for t in touched))


def mutations() -> list[Case]:
    data = tomllib.loads((RENDUS / "mutations.toml").read_text("utf-8"))
    return [
        Case(
            entry["name"],
            RENDUS / "ordinaire",
            failed=set(entry["failed"]),
            not_reached=set(entry.get("not_reached", ())),
            changes=[
                (entry["file"], old, new)
                for old, new in [(entry["old"], entry["new"]), *entry.get("also", [])]
            ],
        )
        for entry in data["mutation"]
    ]


def hand_ins() -> list[Case]:
    data = tomllib.loads((RENDUS / "attendus.toml").read_text("utf-8"))
    return [
        Case(
            name,
            RENDUS / name,
            **{state.value: set(entry.get(state, ())) for state in UNHAPPY},
            remarks=set(entry.get("remarks", ())),
        )
        for name, entry in data.items()
    ]


def differences(case: Case, place: Path, table: Table) -> list[str]:
    """Note le rendu d'essai et rend ce qui n'est pas comme prévu, en phrases."""
    grading = Grading(case.prepare(place), table)
    scripts = grading.student.hand_in.scripts
    wrong, remarks = [], set()
    for check in table.checks.values():
        if check.unit not in case.units(table):
            continue
        verdict = grading.verdict(check)
        remarks |= {key for key, _ in verdict.remarks}
        expected = case.expected(check, scripts)
        if verdict.state != expected:
            wrong.append(f"{check.id} : {verdict.state} au lieu de {expected} ({verdict})")
    if absent := case.remarks - remarks:
        wrong.append(f"remarques absentes : {absent}, venues : {remarks}")
    return wrong


MUTATIONS, HAND_INS = mutations(), hand_ins()
# Le tour ordinaire en essaie quelques-uns, de chaque sorte ; `make meta` les essaie tous.
SHORT = {
    "i1 : le client ne montre pas la réponse",
    "i2 : le script envoie une phrase écrite d'avance",
    "i3 : l'arrivée n'est annoncée qu'au serveur",
    "ii2 : un registre de pseudos à côté de Redis",
    "boucle_d_avant",
}


def cases(all_cases: list[Case]) -> list:
    return [
        pytest.param(case, id=case.name, marks=[] if case.name in SHORT else [pytest.mark.meta])
        for case in all_cases
    ]


@pytest.mark.parametrize("case", cases(MUTATIONS))
def test_mutation(case: Case, tmp_path: Path) -> None:
    """Une faute fait échouer la vérification qui la vise, et aucune autre."""
    assert not differences(case, tmp_path, Table())


@pytest.mark.parametrize("case", cases(HAND_INS))
def test_hand_in(case: Case, tmp_path: Path) -> None:
    """Un rendu d'essai reçoit exactement les issues prévues."""
    assert not differences(case, tmp_path, Table())


def test_every_check_has_a_wrong_solution() -> None:
    """Chaque vérification a au moins une faute qu'elle est seule à refuser."""
    alone = {next(iter(case.failed)) for case in MUTATIONS if len(case.failed) == 1}
    assert alone == set(Table().checks)
