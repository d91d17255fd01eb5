import json
import unicodedata

import pytest
from rich.cells import cell_len

from cli.output import say, show_fields, show_json, show_table

HOSTILE = "a\x1b]0;title\x07b\rc\x9b2Jd\u202ee\u2066f\x08\x7f\u2028g"


def _acts(text: str) -> set[str]:
    """The characters of a text that a terminal would act upon, but line breaks and tabs."""
    controls = {"Cc", "Zl", "Zp"}
    turning = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return {
        one for one in text
        if one not in "\n\t" and (unicodedata.category(one) in controls or unicodedata.bidirectional(one) in turning)
    }  # fmt: skip


def test_what_a_customer_writes_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    every = "".join(map(chr, range(0x3000)))
    say(HOSTILE)
    say(every)
    show_fields({"subject": every})
    show_table(("subject",), [(every,)], empty="")
    show_json({"text": every})
    shown = capsys.readouterr().out
    assert not _acts(shown)
    assert shown.startswith(r"a\x1b]0;title\x07b\rc\x9b2Jd\u202ee\u2066f\x08\x7f\u2028g")


@pytest.mark.parametrize("text", ["Grüße, 世界 👋\n\tzwei", "שלום\u200f, مرحبا\u200e", "👩\u200d👩\u200d👧"])
def test_words_of_any_language_stay_as_they_are(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(text)
    assert capsys.readouterr().out == f"{text}\n"


def test_json_is_read_back_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"text": HOSTILE, HOSTILE: ["Grüße"]}
    show_json(value)
    assert json.loads(capsys.readouterr().out) == value


def test_a_tables_cells_are_whole_and_stand_under_each_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    long = "an-id-" * 20
    show_table(("id", "subject", "by"), [(long, "世界\nzwei", "a"), (1, None, "b")], empty="")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [["id", "subject", "by"], [long, r"世界\nzwei", "a"], ["1", "b"]]
    assert len({cell_len(line) for line in lines[1:]}) == 1


def test_a_table_without_rows_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("id",), [], empty="No tickets.")
    assert capsys.readouterr().out == "No tickets.\n"
