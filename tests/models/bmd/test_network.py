"""XAttn-BMD: shapes, masks, attention, and every option of the recipe."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.bmd import METADATA  # noqa: E402  after the check for torch
from models.bmd.network import build  # noqa: E402

FIELDS = len(METADATA.network_fields)
SMALL = {"trunk_width": 8, "width": 16}
OPTIONS = [
    {},
    {"direction": "none"},
    {"direction": "img_from_meta"},
    {"direction": "meta_from_img"},
    {"streams": "image"},
    {"streams": "metadata"},
    {"fusion_weight": "per_head"},
    {"fusion_weight": "per_channel"},
    {"fusion_weight": "none"},
    {"kv_update": "none"},
    {"image_tokens": "pooled1"},
]


def inputs(cases=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    metadata = 50 + 10 * torch.rand(cases, FIELDS, generator=rng)
    metadata[:, 8:] = 0
    return torch.randn(cases, 3, 224, 224, generator=rng), metadata, torch.ones(cases, FIELDS)


def network(**options):
    torch.manual_seed(0)
    return build({**SMALL, **options}).eval()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_gives_an_estimate_and_attention_that_sums_to_one(options):
    bmd, fields, image, features = network(**options)(*inputs())
    assert features.shape[2:] == (7, 7)
    assert (bmd.shape, fields.shape, image.shape) == ((3, 1), (3, FIELDS), (3, 7, 7))
    assert torch.allclose(fields.sum(1), torch.ones(3), atol=1e-5)
    assert torch.allclose(image.sum((1, 2)), torch.ones(3), atol=1e-5)


def test_a_missing_field_gets_no_attention_and_its_value_no_influence():
    model, (image, metadata, present) = network(), inputs()
    present[:, 3] = 0
    first = model(image, metadata, present)
    metadata[:, 3] += 1000
    assert all(torch.equal(a, b) for a, b in zip(first, model(image, metadata, present), strict=True))
    assert first[1][:, 3].abs().max().item() == 0.0


@pytest.mark.parametrize("field", range(FIELDS))
def test_every_present_field_reaches_the_estimate(field):
    model, (image, metadata, present) = network(), inputs(1)
    other = metadata.clone()
    other[:, field] = 1 if field >= 8 else other[:, field] + 5
    assert not torch.equal(model(image, metadata, present)[0], model(image, other, present)[0])


def test_attention_follows_the_query_because_no_side_has_a_single_token():
    model, (image, metadata, present) = network(), inputs(2)
    _, fields, where, _ = model(image, metadata, present)
    assert not torch.allclose(fields[0], fields[1])
    assert not torch.allclose(where[0], where[1])


def changed_by(model, side):
    """How far each output moves when one modality alone is another patient's: estimate, attention to fields, attention to places."""
    ours, theirs = inputs(1), inputs(1, seed=1)
    model.standardise({"metadata": inputs(16)[1], "present": inputs(16)[2]}, torch.linspace(0.7, 1.1, 16).unsqueeze(1))
    mixed = (theirs[0], *ours[1:]) if side == "image" else (ours[0], *theirs[1:])
    with torch.inference_mode():
        return [float((one - other).abs().max()) for one, other in zip(model(*ours)[:3], model(*mixed)[:3], strict=True)]


def test_the_metadata_alone_change_where_the_network_looks_and_what_it_says():
    estimate, _, places = changed_by(network(), "metadata")
    assert estimate > 1e-5
    assert places > 1e-5


def test_the_image_alone_changes_which_fields_count_and_what_the_network_says():
    estimate, fields, _ = changed_by(network(), "image")
    assert estimate > 1e-5
    assert fields > 1e-5


def test_a_single_image_token_is_the_degenerate_form_whose_attention_follows_nobody():
    assert changed_by(network(image_tokens="pooled1"), "metadata")[2] == 0


def test_a_neighbour_in_the_batch_changes_nothing_but_rounding():
    model, (image, metadata, present) = network(), inputs(3)
    alone = model(image[:1], metadata[:1], present[:1])[0]
    assert torch.allclose(alone, model(image, metadata, present)[0][:1], atol=1e-6)


@pytest.mark.parametrize(("options", "expected"), [({"trunk_width": 64, "width": 128}, 21_284_672)])
def test_the_full_trunk_is_resnet34(options, expected):
    trunk = build(options).image.trunk
    assert sum(parameter.numel() for parameter in trunk.parameters()) == expected


def test_scalers_come_from_present_values_and_live_in_the_graph():
    model, (_, metadata, present) = network(), inputs(3)
    present[0, 0] = 0
    target = torch.tensor([[0.7], [0.9], [1.1]])
    model.standardise({"metadata": metadata, "present": present}, target)
    assert float(model.fields.mean[0]) == pytest.approx(float(metadata[1:, 0].mean()))
    assert float(model.fields.mean[5]) == pytest.approx(float(metadata[:, 5].log1p().mean()))
    assert float(model.target_mean) == pytest.approx(0.9)


def test_gradients_reach_both_streams():
    model, (image, metadata, present) = network().train(), inputs(4)
    model(image, metadata, present)[0].sum().backward()
    assert float(model.image.trunk.conv1.weight.grad.abs().sum()) > 0
    assert float(model.fields.weight_in.grad.abs().sum()) > 0
