"""The report in a real browser: keyboard, filters, downloads, print, and what axe-core finds.

Needs Debian's chromium (apt-get install chromium); skipped where there is none.
"""

import shutil
import xml.etree.ElementTree as ElementTree

import pytest

from report_tables import HOSTILE, write_pages

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")

NAMES = ("index", "power", "methods", "GSE1", "GSE2", "sets/adrenergic")
WIDE, NARROW = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
CELL = "m.GSE1.dex_vs_vehicle.all.adr_beta"


@pytest.fixture(scope="module")
def urls(tmp_path_factory):
    pages = write_pages(tmp_path_factory.mktemp("report"))
    return {name: path.as_uri() for name, path in pages.items()}


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as driver:
        # No sandbox: containers run as root, and the pages are our own.
        arguments = ["--no-sandbox", "--disable-gpu"]
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser):
    """Function that opens an address in a new tab; the tab must stay free of errors."""
    contexts, faults = [], []

    def open_one(url, viewport=WIDE, **options):
        context = browser.new_context(viewport=viewport, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("dialog", lambda dialog: faults.append(f"dialog: {dialog.message}"))
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda line: faults.append(line.text) if line.type == "error" else None)
        page.on(
            "request",
            lambda request: (
                faults.append(request.url)
                if not request.url.startswith(("file:", "data:", "blob:"))
                else None
            ),
        )
        page.goto(url)
        if options.get("java_script_enabled", True):
            page.wait_for_selector("body[data-ready]")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert faults == []


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", NAMES)
def test_axe_finds_no_serious_issue(open_page, urls, name, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    page = open_page(urls[name], color_scheme=theme)
    page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true)")
    found = axe.Axe().run(page).response["violations"]
    serious = [
        f"{item['id']}: {item['help']}; {[node['html'][:200] for node in item['nodes'][:3]]}"
        for item in found
        if item["impact"] in ("serious", "critical")
    ]
    assert serious == []


@pytest.mark.parametrize("viewport", [WIDE, NARROW], ids=["1280", "390"])
@pytest.mark.parametrize("name", NAMES)
def test_nothing_sticks_out_of_the_window(open_page, urls, name, viewport):
    page = open_page(urls[name], viewport)
    page.evaluate("document.querySelectorAll('details').forEach(item => item.open = true)")
    assert page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
    assert page.locator("h1").is_visible()


def test_the_first_screen_reaches_the_matrix(open_page, urls):
    page = open_page(urls["index"])
    assert page.locator(".state").bounding_box()["y"] < 400
    assert page.locator(".matrix thead").first.bounding_box()["y"] < WIDE["height"]


def focused(page):
    return page.evaluate("document.activeElement.closest('td')?.id ?? document.activeElement.id")


def test_the_matrix_by_keyboard(open_page, urls):
    page = open_page(urls["index"])
    page.locator("#order").focus()
    for _ in range(30):
        page.keyboard.press("Tab")
        if focused(page).startswith("m."):
            break
    assert focused(page) == "m.GSE1.dex_vs_vehicle.all.gr_response_up"
    tip = page.locator("#tip")
    assert "log2 fold change +0.60 (95 % CI +0.20 to +1.00)" in tip.inner_text()
    assert "smallest possible 0.125" in tip.inner_text()
    assert page.locator(":focus").get_attribute("aria-describedby") == "tip"
    page.keyboard.press("ArrowRight")
    assert focused(page) == "m.GSE2.aiha_vs_healthy.all.gr_response_up"
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowLeft")
    assert focused(page) == CELL
    page.keyboard.press("Escape")
    assert not tip.is_visible()
    page.keyboard.press("Enter")
    page.wait_for_url("**/sets/adrenergic.html#*")
    part = page.locator("details.part").first
    assert part.get_attribute("id") == "adr_beta.GSE1.dex_vs_vehicle.all"
    page.wait_for_selector("details.part[open]")
    assert part.locator("text=ADRB2").first.is_visible()


def test_a_pointer_shows_the_numbers_and_hostile_text_stays_text(open_page, urls):
    page = open_page(urls["index"])
    page.locator(f"[id='{CELL}'] a").hover()
    tip = page.locator("#tip").inner_text()
    assert HOSTILE in tip and "2 of 3 genes detected" in tip


def test_a_deep_link_leads_to_its_cell(open_page, urls):
    page = open_page(f"{urls['index']}#m.GSE1.dex_vs_vehicle.all.neg_testis")
    page.wait_for_function("document.activeElement !== document.body")
    assert focused(page) == "m.GSE1.dex_vs_vehicle.all.neg_testis"
    cell = page.locator(":focus")
    assert cell.is_visible()  # its family was folded
    assert 0 < cell.bounding_box()["y"] < WIDE["height"]


def test_a_deep_link_into_a_folded_table(open_page, urls):
    page = open_page(f"{urls['GSE2']}#aiha_vs_healthy.all.neg_testis")
    row = page.locator("[id='aiha_vs_healthy.all.neg_testis']")
    row.wait_for()
    assert "no difference" in row.inner_text()
    page.wait_for_function("document.querySelectorAll('details.family[open]').length == 2")


