"""One run of one peer: `python -m bench.peers.run NAME FOLDER`; `python -m bench.peers` runs them all."""

import argparse
import importlib
from pathlib import Path

import msgspec

from bench.kit import options
from bench.peers import peer
from bench.peers.catalogue import PEERS


def main() -> None:
    """Drive the peer and print a Result as JSON."""
    known = {one.name: one for one in PEERS}
    parser = argparse.ArgumentParser("python -m bench.peers.run", description=__doc__)
    parser.add_argument("name", choices=known)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=peer.SECONDS_DEFAULT)
    parser.add_argument("--probes", type=options.positive, default=peer.PROBES_DEFAULT)
    given = parser.parse_args()
    # The module goes by its real name, which some peers write into their jobs.
    module, _, function = known[given.name].factory.partition(":")
    with options.explained():
        made = getattr(importlib.import_module(module), function)()
        result = peer.drive(made, given.folder, seconds=given.seconds, probes=given.probes)
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()
