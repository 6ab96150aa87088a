"""Ferme le dossier où il tourne, comme il pourrait fermer celui de ses voisins."""

import os

os.chmod(os.path.dirname(os.environ["TP7_WORK"]), 0)
