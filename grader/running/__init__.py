"""Lancer ce que l'on ne connaît pas : bac à sable, façons de lancer, pages, bases de données."""
