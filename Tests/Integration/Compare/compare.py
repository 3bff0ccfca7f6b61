#!/usr/bin/env python3
"""compare -- the same conversations with nginx's mail proxy and with postern relay, compared field by field

    compare [--only NUMBER]... [--show]
      --only   these conversations, or sections: 4-01, 7
      --show   each field of each conversation, not only what differs

Needs a world (scripts/in-world) in a network of its own, and POSTERN_PEERS. A line for each conversation: equal;
`as documented`, with the deviations of docs/nginx.md that showed; DIFFERS, with every field that no deviation of the
conversation covers, or a deviation that it names and that did not show; skipped, with the part that this build has not.
The last line is the summary. Exit status: 0 if nothing differs.
"""
import argparse, concurrent.futures, difflib, hashlib, hmac, os, re, sys, tempfile, threading

import conversation as conversations
from client import AT_ONCE, Client
from deviations import RULES
from material import Material
from sites import Nginx, Refused, Relay, has_more_lookups, import_is_here

HERE = os.path.dirname(os.path.abspath(__file__))
DOCUMENT = os.path.join(HERE, "../../../docs/nginx.md")
AT_A_TIME = 6


def held(site, script, material):
    """Holds a conversation at one site: (what it is about, value, seconds)."""
    site.auth.follow(script.lookups or ["OK"], site.values)
    site.backend.follow(script.backend, site.values)
    client = Client(site.port, script, material)
    fields = client.run()
    # What the proxy still has to say to the backend comes before it closes.
    settled = site.backend.settle(8)
    requests, connections = list(site.auth.record), list(site.backend.record)
    passwords = [text.split(" ")[1] for word, text in script.steps if word == "cram"]
    for number, request in enumerate(requests, 1):
        fields.append((f"lookup {number}", "asked", None))
        fields += [(f"lookup {number}", header, None) for header in headers(request, passwords)]
    for number, lines in enumerate(connections, 1):
        fields.append((f"backend {number}", "connected", None))
        fields += [(f"backend {number}", value, None) for value in backend_lines(lines)]
        if not settled:
            fields.append((f"backend {number}", "(still connected)", None))
    return fields


def headers(lines, passwords):
    """A request's lines without what must differ: HTTP's version, Connection, the salt and what is computed from it."""
    texts = [line.decode("latin-1") for line in lines]
    texts[0] = re.sub(r"HTTP/1\.[01]$", "HTTP", texts[0])
    texts = [text for text in texts if not text.lower().startswith("connection:")]
    texts = [re.sub(r"^(Host: [^:]*|Host: \[.*\]):\d+$", r"\1", text) for text in texts]
    if "Auth-Method: cram-md5" in texts:
        salt = next((text.removeprefix("Auth-Salt: ") for text in texts if text.startswith("Auth-Salt: ")), "")
        digests = {hmac.new(word.encode(), salt.encode(), hashlib.md5).hexdigest() for word in passwords}
        texts = ["Auth-Pass: the digest" if text.removeprefix("Auth-Pass: ") in digests else text for text in texts]
    # (Only a salt of the right form; nginx 1.22 repeats it with later attempts.)
    return [re.sub(r"^Auth-Salt: <[^<>@ ]+@([^<>@ ]+)>$", r"Auth-Salt: <salt@\1>", text) for text in texts]


def backend_lines(lines):
    """What a backend got, a Received field as one line without its date and id, ports of a PROXY header left out."""
    texts = [line.decode("latin-1") for line in lines]
    result = []
    for text in texts:
        if result and result[-1].startswith("Received:") and text.startswith(("\t", " ")):
            continue
        result.append("Received: …" if text.startswith("Received: from ") else text)
    # (The relay's own name in any letters: it knows itself by them.)
    result = [re.sub(r"^((?:\+ )?EHLO )relay\.test$", r"\1relay.test", text, flags=re.I) for text in result]
    return [re.sub(r"^(PROXY TCP[46] \S+ \S+) \d+ \d+$", r"\1 port port", text) for text in result]