def rows(page):
    names = page.locator(".matrix tr[data-find] th").all()
    return [name.inner_text() for name in names if name.is_visible()]


def test_filters_and_order(open_page, urls):
    page = open_page(urls["index"])
    assert rows(page) == ["Induced by steroids", HOSTILE]
    page.locator("#find").fill("adrb2")
    assert rows(page) == [HOSTILE]
    assert page.locator("output").inner_text() == "1 set"
    page.locator("#find").fill("zpbp")
    assert rows(page) == ["Testis genes"]  # of a family that was folded, and is open now
    page.locator("#find").fill("")
    page.locator("#axis").select_option("hpa")
    assert rows(page)[0] == "Induced by steroids" and HOSTILE not in rows(page)
    page.locator("#axis").select_option("")
    page.locator("#study").select_option("GSE2")
    heads = page.locator(".matrix").first.locator("thead th").all()
    assert [head.is_visible() for head in heads] == [True, False, True]
    page.locator("#only").select_option("higher")
    assert rows(page) == []  # both are higher in GSE1, which is hidden
    page.locator("#only").select_option("inconclusive")
    assert rows(page) == ["Induced by steroids"]
    page.locator("#only").select_option("")
    page.locator("#study").select_option("")
    page.locator("#order").select_option("name")
    assert rows(page) == [HOSTILE, "Induced by steroids", "Testis genes"]
    page.locator("#order").select_option("2")  # the effect in GSE2: -0.7, and none
    assert rows(page) == ["Induced by steroids", HOSTILE, "Testis genes"]
    page.locator("#order").select_option("")
    assert rows(page)[0] == "Induced by steroids"


def saved(page, button, folder):
    with page.expect_download() as waiting:
        button.click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_downloads_as_svg(open_page, urls, tmp_path, theme):
    page = open_page(urls["sets/adrenergic"], color_scheme=theme)
    button = page.locator("[id='adr_beta.forest'] button", has_text="SVG")
    path = saved(page, button, tmp_path)
    assert path.name == "adr_beta.forest.svg"
    root = ElementTree.parse(path).getroot()
    name = "{http://www.w3.org/2000/svg}"
    assert root.tag == f"{name}svg"
    assert "SIMULATED DATA" in root.find(f"{name}desc").text
    dot = root.find(f"{name}circle")
    assert dot.get("class") is None and dot.get("fill") == "rgb(229, 129, 31)"  # as in the light
    texts = [node.text for node in root.iter(f"{name}text")]
    assert "GSE2 (simulated): aiha vs healthy, n 4 v 4" in texts


def test_numbers_are_shown_and_download_as_tsv(open_page, urls, tmp_path):
    page = open_page(urls["sets/adrenergic"])
    figure = page.locator("[id='adr_beta.subjects']")
    text = saved(page, figure.locator("button", has_text="TSV"), tmp_path).read_text()
    lines = text.splitlines()
    assert lines[0] == "comparison\tsubject\tgroup\tscore" and len(lines) == 17
    toggle = figure.locator("button", has_text="Numbers")
    toggle.press("Enter")
    assert toggle.get_attribute("aria-expanded") == "true"
    assert figure.locator("tbody tr").count() == 16
    toggle.press("Enter")
    assert figure.locator("tbody tr").count() == 0


def test_a_table_downloads_as_tsv_and_sorts(open_page, urls, tmp_path):
    page = open_page(urls["GSE1"])
    table = page.locator("table.sortable").first
    head = table.locator("thead button", has_text="Verdict")
    head.click()
    head.click()
    assert table.locator("thead th[aria-sort=descending]").count() == 1
    button = page.locator(".table-tools button").first
    lines = saved(page, button, tmp_path).read_text().splitlines()
    assert lines[0].startswith("Gene set\tVerdict\tGenes detected")
    assert len(lines) == 3 and "\t+0.60\t" in lines[1]


@pytest.mark.parametrize("name", NAMES)
def test_pages_print(open_page, urls, tmp_path, name):
    page = open_page(urls[name])
    page.emulate_media(media="print")
    assert not page.locator("header").is_visible()
    # Nothing is cut off: what scrolls on the screen lies open on paper.
    clipped = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(box => box.offsetParent"
        " && getComputedStyle(box).overflow !== 'visible').length"
    )
    assert clipped == 0
    path = tmp_path / "page.pdf"
    page.pdf(path=path)
    assert path.read_bytes().startswith(b"%PDF") and path.stat().st_size > 10_000


def test_without_scripts_the_numbers_stand(open_page, urls):
    page = open_page(urls["index"], java_script_enabled=False)
    cell = page.locator(f"[id='{CELL}'] a")
    assert "95 % CI" in cell.get_attribute("title")
    assert not page.locator(".filter").is_visible()
