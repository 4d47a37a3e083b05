"""Assign the columns of a count table to samples: by name, never by position."""

import re
from collections import Counter, defaultdict

from ..errors import UserError, some

ENDINGS = re.compile(r"(\.(gz|txt|bam|counts|tsv|csv))+$", re.IGNORECASE)


def match_columns(columns, samples, path, missing="stop"):
    """(dict sample -> column, list of {sample, reason} left out) of a count table.

    A sample's own word (`files`) comes first, then its GSM in the column's name. Else the column
    must be called like the sample's title, a line of its description or one of its files: as
    written or as R's make.names writes it, with or without folder and file ending, or between
    words that all columns share ('aligned.KO1.bam'). A name that several samples share is none,
    and neither is what make.unique makes of it ('A.1'), which says no more than a position.

    samples: the curated table, of which the included samples are returned. The other rows count:
    a column of a sample that is left out is not free for another one.
    missing: 'stop', or 'leave_out' to leave out the samples that no column fits.
    Raises UserError that names the samples without a column and the columns without a sample, or
    the group that would lose all its samples.
    """
    included = samples[samples["include"] == "yes"]
    found, problems = _given(columns, samples, path)
    claims, unclear = defaultdict(set), defaultdict(set)
    numbered = set()
    for column in columns:
        for token in set(re.findall(r"GSM\d+", column.upper())) & set(samples["sample"]):
            numbered.add(column)
            claims[token].add(column)
    _settle(found, claims)
    names = _names(samples)
    for forms in ({column: {column} for column in columns}, _between_shared_words(columns)):
        taken = numbered | set(found.values())
        free = {column: texts for column, texts in forms.items() if column not in taken}
        for sample, column, sure in _by_name(free, names):
            if sample not in found and not claims[sample] & numbered:
                (claims if sure else unclear)[sample].add(column)
        _settle(found, claims)

    maybe = {name: sorted(claims[name] | unclear[name]) for name in samples["sample"]}
    lacking = [name for name in included["sample"] if name not in found]
    left_out = []
    if missing == "leave_out" and len(lacking) < len(included):
        left_out = [name for name in lacking if not maybe[name]]
        lacking = [name for name in lacking if maybe[name]]
    if lacking and not problems:
        problems.append(_lacking(lacking, maybe, included, columns, found, path))
    problems += _emptied_groups(included, left_out, path)
    if problems:
        raise UserError(*problems)
    reason = "the count table has no column for it"
    return (
        {name: found[name] for name in included["sample"] if name in found},
        [{"sample": name, "reason": reason} for name in left_out],
    )


def make_names(text):
    """The text as R's make.names writes it, reserved words aside: '1 day' -> 'X1.day'."""
    name = re.sub(r"[^\w.]", ".", text)
    return name if re.match(r"[^\W\d_]|\.(?!\d)", name) else f"X{name}"


def _given(columns, samples, path):
    """Sample -> the column that `files` names, and what is wrong with these."""
    found, problems, claimed = {}, [], defaultdict(list)
    for sample, given, include in zip(
        samples["sample"], samples["files"], samples["include"], strict=True
    ):
        if given in columns:
            found[sample] = given
        if include != "yes" or not given:
            continue
        claimed[given].append(sample)
        if given not in columns:
            problems.append(
                f"{path}: sample {sample}: 'files' says {given!r}, which is no column; "
                f"columns: {some(columns)}"
            )
    for column, names in sorted(claimed.items()):
        if len(names) > 1:
            problems.append(f"{path}: the column {column!r} is claimed by {', '.join(names)}")
    return found, problems


def _settle(found, claims):
    """Move the claims that are one to one into `found`."""
    owners = Counter(column for fits in claims.values() for column in fits)
    for sample, fits in list(claims.items()):
        if sample in found:
            del claims[sample]
        elif len(fits) == 1 and owners[min(fits)] == 1:
            found[sample] = min(fits)
            del claims[sample]


