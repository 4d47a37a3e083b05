"""Figures: positions of lines, dots and words in SVG units, and the numbers that they show.

One template (figure.html) draws every figure, so that all have one style. A figure is a dict of
'id', 'title', 'note' (caption), 'width', 'height', 'shapes', and 'numbers' (a list of rows, the
first one the header), or None where there is nothing to draw.
"""

import math

from . import formats
from .formats import missing, signed

CHARACTER = 6.4  # mean width of a character of a label
RUNGS = {
    "none": "unadjusted",
    "erythroid": "red-cell RNA",
    "composition": "cell mix",
    "treatment": "steroids",
}
PLOT, RIGHT = 300, 270  # widths of the two parts of a figure of rows
PAD = 16  # between the ends of a scale and the frame, for the numbers below
ROW = 40  # height of a row: its name, and its points
CELL_COLOURS = 8  # of cell types; further types take the first colours again
GROUP_SHAPES = 4  # groups of a scatter plot that look different


def figure(name, title, note, size, shapes, numbers):
    width, height = size
    return {
        "id": name,
        "title": title,
        "note": note,
        "width": width,
        "height": math.ceil(height),
        "shapes": shapes,
        "numbers": numbers,
    }


def line(css, *points):
    path = "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
    return {"kind": "path", "css": css, "d": path}


def dot(css, x, y, title=""):
    return {"kind": "dot", "css": css, "x": _short(x), "y": _short(y), "title": title}


def dots(css, points):
    """Many dots without titles in one path: lines of no length with round ends."""
    return {
        "kind": "path",
        "css": css,
        "d": "".join(f"M{_short(x)} {_short(y)}h0" for x, y in points),
    }


def boxes(css, corners, width, height):
    """Many boxes of one size in one path."""
    end = f"h{width}v{height}h-{width}z"
    path = "".join(f"M{_short(x)} {_short(y)}{end}" for x, y in corners)
    return {"kind": "path", "css": css, "d": path}


def box(css, x, y, width, height, title=""):
    sides = {"width": _short(width), "height": _short(height)}
    return {"kind": "box", "css": css, "x": _short(x), "y": _short(y), **sides, "title": title}


def words(x, y, text, css="", anchor=""):
    """anchor: '' (starts at x), 'middle' or 'end'."""
    place = {"x": _short(x), "y": _short(y)}
    return {"kind": "words", "css": css, **place, "anchor": anchor, "text": text}


def forest(name, title, groups, margin):
    """Effects of one set in all columns, with intervals, by question.

    groups: list of {heading, rows, pooled}; a row is {label, sublabel, row} with the verdict
    row; pooled is a list of dicts with label, sublabel, the numbers of a row, prediction_low and
    prediction_high (diamonds).
    """
    entries = [entry["row"] for group in groups for entry in group["rows"]]
    pooled = [item for group in groups for item in group["pooled"]]
    ends = [row[key] for row in entries + pooled for key in ("ci_low", "ci_high")]
    if all(missing(value) for value in ends):
        return None
    scale = _Scale(ends)
    shapes, y = [], 18
    for group in groups:
        shapes.append(words(0, y, group["heading"], "halo group"))
        y += 6
        for entry in group["rows"]:
            shapes += _forest_row(entry, scale, y)
            y += ROW
        for item in group["pooled"]:
            shapes += _diamond(item, scale, y)
            y += ROW
        y += 24
    bottom = y - 20
    shapes = _frame(scale, 10, bottom, margin) + shapes
    shapes += _axis(scale, bottom, "log2 fold change against genes of similar expression")
    heads = (("verdict", 12), ("genes detected", 172))
    shapes += [words(PLOT + x, 16, text, "soft") for text, x in heads]
    header = ["question", "comparison", "n_case", "n_reference", "genes_detected", "genes"]
    header += ["log2_fold_change", "ci_low", "ci_high", "q", "verdict"]
    keys = ("n_case", "n_reference", "n_measurable", "n_genes", "log2_fold_change")
    keys += ("ci_low", "ci_high", "q", "verdict")
    numbers = [header]
    for group in groups:
        for entry in group["rows"]:
            numbers.append(
                [group["heading"], f"{entry['label']}, {entry['sublabel']}"]
                + [entry["row"][key] for key in keys]
            )
        for item in group["pooled"]:
            blank = {**item, "n_measurable": "", "n_genes": ""}
            numbers.append(
                [group["heading"], f"{item['label']}, {item['sublabel']}"]
                + [blank[key] for key in keys]
            )
    note = (
        "Points with their 95 % confidence intervals; the grey band is the equivalence margin. "
        "Filled points: judged. Open points: not measurable, the number decides nothing. "
        "n: subjects, case against reference."
    )
    if pooled:
        note += (
            " Diamonds: pooled over studies (random effects), with the range in which the effect "
            "of a further study is to be expected as a dashed line."
        )
    size = (PLOT + RIGHT, bottom + 42)
    return figure(name, title, note, size, shapes, numbers)


