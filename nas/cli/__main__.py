"""`python -m nas.cli`: the command line where `nas` is not on the path."""

from nas.cli import main

main()
