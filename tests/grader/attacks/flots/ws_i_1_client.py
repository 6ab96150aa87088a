"""Prend trop de mémoire à quatre : 1,2 Go."""

import subprocess
import sys

child = [sys.executable, "-c", "import time; x = bytearray(b'x' * 300_000_000); time.sleep(2)"]
for process in [subprocess.Popen(child) for _ in range(4)]:
    process.wait()
print("OBTENU : memoire")
