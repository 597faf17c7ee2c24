"""ACMCA: shapes, masks, attention that follows its query, and every option of the recipe."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.alzheimer import CLINICAL, SPEC  # noqa: E402  after the check for torch
from models.alzheimer.network import STREAMS, build  # noqa: E402
from models.spec import answer_names, features_name  # noqa: E402

FIELDS, PANEL = len(CLINICAL.network_fields), 40
SMALL = {"trunk_width": 4, "trunk_blocks": (1, 1, 1, 1), "width": 16, "variants": 24, "genotype_width": 16, "clinical_width": 8}
OPTIONS = [
    {}, {"tokens": "vector"}, {"direction": "symmetric"}, {"direction": "swapped"}, {"direction": "none"}, {"branches": "fnet"},
    {"branches": "transformer"}, {"branches": "none"}, {"fnet_axes": "seq+hidden"}, {"streams": ("mri",)}, {"streams": ("pet",)},
    {"streams": ("genotypes",)}, {"streams": ("clinical",)}, {"streams": ("mri", "pet")}, {"streams": ("mri", "clinical")},
    {"classifier": (16, 8, 8)},
]  # fmt: skip


def inputs(cases=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    images = torch.randn(2, cases, 3, 224, 224, generator=rng)
    clinical = torch.randn(cases, FIELDS, generator=rng)
    genotypes = torch.randint(-1, 3, (cases, PANEL), generator=rng).float()
    return {"mri": images[0], "pet": images[1], "clinical": clinical, "present": torch.ones(cases, FIELDS), "genotypes": genotypes}


def network(**options):
    torch.manual_seed(0)
    return build({**SMALL, **options}).eval()


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_gives_probabilities_and_attention_that_sum_to_one(options):
    given = inputs()
    model = network(**options)
    diagnosis, mri, pet, mri_map, pet_map = model(**given)
    assert (diagnosis.shape, mri.shape, pet.shape) == ((3, 3), (3, 7, 7), (3, 7, 7))
    assert (mri_map.shape[2:], pet_map.shape[2:]) == ((7, 7), (7, 7))
    for output, axes in ((diagnosis, 1), (mri, (1, 2)), (pet, (1, 2))):
        assert torch.allclose(output.sum(axes), torch.ones(3), atol=1e-5)
    assert torch.allclose(model.logits(**given).softmax(1), diagnosis, atol=1e-6)
    assert len(answer_names(SPEC)) + len(SPEC.images) == 5


def test_images_of_half_the_resolution_give_the_same_places():
    given = inputs()
    given |= {name: given[name][..., ::2, ::2] for name in ("mri", "pet")}
    assert network(half=True)(**given)[3].shape[2:] == (7, 7)


def test_the_answer_is_made_of_encode_and_decide():
    given, model = inputs(), network()
    maps = model.encode(given["mri"], given["pet"])
    rest = {name: given[name] for name in ("clinical", "present", "genotypes")}
    assert torch.equal(model.decide(maps, **rest), model.logits(**given))
    assert [features_name(image.name) for image in SPEC.images] == ["mri_features", "pet_features"]


@pytest.mark.parametrize(("changed", "moved", "still"), [("clinical", 1, 2), ("genotypes", 2, 1)])
def test_changing_the_query_alone_moves_the_attention_and_the_answer(changed, moved, still):
    model, given = network(), inputs(1)
    other = {**given, changed: inputs(1, seed=9)[changed]}
    one, two = model(**given), model(**other)
    assert not torch.allclose(one[moved], two[moved], atol=1e-5)
    assert torch.equal(one[still], two[still])
    assert not torch.allclose(one[0], two[0], atol=1e-6)


def test_swapped_questions_go_to_the_other_image():
    model, given = network(direction="swapped"), inputs(1)
    one, two = model(**given), model(**{**given, "clinical": inputs(1, seed=9)["clinical"]})
    assert torch.equal(one[1], two[1])
    assert not torch.allclose(one[2], two[2], atol=1e-5)


def test_to_a_single_key_the_query_does_not_matter_which_is_why_it_is_not_the_default():
    """Softmax over one key is 1: what is attended to is the same, whoever asks."""
    given, other = inputs(1), inputs(1, seed=9)

    def answers(tokens):
        """What the MRI answers to two patients' clinical data, and where it was looked at."""
        model = network(tokens=tokens)
        keys = model.images["mri"](model.encode(given["mri"], given["pet"])[0]).keys
        queries = [model.vectors["clinical"](model.clinical(each["clinical"], each["present"])).summary for each in (given, other)]
        return [model.questions[0].attention(query.unsqueeze(1), keys) for query in queries]

    (one, weights), (two, others) = answers("vector")
    assert torch.equal(one, two)
    assert torch.equal(weights, others)
    (one, weights), (two, others) = answers("map49")
    assert not torch.allclose(one, two, atol=1e-6)
    assert not torch.allclose(weights, others, atol=1e-6)


