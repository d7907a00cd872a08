"""`python -m mlmdsl` is `mlmdsl`."""

from mlmdsl.cli import main

main()
