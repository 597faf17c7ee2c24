"""Units as UCUM writes them (ucum.org, case sensitive codes): as many of them as observations that models read come in.

An annotation, such as the one of ``{drinks}/wk``, has no meaning in UCUM; here it is a dimension of its own, so that drinks never become
the units of another country.
"""

from __future__ import annotations

import re
from collections import Counter

COMPONENT = re.compile(r"([./]?)(?:(10[*^]|\[[a-z_]+\]|[A-Za-z%]+|\d+)([+-]?\d+)?)?(\{[^{}]*\})?")
YEAR_S = 365.25 * 86400  # UCUM table 33: a_j, of which a month is a twelfth
ATOMS: dict[str, tuple[float, str]] = {  # unit -> how many of a base unit
    "m": (1.0, "m"), "g": (1.0, "g"), "s": (1.0, "s"), "min": (60.0, "s"), "h": (3600.0, "s"), "d": (86400.0, "s"),
    "wk": (604800.0, "s"), "mo": (YEAR_S / 12, "s"), "a": (YEAR_S, "s"), "L": (1e-3, "m3"), "l": (1e-3, "m3"),
    "[in_i]": (0.0254, "m"), "[ft_i]": (0.3048, "m"), "[lb_av]": (453.59237, "g"), "[oz_av]": (28.349523125, "g"),
    "[stone_av]": (6350.29318, "g"), "%": (0.01, ""),
}  # fmt: skip
METRIC = ("m", "g", "s", "L", "l")
PREFIXES = {"k": 1e3, "h": 1e2, "da": 1e1, "d": 1e-1, "c": 1e-2, "m": 1e-3, "u": 1e-6, "n": 1e-9}


class UnitError(ValueError):
    """A unit that is not known here, or not of the same kind."""


def convert(value: float, unit: str, to: str) -> float:
    """A number in another unit. Raises UnitError where a unit is unknown, or the two are of different kinds."""
    factor, kind = _parsed(unit)
    wanted, wanted_kind = _parsed(to)
    if kind != wanted_kind:
        raise UnitError("the units are of different kinds")
    return value if unit == to else float(f"{value * factor / wanted:.12g}")  # 1.62 m is 162 cm, not 162.00000000000003


def _parsed(unit: str) -> tuple[float, dict[str, int]]:
    """How many of the base units it is, and which, with their exponents."""
    factor, kind, position = 1.0, Counter[str](), 0
    while position < len(unit):
        match = COMPONENT.match(unit, position)
        operator, name, exponent, annotation = match.groups() if match else ("", None, None, None)
        misplaced = operator != "/" and bool(operator) == (position == 0)  # a unit may begin with a slash, and with no dot
        if match is None or misplaced or not (name or annotation):
            raise UnitError("the unit is not known")
        power = int(exponent or 1) * (-1 if operator == "/" else 1)
        one, base = _atom(name)
        factor *= one**power
        kind.update({base: power} if base != "m3" else {"m": 3 * power})
        kind.update({annotation: power} if annotation else {})
        position = match.end()
    return factor, {base: power for base, power in kind.items() if power and base}


def _atom(name: str | None) -> tuple[float, str]:
    if name is None:  # an annotation alone
        return 1.0, ""
    if name.isdigit():
        return float(name), ""
    if name in {"10*", "10^"}:
        return 10.0, ""
    if name in ATOMS:
        return ATOMS[name]
    for prefix, factor in PREFIXES.items():
        if name.startswith(prefix) and name[len(prefix) :] in METRIC:
            one, base = ATOMS[name[len(prefix) :]]
            return factor * one, base
    raise UnitError("the unit is not known")
