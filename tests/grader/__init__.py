"""Le correcteur : note n’importe quel rendu du TP, sans le modifier."""
