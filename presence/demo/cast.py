"""The users of the demonstration, their servers, and the texts that they set."""

from collections.abc import Mapping
from typing import Final

from presence.core.types import ServerId, Text, UserId
from presence.core.value import value

DESIGN: Final = ServerId("design")
ENGINEERING: Final = ServerId("engineering")
SUPPORT: Final = ServerId("support")

SERVERS: Final[Mapping[ServerId, str]] = {
    DESIGN: "Design",
    ENGINEERING: "Engineering",
    SUPPORT: "Support",
}
"""The name of each server."""


@value
class Person:
    """One user of the demonstration; the first of *servers* says what its work is."""

    id: UserId
    name: str
    servers: tuple[ServerId, ...]

    @property
    def custom_statuses(self) -> tuple[Text, ...]:
        """The custom statuses that suit the person."""
        return ANY_STATUSES + STATUSES[self.servers[0]]

    @property
    def activities(self) -> tuple[Text, ...]:
        """The activities that suit the person."""
        return ACTIVITIES[self.servers[0]]


def _person(user_id: str, name: str, *servers: ServerId) -> Person:
    return Person(UserId(user_id), name, servers)


def _texts(*texts: str) -> tuple[Text, ...]:
    return tuple(map(Text, texts))


PEOPLE: Final = (
    _person("zoe", "Zoë Lindqvist 🌻", DESIGN),
    _person("mateo", "Mateo García", DESIGN, ENGINEERING),
    _person("layla", "ليلى حداد", DESIGN, SUPPORT),
    _person("yuki", "田中 由紀", DESIGN),
    _person("elena", "Ελένη Παπαδάκη", DESIGN),
    _person("chloe", "Chloé Dubois", DESIGN, ENGINEERING),
    _person("kofi", "Kofi Mensah", DESIGN),
    _person("zofia", "Zofia Wójcik", DESIGN),
    _person("aroha", "Aroha Ngata", DESIGN, SUPPORT),
    _person("priya", "प्रिया शर्मा", ENGINEERING),
    _person("dmytro", "Дмитро Шевченко", ENGINEERING, SUPPORT),
    _person("noam", "נועם לוי", ENGINEERING),
    _person("minjun", "김민준", ENGINEERING),
    _person("wei", "李伟", ENGINEERING, DESIGN),
    _person("lars", "Lars Østergård", ENGINEERING),
    _person("emre", "Emre Çelik", ENGINEERING),
    _person("amara", "Amara Okafor", ENGINEERING, DESIGN),
    _person("jonas", "Jonas Weber", ENGINEERING),
    _person("anh", "Nguyễn Ánh", ENGINEERING, SUPPORT),
    _person("nino", "ნინო ბერიძე", ENGINEERING),
    _person("sam", "Sam Rivers", ENGINEERING),
    _person("ravi", "Ravi Chandrasekharan-Whitfield", ENGINEERING, SUPPORT),
    _person("saoirse", "Saoirse Byrne", SUPPORT),
    _person("ines", "Inês Carvalho", SUPPORT, DESIGN),
    _person("aram", "Արամ Պետրոսյան", SUPPORT),
    _person("somchai", "สมชาย ใจดี", SUPPORT),
    _person("tariq", "طارق منصور", SUPPORT, ENGINEERING),
    _person("maria", "Maria Santos", SUPPORT),
    _person("thomas", "Thomas O'Neill", SUPPORT),
    _person("olena", "Олена Коваль", SUPPORT),
)

ANY_STATUSES: Final = _texts(
    "Working from home 🏡",
    "In the office until Thursday",
    "On the train, slow to answer",
    "Leaving early today",
    "Ask me anything",
)

STATUSES: Final[Mapping[ServerId, tuple[Text, ...]]] = {
    DESIGN: _texts(
        "Reviewing the icon set 🎨",
        "New colours are up for comments",
        "Sketching the sign-in page",
        "アイコンを確認中",
    ),
    ENGINEERING: _texts(
        "Release day 🚀",
        "On call this week",
        "Chasing a flaky test",
        "Reviews before noon, please",
        "Im Gespräch, bin gleich da",
    ),
    SUPPORT: _texts(
        "First line until 17:00",
        "Answering the weekend's mail 📬",
        "Writing the help pages",
        "متاحة للأسئلة",
    ),
}

ACTIVITIES: Final[Mapping[ServerId, tuple[Text, ...]]] = {
    DESIGN: _texts(
        "Drawing icons",
        "Testing the dark theme",
        "Interviewing a user",
        "Choosing a typeface",
    ),
    ENGINEERING: _texts(
        "Reviewing a pull request",
        "Deploying to staging",
        "Pairing on the gateway",
        "Reading a flame graph",
        "Listening to Nils Frahm 🎧",
    ),
    SUPPORT: _texts(
        "Answering ticket 4812",
        "In the chat queue",
        "Calling a customer back",
        "Editing the FAQ",
    ),
}

MEETINGS: Final = _texts(
    "In a meeting", "Presenting", "Focus time 🎯", "On a call 📞", "In an interview", "会議中"
)
"""Custom statuses of those who do not want to be disturbed."""

BREAKS: Final = _texts("Lunch 🍜", "Back in ten minutes", "Walking the dog 🐕", "Coffee ☕")
"""Custom statuses of those who are away by their own word."""
