"""Écrit dans le journal du calque des faits faux ou illisibles : un échec devient « pas essayé »."""

import os
import time

with open(os.path.join(os.environ["TP7_CONTROL"], "events"), "a") as journal:
    journal.write('{"event": "listen", "host": "127.0.0.1", "port": 1}\n')
    journal.write('{"event": "listen"}\n')
    journal.write("[" * 20_000 + "\n")
time.sleep(20)
