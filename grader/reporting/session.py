"""Ce qu'une exécution de pytest note : les rendus, prêts, et les réglages demandés."""

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.finding.intake import HandedIn, Unusable, received
from grader.judging.grading import Grading
from grader.reporting.files import read_done
from grader.reporting.record import Record
from grader.reporting.speech import Speech
from grader.running.isolation import Unsafe, isolation
from grader.running.packages import Store
from grader.running.removal import remove, remove_the_rest
from grader.table import Table
from grader.text import quoted

ROOT = Path(__file__).resolve().parents[2]


class Session:
    """`students` : les rendus par nom de fichier ; `done` : ceux qu'une autre exécution a finis.

    Avec xdist, le processus principal ouvre et prépare tout ; les autres n'en reçoivent que le
    résultat (`travel` de chaque rendu).
    """

    def __init__(self, config: pytest.Config) -> None:
        self.table = Table()
        self.speech = Speech(self.table, config.getoption("--langue"))
        alone, classes = config.getoption("--rendu"), config.getoption("--rendus")
        self.asked = bool(alone or classes)
        # `--strict` existe déjà dans pytest ; ici il veut dire aussi : sévère pour les étudiants.
        self.strict = config.getoption("strict") or not self.asked
        self.details = config.option.verbose > 0
        self.report = Path(config.getoption("--rapport")) if config.getoption("--rapport") else None
        if self.asked:
            try:
                isolation()
            except Unsafe as error:
                raise pytest.UsageError(str(error)) from None
        self.done: dict[str, Record] = {}
        self._place: Path | None = None
        if hasattr(config, "workerinput"):
            students = [HandedIn.arrived(one) for one in config.workerinput["tp7_students"]]
        else:
            students = self._receive(alone, classes)
            if config.getoption("--reprendre") and self.report:
                done = read_done(self.report, self.speech.language)
                given = {student.file: quoted(str(student.source)) for student in students}
                self.done = {file: done[key] for file, key in given.items() if key in done}
        self.students = {student.file: student for student in students}
        self.grading = cache(self._grading)

    def _receive(self, alone: list[str], classes: list[str]) -> list[HandedIn]:
        """Prépare les rendus ; une phrase, avant de rien noter, si c'est impossible."""
        self._place = Path(tempfile.mkdtemp(prefix="tp7-rendus-"))
        try:
            students = received(alone if self.asked else [str(ROOT)], classes, self._place)
            if self.report:
                given = [student.source for student in students] + [Path(one) for one in classes]
                writable(self.report, given if self.asked else [])
        except (Unusable, OSError) as error:
            self.close()
            problem = error if isinstance(error, Unusable) else unreadable(error)
            phrase = self.table.say("unusable", problem.key, self.speech.language, **problem.params)
            raise pytest.UsageError(phrase) from None
        return students

    def install(self) -> None:
        """Donne à chacun les paquets qui lui manquent, et dit lesquels."""
        assert self._place
        store = Store(self._place / "paquets")
        for student in map(self.students.__getitem__, self.to_grade):
            if installed := store.serve(student.hand_in()):
                student.packages = installed.folder
                names, refused = (
                    ", ".join(map(quoted, one)) for one in (installed.names, installed.refused)
                )
                if names:
                    student.notices.append(
                        ("installed", {"names": names, "others": installed.others})
                    )
                if refused:
                    student.notices.append(("refused", {"names": refused}))

    def _grading(self, file: str) -> Grading:
        return Grading(self.students[file].hand_in(), self.table)

    def travel(self) -> list[dict[str, Any]]:
        return [self.students[file].travel() for file in self.to_grade]

    @property
    def to_grade(self) -> list[str]:
        return [file for file in self.students if file not in self.done]

    def close(self) -> None:
        if self._place:
            remove(self._place)
        remove_the_rest()


def unreadable(error: OSError) -> Unusable:
    return Unusable("unreadable", place=quoted(str(error.filename)))


def writable(report: Path, given: list[Path]) -> None:
    """Vérifie avant de noter que les rapports pourront s'écrire, et hors des rendus."""
    place = report.resolve()
    if any(one.resolve() in (place, *place.parents) for one in given):
        raise Unusable("report_inside", place=quoted(str(report)))
    try:
        report.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=report):
            pass
    except OSError:
        raise Unusable("report", place=quoted(str(report))) from None
