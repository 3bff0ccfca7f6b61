"""smtp-source with each of its options, through the relay to smtp-sink: what arrives is what arrives without the relay."""
import re

import world
from backends import SMTPSink
from messages import TOKEN

# Options, and how many messages they send. "TO" stands for the recipient.
OPTIONS = [
    ("-m 20 -s 5 -t TO -f a@sender.test", 20),
    ("-m 20 -s 5 -d -t TO -f a@sender.test", 20),
    ("-m 3 -c -t TO -f a@sender.test", 3),
    ("-m 4 -N -t TO -f a@sender.test", 4),
    ("-m 2 -r 100 -t TO -f a@sender.test", 2),
    ("-m 3 -r 3 -N -d -t TO -f a@sender.test", 3),
    ("-m 2 -l 1 -t TO -f a@sender.test", 2),
    ("-m 2 -l 100000 -s 2 -t TO -f a@sender.test", 2),
    ("-m 2 -S 'Subject' -M source.test -t TO -f a@sender.test", 2),
    ("-m 4 -d -w 1 -s 2 -t TO", 4),
    ("-m 4 -d -R 1 -s 2 -t TO", 4),
    ("-m 2 -T 1000 -l 20000 -t TO -f a@sender.test", 2),
    ("-m 2 -A -C 5 -4 -v -t TO -f a@sender.test", 2),
]


def masked(arrival):
    """What two runs have in common."""
    content = re.sub(rb"^(Date|Message-Id|To):.*", rb"\1", arrival.content, flags=re.M | re.I)
    return arrival.sender, [TOKEN.sub("", r) for r in arrival.recipients], content


def source():
    sink = SMTPSink(2505)
    relay = world.Relay(2605, 2505)
    for number, (options, count) in enumerate(OPTIONS):
        came, said = [], []
        for way, port in ((0, sink.port), (1, relay.port)):
            token = f"c{2 * number + way + 1}x"
            # (Its numbers stand before the address: the token ends in a letter, and they are no part of it.)
            words = options.replace("TO", f"{token}@sink.test").replace("'", "").split()
            done = world.attempt("/usr/sbin/smtp-source", *words, f"127.0.0.1:{port}")
            said.append(done[0])
            if done[0] == 0:
                came.append(sorted(map(masked, sink.store.wait(token, lambda a: len(a) >= count, 30))))
            else:
                came.append(done[1])
        world.expect(said[0] == 0 and said[1] == 0, f"smtp-source {options}: {said} {came}")
        world.expect(len(came[0]) == count, f"smtp-source {options}: without the relay {len(came[0])} arrived")
        world.expect(came[0] == came[1], f"smtp-source {options}: {came[1][:2]} instead of {came[0][:2]}")
        print(f"smtp-source {options}: {count} of {count} arrived, as without the relay", flush=True)
    # With -o it says neither EHLO nor HELO.
    status, text = world.attempt("/usr/sbin/smtp-source", "-o", f"127.0.0.1:{relay.port}")
    world.expect(status == 1 and "503 5.5.1" in text, f"smtp-source -o: status {status}: {text}")


if __name__ == "__main__":
    world.main({"source": source})
