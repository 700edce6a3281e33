"""The tests' own tools."""

from __future__ import annotations

from support.command import exit_code_of, fork_server


def test_processes_of_the_tap_begin_with_everything_imported() -> None:
    """The server that forks them passes over what it cannot import."""
    asking = "import sys; sys.exit('support.preloaded' not in sys.modules)"
    process = fork_server().Process(target=exec, args=(asking,))
    process.start()
    assert exit_code_of(process) == 0
