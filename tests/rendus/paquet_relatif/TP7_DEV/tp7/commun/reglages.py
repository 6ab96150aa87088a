import configparser

_conf = configparser.ConfigParser()
# config.ini est à la racine, on lance tout depuis la racine
if not _conf.read("config.ini", encoding="utf-8"):
    raise SystemExit("config.ini introuvable, lance la commande depuis la racine du rendu !")

HOTE = _conf["serveur"]["adresse"]
PORT = _conf.getint("serveur", "port")
URI = f"ws://{HOTE}:{PORT}"

REDIS_HOTE = _conf.get("redis", "adresse")
REDIS_PORT = _conf.getint("redis", "port")
