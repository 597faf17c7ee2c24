"""The chest network: the published parameter counts, and a region predictor that learns."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.chest.network import build  # noqa: E402  after the check for torch
from models.layers.densenet import XRV_OUTPUTS, XrvTeacher, densenet  # noqa: E402
from models.layers.mxa import MXA, in_view  # noqa: E402
from training.distillation import distilled  # noqa: E402
from training.losses import binary_cross_entropy  # noqa: E402

SMALL = {"widths": (24, 24, 24), "heads": (3, 3, 3), "growth": 4, "dense": (1, 1, 1, 1)}
OPTIONS = [
    {}, {"mxa": False}, {"outputs": 2}, {"merge": "released"}, {"roi": "hard"}, {"maximum": True}, {"kernels": (7, 5, 3, 3)},
    {"architecture": "densenet121"},
]  # fmt: skip


def network(**options):
    torch.manual_seed(0)
    return build({**SMALL, **options}).eval()


def films(count=2, seed=0):
    return torch.randn(count, 1, 224, 224, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(
    ("options", "expected"),
    [({"mxa": False, "channels": 3}, 12_094_162), ({}, 16_149_010), ({"outputs": 2}, 16_155_168), ({"merge": "released"}, 16_149_010)],
)
def test_the_full_network_has_the_published_number_of_parameters(options, expected):
    assert sum(parameter.numel() for parameter in build(options).parameters()) == expected


def test_the_teacher_is_densenet_121():
    assert sum(parameter.numel() for parameter in densenet(32)[0].parameters()) == 6_947_584  # torchvision's, with one channel


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_gives_probabilities_a_map_and_eight_boxes(options):
    probabilities, attention, regions, features = network(**options)(films())
    assert (probabilities.shape, attention.shape, regions.shape, features.ndim) == ((2, 14), (2, 7, 7), (2, 8, 4), 4)
    assert bool(((probabilities >= 0) & (probabilities <= 1)).all())
    assert torch.allclose(attention.sum((1, 2)), torch.ones(2), atol=1e-5)


def test_one_sigmoid_and_no_second():
    model = network()
    assert torch.allclose(model(films())[0], model.logits(films()).sigmoid())


def test_two_heads_answer_with_their_mean_and_are_taught_apart():
    model = network(outputs=2)
    first, second = model.logits(films())
    assert torch.allclose(model(films())[0], ((first + second) / 2).sigmoid(), atol=1e-6)


def test_the_region_predictor_is_trained_through_the_grid_and_not_through_the_released_cut():
    for roi, learns in (("grid", True), ("hard", False)):
        torch.manual_seed(0)
        block = MXA(16, roi)
        block(torch.randn(2, 16, 14, 14)).found.sum().backward()
        gradient = block.predict[0].weight.grad
        assert (gradient is not None and float(gradient.abs().sum()) > 0) is learns


def test_a_box_is_ordered_never_empty_and_the_whole_view_at_its_limit():
    block = MXA(16)
    raw = torch.rand(100, 4, generator=torch.Generator().manual_seed(0))
    boxes = block.box(raw)
    assert bool(((boxes[:, 2:] - boxes[:, :2]) >= 0.25 - 1e-6).all())
    assert 0 <= float(boxes.min()) <= float(boxes.max()) <= 1 + 1e-6
    assert torch.allclose(block.box(torch.tensor([[0.3, 0.7, 1.0, 1.0]])), torch.tensor([[0.0, 0.0, 1.0, 1.0]]))


def test_looking_into_the_whole_view_changes_nothing(monkeypatch):
    torch.manual_seed(0)
    block = MXA(16).eval()
    x = torch.randn(2, 16, 7, 7)
    monkeypatch.setattr(block, "box", lambda raw: torch.tensor([[0.0, 0.0, 1.0, 1.0]]).expand(len(raw), 4))
    weighed = x * block.gate(x.mean((2, 3), keepdim=True)).sigmoid()
    gate = block.place(torch.cat((weighed.amax(1, keepdim=True), weighed.mean(1, keepdim=True)), 1)).sigmoid()
    assert torch.allclose(block(x).found, weighed * gate, atol=1e-5)


def test_a_gate_over_a_box_lies_in_the_view_where_the_box_lies():
    gate = torch.zeros(1, 7, 7)
    gate[0, 3, 3] = 1
    seen = in_view(gate, torch.tensor([[0.5, 0.5, 1.0, 1.0]]))[0]
    assert divmod(int(seen.argmax()), 7) == (5, 5)
    assert float(seen[:3, :3].sum()) < 1e-3


def test_distillation_passes_over_what_is_not_known_and_takes_the_teachers_word_once():
    logits = (torch.zeros(2, 3), torch.tensor([[2.0, -1.0, 0.5], [0.0, 1.0, -2.0]]))
    target = torch.tensor([[1.0, 0.0, float("nan")], [0.0, 1.0, 1.0]])
    taught = torch.full((2, 3), float("nan"))
    taught[:, 0] = logits[1][:, 0].sigmoid()
    told = distilled(logits, target, taught).detach()
    assert float(told) == pytest.approx(0.5 * float(binary_cross_entropy(logits[0], target)) + 0.5 * float(
        binary_cross_entropy(logits[1][:, :1], taught[:, :1])))
    assert torch.isfinite(told)


def test_torchxrayvisions_weights_teach_eleven_findings_rescaled_at_their_operating_points():
    features, channels = densenet(32)
    state = {f"features.{name}": value for name, value in features.state_dict().items()}
    state |= {"classifier.weight": torch.zeros(18, channels), "classifier.bias": torch.full((18,), -1.4), "op_threshs": torch.zeros(18)}
    taught = XrvTeacher(state).eval()(films(1))[0]
    known = [output >= 0 for output in XRV_OUTPUTS]
    assert (sum(known), (~taught.isnan()).tolist()) == (11, known)
    raw = float(torch.tensor(-1.4).sigmoid())
    assert float(taught[2].detach()) == pytest.approx(1 - (1 - raw) / (2 * (1 - 0.1971)), abs=1e-5)  # cardiomegaly lies above its point


def test_the_head_says_of_the_features_what_the_whole_says_of_the_film():
    model = network(outputs=2)
    assert torch.allclose(model(films())[0], model.decide(model.encode(films())).sigmoid(), atol=1e-6)
