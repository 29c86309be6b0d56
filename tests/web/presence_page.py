"""The page `/` of a server as one user has it open."""

import json
import re

from playwright.sync_api import expect

LIVE = re.compile("change status")
LOST = re.compile("ERR_CONNECTION_REFUSED|WebSocket connection to|net::ERR|Failed to load resource")
"""What a browser itself says of a server that is down."""


class PresencePage:
    """`page` is Playwright's; `sent` are the changes of presence that it sent by WebSocket."""

    def __init__(self, page, server, user):
        self.page = page
        self.user = user
        self.complaints = []
        self.sent = []
        self.sockets = []
        self._url = f"http://127.0.0.1:{server.port}/?user={user}"
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("websocket", self._note_socket)

    def _note_console(self, message):
        if message.type in ("error", "warning") and not LOST.search(message.text):
            self.complaints.append(message.text)

    def _note_socket(self, socket):
        self.sockets.append(socket)
        socket.on("framesent", self._note_sent)

    def _note_sent(self, payload):
        frame = json.loads(payload)
        if frame["op"] == "PRESENCE_UPDATE":
            self.sent.append(frame["d"])

    def open(self):
        self.page.goto(self._url)
        expect(self.own_button).to_have_accessible_name(LIVE)
        expect(self.row(self.user)).to_be_visible()

    # -- members ---------------------------------------------------------------------------

    def row(self, user):
        return self.page.locator(f'.row[data-user="{user}"]')

    def expect_status(self, user, status):
        expect(self.row(user).locator(f".mark-{status}")).to_be_visible()

    def expect_line(self, user, text):
        expect(self.row(user).locator(".line")).to_have_text(text)

    # -- one's own status ------------------------------------------------------------------

    @property
    def own_button(self):
        return self.page.locator(".own-button")

    @property
    def menu(self):
        return self.page.get_by_role("dialog", name="Your status")

    def open_menu(self):
        self.own_button.click()
        expect(self.menu).to_be_visible()
        return self.menu

    def radio(self, label):
        return self.menu.get_by_role("radio", name=label)

    def choose(self, label):
        self.menu.locator("label.choice", has_text=label).click()

    def expect_set(self, label):
        """The check mark stands at this choice alone."""
        checked = self.menu.locator(".choice.is-set .choice-label")
        expect(checked).to_have_text([label])
        expect(self.menu.locator(".choice.is-set .check")).to_be_visible()

    @property
    def custom(self):
        return self.menu.get_by_label("Custom status")

    def expect_own(self, words):
        """The button's name says the status in these words."""
        expect(self.own_button).to_have_accessible_name(f"{self.user}, {words}, change status")

    @property
    def announcement(self):
        return self.page.get_by_role("status")

    # -- the tab ---------------------------------------------------------------------------

    def set_visibility(self, state):
        """Hide or show the tab, as far as the page can know."""
        self.page.evaluate(
            """(state) => {
                const property = {value: state, configurable: true};
                Object.defineProperty(document, "visibilityState", property);
                document.dispatchEvent(new Event("visibilitychange"));
            }""",
            state,
        )
