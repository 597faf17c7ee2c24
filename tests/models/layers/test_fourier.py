"""The Fourier branch as matrices, against torch's own transform."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from models.layers.fourier import FourierMixing  # noqa: E402  after the check for torch


@pytest.mark.parametrize(("tokens", "width"), [(6, 100), (1, 100), (4, 64), (7, 33)])
def test_matrices_are_the_real_part_of_the_transform(tokens, width):
    x = torch.randn(3, tokens, width, generator=torch.Generator().manual_seed(0))
    hidden, both = (FourierMixing(tokens, width, axes)(x) for axes in ("hidden", "seq+hidden"))
    assert torch.allclose(hidden, torch.fft.fft(x.double(), dim=2).real.float(), atol=2e-5)
    assert torch.allclose(both, torch.fft.fft2(x.double(), dim=(1, 2)).real.float(), atol=5e-5)


def test_the_transform_along_a_single_token_is_the_token_itself():
    x = torch.randn(2, 1, 100)
    assert torch.allclose(FourierMixing(1, 100, "seq+hidden")(x), FourierMixing(1, 100, "hidden")(x), atol=1e-6)


def test_it_has_nothing_to_learn_and_nothing_to_store():
    mixing = FourierMixing(6, 100)
    assert list(mixing.parameters()) == []
    assert mixing.state_dict() == {}
