"""La porte : ce qui se répond avant qu'une connexion ne soit celle d'un client."""

from http import HTTPStatus
from typing import Any

from redis.exceptions import RedisError
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

try:
    from resource import RLIMIT_NOFILE, getrlimit
except ImportError:  # Windows ne compte pas ainsi
    LAST = 2**31
else:
    SPARE = 64  # descripteurs gardés pour les bases, et pour refuser poliment
    LAST = getrlimit(RLIMIT_NOFILE)[0] - SPARE


class Door:
    """Répond à /health, refuse quand c'est plein, laisse passer les autres."""

    def __init__(self, redis: Any):
        self._redis = redis

    async def __call__(self, websocket: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] == "/health":
            return await self._health(websocket)
        # Le système donne toujours le plus petit numéro libre : celui-ci dit combien sont pris.
        if websocket.transport.get_extra_info("socket").fileno() > LAST:
            return websocket.respond(HTTPStatus.SERVICE_UNAVAILABLE, "La chatroom est pleine.\n")
        return None

    async def _health(self, websocket: ServerConnection) -> Response:
        try:
            await self._redis.execute_command("PING")
        except (RedisError, OSError) as error:
            reason = f"Redis ne répond pas : {error or 'aucune réponse'}\n"
            return websocket.respond(HTTPStatus.SERVICE_UNAVAILABLE, reason)
        return websocket.respond(HTTPStatus.OK, "OK\n")
