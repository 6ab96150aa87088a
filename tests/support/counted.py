"""Lance un serveur tel quel ; à chaque SIGUSR1, il dit combien de tâches asyncio il a."""

import asyncio
import os
import runpy
import signal

signal.signal(signal.SIGUSR1, lambda *_: print(f"tâches : {len(asyncio.all_tasks())}", flush=True))
runpy.run_path(os.environ["COUNTED"], run_name="__main__")
