"""The command line: `nas`. Heavy libraries are imported inside commands, so that `nas --help` is quick."""

from nas.cli.app import main

__all__ = ["main"]
