"""Le premier pas d'un programme dans sa bulle : sa copie, son terminal, ses limites, puis lui."""

import fcntl
import json
import os
import resource
import shutil
import sys
import termios


def main():
    order = json.loads(sys.argv[1])
    shutil.copytree(*order["copy"], symlinks=True)
    for folder in order["folders"]:
        os.mkdir(folder)
    os.closerange(3, 1024)
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.chdir(order["folder"])
    for name, value in order["limits"].items():
        limit = getattr(resource, name)
        hard = resource.getrlimit(limit)[1]
        ceiling = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (ceiling, ceiling))
    os.execvpe(order["command"][0], order["command"], order["environment"])


try:
    main()
except OSError as error:
    os.write(2, f"{error}\n".encode())
    os._exit(127)
