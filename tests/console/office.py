"""The back office in browsers that share nothing."""

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect

from local.demo import PASSWORD

# The browser's messages about answers that a test provokes, about a sign-in without an earlier session, and about
# requests that a test cuts off.
ANSWERS = "Failed to load resource:"

type SignedIn = Callable[[str], httpx.Client]


@dataclass
class Office:
    """Opens the back office in browsers that share nothing, and collects what these complain about."""

    browser: Browser
    base_url: str
    complaints: list[str] = field(default_factory=list)
    _contexts: list[BrowserContext] = field(default_factory=list)

    def context(self, **options: object) -> BrowserContext:
        context = self.browser.new_context(
            base_url=self.base_url,
            **{"viewport": {"width": 1280, "height": 860}, "locale": "en-GB", **options},  # type: ignore[arg-type]
        )
        context.on("console", self._note)
        context.on("weberror", lambda it: self.complaints.append(str(it.error)))
        self._contexts.append(context)
        return context

    def open(self, name: str, path: str = "/", **options: object) -> Page:
        """Returns a page on which this demo account has signed in."""
        page = self.context(**options).new_page()
        page.goto(path)
        sign_in(page, name)
        return page

    def close(self) -> None:
        for context in self._contexts:
            context.close()

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(ANSWERS):
            self.complaints.append(message.text)


def sign_in(page: Page, name: str) -> None:
    page.get_by_label("E-mail address").fill(f"{name}@demo.example")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    # The heading of the sign-in would pass for that of a page.
    expect(page.get_by_label("Password")).to_have_count(0)


def settle(page: Page, path: str) -> None:
    """Opens a page and waits until its data are shown."""
    page.goto(path)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.locator(".skeleton")).to_have_count(0)


def too_wide(page: Page, width: int) -> list[str]:
    """Sets the width of the page; returns the elements beyond its edge, if it then scrolls to the side."""
    page.set_viewport_size({"width": width, "height": 800})
    # Plots are drawn again in the next frame.
    found: list[str] = page.evaluate(
        """async width => {
             for (const _ of 'ab') await new Promise(requestAnimationFrame)
             if (document.documentElement.scrollWidth <= width) return []
             return [...document.body.querySelectorAll('*')]
               .filter(it => it.getBoundingClientRect().right > width)
               .map(it => it.outerHTML.slice(0, 120))
           }""",
        width,
    )
    return found
