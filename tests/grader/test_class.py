"""Une classe comme un enseignant la reçoit, notée comme il la note, jusqu'à ses fichiers."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
import zipfile
from pathlib import Path

import pytest
from support.processes import PATIENCE, ROOT, clean_environment

from grader.finding.intake import Unusable
from grader.reporting.session import writable

ORDINARY = ROOT / "tests" / "rendus" / "ordinaire"
SERVER = ORDINARY / "ws_I_1_server.py"
NAMES = ("A B", "A_B", "abîmée", "foule", "grimpe", "ordinaire", "vide", "Zoé Martin")


def zipped(path: Path, **files: str | Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(
                name, content if isinstance(content, str) else content.read_text("utf-8")
            )


def make_class(place: Path, whole: Path | None, crowd: int) -> Path:
    """Huit rendus ; `whole` : le rendu entier de deux d'entre eux, sinon un seul script."""
    scripts = sorted(whole.iterdir()) if whole else [SERVER]
    for name in ("ordinaire", "foule", "vide", "A B", "A_B"):
        (place / name).mkdir(parents=True)
    for script in scripts:
        shutil.copy(script, place / "ordinaire")
    for name in ("foule", "A B", "A_B"):
        shutil.copy(SERVER, place / name)
    (place / "foule" / "a").mkdir()
    for number in range(crowd):
        os.close(os.open(place / "foule" / "a" / f"{number}.txt", os.O_CREAT))
    moodle = place / "Zoé Martin_1234_assignsubmission_file_" / "TP.zip"
    zipped(moodle, **{f"TP7/{script.name}": script for script in scripts})
    zipped(place / "grimpe.zip", **{"../../dehors.py": "print()", SERVER.name: SERVER})
    (place / "abîmée.zip").write_bytes(moodle.read_bytes()[:-60])
    return place


def students(reports: Path) -> dict[str, dict]:
    data = json.loads((reports / "resultats.json").read_text("utf-8"))
    return {student["name"]: student for student in data["students"]}


def right(reports: Path, marks: dict[str, tuple[float, float]]) -> None:
    """Les huit comptes rendus, et la page de classe qui y mène."""
    found = students(reports)
    assert list(found) == sorted(NAMES, key=lambda name: found[name]["file"].casefold())
    assert {name: (s["score_min"], s["score_max"]) for name, s in found.items()} == marks
    assert found["Zoé Martin"]["identifier"] == "1234"
    told = {name: [key for key, _ in student["notices"]] for name, student in found.items()}
    assert told == dict.fromkeys(NAMES, []) | {
        "abîmée": ["unread"], "foule": ["files_left"], "grimpe": ["outside"], "vide": ["nothing"],
    }  # fmt: skip
    pages = {path.name for path in reports.glob("*.md")}
    assert pages == {f"{student['file']}.md" for student in found.values()} and len(pages) == 8
    assert len(list(reports.glob("gradescope/*/results.json"))) == 8
    assert "ARCHIVE ILLISIBLE" in (reports / f"{found['abîmée']['file']}.md").read_text("utf-8")
    page = (reports / "classe.html").read_text("utf-8")
    assert "8 étudiants" in page and page.count('.md">') == 8
    assert not list(reports.rglob("*.part"))