def _forest_row(entry, scale, y):
    row = entry["row"]
    right = PLOT + 12
    shapes = [
        _heading(entry, y),
        words(right, y + 32, f"{formats.MARKS[row['verdict']]} {row['verdict']}"),
        words(right + 160, y + 32, f"{row['n_measurable']:.0f}/{row['n_genes']:.0f}"),
    ]
    if not missing(row["log2_fold_change"]):
        effect = row["log2_fold_change"]
        title = f"{signed(effect)} ({formats.interval(row['ci_low'], row['ci_high'])})"
        shapes += _interval(scale, y + 28, row["ci_low"], row["ci_high"])
        shapes.append(dot(css_of(row), scale.at(effect), y + 28, title))
    return shapes


def css_of(row):
    """How the point of a verdict looks: open where nothing is judged."""
    if row["verdict"] == "not measurable":
        return "open"
    return {"higher": "up", "lower": "down"}.get(row["verdict"], "still")


def _diamond(item, scale, y):
    low, high, centre = (scale.at(item[key]) for key in ("ci_low", "ci_high", "log2_fold_change"))
    corners = [(low, y + 28), (centre, y + 21), (high, y + 28), (centre, y + 35), (low, y + 28)]
    effect, interval = item["log2_fold_change"], formats.interval(item["ci_low"], item["ci_high"])
    range_of = [item["prediction_low"], item["prediction_high"]]
    expected = [] if missing(range_of[0]) else [(scale.at(end), y + 28) for end in range_of]
    return [
        *([line("expected", *expected)] if expected else []),
        _heading(item, y),
        {**line("pooled", *corners), "title": f"{signed(effect)} ({interval})"},
        words(PLOT + 12, y + 32, item["verdict"]),
    ]


def ladder(name, title, entries, margin):
    """Unadjusted and adjusted effects of one set, joined by a line, column by column.

    entries: list of {label, sublabel, rungs}, the rungs as in the adjusted table.
    """
    entries = [
        {**entry, "rungs": [r for r in entry["rungs"] if not missing(r["log2_fold_change"])]}
        for entry in entries
    ]
    entries = [entry for entry in entries if len(entry["rungs"]) > 1]
    if not entries:
        return None
    rungs = [rung for entry in entries for rung in entry["rungs"]]
    scale = _Scale([rung[key] for rung in rungs for key in ("ci_low", "ci_high")])
    shapes, y = [], 14
    for entry in entries:
        shapes += [
            _heading(entry, y),
        ]
        places = []
        y += 16
        for rung in entry["rungs"]:
            at = (scale.at(rung["log2_fold_change"]), y + 8)
            places.append(at)
            shapes += _interval(scale, at[1], rung["ci_low"], rung["ci_high"])
            css = "open" if rung["status"] else "still"
            shapes.append(dot(css, *at))
            shapes.append(words(PLOT + 12, y + 12, _rung_words(rung, entry["rungs"][0])))
            y += 17
        shapes.append(line("join", *places))
        y += 10
    bottom = y - 4
    shapes = _frame(scale, 8, bottom, margin) + shapes
    shapes += _axis(scale, bottom, "log2 fold change of the set")
    numbers = [["comparison", "adjustment", "log2_fold_change", "ci_low", "ci_high", "p"]]
    numbers[0] += ["attenuation", "vif", "status"]
    for entry in entries:
        for rung in entry["rungs"]:
            keys = ("log2_fold_change", "ci_low", "ci_high", "p", "attenuation", "vif", "status")
            place = [f"{entry['label']}, {entry['sublabel']}", RUNGS[rung["adjustment"]]]
            numbers.append(place + [rung[key] for key in keys])
    note = (
        "The effect as it is, and after adjustment for red-cell RNA, cell mix and steroid "
        "exposure by marker genes outside the set. Open points decide nothing: the covariate "
        "cannot be told from the groups, or treatment is not recorded."
    )
    return figure(name, title, note, (PLOT + RIGHT, bottom + 42), shapes, numbers)


