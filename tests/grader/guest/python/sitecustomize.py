"""Le calque : chargé par Python avant le script d'un étudiant, il le laisse tourner tel quel.

Toute écoute se fait sur un port libre de la boucle locale et toute connexion va au bon endroit
(Redis, MongoDB, ou le serveur en cours de test), quels que soient l'adresse et le port écrits dans
le script. Ce que les vieilles versions de websockets acceptaient est accepté. Ce qui se passe est
noté, une ligne JSON par fait, pour que le rapport puisse le dire.

Il n'importe rien du correcteur et ne doit jamais faire échouer un script qui marcherait sans lui.
"""

import functools
import importlib.abc
import importlib.machinery
import importlib.util
import inspect
import json
import os
import socket
import sys
import threading
import warnings

CONTROL = os.environ.get("TP7_CONTROL")
WORK = os.environ.get("TP7_WORK", "")
PORTS = {
    kind: int(os.environ.get(f"TP7_{kind.upper()}_PORT", 0))
    for kind in ("server", "redis", "mongo")
}
LOOPBACK = {socket.AF_INET: "127.0.0.1", socket.AF_INET6: "::1"}
NOWHERE = 1  # un port où personne n'écoute : la connexion est refusée, comme il se doit
STREAMS = (socket.AF_INET, socket.AF_INET6)


def note(kind, /, **facts):
    """Ajoute un fait au journal du correcteur ; s'il a disparu, tant pis."""
    line = json.dumps({"event": kind, **facts}, default=str) + "\n"
    try:
        with lock, open(os.path.join(CONTROL, "events"), "a", encoding="utf-8") as file:
            file.write(line)
    except OSError:
        pass


def remark(key, /, **facts):
    """Une remarque qui ne coûte rien, une seule fois par sorte."""
    if key not in remarked:
        remarked.add(key)
        note("remark", key=key, **facts)


def where():
    """Le fichier et la ligne de l'étudiant d'où vient l'appel en cours."""
    frame = sys._getframe(1)
    while frame:
        if is_theirs(frame.f_code.co_filename):
            return {"file": os.path.basename(frame.f_code.co_filename), "line": frame.f_lineno}
        frame = frame.f_back
    return {}


def is_theirs(filename):
    path = os.path.abspath(filename) if filename and filename[0] != "<" else ""
    return path.startswith(WORK + os.sep) and "site-packages" not in path


lock = threading.RLock()
remarked = set()


# --- Écouter : toujours sur un port libre de la boucle locale -------------------------------------

moved = {}  # port demandé -> port réel
asked = {}  # descripteur -> adresse demandée
real_bind, real_listen = socket.socket.bind, socket.socket.listen
real_connect, real_connect_ex = socket.socket.connect, socket.socket.connect_ex
real_getaddrinfo = socket.getaddrinfo


def bind(self, address):
    if self.family not in STREAMS or not self.type & socket.SOCK_STREAM:
        return real_bind(self, address)
    port = int(address[1])
    try:
        real_bind(self, (LOOPBACK[self.family], moved.get(port, 0)))
    except OSError:
        real_bind(self, (LOOPBACK[self.family], 0))
    moved.setdefault(port, self.getsockname()[1])
    asked[self.fileno()] = [str(address[0]), port]


def listen(self, *backlog):
    real_listen(self, *backlog)
    if self.family in STREAMS:
        real = self.getsockname()
        note("listen", asked=asked.get(self.fileno()), host=real[0], port=real[1])
        start_answering()


def is_literal(host):
    try:
        socket.inet_pton(socket.AF_INET6 if ":" in host else socket.AF_INET, host)
    except (OSError, TypeError, UnicodeError):
        return False
    return True


def getaddrinfo(host, port, family=0, type=0, proto=0, flags=0):
    """Tout nom mène à la boucle locale : celui de la machine de l'étudiant n'existe pas ici."""
    if isinstance(host, bytes):
        host = host.decode()
    note("name", host=host)
    six = family == socket.AF_INET6
    target = "::1" if six else "127.0.0.1"
    return real_getaddrinfo(target, port, family or socket.AF_INET, type, proto, 0)


