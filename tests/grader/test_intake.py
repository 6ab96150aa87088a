"""Ce qu'un enseignant reçoit : archives hostiles, classes de Moodle, noms étranges, foules."""

import io
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from grader.finding import archives, inventory
from grader.finding.archives import Opened, Unreadable, safe, stem, unpack
from grader.finding.handin import HandIn
from grader.finding.intake import HandedIn, Unusable, received
from grader.finding.inventory import Budget
from grader.running.removal import remove
from grader.running.scratch import Scratch
from grader.text import clean, flat, quoted

SCRIPT = "ws_i_1_server.py"


def zipped(path: Path, *names: str, text: str = "print()") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, text)
    return path


def tarred(path: Path, *members: tarfile.TarInfo, text: bytes = b"print()") -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for member in members:
            member.size = len(text) if member.isreg() else 0
            archive.addfile(member, io.BytesIO(text))
    return path


def taken(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def opened(archive: Path, budget: Budget | None = None) -> tuple[Opened, set[str]]:
    folder = archive.parent / "ouvert"
    result = unpack(archive, folder, budget or Budget())
    return result, taken(folder)


# --- Les archives ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("TP/ws.py", "TP/ws.py"),
        ("TP\\ws.py", "TP/ws.py"),
        ("./ws.py", "ws.py"),
        ("../ws.py", None),
        ("TP/../../ws.py", None),
        ("TP\\..\\ws.py", None),
        ("/etc/passwd", None),
        ("C:\\ws.py", None),
        ("\\\\serveur\\ws.py", None),
        ("", None),
    ],
)
def test_safe(name: str, path: str | None) -> None:
    """Une entrée d'archive reste dans le dossier, ou n'y entre pas."""
    assert safe(name) == (Path(path) if path else None)


def test_a_zip_that_climbs(tmp_path: Path) -> None:
    """Un chemin qui sort et un lien sont refusés et comptés ; le reste est pris."""
    archive = zipped(tmp_path / "a.zip", SCRIPT, "../dehors.py", "/dehors.py", "venv/lib/x.py")
    with zipfile.ZipFile(archive, "a") as more:
        link = zipfile.ZipInfo("lien.py")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        more.writestr(link, "/etc/passwd")
    result, files = opened(archive)
    assert (result.outside, result.left, files) == (3, 0, {SCRIPT})
    assert not (tmp_path / "dehors.py").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE])
def test_a_tar_of_links(tmp_path: Path, kind: bytes) -> None:
    """D'un tar, les fichiers ordinaires seulement."""
    link, climbing = tarfile.TarInfo("lien.py"), tarfile.TarInfo("../dehors.py")
    link.type, link.linkname = kind, "/etc/passwd"
    archive = tarred(tmp_path / "a.tar.gz", link, climbing, tarfile.TarInfo(SCRIPT))
    result, files = opened(archive)
    assert (result.outside, files) == (2, {SCRIPT})


def test_bounds(tmp_path: Path) -> None:
    """Trop de fichiers : les scripts du TP passent d'abord ; une taille qui ment est vue."""
    crowd = [f"a/{number}.txt" for number in range(30)]
    result, files = opened(zipped(tmp_path / "a.zip", *crowd, f"z/{SCRIPT}"), Budget(files=5))
    assert result.left == 26 and f"z/{SCRIPT}" in files and not result.lost
    result, files = opened(zipped(tmp_path / "b" / "b.zip", SCRIPT, text="x" * 99), Budget(bytes=9))
    assert not files and result.lost == [Path(SCRIPT)]


def test_node_packages_of_an_archive(tmp_path: Path) -> None:
    """D'une archive non plus, des paquets Node ne sont jamais pris à moitié."""
    modules = [f"TP/node_modules/ws/{number}.js" for number in range(30)]
    archive = zipped(tmp_path / "a.zip", *modules, f"TP/{SCRIPT}", "TP/image.png")
    result, files = opened(archive, Budget(files=20))
    assert files == {f"TP/{SCRIPT}", "TP/image.png"} and result.left == 30


def test_a_zip_that_lies_about_sizes(tmp_path: Path) -> None:
    """Ce qui sort d'une archive est compté, pas ce qu'elle annonce."""
    archive = zipped(tmp_path / "a.zip", SCRIPT, "b.py", text="x" * 5000)
    size = (5000).to_bytes(4, "little")
    archive.write_bytes(archive.read_bytes().replace(size, (50).to_bytes(4, "little")))
    result, files = opened(archive, Budget(bytes=200))
    assert (result.left, result.lost, files) == (2, [Path(SCRIPT)], set())