def test_without_a_direction_nobody_asks_and_the_maps_are_even():
    _, mri, pet, *_ = network(direction="none")(**inputs())
    assert torch.allclose(mri, torch.full_like(mri, 1 / 49))
    assert torch.allclose(pet, torch.full_like(pet, 1 / 49))


@pytest.mark.parametrize("field", range(FIELDS))
def test_every_present_field_reaches_the_answer_and_a_missing_one_does_not(field):
    model, given = network(), inputs(1)
    other = given["clinical"].clone()
    other[:, field] += 3
    assert not torch.equal(model(**given)[0], model(**{**given, "clinical": other})[0])
    hidden = given["present"].clone()
    hidden[:, field] = 0
    masked = [model(**{**given, "clinical": values, "present": hidden}) for values in (given["clinical"], other)]
    assert all(torch.equal(a, b) for a, b in zip(*masked, strict=True))


@pytest.mark.parametrize("stream", STREAMS)
def test_one_stream_reads_nothing_else(stream):
    model, given, others = network(streams=(stream,)), inputs(2), inputs(2, seed=5)
    mine = {"clinical", "present"} if stream == "clinical" else {stream}
    assert torch.equal(model(**given)[0], model(**{**others, **{name: given[name] for name in mine}})[0])
    assert not torch.equal(model(**given)[0], model(**{**given, stream: others[stream]})[0])


def test_a_neighbour_in_the_batch_changes_nothing_but_rounding():
    model, given = network(), inputs(3)
    alone = model(**{name: value[:1] for name, value in given.items()})
    together = model(**given)
    assert all(torch.allclose(a, b[:1], atol=1e-5) for a, b in zip(alone[:3], together[:3], strict=True))


def test_the_full_size_is_two_resnet50_and_what_the_specification_estimates():
    model = build({})
    assert [sum(parameter.numel() for parameter in trunk.parameters()) for trunk in model.trunks] == [23_508_032] * 2
    assert 50.5e6 < sum(parameter.numel() for parameter in model.parameters()) < 51e6


def test_trunks_bear_torchvision_s_names():
    names = set(network().trunks[0].state_dict())
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv3.weight", "layer4.0.downsample.1.bias"} <= names


def test_scales_and_variants_come_from_the_training_rows_and_live_in_the_graph():
    model, given = network(), inputs(8)
    given["present"][0, 0] = 0
    given["clinical"][:, 2] = 0
    given["present"][:, 2] = 0
    targets = torch.eye(3)[torch.arange(8) % 3]
    model.standardise({name: given[name] for name in ("clinical", "present", "genotypes")}, targets)
    assert float(model.clinical.mean[0]) == pytest.approx(float(given["clinical"][1:, 0].mean()), rel=1e-5)
    assert model.clinical.seen[2] == 0
    assert len(set(model.variants.chosen.tolist())) == 24
    assert {"clinical.mean", "variants.chosen", "variants.mode"} <= set(model.state_dict())


def test_gradients_reach_every_modality():
    model = network().train()
    model.logits(**inputs(4)).square().sum().backward()
    for parameter in (*(trunk.conv1.weight for trunk in model.trunks), *(model.vectors[name].layers[0].weight for name in model.vectors)):
        assert float(parameter.grad.abs().sum()) > 0


@pytest.mark.filterwarnings("ignore")  # the exporter's own deprecations
@pytest.mark.parametrize("options", [{}, {"fnet_axes": "seq+hidden", "direction": "symmetric"}, {"streams": ("genotypes",)}], ids=str)
def test_onnx_answers_like_pytorch_for_any_batch(options, tmp_path):
    pytest.importorskip("onnxscript")
    onnxruntime = pytest.importorskip("onnxruntime")
    model, path = network(**options), tmp_path / "model.onnx"
    model.variants.chosen.copy_(torch.arange(0, 2 * SMALL["variants"], 2) % PANEL)
    given = inputs(4)
    batch = torch.export.Dim("batch", min=1, max=64)
    torch.onnx.export(
        model, kwargs=given, dynamic_shapes={name: {0: batch} for name in given}, opset_version=20, dynamo=True, verbose=False,
    ).save(path)  # fmt: skip
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for cases in (1, 32):
        given = inputs(cases, seed=cases)
        answered = session.run(None, {node.name: given[node.name].numpy() for node in session.get_inputs()})
        with torch.inference_mode():
            expected = model(**given)
        for mine, theirs in zip(expected[:3], answered[:3], strict=True):
            assert float((mine - torch.from_numpy(theirs)).abs().max()) < 2e-5