def _rung_words(rung, base):
    """What was adjusted for, and what that took away of an effect that there was (p <= 0.05)."""
    text = RUNGS[rung["adjustment"]]
    if rung["status"]:
        return f"{text} ({rung['status'].split(':')[0]})"
    if rung is not base and base["p"] <= 0.05:
        text += f": takes {formats.number(100 * rung['attenuation'], 0)} %"
    return text


def left_out(name, title, entries, margin):
    """Effects of one set without each of its genes, column by column.

    entries: list of {label, sublabel, effect, genes}; genes as in the leave_one_out table.
    """
    key = "log2_fold_change_without"
    entries = [
        {**entry, "genes": [gene for gene in entry["genes"] if not missing(gene[key])]}
        for entry in entries
    ]
    entries = [e for e in entries if len(e["genes"]) > 1 and not missing(e["effect"])]
    if not entries:
        return None
    ends = [gene[key] for entry in entries for gene in entry["genes"]]
    scale = _Scale(ends + [entry["effect"] for entry in entries])
    shapes, y = [], 14
    numbers = [["comparison", "gene_left_out", "log2_fold_change", "log2_fold_change_without"]]
    for entry in entries:
        whole = scale.at(entry["effect"])
        far = max(entry["genes"], key=lambda gene: abs(gene[key] - entry["effect"]))
        shapes += [
            _heading(entry, y),
            line("whole", (whole, y + 18), (whole, y + 38)),
            dots("gene", [(scale.at(gene[key]), y + 28) for gene in entry["genes"]]),
            words(
                PLOT + 12,
                y + 32,
                f"{signed(entry['effect'])}; without {far['data_id']} {signed(far[key])}",
            ),
        ]
        place = f"{entry['label']}, {entry['sublabel']}"
        numbers += [[place, g["data_id"], entry["effect"], g[key]] for g in entry["genes"]]
        y += ROW
    shapes = _frame(scale, 8, y, margin) + shapes
    shapes += _axis(scale, y, "log2 fold change of the set without one gene")
    note = (
        "The bar is the effect of the whole set; each dot is the effect without one gene. "
        "The gene that matters most is named."
    )
    return figure(name, title, note, (PLOT + RIGHT, y + 42), shapes, numbers)


