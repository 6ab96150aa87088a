"""Un module de la bibliothèque qui agit dès qu'on l'importe ; `antigravity` ouvrirait un navigateur."""

from this import s  # noqa: F401
