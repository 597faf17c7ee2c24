"""A real server on a real socket: what only the wire can show."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from email.message import Message
from pathlib import Path

import pytest

from tests.service.studies import METADATA, hip_dicom, hip_png

ROOT = Path(__file__).resolve().parents[2]
HEAD = b"POST /predict/bmd HTTP/1.1\r\nHost: chiasm\r\nContent-Type: application/dicom\r\n"


class Server:
    """python -m service serve, on a free port."""

    def __init__(self, artifacts: Path, folder: Path, **environment: str) -> None:
        self.log = folder / "log"
        serve = {"CHIASM_MODELS": "bmd", "CHIASM_GATE": "false", "CHIASM_DECODER_WORKERS": "1", "CHIASM_PORT": "0"}
        clean = {name: value for name, value in os.environ.items() if not name.startswith("CHIASM_")}
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve"], env=clean | serve | {"CHIASM_ARTIFACTS": str(artifacts)} | environment,
                cwd=ROOT, stdout=log, stderr=subprocess.PIPE, text=True,
            )
        self.said = self.process.stderr.readline() if self.process.stderr else ""
        self.port = int(self.said.rsplit(":", 1)[1].split("/")[0]) if "ready" in self.said else 0

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(20)
        finally:
            self.process.kill()
            self.process.communicate()

    def raw(self, *pieces: bytes, pause_s: float = 0.0) -> bytes:
        """Send pieces and return what is answered, up to the end of the first response or of the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=15) as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(pause_s)
            except OSError:  # refused while still sending
                pass
            return _response(connection)

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()


