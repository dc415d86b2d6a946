"""Certificates for the members, from an authority that lives as long as the test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """PEM files: whom to trust, and what the members show."""

    authority: Path
    certificate: Path
    key: Path


def make(folder: Path, addresses: Sequence[str]) -> Certificates:
    """One certificate that is good for all of these addresses."""
    found = Certificates(folder / "ca.pem", folder / "member.pem", folder / "member.key")
    authority = trustme.CA()
    issued = authority.issue_cert(*addresses)
    authority.cert_pem.write_to_path(str(found.authority))
    for number, pem in enumerate(issued.cert_chain_pems):
        pem.write_to_path(str(found.certificate), append=number > 0)
    issued.private_key_pem.write_to_path(str(found.key))
    return found
