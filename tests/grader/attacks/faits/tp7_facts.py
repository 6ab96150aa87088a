"""Prend la place du module du correcteur qui cherche les registres."""


def registries(pseudos, is_theirs):
    return []
