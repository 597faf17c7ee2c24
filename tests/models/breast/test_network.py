"""The breast network: shapes, masks, and attention that does not degenerate."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.breast import DESCRIPTORS  # noqa: E402  after the check for torch
from models.breast.network import build  # noqa: E402
from models.layers.resnet import RESNET50, Bottleneck, ResNetTrunk  # noqa: E402

SMALL = {"trunk_width": 4}
OPTIONS = [
    {}, {"fusion": "concatenation"}, {"form": "vector"}, {"fusion": "co_attention", "form": "vector"}, {"fusion": "co_attention"},
    {"streams": "image"}, {"streams": "clinical"}, {"keep_embeddings": False}, {"form": "vector", "keep_embeddings": False},
]  # fmt: skip
FIELDS, WIDTH = len(DESCRIPTORS.network_fields), sum(field.width for field in DESCRIPTORS.network_fields)


def inputs(cases=3, seed=0):
    rng = torch.Generator().manual_seed(seed)
    clinical = (torch.rand(cases, WIDTH, generator=rng) < 0.2).float()
    return {"image": torch.randn(cases, 3, 224, 224, generator=rng), "clinical": clinical, "present": torch.ones(cases, FIELDS)}


def network(**options):
    torch.manual_seed(0)
    return build({**SMALL, **options}).eval()


def test_the_descriptors_are_the_36_of_the_paper():
    assert [field.width for field in DESCRIPTORS.network_fields] == [4, 8, 5, 14, 5]


def test_the_full_trunk_is_resnet50():
    assert sum(parameter.numel() for parameter in ResNetTrunk(RESNET50, 64, Bottleneck).parameters()) == 23_508_032


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_every_option_gives_probabilities_and_attention_that_sum_to_one(options):
    probabilities, fields, image, features = network(**options)(**inputs())
    assert (probabilities.shape, fields.shape, image.shape, features.shape[2:]) == ((3, 2), (3, FIELDS), (3, 7, 7), (7, 7))
    for part in (probabilities, fields, image.flatten(1)):
        assert torch.allclose(part.sum(1), torch.ones(3), atol=1e-5)


@pytest.mark.parametrize("options", [{"keep_embeddings": False}, {"keep_embeddings": False, "form": "vector"}], ids=str)
def test_the_image_alone_changes_the_answer_through_attention_alone(options):
    """With both embeddings cut from the head, a single-key softmax would leave the image without any say."""
    model, given = network(**options), inputs(1)
    other = {**given, "image": inputs(1, seed=1)["image"]}
    assert not torch.allclose(model.logits(**given), model.logits(**other), atol=1e-7)


class SingleKey(torch.nn.Module):
    """The degenerate reading: one key for a whole modality, whose softmax is 1 whatever asks."""

    def __init__(self, attention):
        super().__init__()
        self.query, self.key, self.value = attention.query, attention.key, attention.value

    def forward(self, asking, asked):
        scores = (self.query(asking) * self.key(asked)).sum(1, keepdim=True)
        return scores.softmax(1) * self.value(asked)


@pytest.mark.parametrize(
    ("fusion", "question"), [("cross_attention", "to_clinical"), ("co_attention", "to_clinical"), ("co_attention", "to_image")]
)
def test_each_question_follows_who_asks_and_its_degenerate_form_does_not(fusion, question):
    attention = getattr(network(fusion=fusion, form="vector"), question)
    (asking, other), asked = torch.rand(2, 1, 100, generator=torch.Generator().manual_seed(0)), torch.rand(1, 100)
    assert not torch.allclose(attention(asking, asked), attention(other, asked), atol=1e-6)
    assert torch.equal(SingleKey(attention)(asking, asked), SingleKey(attention)(other, asked))


def test_with_the_degenerate_form_the_image_has_no_say_through_attention():
    model, given = network(keep_embeddings=False, form="vector"), inputs(1)
    other = {**given, "image": inputs(1, seed=1)["image"]}
    model.to_clinical = SingleKey(model.to_clinical)
    assert torch.equal(model.logits(**given), model.logits(**other))


def test_attention_to_the_fields_follows_the_image_unless_a_single_field_is_known():
    model, given = network(), inputs(1)
    other = {**given, "image": inputs(1, seed=1)["image"]}
    assert not torch.allclose(model(**given)[1], model(**other)[1], atol=1e-7)
    alone = torch.eye(FIELDS)[:1]
    assert torch.allclose(model(**given | {"present": alone})[1], model(**other | {"present": alone})[1], atol=1e-7)


def test_the_descriptors_alone_change_where_the_network_looks_and_what_it_says():
    model, given = network(), inputs(1)
    other = {**given, "clinical": inputs(1, seed=1)["clinical"]}
    assert not torch.allclose(model(**given)[2], model(**other)[2], atol=1e-5)
    assert not torch.allclose(model(**given)[0], model(**other)[0], atol=1e-5)


def test_a_missing_field_gets_no_attention_and_its_value_no_influence():
    model, given = network(), inputs()
    given["present"][:, 1] = 0
    changed = {**given, "clinical": given["clinical"].clone()}
    changed["clinical"][:, 4:12] = 1
    assert all(torch.equal(a, b) for a, b in zip(model(**given), model(**changed), strict=True))
    assert float(model(**given)[1][:, 1].detach().abs().max()) == 0


def test_without_any_descriptor_the_clinical_embedding_is_zero_not_its_bias():
    model, given = network(fusion="concatenation"), inputs()
    given["present"][:] = 0
    model.clinical.bias.data += 5
    before = model.logits(**given)
    model.clinical.bias.data -= 7
    assert torch.equal(before, model.logits(**given))


def test_in_training_a_modality_is_dropped_now_and_then_but_never_both():
    model = network().train()
    image, clinical = model._kept(torch.ones(4000, FIELDS))
    assert float(image.mean()) == pytest.approx(0.85, abs=0.03)
    assert float(clinical.mean()) == pytest.approx(0.85, abs=0.03)
    assert bool(((image + clinical) >= 1).all())


def test_gradients_reach_both_streams():
    model = network(modality_dropout=0.0).train()
    model.logits(**inputs(4)).sum().backward()
    assert float(model.trunk.conv1.weight.grad.abs().sum()) > 0
    assert float(model.tokens.values[0].weight.grad.abs().sum()) > 0


def test_the_head_says_of_the_features_what_the_whole_says_of_the_image():
    model, given = network(), inputs()
    whole = model(**given)[0]
    apart = model.decide(model.encode(given["image"]), given["clinical"], given["present"]).softmax(1)
    assert torch.allclose(whole, apart, atol=1e-6)
