"""Attention and transformer blocks in plain torch, one head and one query at a time, as the papers write them."""

import torch
from torch.nn import functional


def attention(query, keys, values, heads):
    """Attention of tokens (Q, size) to others (K, size), both already projected."""
    width = query.shape[-1] // heads
    rows = []
    for row in query:
        parts = []
        for head in range(heads):
            part = slice(head * width, (head + 1) * width)
            scores = torch.stack([(row[part] * key[part]).sum() / width**0.5 for key in keys])
            shares = scores.exp() / scores.exp().sum()
            parts.append(sum(share * value[part] for share, value in zip(shares, values, strict=True)))
        rows.append(torch.cat(parts))
    return torch.stack(rows)


def attend(module, states, others):
    """`Attention` of (Q, size) to (K, other size), without dropout."""
    heads = states.shape[-1] // module.head_dim
    return module.out(attention(module.query(states), module.key(others), module.value(others), heads))


def bert_layer(layer, states, others, heads):
    """A layer of a Q-Former on queries (Q, size) and tokens (K, width), as BERT has it: norms follow the sums."""

    def one(block, keys):
        inner, outer = block.attention, block.output
        attended = attention(inner.query(states), inner.key(keys), inner.value(keys), heads)
        return outer.LayerNorm(states + outer.dense(attended))

    states = one(layer.attention, states)
    if layer.has_cross_attention:
        states = one(layer.crossattention, others)
    grown = functional.gelu(layer.intermediate_query.dense(states))
    return layer.output_query.LayerNorm(states + layer.output_query.dense(grown))


def q_former(qformer, query, tokens, heads):
    """A whole Q-Former on the tokens (K, width) of one clip."""
    states = qformer.layernorm(query)
    for layer in qformer.encoder.layer:
        states = bert_layer(layer, states, tokens, heads)
    return states


def changed_tokens(projector, layout, tokens):
    """Which output tokens move when a grid cell changes: {(row, column): [tokens]}; for the CLS tokens {"cls": [tokens]}."""
    before = projector(tokens, layout=layout).last_hidden_state
    moved = {}
    places = {
        (r, c): layout.num_cls_tokens + r * layout.grid[1] + c for r in range(layout.grid[0]) for c in range(layout.grid[1])
    }
    for place, index in {"cls": slice(0, layout.num_cls_tokens), **places}.items():
        changed = tokens.clone()
        changed[:, index] += torch.randn(tokens.shape[-1])
        difference = (projector(changed, layout=layout).last_hidden_state - before).abs().amax(dim=(0, 2))
        moved[place] = (difference > 1e-6).nonzero().flatten().tolist()
    return moved
