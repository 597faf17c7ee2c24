"""python -m service gateway COMMAND FILE: run it, and what a person asks of it; and python -m service doctor FILE."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
import threading
import time
from functools import partial
from pathlib import Path

from service.errors import ServiceError
from service.gateway.config import GatewayConfig
from service.gateway.conformance import facts
from service.gateway.doctor import examine
from service.gateway.headers import keywords_of
from service.gateway.intake import Intake
from service.gateway.ledger import Ledger
from service.gateway.pull import Puller, source_of
from service.gateway.running import LEDGER, gateway, open_ledger, workers
from service.gateway.spool import Spool
from service.gateway.studies import Pulled, Wanted
from service.telemetry import start_logging

EXPLAINED = "docs/gateway.md explains the file."


def add_gateway(commands: argparse._SubParsersAction, protocol: type[asyncio.Protocol]) -> None:  # type: ignore[type-arg]
    """Add the command and its own; `protocol` is how the gateway's door for STOW-RS speaks HTTP."""
    parser = commands.add_parser("gateway", help="take studies from an archive and deliver results to it", epilog=EXPLAINED)
    doctor = commands.add_parser("doctor", help="try everything that a gateway's configuration names, and say what to change")
    doctor.add_argument("file", type=Path, help="the configuration, a TOML file")
    doctor.set_defaults(command=_doctor)
    inner = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, run, what in (
        ("run", partial(_run, protocol), "receive, evaluate and deliver until stopped"),
        ("work", _work, "evaluate and deliver beside a gateway whose ledger is shared, until stopped"),
        ("check", _check, "say what is wrong with a configuration, or that nothing is"),
        ("conformance", _conformance, "print services, roles, SOP classes and transfer syntaxes as JSON"),
        ("route", _route, "say where files would go, and why they would go nowhere"),
        ("pull", _pull, "fetch studies from a peer"),
        ("status", _status, "how much waits, what failed, and which deliveries were given up"),
        ("again", _again, "evaluate failed studies again, and send again what was given up"),
    ):
        command = inner.add_parser(name, help=what, description=what.capitalize() + ".")
        command.add_argument("file", type=Path, help="the configuration, a TOML file")
        command.set_defaults(command=run)
        if name == "pull":
            _add_pull(command)
        if name == "work":
            command.add_argument("--metrics-port", type=int, default=0, metavar="PORT", help="of /metrics and /health; 0 for none")
        if name == "route":
            command.add_argument("instances", type=Path, nargs="+", help="DICOM files, as an archive would send them")
            command.add_argument("--called", default="", help="the AE title that they would be sent to (default: the first of the file)")
            command.add_argument("--calling", default="ANY", help="the AE title that would send them (default: %(default)s)")


def _run(protocol: type[asyncio.Protocol], options: argparse.Namespace) -> int:
    config = GatewayConfig.load(options.file)
    start_logging("info")
    stop = _stopped_by_signals()
    with gateway(config, protocol) as doors:
        _say(f"{' and '.join(config.receive.ae_titles)} listens on {config.receive.host}:{doors.dimse.port}", sys.stderr)
        if config.web is not None and doors.web is not None:
            _say(f"STOW-RS is taken on {config.web.host}:{doors.web.port}", sys.stderr)
        stop.wait()
    return 0


def _work(options: argparse.Namespace) -> int:
    config = GatewayConfig.load(options.file)
    start_logging("info")
    stop = _stopped_by_signals()
    with workers(config, options.metrics_port):
        _say(f"{config.workers} workers work", sys.stderr)
        stop.wait()
    return 0


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _check(options: argparse.Namespace) -> int:
    config = GatewayConfig.load(options.file)
    _say(f"{options.file.name} is sound: {len(config.routes)} routes to {len(config.destinations)} destinations.")
    return 0


def _conformance(options: argparse.Namespace) -> int:
    _say(json.dumps(facts(GatewayConfig.load(options.file)), indent=2))
    return 0


def _doctor(options: argparse.Namespace) -> int:
    findings = []
    for finding in examine(GatewayConfig.load(options.file)):
        findings.append(finding)
        _say(f"{'ok     ' if finding.well else 'CHANGE '} {finding.sentence}")
    ill = sum(not finding.well for finding in findings)
    _say(f"{ill} of {len(findings)} things have to change." if ill else f"All {len(findings)} things are well.")
    return 1 if ill else 0


def _route(options: argparse.Namespace) -> int:
    config = GatewayConfig.load(options.file)
    called = options.called or config.receive.ae_titles[0]
    for path in options.instances:
        header = keywords_of(path.read_bytes())
        if not header:
            _say(f"{path.name}: its header cannot be read, so no rule fits")
            continue
        for route in config.routes:
            missed = route.misses(header, called, options.calling)
            where = f"to {route.model}, results to {' and '.join(route.destinations)}, {route.priority}"
            _say(f"{path.name}: {route.name}: " + (f"no: {missed}" if missed else f"yes: {where}"))
    return 0


def _add_pull(command: argparse.ArgumentParser) -> None:
    command.add_argument("--peer", required=True, metavar="NAME", help="which of the configuration's peers")
    wanted = command.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--study", default="", metavar="UID", help="one study, by its Study Instance UID")
    wanted.add_argument("--accession", default="", metavar="NUMBER", help="the studies of an accession number")
    wanted.add_argument("--patient", default="", metavar="ID", help="every study of a patient")
    command.add_argument("--priors", type=int, default=0, metavar="COUNT", help="also so many earlier studies of the same patient")


def _pull(options: argparse.Namespace) -> int:
    config = GatewayConfig.load(options.file)
    spool, ledger, failed = Spool(config.spool), open_ledger(config), 0
    intake = Intake(config.receive, spool, ledger, related=bool(config.joins))
    wanted = Wanted(options.study, options.accession, options.patient)
    for study, came in Puller(source_of(config, options.peer, intake)).run(wanted, options.priors):
        if isinstance(came, Pulled):
            _say(f"study {study.study_uid}: {came.stored} instances came, {came.failed} did not")
            failed += came.failed
        else:
            _say(f"study {study.study_uid}: {came}")
            failed += 1
    ledger.close()
    return 1 if failed else 0


def _status(options: argparse.Namespace) -> int:
    ledger = _ledger(options)
    for (what, state), count in sorted(ledger.counts().items()):
        _say(f"{what} {state}: {count}")
    for what, age in ledger.oldest(time.time()).items():
        if age:
            _say(f"oldest of the {what} that wait: {age:.0f} s")
    for study, attempts, problem in ledger.failed_jobs():
        _say(f"failed: study {study} after {attempts} attempts: {problem}")
    for number, destination, study, reason in ledger.dead_letters():
        _say(f"given up: delivery {number} of study {study} to {destination}: {reason}")
    return 0


def _again(options: argparse.Namespace) -> int:
    ledger, now = _ledger(options), time.time()
    letters = ledger.resend([number for number, *_ in ledger.dead_letters()], now)
    _say(f"{ledger.again(now)} studies will be evaluated again, {letters} deliveries sent again.")
    return 0


def _ledger(options: argparse.Namespace) -> Ledger:
    config = GatewayConfig.load(options.file)
    if not config.ledger and not (config.spool / LEDGER).exists():
        raise ServiceError(f"the spool has no {LEDGER}: the gateway has never run with this file")
    return open_ledger(config)


def _say(line: str, stream: object = None) -> None:
    print(line, file=stream or sys.stdout, flush=True)  # type: ignore[arg-type]
