"""Media types of files that come as base64: as their caller says, else by how they begin."""

from waystation.dialects.ask import Document, Image

_BEGINNINGS = {
    "/9j/": "image/jpeg",
    "JVBERi": "application/pdf",
    "R0lGOD": "image/gif",
    "UklGR": "image/webp",
    "iVBORw0KGgo": "image/png",
}
"""Of base64, for the magic numbers of these types."""

_ENDINGS = {
    "csv": "text/csv",
    "html": "text/html",
    "md": "text/markdown",
    "pdf": "application/pdf",
    "txt": "text/plain",
}


def media_type(file: Image | Document) -> str | None:
    """The media type without parameters, in lower case; None where nothing says it."""
    if file.media_type:
        return file.media_type.partition(";")[0].strip().lower()
    data = file.data or ""
    for beginning, kind in _BEGINNINGS.items():
        if data.startswith(beginning):
            return kind
    name = (file.name or "") if isinstance(file, Document) else ""
    return _ENDINGS.get(name.rpartition(".")[2].lower())
