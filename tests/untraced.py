"""Work that coverage slows down several times: of which it would learn nothing, or whose time is what is tested."""

import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


def untraced(work: Callable[P, T]) -> Callable[P, T]:
    """The same function, while which coverage does not look."""

    @wraps(work)
    def run(*given: P.args, **named: P.kwargs) -> T:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            return work(*given, **named)
        finally:
            sys.settrace(tracer)

    return run