def differences(ours, theirs):
    """What differs: (what it is about, nginx's value or None, the relay's or None)."""
    found = []
    # The client's side has the same steps at both, so it is compared by name.
    theirs_by_name = {what: (value, seconds) for what, value, seconds in theirs if not is_listed(what)}
    ours_by_name = {what: (value, seconds) for what, value, seconds in ours if not is_listed(what)}
    for what in list(ours_by_name) + [what for what in theirs_by_name if what not in ours_by_name]:
        value, seconds = ours_by_name.get(what, (None, None))
        other, others = theirs_by_name.get(what, (None, None))
        if value != other:
            found.append((what, value, other))
        elif seconds is not None and others is not None and abs(seconds - others) > AT_ONCE:
            found.append((f"time of {what}", when(seconds), when(others)))
    # Lines are lists: some may be missing in one.
    groups = [what for what, _, _ in ours + theirs if is_listed(what)]
    for what in sorted(set(groups), key=lambda name: (name.split()[0] != "lookup", int(name.split()[1]))):
        mine = [value for name, value, _ in ours if name == what]
        other = [value for name, value, _ in theirs if name == what]
        if not mine or not other:
            found.append((what, " / ".join(mine) or None, " / ".join(other) or None))
            continue
        for kind, a, b, c, d in difflib.SequenceMatcher(None, mine, other, autojunk=False).get_opcodes():
            if kind == "equal":
                continue
            left, right = mine[a:b], other[c:d]
            for index in range(max(len(left), len(right))):
                found.append((
                    what, left[index] if index < len(left) else None, right[index] if index < len(right) else None))
    return found


def is_listed(what):
    return re.fullmatch(r"(lookup|backend) \d+", what) is not None


def when(seconds):
    return "at once" if seconds < AT_ONCE else f"after {seconds:.1f} s"


def explained(difference, may):
    """The deviation that covers it; None where none does."""
    what, *values = difference
    both = "\0".join("-" if value is None else value.replace("\0", "\u2400") for value in values)
    for identifier in may:
        for about, *expected in RULES[identifier]:
            if not re.fullmatch(about, what, re.S):
                continue
            if callable(expected[0]):
                fits = None not in values and expected[0](*values)
            else:
                fits = re.fullmatch("(?:{})\0(?:{})".format(*expected), both, re.S)
            if fits:
                return identifier
    return None


class Outcome:
    def __init__(self, script, word, notes, fields=()):
        self.script, self.word, self.notes, self.fields = script, word, notes, fields


def judged(script, ours, theirs):
    found = differences(ours, theirs)
    shown, open_ones = set(), []
    for difference in found:
        identifier = explained(difference, script.may)
        if identifier:
            shown.add(identifier)
        else:
            open_ones.append(difference)
    notes = [f"{what}\n      nginx:   {mine}\n      postern: {other}" for what, mine, other in open_ones]
    notes += [f"{identifier} did not show" for identifier in script.may if identifier not in shown]
    word = "DIFFERS" if notes else " ".join(sorted(shown, key=lambda name: int(name[1:]))) if shown else "equal"
    return Outcome(script, word, notes, (ours, theirs))


def compared(scripts, number, folder, material):
    """All conversations that have the same directives: both start once, and hold one after the other."""
    sites, outcomes = [], []
    for kind in (Nginx, Relay):
        place = f"{folder}/{number}-{kind.name}"
        os.mkdir(place, 0o755)
        sites.append(kind(scripts[0].directives, place, material))
    try:
        for site in sites:
            try:
                site.launch()
            except Refused as error:
                for script in scripts:
                    isSkipped = site.name == "postern" and script.needs
                    outcomes.append(Outcome(script, "skipped" if isSkipped else "DIFFERS", [str(error)]))
                return outcomes
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            sides = list(pool.map(lambda site: all_held(site, scripts, material), sites))
        outcomes = [judged(script, *both) for script, *both in zip(scripts, *sides)]
        for site in sites:
            if site.process.poll() is not None:
                outcomes[-1].word = "DIFFERS"
                outcomes[-1].notes.append(f"{site.name} ended: {site.said()}")
        return outcomes
    finally:
        for site in sites:
            site.stop()


