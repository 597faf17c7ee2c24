"""ONNX Runtime's own words, as its users report them, are told apart."""

import pytest

from service.engine.gpu.faults import fault_of
from service.errors import ArtifactError

ARENA = "bfc_arena.cc:359 onnxruntime::BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer of size 939524096"


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (f"[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. {ARENA}", "out_of_memory"),
        ("CUDA failure 2: out of memory ; GPU=0 ; hostname=a ; file=cuda_stream_handle.cc ; line=175", "out_of_memory"),
        ("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", "out_of_memory"),
        ("CUDNN failure 4000: CUDNN_STATUS_INTERNAL_ERROR ; GPU=0", "device_lost"),
        ("CUDA failure 700: an illegal memory access was encountered ; GPU=0 ; expr=cudaStreamSynchronize", "device_lost"),
        ("CUDA failure 719: unspecified launch failure", "device_lost"),
        ("CUDA failure 710: device-side assert triggered", "device_lost"),
        ("CUDA failure 214: uncorrectable ECC error encountered", "device_lost"),
        ("CUDA failure 100: no CUDA-capable device is detected", "device_lost"),
        ("CUDA error 46", "device_lost"), ("Cuda failure: 719", "device_lost"),
        ("TensorRT: Error Code 1: Cuda Runtime (out of memory)", "out_of_memory"),
        (f"CUDA failure 700: an illegal memory access was encountered; then {ARENA}", "device_lost"),
        ("CUDA failure 1: invalid argument ; GPU=0", None),
        ("[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: image", None),
        ("Required inputs (['present']) are missing from input feed (['image'])", None),
        ("", None),
    ],
)
def test_faults_are_told_by_their_words(words, fault):
    assert fault_of(RuntimeError(words)) == fault


def test_what_an_error_was_raised_from_counts():
    error = ArtifactError("ONNX Runtime cannot load the model: RuntimeException")
    error.__cause__ = RuntimeError(ARENA)
    assert fault_of(error) == "out_of_memory"


def test_python_too_can_run_out_of_memory():
    assert fault_of(MemoryError()) == "out_of_memory"
