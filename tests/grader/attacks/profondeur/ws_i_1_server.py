"""Laisse trois mille dossiers l'un dans l'autre, et des dossiers fermés, à qui voudra les effacer."""

import os
from pathlib import Path

closed = Path(os.environ["TMPDIR"]) / "a"
for folder in (closed / "b" / "c", closed / "b", closed):
    folder.mkdir(parents=True, exist_ok=True)
(closed / "b" / "c" / "d").touch()
for folder in (closed / "b" / "c", closed / "b", closed):
    folder.chmod(0)

os.chdir(os.environ["HOME"])
try:
    for _ in range(3000):
        os.mkdir("dossier")
        os.chdir("dossier")
except OSError as error:
    print(error)
