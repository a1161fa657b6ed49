"""What a person means who answers with a word: STOP, START, HELP. Pure; what follows is `suppressions`' business.

A keyword is the whole message, without regard to case, blanks, punctuation or emoji. Words of stopping that are not the
whole message, or are of another language, are nothing that a program decides: they are unclear, and a person reads
them the same day. Sources: the FCC's words (47 CFR 64.1200(a)(10)), Twilio's and AWS's published lists.
"""

import re
import unicodedata
from enum import StrEnum
from typing import Final


class Wish(StrEnum):
    """What an inbound message asks for."""

    STOP = "stop"
    START = "start"
    HELP = "help"
    UNCLEAR = "unclear"
    """Perhaps to be left alone; a person has to read it."""
    NONE = "none"
    """Nothing of the kind."""


STOP_WORDS: Final = frozenset(
    {
        # FCC: reasonable means per se.
        "stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe",
        # Twilio has these too.
        "stopall", "stop all", "optout",
        # AWS has these too.
        "arret", "remove", "td",
    }
)  # fmt: skip
START_WORDS: Final = frozenset({"start", "unstop", "yes"})
HELP_WORDS: Final = frozenset({"help", "info"})

KEYWORDS: Final = {
    **dict.fromkeys(STOP_WORDS, Wish.STOP),
    **dict.fromkeys(START_WORDS, Wish.START),
    **dict.fromkeys(HELP_WORDS, Wish.HELP),
}

TELLING_WORDS: Final = frozenset(
    {
        "stop", "stopp", "stopping", "quit", "revoke", "cancel", "unsubscribe", "unsubscribed", "stopall", "optout",
        "remove", "spam", "harassment", "harassing",
        # French, Spanish, Portuguese, Italian; German, Dutch, Nordic; Czech, Polish, Turkish, Vietnamese, Indonesian.
        "arret", "arrete", "arretez", "desabonner", "desinscrire", "desinscription", "alto", "parar", "pare", "basta",
        "baja", "cancelar", "detener", "detengan", "sair", "cancelare", "disiscrivi", "disiscriviti", "fermare",
        "abmelden", "abbestellen", "aufhoren", "kundigen", "schluss", "afmelden", "stoppen", "sluta", "avsluta",
        "avregistrera", "lopeta", "zastav", "zastavit", "przestan", "zrezygnuj", "durdur", "iptal", "dung", "huy",
        "berhenti",
    }
)  # fmt: skip
"""Words that make a longer message, or one of another language, a matter for a person; accents are dropped."""

TELLING_PHRASES: Final = re.compile(
    r"\b(?:opt(?:ing|ed)? (?:me )?out|no more|leave me alone|wrong (?:number|person)|take me off|lose my number"
    r"|(?:do not|dont|never) (?:text|message|contact|send|write|call|sms|email)|who (?:is|are) (?:this|you)"
    r"|(?:block|report)(?:ing)? you|ne plus|no mas|nao (?:quero|envie)|keine? (?:sms|nachrichten|weiteren))\b"
)


def wish_of(text: str) -> Wish:
    """What the message asks for."""
    joined, spaced = _without_punctuation(text)
    found = KEYWORDS.get(joined) or KEYWORDS.get(spaced)
    if found is not None:
        return found
    telling = TELLING_WORDS.intersection(spaced.split()) or TELLING_PHRASES.search(spaced)
    telling = telling or TELLING_PHRASES.search(joined)
    # What we cannot read is not ours to ignore.
    return Wish.UNCLEAR if telling or any(map(_of_another_script, spaced)) else Wish.NONE


def _without_punctuation(text: str) -> tuple[str, str]:
    """Lower case, no accents, no emoji; with the punctuation dropped (`s.t.o.p`), and as blanks (`ok,stop`)."""
    bare = "".join(
        char for char in unicodedata.normalize("NFKD", text.casefold()) if unicodedata.category(char) != "Mn"
    )
    plain = unicodedata.normalize("NFC", bare)
    joined = "".join(char for char in plain if char.isalnum() or char.isspace())
    spaced = "".join(char if char.isalnum() else " " for char in plain)
    return " ".join(joined.split()), " ".join(spaced.split())


def _of_another_script(char: str) -> bool:
    return char.isalpha() and not unicodedata.name(char, "").startswith(("LATIN", "MODIFIER"))
