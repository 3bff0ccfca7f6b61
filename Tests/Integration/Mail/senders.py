"""Programs that hand a message to a port at once and say what became of it. (The MTAs as senders are in backends.py.)"""
import asyncio, os, re, smtplib

import world


class Sender:
    utf8 = False  # (whether it can ask for SMTPUTF8)

    def wire(self, case, token):
        return case.wire(token)

    def recipients(self, token, count, domain):
        """The recipients as they arrive; `smtp-source` makes up its own."""
        return [f"{token}-{number}@{domain}" for number in range(count)]


class Swaks(Sender):
    name = "swaks"

    def send(self, case, token, recipients, port, path):
        # (What it makes of a file by itself ends in another empty line, or takes a last line "." for the end.)
        wire = re.sub(rb"^\.", b"..", case.wire(token), flags=re.M) + b".\r\n"
        world.run(
            "/usr/bin/swaks", "--server", f"127.0.0.1:{port}", "--helo", "swaks.test", "--from", case.sender(), "--to",
            ",".join(recipients), "--no-data-fixup", "--data", "@" + world.write(path + ".wire", wire),
            "--suppress-data", "--timeout", "60")
        os.unlink(path + ".wire")


class SMTPSource(Sender):
    name = "smtp-source"

    def wire(self, case, token):
        # (It ends a file with an empty line of its own.)
        return case.wire(token) + b"\r\n"

    def recipients(self, token, count, domain):
        return [f"{token}@{domain}", *(f"{number}{token}@{domain}" for number in range(2, count + 1))]

    def send(self, case, token, recipients, port, path):
        text = world.run(
            "/usr/sbin/smtp-source", "-F", path, "-f", case.sender(), "-t", recipients[0], "-r", str(len(recipients)),
            "-M", "source.test", f"127.0.0.1:{port}")
        world.expect(not text, f"smtp-source: {text}")


class Msmtp(Sender):
    name = "msmtp"

    def send(self, case, token, recipients, port, path):
        with open(path, "rb") as file:
            world.run(
                "/usr/bin/msmtp", "--host=127.0.0.1", f"--port={port}", "--auth=off", "--tls=off", "--domain=msmtp.test",
                "--timeout=60", f"--from={case.sender()}", "--", *recipients, stdin=file)


class Smtplib(Sender):
    name, utf8 = "smtplib", True

    def send(self, case, token, recipients, port, path):
        options = ["SMTPUTF8", "BODY=8BITMIME"] if case.utf8 else ["BODY=8BITMIME"]
        try:
            with smtplib.SMTP("127.0.0.1", port, local_hostname="smtplib.test", timeout=60) as client:
                refused = client.sendmail(case.sender(), recipients, case.crlf(token), mail_options=options)
        except (smtplib.SMTPException, OSError) as error:
            raise world.Failed(repr(error)) from None
        world.expect(not refused, f"refused: {refused}")


class Aiosmtplib(Sender):
    name, utf8 = "aiosmtplib", True

    def send(self, case, token, recipients, port, path):
        import aiosmtplib

        options = ["SMTPUTF8", "BODY=8BITMIME"] if case.utf8 else ["BODY=8BITMIME"]

        async def send():
            client = aiosmtplib.SMTP(
                hostname="127.0.0.1", port=port, local_hostname="aiosmtplib.test", timeout=60, start_tls=False)
            async with client:
                return await client.sendmail(case.sender(), recipients, case.crlf(token), mail_options=options)

        try:
            refused, _ = asyncio.run(send())
        except (aiosmtplib.SMTPException, OSError) as error:
            raise world.Failed(repr(error)) from None
        world.expect(not refused, f"refused: {refused}")


class Agent(Sender):
    """A mail server that takes the message with its sendmail and sends it on by itself."""

    def __init__(self, backend):
        self.backend, self.name, self.utf8 = backend, backend.name, backend.utf8

    def send(self, case, token, recipients, port, path):
        if case.name in self.backend.not_by_sendmail:
            # (Handed over by SMTP, at a port where it sends on what it gets.)
            Smtplib().send(case, token, recipients, self.backend.port + 200, path)
        else:
            self.backend.send(case.sender(), recipients, path)

    def failure(self, token):
        return self.backend.failure(token)


