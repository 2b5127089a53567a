"""Training in double precision with torch primitives: what golden_trajectories.py stores and compares.

Written from the formulas of docs/objectives.md, one sequence at a time, without token trees, micro-batches or ranks.
"""
import dataclasses
import json
import math

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer
from torch.nn.functional import logsigmoid, silu

torch.set_num_threads(1)


@dataclasses.dataclass
class Rules:
    """The rules of a step; another value than the default is a mistake that the goldens have to see."""

    by_hand: bool = False                # no mistake: the update without torch.optim
    warmup: str = "reached after"        # "reached at": k / w; "none"
    last_step: str = "above floor"       # "at floor": the last step has the smallest rate
    has_floor: bool = True
    clips: bool = True
    decays: str = "matrices"             # "all", "none"; "in gradient": not decoupled
    epsilon: str = "outside"             # "inside": of the bias-corrected root
    correction: str = "own"              # "late", "none": bias correction of the step before, or none
    head_rate: str = "own"               # "body"
    norm_counts_tied: int = 1            # how often the embedding counts in the norm
    counts_eos: bool = True
    alpha_scale: float = 1.0
    disagreement: str = "configured"     # another rule for R < 0
    divides_by: str = "configured"       # "examples": ignore denominator: weights
    baseline: str = "clamped"            # "free", "zero"
    length_normalised: bool = True


