import warnings

import numpy as np
import pytest

from latentdyn.codecs.mel import mel_filters


@pytest.mark.parametrize("sample_rate_hz", [1000, 8000, 11_025, 16_000, 24_000, 44_100, 768_000])
@pytest.mark.parametrize("fft_samples", [4, 63, 400, 1280, 2048])
def test_every_number_is_librosas(sample_rate_hz: int, fft_samples: int):
    from librosa.filters import mel

    for n_mels in (1, 2, 40, 64, 80, 333):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # about empty bands
            expected = mel(sr=sample_rate_hz, n_fft=fft_samples, n_mels=n_mels, norm=None, dtype=np.float32)
        found = mel_filters(sample_rate_hz, fft_samples, n_mels)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, expected)


def test_triangles_share_out_each_bin_between_the_first_and_the_last_peak():
    filters = mel_filters(16_000, 1280, 64)
    first, last = filters[0].argmax(), filters[-1].argmax()
    np.testing.assert_allclose(filters[:, first + 1 : last].sum(axis=0), 1, rtol=1e-6)
    assert (np.count_nonzero(filters, axis=0) <= 2).all()
