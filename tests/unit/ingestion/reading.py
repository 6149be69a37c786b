"""How the tests of ingestion read a file."""

from octavo.engines import LocalEngine
from octavo.stages.ingestion.files import begin, whole

ENGINE = LocalEngine(workers=2)


def read(path, content=None, **known):
    """Write a text (or bytes) to a path, if given, and read the file."""
    if content is not None:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return whole(begin(path, where_label="dataset 'x'", engine=ENGINE, **known))
