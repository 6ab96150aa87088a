"""Fabrique pour les tests deux images Docker à partir de rien, sans en télécharger aucune.

    python .ci/images.py     # tp7-redis et tp7-mongo, dans le moteur que désigne DOCKER_HOST

tp7-redis : le redis-server de Debian et ses bibliothèques, rien d'autre.
tp7-mongo : ce n'est pas MongoDB, qu'aucun paquet Debian n'apporte plus, mais nx-27017, qui parle
son protocole, avec le Python qui exécute ce script.
"""

import io
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from pathlib import Path

import docker

SITE = "/site"  # où vont les paquets Python de tp7-mongo


def libraries(*programs: Path) -> set[Path]:
    """Les bibliothèques partagées que ces programmes chargent, chargeur compris (man 1 ldd)."""
    seen = subprocess.run(["ldd", *programs], capture_output=True, text=True).stdout
    return {Path(path) for path in re.findall(r"(/\S+) \(0x", seen)}


def add_file(archive: tarfile.TarFile, path: Path) -> None:
    """Ajoute un fichier à sa propre place ; un lien devient ce qu'il désigne."""
    archive.add(path.resolve(), arcname=str(path))


def build(engine: docker.DockerClient, name: str, fill, settings: list[str]) -> None:
    """Donne à l'image `name` les fichiers que `fill` met dans une archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for folder in ("/data", "/tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            archive.addfile(entry)
        fill(archive)
    print(f"{name} : {len(buffer.getvalue()) // 2**20} Mio", flush=True)
    engine.api.import_image_from_data(
        buffer.getvalue(), repository=name, tag="latest", changes=["WORKDIR /data", *settings]
    )


def redis_files(archive: tarfile.TarFile) -> None:
    server = Path(shutil.which("redis-server"))
    for path in (server, *libraries(server)):
        add_file(archive, path)


def mongo_files(archive: tarfile.TarFile) -> None:
    python = Path(sys.executable).resolve()
    standard = Path(sysconfig.get_path("stdlib"))
    extensions = (standard / "lib-dynload").glob("*.so")
    with tempfile.TemporaryDirectory() as site:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--target", site, "nx-27017"], check=True)
        archive.add(site, arcname=SITE)
        for path in (python, *libraries(python, *extensions, *Path(site).rglob("*.so"))):
            add_file(archive, path)
    archive.add(standard, filter=without_extras)


def without_extras(entry: tarfile.TarInfo) -> tarfile.TarInfo | None:
    extras = {"site-packages", "dist-packages", "test", "__pycache__", "idlelib", "ensurepip"}
    return None if extras & set(Path(entry.name).parts) else entry


def main() -> None:
    engine = docker.from_env()
    command = 'CMD ["redis-server"]'
    build(engine, "tp7-redis", redis_files, ["ENV PATH=/usr/bin:/bin", command])
    python = Path(sys.executable).resolve()
    program = "from nx_27017.nx_27017 import main; main()"
    # /dev/shm est neuf à chaque démarrage : le numéro d'un conteneur tué n'y bloque pas le suivant.
    options = '"--host", "0.0.0.0", "--data-dir", "/data", "--pid-file", "/dev/shm/pid"'
    command = f'CMD ["{python}", "-c", "{program}", {options}]'
    build(engine, "tp7-mongo", mongo_files, [f"ENV PYTHONPATH={SITE}", command])


if __name__ == "__main__":
    main()
