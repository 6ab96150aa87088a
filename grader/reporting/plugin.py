"""Les options et les tableaux de pytest pour noter des rendus.

    pytest --rendu=../etudiant              un étudiant (l'option peut se répéter)
    pytest --rendus=../classe               un dossier ou une archive par étudiant
    pytest --rendus=../classe --rapport=notes --langue=en -n 4

Le signe `=` compte : avec une espace, pytest prendrait le dossier pour un endroit où chercher des
tests, et exécuterait le conftest.py de l'étudiant dans le processus de celui qui note.
"""

from collections.abc import Generator
from dataclasses import replace
from typing import Any

import pytest

from grader.judging.grading import UNITS, chain
from grader.reporting.record import Record
from grader.reporting.results import Results
from grader.reporting.session import ROOT, Session
from grader.text import encodable

ENTRY = ROOT / "tests" / "test_rendu.py"
REPORTS = "grader/test_reports.py"  # la classe d'essai n'y est notée qu'une fois
GRADING = pytest.StashKey[Session]()
FOUND = pytest.StashKey[Record]()  # ce qu'une vérification a donné, à rapporter


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("notation", "noter des rendus du TP")
    group.addoption(
        "--rendu",
        action="append",
        default=[],
        metavar="RENDU",
        help="le dossier, l'archive ou le script à noter ; écris --rendu=…, avec le signe =",
    )
    group.addoption(
        "--rendus",
        action="append",
        default=[],
        metavar="CLASSE",
        help="un dossier (ou l'archive de Moodle) qui contient un rendu par étudiant ; avec =",
    )
    group.addoption(
        "--langue", choices=("fr", "en"), default="fr", help="la langue des tableaux et rapports"
    )
    group.addoption(
        "--rapport", metavar="DOSSIER", help="où écrire les rapports, notes.csv et resultats.json"
    )
    group.addoption(
        "--reprendre", action="store_true", help="ne pas renoter ceux qui sont finis dans --rapport"
    )
    group.addoption(
        "--installer",
        action="store_true",
        help="installer, pour chaque rendu seul, les paquets qu'il demande et qui ne sont pas ici, "
        "et ceux dont ses pages chargent un script par un miroir de npm (unpkg, jsdelivr, cdnjs)",
    )


def pytest_configure(config: pytest.Config) -> None:
    session = config.stash[GRADING] = Session(config)
    if session.asked:
        # Les processus de xdist les reçoivent, et xdist n'envoie que ce qui s'écrit en UTF-8.
        told = config.invocation_params
        config.invocation_params = replace(told, args=tuple(encodable(str(a)) for a in told.args))
        # Rien que la notation, et rien des rendus : pytest ne cherche de tests que dans ce fichier.
        config.args[:] = [str(ENTRY)]
        config.option.tbstyle = "no"
        config.option.reportchars = ""
        config.option.verbose = -2  # ses lignes à lui diraient autre chose que les nôtres


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Chaque processus de xdist reçoit les rendus déjà ouverts."""
    node.workerinput["tp7_students"] = node.config.stash[GRADING].travel()
    node.workerinput["mainargv"] = list(map(encodable, node.workerinput["mainargv"]))


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

        def remove_node(self, node: Any) -> str | None:
            """Un processus est mort : un autre fait le reste, sauf ce qui l'a tué.

            Celui de xdist redonne aussi ce qui était fini, et attend alors pour toujours.
            """
            work = self.assigned_work.pop(node)
            unfinished = [scope for scope, unit in work.items() if not all(unit.values())]
            if not unfinished:
                return None
            fatal, *others = unfinished
            self.workqueue.update({scope: work[scope] for scope in others})
            for other in self.assigned_work:
                self._reschedule(other)
            return str(next(nodeid for nodeid, done in work[fatal].items() if not done))

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
            pytest.param(file, check, id=f"{file}-{check.id}")
            for file in session.to_grade
            for check in session.table.checks.values()
        ]
        metafunc.parametrize(("student", "check"), cases)


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


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    config, grading = session.config, session.config.stash[GRADING]
    if hasattr(config, "workerinput"):
        return
    results = Results(config, grading)
    config.pluginmanager.register(results, "tp7-resultats")
    if grading.asked:
        if told := config.pluginmanager.getplugin("terminaldistreporter"):
            # Ce que xdist dit de ses processus, en anglais, au milieu des étudiants.
            told.setstatus = told.ensure_show_status = lambda *_, **__: None
        if config.getoption("--installer"):
            results.tell(grading.speech.say("installing"))
            grading.install()
        results.announce()


def pytest_unconfigure(config: pytest.Config) -> None:
    if GRADING in config.stash:
        config.stash[GRADING].close()
