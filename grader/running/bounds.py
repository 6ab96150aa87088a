"""Ce qu'un rendu peut prendre en tout."""

MEMORY = 1_000_000_000  # octets résidents, de tout ce qu'un programme a lancé
PROCESSES = 64
DISK = 50_000_000  # octets écrits à côté de sa copie
CONSOLE = 4_000_000  # octets écrits à l'écran
FRAMES = 20_000_000  # octets reçus de lui, en tout, par une part du travail
ENVELOPE = 1_000  # octets que chaque message compte de plus, même vide : pas plus de vingt mille
JOURNAL = 4_000_000  # octets de faits notés par le calque
