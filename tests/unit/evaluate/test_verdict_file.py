"""verdict.json: what is read back is what was written."""

from rsweep.evaluate.verdict import (
    Cost,
    Effect,
    Interval,
    Likeness,
    Standing,
    Verdict,
    read_verdict,
    write_verdict,
)


def test_round_trip(tmp_path):
    standing = Standing(
        "a",
        "within",
        Interval(0.8, 0.7, 0.9),
        None,
        None,
        0.9,
        0.1,
        0.5,
        {"knn": {"accuracy": 0.8}},
        40,
        2,
        Cost(3.0, money=1.5, currency="EUR"),
        {"patch_size": 8},
    )
    verdict = Verdict(
        "crop",
        "classification",
        "balanced_accuracy",
        0.01,
        "Use a.",
        "a",
        "a",
        0.0,
        None,
        0.5,
        {"x": 20, "y": 20},
        44,
        42,
        40,
        "spatial",
        12,
        (standing,),
        effects=(Effect("patch_size", "8", "16", Interval(0.1, 0.0, 0.2), 0.5, (("a", "b"),)),),
        likeness=Likeness(("a", "b"), ((1.0, 0.5), (0.5, 1.0)), ((1.0, 0.2), (0.2, 1.0))),
    )
    write_verdict(verdict, tmp_path / "verdict.json")
    assert read_verdict(tmp_path / "verdict.json") == verdict
