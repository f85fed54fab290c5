"""A tokenizer with the tokens of others behind its own.

In: the tokenizers of the host and of those that bring tokens. Out: which tokens are added, with which numbers,
and the text of a `tokenizer.json` that knows them all. No token of the host's gets another number. Tokens
are told apart as in `vlm/weights/tokens.py`; one that is spelt as another sort of the host's stays the host's.

A text in which no added token is found is written as the host writes it:

    BPE                   merges that make an added token stand behind all of the host's
    Unigram               pieces come with their own scores, and a likelier path has one of them
    WordPiece, WordLevel  words are added

A BPE token may be put together otherwise once the host's merges come first. Where it is then two pieces, their merge
is added too; where it is more, the token is in no text, and is counted as not reached.
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from merge_dsl.meaning.tokenizers import Kind, kind_of
from vlm.errors import MergeError
from vlm.weights.moved import Table, Token, Vocabulary, need_rows, vocabulary_of
from vlm.weights.moved_files import flagged
from vlm.weights.tokens import Words, tokens_of

Pair = tuple[str, str]


class Joined(NamedTuple):
    """What tokenizers come to together."""

    given: Mapping[str, tuple[Token, ...]]  # model -> the tokens that it brings
    whole: Table  # tokenizer.json
    entries: tuple[Table, ...]  # the added tokens among them, as it lists them
    size: int  # tokens
    unreached: int  # of BPE, brought but in no text

    @property
    def tokens(self) -> Iterator[Token]:
        """All that are brought."""
        return (token for tokens in self.given.values() for token in tokens)


def join(name: str, host: Words, donors: Mapping[str, Words]) -> Joined:
    """The tokenizer of `host`, which the recipe calls `name`, with what `donors` have beside it.

    Raises MergeError where two are of different kinds, and where one cannot be read.
    """
    own = vocabulary_of(host.folder)
    need_rows(name, own.size, host.rows)
    others = {donor: vocabulary_of(words.folder) for donor, words in donors.items()}
    for donor, other in others.items():
        _need_one_kind((name, kind_of(own.whole)), (donor, kind_of(other.whole)))
    known, texts = set(tokens_of(host)), set(own.numbers)
    given: dict[str, tuple[Token, ...]] = {}
    entries: list[Table] = []
    size = own.size
    for donor, words in donors.items():
        brought: list[Token] = []
        for meaning, (row, text) in sorted(tokens_of(words).items(), key=lambda item: item[1]):
            if meaning in known or text in texts:
                continue
            known.add(meaning)
            texts.add(text)
            brought.append(Token(text, row, size + len(brought)))
            if row in others[donor].added:
                entries.append(flagged(others[donor].added[row], brought[-1]))
        given[donor] = tuple(brought)
        size += len(brought)
    if size == own.size:
        return Joined(given, own.whole, (), size, 0)
    model, unreached = _model(name, own, others, given)
    listed = [*(own.whole.get("added_tokens") or []), *entries]
    whole = {**own.whole, "added_tokens": listed, "model": model}
    return Joined(given, whole, tuple(entries), size, unreached)


def _need_one_kind(first: tuple[str, Kind], second: tuple[str, Kind]) -> None:
    if first[1] != second[1]:
        (one, own), (two, other) = first, second
        raise MergeError(
            f"these tokenizers cannot be joined: {one}'s is {own} and {two}'s is {other}",
            "write `vocabulary = shared`, or `whole` under a model that sees",
        )


def _model(
    name: str,
    own: Vocabulary,
    others: Mapping[str, Vocabulary],
    given: Mapping[str, tuple[Token, ...]],
) -> tuple[Table, int]:
    """The part of `tokenizer.json` that cuts words, and how many added tokens it never finds."""
    model = dict(own.whole["model"])
    if isinstance(model["vocab"], list):
        model["vocab"] = _pieces(name, own, others, given)
        return model, 0
    # Added tokens among them: a reader gives those that its model lacks numbers of its own.
    vocab = dict(own.numbers)
    vocab |= {token.name: token.new for tokens in given.values() for token in tokens}
    model["vocab"] = dict(sorted(vocab.items(), key=lambda item: item[1]))
    if "merges" not in model:
        return model, 0
    words = {
        token.name
        for donor, tokens in given.items()
        for token in tokens
        if token.old not in others[donor].added
    }
    prefix = str(model.get("continuing_subword_prefix") or "")
    merges = dict.fromkeys(_pairs(own.whole["model"]))
    for other in others.values():
        for one, two in _pairs(other.whole["model"]):
            if one in vocab and two in vocab and one + two.removeprefix(prefix) in words:
                merges.setdefault((one, two))
    suffix = str(model.get("end_of_word_suffix") or "")
    unreached = 0 if prefix or suffix else _reach(name, model["vocab"], merges, words)
    model["merges"] = [list(pair) for pair in merges]
    return model, unreached


def _pairs(model: Table) -> Iterator[Pair]:
    for merge in model.get("merges") or ():
        one, two = merge.split(" ") if isinstance(merge, str) else merge
        yield one, two


def _reach(name: str, vocab: Mapping[str, int], merges: dict[Pair, None], words: set[str]) -> int:
    """Add merges for words that are two pieces by those that there are; returns how many stay apart."""
    from tokenizers.models import BPE

    waiting = sorted(words, key=lambda word: vocab[word])
    while True:
        try:
            model = BPE(vocab=dict(vocab), merges=list(merges))
        except Exception as error:  # it raises nothing finer
            raise MergeError(
                f"the tokenizer of {name} cannot be read: {error}", "save the tokenizer anew"
            ) from error
        found, apart = set(), []
        for word in waiting:
            pieces = [token.value for token in model.tokenize(word)]
            if pieces == [word]:
                continue
            apart.append(word)
            if len(pieces) == 2 and "".join(pieces) == word:
                found.add((pieces[0], pieces[1]))
        new = [
            pair for pair in sorted(found, key=lambda p: vocab["".join(p)]) if pair not in merges
        ]
        if not new:
            return len(apart)
        merges |= dict.fromkeys(new)
        waiting = apart


def _pieces(
    name: str,
    own: Vocabulary,
    others: Mapping[str, Vocabulary],
    given: Mapping[str, tuple[Token, ...]],
) -> list[list[Any]]:
    """Pieces of a Unigram model with their scores; the place of one in the list is its number."""
    pieces = [list(piece) for piece in own.whole["model"]["vocab"]]
    least = min((piece[1] for piece in pieces), default=0.0)
    for number in range(len(pieces), own.size):
        if number not in own.added:
            raise MergeError(
                f"the tokenizer of {name} has no token {number}, but later ones",
                "save it anew with transformers",
            )
        pieces.append([own.added[number]["content"], least])
    for donor, tokens in given.items():
        theirs = others[donor].whole["model"]["vocab"]
        for token in tokens:
            known = token.old < len(theirs) and theirs[token.old][0] == token.name
            pieces.append([token.name, theirs[token.old][1] if known else least])
    return pieces
