"""Se sert du Redis du test pour joindre un autre port, et pour prendre de la place."""

import redis

DECOY = int("@PORT_APPAT@")
base = redis.Redis()
for command in (
    ("SETRANGE", "gros", 20_000_000, "x"),
    ("MIGRATE", "127.0.0.1", DECOY, "gros", 0, 300),
    ("CONFIG", "SET", "dir", "/tmp"),
    ("REPLICAOF", "127.0.0.1", DECOY),
):
    try:
        print("OBTENU :", command[0], base.execute_command(*command))
    except redis.RedisError as error:
        print("REFUSÉ :", command[0], error)
