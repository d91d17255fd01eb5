from chassis.dead_letter_share import Limit, Share

LIMIT = Limit(share=0.5, least=10, window=100)


def test_a_few_dead_letters_never_stop_a_consumer() -> None:
    assert not Share(LIMIT).exceeded_by(9, 9)


def test_a_batch_of_nothing_but_dead_letters_stops_it() -> None:
    assert Share(LIMIT).exceeded_by(10, 10)


def test_a_trickle_of_nothing_but_dead_letters_stops_it_at_the_least_count() -> None:
    share = Share(LIMIT)
    for _ in range(9):
        assert not share.exceeded_by(1, 1)
        share.add(1, 1)
    assert share.exceeded_by(1, 1)


def test_many_dead_letters_among_more_records_are_fine() -> None:
    share = Share(LIMIT)
    share.add(60, 20)
    assert not share.exceeded_by(20, 20)
    assert share.exceeded_by(40, 40)


def test_a_batch_without_dead_letters_is_always_committed() -> None:
    share = Share(LIMIT)
    share.add(50, 50)
    assert not share.exceeded_by(1, 0)


def test_only_the_latest_records_count() -> None:
    share = Share(LIMIT)
    share.add(60, 60)
    share.add(60, 0)
    assert (share.records, share.dead) == (120, 60)  # without the first batch the window would not be full
    share.add(60, 0)
    assert (share.records, share.dead) == (120, 0)
