"""The projector's head start: it learns to point at what the base reads best for each thing.

In: a LLaVA with a fresh projector, an album of tower features, lessons. Out: the same model, its
projector aimed. Learning to aim through the language model takes hundreds of looks at every thing;
here each thing has one vector. First the vectors are found, as textual inversion finds them (Gal et
al. 2022, arXiv:2208.01618), but through the projector's own shape, so that it can reach them; then
the projector is fitted to them by regression, which needs no language model and takes seconds.
"""

import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import LlamaForCausalLM, LlavaForConditionalGeneration, PreTrainedTokenizerFast

from vlm.zoo.build.lessons import Fact, reading
from vlm.zoo.build.seeing import Album
from vlm.zoo.build.training import answer_loss, batch_of, batches, optimise

SPREAD = 0.3  # noise on the centres, as a share of how far drawings lie from them
SHARP = 12.0  # scale of cosines in the contrastive part of the fit


class Aim(nn.Module):
    """LLaVA's projector over standardised features: linear, GELU, linear."""

    def __init__(self, features: Tensor, width: int) -> None:
        super().__init__()
        self.mean, self.std = features.mean((0, 1, 2)), features.std((0, 1, 2))
        self.first = nn.Linear(features.shape[-1], width)
        self.second = nn.Linear(width, width)

    def standardise(self, features: Tensor) -> Tensor:
        """Features of the tower with mean 0 and deviation 1 in every dimension."""
        return (features - self.mean) / self.std

    def forward(self, standard: Tensor) -> Tensor:
        pointed: Tensor = self.second(F.gelu(self.first(standard)))
        return pointed

    @torch.no_grad()
    def put_into(self, bridge: nn.Module) -> None:
        """Fold the standardising into the first weights of a LLaVA projector."""
        weight = self.first.weight / self.std
        bridge.linear_1.weight.copy_(weight)  # type: ignore[union-attr, operator]
        bridge.linear_1.bias.copy_(self.first.bias - weight @ self.mean)  # type: ignore[union-attr, operator]
        bridge.linear_2.weight.copy_(self.second.weight)  # type: ignore[union-attr, operator]
        bridge.linear_2.bias.copy_(self.second.bias)  # type: ignore[union-attr, operator]


def aim_projector(
    model: LlavaForConditionalGeneration,
    base: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    facts: Sequence[Fact],
    album: Album,
    shown: Tensor,
    *,
    steps: tuple[int, int],
    seeds: tuple[int, int, int],
) -> LlavaForConditionalGeneration:
    """Aim the projector of `model`; `steps` are those of finding the vectors and of fitting them,
    `seeds` those of the first weights, the lessons and the noise.
    """
    torch.manual_seed(seeds[0])
    features = album.features.float()  # (views, drawings, patches, width)
    aim = Aim(features, base.config.hidden_size)
    patches = aim.standardise(features).flatten(0, 1)
    things = shown.repeat(album.views)
    whole = aim.standardise(features.mean(2)).flatten(0, 1)
    count = torch.bincount(things)[:, None]
    centres = torch.zeros(len(count), whole.shape[1]).index_add_(0, things, whole) / count
    noise = SPREAD * (whole - centres[things]).std().item()
    stream = batches(reading(facts), random.Random(seeds[1]), 96)
    generator = torch.Generator().manual_seed(seeds[2])
    image = model.config.image_token_id
    base.requires_grad_(False)

    def finding(step: int) -> Tensor:
        del step
        lessons = next(stream)
        ids, labels = batch_of(tokenizer, lessons, patches.shape[1])
        chosen = centres[torch.tensor([lesson.fact for lesson in lessons])]
        chosen = chosen + noise * torch.randn(chosen.shape, generator=generator)
        seen = aim(chosen)[:, None].expand(-1, patches.shape[1], -1)
        vectors = base.get_input_embeddings()(ids)
        at_image = (ids == image).unsqueeze(-1)
        vectors = vectors.masked_scatter(at_image, seen.to(vectors.dtype))
        mask = (ids != tokenizer.pad_token_id).long()
        hidden = base.model(inputs_embeds=vectors, attention_mask=mask).last_hidden_state
        return answer_loss(hidden, labels, base.lm_head)

    optimise(aim.parameters(), steps[0], 4e-3, finding, "vectors")
    vectors = aim(centres).detach().float()
    directions, scale = F.normalize(vectors, dim=1), vectors.std()

    def fitting(step: int) -> Tensor:
        del step
        some = torch.randint(0, len(things), (256,), generator=generator)
        pointed = aim(patches[some]).float().mean(1)
        far = ((pointed - vectors[things[some]]) / scale).pow(2).mean()
        cosines = F.normalize(pointed, dim=-1) @ directions.T
        loss: Tensor = far + 0.2 * F.cross_entropy(SHARP * cosines, things[some])
        return loss

    optimise(aim.parameters(), steps[1], 2e-3, fitting, "fit")
    aim.put_into(model.model.multi_modal_projector)
    base.requires_grad_(True)
    return model
