"""The demo model in PyTorch: `qwen35` (gated delta nets, every fourth layer gated attention) with an MTP head.

Modules are named as the tensors are in the GGUF file, so `state_dict()` is the file but for one sign: `ssm_a` is
kept as its logarithm while training. The delta rule is evaluated in chunks, which is the same sum in another
order; `tests()` at the end holds it against the token-by-token rule.

Shapes in comments: B rows of text, T tokens, D model width, H query heads, G key-value heads, K key heads and
V value heads of the delta net, S width of a head, C tokens in a chunk, N chunks.
"""
import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass
class Config:
    """What the file's metadata says about the shape. Widths are multiples of 256, so that K-quants are possible too."""
    vocab: int = 4096
    width: int = 256
    layers: int = 8                                  # of the trunk; the MTP block is one more
    interval: int = 4                                # every fourth layer is attention
    ff: int = 512
    heads: int = 4
    kv_heads: int = 2
    head_dim: int = 64
    rope: int = 32                                   # dimensions of a head that turn
    sections: tuple[int, ...] = (6, 5, 5, 0)         # of the 16 pairs; any split without a gap is plain rope for text
    theta: float = 10000.0
    key_heads: int = 2
    value_heads: int = 4
    state: int = 64
    conv: int = 4
    context: int = 2048
    eps: float = 1e-6

    def is_attention(self, i: int) -> bool:
        return i >= self.layers or (i + 1) % self.interval == 0


def linear(inputs: int, outputs: int) -> nn.Linear:
    layer = nn.Linear(inputs, outputs, bias=False)
    nn.init.normal_(layer.weight, std=inputs ** -0.5)
    return layer


class Norm(nn.Module):
    """Root-mean-square norm with a plain multiplier, as in the GGUF file."""

    def __init__(self, width: int, eps: float):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(width)), eps

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + self.eps) * self.weight


class Bias(nn.Module):
    """Holds a bias, so that it is called `<name>.bias`."""

    def __init__(self, value: Tensor):
        super().__init__()
        self.bias = nn.Parameter(value)


class Taps(nn.Module):
    """Causal convolution along time, channel by channel; the last tap is the current token's."""

    def __init__(self, channels: int, taps: int):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(channels, taps) * taps ** -0.5)

    def forward(self, x: Tensor) -> Tensor:          # (B, T, channels)
        n, t = self.weight.shape[1], x.shape[1]
        padded = F.pad(x, (0, 0, n - 1, 0))
        return sum(padded[:, j:j + t] * self.weight[:, j] for j in range(n))


def unit(x: Tensor, eps: float) -> Tensor:
    return x * torch.rsqrt((x * x).sum(-1, keepdim=True).clamp_min(eps * eps))


def rope_table(c: Config, length: int, device=None) -> tuple[Tensor, Tensor]:
    """cos and sin, (length, rope / 2)."""
    j = torch.arange(c.rope // 2, dtype=torch.float64)
    s = torch.tensor(c.sections)
    turns = (j < 3 * s[(j % 3).long()]).double()     # a pair that no section claims would stand still; there is none
    assert int(s.sum()) == c.rope // 2 and bool(turns.all())
    angle = torch.arange(length, dtype=torch.float64)[:, None] * c.theta ** (-2 * j / c.rope)
    return angle.cos().float().to(device), angle.sin().float().to(device)


def rope(x: Tensor, table: tuple[Tensor, Tensor]) -> Tensor:
    """x (B, heads, T, head_dim): dimensions j and j + rope/2 turn as a pair; those after the first `rope` stand still."""
    cos, sin = table
    half = cos.shape[1]
    a, b, rest = x.split([half, half, x.shape[-1] - 2 * half], -1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], -1)


