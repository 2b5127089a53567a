"""Means with intervals, and what an interval says of a claim."""

import math
import random


def student_quantile(degrees, share=0.975):
    """The t that a Student variable stays below with probability `share` > 1/2."""
    scale = math.exp(math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)) / math.sqrt(degrees * math.pi)

    def below(t):  # 1/2 and the density's integral, by Simpson's rule over angles: t = sqrt(degrees) tan(angle)
        steps, end = 200, math.atan(t / math.sqrt(degrees))
        values = [math.cos(end * step / steps) ** (degrees - 1) for step in range(steps + 1)]
        weighted = values[0] + values[-1] + 4 * sum(values[1:-1:2]) + 2 * sum(values[2:-1:2])
        return 0.5 + scale * math.sqrt(degrees) * weighted * end / steps / 3

    low, high = 0.0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) < share else (low, middle)
    return low


class Estimate:
    """A mean and its 95 % interval."""

    def __init__(self, mean, low, high, count):
        self.mean, self.low, self.high, self.count = mean, low, high, count

    def text(self, digits=3, sign=False):
        half = (self.high - self.low) / 2
        mean = f"{self.mean:+.{digits}f}" if sign else f"{self.mean:.{digits}f}"
        return mean.replace("-", "−") + (f" ± {half:.{digits}f}" if self.count > 1 else "")


def mean(values):
    """Of independent values: Student's interval; of one value no interval (its ends are infinite)."""
    values = list(values)
    average = sum(values) / len(values)
    if len(values) == 1:
        return Estimate(average, -math.inf, math.inf, 1)
    variance = sum((value - average) ** 2 for value in values) / (len(values) - 1)
    half = student_quantile(len(values) - 1) * math.sqrt(variance / len(values))
    return Estimate(average, average - half, average + half, len(values))


def paired(first, second):
    """Mean of first − second, whose values belong together by seed."""
    first, second = list(first), list(second)
    if len(first) != len(second):
        raise ValueError(f"{len(first)} and {len(second)} values cannot be paired")
    return mean(a - b for a, b in zip(first, second))


def verdict(difference):
    """What the interval of a difference that a claim says is above 0 says of the claim."""
    if difference.low > 0:
        return "holds"
    return "does not hold" if difference.high < 0 else "undecided"


def ranks(values):
    """From 1, equal values sharing the mean of theirs."""
    order = sorted(range(len(values)), key=lambda index: values[index])
    result, start = [0.0] * len(values), 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in range(start, end + 1):
            result[order[place]] = (start + end) / 2 + 1
        start = end + 1
    return result


def pearson(first, second):
    """0 where one of them does not vary."""
    a, b = sum(first) / len(first), sum(second) / len(second)
    spread = math.sqrt(sum((x - a) ** 2 for x in first) * sum((y - b) ** 2 for y in second))
    return sum((x - a) * (y - b) for x, y in zip(first, second)) / spread if spread > 0 else 0.0


def bootstrap(items, figure, draws=2000, seed=1):
    """`figure` of the items, with the interval of its values on as many items drawn from them with replacement."""
    source = random.Random(seed)
    drawn = sorted(figure([source.choice(items) for _ in items]) for _ in range(draws))
    return Estimate(
        figure(items), drawn[int(0.025 * draws)], drawn[min(draws - 1, int(0.975 * draws))], len(items))


def rank_correlation(first, second):
    """Spearman's, with a bootstrap interval."""
    return bootstrap(
        list(zip(first, second)), lambda pairs: pearson(*(ranks(list(values)) for values in zip(*pairs))))