def _response(connection: socket.socket) -> bytes:
    received = b""
    while True:
        head, found, body = received.partition(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")), None)
        if found and length is not None and len(body) >= length:
            return received
        try:
            piece = connection.recv(65536)
        except ConnectionError:
            return received
        if not piece:
            return received
        received += piece


@pytest.fixture(scope="module")
def server(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(artifacts, tmp_path_factory.mktemp("server"), CHIASM_MAX_REQUEST_BYTES=str(1 << 20), CHIASM_RECEIVE_TIMEOUT_S="1")
    assert server.port, server.said
    yield server
    server.stop()


def good(server: Server) -> bytes:
    body = hip_dicom()
    return server.raw(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)


def refused(answer: bytes, status: int, code: str) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status), answer[:300]
    assert b"application/problem+json" in head
    assert json.loads(body)["code"] == code


def test_a_good_study_is_answered(server):
    assert good(server).startswith(b"HTTP/1.1 200")


def test_a_length_over_the_limit_is_refused_before_a_byte_is_sent(server):
    refused(server.raw(HEAD + b"Content-Length: 4000000000\r\n\r\n"), 413, "request_too_large")


def test_who_expects_to_be_told_to_go_on_is_told_not_to(server):
    answer = server.raw(HEAD + b"Content-Length: 4000000000\r\nExpect: 100-continue\r\n\r\n")
    refused(answer, 413, "request_too_large")


def test_chunks_over_the_limit_are_refused_and_the_refusal_can_be_read(server):
    chunk = b"%x\r\n" % 65536 + b"x" * 65536 + b"\r\n"
    refused(server.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", *[chunk] * 40, b"0\r\n\r\n"), 413, "request_too_large")


def post(server: Server, body: object, **headers: str) -> tuple[int, Message, str]:
    """As a plain client does it: send all, then read; urllib says Connection: close."""
    request = urllib.request.Request(f"http://127.0.0.1:{server.port}/predict/bmd", body, headers)
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(request, timeout=20)
    with error.value as answer:
        return answer.code, answer.headers, json.loads(answer.read())["code"]


@pytest.mark.parametrize("chunked", [False, True])
def test_who_closes_after_140_mb_gets_to_read_the_refusal(server, chunked):
    length = {} if chunked else {"Content-Length": str(140 << 20)}
    status, headers, code = post(server, (bytes(1 << 20) for _ in range(140)), **{"Content-Type": "application/dicom"}, **length)
    assert (status, headers["Content-Type"], code) == (413, "application/problem+json", "request_too_large")
    assert headers["Connection"] == "close"


@pytest.mark.parametrize(("header", "status"), [({"Accept": "text/csv"}, 406), ({"Content-Type": "text/plain"}, 415)])
def test_who_closes_after_a_megabyte_gets_to_read_other_refusals_too(server, header, status):
    assert post(server, bytes(1 << 20), **{"Content-Type": "application/dicom"} | header)[0] == status


def test_a_head_has_no_body(server):
    answer = server.raw(b"HEAD /health/live HTTP/1.1\r\nHost: chiasm\r\nConnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(b"\r\n\r\n")


def test_what_is_not_http_has_its_line_in_the_log(server):
    answer = server.raw(b"GET\r\n\r\n")
    request_id = json.loads(answer.partition(b"\r\n\r\n")[2])["request_id"]
    assert b"\r\nx-request-id: " + request_id.encode() + b"\r\n" in answer.lower()
    time.sleep(0.5)  # the answer may arrive before its line is written
    (line,) = [line for line in map(json.loads, server.log.read_text().splitlines()) if line.get("request_id") == request_id]
    assert (line["event"], line["status"], line["code"]) == ("request", 400, "malformed_request")


def test_a_body_in_tiny_chunks_costs_little(server):
    started = time.monotonic()
    answer = server.raw(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 4")
    assert time.monotonic() - started < 20  # the square would take far longer


@pytest.mark.parametrize(
    "lengths",
    [
        b"Content-Length: -1\r\n", b"Content-Length: abc\r\n", b"Content-Length: 5\r\nContent-Length: 5\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: xchunked\r\n",
    ],
)
def test_lengths_that_lie_are_malformed(server, lengths):
    refused(server.raw(HEAD + lengths + b"\r\nhello"), 400, "malformed_request")


@pytest.mark.parametrize(
    "request_line", [b"GET\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01"]
)
def test_what_is_not_http_is_malformed(server, request_line):
    refused(server.raw(request_line), 400, "malformed_request")


@pytest.mark.parametrize(
    "headers",
    [[b"X: " + b"y" * 200_000 + b"\r\n\r\n"], [b"X: y\r\n" * 8000 + b"\r\n"], [b"X: y", *[b"y" * 20_000] * 3]],
    ids=["one long", "many", "one without an end"],
)
def test_headers_without_measure_are_refused(server, headers):
    refused(server.raw(b"GET /health/live HTTP/1.1\r\n", *headers, pause_s=0.1), 431, "headers_too_large")


def test_a_slow_body_is_refused_and_takes_no_decoder(server):
    pieces = [HEAD + b"Content-Length: 100\r\n\r\n", *[b"x"] * 20]
    answers: list[bytes] = []
    threads = [threading.Thread(target=lambda: answers.append(server.raw(*pieces, pause_s=0.1))) for _ in range(5)]
    for thread in threads:
        thread.start()
    time.sleep(0.3)
    assert good(server).startswith(b"HTTP/1.1 200")
    for thread in threads:
        thread.join()
    for answer in answers:
        refused(answer, 408, "slow_request")


def test_two_requests_on_one_connection_are_both_answered(server):
    body = hip_dicom()
    request = HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        for _ in range(3):
            connection.sendall(request)
            assert _response(connection).startswith(b"HTTP/1.1 200")


def test_the_log_is_json_without_patient_data(server):
    good(server)
    lines = [json.loads(line) for line in server.log.read_text().splitlines()]
    assert {"uvicorn.error", "chiasm"} <= {line["logger"] for line in lines}
    assert "CANARY" not in server.log.read_text()


def test_sigterm_drains_answers_who_is_there_and_exits_with_0(artifacts, tmp_path):
    server = Server(artifacts, tmp_path, CHIASM_DRAIN_S="1.5")
    workers = subprocess.run(["pgrep", "-P", str(server.process.pid)], capture_output=True, text=True, check=True).stdout.split()
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.5)
    status, body = server.get("/health/ready")
    assert (status, json.loads(body)["code"]) == (503, "draining")
    assert good(server).startswith(b"HTTP/1.1 200")
    assert server.process.wait(15) == 0
    server.process.communicate()
    assert workers
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"CHIASM_REQUIRE_CLINICAL_ARTIFACTS": "true"}, "synthetic phantoms"), ({"CHIASM_MAX_PIXEL": "5"}, "CHIASM_MAX_PIXEL"),
        ({"CHIASM_MAX_PIXELS": "0"}, "CHIASM_MAX_PIXELS"), ({"CHIASM_ARTIFACTS": "/nowhere"}, "cannot be read"),
        ({"CHIASM_PROVIDER": "cuda"}, "CUDAExecutionProvider"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_clear_line(artifacts, tmp_path, environment, said):
    server = Server(artifacts, tmp_path, **environment)
    rest = server.process.communicate(timeout=20)[1]
    assert said in server.said
    assert (rest, server.process.returncode in {1, 2}) == ("", True)


def test_a_port_that_is_taken_is_refused(artifacts, tmp_path, server):
    second = Server(artifacts, tmp_path, CHIASM_PORT=str(server.port))
    second.process.communicate(timeout=20)
    assert second.process.returncode not in {0, None}


def command(artifacts: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CHIASM_")}
    environment = clean | {"CHIASM_ARTIFACTS": str(artifacts), "CHIASM_GATE": "false"}
    arguments = (sys.executable, "-m", "service", *arguments)
    return subprocess.run(arguments, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_command_line_gives_the_servers_answer(server, artifacts, tmp_path):
    image = tmp_path / "hip.dcm"
    image.write_bytes(hip_dicom())
    head = HEAD + b"Content-Length: %d\r\n\r\n" % image.stat().st_size
    served = json.loads(server.raw(head + image.read_bytes()).partition(b"\r\n\r\n")[2])
    done = command(artifacts, "predict", str(image), "--png", str(tmp_path / "out.png"))
    assert done.returncode == 0, done.stderr
    alone = json.loads(done.stdout)
    for name in ("model", "measurements", "findings", "attention", "inputs", "quality"):
        assert alone[name] == served[name]
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_the_command_line_takes_metadata_as_text_and_as_a_file(artifacts, tmp_path):
    image, metadata = tmp_path / "hip.png", tmp_path / "metadata.json"
    image.write_bytes(hip_png())
    metadata.write_text(json.dumps(METADATA))
    for given in (str(metadata), metadata.read_text()):
        done = command(artifacts, "predict", f"image={image}", "--metadata", given)
        assert json.loads(done.stdout)["inputs"]["metadata"]["weight_kg"] == {"value": 61.0, "source": "request"}


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["predict", "/nowhere/x.dcm"], 2, "No such file"), (["predict", __file__], 3, "neither"),
        (["predict", __file__, "--model", "nope"], 2, "bmd"),
        (["predict", "other=/nowhere"], 2, "other=/nowhere: No such file"), (["predict", "image=/nowhere"], 2, "chiasm: /nowhere: No"),
        (["predict", __file__, "--metadata", "{"], 3, "strict JSON"), ([], 2, "usage"), (["serve", "--port", "99999"], 2, "CHIASM_PORT"),
    ],
)
def test_the_command_line_fails_with_a_code_and_a_line(artifacts, arguments, code, said):
    done = command(artifacts, *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1 or said == "usage"
