"""Assign the columns of a count table to samples: by name, never by position."""

import re

from ..errors import UserError, some


def match_columns(columns, samples, path):
    """Dict sample -> column of a count table.

    A sample's own word (`files` in samples.tsv) comes first; else its GSM, else its title, else
    its description or the name of its supplementary file, each only where it is unique. Never
    by position. samples: the curated table, included rows only.
    Raises UserError that names the samples without a column and the columns there are.
    """
    found, problems = {}, []
    for sample, given in zip(samples["sample"], samples["files"], strict=True):
        if given:
            if given in columns:
                found[sample] = given
            else:
                problems.append(
                    f"{path}: sample {sample}: 'files' says {given!r}, which is no column; "
                    f"columns: {some(columns)}"
                )
    for keys in _key_sets(samples):
        for sample, key in keys.items():
            if sample in found or not key:
                continue
            hits = [c for c in columns if _same(c, key) and c not in found.values()]
            if len(hits) == 1:
                found[sample] = hits[0]
    missing = [name for name in samples["sample"] if name not in found]
    if missing and not problems:
        titles = dict(zip(samples["sample"], samples["title"], strict=True))
        shown = [f"{name} ({titles[name]})" if titles[name] else name for name in missing]
        none = (
            "no column matches any sample"
            if len(missing) == len(samples)
            else (f"no column matches {len(missing)} of {len(samples)} samples: {some(shown)}")
        )
        problems.append(
            f"{path}: {none}; columns: {some(columns)}. Name each sample's column in a column "
            "'files' of samples.tsv, or leave samples out under exclude:"
        )
    twice = [c for c in set(found.values()) if list(found.values()).count(c) > 1]
    for column in sorted(twice):
        names = sorted(s for s, c in found.items() if c == column)
        problems.append(f"{path}: the column {column!r} is claimed by {', '.join(names)}")
    if problems:
        raise UserError(*problems)
    return {name: found[name] for name in samples["sample"]}


def _key_sets(samples):
    yield dict(zip(samples["sample"], samples["sample"], strict=True))
    for column in ("title", "geo_description", "geo_supplementary"):
        values = samples[column].map(lambda text: text.rsplit("/", 1)[-1])
        unique = ~values.duplicated(keep=False)
        yield dict(zip(samples["sample"][unique], values[unique], strict=True))


def _same(column, key):
    if re.fullmatch(r"GSM\d+", key):
        return key in re.findall(r"GSM\d+", column)
    return column.strip().lower() == key.strip().lower()
