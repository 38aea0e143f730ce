"""A handler by which webdataset decodes streams: ``dataset.decode(sdc.plugins.webdataset.Handler("L1"))``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..paths import is_stream_name
from ..types import LevelLike
from .torch import Decode


class Handler:
    """Decodes the files of a sample whose names end in ``.sdc``, for webdataset's ``decode``.

    What cannot be had of a stream is an error, with which webdataset does what its own argument ``handler``
    says, such as ``webdataset.warn_and_continue``.

    Args:
        levels, options: as for :class:`sdc.plugins.torch.Decode`.

    Raises:
        SdcError: ``E_USAGE`` for what is no level.
    """

    def __init__(self, levels: LevelLike | Iterable[LevelLike] | None = None, **options: Any):
        self._decode = Decode(levels, **options)

    def __call__(self, key: str, data: bytes) -> Any:
        """Image and target of a stream, as :class:`sdc.plugins.torch.Decode` makes them; ``None`` for others.

        Args:
            key: name of the file behind that of the sample, with its dot.
            data: its bytes.

        Raises:
            SdcError: as :class:`sdc.plugins.torch.Decode`.
        """
        return self._decode(data) if is_stream_name(key) else None