def delta_rule(q: Tensor, k: Tensor, v: Tensor, beta: Tensor, g: Tensor, chunk: int = 64) -> Tensor:
    """The gated delta rule, arXiv:2412.06464 eq. 10, for q, k, v (B, V, T, S) and beta, g (B, V, T); gives (B, V, T, S).

        S <- exp(g) S;   S <- S + k (beta (v - S^T k))^T;   o = S^T q

    Within a chunk the corrections d_i = beta_i (v_i - ...) solve a unit lower-triangular system, (I + A) d = rhs with
    A_ij = beta_i (k_i . k_j) exp(g_j+1 + .. + g_i); between chunks only the memory S is handed on.
    """
    b, h, t, s = q.shape
    pad = -t % chunk
    if pad:
        q, k, v = (F.pad(x, (0, 0, 0, pad)) for x in (q, k, v))
        beta, g = F.pad(beta, (0, pad)), F.pad(g, (0, pad))
    q, k, v = (x.reshape(b, h, -1, chunk, s) for x in (q, k, v))                            # (B, V, N, C, S)
    beta, g = (x.reshape(b, h, -1, chunk) for x in (beta, g))
    g = g.cumsum(-1)
    lower = torch.ones(chunk, chunk, dtype=torch.bool, device=q.device).tril()
    fade = (g[..., :, None] - g[..., None, :]).masked_fill(~lower, -math.inf).exp()         # (B, V, N, C, C)
    kb = k * beta[..., None]
    a = ((kb @ k.transpose(-1, -2)) * fade).tril(-1)
    rhs = torch.cat([v * beta[..., None], kb * g.exp()[..., None]], -1)                     # (B, V, N, C, 2S)
    solved = torch.linalg.solve_triangular(a, rhs, upper=False, unitriangular=True)
    fresh, recalled = solved.split(s, -1)
    within = (q @ k.transpose(-1, -2)) * fade
    q_in = q * g.exp()[..., None]
    k_out = (k * (g[..., -1:] - g).exp()[..., None]).transpose(-1, -2)
    last = g[..., -1].exp()[..., None, None]
    memory, out = q.new_zeros(b, h, s, s), []
    for n in range(q.shape[2]):
        d = fresh[:, :, n] - recalled[:, :, n] @ memory
        out.append(q_in[:, :, n] @ memory + within[:, :, n] @ d)
        memory = memory * last[:, :, n] + k_out[:, :, n] @ d
    return torch.stack(out, 2).reshape(b, h, -1, s)[:, :, :t]


