import pytest
import torch
from pydantic import ValidationError

from sslbench.encoders.base import build_encoder
from sslbench.encoders.transformer import Options, PatchProjection, Transformer

N_GENES = 10


def projection(n_genes=N_GENES, *, patches=4, width=6):
    torch.manual_seed(0)
    return PatchProjection(n_genes, patches=patches, width=width)


def test_patches_are_projected_gene_by_gene():
    patches, x = projection(), torch.rand(5, N_GENES)  # sizes 3, 3, 3 and 1
    by_hand = torch.zeros(5, 4, 6)
    for c in range(5):
        for p in range(4):
            for w in range(6):
                by_hand[c, p, w] = patches.bias[p * patches.weight.shape[2] + w] + sum(
                    x[c, g] * patches.weight[p, g - 3 * p, w]
                    for g in range(3 * p, min(3 * p + 3, N_GENES))
                )
    torch.testing.assert_close(patches(x), by_hand)


def test_a_gene_reaches_its_own_token_only():
    patches, x = projection(), torch.rand(2, N_GENES)
    for gene in range(N_GENES):
        changed = x.clone()
        changed[:, gene] += 1
        moved = (patches(changed) - patches(x)).abs().sum(dim=(0, 2)) > 0
        assert moved.nonzero().flatten().tolist() == [gene // 3]


def test_through_attention_a_gene_reaches_every_token():
    encoder = Transformer(Options(patches=4, width=8, heads=2), n_genes=N_GENES).eval()
    x = torch.rand(2, N_GENES)
    changed = x.clone()
    changed[:, 0] += 1
    moved = (encoder.blocks(encoder.patches(changed)) - encoder.blocks(encoder.patches(x))).abs()
    assert (moved.sum(dim=(0, 2)) > 0).all()


def test_the_padding_of_the_last_patch_has_no_effect():
    patches, x = projection(), torch.rand(5, N_GENES)
    before = patches(x)
    assert patches.n_padded == 2
    with torch.no_grad():
        patches.weight[-1, -2:] = 1e6
    assert torch.equal(patches(x), before)
    patches(x).square().sum().backward()
    assert patches.weight.grad[-1, -2:].abs().max() == 0


@pytest.mark.parametrize(
    "n_genes, patches, n_tokens, size", [(10, 4, 4, 3), (30, 16, 15, 2), (5, 8, 5, 1), (7, 1, 1, 7), (8, 8, 8, 1)]
)  # fmt: skip
def test_no_patch_is_empty(n_genes, patches, n_tokens, size):
    made = projection(n_genes, patches=patches)
    assert made(torch.rand(2, n_genes)).shape == (2, n_tokens, 6)
    assert made.weight.shape == (n_tokens, size, 6)
    assert made.n_padded < size


def test_tokens_of_equal_content_differ_by_their_place():
    tokens = projection(patches=5)(torch.zeros(1, N_GENES))[0]
    assert torch.cdist(tokens, tokens).fill_diagonal_(1).min() > 0


def test_a_patch_starts_like_a_linear_layer_of_its_genes():
    torch.manual_seed(0)
    patches = PatchProjection(400, patches=4, width=64)
    assert patches.weight.abs().max() <= 100**-0.5
    assert patches.weight.std().item() == pytest.approx((3 * 100) ** -0.5, rel=0.02)


def test_the_embedding_is_a_linear_map_of_the_normed_mean_token():
    encoder = Transformer(Options(patches=3, width=8, heads=2, depth=2), n_genes=N_GENES).eval()
    x = torch.rand(4, N_GENES)
    tokens = encoder.patches(x)
    for block in encoder.blocks:
        tokens = block(tokens)
    mean = tokens.sum(dim=1) / 3
    normed = (mean - mean.mean(dim=1, keepdim=True)) / (
        mean.var(dim=1, unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    by_hand = normed @ encoder.output.weight.T + encoder.output.bias
    torch.testing.assert_close(encoder(x), by_hand, atol=1e-5, rtol=1e-5)


def test_a_block_is_pre_norm_attention_then_feed_forward():
    options = Options(patches=3, width=8, heads=2, expansion=3, dropout=0)
    block = Transformer(options, n_genes=N_GENES).eval().blocks[0]
    tokens = torch.randn(4, 3, 8)
    normed = block.norm1(tokens)
    query, key, value = (
        normed @ block.self_attn.in_proj_weight.T + block.self_attn.in_proj_bias
    ).split(8, dim=2)
    heads = []
    for h in range(2):
        of_head = slice(4 * h, 4 * h + 4)
        scores = query[..., of_head] @ key[..., of_head].transpose(1, 2) / 4**0.5
        heads.append(scores.softmax(dim=2) @ value[..., of_head])
    after = tokens + block.self_attn.out_proj(torch.cat(heads, dim=2))
    inner = torch.nn.functional.gelu(block.linear1(block.norm2(after)))
    assert inner.shape == (4, 3, 24)
    torch.testing.assert_close(block(tokens), after + block.linear2(inner), atol=1e-5, rtol=1e-5)


def test_every_block_starts_with_weights_of_its_own():
    encoder = Transformer(Options(depth=2), n_genes=N_GENES)
    first, second = (block.linear1.weight for block in encoder.blocks)
    assert not torch.equal(first, second)


@pytest.mark.parametrize(
    "options, words",
    [
        ({"width": 64, "heads": 5}, "multiple of heads, got width=64 and heads=5; use width=65"),
        ({"width": 4, "heads": 8}, "got width=4 and heads=8; use width=8"),
        ({"heads": 0}, "greater than 0"),
        ({"patches": 0}, "greater than or equal to 1"),
        ({"dropout": 1.0}, "less than 1"),
        ({"norm": "layer"}, "Extra inputs"),
    ],
)
def test_options_that_cannot_be_built_are_refused(options, words):
    with pytest.raises(ValidationError, match=words):
        Options.model_validate(options)


def test_dropout_acts_in_train_mode_only():
    encoder = build_encoder("transformer", {"dropout": 0.5}, n_genes=N_GENES)
    x = torch.rand(5, N_GENES)
    assert not torch.equal(encoder(x), encoder(x))
    encoder.eval()
    assert torch.equal(encoder(x), encoder(x))
