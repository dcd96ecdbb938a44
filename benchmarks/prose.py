"""Made-up words, code and tool output that compress about as well as the real thing."""

import base64
import random
from collections.abc import Iterator

SYLLABLES = tuple(
    start + end
    for start in ("", "b", "d", "f", "g", "k", "l", "m", "n", "qu", "r", "s", "sh", "t", "v", "z")
    for end in ("an", "ar", "el", "en", "il", "o", "or", "um")
)
POOL_CHARS = 6_000_000
RANDOM_CHARS = 3_000_000
VOCABULARY = 6_000


class Prose:
    """Slices of one large made-up text; the same seed gives the same text.

    A slice repeats only after megabytes, beyond what a compressor looks back, so that a transcript
    built from slices compresses by its words and its structure, not by their repetition.
    """

    def __init__(self, seed: int) -> None:
        random_numbers = random.Random(f"prose {seed}")
        self._text = make_text(random_numbers)
        self._noise = base64.b64encode(random_numbers.randbytes(RANDOM_CHARS * 3 // 4)).decode()

    def take(self, rng: random.Random, size: int) -> str:
        """About `size` characters of prose and code: cut or repeated, never empty."""
        start = rng.randrange(len(self._text))
        piece = self._text[start : start + max(size, 1)]
        while len(piece) < size:
            piece += self._text[: size - len(piece)]
        return piece

    def noise(self, rng: random.Random, size: int) -> str:
        """Base64 that does not compress: images and signatures."""
        start = rng.randrange(max(len(self._noise) - size, 1))
        return self._noise[start : start + size]


def make_text(rng: random.Random) -> str:
    words = make_vocabulary(rng)
    weights = [1 / (rank + 60) for rank in range(len(words))]
    drawn = iter(rng.choices(words, weights, k=POOL_CHARS // 4))
    pieces: list[str] = []
    size = 0
    while size < POOL_CHARS:
        line = make_line(rng, drawn)
        pieces.append(line)
        size += len(line)
    return "".join(pieces)


def make_vocabulary(rng: random.Random) -> list[str]:
    return [
        "".join(rng.choices(SYLLABLES, k=rng.choice((1, 1, 2, 2, 3)))) for _ in range(VOCABULARY)
    ]


def make_line(rng: random.Random, words: Iterator[str]) -> str:
    """One line of code, of output or of talk."""
    draw = words.__next__
    shape = rng.random()
    if shape < 0.25:
        return f"    {draw()}_{draw()} = self.{draw()}({draw()}, {draw()}={rng.randrange(4096)})\n"
    if shape < 0.4:
        return f"        if {draw()}.{draw()} is None and {draw()}:\n            return {draw()}\n"
    if shape < 0.5:
        return f"def {draw()}_{draw()}({draw()}: {draw()}) -> {draw()}:\n"
    if shape < 0.65:
        return (
            f"src/{draw()}/{draw()}_{draw()}.py:{rng.randrange(900)}: {draw()} {draw()} {draw()}\n"
        )
    if shape < 0.72:
        return f"{rng.getrandbits(40):010x} {draw()} {draw()} [{rng.randrange(100)} %]\n"
    return " ".join(draw() for _ in range(rng.randrange(6, 18))).capitalize() + ".\n"
