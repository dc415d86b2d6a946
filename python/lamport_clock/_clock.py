"""What the modules that stamp logs and messages need of a clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from . import Stamp


class Clock(Protocol):
    """LocalClock, SharedClock and AsyncSharedClock are such. Neither method does I/O.

    Log records that one of these stamps name their causes, too.
    """

    def tick(self) -> Stamp:
        """A local event or a send."""

    def receive(self, message: Stamp, /) -> Stamp:
        """A message arrived that carried this stamp."""
