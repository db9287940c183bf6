"""Owners: a live process is never taken for dead, a dead one of this host is seen at once."""

from __future__ import annotations

import subprocess
import sys

from runs.owner import is_known_dead, this_owner


def test_this_process_is_alive() -> None:
    assert not is_known_dead(this_owner().token)


def test_an_ended_process_is_known_dead() -> None:
    script = "from runs.owner import this_owner; print(this_owner().token)"
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert is_known_dead(ended.stdout.strip())


def test_a_process_id_given_again_is_another_owner() -> None:
    world, pid, _, rest = this_owner().token.split("/")
    assert is_known_dead(f"{world}/{pid}/1/{rest}")


def test_owners_of_other_worlds_and_odd_tokens_are_unknown() -> None:
    assert not is_known_dead("elsewhere.4026531836/1/1/x")
    assert not is_known_dead("") and not is_known_dead("a/b") and not is_known_dead("/x/y/z")
