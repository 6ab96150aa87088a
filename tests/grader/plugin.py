"""Les options et les tableaux de pytest pour noter des rendus.

    pytest --rendu=../etudiant              un étudiant (l'option peut se répéter)
    pytest --rendus=../classe               un dossier par étudiant
    pytest --rendus=../classe --rapport=notes --langue=en -n 4

Le signe `=` compte : avec une espace, pytest prendrait le dossier pour un endroit où chercher des
tests, et exécuterait le conftest.py de l'étudiant dans le processus de celui qui note.
"""

import re
from pathlib import Path

import pytest

from grader.grading import Grading
from grader.table import Table

ROOT = Path(__file__).resolve().parents[2]
ENTRY = Path(__file__).resolve().parents[1] / "test_rendu.py"
REPORTS = "test_grader_reports.py"  # la classe d'essai n'y est notée qu'une fois
GRADING = pytest.StashKey["Session"]()


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

    def __init__(self, config: pytest.Config):
        self.language = config.getoption("--langue")
        self.table = Table()
        self.folders = [Path(folder) for folder in config.getoption("--rendu")]
        for parent in map(Path, config.getoption("--rendus")):
            if not parent.is_dir():
                raise pytest.UsageError(f"--rendus={parent} : ce dossier n'existe pas")
            self.folders += sorted(
                folder
                for folder in parent.iterdir()
                if folder.is_dir() and not folder.is_symlink() and folder.name[0] not in "._"
            )
        for folder in self.folders:
            if not folder.is_dir():
                raise pytest.UsageError(f"--rendu={folder} : ce dossier n'existe pas")
        self.asked = bool(self.folders or config.getoption("--rendus"))
        if not self.asked:
            self.folders = [ROOT]
        # `--strict` existe déjà dans pytest ; ici il veut dire aussi : sévère pour les étudiants.
        self.strict = config.getoption("strict") or not self.asked
        self.gradings: dict[Path, Grading] = {}
        self.records: dict[str, dict[str, dict]] = {}
        self.drives: dict[str, dict[str, str]] = {}
        self.broken = False

    def grading(self, folder: Path) -> Grading:
        if folder not in self.gradings:
            self.gradings[folder] = Grading(folder, self.table)
        return self.gradings[folder]


def pytest_configure(config: pytest.Config) -> None:
    session = config.stash[GRADING] = Session(config)
    if session.asked:
        # Rien que la notation, et rien des rendus : pytest ne cherche de tests que dans ce fichier.
        config.args[:] = [str(ENTRY)]
        config.option.tbstyle = "no"
        config.option.reportchars = ""
        config.option.verbose = min(config.option.verbose, -1) if not config.option.verbose else 0


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Avec `-n`, les vérifications d'une même moitié d'un rendu restent dans le même processus :
    elles apprennent les unes des autres. Un autre `--dist` demandé passe devant.
    """
    if config.getoption("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Grouped(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return group_of(nodeid)

    return Grouped(config, log)


def group_of(nodeid: str) -> str:
    """Les tests à garder ensemble ; les autres restent seuls."""
    found = re.search(r"test_rendu\.py::test_rendu\[(.+)-(\w+)\.\w+\.\w+\]$", nodeid)
    if found:
        return f"{found[1]}-{'echo' if found[2] in ('i1', 'i2') else 'chat'}"
    return REPORTS if REPORTS in nodeid else nodeid


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function.__name__ != "test_rendu":
        return
    session = metafunc.config.stash[GRADING]
    names = unique_names(session.folders)
    metafunc.parametrize(
        ("folder", "check"),
        [
            pytest.param(
                folder,
                check,
                id=f"{names[folder]}-{check.id}",
            )
            for folder in session.folders
            for check in session.table.checks.values()
        ],
    )


def unique_names(folders: list[Path]) -> dict[Path, str]:
    """Un nom par dossier ; deux dossiers de même nom prennent aussi celui de leur parent."""
    bases = [folder.resolve().name for folder in folders]
    return {
        folder: name if bases.count(name) == 1 else f"{folder.resolve().parent.name}/{name}"
        for folder, name in zip(folders, bases, strict=True)
    }


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if call.when == "call" and (found := getattr(item, "grader_record", None)):
        report.grader = found  # voyage jusqu'au processus principal, même avec xdist
    return report


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Une mesure du temps dure : les notations longues partent en premier."""
    items.sort(key=lambda item: item.path != ENTRY)


def pytest_report_teststatus(report, config: pytest.Config):
    """En notant, une ligne par étudiant suffit : pas de point ni de lettre par vérification."""
    if config.stash[GRADING].asked and getattr(report, "grader", None):
        return report.outcome, "", ""


class Results:
    """Dans le processus principal seulement : rassemble, affiche, écrit."""

    def __init__(self, config: pytest.Config):
        self.config, self.session = config, config.stash[GRADING]
        self.reporter = config.pluginmanager.getplugin("terminalreporter")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found = getattr(report, "grader", None)
        if found is None:
            if report.failed:
                self.session.broken = True
            return
        name = found["student"]
        self.session.records.setdefault(name, {})[found["check"]["id"]] = found["check"]
        self.session.drives.setdefault(name, {}).update(found["drives"])
        if self.session.asked and len(self.session.records[name]) == len(self.session.table.checks):
            from grader.report import progress

            self.reporter.write_line(progress(self.students()[name], self.session))

    def students(self) -> dict[str, dict]:
        from grader.report import student_of

        folders = unique_names(self.session.folders)
        return {
            name: student_of(name, str(folder), self.session)
            for folder, name in folders.items()
            if name in self.session.records
        }

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if not self.session.strict and not self.session.broken and session.exitstatus == 1:
            session.exitstatus = pytest.ExitCode.OK

    def pytest_terminal_summary(self, terminalreporter) -> None:
        from grader.report import table_lines, write_all

        students = list(self.students().values())
        if self.session.asked:
            for student in students:
                for line in table_lines(student, self.session):
                    terminalreporter.write_line(line)
        if folder := self.config.getoption("--rapport"):
            write_all(Path(folder), students, self.session)
            terminalreporter.write_line(f"rapports : {folder}")


def pytest_sessionstart(session: pytest.Session) -> None:
    if not hasattr(session.config, "workerinput"):
        session.config.pluginmanager.register(Results(session.config), "tp7-resultats")
