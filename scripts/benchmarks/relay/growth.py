"""How memory and cost grow: sessions, idle sessions beside a load, routes, backends."""

import statistics
import time

from contenders import TITLES, Contender, most_sessions, postern
from load import FIRST, Idle, Load, measure
from machine import CPU, Failure, memory

IDLE = 10000
ROUTES = [1, 10, 100, 1000, 10000]
BACKENDS = [1, 3, 10, 30, 100]
# Ports beside the contenders'.
ROUTES_PORT, BACKENDS_PORT, BALANCE_PORT = 9100, 9120, 9140


class Growth:
    """Each part starts processes of its own, so that what was measured before does not weigh on it."""

    def __init__(self, backend, lookup, options):
        self.backend, self.lookup, self.options, self.failed = backend, lookup, options, []

    def wanted(self, names):
        return [name for name in names if not self.options.only or name in self.options.only]

    def load(self, each=1, sessions=20, options=()):
        return Load(self.options.tools, 1000, each, sessions, options)

    def measure(self, contender, load, part=1.0):
        """A round: for a time, or, where a time would end before each session had its turn, some messages a session."""
        limits = {"seconds": self.options.seconds * part} if load.sessions < 1000 else {"messages": 3 * load.sessions}
        figures = measure(contender, self.backend, self.lookup, load, **limits)
        if load.sessions >= 100:
            self.settle(contender)
        return figures

    @staticmethod
    def settle(contender):
        """Waits until it has nothing more to do: what thousands of sessions leave behind is no cost of the next round."""
        end, before = time.monotonic() + 20, CPU(contender.daemon.pid).total
        while time.monotonic() < end:
            time.sleep(0.2)
            now = CPU(contender.daemon.pid).total
            if now - before < 0.002:
                return
            before = now

    def attempt(self, what, work):
        try:
            return work()
        except Failure as failure:
            self.failed.append(what)
            print(f"  {what} FAILED: {failure}", flush=True)
            return None

    def fresh(self, name, **settings):
        contender = Contender(name)
        contender.start(self.options.peers, **settings)
        return contender

    def memory(self):
        """Of a process that has just begun, under 20 sessions' load, and behind 500 sessions."""
        print("\nmemory, MB: resident (private)", flush=True)
        result = {}
        for name in self.wanted(["nginx", "nginx-stream", "haproxy", "postfix", "postern", "postern-lookup"]):
            contender = self.fresh(name)
            try:
                stages = {"started": self.megabytes(contender)}
                for stage, sessions in (("loaded", 20), ("after500", 500)):
                    if name == "postfix" and sessions > 20:
                        continue
                    self.measure(contender, self.load(sessions=sessions))
                    self.measure(contender, self.load(each=0, sessions=sessions))
                    stages[stage] = self.megabytes(contender)
            finally:
                contender.stop()
            result[name] = stages
            print(f"  {TITLES[name]:30}" + "".join(
                f"{stage}: {one['rssMB']:.1f} ({one['privateMB']:.1f})".rjust(28) for stage, one in stages.items()), flush=True)
        return result

    @staticmethod
    def megabytes(contender):
        used = memory(contender.daemon.pid)
        return {"rssMB": used["rssKB"] / 1000, "privateMB": used["privateKB"] / 1000}

    def idle(self):
        """What 10,000 sessions that only said EHLO cost: memory each, and what a load beside them loses."""
        count = min(1000 if self.options.quick else IDLE, 2 * most_sessions() - 1000)
        print(f"\n{count} idle sessions beside 20 that send 1 KB, one message a connection", flush=True)
        result = {}
        for name in self.wanted(["nginx", "postern"]):
            contender = self.fresh(name, timeout="600s", connections=32768)
            try:
                result[name] = self.idle_beside(contender, count)
            finally:
                contender.stop()
            one = result[name]
            print(f"  {TITLES[name]:30}{one['kilobytesEach']:8.1f} KB a session{one['messagesPerSecond']:12.0f} messages/s without, "
                  f"{one['messagesPerSecondBeside']:.0f} beside them: {one['slowdownPercent']:.1f} % fewer, "
                  f"{one['cpuPercent']:+.1f} % CPU a message", flush=True)
        return result

    def idle_beside(self, contender, count):
        self.measure(contender, self.load(), 0.5)
        alone, beside, sizes = [], [], []
        for turn in range(2 * self.options.rounds):
            # (without, with, with, without, …)
            if turn % 4 in (0, 3):
                alone.append(self.measure(contender, self.load()))
                continue
            empty = memory(contender.daemon.pid)["rssKB"]
            idle = Idle(self.options.tools, contender.port, count)
            try:
                sizes.append((memory(contender.daemon.pid)["rssKB"] - empty) / count)
                beside.append(self.measure(contender, self.load()))
            finally:
                lost = idle.stop()
            self.settle(contender)
            if lost:
                raise Failure(f"{contender.name} closed {lost} of {count} idle sessions")
        rate = statistics.median(one["messagesPerSecond"] for one in alone)
        rate_beside = statistics.median(one["messagesPerSecond"] for one in beside)
        cpu = statistics.median(one["cpuMicroseconds"] for one in alone)
        cpu_beside = statistics.median(one["cpuMicroseconds"] for one in beside)
        # (memory that was freed before is taken up again: the first time tells what a session needs)
        return {"count": count, "kilobytesEach": sizes[0], "messagesPerSecond": rate, "messagesPerSecondBeside": rate_beside,
                "slowdownPercent": (1 - rate_beside / rate) * 100, "cpuPercent": (cpu_beside / cpu - 1) * 100}

    def sessions(self):
        """The same load from more and more sessions, many messages a connection."""
        most = most_sessions() - 200
        counts = [1, 10, 100] if self.options.quick else [1, 10, 100, 1000, min(10000, most)]
        return self.curve("sessions, 1 KB, many messages a connection", ["nginx", "haproxy", "postern"], counts,
                          lambda count: self.load(each=0, sessions=count))

    def curve(self, title, names, counts, load_of):
        """A line for each contender: what a message costs at each count. Contenders take turns within each count."""
        print(f"\n{title}", flush=True)
        running, result = {}, {}
        try:
            for name in self.wanted(names):
                running[name] = self.fresh(name, connections=32768)
            for count in counts:
                load, figures = load_of(count), {name: [] for name in running}
                for contender in running.values() if count < 1000 else []:
                    self.measure(contender, load, 0.5)
                for turn in range(1 if self.options.quick or count >= 1000 else 3):
                    for name in list(running) if turn % 2 == 0 else list(running)[::-1]:
                        figures[name].append(self.measure(running[name], load))
                for name in running:
                    result.setdefault(name, []).append(self.point(count, figures[name]))
        finally:
            for contender in running.values():
                contender.stop()
        for name, points in result.items():
            self.show(TITLES[name], points)
        return result

    @staticmethod
    def point(count, figures):
        middle = {name: statistics.median(one[name] for one in figures)
                  for name in ("messagesPerSecond", "cpuMicroseconds", "p50Microseconds", "p99Microseconds")}
        return {"count": count} | middle

    @staticmethod
    def show(title, points):
        for one in points:
            print(f"  {title:30}{one['count']:8}{one['messagesPerSecond']:10.0f} messages/s{one['cpuMicroseconds']:8.1f} µs CPU"
                  f"{one['p50Microseconds'] / 1000:10.2f} ms p50{one['p99Microseconds'] / 1000:10.2f} ms p99", flush=True)

    def several(self, title, counts, port, routing, options_of, again=()):
        """A Postern for each count, all running, in turns; many messages a connection, so that little else is measured.
        Those of `again`, which are to be compared, have three times as many turns by themselves behind that."""
        print(f"\n{title}", flush=True)
        running, rounds = {}, {count: [] for count in counts}
        try:
            for index, count in enumerate(counts):
                contender = Contender("postern")
                contender.port = port + index
                contender.daemon = postern(f"postern-{port}-{count}", contender.port, routing(count))
                running[count] = contender
            loads = {count: self.load(each=0, options=options_of(count)) for count in counts}
            for count in counts:
                self.measure(running[count], loads[count], 0.5)
            for turn in range(self.options.rounds):
                for count in counts if turn % 2 == 0 else counts[::-1]:
                    rounds[count].append(self.measure(running[count], loads[count]))
            for turn in range(3 * self.options.rounds):
                for count in again if turn % 2 == 0 else again[::-1]:
                    rounds[count].append(self.measure(running[count], loads[count]))
        finally:
            for contender in running.values():
                contender.stop()
        points = [self.point(count, figures) for count, figures in rounds.items()]
        self.show(title, points)
        return points, rounds

    @staticmethod
    def more(rounds, few, many, name):
        """By how many per cent a figure is greater for many than for few, within a round: what drifts meets both. The median."""
        return statistics.median((more[name] / less[name] - 1) * 100 for less, more in zip(rounds[few], rounds[many]))

    def routes(self):
        """As many routes as domains, of which each message takes one at random."""
        counts = [10, 1000] if self.options.quick else ROUTES

        def routing(count):
            lines = "".join(f"  - {{recipients: [d{number}.example], group: app}}\n" for number in range(count))
            return f'groups:\n  app: {{backends: ["127.0.0.1:{FIRST}"]}}\nroutes:\n{lines}'

        points, rounds = self.several(
            "routes", counts, ROUTES_PORT, routing, lambda count: ["-D", str(count)], again=[10, counts[-1]])
        return {"points": points, "slowdownPercent": -self.more(rounds, 10, counts[-1], "messagesPerSecond"),
                "cpuPercent": self.more(rounds, 10, counts[-1], "cpuMicroseconds")}

    def backends(self):
        """A group of so many, in turn; how evenly they were chosen is read from the backend's counters."""
        counts = [1, 3] if self.options.quick else BACKENDS

        def routing(count):
            several = ", ".join(f'"127.0.0.1:{FIRST + number}"' for number in range(count))
            return f"groups:\n  app: {{backends: [{several}]}}\nroutes: [{{recipients: [flxw.de], group: app}}]"

        before = [one["messages"] for one in self.backend.all()]
        points, _ = self.several("backends", counts, BACKENDS_PORT, routing, lambda count: [])
        after = [one["messages"] for one in self.backend.all()]
        return {"points": points, "messagesEach": [has - had for had, has in zip(before, after)]}

    def balance(self):
        """How 30,000 messages come to three backends, one message a connection, by each way of choosing."""
        count = 900 if self.options.quick else 30000
        print(f"\n{count} messages to three backends", flush=True)
        result = {}
        ports = [FIRST, FIRST + 1, FIRST + 2]
        plain = ", ".join(f'"127.0.0.1:{port}"' for port in ports)
        weighted = ", ".join(f'{{address: "127.0.0.1:{port}", weight: {index + 1}}}' for index, port in enumerate(ports))
        for index, (name, backends, method) in enumerate([
                ("round-robin", plain, "round-robin"), ("weights 1, 2, 3", weighted, "round-robin"),
                ("least-connections", plain, "least-connections"), ("first", plain, "first")]):
            routing = (f"groups:\n  app: {{backends: [{backends}], balance: {method}}}\n"
                       "routes: [{recipients: [flxw.de], group: app}]")
            contender = Contender("postern")
            contender.port = BALANCE_PORT + index
            contender.daemon = postern(f"postern-balance-{index}", contender.port, routing)
            try:
                before = [self.backend.counters(port)["messages"] for port in ports]
                measure(contender, self.backend, self.lookup, self.load(), messages=count)
                after = [self.backend.counters(port)["messages"] for port in ports]
            finally:
                contender.stop()
            result[name] = [has - had for had, has in zip(before, after)]
            print(f"  {name:30}{result[name]}", flush=True)
        return result


def grow(backend, lookup, options):
    """All parts; one that fails is named in "failed", and leaves the others."""
    growth = Growth(backend, lookup, options)
    result = {}
    has_postern = not options.only or "postern" in options.only
    for name, work in (("memory", growth.memory), ("idle", growth.idle), ("sessions", growth.sessions),
                       ("routes", growth.routes if has_postern else None),
                       ("backends", growth.backends if has_postern else None),
                       ("balance", growth.balance if has_postern else None)):
        if work and options.in_time(f"growth: {name}"):
            result[name] = growth.attempt(name, work)
    return result | {"failed": growth.failed}
