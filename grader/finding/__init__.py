"""Trouver les scripts d'un rendu, et les lire sans les lancer."""
