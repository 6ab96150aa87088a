"""Dans le processus principal : rassembler ce qui arrive, l'afficher, l'écrire à mesure."""

from collections.abc import Iterator

import pytest

from grader.reporting.files import write_class, write_student
from grader.reporting.record import Record, student_of
from grader.reporting.session import Session
from grader.reporting.terminal import class_lines, progress, table_lines, untried_lines
from grader.running.isolation import isolation
from grader.verdict import Came

PACKAGES = (Came.NO_PACKAGE, Came.NO_NODE_PACKAGE, Came.NEEDS_MIRROR)


class Results:
    def __init__(self, config: pytest.Config, session: Session) -> None:
        self.session = session
        self.reporter: pytest.TerminalReporter | None = config.pluginmanager.getplugin(
            "terminalreporter"
        )
        self.installer = bool(config.getoption("--installer"))
        self.checks: dict[str, dict[str, Record]] = {}
        self.drives: dict[str, dict[str, str]] = {}
        self.finished: dict[str, Record] = dict(session.done)
        self.broken: list[str] = []

    def announce(self) -> None:
        """Ce qui se sait avant de noter."""
        speech = self.session.speech
        if self.session.asked:
            found = isolation()
            for line in (speech.say(f"isolation_{found.way}"), *speech.trouble(found)):
                self.tell(line)
        for student in self.session.students.values():
            for told in speech.notices(student.notices):
                self.tell(f"{student.shown}{speech.colon}{told}")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found: Record | None = getattr(report, "grader", None)
        if found is None:
            if report.failed:
                self.broken.append(report.longreprtext)
            return
        file, check = found["student"], found["check"]
        self.checks.setdefault(file, {})[check["id"]] = check
        self.drives.setdefault(file, {}).update(found["drives"])
        if len(self.checks[file]) == len(self.session.table.checks):
            self._finish(file)

    def _finish(self, file: str) -> None:
        """Un étudiant est fini : ses pages et celles de la classe sont écrites aussitôt."""
        student = self.finished[file] = self._student(file)
        self._save(student)
        if self.session.asked:
            done, total = len(self.finished), len(self.session.students)
            self.tell(progress(student, done, total, self.session.speech))

    def _save(self, *students: Record) -> None:
        if self.session.report:
            for student in students:
                write_student(self.session.report, student, self.session.speech)
            write_class(self.session.report, self.all(), self.session.speech)

    def _student(self, file: str) -> Record:
        return student_of(
            self.session.students[file],
            self.checks[file],
            self.drives[file],
            self.session.table,
        )

    def all(self) -> list[Record]:
        """Tous les étudiants dont on sait quelque chose, par nom."""
        begun = {file: self._student(file) for file in self.checks if file not in self.finished}
        students = self.finished | begun
        return [students[file] for file in sorted(students, key=str.casefold)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """La notation s'est bien passée, même si des étudiants échouent ; sauf si rien n'était à
        noter.
        """
        if not self.session.strict and not self.broken and session.exitstatus == 1:
            session.exitstatus = pytest.ExitCode.OK
        nothing = not any(student.is_of_the_lab for student in self.session.students.values())
        if nothing and session.exitstatus in (0, 1):
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self) -> None:
        students, speech = self.all(), self.session.speech
        self._save(*(student for student in students if not student["complete"]))
        for line in self._summary(students) if self.session.asked else ():
            self.tell(line)
        if self.session.report:
            self.tell(speech.titled("reports", self.session.report))
        for error in self.broken if self.session.asked else ():
            self.tell(error)

    def _summary(self, students: list[Record]) -> Iterator[str]:
        alone = len(self.session.students) == 1
        if alone or self.session.details:
            for student in students:
                yield from table_lines(student, self.session.speech)
        if not alone:
            yield from class_lines(students, self.session.speech)
            yield from untried_lines(students, self.session.speech)
        came = {check["came"] for student in students for check in student["checks"]}
        if came & set(PACKAGES) and not self.installer:
            yield ""
            yield self.session.speech.say("install")

    def tell(self, line: str) -> None:
        if self.reporter:
            self.reporter.write_line(line)
