"""How messages are shared out, and backends that come and go under load: chaos.py MESSAGES [changes]

scripts/chaos runs it; the integration tests do so with `changes`, without the sharing out, which is a test by itself. A
line for each change. What is lost, doubled or refused is counted to the end, and is its exit status.
"""
import os, signal, sys, time

import world
from groups import Load, Relay, Sink, backend, balance


class Chaos:
    """One load through one relay, while its backends change."""

    def __init__(self, messages):
        self.messages = messages
        self.sinks = [Sink(2501), Sink(2502), Sink(2503)]
        self.relay = Relay([backend(s.port) for s in self.sinks], "health: {failures: 3, eject: 1s, longest-eject: 4s}")
        # (A session has five messages, then another one begins: new sessions and old ones meet each change.)
        self.load = Load("chaos", each=5)
        self.begun = time.monotonic()
        self.before = (0, 0, 0)

    def phase(self, name, words):
        """Lets the load go on, and prints what became of it since the last line."""
        had = [len(s.recipients) for s in self.sinks]
        self.load.reach(self.messages)
        now = (len(self.load.accepted), self.load.refusals, len(self.load.ambiguous))
        accepted, refused, ambiguous = (a - b for a, b in zip(now, self.before))
        lost, doubled = self.load.verdict(self.sinks)
        came = [len(s.recipients) - count for s, count in zip(self.sinks, had)]
        took = time.monotonic() - self.begun
        print(
            f"{name}: {words}; {accepted} accepted, lost {len(lost)}, doubled {len(doubled)}, errors {refused}, "
            f"ambiguous {ambiguous}; {accepted / took:.0f} a second; by backend {' '.join(map(str, came))}",
            flush=True)
        self.before, self.begun = now, time.monotonic()
        return came

    def run(self):
        self.phase("steady", "three backends")
        for number, sink in enumerate(self.sinks, 1):
            sink.stop()
            self.relay.said(f"backend-ejected group=app backend=127.0.0.1:{sink.port}")
            came = self.phase("killed", f"backend {number} by SIGKILL")
            world.expect(came[number - 1] == 0, "one that is dead got mail")
            sink.again()
            self.relay.said(f"backend-back group=app backend=127.0.0.1:{sink.port}")
            came = self.phase("back", f"backend {number} started again")
            world.expect(came[number - 1] > 0, "one that is back gets nothing")
        self.sinks.append(Sink(2504))
        self.relay.reload([backend(s.port) for s in self.sinks], "health: {failures: 3, eject: 1s, longest-eject: 4s}")
        came = self.phase("added", "backend 4 by a reload")
        world.expect(came[3] > 0, "one that was added gets nothing")
        self.relay.command("drain", "app", "127.0.0.1:2501")
        world.until(lambda: self.relay.backends()[0]["state"] == "drained", lambda: f"{self.relay.backends()}")
        came = self.phase("drained", "backend 1 by `postern backend drain`")
        world.expect(came[0] == 0, "one that is drained gets mail")
        self.relay.command("undrain", "app", "127.0.0.1:2501")
        came = self.phase("undrained", "backend 1 by `postern backend undrain`")
        world.expect(came[0] > 0, "one that is drained no more gets nothing")
        self.relay.reload([backend(s.port) for s in self.sinks[1:]])
        # (Sessions that are at the one taken out go elsewhere with their next transaction.)
        self.load.reach(50)
        came = self.phase("removed", "backend 1 by a reload")
        world.expect(came[0] == 0, "one that was taken out gets mail")
        self.load.ended.set()
        self.load.over()
        self.relay.check()
        return self.load


def chaos(messages, only=None):
    count, shared = int(messages), 0
    if not only:
        shared = balance(10 * count)
        for program in world.running.copy():
            program.stop()
    trial = Chaos(count)
    load = trial.run()
    lost, doubled = load.verdict(trial.sinks)
    if load.errors:
        print(f"what clients were told: {dict(load.errors)}", flush=True)
    print(
        f"chaos: {shared + len(load.accepted)} messages accepted, lost {len(lost)}, duplicated {len(doubled)}, "
        f"client-visible errors {load.refusals}, ambiguous {len(load.ambiguous)} (past their dot)", flush=True)
    world.expect(not (lost or doubled or load.refusals), "messages were lost, doubled or refused")


if __name__ == "__main__":
    sys.argv.insert(1, "chaos")
    world.main({"chaos": chaos}, 1800)