def all_held(site, scripts, material):
    results = []
    for script in scripts:
        try:
            results.append(held(site, script, material))
        except OSError as error:
            results.append([("client", f"{type(error).__name__}: {error}", None)])
    return results


def check_document(scripts):
    """The deviations of the document are those that can be tested here, and the other way round."""
    with open(DOCUMENT, encoding="utf-8") as file:
        listed = re.findall(r"^\| (D\d+)(?: †)? \|", file.read(), re.M)
    strangers = [name for name in RULES if name not in listed]
    strangers += [name for script in scripts for name in script.may if name not in listed]
    if strangers:
        raise ValueError(f"not in docs/nginx.md: {sorted(set(strangers))}")
    return listed


def report(scripts, outcomes, again, listed, show):
    """Prints the table and the summary; the verdicts."""
    section = None
    for script in scripts:
        outcome = outcomes[script.number]
        if script.section != section:
            section = script.section
            print(f"section {section}")
        print(f"  {outcome.word:10} {script.number} {script.title}")
        if show and outcome.fields:
            for name, fields in zip(("nginx", "postern"), outcome.fields):
                print(f"    -- {name}")
                for what, value, seconds in fields:
                    print(f"    {what}: {value}" + (f"   [{seconds:.1f} s]" if seconds is not None else ""))
        for note in outcome.notes:
            print(f"    {note}")
    if again:
        print(f"held twice: {' '.join(script.number for script in again)}")
    words = [outcome.word for outcome in outcomes.values()]
    documented = [outcome for outcome in outcomes.values() if outcome.word.startswith("D") and outcome.word != "DIFFERS"]
    shown = {name for outcome in documented for name in outcome.word.split()}
    print(f"configuration of the relay: by {Relay.source}")
    unseen = [name for name in listed if name not in shown]
    print(f"deviations that showed: {len(shown)} of {len(listed)}; not: {' '.join(unseen)}")
    print(
        f"conversations: {len(scripts)}, equal {words.count('equal')}, deviating as documented {len(documented)}, "
        f"differing {words.count('DIFFERS')}, skipped {words.count('skipped')}")
    return words


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", default=[])
    parser.add_argument("--show", action="store_true")
    options = parser.parse_args()
    scripts = conversations.load(os.path.join(HERE, "conversations"))
    listed = check_document(scripts)
    if options.only:
        scripts = [s for s in scripts if s.number in options.only or str(s.section) in options.only]
    Relay.source = "import" if import_is_here() else "hand"
    with tempfile.TemporaryDirectory(dir=os.environ["POSTERN_WORLD"]) as folder:
        os.chmod(folder, 0o755)
        os.mkdir(f"{folder}/material", 0o755)
        material = Material(f"{folder}/material")
        outcomes, groups = {}, {}
        for script in scripts:
            if "lookup" in script.needs and not has_more_lookups(folder):
                outcomes[script.number] = Outcome(script, "skipped", ["lookups of this build know no host names"])
            else:
                groups.setdefault(script.key, []).append(script)
        with concurrent.futures.ThreadPoolExecutor(AT_A_TIME) as pool:
            jobs = [
                pool.submit(compared, members, number, folder, material) for number, members in enumerate(groups.values())]
            outcomes |= {outcome.script.number: outcome for job in jobs for outcome in job.result()}
        # A machine that is busy with other things is no difference: what differed is held once more, by itself.
        again = [outcome.script for outcome in outcomes.values() if outcome.word == "DIFFERS" and outcome.fields]
        for number, script in enumerate(again, len(groups)):
            outcomes |= {script.number: outcome for outcome in compared([script], number, folder, material)}
    words = report(scripts, outcomes, again, listed, options.show)
    sys.stdout.flush()
    # (Threads that still wait for a peer are nobody's.)
    os._exit(1 if "DIFFERS" in words else 0)


if __name__ == "__main__":
    threading.stack_size(256 << 10)
    main()
