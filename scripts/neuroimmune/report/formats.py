"""Numbers and names as the report shows them; what is missing is a dash, never 'nan'."""

import base64
import gzip
import re

MISSING = "–"
MINUS = "\N{MINUS SIGN}"
MARKS = {
    "higher": "▲",
    "lower": "▼",
    "explained by treatment": "Rx",
    "explained by composition": "◐",
    "no difference": "=",
    "inconclusive": "?",
    "not measurable": "–",
}
QUESTIONS = {
    "aiha_vs_healthy": "AIHA against healthy",
    "diagnosis_vs_remission": "AIHA at diagnosis against remission",
    "relapse_vs_remission": "AIHA in relapse against remission",
    "relapse_vs_diagnosis": "AIHA in relapse against diagnosis",
    "model_vs_wildtype": "AIHA model against wild type",
    "glucocorticoid_vs_vehicle": "glucocorticoid against vehicle (control)",
    "erythropoiesis_vs_baseline": "stimulated erythropoiesis against baseline (control)",
    "stress_vs_calm": "stress against calm (control)",
    "other": "other",
}
# Fold changes, up or down, from which a cell of the matrix takes the next deeper colour.
LEVELS = (1.1, 1.25, 1.5, 2.0)
NAMES = {"hpa": "HPA axis", "gabaergic": "GABAergic"}


def missing(value):
    return value is None or value == "" or value != value


def shown(value):
    """Text as it is, a dash where there is none."""
    return MISSING if missing(value) else value


def number(value, digits=2):
    """A plain number with `digits` decimals, for example 0.87."""
    if missing(value):
        return MISSING
    return _minus(_unsigned_zero(f"{value:.{digits}f}"))


def signed(value, digits=2):
    """A number with its sign, for example +0.87; zero has none."""
    if missing(value):
        return MISSING
    return _minus(_unsigned_zero(f"{value:+.{digits}f}"))


def interval(low, high):
    """The two ends of an interval on the log2 scale, for example '+0.20 to +1.00'."""
    return MISSING if missing(low) or missing(high) else f"{signed(low)} to {signed(high)}"


def probability(value, digits=2):
    """A p- or q-value with `digits` significant digits: 0.024, and 2.4e-05 below 0.001."""
    if missing(value):
        return MISSING
    return f"{value:.{digits}g}" if value >= 0.001 else f"{value:.{digits - 1}e}"


def percent(share):
    """A share of 1 in per cent, for example 50 %."""
    return f"{100 * share:g} %"


def fold(log2):
    """The fold change of a log2 value: 1.52 is up, 0.66 is down."""
    if missing(log2):
        return MISSING
    ratio = 2.0**log2
    return f"{ratio:.2g}" if ratio < 0.1 else f"{ratio:.2f}" if ratio < 100 else f"{ratio:,.0f}"


def count(value):
    """A whole number with thousands separated."""
    return MISSING if missing(value) else f"{value:,.0f}"


def size(value):
    """Bytes in words: 423 kB, 2.4 MB."""
    if missing(value):
        return MISSING
    for unit, divisor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value >= divisor:
            scaled = value / divisor
            return f"{scaled:.1f} {unit}" if scaled < 10 else f"{scaled:.0f} {unit}"
    return f"{value:.0f} bytes"


def name(text):
    """A key of the config or the panels in words: 'immune_effector' -> 'Immune effector'."""
    words = NAMES.get(text, text.replace("_", " "))
    return words[:1].upper() + words[1:]


def words(text):
    return text.replace("_", " ")


def question(key):
    """A contrast's question in words."""
    return QUESTIONS.get(key, words(key))


def counted(number, noun):
    """'1 set', '3 sets'; nouns in -y become -ies."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,.0f} {plural}"


def tsv(rows):
    """Rows of cells as tab-separated text: numbers with 6 digits, blank where missing."""
    return "\n".join("\t".join(_cell(value) for value in row) for row in rows)


def packed(markup):
    """Markup as gzip in base64, which takes a seventh of the room; report.js unpacks it."""
    raw = gzip.compress(str(markup).encode(), 9, mtime=0)
    return base64.b64encode(raw).decode()


def verdict_words(row):
    """The verdict, with the kind of 'not measurable': 'Not measurable (confounded by sex)'."""
    kind = f" ({row['detail']})" if row["verdict"] == "not measurable" and row["detail"] else ""
    return f"{row['verdict'].capitalize()}{kind}"


def level(log2):
    """Colour class of an effect: 'u1'..'u4' up, 'd1'..'d4' down, '' below the first step."""
    if missing(log2):
        return ""
    step = sum(2.0 ** abs(log2) >= edge for edge in LEVELS)
    return f"{'u' if log2 > 0 else 'd'}{step}" if step else ""


def anchor(*parts):
    """An id for a page's element that no other parts give, whatever characters they hold."""
    coded = (re.sub(r"[^A-Za-z0-9_]", lambda hit: f"-{ord(hit[0]):x}-", part) for part in parts)
    return ".".join(coded)


def interval_plot(effect, low, high, margin, limit, width=150):
    """Where a point, its interval and the equivalence margin lie on a line `width` units wide.

    effect, low, high, margin, limit: log2; the line runs from -limit to +limit, and what lies
    beyond is cut there. None where there is no effect. Returns a dict of positions, with 'cut'
    telling at which ends the interval goes on ('', 'left', 'right', 'both').
    """
    if missing(effect) or missing(low) or missing(high):
        return None

    def at(value):
        inside = min(max(value, -limit), limit)
        return round(width * (inside + limit) / (2 * limit), 1)

    cuts = {(False, False): "", (True, False): "left", (False, True): "right"}
    return {
        "width": width,
        "zero": at(0),
        "point": at(effect),
        "low": at(low),
        "high": at(high),
        "band": at(-margin),
        "band_width": round(at(margin) - at(-margin), 1),
        "cut": cuts.get((low < -limit, high > limit), "both"),
    }


def _cell(value):
    if missing(value):
        return ""
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return " ".join(text.split())


def _unsigned_zero(text):
    return text.lstrip("+-") if float(text) == 0 else text


def _minus(text):
    return text.replace("-", MINUS)
