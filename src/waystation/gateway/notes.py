"""Headers of an answer that stages have to say, as encoded lines: `call.notes`."""


def noted(notes: bytes, name: bytes, value: str) -> bytes:
    """The lines with this header instead of any of its name. `name` in lower case; `value` is made ASCII, on one line."""
    kept = b"".join(line for line in notes.splitlines(keepends=True) if not line.startswith(name + b":"))
    said = " ".join(value.split()).encode("ascii", "replace")
    return b"%b%b: %b\r\n" % (kept, name, said)


MODEL = b"x-waystation-model"  # which model answers, where it is not the one that was named
