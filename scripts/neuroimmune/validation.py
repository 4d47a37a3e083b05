"""Check YAML documents and table rows against a JSON schema: every error at once, by line."""

import re
from functools import cache
from pathlib import Path

import yaml

from .errors import UserError


class _StrictLoader(yaml.CSafeLoader):
    """YAML loader that refuses repeated keys and keys that are not text."""


def _strict_mapping(loader, node):
    seen = {}
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            raise UserError(
                f"{node.start_mark.name}:{key_node.start_mark.line + 1}: the key {key_node.value} "
                f'is read as {type(key).__name__}, not as text; write "{key_node.value}" in quotes'
            )
        if key in seen:
            raise UserError(
                f"{node.start_mark.name}:{key_node.start_mark.line + 1}: the key {key!r} stands "
                f"twice (first in line {seen[key]}); keep one"
            )
        seen[key] = key_node.start_mark.line + 1
    return loader.construct_mapping(node, deep=True)


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _strict_mapping)


def read_yaml(path):
    """Parse one YAML file into plain Python objects.

    Raises UserError with file and line when the file is missing, is not YAML, or repeats a key.
    """
    try:
        stream = open(path, encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"{path}: no such file") from None
    with stream:
        try:
            # The loader takes the name for its marks from the stream.
            return yaml.load(stream, Loader=_StrictLoader)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise UserError(f"{path}:{line}: not valid YAML: {error.problem}") from None
        except (UnicodeDecodeError, yaml.reader.ReaderError) as error:
            raise UserError(f"{path}: not UTF-8 text ({error.reason})") from None


def line_of(path, keys):
    """Line (1-based) in a YAML file of the entry that the key path leads to, or None."""
    node = yaml.compose(Path(path).read_text(encoding="utf-8"), Loader=yaml.CSafeLoader)
    line = None
    for key in keys:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(key)), None)
            if found is None:
                return None
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int):
            if key >= len(node.value):
                return None
            node = node.value[key]
            line = node.start_mark.line + 1
        else:
            return None
    return line or 1


def where(files, keys):
    """'file:line' of a key path in the last of `files` that has it, else in the nearest parent."""
    for depth in range(len(keys), -1, -1):
        for path in reversed(files):
            line = line_of(path, keys[:depth])
            if line and (depth or len(files) == 1):
                return f"{path}:{line}"
    return str(files[-1])


@cache
def _validator(schema_path):
    from jsonschema import Draft202012Validator

    return Draft202012Validator(yaml.safe_load(Path(schema_path).read_text(encoding="utf-8")))


def schema_errors(document, schema_path):
    """List of (key path, plain-word problem) for all violations, in document order."""
    found = []
    for error in _validator(str(schema_path)).iter_errors(document):
        found.extend(_in_words(error))
    return sorted(found, key=lambda item: [str(key) for key in item[0]])


def _in_words(error):
    keys, name = list(error.absolute_path), error.validator
    value = _short(error.instance)
    if name == "additionalProperties" and error.validator_value is False:
        allowed = sorted(error.schema.get("properties", {}))
        for key in error.instance:
            if key not in error.schema.get("properties", {}):
                yield keys + [key], f"unknown key; allowed here: {', '.join(allowed)}"
    elif name == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        # jsonschema reports each missing key apart; the message names the one it is about.
        key = next(key for key in missing if error.message.startswith(repr(key)))
        yield keys, f"{key!r} is missing; add it here"
    elif name == "enum":
        allowed = ", ".join("(blank)" if v == "" else str(v) for v in error.validator_value)
        yield keys, f"found {value}; allowed: {allowed}"
    elif name == "type":
        wanted = error.validator_value
        wanted = wanted if isinstance(wanted, str) else " or ".join(wanted)
        hint = "; put it in quotes" if wanted == "string" and value != "null" else ""
        yield keys, f"found {value}; expected {_TYPES.get(wanted, wanted)}{hint}"
    elif name == "pattern":
        yield keys, f"found {value}; expected text that matches {error.validator_value}"
    elif name == "uniqueItems":
        yield keys, f"found {value}; every entry may stand once only"
    elif name in ("minItems", "minProperties", "minLength"):
        yield keys, f"found {value}; at least one entry is needed"
    elif name in _BOUNDS:
        yield keys, f"found {value}; expected {_BOUNDS[name]} {error.validator_value}"
    elif name == "oneOf":
        yield keys, f"found {value}; give either 'from' (with 'pattern', 'map') or 'value'"
    else:
        yield keys, f"found {value}; {error.message}"


_TYPES = {
    "string": "text",
    "array": "a list",
    "object": "a block of keys",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
}
_BOUNDS = {
    "minimum": "at least",
    "maximum": "at most",
    "exclusiveMinimum": "more than",
    "exclusiveMaximum": "less than",
}


def _short(value):
    text = repr(value) if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True)
    text = re.sub(r"\s+|\n\.\.\.$", " ", text.removesuffix("\n").removesuffix("\n...")).strip()
    return text if len(text) <= 60 else text[:57] + "..."


def check_yaml(document, schema_path, files):
    """One message ('file:line: key.path: problem') for every violation in a YAML document."""
    return [
        f"{where(files, keys)}: {'.'.join(map(str, keys)) or 'document'}: {problem}"
        for keys, problem in schema_errors(document, schema_path)
    ]


def check_rows(rows, schema_path, path):
    """Messages for all violations in table rows (dicts of text; row i is file line i + 2)."""
    validator = _validator(str(schema_path))
    messages = []
    for index, row in enumerate(rows):
        if validator.is_valid(row):
            continue
        for keys, problem in schema_errors(row, schema_path):
            messages.append(f"{path}:{index + 2}: column {keys[0] if keys else '?'}: {problem}")
    return messages


def complain(messages):
    """Raise one UserError that lists all messages, if there are any."""
    messages = list(messages)
    if messages:
        raise UserError(*messages)
