"""Les options et les tableaux de pytest pour noter des rendus.

    pytest --rendu=../etudiant              un étudiant (l'option peut se répéter)
    pytest --rendus=../classe               un dossier par étudiant
    pytest --rendus=../classe --rapport=notes --langue=en -n 4

Le signe `=` compte : avec une espace, pytest prendrait le dossier pour un endroit où chercher des
tests, et exécuterait le conftest.py de l'étudiant dans le processus de celui qui note.
"""

from collections.abc import Generator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from grader.judging.grading import UNITS, Grading, chain
from grader.reporting.files import write_all
from grader.reporting.record import Record, student_of
from grader.reporting.speech import Speech
from grader.reporting.terminal import progress, table_lines
from grader.table import Table

ROOT = Path(__file__).resolve().parents[2]
ENTRY = ROOT / "tests" / "test_rendu.py"
REPORTS = "grader/test_reports.py"  # la classe d'essai n'y est notée qu'une fois
GRADING = pytest.StashKey["Session"]()
FOUND = pytest.StashKey[Record]()  # ce qu'une vérification a donné, à rapporter


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("notation", "noter des rendus du TP")
    group.addoption(
        "--rendu",
        action="append",
        default=[],
        metavar="DOSSIER",
        help="le rendu à noter ; écris --rendu=DOSSIER, avec le signe =",
    )
    group.addoption(
        "--rendus",
        action="append",
        default=[],
        metavar="DOSSIER",
        help="un dossier qui contient un dossier par étudiant ; avec le signe =",
    )
    group.addoption(
        "--langue", choices=("fr", "en"), default="fr", help="la langue des tableaux et rapports"
    )
    group.addoption(
        "--rapport", metavar="DOSSIER", help="où écrire les rapports, notes.csv et resultats.json"
    )


class Session:
    """Ce qu'une exécution de pytest note : les dossiers, et les résultats qui arrivent."""

    def __init__(self, config: pytest.Config) -> None:
        self.table = Table()
        self.speech = Speech(self.table, config.getoption("--langue"))
        asked = [Path(folder) for folder in config.getoption("--rendu")]
        for parent in map(Path, config.getoption("--rendus")):
            asked += students_in(parent)
        for folder in asked:
            if not folder.is_dir():
                raise pytest.UsageError(f"--rendu={folder} : ce dossier n'existe pas")
        self.asked = bool(asked or config.getoption("--rendus"))
        self.names = unique_names(asked if self.asked else [ROOT])
        # `--strict` existe déjà dans pytest ; ici il veut dire aussi : sévère pour les étudiants.
        self.strict = config.getoption("strict") or not self.asked
        self.grading = cache(lambda folder: Grading(folder, self.table))


def students_in(parent: Path) -> list[Path]:
    if not parent.is_dir():
        raise pytest.UsageError(f"--rendus={parent} : ce dossier n'existe pas")
    return sorted(
        folder
        for folder in parent.iterdir()
        if folder.is_dir() and not folder.is_symlink() and folder.name[0] not in "._"
    )


def pytest_configure(config: pytest.Config) -> None:
    session = config.stash[GRADING] = Session(config)
    if session.asked:
        # Rien que la notation, et rien des rendus : pytest ne cherche de tests que dans ce fichier.
        config.args[:] = [str(ENTRY)]
        config.option.tbstyle = "no"
        config.option.reportchars = ""
        config.option.verbose = min(config.option.verbose, -1) if not config.option.verbose else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Avec `-n`, ce qui s'enchaîne dans un rendu reste dans le même processus. Un autre `--dist`
    demandé passe devant.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Grouped(config, log)


def group_of(nodeid: str) -> str:
    """Les tests à garder ensemble ; les autres restent seuls."""
    student, _, check = nodeid.rstrip("]").rpartition("-")
    unit = check.rpartition(".")[0]
    if "test_rendu[" in student and unit in UNITS:
        return f"{student}-{chain(unit)}"
    return REPORTS if REPORTS in nodeid else nodeid


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function.__name__ == "test_rendu":
        session = metafunc.config.stash[GRADING]
        cases = [
            pytest.param(folder, check, id=f"{name}-{check.id}")
            for folder, name in session.names.items()
            for check in session.table.checks.values()
        ]
        metafunc.parametrize(("folder", "check"), cases)


def unique_names(folders: list[Path]) -> dict[Path, str]:
    """Un nom par dossier ; deux dossiers de même nom prennent aussi celui de leur parent."""
    bases = [folder.resolve().name for folder in folders]
    return {
        folder: name if bases.count(name) == 1 else f"{folder.resolve().parent.name}/{name}"
        for folder, name in zip(folders, bases, strict=True)
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if call.when == "call" and FOUND in item.stash:
        # Voyage jusqu'au processus principal, même avec xdist.
        vars(report)["grader"] = item.stash[FOUND]
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Une mesure du temps dure : les notations longues partent en premier."""
    items.sort(key=lambda item: item.path != ENTRY)


def pytest_report_teststatus(
    report: pytest.TestReport, config: pytest.Config
) -> tuple[str, str, str] | None:
    """En notant, une ligne par étudiant suffit : pas de point ni de lettre par vérification."""
    if config.stash[GRADING].asked and getattr(report, "grader", None):
        return report.outcome, "", ""
    return None


class Results:
    """Dans le processus principal seulement : rassemble, affiche, écrit."""

    def __init__(self, config: pytest.Config) -> None:
        self.session = config.stash[GRADING]
        self.report = config.getoption("--rapport")
        self.reporter: pytest.TerminalReporter | None = config.pluginmanager.getplugin(
            "terminalreporter"
        )
        self.records: dict[str, dict[str, Record]] = {}
        self.drives: dict[str, dict[str, str]] = {}
        self.broken = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found: Record | None = getattr(report, "grader", None)
        if found is None:
            self.broken = self.broken or report.failed
            return
        name, check = found["student"], found["check"]
        self.records.setdefault(name, {})[check["id"]] = check
        self.drives.setdefault(name, {}).update(found["drives"])
        over = len(self.records[name]) == len(self.session.table.checks)
        if self.session.asked and over and self.reporter:
            self.reporter.write_line(progress(self.students()[name], self.session.speech))

    def students(self) -> dict[str, Record]:
        return {
            name: student_of(
                name, str(folder), self.records[name], self.drives[name], self.session.table
            )
            for folder, name in self.session.names.items()
            if name in self.records
        }

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.session.strict and not self.broken and session.exitstatus == 1:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        students = list(self.students().values())
        for student in students if self.session.asked else ():
            for line in table_lines(student, self.session.speech):
                terminalreporter.write_line(line)
        if self.report:
            write_all(Path(self.report), students, self.session.speech)
            terminalreporter.write_line(f"rapports : {self.report}")


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Results(session.config), "tp7-resultats")
