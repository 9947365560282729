"""Our fakes keep their word: the clock, and the upstream as a program of its own."""

import asyncio
import subprocess
import sys
import urllib.request

from waystation.testing.clock import FakeClock


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
