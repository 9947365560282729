"""Read settings that are declared as dataclasses from TOML tables and environment variables, and name every mistake.

It knows types, bounds and names; what the settings are is declared in `settings.py`.
"""

import dataclasses
import difflib
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from waystation.catalogue.provider_rules import NAME, NO_NAME
from waystation.terms import Secret

T = TypeVar("T")

SECRET_FILE_BYTES_MAX = 64 * 1024


class SettingsError(Exception):
    """Settings that can't be used. `problems` has a sentence for each: where it is, what is wrong, what to do."""

    def __init__(self, problems: Collection[str], in_chinese: Mapping[str, str] = MappingProxyType({})) -> None:
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)
        self.in_chinese = tuple(in_chinese.get(problem, problem) for problem in problems)


def setting(
    default: T,
    sentence: str,
    *,
    unit: str = "",
    least: float | None = None,
    most: float | None = None,
    printed: bool = True,
) -> T:
    """A field of a settings dataclass with what its docs, its bounds and its `repr` need. Returns a dataclass field."""
    metadata = {"sentence": sentence, "unit": unit, "least": least, "most": most}
    return dataclasses.field(default=default, metadata=metadata, repr=printed)


def nearest(name: str, known: Collection[str]) -> str:
    """'; did you mean …?' when a known name is close, else ''."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def types_of(topic: type) -> dict[str, Any]:
    """The fields' types, resolved; an `X | None` comes as X."""
    return {name: _without_none(hint) for name, hint in get_type_hints(topic).items()}


def _without_none(hint: Any) -> Any:
    if get_origin(hint) in (Union, UnionType):
        (hint,) = [part for part in get_args(hint) if part is not type(None)]
    return hint


def check_bounds(field: "dataclasses.Field[Any]", value: Any) -> None:
    """Raises ValueError when a number is outside of what its setting allows."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"is {value}; it must be a finite number")
    least, most = field.metadata.get("least"), field.metadata.get("most")
    unit = f" {field.metadata['unit']}" if field.metadata.get("unit") else ""
    if least is not None and value < least:
        raise ValueError(f"is {value}; the least is {least}{unit}")
    if most is not None and value > most:
        raise ValueError(f"is {value}; the most is {most}{unit}")


def from_toml(hint: Any, value: Any, folder: Path) -> Any:
    """A TOML value as the type that a setting has. Relative paths are relative to the file's folder.

    Raises ValueError, in words that follow the key's name.
    """
    if hint is bool or hint is str:
        if isinstance(value, hint):
            return value
        raise ValueError(f"is {value!r}; it must be {'true or false' if hint is bool else 'a text in quotes'}")
    if hint in (int, float):
        if isinstance(value, int | float) and not isinstance(value, bool) and (hint is float or isinstance(value, int)):
            return hint(value)
        raise ValueError(f"is {value!r}; it must be a {'whole ' if hint is int else ''}number without quotes")
    if hint in (Secret, Path):
        if not isinstance(value, str) or not value:
            raise ValueError("must be a text in quotes")  # never says the value: it may be a secret
        return Secret(value) if hint is Secret else folder / Path(value).expanduser()
    if get_origin(hint) is dict:
        if isinstance(value, dict) and all(isinstance(item, str) for item in value.values()):
            return dict(value)
        raise ValueError('must be a table of texts, as { "x-team" = "blue" }')
    if get_origin(hint) is tuple:
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        raise ValueError('must be a list of texts, as ["web_search"]')
    choices = get_args(hint)
    if value in choices:
        return value
    raise ValueError(f"is {value!r}; it must be one of {', '.join(map(repr, choices))}{nearest(str(value), choices)}")


def from_text(hint: Any, text: str) -> Any:
    """An environment variable's text as the type that a setting has. Raises ValueError."""
    if hint is bool:
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        if text.strip().lower() not in words:
            raise ValueError(f"is {text!r}; it must be true or false")
        return words[text.strip().lower()]
    if get_origin(hint) is tuple:
        return tuple(word for each in text.split(",") if (word := each.strip()))
    if hint in (int, float):
        try:
            return hint(text)
        except ValueError:
            raise ValueError(f"is {text!r}; it must be a {'whole ' if hint is int else ''}number") from None
    return from_toml(hint, text, Path.cwd())


