"""What holds for every test, before any of them imports a numerical library."""

import os

# Threads of several libraries that wait for each other by spinning make a loaded machine with two cores stand still.
os.environ.setdefault("OMP_NUM_THREADS", "1")
