"""Un étudiant en cours de notation : son rendu, et ce qu'une étape apprend pour la suivante."""

import re
from dataclasses import dataclass, field

from grader.arguments import NAMELESS
from grader.dialect import Dialect, Lesson, learn
from grader.handin import HandIn
from grader.launch import CouldNotRun, Launcher, Ports
from grader.mistakes import recognise
from grader.verdict import FAILED, Verdict
from grader.wire import Frame

REQUIRED = re.compile(r"""\brequire\s*\(|from\s+["'](ws|node:|readline)|import\s*\(""")
NODE = re.compile(REQUIRED.pattern + r"|\bprocess\.|readline")
PAGE = re.compile(r"\bdocument\.|\bwindow\.|(?<![.\w])(prompt|alert)\s*\(|localStorage")
TAIL = 600  # caractères de la sortie d'un programme que le rapport cite


def tail(screen) -> str:
    """La fin de ce qu'un programme a écrit."""
    text = screen.output.strip()
    return text if len(text) <= TAIL else "… " + text[-TAIL:]


@dataclass
class Student:
    """`drives` : étape -> la façon dont son serveur a été piloté, pour le rapport."""

    hand_in: HandIn
    launcher: Launcher = field(init=False)
    lessons: dict[str, Lesson] = field(default_factory=dict)
    trusted: dict[str, Dialect] = field(default_factory=dict)
    drives: dict[str, str] = field(default_factory=dict)
    samples: dict[str, tuple[Frame, str, str]] = field(default_factory=dict)
    browser: object = None
    served: set[str] = field(default_factory=set)  # pages qui ne marchent que servies par HTTP

    def __post_init__(self):
        self.launcher = Launcher(self.hand_in)

    async def open(
        self, role: str, port: int, without: tuple[str, ...] = (), pseudo: str = NAMELESS
    ):
        """Ouvre ce client vers un serveur : un Program, ou une Page de navigateur.

        `pseudo` : celui de qui entre, pour un script qui le veut en argument.
        """
        if role.endswith(".html") or (role.endswith(".js") and self.is_for_pages(role)):
            from grader.browser import open_page

            return await open_page(self, role, port)
        return await self.launcher.client(role, Ports(server=port), without=without, pseudo=pseudo)

    def is_for_pages(self, role: str) -> bool:
        """Vrai si ce script vit dans une page : il en utilise les objets, et rien de Node."""
        text = self.hand_in.code(role).text
        return not NODE.search(text) if not PAGE.search(text) else not REQUIRED.search(text)

    async def lesson(self, role: str) -> Lesson | None:
        """Ce que le client de ce rôle apprend, une fois pour toutes ; None s'il n'y en a pas."""
        if role not in self.hand_in.scripts:
            return None
        if role not in self.lessons:
            self.lessons[role] = await self._learn(role)
        return self.lessons[role]

    async def relearn(self, role: str, url: str, *, anyway: bool = False) -> Lesson:
        """La leçon, reprise face au vrai serveur si le faux n'a pas suffi à ce client.

        `anyway` : ce que l'on avait appris ne fait rien passer, le vrai serveur en dira plus.
        """
        lesson = self.lessons[role]
        if lesson.connected and (anyway or not lesson.dialect):
            again = await self._learn(role, url)
            if again.dialect:
                self.lessons[role] = again
        return self.lessons[role]

    def more(self, step: str) -> int:
        """Les messages d'arrivée que la leçon n'a pas vus, si l'on a trouvé qu'il en fallait."""
        return self.trusted[step].more if step in self.trusted else 0

    def _learn(self, role: str, url: str = ""):
        return learn(lambda *how: self.open(role, *how), role, url)

    async def lesson_or_none(self, role: str) -> Lesson | None:
        """La leçon, ou None si notre machine ne peut pas lancer ce client."""
        try:
            return await self.lesson(role)
        except CouldNotRun:
            return None

    def remarks(self, *screens) -> list[tuple[str, dict]]:
        """Les remarques qui ne coûtent rien, notées par le calque."""
        noted = []
        for screen in screens:
            noted += getattr(screen, "remarks", [])
            for event in screen.events:
                key = event.get("key", "")
                if event.get("event") == "remark" and ":" not in key:
                    facts = {k: v for k, v in event.items() if k not in ("event", "key")}
                    if (key, facts) not in noted:
                        noted.append((key, facts))
        return noted

    def chat_client(self, step: str) -> str | None:
        """Le rôle du client de chat de cette étape, le plus facile à piloter d'abord."""
        roles = (f"{step}.client", f"{step}.client.html", f"{step}.client.js")
        return next((role for role in roles if role in self.hand_in.scripts), None)

    def notice(self, verdicts: dict[str, Verdict], role: str, program) -> None:
        """Ajoute à chaque échec la faute reconnue qui l'explique, et au premier succès les
        remarques du calque.
        """
        output = program.output if program else ""
        facts = program.events if program else []
        for check, verdict in verdicts.items():
            if verdict.state == FAILED:
                verdict.mistake = recognise(self.hand_in.code(role), check, output, facts)
        if program and (first := next(iter(verdicts.values()), None)):
            first.remarks += [r for r in self.remarks(program) if r not in first.remarks]

    def page_first(self, *roles: str) -> list[str]:
        """Une page qui charge le script passe avant le script seul."""
        script, page = roles
        code = self.hand_in.code(page)
        first = script in self.hand_in.scripts and self.is_for_pages(script)
        return [page, script] if code and first else [script, page]

    async def close(self) -> None:
        """Arrête tout ce qui tourne encore."""
        await self.launcher.end_all()
        if self.browser is not None:
            browser, self.browser = self.browser, None
            await browser.close()
