"""What the report shows of single cells: steps, embedding, cell mix, and who expresses what."""

import math
from collections import Counter

from . import figures, formats
from .tables import records

# Shares of cells from which a dot of the receptor map takes the next larger size.
SIZES = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5)
# Share of cells against that of genes of the same abundance, from which a dot is coloured.
PREFERRED = 2.0
ALL = "all"


def cells_view(tables):
    """Everything that the page of a study shows of its cells."""
    return {
        "steps": steps_view(tables["steps"]),
        "embedding": embedding(tables["umap"]),
        "mix": records(tables["mix"]),
    }


def steps_view(steps):
    """Cells lost by every sample in every step: 'steps' (names) and 'rows' (sample, lost, left).

    'notes' are what the steps say of themselves, each once.
    """
    rows = [row for row in records(steps) if row["unit"] == "cell"]
    names = list(dict.fromkeys(row["step"] for row in rows))
    samples = {}
    for row in rows:
        samples.setdefault(row["sample"], []).append(row)
    notes = Counter((row["step"], row["reason"]) for row in rows if row["reason"])
    return {
        "steps": names,
        "rows": [
            {
                "sample": sample or "all together",
                "lost": [
                    next((row["left_out"] for row in own if row["step"] == name), None)
                    for name in names
                ],
                "left": own[-1]["left"],
            }
            for sample, own in samples.items()
        ],
        "notes": [{"step": step, "reason": reason, "n": n} for (step, reason), n in notes.items()],
    }


def embedding(cells):
    """The UMAP of the cells shown, by cell type, each type named where most of it lies."""
    if cells.empty:
        return None
    size, left, top = 420, 10, 10
    span = max(cells[axis].max() - cells[axis].min() for axis in ("umap1", "umap2")) or 1
    unit = (size - 20) / span
    low = {axis: cells[axis].min() for axis in ("umap1", "umap2")}
    shapes = [figures.box("panel", left, top, size, size)]
    numbers = [["cell_type", "cells", "median_umap1", "median_umap2"]]
    names = []
    for number, (kind, own) in enumerate(cells.groupby("cell_type", sort=True)):
        x = left + 10 + unit * (own["umap1"] - low["umap1"])
        y = top + size - 10 - unit * (own["umap2"] - low["umap2"])
        css = f"cells t{number % figures.CELL_COLOURS}"
        shapes.append(figures.dots(css, zip(x, y, strict=True)))
        names.append(figures.words(x.median(), y.median(), kind, "halo strong", "middle"))
        names += [
            figures.dots(f"key {css}", [(left + size + 20, top + 14 + 20 * number)]),
            figures.words(left + size + 32, top + 18 + 20 * number, f"{kind} (n = {len(own):,})"),
        ]
        numbers.append([kind, len(own), own["umap1"].median(), own["umap2"].median()])
    height = top + max(size, 20 * (len(numbers) - 1)) + 20
    note = "One dot a cell; distances between far groups mean nothing. Drawn from the counts."
    title = f"UMAP of {formats.counted(len(cells), 'cell')} by cell type"
    return figures.figure("umap", title, note, (left + size + 260, height), shapes + names, numbers)


def receptor_map(name, title, study, rows):
    """Who expresses the genes of a set: shares of cells, gene by cell type.

    rows: of the set in the receptor_map table, as dicts.
    """
    rows = [row for row in rows if row["cell_type"] != ALL and row["data_id"]]
    seen = {row["symbol"] for row in rows if row["n_cells_detecting"]}
    rows = [row for row in rows if row["symbol"] in seen]
    if not rows:
        return None
    types = {row["cell_type"]: row["n_cells"] for row in rows}
    genes = list(dict.fromkeys(row["symbol"] for row in rows))
    left, top, wide, high = 110, 140, 40, 20
    shapes, places = [], {}
    for number, (kind, n) in enumerate(types.items()):
        x = left + wide * (number + 0.5)
        text = f"{kind} (n = {n:,.0f})"
        shapes.append({**figures.words(x, top - 6, text, "slant"), "turn": -40})
    for number, gene in enumerate(genes):
        shapes.append(figures.words(left - 6, top + high * number + 14, gene, "gene-name"))
    for row in rows:
        step = sum(row["share_cells"] >= edge for edge in SIZES)
        if step:
            x = left + wide * (list(types).index(row["cell_type"]) + 0.5)
            y = top + high * (genes.index(row["symbol"]) + 0.5)
            places.setdefault(f"share {preference(row)} s{step}", []).append((x, y))
    shapes += [figures.dots(css, places[css]) for css in sorted(places)]
    right = left + wide * len(types) + 30
    for number, edge in enumerate(SIZES, start=1):
        y = top + 10 + 20 * number
        shapes.append(figures.dots(f"share still s{number}", [(right, y)]))
        shapes.append(figures.words(right + 14, y + 4, f"{formats.percent(edge)} of cells or more"))
    keys = ("symbol", "cell_type", "n_cells", "n_cells_detecting", "expected_share_cells")
    keys += ("n_donors", "n_donors_detecting")
    numbers = [list(keys), *([row[key] for key in keys] for row in rows)]
    note = (
        "Dots: share of the cells of a type in which the gene is detected. Orange: at least twice, "
        "blue: at most half of what genes of the same abundance show in this type. A rare gene "
        "that is not detected in a cell may still be expressed there."
    )
    height = top + max(high * len(genes), 20 * len(SIZES) + 20) + 10
    full = f"Who expresses the genes of {title} in {study}"
    return figures.figure(name, full, note, (right + 190, height), shapes, numbers)


def preference(row):
    """'up', 'down' or 'still': the share of cells against that of genes of the same abundance."""
    share, expected = row["share_cells"], row["expected_share_cells"]
    if formats.missing(expected) or not expected or not share:
        return "still"
    ratio = math.log2(share / expected)
    limit = math.log2(PREFERRED)
    return "up" if ratio >= limit else "down" if ratio <= -limit else "still"