def test_a_tar_that_never_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Une bombe s'arrête à la borne, pas au disque."""
    monkeypatch.setattr(archives, "MAX_TAR", 100_000)
    archive = tarred(tmp_path / "a.tgz", tarfile.TarInfo(SCRIPT), text=b"\0" * 1_000_000)
    assert archive.stat().st_size < 10_000
    with pytest.raises(Unreadable):
        opened(archive)
    assert not (tmp_path / "ouvert").exists()


def encrypted(path: Path) -> None:
    data = bytearray(zipped(path, SCRIPT).read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)


BROKEN: dict[str, Callable[[Path], object]] = {
    "vide.zip": lambda path: path.touch(),
    "coupé.zip": lambda path: path.write_bytes(zipped(path, SCRIPT).read_bytes()[:40]),
    "n'importe quoi.tar": lambda path: path.write_bytes(b"x" * 5000),
    "coupé.tar.gz": lambda path: path.write_bytes(
        tarred(path, tarfile.TarInfo(SCRIPT)).read_bytes()[:60]
    ),
    "chiffré.zip": encrypted,
    "autre.rar": lambda path: path.write_bytes(b"Rar!"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_unreadable(name: str, tmp_path: Path) -> None:
    """Une archive qui ne s'ouvre pas ne fait ni planter la notation, ni un rendu vide."""
    BROKEN[name](tmp_path / name)
    (student,) = received([str(tmp_path / name)], [], tmp_path / "place")
    assert student.unread.startswith(name) and student.is_of_the_lab
    assert [key for key, _ in student.notices] == ["unread"]


def test_stem() -> None:
    assert (stem(Path("TP.v2.tar.gz")), stem(Path("A B.zip"))) == ("TP.v2", "A B")


# --- Ce qui est donné -----------------------------------------------------------------------------


def scripts_of(student: HandedIn) -> set[str]:
    return {str(path) for path in student.hand_in().scripts.values()}


def test_a_class_of_moodle(tmp_path: Path) -> None:
    """Un zip par dossier, des fichiers à plat, un texte en ligne : chaque étudiant une fois."""
    place = tmp_path / "classe"
    zipped(place / "Zoé Martin_12_assignsubmission_file_" / "TP.zip", f"TP7/{SCRIPT}")
    zipped(place / "Ana_13_assignsubmission_file_rendu.zip", SCRIPT)
    for name in (SCRIPT, "ws_i_1_client.py"):
        (place / f"Léo Dupont_14_assignsubmission_file_{name}").write_text("print()")
    online = place / "Léo Dupont_14_assignsubmission_onlinetext_"
    online.mkdir()
    (online / "onlinetext.html").write_text("<p>voilà</p>")
    students = received([], [str(place)], tmp_path / "place")
    assert [(one.shown, one.number) for one in students] == [
        ("Ana", "13"),
        ("Léo Dupont", "14"),
        ("Zoé Martin", "12"),
    ]
    ana, leo, zoe = map(scripts_of, students)
    assert ana == {SCRIPT} and zoe == {f"TP7/{SCRIPT}"}
    assert leo == {SCRIPT, "ws_i_1_client.py"}


def test_the_archive_of_a_class(tmp_path: Path) -> None:
    """Le zip de toute la classe, tel que Moodle le donne."""
    inner = zipped(tmp_path / "TP.zip", SCRIPT).read_bytes()
    with zipfile.ZipFile(tmp_path / "classe.zip", "w") as archive:
        archive.writestr("Zoé_12_assignsubmission_file_/TP.zip", inner)
        archive.writestr("Ana_13_assignsubmission_file_/ws_i_1_server.py", "print()")
    ana, zoe = received([], [str(tmp_path / "classe.zip")], tmp_path / "place")
    assert (ana.shown, zoe.shown) == ("Ana", "Zoé")
    assert scripts_of(ana) == scripts_of(zoe) == {SCRIPT}


def test_several_shapes(tmp_path: Path) -> None:
    """Un dossier, un zip dans un zip, un tar, un script."""
    (tmp_path / "dossier").mkdir()
    (tmp_path / "dossier" / SCRIPT).touch()
    inner = zipped(tmp_path / "dedans.zip", SCRIPT).read_bytes()
    with zipfile.ZipFile(tmp_path / "double.zip", "w") as archive:
        archive.writestr("vrai.zip", inner)
    tarred(tmp_path / "t.tar.gz", tarfile.TarInfo(f"x/{SCRIPT}"))
    (tmp_path / SCRIPT).touch()
    given = [str(tmp_path / name) for name in ("dossier", "double.zip", "t.tar.gz", SCRIPT)]
    students = received(given, [], tmp_path / "place")
    assert [Path(next(iter(scripts_of(one)))).name for one in students] == [SCRIPT] * 4
    assert students[0].folder == tmp_path / "dossier", "un dossier se note sur place"


def test_a_big_archive_beside_a_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """L'archive d'un dossier s'ouvre même plus grosse que ce que l'on copie d'un fichier."""
    monkeypatch.setattr(inventory, "MAX_FILE", 100)
    folder = tmp_path / "ana"
    zipped(folder / "suite.zip", "ws_i_1_client.py")
    (folder / SCRIPT).touch()
    assert (folder / "suite.zip").stat().st_size > 100
    (student,) = received([str(folder)], [], tmp_path / "place")
    assert scripts_of(student) == {SCRIPT, "ws_i_1_client.py"} and not student.notices


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("https://example.org/tp.git", "remote"),
        ("git@example.org:a/tp.git", "remote"),
        ("absent", "missing"),
        ("notes.pdf", "not_hand_in"),
    ],
)
def test_not_a_hand_in(text: str, key: str, tmp_path: Path, monkeypatch) -> None:
    """Ce qui ne se note pas est dit avant de noter."""
    monkeypatch.chdir(tmp_path)
    Path("notes.pdf").touch()
    with pytest.raises(Unusable) as problem:
        received([text], [], tmp_path / "place")
    assert problem.value.key == key


