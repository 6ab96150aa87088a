"""Les clients de Redis et de MongoDB : menés aux bases du test, et regardés."""

import functools
import sys
import threading

from tp7_guest.journal import note, note_once, remark, where
from tp7_guest.network import NOWHERE, PORTS

REDIS_SECRETS = ("username", "password", "credential_provider")
MONGO_SECRETS = ("username", "password", "authsource", "authmechanism", "tls", "ssl",
                 "tlsallowinvalidcertificates", "replicaset")  # fmt: skip


def patch_redis_sync(module):
    """Une commande du client synchrone fige toute la boucle, ou un fil : chacune est notée."""

    module.Redis.execute_command = noting(module.Redis.execute_command)
    module.Pipeline.execute = noting(module.Pipeline.execute)


def patch_redis_sync_connection(module):
    """Qui se sert lui-même d'une connexion synchrone, sans client, la fait attendre de même."""
    patch_redis_connection(module)
    cls = module.AbstractConnection
    cls.send_command = noting(cls.send_command, directly=True)
    cls.send_packed_command = noting(cls.send_packed_command, directly=True)


def noting(original, directly=False):
    @functools.wraps(original)
    def wrapper(self, *arguments, **options):
        home = sys._getframe(1).f_globals.get("__name__", "") if directly else ""
        if home.partition(".")[0] != "redis":
            asyncio = sys.modules.get("asyncio")
            looping = bool(asyncio and asyncio._get_running_loop())
            command = str(arguments[0])[:80] if arguments else "EXEC"
            facts = {"loop": looping, "thread": not looping and in_own_thread()}
            note_once("sync_redis", *facts.values(), command=command, **facts, **where())
        return original(self, *arguments, **options)

    return wrapper


def in_own_thread():
    """Vrai dans un fil que le programme a lancé lui-même : ni le principal, ni l'un de ceux que la
    boucle attend (`asyncio.to_thread`, `run_in_executor`, anyio).
    """
    if threading.current_thread() is threading.main_thread():
        return False
    frame = sys._getframe(1)
    while frame:
        if frame.f_globals.get("__name__", "").partition(".")[0] in ("concurrent", "anyio"):
            return False
        frame = frame.f_back
    return True


def patch_redis_connection(module):
    """Le Redis du test n'a ni mot de passe ni TLS : ceux de l'étudiant sont oubliés."""
    for name in ("AbstractConnection", "Connection"):
        cls = getattr(module, name, None)
        if cls is None or "__init__" not in vars(cls):
            continue

        def forget(original):
            @functools.wraps(original)
            def init(self, *arguments, **options):
                for option in REDIS_SECRETS:
                    if options.get(option):
                        options[option] = None
                        remark("redis_password")
                original(self, *arguments, **options)

            return init

        cls.__init__ = forget(cls.__init__)
    if hasattr(module, "SSLConnection"):

        class SSLConnection(module.Connection):
            def __init__(self, *arguments, **options):
                remark("redis_tls")
                kept = {k: v for k, v in options.items() if not k.startswith("ssl")}
                super().__init__(*arguments, **kept)

        module.SSLConnection = SSLConnection


def patch_mongo(name):
    def patch(module):
        cls = getattr(module, name)
        original = cls.__init__

        @functools.wraps(original)
        def init(self, host=None, port=None, *arguments, **options):
            note("connect", kind="mongo", host=str(host), port=port)
            for option in list(options):
                if option.lower() in MONGO_SECRETS:
                    del options[option]
            target = f"mongodb://127.0.0.1:{PORTS['mongo'] or NOWHERE}"
            if isinstance(host, str) and "/" in host.partition("://")[2]:
                target += "/" + host.partition("://")[2].partition("/")[2].partition("?")[0]
            original(self, target, None, *arguments, **options)

        cls.__init__ = init

    return patch