def test_a_class_as_teachers_get_it(grade, tmp_path: Path) -> None:
    """Chaque rendu a un compte rendu juste, quoi qu'il y ait à côté."""
    place = make_class(tmp_path / "classe", None, 1_500)
    done = grade(f"--rendus={place}", f"--rapport={tmp_path / 'notes'}", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    marks = dict.fromkeys(NAMES, (3, 3)) | {"abîmée": (0, 20), "vide": (0, 0)}
    right(tmp_path / "notes", marks)
    assert not (tmp_path / "dehors.py").exists()


def test_names_of_an_old_disk(grade, tmp_path: Path) -> None:
    """Des noms qui ne sont pas en UTF-8, donnés ou trouvés : notés, et écrits lisiblement."""
    for name in (b"caf\xe9", b"classe/\xe9t\xe9", b"classe/ana"):
        folder = tmp_path / os.fsdecode(name)
        try:
            folder.mkdir(parents=True)
        except OSError:
            pytest.skip("ce disque ne prend que des noms en UTF-8")
        shutil.copy(SERVER, folder / os.fsdecode(b"ws_i_1_server_\xe9.py"))
    reports, junit = tmp_path / "notes", tmp_path / "junit.xml"
    given = (
        f"--rendu={tmp_path / os.fsdecode(b'caf' + bytes([0xE9]))}",
        f"--rendus={tmp_path}/classe",
    )
    done = grade(*given, f"--rapport={reports}", f"--junitxml={junit}", "-n", "2")
    assert done.returncode == 0, done.stdout + done.stderr
    scores = {name: student["score"] for name, student in students(reports).items()}
    assert scores == {"ana": 3, "caf\\udce9": 3, "\\udce9t\\udce9": 3}
    for path in (reports / "notes.csv", reports / "classe.html", junit):
        assert "caf\\udce9" in path.read_text("utf-8")
    assert "caf\\udce9 : Note" in done.stdout


def without(path: str, *programs: str, place: Path) -> str:
    """Un PATH où ces programmes ne sont pas : chaque dossier qui en a un est refait sans lui."""
    folders = []
    for folder in map(Path, path.split(os.pathsep)):
        if any((folder / program).exists() for program in programs):
            copy = place / str(folder).strip("/").replace("/", "-")
            copy.mkdir(parents=True, exist_ok=True)
            for program in folder.iterdir():
                if program.name not in programs and not (copy / program.name).exists():
                    (copy / program.name).symlink_to(program)
            folder = copy
        folders.append(str(folder))
    return os.pathsep.join(folders)


@pytest.mark.meta
@pytest.mark.parametrize("bare", [False, True], ids=["entière", "sans Node ni Chromium"])
def test_the_whole_class(bare: bool, grade, tmp_path: Path) -> None:
    """La même, avec cinquante mille fichiers ; sans Node ni Chromium, des intervalles."""
    place = make_class(tmp_path / "classe", ORDINARY, 50_000)
    shutil.copy(ROOT / "ws_i_3_client.html", place / "A B")
    hidden = ("node", "npm", "chromium", "chromium-browser", "google-chrome")
    path = without(os.environ["PATH"], *hidden, place=tmp_path / "bin")
    environment = {"PATH": path} if bare else {}
    reports = tmp_path / "notes"
    done = grade(f"--rendus={place}", f"--rapport={reports}", "-n", "2", **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    low = 18.5 if bare else 20
    marks = dict.fromkeys(NAMES, (3, 3)) | {"abîmée": (0, 20), "vide": (0, 0)}
    marks |= {"ordinaire": (low, 20), "Zoé Martin": (low, 20), "A B": (3, 5.5 if bare else 3)}
    if not bare:
        marks["A B"] = tuple([students(reports)["A B"]["score_min"]] * 2)
    right(reports, marks)
    if bare:
        text = (reports / "ordinaire.md").read_text("utf-8")
        assert "Node.js n'est pas installé ici" in text and "PROVISOIRE 18,5–20 / 20" in text
        assert "Chromium" in (reports / "A_B.md").read_text("utf-8")


def test_nothing_graded_is_not_success(grade, tmp_path: Path) -> None:
    """Rien du TP nulle part : un compte rendu lisible, zéro, et un code de sortie qui le dit."""
    folder = tmp_path / "\x1b[31mrien\n"  # et un nom qui voudrait commander le terminal
    folder.mkdir()
    done = grade(f"--rendu={folder}", f"--rapport={tmp_path / 'notes'}", "--langue=en")
    assert done.returncode == 5 and "NOTHING OF THIS LAB HERE" in done.stdout
    assert students(tmp_path / "notes")["\\x1b[31mrien\\n"]["score"] == 0
    texts = [done.stdout, done.stderr, *(p.read_text("utf-8") for p in tmp_path.glob("notes/*.*"))]
    assert not any("\x1b" in text for text in texts)


@pytest.mark.parametrize(
    ("report", "key"), [("classe/ana/notes", "report_inside"), ("classe", "report_inside"),
                        ("fichier", "report"), ("fichier/notes", "report")],
)  # fmt: skip
def test_a_report_that_cannot_be_written(report: str, key: str, tmp_path: Path) -> None:
    """Des rapports impossibles, ou parmi les rendus, sont refusés avant de noter."""
    (tmp_path / "classe" / "ana").mkdir(parents=True)
    (tmp_path / "fichier").touch()
    with pytest.raises(Unusable) as problem:
        writable(tmp_path / report, [tmp_path / "classe" / "ana", tmp_path / "classe"])
    assert problem.value.key == key
    writable(tmp_path / "notes", [tmp_path / "classe"])
    assert (tmp_path / "notes").is_dir()


SLOW = "import time\ntime.sleep(600)\n"


def test_killed_it_loses_nothing_and_resumes(grade, tmp_path: Path) -> None:
    """Tuée net, une notation garde ceux qui étaient finis, et les reprend sans les renoter."""
    for name in ("ana", "bob"):
        (tmp_path / "classe" / name).mkdir(parents=True)
    (tmp_path / "classe" / "ana" / "ws_i_1_server.py").write_bytes(SERVER.read_bytes())
    (tmp_path / "classe" / "bob" / "ws_i_1_server.py").write_text(SLOW)
    reports = tmp_path / "notes"
    options = (f"--rendus={tmp_path / 'classe'}", f"--rapport={reports}")
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "pytest", *options],
        cwd=ROOT,
        env=clean_environment(TMPDIR=str(tmp_path)),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout
        assert "isolation" in process.stdout.readline().casefold()
        assert process.stdout.readline().startswith("1/2  ana : Note : 3 / 20")
        process.send_signal(signal.SIGKILL)
    assert students(reports)["ana"]["score"] == 3 and (reports / "ana.md").exists()
    assert "bob" not in students(reports) and not (reports / "bob.md").exists()
    (tmp_path / "classe" / "ana" / "ws_i_1_server.py").rename(
        tmp_path / "classe" / "bob" / "ws_i_1_server.py"
    )
    done = grade(*options, "--reprendre")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2/2  bob" in done.stdout and "ana : Note" not in done.stdout
    assert {name: s["score"] for name, s in students(reports).items()} == {"ana": 3, "bob": 3}


def running(mark: str) -> int:
    """Le numéro d'un programme dont la commande porte cette marque, dès qu'il y en a un."""
    deadline = time.monotonic() + 60 * PATIENCE
    while time.monotonic() < deadline:
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if mark.encode() in command.read_bytes():
                    return int(command.parent.name)
            except OSError:
                continue
        time.sleep(0.05)
    raise AssertionError(f"{mark} n'a pas été lancé")


def child_of(ancestor: int, pid: int) -> int:
    """Le fils de `ancestor` dont `pid` descend."""
    while (parent := int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])) != (
        ancestor
    ):
        pid = parent
    return pid


