"""The page of a cohort: every image, outliers first; contrast codes and sites before and after."""

from collections.abc import Sequence

from .charts import Bar, Point, bar_chart, group_mark, scatter_chart
from .cohort import Standing, code_ranges, groups_of, probe_sites, rank
from .figures import LABELS
from .markup import Markup, tag
from .measures import MEASURES
from .shell import document, theme_button
from .summaries import Summary


def cohort_page(summaries: Sequence[Summary], outlier: float) -> str:
    """The page; an image whose robust z is above `outlier` is marked."""
    standings = rank(summaries)
    subjects = len({summary.subject for summary in summaries})
    content = [
        tag("header", tag("h1", "Harmonized cohort"), theme_button()),
        tag("p", f"Images: {len(summaries)}, subjects: {subjects}", class_="faint"),
        _random_note(summaries),
        _outliers(standings, outlier),
        *_codes(summaries),
        _probe(summaries),
        tag("h2", "All images"),
        tag(
            "p",
            "Before above, after below. Press a heading to sort; the first click puts the largest on top.",
            class_="explain screen",
        ),
        _table(standings, outlier),
        tag("footer", "For research; no medical device."),
    ]
    return document("Harmonized cohort", [item for item in content if item], wide=True)


def _random_note(summaries: Sequence[Summary]) -> Markup | None:
    if not any(summary.random for summary in summaries):
        return None
    return tag(
        "div", tag("strong", "Meaningless: random weights."), " This run only tries the bundle out.", class_="note"
    )


def _outliers(standings: Sequence[Standing], outlier: float) -> Markup:
    found = [standing for standing in standings if (standing.score or 0.0) > outlier]
    if all(standing.score is None for standing in standings):
        return tag("div", "Too few images of a contrast to say which stand out.", class_="note calm")
    if not found:
        return tag(
            "div",
            f"No image is further than {outlier:g} robust standard deviations from the others.",
            class_="note calm",
        )
    items = [
        tag(
            "li",
            tag("a", f"{s.summary.name} {LABELS[s.summary.contrast]}", href=s.summary.page),
            f": {MEASURES[s.measure].label.lower()} {MEASURES[s.measure].text(s.summary.values[s.measure])},",
            f" z {s.score:.1f}",
        )
        for s in found
    ]
    return tag("div", tag("strong", "Unlike the others"), tag("ul", items), class_="note")


def _codes(summaries: Sequence[Summary]) -> list[Markup]:
    """Two scatter plots for each contrast."""
    group = groups_of(summaries)
    names = sorted({group(summary) for summary in summaries})
    parts = []
    for contrast in dict.fromkeys(summary.contrast for summary in summaries):
        found = code_ranges([summary for summary in summaries if summary.contrast == contrast])
        if found is None:
            continue
        points, ranges = found
        targets = {(numbers[0], numbers[1]) for _, numbers in points["target"]}
        pictures = []
        for when, title in (("before", "sources"), ("after", "harmonized")):
            marks = [Point(numbers[0], numbers[1], group(s), f"{s.name}, {group(s)}") for s, numbers in points[when]]
            marks += [Point(x, y, None, "target") for x, y in sorted(targets)]
            chart = scatter_chart(marks, names, "code 1", "code 2", f"{LABELS[contrast]} {title}", ranges)
            pictures.append(tag("figure", chart, tag("figcaption", f"{LABELS[contrast]}, {title}")))
        parts.append(tag("div", pictures, class_="pair"))
    if not parts:
        return []
    legend = [tag("span", group_mark(place), name) for place, name in enumerate(names)]
    legend.append(tag("span", group_mark(None), "target"))
    explanation = (
        "Each image's contrast code, as the network reads it. Before, scanners form groups; afterwards all should"
        " lie near the target. Point at a mark for its name."
    )
    return [
        tag("h2", "Contrast codes"),
        tag("p", explanation, class_="explain"),
        tag("p", legend, class_="legend"),
        *parts,
    ]


def _probe(summaries: Sequence[Summary]) -> Markup:
    found = probe_sites(summaries)
    title = tag("h2", "Can the site still be told?")
    if isinstance(found, str):
        return tag("section", title, tag("p", found, class_="explain"))
    charts = []
    for accuracy in found:
        bars = [
            Bar("before", accuracy.before, f"{accuracy.before:.0%}", "#8c8c8c"),
            Bar("after", accuracy.after, f"{accuracy.after:.0%}", "#2b8cc9"),
            Bar("chance", accuracy.chance, f"{accuracy.chance:.0%}", "#c9c9c9"),
        ]
        caption = f"{LABELS[accuracy.contrast]}: {accuracy.images} images of {accuracy.sites} sites."
        label = f"{LABELS[accuracy.contrast]}: accuracy of the site probe"
        charts.append(tag("figure", bar_chart(bars, label, most=1.0, width=440), tag("figcaption", caption)))
    explanation = (
        "A classifier is trained on brightness, sharpness and texture, and names the site of subjects it has not"
        " seen: balanced accuracy. The nearer to chance after harmonization, the better."
    )
    return tag("section", title, tag("p", explanation, class_="explain"), tag("div", charts, class_="pair"))


def _table(standings: Sequence[Standing], outlier: float) -> Markup:
    used = [key for key in MEASURES if any(key in standing.summary.values for standing in standings)]
    heads = [
        _head("subject", ""),
        tag("th", tag("span", "slices", class_="faint")),
        _head("contrast", ""),
        _head("site", ""),
        _head("stands out", "largest robust z over all measures, within the contrast", number=True, sorted_=True),
    ]
    heads += [_head(MEASURES[key].label, MEASURES[key].meaning, number=True) for key in used]
    rows = [_row(standing, used, outlier) for standing in standings]
    table = tag("table", tag("thead", tag("tr", heads)), tag("tbody", rows), class_="cohort")
    return tag("div", table, class_="table")


def _head(label: str, meaning: str, number: bool = False, sorted_: bool = False) -> Markup:
    return tag(
        "th",
        tag("button", label, type="button", title=meaning or None),
        class_="number" if number else None,
        aria_sort="descending" if sorted_ else None,
    )


def _row(standing: Standing, used: Sequence[str], outlier: float) -> Markup:
    summary = standing.summary
    link = tag("a", summary.name, href=summary.page)
    picture = tag(
        "a",
        tag("img", src=summary.thumbnail, alt=f"{summary.name} before and after", loading="lazy"),
        href=summary.page,
    )
    place = summary.site or summary.scanner
    score = "" if standing.score is None else f"{standing.score:.2f}"
    marked = (standing.score or 0.0) > outlier
    cells = [
        tag("td", link, data_value=summary.name),
        tag("td", picture),
        tag("td", LABELS[summary.contrast], data_value=summary.contrast),
        tag("td", place, data_value=place),
        tag("td", score, class_="number flag" if marked else "number", data_value=score),
    ]
    for key in used:
        value = summary.values.get(key)
        shown = "" if value is None else MEASURES[key].text(value)
        cells.append(tag("td", shown, class_="number", data_value="" if value is None else f"{value:.8g}"))
    return tag("tr", cells)
