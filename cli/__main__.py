"""`python -m s2s_zoo.cli`."""

from . import main

main()
