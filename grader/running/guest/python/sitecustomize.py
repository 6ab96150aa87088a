"""Python importe ce module avant le script d'un étudiant : le calque se met en place."""

import os
import sys

if os.environ.get("TP7_CONTROL"):
    from tp7_guest import execution, libraries, network

    if packages := os.environ.get("TP7_PACKAGES"):  # après ceux d'ici, qui passent devant
        sys.path.append(os.path.join(packages, "site-packages"))
    network.install()
    execution.install()
    libraries.install()