class Block(nn.Module):
    """One layer: mixing over time, then SwiGLU, each in a residual branch behind a norm."""

    def __init__(self, c: Config, i: int):
        super().__init__()
        self.c, self.attends = c, c.is_attention(i)
        d, s = c.width, c.state
        self.attn_norm, self.post_attention_norm = Norm(d, c.eps), Norm(d, c.eps)
        if self.attends:
            self.attn_q = linear(d, 2 * c.heads * c.head_dim)                # per head: the query, then its gate
            self.attn_k, self.attn_v = linear(d, c.kv_heads * c.head_dim), linear(d, c.kv_heads * c.head_dim)
            self.attn_q_norm, self.attn_k_norm = Norm(c.head_dim, c.eps), Norm(c.head_dim, c.eps)
            self.attn_output = linear(c.heads * c.head_dim, d)
            nn.init.zeros_(self.attn_output.weight)
        else:
            self.attn_qkv = linear(d, (2 * c.key_heads + c.value_heads) * s)
            self.attn_gate = linear(d, c.value_heads * s)
            self.ssm_conv1d = Taps((2 * c.key_heads + c.value_heads) * s, c.conv)
            self.ssm_beta, self.ssm_alpha = linear(d, c.value_heads), linear(d, c.value_heads)
            step = torch.exp(torch.linspace(math.log(0.001), math.log(0.05), c.value_heads))
            self.ssm_dt = Bias(step + torch.log(-torch.expm1(-step)))        # softplus of it is `step`
            self.ssm_a_log = nn.Parameter(torch.zeros(c.value_heads))
            self.ssm_norm = Norm(s, c.eps)
            self.ssm_out = linear(c.value_heads * s, d)
            nn.init.zeros_(self.ssm_out.weight)
        self.ffn_gate, self.ffn_up, self.ffn_down = linear(d, c.ff), linear(d, c.ff), linear(c.ff, d)
        nn.init.zeros_(self.ffn_down.weight)

    def delta_net(self, x: Tensor) -> Tensor:
        """x (B, T, D): each value head has a memory that fades, is corrected at the token's key, and is read."""
        c, (b, t, _) = self.c, x.shape
        mixed = F.silu(self.ssm_conv1d(self.attn_qkv(x).float()))
        q, k, v = mixed.split([c.key_heads * c.state, c.key_heads * c.state, c.value_heads * c.state], -1)
        heads = lambda y: y.reshape(b, t, -1, c.state).transpose(1, 2)                      # (B, heads, T, S)
        tile = (1, c.value_heads // c.key_heads, 1, 1)                                      # value head h: key head h % K
        q = unit(heads(q), c.eps).repeat(tile) * c.state ** -0.5
        k = unit(heads(k), c.eps).repeat(tile)
        beta = torch.sigmoid(self.ssm_beta(x).float()).transpose(1, 2)                      # (B, V, T)
        rate = F.softplus(self.ssm_alpha(x).float() + self.ssm_dt.bias)
        g = (-self.ssm_a_log.exp() * rate).transpose(1, 2)
        o = delta_rule(q, k, heads(v), beta, g).transpose(1, 2)                             # (B, T, V, S)
        o = self.ssm_norm(o).reshape(b, t, -1) * F.silu(self.attn_gate(x).float())
        return self.ssm_out(o)

    def attention(self, x: Tensor, table: tuple[Tensor, Tensor], earlier: list[tuple[Tensor, Tensor]],
                  mask: Tensor | None) -> Tensor:
        """x (B, T, D). `earlier` has keys and values of other passes over the same rows, and gets this pass's."""
        c, (b, t, _) = self.c, x.shape
        q, gate = self.attn_q(x).float().reshape(b, t, c.heads, -1).split(c.head_dim, -1)
        k = self.attn_k(x).float().reshape(b, t, c.kv_heads, -1)
        v = self.attn_v(x).float().reshape(b, t, c.kv_heads, -1).transpose(1, 2)
        q = rope(self.attn_q_norm(q).transpose(1, 2), table)                                # (B, H, T, head_dim)
        k = rope(self.attn_k_norm(k).transpose(1, 2), table)
        earlier.append((k, v))
        k = torch.cat([k for k, _ in earlier], 2).repeat_interleave(c.heads // c.kv_heads, 1)
        v = torch.cat([v for _, v in earlier], 2).repeat_interleave(c.heads // c.kv_heads, 1)
        o = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None).transpose(1, 2)
        return self.attn_output((o * torch.sigmoid(gate)).reshape(b, t, -1))

    def forward(self, x: Tensor, table: tuple[Tensor, Tensor], earlier: list | None = None,
                mask: Tensor | None = None) -> Tensor:
        a = self.attn_norm(x)
        x = x + (self.attention(a, table, [] if earlier is None else earlier, mask) if self.attends
                 else self.delta_net(a))
        a = self.post_attention_norm(x)
        return x + self.ffn_down(F.silu(self.ffn_gate(a)) * self.ffn_up(a))


class NextN(nn.Module):
    """What an MTP block has beside a layer: two norms and the matrix that joins token and hidden state; a last norm."""

    def __init__(self, c: Config):
        super().__init__()
        self.enorm, self.hnorm, self.shared_head_norm = (Norm(c.width, c.eps) for _ in range(3))
        self.eh_proj = linear(2 * c.width, c.width)


def draft_mask(t: int, depth: int, device=None) -> Tensor | None:
    """(T, depth T): what row p of draft pass `depth` sees, as in decoding: the true rows before its draft began, then
    one row of each pass since. Pass n has the keys of columns (n - 1) T and on."""
    if depth == 1:
        return None
    p, s = torch.arange(t, device=device)[:, None], torch.arange(t, device=device)[None]
    return torch.cat([s <= p - depth + 1] + [s == p - depth + n for n in range(2, depth + 1)], 1)


class Demo(nn.Module):
    def __init__(self, c: Config = Config()):
        super().__init__()
        self.c = c
        self.token_embd = nn.Embedding(c.vocab, c.width)
        nn.init.normal_(self.token_embd.weight, std=0.5)
        self.blk = nn.ModuleList(Block(c, i) for i in range(c.layers + 1))
        self.blk[c.layers].nextn = NextN(c)
        self.output_norm = Norm(c.width, c.eps)
        self.start_with_copying()

    @torch.no_grad()
    def start_with_copying(self) -> None:
        """Wires a circuit that copies ("what followed this token the last time?") into the first weights.

        Left to itself, training finds it only after many millions of tokens, and without it no name survives a sentence. Layer 0's
        value heads 1 and 3 forget at once, so they hand on features of the previous and of the current token; the attention
        layers look with the latter for the former, in the dimensions that rope leaves alone, and carry over the embedding.
        Width 0 of the embedding is the same for every token, which changes no probability and serves as a bias.
        """
        c, s, first = self.c, self.c.state, self.blk[0]
        if c.value_heads != 4 or c.key_heads != 2 or c.width < 4 * s:
            return
        self.token_embd.weight[:, 0] = 2.0
        self.output_norm.weight.fill_(0.2)
        self.blk[c.layers].nextn.shared_head_norm.weight.fill_(0.2)
        keys, values = c.key_heads * s, 2 * c.key_heads * s
        base, _ = torch.linalg.qr(torch.randn(c.width - 1, c.width - 1))
        base = F.pad(base, (0, 0, 1, 0))                                     # orthonormal columns without width 0
        before, now, kept = base[:, :s], base[:, s:2 * s], base[:, 2 * s:]   # where in the residual stream things are

        taps, w = first.ssm_conv1d.weight, first.attn_qkv.weight
        taps.mul_(0.1)[:, -1] += 1
        w[s:keys] = w[keys + s:keys + 2 * s]                                 # key head 1: the query is the key
        w[values + 3 * s:] = w[values + s:values + 2 * s]                    # heads 1 and 3: the same features ..
        w[values:, 0] = 0
        taps[values + s:values + 2 * s] = taps[values + s:values + 2 * s].roll(-1, 1)      # .. but head 1's a token late
        first.ssm_dt.bias[[1, 3]] = 8.0
        first.ssm_alpha.weight[[1, 3]] *= 0.1
        first.attn_gate.weight[:, 0] = 1.0
        first.ssm_out.weight[:, s:2 * s], first.ssm_out.weight[:, 3 * s:] = 0.5 * before, 0.5 * now
        still = c.head_dim - c.rope
        look = torch.linalg.qr(torch.cat([torch.ones(s, 1), torch.randn(s, still)], 1))[0][:, 1:].T   # (still, S), blind to the mean
        joined = self.blk[c.layers].nextn.eh_proj.weight                     # the MTP block finds both sides in its pair
        joined *= 0.3
        joined[:, :c.width] += kept @ kept.T + 0.5 * now @ w[values + s:values + 2 * s]
        joined[:, c.width:] += before @ now.T
        for blk in self.blk:
            if blk.attends:
                q = blk.attn_q.weight.view(c.heads, 2, c.head_dim, c.width)
                k, v = (m.weight.view(c.kv_heads, c.head_dim, c.width) for m in (blk.attn_k, blk.attn_v))
                out = blk.attn_output.weight.view(c.width, c.heads, c.head_dim)
                for g in range(c.kv_heads):
                    h, part = g * c.heads // c.kv_heads, kept[:, g * c.head_dim:(g + 1) * c.head_dim]
                    q[h, 0, :c.rope] *= 0.1
                    k[g, :c.rope] *= 0.1
                    q[h, 0, c.rope:], k[g, c.rope:] = look @ now.T, look @ before.T
                    v[g] = 0.1 * v[g]
                    v[g, :part.shape[1]] += part.T
                    out[:, h, :part.shape[1]] = 4 * part
                blk.attn_q_norm.weight.fill_(1.5)

    def logits(self, hidden: Tensor) -> Tensor:
        """The head of trunk and MTP block alike: the embedding table."""
        return F.linear(hidden, self.token_embd.weight)

    def trunk(self, tokens: Tensor) -> Tensor:
        """tokens (B, T) -> hidden (B, T, D), after the final norm: what the head reads and the MTP block takes."""
        table = rope_table(self.c, tokens.shape[1], tokens.device)
        x = self.token_embd(tokens)
        for i in range(self.c.layers):
            x = self.blk[i](x, table)
        return self.output_norm(x)

    def mtp(self, tokens: Tensor, hidden: Tensor, depth: int = 1, earlier: list | None = None) -> Tensor:
        """One pass of the MTP block: row p joins token p with the hidden state of row p - 1 and predicts token p + 1.

        hidden (B, T, D) is the trunk's for depth 1 and pass depth - 1's own beyond that; row 0 is given zeros. `earlier`
        collects keys and values over the passes. Gives the block's hidden states, after shared_head_norm.
        """
        block = self.blk[self.c.layers]
        before = F.pad(hidden, (0, 0, 1, 0))[:, :-1]
        pair = torch.cat([block.nextn.enorm(self.token_embd(tokens)), block.nextn.hnorm(before)], -1)
        t = tokens.shape[1]
        x = block(block.nextn.eh_proj(pair), rope_table(self.c, t, tokens.device), earlier,
                  draft_mask(t, depth, tokens.device))
        return block.nextn.shared_head_norm(x)


def tests() -> None:
    """The chunked delta rule against the rule as it is written, token by token; a draft pass against its definition."""
    torch.manual_seed(1)
    b, h, t, s = 2, 3, 150, 16
    q, k, v = (torch.randn(b, h, t, s) for _ in range(3))
    q, k = unit(q, 1e-6), unit(k, 1e-6)
    beta, g = torch.rand(b, h, t), -torch.rand(b, h, t)
    memory, want = torch.zeros(b, h, s, s), []
    for i in range(t):
        memory = memory * g[:, :, i, None, None].exp()
        recalled = torch.einsum("bhk,bhkv->bhv", k[:, :, i], memory)
        memory = memory + torch.einsum("bhk,bhv->bhkv", k[:, :, i], beta[:, :, i, None] * (v[:, :, i] - recalled))
        want.append(torch.einsum("bhk,bhkv->bhv", q[:, :, i], memory))
    for chunk in (16, 64):
        error = (delta_rule(q, k, v, beta, g, chunk) - torch.stack(want, 2)).abs().max().item()
        assert error < 1e-5, error

    # row p of pass 3 is what the block says at the end of: true rows up to p - 2, then two rows fed by itself
    c = Config(vocab=64, layers=4)
    model = Demo(c).eval()
    for x in model.parameters():
        if x.dim() == 2:
            nn.init.normal_(x, std=x.shape[1] ** -0.5)
    tokens = torch.randint(0, 64, (1, 12))
    with torch.no_grad():
        hidden, earlier = model.trunk(tokens), []
        one = model.mtp(tokens, hidden, 1, earlier)
        two = model.mtp(tokens, one, 2, earlier)
        three = model.mtp(tokens, two, 3, earlier)
        for p in range(3, 12):
            fed = hidden.clone()
            fed[:, p - 2] = model.mtp(tokens[:, :p - 1], fed[:, :p - 1])[:, -1]
            fed[:, p - 1] = model.mtp(tokens[:, :p], fed[:, :p])[:, -1]
            last = model.mtp(tokens[:, :p + 1], fed[:, :p + 1])[:, -1]
            assert (last - three[:, p]).abs().max() < 1e-4, p
    print("model: the chunked delta rule and the draft passes agree with their definitions")


if __name__ == "__main__":
    tests()
