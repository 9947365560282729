"""Our fakes keep their word: the clock, and the upstream as a program of its own."""

import asyncio
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

from waystation.testing.clock import FakeClock
from waystation.testing.upstream import Reading, readings


def test_the_fake_clock_wakes_sleepers_in_order() -> None:
    async def story() -> None:
        clock = FakeClock(now_s=1000)
        woken: list[tuple[str, float]] = []

        async def sleeper(name: str, seconds: float) -> None:
            await clock.sleep(seconds)
            woken.append((name, seconds))

        tasks = [asyncio.create_task(sleeper(name, seconds)) for name, seconds in (("b", 2), ("a", 1), ("c", 9))]
        await asyncio.sleep(0)
        clock.advance(5)
        await asyncio.sleep(0)
        assert woken == [("a", 1), ("b", 2)]
        assert (clock.now_s(), clock.monotonic_s(), clock.monotonic_ns()) == (1005, 5.0, 5_000_000_000)
        tasks[2].cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        clock.advance(10)

    asyncio.run(story())


def test_the_upstream_runs_as_a_program() -> None:
    program = subprocess.Popen([sys.executable, "-m", "waystation.testing.upstream"], stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        with urllib.request.urlopen(f"{url}/models", timeout=5) as answer:
            assert b'"fake"' in answer.read()
    finally:
        program.terminate()
        program.communicate(timeout=5)


def test_the_upstreams_meter_can_be_read_in_a_file_at_any_time(tmp_path: Path) -> None:
    meter = tmp_path / "meter.jsonl"
    command = [sys.executable, "-m", "waystation.testing.upstream", "--pace-ms", "5", "--meter", str(meter)]
    program = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert program.stdout is not None
        url = program.stdout.readline().strip()
        for user, stream, words in (("whole", False, 3), ("stream", True, 3), ("left", True, 1_000)):
            body = json.dumps({"model": f"words-{words}", "max_tokens": 2_000, "stream": stream, "user": user}).encode()
            with urllib.request.urlopen(f"{url}/chat/completions", body, timeout=5) as answer:
                if user == "left":
                    for _ in range(20):  # ten events
                        answer.readline()
                else:
                    answer.read()
        while (left := readings(meter)[-1]).user != "left" or not left.ended:
            continue
        tokens = {user: (reading.whole, reading.sent_tokens) for user, reading in ended(readings(meter)).items()}
        assert tokens["whole"] == tokens["stream"] == (True, 3)
        whole, sent = tokens["left"]
        assert not whole
        assert 10 <= sent < 1_000
        assert sum(not reading.ended for reading in readings(meter)) == 3
    finally:
        program.terminate()
        program.communicate(timeout=5)


def ended(found: list[Reading]) -> dict[str | None, Reading]:
    return {reading.user: reading for reading in found if reading.ended}
