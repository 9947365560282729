from waystation.routing.retries import MOST_MILLI, START_MILLI, RetryTokens


def test_a_fresh_server_can_repeat_ten_times() -> None:
    tokens = RetryTokens()
    repeats = 0
    while tokens.allow:
        tokens.spend()
        repeats += 1
    assert repeats == START_MILLI // 1000 == 10


def test_five_successes_pay_three_repeats() -> None:
    tokens = RetryTokens(0)
    for _ in range(5):
        tokens.earn()
    for _ in range(3):
        assert tokens.allow
        tokens.spend()
    assert tokens.milli == 0


def test_the_bucket_has_a_brim_and_a_bottom() -> None:
    tokens = RetryTokens()
    for _ in range(1000):
        tokens.earn()
    assert tokens.milli == MOST_MILLI
    for _ in range(1000):
        tokens.spend()
    assert tokens.milli == 0