def heat_map(name, title, genes, heads, cells):
    """Log2 fold changes of genes (rows) in all columns.

    genes: list of (symbol, sign); heads: list of {label, sublabel}; cells: dict of (symbol,
    column number) -> test of the gene with 'log2_fold_change' and 'q'.
    """
    used = [number for number in range(len(heads)) if any(n == number for _, n in cells)]
    shown = [(symbol, sign) for symbol, sign in genes if any(s == symbol for s, _ in cells)]
    if not shown:
        return None
    left, top, wide, high = 110, 178, 46, 18
    shapes, places = [], {}
    for place, number in enumerate(used):
        x = left + wide * (place + 0.5)
        head = f"{heads[number]['label']} {heads[number]['sublabel']}"
        shapes.append({**words(x, top - 6, _fit(head, 265), "slant"), "turn": -40})
    for row, (symbol, sign) in enumerate(shown):
        y = top + high * row
        text = f"{symbol} {'+' if sign > 0 else formats.MINUS}"
        shapes.append(words(left - 6, y + 13, text, "gene-name"))
        for place, number in enumerate(used):
            test = cells.get((symbol, number))
            x = left + wide * place
            level = formats.level(test["log2_fold_change"]) or "flat" if test else "none"
            places.setdefault(level, []).append((x + 1, y + 1))
            if test:
                css = "cell strong" if test["q"] <= 0.05 else "cell"
                text = signed(test["log2_fold_change"], 1)
                shapes.append(words(x + wide / 2, y + 13, text, css))
    cells_first = [boxes(level, places[level], wide - 2, high - 2) for level in sorted(places)]
    shapes = cells_first + shapes
    numbers = [["gene", "direction_in_set"]]
    numbers[0] += [f"{heads[n]['label']} {heads[n]['sublabel']}" for n in used]
    for symbol, sign in shown:
        tests = [cells.get((symbol, number)) for number in used]
        numbers.append([symbol, sign] + [t["log2_fold_change"] if t else "" for t in tests])
    note = (
        "log2 fold change of every gene, as measured and not turned round by its sign in the set; "
        f"bold where q over all genes is at most 0.05. {len(shown)} of {len(genes)} genes are "
        "expressed enough to be tested somewhere; an empty cell was not."
    )
    size = (left + wide * len(used) + 215, top + high * len(shown) + 6)
    return figure(name, title, note, size, shapes, numbers)


