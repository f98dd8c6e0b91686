"""The same functions with sliders. ipywidgets is imported only here; scheduled notebooks use none of this."""

from __future__ import annotations

from html import escape

import ipywidgets as w

from .drills.drills import clean_case, planted_case
from .pipeline import check, impact
from .policy_file import read_policy
from .records import SkewkitError
from .results import plots
from .scenarios import scenario
from .scope import Scope
from .skews import SKEWS, make
from .statistics.metrics import named

DRAWS = 50  # enough for a first look; a drill takes more
STEPS = (0, 0.01, 0.05, 0.1, 0.25, 0.5, 1)  # of severity


class Explorer(w.VBox):
    """Choose a skew, how wrong it is, its severity and a feature; see before and after, the cost, and what notices."""

    def __init__(self, world: str, sample: int):
        self.world = scenario(world)
        self.policy = read_policy()
        self.case = clean_case(self.world, sample)
        self.steady = check(self.case, self.policy).by_check()
        self.unskewed = self.case.replayed.frame()
        self.skew = w.Dropdown(options=list(SKEWS), value="time_zone", description="skew")
        self.wrong = w.Dropdown(description="how wrong")
        self.severity = w.SelectionSlider(options=STEPS, value=0.25, description="severity", continuous_update=False)
        self.feature = w.Dropdown(description="feature")
        self.said = w.HTML()
        self.picture = w.HTML()
        self.cost = w.HTML()
        super().__init__(
            [w.HBox([self.skew, self.wrong]), w.HBox([self.severity, self.feature]), self.said, self.picture, self.cost]
        )
        for control, then in (
            (self.skew, self._offer),
            (self.wrong, self._plant),
            (self.severity, self._plant),
            (self.feature, self._draw),
        ):
            control.observe(self._unless_busy(then), "value")
        self._busy = False
        self._offer()

    def _unless_busy(self, then):
        """What a control does when a person moves it; nothing when another control moved it."""

        def moved(_):
            if not self._busy:
                then()

        return moved

    def _set(self, control, options, value):
        self._busy = True
        control.options, control.value = options, value
        self._busy = False

    def _offer(self):
        """The ways a skew can be wrong, and the first of them planted; a whole table is skewed or not."""
        kind = SKEWS[self.skew.value]
        _, values = kind.choices
        steps = (0, 1) if kind.whole else STEPS
        self._set(self.wrong, values, values[0])
        self._set(self.severity, steps, self.severity.value if self.severity.value in steps else 1)
        self._plant()

    def _plant(self):
        parameter, _ = SKEWS[self.skew.value].choices
        try:
            skew = make(self.skew.value, **{parameter: self.wrong.value})
            scope = Scope(share=self.severity.value)
            self.served = planted_case(self.case, self.unskewed, skew, scope, self.world)
        except SkewkitError as e:
            self.said.value, self.picture.value, self.cost.value = f"<p>{escape(str(e))}</p>", "", ""
            return
        there = [f for f in self.world.roles.features if f in self.served.served.columns]
        offered = [f for f in there if self.served.pairs.agreement(f).differ] or there
        self._set(self.feature, offered, self.feature.value if self.feature.value in offered else offered[0])
        self.said.value = self._noticed(check(self.served, self.policy).by_check())
        self.cost.value = self._costs(impact(self.served, self.policy, draws=DRAWS))
        self._draw()

    def _draw(self):
        f = self.feature.value
        was, now = (self.served.kinds[side][f] for side in ("replayed", "served"))
        if was != now and {"text", "other"} & {was, now}:
            self.picture.value = f"<p>{escape(f)} is {was} replayed and {now} served: nothing to draw together.</p>"
            return
        sides = {"replayed": self.served.replayed.distribution(f), "served": self.served.served.distribution(f)}
        self.picture.value = plots.distributions(f, sides).html()

    def _noticed(self, verdicts):
        words = []
        for name, verdict in verdicts.items():
            was = self.steady[name]
            seen = (
                "noticed"
                if verdict.alarm > was.alarm
                else "alarms already, for the world has drifted"
                if was.alarm
                else "silent"
            )
            words.append(f"<li><code>{name}</code>: <strong>{seen}</strong> ({verdict})</li>")
        return f"<ul>{''.join(words)}</ul>"

    @staticmethod
    def _costs(found):
        shown = found.to_frame().query("change == 'skew' and segment.isna()")[
            ["metric", "before", "after", "delta", "low", "high"]
        ]
        return shown.assign(metric=shown["metric"].map(named)).to_html(
            index=False, escape=True, na_rep="", float_format="{:.4f}".format
        )


def explore(scenario: str = "flights", sample: int = 20_000) -> Explorer:
    """The explorer over about ``sample`` requests of a scenario."""
    return Explorer(scenario, sample)
