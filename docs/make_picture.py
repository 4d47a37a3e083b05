"""Take the picture of README.md from the report of the demo (simulated data).

make demo
python docs/make_picture.py [demo/run/results/report/index.html]

Needs Chromium, of the system or of `playwright install chromium`.
"""

import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "report-simulated.png"
SIZE = {"width": 1280, "height": 1100}


def main(page="demo/run/results/report/index.html"):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"))
        tab = browser.new_page(viewport=SIZE)
        tab.goto(Path(page).resolve().as_uri())
        if "SIMULATED" not in tab.inner_text("body").upper():
            sys.exit(f"{page} does not say that its data are simulated; take the demo's report")
        tab.screenshot(path=PICTURE)
        browser.close()
    print(f"{PICTURE}: {PICTURE.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(*sys.argv[1:])
