"""Les bibliothèques, retouchées au moment où le script les importe ; deux absentes, remplacées."""

import importlib.abc
import importlib.machinery
import importlib.util
import sys

from tp7_guest import databases, old_asyncio, old_websockets
from tp7_guest.journal import note, remark

PATCHES = {
    "asyncio": old_asyncio.patch,
    "websockets": old_websockets.patch,
    "redis.client": databases.patch_redis_sync,
    "redis.connection": databases.patch_redis_sync_connection,
    "redis.asyncio.connection": databases.patch_redis_connection,
    "pymongo.synchronous.mongo_client": databases.patch_mongo("MongoClient"),
    "pymongo.asynchronous.mongo_client": databases.patch_mongo("AsyncMongoClient"),
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


def install():
    sys.meta_path.insert(0, Finder())
    sys.meta_path.append(Missing())
    if sys.version_info >= (3, 14):  # qui n'invente plus de boucle pour get_event_loop()
        import asyncio

        asyncio.set_event_loop(asyncio.new_event_loop())
