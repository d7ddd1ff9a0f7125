"""Whom a module's process runs as in tests and demonstrations, whose folders are closed to others: whoever runs them."""

import os

AS_CALLER = {"user": "root"} if os.geteuid() == 0 else {}  # settings of a module; those who are not root have no choice