def subjects(name, title, panels):
    """Set scores of every subject in both groups, paired ones joined, a panel a column.

    panels: list of {label, sublabel, case, reference, paired, scores}; scores as in
    `columns.scores_of`. Scores are shown relative to the mean of the reference group.
    """
    panels = [panel for panel in panels if panel["scores"]]
    if not panels:
        return None
    for_row, wide, high, top = 4, 200, 200, 52
    numbers = [["comparison", "subject", "group", "score"]]
    placed = []
    for panel in panels:
        own = [s["score"] for s in panel["scores"] if s["group"] == panel["reference"]]
        base = sum(own) / len(own) if own else 0
        placed.append([(item, item["score"] - base) for item in panel["scores"]])
        place = f"{panel['label']}, {panel['sublabel']}"
        numbers += [[place, s["subject"], s["group"], s["score"]] for s in panel["scores"]]
    reach = _nice(max(abs(value) for panel in placed for _, value in panel))
    shapes = []
    for number, (panel, values) in enumerate(zip(panels, placed, strict=True)):
        x, y = wide * (number % for_row), (high + top) * (number // for_row)
        shapes += _subject_panel(panel, values, reach, x, y + top, wide, high)
    note = (
        "One dot a subject: score of the set (log2, relative to genes of similar expression), "
        "minus the mean of the reference group. Lines join the two samples of one subject; bars "
        "are group means. All panels have one scale."
    )
    rows = math.ceil(len(panels) / for_row)
    size = (wide * min(for_row, len(panels)), (high + top) * rows)
    return figure(name, title, note, size, shapes, numbers)


def _subject_panel(panel, values, reach, x, y, wide, high):
    left, inner = x + 36, high - 44
    centres = {panel["reference"]: left + 42, panel["case"]: left + 112}

    def at(value):
        return y + inner / 2 * (1 - value / reach)

    shapes = [
        words(x + 4, y - 34, panel["label"], "strong"),
        words(x + 4, y - 20, _fit(panel["sublabel"], wide - 8), "soft"),
        words(x + 4, y - 6, "log2", "tick"),
        line("axis", (left, y), (left, y + inner)),
        line("zero", (left, at(0)), (left + 154, at(0))),
    ]
    for value in (-reach, 0, reach):
        shapes.append(words(left - 4, at(value) + 4, signed(value, 1), "tick", "end"))
    counts = {group: sum(item["group"] == group for item, _ in values) for group in centres}
    for group, centre in centres.items():
        shapes.append(
            words(centre, y + inner + 14, _fit(formats.words(group), 76), "tick", "middle")
        )
        shapes.append(words(centre, y + inner + 27, f"n = {counts[group]}", "tick", "middle"))
        own = [value for item, value in values if item["group"] == group]
        if own:
            mean = at(sum(own) / len(own))
            shapes.append(line("mean", (centre - 16, mean), (centre + 16, mean)))
    seats = _seats(values, centres)
    if panel["paired"]:
        ends = {}
        for seat, (item, value) in zip(seats, values, strict=True):
            ends.setdefault(item["subject"], []).append((seat, at(value)))
        shapes += [line("join", *points) for points in ends.values() if len(points) == 2]
    for seat, (item, value) in zip(seats, values, strict=True):
        css = "case" if item["group"] == panel["case"] else "reference"
        shapes.append(dot(css, seat, at(value), f"{item['subject']}: {signed(value)}"))
    return shapes


def _seats(values, centres):
    """Where a dot sits sideways: spread over its group by order, the same on every run."""
    seen = dict.fromkeys(centres, 0)
    seats = []
    for item, _ in values:
        turn = seen[item["group"]]
        seen[item["group"]] += 1
        seats.append(centres[item["group"]] + (turn % 5 - 2) * 5)
    return seats


def scatter(name, title, note, points, axes):
    """Points in a plane with one scale for both axes.

    points: list of {x, y, group, text}; axes: the titles of x and y. Groups are numbered in
    alphabetical order and told apart by shape and colour.
    """
    size, left, top = 300, 46, 10
    groups = sorted({point["group"] for point in points})
    reach = max([abs(point[axis]) for point in points for axis in ("x", "y")] + [1e-9])
    unit = (size / 2 - 12) / reach
    centre = (left + size / 2, top + size / 2)
    shapes = [
        box("panel", left, top, size, size),
        line("zero", (left, centre[1]), (left + size, centre[1])),
        line("zero", (centre[0], top), (centre[0], top + size)),
    ]
    shapes += [
        dot(
            f"g{groups.index(point['group']) % GROUP_SHAPES}",
            centre[0] + unit * point["x"],
            centre[1] - unit * point["y"],
            point["text"],
        )
        for point in points
    ]
    shapes += [
        words(centre[0], top + size + 18, axes[0], "tick", "middle"),
        {**words(left - 10, centre[1], axes[1], "tick", "middle"), "turn": -90},
    ]
    for number, group in enumerate(groups):
        y = top + 14 + 20 * number
        count = sum(point["group"] == group for point in points)
        shapes += [
            dot(f"g{number % GROUP_SHAPES}", left + size + 20, y),
            words(left + size + 32, y + 4, f"{formats.words(group)} (n = {count})"),
        ]
    numbers = [["name", "group", "x", "y"]]
    numbers += [[point["text"], point["group"], point["x"], point["y"]] for point in points]
    return figure(name, title, note, (left + size + 200, top + size + 30), shapes, numbers)


def spread(name, title, note, entries, reference, axis):
    """Quartiles and range of some numbers, a row an entry, on a linear scale from 1 (fold).

    entries: list of {label, sublabel, values, text}; reference: a value with a line of its own.
    """
    entries = [entry for entry in entries if entry["values"]]
    if not entries:
        return None
    top = min(max(max(entry["values"]) for entry in entries), 8)
    top = max(math.ceil(2 * top) / 2, 2)

    def at(value):
        return PAD + (PLOT - 2 * PAD) * (min(value, top) - 1) / (top - 1)

    shapes, y = [], 14
    numbers = [["comparison", "minimum", "quartile_1", "median", "quartile_3", "maximum", "sets"]]
    for entry in entries:
        low, first, middle, third, high = quartiles(entry["values"])
        shapes += [
            _heading(entry, y),
            line("ci", (at(low), y + 28), (at(high), y + 28)),
            box("quartiles", at(first), y + 21, max(at(third) - at(first), 1), 14),
            line("whole", (at(middle), y + 19), (at(middle), y + 37)),
            words(PLOT + 12, y + 32, entry["text"]),
        ]
        numbers.append(
            [f"{entry['label']}, {entry['sublabel']}"]
            + [low, first, middle, third, high, len(entry["values"])]
        )
        y += ROW
    ticks = [1 + step * (0.5 if top <= 4 else 1) for step in range(20)]
    shapes += [
        line("axis", (0, y), (PLOT, y)),
        line("margin-line", (at(reference), 8), (at(reference), y)),
        *(words(at(t), y + 16, f"{t:g}", "tick", "middle") for t in ticks if t <= top),
        words(PLOT / 2, y + 34, axis, "tick", "middle"),
    ]
    return figure(name, title, note, (PLOT + RIGHT, y + 42), shapes, numbers)


def quartiles(values):
    """Minimum, quartiles and maximum, by linear interpolation."""
    ordered = sorted(values)

    def at(share):
        place = share * (len(ordered) - 1)
        low = math.floor(place)
        high = min(low + 1, len(ordered) - 1)
        return ordered[low] + (place - low) * (ordered[high] - ordered[low])

    return [at(share) for share in (0, 0.25, 0.5, 0.75, 1)]


class _Scale:
    """A symmetric log2 scale that holds the values, up to 4 either way."""

    def __init__(self, values):
        known = [abs(value) for value in values if not missing(value)]
        self.limit = min(max(math.ceil(2 * max(known, default=1)) / 2, 1), 4)

    def at(self, value):
        inside = min(max(value, -self.limit), self.limit)
        return PAD + (PLOT - 2 * PAD) * (inside + self.limit) / (2 * self.limit)

    def ticks(self):
        step = 0.5 if self.limit <= 1.5 else 1
        count = int(self.limit / step)
        return [step * number for number in range(-count, count + 1)]


def _heading(entry, y):
    """The name of a row, above its points."""
    text = f"{entry['label']}: {entry['sublabel']}"
    return words(0, y + 12, _fit(text, PLOT + RIGHT), "halo")


def _interval(scale, y, low, high):
    if missing(low) or missing(high):
        return []
    shapes = [line("ci", (scale.at(low), y), (scale.at(high), y))]
    if low < -scale.limit:
        x = scale.at(low)
        shapes.append(line("ci", (x + 5, y - 4), (x, y), (x + 5, y + 4)))
    if high > scale.limit:
        x = scale.at(high)
        shapes.append(line("ci", (x - 5, y - 4), (x, y), (x - 5, y + 4)))
    return shapes


def _frame(scale, top, bottom, margin):
    left, right = scale.at(-margin), scale.at(margin)
    return [
        box("band", left, top, right - left, bottom - top),
        line("zero", (scale.at(0), top), (scale.at(0), bottom)),
    ]


def _axis(scale, y, title):
    shapes = [line("axis", (0, y), (PLOT, y))]
    for value in scale.ticks():
        digits = 0 if value == int(value) else 1
        shapes.append(line("axis", (scale.at(value), y), (scale.at(value), y + 4)))
        shapes.append(words(scale.at(value), y + 17, signed(value, digits), "tick", "middle"))
    shapes.append(words(PLOT / 2, y + 34, title, "tick", "middle"))
    return shapes


def _nice(value):
    """The value, rounded up to a half, and at least a half."""
    return max(math.ceil(2 * value) / 2, 0.5)


def _fit(text, width):
    """The text, cut where it would be wider than `width`."""
    most = int(width / CHARACTER)
    return text if len(text) <= most else f"{text[: most - 1].rstrip()}…"


def _short(number):
    text = f"{number:.1f}"
    return text.removesuffix(".0")
