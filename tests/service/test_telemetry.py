import io
import json
import logging
import shutil
import subprocess

import pytest

from service.telemetry import JsonFormatter, Metrics


@pytest.fixture
def logger():
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("under test")
    logger.setLevel("INFO")
    logger.addHandler(handler)
    yield logger, stream
    logger.removeHandler(handler)


def test_only_listed_fields_are_logged(logger):
    log, stream = logger
    log.info("request", extra={"status": 200, "patient_name": "ZZCANARY"})
    line = json.loads(stream.getvalue())
    assert (line["event"], line["status"], line["level"]) == ("request", 200, "info")
    assert "ZZCANARY" not in stream.getvalue()


def test_an_exception_is_logged_by_its_class_and_place_and_not_by_its_words(logger):
    log, stream = logger
    try:
        int("ZZCANARY")
    except ValueError:
        log.exception("failed")
    line = json.loads(stream.getvalue())
    assert line["kind"] == "ValueError"
    assert line["frames"][0].startswith("test_telemetry.py:")
    assert "ZZCANARY" not in stream.getvalue()


def test_a_record_is_one_line_whatever_it_says(logger):
    log, stream = logger
    log.info("one\ntwo\x1b[31m ZZCANARY")
    log.info("")
    assert [json.loads(line)["event"] for line in stream.getvalue().splitlines()] == ["one", ""]


@pytest.fixture
def metrics():
    metrics = Metrics("1.0")
    metrics.requests.labels("/predict/{model}", "POST", 200).inc()
    metrics.request_duration.labels("/predict/{model}", "POST").observe(0.02)
    metrics.stage_duration.labels("bmd", "decode").observe(0.01)
    metrics.inferences.labels("bmd", "1.0.0", "ok").inc()
    metrics.model_info.labels("bmd", "1.0.0", "sha256:0", "CPUExecutionProvider", "synthetic phantoms").set(1)
    metrics.model_ready.labels("bmd", "1.0.0").set(1)
    metrics.queue_refused.labels("bmd", "predicted_wait", "routine").inc()
    metrics.dropped("decode", "bmd", "left")
    metrics.bit_identical.labels("bmd", "batch").set(False)
    metrics.run_threads.labels("bmd").set(2)
    metrics.engine_degraded.labels("bmd").set(0)
    metrics.engine_faults.labels("bmd", "device_lost").inc()
    metrics.watch_wait("bmd", lambda priority: 0.5 * priority)
    metrics.watch_queue("infer", "bmd", lambda priority: 3 - priority)
    return metrics


def test_labels_of_an_image_come_from_closed_lists(metrics):
    metrics.input_instance("bmd", "1.2.840.10008.1.2.4.90", "MONOCHROME1")
    metrics.input_instance("bmd", "9.9.ZZCANARY", "ZZCANARY")
    text = metrics.render().decode()
    assert 'chiasm_input_instances_total{model="bmd",photometric="other",transfer_syntax="other"} 1.0' in text
    assert "ZZCANARY" not in text


def test_the_queue_is_asked_at_the_scrape(metrics):
    text = metrics.render().decode()
    assert 'chiasm_queue_jobs{model="bmd",priority="stat",stage="infer"} 3.0' in text
    assert 'chiasm_predicted_wait_seconds{model="bmd",priority="batch"} 1.0' in text


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool comes with the Debian package prometheus")
def test_promtool_has_nothing_to_say(metrics):
    metrics.input_instance("bmd", "1.2.840.10008.1.2", "MONOCHROME2")
    checked = subprocess.run(["promtool", "check", "metrics"], input=metrics.render(), capture_output=True, check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")
