"""Inonde son écran : 6 Mo."""

import sys
import time

for _ in range(60):
    sys.stdout.write("x" * 100_000 + "\n")
    sys.stdout.flush()
time.sleep(2)
print("OBTENU : console")
