"""The kinds of tensors in a layer, told by their names inside it.

In: the name of a tensor inside its layer ("self_attn.q_proj.weight"), which is the same in every model of one
decoder. Out: "attention", "mlp" or "norms". Every tensor is of one kind: what is neither attention nor
inner part (norms, layer scales, gates between them) goes with the norms.
"""

import re

ATTENTION = re.compile(r"attn|attention")
INNER = re.compile(r"mlp|feed_forward|ffn|moe|experts|(^|\.)fc\d")


def kind_of_tensor(tail: str) -> str:
    """The kind of one tensor of a layer. Norms beside the attention are norms; those in it are not."""
    module = tail.partition(".")[0]  # `post_attention_layernorm` is named after where it stands
    if re.search(r"norm|(^|_)ln(_|\d|$)", module):
        return "norms"
    if ATTENTION.search(tail):
        return "attention"
    return "mlp" if INNER.search(tail) else "norms"
