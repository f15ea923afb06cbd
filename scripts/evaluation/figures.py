"""Figures of an evaluation, drawn without a display."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .measurements import RESCAN, UNHARMONIZED, Measurement
from .pair_table import PairRow
from .probe_table import ProbeRow
from .region_table import RegionRow

# Okabe and Ito's palette, which colour-blind readers can tell apart; grey for the two rows that are no method.
_METHOD_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442")
_FIXED_COLOURS = {UNHARMONIZED: "#8c8c8c", RESCAN: "#d0d0d0"}
_FONT_SIZE = 9


def draw_boxes(measurements: Sequence[Measurement], measure: str, label: str, path: Path, dpi: int) -> None:
    """Box plot of one measure per method, a panel per contrast; dots are single images."""
    chosen = [m for m in measurements if m.measure == measure and math.isfinite(m.value)]
    contrasts = list(dict.fromkeys(m.contrast for m in chosen))
    methods = list(dict.fromkeys(m.method for m in chosen))
    if not chosen:
        return
    colours = _colours(methods)
    width = 0.9 + len(contrasts) * (0.7 + 0.42 * len(methods))
    figure = Figure(figsize=(width, 3.6), layout="constrained")
    panels = figure.subplots(1, len(contrasts), sharey=True, squeeze=False)[0]
    for panel, contrast in zip(panels, contrasts, strict=True):
        for place, method in enumerate(methods):
            values = [m.value for m in chosen if (m.contrast, m.method) == (contrast, method)]
            if values:
                _draw_box(panel, place, values, colours[method])
        _finish(panel, contrast)
        panel.set_xticks(
            range(len(methods)), methods, rotation=45, ha="right", rotation_mode="anchor", fontsize=_FONT_SIZE
        )
        panel.set_xlim(-0.6, len(methods) - 0.4)
    panels[0].set_ylabel(label, fontsize=_FONT_SIZE)
    figure.savefig(path, dpi=dpi)


def draw_region_bars(rows: Sequence[RegionRow], path: Path, dpi: int) -> None:
    """CV of Dice and of volume per region and method, with sd over subjects where there are several."""
    regions = list(dict.fromkeys(row.region for row in rows))
    methods = list(dict.fromkeys(row.method for row in rows))
    height = 1.2 + len(regions) * (0.2 + 0.09 * len(methods))
    figure = Figure(figsize=(8.5, height), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for panel, name, title in zip(panels, ("dice_cv", "volume_cv"), ("CV of Dice", "CV of volume"), strict=True):
        _draw_bars(panel, rows, methods, regions, name)
        _finish(panel, title)
        panel.set_yticks(range(len(regions)), [region.replace("_", " ") for region in regions], fontsize=_FONT_SIZE)
        panel.set_xlim(left=0.0)
        panel.set_ylim(len(regions) - 0.5, -0.5)
    handles, labels = panels[1].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=min(len(methods), 4), frameon=False, fontsize=_FONT_SIZE
    )
    figure.savefig(path, dpi=dpi)


def draw_probe_bars(rows: Sequence[ProbeRow], path: Path, dpi: int) -> None:
    """Balanced accuracy of the site probe per method, a panel per contrast, with chance as a dashed line."""
    contrasts = list(dict.fromkeys(row.contrast for row in rows))
    colours = _colours(list(dict.fromkeys(row.method for row in rows)))
    width = 0.9 + len(contrasts) * (0.7 + 0.42 * len(colours))
    figure = Figure(figsize=(width, 3.4), layout="constrained")
    panels = figure.subplots(1, len(contrasts), sharey=True, squeeze=False)[0]
    for panel, contrast in zip(panels, contrasts, strict=True):
        chosen = [row for row in rows if row.contrast == contrast]
        methods = [row.method for row in chosen]
        panel.bar(range(len(chosen)), [row.balanced_accuracy for row in chosen], color=[colours[m] for m in methods])
        panel.axhline(chosen[0].balanced_chance, color="black", linewidth=1, linestyle="--", label="chance")
        _finish(panel, contrast)
        panel.set_xticks(
            range(len(methods)), methods, rotation=45, ha="right", rotation_mode="anchor", fontsize=_FONT_SIZE
        )
        panel.set_ylim(0.0, 1.0)
    panels[0].set_ylabel("balanced accuracy of site", fontsize=_FONT_SIZE)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper right", frameon=False, fontsize=_FONT_SIZE)
    figure.savefig(path, dpi=dpi)


def draw_pair_bars(rows: Sequence[PairRow], measure: str, label: str, path: Path, dpi: int) -> None:
    """One measure of each pair of scanners per method, a panel for each contrast and tissue."""
    chosen = [row for row in rows if row.measure == measure]
    panels = list(dict.fromkeys((row.contrast, row.tissue) for row in chosen))
    methods, pairs = (list(dict.fromkeys(getattr(row, name) for row in chosen)) for name in ("method", "pair"))
    colours, thickness = _colours(methods), 0.8 / len(methods)
    figure = Figure(
        figsize=(1 + 3 * len(panels), 1.2 + len(pairs) * (0.25 + 0.12 * len(methods))), layout="constrained"
    )
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for panel, (contrast, tissue) in zip(axes, panels, strict=True):
        means = {(row.method, row.pair): row.mean for row in chosen if (row.contrast, row.tissue) == (contrast, tissue)}
        for index, method in enumerate(methods):
            places = np.arange(len(pairs)) + (index - (len(methods) - 1) / 2) * thickness
            values = [means.get((method, pair), math.nan) for pair in pairs]
            panel.barh(places, values, thickness * 0.9, color=colours[method], label=method)
        _finish(panel, f"{contrast}, {tissue}")
        panel.set_xlabel(label, fontsize=_FONT_SIZE)
        panel.set_yticks(range(len(pairs)), pairs, fontsize=_FONT_SIZE)
        panel.set_ylim(len(pairs) - 0.5, -0.5)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False, fontsize=_FONT_SIZE)
    figure.savefig(path, dpi=dpi)


def _draw_box(panel: Axes, place: int, values: Sequence[float], colour: str) -> None:
    boxes = panel.boxplot(
        [values],
        positions=[place],
        widths=0.6,
        patch_artist=True,
        showfliers=False,
        medianprops={"color": "black"},
        manage_ticks=False,
    )
    boxes["boxes"][0].set(facecolor=colour, alpha=0.55)
    # Evenly spread rather than random, so that the same numbers draw the same picture.
    offsets = np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else [0.0]
    panel.plot(place + np.asarray(offsets), values, ".", color=colour, markersize=3, alpha=0.8)


def _draw_bars(
    panel: Axes, rows: Sequence[RegionRow], methods: Sequence[str], regions: Sequence[str], name: str
) -> None:
    colours, thickness = _colours(methods), 0.8 / len(methods)
    found = {(row.method, row.region): row for row in rows}
    for index, method in enumerate(methods):
        own = [found[method, region] for region in regions]
        means = [getattr(row, f"{name}_mean") for row in own]
        spreads = [getattr(row, f"{name}_sd") for row in own]
        places = np.arange(len(regions)) + (index - (len(methods) - 1) / 2) * thickness
        panel.barh(places, means, thickness * 0.9, color=colours[method], label=method)
        panel.errorbar(means, places, xerr=spreads, fmt="none", ecolor="#404040", elinewidth=0.7)


def _finish(panel: Axes, title: str) -> None:
    panel.set_title(title, fontsize=10)
    panel.tick_params(labelsize=8)
    panel.spines[["top", "right"]].set_visible(False)
    panel.grid(alpha=0.25)
    panel.set_axisbelow(True)


def _colours(methods: Sequence[str]) -> dict[str, str]:
    free = [method for method in methods if method not in _FIXED_COLOURS]
    return _FIXED_COLOURS | {m: _METHOD_COLOURS[index % len(_METHOD_COLOURS)] for index, m in enumerate(free)}
