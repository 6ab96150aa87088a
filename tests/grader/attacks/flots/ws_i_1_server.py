"""Remplit le disque : soixante-dix fichiers d'un mégaoctet."""

import time

for number in range(70):
    with open(f"gros{number}", "wb") as file:
        file.write(b"x" * 1_000_000)
time.sleep(2)
print("OBTENU : disque")