class Model:
    """A Llama model in double precision; a scalar head when one is given."""

    def __init__(self, directory, head=None):
        self.config = json.load(open(f"{directory}/config.json"))
        tensors = load_file(f"{directory}/model.safetensors")
        if head is not None:
            tensors |= load_file(head)
        self.weights = {name: t.double().requires_grad_() for name, t in sorted(tensors.items())}
        self.tokenizer = Tokenizer.from_file(f"{directory}/tokenizer.json")
        self.bos = self.tokenizer.encode("").ids
        self.eos = [self.config["eos_token_id"]]

    def ids(self, text):
        return self.tokenizer.encode(text, add_special_tokens=False).ids

    def hidden(self, ids):
        """The hidden states of a sequence after the final norm."""
        c, w = self.config, self.weights
        heads, groups, width = c["num_attention_heads"], c["num_key_value_heads"], c["head_dim"]
        count = len(ids)
        frequency = c["rope_theta"] ** (-torch.arange(0, width, 2, dtype=torch.double) / width)
        angle = torch.outer(torch.arange(count, dtype=torch.double), frequency).repeat(1, 2)
        future = torch.ones(count, count, dtype=torch.bool).triu(1)

        def norm(x, name):
            return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + c["rms_norm_eps"]) * w[name]

        def rotated(x):
            half = width // 2
            return x * angle.cos() + torch.cat([-x[..., half:], x[..., :half]], -1) * angle.sin()

        x = w["model.embed_tokens.weight"][torch.tensor(ids)]
        for layer in range(c["num_hidden_layers"]):
            at = f"model.layers.{layer}."

            def project(y, name, parts):
                return (y @ w[f"{at}self_attn.{name}_proj.weight"].T).view(count, parts, width).transpose(0, 1)

            y = norm(x, at + "input_layernorm.weight")
            q, k, v = rotated(project(y, "q", heads)), rotated(project(y, "k", groups)), project(y, "v", groups)
            k, v = (t.repeat_interleave(heads // groups, 0) for t in (k, v))
            scores = (q @ k.transpose(1, 2) / math.sqrt(width)).masked_fill(future, -math.inf)
            mixed = (scores.softmax(-1) @ v).transpose(0, 1).reshape(count, -1)
            x = x + mixed @ w[at + "self_attn.o_proj.weight"].T
            y = norm(x, at + "post_attention_layernorm.weight")
            gated = silu(y @ w[at + "mlp.gate_proj.weight"].T) * (y @ w[at + "mlp.up_proj.weight"].T)
            x = x + gated @ w[at + "mlp.down_proj.weight"].T
        return norm(x, "model.norm.weight")

    def token_logprobs(self, prompt, response):
        """Log-probabilities of a response's tokens after a prompt, both token ids."""
        rows = self.hidden(prompt + response)[len(prompt) - 1:-1]
        logits = rows @ self.weights["model.embed_tokens.weight"].T
        return logits.log_softmax(-1).gather(1, torch.tensor(response)[:, None])[:, 0]

    def score(self, ids):
        """The scalar head at the last token."""
        return (self.hidden(ids)[-1] @ self.weights["score.weight"].T)[0]


class LibraryAdamW:
    """torch.optim.AdamW, whose decay is decoupled and whose epsilon stands outside the root, with decay on matrices only."""

    def __init__(self, weights, settings):
        self.weights = weights
        groups = [
            {"params": [w], "name": name, "weight_decay": settings["weight_decay"] if w.dim() >= 2 else 0}
            for name, w in weights.items()]
        betas = settings.get("beta1", 0.9), settings.get("beta2", 0.999)
        self.optimizer = torch.optim.AdamW(groups, betas=betas, eps=settings.get("epsilon", 1e-8), foreach=False)

    def step(self, number, gradients, rate):
        for name, w in self.weights.items():
            w.grad = gradients[name]
        for group in self.optimizer.param_groups:
            group["lr"] = rate(group["name"])
        self.optimizer.step()


class AdamW:
    """The same by hand, since the library cannot be told to make mistakes."""

    def __init__(self, weights, settings, rules):
        self.weights, self.settings, self.rules = weights, settings, rules
        self.moments = {n: (torch.zeros_like(w), torch.zeros_like(w)) for n, w in weights.items()}

    @torch.no_grad()
    def step(self, number, gradients, rate):
        """Update `number`, counted from 1, with `rate(name)`."""
        s, rules = self.settings, self.rules
        beta1, beta2, epsilon = s.get("beta1", 0.9), s.get("beta2", 0.999), s.get("epsilon", 1e-8)
        for name, w in self.weights.items():
            g, (m, v) = gradients[name], self.moments[name]
            decay = s["weight_decay"] if w.dim() >= 2 or rules.decays == "all" else 0
            if rules.decays == "in gradient":
                g = g + decay * w
            elif rules.decays != "none":
                w.mul_(1 - rate(name) * decay)
            m.lerp_(g, 1 - beta1)
            v.mul_(beta2).addcmul_(g, g, value=1 - beta2)
            n = {"own": number, "late": number + 1, "none": math.inf}[rules.correction]
            mean, square = m / (1 - beta1**n), v / (1 - beta2**n)
            root = square.sqrt() + epsilon if rules.epsilon == "outside" else (square + epsilon).sqrt()
            w.sub_(rate(name) * mean / root)


def rate_factor(step, settings, rules):
    """The learning rate of update `step`, counted from 0, as a share of its peak."""
    total = settings["steps"]
    warmup = settings.get("warmup_steps")
    if warmup is None:
        warmup = math.ceil(settings["warmup_ratio"] * total)
    if step < warmup and rules.warmup != "none":
        return (step + 1) / (warmup + 1) if rules.warmup == "reached after" else step / warmup
    done = (step - warmup) / (total - warmup - (rules.last_step == "at floor"))
    decay = {"constant": 1, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}[settings["schedule"]]
    floor = settings.get("minimum_learning_rate_ratio", 0) if rules.has_floor else 0
    return floor + (1 - floor) * decay


class Method:
    """One training pass: `loss(step)` is the loss of that step's batch under the model as it is."""

    def __init__(self, model, name, settings, rows, strengths, draws, rules):
        self.model, self.settings, self.rows, self.draws, self.rules = model, settings, rows, draws, rules
        self.name = name
        self.eos = model.eos if rules.counts_eos else []
        self.weight = self.pair_weights(strengths)
        self.reference = {}
        self.baselines = []
        self.loss = getattr(self, name)

    def batch(self, step):
        """Rows of a step in file order; the last batch of an epoch runs on into the next one."""
        size = self.settings["batch_size"]
        return [k % len(self.rows) for k in range(step * size, (step + 1) * size)]

    def pair_weights(self, strengths):
        """(weight, flipped) of the pairs by row, and by (better, worse) of lists; None without coefficients."""
        if strengths is None:
            return lambda *pair: (1.0, False)
        c = self.settings["coefficients"]

        def weight(*pair):
            r = strengths[pair]
            power = abs(r) ** (c["alpha"] * self.rules.alpha_scale)
            if r >= 0:
                return (power if r > 0 else 0.0), False
            rule = c["disagreement"] if self.rules.disagreement == "configured" else self.rules.disagreement
            return {"zero": (0.0, False), "absolute": (power, False), "flip": (power, True)}[rule]

        return weight

    def responses(self, row):
        return row["responses"] if "responses" in row else [row["chosen"], row["rejected"]]

    def logprobs(self, query_row, response_row, place):
        """Token log-probabilities of a row's response after another row's or its own query."""
        query, response = self.rows[query_row]["prompt"], self.responses(self.rows[response_row])[place]
        return self.model.token_logprobs(
            self.model.bos + self.model.ids(query), self.model.ids(response) + self.eos)

    def ratio(self, *at):
        """log π − log π_ref; the reference is the model before its first update."""
        if at not in self.reference:
            with torch.no_grad():
                self.reference[at] = self.start.logprobs(*at).sum()
        return self.logprobs(*at).sum() - self.reference[at]

    def divided(self, total, weights):
        by_weights = self.settings.get("coefficients", {}).get("denominator") == "weights"
        return total / (sum(weights) if by_weights and self.rules.divides_by == "configured" else len(weights))

    def sft(self, step):
        tokens = torch.cat([self.logprobs(i, i, 0) for i in self.batch(step)])
        return -tokens.mean()

    def reward(self, step):
        def score(row, response):
            m = self.model
            return m.score(m.bos + m.ids(row["prompt"]) + m.ids(response) + m.eos)

        rows = [self.rows[i] for i in self.batch(step)]
        return torch.stack([-logsigmoid(score(r, r["chosen"]) - score(r, r["rejected"])) for r in rows]).mean()

    def difference(self, step):
        m, s = self.model, self.settings

        def d(row, first, second):
            parts = f"Query: {row['prompt']}", f"; Response 1: {row[first]}", f"; Response 2: {row[second]}"
            return m.score(m.bos + sum(map(m.ids, parts), []) + m.eos)

        terms = []
        for i, first, twice in zip(self.batch(step), self.draws[step]["first"], self.draws[step]["duplicated"]):
            row, second = self.rows[i], "rejected" if first == "chosen" else "chosen"
            main, back = d(row, first, second), d(row, second, first)
            sign = 1 if first == "chosen" else -1
            loss = -logsigmoid(sign * main)
            if s.get("both_orders"):
                loss = (loss - logsigmoid(-sign * back)) / 2
            terms.append(
                loss + s["lambda_duplication"] * d(row, twice, twice) ** 2 + s["lambda_reverse"] * (main + back) ** 2)
        return torch.stack(terms).mean()

    def dpo(self, step):
        rows = self.batch(step)
        weights = [self.weight(i) for i in rows]
        losses = []
        for i, (c, flipped) in zip(rows, weights):
            h = self.ratio(i, i, 0) - self.ratio(i, i, 1)
            losses.append(-c * logsigmoid(self.settings["beta"] * (-h if flipped else h)))
        return self.divided(sum(losses), [c for c, _ in weights])

    def rrhf(self, step):
        losses = []
        for i in self.batch(step):
            scores = self.rows[i]["scores"]
            tokens = [self.logprobs(i, i, k) for k in range(len(scores))]
            p = [t.mean() if self.rules.length_normalised else t.sum() for t in tokens]
            loss = -tokens[scores.index(max(scores))].mean()
            for better in range(len(scores)):
                for worse in range(len(scores)):
                    if scores[better] > scores[worse]:
                        c, flipped = self.weight(i, better, worse)
                        gap = p[better] - p[worse] if flipped else p[worse] - p[better]
                        loss = loss + self.settings["ranking_weight"] * c * gap.clamp(min=0)
            losses.append(loss)
        return torch.stack(losses).mean()

    def kto(self, step):
        s, rows = self.settings, self.batch(step)
        with torch.no_grad():
            mismatched = [
                self.ratio(i, *partner) for i, partners in zip(rows, self.draws[step]["partners"])
                for partner in partners if partner]
            baseline = torch.stack(mismatched).mean()
            self.baselines.append(float(baseline))
            if self.rules.baseline != "free":
                baseline = baseline.clamp(min=0) * (self.rules.baseline == "clamped")
        losses, weights = [], []
        for i in rows:
            c, _ = self.weight(i)
            good, bad = self.ratio(i, i, 0) - baseline, baseline - self.ratio(i, i, 1)
            losses.append(c * s["desirable_weight"] * (1 - torch.sigmoid(s["beta"] * good)))
            losses.append(c * s["undesirable_weight"] * (1 - torch.sigmoid(s["beta"] * bad)))
            weights += [c, c]
        return self.divided(sum(losses), weights)


def train(method, start):
    """Trains `method`'s model; `start` is a method with the model that stays as it was.

    Returns the loss, the gradient norm before clipping and the learning rate of each step.
    """
    settings, rules, model = method.settings, method.rules, method.model
    method.start = start
    # The head of the language model is the embedding, so its gradient is one of both uses.
    weights = model.weights
    optimizer = LibraryAdamW(weights, settings) if rules == Rules() else AdamW(weights, settings, rules)
    steps = []
    for step in range(settings["steps"]):
        loss = method.loss(step)
        gradients = dict(zip(weights, torch.autograd.grad(loss, list(weights.values()))))
        squares = {name: float(g.square().sum()) for name, g in gradients.items()}
        squares["model.embed_tokens.weight"] *= rules.norm_counts_tied
        norm = math.sqrt(sum(squares.values()))
        if settings["max_grad_norm"] > 0 and rules.clips:
            scale = min(1, settings["max_grad_norm"] / (norm + 1e-6))
            gradients = {name: g * scale for name, g in gradients.items()}
        factor = rate_factor(step, settings, rules)

        def rate(name):
            has_own = name == "score.weight" and rules.head_rate == "own"
            return factor * settings["head_learning_rate" if has_own else "learning_rate"]

        optimizer.step(step + 1, gradients, rate)
        steps.append({"loss": loss.item(), "grad_norm": norm, "learning_rate": factor * settings["learning_rate"]})
    return steps
