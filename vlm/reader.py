"""How a model is addressed: its tokenizer, its chat template and its picture processor.

In: the folder of a checkpoint. Out: a `Reader`, which turns questions into prompts, prompts and
references into token numbers, and says which questions this model cannot be asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vlm.compat import ensure_torchvision
from vlm.errors import DataError, ModelError
from vlm.route.code import is_ours
from vlm.tasks.questions import Question

ensure_torchvision()

from jinja2 import TemplateError  # noqa: E402
from transformers import AutoProcessor, AutoTokenizer  # noqa: E402


@dataclass(frozen=True)
class Reader:
    """One model's way of reading. `processor` is the tokenizer itself where the model is blind."""

    processor: Any
    tokenizer: Any
    sees: bool

    def prompt(self, question: str) -> str:
        """A question as the model's own chat template puts it; a blind model is asked without picture."""
        content: Any = question
        if self.sees:
            content = [{"type": "image"}, {"type": "text", "text": question}]
        message = [{"role": "user", "content": content}]
        if self.processor.chat_template is None:
            return (f"{self.processor.image_token}\n" if self.sees else "") + question
        try:
            text: str = self.processor.apply_chat_template(
                message, add_generation_prompt=True, tokenize=False
            )
        except (TemplateError, ValueError, TypeError) as error:
            raise ModelError(
                f"{self.tokenizer.name_or_path}: its chat template fails: {error}",
                "mend chat_template.jinja, or remove it",
            ) from error
        return text

    def prompts(self, questions: Sequence[Question]) -> list[str]:
        """One prompt a question. Raises DataError for a question that this model cannot be asked."""
        texts = [self.prompt(question.question) for question in questions]
        if self.sees:
            for question, text in zip(questions, texts, strict=True):
                self._refuse(question, text)
        return texts

    def _refuse(self, question: Question, prompt: str) -> None:
        where, token = f"question {question.id}", self.processor.image_token
        if question.image is None:
            raise DataError(
                "it has no picture, and the model that is asked wants one",
                "add a column `image`, or ask models that do not see",
                where,
            )
        if token in question.question:
            raise DataError(
                f"it holds {token}, which stands for the picture",
                "remove it: the chat template puts the picture in its place",
                where,
            )
        if prompt.count(token) != 1:
            raise ModelError(
                f"{self.tokenizer.name_or_path}: its chat template gives {prompt.count(token)}"
                " places to one picture",
                "mend chat_template.jinja, or remove it",
            )

    def ids_of_prompts(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers, begun as transformers begins them: once, by the template or the tokenizer."""
        bos, eos = self.tokenizer.bos_token, self.tokenizer.eos_token
        found = []
        for text in texts:
            begun = bos is not None and text.startswith(bos)
            ids = list(self.tokenizer(text, add_special_tokens=not begun)["input_ids"])
            if ids and ids[-1] == self.tokenizer.eos_token_id and not text.endswith(eos):
                ids.pop()  # a tokenizer that ends every text would end the answer before it begins
            found.append(ids)
        return found

    def ids_of_answers(self, texts: Sequence[str]) -> list[list[int]]:
        """Token numbers of references, each with the end of the answer behind it."""
        found = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [[*ids, self.tokenizer.eos_token_id] for ids in found]


def open_reader(folder: Path, sees: bool, trusted: bool = False) -> Reader:
    """The processor of a checkpoint; the PIL backend, whose pixels are the same everywhere."""
    how = {"local_files_only": True, "trust_remote_code": trusted or is_ours(folder)}
    try:
        if sees:
            processor = AutoProcessor.from_pretrained(folder, backend="pil", **how)
            reader = Reader(processor, processor.tokenizer, True)
        else:
            tokenizer = AutoTokenizer.from_pretrained(folder, **how)
            reader = Reader(tokenizer, tokenizer, False)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(
            f"{folder}: its processor cannot be read: {error}", "add the tokenizer's files"
        ) from error
    if sees and getattr(reader.processor, "image_token", None) is None:
        raise ModelError(
            f"{folder}: its processor has no token that stands for a picture",
            "use a model whose processor names its `image_token`",
        )
    if reader.tokenizer.eos_token_id is None:
        raise ModelError(
            f"{folder}: its tokenizer has no end token", "name `eos_token` in tokenizer_config.json"
        )
    return reader
