"""The script of the demonstration: who does what next, as a pure function of values.

The script knows the state of each person and gets its random numbers from
outside. It lets a person rest between two steps, so that nobody meets the
rate limit of changes, and keeps enough people online for the page to look
alive. Times are Unix times.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TypeVar

import attrs

from presence.core.rule_settings import LONGEST_LEASE
from presence.core.status_union import union
from presence.core.types import Moment, State, Status, Text, UserId
from presence.core.user.patch import UNSET, PresencePatch
from presence.core.user.preferences import Preferences
from presence.core.value import value
from presence.demo.cast import BREAKS, MEETINGS, PEOPLE, Person

T = TypeVar("T")

SHORTEST_PAUSE: Final = 0.4
LONGEST_PAUSE: Final = 1.6
REST: Final = 10.0
"""How long a person does nothing after a step, in seconds."""
LEAST_ONLINE: Final = 12
"""Nobody stops being online while no more than these are."""
SHORTEST_MEETING: Final = 60.0
LONGEST_MEETING: Final = 300.0


class Move(enum.Enum):
    """The kinds of steps."""

    ARRIVE = "arrive"
    LEAVE = "leave"
    HIDE = "hide"
    SHOW = "show"
    IDLE = "idle"
    AWAY = "away"
    DND = "dnd"
    RETURN = "return"
    TEXT = "text"
    ACTIVITY = "activity"


_GONE: Final = {Move.ARRIVE: 1.5}
_HIDDEN: Final = {Move.SHOW: 1.2, Move.LEAVE: 0.3}
_BUSY: Final = {Move.RETURN: 0.8}
_IDLE: Final = {Move.RETURN: 2.0, Move.LEAVE: 0.3}
_ONLINE: Final = {
    Move.TEXT: 1.2,
    Move.ACTIVITY: 1.6,
    Move.IDLE: 0.6,
    Move.AWAY: 0.2,
    Move.DND: 0.4,
    Move.LEAVE: 0.5,
    Move.HIDE: 0.2,
}
"""How likely each move is, for a person in that situation."""
_STAYS_ONLINE: Final = frozenset({Move.TEXT, Move.ACTIVITY})

_OPENING: Final[Sequence[Move | None]] = (
    *[None] * 14,
    *[Move.IDLE] * 4,
    *[Move.AWAY] * 2,
    *[Move.DND] * 4,
    *[Move.HIDE] * 2,
    *[Move.LEAVE] * 4,
)
"""What the thirty do at the start after they arrived."""


@value
class Draw:
    """The random numbers of one step, each from 0 up to but not including 1."""

    pause: float
    move: float
    text: float
    activity: float
    length: float


DRAW_SIZE: Final = len(attrs.fields(Draw))


@value
class Life:
    """The state of one person: *state* is that of the only device, None while it is gone."""

    person: Person
    preferences: Preferences = Preferences()
    state: State | None = None
    moved_at: float = 0.0

    @property
    def status(self) -> Status:
        """The status that others see."""
        states = [] if self.state is None else [self.state]
        return union(states, self.preferences.intent, is_hiding=self.preferences.is_hiding)

    @property
    def moves(self) -> Mapping[Move, float]:
        """What the person may do next, and how likely each of it is."""
        if self.state is None:
            return _GONE
        if self.preferences.is_hiding:
            return _HIDDEN
        if self.preferences.intent is not Status.ONLINE:
            return _BUSY
        return _IDLE if self.state is State.IDLE else _ONLINE

    def after_time(self, now: float) -> "Life":
        """The life once what ended by *now* is over."""
        return attrs.evolve(self, preferences=self.preferences.after_time(now))

    def after(self, step: "Step") -> "Life":
        """The life once *step* was made."""
        change, at = step.change, step.at
        if change is None:
            gone = self.preferences.without_devices()
            return attrs.evolve(self, preferences=gone, state=None, moved_at=at)
        # One clock stands for both: the script knows only Unix times.
        preferences = self.preferences.after(change, Moment(at, at))
        state = self.state if change.state is UNSET else change.state
        return attrs.evolve(self, preferences=preferences, state=state, moved_at=at)


@value
class Step:
    """What a person does at *at*: a *change* of itself, or None to leave."""

    at: float
    user_id: UserId
    move: Move
    change: PresencePatch | None


@value
class Scene:
    """The lives of all people."""

    lives: Mapping[UserId, Life]

    @property
    def online_count(self) -> int:
        return sum(life.status is Status.ONLINE for life in self.lives.values())

    def after_time(self, now: float) -> "Scene":
        """The scene once what ended by *now* is over."""
        return Scene({user_id: life.after_time(now) for user_id, life in self.lives.items()})

    def after(self, step: Step) -> "Scene":
        """The scene once *step* was made."""
        life = self.lives[step.user_id].after_time(step.at)
        return Scene({**self.lives, step.user_id: life.after(step)})


def open_scene(draws: Sequence[Draw], now: float) -> tuple[Scene, list[Step]]:
    """The scene at the start, and the steps that lead there; one draw for each of `PEOPLE`."""
    drawn = sorted(zip(PEOPLE, draws, strict=True), key=lambda pair: pair[1].move)
    scene = Scene({person.id: Life(person) for person in PEOPLE})
    steps: list[Step] = []
    for (person, draw), move in zip(drawn, _OPENING, strict=True):
        for each in [Move.ARRIVE] if move is None else [Move.ARRIVE, move]:
            step = _step(each, scene.lives[person.id], draw, now)
            scene = scene.after(step)
            steps.append(step)
    rested = {key: attrs.evolve(life, moved_at=now - REST) for key, life in scene.lives.items()}
    return Scene(rested), steps


def plan_step(scene: Scene, draw: Draw, now: float) -> Step | None:
    """The step after *now*; None where nobody is rested yet."""
    at = now + SHORTEST_PAUSE + draw.pause * (LONGEST_PAUSE - SHORTEST_PAUSE)
    scene = scene.after_time(at)
    rested = [life for life in scene.lives.values() if life.moved_at + REST <= at]
    may_lose_one = scene.online_count > LEAST_ONLINE
    weights = {
        (life.person.id, move): weight
        for life in rested
        for move, weight in life.moves.items()
        if may_lose_one or life.status is not Status.ONLINE or move in _STAYS_ONLINE
    }
    if not weights:
        return None
    user_id, move = _choose(weights, draw.move)
    return _step(move, scene.lives[user_id], draw, at)


def _step(move: Move, life: Life, draw: Draw, at: float) -> Step:
    change = _change(move, life, draw, at)
    if change is not None:
        change = attrs.evolve(change, lease=LONGEST_LEASE)
    return Step(at, life.person.id, move, change)


def _change(move: Move, life: Life, draw: Draw, at: float) -> PresencePatch | None:
    person, preferences = life.person, life.preferences
    match move:
        case Move.ARRIVE:
            return PresencePatch(
                intent=Status.ONLINE,
                state=State.ONLINE,
                appear_offline=False,
                custom_status=_pick((*person.custom_statuses, None, None), draw.text),
                activity=_pick((*person.activities, None, None), draw.activity),
            )
        case Move.LEAVE:
            return None
        case Move.HIDE | Move.SHOW:
            return PresencePatch(appear_offline=move is Move.HIDE)
        case Move.IDLE:
            return PresencePatch(state=State.IDLE)
        case Move.AWAY:
            return PresencePatch(intent=Status.AWAY, custom_status=_pick(BREAKS, draw.text))
        case Move.DND:
            return _meeting(draw, at)
        case Move.RETURN:
            was_busy = preferences.intent is not Status.ONLINE
            return PresencePatch(
                intent=Status.ONLINE,
                state=State.ONLINE,
                custom_status=None if was_busy else UNSET,  # it said why
            )
        case Move.TEXT:
            other = _pick_other(person.custom_statuses, preferences.texts.custom_status, draw.text)
            return PresencePatch(custom_status=other)
        case Move.ACTIVITY:
            other = _pick_other(person.activities, preferences.texts.activity, draw.activity)
            return PresencePatch(activity=other)


def _meeting(draw: Draw, at: float) -> PresencePatch:
    """Do not disturb, with a reason, both until the same time."""
    until = at + SHORTEST_MEETING + draw.length * (LONGEST_MEETING - SHORTEST_MEETING)
    return PresencePatch(
        intent=Status.DND,
        until=until,
        custom_status=_pick(MEETINGS, draw.text),
        custom_status_until=until,
    )


def _pick_other(texts: Iterable[Text], present: Text | None, number: float) -> Text | None:
    """One of *texts* or none, but not *present*."""
    return _pick([each for each in (*texts, None) if each != present], number)


def _pick(choices: Sequence[T], number: float) -> T:
    """The choice at *number*, from 0 up to 1, of the way through *choices*."""
    return choices[int(number * len(choices))]


def _choose(weights: Mapping[T, float], number: float) -> T:
    """The key at *number* of the way through *weights*, each as wide as its weight."""
    left = number * sum(weights.values())
    for key, weight in weights.items():
        left -= weight
        if left < 0:
            return key
    return key  # what rounding left over
