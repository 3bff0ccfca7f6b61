"""Every sender, through the relay, to every backend: what arrives is what was sent.

Prints a line for each cell. One that does not come out equal is tried again without the relay between, to tell whose
doing it is. Only what a program cannot do is left out: SMTPUTF8, where one end does not have it.
"""
import collections, os, threading, time

import world
from backends import Aiosmtpd, Exim, OpenSMTPD, Postfix, SMTPSink
from messages import CASES, digest
from senders import Agent, Aiosmtplib, Msmtp, Smtplib, SMTPSource, Swaks

BACKENDS = [Postfix, Exim, OpenSMTPD, Aiosmtpd, SMTPSink]


class Matrix:
    def __init__(self):
        self.number, self.lock = 0, threading.Lock()
        self.equal, self.left_out, self.failed = [], [], []

    def token(self):
        with self.lock:
            self.number += 1
            return f"c{self.number}x"

    def attempt(self, sender, backend, port, case):
        """Hands the message over; a function that waits for it and returns None, or why it is not equal, and what came."""
        token = self.token()
        recipients = sender.recipients(token, case.count, f"p{port}.test")
        if case.utf8:
            recipients = [recipient.replace("@", "-ü@") for recipient in recipients]
        path = world.write(f"{world.FOLDER}/{token}.eml", case.text(token))
        wire = sender.wire(case, token)
        expected = digest(wire)
        try:
            sender.send(case, token, recipients, port, path)
            refusal = None
        except world.Failed as failure:
            refusal = str(failure)

        def complete(arrivals):
            return sum(len(arrival.recipients) for arrival in arrivals) >= case.count

        def wait():
            end = time.monotonic() + 60
            while True:
                arrivals = backend.store.wait(token, complete, 0.2 if not refusal else 0)
                if complete(arrivals) or refusal or time.monotonic() > end:
                    break
                if hasattr(sender, "failure") and (reason := sender.failure(token)):
                    return reason, None
            os.unlink(path)
            if refusal:
                return refusal, None
            if not arrivals:
                return "nothing arrived", None
            came = sorted(recipient for arrival in arrivals for recipient in arrival.recipients)
            if came != sorted(recipients):
                return f"{len(came)} recipients, {sorted(set(came) ^ set(recipients))[:4]} differ", expected
            senders = {arrival.sender for arrival in arrivals}
            if senders != {case.sender()}:
                return f"sender {senders}", expected
            for arrival in arrivals:
                if arrival.hash != expected:
                    return f"{len(wire)} octets sent, {arrival.size} arrived; {difference(wire, arrival.content)}", arrival
            return None, expected

        return wait

    def pair(self, sender, backend, relay):
        waits = []
        for case in CASES:
            cell = f"{sender.name} -> {backend.name} {case.name}"
            if case.utf8 and not sender.utf8:
                self.left_out.append("no SMTPUTF8 in the sender")
                print(f"matrix {cell}: left out, {sender.name} cannot ask for SMTPUTF8", flush=True)
            else:
                waits.append((case, cell, self.attempt(sender, backend, relay.port, case)))
        for case, cell, wait in waits:
            reason, expected = wait()
            if reason is None:
                self.equal.append(cell)
                print(f"matrix {cell}: {expected[:16]} sent=arrived", flush=True)
                continue
            direct, _ = self.attempt(sender, backend, backend.port, case)()
            if direct is None:
                self.failed.append(cell)
                print(f"matrix {cell}: NOT EQUAL, but without the relay: {reason}", flush=True)
            elif not (case.utf8 and not backend.utf8):
                self.failed.append(cell)
                print(f"matrix {cell}: NOT EQUAL, nor without the relay: {reason}; {direct}", flush=True)
            else:
                self.left_out.append("no SMTPUTF8 in the backend")
                print(f"matrix {cell}: left out, nor without the relay: {direct}", flush=True)


def difference(sent, came):
    """Where two contents part."""
    place = next((i for i, (a, b) in enumerate(zip(sent, came)) if a != b), min(len(sent), len(came)))
    return f"at {place}: {sent[place:place + 40]!r}, {came[place:place + 40]!r}"


def matrix(*names):
    """All, or the senders that are named."""
    ports = {backend: 2501 + index for index, backend in enumerate(BACKENDS)}
    all_ports = [*ports.values(), *(port + 100 for port in ports.values())]
    backends = [
        kind(port, all_ports) if kind in (Postfix, Exim, OpenSMTPD) else kind(port) for kind, port in ports.items()]
    relays = [world.Relay(backend.port + 100, backend.port, utf8=backend.utf8) for backend in backends]
    senders = [Agent(backend) for backend in backends if hasattr(backend, "send")]
    senders += [Swaks(), SMTPSource(), Msmtp(), Smtplib(), Aiosmtplib()]
    started = time.monotonic()
    result = Matrix()
    errors = []

    def work(sender):
        try:
            for backend, relay in zip(backends, relays):
                result.pair(sender, backend, relay)
        except Exception as error:
            errors.append(f"{sender.name}: {error!r}")

    threads = [threading.Thread(target=work, args=[s], daemon=True) for s in senders if not names or s.name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    world.expect(not errors, "; ".join(errors))
    cells = len(result.equal) + len(result.left_out) + len(result.failed)
    reasons = ", ".join(f"{count} for {reason}" for reason, count in sorted(collections.Counter(result.left_out).items()))
    print(
        f"matrix: {cells} cells, {len(result.equal)} equal, {len(result.left_out)} left out ({reasons}), "
        f"{len(result.failed)} not equal; {time.monotonic() - started:.0f} s", flush=True)
    world.expect(not result.failed, f"not equal: {result.failed}")


if __name__ == "__main__":
    world.main({"matrix": matrix})