def gethostbyname(name):
    return name if is_literal(name) else "127.0.0.1"


# --- Se connecter : à la base ou au serveur du test -----------------------------------------------


def destination(sock, address):
    """L'adresse réelle d'une connexion, d'après la bibliothèque qui la demande et le port."""
    host, port = str(address[0]), int(address[1])
    if not sock.type & socket.SOCK_STREAM:
        return (LOOPBACK[sock.family], port)
    if port in PORTS.values():  # déjà redirigée, par les options du client de MongoDB
        return (LOOPBACK[sock.family], port)
    kind = "redis" if port == 6379 else "mongo" if port == 27017 else "server"
    frame = sys._getframe(2)
    while frame:
        library = frame.f_globals.get("__name__", "").partition(".")[0]
        if library in ("redis", "aioredis", "valkey"):
            kind = "redis"
        elif library in ("pymongo", "motor"):
            kind = "mongo"
        elif library == "websockets":
            kind = "server"
        else:
            frame = frame.f_back
            continue
        break
    if kind == "server" and port in moved:
        target = moved[port]
    else:
        target = PORTS[kind] or NOWHERE
    note("connect", kind=kind, host=host, port=port)
    return (LOOPBACK[sock.family], target)


def connect(self, address):
    if self.family in STREAMS:
        address = destination(self, address)
    return real_connect(self, address)


def connect_ex(self, address):
    if self.family in STREAMS:
        address = destination(self, address)
    return real_connect_ex(self, address)


# --- Ce qu'un fait d'exécution dit mieux que la lecture du code -----------------------------------


def warn_unawaited(coroutine):
    """Appelé par Python quand une coroutine disparaît sans avoir été attendue."""
    name, place = coroutine.__qualname__, {}
    for file, line, function in getattr(coroutine, "cr_origin", None) or ():
        if is_theirs(file):
            place = {"file": os.path.basename(file), "line": line}
            break
        name = f"{name.rpartition('.')[0]}.{function}"  # celle qu'ils ont appelée : Redis.set
    code = coroutine.cr_code
    note(
        "unawaited",
        name=name,
        module=os.path.splitext(os.path.basename(code.co_filename))[0],
        library=library_of(code.co_filename),
        **place,
    )
    real_warn_unawaited(coroutine)


def library_of(filename):
    parts = filename.replace("\\", "/").split("/site-packages/")
    return parts[1].split("/")[0] if len(parts) > 1 else "" if is_theirs(filename) else "stdlib"


real_warn_unawaited = warnings._warn_unawaited_coroutine


def start_answering():
    """Un fil dort dans le processus du serveur et répond aux questions du correcteur."""
    global answering
    if answering != os.getpid():
        answering = os.getpid()
        threading.Thread(target=answer, daemon=True, name="correcteur").start()


answering = None


def answer():
    while True:
        try:
            with open(os.path.join(CONTROL, "ask"), encoding="utf-8") as questions:
                for line in questions:
                    question = json.loads(line)
                    try:
                        from tp7_facts import registries

                        facts = {"registries": registries(question["pseudos"], is_theirs)}
                    except Exception as error:  # la réponse dit pourquoi il n'y en a pas
                        facts = {"error": repr(error)}
                    note("answer", id=question["id"], **facts)
        except OSError:
            return


