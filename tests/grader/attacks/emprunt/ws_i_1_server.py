"""Prétend écouter sur le port d'un autre programme de la machine : c'est lui qui serait noté."""

import json
import os
import time

with open(os.path.join(os.environ["TP7_CONTROL"], "events"), "a") as journal:
    journal.write(json.dumps({"event": "listen", "host": "127.0.0.1", "port": int("@PORT_APPAT@")}) + "\n")
time.sleep(4)
