"""Dépasse ce qu'un rendu devrait pouvoir prendre, dans des proportions qui ne font de mal à personne :
cent fois moins que la vraie attaque.
"""

import subprocess
import sys
import time

sys.stdout.write("x" * 3_000_000 + "\n")
for number in range(5):
    with open(f"gros{number}", "wb") as file:
        file.write(b"x" * 2_000_000)
print("OBTENU : 10 Mo de fichiers")
child = [sys.executable, "-c", "import time; x = bytearray(b'x' * 20_000_000); time.sleep(3)"]
children = [subprocess.Popen(child) for _ in range(4)]
print("OBTENU : quatre enfants de 20 Mo")
print("OBTENU : 3 Mo de console")
time.sleep(3)
