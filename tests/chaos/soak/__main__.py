"""
Run a soak, and print what came of it.  Exits with 1 if anything did that must not.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import SystemRandom
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import react

from tests.chaos.soak.course import SoakFailed
from tests.chaos.soak.plan import NODES, Kind
from tests.chaos.soak.report import Row, shown
from tests.chaos.soak.running import Soak

SHOWN = 5
"""
How many of the things that went wrong are shown.
"""


def parsed(arguments: Sequence[str]) -> Namespace:
    """
    Read the command line.
    """
    parser = ArgumentParser(
        prog="python -m tests.chaos.soak",
        description=__doc__,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=1.0, help="at least")
    parser.add_argument("--connections", type=int, default=0, help="at least")
    parser.add_argument("--kills", type=int, default=0, help="at least")
    parser.add_argument("--seed", type=int, help="of the faults; random if not given")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument(
        "--concurrency", type=int, default=128, help="connections at a time"
    )
    parser.add_argument(
        "--only",
        nargs="+",
        metavar="FAULT",
        choices=[kind.value for kind in Kind],
        help=", ".join(f'"{kind.value}"' for kind in Kind),
    )
    parser.add_argument(
        "--against", choices=["node"], help="soak Node's cluster, with kills and rolls"
    )
    parser.add_argument(
        "--beside",
        choices=["node"],
        help="soak Node's cluster afterwards, as long, with kills and rolls",
    )
    parser.add_argument(
        "--insured",
        action="store_true",
        help="serve again what a killed worker had not read",
    )
    options = parser.parse_args(arguments)
    if options.seed is None:
        options.seed = SystemRandom().randrange(1 << 32)
    options.kinds = [
        kind for kind in Kind if not options.only or kind.value in options.only
    ]
    if options.against:
        options.kinds = nodesOf(options.kinds)
    if not options.kinds or (options.beside and not nodesOf(options.kinds)):
        parser.error("none of these can be done to Node")
    return options


def nodesOf(kinds: Iterable[Kind]) -> list[Kind]:
    """
    Those of the faults that can be done to Node.
    """
    return [kind for kind in kinds if kind in NODES]


async def run(reactor: Any, options: Namespace) -> None:
    """
    Run, and print.

    @raise SystemExit: with 1 if something was not as it should be.
    """
    print(f"seed {options.seed}", flush=True)
    tables = [await soaked(reactor, options)]
    if options.beside:
        nodes = {
            "against": options.beside,
            "insured": False,
            "kinds": nodesOf(options.kinds),
        }
        other = Namespace(**{**vars(options), **nodes})
        tables.append(await soaked(reactor, other))
        print(shown(*tables))
    if any(row.isBad for row in tables[0]):
        raise SystemExit(1)


async def soaked(reactor: Any, options: Namespace) -> list[Row]:
    """
    Run once, and print what came of it.  The ledgers and the log are kept if
    something was not as it should be.

    @return: The table.

    @raise SystemExit: with 1 if it could not be run.
    """
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with (folder / "log").open("wb") as log:
        soak = Soak(reactor, options, folder, log)
        try:
            table = await soak.run()
        except SoakFailed as e:
            print(f"failed: {e}; see {folder}")
            raise SystemExit(1) from None
    print(shown(table))
    print(*soak.course.errors[:SHOWN], *soak.course.unexplained[:SHOWN], sep="\n")
    if any(row.isBad for row in table):
        print(f"see {folder}; again with --seed {options.seed}")
    else:
        shutil.rmtree(folder)
    return table


if __name__ == "__main__":
    react(
        lambda reactor, options: Deferred.fromCoroutine(run(reactor, options)),
        [parsed(sys.argv[1:])],
    )
