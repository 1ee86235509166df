"""`.venv/bin/python -m benchmarks.console`: how soon the back office shows orders, and how fast it answers the user.

Chromium opens the built files by the front door of the local cloud, over an API with fixed responses. So the figures
depend on the files and on this machine's processor alone.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, sync_playwright

from benchmarks import console_api
from benchmarks.tables import as_markdown
from local.console import BUILT, ConsoleFiles
from local.front_door import FrontDoor
from tests.console.browser import launch

# Lighthouse's "slow 4G": bytes per second, and the milliseconds from a request to its response.
SLOW_4G = {"downloadThroughput": 1_600_000 / 8, "uploadThroughput": 750_000 / 8, "latency": 150, "offline": False}
OPEN_SECONDS = 90
SCROLL = """last => {
  const isShown = [...document.querySelectorAll('tbody a')].some(it => it.textContent === last)
  if (isShown) return true
  const next = [...document.querySelectorAll('button')].find(it => it.textContent === 'Next rows')
  if (next) next.click()
  else scrollTo(0, document.body.scrollHeight)
  return false
}"""
DESKTOP = ViewportSize(width=1280, height=860)
OBSERVE = """() => {
  window.paints = []
  window.interactions = []
  window.shown = null
  new PerformanceObserver(list => paints.push(...list.getEntries().map(it => ({
    time: it.startTime, size: it.size, element: it.element?.outerHTML.slice(0, 60) ?? '',
  })))).observe({ type: 'largest-contentful-paint', buffered: true })
  new PerformanceObserver(list => interactions.push(...list.getEntries().map(it => ({
    name: it.name, duration: it.duration,
  })))).observe({ type: 'event', durationThreshold: 16, buffered: true })
  const look = () => {
    if (document.querySelector('tbody a')) shown = performance.now()
    else requestAnimationFrame(look)
  }
  look()
}"""


@contextmanager
def office() -> Iterator[str]:
    """Serves the back office, and yields its address."""
    if not (BUILT / "index.html").exists():
        sys.exit("The back office is not built: run `make console` first.")
    with console_api.served() as api, FrontDoor(0, lambda _: None) as door:
        door.open(api, "", "secret", {}, lambda: None)
        door.serve(ConsoleFiles.read())
        yield door.base_url


def new_context(browser: Browser) -> BrowserContext:
    context = browser.new_context(viewport=DESKTOP, locale="en-GB")
    # As after a sign-in: see console/src/session/session.ts.
    context.add_init_script("localStorage.setItem('oms.session', '1')")
    context.add_init_script(f"({OBSERVE})()")
    return context


def open_slowly(page: Page, url: str) -> dict[str, float]:
    """Opens the orders over slow 4G. Returns the milliseconds of the largest paint and of the first row."""
    network = page.context.new_cdp_session(page)
    network.send("Network.enable")
    network.send("Network.emulateNetworkConditions", SLOW_4G)
    received = {"bytes": 0.0}
    network.on("Network.loadingFinished", lambda it: received.update(bytes=received["bytes"] + it["encodedDataLength"]))
    page.goto(f"{url}/orders")
    page.locator("tbody a").first.wait_for()
    until_shown = received["bytes"]
    page.wait_for_timeout(1500)
    largest = page.evaluate("paints.at(-1)")
    return {
        "largest paint": largest["time"],
        "first row": page.evaluate("shown"),
        "KB until then": until_shown / 1000,
    }


def first_views(browser: Browser, url: str, rounds: int) -> list[list[str]]:
    """Returns rows of a table: the first visit, and the next one with the browser's cache."""
    rows = []
    found: dict[str, list[dict[str, float]]] = {"empty cache": [], "warm cache": []}
    for _ in range(rounds):
        context = new_context(browser)
        for name in found:
            page = context.new_page()
            found[name].append(open_slowly(page, url))
            page.close()
        context.close()
    for name, views in found.items():
        for figure in views[0]:
            values = [it[figure] for it in views]
            rows.append([f"{figure}, {name}", f"{statistics.median(values):.0f}/{min(values):.0f}"])
    return rows


def longest(page: Page, act: str, *, repeat: int = 1, pause: int = 120) -> float:
    """Returns the longest duration of an interaction in milliseconds, of which Chromium counts those from 16."""
    page.evaluate("interactions.length = 0")
    for _ in range(repeat):
        page.keyboard.press(act) if not act.startswith("click ") else page.locator(act[6:]).first.click()
        page.wait_for_timeout(pause)
    page.wait_for_timeout(200)
    return max((it["duration"] for it in page.evaluate("interactions")), default=0.0)


def open_rows(page: Page, url: str, pages: int) -> None:
    """Opens the orders, and scrolls until this number of pages, of 50 each, was read."""
    page.goto(f"{url}/orders")
    last = str(console_api.order(pages * 50 - 1)["number"])
    deadline = time.monotonic() + OPEN_SECONDS
    # Not `wait_for_function`, which the content security policy stops.
    while not page.evaluate(SCROLL, last):
        if time.monotonic() > deadline:
            sys.exit(f"The list did not show {pages * 50} orders in {OPEN_SECONDS} seconds.")
        page.wait_for_timeout(50)


def interactions(browser: Browser, url: str, pages: int) -> list[float]:
    """Returns the figures of ACTIONS, the number of elements and the size of the heap in MB."""
    context = new_context(browser)
    page = context.new_page()
    open_rows(page, url, pages)
    page.evaluate("scrollTo(0, 0)")
    page.wait_for_timeout(500)
    figures = [
        longest(page, "j", repeat=12),
        longest(page, "k", repeat=6),
        longest(page, "x", repeat=3),
        longest(page, "click tbody tr:nth-child(3) input", repeat=2),
        longest(page, "click thead input", repeat=2),
        longest(page, "Control+k"),
    ]
    figures.append(max(longest(page, letter) for letter in "grind"))
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    page.locator("input[type=date]").first.focus()
    figures.append(max(longest(page, digit, pause=200) for digit in "01112026"))
    nodes = page.evaluate("document.getElementsByTagName('*').length")
    context.new_cdp_session(page).send("HeapProfiler.collectGarbage")
    heap = page.evaluate("performance.memory.usedJSHeapSize / 1e6")
    context.close()
    return [*figures, nodes, heap]


ACTIONS = ("j", "k", "x", "select a row", "select all", "open the palette", "type into the palette", "type a date")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="first views")
    parser.add_argument(
        "--pages", type=int, nargs="*", default=[2, 4, 101], help="pages of 50 orders to read before the interactions"
    )
    arguments = parser.parse_args()
    with office() as url, sync_playwright() as playwright:
        browser = launch(playwright)
        if arguments.rounds:
            print(as_markdown([["slow 4G", "median/minimum"], *first_views(browser, url, arguments.rounds)]))
        if arguments.pages:
            columns = [interactions(browser, url, pages) for pages in arguments.pages]
            names = [*ACTIONS, "elements", "heap, MB"]
            rows = [[name, *(f"{it[place]:.0f}" for it in columns)] for place, name in enumerate(names)]
            print(as_markdown([["ms", *(f"{pages * 50} read" for pages in arguments.pages)], *rows]))
        browser.close()


if __name__ == "__main__":
    main()
