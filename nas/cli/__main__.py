"""Runs the command line as `python -m nas.cli`, where `nas` is not on the path."""

from nas.cli import main

main()
