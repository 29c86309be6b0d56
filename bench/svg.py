"""Line plots as inline SVG, for a report that is one file and needs no network."""

import math
from collections.abc import Callable, Mapping, Sequence
from html import escape

import attrs

Points = Sequence[tuple[float, float]]
WIDTH, HEIGHT = 460, 280
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 28, 40
COLOURS = ("#4269d0", "#e4572e", "#2e8b57", "#9467bd", "#c79100", "#17a2b8", "#8c564b", "#555555")
MOST_POINTS = 400


@attrs.frozen
class Axis:
    """Where a value stands between 0 and 1, and which values get a label."""

    title: str
    place: Callable[[float], float]
    ticks: Sequence[tuple[float, str]]


def log_axis(title: str, values: Sequence[float]) -> Axis:
    """Powers of ten around *values*; what is not above 0 stands at the beginning."""
    positive = [value for value in values if value > 0] or [1.0]
    low = math.floor(math.log10(min(positive)))
    high = max(low + 1, math.ceil(math.log10(max(positive))))

    def place(value: float) -> float:
        return (math.log10(value) - low) / (high - low) if value > 0 else 0.0

    ticks = [(10.0**power, f"{10.0**power:g}") for power in range(low, high + 1)]
    return Axis(title, place, ticks)


def linear_axis(title: str, values: Sequence[float]) -> Axis:
    """From 0 to a round number above *values*."""
    top = _round_up(max([*values, 1e-9]))
    ticks = [(top * part / 4, f"{top * part / 4:g}") for part in range(5)]
    return Axis(title, lambda value: value / top, ticks)


def nines_axis(title: str) -> Axis:
    """Shares of all, each further nine as wide as the one before."""
    most = 4.0

    def place(share: float) -> float:
        return min(most, -math.log10(max(1e-9, 1 - share))) / most

    labels = ("0", "90 %", "99 %", "99.9 %", "99.99 %")
    return Axis(title, place, [(1 - 10.0**-nines, label) for nines, label in enumerate(labels)])


def draw_lines(title: str, x: Axis, y: Axis, lines: Mapping[str, Points]) -> str:
    """Return the plot; lines of a single point are drawn as a dot."""
    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">', _text(LEFT, 16, title, "title")]
    parts += _draw_axes(x, y)
    for number, (name, points) in enumerate(lines.items()):
        colour = COLOURS[number % len(COLOURS)]
        places = [_position(x, y, point) for point in _thinned(points)]
        path = " ".join(f"{across:.1f},{down:.1f}" for across, down in places)
        parts.append(
            f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        )
        if len(places) <= 12:
            parts += [
                f'<circle cx="{a:.1f}" cy="{d:.1f}" r="2.6" fill="{colour}"/>' for a, d in places
            ]
        row = TOP + 12 + 13 * number
        parts.append(f'<text x="{LEFT + 8}" y="{row}" fill="{colour}">{escape(name)}</text>')
    return "".join([*parts, "</svg>"])


def standing_alone(svg: str) -> str:
    """The picture as a file of its own, legible on light and on dark pages."""
    style = (
        "text { font: 10.5px system-ui, sans-serif } .middle { text-anchor: middle }"
        " .end { text-anchor: end } .title { font-weight: bold; font-size: 12px }"
        " .middle, .end, .start, .title { fill: #777 } .rule { stroke: #777; opacity: .25 }"
    )
    head, _, rest = svg.partition(">")
    return f'{head} xmlns="http://www.w3.org/2000/svg"><style>{style}</style>{rest}\n'


def _draw_axes(x: Axis, y: Axis) -> list[str]:
    parts = []
    for value, label in x.ticks:
        across, _ = _position(x, y, (value, 0.0))
        parts.append(_rule(across, TOP, across, HEIGHT - BOTTOM))
        parts.append(_text(across, HEIGHT - BOTTOM + 14, label, "middle"))
    for value, label in y.ticks:
        down = HEIGHT - BOTTOM - y.place(value) * (HEIGHT - TOP - BOTTOM)
        parts.append(_rule(LEFT, down, WIDTH - RIGHT, down))
        parts.append(_text(LEFT - 5, down + 4, label, "end"))
    parts.append(_text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x.title, "middle"))
    parts.append(_text(4, TOP - 12, y.title, "start"))
    return parts


def _position(x: Axis, y: Axis, point: tuple[float, float]) -> tuple[float, float]:
    across = LEFT + min(1.0, max(0.0, x.place(point[0]))) * (WIDTH - LEFT - RIGHT)
    down = HEIGHT - BOTTOM - min(1.0, max(0.0, y.place(point[1]))) * (HEIGHT - TOP - BOTTOM)
    return across, down


def _thinned(points: Points) -> Points:
    every = max(1, len(points) // MOST_POINTS)
    return [*points[::every], points[-1]] if points else []


def _round_up(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 4, 8, 10) if step * power >= value * 0.999)


def _rule(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="rule"/>'


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}">{escape(text)}</text>'
