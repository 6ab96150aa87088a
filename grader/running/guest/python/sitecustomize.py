"""Python importe ce module avant le script d'un étudiant : le calque se met en place."""

import os

if os.environ.get("TP7_CONTROL"):
    from tp7_guest import execution, libraries, network

    network.install()
    execution.install()
    libraries.install()
