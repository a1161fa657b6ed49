"""Postroom beside its peers in one run; `python -m bench.peers`. One module for each peer, see `peer.Peer`."""