def _names(samples):
    """Sample -> what a column of its counts may be called."""
    fields = ("sample", "title", "geo_description", "geo_supplementary")
    return {
        cells[0]: {part.strip() for cell in cells for part in cell.split(" | ") if part.strip()}
        for cells in zip(*(samples[field] for field in fields), strict=True)
    }


def _between_shared_words(columns):
    """Column -> its parts that leave out nothing but words that all columns share at an end."""
    # Words and what stands between them alternate, a word first and last.
    pieces = {c: re.split(r"([^0-9A-Za-z]+)", ENDINGS.sub("", c)) for c in columns}
    if len(pieces) < 2:
        return {}
    most = min(map(len, pieces.values())) - 1
    head = _shared(pieces.values(), most)
    tail = _shared([words[::-1] for words in pieces.values()], most - head)
    return {
        column: {
            "".join(words[start:end])
            for start in range(0, head + 1, 2)
            for end in range(len(words), len(words) - tail - 1, -2)
        }
        for column, words in pieces.items()
    }


def _shared(lists, most):
    """Length of the beginning that all lists share, at most `most`."""
    for length in range(most):
        if len({words[length] for words in lists}) > 1:
            return length
    return most


def _by_name(forms, names):
    """(sample, column, whether it is sure) for columns that bear a name of a sample.

    forms: column -> texts to compare; names: sample -> its names. Texts that R writes alike, or
    that differ in case or in blank, dot and underscore, count as one name. Where several samples
    share it, each must have its column exactly as written.
    """
    owners, bearers = defaultdict(set), defaultdict(set)
    for table, places in ((names, owners), (forms, bearers)):
        for key, texts in table.items():
            for text in texts:
                base = ENDINGS.sub("", re.split(r"[/\\]", text.strip())[-1])
                places[_spaced(make_names(base))].add((key, base))
    for key in sorted(owners.keys() & bearers.keys()):
        pairs = [(s, c, name, text) for s, name in owners[key] for c, text in bearers[key]]
        exact = [pair for pair in pairs if pair[2] == pair[3]]
        samples = {sample for sample, _ in owners[key]}
        one_to_one = len(exact) == len(samples) == len({p[0] for p in exact}) and len(
            {p[1] for p in exact}
        ) == len(exact)
        unnumbered = re.sub(r"\.\d+$", "", key)
        doubled = key != unnumbered and len({s for s, _ in owners.get(unnumbered, ())}) > 1
        for sample, column, name, text in exact if one_to_one else pairs:
            # 'CD4+' and 'CD4-' are one name to R, but only where R has written one of them.
            mangled = make_names(name) == name or make_names(text) == text
            if mangled or _spaced(name) == _spaced(text):
                yield sample, column, (one_to_one or len(samples) == 1) and not doubled


def _spaced(text):
    return re.sub(r"[ _]", ".", text).lower()


def _lacking(lacking, maybe, included, columns, found, path):
    titles = dict(zip(included["sample"], included["title"], strict=True))
    shown = []
    for name in lacking:
        fits = [f"fits {some(map(repr, maybe[name]))}"] if maybe[name] else []
        notes = "; ".join([titles[name]] * bool(titles[name]) + fits)
        shown.append(f"{name} ({notes})" if notes else name)
    if len(lacking) == len(included):
        text = f"no column matches any sample; columns: {some(columns)}; samples: {some(shown)}"
    else:
        free = [column for column in columns if column not in found.values()]
        text = (
            f"no column matches {len(lacking)} of {len(included)} samples: {some(shown)}; columns "
            f"without a sample: {some(free) or 'none'}"
        )
    return (
        f"{path}: {text}. Name each sample's column in a column 'files' of samples.tsv, leave "
        "samples out under exclude:, or, where the table lacks samples, set "
        "source.missing_samples: leave_out"
    )


def _emptied_groups(included, left_out, path):
    for group, members in included.groupby("group")["sample"]:
        if set(members) <= set(left_out):
            yield (
                f"{path}: no column for any sample of group {group!r} ({some(members)}), and "
                "source.missing_samples is leave_out: the group would be empty. Check the file, "
                "or take the group's contrasts out of study.yaml"
            )
