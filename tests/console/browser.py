"""Chromium of this machine."""

import shutil

from playwright.sync_api import Browser, Playwright, expect

NAMES = ("chromium", "chromium-browser", "google-chrome")
# Pages get this long to show a test's expectation; a busy machine draws late.
EXPECT_MS = 15_000


class MissingBrowserError(Exception):
    """This machine has no Chromium."""


def launch(playwright: Playwright) -> Browser:
    """Starts Chromium. Raises MissingBrowserError."""
    executable = next(filter(None, map(shutil.which, NAMES)), None)
    if executable is None:
        raise MissingBrowserError("Chromium is missing: `apt-get install chromium`, or another of " + ", ".join(NAMES))
    expect.set_options(timeout=EXPECT_MS)
    # Containers run tests as root, for whom Chromium has no sandbox.
    return playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--lang=en-GB"])
