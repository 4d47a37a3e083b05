"""Build the report: result tables in, linked pages that need no other file out."""

from functools import cache
from urllib.parse import quote

from ..files import write_text
from . import formats
from .columns import columns_of
from .methods import TEMPLATES, methods_view, text_view
from .overview import index_view
from .power import power_view
from .sets import axis_view
from .study import study_view
from .tables import read_shared, read_study, rows_by_set

FILTERS = (
    *("anchor", "count", "counted", "fold", "interval", "interval_plot", "level", "missing"),
    *(
        "name",
        "number",
        "packed",
        "percent",
        "probability",
        "question",
        "shown",
        "signed",
        "size",
        "tsv",
    ),
    *("verdict_words", "words"),
)


def write_report(inputs, studies, axes, outputs):
    """Write the pages of the report, each one HTML file that needs no other file.

    inputs: has verdicts, run_config, sets, members (paths), tables and manifests (lists of
    paths, as in rules/report.smk); studies: dict of study name -> its record; axes: names of the
    axes of the panel; outputs: has index, power and methods (paths), and studies and axes (paths,
    in the order of `studies` and `axes`).
    """
    shared = read_shared(inputs)
    tables = {name: read_study(inputs.tables, name, record) for name, record in studies.items()}
    columns = {
        name: columns_of(name, record, tables[name], shared) for name, record in studies.items()
    }
    every = [column for own in columns.values() for column in own]
    frame = frame_of(studies)

    def write(path, page, template, view, root=""):
        write_text(path, render(template, {**frame, "page": page, "root": root, **view}))

    view = index_view(studies, tables, shared, every)
    write(outputs.index, "overview", "index.html", view)
    write(outputs.power, "power", "power.html", power_view(shared, every))
    text = render("methods.txt", text_view(studies, shared, every))
    view = methods_view(text, studies, shared, every)
    write(outputs.methods, "methods", "methods.html", view)
    for name, path in zip(studies, outputs.studies, strict=True):
        view = study_view(name, studies[name], tables[name], shared, columns[name])
        write(path, name, "study.html", view)
    maps = {
        name: rows_by_set(table["cells"]["map"]) for name, table in tables.items() if table["cells"]
    }
    for axis, path in zip(axes, outputs.axes, strict=True):
        view = axis_view(axis, shared, every, maps)
        write(path, None, "axis.html", view, root="../")


def frame_of(studies):
    """What every page needs: the addresses of the studies' pages, and which are simulated."""
    return {
        "pages": [{"name": name, "href": f"{quote(name)}.html"} for name in studies],
        "simulated": [name for name, record in studies.items() if record.get("simulated")],
    }


def render(template, view):
    return _environment().get_template(template).render(view)


@cache
def _environment():
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES, encoding="utf-8"),
        autoescape=lambda name: not name.endswith(".txt"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    for name in FILTERS:
        environment.filters[name] = getattr(formats, name)
    environment.globals["MARKS"] = formats.MARKS
    return environment
