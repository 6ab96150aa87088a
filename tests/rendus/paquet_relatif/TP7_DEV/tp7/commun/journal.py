import logging


def creer_journal(nom):
    logging.basicConfig(format="%(asctime)s [%(name)s] %(message)s", datefmt="%H:%M:%S")
    j = logging.getLogger(nom)
    j.setLevel(logging.INFO)
    return j
