"""Ce que les vieilles versions de websockets acceptaient, accepté encore, avec une remarque."""

import functools
import inspect
import sys

from tp7_guest.journal import remark, where

OPTIONS = {  # celles d'hier -> celle qui en tient lieu, s'il y en a une
    "timeout": None,
    "extra_headers": "additional_headers",
    "klass": None,
    "loop": None,
    "read_limit": None,
    "create_protocol": None,
    "legacy_recv": None,
}
ATTRIBUTES = {
    "open": lambda c: c.state.name == "OPEN",
    "closed": lambda c: c.state.name == "CLOSED",
    "path": lambda c: c.request.path,
    "request_headers": lambda c: c.request.headers,
    "response_headers": lambda c: c.response.headers,
    "host": lambda c: c.local_address[0],
    "port": lambda c: c.local_address[1],
    "origin": lambda c: c.request.headers.get("Origin"),
}


def patch_server(module):
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
    for old in OPTIONS.keys() & options.keys():
        value, new = options.pop(old), OPTIONS[old]
        remark("obsolete_option", name=old, **where())
        if new and value is not None:
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


class Old:
    """Un attribut d'avant websockets 14 ; une affectation de l'étudiant passe devant."""

    def __init__(self, name, compute):
        self.name, self.compute = name, compute

    def __get__(self, connection, owner=None):
        if connection is None:
            return self
        remark("obsolete_attribute", name=self.name, **where())
        return self.compute(connection)


def patch_connection(module):
    for name, compute in ATTRIBUTES.items():
        if not hasattr(module.Connection, name):
            setattr(module.Connection, name, Old(name, compute))


def patch_client(module):
    original = module.connect.__init__

    @functools.wraps(original)
    def init(self, *arguments, **options):
        drop_obsolete(options)
        original(self, *arguments, **options)

    module.connect.__init__ = init
