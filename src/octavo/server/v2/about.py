"""What the protocol tells of a server and of its models."""

import asyncio
from typing import Any, NamedTuple

from octavo.server.outputs import no_outputs
from octavo.server.v2.datatypes import of_feature, of_values
from octavo.services.models import Model, Models
from octavo.version import __version__

SERVER = {"name": "octavo", "version": __version__, "extensions": ["binary_tensor_data"]}
PLATFORM = "octavo_bundle"


class TensorMetadata(NamedTuple):
    """What a tensor is to be."""

    name: str
    datatype: str
    shape: tuple[int, ...] = (-1,)
    """A row for each element."""


class ModelMetadata(NamedTuple):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]

    def as_dict(self) -> dict[str, Any]:
        """Return it as a document."""
        lists = {
            key: [each._asdict() for each in getattr(self, key)] for key in ("inputs", "outputs")
        }
        return self._asdict() | lists


async def metadata(models: Models, model: Model) -> ModelMetadata:
    """Return a model's metadata, with the versions that can be asked for."""
    versions = await asyncio.to_thread(models.versions, model.name)
    return ModelMetadata(
        model.name,
        [each.version for each in versions],
        PLATFORM,
        [TensorMetadata(name, of_feature(dtype)) for name, dtype in model.features.items()],
        [TensorMetadata(name, of_values(values)) for name, values in no_outputs(model).items()],
    )


def is_ready(models: Models) -> bool:
    """Return whether each pipeline has something to answer with."""
    return all(models.live(name) is not None for name in models.names)
