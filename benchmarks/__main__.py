"""
Run all benchmarks, one after the other, with their default options.
"""

from __future__ import annotations

from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence

import benchmarks
from benchmarks import connections, fairness, full, listening, many, messages
from benchmarks.processes import ServerFailed, runMain


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Run them all, also after one that failed, and return the greatest exit code.
    """
    ArgumentParser(
        prog="python -m benchmarks",
        description=benchmarks.__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    ).parse_args(arguments)
    codes: list[int] = []
    mains: list[tuple[str, Callable[[Sequence[str]], int]]] = [
        ("fairness", fairness.main),
        ("full", full.main),
        ("listening", listening.main),
        ("many", many.main),
        ("connections", connections.main),
        ("messages", messages.main),
    ]
    for name, run in mains:
        print(f"-- {name}\n", flush=True)
        try:
            codes.append(run([]))
        except ServerFailed as e:
            print(f"failed: {e}")
            codes.append(1)
        print(flush=True)
    return max(codes)


if __name__ == "__main__":
    runMain(main)
