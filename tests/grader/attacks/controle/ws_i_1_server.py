"""Met une FIFO à la place du journal : qui l'ouvre pour la lire attend pour toujours."""

import os
import time

journal = os.path.join(os.environ["TP7_CONTROL"], "events")
try:
    os.unlink(journal)
    os.mkfifo(journal)
except OSError:
    pass
time.sleep(20)
