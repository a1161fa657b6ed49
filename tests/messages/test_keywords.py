"""What a person means who answers with a word (messages/keywords.py; delivery 6.6)."""

import pytest

from postroom.messages.keywords import Wish, wish_of

STOP = [
    "STOP", "stop", " Stop \n", "stop.", "STOP!!!", "s.t.o.p", "“Stop”", "ＳＴＯＰ", "stop 🙏", "QUIT", "end", "Revoke", "opt out",
    "OPT-OUT", "optout", "cancel", "UNSUBSCRIBE", "StopAll", "stop all", "ARRET", "Arrêt", "remove", "TD",
]  # fmt: skip
START = ["START", "start!", "UNSTOP", "yes", "Yes."]
HELP = ["HELP", "help?", "Info"]
UNCLEAR = [
    "stop texting me", "Please stop.", "pls STOP sending these", "don't text me again", "do not contact me", "Don’t message me",
    "remove me from your list", "I want to opt out please", "wrong number", "Who is this?", "leave me alone", "no more texts",
    "I need to cancel my appointment", "alto", "BASTA", "arrêtez", "Abmelden", "aufhören!", "стоп", "停止", "توقف", "הסר",
    "arrête ça", "keine SMS mehr",
]  # fmt: skip
NONE = [
    "", "   ", "👍", "ok", "Thank you!", "See you on Monday at 2 pm", "no", "the weekend is fine", "Müller", "1", "yes I will come",
    "I'll be there at the end of the day", "start at 9?", "Ça va",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        *((text, Wish.STOP) for text in STOP),
        *((text, Wish.START) for text in START),
        *((text, Wish.HELP) for text in HELP),
        *((text, Wish.UNCLEAR) for text in UNCLEAR),
        *((text, Wish.NONE) for text in NONE),
    ],
)
def test_message_is_understood(text: str, wish: Wish) -> None:
    """A keyword is the whole message; what only may be one is for a person."""
    assert wish_of(text) is wish


def test_long_message_is_read_quickly() -> None:
    """Whatever it holds."""
    assert wish_of("do not " * 100_000) is Wish.NONE
