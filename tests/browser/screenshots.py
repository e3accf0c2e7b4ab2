"""Pictures of the page for docs/: 5, 50, 500 and 50,000 simulated patients.

Run as ``python -m tests.browser.screenshots``; ``--patients 5 50`` draws these alone.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image
from playwright.sync_api import Page

from bpstream.simulator import Simulator
from tests.browser.chromium import chromium
from tests.browser.ward import Ward, ward

# With it one of the first five ends critical, by day.
SEED = 249
# A reading every five minutes; in between the patients live 25.
EVERY = timedelta(minutes=5)
SPEED = 5.0
ROUNDS = 16
OF_A_CROWD = 6

# Patients, the theme, and the height of the picture.
PICTURES = [(5, "dark", 760), (50, "light", 1000), (500, "dark", 1380), (50_000, "light", 1420)]
WIDTH = 1600


def rounds(patients: int) -> Iterator[list[tuple[str, bytes]]]:
    """What is measured, one list a round; the last round is now.

    Some were not measured in the last rounds: one in seventeen is stale.
    """
    many = ROUNDS if patients <= 1000 else OF_A_CROWD
    simulator = Simulator(patients=patients, seed=SEED, profile="patients", speed=SPEED)
    start = datetime.now(UTC) - EVERY * (many - 1)
    found = simulator.rounds(start=start, interval=EVERY.total_seconds())
    for left, each in zip(range(many - 1, -1, -1), found, strict=False):
        yield [
            (message.key, message.value)
            for message in each.messages
            if left >= _missed(int(message.key.partition("-")[2]))
        ]


def _missed(number: int) -> int:
    return 4 if number % 17 == 12 else number % 3 // 2


def fill(the_ward: Ward, patients: int) -> None:
    """Let `patients` be measured, and somebody acknowledge an alarm and set a limit."""
    for messages in rounds(patients):
        the_ward.send_messages(messages)
    alerts = the_ward.worker.get("/alerts/")["alerts"]
    firing = [each for each in alerts if each["state"] == "firing"]
    for alert in firing[1:2]:
        said = {"by": "Dr Ada", "comment": "seen, repeats in 5 min"}
        the_ward.tell(f"/alerts/{alert['alert_id']}/acknowledge", said)
    limits = {"by": "Dr Ada", "reason": "long-standing", "bounds": {"systolic_high": 155}}
    the_ward.tell("/patients/PAT-003/limits", limits)


def draw(page: Page, the_ward: Ward, path: Path, *, height: int) -> None:
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.goto(the_ward.url)
    page.locator(".tile").first.wait_for()
    page.wait_for_timeout(2500)
    few_colors(Image.open(BytesIO(page.screenshot())).convert("RGB")).save(path, optimize=True)


def few_colors(drawn: Image.Image) -> Image.Image:
    """The picture in 256 colours: a third of the size.

    Those of its surfaces stay as they are, for they are the most frequent; the rest stand for
    what is rare, so that a small mark keeps its hue.
    """
    pixels = np.asarray(drawn).astype(np.int32)
    packed = pixels @ [1 << 16, 1 << 8, 1]
    found, where, times = np.unique(packed, return_inverse=True, return_counts=True)
    colors = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1)
    rare = drawn.quantize(64, method=Image.Quantize.MAXCOVERAGE).getpalette() or []
    frequent = colors[np.argsort(-times, kind="stable")[:192]]
    palette = np.concatenate([frequent, np.array(rare[: 3 * 64]).reshape(-1, 3)])
    nearest = ((colors[:, None, :] - palette) ** 2).sum(axis=2).argmin(axis=1)
    few = Image.fromarray(nearest[where].reshape(packed.shape).astype(np.uint8), "P")
    few.putpalette(palette.astype(np.uint8).tobytes())
    return few


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("docs"))
    parser.add_argument("--patients", type=int, nargs="*")
    asked = parser.parse_args()
    with chromium() as browser:
        for patients, theme, height in PICTURES:
            if asked.patients and patients not in asked.patients:
                continue
            with (
                tempfile.TemporaryDirectory() as folder,
                ward(Path(folder)) as the_ward,
                browser.new_context(color_scheme=theme, reduced_motion="reduce") as context,
            ):
                fill(the_ward, patients)
                path = asked.out / f"page-{patients}.png"
                draw(context.new_page(), the_ward, path, height=height)
                print(f"{path}: {path.stat().st_size // 1000} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