def watch_files(event, arguments):
    """Note les fichiers de données lus et écrits : la trace d'une exécution d'avant compte."""
    if event != "open" or not isinstance(arguments[0], (str, bytes)):
        return
    path = os.path.abspath(os.fsdecode(arguments[0]))
    if path.startswith(WORK + os.sep) and not path.endswith((".py", ".pyc")):
        mode = arguments[1] or ""
        writes = any(letter in mode for letter in "wax+") or bool(
            arguments[2] and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        remark(f"file:{path}:{writes}", path=os.path.relpath(path, WORK), writes=writes)


# --- Les bibliothèques : ce que les vieilles versions acceptaient ---------------------------------


def patch_websockets_server(module):
    original = module.serve

    def modern(arguments, options):
        """Les arguments d'hier, comme on les écrit aujourd'hui."""
        if "ws_handler" in options:
            options["handler"] = options.pop("ws_handler")
        drop_obsolete(options)
        if arguments:
            return (with_path(arguments[0]), *arguments[1:]), options
        if "handler" in options:
            options["handler"] = with_path(options["handler"])
        return arguments, options

    class Later:
        """`serve()` appelé hors de la boucle, pour `run_until_complete` : permis avant 14."""

        def __init__(self, arguments, options):
            self.arguments, self.options = arguments, options

        def __await__(self):
            return original(*self.arguments, **self.options).__await__()

        async def __aenter__(self):
            self.server = await self
            return self.server

        async def __aexit__(self, *_):
            self.server.close()
            await self.server.wait_closed()

    @functools.wraps(original)
    def serve(*arguments, **options):
        arguments, options = modern(arguments, options)
        if sys.modules["asyncio"]._get_running_loop() is None:
            remark("obsolete_start", **where())
            return Later(arguments, options)
        return original(*arguments, **options)

    module.serve = serve


def drop_obsolete(options):
    for old, new in (
        ("timeout", "close_timeout"),
        ("extra_headers", "additional_headers"),
        ("klass", None),
        ("loop", None),
        ("read_limit", None),
        ("create_protocol", None),
        ("legacy_recv", None),
    ):
        if old in options:
            value = options.pop(old)
            remark("obsolete_option", name=old, **where())
            if new == "additional_headers" and value is not None:
                options[new] = value


def with_path(handler):
    """Une fonction `(websocket, path)` reçoit encore les deux, comme avant websockets 14."""
    try:
        signature = inspect.signature(handler)
        signature.bind(None)
    except TypeError:
        try:
            signature.bind(None, None)
        except (TypeError, NameError):
            return handler
    except ValueError:
        return handler
    else:
        return handler

    code = getattr(handler, "__code__", None)
    remark("obsolete_path", line=code.co_firstlineno if code else None)

    async def adapted(websocket):
        request = getattr(websocket, "request", None)
        return await handler(websocket, request.path if request else "/")

    return adapted


def patch_websockets_connection(module):
    class Old:
        """Un attribut d'avant websockets 14 ; une affectation de l'étudiant passe devant."""

        def __init__(self, name, compute):
            self.name, self.compute = name, compute

        def __get__(self, connection, owner=None):
            if connection is None:
                return self
            remark("obsolete_attribute", name=self.name, **where())
            return self.compute(connection)

    old = {
        "open": lambda c: c.state.name == "OPEN",
        "closed": lambda c: c.state.name == "CLOSED",
        "path": lambda c: c.request.path,
        "request_headers": lambda c: c.request.headers,
        "response_headers": lambda c: c.response.headers,
        "host": lambda c: c.local_address[0],
        "port": lambda c: c.local_address[1],
        "origin": lambda c: c.request.headers.get("Origin"),
    }
    for name, compute in old.items():
        if not hasattr(module.Connection, name):
            setattr(module.Connection, name, Old(name, compute))


def patch_websockets_client(module):
    original = module.connect.__init__

    @functools.wraps(original)
    def init(self, *arguments, **options):
        drop_obsolete(options)
        original(self, *arguments, **options)

    module.connect.__init__ = init


def patch_redis_sync(module):
    """Une commande du client synchrone fige toute la boucle : chacune est notée."""

    def noting(original):
        @functools.wraps(original)
        def wrapper(self, *arguments, **options):
            asyncio = sys.modules.get("asyncio")
            looping = bool(asyncio and asyncio._get_running_loop())
            command = str(arguments[0]) if arguments else "EXEC"
            remark(f"sync_redis:{looping}", command=command, loop=looping, **where())
            return original(self, *arguments, **options)

        return wrapper

    module.Redis.execute_command = noting(module.Redis.execute_command)
    module.Pipeline.execute = noting(module.Pipeline.execute)


def patch_redis_connection(module):
    """Le Redis du test n'a ni mot de passe ni TLS : ceux de l'étudiant sont oubliés."""
    for name in ("AbstractConnection", "Connection"):
        cls = getattr(module, name, None)
        if cls is None or "__init__" not in vars(cls):
            continue

        def forget(original):
            @functools.wraps(original)
            def init(self, *arguments, **options):
                for option in ("username", "password", "credential_provider"):
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
                if option.lower() in (
                    "username",
                    "password",
                    "authsource",
                    "tls",
                    "ssl",
                    "authmechanism",
                    "replicaset",
                    "tlsallowinvalidcertificates",
                ):
                    del options[option]
            target = f"mongodb://127.0.0.1:{PORTS['mongo'] or NOWHERE}"
            if isinstance(host, str) and "/" in host.partition("://")[2]:
                target += "/" + host.partition("://")[2].partition("/")[2].partition("?")[0]
            original(self, target, None, *arguments, **options)

        cls.__init__ = init

    return patch


PATCHES = {
    "websockets.asyncio.server": patch_websockets_server,
    "websockets.asyncio.connection": patch_websockets_connection,
    "websockets.asyncio.client": patch_websockets_client,
    "redis.client": patch_redis_sync,
    "redis.connection": patch_redis_connection,
    "redis.asyncio.connection": patch_redis_connection,
    "pymongo.synchronous.mongo_client": patch_mongo("MongoClient"),
    "pymongo.asynchronous.mongo_client": patch_mongo("AsyncMongoClient"),
}


class Patching(importlib.abc.Loader):
    """Le chargeur d'une bibliothèque, suivi de nos retouches."""

    def __init__(self, loader, patch):
        self.loader, self.patch = loader, patch

    def create_module(self, spec):
        return self.loader.create_module(spec)

    def exec_module(self, module):
        self.loader.exec_module(module)
        try:
            self.patch(module)
        except Exception as error:
            note("patch_failed", module=module.__name__, error=repr(error))

    def __getattr__(self, name):
        return getattr(self.loader, name)


class Finder(importlib.abc.MetaPathFinder):
    busy = False

    def find_spec(self, name, path=None, target=None):
        if self.busy or name not in PATCHES:
            return None
        self.busy = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.busy = False
        if spec and spec.loader:
            spec.loader = Patching(spec.loader, PATCHES[name])
        return spec


class Missing(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Des bibliothèques d'hier que remplace leur héritière : aioredis, et uvloop qui accélère."""

    def find_spec(self, name, path=None, target=None):
        if name in ("aioredis", "uvloop"):
            return importlib.machinery.ModuleSpec(name, self)

    def create_module(self, spec):
        remark("obsolete_module", name=spec.name)
        if spec.name == "aioredis":
            import redis.asyncio as heir

            async def create_redis_pool(address="redis://localhost", **options):
                return heir.from_url(address if isinstance(address, str) else "redis://localhost")

            heir.create_redis_pool = heir.create_redis = create_redis_pool
            return heir

    def exec_module(self, module):
        if module.__name__ == "uvloop":
            import asyncio

            module.install = lambda: None
            module.run = asyncio.run
            module.EventLoopPolicy = asyncio.DefaultEventLoopPolicy


if CONTROL:
    socket.socket.bind, socket.socket.listen = bind, listen
    socket.socket.connect, socket.socket.connect_ex = connect, connect_ex
    socket.getaddrinfo, socket.gethostbyname = getaddrinfo, gethostbyname
    warnings._warn_unawaited_coroutine = warn_unawaited
    sys.set_coroutine_origin_tracking_depth(6)
    sys.addaudithook(watch_files)
    sys.meta_path.insert(0, Finder())
    sys.meta_path.append(Missing())
    if sys.version_info >= (3, 14):  # qui n'invente plus de boucle pour get_event_loop()
        import asyncio

        asyncio.set_event_loop(asyncio.new_event_loop())
