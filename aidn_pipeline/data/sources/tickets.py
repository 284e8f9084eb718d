"""Support tickets: made-up texts of four topics, written by a small grammar; no one's words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa

from aidn_pipeline.core.component import check_ranges, component, setting
from aidn_pipeline.data.source import SourceTable

SEED = 1
ASIDE = 0.25
"""Share of tickets that complain of another topic, after their own."""

OPENINGS = ("Hello,", "Hi there,", "Good morning,", "Dear team,", "To whom it may concern,", "")
CLOSINGS = (
    "Please help.", "Thank you!", "What can you do?", "I am waiting for your answer.",
    "This is the second time I write.", "Kind regards.", "Please call me back.", "",
)  # fmt: skip
THINGS = ("a jacket", "two lamps", "the blue shoes", "a keyboard", "some books", "a coffee machine")
TIMES = ("yesterday", "last week", "on Monday", "three days ago", "this morning", "in May")
FILLERS = (
    "I bought {thing} {time}.", "I am a customer of many years.", "My order number is {number}.",
    "I have written to you {time} already.", "It is about {thing}.",
)  # fmt: skip
TOPICS: Mapping[str, Sequence[str]] = {
    "billing": (
        "I was charged twice for {thing}.", "The invoice of {time} shows the wrong amount.",
        "My card was debited {number} euros too much.", "The discount is missing on my bill.",
        "I can't see the payment of {time}.", "Please send the invoice for {thing} again.",
    ),
    "delivery": (
        "The parcel with {thing} never arrived.", "The courier left the box at a neighbour's.",
        "Tracking has not moved since {time}.", "When will {thing} be shipped?",
        "The package came {time}, but it was empty.", "The delivery went to my old address.",
    ),
    "returns": (
        "I want to send {thing} back.", "How do I return {thing}?",
        "The label for the return does not print.", "I sent {thing} back {time} and want my money.",
        "Is {thing} exchanged for another size?", "My refund of {number} euros has not come.",
    ),
    "account": (
        "I can't log in since {time}.", "My password is not accepted.",
        "The link to reset it has expired.", "Please delete my account.",
        "I changed my address {time}, and it is not saved.", "Someone else uses my login.",
    ),
}  # fmt: skip


@component("source", "tickets", version=2)
@dataclass(frozen=True, kw_only=True)
class TicketsSource:
    """Synthetic support tickets of four topics: billing, delivery, returns, account.

    Every text is made by a grammar of a few dozen sentences, always the same ones. A quarter of
    them complain of another topic too, after their own: a bag of words can't tell which came first.

    Attributes:
        rows: number of texts.
    """

    rows: int = setting(2000, least=4)

    def __post_init__(self) -> None:
        check_ranges(self)

    def read(self, project: Path) -> SourceTable:
        """Writes the texts; `project` is not looked at."""
        random = Random(SEED)
        topics = list(TOPICS)
        labels = [topics[i % len(topics)] for i in range(self.rows)]
        texts = [ticket(label, random) for label in labels]
        return SourceTable(
            name="tickets",
            table=pa.table({"text": texts, "topic": labels}),
            label="topic",
            task="multiclass",
            features=("text",),
            shape=(1,),
            split_key="text",
            provenance={
                "title": "Synthetic support tickets",
                "made by": "aidn_pipeline/data/sources/tickets.py",
                "licence": "Apache-2.0",
            },
            where="aidn_pipeline/data/sources/tickets.py",
        )


def ticket(topic: str, random: Random) -> str:
    """One text about a topic."""
    sentences = [picked(TOPICS[topic], random)]
    if random.random() < ASIDE:
        others = [other for other in TOPICS if other != topic]
        sentences.append(picked(TOPICS[picked(others, random)], random))
    place = int(random.random() * (len(sentences) + 1))
    sentences.insert(place, picked(FILLERS, random))
    words = [picked(OPENINGS, random), *sentences, picked(CLOSINGS, random)]
    text = " ".join(word for word in words if word)
    return text.format(
        thing=picked(THINGS, random), time=picked(TIMES, random), number=int(random.random() * 900)
    )


def picked(choices: Sequence[str], random: Random) -> str:
    """One of them; only `Random.random` is the same in every version of Python."""
    return choices[int(random.random() * len(choices))]
