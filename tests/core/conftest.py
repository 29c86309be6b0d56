"""How Hypothesis looks for counterexamples to the rules."""

from hypothesis import HealthCheck, Phase, settings

settings.register_profile(
    "core",
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