def test_not_a_class(tmp_path: Path) -> None:
    """Une classe vide, un seul rendu donné pour une classe, une archive de classe abîmée."""
    for name in ("vide", "seul"):
        (tmp_path / name).mkdir()
    (tmp_path / "seul" / SCRIPT).touch()
    (tmp_path / "abîmée.zip").touch()
    (tmp_path / "fichier").touch()
    for name, key in {
        "vide": "empty_class",
        "seul": "scripts_in_class",
        "abîmée.zip": "broken_class",
        "fichier": "not_class",
    }.items():
        with pytest.raises(Unusable) as problem:
            received([], [str(tmp_path / name)], tmp_path / "place")
        assert problem.value.key == key


def test_nothing_of_the_lab(tmp_path: Path) -> None:
    """Un dossier d'autre chose dit ce que l'on y a trouvé."""
    (tmp_path / "rapport.docx").touch()
    (student,) = received([str(tmp_path)], [], tmp_path / "place")
    assert student.notices == [("nothing", {"names": "rapport.docx"})] and not student.is_of_the_lab


# --- Les noms -------------------------------------------------------------------------------------


def test_names(tmp_path: Path) -> None:
    """Rien d'un nom ne commande le terminal, et deux étudiants n'ont jamais le même fichier."""
    strange = ("\x1b[31mrouge", "deux\nlignes", "\t=1+1", "a b", "a_b", "A_B", "a_b-2", "\u202egro")
    for name in strange:
        (tmp_path / name).mkdir()
    students = received([], [str(tmp_path)], tmp_path / "place")
    assert len({one.file.casefold() for one in students}) == len(students) == len(strange)
    assert all(one.shown.isprintable() and "/" not in one.file for one in students)
    assert {"\\x1b[31mrouge", "deux\\nlignes", "\\t=1+1", "\\u202egro"} < {
        o.shown for o in students
    }


def test_same_name_twice(tmp_path: Path) -> None:
    """Du même nom, ils prennent celui de leur parent ; donné deux fois, un rendu n'en est qu'un."""
    for group in ("un", "deux"):
        (tmp_path / group / "ana").mkdir(parents=True)
    alone = str(tmp_path / "un" / "ana")
    students = received([alone, alone], [str(tmp_path / g) for g in ("un", "deux")], tmp_path / "p")
    assert [(one.shown, one.file) for one in students] == [
        ("un/ana", "un_ana"),
        ("deux/ana", "deux_ana"),
    ]


def test_quoted_keeps_what_is_readable() -> None:
    assert quoted("Zoé O'Neil–Ñ") == "Zoé O'Neil–Ñ" and quoted("\udce9") == "\\udce9"