def read_file(path: Path) -> str:
    """A secret from a file, without the line end that editors add. Raises ValueError."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(SECRET_FILE_BYTES_MAX).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"names {path}, which can't be read: {error}") from None
    if not text:
        raise ValueError(f"names {path}, which is empty")
    return text


class Reader:
    """Fills topics from their sources, strongest last, and collects what is wrong instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str], file: str, folder: Path) -> None:
        self.environ = environ
        self.file = file
        self.folder = folder
        self.problems: list[str] = []
        self.in_chinese: dict[str, str] = {}  # of those problems that are told in Chinese too, by their English
        self.variables: set[str] = set()  # every name that was looked for, for the report of misspelt ones

    def complain(self, key: str, what: str, in_chinese: str | None = None) -> None:
        self.problems.append(f"{self.file}: {key} {what}")
        if in_chinese is not None:
            self.in_chinese[self.problems[-1]] = f"{self.file}：{key} {in_chinese}"

    def topic(
        self,
        make: type[T],
        prefix: str,
        table: Any,
        *,
        over: Mapping[str, object] = MappingProxyType({}),
        also: Collection[str] = (),
        **fixed: Any,
    ) -> T | None:
        """A topic from the TOML table `prefix`, with its environment variables over it; None when something is wrong.

        `over` wins over every source (the command line's); `fixed` fields have no source; `also` are keys of the table
        that the caller reads itself.
        """
        before = len(self.problems)
        if not isinstance(table, dict):
            self.complain(f"[{prefix}]", "must be a table")
            return None
        hints = types_of(make)
        known = [name for name in hints if name not in fixed]
        values: dict[str, Any] = {}
        for field in dataclasses.fields(make):  # type: ignore[arg-type]
            if field.name not in fixed:
                self._field(field, hints[field.name], prefix, table, values)
        allowed = {*known, *also, *(f"{name}_file" for name in known if hints[name] is Secret)}
        for key in table:
            if key not in allowed:
                self.complain(f"{prefix}.{key}", f"is not a setting{nearest(key, allowed)}")
        return make(**{**values, **over, **fixed}) if len(self.problems) == before else None

    def _field(
        self, field: "dataclasses.Field[Any]", hint: Any, prefix: str, table: dict[str, Any], into: dict[str, Any]
    ) -> None:
        key = f"{prefix}.{field.name}" if prefix else field.name
        try:
            if field.name in table:
                into[field.name] = from_toml(hint, table[field.name], self.folder)
            elif hint is Secret and f"{field.name}_file" in table:
                path = self.folder / Path(str(table[f"{field.name}_file"])).expanduser()
                into[field.name] = Secret(read_file(path))
            if field.name in into:
                check_bounds(field, into[field.name])
        except ValueError as error:
            self.complain(key, str(error))
        variable = variable_of(prefix, field.name)
        try:
            text = self.variable(variable)
            if text is not None:
                into[field.name] = from_text(hint, text)
                check_bounds(field, into[field.name])
        except ValueError as error:
            self.problems.append(f"environment: {variable} {error}")
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and field.name not in into:
            self.complain(key, f"is missing: {field.metadata['sentence']}")

    def variable(self, name: str) -> str | None:
        """An environment variable, or what the file says that NAME_FILE names; None when empty. Raises ValueError."""
        self.variables |= {name, f"{name}_FILE"}
        if self.environ.get(name):
            return self.environ[name]
        path = self.environ.get(f"{name}_FILE")
        return read_file(Path(path).expanduser()) if path else None


def variable_of(prefix: str, name: str) -> str:
    """The environment variable of a setting: `server.port` is WAYSTATION_SERVER_PORT."""
    key = f"{prefix}_{name}" if prefix else name
    key = key.replace("]", "")  # credentials[0].api_key is …_CREDENTIALS_0_API_KEY
    return "WAYSTATION_" + "".join(letter if letter.isalnum() else "_" for letter in key).upper()


def named_tables(read: Reader, topic: str, tables: Any) -> list[tuple[str, dict[str, Any]]]:
    """The tables of a topic by name; what isn't a table is a problem."""
    if not isinstance(tables, dict):
        read.complain(f"[{topic}]", "must be tables", "必须是表")
        return []
    for name, table in tables.items():
        if not isinstance(table, dict):
            where = f"[{topic}.{name!r}]"
            read.complain(f"{topic}.{name}", f"must be a table: write {where}", f"必须是表：请写 {where}")
        elif not NAME.fullmatch(name):
            read.complain(f"{topic}.{name!r}", *NO_NAME)
    return [(name, table) for name, table in tables.items() if isinstance(table, dict) and NAME.fullmatch(name)]