def test_interrupted_it_says_so(tmp_path: Path) -> None:
    """Après Ctrl+C, ce qui était commencé est provisoire, et c'est écrit."""
    mark, reports = f"tp7-{uuid.uuid4().hex}", tmp_path / "notes"
    (tmp_path / "bob" / mark).mkdir(parents=True)
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    (tmp_path / "bob" / "ws_i_1_server.py").write_bytes(SERVER.read_bytes())
    (tmp_path / "bob" / mark / "ws_i_3_server.py").write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", f"--rendu={tmp_path / 'bob'}", f"--rapport={reports}"],
        cwd=ROOT,
        env=clean_environment(TMPDIR=str(temporary)),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        running(f"{mark}/ws_i_3_server.py")
        process.send_signal(signal.SIGINT)
        output = process.communicate()[0]
    assert process.returncode == 2 and "PROVISOIRE 3–" in output, output
    bob = students(reports)["bob"]
    assert not bob["complete"] and bob["score"] is None and bob["score_min"] == 3
    assert "a été interrompue" in (reports / "bob.md").read_text("utf-8")
    assert not list(temporary.iterdir()), "il en est resté quelque chose"


@pytest.mark.meta
def test_a_dead_worker_costs_only_what_killed_it(tmp_path: Path) -> None:
    """Un processus de xdist tué : la notation finit, dit l'erreur, et note tout le reste."""
    mark, reports = f"tp7-{uuid.uuid4().hex}", tmp_path / "notes"
    for name in ("ana", "bob", "cléo"):
        (tmp_path / "classe" / name).mkdir(parents=True)
        (tmp_path / "classe" / name / "ws_i_1_server.py").write_bytes(SERVER.read_bytes())
    (tmp_path / "classe" / "bob" / mark).mkdir()
    (tmp_path / "classe" / "bob" / mark / "ws_i_3_server.py").write_text(SLOW)
    options = [f"--rendus={tmp_path / 'classe'}", f"--rapport={reports}", "-n", "2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *options],
        cwd=ROOT,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        worker = child_of(process.pid, running(f"{mark}/ws_i_3_server.py"))
        os.kill(worker, signal.SIGKILL)
        output = process.communicate(timeout=120 * PATIENCE)[0]
    assert process.returncode == 1 and "crashed while running" in output, output
    ana, bob, cleo = students(reports).values()
    assert (ana["score"], cleo["score"]) == (3, 3)
    assert (bob["score"], bob["score_min"], bob["complete"]) == (None, 3, False)