@pytest.mark.parametrize("invisible", ["\x07", "\x9b", "\u202e", "\u2066", "\u200f", "\u061c"])
def test_nothing_invisible(invisible: str) -> None:
    """Ni ce qui commande un terminal, ni ce qui met le texte à l'envers ; les lignes restent."""
    assert clean(f"a{invisible}\tb\nc") == "a \tb\nc" and flat(f"a{invisible}b\nc") == "a b c"
    assert clean("\ud83d é 👋") == "\\ud83d é 👋"


def test_travel(tmp_path: Path) -> None:
    """Un rendu arrive entier dans un autre processus, même d'un nom qui n'est pas en UTF-8."""
    old = tmp_path / os.fsdecode(b"caf\xe9")
    student = HandedIn("Ana", old, "12", file="Ana", folder=old, packages=tmp_path)
    student.notices.append(("outside", {"count": 2}))
    travelling = student.travel()
    assert "\udce9" not in repr(list(travelling.values()))
    assert HandedIn.arrived(travelling) == student


# --- Ce qui se copie ------------------------------------------------------------------------------


def test_a_crowd(tmp_path: Path) -> None:
    """Au milieu de milliers de fichiers, les scripts sont copiés, et ce qui manque est compté."""
    crowd = tmp_path / "a" / "b"
    crowd.mkdir(parents=True)
    for number in range(inventory.MAX_FILES + 100):
        (crowd / f"{number}.txt").touch()
    (tmp_path / "z").mkdir()
    (tmp_path / "z" / SCRIPT).write_text("print()")
    (tmp_path / "z" / "vide").mkdir()
    hand_in = HandIn(tmp_path)
    assert hand_in.inventory.files_left == 101
    scratch = Scratch(hand_in.inventory)
    try:
        assert (scratch.work / "z" / SCRIPT).read_text() == "print()"
        assert (scratch.work / "z" / "vide").is_dir(), "un script peut vouloir y écrire"
        assert len(taken(scratch.work)) == inventory.MAX_FILES
    finally:
        scratch.remove()


def test_thousands_of_nested_folders(tmp_path: Path) -> None:
    """Trop profond, un dossier est laissé, et dit ; dans une archive aussi."""
    (tmp_path / "rendu").mkdir()
    (tmp_path / "rendu" / SCRIPT).touch()
    here = os.open(tmp_path / "rendu", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("dossier", dir_fd=here)
        here, above = os.open("dossier", os.O_RDONLY, dir_fd=here), here
        os.close(above)
    os.close(here)
    archive = zipped(tmp_path / "a.zip", SCRIPT, "d/" * 1500 + SCRIPT)
    try:
        folder, packed = received([str(tmp_path / "rendu"), str(archive)], [], tmp_path / "place")
        assert [key for key, _ in folder.notices] == ["folders_left"]
        assert scripts_of(folder) == scripts_of(packed) == {SCRIPT}
        assert packed.unread.startswith("a.zip")
    finally:
        remove(tmp_path / "rendu")
    assert not (tmp_path / "rendu").exists()


def test_copied_environments(tmp_path: Path) -> None:
    """Un environnement Python de n'importe quel nom est laissé, et dit."""
    (tmp_path / "mon_env").mkdir()
    (tmp_path / "mon_env" / "pyvenv.cfg").touch()
    (tmp_path / "mon_env" / SCRIPT).touch()
    (tmp_path / SCRIPT).touch()
    listed = HandIn(tmp_path).inventory
    assert listed.kept == [Path(SCRIPT)] and listed.folders_left == [Path("mon_env")]


@pytest.mark.parametrize("count", [3, inventory.MAX_FILES])
def test_node_packages_whole_or_not_at_all(count: int, tmp_path: Path) -> None:
    """Des paquets Node à moitié copiés ne servent à rien."""
    modules = tmp_path / "node_modules" / "ws"
    modules.mkdir(parents=True)
    for number in range(count):
        (modules / f"{number}.js").touch()
    (tmp_path / SCRIPT).touch()
    listed = HandIn(tmp_path).inventory
    assert len(listed.kept) == (4 if count == 3 else 1)
    assert listed.folders_left == ([] if count == 3 else [Path("node_modules")])


def test_links_and_giants_stay_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ni lien, ni fichier énorme ; un fichier creux d'un gigaoctet n'est pas lu."""
    (tmp_path / "lien.py").symlink_to("/etc/passwd")
    (tmp_path / "racine").symlink_to("/")
    with open(tmp_path / "creux.bin", "wb") as file:
        file.truncate(1_000_000_000)
    listed = HandIn(tmp_path).inventory
    assert not listed.kept and listed.files_left == 1 and not listed.folders
